/* Whole runs: what they do in which order, what ends them, and what they tell of it. */
#include "sweep_world.h"

static void
test_nothing_is_due(void **state)
{
    (void)state;
    assert_true(world_run());
    assert_int_equal(report.exit_code, EXIT_CODE_OK);
    assert_int_equal(world.said_count, 3); /* hello, news, find: in one exchange */
    assert_int_equal(world.db.exchanges, 1);
    assert_int_equal(world.opens, 0); /* libcurl was not needed */
    assert_false(report.worked);
    assert_false(report.left_work);
    assert_int_equal(strlen(report.token), 36);
}

static void
test_a_job(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 1);
    assert_true(world_run());
    assert_int_equal(report.exit_code, EXIT_CODE_OK);
    assert_string_equal(world.jobs[0].state, "removed");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_nothing_is_due),
        WORLD_TEST(test_a_job),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
