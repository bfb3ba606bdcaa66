/* HTTP as it should not go: refused, silent, cut, and not HTTP at all. */
#include "http_client.h"
#include "verdict.h"

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

/* The answer to a request on a fresh connection, which is never sent twice. */
static struct client_answer
answer_to(const char *text, enum tiny_then then)
{
    struct client_answer answer;

    tiny_say(&server, text, then);
    answer = client_ask(&client, &server);
    assert_int_equal(server.request_count, 1);
    assert_int_equal(server.accepted, 1);
    if (answer.transport != HTTP_ANSWERED) {
        assert_string_not_equal(answer.detail, "");
    }
    return answer;
}

/* The same for a request that waits 150 ms at most. */
static struct client_answer
answer_in_time(struct tiny_server *of)
{
    struct http_request request = client_get(of->url);

    request.timeout_ms = 150;
    client_begin(&client, &request);
    client_run(&client, of, NULL);
    assert_int_equal(client.count, 1);
    assert_true(client.answers[0].duration_ms >= 140 && client.answers[0].duration_ms <= 5000);
    return client.answers[0];
}

static void
refused(void **state)
{
    char url[64];
    struct http_request request = client_get(url);

    (void)state;
    (void)close(tiny_listen(1, url));
    client_begin(&client, &request);
    client_run(&client, &server, NULL);
    assert_int_equal(client.answers[0].transport, HTTP_NOT_CONNECTED);
    assert_int_equal(client.answers[0].status, 0);
    assert_string_equal(client.answers[0].body, "");
    assert_string_equal(client.answers[0].type, "");
    assert_string_not_equal(client.answers[0].detail, "");
}

/* A label of 64 characters can't have an address; no resolver needs to be asked for that. */
static void
no_address(void **state)
{
    struct http_request request =
        client_get("http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/");

    (void)state;
    client_begin(&client, &request);
    client_run(&client, &server, NULL);
    assert_int_equal(client.answers[0].transport, HTTP_NOT_RESOLVED);
}

/* Where a listener's queue is full, Linux leaves whoever knocks without an answer. */
static void
no_connection_in_time(void **state)
{
    char url[64];
    int listener = tiny_listen(0, url);
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int fillers[2];
    struct http_request request = client_get(url);

    (void)state;
    assert_int_equal(getsockname(listener, (struct sockaddr *)(void *)&address, &size), 0);
    for (size_t i = 0; i < 2; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fillers[i], (const struct sockaddr *)(const void *)&address, size);
    }
    request.connect_timeout_ms = 100;
    client_begin(&client, &request);
    client_run(&client, &server, NULL);
    assert_int_equal(client.answers[0].transport, HTTP_NOT_CONNECTED);
    assert_true(client.answers[0].duration_ms >= 90 && client.answers[0].duration_ms <= 5000);
    (void)close(fillers[0]);
    (void)close(fillers[1]);
    (void)close(listener);
}

static void
silence(void **state)
{
    (void)state;
    assert_int_equal(answer_in_time(&server).transport, HTTP_SILENT);
    assert_int_equal(server.request_count, 1);
    /* The late answer to it must not be taken for the next one's. */
    tiny_say(&server, REPLY("4", "late"), TINY_KEEP);
    assert_int_equal(client_ask(&client, &server).transport, HTTP_ANSWERED);
    assert_int_equal(server.accepted, 2);
}

static void
silence_on_a_connection_used_again(void **state)
{
    struct http_request request = client_get(server.url);

    (void)state;
    tiny_say(&server, OK_REPLY, TINY_KEEP);
    (void)client_ask(&client, &server);
    server.hold_until = 100;
    request.timeout_ms = 150;
    client_begin(&client, &request);
    client_run(&client, &server, NULL);
    assert_int_equal(client.answers[1].transport, HTTP_SILENT);
    assert_int_equal(server.request_count, 2);
}

static void
closed_without_a_byte(void **state)
{
    (void)state;
    assert_int_equal(answer_to("", TINY_CLOSE).transport, HTTP_CLOSED);
}

static void
reset_without_a_byte(void **state)
{
    (void)state;
    assert_int_equal(answer_to("", TINY_RESET).transport, HTTP_CLOSED);
}

static void
half_a_body(void **state)
{
    struct client_answer answer =
        answer_to(REPLY("38", "{\"deleted\": true, \"bytes_fr"), TINY_CLOSE);

    (void)state;
    assert_int_equal(answer.transport, HTTP_CUT);
}

static void
half_a_body_and_a_reset(void **state)
{
    (void)state;
    assert_int_equal(answer_to(REPLY("38", "{\"deleted\": true,"), TINY_RESET).transport, HTTP_CUT);
}

static void
half_a_body_and_silence(void **state)
{
    (void)state;
    tiny_say(&server, REPLY("38", "{\"deleted\": true,"), TINY_KEEP);
    assert_int_equal(answer_in_time(&server).transport, HTTP_CUT);
}

/* libcurl takes what ends inside the headers for an answer without a body. Whatever it is called,
 * nothing may be concluded from it. */
static void
half_the_headers_conclude_nothing(void **state)
{
    static const char *const heads[] = {"HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found"};
    const struct verdict_job job = {.image_ref = "app:1"};

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        char *reply = mem_printf("%s\r\nContent-Type: application/json\r\nConte", heads[i]);
        enum verdict_target target;
        struct client_answer got;
        struct http_answer answer;

        server.reply_count = 0;
        tiny_say(&server, reply, TINY_CLOSE);
        got = client_ask(&client, &server);
        answer = (struct http_answer){got.transport, got.detail, got.status,     got.type,
                                      got.body,      got.length, got.duration_ms};
        assert_int_not_equal(verdict_of_removal(&answer).action, VERDICT_DONE);
        assert_int_not_equal(verdict_of_inspect(&answer, &job, &target).action, VERDICT_DONE);
        assert_int_not_equal(verdict_of_inspect(&answer, &job, &target).action, VERDICT_GO_ON);
        mem_free(reply);
    }
}

static void
half_the_chunks(void **state)
{
    struct client_answer answer =
        answer_to("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n26\r\n{\"deleted\": true, "
                  "\"bytes_freed\": 5000}\r\n",
                  TINY_CLOSE);

    (void)state;
    assert_int_equal(answer.transport, HTTP_CUT);
}

static void
all_the_chunks(void **state)
{
    struct client_answer answer = answer_to("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
                                            "Transfer-Encoding: chunked\r\n\r\n"
                                            "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
                                            TINY_KEEP);

    (void)state;
    assert_int_equal(answer.transport, HTTP_ANSWERED);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "{}");
}

static void
not_http(void **state)
{
    static const char *const texts[] = {"220 ftp.example.org ready\r\n",
                                        "hello\n",
                                        "<html>It works</html>\n",
                                        "SSH-2.0-OpenSSH_9.2\r\n",
                                        "{\"deleted\": true, \"bytes_freed\": 5000}",
                                        "HTTP/200 OK\r\nContent-Length: 2\r\n\r\n{}",
                                        "HTTP/21000\r\nContent-Length: 2\r\n\r\n{}",
                                        "HTTP/2 200\r\nContent-Length: 2\r\n\r\n{}",
                                        "HTTP/3 200\r\nContent-Length: 2\r\n\r\n{}",
                                        "HTTP/1.1 20\r\nContent-Length: 2\r\n\r\n{}",
                                        "HTTP/1.1 2000\r\nContent-Length: 2\r\n\r\n{}",
                                        "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\n{}"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct client_answer answer;

        server.reply_count = 0;
        tiny_say(&server, texts[i], TINY_CLOSE);
        answer = client_ask(&client, &server);
        if (answer.transport != HTTP_NOT_HTTP) {
            fail_msg("%s: %d, %s", texts[i], (int)answer.transport, answer.detail);
        }
        assert_int_equal(answer.length, 0);
    }
    assert_int_equal(server.request_count, sizeof texts / sizeof texts[0]);
}

/* The answer to a handshake is no handshake; the key must not have been sent ahead of it. */
static void
tls_where_there_is_none(void **state)
{
    char *url = mem_printf("https%s", server.url + 4);
    struct http_request request = client_get(url);
    const struct buf *in = &server.peers[0].in;
    int64_t limit = clock_boot_ms() + 60000;

    (void)state;
    /* Under valgrind on a busy machine the certificates alone take seconds to load. */
    request.connect_timeout_ms = 60000;
    request.timeout_ms = 60000;
    client_begin(&client, &request);
    while (in->length == 0 && clock_boot_ms() < limit) {
        client_turn(&client, &server, NULL);
    }
    assert_true(in->length > sizeof KEY);
    for (size_t i = 0; i + sizeof KEY - 1 <= in->length; i++) {
        assert_memory_not_equal(in->data + i, KEY, sizeof KEY - 1);
    }
    assert_int_equal(send(server.peers[0].fd, "HTTP/1.1 400\r\n\r\n", 16, MSG_NOSIGNAL), 16);
    client_run(&client, &server, NULL);
    assert_int_equal(client.answers[0].transport, HTTP_TLS_FAILED);
    mem_free(url);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refused),
        TEST(no_address),
        TEST(no_connection_in_time),
        TEST(silence),
        TEST(silence_on_a_connection_used_again),
        TEST(closed_without_a_byte),
        TEST(reset_without_a_byte),
        TEST(half_a_body),
        TEST(half_a_body_and_a_reset),
        TEST(half_a_body_and_silence),
        TEST(half_the_headers_conclude_nothing),
        TEST(half_the_chunks),
        TEST(all_the_chunks),
        TEST(not_http),
        TEST(tls_where_there_is_none),
    };

    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
