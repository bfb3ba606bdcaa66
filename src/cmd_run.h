/*
 * A run, for one instance or for many, and how it is told.
 */
#ifndef HARPSWEEP_CMD_RUN_H
#define HARPSWEEP_CMD_RUN_H

#include "cli.h"
#include "json_out.h"
#include "sweep.h"

/* Connects and runs; what failed is logged. Returns the exit code; *ret_report is filled in any
 * case. watcher: NULL for none. */
int cmd_run_sweep(const struct cli *cli, const struct conf *conf,
                  const struct sweep_watcher *watcher, struct sweep_report *ret_report);

/* One line of what was done, the parts that are zero left out. */
void cmd_run_print_summary(const struct sweep_report *report);

/* The same as members of an object. */
void cmd_run_write_report(struct json_out *json, const struct sweep_report *report);

#endif
