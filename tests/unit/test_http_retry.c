/*
 * A request that failed on a connection used again, before any byte of an answer: HAProxy closes
 * idle ones after 30 s, and may do so in the very moment. It is sent once more; nothing else is.
 */
#include "http_client.h"

static struct client client;
static struct tiny_server server;

static int
begin(void **state)
{
    (void)state;
    client_open(&client, 4);
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

/* One good answer, then a request that gets `text` and an end on the connection that is there
 * already. After that, `after` and its end wait for whoever asks again. */
static struct client_answer
answer_on_a_used_one(const char *body, const char *text, enum tiny_then then, const char *after,
                     enum tiny_then after_then)
{
    struct http_request request = client_get(server.url);

    tiny_say(&server, text, then);
    tiny_say(&server, after, after_then);
    tiny_say(&server, REPLY("5", "third"), TINY_KEEP);
    assert_int_equal(client_ask(&client, &server).transport, HTTP_ANSWERED);
    request.body = body;
    client_begin(&client, &request);
    client_run(&client, &server, NULL);
    assert_int_equal(server.peer_of[1], 1);
    assert_int_equal(client.count, 2);
    return client.answers[1];
}

static void
expect_once_more(const char *body, enum tiny_then then)
{
    struct client_answer answer =
        answer_on_a_used_one(body, "", then, REPLY("6", "second"), TINY_KEEP);

    assert_int_equal(answer.transport, HTTP_ANSWERED);
    assert_string_equal(answer.body, "second");
    assert_int_equal(server.request_count, 3);
    assert_int_equal(server.accepted, 2);
    assert_int_equal(server.peer_of[2], 2);
    assert_string_equal(server.requests[1], server.requests[2]);
}

static void
closed_is_sent_once_more(void **state)
{
    (void)state;
    expect_once_more(NULL, TINY_CLOSE);
}

static void
reset_is_sent_once_more(void **state)
{
    (void)state;
    expect_once_more(NULL, TINY_RESET);
}

static void
a_post_is_sent_once_more(void **state)
{
    (void)state;
    expect_once_more("{\"image_ref\":\"app:1\"}", TINY_CLOSE);
    assert_true(tiny_got(&server, 2, "\r\n\r\n{\"image_ref\":\"app:1\"}"));
}

static void
a_reset_post_is_sent_once_more(void **state)
{
    (void)state;
    expect_once_more("{\"image_ref\":\"app:1\"}", TINY_RESET);
}

static void
not_a_third_time(void **state)
{
    struct client_answer answer = answer_on_a_used_one(NULL, "", TINY_CLOSE, "", TINY_CLOSE);

    (void)state;
    assert_int_equal(answer.transport, HTTP_CLOSED);
    assert_int_equal(server.request_count, 3);
}

/* Where several connections are idle and all of them end like this, libcurl tries one after the
 * other, and then a new one. Each of these requests was left without a byte of an answer. */
static void
at_most_once_on_each_idle_connection(void **state)
{
    const struct http_request request = client_get(server.url);

    (void)state;
    server.hold_until = 3;
    for (int i = 0; i < 3; i++) {
        client_begin(&client, &request);
    }
    client_run(&client, &server, NULL);
    assert_int_equal(server.accepted, 3);
    server.reply_count = 0;
    tiny_say(&server, "", TINY_CLOSE);
    assert_int_equal(client_ask(&client, &server).transport, HTTP_CLOSED);
    assert_int_equal(server.accepted, 4);
    assert_true(server.request_count >= 3 + 2 && server.request_count <= 3 + 4);
    for (size_t i = 4; i < server.request_count; i++) {
        assert_int_not_equal(server.peer_of[i], server.peer_of[i - 1]);
    }
}

static void
not_after_a_part_of_an_answer(void **state)
{
    struct client_answer answer =
        answer_on_a_used_one(NULL, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", TINY_CLOSE,
                             REPLY("6", "second"), TINY_KEEP);

    (void)state;
    assert_int_equal(answer.transport, HTTP_CUT);
    assert_int_equal(server.request_count, 2);
}

/* Closed while nobody asked anything: no request has failed, none is sent twice. */
static void
closed_while_idle_is_no_failure(void **state)
{
    (void)state;
    assert_int_equal(client_ask(&client, &server).transport, HTTP_ANSWERED);
    tiny_drop(&server.peers[0], false);
    assert_int_equal(client_ask(&client, &server).transport, HTTP_ANSWERED);
    assert_int_equal(server.request_count, 2);
    assert_int_equal(server.accepted, 2);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(closed_is_sent_once_more),
        TEST(reset_is_sent_once_more),
        TEST(a_post_is_sent_once_more),
        TEST(a_reset_post_is_sent_once_more),
        TEST(not_a_third_time),
        TEST(at_most_once_on_each_idle_connection),
        TEST(not_after_a_part_of_an_answer),
        TEST(closed_while_idle_is_no_failure),
    };

    return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
