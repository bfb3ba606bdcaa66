/* Whole runs: what they do in which order, what they wait for, and what they tell of it. */
#include "sweep_world.h"

#include <sys/resource.h>

/* What fails, in that order; each exchange once. */
static struct err failures[4];
static size_t failure_count;
static size_t failed;

static enum db_progress
fail_in_turn(int exchange, struct err *err)
{
    size_t index = (size_t)exchange - 1;

    if (index < failure_count && index >= failed && failures[index].kind != ERR_NONE) {
        failed = index + 1;
        *err = failures[index];
        return DB_BROKEN;
    }
    return DB_FINISHED;
}

/* The exchange of that number (from 1) ends so. */
static void
fail_exchange(int exchange, enum err_kind kind)
{
    (void)err_set(&failures[exchange - 1], kind, "database: trouble");
    failure_count = 4;
    world.on_exchange = fail_in_turn;
}

/* Exchanges with looks that were refused. */
static size_t refused;

static int
run_begin(void **state)
{
    memset(failures, 0, sizeof failures);
    failure_count = failed = 0;
    return world_begin(state);
}

#define RUN_TEST(test) cmocka_unit_test_setup_teardown(test, run_begin, world_free)

static void
test_nothing_is_due(void **state)
{
    (void)state;
    assert_true(world_run());
    assert_int_equal(report.exit_code, EXIT_CODE_OK);
    assert_int_equal(world.said_count, 1); /* all that it asks */
    assert_int_equal(times_said("hello"), 1);
    assert_int_equal(world.db.exchanges, 1);
    assert_int_equal(world.opens, 0); /* libcurl was not needed */
    assert_false(report.worked);
    assert_false(report.left_work);
    assert_int_equal(strlen(report.token), 36);
    assert_int_equal(world.waits, 1);
    assert_int_equal(failure.kind, ERR_NONE);
}

/* An alarm rings, but nothing is due: it is set for the next run. */
static void
test_nothing_is_due_yet(void **state)
{
    (void)state;
    world.alarm = true;
    assert_true(world_run());
    assert_int_equal(world.said_count, 4);
    assert_int_equal(times_said("news"), 1);
    assert_int_equal(times_said("find"), 1);
    assert_int_equal(times_said("alarm"), 1);
    assert_int_equal(world.db.exchanges, 3);
    assert_false(report.worked);
    assert_int_equal(world.waits, 2);
}

/* What is due for a daemon that is to be left alone goes on ringing. */
static void
test_a_daemon_that_is_left_alone(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 1);
    world.found[0][1] = "t";
    assert_true(world_run());
    assert_int_equal(times_said("find"), 1);
    assert_int_equal(times_said("alarm"), 0);
    assert_int_equal(times_said("finished"), 0);
}

/* Whoever names a daemon is told of one that does not exist, whatever is due; and so on. */
static void
test_more_is_asked_for(void **state)
{
    (void)state;
    world_options.daemon = "d";
    assert_true(world_run());
    assert_int_equal(world.said_count, 3); /* hello, news, find: in one exchange */
    assert_int_equal(times_said("hello"), 1);
    assert_int_equal(world.db.exchanges, 1);
}

static void
test_more_is_asked_for_while_an_alarm_rings(void **state)
{
    (void)state;
    world_options.daemon = "d";
    world.alarm = true;
    assert_true(world_run());
    assert_int_equal(times_said("alarm"), 1);
    assert_int_equal(world.db.exchanges, 2);
}

static void
test_settings_that_cannot_be_followed(void **state)
{
    (void)state;
    world_conf.follow_nextcloud = true;
    assert_false(world_run());
    assert_int_equal(times_said("hello"), 1);
    assert_int_equal(failure.kind, ERR_CONFIG);
}

static void
test_a_job(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 1);
    assert_true(world_run());
    assert_int_equal(report.exit_code, EXIT_CODE_OK);
    assert_string_equal(world.jobs[0].state, "removed");
    expect_asked(0, "d info");
    expect_asked(1, "d inspect app:1");
    expect_asked(2, "d remove app:1");
    assert_int_equal(world.asked_count, 3);
    assert_between(spent(), 15, 30); /* a result is not waited with when nothing else goes on */
    assert_int_equal(report.duration_ms, spent());
    assert_true(report.worked);
    assert_false(report.left_work);
    assert_int_equal(report.totals.removed, 1);
    expect_said("claim", 0, 7, "somewhere:4242");
    expect_said("finished", 0, 2, "somewhere");
    assert_int_equal(times_said("alarm"), 1);
    expect_said("finished", 0, 3, "4242");
    expect_said("seen", 0, 1, "{\"d\"}");
}

static void
test_a_host_without_a_name(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 1);
    world.no_host = true;
    assert_true(world_run());
    expect_said("finished", 0, 2, "unknown");
}

/* Without random numbers there is no run. */
static void
test_no_token(void **state)
{
    struct rlimit before;
    struct rlimit none;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    (void)world_add_jobs("d", "app:1", 1);
    assert_false(world_run());
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(report.exit_code, EXIT_CODE_INTERNAL);
    assert_int_equal(failure.kind, ERR_INTERNAL);
    assert_int_equal(world.said_count, 0);
}

/* One daemon has nothing to do with the other. */
static void
test_many_jobs(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 20);
    (void)world_add_jobs("e", "app:1", 20);
    world.planned = "3";
    assert_true(world_run());
    for (size_t i = 0; i < 40; i++) {
        assert_string_equal(world.jobs[i].state, "removed");
    }
    assert_int_equal(report.totals.removed, 40);
    assert_int_equal(report.planned, 3);
    assert_int_equal(times_asked("d remove app:1"), 20);
    assert_int_equal(times_asked("e remove app:1"), 20);
}

/* --max-jobs: those that were allowed, and word that there were more. */
static void
test_a_limit_of_jobs(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 5);
    world_options.max_jobs = 3;
    assert_true(world_run());
    assert_int_equal(report.totals.removed, 3);
    assert_true(report.left_work);
    assert_int_equal(report.exit_code, EXIT_CODE_LEFT_WORK);
    assert_true(spent() < 1000);
    expect_said("finished", 0, 18, "ended early by a limit or a signal");
}

/* A limit that nothing is left behind of. */
static void
test_a_limit_that_was_enough(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 2);
    world_options.max_jobs = 3;
    assert_true(world_run());
    assert_int_equal(report.totals.removed, 2);
    assert_false(report.left_work);
    assert_int_equal(report.exit_code, EXIT_CODE_OK);
}

/* --observe: apps are looked at, nothing is claimed. */
static void
test_looks_only(void **state)
{
    (void)state;
    world_options.observe_only = true;
    (void)world_add_jobs("d", "app:1", 1);
    world_add_app("look", "app");
    assert_true(world_run());
    assert_int_equal(times_said("find"), 0);
    assert_int_equal(times_said("claim"), 0);
    assert_int_equal(times_said("observed"), 1);
    assert_int_equal(times_asked("d container app"), 1);
    assert_int_equal(report.observed, 2);
    assert_true(spent() < 100); /* nothing is waited for before the first look */
}

/* What was seen waits for the database. */
static void
test_what_was_seen_is_lost(void **state)
{
    (void)state;
    world_options.observe_only = true;
    world_add_app("look", "app");
    fail_exchange(2, ERR_DB_LOST);
    assert_true(world_run());
    assert_int_equal(times_said("observed"), 2);
    assert_int_equal(times_asked("d container app"), 1);
    assert_int_equal(report.observed, 2);
}

static void
test_apps_that_are_gone(void **state)
{
    (void)state;
    world_add_app("gone", "app");
    fail_exchange(3, ERR_DB_LOST);
    assert_true(world_run());
    assert_int_equal(times_said("reconcile"), 2);
    assert_true(report.worked);
    assert_int_equal(times_said("finished"), 1);
    assert_true(logged("info: apps that were removed while nobody told: 2"));
}

/* What ends with attention: somebody has to look. */
static void
expect_attention(void)
{
    assert_true(world_run());
    assert_int_equal(report.exit_code, EXIT_CODE_ATTENTION);
    assert_false(report.left_work);
    assert_true(spent() < 1000);
}

static void
test_a_job_that_fails(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "../x y", 1);
    expect_attention();
    assert_int_equal(report.totals.failed, 1);
}

static void
refuse(const struct asked *asked, struct answered *answered)
{
    if (asked->what[0] == 'd') {
        *answered = (struct answered){.status = 401, .body = "401 Unauthorized", .took_ms = 5};
    }
}

/* Its jobs go back, and no more are claimed for it. */
static void
test_a_daemon_that_stops(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 3);
    (void)world_add_jobs("e", "app:1", 1);
    world.on_asked = refuse;
    expect_attention();
    assert_int_equal(report.daemons_stopped, 1);
    assert_string_equal(world.jobs[0].state, "pending");
    assert_string_equal(world.jobs[1].state, "");
    assert_false(world.jobs[1].claimed);
    assert_string_equal(world.jobs[3].state, "removed");
    expect_said("seen", 0, 3, "{\"unauthorized\"}");
}

/* Each exchange that carries a look is refused: which of them it is about is found out, and nothing
 * else is lost. */
static enum db_progress
refuse_looks(int exchange, struct err *err)
{
    (void)exchange;
    if (times_said("observed") > refused) {
        refused = times_said("observed");
        (void)err_set(err, ERR_DB, "database: no such name");
        return DB_BROKEN;
    }
    return DB_FINISHED;
}

static void
test_looks_that_are_refused(void **state)
{
    (void)state;
    refused = 0;
    world_add_app("look", "app");
    world_add_app("look", "app2");
    (void)world_add_jobs("d", "app:1", 1);
    world.on_exchange = refuse_looks;
    assert_true(world_run());
    assert_int_equal(times_said("observed"), 3); /* both, and then each by itself */
    assert_true(logged("error: what app app2 on daemon d"));
    assert_true(
        logged("error: what app app on daemon d runs could not be noted: database: no such name"));
    assert_string_equal(world.jobs[0].state, "removed");
    assert_int_equal(report.exit_code, EXIT_CODE_OK);
}

static void
test_a_daemon_that_nobody_knows(void **state)
{
    (void)state;
    (void)world_add_jobs("stranger", "app:1", 1);
    expect_attention();
    assert_int_equal(report.daemons_unknown, 1);
    assert_false(report.worked);
    assert_int_equal(times_said("finished"), 0);
}

static void
test_a_deploy_beside_a_delete(void **state)
{
    (void)state;
    world_add_jobs("d", "app:1", 1)->beside = "other";
    expect_attention();
    assert_int_equal(report.beside, 1);
}

/* Between the word of the database and the delete somebody may have changed his mind: after a
 * second it is asked again. */
static void
be_slow(const struct asked *asked, struct answered *answered)
{
    if (strstr(asked->what, "inspect") != NULL) {
        answered->took_ms = times_asked(asked->what) > 1 ? 1 : SWEEP_CONFIRMED_MS + 1;
    }
}

static void
test_a_slow_inspect(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 2);
    world.jobs[1].changed = true;
    world.on_asked = be_slow;
    assert_true(world_run());
    assert_int_equal(times_said("confirm"), 2);
    assert_string_equal(world.jobs[0].state, "removed");
    assert_string_equal(world.jobs[1].state, "pending");
    assert_int_equal(times_asked("d remove app:1"), 1);
}

static void
test_the_connection_is_lost(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 1);
    fail_exchange(3, ERR_DB_LOST); /* that with the claim */
    assert_true(world_run());
    assert_int_equal(times_said("claim"), 3); /* the third finds no more */
    assert_string_equal(world.jobs[0].state, "removed");
    assert_int_equal(world.reopens, 1);
    assert_between(spent(), 100, 400);
}

static void
test_a_result_that_is_lost(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 1);
    world_options.max_jobs = 1;
    fail_exchange(4, ERR_DB_LOST); /* that with the result */
    assert_true(world_run());
    assert_int_equal(times_said("record"), 2);
    assert_string_equal(world.jobs[0].state, "removed");
    assert_int_equal(report.unrecorded, 0);
}

/* The very first exchange meets a deadlock: it is said again. */
static void
test_a_deadlock_at_the_beginning(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 1);
    fail_exchange(1, ERR_DB_AGAIN);
    assert_true(world_run());
    assert_string_equal(world.jobs[0].state, "removed");
    assert_between(spent(), 100, 400);
}

static void
test_a_claim_that_is_refused(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 1);
    fail_exchange(3, ERR_DB);
    assert_false(world_run());
    assert_int_equal(failure.kind, ERR_DB);
    assert_int_equal(report.exit_code, err_exit_code(ERR_DB));
    assert_true(spent() < 1000);
}

/* Where libcurl refuses, what was claimed is given back at once. */
static void
test_libcurl_refuses(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 1);
    world.begin_fails = true;
    assert_false(world_run());
    assert_int_equal(failure.kind, ERR_INTERNAL);
    assert_int_equal(report.exit_code, EXIT_CODE_INTERNAL);
    assert_string_equal(world.jobs[0].state, "pending");
    assert_true(spent() < 5000);
    assert_int_equal(times_said("finished"), 1);
}

static void
test_libcurl_fails(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 3);
    world.wait_fails = true;
    assert_false(world_run());
    assert_string_equal(failure.text, "libcurl fails");
    assert_string_equal(world.jobs[0].state, "pending");
    assert_true(spent() < 1000);
}

static void
test_no_libcurl(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 1);
    world.no_http = true;
    assert_false(world_run());
    assert_string_equal(failure.text, "no libcurl");
    assert_string_equal(world.jobs[0].state, "pending");
    assert_true(spent() < 1000);
}

/* One result that the database never takes does not hold up the others, and is told. */
static enum db_progress
refuse_results(int exchange, struct err *err)
{
    for (size_t i = 0; i < world.said_count; i++) {
        const struct said *at = &world.said[i];

        if (at->exchange == exchange && strcmp(at->name, "record") == 0 &&
            strstr(at->values[2], "1") != NULL) {
            (void)err_set(err, ERR_DB, "database: refused");
            return DB_BROKEN;
        }
    }
    return DB_FINISHED;
}

static void
test_a_result_that_is_refused(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 3);
    world.on_exchange = refuse_results;
    assert_true(world_run());
    assert_int_equal(report.unrecorded, 1);
    assert_int_equal(report.exit_code, EXIT_CODE_UNAVAILABLE);
    assert_string_equal(world.jobs[0].state, "");
    assert_string_equal(world.jobs[1].state, "removed");
    assert_string_equal(world.jobs[2].state, "removed");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RUN_TEST(test_nothing_is_due),
        RUN_TEST(test_nothing_is_due_yet),
        RUN_TEST(test_a_daemon_that_is_left_alone),
        RUN_TEST(test_more_is_asked_for),
        RUN_TEST(test_more_is_asked_for_while_an_alarm_rings),
        RUN_TEST(test_settings_that_cannot_be_followed),
        RUN_TEST(test_a_job),
        RUN_TEST(test_a_host_without_a_name),
        RUN_TEST(test_no_token),
        RUN_TEST(test_many_jobs),
        RUN_TEST(test_a_limit_of_jobs),
        RUN_TEST(test_a_limit_that_was_enough),
        RUN_TEST(test_looks_only),
        RUN_TEST(test_what_was_seen_is_lost),
        RUN_TEST(test_apps_that_are_gone),
        RUN_TEST(test_a_job_that_fails),
        RUN_TEST(test_a_daemon_that_stops),
        RUN_TEST(test_looks_that_are_refused),
        RUN_TEST(test_a_daemon_that_nobody_knows),
        RUN_TEST(test_a_deploy_beside_a_delete),
        RUN_TEST(test_a_slow_inspect),
        RUN_TEST(test_the_connection_is_lost),
        RUN_TEST(test_a_result_that_is_lost),
        RUN_TEST(test_a_deadlock_at_the_beginning),
        RUN_TEST(test_a_claim_that_is_refused),
        RUN_TEST(test_libcurl_refuses),
        RUN_TEST(test_libcurl_fails),
        RUN_TEST(test_no_libcurl),
        RUN_TEST(test_a_result_that_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
