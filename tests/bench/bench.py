#!/usr/bin/python3
"""Measures harpsweep on a temporary PostgreSQL cluster (fsync on) and a fast HaRP stand-in.

Every figure stands beside one of something else that was run in the same minute: `curl --parallel`
sending the same requests without a database, or a bare libpq program that connects and selects. Medians
of --runs; the machine's own noise is shown as min and max. A run counts only if the stand-in saw exactly
the requests that it should have seen and the table holds exactly the results.
"""

import argparse
import contextlib
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import psycopg

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from harness.cluster import Cluster  # noqa: E402

BUILD = ROOT / "build" / "bench"
PROGRAM = ROOT / "bin" / "harpsweep"
KEY = "bench-key"


class Wrong(Exception):
    """A run that must not count."""


def measure(command):
    """Runs a command; returns wall seconds, CPU seconds and peak memory in kB."""
    with tempfile.NamedTemporaryFile("r", prefix="harpsweep-cost-") as cost:
        done = subprocess.run([BUILD / "launch", cost.name, *command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Wrong(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
        wall, cpu, rss = map(float, cost.read().split())
    return {"wall": wall, "cpu": cpu, "rss": rss}


class Harp:
    """The fast stand-in, with one delay for all answers."""

    def __init__(self, delay_ms):
        self.process = subprocess.Popen(
            [BUILD / "fastharp", "--listen", "127.0.0.1:0", "--delay-ms", str(delay_ms)],
            stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()

    def count(self):
        """Requests seen so far, of all kinds."""
        with urllib.request.urlopen(self.url + "/count", timeout=10) as answer:
            return int(answer.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


class Bench:
    def __init__(self, cluster, folder, runs):
        self.cluster = cluster
        self.folder = pathlib.Path(folder)
        self.runs = runs
        self.conninfo = cluster.create_database("bench")
        cluster.install("bench")
        self.connection = psycopg.connect(self.conninfo, autocommit=True)
        self.key = self.folder / "key"
        self.key.write_text(KEY + "\n")
        self.key.chmod(0o600)
        self.rows = []

    def ask(self, sql, *arguments):
        cursor = self.connection.execute(sql, arguments or None)
        return cursor.fetchone() if cursor.description else None

    def empty(self):
        self.ask("truncate harpsweep.job, harpsweep.run, harpsweep.daemon restart identity")

    def due(self, count):
        self.empty()
        self.ask(
            """insert into harpsweep.job (daemon, appid, image_ref, event, state, orphaned_at, grace_hours, not_before,
                                          next_at)
               select 'bench', 'app' || i % 50, 'registry.example/apps/app' || i % 50 || ':' || i, 'uninstall',
                      'pending', now() - interval '2 days', 24, now() - interval '1 day',
                      now() - interval '1 day' + i * interval '1 millisecond'
                 from generate_series(1, %s) i""".replace("% 50", "%% 50"), count)
        self.ask("vacuum (analyze) harpsweep.job")
        self.ask("checkpoint")

    def finished(self, count):
        self.empty()
        self.ask(
            """insert into harpsweep.job (daemon, appid, image_ref, event, state, orphaned_at, grace_hours, not_before,
                                          next_at, finished_at, bytes_freed)
               select 'bench', 'app', 'registry.example/apps/app:' || i, 'uninstall', 'removed',
                      now() - interval '9 days', 24, now() - interval '8 days', null,
                      now() - interval '7 days', 1000
                 from generate_series(1, %s) i""", count)
        self.ask("vacuum (analyze) harpsweep.job")
        self.ask("checkpoint")

    def settings(self, url, slots, verify="no"):
        path = self.folder / f"bench-{slots}-{verify}.ini"
        path.write_text(
            f"[database]\nconninfo = {self.conninfo}\n\n[cleanup]\nverify = {verify}\n\n[run]\n"
            f"max_parallel = {slots}\nmax_parallel_per_daemon = {slots}\n\n[daemon:bench]\nurl = {url}\n"
            f"shared_key_file = {self.key}\n")
        path.chmod(0o600)
        return path

    def sweep(self, harp, slots, jobs, verify="no"):
        """One run over `jobs` due rows; checked by what the stand-in saw and what the table says."""
        path = self.settings(harp.url, slots, verify)
        self.due(jobs)
        before = harp.count()
        figures = measure([PROGRAM, "-c", path, "run"])
        seen = harp.count() - before
        wanted = jobs * (2 if verify == "yes" else 1) + 1
        if seen != wanted:
            raise Wrong(f"the stand-in saw {seen} requests instead of {wanted}")
        states = self.ask("select count(*) filter (where state = 'removed' and bytes_freed > 0), count(*)"
                          " from harpsweep.job")
        if states != (jobs, jobs):
            raise Wrong(f"the table holds {states} instead of {jobs} results")
        return figures

    def curl(self, harp, slots, jobs):
        """The same requests from curl's own tool, without a database."""
        config = self.folder / f"curl-{jobs}.conf"
        if not config.exists():
            with config.open("w") as file:
                for number in range(1, jobs + 1):
                    file.write(
                        f'{"next" if number > 1 else ""}\nurl = "{harp.url}/exapps/app_api/docker/exapp/image_remove"\n'
                        f'header = "harp-shared-key: {KEY}"\nheader = "docker-engine-port: 24000"\n'
                        f'header = "Content-Type: application/json"\noutput = "/dev/null"\nsilent\n'
                        f'data = "{{\\"image_ref\\": \\"registry.example/apps/app{number % 50}:{number}\\"}}"\n')
        text = config.read_text()
        config.write_text(__import__("re").sub(r"http://127\.0\.0\.1:\d+", harp.url, text))
        before = harp.count()
        figures = measure(["curl", "--parallel", "--parallel-immediate", "--parallel-max", str(slots), "--no-progress-meter",
                           "--config", str(config)])
        if harp.count() - before != jobs:
            raise Wrong(f"curl sent {harp.count() - before} requests instead of {jobs}")
        return figures

    def pairs(self, ours, theirs):
        """Both in turn, so that the machine's mood hits both."""
        mine, other = [], []
        for turn in range(self.runs + 1):
            first, second = ours(), theirs()
            if turn > 0:  # the first is a warm-up
                mine.append(first)
                other.append(second)
        return mine, other

    def say(self, name, *cells):
        line = f"{name:<58}" + "".join(f"{cell:>14}" for cell in cells)
        print(line, flush=True)
        self.rows.append(line)


def median(figures, key):
    return statistics.median(figure[key] for figure in figures)


def throughput(bench):
    bench.say("throughput, verify = no", "jobs/s", "curl", "ratio", "of ideal", "CPU us/job")
    for delay, slots, jobs in ((0, 1, 2000), (0, 8, 4000), (0, 64, 8000), (50, 1, 40), (50, 8, 320), (50, 64, 2000)):
        with Harp(delay) as harp:
            mine, other = bench.pairs(lambda: bench.sweep(harp, slots, jobs), lambda: bench.curl(harp, slots, jobs))
        wall, theirs = median(mine, "wall"), median(other, "wall")
        ideal = jobs / slots * delay / 1000
        bench.say(f"  {jobs} jobs, answers after {delay} ms, {slots} slots", f"{jobs / wall:.0f}", f"{jobs / theirs:.0f}",
                  f"{theirs / wall:.2f}", f"{wall / ideal:.3f}" if ideal else "-",
                  f"{median(mine, 'cpu') / jobs * 1e6:.0f}")
    with Harp(0) as harp:
        figures = [bench.sweep(harp, 64, 8000, "yes") for _ in range(bench.runs)]
    bench.say("  8000 jobs, 0 ms, 64 slots, verify = yes (2 requests each)", f"{8000 / median(figures, 'wall'):.0f}")


def limit_of_the_standin(bench):
    with Harp(0) as harp:
        out = subprocess.run([BUILD / "fastharp", "--load", harp.url, "--connections", "64", "--seconds", "3"],
                             check=True, capture_output=True, text=True).stdout.strip()
    bench.say("the stand-in's own limit at 64 connections, requests/s", out)


def job_buffers(bench):
    """Pages of the job table's indexes touched so far; backends report when they exit."""
    time.sleep(0.05)
    return bench.ask("select coalesce(sum(idx_blks_read + idx_blks_hit), 0)::bigint from pg_statio_all_indexes"
                     " where schemaname = 'harpsweep' and relname = 'job'")[0]


def scanned(bench):
    """Pages of the job table and its indexes that the statement of an idle run touches when it is executed."""
    text = (ROOT / "sql" / "queries" / "find.sql").read_text()
    plan = bench.ask("explain (analyze, buffers, format json) " + text)[0][0]["Plan"]

    def scans(node):
        return (node["Shared Hit Blocks"] + node["Shared Read Blocks"] if node.get("Relation Name") == "job" else 0) + sum(
            scans(child) for child in node.get("Plans", []))

    return scans(plan)


def idle(bench):
    bench.say("idle run", "ms", "bare libpq", "ratio", "job buffers", "with planner", "WAL bytes", "xids")
    for history in (0, 1_000_000):
        bench.finished(history)
        with Harp(0) as harp:
            path = bench.settings(harp.url, 8)
            run = [PROGRAM, "-c", path, "run"]
            mine, other = [], []
            for turn in range(bench.runs * 4 + 2):
                first = measure(run)
                second = measure([BUILD / "bare", bench.conninfo])
                if turn > 1:
                    mine.append(first)
                    other.append(second)
            if harp.count() != 0:
                raise Wrong("an idle run sent a request")
            buffers, wal, xids = [], [], []
            for _ in range(bench.runs):
                before = (job_buffers(bench), bench.ask("select pg_current_wal_insert_lsn() - '0/0'")[0],
                          bench.ask("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")[0])
                measure(run)
                after = (job_buffers(bench), bench.ask("select pg_current_wal_insert_lsn() - '0/0'")[0],
                         bench.ask("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")[0])
                buffers.append(after[0] - before[0])
                wal.append(after[1] - before[1])
                xids.append(after[2] - before[2])
        wall, theirs = median(mine, "wall"), median(other, "wall")
        bench.say(f"  {history} finished rows", f"{wall * 1000:.1f}", f"{theirs * 1000:.1f}", f"{wall / theirs:.2f}",
                  scanned(bench), f"{statistics.median(buffers):.0f}", f"{statistics.median(wal):.0f}", f"{statistics.median(xids):.0f}")


def memory(bench):
    bench.say("peak memory", "MB")
    for jobs in (10, 100_000):
        with Harp(0) as harp:
            figures = bench.sweep(harp, 64, jobs)
        bench.say(f"  {jobs} due rows", f"{figures['rss'] / 1024:.1f}")


def database_cost(bench):
    bench.say("database, per job", "buffers", "WAL bytes", "commits")
    for history in (0, 1_000_000):
        jobs = 2000
        with Harp(50) as harp:
            path = bench.settings(harp.url, 64)
            bench.finished(history)
            bench.ask("""insert into harpsweep.job (daemon, appid, image_ref, state, orphaned_at, grace_hours, not_before,
                                                    next_at)
                         select 'bench', 'app', 'registry.example/apps/new:' || i, 'pending', now() - interval '2 days', 24,
                                now() - interval '1 day', now() - interval '1 day' + i * interval '1 millisecond'
                           from generate_series(1, %s) i""", jobs)
            bench.ask("vacuum (analyze) harpsweep.job")
            bench.ask("checkpoint")
            sql = """select (select sum(heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)
                               from pg_statio_all_tables where schemaname = 'harpsweep')::bigint,
                            (pg_current_wal_insert_lsn() - '0/0')::bigint,
                            (select xact_commit from pg_stat_database where datname = 'bench')"""
            time.sleep(1.2)
            before = bench.ask(sql)
            measure([PROGRAM, "-c", path, "run"])
            time.sleep(1.2)
            after = bench.ask(sql)
        buffers, wal, commits = (second - first for first, second in zip(before, after))
        bench.say(f"  {jobs} jobs of 50 ms, 64 slots, {history} finished rows", f"{buffers / jobs:.1f}", f"{wal / jobs:.0f}",
                  f"{(commits - 1) / jobs:.4f}")


def of_four(bench, urls, jobs):
    """A run with so many jobs for each of these daemons: seconds from the first claim to the last result of the first four."""
    path = bench.folder / "bench-outage.ini"
    path.write_text(f"[database]\nconninfo = {bench.conninfo}\n\n[cleanup]\nverify = no\n\n[harp]\ntimeout = 5s\n"
                    f"shared_key_file = {bench.key}\n"
                    + "".join(f"\n[daemon:d{number}]\nurl = {url}\n" for number, url in enumerate(urls)))
    path.chmod(0o600)
    bench.empty()
    bench.ask("""insert into harpsweep.job (daemon, appid, image_ref, state, orphaned_at, grace_hours, not_before, next_at)
                 select 'd' || d, 'app', 'registry.example/app:' || i, 'pending', now() - interval '2 days', 24,
                        now() - interval '1 day', now() - interval '1 day' + i * interval '1 millisecond'
                   from generate_series(0, %s) d, generate_series(1, %s) i""", len(urls) - 1, jobs)
    bench.ask("vacuum (analyze) harpsweep.job")
    bench.ask("checkpoint")
    subprocess.run([PROGRAM, "-c", path, "run"], capture_output=True, check=False)
    seconds, done, others = bench.ask(
        """select extract(epoch from max(finished_at) - min(claimed_at))::float8, count(*),
                  (select count(*) from harpsweep.job where daemon = 'd4' and state = 'pending' and failures = 0)
             from harpsweep.job where state = 'removed' and daemon < 'd4'""")
    if done != 4 * jobs or others != jobs * (len(urls) - 4):
        raise Wrong(f"the four daemons that are well finished {done} jobs instead of {4 * jobs}, the fifth kept {others}")
    return seconds


def outage(bench):
    jobs = 300
    bench.say("one daemon of five is down", "s", "without it", "ratio", "least", "most")
    with contextlib.ExitStack() as stack:
        well = [stack.enter_context(Harp(50)).url for _ in range(4)]
        mute = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128))
        for name, url in (("says nothing", f"http://127.0.0.1:{mute.getsockname()[1]}"), ("refuses", "http://127.0.0.1:9")):
            five, four = bench.pairs(lambda: of_four(bench, [*well, url], jobs),  # pylint: disable=cell-var-from-loop
                                     lambda: of_four(bench, well, jobs))
            ratios = [one / other for one, other in zip(five, four)]
            bench.say(f"  it {name}: the others' {4 * jobs} jobs of 50 ms", f"{statistics.median(five):.2f}",
                      f"{statistics.median(four):.2f}", f"{statistics.median(ratios):.3f}", f"{min(ratios):.3f}",
                      f"{max(ratios):.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=("throughput", "idle", "memory", "database", "outage"))
    arguments = parser.parse_args()
    parts = {"throughput": throughput, "idle": idle, "memory": memory, "database": database_cost,
             "outage": outage}
    with tempfile.TemporaryDirectory(prefix="harpsweep-bench-") as folder, Cluster(fsync=True) as cluster:
        bench = Bench(cluster, folder, arguments.runs)
        if arguments.only in (None, "throughput"):
            limit_of_the_standin(bench)
        for name, part in parts.items():
            if arguments.only in (None, name):
                part(bench)


if __name__ == "__main__":
    main()
