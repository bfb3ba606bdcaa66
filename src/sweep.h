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
#include <stdint.h>

struct sweep_options {
    const char *daemon; /* only this one; NULL: all. Named, it is tried although it is paused */
    const char *app;    /* only this one; NULL: all */
    int64_t max_jobs;   /* 0: no limit */
    bool observe_only;  /* look at apps, claim nothing */
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

/* Adds what another run did. */
void sweep_report_add(struct sweep_report *sum, const struct sweep_report *report);

/* Runs to the end. False only for failures of the run itself (err's kind decides the exit code
 * then); *ret_report is filled in either case. */
bool sweep_run(struct db *db, const struct conf *conf, const struct sweep_options *options,
               struct sweep_report *ret_report, struct err *err) MUST_CHECK;

#endif
