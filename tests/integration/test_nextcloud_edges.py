"""Each condition of what harpsweep makes of Nextcloud's tables, with a second app, daemon or job beside the one that it is
about: what speaks against one must not be said of the other."""

# pylint: disable=missing-function-docstring

import psycopg
import pytest

from harness.nextcloud import Nextcloud
from harness.queries import execute, recorded
from harness.rows import SCHEMA_VERSION, claim, expire, finish, in_thread, job, one, wait_until_blocked
from harness.watch import (DAEMON, MINE, NEXT_DEPLOY, REF, beside, deploy, deploy_and_observe, failures, held, image, jobs, make_job,
                           observe, redeploy, rows)


@pytest.fixture(autouse=True)
def daemons(nextcloud):
    """Two engines."""
    nextcloud.add_daemon()
    nextcloud.add_daemon("second", host="elsewhere:8780")


def held_both(connection, *numbers, keep_previous=0):
    """The reasons of several jobs, which are asked for in one call as a run does it."""
    found = dict(rows(connection, "select id, reason from harpsweep.held(%s::bigint[], '{}', %s, true, false)",
                      list(numbers), keep_previous))
    return [found.get(number) for number in numbers]


class TestHeldTogether:
    """One job is held; the other, on the other engine, is not, and the other way round."""

    @pytest.fixture
    def pair(self, watched):
        return make_job(watched, "app"), make_job(watched, "app", "second", "r/other:1", image(9))

    @pytest.mark.parametrize("where", [0, 1])
    def test_a_deploy(self, watched, nextcloud, pair, where):
        nextcloud.insert_app("busy", [DAEMON, "second"][where])
        found = held_both(watched, *pair)
        assert found[where].startswith("deploy of app busy running") and found[1 - where] is None
        assert rows(watched, "select id, appid from harpsweep.deploys_beside(%s::bigint[])", list(pair)) == [(pair[where], "busy")]
        assert beside(watched, pair[1 - where]) == []

    @pytest.mark.parametrize("where", [0, 1])
    def test_a_failed_deploy(self, watched, nextcloud, pair, where):
        nextcloud.insert_app("app", [DAEMON, "second"][where], when=NEXT_DEPLOY)
        nextcloud.set_status("app", error="no space")
        found = held_both(watched, *pair)
        assert found[where].startswith("the last deploy of app app failed") and found[1 - where] is None

    @pytest.mark.parametrize("where", [0, 1])
    def test_an_app_that_was_not_seen(self, watched, nextcloud, pair, where):
        deploy(nextcloud, "late", [DAEMON, "second"][where])
        found = held_both(watched, *pair)
        assert found[where].startswith("app late was deployed on this engine") and found[1 - where] is None

    def test_an_app_that_uses_it(self, watched, nextcloud, pair):
        """The same image, on either engine."""
        second = make_job(watched, "gone", "second")
        deploy_and_observe(nextcloud, watched, "user", "r/user:1", MINE)
        assert held_both(watched, pair[0], second) == ["app user uses this image", None]

    def test_images_before_its_own(self, watched, nextcloud):
        """Each app has its own, and what it runs now is none of them; nor is what another app runs a reason."""
        made = []
        for n, appid in ((10, "a"), (20, "b")):
            deploy_and_observe(nextcloud, watched, appid, f"r/{appid}:1", image(n))
            redeploy(nextcloud, appid)
            made.append(observe(watched, appid, f"r/{appid}:2", image(n + 1))[1])
            redeploy(nextcloud, appid, NEXT_DEPLOY + 1)
            made.append(observe(watched, appid, f"r/{appid}:3", image(n + 2))[1])
        kept = ["one of the 1 images of app {} before its own that keep_previous keeps".format(appid) for appid in "ab"]
        assert held_both(watched, *made, keep_previous=1) == [None, kept[0], None, kept[1]]
        assert held_both(watched, *made) == [None] * 4

    def test_images_before_its_own_that_another_app_runs_elsewhere(self, watched, nextcloud):
        """What that one runs is no reason to count an image of this one's less."""
        made = []
        for appid, daemon, first, second in (("a", DAEMON, 1, 2), ("b", "second", 3, 1)):
            deploy_and_observe(nextcloud, watched, appid, f"r/{appid}:1", image(first), daemon=daemon)
            redeploy(nextcloud, appid)
            made.append(observe(watched, appid, f"r/{appid}:2", image(second))[1])
        kept = ["one of the 1 images of app {} before its own that keep_previous keeps".format(appid) for appid in "ab"]
        assert held_both(watched, *made, keep_previous=1) == kept

    def test_images_before_its_own_are_others_than_its_own(self, watched, nextcloud):
        """It ran 3, 2 and 1, and runs 2 again: the two before are 1 and 3."""
        deploy_and_observe(nextcloud, watched, "app", "r/app:3", image(3))
        made = {}
        for before, n in ((3, 2), (2, 1), (1, 2)):
            redeploy(nextcloud, "app", NEXT_DEPLOY + len(made))
            made[before] = observe(watched, "app", f"r/app:{n}", image(n))[1]
        assert job(watched, made[2])["state"] == "cancelled"
        for count, kept in ((1, [False, True]), (2, [True, True])):
            assert [reason is not None for reason in held_both(watched, made[3], made[1], keep_previous=count)] == kept

    def test_images_before_its_own_that_another_app_runs_here(self, watched, nextcloud):
        """They are counted all the same: the one before them is none that is kept."""
        deploy_and_observe(nextcloud, watched, "app", "r/app:1", image(1))
        made = []
        for n in (2, 3):
            redeploy(nextcloud, "app", NEXT_DEPLOY + n)
            made.append(observe(watched, "app", f"r/app:{n}", image(n))[1])
        deploy_and_observe(nextcloud, watched, "other", "r/other:1", image(2))
        assert held_both(watched, *made, keep_previous=1) == [None, "app other uses this image"]

    def test_a_deploy_that_was_killed_long_ago(self, watched, nextcloud, pair):
        """It neither runs nor has it failed."""
        nextcloud.insert_app("app", when=NEXT_DEPLOY)
        nextcloud.begin_deploy("app", when=NEXT_DEPLOY)
        assert held_both(watched, *pair) == [None, None]

    def test_images_of_an_app_that_is_elsewhere(self, watched, nextcloud):
        """That another app is on the engine does not make it this app's."""
        deploy_and_observe(nextcloud, watched, "app", "r/app:1", image(1))
        redeploy(nextcloud, "app")
        _, number = observe(watched, "app", "r/app:2", image(2))
        deploy_and_observe(nextcloud, watched, "other", "r/x:1", image(7))
        assert held(watched, number, keep_previous=1) is not None
        nextcloud.run("update {ex_apps} set daemon_config_name = 'second' where appid = 'app'")
        observe(watched, "app", "r/app:2", image(2))
        assert held(watched, number, keep_previous=1) is None
        beside_it = make_job(watched, "app", "second", "r/x:9", image(9))
        assert held_both(watched, number, beside_it, keep_previous=1) == [None, None]

    def test_without_an_id(self, watched, nextcloud):
        """An image before whose ID nobody knows is none of those that are counted."""
        deploy(nextcloud, "app")
        observe(watched, "app", "r/app:1", image(1))
        redeploy(nextcloud, "app")
        _, number = observe(watched, "app", "r/app:2", None)
        redeploy(nextcloud, "app", NEXT_DEPLOY + 1)
        observe(watched, "app", "r/app:3", image(3))
        assert held(watched, number, keep_previous=1) is not None
        assert held(watched, number) is None


    def test_in_the_answers_of_a_claim_and_of_a_confirmation(self, watched, nextcloud, pair):
        """Each job gets its own."""
        token = "00000000-0000-0000-0000-000000000007"
        nextcloud.insert_app("busy", "second")
        rows_of = execute(watched, "claim", [DAEMON, "second"], [9, 9], None, True, 24, token, "h:1", 120_000, 20, SCHEMA_VERSION,
                          0, True, False, [None, None], [None, None])
        found = {row[2]: row[13] for row in rows_of if row[0] == "job"}
        assert len([row for row in rows_of if row[0] == "job"]) == 2
        assert found[pair[0]] is None and found[pair[1]].startswith("deploy of app busy running")
        asked = execute(watched, "confirm", [token] * 2, list(pair), [1, 1], [None, None], 0, True, False)
        assert [row[:2] for row in asked] == [(pair[0], True), (pair[1], True)]
        assert asked[0][2] is None and asked[1][2] == found[pair[1]]
        shown = execute(watched, "plan", None, None, 24, 9, 99, 0, True, False)
        assert {row[0]: row[11] for row in shown} == found and len(shown) == 2
        told = recorded(watched, [token] * 2, list(pair), [1, 1], ["done"] * 2, ["removed"] * 2, [200] * 2, [5] * 2,
                       ["r"] * 2, [3] * 2, [0] * 2, 24, 7, 20)
        assert told == [(pair[0], "recorded", "removed", None), (pair[1], "recorded", "removed", "busy")]
        assert job(watched, pair[0])["hold_reason"] == "r"
        assert job(watched, pair[1])["hold_reason"].startswith("r; a deploy of app busy began on this engine")

    @pytest.mark.parametrize("final,told", [("untagged", "busy"), ("absent", None)])
    def test_a_deploy_beside_what_was_gone_already(self, watched, nextcloud, pair, final, told):
        """Nothing was deleted then that it could have needed."""
        claim(watched, pair[0])
        token = str(job(watched, pair[0])["claim_token"])
        nextcloud.insert_app("busy")
        assert recorded(watched, [token], [pair[0]], [1], ["done"], [final], [200], [5], [None], [3], [0], 24, 7, 20) == [
            (pair[0], "recorded", final, told)]


def test_a_grace_that_ends_at_this_very_moment_holds_no_other_job(watched):
    number, other = make_job(watched), make_job(watched, "other", ref="r/another:1", grace_hours=24)
    with watched.transaction():
        watched.execute("update harpsweep.job set not_before = now() + interval '1 us', next_at = 'infinity' where id = %s", [other])
        assert held(watched, number) is not None
        watched.execute("update harpsweep.job set not_before = now() where id = %s", [other])
        assert held(watched, number) is None


def test_a_job_that_does_not_know_where_its_image_is_holds_none_on_another_engine(watched):
    """Where its own daemon is counts, and no other's."""
    number, other = make_job(watched), make_job(watched, "other", "second", grace_hours=24)
    watched.execute("update harpsweep.job set protocol = null, host = null, docker_socket_port = null where id = %s", [other])
    assert held(watched, number) is None


def test_a_later_grace_on_a_daemon_that_nextcloud_does_not_know(watched):
    """Where it is nobody knows; but it is the same."""
    number, other = make_job(watched, daemon="by_hand"), make_job(watched, "other", "by_hand", "r/x:1", grace_hours=24)
    assert held(watched, number)[0].startswith(f"job {other} for the same image waits until")
    assert held(watched, make_job(watched, daemon="another", ref="r/y:1")) is None


def test_a_later_grace_of_a_job_that_does_not_know_which_image(watched):
    """The name is what both have; the other way round as well."""
    number, other = make_job(watched, ref=REF), make_job(watched, "other", ref=REF, image_id=None, grace_hours=24)
    assert held(watched, number)[0].startswith(f"job {other} for the same image waits until")
    nameless, later = make_job(watched, ref="r/b:1", image_id=None), make_job(watched, "other", ref="r/b:1", grace_hours=24,
                                                                              image_id=image(5))
    assert held(watched, nameless)[0].startswith(f"job {later} for the same image waits until")


class TestDeploysBeside:
    def test_where_the_daemon_was(self, watched, nextcloud):
        """By the daemon's name as well: which engine that is by now it does not ask."""
        number = make_job(watched)
        nextcloud.move_daemon(DAEMON, "new")
        nextcloud.insert_app("busy")
        assert beside(watched, number) == [(number, "busy")]

    def test_of_a_job_that_does_not_know_where_its_image_is(self, watched, nextcloud):
        number = make_job(watched)
        watched.execute("update harpsweep.job set protocol = null, host = null, docker_socket_port = null")
        nextcloud.insert_app("busy", "second")
        assert beside(watched, number) == []
        nextcloud.add_daemon("cuda")
        nextcloud.insert_app("here", "cuda")
        assert beside(watched, number) == [(number, "here")]


def test_a_pause_that_ends_at_this_very_moment(watched):
    with watched.transaction():
        watched.execute("insert into harpsweep.daemon (daemon, stop, stopped_since, paused_until) values"
                        " (%s, 'unauthorized', now(), now()), ('second', 'unauthorized', now(), now() + interval '1 us')", [DAEMON])
        assert rows(watched, "select name, paused, stop from harpsweep.news() where kind = 'daemon' order by 1") == [
            (DAEMON, False, "unauthorized"), ("second", True, "unauthorized")]


class TestExappGone:
    def test_one_of_two_apps(self, watched, nextcloud):
        deploy_and_observe(nextcloud, watched, "app", "r/app:1", image(1))
        deploy_and_observe(nextcloud, watched, "stays", "r/stays:1", image(2))
        redeploy(nextcloud, "app")
        observe(watched, "app", "r/app:2", image(3))
        nextcloud.delete_app("app")
        assert rows(watched, "select appid, image_ref, superseded_by from harpsweep.exapp_image order by id") == [
            ("app", "r/app:1", "update"), ("stays", "r/stays:1", None), ("app", "r/app:2", "uninstall")]
        assert jobs(watched, "appid", "image_ref", "event") == [("app", "r/app:1", "update"), ("app", "r/app:2", "uninstall")]

    def test_on_a_daemon_without_harp(self, watched, nextcloud):
        """What was never seen is unsupported there; what was seen is a job all the same."""
        nextcloud.add_daemon("manual", deploy_id="manual-install")
        deploy(nextcloud, "unseen", "manual")
        nextcloud.delete_app("unseen")
        assert jobs(watched, "appid", "state::text", "hold_reason") == [
            ("unseen", "unsupported", "daemon manual deploys by manual-install, not with Docker")]
        deploy_and_observe(nextcloud, watched, "seen")
        nextcloud.run("update {ex_apps_daemons} set deploy_config = '{{}}' where name = %s", DAEMON)
        nextcloud.delete_app("seen")
        assert jobs(watched, "appid", "state::text", "image_ref")[1:] == [("seen", "new", REF)]

    @pytest.mark.parametrize("again", [False, True])
    def test_before_its_last_deploy_was_seen(self, watched, nextcloud, again):
        deploy_and_observe(nextcloud, watched, "app")
        if again:
            redeploy(nextcloud, "app")
        nextcloud.delete_app("app")
        assert jobs(watched, "state::text") == [("new",), ("no_ref",)][: 1 + again]
        if again:
            assert jobs(watched, "hold_reason")[1][0].startswith("the app was removed before the image of its last deploy was seen")

    def test_before_it_was_ever_seen(self, watched, nextcloud):
        deploy(nextcloud, "app")
        nextcloud.delete_app("app")
        assert jobs(watched, "state::text") == [("no_ref",)]
        assert jobs(watched, "hold_reason")[0][0].startswith("the app was removed before its image was ever seen")


class TestExappRedeployed:
    """What the deploy before left is unknown, unless that app's latest image was seen of just that deploy."""

    @staticmethod
    def left(connection, fingerprint):
        connection.execute("select harpsweep.exapp_redeployed('app', %s, %s)", [DAEMON, fingerprint])
        return jobs(connection, "daemon", "appid", "event", "state::text")

    UNSEEN = [(DAEMON, "app", "update", "no_ref")]

    def test_one_that_was_seen(self, watched, nextcloud):
        deploy_and_observe(nextcloud, watched, "app")
        fingerprint = one(watched, "select fingerprint from harpsweep.exapp_image")
        assert self.left(watched, fingerprint) == []
        assert self.left(watched, "another") == self.UNSEEN

    def test_another_app_was_seen(self, watched, nextcloud):
        deploy_and_observe(nextcloud, watched, "other")
        assert self.left(watched, one(watched, "select fingerprint from harpsweep.exapp_image")) == self.UNSEEN

    def test_one_that_was_seen_earlier(self, watched, nextcloud):
        deploy_and_observe(nextcloud, watched, "app")
        watched.execute("update harpsweep.exapp_image set superseded_at = now(), superseded_by = 'update'")
        assert self.left(watched, one(watched, "select fingerprint from harpsweep.exapp_image")) == self.UNSEEN

    def test_where_appapi_says_itself_what_is_to_be_deleted(self, watched):
        watched.execute("update harpsweep.nextcloud set notes_jobs = true")
        assert self.left(watched, "f") == []


class TestOnExapp:
    def test_of_one_of_two_apps(self, watched, nextcloud):
        for n, appid in enumerate(("app", "other"), 1):
            deploy_and_observe(nextcloud, watched, appid, f"r/{appid}:1", image(n))
        redeploy(nextcloud, "app")
        observe(watched, "app", "r/app:2", image(3))
        ended = rows(watched, "select deployed_at from harpsweep.exapp_image where superseded_at is not null")
        redeploy(nextcloud, "app", NEXT_DEPLOY + 1)
        assert rows(watched, "select deployed_at from harpsweep.exapp_image where superseded_at is not null") == ended
        assert rows(watched, "select appid, deployed_at is not null, superseded_at is not null from harpsweep.exapp_image"
                             " order by id") == [("app", True, True), ("other", False, False), ("app", True, False)]
        before = rows(watched, "select deployed_at from harpsweep.exapp_image order by id")
        nextcloud.set_status("app", init=50)
        assert rows(watched, "select deployed_at from harpsweep.exapp_image order by id") == before

    def test_only_what_is_new(self, watched, nextcloud):
        """No other change of the status is the end of a deploy."""
        deploy_and_observe(nextcloud, watched, "app")
        nextcloud.begin_update("app", "2.0.0")
        nextcloud.begin_deploy("app", when=NEXT_DEPLOY)
        nextcloud.deploy_progress("app", 99)
        assert one(watched, "select deployed_at from harpsweep.exapp_image") is None
        nextcloud.deploy_progress("app", 100)
        assert one(watched, "select deployed_at from harpsweep.exapp_image") is not None


class TestFreezeEndpoint:
    """Its end and its move: of its own open jobs alone, and without what is not its business."""

    @staticmethod
    def columns(connection, number):
        row = job(connection, number)
        return row["state"], row["host"], row["next_at"] == row["not_before"]

    @pytest.fixture
    def open_jobs(self, watched):
        watched.execute("set timezone = 'UTC'")
        mine = make_job(watched, grace_hours=24)
        other = make_job(watched, "gone", "second", grace_hours=24)
        final = make_job(watched, ref="r/final:1", image_id=image(8))
        finish(watched, final, "in_use")
        watched.execute("update harpsweep.job set host = null, protocol = null, docker_socket_port = null")
        return mine, other, final

    def test_that_moves(self, watched, nextcloud, open_jobs):
        mine, other, final = open_jobs
        before = [job(watched, number) for number in open_jobs]
        nextcloud.move_daemon(DAEMON, "127.0.0.1:8780/")
        assert [job(watched, number) for number in open_jobs] == before
        nextcloud.move_daemon(DAEMON, "new")
        assert {**before[0], "protocol": "http", "host": "127.0.0.1:8780", "docker_socket_port": 24000} == job(watched, mine)
        assert [job(watched, number) for number in (other, final)] == before[1:]
        nextcloud.move_daemon(DAEMON, "newer")
        assert job(watched, mine)["host"] == "127.0.0.1:8780"

    def test_that_goes(self, watched, nextcloud, open_jobs):
        mine, other, final = open_jobs
        claimed, kept = make_job(watched, ref="r/claimed:1", image_id=image(7)), make_job(watched, ref="r/kept:1", image_id=image(6))
        claim(watched, claimed)
        watched.execute("update harpsweep.job set state = 'new', choice = 'keep', not_before = null, grace_hours = null,"
                        " next_at = '-infinity' where id = %s", [kept])
        before = [job(watched, number) for number in (other, final, claimed, kept)]
        nextcloud.delete_daemon(DAEMON)
        row = job(watched, mine)
        assert (row["state"], row["host"], row["choice"], row["grace_hours"]) == ("pending", "127.0.0.1:8780", "grace", 24)
        assert one(watched, "select next_at <= now() and not_before <= now() from harpsweep.job where id = %s", mine)
        assert [job(watched, number) for number in (other, final, claimed, kept)] == before
        assert failures(watched) == []


class TestLocks:
    """Rows are locked in the order of their numbers, wherever they lie: so two callers never wait for each other."""

    @pytest.mark.parametrize("call", [
        f"freeze_endpoint('{DAEMON}', 'http', 'h', 1, true)",
        f"appapi_job_gone(7, '{Nextcloud.argument(DAEMON, REF, 'app')}', false)",
        f"appapi_job_gone(7, '{Nextcloud.argument(DAEMON, REF, 'app')}', true)",
        "observed('{{app}}', '{{{daemon}}}', array[(select fingerprint from harpsweep.nextcloud_apps())], array['{ref}'],"
        " array['{image}'], '{{1}}', '{{running}}')".format(daemon=DAEMON, ref=REF, image=image(1))],
        ids=["freeze_endpoint", "cancelled", "has run", "observed"])
    def test_in_the_order_of_their_numbers(self, watched, watched_rows, nextcloud, call):
        deploy(nextcloud, "app")
        first, second = (make_job(watched, "app", ref=REF, image_id=image_id) for image_id in (image(1), None))
        watched.execute("update harpsweep.job set oc_job_id = 7")
        watched.execute("update harpsweep.job set hold_reason = 'now it lies behind the other' where id = %s", [first])
        caller, holder = watched_rows.connect(), watched_rows.connect(autocommit=False)
        holder.execute("select from harpsweep.job where id = %s for update", [first])
        thread, result = in_thread(lambda: caller.execute(f"select harpsweep.{call}").fetchone())
        wait_until_blocked(watched, caller)
        holder.execute("select from harpsweep.job where id = %s for update nowait", [second])
        holder.commit()
        thread.join()
        assert not isinstance(result[0], Exception)

    def test_of_no_others(self, watched, watched_rows, nextcloud):
        make_job(watched)
        final = make_job(watched, ref="r/final:1", image_id=image(8))
        finish(watched, final, "in_use")
        other = make_job(watched, daemon="second")
        watched.execute("update harpsweep.job set oc_job_id = 7 where id = %s", [final])
        holder = watched_rows.connect(autocommit=False)
        holder.execute("select from harpsweep.job where id = any (%s) for update", [[final, other]])
        with watched.transaction():
            watched.execute("set local lock_timeout = '2 s'")
            watched.execute("select harpsweep.appapi_job_gone(7, %s, false)", [Nextcloud.argument(DAEMON, REF, "app")])
            deploy_and_observe(nextcloud, watched, "gone", "r/final:1", image(8))
            assert one(watched, f"select harpsweep.freeze_endpoint('{DAEMON}', 'http', 'h', 1, true)") == 1


class TestObservedBeside:
    def test_a_daemon_without_its_row(self, watched, nextcloud):
        """Of two daemons the app's own counts."""
        deploy(nextcloud, "app", "second")
        assert observe(watched, "app") == ("new", None)
        assert rows(watched, "select daemon, host from harpsweep.exapp_image") == [("second", "elsewhere:8780")]

    def test_an_older_observation(self, watched, nextcloud):
        """What it ran before stays as it was."""
        deploy_and_observe(nextcloud, watched, "other", "r/other:1", image(9))
        deploy_and_observe(nextcloud, watched, "app", "r/app:1", image(1))
        redeploy(nextcloud, "app")
        observe(watched, "app", "r/app:2", image(2))
        before = rows(watched, "select * from harpsweep.exapp_image where appid = 'other' or superseded_at is not null order by id")
        redeploy(nextcloud, "app", NEXT_DEPLOY + 1)
        assert observe(watched, "app", "r/app:2", image(2)) == ("same", None)
        assert rows(watched, "select * from harpsweep.exapp_image where appid = 'other' or superseded_at is not null"
                             " order by id") == before
        redeploy(nextcloud, "app", NEXT_DEPLOY + 2)
        assert observe(watched, "app", "r/app:3", image(3))[0] == "update"
        assert rows(watched, "select * from harpsweep.exapp_image where appid = 'other' or image_ref = 'r/app:1'"
                             " order by id") == before


class TestAppapiJobs:
    """AppAPI cleans up by itself: what it queues, cancels and runs."""

    @pytest.fixture(autouse=True)
    def noting(self, watched):
        watched.execute("update harpsweep.nextcloud set notes_jobs = true")
        yield
        watched.execute("update harpsweep.nextcloud set notes_jobs = false")

    @staticmethod
    def note(connection, number=7, daemon=DAEMON, ref=REF, appid="app", due="now() + interval '5 h'"):
        connection.execute(f"select harpsweep.note_appapi_job(%s, %s::json, {due})", [number, Nextcloud.argument(daemon, ref, appid)])

    @staticmethod
    def gone(connection, number=7, daemon=DAEMON, has_run=False):
        connection.execute("select harpsweep.appapi_job_gone(%s, %s::json, %s)", [number, Nextcloud.argument(daemon, REF, "app"), has_run])

    def test_an_image_that_was_seen(self, watched, nextcloud):
        """Of that app, on that daemon, by that name; the last one, where there were several."""
        for n, (appid, daemon) in enumerate((("other", DAEMON), ("app", "second")), 5):
            deploy_and_observe(nextcloud, watched, appid, REF, image(n), daemon=daemon)
        nextcloud.run("update {ex_apps} set daemon_config_name = %s where appid = 'app'", DAEMON)
        redeploy(nextcloud, "app")
        assert observe(watched, "app", "r/app:2", image(1))[0] == "update"
        self.note(watched, ref="r/app:2")
        self.note(watched, 8, ref=REF)
        assert jobs(watched, "image_ref", "image_id", "event", "state::text", "oc_job_id") == [
            ("r/app:2", image(1), "update", "pending", 7), (REF, None, "update", "pending", 8)]

    def test_of_an_app_that_is_gone(self, watched, nextcloud):
        """And one whose deploy is not complete; another app says nothing of it."""
        deploy_and_observe(nextcloud, watched, "other")
        self.note(watched)
        nextcloud.insert_app("app")
        self.note(watched, 8, ref="r/x:1")
        assert jobs(watched, "event") == [("uninstall",), ("uninstall",)]

    def test_one_that_has_a_job(self, watched):
        """The open one for that image on that daemon, and none of the others."""
        numbers = [make_job(watched, ref=REF, image_id=image(1)), make_job(watched, daemon="second", ref=REF, image_id=image(1)),
                   make_job(watched, ref="r/other:1"), make_job(watched, ref=REF, image_id=image(2))]
        finish(watched, numbers[3], "in_use")
        before = jobs(watched, "*")
        self.note(watched)
        assert jobs(watched, "oc_job_id") == [(7,), (None,), (None,), (None,)]
        assert jobs(watched, "*")[1:] == before[1:]
        assert job(watched, numbers[0])["state"] == "pending"

    def test_one_whose_job_ends_meanwhile(self, watched, watched_rows):
        """It is final then, and the image needs another one."""
        number = make_job(watched, ref=REF, image_id=image(1))
        ending, caller = watched_rows.connect(autocommit=False), watched_rows.connect()
        finish(ending, number, "in_use")
        thread, result = in_thread(lambda: self.note(caller))
        wait_until_blocked(watched, caller)
        ending.commit()
        thread.join()
        assert result == [None]
        assert jobs(watched, "state::text", "oc_job_id") == [("in_use", None), ("pending", 7)]

    @pytest.mark.parametrize("has_run", [False, True])
    def test_its_end(self, watched, has_run):
        self.note(watched)
        self.note(watched, 8, ref="r/other:1")
        self.note(watched, 7, daemon="second")
        claimed = make_job(watched, ref="r/claimed:1", image_id=image(3))
        claim(watched, claimed)
        watched.execute("update harpsweep.job set oc_job_id = 7 where id = %s", [claimed])
        before = jobs(watched, "*")
        self.gone(watched, has_run=has_run)
        after = jobs(watched, "*")
        assert after[1:3] == before[1:3]
        assert jobs(watched, "state::text")[0] == ("pending" if has_run else "cancelled",)
        assert (after[3] == before[3]) == has_run
        if has_run:
            assert one(watched, "select next_at < now() + interval '6 min' from harpsweep.job order by id limit 1")

    def test_an_app_s_end_and_update_make_no_job(self, watched, nextcloud):
        deploy_and_observe(nextcloud, watched, "app")
        redeploy(nextcloud, "app")
        assert observe(watched, "app", "r/new:2", image(2)) == ("update", None)
        nextcloud.delete_app("app")
        assert jobs(watched, "id") == []
        assert rows(watched, "select superseded_by from harpsweep.exapp_image order by id") == [("update",), ("uninstall",)]

    def test_of_a_class_of_its_own(self, watched, nextcloud):
        watched.execute("create trigger noting after insert or update or delete on oc_jobs for each row"
                        " execute function harpsweep.on_appapi_job()")
        try:
            nextcloud.queue_cleanup("app", REF)
            nextcloud.run("insert into {jobs} (class, argument, reserved_at) values ('Other', '[]', 0)")
            nextcloud.run("update {jobs} set last_run = 1 where class = 'Other'")
            nextcloud.run("delete from {jobs} where class = 'Other'")
            assert (jobs(watched, "state::text"), failures(watched)) == ([("pending",)], [])
            nextcloud.run("update {jobs} set reserved_at = 5, last_checked = 1")
            assert one(watched, "select not_before > now() + interval '20 h' from harpsweep.job")
            nextcloud.run("delete from {jobs}")
            assert jobs(watched, "state::text", "hold_reason") == [
                ("pending", "AppAPI ran its own job for the image; this one looks whether that worked")]
            nextcloud.queue_cleanup("app", "r/other:1")
            nextcloud.cancel_cleanup("app")
            assert jobs(watched, "state::text")[1:] == [("cancelled",)]
        finally:
            watched.execute("drop trigger noting on oc_jobs")


class TestNextcloudState:
    def test_what_is_counted(self, watched):
        def state():
            return watched.execute("select triggers, apps, unseen from harpsweep.nextcloud_state()").fetchone()

        appapi = Nextcloud(watched)
        appapi.ports = 29000
        with watched.transaction(force_rollback=True):
            assert state() == (2, 0, 0)
            deploy_and_observe(appapi, watched, "seen")
            deploy(appapi, "unseen")
            appapi.insert_app("begun")
            appapi.add_daemon("manual", deploy_id="manual-install")
            deploy(appapi, "elsewhere", "manual")
            watched.execute("create trigger harpsweep2 after insert on oc_ex_deploy_options for each row"
                            " execute function suppress_redundant_updates_trigger()")
            assert state() == (2, 3, 1)
            for how, triggers in (("disable", 1), ("enable replica", 1), ("enable always", 2), ("enable", 2)):
                watched.execute(f"alter table oc_ex_apps {how} trigger harpsweep")
                assert state() == (triggers, 3, 1)


class TestNewsOfSeveral:
    @staticmethod
    def of(connection, kind):
        return rows(connection, "select name, daemon from harpsweep.news() where kind = %s order by 1", kind)

    def test_apps(self, watched, nextcloud):
        """Each is looked at once, or is gone, whatever there is of others and of its own past."""
        deploy_and_observe(nextcloud, watched, "app", "r/app:1", image(1))
        deploy_and_observe(nextcloud, watched, "other", "r/other:1", image(2))
        redeploy(nextcloud, "app")
        observe(watched, "app", "r/app:2", image(3))
        assert (self.of(watched, "look"), self.of(watched, "gone")) == ([], [])
        deploy(nextcloud, "late")
        assert (self.of(watched, "look"), self.of(watched, "gone")) == ([("late", DAEMON)], [])
        watched.execute("set session_replication_role = replica")
        watched.execute("delete from oc_ex_apps where appid = 'other'")
        watched.execute("reset session_replication_role")
        assert (self.of(watched, "look"), self.of(watched, "gone")) == ([("late", DAEMON)], [("other", DAEMON)])
        assert one(watched, "select harpsweep.reconcile()") == 1
        assert jobs(watched, "appid", "event") == [("app", "update"), ("other", "uninstall")]


class TestObservedIsChecked:
    @staticmethod
    def observed(connection, appid, fingerprint):
        return connection.execute(
            "select what from harpsweep.observed(array[%s], array[%s], array[%s], '{r/app:1}', array[%s], '{1}', '{running}')",
            (appid, DAEMON, fingerprint, image(1))).fetchone()[0]

    def test_by_the_app_and_how_far_it_is(self, watched, nextcloud):
        deploy(nextcloud, "app")
        [(fingerprint,)] = rows(watched, "select fingerprint from harpsweep.nextcloud_apps()")
        assert self.observed(watched, "another", fingerprint) == "changed meanwhile"
        nextcloud.set_status("app", deploy=99)
        assert self.observed(watched, "app", fingerprint) == "changed meanwhile"
        nextcloud.set_status("app", deploy=100)
        assert self.observed(watched, "app", fingerprint) == "new"


def test_where_a_daemon_is(watched, nextcloud):
    nextcloud.add_daemon("manual", deploy_id="manual-install")
    assert [rows(watched, "select * from harpsweep.endpoint_of(%s)", name) for name in (DAEMON, "second", "manual", "x")] == [
        [("http", "127.0.0.1:8780", 24000)], [("http", "elsewhere:8780", 24000)], [], []]


def test_the_daemons_that_setup_finds(watched, nextcloud):
    nextcloud.connection.execute("set search_path = public")
    assert execute(nextcloud.connection, "setup_daemons", "oc_") == [
        ("public", DAEMON, "docker-install", "http", "127.0.0.1:8780", "24000"),
        ("public", "second", "docker-install", "http", "elsewhere:8780", "24000")]
    assert execute(nextcloud.connection, "setup_daemons", "nc_") == []


class TestNextcloudTables:
    """What is read of them, and what beside it is not."""

    @pytest.mark.parametrize("appid,key,cleans_up", [
        ("app_api", "image_cleanup_enabled", True), ("app_api", "image_cleanup_", True), ("app_api", "imageXcleanupXenabled", False),
        ("app_api", "loglevel", False), ("other", "image_cleanup_enabled", False)])
    def test_signs_in_the_settings(self, watched, nextcloud, appid, key, cleans_up):
        assert one(watched, "select harpsweep.appapi_cleans_up()") is False
        nextcloud.run("insert into {appconfig} (appid, configkey, configvalue) values (%s, %s, '1')", appid, key)
        assert one(watched, "select harpsweep.appapi_cleans_up()") is cleans_up

    @pytest.mark.parametrize("kind,cleans_up", [(Nextcloud.CLEANUP, True), ("Other", False)])
    def test_signs_among_the_jobs(self, watched, nextcloud, kind, cleans_up):
        nextcloud.run("insert into {jobs} (class, argument) values (%s, '[]')", kind)
        assert one(watched, "select harpsweep.appapi_cleans_up()") is cleans_up
        assert one(watched, "select appapi_cleans_up from harpsweep.nextcloud_state()") is cleans_up

    def test_settings(self, watched, nextcloud):
        for appid in ("app_api", "other"):
            for key in ("image_cleanup_enabled", "image_cleanup_grace_hours", "secret"):
                nextcloud.run("insert into {appconfig} (appid, configkey, configvalue, type) values (%s, %s, %s, 8)", appid, key,
                              f"{appid} {key}")
        assert rows(watched, "select * from harpsweep.nextcloud_settings() order by 1") == [
            ("image_cleanup_enabled", "app_api image_cleanup_enabled", 8),
            ("image_cleanup_grace_hours", "app_api image_cleanup_grace_hours", 8)]

    def test_a_unix_socket(self, watched, nextcloud):
        nextcloud.add_daemon("socket", host="/var/run/docker.sock")
        assert one(watched, "select problem from harpsweep.nextcloud_daemons() where daemon = 'socket'") == (
            "daemon socket is a Unix socket, /var/run/docker.sock: HaRP has an address")

    def test_when_a_deploy_began(self, watched, nextcloud):
        """As the status says, else as the row does."""
        nextcloud.insert_app("app", when=NEXT_DEPLOY)
        began = "select extract(epoch from began_at)::int from harpsweep.nextcloud_apps()"
        assert one(watched, began) == NEXT_DEPLOY
        nextcloud.begin_deploy("app", when=NEXT_DEPLOY + 7)
        assert one(watched, began) == NEXT_DEPLOY + 7


class TestWhateverFails:
    """Inside a trigger: the statement of Nextcloud's succeeds. Two classes of errors that OTHERS leaves out, and one that it
    has."""

    CODES = ["57014", "P0004", "22012"]
    DEEDS = [("exapp_gone", "delete from oc_ex_apps", "oc_ex_apps delete", "app"),
             ("freeze_endpoint", "delete from oc_ex_apps_daemons where name = 'second'", "oc_ex_apps_daemons delete", "second"),
             ("note_appapi_job", "insert into oc_jobs (class, argument) values"
                                 f" ('{Nextcloud.CLEANUP}', '{Nextcloud.argument(DAEMON, REF, 'app')}')",
              "oc_jobs insert", Nextcloud.argument(DAEMON, REF, "app"))]

    @pytest.fixture
    def undone(self, watched, nextcloud):
        """An app, a trigger for AppAPI's own jobs, and the end of all that the test does."""
        deploy_and_observe(nextcloud, watched, "app")
        with watched.transaction(force_rollback=True):
            watched.execute("create trigger noting after insert or update or delete on oc_jobs for each row"
                            " execute function harpsweep.on_appapi_job()")
            yield watched

    @staticmethod
    def fails(connection, function, code):
        """From now on."""
        text = one(connection, "select pg_get_functiondef(('harpsweep.' || %s)::regproc)", function)
        head = text[: text.index("AS $function$")].replace("LANGUAGE sql", "LANGUAGE plpgsql")
        connection.execute(f"{head} as $$ begin raise exception 'no' using errcode = '{code}'; end $$")

    @pytest.mark.parametrize("code", CODES)
    @pytest.mark.parametrize("function,deed,source,subject", DEEDS, ids=[deed[0] for deed in DEEDS])
    def test_it_is_noted(self, undone, function, deed, source, subject, code):
        self.fails(undone, function, code)
        assert undone.execute(deed).rowcount == 1
        assert failures(undone) == [(source, code, subject, 1)]

    @pytest.mark.parametrize("code", CODES)
    @pytest.mark.parametrize("function,deed,source,subject", DEEDS, ids=[deed[0] for deed in DEEDS])
    def test_also_where_it_cannot_be_noted(self, undone, function, deed, source, subject, code):  # pylint: disable=unused-argument
        self.fails(undone, function, "22012")
        self.fails(undone, "note_intake_error", code)
        assert undone.execute(deed).rowcount == 1
        assert failures(undone) == []

    @pytest.mark.parametrize("table,column,deed", [
        ("oc_ex_apps", "appid", DEEDS[0][1]), ("oc_ex_apps_daemons", "name", "delete from oc_ex_apps_daemons where x = 'second'"),
        ("oc_jobs", "argument", f"insert into oc_jobs (class, x) values ('{Nextcloud.CLEANUP}', 'x')"),
        ("oc_jobs", "class", f"insert into oc_jobs (x, argument) values ('{Nextcloud.CLEANUP}', 'x')")])
    def test_also_where_its_columns_have_other_names(self, undone, table, column, deed):
        undone.execute(f"alter table {table} rename {column} to x")
        assert undone.execute(deed).rowcount == 1
        assert [(row[1], row[2]) for row in failures(undone)] == [("42703", None)]

    @pytest.mark.parametrize("code", CODES)
    def test_in_noting_it(self, undone, code):
        undone.execute("create function pg_temp.no() returns trigger language plpgsql as"
                       f" $$ begin raise exception 'no' using errcode = '{code}'; end $$")
        undone.execute("create trigger no before insert on harpsweep.intake_error for each row execute function pg_temp.no()")
        undone.execute("select harpsweep.note_intake_error('s', 'a', '23505', 'm', 'c')")
        assert failures(undone) == []

    @pytest.mark.parametrize("code,context", [("22P02", None), ("23505", "what was around it")])
    def test_the_context_of_a_value_is_not_noted(self, watched, code, context):
        watched.execute("select harpsweep.note_intake_error('s', 'a', %s, 'm', 'what was around it')", [code])
        assert one(watched, "select context from harpsweep.intake_error") == context

    @pytest.mark.parametrize("ours", [True, False])
    def test_whose_job_it_was(self, undone, ours):
        """What Nextcloud passes to its other jobs is not noted."""
        self.fails(undone, "appapi_job_gone", "22012")
        undone.execute("insert into oc_jobs (class, argument, reserved_at) values (%s, '[\"it\"]', 5)",
                       [Nextcloud.CLEANUP if ours else "Other"])
        undone.execute("delete from oc_jobs")
        assert failures(undone) == ([("oc_jobs delete", "22012", '["it"]', 1)] if ours else [])

    @pytest.mark.parametrize("ours", [True, False])
    def test_whose_job_it_is(self, undone, ours):
        undone.execute("alter table oc_jobs rename reserved_at to x")
        undone.execute("insert into oc_jobs (class, argument) values (%s, 'what it is about')", [Nextcloud.CLEANUP if ours else "Other"])
        assert failures(undone) == [("oc_jobs insert", "42703", "what it is about" if ours else None, 1)]


class TestOneAppsTrouble:
    """What fails with one app is noted, and the others go on; but not what is the server's or the transaction's trouble, and
    would be taken for the app's."""

    @pytest.fixture
    def gone(self, watched, nextcloud):
        """Two apps, one of which went unseen, and the end of all that the test does."""
        for app in ("app", "other"):
            deploy_and_observe(nextcloud, watched, app)
        with watched.transaction(force_rollback=True):
            watched.execute("alter table oc_ex_apps disable trigger harpsweep")
            watched.execute("delete from oc_ex_apps where appid = 'app'")
            yield watched

    CALLS = [("exapp_gone", "select harpsweep.reconcile()", "reconcile", 0, 0),
             ("end_jobs", f"select what from harpsweep.observed(array['other'], array['{DAEMON}'],"
                          " array[(select fingerprint from harpsweep.exapp_image where appid = 'other')], array['x:1'],"
                          f" array['{image(1)}'], array[1::bigint], array['running'])", "observed", "refused", "changed meanwhile")]

    @pytest.mark.parametrize("code", ["40001", "40P01", "25006", "53100", "53200", "57P01", "58030", "XX000", "XX001"])
    @pytest.mark.parametrize("function,call,source,refused,held", CALLS, ids=[call[2] for call in CALLS])
    def test_what_is_not(self, gone, function, call, source, refused, held, code):  # pylint: disable=unused-argument
        TestWhateverFails.fails(gone, function, code)
        with pytest.raises(psycopg.Error) as told, gone.transaction():
            gone.execute(call)
        assert told.value.sqlstate == code and failures(gone) == []

    @pytest.mark.parametrize("code", ["23514", "22012", "42501", "P0001"])
    @pytest.mark.parametrize("function,call,source,refused,held", CALLS, ids=[call[2] for call in CALLS])
    def test_what_is(self, gone, function, call, source, refused, held, code):  # pylint: disable=unused-argument
        TestWhateverFails.fails(gone, function, code)
        assert one(gone, call) == refused
        assert [row[:2] for row in failures(gone)] == [(source, code)]

    @pytest.mark.parametrize("function,call,source,refused,held", CALLS, ids=[call[2] for call in CALLS])
    def test_what_somebody_holds(self, gone, function, call, source, refused, held):  # pylint: disable=unused-argument
        TestWhateverFails.fails(gone, function, "55P03")
        assert one(gone, call) == held and failures(gone) == []


class TestTwoDaemonsOfAnApp:
    def test_the_problem_of_another_daemon(self, watched, nextcloud):
        """An app that was never seen, on a daemon with HaRP, beside one without, and the other way round."""
        nextcloud.add_daemon("a_manual", deploy_id="manual-install")
        nextcloud.add_daemon("z_manual", deploy_id="manual-install")
        for appid, daemon in (("first", DAEMON), ("second", "z_manual"), ("third", "a_manual")):
            deploy(nextcloud, appid, daemon)
            nextcloud.delete_app(appid)
        assert jobs(watched, "appid", "daemon", "state::text", "host") == [
            ("first", DAEMON, "no_ref", "127.0.0.1:8780"), ("second", "z_manual", "unsupported", None),
            ("third", "a_manual", "unsupported", None)]
        assert failures(watched) == []
