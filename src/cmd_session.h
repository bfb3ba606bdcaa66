/*
 * What most commands work with: a connection, the daemons that are known, and the settings in
 * force, Nextcloud's own included where they are followed.
 */
#ifndef HARPSWEEP_CMD_SESSION_H
#define HARPSWEEP_CMD_SESSION_H

#include "conf.h"
#include "db.h"
#include "err.h"
#include "roster.h"

#include <stdbool.h>
#include <stdint.h>

struct cmd_session {
    const struct conf *conf;
    struct db *db;
    struct roster *roster;
    bool nextcloud; /* its tables are watched */
    bool enabled;   /* as the settings or, with follow_nextcloud, Nextcloud say */
    int64_t grace_hours;
};

/* Connects, checks the schema's version, and asks what Nextcloud's tables say; where those can't be
 * read, that is logged and the settings alone count. cmd_session_close() it, also after a failure.
 */
bool cmd_session_open(const struct conf *conf, struct cmd_session *ret_session, struct err *err)
    MUST_CHECK;
/* The same over a connection that is there already, and stays its owner's: set db to NULL before
 * cmd_session_close(). */
void cmd_session_attach(const struct conf *conf, struct db *db, struct cmd_session *ret_session);

/* Refuses the name of a daemon that nobody knows: a slip of the pen would make jobs that wait for
 * ever. */
bool cmd_session_check_daemon(const struct cmd_session *session, const char *daemon,
                              struct err *err) MUST_CHECK;
void cmd_session_close(struct cmd_session *session);

#endif
