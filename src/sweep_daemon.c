/* What is said to HaRP: which request starts when, and what stops a daemon. */
#include "log.h"
#include "sweep_state.h"

#include <stdio.h>
#include <string.h>

/* A wrong key is a strike, and ten strikes within 300 s make HaRP ban the address, which is often
 * Nextcloud's own: cron must not collect them. A silent HaRP may be such a ban. */
#define SWEEP_PAUSE_S 600

int
sweep_pause_s(enum verdict_stop stop)
{
    return stop == VERDICT_STOP_UNAUTHORIZED || stop == VERDICT_STOP_SILENT ? SWEEP_PAUSE_S : 0;
}

struct sweep_daemon *
sweep_find_daemon(struct sweep *sweep, const char *name)
{
    for (size_t i = 0; i < sweep->daemon_count; i++) {
        if (strcmp(sweep->daemons[i].lane.conf->name, name) == 0) {
            return &sweep->daemons[i];
        }
    }
    return NULL;
}

void
sweep_give_back(struct sweep *sweep, struct sweep_daemon *daemon, const char *reason)
{
    struct sweep_list waiting = sweep->confirm;
    struct sweep_job *job;

    while ((job = sweep_list_pop(&daemon->queue)) != NULL) {
        sweep_release(sweep, job, reason);
    }
    memset(&sweep->confirm, 0, sizeof sweep->confirm);
    while ((job = sweep_list_pop(&waiting)) != NULL) {
        if (job->call.daemon == daemon) {
            sweep_release(sweep, job, reason);
        } else {
            sweep_list_push(&sweep->confirm, job);
        }
    }
}

/* Says once that a daemon was stopped, and lets go of what waits for it. Whoever was told by an
 * earlier run, of the same trouble, is not told again: cron makes a mail of it. */
static void
sweep_tell_stop(struct sweep *sweep, struct sweep_daemon *daemon)
{
    const struct lane *lane = &daemon->lane;
    const char *stop = verdict_stop_name(lane->stop);

    if (lane->gate != LANE_STOPPED || daemon->stop_told) {
        return;
    }
    daemon->stop_told = true;
    sweep->report->daemons_stopped++;
    if (strcmp(daemon->known_stop, stop) == 0) {
        log_info("daemon stopped for this run, as before: daemon=%s stop=%s reason=\"%s\" run=%s",
                 lane->conf->name, stop, lane->reason, sweep->run.token);
    } else {
        log_warning("daemon stopped for this run: daemon=%s stop=%s reason=\"%s\" run=%s",
                    lane->conf->name, stop, lane->reason, sweep->run.token);
        if (lane->hint[0] != '\0') {
            log_warning("hint: %s", lane->hint);
        }
    }
    sweep_give_back(sweep, daemon, lane->reason);
    sweep_drop_looks(daemon);
}

static void
sweep_info_answered(struct sweep *sweep, struct sweep_daemon *daemon,
                    const struct http_answer *answer)
{
    sweep->asking--;
    if (answer->transport == HTTP_ABORTED) {
        lane_take_abort(&daemon->lane);
        return;
    }
    if (answer->transport == HTTP_LATE) {
        lane_ask_again(&daemon->lane);
        return;
    }
    lane_take_info(&daemon->lane, answer);
    log_debug("daemon answers: daemon=%s harp=%s", daemon->lane.conf->name, daemon->lane.version);
}

static void
sweep_answered(void *context, void *user, const struct http_answer *answer)
{
    struct sweep *sweep = context;
    const struct sweep_call *call = user;
    struct sweep_daemon *daemon = call->daemon;

    if (call->job != NULL) {
        sweep_job_answered(sweep, call->job, answer);
    } else if (call->look != NULL) {
        sweep_look_answered(sweep, call->look, answer);
    } else {
        sweep_info_answered(sweep, daemon, answer);
    }
    sweep_tell_stop(sweep, daemon);
}

/* The next request of a daemon: looks before deletes, for deletes rest on them. */
static bool
sweep_start_one(struct sweep *sweep, struct sweep_daemon *daemon)
{
    const struct gateway_limits limits = gateway_limits_of(sweep->conf);
    struct err err;

    if (daemon->queue.count == 0 && daemon->looks == NULL) {
        return false;
    }
    if (daemon->lane.gate == LANE_STOPPED) { /* what came after the stop */
        sweep_give_back(sweep, daemon, daemon->lane.reason);
        sweep_drop_looks(daemon);
        return false;
    }
    switch (lane_turn(&daemon->lane)) {
    case LANE_WAIT:
        return false;
    case LANE_GO:
        if (http_active(sweep->http) - sweep->asking >= sweep->conf->max_parallel) {
            return false;
        }
        return daemon->looks != NULL ? sweep_start_look(sweep, daemon)
                                     : sweep_start_job(sweep, daemon);
    case LANE_INFO:
        break;
    }
    if (sweep->asking >= sweep->conf->max_parallel) {
        return false;
    }
    if (!lane_begin_info(&daemon->lane, sweep->http, &limits, &daemon->call, &err)) {
        sweep_fail(sweep, &err);
        return false;
    }
    sweep->asking++;
    return true;
}

bool
sweep_open_http(struct sweep *sweep)
{
    bool wanted = false;
    struct err err;

    for (size_t i = 0; i < sweep->daemon_count && !wanted; i++) {
        const struct sweep_daemon *daemon = &sweep->daemons[i];

        wanted = (daemon->due && !daemon->entry->unsupported) || daemon->looks != NULL;
    }
    if (sweep->http != NULL || !wanted || sweep->failure.kind != ERR_NONE) {
        return false;
    }
    if (!http_open(2 * (int)sweep->conf->max_parallel, sweep_answered, sweep, &sweep->http, &err)) {
        sweep_fail(sweep, &err);
        return false;
    }
    return true;
}

/* The next job of its queue was inspected, and what Docker told grows old. */
static bool
sweep_is_halfway(const struct sweep_daemon *daemon)
{
    return daemon->queue.first != NULL && daemon->queue.first->inspected_ms != 0;
}

static void
sweep_start_turn(struct sweep *sweep, bool all)
{
    size_t count = sweep->daemon_count;

    for (size_t i = 0; i < count; i++) {
        struct sweep_daemon *daemon = &sweep->daemons[(sweep->turn + i) % count];

        while ((all || sweep_is_halfway(daemon)) && sweep_start_one(sweep, daemon)) {
        }
    }
}

void
sweep_start(struct sweep *sweep)
{
    size_t count = sweep->daemon_count;

    if (sweep->aborting || !sweep->hello_ok || sweep->failure.kind != ERR_NONE ||
        sweep->http == NULL) {
        return;
    }
    sweep_start_turn(sweep, false);
    sweep_start_turn(sweep, true);
    sweep->turn = count == 0 ? 0 : (sweep->turn + 1) % count;
}
