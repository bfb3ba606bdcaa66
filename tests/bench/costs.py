"""What one visit to an instance costs the host that cron runs on, and its database: what `make simulate` is fed with."""

import contextlib
import os
import statistics
import time

import psycopg

from harness.pgbouncer import PgBouncer

from database import without_autovacuum
from measuring import PROGRAM, Harp, Wrong, measure

INSTANCES = 40
JOBS = 25  # of each instance, in the turn that tells what a further job costs


def cpu_of(pid, reaped=False):
    """CPU seconds of a process so far; reaped: and those of its children that have ended."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:15 if reaped else 13])) / os.sysconf("SC_CLK_TCK")


def server_cpu(postmaster):
    """Of the whole server, those of the backends that have ended included."""
    total = cpu_of(postmaster, reaped=True)
    for pid in children(postmaster):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            total += cpu_of(pid)
    return total


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return file.read().split()


def commits(bench):
    return bench.ask("select sum(xact_commit), pg_current_wal_insert_lsn() - '0/0' from pg_stat_database"
                     " where datname like 'cost%%'")


class Crowd:
    """Instances with Nextcloud's tables, each a database of its own, and one folder of settings."""

    def __init__(self, bench, harp):
        self.bench = bench
        self.harp = harp
        bench.watched("costs_template")
        self.names = [f"cost{number:03}" for number in range(INSTANCES)]
        for name in self.names:
            bench.cluster.create_database(name, template="costs_template")

    def settings(self, kind, conninfo):
        """A folder of them. conninfo: of a database, by its name."""
        folder = self.bench.folder / kind
        folder.mkdir()
        for name in self.names:
            path = self.bench.settings({"bench": self.harp.url}, conninfo=conninfo(name), name="one", verify="yes")
            path.rename(folder / f"{name}.ini")
        return folder

    def fill(self, jobs):
        for name in self.names:
            with psycopg.connect(self.bench.cluster.conninfo(name), autocommit=True) as connection:
                connection.execute("set synchronous_commit = off")
                connection.execute("delete from harpsweep.job")
                if jobs:
                    connection.execute(
                        "select harpsweep.schedule('bench', 'app', 'registry.example/apps/app:' || i, choice => 'now')"
                        " from generate_series(1, %s) i", (jobs,))
                connection.execute("vacuum analyze harpsweep.job")

    def walk(self, jobs, folder, pooler):
        """One run over all, one after the other: seconds of the program (and the pooler, which is on its host), of the server,
        of the clock; commits and WAL bytes."""
        self.fill(jobs)
        time.sleep(1.2)  # a session tells its commits with the end of a later statement
        postmaster = self.bench.cluster.process.pid
        before, traces = (server_cpu(postmaster), pooler and cpu_of(pooler)), commits(self.bench)
        figures = measure([PROGRAM, "-c", folder, "run", "--json", "--max-instances", 1])
        time.sleep(1.2)
        after = commits(self.bench)
        if f'"removed": {jobs * INSTANCES}' not in figures["out"]:
            raise Wrong(figures["out"])
        return (figures["cpu"] + (cpu_of(pooler) - before[1] if pooler else 0), server_cpu(postmaster) - before[0], figures["wall"],
                int(after[0] - traces[0]), int(after[1] - traces[1]))


def median_of(rows):
    """Of each column, for one instance; what is within the noise is nothing."""
    return [max(0.0, statistics.median(column) / INSTANCES) for column in zip(*rows)]


def of_a_visit(bench, series, name, crowd, conninfo, pooler=None):
    # A server connection that stays tells its commits only later.
    told = 3 if pooler else 5
    bench.title(name, *("program ms", "server ms", "wall ms", "commits", "WAL bytes")[:told])
    folder = crowd.settings(series, conninfo)
    turns = [[crowd.walk(jobs, folder, pooler) for jobs in (0, 1, JOBS)] for _ in range(bench.runs + 1)][1:]
    idle = median_of(turn[0] for turn in turns)
    job = median_of([(many - one) / (JOBS - 1) for many, one in zip(turn[2], turn[1])] for turn in turns)
    work = median_of([one - none - each * INSTANCES for one, none, each in zip(turn[1], turn[0], job)] for turn in turns)
    for what, cost in (("nothing is due", idle), ("something is due: more for the visit", work), ("and for each job", job)):
        bench.say(what, *(*(f"{seconds * 1000:.2f}" for seconds in cost[:3]), f"{cost[3]:.2f}", f"{cost[4]:.0f}")[:told])
        bench.keep(series, what, *cost[:told])


def costs(bench):
    with Harp(0) as harp, without_autovacuum(bench):
        crowd = Crowd(bench, harp)
        tcp = bench.cluster.tcp_conninfo
        of_a_visit(bench, "costs", "a visit over TCP, scram, TLS; verify = yes", crowd, lambda name: tcp(name) + " sslmode=require")
        with PgBouncer(bench.cluster) as pool:
            pool.conninfo("bench", "postgres")  # the first one starts it anew
            of_a_visit(bench, "costs_pooled", "a visit through PgBouncer on the same host", crowd,
                       lambda name: pool.conninfo(name, "postgres"), pool.process.pid)
