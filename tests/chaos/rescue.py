"""How long a job waits after kill -9 of its run: default settings, and a run every minute as from cron. In real time,
beside everything else, with a database and a stand-in of its own."""

import contextlib
import pathlib
import random
import signal
import statistics
import subprocess
import tempfile
import threading
import time

import psycopg

from harness.cluster import Cluster
from harness.program import Program
from harness.standin import Standin

AUDIT = pathlib.Path(__file__).with_name("audit.sql")
CRON_S = 60
VICTIM_S = 5  # from one victim to the next
JOBS = 3  # of a victim
LIMIT_S = 180  # the lease of two minutes, and a minute until cron's next run
# The next claim of each job that a victim held when it was killed: after how many seconds, and by which process. Its
# number alone does not tell a victim: the system gives the same one again.
WAITS = """
select extract(epoch from n.at)::float8 - %(killed)s, split_part(n.claimed_by, ':', 2)::int
from chaos.audit a
     left join lateral (select c.at, c.claimed_by from chaos.audit c
                        where c.id = a.id and c.seq > a.seq and c.state = 'claimed' order by c.seq limit 1) n on true
where a.claimed_by like %(pid)s and a.state = 'claimed' and a.old_state = 'pending'
  and extract(epoch from a.at) between %(began)s and %(killed)s
  and not exists (select from chaos.audit r where r.id = a.id and r.seq > a.seq and r.old_state = 'claimed'
                                              and r.attempts = a.attempts)"""


class Ward:
    def __init__(self, folder, cluster, harp, seed):
        self.harp, self.dice = harp, random.Random(f"{seed} rescue")
        self.program = Program(folder, cluster.conninfo("x"), harp.url)
        self.connection = psycopg.connect(cluster.conninfo("x"), autocommit=True)
        self.over = threading.Event()
        self.kills = []  # (process ID, when it began, when it was killed)
        self.others = []
        self.started = []  # (process ID, when cron started it)

    def cron(self):
        tick = time.monotonic()
        while not self.over.wait(max(0, tick - time.monotonic())):
            begin = time.time()
            self.others.append(self.program.start("run"))
            self.started.append((self.others[-1].pid, begin))
            tick += CRON_S

    def victims(self):
        number = 0
        while not self.over.wait(VICTIM_S):
            number += 1
            refs = [f"victim:{number}-{job}" for job in range(JOBS)]
            for ref in refs:
                self.harp.add_image(ref)
            self.connection.execute("select harpsweep.schedule('harp', %s, r, choice => 'now') from unnest(%s::text[]) r",
                                    [f"victim{number}", refs])
            began = time.time()
            run = self.program.start("run", "--app", f"victim{number}")
            time.sleep(self.dice.uniform(0.02, 1.0))
            run.kill()
            killed = time.time()
            run.communicate()
            if run.returncode == -signal.SIGKILL:
                self.kills.append((run.pid, began, killed))

    def waits(self, until):
        """For each job of a victim, seconds until it was attempted again, and until the run that did so was started; for
        one that was not, how long it has waited until now, where that is too long already."""
        found = []
        for pid, began, killed in self.kills:
            rows = self.connection.execute(WAITS, {"pid": f"%:{pid}", "began": began, "killed": killed}).fetchall()
            for waited, rescuer in rows:
                if waited is not None:
                    claimed = killed + waited
                    starts = [begin for other, begin in self.started if other == rescuer and begin <= claimed]
                    found.append((waited, max(starts, default=claimed) - killed))
                elif until - killed > LIMIT_S:
                    found.append((until - killed, until - killed))
        return found


class Measured:
    """lines: what to say. broken: jobs that waited too long, or 1 where nothing was measured."""

    def __init__(self):
        self.lines, self.broken = [], 0

    def take(self, waits, kills):
        if not waits:
            self.lines, self.broken = [f"BROKEN: no job of {kills} killed runs was attempted again"], 1
            return
        # What a busy machine needs from the start of a process to its first claim is not the lease's doing.
        self.broken = sum(start > LIMIT_S for _, start in waits)
        attempts, starts = zip(*waits)
        self.lines = [f"{'BROKEN' if self.broken else 'ok':6} {self.broken:5}  from kill -9 to the run that tries again at most"
                      f" {LIMIT_S} s, with lease = 2m and a run every minute: {len(waits)} jobs of {kills} killed runs",
                      f"              to its start: median {statistics.median(starts):.0f} s, longest {max(starts):.1f} s;"
                      f" to its claim: median {statistics.median(attempts):.0f} s, longest {max(attempts):.1f} s"]


@contextlib.contextmanager
def measuring(enabled, seed):
    """Yields a Measured that holds the result when the block has ended."""
    said = Measured()
    if not enabled:
        yield said
        return
    with tempfile.TemporaryDirectory(prefix="harpsweep-rescue-") as folder, Cluster() as cluster, Standin() as harp:
        cluster.create_database("x")
        cluster.install("x")
        cluster.run_file("x", AUDIT)
        harp.fault(kind="remove", delay=0.4, effect=True)
        ward = Ward(folder, cluster, harp, seed)
        threads = [threading.Thread(target=body, daemon=True) for body in (ward.cron, ward.victims)]
        for thread in threads:
            thread.start()
        try:
            yield said
        finally:
            until = time.time()
            ward.over.set()
            for thread in threads:
                thread.join()
            for run in ward.others:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    run.communicate(timeout=30)
        said.take(ward.waits(until), len(ward.kills))
        ward.connection.close()
