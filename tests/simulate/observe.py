"""What a simulated world shows: how busy everything is, how late deletes are, and what to blame."""

import dataclasses
import math

import world

STEPS = ("the next run", "its turn in the run", "database and program", "Docker")
CALM = 300.0    # seconds before a wave
SETTLE = 600.0  # seconds after the last due time that is judged
OFTEN = 0.2     # of the minutes without a start
BUSY = 0.8  # from here on a queue grows long


def quantile(values, share):
    """Of sorted values: the least that so many are not above."""
    return values[max(0, math.ceil(share * len(values)) - 1)] if values else math.nan


@dataclasses.dataclass
class Report:
    cron_cpu: float
    threads: float
    database_cpu: float
    connections: int
    refused: int
    commits: float         # per second, of the busiest cluster
    docker: float
    walk: float            # the median, seconds
    going: float           # share of the time in which a run is going
    runs: int              # at once on one host
    skipped: float         # share of minutes without a start, for a run was going
    lags: list             # sorted, seconds; of what is not done at the end, how long it has waited
    late_end: int          # not done at the end
    parts: list            # seconds, the mean of each of STEPS
    bottleneck: str

    def lag(self, share):
        return quantile(self.lags, share)


class Watch:
    """What was done between two moments."""

    def __init__(self, it, begin, end):
        self.it = it
        self.seconds = end - begin
        self.marks = []
        for moment in (begin, end):
            it.events.at(moment, self.mark)

    def mark(self, _):
        it, now = self.it, self.it.events.now
        for host in it.hosts:
            host.threads(now, 0)
        self.marks.append(([host.cpu.worked(now) for host in it.hosts], [host.busy_seconds for host in it.hosts],
                           [cluster.cpu.worked(now) for cluster in it.clusters], [cluster.commits for cluster in it.clusters],
                           [engine.worked(now) for engine in it.engines], sum(host.started for host in it.hosts),
                           sum(host.skipped for host in it.hosts), [host.going_seconds for host in it.hosts]))

    def most(self, number, servers):
        """How busy the busiest is."""
        first, second = self.marks
        return max(after - before for before, after in zip(first[number], second[number])) / self.seconds / servers


def blame(report, layout):
    """A resource that is busy; else what the time goes to."""
    # A timer's runs that take longer than a minute leave gaps until the next one, in which nothing is busy.
    going = report.going if report.skipped >= OFTEN else 1
    most, name = max((report.cron_cpu / going, "CPU of the cron host"), (report.database_cpu / going, "CPU of the database"),
                     (report.docker, "one Docker Engine"))
    if most >= BUSY:
        return name
    if report.refused:
        return "connections of the database"
    # Runs of cron's that overlap bring threads of their own.
    if layout.starter == "timer" and report.threads / going >= BUSY:
        return f"--max-instances {layout.max_instances}"
    if report.skipped >= OFTEN:
        return "the slowest visit of a run"
    part = max(range(len(STEPS)), key=lambda number: report.parts[number])
    return f"none; waits for {STEPS[part]}"


def play(layout, costs, around, seed, *, wave, minutes, hosts_simulated=None):
    """Simulates so many minutes, and tells. A wave is watched while it lasts."""
    it = world.World(layout, costs, around, seed, hosts_simulated)
    begin, until = (CALM, CALM + minutes * world.MINUTE) if wave else (0.0, minutes * world.MINUTE)
    end = until + SETTLE
    it.quiet(end)
    if wave:
        it.wave(begin, until)
    watch = Watch(it, begin, until)
    it.events.run(end)
    judged = [job for job in it.deletes if job.due <= end - SETTLE]
    done = [job for job in judged if job.lag is not None]
    lags = sorted(end - job.due if job.lag is None else job.lag for job in judged)
    walks = sorted(walk for host in it.hosts for walk in host.walks)
    started, skipped = (second - first for first, second in zip(watch.marks[0][5:7], watch.marks[1][5:7]))
    report = Report(
        cron_cpu=watch.most(0, around.cron_cores), threads=watch.most(1, layout.max_instances),
        database_cpu=watch.most(2, around.database_cores), connections=min(around.databases_per_cluster, it.count) if layout.pooled else max(cluster.most_open for cluster in it.clusters),
        refused=sum(cluster.refused for cluster in it.clusters), commits=watch.most(3, 1), docker=watch.most(4, 1),
        walk=quantile(walks, 0.5), going=watch.most(7, 1), runs=max(host.most_running for host in it.hosts),
        skipped=skipped / max(1, started + skipped), lags=lags, late_end=len(judged) - len(done),
        parts=[sum(job.steps[number] for job in done) / max(1, len(done)) for number in range(len(STEPS))], bottleneck="")
    report.bottleneck = blame(report, layout)
    return report
