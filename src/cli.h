/*
 * The command line: `harpsweep [options] COMMAND [options] [arguments]`; options may stand
 * before or after the command.
 */
#ifndef HARPSWEEP_CLI_H
#define HARPSWEEP_CLI_H

#include "conf.h"
#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_command {
    CLI_HELP,
    CLI_VERSION,
    CLI_RUN,
    CLI_PLAN,
    CLI_OBSERVE,
    CLI_LIST,
    CLI_SHOW,
    CLI_SCHEDULE,
    CLI_NOW,
    CLI_KEEP,
    CLI_CANCEL,
    CLI_RETRY,
    CLI_ADOPT,
    CLI_STATUS,
    CLI_REPORT,
    CLI_CHECK,
    CLI_SETUP,
    CLI_SETTINGS, /* only as the subject of a help */
};

enum cli_format {
    CLI_FORMAT_TEXT,
    CLI_FORMAT_JSON,
    CLI_FORMAT_CSV,
    CLI_FORMAT_PROMETHEUS,
    CLI_FORMAT_NAGIOS,
    CLI_FORMAT_HTML,
};

/* What may be without being a problem: more is one. */
struct cli_thresholds {
    int64_t warning;
    int64_t critical;
};

struct cli {
    enum cli_command command;
    enum cli_command help_of; /* CLI_HELP: of which command; CLI_HELP itself for all */
    const char *config_path;  /* -c, $HARPSWEEP_CONFIG, or the default; a file or a folder */
    int verbosity;            /* number of -v */
    enum cli_format format;   /* --json, --format=… */
    bool dry_run;
    bool fix_hints;
    const char *daemon;            /* --daemon; NULL: all */
    const char *app;               /* --app; NULL: all */
    const char *state;             /* --state; NULL: all */
    const char *sort;              /* --sort; NULL: newest first */
    int64_t since_s;               /* --since, as seconds before now; 0: not given */
    const char *image_ref;         /* schedule's argument */
    const char *image_id;          /* --image-id */
    const char *event;             /* --event */
    const char *choice;            /* --now, --keep: "now", "keep"; else "grace" */
    const char *reason;            /* --reason */
    int64_t grace_hours;           /* --grace-hours; -1: not given */
    int64_t max_jobs;              /* --max-jobs; -1: not given */
    int64_t limit;                 /* --limit; -1: not given */
    int64_t days;                  /* --days; -1: not given */
    int64_t max_instances;         /* --max-instances; -1: not given */
    struct cli_thresholds lag;     /* seconds that work may be due */
    struct cli_thresholds failed;  /* jobs */
    struct cli_thresholds stopped; /* seconds that a daemon may be stopped */
    const char *file;              /* --file; NULL: none; "-": standard input */
    const char *output;            /* --output; NULL, "-": standard output */
    const char *nextcloud;         /* setup: --nextcloud; NULL: not given, as the next four */
    const char *conninfo;
    const char *user;
    const char *key_file;
    const char *admin;
    bool yes;
    bool force;
    bool print_sql;
    const char **refs; /* image references; ref_count of them */
    size_t ref_count;
    int64_t *ids; /* job ids; id_count of them */
    size_t id_count;
};

#ifndef HARPSWEEP_SYSCONFDIR
#define HARPSWEEP_SYSCONFDIR "/etc"
#endif
#define CLI_DEFAULT_CONFIG HARPSWEEP_SYSCONFDIR "/harpsweep/harpsweep.ini"

/* Reads the arguments. The texts point into argv. cli_free() it. */
bool cli_parse(int argc, char **argv, struct cli *ret_cli, struct err *err) MUST_CHECK;
void cli_free(struct cli *cli);

/* --help, and help for one command, on standard output. */
void cli_print_help(enum cli_command command);

/* "run", … as it is typed. */
const char *cli_command_name(enum cli_command command);

/* One function per command, in cmd_*.c: returns the exit code, having printed everything. */
int cmd_run(const struct cli *cli, const struct conf *conf);
int cmd_plan(const struct cli *cli, const struct conf *conf);
int cmd_observe(const struct cli *cli, const struct conf *conf);
int cmd_adopt(const struct cli *cli, const struct conf *conf);
int cmd_list(const struct cli *cli, const struct conf *conf);
int cmd_show(const struct cli *cli, const struct conf *conf);
int cmd_schedule(const struct cli *cli, const struct conf *conf);
int cmd_change(const struct cli *cli, const struct conf *conf); /* now, keep, cancel, retry */
int cmd_status(const struct cli *cli, const struct conf *conf);
int cmd_report(const struct cli *cli, const struct conf *conf);
int cmd_status_unknown(const struct err *err); /* --format=nagios: nothing could be asked */
int cmd_version(void);
int cmd_check(const struct cli *cli); /* reads the settings itself, to report on them */

int cmd_setup(const struct cli *cli);

/* The same over a folder of settings files; one does it for one of them (check, plan, status, a dry
 * run), with config_path set to it. */
typedef int cmd_one(const struct cli *cli);
int cmd_fleet(const struct cli *cli, cmd_one *one);

#endif
