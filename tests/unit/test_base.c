/* The small things that everything stands on: buffers, errors, what is logged, array literals,
 * SQLSTATEs, tokens. */
#include "buf.h"
#include "clock.h"
#include "db.h"
#include "err.h"
#include "fdio.h"
#include "jobs.h"
#include "log.h"
#include "mem.h"
#include "sqlstate.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void
test_buf_holds_no_more_than_its_maximum(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 8);
    assert_string_equal(buf_text(&buf), "");
    assert_true(buf_add_text(&buf, "12345678"));
    assert_false(buf.overflow);
    assert_false(buf_add(&buf, "9", 1));
    assert_true(buf.overflow);
    assert_string_equal(buf_text(&buf), "12345678");
    buf_clear(&buf);
    assert_false(buf.overflow);
    assert_true(buf_printf(&buf, "%d", 42));
    assert_string_equal(buf_text(&buf), "42");
    buf_free(&buf);
    assert_int_equal(buf.length, 0);
}

static void
test_buf_prints_what_is_longer_than_its_guess(void **state)
{
    char text[2000];
    struct buf buf;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    buf_init(&buf, 10000);
    assert_true(buf_printf(&buf, "<%s>", text));
    assert_int_equal(buf.length, sizeof text + 1);
    buf_free(&buf);
}

static void
test_err_names_the_exit_code(void **state)
{
    struct err err;

    (void)state;
    assert_false(err_set(&err, ERR_CONFIG, "%s is wrong", "x"));
    assert_string_equal(err.text, "x is wrong");
    assert_string_equal(err.hint, "");
    assert_false(err_hint(&err, "mend %s", "it"));
    assert_string_equal(err.hint, "mend it");
    assert_false(err_set(NULL, ERR_CONFIG, "nobody listens"));
    assert_int_equal(err_exit_code(ERR_NONE), 0);
    assert_int_equal(err_exit_code(ERR_USAGE), 64);
    assert_int_equal(err_exit_code(ERR_DB_LOST), 69);
    assert_int_equal(err_exit_code(ERR_DB_AGAIN), 69);
    assert_int_equal(err_exit_code(ERR_DB), 69);
    assert_int_equal(err_exit_code(ERR_INTERNAL), 70);
    assert_int_equal(err_exit_code(ERR_CONFIG), 78);
    assert_int_equal(err_exit_code(ERR_SCHEMA), 78);
}

/* What log_warning() makes of a name, without what stands before it and the end of its line. */
static void
assert_logged(const char *name, const char *expected)
{
    FILE *before = stderr;
    char *text = NULL;
    size_t length = 0;

    stderr = open_memstream(&text, &length);
    assert_non_null(stderr);
    log_warning("<%s>", name);
    (void)fclose(stderr);
    stderr = before;
    assert_true(length > 21);
    assert_memory_equal(text, "harpsweep: warning: <", 21);
    assert_memory_equal(text + length - 2, ">\n", 2);
    text[length - 2] = '\0';
    assert_string_equal(text + 21, expected);
    free(text);
}

/* U+009B begins a command to a terminal as ESC [ does, U+202E turns the line around. */
static void
test_names_do_not_play_with_a_terminal(void **state)
{
    struct err err = {.text = ""};
    FILE *before = stderr;
    char *text = NULL;
    size_t length = 0;

    (void)state;
    assert_logged("caf\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x98\x80",
                  "caf\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x98\x80");
    assert_logged("a\nb\tc\x1b[2Jd\x7f", "a b c [2Jd ");
    assert_logged("a\xc2\x9b"
                  "2Jb\xe2\x80\xae"
                  "c\xe2\x80\xa8"
                  "d",
                  "a 2Jb c d");
    assert_logged("a\xff"
                  "b\xc2\xc0\xaf\xed\xa0\x80",
                  "a?b??????");
    assert_logged("", "");

    (void)err_set(&err, ERR_CONFIG, "x");
    (void)err_hint(&err, "chmod 600 a\xc2\x9b"
                         "2Jb\n");
    stderr = open_memstream(&text, &length);
    assert_non_null(stderr);
    log_err(&err);
    (void)fclose(stderr);
    stderr = before;
    assert_string_equal(text, "harpsweep: error: x\nharpsweep: hint: chmod 600 a 2Jb \n");
    free(text);
}

static void
test_array_literals_escape(void **state)
{
    struct db_args args = {.count = 0};
    struct buf array;

    (void)state;
    db_array_begin(&array);
    db_array_text(&array, "a\"b\\c,{}");
    db_array_text(&array, NULL);
    db_array_text(&array, "NULL");
    db_array_text(&array, "");
    db_arg_array(&args, &array);
    assert_string_equal(args.values[0], "{\"a\\\"b\\\\c,{}\",NULL,\"NULL\",\"\"}");
    db_array_begin(&array);
    db_array_int(&array, -5);
    db_array_int(&array, INT64_MAX);
    db_array_int(&array, INT64_MIN);
    db_array_int(&array, 0);
    db_arg_array(&args, &array);
    assert_string_equal(args.values[1], "{-5,9223372036854775807,-9223372036854775808,0}");
    db_array_begin(&array);
    db_arg_array(&args, &array);
    assert_string_equal(args.values[2], "{}");
    db_arg_text(&args, NULL);
    assert_null(args.values[3]);
    db_arg_bool(&args, true);
    assert_string_equal(args.values[4], "t");
    assert_int_equal(args.count, 5);
    db_args_clear(&args);
    assert_int_equal(args.count, 0);
}

static void
test_sqlstates_that_mean_reconnect_repeat_or_give_up(void **state)
{
    static const struct {
        const char *state;
        enum err_kind kind;
    } cases[] = {
        {"08006", ERR_DB_LOST},  {"08P01", ERR_DB_LOST},  {"57P01", ERR_DB_LOST},
        {"57P02", ERR_DB_LOST},  {"57P03", ERR_DB_LOST},  {"57P05", ERR_DB_LOST},
        {"25006", ERR_DB_LOST},  {"25001", ERR_DB},       {"40001", ERR_DB_AGAIN},
        {"40P01", ERR_DB_AGAIN}, {"55P03", ERR_DB_AGAIN}, {"57014", ERR_DB_AGAIN},
        {"3F000", ERR_SCHEMA},   {"42P01", ERR_SCHEMA},   {"42703", ERR_SCHEMA},
        {"42883", ERR_SCHEMA},   {"42501", ERR_SCHEMA},   {"53100", ERR_DB},
        {"23514", ERR_DB},       {"22P02", ERR_DB},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (sqlstate_kind(cases[i].state) != cases[i].kind) {
            fail_msg("%s has another kind than expected", cases[i].state);
        }
    }
}

static void
test_refused_connections_are_settings(void **state)
{
    char line[20];

    (void)state;
    assert_int_equal(sqlstate_refusal_kind("FATAL:  password authentication failed for user \"x\""),
                     ERR_CONFIG);
    assert_int_equal(sqlstate_refusal_kind("FATAL:  database \"x\" does not exist"), ERR_CONFIG);
    assert_int_equal(sqlstate_refusal_kind("connection refused"), ERR_DB_LOST);
    assert_int_equal(
        sqlstate_refusal_kind("connection to server on socket \"/x\" failed: No such file or "
                              "directory\n\tIs the server running locally?"),
        ERR_DB_LOST);
    sqlstate_line("one\n\ttwo\n", line, sizeof line);
    assert_string_equal(line, "one  two");
}

static void
test_tokens_are_uuids_and_differ(void **state)
{
    char one[JOBS_TOKEN_SIZE];
    char two[JOBS_TOKEN_SIZE];
    struct err err;

    (void)state;
    assert_true(jobs_make_token(one, &err));
    assert_true(jobs_make_token(two, &err));
    assert_int_equal(strlen(one), 36);
    assert_int_equal(one[14], '4');
    assert_string_not_equal(one, two);
}

static void
test_the_boot_clock_does_not_go_back(void **state)
{
    int64_t first = clock_boot_ms();
    const struct timespec nap = {.tv_nsec = 5000000};

    (void)state;
    (void)nanosleep(&nap, NULL);
    assert_true(clock_boot_ms() - first >= 4);
    assert_true(clock_boot_ms() - first < 60000);
    assert_true(clock_wall_ms() / 1000 - (int64_t)time(NULL) <= 1);
}

static void
test_copies_of_text(void **state)
{
    char *copy = mem_printf("%s-%d", "a", 7);

    (void)state;
    assert_string_equal(copy, "a-7");
    mem_wipe_free(copy);
    copy = mem_strndup("abcdef", 3);
    assert_string_equal(copy, "abc");
    mem_free(copy);
    assert_null(mem_strdup(NULL));
    mem_wipe_free(NULL);
}

static void
test_descriptors_that_fail(void **state)
{
    char data[8];
    int ends[2];
    int folder = open("/", O_RDONLY);
    int full = open("/dev/full", O_WRONLY);

    (void)state;
    assert_true(folder >= 0 && full >= 0);
    assert_int_equal(fdio_read(folder, data, sizeof data), -1);
    assert_int_equal(errno, EISDIR);
    assert_false(fdio_write(full, "x", 1));
    assert_int_equal(errno, ENOSPC);
    assert_true(fdio_write(full, "x", 0));
    (void)close(folder);
    (void)close(full);

    assert_int_equal(pipe(ends), 0); /* as many as come, and the end is no failure */
    assert_true(fdio_write(ends[1], "abc", 3));
    (void)close(ends[1]);
    assert_int_equal(fdio_read(ends[0], data, sizeof data), 3);
    assert_memory_equal(data, "abc", 3);
    (void)close(ends[0]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf_holds_no_more_than_its_maximum),
        cmocka_unit_test(test_buf_prints_what_is_longer_than_its_guess),
        cmocka_unit_test(test_err_names_the_exit_code),
        cmocka_unit_test(test_names_do_not_play_with_a_terminal),
        cmocka_unit_test(test_array_literals_escape),
        cmocka_unit_test(test_sqlstates_that_mean_reconnect_repeat_or_give_up),
        cmocka_unit_test(test_refused_connections_are_settings),
        cmocka_unit_test(test_tokens_are_uuids_and_differ),
        cmocka_unit_test(test_the_boot_clock_does_not_go_back),
        cmocka_unit_test(test_copies_of_text),
        cmocka_unit_test(test_descriptors_that_fail),
    };

    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
