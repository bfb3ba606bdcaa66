/* CSV as it is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "csv_out.h"
#include "printed.h"

#include <stdlib.h>

static void
begin(struct csv_out *csv)
{
    csv_out_init(csv, printed_begin());
}

static void
end(const struct csv_out *csv, const char *expected)
{
    printed_end(csv->file, expected);
}

static void
test_lines(void **state)
{
    struct csv_out csv;

    (void)state;
    begin(&csv);
    csv_out_text(&csv, "a");
    csv_out_text(&csv, "");
    csv_out_int(&csv, INT64_MIN);
    csv_out_end_line(&csv);
    csv_out_int(&csv, 1);
    csv_out_end_line(&csv);
    csv_out_text(&csv, "");
    csv_out_text(&csv, "b");
    csv_out_end_line(&csv);
    end(&csv, "a,,-9223372036854775808\r\n1\r\n,b\r\n");
}

static void
test_texts(void **state)
{
    static const struct {
        const char *text;
        const char *written;
        const char *foreign;
    } cases[] = {
        {"", "", ""},
        {"a b", "a b", "a b"},
        {"a,b", "\"a,b\"", "\"a,b\""},
        {"say \"a\"", "\"say \"\"a\"\"\"", "\"say \"\"a\"\"\""},
        {" a", "\" a\"", "\" a\""},
        {"a ", "\"a \"", "\"a \""},
        {" ", "\" \"", "\" \""},
        {"a\nb\r\x1b", "a\\nb\\r\\x1b", "a\\nb\\r\\x1b"},
        {"caf\xc3\xa9", "caf\xc3\xa9", "caf\xc3\xa9"},
        {"=1+1", "=1+1", "'=1+1"},
        {"+1", "+1", "'+1"},
        {"-1", "-1", "'-1"},
        {"@a", "@a", "'@a"},
        {"a=1", "a=1", "a=1"},
        {"=a,b", "\"=a,b\"", "\"'=a,b\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct csv_out csv;

        begin(&csv);
        csv_out_text(&csv, cases[i].text);
        end(&csv, cases[i].written);
        begin(&csv);
        csv_out_foreign(&csv, cases[i].text);
        end(&csv, cases[i].foreign);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_texts),
    };

    return cmocka_run_group_tests_name("csv_out", tests, NULL, NULL);
}
