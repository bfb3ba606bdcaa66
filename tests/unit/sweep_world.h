/*
 * What is around a run, in the place of db.c, http.c, log.c, sig.c and the clocks: a database that
 * holds a few jobs, daemons that answer at once, and a clock that goes on only while somebody
 * waits. Each test says what is otherwise. All that the run said is kept.
 */
#ifndef HARPSWEEP_TESTS_SWEEP_WORLD_H
#define HARPSWEEP_TESTS_SWEEP_WORLD_H

#undef _FORTIFY_SOURCE /* its poll() and gethostname() could not be written anew */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "db_answer.h"
#include "log.h"
#include "queries.h"
#include "sig.h"
#include "sweep_state.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define ID_A "sha256:580c10577f0ad110f8eaa64cfffbd524b0103397d8695a7804b2aa435d27dab5"
#define ID_B "sha256:56d9bd8e29a631d66b31669e4db868c787d83c02954375eccab000a8e326edbf"
#define WORLD_EPOCH_MS INT64_C(1795404953000)
#define WORLD_BEGAN_MS INT64_C(1000000)
#define WORLD_PID 4242
#define WORLD_JOBS_MAX 64
#define WORLD_SAID_MAX 512
#define WORLD_ASKED_MAX 256
/* Nobody waits so often who does not wait for what never comes. */
#define WORLD_WAITS_MAX 5000

/* A statement that the run sent. */
struct said {
    const char *name;
    int exchange;
    int64_t at_ms;
    int count;
    char *values[DB_ARGS_MAX];
};

/* A request. */
struct asked {
    char *what; /* "d info", "d inspect REF", "d container APP", "d remove REF" */
    void *user;
    int64_t begun_ms;
    int64_t send_by_ms;
    bool open;
};

struct answered {
    enum http_transport transport;
    long status;
    const char *body; /* NULL: what a daemon says when all is well */
    const char *type; /* NULL: JSON */
    int64_t took_ms;
};

/* A job of the database. Texts that are NULL are null. */
struct world_job {
    const char *daemon;
    const char *ref;
    const char *image_id;
    const char *protocol;
    const char *host;
    const char *port;
    const char *hold;    /* as the claim says */
    const char *delay_s; /* of either hold */
    bool now;
    bool changed;         /* somebody else has it when the claim is confirmed */
    const char *word;     /* why it is held then */
    const char *recorded; /* "recorded" where it is NULL */
    const char *beside;   /* an app that was deployed meanwhile */
    const char *end;      /* it ends without an attempt, with this state */
    bool claimed;         /* by the run */
    const char *state;    /* what the run recorded; "" for nothing yet */
};

struct db {
    bool open;
    bool busy;
    int exchanges;
    int64_t sent_at;
    size_t first; /* of said, those under way */
    size_t count;
};

struct http {
    http_done *done;
    void *context;
    int active;
};

static struct world {
    int64_t now_ms;
    int64_t apart_ms;      /* the database's clock is so far ahead */
    int schema;            /* the version that the database has */
    int stops;             /* signals */
    bool no_host;          /* nobody knows its name */
    void (*on_wait)(void); /* what happens while somebody waits */
    int waits;
    /* The latest of them: how long, at most, for what of the database, and whether for daemons. */
    int64_t nap_ms;
    bool nap_writing;
    bool nap_http;

    struct db db;
    struct http http;
    bool no_reopen; /* nobody can connect */
    int reopens;
    bool send_fails; /* the connection breaks when something is sent */
    bool wants_write;
    bool silent; /* the database answers nothing any more */
    bool has_input;
    int drops;
    /* What happens to an exchange; NULL: it is done. */
    enum db_progress (*on_exchange)(int exchange, struct err *err);
    /* What else happens when a statement is answered. */
    void (*on_answer)(const struct said *said);

    bool no_http;
    bool begin_fails;
    bool wait_fails;
    int opens;
    int aborts;
    /* Another answer than the usual. */
    void (*on_asked)(const struct asked *asked, struct answered *answered);

    const char *news[16][9];
    size_t news_count;
    const char *settings[4][3];
    size_t settings_count;
    const char *found[8][6];
    size_t found_count;
    const char *planned; /* rows of the first daemon that get their grace */
    struct world_job jobs[WORLD_JOBS_MAX];
    size_t job_count;

    struct said said[WORLD_SAID_MAX];
    size_t said_count;
    struct asked asked[WORLD_ASKED_MAX];
    size_t asked_count;
    char log[65536];
    size_t log_length;
} world;

/* ---------------------------------------------------------------- clocks, signals, log */

int64_t
clock_boot_ms(void)
{
    return world.now_ms;
}

int64_t
clock_wall_ms(void)
{
    return WORLD_EPOCH_MS + world.now_ms;
}

void
sig_install(void)
{
}

int
sig_stops(void)
{
    return world.stops;
}

static void __attribute__((format(printf, 2, 0)))
world_log(const char *level, const char *format, va_list arguments)
{
    char line[4096];

    (void)vsnprintf(line, sizeof line, format, arguments);
    world.log_length += (size_t)snprintf(
        world.log + world.log_length, sizeof world.log - world.log_length, "%s: %s\n", level, line);
    assert_true(world.log_length < sizeof world.log);
}

#define WORLD_LOG(level)                      \
    void log_##level(const char *format, ...) \
    {                                         \
        va_list arguments;                    \
                                              \
        va_start(arguments, format);          \
        world_log(#level, format, arguments); \
        va_end(arguments);                    \
    }
WORLD_LOG(error)
WORLD_LOG(warning)
WORLD_LOG(info)
WORLD_LOG(debug)

static inline bool
logged(const char *text)
{
    return strstr(world.log, text) != NULL;
}

/* In the place of the C library's, as poll() below. */
pid_t
getpid(void)
{
    return WORLD_PID;
}

int
gethostname(char *name, size_t size)
{
    if (world.no_host) {
        return -1;
    }
    (void)snprintf(name, size, "somewhere");
    return 0;
}

static void
world_wait(void)
{
    if (++world.waits > WORLD_WAITS_MAX) {
        fail_msg("it waits for what never comes");
    }
    if (world.on_wait != NULL) {
        world.on_wait();
    }
}

int
poll(struct pollfd *fds, nfds_t count, int timeout)
{
    assert_int_equal(count, 1);
    assert_in_range(timeout, 1, 5000);
    world.nap_ms = timeout;
    world.nap_writing = (fds->events & POLLOUT) != 0;
    world.nap_http = false;
    assert_true((fds->events & POLLIN) != 0);
    world_wait();
    world.now_ms += world.db.busy && !world.silent ? 1 : timeout;
    return 0;
}

/* ---------------------------------------------------------------- the database */

static const struct {
    const char *sql;
    const char *name;
} world_names[] = {
    {SQL_HELLO, "hello"},
    {SQL_NEWS, "news"},
    {SQL_SETTINGS, "settings"},
    {SQL_FIND, "find"},
    {SQL_RECONCILE, "reconcile"},
    {SQL_OBSERVED, "observed"},
    {SQL_COUNT_DUE, "count"},
    {SQL_CLAIM, "claim"},
    {SQL_CONFIRM, "confirm"},
    {SQL_RECORD, "record"},
    {SQL_DAEMON_SEEN, "seen"},
    {SQL_RUN_FINISHED, "finished"},
    {SQL_PRUNE, "prune"},
    {SQL_PRUNE_RUNS, "prune_runs"},
    {SQL_PRUNE_IMAGES, "prune_images"},
    {SQL_PRUNE_INTAKE, "prune_intake"},
};

/* The element of an array that was sent, as PostgreSQL reads it; false behind the last one. */
static inline bool
array_item(const char *array, size_t index, char ret_item[256])
{
    const char *at = array + 1;

    assert_non_null(array);
    for (size_t i = 0; *at != '}'; i++) {
        size_t length = 0;
        bool quoted = *at == '"';

        for (at += quoted; quoted ? *at != '"' : *at != ',' && *at != '}'; at++) {
            at += *at == '\\';
            assert_true(length < 255);
            ret_item[length++] = *at;
        }
        ret_item[length] = '\0';
        at += quoted;
        if (i == index) {
            return true;
        }
        at += *at == ',';
    }
    return false;
}

/* Cells of a result, filled in row by row. */
struct cells {
    int columns;
    int rows;
    const char *cells[WORLD_JOBS_MAX * DB_ANSWER_COLUMNS];
    char texts[WORLD_JOBS_MAX * 4][24];
    size_t text_count;
};

static inline const char *
cells_text(struct cells *cells, const char *text)
{
    char *copy = cells->texts[cells->text_count++];

    assert_true(cells->text_count <= WORLD_JOBS_MAX * 4);
    assert_in_range(snprintf(copy, sizeof cells->texts[0], "%s", text), 1,
                    sizeof cells->texts[0] - 1);
    return copy;
}

static inline const char *
cells_number(struct cells *cells, int64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRId64, number);
    return cells_text(cells, text);
}

static inline void
cells_add(struct cells *cells, const char *const *row)
{
    assert_true((size_t)((cells->rows + 1) * cells->columns) <
                sizeof cells->cells / sizeof *cells->cells);
    memcpy(&cells->cells[cells->rows++ * cells->columns], row,
           (size_t)cells->columns * sizeof *row);
}

static inline struct db_result *
cells_answer(const struct cells *cells)
{
    return db_answer(cells->columns, cells->rows, cells->cells);
}

/* Due jobs are numbered from 1 and due in that order. */
static inline void
world_claim_from(struct cells *cells, const char *daemon, int slots)
{
    size_t last = 0;

    for (size_t i = 0; i < world.job_count && slots > 0; i++) {
        struct world_job *job = &world.jobs[i];
        const char *number = cells_number(cells, (int64_t)i + 1);

        if (job->claimed || strcmp(job->daemon, daemon) != 0) {
            continue;
        }
        slots--;
        last = i + 1;
        job->claimed = true;
        cells_add(cells, (const char *[]){job->end == NULL ? "job" : "ended", daemon, number, "1",
                                          job->end == NULL ? "claimed" : job->end, "app", job->ref,
                                          job->image_id, job->now ? "now" : "grace",
                                          "1795404953000", job->protocol, job->host, job->port,
                                          job->hold, job->delay_s, NULL, NULL});
    }
    if (last > 0) {
        cells_add(cells,
                  (const char *[]){"upto", daemon, cells_number(cells, (int64_t)last), NULL, NULL,
                                   NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                   cells_number(cells, (int64_t)last * 1000)});
    }
}

static inline struct db_result *
world_claim(const struct said *said)
{
    static struct cells cells;
    char daemon[256];
    char slots[256];

    cells = (struct cells){.columns = 17};
    for (size_t i = 0; array_item(said->values[0], i, daemon); i++) {
        assert_true(array_item(said->values[1], i, slots));
        assert_in_range(atoi(slots), 1, 2 * SWEEP_AHEAD_MAX);
        if (world.planned != NULL) {
            cells_add(&cells, (const char *[]){"planned", cells_text(&cells, daemon), world.planned,
                                               NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                               NULL, NULL, NULL, NULL, NULL});
            world.planned = NULL;
        } else {
            world_claim_from(&cells, cells_text(&cells, daemon), atoi(slots));
        }
    }
    return cells_answer(&cells);
}

/* One row for each number of an array: of a confirmation, or of results. */
static inline struct db_result *
world_about(const struct said *said, bool record)
{
    static struct cells cells;
    char item[256];
    char action[256];

    cells = (struct cells){.columns = 4};
    for (size_t i = 0; array_item(said->values[1], i, item); i++) {
        struct world_job *job = &world.jobs[atoi(item) - 1];
        const char *number = cells_number(&cells, atoi(item));

        assert_in_range(atoi(item), 1, world.job_count);
        if (record) {
            assert_true(array_item(said->values[3], i, action));
            if (strcmp(action, "done") == 0) {
                assert_true(array_item(said->values[4], i, action));
            }
            job->state = strcmp(action, "removed") == 0    ? "removed"
                         : strcmp(action, "untagged") == 0 ? "untagged"
                         : strcmp(action, "absent") == 0   ? "absent"
                         : strcmp(action, "fail") == 0     ? "failed"
                                                           : "pending";
            cells_add(&cells,
                      (const char *[]){number, job->recorded == NULL ? "recorded" : job->recorded,
                                       job->state, job->beside});
        } else {
            cells_add(&cells,
                      (const char *[]){number, job->changed ? "f" : "t", job->word, job->delay_s});
        }
    }
    return cells_answer(&cells);
}

static inline struct db_result *
world_rows(const char *const *cells, size_t rows, int columns)
{
    return db_answer(columns, (int)rows, cells);
}

static inline struct db_result *
world_hello(void)
{
    static struct cells cells;

    cells = (struct cells){.columns = 2};
    cells_add(&cells, (const char *[]){cells_number(&cells, world.schema),
                                       cells_number(&cells, clock_wall_ms() + world.apart_ms)});
    return cells_answer(&cells);
}

static inline struct db_result *
world_count(const struct said *said)
{
    static struct cells cells;
    char daemon[256];

    cells = (struct cells){.columns = 2};
    for (size_t i = 0; array_item(said->values[0], i, daemon); i++) {
        int64_t due = 0;

        for (size_t job = 0; job < world.job_count; job++) {
            due += !world.jobs[job].claimed && strcmp(world.jobs[job].daemon, daemon) == 0;
        }
        cells_add(&cells, (const char *[]){cells_text(&cells, daemon), cells_number(&cells, due)});
    }
    return cells_answer(&cells);
}

static inline struct db_result *
world_answer(const struct said *said)
{
    const char *name = said->name;

    if (world.on_answer != NULL) {
        world.on_answer(said);
    }
    if (strcmp(name, "hello") == 0) {
        return world_hello();
    }
    if (strcmp(name, "news") == 0) {
        return world_rows(&world.news[0][0], world.news_count, 9);
    }
    if (strcmp(name, "settings") == 0) {
        return world_rows(&world.settings[0][0], world.settings_count, 3);
    }
    if (strcmp(name, "find") == 0) {
        return world_rows(&world.found[0][0], world.found_count, 6);
    }
    if (strcmp(name, "reconcile") == 0) {
        return world_rows((const char *[]){"2"}, 1, 1);
    }
    if (strcmp(name, "observed") == 0) {
        return world_rows((const char *[]){"app", "new", NULL, "two", "update", "7"}, 2, 3);
    }
    if (strcmp(name, "claim") == 0) {
        return world_claim(said);
    }
    if (strcmp(name, "count") == 0) {
        return world_count(said);
    }
    return strcmp(name, "confirm") == 0  ? world_about(said, false)
           : strcmp(name, "record") == 0 ? world_about(said, true)
                                         : world_rows(NULL, 0, 1);
}

bool
db_is_open(const struct db *db)
{
    return db->open;
}

int
db_fd(const struct db *db)
{
    return db->open ? 3 : -1;
}

bool
db_wants_write(const struct db *db)
{
    (void)db;
    return world.wants_write;
}

bool
db_has_input(const struct db *db)
{
    assert_true(db->open);
    return world.has_input;
}

int64_t
db_sent_at(const struct db *db)
{
    return db->sent_at;
}

void
db_drop(struct db *db)
{
    world.drops++;
    db->open = false;
    db->busy = false;
}

bool
db_reopen(struct db *db, struct err *err)
{
    world.reopens++;
    if (world.no_reopen) {
        return err_set(err, ERR_CONFIG, "no connection");
    }
    db->open = true;
    return true;
}

bool
db_send(struct db *db, const struct db_step *steps, size_t count, struct err *err)
{
    assert_true(db->open);
    assert_in_range(count, 1, DB_STEPS_MAX);
    if (db->busy) {
        return err_set(err, ERR_INTERNAL, "still busy");
    }
    if (world.send_fails) {
        db->open = false;
        return err_set(err, ERR_DB_LOST, "lost in the middle");
    }
    db->busy = true;
    db->sent_at = world.now_ms;
    db->first = world.said_count;
    db->count = count;
    db->exchanges++;
    for (size_t i = 0; i < count; i++) {
        struct said *said = &world.said[world.said_count++];

        assert_true(world.said_count < WORLD_SAID_MAX);
        *said = (struct said){.exchange = db->exchanges, .at_ms = world.now_ms};
        for (size_t at = 0; at < sizeof world_names / sizeof *world_names; at++) {
            said->name =
                strcmp(world_names[at].sql, steps[i].sql) == 0 ? world_names[at].name : said->name;
        }
        assert_non_null(said->name);
        said->count = steps[i].args->count;
        for (int at = 0; at < said->count; at++) {
            said->values[at] =
                steps[i].args->values[at] == NULL ? NULL : strdup(steps[i].args->values[at]);
        }
    }
    return true;
}

enum db_progress
db_advance(struct db *db, struct err *err)
{
    enum db_progress progress =
        world.on_exchange == NULL ? DB_FINISHED : world.on_exchange(db->exchanges, err);

    assert_true(db->busy);
    if (world.silent) {
        return DB_BUSY;
    }
    db->busy = progress == DB_BUSY;
    if (progress == DB_BROKEN && err->kind == ERR_DB_LOST) {
        db->open = false;
    }
    return progress;
}

struct db_result *
db_take(struct db *db, size_t index)
{
    assert_true(index < db->count);
    return world_answer(&world.said[db->first + index]);
}

bool
db_exchange(struct db *db, const struct db_step *steps, size_t count, int64_t timeout_ms,
            struct err *err)
{
    assert_in_range(timeout_ms, 1000, 60000);
    return db_send(db, steps, count, err) && db_advance(db, err) == DB_FINISHED;
}

bool
db_query(struct db *db, const char *sql, const struct db_args *args, struct db_result **ret_result,
         struct err *err)
{
    (void)db;
    (void)sql;
    (void)args;
    (void)ret_result;
    return err_set(err, ERR_INTERNAL, "a run does not wait");
}

void
db_result_free(struct db_result *result)
{
    PQclear((PGresult *)result);
}

int
db_rows(const struct db_result *result)
{
    return PQntuples((const PGresult *)result);
}

bool
db_is_null(const struct db_result *result, int row, int column)
{
    return PQgetisnull((const PGresult *)result, row, column) == 1;
}

const char *
db_text(const struct db_result *result, int row, int column)
{
    return PQgetvalue((const PGresult *)result, row, column);
}

/* What the run said, the nth time (from 0); NULL: it did not. */
static inline const struct said *
said(const char *name, size_t nth)
{
    for (size_t i = 0; i < world.said_count; i++) {
        if (strcmp(world.said[i].name, name) == 0 && nth-- == 0) {
            return &world.said[i];
        }
    }
    return NULL;
}

static inline size_t
times_said(const char *name)
{
    size_t times = 0;

    while (said(name, times) != NULL) {
        times++;
    }
    return times;
}

/* What was given with it; parameter: from 1, as in the SQL. */
static inline const char *
said_value(const char *name, size_t nth, int parameter)
{
    const struct said *found = said(name, nth);

    if (found == NULL || parameter > found->count) {
        fail_msg("%s was not said %zu times with %d parameters", name, nth + 1, parameter);
        return NULL;
    }
    return found->values[parameter - 1];
}

static inline void
expect_said(const char *name, size_t nth, int parameter, const char *value)
{
    const char *found = said_value(name, nth, parameter);

    if (value == NULL || found == NULL) {
        assert_ptr_equal(found, value);
    } else {
        assert_string_equal(found, value);
    }
}

/* ---------------------------------------------------------------- daemons */

bool
http_open(int max_parallel, http_done *done, void *context, struct http **ret_http, struct err *err)
{
    world.opens++;
    if (world.no_http) {
        return err_set(err, ERR_INTERNAL, "no libcurl");
    }
    assert_true(max_parallel > 0);
    world.http = (struct http){.done = done, .context = context};
    *ret_http = &world.http;
    return true;
}

/* "http://d.example:8780/exapps/app_api/images/app:1/json" is "d inspect app:1". */
static inline void
world_name(const struct http_request *request, char *text, size_t size)
{
    static const struct {
        const char *path;
        const char *verb;
    } kinds[] = {{"/exapps/app_api/info", "info"},
                 {"/exapps/app_api/images/", "inspect "},
                 {"/exapps/app_api/containers/nc_app_", "container "},
                 {"/exapps/app_api/docker/exapp/image_remove", "remove "}};
    const char *host = strstr(request->url, "://") + 3;
    int length = (int)strcspn(host, ".");

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *path = strstr(request->url, kinds[i].path);
        const char *rest = path == NULL ? NULL : path + strlen(kinds[i].path);

        if (rest != NULL && i == 3) {
            rest = strstr(request->body, ":\"") + 2;
        }
        if (rest != NULL) {
            const char *end = i == 0   ? rest + strlen(rest)
                              : i == 3 ? strchr(rest, '"')
                                       : strrchr(rest, '/');

            assert_int_equal(i == 3, request->body != NULL);
            (void)snprintf(text, size, "%.*s %s%.*s", length, host, kinds[i].verb,
                           (int)(end - rest), rest);
            return;
        }
    }
    fail_msg("%s", request->url);
}

bool
http_begin(struct http *http, const struct http_request *request, struct err *err)
{
    struct asked *asked = &world.asked[world.asked_count];
    char text[512];

    if (world.begin_fails) {
        return err_set(err, ERR_INTERNAL, "libcurl refuses");
    }
    assert_true(++world.asked_count < WORLD_ASKED_MAX);
    world_name(request, text, sizeof text);
    *asked = (struct asked){.what = strdup(text),
                            .user = request->user,
                            .begun_ms = world.now_ms,
                            .send_by_ms = request->send_by_ms,
                            .open = true};
    http->active++;
    return true;
}

int
http_active(const struct http *http)
{
    assert_non_null(http);
    return http->active;
}

static inline const char *
world_says(const struct asked *asked, char *text, size_t size)
{
    const char *what = strchr(asked->what, ' ') + 1;
    const char *of = strchr(what, ' ');
    bool by_id;

    if (strcmp(what, "info") == 0) {
        return "{\"version\": \"0.4.4\", \"docker\": true}";
    }
    if (strncmp(what, "remove", 6) == 0) {
        return "{\"deleted\": true, \"bytes_freed\": 5000}";
    }
    if (strncmp(what, "container", 9) == 0) {
        return "{\"Id\":\"c0ffee\",\"Image\":\"" ID_A
               "\",\"State\":{\"Status\":\"running\"},\"Config\":{\"Image\":\"app:2\"}}";
    }
    /* By its ID an image is asked for that has no name left. */
    by_id = strncmp(of + 1, "sha256:", 7) == 0;
    (void)snprintf(text, size,
                   "{\"Id\":\"%s\",\"RepoTags\":[%s%s%s],\"RepoDigests\":[\"app@" ID_B
                   "\"],\"Size\":3000,\"Metadata\":{\"LastTagTime\":\"2026-11-20T00:00:00.5Z\"}}",
                   by_id ? of + 1 : ID_A, by_id ? "" : "\"", by_id ? "" : of + 1,
                   by_id ? "" : "\"");
    return text;
}

/* Ends a request with an answer. */
static inline void
world_end(struct http *http, struct asked *asked, struct answered answered)
{
    char text[1024];
    struct http_answer answer = {.transport = answered.transport, .detail = "", .content_type = ""};

    assert_true(asked->open);
    asked->open = false;
    http->active--;
    world.now_ms += answered.took_ms;
    answer.duration_ms = answered.took_ms;
    answer.body = "";
    if (answered.transport == HTTP_ANSWERED) {
        answer.status = answered.status;
        answer.content_type = answered.type == NULL ? "application/json" : answered.type;
        answer.body = answered.body == NULL ? world_says(asked, text, sizeof text) : answered.body;
        answer.length = strlen(answer.body);
    }
    http->done(http->context, asked->user, &answer);
}

bool
http_wait(struct http *http, int extra_fd, bool extra_write, int64_t timeout_ms, struct err *err)
{
    assert_int_equal(extra_fd, db_fd(&world.db));
    assert_in_range(timeout_ms, 1, 5000);
    world.nap_ms = timeout_ms;
    world.nap_writing = extra_write;
    world.nap_http = true;
    world_wait();
    assert_true(http->active > 0);
    if (world.wait_fails) {
        return err_set(err, ERR_INTERNAL, "libcurl fails");
    }
    for (size_t i = 0; i < world.asked_count; i++) {
        struct answered answered = {.status = 200, .took_ms = 5};

        if (world.asked[i].open) {
            if (world.on_asked != NULL) {
                world.on_asked(&world.asked[i], &answered);
            }
            world_end(http, &world.asked[i], answered);
            return true;
        }
    }
    return true;
}

void
http_abort_all(struct http *http)
{
    assert_non_null(http);
    world.aborts++;
    for (size_t i = 0; i < world.asked_count; i++) {
        if (world.asked[i].open) {
            world_end(http, &world.asked[i], (struct answered){.transport = HTTP_ABORTED});
        }
    }
}

void
http_close(struct http *http)
{
    assert_true(http == NULL || http == &world.http);
}

/* How often something was asked of a daemon. */
static inline size_t
times_asked(const char *what)
{
    size_t times = 0;

    for (size_t i = 0; i < world.asked_count; i++) {
        times += strcmp(world.asked[i].what, what) == 0;
    }
    return times;
}

static inline void
expect_asked(size_t nth, const char *what)
{
    assert_true(nth < world.asked_count);
    assert_string_equal(world.asked[nth].what, what);
}

/* ---------------------------------------------------------------- a run */

static char world_path[] = "x.ini";
static char world_key[] = "secret";
static char world_d[] = "d";
static char world_e[] = "e";
static char world_d_url[] = "http://d.example:8780";
static char world_e_url[] = "http://e.example:8780";
static char world_glob[] = "kept*";
static char *world_keep[] = {world_glob};
static struct conf_daemon world_sections[2];
static struct conf world_conf;
static struct sweep_options world_options;

static int
world_begin(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.now_ms = WORLD_BEGAN_MS;
    world.schema = HARPSWEEP_SCHEMA_VERSION;
    world.db.open = true;
    world_sections[0] = (struct conf_daemon){.section = world_d,
                                             .name = world_d,
                                             .url = world_d_url,
                                             .key = world_key,
                                             .engine_port = 24000,
                                             .max_parallel = 2};
    world_sections[1] = world_sections[0];
    world_sections[1].section = world_sections[1].name = world_e;
    world_sections[1].url = world_e_url;
    world_conf = (struct conf){.path = world_path,
                               .enabled = true,
                               .grace_hours = 24,
                               .keep = world_keep,
                               .keep_count = 1,
                               .keep_previous = 1,
                               .verify = true,
                               .protect_unpullable = true,
                               .in_use_recheck_hours = 24,
                               .in_use_max_rechecks = 7,
                               .max_failures = 20,
                               .history_days = 90,
                               .max_parallel = 8,
                               .max_parallel_per_daemon = 2,
                               .soft_limit_ms = 10000,
                               .hard_limit_ms = 20000,
                               .lease_ms = 120000,
                               .connect_timeout_ms = 5000,
                               .timeout_ms = 90000,
                               .daemons = world_sections,
                               .daemon_count = 2};
    memset(&world_options, 0, sizeof world_options);
    return 0;
}

static int
world_free(void **state)
{
    (void)state;
    for (size_t i = 0; i < world.said_count; i++) {
        for (int at = 0; at < world.said[i].count; at++) {
            free(world.said[i].values[at]);
        }
    }
    for (size_t i = 0; i < world.asked_count; i++) {
        free(world.asked[i].what);
    }
    return 0;
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, world_begin, world_free)

/* Due jobs of a daemon; returns the first, for what is otherwise about it. */
static inline struct world_job *
world_add_jobs(const char *daemon, const char *ref, size_t count)
{
    size_t first = world.job_count;

    assert_true(first + count <= WORLD_JOBS_MAX);
    for (size_t i = 0; i < count; i++) {
        world.jobs[world.job_count++] =
            (struct world_job){.daemon = daemon, .ref = ref, .state = ""};
    }
    for (size_t i = 0; i < world.found_count; i++) {
        if (strcmp(world.found[i][0], daemon) == 0) {
            return &world.jobs[first];
        }
    }
    world.found[world.found_count][0] = daemon;
    world.found[world.found_count++][1] = "f";
    return &world.jobs[first];
}

/* Runs to the end; report and err tell what of it there is to be told. */
static struct sweep_report report;
static struct err failure;

static inline bool
world_run(void)
{
    bool done = sweep_run(&world.db, &world_conf, &world_options, &report, &failure);

    assert_int_equal(world.http.active, 0);
    return done;
}

#endif
