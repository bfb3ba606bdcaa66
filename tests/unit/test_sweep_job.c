/* A job from its claim to its result: what is asked next, when the database has to be asked again
 * before a delete, and what an answer means. */
#include "sweep_scene.h"

#define LEASE_RAN_SHORT "its turn did not come before its lease ran short"

/* At the moment by which the last request of a job has to start, none does. */
static void
test_no_request_starts_too_late(void **state)
{
    struct sweep_job *early = scene_queue(&daemons[0], 1, "app:1", NULL);
    struct sweep_job *late = scene_queue(&daemons[0], 2, "app:2", NULL);

    (void)state;
    early->start_by_ms = world.now_ms + 1;
    late->start_by_ms = world.now_ms;
    assert_true(sweep_start_job(&sweep, &daemons[0]));
    expect_asked(0, "d inspect app:1");
    assert_int_equal(world.asked[0].send_by_ms, early->start_by_ms);
    assert_int_equal(daemons[0].lane.active, 1);
    assert_true(sweep_start_job(&sweep, &daemons[0]));
    assert_int_equal(world.asked_count, 1);
    assert_int_equal(daemons[0].lane.active, 1);
    expect_result(late, JOBS_RELEASE, LEASE_RAN_SHORT);
    assert_int_equal(daemons[0].held, 1);
}

/* Whether a job in a phase, the word about which is so old, goes to the database first. */
static bool
asks_again(enum sweep_phase phase, bool nextcloud, int64_t age_ms, const char *recorded,
           const char *told, bool confirmed)
{
    struct sweep_job *job = scene_queue(&daemons[0], 1, "app:1", recorded);
    size_t asked = world.asked_count;
    bool again;

    sweep.nextcloud = nextcloud;
    job->phase = phase;
    job->inspected_ms = world.now_ms;
    job->confirmed_ms = world.now_ms - age_ms;
    job->confirmed_image = confirmed;
    (void)snprintf(job->image_id, sizeof job->image_id, "%s", told);
    assert_true(sweep_start_job(&sweep, &daemons[0]));
    again = sweep.confirm.count == 1;
    /* Either it waits for the word, or its request is under way. */
    assert_int_equal(world.asked_count - asked, again ? 0 : 1);
    if (again) {
        sweep_job_free(sweep_list_pop(&sweep.confirm));
    } else {
        scene_answer(200, NULL);
        scene_free_list(&daemons[0].queue);
        scene_free_list(&sweep.results);
    }
    return again;
}

static void
test_a_delete_rests_on_a_fresh_word(void **state)
{
    static const enum sweep_phase removals[] = {SWEEP_REMOVE_REF, SWEEP_REMOVE_ID};
    static const enum sweep_phase questions[] = {SWEEP_INSPECT_REF, SWEEP_INSPECT_ID};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_false(asks_again(removals[i], false, SWEEP_CONFIRMED_MS, ID_A, ID_A, false));
        assert_true(asks_again(removals[i], false, SWEEP_CONFIRMED_MS + 1, ID_A, ID_A, false));
        assert_false(
            asks_again(removals[i], true, SWEEP_CONFIRMED_NEXTCLOUD_MS, ID_A, ID_A, false));
        assert_true(
            asks_again(removals[i], true, SWEEP_CONFIRMED_NEXTCLOUD_MS + 1, ID_A, ID_A, false));
        sweep.slow_since_ms = 7;
        assert_false(asks_again(questions[i], false, 15000, ID_A, ID_A, false));
        assert_false(asks_again(questions[i], true, 15000, ID_A, ID_B, false));
        assert_true(asks_again(removals[i], true, 15000, ID_A, ID_A, false));
        assert_int_equal(sweep.slow_since_ms, 7);
        assert_false(asks_again(removals[i], true, 0, ID_A, ID_A, false));
        assert_int_equal(sweep.slow_since_ms, 0); /* a slow word is one all the same */
    }
}

/* Where Nextcloud is watched, the word must have been about the image that Docker named. */
static void
test_a_delete_rests_on_a_word_about_its_image(void **state)
{
    (void)state;
    assert_false(asks_again(SWEEP_REMOVE_REF, true, 0, NULL, "", false)); /* nobody asked Docker */
    assert_true(asks_again(SWEEP_REMOVE_REF, true, 0, NULL, ID_A, false));
    assert_true(asks_again(SWEEP_REMOVE_REF, true, 0, ID_B, ID_A, false));
    assert_false(asks_again(SWEEP_REMOVE_REF, true, 0, ID_A, ID_A, false));
    assert_false(asks_again(SWEEP_REMOVE_REF, true, 0, NULL, ID_A, true));
    assert_false(asks_again(SWEEP_REMOVE_REF, true, 0, ID_B, ID_A, true));
    assert_false(asks_again(SWEEP_REMOVE_REF, false, 0, NULL, ID_A, false));
}

/* A name may mean another image by now: what Docker told of it has to be young as well. */
static void
test_a_delete_rests_on_a_fresh_look(void **state)
{
    static const enum sweep_phase removals[] = {SWEEP_REMOVE_REF, SWEEP_REMOVE_ID};

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct sweep_job *job = scene_queue(&daemons[0], 1, "app:1", ID_B);

        world_conf.verify = i < 4;
        job->phase = removals[i % 2];
        job->inspected_ms = world.now_ms - (i / 2 == 1 ? 1000 : 1001);
        job->confirmed_image = true;
        (void)strcpy(job->image_id, i % 2 == 0 ? ID_A : ID_B);
        assert_true(sweep_start_job(&sweep, &daemons[0]));
        expect_asked(i, i < 2        ? "d inspect app:1"
                        : i % 2 == 0 ? "d remove app:1"
                                     : "d remove " ID_B);
        if (i < 2) { /* it leads to ID_A, and the word was about that one or it was not */
            scene_answer(200, NULL);
            assert_int_equal(job->confirmed_image, i == 0);
            assert_int_equal(job->phase, SWEEP_INSPECT_ID);
            assert_int_equal(job->inspected_ms, world.now_ms);
        } else {
            scene_answer(404, "no");
        }
        scene_free_list(&daemons[0].queue);
        scene_free_list(&sweep.results);
    }
}

/* The word comes first, for it is what takes its time: both are young then. */
static void
test_the_word_comes_before_the_second_look(void **state)
{
    struct sweep_job *job = scene_queue(&daemons[0], 1, "app:1", NULL);

    (void)state;
    job->phase = SWEEP_REMOVE_REF;
    job->inspected_ms = job->confirmed_ms = world.now_ms - 1001;
    assert_true(sweep_start_job(&sweep, &daemons[0]));
    assert_int_equal(world.asked_count, 0);
    assert_ptr_equal(sweep.confirm.first, job);
    assert_int_equal(job->phase, SWEEP_REMOVE_REF);
}

/* HaRP may take long to connect: a delete that could not be sent while its word was good asks anew.
 */
static void
test_until_when_a_request_may_be_sent(void **state)
{
    struct sweep_job *job = scene_queue(&daemons[0], 1, "app:1", NULL);

    (void)state;
    assert_true(sweep_start_job(&sweep, &daemons[0]));
    assert_int_equal(world.asked[0].send_by_ms, job->start_by_ms);
    scene_answer(200, NULL);
    job->confirmed_ms = world.now_ms - 500;
    assert_true(sweep_start_job(&sweep, &daemons[0]));
    expect_asked(1, "d remove app:1");
    assert_int_equal(world.asked[1].send_by_ms, world.now_ms - 500 + SWEEP_CONFIRMED_MS + 1000);
    world_end(&world.http, &world.asked[1],
              (struct answered){.transport = HTTP_LATE, .took_ms = 1500});
    assert_int_equal(daemons[0].lane.active, 0);
    assert_true(sweep_start_job(&sweep, &daemons[0]));
    assert_ptr_equal(sweep_list_pop(&sweep.confirm), job);
    assert_int_equal(sweep.results.count, 0);
    /* Never longer than the lease allows. */
    job->confirmed_ms = job->inspected_ms = world.now_ms;
    job->start_by_ms = world.now_ms + 7;
    sweep_list_push(&daemons[0].queue, job);
    assert_true(sweep_start_job(&sweep, &daemons[0]));
    assert_int_equal(world.asked[2].send_by_ms, world.now_ms + 7);
}

/* Where libcurl refuses a request the run ends, and the job is given back. */
static void
test_a_request_that_cannot_begin(void **state)
{
    struct sweep_job *job = scene_queue(&daemons[0], 1, "app:1", NULL);

    (void)state;
    world.begin_fails = true;
    assert_false(sweep_start_job(&sweep, &daemons[0]));
    expect_result(job, JOBS_RELEASE, "libcurl refuses");
    assert_string_equal(sweep.failure.text, "libcurl refuses");
    assert_true(sweep.closing);
    assert_int_equal(daemons[0].lane.active, 0);
}

/* Inspected, then deleted by its name; what goes on comes before what waits. */
static void
test_a_name(void **state)
{
    struct sweep_job *job = scene_queue(&daemons[0], 1, "app:1", NULL);

    (void)state;
    (void)scene_queue(&daemons[0], 2, "app:2", NULL);
    assert_true(sweep_start_job(&sweep, &daemons[0]));
    expect_asked(0, "d inspect app:1");
    scene_answer(200, NULL);
    assert_ptr_equal(daemons[0].queue.first, job);
    assert_int_equal(job->phase, SWEEP_REMOVE_REF);
    assert_string_equal(job->image_id, ID_A);
    assert_int_equal(daemons[0].mean_ms, 0);
    assert_true(sweep_start_job(&sweep, &daemons[0]));
    expect_asked(1, "d remove app:1");
    scene_answer(200, NULL);
    expect_result(job, JOBS_DONE, "");
    assert_int_equal(job->result.state, VERDICT_REMOVED);
    assert_int_equal(job->result.bytes_freed, 5000);
    assert_int_equal(job->result.http_status, 200);
    assert_int_equal(job->result.duration_ms, 10);
    assert_int_equal(job->ended_ms, world.now_ms);
    assert_int_equal(daemons[0].lane.active, 0);
    assert_int_equal(daemons[0].held, 1);
    assert_int_equal(daemons[0].mean_ms, 10);
    assert_int_equal(sweep.mean_ms, 10);
}

#define MOVED                                                                    \
    "{\"Id\":\"" ID_B "\",\"RepoTags\":[\"app:1\"],\"RepoDigests\":[\"app@" ID_B \
    "\"],\"Size\":3000,\"Metadata\":{\"LastTagTime\":\"2026-11-20T00:00:00.5Z\"}}"

/* The name means another image by now: the recorded one is inspected, then deleted by its ID. */
static struct sweep_job *
job_by_id(const char *body)
{
    struct sweep_job *job = scene_queue(&daemons[0], 1, "app:1", ID_A);

    assert_true(sweep_start_job(&sweep, &daemons[0]));
    expect_asked(0, "d inspect app:1");
    scene_answer(200, MOVED);
    assert_int_equal(job->phase, SWEEP_INSPECT_ID);
    assert_true(sweep_start_job(&sweep, &daemons[0]));
    expect_asked(1, "d inspect " ID_A);
    scene_answer(200, NULL);
    assert_int_equal(job->phase, SWEEP_REMOVE_ID);
    assert_true(sweep_start_job(&sweep, &daemons[0]));
    expect_asked(2, "d remove " ID_A);
    scene_answer(200, body);
    return job;
}

static void
test_an_image_without_its_name(void **state)
{
    (void)state;
    expect_result(job_by_id(NULL), JOBS_DONE,
                  "deleted by its ID: its name is gone or means another image now");
}

static void
test_an_image_without_its_name_that_was_gone(void **state)
{
    struct sweep_job *job =
        job_by_id("{\"deleted\": true, \"bytes_freed\": 0, \"reason\": \"not_found\"}");

    (void)state;
    expect_result(job, JOBS_DONE, "the image was gone already");
    assert_int_equal(job->result.state, VERDICT_ABSENT);
}

/* Neither counts as trouble of the daemon, and no delete is judged by it. */
static void
test_a_request_that_was_ended_or_never_sent(void **state)
{
    static const struct {
        enum http_transport transport;
        const char *reason;
        int64_t took_ms;
    } cases[] = {{HTTP_ABORTED, "the run had to end while HaRP was working on it", 0},
                 {HTTP_LATE, LEASE_RAN_SHORT, 20000}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sweep_job *job = scene_queue(&daemons[0], 1, "app:1", NULL);

        assert_true(sweep_start_job(&sweep, &daemons[0]));
        world_end(&world.http, &world.asked[i],
                  (struct answered){.transport = cases[i].transport, .took_ms = cases[i].took_ms});
        if (cases[i].transport == HTTP_LATE) { /* its next start sees why */
            assert_true(sweep_start_job(&sweep, &daemons[0]));
        }
        assert_int_equal(world.asked_count, i + 1);
        assert_int_equal(sweep.cut_short, cases[i].transport == HTTP_ABORTED);
        sweep.cut_short = false;
        expect_result(job, JOBS_RELEASE, cases[i].reason);
        assert_int_equal(daemons[0].lane.active, 0);
        assert_int_equal(daemons[0].lane.troubles, 0);
        assert_int_equal(daemons[0].lane.gate, LANE_OPEN);
        assert_int_equal(daemons[0].mean_ms, 0);
        assert_int_equal(daemons[0].queue.count, 0);
    }
}

/* An answer that stops the daemon gives the job back, and what was under way besides goes no
 * further. */
static void
test_a_stop(void **state)
{
    struct sweep_job *first = scene_queue(&daemons[0], 1, "app:1", NULL);
    struct sweep_job *second = scene_queue(&daemons[0], 2, "app:2", NULL);

    (void)state;
    assert_true(sweep_start_job(&sweep, &daemons[0]));
    assert_true(sweep_start_job(&sweep, &daemons[0]));
    scene_answer(401, "401 Unauthorized");
    assert_int_equal(daemons[0].lane.gate, LANE_STOPPED);
    expect_result(second, JOBS_RELEASE, daemons[0].lane.reason);
    world_end(&world.http, &world.asked[0], (struct answered){.status = 200, .took_ms = 5});
    expect_result(first, JOBS_RELEASE, daemons[0].lane.reason);
    assert_int_equal(daemons[0].queue.count, 0);
    assert_int_equal(daemons[0].mean_ms, 0);
    assert_int_equal(daemons[0].held, 0);
}

/* Jobs of a daemon that nobody will repair end some day. */
static void
test_what_is_given_back_of_a_daemon_that_is_gone(void **state)
{
    struct sweep_job *job = scene_job(&daemons[0], 1, "app:1", NULL);
    struct sweep_job *gone = scene_job(&daemons[1], 2, "app:2", NULL);

    (void)state;
    entries[1].gone = true;
    sweep_release(&sweep, job, "why");
    sweep_release(&sweep, gone, "why");
    expect_result(job, JOBS_RELEASE, "why");
    expect_result(gone, JOBS_RETRY, "daemon e is not registered in Nextcloud any more; why");
    assert_false(sweep.cut_short);
    /* Where the run itself has to end, nothing was tried. */
    gone = scene_job(&daemons[1], 3, "app:1", NULL);
    sweep.aborting = true;
    sweep_release(&sweep, gone, "why");
    expect_result(gone, JOBS_RELEASE, "why");
    assert_true(sweep.cut_short);
    sweep.aborting = sweep.cut_short = false;
    gone = scene_job(&daemons[1], 4, "app:1", NULL);
    sweep.failure.kind = ERR_INTERNAL;
    sweep_release(&sweep, gone, "why");
    expect_result(gone, JOBS_RELEASE, "why");
    assert_false(sweep.cut_short);
}

/* One measure is the mean; those that follow count an eighth. */
static void
test_the_mean(void **state)
{
    static const struct {
        int64_t took_ms;
        int64_t mean_ms;
    } steps[] = {{0, 1}, {9, 2}, {100, 14}};

    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct sweep_job *job = scene_queue(&daemons[0], 1, "app:1", NULL);

        job->phase = SWEEP_REMOVE_REF;
        job->inspected_ms = job->confirmed_ms = world.now_ms;
        assert_true(sweep_start_job(&sweep, &daemons[0]));
        world_end(&world.http, &world.asked[i],
                  (struct answered){.status = 200, .took_ms = steps[i].took_ms});
        assert_int_equal(daemons[0].mean_ms, steps[i].mean_ms);
    }
    assert_int_equal(sweep.mean_ms, daemons[0].mean_ms);
    assert_int_equal(daemons[1].mean_ms, 0);
}

/* What the verdict on an answer says of the job reaches its result. */
static void
test_what_an_answer_comes_to(void **state)
{
    static const struct {
        enum sweep_phase phase;
        struct answered answered;
        enum jobs_action action;
        int64_t min_delay_s;
    } cases[] = {
        {SWEEP_INSPECT_REF,
         {.status = 200,
          .body = "{\"Id\":\"" ID_A "\",\"RepoTags\":[\"app:1\"],\"RepoDigests\":[\"app@" ID_B
                  "\"],\"Size\":3000,\"Metadata\":{\"LastTagTime\":\"2026-11-30T00:00:00Z\"}}"},
         JOBS_WAIT,
         0}, /* the tag was set again */
        {SWEEP_INSPECT_REF,
         {.status = 200,
          .body = "{\"Id\":\"" ID_A "\",\"RepoTags\":[\"app:1\"],\"RepoDigests\":[],"
                  "\"Size\":3000}"},
         JOBS_HOLD,
         0}, /* nobody could pull it again */
        {SWEEP_REMOVE_REF,
         {.status = 200, .body = "{\"deleted\": false, \"reason\": \"in_use\"}"},
         JOBS_WAIT,
         0},
        {SWEEP_REMOVE_REF,
         {.status = 504, .body = "Timeout communicating with Docker Engine", .type = "text/plain"},
         JOBS_RETRY,
         300},
        {SWEEP_REMOVE_ID,
         {.status = 400, .body = "Invalid JSON body", .type = "text/plain"},
         JOBS_FAIL,
         0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sweep_job *job = scene_queue(&daemons[0], 1, "app:1", ID_A);

        job->phase = cases[i].phase;
        job->inspected_ms = world.now_ms;
        assert_true(sweep_start_job(&sweep, &daemons[0]));
        world_end(&world.http, &world.asked[i], cases[i].answered);
        expect_result(job, cases[i].action, NULL);
        assert_int_equal(job->result.min_delay_s, cases[i].min_delay_s);
        assert_int_equal(job->result.state, VERDICT_NONE);
    }
    assert_int_equal(daemons[0].lane.gate, LANE_OPEN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_no_request_starts_too_late),
        SCENE_TEST(test_a_delete_rests_on_a_fresh_word),
        SCENE_TEST(test_a_delete_rests_on_a_word_about_its_image),
        SCENE_TEST(test_a_delete_rests_on_a_fresh_look),
        SCENE_TEST(test_the_word_comes_before_the_second_look),
        SCENE_TEST(test_until_when_a_request_may_be_sent),
        SCENE_TEST(test_a_request_that_cannot_begin),
        SCENE_TEST(test_a_name),
        SCENE_TEST(test_an_image_without_its_name),
        SCENE_TEST(test_an_image_without_its_name_that_was_gone),
        SCENE_TEST(test_a_request_that_was_ended_or_never_sent),
        SCENE_TEST(test_a_stop),
        SCENE_TEST(test_what_is_given_back_of_a_daemon_that_is_gone),
        SCENE_TEST(test_the_mean),
        SCENE_TEST(test_what_an_answer_comes_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
