/*
 * A stand-in for HaRP that is fast, for benchmarks only: one thread, epoll, keep-alive, fixed
 * answers that are right for any image, those of Docker after one fixed delay.
 *
 *   fastharp --listen 127.0.0.1:0 [--delay-ms N]      prints its URL, serves until SIGTERM
 *   fastharp --load URL [--connections N] [--seconds S]   its own limit: prints requests per second
 *
 * GET /count answers the number of HaRP requests so far. Tests of what HaRP says use
 * tests/standin/, which follows its protocol to the letter; this one does not.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096
#define REQUEST_MAX 8192
#define EVENTS_MAX 256

struct connection {
    int fd;
    unsigned generation; /* a late answer must not reach the next user of this place */
    size_t length;
    char request[REQUEST_MAX + 1];
};

/* Answers wait in the order in which they are due, for the delay is the same for all. */
struct waiting {
    int64_t due_us;
    int place;
    unsigned generation;
    size_t length;
    char answer[640];
};

static struct connection connections[CONNECTIONS_MAX];
static struct waiting queue[CONNECTIONS_MAX];
static size_t queue_first;
static size_t queue_count;
static int64_t delay_us;
static int timer_fd;
static int epoll_fd;
static uint64_t request_count;

static int64_t
now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
die(const char *what)
{
    perror(what);
    exit(1);
}

static void
send_all(int fd, const char *data, size_t length)
{
    /* An answer is far smaller than a socket's buffer: it goes out whole or the peer is gone. */
    if (send(fd, data, length, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET) {
        die("send");
    }
}

static void
arm_timer(void)
{
    struct itimerspec when;
    int64_t due = queue_count == 0 ? 0 : queue[queue_first].due_us;

    memset(&when, 0, sizeof when);
    when.it_value.tv_sec = due / 1000000;
    when.it_value.tv_nsec = due % 1000000 * 1000;
    (void)timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* A well-formed ID that belongs to the reference: FNV-1a, four times over. */
static void
make_id(const char *reference, size_t length, char id[65])
{
    for (int part = 0; part < 4; part++) {
        uint64_t hash = 1469598103934665603U + (uint64_t)part;

        for (size_t i = 0; i < length; i++) {
            hash = (hash ^ (unsigned char)reference[i]) * 1099511628211U;
        }
        (void)snprintf(id + part * 16, 17, "%016llx", (unsigned long long)hash);
    }
}

static size_t
make_answer(const char *request, char *answer, size_t size)
{
    static const char inspect[] = "GET /exapps/app_api/images/";
    char body[512];
    char id[65];
    int length;

    if (strncmp(request, "GET /count ", 11) == 0) {
        length = snprintf(body, sizeof body, "%llu", (unsigned long long)request_count);
    } else if (strncmp(request, inspect, sizeof inspect - 1) == 0) {
        const char *reference = request + sizeof inspect - 1;
        const char *end = strstr(reference, "/json ");

        request_count++;
        make_id(reference, end == NULL ? 0 : (size_t)(end - reference), id);
        length =
            snprintf(body, sizeof body,
                     "{\"Id\":\"sha256:%s\",\"RepoTags\":[\"a:1\"],\"RepoDigests\":[\"a@sha256:"
                     "%s\"],\"Size\":1000000,\"Metadata\":{\"LastTagTime\":"
                     "\"2020-01-01T00:00:00Z\"}}",
                     id, id);
    } else if (strncmp(request, "GET /exapps/app_api/info ", 25) == 0) {
        request_count++;
        length = snprintf(body, sizeof body, "{\"version\": \"0.4.4\", \"docker\": true}");
    } else {
        request_count++;
        length = snprintf(body, sizeof body, "{\"deleted\": true, \"bytes_freed\": 1000000}");
    }
    length = snprintf(answer, size,
                      "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
                      "Content-Length: %d\r\n\r\n%s",
                      length, body);
    return (size_t)length;
}

static void
answer_request(int place, const char *request)
{
    struct connection *connection = &connections[place];
    struct waiting *waiting = &queue[(queue_first + queue_count) % CONNECTIONS_MAX];

    waiting->length = make_answer(request, waiting->answer, sizeof waiting->answer);
    /* Only what concerns Docker takes its time. */
    if (delay_us == 0 || strncmp(request, "GET /count ", 11) == 0 ||
        strncmp(request, "GET /exapps/app_api/info ", 25) == 0) {
        send_all(connection->fd, waiting->answer, waiting->length);
        return;
    }
    waiting->due_us = now_us() + delay_us;
    waiting->place = place;
    waiting->generation = connection->generation;
    if (++queue_count == 1) {
        arm_timer();
    }
}

static void
send_due(void)
{
    int64_t now = now_us();

    while (queue_count > 0 && queue[queue_first].due_us <= now) {
        const struct waiting *waiting = &queue[queue_first];
        const struct connection *connection = &connections[waiting->place];

        if (connection->generation == waiting->generation) {
            send_all(connection->fd, waiting->answer, waiting->length);
        }
        queue_first = (queue_first + 1) % CONNECTIONS_MAX;
        queue_count--;
    }
    arm_timer();
}

/* Bytes of the first whole request in text, 0 where it is not whole yet. */
static size_t
request_length(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");
    const char *header;
    size_t body = 0;

    if (end == NULL) {
        return 0;
    }
    header = strcasestr(text, "\r\ncontent-length:");
    if (header != NULL && header < end) {
        body = strtoul(header + 17, NULL, 10);
    }
    return (size_t)(end - text) + 4 + body;
}

static void
close_connection(int place)
{
    (void)close(connections[place].fd);
    connections[place].fd = -1;
    connections[place].generation++;
}

static void
read_connection(int place)
{
    struct connection *connection = &connections[place];
    ssize_t got = recv(connection->fd, connection->request + connection->length,
                       REQUEST_MAX - connection->length, 0);
    size_t length;

    if (got <= 0) {
        close_connection(place);
        return;
    }
    connection->length += (size_t)got;
    connection->request[connection->length] = '\0';
    while ((length = request_length(connection->request)) > 0 && length <= connection->length) {
        answer_request(place, connection->request);
        connection->length -= length;
        memmove(connection->request, connection->request + length, connection->length + 1);
    }
    if (connection->length == REQUEST_MAX) {
        close_connection(place);
    }
}

static void
watch(int fd, uint32_t place)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = place};

    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        die("epoll_ctl");
    }
}

static void
accept_connection(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    const int on = 1;

    if (fd < 0) {
        return;
    }
    for (int place = 0; place < CONNECTIONS_MAX; place++) {
        if (connections[place].fd < 0) {
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            connections[place].fd = fd;
            connections[place].length = 0;
            watch(fd, (uint32_t)place);
            return;
        }
    }
    (void)close(fd);
}

static struct sockaddr_in
parse_address(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *colon = strrchr(text, ':');

    address.sin_port = htons((uint16_t)(colon == NULL ? 0 : strtoul(colon + 1, NULL, 10)));
    return address;
}

static void
serve(const char *listen_at)
{
    struct sockaddr_in address = parse_address(listen_at);
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct epoll_event events[EVENTS_MAX];

    for (int place = 0; place < CONNECTIONS_MAX; place++) {
        connections[place].fd = -1;
    }
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 1024) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        die("listen");
    }
    watch(listener, CONNECTIONS_MAX);
    watch(timer_fd, CONNECTIONS_MAX + 1);
    (void)printf("http://127.0.0.1:%d\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);

        for (int i = 0; i < count; i++) {
            uint32_t place = events[i].data.u32;

            if (place == CONNECTIONS_MAX) {
                accept_connection(listener);
            } else if (place == CONNECTIONS_MAX + 1) {
                send_due();
            } else {
                read_connection((int)place);
            }
        }
    }
}

static void
load_send(int fd)
{
    static const char request[] = "POST /exapps/app_api/docker/exapp/image_remove HTTP/1.1\r\n"
                                  "Host: 127.0.0.1\r\nContent-Length: 21\r\n\r\n"
                                  "{\"image_ref\":\"app:1\"}";

    send_all(fd, request, sizeof request - 1);
}

/* As many connections as asked for, each sends its next request when the last was answered. */
static void
load(const char *url, int count, int seconds)
{
    struct sockaddr_in address = parse_address(url);
    struct epoll_event events[EVENTS_MAX];
    double answers = 0;
    int64_t began;
    int64_t last;
    char data[4096];

    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
            die("connect");
        }
        watch(fd, (uint32_t)fd);
        load_send(fd);
    }
    began = last = now_us();
    while (last - began < (int64_t)seconds * 1000000) {
        int ready = epoll_wait(epoll_fd, events, EVENTS_MAX, 100);

        for (int i = 0; i < ready; i++) {
            if (recv((int)events[i].data.u32, data, sizeof data, 0) <= 0) {
                die("recv");
            }
            answers++;
            load_send((int)events[i].data.u32);
        }
        last = now_us();
    }
    (void)printf("%.1f\n", answers * 1e6 / (double)(last - began));
}

int
main(int argc, char **argv)
{
    const char *listen_at = NULL;
    const char *load_url = NULL;
    int count = 64;
    int seconds = 3;

    const struct sched_param lowest = {.sched_priority = 0};

    for (int i = 1; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];

        if (strcmp(argv[i], "--listen") == 0) {
            listen_at = value;
        } else if (strcmp(argv[i], "--load") == 0) {
            load_url = value;
        } else if (strcmp(argv[i], "--delay-ms") == 0) {
            delay_us = strtol(value, NULL, 10) * 1000;
        } else if (strcmp(argv[i], "--connections") == 0) {
            count = (int)strtol(value, NULL, 10);
        } else if (strcmp(argv[i], "--seconds") == 0) {
            seconds = (int)strtol(value, NULL, 10);
        }
    }
    /* Where the processors are what is scarce, it must not take one from whoever is measured for
     * each request that it sends; where it answers after a delay, it must do so on time. */
    if (delay_us == 0 && sched_setscheduler(0, SCHED_BATCH, &lowest) != 0) {
        die("sched_setscheduler");
    }
    if (listen_at != NULL) {
        serve(listen_at);
    }
    if (load_url == NULL) {
        (void)fprintf(stderr, "usage: fastharp --listen HOST:PORT [--delay-ms N] | --load URL\n");
        return 64;
    }
    load(load_url, count, seconds);
    return 0;
}
