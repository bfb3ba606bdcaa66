#include "jobs.h"

#include "mem.h"
#include "queries.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#ifndef HARPSWEEP_VERSION
#define HARPSWEEP_VERSION "dev"
#endif

bool
jobs_make_token(char ret_token[JOBS_TOKEN_SIZE], struct err *err)
{
    static const char source[] = "/dev/urandom";
    unsigned char bytes[16];
    FILE *file = fopen(source, "rb");
    size_t got;

    if (file == NULL) {
        return err_set(err, ERR_INTERNAL, "%s: %s", source, strerror(errno));
    }
    (void)setvbuf(file, NULL, _IONBF, 0); /* it would else be asked for 4 kB */
    got = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    if (got != sizeof bytes) {
        return err_set(err, ERR_INTERNAL, "%s: too few random bytes", source);
    }
    memset(bytes + 12, 0, 4); /* where its claims are counted */
    /* RFC 9562, version 4. */
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    (void)snprintf(ret_token, JOBS_TOKEN_SIZE,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", bytes[0],
                   bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7], bytes[8],
                   bytes[9], bytes[10], bytes[11], bytes[12], bytes[13], bytes[14], bytes[15]);
    return true;
}

/* The token of one of the run's claims. */
static void
jobs_claim_token(const struct jobs_run *run, uint32_t claim, char ret_token[JOBS_TOKEN_SIZE])
{
    /* As in db_array_int(): once or twice for each job, which printf() is too slow for. */
    memcpy(ret_token, run->token, JOBS_TOKEN_SIZE);
    for (int i = JOBS_TOKEN_SIZE - 2; i >= 28; i--) {
        ret_token[i] = "0123456789abcdef"[claim % 16];
        claim /= 16;
    }
}

void
jobs_array_token(struct buf *array, const struct jobs_run *run, uint32_t claim)
{
    char token[JOBS_TOKEN_SIZE];

    jobs_claim_token(run, claim, token);
    db_array_text(array, token);
}

void
job_clear(struct job *job)
{
    mem_free(job->appid);
    mem_free(job->image_ref);
    mem_free(job->image_id);
    mem_free(job->protocol);
    mem_free(job->host);
    memset(job, 0, sizeof *job);
}

static void
jobs_arg_guards(struct db_args *args, const struct jobs_guards *guards)
{
    db_arg_int(args, guards->keep_previous);
    db_arg_bool(args, guards->protect_unpullable);
    db_arg_bool(args, guards->by_name);
}

const char *
jobs_claim(struct db_args *args, const struct jobs_run *run, uint32_t claim, struct jobs_ask *ask)
{
    char token[JOBS_TOKEN_SIZE];

    jobs_claim_token(run, claim, token);
    db_arg_array(args, &ask->daemons);
    db_arg_array(args, &ask->slots);
    db_arg_text(args, ask->app);
    db_arg_bool(args, ask->enabled);
    db_arg_int(args, ask->grace_hours);
    db_arg_text(args, token);
    db_arg_text(args, run->claimed_by);
    db_arg_int(args, ask->lease_ms);
    db_arg_int(args, ask->max_failures);
    db_arg_int(args, HARPSWEEP_SCHEMA_VERSION);
    jobs_arg_guards(args, &ask->guards);
    db_arg_array(args, &ask->after_us);
    db_arg_array(args, &ask->after_ids);
    return SQL_CLAIM;
}

/* Columns of claim.sql. */
enum {
    CLAIM_KIND,
    CLAIM_DAEMON,
    CLAIM_NUMBER,
    CLAIM_ATTEMPTS,
    CLAIM_STATE,
    CLAIM_APPID,
    CLAIM_IMAGE_REF,
    CLAIM_IMAGE_ID,
    CLAIM_CHOICE,
    CLAIM_ORPHANED_AT_MS,
    CLAIM_PROTOCOL,
    CLAIM_HOST,
    CLAIM_PORT,
    CLAIM_HOLD,
    CLAIM_DELAY_S,
    CLAIM_DUE_AT_US,
};

static enum jobs_claim_kind
jobs_claim_kind(const char *kind)
{
    if (strcmp(kind, "job") == 0) {
        return JOBS_CLAIMED;
    }
    if (strcmp(kind, "ended") == 0) {
        return JOBS_ENDED;
    }
    return strcmp(kind, "planned") == 0 ? JOBS_PLANNED : JOBS_UPTO;
}

void
jobs_read_claim(const struct db_result *result, int row, uint32_t claim,
                struct jobs_claim_row *ret_row)
{
    memset(ret_row, 0, sizeof *ret_row);
    ret_row->state = db_text(result, row, CLAIM_STATE);
    ret_row->kind = jobs_claim_kind(db_text(result, row, CLAIM_KIND));
    ret_row->daemon = db_text(result, row, CLAIM_DAEMON);
    ret_row->number = db_int(result, row, CLAIM_NUMBER);
    ret_row->due_at_us = db_int(result, row, CLAIM_DUE_AT_US);
    ret_row->picked = db_int(result, row, CLAIM_ATTEMPTS);
    if (ret_row->kind == JOBS_CLAIMED) {
        struct job *job = &ret_row->job;

        job->id = ret_row->number;
        job->claim = claim;
        job->attempt = (int)db_int(result, row, CLAIM_ATTEMPTS);
        job->appid = mem_strdup(db_text(result, row, CLAIM_APPID));
        job->image_ref = mem_strdup(db_text(result, row, CLAIM_IMAGE_REF));
        job->image_id = mem_strdup(db_text_or_null(result, row, CLAIM_IMAGE_ID));
        job->explicit_now = strcmp(db_text(result, row, CLAIM_CHOICE), "now") == 0;
        job->orphaned_at_ms = db_int(result, row, CLAIM_ORPHANED_AT_MS);
        job->protocol = mem_strdup(db_text_or_null(result, row, CLAIM_PROTOCOL));
        job->host = mem_strdup(db_text_or_null(result, row, CLAIM_HOST));
        job->docker_socket_port = (int)db_int(result, row, CLAIM_PORT);
        ret_row->hold.reason = db_text_or_null(result, row, CLAIM_HOLD);
        ret_row->hold.delay_s = db_int(result, row, CLAIM_DELAY_S);
    }
}

const char *
jobs_confirm(struct db_args *args, struct jobs_confirmation *ask, const struct jobs_guards *guards)
{
    db_arg_array(args, &ask->tokens);
    db_arg_array(args, &ask->ids);
    db_arg_array(args, &ask->attempts);
    db_arg_array(args, &ask->images);
    jobs_arg_guards(args, guards);
    return SQL_CONFIRM;
}

bool
jobs_read_stands(const struct db_result *result, int row, int64_t id, struct jobs_hold *ret_hold)
{
    if (row >= db_rows(result) || db_int(result, row, 0) != id || !db_bool(result, row, 1)) {
        return false;
    }
    ret_hold->reason = db_text_or_null(result, row, 2);
    ret_hold->delay_s = db_int(result, row, 3);
    return true;
}

const char *
jobs_run_finished(struct db_args *args, const struct jobs_run *run, int64_t duration_ms,
                  int exit_code, const struct jobs_totals *totals, const char *note)
{
    const int64_t numbers[] = {totals->claimed, totals->removed,    totals->untagged,
                               totals->absent,  totals->in_use,     totals->held,
                               totals->retried, totals->failed,     totals->given_back,
                               totals->late,    totals->bytes_freed};

    db_arg_text(args, run->token);
    db_arg_text(args, run->host);
    db_arg_int(args, run->pid);
    db_arg_text(args, HARPSWEEP_VERSION);
    db_arg_int(args, duration_ms);
    db_arg_int(args, exit_code);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        db_arg_int(args, numbers[i]);
    }
    db_arg_text(args, note);
    return SQL_RUN_FINISHED;
}

const char *
jobs_daemon_seen(struct db_args *args, struct jobs_daemon_seen *seen)
{
    db_arg_array(args, &seen->names);
    db_arg_array(args, &seen->versions);
    db_arg_array(args, &seen->stops);
    db_arg_array(args, &seen->reasons);
    db_arg_array(args, &seen->hints);
    db_arg_array(args, &seen->pauses);
    return SQL_DAEMON_SEEN;
}

const char *
jobs_prune(struct db_args *args, int64_t history_days, int64_t max_rows)
{
    db_arg_int(args, history_days);
    db_arg_int(args, max_rows);
    return SQL_PRUNE;
}

const char *
jobs_prune_runs(struct db_args *args, int64_t history_days, int64_t max_rows)
{
    (void)jobs_prune(args, history_days, max_rows); /* the same parameters */
    return SQL_PRUNE_RUNS;
}

const char *
jobs_prune_images(struct db_args *args, int64_t history_days, int64_t max_rows,
                  int64_t keep_previous)
{
    db_arg_int(args, history_days);
    db_arg_int(args, max_rows);
    db_arg_int(args, keep_previous);
    return SQL_PRUNE_IMAGES;
}

const char *
jobs_prune_intake(struct db_args *args, int64_t history_days)
{
    db_arg_int(args, history_days);
    return SQL_PRUNE_INTAKE;
}

const char *
jobs_peek(struct db_args *args, const char *daemon, const char *app, bool enabled,
          int64_t grace_hours, int64_t max_rows)
{
    db_arg_text(args, daemon);
    db_arg_text(args, app);
    db_arg_bool(args, enabled);
    db_arg_int(args, grace_hours);
    db_arg_int(args, max_rows);
    return SQL_PEEK;
}
