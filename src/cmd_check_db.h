/*
 * The part of the command check that looks at the database.
 */
#ifndef HARPSWEEP_CMD_CHECK_DB_H
#define HARPSWEEP_CMD_CHECK_DB_H

#include "cmd_check_report.h"
#include "conf.h"
#include "roster.h"

/* Adds the daemons that Nextcloud's tables tell of to the roster. False where they could not be
 * asked for. */
bool cmd_check_database(struct check_report *report, const struct conf *conf,
                        struct roster *roster);

#endif
