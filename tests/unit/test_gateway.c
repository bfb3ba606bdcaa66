/* HaRP's requests: URLs, headers, bodies and limits, as they are handed to http.h. */
#include "conf.h"
#include "gateway.h"
#include "mem.h"
#include "reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEX64 "580c10577f0ad110f8eaa64cfffbd524b0103397d8695a7804b2aa435d27dab5"
#define ID "sha256:" HEX64

/* The last request, and whether http.h takes it. */
static struct http_request seen;
static char seen_url[1024];
static char seen_body[1024];
static int begun;
static bool refuses;

/* In place of http.c's: the gateway's strings live only as long as the call. */
bool
http_begin(struct http *http, const struct http_request *request, struct err *err)
{
    (void)http;
    begun++;
    seen = *request;
    (void)snprintf(seen_url, sizeof seen_url, "%s", request->url);
    (void)snprintf(seen_body, sizeof seen_body, "%s", request->body == NULL ? "" : request->body);
    return refuses ? err_set(err, ERR_INTERNAL, "no place") : true;
}

static const struct gateway_limits limits = {
    .connect_timeout_ms = 5000, .timeout_ms = 90000, .send_by_ms = 77};
static char the_key[] = "test-shared-key";
static char the_url[] = "https://cloud.example.org";
static char the_ca[] = "/etc/harpsweep/ca.pem";
static const struct conf_daemon harp = {
    .url = the_url, .key = the_key, .ca_file = the_ca, .engine_port = 24000};

enum ask { INFO, PING, INSPECT, REMOVAL, ASKS };

static bool
ask(enum ask what, const struct conf_daemon *daemon, const struct gateway_limits *in,
    const char *ref, void *user, struct err *err)
{
    switch (what) {
    case INFO:
        return gateway_begin_info(NULL, daemon, in, user, err);
    case PING:
        return gateway_begin_ping(NULL, daemon, in, user, err);
    case INSPECT:
        return gateway_begin_inspect(NULL, daemon, in, ref, user, err);
    case REMOVAL:
        return gateway_begin_removal(NULL, daemon, in, ref, user, err);
    case ASKS:
        break;
    }
    return false;
}

static int
begin(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    begun = 0;
    refuses = false;
    return 0;
}

static void
urls(void **state)
{
    static const char *const expected[ASKS] = {
        "https://cloud.example.org/exapps/app_api/info",
        "https://cloud.example.org/exapps/app_api/_ping",
        "https://cloud.example.org/exapps/app_api/images/app:1/json",
        "https://cloud.example.org/exapps/app_api/docker/exapp/image_remove",
    };
    struct err err;

    (void)state;
    for (int what = 0; what < ASKS; what++) {
        assert_true(ask((enum ask)what, &harp, &limits, "app:1", NULL, &err));
        assert_string_equal(seen_url, expected[what]);
    }
    assert_int_equal(begun, ASKS);
}

/* Settings with one daemon at url, as a file would bring them. */
static struct conf *
load(const char *url)
{
    char key_path[] = "/tmp/harpsweep-test-key-XXXXXX";
    char conf_path[] = "/tmp/harpsweep-test-conf-XXXXXX";
    int key_fd = mkstemp(key_path);
    int conf_fd = mkstemp(conf_path);
    struct conf *conf = NULL;
    struct err err = {.text = ""};

    assert_true(key_fd >= 0 && conf_fd >= 0);
    assert_true(dprintf(key_fd, "\"from-the-file\"\n") > 0);
    assert_true(dprintf(conf_fd,
                        "[database]\nconninfo = dbname=x\n[daemon:d]\nurl = %s\n"
                        "docker_engine_port = 24001\nshared_key_file = %s\n",
                        url, key_path) > 0);
    (void)close(key_fd);
    (void)close(conf_fd);
    if (!conf_load(conf_path, &conf, &err)) {
        (void)fprintf(stderr, "%s\n", err.text);
    }
    (void)unlink(key_path);
    (void)unlink(conf_path);
    assert_non_null(conf);
    return conf;
}

static void
urls_of_settings(void **state)
{
    static const struct {
        const char *url;
        const char *info;
    } rows[] = {
        {"http://harp", "http://harp/exapps/app_api/info"},
        {"http://harp/", "http://harp/exapps/app_api/info"},
        {"http://harp///", "http://harp/exapps/app_api/info"},
        {"http://harp:8780", "http://harp:8780/exapps/app_api/info"},
        {"https://harp:8781/", "https://harp:8781/exapps/app_api/info"},
        {"http://10.0.0.1:8780", "http://10.0.0.1:8780/exapps/app_api/info"},
        {"http://[::1]:8780/", "http://[::1]:8780/exapps/app_api/info"},
        {"https://example.org/cloud", "https://example.org/cloud/exapps/app_api/info"},
        {"https://example.org/a/b/", "https://example.org/a/b/exapps/app_api/info"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct conf *conf = load(rows[i].url);
        const struct conf_daemon *daemon = conf_find_daemon(conf, "d");
        struct err err;

        assert_non_null(daemon);
        assert_true(gateway_begin_info(NULL, daemon, &limits, NULL, &err));
        assert_string_equal(seen_url, rows[i].info);
        assert_string_equal(seen.key, "from-the-file");
        assert_int_equal(seen.engine_port, 0);
        assert_true(gateway_begin_ping(NULL, daemon, &limits, NULL, &err));
        assert_int_equal(seen.engine_port, 24001);
        conf_free(conf);
    }
}

/* Docker's reference, in the URL and in the body. `/`, `:` and `@` may stand in a URL's path as
 * they are (RFC 3986, pchar), and must: HaRP's rules look at the path as it came. */
static void
references(void **state)
{
    static const struct {
        const char *ref;
        const char *sent;
    } rows[] = {
        {"app", "app"},
        {"app:1", "app:1"},
        {"app:1.0-rc_2", "app:1.0-rc_2"},
        {"nextcloud/app:latest", "nextcloud/app:latest"},
        {"ghcr.io/nextcloud/app-skeleton:3.2.1", "ghcr.io/nextcloud/app-skeleton:3.2.1"},
        {"localhost:5000/a/b__c/d.e:T", "localhost:5000/a/b__c/d.e:T"},
        {"app@" ID, "app@" ID},
        {"h:1/app:1@" ID, "h:1/app:1@" ID},
        {ID, ID},
        {HEX64, HEX64},
        /* Docker would take these for the beginning of an ID where there is no such name. */
        {"cafe", "cafe:latest"},
        {"0123456789ab", "0123456789ab:latest"},
        {"cafe:1", "cafe:1"},
        {"x/cafe", "x/cafe"},
        {"cafes", "cafes"},
        /* a host and its port */
        {"app:1/json", "app:1/json"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *url = mem_printf("%s/exapps/app_api/images/%s/json", the_url, rows[i].sent);
        char *body = mem_printf("{\"image_ref\":\"%s\"}", rows[i].sent);
        struct err err;

        assert_true(gateway_begin_inspect(NULL, &harp, &limits, rows[i].ref, NULL, &err));
        assert_string_equal(seen_url, url);
        assert_null(seen.body);
        assert_true(gateway_begin_removal(NULL, &harp, &limits, rows[i].ref, NULL, &err));
        assert_string_equal(seen_body, body);
        mem_free(url);
        mem_free(body);
    }
}

/* What would mean something else in a URL or in JSON is no reference, and goes nowhere. */
static void
what_is_no_reference_is_not_sent(void **state)
{
    static const char *const refs[] = {
        "",           " ",           "app :1",      "app:1?force=1", "app:1#x",   "app%2f:1",
        "a/../app:1", "../app:1",    "./app",       "a//b",          "/app:1",    "app/",
        "app:x/json", "app:1&x=y",   "app\"",       "app\\",         "app\n",     "app:1\r\nx: y",
        "\x1b[31m",   "caf\xc3\xa9", "app\xff",     "App:1",         "user@host", "app@sha256:abc",
        "sha256:abc", "[::1]/app",   "https://x/y", "app:",          ":1",        "-app"};

    (void)state;
    for (size_t i = 0; i < sizeof refs / sizeof refs[0]; i++) {
        struct err err = {.kind = ERR_NONE};

        if (gateway_begin_inspect(NULL, &harp, &limits, refs[i], NULL, &err) ||
            gateway_begin_removal(NULL, &harp, &limits, refs[i], NULL, &err)) {
            fail_msg("\"%s\" went to %s", refs[i], seen_url);
        }
        assert_int_equal(err.kind, ERR_INTERNAL);
        assert_non_null(strstr(err.text, "not an image reference"));
    }
    assert_int_equal(begun, 0);
}

static void
a_body_is_escaped(void **state)
{
    static const struct {
        const char *ref;
        const char *body;
    } rows[] = {
        {"a\"b", "{\"image_ref\":\"a\\\"b\"}"},
        {"a\\b", "{\"image_ref\":\"a\\\\b\"}"},
        {"\",\"force\":true,\"x\":\"",
         "{\"image_ref\":\"\\\",\\\"force\\\":true,\\\"x\\\":\\\"\"}"},
        {"a\nb\tc\x01", "{\"image_ref\":\"a\\nb\\tc\\u0001\"}"},
        {"caf\xc3\xa9", "{\"image_ref\":\"caf\xc3\xa9\"}"},
        {"", "{\"image_ref\":\"\"}"},
    };
    static const char *const none[] = {"\xff", "a\xc3", "\xc0\xaf", "\xed\xa0\x80"};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *body = reply_removal_request(rows[i].ref);

        assert_string_equal(body, rows[i].body);
        mem_free(body);
    }
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_null(reply_removal_request(none[i]));
    }
}

static void
what_every_request_has(void **state)
{
    struct err err;
    int user = 0;

    (void)state;
    for (int what = 0; what < ASKS; what++) {
        assert_true(ask((enum ask)what, &harp, &limits, "app:1", &user, &err));
        assert_ptr_equal(seen.key, the_key);
        assert_ptr_equal(seen.ca_file, the_ca);
        assert_ptr_equal(seen.user, &user);
        assert_int_equal(seen.connect_timeout_ms, 5000);
        assert_int_equal(seen.send_by_ms, 77);
        /* The header would send /info to Docker, which HaRP refuses with 403. */
        assert_int_equal(seen.engine_port, what == INFO ? 0 : 24000);
        assert_int_equal(seen.body != NULL, what == REMOVAL);
    }
}

static void
limits_of_time(void **state)
{
    static const struct gateway_limits quick = {
        .connect_timeout_ms = 100, .timeout_ms = 2000, .send_by_ms = 0};
    struct err err;

    (void)state;
    for (int what = 0; what < ASKS; what++) {
        assert_true(ask((enum ask)what, &harp, &limits, "app:1", NULL, &err));
        assert_int_equal(seen.timeout_ms, what == REMOVAL ? 90000 : GATEWAY_QUESTION_MS);
        assert_true(ask((enum ask)what, &harp, &quick, "app:1", NULL, &err));
        assert_int_equal(seen.timeout_ms, 2000);
        assert_int_equal(seen.connect_timeout_ms, 100);
        assert_int_equal(seen.send_by_ms, 0);
    }
}

static void
a_refusal_is_passed_on(void **state)
{
    (void)state;
    refuses = true;
    for (int what = 0; what < ASKS; what++) {
        struct err err = {.kind = ERR_NONE};

        assert_false(ask((enum ask)what, &harp, &limits, "app:1", NULL, &err));
        assert_string_equal(err.text, "no place");
        assert_null(strstr(err.text, the_key));
    }
}

/* It becomes a part of a path. */
static void
names_of_apps(void **state)
{
    static const char *const good[] = {"a", "context_chat_backend", "App-2.1", ".", "_"};
    static const char *const bad[] = {"",    "..",   "a..b", "a/b", "/a",          "a%2fb", "a?b",
                                      "a#b", "a\\b", "a b",  "a\n", "caf\xc3\xa9", "a@b",   "a:1"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(gateway_is_appid(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(gateway_is_appid(bad[i]));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(urls, begin),
        cmocka_unit_test_setup(urls_of_settings, begin),
        cmocka_unit_test_setup(references, begin),
        cmocka_unit_test_setup(what_is_no_reference_is_not_sent, begin),
        cmocka_unit_test_setup(a_body_is_escaped, begin),
        cmocka_unit_test_setup(what_every_request_has, begin),
        cmocka_unit_test_setup(limits_of_time, begin),
        cmocka_unit_test_setup(names_of_apps, begin),
        cmocka_unit_test_setup(a_refusal_is_passed_on, begin),
    };

    return cmocka_run_group_tests_name("gateway", tests, NULL, NULL);
}
