#include "cmd_metrics.h"

#include "clock.h"
#include "fdio.h"
#include "log.h"
#include "mem.h"
#include "metrics_out.h"

#include <string.h>

static const struct metrics_label no_label = {NULL, NULL};

static void
metrics_one(struct metrics_out *metrics, const char *name, const char *help, int64_t value)
{
    metrics_out_gauge(metrics, name, help);
    metrics_out_sample(metrics, no_label, no_label, value);
}

static void
metrics_write_run(struct metrics_out *metrics, const struct sweep_report *report)
{
    const struct {
        const char *result;
        int64_t count;
    } results[] = {
        {"removed", report->totals.removed}, {"untagged", report->totals.untagged},
        {"absent", report->totals.absent},   {"in_use", report->totals.in_use},
        {"held", report->totals.held},       {"retried", report->totals.retried},
        {"failed", report->totals.failed},   {"given_back", report->totals.given_back},
        {"late", report->totals.late},
    };

    metrics_one(metrics, "harpsweep_run_timestamp_seconds",
                "When the last run on this host ended, by the host's clock.",
                clock_wall_ms() / 1000);
    metrics_one(metrics, "harpsweep_run_exit_code",
                "What it told cron: 0 is fine, 1 needs attention, see the manual for the others.",
                report->exit_code);
    metrics_out_gauge(metrics, "harpsweep_run_duration_seconds", "How long it took.");
    metrics_out_span(metrics, report->duration_ms);
    metrics_one(metrics, "harpsweep_run_freed_bytes",
                "Sum of the sizes of the images that it deleted, an upper bound.",
                report->totals.bytes_freed);
    metrics_out_gauge(metrics, "harpsweep_run_jobs",
                      "Jobs that it worked on, by what came of them.");
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        metrics_out_sample(metrics, (struct metrics_label){"result", results[i].result}, no_label,
                           results[i].count);
    }
}

static void
metrics_write_jobs(struct metrics_out *metrics, const struct status_view *view)
{
    static const char *const states[] = {"new", "pending", "claimed"};
    const struct db_result *open = view->status.parts[LEDGER_STATUS_OPEN];
    const struct status_summary *summary = &view->summary;

    metrics_one(metrics, "harpsweep_cleanup_enabled",
                "1 where jobs with a grace are worked on, 0 where they wait.",
                view->session->enabled ? 1 : 0);
    metrics_out_gauge(metrics, "harpsweep_open_jobs", "Jobs that are not final, by state.");
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        int64_t jobs = 0;

        for (int row = 0; row < db_rows(open); row++) {
            if (strcmp(db_text(open, row, LEDGER_OPEN_STATE), states[i]) == 0) {
                jobs += db_int(open, row, LEDGER_OPEN_JOBS);
            }
        }
        metrics_out_sample(metrics, (struct metrics_label){"state", states[i]}, no_label, jobs);
    }
    metrics_one(metrics, "harpsweep_due_jobs", "Open jobs that a run may act on now.",
                summary->due);
    metrics_one(metrics, "harpsweep_lag_seconds",
                "For how long the oldest due job has been waiting for a run.", summary->lag_s);
    metrics_one(metrics, "harpsweep_failed_jobs", "Jobs that need a person, of any age.",
                summary->failed);
    metrics_one(metrics, "harpsweep_unknown_daemon_jobs",
                "Due jobs of daemons that neither the settings nor Nextcloud know.",
                summary->unknown);
    metrics_one(metrics, "harpsweep_intake_errors",
                "Kinds of errors that the triggers on Nextcloud's tables noted.", summary->intake);
}

static void
metrics_write_finished(struct metrics_out *metrics, const struct status_view *view)
{
    const struct db_result *finished = view->status.parts[LEDGER_STATUS_FINISHED];
    const struct db_result *run = view->status.parts[LEDGER_STATUS_RUN];
    int64_t last = 0;

    metrics_out_gauge(metrics, "harpsweep_finished_jobs",
                      "Jobs that became final within a window of time, failed ones left out.");
    for (int row = 0; row < db_rows(finished); row++) {
        const struct metrics_label state = {"state", db_text(finished, row, LEDGER_FINISHED_STATE)};

        metrics_out_sample(metrics, state, (struct metrics_label){"window", "24h"},
                           db_int(finished, row, LEDGER_FINISHED_24H));
        metrics_out_sample(metrics, state, (struct metrics_label){"window", "7d"},
                           db_int(finished, row, LEDGER_FINISHED_7D));
    }
    metrics_out_gauge(metrics, "harpsweep_freed_bytes",
                      "Sum of the sizes of the images deleted within it, an upper bound.");
    metrics_out_sample(metrics, (struct metrics_label){"window", "24h"}, no_label,
                       cmd_status_finished(view, LEDGER_FINISHED_BYTES_24H));
    metrics_out_sample(metrics, (struct metrics_label){"window", "7d"}, no_label,
                       cmd_status_finished(view, LEDGER_FINISHED_BYTES_7D));
    if (db_rows(run) > 0 && clock_parse_utc(db_text(run, 0, LEDGER_RUN_FINISHED_AT), &last)) {
        metrics_one(metrics, "harpsweep_work_timestamp_seconds",
                    "When a run ended last, on any host, that had something to do.", last);
    }
}

static void
metrics_write_daemons(struct metrics_out *metrics, const struct db_result *daemons)
{
    static const struct {
        const char *name;
        const char *help;
        int column;
    } numbers[] = {
        {"harpsweep_daemon_open_jobs", "Open jobs of a daemon.", LEDGER_DAEMON_OPEN},
        {"harpsweep_daemon_due_jobs", "Due jobs of a daemon.", LEDGER_DAEMON_DUE},
        {"harpsweep_daemon_failed_jobs", "Failed jobs of a daemon.", LEDGER_DAEMON_FAILED},
    };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        metrics_out_gauge(metrics, numbers[i].name, numbers[i].help);
        for (int row = 0; row < db_rows(daemons); row++) {
            metrics_out_sample(
                metrics,
                (struct metrics_label){"daemon", db_text(daemons, row, LEDGER_DAEMON_NAME)},
                no_label, db_int(daemons, row, numbers[i].column));
        }
    }
    metrics_out_gauge(metrics, "harpsweep_daemon_stopped",
                      "1 where runs cannot go on with a daemon, 0 where they can.");
    for (int row = 0; row < db_rows(daemons); row++) {
        metrics_out_sample(
            metrics, (struct metrics_label){"daemon", db_text(daemons, row, LEDGER_DAEMON_NAME)},
            no_label, db_is_null(daemons, row, LEDGER_DAEMON_STOP) ? 0 : 1);
    }
}

/* A moment of each daemon that has it. */
static void
metrics_write_moments(struct metrics_out *metrics, const struct db_result *daemons,
                      const char *name, const char *help, int column)
{
    int64_t seconds = 0;

    metrics_out_gauge(metrics, name, help);
    for (int row = 0; row < db_rows(daemons); row++) {
        if (clock_parse_utc(db_text(daemons, row, column), &seconds)) {
            metrics_out_sample(
                metrics,
                (struct metrics_label){"daemon", db_text(daemons, row, LEDGER_DAEMON_NAME)},
                no_label, seconds);
        }
    }
}

/* The name of a settings file without folder and ".ini": as a run over a folder calls it. */
static char *
metrics_settings_name(const struct conf *conf)
{
    const char *slash = strrchr(conf->path, '/');
    const char *name = slash == NULL ? conf->path : slash + 1;
    size_t length = strlen(name);

    if (length > 4 && strcmp(name + length - 4, ".ini") == 0) {
        length -= 4;
    }
    return mem_strndup(name, length);
}

void
cmd_metrics_write(FILE *out, const struct conf *conf, const struct status_view *view,
                  const struct sweep_report *report)
{
    char *name = metrics_settings_name(conf);
    struct metrics_out metrics;

    metrics_out_init(&metrics, out, name);
    metrics_out_gauge(&metrics, "harpsweep_build_info", "Always 1; its label tells the version.");
    metrics_out_sample(&metrics, (struct metrics_label){"version", HARPSWEEP_VERSION}, no_label, 1);
    metrics_one(&metrics, "harpsweep_database_up",
                "1 where the database could be asked, 0 where what it knows is missing here.",
                view != NULL ? 1 : 0);
    if (report != NULL) {
        metrics_write_run(&metrics, report);
    }
    if (view != NULL) {
        const struct db_result *daemons = view->status.parts[LEDGER_STATUS_DAEMONS];

        metrics_write_jobs(&metrics, view);
        metrics_write_finished(&metrics, view);
        metrics_write_daemons(&metrics, daemons);
        metrics_write_moments(&metrics, daemons, "harpsweep_daemon_stopped_since_timestamp_seconds",
                              "Since when runs cannot go on with a daemon.",
                              LEDGER_DAEMON_STOPPED_SINCE);
        metrics_write_moments(&metrics, daemons, "harpsweep_daemon_answered_timestamp_seconds",
                              "When a daemon last answered as HaRP does.",
                              LEDGER_DAEMON_ANSWERED_AT);
    }
    mem_free(name);
}

struct metrics_content {
    const struct conf *conf;
    const struct status_view *view;
    const struct sweep_report *report;
};

static void
metrics_fill(void *context, FILE *out)
{
    const struct metrics_content *content = context;

    cmd_metrics_write(out, content->conf, content->view, content->report);
}

static void
metrics_replace(const struct conf *conf, const struct status_view *view,
                const struct sweep_report *report)
{
    struct metrics_content content = {conf, view, report};
    struct err err;

    /* Readable for everybody: the collector is somebody else. */
    if (!fdio_replace(conf->metrics_file, 0644, metrics_fill, &content, &err)) {
        log_warning("metrics_file %s", err.text);
    }
}

void
cmd_metrics_save(const struct conf *conf, struct db *db, const struct sweep_report *report)
{
    struct cmd_session session;
    struct status_view view;
    struct err err;
    bool asked = false;

    if (conf->metrics_file == NULL || conf->metrics_file[0] == '\0') {
        return;
    }
    memset(&view, 0, sizeof view);
    if (db != NULL && db_is_open(db)) {
        cmd_session_attach(conf, db, &session);
        asked = cmd_status_open(&session, &view, &err);
        if (!asked) {
            log_warning("metrics_file %s lacks what the database knows: %s", conf->metrics_file,
                        err.text);
        }
        metrics_replace(conf, asked ? &view : NULL, report);
        cmd_status_close(&view);
        session.db = NULL; /* the run's */
        cmd_session_close(&session);
    } else {
        metrics_replace(conf, NULL, report);
    }
}
