#include "cli.h"
#include "cmd_job.h"
#include "imageref.h"
#include "ledger.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Longest app id that the table takes, in bytes: the ids of ExApps are ASCII. */
#define CMD_SCHEDULE_APP_MAX 64

static bool
cmd_schedule_check(const struct cli *cli, struct err *err)
{
    if (strlen(cli->app) > CMD_SCHEDULE_APP_MAX || strspn(cli->app, " ") == strlen(cli->app)) {
        return err_set(err, ERR_USAGE, "option --app needs an id of 1 to %d characters",
                       CMD_SCHEDULE_APP_MAX);
    }
    if (imageref_kind(cli->image_ref) == IMAGEREF_INVALID) {
        (void)err_set(err, ERR_USAGE, "'%s' is not an image reference", cli->image_ref);
        return err_hint(err, "name:tag, name@sha256:..., or an image ID, as docker inspect tells");
    }
    return true;
}

static bool
cmd_schedule_do(const struct cli *cli, const struct cmd_session *session, struct err *err)
{
    const struct ledger_request request = {.daemon = cli->daemon,
                                           .app = cli->app,
                                           .image_ref = cli->image_ref,
                                           .event = cli->event,
                                           .choice = cli->choice,
                                           .grace_hours = cli->grace_hours,
                                           .image_id = cli->image_id};
    struct ledger_filter filter = {.id_count = 1, .limit = 1};
    struct db_result *result;
    struct ledger_job job;
    int64_t id = 0;

    if (!ledger_schedule(session->db, &request, &id, err)) {
        return false;
    }
    if (cli->format == CLI_FORMAT_JSON) {
        struct json_out json;

        json_out_init(&json, stdout);
        json_out_open_object(&json, NULL);
        json_out_int(&json, "id", id);
        json_out_close_object(&json);
        return true;
    }
    filter.ids = &id;
    if (!ledger_list(session->db, &filter, &result, err)) {
        return false;
    }
    (void)printf("job %" PRId64, id);
    if (db_rows(result) == 1) {
        ledger_job_at(result, 0, &job);
        (void)printf(" is %s: ", job.state);
        cmd_job_print_next(&job, session);
    }
    (void)printf("\n");
    db_result_free(result);
    return true;
}

int
cmd_schedule(const struct cli *cli, const struct conf *conf)
{
    struct cmd_session session = {.db = NULL};
    struct err err;
    bool done = cmd_schedule_check(cli, &err) && cmd_session_open(conf, &session, &err) &&
                cmd_session_check_daemon(&session, cli->daemon, &err) &&
                cmd_schedule_do(cli, &session, &err);

    cmd_session_close(&session);
    if (!done) {
        log_err(&err);
    }
    return done ? EXIT_CODE_OK : err_exit_code(err.kind);
}
