/* What is known of each daemon: of the settings, of Nextcloud's table, and of neither any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db_answer.h"
#include "roster.h"

#include <string.h>

#define COLUMNS 9

static char the_key[] = "secret";
static char here[] = "here";
static char there[] = "there";
static char bare[] = "bare";
static char url[] = "http://harp:8780";

/* "here" says all, "there" only its port, "bare" nothing but the key. */
static struct conf_daemon sections[] = {
    {.section = here, .name = here, .url = url, .key = the_key, .engine_port = 24001},
    {.section = there, .name = there, .key = the_key, .engine_port = 24002},
    {.section = bare, .name = bare, .key = the_key},
};
static char conf_path[] = "x.ini";
static struct conf conf = {.path = conf_path,
                           .daemons = sections,
                           .daemon_count = sizeof sections / sizeof *sections,
                           .max_parallel_per_daemon = 7};

/* A row of sql/queries/news.sql; NULL: null. */
struct row {
    const char *kind;
    const char *name;
    const char *detail;
    const char *protocol;
    const char *host;
    const char *port;
};

static struct db_result *
answer(const struct row *rows, size_t count)
{
    const char *cells[10 * COLUMNS];

    assert_between(count, 0, 10);
    for (size_t i = 0; i < count; i++) {
        const char *const line[COLUMNS] = {rows[i].kind,
                                           rows[i].name,
                                           rows[i].detail,
                                           NULL,
                                           rows[i].protocol,
                                           rows[i].host,
                                           rows[i].port,
                                           "f",
                                           NULL};

        memcpy(&cells[i * COLUMNS], line, sizeof line);
    }
    return db_answer(COLUMNS, (int)count, cells);
}

static struct roster *
roster_of(const struct row *rows, size_t count, bool nextcloud)
{
    struct roster *roster = roster_new(&conf);
    struct db_result *news = answer(rows, count);

    assert_int_equal(roster_take_news(roster, news), nextcloud);
    db_result_free(news);
    return roster;
}

static void
expect_problem(const struct roster *roster, const char *name, const char *problem)
{
    const struct roster_daemon *daemon = roster_find(roster, name);

    assert_non_null(daemon);
    if (problem == NULL) {
        assert_null(daemon->problem);
    } else {
        assert_non_null(daemon->problem);
        assert_string_equal(daemon->problem, problem);
    }
}

static void
test_of_the_settings_alone(void **state)
{
    struct roster *roster = roster_of(NULL, 0, false);

    (void)state;
    assert_int_equal(roster_count(roster), 3);
    assert_ptr_equal(roster_at(roster, 1), roster_find(roster, "there"));
    assert_null(roster_find(roster, "nobody"));
    expect_problem(roster, "here", NULL);
    expect_problem(roster, "bare",
                   "no url in [daemon:bare] of x.ini, and Nextcloud has no such daemon");
    assert_int_equal(roster_find(roster, "here")->conf.engine_port, 24001);
    assert_int_equal(roster_find(roster, "bare")->conf.engine_port, 24000);
    assert_false(roster_find(roster, "here")->in_nextcloud);
    roster_free(roster);
    roster_free(NULL);
}

static void
test_what_nextcloud_adds(void **state)
{
    static const struct row rows[] = {
        {"look", "app", NULL, "http", "elsewhere:1", "1"},
        {"daemon", "here", NULL, "https", "nextcloud:1", "25001"},
        {"daemon", "there", NULL, "https", "nextcloud:2", "25002"},
        {"daemon", "bare", NULL, "http", "nextcloud:3", "25003"},
        {"nextcloud", "", NULL, NULL, NULL, NULL},
        {"unheard of", "stranger", NULL, "http", "x", "1"},
    };
    struct roster *roster = roster_of(rows, sizeof rows / sizeof *rows, true);
    const struct roster_daemon *daemon = roster_find(roster, "here");

    (void)state;
    assert_int_equal(roster_count(roster), 3);
    /* What the settings say counts. */
    assert_string_equal(daemon->conf.url, url);
    assert_int_equal(daemon->conf.engine_port, 24001);
    assert_true(daemon->in_nextcloud);
    assert_string_equal(daemon->place.host, "nextcloud:1");
    assert_int_equal(daemon->place.docker_socket_port, 25001);
    daemon = roster_find(roster, "there");
    assert_string_equal(daemon->conf.url, "https://nextcloud:2");
    assert_int_equal(daemon->conf.engine_port, 24002);
    expect_problem(roster, "there", NULL);
    daemon = roster_find(roster, "bare");
    assert_string_equal(daemon->conf.url, "http://nextcloud:3");
    assert_int_equal(daemon->conf.engine_port, 25003);
    expect_problem(roster, "bare", NULL);
    roster_free(roster);
}

static void
test_what_nextcloud_says_again(void **state)
{
    static const struct row before[] = {{"daemon", "bare", NULL, "http", "not a host", "1"}};
    static const struct row after[] = {{"daemon", "bare", NULL, "http", "host", "2"}};
    struct roster *roster = roster_of(before, 1, false);
    struct db_result *news = answer(after, 1);

    (void)state;
    assert_non_null(strstr(roster_find(roster, "bare")->problem, "its address in Nextcloud: "));
    assert_null(roster_find(roster, "bare")->conf.url);
    assert_false(roster_take_news(roster, news));
    db_result_free(news);
    expect_problem(roster, "bare", NULL);
    assert_string_equal(roster_find(roster, "bare")->conf.url, "http://host");
    assert_int_equal(roster_find(roster, "bare")->conf.engine_port, 2);
    roster_free(roster);
}

static void
test_daemons_that_have_no_section(void **state)
{
    static const struct row rows[] = {{"daemon", "new", NULL, "http", "host", "9"}};
    static const struct row odd[] = {{"daemon", "new", NULL, "http", "not a host", "9"}};
    struct roster *roster = roster_of(rows, 1, false);

    (void)state;
    assert_int_equal(roster_count(roster), 4);
    expect_problem(roster, "new",
                   "the settings have no shared key for it: give shared_key_file in [harp] or in a "
                   "section of its own");
    assert_string_equal(roster_find(roster, "new")->conf.url, "http://host");
    assert_int_equal(roster_find(roster, "new")->conf.max_parallel, 7);
    roster_free(roster);
    roster = roster_of(odd, 1, false); /* the first of its problems is told */
    assert_non_null(strstr(roster_find(roster, "new")->problem, "its address in Nextcloud: "));
    roster_free(roster);
    conf.key = the_key;
    roster = roster_of(rows, 1, false);
    conf.key = NULL;
    expect_problem(roster, "new", NULL);
    assert_ptr_equal(roster_find(roster, "new")->conf.key, the_key);
    assert_int_equal(roster_find(roster, "new")->conf.engine_port, 9);
    roster_free(roster);
}

static void
test_what_nextcloud_calls_unsupported(void **state)
{
    static const struct row rows[] = {
        {"daemon", "here", "not HaRP", "http", "host", "9"},
        {"daemon", "bare", "not HaRP", "http", "host", "9"},
        {"daemon", "new", "not HaRP", "http", "host", "9"},
    };
    struct roster *roster = roster_of(rows, sizeof rows / sizeof *rows, false);

    (void)state;
    expect_problem(roster, "here", NULL); /* a person knows better */
    assert_false(roster_find(roster, "here")->unsupported);
    expect_problem(roster, "bare", "not HaRP");
    assert_true(roster_find(roster, "bare")->unsupported);
    expect_problem(roster, "new", "not HaRP");
    assert_true(roster_find(roster, "new")->unsupported);
    roster_free(roster);
}

static void
test_daemons_that_are_gone(void **state)
{
    static const struct jobs_place place = {"http", "old", 24009};
    struct roster *roster = roster_of(NULL, 0, false);

    (void)state;
    conf.key = the_key;
    roster_add_gone(roster, "gone", &place);
    conf.key = NULL;
    assert_true(roster_find(roster, "gone")->gone);
    assert_false(roster_find(roster, "here")->gone);
    assert_string_equal(roster_find(roster, "gone")->conf.url, "http://old");
    assert_int_equal(roster_find(roster, "gone")->conf.engine_port, 24009);
    expect_problem(roster, "gone", NULL);
    roster_free(roster);
}

static void
test_one_engine(void **state)
{
    static const struct row rows[] = {
        {"daemon", "a", NULL, "http", "host", "1"},
        {"daemon", "same", NULL, "http", "host", "1"},
        {"daemon", "b", NULL, "https", "host", "1"},
        {"daemon", "c", NULL, "http", "other", "1"},
        {"daemon", "d", NULL, "http", "host", "2"},
        /* Of which something is missing: nowhere, not beside each other. */
        {"daemon", "e", "?", NULL, "host", "1"},
        {"daemon", "f", "?", "http", NULL, "1"},
        {"daemon", "g", "?", "http", "host", NULL},
    };
    struct roster *roster = roster_of(rows, sizeof rows / sizeof *rows, false);
    const struct roster_daemon *a = roster_find(roster, "a");

    (void)state;
    assert_true(roster_is_same_engine(a, a));
    for (size_t i = 1; i < sizeof rows / sizeof *rows; i++) {
        const struct roster_daemon *other = roster_find(roster, rows[i].name);
        bool same = strcmp(rows[i].name, "same") == 0;

        assert_int_equal(roster_is_same_engine(a, other), same);
        assert_int_equal(roster_is_same_engine(other, a), same);
        assert_true(roster_is_same_engine(other, other));
        if (i > 4) {
            assert_null(other->place.protocol);
            assert_null(other->place.host);
            assert_int_equal(other->place.docker_socket_port, 0);
        }
    }
    assert_false(roster_is_same_engine(roster_find(roster, "e"), roster_find(roster, "f")));
    roster_free(roster);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_the_settings_alone),
        cmocka_unit_test(test_what_nextcloud_adds),
        cmocka_unit_test(test_what_nextcloud_says_again),
        cmocka_unit_test(test_daemons_that_have_no_section),
        cmocka_unit_test(test_what_nextcloud_calls_unsupported),
        cmocka_unit_test(test_daemons_that_are_gone),
        cmocka_unit_test(test_one_engine),
    };

    return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
