/*
 * What the command report asks. The SQL stands in sql/queries/report_*.sql, which tells what each
 * column holds.
 */
#ifndef HARPSWEEP_LEDGER_REPORT_H
#define HARPSWEEP_LEDGER_REPORT_H

#include "db.h"
#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ledger_report_part {
    LEDGER_REPORT_DAYS,
    LEDGER_REPORT_APPS,
    LEDGER_REPORT_PENDING,
    LEDGER_REPORT_NEXT,
    LEDGER_REPORT_FAILED,
    LEDGER_REPORT_DAEMONS,
    LEDGER_REPORT_PARTS,
};

enum {
    LEDGER_DAYS_DAY, /* from 1 on */
    LEDGER_DAYS_REMOVED,
    LEDGER_DAYS_FAILED = LEDGER_DAYS_REMOVED + 7,
    LEDGER_DAYS_BYTES,
};
enum {
    LEDGER_APPS_ALL, /* whole numbers from here on, … */
    LEDGER_APPS_REMOVED,
    LEDGER_APPS_OTHER,
    LEDGER_APPS_BYTES, /* … to here */
    LEDGER_APPS_APP,
    LEDGER_APPS_LAST_AT,
};
enum {
    LEDGER_PENDING_SLOT, /* see LEDGER_SLOT_…; from 1 on: the days of days_ahead */
    LEDGER_PENDING_JOBS,
    LEDGER_PENDING_HELD,
    LEDGER_PENDING_BYTES,
    LEDGER_PENDING_UNSIZED,
};
enum { LEDGER_SLOT_NOW = -1, LEDGER_SLOT_TODAY = 0 };
enum {
    LEDGER_NEXT_ID, /* whole numbers from here on, … */
    LEDGER_NEXT_WAITS_S,
    LEDGER_NEXT_BYTES, /* … to here */
    LEDGER_NEXT_DUE,
    LEDGER_NEXT_APP,
    LEDGER_NEXT_DAEMON,
    LEDGER_NEXT_IMAGE,
    LEDGER_NEXT_STATE,
    LEDGER_NEXT_REASON,
};
enum {
    LEDGER_FAILURES_ALL,
    LEDGER_FAILURES_ID,
    LEDGER_FAILURES_ATTEMPTS,
    LEDGER_FAILURES_APP,
    LEDGER_FAILURES_DAEMON,
    LEDGER_FAILURES_IMAGE,
    LEDGER_FAILURES_AT,
    LEDGER_FAILURES_REASON,
};
enum {
    LEDGER_HEALTH_NAME,
    LEDGER_HEALTH_HEALTH,
    LEDGER_HEALTH_OPEN, /* whole numbers from here on, … */
    LEDGER_HEALTH_DUE,
    LEDGER_HEALTH_FAILED,
    LEDGER_HEALTH_REMOVED,
    LEDGER_HEALTH_BYTES, /* … to here */
    LEDGER_HEALTH_ANSWERED_AT,
    LEDGER_HEALTH_VERSION,
    LEDGER_HEALTH_STOP,
    LEDGER_HEALTH_STOPPED_SINCE,
    LEDGER_HEALTH_REASON,
    LEDGER_HEALTH_HINT,
    LEDGER_HEALTH_PAUSED_UNTIL,
};

/* What is asked for: days as the seconds in which they begin, in order. */
struct ledger_report_ask {
    const int64_t *days; /* those that are told, today the last; at least one */
    size_t day_count;
    const int64_t *days_ahead; /* tomorrow and the ones after it */
    size_t day_ahead_count;
    int64_t grace_hours; /* of jobs whose row names none */
    int64_t max_rows;    /* of each list */
};

/* One result per part, in one round trip, each of them checked: days and slots are in order and
 * none of them is beyond what was asked for, numbers are not negative, and their sums fit. Whoever
 * reads them need not ask again. ledger_report_free() it, also after a failure. */
struct ledger_report {
    struct db_result *parts[LEDGER_REPORT_PARTS];
};
bool ledger_report(struct db *db, const struct ledger_report_ask *ask,
                   struct ledger_report *ret_report, struct err *err) MUST_CHECK;
/* The check alone. */
bool ledger_report_check(const struct ledger_report *report, const struct ledger_report_ask *ask,
                         struct err *err) MUST_CHECK;
void ledger_report_free(struct ledger_report *report);

#endif
