"""What Nextcloud's tables say against a delete: harpsweep.held() and deploys_beside(), each guard where it just
holds and where it just does not, in its words."""

# pylint: disable=missing-function-docstring

import time

import pytest
from harness.rows import job
from harness.watch import (DAEMON, NEXT_DEPLOY, REF, beside, deploy, deploy_and_observe, held, image, make_job, observe,
                           redeploy, utc)

OTHER_ENGINES = [{"host": "elsewhere:8780"}, {"port": 24001}, {"protocol": "https"}, {"deploy_id": "manual-install"},
                 {"harp": False}]
SAME_ENGINE = {"protocol": "HTTP", "host": "127.0.0.1:8780/", "port": 24000}


def running(appid, since):
    return f"deploy of app {appid} running on this engine since {utc(since)}", 300


@pytest.fixture(autouse=True)
def daemon(nextcloud):
    nextcloud.add_daemon()


def test_nothing_speaks_against_it(watched, nextcloud):
    deploy_and_observe(nextcloud, watched, "other")
    number = make_job(watched)
    assert held(watched, number) is None
    assert beside(watched, number) == []


def test_thousands_of_jobs_are_judged_at_once(watched, nextcloud):
    """As a wave of updates leaves them. Whatever compares each with each does not end in the time that is given here."""
    deploy_and_observe(nextcloud, watched, "other")
    watched.execute(
        """insert into harpsweep.job (daemon, appid, image_ref, image_id, state, orphaned_at, not_before, next_at)
           select %s, 'app' || i, 'app:' || i, 'sha256:' || encode(sha256(i::text::bytea), 'hex'), 'pending',
                  now() - interval '2 d', now() - interval '1 d', now() - interval '1 d'
             from generate_series(1, 6000) i""", (DAEMON,))
    waits = watched.execute("select harpsweep.schedule(%s, 'another', 'app:17')", (DAEMON,)).fetchone()[0]
    watched.execute("set statement_timeout = '2s'")
    found = watched.execute(
        "select j.image_ref, h.reason from harpsweep.held(array(select id from harpsweep.job where id <> %s), '{}', 1, true, true) h"
        "  join harpsweep.job j using (id)", (waits,)).fetchall()
    watched.execute("reset statement_timeout")
    assert found == [("app:17", f"job {waits} for the same image waits until its grace ends")]


def test_each_job_is_judged_by_what_is_at_its_own_place(watched, nextcloud):
    """Jobs of two engines in one question: what speaks against one of them says nothing of the other."""
    nextcloud.add_daemon("second", host="elsewhere")
    pairs = [(make_job(watched, "app", ref="r/used:1", image_id=image(7)), make_job(watched, "app", "second", "r/used:1", image(7)))]

    def judged():
        told = dict(watched.execute("select id, reason from harpsweep.held(%s, '{}', 0, true, false)",
                                    ([number for pair in pairs for number in pair],)).fetchall())
        return [tuple((told.get(number) or "-")[:24] for number in pair) for pair in pairs]

    deploy_and_observe(nextcloud, watched, "other", "r/used:1", image(7))
    assert judged() == [("app other uses this imag", "-")]
    deploy(nextcloud, "another")
    assert judged() == [("app another was deployed", "-")]
    nextcloud.insert_app("app", when=NEXT_DEPLOY)
    nextcloud.set_status("app", error="e")
    assert judged() == [("the last deploy of app a", "-")]
    nextcloud.insert_app("begins", when=int(time.time()) - 60)
    assert judged() == [("deploy of app begins run", "-")]


class TestDeployRunning:
    NOW = int(time.time()) - 60

    @pytest.mark.parametrize("choice", ["grace", "now"])
    @pytest.mark.parametrize("appid", ["gone", "other"])
    def test_on_the_daemon(self, watched, nextcloud, appid, choice):
        """Also of the app itself, and whatever was chosen: it may be about to use the image."""
        nextcloud.insert_app(appid, when=self.NOW - 5)
        nextcloud.begin_deploy(appid, when=self.NOW)
        number = make_job(watched, choice=choice)
        assert held(watched, number) == running(appid, self.NOW)
        assert beside(watched, number) == [(number, appid)]

    def test_on_another_daemon_of_the_same_engine(self, watched, nextcloud):
        nextcloud.add_daemon("cuda", **SAME_ENGINE)
        nextcloud.insert_app("other", "cuda", when=self.NOW)
        nextcloud.begin_deploy("other", when=self.NOW)
        number = make_job(watched)
        assert held(watched, number) == running("other", self.NOW)
        assert beside(watched, number) == [(number, "other")]

    @pytest.mark.parametrize("elsewhere", OTHER_ENGINES, ids=str)
    def test_not_on_another_engine(self, watched, nextcloud, elsewhere):
        nextcloud.add_daemon("second", **elsewhere)
        nextcloud.insert_app("other", "second", when=self.NOW)
        nextcloud.begin_deploy("other", when=self.NOW)
        number = make_job(watched)
        assert (held(watched, number), beside(watched, number)) == (None, [])

    @pytest.mark.parametrize("age,holds", [(7200 - 30, True), (7200 + 30, False)])
    def test_not_of_two_hours_ago(self, watched, nextcloud, age, holds):
        """PHP that was killed leaves it behind for ever."""
        began = int(time.time()) - age
        nextcloud.insert_app("other", when=began - 86400)
        nextcloud.begin_deploy("other", when=began)
        number = make_job(watched)
        assert held(watched, number) == (running("other", began) if holds else None)
        assert beside(watched, number) == ([(number, "other")] if holds else [])

    @pytest.mark.parametrize("age,holds", [(7200 - 30, True), (7200 + 30, False)])
    def test_registered_and_not_begun(self, watched, nextcloud, age, holds):
        """No deploy_start_time yet: the row's own time counts."""
        created = int(time.time()) - age
        nextcloud.insert_app("other", when=created)
        number = make_job(watched)
        assert held(watched, number) == (running("other", created) if holds else None)

    def test_not_failed(self, watched, nextcloud):
        nextcloud.insert_app("other", when=self.NOW)
        nextcloud.begin_deploy("other", when=self.NOW)
        number = make_job(watched)
        nextcloud.set_status("other", error="Could not pull the image")
        assert (held(watched, number), beside(watched, number)) == (None, [])

    def test_not_at_100_percent(self, watched, nextcloud):
        nextcloud.insert_app("other", when=self.NOW)
        nextcloud.begin_deploy("other", when=self.NOW)
        number = make_job(watched)
        nextcloud.deploy_progress("other", 99)
        assert held(watched, number) == running("other", self.NOW)
        nextcloud.deploy_progress("other", 100)
        assert beside(watched, number) == []
        observe(watched, "other")
        assert held(watched, number) is None

    def test_of_a_daemon_that_is_gone(self, watched, nextcloud):
        """The snapshot says which engine it was."""
        number = make_job(watched)
        nextcloud.add_daemon("cuda", **SAME_ENGINE)
        nextcloud.delete_daemon(DAEMON)
        nextcloud.insert_app("other", "cuda", when=self.NOW)
        assert held(watched, number) == running("other", self.NOW)
        assert beside(watched, number) == [(number, "other")]

    def test_job_without_a_snapshot(self, watched, nextcloud):
        number = make_job(watched)
        watched.execute("update harpsweep.job set protocol = null, host = null, docker_socket_port = null")
        nextcloud.add_daemon("cuda", **SAME_ENGINE)
        nextcloud.insert_app("other", "cuda", when=self.NOW)
        assert held(watched, number) == running("other", self.NOW)
        assert beside(watched, number) == [(number, "other")]

    def test_of_several_the_first_by_name(self, watched, nextcloud):
        for appid in ("b", "a", "c"):
            nextcloud.insert_app(appid, when=self.NOW)
        number = make_job(watched)
        assert held(watched, number) == running("a", self.NOW)
        assert beside(watched, number) == [(number, "a")]


class TestFailedDeploy:
    @pytest.mark.parametrize("choice", ["grace", "now"])
    def test_of_the_app(self, watched, nextcloud, choice):
        nextcloud.insert_app("app", when=NEXT_DEPLOY)
        nextcloud.begin_deploy("app", when=NEXT_DEPLOY)
        nextcloud.set_status("app", error="Deployment update failed")
        assert held(watched, make_job(watched, "app", choice=choice)) == (
            "the last deploy of app app failed (Deployment update failed): its old images are the way back", 3600)
        assert held(watched, make_job(watched, "other", ref="r/other:1", choice=choice)) is None

    def test_long_text(self, watched, nextcloud):
        nextcloud.insert_app("app", when=NEXT_DEPLOY)
        nextcloud.set_status("app", error="x" * 500)
        assert held(watched, make_job(watched, "app"))[0] == (
            f"the last deploy of app app failed ({'x' * 100}): its old images are the way back")

    def test_after_its_end(self, watched, nextcloud):
        """A health check that failed: AppAPI waits for it when the deploy stands at 100."""
        deploy_and_observe(nextcloud, watched, "app")
        number = make_job(watched, "app")
        for deploy_percent in (100, 99):
            nextcloud.set_status("app", error="Container healthcheck failed", deploy=deploy_percent)
            assert held(watched, number)[0].startswith("the last deploy of app app failed (Container healthcheck failed)")
        nextcloud.set_status("app", error="", deploy=100)
        assert held(watched, number) is None

    def test_on_another_engine(self, watched, nextcloud):
        nextcloud.add_daemon("second", host="elsewhere")
        nextcloud.insert_app("app", "second", when=NEXT_DEPLOY)
        nextcloud.set_status("app", error="e")
        assert held(watched, make_job(watched, "app")) is None


class TestDeployedAndNotSeen:
    REASON = ("app other was deployed on this engine, and which image it uses is not known yet", 120)

    @pytest.mark.parametrize("choice", ["grace", "now"])
    def test_until_it_is_seen(self, watched, nextcloud, choice):
        number = make_job(watched, choice=choice)
        deploy(nextcloud, "other")
        assert held(watched, number) == self.REASON
        observe(watched, "other")
        assert held(watched, number) is None
        redeploy(nextcloud, "other")
        assert held(watched, number) == self.REASON
        observe(watched, "other", "r/new:1", image(2))
        assert held(watched, number) is None

    def test_on_another_daemon_of_the_same_engine(self, watched, nextcloud):
        nextcloud.add_daemon("cuda", **SAME_ENGINE)
        deploy(nextcloud, "other", "cuda")
        assert held(watched, make_job(watched)) == self.REASON

    @pytest.mark.parametrize("elsewhere", OTHER_ENGINES, ids=str)
    def test_not_on_another_engine(self, watched, nextcloud, elsewhere):
        nextcloud.add_daemon("second", **elsewhere)
        deploy(nextcloud, "other", "second")
        assert held(watched, make_job(watched)) is None

    def test_seen_where_the_daemon_was(self, watched, nextcloud):
        """Its container is on the engine where the daemon is now, whatever was seen on the one before."""
        deploy_and_observe(nextcloud, watched, "other")
        nextcloud.move_daemon(DAEMON, "new")
        number = make_job(watched)
        assert held(watched, number) == self.REASON
        observe(watched, "other")
        assert held(watched, number) is None


class TestInUseByAnApp:
    REASON = ("app other uses this image", 3600)

    @pytest.mark.parametrize("choice", ["grace", "now"])
    @pytest.mark.parametrize("ref,image_id,told,by_name,holds", [
        (REF, image(1), None, False, True),
        ("r/another-name:1", image(1), None, False, True),      # by its ID
        (REF, image(2), None, False, False),                     # its name has moved on to another image
        (REF, image(2), None, True, True),                       # but the name is what is deleted
        (REF, None, None, False, True),                          # by name, where the ID is not known
        ("r/another-name:1", None, None, True, False),
        ("r/another-name:1", None, image(1), False, True),      # Docker told the ID
        ("r/another-name:1", image(2), image(1), False, True),
        (REF, image(1), image(2), False, False),
        ("r/another-name:1", image(2), None, False, False),
    ])
    def test_by_id_and_by_name(self, watched, nextcloud, choice, ref, image_id, told, by_name, holds):
        deploy_and_observe(nextcloud, watched, "other", REF, image(1))
        number = make_job(watched, ref=ref, image_id=image_id, choice=choice)
        assert held(watched, number, told, by_name=by_name) == (self.REASON if holds else None)

    def test_seen_without_an_id(self, watched, nextcloud):
        deploy(nextcloud, "other")
        observe(watched, "other", REF, None)
        assert held(watched, make_job(watched, ref=REF)) == self.REASON
        assert held(watched, make_job(watched, ref="r/mine:1")) is None

    def test_of_the_app_itself(self, watched, nextcloud):
        deploy_and_observe(nextcloud, watched, "other")
        assert held(watched, make_job(watched, "other", ref=REF, image_id=image(1))) == self.REASON

    def test_on_another_daemon_of_the_same_engine(self, watched, nextcloud):
        nextcloud.add_daemon("cuda", **SAME_ENGINE)
        deploy_and_observe(nextcloud, watched, "other", daemon="cuda")
        assert held(watched, make_job(watched, ref=REF, image_id=image(1))) == self.REASON

    @pytest.mark.parametrize("elsewhere", OTHER_ENGINES[:3], ids=str)
    def test_not_on_another_engine(self, watched, nextcloud, elsewhere):
        nextcloud.add_daemon("second", **elsewhere)
        deploy_and_observe(nextcloud, watched, "other", daemon="second")
        assert held(watched, make_job(watched, ref=REF, image_id=image(1))) is None

    def test_not_after_it_was_removed(self, watched, nextcloud):
        deploy_and_observe(nextcloud, watched, "other")
        number = make_job(watched, ref=REF, image_id=image(1))
        nextcloud.delete_app("other")
        assert held(watched, number) is None


class TestMoved:
    REASON = ("daemon harp_docker is at http://new:1, port 24000, now; the image is at http://127.0.0.1:8780, port 24000"
              " (where that is the same engine, harpsweep adopt takes it up)",
              3600)

    @pytest.mark.parametrize("choice", ["grace", "now"])
    def test_after_the_event(self, watched, nextcloud, choice):
        number = make_job(watched, choice=choice)
        nextcloud.move_daemon(DAEMON, "127.0.0.1:8780/")
        assert held(watched, number) is None
        nextcloud.move_daemon(DAEMON, "new:1/")
        assert held(watched, number) == self.REASON
        assert held(watched, make_job(watched, ref="r/later:1", choice=choice)) is None
        nextcloud.move_daemon(DAEMON, "127.0.0.1:8780")
        assert held(watched, number) is None

    def test_no_longer_harp(self, watched, nextcloud):
        number = make_job(watched)
        nextcloud.run("update {ex_apps_daemons} set deploy_config = %s", "{}")
        assert held(watched, number) == (
            "daemon harp_docker is at http://127.0.0.1:8780, port none, now; the image is at http://127.0.0.1:8780, port 24000"
            " (where that is the same engine, harpsweep adopt takes it up)",
            3600)

    def test_without_a_snapshot_or_without_a_daemon(self, watched, nextcloud):
        frozen = make_job(watched)
        unknown = make_job(watched, daemon="by_hand")
        nextcloud.delete_daemon(DAEMON)
        assert [held(watched, number) for number in (frozen, unknown)] == [None, None]
        assert job(watched, unknown)["host"] is None

    def test_comes_before_every_other_reason(self, watched, nextcloud):
        number = make_job(watched)
        nextcloud.insert_app("other")
        assert held(watched, number)[0].startswith("deploy of app other running")
        nextcloud.move_daemon(DAEMON, "new:1")
        assert held(watched, number) == self.REASON
