/*
 * Many instances of Nextcloud in one process: the settings files of a folder, worked on by a few
 * threads. What happens to one instance never touches another.
 */
#ifndef HARPSWEEP_FLEET_H
#define HARPSWEEP_FLEET_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>

struct fleet_instance {
    char *path; /* of its settings file */
    char *name; /* the file's name without ".ini" */
    int exit_code;
    void *result; /* the work's own */
};

struct fleet {
    struct fleet_instance *instances; /* in the order of their names */
    size_t count;
};

/* Whether path is a folder. */
bool fleet_is_folder(const char *path);

/* Lists the *.ini files of a folder. An empty one is an error. fleet_close() it. */
bool fleet_open(const char *folder, struct fleet *ret_fleet, struct err *err) MUST_CHECK;
void fleet_close(struct fleet *fleet);

/* Works on one instance; sets its exit_code. Called from several threads. */
typedef void fleet_work(const void *context, struct fleet_instance *instance);

/* Calls work for each instance, at most parallel at once, and waits for all. After a signal to
 * stop, instances that have not begun are left out: their exit_code becomes 75. */
void fleet_run(struct fleet *fleet, size_t parallel, fleet_work *work, const void *context);

/* The gravest of the exit codes: what needs a repair before what needs patience. */
int fleet_exit_code(const struct fleet *fleet);

#endif
