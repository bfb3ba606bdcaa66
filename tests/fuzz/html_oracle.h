/*
 * A second reader of the report's page, which knows nothing of html_out.c: what a stranger's text
 * could break is that a '<' begins an element, that a '&' begins a reference, and that elements end
 * in the order in which they stand. Names of elements and attributes are those of the page alone.
 */
#ifndef HARPSWEEP_FUZZ_HTML_ORACLE_H
#define HARPSWEEP_FUZZ_HTML_ORACLE_H

#include "fuzz.h"

#define HTML_ORACLE_DEPTH 32

static const char html_oracle_elements[] =
    " html head title style body header h1 h2 h3 p strong nav ul li a main section dl div dt dd "
    "code bdi time table caption thead tbody tr th td span svg line rect footer ";
static const char html_oracle_attributes[] =
    " lang charset name content http-equiv class id aria-labelledby aria-label aria-hidden href "
    "datetime role tabindex scope data-label viewBox preserveAspectRatio x y x1 x2 y1 y2 width "
    "height ";
static const struct {
    const char *text;
    size_t length;
} html_oracle_references[] = {{"&amp;", 5}, {"&lt;", 4}, {"&gt;", 4}, {"&quot;", 6}, {"&#39;", 5}};

struct html_oracle {
    const char *at;
    const char *open[HTML_ORACLE_DEPTH]; /* where their names stand */
    size_t lengths[HTML_ORACLE_DEPTH];
    size_t depth;
};

/* libFuzzer's and the sanitizer's strncmp() would be a third of the time. Both texts end with a
 * NUL. */
FUZZ_PLAIN bool
html_oracle_begins(const char *text, const char *with, size_t length)
{
    size_t i = 0;

    while (i < length && text[i] == with[i] && text[i] != '\0') {
        i++;
    }
    return i == length;
}

/* Whether a name is one of the words, which have a space on both sides. */
FUZZ_PLAIN bool
html_oracle_is_one_of(const char *words, const char *name, size_t length)
{
    for (const char *word = words + 1; *word != '\0'; word++) {
        if (html_oracle_begins(word, name, length) && word[length] == ' ') {
            return length > 0;
        }
        while (*word != ' ') {
            word++;
        }
    }
    return false;
}

/* How much of text is a letter, or a reference; 0: it is markup. */
FUZZ_PLAIN size_t
html_oracle_letter(const char *text)
{
    if (*text != '&') {
        return *text != '<' && *text != '>' && *text != '"' && *text != '\'' ? 1 : 0;
    }
    for (size_t i = 0; i < sizeof html_oracle_references / sizeof *html_oracle_references; i++) {
        size_t length = html_oracle_references[i].length;

        if (html_oracle_begins(text, html_oracle_references[i].text, length)) {
            return length;
        }
    }
    return 0;
}

/* Nothing but text and references up to the letter that ends it. */
FUZZ_PLAIN void
html_oracle_text(struct html_oracle *html, char end)
{
    while (*html->at != '\0' && *html->at != end) {
        size_t length = html_oracle_letter(html->at);

        FUZZ_CHECK(length > 0, "raw in a text: %.60s", html->at);
        html->at += length;
    }
}

/* How long a name is. */
FUZZ_PLAIN size_t
html_oracle_name(const char *text)
{
    size_t length = 0;

    while (text[length] != '\0' && text[length] != ' ' && text[length] != '=' &&
           text[length] != '>') {
        length++;
    }
    return length;
}

FUZZ_PLAIN void
html_oracle_close(struct html_oracle *html)
{
    size_t length = html_oracle_name(html->at);

    FUZZ_CHECK(html->depth > 0, "nothing is open: %.60s", html->at);
    html->depth--;
    FUZZ_CHECK(length == html->lengths[html->depth] &&
                   html_oracle_begins(html->at, html->open[html->depth], length) &&
                   html->at[length] == '>',
               "%.*s is open: %.60s", (int)html->lengths[html->depth], html->open[html->depth],
               html->at);
    html->at += length + 1;
}

FUZZ_PLAIN void
html_oracle_open(struct html_oracle *html)
{
    const char *name = html->at;
    size_t length = html_oracle_name(name);
    bool is_void = length == 4 && html_oracle_begins(name, "meta", 4);

    FUZZ_CHECK(is_void || html_oracle_is_one_of(html_oracle_elements, name, length),
               "no element of the page: %.60s", name);
    html->at += length;
    while (*html->at == ' ') {
        const char *attribute = ++html->at;
        size_t size = html_oracle_name(attribute);

        FUZZ_CHECK(html_oracle_is_one_of(html_oracle_attributes, attribute, size) &&
                       html_oracle_begins(attribute + size, "=\"", 2),
                   "no attribute of the page: %.60s", attribute);
        html->at += size + 2;
        html_oracle_text(html, '"');
        FUZZ_CHECK(*html->at == '"', "no end: %.60s", attribute);
        html->at++;
    }
    FUZZ_CHECK(*html->at == '>', "no end: %.60s", name);
    html->at++;
    if (!is_void) {
        FUZZ_CHECK(html->depth < HTML_ORACLE_DEPTH, "too deep: %.60s", name);
        html->open[html->depth] = name;
        html->lengths[html->depth++] = length;
    }
}

/* The style is ours alone: the end of its element is the first thing in it that looks like one. */
FUZZ_PLAIN void
html_oracle_style(struct html_oracle *html)
{
    size_t length = html->depth == 0 ? 0 : html->lengths[html->depth - 1];

    if (length == 5 && html_oracle_begins(html->open[html->depth - 1], "style", 5)) {
        html->at += strcspn(html->at, "<");
        FUZZ_CHECK(html_oracle_begins(html->at, "</style>", 8), "within the style: %.60s",
                   html->at);
    }
}

FUZZ_PLAIN void
html_oracle_check(const char *page)
{
    static const char doctype[] = "<!DOCTYPE html>";
    struct html_oracle html = {.at = page};

    FUZZ_CHECK(strncmp(page, doctype, sizeof doctype - 1) == 0, "%.60s", page);
    html.at += sizeof doctype - 1;
    for (html_oracle_text(&html, '<'); *html.at != '\0'; html_oracle_text(&html, '<')) {
        html.at++;
        if (*html.at == '/') {
            html.at++;
            html_oracle_close(&html);
        } else {
            html_oracle_open(&html);
            html_oracle_style(&html);
        }
    }
    FUZZ_CHECK(html.depth == 0, "%zu elements are open", html.depth);
    FUZZ_CHECK(html.at[-1] == '\n', "no end of the line");
}

#endif
