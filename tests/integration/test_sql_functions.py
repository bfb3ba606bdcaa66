"""keep, cancel, make_due, flush_daemon, cancel_daemon, retry."""

# pylint: disable=missing-function-docstring,too-many-public-methods

import pytest
from harness.rows import FINAL, claim, expire, finish, hours_ahead, job, one, schedule


@pytest.fixture
def connection(rows_only):
    return rows_only


class TestKeepAndCancel:
    @pytest.mark.parametrize("sql,word", [
        ("select harpsweep.keep('d', 'app')", "kept"),
        ("select harpsweep.cancel_daemon('d', 'going')", "cancelled"),
    ])
    def test_many(self, connection, notices, sql, word):
        new = schedule(connection, image="i:1")
        pending = schedule(connection, image="i:2", grace_hours=3)
        claimed = schedule(connection, image="i:3", choice="now")
        claim(connection, claimed)
        elsewhere = schedule(connection, daemon="d2")
        before = job(connection, claimed)
        assert one(connection, sql) == 2
        reason = {"kept": "asked to keep the image", "cancelled": "going"}[word]
        for number in (new, pending):
            row = job(connection, number)
            assert (row["state"], row["next_at"], row["hold_reason"]) == (word, None, reason)
            assert row["finished_at"] is not None and row["claim_token"] is None
        after = job(connection, claimed)
        assert after == {**before, "end_wanted": word, "hold_reason": reason}
        assert job(connection, elsewhere)["state"] == "new"
        assert len(notices) == 1
        assert notices[0].startswith(f"1 of the jobs is being worked on right now and will be {word}")
        assert notices[0].endswith(f": {claimed}")

    def test_keep_takes_only_that_app(self, connection):
        other = schedule(connection, appid="app2")
        assert one(connection, "select harpsweep.keep('d', 'app')") == 0
        assert job(connection, other)["state"] == "new"

    def test_cancel_daemon_takes_every_app(self, connection):
        schedule(connection, appid="app2", image="x")
        schedule(connection)
        assert one(connection, "select harpsweep.cancel_daemon('d', 'r')") == 2
        assert one(connection, "select harpsweep.cancel_daemon('d', 'r')") == 0

    @pytest.mark.parametrize("call,word", [("keep_job(%s)", "kept"), ("cancel(%s, 'why')", "cancelled")])
    def test_one(self, connection, notices, call, word):
        number = schedule(connection, grace_hours=1)
        assert one(connection, f"select harpsweep.{call}", number) is True
        assert job(connection, number)["state"] == word
        assert notices == []
        assert one(connection, f"select harpsweep.{call}", number) is False
        assert notices == [f"job {number} is final already: {word}"]

    @pytest.mark.parametrize("call,word", [("keep_job(%s)", "kept"), ("cancel(%s, 'why')", "cancelled")])
    def test_one_claimed(self, connection, notices, call, word):
        number = schedule(connection, choice="now")
        claim(connection, number)
        before = job(connection, number)
        assert one(connection, f"select harpsweep.{call}", number) is False
        after = job(connection, number)
        assert after["end_wanted"] == word
        for column in ("state", "claim_token", "attempts", "next_at", "finished_at"):
            assert after[column] == before[column]
        assert len(notices) == 1 and "being worked on right now" in notices[0]

    def test_last_wish_counts(self, connection):
        number = schedule(connection, choice="now")
        claim(connection, number)
        connection.execute("select harpsweep.keep_job(%s)", (number,))
        connection.execute("select harpsweep.cancel(%s, 'r')", (number,))
        row = job(connection, number)
        assert (row["end_wanted"], row["hold_reason"]) == ("cancelled", "r")

    def test_claim_of_a_dead_run(self, connection):
        """No delete can start any more: it ends at once, and a late writer is fenced off."""
        number = schedule(connection, choice="now")
        claim(connection, number)
        connection.execute("update harpsweep.job set end_wanted = 'kept'")
        expire(connection, number)
        assert one(connection, "select harpsweep.keep('d', 'app')") == 1
        row = job(connection, number)
        assert (row["state"], row["end_wanted"], row["claim_token"]) == ("kept", None, None)

    @pytest.mark.parametrize("state", FINAL[:-1])
    def test_final_jobs_stay(self, connection, state):
        number = schedule(connection, choice="now")
        finish(connection, number, state)
        before = job(connection, number)
        for call in ("cancel(%s, 'r')", "keep_job(%s)", "make_due(%s)"):
            assert one(connection, f"select harpsweep.{call}", number) is False
        assert one(connection, "select harpsweep.keep('d', 'app')") == 0
        assert one(connection, "select harpsweep.cancel_daemon('d', 'r')") == 0
        assert one(connection, "select harpsweep.flush_daemon('d')") == 0
        assert job(connection, number) == before


class TestMakeDueAndFlush:
    @pytest.mark.parametrize("grace", [None, 0, 100])
    def test_make_due(self, connection, grace):
        number = schedule(connection, grace_hours=grace)
        assert one(connection, "select harpsweep.make_due(%s)", number) is True
        row = job(connection, number)
        assert (row["choice"], row["state"]) == ("now", "pending")
        assert one(connection, "select not_before <= now() and next_at <= now() from harpsweep.job")

    def test_make_due_ends_a_backoff(self, connection):
        number = schedule(connection, choice="now")
        connection.execute("update harpsweep.job set next_at = now() + interval '5 h', failures = 3")
        assert one(connection, "select harpsweep.make_due(%s)", number) is True
        row = job(connection, number)
        assert row["failures"] == 3
        assert one(connection, "select next_at <= now() from harpsweep.job")

    def test_make_due_leaves_claimed_and_kept(self, connection, notices):
        number = schedule(connection, choice="now")
        claim(connection, number)
        before = job(connection, number)
        assert one(connection, "select harpsweep.make_due(%s)", number) is False
        assert job(connection, number) == before
        keep = one(
            connection,
            "insert into harpsweep.job (daemon, appid, image_ref, choice) values ('d', 'k', 'k', 'keep') returning id",
        )
        assert one(connection, "select harpsweep.make_due(%s)", keep) is False
        assert len(notices) == 2

    def test_flush(self, connection):
        numbers = [
            schedule(connection, image="1"),
            schedule(connection, image="2", grace_hours=5),
            schedule(connection, image="3", choice="now"),
        ]
        claimed = schedule(connection, image="4", choice="now")
        claim(connection, claimed)
        elsewhere = schedule(connection, daemon="d2", grace_hours=5)
        connection.execute(
            "insert into harpsweep.job (daemon, appid, image_ref, choice) values ('d', 'k', 'k', 'keep')"
        )
        before = job(connection, claimed)
        assert one(connection, "select harpsweep.flush_daemon('d')") == 3
        for number in numbers:
            row = job(connection, number)
            assert (row["choice"], row["state"]) == ("now", "pending")
            assert hours_ahead(connection, row["next_at"]) <= 0
            assert hours_ahead(connection, row["not_before"]) <= 0
        assert job(connection, claimed) == before
        assert job(connection, elsewhere)["choice"] == "grace"
        assert one(connection, "select state::text from harpsweep.job where choice = 'keep'") == "new"


class TestRetry:
    @pytest.mark.parametrize("state", ["failed", "in_use", "unsupported", "cancelled"])
    def test_opens_again(self, connection, state):
        number = schedule(connection, choice="now")
        claim(connection, number)
        finish(connection, number, state, failures=20, rechecks=7, lost_claims=2, http_status=500,
               bytes_freed=1, duration_ms=5, hold_reason="h", last_error="e")
        orphaned = job(connection, number)["orphaned_at"]
        assert one(connection, "select harpsweep.retry(%s)", number) is True
        row = job(connection, number)
        assert row["state"] == "pending" and row["attempts"] == 1 and row["last_error"] == "e"
        assert row["orphaned_at"] == orphaned
        assert row["failures"] == row["rechecks"] == row["lost_claims"] == 0
        for column in ("http_status", "bytes_freed", "duration_ms", "hold_reason", "finished_at",
                       "claim_token", "claimed_by", "claimed_at"):
            assert row[column] is None
        assert hours_ahead(connection, row["next_at"]) <= 0

    def test_still_waits_for_its_grace(self, connection):
        number = schedule(connection, grace_hours=8)
        connection.execute("select harpsweep.cancel(%s, 'r')", (number,))
        assert one(connection, "select harpsweep.retry(%s)", number) is True
        row = job(connection, number)
        assert row["next_at"] == row["not_before"]
        assert hours_ahead(connection, row["next_at"]) == pytest.approx(8, abs=0.01)

    def test_without_a_grace_is_new(self, connection):
        number = schedule(connection)
        connection.execute("select harpsweep.cancel(%s, 'r')", (number,))
        assert one(connection, "select harpsweep.retry(%s)", number) is True
        assert job(connection, number)["state"] == "new"

    @pytest.mark.parametrize("state", ["kept", "removed", "untagged", "absent"])
    def test_success_is_final(self, connection, notices, state):
        number = schedule(connection, choice="now")
        finish(connection, number, state)
        before = job(connection, number)
        assert one(connection, "select harpsweep.retry(%s)", number) is False
        assert job(connection, number) == before
        assert notices == [f"job {number} cannot be tried again: it is {state}"]

    def test_no_ref_and_open(self, connection):
        number = one(
            connection,
            "insert into harpsweep.job (daemon, appid, image_ref, state, next_at, finished_at) "
            "values ('d', 'a', '', 'no_ref', null, now()) returning id",
        )
        assert one(connection, "select harpsweep.retry(%s)", number) is False
        assert one(connection, "select harpsweep.retry(%s)", schedule(connection)) is False

    def test_another_open_job_for_the_image(self, connection, notices):
        number = schedule(connection, choice="now")
        finish(connection, number, "failed")
        schedule(connection)
        before = job(connection, number)
        assert one(connection, "select harpsweep.retry(%s)", number) is False
        assert job(connection, number) == before
        assert notices == [f"job {number} was left as it is: there is an open job for the same image"]
