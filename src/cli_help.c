#include "cli.h"
#include "cli_spec.h"
#include "conf.h"

#include <stdio.h>
#include <string.h>

/* What an option does for these commands: some mean something else to one of them. */
static const char *
cli_option_help(const struct cli_option *option, unsigned commands)
{
    if (strcmp(option->name, "format") == 0 && commands == 1U << CLI_LIST) {
        return "text, json or csv";
    }
    if (strcmp(option->name, "format") == 0 && commands == 1U << CLI_STATUS) {
        return "text, json, prometheus or nagios";
    }
    if (strcmp(option->name, "format") == 0 && commands == 1U << CLI_REPORT) {
        return "html or json";
    }
    if (strcmp(option->name, "days") == 0 && commands == 1U << CLI_REPORT) {
        return "the last N days, today included, 1 to 365 (default 30)";
    }
    return option->help;
}

static void
cli_print_option(const struct cli_option *option, const char *help)
{
    char name[64];

    (void)snprintf(name, sizeof name, "--%s%s%s", option->name, option->argument == NULL ? "" : " ",
                   option->argument == NULL ? "" : option->argument);
    if (option->letter != '\0') {
        (void)printf("  -%c, %-23s %s\n", option->letter, name, help);
    } else {
        (void)printf("      %-23s %s\n", name, help);
    }
}

/* The options of some commands; global ones are those of all. */
static void
cli_print_options(unsigned commands, bool global)
{
    for (int id = 0; id < CLI_OPTION_COUNT; id++) {
        const struct cli_option *option = cli_option_spec((enum cli_option_id)id);

        if ((option->commands & commands) != 0 && (option->commands == ~0U) == global) {
            cli_print_option(option, cli_option_help(option, commands));
        }
    }
}

static void
cli_print_all(void)
{
    (void)printf("Usage: harpsweep [OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]\n\n"
                 "Deletes the Docker images that uninstalled and updated Nextcloud ExApps leave\n"
                 "behind, through HaRP, when their grace has ended.\n\nCommands:\n");
    for (int i = CLI_HELP; i < CLI_SETTINGS; i++) {
        const struct cli_command_spec *command = cli_command_spec((enum cli_command)i);

        (void)printf("  %-9s %s\n", command->name, command->summary);
    }
    (void)printf("\nOptions of all commands:\n");
    cli_print_options(~0U, true);
    (void)printf(
        "\n'harpsweep help COMMAND' tells the rest, 'harpsweep help settings' what may stand "
        "in the settings.\n\n"
        "Exit codes: 0 done; 1 somebody has to look; 64 usage; 69 database unavailable;\n"
        "70 internal error; 75 stopped early, work is left; 78 settings, schema or "
        "privileges.\n");
}

static void
cli_print_settings(void)
{
    const char *section = "";

    for (size_t i = 0; i < conf_option_count(); i++) {
        struct conf_option_text option = conf_option_text(i);

        if (strcmp(section, option.section) != 0) {
            section = option.section;
            (void)printf("%s[%s]\n", i == 0 ? "" : "\n", section);
        }
        (void)printf("%s = %s    (%s%s%s)\n    %s\n", option.name, option.default_value,
                     option.type, *option.allowed == '\0' ? "" : ", ", option.allowed, option.help);
    }
}

void
cli_print_help(enum cli_command command)
{
    const struct cli_command_spec *spec = cli_command_spec(command);

    if (command == CLI_HELP) {
        cli_print_all();
        return;
    }
    if (command == CLI_SETTINGS) {
        cli_print_settings();
        return;
    }
    (void)printf("Usage: harpsweep %s%s%s [OPTIONS]\n\nThe command %s.\n", spec->name,
                 *spec->arguments == '\0' ? "" : " ", spec->arguments, spec->summary);
    if (*spec->text != '\0') {
        (void)printf("\n%s\n", spec->text);
    }
    (void)printf("\nOptions:\n");
    cli_print_options(1U << command, false);
    cli_print_options(1U << command, true);
}
