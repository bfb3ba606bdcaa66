/* What a run keeps its jobs in, and what it remembers of its own failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sweep_state.h"

#include <string.h>

static void
assert_takes(struct sweep_list *list, struct sweep_job *const *jobs, size_t count)
{
    assert_int_equal(list->count, count);
    for (size_t i = 0; i < count; i++) {
        struct sweep_job *job = sweep_list_pop(list);

        assert_ptr_equal(job, jobs[i]);
        assert_null(job->next);
    }
    assert_int_equal(list->count, 0);
    assert_null(list->first);
    assert_null(list->last);
    assert_null(sweep_list_pop(list));
}

static void
test_a_list_keeps_the_order(void **state)
{
    struct sweep_list list = {.count = 0};
    struct sweep_job jobs[4] = {{.phase = SWEEP_INSPECT_REF}};

    (void)state;
    for (int round = 0; round < 2; round++) { /* an emptied list is like a new one */
        sweep_list_push(&list, &jobs[0]);
        sweep_list_push(&list, &jobs[1]);
        sweep_list_push(&list, &jobs[2]);
        assert_takes(&list, (struct sweep_job *[]){&jobs[0], &jobs[1], &jobs[2]}, 3);
    }
}

static void
test_what_goes_on_comes_first(void **state)
{
    struct sweep_list list = {.count = 0};
    struct sweep_job jobs[4] = {{.phase = SWEEP_INSPECT_REF}};

    (void)state;
    sweep_list_push_first(&list, &jobs[1]);
    sweep_list_push(&list, &jobs[2]);
    sweep_list_push_first(&list, &jobs[0]);
    sweep_list_push(&list, &jobs[3]);
    assert_takes(&list, (struct sweep_job *[]){&jobs[0], &jobs[1], &jobs[2], &jobs[3]}, 4);
}

/* One is taken away while others wait, and more come. */
static void
test_a_list_keeps_what_waits(void **state)
{
    struct sweep_list list = {.count = 0};
    struct sweep_job jobs[4] = {{.phase = SWEEP_INSPECT_REF}};

    (void)state;
    sweep_list_push(&list, &jobs[0]);
    sweep_list_push(&list, &jobs[1]);
    assert_ptr_equal(sweep_list_pop(&list), &jobs[0]);
    sweep_list_push(&list, &jobs[2]);
    assert_takes(&list, (struct sweep_job *[]){&jobs[1], &jobs[2]}, 2);
}

static void
test_a_list_is_moved_behind_another(void **state)
{
    struct sweep_list to = {.count = 0};
    struct sweep_list from = {.count = 0};
    struct sweep_job jobs[4] = {{.phase = SWEEP_INSPECT_REF}};

    (void)state;
    sweep_list_push(&to, &jobs[0]);
    sweep_list_push(&from, &jobs[1]);
    sweep_list_push(&from, &jobs[2]);
    sweep_list_move(&to, &from);
    assert_takes(&from, NULL, 0);
    sweep_list_push(&from, &jobs[3]);
    sweep_list_move(&to, &from);
    assert_takes(&to, (struct sweep_job *[]){&jobs[0], &jobs[1], &jobs[2], &jobs[3]}, 4);
}

/* What several runs come to together. */
static void
test_reports_are_added_up(void **state)
{
    const struct sweep_report one = {.totals = {.claimed = 1,
                                                .removed = 2,
                                                .untagged = 3,
                                                .absent = 4,
                                                .in_use = 5,
                                                .held = 6,
                                                .retried = 7,
                                                .failed = 8,
                                                .given_back = 9,
                                                .late = 10,
                                                .bytes_freed = 11},
                                     .planned = 12,
                                     .daemons_stopped = 13,
                                     .daemons_unknown = 14,
                                     .unrecorded = 15,
                                     .observed = 16,
                                     .beside = 17,
                                     .duration_ms = 18,
                                     .left_work = true,
                                     .worked = true};
    const struct sweep_report none = {.duration_ms = 5};
    struct sweep_report sum = {.duration_ms = 0};

    (void)state;
    assert_int_equal(sweep_report_done(&one), 2 + 3 + 4 + 5 + 6 + 7 + 8);
    sweep_report_add(&sum, &none);
    assert_int_equal(sum.duration_ms, 5);
    assert_false(sum.left_work);
    assert_false(sum.worked);
    sweep_report_add(&sum, &one);
    sweep_report_add(&sum, &none);
    assert_int_equal(sum.totals.claimed, 1);
    assert_int_equal(sum.totals.given_back, 9);
    assert_int_equal(sum.totals.late, 10);
    assert_int_equal(sum.totals.bytes_freed, 11);
    assert_int_equal(sweep_report_done(&sum), sweep_report_done(&one));
    assert_int_equal(sum.planned, 12);
    assert_int_equal(sum.daemons_stopped, 13);
    assert_int_equal(sum.daemons_unknown, 14);
    assert_int_equal(sum.unrecorded, 15);
    assert_int_equal(sum.observed, 16);
    assert_int_equal(sum.beside, 17);
    assert_int_equal(sum.duration_ms, 18); /* they run side by side */
    assert_true(sum.left_work);
    assert_true(sum.worked);
}

/* What follows from the first failure must not hide it. */
static void
test_the_first_failure_is_the_one_that_is_told(void **state)
{
    struct sweep sweep = {.closing = false};
    struct err err;

    (void)state;
    (void)err_set(&err, ERR_SCHEMA, "the first");
    sweep_fail(&sweep, &err);
    assert_true(sweep.closing);
    (void)err_set(&err, ERR_INTERNAL, "the second");
    sweep_fail(&sweep, &err);
    assert_int_equal(sweep.failure.kind, ERR_SCHEMA);
    assert_string_equal(sweep.failure.text, "the first");
    assert_true(sweep.closing);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_list_keeps_the_order),
        cmocka_unit_test(test_what_goes_on_comes_first),
        cmocka_unit_test(test_a_list_keeps_what_waits),
        cmocka_unit_test(test_a_list_is_moved_behind_another),
        cmocka_unit_test(test_reports_are_added_up),
        cmocka_unit_test(test_the_first_failure_is_the_one_that_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
