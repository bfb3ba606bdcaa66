/*
 * Loads libcurl, once. After a failure every further call tries again.
 */
#ifndef HARPSWEEP_HTTP_LOADER_H
#define HARPSWEEP_HTTP_LOADER_H

#include "err.h"

#include <stdbool.h>

/* False where the library is not there, or is not what the program was built for. */
bool http_loader_load(void) MUST_CHECK;

/* Why the last http_loader_load() failed, in the words of the dynamic linker. */
const char *http_loader_error(void);

#endif
