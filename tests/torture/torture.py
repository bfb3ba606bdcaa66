#!/usr/bin/python3
"""Fails every allocation, every libpq call, every libcurl call and every read and write once, one at a time, over
whole runs of harpsweep, and judges what is left each time. The calls fail inside build/san/harpsweep-torture, see
torture.h, which has the address and undefined behaviour sanitizers, too: so leaks are found as well.

For each scenario and class: a first run counts the calls; then one run for each of them, and for each way in which it
can fail, against the same rows and images; then, from each state that is a new one, an undisturbed run, after which
everything must be as if nothing had happened.
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import queue
import random
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness.cluster import Cluster  # noqa: E402  pylint: disable=wrong-import-position
from harness.program import PROGRAM  # noqa: E402  pylint: disable=wrong-import-position
from torture.judge import CODES, Judge, Reference  # noqa: E402  pylint: disable=wrong-import-position
from torture.scenarios import all_scenarios  # noqa: E402  pylint: disable=wrong-import-position
from torture.stage import TORTURED, Stage, make_templates  # noqa: E402  pylint: disable=wrong-import-position

# A point: one call of a class, counted from 1, and one of the ways in which it can fail.
Point = collections.namedtuple("Point", "what number function way")

# The libraries ask for memory thousands of times, and most scenarios have them do what "run" and "quiet" have them
# do already: there, one in so many.
LIBRARY_STEP = 4
LIBRARY_ALL = ("run", "quiet")

# A run takes a tenth of a second. Longer than this it waited for something that does not come.
SLOW_S = 20


class Bench:
    """A scenario on stages of its own, one for each worker, and what was found with it."""

    def __init__(self, cluster, templates, scenario, folder, workers, number=0):
        self.scenario = scenario
        self.stages = []
        self.known = {}  # what an undisturbed run makes of a state: problems
        self.lock = threading.Lock()
        for worker in range(workers):
            place = pathlib.Path(folder) / f"{scenario.name}{worker}"
            place.mkdir()
            stage = Stage(cluster, f"torture_{number}_{worker}", templates[scenario.nextcloud], place)
            self.stages.append(stage)
            scenario.prepare(stage)
            stage.save()
        self.free = queue.SimpleQueue()
        for stage in self.stages:
            self.free.put(stage)
        self.reference = self._undisturbed(self.stages[0])

    def close(self):
        for stage in self.stages:
            stage.close()

    def _undisturbed(self, stage):
        done = stage.run(self.scenario.arguments)
        reference = Reference(stage, done, stage.look(), stage.harp.log())
        stage.harp.clear_log()
        stage.restore()
        if done.code not in (0, 1):
            raise RuntimeError(f"{self.scenario.name}: an undisturbed run ends with {done.code}: {done.err}")
        return reference

    def points(self, what):
        """All points of a class, as one run counts them."""
        stage = self.stages[0]
        done, lines = stage.torture(self.scenario.arguments, what)
        if done.code != self.reference.code:
            raise RuntimeError(f"{self.scenario.name}: a run that only counts ends with {done.code}: {done.err}")
        stage.look()
        stage.harp.clear_log()
        stage.restore()
        points = [Point(what, number, function, way) for number, function, ways in lines for way in range(1, ways + 1)]
        if what == "library" and self.scenario.name not in LIBRARY_ALL:
            points = points[::LIBRARY_STEP]
        return points

    def try_point(self, point):
        """Fails one call. Returns whether it was reached, and what is wrong."""
        stage = self.free.get()
        try:
            return self._try_on(stage, point)
        finally:
            self.free.put(stage)

    def _try_on(self, stage, point):
        scenario, reference = self.scenario, self.reference
        wish = f"{point.what}:{point.number}:{point.way}"
        began = time.monotonic()
        done, lines = stage.torture(scenario.arguments, wish)
        took = time.monotonic() - began
        after, log = stage.look(), stage.harp.log()
        stage.harp.clear_log()
        judge = Judge(scenario, reference, stage, point.what, lines[0] if lines else None, done)
        judge.judge_end()
        judge.expect(took < SLOW_S, f"it took {took:.0f} s")
        judge.judge_state(stage.saved, after, log)
        if not after.is_same(stage.saved):
            judge.problems += self._heal(stage, judge, after, log)
            stage.restore()
        if judge.problems:
            judge.problems.append(f"exit {done.code}: {done.err.strip()[:5000]}")
        return bool(lines), judge.problems

    def _heal(self, stage, judge, after, log):
        """What an undisturbed run makes of this state. From the same state it would do the same again."""
        stage.expire()
        state = stage.look()
        key = (state.key(), tuple(sorted((entry["ref"] or "", entry["status"] or 0) for entry in log
                                         if entry["kind"] == "remove")))
        with self.lock:
            if key in self.known:
                return self.known[key]
        done = stage.run(self.scenario.arguments)
        healed, more = stage.look(), stage.harp.log()
        stage.harp.clear_log()
        other = Judge(judge.scenario, judge.reference, stage, judge.what, None, done)
        other.judge_healed(after, log, done, healed, more)
        with self.lock:
            self.known[key] = other.problems
        return other.problems


class Score:
    """How many points were failed, and which of them broke something."""

    def __init__(self, say=print):
        self.say = say
        self.failed = self.missed = 0
        self.broken = []

    def take(self, scenario, point, reached, problems):
        self.failed += reached
        self.missed += not reached
        if problems:
            name = f"{scenario.name}:{point.what}:{point.number}:{point.way}"
            self.broken.append(name)
            self.say(f"BROKEN {name} ({point.function})")
            for problem in problems:
                self.say("    " + problem.replace("\n", "\n    "))

    def sum(self):
        return f"torture: {self.failed} points failed, {len(self.broken)} broke something"


def torture(bench, points, score, workers):
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for point, (reached, problems) in zip(points, pool.map(bench.try_point, points)):
            score.take(bench.scenario, point, reached, problems)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="SCENARIO[:CLASS[:N[:WAY]]]",
                        help="only these points, as they stand behind BROKEN; may be given again")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="points at the same time")
    parser.add_argument("--sample", type=int, help="so many points of each scenario and class, at random")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="for --sample")
    return parser.parse_args(arguments)


def is_wanted(only, scenario, point):
    """Whether a point is among those of --only."""
    name = [scenario.name, point.what, str(point.number), str(point.way)]
    return not only or any(wish.split(":") == name[:wish.count(":") + 1] for wish in only)


def main(arguments):
    options = parse(arguments)
    for path in (TORTURED, pathlib.Path(PROGRAM)):
        if not path.exists():
            print(f"{path} is missing: make all build/san/torture", file=sys.stderr)
            return 1
    chance = random.Random(options.seed)
    score = Score()
    began = time.monotonic()
    if options.sample:
        print(f"seed {options.seed}")
    with Cluster() as cluster, tempfile.TemporaryDirectory(prefix="hs-torture-") as folder:
        templates = make_templates(cluster)
        for number, scenario in enumerate(all_scenarios()):
            if options.only and not any(wish.split(":")[0] == scenario.name for wish in options.only):
                continue
            bench = Bench(cluster, templates, scenario, folder, options.jobs, number)
            try:
                for what in CODES:
                    points = [point for point in bench.points(what) if is_wanted(options.only, scenario, point)]
                    if options.sample and len(points) > options.sample:
                        points = chance.sample(points, options.sample)
                    before = score.failed, len(score.broken)
                    start = time.monotonic()
                    torture(bench, points, score, options.jobs)
                    print(f"{scenario.name:10} {what:8} {score.failed - before[0]:5} points failed, "
                          f"{len(score.broken) - before[1]} broke something ({time.monotonic() - start:.0f} s)", flush=True)
            finally:
                bench.close()
    print(f"took {time.monotonic() - began:.0f} s; {score.missed} points were not reached again")
    print(score.sum())
    return 1 if score.broken or not score.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
