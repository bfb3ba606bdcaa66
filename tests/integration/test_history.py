"""harpsweep.job_event: what happened to each job, written by the statement that made it happen."""

# pylint: disable=missing-function-docstring

import random

import psycopg
import pytest

from harness.queries import execute, recorded
from harness.rows import ROLES, SCHEMA_VERSION, claim, expire, finish, job, one
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
                "reset session_replication_role; truncate harpsweep.alarm")
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


class TestResults:
    """As the query of a run records them."""

    TOKEN = "00000000-0000-0000-0000-000000000007"

    def claimed(self, connection):
        number = schedule(connection)
        for _ in range(2):  # it is planned, then claimed
            execute(connection, "claim", ["harp"], [9], None, True, 24, self.TOKEN, "h:2", 120_000, 20, SCHEMA_VERSION, 0, True,
                    False, [None], [None])
        connection.execute("delete from harpsweep.job_log")
        return number

    def record(self, connection, number, action, final=None, delay=0, reason="why"):
        assert recorded(connection, [self.TOKEN], [number], [1], [action], [final], [409], [5], [reason], [3],
                       [delay], 24, 7, 20)[0][1] == "recorded"

    @pytest.mark.parametrize("action,final,delay,what,state", [
        ("done", "removed", 0, "result", "removed"), ("done", "unsupported", 0, "result", "unsupported"),
        ("fail", None, 0, "result", "failed"), ("retry", None, 0, "retry", "pending"), ("wait", None, 0, "in use", "pending"),
        ("hold", None, 60, "held", "pending"), ("hold", None, 0, "held", "pending"), ("release", None, 0, "given back", "pending")])
    def test_each_kind(self, rows_only, action, final, delay, what, state):
        number = self.claimed(rows_only)
        self.record(rows_only, number, action, final, delay)
        assert events(rows_only, number) == [(what, "claimed", state, 1, "h:2", 409, "why")]

    def test_what_is_said_once(self, rows_only):
        """A hold or a release that says the same as the one before; but each failure and each look counts."""
        told = []
        for attempt, (action, reason) in enumerate([("hold", "a"), ("hold", "a"), ("release", "a"), ("hold", "b"), ("wait", "b"),
                                                    ("wait", "b"), ("retry", "c"), ("retry", "c")], 1):
            number = self.claimed(rows_only) if attempt == 1 else number
            if attempt > 1:
                rows_only.execute("update harpsweep.job set state = 'claimed', attempts = 1, claim_token = %s, claimed_at = now(),"
                                  " next_at = now() + interval '1 min' where id = %s", (self.TOKEN, number))
                rows_only.execute("delete from harpsweep.job_log")
            self.record(rows_only, number, action, reason=reason)
            told += words(rows_only, number)
        assert told == ["held", "held", "in use", "in use", "retry", "retry"]

    def test_a_long_name_of_a_host_is_told_whole(self, rows_only):
        number, who = self.claimed(rows_only), "h" * 64 + ":4194304"
        rows_only.execute("update harpsweep.job set claimed_by = %s", [who])
        self.record(rows_only, number, "done", "removed")
        assert events(rows_only, number)[0][4] == who

    def test_a_failure_says_what_failed(self, rows_only):
        number = self.claimed(rows_only)
        rows_only.execute("update harpsweep.job set hold_reason = 'before'")
        self.record(rows_only, number, "retry", reason="HTTP 500")
        assert events(rows_only, number)[0][6] == "HTTP 500"

    @pytest.mark.parametrize("lost", [0, 19])
    def test_a_claim_that_is_lost(self, rows_only, lost):
        number = self.claimed(rows_only)
        rows_only.execute("update harpsweep.job set not_before = now() - interval '1 h', next_at = now() - interval '1 s',"
                          " lost_claims = %s, hold_reason = 'before', http_status = 500", (lost,))
        rows_only.execute("delete from harpsweep.job_log")
        execute(rows_only, "claim", ["harp"], [9], None, True, 24, self.TOKEN, "h:3", 120_000, 20, SCHEMA_VERSION, 0, True,
                False, [None], [None])
        [event] = events(rows_only, number)
        assert event[:6] == ("lost", "claimed", "failed" if lost else "claimed", 1, "h:2", None)
        assert event[6].startswith("claimed 20 times" if lost else "taken up at 2")

    def test_a_wish_that_a_claim_grants(self, rows_only):
        number = self.claimed(rows_only)
        rows_only.execute("select harpsweep.cancel(%s, 'why')", (number,))
        rows_only.execute("update harpsweep.job set not_before = now() - interval '1 h', next_at = now() - interval '1 s'")
        execute(rows_only, "claim", ["harp"], [9], None, True, 24, self.TOKEN, "h:3", 120_000, 20, SCHEMA_VERSION, 0, True,
                False, [None], [None])
        assert words(rows_only, number) == ["to be ended", "ended"]

    def test_of_many_at_once(self, rows_only):
        numbers = [schedule(rows_only, image=f"app:{n}") for n in range(3)]
        for number in numbers:
            claim(rows_only, number)
        rows_only.execute("update harpsweep.job set state = 'pending', hold_reason = 'r' || id")
        assert rows_only.execute("select job_id, what, detail from harpsweep.job_event order by 1").fetchall() == [
            (number, "held", f"r{number}") for number in numbers]


class TestWhatTheRowTells:
    """That the image is gone, with which nearly all jobs end, is not written a second time."""

    RESULT = ("result", "claimed", "removed", 1, "h:1", 200, "why")

    def removed(self, connection, image="app:1"):
        number = schedule(connection, image)
        claim(connection, number)
        finish(connection, number, "removed", http_status=200, hold_reason="why")
        return number

    def written(self, connection):
        return [row[0] for row in connection.execute("select what from harpsweep.job_log order by id").fetchall()]

    @pytest.mark.parametrize("state,written", [
        ("removed", []), ("untagged", []), ("absent", []), ("failed", ["result"]), ("in_use", ["result"]), ("unsupported", ["result"]),
        ("kept", ["result"]), ("cancelled", ["result"])])
    def test_of_which_states(self, rows_only, state, written):
        number = schedule(rows_only)
        claim(rows_only, number)
        finish(rows_only, number, state, http_status=200, hold_reason="why")
        assert events(rows_only, number) == [("result", "claimed", state, 1, "h:1", 200, "why")]
        assert self.written(rows_only) == written

    def test_it_comes_last(self, program, harp, connection):
        harp.add_image("app:1")
        harp.fault(kind="remove", times=1, status=500, body='{"message":"Docker is busy"}', content_type="application/json")
        number = schedule(connection)
        program("run")
        connection.execute("select harpsweep.make_due(%s)", (number,))
        program("run")
        assert words(connection, number) == ["retry", "made due", "result"]
        assert self.written(connection) == ["retry", "made due"]
        assert [event["what"] for event in program("show", "--json", number).json[0]["events"]] == ["retry", "made due", "result"]

    def test_what_is_changed_afterwards(self, rows_only):
        """The event stays what it was."""
        number = self.removed(rows_only)
        at = one(rows_only, "select at from harpsweep.job_event")
        for change in ("hold_reason = 'other', http_status = 1", "finished_at = now()", "attempts = 7", "claimed_by = null",
                       "state = 'absent'"):
            rows_only.execute(f"update harpsweep.job set {change}")
            assert events(rows_only, number)[0] == self.RESULT
            assert one(rows_only, "select min(at) from harpsweep.job_event") == at
        assert self.written(rows_only).count("result") == 1

    def test_two_that_are_changed_afterwards(self, rows_only):
        """One after the other, so that what is written of the one stands there when the other is changed."""
        numbers = [self.removed(rows_only, f"app:{n}") for n in range(2)]
        for number in numbers:
            rows_only.execute("update harpsweep.job set hold_reason = 'other' where id = %s", (number,))
        assert [events(rows_only, number) for number in numbers] == [[self.RESULT], [self.RESULT]]

    @pytest.mark.parametrize("state", ["pending", "claimed"])
    def test_opened_again_by_hand(self, rows_only, state):
        number = self.removed(rows_only)
        rows_only.execute("update harpsweep.job set state = %s, next_at = now(), finished_at = null", (state,))
        assert events(rows_only, number)[0] == self.RESULT
        if state == "pending":
            claim(rows_only, number)
            finish(rows_only, number, "removed", http_status=404, hold_reason="again")
            assert words(rows_only, number) == ["result", "reopened", "result"]
            assert events(rows_only, number)[-1] == ("result", "claimed", "removed", 2, "h:1", 404, "again")
            assert self.written(rows_only) == ["result", "reopened"]

    def test_removed_by_hand(self, rows_only):
        """Of a job that a run had before and gave back: its token is still there."""
        number = schedule(rows_only)
        claim(rows_only, number)
        rows_only.execute("update harpsweep.job set state = 'pending', next_at = now(), hold_reason = 'busy'")
        finish(rows_only, number, "removed")
        assert words(rows_only, number) == ["given back", "ended"] == self.written(rows_only)
        assert events(rows_only, number)[1][4] == "postgres"

    @pytest.mark.parametrize("change,what,who", [
        ("claim_token = null", "ended", "postgres"), ("claimed_by = null", "result", "h:1"), ("attempts = 5", "result", "h:1")])
    def test_of_a_claimed_one_by_hand(self, rows_only, change, what, who):
        number = schedule(rows_only)
        claim(rows_only, number)
        rows_only.execute(f"update harpsweep.job set state = 'removed', next_at = null, finished_at = now(), {change}")
        [event] = events(rows_only, number)
        assert (event[0], event[4]) == (what, who)

    def test_several_kinds_in_one_statement(self, rows_only):
        gone, failed, by_hand, claimed = (schedule(rows_only, image=f"app:{n}") for n in range(4))
        for number in (gone, failed, by_hand):
            claim(rows_only, number)
        rows_only.execute("update harpsweep.job set state = 'pending', next_at = now() where id = %s", (by_hand,))
        rows_only.execute("delete from harpsweep.job_log")
        rows_only.execute(
            """update harpsweep.job
                  set state = (case id when %(failed)s then 'failed' when %(claimed)s then 'claimed' else 'removed' end)::harpsweep.job_state,
                      next_at = case id when %(claimed)s then now() end, claimed_at = now(),
                      finished_at = case when id <> %(claimed)s then now() end,
                      claim_token = coalesce(claim_token, gen_random_uuid())""", {"failed": failed, "claimed": claimed})
        assert rows_only.execute("select job_id, what from harpsweep.job_event order by 1").fetchall() == [
            (gone, "result"), (failed, "result"), (by_hand, "ended")]
        assert self.written(rows_only) == ["result", "ended"]

    def test_a_job_by_hand_beside_one_of_a_run(self, rows_only):
        gone, by_hand = (schedule(rows_only, image=f"app:{n}") for n in range(2))
        for number in (gone, by_hand):
            claim(rows_only, number)
        rows_only.execute("update harpsweep.job set state = 'pending', next_at = now() where id = %s", (by_hand,))
        rows_only.execute("delete from harpsweep.job_log")
        rows_only.execute("update harpsweep.job set state = 'removed', next_at = null, finished_at = now()")
        assert rows_only.execute("select job_id, what from harpsweep.job_event order by 1").fetchall() == [
            (gone, "result"), (by_hand, "ended")]

    def test_a_result_that_is_written_is_told_once(self, rows_only):
        """As they all were in a schema of before."""
        number = self.removed(rows_only)
        rows_only.execute(
            "insert into harpsweep.job_log (job_id, at, what, from_state, to_state, attempt, who, http_status, detail)"
            " select job_id, at, what, from_state, to_state, attempt, who, http_status, detail from harpsweep.job_event")
        assert events(rows_only, number) == [self.RESULT]
        rows_only.execute("update harpsweep.job set hold_reason = 'other'")
        assert events(rows_only, number) == [self.RESULT]

    def test_one_that_no_run_worked_on_tells_nothing(self, rows_only):
        rows_only.execute("insert into harpsweep.job (daemon, appid, image_ref, state, next_at, finished_at)"
                          " values ('d', 'a', 'i', 'absent', null, now())")
        assert one(rows_only, "select count(*) from harpsweep.job_event") == 0

    @pytest.mark.parametrize("condition,index,count", [
        ("at > now() - interval '60.5 minutes'", "job_prunable", 60), ("job_id = 7", "job_pkey", 1),
        ("job_id = any ('{7,8}')", "job_pkey", 2)])
    def test_the_history_is_not_read_for_a_part_of_it(self, rows_only, condition, index, count):
        rows_only.execute(
            "insert into harpsweep.job (daemon, appid, image_ref, state, not_before, next_at, finished_at, claim_token, claimed_by)"
            " select 'd', 'a', 'i', 'removed', now() - interval '20 d', null, now() - i * interval '1 min', gen_random_uuid(), 'h:1'"
            "   from generate_series(1, 20000) i; analyze harpsweep.job")
        plan = "\n".join(row[0] for row in rows_only.execute(f"explain select * from harpsweep.job_event where {condition}").fetchall())
        assert index in plan and "Seq Scan on job j" not in plan
        assert one(rows_only, f"select count(*) from harpsweep.job_event where {condition}") == count


class TestPeople:
    @pytest.mark.parametrize("call,expected", [
        ("harpsweep.keep('harp', 'app')", ("ended", "new", "kept", 0, "postgres", None, "asked to keep the image")),
        ("harpsweep.cancel(1, 'why not')", ("ended", "new", "cancelled", 0, "postgres", None, "why not")),
        ("harpsweep.make_due(1)", ("made due", "new", "pending", 0, "postgres", None, None)),
        ("harpsweep.flush_daemon('harp')", ("made due", "new", "pending", 0, "postgres", None, None)),
        ("harpsweep.cancel_daemon('harp', 'gone')", ("ended", "new", "cancelled", 0, "postgres", None, "gone")),
        ("harpsweep.schedule('harp', 'app2', 'app:1')", ("scheduled again", "new", "new", 0, "postgres", None,
                                                          "before: uninstall of app app, choice grace, by postgres")),
    ])
    def test_functions(self, rows_only, call, expected):
        assert schedule(rows_only, choice="grace") == 1
        rows_only.execute(f"select {call}")
        assert events(rows_only, 1) == [expected]

    def test_while_a_run_works_on_it(self, rows_only):
        number = schedule(rows_only)
        claim(rows_only, number)
        rows_only.execute("select harpsweep.cancel(%s, 'why not')", (number,))
        assert events(rows_only, number) == [
            ("to be ended", "claimed", "claimed", 1, "postgres", None, "cancelled: why not")]

    @pytest.mark.parametrize("choice,state", [("grace", "new"), ("now", "pending")])
    def test_scheduled_again_while_a_run_works_on_it(self, rows_only, choice, state):
        number = schedule(rows_only)
        claim(rows_only, number)
        assert schedule(rows_only, choice=choice) == number
        assert events(rows_only, number) == [("scheduled again", "claimed", state, 1, "postgres", None,
                                              "before: uninstall of app app, choice now, by postgres")]

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

    @pytest.mark.parametrize("change,what", [
        ("failures = 1, last_error = 'e', next_at = not_before", "moved"), ("rechecks = 1, next_at = not_before", "moved"),
        ("next_at = not_before", "moved"), ("choice = 'now'", "made due"), ("choice = 'now', next_at = not_before", "made due"),
        ("attempts = 5, next_at = not_before", "moved")])
    def test_by_hand_what_a_run_changes_as_well(self, rows_only, change, what):
        """A run had it before and gave it back: its token is still there."""
        number = schedule(rows_only)
        claim(rows_only, number)
        rows_only.execute("update harpsweep.job set state = 'pending', not_before = now() - interval '2 h', choice = 'grace',"
                          " next_at = now() + interval '1 h', http_status = 500, hold_reason = 'busy' where id = %s", (number,))
        rows_only.execute("delete from harpsweep.job_log")
        rows_only.execute(f"update harpsweep.job set {change} where id = %s", (number,))
        attempt = 5 if "attempts" in change else 1
        assert events(rows_only, number) == [
            (what, "pending", "pending", attempt, "postgres", None, "e" if "failures" in change else "busy")]

    def test_made_due_for_this_very_moment(self, rows_only):
        number = schedule(rows_only)
        rows_only.execute("update harpsweep.job set not_before = now() - interval '2 h', next_at = now() where id = %s", (number,))
        rows_only.execute("update harpsweep.job set next_at = now() + interval '1 us' where id = %s", (number,))
        assert words(rows_only, number) == ["made due", "moved"]

    @pytest.mark.parametrize("change,expected", [
        ("state = 'pending', hold_reason = 'other'", ("held", "claimed", "pending", 1, "h:1", 404, "other")),
        ("state = 'pending', attempts = 2", ("moved", "claimed", "pending", 2, "postgres", None, "why")),
        ("state = 'pending', claim_token = null", ("moved", "claimed", "pending", 1, "postgres", None, "why")),
        ("lost_claims = 1", ("lost", "claimed", "claimed", 1, "h:1", None, "taken up")),
        ("end_wanted = 'kept'", ("to be ended", "claimed", "claimed", 1, "postgres", None, "kept: why"))])
    def test_of_a_claimed_one(self, rows_only, change, expected):
        """Only whoever still has the claim is the run; and the due time is not what tells."""
        number = schedule(rows_only)
        claim(rows_only, number)
        rows_only.execute(f"update harpsweep.job set choice = 'grace', http_status = 404, hold_reason = 'why' where id = {number}")
        rows_only.execute("delete from harpsweep.job_log")
        rows_only.execute(f"update harpsweep.job set {change} where id = {number}")
        [event] = events(rows_only, number)
        assert event[:6] == expected[:6] and event[6].startswith(expected[6])

    def test_a_claim_is_none(self, rows_only):
        """Nor is one of a row whose claims were lost before, nor a wish that is taken back while it works."""
        number = schedule(rows_only)
        rows_only.execute("update harpsweep.job set lost_claims = 1")
        rows_only.execute("delete from harpsweep.job_log")
        claim(rows_only, number)
        assert events(rows_only, number) == []
        rows_only.execute("update harpsweep.job set lost_claims = 0, end_wanted = 'kept'")
        rows_only.execute("update harpsweep.job set end_wanted = null")
        assert words(rows_only, number) == ["to be ended"]

    @pytest.mark.parametrize("wished", [True, False])
    def test_an_end_after_the_run_died(self, rows_only, wished):
        """Whoever ends it is no run, and the wish was told when it was made."""
        number = schedule(rows_only)
        claim(rows_only, number)
        rows_only.execute("update harpsweep.job set not_before = now() - interval '1 h'")
        if wished:
            rows_only.execute("select harpsweep.cancel(%s, 'why')", (number,))
        rows_only.execute("update harpsweep.job set next_at = now() - interval '1 s'")
        rows_only.execute("delete from harpsweep.job_log")
        rows_only.execute("select harpsweep.cancel(%s, 'why')", (number,))
        assert events(rows_only, number) == [("ended", "claimed", "cancelled", 1, "postgres", None, "why")]

    def test_several_in_one_statement(self, rows_only):
        numbers = [schedule(rows_only, image=f"app:{n}") for n in range(3)]
        rows_only.execute("select harpsweep.cancel_daemon('harp', 'gone')")
        assert rows_only.execute("select job_id, what from harpsweep.job_event order by id").fetchall() == [
            (number, "ended") for number in numbers]

    def test_a_result_without_a_reason(self, rows_only):
        number = schedule(rows_only)
        claim(rows_only, number)
        finish(rows_only, number, "removed", http_status=200)
        assert events(rows_only, number) == [("result", "claimed", "removed", 1, "h:1", 200, None)]

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
            # The last ones: most of the others have ended.
            numbers = [row[0] for row in rows_only.execute("select id from harpsweep.job order by id desc limit 30").fetchall()]
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
    "insert into harpsweep.job_log (job_id, what, from_state, to_state, attempt, who) values (1, 'x', 'new', 'new', 0, 'x')",
    "update harpsweep.job_log set who = 'somebody else'", "delete from harpsweep.job_log", "truncate harpsweep.job_log",
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


class TestWhatShowTells:
    def test_what_was_asked_for_later_was_not_asked_for_at_first(self, program, connection):
        number = schedule_row(connection, daemon="harp", image="app:1", event="uninstall")
        program("run")
        program("now", number)
        text = program("show", number).out
        assert "was uninstalled, which left its image behind (noted by" in text and "made due at once" in text
        other = schedule_row(connection, daemon="harp", image="app:2", choice="now")
        assert "left its image behind, to be deleted at once (noted by" in program("show", other).out

    def test_a_grace_that_did_not_end(self, program, connection):
        number = schedule_row(connection, daemon="harp", image="app:1", grace_hours=12)
        program("run")
        assert "its grace of 12 hours ends" in program("show", number).out
        program("keep", number)
        assert "its grace of 12 hours" not in program("show", number).out

    def test_a_longer_grace_that_was_asked_for_later(self, program, connection):
        number = schedule_row(connection, daemon="harp", image="app:1")
        assert "nothing is deleted before" not in program("show", number).out
        assert schedule_row(connection, daemon="harp", image="app:1", grace_hours=48) == number
        assert ", but nothing is deleted before " in program("show", number).out

    def test_an_app_without_jobs(self, program):
        assert "harpsweep show" not in program("show", "--app", "nobody", code=1).err
