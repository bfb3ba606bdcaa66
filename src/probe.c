#include "probe.h"

#include "gateway.h"
#include "http.h"
#include "mem.h"
#include "sig.h"
#include "verdict.h"

#include <stdio.h>
#include <string.h>

/* Daemons asked at the same time. */
#define PROBE_PARALLEL 16

/* How long one wait for answers may take; the requests have limits of their own. */
#define PROBE_WAIT_MS 1000

enum probe_step { PROBE_WAITS, PROBE_INFO, PROBE_PING_DUE, PROBE_PING, PROBE_DONE };

struct probe_call {
    const struct conf_daemon *daemon;
    struct probe_result *result;
    enum probe_step step;
};

struct probe {
    struct http *http;
    struct probe_call *calls;
    size_t count;
    struct gateway_limits limits;
};

static void
probe_fail(struct probe_call *call, const char *reason, const char *hint)
{
    call->step = PROBE_DONE;
    (void)snprintf(call->result->reason, sizeof call->result->reason, "%s", reason);
    (void)snprintf(call->result->hint, sizeof call->result->hint, "%s", hint);
}

static void
probe_judge_info(struct probe_call *call, const struct http_answer *answer)
{
    const struct verdict verdict = verdict_of_info(answer, call->result->version);

    if (verdict.action == VERDICT_GO_ON) {
        call->result->harp_ok = true;
        call->step = PROBE_PING_DUE;
    } else {
        probe_fail(call, verdict.reason, verdict.hint);
    }
}

static void
probe_judge_ping(struct probe_call *call, const struct http_answer *answer)
{
    char text[200];

    if (answer->transport != HTTP_ANSWERED) {
        const struct verdict verdict = verdict_of_removal(answer);

        probe_fail(call, verdict.reason, verdict.hint);
    } else if (answer->status == 401) {
        call->result->harp_ok = false;
        probe_fail(call, "HaRP refused the shared key (401)",
                   "compare shared_key_file with HP_SHARED_KEY of that HaRP");
    } else if (answer->status == 503 || answer->status == 502 || answer->status == 504) {
        (void)snprintf(text, sizeof text,
                       "no Docker Engine answers behind docker-engine-port %d (HTTP %ld)",
                       call->daemon->engine_port, answer->status);
        probe_fail(call, text,
                   "is the engine's tunnel (FRP client) up, and is docker_engine_port the daemon's "
                   "docker_socket_port in Nextcloud?");
    } else if (answer->status != 200 || strncmp(answer->body, "OK", 2) != 0) {
        (void)snprintf(text, sizeof text, "Docker's ping was answered by something else (HTTP %ld)",
                       answer->status);
        probe_fail(call, text, "does url lead to HaRP, and docker_engine_port to Docker?");
    } else {
        call->result->docker_ok = true;
        call->step = PROBE_DONE;
    }
}

static void
probe_answered(void *context, void *user, const struct http_answer *answer)
{
    struct probe_call *call = user;

    (void)context;
    if (answer->transport == HTTP_ABORTED) {
        probe_fail(call, "not asked to the end: interrupted", "");
    } else if (answer->transport == HTTP_LATE) {
        call->step = call->step == PROBE_INFO ? PROBE_WAITS : PROBE_PING_DUE;
    } else if (call->step == PROBE_INFO) {
        probe_judge_info(call, answer);
    } else {
        probe_judge_ping(call, answer);
    }
}

/* Begins the next request of each daemon for which there is a free place. */
static bool
probe_begin(struct probe *probe)
{
    bool working = false;

    for (size_t i = 0; i < probe->count; i++) {
        struct probe_call *call = &probe->calls[i];
        struct err err;
        bool begun = true;

        working = working || call->step != PROBE_DONE;
        if (http_active(probe->http) >= PROBE_PARALLEL) {
            continue;
        }
        if (call->step == PROBE_WAITS) {
            call->step = PROBE_INFO;
            begun = gateway_begin_info(probe->http, call->daemon, &probe->limits, call, &err);
        } else if (call->step == PROBE_PING_DUE) {
            call->step = PROBE_PING;
            begun = gateway_begin_ping(probe->http, call->daemon, &probe->limits, call, &err);
        }
        if (!begun) {
            probe_fail(call, err.text, err.hint);
        }
    }
    return working;
}

bool
probe_daemons(const struct roster *roster, const struct conf *conf,
              struct probe_result *ret_results, struct err *err)
{
    struct probe probe = {.count = roster_count(roster), .limits = gateway_limits_of(conf)};
    bool done = true;

    memset(ret_results, 0, probe.count * sizeof *ret_results);
    if (probe.count == 0) {
        return true;
    }
    if (!http_open(PROBE_PARALLEL, probe_answered, &probe, &probe.http, err)) {
        return false;
    }
    probe.calls = mem_alloc(probe.count, sizeof *probe.calls);
    for (size_t i = 0; i < probe.count; i++) {
        const struct roster_daemon *daemon = roster_at(roster, i);

        probe.calls[i].daemon = &daemon->conf;
        probe.calls[i].result = &ret_results[i];
        if (daemon->problem != NULL) {
            probe_fail(&probe.calls[i], daemon->problem, "");
        }
    }
    while (done && sig_stops() == 0 && probe_begin(&probe)) {
        done = http_wait(probe.http, -1, false, PROBE_WAIT_MS, err);
    }
    http_abort_all(probe.http);
    for (size_t i = 0; i < probe.count; i++) {
        if (probe.calls[i].step != PROBE_DONE) {
            probe_fail(&probe.calls[i], "not asked to the end: interrupted", "");
        }
    }
    http_close(probe.http);
    mem_free(probe.calls);
    return done;
}
