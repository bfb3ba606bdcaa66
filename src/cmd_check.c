#include "cli.h"
#include "cmd_check_db.h"
#include "cmd_check_nextcloud.h"
#include "cmd_check_report.h"
#include "cmd_psql.h"
#include "keyfile.h"
#include "mem.h"
#include "probe.h"
#include "sig.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char cmd_check_settings_subject[] = "settings";

static bool
cmd_check_is_daemon_option(const struct conf_option_text *option)
{
    return strncmp(option->section, "daemon", 6) == 0;
}

static void
cmd_check_show_value(struct check_report *report, const struct conf *conf,
                     const struct conf_daemon *daemon, size_t index)
{
    struct conf_option_text option = conf_option_text(index);
    char *value = conf_option_value(conf, daemon, index);

    check_ok(report, cmd_check_settings_subject, "[%s%s] %s = %s",
             daemon == NULL ? option.section : "daemon:", daemon == NULL ? "" : daemon->name,
             option.name, value == NULL ? "" : value);
    mem_free(value);
}

static void
cmd_check_show_settings(struct check_report *report, const struct conf *conf)
{
    for (size_t i = 0; i < conf_option_count(); i++) {
        struct conf_option_text option = conf_option_text(i);

        if (!cmd_check_is_daemon_option(&option)) {
            cmd_check_show_value(report, conf, NULL, i);
        }
    }
    for (size_t daemon = 0; daemon < conf->daemon_count; daemon++) {
        for (size_t i = 0; i < conf_option_count(); i++) {
            struct conf_option_text option = conf_option_text(i);

            if (cmd_check_is_daemon_option(&option)) {
                cmd_check_show_value(report, conf, &conf->daemons[daemon], i);
            }
        }
    }
}

static void
cmd_check_settings(struct check_report *report, const struct conf *conf, bool verbose)
{
    check_ok(report, cmd_check_settings_subject, "%s is right; deploy daemons it defines: %zu",
             conf->path, conf->daemon_count);
    if (verbose) {
        cmd_check_show_settings(report, conf);
    }
    if (!conf->enabled) {
        check_fix_edit(report, conf->path);
        check_warning(report, cmd_check_settings_subject, "enabled = yes",
                      "cleanup is disabled: only jobs with choice 'now' are worked on");
    }
    if (!conf->verify) {
        check_fix_edit(report, conf->path);
        check_warning(report, cmd_check_settings_subject, "verify = yes, unless you know why not",
                      "verify = no: tags that moved on to a new image and images that cannot be "
                      "pulled again are not protected");
    }
    for (size_t i = 0; i < conf->daemon_count; i++) {
        check_ok(report, cmd_check_settings_subject,
                 "key file %s of daemon %s can be read by its owner only",
                 conf->daemons[i].key_file == NULL ? "" : conf->daemons[i].key_file,
                 conf->daemons[i].name);
    }
}

/* What to type to see the trouble with one's own eyes. */
static void
cmd_check_fix_daemon(struct check_report *report, const struct conf_daemon *conf,
                     const struct probe_result *result)
{
    char *url = psql_shell_word(conf->url);
    char *key = psql_shell_word(conf->key_file == NULL ? "" : conf->key_file);

    if (strstr(result->reason, "the shared key") != NULL) {
        check_fix(report, KEYFILE_FROM_HARP " | %sdiff -q - %s", geteuid() == 0 ? "" : "sudo ",
                  key);
    } else if (result->harp_ok) {
        check_fix(report, "docker exec appapi-harp ls /var/run/docker.sock");
    } else {
        check_fix(report, "curl -sS -o /dev/null -w '%%{http_code}\\n' %s", url);
    }
    mem_free(url);
    mem_free(key);
}

static void
cmd_check_daemon(struct check_report *report, const struct conf *settings,
                 const struct roster_daemon *daemon, const struct probe_result *result)
{
    const struct conf_daemon *conf = &daemon->conf;
    char *subject = mem_printf("daemon %s", conf->name);

    if (daemon->unsupported) {
        check_ok(report, subject, "%s: no images there to delete", daemon->problem);
    } else if (daemon->problem != NULL) {
        check_fix_edit(report, settings->path);
        check_error(report, subject, EXIT_CODE_CONFIG,
                    "complete its section in the settings, or correct the daemon in Nextcloud",
                    "%s", daemon->problem);
    } else if (result->harp_ok) {
        check_ok(report, subject, "HaRP %s answers at %s, %s; it accepts the key",
                 *result->version == '\0' ? "of unknown version" : result->version, conf->url,
                 strncmp(conf->url, "https:", 6) == 0 ? "its certificate is right" : "without TLS");
    }
    if (result->docker_ok) {
        check_ok(report, subject, "Docker answers behind docker-engine-port %d", conf->engine_port);
    } else if (daemon->problem == NULL) {
        cmd_check_fix_daemon(report, conf, result);
        check_error(report, subject, EXIT_CODE_ATTENTION, result->hint, "%s: %s", conf->url,
                    result->reason);
    }
    mem_free(subject);
}

/* asked: the database told which daemons it knows. */
static void
cmd_check_daemons(struct check_report *report, const struct conf *conf, const struct roster *roster,
                  bool asked)
{
    size_t count = roster_count(roster);
    struct probe_result *results = mem_alloc(count, sizeof *results);
    struct err err;

    if (count == 0 && asked) {
        cmd_check_fix_watch(report, conf);
        check_warning(report, "daemons",
                      "psql -v nextcloud=on -f sql/install.sql, or add a section "
                      "[daemon:NAME]",
                      "no daemon is known: no job can be worked on");
    }
    if (!probe_daemons(roster, conf, results, &err)) {
        check_error_of(report, "daemons", &err);
    }
    for (size_t i = 0; i < count; i++) {
        cmd_check_daemon(report, conf, roster_at(roster, i), &results[i]);
    }
    mem_free(results);
}

/* What to type about settings, or a key file, that are not there or not right. */
static void
cmd_check_fix_settings(struct check_report *report, const char *path, const struct err *err)
{
    const char *prefix = geteuid() == 0 ? "" : "sudo ";
    const char *as_user = strstr(err->hint, "sudo -u ");
    /* "FILE:1: [harp] shared_key_file: KEYFILE: what is wrong" is about the key file. */
    static const char marker[] = "] shared_key_file: /";
    const char *key = strstr(err->text, marker);
    char *file = mem_strdup(path);
    char *word;

    if (key != NULL) {
        key += sizeof marker - 2;
        mem_free(file);
        file = mem_strndup(key, strcspn(key, ":"));
    }
    word = psql_shell_word(file);
    if (as_user != NULL) {
        check_fix(report, "%s --fix-hints", as_user);
    } else if (strncmp(err->hint, "chmod ", 6) == 0 || strncmp(err->hint, "chown ", 6) == 0) {
        /* Up to the other way that some of them name. */
        check_fix(report, "%s%.*s", prefix, (int)strcspn(err->hint, ","), err->hint);
    } else if (strstr(err->text, ": the key is empty") != NULL) {
        check_fix(report, KEYFILE_FROM_HARP " | %stee %s >/dev/null", prefix, word);
    } else if (access(file, F_OK) == 0 || errno != ENOENT) {
        check_fix_edit(report, file);
    } else if (key == NULL) {
        check_fix(report, "%sharpsweep setup -c %s", prefix, word);
    } else {
        check_fix(report, "%sinstall -m 600 -o harpsweep -g harpsweep /dev/null %s", prefix, word);
    }
    mem_free(word);
    mem_free(file);
}

int
cmd_check(const struct cli *cli)
{
    struct check_report report;
    struct conf *conf;
    struct err err;

    sig_install();
    check_report_open(&report, cli);
    if (conf_load(cli->config_path, &conf, &err)) {
        struct roster *roster = roster_new(conf);
        bool asked;

        report.conninfo = conf->conninfo;
        cmd_check_settings(&report, conf, cli->verbosity > 0);
        asked = cmd_check_database(&report, conf, roster);
        cmd_check_daemons(&report, conf, roster, asked);
        roster_free(roster);
        conf_free(conf);
    } else {
        cmd_check_fix_settings(&report, cli->config_path, &err);
        check_error_of(&report, cmd_check_settings_subject, &err);
    }
    check_report_close(&report);
    return report.code;
}
