/* What a claim and its confirmation mean: which jobs are ours, which still are, and which are
 * decided before anything is asked of a daemon. */
#include "sweep_scene.h"

/* A row of a claim; what the tests do not care about is as always. */
struct claimed {
    const char *kind;
    const char *daemon;
    const char *number;
    const char *state;
    const char *ref;
    const char *image_id;
    const char *protocol;
    const char *host;
    const char *port;
    const char *hold;
    const char *delay_s;
    const char *due_at_us;
    const char *picked;
};

static void
claim(const struct claimed *rows, size_t count)
{
    struct cells cells = {.columns = 16};
    struct db_result *result;

    for (size_t i = 0; i < count; i++) {
        const struct claimed *row = &rows[i];

        cells_add(&cells,
                  (const char *[]){row->kind, row->daemon, row->number,
                                   row->picked == NULL ? "3" : row->picked, row->state, "app",
                                   row->ref, row->image_id, "grace", "1795404953000", row->protocol,
                                   row->host, row->port, row->hold, row->delay_s, row->due_at_us});
    }
    result = cells_answer(&cells);
    sweep_claimed(&sweep, result);
    db_result_free(result);
}

/* The job that a claim of one gives; it has a result already, or waits for its turn. */
static struct sweep_job *
claim_one(struct claimed row)
{
    struct sweep_job *job;

    row.kind = "job";
    row.number = "7";
    row.daemon = row.daemon == NULL ? "d" : row.daemon;
    scene_free_list(&sweep.results);
    scene_free_list(&daemons[0].queue);
    daemons[0].held = daemons[1].held = 0;
    claim(&row, 1);
    job = sweep.results.count == 1 ? sweep.results.first : daemons[0].queue.first;
    assert_int_equal(sweep.results.count + daemons[0].queue.count, 1);
    assert_int_equal(daemons[0].held, daemons[0].queue.count);
    return job;
}

static void
expect_queued(const struct sweep_job *job)
{
    assert_ptr_equal(job, daemons[0].queue.first);
}

static void
test_a_job_that_may_go_on(void **state)
{
    const struct sweep_job *job;

    (void)state;
    world.db.sent_at = world.now_ms - 700;
    sweep.claim = 5;
    job = claim_one((struct claimed){.ref = "app:1", .image_id = ID_A});
    expect_queued(job);
    assert_int_equal(job->job.id, 7);
    assert_int_equal(job->job.claim, 5);
    assert_int_equal(job->job.attempt, 3);
    assert_int_equal(job->phase, SWEEP_INSPECT_REF);
    /* Whatever took time since the claim was sent counts against its lease and its word. */
    assert_int_equal(job->confirmed_ms, world.now_ms - 700);
    assert_int_equal(job->start_by_ms, world.now_ms - 700 + 120000 - 90000 - 10000);
    assert_false(job->confirmed_image);
    assert_int_equal(report.totals.claimed, 1);
    assert_true(report.worked);
    assert_int_equal(daemons[0].claimed, 1);
    assert_int_equal(daemons[0].left, -1); /* nobody counted */
    assert_int_equal(sweep.claims_left, -1);
}

static void
test_a_job_that_is_not_verified(void **state)
{
    (void)state;
    world_conf.verify = false;
    assert_int_equal(claim_one((struct claimed){.ref = "app:1"})->phase, SWEEP_REMOVE_REF);
}

static void
test_jobs_that_are_decided_at_once(void **state)
{
    const struct sweep_job *job;

    (void)state;
    expect_result(claim_one((struct claimed){.ref = "kept:1"}), JOBS_HOLD,
                  "the image matches keep = kept* of the settings");
    expect_result(claim_one((struct claimed){.ref = "../x y"}), JOBS_FAIL,
                  "image_ref is not a reference that Docker accepts");
    job = claim_one((struct claimed){.ref = "app:1", .hold = "an app runs it", .delay_s = "60"});
    expect_result(job, JOBS_HOLD, "an app runs it");
    assert_int_equal(job->result.min_delay_s, 60);
    entries[0].unsupported = true;
    entries[0].problem = world_key;
    job = claim_one((struct claimed){.ref = "app:1"});
    expect_result(job, JOBS_DONE, world_key);
    assert_int_equal(job->result.state, VERDICT_UNSUPPORTED);
}

/* The engine that a job of a daemon without a registration goes to is where its image was. */
static void
test_a_daemon_that_is_gone(void **state)
{
    static const struct claimed elsewhere[] = {
        {.ref = "app:1"},
        {.ref = "app:1", .protocol = "https", .host = "d.example:8780", .port = "24000"},
        {.ref = "app:1", .protocol = "http", .host = "e.example:8780", .port = "24000"},
        {.ref = "app:1", .protocol = "http", .host = "d.example:8780", .port = "24001"},
    };
    const struct claimed there = {
        .ref = "app:1", .protocol = "http", .host = "d.example:8780", .port = "24000"};

    (void)state;
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        const struct sweep_job *job;

        entries[0].gone = false; /* where it is, the database has said whether it moved */
        expect_queued(claim_one(elsewhere[i]));
        entries[0].gone = true;
        job = claim_one(elsewhere[i]);
        expect_result(job, JOBS_HOLD,
                      "its daemon is gone, and this run asks another engine of that name");
        assert_int_equal(job->result.min_delay_s, 300);
    }
    expect_queued(claim_one(there));
}

/* Less than was asked for means that there is no more; what is left is known once it was counted.
 */
static void
test_what_a_claim_leaves(void **state)
{
    (void)state;
    daemons[0].asked = 3;
    daemons[0].left = 5;
    daemons[1].asked = 2;
    sweep.claims_left = 4;
    claim(
        (const struct claimed[]){
            {.kind = "job", .daemon = "d", .number = "1", .ref = "app:1"},
            {.kind = "ended", .daemon = "d", .number = "2", .state = "failed"},
            {.kind = "ended", .daemon = "d", .number = "3", .state = "kept"},
            {.kind = "job", .daemon = "e", .number = "4", .ref = "app:1"},
            {.kind = "job", .daemon = "stranger", .number = "5", .ref = "app:1"},
            {.kind = "upto", .daemon = "d", .number = "3", .due_at_us = "77", .picked = "3"},
            {.kind = "upto", .daemon = "e", .number = "4", .due_at_us = "78", .picked = "1"},
        },
        7);
    assert_int_equal(daemons[0].left, 2);
    assert_int_equal(daemons[0].asked, 0);
    assert_int_equal(daemons[1].asked, 0);
    assert_false(daemons[0].drained);
    assert_true(daemons[1].drained);
    assert_int_equal(daemons[0].after_id, 3);
    assert_int_equal(daemons[0].after_us, 77);
    assert_int_equal(report.totals.claimed, 2);
    assert_int_equal(report.totals.failed, 1);
    assert_int_equal(sweep.claims_left, 2);
    /* A later claim that asked nothing of it does not fill it again. */
    claim(NULL, 0);
    assert_false(daemons[0].drained);
    assert_true(daemons[1].drained);
}

/* Somebody changed a job while it was being claimed: the next run takes it, and this one goes on.
 */
static void
test_a_job_that_was_changed_while_it_was_claimed(void **state)
{
    (void)state;
    daemons[0].asked = 2;
    claim(
        (const struct claimed[]){
            {.kind = "job", .daemon = "d", .number = "1", .ref = "app:1"},
            {.kind = "upto", .daemon = "d", .number = "2", .due_at_us = "77", .picked = "2"},
        },
        2);
    assert_false(daemons[0].drained);
    assert_int_equal(daemons[0].after_id, 2);
    assert_int_equal(report.totals.claimed, 1);
}

/* What was counted may be less than what comes: other jobs may have become due. */
static void
test_more_than_was_counted(void **state)
{
    (void)state;
    daemons[0].left = 0;
    sweep.claims_left = 0;
    claim(
        (const struct claimed[]){
            {.kind = "job", .daemon = "d", .number = "1", .ref = "app:1"},
            {.kind = "ended", .daemon = "d", .number = "2", .state = "kept"},
        },
        2);
    assert_int_equal(daemons[0].left, 0);
    assert_int_equal(sweep.claims_left, 0);
}

/* New rows that got their grace may be due at once, before all that were looked at. */
static void
test_planned_rows_are_looked_for_again(void **state)
{
    (void)state;
    daemons[0].asked = 4;
    claim(
        (const struct claimed[]){
            {.kind = "upto", .daemon = "d", .number = "3", .due_at_us = "77"},
            {.kind = "planned", .daemon = "d", .number = "12"},
        },
        2);
    assert_int_equal(report.planned, 12);
    assert_int_equal(daemons[0].after_id, 0);
    assert_false(daemons[0].drained);
    assert_true(report.worked);
}

/* Asks the database once more about a job that was claimed long ago. */
static struct sweep_job *
confirm_one(struct world_job about)
{
    struct sweep_job *job = scene_job(&daemons[0], 1, "app:1", NULL);

    (void)world_add_jobs("d", "app:1", 1);
    world.jobs[0] = about;
    (void)strcpy(job->image_id, ID_A);
    job->confirmed_ms = 0;
    sweep_list_push(&sweep.confirm, job);
    scene_exchange();
    return job;
}

static void
test_a_job_that_still_stands(void **state)
{
    struct sweep_job *waiting = scene_queue(&daemons[0], 2, "app:2", NULL);
    const struct sweep_job *job = confirm_one((struct world_job){.daemon = "d"});

    (void)state;
    expect_queued(job);
    assert_ptr_equal(daemons[0].queue.last, waiting);
    assert_int_equal(job->confirmed_ms, world.db.sent_at);
    assert_true(job->confirmed_image);
    expect_said("confirm", 0, 1, "{\"0f8fad5b-d9cb-469f-a165-708600000001\"}");
    expect_said("confirm", 0, 2, "{1}");
    expect_said("confirm", 0, 3, "{1}");
    expect_said("confirm", 0, 4, "{\"" ID_A "\"}");
    expect_said("confirm", 0, 5, "1");
    expect_said("confirm", 0, 6, "t");
    expect_said("confirm", 0, 7, "f");
}

static void
test_a_job_that_somebody_changed(void **state)
{
    (void)state;
    expect_result(confirm_one((struct world_job){.daemon = "d", .changed = true}), JOBS_RELEASE,
                  "somebody else changed the job meanwhile");
    assert_null(daemons[0].queue.first);
}

static void
test_a_job_that_is_held_meanwhile(void **state)
{
    const struct sweep_job *job =
        confirm_one((struct world_job){.daemon = "d", .word = "a deploy runs", .delay_s = "120"});

    (void)state;
    expect_result(job, JOBS_HOLD, "a deploy runs");
    assert_int_equal(job->result.min_delay_s, 120);
    assert_null(daemons[0].queue.first);
}

/* The image is named where Docker named it; each answer is that of its own job. */
static void
test_a_confirmation_of_several(void **state)
{
    struct sweep_job *jobs[3];

    (void)state;
    world_conf.keep_previous = 4;
    world_conf.verify = false;
    world_conf.protect_unpullable = false;
    (void)world_add_jobs("d", "app:1", 3);
    for (int64_t i = 0; i < 3; i++) {
        jobs[i] = scene_job(&daemons[0], i + 1, "app:1", NULL);
        sweep_list_push(&sweep.confirm, jobs[i]);
    }
    world.jobs[1].changed = true;
    (void)strcpy(jobs[1]->image_id, ID_B);
    scene_exchange();
    expect_said("confirm", 0, 4, "{NULL,\"" ID_B "\",NULL}");
    expect_said("confirm", 0, 5, "4");
    expect_said("confirm", 0, 6, "f");
    expect_said("confirm", 0, 7, "t");
    assert_int_equal(daemons[0].queue.count, 2);
    expect_result(jobs[1], JOBS_RELEASE, NULL);
    assert_int_equal(sweep.confirming.count, 0);
}

/* The word about so many jobs that wait for it takes so long; returns how many were asked about.
 * besides: the exchange says something else, too. */
static size_t
confirm_slowly(size_t waiting, int64_t took_ms, bool besides)
{
    size_t asked;

    daemons[0].drained = daemons[1].drained = true;
    scene_free_list(&sweep.confirm);
    scene_free_list(&daemons[0].queue);
    if (world.job_count == 0) {
        (void)world_add_jobs("d", "app:1", 9);
    }
    for (size_t i = 0; i < waiting; i++) {
        sweep_list_push(&sweep.confirm, scene_job(&daemons[0], (int64_t)i + 1, "app:1", NULL));
    }
    sweep.hello_due = besides;
    sweep_db_send(&sweep, true);
    asked = sweep.confirming.count;
    assert_int_equal(asked + sweep.confirm.count, waiting);
    world.now_ms += took_ms;
    sweep_db_advance(&sweep);
    assert_int_equal(daemons[0].queue.count, asked);
    return asked;
}

/* The slower the word, the fewer jobs are asked about at once. */
static void
test_the_pace_of_words(void **state)
{
    (void)state;
    sweep.nextcloud = true;
    assert_int_equal(confirm_slowly(9, 150, false), 9);
    assert_int_equal(sweep.confirm_max, SWEEP_AHEAD_MAX);
    assert_int_equal(confirm_slowly(9, 3000, true), 9); /* it may be the disk */
    assert_int_equal(sweep.confirm_max, SWEEP_AHEAD_MAX);
    assert_int_equal(confirm_slowly(9, 151, false), 9);
    assert_int_equal(confirm_slowly(9, 151, false), 4);
    assert_int_equal(confirm_slowly(9, 76, false), 2);
    assert_int_equal(confirm_slowly(9, 75, false), 2);
    assert_int_equal(confirm_slowly(3, 0, false),
                     3); /* fewer than were allowed: no reason for more */
    assert_int_equal(confirm_slowly(4, 0, false), 4);
    assert_int_equal(sweep.confirm_max, 8);
    sweep.nextcloud = false;
    assert_int_equal(confirm_slowly(9, 750, false), 8);
    assert_int_equal(confirm_slowly(2, 751, false), 2);
    assert_int_equal(confirm_slowly(2, 751, false), 1);
    assert_int_equal(sweep.confirm_max, 1);
    assert_int_equal(sweep.failure.kind, ERR_NONE);
}

/* Nothing is deleted on older knowledge, and nobody waits for another one for ever. */
static void
test_no_word_in_time(void **state)
{
    (void)state;
    sweep.nextcloud = true;
    assert_int_equal(confirm_slowly(9, SWEEP_WORD_SLOW_MS, false), 9);
    assert_int_equal(confirm_slowly(9, SWEEP_WORD_SLOW_MS, false), 4);
    assert_int_equal(confirm_slowly(9, SWEEP_WORD_SLOW_MS, false), 2);
    assert_int_equal(sweep.slow_since_ms, 0); /* fewer may be told in time */
    (void)confirm_slowly(1, 300, false);
    world.now_ms += SWEEP_WORD_SLOW_MS - 300;
    (void)confirm_slowly(1, 299, false);
    assert_int_equal(sweep.failure.kind, ERR_NONE);
    (void)confirm_slowly(1, 150, false); /* in time */
    world.now_ms += SWEEP_WORD_SLOW_MS;
    (void)confirm_slowly(1, 300, false);
    world.now_ms += SWEEP_WORD_SLOW_MS - 300;
    (void)confirm_slowly(1, 299, false);
    assert_int_equal(sweep.failure.kind, ERR_NONE);
    assert_false(sweep.closing);
    (void)confirm_slowly(1, 1, true); /* says nothing */
    (void)confirm_slowly(1, 250, false);
    assert_true(sweep.closing);
    assert_int_equal(sweep.failure.kind, ERR_DB_LOST);
    assert_string_equal(sweep.failure.text,
                        "database: its word that a job may go on, good for 200 ms, came too late "
                        "for 10 s; the last one took 250 ms");
    assert_string_equal(sweep.failure.hint,
                        "run harpsweep next to the database, or see what keeps that busy");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_a_job_that_may_go_on),
        SCENE_TEST(test_a_job_that_is_not_verified),
        SCENE_TEST(test_jobs_that_are_decided_at_once),
        SCENE_TEST(test_a_daemon_that_is_gone),
        SCENE_TEST(test_what_a_claim_leaves),
        SCENE_TEST(test_a_job_that_was_changed_while_it_was_claimed),
        SCENE_TEST(test_more_than_was_counted),
        SCENE_TEST(test_planned_rows_are_looked_for_again),
        SCENE_TEST(test_a_job_that_still_stands),
        SCENE_TEST(test_a_job_that_somebody_changed),
        SCENE_TEST(test_a_job_that_is_held_meanwhile),
        SCENE_TEST(test_a_confirmation_of_several),
        SCENE_TEST(test_the_pace_of_words),
        SCENE_TEST(test_no_word_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
