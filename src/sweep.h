/*
 * A run: claims due jobs, has HaRP delete their images, records what happened.
 *
 * One thread, one loop over the database's socket and the HTTP requests. Nothing
 * is held in memory but what has been claimed and not yet recorded, and that is
 * bounded, however much is due.
 */
#ifndef HARPSWEEP_SWEEP_H
#define HARPSWEEP_SWEEP_H

#include "conf.h"
#include "db.h"
#include "err.h"
#include "jobs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A daemon with work in a run, as a watcher sees it. */
enum sweep_view_state {
    SWEEP_VIEW_WAITING, /* nothing was asked yet */
    SWEEP_VIEW_PROBING, /* one request alone, until it is known to be well */
    SWEEP_VIEW_WELL,
    SWEEP_VIEW_STOPPED,
};

struct sweep_view_daemon {
    const char *name;
    enum sweep_view_state state;
    const char *reason; /* why it was stopped */
    int active;         /* requests under way */
    int64_t done;       /* results recorded */
    int64_t due; /* those, and what is left to do, as far as it is known; -1: was not counted */
    bool more;   /* due is what was counted, and there are more */
};

/* How far a run is. All of it lives as long as the call. */
struct sweep_view {
    int64_t spent_ms;
    int64_t limit_ms; /* after so long it claims no more */
    int64_t done;
    int64_t due; /* as that of a daemon. New jobs may become due, other runs may take some */
    bool more;   /* as that of a daemon */
    int64_t bytes_freed;
    bool closing;                            /* it claims no more */
    bool away;                               /* the database is */
    const struct sweep_view_daemon *daemons; /* those with work */
    size_t daemon_count;
};

/* Whoever looks on, a few times in a second. */
struct sweep_watcher {
    void (*look)(void *context, const struct sweep_view *view);
    void *context;
    bool counts; /* wants to know how much is due, which costs one query after a second */
};

struct sweep_options {
    const char *daemon; /* only this one; NULL: all. Named, it is tried although it is paused */
    const char *app;    /* only this one; NULL: all */
    int64_t max_jobs;   /* 0: no limit */
    bool observe_only;  /* look at apps, claim nothing */
    const struct sweep_watcher *watcher; /* NULL: none */
};

struct sweep_report {
    struct jobs_totals totals;
    int64_t planned; /* new rows that got their grace */
    int64_t daemons_stopped;
    int64_t daemons_unknown; /* due work for daemons without a section in the settings */
    int64_t unrecorded;      /* results that the database never took */
    int64_t observed;        /* apps that were looked at */
    int64_t beside;          /* deletes beside which a deploy began */
    int64_t duration_ms;
    bool left_work; /* ended early by a limit or a signal */
    bool worked;    /* it claimed or planned something */
    int exit_code;
    char token[JOBS_TOKEN_SIZE];
};

/* Jobs with a result, whatever it is. */
int64_t sweep_report_done(const struct sweep_report *report);

/* Adds what another run did. */
void sweep_report_add(struct sweep_report *sum, const struct sweep_report *report);

/* Runs to the end. False only for failures of the run itself (err's kind decides the exit code
 * then); *ret_report is filled in either case. */
bool sweep_run(struct db *db, const struct conf *conf, const struct sweep_options *options,
               struct sweep_report *ret_report, struct err *err) MUST_CHECK;

#endif
