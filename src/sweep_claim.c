/* What a claim's answer means: which daemons have work, which jobs are ours now. */
#include "imageref.h"
#include "log.h"
#include "mem.h"
#include "sweep_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

void
sweep_found(struct sweep *sweep, const struct db_result *result)
{
    int rows = db_rows(result);

    sweep->found = true;
    for (int row = 0; row < rows; row++) {
        const char *name = db_text(result, row, 0);
        struct sweep_daemon *daemon = sweep_find_daemon(sweep, name);

        if (daemon != NULL) {
            /* Whoever names the daemon does not want it left alone. */
            daemon->due = sweep->options->daemon != NULL || !db_bool(result, row, 1);
        } else if (conf_find_daemon(sweep->conf, name) == NULL) {
            sweep->report->daemons_unknown++;
            log_warning("jobs are due for a daemon without a [daemon:%s] section in %s", name,
                        sweep->conf->path);
        }
    }
}

static void
sweep_claim_row(struct sweep *sweep, struct sweep_daemon *daemon, struct jobs_claim_row *row)
{
    sweep->report->worked = true;
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
    }
}

void
sweep_claimed(struct sweep *sweep, const struct db_result *result)
{
    for (int i = 0; i < db_rows(result); i++) {
        struct jobs_claim_row row;
        struct sweep_daemon *daemon;

        jobs_read_claim(result, i, &row);
        daemon = sweep_find_daemon(sweep, row.daemon);
        if (daemon == NULL) { /* cannot be: it was not asked for */
            job_clear(&row.job);
        } else {
            sweep_claim_row(sweep, daemon, &row);
        }
    }
    for (size_t i = 0; i < sweep->daemon_count; i++) {
        sweep->daemons[i].drained = sweep->daemons[i].drained || sweep->daemons[i].asked > 0;
        sweep->daemons[i].asked = 0;
    }
}
