/*
 * HTTP over libcurl's multi interface: many requests at once, each bounded in
 * time and size. TLS is verified; no redirects, no proxies, no cookies, no
 * netrc, no compression, http and https only.
 */
#ifndef HARPSWEEP_HTTP_H
#define HARPSWEEP_HTTP_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most bytes of a body, and of all headers of an answer, that are read. */
#define HTTP_BODY_MAX 65536
#define HTTP_HEADER_MAX 65536

/* What became of a request below HTTP. */
enum http_transport {
    HTTP_ANSWERED,      /* a whole answer: status and body are valid */
    HTTP_NOT_CONNECTED, /* refused, no route, or no connection in time */
    HTTP_NOT_RESOLVED,  /* the host name has no address */
    HTTP_TLS_FAILED,    /* certificate or handshake */
    HTTP_SILENT,        /* connected and sent, then nothing until the limit */
    HTTP_CLOSED,        /* connected and sent, then closed or reset without a byte of answer */
    HTTP_CUT,           /* an answer began and did not end, by time or by a broken connection */
    HTTP_TOO_LARGE,     /* the answer is larger than anything HaRP says */
    HTTP_NOT_HTTP,      /* what came is not HTTP/1.x */
    HTTP_ABORTED,       /* http_abort_all() */
    HTTP_FAILED,        /* anything else: see detail */
    HTTP_LATE, /* nothing is known of it, and it may be tried again: send_by_ms had passed before it
                * was sent (or sent once more), or this process was held up while its time ran out
                */
};

struct http_request {
    const char *url;
    /* POST it as JSON; NULL: GET. Before a megabyte and more, libcurl would ask whether to send it.
     */
    const char *body;
    const char *key;     /* value of the harp-shared-key header */
    int engine_port;     /* value of the docker-engine-port header; 0: leave it out */
    const char *ca_file; /* NULL: the system's */
    int64_t connect_timeout_ms;
    int64_t timeout_ms; /* for the whole request */
    int64_t send_by_ms; /* on the boot clock: it is not sent from then on; 0: it always is */
    void *user;         /* comes back with the answer */
};

/* Valid only inside the callback. */
struct http_answer {
    enum http_transport transport;
    const char *detail;       /* libcurl's words for a failure; "" where there are none */
    long status;              /* 0 where none arrived */
    const char *content_type; /* "" where there is none */
    const char *body;         /* NUL-terminated; length counts bytes, NULs included */
    size_t length;
    int64_t duration_ms;
};

typedef void http_done(void *context, void *user, const struct http_answer *answer);

struct http;

/* Prepares for at most max_parallel requests at once; done is called, from
 * http_wait() or http_abort_all(), exactly once per request begun. Initialises libcurl. */
bool http_open(int max_parallel, http_done *done, void *context, struct http **ret_http,
               struct err *err) MUST_CHECK;

/* Begins a request; everything it points to is copied or used before this returns, except
 * user. False where libcurl refuses (done is not called then). There must be a free place. */
bool http_begin(struct http *http, const struct http_request *request, struct err *err) MUST_CHECK;

/* How many requests are under way. */
int http_active(const struct http *http);

/* Works on the requests under way; waits until one of them, or extra_fd (-1: none; readable,
 * or writable where extra_write), is ready, at most timeout_ms. Returns early for a signal.
 * False only where libcurl itself fails. */
bool http_wait(struct http *http, int extra_fd, bool extra_write, int64_t timeout_ms,
               struct err *err) MUST_CHECK;

/* Ends all requests under way; done is called for each with HTTP_ABORTED. */
void http_abort_all(struct http *http);

/* Frees; NULL is fine. Requests under way are dropped without a call of done. */
void http_close(struct http *http);

/* libcurl's version in words, for --version. Does not initialise it. */
const char *http_library_version(void);

#endif
