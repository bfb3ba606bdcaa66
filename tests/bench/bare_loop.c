/*
 * The least that a loop with libcurl and libpq can do for the same deletes, each result durable: it
 * claims and records 500 rows at a time in one statement, claims ahead, and uses its handles again.
 * No guards, no leases to look at, no retries, no history, no TLS, and whatever is answered with
 * 200 counts as done. What harpsweep's promises cost is the time that it takes longer.
 *
 *   bare_loop CONNINFO URL SLOTS KEY
 *
 * It works off the table bare_job (id bigint primary key, image_ref text, state text, next_at
 * timestamptz, token uuid, finished_at timestamptz, http_status int, bytes_freed bigint).
 */
#define _POSIX_C_SOURCE 200809L
#include <curl/curl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLOTS_MAX 128
#define BATCH 500
#define QUEUE_MAX 1024 /* two batches */
#define IMAGE_MAX 256

static const char statement[] =
    "with done as (update bare_job set state = 'removed', finished_at = now(), http_status = 200,"
    " bytes_freed = 1 where id = any ($1::bigint[])),"
    " due as materialized (select id from bare_job where state = 'pending' and next_at <= now()"
    " and id > $2::bigint order by id limit $3::int for update skip locked)"
    " update bare_job set state = 'claimed', next_at = now() + interval '15 minutes',"
    " token = gen_random_uuid() where id = any (array(select id from due)) returning id, image_ref";

struct job {
    long long id;
    char image[IMAGE_MAX];
};

struct slot {
    CURL *handle;
    struct job job;
    bool busy;
    char body[IMAGE_MAX + 32];
};

static struct slot slots[SLOTS_MAX];
static int slot_count;
static int under_way;

static struct job queue[QUEUE_MAX];
static int queue_first;
static int queue_count;

static long long done[QUEUE_MAX + SLOTS_MAX];
static int done_count;

static PGconn *conn;
static bool asking;
static int asked;
static bool drained;
static long long last_claimed;

static CURLM *multi;
static struct pollfd fds[2 * SLOTS_MAX];
static int fd_count;
static long long timer_at_ms = -1;

static void
die(const char *what)
{
    (void)fprintf(stderr, "bare_loop: %s\n", what);
    exit(1);
}

static long long
now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static int
on_socket(CURL *handle, curl_socket_t fd, int what, void *context, void *unused)
{
    int at = 0;

    (void)handle;
    (void)context;
    (void)unused;
    while (at < fd_count && fds[at].fd != fd) {
        at++;
    }
    if (what == CURL_POLL_REMOVE) {
        if (at < fd_count) {
            fds[at] = fds[--fd_count];
        }
        return 0;
    }
    if (at == fd_count && ++fd_count == 2 * SLOTS_MAX) {
        die("more sockets than slots");
    }
    fds[at].fd = fd;
    fds[at].events = (short)(((what & CURL_POLL_IN) != 0 ? POLLIN : 0) |
                             ((what & CURL_POLL_OUT) != 0 ? POLLOUT : 0));
    return 0;
}

static int
on_timer(CURLM *handle, long timeout_ms, void *context)
{
    (void)handle;
    (void)context;
    timer_at_ms = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
    return 0;
}

static size_t
on_body(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    (void)context;
    return size * count;
}

/* Records what is done, and claims so many more. */
static void
ask(int want)
{
    static char ids[(QUEUE_MAX + SLOTS_MAX) * 21 + 3];
    char after[24];
    char limit[24];
    const char *const values[] = {ids, after, limit};
    size_t length = 1;

    ids[0] = '{';
    for (int i = 0; i < done_count; i++) {
        length +=
            (size_t)snprintf(ids + length, sizeof ids - length, i == 0 ? "%lld" : ",%lld", done[i]);
    }
    ids[length] = '}';
    ids[length + 1] = '\0';
    (void)snprintf(after, sizeof after, "%lld", last_claimed);
    (void)snprintf(limit, sizeof limit, "%d", want);
    if (PQsendQueryPrepared(conn, "next", 3, values, NULL, NULL, 0) != 1 || PQflush(conn) < 0) {
        die(PQerrorMessage(conn));
    }
    done_count = 0;
    asked = want;
    asking = true;
}

static void
take(void)
{
    PGresult *result;

    if (PQconsumeInput(conn) != 1) {
        die(PQerrorMessage(conn));
    }
    if (PQisBusy(conn)) {
        return;
    }
    while ((result = PQgetResult(conn)) != NULL) {
        int rows = PQntuples(result);

        if (PQresultStatus(result) != PGRES_TUPLES_OK) {
            die(PQerrorMessage(conn));
        }
        for (int row = 0; row < rows; row++) {
            struct job *job = &queue[(queue_first + queue_count++) % QUEUE_MAX];

            job->id = strtoll(PQgetvalue(result, row, 0), NULL, 10);
            (void)snprintf(job->image, sizeof job->image, "%s", PQgetvalue(result, row, 1));
            if (job->id > last_claimed) {
                last_claimed = job->id;
            }
        }
        drained = drained || (asked > 0 && rows < asked);
        PQclear(result);
    }
    asking = false;
}

static void
start(struct slot *slot)
{
    int length;

    slot->job = queue[queue_first];
    queue_first = (queue_first + 1) % QUEUE_MAX;
    queue_count--;
    length = snprintf(slot->body, sizeof slot->body, "{\"image_ref\": \"%s\"}", slot->job.image);
    (void)curl_easy_setopt(slot->handle, CURLOPT_POSTFIELDSIZE, (long)length);
    (void)curl_easy_setopt(slot->handle, CURLOPT_POSTFIELDS, slot->body);
    if (curl_multi_add_handle(multi, slot->handle) != CURLM_OK) {
        die("libcurl takes no request");
    }
    slot->busy = true;
    under_way++;
}

static void
finish(void)
{
    CURLMsg *message;
    int waiting;

    while ((message = curl_multi_info_read(multi, &waiting)) != NULL) {
        struct slot *slot = NULL;
        long status = 0;

        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&slot);
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        if (message->data.result != CURLE_OK || status != 200) {
            die("a delete failed");
        }
        (void)curl_multi_remove_handle(multi, slot->handle);
        done[done_count++] = slot->job.id;
        slot->busy = false;
        under_way--;
    }
}

static void
turn(void)
{
    struct pollfd ready[2 * SLOTS_MAX];
    long long now = now_ms();
    int ready_count = 0;
    int running;
    int wait = 1000;

    if (timer_at_ms >= 0 && now >= timer_at_ms) {
        timer_at_ms = -1;
        (void)curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    if (timer_at_ms >= 0) {
        wait = timer_at_ms <= now ? 0 : (int)(timer_at_ms - now);
    }
    fds[fd_count] = (struct pollfd){.fd = PQsocket(conn), .events = POLLIN};
    if (poll(fds, (nfds_t)fd_count + 1, wait) < 0) {
        die("poll");
    }
    if (asking && fds[fd_count].revents != 0) {
        take();
    }
    for (int i = 0; i < fd_count; i++) {
        if (fds[i].revents != 0) {
            ready[ready_count++] = fds[i];
        }
    }
    for (int i = 0; i < ready_count; i++) {
        int what = ((ready[i].revents & ~POLLOUT) != 0 ? CURL_CSELECT_IN : 0) |
                   ((ready[i].revents & POLLOUT) != 0 ? CURL_CSELECT_OUT : 0);

        (void)curl_multi_socket_action(multi, ready[i].fd, what, &running);
    }
    finish();
}

static void
loop(void)
{
    ask(BATCH);
    while (!drained || asking || under_way > 0 || queue_count > 0 || done_count > 0) {
        for (int i = 0; i < slot_count && queue_count > 0; i++) {
            if (!slots[i].busy) {
                start(&slots[i]);
            }
        }
        if (!asking && !drained && queue_count < BATCH) {
            ask(BATCH);
        } else if (!asking && done_count > 0 &&
                   (done_count >= BATCH || under_way + queue_count == 0)) {
            ask(0);
        }
        turn();
    }
}

static void
open_slots(const char *url, const char *key)
{
    char line[300];
    struct curl_slist *headers;

    (void)snprintf(line, sizeof line, "harp-shared-key: %s", key);
    headers = curl_slist_append(NULL, line);
    headers = curl_slist_append(headers, "docker-engine-port: 24000");
    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    multi = curl_multi_init();
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 2L * slot_count);
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    for (int i = 0; i < slot_count; i++) {
        CURL *handle = slots[i].handle = curl_easy_init();

        (void)curl_easy_setopt(handle, CURLOPT_URL, url);
        (void)curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
        (void)curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
        (void)curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, 60000L);
        (void)curl_easy_setopt(handle, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
        (void)curl_easy_setopt(handle, CURLOPT_PRIVATE, &slots[i]);
    }
}

int
main(int argc, char **argv)
{
    char url[300];
    PGresult *result;

    if (argc != 5) {
        die("usage: bare_loop CONNINFO URL SLOTS KEY");
    }
    slot_count = (int)strtol(argv[3], NULL, 10);
    if (slot_count < 1 || slot_count > SLOTS_MAX) {
        die("SLOTS is 1 to 128");
    }
    conn = PQconnectdb(argv[1]);
    result = PQprepare(conn, "next", statement, 0, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        die(PQerrorMessage(conn));
    }
    PQclear(result);
    (void)snprintf(url, sizeof url, "%s/exapps/app_api/docker/exapp/image_remove", argv[2]);
    open_slots(url, argv[4]);
    loop();
    PQfinish(conn);
    return 0;
}
