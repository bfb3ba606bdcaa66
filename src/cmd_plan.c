#include "cli.h"
#include "cmd_session.h"
#include "json_out.h"
#include "ledger.h"
#include "log.h"
#include "mem.h"
#include "sig.h"
#include "survey.h"
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CMD_PLAN_DAYS 7
#define CMD_PLAN_ROWS 1000

/* What would become of a job, as far as can be told without doing it. */
enum plan_outcome { PLAN_DELETE, PLAN_HELD, PLAN_ABSENT, PLAN_WAITS, PLAN_UNKNOWN };

static const char *const plan_outcome_names[] = {
    [PLAN_DELETE] = "delete", [PLAN_HELD] = "held",       [PLAN_ABSENT] = "absent",
    [PLAN_WAITS] = "waits",   [PLAN_UNKNOWN] = "unknown",
};

struct plan_row {
    enum plan_outcome outcome;
    char reason[640];
    int64_t size; /* bytes; -1: not known */
    int64_t waits_s;
};

struct plan {
    const struct cmd_session *session;
    const struct db_result *jobs;
    struct survey_item *items;
    struct plan_row *rows;
    int count;
};

static void
cmd_plan_say(struct plan_row *row, enum plan_outcome outcome, const char *reason)
{
    row->outcome = outcome;
    (void)snprintf(row->reason, sizeof row->reason, "%s", reason);
}

/* What Docker told about the image of a job that nothing else holds. */
static void
cmd_plan_judge_answer(const struct survey_item *item, struct plan_row *row)
{
    const struct verdict *verdict = &item->verdict;

    if (!item->asked) {
        cmd_plan_say(row, PLAN_UNKNOWN, verdict->reason);
        return;
    }
    row->size = verdict->image_id[0] == '\0' ? -1 : verdict->image_size;
    switch (verdict->action) {
    case VERDICT_GO_ON:
        cmd_plan_say(row, PLAN_DELETE, "");
        break;
    case VERDICT_DONE:
        cmd_plan_say(row, PLAN_ABSENT, verdict->reason);
        break;
    case VERDICT_WAIT:
    case VERDICT_HOLD:
        cmd_plan_say(row, PLAN_HELD, verdict->reason);
        break;
    case VERDICT_RETRY:
    case VERDICT_FAIL:
    case VERDICT_STOP:
        cmd_plan_say(row, PLAN_UNKNOWN, verdict->reason);
        break;
    }
}

static void
cmd_plan_judge(const struct plan *plan, int index)
{
    struct plan_row *row = &plan->rows[index];
    const struct conf *conf = plan->session->conf;
    const char *image = db_text(plan->jobs, index, LEDGER_PLAN_IMAGE);
    const char *pattern = conf_keep_match(conf, image);
    char reason[256];

    row->waits_s = db_int(plan->jobs, index, LEDGER_PLAN_WAITS_S);
    cmd_plan_judge_answer(&plan->items[index], row);
    if (row->outcome != PLAN_DELETE) {
        return;
    }
    if (!db_is_null(plan->jobs, index, LEDGER_PLAN_HOLD)) {
        cmd_plan_say(row, PLAN_HELD, db_text(plan->jobs, index, LEDGER_PLAN_HOLD));
    } else if (pattern != NULL) {
        (void)snprintf(reason, sizeof reason, "the image matches keep = %s of the settings",
                       pattern);
        cmd_plan_say(row, PLAN_HELD, reason);
    } else if (!plan->session->enabled &&
               strcmp(db_text(plan->jobs, index, LEDGER_PLAN_CHOICE), "now") != 0) {
        cmd_plan_say(row, PLAN_WAITS, "cleanup is disabled");
    } else if (db_bool(plan->jobs, index, LEDGER_PLAN_CLAIMED)) {
        cmd_plan_say(row, PLAN_DELETE, "a run works on it right now");
    }
}

/* Runs go where the jobs of a daemon that was unregistered say that it was. */
static void
cmd_plan_add_gone(const struct plan *plan)
{
    for (int i = 0; i < plan->count; i++) {
        const struct jobs_place place = {
            .protocol = db_text_or_null(plan->jobs, i, LEDGER_PLAN_PROTOCOL),
            .host = db_text_or_null(plan->jobs, i, LEDGER_PLAN_HOST),
            .docker_socket_port = (int)db_int(plan->jobs, i, LEDGER_PLAN_PORT)};
        const char *name = db_text(plan->jobs, i, LEDGER_PLAN_DAEMON);

        if (place.protocol != NULL && roster_find(plan->session->roster, name) == NULL) {
            roster_add_gone(plan->session->roster, name, &place);
        }
    }
}

static void
cmd_plan_fill(const struct plan *plan)
{
    bool verify = plan->session->conf->verify;

    for (int i = 0; i < plan->count; i++) {
        plan->items[i].daemon = db_text(plan->jobs, i, LEDGER_PLAN_DAEMON);
        plan->items[i].job = (struct verdict_job){
            .image_ref = db_text(plan->jobs, i, LEDGER_PLAN_IMAGE),
            .image_id = db_text_or_null(plan->jobs, i, LEDGER_PLAN_IMAGE_ID),
            .orphaned_at_ms = db_int(plan->jobs, i, LEDGER_PLAN_ORPHANED_AT_MS),
            .explicit_now = strcmp(db_text(plan->jobs, i, LEDGER_PLAN_CHOICE), "now") == 0,
            .protect_unpullable = plan->session->conf->protect_unpullable,
        };
        if (!verify) { /* no run asks: what the answer tells is whether it is there, and its size */
            plan->items[i].job.image_id = NULL;
            plan->items[i].job.orphaned_at_ms = INT64_MAX;
            plan->items[i].job.explicit_now = true;
        }
    }
}

/* "3 images, up to 12.3 GB" of the rows with that outcome, due now or later. */
static void
cmd_plan_sum(const struct plan *plan, const char *label, enum plan_outcome outcome, bool due_now)
{
    char text[TABLE_SIZE_SIZE];
    int64_t size = 0;
    int count = 0;

    for (int i = 0; i < plan->count; i++) {
        const struct plan_row *row = &plan->rows[i];

        if (row->outcome == outcome && (row->waits_s == 0) == due_now) {
            count++;
            size += row->size > 0 ? row->size : 0;
        }
    }
    if (count > 0 || outcome == PLAN_DELETE) {
        (void)printf("%-22s %d image%s, up to %s\n", label, count, count == 1 ? "" : "s",
                     table_size(size, text));
    }
}

static void
cmd_plan_print(const struct plan *plan, int64_t days)
{
    static const struct table_column columns[] = {
        {"WHEN", TABLE_WHOLE},  {"JOB", TABLE_RIGHT},  {"APP", TABLE_LEFT},
        {"DAEMON", TABLE_LEFT}, {"SIZE", TABLE_RIGHT}, {"OUTCOME", TABLE_WHOLE},
        {"IMAGE", TABLE_NAME},  {"WHY", TABLE_LEFT},
    };
    struct table *table = table_new(columns, sizeof columns / sizeof *columns);
    char later[32];

    for (int i = 0; i < plan->count; i++) {
        const struct plan_row *row = &plan->rows[i];
        char text[TABLE_SPAN_SIZE];
        char size[TABLE_SIZE_SIZE];

        if (row->waits_s == 0) {
            table_add(table, "now");
        } else {
            table_addf(table, "in %s", table_span(row->waits_s, text));
        }
        table_add(table, db_text(plan->jobs, i, LEDGER_PLAN_ID));
        table_add(table, db_text(plan->jobs, i, LEDGER_PLAN_APP));
        table_add(table, db_text(plan->jobs, i, LEDGER_PLAN_DAEMON));
        table_add(table, row->size < 0 ? "" : table_size(row->size, size));
        table_add(table, plan_outcome_names[row->outcome]);
        table_add(table, db_text(plan->jobs, i, LEDGER_PLAN_IMAGE));
        table_add(table, row->reason);
    }
    if (plan->count > 0) {
        table_print(table, stdout, table_terminal_width(stdout));
        (void)printf("\n");
    }
    table_free(table);
    cmd_plan_sum(plan, "to delete now", PLAN_DELETE, true);
    (void)snprintf(later, sizeof later, "within %" PRId64 " day%s", days, days == 1 ? "" : "s");
    cmd_plan_sum(plan, later, PLAN_DELETE, false);
    cmd_plan_sum(plan, "held", PLAN_HELD, true);
    cmd_plan_sum(plan, "held later", PLAN_HELD, false);
    if (plan->count == CMD_PLAN_ROWS) {
        (void)printf("there are more than these %d\n", CMD_PLAN_ROWS);
    }
}

static void
cmd_plan_write_json(const struct plan *plan)
{
    struct json_out json;

    json_out_init(&json, stdout);
    json_out_open_array(&json, NULL);
    for (int i = 0; i < plan->count; i++) {
        const struct plan_row *row = &plan->rows[i];

        json_out_open_object(&json, NULL);
        json_out_int(&json, "id", db_int(plan->jobs, i, LEDGER_PLAN_ID));
        for (int column = LEDGER_PLAN_DAEMON; column <= LEDGER_PLAN_DUE; column++) {
            json_out_text(&json, db_column_name(plan->jobs, column),
                          db_text_or_null(plan->jobs, i, column));
        }
        json_out_int(&json, "waits_s", row->waits_s);
        json_out_text(&json, "outcome", plan_outcome_names[row->outcome]);
        json_out_text_or_null(&json, "reason", row->reason);
        if (row->size < 0) {
            json_out_null(&json, "bytes");
        } else {
            json_out_int(&json, "bytes", row->size);
        }
        json_out_close_object(&json);
    }
    json_out_close_array(&json);
}

/* Jobs that could not be judged because their daemon is unwell need a look. */
static int
cmd_plan_exit_code(const struct plan *plan)
{
    for (int i = 0; i < plan->count; i++) {
        if (plan->rows[i].outcome == PLAN_UNKNOWN) {
            return EXIT_CODE_ATTENTION;
        }
    }
    return EXIT_CODE_OK;
}

static int
cmd_plan_show(const struct cli *cli, const struct cmd_session *session,
              const struct db_result *jobs, int64_t days)
{
    struct plan plan = {.session = session, .jobs = jobs, .count = db_rows(jobs)};
    struct err err;
    int code;

    plan.items = mem_alloc((size_t)plan.count, sizeof *plan.items);
    plan.rows = mem_alloc((size_t)plan.count, sizeof *plan.rows);
    cmd_plan_add_gone(&plan);
    cmd_plan_fill(&plan);
    if (survey_images(session->conf, session->roster, plan.items, (size_t)plan.count, &err)) {
        for (int i = 0; i < plan.count; i++) {
            plan.rows[i].size = -1;
            cmd_plan_judge(&plan, i);
        }
        if (cli->format == CLI_FORMAT_JSON) {
            cmd_plan_write_json(&plan);
        } else {
            cmd_plan_print(&plan, days);
        }
        code = cmd_plan_exit_code(&plan);
    } else {
        log_err(&err);
        code = err_exit_code(err.kind);
    }
    mem_free(plan.items);
    mem_free(plan.rows);
    return code;
}

int
cmd_plan(const struct cli *cli, const struct conf *conf)
{
    struct ledger_plan ask = {.daemon = cli->daemon,
                              .app = cli->app,
                              .days = cli->days < 0 ? CMD_PLAN_DAYS : cli->days,
                              .limit = CMD_PLAN_ROWS,
                              .keep_previous = conf->keep_previous,
                              .protect_unpullable = conf->protect_unpullable,
                              .by_name = !conf->verify};
    struct cmd_session session;
    struct db_result *jobs;
    struct err err;
    int code;

    sig_install();
    if (!cmd_session_open(conf, &session, &err)) {
        log_err(&err);
        return err_exit_code(err.kind);
    }
    ask.grace_hours = session.grace_hours;
    if (ledger_plan(session.db, &ask, &jobs, &err)) {
        /* A name that neither a daemon nor a job has is a typing error. */
        if (cli->daemon != NULL && db_rows(jobs) == 0 &&
            !cmd_session_check_daemon(&session, cli->daemon, &err)) {
            log_err(&err);
            code = err_exit_code(err.kind);
        } else {
            code = cmd_plan_show(cli, &session, jobs, ask.days);
        }
        db_result_free(jobs);
    } else {
        log_err(&err);
        code = err_exit_code(err.kind);
    }
    cmd_session_close(&session);
    return code;
}
