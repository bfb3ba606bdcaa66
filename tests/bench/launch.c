/*
 * Runs a program and tells what it cost: launch FILE PROGRAM ARGUMENT… writes wall seconds, CPU
 * seconds and peak memory in kB to FILE and exits as the program did. A large parent would not do:
 * the kernel counts what the child had before it became the program.
 */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double
launch_seconds(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

int
main(int argc, char **argv)
{
    FILE *file = argc > 2 ? fopen(argv[1], "w") : NULL;
    struct timespec begin;
    struct timespec end;
    struct rusage usage;
    int status;
    pid_t child;

    if (file == NULL) {
        (void)fprintf(stderr, "usage: launch FILE PROGRAM [ARGUMENT…]\n");
        return 64;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    child = fork();
    if (child == 0) {
        (void)execvp(argv[2], argv + 2);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child) {
        perror("launch");
        return 71;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    (void)fprintf(file, "%.6f %.6f %ld\n",
                  (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9,
                  launch_seconds(&usage.ru_utime) + launch_seconds(&usage.ru_stime),
                  usage.ru_maxrss);
    if (fclose(file) != 0) {
        perror(argv[1]);
        return 74;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
