#include "conf_table.h"

#include "mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

#define IN_CONF(member) offsetof(struct conf, member)
#define IN_DAEMON(member) offsetof(struct conf_daemon, member)

/* clang-format off */
static const struct conf_option conf_options[] = {
    {"database", "conninfo", CONF_TEXT, IN_CONF(conninfo), 0, 0, "",
     "Nextcloud's database, as a libpq connection string; several hosts are fine"},
    {"database", "table_prefix", CONF_TEXT, IN_CONF(table_prefix), 0, 0, "oc_",
     "Nextcloud's dbtableprefix"},
    {"database", "nextcloud_schema", CONF_TEXT, IN_CONF(nextcloud_schema), 0, 0, "public",
     "the database schema of Nextcloud's tables"},

    {"cleanup", "enabled", CONF_BOOL, IN_CONF(enabled), 0, 0, "yes",
     "no: only jobs with choice 'now' are worked on, the others wait"},
    {"cleanup", "grace_hours", CONF_NUMBER, IN_CONF(grace_hours), 0, 720, "24",
     "hours between the event and the delete, for jobs that name none"},
    {"cleanup", "follow_nextcloud", CONF_BOOL, IN_CONF(follow_nextcloud), 0, 0, "no",
     "take enabled and grace_hours from Nextcloud's own settings"},
    {"cleanup", "keep", CONF_GLOBS, IN_CONF(keep), 0, 0, "",
     "image references that are never deleted, as a pattern with * and ?; may be repeated"},
    {"cleanup", "keep_previous", CONF_NUMBER, IN_CONF(keep_previous), 0, 100, "0",
     "superseded images of an app that stay for a rollback"},
    {"cleanup", "verify", CONF_BOOL, IN_CONF(verify), 0, 0, "yes",
     "look at the image before deleting it; no: the guards that need this do not apply"},
    {"cleanup", "protect_unpullable", CONF_BOOL, IN_CONF(protect_unpullable), 0, 0, "yes",
     "hold images that were loaded by hand and could not be pulled again"},
    {"cleanup", "in_use_recheck_hours", CONF_NUMBER, IN_CONF(in_use_recheck_hours), 1, 720, "24",
      "hours until an image that was in use, or is held, is looked at again"},
    {"cleanup", "in_use_max_rechecks", CONF_NUMBER, IN_CONF(in_use_max_rechecks), 1, 1000, "7",
      "how often an image may be found in use before the job ends as in_use"},
    {"cleanup", "max_failures", CONF_NUMBER, IN_CONF(max_failures), 1, 1000, "20",
     "failed attempts before a job ends as failed"},
    {"cleanup", "history_days", CONF_NUMBER, IN_CONF(history_days), 1, 36500, "90",
     "days that finished jobs stay in the table; failed ones stay for ever"},

    {"run", "max_parallel", CONF_NUMBER, IN_CONF(max_parallel), 1, 256, "32",
     "requests at once, over all daemons; the first one to each, /info, is not counted"},
    {"run", "max_parallel_per_daemon", CONF_NUMBER, IN_CONF(max_parallel_per_daemon), 1, 256, "4",
      "requests at once to one daemon; Docker deletes one image after the other anyway"},
    {"run", "max_jobs", CONF_NUMBER, IN_CONF(max_jobs), 0, 1000000, "0",
     "jobs that one run claims at most; 0: no limit"},
    {"run", "soft_limit", CONF_DURATION, IN_CONF(soft_limit_ms), SECOND, 24 * HOUR, "10m",
     "after this a run claims nothing more"},
    {"run", "hard_limit", CONF_DURATION, IN_CONF(hard_limit_ms), 2 * SECOND, 25 * HOUR, "15m",
      "after this a run ends its requests and itself"},
    {"run", "lease", CONF_DURATION, IN_CONF(lease_ms), 35 * SECOND, HOUR, "2m",
     "how long a claim lasts; at least [harp] timeout and 30s"},
    {"run", "metrics_file", CONF_PATH, IN_CONF(metrics_file), 0, 0, "",
     "file for the node exporter's textfile collector, NAME.prom; each run writes it anew"},

    {"harp", "shared_key_file", CONF_PATH, IN_CONF(key_file), 0, 0, "",
     "file with HaRP's shared key (HP_SHARED_KEY), readable by nobody else"},
    {"harp", "ca_file", CONF_PATH, IN_CONF(ca_file), 0, 0, "",
     "certificates that https daemons are checked with, instead of the system's"},
    {"harp", "connect_timeout", CONF_DURATION, IN_CONF(connect_timeout_ms), SECOND, MINUTE, "5s",
      "for the connection to HaRP"},
    {"harp", "timeout", CONF_DURATION, IN_CONF(timeout_ms), 5 * SECOND, 10 * MINUTE, "90s",
     "for one delete; HaRP itself may take 60s for an honest answer"},

    {"daemon", "name", CONF_TEXT, IN_DAEMON(name), 0, 0, "",
     "the daemon's name in Nextcloud; without it, what stands behind \"daemon:\""},
    {"daemon", "url", CONF_URL, IN_DAEMON(url), 0, 0, "",
     "where HaRP is: http:// or https://, host, port, and a path where a proxy adds one; without it, as Nextcloud says"},
    {"daemon", "docker_engine_port", CONF_INT, IN_DAEMON(engine_port), 1, 65535, "",
     "docker_socket_port of the daemon in Nextcloud; without it, as Nextcloud says, else 24000"},
    {"daemon", "shared_key_file", CONF_PATH, IN_DAEMON(key_file), 0, 0, "",
     "as in [harp], for this daemon only"},
    {"daemon", "ca_file", CONF_PATH, IN_DAEMON(ca_file), 0, 0, "",
     "as in [harp], for this daemon only"},
    {"daemon", "max_parallel", CONF_INT, IN_DAEMON(max_parallel), 1, 256, "",
     "requests at once to this daemon; without it, [run] max_parallel_per_daemon"},
};
/* clang-format on */

static const size_t conf_options_count = sizeof conf_options / sizeof *conf_options;

const struct conf_option *
conf_option_at(size_t index)
{
    return index < conf_options_count ? &conf_options[index] : NULL;
}

/* Durations, from the largest unit to the smallest. */
static const struct {
    char letter;
    int64_t ms;
} conf_units[] = {{'d', 24 * HOUR}, {'h', HOUR}, {'m', MINUTE}, {'s', SECOND}};

#define CONF_UNITS (sizeof conf_units / sizeof *conf_units)

void
conf_print_duration(char *text, size_t size, int64_t ms)
{
    size_t unit = 0;

    while (unit + 1 < CONF_UNITS && ms % conf_units[unit].ms != 0) {
        unit++;
    }
    (void)snprintf(text, size, "%" PRId64 "%c", ms / conf_units[unit].ms, conf_units[unit].letter);
}

const char *
conf_option_allowed(const struct conf_option *option, char *text, size_t size)
{
    char least[32];
    char most[32];

    text[0] = '\0';
    if (option->type == CONF_BOOL) {
        (void)snprintf(text, size, "yes or no");
    } else if (option->type == CONF_NUMBER || option->type == CONF_INT) {
        (void)snprintf(text, size, "%" PRId64 " to %" PRId64, option->min, option->max);
    } else if (option->type == CONF_DURATION) {
        conf_print_duration(least, sizeof least, option->min);
        conf_print_duration(most, sizeof most, option->max);
        (void)snprintf(text, size, "%s to %s", least, most);
    } else if (option->type == CONF_URL) {
        (void)snprintf(text, size, "http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]");
    }
    return text;
}

static bool
conf_set_bool(bool *target, const char *value, struct err *err)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"yes", true},    {"no", false}, {"true", true},
                 {"false", false}, {"on", true},  {"off", false}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(value, words[i].word) == 0) {
            *target = words[i].value;
            return true;
        }
    }
    return err_set(err, ERR_CONFIG, "\"%s\" is neither yes nor no", value);
}

/* Decimal digits up to the end or to a unit; false for anything else. */
static bool
conf_parse_number(const char *value, int64_t *ret_number, const char **ret_end)
{
    char *end;
    long long number;

    if (value[0] < '0' || value[0] > '9') {
        return false;
    }
    errno = 0;
    number = strtoll(value, &end, 10);
    *ret_number = number;
    *ret_end = end;
    return errno == 0;
}

static bool
conf_set_number(const struct conf_option *option, int64_t *target, const char *value,
                struct err *err)
{
    char allowed[80];
    const char *end;
    int64_t number;

    if (!conf_parse_number(value, &number, &end) || *end != '\0') {
        return err_set(err, ERR_CONFIG, "\"%s\" is not a whole number from %s", value,
                       conf_option_allowed(option, allowed, sizeof allowed));
    }
    if (number < option->min || number > option->max) {
        return err_set(err, ERR_CONFIG, "%s is out of range: %s", value,
                       conf_option_allowed(option, allowed, sizeof allowed));
    }
    *target = number;
    return true;
}

static bool
conf_set_duration(const struct conf_option *option, int64_t *target, const char *value,
                  struct err *err)
{
    char allowed[80];
    const char *end = value;
    int64_t number = 0;
    int64_t unit = 0;

    if (conf_parse_number(value, &number, &end) && end[0] != '\0' && end[1] == '\0') {
        for (size_t i = 0; i < CONF_UNITS; i++) {
            unit = conf_units[i].letter == end[0] ? conf_units[i].ms : unit;
        }
    }
    if (unit == 0) {
        return err_set(err, ERR_CONFIG,
                       "\"%s\" is not a duration: a whole number and s, m, h or d, such as 90s",
                       value);
    }
    if (number > option->max / unit || number * unit < option->min) {
        return err_set(err, ERR_CONFIG, "%s is out of range: %s", value,
                       conf_option_allowed(option, allowed, sizeof allowed));
    }
    *target = number * unit;
    return true;
}

bool
conf_parse_url(const char *value, char **ret_url, struct err *err)
{
    const char *host = strncmp(value, "https://", 8) == 0  ? value + 8
                       : strncmp(value, "http://", 7) == 0 ? value + 7
                                                           : NULL;
    size_t length = strlen(value);

    if (host == NULL || host[0] == '\0' || host[0] == '/' || host[0] == ':') {
        return err_set(err, ERR_CONFIG, "\"%s\" is not http://HOST[:PORT] or https://HOST[:PORT]",
                       value);
    }
    for (const char *at = value; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~' || strchr("@?#\"\\<>", *at) != NULL) {
            return err_set(err, ERR_CONFIG,
                           "a URL here has no user, no query and no fragment, and no white space");
        }
    }
    while (length > 0 && value[length - 1] == '/') {
        length--;
    }
    *ret_url = mem_strndup(value, length);
    return true;
}

static bool
conf_set_url(char **target, const char *value, struct err *err)
{
    char *url = NULL;

    if (!conf_parse_url(value, &url, err)) {
        return false;
    }
    mem_free(*target);
    *target = url;
    return true;
}

static bool
conf_add_glob(struct conf *conf, const char *value)
{
    conf->keep = mem_grow(conf->keep, conf->keep_count + 1, sizeof *conf->keep);
    conf->keep[conf->keep_count++] = mem_strdup(value);
    return true;
}

bool
conf_option_set(const struct conf_option *option, void *base, const char *value, struct err *err)
{
    void *target = (char *)base + option->offset;
    char **text = target;
    int64_t number = 0;

    switch (option->type) {
    case CONF_BOOL:
        return conf_set_bool(target, value, err);
    case CONF_NUMBER:
        return conf_set_number(option, target, value, err);
    case CONF_INT:
        if (!conf_set_number(option, &number, value, err)) {
            return false;
        }
        *(int *)target = (int)number;
        return true;
    case CONF_DURATION:
        return conf_set_duration(option, target, value, err);
    case CONF_GLOBS:
        return conf_add_glob(base, value);
    case CONF_URL:
        return conf_set_url(text, value, err);
    case CONF_TEXT:
    case CONF_PATH:
        break;
    }
    mem_wipe_free(*text);
    *text = mem_strdup(value);
    return true;
}
