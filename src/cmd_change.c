#include "buf.h"
#include "cli.h"
#include "cmd_job.h"
#include "ledger.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct cmd_change {
    const struct cli *cli;
    struct cmd_session session;
    enum ledger_change change;
    struct json_out json;
    bool unchanged; /* something that was asked for did not happen */
};

static enum ledger_change
cmd_change_of(enum cli_command command)
{
    return command == CLI_NOW      ? LEDGER_NOW
           : command == CLI_KEEP   ? LEDGER_KEEP
           : command == CLI_CANCEL ? LEDGER_CANCEL
                                   : LEDGER_RETRY;
}

/* Whether the job is what the command wanted it to be, whoever did it. */
static bool
cmd_change_is_so(enum ledger_change change, const struct ledger_job *job)
{
    switch (change) {
    case LEDGER_NOW:
        return strcmp(job->state, "claimed") == 0;
    case LEDGER_KEEP:
        return strcmp(job->state, "kept") == 0 || strcmp(job->end_wanted, "kept") == 0;
    case LEDGER_CANCEL:
        return strcmp(job->state, "cancelled") == 0 || strcmp(job->end_wanted, "cancelled") == 0;
    case LEDGER_RETRY:
        break;
    }
    return job->is_open;
}

static void
cmd_change_print(struct cmd_change *work, const struct ledger_job *job, bool changed)
{
    bool is_so = changed || cmd_change_is_so(work->change, job);

    if (!is_so) {
        work->unchanged = true;
    }
    if (work->cli->format == CLI_FORMAT_JSON) {
        json_out_open_object(&work->json, NULL);
        json_out_int(&work->json, "id", job->id);
        json_out_bool(&work->json, "changed", changed);
        json_out_text(&work->json, "state", job->state);
        json_out_text_or_null(&work->json, "end_wanted", job->end_wanted);
        json_out_close_object(&work->json);
        return;
    }
    (void)printf("job %" PRId64 " %s %s: ", job->id,
                 changed ? "is now"
                 : is_so ? "is already"
                         : "stays",
                 job->state);
    cmd_job_print_next(job, &work->session);
    (void)printf("\n");
}

static bool
cmd_change_one(struct cmd_change *work, int64_t id, struct err *err)
{
    const struct ledger_filter filter = {.ids = &id, .id_count = 1, .limit = 1};
    const char *reason = work->cli->reason == NULL ? "asked to cancel" : work->cli->reason;
    struct db_result *result;
    struct ledger_job job;
    bool changed = false;

    if (!ledger_list(work->session.db, &filter, &result, err)) {
        return false;
    }
    if (db_rows(result) == 0) {
        cmd_job_log_missing(id);
        work->unchanged = true;
        db_result_free(result);
        return true;
    }
    db_result_free(result);
    if (!ledger_change(work->session.db, work->change, id, reason, &changed, &result, err)) {
        return false;
    }
    if (db_rows(result) == 1) {
        ledger_job_at(result, 0, &job);
        cmd_change_print(work, &job, changed);
    }
    db_result_free(result);
    return true;
}

/* An app of that name on several daemons is several apps: which one is meant has to be said. */
static bool
cmd_change_check_daemons(const struct cmd_change *work, const struct db_result *targets,
                         struct err *err)
{
    struct buf names;
    bool several = false;

    buf_init(&names, 600);
    for (int row = 0; row < db_rows(targets); row++) {
        const char *daemon = db_text(targets, row, 1);
        bool seen = false;

        for (int before = 0; before < row && !seen; before++) {
            seen = strcmp(db_text(targets, before, 1), daemon) == 0;
        }
        if (!seen) {
            several = several || names.length > 0;
            (void)buf_printf(&names, "%s%s", names.length > 0 ? ", " : "", daemon);
        }
    }
    if (several) {
        (void)err_set(err, ERR_USAGE, "app %s has such jobs on several daemons: %s", work->cli->app,
                      buf_text(&names));
        (void)err_hint(err, "add --daemon NAME");
    }
    buf_free(&names);
    return !several;
}

static bool
cmd_change_app(struct cmd_change *work, struct err *err)
{
    struct db_result *targets;
    bool done;

    if (!ledger_targets(work->session.db, work->change, work->cli->app, work->cli->daemon, &targets,
                        err)) {
        return false;
    }
    if (db_rows(targets) == 0) {
        cmd_job_log_none(work->cli->app, work->cli->daemon,
                         work->change == LEDGER_RETRY ? "that ended without success"
                                                      : "that is still open");
        work->unchanged = true;
    }
    done = work->cli->daemon != NULL || cmd_change_check_daemons(work, targets, err);
    for (int row = 0; done && row < db_rows(targets); row++) {
        done = cmd_change_one(work, db_int(targets, row, 0), err);
    }
    db_result_free(targets);
    return done;
}

static bool
cmd_change_ids(struct cmd_change *work, struct err *err)
{
    bool done = true;

    for (size_t i = 0; done && i < work->cli->id_count; i++) {
        done = cmd_change_one(work, work->cli->ids[i], err);
    }
    return done;
}

int
cmd_change(const struct cli *cli, const struct conf *conf)
{
    struct cmd_change work = {.cli = cli, .change = cmd_change_of(cli->command)};
    struct err err;
    bool done;

    /* The functions' notices say what this command prints itself. */
    if (cli->verbosity == 0) {
        log_set_level(LOG_LEVEL_ERROR);
    }
    if (!cmd_session_open(conf, &work.session, &err)) {
        log_err(&err);
        return err_exit_code(err.kind);
    }
    json_out_init(&work.json, stdout);
    if (cli->format == CLI_FORMAT_JSON) {
        json_out_open_array(&work.json, NULL);
    }
    done = cli->app == NULL ? cmd_change_ids(&work, &err) : cmd_change_app(&work, &err);
    if (cli->format == CLI_FORMAT_JSON) {
        json_out_close_array(&work.json);
    }
    cmd_session_close(&work.session);
    if (!done) {
        log_err(&err);
        return err_exit_code(err.kind);
    }
    return work.unchanged ? EXIT_CODE_ATTENTION : EXIT_CODE_OK;
}
