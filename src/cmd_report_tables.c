/* What the page tells of the present: what waits, what failed, how the daemons are. */
#include "cmd_report.h"

#include "mem.h"
#include "table.h"

#include <inttypes.h>
#include <string.h>

/* A paragraph below a list that is longer than what is shown. */
static void
report_write_rest(struct html_out *html, int64_t all, int shown, const char *command)
{
    char *rest = report_count(all - shown, "more", "more");

    if (all > shown) {
        html_out_open(html, "p", NULL);
        html_out_textf(html, "%s: ", rest);
        html_out_element(html, "code", NULL, NULL, command);
        html_out_close(html);
    }
    mem_free(rest);
}

/* Which job, of which app, on which daemon: the first three cells of a row. */
static void
report_write_job(struct html_out *html, struct report_columns *columns, int64_t id, const char *app,
                 const char *daemon, const char *image)
{
    char number[32];

    (void)snprintf(number, sizeof number, "%" PRId64, id);
    report_open_row(html, columns);
    report_write_cell(html, columns, number);
    report_write_cell(html, columns, app);
    report_write_cell(html, columns, daemon);
    report_open_cell(html, columns);
    html_out_element(html, "code", NULL, NULL, image);
    html_out_close(html);
}

/* When the jobs of a slot are due. */
static const char *
report_slot_name(const struct report_view *view, const struct db_result *pending, int row)
{
    int64_t slot = db_int(pending, row, LEDGER_PENDING_SLOT);

    if (db_is_null(pending, row, LEDGER_PENDING_SLOT)) {
        return "not by itself";
    }
    if (slot == LEDGER_SLOT_NOW) {
        return "now";
    }
    if (slot == LEDGER_SLOT_TODAY) {
        return "later today";
    }
    return slot <= REPORT_DAYS_AHEAD ? view->days[(int64_t)view->day_count - 1 + slot].date
                                     : "later";
}

static void
report_write_slots(struct html_out *html, const struct report_view *view)
{
    static const char *const titles[] = {"Due", ">Jobs", ">Known size, up to", ">Of unknown size",
                                         ">Something in the way"};
    struct report_columns columns = {titles, sizeof titles / sizeof *titles, 0};
    const struct db_result *pending = view->report.parts[LEDGER_REPORT_PENDING];
    int64_t largest = 0;

    for (int row = 0; row < db_rows(pending); row++) {
        int64_t bytes = db_int(pending, row, LEDGER_PENDING_BYTES);

        largest = bytes > largest ? bytes : largest;
    }
    report_open_table(html, &columns, "How many jobs are due when");
    for (int row = 0; row < db_rows(pending); row++) {
        report_open_row(html, &columns);
        report_write_cell(html, &columns, report_slot_name(view, pending, row));
        report_write_number(html, &columns, db_int(pending, row, LEDGER_PENDING_JOBS));
        report_write_size(html, &columns, db_int(pending, row, LEDGER_PENDING_BYTES), largest);
        report_write_number(html, &columns, db_int(pending, row, LEDGER_PENDING_UNSIZED));
        report_write_number(html, &columns, db_int(pending, row, LEDGER_PENDING_HELD));
        html_out_close(html);
    }
    report_close_table(html);
}

static void
report_write_due(struct html_out *html, const struct db_result *next, int row)
{
    if (strcmp(db_text(next, row, LEDGER_NEXT_STATE), "claimed") == 0) {
        html_out_text(html, "being worked on");
    } else if (db_is_null(next, row, LEDGER_NEXT_DUE)) {
        html_out_text(html, "not by itself");
    } else {
        /* Together: on a narrow screen, what stands beside the label is one element. */
        html_out_open(html, "span", NULL);
        report_write_moment(html, db_text(next, row, LEDGER_NEXT_DUE));
        html_out_text(html, db_int(next, row, LEDGER_NEXT_WAITS_S) == 0 ? ": now" : "");
        html_out_close(html);
    }
}

static void
report_write_next(struct html_out *html, const struct report_view *view)
{
    static const char *const titles[] = {
        "Job", "App", "Daemon", "Image", "Due", ">Size, up to", "What was in the way"};
    struct report_columns columns = {titles, sizeof titles / sizeof *titles, 0};
    const struct db_result *next = view->report.parts[LEDGER_REPORT_NEXT];

    report_open_table(html, &columns, "Jobs that are due first");
    for (int row = 0; row < db_rows(next); row++) {
        report_write_job(
            html, &columns, db_int(next, row, LEDGER_NEXT_ID), db_text(next, row, LEDGER_NEXT_APP),
            db_text(next, row, LEDGER_NEXT_DAEMON), db_text(next, row, LEDGER_NEXT_IMAGE));
        report_open_cell(html, &columns);
        report_write_due(html, next, row);
        html_out_close(html);
        if (db_is_null(next, row, LEDGER_NEXT_BYTES)) {
            report_write_cell(html, &columns, "not known");
        } else {
            report_write_size(html, &columns, db_int(next, row, LEDGER_NEXT_BYTES), 0);
        }
        report_write_cell(html, &columns, db_text(next, row, LEDGER_NEXT_REASON));
        html_out_close(html);
    }
    report_close_table(html);
    report_write_rest(html, view->sums.pending, db_rows(next),
                      "harpsweep list --state open --sort due");
}

void
report_write_pending(struct html_out *html, const struct report_view *view)
{
    static const char *const titles[] = {"Reason", ">Jobs"};
    struct report_columns columns = {titles, sizeof titles / sizeof *titles, 0};
    const struct db_result *waiting = view->status.status.parts[LEDGER_STATUS_WAITING];

    report_open_section(html, "pending", "What waits");
    if (view->sums.pending == 0) {
        html_out_element(html, "p", NULL, NULL, "No job waits.");
    } else {
        report_write_slots(html, view);
        report_write_next(html, view);
    }
    if (db_rows(waiting) > 0) {
        report_open_table(html, &columns, "Why jobs wait longer than their grace");
        for (int row = 0; row < db_rows(waiting); row++) {
            report_open_row(html, &columns);
            report_write_cell(html, &columns, db_text(waiting, row, LEDGER_WAITING_REASON));
            report_write_number(html, &columns, db_int(waiting, row, LEDGER_WAITING_JOBS));
            html_out_close(html);
        }
        report_close_table(html);
    }
    html_out_close(html);
}

void
report_write_failed(struct html_out *html, const struct report_view *view)
{
    static const char *const titles[] = {"Job", "App", "Daemon", "Image", "Failed", "Why"};
    struct report_columns columns = {titles, sizeof titles / sizeof *titles, 0};
    const struct db_result *failed = view->report.parts[LEDGER_REPORT_FAILED];

    report_open_section(html, "failed", "Failed jobs");
    if (db_rows(failed) == 0) {
        html_out_element(html, "p", NULL, NULL, "None.");
        html_out_close(html);
        return;
    }
    html_out_open(html, "p", NULL);
    html_out_text(html, "They stay until somebody opens them again: ");
    html_out_element(html, "code", NULL, NULL, "harpsweep retry ID");
    html_out_text(html, ". The whole story of one: ");
    html_out_element(html, "code", NULL, NULL, "harpsweep show ID");
    html_out_close(html);
    report_open_table(html, &columns, "Failed jobs of any age, the last first");
    for (int row = 0; row < db_rows(failed); row++) {
        report_write_job(html, &columns, db_int(failed, row, LEDGER_FAILURES_ID),
                         db_text(failed, row, LEDGER_FAILURES_APP),
                         db_text(failed, row, LEDGER_FAILURES_DAEMON),
                         db_text(failed, row, LEDGER_FAILURES_IMAGE));
        report_open_cell(html, &columns);
        report_write_moment(html, db_text(failed, row, LEDGER_FAILURES_AT));
        html_out_close(html);
        report_write_cell(html, &columns, db_text(failed, row, LEDGER_FAILURES_REASON));
        html_out_close(html);
    }
    report_close_table(html);
    report_write_rest(html, db_int(failed, 0, LEDGER_FAILURES_ALL), db_rows(failed),
                      "harpsweep list --state failed");
    html_out_close(html);
}

/* Since when a daemon is unwell, why, and what to do about it. */
static void
report_write_unwell(struct html_out *html, const struct db_result *daemons, int row)
{
    if (db_is_null(daemons, row, LEDGER_HEALTH_STOP)) {
        return;
    }
    html_out_open_with(html, "p", "class", "note");
    html_out_text(html, "Daemon ");
    html_out_name(html, db_text(daemons, row, LEDGER_HEALTH_NAME));
    html_out_text(html, " does not work since ");
    report_write_moment(html, db_text(daemons, row, LEDGER_HEALTH_STOPPED_SINCE));
    html_out_text(html, ": ");
    html_out_name(html, db_text(daemons, row, LEDGER_HEALTH_REASON));
    html_out_text(html, ".");
    if (!db_is_null(daemons, row, LEDGER_HEALTH_HINT)) {
        html_out_text(html, " What to do: ");
        html_out_name(html, db_text(daemons, row, LEDGER_HEALTH_HINT));
        html_out_text(html, ".");
    }
    if (strcmp(db_text(daemons, row, LEDGER_HEALTH_HEALTH), "paused") == 0) {
        html_out_text(html, " Runs leave it alone until ");
        report_write_moment(html, db_text(daemons, row, LEDGER_HEALTH_PAUSED_UNTIL));
        html_out_text(html, ".");
    }
    html_out_close(html);
}

static void
report_write_daemon(struct html_out *html, struct report_columns *columns,
                    const struct db_result *daemons, int row)
{
    const char *health = db_text(daemons, row, LEDGER_HEALTH_HEALTH);
    const char *class = strcmp(health, "ok") == 0             ? "good"
                        : strncmp(health, "not seen", 8) == 0 ? "unseen"
                                                              : "bad";

    report_open_row(html, columns);
    report_write_cell(html, columns, db_text(daemons, row, LEDGER_HEALTH_NAME));
    report_open_cell(html, columns);
    html_out_element(html, "strong", "class", class, health);
    html_out_close(html);
    report_write_size(html, columns, db_int(daemons, row, LEDGER_HEALTH_BYTES), 0);
    for (int column = LEDGER_HEALTH_OPEN; column <= LEDGER_HEALTH_FAILED; column++) {
        report_write_number(html, columns, db_int(daemons, row, column));
    }
    report_write_cell(html, columns, db_text(daemons, row, LEDGER_HEALTH_VERSION));
    report_open_cell(html, columns);
    if (db_is_null(daemons, row, LEDGER_HEALTH_ANSWERED_AT)) {
        html_out_text(html, "never");
    } else {
        report_write_moment(html, db_text(daemons, row, LEDGER_HEALTH_ANSWERED_AT));
    }
    html_out_close(html);
    html_out_close(html);
}

static void
report_write_run(struct html_out *html, const struct db_result *run)
{
    char *jobs;

    html_out_open(html, "p", NULL);
    if (db_rows(run) == 0) {
        html_out_text(html, "No run had anything to do so far.");
        html_out_close(html);
        return;
    }
    jobs = report_count(db_int(run, 0, LEDGER_RUN_CLAIMED), "job", "jobs");
    html_out_text(html, "The last run that had something to do ended ");
    report_write_moment(html, db_text(run, 0, LEDGER_RUN_FINISHED_AT));
    html_out_text(html, " on ");
    html_out_name(html, db_text(run, 0, LEDGER_RUN_HOST));
    html_out_textf(html, ": %s; exit code %s: %s.", jobs, db_text(run, 0, LEDGER_RUN_EXIT_CODE),
                   cmd_status_exit_words(db_int(run, 0, LEDGER_RUN_EXIT_CODE)));
    html_out_close(html);
    if (!db_is_null(run, 0, LEDGER_RUN_NOTE)) {
        html_out_open_with(html, "p", "class", "note");
        html_out_name(html, db_text(run, 0, LEDGER_RUN_NOTE));
        html_out_close(html);
    }
    mem_free(jobs);
}

void
report_write_daemons(struct html_out *html, const struct report_view *view)
{
    static const char *const titles[] = {"Daemon", "Health",      ">Reclaimed, up to",
                                         ">Open",  ">Due or new", ">Failed",
                                         "HaRP",   "Last answer"};
    struct report_columns columns = {titles, sizeof titles / sizeof *titles, 0};
    const struct db_result *daemons = view->report.parts[LEDGER_REPORT_DAEMONS];

    report_open_section(html, "daemons", "Daemons and runs");
    for (int row = 0; row < db_rows(daemons); row++) {
        report_write_unwell(html, daemons, row);
    }
    if (db_rows(daemons) == 0) {
        html_out_element(html, "p", NULL, NULL, "No daemon was asked for anything so far.");
    } else {
        report_open_table(html, &columns, "How each daemon is");
        for (int row = 0; row < db_rows(daemons); row++) {
            report_write_daemon(html, &columns, daemons, row);
        }
        report_close_table(html);
    }
    report_write_run(html, view->status.status.parts[LEDGER_STATUS_RUN]);
    html_out_close(html);
}
