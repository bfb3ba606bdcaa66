"""Each condition of the functions by which jobs are written, with other jobs beside the one that it is about."""

# pylint: disable=missing-function-docstring

import pytest

from harness.rows import claim, finish, hours_ahead, in_thread, job, one, schedule, wait_until_blocked


@pytest.fixture
def heard(rows_only):
    """Texts of the notices that came."""
    texts = []

    def hear(diagnostic):
        texts.append(diagnostic.message_primary)

    rows_only.add_notice_handler(hear)
    yield texts
    rows_only.remove_notice_handler(hear)


def due(connection, image="app:1", **named):
    return schedule(connection, image=image, choice="now", **named)


class TestEndJobs:
    def test_at_the_end_of_a_lease(self, rows_only):
        with rows_only.transaction():
            over, running = due(rows_only), due(rows_only, "app:2")
            for number in (over, running):
                claim(rows_only, number)
            rows_only.execute("update harpsweep.job set next_at = now() where id = %s", [over])
            rows_only.execute("update harpsweep.job set next_at = now() + interval '1 us' where id = %s", [running])
            assert one(rows_only, "select harpsweep.keep('d', 'app')") == 1
            assert [(job(rows_only, number)["state"], job(rows_only, number)["end_wanted"]) for number in (over, running)] == [
                ("kept", None), ("claimed", "kept")]

    def test_of_those_that_are_named(self, rows_only):
        """Whatever their state; one that is final stays as it is."""
        numbers = [due(rows_only, f"app:{n}") for n in range(6)]
        for number in numbers[2:4]:
            claim(rows_only, number)
        for number in numbers[4:]:
            finish(rows_only, number, "in_use")
        before = [job(rows_only, number) for number in numbers]
        assert one(rows_only, "select harpsweep.end_jobs(%s, 'cancelled', 'r')", [numbers[0], numbers[2], numbers[4]]) == 1
        after = [job(rows_only, number) for number in numbers]
        assert [after[n] for n in (1, 3, 4, 5)] == [before[n] for n in (1, 3, 4, 5)]
        assert (after[0]["state"], after[0]["hold_reason"], after[0]["next_at"]) == ("cancelled", "r", None)
        assert (after[2]["state"], after[2]["end_wanted"], after[2]["claim_token"]) == (
            "claimed", "cancelled", before[2]["claim_token"])

    @pytest.mark.parametrize("count,text", [
        (0, None), (1, "1 of the jobs is being worked on right now and will be kept unless the image is deleted by then: {}"),
        (2, "2 of the jobs are being worked on right now and will be kept unless the image is deleted by then: {}"),
        (10, "10 of the jobs are being worked on right now and will be kept unless the image is deleted by then: {}"),
        (11, "11 of the jobs are being worked on right now and will be kept unless the image is deleted by then: {}, ...")])
    def test_what_it_says(self, rows_only, heard, count, text):
        numbers = [due(rows_only, f"app:{n}") for n in range(count)]
        for number in numbers:
            claim(rows_only, number)
        due(rows_only, "app:99")
        assert one(rows_only, "select harpsweep.keep('d', 'app')") == 1
        assert heard == ([text.format(", ".join(map(str, numbers[:10])))] if text else [])


class TestNoteJob:
    """What becomes of an open job, and how many hours from now it is due at the least."""

    AUTO, NOW = {}, {"choice": "now"}

    @pytest.mark.parametrize("first,by_hand,second,state,grace,hours", [
        (AUTO, "", {"grace_hours": 5}, "new", None, 5),
        ({"grace_hours": 10}, "", AUTO, "new", None, 10),
        (AUTO, "", AUTO, "new", None, None),
        ({"grace_hours": 10}, "", {"grace_hours": 5}, "pending", 5, 10),
        ({"grace_hours": 5}, "", {"grace_hours": 10}, "pending", 10, 10),
        (AUTO, "", NOW, "pending", None, 0),
        ({"grace_hours": 10}, "", NOW, "pending", None, 0),
        (NOW, "", {"grace_hours": 5}, "pending", 5, 5),
        (NOW, "", AUTO, "new", None, 0),
        # What somebody inserted, or changed, by hand.
        (AUTO, "grace_hours = 7", {"grace_hours": 5}, "pending", 5, 7),
        (AUTO, "grace_hours = 7", AUTO, "new", None, 7),
        (AUTO, "choice = 'now'", {"grace_hours": 5}, "pending", 5, 5),
        (AUTO, "choice = 'now', grace_hours = 7", {"grace_hours": 5}, "pending", 5, 5),
        ({"grace_hours": 7}, "grace_hours = null", {"grace_hours": 5}, "pending", 5, 7),
        ({"grace_hours": 7}, "not_before = now(), next_at = now()", {"grace_hours": 5}, "pending", 5, 5),
    ])
    def test_that_meets_another(self, rows_only, first, by_hand, second, state, grace, hours):
        number = schedule(rows_only, **first)
        if by_hand:
            rows_only.execute(f"update harpsweep.job set {by_hand}")
        assert schedule(rows_only, **second) == number
        row = job(rows_only, number)
        assert (row["state"], row["grace_hours"], row["choice"]) == (state, grace, second.get("choice", "grace"))
        if hours is None:
            assert row["not_before"] is None
        else:
            assert hours_ahead(rows_only, row["not_before"]) == pytest.approx(hours, abs=0.01)
        assert one(rows_only, "select next_at = case state when 'new' then '-infinity' else not_before end from harpsweep.job")

    @pytest.mark.parametrize("given,state,grace,hours", [
        (AUTO, "new", None, None), (NOW, "pending", None, 0), ({"choice": "now", "grace_hours": 5}, "pending", None, 0),
        ({"grace_hours": 0}, "pending", 0, 0), ({"grace_hours": 720}, "pending", 720, 720)])
    def test_that_is_new(self, rows_only, given, state, grace, hours):
        row = job(rows_only, schedule(rows_only, **given))
        assert (row["state"], row["grace_hours"]) == (state, grace)
        assert row["not_before"] is None if hours is None else (
            hours_ahead(rows_only, row["not_before"]) == pytest.approx(hours, abs=0.01))


class TestLockJob:
    CALLS = {"keep_job(%s)": "kept", "cancel(%s, 'r')": "cancelled", "make_due(%s)": "pending"}

    @pytest.mark.parametrize("call", CALLS)
    def test_that_is_named(self, rows_only, call):
        numbers = [schedule(rows_only, image=f"app:{n}") for n in range(3)]
        assert one(rows_only, f"select harpsweep.{call}", numbers[1]) is True
        assert [job(rows_only, number)["state"] for number in numbers] == ["new", self.CALLS[call], "new"]

    def test_for_retry(self, rows_only):
        numbers = [due(rows_only, f"app:{n}") for n in range(3)]
        for number in numbers:
            finish(rows_only, number, "failed")
        assert one(rows_only, "select harpsweep.retry(%s)", numbers[1]) is True
        assert [job(rows_only, number)["state"] for number in numbers] == ["failed", "pending", "failed"]

    @pytest.mark.parametrize("call", [*CALLS, "retry(%s)"])
    def test_it_waits(self, rows_only, shared_database, call):
        """For whoever has the row: what it says is what is there afterwards."""
        number = due(rows_only)
        caller = shared_database.connect()
        with shared_database.connect(autocommit=False) as holder:
            finish(holder, number, "removed")
            thread, result = in_thread(lambda: one(caller, f"select harpsweep.{call}", number))
            wait_until_blocked(rows_only, caller)
            holder.commit()
            thread.join()
        assert result == [False]
        assert job(rows_only, number)["state"] == "removed"


class TestRetry:
    @pytest.mark.parametrize("state,change,again", [
        ("failed", "", True), ("in_use", "", True), ("unsupported", "", True), ("cancelled", "", True), ("kept", "", False),
        ("absent", "", False), ("cancelled", "choice = 'keep', ", False), ("unsupported", "image_ref = '', ", False)])
    def test_of_what_may_be_opened(self, rows_only, state, change, again):
        number = due(rows_only)
        rows_only.execute(f"update harpsweep.job set {change} state = %s, next_at = null, finished_at = now()", [state])
        assert one(rows_only, "select harpsweep.retry(%s)", number) is again
        assert job(rows_only, number)["state"] == ("pending" if again else state)


class TestFlushAndCancelDaemon:
    @pytest.fixture
    def numbers(self, rows_only):
        """new, pending, claimed, to be kept, final; another daemon's; another app's."""
        made = [schedule(rows_only, image="app:1"), schedule(rows_only, image="app:2", grace_hours=5), due(rows_only, "app:3"),
                schedule(rows_only, image="app:4"), due(rows_only, "app:5"), schedule(rows_only, daemon="e", grace_hours=5),
                schedule(rows_only, appid="other", image="app:6", grace_hours=5)]
        claim(rows_only, made[2])
        rows_only.execute("update harpsweep.job set choice = 'keep' where id = %s", [made[3]])
        finish(rows_only, made[4], "in_use")
        return made

    def test_flush(self, rows_only, numbers):
        before = [job(rows_only, number) for number in numbers]
        assert one(rows_only, "select harpsweep.flush_daemon('d')") == 3
        after = [job(rows_only, number) for number in numbers]
        assert [after[n] for n in (2, 3, 4, 5)] == [before[n] for n in (2, 3, 4, 5)]
        for n in (0, 1, 6):
            assert (after[n]["state"], after[n]["choice"]) == ("pending", "now")
            assert hours_ahead(rows_only, after[n]["next_at"]) <= 0

    @pytest.mark.parametrize("call,ended,count", [("cancel_daemon('d', 'r')", (0, 1, 3, 6), 4), ("keep('d', 'app')", (0, 1, 3), 3)])
    def test_end(self, rows_only, numbers, call, ended, count):
        before = [job(rows_only, number) for number in numbers]
        assert one(rows_only, f"select harpsweep.{call}") == count
        after = [job(rows_only, number) for number in numbers]
        assert {n for n in range(7) if after[n]["finished_at"] and n != 4} == set(ended)
        assert after[2]["end_wanted"] is not None
        assert [after[n] for n in range(7) if n not in ended + (2,)] == [before[n] for n in range(7) if n not in ended + (2,)]


@pytest.mark.parametrize("given,text", [
    (None, "null"), ("a'b", "'a''b'"), ("x" * 60, "'" + "x" * 60 + "'"), ("x" * 61, "'" + "x" * 60 + "' ... (61 characters)"),
    ("a\tb", "'a?b'")])
def test_shown(rows_only, given, text):
    assert one(rows_only, "select harpsweep.shown(%s::text)", given) == text


@pytest.mark.parametrize("seconds,text", [
    (0, "0 s"), (59.4, "59 s"), (59.5, "1 min"), (-59.4, "59 s"), (59.4 * 60, "59 min"), (59.5 * 60, "1 h"), (47.4 * 3600, "47 h"),
    (47.5 * 3600, "2 d"), ("Infinity", "ever"), ("-Infinity", "ever")])
def test_readable_span(rows_only, seconds, text):
    assert one(rows_only, "select harpsweep.readable_span(%s::float8)", seconds) == text
