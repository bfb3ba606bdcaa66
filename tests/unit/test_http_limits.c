/* Answers are read up to a limit, whatever a server has to say. */
#include "http_client.h"

static struct client client;
static struct tiny_server server;

static int
begin(void **state)
{
    (void)state;
    client_open(&client, 4);
    tiny_open(&server);
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

static void
as_large_as_allowed(void **state)
{
    char *body = mem_alloc(HTTP_BODY_MAX + 2, 1);
    char *reply;
    struct client_answer answer;

    (void)state;
    memset(body, 'a', HTTP_BODY_MAX);
    reply = mem_printf(REPLY("%d", "%s"), HTTP_BODY_MAX, body);
    tiny_say(&server, reply, TINY_KEEP);
    answer = client_ask(&client, &server);
    assert_int_equal(answer.transport, HTTP_ANSWERED);
    assert_int_equal(answer.length, HTTP_BODY_MAX);
    mem_free(reply);
    body[HTTP_BODY_MAX] = 'a';
    reply = mem_printf(REPLY("%d", "%s"), HTTP_BODY_MAX + 1, body);
    server.reply_count = 0;
    tiny_say(&server, reply, TINY_KEEP);
    answer = client_ask(&client, &server);
    assert_int_equal(answer.transport, HTTP_TOO_LARGE);
    assert_true(answer.length <= HTTP_BODY_MAX);
    mem_free(reply);
    mem_free(body);
    /* What is left of it on the wire is nobody's answer. */
    server.reply_count = 0;
    tiny_say(&server, OK_REPLY, TINY_KEEP);
    assert_string_equal(client_ask(&client, &server).body, "{}");
    assert_int_equal(server.accepted, 2);
}

/* An answer that begins with head and goes on with 100 MB of line. */
static void
expect_too_large(const char *head, const char *line)
{
    const struct http_request request = client_get(server.url);
    struct buf lines;

    buf_init(&lines, 10000);
    while (lines.length < 9000) {
        assert_true(buf_add_text(&lines, line));
    }
    tiny_say(&server, head, TINY_GO_ON);
    tiny_repeat(&server, buf_text(&lines), 100000000 / (int)lines.length, TINY_KEEP);
    client_begin(&client, &request);
    client_run(&client, &server, NULL);
    assert_int_equal(client.count, 1);
    if (client.answers[0].transport != HTTP_TOO_LARGE) {
        fail_msg("%d: %s", (int)client.answers[0].transport, client.answers[0].detail);
    }
    assert_true(client.answers[0].length <= HTTP_BODY_MAX);
    assert_int_equal(server.request_count, 1);
    while (server.left == 0) {
        client_turn(&client, &server, NULL);
    }
    buf_free(&lines);
}

static void
a_body_without_end(void **state)
{
    (void)state;
    expect_too_large("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", "<br>\n");
}

static void
chunks_without_end(void **state)
{
    (void)state;
    expect_too_large("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                     "10\r\n0123456789abcdef\r\n");
}

static void
a_length_beyond_all(void **state)
{
    (void)state;
    expect_too_large("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", "aaaaaaaa");
}

/* Of these libcurl makes an answer of unknown length, and the end of the connection would be its.
 */
static void
a_length_that_no_number_holds(void **state)
{
    static const char *const lengths[] = {
        "Content-Length: 9223372036854775808",
        "content-length:\t+00099999999999999999999",
        "CONTENT-LENGTH: 1000000000000000000",
    };

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char *reply = mem_printf("HTTP/1.1 200 OK\r\n%s\r\n\r\n{}", lengths[i]);
        enum http_transport transport;

        server.reply_count = 0;
        tiny_say(&server, reply, TINY_CLOSE);
        transport = client_ask(&client, &server).transport;
        /* libcurl 8.14 takes no length with a sign. */
        assert_true(transport == HTTP_TOO_LARGE || (i == 1 && transport == HTTP_NOT_HTTP));
        mem_free(reply);
    }
    /* Zeros do not make a number larger, and other headers have numbers of their own. */
    server.reply_count = 0;
    tiny_say(&server,
             "HTTP/1.1 200 OK\r\nX-Content-Length: 9999999999999999999\r\n"
             "Content-Length: 0000000000000000000000002\r\n\r\n{}",
             TINY_CLOSE);
    assert_string_equal(client_ask(&client, &server).body, "{}");
}

static void
headers_without_end(void **state)
{
    (void)state;
    expect_too_large("HTTP/1.1 200 OK\r\n", "X-More: and more\r\n");
}

static void
one_header_without_end(void **state)
{
    (void)state;
    expect_too_large("HTTP/1.1 200 OK\r\nX-More: ", "and more ");
}

static void
continues_without_end(void **state)
{
    (void)state;
    expect_too_large("", "HTTP/1.1 100 Continue\r\n\r\n");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(as_large_as_allowed),   TEST(a_body_without_end),
        TEST(chunks_without_end),    TEST(a_length_beyond_all),
        TEST(headers_without_end),   TEST(one_header_without_end),
        TEST(continues_without_end), TEST(a_length_that_no_number_holds),
    };

    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
