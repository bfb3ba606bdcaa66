"""Everything that a phase needs and that is gone after it: a primary with its standby, PgBouncer, stand-ins for HaRP,
and the actors' threads."""

import contextlib
import os
import pathlib
import tempfile
import threading
import time
import traceback

import psycopg

from chaos import recording
from chaos.runs import Runs, faketime
from harness.pair import Pair
from harness.pgbouncer import PgBouncer
from harness.rows import NEVER_RINGING
from harness.standin import KEY, Standin

AUDIT = pathlib.Path(__file__).with_name("audit.sql")
RECONNECT_S = 60
GIVE_UP_S = 10  # for an actor's end when the phase failed


class Harp(Standin):
    """A stand-in that several threads talk to, with a file for its log."""

    def __init__(self, name, folder):
        super().__init__(listen="0.0.0.0:0", log=folder / f"requests.{name}.jsonl")
        self.name = name
        self._turn = threading.Lock()

    def tell(self, do, **call):
        with self._turn:
            return super().tell(do, **call)


class Session:
    """A connection that finds the primary again."""

    def __init__(self, conninfo, app):
        self.conninfo, self.app = conninfo, app
        self._connection = None

    def run(self, sql, values=()):
        """Its rows. psycopg.OperationalError: the connection was lost, and whether it happened is unknown."""
        limit = time.monotonic() + RECONNECT_S
        while self._connection is None or self._connection.closed:
            try:
                self._connection = psycopg.connect(self.conninfo(), application_name=self.app, autocommit=True,
                                                   connect_timeout=5, options="-c statement_timeout=10s")
            except psycopg.OperationalError:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.1)
        try:
            cursor = self._connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []
        except psycopg.OperationalError:
            self._connection.close()
            raise

    def close(self):
        if self._connection is not None:
            self._connection.close()


class Scene:
    """`with Scene(plan, folder) as scene:` and then act(), settle() by play.py."""

    database, worker, key = "chaos", "cron_user", KEY

    def __init__(self, plan, folder):
        self.plan = plan
        self.journal = recording.Journal(folder)
        self.harps, self.threads, self.crashes = [], [], []
        self.containers = []  # (stand-in, name)
        self.harp_of, self.lost_refs = {}, []  # by image; images whose job went with a failover
        self.storm = threading.Event()
        self.began = 0.0
        self.pair = self.bouncer = self.runs = None
        self._bouncer_turn = threading.Lock()
        self._clock_file = None
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_):
        self.storm.clear()
        self.runs.close()  # where all went well, there is none any more
        for thread in self.threads:
            thread.join(GIVE_UP_S)
        self._stack.close()

    def _start(self):
        self._stack.enter_context(self.journal)
        environment = {}
        if self.plan.clock_steps:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="harpsweep-clock-"))
            os.chmod(folder, 0o755)  # for the server's account
            self._clock_file = pathlib.Path(folder) / "shift"
            self.set_clock(0)
            environment = faketime(FAKETIME_TIMESTAMP_FILE=str(self._clock_file), FAKETIME_NO_CACHE="1")
        self.pair = self._stack.enter_context(Pair(
            {"track_commit_timestamp": "on", "max_connections": "150", "shared_buffers": "128MB",
             "autovacuum_naptime": "5s"}, environment))
        primary = self.pair.primary
        primary.create_database(self.database)
        primary.install(self.database)
        primary.run_file(self.database, AUDIT)
        primary.execute(NEVER_RINGING, self.database)  # runs look where a trigger says so, and nowhere else
        if self._clock_file is not None:
            primary.execute("create or replace function chaos.shift() returns float8 language sql as $$"
                            f"select extract(epoch from pg_read_file('{self._clock_file}')::interval)::float8$$",
                            self.database)
        primary.execute(f"create role {self.worker} login in role harpsweep_worker", self.database)
        for number in range(self.plan.daemons):
            self.harps.append(self._stack.enter_context(Harp(f"harp-{number + 1}", self.journal.folder)))
        self.bouncer = self._stack.enter_context(PgBouncer(primary, pool_size=1))
        self.bouncer.conninfo(self.database, self.worker)
        self.runs = Runs(self)
        self.journal.write("plan.json", {**vars(self.plan), "host_began": time.time()})

    # For actors.

    def session(self, app):
        session = Session(lambda: self.pair.conninfo(self.database), app)
        self._stack.callback(session.close)
        return session

    def bouncer_conninfo(self):
        return f"host=127.0.0.1 port={self.bouncer.port} dbname={self.database} user={self.worker}"

    def restart_bouncer(self, cluster=None):
        """cluster: where it leads from now on."""
        with self._bouncer_turn:
            if cluster is None:
                self.bouncer.restart()
            else:
                self.bouncer.lead_to(cluster)

    def set_clock(self, shift):
        """Steps the database's clock, so many seconds from the true one."""
        new = self._clock_file.with_suffix(".new")
        new.write_text(f"{shift:+d}s\n", encoding="ascii")
        os.chmod(new, 0o644)
        new.rename(self._clock_file)
        self.journal.note("events", at=time.time(), what="clock", shift=shift)

    def wait_until(self, moment):
        """So many seconds after the storm began."""
        time.sleep(max(0, self.began + moment - time.monotonic()))

    def seconds_left(self):
        return self.began + self.plan.seconds - time.monotonic()

    def begin(self):
        self.began = time.monotonic()
        self.storm.set()

    def start(self, actor, *arguments):
        """A thread for an actor; what it raises ends the phase."""
        def body():
            try:
                actor(self, *arguments)
            except Exception:  # pylint: disable=broad-except
                self.crashes.append(traceback.format_exc())
                self.storm.clear()

        thread = threading.Thread(target=body, name=str(arguments[:1]), daemon=True)
        self.threads.append(thread)
        thread.start()

    def end(self):
        """Ends the storm, waits for the actors."""
        self.storm.clear()
        for thread in self.threads:
            thread.join()
        if self.crashes:
            raise RuntimeError("an actor of the test crashed:\n" + "\n".join(self.crashes))
