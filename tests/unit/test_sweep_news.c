/* What a run learns first: which daemons there are, what is due, and what is new in Nextcloud. */
#include "sweep_scene.h"

#include "roster.h"

/* A run that learned these news and this due work. */
static void
learn(const char *const (*news)[9], size_t news_count, const char *const (*found)[6],
      size_t found_count)
{
    struct db_result *told = db_answer(9, (int)news_count, (const char *const *)news);
    struct db_result *due =
        found == NULL ? NULL : db_answer(6, (int)found_count, (const char *const *)found);

    sweep.daemons = NULL;
    sweep.daemon_count = 0;
    sweep.found = false;
    sweep_learn(&sweep, told, due);
    assert_true(sweep.found);
    db_result_free(told);
    db_result_free(due);
}

static int
news_free(void **state)
{
    if (sweep.daemons != daemons) {
        sweep_free_looks(&sweep);
        mem_free(sweep.daemons);
        sweep.daemons = daemons;
        sweep.daemon_count = 0;
    }
    roster_free(sweep.roster);
    return scene_free(state);
}

#define NEWS_TEST(test) cmocka_unit_test_setup_teardown(test, scene_begin, news_free)
#define LEARN(news, found) \
    learn(news, sizeof news / sizeof *news, found, sizeof found / sizeof *found)

#define DAEMON(name, paused, stop)                                                      \
    {                                                                                   \
        "daemon", name, NULL, name, "http", name ".example:8780", "24000", paused, stop \
    }
#define LOOK(app, daemon)                                         \
    {                                                             \
        "look", app, "print", daemon, NULL, NULL, NULL, "f", NULL \
    }
#define DUE(daemon, paused, stop)              \
    {                                          \
        daemon, paused, stop, NULL, NULL, NULL \
    }

static void
test_daemons_of_the_settings(void **state)
{
    static const char *const found[][6] = {DUE("e", "f", "down")};

    (void)state;
    sweep.run.pid = 5;
    learn(NULL, 0, found, 1);
    assert_int_equal(sweep.daemon_count, 2);
    assert_string_equal(sweep.daemons[1].lane.conf->name, "e");
    assert_ptr_equal(sweep.daemons[1].call.daemon, &sweep.daemons[1]);
    assert_false(sweep.daemons[0].due);
    assert_true(sweep.daemons[1].due);
    assert_string_equal(sweep.daemons[1].known_stop, "down");
    assert_int_equal(sweep.daemons[1].left, -1);
    assert_int_equal(sweep.turn, 1); /* short runs begin with another daemon */
    assert_false(sweep.nextcloud);
    assert_int_equal(report.daemons_unknown, 0);
    assert_int_equal(sweep.failure.kind, ERR_NONE);
    assert_false(sweep.closing);
}

static void
test_no_daemons(void **state)
{
    (void)state;
    world_conf.daemon_count = 0;
    sweep.run.pid = 5;
    learn(NULL, 0, NULL, 0);
    assert_int_equal(sweep.daemon_count, 0);
    assert_int_equal(sweep.turn, 0);
}

/* A daemon that met a wrong key is left alone, unless somebody names it. */
static void
test_paused_daemons(void **state)
{
    static const char *const news[][9] = {DAEMON("d", "t", "unauthorized"), DAEMON("e", "f", NULL),
                                          LOOK("app", "d"), LOOK("two", "e")};
    static const char *const found[][6] = {DUE("d", "t", "unauthorized"), DUE("e", "f", NULL)};

    (void)state;
    LEARN(news, found);
    assert_false(sweep.daemons[0].due);
    assert_true(sweep.daemons[1].due);
    assert_true(sweep.daemons[0].left_alone);
    assert_false(sweep.daemons[1].left_alone);
    assert_null(sweep.daemons[0].looks);
    assert_non_null(sweep.daemons[1].looks);
    assert_string_equal(sweep.daemons[1].looks->appid, "two");
    assert_string_equal(sweep.daemons[1].looks->fingerprint, "print");
}

static void
test_a_daemon_that_is_named(void **state)
{
    static const char *const news[][9] = {DAEMON("d", "t", "unauthorized"), DAEMON("e", "f", NULL),
                                          LOOK("app", "d"), LOOK("two", "e")};
    static const char *const found[][6] = {DUE("d", "t", "unauthorized"), DUE("e", "f", NULL),
                                           DUE("stranger", "f", NULL)};

    (void)state;
    world_options.daemon = "d";
    LEARN(news, found);
    assert_true(sweep.daemons[0].due);
    assert_string_equal(sweep.daemons[0].known_stop, "unauthorized");
    assert_false(sweep.daemons[1].due);
    assert_non_null(sweep.daemons[0].looks);
    assert_null(sweep.daemons[1].looks);
    assert_int_equal(report.daemons_unknown, 0); /* nobody asked for that one */
    assert_int_equal(sweep.failure.kind, ERR_NONE);
}

static void
test_a_name_that_no_daemon_has(void **state)
{
    (void)state;
    world_options.daemon = "stranger";
    learn(NULL, 0, NULL, 0);
    assert_int_equal(sweep.failure.kind, ERR_USAGE);
    assert_string_equal(sweep.failure.text,
                        "there is no daemon stranger, neither in x.ini nor in Nextcloud");
    assert_true(sweep.closing);
}

/* Due work that nobody can do is told; of unsupported daemons it is done without asking. */
static void
test_daemons_that_cannot_be_asked(void **state)
{
    static const char *const news[][9] = {
        {"daemon", "bare", NULL, "bare", NULL, NULL, NULL, "f", NULL},
        {"daemon", "kube", "no images there", "kube", NULL, NULL, NULL, "f", NULL},
        LOOK("app", "bare"),
        LOOK("app", "nobody"),
        {"daemon", "d", NULL, "nobody", "http", "d.example:8780", "24000", "f", NULL}};
    static const char *const found[][6] = {DUE("stranger", "f", NULL), DUE("bare", "f", NULL),
                                           DUE("kube", "f", NULL)};
    const struct sweep_daemon *bare;

    (void)state;
    LEARN(news, found);
    bare = sweep_find_daemon(&sweep, "bare");
    assert_non_null(bare);
    assert_false(bare->due);
    assert_null(bare->looks);
    assert_true(sweep_find_daemon(&sweep, "kube")->due);
    assert_int_equal(report.daemons_unknown, 2);
    assert_true(logged("warning: jobs are due for daemon stranger, which neither x.ini nor "
                       "Nextcloud knows\n"));
    assert_true(logged("warning: jobs are due for daemon bare, which cannot be asked: "));
}

/* Known only from its jobs: it is asked where they say it was. */
static void
test_a_daemon_that_is_gone(void **state)
{
    static const char *const found[][6] = {{"gone", "f", NULL, "http", "g.example:8780", "24000"},
                                           {"d", "f", NULL, "http", "other:1", "24001"},
                                           {"nowhere", "f", NULL, NULL, NULL, NULL}};
    const struct sweep_daemon *gone;

    (void)state;
    world_conf.key = world_key;
    learn(NULL, 0, found, 3);
    gone = sweep_find_daemon(&sweep, "gone");
    assert_non_null(gone);
    assert_true(gone->entry->gone);
    assert_true(gone->due);
    assert_int_equal(sweep.daemon_count, 3);
    assert_false(sweep.daemons[0].entry->gone); /* the settings know this one */
    assert_int_equal(report.daemons_unknown, 1);
}

static void
test_apps_that_are_gone(void **state)
{
    static const char *const news[][9] = {
        {"gone", "app", NULL, NULL, NULL, NULL, NULL, "f", NULL},
        {"nextcloud", NULL, NULL, NULL, NULL, NULL, NULL, "f", NULL}};

    (void)state;
    learn(news, 1, NULL, 0);
    assert_true(sweep.reconcile_due);
    assert_false(sweep.nextcloud);
    roster_free(sweep.roster);
    mem_free(sweep.daemons);
    learn(&news[1], 1, NULL, 0);
    assert_true(sweep.nextcloud);
}

/* Settings that say to follow Nextcloud are followed, or the run ends. */
static void
test_nextcloud_is_followed(void **state)
{
    static const char *const news[][9] = {
        {"nextcloud", NULL, NULL, NULL, NULL, NULL, NULL, "f", NULL}};

    (void)state;
    world_conf.follow_nextcloud = true;
    learn(news, 1, NULL, 0);
    assert_int_equal(sweep.failure.kind, ERR_NONE);
    roster_free(sweep.roster);
    mem_free(sweep.daemons);
    learn(NULL, 0, NULL, 0);
    assert_int_equal(sweep.failure.kind, ERR_CONFIG);
    assert_string_equal(
        sweep.failure.text,
        "x.ini: [cleanup] follow_nextcloud = yes, but Nextcloud's tables are not watched");
    assert_true(sweep.closing);
}

/* Nextcloud's own settings take the place of ours. */
static void
test_nextclouds_settings(void **state)
{
    struct db_result *settings = db_answer(3, 0, NULL);

    (void)state;
    sweep.enabled = false;
    sweep.grace_hours = 7;
    sweep_follow(&sweep, settings); /* it has none of its own: AppAPI's defaults */
    db_result_free(settings);
    assert_true(sweep.enabled);
    assert_int_equal(sweep.grace_hours, 24);
    settings = db_answer(3, 2,
                         (const char *const[]){"image_cleanup_enabled", "0", "32",
                                               "image_cleanup_grace_hours", "5", "8"});
    sweep_follow(&sweep, settings);
    db_result_free(settings);
    assert_false(sweep.enabled);
    assert_int_equal(sweep.grace_hours, 5);
    assert_false(logged("warning"));
    settings = db_answer(3, 1, (const char *const[]){"image_cleanup_enabled", "maybe", "32"});
    sweep_follow(&sweep, settings);
    db_result_free(settings);
    assert_false(sweep.enabled);
    assert_true(
        logged("warning: Nextcloud's app_api image_cleanup_enabled = \"maybe\" is neither yes "
               "nor no: cleanup counts as disabled run=0f8fad5b"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        NEWS_TEST(test_daemons_of_the_settings),
        NEWS_TEST(test_no_daemons),
        NEWS_TEST(test_paused_daemons),
        NEWS_TEST(test_a_daemon_that_is_named),
        NEWS_TEST(test_a_name_that_no_daemon_has),
        NEWS_TEST(test_daemons_that_cannot_be_asked),
        NEWS_TEST(test_a_daemon_that_is_gone),
        NEWS_TEST(test_apps_that_are_gone),
        NEWS_TEST(test_nextcloud_is_followed),
        NEWS_TEST(test_nextclouds_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
