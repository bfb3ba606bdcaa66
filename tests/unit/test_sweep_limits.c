/* What ends a run before its work does: limits, signals, a database that stays away. And how long
 * it sleeps until then. */
#include "sweep_world.h"

#define HAD_TO_END "the run had to end while HaRP was working on it"

/* How often a text was logged. */
static int
times_logged(const char *text)
{
    int times = 0;

    for (const char *at = world.log; (at = strstr(at, text)) != NULL; at++) {
        times++;
    }
    return times;
}

/* Daemons take their time over everything but /info. */
static int64_t slow_ms;

static void
be_slow(const struct asked *asked, struct answered *answered)
{
    if (strstr(asked->what, "info") == NULL) {
        answered->took_ms = slow_ms;
    }
}

/* A signal comes while the request of that name is under way. */
static const char *signal_at;
static int signals;

static void
raise_at(const struct asked *asked, struct answered *answered)
{
    (void)answered;
    if (strcmp(asked->what, signal_at) == 0) {
        world.stops += signals;
        signals = 0;
    }
}

static void
expect_claimed_are_removed(void)
{
    assert_between(report.totals.removed, 1, world.job_count - 1);
    for (size_t i = 0; i < world.job_count; i++) {
        assert_string_equal(world.jobs[i].state, world.jobs[i].claimed ? "removed" : "");
    }
}

/* Behind the soft limit nothing is claimed any more; what is claimed is done. */
static void
test_the_soft_limit(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 9);
    slow_ms = 1000;
    world.on_asked = be_slow;
    assert_true(world_run());
    assert_true(report.left_work);
    assert_int_equal(report.exit_code, EXIT_CODE_LEFT_WORK);
    expect_claimed_are_removed();
    assert_between(spent(), 10000, 19999);
    assert_int_equal(times_logged("info: no more claims: soft limit run="), 1);
    assert_int_equal(times_logged("no more claims"), 1);
}

/* The same with a signal. */
static void
test_a_signal(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 9);
    signal_at = "d inspect app:1";
    signals = 1;
    world.on_asked = raise_at;
    assert_true(world_run());
    expect_claimed_are_removed();
    assert_int_equal(report.exit_code, EXIT_CODE_LEFT_WORK);
    assert_true(spent() < 1000);
    assert_int_equal(times_logged("info: no more claims: stopped by a signal run="), 1);
}

/* Before anything is known of what there is to do, that is what is left. */
static void
test_a_signal_at_the_beginning(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 1);
    world.stops = 1;
    assert_true(world_run());
    assert_int_equal(world.said_count, 0);
    assert_true(report.left_work);
    assert_int_equal(report.exit_code, EXIT_CODE_LEFT_WORK);
    assert_false(report.worked);
}

/* With nothing under way there is nothing to end. */
static void
test_two_signals_at_the_beginning(void **state)
{
    (void)state;
    world.stops = 2;
    assert_true(world_run());
    assert_int_equal(world.aborts, 0);
    assert_int_equal(report.exit_code, EXIT_CODE_LEFT_WORK);
}

/* A signal when all is claimed leaves nothing behind. */
static void
signal_when_drained(void)
{
    if (world.jobs[0].claimed && times_said("claim") >= 2) {
        world.stops = 1;
    }
}

static void
test_a_signal_at_the_end(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 1);
    (void)world_add_jobs("stranger", "app:1", 1);
    world.on_wait = signal_when_drained;
    assert_true(world_run());
    assert_string_equal(world.jobs[0].state, "removed");
    assert_true(logged("stopped by a signal"));
    assert_false(report.left_work);
}

/* Its own work done, a run that was stopped leaves that of a daemon that it had to stop to nobody.
 */
static void
refuse(const struct asked *asked, struct answered *answered)
{
    (void)asked;
    *answered = (struct answered){.status = 401, .body = "401 Unauthorized", .took_ms = 11000};
}

static void
test_the_soft_limit_and_a_stop(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 3);
    world.on_asked = refuse;
    assert_true(world_run());
    assert_true(logged("soft limit"));
    assert_false(report.left_work);
    assert_int_equal(report.exit_code, EXIT_CODE_ATTENTION);
}

/* The second signal ends requests; what was under way and what waited is given back, and recorded.
 */
static void
expect_given_back(void)
{
    assert_true(times_said("record") > 0);
    for (size_t i = 0; i < world.job_count; i++) {
        assert_string_equal(world.jobs[i].state, world.jobs[i].claimed ? "pending" : "");
    }
    assert_true(report.totals.given_back > 1);
    assert_int_equal(report.unrecorded, 0);
    assert_true(logged(HAD_TO_END));
    assert_true(report.left_work);
    assert_int_equal(report.exit_code, EXIT_CODE_LEFT_WORK);
}

static void
test_two_signals(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 3);
    (void)world_add_jobs("e", "app:1", 3);
    signal_at = "d inspect app:1";
    signals = 2;
    world.on_asked = raise_at;
    world_conf.max_parallel = 2;
    assert_true(world_run());
    assert_true(times_logged("no more claims") == 1);
    expect_given_back();
    assert_true(spent() < 1000);
}

static void
test_the_hard_limit(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 9);
    (void)world_add_jobs("e", "app:1", 9);
    world_conf.soft_limit_ms = world_conf.hard_limit_ms = 3000;
    slow_ms = 200;
    world.on_asked = be_slow;
    assert_true(world_run());
    assert_int_equal(times_logged("no more claims"), 1);
    assert_true(logged(HAD_TO_END));
    assert_true(report.totals.removed > 0);
    assert_true(report.totals.given_back > 0);
    assert_int_equal(report.unrecorded, 0);
    assert_between(spent(), 3000, 3999);
}

/* Looks that are under way are waited for behind the soft limit, and recorded. */
static void
test_a_look_behind_the_soft_limit(void **state)
{
    (void)state;
    world_add_app("look", "app");
    slow_ms = 10000;
    world.on_asked = be_slow;
    assert_true(world_run());
    assert_int_equal(times_asked("d inspect " ID_A), 1);
    expect_said("observed", 0, 6, "{3000}");
}

static enum db_progress
lose_for_good(struct err *err)
{
    world.stops = 1;
    world.no_reopen = true;
    (void)err_set(err, ERR_DB_LOST, "database: trouble");
    return DB_BROKEN;
}

/* But a database that is away is not waited for on their account: the next run looks again. */
static enum db_progress
lose_what_was_seen(int exchange, struct err *err)
{
    for (size_t i = 0; i < world.said_count; i++) {
        if (world.said[i].exchange == exchange && strcmp(world.said[i].name, "observed") == 0) {
            return lose_for_good(err);
        }
    }
    return DB_FINISHED;
}

static void
test_what_was_seen_is_lost(void **state)
{
    (void)state;
    world_add_app("look", "app");
    world.on_exchange = lose_what_was_seen;
    assert_true(world_run());
    assert_int_equal(times_said("observed"), 1);
    assert_true(spent() < 5000);
}

/* The same of apps that were removed while nobody told. */
static enum db_progress
lose_the_third(int exchange, struct err *err)
{
    if (exchange == 3) {
        return lose_for_good(err);
    }
    return DB_FINISHED;
}

static void
test_apps_that_are_gone(void **state)
{
    (void)state;
    world_add_app("gone", "app");
    world.on_exchange = lose_the_third;
    assert_true(world_run());
    assert_int_equal(times_said("reconcile"), 1);
    assert_true(spent() < 5000);
}

/* A claim that is under way when the signal comes is waited for: its jobs would else wait for the
 * end of their leases. */
static enum db_progress
signal_during_the_claim(int exchange, struct err *err)
{
    (void)err;
    if (exchange == 3 && world.stops == 0) {
        world.stops = 1;
        return DB_BUSY;
    }
    return DB_FINISHED;
}

static void
test_a_signal_during_a_claim(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 2);
    world.on_exchange = signal_during_the_claim;
    assert_true(world_run());
    assert_true(world.jobs[0].claimed);
    assert_string_equal(world.jobs[0].state, "removed");
    assert_string_equal(world.jobs[1].state, "");
}

/* The database is lost for good when something was asked so many times. */
static size_t lose_after;

static void
lose_at(const struct asked *asked, struct answered *answered)
{
    if (strcmp(asked->what, signal_at) == 0 && times_asked(signal_at) > lose_after) {
        answered->took_ms = slow_ms;
        world.db.open = world.db.busy = false;
        world.no_reopen = true;
        world.stops += signals;
        signals = 0;
    }
}

static int64_t back_at_ms;

static void
come_back(void)
{
    if (spent() >= back_at_ms) {
        world.no_reopen = false;
    }
}

/* Behind the hard limit the results are offered for ten seconds more; then they are told. */
static void
test_the_database_stays_away(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 1);
    world_options.max_jobs = 1;
    signal_at = "d remove app:1";
    world.on_asked = lose_at;
    slow_ms = 5;
    assert_true(world_run());
    assert_between(spent(), 30000, 35100); /* attempts are five seconds apart by then */
    assert_int_equal(report.unrecorded, 1);
    assert_int_equal(report.exit_code, EXIT_CODE_UNAVAILABLE);
    assert_true(logged("error: not recorded: job=1 image=app:1 result=removed reason=\"\""));
    assert_true(logged("warning: the run leaves no row"));
    assert_string_equal(world.jobs[0].state, "");
}

static void
test_the_database_comes_back(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 1);
    world_options.max_jobs = 1;
    signal_at = "d remove app:1";
    world.on_asked = lose_at;
    world.on_wait = come_back;
    slow_ms = 5;
    back_at_ms = 23000;
    assert_true(world_run());
    assert_int_equal(report.unrecorded, 0);
    assert_string_equal(world.jobs[0].state, "removed");
    assert_between(spent(), 23000, 30000);
}

/* Who wants the end twice does not wait for it. */
static void
test_two_signals_and_no_database(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 1);
    world_options.max_jobs = 1;
    signal_at = "d remove app:1";
    signals = 2;
    world.on_asked = lose_at;
    slow_ms = 5;
    assert_true(world_run());
    assert_int_equal(report.unrecorded, 1);
    assert_true(spent() < 1000);
}

/* The second signal comes in the middle of a turn, while the watcher looks: all that is held is
 * told of all the same. */
static void
signal_twice(void *context, const struct sweep_view *view)
{
    (void)context;
    if (view->away) {
        world.stops = 2;
    }
}

static void
test_two_signals_in_the_middle(void **state)
{
    static const struct sweep_watcher watcher = {.look = signal_twice};

    (void)state;
    (void)world_add_jobs("d", "app:1", 6);
    world_options.watcher = &watcher;
    signal_at = "d remove app:1";
    world.on_asked = lose_at;
    slow_ms = 500;
    lose_after = 1;
    assert_true(world_run());
    assert_int_equal(report.totals.claimed, 6);
    assert_true(report.unrecorded > 2);
    assert_int_equal(report.unrecorded + report.totals.removed, 6);
}

/* A server that answers nothing any more: what was asked of it goes with it. */
static void
fall_silent(const struct asked *asked, struct answered *answered)
{
    if (strstr(asked->what, "inspect") != NULL) {
        world.silent = true;
        answered->took_ms = SWEEP_CONFIRMED_MS + 1;
    }
}

static void
test_a_silent_database(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 3);
    world.on_asked = fall_silent;
    world_options.max_jobs = 1;
    world_conf.hard_limit_ms = 12000;
    assert_true(world_run());
    assert_between(spent(), 22000, 30000);
    assert_int_equal(report.totals.removed, 0);
    assert_int_equal(times_said("confirm"), 1);
}

/* How long it sleeps. */
static enum db_progress
be_busy(int exchange, struct err *err)
{
    (void)exchange;
    (void)err;
    return world.waits % 3 == 0 ? DB_FINISHED : DB_BUSY;
}

static int64_t longest_ms; /* nap with nothing but the database */
static int64_t longest_http_ms;
static int64_t longest_away_ms;
static int looks;
static bool wrote;
static bool wrote_http;

static void
note_nap(void)
{
    int64_t *longest = !world.db.open   ? &longest_away_ms
                       : world.nap_http ? &longest_http_ms
                                        : &longest_ms;

    *longest = world.nap_ms > *longest ? world.nap_ms : *longest;
    wrote = wrote || (world.nap_writing && !world.nap_http);
    wrote_http = wrote_http || (world.nap_writing && world.nap_http);
}

static int
naps_begin(void **state)
{
    longest_ms = longest_http_ms = longest_away_ms = 0;
    wrote = wrote_http = false;
    slow_ms = back_at_ms = 0;
    signals = 0;
    lose_after = 0;
    looks = 0;
    return world_begin(state);
}

#define LIMIT_TEST(test) cmocka_unit_test_setup_teardown(test, naps_begin, world_free)

static void
test_naps(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 3);
    world.on_exchange = be_busy;
    world.on_wait = note_nap;
    assert_true(world_run());
    assert_int_equal(longest_ms, 1000);
    assert_int_equal(longest_http_ms, 1000);
    assert_false(wrote);
    assert_false(wrote_http);
}

static void
test_naps_while_something_is_sent(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 3);
    world.wants_write = true;
    world.on_wait = note_nap;
    assert_true(world_run());
    assert_true(wrote);
    assert_true(wrote_http);
}

static void
look(void *context, const struct sweep_view *view)
{
    (void)context;
    (void)view;
    looks++;
}

static void
test_naps_while_somebody_watches(void **state)
{
    static const struct sweep_watcher watcher = {.look = look};

    (void)state;
    (void)world_add_jobs("d", "app:1", 3);
    world_options.watcher = &watcher;
    world.on_exchange = be_busy;
    world.on_wait = note_nap;
    assert_true(world_run());
    assert_true(looks > 0);
    assert_int_equal(longest_ms, SWEEP_LOOK_MS);
    assert_int_equal(longest_http_ms, SWEEP_LOOK_MS);
}

/* The first result waits while the other job's requests go on. */
static bool waits_with_a_result;

static void
note_nap_with_a_result(void)
{
    bool removed = false;

    for (size_t i = 0; i < world.asked_count; i++) {
        removed =
            removed || (strstr(world.asked[i].what, "remove") != NULL && !world.asked[i].open);
    }
    if (removed && world.nap_http && times_said("record") == 0) {
        waits_with_a_result = true;
        assert_int_equal(world.nap_ms, SWEEP_RECORD_MS / 4);
    }
}

static void
test_naps_with_a_result(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 1);
    (void)world_add_jobs("e", "app:1", 1);
    world_options.max_jobs = 2;
    waits_with_a_result = false;
    world.on_wait = note_nap_with_a_result;
    assert_true(world_run());
    assert_true(waits_with_a_result);
}

/* A database that is away needs a look at the clock soon, too. */
static void
test_naps_without_a_database(void **state)
{
    static const struct sweep_watcher watcher = {.look = look};

    (void)state;
    (void)world_add_jobs("d", "app:1", 1);
    world_options.watcher = &watcher;
    world_options.max_jobs = 1;
    signal_at = "d remove app:1";
    world.on_asked = lose_at;
    world.on_wait = note_nap;
    slow_ms = 5;
    assert_true(world_run());
    assert_int_equal(longest_away_ms, SWEEP_RECORD_MS / 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LIMIT_TEST(test_the_soft_limit),
        LIMIT_TEST(test_a_signal),
        LIMIT_TEST(test_a_signal_at_the_beginning),
        LIMIT_TEST(test_two_signals_at_the_beginning),
        LIMIT_TEST(test_a_signal_at_the_end),
        LIMIT_TEST(test_the_soft_limit_and_a_stop),
        LIMIT_TEST(test_two_signals),
        LIMIT_TEST(test_the_hard_limit),
        LIMIT_TEST(test_a_look_behind_the_soft_limit),
        LIMIT_TEST(test_what_was_seen_is_lost),
        LIMIT_TEST(test_apps_that_are_gone),
        LIMIT_TEST(test_a_signal_during_a_claim),
        LIMIT_TEST(test_the_database_stays_away),
        LIMIT_TEST(test_the_database_comes_back),
        LIMIT_TEST(test_two_signals_and_no_database),
        LIMIT_TEST(test_two_signals_in_the_middle),
        LIMIT_TEST(test_a_silent_database),
        LIMIT_TEST(test_naps),
        LIMIT_TEST(test_naps_while_something_is_sent),
        LIMIT_TEST(test_naps_while_somebody_watches),
        LIMIT_TEST(test_naps_with_a_result),
        LIMIT_TEST(test_naps_without_a_database),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
