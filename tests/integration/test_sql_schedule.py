"""harpsweep.schedule(): new jobs, and events that merge into open ones."""

# pylint: disable=missing-function-docstring,too-many-public-methods

import pytest
from harness.rows import ID, claim, hours_ahead, job, one, schedule


@pytest.fixture
def connection(rows_only):
    return rows_only


class TestSchedule:
    def test_defaults(self, connection):
        row = job(connection, schedule(connection, "d", "app", "app:1"))
        assert (row["event"], row["choice"], row["state"]) == ("uninstall", "grace", "new")
        assert row["grace_hours"] is None and row["not_before"] is None
        assert one(connection, "select next_at = '-infinity' from harpsweep.job")

    @pytest.mark.parametrize("hours", [0, 1, 24, 720])
    def test_grace(self, connection, hours):
        row = job(connection, schedule(connection, grace_hours=hours, image_id=ID, event="update"))
        assert (row["state"], row["grace_hours"], row["image_id"]) == ("pending", hours, ID)
        assert row["event"] == "update"
        assert row["not_before"] == row["next_at"]
        assert one(
            connection,
            "select not_before = orphaned_at + make_interval(hours => %s) from harpsweep.job",
            hours,
        )

    def test_now(self, connection):
        row = job(connection, schedule(connection, choice="now"))
        assert (row["state"], row["choice"]) == ("pending", "now")
        assert row["not_before"] == row["next_at"] == row["orphaned_at"]

    def test_keep(self, connection):
        older = schedule(connection, "d", "app", "app:1")
        waiting = schedule(connection, "d", "app", "app:2", grace_hours=5)
        elsewhere = schedule(connection, "d2", "app", "app:1")
        other = schedule(connection, "d", "app2", "app2:1")
        number = schedule(connection, "d", "app", "app:3", choice="keep", event="update")
        row = job(connection, number)
        assert (row["state"], row["choice"], row["event"]) == ("kept", "keep", "update")
        assert row["hold_reason"] == "asked to keep the image"
        assert row["finished_at"] is not None and row["next_at"] is None
        assert [job(connection, n)["state"] for n in (older, waiting, elsewhere, other)] == [
            "kept", "kept", "new", "new"]

    def test_other_ids_and_daemons_are_other_jobs(self, connection):
        numbers = {
            schedule(connection),
            schedule(connection, image_id=ID),
            schedule(connection, image_id=ID[:-1] + "0"),
            schedule(connection, daemon="d2"),
            schedule(connection, image="app:2"),
        }
        assert len(numbers) == 5

    def test_final_jobs_are_not_merged_into(self, connection):
        first = schedule(connection)
        connection.execute("select harpsweep.cancel(%s, 'r')", (first,))
        assert schedule(connection) != first


class TestMerge:
    def test_newer_event_takes_the_place(self, connection):
        first = schedule(connection, "d", "app", "i", grace_hours=1)
        connection.execute(
            "update harpsweep.job set failures = 2, rechecks = 3, lost_claims = 1, attempts = 6, "
            "last_error = 'e', hold_reason = 'h', http_status = 500, duration_ms = 4, protocol = 'http', "
            "host = 'h', docker_socket_port = 1, orphaned_at = now() - interval '1 day'"
        )
        assert schedule(connection, "d", "app2", "i", grace_hours=2, event="update") == first
        row = job(connection, first)
        assert (row["appid"], row["event"], row["grace_hours"]) == ("app2", "update", 2)
        assert row["attempts"] == 6
        assert row["failures"] == row["rechecks"] == row["lost_claims"] == 0
        for column in ("last_error", "hold_reason", "http_status", "duration_ms", "protocol", "host",
                       "docker_socket_port"):
            assert row[column] is None
        assert abs(hours_ahead(connection, row["orphaned_at"])) < 0.1

    @pytest.mark.parametrize("first,second,ends", [(2, 5, 5), (5, 2, 5), (0, 3, 3), (3, 0, 3)])
    def test_later_grace_wins(self, connection, first, second, ends):
        number = schedule(connection, grace_hours=first)
        assert schedule(connection, grace_hours=second) == number
        row = job(connection, number)
        assert row["state"] == "pending" and row["next_at"] == row["not_before"]
        assert hours_ahead(connection, row["not_before"]) == pytest.approx(ends, abs=0.01)

    def test_settings_grace_after_a_known_one(self, connection):
        """The settings' grace is not known here: the known one is its least."""
        number = schedule(connection, grace_hours=100)
        assert schedule(connection) == number
        row = job(connection, number)
        assert (row["state"], row["grace_hours"]) == ("new", None)
        assert hours_ahead(connection, row["not_before"]) == pytest.approx(100, abs=0.01)

    def test_known_grace_after_the_settings(self, connection):
        number = schedule(connection)
        assert schedule(connection, grace_hours=1) == number
        row = job(connection, number)
        assert (row["state"], row["grace_hours"]) == ("new", None)
        assert hours_ahead(connection, row["not_before"]) == pytest.approx(1, abs=0.01)

    def test_inserted_row_with_its_own_grace(self, connection):
        number = one(
            connection,
            "insert into harpsweep.job (daemon, appid, image_ref, grace_hours) values ('d', 'app', 'app:1', 9) "
            "returning id",
        )
        assert schedule(connection, grace_hours=1) == number
        row = job(connection, number)
        assert row["state"] == "pending"
        assert hours_ahead(connection, row["not_before"]) == pytest.approx(9, abs=0.01)

    @pytest.mark.parametrize("grace", [None, 500])
    def test_now_replaces_a_grace(self, connection, grace):
        number = schedule(connection, grace_hours=grace)
        assert schedule(connection, choice="now") == number
        row = job(connection, number)
        assert (row["state"], row["choice"], row["grace_hours"]) == ("pending", "now", None)
        assert one(connection, "select next_at <= now() and not_before <= now() from harpsweep.job")

    def test_grace_replaces_a_now(self, connection):
        number = schedule(connection, choice="now")
        assert schedule(connection, grace_hours=3) == number
        row = job(connection, number)
        assert (row["state"], row["choice"]) == ("pending", "grace")
        assert hours_ahead(connection, row["next_at"]) == pytest.approx(3, abs=0.01)

    def test_settings_grace_replaces_a_now(self, connection):
        number = schedule(connection, choice="now")
        assert schedule(connection) == number
        assert (job(connection, number)["state"], job(connection, number)["choice"]) == ("new", "grace")

    @pytest.mark.parametrize(
        "named,state", [({"choice": "now"}, "pending"), ({}, "new"), ({"grace_hours": 2}, "pending")]
    )
    def test_claim_is_fenced_off(self, connection, named, state):
        number = schedule(connection, choice="now")
        claim(connection, number)
        token = job(connection, number)["claim_token"]
        connection.execute("update harpsweep.job set end_wanted = 'kept'")
        assert schedule(connection, **named) == number
        row = job(connection, number)
        assert row["state"] == state and row["attempts"] == 1
        assert row["claim_token"] is None and row["claimed_at"] is None and row["end_wanted"] is None
        late = connection.execute(
            "update harpsweep.job set state = 'removed', next_at = null, finished_at = now() "
            "where id = %s and claim_token = %s and attempts = 1 and state = 'claimed'",
            (number, token),
        )
        assert late.rowcount == 0

    def test_keep_does_not_merge(self, connection):
        number = schedule(connection)
        kept = schedule(connection, choice="keep")
        assert kept != number
        assert job(connection, number)["state"] == "kept"

    def test_row_that_asked_to_be_kept(self, connection):
        number = one(
            connection,
            "insert into harpsweep.job (daemon, appid, image_ref, choice) values ('d', 'app', 'app:1', 'keep') "
            "returning id",
        )
        assert schedule(connection, choice="now") == number
        assert job(connection, number)["state"] == "pending"
