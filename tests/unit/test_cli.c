/* The command line: what is taken, and what is said about the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli.h"

#include <stdlib.h>
#include <string.h>

#define ID "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static bool
parse(char **words, struct cli *ret_cli, struct err *err)
{
    int count = 0;

    while (words[count] != NULL) {
        count++;
    }
    memset(err, 0, sizeof *err);
    return cli_parse(count, words, ret_cli, err);
}

#define WORDS(...) ((char *[]){(char *)(uintptr_t) "harpsweep", __VA_ARGS__, NULL})
#define W(text) ((char *)(uintptr_t)(text))

static void
accept(char **words, struct cli *ret_cli)
{
    struct err err;

    if (!parse(words, ret_cli, &err)) {
        fail_msg("refused: %s", err.text);
    }
}

static void
refuse(char **words, const char *text)
{
    struct cli cli;
    struct err err;

    assert_false(parse(words, &cli, &err));
    assert_int_equal(err.kind, ERR_USAGE);
    assert_string_equal(err.text, text);
}

static void
test_defaults(void **state)
{
    struct cli cli;

    (void)state;
    (void)unsetenv("HARPSWEEP_CONFIG");
    accept(WORDS(W("run")), &cli);
    assert_int_equal(cli.command, CLI_RUN);
    assert_string_equal(cli.config_path, "/etc/harpsweep/harpsweep.ini");
    assert_int_equal(cli.format, CLI_FORMAT_TEXT);
    assert_int_equal(cli.verbosity, 0);
    assert_int_equal(cli.max_jobs, -1);
    assert_int_equal(cli.limit, -1);
    assert_int_equal(cli.grace_hours, -1);
    assert_false(cli.dry_run);
    assert_null(cli.daemon);
    assert_string_equal(cli.choice, "grace");
    assert_string_equal(cli.event, "manual");
}

static void
test_config_path(void **state)
{
    struct cli cli;

    (void)state;
    assert_int_equal(setenv("HARPSWEEP_CONFIG", "/from/environment", 1), 0);
    accept(WORDS(W("list")), &cli);
    assert_string_equal(cli.config_path, "/from/environment");
    accept(WORDS(W("-c"), W("/a"), W("list")), &cli);
    assert_string_equal(cli.config_path, "/a");
    accept(WORDS(W("list"), W("-c/b")), &cli);
    assert_string_equal(cli.config_path, "/b");
    accept(WORDS(W("list"), W("--config=/c")), &cli);
    assert_string_equal(cli.config_path, "/c");
    assert_int_equal(setenv("HARPSWEEP_CONFIG", "", 1), 0);
    accept(WORDS(W("list")), &cli);
    assert_string_equal(cli.config_path, CLI_DEFAULT_CONFIG);
}

static void
test_options_stand_anywhere(void **state)
{
    struct cli cli;

    (void)state;
    accept(WORDS(W("-v"), W("--json"), W("run"), W("--daemon"), W("d"), W("-nv"), W("--app=a"),
                 W("--max-jobs"), W("0")),
           &cli);
    assert_int_equal(cli.command, CLI_RUN);
    assert_int_equal(cli.verbosity, 2);
    assert_int_equal(cli.format, CLI_FORMAT_JSON);
    assert_string_equal(cli.daemon, "d");
    assert_string_equal(cli.app, "a");
    assert_int_equal(cli.max_jobs, 0);
    assert_true(cli.dry_run);
    accept(WORDS(W("--daemon"), W("d"), W("run"), W("--format"), W("text")), &cli);
    assert_string_equal(cli.daemon, "d");
    assert_int_equal(cli.format, CLI_FORMAT_TEXT);
    accept(WORDS(W("run"), W("--format=json")), &cli);
    assert_int_equal(cli.format, CLI_FORMAT_JSON);
}

static void
test_jobs(void **state)
{
    struct cli cli;

    (void)state;
    accept(WORDS(W("cancel"), W("7"), W("--reason"), W("-x"), W("9223372036854775807")), &cli);
    assert_int_equal(cli.command, CLI_CANCEL);
    assert_int_equal(cli.id_count, 2);
    assert_int_equal(cli.ids[0], 7);
    assert_true(cli.ids[1] == INT64_MAX);
    assert_string_equal(cli.reason, "-x");
    cli_free(&cli);
    accept(WORDS(W("keep"), W("--app"), W("a"), W("--daemon"), W("d")), &cli);
    assert_int_equal(cli.id_count, 0);
    cli_free(&cli);

    refuse(WORDS(W("show"), W("")), "'' is not the number of a job");
    accept(WORDS(W("show"), W("--app"), W("a"), W("--limit=3")), &cli);
    assert_int_equal(cli.id_count, 0);
    cli_free(&cli);

    refuse(WORDS(W("show")), "command show needs numbers of jobs or --app");
    refuse(WORDS(W("show"), W("1"), W("--app=a")),
           "command show takes numbers of jobs or --app, not both");
    refuse(WORDS(W("now")), "command now needs numbers of jobs or --app");
    refuse(WORDS(W("now"), W("1"), W("--app"), W("a")),
           "command now takes numbers of jobs or --app, not both");
    refuse(WORDS(W("now"), W("1"), W("--daemon"), W("a")),
           "command now takes numbers of jobs or --daemon, not both");
    refuse(WORDS(W("show"), W("1x")), "'1x' is not the number of a job");
    refuse(WORDS(W("show"), W("0")), "'0' is not the number of a job");
    refuse(WORDS(W("show"), W("+1")), "'+1' is not the number of a job");
    refuse(WORDS(W("show"), W(" 1")), "' 1' is not the number of a job");
    refuse(WORDS(W("show"), W("--"), W("-1")), "'-1' is not the number of a job");
    refuse(WORDS(W("show"), W("9223372036854775808")),
           "'9223372036854775808' is not the number of a job");
    refuse(WORDS(W("show"), W("99999999999999999999999")),
           "'99999999999999999999999' is not the number of a job");
}

static void
test_schedule(void **state)
{
    struct cli cli;

    (void)state;
    accept(WORDS(W("schedule"), W("--daemon"), W("d"), W("--app"), W("a"), W("--event"),
                 W("update"), W("--grace-hours"), W("720"), W("--image-id"), W(ID), W("r:1")),
           &cli);
    assert_string_equal(cli.image_ref, "r:1");
    assert_string_equal(cli.image_id, ID);
    assert_string_equal(cli.event, "update");
    assert_string_equal(cli.choice, "grace");
    assert_int_equal(cli.grace_hours, 720);
    accept(WORDS(W("schedule"), W("--daemon=d"), W("--app=a"), W("--keep"), W("r:1")), &cli);
    assert_string_equal(cli.choice, "keep");
    accept(WORDS(W("schedule"), W("--daemon=d"), W("--app=a"), W("--now"), W("r:1")), &cli);
    assert_string_equal(cli.choice, "now");

    refuse(WORDS(W("schedule"), W("r:1"), W("--app"), W("a")), "command schedule needs --daemon");
    refuse(WORDS(W("schedule"), W("r:1"), W("--daemon"), W("a")), "command schedule needs --app");
    refuse(WORDS(W("schedule"), W("--app=a"), W("--daemon=d")),
           "command schedule needs exactly one image reference");
    refuse(WORDS(W("schedule"), W("--app=a"), W("--daemon=d"), W("r"), W("s")),
           "command schedule needs exactly one image reference");
    refuse(WORDS(W("schedule"), W("--app=a"), W("--daemon=d"), W("r"), W("--now"), W("--keep")),
           "only one of --grace-hours, --now and --keep can be given");
    refuse(WORDS(W("schedule"), W("--grace-hours"), W("721")),
           "option --grace-hours needs a whole number from 0 to 720, not '721'");
    refuse(WORDS(W("schedule"), W("--grace-hours=-1")),
           "option --grace-hours needs a whole number from 0 to 720, not '-1'");
    refuse(WORDS(W("schedule"), W("--event=lost")), "option --event does not know 'lost'");
    refuse(WORDS(W("schedule"), W("--image-id=sha256:ABC")),
           "option --image-id does not take 'sha256:ABC'");
}

static void
test_adopt(void **state)
{
    struct cli cli;

    (void)state;
    accept(WORDS(W("adopt"), W("--daemon=d"), W("--now"), W("r:1"), W("r:2")), &cli);
    assert_int_equal(cli.command, CLI_ADOPT);
    assert_int_equal(cli.ref_count, 2);
    assert_string_equal(cli.choice, "now");
    cli_free(&cli);
    refuse(WORDS(W("adopt"), W("--daemon=d"), W("r:1"), W("--now"), W("--grace-hours=1")),
           "only one of --grace-hours and --now can be given");
}

static void
test_list(void **state)
{
    struct cli cli;

    (void)state;
    accept(WORDS(W("list"), W("--state"), W("in_use"), W("--limit"), W("1000000")), &cli);
    assert_string_equal(cli.state, "in_use");
    assert_int_equal(cli.limit, 1000000);
    accept(WORDS(W("list"), W("--state=open")), &cli);
    assert_string_equal(cli.state, "open");
    accept(WORDS(W("list"), W("--since"), W("36h"), W("--sort=due"), W("--format=csv")), &cli);
    assert_int_equal(cli.since_s, 36 * 3600);
    assert_string_equal(cli.sort, "due");
    assert_int_equal(cli.format, CLI_FORMAT_CSV);
    accept(WORDS(W("list"), W("--since=2001-01-01")), &cli);
    assert_true(cli.since_s > INT64_C(20) * 365 * 86400);
    refuse(WORDS(W("list"), W("--since=2999-01-01")),
           "option --since does not take '2999-01-01': it is neither a span nor a past moment");
    refuse(WORDS(W("list"), W("--since=0d")),
           "option --since does not take '0d': it is neither a span nor a past moment");
    refuse(WORDS(W("list"), W("--since=99999999999d")),
           "option --since does not take '99999999999d': it is neither a span nor a past moment");
    refuse(WORDS(W("list"), W("--since=7")),
           "option --since does not take '7': it is neither a span nor a past moment");
    refuse(WORDS(W("list"), W("--sort=best")), "option --sort does not know 'best'");
    refuse(WORDS(W("show"), W("1"), W("--format=csv")), "command show has no --format=csv");
    refuse(WORDS(W("list"), W("--state=gone")), "option --state does not know 'gone'");
    refuse(WORDS(W("list"), W("--limit=0")),
           "option --limit needs a whole number from 1 to 1000000, not '0'");
    refuse(WORDS(W("list"), W("--limit=5k")),
           "option --limit needs a whole number from 1 to 1000000, not '5k'");
    refuse(WORDS(W("list"), W("what")), "command list takes no argument 'what'");
}

static void
test_wrong_options(void **state)
{
    (void)state;
    refuse(WORDS(W("run"), W("--nonsense")), "there is no option --nonsense");
    refuse(WORDS(W("run"), W("-x")), "there is no option -x");
    refuse(WORDS(W("run"), W("--dry")), "there is no option --dry");
    refuse(WORDS(W("run"), W("--dry-run=yes")), "option --dry-run takes no value");
    refuse(WORDS(W("run"), W("--daemon")), "option --daemon needs a value: NAME");
    refuse(WORDS(W("run"), W("--daemon=")), "option --daemon has an empty value");
    refuse(WORDS(W("run"), W("--app=a"), W("--app=b")), "option --app is given twice");
    refuse(WORDS(W("run"), W("--reason=x")), "command run has no option --reason");
    refuse(WORDS(W("status"), W("--app=x")), "command status has no option --app");
    refuse(WORDS(W("status"), W("--format=html")), "command status has no --format=html");
    refuse(WORDS(W("report"), W("--format=text")), "command report has no --format=text");
    refuse(WORDS(W("report"), W("--days=0")),
           "option --days of the command report needs a whole number from 1 to 365, not '0'");
    refuse(WORDS(W("status"), W("--format=xml")), "option --format does not know 'xml'");
}

static void
test_commands(void **state)
{
    struct cli cli;

    (void)state;
    refuse((char *[]){W("harpsweep"), NULL}, "no command is given");
    refuse(WORDS(W("-v")), "no command is given");
    refuse(WORDS(W("sweep")), "there is no command 'sweep'");
    refuse(WORDS(W("")), "there is no command ''");
    refuse(WORDS(W("settings")), "there is no command 'settings'");
    refuse(WORDS(W("help"), W("sweep")), "there is no command 'sweep'");
    refuse(WORDS(W("help"), W("run"), W("list")), "command help takes no argument 'list'");

    accept(WORDS(W("--help")), &cli);
    assert_int_equal(cli.command, CLI_HELP);
    assert_int_equal(cli.help_of, CLI_HELP);
    accept(WORDS(W("schedule"), W("--help")), &cli);
    assert_int_equal(cli.command, CLI_HELP);
    assert_int_equal(cli.help_of, CLI_SCHEDULE);
    accept(WORDS(W("-h"), W("show")), &cli);
    assert_int_equal(cli.help_of, CLI_SHOW);
    accept(WORDS(W("help"), W("settings")), &cli);
    assert_int_equal(cli.help_of, CLI_SETTINGS);
    accept(WORDS(W("--version")), &cli);
    assert_int_equal(cli.command, CLI_VERSION);
    accept(WORDS(W("version")), &cli);
    assert_int_equal(cli.command, CLI_VERSION);
    assert_string_equal(cli_command_name(CLI_RETRY), "retry");
}

static void
test_setup(void **state)
{
    static const char sixty_four[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    struct cli cli;

    (void)state;
    accept(WORDS(W("setup"), W("--conninfo=host=db dbname=nc"), W("--user=cron-1.a_B"),
                 W("--key-file=/k"), W("--admin=service=a")),
           &cli);
    assert_int_equal(cli.command, CLI_SETUP);
    assert_string_equal(cli.conninfo, "host=db dbname=nc");
    assert_string_equal(cli.user, "cron-1.a_B");
    assert_string_equal(cli.key_file, "/k");
    assert_string_equal(cli.admin, "service=a");
    assert_null(cli.nextcloud);
    accept(WORDS(W("setup"), W("--user"), W(sixty_four + 1)), &cli);
    refuse(WORDS(W("setup"), W("--nextcloud=/var/www/nextcloud"), W("--conninfo=dbname=nc")),
           "only one of --nextcloud and --conninfo can be given");
    refuse(WORDS(W("setup"), W("--user=a\"; drop")), "option --user does not take 'a\"; drop'");
    refuse(WORDS(W("setup"), W("--user"), W(sixty_four)),
           "option --user does not take "
           "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'");
    refuse(WORDS(W("setup"), W("--conninfo=dbname=nc\n[harp]")),
           "option --conninfo is more than one line");
    refuse(WORDS(W("setup"), W("--key-file=/k\r")), "option --key-file is more than one line");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_config_path),
        cmocka_unit_test(test_options_stand_anywhere),
        cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_adopt),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_wrong_options),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
