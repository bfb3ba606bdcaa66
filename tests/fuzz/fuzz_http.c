/*
 * An answer byte by byte, through http.c, libcurl and the verdicts: a server in this process sends
 * what the input says.
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

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* A closed connection keeps its pair of addresses for a minute, and one address of a server has
 * less than 30,000 of them. */
#define SERVERS 64
#define DOUBLED_MAX (4 * (size_t)HTTP_BODY_MAX)
#define PEERS 4

#define CONNECT_MS 2000
#define TIMEOUT_MS 2000
#define SILENT_MS 10
/* For a machine with other things to do. */
#define GRACE_MS 8000

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
static int listeners[SERVERS];
static char urls[SERVERS][40];
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

static void
listen_at(unsigned i)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + i);
    listeners[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    FUZZ_CHECK(listeners[i] >= 0 &&
                   bind(listeners[i], (const struct sockaddr *)(const void *)&address, size) == 0 &&
                   listen(listeners[i], PEERS) == 0 &&
                   getsockname(listeners[i], (struct sockaddr *)(void *)&address, &size) == 0,
               "no server: %s", strerror(errno));
    (void)snprintf(urls[i], sizeof urls[i], "http://127.0.0.%u:%u", i + 1,
                   (unsigned)ntohs(address.sin_port));
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
    const char *end = strstr(script->bytes, "\r\n\r\n");
    const char *length = strcasestr(script->bytes, "content-length");
    char *digits_end;
    long promised;

    if (end == NULL || strncmp(script->bytes, "HTTP/1.1 200 ", 13) != 0 ||
        strcasestr(script->bytes, "encoding") != NULL ||
        (length != NULL && strcasestr(length + 1, "content-length") != NULL)) {
        return -1;
    }
    for (const char *at = script->bytes; at < end; at++) {
        /* libcurl also takes a lone CR or LF for the end of a line. */
        if ((at[0] == '\r') != (at[1] == '\n')) {
            return -1;
        }
    }
    *ret_head = (size_t)(end - script->bytes) + 4;
    if (length == NULL) {
        return (long)(script->length - *ret_head);
    }
    if (length > end || strncasecmp(length - 2, "\r\nContent-Length: ", 18) != 0 ||
        length[16] < '0' || length[16] > '9') {
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
    static bool there;
    struct err err;

    for (unsigned i = 0; !there && i < SERVERS; i++) {
        listen_at(i);
    }
    there = true;
    /* Now and then all anew: nothing is kept from one execution to all that follow. */
    if (turn % 1024 == 0) {
        http_close(http);
        FUZZ_CHECK(http_open(2, on_done, NULL, &http, &err), "%s", err.text);
    }
    turn++;
}

static void
drop(struct peer *peer, bool reset)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};

    if (peer->fd >= 0) {
        if (reset) {
            (void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        }
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

static void
work_on(struct peer *peer)
{
    static char request[4096];
    ssize_t count = recv(peer->fd, request, sizeof request, MSG_DONTWAIT | MSG_PEEK);
    size_t end;

    if (count == 0 || (count < 0 && errno != EAGAIN)) {
        drop(peer, false);
        return;
    }
    if (count > 0 && has_request(request, (size_t)count)) {
        (void)recv(peer->fd, request, (size_t)count, MSG_DONTWAIT);
        peer->asked = !script->second;
        peer->sent = 0;
        if (script->second) {
            (void)send(peer->fd, second, sizeof second - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
    }
    if (!peer->asked) {
        return;
    }
    end = peer->sent < script->cut ? script->cut : script->length;
    if (end > peer->sent) {
        count = send(peer->fd, script->bytes + peer->sent, end - peer->sent,
                     MSG_DONTWAIT | MSG_NOSIGNAL);
        peer->sent += count > 0 ? (size_t)count : 0;
    }
    if (peer->sent == script->length) {
        peer->asked = false;
        if (script->then == THEN_CLOSE || script->then == THEN_RESET) {
            drop(peer, script->then == THEN_RESET);
        }
    }
}

static void
accept_one(struct peer peers[PEERS], int fd)
{
    for (size_t i = 0; i < PEERS; i++) {
        if (peers[i].fd < 0) {
            peers[i] = (struct peer){.fd = accept(fd, NULL, NULL)};
            return;
        }
    }
}

static void
begin(const char *url)
{
    const struct gateway_limits limits = {
        .connect_timeout_ms = CONNECT_MS,
        .timeout_ms =
            script->then == THEN_CLOSE || script->then == THEN_RESET ? TIMEOUT_MS : SILENT_MS};
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
run(struct peer peers[PEERS], int fd)
{
    int64_t deadline = clock_boot_ms() + TIMEOUT_MS + GRACE_MS;
    struct err err;

    while (http_active(http) > 0) {
        FUZZ_CHECK(http_wait(http, fd, false, script->then == THEN_HOLD ? 1 : 0, &err), "%s",
                   err.text);
        accept_one(peers, fd);
        for (size_t i = 0; i < PEERS; i++) {
            if (peers[i].fd >= 0) {
                work_on(&peers[i]);
            }
        }
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
    struct peer peers[PEERS] = {{.fd = -1}, {.fd = -1}, {.fd = -1}, {.fd = -1}};
    unsigned server;

    set_up();
    server = turn % SERVERS;
    read_script(&input, &read);
    script = &read;
    begun = 0;
    begin(urls[server]);
    run(peers, listeners[server]);
    if (read.then == THEN_AGAIN) {
        /* What the first one did not wait for arrives before the second one begins. */
        for (size_t i = 0; i < 2 * PEERS; i++) {
            if (peers[i / 2].fd >= 0) {
                work_on(&peers[i / 2]);
            }
        }
        read.second = true;
        begin(urls[server]);
        run(peers, listeners[server]);
    }
    for (size_t i = 0; i < PEERS; i++) {
        drop(&peers[i], false);
    }
    for (unsigned i = 0; i < begun; i++) {
        FUZZ_CHECK(done_count[i] == 1, "done() was called %u times", done_count[i]);
    }
    script = NULL;
    free(read.bytes);
    return 0;
}
