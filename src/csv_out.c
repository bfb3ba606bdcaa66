#include "csv_out.h"

#include "mem.h"
#include "printable.h"

#include <inttypes.h>
#include <string.h>

void
csv_out_init(struct csv_out *csv, FILE *file)
{
    csv->file = file;
    csv->filled = false;
}

static void
csv_out_begin(struct csv_out *csv)
{
    if (csv->filled) {
        (void)fputc(',', csv->file);
    }
    csv->filled = true;
}

/* White space at an end is quoted as well, because readers differ about it. */
static bool
csv_out_needs_quotes(const char *text)
{
    size_t length = strlen(text);

    return strpbrk(text, ",\"\r\n") != NULL ||
           (length > 0 && (text[0] == ' ' || text[length - 1] == ' '));
}

static void
csv_out_field(struct csv_out *csv, const char *before, const char *text)
{
    char *printable = printable_dup(text);
    bool quoted = csv_out_needs_quotes(printable);

    csv_out_begin(csv);
    if (quoted) {
        (void)fputc('"', csv->file);
    }
    (void)fputs(before, csv->file);
    for (const char *at = printable; *at != '\0'; at++) {
        if (*at == '"') {
            (void)fputc('"', csv->file);
        }
        (void)fputc(*at, csv->file);
    }
    if (quoted) {
        (void)fputc('"', csv->file);
    }
    mem_free(printable);
}

void
csv_out_text(struct csv_out *csv, const char *text)
{
    csv_out_field(csv, "", text);
}

void
csv_out_foreign(struct csv_out *csv, const char *text)
{
    bool is_formula = *text != '\0' && strchr("=+-@", *text) != NULL;

    csv_out_field(csv, is_formula ? "'" : "", text);
}

void
csv_out_int(struct csv_out *csv, int64_t number)
{
    csv_out_begin(csv);
    (void)fprintf(csv->file, "%" PRId64, number);
}

void
csv_out_end_line(struct csv_out *csv)
{
    (void)fputs("\r\n", csv->file);
    csv->filled = false;
}
