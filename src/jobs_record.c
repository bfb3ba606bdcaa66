/* What is recorded of a job: what is sent, and whether the answer accounts for it. */
#include "jobs.h"
#include "mem.h"
#include "queries.h"

#include <inttypes.h>
#include <string.h>

/* NULL: done, as nearly all are. */
static const char *
jobs_action_name(enum jobs_action action)
{
    switch (action) {
    case JOBS_DONE:
        return NULL;
    case JOBS_WAIT:
        return "wait";
    case JOBS_HOLD:
        return "hold";
    case JOBS_RETRY:
        return "retry";
    case JOBS_FAIL:
        return "fail";
    case JOBS_RELEASE:
        break;
    }
    return "release";
}

/* The claims of results, each named once: a token is ten times as long as its place. */
struct jobs_claims {
    struct buf tokens;
    uint32_t *numbers;
    int count;
};

/* Place of a claim's token, from 1. The latest claims have the most results. */
static int
jobs_claim_place(struct jobs_claims *claims, const struct jobs_run *run, uint32_t number)
{
    int place = claims->count;

    while (place > 0 && claims->numbers[place - 1] != number) {
        place--;
    }
    if (place == 0) {
        jobs_array_token(&claims->tokens, run, number);
        claims->numbers[claims->count++] = number;
        place = claims->count;
    }
    return place;
}

const char *
jobs_record(struct db_args *args, const struct jobs_run *run, struct jobs_result *const *results,
            size_t count, const struct jobs_limits *limits)
{
    enum { CLAIM, ID, ATTEMPT, ACTION, STATE, STATUS, BYTES, REASON, DURATION, DELAY, ARRAYS };
    struct jobs_claims claims = {.numbers = mem_alloc(count, sizeof *claims.numbers)};
    struct buf arrays[ARRAYS];

    db_array_begin(&claims.tokens);
    for (size_t i = 0; i < ARRAYS; i++) {
        db_array_begin(&arrays[i]);
    }
    for (size_t i = 0; i < count; i++) {
        const struct jobs_result *result = results[i];
        bool done = result->action == JOBS_DONE;

        db_array_int(&arrays[CLAIM], jobs_claim_place(&claims, run, result->claim));
        db_array_int(&arrays[ID], result->id);
        db_array_int(&arrays[ATTEMPT], result->attempt);
        db_array_text(&arrays[ACTION], jobs_action_name(result->action));
        db_array_text(&arrays[STATE], done ? verdict_state_name(result->state) : NULL);
        db_array_int_or_null(&arrays[STATUS], result->http_status, result->http_status != 0);
        db_array_int_or_null(&arrays[BYTES], result->bytes_freed, done);
        db_array_text(&arrays[REASON], result->reason[0] == '\0' ? NULL : result->reason);
        db_array_int(&arrays[DURATION], result->duration_ms);
        db_array_int_or_null(&arrays[DELAY], result->min_delay_s, result->min_delay_s != 0);
    }
    db_arg_array(args, &claims.tokens);
    mem_free(claims.numbers);
    for (size_t i = 0; i < ARRAYS; i++) {
        db_array_trim(&arrays[i]); /* most of some are null, and the server reads each */
        db_arg_array(args, &arrays[i]);
    }
    db_arg_int(args, limits->in_use_recheck_hours);
    db_arg_int(args, limits->in_use_max_rechecks);
    db_arg_int(args, limits->max_failures);
    return SQL_RECORD;
}

/* Columns of record.sql. */
enum { RECORD_PLACE, RECORD_NUMBER, RECORD_OUTCOME, RECORD_STATE, RECORD_BESIDE };

/* What follows where the answer says nothing: a final state was sent, and it is the row's now. Of
 * every other result the row decides what comes of it, and that has to be told. */
static void
jobs_expect(const struct jobs_result *result, struct jobs_record_row *ret_row)
{
    ret_row->outcome = JOBS_RECORDED;
    ret_row->state = result->action == JOBS_DONE ? verdict_state_name(result->state) : NULL;
    ret_row->beside = "";
}

/* A result that the answer lists. place: that of the one before it. */
static bool
jobs_read_listed(const struct db_result *result, int row, struct jobs_result *const *results,
                 size_t count, int64_t *place, struct jobs_record_row *rows)
{
    const char *outcome = db_text(result, row, RECORD_OUTCOME);
    struct jobs_record_row *told;
    int64_t before = *place;

    *place = db_int(result, row, RECORD_PLACE);
    if (*place <= before || *place > (int64_t)count ||
        db_int(result, row, RECORD_NUMBER) != results[*place - 1]->id) {
        return false;
    }
    told = &rows[*place - 1];
    told->state = db_text(result, row, RECORD_STATE);
    told->beside = db_text(result, row, RECORD_BESIDE);
    told->outcome = strcmp(outcome, "recorded") == 0  ? JOBS_RECORDED
                    : strcmp(outcome, "already") == 0 ? JOBS_ALREADY
                                                      : JOBS_LATE;
    return told->outcome != JOBS_LATE || strcmp(outcome, "late") == 0;
}

bool
jobs_read_record(const struct db_result *result, struct jobs_result *const *results, size_t count,
                 struct jobs_record_row *ret_rows, struct err *err)
{
    int64_t recorded = 0;
    int64_t place = 0;
    int64_t sum;

    if (db_rows(result) == 0 || strcmp(db_text(result, 0, RECORD_OUTCOME), "sum") != 0 ||
        !db_parse_int(result, 0, RECORD_NUMBER, &sum)) {
        return err_set(err, ERR_DB,
                       "database: record: the answer does not say how many of %zu "
                       "results were recorded",
                       count);
    }
    for (size_t i = 0; i < count; i++) {
        jobs_expect(results[i], &ret_rows[i]);
    }
    for (int row = 1; row < db_rows(result); row++) {
        if (!jobs_read_listed(result, row, results, count, &place, ret_rows)) {
            return err_set(err, ERR_DB,
                           "database: record, row %d: place %.20s, job %.20s, '%.20s' is not about "
                           "one of the %zu results that were sent, in their order",
                           row + 1, db_text(result, row, RECORD_PLACE),
                           db_text(result, row, RECORD_NUMBER),
                           db_text(result, row, RECORD_OUTCOME), count);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (ret_rows[i].state == NULL) {
            return err_set(err, ERR_DB,
                           "database: record: the answer does not say what became of job %" PRId64,
                           results[i]->id);
        }
        recorded += ret_rows[i].outcome == JOBS_RECORDED;
    }
    if (recorded != sum) {
        return err_set(err, ERR_DB,
                       "database: record: of %zu results %" PRId64
                       " were recorded, but the answer accounts for %" PRId64,
                       count, sum, recorded);
    }
    return true;
}
