/*
 * What the database may hold, through everything that prints it: the commands as a whole, runs
 * included, with a database and daemons that answer with the input (fake_libpq.h, fake_http.h), and
 * what reads the rows of a run.
 *
 * Input, first line: the command (its place in `commands`; behind them, see the end), then one
 * character each: JSON (0, 1), rows of each result (0…4), the statement that fails (0: none, 9: no
 * connection), the settings (see plan_of()), and a width for tables, or days of a report. The lines
 * that follow are what the database and the daemons answer; see fake_cell() and fake_answer().
 */
#define _GNU_SOURCE /* memfd_create */
#include "fake_http.h"
#include "fake_libpq.h"
#include "fake_output.h"
#include "fuzz_files.h"
#include "report_oracle.h"

#include "cli.h"
#include "err.h"
#include "jobs.h"
#include "json_out.h"
#include "ledger.h"
#include "log.h"
#include "mem.h"
#include "printable.h"
#include "table.h"

#include <jansson.h>

struct plan {
    bool json;
    unsigned rows;
    unsigned refuse;
    bool enabled;
    bool verify;
    bool follow_nextcloud;
    bool filter;  /* --daemon and --app are given */
    size_t width; /* of tables */
    int64_t days; /* of a report; -1: not given */
    bool to_file; /* the report */
};

/* What a report tells of where nobody says how many. */
#define REPORT_DAYS 30

static char a_path[] = FUZZ_FILE_PATH;
static char a_conninfo[] = "dbname=x";
static char a_name[] = "d";
static char a_glob[] = "k*";
static char a_url[] = FAKE_URL;
static char a_key[] = FUZZ_KEY;
static char *keep[] = {a_glob};
static struct conf_daemon harp = {.section = a_name,
                                  .name = a_name,
                                  .url = a_url,
                                  .key = a_key,
                                  .engine_port = 24000,
                                  .max_parallel = 4};
static int64_t ids[] = {1, 2};
static const char *refs[] = {
    "app:1", "sha256:580c10577f0ad110f8eaa64cfffbd524b0103397d8695a7804b2aa435d27dab5"};

/* Signals are libFuzzer's. */
void sig_install(void);
int sig_stops(void);

void
sig_install(void)
{
}

int
sig_stops(void)
{
    return 0;
}

static void
check_json(const char *text)
{
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

    FUZZ_CHECK(root != NULL, "line %d: %s: %s", error.line, error.text, text);
    json_decref(root);
}

/* This one reads the settings itself. */
static int
run_check(const struct cli *cli, const struct conf *conf)
{
    static const char settings[] =
        "[database]\nconninfo=dbname=x\n[harp]\nshared_key_file=" FUZZ_KEY_PATH
        "\n[daemon:d]\nurl=" FAKE_URL "\n";

    (void)conf;
    fuzz_make_files();
    fuzz_write_file(FUZZ_FILE_FD, settings, sizeof settings - 1);
    return cmd_check(cli);
}

static const struct command {
    enum cli_command command;
    int (*run)(const struct cli *cli, const struct conf *conf);
    bool dry_run;
} commands[] = {
    {CLI_LIST, cmd_list, false},         {CLI_SHOW, cmd_show, false},
    {CLI_STATUS, cmd_status, false},     {CLI_RUN, cmd_run, true},
    {CLI_NOW, cmd_change, false},        {CLI_KEEP, cmd_change, false},
    {CLI_SCHEDULE, cmd_schedule, false}, {CLI_CANCEL, cmd_change, false},
    {CLI_RETRY, cmd_change, false},      {CLI_RUN, cmd_run, false},
    {CLI_PLAN, cmd_plan, false},         {CLI_OBSERVE, cmd_observe, false},
    {CLI_ADOPT, cmd_adopt, false},       {CLI_CHECK, run_check, false},
    {CLI_REPORT, cmd_report, false},
};

#define COMMANDS (sizeof commands / sizeof *commands)

static enum cli_format
format_of(const struct command *command, const struct plan *plan)
{
    return plan->json                       ? CLI_FORMAT_JSON
           : command->command == CLI_REPORT ? CLI_FORMAT_HTML
                                            : CLI_FORMAT_TEXT;
}

/* A report, written to wherever it should be: it is whole or there is none, and there is one where
 * the database kept its promises. */
static void
check_report(const struct plan *plan, int code, const struct fuzz_capture *out)
{
    FUZZ_CHECK(fake_output.made == (plan->to_file && code == EXIT_CODE_OK) &&
                   fake_output.made == fake_output.placed &&
                   (out->length == 0) == (fake_output.made || code != EXIT_CODE_OK),
               "exit %d", code);
    /* The words of a refused connection may be those of wrong settings. */
    FUZZ_CHECK(
        code == EXIT_CODE_OK || (code == EXIT_CODE_UNAVAILABLE && fake.wrong) ||
            ((code == EXIT_CODE_UNAVAILABLE || code == EXIT_CODE_CONFIG) && plan->refuse > 0),
        "exit %d", code);
    if (code == EXIT_CODE_OK && plan->to_file) {
        fake_output_read();
        (void)fuzz_check_shown("file", fake_output.text, fake_output.length);
        report_oracle_check(fake_output.text, fake_output.length, plan->json, fake.days);
    } else if (code == EXIT_CODE_OK) {
        report_oracle_check(out->text, out->length, plan->json, fake.days);
    }
}

/* Else libc looks for /etc/localtime at every moment that is shown. */
static void
begin_once(void)
{
    static bool begun;

    if (!begun) {
        begun = true;
        FUZZ_CHECK(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1) == 0, "no memory");
    }
}

/* A command as main() would run it. */
static void
run_command(const struct command *command, const struct plan *plan)
{
    static struct fuzz_capture out;
    static struct fuzz_capture error;
    bool needs_names = command->command == CLI_SCHEDULE || command->command == CLI_ADOPT;
    const struct conf conf = {
        .path = a_path,
        .conninfo = a_conninfo,
        .enabled = plan->enabled,
        .grace_hours = 24,
        .follow_nextcloud = plan->follow_nextcloud,
        .keep = keep,
        .keep_count = 1,
        .verify = plan->verify,
        .protect_unpullable = true,
        .in_use_recheck_hours = 24,
        .in_use_max_rechecks = 7,
        .max_failures = 20,
        .history_days = 14, /* less than some reports tell of */
        .max_parallel = 8,
        .max_parallel_per_daemon = 4,
        .soft_limit_ms = 10000,
        .hard_limit_ms = 20000,
        .lease_ms = 120000,
        .connect_timeout_ms = 5000,
        .timeout_ms = 90000,
        .key = a_key,
        .daemons = &harp,
        .daemon_count = 1,
    };
    const struct cli cli = {
        .command = command->command,
        .config_path = a_path,
        .verbosity = 1,
        .format = format_of(command, plan),
        .dry_run = command->dry_run,
        .daemon = needs_names || plan->filter ? a_name : NULL,
        .app = needs_names || plan->filter || command->command == CLI_RETRY ? a_name : NULL,
        .image_ref = a_name,
        .event = "manual",
        .choice = "grace",
        .grace_hours = -1,
        .max_jobs = -1,
        .limit = -1,
        .days = command->command == CLI_REPORT ? plan->days : -1,
        .output = plan->to_file ? FAKE_OUTPUT_PATH : NULL,
        .refs = refs,
        .ref_count = sizeof refs / sizeof *refs,
        .ids = ids,
        .id_count = sizeof ids / sizeof *ids,
    };
    int code;

    fake.days = (size_t)(plan->days < 0 ? REPORT_DAYS : plan->days);
    begin_once();
    fake_output_begin();
    fuzz_capture_begin(&out, &stdout);
    fuzz_capture_begin(&error, &stderr);
    code = command->run(&cli, &conf);
    fuzz_capture_end(&error);
    fuzz_capture_end(&out);
    (void)fuzz_check_shown("standard output", out.text, out.length);
    (void)fuzz_check_shown("standard error", error.text, error.length);
    FUZZ_CHECK(strchr("\x01\x40\x45\x46\x4b\x4e", code) != NULL, "exit %d", code);
    if (command->command == CLI_REPORT) {
        check_report(plan, code, &out);
    } else if (plan->json && (code == EXIT_CODE_OK || code == EXIT_CODE_ATTENTION)) {
        check_json(out.text);
    }
    FUZZ_CHECK(code == EXIT_CODE_OK || code == EXIT_CODE_ATTENTION || error.length + out.length > 0,
               "exit %d without a word", code);
}

/* The rows of a run: what it reads is what they hold. */
static void
read_claim(const struct plan *plan)
{
    PGresult *result = fake_result(SQL_CLAIM, plan->rows);
    const struct db_result *rows = (const struct db_result *)result;

    for (int i = 0; i < db_rows(rows); i++) {
        struct jobs_claim_row row;

        jobs_read_claim(rows, i, 1, &row);
        if (row.kind != JOBS_CLAIMED) {
            FUZZ_CHECK(row.job.appid == NULL && row.job.image_ref == NULL,
                       "a job in a row of another kind");
        } else {
            FUZZ_CHECK(strcmp(row.job.image_ref, db_text(rows, i, 6)) == 0 &&
                           (row.job.image_id == NULL) == db_is_null(rows, i, 7) &&
                           row.job.id == db_int(rows, i, 2),
                       "another job");
        }
        job_clear(&row.job);
    }
    PQclear(result);
}

/* Of two results, the second of which is no final state. An answer is believed only where it
 * accounts for both. */
static void
read_record(void)
{
    struct jobs_result sent[] = {
        {.id = 5, .action = JOBS_DONE, .state = VERDICT_REMOVED},
        {.id = 3, .action = JOBS_RETRY},
    };
    struct jobs_result *results[] = {&sent[0], &sent[1]};
    PGresult *record = fake_record_result("{5,3}");
    const struct db_result *answer = (const struct db_result *)record;
    struct jobs_record_row rows[2];
    int64_t recorded = 0;
    struct err err;

    if (jobs_read_record(answer, results, 2, rows, &err)) {
        int row = 1;

        for (int i = 0; i < 2; i++) {
            bool listed = row < db_rows(answer) && db_int(answer, row, 0) == i + 1;
            const char *outcome = listed ? db_text(answer, row, 2) : "recorded";

            FUZZ_CHECK(outcome[0] == "ral"[rows[i].outcome], "outcome %d", (int)rows[i].outcome);
            FUZZ_CHECK(strcmp(rows[i].state, listed ? db_text(answer, row, 3) : "removed") == 0 &&
                           strcmp(rows[i].beside, listed ? db_text(answer, row, 4) : "") == 0 &&
                           (listed || i == 0),
                       "state %s, beside %s", rows[i].state, rows[i].beside);
            recorded += rows[i].outcome == JOBS_RECORDED;
            row += listed;
        }
        FUZZ_CHECK(row == db_rows(answer) && recorded == db_int(answer, 0, 1), "%d rows", row);
    } else {
        FUZZ_CHECK(err.kind == ERR_DB, "%s", err.text);
    }
    PQclear(record);
}

static void
read_confirm(const struct plan *plan)
{
    /* Whatever the database is asked about, it answers in that order. */
    PGresult *confirm = fake_list_result(SQL_CONFIRM, plan->rows < 2 ? "{1}" : "{3,1}");
    const struct db_result *rows = (const struct db_result *)confirm;

    /* Also beyond the rows, and for a claim that it is not about. */
    for (int i = 0; i < db_rows(rows) + 1; i++) {
        struct jobs_hold hold;
        bool stands = jobs_read_stands(rows, i, 1, &hold);

        FUZZ_CHECK(!stands || (i < db_rows(rows) && db_int(rows, i, 0) == 1 &&
                               strcmp(db_text(rows, i, 1), "t") == 0),
                   "it does not stand");
    }
    PQclear(confirm);
}

/* What becomes of the rows of a list in a table of any width: one line each, none longer than it.
 */
static void
print_table(const struct plan *plan)
{
    static const struct table_column columns[] = {
        {"ID", TABLE_RIGHT}, {"APP", TABLE_NAME}, {"FREED", TABLE_RIGHT}, {"WHY", TABLE_LEFT}};
    static struct fuzz_capture out;
    struct table *table = table_new(columns, 4);
    size_t lines;

    for (unsigned i = 0; i < 4 * plan->rows; i++) {
        char *cell = fake_cell();

        table_add(table, cell);
        free(cell);
    }
    FUZZ_CHECK(table_rows(table) == plan->rows, "%zu rows", table_rows(table));
    fuzz_capture_begin(&out, &stdout);
    table_print(table, stdout, plan->width);
    fuzz_capture_end(&out);
    lines = fuzz_check_shown("table", out.text, out.length);
    FUZZ_CHECK(lines == plan->rows + 1, "%zu lines: %s", lines, out.text);
    table_free(table);
}

static void
check_json_text(const json_t *read, const char *cell)
{
    if (cell == NULL) {
        FUZZ_CHECK(json_is_null(read), "null became a text");
        return;
    }
    FUZZ_CHECK(json_is_string(read), "\"%s\" became null", cell);
    FUZZ_CHECK(!fuzz_is_utf8(cell) || strcmp(json_string_value(read), cell) == 0,
               "\"%s\" became \"%s\"", cell, json_string_value(read));
}

/* Texts in JSON, keys as well: another reader finds them as they were. */
static void
print_json(const struct plan *plan)
{
    static struct fuzz_capture out;
    struct json_out json;
    char *cells[5];
    json_t *root;

    fuzz_capture_begin(&out, &stdout);
    json_out_init(&json, stdout);
    json_out_open_object(&json, NULL);
    json_out_open_array(&json, "list");
    for (unsigned i = 0; i < plan->rows; i++) {
        cells[i] = fake_cell();
        json_out_text(&json, NULL, cells[i]);
    }
    json_out_close_array(&json);
    cells[4] = fake_cell();
    json_out_int(&json, cells[4] == NULL ? "list " : cells[4], INT64_MIN);
    json_out_close_object(&json);
    fuzz_capture_end(&out);
    (void)fuzz_check_shown("JSON", out.text, out.length);
    root = json_loads(out.text, 0, NULL);
    FUZZ_CHECK(root != NULL, "%s", out.text);
    for (unsigned i = 0; i < plan->rows; i++) {
        if (cells[4] == NULL || strcmp(cells[4], "list") != 0) {
            check_json_text(json_array_get(json_object_get(root, "list"), i), cells[i]);
        }
        free(cells[i]);
    }
    free(cells[4]);
    json_decref(root);
}

static void
print_text(void)
{
    char *cell = fake_cell();
    char *shown = printable_dup(cell);

    FUZZ_CHECK(fuzz_check_shown("text", shown, strlen(shown)) == 0, "%s", shown);
    mem_free(shown);
    free(cell);
}

static struct plan
plan_of(struct fuzz_input *input)
{
    static const size_t widths[] = {0, 1, 11, 12, 13, 20, 40, 79, 80, 132};
    static const int64_t days[] = {-1, 1, 2, 3, 4, 7, 8, 13, 16, 20};
    struct plan plan = {.json = fuzz_choice(input, 2) == 1, .rows = fuzz_choice(input, 5)};
    unsigned settings;
    unsigned last;

    plan.refuse = fuzz_choice(input, 10);
    settings = fuzz_choice(input, 16);
    plan.enabled = settings % 2 == 1;
    plan.verify = settings / 2 % 2 == 0;
    plan.follow_nextcloud = settings / 4 % 2 == 1;
    plan.filter = settings / 8 % 2 == 1;
    plan.to_file = !plan.verify;
    last = fuzz_choice(input, 10);
    plan.width = widths[last];
    plan.days = days[last];
    return plan;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    unsigned what = fuzz_choice(&input, COMMANDS + 5);
    struct plan plan = plan_of(&input);

    free(fuzz_field(&input, '\n'));
    fake_begin(input);
    fake_refused = false;
    fake.rows = plan.rows;
    fake.refuse = plan.refuse;
    fake.no_connection = plan.refuse == 9;
    log_set_level(LOG_LEVEL_DEBUG);
    switch (what) {
    case COMMANDS:
        read_claim(&plan);
        break;
    case COMMANDS + 1:
        read_record();
        read_confirm(&plan);
        break;
    case COMMANDS + 2:
        print_table(&plan);
        break;
    case COMMANDS + 3:
        print_json(&plan);
        break;
    case COMMANDS + 4:
        print_text();
        break;
    default:
        run_command(&commands[what], &plan);
        break;
    }
    return 0;
}
