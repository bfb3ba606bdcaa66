#include "table.h"

#include "buf.h"
#include "mem.h"
#include "printable.h"
#include "table_cells.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct table *
table_new(const struct table_column *columns, size_t count)
{
    struct table *table = mem_alloc(1, sizeof *table);

    table->columns = mem_alloc(count, sizeof *columns);
    memcpy(table->columns, columns, count * sizeof *columns);
    table->column_count = count;
    return table;
}

void
table_free(struct table *table)
{
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        mem_free(table->cells[i].text);
    }
    mem_free(table->cells);
    mem_free(table->columns);
    mem_free(table);
}

void
table_add(struct table *table, const char *text)
{
    struct buf printable;
    struct table_cell *cell;

    if (table->cell_count == table->cell_size) {
        table->cell_size = table->cell_size == 0 ? 64 : table->cell_size * 2;
        table->cells = mem_grow(table->cells, table->cell_size, sizeof *table->cells);
    }
    cell = &table->cells[table->cell_count++];
    buf_init(&printable, SIZE_MAX / 4);
    cell->width = printable_add(&printable, text);
    cell->text = mem_strdup(buf_text(&printable));
    cell->color = COLOR_NONE;
    buf_free(&printable);
}

void
table_addf(struct table *table, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    table_add(table, text);
}

void
table_tint(struct table *table, enum color color)
{
    if (table->cell_count > 0) {
        table->cells[table->cell_count - 1].color = color;
    }
}

size_t
table_rows(const struct table *table)
{
    return table->column_count == 0 ? 0 : table->cell_count / table->column_count;
}

size_t
table_terminal_width(FILE *out)
{
    struct winsize size;
    int fd = fileno(out);

    if (fd < 0 || isatty(fd) == 0 || ioctl(fd, TIOCGWINSZ, &size) != 0) {
        return 0;
    }
    return size.ws_col;
}

const char *
table_span(int64_t seconds, char ret_text[TABLE_SPAN_SIZE])
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
    size_t unit = 0;
    int64_t rest;

    while (unit < 3 && seconds < units[unit].seconds) {
        unit++;
    }
    rest = seconds % units[unit].seconds;
    /* The second unit matters only beside a small number of the first. */
    if (unit < 3 && seconds / units[unit].seconds < 10 && rest >= units[unit + 1].seconds) {
        (void)snprintf(ret_text, TABLE_SPAN_SIZE, "%" PRId64 "%s %" PRId64 "%s",
                       seconds / units[unit].seconds, units[unit].name,
                       rest / units[unit + 1].seconds, units[unit + 1].name);
    } else {
        (void)snprintf(ret_text, TABLE_SPAN_SIZE, "%" PRId64 "%s", seconds / units[unit].seconds,
                       units[unit].name);
    }
    return ret_text;
}

const char *
table_size(int64_t bytes, char ret_text[TABLE_SIZE_SIZE])
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB"};
    size_t unit = 0;
    double value = (double)bytes / 1000;

    if (bytes < 1000) {
        (void)snprintf(ret_text, TABLE_SIZE_SIZE, "%" PRId64 " B", bytes);
        return ret_text;
    }
    /* 999.95 would be printed as 1000.0. */
    while (value >= 999.95 && unit < 4) {
        value /= 1000;
        unit++;
    }
    (void)snprintf(ret_text, TABLE_SIZE_SIZE, "%.1f %s", value, units[unit]);
    return ret_text;
}
