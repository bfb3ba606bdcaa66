/* What is said to the database, when, and what a run does where it is lost or refuses. */
#include "sweep_scene.h"

/* The next exchange ends so. */
static struct err next_failure;

static enum db_progress
fails(int exchange, struct err *err)
{
    (void)exchange;
    if (next_failure.kind == ERR_NONE) {
        return DB_FINISHED;
    }
    *err = next_failure;
    next_failure.kind = ERR_NONE;
    return DB_BROKEN;
}

static void
fail_next(enum err_kind kind)
{
    (void)err_set(&next_failure, kind, "database: trouble");
    world.on_exchange = fails;
}

static struct sweep_job *
scene_result(int64_t id)
{
    struct sweep_job *job = scene_job(&daemons[0], id, "app:1", NULL);

    while (world.job_count < (size_t)id) {
        (void)world_add_jobs("d", "app:1", 1);
    }
    job->result.state = VERDICT_REMOVED;
    sweep_end_job(&sweep, job, JOBS_DONE, "");
    return job;
}

static bool
is_recorded(bool force)
{
    size_t before = times_said("record");

    sweep_db_send(&sweep, force);
    if (!sweep.step_busy) {
        return false;
    }
    sweep_db_advance(&sweep);
    return times_said("record") > before;
}

/* Results are recorded many at once, but none waits for long. */
static void
test_when_results_are_recorded(void **state)
{
    (void)state;
    nothing_due();
    assert_false(is_recorded(true)); /* there are none */
    (void)scene_result(1);
    assert_false(is_recorded(false));
    assert_true(is_recorded(true));
    (void)scene_result(2);
    world.now_ms += SWEEP_RECORD_MS - 1;
    (void)scene_result(3);
    assert_false(is_recorded(false));
    world.now_ms++;
    assert_true(is_recorded(false));
    expect_said("record", 1, 3, "{2,3}");
    (void)scene_result(4);
    (void)scene_result(5);
    sweep.record_max = 1;
    assert_true(is_recorded(false));
    assert_int_equal(sweep.record_max, 1);
    assert_true(is_recorded(false));
}

/* Rows are locked in the order of their numbers, by everybody: no two wait for each other. */
static void
test_results_are_recorded_in_the_order_of_their_numbers(void **state)
{
    static const int64_t ended[] = {4, 1, 5, 3, 2};

    (void)state;
    nothing_due();
    for (size_t i = 0; i < sizeof ended / sizeof *ended; i++) {
        (void)scene_result(ended[i]);
    }
    sweep.record_max = 3; /* which ones is decided by who waits longest */
    assert_true(is_recorded(true));
    expect_said("record", 0, 3, "{1,4,5}");
    assert_true(is_recorded(true));
    expect_said("record", 1, 3, "{2,3}");
}

/* The results are one fewer than are enough, and then one more than that. */
static void
expect_enough(size_t enough, size_t most, bool along)
{
    while (sweep.results.count < enough - 1) {
        (void)scene_result(1);
    }
    sweep_db_send(&sweep, false);
    assert_int_equal(sweep.step_busy, along);
    assert_int_equal(sweep.step_record, -1);
    sweep_db_advance(&sweep);
    daemons[0].drained = daemons[0].drained && !along; /* it claims once more, where it did */
    (void)scene_result(1);
    (void)scene_result(1);
    fail_next(ERR_DB_LOST); /* the cells of this world are few */
    sweep_db_send(&sweep, false);
    assert_true(sweep.step_busy);
    assert_int_equal(sweep.recording.count, most);
    assert_int_equal(sweep.results.count, enough + 1 - most);
    sweep_db_advance(&sweep);
    assert_int_equal(sweep.results.count, enough + 1);
    assert_int_equal(sweep.recording.count, 0);
}

/* What is said anyway takes them along, unless they are few. */
static void
test_results_go_along(void **state)
{
    (void)state;
    daemons[1].drained = true;
    expect_enough(SWEEP_RECORD_ALONG, SWEEP_RECORD_ALONG + 1, true);
    assert_int_equal(times_said("claim"), 2);
}

static void
test_many_results_are_recorded_at_once(void **state)
{
    (void)state;
    daemons[0].held = daemons[1].held = 1000; /* there is more to claim, but not now */
    expect_enough(SWEEP_RECORD_COUNT, SWEEP_RECORD_COUNT, false);
    daemons[0].held = daemons[1].held = 0;
}

/* The last ones are awaited by whoever started the run. */
static void
test_the_last_results(void **state)
{
    (void)state;
    nothing_due();
    expect_enough(SWEEP_RECORD_LAST, SWEEP_RECORD_LAST + 1, false);
}

/* One exchange at a time, none without a connection, none before the time of the next attempt. */
static void
test_when_nothing_is_said(void **state)
{
    (void)state;
    sweep.step_busy = true;
    sweep_db_send(&sweep, true);
    sweep.step_busy = false;
    world.db.open = false;
    sweep_db_send(&sweep, true);
    world.db.open = true;
    sweep.reconnect_at_ms = world.now_ms + 1;
    sweep_db_send(&sweep, true);
    assert_int_equal(world.db.exchanges, 0);
    world.now_ms++;
    sweep_db_send(&sweep, true);
    assert_int_equal(world.db.exchanges, 1);
}

/* A greeting goes along with what there is to say; at the end there is nothing to greet for. */
static void
test_a_greeting_alone(void **state)
{
    (void)state;
    nothing_due();
    sweep.hello_due = true;
    sweep.closing = true;
    sweep_db_send(&sweep, true);
    assert_false(sweep.step_busy);
    sweep.closing = false;
    scene_exchange();
    assert_int_equal(world.said_count, 1);
    assert_false(sweep.hello_due);
    assert_true(sweep.hello_ok);
    sweep.hello_due = true;
    sweep.closing = true;
    (void)scene_result(1);
    scene_exchange();
    assert_int_equal(times_said("hello"), 2);
    assert_int_equal(times_said("record"), 1);
    (void)scene_result(2);
    scene_exchange(); /* without a greeting */
    assert_int_equal(times_said("hello"), 2);
    assert_int_equal(times_said("record"), 2);
    sweep_db_send(&sweep, true);
    assert_false(sweep.step_busy);
}

/* What an exchange carried that did not happen is said again, what is older first. */
static void
test_a_lost_connection(void **state)
{
    struct sweep_job *waits = scene_job(&daemons[0], 9, "app:9", NULL);
    struct sweep_job *first = scene_result(1);

    (void)state;
    sweep_list_push(&sweep.confirm, waits);
    daemons[1].lane.gate = LANE_STOPPED;
    daemons[1].lane.stop = VERDICT_STOP_SILENT;
    daemons[0].after_id = 4;
    fail_next(ERR_DB_LOST);
    sweep_db_send(&sweep, true);
    (void)scene_result(2);
    assert_true(daemons[1].noted);
    sweep_db_advance(&sweep);
    assert_false(sweep.step_busy);
    assert_ptr_equal(sweep.results.first, first);
    assert_int_equal(sweep.results.count, 2);
    assert_int_equal(sweep.recording.count, 0);
    assert_ptr_equal(sweep.confirm.first, waits);
    assert_int_equal(sweep.confirming.count, 0);
    assert_false(daemons[1].noted);
    assert_int_equal(sweep.failure.kind, ERR_NONE);
    assert_true(logged("warning: database: trouble; trying again run=0f8fad5b"));
    /* It may be another server now: it is greeted, and all jobs are looked at again. */
    sweep_db_reconnect(&sweep);
    assert_int_equal(world.reopens, 0);
    world.now_ms += 99;
    sweep_db_reconnect(&sweep);
    assert_int_equal(world.reopens, 0);
    world.now_ms++;
    sweep_db_reconnect(&sweep);
    assert_int_equal(world.reopens, 1);
    assert_true(sweep.hello_due);
    assert_int_equal(daemons[0].after_id, 0);
    sweep_db_reconnect(&sweep);
    assert_int_equal(world.reopens, 1);
}

/* An exchange without it says nothing of what is known of daemons. */
static void
test_what_was_noted_before(void **state)
{
    (void)state;
    nothing_due();
    (void)scene_result(1);
    daemons[1].noted = true;
    daemons[1].lane.gate = LANE_STOPPED;
    fail_next(ERR_DB_LOST);
    sweep_db_send(&sweep, true);
    sweep_db_advance(&sweep);
    assert_true(daemons[1].noted);
}

/* The waits between two attempts grow, and are told of once. */
static void
test_a_database_that_stays_away(void **state)
{
    static const int64_t waits[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000};

    (void)state;
    world.db.open = false;
    world.no_reopen = true;
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        sweep_db_reconnect(&sweep);
        assert_int_equal(world.reopens, i + 1);
        assert_int_equal(sweep.reconnect_at_ms - world.now_ms, waits[i]);
        assert_int_equal(sweep.failure.kind, ERR_NONE);
        world.now_ms = sweep.reconnect_at_ms;
    }
    assert_null(strstr(strstr(world.log, "trying again") + 1, "trying again"));
    world.no_reopen = false;
    sweep_db_reconnect(&sweep);
    assert_true(world.db.open);
    nothing_due();
    scene_exchange(); /* an answer: the next loss begins anew */
    assert_int_equal(sweep.reconnect_wait_ms, 0);
}

/* A run that never got an answer claimed nothing: cron tries again. */
static void
test_a_database_that_was_never_there(void **state)
{
    (void)state;
    sweep.hello_ok = false;
    fail_next(ERR_DB_LOST);
    sweep_db_send(&sweep, true);
    sweep_db_advance(&sweep);
    assert_int_equal(sweep.failure.kind, ERR_DB_LOST);
    assert_true(sweep.closing);
    assert_false(logged("trying again"));
}

/* A deadlock is no failure, not even in the first exchange; the same is said again. */
static void
test_a_deadlock(void **state)
{
    (void)state;
    sweep.hello_ok = false;
    (void)scene_result(1);
    fail_next(ERR_DB_AGAIN);
    sweep_db_send(&sweep, true);
    sweep_db_advance(&sweep);
    assert_int_equal(sweep.failure.kind, ERR_NONE);
    assert_false(sweep.alone);
    assert_true(logged("trying again"));
    assert_int_equal(sweep.reconnect_at_ms, world.now_ms + 100);
    /* But one that follows another is, where nothing was ever answered. */
    world.now_ms += 100;
    fail_next(ERR_DB_AGAIN);
    sweep_db_send(&sweep, true);
    sweep_db_advance(&sweep);
    assert_int_equal(sweep.failure.kind, ERR_DB_AGAIN);
}

/* Where that goes on, somebody may hold the row of one result: the others do not wait behind it. */
static void
test_a_result_whose_row_is_held(void **state)
{
    static const char *const recorded[] = {"{1,2}", "{1,2}", "{1}", "{2}"};

    (void)state;
    (void)scene_result(1);
    (void)scene_result(2);
    for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++) {
        bool held = i < 3;

        if (held) {
            fail_next(ERR_DB_AGAIN);
        }
        sweep_db_send(&sweep, true);
        expect_said("record", i, 3, recorded[i]);
        assert_int_equal(times_said("claim"), i < 2 ? i + 1 : 2); /* not with what waits */
        sweep_db_advance(&sweep);
        world.now_ms = held ? sweep.reconnect_at_ms : world.now_ms;
    }
    assert_int_equal(sweep.results.count, 1);
    assert_true(sweep.alone);
    scene_exchange();
    expect_said("record", 4, 3, "{1}");
    assert_int_equal(sweep.record_max, SWEEP_RECORD_COUNT);
    assert_false(sweep.alone);
    assert_int_equal(report.unrecorded, 0);
}

/* What is tried again without a result in it has none that could be held. */
static void
test_a_claim_that_is_tried_again(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        fail_next(ERR_DB_AGAIN);
        sweep_db_send(&sweep, true);
        sweep_db_advance(&sweep);
        world.now_ms = sweep.reconnect_at_ms;
    }
    assert_false(sweep.alone);
    assert_int_equal(sweep.record_max, SWEEP_RECORD_COUNT);
}

/* Where something that goes along is refused, the results are recorded alone; where they are
 * refused, one by one; and one that is refused alone is told and let go. */
static void
test_a_result_that_is_refused(void **state)
{
    (void)state;
    (void)scene_result(1);
    (void)scene_result(2);
    fail_next(ERR_DB);
    sweep_db_send(&sweep, true);
    sweep_db_advance(&sweep);
    assert_true(sweep.alone);
    assert_int_equal(sweep.record_max, SWEEP_RECORD_COUNT);
    fail_next(ERR_DB);
    sweep_db_send(&sweep, false);
    sweep_db_advance(&sweep);
    assert_int_equal(times_said("claim"), 1); /* not with the second */
    expect_said("record", 1, 3, "{1,2}");
    assert_int_equal(sweep.record_max, 1);
    fail_next(ERR_DB);
    sweep_db_send(&sweep, false);
    sweep_db_advance(&sweep);
    expect_said("record", 2, 3, "{1}");
    assert_int_equal(report.unrecorded, 1);
    assert_true(logged("error: not recorded: job=1 reason=\"\" error=\"database: trouble\" "
                       "run=0f8fad5b"));
    assert_int_equal(sweep.results.count, 1);
    assert_true(sweep.alone);
    fail_next(ERR_DB);
    sweep_db_send(&sweep, false);
    sweep_db_advance(&sweep);
    assert_int_equal(report.unrecorded, 2);
    assert_false(sweep.alone);
    assert_int_equal(sweep.failure.kind, ERR_NONE);
    assert_false(sweep.closing);
}

/* Without a result in it, it was the run's own: it ends. */
static void
test_a_claim_that_is_refused(void **state)
{
    (void)state;
    fail_next(ERR_DB);
    sweep_db_send(&sweep, true);
    sweep_db_advance(&sweep);
    assert_int_equal(sweep.failure.kind, ERR_DB);
    assert_true(sweep.closing);
    assert_int_equal(sweep.seen_failures, 0);
    assert_false(logged("trying again"));
}

/* A count that the watcher wants is refused: nobody's work rests on it. */
static void
test_a_count_that_is_refused(void **state)
{
    static const struct sweep_watcher watcher = {.counts = true};

    (void)state;
    world_options.watcher = &watcher;
    world.now_ms += SWEEP_COUNT_AFTER_MS;
    daemons[1].lane.gate = LANE_STOPPED;
    fail_next(ERR_DB);
    sweep_db_send(&sweep, true);
    assert_true(sweep.step_count >= 0);
    sweep_db_advance(&sweep);
    assert_int_equal(sweep.failure.kind, ERR_NONE);
    assert_int_equal(sweep.seen_failures, 0);
    assert_false(daemons[1].noted);
    scene_exchange();
    assert_int_equal(times_said("count"), 1);
    assert_int_equal(times_said("claim"), 2);
}

/* What is known of daemons may be what is refused: it is offered three times. */
static void
test_what_is_known_of_daemons_is_refused(void **state)
{
    (void)state;
    daemons[1].lane.gate = LANE_STOPPED;
    for (int i = 0; i < 5; i++) {
        sweep.alone = false;
        scene_free_list(&sweep.results);
        (void)scene_result(1);
        fail_next(ERR_DB);
        sweep_db_send(&sweep, true);
        sweep_db_advance(&sweep);
    }
    assert_int_equal(times_said("seen"), SWEEP_SEEN_TRIES);
    assert_int_equal(sweep.seen_failures, SWEEP_SEEN_TRIES);
}

static void
test_sending_fails(void **state)
{
    (void)state;
    world.send_fails = true;
    sweep_db_send(&sweep, true);
    assert_false(sweep.step_busy);
    assert_true(logged("lost in the middle; trying again"));
}

/* Longer than 30 seconds the database is not waited for, unless something of its answer is there.
 */
static void
test_a_silent_database(void **state)
{
    (void)state;
    (void)scene_result(1);
    sweep_db_send(&sweep, true);
    world.silent = true;
    world.now_ms += 29999;
    sweep_db_advance(&sweep);
    assert_true(sweep.step_busy);
    world.now_ms++;
    world.has_input = true;
    sweep_db_advance(&sweep);
    assert_true(sweep.step_busy);
    assert_int_equal(world.drops, 0);
    world.has_input = false;
    sweep_db_advance(&sweep);
    assert_false(sweep.step_busy);
    assert_int_equal(world.drops, 1);
    assert_int_equal(sweep.results.count, 1);
    assert_true(logged("database: no answer within 30 s; trying again"));
    sweep_db_advance(&sweep); /* nothing is under way */
}

/* While an exchange is under way nobody connects anew. */
static void
test_no_second_connection(void **state)
{
    (void)state;
    sweep_db_send(&sweep, true);
    world.db.open = false;
    sweep_db_reconnect(&sweep);
    assert_int_equal(world.reopens, 0);
}

static void
test_another_schema(void **state)
{
    static const struct {
        int version;
        const char *hint;
    } cases[] = {
        {HARPSWEEP_SCHEMA_VERSION - 1, "upgrade it: psql -f sql/install.sql"},
        {HARPSWEEP_SCHEMA_VERSION + 1, "install the harpsweep that belongs to the schema"}};

    (void)state;
    nothing_due();
    for (size_t i = 0; i < 2; i++) {
        sweep.failure.kind = ERR_NONE;
        sweep.closing = false;
        sweep.hello_due = sweep.hello_ok = true;
        world.schema = cases[i].version;
        scene_exchange();
        assert_int_equal(sweep.failure.kind, ERR_SCHEMA);
        assert_string_equal(sweep.failure.hint, cases[i].hint);
        assert_false(sweep.hello_ok);
        assert_true(sweep.closing);
    }
}

/* That no alarm rings ends a run that asked nothing else yet, and none that was only connected
 * anew. */
static void
test_no_alarm_rings(void **state)
{
    (void)state;
    nothing_due();
    for (int begins = 0; begins <= 1; begins++) {
        for (int rings = 0; rings <= 1; rings++) {
            sweep.hello_due = sweep.alone = true;
            sweep.begin_due = begins == 1;
            sweep.found = false;
            world.alarm = rings == 1;
            scene_exchange();
            assert_int_equal(sweep.found, begins == 1 && rings == 0);
            assert_int_equal(sweep.alarm_rang, rings == 1);
            assert_false(sweep.begin_due);
        }
    }
}

/* The answer takes its time, which makes no clock wrong. */
static void
test_clocks_that_differ(void **state)
{
    static const struct {
        int64_t apart_ms;
        bool well;
    } cases[] = {{60000, true}, {60001, false}, {-65000, true}, {-65001, false}};

    (void)state;
    nothing_due();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sweep.failure.kind = ERR_NONE;
        sweep.closing = false;
        sweep.hello_due = true;
        sweep.hello_ok = !cases[i].well;
        sweep_db_send(&sweep, true);
        world.apart_ms = cases[i].apart_ms;
        world.now_ms += 5000;
        sweep_db_advance(&sweep);
        assert_int_equal(sweep.hello_ok, cases[i].well);
        assert_int_equal(sweep.failure.kind, cases[i].well ? ERR_NONE : ERR_CONFIG);
        assert_false(sweep.hello_due);
    }
    assert_string_equal(sweep.failure.hint, "synchronise both with NTP");
}

/* The last words: what was learned of daemons, the run's own row, and a few old rows less. */
static void
test_the_last_words(void **state)
{
    (void)state;
    report.worked = true;
    report.duration_ms = 77;
    report.exit_code = 1;
    report.totals.claimed = 3;
    (void)strcpy(daemons[0].lane.version, "0.4.4");
    sweep_db_finish(&sweep);
    assert_int_equal(world.db.exchanges, 1);
    assert_int_equal(world.said_count, 5);
    expect_said("seen", 0, 1, "{\"d\"}");
    expect_said("finished", 0, 5, "77");
    expect_said("finished", 0, 6, "1");
    expect_said("finished", 0, 7, "3");
    expect_said("finished", 0, 18, NULL);
    expect_said("prune", 0, 1, "90");
    assert_int_equal(times_said("prune_runs"), 1);
    assert_int_equal(times_said("alarm"), 1);
    assert_false(logged("leaves no row"));
}

/* A run that did nothing only says when the next one has to look. */
static void
test_the_last_word(void **state)
{
    (void)state;
    sweep_db_finish(&sweep);
    assert_int_equal(world.said_count, 1);
    assert_int_equal(times_said("alarm"), 1);
    fail_next(ERR_DB);
    sweep_db_finish(&sweep);
    assert_true(
        logged("warning: no alarm is set, so that the next run looks again: database: trouble"));
}

static void
test_the_last_words_where_nextcloud_is_watched(void **state)
{
    (void)state;
    report.worked = true;
    sweep.nextcloud = true;
    sweep_db_finish(&sweep);
    assert_int_equal(times_said("prune_images"), 1);
    assert_int_equal(times_said("prune_intake"), 1);
}

static void
test_the_note_of_a_run(void **state)
{
    (void)state;
    report.worked = true;
    report.left_work = true;
    sweep_db_finish(&sweep);
    expect_said("finished", 0, 18, "ended early by a limit or a signal");
    daemons[0].lane.gate = daemons[1].lane.gate = LANE_STOPPED;
    (void)strcpy(daemons[0].lane.reason, "silent");
    (void)strcpy(daemons[1].lane.reason, "refused");
    sweep_db_finish(&sweep);
    expect_said("finished", 1, 18,
                "ended early by a limit or a signal; daemon d stopped: silent; daemon e stopped: "
                "refused");
    (void)err_set(&sweep.failure, ERR_DB, "what failed");
    daemons[1].lane.gate = LANE_OPEN;
    sweep_db_finish(&sweep);
    expect_said("finished", 2, 18, "what failed; daemon d stopped: silent");
}

static void
test_no_last_words(void **state)
{
    (void)state;
    report.worked = true;
    world.db.open = false;
    world.no_reopen = true;
    sweep_db_finish(&sweep);
    assert_int_equal(world.said_count, 0);
    assert_true(logged("warning: the run leaves no row: no connection"));
    world.no_reopen = false;
    sweep_db_finish(&sweep);
    assert_int_equal(times_said("finished"), 1);
    fail_next(ERR_DB_LOST);
    sweep_db_finish(&sweep);
    assert_int_equal(times_said("finished"), 2);
    assert_true(logged("warning: the run leaves no row: database: trouble"));
    assert_int_equal(world.reopens, 2);
}

/* Somebody's table that refers to an old row keeps that row, and no other. */
static void
test_the_last_words_without_what_is_refused(void **state)
{
    const enum err_kind kinds[] = {ERR_DB, ERR_SCHEMA};

    (void)state;
    report.worked = true;
    (void)strcpy(daemons[0].lane.version, "0.4.4");
    for (int i = 0; i < 2; i++) {
        fail_next(kinds[i]);
        sweep_db_finish(&sweep);
        assert_int_equal(times_said("finished"), 2 * i + 2);
        assert_int_equal(times_said("seen"), 2); /* once, and again because of the failure */
        assert_int_equal(times_said("alarm"), 2 * i + 2);
        assert_int_equal(times_said("prune"), i + 1);
        assert_int_equal(times_said("prune_runs"), i + 1);
    }
    assert_false(logged("leaves no row"));
    assert_true(logged("warning: no old rows are removed: database: trouble"));
}

static int conflicts;

static enum db_progress
conflict(int exchange, struct err *err)
{
    (void)exchange;
    if (conflicts-- > 0) {
        (void)err_set(err, ERR_DB_AGAIN, "database: a deadlock");
        return DB_BROKEN;
    }
    return DB_FINISHED;
}

/* Another run notes what it knows of the same daemons at the same moment. */
static void
test_the_last_words_once_more(void **state)
{
    (void)state;
    report.worked = true;
    world.on_exchange = conflict;
    conflicts = 4;
    sweep_db_finish(&sweep);
    assert_int_equal(times_said("finished"), 5);
    assert_int_equal(conflicts, -1);
    assert_false(logged("leaves no row"));
    conflicts = 5;
    sweep_db_finish(&sweep);
    assert_int_equal(times_said("finished"), 10);
    assert_int_equal(conflicts, 0);
    assert_true(logged("warning: the run leaves no row: database: a deadlock"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_when_results_are_recorded),
        SCENE_TEST(test_results_are_recorded_in_the_order_of_their_numbers),
        SCENE_TEST(test_results_go_along),
        SCENE_TEST(test_many_results_are_recorded_at_once),
        SCENE_TEST(test_the_last_results),
        SCENE_TEST(test_when_nothing_is_said),
        SCENE_TEST(test_a_greeting_alone),
        SCENE_TEST(test_a_lost_connection),
        SCENE_TEST(test_what_was_noted_before),
        SCENE_TEST(test_a_database_that_stays_away),
        SCENE_TEST(test_a_database_that_was_never_there),
        SCENE_TEST(test_a_deadlock),
        SCENE_TEST(test_a_result_whose_row_is_held),
        SCENE_TEST(test_a_claim_that_is_tried_again),
        SCENE_TEST(test_a_result_that_is_refused),
        SCENE_TEST(test_a_claim_that_is_refused),
        SCENE_TEST(test_a_count_that_is_refused),
        SCENE_TEST(test_what_is_known_of_daemons_is_refused),
        SCENE_TEST(test_sending_fails),
        SCENE_TEST(test_a_silent_database),
        SCENE_TEST(test_no_second_connection),
        SCENE_TEST(test_another_schema),
        SCENE_TEST(test_no_alarm_rings),
        SCENE_TEST(test_clocks_that_differ),
        SCENE_TEST(test_the_last_words),
        SCENE_TEST(test_the_last_word),
        SCENE_TEST(test_the_last_words_where_nextcloud_is_watched),
        SCENE_TEST(test_the_note_of_a_run),
        SCENE_TEST(test_no_last_words),
        SCENE_TEST(test_the_last_words_without_what_is_refused),
        SCENE_TEST(test_the_last_words_once_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
