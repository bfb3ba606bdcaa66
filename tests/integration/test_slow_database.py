"""A database whose word about a job comes late, where Nextcloud is watched and a word is good for 200 ms: what can be asked
for in time is, and what can't is told soon."""

# pylint: disable=missing-function-docstring

import pytest
from harness.nextcloud import Nextcloud
from harness.program import Program
from harness.rows import one, schedule
from harness.watch import DAEMON

JOBS = 60
COUNTS = "select count(*), count(*) filter (where state = 'removed'), max(attempts) from harpsweep.job"


@pytest.fixture
def slow(tmp_path, cluster, watched_database, worker, harp):
    """A watched database with due jobs, and a program for it."""
    connection = watched_database.connect()
    Nextcloud(watched_database.connect("nextcloud")).add_daemon(host=harp.url.removeprefix("http://"), protocol="http")
    for number in range(JOBS):
        harp.add_image(f"app:{number}")
        schedule(connection, DAEMON, image=f"app:{number}", choice="now")
    program = Program(tmp_path, cluster.conninfo(watched_database.name, user=worker))
    return connection, program


def slow_down(connection, seconds):
    """The guards take so long: an expression of ids, the jobs that are asked about."""
    connection.execute(
        f"""alter function harpsweep.held rename to held_soon;
            create function harpsweep.held(ids bigint[], images text[], keep_previous int, protect boolean, by_name boolean)
            returns table (id bigint, reason text, delay_s int) language plpgsql stable security definer as $$
            begin
                perform pg_sleep({seconds});
                return query select * from harpsweep.held_soon(ids, images, keep_previous, protect, by_name);
            end $$;
            grant execute on function harpsweep.held to harpsweep_worker""")


def test_a_word_that_takes_longer_the_more_it_is_about(slow):
    """Of all of them at once it would take 0.6 s."""
    connection, program = slow
    slow_down(connection, "cardinality(ids) * 0.01")
    program("run")
    assert connection.execute(COUNTS).fetchone() == (JOBS, JOBS, 1)


def test_no_word_in_time(slow, harp):
    """A run says so and ends, and not as late as its leases do; the jobs are the next one's."""
    connection, program = slow
    slow_down(connection, 0.25)
    run = program("run", code=69)
    assert "database: its word that a job may go on, good for 200 ms, came too late for 10 s; the last one took " in run.err
    assert harp.log("remove") == []
    assert one(connection, "select count(*) from harpsweep.job where state = 'pending' and next_at <= now()") == JOBS
    connection.execute("drop function harpsweep.held; alter function harpsweep.held_soon rename to held")
    program("run")
    assert one(connection, "select count(*) from harpsweep.job where state = 'removed'") == JOBS
