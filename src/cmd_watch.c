#include "cmd_watch.h"

#include "clock.h"
#include "cmd_progress.h"
#include "color.h"
#include "mem.h"
#include "screen.h"
#include "sig.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* A run that is over sooner shows nothing; after that, so often at most (milliseconds). */
#define CMD_WATCH_FIRST_MS 1000
#define CMD_WATCH_EACH_MS 200

/* The rate is that of the last so many seconds. */
#define CMD_WATCH_SECONDS 30

#define CMD_WATCH_TEXT_MAX 32768

struct cmd_watch {
    pthread_mutex_t lock;
    struct screen *screen;
    bool colored;
    struct progress progress;
    int64_t began_ms;
    int64_t next_ms;
    /* What was done when, a second apart; the oldest is overwritten. */
    struct {
        int64_t at_ms;
        int64_t done;
    } marks[CMD_WATCH_SECONDS];
    size_t mark_count;
};

struct cmd_watch *
cmd_watch_open(const struct cli *cli, size_t instances)
{
    struct screen *screen = cli->verbosity > 1 ? NULL : screen_open(); /* -vv tells it all */
    struct cmd_watch *watch;

    if (screen == NULL) {
        return NULL;
    }
    watch = mem_alloc(1, sizeof *watch);
    (void)pthread_mutex_init(&watch->lock, NULL);
    watch->screen = screen;
    watch->colored = color_is_wanted(stderr);
    watch->progress.instances = instances;
    watch->progress.view.due = -1;
    watch->began_ms = clock_boot_ms();
    watch->next_ms = watch->began_ms + CMD_WATCH_FIRST_MS;
    return watch;
}

void
cmd_watch_close(struct cmd_watch *watch)
{
    if (watch != NULL) {
        screen_close(watch->screen);
        (void)pthread_mutex_destroy(&watch->lock);
        mem_free(watch);
    }
}

static void
cmd_watch_measure(struct cmd_watch *watch, int64_t now)
{
    size_t size = CMD_WATCH_SECONDS;
    size_t newest = (watch->mark_count + size - 1) % size;
    size_t oldest = watch->mark_count < size ? 0 : watch->mark_count % size;
    int64_t done = watch->progress.view.done;

    if (watch->mark_count == 0 || now - watch->marks[newest].at_ms >= 1000) {
        watch->marks[watch->mark_count % size].at_ms = now;
        watch->marks[watch->mark_count % size].done = done;
        watch->mark_count++;
        oldest = watch->mark_count < size ? 0 : watch->mark_count % size;
    }
    watch->progress.recent_ms = now - watch->marks[oldest].at_ms;
    watch->progress.recent_jobs = done - watch->marks[oldest].done;
    if (watch->progress.recent_ms < 1000) {
        watch->progress.recent_ms = 0;
    }
}

static void
cmd_watch_show(struct cmd_watch *watch)
{
    int64_t now = clock_boot_ms();
    size_t columns;
    size_t rows;
    struct buf text;

    cmd_watch_measure(watch, now);
    if (now < watch->next_ms || !screen_size(watch->screen, &columns, &rows) ||
        columns < CMD_PROGRESS_COLUMNS_MIN) {
        return;
    }
    watch->next_ms = now + CMD_WATCH_EACH_MS;
    if (watch->progress.instances > 0) {
        watch->progress.view.spent_ms = now - watch->began_ms;
        watch->progress.view.closing = sig_stops() > 0;
    }
    buf_init(&text, CMD_WATCH_TEXT_MAX);
    cmd_progress_text(&watch->progress, columns, rows, watch->colored, &text);
    screen_show(watch->screen, buf_text(&text));
    buf_free(&text);
}

/* Adds what is new of one of many runs. */
static void
cmd_watch_add(struct cmd_watch_run *run, int64_t done, int64_t bytes_freed, int64_t stopped)
{
    struct progress *progress = &run->watch->progress;

    progress->view.done += done - run->done;
    progress->view.bytes_freed += bytes_freed - run->bytes_freed;
    progress->stopped += stopped - run->stopped;
    run->done = done;
    run->bytes_freed = bytes_freed;
    run->stopped = stopped;
}

static void
cmd_watch_look(void *context, const struct sweep_view *view)
{
    struct cmd_watch_run *run = context;
    struct cmd_watch *watch = run->watch;
    int64_t stopped = 0;

    (void)pthread_mutex_lock(&watch->lock);
    if (watch->progress.instances == 0) {
        watch->progress.view = *view;
    } else {
        for (size_t i = 0; i < view->daemon_count; i++) {
            stopped += view->daemons[i].state == SWEEP_VIEW_STOPPED;
        }
        cmd_watch_add(run, view->done, view->bytes_freed, stopped);
    }
    cmd_watch_show(watch);
    (void)pthread_mutex_unlock(&watch->lock);
}

const struct sweep_watcher *
cmd_watch_begin(struct cmd_watch *watch, struct cmd_watch_run *run)
{
    memset(run, 0, sizeof *run);
    if (watch == NULL) {
        return NULL;
    }
    run->watch = watch;
    run->watcher.look = cmd_watch_look;
    run->watcher.context = run;
    /* Of instances that have not begun nobody knows it, and a part of a sum is none. */
    run->watcher.counts = watch->progress.instances == 0;
    return &run->watcher;
}

void
cmd_watch_end(struct cmd_watch_run *run, const struct sweep_report *report)
{
    struct cmd_watch *watch = run->watch;

    if (watch == NULL || watch->progress.instances == 0) {
        return;
    }
    (void)pthread_mutex_lock(&watch->lock);
    cmd_watch_add(run, sweep_report_done(report), report->totals.bytes_freed,
                  report->daemons_stopped);
    watch->progress.instances_done++;
    cmd_watch_show(watch);
    (void)pthread_mutex_unlock(&watch->lock);
}
