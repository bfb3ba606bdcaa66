#include "cli.h"
#include "db.h"
#include "jobs.h"
#include "log.h"
#include "sig.h"
#include "sweep.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Most rows that a dry run shows. */
#define CMD_RUN_DRY_ROWS 1000

static void
cmd_run_print_size(FILE *out, int64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t unit = 0;
    double size = (double)bytes;

    while (size >= 1000.0 && unit + 1 < sizeof units / sizeof *units) {
        size /= 1000.0;
        unit++;
    }
    (void)fprintf(out, unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
}

static void
cmd_run_print_json(const struct sweep_report *report)
{
    const struct jobs_totals *totals = &report->totals;

    (void)printf("{\"run\":\"%s\",\"claimed\":%" PRId64 ",\"removed\":%" PRId64
                 ",\"untagged\":%" PRId64 ",\"absent\":%" PRId64 ",\"in_use\":%" PRId64
                 ",\"held\":%" PRId64 ",\"retried\":%" PRId64 ",\"failed\":%" PRId64
                 ",\"given_back\":%" PRId64 ",\"late\":%" PRId64 ",\"bytes_freed\":%" PRId64,
                 report->token, totals->claimed, totals->removed, totals->untagged, totals->absent,
                 totals->in_use, totals->held, totals->retried, totals->failed, totals->given_back,
                 totals->late, totals->bytes_freed);
    (void)printf(",\"planned\":%" PRId64 ",\"daemons_stopped\":%" PRId64
                 ",\"daemons_unknown\":%" PRId64 ",\"unrecorded\":%" PRId64
                 ",\"left_work\":%s,\"duration_ms\":%" PRId64 ",\"exit_code\":%d}\n",
                 report->planned, report->daemons_stopped, report->daemons_unknown,
                 report->unrecorded, report->left_work ? "true" : "false", report->duration_ms,
                 report->exit_code);
}

/* One line, the parts that are zero left out. */
static void
cmd_run_print_summary(const struct sweep_report *report)
{
    const struct {
        int64_t count;
        const char *words;
    } parts[] = {
        {report->totals.removed, "removed"},
        {report->totals.untagged, "untagged"},
        {report->totals.absent, "gone already"},
        {report->totals.in_use, "in use"},
        {report->totals.held, "held"},
        {report->totals.retried, "to be tried again"},
        {report->totals.failed, "failed"},
        {report->totals.given_back, "given back"},
        {report->totals.late, "too late"},
        {report->unrecorded, "not recorded"},
        {report->planned, "new with a due time now"},
        {report->daemons_stopped, "daemons stopped"},
    };

    (void)printf("%" PRId64 " jobs", report->totals.claimed);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].count > 0) {
            (void)printf(", %" PRId64 " %s", parts[i].count, parts[i].words);
        }
    }
    (void)printf("; up to ");
    cmd_run_print_size(stdout, report->totals.bytes_freed);
    (void)printf(" freed in %" PRId64 ".%" PRId64 " s%s\n", report->duration_ms / 1000,
                 report->duration_ms % 1000 / 100, report->left_work ? "; work is left" : "");
}

static void
cmd_run_print(const struct cli *cli, const struct sweep_report *report)
{
    bool asked = cli->verbosity > 0 || isatty(STDOUT_FILENO) == 1;

    if (cli->format == CLI_FORMAT_JSON) {
        cmd_run_print_json(report);
    } else if (asked && !report->worked) {
        (void)printf("nothing is due\n");
    } else if (asked || report->exit_code == EXIT_CODE_ATTENTION) {
        cmd_run_print_summary(report);
    }
}

static int
cmd_run_sweep(struct db *db, const struct cli *cli, const struct conf *conf)
{
    const struct sweep_options options = {
        .daemon = cli->daemon,
        .app = cli->app,
        .max_jobs = cli->max_jobs >= 0 ? cli->max_jobs : conf->max_jobs,
    };
    struct sweep_report report;
    struct err err;

    if (!sweep_run(db, conf, &options, &report, &err)) {
        log_err(&err);
    }
    cmd_run_print(cli, &report);
    return report.exit_code;
}
