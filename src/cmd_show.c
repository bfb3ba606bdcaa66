#include "cli.h"
#include "cmd_job.h"
#include "cmd_story.h"
#include "ledger.h"
#include "log.h"
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Jobs of an app where nobody says otherwise. */
#define CMD_SHOW_LIMIT 50

static void
cmd_show_line(const char *label, const char *value)
{
    if (*value != '\0') {
        cmd_job_say("  %-12s %s", label, value);
        (void)printf("\n");
    }
}

static void
cmd_show_endpoint(const struct ledger_job *job)
{
    if (*job->host != '\0' && job->docker_socket_port > 0) {
        cmd_job_say("  %-12s %s, which was at %s://%s, engine port %" PRId64, "daemon", job->daemon,
                    job->protocol, job->host, job->docker_socket_port);
        (void)printf("\n");
    } else {
        cmd_show_line("daemon", job->daemon);
    }
}

/* How often what happened, as far as anything did. */
static void
cmd_show_attempts(const struct ledger_job *job, const struct conf *conf)
{
    const struct {
        int64_t count;
        int64_t most;
        const char *words;
    } parts[] = {
        {job->failures, conf->max_failures, "failed"},
        {job->rechecks, conf->in_use_max_rechecks, "found it in use"},
        {job->lost_claims, 0, "of the last were never heard of again"},
    };

    if (job->attempts == 0) {
        return;
    }
    (void)printf("  %-12s %" PRId64, "attempts", job->attempts);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].count > 0) {
            (void)printf(", %" PRId64 " %s", parts[i].count, parts[i].words);
        }
        if (parts[i].count > 0 && parts[i].most > 0) {
            (void)printf(" (of at most %" PRId64 ")", parts[i].most);
        }
    }
    (void)printf("\n");
}

static void
cmd_show_answer(const struct ledger_job *job)
{
    if (job->http_status > 0 || job->duration_ms > 0) {
        (void)printf("  %-12s ", "last answer");
        if (job->http_status > 0) {
            (void)printf("HTTP status %" PRId64 ", ", job->http_status);
        }
        (void)printf("after %" PRId64 " ms\n", job->duration_ms > 0 ? job->duration_ms : 0);
    }
}

static void
cmd_show_text(const struct ledger_job *job, const struct db_result *events,
              const struct cmd_session *session)
{
    bool colored = color_is_wanted(stdout);
    char size[TABLE_SIZE_SIZE];

    (void)printf("job %" PRId64 " is %s%s%s", job->id, color_begin(cmd_job_color(job), colored),
                 job->state, color_end(cmd_job_color(job), colored));
    (void)printf("%s%s\n", *job->due == '\0' ? "" : ", ", job->due);
    (void)printf("  %-12s ", "next");
    cmd_job_print_next(job, session);
    (void)printf("\n");
    cmd_show_line("held because", job->hold_reason);
    cmd_show_line("last error", job->last_error);
    cmd_show_line("daemon is", job->stop_reason);
    cmd_show_line("what to do", job->stop_hint);
    cmd_show_line("app", job->appid);
    cmd_show_endpoint(job);
    cmd_show_line("image", job->image_ref);
    cmd_show_line("image ID", job->image_id);
    if (job->bytes_freed >= 0) {
        (void)printf("  %-12s up to %s (%" PRId64 " bytes)\n", "freed",
                     table_size(job->bytes_freed, size), job->bytes_freed);
    }
    cmd_show_attempts(job, session->conf);
    cmd_show_answer(job);
    (void)printf("\n");
    cmd_story_print(job, events);
}

/* The row of that job, or -1. */
static int
cmd_show_find(const struct db_result *result, int64_t id)
{
    for (int row = 0; row < db_rows(result); row++) {
        if (db_int(result, row, 0) == id) {
            return row;
        }
    }
    return -1;
}

/* One after the other. */
struct show {
    const struct cmd_session *session;
    const struct db_result *events; /* of all of them */
    struct json_out json;
    bool is_json;
    bool filled;
};

static void
cmd_show_row(struct show *show, const struct db_result *result, int row)
{
    struct ledger_job job;

    ledger_job_at(result, row, &job);
    if (show->is_json) {
        cmd_job_open_json(&show->json, &job);
        cmd_story_write_json(&show->json, &job, show->events);
        json_out_close_object(&show->json);
    } else {
        (void)printf("%s", show->filled ? "\n" : "");
        cmd_show_text(&job, show->events, show->session);
    }
    show->filled = true;
}

/* In the order in which they were asked for. */
static int
cmd_show_numbers(struct show *show, const struct cli *cli, const struct db_result *result)
{
    int code = EXIT_CODE_OK;

    for (size_t i = 0; i < cli->id_count; i++) {
        int row = cmd_show_find(result, cli->ids[i]);

        if (row < 0) {
            cmd_job_log_missing(cli->ids[i]);
            code = EXIT_CODE_ATTENTION;
        } else {
            cmd_show_row(show, result, row);
        }
    }
    return code;
}

static int
cmd_show_app(struct show *show, const struct cli *cli, const struct db_result *result)
{
    for (int row = 0; row < db_rows(result); row++) {
        cmd_show_row(show, result, row);
    }
    if (db_rows(result) == 0) {
        cmd_job_log_none(cli->app, cli->daemon, "");
        return EXIT_CODE_ATTENTION;
    }
    return EXIT_CODE_OK;
}

static int
cmd_show_print(const struct cli *cli, const struct cmd_session *session,
               const struct db_result *result, const struct db_result *events)
{
    struct show show = {
        .session = session, .events = events, .is_json = cli->format == CLI_FORMAT_JSON};
    int code;

    json_out_init(&show.json, stdout);
    if (show.is_json) {
        json_out_open_array(&show.json, NULL);
    }
    code =
        cli->app != NULL ? cmd_show_app(&show, cli, result) : cmd_show_numbers(&show, cli, result);
    if (show.is_json) {
        json_out_close_array(&show.json);
    }
    return code;
}

/* What the app runs now, beside what it left behind. */
static bool
cmd_show_images(const struct cli *cli, struct db *db, struct err *err)
{
    struct db_result *images;

    if (cli->app == NULL || cli->format == CLI_FORMAT_JSON) {
        return true;
    }
    if (!ledger_images(db, &images, err)) {
        return false;
    }
    for (int row = 0; row < db_rows(images); row++) {
        if (strcmp(db_text(images, row, LEDGER_IMAGES_APP), cli->app) == 0 &&
            (cli->daemon == NULL ||
             strcmp(db_text(images, row, LEDGER_IMAGES_DAEMON), cli->daemon) == 0)) {
            cmd_job_say("app %s %s runs on daemon %s with image %s, seen %s", cli->app,
                        db_text(images, row, LEDGER_IMAGES_VERSION),
                        db_text(images, row, LEDGER_IMAGES_DAEMON),
                        db_text(images, row, LEDGER_IMAGES_REF),
                        db_text(images, row, LEDGER_IMAGES_AGO));
            (void)printf("\n\n");
        }
    }
    db_result_free(images);
    return true;
}

int
cmd_show(const struct cli *cli, const struct conf *conf)
{
    const struct ledger_filter filter = {
        .ids = cli->app == NULL ? cli->ids : NULL,
        .id_count = cli->id_count,
        .app = cli->app,
        .daemon = cli->daemon,
        .limit = cli->app == NULL ? (int64_t)cli->id_count
                 : cli->limit > 0 ? cli->limit
                                  : CMD_SHOW_LIMIT,
    };
    struct cmd_session session;
    struct db_result *result = NULL;
    struct db_result *events = NULL;
    struct err err;
    int code;

    if (cmd_session_open(conf, &session, &err) && cmd_show_images(cli, session.db, &err) &&
        ledger_list(session.db, &filter, &result, &err) &&
        ledger_events(session.db, result, &events, &err)) {
        code = cmd_show_print(cli, &session, result, events);
    } else {
        log_err(&err);
        code = err_exit_code(err.kind);
    }
    db_result_free(result);
    db_result_free(events);
    cmd_session_close(&session);
    return code;
}
