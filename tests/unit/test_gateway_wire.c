/* HaRP's requests as they arrive: two daemons, each with its own key, at two servers. */
#include "gateway.h"
#include "http_client.h"

#define ID "sha256:580c10577f0ad110f8eaa64cfffbd524b0103397d8695a7804b2aa435d27dab5"

static const struct gateway_limits limits = {
    .connect_timeout_ms = 5000, .timeout_ms = 10000, .send_by_ms = 0};
static char key_one[] = "key-of-one";
static char key_two[] = "key-of-two!~ #+";
static struct client client;
static struct tiny_server servers[2];
static struct conf_daemon daemons[2];

static int
begin(void **state)
{
    (void)state;
    client_open(&client, 4);
    for (size_t i = 0; i < 2; i++) {
        tiny_open(&servers[i]);
        tiny_say(&servers[i], OK_REPLY, TINY_KEEP);
        daemons[i] = (struct conf_daemon){.url = servers[i].url,
                                          .key = i == 0 ? key_one : key_two,
                                          .engine_port = i == 0 ? 24000 : 1};
    }
    return 0;
}

static int
end(void **state)
{
    (void)state;
    http_close(client.http);
    tiny_close(&servers[0]);
    tiny_close(&servers[1]);
    return 0;
}

/* All four requests to one daemon, one after the other. */
static void
ask_all(const struct conf_daemon *daemon, const char *ref)
{
    struct err err;

    assert_true(gateway_begin_info(client.http, daemon, &limits, NULL, &err));
    client_run(&client, &servers[0], &servers[1]);
    assert_true(gateway_begin_ping(client.http, daemon, &limits, NULL, &err));
    client_run(&client, &servers[0], &servers[1]);
    assert_true(gateway_begin_inspect(client.http, daemon, &limits, ref, NULL, &err));
    client_run(&client, &servers[0], &servers[1]);
    assert_true(gateway_begin_removal(client.http, daemon, &limits, ref, NULL, &err));
    client_run(&client, &servers[0], &servers[1]);
}

static void
requests_word_for_word(void **state)
{
    (void)state;
    ask_all(&daemons[0], "ghcr.io/nextcloud/app:1@" ID);
    assert_int_equal(servers[0].request_count, 4);
    assert_true(tiny_got(&servers[0], 0, "GET /exapps/app_api/info HTTP/1.1\r\n"));
    assert_true(tiny_got(&servers[0], 1, "GET /exapps/app_api/_ping HTTP/1.1\r\n"));
    assert_true(tiny_got(&servers[0], 2,
                         "GET /exapps/app_api/images/ghcr.io/nextcloud/app:1@" ID
                         "/json HTTP/1.1\r\n"));
    assert_true(
        tiny_got(&servers[0], 3, "POST /exapps/app_api/docker/exapp/image_remove HTTP/1.1\r\n"));
    assert_true(
        tiny_got(&servers[0], 3, "\r\n\r\n{\"image_ref\":\"ghcr.io/nextcloud/app:1@" ID "\"}"));
    assert_int_equal(servers[1].accepted, 0);
}

static void
key_and_port(void **state)
{
    (void)state;
    ask_all(&daemons[0], "app:1");
    ask_all(&daemons[1], "app:1");
    ask_all(&daemons[0], "app:1");
    assert_int_equal(servers[0].request_count, 8);
    assert_int_equal(servers[1].request_count, 4);
    for (size_t i = 0; i < 8; i++) {
        assert_true(tiny_got(&servers[0], i, "\r\nharp-shared-key: key-of-one\r\n"));
        assert_false(tiny_got(&servers[0], i, "key-of-two"));
        assert_int_equal(tiny_got(&servers[0], i, "\r\ndocker-engine-port: 24000\r\n"), i % 4 != 0);
        assert_int_equal(tiny_got(&servers[0], i, "docker-engine-port"), i % 4 != 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_true(tiny_got(&servers[1], i, "\r\nharp-shared-key: key-of-two!~ #+\r\n"));
        assert_false(tiny_got(&servers[1], i, "key-of-one"));
        assert_int_equal(tiny_got(&servers[1], i, "\r\ndocker-engine-port: 1\r\n"), i != 0);
    }
}

/* A proxy may have HaRP somewhere below its root. All four go by one connection. */
static void
below_a_path(void **state)
{
    struct conf_daemon daemon = daemons[0];

    (void)state;
    daemon.url = mem_printf("%s/cloud", servers[0].url);
    ask_all(&daemon, "app:1");
    assert_true(tiny_got(&servers[0], 0, "GET /cloud/exapps/app_api/info HTTP/1.1\r\n"));
    assert_true(tiny_got(&servers[0], 3, "POST /cloud/exapps/app_api/docker/exapp/image_remove "));
    assert_int_equal(servers[0].accepted, 1);
    mem_free(daemon.url);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(requests_word_for_word, begin, end),
        cmocka_unit_test_setup_teardown(key_and_port, begin, end),
        cmocka_unit_test_setup_teardown(below_a_path, begin, end),
    };

    return cmocka_run_group_tests_name("gateway on the wire", tests, NULL, NULL);
}
