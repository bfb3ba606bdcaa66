#include "html_out.h"

#include "buf.h"
#include "mem.h"
#include "printable.h"

#include <stdarg.h>
#include <string.h>

void
html_out_init(struct html_out *html, FILE *file)
{
    memset(html, 0, sizeof *html);
    html->file = file;
}

/* What is markup in a text or between the quotes of an attribute, as a reference. */
static const char *
html_out_reference(char letter)
{
    switch (letter) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

/* printable_dup() leaves valid UTF-8 only: no byte of it can be taken for another's part. */
static void
html_out_escape(const struct html_out *html, const char *text)
{
    char *printable = printable_dup(text);

    for (const char *at = printable; *at != '\0'; at++) {
        const char *reference = html_out_reference(*at);

        if (reference == NULL) {
            (void)fputc(*at, html->file);
        } else {
            (void)fputs(reference, html->file);
        }
    }
    mem_free(printable);
}

static void
html_out_tag(const struct html_out *html, const char *name, const struct html_attribute *attributes)
{
    (void)fprintf(html->file, "<%s", name);
    for (; attributes != NULL && attributes->name != NULL; attributes++) {
        (void)fprintf(html->file, " %s=\"", attributes->name);
        html_out_escape(html, attributes->value);
        (void)fputc('"', html->file);
    }
    (void)fputc('>', html->file);
}

void
html_out_open(struct html_out *html, const char *name, const struct html_attribute *attributes)
{
    /* One element a line: what is written is read by people, too. */
    (void)fputc('\n', html->file);
    html_out_tag(html, name, attributes);
    if (html->depth < HTML_OUT_DEPTH) {
        html->open[html->depth++] = name;
    }
}

void
html_out_open_with(struct html_out *html, const char *name, const char *attribute,
                   const char *value)
{
    const struct html_attribute attributes[] = {{attribute, value}, {NULL, NULL}};

    html_out_open(html, name, attributes);
}

void
html_out_close(struct html_out *html)
{
    if (html->depth > 0) {
        (void)fprintf(html->file, "</%s>", html->open[--html->depth]);
    }
    if (html->depth == 0) {
        (void)fputc('\n', html->file);
    }
}

void
html_out_void(struct html_out *html, const char *name, const struct html_attribute *attributes)
{
    (void)fputc('\n', html->file);
    html_out_tag(html, name, attributes);
}

void
html_out_text(struct html_out *html, const char *text)
{
    html_out_escape(html, text);
}

void
html_out_textf(struct html_out *html, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = mem_vprintf(format, args);
    va_end(args);
    html_out_escape(html, text);
    mem_free(text);
}

/* Within a line: a space before it would be seen. */
static void
html_out_inline(struct html_out *html, const char *name, const struct html_attribute *attributes,
                const char *text)
{
    html_out_tag(html, name, attributes);
    html_out_escape(html, text);
    (void)fprintf(html->file, "</%s>", name);
}

void
html_out_element(struct html_out *html, const char *name, const char *attribute, const char *value,
                 const char *text)
{
    const struct html_attribute attributes[] = {{attribute, value}, {NULL, NULL}};

    html_out_inline(html, name, attributes, text);
}

void
html_out_name(struct html_out *html, const char *name)
{
    html_out_inline(html, "bdi", NULL, name);
}

void
html_out_doctype(struct html_out *html)
{
    (void)fputs("<!DOCTYPE html>", html->file);
}

void
html_out_style(struct html_out *html, const char *css)
{
    (void)fprintf(html->file, "\n<style>\n%s</style>", css);
}
