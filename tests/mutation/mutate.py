"""Takes each guard away, one at a time, and says which ones no test misses.

    python3 tests/mutation/mutate.py [--list] [--only GLOB] [--all] [--jobs N] [--minutes M] [--seed S]
                                     [--shard I/N] [--resume] [--units] [--tests GLOB] [--most N]

c_mutants.py and sql_mutants.py say by which rules mutants are made, and DECIDING below of which files. Those
that are known to change nothing are in equivalent.txt, each with its reason. The others are given to the tests
that reach them, the unit tests first, then those that are named after what it is in, those that killed a mutant
near it before, and the fast ones before the slow. A test kills a mutant if it fails twice with it and passes without. Exit 1: some survived. SIGTERM and
SIGINT end it early, with a report.
"""

import argparse
import collections
import concurrent.futures
import fnmatch
import json
import os
import pathlib
import queue
import random
import select
import signal
import subprocess
import sys
import threading
import time

import build
import c_mutants
import mutants as mutant_lists
import reach
import sql_mutants
import tokens

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutation"
HERE = pathlib.Path(__file__).parent
PYTHON = "/usr/bin/python3"

# Sources that decide what is deleted, and when. Of the other sources, which read settings, talk to
# libraries or print, --all makes mutants as well; of mem.c never: it ends the process without memory.
DECIDING = ("src/sweep*.c", "src/verdict*.c", "src/lane.c", "src/roster.c", "src/gateway.c", "src/imageref.c",
            "src/keyfile.c", "src/reply*.c", "src/jobs*.c", "src/probe.c", "src/survey.c", "src/sig.c",
            "src/nextcloud.c", "sql/queries/*.sql", "sql/*.sql", "sql/migrations/*.sql")
# Queries and views that only tell.
TELLING = ("sql/queries/status_*.sql", "sql/queries/report_*.sql", "sql/queries/list_*.sql", "sql/queries/check_*.sql", "sql/views.sql")
NEVER = ("src/mem.c",)
# Those that take less come first, of which a dozen take no longer than one of the others.
QUICK_S = 0.7
# What the record of the tests depends on: C's mutants are numbers in it.
NUMBERED = ("c_mutants.py", "mutants.py", "reach.py", "tokens.py", "worker.py")


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


class Stopped(Exception):
    """The time is up, or somebody wants the end."""


class Lost(Exception):
    """A worker does not answer any more."""


class Worker:
    """A process of worker.py and what is said to it."""

    def __init__(self, number, built):
        self.number = number
        self.tree = build.worker(ROOT, WORK, number, built)
        self.process = None
        self.tests = []

    def start(self):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HARPSWEEP_")}
        environment.update(HARPSWEEP_PROGRAM=str(self.tree / "bin" / "harpsweep"), HARPSWEEP_SEED="1")
        with open(WORK / f"worker-{self.number}.log", "wb") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [PYTHON, str(HERE / "worker.py")], cwd=self.tree, env=environment, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log, start_new_session=True)
        self.tests = self._answer(300)["tests"]

    def stop(self):
        """The whole session: a cluster and stand-ins may still be there."""
        if self.process is None:
            return
        try:
            self.process.stdin.close()
            self.process.wait(20)
        except (OSError, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdout.close()
        self.process = None

    def tell(self, do, wait=120, **command):
        if self.process is None:
            self.start()
        try:
            self.process.stdin.write(json.dumps({"do": do, **command}).encode() + b"\n")
            self.process.stdin.flush()
            answer = self._answer(wait)
        except (OSError, Lost) as error:
            self.stop()
            raise Lost(f"worker {self.number}: {do}: {error}") from error
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer

    def _answer(self, limit):
        until = time.monotonic() + limit
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))
            if not ready:
                raise Lost("no answer")
            piece = os.read(self.process.stdout.fileno(), 1 << 20)
            if not piece:
                raise Lost("it ended")
            line += piece
        return json.loads(line)

    def run(self, test, limit, env):
        return self.tell("run", wait=limit + 60, test=test, limit=limit, env=env)


class Project:
    """The sources, their mutants, and what is known of the tests."""

    def __init__(self, everything):
        self.sources = {}
        self.files = {}
        self.mutants = []
        self.lock = threading.Lock()
        paths = [path for pattern in ("src/*.c", "sql/*.sql", "sql/*/*.sql") for path in sorted(ROOT.glob(pattern))]
        for path in paths:
            name = str(path.relative_to(ROOT))
            self.sources[name] = path.read_text(encoding="utf-8")
            if matches(name, NEVER):
                continue
            kind = c_mutants if name.endswith(".c") else sql_mutants
            self.files[name] = kind.File(name, self.sources[name])
            self.mutants += self.files[name].mutants()
        self.c_sites = [mutant for mutant in self.mutants if mutant.kind == "c"]
        for number, mutant in enumerate(self.c_sites, 1):
            mutant.number = number
        self.reasons, self.complaints = mutant_lists.read_equivalent(HERE / "equivalent.txt", self.mutants)
        if not everything:
            self.mutants = [m for m in self.mutants if matches(m.path, DECIDING) and not matches(m.path, TELLING)]
        self.killers = self._load("killers.json")
        self.results = self._load("results.json")

    @staticmethod
    def _load(name):
        try:
            return json.loads((WORK / name).read_text())
        except (OSError, ValueError):
            return {}

    def save(self):
        for name, data in (("killers.json", self.killers), ("results.json", self.results)):
            new = WORK / (name + ".new")
            new.write_text(json.dumps(data, indent=0))
            new.rename(WORK / name)

    # ------------------------------------------------------------------ SQL

    def unit_of(self, mutant):
        """First and last character of the statement that a mutant is in, and which of its table."""
        file = self.files[mutant.path]
        unit = next(file.units[i] for i, token in enumerate(file.tokens) if token.start >= mutant.start)
        return file, unit

    def changes(self, mutant, text):
        """What to execute in a database for the file to be this text: the mutated one, or the one before."""
        file, unit = self.unit_of(mutant)
        start = file.tokens[unit.first].start
        grown = len(text) - len(file.text)
        if mutant.kind == "object":
            watched = True if mutant.path in ("sql/nextcloud.sql", "sql/intake_appapi.sql") else None
            return [{"watched": watched, "sql": text[start : file.tokens[unit.last - 1].end + grown].strip().rstrip(";")}]
        if mutant.kind == "check":
            index = next(i for i, token in enumerate(file.tokens) if token.text == mutant.scope)
            name = f"constraint {mutant.scope}"
            constraint = text[file.tokens[index - 1].start : file.tokens[file.tokens[index + 2].mate].end + grown]
            table = file.text[start : file.tokens[unit.last - 1].end].split()[2]
            thing = "domain" if file.tokens[unit.first + 1].text == "domain" else "table"
            return [{"watched": None, "sql": f"alter {thing} {table} drop {name}; alter {thing} {table} add {constraint}"}]
        return []

    def constraint_tables(self):
        """{constraint: tables that a test has to write to see it}."""
        found = {}
        for mutant in self.mutants:
            if mutant.kind == "check":
                file, unit = self.unit_of(mutant)
                made = file.text[file.tokens[unit.first].start :].split()[1:3]
                table = made[1].removeprefix("harpsweep.")
                found[mutant.scope] = ["job", "exapp_image"] if made[0] == "domain" else [table]
        return found

    def names(self):
        """(queries as the server sees them, call graph) for reach.py."""
        queries, bodies = {}, []
        for name, file in self.files.items():
            if name.startswith("sql/queries/"):
                query = name.rsplit("/", 1)[1][:-4]
                queries[query] = reach.flat(file.text)
                bodies.append(("query " + query, file.text))
            elif name.startswith("sql/"):
                for unit in {unit for unit in file.units if unit is not None and unit.kind == "object"}:
                    bodies.append((unit.scope, file.text[file.tokens[unit.first].start : file.tokens[unit.last - 1].end]))
        return queries, reach.call_graph(bodies)


def family(test):
    """The class or the function of a test."""
    name = test.split("[")[0]
    return name if name.count("::") < 2 else name.rsplit("::", 1)[0]


class Judge:
    """Gives mutants to tests."""

    def __init__(self, project, built, record, deadline, say, wanted, most=None):
        self.project, self.built, self.record, self.deadline, self.say = project, built, record, deadline, say
        self.wanted, self.most = wanted, most
        self.tables = project.constraint_tables()
        self.near = {}  # {path or scope: {test or family: how good it was at killing there}}
        self.bad = set()
        for key, test in project.killers.items():
            self._count(key.split(" ")[0], key.split(": ")[0], test)

    def _count(self, path, scope, test):
        for place in (path, scope):
            counts = self.near.setdefault(place, collections.Counter())
            counts[test] += 2
            counts[family(test)] += 1

    def tests_for(self, mutant):
        """In the order in which to try them."""
        scope = f"{mutant.path} {mutant.scope}"
        first = self.project.killers.get(mutant.key)
        tests = [test for test, record in self.record.tests.items()
                 if not record["failed"] and test not in self.bad and self.wanted(test)
                 and reach.reaches(test, record, mutant, self.tables)]
        tests.sort(key=lambda test: self.record.tests[test]["seconds"])
        seen = collections.Counter()
        turn = {}  # of each class or function one, then a second: those of one class see the same
        for test in tests:
            turn[test] = seen[family(test)]
            seen[family(test)] += 1
        near, far = (self.near.get(place, collections.Counter()) for place in (scope, mutant.path))

        def rank(test):
            kin = family(test)
            return (test != first, "::" in test, self.record.tests[test]["seconds"] > QUICK_S,
                    mutant.scope.replace("_", "") not in kin.lower().replace("_", ""), -near[test] - near[kin], -far[test] - far[kin], turn[test], self.record.tests[test]["seconds"])

        return sorted(tests, key=rank)

    def limit(self, test):
        return 15 + 8 * self.record.tests[test]["seconds"]

    def judge(self, mutant, worker):
        """(test that kills it or None, number of tests that tried)."""
        tests = self.tests_for(mutant)
        env = {"HARPSWEEP_MUTANT": str(mutant.number)} if mutant.kind == "c" else {}
        tried = 0
        for test in [test for test in tests if "::" not in test]:
            tried += 1
            if any(self.run_unit(test, env, variant) for variant in build.VARIANTS):
                return test, tried
        tests = [test for test in tests if "::" in test][: self.most]
        if not tests:
            return None, tried
        source = self.project.sources[mutant.path]
        file = worker.tree / mutant.path
        if mutant.kind != "c":
            file.write_text(mutant.apply(source), encoding="utf-8")
            if mutant.kind == "query":
                both = WORK / f"query-{worker.number}"
                both.write_text(f"{reach.embedded(source)}\0{reach.embedded(mutant.apply(source))}\0", encoding="utf-8")
                env["HARPSWEEP_MUTANT_QUERY"] = str(both)
        killer = None
        try:
            self.apply(worker, mutant, mutant.apply(source))
            for test in tests:
                if time.monotonic() > self.deadline:
                    raise Stopped
                tried += 1
                if self.kills(worker, test, env, mutant):
                    killer = test
                    return test, tried
        finally:
            file.write_text(source, encoding="utf-8")
            if worker.process is not None:
                worker.tell("reset")
                if killer is None:  # else it was undone before the last run of that test
                    self.apply(worker, mutant, source)
        return None, tried

    def apply(self, worker, mutant, text):
        changes = self.project.changes(mutant, text) if mutant.kind in ("object", "check") else []
        if changes:
            self.warm(worker)
            worker.tell("apply", changes=changes)

    def warm(self, worker):
        """A cluster with all its templates, before anything in them is changed."""
        if worker.process is None:
            worker.start()
            for test in self.warmers(worker):
                worker.run(test, 120, {})
            worker.tell("reset")

    def warmers(self, worker):
        """Fast tests that between them need every database that all tests share."""
        wanted = ("test_sql.py", "test_nextcloud_guards.py", "test_run.py")
        named = sorted(self.record.tests, key=lambda test: self.record.tests[test]["seconds"]) + worker.tests
        return [next(test for test in named if f"/{name}::" in test) for name in wanted]

    def kills(self, worker, test, env, mutant):
        for _ in range(2):
            self.warm(worker)
            try:
                first = worker.run(test, self.limit(test), env)
                if not first["failed"]:
                    return False
                if not first["over"] and not worker.run(test, self.limit(test), env)["failed"]:
                    return False
                self.clear(worker, mutant, first["over"])
                control = worker.run(test, self.limit(test), {})
                if not control["failed"]:
                    return True
                self.say(f"   without the mutant {test} failed as well: {control['why'][-300:]}")
            except Lost as error:
                self.say(f"   {error}")
            worker.stop()
            self.warm(worker)
            self.put(worker, mutant)
        self.bad.add(test)
        self.say(f"   left out from now on: {test}")
        return False

    def clear(self, worker, mutant, hangs):
        """The tree and the databases without the mutant; hangs: a server process may still be at work on it."""
        if mutant.kind != "c":
            (worker.tree / mutant.path).write_text(self.project.sources[mutant.path], encoding="utf-8")
            if hangs:
                worker.stop()
                self.warm(worker)
            worker.tell("reset")
            self.apply(worker, mutant, self.project.sources[mutant.path])

    def put(self, worker, mutant):
        if mutant.kind != "c":
            text = mutant.apply(self.project.sources[mutant.path])
            (worker.tree / mutant.path).write_text(text, encoding="utf-8")
            self.apply(worker, mutant, text)

    def run_unit(self, test, env, variant):
        """Whether a unit test program fails, twice."""
        program = self.built / "build" / variant / test
        limit = self.limit(test) * (3 if variant == "san" else 1)
        for _ in range(2):
            try:
                done = subprocess.run([program], cwd=self.built, env={**os.environ, **env}, timeout=limit, check=False,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            except subprocess.TimeoutExpired:
                return True
            if done.returncode == 0:
                return False
        return True


def record_units(record, built, count, say):
    """Which mutants each unit test program reaches."""
    for program in sorted((built / "build" / "release").glob("test_*")):
        if program.suffix or program.name in record.tests:
            continue
        reached = WORK / "reached"
        reached.write_bytes(bytes(count + 1))
        began = time.monotonic()
        done = subprocess.run([program], cwd=built, env={**os.environ, "HARPSWEEP_MUTANTS_REACHED": str(reached)},
                              check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            say(f"{program.name} fails without any mutant")
        record.add(program.name, seconds=time.monotonic() - began, failed=done.returncode != 0,
                   c=[number for number, byte in enumerate(reached.read_bytes()) if byte and number], sql=[], installs=False)


def record_tests(record, worker, project, share, wanted, say):
    """The same for integration tests; share: (this one, of how many)."""
    queries, calls = project.names()
    reached = WORK / f"reached-{worker.number}"
    worker.start()
    todo = [test for test in worker.tests if test not in record.tests and wanted(test)]
    files = sorted({test.split("::")[0] for test in todo})
    mine = [test for test in todo if files.index(test.split("::")[0]) % share[1] == share[0]]
    if not mine:
        return
    worker.tell("explain")
    for name in ("test_sql.py", "test_nextcloud_guards.py", "test_run.py"):
        worker.run(next(test for test in worker.tests if f"/{name}::" in test), 300, {})
    worker.tell("logged")
    for count, test in enumerate(mine):
        for _ in range(2):  # one that hangs on a moment may fail once
            reached.write_bytes(bytes(len(project.c_sites) + 1))
            done = worker.run(test, 600, {"HARPSWEEP_MUTANTS_REACHED": str(reached)})
            if not done["failed"]:
                break
        names = reach.names_of(worker.tell("logged"), queries, calls)
        if done["failed"]:
            say(f"fails without any mutant: {test}\n{done['why'][-400:]}")
        with project.lock:
            record.add(test, seconds=done["seconds"], failed=done["failed"], sql=names, installs="install" in names,
                       c=[number for number, byte in enumerate(reached.read_bytes()) if byte and number])
        if count % 100 == 99:
            say(f"worker {worker.number}: {count + 1} of {len(mine)} tests recorded")
            with project.lock:
                record.save()


def spread_installs(record):
    """What one test of a file installs, others of it may look at."""
    files = {test.split("::")[0] for test, what in record.tests.items() if what["installs"]}
    for test, what in record.tests.items():
        what["installs"] = test.split("::")[0] in files


def run_all(todo, judge, workers, say):
    """Judges mutants on all workers; returns [(mutant, killer or None)]."""
    project, judged = judge.project, []
    waiting = queue.Queue()
    for mutant in todo:
        waiting.put(mutant)
    began = time.monotonic()

    def work(worker):
        while time.monotonic() < judge.deadline:
            try:
                mutant = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                killer, tried = judge.judge(mutant, worker)
            except Stopped:
                return
            except (Lost, ValueError) as error:
                say(f"{mutant.name}: {error}")
                worker.stop()
                try:
                    killer, tried = judge.judge(mutant, worker)
                except Stopped:
                    return
                except (Lost, ValueError) as again:
                    say(f"ERROR {mutant.name}: {again}")
                    killer, tried = None, -1
            with project.lock:
                judged.append((mutant, killer))
                project.results[mutant.key] = killer or ""
                if killer:
                    project.killers[mutant.key] = killer
                    judge._count(mutant.path, f"{mutant.path} {mutant.scope}", killer)  # pylint: disable=protected-access
                else:
                    say(f"SURVIVED {mutant.name} ({tried} tests reach it)\n{mutant.diff(project.sources[mutant.path])}")
                project.save()
                if len(judged) % 20 == 0:
                    dead = sum(1 for _, test in judged if test)
                    say(f"{len(judged)} of {len(todo)}: {dead} killed, {len(judged) - dead} survived,"
                        f" {time.monotonic() - began:.0f} s")

    with concurrent.futures.ThreadPoolExecutor(len(workers)) as pool:
        for done in [pool.submit(work, worker) for worker in workers]:
            done.result()
    project.save()
    return judged


def choose(project, options):
    """The mutants to judge, in order."""
    chosen = [m for m in project.mutants if m.key not in project.reasons]
    if options.only:
        chosen = [m for m in chosen if any(fnmatch.fnmatchcase(m.name, f"*{glob}*") for glob in options.only)]
    if options.shard:
        place, count = map(int, options.shard.split("/"))
        chosen = chosen[place - 1 :: count]
    if options.resume:
        chosen = [m for m in chosen if not project.results.get(m.key)]
    if options.minutes:
        random.Random(options.seed).shuffle(chosen)
    return chosen


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the mutants and end")
    parser.add_argument("--all", action="store_true", help="also of the sources that decide nothing")
    parser.add_argument("--only", action="append", help="only mutants whose name has this (a glob)")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=0, help="as many as are judged in that time, by lot")
    parser.add_argument("--seed", type=int, default=1, help="of the lot")
    parser.add_argument("--shard", help="I/N: every N-th, from the I-th on")
    parser.add_argument("--units", action="store_true", help="unit tests alone are the judges: for the mutants that"
                        " they leave, --resume without it asks the integration tests")
    parser.add_argument("--tests", action="append", help="of the integration tests only those whose name has this (a glob):"
                        " the most likely ones first, then --resume without it for what they leave")
    parser.add_argument("--most", type=int, help="of the integration tests at most so many for each mutant, in their order")
    parser.add_argument("--resume", action="store_true", help="only those that were not killed before")
    return parser.parse_args()


def main():
    options = parse()
    began = time.monotonic()
    lock = threading.Lock()

    def say(text):
        with lock:
            print(text, flush=True)

    project = Project(options.all)
    if project.complaints:
        sys.exit("equivalent.txt: " + "\nequivalent.txt: ".join(project.complaints))
    chosen = choose(project, options)
    if options.list:
        for mutant in chosen:
            print(mutant.name)
        print(len(chosen))
        return 0
    WORK.mkdir(parents=True, exist_ok=True)
    of_c = any(mutant.kind == "c" for mutant in chosen)
    built = build.program(ROOT, WORK, project.c_sites, of_c, say)
    workers = [Worker(number + 1, built) for number in range(options.jobs)]
    try:
        wanted = judges(options)
        record = measure(project, built, [] if options.units else workers, wanted, of_c, say)
        judge = Judge(project, built, record, began + options.minutes * 60 if options.minutes else float("inf"), say,
                      wanted, options.most)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: setattr(judge, "deadline", 0))
        drawn = f" in the order of seed {options.seed}, for {options.minutes:g} minutes" if options.minutes else ""
        say(f"{len(chosen)} mutants{drawn}, {len(record.tests)} tests, {options.jobs} at once")
        judged = run_all(chosen, judge, workers, say)
    finally:
        for worker in workers:
            worker.stop()
    return report(project, chosen, judged, began, say)


def judges(options):
    """Which tests are asked: unit tests always."""
    globs = [] if options.units else options.tests or ["*"]
    return lambda test: "::" not in test or any(fnmatch.fnmatchcase(test, f"*{glob}*") for glob in globs)


def measure(project, built, workers, wanted, of_c, say):
    """What is known of the tests; of those that are new or have changed, by running them."""
    harness = [path for folder in ("tests/harness", "tests/standin") for path in (ROOT / folder).glob("*.py")]
    stamp = build.digest([ROOT / name for name in project.sources] + [HERE / name for name in NUMBERED] + harness + [ROOT / "tests/integration/conftest.py"])
    record = reach.Reach(ROOT, WORK / "reach.json", stamp)
    if of_c:
        record_units(record, built, len(project.c_sites), say)
    if not workers:
        record.save()
        return record
    with concurrent.futures.ThreadPoolExecutor(len(workers)) as pool:
        shares = [pool.submit(record_tests, record, worker, project, (place, len(workers)), wanted,
                              say)
                  for place, worker in enumerate(workers)]
        for share in shares:
            share.result()
    known = set().union(*(worker.tests for worker in workers))
    record.tests = {test: what for test, what in record.tests.items() if "::" not in test or test in known}
    spread_installs(record)
    record.save()
    for worker in workers:
        worker.stop()
    return record


def report(project, chosen, judged, began, say):
    survivors = [mutant for mutant, killer in judged if not killer]
    mine = {mutant.key for mutant in project.mutants}
    equivalent = sum(1 for key in project.reasons if key in mine)
    for mutant in sorted(survivors, key=lambda mutant: (mutant.path, mutant.start)):
        say(f"survivor: {mutant.name}")
    for path in sorted({mutant.path for mutant, _ in judged}):
        killers = [killer for mutant, killer in judged if mutant.path == path]
        say(f"{path:<40} {sum(map(bool, killers)):>4} of {len(killers):>4}")
    left = len(chosen) - len(judged)
    say(f"killed {len(judged) - len(survivors)} of {len(judged)} mutants ({equivalent} equivalent, each with its reason in"
        f" tests/mutation/equivalent.txt{f'; {left} not tried for want of time' if left else ''}) in"
        f" {(time.monotonic() - began) / 60:.0f} min")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
