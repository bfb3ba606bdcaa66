"""Beside an AppAPI that cleans up by itself: what it queues is noted, what it cancels is cancelled, what it ran is
looked after. AppAPI's jobs are played by the statements of Nextcloud's JobList."""

import psycopg
import pytest

from conftest import fresh_database
from harness.nextcloud import Nextcloud
from harness.program import Program
from harness.rows import hours_ahead, one
from harness.story import DAEMON, Story

REF = "registry.example/apps/talk:1.0"


@pytest.fixture(scope="module")
def draft_template(cluster, worker):  # pylint: disable=unused-argument
    name = "nextcloud_draft"
    cluster.create_database(name)
    with psycopg.connect(cluster.conninfo(name), autocommit=True) as connection:
        Nextcloud(connection).create_tables()
    cluster.psql(name, "-v", "ON_ERROR_STOP=1", "-v", "nextcloud=on", "-f", "sql/install.sql")
    cluster.run_file(name, "sql/intake_appapi_jobs.sql")
    yield name
    cluster.drop_database(name)


@pytest.fixture
def database(cluster, draft_template):
    yield from fresh_database(cluster, draft_template)


@pytest.fixture
def story(connection, harp):
    made = Story(connection, harp)
    made.daemon()
    return made


@pytest.fixture
def program(tmp_path, cluster, database, worker):
    return Program(tmp_path, cluster.conninfo(database.name, user=worker))


def uninstall(story, appid="talk", ref=REF, hours=24):
    """AppAPI with the draft: the container goes, the job is queued, the row goes."""
    story.nextcloud.disable_app(appid)
    story.remove_container(appid)
    story.nextcloud.queue_cleanup(appid, ref, hours=hours)
    story.nextcloud.delete_app(appid)


class TestWhatAppApiQueues:
    def test_it_is_noted_an_hour_behind(self, program, story, connection):
        image = story.install("talk", REF)
        program("run")
        uninstall(story)
        row = story.job()
        assert (row["state"], row["choice"], row["image_ref"], row["image_id"], row["daemon"]) == (
            "pending", "grace", REF, image, DAEMON)
        assert row["oc_job_id"] == story.nextcloud.one("select id from {jobs}")
        assert 24.9 < hours_ahead(connection, row["not_before"]) <= 25
        assert row["hold_reason"] == "AppAPI deletes the image itself; this job looks afterwards whether it did"
        assert row["host"] is not None

    def test_where_backslashes_are_escapes(self, cluster, program, story, database):
        """Its class has some, in functions that are made, and called, where standard_conforming_strings is off."""
        cluster.execute(f'alter database "{database.name}" set standard_conforming_strings = off')
        cluster.run_file(database.name, "sql/intake_appapi_jobs.sql")
        with database.connect() as connection:
            nextcloud = Nextcloud(connection)
            nextcloud.insert_app("talk")
            nextcloud.queue_cleanup("talk", REF)
            assert one(connection, "select count(*) from harpsweep.job where oc_job_id is not null") == 1
            assert one(connection, "select harpsweep.appapi_cleans_up()")

    def test_queued_again_is_due_later(self, program, story, connection):
        story.install("talk", REF)
        program("run")
        uninstall(story)
        story.nextcloud.queue_cleanup("talk", REF, hours=48)
        assert 48.9 < hours_ahead(connection, story.job()["next_at"]) <= 49

    def test_an_update(self, program, story):
        story.install("talk", REF)
        program("run")
        story.update("talk", "registry.example/apps/talk:2.0")
        story.nextcloud.queue_cleanup("talk", REF)
        program("run")
        assert (story.job()["event"], story.job()["image_ref"]) == ("update", REF)

    def test_it_writes_nothing_of_nextclouds(self, story):
        story.install("talk", REF)
        before = story.nextcloud.one("select count(*) from {jobs}")
        uninstall(story)
        assert story.nextcloud.one("select count(*) from {jobs}") == before + 1


class TestWhatAppApiDoes:
    def test_it_ran_and_the_image_is_gone(self, program, story, harp, connection):
        image = story.install("talk", REF)
        program("run")
        uninstall(story)
        story.age(25)
        story.nextcloud.run_cleanup("talk")
        harp.drop_image(image)
        row = story.job()
        assert 4 < hours_ahead(connection, row["next_at"]) * 60 <= 5
        assert "AppAPI ran its own job" in row["hold_reason"]
        story.age(1)
        program("run")
        assert story.job()["state"] == "absent" and not story.removed()

    def test_it_ran_and_the_image_is_still_there(self, program, story, harp):
        image = story.install("talk", REF)
        program("run")
        uninstall(story)
        story.age(25)
        story.nextcloud.run_cleanup("talk")
        story.age(1)
        program("run")
        assert story.job()["state"] == "removed" and image not in harp.images()

    def test_its_cron_never_came(self, program, story, harp):
        image = story.install("talk", REF)
        program("run")
        uninstall(story)
        story.age(26)
        program("run")
        assert story.job()["state"] == "removed" and image not in harp.images()

    @pytest.mark.parametrize("hours", [1, 30])
    def test_it_cancelled(self, program, story, harp, hours):
        """Before it is due, or late, but never reserved: an uninstall with --keep-image cancels what is pending."""
        story.install("talk", REF)
        program("run")
        uninstall(story)
        story.age(hours)
        story.nextcloud.cancel_cleanup("talk")
        row = story.job()
        assert (row["state"], row["hold_reason"]) == ("cancelled", "AppAPI cancelled its own job for the image")
        program("run")
        assert harp.images() and not story.removed()

    def test_a_choice_to_keep_leaves_no_job(self, program, story, harp):
        """Nothing is queued then, and nothing else tells: only AppAPI knows what was chosen."""
        story.install("talk", REF)
        program("run")
        story.uninstall("talk")
        program("run")
        assert not story.jobs() and harp.images()


class TestOtherRows:
    def test_other_background_jobs_are_none_of_ours(self, story, connection):
        story.nextcloud.run("insert into {jobs} (class, argument, last_checked) values ('OCA\\X', 'no json', 5)")
        story.nextcloud.run("update {jobs} set reserved_at = 7")
        story.nextcloud.run("delete from {jobs}")
        assert not story.jobs() and not story.intake_errors()

    @pytest.mark.parametrize("argument", ["no json", "[]", "null", '{"daemon_id":"d"}', '{"daemon_id":"d","appid":"a","image_ref":"a\\nb"}'])
    def test_an_argument_that_makes_no_sense(self, story, argument):
        story.nextcloud.run("insert into {jobs} (class, argument, last_checked) values (%s, %s, 5)", story.nextcloud.CLEANUP,
                            argument)
        assert story.nextcloud.run("delete from {jobs}") == 1
        assert not story.jobs() and story.intake_errors()

    def test_without_knowing_the_app(self, story):
        story.nextcloud.queue_cleanup("talk", REF)
        assert (story.job()["image_id"], story.job()["event"]) == (None, "uninstall")

    def test_a_json_null_in_the_class_or_a_dropped_column(self, story, connection):
        connection.execute("alter table oc_jobs drop column reserved_at")
        assert story.nextcloud.run("insert into {jobs} (class, argument, last_checked) values (%s, '{{}}', 5)",
                                   story.nextcloud.CLEANUP) == 1
        assert [error[0] for error in story.intake_errors()] == ["oc_jobs insert"]


class TestInstallation:
    def test_check_warns_where_it_is_missing(self, program, story, cluster, database, connection):
        story.nextcloud.set_config("image_cleanup_enabled", "1", 32)
        assert "AppAPI cleans up by itself, and harpsweep verifies what it queues" in program("check").out
        cluster.psql(database.name, "-v", "appapi_jobs=off", "-f", "sql/intake_appapi_jobs.sql")
        done = program("check")
        assert "this AppAPI cleans up images by itself" in done.out and "psql -f sql/intake_appapi_jobs.sql" in done.out
        assert one(connection, "select count(*) from pg_trigger where tgrelid = 'oc_jobs'::regclass") == 0

    def test_without_the_draft_nothing_is_said(self, program, story, connection):
        connection.execute("update harpsweep.nextcloud set notes_jobs = false")
        assert "cleans up images by itself" not in program("check").out

    def test_again(self, cluster, database, connection):
        done = cluster.run_file(database.name, "sql/intake_appapi_jobs.sql")
        assert done.stdout == "harpsweep: stands behind AppAPI's own cleanup\n"
        cluster.install(database.name)
        assert one(connection, "select count(*) from pg_trigger where tgrelid = 'oc_jobs'::regclass") == 1

    def test_it_needs_the_intake(self, cluster, template):
        for other in fresh_database(cluster, template):
            done = cluster.psql(other.name, "-f", "sql/intake_appapi_jobs.sql", check=False)
            assert done.returncode != 0 and "Nextcloud's tables are not watched" in done.stderr
