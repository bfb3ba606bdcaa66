#!/usr/bin/python3
"""Fails every allocation, every libpq call, every libcurl call and every read and write once, one at a time, over
whole runs of harpsweep, and judges what is left each time. The calls fail inside build/san/harpsweep-torture, see
torture.h, which has the address and undefined behaviour sanitizers, too: so leaks are found as well.

For each scenario and class: a first run counts the calls; then one run for each of them, and for each way in which it
can fail, against the same rows and images; then, from each state that is a new one, an undisturbed run, after which
everything must be as if nothing had happened.

The points of a class come in an order that the seed gives. Where the time does not suffice, each scenario and class
loses the same part of them, and how many were left out is told.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import os
import pathlib
import queue
import random
import signal
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

# The scenarios' preparation included.
MINUTES = 24
SMOKE_MINUTES = 0.5


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
        began = time.monotonic()
        self.reference = self._undisturbed(self.stages[0])
        self.seconds = time.monotonic() - began

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

    def __init__(self):
        self.functions = collections.Counter()  # failed calls of each
        self.passed = self.missed = self.left_out = 0
        self.broken = []

    def take(self, scenario, point, reached, problems):
        self.missed += not reached
        self.functions[point.function] += reached
        self.passed += reached and not problems
        if problems:
            name = f"{scenario.name}:{point.what}:{point.number}:{point.way}"
            self.broken.append(name)
            print(f"BROKEN {name} ({point.function})")
            for problem in problems:
                print("    " + problem.replace("\n", "\n    "))

    def state(self):
        return sum(self.functions.values()), len(self.broken), self.left_out

    def tell(self):
        print("calls: " + ", ".join(f"{count} {name}" for name, count in self.functions.most_common()))
        print(f"{sum(self.functions.values())} points failed, in {len(self.functions)} kinds of calls; {self.missed} were "
              f"not reached again, {self.left_out} left out")
        if self.broken:
            print("again: make torture TORTURE_ARGS=\"" + " ".join(f"--only {name}" for name in self.broken[:20]) + '"')
        print(f"torture: {self.passed} passed, {len(self.broken)} failed")


def torture(tasks, score, workers, until):
    """Fails points, as (bench, point), until the time is over."""
    def try_one(task):
        bench, point = task
        return None if time.monotonic() > until else bench.try_point(point)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for (bench, point), found in zip(tasks, pool.map(try_one, tasks)):
            if found is None:
                score.left_out += 1
            else:
                score.take(bench.scenario, point, *found)


def torture_all(classes, score, options, deadline):
    """Scenario by scenario; each class gets the part of the time that its points will take of what all will."""
    weights = [bench.seconds * len(points) for bench, _, points in classes]
    for at, (bench, what, points) in enumerate(classes):
        start = time.monotonic()
        before = score.state()
        if points:
            until = start + (deadline - start) * weights[at] / sum(weights[at:])
            torture([(bench, point) for point in points], score, options.jobs, until)
        failed, broken, left_out = (now - old for now, old in zip(score.state(), before))
        print(f"{bench.scenario.name:10} {what:8} {failed:5} points failed, {broken} broke something, {left_out} left out "
              f"({time.monotonic() - start:.0f} s)", flush=True)


def torture_a_little(classes, score, options, chance, deadline):
    """Each kind of call in each of its ways once, somewhere; then what comes, while there is time."""
    kinds, others = {}, []
    for bench, _, points in classes:
        others += [(bench, point) for point in points]
    chance.shuffle(others)
    for task in others:
        kinds.setdefault((task[1].function, task[1].way), task)
    chosen = set(map(id, kinds.values()))
    torture(list(kinds.values()), score, options.jobs, float("inf"))
    torture([task for task in others if id(task) not in chosen], score, options.jobs, deadline)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="SCENARIO[:CLASS[:N[:WAY]]]",
                        help="only these points, as they stand behind BROKEN; may be given again")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="points at the same time")
    parser.add_argument("--smoke", action="store_true", help="each kind of call once, and some at random")
    parser.add_argument("--minutes", type=float, help="how long, preparation included")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="for the order of the points")
    options = parser.parse_args(arguments)
    if options.minutes is None:
        options.minutes = SMOKE_MINUTES if options.smoke else MINUTES
    return options


def is_wanted(only, scenario, point):
    """Whether a point is among those of --only."""
    name = [scenario.name, point.what, str(point.number), str(point.way)]
    return not only or any(wish.split(":") == name[:wish.count(":") + 1] for wish in only)


def prepare(cluster, folder, options, chance, stack):
    """(bench, class, its points) of all scenarios that are wanted."""
    templates = make_templates(cluster)
    scenarios = [scenario for scenario in all_scenarios()
                 if not options.only or any(wish.split(":")[0] == scenario.name for wish in options.only)]

    def make(number, scenario):
        bench = Bench(cluster, templates, scenario, folder, 1 if options.smoke else options.jobs, number)
        stack.callback(bench.close)
        return [(bench, what, [point for point in bench.points(what) if is_wanted(options.only, scenario, point)])
                for what in CODES]

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        classes = sum(pool.map(make, range(len(scenarios)), scenarios), [])
    for _, _, points in classes:
        chance.shuffle(points)
    return classes


def main(arguments):
    options = parse(arguments)
    for path in (TORTURED, pathlib.Path(PROGRAM)):
        if not path.exists():
            print(f"{path} is missing: make torture builds it", file=sys.stderr)
            return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the cluster and the stand-ins end with it
    chance = random.Random(options.seed)
    score = Score()
    began = time.monotonic()
    deadline = began + options.minutes * 60
    print(f"seed {options.seed}", flush=True)
    with Cluster() as cluster, tempfile.TemporaryDirectory(prefix="hs-torture-") as folder, \
            contextlib.ExitStack() as stack:
        classes = prepare(cluster, folder, options, chance, stack)
        print(f"{len({bench for bench, _, _ in classes})} scenarios, {sum(len(points) for _, _, points in classes)} points, "
              f"prepared in {time.monotonic() - began:.0f} s", flush=True)
        if options.smoke:
            torture_a_little(classes, score, options, chance, deadline)
        else:
            torture_all(classes, score, options, deadline)
    print(f"took {time.monotonic() - began:.0f} s")
    score.tell()
    return 1 if score.broken or not score.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
