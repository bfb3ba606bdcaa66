/*
 * Requests by http.h against tiny servers, and what became of them.
 */
#ifndef HARPSWEEP_TEST_HTTP_CLIENT_H
#define HARPSWEEP_TEST_HTTP_CLIENT_H

#include "clock.h"
#include "http.h"
#include "tiny_server.h"

#define CLIENT_ANSWERS 16
#define KEY "test-shared-key"

/* A whole answer of length bytes. */
#define REPLY(length, body) \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " length "\r\n\r\n" body
#define OK_REPLY REPLY("2", "{}")

struct client_answer {
    enum http_transport transport;
    long status;
    size_t length;
    int64_t duration_ms;
    void *user;
    char type[64];
    char body[256]; /* its beginning */
    char detail[256];
};

struct client {
    struct http *http;
    size_t count;
    struct client_answer answers[CLIENT_ANSWERS];
    /* Where not NULL: done() begins this request, `again` times. */
    const struct http_request *next;
    int again;
};

static inline void
client_done(void *context, void *user, const struct http_answer *answer)
{
    struct client *client = context;
    struct client_answer *seen = &client->answers[client->count];

    assert_true(client->count < CLIENT_ANSWERS);
    client->count++;
    seen->transport = answer->transport;
    seen->status = answer->status;
    seen->length = answer->length;
    seen->duration_ms = answer->duration_ms;
    seen->user = user;
    assert_int_equal(answer->body[answer->length], '\0');
    (void)snprintf(seen->type, sizeof seen->type, "%s", answer->content_type);
    (void)snprintf(seen->body, sizeof seen->body, "%s", answer->body);
    (void)snprintf(seen->detail, sizeof seen->detail, "%s", answer->detail);
    if (client->next != NULL && client->again > 0) {
        struct err err;

        client->again--;
        assert_true(http_begin(client->http, client->next, &err));
    }
}

static inline void
client_open(struct client *client, int max_parallel)
{
    struct err err;

    memset(client, 0, sizeof *client);
    assert_true(http_open(max_parallel, client_done, client, &client->http, &err));
}

static inline void
client_begin(struct client *client, const struct http_request *request)
{
    struct err err = {.text = ""};

    if (!http_begin(client->http, request, &err)) {
        fail_msg("%s: %s", request->url, err.text);
    }
}

/* One round of everybody's work. */
static inline void
client_turn(struct client *client, struct tiny_server *one, struct tiny_server *two)
{
    struct err err = {.text = ""};

    if (!http_wait(client->http, -1, false, 2, &err)) {
        fail_msg("%s", err.text);
    }
    tiny_work(one);
    if (two != NULL) {
        tiny_work(two);
    }
}

/* Until nothing is under way any more. */
static inline void
client_run(struct client *client, struct tiny_server *one, struct tiny_server *two)
{
    int64_t end = clock_boot_ms() + 15000;

    while (http_active(client->http) > 0) {
        client_turn(client, one, two);
        if (clock_boot_ms() > end) {
            fail_msg("%d requests without an end, %zu had one", http_active(client->http),
                     client->count);
        }
    }
    tiny_work(one);
    if (two != NULL) {
        tiny_work(two);
    }
}

/* A GET of a server's /path with generous limits; url is the caller's, for as long as it's used. */
static inline struct http_request
client_get(const char *url)
{
    return (struct http_request){.url = url,
                                 .key = KEY,
                                 .engine_port = 24000,
                                 .connect_timeout_ms = 5000,
                                 .timeout_ms = 10000};
}

/* Sends one GET to a server, and returns its answer (the client's latest). */
static inline struct client_answer
client_ask(struct client *client, struct tiny_server *server)
{
    const struct http_request request = client_get(server->url);
    size_t before = client->count;

    client_begin(client, &request);
    client_run(client, server, NULL);
    assert_int_equal(client->count, before + 1);
    return client->answers[before];
}

/* Whether the index-th request that a server got holds text. */
static inline bool
tiny_got(const struct tiny_server *server, size_t index, const char *text)
{
    assert_true(index < server->request_count);
    return strstr(server->requests[index], text) != NULL;
}

#endif
