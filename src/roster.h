/*
 * The deploy daemons of a run: the sections of the settings, completed by what Nextcloud's table
 * says, and daemons that are only there. A section overrides; without a word of Nextcloud's it
 * defines.
 */
#ifndef HARPSWEEP_ROSTER_H
#define HARPSWEEP_ROSTER_H

#include "conf.h"
#include "db.h"
#include "jobs.h"

#include <stdbool.h>
#include <stddef.h>

struct roster_daemon {
    struct conf_daemon
        conf; /* what requests need; its texts belong to the roster or to the settings */
    struct jobs_place place; /* as Nextcloud says; two daemons with the same are one engine */
    bool in_nextcloud;
    bool gone;        /* unregistered: known only from its jobs */
    bool unsupported; /* Nextcloud's own word for it: no image there can ever be deleted */
    char *problem;    /* why nothing can be asked of it; NULL where something can */
    char *url;        /* what conf.url is, where it is not the settings' */
    char *protocol;
    char *host;
    char *name;
};

struct roster;

/* The daemons of the settings, to begin with. conf must outlive it. roster_free() it. */
struct roster *roster_new(const struct conf *conf);
void roster_free(struct roster *roster); /* NULL is fine */

/* Adds and completes the daemons of Nextcloud's table: result is an answer to jobs_news(). Returns
 * whether Nextcloud's tables are watched at all. */
bool roster_take_news(struct roster *roster, const struct db_result *news);

/* Asks for the news, and takes them. */
bool roster_load(struct roster *roster, struct db *db, bool *ret_nextcloud, struct err *err)
    MUST_CHECK;

/* Adds a daemon that is neither in the settings nor in Nextcloud, from where its jobs say it was.
 */
void roster_add_gone(struct roster *roster, const char *name, const struct jobs_place *place);

/* The daemon of that name, or NULL. Valid until the next roster_add_…(). */
const struct roster_daemon *roster_find(const struct roster *roster, const char *name);

size_t roster_count(const struct roster *roster);
const struct roster_daemon *roster_at(const struct roster *roster, size_t index);

/* Whether two daemons share an engine, as far as is known. */
bool roster_is_same_engine(const struct roster_daemon *a, const struct roster_daemon *b);

#endif
