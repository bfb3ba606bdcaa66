/*
 * Writes HTML to a stream, element by element: what was opened is closed in the right order, and
 * every text and every value of an attribute is escaped here and nowhere else. Names of strangers
 * (apps, daemons, images, what a daemon said) can thus be neither markup nor style, and what could
 * play with the direction of writing is shown as printable.h shows it.
 */
#ifndef HARPSWEEP_HTML_OUT_H
#define HARPSWEEP_HTML_OUT_H

#include <stdint.h>
#include <stdio.h>

#define HTML_OUT_DEPTH 24

struct html_out {
    FILE *file;
    const char *open[HTML_OUT_DEPTH]; /* names of the elements that are open, the outermost first */
    int depth;
};

/* An attribute; the last one of a list has name NULL. */
struct html_attribute {
    const char *name;  /* a constant of ours */
    const char *value; /* of anybody */
};

void html_out_init(struct html_out *html, FILE *file);

/* Begins an element; name is a constant that lives until it is closed. attributes may be NULL. */
void html_out_open(struct html_out *html, const char *name,
                   const struct html_attribute *attributes);
/* The same with at most one attribute, which is nearly always enough. */
void html_out_open_with(struct html_out *html, const char *name, const char *attribute,
                        const char *value);
/* Ends the element that was opened last. */
void html_out_close(struct html_out *html);

/* An element that holds nothing and is never closed (meta). */
void html_out_void(struct html_out *html, const char *name,
                   const struct html_attribute *attributes);

/* A text of anybody; NULL: none. */
void html_out_text(struct html_out *html, const char *text);
void html_out_textf(struct html_out *html, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A whole element that holds a text. attribute may be NULL. */
void html_out_element(struct html_out *html, const char *name, const char *attribute,
                      const char *value, const char *text);

/* A name of a stranger, in an element that keeps what is written from right to left to itself. */
void html_out_name(struct html_out *html, const char *name);

/* The document's first line, and its style: constants of ours, written as they are. */
void html_out_doctype(struct html_out *html);
void html_out_style(struct html_out *html, const char *css);

#endif
