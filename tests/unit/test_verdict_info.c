/* Answers to /info: which HaRP this is, and whether it can remove images. */
#include "verdict_case.h"

#define COUNT (sizeof cases / sizeof cases[0])

#define STRANGER "the answer is not one that HaRP gives (HTTP 200, application/json, "

static struct verdict_case cases[] = {
    /* releases */
    {"0.4.4",
     ANSWER(200, JSON,
            "{\"version\": \"0.4.4\", \"docker\": true, \"kubernetes\": {\"enabled\": false}}"),
     70, PLAIN(GO_ON), "", NULL},
    {"0.4.3, the first with a string",
     ANSWER(200, JSON, "{\"version\": \"0.4.3\", \"docker\": true}"), 0, PLAIN(GO_ON), "", NULL},
    {"the number 0.4 of 0.4.1 and 0.4.2", ANSWER(200, JSON, "{\"version\": 0.4}"), 0, PLAIN(GO_ON),
     "", NULL},
    {"0.4.1, if it were a string", ANSWER(200, JSON, "{\"version\": \"0.4.1\"}"), 0, PLAIN(GO_ON),
     "", NULL},
    {"1.0.0", ANSWER(200, JSON, "{\"version\": \"1.0.0\"}"), 0, PLAIN(GO_ON), "", NULL},
    {"the number 0.3 of 0.3.0 to 0.4.0", ANSWER(200, JSON, "{\"version\": 0.3}"), 0, STOP(TOO_OLD),
     "HaRP 0.3 can't remove images", "update HaRP to 0.4.1"},
    {"0.4.0, if it were a string", ANSWER(200, JSON, "{\"version\": \"0.4.0\"}"), 0, STOP(TOO_OLD),
     "HaRP 0.4.0 can't remove images", "update HaRP to 0.4.1"},
    {"before 0.3: no /info", ANSWER(404, TEXT, "404: Not Found"), 14, STOP(TOO_OLD),
     "this HaRP does not know the request: it is older than 0.4.1 (HTTP 404)",
     "update HaRP to 0.4.1"},
    {"a HaRP without Docker", ANSWER(200, JSON, "{\"version\": \"0.4.4\", \"docker\": false}"), 0,
     STOP(CONFIGURATION), "HaRP 0.4.4 says that it has no Docker Engine", "Docker daemon"},

    /* not HaRP */
    {"no version", ANSWER(200, JSON, "{\"docker\": true}"), 0, STOP(NOT_HARP), STRANGER "16 bytes)",
     "/exapps/"},
    {"a version that is none", ANSWER(200, JSON, "{\"version\": \"latest\"}"), 0, STOP(NOT_HARP),
     STRANGER "21 bytes)", "/exapps/"},
    {"a heartbeat's answer", ANSWER(200, JSON, "{\"status\": \"ok\"}"), 16, STOP(NOT_HARP),
     STRANGER "16 bytes)", "/exapps/"},
    {"Nextcloud's status.php",
     ANSWER(200, DOCKER_JSON, "{\"installed\":true,\"version\":\"30.0.1.2\",\"docker\":null}"), 0,
     STOP(NOT_HARP), STRANGER "53 bytes)", "/exapps/"},
    {"200 with HTML", ANSWER(200, HTML, "<html>{\"version\": \"0.4.4\"}</html>"), 0, STOP(NOT_HARP),
     "the answer is not one that HaRP gives (HTTP 200, text/html, 33 bytes)", "/exapps/"},
    {"JSON in plain text", ANSWER(200, TEXT, "{\"version\": \"0.4.4\"}"), 0, STOP(NOT_HARP),
     "the answer is not one that HaRP gives (HTTP 200, text/plain, 20 bytes)", "/exapps/"},
    {"302", ANSWER(302, HTML, ""), 0, STOP(NOT_HARP),
     "a redirect: something else answers in HaRP's place (HTTP 302, text/html, 0 bytes)",
     "/exapps/"},
    {"404 HTML", ANSWER(404, HTML, "<h1>Not Found</h1>"), 0, STOP(NOT_HARP),
     "something else answers in HaRP's place (HTTP 404, text/html, 18 bytes)", "/exapps/"},
    {"204", ANSWER(204, "", ""), 0, STOP(NOT_HARP),
     "something else answers in HaRP's place (HTTP 204, no content type, 0 bytes)", "/exapps/"},

    /* refusals, the same as to image_remove */
    {"401", ANSWER(401, HAPROXY_TEXT, "401 Unauthorized"), 16, STOP(UNAUTHORIZED),
     "HaRP refuses the shared key (HTTP 401)", "shared_key_file"},
    {"403 by administrative rules",
     ANSWER(403, HTML,
            "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n"
            "</body></html>\n"),
     93, STOP(TOO_OLD), "refused by a proxy's rules: HaRP before 0.2, or a firewall (HTTP 403)",
     "update HaRP to 0.4.1"},
    {"404 without the colon", ANSWER(404, HAPROXY_TEXT, "404 Not Found"), 13, STOP(CONFIGURATION),
     "HaRP knows no such route: a proxy in front seems to strip /exapps/ (HTTP 404)", "/exapps/"},
    {"503 (HaRP)", ANSWER(503, HAPROXY_TEXT, "503 Service Unavailable (HaRP)"), 30, STOP(DOWN),
     "HaRP's agent does not answer HAProxy (HTTP 503)", "agent"},
    {"503 HTML, no server",
     ANSWER(503, HTML,
            "<html><body><h1>503 Service Unavailable</h1>\n"
            "No server is available to handle this request.\n</body></html>\n"),
     107, STOP(DOWN), "HaRP's agent is down (HTTP 503)", "agent"},
    {"502 HTML", ANSWER(502, HTML, "<h1>502 Bad Gateway</h1>"), 0, RETRY_TWO_STOP,
     "HaRP or the proxy in front has trouble (HTTP 502, text/html, 24 bytes)", "proxy"},

    /* what would be said of one image is no word about a gate */
    {"400 Payload validation error",
     ANSWER(400, TEXT, "Payload validation error: 1 validation error"), 0, STOP(CONFIGURATION),
     "the request was refused on its way (HTTP 400, text/plain, 44 bytes)", "https"},
    {"503 Status 400",
     ANSWER(503, TEXT, "Error removing image 'x/none:1' via Docker Engine: Status 400"), 61,
     RETRY_TWO_STOP, "HaRP or the proxy in front has trouble (HTTP 503, text/plain, 61 bytes)",
     "proxy"},
};

static void
check(void **state)
{
    const struct verdict_case *one = *state;
    char version[32];
    const struct verdict verdict = verdict_of_info(&one->answer, version);

    expect_case(one, &verdict);
    expect_printable(one->name, version);
}

static void
expect_version(const char *body, const char *expected)
{
    const struct http_answer answer = {HTTP_ANSWERED, "", 200, JSON, body, strlen(body), 1};
    char version[32] = "left from before";

    (void)verdict_of_info(&answer, version);
    assert_string_equal(version, expected);
}

static void
version_as_harp_wrote_it(void **state)
{
    (void)state;
    expect_version("{\"version\": \"0.4.4\", \"docker\": true}", "0.4.4");
    expect_version("{\"version\": 0.4}", "0.4");
    expect_version("{\"version\": 0.3}", "0.3");
    expect_version("{\"version\": \"0.4.0\"}", "0.4.0");
    expect_version("{\"version\": \"\\u001b[31m0.4.4\"}", "");
    expect_version("{\"version\": \"0.4.4-0123456789012345678901234567\"}", "");
    expect_version("{\"version\": NaN}", "");
    expect_version("{}", "");
}

int
main(void)
{
    struct CMUnitTest tests[COUNT + 1] = {[COUNT] = cmocka_unit_test(version_as_harp_wrote_it)};

    fill_tests(tests, cases, COUNT, check);
    return cmocka_run_group_tests_name("info", tests, NULL, NULL);
}
