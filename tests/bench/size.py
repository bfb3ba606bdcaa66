"""How large the tables are: bytes for each job, open and finished, and where history_days bounds them."""

import time

from measuring import Harp, Wrong

# A job as the triggers on Nextcloud's tables write it, some days before the last of them all.
JOBS = """insert into harpsweep.job (daemon, appid, image_ref, image_id, event, orphaned_at, protocol, host, docker_socket_port)
          select 'harp_docker', 'context_chat_' || i %% 50, 'ghcr.io/nextcloud/context_chat_backend:4.' || i,
                 'sha256:' || encode(sha256(i::text::bytea), 'hex'), 'uninstall', now() - %(days)s::int * interval '1 day',
                 'http', 'appapi-harp:8780', 24000
            from generate_series(%(first)s::int, %(last)s::int) i"""

# Makes what a run has just written that old, past the triggers: they would write the history of a change by hand.
AGE = "update harpsweep.job set finished_at = finished_at - %s::int * interval '1 day' where finished_at > now() - interval '1 hour'"

SIZES = """select c.relname::text, pg_table_size(c.oid), pg_indexes_size(c.oid) from pg_class as c
            where c.relnamespace = 'harpsweep'::regnamespace and c.relkind = 'r' order by c.relname"""

A_DAY = 1000  # jobs; a run prunes as many
HISTORY = 10
DAYS = 40


def sizes(bench):
    """Rows, bytes of the table and of its indexes, of each table that has any."""
    found = {}
    for name, table, indexes in bench.connection.execute(SIZES).fetchall():
        [count] = bench.ask(f"select count(*) from harpsweep.{name}")
        if count > 0:
            found[name] = (count, table, indexes)
    return found


def say(bench, what, count):
    """One line for each table that grows with jobs, as bytes for each of so many; returns their sum."""
    total = 0
    for name, (rows, table, indexes) in sizes(bench).items():
        if rows >= count:
            bench.say(f"{name}: {what}", rows, *(f"{some / count:.0f}" for some in (table, indexes, table + indexes)))
            total += table + indexes
    return total / count


def day(bench, harp, number, jobs=A_DAY):
    """A day's jobs, deleted by a run, which also takes away what history_days lets go."""
    ago = DAYS - number
    bench.connection.execute(JOBS, {"days": ago + 1, "first": number * jobs, "last": number * jobs + jobs - 1})
    bench.run(bench.settings({"harp_docker": harp.url}, 64, cleanup=f"history_days = {ago + HISTORY}"))
    with bench.connection.transaction():
        bench.ask("set local session_replication_role = replica")
        bench.ask(AGE, ago)


def size(bench):
    count = 100_000
    bench.title("bytes for each job", "rows", "table", "indexes", "both")
    bench.empty()
    bench.connection.execute(JOBS, {"days": 1, "first": 1, "last": count})
    bench.settle()
    say(bench, "open", count)
    with Harp(0) as harp:
        bench.run(bench.settings({"harp_docker": harp.url}, 64))
        bench.check(count)
        bench.settle()
        say(bench, "finished, 100,000 at once", count)
        bench.ask("vacuum full harpsweep.job")
        least = say(bench, "finished, after vacuum full", count)

        bench.empty()
        bench.ask("alter system set autovacuum_naptime = '1s'")
        bench.ask("select pg_reload_conf()")
        grown = []
        for number in range(1, DAYS + 1):
            day(bench, harp, number)
            [left] = bench.ask("select count(*) from harpsweep.job")
            if left != min(number, HISTORY) * A_DAY:
                raise Wrong(f"after day {number} the table holds {left} jobs")
            time.sleep(1.5)  # for autovacuum
            if number % HISTORY == 0:
                grown.append(say(bench, f"finished, day {number}, {HISTORY} days of {A_DAY} kept", HISTORY * A_DAY))
        bench.ask("alter system reset autovacuum_naptime")
        bench.ask("select pg_reload_conf()")
    job = max(grown)
    bench.say("at most, which is what the last table counts with", "", "", "", f"{job:.0f}")
    bench.say("that beside vacuum full", "", "", "", f"{job / least:.2f}")

    bench.title("runs", "rows", "table", "indexes", "both")
    bench.ask("insert into harpsweep.run (token, host, pid, version, started_at, exit_code, claimed, removed, untagged, absent,"
              " in_use, held, retried, failed, given_back, late, bytes_freed)"
              " select gen_random_uuid(), 'cloud.example.com', 123456, '0.1.0',"
              f" now(), 0, 12, 12, 0, 0, 0, 0, 0, 0, 0, 0, 12345678901 from generate_series(1, {count})")
    rows, table, indexes = sizes(bench)["run"]
    run = (table + indexes) / rows
    bench.say("a run that did work", rows, f"{table / rows:.0f}", f"{indexes / rows:.0f}", f"{run:.0f}")

    bench.title("history_days = 90", "jobs kept", "MB", "runs kept", "MB")
    for a_day in (10, 1000, 100_000):
        runs = min(a_day, 24 * 60) * 90  # with a run a minute, of which those leave a row that had work
        bench.say(f"{a_day} deletions a day", a_day * 90, f"{a_day * 90 * job / 1e6:.1f}", runs, f"{runs * run / 1e6:.1f}")
    bench.keep("size", job, run)
