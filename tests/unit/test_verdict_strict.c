/*
 * Answers that are nearly right, wrong on purpose, or mean to do harm: never a success, never a
 * crash, and nothing of theirs in what people get to read.
 */
#include "buf.h"
#include "mem.h"
#include "verdict_case.h"

#include <stdio.h>

#define HEX64 "580c10577f0ad110f8eaa64cfffbd524b0103397d8695a7804b2aa435d27dab5"
#define ID "sha256:" HEX64
#define GOOD "{\"deleted\": true, \"bytes_freed\": 5000}"

static const struct verdict_job job = {.image_ref = "app:1", .protect_unpullable = true};

static struct http_answer
answer_of(long status, const char *type, const char *body, size_t length)
{
    return (struct http_answer){HTTP_ANSWERED, "", status, type, body, length, 12};
}

/* As an answer to each question. Whoever says this is not HaRP. */
static void
expect_stranger(const char *body, size_t length)
{
    const struct http_answer answer = answer_of(200, JSON, body, length);
    const struct verdict_core want = STOP(NOT_HARP);
    enum verdict_target target = VERDICT_TARGET_REF;
    char version[32];
    struct verdict verdict = verdict_of_removal(&answer);

    expect_sane(body, &verdict);
    expect_core(body, &verdict, &want);
    verdict = verdict_of_info(&answer, version);
    expect_sane(body, &verdict);
    expect_core(body, &verdict, &want);
    assert_string_equal(version, "");
    verdict = verdict_of_inspect(&answer, &job, &target);
    expect_sane(body, &verdict);
    expect_core(body, &verdict, &want);
}

static void
expect_strangers(const char *const *bodies, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        expect_stranger(bodies[i], strlen(bodies[i]));
    }
}

#define EXPECT_STRANGERS(...)                                       \
    do {                                                            \
        static const char *const bodies[] = {__VA_ARGS__};          \
                                                                    \
        (void)state;                                                \
        expect_strangers(bodies, sizeof bodies / sizeof bodies[0]); \
    } while (0)

static void
wrong_types(void **state)
{
    EXPECT_STRANGERS(
        "null", "true", "5000", "\"deleted\"", "[]", "[" GOOD "]", "{}",
        "{\"deleted\":1,\"bytes_freed\":1}", "{\"deleted\":\"true\",\"bytes_freed\":1}",
        "{\"deleted\":null,\"bytes_freed\":1}", "{\"deleted\":[true],\"bytes_freed\":1}",
        "{\"deleted\":true,\"bytes_freed\":\"1\"}", "{\"deleted\":true,\"bytes_freed\":null}",
        "{\"deleted\":true,\"bytes_freed\":true}", "{\"deleted\":true,\"bytes_freed\":[1]}",
        "{\"deleted\":true,\"bytes_freed\":0,\"reason\":null}",
        "{\"deleted\":true,\"bytes_freed\":0,\"reason\":1}",
        "{\"deleted\":false,\"reason\":[\"in_use\"]}", "{\"version\":null}", "{\"version\":[4]}",
        "{\"version\":{\"major\":0}}", "{\"version\":true}", "{\"Id\":5}", "{\"Id\":[\"" ID "\"]}",
        "{\"Id\":\"" ID "\",\"RepoTags\":\"app:1\"}", "{\"Id\":\"" ID "\",\"RepoTags\":[1]}",
        "{\"Id\":\"" ID "\",\"RepoDigests\":{\"a\":1}}", "{\"Id\":\"" ID "\",\"Size\":\"1\"}",
        "{\"Id\":\"" ID "\",\"Metadata\":{\"LastTagTime\":1795404953}}");
}

static void
missing_members(void **state)
{
    EXPECT_STRANGERS("{\"deleted\":true}", "{\"bytes_freed\":5000}", "{\"deleted\":false}",
                     "{\"reason\":\"not_found\"}", "{\"deleted\":true,\"reason\":\"not_found\"}",
                     "{\"Deleted\":true,\"Bytes_freed\":5000}", "{\"docker\":true}",
                     "{\"RepoTags\":[\"app:1\"],\"Size\":3000}");
}

static void
contradictions(void **state)
{
    EXPECT_STRANGERS("{\"deleted\":true,\"bytes_freed\":7,\"reason\":\"not_found\"}",
                     "{\"deleted\":true,\"bytes_freed\":0,\"reason\":\"in_use\"}",
                     "{\"deleted\":false,\"bytes_freed\":7,\"reason\":\"in_use\"}",
                     "{\"deleted\":false,\"reason\":\"not_found\"}",
                     "{\"deleted\":false,\"bytes_freed\":5000}");
}

static void
duplicate_keys(void **state)
{
    EXPECT_STRANGERS("{\"deleted\":false,\"deleted\":true,\"bytes_freed\":5000}",
                     "{\"deleted\":true,\"deleted\":true,\"bytes_freed\":5000}",
                     "{\"deleted\":true,\"bytes_freed\":1,\"bytes_freed\":2}",
                     "{\"deleted\":true,\"bytes_freed\":1,\"\\u0062ytes_freed\":2}",
                     "{\"deleted\":true,\"bytes_freed\":1,\"x\":{\"a\":1,\"a\":2}}",
                     "{\"version\":\"0.3.0\",\"version\":\"0.4.4\"}",
                     "{\"Id\":\"" ID "\",\"Id\":\"" ID "\"}",
                     "{\"Id\":\"" ID "\",\"RepoTags\":[],\"RepoTags\":[\"app:1\"]}");
}

static void
numbers_that_are_none(void **state)
{
    EXPECT_STRANGERS(
        "{\"deleted\":true,\"bytes_freed\":NaN}", "{\"deleted\":true,\"bytes_freed\":Infinity}",
        "{\"deleted\":true,\"bytes_freed\":-Infinity}", "{\"deleted\":true,\"bytes_freed\":0x10}",
        "{\"deleted\":true,\"bytes_freed\":007}", "{\"deleted\":true,\"bytes_freed\":+7}",
        "{\"deleted\":true,\"bytes_freed\":.5}", "{\"deleted\":true,\"bytes_freed\":7.0}",
        "{\"deleted\":true,\"bytes_freed\":7e2}", GOOD "NaN", "{\"version\":NaN}",
        "{\"version\":Infinity}", "{\"version\":1e999}", "{\"version\":-0.4}");
}

static void
bytes_out_of_range(void **state)
{
    EXPECT_STRANGERS("{\"deleted\":true,\"bytes_freed\":-1}",
                     "{\"deleted\":true,\"bytes_freed\":-9223372036854775808}",
                     "{\"deleted\":true,\"bytes_freed\":9007199254740993}",
                     "{\"deleted\":true,\"bytes_freed\":9223372036854775807}",
                     "{\"deleted\":true,\"bytes_freed\":9223372036854775808}",
                     "{\"deleted\":true,\"bytes_freed\":18446744073709551616}",
                     "{\"deleted\":true,\"bytes_freed\":99999999999999999999999999999999999999}",
                     "{\"Id\":\"" ID "\",\"Size\":-1}",
                     "{\"Id\":\"" ID "\",\"Size\":9223372036854775808}");
}

static void
something_after_the_value(void **state)
{
    EXPECT_STRANGERS(GOOD "x", GOOD GOOD, GOOD "\n<html>", GOOD ",", GOOD "]",
                     "{\"version\":\"0.4.4\"}x", "{\"version\":\"0.4.4\"} {}",
                     "{\"Id\":\"" ID "\"}}", "{\"Id\":\"" ID "\"}\n\n0");
}

static void
something_before_the_value(void **state)
{
    EXPECT_STRANGERS("\xef\xbb\xbf" GOOD, "x" GOOD, ")]}',\n" GOOD, "callback(" GOOD ")",
                     "\xef\xbb\xbf{\"version\":\"0.4.4\"}", "while(1);{\"Id\":\"" ID "\"}");
}

static void
not_quite_json(void **state)
{
    EXPECT_STRANGERS(
        "", " \r\n", "{'deleted':true,'bytes_freed':1}", "{deleted:true,bytes_freed:1}",
        "{\"deleted\":true,\"bytes_freed\":1,}", "{\"deleted\":True,\"bytes_freed\":1}",
        "{\"deleted\":true \"bytes_freed\":1}", "{\"deleted\":true,\"bytes_freed\":1 /* bytes */}",
        "{\"deleted\":true,\"bytes_freed\":1,\"x\":\"a\nb\"}", "<html>" GOOD "</html>");
}

static void
invalid_utf8(void **state)
{
    EXPECT_STRANGERS("{\"deleted\":true,\"bytes_freed\":1,\"x\":\"\xff\"}",
                     "{\"deleted\":true,\"bytes_freed\":1,\"\xc3\":1}",
                     "{\"deleted\":true,\"bytes_freed\":1,\"x\":\"\xc0\xaf\"}",
                     "{\"deleted\":true,\"bytes_freed\":1,\"x\":\"\xed\xa0\x80\"}",
                     "{\"deleted\":true,\"bytes_freed\":1,\"x\":\"\xf4\x90\x80\x80\"}",
                     "{\"deleted\":true,\"bytes_freed\":1,\"x\":\"\\ud800\"}",
                     "{\"version\":\"0.4.4\",\"x\":\"\xe9\"}",
                     "{\"Id\":\"" ID "\",\"RepoTags\":[\"caf\xe9:1\"]}");
}

static void
nul_bytes(void **state)
{
    static const char after[] = GOOD "\0";
    static const char inside[] = "{\"deleted\":true,\0\"bytes_freed\":5000}";
    static const char escaped[] = "{\"deleted\":false,\"reason\":\"in_use\\u0000\"}";
    static const char wide[] = "{\0\"\0d\0\"\0:\0001\0}\0";

    (void)state;
    expect_stranger(after, sizeof after - 1);
    expect_stranger(inside, sizeof inside - 1);
    expect_stranger(escaped, sizeof escaped - 1);
    expect_stranger(wide, sizeof wide - 1);
}

static void
deep_nesting(void **state)
{
    static const char *const heads[] = {
        "{\"deleted\":true,\"bytes_freed\":1,\"x\":", "{\"version\":\"0.4.4\",\"x\":",
        "{\"Id\":\"" ID "\",\"x\":", ""};
    (void)state;
    for (size_t head = 0; head < sizeof heads / sizeof heads[0]; head++) {
        for (int depth = 24; depth < 32000; depth *= 6) {
            struct buf body;

            buf_init(&body, HTTP_BODY_MAX);
            assert_true(buf_add_text(&body, heads[head]));
            for (int i = 0; i < 2 * depth; i++) {
                assert_true(buf_add_text(&body, i < depth ? "[" : "]"));
            }
            assert_true(buf_add_text(&body, heads[head][0] == '\0' ? "" : "}"));
            expect_stranger(buf_text(&body), body.length);
            buf_free(&body);
        }
    }
}

/* An answer that broke off is no answer, wherever it did, even if HTTP takes it for a whole one. */
static void
every_beginning_of_a_good_answer(void **state)
{
    static const char *const bodies[] = {
        GOOD, "{\"deleted\": true, \"bytes_freed\": 0, \"reason\": \"not_found\"}",
        "{\"version\": \"0.4.4\", \"docker\": true}",
        "{\"Id\":\"" ID "\",\"RepoTags\":[\"app:1\"],\"Metadata\":{}}"};

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        for (size_t length = 0; length < strlen(bodies[i]); length++) {
            char *body = mem_strndup(bodies[i], length);

            expect_stranger(body, length);
            mem_free(body);
        }
    }
}

/* The same words as another type are a page about HaRP, or a trap. */
static void
success_of_another_type(void **state)
{
    static const char *const types[] = {"",
                                        "text/plain",
                                        HTML,
                                        "application/jsonp",
                                        "application/json-seq",
                                        "application/problem+json",
                                        "application/octet-stream",
                                        "text/json",
                                        "json",
                                        " application/json",
                                        "text/html; application/json"};
    static const char *const good[] = {"application/json", "APPLICATION/JSON",
                                       "application/json;charset=utf-8", "application/json ;x"};

    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const struct http_answer answer = answer_of(200, types[i], GOOD, sizeof GOOD - 1);
        const struct verdict_core want = STOP(NOT_HARP);
        const struct verdict verdict = verdict_of_removal(&answer);

        expect_core(types[i], &verdict, &want);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const struct http_answer answer = answer_of(200, good[i], GOOD, sizeof GOOD - 1);

        assert_int_equal(verdict_of_removal(&answer).state, VERDICT_REMOVED);
    }
}

/* Only 200 can be a success: not one other status, whatever its body says. */
static void
success_with_another_status(void **state)
{
    enum verdict_target target = VERDICT_TARGET_REF;
    char version[32];

    (void)state;
    for (long status = -1; status <= 1000; status++) {
        const struct http_answer removal = answer_of(status, JSON, GOOD, sizeof GOOD - 1);
        const struct http_answer info = answer_of(status, JSON, "{\"version\":\"0.4.4\"}", 19);
        const struct http_answer image = answer_of(status, JSON, "{\"Id\":\"" ID "\"}", 80);

        if (status == 200) {
            continue;
        }
        assert_int_not_equal(verdict_of_removal(&removal).action, VERDICT_DONE);
        assert_int_not_equal(verdict_of_info(&info, version).action, VERDICT_GO_ON);
        assert_int_not_equal(verdict_of_inspect(&image, &job, &target).action, VERDICT_GO_ON);
        assert_int_not_equal(verdict_of_inspect(&image, &job, &target).action, VERDICT_DONE);
    }
}

/* What stands between the quotes is what somebody called an image. */
static void
engine_status_only_at_the_end(void **state)
{
    static const struct {
        const char *body;
        struct verdict_core want;
    } rows[] = {
        {"Error removing image 'x' via Docker Engine: Status 400' via Docker Engine: Status 500",
         PLAIN(RETRY)},
        {"Error removing image 'x' via Docker Engine: Status 400\r\n", PLAIN(FAIL)},
        {"Error removing image '' via Docker Engine: Status 400", PLAIN(FAIL)},
        {"Error removing image ' via Docker Engine: Status 400", RETRY_TWO_STOP},
        {"Error removing image 'x' via Docker Engine: Status 40", RETRY_TWO_STOP},
        {"Error removing image 'x' via Docker Engine: Status 4000", RETRY_TWO_STOP},
        {"Error removing image 'x' via Docker Engine: Status 40x", RETRY_TWO_STOP},
        {"Error removing image 'x' via Docker Engine: Status -40", RETRY_TWO_STOP},
        {"Error removing image 'x' via Docker Engine: Status 400 x", RETRY_TWO_STOP},
        {"error removing image 'x' via Docker Engine: Status 400", RETRY_TWO_STOP},
        {"Status 400", RETRY_TWO_STOP},
        {"400", RETRY_TWO_STOP},
        {"", RETRY_TWO_STOP},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct http_answer answer = answer_of(503, TEXT, rows[i].body, strlen(rows[i].body));
        const struct verdict verdict = verdict_of_removal(&answer);

        expect_core(rows[i].body, &verdict, &rows[i].want);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_types),
        cmocka_unit_test(missing_members),
        cmocka_unit_test(contradictions),
        cmocka_unit_test(duplicate_keys),
        cmocka_unit_test(numbers_that_are_none),
        cmocka_unit_test(bytes_out_of_range),
        cmocka_unit_test(something_after_the_value),
        cmocka_unit_test(something_before_the_value),
        cmocka_unit_test(not_quite_json),
        cmocka_unit_test(invalid_utf8),
        cmocka_unit_test(nul_bytes),
        cmocka_unit_test(deep_nesting),
        cmocka_unit_test(every_beginning_of_a_good_answer),
        cmocka_unit_test(success_of_another_type),
        cmocka_unit_test(success_with_another_status),
        cmocka_unit_test(engine_status_only_at_the_end),
    };

    return cmocka_run_group_tests_name("strict", tests, NULL, NULL);
}
