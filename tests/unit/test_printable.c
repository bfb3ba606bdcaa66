/* What may be shown of a text, and how many columns it takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mem.h"
#include "printable.h"

#include <string.h>

static void
test_decoding(void **state)
{
    static const struct {
        const char *text;
        size_t length;
        uint32_t code;
    } cases[] = {
        {"a", 1, 'a'},
        {"\x7f", 1, 0x7f},
        {"\xc2\x80", 2, 0x80},
        {"\xdf\xbf", 2, 0x7ff},
        {"\xe0\xa0\x80", 3, 0x800},
        {"\xef\xbf\xbf", 3, 0xffff},
        {"\xf0\x90\x80\x80", 4, 0x10000},
        {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
        {"\xed\x9f\xbf", 3, 0xd7ff},
        {"\xee\x80\x80", 3, 0xe000},
        /* Continuations without a beginning, overlong forms, surrogates, too large, five bytes,
           cut. */
        {"\x80", 0, 1},
        {"\xbf\x80", 0, 1},
        {"\xc0\x80", 0, 1},
        {"\xc1\xbf", 0, 1},
        {"\xe0\x9f\xbf", 0, 1},
        {"\xf0\x8f\xbf\xbf", 0, 1},
        {"\xed\xa0\x80", 0, 1},
        {"\xed\xbf\xbf", 0, 1},
        {"\xf4\x90\x80\x80", 0, 1},
        {"\xf8\x90\x80\x80\x80", 0, 1},
        {"\xff\x90\x80\x80", 0, 1},
        {"\xc3", 0, 1},
        {"\xc3\x28", 0, 1},
        {"\xc3\xc3", 0, 1},
        {"\xe2\x82", 0, 1},
        {"\xf0\x9f\x98", 0, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t code = 1;

        assert_int_equal(printable_decode(cases[i].text, &code), cases[i].length);
        assert_int_equal(code, cases[i].code); /* of what is no character nothing is told */
    }
}

static void
test_controls(void **state)
{
    (void)state;
    assert_true(printable_is_control(0x1f));
    assert_false(printable_is_control(0x20));
    assert_false(printable_is_control(0x7e));
    assert_true(printable_is_control(0x7f));
    assert_true(printable_is_control(0x9f));
    assert_false(printable_is_control(0xa0));
    assert_true(printable_is_control(0x202e)); /* it turns the line around */
    assert_false(printable_is_control(0x20ac));
}

static void
test_adding(void **state)
{
    static const struct {
        const char *text;
        const char *shown;
        size_t width;
    } cases[] = {
        {NULL, "", 0},
        {"", "", 0},
        {"a b", "a b", 3},
        {"\n\t\r", "\\n\\t\\r", 6},
        {"\x1b[0m", "\\x1b[0m", 7},
        {"\xc2\x9b", "\\x9b", 4},
        {"\xe2\x80\xae", "\\u{202e}", 8},
        {"a\xff", "a\\xff", 5},
        {"caf\xc3\xa9", "caf\xc3\xa9", 4},
        {"e\xcc\x81", "e\xcc\x81", 1},               /* an accent takes no column of its own */
        {"\xe6\x97\xa5", "\xe6\x97\xa5", 2},         /* this takes two */
        {"\xcd\xb8", "\xcd\xb8", 1},                 /* no character yet */
        {"\xf4\x8f\xbf\xbe", "\xf4\x8f\xbf\xbe", 1}, /* nor ever */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;

        buf_init(&out, 100);
        assert_int_equal(printable_add(&out, cases[i].text), cases[i].width);
        assert_string_equal(buf_text(&out), cases[i].shown);
        buf_free(&out);
    }
}

static void
test_only_what_fits_is_counted(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 1);
    assert_int_equal(printable_add(&out, "ab\n"), 1);
    assert_string_equal(buf_text(&out), "a");
    assert_true(out.overflow);
    buf_free(&out);
}

static void
test_fitting(void **state)
{
    static const struct {
        const char *text;
        size_t room;
        size_t length;
        size_t width;
    } cases[] = {
        {"", 3, 0, 0},
        {"abc", 2, 2, 2},
        {"abc", 3, 3, 3},
        {"abc", 9, 3, 3},
        {"\xff\xff"
         "a",
         9, 3, 3},
        {"\xff\xff"
         "a",
         2, 2, 2},
        {"a\xe6\x97\xa5", 2, 1, 1},
        {"a\xe6\x97\xa5", 3, 4, 3},
        {"e\xcc\x81x", 1, 3, 1},
        {"\xcd\xb8\xcd\xb8", 1, 2, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t width = 77;

        assert_int_equal(printable_fit(cases[i].text, cases[i].room, &width), cases[i].length);
        assert_int_equal(width, cases[i].width);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoding), cmocka_unit_test(test_controls),
        cmocka_unit_test(test_adding),   cmocka_unit_test(test_only_what_fits_is_counted),
        cmocka_unit_test(test_fitting),
    };

    return cmocka_run_group_tests_name("printable", tests, NULL, NULL);
}
