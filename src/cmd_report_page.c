/* The page: its frame, what it comes to in a sentence, and what was reclaimed. */
#include "cmd_report.h"

#include "mem.h"
#include "table.h"

#include <inttypes.h>
#include <string.h>

/* Units of the chart of days: of a day's place, and of the highest bar. */
#define REPORT_DAY_UNITS 10
#define REPORT_BAR_HEIGHT 1000

/* The bytes of the scale's top: 1, 2 or 5 times a power of ten. */
static int64_t
report_scale(int64_t largest)
{
    int64_t top = 1;

    for (int step = 0; top < largest && top < INT64_MAX / 10; step++) {
        top = step % 3 == 1 ? top / 2 * 5 : top * 2;
    }
    return top < largest ? largest : top;
}

static void
report_write_line(struct html_out *html, const char *width, const char *y)
{
    const struct html_attribute line[] = {{"class", "line"}, {"x1", "0"}, {"x2", width},
                                          {"y1", y},         {"y2", y},   {NULL, NULL}};

    html_out_open(html, "line", line);
    html_out_close(html);
}

static void
report_write_day_bar(struct html_out *html, const struct report_view *view, int row, int64_t top)
{
    const struct db_result *days = view->report.parts[LEDGER_REPORT_DAYS];
    int64_t bytes = db_int(days, row, LEDGER_DAYS_BYTES);
    int64_t day = db_int(days, row, LEDGER_DAYS_DAY) - 1;
    int height = (int)(REPORT_BAR_HEIGHT * ((double)bytes / (double)top));
    char x[32];
    char y[32];
    char high[32];
    char size[TABLE_SIZE_SIZE];
    const struct html_attribute bar[] = {
        {"x", x}, {"y", y}, {"width", "8"}, {"height", high}, {NULL, NULL}};

    if (bytes == 0) {
        return;
    }
    /* What is little beside the largest is seen nevertheless. */
    height = height < 8 ? 8 : height;
    (void)snprintf(x, sizeof x, "%" PRId64, day * REPORT_DAY_UNITS + 1);
    (void)snprintf(y, sizeof y, "%d", REPORT_BAR_HEIGHT - height);
    (void)snprintf(high, sizeof high, "%d", height);
    html_out_open(html, "rect", bar);
    html_out_open(html, "title", NULL);
    html_out_textf(html, "%s: up to %s", view->days[day].date, table_size(bytes, size));
    html_out_close(html);
    html_out_close(html);
}

static void
report_write_scale(struct html_out *html, int64_t top)
{
    const struct html_attribute scale[] = {
        {"class", "scale"}, {"aria-hidden", "true"}, {NULL, NULL}};
    char size[TABLE_SIZE_SIZE];

    html_out_open(html, "div", scale);
    html_out_element(html, "span", NULL, NULL, table_size(top, size));
    html_out_element(html, "span", NULL, NULL, table_size(top / 2, size));
    html_out_element(html, "span", NULL, NULL, "0");
    html_out_close(html);
}

static void
report_write_chart(struct html_out *html, const struct report_view *view, int64_t largest)
{
    const struct db_result *days = view->report.parts[LEDGER_REPORT_DAYS];
    const struct html_attribute ends[] = {{"class", "ends"}, {"aria-hidden", "true"}, {NULL, NULL}};
    int64_t top = report_scale(largest);
    char size[TABLE_SIZE_SIZE];
    char width[32];
    char box[64];
    char label[160];
    const struct html_attribute drawing[] = {{"role", "img"},
                                             {"aria-label", label},
                                             {"viewBox", box},
                                             {"preserveAspectRatio", "none"},
                                             {NULL, NULL}};

    (void)snprintf(width, sizeof width, "%zu", view->day_count * REPORT_DAY_UNITS);
    (void)snprintf(box, sizeof box, "0 0 %s %d", width, REPORT_BAR_HEIGHT);
    (void)snprintf(label, sizeof label,
                   "A bar for each day from %s to %s, the largest up to %s; the table has the "
                   "values",
                   view->days[0].date, view->days[view->day_count - 1].date,
                   table_size(largest, size));
    html_out_open_with(html, "div", "class", "chart");
    report_write_scale(html, top);
    html_out_open(html, "svg", drawing);
    report_write_line(html, width, "0");
    report_write_line(html, width, "500");
    report_write_line(html, width, "1000");
    for (int row = 0; row < db_rows(days); row++) {
        report_write_day_bar(html, view, row, top);
    }
    html_out_close(html);
    html_out_open(html, "div", ends);
    html_out_element(html, "span", NULL, NULL, view->days[0].date);
    html_out_element(html, "span", NULL, NULL, view->days[view->day_count - 1].date);
    html_out_close(html);
    html_out_close(html);
}

static void
report_write_day_rows(struct html_out *html, const struct report_view *view)
{
    static const char *const titles[] = {"Day", ">Reclaimed, up to", ">Images deleted",
                                         ">Ended otherwise", ">Failed"};
    struct report_columns columns = {titles, sizeof titles / sizeof *titles, 0};
    const struct db_result *days = view->report.parts[LEDGER_REPORT_DAYS];

    report_open_table(html, &columns, "Days on which something ended, the last first");
    for (int row = db_rows(days) - 1; row >= 0; row--) {
        int64_t other = 0;

        for (int column = LEDGER_DAYS_REMOVED + 1; column < LEDGER_DAYS_FAILED; column++) {
            other += db_int(days, row, column);
        }
        report_open_row(html, &columns);
        report_write_cell(html, &columns, view->days[db_int(days, row, LEDGER_DAYS_DAY) - 1].date);
        report_write_size(html, &columns, db_int(days, row, LEDGER_DAYS_BYTES), 0);
        report_write_number(html, &columns, db_int(days, row, LEDGER_DAYS_REMOVED));
        report_write_number(html, &columns, other);
        report_write_number(html, &columns, db_int(days, row, LEDGER_DAYS_FAILED));
        html_out_close(html);
    }
    report_close_table(html);
}

void
report_write_days(struct html_out *html, const struct report_view *view)
{
    const struct db_result *days = view->report.parts[LEDGER_REPORT_DAYS];
    int64_t largest = 0;

    report_open_section(html, "days", "Reclaimed per day");
    for (int row = 0; row < db_rows(days); row++) {
        int64_t bytes = db_int(days, row, LEDGER_DAYS_BYTES);

        largest = bytes > largest ? bytes : largest;
    }
    if (db_rows(days) == 0) {
        html_out_element(html, "p", NULL, NULL, "No job ended on these days.");
    } else {
        html_out_open_with(html, "div", "class", "beside");
        if (largest > 0) {
            report_write_chart(html, view, largest);
        }
        report_write_day_rows(html, view);
        html_out_close(html);
    }
    if ((int64_t)view->day_count > view->session->conf->history_days) {
        html_out_open(html, "p", NULL);
        html_out_textf(html,
                       "Jobs that ended more than %" PRId64
                       " days ago are no longer in the table (history_days in the settings), and "
                       "missing here.",
                       view->session->conf->history_days);
        html_out_close(html);
    }
    html_out_close(html);
}

/* The queries look one after the other: what ended in between is perhaps in the list alone. */
static int64_t
report_rest(int64_t all, int64_t shown)
{
    return all > shown ? all - shown : 0;
}

/* The apps that the list has no room for. */
static void
report_write_other_apps(struct html_out *html, const struct report_view *view,
                        struct report_columns *columns, int64_t others)
{
    const struct db_result *apps = view->report.parts[LEDGER_REPORT_APPS];
    int64_t bytes = 0;
    int64_t removed = 0;
    int64_t other = 0;
    char *name = report_count(others, "other app", "other apps");

    for (int row = 0; row < db_rows(apps); row++) {
        bytes += db_int(apps, row, LEDGER_APPS_BYTES);
        removed += db_int(apps, row, LEDGER_APPS_REMOVED);
        other += db_int(apps, row, LEDGER_APPS_OTHER);
    }
    report_open_row(html, columns);
    report_write_cell(html, columns, name);
    report_write_size(html, columns, report_rest(view->sums.bytes_freed, bytes), 0);
    report_write_number(html, columns, report_rest(view->sums.removed, removed));
    report_write_number(html, columns, report_rest(view->sums.other, other));
    report_write_cell(html, columns, "");
    html_out_close(html);
    mem_free(name);
}

void
report_write_apps(struct html_out *html, const struct report_view *view)
{
    static const char *const titles[] = {"App", ">Reclaimed, up to", ">Images deleted",
                                         ">Ended otherwise", "Last"};
    struct report_columns columns = {titles, sizeof titles / sizeof *titles, 0};
    const struct db_result *apps = view->report.parts[LEDGER_REPORT_APPS];
    int rows = db_rows(apps);

    if (rows == 0) {
        return;
    }
    report_open_section(html, "apps", "Reclaimed per app");
    report_open_table(html, &columns, "Apps whose jobs ended on these days, the largest first");
    for (int row = 0; row < rows; row++) {
        report_open_row(html, &columns);
        report_write_cell(html, &columns, db_text(apps, row, LEDGER_APPS_APP));
        report_write_size(html, &columns, db_int(apps, row, LEDGER_APPS_BYTES),
                          db_int(apps, 0, LEDGER_APPS_BYTES));
        report_write_number(html, &columns, db_int(apps, row, LEDGER_APPS_REMOVED));
        report_write_number(html, &columns, db_int(apps, row, LEDGER_APPS_OTHER));
        report_open_cell(html, &columns);
        report_write_moment(html, db_text(apps, row, LEDGER_APPS_LAST_AT));
        html_out_close(html);
        html_out_close(html);
    }
    if (db_int(apps, 0, LEDGER_APPS_ALL) > rows) {
        report_write_other_apps(html, view, &columns, db_int(apps, 0, LEDGER_APPS_ALL) - rows);
    }
    report_close_table(html);
    html_out_close(html);
}

static void
report_write_head(struct html_out *html, const struct report_view *view)
{
    static const struct html_attribute metas[][3] = {
        {{"charset", "utf-8"}, {NULL, NULL}},
        {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}, {NULL, NULL}},
        /* Nothing is loaded and nothing runs, whatever a name may hold. */
        {{"http-equiv", "Content-Security-Policy"},
         {"content", "default-src 'none'; style-src 'unsafe-inline'"},
         {NULL, NULL}},
        {{"name", "color-scheme"}, {"content", "light dark"}, {NULL, NULL}},
        {{"name", "robots"}, {"content", "noindex"}, {NULL, NULL}},
    };

    html_out_open(html, "head", NULL);
    for (size_t i = 0; i < sizeof metas / sizeof *metas; i++) {
        html_out_void(html, "meta", metas[i]);
    }
    html_out_open(html, "title", NULL);
    html_out_textf(html, "harpsweep: %s to %s", view->days[0].date,
                   view->days[view->day_count - 1].date);
    html_out_close(html);
    html_out_style(html, report_style());
    html_out_close(html);
}

/* On a phone, the way to the last part is long. */
static void
report_write_links(struct html_out *html)
{
    static const struct {
        const char *href;
        const char *words;
    } links[] = {{"#days", "Reclaimed"},
                 {"#pending", "Waiting"},
                 {"#failed", "Failed"},
                 {"#daemons", "Daemons"}};

    html_out_open_with(html, "nav", "aria-label", "Parts of this page");
    html_out_open(html, "ul", NULL);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        html_out_open(html, "li", NULL);
        html_out_element(html, "a", "href", links[i].href, links[i].words);
        html_out_close(html);
    }
    html_out_close(html);
    html_out_close(html);
}

static void
report_write_header(struct html_out *html, const struct report_view *view)
{
    char made[CLOCK_UTC_SIZE];

    html_out_open(html, "header", NULL);
    html_out_open(html, "h1", NULL);
    html_out_text(html, "harpsweep report");
    html_out_close(html);
    html_out_open(html, "p", NULL);
    html_out_textf(html, "%s to %s, as of ", view->days[0].date,
                   view->days[view->day_count - 1].date);
    report_write_moment(html, clock_utc_text(view->made_at, made));
    html_out_close(html);
    if (!report_is_empty(view)) {
        report_write_links(html);
    }
    html_out_close(html);
}

static void
report_write_footer(struct html_out *html, const struct report_view *view)
{
    html_out_open(html, "footer", NULL);
    html_out_open(html, "p", NULL);
    html_out_text(html,
                  "Sizes are those of whole images and thus upper bounds: a layer that images "
                  "share is freed with the last of them. Days and times are those of the "
                  "zone that stands beside them.");
    html_out_close(html);
    html_out_open(html, "p", NULL);
    html_out_text(html, "Made by harpsweep " HARPSWEEP_VERSION " with the settings in ");
    html_out_name(html, view->session->conf->path);
    html_out_text(html, ".");
    html_out_close(html);
    html_out_close(html);
}

void
report_write_page(FILE *out, const struct report_view *view)
{
    struct html_out html;

    html_out_init(&html, out);
    html_out_doctype(&html);
    html_out_open_with(&html, "html", "lang", "en");
    report_write_head(&html, view);
    html_out_open(&html, "body", NULL);
    report_write_header(&html, view);
    html_out_open(&html, "main", NULL);
    report_write_answer(&html, view);
    if (!report_is_empty(view)) {
        report_write_days(&html, view);
        report_write_apps(&html, view);
        report_write_pending(&html, view);
        report_write_failed(&html, view);
        report_write_daemons(&html, view);
    }
    html_out_close(&html);
    report_write_footer(&html, view);
    html_out_close(&html);
    html_out_close(&html);
}
