#include "cmd_progress.h"

#include "color.h"
#include "printable.h"
#include "table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Lines of daemons at most: who has more wants the sum. */
#define PROGRESS_DAEMONS_MAX 8

/* Names take so many columns at most, and no more than a third of the terminal. */
#define PROGRESS_NAME_MAX 24

/* A rate that is measured for a shorter time promises nothing (milliseconds). */
#define PROGRESS_SURE_MS 5000

static const char progress_dots[] = "...";

/* A line under way. */
struct progress_line {
    struct buf *out;
    size_t room; /* columns left */
    bool colored;
    bool begun; /* something stands in it that a comma belongs behind */
    bool full;  /* something was left out, and so is what matters less */
};

/* The last column stays free: what a terminal does behind it differs. */
static struct progress_line
progress_line(struct buf *out, size_t columns, bool colored)
{
    return (struct progress_line){.out = out, .room = columns - 1, .colored = colored};
}

/* Adds text of whoever it is, cut to most columns; returns those that it took. */
static size_t
progress_add(struct progress_line *line, const char *text, size_t most)
{
    size_t dots = sizeof progress_dots - 1;
    size_t room = most < line->room ? most : line->room;
    size_t width;
    struct buf safe;

    buf_init(&safe, SIZE_MAX / 4);
    width = printable_add(&safe, text);
    if (width <= room) {
        (void)buf_add_text(line->out, buf_text(&safe));
    } else {
        size_t shown = room > dots ? room - dots : 0;
        size_t length = printable_fit(buf_text(&safe), shown, &width);

        dots = room < dots ? room : dots;
        (void)buf_add(line->out, buf_text(&safe), length);
        (void)buf_add(line->out, progress_dots, dots);
        width += dots;
    }
    buf_free(&safe);
    line->room -= width;
    return width;
}

static void
progress_pad(struct progress_line *line, size_t count)
{
    for (size_t i = 0; i < count && line->room > 0; i++) {
        (void)buf_add_text(line->out, " ");
        line->room--;
    }
}

/* Adds one more thing, as a whole or not at all; the first is cut where it must be. */
static void PRINTF_LIKE(2, 3) progress_part(struct progress_line *line, const char *format, ...)
{
    char text[128];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (line->full || (line->begun && strlen(text) + 2 > line->room)) {
        line->full = true;
        return;
    }
    if (line->begun) {
        (void)progress_add(line, ", ", 2);
    }
    line->begun = true;
    (void)progress_add(line, text, line->room);
}

static void
progress_add_jobs(struct progress_line *line, int64_t done, int64_t due, bool more)
{
    if (due < 0) {
        progress_part(line, "%" PRId64 " job%s done", done, done == 1 ? "" : "s");
    } else {
        progress_part(line, "%" PRId64 " of %s%" PRId64 " job%s", done, more ? "over " : "", due,
                      due == 1 ? "" : "s");
    }
}

static void
progress_add_rate(struct progress_line *line, const struct progress *progress)
{
    int64_t a_minute;

    if (progress->recent_ms <= 0) {
        return;
    }
    a_minute = progress->recent_jobs * 60000 / progress->recent_ms;
    if (a_minute >= 600) {
        progress_part(line, "%" PRId64 "/s", (a_minute + 30) / 60);
    } else {
        progress_part(line, "%" PRId64 "/min", a_minute);
    }
}

/* How long it may still take. It is told only where it is known how much there is and how fast that
 * goes; and where the run's own limit comes first, that is. */
static void
progress_add_rest(struct progress_line *line, const struct progress *progress)
{
    const struct sweep_view *view = &progress->view;
    int64_t left = view->due - view->done;
    char span[TABLE_SPAN_SIZE];
    int64_t rest_ms;

    if (view->closing || view->due < 0 || left <= 0 || progress->recent_jobs <= 0 ||
        progress->recent_ms < PROGRESS_SURE_MS) {
        return;
    }
    rest_ms = left * progress->recent_ms / progress->recent_jobs;
    if (view->spent_ms + rest_ms > view->limit_ms) {
        rest_ms = view->limit_ms > view->spent_ms ? view->limit_ms - view->spent_ms : 0;
        progress_part(line, "its time ends in %s", table_span(rest_ms / 1000, span));
    } else {
        progress_part(line, "%s %s left", view->more ? "over" : "about",
                      table_span((rest_ms + 999) / 1000, span));
    }
}

static void
progress_add_whole(struct progress_line *line, const struct progress *progress)
{
    const struct sweep_view *view = &progress->view;
    char size[TABLE_SIZE_SIZE];
    char span[TABLE_SPAN_SIZE];

    if (progress->instances > 0) {
        progress_part(line, "%zu of %zu instances", progress->instances_done, progress->instances);
    }
    progress_add_jobs(line, view->done, view->due, view->more);
    if (view->closing) {
        progress_part(line, "ending");
    }
    if (view->away) {
        progress_part(line, "the database is away");
    }
    if (progress->stopped > 0) {
        progress_part(line, "%" PRId64 " daemon%s stopped", progress->stopped,
                      progress->stopped == 1 ? "" : "s");
    }
    progress_add_rate(line, progress);
    progress_add_rest(line, progress);
    if (view->bytes_freed > 0) {
        progress_part(line, "up to %s freed", table_size(view->bytes_freed, size));
    }
    progress_part(line, "for %s", table_span(view->spent_ms / 1000, span));
}

static const struct {
    const char *word;
    enum color color;
} progress_states[] = {
    [SWEEP_VIEW_WAITING] = {"waiting", COLOR_NONE},
    [SWEEP_VIEW_PROBING] = {"probing", COLOR_NONE},
    [SWEEP_VIEW_WELL] = {"well", COLOR_GOOD},
    [SWEEP_VIEW_STOPPED] = {"stopped", COLOR_BAD},
};

static void
progress_add_daemon(struct progress_line *line, const struct sweep_view_daemon *daemon,
                    size_t name_width)
{
    enum color color = progress_states[daemon->state].color;
    bool stopped = daemon->state == SWEEP_VIEW_STOPPED;

    progress_pad(line, 2);
    progress_pad(line, name_width - progress_add(line, daemon->name, name_width) + 2);
    (void)buf_add_text(line->out, color_begin(color, line->colored));
    (void)progress_add(line, progress_states[daemon->state].word, line->room);
    (void)buf_add_text(line->out, color_end(color, line->colored));
    line->begun = true;
    if (daemon->active > 0) {
        progress_part(line, "%d under way", daemon->active);
    }
    if (daemon->done > 0 || !stopped) {
        progress_add_jobs(line, daemon->done, stopped ? -1 : daemon->due, daemon->more);
    }
    if (stopped && !line->full) { /* the last, for it is cut where it is long */
        (void)progress_add(line, ": ", line->room);
        (void)progress_add(line, daemon->reason, line->room);
    }
}

/* The widest name, as far as names may go. */
static size_t
progress_name_width(const struct sweep_view *view, size_t columns)
{
    size_t most = columns / 3 < PROGRESS_NAME_MAX ? columns / 3 : PROGRESS_NAME_MAX;
    size_t widest = 0;

    for (size_t i = 0; i < view->daemon_count; i++) {
        struct buf name;
        size_t width;

        buf_init(&name, SIZE_MAX / 4);
        width = printable_add(&name, view->daemons[i].name);
        buf_free(&name);
        widest = width > widest ? width : widest;
    }
    return widest < most ? widest : most;
}

/* Where there is no room for all: what happens now, or went wrong, before the others. */
static bool
progress_is_lively(const struct sweep_view_daemon *daemon)
{
    return daemon->active > 0 || daemon->state == SWEEP_VIEW_STOPPED;
}

void
cmd_progress_text(const struct progress *progress, size_t columns, size_t rows, bool colored,
                  struct buf *out)
{
    const struct sweep_view *view = &progress->view;
    size_t room = rows > 2 ? rows - 2 : 0; /* the line of the whole, and the one of the messages */
    size_t name_width = progress_name_width(view, columns);
    struct progress_line line = progress_line(out, columns, colored);
    size_t count;
    size_t shown = 0;

    room = room < PROGRESS_DAEMONS_MAX ? room : PROGRESS_DAEMONS_MAX;
    count = view->daemon_count <= room ? view->daemon_count : room > 0 ? room - 1 : 0;
    progress_add_whole(&line, progress);
    for (int lively = 1; lively >= 0; lively--) {
        for (size_t i = 0; i < view->daemon_count && shown < count; i++) {
            if (progress_is_lively(&view->daemons[i]) == (lively == 1)) {
                (void)buf_add_text(out, "\n");
                line = progress_line(out, columns, colored);
                progress_add_daemon(&line, &view->daemons[i], name_width);
                shown++;
            }
        }
    }
    if (room > 0 && shown < view->daemon_count) {
        (void)buf_add_text(out, "\n");
        line = progress_line(out, columns, colored);
        progress_part(&line, "  and %zu more daemons", view->daemon_count - shown);
    }
}
