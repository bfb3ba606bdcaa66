/*
 * The file that a command is told to write (--output): in memory, under a path that leads nowhere.
 * _GNU_SOURCE comes first.
 */
#ifndef HARPSWEEP_FUZZ_FAKE_OUTPUT_H
#define HARPSWEEP_FUZZ_FAKE_OUTPUT_H

#include "fuzz_files.h"

#include <sys/syscall.h>

#define FAKE_OUTPUT_FD 203
/* Below a file: whoever goes there without the functions here finds nothing and makes nothing. */
#define FAKE_OUTPUT_PATH "/proc/self/fd/203/report"

static struct {
    bool made;   /* the temporary file is there */
    bool placed; /* it has its name */
    char *text;  /* what it holds, NUL-terminated */
    size_t length;
} fake_output;

/* Once, and before each command. */
FUZZ_BLIND void
fake_output_begin(void)
{
    static bool has_file;

    if (!has_file) {
        has_file = true;
        fuzz_make_file(FAKE_OUTPUT_FD, 0600);
    }
    fake_output.made = fake_output.placed = false;
}

int
mkstemp(char *template)
{
    FUZZ_CHECK(strncmp(template, FAKE_OUTPUT_PATH ".", sizeof FAKE_OUTPUT_PATH) == 0 &&
                   !fake_output.made,
               "%s", template);
    fake_output.made = true;
    FUZZ_CHECK(ftruncate(FAKE_OUTPUT_FD, 0) == 0 && lseek(FAKE_OUTPUT_FD, 0, SEEK_SET) == 0,
               "no file");
    return dup(FAKE_OUTPUT_FD);
}

/* libFuzzer has files to rename as well. */
int
rename(const char *before, const char *after)
{
    if (strcmp(after, FAKE_OUTPUT_PATH) != 0) {
        return (int)syscall(SYS_rename, before, after);
    }
    FUZZ_CHECK(fake_output.made && !fake_output.placed, "%s", before);
    fake_output.placed = true;
    return 0;
}

FUZZ_BLIND void
fake_output_read(void)
{
    struct stat info;

    FUZZ_CHECK(fstat(FAKE_OUTPUT_FD, &info) == 0, "no file");
    fake_output.length = (size_t)info.st_size;
    fake_output.text = realloc(fake_output.text, fake_output.length + 1);
    FUZZ_CHECK(fake_output.text != NULL &&
                   pread(FAKE_OUTPUT_FD, fake_output.text, fake_output.length, 0) == info.st_size,
               "no file");
    fake_output.text[fake_output.length] = '\0';
}

#endif
