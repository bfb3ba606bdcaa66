/*
 * The statements of a run: claim, confirm, record, and what a run leaves behind.
 * The SQL itself stands in sql/queries/; this file fills in parameters and reads
 * results. Every function that takes `struct db_args` adds
 * the parameters of one statement and returns its text, which lives for the program's life.
 */
#ifndef HARPSWEEP_JOBS_H
#define HARPSWEEP_JOBS_H

#include "db.h"
#include "verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOBS_TOKEN_SIZE 37 /* a uuid as text, and the NUL */

/* A random token for a run. False where the system has no random numbers. */
bool jobs_make_token(char ret_token[JOBS_TOKEN_SIZE], struct err *err) MUST_CHECK;

/* Who the run is. */
struct jobs_run {
    char token[JOBS_TOKEN_SIZE];
    char host[64];
    int pid;
    char claimed_by[80]; /* host:pid */
};

/* What protects images, as the settings say. */
struct jobs_guards {
    int64_t keep_previous;
    bool protect_unpullable;
    bool by_name; /* the name is deleted, whichever image it leads to (verify = no) */
};

/* A claimed job. */
struct job {
    int64_t id;
    /* These two fence results off. The attempt alone would not: a failover that loses a claim lets
     * the same number be given once more. */
    uint32_t claim; /* which of the run's */
    int attempt;
    char *appid;
    char *image_ref;
    char *image_id; /* NULL where it was not recorded */
    bool explicit_now;
    int64_t orphaned_at_ms;
    char *protocol; /* where its daemon was when it came; NULL: not known, as are the others then */
    char *host;
    int docker_socket_port;
};

void job_clear(struct job *job);

/* The daemons with due work: columns of jobs_read_find(). */
const char *jobs_find(struct db_args *args);

struct jobs_find_row {
    const char *daemon; /* texts live as long as the result */
    bool paused;        /* it is to be left alone for now */
    const char *stop;   /* what stopped it last; "" for nothing */
    struct jobs_place {
        const char *protocol; /* NULL where it is not known */
        const char *host;
        int docker_socket_port;
    } place; /* where it was when its next job came */
};

void jobs_read_find(const struct db_result *result, int row, struct jobs_find_row *ret_row);

/* When the next run has to look at the jobs at all. */
const char *jobs_set_alarm(struct db_args *args);

/* What Nextcloud's tables say. */
const char *jobs_news(struct db_args *args);

enum jobs_news_kind { JOBS_NEWS_NEXTCLOUD, JOBS_NEWS_DAEMON, JOBS_NEWS_LOOK, JOBS_NEWS_GONE };

/* One row of it; see sql/queries/news.sql. Texts live as long as the result. */
struct jobs_news_row {
    enum jobs_news_kind kind;
    const char *name;
    const char *detail; /* NULL where there is none */
    const char *daemon;
    struct jobs_place place;
    bool paused;
    const char *stop;
};

void jobs_read_news(const struct db_result *result, int row, struct jobs_news_row *ret_row);

/* Nextcloud's own settings: columns 0 name, 1 value, 2 type. */
const char *jobs_settings(struct db_args *args);

/* What was seen of an app's container. */
struct jobs_observation {
    const char *appid;
    const char *daemon;
    const char *fingerprint;
    const char *image_ref; /* NULL: there is no container, nor the others then */
    const char *image_id;
    int64_t bytes; /* -1: not known */
    const char *container;
};

const char *jobs_observed(struct db_args *args, const struct jobs_observation *observations,
                          size_t count);
const char *jobs_reconcile(struct db_args *args);

/* What to claim. */
struct jobs_ask {
    struct buf daemons; /* arrays begun with db_array_begin() */
    struct buf slots;
    struct buf after_us; /* due_at of the last job claimed from each, in microseconds since 1970 */
    struct buf after_ids;
    const char *app; /* NULL: all */
    bool enabled;
    int64_t grace_hours;
    int64_t lease_ms;
    int64_t max_failures;
    struct jobs_guards guards;
};

/* claim: a number that the run has not used before. */
const char *jobs_claim(struct db_args *args, const struct jobs_run *run, uint32_t claim,
                       struct jobs_ask *ask);

/* One row of a claim's answer. */
enum jobs_claim_kind {
    JOBS_CLAIMED,
    JOBS_ENDED,   /* a job that became final instead: kept, cancelled or failed */
    JOBS_PLANNED, /* number: new rows that got their grace */
    JOBS_UPTO,    /* number: the last of the daemon's jobs; due_at_us: when it was due */
};

struct jobs_claim_row {
    enum jobs_claim_kind kind;
    const char *daemon; /* valid as long as the result */
    int64_t number;
    int64_t due_at_us; /* of a JOBS_UPTO, … */
    int64_t picked; /* … and how many of the daemon's jobs were found due, at most as asked for */
    const char *state; /* of a JOBS_ENDED */
    struct job job;    /* of a JOBS_CLAIMED; the caller owns it */
    struct jobs_hold {
        const char *reason; /* why it must not go on; NULL: nothing speaks against it */
        int64_t delay_s;    /* look again after so long; 0: in_use_recheck_hours */
    } hold;
};

/* claim: as it was given to jobs_claim(). */
void jobs_read_claim(const struct db_result *result, int row, uint32_t claim,
                     struct jobs_claim_row *ret_row);

/* Which claims to confirm: arrays begun with db_array_begin(). */
struct jobs_confirmation {
    struct buf tokens; /* jobs_array_token() */
    struct buf ids;
    struct buf attempts;
    struct buf images; /* the IDs that Docker told; NULL where it was not asked */
};

void jobs_array_token(struct buf *array, const struct jobs_run *run, uint32_t claim);

const char *jobs_confirm(struct db_args *args, struct jobs_confirmation *ask,
                         const struct jobs_guards *guards);

/* Whether the claim asked for at place row still stands, and whether its job is held by now. id
 * must be that claim's. */
bool jobs_read_stands(const struct db_result *result, int row, int64_t id,
                      struct jobs_hold *ret_hold);

/* What became of an attempt. */
enum jobs_action { JOBS_DONE, JOBS_WAIT, JOBS_HOLD, JOBS_RETRY, JOBS_FAIL, JOBS_RELEASE };

struct jobs_result {
    int64_t id;
    uint32_t claim;
    int attempt;
    enum jobs_action action;
    enum verdict_state state; /* of JOBS_DONE */
    long http_status;         /* 0: no answer */
    int64_t bytes_freed;
    int64_t duration_ms;
    int64_t min_delay_s;
    char *reason; /* "" for none; owned */
};

struct jobs_limits {
    int64_t in_use_recheck_hours;
    int64_t in_use_max_rechecks;
    int64_t max_failures;
};

/* results: count of them, not taken over. */
const char *jobs_record(struct db_args *args, const struct jobs_run *run,
                        struct jobs_result *const *results, size_t count,
                        const struct jobs_limits *limits);

/* How much is due for each of the daemons (an array begun with db_array_begin()), which counts
 * so far at most; db_text() 0 is the daemon and db_int() 1 the jobs. */
const char *jobs_count_due(struct db_args *args, struct buf *daemons, const char *app, bool enabled,
                           int64_t grace_hours, int64_t most);

/* What was learned of a daemon. */
struct jobs_daemon_seen {
    struct buf names; /* arrays begun with db_array_begin() */
    struct buf versions;
    struct buf stops;
    struct buf reasons;
    struct buf hints;
    struct buf pauses;
};

const char *jobs_daemon_seen(struct db_args *args, struct jobs_daemon_seen *seen);

/* Whether to go on with this database, and whether there is anything to do. */
const char *jobs_hello(struct db_args *args);

struct jobs_hello_row {
    int64_t schema_version;
    int64_t clock_ms; /* the database's, milliseconds since 1970 */
    int64_t backend;  /* the process that answered, as pg_backend_pid() says */
    bool alarm;       /* the jobs and Nextcloud's apps have to be looked at */
};

void jobs_read_hello(const struct db_result *result, struct jobs_hello_row *ret_row);

/* Old final jobs, runs, observations, and failures of triggers; at most so many rows each. */
const char *jobs_prune(struct db_args *args, int64_t history_days, int64_t max_rows);
const char *jobs_prune_runs(struct db_args *args, int64_t history_days, int64_t max_rows);
const char *jobs_prune_images(struct db_args *args, int64_t history_days, int64_t max_rows,
                              int64_t keep_previous);
const char *jobs_prune_intake(struct db_args *args, int64_t history_days);

/* What a run would claim now; columns as in sql/queries/peek.sql. */
const char *jobs_peek(struct db_args *args, const char *daemon, const char *app, bool enabled,
                      int64_t grace_hours, int64_t max_rows);

/* What became of a result. */
enum jobs_recorded { JOBS_RECORDED, JOBS_ALREADY, JOBS_LATE };

struct jobs_record_row {
    enum jobs_recorded outcome;
    const char *state;  /* the row's state now; "" where the row is gone; valid as the result */
    const char *beside; /* an app whose deploy began beside the delete; "" for none */
};

/* What became of each of count results, in their order. An answer that does not account for every
 * one of them is ERR_DB: nothing is known of any then. */
bool jobs_read_record(const struct db_result *result, struct jobs_result *const *results,
                      size_t count, struct jobs_record_row *ret_rows, struct err *err) MUST_CHECK;

/* What a run did: the row of harpsweep.run and the summary line. */
struct jobs_totals {
    int64_t claimed;
    int64_t removed;
    int64_t untagged;
    int64_t absent;
    int64_t in_use;
    int64_t held;
    int64_t retried;
    int64_t failed;
    int64_t given_back;
    int64_t late;
    int64_t bytes_freed;
};

const char *jobs_run_finished(struct db_args *args, const struct jobs_run *run, int64_t duration_ms,
                              int exit_code, const struct jobs_totals *totals, const char *note);

#endif
