/*
 * A run in the middle of its work, made by hand: two daemons on engines of their own that are well,
 * and nothing claimed yet. What is around it is sweep_world.h's.
 */
#ifndef HARPSWEEP_TESTS_SWEEP_SCENE_H
#define HARPSWEEP_TESTS_SWEEP_SCENE_H

#include "sweep_world.h"

#include "mem.h"

static struct sweep sweep;
static struct sweep_daemon daemons[2];
static struct roster_daemon entries[2];

/* What a run asks of them is answered, and comes back to it. */
static int
scene_begin(void **state)
{
    (void)world_begin(state);
    memset(daemons, 0, sizeof daemons);
    memset(&report, 0, sizeof report);
    for (size_t i = 0; i < 2; i++) {
        entries[i] =
            (struct roster_daemon){.conf = world_sections[i],
                                   .place = {.protocol = "http",
                                             .host = i == 0 ? "d.example:8780" : "e.example:8780",
                                             .docker_socket_port = 24000}};
        daemons[i].entry = &entries[i];
        daemons[i].lane = (struct lane){.conf = &entries[i].conf, .gate = LANE_OPEN};
        daemons[i].call.daemon = &daemons[i];
        daemons[i].due = true;
        daemons[i].left = -1;
    }
    sweep = (struct sweep){.conf = &world_conf,
                           .options = &world_options,
                           .db = &world.db,
                           .daemons = daemons,
                           .daemon_count = 2,
                           .record_max = SWEEP_RECORD_COUNT,
                           .confirm_max = SWEEP_AHEAD_MAX,
                           .began_ms = world.now_ms,
                           .claims_left = -1,
                           .enabled = true,
                           .grace_hours = 24,
                           .found = true,
                           .hello_ok = true,
                           .report = &report};
    sweep.step_hello = sweep.step_news = sweep.step_settings = sweep.step_find =
        sweep.step_reconcile = sweep.step_observed = sweep.step_record = sweep.step_confirm =
            sweep.step_claim = sweep.step_seen = sweep.step_count = -1;
    (void)strcpy(sweep.run.token, "0f8fad5b-d9cb-469f-a165-708600000000");
    assert_true(sweep_open_http(&sweep));
    return 0;
}

static inline void
scene_free_list(struct sweep_list *list)
{
    struct sweep_job *job;

    while ((job = sweep_list_pop(list)) != NULL) {
        sweep_job_free(job);
    }
}

static int
scene_free(void **state)
{
    for (size_t i = 0; i < world.asked_count; i++) {
        struct sweep_call *call = world.asked[i].user;

        if (world.asked[i].open && call->job != NULL) {
            sweep_job_free(call->job);
        } else if (world.asked[i].open && call->look != NULL) {
            call->look->next = sweep.looked;
            sweep.looked = call->look;
        }
    }
    scene_free_list(&sweep.confirm);
    scene_free_list(&sweep.confirming);
    scene_free_list(&sweep.results);
    scene_free_list(&sweep.recording);
    scene_free_list(&daemons[0].queue);
    scene_free_list(&daemons[1].queue);
    sweep_free_looks(&sweep);
    return world_free(state);
}

#define SCENE_TEST(test) cmocka_unit_test_setup_teardown(test, scene_begin, scene_free)

/* A job that the run holds and that is in no list. */
static inline struct sweep_job *
scene_job(struct sweep_daemon *daemon, int64_t id, const char *ref, const char *image_id)
{
    struct sweep_job *job = mem_alloc(1, sizeof *job);

    job->call = (struct sweep_call){.daemon = daemon, .job = job};
    job->job = (struct job){.id = id,
                            .claim = 1,
                            .attempt = 1,
                            .appid = mem_strdup("app"),
                            .image_ref = mem_strdup(ref),
                            .image_id = mem_strdup(image_id),
                            .orphaned_at_ms = WORLD_EPOCH_MS};
    job->confirmed_ms = world.now_ms;
    job->start_by_ms = world.now_ms + 20000;
    daemon->held++;
    return job;
}

/* The same, waiting for its turn. */
static inline struct sweep_job *
scene_queue(struct sweep_daemon *daemon, int64_t id, const char *ref, const char *image_id)
{
    struct sweep_job *job = scene_job(daemon, id, ref, image_id);

    sweep_list_push(&daemon->queue, job);
    return job;
}

/* Answers what was asked last. */
static inline void
scene_answer(long status, const char *body)
{
    world_end(&world.http, &world.asked[world.asked_count - 1],
              (struct answered){.status = status, .body = body, .took_ms = 5});
}

/* A result that waits to be recorded. reason NULL: whatever it is. */
static inline void
expect_result(const struct sweep_job *job, enum jobs_action action, const char *reason)
{
    bool found = false;

    for (const struct sweep_job *at = sweep.results.first; at != NULL; at = at->next) {
        found = found || at == job;
    }
    assert_true(found);
    assert_int_equal(job->result.id, job->job.id);
    assert_int_equal(job->result.action, action);
    if (reason != NULL) {
        assert_string_equal(job->result.reason, reason);
    }
}

/* Nothing is due any more: what is said has other reasons. */
static inline void
nothing_due(void)
{
    daemons[0].drained = daemons[1].drained = true;
}

/* The only exchange that is said to have these statements, and takes their answers. */
static inline void
scene_exchange(void)
{
    sweep_db_send(&sweep, true);
    assert_true(sweep.step_busy);
    sweep_db_advance(&sweep);
    assert_false(sweep.step_busy);
}

#endif
