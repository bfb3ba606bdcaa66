/*
 * Many requests at once: libcurl's multi handle, driven by what poll() says about its sockets. The
 * cost of an answer does not grow with the number of requests under way, as it would where libcurl
 * looks after all of them each time.
 */
#include "clock.h"
#include "http_loader.h"
#include "http_slot.h"
#include "mem.h"

#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Sockets served after one poll(); of more the next one tells again. */
#define HTTP_SERVE_MAX 64

/* NULL: not one of libcurl's. */
static struct pollfd *
http_find_open(const struct http *http, int fd)
{
    for (size_t i = 0; i < http->open_count; i++) {
        if (http->open[i].fd == fd || http->open[i].fd == ~fd) {
            return &http->open[i];
        }
    }
    return NULL;
}

void
http_multi_opened(struct http *http, int fd)
{
    http->open = mem_grow(http->open, http->open_count + 1, sizeof *http->open);
    http->open[http->open_count++] = (struct pollfd){.fd = ~fd, .events = POLLIN};
}

void
http_multi_close_socket(struct http *http, int fd)
{
    struct pollfd *found = http_find_open(http, fd);

    if (found != NULL) {
        *found = http->open[--http->open_count];
    }
    (void)close(fd);
}

/* Ends the idle connections on which something came that nobody asked for. libcurl 7.88 takes
 * such bytes for the answer to the next request, and every answer after that is the one before. */
static void
http_end_stale(struct http *http)
{
    char bytes[4096];

    if (http->open_count == 0 || poll(http->open, (nfds_t)http->open_count, 0) <= 0) {
        return;
    }
    for (size_t i = 0; i < http->open_count; i++) {
        if (http->open[i].revents != 0) {
            (void)shutdown(http->open[i].fd, SHUT_RDWR);
            while (recv(http->open[i].fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
            }
        }
    }
}

/* libcurl tells which of its sockets is of interest, and for what. */
static int
http_on_socket(CURL *handle, curl_socket_t fd, int what, void *context, void *unused)
{
    struct http *http = context;
    struct pollfd *open = http_find_open(http, fd);
    size_t at = 0;

    (void)handle;
    (void)unused;
    if (open != NULL) {
        open->fd = what == CURL_POLL_REMOVE ? fd : ~fd; /* poll() leaves out what is negative */
    }
    while (at < http->fd_count && http->fds[at].fd != fd) {
        at++;
    }
    if (what == CURL_POLL_REMOVE) {
        if (at < http->fd_count) {
            http->fds[at] = http->fds[--http->fd_count];
        }
        return 0;
    }
    if (at == http->fd_count) {
        /* One more than there are, for the caller's own. */
        http->fds = mem_grow(http->fds, ++http->fd_count + 1, sizeof *http->fds);
    }
    http->fds[at] = (struct pollfd){
        .fd = fd,
        .events = (short)(((what & CURL_POLL_IN) != 0 ? POLLIN : 0) |
                          ((what & CURL_POLL_OUT) != 0 ? POLLOUT : 0)),
    };
    return 0;
}

/* libcurl tells when it wants to be called at the latest, whatever the sockets do. */
static int
http_on_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct http *http = context;

    (void)multi;
    http->timer_at_ms = timeout_ms < 0 ? -1 : clock_boot_ms() + timeout_ms;
    return 0;
}

static bool
http_set_multi(struct http *http, long max_connections)
{
    return curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, max_connections) == CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) ==
               CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, http_on_socket) == CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http) == CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, http_on_timer) == CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http) == CURLM_OK;
}

bool
http_multi_open(struct http *http, int max_parallel, struct err *err)
{
    if (!http_loader_load()) {
        (void)err_set(err, ERR_INTERNAL, "libcurl can't be loaded: %s", http_loader_error());
        return err_hint(err, "apt-get install libcurl4");
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return err_set(err, ERR_INTERNAL, "libcurl can't be initialised");
    }
    http->timer_at_ms = -1;
    http->fds = mem_alloc(1, sizeof *http->fds);
    http->multi = curl_multi_init();
    if (http->multi != NULL && http_set_multi(http, 2L * max_parallel)) {
        return true;
    }
    http_multi_close(http);
    return err_set(err, ERR_INTERNAL, "libcurl has no memory for its requests");
}

bool
http_multi_add(struct http *http, void *handle)
{
    return curl_multi_add_handle(http->multi, handle) == CURLM_OK;
}

void
http_multi_remove(struct http *http, void *handle)
{
    (void)curl_multi_remove_handle(http->multi, handle);
}

/* Lets libcurl work on a socket, or on what is due by its timer. */
static bool
http_multi_act(struct http *http, curl_socket_t fd, short events, struct err *err)
{
    int what = ((events & (POLLIN | POLLHUP)) != 0 ? CURL_CSELECT_IN : 0) |
               ((events & POLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
               ((events & (POLLERR | POLLNVAL)) != 0 ? CURL_CSELECT_ERR : 0);
    int running = 0;
    CURLMcode code = curl_multi_socket_action(http->multi, fd, what, &running);

    if (code != CURLM_OK) {
        return err_set(err, ERR_INTERNAL, "libcurl: %s", curl_multi_strerror(code));
    }
    return true;
}

/* Whose handle it is: asking libcurl for it is one more call that could fail. */
static struct http_slot *
http_multi_slot(const struct http *http, const CURL *handle)
{
    size_t at = 0;

    while (at + 1 < http->slot_count && http->slots[at].handle != handle) {
        at++;
    }
    return &http->slots[at];
}

static int
http_multi_finish(struct http *http)
{
    const CURLMsg *message;
    int waiting = 0;
    int ended = 0;

    while ((message = curl_multi_info_read(http->multi, &waiting)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            http_curl_ended(http_multi_slot(http, message->easy_handle), (int)message->data.result);
            ended++;
        }
    }
    return ended;
}

bool
http_multi_work(struct http *http, int *ret_ended, struct err *err)
{
    *ret_ended = 0;
    if (http->timer_at_ms >= 0 && clock_boot_ms() >= http->timer_at_ms) {
        http->timer_at_ms = -1; /* libcurl sets it again where it needs to */
        http_end_stale(http);
        if (!http_multi_act(http, CURL_SOCKET_TIMEOUT, 0, err)) {
            return false;
        }
        *ret_ended = http_multi_finish(http);
    }
    return true;
}

/* The sockets that poll() found ready. What libcurl does to one may change the list. */
static bool
http_multi_serve(struct http *http, int ready, struct err *err)
{
    struct pollfd found[HTTP_SERVE_MAX];
    size_t most = ready < HTTP_SERVE_MAX ? (size_t)ready : HTTP_SERVE_MAX;
    size_t count = 0;
    bool done = true;

    for (size_t i = 0; i < http->fd_count && count < most; i++) {
        if (http->fds[i].revents != 0) {
            found[count++] = http->fds[i];
        }
    }
    for (size_t i = 0; i < count && done; i++) {
        done = http_multi_act(http, found[i].fd, found[i].revents, err);
    }
    return done;
}

bool
http_multi_poll(struct http *http, int extra_fd, bool extra_write, int timeout_ms, struct err *err)
{
    struct pollfd *extra = &http->fds[http->fd_count];
    int64_t until_timer = http->timer_at_ms < 0 ? INT_MAX : http->timer_at_ms - clock_boot_ms();
    int wait = until_timer < timeout_ms ? (int)(until_timer < 0 ? 0 : until_timer) : timeout_ms;
    int ready;

    /* A negative fd is left out by poll(). */
    *extra =
        (struct pollfd){.fd = extra_fd, .events = (short)(POLLIN | (extra_write ? POLLOUT : 0))};
    ready = poll(http->fds, (nfds_t)http->fd_count + 1, wait);
    http_look(http, wait);
    if (ready < 0) {
        return errno == EINTR || err_set(err, ERR_INTERNAL, "poll: %s", strerror(errno));
    }
    if (ready == 0 || !http_multi_serve(http, ready, err)) {
        return ready == 0;
    }
    (void)http_multi_finish(http);
    return true;
}

void
http_multi_close(struct http *http)
{
    if (http->fds == NULL) {
        return; /* it was never open */
    }
    for (size_t i = 0; i < http->slot_count; i++) {
        struct http_slot *slot = &http->slots[i];

        if (slot->place == HTTP_PLACE_RUNNING) {
            http_multi_remove(http, slot->handle);
        }
        http_curl_free(slot);
    }
    (void)curl_multi_cleanup(http->multi);
    curl_global_cleanup();
    mem_free(http->fds);
    mem_free(http->open);
    http->fds = NULL;
    http->open = NULL;
}
