/* The commands run, plan, status and check over a folder of settings files. */
#include "cmd_run.h"

#include "cmd_watch.h"
#include "fleet.h"
#include "json_out.h"
#include "log.h"
#include "mem.h"
#include "sig.h"

#include <stdio.h>
#include <unistd.h>

/* Instances at once where nobody says otherwise: as many connections to the databases. */
#define CMD_FLEET_INSTANCES 8

/* What each of the threads is given. */
struct fleet_orders {
    const struct cli *cli;
    struct cmd_watch *watch;
};

static void
cmd_fleet_sweep(const void *context, struct fleet_instance *instance)
{
    const struct fleet_orders *orders = context;
    struct sweep_report *report = mem_alloc(1, sizeof *report);
    struct cmd_watch_run run;
    const struct sweep_watcher *watcher = cmd_watch_begin(orders->watch, &run);
    struct conf *conf;
    struct err err;

    instance->result = report;
    if (conf_load(instance->path, &conf, &err)) {
        instance->exit_code = cmd_run_sweep(orders->cli, conf, watcher, report);
        conf_free(conf);
    } else {
        log_err(&err);
        instance->exit_code = err_exit_code(err.kind);
    }
    cmd_watch_end(&run, report);
}

/* What all instances did together. */
struct fleet_sum {
    size_t worked;
    size_t failed; /* their run itself, not a job */
    struct sweep_report total;
};

static struct fleet_sum
cmd_fleet_add_up(const struct fleet *fleet)
{
    struct fleet_sum sum = {.worked = 0};

    for (size_t i = 0; i < fleet->count; i++) {
        const struct sweep_report *report = fleet->instances[i].result;

        if (report != NULL) {
            sum.worked += report->worked;
            sweep_report_add(&sum.total, report);
        }
        sum.total.left_work =
            sum.total.left_work || fleet->instances[i].exit_code == EXIT_CODE_LEFT_WORK;
        sum.failed += fleet->instances[i].exit_code > EXIT_CODE_ATTENTION &&
                      fleet->instances[i].exit_code != EXIT_CODE_LEFT_WORK;
    }
    return sum;
}

static void
cmd_fleet_print_run(const struct cli *cli, const struct fleet *fleet, int code)
{
    const struct fleet_sum sum = cmd_fleet_add_up(fleet);
    bool asked = cli->verbosity > 0 || isatty(STDOUT_FILENO) == 1;

    if (cli->format == CLI_FORMAT_JSON) {
        struct json_out json;

        json_out_init(&json, stdout);
        json_out_open_object(&json, NULL);
        json_out_int(&json, "instances", (int64_t)fleet->count);
        json_out_int(&json, "worked", (int64_t)sum.worked);
        json_out_int(&json, "runs_failed", (int64_t)sum.failed);
        cmd_run_write_report(&json, &sum.total);
        json_out_int(&json, "exit_code", code);
        json_out_close_object(&json);
    } else if (asked || code != EXIT_CODE_OK) {
        (void)printf("%zu instances, %zu had work", fleet->count, sum.worked);
        if (sum.failed > 0) {
            (void)printf(", %zu could not be worked on", sum.failed);
        }
        (void)printf("; ");
        cmd_run_print_summary(&sum.total);
    }
}

static int
cmd_fleet_run(const struct cli *cli, struct fleet *fleet)
{
    size_t parallel = cli->max_instances < 0 ? CMD_FLEET_INSTANCES : (size_t)cli->max_instances;
    struct fleet_orders orders = {.cli = cli};
    int code;

    sig_install();
    orders.watch = cmd_watch_open(cli, fleet->count);
    fleet_run(fleet, parallel, cmd_fleet_sweep, &orders);
    cmd_watch_close(orders.watch);
    code = fleet_exit_code(fleet);
    cmd_fleet_print_run(cli, fleet, code);
    for (size_t i = 0; i < fleet->count; i++) {
        mem_free(fleet->instances[i].result);
    }
    return code;
}

/* One instance after the other, each under its name; as JSON one object each. */
static int
cmd_fleet_each(const struct cli *cli, struct fleet *fleet, cmd_one *one)
{
    bool is_json = cli->format == CLI_FORMAT_JSON;

    for (size_t i = 0; i < fleet->count; i++) {
        struct fleet_instance *instance = &fleet->instances[i];
        struct cli only = *cli;

        only.config_path = instance->path;
        log_set_subject(instance->name);
        if (is_json) {
            struct json_out json;

            (void)printf("%s{\"instance\":", i == 0 ? "[\n" : ",\n");
            json_out_init(&json, stdout);
            json_out_text(&json, NULL, instance->name);
            (void)printf(", \"result\":\n");
        } else {
            (void)printf("%s== %s\n", i == 0 ? "" : "\n", instance->name);
        }
        instance->exit_code = one(&only);
        if (is_json) {
            /* Where it failed before there was anything to tell; check always tells. */
            bool told = instance->exit_code < EXIT_CODE_USAGE || cli->command == CLI_CHECK;

            (void)printf("%s, \"exit_code\": %d}", told ? "" : "null", instance->exit_code);
        }
        log_set_subject(NULL);
    }
    (void)printf("%s", is_json ? "\n]\n" : "");
    return fleet_exit_code(fleet);
}

int
cmd_fleet(const struct cli *cli, cmd_one *one)
{
    struct fleet fleet;
    struct err err;
    int code;

    if (cli->format == CLI_FORMAT_NAGIOS || cli->format == CLI_FORMAT_PROMETHEUS) {
        (void)err_set(&err, ERR_USAGE, "%s is a folder: this format takes one settings file",
                      cli->config_path);
        (void)err_hint(&err, "-c FILE for each of them; or metrics_file = FILE in each, for "
                             "Prometheus");
        log_err(&err);
        return err_exit_code(err.kind);
    }
    if (!fleet_open(cli->config_path, &fleet, &err)) {
        log_err(&err);
        return err_exit_code(err.kind);
    }
    code = cli->command == CLI_RUN && !cli->dry_run ? cmd_fleet_run(cli, &fleet)
                                                    : cmd_fleet_each(cli, &fleet, one);
    fleet_close(&fleet);
    return code;
}
