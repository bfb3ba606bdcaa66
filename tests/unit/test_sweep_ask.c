/* What a run asks of the database: how many jobs of which daemon, what there is to do, and what it
 * tells of daemons. */
#include "sweep_scene.h"

static struct sweep_steps steps;

static void
begin_steps(void)
{
    sweep_clear_steps(&steps);
    memset(&steps, 0, sizeof steps);
}

static int
ask_free(void **state)
{
    begin_steps();
    return scene_free(state);
}

#define ASK_TEST(test) cmocka_unit_test_setup_teardown(test, scene_begin, ask_free)

/* The parameters of the only step that was added; NULL: none was. */
static const char *const *
added(int step)
{
    if (step < 0) {
        assert_int_equal(steps.count, 0);
        return NULL;
    }
    assert_int_equal(steps.count, 1);
    assert_int_equal(step, 0);
    return (const char *const *)steps.args[0].values;
}

/* slots: how many of which daemon; NULL: nothing is claimed. */
static void
expect_claim(const char *names, const char *slots)
{
    const char *const *values;

    begin_steps();
    sweep.step_claim = -1;
    sweep_add_claim(&sweep, &steps);
    values = added(sweep.step_claim);
    if (slots == NULL) {
        assert_null(values);
    } else {
        assert_non_null(values);
        assert_string_equal(values[0], names);
        assert_string_equal(values[1], slots);
    }
}

/* As many as may run at once, and ahead of them what the measured speed starts within a second; in
 * batches, so that not every job is an exchange. */
static void
test_how_many(void **state)
{
    static const struct {
        int64_t mean_ms;
        int held;
        int claimed;
        const char *slots;
    } cases[] = {
        {0, 0, 999, "{2}"},
        {0, 1, 999, "{1}"},
        {0, 2, 999, NULL},
        {1000, 0, 999, "{2}"},
        {999, 0, 999, "{4}"},
        {100, 0, 999, "{22}"},
        {100, 11, 999, "{11}"},
        {100, 12, 999, NULL},
        {1, 0, 999, "{1026}"},
        {2, 0, 999, "{1002}"},
        /* Few at first: whoever is fast would wait for the claim of many. */
        {1, 0, 0, "{2}"},
        {1, 0, 1, "{6}"},
        {1, 2, 2, "{8}"},
        {1, 0, 255, "{1022}"},
        {1, 0, 256, "{1026}"},
        {100, 0, 4, "{18}"},
        {100, 0, 5, "{22}"},
    };

    (void)state;
    daemons[1].due = false;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        daemons[0].mean_ms = sweep.mean_ms = cases[i].mean_ms;
        daemons[0].held = cases[i].held;
        daemons[0].claimed = cases[i].claimed;
        expect_claim("{\"d\"}", cases[i].slots);
        assert_int_equal(daemons[0].asked, cases[i].slots == NULL ? 0 : atoi(cases[i].slots + 1));
    }
    daemons[0].held = 0;
}

/* One job tries out a daemon; those behind it are ready for the moment in which it succeeds. */
static void
test_how_many_of_a_daemon_that_is_not_known_to_be_well(void **state)
{
    (void)state;
    daemons[1].due = false;
    daemons[0].mean_ms = sweep.mean_ms = 100;
    daemons[0].lane.gate = LANE_UNKNOWN;
    expect_claim("{\"d\"}", "{1}");
    daemons[0].held = 1;
    expect_claim("{\"d\"}", NULL);
    daemons[0].held = 0;
    daemons[0].lane.gate = LANE_ASKED;
    expect_claim("{\"d\"}", "{1}");
    daemons[0].lane.active = 1;
    expect_claim("{\"d\"}", NULL);
    daemons[0].lane.gate = LANE_PROVING;
    daemons[0].held = 1;
    expect_claim("{\"d\"}", "{1}");
    daemons[0].held = 0;
}

static void
test_of_which_daemons(void **state)
{
    (void)state;
    expect_claim("{\"d\",\"e\"}", "{2,2}");
    daemons[0].due = false;
    expect_claim("{\"e\"}", "{2}");
    daemons[0].due = true;
    daemons[0].drained = true;
    expect_claim("{\"e\"}", "{2}");
    daemons[0].drained = false;
    daemons[0].lane.gate = LANE_STOPPED;
    expect_claim("{\"e\"}", "{2}");
    daemons[0].lane.gate = LANE_OPEN;
    daemons[0].looking = 1; /* an app of its engine is not looked at yet */
    expect_claim("{\"e\"}", "{2}");
    entries[1].place = entries[0].place; /* nor of this one then: it is the same */
    expect_claim(NULL, NULL);
    daemons[0].looking = 0;
    sweep.closing = true;
    expect_claim(NULL, NULL);
}

/* No image of them can be deleted, and nothing is asked: their jobs end at once. */
static void
test_unsupported_daemons(void **state)
{
    (void)state;
    daemons[1].due = false;
    daemons[0].lane.gate = LANE_UNKNOWN;
    entries[0].unsupported = true;
    sweep.mean_ms = 1;
    expect_claim("{\"d\"}", "{1024}");
}

/* What the whole run may hold is shared out beginning with the daemon whose turn it is. */
static void
test_the_budget(void **state)
{
    (void)state;
    world_conf.max_parallel = 3;
    expect_claim("{\"d\",\"e\"}", "{2,1}");
    sweep.turn = 1;
    expect_claim("{\"e\",\"d\"}", "{2,1}");
    daemons[0].held = 2;
    expect_claim("{\"e\"}", "{1}");
    daemons[0].held = 3;
    expect_claim(NULL, NULL);
    daemons[0].held = 9; /* they were claimed while it was faster */
    expect_claim(NULL, NULL);
    daemons[0].held = 0;
    sweep.claims_left = 1;
    expect_claim("{\"e\"}", "{1}");
    sweep.claims_left = 0;
    expect_claim(NULL, NULL);
    sweep.claims_left = 70;
    expect_claim("{\"e\",\"d\"}", "{2,1}");
}

static void
test_the_parameters_of_a_claim(void **state)
{
    const char *const *values;

    (void)state;
    world_options.app = "app";
    daemons[0].after_id = 9;
    daemons[0].after_us = 77;
    world_conf.verify = false;
    sweep_add_claim(&sweep, &steps);
    values = added(sweep.step_claim);
    assert_string_equal(values[2], "app");
    assert_string_equal(values[3], "t");
    assert_string_equal(values[4], "24");
    assert_string_equal(values[5], "0f8fad5b-d9cb-469f-a165-708600000001");
    assert_string_equal(values[7], "120000");
    assert_string_equal(values[8], "20");
    assert_string_equal(values[10], "1");
    assert_string_equal(values[11], "t");
    assert_string_equal(values[12], "t");
    assert_string_equal(values[13], "{77,NULL}");
    assert_string_equal(values[14], "{9,NULL}");
    assert_int_equal(sweep.claim, 1);
}

static void
test_what_there_is_to_do(void **state)
{
    (void)state;
    sweep_add_find(&sweep, &steps); /* it is known */
    sweep.found = false;
    sweep.closing = true;
    sweep_add_find(&sweep, &steps);
    assert_int_equal(steps.count, 0);
    sweep.closing = false;
    sweep_add_find(&sweep, &steps);
    assert_int_equal(steps.count, 2);
    assert_int_equal(sweep.step_news, 0);
    assert_int_equal(sweep.step_find, 1);
    assert_int_equal(sweep.step_settings, -1);
    begin_steps();
    sweep.step_find = -1;
    world_conf.follow_nextcloud = true;
    world_options.observe_only = true;
    sweep_add_find(&sweep, &steps);
    assert_int_equal(steps.count, 2);
    assert_int_equal(sweep.step_settings, 1);
    assert_int_equal(sweep.step_find, -1);
}

static void
test_apps_that_nobody_told_of(void **state)
{
    (void)state;
    sweep_add_reconcile(&sweep, &steps);
    assert_int_equal(steps.count, 0);
    sweep.reconcile_due = true;
    sweep.closing = true;
    sweep_add_reconcile(&sweep, &steps);
    assert_int_equal(steps.count, 0);
    sweep.closing = false;
    sweep_add_reconcile(&sweep, &steps);
    assert_int_equal(steps.count, 1);
    assert_int_equal(sweep.step_reconcile, 0);
}

/* names: the daemons that are told of; NULL: none. Returns all that is said of them. */
static const char *const *
expect_seen(bool all, const char *names)
{
    const char *const *values;

    begin_steps();
    sweep.step_seen = -1;
    daemons[0].noted = daemons[1].noted = false;
    sweep_add_seen(&sweep, &steps, all);
    values = added(sweep.step_seen);
    if (names == NULL) {
        assert_null(values);
    } else {
        assert_non_null(values);
        assert_string_equal(values[0], names);
    }
    return values;
}

static void
stop_lane(struct sweep_daemon *daemon)
{
    daemon->lane.gate = LANE_STOPPED;
    daemon->lane.stop = VERDICT_STOP_SILENT;
    (void)strcpy(daemon->lane.reason, "no answer");
    (void)strcpy(daemon->lane.hint, "look there");
}

static void
test_what_is_told_of_daemons(void **state)
{
    const char *const *values;

    (void)state;
    stop_lane(&daemons[0]);
    (void)strcpy(daemons[1].lane.version, "0.4.4");
    values = expect_seen(true, "{\"d\",\"e\"}");
    assert_string_equal(values[1], "{NULL,\"0.4.4\"}");
    assert_string_equal(values[2], "{\"silent\",NULL}");
    assert_string_equal(values[3], "{\"no answer\",NULL}");
    assert_string_equal(values[4], "{\"look there\",NULL}");
    assert_string_equal(values[5], "{600,0}");
    assert_true(daemons[0].noted);
    assert_true(daemons[1].noted);
    (void)expect_seen(false, "{\"d\"}");
    assert_false(daemons[1].noted);
    daemons[0].lane.stop = VERDICT_STOP_UNAUTHORIZED;
    assert_string_equal(expect_seen(false, "{\"d\"}")[5], "{600}");
    daemons[0].lane.stop = VERDICT_STOP_DOWN;
    assert_string_equal(expect_seen(false, "{\"d\"}")[5], "{0}");
    begin_steps();
    daemons[0].noted = true; /* once is enough */
    sweep.step_seen = -1;
    sweep_add_seen(&sweep, &steps, false);
    assert_null(added(sweep.step_seen));
    sweep.seen_failures = SWEEP_SEEN_TRIES;
    (void)expect_seen(true, NULL);
}

/* One that was stopped in an earlier run is well again only if its last answer was no trouble. */
static void
test_which_daemons_are_well(void **state)
{
    (void)state;
    (void)expect_seen(true, NULL); /* nobody answered */
    (void)strcpy(daemons[0].lane.version, "0.4.4");
    (void)strcpy(daemons[1].lane.version, "0.4.4");
    daemons[0].lane.troubles = 1;
    (void)expect_seen(true, "{\"d\",\"e\"}");
    (void)strcpy(daemons[0].known_stop, "down");
    (void)strcpy(daemons[1].known_stop, "down");
    (void)expect_seen(true, "{\"e\"}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ASK_TEST(test_how_many),
        ASK_TEST(test_how_many_of_a_daemon_that_is_not_known_to_be_well),
        ASK_TEST(test_of_which_daemons),
        ASK_TEST(test_unsupported_daemons),
        ASK_TEST(test_the_budget),
        ASK_TEST(test_the_parameters_of_a_claim),
        ASK_TEST(test_what_there_is_to_do),
        ASK_TEST(test_apps_that_nobody_told_of),
        ASK_TEST(test_what_is_told_of_daemons),
        ASK_TEST(test_which_daemons_are_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
