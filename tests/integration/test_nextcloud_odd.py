"""What PHP may have written where an object, a number or a text was meant: nothing of it stops anybody."""

# pylint: disable=missing-function-docstring

import json

import pytest
from harness.rows import one, schedule
from harness.watch import DAEMON, deploy, deploy_and_observe, failures, image, jobs, observe, rows

STATUSES = [  # and what is made of it: deploy, error
    ("[]", 0, ""),
    ("null", 0, ""),
    ("5", 0, ""),
    ('"x"', 0, ""),
    ("{}", 0, ""),
    ('[{"deploy": 100}]', 0, ""),
    ('{"deploy": "100"}', 100, ""),
    ('{"deploy": 100.0}', 0, ""),
    ('{"deploy": -1}', 0, ""),
    ('{"deploy": 1000}', 0, ""),
    ('{"deploy": 1e400}', 0, ""),
    ('{"deploy": 123456789012345678901234567890}', 0, ""),
    ('{"deploy": true, "error": false}', 0, "false"),
    ('{"deploy": null, "error": null}', 0, ""),
    ('{"deploy": {"a": 1}, "error": ["x"]}', 0, '["x"]'),
    ('{"deploy": 7, "deploy": 100}', 100, ""),
    ('{"deploy": 100, "deploy_start_time": "soon"}', 100, ""),
    ('{"deploy": 100, "deploy_start_time": 99999999999999999999}', 100, ""),
    ('{"deploy": 100, "deploy_start_time": -5}', 100, ""),
    ('{"deploy": 100, "deploy_start_time": null, "error": "\\u00e9\\n%s"}', 100, "é\n%s"),
]


@pytest.mark.parametrize("status,deployed,error", STATUSES, ids=[status for status, _, _ in STATUSES])
def test_status(watched, nextcloud, status, deployed, error):
    nextcloud.add_daemon()
    deploy_and_observe(nextcloud, watched, "app")
    for step in (status, '{"deploy": 100}', status, status):
        assert nextcloud.run("update {ex_apps} set status = %s", step) == 1
    assert rows(watched, "select deploy, error from harpsweep.nextcloud_apps()") == [(deployed, error)]
    assert one(watched, "select count(*) from harpsweep.news() where kind = 'look'") == (1 if deployed == 100 else 0)
    assert nextcloud.delete_app("app") == 1
    assert jobs(watched, "appid", "state::text")[0] == ("app", "new")
    assert failures(watched) == []


HARPS = [  # and the port that is found in it
    ([], None), ({}, None), (True, None), (None, None), (5, None), ("x", None), ([{"docker_socket_port": 24000}], None),
    ({"docker_socket_port": 24000}, 24000), ({"docker_socket_port": "24000"}, 24000), ({"docker_socket_port": 1}, 1),
    ({"docker_socket_port": 65535}, 65535), ({"docker_socket_port": 65536}, None), ({"docker_socket_port": 0}, None),
    ({"docker_socket_port": -1}, None), ({"docker_socket_port": "024000"}, None), ({"docker_socket_port": "abc"}, None),
    ({"docker_socket_port": "24000 "}, None), ({"docker_socket_port": ""}, None), ({"docker_socket_port": None}, None),
    ({"docker_socket_port": 24000.5}, None), ({"docker_socket_port": [24000]}, None), ({"docker_socket_port": 1e99}, None),
    ({"docker_socket_port": 99999999999}, None), ({"frp_address": "h:8782"}, None)]


@pytest.mark.parametrize("harp,port", HARPS, ids=[json.dumps(harp) for harp, _ in HARPS])
def test_harp(watched, nextcloud, harp, port):
    nextcloud.add_daemon("other")
    nextcloud.add_daemon()
    nextcloud.run("update {ex_apps_daemons} set deploy_config = %s where name = %s", json.dumps({"harp": harp}), DAEMON)
    without_harp = not isinstance(harp, dict) or not harp
    problem = (f"daemon {DAEMON} uses Docker without HaRP" if without_harp
               else f"daemon {DAEMON} has no valid docker_socket_port" if port is None else None)
    assert rows(watched, "select daemon, docker_socket_port, problem from harpsweep.nextcloud_daemons() order by 1") == [
        (DAEMON, port, problem), ("other", 24000, None)]
    assert rows(watched, "select docker_socket_port from harpsweep.endpoint_of(%s)", DAEMON) == [(port,)] * (port is not None)
    deploy(nextcloud, "app")
    nextcloud.delete_app("app")
    assert jobs(watched, "state::text", "docker_socket_port") == [("no_ref" if port else "unsupported", port)]
    nextcloud.move_daemon(DAEMON, "new")
    nextcloud.delete_daemon(DAEMON)
    assert failures(watched) == []


CONFIGS = ["[]", "{}", "null", "5", '"x"', "true", '[{"harp": {"docker_socket_port": 24000}}]', '{"harp": {"harp": {}}}',
           '{"harp": {"docker_socket_port": 24000}, "harp": []}']


@pytest.mark.parametrize("config", CONFIGS)
def test_deploy_config(watched, nextcloud, config):
    nextcloud.add_daemon()
    deploy_and_observe(nextcloud, watched, "app")
    assert nextcloud.run("update {ex_apps_daemons} set deploy_config = %s", config) == 1
    assert one(watched, "select docker_socket_port is null and problem is not null and local_registries is null"
                        " from harpsweep.nextcloud_daemons()")
    nextcloud.delete_app("app")
    nextcloud.delete_daemon(DAEMON)
    assert jobs(watched, "state::text", "docker_socket_port") == [("pending", 24000)]
    assert failures(watched) == []


REGISTRIES = [  # and those of them that are local
    ([{"from": "ghcr.io", "to": "local"}], ["ghcr.io"]),
    ({"1": {"from": "ghcr.io/", "to": "local"}, "x": {"from": "docker.io", "to": "local"}}, ["docker.io", "ghcr.io"]),
    ([{"from": "a", "to": "mirror"}, {"from": "b", "to": "local"}, {"from": "c", "to": "LOCAL"}], ["b"]),
    ([{"to": "local"}, {"from": None, "to": "local"}, {"from": "", "to": "local"}, {"from": "a"}], None),
    ([[], {}, 5, "x", None, True, {"from": {"x": 1}, "to": "local"}], ['{"x": 1}']),
    ({"from": "ghcr.io", "to": "local"}, None),
    ([], None), ({}, None), ("local", None), (5, None), (None, None), (True, None)]


@pytest.mark.parametrize("registries,local", REGISTRIES, ids=[json.dumps(given) for given, _ in REGISTRIES])
def test_registries(watched, nextcloud, registries, local):
    nextcloud.add_daemon(registries=registries)
    assert rows(watched, "select docker_socket_port, problem, local_registries from harpsweep.nextcloud_daemons()") == [
        (24000, None, local)]
    nextcloud.move_daemon(DAEMON, "new")
    nextcloud.delete_daemon(DAEMON)
    assert failures(watched) == []


@pytest.mark.parametrize("created", [0, -1, 2**63 - 1, -2**63])
def test_created_time(watched, nextcloud, created):
    """An app that says so, and nothing of the others: one bad row never stops the rest."""
    nextcloud.add_daemon()
    deploy(nextcloud, "good")
    nextcloud.insert_app("odd")
    nextcloud.run("update {ex_apps} set created_time = %s where appid = 'odd'", created)
    assert rows(watched, "select appid from harpsweep.nextcloud_apps() order by 1") == [("good",), ("odd",)]
    assert observe(watched, "good") == ("new", None)


@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800", "\\ud83d x"])
class TestUnreadable:
    """PHP writes a NUL as \\u0000. The type json stores that, and fails whoever looks into the value."""

    def test_status(self, watched, nextcloud, escape):
        """Of the others all is known, and of this one what was seen of it."""
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, watched, "good")
        deploy_and_observe(nextcloud, watched, "odd", "odd/app:1", image(2))
        status = f'{{"deploy": 100, "error": "{escape}"}}'
        assert nextcloud.run("update {ex_apps} set status = %s where appid = 'odd'", status) == 1
        assert rows(watched, "select deploy, error from harpsweep.nextcloud_apps() where appid = 'odd'") == [
            (0, "its status cannot be read")]
        assert observe(watched, "good") == ("same", None)
        number = schedule(watched, DAEMON, "stranger", "odd/app:1", image_id=image(2), choice="now")
        assert rows(watched, "select reason from harpsweep.held(array[%s], null, 0, true, false)", number) == [
            ("app odd uses this image",)]
        assert nextcloud.delete_app("odd") == 1
        assert jobs(watched, "appid", "image_id", "event", "state::text") == [
            ("odd", image(2), "uninstall", "new"), ("odd", None, "uninstall", "no_ref")]
        assert [failure[0:3:2] for failure in failures(watched)] == [("oc_ex_apps update", "odd")]

    def test_deploy_config(self, watched, nextcloud, escape):
        nextcloud.add_daemon("good")
        nextcloud.add_daemon("odd", haproxy_password="the-password", other=1)
        deploy_and_observe(nextcloud, watched, "app", daemon="good")
        config = f'{{"haproxy_password": "the-password", "x": "{escape}", "harp": {{"docker_socket_port": 24000}}}}'
        assert nextcloud.run("update {ex_apps_daemons} set deploy_config = %s where name = 'odd'", config) == 1
        assert rows(watched, "select daemon, problem from harpsweep.nextcloud_daemons() order by 1") == [
            ("good", None), ("odd", "the deploy_config of daemon odd cannot be read")]
        assert observe(watched, "app") == ("same", None)
        nextcloud.move_daemon("odd", "new")
        nextcloud.delete_daemon("odd")
        assert [failure[0:3:2] for failure in failures(watched)] == [
            ("oc_ex_apps_daemons update", "odd"), ("oc_ex_apps_daemons delete", "odd")]
        assert "password" not in str(rows(watched, "select * from harpsweep.intake_error"))


# What the type json takes, and whether it can be looked into.
TEXTS = {
    "null": True, "[]": True, "{}": True, "-1.5e300": True, '"x"': True, '"\\\\"': True, '"\\/\\n\\t\\""': True, '"é😀"': True,
    '{"a": {"b": [1, {"c": "\\u0041"}]}}': True, '"\\u00e9 \\u20ac \\ud83d\\ude00"': True, '"\\\\u0000"': True,
    '{"net":"host","nextcloud_url":"https:\\/\\/cloud.example","computeDevice":{"id":"cpu","label":"Gr\\u00fcn"},"harp":[]}': True,
    '"\\u0000"': False, '"\\\\\\u0000"': False, '"\\ud800"': False, '"\\uDFFF"': False, '"\\ude00\\ud83d"': False,
    '"\\ud83d\\ud83d"': False, '{"\\u0000": 1}': False, '[[{"a": ["\\uD83D x"]}]]': False,
    json.dumps("x" * 5000): True, json.dumps("x" * 5000 + "\0"): False, "[" * 900 + "]" * 900: True, "[" * 5000 + "]" * 5000: True}


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:30])
def test_readable(watched, text):
    """It says at a glance what a look into the value says."""
    readable, looked_into = rows(watched, "select harpsweep.readable(g.j)::text, harpsweep.looked_into(g.j)::text"
                                          " from (select %s::json as j) as g", text)[0]
    assert readable == looked_into == (text if TEXTS[text] else None)


def test_nested_deeper_than_the_stack(watched, nextcloud):
    """Stored where there was room for it."""
    nextcloud.add_daemon()
    nextcloud.add_daemon("deep")
    deploy_and_observe(nextcloud, watched, "app")
    nextcloud.run("update {ex_apps_daemons} set deploy_config = %s where name = 'deep'", "[" * 9000 + "]" * 9000)
    watched.execute("set max_stack_depth = '500kB'")
    assert rows(watched, "select name, detail from harpsweep.news() where kind <> 'nextcloud' order by 1") == [
        ("deep", "the deploy_config of daemon deep cannot be read"), (DAEMON, None)]


def test_an_idle_run_s_question_loads_no_plpgsql(watched_rows, watched, nextcloud):
    """A run asks in a new session, where to load it costs more than to look at the rows."""
    nextcloud.add_daemon()
    deploy_and_observe(nextcloud, watched, "app")
    session = watched_rows.connect("harpsweep_worker")
    loaded = "select count(*) > 0 from pg_settings where starts_with(name, 'plpgsql.')"
    assert rows(session, "select * from harpsweep.changed_apps()") == []
    assert not one(session, loaded)
    nextcloud.set_status("app", error="\0", deploy_start_time=5)
    assert rows(session, "select * from harpsweep.changed_apps()") == []
    assert one(session, loaded)
