#include "db.h"

#include "clock.h"
#include "db_kept.h"
#include "log.h"
#include "mem.h"
#include "sqlstate.h"

#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

/* For the rest of a transaction. Nothing is compiled (JIT): the server compiles what it expects to
 * be dear, as a claim is where a million jobs are due, each time that it is executed, a tenth of a
 * second for a claim that takes a hundredth. Names and operators mean the catalog's, whatever
 * others have put into a schema that comes first. And whoever holds a row is waited for no longer
 * than this program does: the server would not notice that nobody waits any more, and each further
 * attempt would wait behind that one, in a session of its own. */
#define DB_SETTINGS                                                                    \
    "select pg_catalog.set_config('jit', 'off', true),"                                \
    " pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),"              \
    " case when pg_catalog.current_setting('lock_timeout') operator(pg_catalog.=) '0'" \
    " then pg_catalog.set_config('lock_timeout', '10s', true) end"

/* And one plan of a kept statement serves all its executions. Else the server makes one for each of
 * the first five, which in most runs are all. */
#define DB_PLAN_ONCE \
    DB_SETTINGS ", pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true)"

/* No step waits for this result. */
#define DB_NO_STEP DB_STEPS_MAX

struct db {
    PGconn *conn;
    char *conninfo;
    bool busy;
    bool flushing;
    bool failed;
    bool between; /* the NULL that ends a step's results has to be read yet */

    /* Whose result comes when. A statement that is to be kept has one more, before its own, and the
     * first one comes of how all are to be planned. */
    unsigned char expected[DB_STEPS_MAX + DB_KEPT_MAX + 1];
    size_t expected_count;
    size_t done;

    struct db_kept kept;

    int64_t sent_at;
    PGresult *results[DB_STEPS_MAX];
    struct err failure;
};

static void
db_notice(void *unused, const PGresult *result)
{
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    (void)unused;
    if (text != NULL) {
        log_warning("%s", text);
    }
}

void
db_drop(struct db *db)
{
    for (size_t i = 0; i < DB_STEPS_MAX; i++) {
        PQclear(db->results[i]);
        db->results[i] = NULL;
    }
    PQfinish(db->conn);
    db->conn = NULL;
    db->busy = false;
    db_kept_forget(&db->kept);
}

static bool
db_connect(struct db *db, struct err *err)
{
    /* What stands before dbname can be overridden by the settings' conninfo, what stands after
     * it cannot. */
    static const char *const keywords[] = {
        "connect_timeout",  "keepalives_idle",           "keepalives_interval",
        "keepalives_count", "target_session_attrs",      "dbname",
        "client_encoding",  "fallback_application_name", NULL};
    const char *const values[] = {"10",         "30",   "10",        "3", "read-write",
                                  db->conninfo, "UTF8", "harpsweep", NULL};
    char line[900];

    db_drop(db);
    db->conn = PQconnectdbParams(keywords, values, 1);
    if (db->conn == NULL) {
        return err_set(err, ERR_INTERNAL, "libpq could not allocate a connection");
    }
    if (PQstatus(db->conn) == CONNECTION_OK && PQsetnonblocking(db->conn, 1) == 0 &&
        PQenterPipelineMode(db->conn) == 1) {
        (void)PQsetNoticeReceiver(db->conn, db_notice, NULL);
        return true;
    }
    sqlstate_line(PQerrorMessage(db->conn), line, sizeof line);
    db_drop(db);
    (void)err_set(err, sqlstate_refusal_kind(line), "database: no connection: %s", line);
    return err_hint(err,
                    "compare [database] conninfo with what psql needs to connect; 'harpsweep check "
                    "--fix-hints' prints what to try");
}

bool
db_open(const char *conninfo, struct db **ret_db, struct err *err)
{
    struct db *db;

    if (!db_conninfo_check(conninfo, err)) {
        return false;
    }
    db = mem_alloc(1, sizeof *db);
    db->conninfo = mem_strdup(conninfo);
    if (!db_connect(db, err)) {
        db_close(db);
        return false;
    }
    *ret_db = db;
    return true;
}

bool
db_reopen(struct db *db, struct err *err)
{
    return db_connect(db, err);
}

void
db_close(struct db *db)
{
    if (db != NULL) {
        db_drop(db);
        mem_wipe_free(db->conninfo);
        mem_free(db);
    }
}

bool
db_is_open(const struct db *db)
{
    return db->conn != NULL;
}

static void
db_fail(struct db *db, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    enum err_kind kind;
    char line[900];

    if (db->failed) {
        return; /* the first failure is the cause of the others */
    }
    db->failed = true;
    kind = state == NULL ? ERR_DB_LOST : sqlstate_kind(state);
    if (state != NULL && db_kept_is_to_blame(&db->kept, state)) {
        kind = ERR_DB_AGAIN;
        db->kept.never = true;
    }
    sqlstate_line(text != NULL ? text : PQresultErrorMessage(result), line, sizeof line);
    (void)err_set(
        &db->failure, kind, "database: %s%s%s%s", line[0] == '\0' ? "libpq lost an answer" : line,
        state == NULL ? "" : " (SQLSTATE ", state == NULL ? "" : state, state == NULL ? "" : ")");
    if (state != NULL) {
        sqlstate_hint(&db->failure, state);
    }
}

static void
db_lose(struct db *db)
{
    char line[900];

    if (!db->failed || db->failure.kind != ERR_DB_LOST) {
        sqlstate_line(PQerrorMessage(db->conn), line, sizeof line);
        db->failed = true;
        (void)err_set(&db->failure, ERR_DB_LOST, "database: connection lost: %s",
                      line[0] == '\0' ? "closed by the server" : line);
    }
}

void
db_keep(struct db *db, int64_t backend, const char *name)
{
    db->kept.allowed = !db->kept.never && db->conn != NULL && PQbackendPID(db->conn) == backend;
    (void)snprintf(db->kept.name, sizeof db->kept.name, "%s", name);
}

static bool
db_send_step(struct db *db, const struct db_step *step, size_t index)
{
    const struct db_args *args = step->args;
    int count = args == NULL ? 0 : args->count;
    const char *const *values = args == NULL ? NULL : (const char *const *)args->values;
    char name[DB_KEPT_NAME_SIZE];
    bool is_new;
    bool kept = step->again && db_kept_find(&db->kept, step->sql, name, &is_new);
    bool sent = true;

    if (kept && is_new) {
        sent = PQsendPrepare(db->conn, name, step->sql, 0, NULL) == 1;
        db->expected[db->expected_count++] = DB_NO_STEP;
    }
    db->expected[db->expected_count++] = (unsigned char)index;
    return sent &&
           (kept ? PQsendQueryPrepared(db->conn, name, count, values, NULL, NULL, 0)
                 : PQsendQueryParams(db->conn, step->sql, count, NULL, values, NULL, NULL, 0)) == 1;
}

/* How the statements are to be planned, where that matters. */
static bool
db_send_planning(struct db *db, const struct db_step *steps, size_t count)
{
    struct db_step planning = {.sql = DB_SETTINGS, .again = false};
    bool plain = true;

    for (size_t i = 0; i < count; i++) {
        plain = plain && steps[i].plain;
        planning.again = planning.again || steps[i].again;
    }
    if (planning.again && db->kept.allowed) {
        planning.sql = DB_PLAN_ONCE;
    }
    return plain || db_send_step(db, &planning, DB_NO_STEP);
}

bool
db_send(struct db *db, const struct db_step *steps, size_t count, struct err *err)
{
    if (db->conn == NULL || db->busy || count > DB_STEPS_MAX) {
        return err_set(err, db->conn == NULL ? ERR_DB_LOST : ERR_INTERNAL,
                       db->conn == NULL ? "database: not connected" : "database: still busy");
    }
    db->expected_count = 0;
    db->done = 0;
    db->failed = false;
    db->between = false;
    db_kept_begin(&db->kept);
    db->sent_at = clock_boot_ms();
    if (!db_send_planning(db, steps, count)) {
        db_lose(db);
    }
    for (size_t i = 0; i < count; i++) {
        PQclear(db->results[i]);
        db->results[i] = NULL;
        if (!db_send_step(db, &steps[i], i)) {
            db_lose(db);
        }
    }
    if (db->failed || PQpipelineSync(db->conn) != 1 || PQflush(db->conn) < 0) {
        db_lose(db);
        *err = db->failure;
        db_drop(db);
        return false;
    }
    db->busy = true;
    db->flushing = true;
    return true;
}

/* One result, or the end of one. True when the whole exchange has ended. */
static bool
db_receive(struct db *db)
{
    PGresult *result = PQgetResult(db->conn);
    ExecStatusType status;
    size_t at;

    if (result == NULL) {
        if (!db->between) {
            db_lose(db); /* nothing more comes although something is due */
            return true;
        }
        db->between = false;
        db->done++;
        return false;
    }
    status = PQresultStatus(result);
    if (status == PGRES_PIPELINE_SYNC) {
        PQclear(result);
        return true;
    }
    /* PIPELINE_ABORTED follows a failure that is recorded already. */
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK &&
        status != PGRES_PIPELINE_ABORTED) {
        db_fail(db, result);
    }
    db->between = true;
    at = db->done < db->expected_count ? db->expected[db->done] : DB_NO_STEP;
    if (at < DB_STEPS_MAX) {
        PQclear(db->results[at]);
        db->results[at] = result;
    } else {
        PQclear(result); /* a statement is kept, or an error of the commit itself */
    }
    /* Nothing more is waited for on a connection that is going to be dropped. */
    return PQstatus(db->conn) == CONNECTION_BAD || (db->failed && db->failure.kind == ERR_DB_LOST);
}

/* Out of memory for the end of an exchange, libpq says so here alone, and waits for more. */
static bool
db_is_stuck(const struct db *db)
{
    return !db->failed && db->done == db->expected_count && PQerrorMessage(db->conn)[0] != '\0';
}

enum db_progress
db_advance(struct db *db, struct err *err)
{
    int unsent = 0;
    bool ended = false;
    bool lost;

    if (!db->busy) {
        return DB_IDLE;
    }
    if (db->flushing) {
        unsent = PQflush(db->conn);
        db->flushing = unsent == 1;
    }
    lost = unsent < 0 || PQconsumeInput(db->conn) != 1;
    while (!lost && !ended && !PQisBusy(db->conn)) {
        ended = db_receive(db);
    }
    if (lost || PQstatus(db->conn) == CONNECTION_BAD || (!ended && db_is_stuck(db))) {
        db_lose(db);
    } else if (!ended) {
        return DB_BUSY;
    }
    db->busy = false;
    if (!db->failed) {
        return DB_FINISHED;
    }
    *err = db->failure;
    db_kept_take_back(&db->kept);
    if (err->kind == ERR_DB_LOST) {
        db_drop(db);
    }
    return DB_BROKEN;
}

int
db_fd(const struct db *db)
{
    return db->conn == NULL ? -1 : PQsocket(db->conn);
}

bool
db_has_input(const struct db *db)
{
    struct pollfd poll_fd = {.fd = db_fd(db), .events = POLLIN};

    return poll(&poll_fd, 1, 0) > 0;
}

bool
db_wants_write(const struct db *db)
{
    return db->busy && db->flushing;
}

int64_t
db_sent_at(const struct db *db)
{
    return db->sent_at;
}

/* A db_result is a PGresult that the rest of the program can't look into. */
struct db_result *
db_take(struct db *db, size_t index)
{
    PGresult *result = db->results[index];

    db->results[index] = NULL;
    return (struct db_result *)result;
}

int
db_library_version(void)
{
    return PQlibVersion();
}
