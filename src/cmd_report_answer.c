/* What the page says first: is it well, what was reclaimed, what waits, what needs somebody. */
#include "cmd_report.h"

#include "mem.h"
#include "table.h"

/* One thing that somebody has to do, and what to type; href NULL: it is told nowhere else. */
static void
report_write_task(struct html_out *html, const char *href, const char *words, const char *command)
{
    html_out_open(html, "li", NULL);
    if (href == NULL) {
        html_out_text(html, words);
    } else {
        html_out_element(html, "a", "href", href, words);
    }
    html_out_text(html, ": ");
    html_out_element(html, "code", NULL, NULL, command);
    html_out_close(html);
}

static void
report_write_counted_task(struct html_out *html, int64_t count, const char *href,
                          const char *single, const char *many, const char *command)
{
    if (count > 0) {
        char *words = report_count(count, single, many);

        report_write_task(html, href, words, command);
        mem_free(words);
    }
}

static void
report_write_unknown(void *context, const char *name, int64_t due)
{
    struct html_out *html = context;
    char *jobs = report_count(due, "due job", "due jobs");

    html_out_open(html, "li", NULL);
    html_out_text(html, jobs);
    html_out_text(html, " of daemon ");
    html_out_name(html, name);
    html_out_text(html, ", which neither the settings nor Nextcloud know: add a section, or cancel "
                        "them");
    html_out_close(html);
    mem_free(jobs);
}

static void
report_write_intake(struct html_out *html, const struct db_result *intake)
{
    for (int row = 0; row < db_rows(intake); row++) {
        char *times = report_count(db_int(intake, row, LEDGER_INTAKE_TIMES), "time", "times");

        html_out_open(html, "li", NULL);
        html_out_textf(html, "%s, last ", times);
        report_write_moment(html, db_text(intake, row, LEDGER_INTAKE_LAST_AT));
        html_out_text(html, ", the trigger on ");
        html_out_name(html, db_text(intake, row, LEDGER_INTAKE_SOURCE));
        html_out_text(html, " could not do its work: ");
        html_out_name(html, db_text(intake, row, LEDGER_INTAKE_MESSAGE));
        html_out_text(html, " ");
        html_out_element(html, "code", NULL, NULL, "harpsweep check --fix-hints");
        html_out_close(html);
        mem_free(times);
    }
}

static void
report_write_tasks(struct html_out *html, const struct report_view *view)
{
    const struct status_summary *summary = &view->status.summary;

    if (!summary->attention) {
        return;
    }
    html_out_open(html, "h3", NULL);
    html_out_text(html, "What to do");
    html_out_close(html);
    html_out_open(html, "ul", NULL);
    report_write_counted_task(html, summary->stopped, "#daemons", "daemon does not work",
                              "daemons do not work", "harpsweep check --fix-hints");
    report_write_counted_task(html, summary->failed, "#failed", "job failed", "jobs failed",
                              "harpsweep show ID, then harpsweep retry ID or cancel ID");
    report_write_counted_task(html, summary->late, "#pending",
                              "job is overdue for more than an hour; does cron run harpsweep?",
                              "jobs are overdue for more than an hour; does cron run harpsweep?",
                              "systemctl status harpsweep.timer cron");
    cmd_status_each_unknown(&view->status, report_write_unknown, html);
    report_write_intake(html, view->status.status.parts[LEDGER_STATUS_INTAKE]);
    html_out_close(html);
}

/* Seconds until the first job is due that is not yet; -1: none of those that are due first. */
static int64_t
report_next_s(const struct report_view *view)
{
    const struct db_result *next = view->report.parts[LEDGER_REPORT_NEXT];

    for (int row = 0; row < db_rows(next); row++) {
        if (db_int(next, row, LEDGER_NEXT_WAITS_S) > 0) {
            return db_int(next, row, LEDGER_NEXT_WAITS_S);
        }
    }
    return -1;
}

static void
report_write_sentence(struct html_out *html, const struct report_view *view)
{
    const struct status_summary *summary = &view->status.summary;
    const struct report_sums *sums = &view->sums;
    char *images = report_count(sums->removed, "image was", "images were");
    char *waiting = report_count(sums->pending, "job waits", "jobs wait");
    char *due = report_count(sums->due, "", "");
    int64_t next_s = report_next_s(view);
    char size[TABLE_SIZE_SIZE];
    char span[TABLE_SPAN_SIZE];

    html_out_textf(html, " In the last %zu day%s %s deleted", view->day_count,
                   view->day_count == 1 ? "" : "s", images);
    if (sums->bytes_freed > 0) {
        html_out_textf(html, " and up to %s reclaimed", table_size(sums->bytes_freed, size));
    }
    html_out_textf(html, ". %s", sums->pending == 0 ? "Nothing waits" : waiting);
    if (sums->due > 0) {
        html_out_textf(html, ", %s of them due now", due);
    }
    if (next_s >= 0) {
        html_out_textf(html, "; the next one is due in %s", table_span(next_s, span));
    }
    html_out_text(html, summary->attention ? "." : ". Nothing needs you.");
    mem_free(images);
    mem_free(waiting);
    mem_free(due);
}

static void
report_write_tile(struct html_out *html, const char *name, const char *value)
{
    html_out_open(html, "div", NULL);
    html_out_element(html, "dt", NULL, NULL, name);
    html_out_element(html, "dd", NULL, NULL, value);
    html_out_close(html);
}

static void
report_write_tiles(struct html_out *html, const struct report_view *view)
{
    const struct {
        const char *name;
        int64_t number;
    } counts[] = {{"Images deleted", view->sums.removed},
                  {"Jobs waiting", view->sums.pending},
                  {"Failed jobs", view->status.summary.failed}};
    char size[TABLE_SIZE_SIZE];

    html_out_open(html, "dl", NULL);
    report_write_tile(html, "Reclaimed, up to", table_size(view->sums.bytes_freed, size));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        char *number = report_count(counts[i].number, "", "");

        report_write_tile(html, counts[i].name, number);
        mem_free(number);
    }
    html_out_close(html);
}

static void
report_write_beginning(struct html_out *html)
{
    html_out_open(html, "p", NULL);
    html_out_text(html, "When an app is uninstalled or updated, its old image appears here, waits "
                        "for the end of its grace, and is deleted. Until then:");
    html_out_close(html);
    html_out_open(html, "ul", NULL);
    report_write_task(html, NULL, "Whether everything is set up", "harpsweep check");
    report_write_task(html, NULL, "Which image each app runs", "harpsweep observe");
    report_write_task(html, NULL, "Images that were left behind before", "harpsweep help adopt");
    html_out_close(html);
}

void
report_write_answer(struct html_out *html, const struct report_view *view)
{
    bool bad = view->status.summary.attention;
    bool empty = report_is_empty(view);

    report_open_section(html, "answer", "In short");
    html_out_open_with(html, "p", "class", "lead");
    html_out_element(html, "strong", "class", bad ? "bad" : "good",
                     bad ? "Somebody has to look." : "All is well.");
    if (empty) {
        html_out_text(html, " Nothing has happened yet.");
    } else {
        report_write_sentence(html, view);
    }
    html_out_close(html);
    if (!view->session->enabled) {
        html_out_open_with(html, "p", "class", "note");
        html_out_textf(
            html,
            "Cleanup is disabled in %s: only jobs that somebody wants done now are worked on.",
            view->session->conf->follow_nextcloud ? "Nextcloud" : "the settings (enabled = no)");
        html_out_close(html);
    }
    report_write_tasks(html, view);
    if (empty) {
        report_write_beginning(html);
    } else {
        report_write_tiles(html, view);
    }
    html_out_close(html);
}
