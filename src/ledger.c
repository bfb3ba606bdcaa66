#include "ledger.h"

#include "queries.h"

#include <inttypes.h>
#include <string.h>

/* How long a look at Nextcloud's tables may take (milliseconds). */
#define LEDGER_SETUP_MS 30000

/* How long an exchange of several statements may take. */
#define LEDGER_TIMEOUT_MS 30000

bool
ledger_ask_version(struct db *db, int64_t *ret_version, struct err *err)
{
    struct db_result *result;

    if (!db_query(db, SQL_HELLO, NULL, &result, err)) {
        return false;
    }
    *ret_version = db_int(result, 0, 0);
    db_result_free(result);
    return true;
}

bool
ledger_check_version(int64_t version, struct err *err)
{
    if (version == HARPSWEEP_SCHEMA_VERSION) {
        return true;
    }
    (void)err_set(err, ERR_SCHEMA,
                  "schema harpsweep has version %" PRId64 ", this program needs version %d",
                  version, HARPSWEEP_SCHEMA_VERSION);
    return err_hint(
        err, version < HARPSWEEP_SCHEMA_VERSION
                 ? "upgrade it: psql -f sql/install.sql; 'harpsweep check --fix-hints' "
                   "prints the whole command"
                 : "install the harpsweep that belongs to the schema, or the one that upgraded it");
}

bool
ledger_open(const char *conninfo, struct db **ret_db, struct err *err)
{
    int64_t version = 0;
    struct db *db;

    if (!db_open(conninfo, &db, err)) {
        return false;
    }
    if (!ledger_ask_version(db, &version, err) || !ledger_check_version(version, err)) {
        db_close(db);
        return false;
    }
    *ret_db = db;
    return true;
}

static void
ledger_list_args(const struct ledger_filter *filter, struct db_args *args)
{
    db_arg_text(args, filter->state);
    db_arg_text(args, filter->daemon);
    db_arg_text(args, filter->app);
    if (filter->ids == NULL) {
        db_arg_text(args, NULL);
    } else {
        struct buf ids;

        db_array_begin(&ids);
        for (size_t i = 0; i < filter->id_count; i++) {
            db_array_int(&ids, filter->ids[i]);
        }
        db_arg_array(args, &ids);
    }
    db_arg_int(args, filter->limit);
    if (filter->since_s <= 0) {
        db_arg_text(args, NULL);
    } else {
        db_arg_int(args, filter->since_s);
    }
    db_arg_text(args, filter->sort);
}

bool
ledger_list(struct db *db, const struct ledger_filter *filter, struct db_result **ret_result,
            struct err *err)
{
    struct db_args args = {.count = 0};
    bool done;

    ledger_list_args(filter, &args);
    done = db_query(db, SQL_LIST_JOBS, &args, ret_result, err);
    db_args_clear(&args);
    return done;
}

static int64_t
ledger_number(const struct db_result *result, int row, int column)
{
    return db_is_null(result, row, column) ? -1 : db_int(result, row, column);
}

void
ledger_job_at(const struct db_result *result, int row, struct ledger_job *ret_job)
{
    const struct ledger_job job = {
        /* The columns of list_jobs.sql. */
        .id = db_int(result, row, 0),
        .state = db_text(result, row, 1),
        .daemon = db_text(result, row, 2),
        .appid = db_text(result, row, 3),
        .image_ref = db_text(result, row, 4),
        .image_id = db_text(result, row, 5),
        .event = db_text(result, row, 6),
        .choice = db_text(result, row, 7),
        .grace_hours = ledger_number(result, row, 8),
        .orphaned_at = db_text(result, row, 9),
        .not_before = db_text(result, row, 10),
        .next_at = db_text(result, row, 11),
        .claimed_at = db_text(result, row, 12),
        .finished_at = db_text(result, row, 13),
        .attempts = db_int(result, row, 14),
        .failures = db_int(result, row, 15),
        .rechecks = db_int(result, row, 16),
        .lost_claims = db_int(result, row, 17),
        .claimed_by = db_text(result, row, 18),
        .end_wanted = db_text(result, row, 19),
        .hold_reason = db_text(result, row, 20),
        .last_error = db_text(result, row, 21),
        .http_status = ledger_number(result, row, 22),
        .bytes_freed = ledger_number(result, row, 23),
        .duration_ms = ledger_number(result, row, 24),
        .protocol = db_text(result, row, 25),
        .host = db_text(result, row, 26),
        .docker_socket_port = ledger_number(result, row, 27),
        .due = db_text(result, row, 28),
        .reason = db_text(result, row, 29),
        .is_open = !db_is_null(result, row, 11),
        .waits_s = db_int(result, row, 30),
        .stop = db_text(result, row, 31),
        .stop_reason = db_text(result, row, 32),
        .stop_hint = db_text(result, row, 33),
        .paused_until = db_text(result, row, 34),
        .oc_job_id = ledger_number(result, row, 35),
        .scheduled_by = db_text(result, row, 36),
    };

    *ret_job = job;
}

bool
ledger_events(struct db *db, const struct db_result *jobs, struct db_result **ret_result,
              struct err *err)
{
    struct db_args args = {.count = 0};
    struct buf ids;
    bool done;

    db_array_begin(&ids);
    for (int row = 0; row < db_rows(jobs); row++) {
        db_array_int(&ids, db_int(jobs, row, 0));
    }
    db_arg_array(&args, &ids);
    db_arg_int(&args, LEDGER_EVENTS_MOST);
    done = db_query(db, SQL_JOB_EVENTS, &args, ret_result, err);
    db_args_clear(&args);
    return done;
}

bool
ledger_schedule(struct db *db, const struct ledger_request *request, int64_t *ret_id,
                struct err *err)
{
    struct db_args args = {.count = 0};
    struct db_result *result;
    bool done;

    db_arg_text(&args, request->daemon);
    db_arg_text(&args, request->app);
    db_arg_text(&args, request->image_ref);
    db_arg_text(&args, request->event);
    db_arg_text(&args, request->choice);
    if (request->grace_hours < 0) {
        db_arg_text(&args, NULL);
    } else {
        db_arg_int(&args, request->grace_hours);
    }
    db_arg_text(&args, request->image_id);
    done = db_query(db, SQL_SCHEDULE, &args, &result, err);
    db_args_clear(&args);
    if (done) {
        *ret_id = db_int(result, 0, 0);
        db_result_free(result);
    }
    return done;
}

bool
ledger_targets(struct db *db, enum ledger_change change, const char *app, const char *daemon,
               struct db_result **ret_result, struct err *err)
{
    struct db_args args = {.count = 0};
    bool done;

    db_arg_text(&args, app);
    db_arg_text(&args, daemon);
    db_arg_bool(&args, change == LEDGER_RETRY);
    done = db_query(db, SQL_CHANGE_TARGETS, &args, ret_result, err);
    db_args_clear(&args);
    return done;
}

bool
ledger_change(struct db *db, enum ledger_change change, int64_t id, const char *reason,
              bool *ret_changed, struct db_result **ret_result, struct err *err)
{
    static const char *const statements[] = {
        [LEDGER_NOW] = SQL_CHANGE_NOW,
        [LEDGER_KEEP] = SQL_CHANGE_KEEP,
        [LEDGER_CANCEL] = SQL_CHANGE_CANCEL,
        [LEDGER_RETRY] = SQL_CHANGE_RETRY,
    };
    const struct ledger_filter filter = {.ids = &id, .id_count = 1, .limit = 1};
    struct db_args change_args = {.count = 0};
    struct db_args list_args = {.count = 0};
    const struct db_step steps[] = {{.sql = statements[change], .args = &change_args},
                                    {.sql = SQL_LIST_JOBS, .args = &list_args}};
    bool done;

    db_arg_int(&change_args, id);
    if (change == LEDGER_CANCEL) {
        db_arg_text(&change_args, reason);
    }
    ledger_list_args(&filter, &list_args);
    done = db_exchange(db, steps, 2, LEDGER_TIMEOUT_MS, err);
    db_args_clear(&change_args);
    db_args_clear(&list_args);
    if (done) {
        struct db_result *changed = db_take(db, 0);

        *ret_changed = db_bool(changed, 0, 0);
        db_result_free(changed);
        *ret_result = db_take(db, 1);
    }
    return done;
}

bool
ledger_status(struct db *db, struct ledger_status *ret_status, struct err *err)
{
    static const struct db_step steps[LEDGER_STATUS_PARTS] = {
        [LEDGER_STATUS_RUN] = {.sql = SQL_STATUS_RUN},
        [LEDGER_STATUS_OPEN] = {.sql = SQL_STATUS_OPEN},
        [LEDGER_STATUS_FINISHED] = {.sql = SQL_STATUS_FINISHED},
        [LEDGER_STATUS_WAITING] = {.sql = SQL_STATUS_WAITING},
        [LEDGER_STATUS_FAILED] = {.sql = SQL_STATUS_FAILED},
        [LEDGER_STATUS_DAEMONS] = {.sql = SQL_STATUS_DAEMONS},
        [LEDGER_STATUS_INTAKE] = {.sql = SQL_INTAKE_ERRORS},
    };

    memset(ret_status, 0, sizeof *ret_status);
    if (!db_exchange(db, steps, LEDGER_STATUS_PARTS, LEDGER_TIMEOUT_MS, err)) {
        return false;
    }
    for (size_t i = 0; i < LEDGER_STATUS_PARTS; i++) {
        ret_status->parts[i] = db_take(db, i);
    }
    return true;
}

void
ledger_status_free(struct ledger_status *status)
{
    for (size_t i = 0; i < LEDGER_STATUS_PARTS; i++) {
        db_result_free(status->parts[i]);
        status->parts[i] = NULL;
    }
}

bool
ledger_ask_server(struct db *db, struct db_result **ret_result, struct err *err)
{
    return db_query(db, SQL_CHECK_SERVER, NULL, ret_result, err);
}

bool
ledger_ask_missing(struct db *db, struct db_result **ret_result, struct err *err)
{
    return db_query(db, SQL_CHECK_PRIVILEGES, NULL, ret_result, err);
}

bool
ledger_ask_nextcloud(struct db *db, const char *schema, const char *prefix,
                     struct db_result **ret_result, struct err *err)
{
    struct db_args args = {.count = 0};
    bool done;

    db_arg_text(&args, schema);
    db_arg_text(&args, prefix);
    done = db_query(db, SQL_CHECK_NEXTCLOUD, &args, ret_result, err);
    db_args_clear(&args);
    return done;
}

bool
ledger_ask_intake(struct db *db, struct db_result **ret_result, struct err *err)
{
    return db_query(db, SQL_INTAKE_ERRORS, NULL, ret_result, err);
}

bool
ledger_setup_daemons(struct db *db, const char *prefix, struct db_result **ret_result,
                     struct err *err)
{
    struct db_args args = {.count = 0};
    /* The search path of the user that Nextcloud connects as leads to its tables. */
    const struct db_step step = {.sql = SQL_SETUP_DAEMONS, .args = &args, .plain = true};
    bool done;

    db_arg_text(&args, prefix);
    done = db_exchange(db, &step, 1, LEDGER_SETUP_MS, err);
    if (done) {
        *ret_result = db_take(db, 0);
    }
    db_args_clear(&args);
    return done;
}

bool
ledger_plan(struct db *db, const struct ledger_plan *plan, struct db_result **ret_result,
            struct err *err)
{
    struct db_args args = {.count = 0};
    bool done;

    db_arg_text(&args, plan->daemon);
    db_arg_text(&args, plan->app);
    db_arg_int(&args, plan->grace_hours);
    db_arg_int(&args, plan->days);
    db_arg_int(&args, plan->limit);
    db_arg_int(&args, plan->keep_previous);
    db_arg_bool(&args, plan->protect_unpullable);
    db_arg_bool(&args, plan->by_name);
    done = db_query(db, SQL_PLAN, &args, ret_result, err);
    db_args_clear(&args);
    return done;
}

bool
ledger_images(struct db *db, struct db_result **ret_result, struct err *err)
{
    return db_query(db, SQL_LIST_IMAGES, NULL, ret_result, err);
}
