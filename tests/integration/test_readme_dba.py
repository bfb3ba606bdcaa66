"""The ten questions of the README's section for the DBA: each statement, as it stands there and as the role that is named,
answers what it is asked."""

# pylint: disable=missing-function-docstring,redefined-outer-name

import re
import time

import psycopg
import pytest
from conftest import fresh_database
from harness.nextcloud import Nextcloud
from harness.program import ROOT, Program
from harness.rows import job, one, schedule, wait_for
from harness.watch import deploy_and_observe, image, redeploy, rows

README = (ROOT / "README.md").read_text(encoding="utf-8")
DAEMON = "harp_docker"
QUESTION = re.compile(r"^-- (\d+)\. (.+[?.].*) \((\w+)\)\n((?:(?!-- ).+\n|\n)*)", re.M)


def questions():
    """What is asked, the role and the statement, by number."""
    [block] = [block for block in re.findall(r"```sql\n(.*?)```", README, re.S) if "-- 1. " in block]
    found = {int(number): (asked, role, sql.strip()) for number, asked, role, sql in QUESTION.findall(block)}
    assert "".join(f"-- {number}. {asked} ({role})\n{sql}\n\n" for number, (asked, role, sql) in found.items()).strip() == block.strip()
    return found


QUESTIONS = questions()


class Answer:
    """Rows with names, of the first and of the last statement."""

    def __init__(self, database, number):
        _, role, sql = QUESTIONS[number]
        connection = database.connect(role if role != "superuser" else None)
        self.first = self.rows = None
        for statement in sql.split(";\n"):
            cursor = connection.execute(statement)
            if cursor.description:
                names = [column.name for column in cursor.description]
                self.rows = [dict(zip(names, row)) for row in cursor.fetchall()]
                self.first = self.first or self.rows
        connection.close()

    def of(self, *columns):
        return [tuple(row[column] for column in columns) for row in self.rows]


@pytest.fixture
def scene(tmp_path, cluster, watched_template, harp):
    """A watched Nextcloud, whose HaRP answers, and cron's program; the login role has the README's name."""
    cluster.execute("create role harpsweep login in role harpsweep_worker")
    for database in fresh_database(cluster, watched_template, owner="nextcloud"):
        database.nextcloud = Nextcloud(database.connect("nextcloud"))
        database.nextcloud.add_daemon(DAEMON, host=harp.url.partition("://")[2])
        database.program = Program(tmp_path, cluster.conninfo(database.name, user="harpsweep"))
        database.harp = harp
        database.connection = database.connect()
        yield database
    cluster.execute("drop role harpsweep")


def note(scene, tag, appid="talk_bot", **how):
    """A job for an image that is there."""
    scene.harp.add_image(f"r.example/{appid}:{tag}", size=2_000_000)
    return schedule(scene.connection, DAEMON, appid, f"r.example/{appid}:{tag}", **{"choice": "now", **how})


def test_there_are_ten():
    assert sorted(QUESTIONS) == list(range(1, 11))


def test_no_more_than_the_role_is_needed(scene):
    """Seven are the reader's, who may write nothing; what the writer is needed for, the reader may not."""
    note(scene, 1)
    assert [number for number, (_, role, _) in QUESTIONS.items() if role != "harpsweep_reader"] == [8, 9]
    for number in (8, 9):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            scene.connect("harpsweep_reader").execute(QUESTIONS[number][2].split(";\n")[0])


def test_why_is_this_image_gone(scene):
    """Updated, deleted by a run, noted by the trigger: image, event, times and size in one row; other apps' are not in it."""
    number = scene.harp.add_image("ghcr.io/nextcloud/talk_bot:1", size=5_000_000)
    deploy_and_observe(scene.nextcloud, scene.connection, "talk_bot", "ghcr.io/nextcloud/talk_bot:1", number)
    note(scene, 1, "other")
    scene.nextcloud.delete_app("talk_bot")
    scene.connection.execute("select harpsweep.make_due(id) from harpsweep.job where appid = 'talk_bot'")
    scene.program("run")
    answer = Answer(scene, 1)
    [row] = answer.first
    assert (row["state"], row["daemon"], row["image_ref"], row["event"]) == ("removed", DAEMON, "ghcr.io/nextcloud/talk_bot:1", "uninstall")
    assert row["image_id"] == number and row["freed"] == "5.0 MB" and row["reason"] is None
    assert row["orphaned_at"] <= row["not_before"] <= row["finished_at"]
    claimed_by = one(scene.connection, "select claimed_by from harpsweep.job where id = %s", row["id"])
    assert answer.of("job_id", "what", "from_state", "to_state", "attempt", "who", "http_status") == [
        (row["id"], "made due", "new", "pending", 0, "postgres", None),
        (row["id"], "result", "claimed", "removed", 1, claimed_by, 200)]
    assert scene.harp.image_list() == []


def test_what_will_be_deleted_when(scene):
    scene.program.sections["cleanup"]["grace_hours"] = 3
    deploy_and_observe(scene.nextcloud, scene.connection, "app", "r/app:1", image(1))
    redeploy(scene.nextcloud, "app")
    scene.connection.execute("select harpsweep.observed(array[a.appid], array[a.daemon], array[a.fingerprint], array['r/app:2'],"
                             " array[%s], array[1000], array['running']) from harpsweep.nextcloud_apps() as a", [image(2)])
    person = note(scene, 1, choice="grace", grace_hours=48, event="manual")
    scene.program("run", code=None)
    new = note(scene, 2, "late", choice="grace")
    note(scene, 3, "final", choice="keep")
    done = Answer(scene, 2)
    assert done.of("id", "due", "event", "choice")[0] == (new, "at the next run", "uninstall", "grace")
    assert done.of("appid", "image_ref", "due", "event")[1] == ("app", "r/app:1", "in 3 h", "update")
    assert done.of("id", "due", "event", "choice")[2:] == [(person, "in 2 d", "manual", "grace")]
    assert done.rows[1]["not_before"] == job(scene.connection, done.rows[1]["id"])["not_before"]


def test_what_is_being_deleted_right_now(scene):
    """By a run that lives, beside one that died."""
    number, dead = note(scene, 1), note(scene, 2, grace_hours=1, choice="grace")
    scene.connection.execute("update harpsweep.job set not_before = now() - interval '1 h', state = 'claimed', attempts = 1,"
                             " claimed_at = now() - interval '3 min', next_at = now() - interval '1 s', claimed_by = 'old:7',"
                             " claim_token = gen_random_uuid() where id = %s", [dead])
    scene.connection.execute("begin; select from harpsweep.job where id = %s for update" % dead)  # no run takes it now
    scene.harp.fault(kind="remove", delay=2, effect=True)
    with scene.program.start("run") as run:
        wait_for(lambda: scene.harp.log("remove"))
        found = Answer(scene, 3)
        run.communicate(timeout=30)
    scene.connection.execute("commit")
    assert found.of("id", "run_died") == [(dead, True), (number, False)]
    assert found.rows[1]["claimed_by"].endswith(f":{run.pid}")
    assert found.rows[1]["lease_ends"] > found.rows[1]["claimed_at"]
    assert Answer(scene, 3).of("id") == [(dead,)]


def test_what_was_reclaimed(scene):
    for tag in (1, 2, 3):
        note(scene, tag)
    note(scene, 1, "other")
    note(scene, 1, "open", choice="grace")
    schedule(scene.connection, DAEMON, "absent", "never/there:1", choice="now")
    scene.program("run")
    scene.connection.execute("update harpsweep.job set finished_at = finished_at - interval '1 day', not_before = not_before - interval"
                             " '1 day' where id = 1")
    today, yesterday = one(scene.connection, "select max(finished_at)::date, min(finished_at)::date from harpsweep.job")
    assert one(scene.connection, "select count(distinct state) from harpsweep.job") == 3
    assert Answer(scene, 4).of("day", "daemon", "appid", "images", "freed") == [
        (today, DAEMON, "talk_bot", 2, "4.0 MB"), (today, DAEMON, "other", 1, "2.0 MB"), (yesterday, DAEMON, "talk_bot", 1, "2.0 MB")]


def test_what_failed_and_why(scene):
    scene.program.sections["cleanup"]["max_failures"] = 1
    good, bad = note(scene, 1), note(scene, 2)
    scene.harp.fault(kind="remove", ref="r.example/talk_bot:2", status=500, body="disk full")
    scene.program("run", code=None)
    assert job(scene.connection, good)["state"] == "removed"
    [row] = Answer(scene, 5).rows
    assert (row["id"], row["image_ref"], row["failures"]) == (bad, "r.example/talk_bot:2", 1)
    assert "HTTP 500" in row["reason"] and row["ended"].endswith(" ago")


def test_which_daemon_is_unwell(scene):
    note(scene, 1)
    scene.program("run")
    assert Answer(scene, 6).rows == []
    note(scene, 2)
    scene.harp.refuse()
    scene.program("run", code=1)
    [row] = Answer(scene, 6).rows
    assert (row["daemon"], row["health"], row["due"], row["failed"]) == (DAEMON, "stopped", 1, 0)
    assert row["since"] == one(scene.connection, "select stopped_since from harpsweep.daemon")
    assert "no connection to HaRP" in row["reason"] and row["hint"]


def test_how_large_it_is(scene):
    scene.connection.execute("alter table harpsweep.job set (autovacuum_enabled = off)")
    scene.connection.execute("select harpsweep.schedule('d', 'app', 'app:' || i) from generate_series(1, 500) i")
    scene.connection.execute("update harpsweep.job set hold_reason = 'x'")
    # Before PostgreSQL 15, a session tells what it did with a later statement of its own.
    wait_for(lambda: scene.connection.execute("select 1") and Answer(scene, 7).rows[0]["n_dead_tup"] > 0)
    [largest, *others] = Answer(scene, 7).rows
    assert (largest["relname"], largest["n_live_tup"], largest["last_autovacuum"]) == ("job", 500, None)
    assert largest["n_dead_tup"] <= 500
    assert largest["size"] == one(scene.connection, "select pg_size_pretty(pg_total_relation_size('harpsweep.job'))")
    assert {row["relname"] for row in others} >= {"run", "daemon", "exapp_image", "intake_error"}


def test_stop_everything_and_go_on(scene):
    """Nothing starts after it, though a run is at work; that run waits, and records what it did when it may go on."""
    asked, _, _ = QUESTIONS[8]
    go_on = re.search(r"To go on: (.*;)", asked)[1]
    for tag in range(12):
        note(scene, tag)
    scene.harp.fault(kind="remove", delay=0.7, effect=True)
    with scene.program.start("run") as run:
        wait_for(lambda: scene.harp.log("remove"))
        Answer(scene, 8)
        time.sleep(0.5)  # what was on its way is there
        under_way = len(scene.harp.log("remove"))
        assert 0 < under_way < 12
        assert 'role "harpsweep" is not permitted to log in' in scene.program("run", code=78).err
        scene.nextcloud.insert_app("app")
        assert scene.nextcloud.delete_app("app") == 1  # Nextcloud goes on
        time.sleep(1)
        assert len(scene.harp.log("remove")) == under_way
        scene.connection.execute(go_on)
        _, err = run.communicate(timeout=60)
        assert run.returncode == 0, err
    assert rows(scene.connection, "select state::text, attempts, count(*) from harpsweep.job where appid = 'talk_bot' group by 1, 2") == [
        ("removed", 1, 12)]
    assert len(scene.harp.log("remove")) == 12


def test_keep_this_app_s_images(scene):
    kept, other = note(scene, 1), note(scene, 1, "other")
    assert list(Answer(scene, 9).rows[0].values()) == [1]
    scene.program("run")
    assert (job(scene.connection, kept)["state"], job(scene.connection, other)["state"]) == ("kept", "removed")
    assert scene.harp.image_list() == ["r.example/talk_bot:1"]


def test_what_a_restore_would_mean(scene, cluster):
    """Each word of the answer is what happens to a copy of the database of that moment."""
    numbers = {name: note(scene, name, choice="grace", grace_hours=1) for name in ("before", "removed", "kept", "cancelled", "open")}
    connection = scene.connection
    connection.execute("update harpsweep.job set orphaned_at = timestamptz 'yesterday 22:00', not_before = timestamptz 'yesterday 22:30',"
                       " next_at = timestamptz 'yesterday 22:30'")
    connection.execute("update harpsweep.job set state = 'kept', next_at = null, finished_at = timestamptz 'yesterday 22:59'"
                       " where id = %s", [numbers["before"]])
    connection.execute("insert into harpsweep.daemon (daemon) values ('mark')")
    scene.close()
    for dump in fresh_database(cluster, scene.name):
        scene.connection = connection = scene.connect()
        connection.execute("select harpsweep.keep_job(%s), harpsweep.cancel(%s, 'wanted')", [numbers["kept"], numbers["cancelled"]])
        connection.execute("update harpsweep.job set next_at = 'infinity' where id = %s", [numbers["open"]])
        note(scene, "later")
        scene.program("run")
        assert job(connection, numbers["removed"])["state"] == "removed"
        told = dict(Answer(scene, 10).of("id", "restored"))
        again = "is deleted when due: keep or cancel it again"
        assert told == {numbers["removed"]: "ends as absent", numbers["kept"]: again, numbers["cancelled"]: again,
                        numbers["open"]: "is worked on again"}
        # The dump comes back, and a run over it.
        scene.program.sections["database"]["conninfo"] = cluster.conninfo(dump.name, user="harpsweep")
        scene.program("run", code=None)
        restored = dict(rows(dump.connect(), "select id, state::text from harpsweep.job"))
        words = {again: "removed", "ends as absent": "absent", "is worked on again": "removed"}
        assert {number: words[word] for number, word in told.items()} == {number: restored[number] for number in told}
        assert restored[numbers["before"]] == "kept"
