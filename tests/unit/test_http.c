/* HTTP as it should go: what is sent, to whom, by how many connections, and what comes back. */
#include "http_client.h"
#include "http_loader.h"

static struct client client;
static struct tiny_server server;
static struct tiny_server other;

static int
begin(void **state)
{
    (void)state;
    client_open(&client, 4);
    tiny_open(&server);
    tiny_open(&other);
    tiny_say(&other, OK_REPLY, TINY_KEEP);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    http_close(client.http);
    tiny_close(&server);
    tiny_close(&other);
    return 0;
}

static void
a_get(void **state)
{
    struct client_answer answer;

    (void)state;
    tiny_say(&server,
             "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n"
             "content-length: 6\r\n\r\nab\tcd\n",
             TINY_KEEP);
    answer = client_ask(&client, &server);
    assert_int_equal(answer.transport, HTTP_ANSWERED);
    assert_int_equal(answer.status, 503);
    assert_string_equal(answer.type, "text/plain; charset=utf-8");
    assert_string_equal(answer.body, "ab\tcd\n");
    assert_string_equal(answer.detail, "");
    assert_true(answer.duration_ms >= 0 && answer.duration_ms <= 5000);
    assert_true(tiny_got(&server, 0, "GET / HTTP/1.1\r\n"));
    assert_true(tiny_got(&server, 0, "\r\nHost: 127.0.0.1:"));
    assert_true(tiny_got(&server, 0, "\r\nharp-shared-key: " KEY "\r\n"));
    assert_true(tiny_got(&server, 0, "\r\ndocker-engine-port: 24000\r\n"));
    assert_true(tiny_got(&server, 0, "\r\nUser-Agent: harpsweep/"));
    /* None of what libcurl could add by itself. */
    assert_false(tiny_got(&server, 0, "Cookie"));
    assert_false(tiny_got(&server, 0, "Authorization"));
    assert_false(tiny_got(&server, 0, "Accept-Encoding"));
    assert_false(tiny_got(&server, 0, "Content-"));
    assert_false(tiny_got(&server, 0, "Upgrade"));
}

static void
a_post(void **state)
{
    struct http_request request = client_get(server.url);

    (void)state;
    request.body = "{\"image_ref\":\"app:1\"}";
    tiny_say(&server, OK_REPLY, TINY_KEEP);
    client_begin(&client, &request);
    client_run(&client, &server, NULL);
    assert_int_equal(client.answers[0].transport, HTTP_ANSWERED);
    assert_true(tiny_got(&server, 0, "POST / HTTP/1.1\r\n"));
    assert_true(tiny_got(&server, 0, "\r\nContent-Type: application/json\r\n"));
    assert_true(tiny_got(&server, 0, "\r\nContent-Length: 21\r\n"));
    assert_true(tiny_got(&server, 0, "\r\n\r\n{\"image_ref\":\"app:1\"}"));
    assert_true(tiny_got(&server, 0, "\r\nharp-shared-key: " KEY "\r\n"));
}

/* libcurl does not ask for a "100 Continue" first, nor wait a second for it, also where a reference
 * is as long as can be and each of its characters is escaped. */
static void
a_large_post(void **state)
{
    struct http_request request = client_get(server.url);
    size_t size = 4000;
    char *body = mem_alloc(size + 1, 1);

    (void)state;
    memset(body, 'a', size);
    request.body = body;
    tiny_say(&server, OK_REPLY, TINY_KEEP);
    client_begin(&client, &request);
    client_run(&client, &server, NULL);
    mem_free(body);
    assert_int_equal(client.answers[0].transport, HTTP_ANSWERED);
    assert_true(tiny_got(&server, 0, "\r\nContent-Length: 4000\r\n"));
    assert_false(tiny_got(&server, 0, "Expect"));
}

/* Sends it from the client's one place, and returns what the server got. */
static const char *
send_alone(const struct http_request *request)
{
    size_t before = server.request_count;

    client_begin(&client, request);
    client_run(&client, &server, NULL);
    assert_int_equal(server.request_count, before + 1);
    return server.requests[before];
}

/* A place is used again and again: nothing of a request may be left for the next one. */
static void
nothing_is_left_of_the_request_before(void **state)
{
    enum { VARIANTS = 8 };
    char longer[80];

    (void)state;
    for (size_t second = 0; second < VARIANTS; second++) {
        struct http_request variants[VARIANTS];
        const char *alone;

        tiny_say(&server, OK_REPLY, TINY_KEEP);
        (void)snprintf(longer, sizeof longer, "%s/longer", server.url);
        for (size_t i = 0; i < VARIANTS; i++) {
            variants[i] = client_get(server.url);
        }
        variants[1].url = longer;
        variants[2].key = "another";
        variants[3].engine_port = 0;
        variants[4].engine_port = 24001;
        variants[5].body = "{\"a\":1}";
        variants[6].body = "{}";
        variants[7].url = longer;
        variants[7].body = "{\"a\":2}";
        alone = send_alone(&variants[second]);
        for (size_t first = 0; first < VARIANTS; first++) {
            http_close(client.http);
            client_open(&client, 1);
            (void)send_alone(&variants[first]);
            assert_string_equal(send_alone(&variants[second]), alone);
        }
        (void)end(state);
        (void)begin(state);
    }
}

static void
an_address_that_is_none(void **state)
{
    struct http_request request = client_get("http://127.0.0.1:port/");

    (void)state;
    tiny_say(&server, OK_REPLY, TINY_KEEP);
    for (size_t i = 0; i < 2; i++) {
        client_begin(&client, &request);
        client_run(&client, &server, NULL);
        assert_int_equal(client.answers[i].transport, HTTP_FAILED);
        assert_string_not_equal(client.answers[i].detail, "");
    }
    assert_int_equal(client_ask(&client, &server).transport, HTTP_ANSWERED);
    client_begin(&client, &request);
    client_run(&client, &server, NULL);
    assert_int_equal(client.answers[3].transport, HTTP_FAILED);
    assert_int_equal(client_ask(&client, &server).transport, HTTP_ANSWERED);
    assert_int_equal(server.request_count, 2);
}

/* libcurl's handle still knows what was answered to the request before. */
static void
a_request_without_an_answer_has_no_status(void **state)
{
    const struct http_request request = client_get(server.url);

    (void)state;
    tiny_say(&server, OK_REPLY, TINY_KEEP);
    assert_int_equal(client_ask(&client, &server).status, 200);
    client_begin(&client, &request);
    http_abort_all(client.http);
    assert_int_equal(client.answers[1].transport, HTTP_ABORTED);
    assert_int_equal(client.answers[1].status, 0);
    assert_string_equal(client.answers[1].type, "");
}

/* As after a sleep of the machine between the decision and the request. */
static void
a_request_is_not_sent_after_its_time(void **state)
{
    struct http_request request = client_get(server.url);

    (void)state;
    tiny_say(&server, OK_REPLY, TINY_KEEP);
    request.send_by_ms = clock_boot_ms();
    client_begin(&client, &request);
    client_run(&client, &server, NULL);
    assert_int_equal(client.answers[0].transport, HTTP_LATE);
    assert_int_equal(client.answers[0].status, 0);
    assert_int_equal(server.request_count, 0);
    /* The next one in its place has a limit, or none, of its own. */
    assert_int_equal(client_ask(&client, &server).transport, HTTP_ANSWERED);
    request.send_by_ms = clock_boot_ms() + 60000;
    client_begin(&client, &request);
    client_run(&client, &server, NULL);
    assert_int_equal(client.answers[2].transport, HTTP_ANSWERED);
    /* Also on a connection that is there already. */
    request.send_by_ms = clock_boot_ms();
    client_begin(&client, &request);
    client_run(&client, &server, NULL);
    assert_int_equal(client.answers[3].transport, HTTP_LATE);
    assert_int_equal(server.request_count, 2);
}

static void
a_connection_is_used_again(void **state)
{
    (void)state;
    tiny_say(&server, OK_REPLY, TINY_KEEP);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(client_ask(&client, &server).transport, HTTP_ANSWERED);
    }
    assert_int_equal(server.request_count, 3);
    assert_int_equal(server.accepted, 1);
    assert_int_equal(server.left, 0);
}

/* What came without a question must not be the answer to the next one. */
static void
bytes_that_nobody_asked_for(void **state)
{
    (void)state;
    tiny_say(&server, OK_REPLY, TINY_GO_ON);
    tiny_say(&server, REPLY("5", "stale"), TINY_KEEP);
    tiny_say(&server, REPLY("5", "third"), TINY_KEEP);
    assert_string_equal(client_ask(&client, &server).body, "{}");
    client_turn(&client, &server, NULL);
    assert_int_equal(client_ask(&client, &server).transport, HTTP_ANSWERED);
    assert_string_equal(client_ask(&client, &server).body, "third");
    assert_int_equal(server.request_count, 3);
    assert_int_equal(server.accepted, 2);
}

/* libcurl before 8.3.0 writes to a header of the answer before, which is freed then. */
static void
a_header_that_continues_nothing(void **state)
{
    static const char *const replies[] = {
        "HTTP/1.1 200 OK\r\n X: y\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\n\tX: y\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\n  \r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n X: y\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nno colon\r\n X: y\r\nContent-Length: 2\r\n\r\n{}",
        "HTtP/1.1 200 OK: x\r\n X: y\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\na\r: b\r\n X: y\r\nContent-Length: 2\r\n\r\n{}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        tiny_say(&server, OK_REPLY, TINY_KEEP);
        tiny_say(&server, replies[i], TINY_CLOSE);
        tiny_say(&server, OK_REPLY, TINY_KEEP);
        assert_int_equal(client_ask(&client, &server).transport, HTTP_ANSWERED);
        if (http_loader_has_stale_header()) {
            assert_int_not_equal(client_ask(&client, &server).transport, HTTP_ANSWERED);
        } else {
            (void)client_ask(&client, &server);
        }
        assert_int_equal(client_ask(&client, &server).transport, HTTP_ANSWERED);
        assert_string_equal(client.answers[2].body, "{}");
        (void)end(state);
        (void)begin(state);
    }
}

static void
headers_are_no_part_of_a_body(void **state)
{
    static char long_header[20000 + 100];
    int length = snprintf(long_header, sizeof long_header, "HTTP/1.1 200 OK\r\nX: %020000d\r\n", 0);

    (void)state;
    (void)snprintf(long_header + length, sizeof long_header - (size_t)length,
                   "Content-Length: 2\r\n\r\n{}");
    tiny_say(&server, "HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 3\r\n\r\n {}", TINY_KEEP);
    tiny_say(&server, "HTTP/1.1 100 Continue\r\n\r\n" REPLY("5", "X: y\n"), TINY_KEEP);
    tiny_say(&server,
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
             "1\r\n{\r\n1\r\n}\r\n0\r\nX: y\r\nY: z\r\n\r\n",
             TINY_KEEP);
    tiny_say(&server, long_header, TINY_KEEP);
    tiny_say(&server, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", TINY_KEEP);
    assert_string_equal(client_ask(&client, &server).body, " {}");
    assert_string_equal(client_ask(&client, &server).body, "X: y\n");
    assert_string_equal(client_ask(&client, &server).body, "{}");
    assert_string_equal(client_ask(&client, &server).body, "{}");
    assert_string_equal(client_ask(&client, &server).body, "");
    for (size_t i = 0; i < client.count; i++) {
        assert_int_equal(client.answers[i].transport, HTTP_ANSWERED);
        assert_int_equal(client.answers[i].status, i == 4 ? 404 : 200);
    }
    assert_int_equal(server.accepted, 1);
}

static void
a_connection_that_ends_is_not_used_again(void **state)
{
    (void)state;
    tiny_say(&server, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
             TINY_KEEP);
    tiny_say(&server, OK_REPLY, TINY_KEEP);
    assert_int_equal(client_ask(&client, &server).transport, HTTP_ANSWERED);
    assert_int_equal(client_ask(&client, &server).transport, HTTP_ANSWERED);
    assert_int_equal(server.accepted, 2);
}

static void
a_redirect_is_not_followed(void **state)
{
    static const char *const lines[] = {"301 Moved Permanently", "302 Found", "303 See Other",
                                        "307 Temporary Redirect", "308 Permanent Redirect"};

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char *reply = mem_printf("HTTP/1.1 %s\r\nLocation: %s/steal\r\nContent-Length: 0\r\n\r\n",
                                 lines[i], other.url);
        const struct http_request request = client_get(server.url);

        server.reply_count = 0;
        tiny_say(&server, reply, TINY_KEEP);
        client_begin(&client, &request);
        client_run(&client, &server, &other);
        assert_int_equal(client.answers[i].transport, HTTP_ANSWERED);
        assert_int_equal(client.answers[i].status, strtol(lines[i], NULL, 10));
        mem_free(reply);
    }
    assert_int_equal(server.request_count, 5);
    assert_int_equal(other.accepted, 0);
}

static void
the_environments_proxies_are_not_used(void **state)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY"};
    const struct http_request request = client_get(server.url);

    (void)state;
    (void)unsetenv("no_proxy");
    (void)unsetenv("NO_PROXY");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(setenv(names[i], other.url, 1), 0);
    }
    tiny_say(&server, OK_REPLY, TINY_KEEP);
    client_begin(&client, &request);
    client_run(&client, &server, &other);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)unsetenv(names[i]);
    }
    assert_int_equal(server.request_count, 1);
    assert_int_equal(other.accepted, 0);
}

static void
cookies_are_not_kept(void **state)
{
    (void)state;
    tiny_say(&server,
             "HTTP/1.1 200 OK\r\nSet-Cookie: nc_session=1; Path=/\r\nContent-Length: 0\r\n\r\n",
             TINY_KEEP);
    (void)client_ask(&client, &server);
    (void)client_ask(&client, &server);
    assert_false(tiny_got(&server, 1, "nc_session"));
}

/* Two daemons by turns, in the same places: each gets its own key and no other. */
static void
a_key_goes_to_its_own_host_only(void **state)
{
    struct http_request one = client_get(server.url);
    struct http_request two = client_get(other.url);

    (void)state;
    one.key = "key-of-one";
    two.key = "key-of-two";
    tiny_say(&server, OK_REPLY, TINY_KEEP);
    for (int i = 0; i < 3; i++) {
        client_begin(&client, &one);
        client_run(&client, &server, &other);
        client_begin(&client, &two);
        client_begin(&client, &one);
        client_run(&client, &server, &other);
    }
    assert_int_equal(server.request_count, 6);
    assert_int_equal(other.request_count, 3);
    for (size_t i = 0; i < server.request_count; i++) {
        assert_true(tiny_got(&server, i, "\r\nharp-shared-key: key-of-one\r\n"));
        assert_false(tiny_got(&server, i, "key-of-two"));
    }
    for (size_t i = 0; i < other.request_count; i++) {
        assert_true(tiny_got(&other, i, "\r\nharp-shared-key: key-of-two\r\n"));
        assert_false(tiny_got(&other, i, "key-of-one"));
    }
}

static void
other_schemes_are_refused(void **state)
{
    static const char *const urls[] = {"file:///etc/hostname",
                                       "ftp://127.0.0.1/",
                                       "gopher://127.0.0.1/",
                                       "dict://127.0.0.1/",
                                       "telnet://127.0.0.1/",
                                       "scp://127.0.0.1/",
                                       "ws://127.0.0.1/",
                                       "nothing://127.0.0.1/",
                                       "http:///",
                                       ""};

    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        const struct http_request request = client_get(urls[i]);
        size_t before = client.count;

        client_begin(&client, &request);
        client_run(&client, &server, NULL);
        assert_int_equal(client.count, before + 1);
        assert_int_equal(client.answers[before].transport, HTTP_FAILED);
        assert_int_equal(client.answers[before].length, 0);
        assert_int_equal(client.answers[before].status, 0);
    }
}

static void
a_control_character_in_the_key_is_refused(void **state)
{
    static const char *const keys[] = {"a\r\nx: y", "a\nb", "a\x7f", "\x1b[31m"};

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct http_request request = client_get(server.url);
        struct err err = {.kind = ERR_NONE};

        request.key = keys[i];
        assert_false(http_begin(client.http, &request, &err));
        assert_int_equal(err.kind, ERR_CONFIG);
        assert_null(strstr(err.text, keys[i]));
    }
    assert_int_equal(http_active(client.http), 0);
    client_turn(&client, &server, NULL);
    assert_int_equal(server.accepted, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_get, begin, end),
        cmocka_unit_test_setup_teardown(a_post, begin, end),
        cmocka_unit_test_setup_teardown(a_large_post, begin, end),
        cmocka_unit_test_setup_teardown(nothing_is_left_of_the_request_before, begin, end),
        cmocka_unit_test_setup_teardown(an_address_that_is_none, begin, end),
        cmocka_unit_test_setup_teardown(a_request_without_an_answer_has_no_status, begin, end),
        cmocka_unit_test_setup_teardown(a_request_is_not_sent_after_its_time, begin, end),
        cmocka_unit_test_setup_teardown(a_connection_is_used_again, begin, end),
        cmocka_unit_test_setup_teardown(bytes_that_nobody_asked_for, begin, end),
        cmocka_unit_test_setup_teardown(a_header_that_continues_nothing, begin, end),
        cmocka_unit_test_setup_teardown(headers_are_no_part_of_a_body, begin, end),
        cmocka_unit_test_setup_teardown(a_connection_that_ends_is_not_used_again, begin, end),
        cmocka_unit_test_setup_teardown(a_redirect_is_not_followed, begin, end),
        cmocka_unit_test_setup_teardown(the_environments_proxies_are_not_used, begin, end),
        cmocka_unit_test_setup_teardown(cookies_are_not_kept, begin, end),
        cmocka_unit_test_setup_teardown(a_key_goes_to_its_own_host_only, begin, end),
        cmocka_unit_test_setup_teardown(other_schemes_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_control_character_in_the_key_is_refused, begin, end),
    };

    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
