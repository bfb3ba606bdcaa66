"""`harpsweep run`: from a row to a deleted image and a recorded result."""

import re
import socket
import time

import pytest

from harness.rows import finish, job, one
from harness.rows import schedule as schedule_row


def schedule(connection, image="app:1", choice="now", **named):
    return schedule_row(connection, daemon="harp", image=image, choice=choice, **named)


def age(connection, number, hours):
    """Moves a job's life into the past."""
    connection.execute(
        """update harpsweep.job
              set orphaned_at = orphaned_at - %(h)s * interval '1 hour', not_before = not_before - %(h)s * interval '1 hour',
                  next_at = next_at - %(h)s * interval '1 hour'
            where id = %(id)s""",
        {"h": hours, "id": number},
    )


class TestOutcomes:
    def test_removed(self, program, harp, connection):
        image = harp.add_image("app:1", size=12_345)
        number = schedule(connection)
        program("run")
        row = job(connection, number)
        assert (row["state"], row["bytes_freed"], row["http_status"], row["failures"]) == ("removed", 12_345, 200, 0)
        assert (row["next_at"], row["last_error"], row["hold_reason"], row["attempts"]) == (None, None, None, 1)
        assert row["finished_at"] is not None and row["duration_ms"] is not None
        host = socket.gethostname()
        assert re.fullmatch(re.escape(host) + ":[0-9]+", row["claimed_by"]) and row["claim_token"]
        assert one(connection, "select host from harpsweep.run") == host
        assert image not in harp.images()
        assert [entry["kind"] for entry in harp.log()] == ["info", "inspect", "remove"]

    def test_untagged_while_another_name_holds_it(self, program, harp, connection):
        harp.add_image("app:1", "app:2")
        number = schedule(connection)
        program("run")
        row = job(connection, number)
        assert (row["state"], row["bytes_freed"]) == ("untagged", 0)
        assert harp.image_list() == ["app:2"]

    def test_absent(self, program, harp, connection):
        number = schedule(connection)
        program("run")
        row = job(connection, number)
        assert (row["state"], row["bytes_freed"]) == ("absent", 0)
        assert not harp.log("remove")

    def test_in_use_is_looked_at_again_and_ends(self, program, harp, connection):
        program.sections["cleanup"]["in_use_max_rechecks"] = 2
        harp.add_image("app:1")
        harp.add_container("app:1")
        number = schedule(connection)
        program("run")
        row = job(connection, number)
        assert (row["state"], row["rechecks"], row["failures"]) == ("pending", 1, 0)
        assert "in use" in row["hold_reason"]
        assert 23.9 < one(connection, "select extract(epoch from next_at - now()) / 3600 from harpsweep.job") < 24.1
        program("run")  # not due yet
        assert job(connection, number)["rechecks"] == 1
        age(connection, number, 25)
        program("run")
        row = job(connection, number)
        assert (row["state"], row["rechecks"]) == ("in_use", 2)
        assert "in use" in row["hold_reason"]
        assert harp.image_list() == ["app:1"]

    def test_in_use_goes_when_the_container_is_gone(self, program, harp, connection):
        harp.add_image("app:1", size=7)
        harp.add_container("app:1")
        number = schedule(connection)
        program("run")
        harp.drop_container()
        age(connection, number, 25)
        program("run")
        assert job(connection, number)["state"] == "removed"

    def test_by_id(self, program, harp, connection):
        image = harp.add_image("app:1", size=7)
        number = schedule(connection, image=image)
        program("run")
        assert job(connection, number)["state"] == "removed"

    def test_verify_no_sends_one_request(self, program, harp, connection):
        program.sections["cleanup"]["verify"] = "no"
        harp.add_image("app:1")
        number = schedule(connection)
        program("run")
        assert job(connection, number)["state"] == "removed"
        assert [entry["kind"] for entry in harp.log()] == ["info", "remove"]

    def test_a_reference_that_docker_refuses_fails_without_a_request(self, program, harp, connection):
        bad = schedule(connection, image="App:1")
        harp.add_image("app:1")
        good = schedule(connection)
        done = program("run", code=1)
        assert job(connection, bad)["state"] == "failed"
        assert "not a reference" in job(connection, bad)["last_error"]
        assert job(connection, good)["state"] == "removed"
        assert f"job failed: job={bad} " in done.err

    def test_hostile_references_reach_nobody(self, program, harp, connection):
        for image in ("a/../app:1", "app:1?force=1", "app:1#x", "app%2f:1", "../x", "-x", "a b", "é:1"):
            schedule(connection, image=image)
        program("run", code=1)
        assert {entry["kind"] for entry in harp.log()} <= {"info"}
        assert one(connection, "select count(*) from harpsweep.job where state = 'failed'") == 8


class TestGuards:
    def test_a_tag_that_moved_on_leaves_the_new_image(self, program, harp, connection):
        old = harp.add_image("app:latest", size=5)
        new = harp.add_image("app:latest", size=6)
        number = schedule(connection, image="app:latest", image_id=old)
        program("run")
        row = job(connection, number)
        assert (row["state"], row["bytes_freed"]) == ("removed", 5)
        assert "by its ID" in row["hold_reason"]
        assert list(harp.images()) == [new]

    def test_a_name_that_is_gone_leads_to_the_recorded_image(self, program, harp, connection):
        old = harp.add_image("app:1", size=5)
        harp.untag("app:1")
        number = schedule(connection, image_id=old)
        program("run")
        assert job(connection, number)["state"] == "removed"
        assert harp.images() == {}

    def test_the_recorded_image_under_another_name_stays(self, program, harp, connection):
        old = harp.add_image("app:1", "backup:1")
        harp.add_image("app:1")
        number = schedule(connection, image_id=old)
        program("run")
        row = job(connection, number)
        assert row["state"] == "pending"
        assert row["hold_reason"] == "the recorded image is still named backup:1"
        assert not harp.log("remove")

    def test_the_recorded_image_that_is_gone(self, program, harp, connection):
        harp.add_image("app:1")
        number = schedule(connection, image_id="sha256:" + "ab" * 32)
        program("run")
        assert job(connection, number)["state"] == "absent"
        assert harp.image_list() == ["app:1"]

    @pytest.mark.parametrize("recorded", [True, False])
    def test_a_tag_set_again_after_the_event_waits(self, program, harp, connection, recorded):
        image = harp.add_image("app:1")
        number = schedule(connection, **({"image_id": image} if recorded else {}))
        harp.tag(image, "app:1", when=time.time() + 5)
        program("run")
        row = job(connection, number)
        assert row["state"] == "pending"
        assert row["hold_reason"].startswith("the tag was set again at ")
        assert not harp.log("remove")

    def test_a_hand_loaded_image_is_held_unless_told_otherwise(self, program, harp, connection):
        harp.add_image("app:1", digests=[])
        number = schedule(connection, choice="grace", grace_hours=0)
        program("run")
        row = job(connection, number)
        assert (row["state"], row["rechecks"]) == ("pending", 0)
        assert "loaded by hand" in row["hold_reason"]
        assert not harp.log("remove")
        program.sections["cleanup"]["protect_unpullable"] = "no"
        age(connection, number, 25)
        program("run")
        assert job(connection, number)["state"] == "removed"

    def test_a_hand_loaded_image_goes_when_a_person_said_now(self, program, harp, connection):
        harp.add_image("app:1", digests=[])
        number = schedule(connection)
        program("run")
        assert job(connection, number)["state"] == "removed"

    def test_keep_patterns(self, program, harp, connection):
        program.sections["cleanup"]["keep"] = "pinned/*"
        harp.add_image("pinned/app:1")
        number = schedule(connection, image="pinned/app:1")
        program("run")
        row = job(connection, number)
        assert row["state"] == "pending"
        assert row["hold_reason"] == "the image matches keep = pinned/* of the settings"
        assert harp.log() == []


class TestTime:
    def test_the_grace_is_fixed_by_the_first_run(self, program, harp, connection):
        program.sections["cleanup"]["grace_hours"] = 48
        harp.add_image("app:1")
        number = schedule(connection, choice="grace")
        assert job(connection, number)["state"] == "new"
        program("run")
        row = job(connection, number)
        assert (row["state"], row["grace_hours"]) == ("pending", 48)
        assert row["not_before"] == row["next_at"]
        program.sections["cleanup"]["grace_hours"] = 0
        program("run")
        assert job(connection, number)["grace_hours"] == 48
        assert harp.log() == []
        age(connection, number, 48.01)
        program("run")
        assert job(connection, number)["state"] == "removed"

    def test_a_grace_of_nothing_is_done_in_the_same_run(self, program, harp, connection):
        program.sections["cleanup"]["grace_hours"] = 0
        harp.add_image("app:1")
        number = schedule(connection, choice="grace")
        program("run")
        assert job(connection, number)["state"] == "removed"

    def test_many_new_rows_are_planned_in_one_run(self, program, connection):
        connection.execute("select harpsweep.schedule('harp', 'app', 'app:' || i) from generate_series(1, 2500) i")
        program("run")
        assert one(connection, "select count(*) from harpsweep.job where state = 'pending'") == 2500

    def test_a_plain_insert_is_enough(self, program, harp, connection):
        harp.add_image("app:1")
        connection.execute("insert into harpsweep.job (daemon, appid, image_ref, event, choice)"
                           " values ('harp', 'app', 'app:1', 'uninstall', 'now'), ('harp', 'app', 'app:2', 'uninstall', 'keep')")
        program("run")
        rows = connection.execute("select state::text from harpsweep.job order by id").fetchall()
        assert rows == [("removed",), ("kept",)]

    def test_disabled_honours_only_now(self, program, harp, connection):
        program.sections["cleanup"]["enabled"] = "no"
        harp.add_image("app:1")
        harp.add_image("app:2")
        fresh = schedule(connection, image="app:0", choice="grace")
        waiting = schedule(connection, choice="grace", grace_hours=0)
        wanted = schedule(connection, image="app:2")
        program("run")
        assert [job(connection, number)["state"] for number in (fresh, waiting, wanted)] == ["new", "pending", "removed"]
        assert harp.image_list() == ["app:1"]


class TestTheRun:
    def test_nothing_due_says_nothing_and_writes_nothing(self, program, harp, connection):
        schedule(connection, choice="grace", grace_hours=5)
        done = schedule(connection, image="app:2")
        finish(connection, done, "cancelled")
        program("run")  # the first one after them sets the alarm
        connection.execute("vacuum harpsweep.job")
        connection.execute("checkpoint")
        sql = "select pg_current_wal_insert_lsn() - '0/0', pg_snapshot_xmax(pg_current_snapshot())::text"
        written = []
        for _ in range(3):  # the server writes a record of its own now and then, and autovacuum takes a number
            before = one(connection, sql)
            run = program("run")
            after = one(connection, sql)
            assert (run.out, run.err) == ("", "")
            written.append((after[0] - before[0], int(after[1]) - int(before[1])))
        assert (0, 0) in written
        assert harp.log() == []
        assert one(connection, "select count(*) from harpsweep.run") == 0

    def test_a_run_that_worked_leaves_a_row(self, program, harp, connection):
        harp.add_image("app:1", size=1000)
        schedule(connection)
        schedule(connection, image="app:2")
        run = program("run", "--json").json
        row = one(connection, "select token::text, claimed, removed, absent, failed, bytes_freed, exit_code, note from harpsweep.run")
        assert row == (run["run"], 2, 1, 1, 0, 1000, 0, None)
        assert (run["claimed"], run["removed"], run["absent"], run["bytes_freed"]) == (2, 1, 1, 1000)
        seen = one(connection, "select daemon, harp_version, stop from harpsweep.daemon")
        assert seen == ("harp", "0.4.4", None)

    def test_verbose_tells_each_job_and_one_summary(self, program, harp, connection):
        harp.add_image("app:1", size=2_500_000)
        schedule(connection)
        run = program("run", "-v")
        assert "job 1 removed: daemon=harp app=app image=app:1" in run.err
        assert run.out.startswith("1 job: 1 removed; up to 2.5 MB freed in ")
        assert run.out.count("\n") == 1

    def test_max_jobs(self, program, harp, connection):
        for number in range(5):
            schedule(connection, image=f"app:{number}")
        run = program("run", "--max-jobs", 2, "--json", code=75).json
        assert (run["claimed"], run["left_work"]) == (2, True)
        assert one(connection, "select count(*) from harpsweep.job where state = 'absent'") == 2
        program.sections["run"]["max_jobs"] = 1
        program("run", code=75)
        program("run", "--max-jobs", 0)
        assert one(connection, "select count(*) from harpsweep.job where state = 'absent'") == 5
        assert len(harp.log("inspect")) == 5

    def test_only_one_app(self, program, connection):
        mine = schedule(connection, appid="mine")
        other = schedule(connection, image="app:2", appid="other")
        program("run", "--app", "mine")
        assert (job(connection, mine)["state"], job(connection, other)["state"]) == ("absent", "pending")

    def test_only_one_daemon(self, program, harp, connection):
        program.sections["daemon:second"] = {"url": harp.url}
        first = schedule(connection)
        second = schedule_row(connection, daemon="second", choice="now")
        run = program("run", "--daemon", "second")
        assert run.err == ""
        assert (job(connection, first)["state"], job(connection, second)["state"]) == ("pending", "absent")
        assert "there is no daemon third, neither in" in program("run", "--daemon", "third", code=64).err

    def test_a_dry_run_changes_nothing_and_asks_nobody(self, program, harp, connection):
        due = schedule(connection)
        fresh = schedule(connection, image="app:2", choice="grace")
        rows = program("run", "--dry-run", "--json").json
        assert [row["id"] for row in rows] == [due]
        title, row = program("run", "--dry-run", TZ="XST-5").out.splitlines()[:2]
        assert title.split() == ["JOB", "DAEMON", "APP", "DUE", "SINCE", "IMAGE"] and row.endswith(" XST  app:1")
        assert (job(connection, due)["attempts"], job(connection, fresh)["state"]) == (0, "new")
        assert harp.log() == []

    def test_due_work_of_an_unknown_daemon_is_told(self, program, connection):
        number = schedule_row(connection, daemon="elsewhere", choice="now")
        run = program("run", code=1)
        assert "jobs are due for daemon elsewhere, which neither" in run.err
        assert job(connection, number)["attempts"] == 0

    def test_history_is_pruned_but_never_failed_or_open_rows(self, program, connection):
        program.sections["cleanup"]["history_days"] = 10
        old = {}
        for state in ("removed", "kept", "failed"):
            old[state] = schedule(connection, image=f"old/{state}:1")
            finish(connection, old[state], state, not_before="2019-01-01")
        connection.execute("update harpsweep.job set finished_at = '2020-01-01'")
        recent = schedule(connection, image="old/recent:1")
        finish(connection, recent, "removed")
        open_row = schedule(connection, image="old/open:1", choice="grace", grace_hours=9)
        age(connection, open_row, 9)
        connection.execute("update harpsweep.job set orphaned_at = '2019-01-01' where id = %s", [open_row])
        program("run")  # a run that works prunes
        left = {row[0] for row in connection.execute("select id from harpsweep.job")}
        assert left == {old["failed"], recent, open_row}

    def test_two_runs_share_and_never_do_a_job_twice(self, program, harp, connection):
        harp.set(delay_ms=5)
        connection.execute("select harpsweep.schedule('harp', 'app', 'app:' || i, choice => 'now')"
                           " from generate_series(1, 400) i")
        runs = [program.start("run", "--json") for _ in range(3)]
        for run in runs:
            run.communicate(timeout=60)
            assert run.returncode == 0
        asked = [entry["ref"] for entry in harp.log("inspect")]
        assert len(asked) == len(set(asked)) == 400
        states = connection.execute("select state::text, max(attempts), count(*) from harpsweep.job group by 1").fetchall()
        assert states == [("absent", 1, 400)]
        assert one(connection, "select sum(claimed) from harpsweep.run") == 400
