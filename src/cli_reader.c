#include "cli_reader.h"

#include "buf.h"
#include "cli_spec.h"
#include "clock.h"
#include "imageref.h"

#include <inttypes.h>
#include <string.h>

/* Largest numbers that make sense. */
#define CLI_MAX_JOBS 1000000000
#define CLI_MAX_LIMIT 1000000
#define CLI_MAX_INSTANCES 64

bool
cli_parse_number(const char *text, int64_t min, int64_t max, int64_t *ret_number)
{
    int64_t number = 0;

    if (*text == '\0') {
        return false;
    }
    for (; *text >= '0' && *text <= '9'; text++) {
        if (number > (INT64_MAX - (*text - '0')) / 10) {
            return false;
        }
        number = number * 10 + (*text - '0');
    }
    if (*text != '\0' || number < min || number > max) {
        return false;
    }
    *ret_number = number;
    return true;
}

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
    static const char *const formats[] = {
        [CLI_FORMAT_TEXT] = "text", [CLI_FORMAT_JSON] = "json", [CLI_FORMAT_CSV] = "csv", NULL};
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

static bool
cli_apply(const struct cli_reader *reader, enum cli_option_id id, const char *value)
{
    struct cli *cli = reader->cli;

    switch (id) {
    case CLI_OPTION_CONFIG:
        cli->config_path = value;
        break;
    case CLI_OPTION_VERBOSE:
        cli->verbosity++;
        break;
    case CLI_OPTION_JSON:
        cli->format = CLI_FORMAT_JSON;
        break;
    case CLI_OPTION_FORMAT:
    case CLI_OPTION_STATE:
    case CLI_OPTION_EVENT:
    case CLI_OPTION_SORT:
    case CLI_OPTION_SINCE:
    case CLI_OPTION_IMAGE_ID:
        return cli_apply_word(reader, id, value);
    case CLI_OPTION_DRY_RUN:
        cli->dry_run = true;
        break;
    case CLI_OPTION_DAEMON:
        cli->daemon = value;
        break;
    case CLI_OPTION_APP:
        cli->app = value;
        break;
    case CLI_OPTION_MAX_JOBS:
    case CLI_OPTION_LIMIT:
    case CLI_OPTION_DAYS:
    case CLI_OPTION_MAX_INSTANCES:
    case CLI_OPTION_GRACE_HOURS:
        return cli_apply_number(reader, id, value);
    case CLI_OPTION_NOW:
        cli->choice = "now";
        break;
    case CLI_OPTION_KEEP:
        cli->choice = "keep";
        break;
    case CLI_OPTION_REASON:
        cli->reason = value;
        break;
    case CLI_OPTION_FILE:
        cli->file = value;
        break;
    case CLI_OPTION_HELP: /* seen, which is all */
    case CLI_OPTION_VERSION:
    case CLI_OPTION_COUNT:
        break;
    }
    return true;
}

/* value: what came with it ("--x=value", "-cvalue"), or NULL. */
static bool
cli_read_option(struct cli_reader *reader, enum cli_option_id id, const char *value)
{
    const struct cli_option *option = cli_option_spec(id);

    if (option->argument == NULL) {
        if (value != NULL) {
            return err_set(reader->err, ERR_USAGE, "option --%s takes no value", option->name);
        }
        reader->seen |= CLI_SEEN(id);
        return cli_apply(reader, id, "");
    }
    if (value == NULL) {
        if (reader->at + 1 >= reader->argc) {
            return err_set(reader->err, ERR_USAGE, "option --%s needs a value: %s", option->name,
                           option->argument);
        }
        value = reader->argv[++reader->at];
    }
    if (*value == '\0') {
        return err_set(reader->err, ERR_USAGE, "option --%s has an empty value", option->name);
    }
    if ((reader->seen & CLI_SEEN(id)) != 0) {
        return err_set(reader->err, ERR_USAGE, "option --%s is given twice", option->name);
    }
    reader->seen |= CLI_SEEN(id);
    return cli_apply(reader, id, value);
}

static bool
cli_unknown_option(const struct cli_reader *reader, const char *text)
{
    (void)err_set(reader->err, ERR_USAGE, "there is no option %s", text);
    return err_hint(reader->err, "'harpsweep help' lists commands and options");
}

static bool
cli_read_long(struct cli_reader *reader, const char *text)
{
    const char *name = text + 2;
    const char *equals = strchr(name, '=');
    size_t length = equals == NULL ? strlen(name) : (size_t)(equals - name);

    for (int id = 0; id < CLI_OPTION_COUNT; id++) {
        const char *known = cli_option_spec((enum cli_option_id)id)->name;

        if (strlen(known) == length && strncmp(known, name, length) == 0) {
            return cli_read_option(reader, (enum cli_option_id)id,
                                   equals == NULL ? NULL : equals + 1);
        }
    }
    return cli_unknown_option(reader, text);
}

static bool
cli_read_short(struct cli_reader *reader, const char *text)
{
    for (const char *letter = text + 1; *letter != '\0'; letter++) {
        int id = 0;

        while (id < CLI_OPTION_COUNT &&
               cli_option_spec((enum cli_option_id)id)->letter != *letter) {
            id++;
        }
        if (id == CLI_OPTION_COUNT) {
            return cli_unknown_option(reader, text);
        }
        if (cli_option_spec((enum cli_option_id)id)->argument != NULL) {
            /* The rest of the word is its value, or the next word. */
            return cli_read_option(reader, (enum cli_option_id)id,
                                   letter[1] == '\0' ? NULL : letter + 1);
        }
        if (!cli_read_option(reader, (enum cli_option_id)id, NULL)) {
            return false;
        }
    }
    return true;
}

bool
cli_read_all(struct cli_reader *reader)
{
    bool options = true;

    for (reader->at = 1; reader->at < reader->argc; reader->at++) {
        const char *text = reader->argv[reader->at];
        bool read = true;

        if (options && strcmp(text, "--") == 0) {
            options = false;
        } else if (options && strncmp(text, "--", 2) == 0) {
            read = cli_read_long(reader, text);
        } else if (options && text[0] == '-' && text[1] != '\0') {
            read = cli_read_short(reader, text);
        } else {
            reader->words[reader->word_count++] = text;
        }
        if (!read) {
            return false;
        }
    }
    return true;
}
