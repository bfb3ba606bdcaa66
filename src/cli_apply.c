/* What an option and its value make of a command line. */
#include "buf.h"
#include "cli_reader.h"
#include "cli_spec.h"
#include "clock.h"
#include "imageref.h"

#include <inttypes.h>
#include <string.h>

/* Largest numbers that make sense. */
#define CLI_MAX_JOBS 1000000000
#define CLI_MAX_LIMIT 1000000
#define CLI_MAX_INSTANCES 64

static bool
cli_take_number(const struct cli_reader *reader, enum cli_option_id id, const char *value,
                int64_t max, int64_t *ret_number)
{
    int64_t min = id == CLI_OPTION_LIMIT || id == CLI_OPTION_MAX_INSTANCES ? 1 : 0;

    if (cli_parse_number(value, min, max, ret_number)) {
        return true;
    }
    return err_set(reader->err, ERR_USAGE,
                   "option --%s needs a whole number from %" PRId64 " to %" PRId64 ", not '%s'",
                   cli_option_spec(id)->name, min, max, value);
}

/* One of the words of allowed, which the message lists. */
static bool
cli_take_word(const struct cli_reader *reader, enum cli_option_id id, const char *value,
              const char *const *allowed, const char **ret_value)
{
    struct buf known;

    for (size_t i = 0; allowed[i] != NULL; i++) {
        if (strcmp(allowed[i], value) == 0) {
            *ret_value = value;
            return true;
        }
    }
    (void)err_set(reader->err, ERR_USAGE, "option --%s does not know '%s'",
                  cli_option_spec(id)->name, value);
    buf_init(&known, sizeof reader->err->hint);
    for (size_t i = 0; allowed[i] != NULL; i++) {
        (void)buf_printf(&known, "%s%s",
                         i == 0                   ? ""
                         : allowed[i + 1] == NULL ? " or "
                                                  : ", ",
                         allowed[i]);
    }
    (void)err_hint(reader->err, "%s", buf_text(&known));
    buf_free(&known);
    return false;
}

static bool
cli_take_format(const struct cli_reader *reader, const char *value)
{
    static const char *const formats[] = {[CLI_FORMAT_TEXT] = "text",
                                          [CLI_FORMAT_JSON] = "json",
                                          [CLI_FORMAT_CSV] = "csv",
                                          [CLI_FORMAT_PROMETHEUS] = "prometheus",
                                          [CLI_FORMAT_NAGIOS] = "nagios",
                                          [CLI_FORMAT_HTML] = "html",
                                          NULL};
    const char *word = NULL;

    if (!cli_take_word(reader, CLI_OPTION_FORMAT, value, formats, &word)) {
        return false;
    }
    for (size_t i = 0; formats[i] != NULL; i++) {
        if (strcmp(formats[i], word) == 0) {
            reader->cli->format = (enum cli_format)i;
        }
    }
    return true;
}

/* A whole number and s, m, h or d, as in the settings. */
static bool
cli_parse_duration(const char *text, int64_t *ret_seconds)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    size_t length = strlen(text);
    char digits[12];
    int64_t number = 0;

    if (length < 2 || length > sizeof digits) {
        return false;
    }
    memcpy(digits, text, length - 1);
    digits[length - 1] = '\0';
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (units[i].letter == text[length - 1] &&
            cli_parse_number(digits, 1, INT64_C(100) * 366 * 86400 / units[i].seconds, &number)) {
            *ret_seconds = number * units[i].seconds;
            return true;
        }
    }
    return false;
}

/* How long ago: a span, or a moment in the reader's zone. */
static bool
cli_take_since(const struct cli_reader *reader, const char *value)
{
    int64_t seconds = 0;
    int64_t now = clock_wall_ms() / 1000;

    if (cli_parse_duration(value, &seconds)) {
        reader->cli->since_s = seconds;
    } else if (clock_parse_local(value, &seconds) && seconds < now) {
        reader->cli->since_s = now - seconds;
    } else {
        (void)err_set(reader->err, ERR_USAGE,
                      "option --since does not take '%s': it is neither a span nor a past moment",
                      value);
        return err_hint(reader->err, "24h, 7d, 2026-03-01 or '2026-03-01 14:05'");
    }
    return true;
}

static bool
cli_take_image_id(const struct cli_reader *reader, const char *value)
{
    if (!imageref_is_id(value)) {
        (void)err_set(reader->err, ERR_USAGE, "option --image-id does not take '%s'", value);
        return err_hint(reader->err,
                        "'sha256:' and 64 lower-case hex digits, as docker inspect tells");
    }
    reader->cli->image_id = value;
    return true;
}

static bool
cli_take_duration(const struct cli_reader *reader, enum cli_option_id id, const char *value,
                  int64_t *ret_seconds)
{
    if (cli_parse_duration(value, ret_seconds)) {
        return true;
    }
    (void)err_set(reader->err, ERR_USAGE, "option --%s does not take '%s'",
                  cli_option_spec(id)->name, value);
    return err_hint(reader->err, "a whole number and s, m, h or d, such as 90m");
}

static bool
cli_apply_threshold(const struct cli_reader *reader, enum cli_option_id id, const char *value)
{
    struct cli *cli = reader->cli;

    switch ((int)id) {
    case CLI_OPTION_WARNING_LAG:
        return cli_take_duration(reader, id, value, &cli->lag.warning);
    case CLI_OPTION_CRITICAL_LAG:
        return cli_take_duration(reader, id, value, &cli->lag.critical);
    case CLI_OPTION_WARNING_STOPPED:
        return cli_take_duration(reader, id, value, &cli->stopped.warning);
    case CLI_OPTION_CRITICAL_STOPPED:
        return cli_take_duration(reader, id, value, &cli->stopped.critical);
    case CLI_OPTION_WARNING_FAILED:
        return cli_take_number(reader, id, value, CLI_MAX_JOBS, &cli->failed.warning);
    default:
        return cli_take_number(reader, id, value, CLI_MAX_JOBS, &cli->failed.critical);
    }
}

/* The options that take a whole number. */
static bool
cli_apply_number(const struct cli_reader *reader, enum cli_option_id id, const char *value)
{
    struct cli *cli = reader->cli;

    if (id == CLI_OPTION_MAX_JOBS) {
        return cli_take_number(reader, id, value, CLI_MAX_JOBS, &cli->max_jobs);
    }
    if (id == CLI_OPTION_LIMIT) {
        return cli_take_number(reader, id, value, CLI_MAX_LIMIT, &cli->limit);
    }
    if (id == CLI_OPTION_MAX_INSTANCES) {
        return cli_take_number(reader, id, value, CLI_MAX_INSTANCES, &cli->max_instances);
    }
    if (id == CLI_OPTION_DAYS) {
        return cli_take_number(reader, id, value, 365, &cli->days);
    }
    return cli_take_number(reader, id, value, 720, &cli->grace_hours);
}

/* The options that take one of a few words, or a word of a certain form. */
static bool
cli_apply_word(const struct cli_reader *reader, enum cli_option_id id, const char *value)
{
    static const char *const states[] = {
        "open",   "final", "new",       "pending", "claimed",     "removed", "untagged", "absent",
        "in_use", "kept",  "cancelled", "failed",  "unsupported", "no_ref",  NULL};
    static const char *const events[] = {"uninstall", "update", "manual", "adopted", NULL};
    static const char *const orders[] = {"newest", "oldest", "due",    "ended", "size",
                                         "state",  "app",    "daemon", NULL};
    struct cli *cli = reader->cli;

    switch ((int)id) {
    case CLI_OPTION_FORMAT:
        return cli_take_format(reader, value);
    case CLI_OPTION_STATE:
        return cli_take_word(reader, id, value, states, &cli->state);
    case CLI_OPTION_EVENT:
        return cli_take_word(reader, id, value, events, &cli->event);
    case CLI_OPTION_SORT:
        return cli_take_word(reader, id, value, orders, &cli->sort);
    case CLI_OPTION_SINCE:
        return cli_take_since(reader, value);
    default:
        return cli_take_image_id(reader, value);
    }
}

/* The options whose value is taken as it is. */
static const char **
cli_text_of(struct cli *cli, enum cli_option_id id)
{
    switch ((int)id) {
    case CLI_OPTION_CONFIG:
        return &cli->config_path;
    case CLI_OPTION_DAEMON:
        return &cli->daemon;
    case CLI_OPTION_APP:
        return &cli->app;
    case CLI_OPTION_REASON:
        return &cli->reason;
    case CLI_OPTION_FILE:
        return &cli->file;
    case CLI_OPTION_OUTPUT:
        return &cli->output;
    case CLI_OPTION_NEXTCLOUD:
        return &cli->nextcloud;
    case CLI_OPTION_CONNINFO:
        return &cli->conninfo;
    case CLI_OPTION_USER:
        return &cli->user;
    case CLI_OPTION_KEY_FILE:
        return &cli->key_file;
    case CLI_OPTION_ADMIN:
        return &cli->admin;
    default:
        return NULL;
    }
}

static bool
cli_apply_value(const struct cli_reader *reader, enum cli_option_id id, const char *value)
{
    const char **text = cli_text_of(reader->cli, id);

    if (text != NULL) {
        *text = value;
        return true;
    }
    switch ((int)id) {
    case CLI_OPTION_FORMAT:
    case CLI_OPTION_STATE:
    case CLI_OPTION_EVENT:
    case CLI_OPTION_SORT:
    case CLI_OPTION_SINCE:
    case CLI_OPTION_IMAGE_ID:
        return cli_apply_word(reader, id, value);
    case CLI_OPTION_MAX_JOBS:
    case CLI_OPTION_LIMIT:
    case CLI_OPTION_DAYS:
    case CLI_OPTION_MAX_INSTANCES:
    case CLI_OPTION_GRACE_HOURS:
        return cli_apply_number(reader, id, value);
    default:
        return cli_apply_threshold(reader, id, value);
    }
}

/* The options without a value; some are but looked for among those that were seen. */
static void
cli_apply_flag(struct cli *cli, enum cli_option_id id)
{
    switch ((int)id) {
    case CLI_OPTION_VERBOSE:
        cli->verbosity++;
        break;
    case CLI_OPTION_JSON:
        cli->format = CLI_FORMAT_JSON;
        break;
    case CLI_OPTION_DRY_RUN:
        cli->dry_run = true;
        break;
    case CLI_OPTION_FIX_HINTS:
        cli->fix_hints = true;
        break;
    case CLI_OPTION_YES:
        cli->yes = true;
        break;
    case CLI_OPTION_FORCE:
        cli->force = true;
        break;
    case CLI_OPTION_PRINT_SQL:
        cli->print_sql = true;
        break;
    case CLI_OPTION_NOW:
        cli->choice = "now";
        break;
    case CLI_OPTION_KEEP:
        cli->choice = "keep";
        break;
    default:
        break;
    }
}

bool
cli_apply(const struct cli_reader *reader, enum cli_option_id id, const char *value)
{
    if (cli_option_spec(id)->argument == NULL) {
        cli_apply_flag(reader->cli, id);
        return true;
    }
    return cli_apply_value(reader, id, value);
}
