/* What became of the results: who took them, and what the run tells of them. */
#include "sweep_scene.h"

/* A result that waits to be recorded. */
static struct sweep_job *
scene_result(int64_t id, enum jobs_action action, enum verdict_state state, const char *reason)
{
    struct sweep_job *job = scene_job(&daemons[0], id, "app:1", NULL);

    job->result.state = state;
    job->result.bytes_freed = state == VERDICT_REMOVED ? 5000 : 0;
    sweep_end_job(&sweep, job, action, reason);
    return job;
}

/* All that a result may come to, once each. */
static void
test_what_the_run_tells(void **state)
{
    const struct jobs_totals *totals = &report.totals;

    (void)state;
    (void)world_add_jobs("d", "app:1", 9);
    (void)scene_result(1, JOBS_DONE, VERDICT_REMOVED, "");
    (void)scene_result(2, JOBS_DONE, VERDICT_UNTAGGED, "other names");
    (void)scene_result(3, JOBS_DONE, VERDICT_ABSENT, "gone already");
    (void)scene_result(4, JOBS_WAIT, VERDICT_NONE, "in use");
    (void)scene_result(5, JOBS_HOLD, VERDICT_NONE, "an app runs it");
    (void)scene_result(6, JOBS_RETRY, VERDICT_NONE, "busy");
    (void)scene_result(7, JOBS_FAIL, VERDICT_NONE, "no reference");
    (void)scene_result(8, JOBS_RELEASE, VERDICT_NONE, "its turn did not come");
    (void)scene_result(9, JOBS_DONE, VERDICT_REMOVED, "");
    world.jobs[8].recorded = "late";
    sweep.alone = true;
    sweep.record_max = 20;
    scene_exchange();
    assert_int_equal(totals->removed, 1);
    assert_int_equal(totals->bytes_freed, 5000);
    assert_int_equal(totals->untagged, 1);
    assert_int_equal(totals->absent, 1);
    assert_int_equal(totals->in_use, 1);
    assert_int_equal(totals->held, 1);
    assert_int_equal(totals->retried, 1);
    assert_int_equal(totals->failed, 1);
    assert_int_equal(totals->given_back, 1);
    assert_int_equal(totals->late, 1);
    assert_int_equal(sweep_report_done(&report), 7);
    assert_int_equal(daemons[0].done, 7);
    assert_int_equal(daemons[0].returned, 2);
    assert_int_equal(report.beside, 0);
    assert_true(logged("info: job 1 removed: daemon=d app=app image=app:1\n"));
    assert_true(
        logged("info: job 2 untagged: daemon=d app=app image=app:1 reason=\"other names\"\n"));
    assert_true(logged("warning: job failed: job=7 daemon=d app=app image=app:1 "
                       "reason=\"no reference\" run=0f8fad5b"));
    assert_false(logged("job failed: job=6"));
    assert_true(logged("warning: result came too late and changed nothing: job=9 image=app:1 "
                       "result=removed state=removed run=0f8fad5b"));
    assert_false(logged("job 9 removed"));
    assert_int_equal(sweep.recording.count, 0);
    /* All that there was is recorded: what was refused once was none of it. */
    assert_false(sweep.alone);
    assert_int_equal(sweep.record_max, SWEEP_RECORD_COUNT);
}

/* A result that was recorded already is one all the same: the acknowledgement was lost. */
static void
test_a_result_that_stands_already(void **state)
{
    (void)state;
    world_add_jobs("d", "app:1", 1)->recorded = "already";
    (void)scene_result(1, JOBS_DONE, VERDICT_REMOVED, "");
    scene_exchange();
    assert_int_equal(report.totals.removed, 1);
    assert_int_equal(report.totals.late, 0);
}

/* Whoever deploys an app while an image on its engine is being deleted has to know. */
static void
test_a_deploy_beside_a_delete(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 2);
    world.jobs[1].beside = "other";
    (void)scene_result(1, JOBS_DONE, VERDICT_REMOVED, "");
    (void)scene_result(2, JOBS_DONE, VERDICT_REMOVED, "");
    scene_exchange();
    assert_int_equal(report.beside, 1);
    assert_true(logged("warning: a deploy of app other began while an image was being deleted on "
                       "the same engine; if it failed, deploy it again: job=2 daemon=d"));
    assert_false(logged("deploy it again: job=1"));
}

/* What the statement takes at once is the oldest; the others follow, and until they did, what was
 * refused may be among them. */
static void
test_results_one_by_one(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 3);
    for (int64_t i = 1; i <= 3; i++) {
        (void)scene_result(i, JOBS_DONE, VERDICT_REMOVED, "");
    }
    sweep.alone = true;
    sweep.record_max = 1;
    scene_exchange();
    expect_said("record", 0, 3, "{1}");
    expect_said("record", 0, 12, "24");
    expect_said("record", 0, 13, "7");
    expect_said("record", 0, 14, "20");
    assert_int_equal(sweep.record_max, 1);
    assert_true(sweep.alone);
    assert_int_equal(world.said_count, 1);
    scene_exchange();
    scene_exchange();
    expect_said("record", 2, 3, "{3}");
    assert_false(sweep.alone);
    assert_int_equal(report.totals.removed, 3);
}

/* An answer that does not account for what was sent proves nothing: the results are offered once
 * more, alone, and what was recorded all the same is told then. */
static void
test_an_answer_that_does_not_add_up(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 2);
    (void)scene_result(1, JOBS_DONE, VERDICT_REMOVED, "");
    (void)scene_result(2, JOBS_DONE, VERDICT_ABSENT, "");
    world.miscounted = -1;
    scene_exchange();
    assert_int_equal(report.totals.claimed, 2); /* the rest of the exchange happened */
    assert_int_equal(report.totals.removed + report.totals.absent + report.totals.late, 0);
    assert_int_equal(daemons[0].done, 0);
    assert_false(logged("job 1 removed"));
    assert_int_equal(sweep.recording.count, 0);
    assert_int_equal(sweep.results.count, 2);
    assert_true(sweep.alone);
    assert_false(sweep.closing);
    world.miscounted = 0;
    world.jobs[0].recorded = "already";
    scene_exchange();
    expect_said("record", 1, 3, "{1,2}");
    assert_int_equal(report.totals.removed, 1);
    assert_int_equal(report.totals.absent, 1);
    assert_int_equal(report.unrecorded, 0);
    assert_false(sweep.alone);
}

/* Where it never does, each is told of. */
static void
test_answers_that_never_add_up(void **state)
{
    (void)state;
    (void)world_add_jobs("d", "app:1", 2);
    (void)scene_result(1, JOBS_DONE, VERDICT_REMOVED, "by ID");
    (void)scene_result(2, JOBS_RETRY, VERDICT_NONE, "busy");
    world.miscounted = 1;
    for (int i = 0; i < 4; i++) {
        scene_exchange();
    }
    assert_int_equal(times_said("record"), 4);
    expect_said("record", 1, 3, "{1,2}");
    expect_said("record", 2, 3, "{1}");
    expect_said("record", 3, 3, "{2}");
    assert_int_equal(report.unrecorded, 2);
    assert_int_equal(report.totals.removed + report.totals.retried, 0);
    assert_true(logged("error: not recorded: job=1 reason=\"by ID\" error=\"database: record: of 1 "
                       "results 2 were recorded, but the answer accounts for 1\" run=0f8fad5b"));
    assert_true(logged("error: not recorded: job=2 reason=\"busy\""));
    assert_int_equal(sweep.results.count + sweep.recording.count, 0);
    assert_false(sweep.alone);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_what_the_run_tells),
        SCENE_TEST(test_a_result_that_stands_already),
        SCENE_TEST(test_a_deploy_beside_a_delete),
        SCENE_TEST(test_results_one_by_one),
        SCENE_TEST(test_an_answer_that_does_not_add_up),
        SCENE_TEST(test_answers_that_never_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
