"""Where a run is tortured: a database, an engine and settings of its own, as they were prepared before each run."""

import json
import os
import re
import socket
import subprocess
import time

import psycopg

from harness.nextcloud import Nextcloud
from harness.program import PROGRAM, ROOT, Program
from harness.standin import Standin
from harness.story import Story

TORTURED = ROOT / "build" / "san" / "harpsweep-torture"
KEY = "torture-key-that-nobody-may-see"
LIMIT_S = 40  # for one run, which takes a tenth of a second where nothing stands still
SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=1:exitcode=99:allocator_may_return_null=1",
              "UBSAN_OPTIONS": "print_stacktrace=1:exitcode=99"}

# What differs from run to run, in a row and in words.
PASSING = {"attempts", "duration_ms", "claimed_by", "claim_token", "claimed_at", "token", "pid", "version"}
WORDS = [(re.compile(pattern), word) for pattern, word in (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.]*( UTC|\+00:00|Z)?", "<time>"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<token>"),
    (r"after \d+ ms", "after some ms"),
)]


def make_templates(cluster):
    """Databases to copy, {whether Nextcloud's tables are watched: name}, and a user who may do what a run needs."""
    cluster.create_database("torture_plain")
    cluster.install("torture_plain")
    cluster.execute("create role torture_user login in role harpsweep_worker")
    cluster.create_database("torture_nextcloud", template="torture_plain")
    with psycopg.connect(cluster.conninfo("torture_nextcloud"), autocommit=True) as connection:
        Nextcloud(connection).create_tables()
    cluster.psql("torture_nextcloud", "-v", "ON_ERROR_STOP=1", "-v", "nextcloud=on", "-f",
                 str(ROOT / "sql" / "install.sql"))
    return {False: "torture_plain", True: "torture_nextcloud"}


class Done:
    """How a run ended; code: None where it did not end by itself, negative where a signal ended it."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


class State:
    """What is in the database and in the engine at one moment."""

    def __init__(self, tables, now, images, clean):
        self.raw = (json.dumps(tables, sort_keys=True), images)
        self.tables, self.now, self.images, self._clean = tables, now, images, clean

    def is_same(self, other):
        return self.raw == other.raw

    def jobs(self):
        return self.tables["harpsweep.job"]

    def nextcloud(self):
        """Its own tables, which the program must not write to."""
        return {name: rows for name, rows in self.tables.items() if not name.startswith("harpsweep.")}

    def is_past(self, moment):
        return moment is not None and moment != "-infinity" and moment <= self.now

    def words(self, row):
        """A row without what is another one each time."""
        plain = {name: self._clean(value) for name, value in row.items() if name not in PASSING}
        if "next_at" in row and row["next_at"] not in (None, "-infinity"):
            plain["next_at"] = "past" if self.is_past(row["next_at"]) else "future"
        return plain

    def key(self):
        """Equal for states from which a run cannot but do the same."""
        rows = {name: [self.words(row) for row in rows] for name, rows in self.tables.items() if name != "harpsweep.run"}
        return json.dumps([rows, self.images], sort_keys=True)


class Stage:
    """One database, one stand-in, one settings file."""

    def __init__(self, cluster, name, template, folder):
        self.cluster, self.name, self.folder = cluster, name, folder
        cluster.create_database(name, template=template)
        self.connection = psycopg.connect(cluster.conninfo(name), autocommit=True)
        self.harp = Standin(key=KEY).start()
        self.story = Story(self.connection, self.harp)
        # An address where nobody listens, and nobody else can begin to.
        self.deaf = socket.socket()
        self.deaf.bind(("127.0.0.1", 0))
        self.down = f"127.0.0.1:{self.deaf.getsockname()[1]}"
        self.program = Program(folder, cluster.conninfo(name, user="torture_user"), key=KEY)
        self.settings = None  # a folder of settings files; None: the program's own
        self.log = folder / "failed"
        self.faults = []
        self.saved = None
        self._tables = self._question = self._restore = None
        self.restored = 0

    def close(self):
        self.harp.stop()
        self.deaf.close()
        self.connection.close()
        self.cluster.drop_database(self.name)

    # The prepared state.

    def save(self):
        """What is there now is what restore() brings back."""
        self._tables = [row[0] for row in self.connection.execute(
            "select schemaname || '.' || tablename from pg_tables"
            " where schemaname in ('harpsweep', 'public') and tablename <> 'migration' order by 1")]
        sequences = self.connection.execute(
            "select schemaname || '.' || sequencename, coalesce(last_value, 1), last_value is not null"
            "  from pg_sequences where schemaname in ('harpsweep', 'public')").fetchall()
        rows = ", ".join(f"'{name}', (select coalesce(jsonb_agg(to_jsonb(t) order by to_jsonb(t)::text), '[]')"
                         f" from {name} t)" for name in self._tables)
        self._question = f"select jsonb_build_object({rows})::text, to_jsonb(clock_timestamp())::text"
        # Triggers that would write rows of their own are left out.
        steps = ["set local session_replication_role = replica"]
        self.connection.execute("create schema torture")
        for number, name in enumerate(self._tables):
            columns = self.connection.execute(
                "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute where attrelid = %s::regclass"
                " and attnum > 0 and not attisdropped and attgenerated = ''", (name,)).fetchone()[0]
            self.connection.execute(f"create table torture.saved_{number} as select {columns} from {name}")
            steps += [f"delete from {name}",
                      f"insert into {name} ({columns}) overriding system value select {columns} from torture.saved_{number}"]
        steps += [f"select setval('{name}', {value}, {called})" for name, value, called in sequences]
        self._restore = "begin; " + "; ".join(steps) + "; commit"
        self.harp.remember()
        self.restore()
        self.saved = self.look()

    def add_fault(self, **fault):
        """Something that the stand-in does in every run."""
        self.faults.append(fault)
        self.harp.fault(**fault)

    def restore(self):
        self.connection.execute(self._restore)
        self.harp.recall()
        self.harp.clear_faults()
        for fault in self.faults:
            self.harp.fault(**fault)
        self.restored += 1
        if self.restored % 200 == 0:  # the rows that were, for the plans' sake
            self.connection.execute("vacuum")

    def clean(self, value):
        """Words without what is another one each time."""
        if isinstance(value, str):
            for pattern, word in WORDS:
                value = pattern.sub(word, value)
            value = value.replace(str(self.harp.port), "<harp>").replace(self.down.partition(":")[2], "<down>")
            value = value.replace(str(self.folder), "<folder>")
        return value

    def look(self):
        """What is there now, and stays: a connection that was dropped may still have something to commit."""
        limit = time.monotonic() + 30
        while self.connection.execute("select exists (select from pg_stat_activity where usename = 'torture_user'"
                                      " and datname = current_database())").fetchone()[0]:
            if time.monotonic() > limit:
                raise RuntimeError("the server does not let go of the tortured run's connection")
            time.sleep(0.002)
        tables, now = self.connection.execute(self._question).fetchone()
        return State(json.loads(tables), json.loads(now), self.harp.images(), self.clean)

    def expire(self):
        """Time passes: leases end, retries and rechecks are due, daemons are not left alone any more."""
        self.connection.execute("""
            update harpsweep.job set next_at = greatest(not_before, now() - interval '1 s')
             where state in ('pending', 'claimed') and next_at > now() and not_before <= now();
            update harpsweep.daemon set paused_until = null where paused_until is not null""")

    # Runs.

    def torture(self, arguments, wish):
        """Runs the program with HARPSWEEP_TORTURE=wish; returns how it ended, and the lines of its log."""
        self.log.unlink(missing_ok=True)
        done = self._run(TORTURED, arguments, HARPSWEEP_TORTURE=wish, HARPSWEEP_TORTURE_LOG=str(self.log))
        lines = self.log.read_text(encoding="ascii").splitlines() if self.log.exists() else []
        return done, [(int(number), function, int(ways)) for number, function, ways in map(str.split, lines)]

    def run(self, arguments):
        """Runs the program undisturbed."""
        return self._run(PROGRAM, arguments)

    def _run(self, path, arguments, **environment):
        command = [str(path), "-c", str(self.settings or self.program.settings), *arguments]
        # Not with subprocess.run(): its threads for pipes cost more than the program.
        with open(self.folder / "out", "w+b") as out, open(self.folder / "err", "w+b") as err:
            with subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                                  cwd=self.folder, env={**os.environ, **SANITIZERS, **environment}) as process:
                try:
                    code = process.wait(LIMIT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    code = None
            out.seek(0)
            err.seek(0)
            return Done(code, out.read().decode("utf-8", "replace"), err.read().decode("utf-8", "replace"))
