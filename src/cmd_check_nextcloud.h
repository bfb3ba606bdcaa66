/*
 * What check tells about Nextcloud: whether its tables are watched, and what went wrong there.
 */
#ifndef HARPSWEEP_CMD_CHECK_NEXTCLOUD_H
#define HARPSWEEP_CMD_CHECK_NEXTCLOUD_H

#include "cmd_check_report.h"
#include "conf.h"
#include "db.h"
#include "roster.h"

/* Adds the daemons of Nextcloud to the roster. */
void cmd_check_nextcloud(struct check_report *report, struct db *db, const struct conf *conf,
                         struct roster *roster);

#endif
