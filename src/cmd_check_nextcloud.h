/*
 * What check tells about Nextcloud: whether its tables are watched, and what went wrong there.
 */
#ifndef HARPSWEEP_CMD_CHECK_NEXTCLOUD_H
#define HARPSWEEP_CMD_CHECK_NEXTCLOUD_H

#include "cmd_check_report.h"
#include "conf.h"
#include "db.h"
#include "roster.h"

/* Adds the daemons of Nextcloud to the roster. False where they could not be asked for. */
bool cmd_check_nextcloud(struct check_report *report, struct db *db, const struct conf *conf,
                         struct roster *roster);

/* The next command about the next finding: what installs the schema, with the triggers on
 * Nextcloud's tables. */
void cmd_check_fix_watch(struct check_report *report, const struct conf *conf);

#endif
