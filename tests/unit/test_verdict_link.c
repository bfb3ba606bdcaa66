/* No whole answer: what became of the connection, whatever the question was. */
#include "verdict_case.h"

#include <stdio.h>

#define COUNT (sizeof cases / sizeof cases[0])

static struct verdict_case cases[] = {
    {"refused",
     NO_ANSWER(HTTP_NOT_CONNECTED, "Failed to connect to 127.0.0.1 port 8780: Couldn't connect"), 0,
     STOP(DOWN),
     "no connection to HaRP: Failed to connect to 127.0.0.1 port 8780: Couldn't connect", "url"},
    {"no address", NO_ANSWER(HTTP_NOT_RESOLVED, "Could not resolve host: harp"), 0, STOP(DOWN),
     "HaRP's host has no address: Could not resolve host: harp", "url"},
    {"TLS failure",
     NO_ANSWER(HTTP_TLS_FAILED, "SSL certificate problem: unable to get local issuer certificate"),
     0, STOP(TLS),
     "no trusted TLS connection: SSL certificate problem: unable to get local issuer certificate",
     "ca_file"},
    {"silence", NO_ANSWER(HTTP_SILENT, "Operation timed out after 90000 milliseconds"), 0,
     STOP(SILENT), "connected, and then HaRP said nothing for 90.0 s", "bans an address for 300 s"},
    {"closed without a byte", NO_ANSWER(HTTP_CLOSED, "Empty reply from server"), 0, STOP(SILENT),
     "HaRP closed the connection without a word: Empty reply from server", "ten wrong keys"},
    {"reset without a byte", NO_ANSWER(HTTP_CLOSED, "Recv failure: Connection reset by peer"), 0,
     STOP(SILENT),
     "HaRP closed the connection without a word: Recv failure: Connection reset by "
     "peer",
     "ten wrong keys"},
    {"half an answer",
     {HTTP_CUT, "transfer closed with 20 bytes remaining to read", 200, JSON,
      "{\"deleted\": true, \"bytes_freed\": 5000}", 38, 30},
     0,
     RETRY_TWO_STOP,
     "the answer broke off: transfer closed with 20 bytes remaining to read",
     "proxy"},
    {"too large",
     {HTTP_TOO_LARGE, "Failed writing body", 200, HTML, "<html>", 6, 30},
     0,
     STOP(NOT_HARP),
     "the answer is larger than any of HaRP's",
     "/exapps/"},
    {"not HTTP", NO_ANSWER(HTTP_NOT_HTTP, "Received HTTP/0.9 when not allowed"), 0, STOP(NOT_HARP),
     "the answer is not HTTP: Received HTTP/0.9 when not allowed", "https"},
    /* harpsweep's own doing: neither the daemon's fault nor the job's */
    {"aborted", NO_ANSWER(HTTP_ABORTED, "ended by harpsweep"), 0, STOP(NONE),
     "the request was ended by harpsweep", NULL},
    {"too late", NO_ANSWER(HTTP_LATE, "operation aborted by callback"), 0, STOP(NONE),
     "the request was ended by harpsweep", NULL},
    {"any other failure", NO_ANSWER(HTTP_FAILED, "URL using bad/illegal format"), 0, STOP(DOWN),
     "the request failed: URL using bad/illegal format", "url"},
};

static void
check(void **state)
{
    const struct verdict_case *one = *state;
    const struct verdict_job job = {.image_ref = "app:1"};
    enum verdict_target target = VERDICT_TARGET_REF;
    char version[32] = "left from before";
    struct verdict verdict = verdict_of_removal(&one->answer);

    expect_case(one, &verdict);
    verdict = verdict_of_info(&one->answer, version);
    expect_case(one, &verdict);
    assert_string_equal(version, "");
    verdict = verdict_of_inspect(&one->answer, &job, &target);
    expect_case(one, &verdict);
}

/* An inspect of an image with very much to tell is Docker's, and no other job's trouble. */
static void
inspect_too_large(void **state)
{
    const struct http_answer answer = {
        HTTP_TOO_LARGE, "Failed writing body", 200, DOCKER_JSON, "{\"Id\":", 6, 30};
    const struct verdict_job job = {.image_ref = "app:1"};
    const struct verdict_core want = PLAIN(RETRY);
    enum verdict_target target = VERDICT_TARGET_REF;
    const struct verdict verdict = verdict_of_inspect(&answer, &job, &target);

    (void)state;
    expect_sane("inspect", &verdict);
    expect_core("inspect", &verdict, &want);
    assert_string_equal(verdict.reason, "what Docker tells about this image is larger than the "
                                        "64 KiB that are read");
}

static void
seconds_of_silence(void **state)
{
    struct http_answer answer = NO_ANSWER(HTTP_SILENT, "");
    struct verdict verdict;

    (void)state;
    answer.duration_ms = 1250;
    verdict = verdict_of_removal(&answer);
    assert_string_equal(verdict.reason, "connected, and then HaRP said nothing for 1.2 s");
}

static void
names_of_states_and_stops(void **state)
{
    static const char *const stops[] = {"",         "down",    "tls",      "unauthorized",
                                        "silent",   "too_old", "not_harp", "configuration",
                                        "forbidden"};
    static const char *const states[] = {"", "removed", "untagged", "absent"};

    (void)state;
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        assert_string_equal(verdict_stop_name((enum verdict_stop)i), stops[i]);
    }
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        assert_string_equal(verdict_state_name((enum verdict_state)i), states[i]);
    }
}

int
main(void)
{
    struct CMUnitTest tests[COUNT + 3] = {
        [COUNT] = cmocka_unit_test(inspect_too_large),
        [COUNT + 1] = cmocka_unit_test(seconds_of_silence),
        [COUNT + 2] = cmocka_unit_test(names_of_states_and_stops),
    };

    fill_tests(tests, cases, COUNT, check);
    return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
