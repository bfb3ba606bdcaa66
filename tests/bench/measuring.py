"""What all measurements share: a program's cost, the fast stand-in, a database, tables of figures."""

import contextlib
import json
import os
import pathlib
import re
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

from harness.nextcloud import Nextcloud  # noqa: E402  pylint: disable=wrong-import-position
from harness.watch import deploy_and_observe  # noqa: E402  pylint: disable=wrong-import-position

BUILD = ROOT / "build" / "bench"
FIGURES = BUILD / "figures.json"
PROGRAM = ROOT / "bin" / "harpsweep"
KEY = "bench-key"

# A job of the table that is due, and one that is done, as columns of a select over i.
DUE = """insert into harpsweep.job (daemon, appid, image_ref, event, state, orphaned_at, grace_hours, not_before, next_at)
         select {daemon}, 'app' || i % 50, 'registry.example/apps/app' || i % 50 || ':' || i, 'uninstall', 'pending',
                due - interval '1 day', 24, due, due
           from generate_series({first}, {last}) i
                cross join lateral (select now() + {age} + (i - {first}) * interval '1 millisecond' as due) d"""
DONE = """insert into harpsweep.job (daemon, appid, image_ref, event, state, orphaned_at, grace_hours, not_before, next_at,
                                     finished_at, bytes_freed)
          select 'bench', 'app', 'registry.example/apps/app:' || i, 'uninstall', 'removed', now() - interval '9 days', 24,
                 now() - interval '8 days', null, now() - interval '7 days', 1000
            from generate_series(1, {count}) i"""


class Wrong(Exception):
    """A run that must not count."""


def measure(command, codes=(0,), environment=None):
    """Runs a command; returns wall seconds, CPU seconds, peak memory in kB and what it printed."""
    with tempfile.NamedTemporaryFile("r", prefix="harpsweep-cost-") as cost:
        done = subprocess.run([BUILD / "launch", cost.name, *map(str, command)], capture_output=True, text=True, check=False,
                              env={**os.environ, **(environment or {})})
        if done.returncode not in codes:
            raise Wrong(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
        wall, cpu, rss = map(float, cost.read().split())
    return {"wall": wall, "cpu": cpu, "rss": rss, "out": done.stdout, "err": done.stderr}


def median(figures, key):
    return statistics.median(figure[key] for figure in figures)


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


@contextlib.contextmanager
def mute():
    """The URL of a daemon that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


class Bench:
    """A database with harpsweep's schema, settings for it, and the table of figures."""

    def __init__(self, cluster, folder, runs, history):
        self.cluster = cluster
        self.folder = pathlib.Path(folder)
        self.runs = runs
        self.history = history
        self.conninfo = cluster.create_database("bench")
        cluster.install("bench")
        self.connection = psycopg.connect(self.conninfo, autocommit=True)
        self.key = self.folder / "key"
        self.key.write_text(KEY + "\n")
        self.key.chmod(0o600)
        self.figures = FIGURES.exists() and json.loads(FIGURES.read_text()) or {}
        self.kept = set()

    def ask(self, sql, *arguments):
        cursor = self.connection.execute(sql, arguments or None)
        return cursor.fetchone() if cursor.description else None

    def settle(self):
        self.ask("vacuum (index_cleanup on, analyze) harpsweep.job")
        self.ask("checkpoint")

    def empty(self):
        self.ask("truncate harpsweep.job, harpsweep.run, harpsweep.daemon restart identity cascade")

    def due(self, count, daemon="'bench'", age="-interval '1 day'", first=1):
        """Adds so many jobs. daemon: an SQL expression over i. age: when the first of them became due."""
        self.ask(DUE.format(daemon=daemon, age=age, first=first, last=first + count - 1))
        self.settle()

    def done(self, count):
        self.ask(DONE.format(count=count))
        self.settle()

    def watched(self, name):
        """Another database, with Nextcloud's tables, watched, and an app as it was seen last; returns its conninfo."""
        conninfo = self.cluster.create_database(name)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            nextcloud = Nextcloud(connection).create_tables()
            self.cluster.install(name, nextcloud="on")
            nextcloud.add_daemon()
            deploy_and_observe(nextcloud, connection, "app")
        return conninfo

    def settings(self, daemons, slots=8, verify="no", conninfo=None, name="bench", more="", cleanup=""):
        """daemons: URL by name. more, cleanup: further lines of [harp] and of [cleanup]."""
        path = self.folder / f"{name}.ini"
        path.write_text(
            f"[database]\nconninfo = {conninfo or self.conninfo}\n\n[cleanup]\nverify = {verify}\n{cleanup}\n\n"
            f"[harp]\nshared_key_file = {self.key}\n{more}\n[run]\n"
            f"max_parallel = {slots}\nmax_parallel_per_daemon = {slots}\n"
            + "".join(f"\n[daemon:{daemon}]\nurl = {url}\n" for daemon, url in daemons.items()))
        path.chmod(0o600)
        return path

    def run(self, path, **more):
        return measure([PROGRAM, "-c", path, "run"], **more)

    def check(self, jobs, where="true"):
        """Every job has its result, and no other row is there."""
        states = self.ask("select count(*) filter (where state = 'removed' and bytes_freed > 0), count(*)"
                          f" from harpsweep.job where {where}")
        if states != (jobs, jobs):
            raise Wrong(f"the table holds {states} instead of {jobs} results")

    def server_cpu(self):
        """CPU seconds of the server's sessions that have ended."""
        fields = pathlib.Path(f"/proc/{self.cluster.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def sweep(self, harp, slots, jobs, verify="no"):
        """One run over so many due rows; checked by what the stand-in saw and what the table says."""
        path = self.settings({"bench": harp.url}, slots, verify)
        self.empty()
        self.due(jobs)
        before = harp.count()
        figures = self.run(path)
        seen = harp.count() - before
        wanted = jobs * (2 if verify == "yes" else 1) + 1
        if seen != wanted:
            raise Wrong(f"the stand-in saw {seen} requests instead of {wanted}")
        self.check(jobs)
        return figures

    def curl(self, harp, slots, jobs, verify="no"):
        """The same requests from curl's own tool, without a database."""
        config = self.folder / f"curl-{jobs}-{verify}.conf"
        if not config.exists():
            keys = f'header = "harp-shared-key: {KEY}"\nheader = "docker-engine-port: 24000"\noutput = "/dev/null"\nsilent\n'
            requests = []
            for number in range(1, jobs + 1):
                image = f"registry.example/apps/app{number % 50}:{number}"
                if verify == "yes":
                    requests.append(f'url = "URL/exapps/app_api/images/{image}/json"\n{keys}')
                requests.append(f'url = "URL/exapps/app_api/docker/exapp/image_remove"\n{keys}'
                                f'header = "Content-Type: application/json"\ndata = "{{\\"image_ref\\": \\"{image}\\"}}"\n')
            config.write_text("next\n".join(requests))
        (self.folder / "curl.conf").write_text(config.read_text().replace('"URL', '"' + harp.url))
        before = harp.count()
        figures = measure(["curl", "--parallel", "--parallel-immediate", "--parallel-max", slots, "--no-progress-meter",
                           "--config", self.folder / "curl.conf"])
        if harp.count() - before != jobs * (2 if verify == "yes" else 1):
            raise Wrong(f"curl sent {harp.count() - before} requests")
        return figures

    def turns(self, *measured, runs=None):
        """All in turn, so that the machine's mood hits all; the first turn is a warm-up."""
        figures = [[] for _ in measured]
        for turn in range((runs or self.runs) + 1):
            for call, to in zip(measured, figures):
                figure = call()
                if turn > 0:
                    to.append(figure)
        return figures

    def title(self, name, *cells):
        print(f"\n{name:<64}" + "".join(f"{cell:>13}" for cell in cells), flush=True)

    def say(self, name, *cells):
        print(f"  {name:<62}" + "".join(f"{cell:>13}" for cell in cells), flush=True)

    def keep(self, series, *point):
        """For the plots. What other parts measured before stays."""
        if series not in self.kept:
            self.kept.add(series)
            self.figures[series] = []
        self.figures[series].append(point)
        FIGURES.write_text(json.dumps(self.figures, indent=1) + "\n")


def ratios(first, second, key="wall"):
    """Of what was measured in the same turn."""
    return [one[key] / other[key] for one, other in zip(first, second)]


def uri(conninfo):
    """The same as a URI, for programs that take nothing else; a socket's folder goes into a parameter."""
    parts = dict(re.findall(r"(\w+)='([^']*)'", conninfo))
    return f"postgresql://{parts['user']}@/{parts['dbname']}?host={parts['host']}&port={parts['port']}"


def wait_for(what, seconds=30):
    limit = time.monotonic() + seconds
    while not what():
        if time.monotonic() > limit:
            raise Wrong("it did not come")
        time.sleep(0.05)
