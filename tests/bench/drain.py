"""How fast due jobs are worked off, beside curl and beside other queues."""

import statistics
import subprocess

import psycopg
from measuring import BUILD, KEY, ROOT, Harp, Wrong, measure, median, ratios, uri, wait_for

PEERS = ROOT / "tests" / "bench" / "peers"


def limit_of_the_standin(harp, slots):
    """Requests/s of a loop that only sends and reads over so many connections. Where answers take their time, that is
    what its timers make of it: in a virtual machine often a millisecond more than was asked for."""
    return float(subprocess.run([BUILD / "fastharp", "--load", harp.url, "--connections", str(slots), "--seconds", "2"],
                                check=True, capture_output=True, text=True).stdout)


def throughput(bench):
    bench.title("drain, beside curl --parallel with the same requests", "jobs/s", "curl", "ratio", "of ideal", "of its limit", "CPU us/job")
    for delay, slots, jobs, verify in ((0, 64, 20000, "no"), (0, 64, 2000, "no"), (0, 64, 10000, "yes"), (0, 8, 8000, "no"),
                                       (50, 8, 2000, "no"), (50, 64, 2000, "no")):
        with Harp(delay) as harp:
            mine, other = bench.turns(lambda: bench.sweep(harp, slots, jobs, verify),
                                      lambda: bench.curl(harp, slots, jobs, verify))
            limit = limit_of_the_standin(harp, slots)
        wall = median(mine, "wall")
        ideal = -(-jobs // slots) * delay / 1000
        bench.say(f"{jobs} jobs, answers after {delay} ms, {slots} slots, verify = {verify}", f"{jobs / wall:.0f}",
                  f"{jobs / median(other, 'wall'):.0f}", f"{statistics.median(ratios(other, mine)):.2f}",
                  f"{ideal / wall:.3f}" if ideal else "-", f"{jobs * (2 if verify == 'yes' else 1) / wall / limit:.3f}",
                  f"{median(mine, 'cpu') / jobs * 1e6:.0f}")


def watched(bench):
    """What the guards cost where Nextcloud's tables are watched: the same jobs in two databases."""
    bench.title("drain where Nextcloud is watched, 20,000 jobs of 0 ms, 64 slots", "jobs/s", "not watched", "ratio")
    jobs = 20000
    places = [(bench.conninfo, bench.connection)]
    conninfo = bench.watched("guarded")
    places.append((conninfo, psycopg.connect(conninfo, autocommit=True)))

    def sweep(place):
        bench.conninfo, bench.connection = place
        return bench.sweep(harp, 64, jobs)

    try:
        with Harp(0) as harp:
            plain, guarded = bench.turns(lambda: sweep(places[0]), lambda: sweep(places[1]))
    finally:
        bench.conninfo, bench.connection = places[0]
        places[1][1].close()
    bench.say("", *(f"{jobs / median(rows, 'wall'):.0f}" for rows in (guarded, plain)),
              f"{statistics.median(ratios(guarded, plain)):.2f}")


def slots(bench):
    bench.title("throughput over slots, jobs/s", "0 ms", "curl", "50 ms", "curl")
    for count in (1, 2, 4, 8, 16, 32, 64, 128):
        cells = []
        for delay in (0, 50):
            jobs = max(100 * count, 2000) if delay == 0 else 20 * count
            with Harp(delay) as harp:
                mine, other = bench.turns(lambda: bench.sweep(harp, count, jobs), lambda: bench.curl(harp, count, jobs), runs=3)
            cells += [jobs / median(mine, "wall"), jobs / median(other, "wall")]
        bench.say(f"{count} slots", *(f"{cell:.0f}" for cell in cells))
        bench.keep("slots", count, *cells)


def events(bench):
    """What harpsweep.job_event costs: the same runs without its trigger."""
    bench.title("history of each job, 20,000 jobs of 0 ms, 64 slots", "with", "without", "ratio")
    jobs = 20000

    def sweep(kept):
        bench.ask(f"alter table harpsweep.job {'enable' if kept else 'disable'} trigger job_changed")
        before = bench.server_cpu()
        figures = bench.sweep(harp, 64, jobs)
        if bench.ask("select count(*) from harpsweep.job_event")[0] != jobs:
            raise Wrong("the events are not those of the jobs")
        wait_for(lambda: bench.server_cpu() > before)
        return {**figures, "server": bench.server_cpu() - before}

    try:
        with Harp(0) as harp:
            mine, other = bench.turns(lambda: sweep(True), lambda: sweep(False))
    finally:
        bench.ask("alter table harpsweep.job enable trigger job_changed")  # the other parts are measured with it
    for name, key in (("wall, us/job", "wall"), ("CPU of the server, us/job", "server")):
        bench.say(name, *(f"{median(rows, key) / jobs * 1e6:.1f}" for rows in (mine, other)),
                  f"{statistics.median(ratios(mine, other, key)):.2f}")


def node(script, *arguments):
    return measure([PEERS / "node_modules" / ".bin" / "node", PEERS / script, *arguments])


def queue(bench, harp, jobs, script, results):
    """Another queue's script, and how many results it left."""
    node(script, "fill", uri(bench.conninfo), jobs)
    figures = node(script, "drain", uri(bench.conninfo), harp.url, 64)
    if bench.ask(results) != (jobs,):
        raise Wrong(f"{script} lost results")
    return figures


def graphile_worker(bench, harp, jobs):
    return queue(bench, harp, jobs, "graphile_worker.mjs", "select count(*) filter (where bytes_freed > 0) from result")


def pg_boss(bench, harp, jobs):
    return queue(bench, harp, jobs, "pg_boss.mjs", "select count(*) from pgboss.job where name = 'remove'"
                 " and state = 'completed' and output is not null")


def php_loop(bench, harp, jobs):
    bench.empty()
    bench.due(jobs)
    figures = measure(["php", PEERS / "loop.php", bench.conninfo, harp.url])
    bench.check(jobs)
    return figures


def bare_loop(bench, harp, jobs):
    """Its table has what it needs and no more."""
    bench.ask("drop table if exists bare_job")
    bench.ask("create table bare_job (id bigint primary key, image_ref text not null, state text not null, next_at timestamptz,"
              " token uuid, finished_at timestamptz, http_status int, bytes_freed bigint)")
    bench.ask("create index on bare_job (id) where state = 'pending'")
    bench.ask("insert into bare_job select i, 'registry.example/apps/app' || i %% 50 || ':' || i, 'pending', now()"
              " from generate_series(1, %s) i", jobs)
    bench.ask("vacuum (analyze) bare_job")
    figures = measure([BUILD / "bare_loop", bench.conninfo, harp.url, "64", KEY])
    if bench.ask("select count(*) from bare_job where state = 'removed'") != (jobs,):
        raise Wrong("the loop lost results")
    return figures


def peers(bench):
    bench.title("drain, 0 ms, beside others in the same turn", "jobs/s", "harpsweep", "ratio", "CPU us/job", "MB")
    for name, drain, jobs in (("pg-boss 12.38.0", pg_boss, 20000), ("pg-boss 12.38.0", pg_boss, 2000),
                              ("graphile-worker 0.18.0, recording", graphile_worker, 20000),
                              ("a loop in PHP, one job at a time", php_loop, 2000),
                              ("a loop in C without guards and history", bare_loop, 20000),
                              ("a loop in C without guards and history", bare_loop, 2000)):
        with Harp(0) as harp:
            def other(call=drain, count=jobs):
                before = harp.count()
                figures = call(bench, harp, count)
                if harp.count() - before != count:
                    raise Wrong(f"{name} sent {harp.count() - before} requests instead of {count}")
                return figures

            mine, theirs = bench.turns(lambda: bench.sweep(harp, 64, max(jobs, 20000) if drain is php_loop else jobs), other)
        factor = 10 if drain is php_loop else 1
        speed = [count / figure for count, figure in ((jobs * factor, median(mine, "wall")), (jobs, median(theirs, "wall")))]
        bench.say(f"{name}, {jobs} jobs", f"{speed[1]:.0f}", f"{speed[0]:.0f}",
                  f"{statistics.median(ratios(theirs, mine)) * factor:.2f}", f"{median(theirs, 'cpu') / jobs * 1e6:.0f}",
                  f"{median(theirs, 'rss') / 1024:.0f}")
