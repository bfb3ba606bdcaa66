#include "cli.h"
#include "commit.h"
#include "conf.h"
#include "db.h"
#include "http.h"
#include "reply.h"

#include <stdio.h>

int
cmd_version(void)
{
    int libpq = db_library_version();

    /* What a report of a bug has to say: libraries are those found at run time, which may be newer
     * than what it was built with. */
    (void)printf("harpsweep %s (commit %s, schema version %d)\n"
                 "libpq %d.%d, %s, jansson %s, inih %s\n",
                 HARPSWEEP_VERSION, HARPSWEEP_COMMIT, HARPSWEEP_SCHEMA_VERSION, libpq / 10000,
                 libpq % 10000, http_library_version(), reply_library_version(),
                 conf_library_version());
    return EXIT_CODE_OK;
}
