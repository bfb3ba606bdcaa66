#include "clock.h"
#include "log.h"
#include "mem.h"
#include "sweep_state.h"

#include <inttypes.h>
#include <string.h>

/* Waits between attempts to reach the database again (milliseconds). */
#define SWEEP_RECONNECT_FIRST_MS 100
#define SWEEP_RECONNECT_MAX_MS 5000

/* A database that takes longer than this for an answer is given up (milliseconds). */
#define SWEEP_ANSWER_MS 30000

/* How long the last exchange may take, and how much history it prunes at once. */
#define SWEEP_FINISH_MS 15000
#define SWEEP_PRUNE_ROWS 1000

/* Times that it is tried: another run may have been in its way. */
#define SWEEP_FINISH_TRIES 5

static void
sweep_take_back_results(struct sweep *sweep)
{
    struct sweep_list results = sweep->recording;

    memset(&sweep->recording, 0, sizeof sweep->recording);
    sweep_list_move(&results, &sweep->results);
    sweep->results = results;
}

/* Puts back what else an exchange carried that did not happen. */
static void
sweep_take_back_others(struct sweep *sweep)
{
    sweep_list_move(&sweep->confirm, &sweep->confirming);
    sweep_unobserve(sweep);
    for (size_t i = 0; i < sweep->daemon_count && sweep->step_seen >= 0; i++) {
        sweep->daemons[i].noted = false;
    }
}

/* The database was lost, or wants the same once more: after a while that grows. */
static void
sweep_try_again(struct sweep *sweep, const struct err *err)
{
    if (sweep->reconnect_wait_ms == 0 && (sweep->hello_ok || err->kind == ERR_DB_AGAIN)) {
        log_warning("%s; trying again run=%s", err->text, sweep->run.token);
    } else if (!sweep->hello_ok) {
        sweep_fail(sweep, err); /* nothing was claimed yet: cron tries again */
    }
    sweep->reconnect_wait_ms =
        sweep->reconnect_wait_ms == 0 ? SWEEP_RECONNECT_FIRST_MS : sweep->reconnect_wait_ms * 2;
    if (sweep->reconnect_wait_ms > SWEEP_RECONNECT_MAX_MS) {
        sweep->reconnect_wait_ms = SWEEP_RECONNECT_MAX_MS;
    }
    sweep->reconnect_at_ms = clock_boot_ms() + sweep->reconnect_wait_ms;
}

void
sweep_not_recorded(struct sweep *sweep, const struct err *err)
{
    size_t results = sweep->recording.count;

    sweep_take_back_results(sweep);
    if (!sweep->alone) {
        sweep->alone = true; /* find out which statement it was */
    } else if (results > 1) {
        sweep->record_max = 1; /* one bad result must not take the others with it */
    } else {
        struct sweep_job *job = sweep_list_pop(&sweep->results);

        log_error("not recorded: job=%" PRId64 " reason=\"%s\" error=\"%s\" run=%s", job->job.id,
                  job->result.reason, err->text, sweep->run.token);
        sweep->report->unrecorded++;
        sweep_job_free(job);
        sweep->alone = sweep->results.count > 0;
    }
}

static void
sweep_broken(struct sweep *sweep, const struct err *err)
{
    bool of_looks =
        sweep->step_observed >= 0 && err->kind != ERR_DB_LOST && err->kind != ERR_DB_AGAIN;

    if (of_looks && sweep->looks_alone) {
        sweep_drop_observing(sweep, err);
    }
    sweep_take_back_others(sweep);
    if (of_looks) { /* whether it was about one of them is found out */
        sweep->looks_alone = true;
        sweep_take_back_results(sweep);
        return;
    }
    if (err->kind == ERR_DB_LOST || err->kind == ERR_DB_AGAIN) {
        if (err->kind == ERR_DB_AGAIN && sweep->reconnect_wait_ms > 0 &&
            sweep->recording.count > 0) {
            sweep->alone = true; /* somebody may hold the row of one: the others go before it */
            sweep->record_max = 1;
            sweep_list_move(&sweep->results, &sweep->recording);
        }
        sweep_take_back_results(sweep);
        sweep_try_again(sweep, err);
        return;
    }
    if (sweep->step_count >= 0) { /* nobody's work rests on it: the rest once more, without it */
        sweep_take_back_results(sweep);
        return;
    }
    sweep->seen_failures += sweep->step_seen >= 0;
    if (sweep->recording.count > 0) {
        sweep_not_recorded(sweep, err);
    } else {
        sweep_fail(sweep, err); /* no more claims; what is done is recorded all the same */
    }
}

void
sweep_db_reconnect(struct sweep *sweep)
{
    struct err err;

    if (sweep->step_busy || db_is_open(sweep->db) || clock_boot_ms() < sweep->reconnect_at_ms) {
        return;
    }
    sweep->hello_due = true; /* it may be another server now, which lost the latest claims */
    for (size_t i = 0; i < sweep->daemon_count; i++) {
        sweep->daemons[i].after_id = 0;
    }
    if (!db_reopen(sweep->db, &err)) {
        err.kind = ERR_DB_LOST;
        sweep_broken(sweep, &err);
    }
}

static bool
sweep_claims_more(const struct sweep *sweep)
{
    size_t at = 0;

    while (at < sweep->daemon_count && !sweep_may_claim(sweep, &sweep->daemons[at])) {
        at++;
    }
    return at < sweep->daemon_count;
}

/* Whether it is time to record: results are batched, but not for long. along: something else is
 * said anyway. */
static bool
sweep_record_is_due(const struct sweep *sweep, bool force, bool along)
{
    const struct sweep_job *oldest = sweep->results.first;
    size_t enough = along                      ? SWEEP_RECORD_ALONG
                    : sweep_claims_more(sweep) ? SWEEP_RECORD_COUNT
                                               : SWEEP_RECORD_LAST;

    return oldest != NULL &&
           (force || sweep->alone || sweep->record_max == 1 || sweep->results.count >= enough ||
            clock_boot_ms() - oldest->ended_ms >= SWEEP_RECORD_MS);
}

/* All but the greeting and the results. */
static void
sweep_add_asked(struct sweep *sweep, struct sweep_steps *steps)
{
    sweep->looks_alone = sweep->looks_alone && sweep->looked != NULL;
    if (sweep->looks_alone) {
        sweep_add_observed(sweep, steps);
    } else if (!sweep->alone) {
        sweep_add_confirm(sweep, steps);
        sweep_add_find(sweep, steps);
        sweep_add_reconcile(sweep, steps);
        sweep_add_observed(sweep, steps);
        if (sweep->options->watcher != NULL) {
            sweep_add_count(sweep, steps); /* before the claim, which takes from what it counts */
        }
        sweep_add_claim(sweep, steps);
        sweep_add_seen(sweep, steps, false);
    }
}

void
sweep_db_send(struct sweep *sweep, bool force)
{
    struct sweep_steps steps = {.count = 0};
    struct err err;

    if (sweep->step_busy || !db_is_open(sweep->db) || clock_boot_ms() < sweep->reconnect_at_ms) {
        return;
    }
    sweep->step_hello = sweep->step_news = sweep->step_settings = sweep->step_find =
        sweep->step_reconcile = sweep->step_observed = sweep->step_record = sweep->step_confirm =
            sweep->step_claim = sweep->step_seen = sweep->step_count = -1;
    if (sweep->hello_due) {
        sweep->step_hello = sweep_add_step(&steps);
        /* All that most runs ask: to set anything would cost more. */
        steps.steps[sweep->step_hello].plain = true;
        steps.steps[sweep->step_hello].sql = jobs_hello(&steps.args[sweep->step_hello]);
    }
    sweep_add_asked(sweep, &steps);
    if (!sweep->looks_alone && sweep_record_is_due(sweep, force, steps.count > 0)) {
        sweep_add_record(sweep, &steps);
    }
    if (steps.count == 0 || (steps.count == 1 && sweep->step_hello >= 0 && sweep->closing)) {
        sweep_clear_steps(&steps); /* a greeting alone, at the end */
        return;
    }
    sweep->wall_sent_ms = clock_wall_ms();
    sweep->confirms_only = steps.count == 1 && sweep->step_confirm >= 0;
    if (db_send(sweep->db, steps.steps, (size_t)steps.count, &err)) {
        sweep->step_busy = true;
    } else {
        sweep_broken(sweep, &err);
    }
    sweep_clear_steps(&steps);
}

static void
sweep_take(struct sweep *sweep, int step, void (*act)(struct sweep *, const struct db_result *))
{
    if (step >= 0) {
        struct db_result *result = db_take(sweep->db, (size_t)step);

        act(sweep, result);
        db_result_free(result);
    }
}

static void
sweep_take_news(struct sweep *sweep)
{
    struct db_result *news;
    struct db_result *found = NULL;

    if (sweep->step_news < 0) {
        return;
    }
    news = db_take(sweep->db, (size_t)sweep->step_news);
    if (sweep->step_find >= 0) {
        found = db_take(sweep->db, (size_t)sweep->step_find);
    }
    sweep_learn(sweep, news, found);
    db_result_free(news);
    db_result_free(found);
}

static void
sweep_reconciled(struct sweep *sweep, const struct db_result *result)
{
    sweep->reconcile_due = false;
    sweep->report->worked = true;
    log_info("apps that were removed while nobody told: %s", db_text(result, 0, 0));
}

void
sweep_db_advance(struct sweep *sweep)
{
    struct err err;

    if (!sweep->step_busy) {
        return;
    }
    switch (db_advance(sweep->db, &err)) {
    case DB_BUSY:
        if (clock_boot_ms() - db_sent_at(sweep->db) < SWEEP_ANSWER_MS || db_has_input(sweep->db)) {
            return;
        }
        db_drop(sweep->db);
        (void)err_set(&err, ERR_DB_LOST, "database: no answer within %d s", SWEEP_ANSWER_MS / 1000);
        sweep->step_busy = false;
        sweep_broken(sweep, &err);
        break;
    case DB_BROKEN:
        sweep->step_busy = false;
        sweep_broken(sweep, &err);
        break;
    case DB_IDLE:
    case DB_FINISHED:
        sweep->step_busy = false;
        sweep->reconnect_wait_ms = 0;
        sweep_take(sweep, sweep->step_hello, sweep_check_hello);
        sweep_take(sweep, sweep->step_confirm, sweep_confirmed);
        sweep_take(sweep, sweep->step_record, sweep_recorded);
        sweep_take(sweep, sweep->step_settings, sweep_follow);
        sweep_take_news(sweep);
        sweep_take(sweep, sweep->step_reconcile, sweep_reconciled);
        sweep_take(sweep, sweep->step_observed, sweep_observed);
        sweep_take(sweep, sweep->step_count, sweep_counted);
        sweep_take(sweep, sweep->step_claim, sweep_claimed);
        break;
    }
}

static void
sweep_note(const struct sweep *sweep, struct buf *note)
{
    buf_init(note, 2000);
    if (sweep->failure.kind != ERR_NONE) {
        (void)buf_printf(note, "%s; ", sweep->failure.text);
    } else if (sweep->report->left_work) {
        (void)buf_add_text(note, "ended early by a limit or a signal; ");
    }
    for (size_t i = 0; i < sweep->daemon_count; i++) {
        const struct sweep_daemon *daemon = &sweep->daemons[i];

        if (daemon->lane.gate == LANE_STOPPED) {
            (void)buf_printf(note, "daemon %s stopped: %s; ", daemon->lane.conf->name,
                             daemon->lane.reason);
        }
    }
    if (note->length >= 2) { /* without the last "; " */
        note->length -= 2;
        note->data[note->length] = '\0';
    }
}

/* A few old rows less; Nextcloud's side only where it is watched. */
static void
sweep_add_prune(const struct sweep *sweep, struct sweep_steps *steps)
{
    int64_t days = sweep->conf->history_days;
    int index = sweep_add_step(steps);

    steps->steps[index].sql = jobs_prune(&steps->args[index], days, SWEEP_PRUNE_ROWS);
    index = sweep_add_step(steps);
    steps->steps[index].sql = jobs_prune_runs(&steps->args[index], days, SWEEP_PRUNE_ROWS);
    if (sweep->nextcloud) {
        index = sweep_add_step(steps);
        steps->steps[index].sql = jobs_prune_images(&steps->args[index], days, SWEEP_PRUNE_ROWS,
                                                    sweep->conf->keep_previous);
        index = sweep_add_step(steps);
        steps->steps[index].sql = jobs_prune_intake(&steps->args[index], days);
    }
}

/* The run's own row. */
static void
sweep_add_row(const struct sweep *sweep, struct sweep_steps *steps)
{
    int index = sweep_add_step(steps);
    struct buf note;

    sweep_note(sweep, &note);
    steps->steps[index].sql = jobs_run_finished(
        &steps->args[index], &sweep->run, sweep->report->duration_ms, sweep->report->exit_code,
        &sweep->report->totals, note.length == 0 ? NULL : buf_text(&note));
    buf_free(&note);
}

void
sweep_db_finish(struct sweep *sweep)
{
    const char *lost = sweep->report->worked ? "the run leaves no row"
                                             : "no alarm is set, so that the next run looks again";
    struct sweep_steps steps = {.count = 0};
    struct err err;
    int prunes = 0; /* steps, the first ones */
    int first = 0;
    int tries = 1;
    int index;

    if (!db_is_open(sweep->db) && !db_reopen(sweep->db, &err)) {
        log_warning("%s: %s", lost, err.text);
        return;
    }
    if (sweep->report->worked) {
        sweep_add_prune(sweep, &steps);
        prunes = steps.count;
        sweep_add_seen(sweep, &steps, true);
        sweep_add_row(sweep, &steps);
    }
    index = sweep_add_step(&steps);
    steps.steps[index].sql = jobs_set_alarm(&steps.args[index]);
    while (!db_exchange(sweep->db, &steps.steps[first], (size_t)(steps.count - first),
                        SWEEP_FINISH_MS, &err)) {
        if (first < prunes && (err.kind == ERR_DB || err.kind == ERR_SCHEMA)) {
            /* A table of somebody's that refers to an old row keeps that row, and nothing else. */
            log_warning("no old rows are removed: %s", err.text);
            first = prunes;
        } else if (err.kind != ERR_DB_AGAIN || tries++ == SWEEP_FINISH_TRIES) {
            log_warning("%s: %s", lost, err.text);
            break;
        }
    }
    sweep_clear_steps(&steps);
}
