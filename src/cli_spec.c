#include "cli_spec.h"

#include <string.h>

#define BIT(command) (1U << CLI_##command)
#define CHANGES (BIT(NOW) | BIT(KEEP) | BIT(CANCEL) | BIT(RETRY))
#define PRINTS                                                                                  \
    (BIT(RUN) | BIT(PLAN) | BIT(OBSERVE) | BIT(ADOPT) | BIT(LIST) | BIT(SHOW) | BIT(SCHEDULE) | \
     CHANGES | BIT(STATUS) | BIT(REPORT) | BIT(CHECK))
#define ALL (~0U)

static const struct cli_option cli_options[CLI_OPTION_COUNT] = {
    [CLI_OPTION_CONFIG] =
        {"config", "PATH",
         "settings file or folder of them; else $HARPSWEEP_CONFIG, else " CLI_DEFAULT_CONFIG, ALL,
         'c'},
    [CLI_OPTION_VERBOSE] = {"verbose", NULL, "say more; twice: everything", ALL, 'v'},
    [CLI_OPTION_JSON] = {"json", NULL, "the same as --format=json", PRINTS, '\0'},
    [CLI_OPTION_FORMAT] = {"format", "FORMAT", "text or json", PRINTS, '\0'},
    [CLI_OPTION_HELP] = {"help", NULL, "this help, or that of a command", ALL, 'h'},
    [CLI_OPTION_VERSION] = {"version", NULL, "version of the program and of its libraries", ALL,
                            'V'},
    [CLI_OPTION_DRY_RUN] = {"dry-run", NULL, "tell what would be done, change nothing",
                            BIT(RUN) | BIT(ADOPT), 'n'},
    [CLI_OPTION_DAEMON] = {"daemon", "NAME", "the deploy daemon, by its name",
                           BIT(RUN) | BIT(PLAN) | BIT(OBSERVE) | BIT(ADOPT) | BIT(LIST) |
                               BIT(SHOW) | BIT(SCHEDULE) | CHANGES,
                           '\0'},
    [CLI_OPTION_APP] = {"app", "ID", "the ExApp, by its ID",
                        BIT(RUN) | BIT(PLAN) | BIT(ADOPT) | BIT(LIST) | BIT(SHOW) | BIT(SCHEDULE) |
                            CHANGES,
                        '\0'},
    [CLI_OPTION_MAX_JOBS] = {"max-jobs", "N", "work on at most N jobs; 0: no limit", BIT(RUN),
                             '\0'},
    [CLI_OPTION_STATE] = {"state", "STATE",
                          "only jobs in this state; open and final stand for several", BIT(LIST),
                          '\0'},
    [CLI_OPTION_LIMIT] = {"limit", "N", "at most N jobs (default 50)", BIT(LIST) | BIT(SHOW), '\0'},
    [CLI_OPTION_EVENT] = {"event", "EVENT",
                          "why: uninstall, update, adopted or manual (the default)", BIT(SCHEDULE),
                          '\0'},
    [CLI_OPTION_GRACE_HOURS] = {"grace-hours", "N",
                                "delete N hours from now, 0 to 720 (default: as the settings say)",
                                BIT(SCHEDULE) | BIT(ADOPT), '\0'},
    [CLI_OPTION_NOW] = {"now", NULL, "delete at the next run, without a grace",
                        BIT(SCHEDULE) | BIT(ADOPT), '\0'},
    [CLI_OPTION_KEEP] = {"keep", NULL, "record that the app's images are to be kept", BIT(SCHEDULE),
                         '\0'},
    [CLI_OPTION_IMAGE_ID] =
        {"image-id", "ID",
         "sha256:... of the image: only that one, wherever its name leads by then", BIT(SCHEDULE),
         '\0'},
    [CLI_OPTION_REASON] = {"reason", "TEXT", "is shown with the job", BIT(CANCEL), '\0'},
    [CLI_OPTION_DAYS] = {"days", "N", "look N days ahead, 0 to 365 (default 7)",
                         BIT(PLAN) | BIT(REPORT), '\0'},
    [CLI_OPTION_MAX_INSTANCES] = {"max-instances", "N",
                                  "with a folder of settings: so many at once, 1 to 64 (default 8)",
                                  BIT(RUN), '\0'},
    [CLI_OPTION_FILE] = {"file", "FILE", "references in a file, one a line; - is standard input",
                         BIT(ADOPT), '\0'},
    [CLI_OPTION_OUTPUT] = {"output", "FILE",
                           "write it there, whole or not at all; - is standard output, the default",
                           BIT(REPORT), '\0'},
    [CLI_OPTION_SINCE] =
        {"since", "WHEN",
         "only jobs that came or ended since: 24h, 7d, 2026-03-01, or a date and HH:MM", BIT(LIST),
         '\0'},
    [CLI_OPTION_SORT] =
        {"sort", "ORDER",
         "newest (the default), oldest, due, ended, size, state, app or daemon first", BIT(LIST),
         '\0'},
    [CLI_OPTION_WARNING_LAG] = {"warning-lag", "TIME",
                                "nagios: work may be due for so long (default 1h)", BIT(STATUS),
                                '\0'},
    [CLI_OPTION_CRITICAL_LAG] = {"critical-lag", "TIME", "the same before it is critical (6h)",
                                 BIT(STATUS), '\0'},
    [CLI_OPTION_WARNING_FAILED] = {"warning-failed", "N",
                                   "nagios: so many jobs may be failed (default 0)", BIT(STATUS),
                                   '\0'},
    [CLI_OPTION_CRITICAL_FAILED] = {"critical-failed", "N", "the same before it is critical (10)",
                                    BIT(STATUS), '\0'},
    [CLI_OPTION_WARNING_STOPPED] = {"warning-stopped", "TIME",
                                    "nagios: a daemon may be stopped for so long (default 10m)",
                                    BIT(STATUS), '\0'},
    [CLI_OPTION_CRITICAL_STOPPED] = {"critical-stopped", "TIME",
                                     "the same before it is critical (6h)", BIT(STATUS), '\0'},
    [CLI_OPTION_FIX_HINTS] = {"fix-hints", NULL, "print the next command to type for each problem",
                              BIT(CHECK), '\0'},
    [CLI_OPTION_NEXTCLOUD] = {"nextcloud", "PATH",
                              "Nextcloud's folder or its config.php, which is read and never run",
                              BIT(SETUP), '\0'},
    [CLI_OPTION_CONNINFO] = {"conninfo", "TEXT",
                             "instead: a connection string for runs, as libpq takes it", BIT(SETUP),
                             '\0'},
    [CLI_OPTION_USER] = {"user", "NAME", "the database's role for runs (default harpsweep)",
                         BIT(SETUP), '\0'},
    [CLI_OPTION_KEY_FILE] = {"key-file", "FILE",
                             "HaRP's shared key (default: harp.key beside the settings)",
                             BIT(SETUP), '\0'},
    [CLI_OPTION_ADMIN] = {"admin", "TEXT",
                          "connection string for psql (default: as the user postgres)", BIT(SETUP),
                          '\0'},
    [CLI_OPTION_YES] = {"yes", NULL, "do it, without a question", BIT(SETUP), '\0'},
    [CLI_OPTION_FORCE] = {"force", NULL, "replace a settings file that is there", BIT(SETUP), '\0'},
    [CLI_OPTION_PRINT_SQL] = {"print-sql", NULL,
                              "print the SQL that installs the schema, nothing else", BIT(SETUP),
                              '\0'},
};

static const struct cli_command_spec cli_commands[] = {
    [CLI_HELP] = {"help", "[COMMAND | settings]", "tells about a command or the settings", ""},
    [CLI_VERSION] = {"version", "", "tells the versions", ""},
    [CLI_RUN] =
        {"run", "", "deletes the images that are due and records what happened; for cron",
         "Prints nothing where nobody needs to look, unless -v is given or somebody watches.\n"
         "Several runs at once share the work."},
    [CLI_PLAN] = {"plan", "",
                  "tells what will be deleted now and in the next days, and what is held",
                  "Asks every daemon for the sizes of the images; changes nothing."},
    [CLI_OBSERVE] =
        {"observe", "", "looks which image each app of Nextcloud runs, where something changed",
         "Every run does that first; the command does nothing else, and shows what is known."},
    [CLI_LIST] =
        {"list", "", "lists jobs, newest first",
         "States: new, pending, claimed (together: open); removed, untagged, absent, in_use,\n"
         "kept, cancelled, failed, unsupported, no_ref (together: final).\n"
         "Sorted by due, the most overdue come first; by ended or size, the last or largest.\n"
         "CSV and JSON have every column, times in UTC and sizes in bytes."},
    [CLI_SHOW] =
        {"show", "ID... | --app ID", "tells the story of a job, and what happens next",
         "By app: of all its jobs, newest first. Times are those of this host's zone; in JSON\n"
         "they are UTC."},
    [CLI_SCHEDULE] =
        {"schedule", "--daemon NAME --app ID REFERENCE",
         "makes a job for an image, or merges with the open one for it",
         "REFERENCE is what the container was created from: name:tag, name@digest, or an ID."},
    [CLI_NOW] = {"now", "ID... | --app ID", "ends the waiting of open jobs: the next run deletes",
                 ""},
    [CLI_KEEP] = {"keep", "ID... | --app ID", "keeps the images of open jobs", ""},
    [CLI_CANCEL] = {"cancel", "ID... | --app ID", "cancels open jobs", ""},
    [CLI_RETRY] = {"retry", "ID... | --app ID", "opens jobs again that ended without success",
                   "By number: jobs that are failed, in_use, unsupported or cancelled.\n"
                   "By app: those that are failed, in_use or unsupported."},
    [CLI_ADOPT] =
        {"adopt", "--daemon NAME REFERENCE... | --file FILE",
         "makes jobs for images that were left behind before harpsweep came",
         "Asks the daemon for each image, and makes jobs for those that are there. REFERENCE is\n"
         "name:tag, name@digest or an ID; 'docker images --no-trunc --format {{.ID}}' on the "
         "Docker\n"
         "host lists them. What a container uses is refused by Docker, as with every job."},
    [CLI_STATUS] =
        {"status", "", "tells how it goes; exit 1 where somebody has to look",
         "As prometheus: metrics, for a collector that runs the command; see metrics_file for "
         "another\n"
         "way. As nagios: a plugin's line and exit code (0 to 3), with the thresholds below."},
    [CLI_REPORT] = {"report", "", "writes a page: what was reclaimed, what waits, what failed",
                    "One HTML file without scripts that loads nothing: for a browser, a phone, a "
                    "mail, paper.\n"
                    "Days and times are those of this host's zone (TZ); in JSON, moments are UTC. "
                    "Exit 0 where "
                    "it\n"
                    "was written, whatever it says."},
    [CLI_CHECK] =
        {"check", "", "tests settings, database and daemons, and tells what to do",
         "Deletes nothing. With -v also shows every setting in force.\n"
         "Exit 78: settings, schema or privileges; 69: no database; 1: a daemon is unwell."},
    [CLI_SETUP] =
        {"setup", "", "installs the schema and writes the settings, asking or by flags",
         "Finds Nextcloud's database in config.php, lists the deploy daemons in it, and shows what "
         "it\n"
         "would do; only --yes, or a yes to its question, does it. psql does the installing."},
    [CLI_SETTINGS] = {"settings", "", "", ""},
};

const struct cli_option *
cli_option_spec(enum cli_option_id id)
{
    return &cli_options[id];
}

const struct cli_command_spec *
cli_command_spec(enum cli_command command)
{
    return &cli_commands[command];
}

bool
cli_command_find(const char *name, enum cli_command *ret_command)
{
    for (size_t i = 0; i < sizeof cli_commands / sizeof *cli_commands; i++) {
        if (strcmp(cli_commands[i].name, name) == 0) {
            *ret_command = (enum cli_command)i;
            return true;
        }
    }
    return false;
}

const char *
cli_command_name(enum cli_command command)
{
    return cli_commands[command].name;
}
