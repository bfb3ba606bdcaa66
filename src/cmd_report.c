#include "cmd_report.h"

#include "fdio.h"
#include "log.h"
#include "mem.h"

#include <string.h>
#include <sys/stat.h>

#define REPORT_DAYS 30
/* Rows of each list: what a page can bear, and what a program may want. */
#define REPORT_PAGE_ROWS 50
#define REPORT_JSON_ROWS 100000

static void
report_add_up(struct report_view *view)
{
    const struct db_result *days = view->report.parts[LEDGER_REPORT_DAYS];
    const struct db_result *pending = view->report.parts[LEDGER_REPORT_PENDING];
    struct report_sums *sums = &view->sums;

    for (int row = 0; row < db_rows(days); row++) {
        sums->removed += db_int(days, row, LEDGER_DAYS_REMOVED);
        sums->bytes_freed += db_int(days, row, LEDGER_DAYS_BYTES);
        sums->failed += db_int(days, row, LEDGER_DAYS_FAILED);
        for (int column = LEDGER_DAYS_REMOVED + 1; column < LEDGER_DAYS_FAILED; column++) {
            sums->other += db_int(days, row, column);
        }
    }
    for (int row = 0; row < db_rows(pending); row++) {
        int64_t jobs = db_int(pending, row, LEDGER_PENDING_JOBS);

        sums->pending += jobs;
        if (db_int(pending, row, LEDGER_PENDING_SLOT) == LEDGER_SLOT_NOW) {
            sums->due += jobs;
        }
        sums->pending_bytes += db_int(pending, row, LEDGER_PENDING_BYTES);
        sums->pending_unsized += db_int(pending, row, LEDGER_PENDING_UNSIZED);
    }
}

static bool
report_ask(struct report_view *view, int64_t max_rows, struct err *err)
{
    size_t all = view->day_count + REPORT_DAYS_AHEAD + 1;
    int64_t *begins = mem_alloc(all, sizeof *begins);
    const struct ledger_report_ask ask = {
        .days = begins,
        .day_count = view->day_count,
        .days_ahead = begins + view->day_count,
        .day_ahead_count = all - view->day_count,
        .grace_hours = view->session->grace_hours,
        .max_rows = max_rows,
    };
    bool done;

    view->days = mem_alloc(all, sizeof *view->days);
    for (size_t i = 0; i < all; i++) {
        struct report_day *day = &view->days[i];

        day->begins =
            clock_local_day(view->made_at, (int)i - (int)(view->day_count - 1), day->date);
        begins[i] = day->begins;
    }
    done = ledger_report(view->session->db, &ask, &view->report, err);
    mem_free(begins);
    return done;
}

static bool
report_open(const struct cli *cli, const struct cmd_session *session, struct report_view *ret_view,
            struct err *err)
{
    ret_view->session = session;
    ret_view->made_at = clock_wall_ms() / 1000;
    ret_view->day_count = cli->days < 0 ? REPORT_DAYS : (size_t)cli->days;
    if (!cmd_status_open(session, &ret_view->status, err) ||
        !report_ask(ret_view, cli->format == CLI_FORMAT_JSON ? REPORT_JSON_ROWS : REPORT_PAGE_ROWS,
                    err)) {
        return false;
    }
    report_add_up(ret_view);
    return true;
}

static void
report_close(struct report_view *view)
{
    ledger_report_free(&view->report);
    cmd_status_close(&view->status);
    mem_free(view->days);
}

bool
report_is_empty(const struct report_view *view)
{
    const struct db_result *const *parts =
        (const struct db_result *const *)view->status.status.parts;

    return view->sums.removed == 0 && view->sums.other == 0 && view->sums.pending == 0 &&
           !view->status.summary.attention && db_rows(parts[LEDGER_STATUS_RUN]) == 0 &&
           db_rows(parts[LEDGER_STATUS_OPEN]) == 0;
}

static void
report_fill_json(void *context, FILE *out)
{
    report_write_json(out, context);
}

static void
report_fill_page(void *context, FILE *out)
{
    report_write_page(out, context);
}

/* Whatever else has that name (a folder, /dev/stdout) must not be replaced by a file. */
static bool
report_check_output(const char *path, struct err *err)
{
    struct stat info;

    if (stat(path, &info) != 0 || S_ISREG(info.st_mode)) {
        return true;
    }
    (void)err_set(err, ERR_USAGE, "option --output does not take '%s': it is there and no file",
                  path);
    return err_hint(err, "without --output, or with -, the report goes to standard output");
}

static bool
report_put(const struct cli *cli, struct report_view *view, struct err *err)
{
    void (*fill)(void *context, FILE *out) =
        cli->format == CLI_FORMAT_JSON ? report_fill_json : report_fill_page;
    mode_t mask;

    if (cli->output == NULL || strcmp(cli->output, "-") == 0) {
        fill(view, stdout);
        return true;
    }
    if (!report_check_output(cli->output, err)) {
        return false;
    }
    /* As a shell would have made it: this is the only way to ask for the mask. */
    mask = umask(022);
    (void)umask(mask);
    return fdio_replace(cli->output, 0666 & ~mask, fill, view, err);
}

int
cmd_report(const struct cli *cli, const struct conf *conf)
{
    struct report_view view;
    struct cmd_session session;
    struct err err;
    int code = EXIT_CODE_OK;

    memset(&view, 0, sizeof view);
    if (!cmd_session_open(conf, &session, &err) || !report_open(cli, &session, &view, &err) ||
        !report_put(cli, &view, &err)) {
        log_err(&err);
        code = err_exit_code(err.kind);
    }
    report_close(&view);
    cmd_session_close(&session);
    return code;
}
