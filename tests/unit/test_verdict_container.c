/* Answers of GET …/containers/nc_app_X/json. */
#include "verdict_case.h"

#define ID "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CONTAINER(image, ref, status)                                                          \
    "{\"Id\":\"c0ffee\",\"Image\":\"" image "\",\"State\":{\"Status\":\"" status               \
    "\",\"Running\":true},\"Config\":{\"Image\":\"" ref "\",\"Env\":[\"APP_SECRET=geheim\"]}," \
    "\"HostConfig\":{\"Binds\":null}}\n"

static struct verdict_container container;

static struct verdict
judge(struct http_answer answer)
{
    return verdict_of_container(&answer, &container);
}

static void
test_a_container(void **state)
{
    struct verdict verdict = judge(
        (struct http_answer)ANSWER(200, DOCKER_JSON, CONTAINER(ID, "ghcr.io/x/y:1", "running")));

    (void)state;
    assert_int_equal(verdict.action, VERDICT_GO_ON);
    assert_true(container.exists);
    assert_string_equal(container.image_id, ID);
    assert_string_equal(container.image_ref, "ghcr.io/x/y:1");
    assert_string_equal(container.status, "running");
}

static void
test_a_reference_that_nobody_could_delete_by(void **state)
{
    struct verdict verdict =
        judge((struct http_answer)ANSWER(200, DOCKER_JSON, CONTAINER(ID, "../x y", "exited")));

    (void)state;
    assert_int_equal(verdict.action, VERDICT_GO_ON);
    assert_string_equal(container.image_ref, ID);
}

static void
test_none(void **state)
{
    struct verdict verdict = judge((struct http_answer)ANSWER(
        404, DOCKER_JSON, "{\"message\":\"No such container: nc_app_x\"}\n"));

    (void)state;
    assert_int_equal(verdict.action, VERDICT_GO_ON);
    assert_false(container.exists);
}

static void
test_what_is_no_container(void **state)
{
    static const struct {
        struct http_answer answer;
        enum verdict_action action;
        enum verdict_stop stop;
    } cases[] = {
        {ANSWER(200, DOCKER_JSON, "{}"), VERDICT_STOP, VERDICT_STOP_NOT_HARP},
        {ANSWER(200, DOCKER_JSON, "[]"), VERDICT_STOP, VERDICT_STOP_NOT_HARP},
        {ANSWER(200, HTML, CONTAINER(ID, "a:1", "running")), VERDICT_STOP, VERDICT_STOP_NOT_HARP},
        {ANSWER(200, DOCKER_JSON, CONTAINER("sha256:12", "a:1", "running")), VERDICT_STOP,
         VERDICT_STOP_NOT_HARP},
        {ANSWER(200, DOCKER_JSON, CONTAINER(ID, "", "running")), VERDICT_STOP,
         VERDICT_STOP_NOT_HARP},
        {ANSWER(200, DOCKER_JSON, CONTAINER(ID, "a\\n:1", "running")), VERDICT_STOP,
         VERDICT_STOP_NOT_HARP},
        {ANSWER(200, DOCKER_JSON, CONTAINER(ID, "a\x7f:1", "running")), VERDICT_STOP,
         VERDICT_STOP_NOT_HARP},
        {ANSWER(200, DOCKER_JSON, CONTAINER(ID, "a:1", "a state that nobody knows")), VERDICT_STOP,
         VERDICT_STOP_NOT_HARP},
        {ANSWER(404, DOCKER_JSON, "{\"message\":\"page not found\"}\n"), VERDICT_STOP,
         VERDICT_STOP_NOT_HARP},
        {ANSWER(404, TEXT, "404: Not Found"), VERDICT_STOP, VERDICT_STOP_TOO_OLD},
        {ANSWER(401, HAPROXY_TEXT, "401 Unauthorized"), VERDICT_STOP, VERDICT_STOP_UNAUTHORIZED},
        {ANSWER(403, DOCKER_JSON, "{\"message\":\"no\"}\n"), VERDICT_STOP, VERDICT_STOP_FORBIDDEN},
        {ANSWER(500, DOCKER_JSON, "{\"message\":\"trouble\"}\n"), VERDICT_RETRY, VERDICT_STOP_NONE},
        {ANSWER(503, HTML, "<html>No server is available to handle this request.</html>"),
         VERDICT_STOP, VERDICT_STOP_DOWN},
        {ANSWER(500, DOCKER_JSON, "{\"message\":\"No such container: nc_app_x\"}"), VERDICT_RETRY,
         VERDICT_STOP_NONE},
        {ANSWER(404, TEXT, "{\"message\":\"No such container: nc_app_x\"}"), VERDICT_STOP,
         VERDICT_STOP_NOT_HARP},
        {REST(HTTP_CUT, 200, DOCKER_JSON, CONTAINER(ID, "a:1", "running")), VERDICT_RETRY,
         VERDICT_STOP_NONE},
        {REST(HTTP_CUT, 404, DOCKER_JSON, "{\"message\":\"No such container: nc_app_x\"}"),
         VERDICT_RETRY, VERDICT_STOP_NONE},
        {REST(HTTP_TOO_LARGE, 500, DOCKER_JSON, "{"), VERDICT_STOP, VERDICT_STOP_NOT_HARP},
        {REST(HTTP_TOO_LARGE, 200, HTML, "<html>"), VERDICT_STOP, VERDICT_STOP_NOT_HARP},
        {NO_ANSWER(HTTP_NOT_CONNECTED, "refused"), VERDICT_STOP, VERDICT_STOP_DOWN},
        {NO_ANSWER(HTTP_SILENT, "timeout"), VERDICT_STOP, VERDICT_STOP_SILENT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct verdict verdict = judge(cases[i].answer);

        assert_int_equal(verdict.action, cases[i].action);
        assert_int_equal(verdict.stop, cases[i].stop);
        assert_false(container.exists);
        assert_null(strstr(verdict.reason, "geheim"));
    }
}

static void
test_one_that_is_too_large(void **state)
{
    struct http_answer answer = ANSWER(200, DOCKER_JSON, "{");
    struct verdict verdict;

    (void)state;
    answer.transport = HTTP_TOO_LARGE;
    verdict = judge(answer);
    assert_int_equal(verdict.action, VERDICT_RETRY);
    assert_false(verdict.two_stop);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_container),
        cmocka_unit_test(test_a_reference_that_nobody_could_delete_by),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_what_is_no_container),
        cmocka_unit_test(test_one_that_is_too_large),
    };

    return cmocka_run_group_tests_name("verdict_container", tests, NULL, NULL);
}
