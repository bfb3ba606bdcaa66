/* The queue's queries: what is sent with them, and what is read of their answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db_answer.h"
#include "jobs.h"

#include <stdlib.h>
#include <string.h>

static void
test_what_a_claim_tells(void **state)
{
    static const struct {
        const char *word;
        enum jobs_claim_kind kind;
    } kinds[] = {{"job", JOBS_CLAIMED},
                 {"ended", JOBS_ENDED},
                 {"planned", JOBS_PLANNED},
                 {"upto", JOBS_UPTO}};

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (int now = 0; now <= 1; now++) {
            const char *const cells[] = {
                kinds[i].word,         "d",  "7",    "2",    "kept",  "app",  "a:1", NULL,
                now ? "now" : "grace", "99", "http", "host", "24000", "held", "60",  "5"};
            struct db_result *result = db_answer(16, 1, cells);
            struct jobs_claim_row row;

            jobs_read_claim(result, 0, 3, &row);
            assert_int_equal(row.kind, kinds[i].kind);
            assert_string_equal(row.daemon, "d");
            assert_int_equal(row.number, 7);
            assert_string_equal(row.state, "kept");
            assert_int_equal(row.due_at_us, 5);
            if (row.kind == JOBS_CLAIMED) {
                assert_int_equal(row.job.id, 7);
                assert_int_equal(row.job.claim, 3);
                assert_int_equal(row.job.attempt, 2);
                assert_string_equal(row.job.image_ref, "a:1");
                assert_null(row.job.image_id);
                assert_int_equal(row.job.explicit_now, now);
                assert_string_equal(row.hold.reason, "held");
                assert_int_equal(row.hold.delay_s, 60);
            } else {
                assert_null(row.job.image_ref);
                assert_null(row.hold.reason);
            }
            job_clear(&row.job);
            db_result_free(result);
        }
    }
}

static void
test_claims_that_stand(void **state)
{
    static const char *const cells[] = {"7",  "t", NULL, "0", "8",      "f",
                                        NULL, "0", "9",  "t", "in use", "60"};
    struct db_result *result = db_answer(4, 3, cells);
    struct jobs_hold hold = {NULL, 0};

    (void)state;
    assert_true(jobs_read_stands(result, 0, 7, &hold));
    assert_null(hold.reason);
    assert_false(jobs_read_stands(result, 0, 8, &hold)); /* another's answer */
    assert_false(jobs_read_stands(result, 1, 8, &hold));
    assert_true(jobs_read_stands(result, 2, 9, &hold));
    assert_string_equal(hold.reason, "in use");
    assert_int_equal(hold.delay_s, 60);
    assert_false(jobs_read_stands(result, 3, 0, &hold)); /* less than was asked for */
    db_result_free(result);
}

/* Results 7, 8 and 9, of which the last one is no final state. */
static const struct jobs_result sent[] = {
    {.id = 7, .action = JOBS_DONE, .state = VERDICT_REMOVED},
    {.id = 8, .action = JOBS_DONE, .state = VERDICT_UNSUPPORTED},
    {.id = 9, .action = JOBS_RETRY},
};

static bool
read_record(const struct db_result *result, struct jobs_record_row ret_rows[3], struct err *err)
{
    struct jobs_result copies[] = {sent[0], sent[1], sent[2]};
    struct jobs_result *results[] = {&copies[0], &copies[1], &copies[2]};

    return jobs_read_record(result, results, 3, ret_rows, err);
}

static void
test_what_became_of_a_record(void **state)
{
    static const char *const usual[] = {"0", "3", "sum",      NULL,      NULL,
                                        "3", "9", "recorded", "pending", NULL};
    static const char *const unusual[] = {
        "0", "1", "sum",      NULL,   NULL,  "1", "7", "already", "removed", NULL,
        "2", "8", "recorded", "kept", "app", "3", "9", "late",    NULL,      NULL};
    struct db_result *result = db_answer(5, 2, usual);
    struct jobs_record_row rows[3];
    struct err err;

    (void)state;
    assert_true(read_record(result, rows, &err));
    for (int i = 0; i < 3; i++) {
        static const char *const states[] = {"removed", "unsupported", "pending"};

        assert_int_equal(rows[i].outcome, JOBS_RECORDED);
        assert_string_equal(rows[i].state, states[i]);
        assert_string_equal(rows[i].beside, "");
    }
    db_result_free(result);
    result = db_answer(5, 4, unusual);
    assert_true(read_record(result, rows, &err));
    for (int i = 0; i < 3; i++) {
        static const enum jobs_recorded outcomes[] = {JOBS_ALREADY, JOBS_RECORDED, JOBS_LATE};
        static const char *const states[] = {"removed", "kept", ""};

        assert_int_equal(rows[i].outcome, outcomes[i]);
        assert_string_equal(rows[i].state, states[i]);
        assert_string_equal(rows[i].beside, i == 1 ? "app" : "");
    }
    db_result_free(result);
}

/* Silence is no success: every result is accounted for, or nothing is known of any. */
static void
test_answers_of_a_record_that_do_not_add_up(void **state)
{
#define ROW(place, id, outcome) place, id, outcome, "pending", NULL
#define NOBODY "is not about one of the 3 results that were sent, in their order"
    static const struct {
        const char *cells[25];
        int rows;
        const char *text;
    } cases[] = {
        {{NULL}, 0, "does not say how many of 3 results were recorded"},
        {{ROW("3", "9", "recorded")}, 1, "does not say how many of 3 results were recorded"},
        {{ROW("0", "x", "sum")}, 1, "does not say how many of 3 results were recorded"},
        {{ROW("0", NULL, "sum")}, 1, "does not say how many of 3 results were recorded"},
        {{ROW("0", "3", "sum")}, 1, "does not say what became of job 9"},
        {{ROW("0", "2", "sum"), ROW("3", "9", "recorded")},
         2,
         "of 3 results 2 were recorded, but the answer accounts for 3"},
        {{ROW("0", "4", "sum"), ROW("3", "9", "recorded")}, 2, "of 3 results 4 were recorded"},
        {{ROW("0", "3", "sum"), ROW("3", "9", "late")}, 2, "but the answer accounts for 2"},
        {{ROW("0", "3", "sum"), ROW("3", "9", "already")}, 2, "but the answer accounts for 2"},
        {{ROW("0", "3", "sum"), ROW("3", "9", "sum")}, 2, "row 2: place 3, job 9, 'sum' " NOBODY},
        {{ROW("0", "3", "sum"), ROW("3", "8", "recorded")},
         2,
         "place 3, job 8, 'recorded' " NOBODY},
        {{ROW("0", "3", "sum"), ROW("3", NULL, "recorded")}, 2, NOBODY},
        {{ROW("0", "3", "sum"), ROW("4", "9", "recorded")}, 2, NOBODY},
        {{ROW("0", "3", "sum"), ROW("0", "9", "recorded")}, 2, NOBODY},
        {{ROW("0", "3", "sum"), ROW("-1", "9", "recorded")}, 2, NOBODY},
        {{ROW("0", "3", "sum"), ROW(NULL, "9", "recorded")}, 2, NOBODY},
        {{ROW("0", "3", "sum"), ROW("9223372036854775807", "9", "recorded")}, 2, NOBODY},
        {{ROW("0", "3", "sum"), ROW("3", "9", "recorded"), ROW("3", "9", "recorded")},
         3,
         "row 3: place 3, job 9, 'recorded' " NOBODY},
        {{ROW("0", "3", "sum"), ROW("3", "9", "recorded"), ROW("1", "7", "recorded")},
         3,
         "row 3: place 1, job 7, 'recorded' " NOBODY},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct db_result *result = db_answer(5, cases[i].rows, cases[i].cells);
        struct jobs_record_row rows[3];
        struct err err = {.kind = ERR_NONE};

        assert_false(read_record(result, rows, &err));
        assert_int_equal(err.kind, ERR_DB);
        assert_memory_equal(err.text, "database: record", 16);
        if (strstr(err.text, cases[i].text) == NULL) {
            fail_msg("case %zu: %s", i, err.text);
        }
        db_result_free(result);
    }
#undef ROW
#undef NOBODY
}

static void
expect_arg(const struct db_args *args, int number, const char *text)
{
    assert_between(number, 1, args->count);
    assert_non_null(args->values[number - 1]);
    assert_string_equal(args->values[number - 1], text);
}

static void
test_what_is_recorded(void **state)
{
    static const struct jobs_run run = {.token = "01234567-0123-4123-8123-012300000000"};
    static const struct jobs_limits limits = {24, 7, 20};
    char none[] = "";
    char why[] = "why";
    struct jobs_result all[] = {
        {.id = 1,
         .claim = 1,
         .attempt = 1,
         .action = JOBS_DONE,
         .state = VERDICT_ABSENT,
         .http_status = 404,
         .bytes_freed = 5,
         .duration_ms = 12,
         .reason = none},
        {.id = 2,
         .claim = 31,
         .attempt = 2,
         .action = JOBS_RETRY,
         .min_delay_s = 60,
         .reason = why},
        {.id = 3, .claim = 31, .action = JOBS_WAIT, .http_status = 409, .reason = why},
        {.id = 4, .claim = 31, .action = JOBS_HOLD, .reason = why},
        {.id = 5, .claim = 1, .action = JOBS_FAIL, .reason = why},
        {.id = 6, .claim = 1, .action = JOBS_RELEASE, .reason = none},
    };
    struct jobs_result *results[sizeof all / sizeof *all];
    struct db_args args = {.count = 0};

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        results[i] = &all[i];
    }
    assert_non_null(jobs_record(&args, &run, results, sizeof all / sizeof *all, &limits));
    assert_int_equal(args.count, 14);
    /* A claim's token is sent once for all of its results. */
    expect_arg(
        &args, 1,
        "{\"01234567-0123-4123-8123-012300000001\",\"01234567-0123-4123-8123-01230000001f\"}");
    expect_arg(&args, 2, "{1,2,2,2,1,1}");
    expect_arg(&args, 3, "{1,2,3,4,5,6}");
    expect_arg(&args, 4, "{1,2,0,0,0,0}");
    expect_arg(&args, 5, "{NULL,\"retry\",\"wait\",\"hold\",\"fail\",\"release\"}");
    expect_arg(&args, 6, "{\"absent\"}");
    expect_arg(&args, 7, "{404,NULL,409}");
    expect_arg(&args, 8, "{5}");
    expect_arg(&args, 9, "{NULL,\"why\",\"why\",\"why\",\"why\"}");
    expect_arg(&args, 10, "{12,0,0,0,0,0}");
    expect_arg(&args, 11, "{NULL,60}");
    expect_arg(&args, 14, "20");
    db_args_clear(&args);
    assert_non_null(jobs_record(&args, &run, results, 0, &limits));
    expect_arg(&args, 1, "{}");
    expect_arg(&args, 3, "{}");
    db_args_clear(&args);
}

static void
test_what_a_run_did(void **state)
{
    static const struct jobs_run run = {.token = "01234567-0123-4123-8123-012300000000"};
    static const struct jobs_totals totals = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    struct db_args args = {.count = 0};

    (void)state;
    assert_non_null(jobs_run_finished(&args, &run, 1234, 3, &totals, "a note"));
    expect_arg(&args, 5, "1234");
    expect_arg(&args, 6, "3");
    for (int i = 1; i <= 11; i++) {
        char number[8];

        (void)snprintf(number, sizeof number, "%d", i);
        expect_arg(&args, 6 + i, number);
    }
    db_args_clear(&args);
}

static void
test_what_was_observed(void **state)
{
    static const struct jobs_observation seen[] = {
        {"app", "d", "print", "a:1", "sha256:1", 5, "c"},
        {"other", "d", "print", NULL, NULL, -1, NULL},
        {"empty", "d", "print", "a:2", "sha256:2", 0, "c"},
    };
    struct db_args args = {.count = 0};

    (void)state;
    assert_non_null(jobs_observed(&args, seen, 3));
    expect_arg(&args, 1, "{\"app\",\"other\",\"empty\"}");
    expect_arg(&args, 4, "{\"a:1\",NULL,\"a:2\"}");
    expect_arg(&args, 6, "{5,NULL,0}");
    db_args_clear(&args);
}

static void
test_what_is_new(void **state)
{
    static const char *const cells[] = {
        "nextcloud", "",     NULL, NULL,   NULL, NULL,   NULL,   "f",    NULL, "daemon", "d",  "?",
        NULL,        "http", "h",  "1",    "t",  "down", "look", "a",    NULL, "d",      NULL, "h",
        "1",         "f",    NULL, "gone", "e",  NULL,   "d",    "http", NULL, "1",      "f",  NULL,
    };
    static const enum jobs_news_kind kinds[] = {JOBS_NEWS_NEXTCLOUD, JOBS_NEWS_DAEMON,
                                                JOBS_NEWS_LOOK, JOBS_NEWS_GONE};
    struct db_result *result = db_answer(9, 4, cells);

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct jobs_news_row row;

        jobs_read_news(result, i, &row);
        assert_int_equal(row.kind, kinds[i]);
        assert_int_equal(row.paused, i == 1);
        assert_int_equal(row.place.docker_socket_port, i == 1 ? 1 : 0);
        assert_int_equal(row.place.protocol != NULL, i == 1);
        assert_int_equal(row.place.host != NULL, i == 1);
    }
    db_result_free(result);
}

static void
test_tokens(void **state)
{
    char first[JOBS_TOKEN_SIZE];
    char second[JOBS_TOKEN_SIZE];
    struct err err;

    (void)state;
    assert_true(jobs_make_token(first, &err));
    assert_true(jobs_make_token(second, &err));
    assert_string_not_equal(first, second);
    assert_int_equal(strlen(first), 36);
    assert_string_equal(first + 28, "00000000"); /* where its claims are counted */
    assert_int_equal(first[14], '4');
    assert_non_null(strchr("89ab", first[19]));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_claim_tells),
        cmocka_unit_test(test_claims_that_stand),
        cmocka_unit_test(test_what_became_of_a_record),
        cmocka_unit_test(test_what_is_recorded),
        cmocka_unit_test(test_answers_of_a_record_that_do_not_add_up),
        cmocka_unit_test(test_what_was_observed),
        cmocka_unit_test(test_what_is_new),
        cmocka_unit_test(test_what_a_run_did),
        cmocka_unit_test(test_tokens),
    };

    return cmocka_run_group_tests_name("jobs", tests, NULL, NULL);
}
