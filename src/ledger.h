/*
 * The jobs table as people look at it and write to it: the statements of the commands. The SQL
 * stands in sql/queries/; this file fills in parameters and reads results.
 */
#ifndef HARPSWEEP_LEDGER_H
#define HARPSWEEP_LEDGER_H

#include "db.h"
#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Connects and checks the schema's version (ERR_SCHEMA where it is another). db_close() it. */
bool ledger_open(const char *conninfo, struct db **ret_db, struct err *err) MUST_CHECK;

/* Whether version is the one this program works with; else err says what to do. */
bool ledger_check_version(int64_t version, struct err *err) MUST_CHECK;

/* A job. Texts are "" where the column is null, and live as long as the result. */
struct ledger_job {
    int64_t id;
    const char *state;
    const char *daemon;
    const char *appid;
    const char *image_ref;
    const char *image_id;
    const char *event;
    const char *choice;
    int64_t grace_hours;     /* -1: null, as all numbers below */
    const char *orphaned_at; /* ISO 8601, UTC, as all moments */
    const char *not_before;
    const char *next_at; /* or "-infinity", "infinity" */
    const char *claimed_at;
    const char *finished_at;
    int64_t attempts;
    int64_t failures;
    int64_t rechecks;
    int64_t lost_claims;
    const char *claimed_by;
    const char *end_wanted;
    const char *hold_reason;
    const char *last_error;
    int64_t http_status;
    int64_t bytes_freed;
    int64_t duration_ms;
    const char *protocol;
    const char *host;
    int64_t docker_socket_port;
    const char *due;    /* "due in 3 h", "at the next run", "5 min ago", … */
    const char *reason; /* why it waits, or why it ended as it did */
    bool is_open;
    int64_t waits_s;          /* until next_at, negative: since; 0 for no finite next_at */
    const char *stop;         /* of its daemon: the trouble in one word */
    const char *stop_reason;  /* in words */
    const char *stop_hint;    /* what to do */
    const char *paused_until; /* runs leave the daemon alone until then */
    int64_t oc_job_id;        /* AppAPI's own job that this one stands behind */
    const char *scheduled_by; /* the database role that did */
};

struct ledger_filter {
    const char *state;  /* or "open", "final"; NULL: all */
    const char *daemon; /* NULL: all */
    const char *app;    /* NULL: all */
    const int64_t *ids; /* NULL: all; id_count of them */
    size_t id_count;
    int64_t limit;
    int64_t since_s;  /* only what came or ended so many seconds ago or later; 0: all */
    const char *sort; /* see sql/queries/list_jobs.sql; NULL: newest first */
};

/* ledger_job_at() reads the rows. db_result_free() the result. */
bool ledger_list(struct db *db, const struct ledger_filter *filter, struct db_result **ret_result,
                 struct err *err) MUST_CHECK;
void ledger_job_at(const struct db_result *result, int row, struct ledger_job *ret_job);

/* What happened to these jobs, the last LEDGER_EVENTS_MOST of each; see sql/queries/job_events.sql.
 * db_result_free() it. */
#define LEDGER_EVENTS_MOST 1000
enum {
    LEDGER_EVENT_JOB,
    LEDGER_EVENT_AT,
    LEDGER_EVENT_WHAT,
    LEDGER_EVENT_FROM,
    LEDGER_EVENT_TO,
    LEDGER_EVENT_ATTEMPT,
    LEDGER_EVENT_WHO,
    LEDGER_EVENT_HTTP_STATUS,
    LEDGER_EVENT_DETAIL,
};
bool ledger_events(struct db *db, const struct db_result *jobs, struct db_result **ret_result,
                   struct err *err) MUST_CHECK;

struct ledger_request {
    const char *daemon;
    const char *app;
    const char *image_ref;
    const char *event;
    const char *choice;
    int64_t grace_hours;  /* -1: as the settings say */
    const char *image_id; /* NULL: not known */
};

/* Makes a job; *ret_id is its number. */
bool ledger_schedule(struct db *db, const struct ledger_request *request, int64_t *ret_id,
                     struct err *err) MUST_CHECK;

enum ledger_change { LEDGER_NOW, LEDGER_KEEP, LEDGER_CANCEL, LEDGER_RETRY };

/* The jobs of an app that a change is about: column 0 id, column 1 daemon; oldest first. daemon
 * NULL: on all. db_result_free() it. */
bool ledger_targets(struct db *db, enum ledger_change change, const char *app, const char *daemon,
                    struct db_result **ret_result, struct err *err) MUST_CHECK;

/* Changes one job and reads it again in the same transaction: *ret_result has its row. reason is
 * that of LEDGER_CANCEL. *ret_changed is false where the job could not be, or not at once. */
bool ledger_change(struct db *db, enum ledger_change change, int64_t id, const char *reason,
                   bool *ret_changed, struct db_result **ret_result, struct err *err) MUST_CHECK;

/* The open jobs that are due within so many days; see sql/queries/plan.sql. db_result_free() it. */
struct ledger_plan {
    const char *daemon; /* NULL: all */
    const char *app;
    int64_t grace_hours;
    int64_t days;
    int64_t limit;
    int64_t keep_previous;
    bool protect_unpullable;
    bool by_name;
};
enum {
    LEDGER_PLAN_ID,
    LEDGER_PLAN_DAEMON,
    LEDGER_PLAN_APP,
    LEDGER_PLAN_IMAGE,
    LEDGER_PLAN_IMAGE_ID,
    LEDGER_PLAN_CHOICE,
    LEDGER_PLAN_STATE,
    LEDGER_PLAN_EVENT,
    LEDGER_PLAN_DUE,
    LEDGER_PLAN_WAITS_S,
    LEDGER_PLAN_ORPHANED_AT_MS,
    LEDGER_PLAN_HOLD,
    LEDGER_PLAN_CLAIMED,
    LEDGER_PLAN_PROTOCOL,
    LEDGER_PLAN_HOST,
    LEDGER_PLAN_PORT,
};
bool ledger_plan(struct db *db, const struct ledger_plan *plan, struct db_result **ret_result,
                 struct err *err) MUST_CHECK;

/* Which image each app runs; see sql/queries/list_images.sql. */
enum {
    LEDGER_IMAGES_APP,
    LEDGER_IMAGES_DAEMON,
    LEDGER_IMAGES_VERSION,
    LEDGER_IMAGES_CONTAINER,
    LEDGER_IMAGES_REF,
    LEDGER_IMAGES_ID,
    LEDGER_IMAGES_BYTES,
    LEDGER_IMAGES_SEEN_AT,
    LEDGER_IMAGES_AGO,
};
bool ledger_images(struct db *db, struct db_result **ret_result, struct err *err) MUST_CHECK;

/* Results of ledger_status(), one per query; and their columns. */
enum ledger_status_part {
    LEDGER_STATUS_RUN,
    LEDGER_STATUS_OPEN,
    LEDGER_STATUS_FINISHED,
    LEDGER_STATUS_WAITING,
    LEDGER_STATUS_FAILED,
    LEDGER_STATUS_DAEMONS,
    LEDGER_STATUS_INTAKE, /* columns as of ledger_ask_intake() */
    LEDGER_STATUS_PARTS,
};

enum {
    LEDGER_RUN_FINISHED_AT,
    LEDGER_RUN_AGO,
    LEDGER_RUN_HOST,
    LEDGER_RUN_VERSION,
    LEDGER_RUN_PID, /* whole numbers from here on, … */
    LEDGER_RUN_EXIT_CODE,
    LEDGER_RUN_CLAIMED,
    LEDGER_RUN_REMOVED,
    LEDGER_RUN_BYTES_FREED = LEDGER_RUN_REMOVED + 9, /* … to here */
    LEDGER_RUN_NOTE,
};
enum {
    LEDGER_OPEN_DAEMON,
    LEDGER_OPEN_STATE,
    LEDGER_OPEN_JOBS,
    LEDGER_OPEN_DUE,
    LEDGER_OPEN_NOW,
    LEDGER_OPEN_NOWHERE,
    LEDGER_OPEN_OLDEST_S,
    LEDGER_OPEN_NEXT_S,
};
enum {
    LEDGER_FINISHED_STATE,
    LEDGER_FINISHED_24H,
    LEDGER_FINISHED_7D,
    LEDGER_FINISHED_BYTES_24H,
    LEDGER_FINISHED_BYTES_7D
};
enum { LEDGER_WAITING_REASON, LEDGER_WAITING_JOBS };
enum {
    LEDGER_FAILED_ALL,
    LEDGER_FAILED_ID,
    LEDGER_FAILED_APP,
    LEDGER_FAILED_DAEMON,
    LEDGER_FAILED_IMAGE,
    LEDGER_FAILED_ENDED,
    LEDGER_FAILED_REASON
};
enum {
    LEDGER_DAEMON_NAME,
    LEDGER_DAEMON_HEALTH,
    LEDGER_DAEMON_OPEN,
    LEDGER_DAEMON_DUE,
    LEDGER_DAEMON_FAILED,
    LEDGER_DAEMON_REMOVED_24H,
    LEDGER_DAEMON_BYTES_24H,
    LEDGER_DAEMON_OVERDUE_S,
    LEDGER_DAEMON_OVERDUE,
    LEDGER_DAEMON_ANSWERED_AT,
    LEDGER_DAEMON_VERSION,
    LEDGER_DAEMON_STOP,
    LEDGER_DAEMON_STOPPED_SINCE,
    LEDGER_DAEMON_REASON,
    LEDGER_DAEMON_HINT,
    LEDGER_DAEMON_PAUSED_UNTIL,
};

/* What status tells, in one round trip. ledger_status_free() it, also after a failure. */
struct ledger_status {
    struct db_result *parts[LEDGER_STATUS_PARTS];
};
bool ledger_status(struct db *db, struct ledger_status *ret_status, struct err *err) MUST_CHECK;
void ledger_status_free(struct ledger_status *status);

/* What check asks about the server; works without the schema. db_result_free() each. */
enum {
    LEDGER_SERVER_VERSION,
    LEDGER_SERVER_VERSION_NUM,
    LEDGER_SERVER_ADDRESS,
    LEDGER_SERVER_DATABASE,
    LEDGER_SERVER_USER,
    LEDGER_SERVER_READ_ONLY,
    LEDGER_SERVER_CLOCK_MS,
    LEDGER_SERVER_SCHEMA_EXISTS,
    LEDGER_SERVER_SCHEMA_USABLE,
    LEDGER_SERVER_SCHEMA_OURS,
    LEDGER_SERVER_MAY_BE_WORKER,
};
bool ledger_ask_server(struct db *db, struct db_result **ret_result, struct err *err) MUST_CHECK;

/* Privileges that are missing, one row each. */
enum { LEDGER_MISSING_EXISTS, LEDGER_MISSING_FOR, LEDGER_MISSING_TEXT, LEDGER_MISSING_REMEDY };
bool ledger_ask_missing(struct db *db, struct db_result **ret_result, struct err *err) MUST_CHECK;

/* How Nextcloud's tables are watched; one row. schema and prefix as in the settings. */
enum {
    LEDGER_NEXTCLOUD_THERE,
    LEDGER_NEXTCLOUD_WATCHED,
    LEDGER_NEXTCLOUD_SCHEMA,
    LEDGER_NEXTCLOUD_PREFIX,
    LEDGER_NEXTCLOUD_NOTES_JOBS,
    LEDGER_NEXTCLOUD_TRIGGERS,
    LEDGER_NEXTCLOUD_APPS,
    LEDGER_NEXTCLOUD_UNSEEN,
    LEDGER_NEXTCLOUD_CLEANS_UP,
};
bool ledger_ask_nextcloud(struct db *db, const char *schema, const char *prefix,
                          struct db_result **ret_result, struct err *err) MUST_CHECK;

/* Failures of the triggers, the last first, at most ten. */
enum {
    LEDGER_INTAKE_SOURCE,
    LEDGER_INTAKE_CODE,
    LEDGER_INTAKE_MESSAGE,
    LEDGER_INTAKE_SUBJECT,
    LEDGER_INTAKE_TIMES,
    LEDGER_INTAKE_LAST_AT,
    LEDGER_INTAKE_AGO,
};
bool ledger_ask_intake(struct db *db, struct db_result **ret_result, struct err *err) MUST_CHECK;

/* AppAPI's daemons as Nextcloud's own user reads them; see sql/queries/setup_daemons.sql. */
enum {
    LEDGER_SETUP_SCHEMA,
    LEDGER_SETUP_NAME,
    LEDGER_SETUP_DEPLOY_ID,
    LEDGER_SETUP_PROTOCOL,
    LEDGER_SETUP_HOST,
    LEDGER_SETUP_PORT,
};
bool ledger_setup_daemons(struct db *db, const char *prefix, struct db_result **ret_result,
                          struct err *err) MUST_CHECK;

/* The schema's version. */
bool ledger_ask_version(struct db *db, int64_t *ret_version, struct err *err) MUST_CHECK;

#endif
