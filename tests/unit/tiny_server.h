/*
 * An HTTP server on 127.0.0.1 that does what a test says and remembers what it was sent. It has no
 * thread: the test lets it work, step by step, so that nothing depends on who is faster.
 */
#ifndef HARPSWEEP_TEST_TINY_SERVER_H
#define HARPSWEEP_TEST_TINY_SERVER_H

#include "buf.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define TINY_PEERS 16
#define TINY_REQUESTS 32
#define TINY_REPLIES 8

enum tiny_then {
    TINY_KEEP,
    TINY_CLOSE,
    TINY_RESET,
    TINY_GO_ON, /* with the reply that follows in the list */
};

struct tiny_reply {
    const char *bytes;
    size_t length;
    int times; /* how often they are sent */
    enum tiny_then then;
};

struct tiny_peer {
    int fd; /* -1: free */
    struct buf in;
    const struct tiny_reply *reply; /* under way */
    int times;
    size_t sent; /* of this time */
    bool waits;  /* its request is not answered yet */
    int request; /* index of it */
};

struct tiny_server {
    int listener;
    char url[64];
    /* The n-th request gets the n-th reply; the last one stands for all after it. */
    struct tiny_reply replies[TINY_REPLIES];
    size_t reply_count;
    size_t hold_until; /* nobody is answered before that many requests are there */
    /* What was seen. */
    size_t accepted;
    size_t left; /* connections that the client closed */
    size_t request_count;
    char *requests[TINY_REQUESTS];
    size_t peer_of[TINY_REQUESTS]; /* number of the connection that it came by, from 1 */
    size_t number_of[TINY_PEERS];
    struct tiny_peer peers[TINY_PEERS];
};

static inline int
tiny_listen(int backlog, char url[64])
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&address, size), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&address, &size), 0);
    (void)snprintf(url, 64, "http://127.0.0.1:%d", (int)ntohs(address.sin_port));
    return fd;
}

static inline void
tiny_open(struct tiny_server *server)
{
    memset(server, 0, sizeof *server);
    server->listener = tiny_listen(TINY_PEERS, server->url);
    for (size_t i = 0; i < TINY_PEERS; i++) {
        server->peers[i].fd = -1;
        buf_init(&server->peers[i].in, 1 << 21);
    }
}

static inline void
tiny_drop(struct tiny_peer *peer, bool reset)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};

    if (peer->fd >= 0) {
        if (reset) {
            (void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        }
        (void)close(peer->fd);
    }
    peer->fd = -1;
    peer->reply = NULL;
    peer->waits = false;
    buf_free(&peer->in);
}

static inline void
tiny_close(struct tiny_server *server)
{
    for (size_t i = 0; i < TINY_PEERS; i++) {
        tiny_drop(&server->peers[i], false);
    }
    for (size_t i = 0; i < server->request_count; i++) {
        mem_free(server->requests[i]);
    }
    (void)close(server->listener);
}

/* Adds a reply: text, how often, and what to do with the connection after it. */
static inline void
tiny_repeat(struct tiny_server *server, const char *text, int times, enum tiny_then then)
{
    assert_true(server->reply_count < TINY_REPLIES);
    server->replies[server->reply_count++] = (struct tiny_reply){text, strlen(text), times, then};
}

static inline void
tiny_say(struct tiny_server *server, const char *text, enum tiny_then then)
{
    tiny_repeat(server, text, 1, then);
}

static inline void
tiny_accept(struct tiny_server *server)
{
    for (size_t i = 0; i < TINY_PEERS; i++) {
        struct tiny_peer *peer = &server->peers[i];

        if (peer->fd < 0) {
            peer->fd = accept(server->listener, NULL, NULL);
            if (peer->fd < 0) {
                return;
            }
            server->number_of[i] = ++server->accepted;
        }
    }
}

/* Length of the whole request at the beginning of text; 0 where it is not whole yet. */
static inline size_t
tiny_request_length(const char *text, size_t have)
{
    const char *end = strstr(text, "\r\n\r\n");
    const char *length = strstr(text, "\r\nContent-Length: ");
    size_t size;

    if (end == NULL) {
        return 0;
    }
    size = (size_t)(end - text) + 4;
    if (length != NULL && length < end) {
        size += (size_t)strtoul(length + 18, NULL, 10);
    }
    return have >= size ? size : 0;
}

static inline void
tiny_read(struct tiny_server *server, size_t index)
{
    struct tiny_peer *peer = &server->peers[index];
    char bytes[4096];
    ssize_t got;
    size_t length;

    while ((got = recv(peer->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        assert_true(buf_add(&peer->in, bytes, (size_t)got));
    }
    length = tiny_request_length(buf_text(&peer->in), peer->in.length);
    if (length > 0 && !peer->waits && peer->reply == NULL) {
        assert_true(server->request_count < TINY_REQUESTS);
        /* libcurl sends the next one only after the answer: nothing is behind this one. */
        assert_int_equal(length, peer->in.length);
        peer->waits = true;
        peer->request = (int)server->request_count;
        server->peer_of[server->request_count] = server->number_of[index];
        server->requests[server->request_count++] = mem_strdup(buf_text(&peer->in));
        buf_clear(&peer->in);
    }
    if (got == 0 || errno != EAGAIN) {
        server->left++;
        tiny_drop(peer, false);
    }
}

static inline void
tiny_write(struct tiny_peer *peer)
{
    const struct tiny_reply *reply = peer->reply;

    while (peer->times > 0) {
        ssize_t sent = send(peer->fd, reply->bytes + peer->sent, reply->length - peer->sent,
                            MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent < 0) {
            return; /* full, or the client is gone, which reading tells */
        }
        peer->sent += (size_t)sent;
        if (peer->sent == reply->length) {
            peer->sent = 0;
            peer->times--;
        }
    }
    peer->reply = NULL;
    if (reply->then == TINY_GO_ON) {
        peer->reply = reply + 1;
        peer->times = reply[1].times;
    } else if (reply->then != TINY_KEEP) {
        tiny_drop(peer, reply->then == TINY_RESET);
    }
}

/* Does what can be done without waiting. */
static inline void
tiny_work(struct tiny_server *server)
{
    tiny_accept(server);
    for (size_t i = 0; i < TINY_PEERS; i++) {
        if (server->peers[i].fd >= 0) {
            tiny_read(server, i);
        }
    }
    for (size_t i = 0; i < TINY_PEERS; i++) {
        struct tiny_peer *peer = &server->peers[i];

        if (peer->waits && server->reply_count > 0 && server->request_count >= server->hold_until) {
            size_t n = (size_t)peer->request;

            peer->reply = &server->replies[n < server->reply_count ? n : server->reply_count - 1];
            peer->times = peer->reply->times;
            peer->waits = false;
        }
        if (peer->reply != NULL) {
            tiny_write(peer);
        }
    }
}

#endif
