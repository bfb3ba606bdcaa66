"""pytest as a server: collects the integration tests once, keeps their cluster, and runs one test at a time
as it is told on standard input, a line of JSON each. Started by mutate.py in a tree of its own."""

import json
import os
import pathlib
import re
import signal
import sys
import time

import psycopg
import pytest
from _pytest.runner import runtestprotocol

import mutants

TREE = pathlib.Path.cwd()
PROGRAM = TREE / "bin" / "harpsweep"
NO_DATABASES = ("postgres", "template0", "template1")
EXPLAIN = ("load 'auto_explain'", "alter system set session_preload_libraries = 'auto_explain'",
           "alter system set auto_explain.log_min_duration = 0",
           "alter system set auto_explain.log_nested_statements = on", "select pg_reload_conf()")


class Overtime(Exception):
    """A test took longer than it may."""


def kill_programs():
    """Those of this tree that a test left behind, or that it waits for in vain."""
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(folder / "exe").startswith(str(PROGRAM)):
                os.kill(int(folder.name), signal.SIGKILL)
        except OSError:
            pass


class Server:
    """A plugin of pytest's. Each do_… is a command."""

    def __init__(self, commands, answers):
        self.commands, self.answers = commands, answers
        self.cluster = None
        self.logs = {}  # where the servers' logs were read up to
        self.items = {}

    # ------------------------------------------------------------------ pytest's side

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        yield
        if fixturedef.argname == "cluster" and fixturedef.cached_result[2] is None:
            self.cluster = fixturedef.cached_result[0]

    def pytest_runtestloop(self, session):
        self.items = {item.nodeid: item for item in session.items}
        self.say({"tests": list(self.items)})
        for line in self.commands:
            command = json.loads(line)
            try:
                self.say(getattr(self, "do_" + command.pop("do"))(**command))
            except Exception as error:  # pylint: disable=broad-except
                self.say({"error": f"{type(error).__name__}: {error}"})
        self.settle(None)
        return True

    def say(self, reply):
        self.answers.write(json.dumps(reply) + "\n")
        self.answers.flush()

    def settle(self, item):
        """Ends the fixtures that a test does not need; all of them without one."""
        session = next(iter(self.items.values())).session
        session._setupstate.teardown_exact(item)  # pylint: disable=protected-access

    def other(self, item, same_module):
        """Another test, of the same module if there is one, else of another: what pytest takes for the next."""
        others = [other for other in self.items.values()
                  if other is not item and (other.path == item.path) == same_module]
        return others[0] if others else self.other(item, not same_module)

    # ------------------------------------------------------------------ commands

    def do_run(self, test, limit, env):
        """One test. Returns whether it failed, the last words of why, and whether that was for its time."""
        item = self.items[test]
        over = []

        def alarm(*_):
            over.append(True)
            kill_programs()
            if len(over) > 1:
                raise Overtime(f"longer than {limit:.0f} s")

        self.settle(item)
        os.environ.update(env)
        signal.signal(signal.SIGALRM, alarm)
        signal.setitimer(signal.ITIMER_REAL, limit, 3)
        began = time.monotonic()
        try:
            reports = runtestprotocol(item, log=False, nextitem=self.other(item, True))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for name in env:
                os.environ.pop(name, None)
        failed = [report for report in reports if report.failed]
        if failed:
            kill_programs()
        return {"failed": bool(failed) or bool(over), "over": bool(over), "seconds": time.monotonic() - began,
                "why": str(failed[0].longrepr)[-1500:] if failed else ""}

    def do_reset(self):
        """Nothing that a module's tests share outlives a mutant."""
        if self.items:
            self.settle(self.other(next(iter(self.items.values())), False))
        return {}

    def do_explain(self):
        """From now on the servers log every statement, also those inside of functions."""
        from harness.cluster import Cluster  # pylint: disable=import-outside-toplevel

        start = Cluster.start

        def start_explaining(cluster):
            fresh = cluster.base is None
            start(cluster)
            self.logs.setdefault(os.path.join(cluster.base, "log"), 0)
            if fresh:
                with psycopg.connect(cluster.conninfo(), autocommit=True) as connection:
                    for statement in EXPLAIN:
                        connection.execute(statement)
            return cluster

        Cluster.start = start_explaining
        return {}

    def do_logged(self):
        """What the servers logged since the last call: statements, and names of harpsweep's in whatever was said."""
        statements, names = set(), set()
        for path, offset in list(self.logs.items()):
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    file.seek(offset)
                    text = file.read()
                    self.logs[path] = file.tell()
            except FileNotFoundError:
                del self.logs[path]
                continue
            names.update(re.findall(r"harpsweep\.(\w+)", text))
            # What fails is not explained, but it is told with its error.
            for entry in re.findall(r"(?:\tQuery Text:| STATEMENT: ) (.*(?:\n\t.*)*)", text):
                statements.add(mutants.flat(entry.replace("\n\t", "\n")))
        return {"statements": sorted(statements), "names": sorted(names)}

    def do_apply(self, changes):
        """Executes statements in every database that has the schema: {watched: null, true or false; sql}."""
        count = 0
        with psycopg.connect(self.cluster.conninfo(), autocommit=True) as connection:
            names = [name for (name,) in connection.execute("select datname from pg_database") if name not in NO_DATABASES]
        for name in names:
            with psycopg.connect(self.cluster.conninfo(name)) as connection:
                connection.execute("set local search_path = pg_catalog, pg_temp")
                owner = connection.execute("select nspowner::regrole::text from pg_namespace n"
                                           " where nspname = 'harpsweep' and to_regclass('harpsweep.nextcloud')"
                                           " is not null").fetchone()
                if owner is None:
                    continue
                place = connection.execute("select schema_name, table_prefix from harpsweep.nextcloud").fetchone()
                connection.execute(f"set local role {owner[0]}")
                for change in changes:
                    if change["watched"] in (None, place is not None):
                        sql = change["sql"]
                        if place is not None:
                            sql = re.sub("@([a-z_]+)@", rf'"{place[0]}"."{place[1]}\1"', sql)
                        connection.execute(sql)
                        count += 1
        return {"applied": count}


def main():
    """Standard input and output are for commands and answers alone; what pytest says goes to standard error."""
    commands = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.path.insert(0, str(TREE / "tests"))
    marks = ["-m", "not docker"]
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir", str(TREE), *marks, "tests/integration"],
                         plugins=[Server(commands, answers)]))


if __name__ == "__main__":
    main()
