/*
 * How the command status shows what it found.
 */
#ifndef HARPSWEEP_CMD_STATUS_VIEW_H
#define HARPSWEEP_CMD_STATUS_VIEW_H

#include "cmd_session.h"
#include "ledger.h"

#include <stdbool.h>
#include <stdint.h>

struct status_summary {
    int64_t due;          /* open jobs that somebody may act on now */
    int64_t oldest_due_s; /* for how long the oldest of them has been */
    int64_t late;         /* due jobs that should have been worked on long ago */
    int64_t unknown;      /* due jobs of daemons that nobody knows */
    int64_t failed;
    int64_t stopped; /* daemons */
    int64_t intake;  /* kinds of failures of the triggers on Nextcloud's tables */
    bool attention;  /* somebody has to look */
};

void cmd_status_print(const struct cmd_session *session, const struct ledger_status *status,
                      const struct status_summary *summary);
void cmd_status_write_json(const struct cmd_session *session, const struct ledger_status *status,
                           const struct status_summary *summary);

#endif
