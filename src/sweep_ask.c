/* What a run says to the database: the steps of an exchange. */
#include "clock.h"
#include "sweep_state.h"

#include <stdlib.h>
#include <string.h>

int
sweep_add_step(struct sweep_steps *steps)
{
    int index = steps->count++;

    steps->steps[index].args = &steps->args[index];
    return index;
}

void
sweep_clear_steps(struct sweep_steps *steps)
{
    for (int i = 0; i < steps->count; i++) {
        db_args_clear(&steps->args[i]);
    }
}

/* Jobs to claim ahead of the places that are free: what starts within a second at the speed that
 * was measured, nothing before there is a measure. */
static int
sweep_ahead(int64_t places, int64_t mean_ms)
{
    int64_t ahead = mean_ms == 0 || mean_ms >= 1000 ? 0 : places * 1000 / mean_ms;

    return (int)(ahead > SWEEP_AHEAD_MAX ? SWEEP_AHEAD_MAX : ahead);
}

bool
sweep_has_more(const struct sweep_daemon *daemon)
{
    return daemon->due && !daemon->drained && daemon->lane.gate != LANE_STOPPED;
}

bool
sweep_may_claim(const struct sweep *sweep, const struct sweep_daemon *daemon)
{
    return !sweep->closing && sweep->claims_left != 0 && sweep_has_more(daemon);
}

/* How many jobs to ask for from this daemon now. */
static int
sweep_want(const struct sweep *sweep, const struct sweep_daemon *daemon)
{
    int ahead;
    int want;

    if (!sweep_has_more(daemon) || !sweep_engine_is_seen(sweep, daemon)) {
        return 0;
    }
    if (daemon->entry->unsupported) { /* nothing is asked for them */
        return SWEEP_AHEAD_MAX - daemon->held;
    }
    if (daemon->lane.gate == LANE_PROVING) { /* ready for the moment in which its job succeeds */
        return daemon->lane.conf->max_parallel - daemon->held;
    }
    if (daemon->lane.gate != LANE_OPEN) {
        return daemon->held == 0 && daemon->lane.active == 0 ? 1 : 0;
    }
    ahead = sweep_ahead(daemon->lane.conf->max_parallel, daemon->mean_ms);
    if (ahead > SWEEP_AHEAD_GROWTH * daemon->claimed) {
        ahead = (int)(SWEEP_AHEAD_GROWTH * daemon->claimed);
    }
    want = daemon->lane.conf->max_parallel + ahead - daemon->held;
    return want > ahead / 2 ? want : 0; /* in batches, not one by one */
}

/* How many jobs the whole run may claim now. */
static int64_t
sweep_budget(const struct sweep *sweep)
{
    int64_t budget =
        sweep->conf->max_parallel + sweep_ahead(sweep->conf->max_parallel, sweep->mean_ms);

    for (size_t i = 0; i < sweep->daemon_count; i++) {
        budget -= sweep->daemons[i].held;
    }
    if (sweep->claims_left >= 0 && budget > sweep->claims_left) {
        budget = sweep->claims_left;
    }
    return budget;
}

void
sweep_add_find(struct sweep *sweep, struct sweep_steps *steps)
{
    if (sweep->found || sweep->closing || sweep->begin_due) {
        return;
    }
    sweep->step_news = sweep_add_step(steps);
    steps->steps[sweep->step_news].sql = jobs_news(&steps->args[sweep->step_news]);
    if (sweep->conf->follow_nextcloud) {
        sweep->step_settings = sweep_add_step(steps);
        steps->steps[sweep->step_settings].sql = jobs_settings(&steps->args[sweep->step_settings]);
    }
    if (!sweep->options->observe_only) {
        sweep->step_find = sweep_add_step(steps);
        steps->steps[sweep->step_find].sql = jobs_find(&steps->args[sweep->step_find]);
    }
}

void
sweep_add_reconcile(struct sweep *sweep, struct sweep_steps *steps)
{
    if (sweep->reconcile_due && !sweep->closing) {
        sweep->step_reconcile = sweep_add_step(steps);
        steps->steps[sweep->step_reconcile].sql =
            jobs_reconcile(&steps->args[sweep->step_reconcile]);
    }
}

static struct jobs_guards
sweep_guards(const struct sweep *sweep)
{
    return (struct jobs_guards){.keep_previous = sweep->conf->keep_previous,
                                .protect_unpullable = sweep->conf->protect_unpullable,
                                .by_name = !sweep->conf->verify};
}

/* Where to go on: jobs become due behind the last one, or, as new ones do, the next run finds them.
 */
static void
sweep_array_after(struct jobs_ask *ask, const struct sweep_daemon *daemon)
{
    db_array_int_or_null(&ask->after_us, daemon->after_us, daemon->after_id != 0);
    db_array_int_or_null(&ask->after_ids, daemon->after_id, daemon->after_id != 0);
}

void
sweep_add_claim(struct sweep *sweep, struct sweep_steps *steps)
{
    struct jobs_ask ask = {.app = sweep->options->app,
                           .enabled = sweep->enabled,
                           .grace_hours = sweep->grace_hours,
                           .lease_ms = sweep->conf->lease_ms,
                           .max_failures = sweep->conf->max_failures,
                           .guards = sweep_guards(sweep)};
    int64_t budget = sweep_budget(sweep);
    bool any = false;

    for (size_t i = 0; i < sweep->daemon_count; i++) {
        sweep->daemons[i].asked = 0; /* in a claim that failed */
    }
    for (size_t i = 0; i < sweep->daemon_count && !sweep->closing && budget > 0; i++) {
        struct sweep_daemon *daemon = &sweep->daemons[(sweep->turn + i) % sweep->daemon_count];
        int want = sweep_want(sweep, daemon);

        daemon->asked = want > budget ? (int)budget : want;
        if (daemon->asked == 0) {
            continue;
        }
        if (!any) {
            db_array_begin(&ask.daemons);
            db_array_begin(&ask.slots);
            db_array_begin(&ask.after_us);
            db_array_begin(&ask.after_ids);
        }
        any = true;
        budget -= daemon->asked;
        db_array_text(&ask.daemons, daemon->lane.conf->name);
        db_array_int(&ask.slots, daemon->asked);
        sweep_array_after(&ask, daemon);
    }
    if (any) {
        sweep->step_claim = sweep_add_step(steps);
        steps->steps[sweep->step_claim].again = true;
        steps->steps[sweep->step_claim].sql =
            jobs_claim(&steps->args[sweep->step_claim], &sweep->run, ++sweep->claim, &ask);
    }
}

void
sweep_add_confirm(struct sweep *sweep, struct sweep_steps *steps)
{
    const struct jobs_guards guards = sweep_guards(sweep);
    struct jobs_confirmation ask;
    int index;

    if (sweep->confirm.count == 0) {
        return;
    }
    while (sweep->confirm.count > 0 && sweep->confirming.count < sweep->confirm_max) {
        sweep_list_push(&sweep->confirming, sweep_list_pop(&sweep->confirm));
    }
    db_array_begin(&ask.tokens);
    db_array_begin(&ask.ids);
    db_array_begin(&ask.attempts);
    db_array_begin(&ask.images);
    for (const struct sweep_job *job = sweep->confirming.first; job != NULL; job = job->next) {
        jobs_array_token(&ask.tokens, &sweep->run, job->job.claim);
        db_array_int(&ask.ids, job->job.id);
        db_array_int(&ask.attempts, job->job.attempt);
        db_array_text(&ask.images, job->image_id[0] == '\0' ? NULL : job->image_id);
    }
    index = sweep_add_step(steps);
    steps->steps[index].sql = jobs_confirm(&steps->args[index], &ask, &guards);
    steps->steps[index].again = true;
    sweep->step_confirm = index;
}

struct sweep_numbered {
    int64_t number;
    struct sweep_job *job;
};

static int
sweep_compare_numbers(const void *left, const void *right)
{
    const struct sweep_numbered *one = left;
    const struct sweep_numbered *other = right;

    return (one->number > other->number) - (one->number < other->number);
}

/* In the order of their numbers, in which everybody locks rows: two who want several never wait for
 * each other. */
void
sweep_add_record(struct sweep *sweep, struct sweep_steps *steps)
{
    const struct jobs_limits limits = {.in_use_recheck_hours = sweep->conf->in_use_recheck_hours,
                                       .in_use_max_rechecks = sweep->conf->in_use_max_rechecks,
                                       .max_failures = sweep->conf->max_failures};
    struct sweep_numbered jobs[SWEEP_RECORD_COUNT] = {{0}};
    struct jobs_result *results[SWEEP_RECORD_COUNT];
    size_t count = 0;
    int index;

    while (count < sweep->record_max && sweep->results.count > 0) {
        struct sweep_job *job = sweep_list_pop(&sweep->results);

        jobs[count++] = (struct sweep_numbered){.number = job->job.id, .job = job};
    }
    qsort(jobs, count, sizeof jobs[0], sweep_compare_numbers);
    for (size_t i = 0; i < count; i++) {
        results[i] = &jobs[i].job->result;
        sweep_list_push(&sweep->recording, jobs[i].job);
    }
    index = sweep_add_step(steps);
    steps->steps[index].sql =
        jobs_record(&steps->args[index], &sweep->run, results, count, &limits);
    steps->steps[index].again = true;
    sweep->step_record = index;
}

static void
sweep_see(const struct sweep_daemon *daemon, struct jobs_daemon_seen *seen)
{
    const struct lane *lane = &daemon->lane;
    bool stopped = lane->gate == LANE_STOPPED;

    db_array_text(&seen->names, lane->conf->name);
    db_array_text(&seen->versions, lane->version[0] == '\0' ? NULL : lane->version);
    db_array_text(&seen->stops, stopped ? verdict_stop_name(lane->stop) : NULL);
    db_array_text(&seen->reasons, stopped ? lane->reason : NULL);
    db_array_text(&seen->hints, stopped ? lane->hint : NULL);
    db_array_int(&seen->pauses, stopped ? sweep_pause_s(lane->stop) : 0);
}

/* Whether a daemon that answered is well, as far as this run knows. One that was stopped before and
 * whose last answer was trouble again is not: one trouble stops nobody, but it ends no outage. */
static bool
sweep_is_well(const struct sweep_daemon *daemon)
{
    return daemon->lane.version[0] != '\0' &&
           (daemon->lane.troubles == 0 || daemon->known_stop[0] == '\0');
}

void
sweep_add_seen(struct sweep *sweep, struct sweep_steps *steps, bool all)
{
    struct jobs_daemon_seen seen;
    bool any = false;
    int index;

    for (size_t i = 0; i < sweep->daemon_count; i++) {
        struct sweep_daemon *daemon = &sweep->daemons[i];

        if (daemon->noted || sweep->seen_failures >= SWEEP_SEEN_TRIES ||
            !(daemon->lane.gate == LANE_STOPPED || (all && sweep_is_well(daemon)))) {
            continue;
        }
        if (!any) {
            db_array_begin(&seen.names);
            db_array_begin(&seen.versions);
            db_array_begin(&seen.stops);
            db_array_begin(&seen.reasons);
            db_array_begin(&seen.hints);
            db_array_begin(&seen.pauses);
        }
        any = true;
        daemon->noted = true;
        sweep_see(daemon, &seen);
    }
    if (any) {
        index = sweep_add_step(steps);
        steps->steps[index].sql = jobs_daemon_seen(&steps->args[index], &seen);
        sweep->step_seen = index;
    }
}
