/* What is said to HaRP: which request starts when, and what stops a daemon. */
#include "sweep_scene.h"

/* Jobs that were not sent are given back, also those that wait for the database's word; those of
 * other daemons keep their places. */
static void
test_what_is_given_back(void **state)
{
    struct sweep_job *queued = scene_queue(&daemons[0], 1, "app:1", NULL);
    struct sweep_job *other = scene_queue(&daemons[1], 2, "app:1", NULL);
    struct sweep_job *waits[4];

    (void)state;
    for (int64_t i = 0; i < 4; i++) {
        waits[i] = scene_job(&daemons[i % 2], 3 + i, "app:1", NULL);
        sweep_list_push(&sweep.confirm, waits[i]);
    }
    sweep_give_back(&sweep, &daemons[0], "why");
    expect_result(queued, JOBS_RELEASE, "why");
    expect_result(waits[0], JOBS_RELEASE, "why");
    expect_result(waits[2], JOBS_RELEASE, "why");
    assert_int_equal(sweep.results.count, 3);
    assert_ptr_equal(daemons[1].queue.first, other);
    assert_ptr_equal(sweep_list_pop(&sweep.confirm), waits[1]);
    assert_ptr_equal(sweep_list_pop(&sweep.confirm), waits[3]);
    assert_int_equal(sweep.confirm.count, 0);
    assert_int_equal(daemons[0].held, 0);
    sweep_job_free(waits[1]);
    sweep_job_free(waits[3]);
}

/* Sends a daemon's /info, and lets it be answered. */
static void
ask_info(struct sweep_daemon *daemon, struct answered answered)
{
    size_t before = world.asked_count;

    daemon->lane.gate = LANE_UNKNOWN;
    sweep_start(&sweep);
    assert_int_equal(world.asked_count, before + 1);
    world_end(&world.http, &world.asked[before], answered);
}

/* A daemon is asked who it is before anything else, and then one request goes alone. */
static void
test_a_daemon_is_tried_out(void **state)
{
    (void)state;
    (void)scene_queue(&daemons[0], 1, "app:1", NULL);
    (void)scene_queue(&daemons[0], 2, "app:2", NULL);
    (void)scene_queue(&daemons[0], 3, "app:3", NULL);
    ask_info(&daemons[0], (struct answered){.status = 200});
    expect_asked(0, "d info");
    assert_true(logged("debug: daemon answers: daemon=d harp=0.4.4"));
    sweep_start(&sweep);
    assert_int_equal(world.asked_count, 2);
    scene_answer(404, "{\"message\":\"No such image: app:1\"}");
    sweep_start(&sweep);
    assert_int_equal(world.asked_count, 4);
    assert_int_equal(report.daemons_stopped, 0);
}

/* What stops it is told once, with what can be done, and everything goes back. */
static void
test_a_stop_is_told(void **state)
{
    struct sweep_job *job = scene_queue(&daemons[0], 1, "app:1", NULL);

    (void)state;
    sweep_add_look(&daemons[0], "app", "f");
    ask_info(&daemons[0], (struct answered){.status = 401, .body = "401 Unauthorized"});
    assert_int_equal(report.daemons_stopped, 1);
    assert_true(
        logged("warning: daemon stopped for this run: daemon=d stop=unauthorized reason=\""));
    assert_true(logged("warning: hint: "));
    expect_result(job, JOBS_RELEASE, daemons[0].lane.reason);
    assert_null(daemons[0].looks);
    assert_int_equal(daemons[0].looking, 0);
}

/* Two requests are under way when it stops: the second answer is not told again. */
static void
test_a_stop_is_told_once(void **state)
{
    (void)state;
    (void)scene_queue(&daemons[0], 1, "app:1", NULL);
    (void)scene_queue(&daemons[0], 2, "app:2", NULL);
    sweep_start(&sweep);
    world_end(&world.http, &world.asked[0], (struct answered){.status = 401, .body = "no"});
    world_end(&world.http, &world.asked[1], (struct answered){.status = 401, .body = "no"});
    assert_int_equal(report.daemons_stopped, 1);
}

/* cron makes a mail of each warning: the same trouble as in an earlier run is none. */
static void
test_a_stop_that_was_told_by_an_earlier_run(void **state)
{
    (void)state;
    (void)strcpy(daemons[0].known_stop, "unauthorized");
    (void)strcpy(daemons[1].known_stop, "down");
    (void)scene_queue(&daemons[0], 1, "app:1", NULL);
    ask_info(&daemons[0], (struct answered){.status = 401, .body = "401 Unauthorized"});
    assert_int_equal(report.daemons_stopped, 1);
    assert_true(logged("info: daemon stopped for this run, as before: daemon=d"));
    assert_false(logged("warning:"));
    (void)scene_queue(&daemons[1], 2, "app:1", NULL);
    ask_info(&daemons[1], (struct answered){.status = 401, .body = "401 Unauthorized"});
    assert_true(logged("warning: daemon stopped for this run: daemon=e"));
}

/* What ends the run says nothing of the daemon. */
static void
test_info_that_was_ended(void **state)
{
    (void)state;
    (void)scene_queue(&daemons[0], 1, "app:1", NULL);
    ask_info(&daemons[0], (struct answered){.transport = HTTP_ABORTED});
    assert_int_equal(daemons[0].lane.gate, LANE_ASKED);
    assert_int_equal(daemons[0].lane.active, 0);
    assert_int_equal(report.daemons_stopped, 0);
    assert_false(logged("daemon answers"));
}

/* Nothing is known of one that this process did not look at in time: it is asked once more. */
static void
test_info_that_nobody_looked_at(void **state)
{
    (void)state;
    (void)scene_queue(&daemons[0], 1, "app:1", NULL);
    ask_info(&daemons[0], (struct answered){.transport = HTTP_LATE});
    assert_int_equal(daemons[0].lane.gate, LANE_UNKNOWN);
    assert_int_equal(daemons[0].lane.active, 0);
    assert_int_equal(sweep.asking, 0);
    sweep_start(&sweep);
    expect_asked(1, "d info");
    assert_int_equal(report.daemons_stopped, 0);
    assert_false(logged("daemon answers"));
}

/* What a claim brings after the stop goes back unsent. */
static void
test_jobs_that_come_after_the_stop(void **state)
{
    struct sweep_job *job = scene_queue(&daemons[0], 1, "app:1", NULL);

    (void)state;
    daemons[0].lane.gate = LANE_STOPPED;
    (void)strcpy(daemons[0].lane.reason, "no answer");
    sweep_add_look(&daemons[0], "app", "f");
    sweep_start(&sweep);
    expect_result(job, JOBS_RELEASE, "no answer");
    assert_null(daemons[0].looks);
    assert_int_equal(world.asked_count, 0);
}

/* Deletes rest on looks: these come first. */
static void
test_looks_come_first(void **state)
{
    (void)state;
    (void)scene_queue(&daemons[0], 1, "app:1", NULL);
    sweep_add_look(&daemons[0], "other", "f");
    daemons[0].lane.gate = LANE_PROVING;
    sweep_start(&sweep);
    assert_int_equal(world.asked_count, 1);
    expect_asked(0, "d container other");
}

static void
test_info_that_cannot_begin(void **state)
{
    (void)state;
    (void)scene_queue(&daemons[0], 1, "app:1", NULL);
    daemons[0].lane.gate = LANE_UNKNOWN;
    world.begin_fails = true;
    sweep_start(&sweep);
    assert_string_equal(sweep.failure.text, "libcurl refuses");
    assert_true(sweep.closing);
    assert_int_equal(daemons[0].lane.gate, LANE_UNKNOWN);
}

/* Without work for it libcurl is never loaded. */
static void
test_when_libcurl_is_loaded(void **state)
{
    (void)state;
    assert_int_equal(world.opens, 1); /* the scene's own */
    assert_false(sweep_open_http(&sweep));
    assert_int_equal(world.opens, 1);
    sweep.http = NULL;
    daemons[0].due = false;
    entries[1].unsupported = true;
    assert_false(sweep_open_http(&sweep));
    assert_null(sweep.http);
    assert_int_equal(world.opens, 1);
    sweep_add_look(&daemons[0], "app", "f");
    (void)err_set(&sweep.failure, ERR_DB, "the run ends");
    assert_false(sweep_open_http(&sweep));
    assert_int_equal(world.opens, 1);
    sweep.failure.kind = ERR_NONE;
    assert_true(sweep_open_http(&sweep));
    assert_int_equal(world.opens, 2);
    assert_non_null(sweep.http);
    sweep.http = NULL;
    world.no_http = true;
    assert_false(sweep_open_http(&sweep));
    assert_string_equal(sweep.failure.text, "no libcurl");
}

static void
test_when_no_request_starts(void **state)
{
    (void)state;
    (void)scene_queue(&daemons[0], 1, "app:1", NULL);
    sweep.aborting = true;
    sweep_start(&sweep);
    sweep.aborting = false;
    sweep.hello_ok = false;
    sweep_start(&sweep);
    sweep.hello_ok = true;
    sweep.failure.kind = ERR_DB;
    sweep_start(&sweep);
    sweep.failure.kind = ERR_NONE;
    sweep.http = NULL;
    sweep_start(&sweep);
    sweep.http = &world.http;
    assert_int_equal(world.asked_count, 0);
    sweep_start(&sweep);
    assert_int_equal(world.asked_count, 1);
}

/* Never more at once than the settings allow; whose turn it is begins. */
static void
test_whose_turn_it_is(void **state)
{
    (void)state;
    for (int64_t i = 0; i < 4; i++) {
        (void)scene_queue(&daemons[i % 2], i + 1, i % 2 == 0 ? "even:1" : "odd:1", NULL);
    }
    world_conf.max_parallel = 3;
    sweep.turn = 1;
    sweep_start(&sweep);
    assert_int_equal(world.asked_count, 3);
    expect_asked(0, "e inspect odd:1");
    expect_asked(1, "e inspect odd:1");
    expect_asked(2, "d inspect even:1");
    assert_int_equal(sweep.turn, 0);
    sweep_start(&sweep);
    assert_int_equal(world.asked_count, 3);
    assert_int_equal(sweep.turn, 1);
    sweep.daemon_count = 0;
    sweep_start(&sweep);
    assert_int_equal(sweep.turn, 0);
}

/* What Docker told of an image grows old: its delete comes before other daemons' jobs begin. */
static void
test_what_was_inspected_comes_first(void **state)
{
    (void)state;
    (void)scene_queue(&daemons[0], 1, "even:1", NULL);
    (void)scene_queue(&daemons[1], 2, "odd:1", NULL);
    daemons[1].queue.first->phase = SWEEP_REMOVE_REF;
    daemons[1].queue.first->inspected_ms = world.now_ms;
    (void)scene_queue(&daemons[1], 3, "odd:2", NULL);
    world_conf.max_parallel = 2;
    sweep_start(&sweep);
    expect_asked(0, "e remove odd:1");
    expect_asked(1, "d inspect even:1");
    assert_int_equal(world.asked_count, 2);
}

/* A daemon that does not answer takes no place from the others, and there may be as many of those
 * as there are places. */
static void
test_the_first_question_is_not_counted(void **state)
{
    (void)state;
    world_conf.max_parallel = 1;
    daemons[0].lane.gate = LANE_UNKNOWN;
    (void)scene_queue(&daemons[0], 1, "app:1", NULL);
    (void)scene_queue(&daemons[1], 2, "app:2", NULL);
    (void)scene_queue(&daemons[1], 3, "app:3", NULL);
    sweep_start(&sweep);
    assert_int_equal(world.asked_count, 2);
    expect_asked(0, "d info");
    expect_asked(1, "e inspect app:2");
    assert_int_equal(sweep.asking, 1);
    sweep_start(&sweep);
    assert_int_equal(world.asked_count, 2);
    daemons[1].lane.gate = LANE_UNKNOWN;
    sweep_start(&sweep);
    assert_int_equal(world.asked_count, 2); /* "d" was not answered yet */
    daemons[1].lane.gate = LANE_OPEN;
}

static void
test_names(void **state)
{
    (void)state;
    assert_ptr_equal(sweep_find_daemon(&sweep, "d"), &daemons[0]);
    assert_ptr_equal(sweep_find_daemon(&sweep, "e"), &daemons[1]);
    assert_null(sweep_find_daemon(&sweep, "f"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_what_is_given_back),
        SCENE_TEST(test_a_daemon_is_tried_out),
        SCENE_TEST(test_a_stop_is_told),
        SCENE_TEST(test_a_stop_is_told_once),
        SCENE_TEST(test_a_stop_that_was_told_by_an_earlier_run),
        SCENE_TEST(test_info_that_was_ended),
        SCENE_TEST(test_info_that_nobody_looked_at),
        SCENE_TEST(test_jobs_that_come_after_the_stop),
        SCENE_TEST(test_looks_come_first),
        SCENE_TEST(test_info_that_cannot_begin),
        SCENE_TEST(test_when_libcurl_is_loaded),
        SCENE_TEST(test_when_no_request_starts),
        SCENE_TEST(test_whose_turn_it_is),
        SCENE_TEST(test_what_was_inspected_comes_first),
        SCENE_TEST(test_the_first_question_is_not_counted),
        SCENE_TEST(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
