"""What the database refuses for good, or somebody holds: it costs its own app or job, and neither the others nor a
run without end."""

# pylint: disable=missing-function-docstring,redefined-outer-name

import threading
import time

import pytest

# pylint: disable=unused-import
from test_nextcloud_stories import database, nextcloud_template, program, story  # noqa: F401

from harness.rows import one, wait_for
from harness.story import DAEMON

V1, V2 = "registry.example/apps/talk:1", "registry.example/apps/talk:2"


@pytest.fixture
def due(program, story):
    """A job of a healthy daemon."""
    story.install("other", "registry.example/apps/other:1")
    program("run")
    story.uninstall("other")
    program("run")
    story.age(25)
    return lambda: story.job(appid="other")["state"]


@pytest.mark.parametrize("name", ["", "a\tb", "x\u0085y"])
def test_a_daemon_whose_name_is_none(program, story, due, cluster, connection, name):
    story.daemon(name)
    story.install("bad", "registry.example/apps/bad:1", daemon=name)
    began = time.monotonic()
    program("run", code=None)
    assert time.monotonic() - began < 10
    # The engine is the same: what the app uses has to be known first.
    assert due() == "pending" and story.job(appid="other")["hold_reason"].startswith("app bad was deployed on this engine")
    assert one(connection, "select count(*) from harpsweep.intake_error where source = 'observed' and subject = 'bad'") == 1
    assert cluster.log().count("name_is_printable") < 20


def test_a_column_that_is_gone(program, story, cluster, connection):
    story.install("talk", V1)
    before = cluster.log().count("ERROR:")
    connection.execute("alter table oc_ex_apps rename column version to app_version")
    began = time.monotonic()
    program("run", code=None)
    assert time.monotonic() - began < 10 and cluster.log().count("ERROR:") - before < 20


@pytest.mark.parametrize("what", ["keep", "exapp_image"])
def test_somebody_who_does_not_end_his_transaction(program, story, due, database, connection, what):
    story.install("talk", V1)
    program("run")
    connection.execute("select harpsweep.schedule(%s, 'talk', %s, 'update', 'grace', 100)", [DAEMON, V2])
    story.update("talk", V2)
    story.age(25, story.job(appid="other")["id"])
    person = database.connect(autocommit=False)
    person.execute("select harpsweep.keep(%s, 'talk')" if what == "keep" else
                   "select from harpsweep.exapp_image where %s <> '' and appid = 'talk' for update", [DAEMON])
    began = time.monotonic()
    program("run", code=None)
    assert time.monotonic() - began < 15
    assert due() == "removed"
    # Its sessions end with it, and not when the transaction does.
    wait_for(lambda: not one(connection, "select count(*) from pg_stat_activity where application_name = 'harpsweep'"), "their end", 5)
    assert not story.intake_errors()  # to wait is no failure
    person.rollback()
    person.close()
    program("run")
    assert one(connection, "select image_ref from harpsweep.exapp_image where appid = 'talk' and superseded_at is null") == V2


def test_somebody_at_an_app_that_went_unseen(program, story, database, connection):
    """Comparing leaves it to the next run, and has nothing to complain of."""
    image = story.install("talk", V1)
    program("run")
    connection.execute("select harpsweep.schedule(%s, 'talk', %s, 'update', 'grace', 100, %s)", [DAEMON, V1, image])
    connection.execute("alter table oc_ex_apps disable trigger harpsweep")
    story.uninstall("talk")
    person = database.connect(autocommit=False)
    person.execute("select from harpsweep.job where appid = 'talk' for update")
    assert one(connection, "select harpsweep.reconcile()") == 0 and not story.intake_errors()
    person.rollback()
    person.close()
    assert one(connection, "select harpsweep.reconcile()") == 1
    assert one(connection, "select superseded_by from harpsweep.exapp_image where appid = 'talk'") == "uninstall"


def test_one_engine_by_two_spellings(program, story, harp):
    """Docker's 409 does not see a deploy that has no container yet: the guards have to."""
    port = harp.url.rsplit(":", 1)[1]
    story.nextcloud.run("update {ex_apps_daemons} set host = %s", "localhost:" + port)
    story.daemon("gpu", host=f"LocalHost:{port}")
    old = story.install("talk", V1)
    program("run")
    story.uninstall("talk")
    program("run")
    story.age(25)
    story.begin_install("talk", "gpu")
    assert story.pull(V1) == old
    program("run")
    assert old in harp.images() and "deploy of app talk" in story.job()["hold_reason"]


def test_a_path_keeps_its_letters(connection):
    told = [("Cloud.Example.org:8780/", "cloud.example.org:8780"), ("Example.org/Path/To//", "example.org/Path/To"), ("", ""), (None, None)]
    for given, wanted in told:
        assert one(connection, "select harpsweep.host_told(%s::text)", given) == wanted


def test_the_later_grace_wins_also_where_the_other_event_is_told_later(program, story, harp, connection):
    old = story.install("talk", V1)
    program("run")
    story.update("talk", V2)
    connection.execute("update harpsweep.exapp_image set deployed_at = now() - interval '23 h 59 min 58 s'")
    connection.execute("select harpsweep.schedule(%s, 'talk', %s, 'update', 'grace', null, %s)", [DAEMON, V1, old])
    program("run")
    time.sleep(3)
    program("run")
    assert old in harp.images()
    assert one(connection, "select not_before > now() + interval '23 h' from harpsweep.job")


def test_an_app_that_is_being_removed_does_not_come_back(program, story, database, connection):
    """AppAPI's delete is not committed when a run notes what it saw: that waits, and then sees that the app is gone."""
    story.install("talk", V1)
    program("run")
    removing = database.connect(autocommit=False)
    removing.execute("delete from oc_ex_apps where appid = 'talk'")
    fingerprint, image = connection.execute("select fingerprint, image_id from harpsweep.exapp_image").fetchone()
    with database.connect(autocommit=False) as late:
        late.execute("set lock_timeout = 0")
        result = []
        thread = threading.Thread(target=lambda: result.append(late.execute(
            "select what from harpsweep.observed(array['talk'], %s, %s, %s, %s, array[1::bigint], array['running'])",
            [[DAEMON], [fingerprint], [V1], [image]]).fetchone()[0]))
        thread.start()
        time.sleep(0.5)
        removing.commit()
        thread.join()
        late.commit()
    removing.close()
    assert result == ["changed meanwhile"]
    assert one(connection, "select count(*) from harpsweep.exapp_image where superseded_at is null") == 0
    assert story.job()["state"] == "new"


def test_why_a_daemon_s_images_go_before_their_grace(program, story, connection):
    story.install("talk", V1)
    program("run")
    story.uninstall("talk")
    program("run")
    story.nextcloud.delete_daemon(DAEMON)
    assert story.job()["hold_reason"] == f"daemon {DAEMON} was unregistered: due at once"
    assert one(connection, "select detail from harpsweep.job_event order by id desc limit 1") == story.job()["hold_reason"]
