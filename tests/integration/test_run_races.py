"""Runs that die, that are overtaken, that are told to stop: the interleavings are forced with the stand-in's delays."""

import os
import re
import signal
import socket
import time

import pytest

from harness.rows import job, one, wait_for
from harness.rows import schedule as schedule_row


def schedule(connection, image="app:1", **named):
    return schedule_row(connection, daemon="harp", image=image, choice="now", **named)


def expire_leases(connection):
    """As if the lease had run out: what a run that died leaves behind."""
    connection.execute("update harpsweep.job set next_at = greatest(not_before, now() - interval '1 s') where state = 'claimed'")


def kill(run, connection):
    """Ends a run the hard way. What it had sent to the database may still be carried out, so its backends are
    waited for: nobody may judge before."""
    run.kill()
    run.communicate()
    wait_for(lambda: one(connection, "select count(*) = 0 from pg_stat_activity where application_name = 'harpsweep'"
                                     " and datname = current_database()"))


def is_waiting_for_a_lock(connection):
    return one(connection, "select count(*) > 0 from pg_stat_activity where application_name = 'harpsweep'"
                           " and datname = current_database() and wait_event_type = 'Lock'")


@pytest.fixture
def slow(harp):
    """Deletes take a while; inspects do not."""
    harp.fault(kind="remove", delay=1.5, effect=True)
    return harp


class TestRunsThatDie:
    def test_kill_leaves_the_job_to_the_next_run(self, program, harp, connection):
        harp.add_image("app:1", size=5)
        number = schedule(connection)
        harp.fault(kind="inspect", fault="silent", times=1)
        run = program.start("run")
        wait_for(lambda: harp.log("inspect"))
        kill(run, connection)
        row = job(connection, number)
        assert row["state"] == "claimed"
        assert 115 < one(connection, "select extract(epoch from next_at - claimed_at) from harpsweep.job") <= 120
        program("run")  # its lease holds: nobody else touches it
        assert len(harp.log()) == 2
        expire_leases(connection)
        program("run")
        row = job(connection, number)
        assert (row["state"], row["attempts"], row["failures"], row["lost_claims"]) == ("removed", 2, 0, 0)

    def test_a_delete_whose_run_died_is_found_done(self, program, slow, connection):
        slow.add_image("app:1", size=5)
        number = schedule(connection)
        run = program.start("run")
        wait_for(lambda: slow.log("remove"))
        kill(run, connection)
        slow.clear_faults()
        expire_leases(connection)
        program("run")
        assert job(connection, number)["state"] in ("removed", "absent")
        assert slow.images() == {}

    def test_a_row_that_kills_every_run_ends_as_failed(self, program, harp, connection):
        program.sections["cleanup"]["max_failures"] = 3
        number = schedule(connection)
        harp.fault(kind="inspect", fault="silent")
        for attempt in range(3):
            run = program.start("run")
            wait_for(lambda: len(harp.log("inspect")) > attempt)  # noqa: B023  pylint: disable=cell-var-from-loop
            kill(run, connection)
            expire_leases(connection)
        program("run", code=1)
        row = job(connection, number)
        assert (row["state"], row["attempts"], row["lost_claims"]) == ("failed", 3, 3)
        assert row["last_error"] == "claimed 3 times in a row without a result: the runs died"
        assert len(harp.log("inspect")) == 3


class TestLateWriters:
    def test_a_run_whose_lease_was_taken_over_changes_nothing(self, program, slow, connection):
        slow.add_image("app:1")
        number = schedule(connection)
        run = program.start("run", "--max-jobs", "1")  # or it might be the one that takes it over
        wait_for(lambda: slow.log("remove"))
        slow.clear_faults()
        slow.drop_image("app:1")
        slow.add_image("app:1", size=77)
        expire_leases(connection)
        program("run")
        second = job(connection, number)
        assert (second["state"], second["attempts"], second["bytes_freed"]) == ("removed", 2, 77)
        _, err = run.communicate(timeout=30)
        assert f"result came too late and changed nothing: job={number} " in err
        assert job(connection, number) == second

    def test_what_was_kept_for_a_run_that_seemed_dead_stays_kept(self, program, slow, connection):
        """And the run that lives after all says what it did."""
        slow.add_image("app:1")
        number = schedule(connection)
        run = program.start("run", "--max-jobs", "1")
        wait_for(lambda: slow.log("remove"))
        assert one(connection, "select harpsweep.keep('harp', 'app')") == 0
        expire_leases(connection)
        program("run")
        assert job(connection, number)["state"] == "kept"
        _, err = run.communicate(timeout=30)
        assert f"result came too late and changed nothing: job={number} image=app:1 result=removed state=kept" in err
        assert job(connection, number)["state"] == "kept"

    def test_scheduling_anew_fences_the_claim_off(self, program, slow, connection):
        slow.add_image("app:1")
        number = schedule(connection)
        run = program.start("run")
        wait_for(lambda: slow.log("remove"))
        assert schedule_row(connection, daemon="harp", image="app:1", grace_hours=5) == number
        _, err = run.communicate(timeout=30)
        assert "too late" in err
        row = job(connection, number)
        assert (row["state"], row["grace_hours"], row["claim_token"]) == ("pending", 5, None)


class TestChangesOfMind:
    def test_keep_before_the_delete_is_sent_prevents_it(self, program, harp, connection):
        harp.add_image("app:1")
        number = schedule(connection)
        harp.fault(kind="inspect", delay=1.5, effect=True)
        run = program.start("run")
        wait_for(lambda: harp.log("inspect"))
        assert one(connection, "select harpsweep.keep('harp', 'app')") == 0
        assert job(connection, number)["end_wanted"] == "kept"
        run.communicate(timeout=30)
        assert job(connection, number)["state"] == "kept"
        assert not harp.log("remove")
        assert harp.image_list() == ["app:1"]

    def test_cancel_after_the_delete_was_sent_tells_the_truth(self, program, slow, connection):
        slow.add_image("app:1")
        number = schedule(connection)
        run = program.start("run")
        wait_for(lambda: slow.log("remove"))
        assert one(connection, "select harpsweep.cancel(%s, 'no')", number) is False
        run.communicate(timeout=30)
        assert job(connection, number)["state"] == "removed"

    def test_cancel_while_the_image_is_in_use_cancels(self, program, slow, connection):
        slow.add_image("app:1")
        slow.add_container("app:1")
        number = schedule(connection)
        run = program.start("run")
        wait_for(lambda: slow.log("remove"))
        one(connection, "select harpsweep.cancel(%s, 'wrong app')", number)
        run.communicate(timeout=30)
        row = job(connection, number)
        assert row["state"] == "cancelled"
        assert "wrong app" in row["hold_reason"]

    def test_a_kept_row_of_a_run_that_died_ends_as_kept(self, program, harp, connection):
        number = schedule(connection)
        harp.fault(kind="inspect", fault="silent")
        run = program.start("run")
        wait_for(lambda: harp.log("inspect"))
        one(connection, "select harpsweep.keep('harp', 'app')")
        kill(run, connection)
        expire_leases(connection)
        program("run")
        assert job(connection, number)["state"] == "kept"
        assert not harp.log("remove")


class TestSlowReconnect:
    """Connecting again may take a while; what was decided before it is not carried out after it."""

    @pytest.fixture
    def silent_host(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(8)
            yield listener.getsockname()[1]

    def test_no_delete_on_an_old_word(self, program, harp, cluster, database, connection, silent_host):
        conninfo = cluster.tcp_conninfo(database.name)
        port = re.search(r"port='?(\d+)", conninfo).group(1)
        conninfo = re.sub(r"host='?[^ ']+'?", "host=127.0.0.1,127.0.0.1", conninfo)
        conninfo = re.sub(r"port='?\d+'?", f"port={silent_host},{port}", conninfo)
        program.sections["database"]["conninfo"] = conninfo + " connect_timeout=3"
        program.sections["run"]["max_parallel"] = 1
        program.sections["cleanup"]["verify"] = "no"
        for number in range(200):  # each begins when the one before is answered: one would right before connecting
            harp.add_image(f"app:{number}")
            schedule(connection, image=f"app:{number}")
        harp.fault(kind="remove", delay=0.02, effect=True)
        run = program.start("run")
        wait_for(lambda: len(harp.log("remove")) >= 30)
        wait_for(lambda: one(connection, "select clock_timestamp() - max(claimed_at) < interval '100 ms' from harpsweep.job"))
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'harpsweep'")
        time.sleep(0.7)
        connection.execute("select harpsweep.keep('harp', 'app')")
        assert one(connection, "select count(*) from harpsweep.job where end_wanted = 'kept'") >= 2
        kept_at = time.time()
        run.communicate(timeout=60)
        assert [entry for entry in harp.log("remove") if entry["begin"] > kept_at + 1] == []
        states = dict(connection.execute("select state::text, count(*) from harpsweep.job group by 1").fetchall())
        assert set(states) == {"removed", "kept"} and states["kept"] == len(harp.images())


class TestStopped:
    """The machine sleeps, or the process is stopped."""

    def test_an_answer_that_came_meanwhile_is_read(self, program, harp, connection):
        connection.execute("create function slow_claim() returns trigger language plpgsql as"
                           " 'begin perform pg_advisory_xact_lock_shared(77); return new; end'")
        connection.execute("create trigger slow_claim before update on harpsweep.job for each row"
                           " when (new.state = 'claimed' and new.id > 1) execute function slow_claim()")
        program.sections["run"].update(max_parallel=64, max_parallel_per_daemon=64, lease="5m")
        program.sections["cleanup"]["verify"] = "no"
        # A run claims one job first, then many: that answer is longer than what libpq reads at once.
        for number in range(64):
            image = f"registry.example.com/{'a' * 200}/{number}:{'b' * 100}"
            harp.add_image(image)
            schedule(connection, image=image)
        connection.execute("select pg_advisory_lock(77)")
        run = program.start("run", "-v")
        wait_for(lambda: is_waiting_for_a_lock(connection))
        run.send_signal(signal.SIGSTOP)
        connection.execute("select pg_advisory_unlock(77)")
        time.sleep(31)  # longer than a run waits for a silent server
        run.send_signal(signal.SIGCONT)
        _, said = run.communicate(timeout=60)
        assert "no answer" not in said
        assert connection.execute("select state::text, attempts, count(*) from harpsweep.job group by 1, 2").fetchall() \
            == [("removed", 1, 64)]


class TestLimits:
    def fill(self, harp, connection, count=40):
        for number in range(count):
            harp.add_image(f"app:{number}")
            schedule(connection, image=f"app:{number}")

    def open_jobs(self, connection):
        return connection.execute("select state::text, count(*) from harpsweep.job where next_at is not null group by 1").fetchall()

    def test_a_signal_lets_requests_end_and_gives_the_rest_back(self, program, harp, connection):
        self.fill(harp, connection)
        harp.fault(kind="remove", delay=0.3, effect=True)
        run = program.start("run", "--json")
        wait_for(lambda: len(harp.log("remove")) >= 3)
        run.send_signal(signal.SIGTERM)
        out, err = run.communicate(timeout=30)
        assert run.returncode == 75, err
        assert '"left_work": true' in out
        removed = one(connection, "select count(*) from harpsweep.job where state = 'removed'")
        assert removed == 40 - len(harp.images()) > 0
        assert [row[0] for row in self.open_jobs(connection)] == ["pending"]
        assert one(connection, "select exit_code, note from harpsweep.run") == (75, "ended early by a limit or a signal")

    def test_a_second_signal_ends_requests(self, program, harp, connection):
        self.fill(harp, connection, 4)
        harp.fault(kind="remove", fault="silent")
        run = program.start("run")
        wait_for(lambda: harp.log("remove"))
        run.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        begin = time.monotonic()
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=30)
        assert run.returncode == 75
        assert time.monotonic() - begin < 3
        assert self.open_jobs(connection) == [("pending", 4)]
        assert one(connection, "select sum(failures) from harpsweep.job") == 0

    def test_the_soft_limit_ends_claiming(self, program, harp, connection):
        program.sections["run"]["soft_limit"] = "1s"
        self.fill(harp, connection)
        harp.fault(kind="remove", delay=0.4, effect=True)
        begin = time.monotonic()
        program("run", code=75)
        assert time.monotonic() - begin < 4
        left = dict(self.open_jobs(connection))
        assert set(left) == {"pending"} and 0 < left["pending"] < 40

    def test_the_hard_limit_ends_requests(self, program, harp, connection):
        program.sections["harp"].update({"timeout": "5s", "connect_timeout": "1s"})
        program.sections["run"].update({"soft_limit": "1s", "hard_limit": "6s"})
        self.fill(harp, connection, 3)
        harp.fault(kind="remove", fault="slow", step=0.2)  # an answer that never ends, byte by byte
        begin = time.monotonic()
        program("run", code=None)
        assert time.monotonic() - begin < 8
        assert [row[0] for row in self.open_jobs(connection)] == ["pending"]


def test_a_stopped_run_starts_nothing_after_its_lease(program, harp, connection):
    """SIGSTOP between the inspect and the delete, for longer than the lease allows a delete to start."""
    program.sections["harp"]["timeout"] = "5s"
    program.sections["run"]["lease"] = "35s"
    harp.add_image("app:1")
    number = schedule(connection)
    harp.fault(kind="inspect", delay=0.5, effect=True)
    run = program.start("run")
    wait_for(lambda: harp.log("inspect"))
    os.kill(run.pid, signal.SIGSTOP)
    # 35 s of lease less 5 s for the request and 10 s for recording: nothing starts after 20 s.
    time.sleep(21)
    os.kill(run.pid, signal.SIGCONT)
    run.communicate(timeout=30)
    row = job(connection, number)
    if harp.log("remove"):  # the run claimed it anew
        assert (row["state"], row["attempts"]) == ("removed", 2)
    else:
        assert (row["state"], row["failures"]) == ("pending", 0)
