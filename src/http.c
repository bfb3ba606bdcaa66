#include "http.h"

#include "clock.h"
#include "http_slot.h"
#include "mem.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

/* Who did not look at his requests for so long was stopped, or waited for something else. */
#define HTTP_HELD_UP_MS 1000
/* A body's memory beyond this is given back at once. */
#define HTTP_BODY_KEEP 8192
/* Any number of so many digits fits into 64 bits. */
#define HTTP_LENGTH_DIGITS 18

/* Whether a line of headers is none of a status, or RFC 9112's: what releases of libcurl make of
 * others differs. Of "HTTP/200 OK" one makes version 2 and status 0, a later one status 200. */
static bool
http_is_line_of_http1(const char *line, size_t length)
{
    static const char form[] = "HTTP/1.# ###";

    for (size_t i = 0; i < sizeof form - 1; i++) {
        bool fits =
            i < length && (form[i] == '#' ? line[i] >= '0' && line[i] <= '9' : line[i] == form[i]);

        if (!fits) {
            return i < strlen("HTTP/");
        }
    }
    return line[sizeof form - 4] != '0' &&
           (length == sizeof form - 1 || strchr(" \r\n", line[sizeof form - 1]) != NULL);
}

/* Whether a line of headers tells a length that 64 bits do not hold. libcurl goes on as if it were
 * not there, and takes what came before the connection ended for all of the answer. */
static bool
http_is_length_beyond_all(const char *line, size_t length)
{
    static const char name[] = "content-length:";
    size_t digits = 0;
    size_t at = sizeof name - 1;

    if (length < at || strncasecmp(line, name, at) != 0) {
        return false;
    }
    while (at < length && line[at] != '\0' && strchr(" \t+0", line[at]) != NULL) {
        at++;
    }
    while (at < length && line[at] >= '0' && line[at] <= '9') {
        at++;
        digits++;
    }
    return digits > HTTP_LENGTH_DIGITS;
}

bool
http_take_header(struct http_slot *slot, const char *line, size_t length)
{
    slot->not_http = slot->not_http || !http_is_line_of_http1(line, length);
    /* Counts all headers of all answers to this request: an endless row of "100 Continue" ends. */
    slot->header_bytes += length;
    slot->too_large = slot->too_large || slot->header_bytes > HTTP_HEADER_MAX ||
                      http_is_length_beyond_all(line, length);
    return !slot->too_large && !slot->not_http;
}

bool
http_take_body(struct http_slot *slot, const char *data, size_t length)
{
    if (slot->shows_headers && !slot->in_body) {
        slot->not_http = slot->not_http || (length > 0 && (*data == ' ' || *data == '\t'));
        return !slot->not_http; /* http_take_header() gets it next */
    }
    slot->too_large = slot->too_large || !buf_add(&slot->body, data, length);
    return !slot->too_large;
}

void
http_finish(struct http_slot *slot, enum http_transport transport, const char *detail)
{
    struct http *http = slot->http;
    struct http_answer answer = {.transport = transport, .detail = detail, .content_type = ""};

    http_multi_remove(http, slot->handle);
    /* Without a line of an answer, libcurl may tell of the one before. */
    if (slot->header_bytes > 0 && !http_curl_read(slot, &answer.status, &answer.content_type) &&
        transport == HTTP_ANSWERED) {
        answer.transport = HTTP_FAILED; /* else a status of 0 would be a stranger's answer */
        answer.detail = "libcurl does not tell what was answered";
    } else if (slot->not_http && transport != HTTP_ABORTED) {
        answer.transport = HTTP_NOT_HTTP;
        answer.detail = "its head is not one of HTTP/1.1";
    }
    answer.body = buf_text(&slot->body);
    answer.length = slot->body.length;
    answer.duration_ms = clock_boot_ms() - slot->begun_ms;
    /* From here on done() may begin another request, but not in this place. */
    slot->place = HTTP_PLACE_TOLD;
    http->active--;
    http->done(http->context, slot->user, &answer);
    if (slot->body.size > HTTP_BODY_KEEP) {
        buf_free(&slot->body);
    }
    slot->place = HTTP_PLACE_FREE;
}

bool
http_was_held_up(const struct http *http)
{
    return http->held_up_at_ms != 0 && clock_boot_ms() - http->held_up_at_ms < HTTP_HELD_UP_MS;
}

void
http_look(struct http *http, int64_t expected_ms)
{
    int64_t now = clock_boot_ms();

    if (now - http->seen_ms - expected_ms >= HTTP_HELD_UP_MS) {
        http->held_up_at_ms = now;
    }
    http->seen_ms = now;
}

bool
http_open(int max_parallel, http_done *done, void *context, struct http **ret_http, struct err *err)
{
    struct http *http = mem_alloc(1, sizeof *http);
    int places = max_parallel < 1 ? 1 : max_parallel;

    http->done = done;
    http->context = context;
    http->seen_ms = clock_boot_ms();
    /* One more, because the answer that done() looks at still holds its place. */
    http->slot_count = (size_t)places + 1;
    http->slots = mem_alloc(http->slot_count, sizeof *http->slots);
    for (size_t i = 0; i < http->slot_count; i++) {
        http->slots[i].http = http;
        buf_init(&http->slots[i].body, HTTP_BODY_MAX);
    }
    if (!http_multi_open(http, places, err)) {
        http_close(http);
        return false;
    }
    *ret_http = http;
    return true;
}

static struct http_slot *
http_find_slot(const struct http *http)
{
    for (size_t i = 0; i < http->slot_count; i++) {
        if (http->slots[i].place == HTTP_PLACE_FREE) {
            return &http->slots[i];
        }
    }
    return NULL;
}

/* A line break in the key would end its header and begin another one. */
static bool
http_is_header_value(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

bool
http_begin(struct http *http, const struct http_request *request, struct err *err)
{
    struct http_slot *slot = http_find_slot(http);

    if (slot == NULL) {
        return err_set(err, ERR_INTERNAL, "more requests at once than there are places");
    }
    if (!http_is_header_value(request->key)) {
        return err_set(err, ERR_CONFIG, "the shared key holds a control character");
    }
    slot->send_by_ms = request->send_by_ms;
    slot->late = false;
    slot->too_large = false;
    slot->not_http = false;
    slot->header_bytes = 0;
    slot->in_body = false;
    slot->detail[0] = '\0';
    slot->user = request->user;
    buf_clear(&slot->body);
    if (!http_curl_begin(slot, request)) {
        return err_set(err, ERR_INTERNAL, "libcurl refuses a request to %s", request->url);
    }
    slot->begun_ms = clock_boot_ms();
    if (http->active == 0) {
        http->seen_ms = slot->begun_ms; /* there was nothing to look at */
    }
    slot->place = HTTP_PLACE_RUNNING;
    http->active++;
    return true;
}

int
http_active(const struct http *http)
{
    return http->active;
}

bool
http_wait(struct http *http, int extra_fd, bool extra_write, int64_t timeout_ms, struct err *err)
{
    int timeout = timeout_ms < 0 ? 0 : timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
    int ended = 0;

    http_look(http, 0);
    /* Requests begun since the last call are sent before anything waits. */
    if (!http_multi_work(http, &ended, err)) {
        return false;
    }
    if (ended > 0) {
        return true;
    }
    return http_multi_poll(http, extra_fd, extra_write, timeout, err) &&
           http_multi_work(http, &ended, err);
}

void
http_abort_all(struct http *http)
{
    for (size_t i = 0; i < http->slot_count; i++) {
        if (http->slots[i].place == HTTP_PLACE_RUNNING) {
            http_finish(&http->slots[i], HTTP_ABORTED, "ended by harpsweep");
        }
    }
}

void
http_close(struct http *http)
{
    if (http == NULL) {
        return;
    }
    http_multi_close(http);
    for (size_t i = 0; i < http->slot_count; i++) {
        buf_free(&http->slots[i].body);
        mem_free(http->slots[i].ca_file);
    }
    mem_free(http->slots);
    mem_free(http);
}
