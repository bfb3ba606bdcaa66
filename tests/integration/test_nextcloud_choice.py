"""The guards that choice "now" passes (an image loaded by hand, the images before, another job's grace), and what
a run asks first: harpsweep.news()."""

# pylint: disable=missing-function-docstring

import pytest
from harness.rows import finish, job, one
from harness.watch import (DAEMON, MINE, NEXT_DEPLOY, REF, deploy, deploy_and_observe, held, image, jobs, make_job, observe,
                           redeploy, rows, utc)

SAME_ENGINE = {"protocol": "HTTP", "host": "127.0.0.1:8780/", "port": 24000}
LOCAL = 'registry ghcr.io of daemon harp_docker is "local" in Nextcloud: the image was loaded by hand', None


class TestLocalRegistry:
    @pytest.mark.parametrize("registries", [
        [{"from": "ghcr.io", "to": "local"}],
        {"7": {"from": "ghcr.io/", "to": "local"}},
        [{"from": "docker.io", "to": "mirror.example"}, {"from": "ghcr.io", "to": "local"}],
    ], ids=["array", "object", "second"])
    def test_holds(self, watched, nextcloud, registries):
        nextcloud.add_daemon(registries=registries)
        number = make_job(watched, ref="ghcr.io/nextcloud/app:1")
        assert held(watched, number) == LOCAL
        assert held(watched, number, protect=False) is None
        assert held(watched, make_job(watched, ref="ghcr.io/nextcloud/app:1", choice="now")) is None

    @pytest.mark.parametrize("registries,ref", [
        ([{"from": "ghcr.io", "to": "local"}], "ghcr.io.example/app:1"),
        ([{"from": "ghcr.io", "to": "local"}], "example/ghcr.io/app:1"),
        ([{"from": "ghcr.io", "to": "mirror.example"}], "ghcr.io/nextcloud/app:1"),
        ([], "ghcr.io/nextcloud/app:1"),
    ])
    def test_does_not(self, watched, nextcloud, registries, ref):
        nextcloud.add_daemon(registries=registries)
        nextcloud.add_daemon("second", registries=[{"from": "ghcr.io", "to": "local"}])
        assert held(watched, make_job(watched, ref=ref)) is None

    def test_as_it_is_now(self, watched, nextcloud):
        """A mapping that came after the event counts."""
        nextcloud.add_daemon()
        number = make_job(watched, ref="ghcr.io/nextcloud/app:1")
        assert held(watched, number) is None
        nextcloud.run("update {ex_apps_daemons} set deploy_config = %s",
                      '{"harp": {"docker_socket_port": 24000}, "registries": [{"from": "ghcr.io", "to": "local"}]}')
        assert held(watched, number) == LOCAL


@pytest.fixture
def history(watched, nextcloud):
    """An app that had the images 1, 2, 3 and runs 4; the numbers of its jobs, oldest first."""
    nextcloud.add_daemon()
    deploy_and_observe(nextcloud, watched, "app", "r/app:1", image(1))
    return [update(nextcloud, watched, number) for number in (2, 3, 4)]


def update(nextcloud, connection, number):
    """To image number; returns the job of the one before."""
    since = one(connection, "select coalesce(max(id), 0) from harpsweep.job")
    redeploy(nextcloud, "app", when=NEXT_DEPLOY + number + since)
    what, made = observe(connection, "app", f"r/app:{number}", image(number))
    assert what == "update"
    return made


def previous(count):
    return f"one of the {count} images of app app before its own that keep_previous keeps", None


class TestKeepPrevious:
    def test_none(self, watched, history):
        assert [held(watched, number) for number in history] == [None] * 3

    def test_one(self, watched, history):
        assert [held(watched, number, keep_previous=1) for number in history] == [None, None, previous(1)]

    def test_two(self, watched, history):
        assert [held(watched, number, keep_previous=2) for number in history] == [None, previous(2), previous(2)]

    def test_more_than_there_are(self, watched, history):
        assert [held(watched, number, keep_previous=9) for number in history] == [previous(9)] * 3

    def test_now_passes(self, watched, history):
        assert one(watched, "select harpsweep.make_due(%s)", history[2])
        assert held(watched, history[2], keep_previous=1) is None
        assert held(watched, history[1], keep_previous=1) is None  # it still is the one before

    def test_other_events_pass(self, watched, history):
        number = make_job(watched, "app", ref="r/app:3", image_id=image(3), event="manual")
        assert number == history[2]
        assert held(watched, number, keep_previous=1) is None

    def test_another_app_s_job_passes(self, watched, history):
        """What is kept is the way back of that app."""
        number = make_job(watched, "stranger", ref="r/app:3", image_id=image(3), event="update")
        assert number == history[2]
        assert held(watched, number, keep_previous=1) is None

    def test_not_after_the_app_was_removed(self, watched, nextcloud, history):
        nextcloud.delete_app("app")
        assert [held(watched, number, keep_previous=3) for number in history] == [None] * 3

    def test_not_where_the_app_is_no_more(self, watched, nextcloud, history):
        nextcloud.add_daemon("second", host="elsewhere")
        nextcloud.run("update {ex_apps} set daemon_config_name = 'second'")
        observe(watched, "app", "r/app:4", image(4))
        assert [held(watched, number, keep_previous=3) for number in history] == [None] * 3

    def test_the_id_that_docker_told(self, watched, history):
        watched.execute("update harpsweep.job set image_id = null")
        assert held(watched, history[2], keep_previous=1) is None
        assert held(watched, history[2], told=image(3), keep_previous=1) == previous(1)
        assert held(watched, history[2], told=image(2), keep_previous=1) is None

    def test_back_and_forth(self, watched, nextcloud, history):
        """What runs now is none of the previous ones, and the last that ran counts, not the first time."""
        latest = update(nextcloud, watched, 2)  # 1 2 3 4 2: the job of 2 is cancelled
        assert job(watched, history[1])["state"] == "cancelled"
        expected = [(history[0], False), (history[2], False), (latest, True)]
        assert [held(watched, number, keep_previous=1) for number, _ in expected] == [
            previous(1) if keeps else None for _, keeps in expected]
        assert [held(watched, number, keep_previous=2) for number, _ in expected] == [None, previous(2), previous(2)]

    def test_one_that_ran_twice(self, watched, nextcloud, history):
        """1 2 3 4 2 5: the one before is 2, as it ran last, and then 4."""
        fourth, second = update(nextcloud, watched, 2), update(nextcloud, watched, 5)
        assert [held(watched, number, keep_previous=1) for number in (second, fourth, history[2])] == [
            previous(1), None, None]
        assert [held(watched, number, keep_previous=2) for number in (second, fourth, history[2])] == [
            previous(2), previous(2), None]


class TestOtherJob:
    """Two names of one engine, two apps, one image: the longer grace holds."""

    @pytest.fixture(autouse=True)
    def daemons(self, nextcloud):
        nextcloud.add_daemon()
        nextcloud.add_daemon("cuda", **SAME_ENGINE)
        nextcloud.add_daemon("elsewhere", host="elsewhere")

    @staticmethod
    def waits(connection, number):
        until = int(job(connection, number)["not_before"].timestamp())
        return f"job {number} for the same image waits until {utc(until)}", 3600

    def test_with_a_later_grace(self, watched):
        number = make_job(watched)
        other = make_job(watched, "other", "cuda", grace_hours=24)
        assert held(watched, number) == self.waits(watched, other)
        assert held(watched, other) is None

    def test_whose_grace_is_not_known_yet(self, watched):
        number = make_job(watched)
        other = make_job(watched, "other", "cuda", grace_hours=None)
        assert held(watched, number) == (f"job {other} for the same image waits until its grace ends", 3600)

    def test_whose_daemon_is_known_by_its_name_only(self, watched):
        """It was scheduled by hand, before Nextcloud was watched: where its engine is, the daemon's row tells."""
        number = make_job(watched)
        other = make_job(watched, "other", "cuda", grace_hours=24)
        watched.execute("update harpsweep.job set protocol = null, host = null, docker_socket_port = null"
                        " where id = %s", (other,))
        assert held(watched, number) == self.waits(watched, other)

    def test_now_passes(self, watched):
        number = make_job(watched, choice="now")
        make_job(watched, "other", "cuda", grace_hours=24)
        assert held(watched, number) is None

    @pytest.mark.parametrize("other", [
        {"grace_hours": 0}, {"choice": "now"}, {"choice": "keep"}, {"image_id": image(5), "grace_hours": 24},
        {"daemon": "elsewhere", "grace_hours": 24}], ids=str)
    def test_that_holds_nothing(self, watched, other):
        number = make_job(watched)
        make_job(watched, "other", **{"daemon": "cuda", **other})
        assert held(watched, number) is None

    def test_that_asks_for_now_and_was_not_looked_at_yet(self, watched):
        """A row that Nextcloud inserted by itself."""
        number = make_job(watched)
        watched.execute("insert into harpsweep.job (daemon, appid, image_ref, image_id, choice)"
                        " values (%s, 'other', 'r/another-name:1', %s, 'now')", (DAEMON, MINE))
        assert held(watched, number) is None

    def test_that_is_final(self, watched):
        number = make_job(watched)
        other = make_job(watched, "other", "cuda", grace_hours=24)
        finish(watched, other, "cancelled")
        assert held(watched, number) is None

    @pytest.mark.parametrize("ref,image_id,told,by_name,holds", [
        ("r/another-name:1", image(1), None, False, True),
        (REF, image(2), None, False, False),
        (REF, image(2), None, True, True),
        (REF, None, None, False, True),
        ("r/another-name:1", None, None, False, False),
        ("r/another-name:1", None, image(1), False, True)])
    def test_by_id_and_by_name(self, watched, ref, image_id, told, by_name, holds):
        """Also on one daemon."""
        other = make_job(watched, "other", ref=REF, image_id=image(1), grace_hours=24)
        number = make_job(watched, ref=ref, image_id=image_id)
        assert held(watched, number, told, by_name=by_name) == (self.waits(watched, other) if holds else None)


def test_now_passes_these_and_no_others(watched, nextcloud):
    """All at once: the choice "now" leaves those that would break an app."""
    nextcloud.add_daemon(registries=[{"from": "r", "to": "local"}])
    nextcloud.add_daemon("cuda", **SAME_ENGINE)
    deploy_and_observe(nextcloud, watched, "app", "r/app:1", image(1))
    number = update(nextcloud, watched, 2)
    other = make_job(watched, "other", "cuda", "r/app:1", image(1), grace_hours=24)
    assert held(watched, number, keep_previous=1) == TestOtherJob.waits(watched, other)
    finish(watched, other, "cancelled")
    assert held(watched, number, keep_previous=1) == previous(1)
    assert held(watched, number) == ('registry r of daemon harp_docker is "local" in Nextcloud: the image was loaded '
                                     "by hand", None)
    make_job(watched, "other", "cuda", "r/app:1", image(1), grace_hours=24)
    watched.execute("select harpsweep.make_due(%s)", (number,))
    assert held(watched, number, keep_previous=1) is None
    nextcloud.insert_app("late")
    assert held(watched, number)[0].startswith("deploy of app late running")


class TestNews:
    @staticmethod
    def of(connection, kind):
        return rows(connection, "select name, daemon, detail from harpsweep.news() where kind = %s order by 1", kind)

    def test_names(self, watched):
        assert rows(watched, "select kind, name, detail from harpsweep.news()") == [("nextcloud", "oc_", "public")]

    def test_daemons(self, watched, nextcloud):
        nextcloud.add_daemon("a", protocol="HTTPS", host="h:1/", port="7")
        nextcloud.add_daemon("b", deploy_id="manual-install")
        assert rows(watched, "select name, daemon, detail, protocol, host, docker_socket_port from harpsweep.news()"
                             " where kind = 'daemon' order by name") == [
            ("a", "a", None, "https", "h:1", 7),
            ("b", "b", "daemon b deploys by manual-install, not with Docker", "http", "127.0.0.1:8780", 24000)]

    def test_look(self, watched, nextcloud):
        """At an app whose deploy is complete and not seen: once."""
        nextcloud.add_daemon()
        nextcloud.insert_app("app", when=NEXT_DEPLOY)
        assert self.of(watched, "look") == []
        nextcloud.begin_deploy("app", when=NEXT_DEPLOY)
        nextcloud.end_deploy("app")
        number = nextcloud.one("select id from {ex_apps}")
        assert self.of(watched, "look") == [("app", DAEMON, f"{number} {NEXT_DEPLOY}")]
        observe(watched, "app")
        assert self.of(watched, "look") == []
        nextcloud.finish_init("app")
        nextcloud.set_status("app", heartbeat_count=4, error="Heartbeat check failed")
        nextcloud.disable_app("app")
        assert self.of(watched, "look") == []
        nextcloud.begin_update("app", "2.0.0")
        assert self.of(watched, "look") == []
        nextcloud.begin_deploy("app", when=NEXT_DEPLOY + 1)
        assert self.of(watched, "look") == []
        nextcloud.end_deploy("app")
        assert self.of(watched, "look") == [("app", DAEMON, f"{number} {NEXT_DEPLOY + 1}")]

    def test_look_again_where_the_daemon_is_now(self, watched, nextcloud):
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, watched, "app")
        nextcloud.move_daemon(DAEMON, "new")
        assert [name for name, *_ in self.of(watched, "look")] == ["app"]
        observe(watched, "app")
        assert self.of(watched, "look") == []

    def test_look_at_the_one_that_came_again(self, watched, nextcloud):
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, watched, "app")
        nextcloud.delete_app("app")
        deploy(nextcloud, "app")
        assert [name for name, *_ in self.of(watched, "look")] == ["app"]

    @pytest.mark.parametrize("how", [{"deploy_id": "manual-install"}, {"harp": False}, {"port": "0"}], ids=str)
    def test_no_look_without_harp(self, watched, nextcloud, how):
        nextcloud.add_daemon(**how)
        deploy(nextcloud, "app")
        deploy(nextcloud, "nowhere", "unknown")
        assert self.of(watched, "look") == []

    def test_gone(self, watched, nextcloud):
        """Without its trigger's knowing; where it knew there is nothing to tell."""
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, watched, "told")
        deploy_and_observe(nextcloud, watched, "untold", "r/untold:1", image(2))
        nextcloud.delete_app("told")
        watched.execute("set session_replication_role = replica")
        watched.execute("delete from oc_ex_apps")
        watched.execute("reset session_replication_role")
        assert self.of(watched, "gone") == [("untold", DAEMON, None)]
        assert one(watched, "select harpsweep.reconcile()") == 1
        assert self.of(watched, "gone") == []
        assert jobs(watched, "appid", "state::text") == [("told", "new"), ("untold", "new")]
