"""The functions when two sessions meet; the interleaving is forced by locks."""

# pylint: disable=missing-function-docstring,too-many-public-methods

import pytest
from harness.rows import claim, finish, hours_ahead, in_thread, job, one, schedule, wait_until_blocked


class TestConcurrency:
    def test_two_schedules_of_one_image(self, database, connection):
        first = database.connect(autocommit=False)
        second = database.connect()
        number = schedule(first, grace_hours=2)
        thread, result = in_thread(lambda: schedule(second, grace_hours=1))
        wait_until_blocked(connection, second)
        first.commit()
        thread.join()
        assert result == [number]
        assert hours_ahead(connection, job(connection, number)["not_before"]) > 1.9

    def test_many_schedules(self, database, connection):
        connections = [database.connect() for _ in range(6)]
        threads = [
            in_thread(lambda c=c: [schedule(c, image=f"i:{n % 3}") for n in range(30)]) for c in connections
        ]
        for thread, _ in threads:
            thread.join()
        assert all(isinstance(result[0], list) for _, result in threads)
        assert one(connection, "select count(*) from harpsweep.job") == 3

    def test_schedule_while_the_old_one_ends(self, database, connection):
        number = schedule(connection, choice="now")
        ending = database.connect(autocommit=False)
        finish(ending, number, "removed")
        second = database.connect()
        thread, result = in_thread(lambda: schedule(second))
        wait_until_blocked(connection, second)
        ending.commit()
        thread.join()
        assert result[0] != number and job(connection, result[0])["state"] == "new"
        assert job(connection, number)["state"] == "removed"

    def test_keep_while_it_is_being_claimed(self, database, connection):
        """The keeper waits for the claim and then sees it: a flag, not `kept`."""
        number = schedule(connection, choice="now")
        claiming = database.connect(autocommit=False)
        claim(claiming, number)
        keeper = database.connect()
        thread, result = in_thread(lambda: one(keeper, "select harpsweep.keep('d', 'app')"))
        wait_until_blocked(connection, keeper)
        claiming.commit()
        thread.join()
        assert result == [0]
        assert (job(connection, number)["state"], job(connection, number)["end_wanted"]) == ("claimed", "kept")

    def test_keep_while_it_is_given_back(self, database, connection):
        number = schedule(connection, choice="now")
        claim(connection, number)
        giving = database.connect(autocommit=False)
        giving.execute("update harpsweep.job set state = 'pending', next_at = now() + interval '1 h'")
        keeper = database.connect()
        thread, result = in_thread(lambda: one(keeper, "select harpsweep.keep('d', 'app')"))
        wait_until_blocked(connection, keeper)
        giving.commit()
        thread.join()
        assert result == [1]
        assert job(connection, number)["state"] == "kept"

    def test_cancel_while_it_is_recorded(self, database, connection):
        number = schedule(connection, choice="now")
        claim(connection, number)
        recording = database.connect(autocommit=False)
        finish(recording, number, "removed", bytes_freed=9)
        canceller = database.connect()
        thread, result = in_thread(lambda: one(canceller, "select harpsweep.cancel(%s, 'r')", number))
        wait_until_blocked(connection, canceller)
        recording.commit()
        thread.join()
        assert result == [False]
        assert job(connection, number)["state"] == "removed"

    def test_retry_against_schedule(self, database, connection):
        number = schedule(connection, choice="now")
        finish(connection, number, "failed")
        first = database.connect(autocommit=False)
        schedule(first)
        second = database.connect()
        thread, result = in_thread(lambda: one(second, "select harpsweep.retry(%s)", number))
        wait_until_blocked(connection, second)
        first.commit()
        thread.join()
        assert result == [False]
        assert job(connection, number)["state"] == "failed"

    def test_keepers_of_many_rows_do_not_deadlock(self, database, connection):
        for n in range(40):
            schedule(connection, image=f"i:{n}", grace_hours=(n * 7) % 40)
        calls = ["keep('d', 'app')", "cancel_daemon('d', 'r')", "flush_daemon('d')"] * 2
        connections = [database.connect() for _ in calls]
        threads = [
            in_thread(lambda c=c, call=call: one(c, f"select harpsweep.{call}"))
            for c, call in zip(connections, calls)
        ]
        for thread, _ in threads:
            thread.join()
        assert all(isinstance(result[0], int) for _, result in threads)


CALLS = ["keep('d', 'app')", "flush_daemon('d')", "cancel_daemon('d', 'r')"]


class TestLocks:
    @pytest.mark.parametrize("call", CALLS)
    def test_in_the_order_of_their_numbers(self, rows_only, shared_database, call):
        """Wherever the rows lie, and whatever an index would begin with: so two callers never wait for each other."""
        first, second = schedule(rows_only, image="z:1", grace_hours=5), schedule(rows_only, image="a:1", grace_hours=5)
        rows_only.execute("update harpsweep.job set hold_reason = 'now it lies behind the other' where id = %s", (first,))
        caller = shared_database.connect()
        with shared_database.connect(autocommit=False) as holder:
            holder.execute("select from harpsweep.job where id = %s for update", (first,))
            thread, result = in_thread(lambda: one(caller, f"select harpsweep.{call}"))
            wait_until_blocked(rows_only, caller)
            holder.execute("select from harpsweep.job where id = %s for update nowait", (second,))
            holder.commit()
            thread.join()
        assert result == [2]

    @pytest.mark.parametrize("call", CALLS)
    def test_of_no_others(self, rows_only, shared_database, call):
        """Neither for a final row does it wait, nor for another daemon's or another app's."""
        schedule(rows_only, grace_hours=5)
        final = schedule(rows_only, image="app:2", choice="now")
        finish(rows_only, final, "in_use")
        others = [final, schedule(rows_only, daemon="e")]
        if "app" in call:
            others.append(schedule(rows_only, appid="other", image="app:3"))
        with shared_database.connect(autocommit=False) as holder:
            holder.execute("select from harpsweep.job where id = any (%s) for update", (others,))
            with rows_only.transaction():
                rows_only.execute("set local lock_timeout = '2 s'")
                assert one(rows_only, f"select harpsweep.{call}") == 1
            holder.rollback()
