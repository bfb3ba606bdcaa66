"""What a job costs the database, and whether that stays the same with history, backlog and old snapshots."""

import contextlib
import re
import statistics
import subprocess
import time

import psycopg

from idle import scanned
from measuring import BUILD, PROGRAM, ROOT, Harp, measure, median


def memory(bench):
    bench.title("peak memory, and that the size costs no time", "MB", "jobs/s")
    for jobs in (10, 100_000, 1_000_000):
        bench.empty()
        with Harp(0) as harp:
            bench.due(jobs)
            figures = bench.run(bench.settings({"bench": harp.url}, 64))
            bench.check(jobs)
        bench.say(f"{jobs} due rows, 64 slots", f"{figures['rss'] / 1024:.1f}", f"{jobs / figures['wall']:.0f}")


def cost_of(bench, jobs):
    """One run over so many jobs of 50 ms: buffers, WAL bytes and commits per job."""
    sql = """select (select sum(heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)
                       from pg_statio_all_tables where schemaname = 'harpsweep')::bigint,
                    (pg_current_wal_insert_lsn() - '0/0')::bigint,
                    (select xact_commit from pg_stat_database where datname = 'bench')"""
    with Harp(50) as harp:
        path = bench.settings({"bench": harp.url}, 64)
        bench.due(jobs, age="-interval '1 hour'", first=100_000_001)
        for _ in range(2):  # a session tells what its vacuum touched with the end of a later statement
            time.sleep(1.2)
            before = bench.ask(sql)
        bench.run(path)
        time.sleep(1.2)
        after = bench.ask(sql)
    bench.ask("delete from harpsweep.job where finished_at > now() - interval '1 hour'")
    buffers, wal, commits = (second - first for first, second in zip(before, after))
    return buffers / jobs, wal / jobs, (commits - 2) / jobs


@contextlib.contextmanager
def without_autovacuum(bench):
    """Its pages would count as a job's, whenever it happens to come by."""
    bench.ask("alter system set autovacuum = off")
    bench.ask("select pg_reload_conf()")
    yield
    bench.ask("alter system reset autovacuum")
    bench.ask("select pg_reload_conf()")


def history(bench):
    bench.title("database, per job of 50 ms, 64 slots", "buffers", "WAL bytes", "commits", "idle run ms", "bare libpq")
    first = None
    for rows in sorted({0, 10_000, 100_000, 1_000_000, bench.history}):
        if rows > bench.history:
            continue
        bench.empty()
        bench.done(rows)
        with without_autovacuum(bench):
            costs = [cost_of(bench, 2000) for _ in range(3)]
            cost = [statistics.median(column) for column in zip(*costs)]
            bench.settle()
            with Harp(0) as harp:
                path = bench.settings({"bench": harp.url})
                turns = bench.turns(lambda p=path: bench.run(p), lambda: measure([BUILD / "bare", bench.conninfo]), runs=40)
            cost += [median(figures, "wall") * 1000 for figures in turns]
        first = first or cost
        bench.say(f"{rows} finished rows", f"{cost[0]:.1f}", f"{cost[1]:.0f}", f"{cost[2]:.4f}", f"{cost[3]:.1f}", f"{cost[4]:.1f}")
        bench.keep("history", rows, *cost)
    bench.say("the last beside the first", *(f"{one / other:.2f}" for one, other in zip(cost, first)))


def backlog(bench):
    bench.title("open jobs that are due later", "buffers")
    with Harp(0) as harp:
        for rows in (0, 1_000_000):
            bench.empty()
            if rows:
                bench.due(rows, age="interval '1 hour'")
            bench.run(bench.settings({"bench": harp.url}))  # the first one after them sets the alarm
            bench.say(f"an idle run, {rows} jobs due in an hour", scanned(bench))
    costs = []
    for rows in (0, 1_000_000):
        bench.empty()
        if rows:
            bench.due(rows, age="interval '1 hour'")
        with without_autovacuum(bench):
            costs.append(statistics.median(cost_of(bench, 2000)[0] for _ in range(3)))
        bench.say(f"each of 2,000 due jobs, beside {rows} due in an hour", f"{costs[-1]:.1f}")
    bench.say("the second beside the first", f"{costs[1] / costs[0]:.2f}")


def claims_of(log, database):
    """Milliseconds of each claim that the server logged."""
    pattern = r"@" + database + r" LOG: +duration: ([0-9.]+) ms +execute [^\n]*: with ask as materialized \(\n\s*select a\.daemon, a\.slots"
    return [float(ms) for ms in re.findall(pattern, log)]


def snapshot(bench):
    jobs = 200_000
    bench.title("200,000 jobs while a snapshot is held", "first claims", "last claims", "ratio", "jobs/s", "idle buffers",
                "hourly look")
    bench.ask("alter database bench set log_min_duration_statement = 0")
    try:
        for held in (False, True):
            bench.empty()
            with Harp(0) as harp, psycopg.connect(bench.conninfo) as other:
                bench.due(jobs)
                path = bench.settings({"bench": harp.url}, 64)
                if held:
                    other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                    other.execute("select count(*) from harpsweep.run")
                mark = len(bench.cluster.log())
                figures = bench.run(path)
                bench.check(jobs)
                claims = claims_of(bench.cluster.log()[mark:], "bench")
                claims = claims[2:-2]
                few = max(5, len(claims) // 10)
                first, last = statistics.median(claims[:few]), statistics.median(claims[-few:])
                buffers = scanned(bench), scanned(bench, "find")
                other.rollback()
            bench.say("held from before the first to after the last" if held else "none held", f"{first:.1f} ms", f"{last:.1f} ms",
                      f"{last / first:.2f}", f"{jobs / figures['wall']:.0f}", *buffers)
        bench.ask("vacuum harpsweep.job")
        bench.say("after the snapshot, and a vacuum", "", "", "", "", scanned(bench), scanned(bench, "find"))
    finally:
        bench.ask("alter database bench reset log_min_duration_statement")


def bouncer(bench):
    from harness.pgbouncer import PgBouncer  # pylint: disable=import-outside-toplevel

    bench.title("20 runs at once through PgBouncer, one server connection", "errors", "seconds", "longest ms")
    jobs = 4000
    bench.empty()
    with Harp(5) as harp, PgBouncer(bench.cluster, pool_size=1) as pool:
        bench.due(jobs)
        path = bench.settings({"bench": harp.url}, 8, conninfo=pool.conninfo("bench", "postgres"))
        bench.ask("alter database bench set log_min_duration_statement = 0")
        mark = len(bench.cluster.log())
        began = time.monotonic()
        runs = [subprocess.Popen([PROGRAM, "-c", path, "run"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                for _ in range(20)]
        said = [run.communicate() for run in runs]
        took = time.monotonic() - began
        bench.ask("alter database bench reset log_min_duration_statement")
        errors = [err for run, (_, err) in zip(runs, said) if run.returncode != 0]
        if errors:
            print(errors[0])
        bench.check(jobs)
        # Statements of one exchange are one transaction: what the server logged for each, summed up to its Sync.
        longest = max(float(ms) for ms in re.findall(r"@bench LOG: +duration: ([0-9.]+) ms", bench.cluster.log()[mark:]))
    bench.say(f"{jobs} jobs of 5 ms", len(errors), f"{took:.2f}", f"{longest:.1f}")


def trigger(bench):
    bench.title("the trigger on AppAPI's status updates")
    done = measure(["/usr/bin/python3", ROOT / "tests" / "bench" / "trigger_cost.py"])
    for line in done["out"].strip().splitlines():
        print("  " + line)
