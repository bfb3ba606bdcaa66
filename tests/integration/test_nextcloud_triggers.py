"""What the triggers on Nextcloud's tables make of what AppAPI writes, and that AppAPI does not notice."""

# pylint: disable=missing-function-docstring

import pytest
from harness.nextcloud import Nextcloud
from harness.rows import claim, job, one, schedule
from harness.recorder import Recorder, tell
from harness.watch import (DAEMON, NEXT_DEPLOY, REF, deploy, deploy_and_observe, failures, image, jobs, observe, redeploy,
                           rows)

ADOPT = "; where one was left: harpsweep adopt --daemon %s REFERENCE"
NEVER_SEEN = "the app was removed before its image was ever seen" + ADOPT
LAST_NOT_SEEN = "the app was removed before the image of its last deploy was seen" + ADOPT


def test_appapi_gets_the_same_answers(nextcloud_database, watched_database):
    """Of each of its statements, and the same rows are in its tables."""
    plain = tell(Recorder(nextcloud_database.connect("nextcloud")))
    watched = watched_database.connect()
    answers = tell(Recorder(watched_database.connect("nextcloud")), lambda *seen: observe(watched, *seen))
    assert len(plain[0]) > 100
    assert answers == plain
    assert failures(watched) == []
    assert jobs(watched, "appid", "image_ref", "event", "state::text") == [
        ("updated", "r/updated:1", "update", "pending"),
        ("updated", "r/updated:2", "uninstall", "pending"),
        ("updated", "", "uninstall", "no_ref"),
        ("failed", "", "uninstall", "no_ref"),
        ("by_hand", "", "uninstall", "unsupported"),
        ("without_harp", "", "uninstall", "unsupported"),
        ("failed", "r/failed:1", "uninstall", "pending")]


class TestUninstall:
    def test_the_image_seen_last(self, watched, nextcloud):
        """At the endpoint where it was seen, at the time of the event, with the settings' grace."""
        nextcloud.add_daemon(protocol="HTTPS", host="harp.example:8781/", port=24007)
        deploy_and_observe(nextcloud, watched, "app", REF, image(7))
        assert nextcloud.delete_app("app") == 1
        [(number,)] = jobs(watched, "id")
        row = job(watched, number)
        assert {name: row[name] for name in ("daemon", "appid", "image_ref", "image_id", "event", "choice", "state",
                                             "grace_hours", "not_before", "protocol", "host", "docker_socket_port",
                                             "attempts", "hold_reason", "finished_at")} == {
            "daemon": DAEMON, "appid": "app", "image_ref": REF, "image_id": image(7), "event": "uninstall",
            "choice": "grace", "state": "new", "grace_hours": None, "not_before": None, "protocol": "https",
            "host": "harp.example:8781", "docker_socket_port": 24007, "attempts": 0, "hold_reason": None,
            "finished_at": None}
        assert rows(watched, "select superseded_by, superseded_at = (select orphaned_at from harpsweep.job),"
                             " superseded_at between now() - interval '1 min' and now() from harpsweep.exapp_image") == [
            ("uninstall", True, True)]

    def test_never_seen(self, watched, nextcloud):
        nextcloud.add_daemon()
        deploy(nextcloud, "app")
        assert nextcloud.delete_app("app") == 1
        assert jobs(watched, "daemon", "appid", "image_ref", "image_id", "event", "state::text", "next_at", "hold_reason",
                    "protocol", "host", "docker_socket_port", "finished_at is null") == [
            (DAEMON, "app", "", None, "uninstall", "no_ref", None, NEVER_SEEN % DAEMON, "http", "127.0.0.1:8780", 24000,
             False)]

    def test_seen_without_a_container(self, watched, nextcloud):
        nextcloud.add_daemon()
        deploy(nextcloud, "app")
        assert observe(watched, "app", None, None, None) == ("new", None)
        nextcloud.delete_app("app")
        assert jobs(watched, "state::text", "hold_reason") == [("no_ref", NEVER_SEEN % DAEMON)]

    def test_last_deploy_not_seen(self, watched, nextcloud):
        """The image before is known, the last one is not: a job for the one, a word about the other."""
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, watched, "app")
        redeploy(nextcloud, "app")
        nextcloud.delete_app("app")
        assert jobs(watched, "image_ref", "state::text", "hold_reason") == [
            (REF, "new", None), ("", "no_ref", LAST_NOT_SEEN % DAEMON)]

    @pytest.mark.parametrize("daemon,reason", [
        ({"deploy_id": "manual-install"}, "daemon d deploys by manual-install, not with Docker"),
        ({"deploy_id": "kubernetes-install"}, "daemon d deploys by kubernetes-install, not with Docker"),
        ({"harp": False}, "daemon d uses Docker without HaRP"),
        ({"host": "/var/run/docker.sock"}, "daemon d is a Unix socket, /var/run/docker.sock: HaRP has an address"),
        ({"port": "none"}, "daemon d has no valid docker_socket_port"),
    ], ids=["manual", "kubernetes", "docker", "socket", "port"])
    def test_without_harp(self, watched, nextcloud, daemon, reason):
        nextcloud.add_daemon("d", **daemon)
        deploy(nextcloud, "app", "d")
        nextcloud.delete_app("app")
        assert jobs(watched, "daemon", "appid", "image_ref", "event", "state::text", "hold_reason", "host") == [
            ("d", "app", "", "uninstall", "unsupported", reason, None)]

    def test_seen_before_the_daemon_changed(self, watched, nextcloud):
        """What was seen through HaRP is deleted through HaRP, where it was."""
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, watched, "app")
        nextcloud.run("update {ex_apps_daemons} set deploy_config = %s, host = 'new'", "{}")
        nextcloud.delete_app("app")
        assert jobs(watched, "image_ref", "state::text", "host") == [(REF, "new", "127.0.0.1:8780")]

    def test_unknown_daemon(self, watched, nextcloud):
        deploy(nextcloud, "app", "0")
        assert nextcloud.delete_app("app") == 1
        assert jobs(watched, "daemon", "state::text", "hold_reason", "host") == [("0", "no_ref", NEVER_SEEN % "0", None)]

    def test_many_in_one_statement(self, watched, nextcloud):
        nextcloud.add_daemon()
        for number in range(5):
            deploy_and_observe(nextcloud, watched, f"app{number}", f"r/app{number}:1", image(number))
        assert nextcloud.run("delete from {ex_apps} where appid <> 'app3'") == 4
        assert sorted(jobs(watched, "appid", "image_id")) == [(f"app{n}", image(n)) for n in (0, 1, 2, 4)]

    def test_rolled_back(self, watched, watched_rows, nextcloud):
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, watched, "app")
        connection = watched_rows.connect("nextcloud", autocommit=False)
        assert Nextcloud(connection).delete_app("app") == 1
        connection.rollback()
        assert jobs(watched, "id") == []
        assert rows(watched, "select superseded_at from harpsweep.exapp_image") == [(None,)]

    def test_two_apps_with_one_image(self, watched, nextcloud):
        """One job, in the name of the one that went last."""
        nextcloud.add_daemon()
        for appid in ("first", "last"):
            deploy_and_observe(nextcloud, watched, appid)
        for appid in ("first", "last"):
            nextcloud.delete_app(appid)
        assert jobs(watched, "appid", "image_id") == [("last", image(1))]

    def test_appapi_says_itself(self, watched_database):
        connection = watched_database.connect()
        nextcloud = Nextcloud(watched_database.connect("nextcloud"))
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, connection, "app")
        connection.execute("update harpsweep.nextcloud set notes_jobs = true")
        assert nextcloud.delete_app("app") == 1
        assert jobs(connection, "id") == []
        assert rows(connection, "select superseded_by from harpsweep.exapp_image") == [("uninstall",)]


class TestEndOfDeploy:
    @pytest.fixture
    def deployed_at(self, watched, nextcloud):
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, watched, "app")
        return lambda: one(watched, "select deployed_at from harpsweep.exapp_image")

    def test_is_noted(self, watched, nextcloud, deployed_at):
        assert deployed_at() is None
        redeploy(nextcloud, "app")
        assert one(watched, "select deployed_at between now() - interval '1 min' and now() from harpsweep.exapp_image")
        first = deployed_at()
        nextcloud.set_status("app", heartbeat_count=1)
        nextcloud.run("update {ex_apps} set enabled = 0, version = '3'")
        assert deployed_at() == first
        observe(watched, "app")
        assert deployed_at() is None

    @pytest.mark.parametrize("deploy_key,noted", [(100, True), ("100", True), (99, False), (1000, False), (None, False)])
    def test_deploy_is_100(self, nextcloud, deployed_at, deploy_key, noted):
        nextcloud.begin_deploy("app", when=NEXT_DEPLOY)
        nextcloud.set_status("app", deploy=deploy_key)
        assert (deployed_at() is not None) == noted

    def test_of_another_app(self, nextcloud, deployed_at):
        deploy(nextcloud, "other")
        assert deployed_at() is None


def open_jobs(connection):
    """One job of each kind on the daemon, without an endpoint; by name."""
    made = {"new": {}, "grace": {"grace_hours": 9}, "now": {"choice": "now"}, "claimed": {"choice": "now"},
            "elsewhere": {"daemon": "other", "grace_hours": 9}, "final": {}}
    numbers = {name: schedule(connection, **{"daemon": DAEMON, "image": f"r/{name}:1", **how}) for name, how in made.items()}
    claim(connection, numbers["claimed"])
    connection.execute("select harpsweep.cancel(%s, 'r')", (numbers["final"],))
    numbers["keep"] = one(connection, "insert into harpsweep.job (daemon, appid, image_ref, choice)"
                                      " values (%s, 'app', 'r/keep:1', 'keep') returning id", DAEMON)
    connection.execute("update harpsweep.job set protocol = null, host = null, docker_socket_port = null")
    return numbers


class TestDaemon:
    ENDPOINT = ("protocol", "host", "docker_socket_port")

    @pytest.mark.parametrize("column,value", [("protocol", "https"), ("host", "new"), ("deploy_config", "{}"),
                                              ("deploy_config", '{"harp": {"docker_socket_port": 24001}}')])
    def test_moved(self, watched, nextcloud, column, value):
        """Open jobs without an endpoint remember where the daemon was; nothing else of them changes."""
        nextcloud.add_daemon()
        numbers = open_jobs(watched)
        before = {name: job(watched, number) for name, number in numbers.items()}
        assert nextcloud.run(f"update {{ex_apps_daemons}} set {column} = %s", value) == 1
        for name, number in numbers.items():
            frozen = dict(zip(self.ENDPOINT, ("http", "127.0.0.1:8780", 24000)))
            assert job(watched, number) == {**before[name], **({} if name in ("elsewhere", "final") else frozen)}

    @pytest.mark.parametrize("column,value", [("display_name", "x"), ("host", "127.0.0.1:8780/"), ("protocol", "HTTP"),
                                              ("deploy_config", '{"harp": {"docker_socket_port": 24000}, "x": 1}')])
    def test_changed_and_not_moved(self, watched, nextcloud, column, value):
        nextcloud.add_daemon()
        numbers = open_jobs(watched)
        before = [job(watched, number) for number in numbers.values()]
        assert nextcloud.run(f"update {{ex_apps_daemons}} set {column} = %s", value) == 1
        assert [job(watched, number) for number in numbers.values()] == before

    def test_an_older_endpoint_stays(self, watched, nextcloud):
        nextcloud.add_daemon()
        number = schedule(watched, DAEMON, grace_hours=5)
        nextcloud.move_daemon(DAEMON, "second")
        nextcloud.move_daemon(DAEMON, "third")
        nextcloud.delete_daemon(DAEMON)
        assert job(watched, number)["host"] == "127.0.0.1:8780"

    def test_deleted(self, watched, nextcloud):
        """Open jobs remember where it was and are due now; what was decided about them stays."""
        nextcloud.add_daemon()
        numbers = open_jobs(watched)
        before = {name: job(watched, number) for name, number in numbers.items()}
        nextcloud.delete_daemon(DAEMON)
        after = {name: job(watched, number) for name, number in numbers.items()}
        for name in ("new", "grace", "now", "claimed", "keep"):
            assert [after[name][column] for column in self.ENDPOINT] == ["http", "127.0.0.1:8780", 24000]
        for name in ("new", "grace", "now"):
            assert after[name]["state"] == "pending"
            assert one(watched, "select next_at <= now() and not_before <= now() from harpsweep.job where id = %s",
                       numbers[name])
        assert [after[name]["grace_hours"] for name in ("new", "grace", "now")] == [0, 9, 0]
        for name, row in after.items():
            same = {"choice", "event", "orphaned_at", "attempts", "claim_token", "image_ref"}
            if name in ("claimed", "keep"):
                same = set(row) - set(self.ENDPOINT)
            elif name in ("elsewhere", "final"):
                same = set(row)
            assert {column: row[column] for column in same} == {column: before[name][column] for column in same}

    def test_appapi_s_way_of_removing_one(self, watched, nextcloud):
        """Its apps go first: their images are due at once."""
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, watched, "app")
        nextcloud.delete_app("app")
        nextcloud.delete_daemon(DAEMON)
        assert jobs(watched, "choice", "state::text", "next_at <= now()", "host") == [
            ("grace", "pending", True, "127.0.0.1:8780")]
