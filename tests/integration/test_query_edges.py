"""Each condition of the queries at its edge: rows that differ in one thing, and the very moment.

Within one transaction now() stands still, so that a row can be due at exactly that moment."""

# pylint: disable=missing-function-docstring

import uuid

import pytest

from harness.queries import execute, recorded, told_of
from harness.rows import SCHEMA_VERSION, claim, expire, finish, in_thread, job, one, schedule, wait_until_blocked

TOKEN = str(uuid.UUID(int=7))
OTHER = str(uuid.UUID(int=8))
LAST = 2**31 - 1  # the last number of an int


def claims(connection, daemons=("d",), app=None, enabled=True, after=(None, None), slots=9, most_failures=20):
    count = len(daemons)
    return execute(connection, "claim", list(daemons), [slots] * count, app, enabled, 24, TOKEN, "host:1", 120_000, most_failures,
                   SCHEMA_VERSION, 0, True, False, [after[0]] * count, [after[1]] * count)


def pending(connection, image="app:1", at="now() - interval '1 h'", **named):
    """A job that waits for a moment, and whose grace ended long ago."""
    number = schedule(connection, image=image, choice="now", **named)
    connection.execute(f"update harpsweep.job set not_before = now() - interval '9 h', next_at = {at} where id = %s", [number])
    return number


def record(connection, number, action, final=None, delay=0, reason=None, hours=24, rechecks=7, failures=20):
    return recorded(connection, [TOKEN], [number], [1], [action], [final], [200], [5], [reason], [3], [delay],
                   hours, rechecks, failures)


def seconds(connection, number):
    """Until it is due."""
    return round(one(connection, "select extract(epoch from next_at - now()) from harpsweep.job where id = %s", number))


class TestClaim:
    def test_a_row_that_changes_while_it_is_claimed_is_left_and_counted(self, connection, database):
        """Behind the claim's snapshot and before its lock: the row stays as that other change left it."""
        first, changed, last = (pending(connection, image=f"app:{number}") for number in range(3))
        connection.execute("""create or replace function harpsweep.schema_version() returns int language plpgsql stable as
                              $$ begin perform pg_advisory_xact_lock(7); return %d; end $$""" % SCHEMA_VERSION)
        other = database.connect()
        other.execute("select pg_advisory_lock(7)")
        thread, result = in_thread(lambda: claims(connection))
        wait_until_blocked(other, connection)
        other.execute("update harpsweep.job set hold_reason = 'by hand' where id = %s", [changed])
        other.execute("select pg_advisory_unlock(7)")
        thread.join()
        assert [row[:4] for row in result[0]] == [("job", "d", first, 1), ("job", "d", last, 1), ("upto", "d", last, 3)]
        left = job(connection, changed)
        assert (left["state"], left["attempts"], left["hold_reason"]) == ("pending", 0, "by hand")

    def test_each_daemon_its_own(self, rows_only):
        ours, new = pending(rows_only), schedule(rows_only, image="app:2")
        pending(rows_only, daemon="e")
        schedule(rows_only, daemon="e", image="app:2")
        assert {row[:3] for row in claims(rows_only)} == {("job", "d", ours), ("planned", "d", 1), ("upto", "d", ours)}
        assert one(rows_only, "select array_agg(state::text order by id) from harpsweep.job where daemon = 'e'") == [
            "pending", "new"]
        assert job(rows_only, new)["state"] == "pending"

    def test_new_rows_that_need_no_grace_while_cleanup_is_disabled(self, rows_only):
        """Those that a person asked for; the grace of the others begins to count when it is enabled."""
        asked, other = schedule(rows_only), schedule(rows_only, image="app:2")
        rows_only.execute("update harpsweep.job set choice = 'now' where id = %s", [asked])
        assert [row[:3] for row in claims(rows_only, enabled=False)] == [("planned", "d", 1)]
        assert (job(rows_only, asked)["state"], job(rows_only, other)["state"]) == ("pending", "new")

    def test_new_rows_of_one_app(self, rows_only):
        ours, other = schedule(rows_only, appid="ours"), schedule(rows_only, appid="other", image="app:2")
        assert [row[:3] for row in claims(rows_only, app="ours")] == [("planned", "d", 1)]
        assert (job(rows_only, ours)["state"], job(rows_only, other)["state"]) == ("pending", "new")

    def test_due_rows_of_one_app(self, rows_only):
        ours, other = pending(rows_only, appid="ours"), pending(rows_only, appid="other", image="app:2")
        assert [row[:3] for row in claims(rows_only, app="ours")] == [("job", "d", ours), ("upto", "d", ours)]
        assert (job(rows_only, ours)["state"], job(rows_only, other)["state"]) == ("claimed", "pending")

    def test_asked_for_and_not_while_cleanup_is_disabled(self, rows_only):
        asked, other = pending(rows_only), pending(rows_only, image="app:2")
        rows_only.execute("update harpsweep.job set choice = 'grace' where id = %s", [other])
        assert [row[:3] for row in claims(rows_only, enabled=False)] == [("job", "d", asked), ("upto", "d", asked)]
        assert [row[:3] for row in claims(rows_only)] == [("job", "d", other), ("upto", "d", other)]

    def test_planning_leaves_all_others_alone(self, rows_only):
        later = pending(rows_only, at="now() + interval '5 h'")
        schedule(rows_only, image="app:2")
        before = job(rows_only, later)
        claims(rows_only)
        assert job(rows_only, later) == before

    def test_claiming_and_ending_leave_all_others_alone(self, rows_only):
        later = pending(rows_only, at="now() + interval '5 h'")
        due, lost = pending(rows_only, "app:2"), pending(rows_only, "app:3")
        claim(rows_only, lost)
        expire(rows_only, lost)
        before = job(rows_only, later)
        found = {row[:3] for row in claims(rows_only, most_failures=1)}
        assert found == {("job", "d", due), ("ended", "d", lost), ("upto", "d", lost)}
        assert job(rows_only, later) == before
        assert [job(rows_only, number)["state"] for number in (due, lost)] == ["claimed", "failed"]

    def test_at_the_very_moment(self, rows_only):
        with rows_only.transaction():
            first = pending(rows_only, at="now()")
            second = pending(rows_only, "app:2", at="now()")
            later = pending(rows_only, "app:3", at="now() + interval '1 microsecond'")
            rows_only.execute("update harpsweep.job set not_before = next_at")
            assert {row[:3] for row in claims(rows_only)} == {("job", "d", first), ("job", "d", second), ("upto", "d", second)}
            assert job(rows_only, later)["state"] == "pending"

    def test_a_lease_that_ends_at_this_very_moment(self, rows_only):
        """And one that does not."""
        with rows_only.transaction():
            over, running = pending(rows_only), pending(rows_only, "app:2")
            for number in (over, running):
                claim(rows_only, number)
            rows_only.execute("update harpsweep.job set next_at = now() where id = %s", [over])
            assert {row[:3] for row in claims(rows_only)} == {("job", "d", over), ("upto", "d", over)}

    def test_behind_the_last_one(self, rows_only):
        first, second = pending(rows_only), pending(rows_only, "app:2")
        due = job(rows_only, first)["next_at"]
        upto = claims(rows_only, slots=1)[-1]
        assert upto[:3] == ("upto", "d", first)
        rows_only.execute("update harpsweep.job set state = 'pending', next_at = %s where id = %s", [due, first])
        assert [row[:3] for row in claims(rows_only, after=(upto[-1], first))] == [("job", "d", second), ("upto", "d", second)]
        assert claims(rows_only, after=(upto[-1], second)) == []

    def test_what_it_ends(self, rows_only):
        """The wish that was noted, else a failure; the number of lost claims grows in that alone."""
        wished, died = pending(rows_only), pending(rows_only, "app:2")
        for number in (wished, died):
            claim(rows_only, number)
            expire(rows_only, number)
        rows_only.execute("update harpsweep.job set end_wanted = 'cancelled', last_error = 'before' where id = %s", [wished])
        assert {row[:5] for row in claims(rows_only, most_failures=1) if row[0] == "ended"} == {
            ("ended", "d", wished, None, "cancelled"), ("ended", "d", died, None, "failed")}
        assert [(job(rows_only, number)["lost_claims"], job(rows_only, number)["last_error"]) for number in (wished, died)] == [
            (0, "before"), (1, "claimed 1 times in a row without a result: the runs died")]

    def test_a_wish_ends_it_at_once(self, rows_only):
        number = pending(rows_only)
        claim(rows_only, number)
        expire(rows_only, number)
        rows_only.execute("update harpsweep.job set end_wanted = 'kept'")
        assert [row[:5] for row in claims(rows_only) if row[0] != "upto"] == [("ended", "d", number, None, "kept")]

    @pytest.mark.parametrize("version", [SCHEMA_VERSION - 1, SCHEMA_VERSION + 1])
    def test_of_another_schema_takes_nothing(self, rows_only, version):
        pending(rows_only)
        schedule(rows_only, image="app:2")
        assert execute(rows_only, "claim", ["d"], [9], None, True, 24, TOKEN, "host:1", 120_000, 20, version, 0, True, False,
                       [None], [None]) == []

    def test_how_often_it_was_lost(self, rows_only):
        taken, lost = pending(rows_only), pending(rows_only, "app:2")
        claim(rows_only, lost)
        expire(rows_only, lost)
        claims(rows_only)
        assert [job(rows_only, number)["lost_claims"] for number in (taken, lost)] == [0, 1]

    def test_a_count_at_its_end_stops_no_other(self, rows_only):
        """Somebody set it: it stays there, and the other jobs are claimed with this one."""
        odd, lost, other = (pending(rows_only, f"app:{number}") for number in range(3))
        claim(rows_only, lost)
        expire(rows_only, lost)
        rows_only.execute("update harpsweep.job set attempts = %(last)s, lost_claims = %(last)s where id <> %(other)s",
                          {"last": LAST, "other": other})
        assert {row[:4] for row in claims(rows_only) if row[0] != "upto"} == {
            ("job", "d", odd, LAST), ("job", "d", other, 1), ("ended", "d", lost, None)}
        assert [(job(rows_only, number)["attempts"], job(rows_only, number)["lost_claims"]) for number in (odd, lost)] == [
            (LAST, LAST)] * 2
        assert job(rows_only, lost)["last_error"] == f"claimed {LAST + 1} times in a row without a result: the runs died"

    @pytest.mark.parametrize("state", ["new", "pending"])
    def test_it_waits_for_nobody(self, rows_only, shared_database, state):
        """And goes on to the next one, whose place it gives to that."""
        held = schedule(rows_only) if state == "new" else pending(rows_only)
        other = schedule(rows_only, image="app:2") if state == "new" else pending(rows_only, "app:2")
        with shared_database.connect(autocommit=False) as holding:
            holding.execute("select from harpsweep.job where id = %s for update", [held])
            rows_only.execute("set lock_timeout = '2 s'")
            found = claims(rows_only, slots=1)
            rows_only.execute("reset lock_timeout")
            assert [row[:3] for row in found] == ([("planned", "d", 1)] if state == "new" else
                                                  [("job", "d", other), ("upto", "d", other)])
            holding.rollback()
        assert job(rows_only, held)["state"] == state


class TestRecord:
    @pytest.fixture
    def number(self, rows_only):
        made = pending(rows_only)
        assert claims(rows_only)[0][:3] == ("job", "d", made)
        return made

    @pytest.mark.parametrize("final", ["removed", "untagged", "absent"])
    def test_what_is_gone(self, rows_only, number, final):
        rows_only.execute("update harpsweep.job set hold_reason = 'before', last_error = 'before', lost_claims = 2")
        assert record(rows_only, number, "done", final, reason="by ID") == [(number, "recorded", final, None)]
        row = job(rows_only, number)
        assert (row["hold_reason"], row["last_error"], row["lost_claims"], row["bytes_freed"], row["http_status"],
                row["duration_ms"]) == ("by ID", None, 0, 5, 200, 3)

    @pytest.mark.parametrize("final", ["removed", "untagged", "absent"])
    def test_what_is_gone_wins_against_a_wish(self, rows_only, number, final):
        rows_only.execute("update harpsweep.job set end_wanted = 'kept'")
        assert record(rows_only, number, "done", final) == [(number, "recorded", final, None)]
        assert job(rows_only, number)["end_wanted"] is None

    def test_what_is_done_and_not_gone(self, rows_only, number):
        rows_only.execute("update harpsweep.job set last_error = 'before'")
        assert record(rows_only, number, "done", "unsupported", reason="why") == [(number, "recorded", "unsupported", None)]
        row = job(rows_only, number)
        assert (row["hold_reason"], row["last_error"], row["failures"], row["rechecks"]) == ("why", None, 0, 0)

    def test_others_stay_as_they_are(self, rows_only, number):
        others = [pending(rows_only, f"app:{n}") for n in (2, 3)]
        claims(rows_only)
        before = [job(rows_only, other) for other in others]
        record(rows_only, number, "done", "removed")
        assert [job(rows_only, other) for other in others] == before
        again = pending(rows_only, "app:4")
        claims(rows_only)
        record(rows_only, again, "retry", reason="HTTP 500")
        assert [job(rows_only, other) for other in others] == before

    @pytest.mark.parametrize("action,delay,expected", [
        ("hold", 90, 90), ("hold", 0, 5 * 3600), ("wait", 0, 5 * 3600), ("wait", 90, 5 * 3600), ("release", 90, 0)])
    def test_when_it_is_looked_at_again(self, rows_only, number, action, delay, expected):
        with rows_only.transaction():
            assert record(rows_only, number, action, delay=delay, reason="why", hours=5)[0][1:3] == ("recorded", "pending")
            assert seconds(rows_only, number) == expected
        row = job(rows_only, number)
        assert (row["hold_reason"], row["failures"], row["rechecks"], row["finished_at"]) == (
            "why", 0, action == "wait", None)

    def test_when_a_failure_is_repeated(self, rows_only, number):
        rows_only.execute("update harpsweep.job set hold_reason = 'before', failures = 2")
        with rows_only.transaction():
            assert record(rows_only, number, "retry", reason="HTTP 500")[0][1:3] == ("recorded", "pending")
            assert 119 <= seconds(rows_only, number) <= 361
        row = job(rows_only, number)
        assert (row["hold_reason"], row["last_error"], row["failures"], row["rechecks"]) == (None, "HTTP 500", 3, 0)

    def test_a_failure_waits_as_long_as_it_is_told(self, rows_only, number):
        with rows_only.transaction():
            record(rows_only, number, "retry", delay=7777)
            assert seconds(rows_only, number) == 7777

    @pytest.mark.parametrize("action,column,before,state", [
        ("retry", "failures", 18, "pending"), ("retry", "failures", 19, "failed"), ("wait", "failures", 19, "pending"),
        ("wait", "rechecks", 5, "pending"), ("wait", "rechecks", 6, "in_use"), ("retry", "rechecks", 6, "pending"),
        ("release", "failures", 19, "pending"), ("hold", "rechecks", 6, "pending"), ("fail", "failures", 0, "failed")])
    def test_when_it_is_the_last(self, rows_only, number, action, column, before, state):
        rows_only.execute(f"update harpsweep.job set {column} = %s", [before])
        assert record(rows_only, number, action, reason="why") == [(number, "recorded", state, None)]
        row = job(rows_only, number)
        assert (row["finished_at"] is None) == (row["next_at"] is not None) == (state == "pending")
        assert row["failures"] == (before if column == "failures" else 0) + (action in ("retry", "fail"))
        assert row["rechecks"] == (before if column == "rechecks" else 0) + (action == "wait")

    @pytest.mark.parametrize("action,state", [("retry", "failed"), ("fail", "failed"), ("wait", "in_use")])
    def test_a_count_at_its_end_stays_there(self, rows_only, number, action, state):
        rows_only.execute("update harpsweep.job set failures = %(last)s, rechecks = %(last)s", {"last": LAST})
        assert record(rows_only, number, action, reason="why") == [(number, "recorded", state, None)]
        assert (job(rows_only, number)["failures"], job(rows_only, number)["rechecks"]) == (LAST, LAST)

    @pytest.mark.parametrize("action", ["wait", "hold", "release"])
    def test_an_error_stays_the_last_one(self, rows_only, number, action):
        rows_only.execute("update harpsweep.job set last_error = 'before'")
        record(rows_only, number, action, reason="why")
        assert (job(rows_only, number)["last_error"], job(rows_only, number)["hold_reason"]) == ("before", "why")

    def test_a_wish_keeps_its_reason(self, rows_only, number):
        rows_only.execute("update harpsweep.job set end_wanted = 'kept', hold_reason = 'a wish'")
        assert record(rows_only, number, "release", reason="why")[0][2] == "kept"
        assert job(rows_only, number)["hold_reason"] == "a wish"

    @pytest.mark.parametrize("change", [
        f"claim_token = '{OTHER}'", "attempts = 2", "state = 'pending'",
        "state = 'pending', attempts = 2", f"state = 'pending', claim_token = '{OTHER}'"])
    @pytest.mark.parametrize("action,final", [("done", "removed"), ("release", None)])
    def test_of_a_claim_that_is_not_the_rows(self, rows_only, number, change, action, final):
        for n in (2, 3):  # beside which there are others
            pending(rows_only, f"app:{n}")
        rows_only.execute(f"update harpsweep.job set {change} where id = %s", [number])
        before = job(rows_only, number)
        told = "already" if change == "state = 'pending'" else "late"
        assert record(rows_only, number, action, final) == [(number, told, before["state"], None)]
        assert job(rows_only, number) == before

    @pytest.mark.parametrize("actions,finals,state", [
        (["done", "done"], ["absent", "absent"], "absent"), (["release", "retry"], [None, None], "pending"),
        (["done", "release"], ["absent", None], "pending")])
    def test_a_job_that_one_run_has_claimed_twice(self, rows_only, number, actions, finals, state):
        """The first claim was taken away, by somebody who scheduled it again: its result is late, the second one's is not."""
        rows_only.execute("update harpsweep.job set claim_token = %s, attempts = 2 where id = %s", [OTHER, number])
        found = recorded(rows_only, [TOKEN, OTHER], [number] * 2, [1, 2], actions, finals, [200] * 2, [None] * 2,
                        ["first", "second"], [3] * 2, [0] * 2, 24, 7, 20)
        assert [row[:3] for row in found] == [(number, "late", state), (number, "recorded", state)]
        assert job(rows_only, number)["state"] == state

    def test_each_of_many_gets_its_own(self, rows_only, number):
        numbers = [number] + [pending(rows_only, f"app:{n}") for n in range(2, 7)]
        claims(rows_only)
        numbers = sorted(numbers, key=lambda n: n % 3)
        actions = ["done", "retry", "done", "wait", "done", "hold"]
        finals = ["removed", None, "absent", None, "unsupported", None]
        found = recorded(rows_only, [TOKEN] * 6, numbers, [1] * 6, actions, finals, [200, 500, 404, 409, None, 200],
                        [7, None, 0, None, None, None], [f"reason {n}" for n in numbers], [3] * 6, [0] * 6, 24, 7, 20)
        states = ["removed", "pending", "absent", "pending", "unsupported", "pending"]
        assert found == [(n, "recorded", state, None) for n, state in zip(numbers, states)]
        for n, action in zip(numbers, actions):
            row = job(rows_only, n)
            assert (row["last_error"] if action == "retry" else row["hold_reason"]) == f"reason {n}"

    def test_only_what_does_not_follow_from_the_result_is_listed(self, rows_only, number):
        """In the order of the results; the sum counts what was recorded, listed or not."""
        numbers = [number] + [pending(rows_only, f"app:{n}") for n in range(2, 9)]
        claims(rows_only)
        removed, untagged, absent, unsupported, kept, retried, stands, late = numbers
        rows_only.execute("update harpsweep.job set end_wanted = 'kept' where id = %s", [kept])
        record(rows_only, stands, "done", "removed")
        rows_only.execute("update harpsweep.job set claim_token = %s where id = %s", [OTHER, late])
        numbers = [late, removed, untagged, kept, absent, retried, unsupported, stands]
        actions = ["release" if n == late else "retry" if n == retried else "done" for n in numbers]
        finals = [None, "removed", "untagged", "unsupported", "absent", None, "unsupported", "removed"]
        assert told_of(rows_only, [TOKEN] * 8, numbers, [1] * 8, actions, finals, [200] * 8, [None] * 8, [None] * 8,
                       [3] * 8, [0] * 8, 24, 7, 20) == [
            (0, 6, "sum", None, None), (1, late, "late", "claimed", None), (4, kept, "recorded", "kept", None),
            (6, retried, "recorded", "pending", None), (8, stands, "already", "removed", None)]

    @pytest.mark.parametrize("final", ["removed", "untagged", "absent", "unsupported"])
    def test_of_what_went_as_usual_only_the_sum_is_told(self, rows_only, number, final):
        assert told_of(rows_only, [TOKEN], [number], [1], ["done"], [final], [200], [5], [None], [3], [0], 24, 7, 20) == [
            (0, 1, "sum", None, None)]

    def test_on_a_server_that_took_over_and_is_a_little_behind(self, rows_only, number):
        """It was deleted when its grace had ended, by the clock of the server before."""
        rows_only.execute("update harpsweep.job set not_before = now() + interval '2 s' where id = %s", [number])
        assert record(rows_only, number, "done", "removed")[0][1] == "recorded"
        assert one(rows_only, "select finished_at = not_before from harpsweep.job where id = %s", number)

    def test_of_nothing_nothing_is_recorded(self, rows_only):
        assert told_of(rows_only, *([[]] * 10), 24, 7, 20) == [(0, 0, "sum", None, None)]


class TestConfirm:
    """The jobs are the same but for one thing."""

    def test_each_its_own(self, rows_only):
        numbers = [pending(rows_only, f"app:{n}") for n in range(4)]
        claims(rows_only)
        rows_only.execute("update harpsweep.job set end_wanted = 'kept' where id = %s", [numbers[0]])
        rows_only.execute("update harpsweep.job set claim_token = %s where id = %s", [OTHER, numbers[1]])
        rows_only.execute("update harpsweep.job set attempts = 2 where id = %s", [numbers[2]])
        assert execute(rows_only, "confirm", [TOKEN] * 4, numbers, [1] * 4, [None] * 4, 0, True, False) == [
            (numbers[0], False, None, None), (numbers[1], False, None, None), (numbers[2], False, None, None),
            (numbers[3], True, None, None)]
        rows_only.execute("update harpsweep.job set state = 'pending'  where id = %s", [numbers[3]])
        assert execute(rows_only, "confirm", [TOKEN], [numbers[3]], [1], [None], 0, True, False)[0][1] is False


class TestFind:
    @staticmethod
    def find(connection):
        return [row[:3] for row in execute(connection, "find")]

    def test_each_daemon_once_and_the_longest_waiting_first(self, rows_only):
        for daemon, minutes in (("c", 1), ("a", 2), ("b", 3)):
            for n in (1, 2):
                pending(rows_only, f"app:{n}", at=f"now() - interval '{minutes} min'", daemon=daemon)
        pending(rows_only, daemon="later", at="now() + interval '1 h'")
        schedule(rows_only, daemon="kept", choice="keep")
        assert self.find(rows_only) == [("b", False, None), ("a", False, None), ("c", False, None)]

    @pytest.mark.parametrize("first", ["a", "z"])
    def test_at_the_very_moment(self, rows_only, first):
        """The first of the index's daemons and one behind it are found in two parts of the query."""
        pending(rows_only, daemon="m")
        with rows_only.transaction():
            number = pending(rows_only, daemon=first, at="now()")
            assert self.find(rows_only) == [("m", False, None), (first, False, None)]
            pending(rows_only, "app:2", daemon=first, at="now() + interval '1 h'")
            claim(rows_only, number)
            rows_only.execute("update harpsweep.job set not_before = now() where id = %s", [number])
            assert self.find(rows_only) == [("m", False, None)]
            rows_only.execute("update harpsweep.job set next_at = now() where id = %s", [number])
            assert self.find(rows_only) == [("m", False, None), (first, False, None)]

    @pytest.mark.parametrize("first", ["a", "z"])
    def test_behind_what_a_run_has_claimed(self, rows_only, first):
        """Its place is before theirs: neither are they hidden by it, nor is it taken for due."""
        pending(rows_only, daemon="m")
        number = pending(rows_only, daemon=first, at="now() - interval '2 h'")
        claim(rows_only, number)
        assert self.find(rows_only) == [("m", False, None)]
        later = pending(rows_only, "app:2", daemon=first, at="now() + interval '1 h'")
        assert self.find(rows_only) == [("m", False, None)]
        rows_only.execute("update harpsweep.job set next_at = now() - interval '2 h' where id = %s", [later])
        assert self.find(rows_only) == [(first, False, None), ("m", False, None)]
        rows_only.execute("update harpsweep.job set next_at = now() where id = %s", [number])
        assert self.find(rows_only) == [(first, False, None), ("m", False, None)]

    def test_only_what_waits(self, rows_only):
        """All of a daemon's jobs have their time to come: others are found behind it."""
        pending(rows_only, daemon="a", at="now() + interval '1 h'")
        assert self.find(rows_only) == []
        pending(rows_only, daemon="b")
        assert self.find(rows_only) == [("b", False, None)]

    def test_what_is_known_of_the_daemon(self, rows_only):
        with rows_only.transaction():
            rows_only.execute(
                "insert into harpsweep.daemon (daemon, stop, stopped_since, paused_until) values"
                " ('a', 'down', now(), null), ('b', 'unauthorized', now(), now() + interval '1 s'), ('c', 'tls', now(), now()),"
                " ('d', null, null, now() - interval '1 s'), ('f', 'silent', now(), now() + interval '1 h')")
            for daemon in "abcde":
                pending(rows_only, daemon=daemon)
            assert self.find(rows_only) == [("a", False, "down"), ("b", True, "unauthorized"), ("c", False, "tls"),
                                            ("d", False, None), ("e", False, None)]


class TestPeekAndPlan:
    """The same rows, of which each is left out for one reason or another."""

    @staticmethod
    def peek(connection, daemon=None, app=None, enabled=True, grace=24, most=99):
        return [row[0] for row in execute(connection, "peek", daemon, app, enabled, grace, most)]

    @staticmethod
    def plan(connection, daemon=None, app=None, grace=24, days=0, most=99):
        rows = execute(connection, "plan", daemon, app, grace, days, most, 0, True, False)
        return [(row[0], row[12]) for row in rows]

    def test_what_is_due(self, rows_only):
        with rows_only.transaction():
            now, later = pending(rows_only, at="now()"), pending(rows_only, "app:2", at="now() + interval '1 s'")
            fresh, over = schedule(rows_only, image="app:3"), schedule(rows_only, image="app:4")
            rows_only.execute("update harpsweep.job set orphaned_at = now() - interval '24 h' where id = %s", [over])
            lost, taken = pending(rows_only, "app:5"), pending(rows_only, "app:6")
            for number in (lost, taken):
                claim(rows_only, number)
            rows_only.execute("update harpsweep.job set next_at = now() where id = %s", [lost])
            done = pending(rows_only, "app:7")
            finish(rows_only, done, "in_use")
            assert sorted(self.peek(rows_only)) == [now, over, lost]
            assert sorted(self.plan(rows_only)) == [(now, False), (over, False), (lost, False), (taken, True)]
            assert sorted(self.plan(rows_only, days=1)) == [
                (now, False), (later, False), (fresh, False), (over, False), (lost, False), (taken, True)]

    def test_a_new_row_whose_grace_was_made_longer(self, rows_only):
        number = schedule(rows_only)
        rows_only.execute("update harpsweep.job set orphaned_at = now() - interval '9 d', not_before = now() + interval '2 h'")
        assert (self.peek(rows_only), self.plan(rows_only), self.plan(rows_only, days=1)) == ([], [], [(number, False)])

    def test_at_the_last_moment_of_the_day(self, rows_only):
        with rows_only.transaction():
            number = pending(rows_only, at="now() + interval '1 day'")
            pending(rows_only, "app:2", at="now() + interval '1 day 1 us'")
            assert self.plan(rows_only, days=1) == [(number, False)]

    def test_whose_they_are(self, rows_only):
        ours = pending(rows_only)
        daemon, app = pending(rows_only, daemon="e"), pending(rows_only, "app:2", appid="other")
        assert self.peek(rows_only) == [ours, daemon, app] == [row[0] for row in self.plan(rows_only)]
        assert self.peek(rows_only, daemon="e") == [daemon] == [row[0] for row in self.plan(rows_only, daemon="e")]
        assert self.peek(rows_only, app="other") == [app] == [row[0] for row in self.plan(rows_only, app="other")]
        assert self.peek(rows_only, most=2) == [ours, daemon] == [row[0] for row in self.plan(rows_only, most=2)]

    def test_what_nobody_wants_any_more(self, rows_only):
        kept = schedule(rows_only)
        rows_only.execute("update harpsweep.job set choice = 'keep', orphaned_at = now() - interval '9 d' where id = %s", [kept])
        wished = pending(rows_only, "app:2")
        claim(rows_only, wished)
        rows_only.execute("update harpsweep.job set next_at = now(), end_wanted = 'cancelled' where id = %s", [wished])
        assert self.peek(rows_only) == [] == self.plan(rows_only)

    def test_what_is_asked_for_while_cleanup_is_disabled(self, rows_only):
        asked, other = pending(rows_only), pending(rows_only, "app:2")
        rows_only.execute("update harpsweep.job set choice = 'grace' where id = %s", [other])
        assert self.peek(rows_only, enabled=False) == [asked]
        assert self.peek(rows_only) == [asked, other]


class TestCountDue:
    @staticmethod
    def count(connection, app=None, enabled=True, daemons=("d",)):
        return [row[1] for row in execute(connection, "count_due", list(daemons), app, enabled, 24, 99)]

    def test_at_the_very_moment(self, rows_only):
        with rows_only.transaction():
            number = pending(rows_only, at="now()")
            assert self.count(rows_only) == [1]
            claim(rows_only, number)
            assert self.count(rows_only) == [0]
            rows_only.execute("update harpsweep.job set next_at = now()")
            assert self.count(rows_only) == [1]
            rows_only.execute("update harpsweep.job set not_before = now()")
            assert self.count(rows_only) == [1]

    def test_a_grace_that_ends_at_this_very_moment(self, rows_only):
        with rows_only.transaction():
            schedule(rows_only)
            rows_only.execute("update harpsweep.job set orphaned_at = now() - interval '24 h'")
            assert self.count(rows_only) == [1]
            rows_only.execute("update harpsweep.job set orphaned_at = now() - interval '23 h 59 min'")
            assert self.count(rows_only) == [0]

    def test_what_is_to_be_kept(self, rows_only):
        schedule(rows_only)
        rows_only.execute("update harpsweep.job set choice = 'keep', orphaned_at = now() - interval '9 d'")
        assert self.count(rows_only) == [0]
        wished = pending(rows_only)
        claim(rows_only, wished)
        expire(rows_only, wished)
        assert self.count(rows_only) == [1]
        rows_only.execute("update harpsweep.job set end_wanted = 'kept' where id = %s", [wished])
        assert self.count(rows_only) == [0]

    def test_whose_they_are(self, rows_only):
        pending(rows_only)
        pending(rows_only, daemon="e")
        other = pending(rows_only, "app:2", appid="other")
        rows_only.execute("update harpsweep.job set choice = 'grace' where id = %s", [other])
        assert self.count(rows_only, daemons=("d", "e", "f")) == [2, 1, 0]
        assert self.count(rows_only, app="other") == [1]
        assert self.count(rows_only, enabled=False) == [1]
        assert self.count(rows_only, app="other", enabled=False) == [0]


class TestPrune:
    @staticmethod
    def at_the_edge(connection, insert):
        """Numbers of a row that is a moment too old, and of one that is just not."""
        return [one(connection, insert.format(at=at)) for at in
                ("now() - interval '3 days 1 us'", "now() - interval '3 days'")]

    def test_jobs(self, rows_only):
        with rows_only.transaction():
            old, young, failed, _open = [pending(rows_only, f"app:{n}") for n in range(4)]
            for number, state, age in ((old, "removed", "3 days 1 us"), (young, "removed", "3 days"), (failed, "failed", "9 days")):
                rows_only.execute("update harpsweep.job set not_before = now() - interval '99 days' where id = %s", [number])
                finish(rows_only, number, state)
                rows_only.execute(f"update harpsweep.job set finished_at = now() - interval '{age}' where id = %s", [number])
            assert execute(rows_only, "prune", 3, 99) == [(old,)]
            assert one(rows_only, "select count(*) from harpsweep.job") == 3

    def test_jobs_the_oldest_first_and_around_what_somebody_holds(self, rows_only, shared_database):
        numbers = [pending(rows_only, f"app:{n}") for n in range(3)]
        for days, number in zip((9, 8, 7), numbers):
            finish(rows_only, number, "absent")
            rows_only.execute(f"update harpsweep.job set finished_at = now() - interval '{days} days' where id = %s", [number])
        rows_only.execute("set lock_timeout = '2 s'")
        with shared_database.connect(autocommit=False) as holding:
            holding.execute("select from harpsweep.job where id = %s for update", [numbers[0]])
            assert execute(rows_only, "prune", 3, 1) == [(numbers[1],)]
            holding.rollback()
        assert execute(rows_only, "prune", 3, 1) == [(numbers[0],)]
        rows_only.execute("reset lock_timeout")

    def test_jobs_that_are_opened_again_meanwhile(self, rows_only, shared_database):
        """Somebody opens it after the statement began: it waits for its lock, or it passes by."""
        number = pending(rows_only)
        finish(rows_only, number, "in_use")
        rows_only.execute("update harpsweep.job set finished_at = now() - interval '9 days'")
        with shared_database.connect(autocommit=False) as opening:
            opening.execute("select harpsweep.retry(%s)", [number])
            thread, result = in_thread(lambda: execute(rows_only, "prune", 3, 9))
            thread.join(1)
            opening.commit()
            thread.join()
        assert result == [[]]
        assert job(rows_only, number)["state"] == "pending"

    def test_runs(self, rows_only):
        with rows_only.transaction():
            old, young = self.at_the_edge(
                rows_only, "insert into harpsweep.run (token, host, pid, version, started_at, finished_at, exit_code, claimed, removed,"
                           " untagged, absent, in_use, held, retried, failed, given_back, late, bytes_freed)"
                           " values (gen_random_uuid(), 'h', 1, '1', {at}, {at}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) returning id")
            assert execute(rows_only, "prune_runs", 3, 99) == [(old,)]
            assert one(rows_only, "select id from harpsweep.run") == young

    def test_failures_of_the_triggers(self, rows_only):
        with rows_only.transaction(force_rollback=True):
            old, young = self.at_the_edge(
                rows_only, "insert into harpsweep.intake_error (source, code, message, last_at)"
                           " values (gen_random_uuid(), '1', 'm', {at}) returning id")
            assert execute(rows_only, "prune_intake", 3) == [(old,)]
            assert one(rows_only, "select id from harpsweep.intake_error") == young

    @staticmethod
    def seen(connection, appid, age=None):
        """An observation of an app; its age in days since another took its place."""
        return one(connection, "insert into harpsweep.exapp_image (appid, daemon, fingerprint, superseded_at, superseded_by)"
                               " values (%s, 'd', 'f', now() - %s::interval, %s) returning id",
                   appid, age, age and "update")

    @pytest.mark.parametrize("kept,pruned", [(0, 3), (1, 2), (2, 1), (3, 0)])
    def test_observations(self, rows_only, kept, pruned):
        with rows_only.transaction(force_rollback=True):
            numbers = [self.seen(rows_only, "a", f"{age} days") for age in (9, 8, 7)]
            self.seen(rows_only, "a")
            self.seen(rows_only, "b", "9 days") if kept else None
            self.seen(rows_only, "c")
            assert [row[0] for row in execute(rows_only, "prune_images", 3, 99, kept)] == numbers[:pruned]
            assert one(rows_only, "select count(*) from harpsweep.exapp_image") == 5 - pruned + (kept > 0)

    def test_observations_at_the_edge(self, rows_only):
        with rows_only.transaction(force_rollback=True):
            old, _young = [self.seen(rows_only, "a", age) for age in ("3 days 1 us", "3 days")]
            assert execute(rows_only, "prune_images", 3, 99, 0) == [(old,)]

    def test_observations_of_the_same_moment(self, rows_only):
        """Neither came before the other: both are within what is kept, or both are not."""
        with rows_only.transaction(force_rollback=True):
            for _ in range(2):
                self.seen(rows_only, "a", "9 days")
            assert execute(rows_only, "prune_images", 3, 99, 1) == []
            assert len(execute(rows_only, "prune_images", 3, 99, 0)) == 2


class TestDaemonSeen:
    @staticmethod
    def seen(connection, stop=None, version="0.4.1", pause=0):
        word = None if stop is None else f"{stop} because"
        execute(connection, "daemon_seen", ["d"], [version], [stop], [word], [word], [pause])
        row = connection.execute("select * from harpsweep.daemon")
        return dict(zip((column.name for column in row.description), row.fetchone()))

    def test_one_that_is_well(self, rows_only):
        row = self.seen(rows_only)
        assert row["answered_at"] is not None
        assert (row["harp_version"], row["stopped_since"], row["stop"], row["paused_until"]) == ("0.4.1", None, None, None)

    def test_one_that_is_not(self, rows_only):
        row = self.seen(rows_only, "down", None, 60)
        assert (row["harp_version"], row["answered_at"], row["stop"], row["reason"]) == (None, None, "down", "down because")
        assert one(rows_only, "select paused_until - stopped_since from harpsweep.daemon").total_seconds() == 60

    def test_since_when(self, rows_only):
        """The first moment counts while it is stopped, whatever by."""
        well = self.seen(rows_only)
        first = self.seen(rows_only, "down", None)
        second = self.seen(rows_only, "unauthorized", None, 600)
        assert first["stopped_since"] is not None and first["paused_until"] is None
        assert (second["stopped_since"], second["stop"]) == (first["stopped_since"], "unauthorized")
        assert (second["answered_at"], second["harp_version"]) == (well["answered_at"], "0.4.1")
        again = self.seen(rows_only, version="0.5.0")
        assert (again["stopped_since"], again["stop"], again["reason"], again["paused_until"], again["harp_version"]) == (
            None, None, None, None, "0.5.0")
        assert again["answered_at"] > well["answered_at"]


def test_a_run_leaves_one_row(rows_only):
    values = (TOKEN, "h", 1, "1", 1500, 0, *range(1, 11), 77, None)
    for _ in range(2):
        execute(rows_only, "run_finished", *values)
    assert rows_only.execute(
        "select claimed, removed, untagged, absent, in_use, held, retried, failed, given_back, late, bytes_freed, note,"
        "       extract(epoch from finished_at - started_at)::float from harpsweep.run").fetchall() == [
            (*range(1, 11), 77, None, 1.5)]


def test_the_targets_of_a_command(rows_only):
    def targets(daemon=None, final=False, appid="app"):
        return [row[0] for row in execute(rows_only, "change_targets", appid, daemon, final)]

    waits, other = pending(rows_only), pending(rows_only, daemon="e")
    pending(rows_only, "app:9", appid="another")
    ended = {}
    for n, state in enumerate(("failed", "in_use", "removed", "kept"), 2):
        ended[state] = pending(rows_only, f"app:{n}")
        finish(rows_only, ended[state], state)
    assert targets() == [waits, other]
    assert targets("e") == [other] and targets("f") == []
    assert targets(final=True) == [ended["failed"], ended["in_use"]]
    assert targets("e", final=True) == []
    again = pending(rows_only, "app:2")
    finish(rows_only, again, "removed")
    assert targets(final=True) == [ended["in_use"]]


def test_the_events_of_a_job(rows_only):
    first, second = pending(rows_only), pending(rows_only, "app:2")
    for number in (first, second):
        rows_only.execute("select harpsweep.cancel(%s, 'x')", [number])
    assert {row[0] for row in execute(rows_only, "job_events", [second], 9)} == {second}
