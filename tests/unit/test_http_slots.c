/* Many requests at once: places, order, cancelling, and the descriptor that is watched besides. */
#include "http_client.h"

#define PLACES 4

static struct client client;
static struct tiny_server server;

static int
begin(void **state)
{
    (void)state;
    client_open(&client, PLACES);
    tiny_open(&server);
    tiny_say(&server, OK_REPLY, TINY_KEEP);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    http_close(client.http);
    tiny_close(&server);
    return 0;
}

/* Begins count requests at once, with the numbers from first on as their users. */
static void
begin_many(int *numbers, int count)
{
    struct http_request request = client_get(server.url);

    for (int i = 0; i < count; i++) {
        request.user = &numbers[i];
        client_begin(&client, &request);
    }
    assert_int_equal(http_active(client.http), count);
}

static void
several_at_once(void **state)
{
    int numbers[PLACES] = {0};

    (void)state;
    /* Nobody gets an answer before all have asked: one after the other would never end. */
    server.hold_until = PLACES;
    begin_many(numbers, PLACES);
    client_run(&client, &server, NULL);
    assert_int_equal(client.count, PLACES);
    assert_int_equal(server.accepted, PLACES);
    for (size_t i = 0; i < client.count; i++) {
        assert_int_equal(client.answers[i].transport, HTTP_ANSWERED);
        (*(int *)client.answers[i].user)++;
    }
    for (size_t i = 0; i < PLACES; i++) {
        assert_int_equal(numbers[i], 1);
    }
}

static void
all_connections_are_used_again(void **state)
{
    int numbers[PLACES] = {0};

    (void)state;
    server.hold_until = PLACES;
    begin_many(numbers, PLACES);
    client_run(&client, &server, NULL);
    server.hold_until = 2 * (size_t)PLACES;
    begin_many(numbers, PLACES);
    client_run(&client, &server, NULL);
    assert_int_equal(server.request_count, 2 * PLACES);
    assert_int_equal(server.accepted, PLACES);
}

static void
an_answer_is_its_own_requests(void **state)
{
    char urls[3][96];
    struct http_request request = client_get(urls[0]);

    (void)state;
    server.reply_count = 0;
    tiny_say(&server, REPLY("1", "0"), TINY_KEEP);
    tiny_say(&server, REPLY("1", "1"), TINY_KEEP);
    tiny_say(&server, REPLY("1", "2"), TINY_KEEP);
    server.hold_until = 3;
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(urls[i], sizeof urls[i], "%s/%zu", server.url, i);
        request.url = urls[i];
        request.user = &urls[i];
        client_begin(&client, &request);
    }
    client_run(&client, &server, NULL);
    for (size_t i = 0; i < 3; i++) {
        size_t n = (size_t)(client.answers[i].body[0] - '0');
        const char *url = client.answers[i].user;
        char *line = mem_printf("GET %s HTTP", url + strlen(server.url));

        assert_true(tiny_got(&server, n, line));
        mem_free(line);
    }
}

/* The answer that done() looks at still holds its place; the next request must not wait for it. */
static void
done_may_begin_the_next(void **state)
{
    const struct http_request next = client_get(server.url);
    int numbers[PLACES] = {0};

    (void)state;
    client.next = &next;
    client.again = 8;
    begin_many(numbers, PLACES);
    client_run(&client, &server, NULL);
    assert_int_equal(client.count, PLACES + 8);
    assert_int_equal(server.request_count, PLACES + 8);
    assert_int_equal(server.accepted, PLACES);
    for (size_t i = 0; i < client.count; i++) {
        assert_int_equal(client.answers[i].transport, HTTP_ANSWERED);
    }
}

static void
no_more_than_there_are_places(void **state)
{
    const struct http_request request = client_get(server.url);
    struct err err = {.kind = ERR_NONE};
    int count = 0;

    (void)state;
    while (count < 100 && http_begin(client.http, &request, &err)) {
        count++;
    }
    /* One more than asked for, see done_may_begin_the_next(). */
    assert_true(count >= PLACES && count <= PLACES + 1);
    assert_int_equal(err.kind, ERR_INTERNAL);
    assert_int_equal(http_active(client.http), count);
    client_run(&client, &server, NULL);
    assert_int_equal(client.count, count);
}

static void
one_that_fails_leaves_the_others_alone(void **state)
{
    struct http_request slow = client_get(server.url);
    int numbers[2] = {0};

    (void)state;
    server.reply_count = 0;
    tiny_say(&server, "", TINY_RESET);
    tiny_say(&server, OK_REPLY, TINY_KEEP);
    server.hold_until = 2;
    slow.user = &numbers[0];
    client_begin(&client, &slow);
    slow.user = &numbers[1];
    client_begin(&client, &slow);
    client_run(&client, &server, NULL);
    assert_int_equal(client.count, 2);
    assert_int_equal(client.answers[0].transport + client.answers[1].transport,
                     HTTP_ANSWERED + HTTP_CLOSED);
    /* And the place of the one that failed is as good as new. */
    assert_int_equal(client_ask(&client, &server).transport, HTTP_ANSWERED);
}

static void
cancelling_tells_each_once(void **state)
{
    int numbers[PLACES] = {0};
    int64_t begun = clock_boot_ms();

    (void)state;
    server.hold_until = 100;
    begin_many(numbers, PLACES);
    while (server.request_count < PLACES) {
        client_turn(&client, &server, NULL);
        assert_true(clock_boot_ms() - begun < 10000);
    }
    assert_int_equal(client.count, 0);
    http_abort_all(client.http);
    assert_int_equal(http_active(client.http), 0);
    assert_int_equal(client.count, PLACES);
    for (size_t i = 0; i < client.count; i++) {
        assert_int_equal(client.answers[i].transport, HTTP_ABORTED);
        assert_string_not_equal(client.answers[i].detail, "");
        (*(int *)client.answers[i].user)++;
    }
    for (size_t i = 0; i < PLACES; i++) {
        assert_int_equal(numbers[i], 1);
    }
    /* HaRP learns of it: a request that nobody waits for has no connection any more. */
    while (server.left < PLACES) {
        client_turn(&client, &server, NULL);
        assert_true(clock_boot_ms() - begun < 10000);
    }
    http_abort_all(client.http);
    assert_int_equal(client.count, PLACES);
    server.hold_until = 0;
    assert_int_equal(client_ask(&client, &server).transport, HTTP_ANSWERED);
}

static void
closing_tells_nobody(void **state)
{
    int numbers[PLACES] = {0};

    (void)state;
    server.hold_until = 100;
    begin_many(numbers, PLACES);
    client_turn(&client, &server, NULL);
    http_close(client.http);
    client.http = NULL;
    assert_int_equal(client.count, 0);
    http_close(NULL);
}

/* The database's answers must not wait until HaRP has something to say. */
static void
another_descriptor_wakes(void **state)
{
    struct err err;
    int pipes[2];
    int64_t begun = clock_boot_ms();

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    assert_true(http_wait(client.http, pipes[1], true, 20000, &err));
    assert_true(http_wait(client.http, pipes[0], false, 20, &err));
    assert_true(clock_boot_ms() - begun >= 20);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    assert_true(http_wait(client.http, pipes[0], false, 20000, &err));
    assert_true(clock_boot_ms() - begun < 10000);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(several_at_once, begin, end),
        cmocka_unit_test_setup_teardown(all_connections_are_used_again, begin, end),
        cmocka_unit_test_setup_teardown(an_answer_is_its_own_requests, begin, end),
        cmocka_unit_test_setup_teardown(done_may_begin_the_next, begin, end),
        cmocka_unit_test_setup_teardown(no_more_than_there_are_places, begin, end),
        cmocka_unit_test_setup_teardown(one_that_fails_leaves_the_others_alone, begin, end),
        cmocka_unit_test_setup_teardown(cancelling_tells_each_once, begin, end),
        cmocka_unit_test_setup_teardown(closing_tells_nobody, begin, end),
        cmocka_unit_test_setup_teardown(another_descriptor_wakes, begin, end),
    };

    return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
