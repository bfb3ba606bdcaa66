/* What a claim's answer means: which daemons have work, which jobs are ours now. */
#include "imageref.h"
#include "log.h"
#include "mem.h"
#include "sweep_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void
sweep_pass(struct sweep *sweep, const char *daemon)
{
    sweep->passed = mem_grow(sweep->passed, sweep->passed_count + 1, sizeof *sweep->passed);
    sweep->passed[sweep->passed_count++] = mem_strdup(daemon);
}

/* A freshly claimed job: some are decided before any request. */
static void
sweep_adopt(struct sweep *sweep, struct sweep_daemon *daemon, struct job *claimed)
{
    int64_t sent_at = db_sent_at(sweep->db);
    struct sweep_job *job = mem_alloc(1, sizeof *job);
    const char *pattern = conf_keep_match(sweep->conf, claimed->image_ref);
    char reason[256];

    job->job = *claimed;
    job->call.daemon = daemon;
    job->call.job = job;
    job->phase = sweep->conf->verify ? SWEEP_INSPECT_REF : SWEEP_REMOVE_REF;
    job->confirmed_ms = sent_at;
    job->start_by_ms =
        sent_at + sweep->conf->lease_ms - sweep->conf->timeout_ms - CONF_LEASE_RECORD_MS;
    daemon->held++;
    sweep->report->totals.claimed++;
    if (sweep->claims_left > 0) {
        sweep->claims_left--;
    }
    if (pattern != NULL) {
        (void)snprintf(reason, sizeof reason, "the image matches keep = %s of the settings",
                       pattern);
        sweep_end_job(sweep, job, JOBS_HOLD, reason);
    } else if (imageref_kind(job->job.image_ref) == IMAGEREF_INVALID) {
        sweep_end_job(sweep, job, JOBS_FAIL, "image_ref is not a reference that Docker accepts");
    } else {
        sweep_list_push(&daemon->queue, job);
    }
}

static void
sweep_claim_row(struct sweep *sweep, struct jobs_claim_row *row)
{
    struct sweep_daemon *daemon = sweep_find_daemon(sweep, row->daemon);

    sweep->report->worked = sweep->report->worked || row->kind <= JOBS_PLANNED;
    if (row->kind == JOBS_UNKNOWN || row->kind == JOBS_PAUSED || daemon == NULL) {
        sweep_pass(sweep, row->daemon);
        if (row->kind == JOBS_UNKNOWN && conf_find_daemon(sweep->conf, row->daemon) == NULL) {
            sweep->report->daemons_unknown++;
            log_warning("jobs are due for a daemon without a [daemon:%s] section in %s",
                        row->daemon, sweep->conf->path);
        }
        return;
    }
    switch (row->kind) {
    case JOBS_CLAIMED:
        daemon->asked--;
        sweep_adopt(sweep, daemon, &row->job);
        break;
    case JOBS_ENDED:
        daemon->asked--;
        sweep->report->totals.failed += strcmp(row->state, "failed") == 0;
        log_info("job ended without an attempt: job=%" PRId64 " state=%s", row->number, row->state);
        job_clear(&row->job);
        break;
    case JOBS_PLANNED:
        sweep->report->planned += row->number;
        daemon->asked = 0; /* some of them may be due at once: ask again */
        break;
    case JOBS_MET:
    case JOBS_UNKNOWN:
    case JOBS_PAUSED:
        break;
    }
}

void
sweep_claimed(struct sweep *sweep, const struct db_result *result)
{
    int met = 0;
    int rows = db_rows(result);

    /* First who was found, then what came from them. */
    for (int i = 0; i < rows; i++) {
        struct sweep_daemon *daemon = sweep_find_daemon(sweep, db_text(result, i, 1));

        if (strcmp(db_text(result, i, 0), "met") == 0 && daemon != NULL) {
            daemon->met = true;
            daemon->asked = 1;
            met++;
        }
    }
    for (int i = 0; i < rows; i++) {
        struct jobs_claim_row row;

        jobs_read_claim(result, i, &row);
        sweep_claim_row(sweep, &row);
    }
    for (size_t i = 0; i < sweep->daemon_count; i++) {
        sweep->daemons[i].drained = sweep->daemons[i].drained || sweep->daemons[i].asked > 0;
        sweep->daemons[i].asked = 0;
    }
    if (met < sweep->discovering) {
        sweep->discover = false;
    }
}
