/* The observer: which image each app runs, and what a delete waits for until that is known. */
#include "sweep_scene.h"

/* Begins the next request of the first daemon. */
static void
begin_next(const char *what)
{
    size_t before = world.asked_count;

    sweep_start(&sweep);
    assert_int_equal(world.asked_count, before + 1);
    expect_asked(before, what);
}

static void
test_a_look(void **state)
{
    (void)state;
    sweep_add_look(&daemons[0], "app", "print");
    assert_int_equal(daemons[0].looking, 1);
    daemons[0].lane.gate = LANE_PROVING;
    begin_next("d container app");
    assert_null(daemons[0].looks);
    assert_int_equal(daemons[0].lane.active, 1);
    scene_answer(200, NULL);
    assert_int_equal(daemons[0].lane.gate, LANE_PROVING); /* its size is still to come */
    begin_next("d inspect " ID_A);
    scene_answer(200, NULL);
    assert_int_equal(daemons[0].lane.gate, LANE_OPEN);
    assert_int_equal(daemons[0].lane.active, 0);
    nothing_due();
    scene_exchange();
    expect_said("observed", 0, 1, "{\"app\"}");
    expect_said("observed", 0, 2, "{\"d\"}");
    expect_said("observed", 0, 3, "{\"print\"}");
    expect_said("observed", 0, 4, "{\"app:2\"}");
    expect_said("observed", 0, 5, "{\"" ID_A "\"}");
    expect_said("observed", 0, 6, "{3000}");
    expect_said("observed", 0, 7, "{\"running\"}");
    assert_int_equal(daemons[0].looking, 0);
    assert_true(report.worked);
    assert_int_equal(report.observed, 2);
    assert_true(logged("info: app app: new\n"));
    assert_true(logged("info: app two: update, job of the image before: 7\n"));
    sweep_db_send(&sweep, true); /* once */
    assert_false(sweep.step_busy);
}

/* An app without a container is news as well. */
static void
test_a_look_at_nothing(void **state)
{
    (void)state;
    sweep_add_look(&daemons[0], "app", "print");
    daemons[0].lane.gate = LANE_PROVING;
    begin_next("d container app");
    scene_answer(404, "{\"message\":\"No such container: nc_app_app\"}");
    assert_int_equal(daemons[0].lane.gate, LANE_OPEN);
    assert_null(daemons[0].looks);
    nothing_due();
    scene_exchange();
    expect_said("observed", 0, 4, "{NULL}");
    expect_said("observed", 0, 5, "{NULL}");
    expect_said("observed", 0, 6, "{NULL}");
    expect_said("observed", 0, 7, "{NULL}");
}

/* The size is Docker's only where it speaks of that image; what the container was made from counts
 * either way. */
static void
test_a_look_without_a_size(void **state)
{
    (void)state;
    sweep_add_look(&daemons[0], "app", "print");
    begin_next("d container app");
    scene_answer(200, NULL);
    begin_next("d inspect " ID_A);
    scene_answer(200, "{\"Id\":\"" ID_B "\",\"RepoTags\":[],\"RepoDigests\":[],\"Size\":3000}");
    nothing_due();
    scene_exchange();
    expect_said("observed", 0, 5, "{\"" ID_A "\"}");
    expect_said("observed", 0, 6, "{NULL}");
}

static void
test_a_look_that_fails(void **state)
{
    (void)state;
    sweep_add_look(&daemons[0], "app", "print");
    daemons[0].lane.gate = LANE_PROVING;
    begin_next("d container app");
    scene_answer(504, "Timeout");
    assert_int_equal(daemons[0].looking, 0);
    assert_null(daemons[0].looks);
    assert_null(sweep.looked);
    assert_int_equal(daemons[0].lane.active, 0);
    assert_true(logged("info: app app on daemon d could not be looked at: "));
    assert_int_equal(daemons[0].lane.troubles, 1);
    /* What is no trouble of the daemon's opens it all the same: nothing follows for this app. */
    sweep_add_look(&daemons[0], "app", "print");
    begin_next("d container app");
    scene_answer(200, "{}");
    assert_int_equal(daemons[0].lane.gate, LANE_STOPPED);
}

static void
test_a_look_that_is_ended(void **state)
{
    (void)state;
    sweep_add_look(&daemons[0], "app", "print");
    begin_next("d container app");
    world_end(&world.http, &world.asked[0], (struct answered){.transport = HTTP_ABORTED});
    assert_int_equal(daemons[0].looking, 0);
    assert_int_equal(daemons[0].lane.active, 0);
    assert_int_equal(daemons[0].lane.gate, LANE_OPEN);
    assert_true(logged("could not be looked at: the run had to end"));
}

static void
test_a_look_that_nobody_looked_at(void **state)
{
    (void)state;
    sweep_add_look(&daemons[0], "app", "print");
    begin_next("d container app");
    world_end(&world.http, &world.asked[0], (struct answered){.transport = HTTP_LATE});
    assert_int_equal(daemons[0].looking, 1);
    assert_int_equal(daemons[0].lane.active, 0);
    begin_next("d container app");
}

/* Its daemon was stopped while the answer was on its way: what is known is recorded, and no more
 * is asked. */
static void
test_a_look_after_the_stop(void **state)
{
    (void)state;
    sweep_add_look(&daemons[0], "app", "print");
    begin_next("d container app");
    daemons[0].lane.gate = LANE_STOPPED;
    scene_answer(200, NULL);
    assert_null(daemons[0].looks);
    assert_non_null(sweep.looked);
    assert_int_equal(daemons[0].looking, 1);
}

static void
test_a_look_that_cannot_begin(void **state)
{
    (void)state;
    sweep_add_look(&daemons[0], "app", "print");
    sweep_add_look(&daemons[0], "two", "print");
    world.begin_fails = true;
    sweep_start(&sweep);
    assert_string_equal(sweep.failure.text, "libcurl refuses");
    assert_null(daemons[0].looks);
    assert_int_equal(daemons[0].looking, 0);
    assert_int_equal(daemons[0].lane.active, 0);
}

/* HaRP asks for no container of such a name. */
static void
test_an_app_that_harp_does_not_know(void **state)
{
    (void)state;
    sweep_add_look(&daemons[0], "a/b", "print");
    assert_null(daemons[0].looks);
    assert_int_equal(daemons[0].looking, 0);
    assert_true(logged("info: app a/b is not looked at"));
}

/* No image is deleted from an engine some of whose apps were not looked at, whichever daemon's. */
static void
test_what_a_delete_waits_for(void **state)
{
    (void)state;
    assert_true(sweep_engine_is_seen(&sweep, &daemons[0]));
    daemons[1].looking = 1;
    assert_true(sweep_engine_is_seen(&sweep, &daemons[0]));
    assert_false(sweep_engine_is_seen(&sweep, &daemons[1]));
    entries[1].place = entries[0].place;
    assert_false(sweep_engine_is_seen(&sweep, &daemons[0]));
    daemons[1].looking = 0;
    assert_true(sweep_engine_is_seen(&sweep, &daemons[0]));
}

static void
test_looks_that_are_dropped(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        sweep_add_look(&daemons[0], "app", "print");
    }
    daemons[0].looking++; /* one that is under way */
    sweep_drop_looks(&daemons[0]);
    assert_null(daemons[0].looks);
    assert_int_equal(daemons[0].looking, 1);
    daemons[0].looking = 0;
}

/* So many in one statement; an exchange that does not happen loses none. */
static void
test_many_looks(void **state)
{
    char item[256];

    (void)state;
    nothing_due();
    for (int i = 0; i < SWEEP_OBSERVE_COUNT + 1; i++) {
        sweep_add_look(&daemons[0], "app", "print");
    }
    while (daemons[0].looks != NULL) {
        sweep_start(&sweep);
        scene_answer(404, "{\"message\":\"No such container: nc_app_app\"}");
        if (world.asked[world.asked_count - 2].open) {
            world_end(&world.http, &world.asked[world.asked_count - 2],
                      (struct answered){.status = 404,
                                        .body = "{\"message\":\"No such container: nc_app_app\"}"});
        }
    }
    assert_int_equal(daemons[0].looking, SWEEP_OBSERVE_COUNT + 1);
    sweep_db_send(&sweep, false);
    assert_true(sweep.step_busy);
    assert_true(array_item(said_value("observed", 0, 1), SWEEP_OBSERVE_COUNT - 1, item));
    assert_false(array_item(said_value("observed", 0, 1), SWEEP_OBSERVE_COUNT, item));
    sweep_unobserve(&sweep);
    assert_null(sweep.observing);
    world.db.busy = sweep.step_busy = false;
    scene_exchange();
    assert_int_equal(daemons[0].looking, 1);
    scene_exchange();
    assert_int_equal(daemons[0].looking, 0);
    assert_null(sweep.looked);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_a_look),
        SCENE_TEST(test_a_look_at_nothing),
        SCENE_TEST(test_a_look_without_a_size),
        SCENE_TEST(test_a_look_that_fails),
        SCENE_TEST(test_a_look_that_is_ended),
        SCENE_TEST(test_a_look_that_nobody_looked_at),
        SCENE_TEST(test_a_look_after_the_stop),
        SCENE_TEST(test_a_look_that_cannot_begin),
        SCENE_TEST(test_an_app_that_harp_does_not_know),
        SCENE_TEST(test_what_a_delete_waits_for),
        SCENE_TEST(test_looks_that_are_dropped),
        SCENE_TEST(test_many_looks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
