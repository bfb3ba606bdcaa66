#include "mem.h"
#include "printable.h"
#include "table_cells.h"

#include <string.h>

/* A column of text is not made narrower than this: less tells nothing. */
#define TABLE_CUT_MIN 8

#define TABLE_GAP 2

static const char table_dots[] = "...";

static void
table_spaces(FILE *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)fputc(' ', out);
    }
}

/* Writes at most room columns of text; returns how many it took. */
static size_t
table_print_cut(FILE *out, const struct table_cell *cell, enum table_align align, size_t room)
{
    size_t dots = sizeof table_dots - 1;
    size_t text = room > dots ? room - dots : 0;
    size_t tail = align == TABLE_NAME ? text * 2 / 3 : 0;
    size_t head_width = 0;
    size_t head;
    size_t skipped = 0;
    size_t start;

    if (cell->width <= room) {
        (void)fputs(cell->text, out);
        return cell->width;
    }
    head = printable_fit(cell->text, text - tail, &head_width);
    (void)fprintf(out, "%.*s%.*s", (int)head, cell->text, (int)(room < dots ? room : dots),
                  table_dots);
    if (tail == 0) {
        return head_width + (room < dots ? room : dots);
    }
    /* The characters that end tail columns before the end, or a column less where one straddles. */
    start = printable_fit(cell->text, cell->width - tail, &skipped);
    while (skipped < cell->width - tail) {
        size_t width = 0;

        start += printable_fit(cell->text + start, 2, &width);
        skipped += width;
    }
    (void)fputs(cell->text + start, out);
    return head_width + dots + cell->width - skipped;
}

/* The width of the printed line is at most max, 0 for no limit. */
static void
table_print_row(const struct table *table, FILE *out, const struct table_cell *cells,
                const size_t *widths, size_t max)
{
    bool colored = color_is_wanted(out);
    size_t at = 0;

    for (size_t i = 0; i < table->column_count; i++) {
        bool is_last = i + 1 == table->column_count;
        size_t room = max != 0 && at + widths[i] > max ? max - at : widths[i];
        size_t padding = room > cells[i].width ? room - cells[i].width : 0;
        size_t width;

        if (table->columns[i].align == TABLE_RIGHT) {
            table_spaces(out, padding);
        }
        (void)fputs(color_begin(cells[i].color, colored), out);
        width = table_print_cut(out, &cells[i], table->columns[i].align, room);
        (void)fputs(color_end(cells[i].color, colored), out);
        at += room + TABLE_GAP;
        if (is_last || (max != 0 && at >= max)) {
            break;
        }
        table_spaces(out,
                     table->columns[i].align == TABLE_RIGHT ? TABLE_GAP : room - width + TABLE_GAP);
    }
    (void)fputc('\n', out);
}

/* The widest column of text that may become narrower still; column_count where there is none. */
static size_t
table_widest(const struct table *table, const size_t *widths, const size_t *least)
{
    size_t widest = table->column_count;

    for (size_t i = 0; i < table->column_count; i++) {
        enum table_align align = table->columns[i].align;

        if (align != TABLE_RIGHT && align != TABLE_WHOLE && widths[i] > least[i] &&
            (widest == table->column_count || widths[i] >= widths[widest])) {
            widest = i;
        }
    }
    return widest;
}

/* Takes columns away from the widest ones until a line fits into max, as far as that goes. */
static void
table_fit(const struct table *table, size_t *widths, size_t max)
{
    size_t *least = mem_alloc(table->column_count, sizeof *least);
    size_t total = TABLE_GAP * (table->column_count - 1);
    size_t widest = 0;

    for (size_t i = 0; i < table->column_count; i++) {
        size_t title = strlen(table->columns[i].title);

        least[i] = title > TABLE_CUT_MIN ? title : TABLE_CUT_MIN;
        total += widths[i];
    }
    while (total > max && (widest = table_widest(table, widths, least)) < table->column_count) {
        widths[widest]--;
        total--;
    }
    mem_free(least);
}

void
table_print(const struct table *table, FILE *out, size_t width)
{
    size_t columns = table->column_count;
    size_t *widths = mem_alloc(columns, sizeof *widths);
    struct table_cell *titles = mem_alloc(columns, sizeof *titles);

    for (size_t i = 0; i < columns; i++) {
        titles[i].text = mem_strdup(table->columns[i].title);
        titles[i].width = strlen(titles[i].text);
        titles[i].color = COLOR_STRONG;
        widths[i] = titles[i].width;
    }
    for (size_t i = 0; i < table_rows(table) * columns; i++) {
        if (table->cells[i].width > widths[i % columns]) {
            widths[i % columns] = table->cells[i].width;
        }
    }
    if (width != 0) {
        table_fit(table, widths, width);
    }
    table_print_row(table, out, titles, widths, width);
    for (size_t row = 0; row < table_rows(table); row++) {
        table_print_row(table, out, &table->cells[row * columns], widths, width);
    }
    for (size_t i = 0; i < columns; i++) {
        mem_free(titles[i].text);
    }
    mem_free(titles);
    mem_free(widths);
}
