#include "cmd_session.h"

#include "jobs.h"
#include "ledger.h"
#include "log.h"
#include "nextcloud.h"

#include <string.h>

static bool
cmd_session_follow(struct cmd_session *session, struct err *err)
{
    struct nextcloud_cleanup cleanup = nextcloud_cleanup_default();
    struct db_args args = {.count = 0};
    struct db_result *settings;

    if (!db_query(session->db, jobs_settings(&args), &args, &settings, err)) {
        return false;
    }
    for (int row = 0; row < db_rows(settings); row++) {
        nextcloud_cleanup_take(&cleanup, db_text(settings, row, 0), db_text(settings, row, 1),
                               db_int(settings, row, 2));
    }
    db_result_free(settings);
    if (cleanup.problem[0] != '\0') {
        log_warning("%s", cleanup.problem);
    }
    session->enabled = cleanup.enabled;
    session->grace_hours = cleanup.grace_hours;
    return true;
}

void
cmd_session_attach(const struct conf *conf, struct db *db, struct cmd_session *ret_session)
{
    struct err cause;

    memset(ret_session, 0, sizeof *ret_session);
    ret_session->conf = conf;
    ret_session->enabled = conf->enabled;
    ret_session->grace_hours = conf->grace_hours;
    ret_session->db = db;
    ret_session->roster = roster_new(conf);
    if (!roster_load(ret_session->roster, ret_session->db, &ret_session->nextcloud, &cause) ||
        (conf->follow_nextcloud && !cmd_session_follow(ret_session, &cause))) {
        log_warning("Nextcloud's tables could not be read, the settings alone count: %s",
                    cause.text);
    }
}

bool
cmd_session_open(const struct conf *conf, struct cmd_session *ret_session, struct err *err)
{
    struct db *db;

    memset(ret_session, 0, sizeof *ret_session);
    if (!ledger_open(conf->conninfo, &db, err)) {
        return false;
    }
    cmd_session_attach(conf, db, ret_session);
    return true;
}

bool
cmd_session_check_daemon(const struct cmd_session *session, const char *daemon, struct err *err)
{
    if (roster_find(session->roster, daemon) != NULL) {
        return true;
    }
    (void)err_set(err, ERR_USAGE, "neither the settings in %s nor Nextcloud know a daemon '%s'",
                  session->conf->path, daemon);
    return err_hint(err, "'harpsweep check' lists the daemons; a section [daemon:%s] defines it",
                    daemon);
}

void
cmd_session_close(struct cmd_session *session)
{
    roster_free(session->roster);
    db_close(session->db);
    memset(session, 0, sizeof *session);
}
