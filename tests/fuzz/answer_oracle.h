/*
 * What an answer of HaRP's or Docker's means, a second time: written from the tables of HaRP's
 * protocol, over another reader of JSON, to be compared with what verdict*.c makes of it.
 */
#ifndef HARPSWEEP_FUZZ_ANSWER_ORACLE_H
#define HARPSWEEP_FUZZ_ANSWER_ORACLE_H

#include "json_oracle.h"
#include "verdict.h"

#include <strings.h>
#include <time.h>

/* The key that goes with every request: answers may repeat it, verdicts may not. */
#define ORACLE_KEY "fuzz-shared-key-9f2c"

#define ORACLE_HEX_ONE "580c10577f0ad110f8eaa64cfffbd524b0103397d8695a7804b2aa435d27dab5"
#define ORACLE_HEX_TWO "6a40c4a209e41c7abb20ae1f5ae8bcf869770bf73f59ae931fa2981fd63a7008"

/* Larger than any image. */
#define ORACLE_BYTES_MAX (INT64_C(1) << 43)

static struct json_oracle oracle_json;

static inline bool
oracle_is_type(const struct http_answer *answer, const char *type)
{
    size_t length = strlen(type);
    char after;

    if (strncasecmp(answer->content_type, type, length) != 0) {
        return false;
    }
    after = answer->content_type[length];
    return after == '\0' || after == ';' || after == ' ' || after == '\t';
}

static inline bool
oracle_is_json(const struct http_answer *answer)
{
    return oracle_is_type(answer, "application/json");
}

/* Whether text is an ID, and of that image; hex NULL: of any. */
static inline bool
oracle_is_id(const char *text, const char *hex)
{
    return strlen(text) == 71 && strncmp(text, "sha256:", 7) == 0 &&
           strspn(text + 7, "0123456789abcdef") == 64 &&
           (hex == NULL || strcmp(text + 7, hex) == 0);
}

static inline void
oracle_check_words(const char *text, size_t size)
{
    FUZZ_CHECK(memchr(text, '\0', size) != NULL, "no end");
    for (const char *c = text; *c != '\0'; c++) {
        FUZZ_CHECK(*c >= 0x20 && *c < 0x7f, "byte 0x%02x in \"%s\"", (unsigned)(unsigned char)*c,
                   text);
    }
}

/* The one name that a verdict quotes: the first tag of the recorded image, where it is a valid one.
 * Docker itself, and nobody who merely repeats a request, could hide the key in it. */
static inline bool
oracle_quotes_a_tag(const struct verdict *verdict)
{
    return verdict->action == VERDICT_WAIT &&
           strncmp(verdict->reason, "the recorded image is still named ", 34) == 0;
}

/* What holds for every verdict. */
static inline void
oracle_check_any(const struct http_answer *answer, const struct verdict *verdict)
{
    oracle_check_words(verdict->reason, sizeof verdict->reason);
    oracle_check_words(verdict->hint, sizeof verdict->hint);
    FUZZ_CHECK(strstr(verdict->hint, ORACLE_KEY) == NULL, "%s", verdict->hint);
    FUZZ_CHECK(strstr(verdict->reason, ORACLE_KEY) == NULL || oracle_quotes_a_tag(verdict) ||
                   strstr(answer->detail, ORACLE_KEY) != NULL,
               "%s", verdict->reason);
    /* What harpsweep itself ended is nobody's fault. */
    FUZZ_CHECK((verdict->action == VERDICT_STOP) ==
                   (verdict->stop != VERDICT_STOP_NONE || answer->transport == HTTP_ABORTED ||
                    answer->transport == HTTP_LATE),
               "action %d, stop %d", (int)verdict->action, (int)verdict->stop);
    FUZZ_CHECK((verdict->action == VERDICT_DONE) == (verdict->state != VERDICT_NONE),
               "action %d, state %d", (int)verdict->action, (int)verdict->state);
    FUZZ_CHECK((verdict->bytes_freed > 0) == (verdict->state == VERDICT_REMOVED) &&
                   verdict->bytes_freed >= 0 && verdict->bytes_freed <= ORACLE_BYTES_MAX,
               "state %d, %lld bytes", (int)verdict->state, (long long)verdict->bytes_freed);
    FUZZ_CHECK((!verdict->two_stop && verdict->min_delay_s == 0) ||
                   verdict->action == VERDICT_RETRY,
               "action %d with a delay", (int)verdict->action);
    FUZZ_CHECK(verdict->image_id[0] == '\0' || oracle_is_id(verdict->image_id, NULL), "image %s",
               verdict->image_id);
    FUZZ_CHECK(verdict->image_size >= 0 && verdict->image_size <= ORACLE_BYTES_MAX, "%lld bytes",
               (long long)verdict->image_size);
    FUZZ_CHECK(verdict->reason[0] != '\0' || verdict->action == VERDICT_GO_ON ||
                   verdict->state == VERDICT_REMOVED,
               "action %d without a reason", (int)verdict->action);
}

/* What is no answer, and what is one of somebody else's, whatever was asked. */
static inline void
oracle_check_rest(const struct http_answer *answer, const struct verdict *verdict)
{
    const enum verdict_action action = verdict->action;
    long status = answer->transport == HTTP_ANSWERED ? answer->status : 0;

    switch (answer->transport) {
    case HTTP_SILENT:
    case HTTP_CLOSED:
        FUZZ_CHECK(verdict->stop == VERDICT_STOP_SILENT, "stop %d", (int)verdict->stop);
        return;
    case HTTP_NOT_CONNECTED:
    case HTTP_NOT_RESOLVED:
    case HTTP_FAILED:
        FUZZ_CHECK(verdict->stop == VERDICT_STOP_DOWN, "stop %d", (int)verdict->stop);
        return;
    case HTTP_TLS_FAILED:
        FUZZ_CHECK(verdict->stop == VERDICT_STOP_TLS, "stop %d", (int)verdict->stop);
        return;
    case HTTP_CUT:
        FUZZ_CHECK(action == VERDICT_RETRY && verdict->two_stop, "action %d", (int)action);
        return;
    case HTTP_NOT_HTTP:
        FUZZ_CHECK(verdict->stop == VERDICT_STOP_NOT_HARP, "stop %d", (int)verdict->stop);
        return;
    case HTTP_TOO_LARGE:
        FUZZ_CHECK(verdict->stop == VERDICT_STOP_NOT_HARP || action == VERDICT_RETRY, "action %d",
                   (int)action);
        return;
    case HTTP_ABORTED:
    case HTTP_LATE:
        FUZZ_CHECK(action == VERDICT_STOP && verdict->stop == VERDICT_STOP_NONE, "action %d",
                   (int)action);
        return;
    case HTTP_ANSWERED:
        break;
    }
    if (status == 401) {
        FUZZ_CHECK(verdict->stop == VERDICT_STOP_UNAUTHORIZED, "stop %d", (int)verdict->stop);
    } else if (status == 400) {
        FUZZ_CHECK(action == VERDICT_STOP || action == VERDICT_FAIL, "action %d", (int)action);
    } else if (status == 503) {
        FUZZ_CHECK(action == VERDICT_STOP || action == VERDICT_FAIL || action == VERDICT_RETRY,
                   "action %d", (int)action);
    } else if (status >= 500 && status <= 599) {
        FUZZ_CHECK(action == VERDICT_RETRY, "action %d", (int)action);
        FUZZ_CHECK((status == 504) || verdict->min_delay_s == 0, "status %ld", status);
    } else {
        FUZZ_CHECK(action == VERDICT_STOP, "action %d", (int)action);
    }
}

/* The answer looks like one and says nothing that HaRP says. */
static inline void
oracle_check_stranger(const struct verdict *verdict)
{
    FUZZ_CHECK(verdict->stop == VERDICT_STOP_NOT_HARP, "action %d, stop %d", (int)verdict->action,
               (int)verdict->stop);
}

/* The whole table of an image_remove that was answered with 200, as (action, state, bytes). */
static inline void
oracle_removal(const struct http_answer *answer, struct verdict *ret_want)
{
    struct json_oracle *json = &oracle_json;
    size_t root = json_oracle_read(json, answer->body, answer->length);
    size_t deleted = json_oracle_member(json, root, "deleted");
    size_t bytes = json_oracle_member(json, root, "bytes_freed");
    size_t reason = json_oracle_member(json, root, "reason");
    int64_t freed = bytes == 0 ? 0 : json->nodes[bytes].integer;
    const char *why = reason == 0 ? "" : json_oracle_text(json, reason);

    *ret_want = (struct verdict){.action = VERDICT_STOP};
    if (root == 0 || (reason != 0 && !json_oracle_is(json, reason, ORACLE_STRING)) ||
        (bytes != 0 && !json_oracle_is(json, bytes, ORACLE_INTEGER)) || freed < 0 ||
        freed > ORACLE_BYTES_MAX) {
        return;
    }
    if (json_oracle_is(json, deleted, ORACLE_FALSE) && strcmp(why, "in_use") == 0 && freed == 0) {
        ret_want->action = VERDICT_WAIT;
    }
    if (!json_oracle_is(json, deleted, ORACLE_TRUE) || bytes == 0) {
        return;
    }
    if (reason == 0) {
        ret_want->action = VERDICT_DONE;
        ret_want->state = freed > 0 ? VERDICT_REMOVED : VERDICT_UNTAGGED;
        ret_want->bytes_freed = freed;
    } else if (strcmp(why, "not_found") == 0 && freed == 0) {
        ret_want->action = VERDICT_DONE;
        ret_want->state = VERDICT_ABSENT;
    }
}

static inline void
oracle_check_removal(const struct http_answer *answer, const struct verdict *verdict)
{
    struct verdict want;

    oracle_check_any(answer, verdict);
    if (answer->transport != HTTP_ANSWERED || answer->status != 200) {
        FUZZ_CHECK(verdict->action != VERDICT_FAIL || oracle_is_type(answer, "text/plain"),
                   "a failure without HaRP's text");
        oracle_check_rest(answer, verdict);
        return;
    }
    if (!oracle_is_json(answer)) {
        oracle_check_stranger(verdict);
        return;
    }
    oracle_removal(answer, &want);
    FUZZ_CHECK(verdict->action == want.action && verdict->state == want.state &&
                   verdict->bytes_freed == want.bytes_freed,
               "action %d, state %d, %lld bytes; the oracle says %d, %d, %lld",
               (int)verdict->action, (int)verdict->state, (long long)verdict->bytes_freed,
               (int)want.action, (int)want.state, (long long)want.bytes_freed);
    if (want.action == VERDICT_STOP) {
        oracle_check_stranger(verdict);
    }
}

/* Whether a version is 0.4.1 or later; a number says 0.4 for it. */
static inline bool
oracle_is_new_enough(size_t version)
{
    const struct json_oracle *json = &oracle_json;
    unsigned long parts[3] = {0, 0, 0};
    const char *text;

    if (json_oracle_is(json, version, ORACLE_INTEGER) ||
        json_oracle_is(json, version, ORACLE_REAL)) {
        return json->nodes[version].real >= 0.4;
    }
    if (!json_oracle_is(json, version, ORACLE_STRING)) {
        return false;
    }
    text = json_oracle_text(json, version);
    for (int i = 0; i < 3 && *text >= '0' && *text <= '9'; i++) {
        char *end;

        parts[i] = strtoul(text, &end, 10);
        text = *end == '.' ? end + 1 : "";
    }
    return parts[0] * UINT64_C(1000000000000) + parts[1] * UINT64_C(1000000) + parts[2] >= 4000001;
}

static inline void
oracle_check_info(const struct http_answer *answer, const struct verdict *verdict,
                  const char *version)
{
    struct json_oracle *json = &oracle_json;
    size_t root;
    size_t docker;

    oracle_check_any(answer, verdict);
    oracle_check_words(version, 32);
    FUZZ_CHECK(strcspn(version, " \"'\\;") == strlen(version), "version \"%s\"", version);
    if (answer->transport != HTTP_ANSWERED || answer->status != 200) {
        FUZZ_CHECK(verdict->action == VERDICT_STOP ||
                       (verdict->action == VERDICT_RETRY &&
                        (verdict->two_stop || verdict->min_delay_s > 0)),
                   "action %d", (int)verdict->action);
        oracle_check_rest(answer, verdict);
        return;
    }
    FUZZ_CHECK(verdict->action == VERDICT_GO_ON || verdict->action == VERDICT_STOP, "action %d",
               (int)verdict->action);
    if (verdict->action != VERDICT_GO_ON) {
        return;
    }
    root = json_oracle_read(json, answer->body, answer->length);
    docker = json_oracle_member(json, root, "docker");
    FUZZ_CHECK(oracle_is_json(answer) && root != 0, "not JSON");
    FUZZ_CHECK(docker == 0 || json_oracle_is(json, docker, ORACLE_TRUE), "no Docker");
    FUZZ_CHECK(oracle_is_new_enough(json_oracle_member(json, root, "version")), "too old: %s",
               version);
}

/* How many names an array has, those of old engines that mean none left out. -1: not an array. */
static inline int
oracle_names(size_t array)
{
    const struct json_oracle *json = &oracle_json;
    int count = 0;

    if (array == 0 || json_oracle_is(json, array, ORACLE_NULL)) {
        return 0;
    }
    if (!json_oracle_is(json, array, ORACLE_ARRAY)) {
        return -1;
    }
    for (size_t name = json->nodes[array].first; name != 0; name = json->nodes[name].next) {
        if (!json_oracle_is(json, name, ORACLE_STRING)) {
            return -1;
        }
        count += strncmp(json_oracle_text(json, name), "<none>", 6) != 0;
    }
    return count;
}

/* Whether the image had its tag set after the event; with libc's calendar. Only for what is a time
 * by RFC 3339: `ret_is_time` tells. */
static inline bool
oracle_is_late(const char *text, int64_t orphaned_at_ms, bool *ret_is_time)
{
    struct tm parts = {.tm_mday = 1};
    int64_t fraction = 0;
    int64_t unit = 100;
    int hours = 0;
    int minutes = 0;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);

    *ret_is_time = rest != NULL;
    if (rest == NULL || parts.tm_year + 1900 <= 1) {
        return false;
    }
    if (*rest == '.') {
        for (rest++; *rest >= '0' && *rest <= '9'; rest++) {
            fraction += (*rest - '0') * unit;
            unit /= 10;
        }
    }
    if (*rest == '+' || *rest == '-') {
        FUZZ_CHECK(sscanf(rest + 1, "%2d:%2d", &hours, &minutes) == 2, "zone %s", rest);
        minutes += 60 * hours;
        minutes = *rest == '-' ? -minutes : minutes;
    }
    return ((int64_t)timegm(&parts) - (int64_t)minutes * 60) * 1000 + fraction > orphaned_at_ms;
}

/* Everything that must be so before anything is deleted. */
static inline void
oracle_check_target(const struct verdict_job *job, enum verdict_target target, size_t root)
{
    const struct json_oracle *json = &oracle_json;
    size_t id = json_oracle_member(json, root, "Id");
    size_t tagged =
        json_oracle_member(json, json_oracle_member(json, root, "Metadata"), "LastTagTime");
    const char *text = id == 0 ? "" : json_oracle_text(json, id);
    int tags = oracle_names(json_oracle_member(json, root, "RepoTags"));
    int digests = oracle_names(json_oracle_member(json, root, "RepoDigests"));
    const char *ref_hex = strncmp(job->image_ref, "sha256:", 7) == 0 ? job->image_ref + 7
                          : strlen(job->image_ref) == 64             ? job->image_ref
                                                                     : NULL;

    FUZZ_CHECK(json_oracle_is(json, id, ORACLE_STRING) && oracle_is_id(text, NULL), "no ID");
    FUZZ_CHECK(tags >= 0 && digests >= 0, "names of another type");
    /* A recorded image is the only one that may go. */
    FUZZ_CHECK(job->image_id == NULL || strcmp(text, job->image_id) == 0, "another image: %s",
               text);
    FUZZ_CHECK(job->by_id || ref_hex == NULL || strcmp(text + 7, ref_hex) == 0,
               "another image than the one asked for: %s", text);
    FUZZ_CHECK(target == (job->by_id ? VERDICT_TARGET_ID : VERDICT_TARGET_REF), "target %d",
               (int)target);
    /* By its ID only what has no name left: it may be another app's. */
    FUZZ_CHECK(target == VERDICT_TARGET_REF || (tags == 0 && job->image_id != NULL), "%d names",
               tags);
    FUZZ_CHECK(!job->protect_unpullable || job->explicit_now || digests > 0, "loaded by hand");
    if (tagged != 0 && !json_oracle_is(json, tagged, ORACLE_NULL)) {
        bool is_time = false;

        FUZZ_CHECK(json_oracle_is(json, tagged, ORACLE_STRING), "a time of another type");
        FUZZ_CHECK(!oracle_is_late(json_oracle_text(json, tagged), job->orphaned_at_ms, &is_time),
                   "tagged again at %s", json_oracle_text(json, tagged));
        FUZZ_CHECK(is_time, "no time: %s", json_oracle_text(json, tagged));
    }
}

/* Docker's own word that there is no such image. */
static inline bool
oracle_is_no_such_image(const struct http_answer *answer)
{
    const struct json_oracle *json = &oracle_json;
    size_t root = json_oracle_read(&oracle_json, answer->body, answer->length);
    size_t message = json_oracle_member(json, root, "message");

    return answer->transport == HTTP_ANSWERED && answer->status == 404 && oracle_is_json(answer) &&
           json_oracle_is(json, message, ORACLE_STRING) &&
           strcasestr(json_oracle_text(json, message), "no such image") != NULL;
}

/* The guard against a tag that moved on, the other way round: it stops nothing else. */
static inline void
oracle_check_late_tag(const struct http_answer *answer, const struct verdict_job *job)
{
    struct json_oracle *json = &oracle_json;
    size_t root = json_oracle_read(json, answer->body, answer->length);
    size_t tagged =
        json_oracle_member(json, json_oracle_member(json, root, "Metadata"), "LastTagTime");
    bool is_time = false;

    FUZZ_CHECK(json_oracle_is(json, tagged, ORACLE_STRING) &&
                   oracle_is_late(json_oracle_text(json, tagged), job->orphaned_at_ms, &is_time),
               "it was not tagged again");
}

static inline void
oracle_check_inspect(const struct http_answer *answer, const struct verdict_job *job,
                     const struct verdict *verdict, enum verdict_target target)
{
    bool found = answer->transport == HTTP_ANSWERED && answer->status == 200;

    oracle_check_any(answer, verdict);
    FUZZ_CHECK(verdict->state == VERDICT_NONE || verdict->state == VERDICT_ABSENT, "state %d",
               (int)verdict->state);
    if (verdict->state == VERDICT_ABSENT) {
        FUZZ_CHECK(oracle_is_no_such_image(answer), "HTTP %ld", answer->status);
        return;
    }
    if (verdict->action == VERDICT_GO_ON && target == VERDICT_TARGET_INSPECT_ID) {
        FUZZ_CHECK(job->image_id != NULL && !job->by_id, "there is no other ID");
        FUZZ_CHECK(found || oracle_is_no_such_image(answer), "HTTP %ld", answer->status);
        return;
    }
    if (verdict->action == VERDICT_GO_ON) {
        FUZZ_CHECK(found && oracle_is_json(answer), "HTTP %ld", answer->status);
        oracle_check_target(job, target,
                            json_oracle_read(&oracle_json, answer->body, answer->length));
        return;
    }
    if (strncmp(verdict->reason, "the tag was set again", 21) == 0) {
        oracle_check_late_tag(answer, job);
    }
    FUZZ_CHECK(found || (verdict->action != VERDICT_WAIT && verdict->action != VERDICT_HOLD),
               "action %d", (int)verdict->action);
    if (answer->transport == HTTP_TOO_LARGE && answer->status == 200 && oracle_is_json(answer)) {
        FUZZ_CHECK(verdict->action == VERDICT_RETRY, "action %d", (int)verdict->action);
    } else if (!found) {
        oracle_check_rest(answer, verdict);
    } else {
        FUZZ_CHECK(verdict->action == VERDICT_WAIT || verdict->action == VERDICT_HOLD ||
                       verdict->stop == VERDICT_STOP_NOT_HARP,
                   "action %d", (int)verdict->action);
    }
}

/* Which image a container was made from, or that there is none: nothing else lets the caller go on.
 */
static inline void
oracle_check_container(const struct http_answer *answer, const struct verdict *verdict,
                       const struct verdict_container *container)
{
    struct json_oracle *json = &oracle_json;
    bool answered = answer->transport == HTTP_ANSWERED && oracle_is_json(answer);
    size_t root;
    size_t id;
    size_t ref;

    oracle_check_any(answer, verdict);
    oracle_check_words(container->image_id, sizeof container->image_id);
    oracle_check_words(container->image_ref, sizeof container->image_ref);
    /* Whoever shows it makes it printable. */
    FUZZ_CHECK(memchr(container->status, '\0', sizeof container->status) != NULL &&
                   fuzz_is_utf8(container->status),
               "state %s", container->status);
    FUZZ_CHECK(verdict->action == VERDICT_GO_ON || !container->exists, "action %d",
               (int)verdict->action);
    if (verdict->action != VERDICT_GO_ON) {
        if (answer->transport != HTTP_TOO_LARGE && answer->status != 200) {
            oracle_check_rest(answer, verdict);
        }
        return;
    }
    root = json_oracle_read(json, answer->body, answer->length);
    if (!container->exists) {
        size_t message = json_oracle_member(json, root, "message");

        FUZZ_CHECK(answered && answer->status == 404 &&
                       json_oracle_is(json, message, ORACLE_STRING) &&
                       strcasestr(json_oracle_text(json, message), "no such container") != NULL,
                   "HTTP %ld", answer->status);
        return;
    }
    id = json_oracle_member(json, root, "Image");
    ref = json_oracle_member(json, json_oracle_member(json, root, "Config"), "Image");
    FUZZ_CHECK(answered && answer->status == 200, "HTTP %ld", answer->status);
    FUZZ_CHECK(json_oracle_is(json, id, ORACLE_STRING) && oracle_is_id(container->image_id, NULL) &&
                   strcmp(json_oracle_text(json, id), container->image_id) == 0,
               "another image: %s", container->image_id);
    FUZZ_CHECK(strcmp(container->image_ref, container->image_id) == 0 ||
                   (json_oracle_is(json, ref, ORACLE_STRING) &&
                    strcmp(json_oracle_text(json, ref), container->image_ref) == 0),
               "another reference: %s", container->image_ref);
}

#endif
