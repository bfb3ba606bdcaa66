/*
 * What the files of http share: the places for requests, without a word of libcurl's, so that its
 * header stays in http_curl.c (one request), http_multi.c (many at once) and their loader.
 */
#ifndef HARPSWEEP_HTTP_SLOT_H
#define HARPSWEEP_HTTP_SLOT_H

#include "buf.h"
#include "http.h"

#include <poll.h>

#define HTTP_DETAIL_SIZE 256

enum http_place {
    HTTP_PLACE_FREE,
    HTTP_PLACE_RUNNING,
    HTTP_PLACE_TOLD, /* done() is looking at its answer */
};

/* A place for one request at a time. */
struct http_slot {
    struct http *http;
    enum http_place place;
    void *handle;  /* libcurl's, for one request after the other; NULL before the first one */
    char *ca_file; /* as set in the handle */
    /* Of the latest request, in libcurl's form, for the next one where it is the same there. */
    struct curl_slist *headers; /* the key's is the first; NULL: none were made */
    int headers_port;
    bool headers_post;
    void *url; /* NULL: libcurl can't take it apart */
    char *url_text;
    void *user;
    int64_t begun_ms;
    int64_t send_by_ms; /* 0: no limit */
    bool late;          /* it had passed when the request was about to be sent */
    /* The answer, as far as it has come. */
    bool too_large;
    bool not_http; /* a status line is of another kind, or what follows it is */
    size_t header_bytes;
    bool shows_headers; /* each line of the head goes to http_take_body() first */
    bool in_body;       /* the head has ended; told only where it is shown */
    struct buf body;
    char detail[HTTP_DETAIL_SIZE]; /* libcurl's words for a failure */
};

struct http {
    void *multi;        /* libcurl's */
    struct pollfd *fds; /* its sockets, fd_count of them, and room for one more */
    size_t fd_count;
    struct pollfd *open; /* all that it has open, open_count of them; ~fd while in use */
    size_t open_count;
    int64_t
        timer_at_ms; /* on the boot clock: when it wants to be called at the latest; -1: never */
    struct http_slot *slots;
    size_t slot_count;
    int active;
    int64_t seen_ms;       /* on the boot clock: when this process last looked at its requests */
    int64_t held_up_at_ms; /* until when it had been held up, after it last looked; 0: never */
    http_done *done;
    void *context;
};

/* http.c: what arrives for a request. False where it is more than the limits allow, or not HTTP/1.
 */
bool http_take_header(struct http_slot *slot, const char *line, size_t length);
bool http_take_body(struct http_slot *slot, const char *data, size_t length);

/* http.c: tells done() what became of a request and frees its place. */
void http_finish(struct http_slot *slot, enum http_transport transport, const char *detail);

/* Sets an option of a handle, where libcurl took all before it: with the size of another body, for
 * one, it would copy what is not there. */
#define HTTP_SET(ok, handle, option, value) \
    ((ok) = (ok) && curl_easy_setopt((handle), (option), (value)) == CURLE_OK)

/* http_request.c: tells the slot's handle what to send. False where libcurl has no memory for it.
 */
bool http_request_set(struct http_slot *slot, const struct http_request *request) MUST_CHECK;
/* http_request.c: after the handle is gone. */
void http_request_free(struct http_slot *slot);

/* http.c: whether what just ran out of time may have done so while this process did not look. */
bool http_was_held_up(const struct http *http);
/* http.c: this process looks at its requests again, after a wait that was to take so long. */
void http_look(struct http *http, int64_t expected_ms);

/* http_curl.c: starts the request of a slot; frees what the slot keeps for its requests. */
bool http_curl_begin(struct http_slot *slot, const struct http_request *request) MUST_CHECK;
void http_curl_free(struct http_slot *slot);

/* http_curl.c: the request of a slot came to its end with that CURLcode. */
void http_curl_ended(struct http_slot *slot, int result);

/* http_curl.c: status and content type ("" where there is none) of what was received. They stay
 * until the slot's next request. False where libcurl does not tell. */
bool http_curl_read(struct http_slot *slot, long *ret_status, const char **ret_content_type)
    MUST_CHECK;

/* http_multi.c: libcurl itself, and its multi handle; close also after an open that failed. */
bool http_multi_open(struct http *http, int max_parallel, struct err *err) MUST_CHECK;
void http_multi_close(struct http *http);
bool http_multi_add(struct http *http, void *handle) MUST_CHECK;

/* http_multi.c: libcurl has opened a socket, or wants it closed. */
void http_multi_opened(struct http *http, int fd);
void http_multi_close_socket(struct http *http, int fd);
void http_multi_remove(struct http *http, void *handle);

/* http_multi.c: does what is due by the clock, new requests included; returns how many ended. */
bool http_multi_work(struct http *http, int *ret_ended, struct err *err) MUST_CHECK;
/* http_multi.c: waits for a socket or the clock, and does what can be done then. */
bool http_multi_poll(struct http *http, int extra_fd, bool extra_write, int timeout_ms,
                     struct err *err) MUST_CHECK;

#endif
