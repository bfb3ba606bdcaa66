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
    bool alarm;            /* an alarm rings, though nothing may be due */
    int keeps;             /* times that statements were to be kept */
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
    bool silent;        /* the database answers nothing any more */
    int64_t miscounted; /* results that it takes for recorded beyond those that are */
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
    assert_between(timeout, 1, 5000);
    world.nap_ms = timeout;
    world.nap_writing = (fds->events & POLLOUT) != 0;
    world.nap_http = false;
    assert_true((fds->events & POLLIN) != 0);
    world_wait();
    world.now_ms += world.db.busy && !world.silent ? 1 : timeout;
    return 0;
}

/* What clang makes of poll() where sources are fortified. */
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size);

int
__poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size)
{
    assert_between(size, count * sizeof *fds, SIZE_MAX / 2);
    return poll(fds, count, timeout);
}

#include "sweep_world_db.h"
#include "sweep_world_http.h"

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

/* An app that is to be looked at on daemon d, or that is gone while nobody told. */
static inline void
world_add_app(const char *kind, const char *app)
{
    bool look = strcmp(kind, "look") == 0;
    const char *const row[9] = {
        kind, app, look ? "print" : NULL, look ? "d" : NULL, NULL, NULL, NULL, "f", NULL};

    memcpy(world.news[world.news_count++], row, sizeof row);
}

/* How long the run took so far. */
static inline int64_t
spent(void)
{
    return world.now_ms - WORLD_BEGAN_MS;
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
