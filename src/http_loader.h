/*
 * Loads libcurl, once. After a failure every further call tries again.
 */
#ifndef HARPSWEEP_HTTP_LOADER_H
#define HARPSWEEP_HTTP_LOADER_H

#include "err.h"

#include <stdbool.h>

/* False where the library is not there, or is not what the program was built for. */
bool http_loader_load(void) MUST_CHECK;

/* Whether a handle of this libcurl may be used for one transfer only: 7.83.0 to 8.2.1 keep a
 * pointer to the last header of a transfer, and the handle's next one writes through it where its
 * first header begins with white space (https://github.com/curl/curl/issues/11101 and 11620). */
bool http_loader_has_stale_header(void);

/* Why the last http_loader_load() failed, in the words of the dynamic linker. */
const char *http_loader_error(void);

#endif
