/* HTML as it is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "html_out.h"
#include "printed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
begin(struct html_out *html)
{
    html_out_init(html, printed_begin());
}

static void
end(const struct html_out *html, const char *expected)
{
    printed_end(html->file, expected);
}

static void
test_nesting(void **state)
{
    static const struct html_attribute meta[] = {{"name", "a"}, {"content", "b;c"}, {NULL, NULL}};
    struct html_out html;

    (void)state;
    begin(&html);
    html_out_doctype(&html);
    html_out_open(&html, "html", NULL);
    html_out_void(&html, "meta", meta);
    html_out_style(&html, "p { color: red; }\n");
    html_out_open_with(&html, "p", "id", "x");
    html_out_text(&html, "one ");
    html_out_element(&html, "a", "href", "#x", "two");
    html_out_textf(&html, " %d", 3);
    html_out_close(&html);
    html_out_close(&html);
    /* Nothing is open: nothing is closed. */
    html_out_close(&html);
    end(&html, "<!DOCTYPE html>\n<html>\n<meta name=\"a\" content=\"b;c\">\n"
               "<style>\np { color: red; }\n</style>\n<p id=\"x\">one <a href=\"#x\">two</a> 3</p>"
               "</html>\n\n");
}

static void
test_depth(void **state)
{
    struct html_out html;

    (void)state;
    begin(&html);
    for (int i = 0; i < HTML_OUT_DEPTH; i++) {
        html_out_open(&html, i % 2 == 0 ? "i" : "b", NULL);
    }
    assert_int_equal(html.depth, HTML_OUT_DEPTH);
    for (int i = HTML_OUT_DEPTH; i > 0; i--) {
        assert_int_equal(html.depth, i);
        html_out_close(&html);
    }
    (void)fclose(html.file);
    assert_non_null(strstr(printed, "<i>\n<b>\n<i>"));
    assert_non_null(strstr(printed, "</b></i></b>"));
    free(printed);
}

static void
assert_text(const char *text, const char *expected)
{
    struct html_out html;
    char attribute[256];

    begin(&html);
    html_out_text(&html, text);
    end(&html, expected);
    begin(&html);
    html_out_textf(&html, "%s", text == NULL ? "" : text);
    end(&html, expected);
    /* The same holds between the quotes of an attribute, and in a name. */
    begin(&html);
    html_out_element(&html, "p", "title", text, "");
    (void)snprintf(attribute, sizeof attribute, "<p title=\"%s\"></p>", expected);
    end(&html, attribute);
    begin(&html);
    html_out_name(&html, text);
    (void)snprintf(attribute, sizeof attribute, "<bdi>%s</bdi>", expected);
    end(&html, attribute);
}

static void
test_texts(void **state)
{
    (void)state;
    assert_text(NULL, "");
    assert_text("", "");
    assert_text("a b/c:d@e", "a b/c:d@e");
    assert_text("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;");
    assert_text("\" onload=\"x' y", "&quot; onload=&quot;x&#39; y");
    assert_text("&amp;&#60;", "&amp;amp;&amp;#60;");
    assert_text("</style>", "&lt;/style&gt;");
    assert_text("%s%n", "%s%n");
    assert_text("caf\xc3\xa9 \xe6\x97\xa5", "caf\xc3\xa9 \xe6\x97\xa5");
}

/* What plays with a terminal, with the direction of writing, or is no UTF-8 at all, is shown. */
static void
test_odd_bytes(void **state)
{
    (void)state;
    assert_text("\x1b[2J\r\n\t\x7f", "\\x1b[2J\\r\\n\\t\\x7f");
    assert_text("\xc2\x85\xe2\x80\xae\xe2\x80\xa8", "\\x85\\u{202e}\\u{2028}");
    assert_text("\xff<\xc3", "\\xff&lt;\\xc3");
    /* A quote behind the first byte of a longer character is a quote. */
    assert_text("\xe6\x97\"", "\\xe6\\x97&quot;");
    /* An overlong '<' is not one, and surrogates are nothing. */
    assert_text("\xc0\xbc\xed\xa0\x80", "\\xc0\\xbc\\xed\\xa0\\x80");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_odd_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
