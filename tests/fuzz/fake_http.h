/*
 * Daemons in the place of http.c: every request is answered with a line of the input, at once and
 * in order. What a run promises about its requests is checked where they begin.
 */
#ifndef HARPSWEEP_FUZZ_FAKE_HTTP_H
#define HARPSWEEP_FUZZ_FAKE_HTTP_H

#include "fake_libpq.h"

#include "clock.h"
#include "err.h"
#include "http.h"

#define FAKE_REQUESTS_MAX 64

struct http {
    http_done *done;
    void *context;
    void *users[FAKE_REQUESTS_MAX];
    char *hosts[FAKE_REQUESTS_MAX]; /* URLs up to the path */
    int64_t send_by_ms[FAKE_REQUESTS_MAX];
    int active;
    int places;
};

/* The daemon of the settings; others come from the input, several perhaps to one address. */
#define FAKE_URL "http://harp.example:8780"

/* It said 401: nothing more may go there. */
static bool fake_refused;

bool
http_open(int max_parallel, http_done *done, void *context, struct http **ret_http, struct err *err)
{
    struct http *http = calloc(1, sizeof *http);

    (void)err;
    FUZZ_CHECK(http != NULL && max_parallel > 0 && max_parallel <= FAKE_REQUESTS_MAX, "%d requests",
               max_parallel);
    http->done = done;
    http->context = context;
    http->places = max_parallel;
    *ret_http = http;
    return true;
}

/* What is to be deleted was claimed, nobody said that it must not be, and it is not begun, nor
 * sent, after its time. */
static inline void
fake_check_removal(const char *body, int64_t send_by_ms)
{
    static const char head[] = "{\"image_ref\":\"";
    const char *ref = body + sizeof head - 1;
    size_t length;

    FUZZ_CHECK(strncmp(body, head, sizeof head - 1) == 0, "%s", body);
    length = strcspn(ref, "\"");
    FUZZ_CHECK(fake_was_claimed(ref, length), "not claimed: %s", body);
    FUZZ_CHECK(send_by_ms > clock_boot_ms(), "to be sent until %lld: %s", (long long)send_by_ms,
               body);
}

bool
http_begin(struct http *http, const struct http_request *request, struct err *err)
{
    const char *path = NULL;
    size_t host;

    (void)err;
    /* An address may hold it as well. */
    for (const char *at = request->url; (at = strstr(at, "/exapps/app_api/")) != NULL; at++) {
        path = at;
    }
    FUZZ_CHECK(path != NULL, "%s", request->url);
    host = (size_t)(path - request->url);
    /* One more than asked for, as http.h allows it inside done(). */
    FUZZ_CHECK(http->active <= http->places && http->active < FAKE_REQUESTS_MAX, "%d requests",
               http->active);
    FUZZ_CHECK(!fake_refused || host != sizeof FAKE_URL - 1 ||
                   strncmp(request->url, FAKE_URL, host) != 0,
               "after a 401: %s", request->url);
    if (request->body != NULL) {
        fake_check_removal(request->body, request->send_by_ms);
    }
    FUZZ_CHECK((strcmp(path, "/exapps/app_api/info") == 0) == (request->engine_port == 0),
               "port %d for %s", request->engine_port, path);
    http->users[http->active] = request->user;
    http->send_by_ms[http->active] = request->send_by_ms;
    http->hosts[http->active++] = fuzz_copy((const uint8_t *)request->url, host);
    return true;
}

int
http_active(const struct http *http)
{
    return http->active;
}

/* A line: what became of the request (0: an answer), three digits of a status, the type of the body
 * (j, t, h; a capital: it took two seconds; l: the machine slept until it was too late to send the
 * request), the body. Behind the last line everybody says "too old". */
static inline void
fake_answer(struct http *http)
{
    struct fuzz_input line;
    uint8_t type;
    char *cell = fake.cells.size == 0 ? NULL : fake_cell();
    const char *text = cell == NULL ? "0404t404: Not Found" : cell;
    struct http_answer answer = {.detail = "words", .duration_ms = 5};
    void *user = http->users[0];
    char *host = http->hosts[0];

    line = (struct fuzz_input){(const uint8_t *)text, strlen(text)};
    answer.transport =
        (enum http_transport)fuzz_choice(&line, HTTP_FAILED + 1); /* late: see below */
    if (answer.transport == HTTP_ABORTED) {
        answer.transport = HTTP_FAILED; /* aborted is only what the program itself aborts */
    }
    for (int i = 0; i < 3; i++) {
        answer.status = answer.status * 10 + (long)fuzz_choice(&line, 10);
    }
    type = fuzz_byte(&line);
    fake.now_ms += type >= 'A' && type <= 'Z' ? 2000 : 5;
    type |= 0x20;
    answer.content_type = type == 'j'   ? "application/json"
                          : type == 't' ? "text/plain"
                                        : "text/html";
    answer.body = (const char *)line.data;
    answer.length = line.size;
    if (type == 'l' && http->send_by_ms[0] != 0) {
        answer.transport = HTTP_LATE;
        fake.now_ms +=
            http->send_by_ms[0] > clock_boot_ms() ? http->send_by_ms[0] - clock_boot_ms() : 0;
    }
    if (answer.transport != HTTP_ANSWERED) {
        answer.status = 0;
    } else if (answer.status == 401 && strcmp(host, FAKE_URL) == 0) {
        fake_refused = !fake.others;
    }
    http->active--;
    memmove(http->users, http->users + 1, sizeof http->users - sizeof *http->users);
    memmove(http->hosts, http->hosts + 1, sizeof http->hosts - sizeof *http->hosts);
    memmove(http->send_by_ms, http->send_by_ms + 1,
            sizeof http->send_by_ms - sizeof *http->send_by_ms);
    free(host);
    http->done(http->context, user, &answer);
    free(cell);
}

bool
http_wait(struct http *http, int extra_fd, bool extra_write, int64_t timeout_ms, struct err *err)
{
    (void)extra_fd;
    (void)extra_write;
    (void)timeout_ms;
    (void)err;
    if (http->active > 0) {
        fake_answer(http);
    }
    return true;
}

void
http_abort_all(struct http *http)
{
    const struct http_answer answer = {
        .transport = HTTP_ABORTED, .detail = "", .content_type = "", .body = ""};

    while (http->active > 0) {
        void *user = http->users[--http->active];

        free(http->hosts[http->active]);
        http->done(http->context, user, &answer);
    }
}

void
http_close(struct http *http)
{
    while (http != NULL && http->active > 0) {
        free(http->hosts[--http->active]);
    }
    free(http);
}

#endif
