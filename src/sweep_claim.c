/* What the answers about claims mean: which jobs are ours now, and which still are. */
#include "clock.h"
#include "imageref.h"
#include "log.h"
#include "mem.h"
#include "sweep_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void
sweep_hold(struct sweep *sweep, struct sweep_job *job, const struct jobs_hold *hold)
{
    job->result.min_delay_s = hold->delay_s;
    sweep_end_job(sweep, job, JOBS_HOLD, hold->reason);
}

/* A daemon that is gone is known by where its jobs say that it was, and they may differ. */
static bool
sweep_is_elsewhere(const struct sweep_job *job)
{
    const struct roster_daemon *entry = job->call.daemon->entry;

    return entry->gone &&
           (job->job.protocol == NULL || strcmp(job->job.protocol, entry->place.protocol) != 0 ||
            strcmp(job->job.host, entry->place.host) != 0 ||
            job->job.docker_socket_port != entry->place.docker_socket_port);
}

/* Some jobs are decided before any request. False where this one is not. */
static bool
sweep_decide(struct sweep *sweep, struct sweep_job *job, const struct jobs_hold *hold)
{
    const struct roster_daemon *entry = job->call.daemon->entry;
    const char *pattern = conf_keep_match(sweep->conf, job->job.image_ref);
    char reason[256];

    if (entry->unsupported) {
        job->result.state = VERDICT_UNSUPPORTED;
        sweep_end_job(sweep, job, JOBS_DONE, entry->problem);
    } else if (pattern != NULL) {
        (void)snprintf(reason, sizeof reason, "the image matches keep = %s of the settings",
                       pattern);
        sweep_end_job(sweep, job, JOBS_HOLD, reason);
    } else if (imageref_kind(job->job.image_ref) == IMAGEREF_INVALID) {
        sweep_end_job(sweep, job, JOBS_FAIL, "image_ref is not a reference that Docker accepts");
    } else if (sweep_is_elsewhere(job)) {
        job->result.min_delay_s = 300;
        sweep_end_job(sweep, job, JOBS_HOLD,
                      "its daemon is gone, and this run asks another engine of that name");
    } else if (hold->reason != NULL) {
        sweep_hold(sweep, job, hold);
    } else {
        return false;
    }
    return true;
}

static void
sweep_adopt(struct sweep *sweep, struct sweep_daemon *daemon, const struct jobs_claim_row *row)
{
    int64_t sent_at = db_sent_at(sweep->db);
    struct sweep_job *job = mem_alloc(1, sizeof *job);

    job->job = row->job;
    job->call.daemon = daemon;
    job->call.job = job;
    job->phase = sweep->conf->verify ? SWEEP_INSPECT_REF : SWEEP_REMOVE_REF;
    job->confirmed_ms = sent_at;
    job->start_by_ms =
        sent_at + sweep->conf->lease_ms - sweep->conf->timeout_ms - CONF_LEASE_RECORD_MS;
    daemon->held++;
    daemon->claimed++;
    daemon->left -= daemon->left > 0;
    sweep->report->totals.claimed++;
    if (sweep->claims_left > 0) {
        sweep->claims_left--;
    }
    if (!sweep_decide(sweep, job, &row->hold)) {
        sweep_list_push(&daemon->queue, job);
    }
}

static void
sweep_claim_row(struct sweep *sweep, struct sweep_daemon *daemon, struct jobs_claim_row *row)
{
    sweep->report->worked = true;
    switch (row->kind) {
    case JOBS_CLAIMED:
        sweep_adopt(sweep, daemon, row);
        break;
    case JOBS_ENDED:
        daemon->left -= daemon->left > 0;
        sweep->report->totals.failed += strcmp(row->state, "failed") == 0;
        log_info("job ended without an attempt: job=%" PRId64 " state=%s", row->number, row->state);
        break;
    case JOBS_PLANNED:
        sweep->report->planned += row->number;
        daemon->anew = true;
        break;
    case JOBS_UPTO:
        /* There may be more behind as many as were asked for; of those that were claimed there may
         * be fewer, where somebody changed one at that moment. */
        if (row->picked >= daemon->asked) {
            daemon->asked = 0;
        }
        daemon->after_us = row->due_at_us;
        daemon->after_id = row->number;
        break;
    }
}

void
sweep_claimed(struct sweep *sweep, const struct db_result *result)
{
    for (int i = 0; i < db_rows(result); i++) {
        struct jobs_claim_row row;
        struct sweep_daemon *daemon;

        jobs_read_claim(result, i, sweep->claim, &row);
        daemon = sweep_find_daemon(sweep, row.daemon);
        if (daemon == NULL) { /* cannot be: it was not asked for */
            job_clear(&row.job);
        } else {
            sweep_claim_row(sweep, daemon, &row);
        }
    }
    for (size_t i = 0; i < sweep->daemon_count; i++) {
        struct sweep_daemon *daemon = &sweep->daemons[i];

        if (daemon->anew) {
            daemon->after_id = 0;
        }
        daemon->drained = daemon->drained || (daemon->asked > 0 && !daemon->anew);
        daemon->asked = 0;
        daemon->anew = false;
    }
}

int64_t
sweep_word_ms(const struct sweep *sweep)
{
    return sweep->nextcloud ? SWEEP_CONFIRMED_NEXTCLOUD_MS : SWEEP_CONFIRMED_MS;
}

/* What the time that the word about so many jobs took means for the next question. Where the
 * database had to write besides it says nothing, and the next time there is less to write. */
static void
sweep_pace_words(struct sweep *sweep, size_t count)
{
    int64_t now = clock_boot_ms();
    int64_t took = now - db_sent_at(sweep->db);
    int64_t good_for = sweep_word_ms(sweep);
    int64_t most = good_for * 3 / 4; /* the rest is for the deletes to start */
    struct err err;

    if (!sweep->confirms_only) {
        return;
    }
    if (took <= most) {
        sweep->slow_since_ms = 0;
        if (took <= most / 2 && count == sweep->confirm_max) {
            sweep->confirm_max *= 2;
        }
        return;
    }
    if (count > 1) {
        sweep->confirm_max = count / 2;
    } else if (sweep->slow_since_ms == 0) {
        sweep->slow_since_ms = now;
    } else if (now - sweep->slow_since_ms >= SWEEP_WORD_SLOW_MS) {
        (void)err_set(&err, ERR_DB_LOST,
                      "database: its word that a job may go on, good for %" PRId64
                      " ms, came too late for %d s; the last one took %" PRId64 " ms",
                      good_for, SWEEP_WORD_SLOW_MS / 1000, took);
        (void)err_hint(&err, "run harpsweep next to the database, or see what keeps that busy");
        sweep_fail(sweep, &err);
    }
}

void
sweep_confirmed(struct sweep *sweep, const struct db_result *result)
{
    struct sweep_job *job;

    sweep_pace_words(sweep, sweep->confirming.count);
    for (int row = 0; (job = sweep_list_pop(&sweep->confirming)) != NULL; row++) {
        struct jobs_hold hold;

        if (!jobs_read_stands(result, row, job->job.id, &hold)) {
            sweep_end_job(sweep, job, JOBS_RELEASE, "somebody else changed the job meanwhile");
        } else if (hold.reason != NULL) {
            sweep_hold(sweep, job, &hold);
        } else {
            job->confirmed_ms = db_sent_at(sweep->db);
            job->confirmed_image = true;
            sweep_list_push_first(&job->call.daemon->queue, job);
        }
    }
}
