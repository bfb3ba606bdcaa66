/* JSON of HaRP and Docker: what they say, and what only looks like it. */
#include "buf.h"
#include "mem.h"
#include "reply.h"
#include "reply_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEX64 "580c10577f0ad110f8eaa64cfffbd524b0103397d8695a7804b2aa435d27dab5"
#define ID "sha256:" HEX64

static void
expect_removal(const char *body, enum reply_removal_kind kind, int64_t bytes)
{
    struct reply_removal removal = reply_removal_parse(body, strlen(body));

    if (removal.kind != kind || removal.bytes_freed != bytes) {
        fail_msg("%s: kind %d, bytes %lld", body, (int)removal.kind,
                 (long long)removal.bytes_freed);
    }
}

static void
removal_as_harp_says_it(void **state)
{
    (void)state;
    expect_removal("{\"deleted\": true, \"bytes_freed\": 5000}", REPLY_REMOVAL_DELETED, 5000);
    expect_removal("{\"deleted\": true, \"bytes_freed\": 0}", REPLY_REMOVAL_DELETED, 0);
    expect_removal("{\"deleted\": true, \"bytes_freed\": 8796093022208}", REPLY_REMOVAL_DELETED,
                   INT64_C(8796093022208));
    expect_removal("{\"deleted\": true, \"bytes_freed\": 0, \"reason\": \"not_found\"}",
                   REPLY_REMOVAL_NOT_FOUND, 0);
    expect_removal("{\"deleted\": false, \"reason\": \"in_use\"}", REPLY_REMOVAL_IN_USE, 0);
    expect_removal(" {\"bytes_freed\":1,\"later\":{\"x\":[1]},\"deleted\":true}\r\n ",
                   REPLY_REMOVAL_DELETED, 1);
}

static void
removal_hostile(void **state)
{
    static const char *const bodies[] = {
        "",
        " ",
        "null",
        "true",
        "[]",
        "{}",
        "\"deleted\"",
        "{\"deleted\":true",
        "{\"deleted\":true}",
        "{\"deleted\":true,\"bytes_freed\":1}x",
        "{\"deleted\":true,\"bytes_freed\":1}{}",
        "{\"deleted\":true,\"bytes_freed\":1,}",
        "{'deleted':true,'bytes_freed':1}",
        "{\"deleted\":1,\"bytes_freed\":1}",
        "{\"deleted\":\"true\",\"bytes_freed\":1}",
        "{\"deleted\":null,\"bytes_freed\":1}",
        "{\"bytes_freed\":1}",
        "{\"deleted\":true,\"bytes_freed\":\"1\"}",
        "{\"deleted\":true,\"bytes_freed\":null}",
        "{\"deleted\":true,\"bytes_freed\":true}",
        "{\"deleted\":true,\"bytes_freed\":1.0}",
        "{\"deleted\":true,\"bytes_freed\":1e3}",
        "{\"deleted\":true,\"bytes_freed\":NaN}",
        "{\"deleted\":true,\"bytes_freed\":Infinity}",
        "{\"deleted\":true,\"bytes_freed\":-1}",
        "{\"deleted\":true,\"bytes_freed\":8796093022209}",
        "{\"deleted\":true,\"bytes_freed\":9007199254740993}",
        "{\"deleted\":true,\"bytes_freed\":9223372036854775807}",
        "{\"deleted\":true,\"bytes_freed\":9223372036854775808}",
        "{\"deleted\":true,\"bytes_freed\":99999999999999999999999999}",
        "{\"deleted\":true,\"bytes_freed\":1,\"bytes_freed\":2}",
        "{\"deleted\":false,\"deleted\":true,\"bytes_freed\":2}",
        "{\"deleted\":true,\"bytes_freed\":1,\"x\":{\"a\":1,\"a\":1}}",
        "{\"deleted\":true,\"bytes_freed\":0,\"reason\":\"in_use\"}",
        "{\"deleted\":true,\"bytes_freed\":0,\"reason\":\"other\"}",
        "{\"deleted\":true,\"bytes_freed\":0,\"reason\":null}",
        "{\"deleted\":true,\"bytes_freed\":0,\"reason\":\"\"}",
        "{\"deleted\":true,\"bytes_freed\":7,\"reason\":\"not_found\"}",
        "{\"deleted\":true,\"reason\":\"not_found\"}",
        "{\"deleted\":false}",
        "{\"deleted\":false,\"bytes_freed\":0}",
        "{\"deleted\":false,\"reason\":\"not_found\"}",
        "{\"deleted\":false,\"reason\":[\"in_use\"]}",
        "{\"deleted\":false,\"reason\":\"in_use\",\"bytes_freed\":5}",
        "{\"deleted\":false,\"reason\":\"in_use\\u0000\"}",
        "{\"deleted\":true,\"bytes_freed\":1,\"x\":\"\xff\"}",
        "{\"deleted\":true,\"bytes_freed\":1,\"x\":\"\xed\xa0\x80\"}",
        "{\"deleted\":true,\"bytes_freed\":1,\"x\":\"\xc0\xaf\"}",
        "{\"deleted\":true,\"bytes_freed\":1,\"x\":\"\\ud800\"}",
        "\xef\xbb\xbf{\"deleted\":true,\"bytes_freed\":1}",
        "<html><body>{\"deleted\":true,\"bytes_freed\":1}</body></html>",
        "[{\"deleted\":true,\"bytes_freed\":1}]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        expect_removal(bodies[i], REPLY_REMOVAL_UNKNOWN, 0);
    }
}

static void
removal_with_a_nul(void **state)
{
    static const char inside[] = "{\"deleted\":true,\0\"bytes_freed\":1}";
    static const char after[] = "{\"deleted\":true,\"bytes_freed\":1}\0";
    static const char behind_a_number[] = "{\"deleted\":true,\"bytes_freed\":1\0}";

    (void)state;
    assert_int_equal(reply_removal_parse(behind_a_number, sizeof behind_a_number - 1).kind,
                     REPLY_REMOVAL_UNKNOWN);
    assert_int_equal(reply_removal_parse(inside, sizeof inside - 1).kind, REPLY_REMOVAL_UNKNOWN);
    assert_int_equal(reply_removal_parse(after, sizeof after - 1).kind, REPLY_REMOVAL_UNKNOWN);
}

static void
removal_nested_deeply(void **state)
{
    struct buf body;

    (void)state;
    for (int depth = 1; depth < 60000; depth = depth < 30 ? depth + 1 : depth * 10) {
        enum reply_removal_kind expected =
            depth <= 23 ? REPLY_REMOVAL_DELETED : REPLY_REMOVAL_UNKNOWN;

        buf_init(&body, 1 << 20);
        assert_true(buf_add_text(&body, "{\"deleted\":true,\"bytes_freed\":1,\"x\":"));
        for (int i = 0; i < depth; i++) {
            assert_true(buf_add_text(&body, "["));
        }
        for (int i = 0; i < depth; i++) {
            assert_true(buf_add_text(&body, "]"));
        }
        assert_true(buf_add_text(&body, "}"));
        assert_int_equal(reply_removal_parse(buf_text(&body), body.length).kind, expected);
        buf_free(&body);
    }
}

static bool
is_shallow(const char *body)
{
    return reply_text_is_shallow(body, strlen(body), 1);
}

static void
brackets_in_strings_are_no_nesting(void **state)
{
    (void)state;
    assert_true(is_shallow("\"[[[[\\\"[[[[\\\\\"["));
    assert_false(is_shallow("\"\\\\\"[["));
    assert_true(is_shallow("[\"[\"]"));
    assert_true(is_shallow("\"\\"));
    assert_true(is_shallow("[][][]{}"));
    assert_true(is_shallow("{}{}{}[]"));
    assert_true(is_shallow("]]]"));
}

static void
expect_info(const char *body, enum reply_info_kind kind, const char *version)
{
    struct reply_info info = reply_info_parse(body, strlen(body));

    if (info.kind != kind || strcmp(info.version, version) != 0) {
        fail_msg("%s: kind %d, version \"%s\"", body, (int)info.kind, info.version);
    }
}

static void
info_versions(void **state)
{
    (void)state;
    expect_info("{\"version\": \"0.4.4\", \"docker\": true, \"kubernetes\": {\"enabled\": false}}",
                REPLY_INFO_OK, "0.4.4");
    expect_info("{\"version\": 0.4}", REPLY_INFO_OK, "0.4");
    expect_info("{\"version\": 0.3}", REPLY_INFO_TOO_OLD, "0.3");
    expect_info("{\"version\": 0}", REPLY_INFO_TOO_OLD, "0");
    expect_info("{\"version\": 1}", REPLY_INFO_OK, "1");
    expect_info("{\"version\": \"0.4.1\"}", REPLY_INFO_OK, "0.4.1");
    expect_info("{\"version\": \"0.4.10\"}", REPLY_INFO_OK, "0.4.10");
    expect_info("{\"version\": \"0.10.0\"}", REPLY_INFO_OK, "0.10.0");
    expect_info("{\"version\": \"1.0.0\"}", REPLY_INFO_OK, "1.0.0");
    expect_info("{\"version\": \"1.0\"}", REPLY_INFO_OK, "1.0");
    expect_info("{\"version\": \"0.5.dev1\"}", REPLY_INFO_OK, "0.5.dev1");
    expect_info("{\"version\": \"0.4-7\"}", REPLY_INFO_TOO_OLD, "0.4-7");
    expect_info("{\"version\": \"0.5.0-rc1\"}", REPLY_INFO_OK, "0.5.0-rc1");
    expect_info("{\"version\": \"0.5.0.dev1\"}", REPLY_INFO_OK, "0.5.0.dev1");
    /* What is longer than any release's suffix may be the key that was sent. */
    expect_info("{\"version\": \"0.5.0-beta.12\"}", REPLY_INFO_OK, "0.5.0-beta.12");
    expect_info("{\"version\": \"0.5-test-shared-key\"}", REPLY_INFO_OK, "0.5.0");
    expect_info("{\"version\": \"0.4.4.1234567890\", \"docker\": false}", REPLY_INFO_NO_DOCKER,
                "0.4.4");
    expect_info("{\"version\": \"0.4.0\"}", REPLY_INFO_TOO_OLD, "0.4.0");
    expect_info("{\"version\": \"0.3.99\"}", REPLY_INFO_TOO_OLD, "0.3.99");
    expect_info("{\"version\": \"0.4.4\", \"docker\": false}", REPLY_INFO_NO_DOCKER, "0.4.4");
    expect_info("{\"version\": 0.3, \"docker\": false}", REPLY_INFO_TOO_OLD, "0.3");
}

static void
info_hostile(void **state)
{
    static const char *const bodies[] = {
        "",
        "{}",
        "[\"0.4.4\"]",
        "{\"version\":null}",
        "{\"version\":true}",
        "{\"version\":[0.4]}",
        "{\"version\":\"\"}",
        "{\"version\":\"4\"}",
        "{\"version\":\"v0.4.4\"}",
        "{\"version\":\"0.4.4 \"}",
        "{\"version\":\"0.4.4\\n\"}",
        "{\"version\":\"0..4\"}",
        "{\"version\":\"0-4.4\"}",
        "{\"version\":\"4x5.1\"}",
        "{\"version\":\".4.4\"}",
        "{\"version\":\"-1.4.4\"}",
        "{\"version\":\"99999999.0.0\"}",
        "{\"version\":\"0.99999999999999999999.0\"}",
        "{\"version\":\"0.4.99999999999999999999\"}",
        "{\"version\":\"0.4.4-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
        "{\"version\":-0.4}",
        "{\"version\":1e300}",
        "{\"version\":1e999}",
        "{\"version\":\"0.4.4\",\"version\":\"0.4.4\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        expect_info(bodies[i], REPLY_INFO_UNKNOWN, "");
    }
    expect_info("{\"version\":\"0.4.4\",\"docker\":\"yes\"}", REPLY_INFO_UNKNOWN, "0.4.4");
    expect_info("{\"version\":\"0.4.4\",\"docker\":null}", REPLY_INFO_UNKNOWN, "0.4.4");
}

static struct reply_image
image_of(const char *body)
{
    return reply_image_parse(body, strlen(body));
}

static void
image_as_docker_says_it(void **state)
{
    struct reply_image image = image_of(
        "{\"Id\":\"" ID "\",\"RepoTags\":[\"used/app:1\",\"b:2\"],\"RepoDigests\":[\"used/app@" ID
        "\"],\"Parent\":\"\",\"Size\":3000,\"VirtualSize\":3000,"
        "\"GraphDriver\":{\"Data\":null,\"Name\":\"vfs\"},\"RootFS\":{\"Layers\":[\"" ID "\"]},"
        "\"Config\":{\"Labels\":{\"a\":\"b\"},\"ExposedPorts\":{\"80/tcp\":{}}},"
        "\"Metadata\":{\"LastTagTime\":\"2026-11-23T03:35:53.123456789Z\"}}");

    (void)state;
    assert_true(image.valid);
    assert_string_equal(image.id, ID);
    assert_int_equal(image.size, 3000);
    assert_int_equal(image.tag_count, 2);
    assert_int_equal(image.digest_count, 1);
    assert_string_equal(image.first_tag, "used/app:1");
    assert_true(image.last_tag_ms == INT64_C(1795404953123));
}

static void
image_without_names(void **state)
{
    static const char *const bodies[] = {
        "{\"Id\":\"" ID "\"}",
        "{\"Id\":\"" ID "\",\"RepoTags\":null,\"RepoDigests\":null,\"Metadata\":null}",
        "{\"Id\":\"" ID "\",\"RepoTags\":[],\"RepoDigests\":[],\"Metadata\":{}}",
        "{\"Id\":\"" ID "\",\"RepoTags\":[\"<none>:<none>\"],\"RepoDigests\":[\"<none>@<none>\"],"
        "\"Metadata\":{\"LastTagTime\":\"0001-01-01T00:00:00Z\"}}",
        "{\"Id\":\"" ID "\",\"Metadata\":{\"LastTagTime\":null}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct reply_image image = image_of(bodies[i]);

        assert_true(image.valid);
        assert_int_equal(image.tag_count, 0);
        assert_int_equal(image.digest_count, 0);
        assert_string_equal(image.first_tag, "");
        assert_true(image.last_tag_ms == INT64_MIN);
    }
}

static void
image_hostile(void **state)
{
    static const char *const bodies[] = {
        "",
        "[]",
        "{}",
        "{\"Id\":\"sha256:abc\"}",
        "{\"Id\":\"" HEX64 "\"}",
        "{\"Id\":\"" ID "0\"}",
        "{\"Id\":5}",
        "{\"Id\":\"" ID "\",\"Id\":\"" ID "\"}",
        "{\"Id\":\"" ID "\",\"Size\":-1}",
        "{\"Id\":\"" ID "\",\"Size\":\"1\"}",
        "{\"Id\":\"" ID "\",\"Size\":1.5}",
        "{\"Id\":\"" ID "\",\"Size\":8796093022209}",
        "{\"Id\":\"" ID "\",\"RepoTags\":\"a:1\"}",
        "{\"Id\":\"" ID "\",\"RepoTags\":[1]}",
        "{\"Id\":\"" ID "\",\"RepoTags\":{}}",
        "{\"Id\":\"" ID "\",\"RepoDigests\":[null]}",
        "{\"Id\":\"" ID "\",\"Metadata\":[]}",
        "{\"Id\":\"" ID "\",\"Metadata\":\"x\"}",
        "{\"Id\":\"" ID "\",\"Metadata\":{\"LastTagTime\":5}}",
        "{\"Id\":\"" ID "\",\"Metadata\":{\"LastTagTime\":\"yesterday\"}}",
        "{\"Id\":\"" ID "\",\"Metadata\":{\"LastTagTime\":\"\"}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        if (image_of(bodies[i]).valid) {
            fail_msg("%s passed", bodies[i]);
        }
    }
}

static void
image_with_a_long_tag(void **state)
{
    char *tag = mem_alloc(1001, 1);
    char *body;
    struct reply_image image;

    (void)state;
    memset(tag, 'a', 1000);
    body = mem_printf("{\"Id\":\"%s\",\"RepoTags\":[\"%s\"]}", ID, tag);
    image = image_of(body);
    assert_true(image.valid);
    assert_int_equal(strlen(image.first_tag), sizeof image.first_tag - 1);
    mem_free(body);
    mem_free(tag);
}

static void
times(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.001Z", 1},
        {"1970-01-01T00:00:00.001z", 1},
        {"1970-01-01T00:00:00.0019999Z", 1},
        {"1969-12-31T23:59:59Z", -1000},
        {"1970-01-01T01:00:00+01:00", 0},
        {"1969-12-31T18:30:00-05:30", 0},
        {"2000-02-29T12:00:00Z", INT64_C(951825600000)},
        {"2000-03-01T00:00:00Z", INT64_C(951868800000)},
        {"2026-11-23T03:35:53.5+02:00", INT64_C(1795397753500)},
        {"9999-12-31T23:59:59.999999999Z", INT64_C(253402300799999)},
        {"0001-01-01T00:00:00Z", INT64_MIN},
        {"0000-01-01T00:00:00Z", INT64_MIN},
    };
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11-23",
        "2026-11-23T03:35:53",
        "2026-11-23 03:35:53Z",
        "2026-11-23T03:35:53.Z",
        "2026-11-23T03:35:53Zx",
        "2026-11-23T03:35:53x01:00",
        "2026-11-23T03:35:53+01x00",
        "2026-11-23T03:35:53+01:00x",
        "2026-11-23T03:35:53+0100",
        "2026-11-23T03:35:53+01:0",
        "2026-11-23T03:35:53+25:00",
        "2026-11-23T03:35:53+01:60",
        "2026-13-23T03:35:53Z",
        "2026-00-23T03:35:53Z",
        "2026-04-31T03:35:53Z",
        "2026-11-00T03:35:53Z",
        "2026-11-23T24:35:53Z",
        "2026-11-23T03:60:53Z",
        "2026-11-23T03:35:61Z",
        "26-11-23T03:35:53Z",
        "20261-11-23T03:35:53Z",
        "+026-11-23T03:35:53Z",
    };
    int64_t ms = 0;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(reply_text_parse_time(good[i].text, &ms));
        if (ms != good[i].ms) {
            fail_msg("%s: %lld", good[i].text, (long long)ms);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (reply_text_parse_time(bad[i], &ms)) {
            fail_msg("\"%s\" passed", bad[i]);
        }
    }
}

static enum reply_message
message_of(const char *body)
{
    return reply_message_parse(body, strlen(body));
}

static void
messages(void **state)
{
    (void)state;
    assert_int_equal(message_of("{\"message\":\"no such image: x: No such image: x:latest\"}\n"),
                     REPLY_MESSAGE_NO_SUCH_IMAGE);
    assert_int_equal(message_of("{\"message\":\"No such image: x:1\"}"),
                     REPLY_MESSAGE_NO_SUCH_IMAGE);
    assert_int_equal(message_of("{\"message\":\"No such image\"}"), REPLY_MESSAGE_NO_SUCH_IMAGE);
    assert_int_equal(message_of("{\"message\":\"no\"}"), REPLY_MESSAGE_OTHER);
    assert_int_equal(message_of("{\"message\":\"invalid reference format\"}"),
                     REPLY_MESSAGE_INVALID_REFERENCE);
    assert_int_equal(message_of("{\"message\":\"page not found\"}"), REPLY_MESSAGE_OTHER);
    assert_int_equal(message_of("{\"message\":5}"), REPLY_MESSAGE_NONE);
    assert_int_equal(message_of("{\"error\":\"no such image\"}"), REPLY_MESSAGE_NONE);
    assert_int_equal(message_of("no such image"), REPLY_MESSAGE_NONE);
    assert_int_equal(message_of("{\"message\":\"no such image\"}x"), REPLY_MESSAGE_NONE);
}

static void
parts_of_texts(void **state)
{
    (void)state;
    assert_true(reply_text_contains("Well, NO Such Image", "no such image"));
    /* A text ends where it ends, whatever stands behind. */
    assert_false(reply_text_contains("no\0such image", "no such image"));
    assert_false(reply_text_contains("", "no such image"));
}

static void
requests(void **state)
{
    char *body = reply_removal_request("ghcr.io/nextcloud/demo:1.0");

    (void)state;
    assert_string_equal(body, "{\"image_ref\":\"ghcr.io/nextcloud/demo:1.0\"}");
    mem_free(body);
    body = reply_removal_request("a\"b\\c\n");
    assert_string_equal(body, "{\"image_ref\":\"a\\\"b\\\\c\\n\"}");
    mem_free(body);
    assert_null(reply_removal_request("a\xff"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(removal_as_harp_says_it),
        cmocka_unit_test(removal_hostile),
        cmocka_unit_test(removal_with_a_nul),
        cmocka_unit_test(removal_nested_deeply),
        cmocka_unit_test(brackets_in_strings_are_no_nesting),
        cmocka_unit_test(info_versions),
        cmocka_unit_test(info_hostile),
        cmocka_unit_test(image_as_docker_says_it),
        cmocka_unit_test(image_without_names),
        cmocka_unit_test(image_hostile),
        cmocka_unit_test(image_with_a_long_tag),
        cmocka_unit_test(times),
        cmocka_unit_test(messages),
        cmocka_unit_test(parts_of_texts),
        cmocka_unit_test(requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
