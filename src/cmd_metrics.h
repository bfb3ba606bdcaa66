/*
 * Figures for Prometheus: of status, and of a run for the node exporter's textfile collector.
 */
#ifndef HARPSWEEP_CMD_METRICS_H
#define HARPSWEEP_CMD_METRICS_H

#include "cmd_status_view.h"
#include "conf.h"
#include "db.h"
#include "sweep.h"

#include <stdio.h>

/* view NULL: the database could not be asked. report NULL: it is not about a run. */
void cmd_metrics_write(FILE *out, const struct conf *conf, const struct status_view *view,
                       const struct sweep_report *report);

/* Writes the settings' metrics_file, if any, after a run: under a temporary name, then renamed, so
 * that nobody reads a half. db NULL or broken: what the run knows itself. What goes wrong is a
 * warning: no run fails because of it. */
void cmd_metrics_save(const struct conf *conf, struct db *db, const struct sweep_report *report);

#endif
