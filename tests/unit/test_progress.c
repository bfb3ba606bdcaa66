/* Progress: from figures to lines that fit a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd_progress.h"
#include "printable.h"

#include <stdio.h>
#include <string.h>

static void
assert_progress_sized(const struct progress *progress, size_t columns, size_t rows,
                      const char *expected)
{
    struct buf out;

    buf_init(&out, 100000);
    cmd_progress_text(progress, columns, rows, false, &out);
    assert_string_equal(buf_text(&out), expected);
    buf_free(&out);
}

static void
assert_progress(const struct progress *progress, const char *expected)
{
    assert_progress_sized(progress, 120, 24, expected);
}

static struct progress
some_progress(void)
{
    return (struct progress){.view = {.spent_ms = 33400,
                                      .limit_ms = 600000,
                                      .done = 1240,
                                      .due = 5000,
                                      .bytes_freed = 12345678901},
                             .recent_jobs = 760,
                             .recent_ms = 20000};
}

static void
test_whole(void **state)
{
    struct progress progress = some_progress();

    (void)state;
    assert_progress(&progress, "1240 of 5000 jobs, 38/s, about 1m 39s left, up to 12.3 GB freed, "
                               "for 33s");
    progress.view.more = true;
    assert_progress(&progress, "1240 of over 5000 jobs, 38/s, over 1m 39s left, "
                               "up to 12.3 GB freed, for 33s");
    progress.view.more = false;
    progress.view.due = -1; /* not counted: nothing is promised */
    progress.view.bytes_freed = 0;
    assert_progress(&progress, "1240 jobs done, 38/s, for 33s");
    progress.view.done = 1;
    progress.recent_ms = 0;
    assert_progress(&progress, "1 job done, for 33s");
    progress.view.due = 1;
    assert_progress(&progress, "1 of 1 job, for 33s");
}

static void
test_estimate(void **state)
{
    struct progress progress = some_progress();

    (void)state;
    progress.view.bytes_freed = 0;
    progress.recent_jobs = 2; /* slow: a rate of minutes, and the run's own limit comes first */
    assert_progress(&progress, "1240 of 5000 jobs, 6/min, its time ends in 9m 26s, for 33s");
    progress.recent_jobs = 0; /* nothing moves: nobody knows */
    assert_progress(&progress, "1240 of 5000 jobs, 0/min, for 33s");
    progress.recent_jobs = 100;
    progress.recent_ms = 4999; /* too early to promise anything */
    assert_progress(&progress, "1240 of 5000 jobs, 20/s, for 33s");
    progress.recent_ms = 5000;
    assert_progress(&progress, "1240 of 5000 jobs, 20/s, about 3m 8s left, for 33s");
    progress.view.spent_ms = 700000; /* beyond the limit already */
    assert_progress(&progress, "1240 of 5000 jobs, 20/s, its time ends in 0s, for 11m");
    progress.view.due = 1240;
    assert_progress(&progress, "1240 of 1240 jobs, 20/s, for 11m");
}

static void
test_trouble(void **state)
{
    struct progress progress = some_progress();

    (void)state;
    progress.view.bytes_freed = 0;
    progress.view.closing = true;
    assert_progress(&progress, "1240 of 5000 jobs, ending, 38/s, for 33s");
    progress.view.closing = false;
    progress.view.away = true;
    progress.recent_ms = 0;
    assert_progress(&progress, "1240 of 5000 jobs, the database is away, for 33s");
}

static void
test_instances(void **state)
{
    struct progress progress = some_progress();

    (void)state;
    progress.instances = 40;
    progress.instances_done = 3;
    progress.view.due = -1;
    assert_progress(&progress,
                    "3 of 40 instances, 1240 jobs done, 38/s, up to 12.3 GB freed, for 33s");
    progress.stopped = 1;
    progress.view.bytes_freed = 0;
    assert_progress(&progress,
                    "3 of 40 instances, 1240 jobs done, 1 daemon stopped, 38/s, for 33s");
    progress.stopped = 2;
    assert_progress_sized(&progress, 57, 24,
                          "3 of 40 instances, 1240 jobs done, 2 daemons stopped");
}

static const struct sweep_view_daemon some_daemons[] = {
    {.name = "docker_main",
     .state = SWEEP_VIEW_WELL,
     .reason = "",
     .active = 4,
     .done = 812,
     .due = 3000},
    {.name = "gpu",
     .state = SWEEP_VIEW_STOPPED,
     .reason = "HaRP refuses the shared key",
     .done = 1,
     .due = 1},
    {.name = "far", .state = SWEEP_VIEW_PROBING, .reason = "", .active = 1, .due = -1},
    {.name = "idle", .state = SWEEP_VIEW_WAITING, .reason = "", .due = 7, .more = true},
};

static void
test_daemons(void **state)
{
    struct progress progress = {
        .view = {.spent_ms = 1000, .due = -1, .daemons = some_daemons, .daemon_count = 4}};

    (void)state;
    assert_progress(&progress, "0 jobs done, for 1s\n"
                               "  docker_main  well, 4 under way, 812 of 3000 jobs\n"
                               "  gpu          stopped, 1 job done: HaRP refuses the shared key\n"
                               "  far          probing, 1 under way, 0 jobs done\n"
                               "  idle         waiting, 0 of over 7 jobs");
    assert_progress_sized(&progress, 40, 24,
                          "0 jobs done, for 1s\n"
                          "  docker_main  well, 4 under way\n"
                          "  gpu          stopped, 1 job done: ...\n"
                          "  far          probing, 1 under way\n"
                          "  idle         waiting");
    /* What happens comes first where there is no room, and the last row stays free. */
    assert_progress_sized(&progress, 120, 5,
                          "0 jobs done, for 1s\n"
                          "  docker_main  well, 4 under way, 812 of 3000 jobs\n"
                          "  gpu          stopped, 1 job done: HaRP refuses the shared key\n"
                          "  and 2 more daemons");
    assert_progress_sized(&progress, 120, 3, "0 jobs done, for 1s\n  and 4 more daemons");
    assert_progress_sized(&progress, 120, 2, "0 jobs done, for 1s");
    assert_progress_sized(&progress, 120, 1, "0 jobs done, for 1s");
}

static void
test_color(void **state)
{
    struct progress progress = {
        .view = {.spent_ms = 1000, .due = -1, .daemons = some_daemons, .daemon_count = 2}};
    struct buf out;

    (void)state;
    buf_init(&out, 100000);
    cmd_progress_text(&progress, 80, 24, true, &out);
    assert_string_equal(
        buf_text(&out),
        "0 jobs done, for 1s\n"
        "  docker_main  \x1b[32mwell\x1b[0m, 4 under way, 812 of 3000 jobs\n"
        "  gpu          \x1b[31mstopped\x1b[0m, 1 job done: HaRP refuses the shared key");
    buf_free(&out);
}

/* Whatever strangers put into names and reasons, and however narrow it is: no line reaches the last
 * column, and nothing but text gets there. */
static void
test_hostile(void **state)
{
    static const char *const texts[] = {
        "\x1b[2J\x1b]0;title\x07",
        "a\nb\r\x9b",
        "\xe2\x80\xae\xf0\x9f\x90\xb3\xf0\x9f\x90\xb3\xf0\x9f\x90\xb3\xf0\x9f\x90\xb3",
        "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5",
        "\xff\xfe\xc0\xaf",
        "",
    };
    enum { COUNT = sizeof texts / sizeof *texts };
    struct sweep_view_daemon daemons[COUNT];
    struct progress progress = some_progress();

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        daemons[i] = (struct sweep_view_daemon){.name = texts[i],
                                                .state = SWEEP_VIEW_STOPPED,
                                                .reason = texts[(i + 1) % COUNT],
                                                .active = 1000000,
                                                .done = INT64_MAX / 2,
                                                .due = INT64_MAX};
    }
    progress.view.daemons = daemons;
    progress.view.daemon_count = COUNT;
    for (size_t columns = CMD_PROGRESS_COLUMNS_MIN; columns <= 120; columns++) {
        struct buf out;
        size_t lines = 0;
        char *rest;

        buf_init(&out, 100000);
        cmd_progress_text(&progress, columns, 24, false, &out);
        for (char *line = strtok_r(out.data, "\n", &rest); line != NULL;
             line = strtok_r(NULL, "\n", &rest), lines++) {
            struct buf safe;

            buf_init(&safe, 10000);
            assert_true(printable_add(&safe, line) < columns);
            assert_string_equal(buf_text(&safe), line);
            buf_free(&safe);
        }
        assert_int_equal(lines, 1 + COUNT);
        buf_free(&out);
    }
    assert_progress_sized(&progress, 20, 3, "1240 of 5000 jobs\n  and 6 more dae...");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),   cmocka_unit_test(test_estimate),
        cmocka_unit_test(test_trouble), cmocka_unit_test(test_instances),
        cmocka_unit_test(test_daemons), cmocka_unit_test(test_color),
        cmocka_unit_test(test_hostile),
    };

    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
