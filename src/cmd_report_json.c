/* The report for other programs: moments in UTC, sizes in bytes, nothing rounded. */
#include "cmd_report.h"
#include "json_out.h"

static void
report_json_moment(struct json_out *json, const char *key, int64_t seconds)
{
    char text[CLOCK_UTC_SIZE];

    json_out_text(json, key, clock_utc_text(seconds, text));
}

static void
report_json_day(struct json_out *json, const struct report_day *day)
{
    json_out_text(json, "day", day[0].date);
    report_json_moment(json, "from", day[0].begins);
    report_json_moment(json, "to", day[1].begins);
}

/* Every day, also those without a row. */
static void
report_json_days(struct json_out *json, const struct report_view *view)
{
    const struct db_result *days = view->report.parts[LEDGER_REPORT_DAYS];
    int row = 0;

    json_out_open_array(json, "per_day");
    for (size_t i = 0; i < view->day_count; i++) {
        bool told = row < db_rows(days) && db_int(days, row, LEDGER_DAYS_DAY) == (int64_t)i + 1;

        json_out_open_object(json, NULL);
        report_json_day(json, &view->days[i]);
        for (int column = LEDGER_DAYS_REMOVED; column <= LEDGER_DAYS_BYTES; column++) {
            json_out_int(json, db_column_name(days, column), told ? db_int(days, row, column) : 0);
        }
        json_out_close_object(json);
        row += told;
    }
    json_out_close_array(json);
}

static void
report_json_slot(struct json_out *json, const struct report_view *view, int row)
{
    const struct db_result *pending = view->report.parts[LEDGER_REPORT_PENDING];
    const struct report_day *today = &view->days[view->day_count - 1];
    int64_t slot = db_int(pending, row, LEDGER_PENDING_SLOT);

    if (db_is_null(pending, row, LEDGER_PENDING_SLOT)) {
        json_out_text(json, "when", "never");
    } else if (slot == LEDGER_SLOT_NOW) {
        json_out_text(json, "when", "now");
    } else if (slot <= REPORT_DAYS_AHEAD) {
        json_out_text(json, "when", "day");
        report_json_day(json, today + slot);
        return;
    } else {
        json_out_text(json, "when", "later");
        json_out_null(json, "day");
        report_json_moment(json, "from", today[slot].begins);
        json_out_null(json, "to");
        return;
    }
    json_out_null(json, "day");
    json_out_null(json, "from");
    json_out_null(json, "to");
}

static void
report_json_pending(struct json_out *json, const struct report_view *view)
{
    const struct db_result *pending = view->report.parts[LEDGER_REPORT_PENDING];

    json_out_open_array(json, "pending");
    for (int row = 0; row < db_rows(pending); row++) {
        json_out_open_object(json, NULL);
        report_json_slot(json, view, row);
        for (int column = LEDGER_PENDING_JOBS; column <= LEDGER_PENDING_UNSIZED; column++) {
            json_out_int(json, db_column_name(pending, column), db_int(pending, row, column));
        }
        json_out_close_object(json);
    }
    json_out_close_array(json);
}

static void
report_json_sums(struct json_out *json, const struct report_view *view)
{
    const struct report_sums *sums = &view->sums;
    const struct status_summary *summary = &view->status.summary;
    char zone[CLOCK_ZONE_SIZE];

    report_json_moment(json, "made_at", view->made_at);
    json_out_text(json, "zone", clock_local_zone(view->made_at, zone));
    json_out_int(json, "days", (int64_t)view->day_count);
    report_json_moment(json, "from", view->days[0].begins);
    json_out_bool(json, "attention", summary->attention);
    json_out_bool(json, "enabled", view->session->enabled);
    json_out_int(json, "removed", sums->removed);
    json_out_int(json, "bytes_freed", sums->bytes_freed);
    json_out_int(json, "ended_otherwise", sums->other);
    json_out_int(json, "failed_in_days", sums->failed);
    json_out_int(json, "failed", summary->failed);
    json_out_int(json, "waiting_jobs", sums->pending);
    json_out_int(json, "waiting_bytes", sums->pending_bytes);
    json_out_int(json, "waiting_unsized", sums->pending_unsized);
    json_out_int(json, "due", sums->due);
    json_out_int(json, "late", summary->late);
    json_out_int(json, "daemons_stopped", summary->stopped);
}

void
report_write_json(FILE *out, const struct report_view *view)
{
    struct db_result *const *asked = view->report.parts;
    struct db_result *const *status = view->status.status.parts;
    struct json_out json;

    json_out_init(&json, out);
    json_out_open_object(&json, NULL);
    report_json_sums(&json, view);
    report_json_days(&json, view);
    cmd_status_write_rows(&json, "apps", asked[LEDGER_REPORT_APPS], LEDGER_APPS_ALL,
                          LEDGER_APPS_BYTES);
    report_json_pending(&json, view);
    cmd_status_write_rows(&json, "next", asked[LEDGER_REPORT_NEXT], LEDGER_NEXT_ID,
                          LEDGER_NEXT_BYTES);
    cmd_status_write_rows(&json, "waiting", status[LEDGER_STATUS_WAITING], LEDGER_WAITING_JOBS,
                          LEDGER_WAITING_JOBS);
    cmd_status_write_rows(&json, "failed_jobs", asked[LEDGER_REPORT_FAILED], LEDGER_FAILURES_ALL,
                          LEDGER_FAILURES_ATTEMPTS);
    cmd_status_write_rows(&json, "daemons", asked[LEDGER_REPORT_DAEMONS], LEDGER_HEALTH_OPEN,
                          LEDGER_HEALTH_BYTES);
    cmd_status_write_unknown(&json, &view->status);
    cmd_status_write_rows(&json, "intake_errors", status[LEDGER_STATUS_INTAKE], LEDGER_INTAKE_TIMES,
                          LEDGER_INTAKE_TIMES);
    cmd_status_write_run(&json, &view->status);
    json_out_close_object(&json);
}
