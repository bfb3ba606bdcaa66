/*
 * Command lines: cli.c and cli_reader.c.
 *
 * Input: the words, one per line. HARPSWEEP_CONFIG is set to the first where that begins with "=";
 * it is no word of the command line then.
 */
#include "cli.h"
#include "cli_spec.h"
#include "err.h"
#include "fuzz.h"
#include "log.h"

#define WORDS_MAX 64

static char program[] = "harpsweep";

/* One of the words, or a part of one: the parser copies nothing. */
static bool
points_into(const char *text, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (text >= argv[i] && text <= argv[i] + strlen(argv[i])) {
            return true;
        }
    }
    return false;
}

static void
check_text(const char *text, int argc, char **argv)
{
    FUZZ_CHECK(text == NULL || (points_into(text, argc, argv) && text[0] != '\0'),
               "a text from elsewhere, or an empty one");
}

static void
check_change(const struct cli *cli)
{
    FUZZ_CHECK(cli->id_count > 0 || cli->app != NULL, "nothing to change");
    FUZZ_CHECK(cli->id_count == 0 || (cli->app == NULL && cli->daemon == NULL), "two ways at once");
}

static void
check_adopt(const struct cli *cli)
{
    FUZZ_CHECK(cli->daemon != NULL && (cli->ref_count > 0) == (cli->file == NULL), "too little");
    FUZZ_CHECK(cli->grace_hours < 0 || strcmp(cli->choice, "grace") == 0, "two choices");
}

static void
check_arguments(const struct cli *cli)
{
    switch (cli->command) {
    case CLI_SHOW:
        check_change(cli);
        return;
    case CLI_NOW:
    case CLI_KEEP:
    case CLI_CANCEL:
    case CLI_RETRY:
        check_change(cli);
        return;
    case CLI_SCHEDULE:
        FUZZ_CHECK(cli->daemon != NULL && cli->app != NULL && cli->image_ref != NULL, "too little");
        FUZZ_CHECK(cli->grace_hours < 0 || strcmp(cli->choice, "grace") == 0, "two choices");
        return;
    case CLI_ADOPT:
        check_adopt(cli);
        return;
    case CLI_SETTINGS:
        FUZZ_CHECK(false, "a command that is none");
        return;
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
        FUZZ_CHECK(cli->id_count == 0 && cli->image_ref == NULL, "arguments");
        return;
    }
    FUZZ_CHECK(false, "command %d", (int)cli->command);
}

static void
check_parsed(const struct cli *cli, int argc, char **argv)
{
    check_arguments(cli);
    check_text(cli->daemon, argc, argv);
    check_text(cli->app, argc, argv);
    check_text(cli->state, argc, argv);
    check_text(cli->image_id, argc, argv);
    check_text(cli->reason, argc, argv);
    check_text(cli->sort, argc, argv);
    FUZZ_CHECK(cli->since_s >= 0, "since %lld", (long long)cli->since_s);
    check_text(cli->file, argc, argv);
    check_text(cli->output, argc, argv);
    FUZZ_CHECK(cli->command != CLI_REPORT || (cli->days != 0 && cli->format != CLI_FORMAT_TEXT),
               "a report of nothing");
    FUZZ_CHECK(cli->image_ref == NULL || points_into(cli->image_ref, argc, argv), "a reference");
    FUZZ_CHECK(cli->config_path != NULL && cli->config_path[0] != '\0', "no settings");
    FUZZ_CHECK(cli->grace_hours >= -1 && cli->grace_hours <= 720, "%lld hours",
               (long long)cli->grace_hours);
    FUZZ_CHECK(cli->limit == -1 || cli->limit > 0, "limit %lld", (long long)cli->limit);
    FUZZ_CHECK(cli->max_jobs >= -1, "%lld jobs", (long long)cli->max_jobs);
    FUZZ_CHECK(cli->help_of <= CLI_SETTINGS && cli_command_name(cli->command)[0] != '\0',
               "help of %d", (int)cli->help_of);
    FUZZ_CHECK(cli->days >= -1 && cli->days <= 365, "%lld days", (long long)cli->days);
    for (size_t i = 0; i < cli->ref_count; i++) {
        FUZZ_CHECK(points_into(cli->refs[i], argc, argv), "a reference");
    }
    for (size_t i = 0; i < cli->id_count; i++) {
        FUZZ_CHECK(cli->ids[i] > 0, "job %lld", (long long)cli->ids[i]);
    }
}

/* What a person reads of it: one line, or two with a hint. */
static void
check_error(const struct err *err)
{
    static struct fuzz_capture said;

    FUZZ_CHECK(err->kind == ERR_USAGE && err->text[0] != '\0', "kind %d: \"%s\"", (int)err->kind,
               err->text);
    fuzz_capture_begin(&said, &stderr);
    log_err(err);
    fuzz_capture_end(&said);
    FUZZ_CHECK(fuzz_check_shown("error", said.text, said.length) == (err->hint[0] == '\0' ? 1 : 2),
               "lines: %s", said.text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    char *argv[WORDS_MAX + 1] = {program};
    int argc = 1;
    struct cli cli;
    struct err err = {.kind = ERR_NONE, .text = "", .hint = ""};

    (void)unsetenv("HARPSWEEP_CONFIG");
    if (size > 0 && data[0] == '=') {
        char *path = fuzz_field(&input, '\n');

        (void)setenv("HARPSWEEP_CONFIG", path + 1, 1);
        free(path);
    }
    while (argc < WORDS_MAX && input.size > 0) {
        argv[argc++] = fuzz_field(&input, '\n');
    }
    if (cli_parse(argc, argv, &cli, &err)) {
        check_parsed(&cli, argc, argv);
        cli_free(&cli);
    } else {
        check_error(&err);
    }
    for (int i = 1; i < argc; i++) {
        free(argv[i]);
    }
    return 0;
}
