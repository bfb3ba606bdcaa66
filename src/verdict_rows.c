#include "verdict_rows.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void verdict_say(struct verdict *verdict, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void
verdict_say(struct verdict *verdict, const char *format, va_list args)
{
    (void)vsnprintf(verdict->reason, sizeof verdict->reason, format, args);
    /* Words of libcurl's, tags of Docker's: they end up in a database and on a terminal. */
    for (char *c = verdict->reason; *c != '\0'; c++) {
        if (*c < 0x20 || *c > 0x7e) {
            *c = '?';
        }
    }
}

struct verdict
verdict_make(enum verdict_action action, const char *format, ...)
{
    struct verdict verdict = {.action = action};
    va_list args;

    va_start(args, format);
    verdict_say(&verdict, format, args);
    va_end(args);
    return verdict;
}

struct verdict
verdict_make_stop(enum verdict_stop stop, const char *hint, const char *format, ...)
{
    struct verdict verdict = {.action = VERDICT_STOP, .stop = stop};
    va_list args;

    va_start(args, format);
    verdict_say(&verdict, format, args);
    va_end(args);
    (void)snprintf(verdict.hint, sizeof verdict.hint, "%s", hint);
    return verdict;
}

struct verdict
verdict_make_done(enum verdict_state state, const char *format, ...)
{
    struct verdict verdict = {.action = VERDICT_DONE, .state = state};
    va_list args;

    va_start(args, format);
    verdict_say(&verdict, format, args);
    va_end(args);
    return verdict;
}

static bool
verdict_is_type(const char *content_type, const char *type)
{
    for (; *type != '\0'; content_type++, type++) {
        char c = *content_type;

        if ((c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c) != *type) {
            return false;
        }
    }
    return *content_type == '\0' || strchr("; \t", *content_type) != NULL;
}

enum verdict_body
verdict_body_of(const struct http_answer *answer)
{
    if (verdict_is_type(answer->content_type, "application/json")) {
        return VERDICT_BODY_JSON;
    }
    if (verdict_is_type(answer->content_type, "text/plain")) {
        return VERDICT_BODY_TEXT;
    }
    if (verdict_is_type(answer->content_type, "text/html")) {
        return VERDICT_BODY_HTML;
    }
    return VERDICT_BODY_ANY;
}

size_t
verdict_trimmed_length(const struct http_answer *answer)
{
    size_t length = answer->length;

    while (length > 0 && (answer->body[length - 1] == ' ' || answer->body[length - 1] == '\t' ||
                          answer->body[length - 1] == '\r' || answer->body[length - 1] == '\n')) {
        length--;
    }
    return length;
}

#define HINT_PROXY \
    "does the proxy in front pass /exapps/ on to HaRP, unchanged? \"harpsweep check\" asks again"
#define HINT_KEY                                                                                   \
    "compare the key in shared_key_file with HP_SHARED_KEY of the HaRP container; ten wrong keys " \
    "in 300 s and HaRP bans this address"
#define HINT_ENGINE \
    "is Docker running, is its tunnel to HaRP up, and is docker_engine_port the daemon's?"
#define HINT_PORT "set docker_engine_port as in the daemon's settings in Nextcloud (usually 24000)"
#define HINT_OLD "update HaRP to 0.4.1 or later"
#define HINT_AGENT "look at the HaRP container: its agent does not answer; restarting it helps"
#define HINT_FRONT "look at the proxy in front of HaRP, and at HaRP itself"
#define HINT_URL "is url that of the daemon, and is HaRP running there?"

enum verdict_match { MATCH_ANY, MATCH_EXACT, MATCH_PREFIX, MATCH_PART };

/* One row of the tables in harp-protocol.md; the first one that fits counts. */
struct verdict_row {
    long first; /* statuses */
    long last;
    enum verdict_body body;
    enum verdict_match match; /* of `text` in the body */
    const char *text;
    int questions; /* enum verdict_question, added up; 0: all */
    enum verdict_action action;
    enum verdict_stop stop;
    bool two_stop;
    int64_t min_delay_s;
    const char *reason;
    const char *hint;
};

#define ALL 0
#define TEXT VERDICT_BODY_TEXT
#define HTML VERDICT_BODY_HTML
#define JSON VERDICT_BODY_JSON
#define STOP(why) VERDICT_STOP, VERDICT_STOP_##why, false, 0
#define FAIL VERDICT_FAIL, VERDICT_STOP_NONE, false, 0
#define RETRY VERDICT_RETRY, VERDICT_STOP_NONE, false, 0
#define RETRY_IN(seconds) VERDICT_RETRY, VERDICT_STOP_NONE, false, (seconds)
#define RETRY_TWICE VERDICT_RETRY, VERDICT_STOP_NONE, true, 0

/* clang-format off */
static const struct verdict_row verdict_rows[] = {
    {302, 302, VERDICT_BODY_ANY, MATCH_ANY, "", ALL, STOP(NOT_HARP),
     "a redirect: something else answers in HaRP's place", HINT_PROXY},
    {300, 399, VERDICT_BODY_ANY, MATCH_ANY, "", ALL, STOP(CONFIGURATION),
     "a redirect, which is not followed", "put the address that it leads to into url"},

    {400, 400, TEXT, MATCH_PREFIX, "Missing 'docker-engine-port' header", ALL, STOP(CONFIGURATION),
     "HaRP was not told the engine's port", HINT_PORT},
    {400, 400, TEXT, MATCH_PREFIX, "Invalid 'docker-engine-port' header value", ALL,
     STOP(CONFIGURATION), "HaRP does not take the engine's port", HINT_PORT},
    {400, 400, TEXT, MATCH_EXACT, "Invalid JSON body", VERDICT_ASK_REMOVAL, FAIL,
     "HaRP can't read the request for this image", ""},
    {400, 400, TEXT, MATCH_PREFIX, "Payload validation error:", VERDICT_ASK_REMOVAL, FAIL,
     "HaRP refuses the image reference", ""},
    {400, 400, VERDICT_BODY_ANY, MATCH_ANY, "", ALL, STOP(CONFIGURATION),
     "the request was refused on its way",
     "is url https where the port speaks TLS, and http where it does not?"},

    {401, 401, TEXT, MATCH_EXACT, "401 Unauthorized", ALL, STOP(UNAUTHORIZED),
     "HaRP refuses the shared key", HINT_KEY},
    {401, 401, VERDICT_BODY_ANY, MATCH_ANY, "", ALL, STOP(UNAUTHORIZED),
     "something in front of HaRP wants a login, or the shared key is wrong", HINT_KEY},

    {403, 403, HTML, MATCH_PART, "administrative rules", ALL, STOP(TOO_OLD),
     "refused by a proxy's rules: HaRP before 0.2, or a firewall", HINT_OLD},
    {403, 403, JSON, MATCH_ANY, "", VERDICT_ASK_INSPECT, STOP(FORBIDDEN),
     "Docker forbids looking at images",
     "Docker's authorization plugin or socket proxy must allow GET and DELETE on images"},
    {403, 403, VERDICT_BODY_ANY, MATCH_ANY, "", ALL, STOP(CONFIGURATION),
     "something in front of HaRP forbids the request",
     "let this host through the firewall or proxy in front of HaRP"},

    {404, 404, TEXT, MATCH_EXACT, "404: Not Found", ALL, STOP(TOO_OLD),
     "this HaRP does not know the request: it is older than 0.4.1", HINT_OLD},
    {404, 404, TEXT, MATCH_EXACT, "404 Not Found", ALL, STOP(CONFIGURATION),
     "HaRP knows no such route: a proxy in front seems to strip /exapps/", HINT_PROXY},
    {404, 404, VERDICT_BODY_ANY, MATCH_ANY, "", ALL, STOP(NOT_HARP),
     "something else answers in HaRP's place", HINT_PROXY},

    {400, 499, VERDICT_BODY_ANY, MATCH_ANY, "", ALL, STOP(CONFIGURATION),
     "a proxy in front of HaRP does not let the request through", HINT_PROXY},

    {500, 500, TEXT, MATCH_EXACT, "An unexpected error occurred during image removal.",
     VERDICT_ASK_REMOVAL, RETRY_TWICE, "Docker closed the connection to HaRP", HINT_ENGINE},
    {500, 500, JSON, MATCH_ANY, "", VERDICT_ASK_INSPECT, RETRY,
     "Docker has trouble with this image", ""},

    {503, 503, TEXT, MATCH_PREFIX, "Could not connect to Docker Engine on port", ALL, STOP(DOWN),
     "HaRP can't reach the Docker Engine", HINT_ENGINE},
    {503, 503, TEXT, MATCH_EXACT, "503 Service Unavailable (HaRP)", ALL, STOP(DOWN),
     "HaRP's agent does not answer HAProxy", HINT_AGENT},
    {503, 503, HTML, MATCH_PART, "No server is available", VERDICT_ASK_INSPECT, STOP(DOWN),
     "HaRP can't reach the Docker Engine", HINT_ENGINE},
    {503, 503, HTML, MATCH_PART, "No server is available", ALL, STOP(DOWN),
     "HaRP's agent is down", HINT_AGENT},

    /* Docker usually goes on and finishes: the next attempt then finds nothing. */
    {504, 504, TEXT, MATCH_PREFIX, "Timeout communicating with Docker Engine", ALL, RETRY_IN(300),
     "Docker did not answer HaRP in time", HINT_ENGINE},

    {500, 599, VERDICT_BODY_ANY, MATCH_ANY, "", ALL, RETRY_TWICE,
     "HaRP or the proxy in front has trouble", HINT_FRONT},

    {0, 999, VERDICT_BODY_ANY, MATCH_ANY, "", ALL, STOP(NOT_HARP),
     "something else answers in HaRP's place", HINT_PROXY},
};
/* clang-format on */

static bool
verdict_matches(const struct http_answer *answer, const struct verdict_row *row)
{
    size_t size = strlen(row->text);
    size_t length = verdict_trimmed_length(answer);

    switch (row->match) {
    case MATCH_EXACT:
        return length == size && memcmp(answer->body, row->text, size) == 0;
    case MATCH_PREFIX:
        return length >= size && memcmp(answer->body, row->text, size) == 0;
    case MATCH_PART:
        return strstr(answer->body, row->text) != NULL;
    case MATCH_ANY:
        break;
    }
    return true;
}

/* What kind of body it is, in our words: a stranger's may repeat the key. */
static const char *
verdict_type_name(const struct http_answer *answer)
{
    switch (verdict_body_of(answer)) {
    case VERDICT_BODY_JSON:
        return "application/json";
    case VERDICT_BODY_TEXT:
        return "text/plain";
    case VERDICT_BODY_HTML:
        return "text/html";
    case VERDICT_BODY_ANY:
        break;
    }
    return answer->content_type[0] == '\0' ? "no content type" : "another content type";
}

/* The status and, where the body is not one that is known, its kind and size: the body of a
 * stranger may repeat the request, key included, and is never quoted. */
static void
verdict_describe(const struct http_answer *answer, bool with_body, char *text, size_t size)
{
    if (with_body) {
        (void)snprintf(text, size, "HTTP %ld, %s, %zu bytes", answer->status,
                       verdict_type_name(answer), answer->length);
    } else {
        (void)snprintf(text, size, "HTTP %ld", answer->status);
    }
}

static struct verdict
verdict_of_status(const struct http_answer *answer, enum verdict_question question)
{
    const struct verdict_row *row = verdict_rows;
    char what[96];
    struct verdict verdict;

    /* The last row fits everything. */
    while (row != &verdict_rows[sizeof verdict_rows / sizeof verdict_rows[0] - 1] &&
           (answer->status < row->first || answer->status > row->last ||
            (row->body != VERDICT_BODY_ANY && row->body != verdict_body_of(answer)) ||
            (row->questions != ALL && (row->questions & (int)question) == 0) ||
            !verdict_matches(answer, row))) {
        row++;
    }
    verdict_describe(answer, row->match == MATCH_ANY, what, sizeof what);
    verdict = verdict_make(row->action, "%s (%s)", row->reason, what);
    verdict.stop = row->stop;
    verdict.two_stop = row->two_stop;
    verdict.min_delay_s = row->min_delay_s;
    (void)snprintf(verdict.hint, sizeof verdict.hint, "%s", row->hint);
    return verdict;
}

struct verdict
verdict_of_stranger(const struct http_answer *answer)
{
    char what[96];

    verdict_describe(answer, true, what, sizeof what);
    return verdict_make_stop(VERDICT_STOP_NOT_HARP, HINT_PROXY,
                             "the answer is not one that HaRP gives (%s)", what);
}

static struct verdict
verdict_of_silence(const struct http_answer *answer)
{
    static const char hint[] = "HaRP bans an address for 300 s after ten wrong keys: see that no "
                               "client of this address sends one; else look at the HaRP "
                               "container, its agent may be stalled";

    if (answer->transport == HTTP_SILENT) {
        return verdict_make_stop(VERDICT_STOP_SILENT, hint,
                                 "connected, and then HaRP said nothing for %.1f s",
                                 (double)answer->duration_ms / 1000.0);
    }
    return verdict_make_stop(VERDICT_STOP_SILENT, hint,
                             "HaRP closed the connection without a word: %.200s", answer->detail);
}

struct verdict
verdict_of_rest(const struct http_answer *answer, enum verdict_question question)
{
    struct verdict verdict;

    switch (answer->transport) {
    case HTTP_ANSWERED:
        break;
    case HTTP_NOT_CONNECTED:
        return verdict_make_stop(VERDICT_STOP_DOWN, HINT_URL, "no connection to HaRP: %.200s",
                                 answer->detail);
    case HTTP_NOT_RESOLVED:
        return verdict_make_stop(VERDICT_STOP_DOWN, HINT_URL, "HaRP's host has no address: %.200s",
                                 answer->detail);
    case HTTP_TLS_FAILED:
        return verdict_make_stop(VERDICT_STOP_TLS,
                                 "ca_file must hold the certificate that signed HaRP's, and the "
                                 "host in url must be one that HaRP's is for",
                                 "no trusted TLS connection: %.200s", answer->detail);
    case HTTP_SILENT:
    case HTTP_CLOSED:
        return verdict_of_silence(answer);
    case HTTP_CUT:
        verdict = verdict_make(VERDICT_RETRY, "the answer broke off: %.200s", answer->detail);
        verdict.two_stop = true;
        (void)snprintf(verdict.hint, sizeof verdict.hint, "%s", HINT_FRONT);
        return verdict;
    case HTTP_TOO_LARGE:
        return verdict_make_stop(VERDICT_STOP_NOT_HARP, HINT_PROXY,
                                 "the answer is larger than any of HaRP's");
    case HTTP_NOT_HTTP:
        return verdict_make_stop(VERDICT_STOP_NOT_HARP,
                                 "is url https where the port speaks TLS, and is it HaRP's port?",
                                 "the answer is not HTTP: %.200s", answer->detail);
    case HTTP_ABORTED:
    case HTTP_LATE:
        return verdict_make_stop(VERDICT_STOP_NONE, "", "the request was ended by harpsweep");
    case HTTP_FAILED:
        return verdict_make_stop(VERDICT_STOP_DOWN, HINT_URL, "the request failed: %.200s",
                                 answer->detail);
    }
    return verdict_of_status(answer, question);
}
