/* Which call fails. */
#define _DEFAULT_SOURCE /* syscall */
#include "torture.h"

#include <fcntl.h>
#include <sanitizer/common_interface_defs.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const torture_names[] = {
    [TORTURE_ALLOC] = "alloc", [TORTURE_LIBRARY] = "library", [TORTURE_LIBPQ] = "libpq",
    [TORTURE_CURL] = "curl",   [TORTURE_IO] = "io",
};

static struct {
    int class;  /* that is counted; -1: none */
    long count; /* so far */
    long point; /* the call that fails; 0: none */
    int way;
    int fd; /* of the log */
    bool trace;
} torture = {.class = -1, .fd = -1};

static void __attribute__((constructor(200))) torture_begin(void)
{
    const char *wish = getenv("HARPSWEEP_TORTURE");
    const char *log = getenv("HARPSWEEP_TORTURE_LOG");
    char name[16];
    int class = -1;
    int read;

    if (wish == NULL || log == NULL) {
        return;
    }
    read = sscanf(wish, "%15[a-z]:%ld:%d", name, &torture.point, &torture.way);
    for (int i = 0; read >= 1 && i <= TORTURE_IO; i++) {
        class = strcmp(name, torture_names[i]) == 0 ? i : class;
    }
    torture.trace = getenv("HARPSWEEP_TORTURE_TRACE") != NULL;
    torture.fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (class < 0 || torture.fd < 0) {
        (void)fprintf(stderr, "torture: HARPSWEEP_TORTURE=%s makes no sense, or no log\n", wish);
        _exit(2);
    }
    torture.class = class; /* from here on it counts */
}

static void
torture_write(const char *function, int number)
{
    char line[100];
    int length = snprintf(line, sizeof line, "%ld %s %d\n", torture.count, function, number);

    /* Not through anything that could be counted. */
    if (syscall(SYS_write, torture.fd, line, (size_t)length) != length) {
        _exit(2);
    }
}

int torture_counts(enum torture_class class)
{
    return torture.class == (int)class;
}

int torture_has_failed(enum torture_class class)
{
    return torture_counts(class) && torture.point > 0 && torture.count >= torture.point;
}

int
torture_fails(enum torture_class class, const char *function, int ways)
{
    int way = torture.way < ways ? torture.way : ways;

    if (torture.class != (int)class) {
        return 0;
    }
    torture.count++;
    if (torture.point == 0) {
        torture_write(function, ways);
    } else if (torture.point == torture.count) {
        torture_write(function, way);
        if (torture.trace) {
            __sanitizer_print_stack_trace();
        }
        return way;
    }
    return 0;
}

/* The program forbids that other processes of its user look into it; the leak sanitizer is one. */
TORTURE_WRAP(int, prctl, int option, ...)
{
    unsigned long values[4];
    va_list args;

    va_start(args, option);
    for (int i = 0; i < 4; i++) {
        values[i] = va_arg(args, unsigned long);
    }
    va_end(args);
    return option == PR_SET_DUMPABLE
               ? 0
               : __real_prctl(option, values[0], values[1], values[2], values[3]);
}
