"""Nextcloud instances, their databases, their Docker hosts, and cron hosts that start harpsweep every minute.

A run walks through its instances with a few threads, as src/fleet.c does: each takes the next instance, connects to its
database, asks, and works off what is due before it takes another one. What a step costs was measured (costs.json); what
surrounds harpsweep is assumed (Surroundings).
"""

import collections
import dataclasses
import itertools
import math
import random

from events import Events, Servers

MINUTE = 60.0
QUESTION_LIMIT = 15.0  # src/gateway.h: to a HaRP that says nothing
PAUSE = 600.0          # src/sweep_daemon.c: it is left alone for so long then
TIMEOUT = 90.0         # etc/harpsweep.ini: timeout
AGAIN = 60.0           # the first wait after a failure
SLOTS = 4              # etc/harpsweep.ini: max_parallel_per_daemon


@dataclasses.dataclass
class Costs:
    """Seconds: of the program's CPU and of the server's, for a visit, for one that finds work, for a job."""
    program_visit: float
    server_visit: float
    program_work: float
    server_work: float
    program_job: float
    server_job: float
    commits_visit: float
    commits_work: float
    commits_job: float


@dataclasses.dataclass
class Surroundings:
    """What is assumed, and can be set by --set NAME=VALUE."""
    databases_per_cluster: int = 200    # instances whose databases are in one PostgreSQL cluster
    database_cores: int = 4             # of its host, left for harpsweep
    connections: int = 60               # of its max_connections, left for harpsweep
    cron_cores: int = 4                 # of a cron host
    round_trip: float = 0.0005          # seconds, to a database
    round_trips: int = 8                # of a visit: TCP, TLS, password, two statements; where pooled, those two
    instances_per_docker_host: int = 20
    delete_median: float = 4.0          # seconds, of one image of several GB
    delete_spread: float = 0.8          # lognormal: one in a hundred takes 6 times as long
    events_per_day: float = 0.3         # uninstalls and updates, of one instance
    wave_share: float = 0.5             # of the instances update the same app,
    wave_hours: float = 1.0             # within so many hours
    silent: float = 0.0                 # share of the Docker hosts whose HaRP takes connections and says nothing


@dataclasses.dataclass
class Layout:
    """Who walks through what."""
    instances: int
    cron_hosts: int = 1
    starter: str = "timer"       # or cron, which starts a run also while the one before is still going
    max_instances: int = 8
    each_walks_all: bool = False # else each cron host has its share of the settings
    pooled: bool = False         # through a PgBouncer on the cron host, which keeps one connection to each database


class Job:
    """An image that is due, or a new app to be looked at (look)."""
    __slots__ = ("due", "next_at", "look", "gone_at", "steps", "lag")

    def __init__(self, due, look=False):
        self.due = self.next_at = due
        self.look = look
        self.gone_at = None
        self.steps = None  # seconds of each part of the lag (observe.STEPS)
        self.lag = None


class Cluster:
    def __init__(self, around):
        self.cpu = Servers(around.database_cores)
        self.open = self.most_open = self.refused = 0
        self.commits = 0.0


class CronHost:
    def __init__(self, around, instances):
        self.cpu = Servers(around.cron_cores)
        self.instances = instances
        self.running = self.most_running = 0
        self.started = self.skipped = 0
        self.walks = []
        self.busy = 0         # threads at work
        self.busy_since = 0.0
        self.busy_seconds = 0.0
        self.going_seconds = 0.0  # with a run at least

    def threads(self, now, more):
        if self.busy > 0:
            self.going_seconds += now - self.busy_since
        self.busy_seconds += self.busy * (now - self.busy_since)
        self.busy_since = now
        self.busy += more


class Run:
    """One process over a folder of settings."""

    def __init__(self, host, now):
        self.host = host
        self.began = now
        self.next = 0
        self.threads = 0


class Visit:
    """A thread of a run at one instance that has something to do."""

    def __init__(self, run, instance, began, jobs):
        self.run = run
        self.instance = instance
        self.began = began
        self.waiting = collections.deque(jobs)
        self.open = len(jobs)
        self.proven = False
        self.active = 0


class World:
    """seed: draws everything that is drawn. One part of the cron hosts can stand for all: hosts_simulated."""

    def __init__(self, layout, costs, around, seed, hosts_simulated=None):
        self.layout, self.costs, self.around = layout, costs, around
        self.random = random.Random(seed)
        self.events = Events()
        # Of mean 1: times of service are drawn as often as anything happens, so from many that were drawn before.
        self.draw = itertools.cycle([self.random.expovariate(1) for _ in range(1 << 16)]).__next__
        share = layout.instances if layout.each_walks_all else -(-layout.instances // layout.cron_hosts)
        hosts = layout.cron_hosts if layout.each_walks_all else min(hosts_simulated or layout.cron_hosts, layout.cron_hosts)
        self.count = share if layout.each_walks_all else min(share * hosts, layout.instances)
        self.clusters = [Cluster(around) for _ in range(-(-self.count // around.databases_per_cluster))]
        # Names in a folder say nothing about the cluster.
        names = list(range(self.count))
        if layout.each_walks_all:
            self.random.shuffle(names)
            self.hosts = [CronHost(around, names) for _ in range(hosts)]
        else:
            self.hosts = []
            for number in range(hosts):
                part = names[number * share:(number + 1) * share]
                self.random.shuffle(part)
                self.hosts.append(CronHost(around, part))
        self.engines = [Servers(1) for _ in range(-(-self.count // around.instances_per_docker_host))]
        self.is_silent = [self.random.random() < around.silent for _ in self.engines]
        self.far = around.round_trip * (min(2, around.round_trips) if layout.pooled else around.round_trips)
        self.paused = {}
        self.jobs = {}
        self.deletes = []  # all that can be done: not those of a Docker host that is silent
        for host in self.hosts:
            self.events.at(self.random.uniform(0, 10), self.minute, host)  # AccuracySec=10s

    # ------------------------------------------------------------------ what becomes due

    def note(self, instance, job):
        self.jobs.setdefault(instance, []).append(job)

    def quiet(self, until):
        """Uninstalls and updates at the usual rate; of each update there was a deploy to look at, too."""
        rate = self.around.events_per_day * self.count / 86400
        for look in (False, True):
            moment = self.random.expovariate(rate)
            while moment < until:
                self.events.at(moment, self.arrive, (self.random.randrange(self.count), Job(moment, look)))
                moment += self.random.expovariate(rate)

    def wave(self, begin, until):
        """A day after an app's release, what its updates left behind becomes due: as much of it as falls in this time."""
        for instance in range(self.count):
            moment = begin + self.random.random() * self.around.wave_hours * 3600
            if self.random.random() < self.around.wave_share and moment < until:
                self.events.at(moment, self.arrive, (instance, Job(moment)))

    def arrive(self, what):
        instance, job = what
        if not (self.is_silent[instance // self.around.instances_per_docker_host] or job.look):
            self.deletes.append(job)
        self.note(instance, job)

    # ------------------------------------------------------------------ runs

    def minute(self, host):
        now = self.events.now
        self.events.at(now + MINUTE, self.minute, host)
        if self.layout.starter == "timer" and host.running > 0:
            host.skipped += 1
            return
        host.started += 1
        host.running += 1
        host.most_running = max(host.most_running, host.running)
        run = Run(host, now)
        run.threads = min(self.layout.max_instances, len(host.instances))
        host.threads(now, run.threads)
        for _ in range(run.threads):
            self.take(run)

    def take(self, run):
        """A thread takes the next instance, or ends."""
        host = run.host
        now = self.events.now
        if run.next < len(host.instances):
            instance = host.instances[run.next]
            run.next += 1
            self.events.at(host.cpu.serve(now, self.draw() * self.costs.program_visit), self.connect, (run, instance, now))
            return
        host.threads(now, -1)
        run.threads -= 1
        if run.threads == 0:
            host.running -= 1
            host.walks.append(now - run.began)

    def connect(self, visit):
        run, instance, _ = visit
        now = self.events.now
        cluster = self.clusters[instance // self.around.databases_per_cluster]
        if cluster.open >= self.around.connections and not self.layout.pooled:  # PgBouncer lets nobody be turned away
            cluster.refused += 1
            self.take(run)
            return
        cluster.open += 1
        if cluster.open > cluster.most_open:
            cluster.most_open = cluster.open
        cluster.commits += self.costs.commits_visit
        done = cluster.cpu.serve(now, self.draw() * self.costs.server_visit)
        self.events.at(done + self.far, self.asked, visit)

    def asked(self, what):
        """The database has said what is due."""
        run, instance, began = what
        jobs = self.jobs.get(instance)
        now = self.events.now
        due = []
        if jobs and self.paused.get(instance, 0) <= now:
            due = [job for job in jobs if job.next_at <= now]
        if not due:
            self.leave(run, instance)
            return
        left = [job for job in jobs if job.next_at > now]
        if left:
            self.jobs[instance] = left
        else:
            del self.jobs[instance]
        for job in due:
            start = max(job.next_at, run.began)
            job.steps = [max(0.0, start - job.due), max(0.0, began - start), began]
        visit = Visit(run, instance, began, due)
        self.compute(visit, self.costs.program_work, self.costs.server_work, self.costs.commits_work, self.greet, visit)

    def leave(self, run, instance):
        self.clusters[instance // self.around.databases_per_cluster].open -= 1
        self.take(run)

    def compute(self, visit, program, server, commits, then, argument):
        """First the program's part, then the server's."""
        cluster = self.clusters[visit.instance // self.around.databases_per_cluster]
        cluster.commits += commits

        def at_server(_):
            done = cluster.cpu.serve(self.events.now, self.draw() * server)
            self.events.at(done + 2 * self.around.round_trip, then, argument)

        self.events.at(visit.run.host.cpu.serve(self.events.now, self.draw() * program), at_server)

    # ------------------------------------------------------------------ HaRP and Docker

    def greet(self, visit):
        """A daemon is asked for its version first. One that says nothing costs its time limit and is left alone."""
        now = self.events.now
        if self.is_silent[visit.instance // self.around.instances_per_docker_host]:
            for job in visit.waiting:
                self.note(visit.instance, job)
            self.paused[visit.instance] = now + QUESTION_LIMIT + PAUSE
            self.events.at(now + QUESTION_LIMIT, self.give_up, visit)
            return
        self.events.at(now + 4 * self.around.round_trip, self.fill, visit)

    def give_up(self, visit):
        self.leave(visit.run, visit.instance)

    def fill(self, visit):
        """One job alone, and only then several at once."""
        now = self.events.now
        engine = self.engines[visit.instance // self.around.instances_per_docker_host]
        while visit.waiting and visit.active < (SLOTS if visit.proven else 1):
            job = visit.waiting.popleft()
            visit.active += 1
            if len(job.steps) == 3:
                job.steps[2] = now - job.steps[2]
                job.steps.append(now)
            if job.look or (job.gone_at or math.inf) <= now:
                done = now + 0.03
            else:
                if job.gone_at is None:  # else Docker is still at it
                    job.gone_at = engine.serve(now, self.random.lognormvariate(math.log(self.around.delete_median),
                                                                              self.around.delete_spread))
                done = job.gone_at
            late = done > now + TIMEOUT
            self.events.at(min(done, now + TIMEOUT), self.answer, (visit, job, late))

    def answer(self, what):
        visit, job, late = what
        visit.active -= 1
        visit.proven = True
        self.compute(visit, self.costs.program_job, self.costs.server_job, self.costs.commits_job, self.record, what)
        if late:
            job.next_at = self.events.now + AGAIN
        self.fill(visit)

    def record(self, what):
        visit, job, late = what
        now = self.events.now
        if late:
            self.note(visit.instance, job)
        elif not job.look:
            job.steps[3] = now - job.steps[3]
            job.lag = now - job.due
        visit.open -= 1
        if visit.open == 0:
            self.leave(visit.run, visit.instance)
