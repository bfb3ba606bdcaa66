/* What a report is made of: an answer that can't be true is an error, and not a page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db_answer.h"
#include "ledger_report.h"

#include <stdlib.h>

#define MOST "9223372036854775807"
#define CELLS_MAX 64

static const struct ledger_report_ask ask = {.day_count = 30, .day_ahead_count = 8};

/* An answer that is as it should be, at the limits where there are any. */
static const struct answer {
    int columns;
    int rows;
    const char *cells[CELLS_MAX];
} good[LEDGER_REPORT_PARTS] = {
    [LEDGER_REPORT_DAYS] = {10, 3, {"1",  "1", "2", "3", "4", "5", "6", "7", "8", "100",
                                    "2",  "0", "0", "0", "0", "0", "0", "0", "0", "0",
                                    "30", "1", "1", "1", "1", "1", "1", "1", "1", "5"}},
    [LEDGER_REPORT_APPS] = {6,
                            2,
                            {"2", "1", "0", "7", "a", "2026-03-01T14:05:09Z", "2", "0", "1", "7",
                             "b", "2026-03-01T14:05:09Z"}},
    [LEDGER_REPORT_PENDING] = {5, 4, {"-1", "2", "1", "5", "1", "0",  "1", "0", "0", "1",
                                      "8",  "1", "0", "9", "0", NULL, "1", "0", "0", "1"}},
    [LEDGER_REPORT_NEXT] = {9,
                            2,
                            {"1", "0", "9", "2026-03-01T14:05:09Z", "a", "d", "a:1", "new", "why",
                             "2", NULL, NULL, NULL, "a", "d", "a:1", "pending", NULL}},
    [LEDGER_REPORT_FAILED] = {8,
                              1,
                              {"1", "1", "20", "a", "d", "a:1", "2026-03-01T14:05:09Z", NULL}},
    [LEDGER_REPORT_DAEMONS] =
        {14, 1, {"d", "ok", "1", "2", "3", "4", "5", NULL, NULL, NULL, NULL, NULL, NULL, NULL}},
};

/* A value in the place of a good one. */
struct change {
    enum ledger_report_part part;
    int row;
    int column;
    const char *value;
};

static bool
check_with(const struct change *changes, size_t count, struct err *err)
{
    struct ledger_report report;
    bool done;

    for (size_t part = 0; part < LEDGER_REPORT_PARTS; part++) {
        struct answer answer = good[part];

        for (size_t i = 0; i < count; i++) {
            if ((size_t)changes[i].part == part) {
                answer.cells[changes[i].row * answer.columns + changes[i].column] =
                    changes[i].value;
            }
        }
        report.parts[part] = db_answer(answer.columns, answer.rows, answer.cells);
    }
    done = ledger_report_check(&report, &ask, err);
    ledger_report_free(&report);
    return done;
}

static void
test_good_answers(void **state)
{
    static const struct change most[] = {
        /* With those of the other rows, exactly what an int64_t holds. */
        {LEDGER_REPORT_DAYS, 0, LEDGER_DAYS_BYTES, "9223372036854775802"},
        {LEDGER_REPORT_PENDING, 0, LEDGER_PENDING_BYTES, "9223372036854775798"},
        {LEDGER_REPORT_APPS, 0, LEDGER_APPS_BYTES, "9223372036854775800"},
        /* Nobody adds these. */
        {LEDGER_REPORT_NEXT, 0, LEDGER_NEXT_ID, MOST},
        {LEDGER_REPORT_NEXT, 1, LEDGER_NEXT_ID, MOST},
    };
    struct err err = {.kind = ERR_NONE};

    (void)state;
    assert_true(check_with(NULL, 0, &err));
    assert_true(check_with(most, sizeof most / sizeof *most, &err));
    assert_int_equal(err.kind, ERR_NONE);
}

static void
expect_refused(const struct change *changes, size_t count, const char *text)
{
    struct err err = {.kind = ERR_NONE};

    assert_false(check_with(changes, count, &err));
    assert_string_equal(err.text, text);
    assert_int_equal(err_exit_code(err.kind), EXIT_CODE_UNAVAILABLE);
}

static void
test_places(void **state)
{
    static const struct {
        struct change change;
        const char *text;
    } cases[] = {
        {{LEDGER_REPORT_DAYS, 0, LEDGER_DAYS_DAY, "0"},
         "report_days, row 1: c0 is '0', not a whole number from 1 to 30"},
        {{LEDGER_REPORT_DAYS, 2, LEDGER_DAYS_DAY, "31"},
         "report_days, row 3: c0 is '31', not a whole number from 1 to 30"},
        {{LEDGER_REPORT_DAYS, 0, LEDGER_DAYS_DAY, "-9223372036854775808"},
         "report_days, row 1: c0 is '-9223372036854775808', not a whole number from 1 to 30"},
        {{LEDGER_REPORT_DAYS, 1, LEDGER_DAYS_DAY, "1"},
         "report_days, row 2: c0 is 1 after 1, which is out of order"},
        {{LEDGER_REPORT_DAYS, 0, LEDGER_DAYS_DAY, "3"},
         "report_days, row 2: c0 is 2 after 3, which is out of order"},
        {{LEDGER_REPORT_DAYS, 2, LEDGER_DAYS_DAY, NULL}, "report_days, row 3: c0 is null"},
        {{LEDGER_REPORT_PENDING, 0, LEDGER_PENDING_SLOT, "-2"},
         "report_pending, row 1: c0 is '-2', not a whole number from -1 to 8"},
        {{LEDGER_REPORT_PENDING, 2, LEDGER_PENDING_SLOT, "9"},
         "report_pending, row 3: c0 is '9', not a whole number from -1 to 8"},
        {{LEDGER_REPORT_PENDING, 1, LEDGER_PENDING_SLOT, "-1"},
         "report_pending, row 2: c0 is -1 after -1, which is out of order"},
        {{LEDGER_REPORT_PENDING, 0, LEDGER_PENDING_SLOT, NULL},
         "report_pending, row 1: c0 is null"},
        /* Bars are parts of the first one. */
        {{LEDGER_REPORT_APPS, 1, LEDGER_APPS_BYTES, "8"},
         "report_apps, row 2: c3 is 8 after 7, which is out of order"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];

        (void)snprintf(text, sizeof text, "database: %s", cases[i].text);
        expect_refused(&cases[i].change, 1, text);
    }
}

/* Every number, and every text that is never null. */
static void
test_values(void **state)
{
    static const char *const columns[LEDGER_REPORT_PARTS] = {
        [LEDGER_REPORT_DAYS] = "9999999999", [LEDGER_REPORT_APPS] = "9999tt",
        [LEDGER_REPORT_PENDING] = "09999",   [LEDGER_REPORT_NEXT] = "900 tttt ",
        [LEDGER_REPORT_FAILED] = "999tttt ", [LEDGER_REPORT_DAEMONS] = "tt99999       ",
    };
    static const char *const queries[LEDGER_REPORT_PARTS] = {
        [LEDGER_REPORT_DAYS] = "report_days",       [LEDGER_REPORT_APPS] = "report_apps",
        [LEDGER_REPORT_PENDING] = "report_pending", [LEDGER_REPORT_NEXT] = "report_next",
        [LEDGER_REPORT_FAILED] = "report_failed",   [LEDGER_REPORT_DAEMONS] = "report_daemons",
    };
    static const char *const wrong[] = {"",
                                        "x",
                                        " 1",
                                        "1 ",
                                        "+1",
                                        "-",
                                        "--1",
                                        "1.0",
                                        "1e3",
                                        "0x1",
                                        "1\n",
                                        "NaN",
                                        "infinity",
                                        "-5",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "99999999999999999999999999"};
    size_t numbers = 0;

    (void)state;
    for (int part = 0; part < LEDGER_REPORT_PARTS; part++) {
        const char *letters = columns[part];

        assert_int_equal(strlen(letters), good[part].columns);
        for (int column = 0; column < good[part].columns; column++) {
            struct change change = {(enum ledger_report_part)part, 0, column, NULL};
            char text[200];
            struct err err;

            (void)snprintf(text, sizeof text, "database: %s, row 1: c%d is null", queries[part],
                           column);
            if (strchr("9t", letters[column]) != NULL) {
                expect_refused(&change, 1, text);
            } else if (letters[column] == ' ' || part == LEDGER_REPORT_NEXT) {
                assert_true(check_with(&change, 1, &err));
            }
            for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                change.value = wrong[i];
                if (strchr("90", letters[column]) == NULL) {
                    assert_true(check_with(&change, 1, &err));
                    continue;
                }
                assert_false(check_with(&change, 1, &err));
                (void)snprintf(text, sizeof text, "database: %s, row 1: c%d is '%s', not a ",
                               queries[part], column, wrong[i]);
                assert_memory_equal(err.text, text, strlen(text));
                assert_int_equal(err.kind, ERR_DB);
                numbers++;
            }
        }
    }
    assert_int_equal(numbers, (10 + 4 + 5 + 3 + 3 + 5) * sizeof wrong / sizeof *wrong);
}

static void
test_sums(void **state)
{
    static const struct change rows[] = {{LEDGER_REPORT_DAYS, 0, LEDGER_DAYS_BYTES, MOST}};
    static const struct change pending[] = {
        {LEDGER_REPORT_PENDING, 0, LEDGER_PENDING_BYTES, "9223372036854775799"}};
    static const struct change apps[] = {
        {LEDGER_REPORT_APPS, 0, LEDGER_APPS_BYTES, "9223372036854775801"}};
    /* "Ended otherwise" is a sum over columns. */
    static const struct change columns[] = {
        {LEDGER_REPORT_DAYS, 1, LEDGER_DAYS_REMOVED + 1, "5000000000000000000"},
        {LEDGER_REPORT_DAYS, 2, LEDGER_DAYS_REMOVED + 2, "5000000000000000000"}};

    (void)state;
    expect_refused(rows, 1,
                   "database: report_days, row 3: with c9 5 the sum is more than a number of 64 "
                   "bits holds");
    expect_refused(pending, 1,
                   "database: report_pending, row 3: with c3 9 the sum is more than a number of "
                   "64 bits holds");
    expect_refused(apps, 1,
                   "database: report_apps, row 2: with c3 7 the sum is more than a number of 64 "
                   "bits holds");
    expect_refused(columns, 2,
                   "database: report_days, row 3: with c3 5000000000000000000 the sum is more than "
                   "a number of 64 bits holds");
}

/* A value as long as a page is named by its beginning. */
static void
test_long_values(void **state)
{
    char value[150];
    const struct change change = {LEDGER_REPORT_FAILED, 0, LEDGER_FAILURES_ID, value};

    (void)state;
    memset(value, '7', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    expect_refused(&change, 1,
                   "database: report_failed, row 1: c1 is "
                   "'777777777777777777777777777777777777777777777777777777777777', not a whole "
                   "number from 0 to 9223372036854775807");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_answers), cmocka_unit_test(test_places),
        cmocka_unit_test(test_values),       cmocka_unit_test(test_sums),
        cmocka_unit_test(test_long_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
