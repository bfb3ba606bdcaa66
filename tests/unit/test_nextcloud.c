/* Nextcloud's own settings: what AppAPI reads, and what it could not read. */
#include "nextcloud.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ENABLED "image_cleanup_enabled"
#define GRACE "image_cleanup_grace_hours"

static void
test_the_default(void **state)
{
    struct nextcloud_cleanup cleanup = nextcloud_cleanup_default();

    (void)state;
    assert_true(cleanup.enabled);
    assert_int_equal(cleanup.grace_hours, 24);
    assert_string_equal(cleanup.problem, "");
}

static void
test_rows(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        int64_t type;
        bool enabled;
        int64_t grace_hours;
        const char *problem;
    } cases[] = {
        {ENABLED, "1", 32, true, 24, ""},
        {ENABLED, "true", 32, true, 24, ""},
        {ENABLED, "Yes", 2, true, 24, ""},
        {ENABLED, "on", 2, true, 24, ""},
        {ENABLED, "0", 32, false, 24, ""},
        {ENABLED, "false", 2, false, 24, ""},
        {ENABLED, "NO", 32, false, 24, ""},
        {ENABLED, "", 32, false, 24, ""},
        {ENABLED, "2", 32, false, 24, "\"2\" is neither yes nor no"},
        {ENABLED, "1 ", 32, false, 24, "\"1 \" is neither yes nor no"},
        {ENABLED, "1", 4, false, 24, "of type 4, which AppAPI does not read"},
        {ENABLED, "1", 8, false, 24, "of type 8, which AppAPI does not read"},
        {ENABLED, "$AppConfigEncryption$x", 33, false, 24,
         "of type 33, which AppAPI does not read"},
        {GRACE, "0", 8, true, 0, ""},
        {GRACE, "48", 8, true, 48, ""},
        {GRACE, "720", 2, true, 720, ""},
        {GRACE, "721", 8, true, 720, ""},
        {GRACE, "999999999", 8, true, 720, ""},
        {GRACE, "-1", 8, true, 0, ""},
        {GRACE, "9999999999", 8, false, 24, "is not a whole number of hours"},
        {GRACE, "24h", 8, false, 24, "is not a whole number of hours"},
        {GRACE, "1.5", 8, false, 24, "is not a whole number of hours"},
        {GRACE, "", 8, false, 24, "is not a whole number of hours"},
        {GRACE, "1-", 8, false, 24, "is not a whole number of hours"},
        {GRACE, " 5", 8, false, 24, "is not a whole number of hours"},
        {GRACE, "+5", 8, false, 24, "is not a whole number of hours"},
        {GRACE, "--1", 8, false, 24, "is not a whole number of hours"},
        {GRACE, "24", 32, false, 24, "of type 32, which AppAPI does not read"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nextcloud_cleanup cleanup = nextcloud_cleanup_default();

        nextcloud_cleanup_take(&cleanup, cases[i].name, cases[i].value, cases[i].type);
        assert_int_equal(cleanup.enabled, cases[i].enabled);
        assert_int_equal(cleanup.grace_hours, cases[i].grace_hours);
        if (cases[i].problem[0] == '\0') {
            assert_string_equal(cleanup.problem, "");
        } else {
            assert_non_null(strstr(cleanup.problem, cases[i].name));
            assert_non_null(strstr(cleanup.problem, cases[i].problem));
            assert_non_null(strstr(cleanup.problem, "cleanup counts as disabled"));
        }
    }
}

static void
test_one_bad_row_is_enough(void **state)
{
    struct nextcloud_cleanup cleanup = nextcloud_cleanup_default();

    (void)state;
    nextcloud_cleanup_take(&cleanup, GRACE, "x", 8);
    nextcloud_cleanup_take(&cleanup, ENABLED, "1", 32);
    assert_false(cleanup.enabled);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_default),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_one_bad_row_is_enough),
    };

    return cmocka_run_group_tests_name("nextcloud", tests, NULL, NULL);
}
