/*
 * What the command line may hold: one table of commands, one of options. The parser and the
 * help read both, so they cannot disagree.
 */
#ifndef HARPSWEEP_CLI_SPEC_H
#define HARPSWEEP_CLI_SPEC_H

#include "cli.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_option_id {
    CLI_OPTION_CONFIG,
    CLI_OPTION_VERBOSE,
    CLI_OPTION_JSON,
    CLI_OPTION_FORMAT,
    CLI_OPTION_HELP,
    CLI_OPTION_VERSION,
    CLI_OPTION_DRY_RUN,
    CLI_OPTION_DAEMON,
    CLI_OPTION_APP,
    CLI_OPTION_MAX_JOBS,
    CLI_OPTION_STATE,
    CLI_OPTION_LIMIT,
    CLI_OPTION_EVENT,
    CLI_OPTION_GRACE_HOURS,
    CLI_OPTION_NOW,
    CLI_OPTION_KEEP,
    CLI_OPTION_IMAGE_ID,
    CLI_OPTION_REASON,
    CLI_OPTION_DAYS,
    CLI_OPTION_FILE,
    CLI_OPTION_OUTPUT,
    CLI_OPTION_MAX_INSTANCES,
    CLI_OPTION_SINCE,
    CLI_OPTION_SORT,
    CLI_OPTION_WARNING_LAG,
    CLI_OPTION_CRITICAL_LAG,
    CLI_OPTION_WARNING_FAILED,
    CLI_OPTION_CRITICAL_FAILED,
    CLI_OPTION_WARNING_STOPPED,
    CLI_OPTION_CRITICAL_STOPPED,
    CLI_OPTION_FIX_HINTS,
    CLI_OPTION_NEXTCLOUD,
    CLI_OPTION_CONNINFO,
    CLI_OPTION_USER,
    CLI_OPTION_KEY_FILE,
    CLI_OPTION_ADMIN,
    CLI_OPTION_YES,
    CLI_OPTION_FORCE,
    CLI_OPTION_PRINT_SQL,
    CLI_OPTION_COUNT,
};

/* The bit of an option in the set of those that were given. */
#define CLI_SEEN(id) (UINT64_C(1) << (id))

struct cli_option {
    const char *name;     /* without the dashes */
    const char *argument; /* what it takes, for the help; NULL: nothing */
    const char *help;
    unsigned commands; /* one bit per command: 1u << CLI_RUN … */
    char letter;       /* -c …; '\0': none */
};

struct cli_command_spec {
    const char *name;
    const char *arguments; /* what stands after it, for the help */
    const char *summary;
    const char *text; /* the rest of its help; "" for none */
};

/* The option of that id; ids are 0 … CLI_OPTION_COUNT - 1. */
const struct cli_option *cli_option_spec(enum cli_option_id id);

/* What the help knows of a command; CLI_SETTINGS is a subject of the help only. */
const struct cli_command_spec *cli_command_spec(enum cli_command command);

/* The command of that name, CLI_SETTINGS included. */
bool cli_command_find(const char *name, enum cli_command *ret_command);

#endif
