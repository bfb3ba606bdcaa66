/* A job, from its claim to its result: which request is next, and what its answer means. */
#include "clock.h"
#include "gateway.h"
#include "log.h"
#include "mem.h"
#include "sweep_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What Docker told of a name holds for so long: it may lead to another image since. */
#define SWEEP_INSPECT_MS 1000
/* HaRP may take so long to connect before the word about a delete is asked for once more. */
#define SWEEP_CONNECT_MS 1000

#define SWEEP_LEASE_RAN_SHORT "its turn did not come before its lease ran short"

void
sweep_job_free(struct sweep_job *job)
{
    job_clear(&job->job);
    mem_free(job->result.reason);
    mem_free(job);
}

void
sweep_end_job(struct sweep *sweep, struct sweep_job *job, enum jobs_action action,
              const char *reason)
{
    job->result.id = job->job.id;
    job->result.claim = job->job.claim;
    job->result.attempt = job->job.attempt;
    job->result.action = action;
    job->result.reason = mem_strdup(reason);
    job->ended_ms = clock_boot_ms();
    job->call.daemon->held--;
    sweep_list_push(&sweep->results, job);
}

void
sweep_release(struct sweep *sweep, struct sweep_job *job, const char *reason)
{
    const struct roster_daemon *entry = job->call.daemon->entry;
    char text[640];

    if (!entry->gone || sweep->aborting || sweep->failure.kind != ERR_NONE) {
        if (sweep->aborting) {
            sweep->cut_short = true;
        }
        sweep_end_job(sweep, job, JOBS_RELEASE, reason);
        return;
    }
    /* Nobody will repair a daemon that was unregistered: its jobs try, and then end. */
    (void)snprintf(text, sizeof text, "daemon %s is not registered in Nextcloud any more; %s",
                   entry->conf.name, reason);
    sweep_end_job(sweep, job, JOBS_RETRY, text);
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
    if (verdict->action == VERDICT_STOP) {
        sweep_release(sweep, job, verdict->reason);
        return;
    }
    sweep_measure(&job->call.daemon->mean_ms, job->result.duration_ms);
    sweep_measure(&sweep->mean_ms, job->result.duration_ms);
    if (job->phase == SWEEP_REMOVE_ID && verdict->state == VERDICT_REMOVED) {
        (void)snprintf(verdict->reason, sizeof verdict->reason,
                       "deleted by its ID: its name is gone or means another image now");
    }
    job->result.state = verdict->state;
    job->result.bytes_freed = verdict->bytes_freed;
    job->result.min_delay_s = verdict->min_delay_s;
    sweep_end_job(sweep, job, sweep_action(verdict), verdict->reason);
}

static bool
sweep_deletes_next(const struct sweep_job *job)
{
    return job->phase == SWEEP_REMOVE_REF || job->phase == SWEEP_REMOVE_ID;
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

    if (sweep_deletes_next(job)) {
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
        if (strcmp(job->image_id, verdict.image_id) != 0) {
            job->confirmed_image = false;
        }
        (void)snprintf(job->image_id, sizeof job->image_id, "%s", verdict.image_id);
        job->inspected_ms = clock_boot_ms();
    }
    return verdict;
}

void
sweep_job_answered(struct sweep *sweep, struct sweep_job *job, const struct http_answer *answer)
{
    struct sweep_daemon *daemon = job->call.daemon;
    struct verdict verdict;

    job->result.http_status = answer->status;
    job->result.duration_ms += answer->duration_ms;
    if (answer->transport == HTTP_ABORTED) {
        lane_take_abort(&daemon->lane);
        sweep->cut_short = true;
        sweep_end_job(sweep, job, JOBS_RELEASE, "the run had to end while HaRP was working on it");
        return;
    }
    if (answer->transport == HTTP_LATE) {
        lane_take_abort(&daemon->lane);
        sweep_list_push_first(&daemon->queue, job); /* its start sees what has run out */
        return;
    }
    verdict = sweep_judge(sweep, job, answer);
    log_debug("answer: job=%" PRId64 " image=%s status=%ld ms=%" PRId64 " reason=\"%s\"",
              job->job.id, job->job.image_ref, answer->status, answer->duration_ms, verdict.reason);
    lane_take(&daemon->lane, verdict.action != VERDICT_GO_ON, &verdict);
    if (verdict.action != VERDICT_GO_ON) {
        sweep_conclude(sweep, job, &verdict);
    } else if (daemon->lane.gate == LANE_STOPPED) {
        sweep_release(sweep, job, daemon->lane.reason);
    } else {
        sweep_list_push_first(&daemon->queue, job);
    }
}

/* Until when the next request may be sent: no longer than the lease allows, and a delete only on
 * the word that it has. Where to connect takes longer than that is good for, some time has to be
 * left: else no delete would ever be sent. */
static int64_t
sweep_send_by(const struct sweep *sweep, const struct sweep_job *job)
{
    int64_t word = job->confirmed_ms + sweep_word_ms(sweep) + SWEEP_CONNECT_MS;

    return sweep_deletes_next(job) && word < job->start_by_ms ? word : job->start_by_ms;
}

static bool
sweep_begin_request(struct sweep *sweep, struct sweep_job *job, struct err *err)
{
    const struct conf_daemon *daemon = job->call.daemon->lane.conf;
    struct gateway_limits limits = gateway_limits_of(sweep->conf);

    /* Between this look at the clock and the request, the machine may sleep for longer than the
     * lease, and HaRP may take its time to connect. */
    limits.send_by_ms = sweep_send_by(sweep, job);
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

/* Whether the database has to be asked once more before the delete. */
static bool
sweep_needs_word(const struct sweep *sweep, const struct sweep_job *job, int64_t now)
{
    int64_t age = now - job->confirmed_ms;
    /* The database knew which image it spoke of: it was recorded, or told in the last question. */
    bool named = job->image_id[0] == '\0' || job->confirmed_image ||
                 (job->job.image_id != NULL && strcmp(job->job.image_id, job->image_id) == 0);

    return sweep_deletes_next(job) && (age > sweep_word_ms(sweep) || (sweep->nextcloud && !named));
}

bool
sweep_start_job(struct sweep *sweep, struct sweep_daemon *daemon)
{
    struct sweep_job *job = sweep_list_pop(&daemon->queue);
    int64_t now = clock_boot_ms();
    struct err err;

    if (now >= job->start_by_ms) {
        sweep_end_job(sweep, job, JOBS_RELEASE, SWEEP_LEASE_RAN_SHORT);
        return true;
    }
    if (sweep_needs_word(sweep, job, now)) {
        sweep_list_push(&sweep->confirm, job);
        return true;
    }
    /* Behind the word, and not before it: both have to be young at once. */
    if (sweep->conf->verify && now - job->inspected_ms > SWEEP_INSPECT_MS) {
        job->phase = SWEEP_INSPECT_REF; /* once more, or at last */
    }
    if (!sweep_begin_request(sweep, job, &err)) {
        sweep_end_job(sweep, job, JOBS_RELEASE, err.text);
        sweep_fail(sweep, &err);
        return false;
    }
    if (sweep_deletes_next(job)) {
        sweep->slow_since_ms = 0;
    }
    lane_began(&daemon->lane);
    return true;
}
