#include "clock.h"
#include "gateway.h"
#include "imageref.h"
#include "log.h"
#include "sweep_state.h"

#include <inttypes.h>
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
        if (strcmp(sweep->daemons[i].conf->name, name) == 0) {
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
        sweep_end_job(sweep, job, JOBS_RELEASE, reason);
    }
    memset(&sweep->confirm, 0, sizeof sweep->confirm);
    while ((job = sweep_list_pop(&waiting)) != NULL) {
        if (job->call.daemon == daemon) {
            sweep_end_job(sweep, job, JOBS_RELEASE, reason);
        } else {
            sweep_list_push(&sweep->confirm, job);
        }
    }
}

static void
sweep_stop_daemon(struct sweep *sweep, struct sweep_daemon *daemon, const struct verdict *verdict)
{
    if (daemon->gate == SWEEP_GATE_STOPPED) {
        return;
    }
    daemon->gate = SWEEP_GATE_STOPPED;
    daemon->stop = verdict->stop == VERDICT_STOP_NONE ? VERDICT_STOP_DOWN : verdict->stop;
    (void)snprintf(daemon->reason, sizeof daemon->reason, "%s", verdict->reason);
    (void)snprintf(daemon->hint, sizeof daemon->hint, "%s", verdict->hint);
    sweep->report->daemons_stopped++;
    log_warning("daemon stopped for this run: daemon=%s stop=%s reason=\"%s\" run=%s",
                daemon->conf->name, verdict_stop_name(daemon->stop), verdict->reason,
                sweep->run.token);
    if (verdict->hint[0] != '\0') {
        log_warning("hint: %s", verdict->hint);
    }
    sweep_give_back(sweep, daemon, verdict->reason);
}

static void
sweep_measure(int64_t *mean_ms, int64_t duration_ms)
{
    int64_t sample = duration_ms < 1 ? 1 : duration_ms;

    *mean_ms = *mean_ms == 0 ? sample : (*mean_ms * 7 + sample + 4) / 8;
}

static enum jobs_action
sweep_action(const struct verdict *verdict)
{
    switch (verdict->action) {
    case VERDICT_DONE:
        return JOBS_DONE;
    case VERDICT_WAIT:
        return JOBS_WAIT;
    case VERDICT_HOLD:
        return JOBS_HOLD;
    case VERDICT_RETRY:
        return JOBS_RETRY;
    case VERDICT_FAIL:
        return JOBS_FAIL;
    case VERDICT_STOP:
    case VERDICT_GO_ON:
        break;
    }
    return JOBS_RELEASE;
}

/* The last answer of a job. */
static void
sweep_conclude(struct sweep *sweep, struct sweep_job *job, struct verdict *verdict)
{
    struct sweep_daemon *daemon = job->call.daemon;

    daemon->troubles = verdict->two_stop ? daemon->troubles + 1 : 0;
    if (daemon->troubles >= 2) {
        verdict->action = VERDICT_STOP;
        verdict->stop = VERDICT_STOP_DOWN;
    }
    if (verdict->action == VERDICT_STOP) {
        sweep_stop_daemon(sweep, daemon, verdict);
    } else {
        if (daemon->gate == SWEEP_GATE_PROVING && !verdict->two_stop) {
            daemon->gate = SWEEP_GATE_OPEN;
        }
        sweep_measure(&daemon->mean_ms, job->result.duration_ms);
        sweep_measure(&sweep->mean_ms, job->result.duration_ms);
    }
    if (job->phase == SWEEP_REMOVE_ID && verdict->state == VERDICT_REMOVED) {
        (void)snprintf(verdict->reason, sizeof verdict->reason,
                       "deleted by its ID: its name is gone or means another image now");
    }
    job->result.state = verdict->state;
    job->result.bytes_freed = verdict->bytes_freed;
    job->result.min_delay_s = verdict->min_delay_s;
    sweep_end_job(sweep, job, sweep_action(verdict), verdict->reason);
}

static void
sweep_info_answered(struct sweep *sweep, struct sweep_daemon *daemon,
                    const struct http_answer *answer)
{
    struct verdict verdict = verdict_of_info(answer, daemon->version);

    if (verdict.action == VERDICT_GO_ON) {
        daemon->gate = SWEEP_GATE_PROVING;
        log_debug("daemon answers: daemon=%s harp=%s", daemon->conf->name, daemon->version);
    } else {
        sweep_stop_daemon(sweep, daemon, &verdict);
    }
}

static struct verdict
sweep_judge(const struct sweep *sweep, struct sweep_job *job, const struct http_answer *answer)
{
    enum verdict_target target = VERDICT_TARGET_REF;
    struct verdict verdict;
    const struct verdict_job view = {
        .image_ref = job->job.image_ref,
        .image_id = job->job.image_id,
        .orphaned_at_ms = job->job.orphaned_at_ms,
        .by_id = job->phase == SWEEP_INSPECT_ID,
        .explicit_now = job->job.explicit_now,
        .protect_unpullable = sweep->conf->protect_unpullable,
    };

    if (job->phase == SWEEP_REMOVE_REF || job->phase == SWEEP_REMOVE_ID) {
        return verdict_of_removal(answer);
    }
    verdict = verdict_of_inspect(answer, &view, &target);
    if (verdict.action == VERDICT_GO_ON) {
        static const enum sweep_phase next[] = {
            [VERDICT_TARGET_REF] = SWEEP_REMOVE_REF,
            [VERDICT_TARGET_INSPECT_ID] = SWEEP_INSPECT_ID,
            [VERDICT_TARGET_ID] = SWEEP_REMOVE_ID,
        };
        job->phase = next[target];
    }
    return verdict;
}

static void
sweep_answered(void *context, void *user, const struct http_answer *answer)
{
    struct sweep *sweep = context;
    const struct sweep_call *call = user;
    struct sweep_job *job = call->job;
    struct verdict verdict;

    call->daemon->active--;
    if (job == NULL) {
        if (answer->transport != HTTP_ABORTED) {
            sweep_info_answered(sweep, call->daemon, answer);
        }
        return;
    }
    job->result.http_status = answer->status;
    job->result.duration_ms += answer->duration_ms;
    if (answer->transport == HTTP_ABORTED) {
        sweep_end_job(sweep, job, JOBS_RELEASE, "the run had to end while HaRP was working on it");
        return;
    }
    verdict = sweep_judge(sweep, job, answer);
    log_debug("answer: job=%" PRId64 " image=%s status=%ld ms=%" PRId64 " reason=\"%s\"",
              job->job.id, job->job.image_ref, answer->status, answer->duration_ms, verdict.reason);
    if (verdict.action != VERDICT_GO_ON) {
        sweep_conclude(sweep, job, &verdict);
    } else if (job->call.daemon->gate == SWEEP_GATE_STOPPED) {
        sweep_end_job(sweep, job, JOBS_RELEASE, job->call.daemon->reason);
    } else {
        sweep_list_push_first(&job->call.daemon->queue, job);
    }
}

static bool
sweep_begin_request(struct sweep *sweep, struct sweep_job *job, struct err *err)
{
    const struct conf_daemon *daemon = job->call.daemon->conf;
    const struct gateway_limits limits = {.connect_timeout_ms = sweep->conf->connect_timeout_ms,
                                          .timeout_ms = sweep->conf->timeout_ms};

    switch (job->phase) {
    case SWEEP_INSPECT_REF:
        return gateway_begin_inspect(sweep->http, daemon, &limits, job->job.image_ref, &job->call,
                                     err);
    case SWEEP_INSPECT_ID:
        return gateway_begin_inspect(sweep->http, daemon, &limits, job->job.image_id, &job->call,
                                     err);
    case SWEEP_REMOVE_REF:
        return gateway_begin_removal(sweep->http, daemon, &limits, job->job.image_ref, &job->call,
                                     err);
    case SWEEP_REMOVE_ID:
        break;
    }
    return gateway_begin_removal(sweep->http, daemon, &limits, job->job.image_id, &job->call, err);
}

/* Takes the next job of a daemon one step further. False where nothing can start. */
static bool
sweep_start_job(struct sweep *sweep, struct sweep_daemon *daemon)
{
    struct sweep_job *job = sweep_list_pop(&daemon->queue);
    int64_t now = clock_boot_ms();
    struct err err;

    if (now >= job->start_by_ms) {
        sweep_end_job(sweep, job, JOBS_RELEASE, "its turn did not come before its lease ran short");
        return true;
    }
    if ((job->phase == SWEEP_REMOVE_REF || job->phase == SWEEP_REMOVE_ID) &&
        now - job->confirmed_ms > SWEEP_CONFIRMED_MS) {
        sweep_list_push(&sweep->confirm, job);
        return true;
    }
    if (!sweep_begin_request(sweep, job, &err)) {
        sweep_end_job(sweep, job, JOBS_RELEASE, err.text);
        sweep_fail(sweep, &err);
        return false;
    }
    daemon->active++;
    return true;
}

static bool
sweep_start_info(struct sweep *sweep, struct sweep_daemon *daemon)
{
    const struct gateway_limits limits = {.connect_timeout_ms = sweep->conf->connect_timeout_ms,
                                          .timeout_ms = sweep->conf->timeout_ms};
    struct err err;

    if (!gateway_begin_info(sweep->http, daemon->conf, &limits, &daemon->call, &err)) {
        sweep_fail(sweep, &err);
        return false;
    }
    daemon->gate = SWEEP_GATE_ASKED;
    daemon->active++;
    return true;
}

static bool
sweep_start_one(struct sweep *sweep, struct sweep_daemon *daemon)
{
    if (daemon->queue.count == 0) {
        return false;
    }
    switch (daemon->gate) {
    case SWEEP_GATE_UNKNOWN:
        return sweep_start_info(sweep, daemon);
    case SWEEP_GATE_ASKED:
        return false;
    case SWEEP_GATE_PROVING:
        return daemon->active == 0 && sweep_start_job(sweep, daemon);
    case SWEEP_GATE_OPEN:
        return daemon->active < daemon->conf->max_parallel && sweep_start_job(sweep, daemon);
    case SWEEP_GATE_STOPPED:
        break;
    }
    sweep_give_back(sweep, daemon, daemon->reason);
    return false;
}

void
sweep_open_http(struct sweep *sweep)
{
    bool due = false;
    struct err err;

    for (size_t i = 0; i < sweep->daemon_count && !due; i++) {
        due = sweep->daemons[i].due;
    }
    if (sweep->http == NULL && due && sweep->failure.kind == ERR_NONE &&
        !http_open((int)sweep->conf->max_parallel, sweep_answered, sweep, &sweep->http, &err)) {
        sweep_fail(sweep, &err);
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
    for (size_t i = 0; i < count; i++) {
        struct sweep_daemon *daemon = &sweep->daemons[(sweep->turn + i) % count];

        while (http_active(sweep->http) < sweep->conf->max_parallel &&
               sweep_start_one(sweep, daemon)) {
        }
    }
    sweep->turn = count == 0 ? 0 : (sweep->turn + 1) % count;
}
