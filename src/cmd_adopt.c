#include "cli.h"
#include "cmd_session.h"
#include "imageref.h"
#include "json_out.h"
#include "ledger.h"
#include "log.h"
#include "mem.h"
#include "sig.h"
#include "survey.h"
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Longest line of a file: a reference and what may stand around it. */
#define CMD_ADOPT_LINE_MAX 1024
#define CMD_ADOPT_REFS_MAX 100000

struct adopt {
    const struct cli *cli;
    struct cmd_session session;
    char **refs;
    size_t count;
    struct survey_item *items;
    int64_t *jobs; /* of each; 0: none was made */
};

static bool
cmd_adopt_add(struct adopt *adopt, const char *ref, size_t length, struct err *err)
{
    if (adopt->count == CMD_ADOPT_REFS_MAX) {
        (void)err_set(err, ERR_USAGE, "more than %d references at once", CMD_ADOPT_REFS_MAX);
        return err_hint(err, "give them in several parts: 'split -l %d FILE'", CMD_ADOPT_REFS_MAX);
    }
    adopt->refs = mem_grow(adopt->refs, adopt->count + 1, sizeof *adopt->refs);
    adopt->refs[adopt->count++] = mem_strndup(ref, length);
    return true;
}

/* One reference a line; blank lines and lines that begin with # are passed over. */
static bool
cmd_adopt_read(struct adopt *adopt, FILE *file, const char *name, struct err *err)
{
    char line[CMD_ADOPT_LINE_MAX];
    int number = 0;

    while (fgets(line, sizeof line, file) != NULL) {
        const char *ref = line + strspn(line, " \t\r\n");
        size_t length = strcspn(ref, " \t\r\n");

        number++;
        if (strchr(line, '\n') == NULL && feof(file) == 0) {
            (void)err_set(err, ERR_USAGE, "%s:%d: a line of more than %d characters", name, number,
                          CMD_ADOPT_LINE_MAX - 2);
            return err_hint(err, "one reference a line, as docker images --no-trunc --format "
                                 "'{{.ID}}' prints them");
        }
        if (length > 0 && ref[0] != '#' && !cmd_adopt_add(adopt, ref, length, err)) {
            return false;
        }
    }
    if (ferror(file) != 0) {
        return err_set(err, ERR_USAGE, "%s: %s", name, strerror(errno));
    }
    return true;
}

static bool
cmd_adopt_gather(struct adopt *adopt, struct err *err)
{
    const char *name = adopt->cli->file;
    FILE *file;
    bool done;

    for (size_t i = 0; i < adopt->cli->ref_count; i++) {
        const char *ref = adopt->cli->refs[i];

        if (!cmd_adopt_add(adopt, ref, strlen(ref), err)) {
            return false;
        }
    }
    if (name == NULL) {
        return true;
    }
    if (strcmp(name, "-") == 0) {
        return cmd_adopt_read(adopt, stdin, "standard input", err);
    }
    file = fopen(name, "r");
    if (file == NULL) {
        return err_set(err, ERR_USAGE, "%s: %s", name, strerror(errno));
    }
    done = cmd_adopt_read(adopt, file, name, err);
    (void)fclose(file);
    return done;
}

/* The app that an image was of, where nobody says: the last part of its name. */
static char *
cmd_adopt_app(const char *ref)
{
    const char *slash = strrchr(ref, '/');
    const char *name = slash == NULL ? ref : slash + 1;
    size_t length = strcspn(name, ":@");

    if (imageref_kind(ref) == IMAGEREF_ID || length == 0 || length > 64) {
        return mem_strdup("unknown");
    }
    return mem_strndup(name, length);
}

static bool
cmd_adopt_schedule(const struct adopt *adopt, size_t index, struct err *err)
{
    const struct cli *cli = adopt->cli;
    char *app = cli->app == NULL ? cmd_adopt_app(adopt->refs[index]) : mem_strdup(cli->app);
    const struct ledger_request request = {.daemon = cli->daemon,
                                           .app = app,
                                           .image_ref = adopt->refs[index],
                                           .event = "adopted",
                                           .choice = cli->choice,
                                           .grace_hours = cli->grace_hours,
                                           .image_id = adopt->items[index].verdict.image_id};
    bool done = ledger_schedule(adopt->session.db, &request, &adopt->jobs[index], err);

    mem_free(app);
    return done;
}

static bool
cmd_adopt_is_there(const struct survey_item *item)
{
    return item->asked && item->verdict.image_id[0] != '\0';
}

static bool
cmd_adopt_all(struct adopt *adopt, struct err *err)
{
    adopt->items = mem_alloc(adopt->count, sizeof *adopt->items);
    adopt->jobs = mem_alloc(adopt->count, sizeof *adopt->jobs);
    for (size_t i = 0; i < adopt->count; i++) {
        adopt->items[i].daemon = adopt->cli->daemon;
        /* Whether it may be deleted is looked at when it is due. */
        adopt->items[i].job = (struct verdict_job){
            .image_ref = adopt->refs[i], .orphaned_at_ms = INT64_MAX, .explicit_now = true};
    }
    if (!survey_images(adopt->session.conf, adopt->session.roster, adopt->items, adopt->count,
                       err)) {
        return false;
    }
    for (size_t i = 0; i < adopt->count; i++) {
        if (!adopt->cli->dry_run && cmd_adopt_is_there(&adopt->items[i]) &&
            !cmd_adopt_schedule(adopt, i, err)) {
            return false;
        }
    }
    return true;
}

static void
cmd_adopt_print(const struct adopt *adopt)
{
    static const struct table_column columns[] = {
        {"JOB", TABLE_RIGHT}, {"SIZE", TABLE_RIGHT}, {"IMAGE", TABLE_NAME}, {"", TABLE_LEFT}};
    struct table *table = table_new(columns, sizeof columns / sizeof *columns);
    char size[TABLE_SIZE_SIZE];
    int64_t bytes = 0;
    size_t there = 0;

    for (size_t i = 0; i < adopt->count; i++) {
        const struct survey_item *item = &adopt->items[i];
        bool is_there = cmd_adopt_is_there(item);

        if (adopt->jobs[i] > 0) {
            table_addf(table, "%" PRId64, adopt->jobs[i]);
        } else {
            table_add(table, "");
        }
        table_add(table, is_there ? table_size(item->verdict.image_size, size) : "");
        table_add(table, adopt->refs[i]);
        table_add(table, is_there ? "" : item->verdict.reason);
        bytes += is_there ? item->verdict.image_size : 0;
        there += is_there;
    }
    if (adopt->count > 0) {
        table_print(table, stdout, table_terminal_width(stdout));
    }
    table_free(table);
    (void)printf("%zu of %zu images are there, up to %s; %s\n", there, adopt->count,
                 table_size(bytes, size),
                 adopt->cli->dry_run ? "nothing was changed (--dry-run)"
                 : there == 0        ? "no job was made"
                                     : "jobs were made for them");
}

static void
cmd_adopt_write_json(const struct adopt *adopt)
{
    struct json_out json;

    json_out_init(&json, stdout);
    json_out_open_array(&json, NULL);
    for (size_t i = 0; i < adopt->count; i++) {
        const struct survey_item *item = &adopt->items[i];
        bool is_there = cmd_adopt_is_there(item);

        json_out_open_object(&json, NULL);
        json_out_text(&json, "image_ref", adopt->refs[i]);
        json_out_bool(&json, "exists", is_there);
        json_out_text_or_null(&json, "image_id", item->verdict.image_id);
        if (is_there) {
            json_out_int(&json, "bytes", item->verdict.image_size);
        } else {
            json_out_null(&json, "bytes");
        }
        if (adopt->jobs[i] > 0) {
            json_out_int(&json, "job", adopt->jobs[i]);
        } else {
            json_out_null(&json, "job");
        }
        json_out_text_or_null(&json, "reason", is_there ? "" : item->verdict.reason);
        json_out_close_object(&json);
    }
    json_out_close_array(&json);
}

/* What is not there is no trouble; what could not be asked is. */
static int
cmd_adopt_exit_code(const struct adopt *adopt)
{
    for (size_t i = 0; i < adopt->count; i++) {
        if (!adopt->items[i].asked) {
            return EXIT_CODE_ATTENTION;
        }
    }
    return EXIT_CODE_OK;
}

static void
cmd_adopt_free(struct adopt *adopt)
{
    for (size_t i = 0; i < adopt->count; i++) {
        mem_free(adopt->refs[i]);
    }
    mem_free(adopt->refs);
    mem_free(adopt->items);
    mem_free(adopt->jobs);
    cmd_session_close(&adopt->session);
}

int
cmd_adopt(const struct cli *cli, const struct conf *conf)
{
    struct adopt adopt = {.cli = cli};
    struct err err;
    int code;

    sig_install();
    if (!cmd_adopt_gather(&adopt, &err) || !cmd_session_open(conf, &adopt.session, &err) ||
        !cmd_session_check_daemon(&adopt.session, cli->daemon, &err) ||
        !cmd_adopt_all(&adopt, &err)) {
        log_err(&err);
        code = err_exit_code(err.kind);
    } else {
        if (cli->format == CLI_FORMAT_JSON) {
            cmd_adopt_write_json(&adopt);
        } else {
            cmd_adopt_print(&adopt);
        }
        code = cmd_adopt_exit_code(&adopt);
    }
    cmd_adopt_free(&adopt);
    return code;
}
