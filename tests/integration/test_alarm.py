"""When a run has to look at the jobs: whatever makes one due earlier sets an alarm, and a run that leaves nothing due sets
it for the next one. No job may be without."""

# pylint: disable=missing-function-docstring

import random
import threading

import psycopg
import pytest
from harness.queries import execute, text_of
from harness.rows import UNHEARD, alarms, claim, expire, finish, in_thread, job, never_ringing, one, schedule, wait_until_blocked

def by_hand(connection, due="null", state="removed", image="app:1"):
    return one(
        connection,
        f"""insert into harpsweep.job (daemon, appid, image_ref, state, orphaned_at, grace_hours, not_before, next_at, finished_at)
            values ('d', 'app', %s, '{state}', now() - interval '2 d', 24, now() - interval '1 d', {due},
                    case when '{state}' = 'removed' then now() end) returning id""", image)


class TestWhatSetsIt:
    @pytest.fixture(autouse=True)
    def quiet(self, rows_only):
        never_ringing(rows_only)
        yield
        rows_only.execute("delete from harpsweep.job")  # what was made before never_ringing() has no alarm

    @pytest.mark.parametrize("given, rings", [
        ({}, "new"),
        ({"choice": "now"}, "now"),
        ({"grace_hours": 2}, "120"),
    ])
    def test_a_new_job(self, rows_only, given, rings):
        schedule(rows_only, **given)
        assert alarms(rows_only) == [rings, "never"]

    def test_many_at_once(self, rows_only):
        rows_only.execute(
            """insert into harpsweep.job (daemon, appid, image_ref, state, orphaned_at, grace_hours, not_before, next_at)
               select 'd', 'app', 'app:' || i, 'pending', now(), 24, now(), now() + i * interval '1 min'
                 from generate_series(3, 2000) i""")
        assert alarms(rows_only) == ["3", "never"]

    def test_one_by_hand(self, rows_only):
        by_hand(rows_only)
        assert alarms(rows_only) == ["never"]
        by_hand(rows_only, "now() + interval '5 min'", "pending", "app:2")
        assert alarms(rows_only) == ["5", "never"]

    @pytest.mark.parametrize("what", ["make_due(%s)", "flush_daemon('d')"])
    def test_what_makes_it_due(self, rows_only, what):
        number = schedule(rows_only, grace_hours=5)
        never_ringing(rows_only)
        rows_only.execute(f"select harpsweep.{what}", (number,) if "%s" in what else None)
        assert alarms(rows_only) == ["now", "never"]

    def test_a_retry(self, rows_only):
        number = schedule(rows_only, choice="now")
        finish(rows_only, number, "failed")
        never_ringing(rows_only)
        rows_only.execute("select harpsweep.retry(%s)", (number,))
        assert alarms(rows_only) == ["now", "never"]

    def test_a_second_event(self, rows_only):
        """It merges with the open job; the later grace wins, unless it is wanted now."""
        schedule(rows_only, grace_hours=5)
        never_ringing(rows_only)
        schedule(rows_only, grace_hours=3)
        schedule(rows_only, grace_hours=7)
        assert alarms(rows_only) == ["never"]
        schedule(rows_only, choice="now")
        assert alarms(rows_only) == ["now", "never"]

    def test_a_due_time_that_is_moved(self, rows_only):
        number = schedule(rows_only, grace_hours=5)
        never_ringing(rows_only)
        for minutes, wanted in ((400, ["never"]), (350, ["350", "never"]), (350, ["350", "never"]), (300, ["300", "350", "never"])):
            rows_only.execute(
                f"update harpsweep.job set next_at = now() + interval '{minutes} min', not_before = now() where id = %s", (number,))
            assert alarms(rows_only) == wanted

    def test_what_is_not_due_earlier(self, rows_only):
        """Neither ends nor delays nor a claim."""
        for image, act in (("a:1", finish), ("b:1", None), ("c:1", claim)):
            number = schedule(rows_only, image=image, choice="now")
            never_ringing(rows_only)
            if act is finish:
                finish(rows_only, number, "removed")
            elif act is claim:
                claim(rows_only, number)
                rows_only.execute("update harpsweep.job set state = 'pending', next_at = now() + interval '1 h',"
                                  " failures = 1 where id = %s", (number,))
            else:
                rows_only.execute("select harpsweep.cancel(%s, 'why')", (number,))
            assert alarms(rows_only) == ["never"], image
            rows_only.execute("delete from harpsweep.job")

    def test_what_is_due_as_before(self, rows_only):
        for hours in (5, 7):
            schedule(rows_only, image=f"app:{hours}", grace_hours=hours)
        never_ringing(rows_only)
        rows_only.execute("update harpsweep.job set hold_reason = 'why'")
        assert alarms(rows_only) == ["never"]
        rows_only.execute("update harpsweep.job set next_at = next_at - interval '1 h', not_before = now() where grace_hours = 7")
        assert alarms(rows_only) == ["360", "never"]

    def test_it_goes_with_what_set_it(self, rows_only):
        with pytest.raises(psycopg.errors.DivisionByZero), rows_only.transaction():
            schedule(rows_only)
            rows_only.execute("select 1 / 0")
        assert alarms(rows_only) == ["never"]


class TestSettingIt:
    """As the query of a run does."""

    def test_for_the_next_job(self, rows_only):
        schedule(rows_only, "e", image="e:1", grace_hours=3)
        for daemon, minutes in (("c", 50), ("d", 20), ("f", 40)):
            number = schedule(rows_only, daemon, grace_hours=5)
            rows_only.execute("update harpsweep.job set next_at = now() + %s * interval '1 min', not_before = now() where id = %s",
                              (minutes, number))
        execute(rows_only, "alarm")
        assert alarms(rows_only) == ["20"]

    @pytest.mark.parametrize("hours", [None, 5])
    def test_an_hour_at_most(self, rows_only, hours):
        if hours is not None:
            schedule(rows_only, grace_hours=hours)
        execute(rows_only, "alarm")
        assert alarms(rows_only) == ["60"]

    def test_of_many_one_is_left(self, rows_only):
        for number in range(5):
            finish(rows_only, schedule(rows_only, image=f"app:{number}", choice="now"), "removed")
        execute(rows_only, "alarm")
        assert alarms(rows_only) == ["60"]

    @pytest.mark.parametrize("state", ["new", "pending", "claimed"])
    def test_what_is_due_goes_on_ringing(self, rows_only, state):
        number = schedule(rows_only, **({} if state == "new" else {"choice": "now"}))
        if state == "claimed":
            claim(rows_only, number)
        before = alarms(rows_only)
        execute(rows_only, "alarm")
        assert alarms(rows_only) == before != []

    def test_where_none_was_set(self, rows_only):
        rows_only.execute("delete from harpsweep.alarm")
        execute(rows_only, "alarm")
        assert alarms(rows_only) == ["60"]

    def test_what_is_not_seen_stays(self, database, connection):
        """A job whose transaction has not ended yet keeps its alarm."""
        writer = database.connect(autocommit=False)
        schedule(writer, choice="now")
        execute(connection, "alarm")
        assert alarms(connection) == ["60"]
        writer.commit()
        assert alarms(connection) == ["now", "60"]

    def test_two_runs_at_once(self, database, connection):
        """The second waits for what the first removes, and sets one of its own."""
        first, second = database.connect(autocommit=False), database.connect()
        execute(first, "alarm")
        thread, result = in_thread(lambda: execute(second, "alarm"))
        wait_until_blocked(connection, second)
        schedule(connection, choice="now")
        first.commit()
        thread.join()
        assert result == [[]] and alarms(connection) == ["now", "60", "60"]

    def test_whatever_meets(self, database, connection):
        """Everything that moves jobs, in several sessions, while several runs set the alarm."""
        seed = random.randrange(1 << 30)
        print("seed", seed)
        end = threading.Event()

        def write(number):
            own, chance = database.connect(), random.Random(seed + number)
            while not end.is_set():
                ids = [row[0] for row in own.execute("select id from harpsweep.job").fetchall()]
                chosen = chance.choice(ids) if ids else 0
                later = f"now() + interval '{chance.randrange(1, 100)} min'"
                try:
                    with own.transaction():
                        chance.choice([
                            lambda: schedule(own, image=f"app:{chance.randrange(4)}", choice=chance.choice(["now", "grace"])),
                            lambda: schedule(own, image=f"app:{chance.randrange(4)}", grace_hours=chance.randrange(3)),
                            lambda: own.execute("select harpsweep.make_due(%s)", (chosen,)),
                            lambda: own.execute("select harpsweep.cancel(%s, 'why')", (chosen,)),
                            lambda: own.execute("select harpsweep.retry(%s)", (chosen,)),
                            lambda: own.execute(f"update harpsweep.job set state = 'pending', next_at = {later}, not_before = now(),"
                                                " grace_hours = 1 where id = %s and finished_at is null", (chosen,)),
                            lambda: own.execute("update harpsweep.job set state = 'claimed', claim_token = gen_random_uuid(),"
                                                " claimed_at = now(), next_at = now() + interval '1 min'"
                                                " where id = %s and state = 'pending' and next_at <= now()", (chosen,)),
                        ])()
                        own.execute("select pg_sleep(%s)", (chance.random() / 300,))
                        if chance.random() < 0.2:
                            raise psycopg.Rollback()
                except psycopg.Error:
                    pass  # what is not possible in that state, a deadlock

        def settle():
            own = database.connect()
            while not end.is_set():
                own.execute(text_of("alarm"))

        threads = [in_thread(lambda n=n: write(n)) for n in range(5)] + [in_thread(settle) for _ in range(2)]
        checks = 0
        try:
            for _ in range(150):
                assert connection.execute(UNHEARD).fetchall() == []
                checks += one(connection, "select count(*) from harpsweep.job where due_at > now()") > 0
        finally:
            end.set()
            for thread, _ in threads:
                thread.join()
        assert [result for _, result in threads] == [[None]] * len(threads)
        assert checks > 0 and connection.execute(UNHEARD).fetchall() == []


class TestRuns:
    def test_a_run_looks_where_one_rings(self, program, harp, connection):
        harp.add_image("app:1")
        number = schedule(connection, "harp", choice="now")
        never_ringing(connection)
        program("run")
        assert (job(connection, number)["state"], harp.log()) == ("pending", [])
        connection.execute("update harpsweep.alarm set rings_at = now()")
        program("run")
        assert job(connection, number)["state"] == "removed"

    def test_where_none_is_set(self, program, harp, connection):
        """A DBA may empty the table at any time."""
        harp.add_image("app:1")
        number = schedule(connection, "harp", choice="now")
        connection.execute("truncate harpsweep.alarm")
        program("run")
        assert job(connection, number)["state"] == "removed"
        assert alarms(connection) == ["60"]

    def test_whoever_names_a_daemon_needs_none(self, program, harp, connection):
        harp.add_image("app:1")
        number = schedule(connection, "harp", choice="now")
        never_ringing(connection)
        program("run", "--daemon", "harp")
        assert job(connection, number)["state"] == "removed"

    def test_whoever_names_a_daemon_sets_it_too(self, program, connection):
        connection.execute("truncate harpsweep.alarm")
        for _ in range(2):
            program("run", "--daemon", "harp")
            assert alarms(connection) == ["60"]
            connection.execute("insert into harpsweep.alarm values (now())")

    def test_the_end_of_a_grace(self, program, harp, connection):
        """Fixed by the first run, worked off by a later one; those between look at nothing."""
        harp.add_image("app:1")
        number = schedule(connection, "harp")
        program.sections["cleanup"]["grace_hours"] = "1"
        assert alarms(connection) == ["new", "never"]
        program("run")
        assert job(connection, number)["state"] == "pending" and alarms(connection) == ["60"]
        before = one(connection, "select xmin::text from harpsweep.alarm")
        program("run")
        assert one(connection, "select xmin::text from harpsweep.alarm") == before
        expire(connection, number)
        program("run")
        assert job(connection, number)["state"] == "removed"

    def test_a_run_that_leaves_work(self, program, harp, connection):
        for number in range(3):
            harp.add_image(f"app:{number}")
            schedule(connection, "harp", image=f"app:{number}", choice="now")
        program("run", "--max-jobs", "2", code=75)
        assert "now" in alarms(connection)
        program("run")
        assert alarms(connection) == ["60"]
        assert one(connection, "select count(*) from harpsweep.job where state = 'removed'") == 3

    def test_a_run_that_died(self, program, harp, connection):
        """What it claimed is looked for until somebody takes it up."""
        harp.add_image("app:1")
        number = schedule(connection, "harp", choice="now")
        claim(connection, number)
        program("run")
        assert job(connection, number)["state"] == "claimed" and alarms(connection) == ["now", "never"]
        connection.execute("update harpsweep.job set not_before = now() - interval '1 h', next_at = now() where id = %s", (number,))
        program("run")
        assert job(connection, number)["state"] == "removed"

    def test_without_the_privilege(self, program, connection):
        """The run that would set it says so, and what the DBA can do is what check says."""
        connection.execute("revoke delete on harpsweep.alarm from harpsweep_worker; update harpsweep.alarm set rings_at = now()")
        run = program("run")
        assert "no alarm is set, so that the next run looks again: " in run.err and "permission denied for table alarm" in run.err
        assert "grant delete on table harpsweep.alarm to" in program("check", code=78).out
