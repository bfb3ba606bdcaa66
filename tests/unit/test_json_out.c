/* JSON as it is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "between.h"
#include "json_out.h"
#include "printed.h"

#include <stdio.h>
#include <stdlib.h>

static void
begin(struct json_out *json)
{
    json_out_init(json, printed_begin());
}

static void
end(const struct json_out *json, const char *expected)
{
    printed_end(json->file, expected);
}

static void
test_nesting(void **state)
{
    struct json_out json;

    (void)state;
    begin(&json);
    json_out_open_object(&json, NULL);
    json_out_int(&json, "least", INT64_MIN);
    json_out_bool(&json, "yes", true);
    json_out_null(&json, "none");
    json_out_open_array(&json, "empty");
    json_out_close_array(&json);
    json_out_open_array(&json, "list");
    json_out_int(&json, NULL, 1);
    json_out_open_object(&json, NULL);
    json_out_bool(&json, "no", false);
    json_out_close_object(&json);
    json_out_close_array(&json);
    json_out_text(&json, "after", "x");
    json_out_close_object(&json);
    end(&json, "{\n  \"least\": -9223372036854775808,\n  \"yes\": true,\n  \"none\": null,\n"
               "  \"empty\": [],\n  \"list\": [\n    1,\n    {\n      \"no\": false\n    }\n  ],\n"
               "  \"after\": \"x\"\n}\n");
}

/* Deeper than anything of ours: no memory is touched that is not its own. */
static void
test_too_deep(void **state)
{
    struct json_out json;

    (void)state;
    begin(&json);
    for (int i = 0; i < JSON_OUT_DEPTH + 2; i++) {
        json_out_open_array(&json, NULL);
        assert_between(json.depth, 1, JSON_OUT_DEPTH);
    }
    for (int i = 0; i < JSON_OUT_DEPTH + 2; i++) {
        json_out_close_array(&json);
        assert_between(json.depth, 0, JSON_OUT_DEPTH);
    }
    (void)fclose(json.file);
    free(printed);
}

static void
assert_text(const char *text, const char *expected)
{
    struct json_out json;

    begin(&json);
    json_out_text(&json, NULL, text);
    end(&json, expected);
}

static void
test_texts(void **state)
{
    struct json_out json;

    (void)state;
    assert_text(NULL, "null");
    assert_text("", "\"\"");
    assert_text("a \"b\" \\c /d", "\"a \\\"b\\\" \\\\c /d\"");
    assert_text("\n\t\x01\x1b\x7f", "\"\\n\\u0009\\u0001\\u001b\\u007f\"");
    assert_text("caf\xc3\xa9", "\"caf\xc3\xa9\"");
    assert_text("\xc2\x9b\xe2\x80\xae", "\"\\u009b\\u202e\"");
    assert_text("a\xff"
                "b\xc0\xaf",
                "\"a\\ufffdb\\ufffd\\ufffd\"");
    begin(&json);
    json_out_text_or_null(&json, NULL, NULL);
    end(&json, "null");
    begin(&json);
    json_out_text_or_null(&json, NULL, "");
    end(&json, "null");
    begin(&json);
    json_out_text_or_null(&json, NULL, "x");
    end(&json, "\"x\"");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_too_deep),
        cmocka_unit_test(test_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
