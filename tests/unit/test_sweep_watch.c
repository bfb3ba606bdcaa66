/* What a watcher sees of a run. */
#include "sweep_scene.h"

#define SEEN_MAX 2

static struct sweep_view seen;
static struct sweep_view_daemon seen_daemons[SEEN_MAX];
static int looks;

static void
look(void *context, const struct sweep_view *view)
{
    assert_ptr_equal(context, &looks);
    assert_between(view->daemon_count, 0, SEEN_MAX);
    looks++;
    seen = *view;
    for (size_t i = 0; i < view->daemon_count; i++) {
        seen_daemons[i] = view->daemons[i];
    }
}

static const struct sweep_watcher watcher = {.look = look, .context = &looks, .counts = true};
static const struct sweep_watcher modest = {.look = look, .context = &looks};

static int
watch_begin(void **state)
{
    looks = 0;
    (void)scene_begin(state);
    world_options.watcher = &watcher;
    return 0;
}

#define WATCH_TEST(test) cmocka_unit_test_setup_teardown(test, watch_begin, scene_free)

static void
show(void)
{
    int before = looks;

    sweep.look_at_ms = 0;
    sweep_show(&sweep);
    assert_int_equal(looks, before + 1);
}

/* A few times in a second, and not before it is known what there is to do. */
static void
test_when_it_looks(void **state)
{
    (void)state;
    sweep.found = false;
    sweep_show(&sweep);
    assert_int_equal(looks, 0);
    sweep.found = true;
    world.now_ms += 700;
    sweep_show(&sweep);
    assert_int_equal(looks, 1);
    assert_int_equal(seen.spent_ms, 700);
    assert_int_equal(seen.limit_ms, 10000);
    world.now_ms += SWEEP_LOOK_MS - 1;
    sweep_show(&sweep);
    assert_int_equal(looks, 1);
    world.now_ms++;
    sweep_show(&sweep);
    assert_int_equal(looks, 2);
}

static void
test_whether_the_database_is_there(void **state)
{
    (void)state;
    show();
    assert_false(seen.away);
    assert_false(seen.closing);
    world.db.open = false;
    sweep.closing = true;
    show();
    assert_true(seen.away);
    assert_true(seen.closing);
    sweep.hello_ok = false; /* it never was: the run ends, and says so */
    show();
    assert_false(seen.away);
}

static void
test_which_daemons_it_sees(void **state)
{
    (void)state;
    show();
    assert_int_equal(seen.daemon_count, 2);
    daemons[0].due = daemons[1].due = false;
    daemons[0].lane.gate = daemons[1].lane.gate = LANE_UNKNOWN;
    show();
    assert_int_equal(seen.daemon_count, 0);
    daemons[0].looking = 1;
    show();
    assert_int_equal(seen.daemon_count, 1);
    assert_string_equal(seen_daemons[0].name, "d");
    assert_int_equal(seen_daemons[0].state, SWEEP_VIEW_WAITING);
    daemons[0].looking = 0;
    daemons[1].lane.gate = LANE_STOPPED;
    (void)strcpy(daemons[1].lane.reason, "no answer");
    show();
    assert_int_equal(seen.daemon_count, 1);
    assert_string_equal(seen_daemons[0].name, "e");
    assert_int_equal(seen_daemons[0].state, SWEEP_VIEW_STOPPED);
    assert_string_equal(seen_daemons[0].reason, "no answer");
    daemons[0].due = true;
    show();
    assert_int_equal(seen.daemon_count, 2);
}

static void
test_how_it_sees_them(void **state)
{
    static const struct {
        enum lane_gate gate;
        enum sweep_view_state state;
    } cases[] = {{LANE_UNKNOWN, SWEEP_VIEW_WAITING},
                 {LANE_ASKED, SWEEP_VIEW_PROBING},
                 {LANE_PROVING, SWEEP_VIEW_PROBING},
                 {LANE_OPEN, SWEEP_VIEW_WELL},
                 {LANE_STOPPED, SWEEP_VIEW_STOPPED}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        daemons[0].lane.gate = cases[i].gate;
        daemons[0].lane.active = (int)i;
        show();
        assert_int_equal(seen_daemons[0].state, cases[i].state);
        assert_int_equal(seen_daemons[0].active, i);
    }
}

/* due and more of a daemon, then of all. */
static void
expect_due(int64_t due, bool more, int64_t all_due, bool all_more)
{
    show();
    assert_int_equal(seen_daemons[0].due, due);
    assert_int_equal(seen_daemons[0].more, more);
    assert_int_equal(seen.due, all_due);
    assert_int_equal(seen.more, all_more);
}

/* What was claimed, less what was given back, and what is left where the run may still claim. */
static void
test_how_much_there_is(void **state)
{
    (void)state;
    daemons[0].claimed = 7;
    daemons[0].returned = 2;
    daemons[0].done = 4;
    daemons[1].claimed = daemons[1].done = 3;
    report.totals.bytes_freed = 77;
    expect_due(-1, false, -1, false); /* nobody counted */
    assert_int_equal(seen_daemons[0].done, 4);
    assert_int_equal(seen.done, 7);
    assert_int_equal(seen.bytes_freed, 77);
    daemons[1].left = 20;
    expect_due(-1, false, -1, false);
    daemons[1].left = -1;
    daemons[0].left = 10;
    expect_due(15, false, -1, false); /* the other one was not counted */
    daemons[1].left = 20;
    expect_due(15, false, 38, false);
    daemons[1].left = 0;
    expect_due(15, false, 18, false);
    daemons[1].left = -1;
    daemons[1].drained = true; /* none is left there */
    expect_due(15, false, 18, false);
    daemons[0].more = true;
    expect_due(15, true, 18, true);
    daemons[0].left = 0;
    expect_due(5, false, 8, true);
    daemons[0].left = 10;
    daemons[1].more = true;
    daemons[0].more = false;
    expect_due(15, false, 18, false); /* it is not open */
    daemons[1].drained = false;
    daemons[1].left = 20;
    expect_due(15, false, 38, true);
    daemons[0].lane.gate = LANE_STOPPED;
    expect_due(5, false, 28, true);
    daemons[0].lane.gate = LANE_OPEN;
    daemons[0].due = false;
    expect_due(5, false, 28, true);
    daemons[0].due = true;
    sweep.closing = true;
    expect_due(5, false, 8, false);
}

/* --max-jobs bounds it, and how that is shared out shows in the end. */
static void
test_how_much_of_a_limit(void **state)
{
    (void)state;
    daemons[0].claimed = 5;
    daemons[0].left = 10;
    daemons[1].left = 20;
    daemons[1].more = true;
    sweep.claims_left = 12;
    expect_due(-1, false, 17, false);
    sweep.claims_left = 40;
    expect_due(-1, false, 35, true);
    sweep.claims_left = 0;
    expect_due(-1, false, 5, false);
}

static bool
counts(void)
{
    struct sweep_steps steps = {.count = 0};
    bool added;

    sweep.step_count = -1;
    sweep_add_count(&sweep, &steps);
    added = sweep.step_count >= 0;
    assert_int_equal(steps.count, added ? 1 : 0);
    sweep_clear_steps(&steps);
    return added;
}

/* Once, and not in a run that is over within a second. */
static void
test_when_it_counts(void **state)
{
    (void)state;
    world.now_ms += SWEEP_COUNT_AFTER_MS - 1;
    assert_false(counts());
    world.now_ms++;
    sweep.found = false;
    assert_false(counts());
    sweep.found = true;
    sweep.hello_ok = false;
    assert_false(counts());
    sweep.hello_ok = true;
    world_options.watcher = &modest;
    assert_false(counts());
    assert_false(sweep.counted);
    world_options.watcher = &watcher;
    assert_true(counts());
    assert_false(counts());
}

static void
test_there_is_nothing_to_count(void **state)
{
    (void)state;
    world.now_ms += SWEEP_COUNT_AFTER_MS;
    daemons[0].drained = true;
    daemons[1].due = false;
    assert_false(counts());
    assert_true(sweep.counted);
}

/* It is shared out among the daemons; who has as much as is counted has more. */
static void
test_what_it_counts(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 3);
    (void)world_add_jobs("e", "app:1", 5);
    world.now_ms += SWEEP_COUNT_AFTER_MS;
    world_options.app = "app";
    sweep_db_send(&sweep, false);
    expect_said("count", 0, 1, "{\"d\",\"e\"}");
    expect_said("count", 0, 2, "app");
    expect_said("count", 0, 3, "t");
    expect_said("count", 0, 4, "24");
    expect_said("count", 0, 5, "10001");
    assert_int_equal(sweep.count_most, 10001);
    sweep.count_most = 5;
    sweep_db_advance(&sweep);
    /* The claim in the same exchange took two of each. */
    assert_int_equal(daemons[0].left, 1);
    assert_false(daemons[0].more);
    assert_int_equal(daemons[1].left, 3);
    assert_true(daemons[1].more);
}

static void
test_a_count_of_a_stranger(void **state)
{
    struct db_result *result = db_answer(2, 2, (const char *const[]){"stranger", "7", "d", "4"});

    (void)state;
    sweep.count_most = 5;
    sweep_counted(&sweep, result);
    db_result_free(result);
    assert_int_equal(daemons[0].left, 4);
    assert_false(daemons[0].more);
}

static void
test_what_it_does_not_count(void **state)
{
    (void)state;
    world.now_ms += SWEEP_COUNT_AFTER_MS;
    daemons[0].drained = true;
    sweep_db_send(&sweep, false);
    expect_said("count", 0, 1, "{\"e\"}");
    expect_said("count", 0, 5, "20001");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WATCH_TEST(test_when_it_looks),          WATCH_TEST(test_whether_the_database_is_there),
        WATCH_TEST(test_which_daemons_it_sees),  WATCH_TEST(test_how_it_sees_them),
        WATCH_TEST(test_how_much_there_is),      WATCH_TEST(test_how_much_of_a_limit),
        WATCH_TEST(test_when_it_counts),         WATCH_TEST(test_there_is_nothing_to_count),
        WATCH_TEST(test_what_it_counts),         WATCH_TEST(test_a_count_of_a_stranger),
        WATCH_TEST(test_what_it_does_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
