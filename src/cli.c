#include "cli.h"

#include "cli_reader.h"
#include "cli_spec.h"
#include "mem.h"

#include <stdlib.h>
#include <string.h>

static bool
cli_find_command(const struct cli_reader *reader, const char *name, enum cli_command *ret_command)
{
    if (cli_command_find(name, ret_command)) {
        return true;
    }
    (void)err_set(reader->err, ERR_USAGE, "there is no command '%s'", name);
    return err_hint(reader->err, "'harpsweep help' lists the commands");
}

/* Which command it is; "--help" and "--version" are commands too. */
static bool
cli_decide_command(struct cli_reader *reader)
{
    struct cli *cli = reader->cli;
    bool help = (reader->seen & CLI_SEEN(CLI_OPTION_HELP)) != 0;

    if (reader->word_count > 0 && !cli_find_command(reader, reader->words[0], &cli->command)) {
        return false;
    }
    if (reader->word_count > 0 && cli->command == CLI_SETTINGS) {
        (void)err_set(reader->err, ERR_USAGE, "there is no command 'settings'");
        return err_hint(reader->err,
                        "'harpsweep help settings' explains them, 'harpsweep check -v' shows them");
    }
    if (reader->word_count > 0 && help && cli->command != CLI_HELP) {
        cli->help_of = cli->command;
        cli->command = CLI_HELP;
        reader->word_count = 1;
    } else if (reader->word_count == 0 && help) {
        cli->command = CLI_HELP;
    } else if ((reader->seen & CLI_SEEN(CLI_OPTION_VERSION)) != 0) {
        cli->command = CLI_VERSION;
    } else if (reader->word_count == 0) {
        (void)err_set(reader->err, ERR_USAGE, "no command is given");
        return err_hint(reader->err, "'harpsweep help' lists the commands");
    }
    if (cli->command == CLI_HELP && reader->word_count > 1) {
        const char *subject = reader->words[1];

        /* Anything behind it is one word too many. */
        reader->words[1] = reader->words[2];
        reader->word_count--;
        return cli_find_command(reader, subject, &cli->help_of);
    }
    return true;
}

/* text and json are for every command that prints; the others for one. */
static bool
cli_check_format(const struct cli_reader *reader)
{
    static const struct {
        const char *name;
        enum cli_format format;
        enum cli_command command;
    } special[] = {
        {"csv", CLI_FORMAT_CSV, CLI_LIST},
        {"prometheus", CLI_FORMAT_PROMETHEUS, CLI_STATUS},
        {"nagios", CLI_FORMAT_NAGIOS, CLI_STATUS},
        {"html", CLI_FORMAT_HTML, CLI_REPORT},
    };
    struct cli *cli = reader->cli;

    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        if (cli->format == special[i].format && cli->command != special[i].command) {
            (void)err_set(reader->err, ERR_USAGE, "command %s has no --format=%s",
                          cli_command_name(cli->command), special[i].name);
            return err_hint(reader->err, "'harpsweep %s --format=%s' has",
                            cli_command_name(special[i].command), special[i].name);
        }
    }
    /* What is printed where nobody says how is text, but for the one that prints none. */
    if (cli->command == CLI_REPORT && cli->format == CLI_FORMAT_TEXT) {
        if ((reader->seen & CLI_SEEN(CLI_OPTION_FORMAT)) != 0) {
            (void)err_set(reader->err, ERR_USAGE, "command report has no --format=text");
            return err_hint(reader->err, "'harpsweep status' tells in text how it goes");
        }
        cli->format = CLI_FORMAT_HTML;
    }
    return true;
}

/* A report of no day would say nothing. */
static bool
cli_check_days(const struct cli_reader *reader)
{
    if (reader->cli->command == CLI_REPORT && reader->cli->days == 0) {
        return err_set(
            reader->err, ERR_USAGE,
            "option --days of the command report needs a whole number from 1 to 365, not "
            "'0'");
    }
    return true;
}

static bool
cli_check_thresholds(const struct cli_reader *reader)
{
    const struct cli *cli = reader->cli;
    const struct {
        const char *name;
        const struct cli_thresholds *thresholds;
    } pairs[] = {{"lag", &cli->lag}, {"failed", &cli->failed}, {"stopped", &cli->stopped}};

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (pairs[i].thresholds->critical < pairs[i].thresholds->warning) {
            return err_set(reader->err, ERR_USAGE,
                           "option --critical-%s is less than --warning-%s: nothing would be a "
                           "warning",
                           pairs[i].name, pairs[i].name);
        }
    }
    return true;
}

static bool
cli_check_options(const struct cli_reader *reader)
{
    enum cli_command command = reader->cli->command;

    /* Whoever asks for help gets it, whatever else stands there. */
    if (command == CLI_HELP || command == CLI_VERSION) {
        return true;
    }
    for (int id = 0; id < CLI_OPTION_COUNT; id++) {
        const struct cli_option *option = cli_option_spec((enum cli_option_id)id);

        if ((reader->seen & CLI_SEEN(id)) != 0 && (option->commands & 1U << command) == 0) {
            (void)err_set(reader->err, ERR_USAGE, "command %s has no option --%s",
                          cli_command_name(command), option->name);
            return err_hint(reader->err, "'harpsweep help %s' lists its options",
                            cli_command_name(command));
        }
    }
    return cli_check_format(reader) && cli_check_thresholds(reader) && cli_check_days(reader);
}

static bool
cli_too_little(const struct cli_reader *reader, const char *missing)
{
    const char *name = cli_command_name(reader->cli->command);

    (void)err_set(reader->err, ERR_USAGE, "command %s needs %s", name, missing);
    return err_hint(reader->err, "harpsweep %s %s", name,
                    cli_command_spec(reader->cli->command)->arguments);
}

static bool
cli_read_ids(const struct cli_reader *reader)
{
    struct cli *cli = reader->cli;

    cli->ids = mem_alloc(reader->word_count, sizeof *cli->ids);
    for (size_t i = 1; i < reader->word_count; i++) {
        if (!cli_parse_number(reader->words[i], 1, INT64_MAX, &cli->ids[cli->id_count])) {
            (void)err_set(reader->err, ERR_USAGE, "'%s' is not the number of a job",
                          reader->words[i]);
            return err_hint(reader->err, "'harpsweep list' shows the numbers; by app: --app %s",
                            reader->words[i]);
        }
        cli->id_count++;
    }
    if (cli->id_count == 0 && cli->app == NULL) {
        return cli_too_little(reader, "numbers of jobs or --app");
    }
    if (cli->id_count > 0 && (cli->app != NULL || cli->daemon != NULL)) {
        return err_set(reader->err, ERR_USAGE, "command %s takes numbers of jobs or --%s, not both",
                       cli_command_name(cli->command), cli->app != NULL ? "app" : "daemon");
    }
    return true;
}

static bool
cli_read_schedule(const struct cli_reader *reader)
{
    struct cli *cli = reader->cli;
    unsigned choices = (unsigned)((reader->seen & CLI_SEEN(CLI_OPTION_GRACE_HOURS)) != 0) +
                       (unsigned)((reader->seen & CLI_SEEN(CLI_OPTION_NOW)) != 0) +
                       (unsigned)((reader->seen & CLI_SEEN(CLI_OPTION_KEEP)) != 0);

    if (cli->daemon == NULL || cli->app == NULL) {
        return cli_too_little(reader, cli->daemon == NULL ? "--daemon" : "--app");
    }
    if (reader->word_count != 2) {
        return cli_too_little(reader, "exactly one image reference");
    }
    if (choices > 1) {
        return err_set(reader->err, ERR_USAGE,
                       "only one of --grace-hours, --now and --keep can be given");
    }
    cli->image_ref = reader->words[1];
    return true;
}

static bool
cli_read_adopt(const struct cli_reader *reader)
{
    struct cli *cli = reader->cli;
    bool now = (reader->seen & CLI_SEEN(CLI_OPTION_NOW)) != 0;

    if (cli->daemon == NULL) {
        return cli_too_little(reader, "--daemon");
    }
    if ((reader->word_count > 1) == (cli->file != NULL)) {
        if (cli->file != NULL) {
            return err_set(reader->err, ERR_USAGE,
                           "command adopt takes references or --file, not both");
        }
        return cli_too_little(reader, "image references, or --file with them");
    }
    if (now && (reader->seen & CLI_SEEN(CLI_OPTION_GRACE_HOURS)) != 0) {
        return err_set(reader->err, ERR_USAGE, "only one of --grace-hours and --now can be given");
    }
    cli->ref_count = reader->word_count - 1;
    cli->refs = mem_alloc(reader->word_count, sizeof *cli->refs);
    for (size_t i = 0; i < cli->ref_count; i++) {
        cli->refs[i] = reader->words[i + 1];
    }
    return true;
}

/* The name of a role that needs no quotes anywhere, and values that fit on a line of the settings.
 */
static bool
cli_check_setup(const struct cli_reader *reader)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    const struct cli *cli = reader->cli;
    const char *const lines[] = {cli->conninfo, cli->key_file};

    if (cli->nextcloud != NULL && cli->conninfo != NULL) {
        return err_set(reader->err, ERR_USAGE,
                       "only one of --nextcloud and --conninfo can be given");
    }
    if (cli->user != NULL &&
        (strspn(cli->user, plain) != strlen(cli->user) || strlen(cli->user) > 63)) {
        (void)err_set(reader->err, ERR_USAGE, "option --user does not take '%s'", cli->user);
        return err_hint(reader->err, "letters, digits, '_', '.' and '-', at most 63");
    }
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (lines[i] != NULL && strpbrk(lines[i], "\r\n") != NULL) {
            return err_set(reader->err, ERR_USAGE, "option --%s is more than one line",
                           i == 0 ? "conninfo" : "key-file");
        }
    }
    return true;
}

static bool
cli_read_arguments(const struct cli_reader *reader)
{
    switch (reader->cli->command) {
    case CLI_SHOW:
    case CLI_NOW:
    case CLI_KEEP:
    case CLI_CANCEL:
    case CLI_RETRY:
        return cli_read_ids(reader);
    case CLI_SCHEDULE:
        return cli_read_schedule(reader);
    case CLI_ADOPT:
        return cli_read_adopt(reader);
    case CLI_HELP:
    case CLI_VERSION:
    case CLI_RUN:
    case CLI_PLAN:
    case CLI_OBSERVE:
    case CLI_LIST:
    case CLI_STATUS:
    case CLI_REPORT:
    case CLI_CHECK:
    case CLI_SETUP:
    case CLI_SETTINGS:
        break;
    }
    if (reader->word_count > 1) {
        return err_set(reader->err, ERR_USAGE, "command %s takes no argument '%s'",
                       cli_command_name(reader->cli->command), reader->words[1]);
    }
    return reader->cli->command != CLI_SETUP || cli_check_setup(reader);
}

bool
cli_parse(int argc, char **argv, struct cli *ret_cli, struct err *err)
{
    const char *environment = getenv("HARPSWEEP_CONFIG");
    struct cli cli = {.event = "manual",
                      .choice = "grace",
                      .config_path = environment == NULL || *environment == '\0'
                                         ? CLI_DEFAULT_CONFIG
                                         : environment,
                      .grace_hours = -1,
                      .max_jobs = -1,
                      .limit = -1,
                      .days = -1,
                      .lag = {3600, 21600},
                      .failed = {0, 10},
                      .stopped = {600, 21600},
                      .max_instances = -1};
    struct cli_reader reader = {.cli = &cli, .err = err, .argc = argc, .argv = argv};
    bool done;

    reader.words = mem_alloc((size_t)argc + 1, sizeof *reader.words);
    done = cli_read_all(&reader) && cli_decide_command(&reader) && cli_check_options(&reader) &&
           cli_read_arguments(&reader);
    mem_free(reader.words);
    if (done) {
        *ret_cli = cli;
    } else {
        cli_free(&cli);
    }
    return done;
}

void
cli_free(struct cli *cli)
{
    mem_free(cli->refs);
    cli->refs = NULL;
    cli->ref_count = 0;
    mem_free(cli->ids);
    cli->ids = NULL;
    cli->id_count = 0;
}
