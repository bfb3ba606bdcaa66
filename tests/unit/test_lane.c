/* How far a daemon is trusted: what may begin, and what stops it. */
#include "lane.h"
#include "verdict_case.h"

static const struct conf_daemon daemon_conf = {.max_parallel = 3};

static const struct http_answer good_info =
    ANSWER(200, JSON, "{\"version\": \"0.4.4\", \"docker\": true}");
static const struct http_answer wrong_key = ANSWER(401, HAPROXY_TEXT, "401 Unauthorized");

static bool refuses;

/* In place of gateway.c's. */
bool
gateway_begin_info(struct http *http, const struct conf_daemon *daemon,
                   const struct gateway_limits *limits, void *user, struct err *err)
{
    (void)http;
    (void)daemon;
    (void)limits;
    (void)user;
    return refuses ? err_set(err, ERR_INTERNAL, "no place") : true;
}

/* A lane whose /info is under way. */
static struct lane
asked(void)
{
    struct lane lane = {.conf = &daemon_conf};

    assert_int_equal(lane_turn(&lane), LANE_INFO);
    lane.gate = LANE_ASKED;
    lane.active = 1;
    assert_int_equal(lane_turn(&lane), LANE_WAIT);
    return lane;
}

static struct lane
proving(void)
{
    struct lane lane = asked();

    lane_take_info(&lane, &good_info);
    assert_int_equal(lane.gate, LANE_PROVING);
    assert_string_equal(lane.version, "0.4.4");
    return lane;
}

static void
take(struct lane *lane, enum verdict_action action, bool two_stop, bool last)
{
    struct verdict verdict = {.action = action, .two_stop = two_stop, .reason = "r", .hint = "h"};

    lane_take(lane, last, &verdict);
}

static void
test_one_alone_then_as_many_as_the_settings_say(void **state)
{
    struct lane lane = proving();

    (void)state;
    assert_int_equal(lane_turn(&lane), LANE_GO);
    lane_began(&lane);
    assert_int_equal(lane_turn(&lane), LANE_WAIT);
    take(&lane, VERDICT_GO_ON, false, false); /* an inspect: its delete follows */
    assert_int_equal(lane.gate, LANE_PROVING);
    lane_began(&lane);
    take(&lane, VERDICT_DONE, false, true);
    assert_int_equal(lane.gate, LANE_OPEN);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lane_turn(&lane), LANE_GO);
        lane_began(&lane);
    }
    assert_int_equal(lane_turn(&lane), LANE_WAIT);
    lane_take_abort(&lane);
    assert_int_equal(lane_turn(&lane), LANE_GO);
}

/* What did not begin does not end either: it must not be counted. */
static void
test_an_info_that_does_not_begin(void **state)
{
    struct lane lane = {.conf = &daemon_conf};
    struct err err = {.kind = ERR_NONE};

    (void)state;
    refuses = true;
    assert_false(lane_begin_info(&lane, NULL, NULL, NULL, &err));
    assert_int_equal(lane.active, 0);
    assert_int_equal(lane_turn(&lane), LANE_INFO);
    refuses = false;
    assert_true(lane_begin_info(&lane, NULL, NULL, NULL, &err));
    assert_int_equal(lane.active, 1);
    assert_int_equal(lane_turn(&lane), LANE_WAIT);
}

static void
test_a_bad_info_stops_it(void **state)
{
    struct lane lane = asked();

    (void)state;
    lane_take_info(&lane, &wrong_key);
    assert_int_equal(lane.gate, LANE_STOPPED);
    assert_int_equal(lane.stop, VERDICT_STOP_UNAUTHORIZED);
    assert_non_null(strstr(lane.reason, "refuses the shared key"));
    assert_int_equal(lane_turn(&lane), LANE_WAIT);
    assert_int_equal(lane.active, 0);
}

static void
test_the_first_reason_of_a_stop_stays(void **state)
{
    struct verdict first = {.action = VERDICT_STOP, .stop = VERDICT_STOP_TLS, .reason = "first"};
    struct verdict second = {.action = VERDICT_STOP, .stop = VERDICT_STOP_DOWN, .reason = "second"};
    struct lane lane = proving();

    (void)state;
    lane.active = 2;
    lane_take(&lane, true, &first);
    lane_take(&lane, true, &second);
    assert_int_equal(lane.stop, VERDICT_STOP_TLS);
    assert_string_equal(lane.reason, "first");
}

static void
test_two_troubles_in_a_row_stop_it(void **state)
{
    struct verdict trouble = {.action = VERDICT_RETRY, .two_stop = true, .reason = "502"};
    struct lane lane = proving();

    (void)state;
    lane.active = 9;
    take(&lane, VERDICT_RETRY, true, true);
    assert_int_equal(lane.gate, LANE_PROVING); /* one trouble proves nothing */
    take(&lane, VERDICT_DONE, false, true);
    assert_int_equal(lane.gate, LANE_OPEN);
    take(&lane, VERDICT_RETRY, true, true);
    take(&lane, VERDICT_GO_ON, false, false); /* an inspect in between is no sign of health */
    lane_take(&lane, true, &trouble);
    assert_int_equal(lane.gate, LANE_STOPPED);
    assert_int_equal(lane.stop, VERDICT_STOP_DOWN);
    assert_int_equal(trouble.action, VERDICT_STOP);
}

static void
test_what_works_ends_the_row_of_troubles(void **state)
{
    struct lane lane = proving();

    (void)state;
    lane.active = 9;
    take(&lane, VERDICT_RETRY, true, true);
    take(&lane, VERDICT_DONE, false, true);
    take(&lane, VERDICT_RETRY, true, true);
    assert_int_equal(lane.gate, LANE_OPEN);
}

/* After a wrong key each request more is a strike: a stop is for the whole run. */
static void
test_what_was_under_way_does_not_open_a_stopped_one(void **state)
{
    struct verdict stop = {.action = VERDICT_STOP, .stop = VERDICT_STOP_UNAUTHORIZED};
    struct lane lane = proving();

    (void)state;
    lane.active = 2;
    lane_take(&lane, true, &stop);
    take(&lane, VERDICT_DONE, false, true);
    assert_int_equal(lane.gate, LANE_STOPPED);
    assert_int_equal(lane_turn(&lane), LANE_WAIT);
}

static void
test_trouble_at_its_info_is_a_daemon_that_is_down(void **state)
{
    static const struct http_answer trouble = ANSWER(502, HTML, "<html>");
    struct lane lane = asked();

    (void)state;
    lane_take_info(&lane, &trouble);
    assert_int_equal(lane.gate, LANE_STOPPED);
    assert_int_equal(lane.stop, VERDICT_STOP_DOWN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_alone_then_as_many_as_the_settings_say),
        cmocka_unit_test(test_an_info_that_does_not_begin),
        cmocka_unit_test(test_a_bad_info_stops_it),
        cmocka_unit_test(test_the_first_reason_of_a_stop_stays),
        cmocka_unit_test(test_two_troubles_in_a_row_stop_it),
        cmocka_unit_test(test_what_works_ends_the_row_of_troubles),
        cmocka_unit_test(test_what_was_under_way_does_not_open_a_stopped_one),
        cmocka_unit_test(test_trouble_at_its_info_is_a_daemon_that_is_down),
    };

    return cmocka_run_group_tests_name("lane", tests, NULL, NULL);
}
