/* What became of the results: who took them, and what the run tells of them. */
#include "log.h"
#include "sweep_state.h"

#include <inttypes.h>
#include <string.h>

static void
sweep_count_failed(struct sweep *sweep, const struct sweep_job *job)
{
    sweep->report->totals.failed++;
    log_warning("job failed: job=%" PRId64 " daemon=%s app=%s image=%s reason=\"%s\" run=%s",
                job->job.id, job->call.daemon->lane.conf->name, job->job.appid, job->job.image_ref,
                job->result.reason, sweep->run.token);
}

static void
sweep_count(struct sweep *sweep, const struct sweep_job *job, const char *state)
{
    struct jobs_totals *totals = &sweep->report->totals;
    struct sweep_daemon *daemon = job->call.daemon;

    daemon->done++;
    if (strcmp(state, "removed") == 0) {
        totals->removed++;
        totals->bytes_freed += job->result.bytes_freed;
    } else if (strcmp(state, "untagged") == 0) {
        totals->untagged++;
    } else if (strcmp(state, "absent") == 0) {
        totals->absent++;
    } else if (strcmp(state, "failed") == 0) {
        sweep_count_failed(sweep, job);
    } else if (strcmp(state, "pending") != 0 && strcmp(state, "in_use") != 0) {
        /* Unsupported, or kept or cancelled meanwhile: done, and none of these. */
    } else if (job->result.action == JOBS_WAIT) {
        totals->in_use++;
    } else if (job->result.action == JOBS_HOLD) {
        totals->held++;
    } else if (job->result.action == JOBS_RETRY) {
        totals->retried++;
    } else {
        totals->given_back++;
        daemon->done--;
        daemon->returned++;
    }
    log_info("job %" PRId64 " %s: daemon=%s app=%s image=%s%s%s%s", job->job.id, state,
             daemon->lane.conf->name, job->job.appid, job->job.image_ref,
             job->result.reason[0] == '\0' ? "" : " reason=\"", job->result.reason,
             job->result.reason[0] == '\0' ? "" : "\"");
}

/* The delete of an image and the deploy of an app on the same engine: both may have been about the
 * same image. */
static void
sweep_tell_beside(struct sweep *sweep, const struct sweep_job *job, const char *appid)
{
    if (appid[0] != '\0') {
        sweep->report->beside++;
        log_warning(
            "a deploy of app %s began while an image was being deleted on the same engine; if it "
            "failed, deploy it again: job=%" PRId64 " daemon=%s image=%s run=%s",
            appid, job->job.id, job->call.daemon->lane.conf->name, job->job.image_ref,
            sweep->run.token);
    }
}

static void
sweep_tell(struct sweep *sweep, const struct sweep_job *job, const struct jobs_record_row *recorded)
{
    if (recorded->outcome == JOBS_LATE) {
        sweep->report->totals.late++;
        job->call.daemon->returned++;
        log_warning("result came too late and changed nothing: job=%" PRId64
                    " image=%s result=%s state=%s run=%s",
                    job->job.id, job->job.image_ref, verdict_state_name(job->result.state),
                    recorded->state, sweep->run.token);
    } else {
        sweep_count(sweep, job, recorded->state);
        sweep_tell_beside(sweep, job, recorded->beside);
    }
}

void
sweep_recorded(struct sweep *sweep, const struct db_result *result)
{
    struct jobs_record_row recorded[SWEEP_RECORD_COUNT];
    struct jobs_result *results[SWEEP_RECORD_COUNT];
    struct sweep_job *job;
    size_t count = 0;
    struct err err;

    for (job = sweep->recording.first; job != NULL; job = job->next) {
        results[count++] = &job->result;
    }
    if (!jobs_read_record(result, results, count, recorded, &err)) {
        sweep_not_recorded(sweep, &err); /* what was recorded all the same is told so then */
        return;
    }
    for (size_t i = 0; (job = sweep_list_pop(&sweep->recording)) != NULL; i++) {
        sweep_tell(sweep, job, &recorded[i]);
        sweep_job_free(job);
    }
    if (sweep->results.count == 0) {
        sweep->record_max = SWEEP_RECORD_COUNT;
        sweep->alone = false;
    }
}
