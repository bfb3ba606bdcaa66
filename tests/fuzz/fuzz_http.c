/*
 * An answer byte by byte, through http.c, libcurl and the verdicts: a server in this process sends
 * what the input says. Both are made fast, and the same each time, by what stands in for the
 * system: a connection is a pair of sockets, and time passes only while somebody waits.
 *
 * Input, first line, one character each: what is asked (0 info, 1 inspect, 2 image_remove), where
 * the answer is cut in two (in sixteenths of its length), how often it is doubled (for answers that
 * are too large), what follows it (0 a close, 1 a reset, 2 nothing for as long as the request
 * waits, 3 a second request, which gets the same answer), how many of its last bytes are left out.
 * The rest is the answer.
 */
#define _GNU_SOURCE /* strptime, strcasestr, timegm */
#include "answer_oracle.h"

#include "clock.h"
#include "gateway.h"
#include "http.h"
#include "mem.h"

#include <errno.h>
#include <poll.h>
#include <sanitizer/lsan_interface.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* More than libcurl keeps connections: none is left from the execution before. */
#define SERVERS 64
#define DOUBLED_MAX (4 * (size_t)HTTP_BODY_MAX)
#define PEERS 8
/* Of longer ones only libcurl knows what they promise. */
#define PLAIN_HEAD_MAX 4096
/* Handles outlive an execution, so that what leaks can't be told after each. */
#define ALL_ANEW 8192

#define CONNECT_MS 2000
#define TIMEOUT_MS 2000
/* Until a request must have its end: libcurl may look at its timers a moment late. */
#define GRACE_MS 100

/* What the second request is told; nothing that was left of the first one may be taken for it. */
static const char second[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond";

enum then { THEN_CLOSE, THEN_RESET, THEN_HOLD, THEN_AGAIN };

struct script {
    unsigned question;
    enum then then;
    char *bytes;
    size_t length;
    size_t cut; /* bytes of the first part */
    bool second;
};

/* A connection, as the server sees it. */
struct peer {
    int fd;     /* -1: none */
    bool asked; /* its request is not answered to the end yet */
    size_t sent;
};

static char the_key[] = ORACLE_KEY;
static struct peer peers[PEERS];
static int64_t now_us = 1000000;
static struct http *http;
static unsigned turn;

static const struct verdict_job job = {
    .image_ref = "ghcr.io/nextcloud/app:1",
    .image_id = "sha256:" ORACLE_HEX_ONE,
    .orphaned_at_ms = INT64_C(1795404960) * 1000,
    .protect_unpullable = true,
};

/* What done() was told, in the order of the requests. */
static unsigned begun;
static unsigned done_count[2];
static const struct script *script;

/* What libcurl and http_multi.c call in the place of the system's. */

/* Every clock that measures spans; each look at it takes a moment. */
int
clock_gettime(clockid_t which, struct timespec *ret_time)
{
    if (which == CLOCK_REALTIME) {
        return (int)syscall(SYS_clock_gettime, which, ret_time);
    }
    now_us++;
    *ret_time = (struct timespec){.tv_sec = now_us / 1000000, .tv_nsec = now_us % 1000000 * 1000};
    return 0;
}

/* Where nothing is ready, nothing will be before the time is up: the server is in this thread. */
int
poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    const struct timespec at_once = {0};
    int ready = (int)syscall(SYS_ppoll, fds, count, &at_once, NULL, 0);

    if (ready == 0 && timeout_ms > 0) {
        now_us += (int64_t)timeout_ms * 1000;
    }
    return ready;
}

int
socket(int domain, int type, int protocol)
{
    int fds[2];

    (void)domain;
    (void)protocol;
    for (size_t i = 0; i < PEERS; i++) {
        if (peers[i].fd < 0) {
            if (socketpair(AF_UNIX, type, 0, fds) != 0) {
                return -1;
            }
            peers[i] = (struct peer){.fd = fds[1]};
            return fds[0];
        }
    }
    errno = EMFILE;
    return -1;
}

int
connect(int fd, const struct sockaddr *address, socklen_t size)
{
    (void)fd;
    (void)address;
    (void)size;
    return 0;
}

/* A first look at the bytes: an answer that is no row of curl's tolerance is no answer. */
static bool
begins_like_http(void)
{
    return script->length >= 5 && strncasecmp(script->bytes, "HTTP/", 5) == 0;
}

/* The length that a plain answer has: one header block with one Content-Length or, where the
 * connection's end is its own, none, and no coding; -1 for anything else. */
static long
plain_length(size_t *ret_head)
{
    char head[PLAIN_HEAD_MAX];
    const char *end = memmem(script->bytes, script->length, "\r\n\r\n", 4);
    const char *length;
    char *digits_end;
    long promised;

    *ret_head = end == NULL ? 0 : (size_t)(end - script->bytes) + 4;
    if (end == NULL || *ret_head >= sizeof head) {
        return -1;
    }
    memcpy(head, script->bytes, *ret_head);
    head[*ret_head] = '\0';
    length = strcasestr(head, "content-length");
    if (strlen(head) != *ret_head || strncmp(head, "HTTP/1.1 200 ", 13) != 0 ||
        strcasestr(head, "encoding") != NULL ||
        (length != NULL && strcasestr(length + 1, "content-length") != NULL)) {
        return -1;
    }
    for (const char *at = head; at[1] != '\0'; at++) {
        /* libcurl also takes a lone CR or LF for the end of a line. */
        if ((at[0] == '\r') != (at[1] == '\n')) {
            return -1;
        }
    }
    if (length == NULL) {
        return (long)(script->length - *ret_head);
    }
    if (strncasecmp(length - 2, "\r\nContent-Length: ", 18) != 0 || length[16] < '0' ||
        length[16] > '9') {
        return -1;
    }
    promised = strtol(length + 16, &digits_end, 10);
    return strncmp(digits_end, "\r\n", 2) == 0 ? promised : -1;
}

static void
check_answer(const struct http_answer *answer)
{
    size_t head = 0;
    long promised = plain_length(&head);

    FUZZ_CHECK(answer->body != NULL && answer->body[answer->length] == '\0', "no end");
    FUZZ_CHECK(answer->length <= HTTP_BODY_MAX, "%zu bytes", answer->length);
    FUZZ_CHECK(strstr(answer->detail, ORACLE_KEY) == NULL, "%s", answer->detail);
    if (answer->transport != HTTP_ANSWERED) {
        FUZZ_CHECK(answer->detail[0] != '\0', "transport %d without a word",
                   (int)answer->transport);
        return;
    }
    FUZZ_CHECK(begins_like_http() && answer->status >= 100 && answer->status <= 999, "HTTP %ld",
               answer->status);
    FUZZ_CHECK(promised < 0 || ((size_t)promised == answer->length &&
                                script->length - head >= (size_t)promised),
               "%zu bytes of %ld", answer->length, promised);
}

static void
on_done(void *context, void *user, const struct http_answer *answer)
{
    unsigned *count = user;
    struct verdict verdict;
    enum verdict_target target = VERDICT_TARGET_REF;
    char version[32];

    (void)context;
    (*count)++;
    if (script->second) {
        FUZZ_CHECK(answer->transport != HTTP_ANSWERED || strcmp(answer->body, "second") == 0,
                   "HTTP %ld, another request's: %s", answer->status, answer->body);
        return;
    }
    check_answer(answer);
    if (script->question == 0) {
        verdict = verdict_of_info(answer, version);
        oracle_check_info(answer, &verdict, version);
    } else if (script->question == 1) {
        verdict = verdict_of_inspect(answer, &job, &target);
        oracle_check_inspect(answer, &job, &verdict, target);
    } else {
        verdict = verdict_of_removal(answer);
        oracle_check_removal(answer, &verdict);
    }
}

static void
set_up(void)
{
    struct err err;

    for (size_t i = 0; i < PEERS; i++) {
        peers[i].fd = -1;
    }
    if (turn % ALL_ANEW == 0) {
        http_close(http);
        FUZZ_CHECK(__lsan_do_recoverable_leak_check() == 0, "leaks, as told above");
        FUZZ_CHECK(http_open(2, on_done, NULL, &http, &err), "%s", err.text);
    }
    turn++;
}

static void
drop(struct peer *peer)
{
    if (peer->fd >= 0) {
        (void)close(peer->fd);
    }
    peer->fd = -1;
}

/* Whether the request is there as a whole: a header block and, of an image_remove, a body that ends
 * in a brace. */
static bool
has_request(const char *bytes, size_t length)
{
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);

    return end != NULL && (script->question != 2 || bytes[length - 1] == '}');
}

/* Whether there was anything to do. */
static bool
work_on(struct peer *peer)
{
    static char request[4096];
    ssize_t count = recv(peer->fd, request, sizeof request, MSG_DONTWAIT | MSG_PEEK);
    bool worked = false;
    size_t end;

    if (count == 0 || (count < 0 && errno != EAGAIN)) {
        drop(peer);
        return true;
    }
    if (count > 0 && has_request(request, (size_t)count)) {
        /* A socket that is closed with something left in it is reset. */
        (void)recv(peer->fd, request, (size_t)count - (script->then == THEN_RESET), MSG_DONTWAIT);
        worked = true;
        peer->asked = !script->second;
        peer->sent = 0;
        if (script->second) {
            (void)send(peer->fd, second, sizeof second - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
    }
    if (!peer->asked) {
        return worked;
    }
    end = peer->sent < script->cut ? script->cut : script->length;
    if (end > peer->sent) {
        count = send(peer->fd, script->bytes + peer->sent, end - peer->sent,
                     MSG_DONTWAIT | MSG_NOSIGNAL);
        peer->sent += count > 0 ? (size_t)count : 0;
        worked = worked || count > 0;
    }
    if (peer->sent == script->length) {
        peer->asked = false;
        if (script->then == THEN_CLOSE || script->then == THEN_RESET) {
            drop(peer);
        }
    }
    return worked;
}

static bool
work_on_all(void)
{
    bool worked = false;

    for (size_t i = 0; i < PEERS; i++) {
        worked = (peers[i].fd >= 0 && work_on(&peers[i])) || worked;
    }
    return worked;
}

static void
begin(const char *url)
{
    const struct gateway_limits limits = {
        .connect_timeout_ms = CONNECT_MS,
        .timeout_ms = TIMEOUT_MS,
    };
    char *copy = mem_strdup(url);
    const struct conf_daemon harp = {.url = copy, .key = the_key, .engine_port = 24000};
    unsigned *count = &done_count[begun];
    struct err err;
    bool good;

    *count = 0;
    begun++;
    if (script->question == 0) {
        good = gateway_begin_info(http, &harp, &limits, count, &err);
    } else if (script->question == 1) {
        good = gateway_begin_inspect(http, &harp, &limits, job.image_ref, count, &err);
    } else {
        good = gateway_begin_removal(http, &harp, &limits, job.image_ref, count, &err);
    }
    FUZZ_CHECK(good, "%s", err.text);
    mem_free(copy);
}

/* Until every request has its end, which each of them has within its limits. */
static void
run(void)
{
    int64_t deadline = clock_boot_ms() + TIMEOUT_MS + GRACE_MS;
    bool worked = true;
    struct err err;

    while (http_active(http) > 0) {
        FUZZ_CHECK(http_wait(http, -1, false, worked ? 0 : TIMEOUT_MS, &err), "%s", err.text);
        worked = work_on_all();
        FUZZ_CHECK(clock_boot_ms() < deadline, "a request without an end");
    }
}

static void
read_script(struct fuzz_input *input, struct script *ret_script)
{
    unsigned cut;
    unsigned doubled;
    size_t left_out;
    size_t length;

    memset(ret_script, 0, sizeof *ret_script);
    ret_script->question = fuzz_choice(input, 3);
    cut = fuzz_choice(input, 16);
    doubled = fuzz_choice(input, 16);
    ret_script->then = (enum then)fuzz_choice(input, 4);
    left_out = fuzz_choice(input, 16);
    free(fuzz_field(input, '\n'));
    length = input->size > left_out ? input->size - left_out : 0;
    ret_script->bytes = fuzz_copy(input->data, length);
    for (; doubled > 0 && length * 2 <= DOUBLED_MAX; doubled--) {
        char *twice = malloc(length * 2 + 1);

        FUZZ_CHECK(twice != NULL, "no memory");
        memcpy(twice, ret_script->bytes, length);
        memcpy(twice + length, ret_script->bytes, length + 1);
        free(ret_script->bytes);
        ret_script->bytes = twice;
        length *= 2;
    }
    ret_script->length = length;
    ret_script->cut = length * cut / 16;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct script read;
    char url[40];

    set_up();
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", 8780 + turn % SERVERS);
    read_script(&input, &read);
    script = &read;
    begun = 0;
    begin(url);
    run();
    if (read.then == THEN_AGAIN) {
        /* What the first one did not wait for arrives before the second one begins. */
        while (work_on_all()) {
        }
        read.second = true;
        begin(url);
        run();
    }
    for (size_t i = 0; i < PEERS; i++) {
        drop(&peers[i]);
    }
    for (unsigned i = 0; i < begun; i++) {
        FUZZ_CHECK(done_count[i] == 1, "done() was called %u times", done_count[i]);
    }
    script = NULL;
    free(read.bytes);
    return 0;
}
