/*
 * The report: what was asked for it, and the ways in which it is written.
 */
#ifndef HARPSWEEP_CMD_REPORT_H
#define HARPSWEEP_CMD_REPORT_H

#include "clock.h"
#include "cmd_session.h"
#include "cmd_status_view.h"
#include "html_out.h"
#include "ledger_report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Days after today of which it is told what is due then; what comes later is one line. */
#define REPORT_DAYS_AHEAD 7

/* A day of the reader's zone. */
struct report_day {
    int64_t begins; /* seconds since 1970 */
    char date[CLOCK_DAY_SIZE];
};

/* Sums over the days. */
struct report_sums {
    int64_t removed;
    int64_t bytes_freed;
    int64_t other;  /* jobs that became final without an image deleted, and did not fail */
    int64_t failed; /* on these days; status.summary has those of any age */
    int64_t pending;
    int64_t due; /* of them: now; a new one is due when its grace will have ended */
    int64_t pending_bytes;
    int64_t pending_unsized;
};

struct report_view {
    const struct cmd_session *session;
    int64_t made_at;
    struct report_day *days; /* day_count past ones, today the last, then tomorrow and so on, and
                                one where the last of those ends */
    size_t day_count;
    struct status_view status;
    struct ledger_report report;
    struct report_sums sums;
};

/* The whole of it. */
void report_write_json(FILE *out, const struct report_view *view);
void report_write_page(FILE *out, const struct report_view *view);

/* Parts of the page, in the order in which they stand there. */
void report_write_answer(struct html_out *html, const struct report_view *view);
void report_write_days(struct html_out *html, const struct report_view *view);
void report_write_apps(struct html_out *html, const struct report_view *view);
void report_write_pending(struct html_out *html, const struct report_view *view);
void report_write_failed(struct html_out *html, const struct report_view *view);
void report_write_daemons(struct html_out *html, const struct report_view *view);

/* Whether there is nothing to tell of yet: no job was ever seen. */
bool report_is_empty(const struct report_view *view);

const char *report_style(void);

/* "1 job", "12,345 jobs"; many is the plural. mem_free() it. */
char *report_count(int64_t number, const char *single, const char *many);

/* A moment as the queries write it, in the reader's zone, with the exact one for programs. */
void report_write_moment(struct html_out *html, const char *utc);

/* A section with its heading, which names it for a screen reader; html_out_close() it. */
void report_open_section(struct html_out *html, const char *id, const char *title);

/* A table with its caption and titles, scrolled where it is long; report_close_table() it. Titles
 * that begin with '>' stand over numbers. */
struct report_columns {
    const char *const *titles;
    size_t count;
    size_t at; /* the column of the next cell */
};
void report_open_table(struct html_out *html, struct report_columns *columns, const char *caption);
void report_close_table(struct html_out *html);
void report_open_row(struct html_out *html, struct report_columns *columns);
/* The next cell of a row; the first one names it. html_out_close() it. */
void report_open_cell(struct html_out *html, struct report_columns *columns);
void report_write_cell(struct html_out *html, struct report_columns *columns, const char *text);
void report_write_number(struct html_out *html, struct report_columns *columns, int64_t number);
/* A size and its bar, as a part of the largest one; largest 0: no bar. */
void report_write_size(struct html_out *html, struct report_columns *columns, int64_t bytes,
                       int64_t largest);

#endif
