#include "ledger_report.h"

#include "ledger_check.h"
#include "queries.h"

#include <string.h>

/* A window of a year over a long history is a lot to add up. */
#define LEDGER_REPORT_TIMEOUT_MS 120000

static void
ledger_report_arg_moments(struct db_args *args, const int64_t *moments, size_t count)
{
    struct buf array;

    db_array_begin(&array);
    for (size_t i = 0; i < count; i++) {
        db_array_int(&array, moments[i]);
    }
    db_arg_array(args, &array);
}

bool
ledger_report(struct db *db, const struct ledger_report_ask *ask, struct ledger_report *ret_report,
              struct err *err)
{
    struct db_args args[LEDGER_REPORT_PARTS];
    const struct db_step steps[LEDGER_REPORT_PARTS] = {
        [LEDGER_REPORT_DAYS] = {.sql = SQL_REPORT_DAYS, .args = &args[LEDGER_REPORT_DAYS]},
        [LEDGER_REPORT_APPS] = {.sql = SQL_REPORT_APPS, .args = &args[LEDGER_REPORT_APPS]},
        [LEDGER_REPORT_PENDING] = {.sql = SQL_REPORT_PENDING, .args = &args[LEDGER_REPORT_PENDING]},
        [LEDGER_REPORT_NEXT] = {.sql = SQL_REPORT_NEXT, .args = &args[LEDGER_REPORT_NEXT]},
        [LEDGER_REPORT_FAILED] = {.sql = SQL_REPORT_FAILED, .args = &args[LEDGER_REPORT_FAILED]},
        [LEDGER_REPORT_DAEMONS] = {.sql = SQL_REPORT_DAEMONS, .args = &args[LEDGER_REPORT_DAEMONS]},
    };
    bool done;

    memset(ret_report, 0, sizeof *ret_report);
    memset(args, 0, sizeof args);
    ledger_report_arg_moments(&args[LEDGER_REPORT_DAYS], ask->days, ask->day_count);
    db_arg_int(&args[LEDGER_REPORT_APPS], ask->days[0]);
    db_arg_int(&args[LEDGER_REPORT_APPS], ask->max_rows);
    ledger_report_arg_moments(&args[LEDGER_REPORT_PENDING], ask->days_ahead, ask->day_ahead_count);
    db_arg_int(&args[LEDGER_REPORT_PENDING], ask->grace_hours);
    db_arg_int(&args[LEDGER_REPORT_NEXT], ask->grace_hours);
    db_arg_int(&args[LEDGER_REPORT_NEXT], ask->max_rows);
    db_arg_int(&args[LEDGER_REPORT_FAILED], ask->max_rows);
    db_arg_int(&args[LEDGER_REPORT_DAEMONS], ask->days[0]);
    done = db_exchange(db, steps, LEDGER_REPORT_PARTS, LEDGER_REPORT_TIMEOUT_MS, err);
    for (size_t i = 0; i < LEDGER_REPORT_PARTS; i++) {
        db_args_clear(&args[i]);
        ret_report->parts[i] = done ? db_take(db, i) : NULL;
    }
    return done && ledger_report_check(ret_report, ask, err);
}

bool
ledger_report_check(const struct ledger_report *report, const struct ledger_report_ask *ask,
                    struct err *err)
{
    const struct ledger_shape shapes[LEDGER_REPORT_PARTS] = {
        [LEDGER_REPORT_DAYS] = {"report_days", "pccccccccb", 1, (int64_t)ask->day_count},
        [LEDGER_REPORT_APPS] = {"report_apps", "nccltt", 0, 0},
        [LEDGER_REPORT_PENDING] = {"report_pending", "qccbc", LEDGER_SLOT_NOW,
                                   (int64_t)ask->day_ahead_count},
        [LEDGER_REPORT_NEXT] = {"report_next", "noouttttu", 0, 0},
        [LEDGER_REPORT_FAILED] = {"report_failed", "nnnttttu", 0, 0},
        [LEDGER_REPORT_DAEMONS] = {"report_daemons", "ttccccbuuuuuuu", 0, 0},
    };

    for (size_t i = 0; i < LEDGER_REPORT_PARTS; i++) {
        if (!ledger_check(report->parts[i], &shapes[i], err)) {
            return false;
        }
    }
    return true;
}

void
ledger_report_free(struct ledger_report *report)
{
    for (size_t i = 0; i < LEDGER_REPORT_PARTS; i++) {
        db_result_free(report->parts[i]);
        report->parts[i] = NULL;
    }
}
