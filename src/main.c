#include "cli.h"
#include "fleet.h"
#include "log.h"
#include "reply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>

static int
main_run_with(const struct cli *cli, const struct conf *conf)
{
    switch (cli->command) {
    case CLI_RUN:
        return cmd_run(cli, conf);
    case CLI_PLAN:
        return cmd_plan(cli, conf);
    case CLI_OBSERVE:
        return cmd_observe(cli, conf);
    case CLI_ADOPT:
        return cmd_adopt(cli, conf);
    case CLI_LIST:
        return cmd_list(cli, conf);
    case CLI_SHOW:
        return cmd_show(cli, conf);
    case CLI_SCHEDULE:
        return cmd_schedule(cli, conf);
    case CLI_NOW:
    case CLI_KEEP:
    case CLI_CANCEL:
    case CLI_RETRY:
        return cmd_change(cli, conf);
    case CLI_STATUS:
        return cmd_status(cli, conf);
    case CLI_REPORT:
        return cmd_report(cli, conf);
    case CLI_HELP:
    case CLI_VERSION:
    case CLI_CHECK:
    case CLI_SETUP:
    case CLI_SETTINGS:
        break;
    }
    return EXIT_CODE_INTERNAL;
}

/* With one settings file. */
static int
main_run_one(const struct cli *cli)
{
    struct conf *conf;
    struct err err;
    int code;

    if (cli->command == CLI_CHECK) {
        return cmd_check(cli);
    }
    if (!conf_load(cli->config_path, &conf, &err)) {
        if (cli->format == CLI_FORMAT_NAGIOS) {
            return cmd_status_unknown(&err);
        }
        log_err(&err);
        return err_exit_code(err.kind);
    }
    code = main_run_with(cli, conf);
    conf_free(conf);
    return code;
}

static int
main_run(const struct cli *cli)
{
    bool takes_folder = cli->command == CLI_RUN || cli->command == CLI_PLAN ||
                        cli->command == CLI_STATUS || cli->command == CLI_CHECK;

    if (cli->command == CLI_HELP) {
        cli_print_help(cli->help_of);
        return EXIT_CODE_OK;
    }
    if (cli->command == CLI_VERSION) {
        return cmd_version();
    }
    if (cli->command == CLI_SETUP) {
        return cmd_setup(cli);
    }
    return takes_folder && fleet_is_folder(cli->config_path) ? cmd_fleet(cli, main_run_one)
                                                             : main_run_one(cli);
}

/*
 * What GnuTLS's header defines as GNUTLS_SKIP_GLOBAL_INIT, without needing that header. libpq
 * brings GnuTLS with it where libldap is built on it (Debian's is), and its constructor would
 * prepare every process for a TLS that nobody here speaks: the twelfth part of the start, and 1 MB.
 * Whoever speaks it asks for that himself (gnutls_global_init(), as libldap and libcurl do). The
 * linker is told to export it, see the Makefile.
 */
int _gnutls_global_init_skip(void); /* NOLINT(bugprone-reserved-identifier): GnuTLS's name */

int
_gnutls_global_init_skip(void) /* NOLINT(bugprone-reserved-identifier) */
{
    return 1;
}

int
main(int argc, char **argv)
{
    struct cli cli;
    struct err err;
    int code;

    /* No core dump and no debugger of another process of this user: the keys are in here. */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    /* What is closed would become a connection, and be sent what is said to a person. It is opened
     * so that what is written fails as it would have. */
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF) {
            (void)open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
        }
    }
    reply_init();
    if (!cli_parse(argc, argv, &cli, &err)) {
        log_err(&err);
        return err_exit_code(err.kind);
    }
    if (cli.verbosity > 0) {
        log_set_level(cli.verbosity == 1 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG);
    }
    code = main_run(&cli);
    cli_free(&cli);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        log_error("the output could not be written: standard output is full or closed");
        return EXIT_CODE_INTERNAL;
    }
    return code;
}
