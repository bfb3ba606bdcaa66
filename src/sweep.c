#include "sweep.h"

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "sig.h"
#include "sweep_state.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* How long the loop sleeps at most, so that limits and signals are seen (milliseconds). */
#define SWEEP_NAP_MS 1000

/* How long results are still offered to a database that is away, after the hard limit. */
#define SWEEP_LAST_WORDS_MS 10000

void
sweep_list_push(struct sweep_list *list, struct sweep_job *job)
{
    job->next = NULL;
    if (list->last == NULL) {
        list->first = job;
    } else {
        list->last->next = job;
    }
    list->last = job;
    list->count++;
}

void
sweep_list_push_first(struct sweep_list *list, struct sweep_job *job)
{
    job->next = list->first;
    list->first = job;
    if (list->last == NULL) {
        list->last = job;
    }
    list->count++;
}

struct sweep_job *
sweep_list_pop(struct sweep_list *list)
{
    struct sweep_job *job = list->first;

    if (job != NULL) {
        list->first = job->next;
        if (list->first == NULL) {
            list->last = NULL;
        }
        job->next = NULL;
        list->count--;
    }
    return job;
}

void
sweep_list_move(struct sweep_list *to, struct sweep_list *from)
{
    struct sweep_job *job;

    while ((job = sweep_list_pop(from)) != NULL) {
        sweep_list_push(to, job);
    }
}

void
sweep_fail(struct sweep *sweep, const struct err *err)
{
    if (sweep->failure.kind == ERR_NONE) {
        sweep->failure = *err;
    }
    sweep->closing = true;
}

static bool
sweep_open(struct sweep *sweep, struct err *err)
{
    const struct conf *conf = sweep->conf;

    if (!jobs_make_token(sweep->run.token, err)) {
        return false;
    }
    if (gethostname(sweep->run.host, sizeof sweep->run.host - 1) != 0) {
        (void)snprintf(sweep->run.host, sizeof sweep->run.host, "unknown");
    }
    sweep->run.pid = (int)getpid();
    (void)snprintf(sweep->run.claimed_by, sizeof sweep->run.claimed_by, "%s:%d", sweep->run.host,
                   sweep->run.pid);
    (void)snprintf(sweep->report->token, sizeof sweep->report->token, "%s", sweep->run.token);
    sweep->enabled = conf->enabled;
    sweep->grace_hours = conf->grace_hours;
    sweep->claims_left = sweep->options->max_jobs == 0 ? -1 : sweep->options->max_jobs;
    sweep->record_max = SWEEP_RECORD_COUNT;
    sweep->confirm_max = SWEEP_AHEAD_MAX;
    sweep->hello_due = true;
    /* Whoever asks for more than what is due has to be told more than that nothing is. */
    sweep->begin_due =
        !conf->follow_nextcloud && sweep->options->daemon == NULL && !sweep->options->observe_only;
    return true;
}

static bool
sweep_has_work(const struct sweep *sweep)
{
    size_t waiting = sweep->confirm.count + sweep->confirming.count + sweep->results.count +
                     sweep->recording.count;

    /* What the database is asked is waited for: a claim under way would else be lost until its
     * lease ends. */
    if (waiting > 0 || sweep->step_busy || (sweep->http != NULL && http_active(sweep->http) > 0)) {
        return true;
    }
    for (size_t i = 0; i < sweep->daemon_count; i++) {
        const struct sweep_daemon *daemon = &sweep->daemons[i];

        if (daemon->held > 0 || (!sweep->closing && daemon->looking > 0) ||
            sweep_may_claim(sweep, daemon)) {
            return true;
        }
    }
    return !sweep->closing && (sweep->reconcile_due || (!sweep->found && sweep->claims_left != 0));
}

static void
sweep_give_back_all(struct sweep *sweep, const char *reason)
{
    for (size_t i = 0; i < sweep->daemon_count; i++) {
        sweep_give_back(sweep, &sweep->daemons[i], reason);
        sweep_drop_looks(&sweep->daemons[i]);
    }
}

static void
sweep_close_claims(struct sweep *sweep, const char *why)
{
    if (!sweep->closing) {
        sweep->closing = true;
        log_info("no more claims: %s run=%s", why, sweep->run.token);
    }
}

/* The soft limit and the first signal end claiming, the hard one ends requests. */
static void
sweep_check_limits(struct sweep *sweep)
{
    int64_t spent = clock_boot_ms() - sweep->began_ms;

    if (sig_stops() > 0) {
        sweep_close_claims(sweep, "stopped by a signal");
    } else if (spent >= sweep->conf->soft_limit_ms) {
        sweep_close_claims(sweep, "soft limit");
    }
    if (!sweep->aborting && (sig_stops() > 1 || spent >= sweep->conf->hard_limit_ms)) {
        sweep->aborting = true;
        sweep_close_claims(sweep, "hard limit");
        if (sweep->http != NULL) {
            http_abort_all(sweep->http);
        }
    }
    if (sweep->aborting || sweep->failure.kind != ERR_NONE) {
        sweep_give_back_all(sweep, "the run had to end before its turn came");
    }
}

/* After the hard limit the database is offered the results for a little longer only. */
static bool
sweep_is_over(const struct sweep *sweep)
{
    int64_t over = clock_boot_ms() - sweep->began_ms - sweep->conf->hard_limit_ms;

    return sweep->aborting &&
           (over > SWEEP_LAST_WORDS_MS || (sig_stops() > 1 && !db_is_open(sweep->db)));
}

/* For the database and, while requests are under way, for these. Where libcurl fails they end, and
 * the run with them; but what they did before is recorded all the same. */
static void
sweep_wait(struct sweep *sweep)
{
    /* An idle connection that ended is readable for ever, and nobody reads it. */
    int fd = sweep->step_busy ? db_fd(sweep->db) : -1;
    bool writing = db_is_open(sweep->db) && db_wants_write(sweep->db);
    bool soon = sweep->results.count > 0 || sweep->reconnect_wait_ms > 0;
    int64_t nap = soon ? SWEEP_RECORD_MS / 4 : SWEEP_NAP_MS;
    int most = (int)(sweep->options->watcher != NULL && nap > SWEEP_LOOK_MS ? SWEEP_LOOK_MS : nap);
    struct pollfd poll_fd = {.fd = fd, .events = (short)(POLLIN | (writing ? POLLOUT : 0))};
    struct err err;

    if (sweep->http == NULL || http_active(sweep->http) == 0) {
        (void)poll(&poll_fd, 1, most); /* a signal ends it, and the loop looks */
    } else if (!http_wait(sweep->http, fd, writing, most, &err)) {
        sweep_fail(sweep, &err);
        http_abort_all(sweep->http);
    }
}

static void
sweep_loop(struct sweep *sweep)
{
    for (;;) {
        bool idle;

        sweep_db_reconnect(sweep);
        sweep_check_limits(sweep);
        sweep_start(sweep); /* nothing blocks between this decision and the requests */
        /* A daemon that keeps its /info to itself is nothing that results should wait for. */
        idle = sweep->http == NULL || http_active(sweep->http) == sweep->asking;
        sweep_db_send(sweep, idle || sweep->aborting);
        if (sweep_open_http(sweep)) {
            continue; /* looks need nothing of the database: they start at once */
        }
        if (sweep->options->watcher != NULL) {
            sweep_show(sweep);
        }
        if (!sweep_has_work(sweep) || sweep_is_over(sweep)) {
            return;
        }
        sweep_wait(sweep);
        sweep_db_advance(sweep);
    }
}

static bool
sweep_left_work(const struct sweep *sweep)
{
    bool limited = sweep->closing || sweep->claims_left == 0;

    if (sweep->cut_short) {
        return true;
    }
    for (size_t i = 0; limited && i < sweep->daemon_count; i++) {
        const struct sweep_daemon *daemon = &sweep->daemons[i];

        if (sweep_has_more(daemon)) {
            return true;
        }
    }
    return limited && !sweep->found;
}

static int
sweep_exit_code(const struct sweep *sweep)
{
    const struct sweep_report *report = sweep->report;

    if (sweep->failure.kind != ERR_NONE) {
        return err_exit_code(sweep->failure.kind);
    }
    if (report->unrecorded > 0) {
        return EXIT_CODE_UNAVAILABLE;
    }
    if (report->left_work) {
        return EXIT_CODE_LEFT_WORK;
    }
    if (report->totals.failed > 0 || report->daemons_stopped > 0 || report->daemons_unknown > 0 ||
        report->beside > 0) {
        return EXIT_CODE_ATTENTION;
    }
    return EXIT_CODE_OK;
}

/* What the database never took is told, so that nothing is lost without a trace. Its rows come
 * back when their leases end; a repeated delete finds the image gone. */
static void
sweep_drop(struct sweep *sweep)
{
    struct sweep_job *job;

    sweep_list_move(&sweep->results, &sweep->recording);
    while ((job = sweep_list_pop(&sweep->results)) != NULL) {
        log_error("not recorded: job=%" PRId64 " image=%s result=%s reason=\"%s\"", job->job.id,
                  job->job.image_ref, verdict_state_name(job->result.state), job->result.reason);
        sweep->report->unrecorded++;
        sweep_job_free(job);
    }
    sweep_list_move(&sweep->confirm, &sweep->confirming);
    while ((job = sweep_list_pop(&sweep->confirm)) != NULL) {
        sweep_job_free(job);
    }
    for (size_t i = 0; i < sweep->daemon_count; i++) {
        while ((job = sweep_list_pop(&sweep->daemons[i].queue)) != NULL) {
            sweep_job_free(job);
        }
    }
}

bool
sweep_run(struct db *db, const struct conf *conf, const struct sweep_options *options,
          struct sweep_report *ret_report, struct err *err)
{
    struct sweep sweep = {.conf = conf,
                          .options = options,
                          .db = db,
                          .report = ret_report,
                          .began_ms = clock_boot_ms()};

    memset(ret_report, 0, sizeof *ret_report);
    if (!sweep_open(&sweep, err)) {
        ret_report->exit_code = err_exit_code(err->kind);
        return false;
    }
    sweep_loop(&sweep);
    if (sweep.http != NULL) {
        http_abort_all(sweep.http);
    }
    sweep_drop(&sweep);
    ret_report->left_work = sweep_left_work(&sweep);
    ret_report->duration_ms = clock_boot_ms() - sweep.began_ms;
    ret_report->exit_code = sweep_exit_code(&sweep);
    if (ret_report->worked || sweep.alarm_due) {
        sweep_db_finish(&sweep);
    }
    http_close(sweep.http);
    sweep_free_looks(&sweep);
    mem_free(sweep.daemons);
    roster_free(sweep.roster);
    *err = sweep.failure;
    return sweep.failure.kind == ERR_NONE;
}

int64_t
sweep_report_done(const struct sweep_report *report)
{
    const struct jobs_totals *totals = &report->totals;

    return totals->removed + totals->untagged + totals->absent + totals->in_use + totals->held +
           totals->retried + totals->failed;
}

void
sweep_report_add(struct sweep_report *sum, const struct sweep_report *report)
{
    struct jobs_totals *to = &sum->totals;
    const struct jobs_totals *from = &report->totals;

    to->claimed += from->claimed;
    to->removed += from->removed;
    to->untagged += from->untagged;
    to->absent += from->absent;
    to->in_use += from->in_use;
    to->held += from->held;
    to->retried += from->retried;
    to->failed += from->failed;
    to->given_back += from->given_back;
    to->late += from->late;
    to->bytes_freed += from->bytes_freed;
    sum->planned += report->planned;
    sum->observed += report->observed;
    sum->beside += report->beside;
    sum->daemons_stopped += report->daemons_stopped;
    sum->daemons_unknown += report->daemons_unknown;
    sum->unrecorded += report->unrecorded;
    sum->left_work = sum->left_work || report->left_work;
    sum->worked = sum->worked || report->worked;
    if (report->duration_ms > sum->duration_ms) {
        sum->duration_ms = report->duration_ms;
    }
}
