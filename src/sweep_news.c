/* What there is to do: due work, and what is new in Nextcloud. */
#include "clock.h"
#include "jobs.h"
#include "log.h"
#include "mem.h"
#include "nextcloud.h"
#include "sweep_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Clocks further apart than this end the run (milliseconds). */
#define SWEEP_CLOCK_MAX_MS 60000

void
sweep_follow(struct sweep *sweep, const struct db_result *settings)
{
    struct nextcloud_cleanup cleanup = nextcloud_cleanup_default();

    for (int row = 0; row < db_rows(settings); row++) {
        nextcloud_cleanup_take(&cleanup, db_text(settings, row, 0), db_text(settings, row, 1),
                               db_int(settings, row, 2));
    }
    if (cleanup.problem[0] != '\0') {
        log_warning("%s run=%s", cleanup.problem, sweep->run.token);
    }
    sweep->enabled = cleanup.enabled;
    sweep->grace_hours = cleanup.grace_hours;
}

/* Fills the roster: daemons of the settings, of Nextcloud, and those that are known from jobs only.
 */
static void
sweep_make_roster(struct sweep *sweep, const struct db_result *news, const struct db_result *found)
{
    sweep->roster = roster_new(sweep->conf);
    sweep->nextcloud = roster_take_news(sweep->roster, news);
    for (int row = 0; found != NULL && row < db_rows(found); row++) {
        struct jobs_find_row item;

        jobs_read_find(found, row, &item);
        if (item.place.protocol != NULL && roster_find(sweep->roster, item.daemon) == NULL) {
            roster_add_gone(sweep->roster, item.daemon, &item.place);
        }
    }
}

static void
sweep_make_daemons(struct sweep *sweep)
{
    size_t count = roster_count(sweep->roster);

    sweep->daemons = mem_alloc(count, sizeof *sweep->daemons);
    sweep->daemon_count = count;
    for (size_t i = 0; i < count; i++) {
        struct sweep_daemon *daemon = &sweep->daemons[i];

        daemon->entry = roster_at(sweep->roster, i);
        daemon->lane.conf = &daemon->entry->conf;
        daemon->call.daemon = daemon;
        daemon->left = -1;
    }
    /* Short runs must not always begin with the same daemon. */
    sweep->turn = count == 0 ? 0 : (size_t)sweep->run.pid % count;
}

/* Whoever names a daemon wants that one, and does not want it left alone. */
static bool
sweep_is_wanted(const struct sweep *sweep, const char *daemon, bool paused)
{
    return sweep->options->daemon == NULL ? !paused : strcmp(sweep->options->daemon, daemon) == 0;
}

static void
sweep_learn_due(struct sweep *sweep, const struct jobs_find_row *item)
{
    struct sweep_daemon *daemon = sweep_find_daemon(sweep, item->daemon);

    if (!sweep_is_wanted(sweep, item->daemon, item->paused)) {
        return;
    }
    if (daemon == NULL) {
        sweep->report->daemons_unknown++;
        log_warning("jobs are due for daemon %s, which neither %s nor Nextcloud knows",
                    item->daemon, sweep->conf->path);
    } else if (daemon->entry->problem != NULL && !daemon->entry->unsupported) {
        sweep->report->daemons_unknown++;
        log_warning("jobs are due for daemon %s, which cannot be asked: %s", item->daemon,
                    daemon->entry->problem);
    } else {
        daemon->due = true;
        (void)snprintf(daemon->known_stop, sizeof daemon->known_stop, "%s", item->stop);
    }
}

static void
sweep_learn_news(struct sweep *sweep, const struct jobs_news_row *item)
{
    struct sweep_daemon *daemon = sweep_find_daemon(sweep, item->daemon);

    switch (item->kind) {
    case JOBS_NEWS_DAEMON:
        if (daemon != NULL) {
            (void)snprintf(daemon->known_stop, sizeof daemon->known_stop, "%s", item->stop);
            daemon->left_alone = !sweep_is_wanted(sweep, item->daemon, item->paused);
        }
        break;
    case JOBS_NEWS_LOOK:
        if (daemon != NULL && daemon->entry->problem == NULL && !daemon->left_alone) {
            sweep_add_look(daemon, item->name, item->detail);
        }
        break;
    case JOBS_NEWS_GONE:
        sweep->reconcile_due = true;
        break;
    case JOBS_NEWS_NEXTCLOUD:
        break;
    }
}

void
sweep_learn(struct sweep *sweep, const struct db_result *news, const struct db_result *found)
{
    struct err err;

    sweep->found = true;
    sweep->alarm_due = sweep->alarm_rang && db_rows(found) == 0;
    sweep_make_roster(sweep, news, found);
    sweep_make_daemons(sweep);
    for (int row = 0; row < db_rows(news); row++) {
        struct jobs_news_row item;

        jobs_read_news(news, row, &item);
        sweep_learn_news(sweep, &item);
    }
    for (int row = 0; found != NULL && row < db_rows(found); row++) {
        struct jobs_find_row item;

        jobs_read_find(found, row, &item);
        sweep_learn_due(sweep, &item);
    }
    if (sweep->options->daemon != NULL &&
        sweep_find_daemon(sweep, sweep->options->daemon) == NULL) {
        (void)err_set(&err, ERR_USAGE, "there is no daemon %s, neither in %s nor in Nextcloud",
                      sweep->options->daemon, sweep->conf->path);
        sweep_fail(sweep, &err);
    } else if (sweep->conf->follow_nextcloud && !sweep->nextcloud) {
        (void)err_set(
            &err, ERR_CONFIG,
            "%s: [cleanup] follow_nextcloud = yes, but Nextcloud's tables are not watched",
            sweep->conf->path);
        (void)err_hint(&err, "psql -v nextcloud=on -f sql/install.sql");
        sweep_fail(sweep, &err);
    }
}

void
sweep_check_hello(struct sweep *sweep, const struct db_result *result)
{
    int64_t now = clock_wall_ms();
    struct jobs_hello_row hello;
    struct err err;

    jobs_read_hello(result, &hello);
    sweep->hello_ok = false;
    if (hello.schema_version != HARPSWEEP_SCHEMA_VERSION) {
        (void)err_set(&err, ERR_SCHEMA,
                      "schema harpsweep has version %" PRId64 ", this program needs version %d",
                      hello.schema_version, HARPSWEEP_SCHEMA_VERSION);
        (void)err_hint(&err, hello.schema_version < HARPSWEEP_SCHEMA_VERSION
                                 ? "upgrade it: psql -f sql/install.sql"
                                 : "install the harpsweep that belongs to the schema");
    } else if (hello.clock_ms < sweep->wall_sent_ms - SWEEP_CLOCK_MAX_MS ||
               hello.clock_ms > now + SWEEP_CLOCK_MAX_MS) {
        (void)err_set(&err, ERR_CONFIG,
                      "the clocks of this host and of the database differ by %" PRId64
                      " s: nothing is deleted",
                      (hello.clock_ms - now) / 1000);
        (void)err_hint(&err, "synchronise both with NTP");
    } else {
        sweep->hello_ok = true;
        db_keep(sweep->db, hello.backend, sweep->run.token);
        sweep->alarm_rang = hello.alarm;
        sweep->found = sweep->found || (sweep->begin_due && !hello.alarm);
    }
    if (!sweep->hello_ok) {
        sweep_fail(sweep, &err);
    }
    sweep->hello_due = sweep->begin_due = false;
}
