/*
 * Progress on a terminal, of one run or of many at once. Where nobody looks (standard error is no
 * terminal, as under cron) there is no watch at all, and runs have no watcher.
 */
#ifndef HARPSWEEP_CMD_WATCH_H
#define HARPSWEEP_CMD_WATCH_H

#include "cli.h"
#include "sweep.h"

struct cmd_watch;

/* instances: 0 for one run. NULL where nothing is to be shown. cmd_watch_close() it, which wipes
 * what is shown. */
struct cmd_watch *cmd_watch_open(const struct cli *cli, size_t instances);
void cmd_watch_close(struct cmd_watch *watch); /* NULL is fine */

/* A run that is watched: the watcher for its options, and what is known of it. */
struct cmd_watch_run {
    struct cmd_watch *watch;
    struct sweep_watcher watcher;
    int64_t done;
    int64_t bytes_freed;
    int64_t stopped;
};

/* Watches one run of the thread's own; NULL where watch is NULL. */
const struct sweep_watcher *cmd_watch_begin(struct cmd_watch *watch, struct cmd_watch_run *run);

/* That run is over. */
void cmd_watch_end(struct cmd_watch_run *run, const struct sweep_report *report);

#endif
