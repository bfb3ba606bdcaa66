/*
 * What a verdict says ends up in a database, in mail from cron and on terminals: no key that an
 * answer repeats, no control character, and not more than fits, whatever the answer holds.
 */
#include "mem.h"
#include "verdict_case.h"

#include <stdio.h>

#define ID "sha256:580c10577f0ad110f8eaa64cfffbd524b0103397d8695a7804b2aa435d27dab5"

static const struct verdict_job jobs[] = {
    {.image_ref = "app:1", .protect_unpullable = true},
    {.image_ref = "app:1", .image_id = ID, .by_id = true},
    {.image_ref = ID},
};
static const long statuses[] = {100, 200, 204, 301, 302, 400, 401, 403, 404,
                                405, 429, 500, 502, 503, 504, 520, 999};
static const char *const types[] = {JSON, TEXT, HAPROXY_TEXT, HTML, "", "application/xml"};

/* Bodies that hold %s wherever one that is near to a known one can. */
static const char *const bodies[] = {
    "%s",
    "<html><body>You sent harp-shared-key: %s</body></html>",
    "{\"deleted\":true,\"bytes_freed\":1,\"headers\":{\"harp-shared-key\":\"%s\"},\"x\":}",
    "{\"deleted\":false,\"reason\":\"%s\"}",
    "{\"deleted\":\"%s\"}",
    "{\"version\":\"%s\"}",
    "{\"version\":\"0.4.4\",\"docker\":\"%s\"}",
    "{\"message\":\"no such image: %s\"}",
    "{\"message\":\"%s\"}",
    "{\"Id\":\"%s\"}",
    "{\"Id\":\"" ID "\",\"RepoTags\":[\"%s\"],\"RepoDigests\":[]}",
    "{\"Id\":\"" ID "\",\"RepoTags\":[\"%s\"],\"RepoDigests\":[\"%s\"]}",
    "{\"Id\":\"" ID "\",\"Metadata\":{\"LastTagTime\":\"%s\"}}",
    "Invalid 'docker-engine-port' header value: %s",
    "Missing 'docker-engine-port' header. %s",
    "Payload validation error: 1 validation error\nimage_ref %s",
    "Could not connect to Docker Engine on port %s",
    "Timeout communicating with Docker Engine for image %s",
    "Error removing image '%s' via Docker Engine: Status 400",
    "Error removing image '%s' via Docker Engine: Status 500",
    "401 Unauthorized %s",
    "administrative rules %s",
    "No server is available %s",
};

/* What to look at in everything that is said about an answer. */
typedef void look(const char *text, const char *needle);

static void
look_at_all(const struct http_answer *answer, look *look_at, const char *needle)
{
    enum verdict_target target = VERDICT_TARGET_REF;
    char version[32];
    struct verdict verdict = verdict_of_removal(answer);

    expect_sane(answer->body, &verdict);
    look_at(verdict.reason, needle);
    look_at(verdict.hint, needle);
    verdict = verdict_of_info(answer, version);
    expect_sane(answer->body, &verdict);
    look_at(verdict.reason, needle);
    look_at(verdict.hint, needle);
    look_at(version, needle);
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        verdict = verdict_of_inspect(answer, &jobs[i], &target);
        expect_sane(answer->body, &verdict);
        look_at(verdict.reason, needle);
        look_at(verdict.hint, needle);
    }
}

/* Puts text wherever an answer has room for it. */
static void
look_everywhere(const char *text, look *look_at)
{
    for (size_t body = 0; body < sizeof bodies / sizeof bodies[0]; body++) {
        struct http_answer answer = {.transport = HTTP_ANSWERED, .detail = ""};
        const char *hole = strstr(bodies[body], "%s");
        char *filled =
            mem_printf("%.*s%s%s", (int)(hole - bodies[body]), bodies[body], text, hole + 2);

        answer.body = filled;
        answer.length = strlen(filled);
        for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
            answer.status = statuses[i];
            for (size_t type = 0; type < sizeof types / sizeof types[0]; type++) {
                answer.content_type = types[type];
                look_at_all(&answer, look_at, text);
            }
            answer.content_type = text;
            look_at_all(&answer, look_at, text);
        }
        mem_free(filled);
    }
}

static void
must_not_hold(const char *text, const char *needle)
{
    if (strstr(text, needle) != NULL) {
        fail_msg("\"%s\" holds the key", text);
    }
}

static void
an_echoed_key(void **state)
{
    static const char *const keys[] = {"test-shared-key", "8f3c1d2e4b5a69788f3c1d2e4b5a6978",
                                       "Zm9vYmFyYmF6cXV4+/Zm9v==", "p4ss:w0rd!Shared", "/srv/k~ey"};

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        look_everywhere(keys[i], must_not_hold);
    }
}

static void
must_be_harmless(const char *text, const char *needle)
{
    expect_printable(needle, text);
}

static void
control_characters(void **state)
{
    static const char *const texts[] = {
        "\x1b[2J\x1b[31m",  "\x1b]0;title\x07", "\x9b\x31m", "a\r\nb", "a\tb\x7f\x08",
        "\xe2\x80\xa8line", "caf\xc3\xa9",      "\xff\xfe",  "%s%n%x", "\\u001b[31m",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        look_everywhere(texts[i], must_be_harmless);
    }
}

/* libcurl's words hold what a server sent in some cases, and host names in others. */
static void
control_characters_in_a_failure(void **state)
{
    (void)state;
    for (int transport = HTTP_NOT_CONNECTED; transport <= HTTP_FAILED; transport++) {
        const struct http_answer answer = NO_ANSWER(
            (enum http_transport)transport, "Unsupported \x1b[31m\r\nanswer %n\xc2\x9b\x7f");

        look_at_all(&answer, must_be_harmless, "");
    }
}

static void
must_be_short(const char *text, const char *needle)
{
    (void)needle;
    assert_true(strlen(text) <= 511);
}

static void
answers_without_end(void **state)
{
    char *text = mem_alloc(HTTP_BODY_MAX + 1, 1);

    (void)state;
    memset(text, 'a', 2000);
    look_everywhere(text, must_be_short);
    memset(text, 'a', HTTP_BODY_MAX);
    for (size_t type = 0; type < sizeof types / sizeof types[0]; type++) {
        const struct http_answer answer = {HTTP_ANSWERED, "", 200, types[type], text,
                                           HTTP_BODY_MAX, 1};

        look_at_all(&answer, must_be_short, text);
    }
    for (int transport = HTTP_NOT_CONNECTED; transport <= HTTP_FAILED; transport++) {
        const struct http_answer answer = NO_ANSWER((enum http_transport)transport, text);

        look_at_all(&answer, must_be_short, text);
    }
    mem_free(text);
}

static struct verdict
verdict_of_name(const char *tag)
{
    char *body = mem_printf("{\"Id\":\"%s\",\"RepoTags\":[\"%s\"]}", ID, tag);
    const struct http_answer answer = {HTTP_ANSWERED, "", 200, DOCKER_JSON, body, strlen(body), 1};
    enum verdict_target target = VERDICT_TARGET_REF;
    const struct verdict verdict = verdict_of_inspect(&answer, &jobs[1], &target);

    mem_free(body);
    return verdict;
}

/* The name of an image is worth reading, but only where it is one. */
static void
names_of_images(void **state)
{
    static const char *const good[] = {"app:1", "ghcr.io/nextcloud/app:1.0-rc",
                                       "h:5000/a/b:latest"};
    static const char *const bad[] = {"app",      "App:1", "a b:1", "app:1\\n",
                                      "h:5000/a", "",      ":",     "x:"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char *expected = mem_printf("the recorded image is still named %s", good[i]);

        assert_string_equal(verdict_of_name(good[i]).reason, expected);
        mem_free(expected);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(verdict_of_name(bad[i]).action, VERDICT_WAIT);
        assert_string_equal(verdict_of_name(bad[i]).reason, "the recorded image still has a name");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_echoed_key),
        cmocka_unit_test(control_characters),
        cmocka_unit_test(control_characters_in_a_failure),
        cmocka_unit_test(answers_without_end),
        cmocka_unit_test(names_of_images),
    };

    return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
