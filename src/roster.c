#include "roster.h"

#include "mem.h"

#include <stdio.h>
#include <string.h>

/* What a daemon listens on behind HaRP where nobody says otherwise. */
#define ROSTER_ENGINE_PORT 24000

struct roster {
    const struct conf *conf;
    struct roster_daemon *daemons;
    size_t count;
};

static struct roster_daemon *
roster_get(const struct roster *roster, const char *name)
{
    for (size_t i = 0; i < roster->count; i++) {
        if (strcmp(roster->daemons[i].conf.name, name) == 0) {
            return &roster->daemons[i];
        }
    }
    return NULL;
}

static struct roster_daemon *
roster_add(struct roster *roster)
{
    struct roster_daemon *daemon;

    roster->daemons = mem_grow(roster->daemons, roster->count + 1, sizeof *roster->daemons);
    daemon = &roster->daemons[roster->count++];
    memset(daemon, 0, sizeof *daemon);
    return daemon;
}

static void
roster_set_problem(struct roster_daemon *daemon, char *problem)
{
    mem_free(daemon->problem);
    daemon->problem = problem;
}

struct roster *
roster_new(const struct conf *conf)
{
    struct roster *roster = mem_alloc(1, sizeof *roster);

    roster->conf = conf;
    for (size_t i = 0; i < conf->daemon_count; i++) {
        struct roster_daemon *daemon = roster_add(roster);

        daemon->conf = conf->daemons[i];
        if (daemon->conf.url == NULL) {
            roster_set_problem(daemon,
                               mem_printf("no url in [daemon:%s] of %s, and Nextcloud has no such "
                                          "daemon",
                                          daemon->conf.section, conf->path));
        }
        if (daemon->conf.engine_port == 0) {
            daemon->conf.engine_port = ROSTER_ENGINE_PORT;
        }
    }
    return roster;
}

void
roster_free(struct roster *roster)
{
    if (roster == NULL) {
        return;
    }
    for (size_t i = 0; i < roster->count; i++) {
        struct roster_daemon *daemon = &roster->daemons[i];

        mem_free(daemon->problem);
        mem_free(daemon->url);
        mem_free(daemon->protocol);
        mem_free(daemon->host);
        mem_free(daemon->name);
    }
    mem_free(roster->daemons);
    mem_free(roster);
}

/* A daemon without a section: what [harp] says of all of them. */
static struct roster_daemon *
roster_add_plain(struct roster *roster, const char *name)
{
    const struct conf *conf = roster->conf;
    struct roster_daemon *daemon = roster_add(roster);

    daemon->name = mem_strdup(name);
    daemon->conf.name = daemon->name;
    daemon->conf.key = conf->key;
    daemon->conf.key_file = conf->key_file;
    daemon->conf.ca_file = conf->ca_file;
    daemon->conf.max_parallel = (int)conf->max_parallel_per_daemon;
    return daemon;
}

static void
roster_set_place(struct roster_daemon *daemon, const struct jobs_place *place)
{
    mem_free(daemon->protocol);
    mem_free(daemon->host);
    daemon->protocol = mem_strdup(place->protocol);
    daemon->host = mem_strdup(place->host);
    daemon->place = (struct jobs_place){daemon->protocol, daemon->host, place->docker_socket_port};
}

/* The address as AppAPI builds it, where the settings name none. */
static void
roster_set_address(struct roster_daemon *daemon, const struct conf_daemon *section)
{
    struct err err;

    if (section == NULL || section->engine_port == 0) {
        daemon->conf.engine_port = daemon->place.docker_socket_port;
    }
    if (section == NULL || section->url == NULL) {
        char *text = mem_printf("%s://%s", daemon->place.protocol, daemon->place.host);

        mem_free(daemon->url);
        daemon->url = NULL;
        roster_set_problem(daemon, conf_parse_url(text, &daemon->url, &err)
                                       ? NULL
                                       : mem_printf("its address in Nextcloud: %s", err.text));
        daemon->conf.url = daemon->url;
        mem_free(text);
    }
    if (daemon->problem == NULL && daemon->conf.key == NULL) {
        roster_set_problem(daemon,
                           mem_strdup("the settings have no shared key for it: give "
                                      "shared_key_file in [harp] or in a section of its own"));
    }
}

static void
roster_add_nextcloud(struct roster *roster, const struct jobs_news_row *row)
{
    const struct conf_daemon *section = conf_find_daemon(roster->conf, row->name);
    struct roster_daemon *daemon = roster_get(roster, row->name);

    if (daemon == NULL) {
        daemon = roster_add_plain(roster, row->name);
    }
    daemon->in_nextcloud = true;
    roster_set_place(daemon, &row->place);
    if (row->detail == NULL) {
        roster_set_address(daemon, section);
    } else if (section == NULL || section->url == NULL) { /* else a person knows better */
        roster_set_problem(daemon, mem_strdup(row->detail));
        daemon->unsupported = true;
    }
}

bool
roster_take_news(struct roster *roster, const struct db_result *news)
{
    bool nextcloud = false;

    for (int i = 0; i < db_rows(news); i++) {
        struct jobs_news_row row;

        jobs_read_news(news, i, &row);
        nextcloud = nextcloud || row.kind == JOBS_NEWS_NEXTCLOUD;
        if (row.kind == JOBS_NEWS_DAEMON) {
            roster_add_nextcloud(roster, &row);
        }
    }
    return nextcloud;
}

bool
roster_load(struct roster *roster, struct db *db, bool *ret_nextcloud, struct err *err)
{
    struct db_args args = {.count = 0};
    struct db_result *news;

    if (!db_query(db, jobs_news(&args), &args, &news, err)) {
        return false;
    }
    *ret_nextcloud = roster_take_news(roster, news);
    db_result_free(news);
    return true;
}

void
roster_add_gone(struct roster *roster, const char *name, const struct jobs_place *place)
{
    struct roster_daemon *daemon = roster_add_plain(roster, name);

    daemon->gone = true;
    roster_set_place(daemon, place);
    roster_set_address(daemon, NULL);
}

const struct roster_daemon *
roster_find(const struct roster *roster, const char *name)
{
    return roster_get(roster, name);
}

size_t
roster_count(const struct roster *roster)
{
    return roster->count;
}

const struct roster_daemon *
roster_at(const struct roster *roster, size_t index)
{
    return &roster->daemons[index];
}

bool
roster_is_same_engine(const struct roster_daemon *a, const struct roster_daemon *b)
{
    if (a == b) {
        return true;
    }
    return a->place.protocol != NULL && b->place.protocol != NULL &&
           strcmp(a->place.protocol, b->place.protocol) == 0 &&
           strcmp(a->place.host, b->place.host) == 0 &&
           a->place.docker_socket_port == b->place.docker_socket_port;
}
