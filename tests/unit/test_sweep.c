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
        cmocka_unit_test(test_a_list_is_moved_behind_another),
        cmocka_unit_test(test_the_first_failure_is_the_one_that_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
