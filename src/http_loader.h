/*
 * Loads libcurl, once. After a failure every further call tries again.
 */
#ifndef HARPSWEEP_HTTP_LOADER_H
#define HARPSWEEP_HTTP_LOADER_H

#include "err.h"

#include <stdbool.h>

/* False where the library is not there, or is not what the program was built for. */
bool http_loader_load(void) MUST_CHECK;

/* Whether this libcurl keeps a pointer to the last header of a transfer, which it frees: 7.83.0 to
 * 8.2.1. The handle's next transfer writes through it where its first header begins with white
 * space (https://github.com/curl/curl/issues/11101 and 11620). So such a header must not get that
 * far: with CURLOPT_HEADER these releases show each line of an answer's head to the body's function
 * before they look at it. */
bool http_loader_has_stale_header(void);

/* Why the last http_loader_load() failed, in the words of the dynamic linker. */
const char *http_loader_error(void);

#endif
