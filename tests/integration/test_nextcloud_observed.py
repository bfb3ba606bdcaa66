"""What a run saw of the apps' containers, and what it makes of that: harpsweep.observed() and reconcile()."""

# pylint: disable=missing-function-docstring

import pytest
from harness.nextcloud import Nextcloud
from harness.rows import claim, in_thread, job, one, schedule, wait_until_blocked
from harness.watch import (DAEMON, FIRST_DEPLOY, NEXT_DEPLOY, REF, deploy, deploy_and_observe, failures, held, image, jobs,
                           make_job, observe, redeploy, rows)


@pytest.fixture(autouse=True)
def daemon(nextcloud):
    nextcloud.add_daemon()


def seen(connection, *columns):
    """Those columns of all observations, in the order in which they were made."""
    return rows(connection, f"select {', '.join(columns)} from harpsweep.exapp_image order by id")


class TestObserved:
    def test_new(self, watched, nextcloud):
        deploy(nextcloud, "app", version="1.2.3")
        assert observe(watched, "app", REF, image(1), "exited") == ("new", None)
        number = nextcloud.one("select id from {ex_apps}")
        assert seen(watched, "appid", "daemon", "protocol", "host", "docker_socket_port", "version", "image_ref", "image_id",
                    "bytes", "container", "fingerprint", "deployed_at", "first_seen_at = seen_at", "superseded_at") == [
            ("app", DAEMON, "http", "127.0.0.1:8780", 24000, "1.2.3", REF, image(1), 1000, "exited",
             f"{number} {FIRST_DEPLOY}", None, True, None)]
        assert jobs(watched, "id") == []

    def test_same(self, watched, nextcloud):
        deploy_and_observe(nextcloud, watched, "app")
        redeploy(nextcloud, "app", version="2.0.0")
        assert observe(watched, "app", container="exited") == ("same", None)
        number = nextcloud.one("select id from {ex_apps}")
        assert seen(watched, "version", "image_ref", "image_id", "container", "fingerprint", "deployed_at",
                    "first_seen_at < seen_at", "superseded_at") == [
            ("2.0.0", REF, image(1), "exited", f"{number} {NEXT_DEPLOY}", None, True, None)]
        assert jobs(watched, "id") == []

    @pytest.mark.parametrize("ref,image_id", [("r/new:2", image(2)), (REF, image(2)), ("r/new:2", image(1))],
                             ids=["both", "tag moved on", "another name"])
    def test_update(self, watched, nextcloud, ref, image_id):
        """The image before becomes a job, as of the moment when the deploy ended."""
        deploy_and_observe(nextcloud, watched, "app")
        redeploy(nextcloud, "app")
        ended = one(watched, "select deployed_at from harpsweep.exapp_image")
        what, number = observe(watched, "app", ref, image_id)
        assert what == "update"
        row = job(watched, number)
        assert {name: row[name] for name in ("daemon", "appid", "image_ref", "image_id", "event", "choice", "state",
                                             "orphaned_at", "grace_hours", "host", "docker_socket_port")} == {
            "daemon": DAEMON, "appid": "app", "image_ref": REF, "image_id": image(1), "event": "update",
            "choice": "grace", "state": "new", "orphaned_at": ended, "grace_hours": None, "host": "127.0.0.1:8780",
            "docker_socket_port": 24000}
        assert seen(watched, "image_ref", "image_id", "superseded_at", "superseded_by") == [
            (REF, image(1), ended, "update"), (ref, image_id, None, None)]
        if image_id == image(1):
            assert held(watched, number) == ("app app uses this image", 3600)

    def test_update_that_no_trigger_told(self, watched, nextcloud):
        deploy_and_observe(nextcloud, watched, "app")
        watched.execute("alter table oc_ex_apps disable trigger harpsweep")
        redeploy(nextcloud, "app")
        watched.execute("alter table oc_ex_apps enable trigger harpsweep")
        what, number = observe(watched, "app", "r/new:2", image(2))
        assert what == "update"
        assert one(watched, "select orphaned_at between now() - interval '10 s' and now() from harpsweep.job"
                            " where id = %s", number)

    def test_update_after_the_daemon_moved(self, watched, nextcloud):
        """The image before is where it was seen."""
        deploy_and_observe(nextcloud, watched, "app")
        nextcloud.move_daemon(DAEMON, "new")
        redeploy(nextcloud, "app")
        _, number = observe(watched, "app", "r/new:2", image(2))
        assert job(watched, number)["host"] == "127.0.0.1:8780"
        assert seen(watched, "host") == [("127.0.0.1:8780",), ("new",)]

    def test_no_container(self, watched, nextcloud):
        """What was known stays known, and nobody looks again before the next deploy."""
        deploy_and_observe(nextcloud, watched, "app")
        redeploy(nextcloud, "app")
        assert observe(watched, "app", None, None, None) == ("no container", None)
        assert seen(watched, "image_ref", "image_id", "bytes", "container", "superseded_at") == [
            (REF, image(1), 1000, None, None)]
        assert one(watched, "select count(*) from harpsweep.news() where kind = 'look'") == 0
        redeploy(nextcloud, "app", NEXT_DEPLOY + 1)
        assert observe(watched, "app", "r/new:2", image(2))[0] == "update"

    def test_never_a_container(self, watched, nextcloud):
        deploy(nextcloud, "app")
        assert observe(watched, "app", None, None, None) == ("new", None)
        assert observe(watched, "app", None, None, None) == ("no container", None)
        redeploy(nextcloud, "app")
        assert observe(watched, "app") == ("new", None)
        assert seen(watched, "image_ref", "superseded_at") == [(REF, None)]
        assert jobs(watched, "id") == []

    def test_id_that_is_learned_later(self, watched, nextcloud):
        deploy(nextcloud, "app")
        assert observe(watched, "app", REF, None) == ("new", None)
        assert observe(watched, "app", REF, image(1)) == ("same", None)
        assert seen(watched, "image_id", "superseded_at") == [(image(1), None)]
        assert jobs(watched, "id") == []

    @pytest.mark.parametrize("change", ["update {ex_apps} set daemon_config_name = 'other'", "delete from {ex_apps}",
                                        "update {ex_apps} set created_time = 5, status = '{{\"deploy\": 100}}'",
                                        "update {ex_apps} set status = '{{\"deploy\": 99}}'",
                                        "delete from {ex_apps_daemons}"],
                             ids=["daemon", "removed", "new deploy", "running deploy", "daemon removed"])
    def test_changed_meanwhile(self, watched, nextcloud, change):
        """What was seen may be what was there before: nothing is made of it."""
        nextcloud.add_daemon("other")
        deploy_and_observe(nextcloud, watched, "app")
        redeploy(nextcloud, "app")
        [(fingerprint,)] = rows(watched, "select fingerprint from harpsweep.nextcloud_apps()")
        nextcloud.connection.execute(change.format(**nextcloud.tables))
        before = seen(watched, "*"), jobs(watched, "*")
        assert rows(watched, "select * from harpsweep.observed(array['app'], array[%s], array[%s], array['r/new:2'],"
                             " array[%s], array[1], array['running'])", DAEMON, fingerprint, image(2)) == [
            ("app", "changed meanwhile", None)]
        assert (seen(watched, "*"), jobs(watched, "*")) == before

    def test_many(self, watched, nextcloud):
        """In one call, each by itself."""
        deploy_and_observe(nextcloud, watched, "b")
        redeploy(nextcloud, "b")
        deploy_and_observe(nextcloud, watched, "d")
        deploy(nextcloud, "a")
        deploy(nextcloud, "c")
        answer = rows(watched, """
            select o.appid, o.what, o.job_id is not null
            from (select array_agg(a.appid order by a.appid desc) as appids,
                         array_agg(case a.appid when 'c' then 'stale' else a.fingerprint end order by a.appid desc) as prints
                  from harpsweep.nextcloud_apps() as a) as a,
                 harpsweep.observed(a.appids, array_fill(%s::text, '{4}'), a.prints,
                                    '{r/d:1, r/c:1, r/b:1, r/a:1}', array_fill(%s::text, '{4}'), '{1, 2, 3, 4}',
                                    '{running, running, running, running}') as o""", DAEMON, image(7))
        assert answer == [("a", "new", False), ("b", "update", True), ("c", "changed meanwhile", False),
                          ("d", "update", True)]
        assert rows(watched, "select appid, image_ref, bytes from harpsweep.exapp_image where superseded_at is null"
                             " order by 1") == [("a", "r/a:1", 4), ("b", "r/b:1", 3), ("d", "r/d:1", 1)]

    def test_appapi_says_itself(self, watched_database):
        connection = watched_database.connect()
        nextcloud = Nextcloud(watched_database.connect("nextcloud"))
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, connection, "app")
        connection.execute("update harpsweep.nextcloud set notes_jobs = true")
        redeploy(nextcloud, "app")
        assert observe(connection, "app", "r/new:2", image(2)) == ("update", None)
        assert seen(connection, "image_ref", "superseded_by") == [(REF, "update"), ("r/new:2", None)]
        assert jobs(connection, "id") == []


class TestUsedAgain:
    """An open job about the image that the app runs now has lost its reason."""

    @pytest.mark.parametrize("image_id", [image(1), None])
    @pytest.mark.parametrize("event", ["uninstall", "update", "adopted"])
    def test_is_cancelled(self, watched, nextcloud, event, image_id):
        number = make_job(watched, "app", ref=REF, image_id=image_id, event=event)
        deploy_and_observe(nextcloud, watched, "app")
        assert (job(watched, number)["state"], job(watched, number)["hold_reason"]) == (
            "cancelled", "app app uses this image again")

    @pytest.mark.parametrize("other", [
        {"event": "manual"}, {"appid": "other"}, {"daemon": "second"}, {"ref": "r/other:1"}, {"image_id": image(2)}], ids=str)
    def test_is_not(self, watched, nextcloud, other):
        number = make_job(watched, **{"appid": "app", "ref": REF, "image_id": image(1), **other})
        before = job(watched, number)
        deploy_and_observe(nextcloud, watched, "app")
        assert job(watched, number) == before

    def test_final_jobs_stay(self, watched, nextcloud):
        number = make_job(watched, "app", ref=REF, image_id=image(1))
        watched.execute("select harpsweep.cancel(%s, 'by hand')", (number,))
        deploy_and_observe(nextcloud, watched, "app")
        assert job(watched, number)["hold_reason"] == "by hand"

    def test_while_a_run_works_on_it(self, watched, nextcloud):
        number = make_job(watched, "app", ref=REF, image_id=image(1), choice="now")
        claim(watched, number)
        deploy_and_observe(nextcloud, watched, "app")
        assert (job(watched, number)["state"], job(watched, number)["end_wanted"]) == ("claimed", "cancelled")

    def test_rolled_back_to(self, watched, nextcloud):
        """From 1 to 2 and back: 2 is the orphan."""
        deploy_and_observe(nextcloud, watched, "app")
        redeploy(nextcloud, "app")
        observe(watched, "app", "r/new:2", image(2))
        redeploy(nextcloud, "app", NEXT_DEPLOY + 1)
        observe(watched, "app")
        assert jobs(watched, "image_id", "event", "state::text") == [
            (image(1), "update", "cancelled"), (image(2), "update", "new")]

    def test_removed_and_installed_again(self, watched, nextcloud):
        """As --test-deploy-mode does it."""
        deploy_and_observe(nextcloud, watched, "app")
        nextcloud.delete_app("app")
        deploy(nextcloud, "app", when=NEXT_DEPLOY)
        assert jobs(watched, "state::text") == [("new",)]
        assert observe(watched, "app") == ("new", None)
        assert jobs(watched, "state::text") == [("cancelled",)]
        assert seen(watched, "superseded_by") == [("uninstall",), (None,)]


class TestTwoRunsAtOnce:
    def test_see_a_new_app(self, watched, watched_rows, nextcloud):
        deploy(nextcloud, "app")
        first, second = watched_rows.connect(autocommit=False), watched_rows.connect()
        assert observe(first, "app") == ("new", None)
        thread, result = in_thread(lambda: observe(second, "app"))
        wait_until_blocked(watched, second)
        first.commit()
        thread.join()
        assert result == [("new", None)]
        assert seen(watched, "image_id", "superseded_at") == [(image(1), None)]

    def test_see_an_update(self, watched, watched_rows, nextcloud):
        """One of them makes the job."""
        deploy_and_observe(nextcloud, watched, "app")
        redeploy(nextcloud, "app")
        first, second = watched_rows.connect(autocommit=False), watched_rows.connect()
        what, number = observe(first, "app", "r/new:2", image(2))
        assert what == "update"
        thread, result = in_thread(lambda: observe(second, "app", "r/new:2", image(2)))
        wait_until_blocked(watched, second)
        first.commit()
        thread.join()
        assert result[0][1] is None
        assert jobs(watched, "id", "image_id") == [(number, image(1))]
        assert seen(watched, "image_id", "superseded_by") == [(image(1), "update"), (image(2), None)]

    def test_lock_in_one_order(self, watched, watched_rows, nextcloud):
        """Whatever the order in which they saw the apps: they wait, and none is the victim of a deadlock."""
        for appid in ("a", "b"):
            deploy_and_observe(nextcloud, watched, appid)
        both = ("select what from harpsweep.nextcloud_apps() as b, harpsweep.nextcloud_apps() as a,"
                " harpsweep.observed(array[b.appid, a.appid], array[b.daemon, a.daemon], array[b.fingerprint, a.fingerprint],"
                " array[%s, %s], array[%s, %s], '{1, 1}', '{running, running}') where (b.appid, a.appid) = ('b', 'a')")
        first, second = watched_rows.connect(autocommit=False), watched_rows.connect()
        observe(first, "a")
        thread, result = in_thread(lambda: rows(second, both, REF, REF, image(1), image(1)))
        wait_until_blocked(watched, second)
        assert observe(first, "b") == ("same", None)
        first.commit()
        thread.join()
        assert result == [[("same",), ("same",)]]

    def test_make_up_for_the_same_app(self, watched, watched_rows, nextcloud):
        deploy_and_observe(nextcloud, watched, "app")
        watched.execute("alter table oc_ex_apps disable trigger harpsweep")
        nextcloud.delete_app("app")
        watched.execute("alter table oc_ex_apps enable trigger harpsweep")
        first, second = watched_rows.connect(autocommit=False), watched_rows.connect()
        second.execute("set lock_timeout = '5s'")
        assert one(first, "select harpsweep.reconcile()") == 1
        assert one(second, "select harpsweep.reconcile()") == 0
        first.commit()
        assert one(second, "select harpsweep.reconcile()") == 0
        assert jobs(watched, "appid", "event") == [("app", "uninstall")]


class TestRemovedWhileItIsSeen:
    """The app's end and the observation do not see each other; the next run finds that the app is gone."""

    def test_for_the_first_time(self, watched, watched_rows, nextcloud):
        deploy(nextcloud, "app")
        run = watched_rows.connect(autocommit=False)
        observe(run, "app")
        nextcloud.delete_app("app")
        run.commit()
        assert jobs(watched, "state::text") == [("no_ref",)]
        assert one(watched, "select harpsweep.reconcile()") == 1
        assert jobs(watched, "image_id", "event", "state::text")[1:] == [(image(1), "uninstall", "new")]

    def test_after_an_update(self, watched, watched_rows, nextcloud):
        deploy_and_observe(nextcloud, watched, "app")
        redeploy(nextcloud, "app")
        run = watched_rows.connect(autocommit=False)
        observe(run, "app", "r/new:2", image(2))
        nextcloud.delete_app("app")
        run.commit()
        assert failures(watched) == [("oc_ex_apps delete", "55P03", "app", 1)]
        assert one(watched, "select harpsweep.reconcile()") == 1
        assert jobs(watched, "image_id", "event", "state::text") == [
            (image(1), "update", "new"), (image(2), "uninstall", "new")]


class TestReconcile:
    @pytest.fixture
    def silent(self, watched):
        """The triggers do not fire, as while a dump is restored or a DBA has disabled them."""
        watched.execute("alter table oc_ex_apps disable trigger harpsweep")
        yield
        watched.execute("alter table oc_ex_apps enable trigger harpsweep")

    def test_nothing_to_do(self, watched, nextcloud):
        deploy_and_observe(nextcloud, watched, "stays")
        deploy_and_observe(nextcloud, watched, "told", "r/told:1", image(2))
        nextcloud.delete_app("told")
        before = jobs(watched, "*")
        assert one(watched, "select harpsweep.reconcile()") == 0
        assert jobs(watched, "*") == before

    def test_removed_in_silence(self, watched, nextcloud, silent):  # pylint: disable=unused-argument
        deploy_and_observe(nextcloud, watched, "stays")
        for number in (2, 3):
            deploy_and_observe(nextcloud, watched, f"app{number}", f"r/app{number}:1", image(number))
            nextcloud.delete_app(f"app{number}")
        assert one(watched, "select harpsweep.reconcile()") == 2
        assert jobs(watched, "daemon", "appid", "image_ref", "image_id", "event", "choice", "state::text", "host",
                    "orphaned_at > now() - interval '10 s'") == [
            (DAEMON, f"app{number}", f"r/app{number}:1", image(number), "uninstall", "grace", "new", "127.0.0.1:8780", True)
            for number in (2, 3)]
        assert one(watched, "select harpsweep.reconcile()") == 0
        assert seen(watched, "superseded_by") == [(None,), ("uninstall",), ("uninstall",)]

    def test_removed_and_installed_again_in_silence(self, watched, nextcloud, silent):  # pylint: disable=unused-argument
        """It is not gone; if it came back with another image, that is an update."""
        deploy_and_observe(nextcloud, watched, "app")
        nextcloud.delete_app("app")
        deploy(nextcloud, "app", when=NEXT_DEPLOY)
        assert one(watched, "select harpsweep.reconcile()") == 0
        assert observe(watched, "app", "r/new:2", image(2))[0] == "update"
        assert jobs(watched, "image_id", "event") == [(image(1), "update")]

    def test_an_older_job_for_the_image(self, watched, nextcloud, silent):  # pylint: disable=unused-argument
        """The events merge, as they do when the trigger tells."""
        deploy_and_observe(nextcloud, watched, "app")
        number = schedule(watched, DAEMON, "app", REF, image_id=image(1), choice="now", event="manual")
        nextcloud.delete_app("app")
        assert one(watched, "select harpsweep.reconcile()") == 1
        assert jobs(watched, "id", "event", "choice") == [(number, "uninstall", "grace")]
        assert failures(watched) == []
