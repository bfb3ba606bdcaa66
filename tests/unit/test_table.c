/* Tables, spans and sizes for people; text that must not reach a terminal as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mem.h"
#include "printable.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
assert_printable(const char *text, const char *expected, size_t width)
{
    struct buf out;

    buf_init(&out, 1000);
    assert_int_equal(printable_add(&out, text), width);
    assert_string_equal(buf_text(&out), expected);
    buf_free(&out);
}

static void
test_printable(void **state)
{
    char *copy;

    (void)state;
    assert_printable(NULL, "", 0);
    assert_printable("plain", "plain", 5);
    assert_printable("a\nb\tc\rd", "a\\nb\\tc\\rd", 10);
    assert_printable("\x1b[31m", "\\x1b[31m", 8);
    assert_printable("\x7f", "\\x7f", 4);
    assert_printable("\xc2\x9b", "\\x9b", 4);                    /* C1: CSI */
    assert_printable("\xe2\x80\xae", "\\u{202e}", 8);            /* right-to-left override */
    assert_printable("caf\xc3\xa9", "caf\xc3\xa9", 4);           /* two bytes, one column */
    assert_printable("e\xcc\x81", "e\xcc\x81", 1);               /* combining accent */
    assert_printable("\xe6\x97\xa5", "\xe6\x97\xa5", 2);         /* CJK */
    assert_printable("\xf0\x9f\x90\xb3", "\xf0\x9f\x90\xb3", 2); /* emoji */
    assert_printable("\xe3\x80\x80", "\xe3\x80\x80", 2);         /* ideographic space */
    assert_printable("\xe1\xb3\x90", "\xe1\xb3\x90", 0);         /* a mark of Vedic */
    assert_printable("\xee\x80\x80", "\xee\x80\x80", 1);         /* private use: nobody knows */
    assert_printable("\xff", "\\xff", 4);
    assert_printable("\xc0\xaf", "\\xc0\\xaf", 8);           /* overlong */
    assert_printable("\xed\xa0\x80", "\\xed\\xa0\\x80", 12); /* surrogate */
    assert_printable("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", 16);
    assert_printable("\xe6\x97", "\\xe6\\x97", 8); /* cut */
    copy = printable_dup("x\x01");
    assert_string_equal(copy, "x\\x01");
    mem_free(copy);
}

static void
assert_table(const struct table *table, size_t width, const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    table_print(table, out, width);
    (void)fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void
test_table(void **state)
{
    static const struct table_column columns[] = {
        {"ID", TABLE_RIGHT}, {"NAME", TABLE_LEFT}, {"WHY", TABLE_LEFT}};
    struct table *table = table_new(columns, 3);

    (void)state;
    assert_table(table, 0, "ID  NAME  WHY\n");
    table_addf(table, "%d", 7);
    table_add(table, "caf\xc3\xa9s");
    table_add(table, "a long reason that goes on");
    table_add(table, "123");
    table_add(table, NULL);
    table_add(table, "\n");
    assert_int_equal(table_rows(table), 2);
    assert_table(table, 0,
                 " ID  NAME   WHY\n"
                 "  7  caf\xc3\xa9s  a long reason that goes on\n"
                 "123         \\n\n");
    assert_table(table, 30,
                 " ID  NAME   WHY\n"
                 "  7  caf\xc3\xa9s  a long reason t...\n"
                 "123         \\n\n");
    assert_table(table, 20,
                 " ID  NAME   WHY\n"
                 "  7  caf\xc3\xa9s  a lon...\n"
                 "123         \\n\n");
    /* What is left of a line on a terminal that is narrower than that. */
    assert_table(table, 14,
                 " ID  NAME   ..\n"
                 "  7  caf\xc3\xa9s  ..\n"
                 "123         \\n\n");
    assert_table(table, 6,
                 " ID  .\n"
                 "  7  .\n"
                 "123  \n");
    table_free(table);
    table_free(NULL);
}

/* "due in 3..." would be read as hours or days. */
static void
test_what_is_whole_is_not_cut(void **state)
{
    static const struct table_column columns[] = {{"WHEN", TABLE_WHOLE}, {"WHY", TABLE_LEFT}};
    struct table *table = table_new(columns, 2);

    (void)state;
    table_add(table, "due since 12 min");
    table_add(table, "a reason");
    assert_table(table, 20,
                 "WHEN              ..\n"
                 "due since 12 min  ..\n");
    table_add(table, "x");
    table_add(table, "a longer reason than that");
    assert_table(table, 30,
                 "WHEN              WHY\n"
                 "due since 12 min  a reason\n"
                 "x                 a longer ...\n");
    table_free(table);
}

static void
test_cut_never_splits_a_character(void **state)
{
    static const struct table_column columns[] = {{"WHY", TABLE_LEFT}};
    struct table *table = table_new(columns, 1);

    (void)state;
    table_add(
        table,
        "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5");
    assert_table(table, 12, "WHY\n\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5...\n");
    table_free(table);
}

/* Of a name, the end is shown too; where a character of two columns straddles its begin, a column
 * less. */
static void
test_the_end_of_a_name_begins_with_a_whole_character(void **state)
{
    static const struct table_column columns[] = {{"IMAGE", TABLE_NAME}};
    struct table *table = table_new(columns, 1);

    (void)state;
    table_add(table, "ab\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5");
    assert_table(table, 11, "IMAGE\nab...\xe6\x97\xa5\xe6\x97\xa5\n");
    assert_table(table, 9, "IMAGE\nab...\xe6\x97\xa5\xe6\x97\xa5\n");
    table_free(table);
}

static void
test_the_widest_columns_are_cut(void **state)
{
    static const struct table_column columns[] = {
        {"APP", TABLE_LEFT}, {"IMAGE", TABLE_NAME}, {"SIZE", TABLE_RIGHT}, {"WHY", TABLE_LEFT}};
    struct table *table = table_new(columns, 4);

    (void)state;
    table_add(table, "context");
    table_add(table, "ghcr.io/nextcloud/context_chat_backend:4.4.1");
    table_add(table, "1234567890123 B");
    table_add(table, "a reason that goes on and on");
    assert_table(
        table, 80,
        "APP      IMAGE                                  SIZE  WHY\n"
        "context  ghcr.io/...t_backend:4.4.1  1234567890123 B  a reason that goes on a...\n");
    table_free(table);
}

static void
test_span(void **state)
{
    char text[TABLE_SPAN_SIZE];

    (void)state;
    assert_string_equal(table_span(0, text), "0s");
    assert_string_equal(table_span(59, text), "59s");
    assert_string_equal(table_span(60, text), "1m");
    assert_string_equal(table_span(61, text), "1m 1s");
    assert_string_equal(table_span(3 * 3600 + 20 * 60, text), "3h 20m");
    assert_string_equal(table_span(11 * 3600 + 20 * 60, text), "11h");
    assert_string_equal(table_span(86400, text), "1d");
    assert_string_equal(table_span(86400 * 400, text), "400d");
}

static void
test_size(void **state)
{
    char text[TABLE_SIZE_SIZE];

    (void)state;
    assert_string_equal(table_size(0, text), "0 B");
    assert_string_equal(table_size(999, text), "999 B");
    assert_string_equal(table_size(1000, text), "1.0 kB");
    assert_string_equal(table_size(999949, text), "999.9 kB");
    assert_string_equal(table_size(999951, text), "1.0 MB");
    assert_string_equal(table_size(INT64_C(1500000000), text), "1.5 GB");
    assert_string_equal(table_size(INT64_MAX, text), "9223.4 PB");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_printable),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_what_is_whole_is_not_cut),
        cmocka_unit_test(test_cut_never_splits_a_character),
        cmocka_unit_test(test_the_end_of_a_name_begins_with_a_whole_character),
        cmocka_unit_test(test_the_widest_columns_are_cut),
        cmocka_unit_test(test_span),
        cmocka_unit_test(test_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
