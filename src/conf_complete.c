/* What holds for the settings as a whole: keys, daemons, limits that go together. */
#include "conf_table.h"
#include "keyfile.h"
#include "mem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
conf_complete_daemon(struct conf *conf, struct conf_daemon *daemon, struct err *err)
{
    struct err cause;

    if (daemon->name == NULL) {
        daemon->name = mem_strdup(daemon->section);
    }
    if (daemon->max_parallel == 0) {
        daemon->max_parallel = (int)conf->max_parallel_per_daemon;
    }
    if (daemon->ca_file == NULL) {
        daemon->ca_file = mem_strdup(conf->ca_file);
    }
    if (daemon->key_file == NULL && conf->key_file != NULL) {
        daemon->key_file = mem_strdup(conf->key_file);
        daemon->key = mem_strdup(conf->key);
    }
    if (daemon->key_file == NULL) {
        return err_set(err, ERR_CONFIG,
                       "%s:%d: [daemon:%s] shared_key_file is missing, and [harp] has none",
                       conf->path, daemon->line, daemon->section);
    }
    if (daemon->ca_file != NULL && access(daemon->ca_file, R_OK) != 0) {
        return err_set(err, ERR_CONFIG, "%s:%d: [daemon:%s] ca_file: %s: %s", conf->path,
                       daemon->line, daemon->section, daemon->ca_file, strerror(errno));
    }
    if (daemon->key == NULL && !keyfile_read(daemon->key_file, &daemon->key, &cause)) {
        (void)err_set(err, ERR_CONFIG, "%s:%d: [daemon:%s] shared_key_file: %s", conf->path,
                      daemon->line, daemon->section, cause.text);
        return err_hint(err, "%s", cause.hint);
    }
    return true;
}

static bool
conf_complete_daemons(struct conf *conf, struct err *err)
{
    struct err cause;

    if (conf->key_file != NULL && !keyfile_read(conf->key_file, &conf->key, &cause)) {
        (void)err_set(err, ERR_CONFIG, "%s:%d: [harp] shared_key_file: %s", conf->path,
                      conf->key_line, cause.text);
        return err_hint(err, "%s", cause.hint);
    }
    if (conf->daemon_count == 0 && conf->key == NULL) {
        (void)err_set(err, ERR_CONFIG,
                      "%s: neither a [daemon:NAME] section nor [harp] shared_key_file", conf->path);
        return err_hint(err, "HaRP asks for its shared key: shared_key_file = FILE in [harp]");
    }
    for (size_t i = 0; i < conf->daemon_count; i++) {
        if (!conf_complete_daemon(conf, &conf->daemons[i], err)) {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(conf->daemons[i].name, conf->daemons[j].name) == 0) {
                return err_set(err, ERR_CONFIG,
                               "%s:%d: [daemon:%s] name: \"%s\" is the daemon of line %d already",
                               conf->path, conf->daemons[i].line, conf->daemons[i].section,
                               conf->daemons[i].name, conf->daemons[j].line);
            }
        }
    }
    return true;
}

/* Limits that each are fine but contradict each other. */
static bool
conf_check_limits(const struct conf *conf, struct err *err)
{
    const int64_t rest_ms = CONF_LEASE_RECORD_MS + CONF_LEASE_MARGIN_MS;

    if (conf->connect_timeout_ms > conf->timeout_ms) {
        return err_set(err, ERR_CONFIG,
                       "%s: [harp] connect_timeout is longer than timeout, which includes it",
                       conf->path);
    }
    if (conf->lease_ms < conf->timeout_ms + rest_ms) {
        (void)err_set(err, ERR_CONFIG,
                      "%s: [run] lease is shorter than [harp] timeout and %" PRId64 "s: a request "
                      "could outlast its claim",
                      conf->path, rest_ms / 1000);
        return err_hint(err, "lease = %" PRId64 "s", (conf->timeout_ms + rest_ms) / 1000);
    }
    if (conf->hard_limit_ms < conf->soft_limit_ms + conf->timeout_ms) {
        (void)err_set(
            err, ERR_CONFIG,
            "%s: [run] hard_limit is shorter than soft_limit and [harp] timeout: requests "
            "under way could not end",
            conf->path);
        return err_hint(err, "hard_limit = %" PRId64 "s",
                        (conf->soft_limit_ms + conf->timeout_ms) / 1000);
    }
    return true;
}

static bool
conf_check_password(const struct conf *conf, struct err *err)
{
    struct stat info;

    if (conf_has_password(conf->conninfo) && stat(conf->path, &info) == 0 &&
        (info.st_mode & 07) != 0) {
        (void)err_set(
            err, ERR_CONFIG,
            "%s: [database] conninfo holds a password, and anybody can read the file (mode "
            "%03o)",
            conf->path, (unsigned)(info.st_mode & 0777));
        return err_hint(err, "chmod 640 %s, or leave the password to ~/.pgpass", conf->path);
    }
    return true;
}

bool
conf_complete(struct conf *conf, struct err *err)
{
    return conf_check_limits(conf, err) && conf_check_password(conf, err) &&
           conf_complete_daemons(conf, err);
}
