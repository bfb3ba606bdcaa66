"""From a click in Nextcloud to a deleted image: AppAPI's own statements in their order, against its real tables,
with the stand-in playing the containers and real runs in between. Parity with AppAPI's own draft of an image
cleanup, story by story."""

import signal
import time

import pytest

from harness.nextcloud import Nextcloud
from harness.program import Program
from harness.rows import an_hour_later, job, one, wait_for
from harness.story import DAEMON, Story

V1, V2 = "registry.example/apps/talk:1.0", "registry.example/apps/talk:2.0"


@pytest.fixture(scope="module")
def nextcloud_template(cluster, worker):  # pylint: disable=unused-argument
    """Name of a database with Nextcloud's tables, watched."""
    name = "nextcloud_stories"
    cluster.create_database(name)
    import psycopg
    with psycopg.connect(cluster.conninfo(name), autocommit=True) as connection:
        Nextcloud(connection).create_tables()
    cluster.psql(name, "-v", "ON_ERROR_STOP=1", "-v", "nextcloud=on", "-f", "sql/install.sql")
    yield name
    cluster.drop_database(name)


@pytest.fixture
def database(cluster, nextcloud_template):
    from conftest import fresh_database
    yield from fresh_database(cluster, nextcloud_template)


@pytest.fixture
def story(connection, harp):
    made = Story(connection, harp)
    made.daemon()
    return made


@pytest.fixture
def program(tmp_path, cluster, database, worker):
    """Settings that name no daemon: Nextcloud's table does."""
    return Program(tmp_path, cluster.conninfo(database.name, user=worker))


class TestTheUsualLife:
    def test_uninstall_and_a_day_later_the_image_is_gone(self, program, story, harp):
        image = story.install("talk", V1)
        program("run")
        assert harp.log("container") and not story.jobs()
        story.uninstall("talk")
        row = story.job()
        assert (row["state"], row["event"], row["choice"], row["image_ref"], row["image_id"]) == (
            "new", "uninstall", "grace", V1, image)
        assert (row["daemon"], row["protocol"], f"{row['protocol']}://{row['host']}") == (DAEMON, "http", harp.url)
        program("run")
        assert story.job()["state"] == "pending" and image in harp.images()
        story.age(23)
        program("run")
        assert image in harp.images() and not story.removed()
        story.age(1)
        program("run")
        assert story.job()["state"] == "removed" and image not in harp.images()
        assert not story.intake_errors()

    def test_what_did_not_change_is_not_looked_at_again(self, program, story, harp):
        story.install("talk", V1)
        story.install("vision", "registry.example/apps/vision:1")
        program("run")
        assert len(harp.log("container")) == 2
        harp.clear_log()
        program("run")
        assert not harp.log()
        story.nextcloud.set_status("talk", heartbeat_count=3)
        story.nextcloud.disable_app("talk")
        program("run")
        assert not harp.log()

    def test_update_makes_a_job_for_the_image_before(self, program, story, harp):
        old = story.install("talk", V1)
        program("run")
        new = story.update("talk", V2)
        program("run")
        row = story.job()
        assert (row["event"], row["image_ref"], row["image_id"]) == ("update", V1, old)
        story.age(25)
        program("run")
        assert story.job()["state"] == "removed"
        assert list(harp.images()) == [new]

    def test_an_update_of_the_same_tag_deletes_the_old_image_by_its_id(self, program, story, harp):
        """What AppAPI's draft leaks for ever: it deletes by tag."""
        ref = "registry.example/apps/talk:latest"
        old = story.install("talk", ref)
        program("run")
        new = story.update("talk", ref, new_image=True)
        program("run")
        assert (story.job()["image_ref"], story.job()["image_id"]) == (ref, old)
        story.age(25)
        program("run")
        assert story.job()["state"] == "removed"
        assert list(harp.images()) == [new]
        assert story.removed() == [old]

    def test_an_image_that_changed_without_a_trigger(self, program, story, connection):
        story.install("talk", V1)
        program("run")
        connection.execute("alter table oc_ex_apps disable trigger harpsweep")
        story.update("talk", V2)
        program("run")
        assert story.jobs() == []
        an_hour_later(connection)
        program("run")
        assert (story.job()["event"], story.job()["image_ref"]) == ("update", V1)

    def test_an_app_that_was_removed_without_a_trigger(self, program, story, connection):
        story.install("talk", V1)
        program("run")
        connection.execute("alter table oc_ex_apps disable trigger harpsweep")
        story.uninstall("talk")
        program("run")
        assert story.jobs() == []
        an_hour_later(connection)
        program("run")
        assert (story.job()["event"], story.job()["image_ref"]) == ("uninstall", V1)
        program("run")
        assert len(story.jobs()) == 1

    def test_a_run_that_was_late_keeps_the_time_of_the_update(self, program, story, connection):
        story.install("talk", V1)
        program("run")
        story.update("talk", V2)
        ended = one(connection, "select deployed_at from harpsweep.exapp_image where superseded_at is null")
        program("run")
        assert ended is not None and story.job()["orphaned_at"] == ended

    def test_observe_shows_what_is_known(self, program, story):
        image = story.install("talk", V1)
        shown = program("observe", "--json").json
        assert shown["observed"] == 1
        assert [(app["appid"], app["image_ref"], app["image_id"], app["container"], app["bytes"])
                for app in shown["apps"]] == [("talk", V1, image, "running", 1_000_000)]
        assert "talk" in program("observe").out

    def test_check_tells_how_it_is(self, program, story):
        story.install("talk", V1)
        done = program("check")
        assert "public.oc_ex_apps is watched: 1 apps on daemons with HaRP, 1 of them still to be looked at" in done.out
        assert f"daemon {DAEMON}: HaRP 0.4.4 answers" in done.out


class TestParityWithTheDraft:
    def test_purge_now(self, program, story, connection, harp):
        """AppAPI's --purge-now: here, `harpsweep now` after the uninstall."""
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        program("now", "--app", "talk")
        program("run")
        assert story.job()["state"] == "removed" and not harp.images()

    def test_keep(self, program, story, harp):
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        program("keep", "--app", "talk")
        story.age(100)
        program("run")
        assert story.job()["state"] == "kept" and harp.images() and not story.removed()

    def test_reinstall_before_the_grace_ends(self, program, story, harp):
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        program("run")
        story.install("talk", V1)
        program("run")
        row = story.job()
        assert (row["state"], row["hold_reason"]) == ("cancelled", "app talk uses this image again")
        story.uninstall("talk")
        story.age(25)
        program("run")
        story.age(25)
        program("run")
        assert [one_job["state"] for one_job in story.jobs()] == ["cancelled", "removed"] and not harp.images()

    def test_two_tags_of_one_image(self, program, story, harp):
        """The first untag frees nothing, the last one the size."""
        image = harp.add_image(V1, V2, size=5_000)
        story.install("talk", V1)
        story.install("vision", V2)
        program("run")
        story.uninstall("talk")
        story.uninstall("vision")
        program("run")
        story.age(25)
        program("run")
        states = sorted((row["state"], row["bytes_freed"]) for row in story.jobs())
        assert states == [("removed", 5_000), ("untagged", 0)]
        assert image not in harp.images()

    def test_keep_cancels_a_stale_job(self, program, story, connection, harp):
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        connection.execute("select harpsweep.schedule(%s, 'talk', %s, choice => 'keep')", [DAEMON, V1])
        story.age(100)
        program("run")
        assert {row["state"] for row in story.jobs()} == {"kept"} and not story.removed()

    def test_now_is_honoured_while_disabled(self, program, story, harp):
        program.sections["cleanup"]["follow_nextcloud"] = "yes"
        story.nextcloud.set_config("image_cleanup_enabled", "0", 32)
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        story.age(100)
        program("run")
        assert story.job()["state"] == "new" and not story.removed()
        program("now", "--app", "talk")
        program("run")
        assert story.job()["state"] == "removed" and not harp.images()

    def test_toggle_off_after_queueing(self, program, story, harp):
        program.sections["cleanup"]["follow_nextcloud"] = "yes"
        story.nextcloud.set_config("image_cleanup_enabled", "1", 32)
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        program("run")
        story.nextcloud.set_config("image_cleanup_enabled", "0", 32)
        story.age(25)
        program("run")
        assert story.job()["state"] == "pending" and not story.removed()
        story.nextcloud.set_config("image_cleanup_enabled", "1", 32)
        program("run")
        assert story.job()["state"] == "removed" and not harp.images()

    def test_a_failed_update_leaves_the_old_image(self, program, story, harp):
        """It fails after the old container was removed: the old image is the only way back."""
        old = story.install("talk", V1)
        program("run")
        story.nextcloud.begin_update("talk", "2.0.0")
        story.nextcloud.begin_deploy("talk", when=story.tick())
        story.nextcloud.deploy_progress("talk", 95)
        story.remove_container("talk")
        story.nextcloud.set_status("talk", error="Deployment update failed")
        program("run")
        story.age(100)
        program("run")
        assert old in harp.images() and not story.jobs()

    def test_force_with_the_container_left_behind(self, program, story, harp):
        image = story.install("talk", V1)
        program("run")
        story.uninstall("talk", container=False)
        program("run")
        story.age(25)
        program("run")
        row = story.job()
        assert (row["state"], row["rechecks"]) == ("pending", 1) and image in harp.images()
        story.remove_container("talk")
        story.age(25)
        program("run")
        assert story.job()["state"] == "removed"

    def test_test_deploy_deletes_and_inserts_the_row(self, program, story, harp):
        ref = "ghcr.io/nextcloud/test-deploy:release"
        story.install("test-deploy", ref)
        program("run")
        story.nextcloud.delete_app("test-deploy")
        story.begin_install("test-deploy")
        story.age(25)
        program("run")
        row = story.job()
        assert row["state"] == "pending" and row["hold_reason"].startswith(
            "deploy of app test-deploy running on this engine since ")
        story.recreate("test-deploy", ref)
        story.nextcloud.end_deploy("test-deploy")
        program("run")
        assert story.job()["state"] == "cancelled" and harp.images() and not story.removed()

    def test_an_app_installed_and_removed_between_two_runs(self, program, story, harp):
        story.install("talk", V1)
        story.uninstall("talk")
        row = story.job()
        assert (row["state"], row["image_ref"]) == ("no_ref", "")
        assert "was removed before its image was ever seen" in row["hold_reason"]
        assert "harpsweep adopt --daemon " + DAEMON in row["hold_reason"]
        program("run")
        assert harp.images() and not story.removed()


class TestDaemons:
    def test_unregistered_with_jobs_pending_they_run_from_their_snapshot_at_once(self, program, story, harp):
        """The web page removes the apps, then the daemon's row."""
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        story.nextcloud.delete_daemon(DAEMON)
        program("run")
        assert story.job()["state"] == "removed" and not harp.images()

    @pytest.mark.parametrize("place", ["protocol = 'https'", "host = 'elsewhere.example:8780'", "docker_socket_port = 24001",
                                       "protocol = null, host = null, docker_socket_port = null"])
    def test_a_daemon_that_is_gone_had_jobs_at_two_engines(self, program, story, harp, connection, place):
        """One address is known for a run, that of its first job: an image of the same name there is another one."""
        for app in ("first", "second"):
            story.install(app, f"ghcr.io/nextcloud/{app}:1")
        program("run")
        for app in ("first", "second"):
            story.uninstall(app)
        story.nextcloud.delete_daemon(DAEMON)
        connection.execute(f"update harpsweep.job set {place} where appid = 'second'")
        connection.execute("update harpsweep.job set orphaned_at = orphaned_at - interval '1 h',"
                           " not_before = now() - interval '1 min',"
                           " next_at = now() - interval '1 min' + (appid = 'second')::int * interval '1 s'")
        program("run")
        assert story.removed() == ["ghcr.io/nextcloud/first:1"]
        row = story.job(appid="second")
        assert (row["state"], row["hold_reason"]) == (
            "pending", "its daemon is gone, and this run asks another engine of that name")

    def test_a_daemon_that_is_gone_and_down_ends_its_jobs_visibly(self, program, story, harp, connection):
        program.sections["cleanup"]["max_failures"] = 2
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        story.nextcloud.delete_daemon(DAEMON)
        harp.refuse()
        program("run", code=1)
        row = story.job()
        assert (row["state"], row["failures"]) == ("pending", 1)
        assert f"daemon {DAEMON} is not registered in Nextcloud any more; no connection to HaRP" in row["last_error"]
        connection.execute("update harpsweep.job set next_at = now(), not_before = now() - interval '1 s'")
        program("run", code=1)
        assert story.job()["state"] == "failed"
        assert "is not registered in Nextcloud any more" in program("status", code=1).out

    def test_a_daemon_that_moved_holds_its_jobs(self, program, story, harp):
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        story.nextcloud.move_daemon(DAEMON, "elsewhere.example:8780")
        program("run")
        story.age(25)
        program("run")
        row = story.job()
        assert row["state"] == "pending" and not story.removed()
        assert row["hold_reason"].startswith(f"daemon {DAEMON} is at http://elsewhere.example:8780, port 24000, now")

    def test_a_section_overrides_where_it_is(self, program, story, harp):
        story.nextcloud.move_daemon(DAEMON, "unreachable.invalid:1")
        program.sections[f"daemon:{DAEMON}"] = {"url": harp.url}
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        program("run")
        story.age(25)
        program("run")
        assert story.job()["state"] == "removed"

    def test_a_section_may_give_the_key_only(self, program, story, harp, tmp_path):
        harp.set(key="another key")
        program.sections[f"daemon:{DAEMON}"] = {
            "shared_key_file": program.write_key("another key", tmp_path / "other.key")}
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        program("run")
        story.age(25)
        program("run")
        assert story.job()["state"] == "removed"

    @pytest.mark.parametrize("more, words", [
        ({"deploy_id": "manual-install", "harp": False}, "deploys by manual-install, not with Docker"),
        ({"deploy_id": "kubernetes-install"}, "deploys by kubernetes-install, not with Docker"),
        ({"harp": False}, "uses Docker without HaRP"),
        ({"host": "/var/run/docker.sock"}, "is a Unix socket, /var/run/docker.sock: HaRP has an address"),
    ])
    def test_others_become_unsupported(self, program, story, harp, more, words):
        story.daemon("other", **more)
        story.nextcloud.insert_app("talk", "other")
        story.nextcloud.begin_deploy("talk")
        story.nextcloud.end_deploy("talk")
        program("run")
        story.nextcloud.delete_app("talk")
        row = story.job()
        assert row["state"] == "unsupported" and words in row["hold_reason"]
        assert words in program("check").out
        assert not [entry for entry in harp.log() if entry["kind"] in ("remove", "container")]

    def test_a_job_of_a_daemon_that_became_unsupported(self, program, story, connection):
        connection.execute("select harpsweep.schedule(%s, 'talk', %s, choice => 'now')", [DAEMON, V1])
        story.nextcloud.run("update {ex_apps_daemons} set accepts_deploy_id = 'manual-install'")
        program("run")
        row = story.job()
        assert row["state"] == "unsupported" and "deploys by manual-install" in row["hold_reason"]

    def test_no_key_for_it_is_said(self, program, story, connection):
        del program.sections["harp"]["shared_key_file"]
        program.sections["daemon:another"] = {"url": "http://127.0.0.1:9", "shared_key_file": program.key_file}
        connection.execute("select harpsweep.schedule(%s, 'talk', %s, choice => 'now')", [DAEMON, V1])
        done = program("run", code=1)
        assert f"jobs are due for daemon {DAEMON}, which cannot be asked: the settings have no shared key" in done.err
        assert story.job()["attempts"] == 0


class TestTheObserver:
    """Looks are stopped by the same rules as deletes."""

    def test_an_app_whose_container_harp_does_not_give(self, program, story, harp):
        """HaRP's pattern for names leaves it out; the other apps are seen."""
        for appid in ("talk", "ta..lk"):
            story.nextcloud.insert_app(appid, when=story.tick())
            story.nextcloud.begin_deploy(appid, when=story.tick())
            story.nextcloud.end_deploy(appid)
        program("observe")
        assert [entry["ref"] for entry in harp.log("container")] == ["nc_app_talk"]

    def apps(self, story, count, daemon=DAEMON):
        for number in range(count):
            story.install(f"app{number}", f"registry.example/apps/app{number}:1", daemon=daemon)

    def test_after_a_wrong_key_nothing_more_is_asked(self, program, story, harp):
        self.apps(story, 5)
        harp.set(key="another")
        done = program("run", code=1)
        assert "HaRP refuses the shared key" in done.err
        assert [entry["kind"] for entry in harp.log()] == ["info"]
        program("run")  # and the next runs leave it alone for a while
        assert len(harp.log()) == 1
        harp.set(key="test-shared-key")
        assert program("observe", "--daemon", DAEMON, "--json").json["observed"] == 5

    def test_the_first_goes_alone_and_the_others_four_at_once(self, program, story, harp):
        self.apps(story, 12)
        harp.fault(kind="container", delay=0.2, effect=True)
        program("run")
        looks = harp.log("container")
        assert len(looks) == 12 and looks[0]["active"] == 1
        assert max(entry["active"] for entry in harp.log()) == 4

    def test_a_daemon_that_is_down_stops_neither_the_others_nor_their_deletes(self, program, story, harp, connection):
        story.daemon("down", host="127.0.0.1:9")
        self.apps(story, 2)
        story.nextcloud.insert_app("other", "down")
        story.nextcloud.begin_deploy("other")
        story.nextcloud.end_deploy("other")
        connection.execute("select harpsweep.schedule(%s, 'x', 'nowhere:1', choice => 'now')", [DAEMON])
        done = program("run", "--json", code=1).json
        assert (done["observed"], done["absent"], done["daemons_stopped"]) == (2, 1, 1)
        program("run", code=1)
        assert story.job(image_ref="nowhere:1")["state"] == "absent"

    def test_whoever_was_told_of_a_stop_is_not_told_again(self, program, story, harp):
        self.apps(story, 1)
        harp.refuse()
        assert "daemon stopped for this run" in program("run", code=1).err
        again = program("run", code=1)
        assert again.err == ""
        harp.refuse(False)
        program("run")
        story.update("app0", "registry.example/apps/app0:2")
        harp.refuse()
        assert "daemon stopped for this run" in program("run", code=1).err

    def test_what_docker_does_not_tell_of_one_app_leaves_the_others(self, program, story, harp):
        self.apps(story, 3)
        harp.fault(kind="container", times=1, status=500, body='{"message":"trouble"}', content_type="application/json")
        assert program("observe", "--json").json["observed"] == 2
        assert program("observe", "--json").json["observed"] == 1

    def test_an_app_without_a_container(self, program, story, harp):
        story.install("talk", V1)
        story.remove_container("talk")
        shown = program("observe", "--json").json["apps"]
        assert [(app["appid"], app["container"], app["image_ref"]) for app in shown] == [("talk", None, None)]
        harp.clear_log()
        program("run")
        assert not harp.log()

    def test_a_container_that_is_gone_keeps_the_image_known(self, program, story, connection):
        image = story.install("talk", V1)
        program("run")
        story.nextcloud.begin_update("talk", "2.0.0")
        story.nextcloud.begin_deploy("talk", when=story.tick())
        story.remove_container("talk")
        story.nextcloud.end_deploy("talk")
        program("run")
        assert one(connection, "select image_id from harpsweep.exapp_image where superseded_at is null") == image
        assert not story.jobs()


class TestGuardsInARun:
    """Each guard is tested on its own in test_nextcloud_guards.py; here, that a run obeys and records them."""

    def test_a_deploy_on_the_same_engine_by_another_name(self, program, story, harp):
        story.daemon("harp_gpu")
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        program("run")
        story.age(25)
        story.begin_install("vision", daemon="harp_gpu")
        story.nextcloud.deploy_progress("vision", 10)
        program("run")
        row = story.job()
        assert row["hold_reason"].startswith("deploy of app vision running on this engine since ")
        assert not story.removed() and not harp.log("inspect")[1:]

    def test_another_app_uses_the_image(self, program, story):
        story.install("talk", V1)
        story.install("vision", V1)
        program("run")
        story.uninstall("talk")
        program("run")
        story.age(25)
        program("run")
        assert story.job()["hold_reason"] == "app vision uses this image" and not story.removed()

    def test_an_app_that_uses_the_image_by_another_name_is_found_by_what_docker_says(self, program, story, connection,
                                                                                       harp):
        """The job knows a name only; Docker's inspect tells the ID, and that is looked up before the delete."""
        harp.add_image(V1, V2)
        story.install("vision", V2)
        program("run")
        connection.execute("select harpsweep.schedule(%s, 'talk', %s, choice => 'now')", [DAEMON, V1])
        program("run")
        assert story.job()["hold_reason"] == "app vision uses this image" and not story.removed()

    def test_an_app_that_was_not_seen_yet(self, program, story, harp):
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        program("run")
        story.age(25)
        story.install("vision", V2)
        harp.fault(kind="container", status=500, body='{"message":"trouble"}', content_type="application/json")
        program("run")
        assert story.job()["hold_reason"] == (
            "app vision was deployed on this engine, and which image it uses is not known yet")
        assert not story.removed()

    def test_keep_previous(self, program, story, harp):
        program.sections["cleanup"]["keep_previous"] = "1"
        story.install("talk", V1)
        program("run")
        story.update("talk", V2)
        program("run")
        story.age(25)
        program("run")
        assert story.job()["hold_reason"] == (
            "one of the 1 images of app talk before its own that keep_previous keeps")
        story.update("talk", "registry.example/apps/talk:3.0", version="3.0.0")
        program("run")
        story.age(25)
        program("run")
        assert story.job(image_ref=V1)["state"] == "removed"
        assert story.job(image_ref=V2)["state"] == "pending"

    def test_a_deploy_begins_between_guard_and_delete(self, program, story, connection, harp):
        """The guard before the inspect sees nothing, the inspect takes long, and meanwhile a deploy begins: the
        database is asked once more right before the delete."""
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        program("run")
        story.age(25)
        harp.clear_log()
        harp.fault(kind="inspect", delay=1.0)
        with program.start("run") as running:
            while not harp.log("inspect"):
                pass
            story.begin_install("vision")
            running.communicate()
        assert not story.removed()
        assert story.job()["hold_reason"].startswith("deploy of app vision running on this engine since ")

    def test_a_deploy_that_begins_while_the_delete_is_under_way_is_told(self, program, story, harp):
        """The gap that is left: nothing can hold AppAPI, so it is said, and the run asks for a look."""
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        program("run")
        story.age(25)
        harp.clear_log()
        harp.fault(kind="remove", delay=1.0, effect=True)
        with program.start("run") as running:
            while not harp.log("remove"):
                pass
            story.begin_install("vision")
            _, said = running.communicate()
        assert running.returncode == 1
        assert "a deploy of app vision began while an image was being deleted on the same engine" in said
        row = story.job()
        assert row["state"] == "removed"
        assert row["hold_reason"] == ("a deploy of app vision began on this engine while the image was being deleted: "
                                      "if it failed, deploy it again")


class TestFollowingNextcloud:
    @pytest.mark.parametrize("value, kind, grace", [("48", 8, 48), ("0", 8, 0), ("9999", 8, 720), ("-5", 8, 0), ("12", 2, 12)])
    def test_grace(self, program, story, value, kind, grace):
        program.sections["cleanup"]["follow_nextcloud"] = "yes"
        story.nextcloud.set_config("image_cleanup_grace_hours", value, kind)
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        program("run")
        assert story.job()["grace_hours"] == grace

    def test_nothing_set_means_enabled_and_a_day(self, program, story):
        program.sections["cleanup"]["follow_nextcloud"] = "yes"
        program.sections["cleanup"]["enabled"] = "no"  # Nextcloud's word counts
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        program("run")
        assert (story.job()["state"], story.job()["grace_hours"]) == ("pending", 24)

    @pytest.mark.parametrize("key, value, kind", [
        ("image_cleanup_enabled", "maybe", 32), ("image_cleanup_enabled", "1", 4), ("image_cleanup_enabled", "x", 33),
        ("image_cleanup_grace_hours", "abc", 8), ("image_cleanup_grace_hours", "", 8),
        ("image_cleanup_grace_hours", "24", 4),
    ])
    def test_what_cannot_be_read_counts_as_disabled(self, program, story, key, value, kind):
        program.sections["cleanup"]["follow_nextcloud"] = "yes"
        story.nextcloud.set_config(key, value, kind)
        story.install("talk", V1)
        program("run")
        story.uninstall("talk")
        story.age(100)
        done = program("run")
        assert f"Nextcloud's app_api {key} = " in done.err and "cleanup counts as disabled" in done.err
        assert story.job()["state"] == "new" and not story.removed()


class TestPlanAndAdopt:
    def test_plan(self, program, story, connection, harp):
        one_image = story.install("talk", V1)
        story.install("vision", V2)
        connection.execute("select harpsweep.schedule(%s, 'gone', 'nowhere:1', choice => 'now')", [DAEMON])
        connection.execute("select harpsweep.schedule(%s, 'other', %s, choice => 'now')", [DAEMON, V2])
        program("run", "--app", "nobody")
        story.uninstall("talk")
        before = story.jobs()
        harp.clear_log()
        shown = {row["appid"]: row for row in program("plan", "--json").json}
        assert (shown["talk"]["outcome"], shown["talk"]["bytes"], shown["talk"]["image_id"]) == (
            "delete", 1_000_000, one_image)
        assert 23 * 3600 < shown["talk"]["waits_s"] <= 24 * 3600
        assert shown["gone"]["outcome"] == "absent" and shown["gone"]["waits_s"] == 0
        assert (shown["other"]["outcome"], shown["other"]["reason"]) == ("held", "app vision uses this image")
        assert story.jobs() == before and not harp.log("remove")
        text = program("plan").out
        assert "to delete now          0 images, up to 0 B" in text
        assert "within 7 days          1 image, up to 1.0 MB" in text
        assert "held                   1 image, up to 1.0 MB" in text
        assert [row["appid"] for row in program("plan", "--days", 0, "--json").json] == ["gone", "other"]

    def test_adopt(self, program, story, harp, tmp_path):
        image = harp.add_image(V1, size=3_000)
        harp.add_image(V2, size=4_000)
        told = program("adopt", "--daemon", DAEMON, "--dry-run", V1, "nowhere:1")
        assert "1 of 2 images are there, up to 3.0 kB; nothing was changed" in told.out and not story.jobs()
        listed = tmp_path / "images"
        listed.write_text(f"# left behind\n{V1}\n\n  {image}  \nnowhere:1\n")
        shown = program("adopt", "--daemon", DAEMON, "--file", listed, "--json").json
        assert [(row["image_ref"], row["exists"], row["bytes"]) for row in shown] == [
            (V1, True, 3_000), (image, True, 3_000), ("nowhere:1", False, None)]
        rows = story.jobs()
        assert [(row["appid"], row["event"], row["image_id"], row["state"]) for row in rows] == [
            ("talk", "adopted", image, "new"), ("unknown", "adopted", image, "new")]
        assert rows[0]["id"] == shown[0]["job"]

    def test_adopt_is_deleted_like_any_other(self, program, story, harp):
        harp.add_image(V1)
        program("adopt", "--daemon", DAEMON, "--now", V1)
        program("run")
        assert story.job()["state"] == "removed" and not harp.images()

    def test_adopt_from_standard_input_and_with_a_daemon_that_is_down(self, program, story, harp):
        harp.refuse()
        done = program("adopt", "--daemon", DAEMON, V1, code=1)
        assert "no connection to HaRP" in done.out and not story.jobs()
        program("adopt", "--daemon", "typo", V1, code=64)
        program("adopt", V1, code=64)
        program("adopt", "--daemon", DAEMON, code=64)

    def test_adopt_knows_nothing_of_an_image_whose_inspect_failed(self, program, story, harp):
        harp.add_image(V1)
        harp.fault(kind="inspect", ref=V1, status=504, body="Timeout communicating with Docker Engine",
                   content_type="text/plain")
        done = program("adopt", "--daemon", DAEMON, V1, code=1)
        assert V1 in done.out and not story.jobs()


def test_a_story_with_a_settings_file_without_any_daemon_and_no_nextcloud(tmp_path, cluster, template, worker):
    """Without Nextcloud's tables and without a section, nothing can be reached, and check says what to do."""
    from conftest import fresh_database
    for database in fresh_database(cluster, template):
        program = Program(tmp_path, cluster.conninfo(database.name, user=worker))
        done = program("check")
        assert "no daemon is known: no job can be worked on; do: psql -v nextcloud=on" in done.out
        number = one(database.connect(), "select harpsweep.schedule('d', 'a', 'i:1', choice => 'now')")
        done = program("run", code=1)
        assert "jobs are due for daemon d, which neither" in done.err
        assert job(database.connect(), number)["attempts"] == 0


def test_old_observations_are_pruned_and_those_that_matter_stay(program, story, connection):
    program.sections["cleanup"].update(keep_previous="1", history_days="10")
    for number in range(1, 5):
        ref = f"registry.example/apps/talk:{number}"
        story.install("talk", ref) if number == 1 else story.update("talk", ref, version=str(number))
        program("run")
    connection.execute("update harpsweep.exapp_image set superseded_at = superseded_at - interval '20 days'")
    connection.execute("select harpsweep.note_intake_error('t', 's', 'c', 'old', 'x')")
    connection.execute("update harpsweep.intake_error set last_at = now() - interval '11 days'")
    connection.execute("select harpsweep.note_intake_error('t', 's', 'c', 'new', 'x')")
    connection.execute("select harpsweep.schedule(%s, 'x', 'nowhere:1', choice => 'now')", [DAEMON])
    program("run")
    assert [row[0] for row in connection.execute("select image_ref from harpsweep.exapp_image order by id")] == [
        "registry.example/apps/talk:3", "registry.example/apps/talk:4"]
    assert [row[2] for row in story.intake_errors()] == ["new"]


def test_nothing_more_is_needed_than_check_asks_for(program, story, connection):
    """By a user with these privileges alone, of a day in the life, of its history's end, and of the commands."""
    connection.execute("revoke all on all tables in schema harpsweep from harpsweep_worker, harpsweep_writer, harpsweep_reader;"
                       "revoke all on all functions in schema harpsweep from harpsweep_worker, harpsweep_writer, harpsweep_reader;"
                       "revoke update on harpsweep.job from harpsweep_worker;"
                       "grant execute on function harpsweep.schema_version() to harpsweep_worker; grant select on harpsweep.alarm to harpsweep_worker")
    checks = program("check", "--json", code=78).json["checks"]
    for remedy in [check["hint"] for check in checks if "privilege" in check["text"] and check["hint"]]:
        connection.execute(remedy)
    assert "has all privileges" in program("check").out
    program.sections["cleanup"]["history_days"] = "10"
    for version in ("1", "2"):
        ref = f"registry.example/apps/talk:{version}"
        story.install("talk", ref) if version == "1" else story.update("talk", ref, version=version)
        program("run")
    connection.execute("update harpsweep.exapp_image set superseded_at = superseded_at - interval '20 days'")
    connection.execute("select harpsweep.note_intake_error('t', 's', 'c', 'old', 'x')")
    connection.execute("update harpsweep.intake_error set last_at = now() - interval '11 days'")
    number = program("schedule", "--daemon", DAEMON, "--app", "x", "nowhere:1", "--json").json["id"]
    for command in ("keep", "cancel", "now"):
        other = program("schedule", "--daemon", DAEMON, "--app", "x", f"{command}:1", "--json").json["id"]
        program(command, other)
    program("now", number)
    program("run")
    assert one(connection, "select count(*) from harpsweep.exapp_image") == 1 and not story.intake_errors()
    assert job(connection, number)["state"] == "absent"
    for command in (("list",), ("show", number), ("status",), ("report",), ("observe",), ("plan",), ("run", "--dry-run")):
        program(*command)


def test_a_daemon_that_went_and_a_run_that_is_cut_short(program, story, harp, connection):
    """Its jobs end some day, but what was never sent is no attempt of theirs."""
    program.sections["cleanup"]["max_failures"] = 1
    apps = [f"app{number}" for number in range(6)]
    for app in apps:
        story.install(app, f"registry.example/{app}:1")
    program("run")
    for app in apps:
        story.uninstall(app)
    story.nextcloud.delete_daemon(DAEMON)
    for app in apps[1:]:
        harp.fault(kind="remove", ref=f"registry.example/{app}:1", delay=20)
    with program.start("run") as run:
        wait_for(lambda: len(harp.log("remove")) >= 5)
        time.sleep(0.5)
        run.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=30)
    assert run.returncode == 75
    assert dict(connection.execute("select state::text, count(*) from harpsweep.job group by 1").fetchall()) == {
        "removed": 1, "pending": 5}


def test_a_plan_for_a_daemon_that_went(program, story, harp):
    """Runs go where its jobs say that it was, and so does what is told of them."""
    story.install("talk", "registry.example/talk:1")
    program("run")
    story.uninstall("talk")
    story.nextcloud.delete_daemon(DAEMON)
    [row] = program("plan", "--json").json
    assert (row["outcome"], row["daemon"]) == ("delete", DAEMON)
    assert program("plan", "--daemon", DAEMON, "--json").json == [row]
    program("run")
    assert story.job()["state"] == "removed"


class TestWhatNobodySaw:
    """An image that was replaced before a run looked at it can't be named, but that there was one is told."""

    def lost(self, connection):
        return connection.execute("select event, state::text, appid, daemon, image_ref from harpsweep.job"
                                  " where state = 'no_ref' order by id").fetchall()

    def test_two_updates_between_two_runs(self, program, story, connection):
        story.install("talk", "registry.example/talk:1")
        program("run")
        story.update("talk", "registry.example/talk:2")
        assert self.lost(connection) == []  # the first image was seen
        story.update("talk", "registry.example/talk:3")
        assert self.lost(connection) == [("update", "no_ref", "talk", DAEMON, "")]
        [text] = connection.execute("select hold_reason from harpsweep.job where state = 'no_ref'").fetchone()
        assert f"harpsweep adopt --daemon {DAEMON} REFERENCE" in text
        program("run")
        assert story.job(image_ref="registry.example/talk:1")["event"] == "update"
        assert len(self.lost(connection)) == 1

    def test_an_update_before_the_first_run(self, story, connection):
        story.install("talk", "registry.example/talk:1")
        assert self.lost(connection) == []
        story.update("talk", "registry.example/talk:2")
        assert len(self.lost(connection)) == 1

    def test_all_of_them_seen(self, program, story, connection):
        story.install("talk", "registry.example/talk:1")
        program("run")
        for number in (2, 3):
            story.update("talk", f"registry.example/talk:{number}")
            program("run")
        assert self.lost(connection) == []

    def test_a_deploy_that_came_to_nothing(self, program, story, connection):
        """It ended before it had a container: there is none of it to be lost."""
        story.install("talk", "registry.example/talk:1")
        program("run")
        story.nextcloud.begin_update("talk", "2.0.0")
        story.nextcloud.begin_deploy("talk", when=story.tick())
        story.update("talk", "registry.example/talk:2", version="3.0.0")
        assert self.lost(connection) == []


def test_a_heartbeat_that_fails_is_a_deploy_that_failed(program, story, connection):
    """AppAPI waits for it when the deploy stands at 100: until the app works, its old image is the way back."""
    story.install("talk", "registry.example/talk:1")
    program("run")
    story.update("talk", "registry.example/talk:2")
    connection.execute("""update oc_ex_apps set status = (status::jsonb || '{"init":0,"type":"update","error":"Heartbeat check failed"}')::json
                          where appid = 'talk'""")
    program("run")
    story.age(25)
    program("run")
    row = story.job(image_ref="registry.example/talk:1")
    assert row["state"] == "pending"
    assert row["hold_reason"] == "the last deploy of app talk failed (Heartbeat check failed): its old images are the way back"
    connection.execute("""update oc_ex_apps set status = (status::jsonb || '{"error":""}')::json where appid = 'talk'""")
    program("now", row["id"])
    program("run")
    assert story.job(image_ref="registry.example/talk:1")["state"] == "removed"
