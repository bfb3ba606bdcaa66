#include "color.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool
color_is_terminal(FILE *out)
{
    /* Nothing here changes the environment. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    const char *terminal = getenv("TERM");
    int fd = fileno(out);

    return terminal != NULL && *terminal != '\0' && strcmp(terminal, "dumb") != 0 && fd >= 0 &&
           isatty(fd) == 1;
}

bool
color_is_wanted(FILE *out)
{
    /* As above. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    const char *forbidden = getenv("NO_COLOR");

    return (forbidden == NULL || *forbidden == '\0') && color_is_terminal(out);
}

const char *
color_begin(enum color color, bool wanted)
{
    /* The eight colours that every scheme of a terminal makes readable on its own ground. */
    static const char *const begin[] = {
        [COLOR_NONE] = "",        [COLOR_GOOD] = "\x1b[32m",  [COLOR_WARNING] = "\x1b[33m",
        [COLOR_BAD] = "\x1b[31m", [COLOR_STRONG] = "\x1b[1m",
    };

    return wanted ? begin[color] : "";
}

const char *
color_end(enum color color, bool wanted)
{
    return wanted && color != COLOR_NONE ? "\x1b[0m" : "";
}
