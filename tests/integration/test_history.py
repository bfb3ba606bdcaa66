"""harpsweep.job_event: what happened to each job, written by the statement that made it happen."""

# pylint: disable=missing-function-docstring

import random

import psycopg
import pytest

from harness.rows import ROLES, claim, expire, finish, job, one
from harness.rows import schedule as schedule_row


def schedule(connection, image="app:1", **named):
    return schedule_row(connection, daemon="harp", image=image, **{"choice": "now", **named})


def events(connection, number):
    return connection.execute(
        "select what, from_state::text, to_state::text, attempt, who, http_status, detail from harpsweep.job_event"
        " where job_id = %s order by id", (number,)).fetchall()


def words(connection, number):
    return [event[0] for event in events(connection, number)]


class TestRuns:
    def test_a_result(self, program, harp, connection):
        harp.add_image("app:1")
        number = schedule(connection)
        program("run")
        row = job(connection, number)
        assert events(connection, number) == [
            ("result", "claimed", "removed", 1, row["claimed_by"], 200, row["hold_reason"])]
        assert one(connection, "select at from harpsweep.job_event") == row["finished_at"]

    def test_the_grace_is_fixed(self, program, connection):
        number = schedule(connection, choice="grace")
        program("run")
        assert events(connection, number) == [("planned", "new", "pending", 0, "cron_user", None, None)]

    def test_a_failure_that_is_repeated(self, program, harp, connection):
        harp.add_image("app:1")
        harp.fault(kind="remove", status=500, body='{"message":"Docker is busy"}', content_type="application/json")
        number = schedule(connection)
        program("run")
        row = job(connection, number)
        assert events(connection, number) == [
            ("retry", "claimed", "pending", 1, row["claimed_by"], 500, row["last_error"])]
        assert "HTTP 500" in row["last_error"]

    def test_in_use(self, program, harp, connection):
        harp.add_image("app:1")
        harp.add_container("app:1", "c1")
        number = schedule(connection)
        for attempt in (1, 2):
            program("run")
            connection.execute("update harpsweep.job set next_at = now() where id = %s", (number,))
            assert words(connection, number) == ["in use", "made due"] * attempt
        assert [event[3] for event in events(connection, number)] == [1, 1, 2, 2]

    def test_held_is_told_once_for_each_reason(self, program, harp, connection):
        harp.add_image("app:1")
        number = schedule(connection)
        program.sections["cleanup"]["keep"] = "app:*"
        for _ in range(3):
            program("run")
            connection.execute(
                "set session_replication_role = replica; update harpsweep.job set next_at = now(), not_before = now();"
                "reset session_replication_role")
        assert job(connection, number)["attempts"] == 3
        [held] = events(connection, number)
        assert held[:4] == ("held", "claimed", "pending", 1) and "keep" in held[6]

    def test_given_back(self, program, harp, connection):
        number = schedule(connection)
        harp.fault(kind="info", times=9, status=401, body="")
        program("run", code=1)
        assert words(connection, number) == ["given back"]
        assert job(connection, number)["failures"] == 0

    def test_a_claim_that_was_lost(self, program, harp, connection):
        harp.add_image("app:1")
        number = schedule(connection)
        claim(connection, number)
        expire(connection, number)
        program("run")
        row = job(connection, number)
        lost, result = events(connection, number)
        assert lost[:6] == ("lost", "claimed", "claimed", 1, "h:1", None) and lost[6].startswith("taken up at 2")
        assert result[:5] == ("result", "claimed", "removed", 2, row["claimed_by"])

    def test_runs_that_die_again_and_again(self, program, connection):
        number = schedule(connection)
        claim(connection, number)
        connection.execute("update harpsweep.job set lost_claims = 19, not_before = now() - interval '1 h',"
                           " next_at = now() - interval '1 s' where id = %s", (number,))
        program("run", code=1)
        last = events(connection, number)[-1]
        assert last[:5] == ("lost", "claimed", "failed", 1, "h:1") and "the runs died" in last[6]


class TestPeople:
    @pytest.mark.parametrize("call,expected", [
        ("harpsweep.keep('harp', 'app')", ("ended", "new", "kept", 0, "postgres", None, "asked to keep the image")),
        ("harpsweep.cancel(1, 'why not')", ("ended", "new", "cancelled", 0, "postgres", None, "why not")),
        ("harpsweep.make_due(1)", ("made due", "new", "pending", 0, "postgres", None, None)),
        ("harpsweep.flush_daemon('harp')", ("made due", "new", "pending", 0, "postgres", None, None)),
        ("harpsweep.cancel_daemon('harp', 'gone')", ("ended", "new", "cancelled", 0, "postgres", None, "gone")),
        ("harpsweep.schedule('harp', 'app2', 'app:1')", ("scheduled again", "new", "new", 0, "postgres", None, None)),
    ])
    def test_functions(self, rows_only, call, expected):
        assert schedule(rows_only, choice="grace") == 1
        rows_only.execute(f"select {call}")
        assert events(rows_only, 1) == [expected]
        assert one(rows_only, "select at = %s from harpsweep.job_event", one(rows_only, "select now()")) is False

    def test_while_a_run_works_on_it(self, rows_only):
        number = schedule(rows_only)
        claim(rows_only, number)
        rows_only.execute("select harpsweep.cancel(%s, 'why not')", (number,))
        assert events(rows_only, number) == [
            ("to be ended", "claimed", "claimed", 1, "postgres", None, "cancelled: why not")]

    def test_opened_again(self, rows_only):
        number = schedule(rows_only)
        claim(rows_only, number)
        finish(rows_only, number, "failed", failures=1, last_error="no route")
        rows_only.execute("select harpsweep.retry(%s)", (number,))
        assert events(rows_only, number) == [
            ("result", "claimed", "failed", 1, "h:1", None, "no route"),
            ("reopened", "failed", "pending", 1, "postgres", None, None)]

    def test_by_hand(self, rows_only):
        number = schedule(rows_only)
        rows_only.execute("update harpsweep.job set next_at = 'infinity', hold_reason = 'me' where id = %s", (number,))
        rows_only.execute("update harpsweep.job set hold_reason = 'still me', host = 'h' where id = %s", (number,))
        assert events(rows_only, number) == [("moved", "pending", "pending", 0, "postgres", None, "me")]

    def test_who_is_the_one_that_connected(self, database):
        """And not the owner of the functions."""
        connection = database.connect()
        number = schedule(connection)
        database.connect(role="harpsweep_writer").execute("select harpsweep.cancel(%s, 'x')", (number,))
        assert events(connection, number)[0][4] == "harpsweep_writer"


def test_who_made_it_and_who_made_it_again(database):
    connection = database.connect()
    number = schedule(connection, choice="grace")
    assert job(connection, number)["scheduled_by"] == "postgres"
    assert schedule(database.connect(role="harpsweep_writer"), choice="grace") == number
    assert job(connection, number)["scheduled_by"] == "harpsweep_writer"
    assert events(connection, number)[0][4] == "harpsweep_writer"


def test_nothing_is_forgotten(rows_only):
    """Whatever is done in whatever order: each change of a state, told by a trigger for each row, has its event."""
    generator = random.Random(20)
    rows_only.execute("""
        create temporary table seen (seq bigint generated always as identity, id bigint, before text, after text);
        create function pg_temp.see() returns trigger language plpgsql as $$ begin
            if new.state <> old.state and new.state <> 'claimed' then
                insert into seen (id, before, after) values (new.id, old.state, new.state);
            end if;
            return null; end $$;
        create trigger see after update on harpsweep.job for each row execute function pg_temp.see()""")
    try:
        for step in range(900):
            numbers = [row[0] for row in rows_only.execute("select id from harpsweep.job").fetchall()]
            one_of = generator.choice(numbers) if numbers else 0
            deed = generator.randrange(9)
            if deed < 2 or not numbers:
                schedule(rows_only, image=f"app:{generator.randrange(40)}", choice=generator.choice(["now", "grace", "keep"]))
            elif deed == 2:
                rows_only.execute("select harpsweep.keep_job(%s)", (one_of,))
            elif deed == 3:
                rows_only.execute("select harpsweep.cancel(%s, %s)", (one_of, f"reason {step}"))
            elif deed == 4:
                rows_only.execute("select harpsweep.make_due(%s)", (one_of,))
            elif deed == 5:
                rows_only.execute("select harpsweep.retry(%s)", (one_of,))
            elif deed == 6 and job(rows_only, one_of)["state"] == "pending":
                claim(rows_only, one_of)
            elif deed == 7 and job(rows_only, one_of)["state"] == "claimed":
                state = generator.choice(["removed", "absent", "failed"])
                rows_only.execute("update harpsweep.job set not_before = least(not_before, now()) where id = %s", (one_of,))
                rows_only.execute("update harpsweep.job set end_wanted = null where id = %s", (one_of,))
                finish(rows_only, one_of, state)
            elif deed == 8:
                rows_only.execute("select harpsweep.flush_daemon('harp')")
        seen = rows_only.execute("select id, before, after from seen order by id, seq").fetchall()
        told = rows_only.execute("select job_id, from_state::text, to_state::text from harpsweep.job_event"
                                 " where from_state <> to_state order by job_id, id").fetchall()
        assert told == seen and len(seen) > 100
    finally:
        rows_only.execute("drop trigger see on harpsweep.job; drop table seen")


class TestTheirEnd:
    @pytest.mark.parametrize("how", ["delete from harpsweep.job", "truncate harpsweep.job"])
    def test_with_the_job(self, rows_only, how):
        schedule(rows_only)
        rows_only.execute("select harpsweep.cancel(1, 'x')")
        assert one(rows_only, "select count(*) from harpsweep.job_event") == 1
        rows_only.execute(how)
        assert one(rows_only, "select count(*) from harpsweep.job_event") == 0

    def test_pruned_by_a_run(self, program, connection):
        old = schedule(connection)
        young = schedule(connection, image="app:2")
        due = schedule(connection, image="app:3")  # a run with nothing to do prunes nothing
        for number in (old, young):
            connection.execute("select harpsweep.cancel(%s, 'x')", (number,))
        connection.execute("update harpsweep.job set finished_at = now() - interval '10 years' where id = %s", (old,))
        program("run")
        assert one(connection, "select array_agg(job_id order by job_id) from harpsweep.job_event") == [young, due]

    def test_no_restored_row_has_any(self, rows_only):
        """An insert is no event: a dump's data brings its own."""
        schedule(rows_only)
        rows_only.execute("select harpsweep.cancel(1, 'x')")
        rows_only.execute("create temporary table kept as select * from harpsweep.job; delete from harpsweep.job;"
                          "alter table kept drop column due_at, drop column outcome")
        columns = one(rows_only, "select string_agg(attname, ', ') from pg_attribute"
                                 " where attrelid = 'kept'::regclass and attnum > 0 and not attisdropped")
        rows_only.execute(f"insert into harpsweep.job ({columns}) overriding system value select {columns} from kept")
        assert one(rows_only, "select count(*) from harpsweep.job_event") == 0


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("statement", [
    "insert into harpsweep.job_event (job_id, what, from_state, to_state, attempt, who) values (1, 'x', 'new', 'new', 0, 'x')",
    "update harpsweep.job_event set who = 'somebody else'", "delete from harpsweep.job_event", "truncate harpsweep.job_event",
    "select harpsweep.job_changed()", "select harpsweep.job_deleted()"])
def test_nobody_may_write_them(rows_only, role, statement):
    rows_only.execute(f"set role {role}")
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows_only.execute(statement)
    finally:
        rows_only.execute("reset role")


@pytest.mark.parametrize("role,may", [("harpsweep_writer", False), ("harpsweep_worker", True), ("harpsweep_reader", True)])
def test_who_may_read_them(rows_only, role, may):
    assert one(rows_only, "select has_table_privilege(%s, 'harpsweep.job_event', 'select')", role) is may


def test_show_tells_them(program, harp, connection):
    harp.add_image("app:1")
    number = schedule(connection)
    harp.fault(kind="remove", status=500, body='{"message":"Docker is busy"}', content_type="application/json")
    program("run")
    connection.execute("select harpsweep.cancel(%s, 'not \x1b[31m now')".replace("\x1b", ""), (number,))
    connection.execute("select harpsweep.retry(%s)", (number,))
    connection.execute("select harpsweep.make_due(%s)", (number,))
    harp.clear_faults()
    program("run")
    row = job(connection, number)
    text = program("show", number).out
    lines = [line.split("  ", 2)[2] for line in text.splitlines() if line.startswith("  20")]
    assert lines[1:5] == [
        f"an attempt of the run {events(connection, number)[0][4]} failed (HTTP status 500): {events(connection, number)[0][6]}",
        "postgres ended it, as cancelled: not [31m now",
        "postgres opened it again",
        "postgres had it made due at once",
    ]
    assert lines[-1].startswith("it ended as removed") and len(lines) == 7
    [shown] = program("--json", "show", number).json
    assert [event["what"] for event in shown["events"]] == ["retry", "ended", "reopened", "made due", "result"]
    assert shown["events"][0] == {
        "at": shown["events"][0]["at"], "what": "retry", "from_state": "claimed", "to_state": "pending", "attempt": 1,
        "who": events(connection, number)[0][4], "http_status": 500, "detail": events(connection, number)[0][6]}
    assert shown["events"][-1]["http_status"] == 200 and shown["events"][-1]["who"] == row["claimed_by"]
