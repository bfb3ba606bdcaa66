/* Docker's inspect, by HaRP: what is said of the image, and the guards that need it. */
#include "verdict_case.h"

#include <stdio.h>

#define HEX_A "580c10577f0ad110f8eaa64cfffbd524b0103397d8695a7804b2aa435d27dab5"
#define HEX_B "56d9bd8e29a631d66b31669e4db868c787d83c02954375eccab000a8e326edbf"
#define ID_A "sha256:" HEX_A
#define ID_B "sha256:" HEX_B

/* 2026-11-23 03:35:53 UTC, and what engines wrote around it. */
#define EVENT INT64_C(1795404953000)
#define BEFORE "2026-11-20T00:00:00.5Z"
#define SAME "2026-11-23T03:35:53Z"
#define AFTER "2026-11-23T03:35:53.001Z"

#define IMAGE(id, tags, digests, tagged)                                          \
    ANSWER(200, DOCKER_JSON,                                                      \
           "{\"Id\":\"" id "\",\"RepoTags\":[" tags "],\"RepoDigests\":[" digests \
           "],\"Size\":3000,\"Metadata\":{\"LastTagTime\":\"" tagged "\"}}")
#define PULLED "\"app@" ID_B "\""

#define NO_SUCH_IMAGE ANSWER(404, DOCKER_JSON, "{\"message\":\"No such image: app:1\"}\n")

struct inspect_case {
    struct verdict_case all; /* first, so that its address is this one's as well */
    struct verdict_job job;
    enum verdict_target target; /* with GO_ON */
};

#define JOB(ref, id)                                                                              \
    {                                                                                             \
        .image_ref = (ref), .image_id = (id), .orphaned_at_ms = EVENT, .protect_unpullable = true \
    }
#define JOB_BY_ID(ref, id)                                                                         \
    {                                                                                              \
        .image_ref = (ref), .image_id = (id), .orphaned_at_ms = EVENT, .protect_unpullable = true, \
        .by_id = true                                                                              \
    }
#define JOB_NOW(ref)                                                             \
    {                                                                            \
        .image_ref = (ref), .orphaned_at_ms = EVENT, .protect_unpullable = true, \
        .explicit_now = true                                                     \
    }

#define HELD "image has no registry digest: it was loaded by hand and could not be pulled again"
#define COUNT (sizeof cases / sizeof cases[0])
#define COUNT_ANSWERS (sizeof answers / sizeof answers[0])

static struct inspect_case cases[] = {
    /* asked for a name */
    {{"a name, nothing recorded", IMAGE(ID_A, "\"app:1\"", PULLED, BEFORE), 0, PLAIN(GO_ON), "",
      NULL},
     JOB("app:1", NULL),
     VERDICT_TARGET_REF},
    {{"a name, the recorded image", IMAGE(ID_A, "\"app:1\"", PULLED, BEFORE), 0, PLAIN(GO_ON), "",
      NULL},
     JOB("app:1", ID_A),
     VERDICT_TARGET_REF},
    {{"a name that has moved on", IMAGE(ID_B, "\"app:1\"", PULLED, AFTER), 0, PLAIN(GO_ON), "",
      NULL},
     JOB("app:1", ID_A),
     VERDICT_TARGET_INSPECT_ID},
    {{"a name that is gone, nothing recorded", NO_SUCH_IMAGE, 0, DONE(ABSENT, 0),
      "the image was gone already", NULL},
     JOB("app:1", NULL),
     VERDICT_TARGET_REF},
    {{"a name that is gone, an image recorded", NO_SUCH_IMAGE, 0, PLAIN(GO_ON), "", NULL},
     JOB("app:1", ID_A),
     VERDICT_TARGET_INSPECT_ID},
    {{"a digest", IMAGE(ID_A, "", PULLED, BEFORE), 0, PLAIN(GO_ON), "", NULL},
     JOB("app@" ID_B, NULL),
     VERDICT_TARGET_REF},

    /* the tag was set again */
    {{"a tag set after the event", IMAGE(ID_A, "\"app:1\"", PULLED, AFTER), 0, PLAIN(WAIT),
      "the tag was set again at 2026-11-23 03:35:53 UTC, after the event at 2026-11-23 03:35:53 "
      "UTC",
      NULL},
     JOB("app:1", ID_A),
     VERDICT_TARGET_REF},
    {{"a tag set after the event, nothing recorded",
      IMAGE(ID_A, "\"app:1\"", PULLED, "2026-11-24T00:00:00+01:00"), 0, PLAIN(WAIT),
      "the tag was set again at 2026-11-23 23:00:00 UTC, after the event at 2026-11-23 03:35:53 "
      "UTC",
      NULL},
     JOB("app:1", NULL),
     VERDICT_TARGET_REF},
    {{"a tag set after the event, though a person said now",
      IMAGE(ID_A, "\"app:1\"", PULLED, AFTER), 0, PLAIN(WAIT),
      "the tag was set again at 2026-11-23 03:35:53 UTC, after the event at 2026-11-23 03:35:53 "
      "UTC",
      NULL},
     JOB_NOW("app:1"),
     VERDICT_TARGET_REF},
    {{"a tag set in the moment of the event", IMAGE(ID_A, "\"app:1\"", PULLED, SAME), 0,
      PLAIN(GO_ON), "", NULL},
     JOB("app:1", ID_A),
     VERDICT_TARGET_REF},
    {{"a tag that was never set", IMAGE(ID_A, "\"app:1\"", PULLED, "0001-01-01T00:00:00Z"), 0,
      PLAIN(GO_ON), "", NULL},
     JOB("app:1", ID_A),
     VERDICT_TARGET_REF},

    /* loaded by hand */
    {{"no digest", IMAGE(ID_A, "\"app:1\"", "", BEFORE), 0, PLAIN(HOLD), HELD,
      "protect_unpullable"},
     JOB("app:1", NULL),
     VERDICT_TARGET_REF},
    {{"no digest, protect_unpullable = no", IMAGE(ID_A, "\"app:1\"", "", BEFORE), 0, PLAIN(GO_ON),
      "", NULL},
     {.image_ref = "app:1", .orphaned_at_ms = EVENT},
     VERDICT_TARGET_REF},
    {{"no digest, but a person said now", IMAGE(ID_A, "\"app:1\"", "", BEFORE), 0, PLAIN(GO_ON), "",
      NULL},
     JOB_NOW("app:1"),
     VERDICT_TARGET_REF},
    {{"no digest but an old engine's <none>", IMAGE(ID_A, "\"app:1\"", "\"<none>@<none>\"", BEFORE),
      0, PLAIN(HOLD), HELD, "protect_unpullable"},
     JOB("app:1", ID_A),
     VERDICT_TARGET_REF},

    /* asked for the recorded ID, because the name led elsewhere */
    {{"the recorded image without a name", IMAGE(ID_A, "", PULLED, BEFORE), 0, PLAIN(GO_ON), "",
      NULL},
     JOB_BY_ID("app:1", ID_A),
     VERDICT_TARGET_ID},
    {{"the recorded image under an old engine's <none>",
      IMAGE(ID_A, "\"<none>:<none>\"", PULLED, BEFORE), 0, PLAIN(GO_ON), "", NULL},
     JOB_BY_ID("app:1", ID_A),
     VERDICT_TARGET_ID},
    {{"the recorded image under another name", IMAGE(ID_A, "\"backup:1\"", PULLED, BEFORE), 0,
      PLAIN(WAIT), "the recorded image is still named backup:1", NULL},
     JOB_BY_ID("app:1", ID_A),
     VERDICT_TARGET_REF},
    {{"the recorded image, tagged after the event", IMAGE(ID_A, "", PULLED, AFTER), 0, PLAIN(WAIT),
      "the tag was set again at 2026-11-23 03:35:53 UTC, after the event at 2026-11-23 03:35:53 "
      "UTC",
      NULL},
     JOB_BY_ID("app:1", ID_A),
     VERDICT_TARGET_REF},
    {{"the recorded image, loaded by hand", IMAGE(ID_A, "", "", BEFORE), 0, PLAIN(HOLD), HELD,
      "protect_unpullable"},
     JOB_BY_ID("app:1", ID_A),
     VERDICT_TARGET_REF},
    {{"the recorded image is gone", NO_SUCH_IMAGE, 0, DONE(ABSENT, 0), "the image was gone already",
      NULL},
     JOB_BY_ID("app:1", ID_A),
     VERDICT_TARGET_REF},
    {{"the recorded ID, answered with another image", IMAGE(ID_B, "", PULLED, BEFORE), 0,
      PLAIN(HOLD), "asked for image 580c10577f0ad110f8e, Docker told of 56d9bd8e29a631d66b3", NULL},
     JOB_BY_ID("app:1", ID_A),
     VERDICT_TARGET_REF},

    /* the reference is an ID itself */
    {{"a reference by ID", IMAGE(ID_A, "\"app:1\"", PULLED, BEFORE), 0, PLAIN(GO_ON), "", NULL},
     JOB(ID_A, NULL),
     VERDICT_TARGET_REF},
    {{"a reference by ID, the same recorded", IMAGE(ID_A, "\"app:1\"", PULLED, BEFORE), 0,
      PLAIN(GO_ON), "", NULL},
     JOB(ID_A, ID_A),
     VERDICT_TARGET_REF},
    {{"a reference by the digits of an ID", IMAGE(ID_A, "\"app:1\"", PULLED, BEFORE), 0,
      PLAIN(GO_ON), "", NULL},
     JOB(HEX_A, ID_A),
     VERDICT_TARGET_REF},
    {{"a reference by ID, another one recorded", IMAGE(ID_A, "\"app:1\"", PULLED, BEFORE), 0,
      PLAIN(GO_ON), "", NULL},
     JOB(ID_A, ID_B),
     VERDICT_TARGET_INSPECT_ID},
    {{"a reference by ID, answered with another image", IMAGE(ID_B, "\"app:1\"", PULLED, BEFORE), 0,
      PLAIN(HOLD), "asked for image 580c10577f0ad110f8e, Docker told of 56d9bd8e29a631d66b3", NULL},
     JOB(ID_A, NULL),
     VERDICT_TARGET_REF},
    {{"a reference by ID, gone, the same recorded", NO_SUCH_IMAGE, 0, DONE(ABSENT, 0),
      "the image was gone already", NULL},
     JOB(HEX_A, ID_A),
     VERDICT_TARGET_REF},
    {{"a reference by ID, gone, another one recorded", NO_SUCH_IMAGE, 0, PLAIN(GO_ON), "", NULL},
     JOB(ID_A, ID_B),
     VERDICT_TARGET_INSPECT_ID},
};

#define FOUND "{\"Id\":\"" ID_A "\"}"
#define GONE "{\"message\":\"No such image: app:1\"}"
#define REFUSED "{\"message\":\"invalid reference format\"}"

/* What may come instead of an image; nothing of it is a reason to delete anything. */
static struct verdict_case answers[] = {
    {"an image, but as text", ANSWER(200, TEXT, FOUND), 0, STOP(NOT_HARP),
     "the answer is not one that HaRP gives (HTTP 200, text/plain, 80 bytes)", "/exapps/"},
    {"an image with a status of trouble", ANSWER(500, DOCKER_JSON, FOUND), 0, PLAIN(RETRY),
     "Docker has trouble with this image (HTTP 500, application/json, 80 bytes)", NULL},
    {"an image that broke off", REST(HTTP_CUT, 200, DOCKER_JSON, FOUND), 0, RETRY_TWO_STOP,
     "the answer broke off: rest", "proxy"},
    {"no such image with a status of trouble", ANSWER(500, DOCKER_JSON, GONE), 0, PLAIN(RETRY),
     "Docker has trouble with this image (HTTP 500, application/json, 34 bytes)", NULL},
    {"no such image as text", ANSWER(404, TEXT, GONE), 0, STOP(NOT_HARP),
     "something else answers in HaRP's place (HTTP 404, text/plain, 34 bytes)", "/exapps/"},
    {"no such image that broke off", REST(HTTP_CUT, 404, DOCKER_JSON, GONE), 0, RETRY_TWO_STOP,
     "the answer broke off: rest", "proxy"},
    {"an invalid reference with a status of trouble", ANSWER(500, DOCKER_JSON, REFUSED), 0,
     PLAIN(RETRY), "Docker has trouble with this image (HTTP 500, application/json, 38 bytes)",
     NULL},
    {"an invalid reference as text", ANSWER(400, TEXT, REFUSED), 0, STOP(CONFIGURATION),
     "the request was refused on its way (HTTP 400, text/plain, 38 bytes)", "https"},
    {"too large, but no image", REST(HTTP_TOO_LARGE, 500, DOCKER_JSON, "{"), 0, STOP(NOT_HARP),
     "the answer is larger than any of HaRP's", "/exapps/"},
    {"too large, but a page", REST(HTTP_TOO_LARGE, 200, HTML, "<html>"), 0, STOP(NOT_HARP),
     "the answer is larger than any of HaRP's", "/exapps/"},
    {"404 of Docker, word for word",
     ANSWER(404, DOCKER_JSON, "{\"message\":\"no such image: x: No such image: x:latest\"}\n"), 56,
     DONE(ABSENT, 0), "the image was gone already", NULL},
    {"404 JSON, but no such container",
     ANSWER(404, DOCKER_JSON, "{\"message\":\"No such container: nc_app_none\"}\n"), 45,
     STOP(NOT_HARP),
     "something else answers in HaRP's place (HTTP 404, application/json, 45 bytes)", "/exapps/"},
    {"404 text that says no such image", ANSWER(404, HAPROXY_TEXT, "no such image"), 0,
     STOP(NOT_HARP), "something else answers in HaRP's place (HTTP 404, text/plain, 13 bytes)",
     "/exapps/"},
    {"404 with the colon", ANSWER(404, TEXT, "404: Not Found"), 14, STOP(TOO_OLD),
     "this HaRP does not know the request: it is older than 0.4.1 (HTTP 404)",
     "update HaRP to 0.4.1"},
    {"404 without the colon", ANSWER(404, HAPROXY_TEXT, "404 Not Found"), 13, STOP(CONFIGURATION),
     "HaRP knows no such route: a proxy in front seems to strip /exapps/ (HTTP 404)", "/exapps/"},
    {"404 HTML", ANSWER(404, HTML, "<h1>No such image</h1>"), 0, STOP(NOT_HARP),
     "something else answers in HaRP's place (HTTP 404, text/html, 22 bytes)", "/exapps/"},
    {"400 invalid reference",
     ANSWER(400, DOCKER_JSON, "{\"message\":\"invalid reference format\"}\n"), 0, PLAIN(FAIL),
     "Docker refuses the image reference (HTTP 400)", NULL},
    {"400 of another kind",
     ANSWER(400, DOCKER_JSON,
            "{\"message\":\"client version 1.44 is too new. Maximum supported API version is "
            "1.41\"}\n"),
     84, STOP(CONFIGURATION),
     "the request was refused on its way (HTTP 400, application/json, 84 bytes)", "https"},
    {"400 HTML",
     ANSWER(400, HTML,
            "<html><body><h1>400 Bad request</h1>\nYour browser sent an invalid request.\n"
            "</body></html>\n"),
     90, STOP(CONFIGURATION), "the request was refused on its way (HTTP 400, text/html, 90 bytes)",
     "https"},
    {"401", ANSWER(401, HAPROXY_TEXT, "401 Unauthorized"), 16, STOP(UNAUTHORIZED),
     "HaRP refuses the shared key (HTTP 401)", "shared_key_file"},
    {"403 by administrative rules",
     ANSWER(403, HTML,
            "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n"
            "</body></html>\n"),
     93, STOP(TOO_OLD), "refused by a proxy's rules: HaRP before 0.2, or a firewall (HTTP 403)",
     "update HaRP to 0.4.1"},
    {"403 of an authorization plugin",
     ANSWER(403, DOCKER_JSON, "{\"message\":\"authorization denied by plugin\"}\n"), 0,
     STOP(FORBIDDEN), "Docker forbids looking at images (HTTP 403, application/json, 45 bytes)",
     "plugin"},
    {"500 of Docker", ANSWER(500, DOCKER_JSON, "{\"message\":\"layer does not exist\"}\n"), 0,
     PLAIN(RETRY), "Docker has trouble with this image (HTTP 500, application/json, 35 bytes)",
     NULL},
    {"503 HTML, nothing listens on the engine's port",
     ANSWER(503, HTML,
            "<html><body><h1>503 Service Unavailable</h1>\n"
            "No server is available to handle this request.\n</body></html>\n"),
     107, STOP(DOWN), "HaRP can't reach the Docker Engine (HTTP 503)", "tunnel"},
    {"503 (HaRP)", ANSWER(503, HAPROXY_TEXT, "503 Service Unavailable (HaRP)"), 30, STOP(DOWN),
     "HaRP's agent does not answer HAProxy (HTTP 503)", "agent"},
    {"502 HTML", ANSWER(502, HTML, "<h1>502 Bad Gateway</h1>"), 0, RETRY_TWO_STOP,
     "HaRP or the proxy in front has trouble (HTTP 502, text/html, 24 bytes)", "proxy"},
    {"504 HTML", ANSWER(504, HTML, "<h1>504 Gateway Time-out</h1>"), 0, RETRY_TWO_STOP,
     "HaRP or the proxy in front has trouble (HTTP 504, text/html, 29 bytes)", "proxy"},
    {"302", ANSWER(302, HTML, ""), 0, STOP(NOT_HARP),
     "a redirect: something else answers in HaRP's place (HTTP 302, text/html, 0 bytes)",
     "/exapps/"},
    {"200 with HTML", ANSWER(200, HTML, "<html>"), 0, STOP(NOT_HARP),
     "the answer is not one that HaRP gives (HTTP 200, text/html, 6 bytes)", "/exapps/"},
    {"200 without an ID", ANSWER(200, DOCKER_JSON, "{\"RepoTags\":[\"app:1\"]}"), 0, STOP(NOT_HARP),
     "the answer is not one that HaRP gives (HTTP 200, application/json, 22 bytes)", "/exapps/"},
    {"200 with an ID that is none", ANSWER(200, DOCKER_JSON, "{\"Id\":\"sha256:abc\"}"), 0,
     STOP(NOT_HARP), "the answer is not one that HaRP gives (HTTP 200, application/json, 19 bytes)",
     "/exapps/"},
    {"200 with image_remove's answer",
     ANSWER(200, JSON, "{\"deleted\": true, \"bytes_freed\": 5000}"), 38, STOP(NOT_HARP),
     "the answer is not one that HaRP gives (HTTP 200, application/json, 38 bytes)", "/exapps/"},
};

static void
check(void **state)
{
    const struct inspect_case *one = *state;
    enum verdict_target target = VERDICT_TARGET_REF;
    const struct verdict verdict = verdict_of_inspect(&one->all.answer, &one->job, &target);

    expect_case(&one->all, &verdict);
    assert_int_equal(target, one->target);
}

static void
check_answer(void **state)
{
    const struct verdict_case *one = *state;
    const struct verdict_job job = JOB("app:1", NULL);
    enum verdict_target target = VERDICT_TARGET_REF;
    const struct verdict verdict = verdict_of_inspect(&one->answer, &job, &target);

    expect_case(one, &verdict);
    assert_int_not_equal(verdict.action, VERDICT_GO_ON);
}

int
main(void)
{
    struct CMUnitTest tests[COUNT + COUNT_ANSWERS];

    for (size_t i = 0; i < COUNT; i++) {
        fill_tests(&tests[i], &cases[i].all, 1, check);
    }
    fill_tests(tests + COUNT, answers, COUNT_ANSWERS, check_answer);
    return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
