/* What the parts of the page are made of. */
#include "cmd_report.h"

#include "mem.h"
#include "table.h"

#include <inttypes.h>
#include <string.h>

/* A bar is drawn on a ground of so many units. */
#define REPORT_BAR_UNITS 1000

char *
report_count(int64_t number, const char *single, const char *many)
{
    char digits[32];
    struct buf text;
    size_t length;
    char *copy;

    (void)snprintf(digits, sizeof digits, "%" PRId64, number);
    length = strlen(digits);
    buf_init(&text, 256);
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            (void)buf_add_text(&text, ",");
        }
        (void)buf_add(&text, &digits[i], 1);
    }
    if (*single != '\0') {
        (void)buf_printf(&text, " %s", number == 1 ? single : many);
    }
    copy = mem_strdup(buf_text(&text));
    buf_free(&text);
    return copy;
}

void
report_write_moment(struct html_out *html, const char *utc)
{
    int64_t seconds = 0;
    char text[CLOCK_LOCAL_SIZE];

    if (clock_parse_utc(utc, &seconds)) {
        html_out_element(html, "time", "datetime", utc, clock_local_text(seconds, text));
    } else {
        html_out_text(html, "?");
    }
}

void
report_open_section(struct html_out *html, const char *id, const char *title)
{
    char *heading = mem_printf("%s-heading", id);
    const struct html_attribute attributes[] = {
        {"id", id}, {"aria-labelledby", heading}, {NULL, NULL}};

    html_out_open(html, "section", attributes);
    html_out_open_with(html, "h2", "id", heading);
    html_out_text(html, title);
    html_out_close(html);
    mem_free(heading);
}

void
report_open_table(struct html_out *html, struct report_columns *columns, const char *caption)
{
    /* Where a table is higher than its box, arrow keys must reach it as well. The roles are what
     * the elements mean anyway; a browser forgets it where a narrow screen has them as blocks. */
    const struct html_attribute box[] = {{"class", "scroll"},
                                         {"tabindex", "0"},
                                         {"role", "region"},
                                         {"aria-label", caption},
                                         {NULL, NULL}};

    html_out_open(html, "div", box);
    html_out_open_with(html, "table", "role", "table");
    html_out_open(html, "caption", NULL);
    html_out_text(html, caption);
    html_out_close(html);
    html_out_open_with(html, "thead", "role", "rowgroup");
    html_out_open_with(html, "tr", "role", "row");
    for (size_t i = 0; i < columns->count; i++) {
        bool number = columns->titles[i][0] == '>';
        const struct html_attribute head[] = {{"scope", "col"},
                                              {"role", "columnheader"},
                                              {"class", number ? "number" : "text"},
                                              {NULL, NULL}};

        html_out_open(html, "th", head);
        html_out_text(html, columns->titles[i] + number);
        html_out_close(html);
    }
    html_out_close(html);
    html_out_close(html);
    html_out_open_with(html, "tbody", "role", "rowgroup");
}

void
report_close_table(struct html_out *html)
{
    html_out_close(html);
    html_out_close(html);
    html_out_close(html);
}

void
report_open_row(struct html_out *html, struct report_columns *columns)
{
    columns->at = 0;
    html_out_open_with(html, "tr", "role", "row");
}

void
report_open_cell(struct html_out *html, struct report_columns *columns)
{
    const char *title = columns->titles[columns->at];
    bool number = title[0] == '>';
    const struct html_attribute first[] = {
        {"scope", "row"}, {"role", "rowheader"}, {"data-label", title + number}, {NULL, NULL}};
    const struct html_attribute other[] = {{"role", "cell"},
                                           {"class", number ? "number" : "text"},
                                           {"data-label", title + number},
                                           {NULL, NULL}};

    html_out_open(html, columns->at == 0 ? "th" : "td", columns->at == 0 ? first : other);
    columns->at++;
}

void
report_write_cell(struct html_out *html, struct report_columns *columns, const char *text)
{
    report_open_cell(html, columns);
    html_out_name(html, text);
    html_out_close(html);
}

void
report_write_number(struct html_out *html, struct report_columns *columns, int64_t number)
{
    char *text = report_count(number, "", "");

    report_open_cell(html, columns);
    html_out_text(html, text);
    html_out_close(html);
    mem_free(text);
}

static void
report_write_bar(struct html_out *html, int64_t value, int64_t largest)
{
    const struct html_attribute ground[] = {{"class", "bar"},
                                            {"aria-hidden", "true"},
                                            {"viewBox", "0 0 1000 10"},
                                            {"preserveAspectRatio", "none"},
                                            {NULL, NULL}};
    char width[32];
    const struct html_attribute bar[] = {{"width", width}, {"height", "10"}, {NULL, NULL}};

    (void)snprintf(width, sizeof width, "%d",
                   (int)(REPORT_BAR_UNITS * ((double)value / (double)largest)));
    html_out_open(html, "svg", ground);
    html_out_open(html, "rect", bar);
    html_out_close(html);
    html_out_close(html);
}

void
report_write_size(struct html_out *html, struct report_columns *columns, int64_t bytes,
                  int64_t largest)
{
    char size[TABLE_SIZE_SIZE];

    report_open_cell(html, columns);
    html_out_text(html, table_size(bytes, size));
    if (bytes > 0 && largest > 0) {
        report_write_bar(html, bytes, largest);
    }
    html_out_close(html);
}
