"""The views for people."""

# pylint: disable=missing-function-docstring,too-many-public-methods

import pytest
from harness.rows import FINAL, claim, finish, one, schedule


class TestViews:
    @pytest.mark.parametrize("seconds,text", [
        (0, "0 s"), (45, "45 s"), (59.4, "59 s"), (60, "1 min"), (155, "3 min"), (3569, "59 min"),
        (3600, "1 h"), (86400, "24 h"), (171000, "2 d"), (864000, "10 d"), (-7200, "2 h"),
        (float("inf"), "ever"), (float("-inf"), "ever"), (None, None),
    ])
    def test_readable_span(self, connection, seconds, text):
        assert one(connection, "select harpsweep.readable_span(%s)", seconds) == text

    @pytest.mark.parametrize("size,text", [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"), (999_949_999, "999.9 MB"),
        (999_950_000, "1.0 GB"), (12_345_678_901, "12.3 GB"), (999_949_999_999, "999.9 GB"), (999_950_000_000, "1.0 TB"),
        (999_950_000_000_000, "1.0 PB"),
        (2**63 - 1, "9223.4 PB"), (None, None)])
    def test_readable_size(self, connection, size, text):
        """As the program tells it: see table_size()."""
        assert one(connection, "select harpsweep.readable_size(%s)", size) == text

    def test_jobs(self, connection):
        new = schedule(connection, image="1")
        waiting = schedule(connection, image="2", grace_hours=24)
        due = schedule(connection, image="3", choice="now")
        connection.execute("update harpsweep.job set not_before = now() - interval '3 min', "
                           "next_at = now() - interval '2 min', last_error = 'oops' where id = %s", (due,))
        claimed = schedule(connection, image="4", choice="now")
        claim(connection, claimed)
        connection.execute("select harpsweep.keep_job(%s)", (claimed,))
        removed = schedule(connection, image="5", choice="now")
        finish(connection, removed, "removed", bytes_freed=123456789)
        rows = connection.execute("select id, due, age, ended, freed, reason from harpsweep.jobs").fetchall()
        assert rows == [
            (removed, None, "0 s", "0 s ago", "123.5 MB", None),
            (claimed, "being worked on", "0 s", None, None,
             "kept when this attempt ends; asked to keep the image"),
            (due, "since 2 min", "0 s", None, None, "oops"),
            (waiting, "in 24 h", "0 s", None, None, ""),
            (new, "at the next run", "0 s", None, None, ""),
        ]

    def test_jobs_has_every_column_but_the_token(self, connection):
        missing = connection.execute(
            "select a.attname from pg_attribute as a where a.attrelid = 'harpsweep.job'::regclass and a.attnum > 0 "
            "and not exists (select from pg_attribute as b where b.attrelid = 'harpsweep.jobs'::regclass "
            "and b.attname = a.attname)"
        ).fetchall()
        assert missing == [("claim_token",), ("due_at",)]

    def test_jobs_with_the_outermost_times(self, connection):
        number = schedule(connection, grace_hours=1)
        connection.execute("update harpsweep.job set next_at = 'infinity', not_before = 'infinity', "
                           "orphaned_at = '1970-01-01 00:00+00'")
        assert one(connection, "select due from harpsweep.jobs where id = %s", number) == "never"
        connection.execute("select * from harpsweep.daemon_health")

    def test_newest_jobs_do_not_read_the_history(self, connection):
        connection.execute(
            "insert into harpsweep.job (daemon, appid, image_ref, state, next_at, finished_at) "
            "select 'd', 'a', 'i', 'absent', null, now() from generate_series(1, 20000)"
        )
        connection.execute("analyze harpsweep.job")
        plan = "\n".join(
            row[0] for row in connection.execute("explain select * from harpsweep.jobs limit 20").fetchall()
        )
        assert "job_pkey" in plan and "Sort" not in plan and "Seq Scan" not in plan
        plan = "\n".join(
            row[0]
            for row in connection.execute(
                "explain select * from harpsweep.daemon_health"
            ).fetchall()
        )
        assert "job_failed" in plan or "Seq Scan" not in plan

    def test_daemon_health(self, connection):
        def health(name):
            cursor = connection.execute("select * from harpsweep.daemon_health where daemon = %s", (name,))
            return dict(zip((c.name for c in cursor.description), cursor.fetchone()))

        schedule(connection, "fresh", grace_hours=5)
        schedule(connection, "fresh", image="2", choice="now")
        row = health("fresh")
        assert (row["health"], row["open"], row["due"], row["failed"]) == ("not seen yet", 2, 1, 0)
        connection.execute("insert into harpsweep.daemon (daemon, answered_at, harp_version) "
                           "values ('fresh', now(), '0.4.4')")
        assert health("fresh")["health"] == "ok"
        number = schedule(connection, "fresh", image="3", choice="now")
        finish(connection, number, "failed")
        row = health("fresh")
        assert (row["health"], row["failed"], row["failed_24h"]) == ("failed jobs", 1, 1)
        number = schedule(connection, "fresh", image="4", choice="now")
        finish(connection, number, "removed", bytes_freed=10)
        assert (health("fresh")["removed_24h"], health("fresh")["bytes_freed_24h"]) == (1, 10)
        connection.execute("update harpsweep.job set not_before = now() - interval '3 h', "
                           "next_at = now() - interval '3 h' where state = 'pending' and choice = 'now'")
        row = health("fresh")
        assert (row["health"], row["overdue"]) == ("late", "3 h")
        connection.execute("update harpsweep.daemon set stop = 'down', stopped_since = now(), reason = 'refused', "
                           "hint = 'start it'")
        row = health("fresh")
        assert (row["health"], row["stop"], row["reason"], row["hint"]) == (
            "stopped", "down", "refused", "start it")
        connection.execute("update harpsweep.daemon set paused_until = now() + interval '1 h'")
        assert health("fresh")["health"] == "paused"
        connection.execute("insert into harpsweep.daemon (daemon) values ('only met')")
        assert health("only met")["open"] == 0

    def test_daily(self, connection):
        for n, state in enumerate(FINAL):
            if state != "no_ref":
                number = schedule(connection, image=str(n), choice="now")
                finish(connection, number, state, bytes_freed=7)
        cursor = connection.execute("select * from harpsweep.daily")
        row = dict(zip((c.name for c in cursor.description), cursor.fetchone()))
        assert row.pop("day") == one(connection, "select (now() at time zone 'UTC')::date")
        assert row.pop("bytes_freed") == 7
        assert set(row.values()) == {1}

    def test_daily_is_in_utc(self, connection):
        number = schedule(connection, choice="now")
        connection.execute("set time zone 'Pacific/Kiritimati'")
        finish(connection, number, "absent")
        connection.execute("update harpsweep.job set finished_at = '2030-01-01 23:30+00'")
        assert str(one(connection, "select day from harpsweep.daily")) == "2030-01-01"
