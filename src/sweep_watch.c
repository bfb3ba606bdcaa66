/* What a watcher sees of a run. A run that nobody watches never comes here. */
#include "clock.h"
#include "mem.h"
#include "sweep_state.h"

/* Jobs that are counted in all: a few hundredths of a second of the database's. */
#define SWEEP_COUNT_MAX 20000

/* Whether the run may still claim from it. */
static bool
sweep_is_open(const struct sweep *sweep, const struct sweep_daemon *daemon)
{
    return !sweep->closing && sweep_has_more(daemon);
}

static enum sweep_view_state
sweep_view_state(const struct lane *lane)
{
    switch (lane->gate) {
    case LANE_ASKED:
    case LANE_PROVING:
        return SWEEP_VIEW_PROBING;
    case LANE_OPEN:
        return SWEEP_VIEW_WELL;
    case LANE_STOPPED:
        return SWEEP_VIEW_STOPPED;
    case LANE_UNKNOWN:
        break;
    }
    return SWEEP_VIEW_WAITING;
}

static struct sweep_view_daemon
sweep_view_daemon(const struct sweep *sweep, const struct sweep_daemon *daemon)
{
    /* How --max-jobs is shared out shows in the end. */
    int64_t left = !sweep_is_open(sweep, daemon) ? 0 : sweep->claims_left >= 0 ? -1 : daemon->left;

    return (struct sweep_view_daemon){
        .more = left > 0 && daemon->more,
        .name = daemon->lane.conf->name,
        .state = sweep_view_state(&daemon->lane),
        .reason = daemon->lane.reason,
        .active = daemon->lane.active,
        .done = daemon->done,
        .due = left < 0 ? -1 : daemon->claimed - daemon->returned + left,
    };
}

/* Adds what the daemons come to. */
static void
sweep_view_add_up(const struct sweep *sweep, struct sweep_view *view)
{
    int64_t claimed = 0;

    for (size_t i = 0; i < sweep->daemon_count; i++) {
        const struct sweep_daemon *daemon = &sweep->daemons[i];
        bool open = sweep_is_open(sweep, daemon);

        claimed += daemon->claimed - daemon->returned;
        view->done += daemon->done;
        if (open && daemon->left < 0) {
            view->due = -1;
        } else if (view->due >= 0) {
            view->due += open ? daemon->left : 0;
        }
        view->more = view->more || (open && daemon->more);
    }
    if (sweep->claims_left >= 0 && view->due > sweep->claims_left) {
        view->due = sweep->claims_left;
        view->more = false;
    }
    view->due = view->due < 0 ? -1 : view->due + claimed;
}

void
sweep_show(struct sweep *sweep)
{
    int64_t now = clock_boot_ms();
    struct sweep_view view = {.spent_ms = now - sweep->began_ms,
                              .limit_ms = sweep->conf->soft_limit_ms,
                              .bytes_freed = sweep->report->totals.bytes_freed,
                              .closing = sweep->closing,
                              .away = sweep->hello_ok && !db_is_open(sweep->db)};
    struct sweep_view_daemon *daemons;

    if (now < sweep->look_at_ms || !sweep->found) {
        return;
    }
    sweep->look_at_ms = now + SWEEP_LOOK_MS;
    daemons = mem_alloc(sweep->daemon_count, sizeof *daemons);
    for (size_t i = 0; i < sweep->daemon_count; i++) {
        const struct sweep_daemon *daemon = &sweep->daemons[i];

        if (daemon->due || daemon->looking > 0 || daemon->lane.gate != LANE_UNKNOWN) {
            daemons[view.daemon_count++] = sweep_view_daemon(sweep, daemon);
        }
    }
    view.daemons = daemons;
    sweep_view_add_up(sweep, &view);
    sweep->options->watcher->look(sweep->options->watcher->context, &view);
    mem_free(daemons);
}

void
sweep_add_count(struct sweep *sweep, struct sweep_steps *steps)
{
    struct buf daemons;
    size_t count = 0;

    if (sweep->counted || !sweep->found || !sweep->hello_ok || !sweep->options->watcher->counts ||
        clock_boot_ms() - sweep->began_ms < SWEEP_COUNT_AFTER_MS) {
        return;
    }
    for (size_t i = 0; i < sweep->daemon_count; i++) {
        if (sweep_is_open(sweep, &sweep->daemons[i])) {
            if (count++ == 0) {
                db_array_begin(&daemons);
            }
            db_array_text(&daemons, sweep->daemons[i].lane.conf->name);
        }
    }
    sweep->counted = true; /* once, whatever comes of it */
    if (count > 0) {
        sweep->count_most = SWEEP_COUNT_MAX / (int64_t)count + 1;
        sweep->step_count = sweep_add_step(steps);
        steps->steps[sweep->step_count].sql =
            jobs_count_due(&steps->args[sweep->step_count], &daemons, sweep->options->app,
                           sweep->enabled, sweep->grace_hours, sweep->count_most);
    }
}

void
sweep_counted(struct sweep *sweep, const struct db_result *result)
{
    enum { DAEMON, JOBS };

    for (int row = 0; row < db_rows(result); row++) {
        struct sweep_daemon *daemon = sweep_find_daemon(sweep, db_text(result, row, DAEMON));

        if (daemon != NULL) {
            daemon->left = db_int(result, row, JOBS);
            daemon->more = daemon->left >= sweep->count_most;
        }
    }
}
