"""Which tests can tell which mutant from the program as it is.

A mutant of C: those in which its condition had the other value at least once. A mutant of SQL: those in which
its query, its function or one that calls it was executed, or its table was written, as the server logged it."""

import json
import re

import build
import mutants

# What makes a trigger run, in a test's statements.
TRIGGERS = {
    "on_exapp": re.compile(r"(?i)\b(update|delete from)\s+\S*ex_apps\b"),
    "on_daemon": re.compile(r"(?i)\b(update|delete from)\s+\S*ex_apps_daemons\b"),
    "on_appapi_job": re.compile(r"(?i)\b(insert into|update|delete from)\s+\S*oc_jobs\b"),
}
WRITES = re.compile(r"(?i)\b(?:insert into|update)\s+harpsweep\.(\w+)")
INSTALLS = re.compile(r"harpsweep\.install|preflight|uninstall")
# They prepare what they ask, which no log shows.
QUERIES_TESTS = tuple(f"tests/integration/test_{name}.py" for name in ("alarm", "alarm_apps", "queries", "query_edges", "nextcloud_edges", "history"))


class Reach:
    """Of every test: seconds, whether it fails, numbers of C's mutants, and names of SQL's objects."""

    def __init__(self, root, path, stamp):
        self.root, self.path, self.stamp = root, path, stamp
        self.tests, self.digests = {}, {}
        try:
            kept = json.loads(path.read_text())
        except (OSError, ValueError):
            kept = {}
        if kept.get("stamp") == stamp:
            self.tests = {name: test for name, test in kept["tests"].items() if test["digest"] == self._digest(name)}

    def _digest(self, test):
        """Of the test's own source: other tests need not run again because it has changed."""
        name = test.split("::")[0]
        if name not in self.digests:
            unit = self.root / "tests" / "unit"
            self.digests[name] = build.digest([self.root / name] if "::" in test else [unit / f"{name}.c", *unit.glob("*.h")])
        return self.digests[name]

    def save(self):
        self.path.write_text(json.dumps({"stamp": self.stamp, "tests": self.tests}))

    def add(self, test, **what):
        self.tests[test] = {"digest": self._digest(test), **what}


def names_of(logged, queries, calls):
    """Names of the queries and objects that were at work, out of what a server logged."""
    names = set(logged["names"])
    for statement in logged["statements"]:
        names.update(name for name, pattern in TRIGGERS.items() if pattern.search(statement))
        names.update("write " + table for table in WRITES.findall(statement))
        names.update("query " + name for name, text in queries.items() if statement.startswith(text))
    todo = list(names)
    while todo:
        for called in calls.get(todo.pop(), ()):
            if called not in names:
                names.add(called)
                todo.append(called)
    return sorted(names)


def call_graph(objects):
    """{name of a function or view: names of harpsweep's that it mentions}."""
    return {name: set(re.findall(r"harpsweep\.(\w+)", text)) - {name} for name, text in objects}


def reaches(test, record, mutant, tables):
    """Whether a test can tell this mutant."""
    if mutant.kind == "c":
        return mutant.number in record["c"]
    if mutant.kind == "query":
        return "query " + mutant.scope in record["sql"] or test.startswith(QUERIES_TESTS)
    if mutant.kind == "object":
        return mutant.scope in record["sql"]
    if mutant.kind == "check":
        return any("write " + table in record["sql"] for table in tables[mutant.scope])
    return record["installs"]


def embedded(text):
    """A query as sql/embed.awk builds it into the program."""
    return "".join(line + "\n" for line in text.splitlines() if not re.fullmatch(r"[ \t]*(--.*)?", line))


def flat(text):
    return mutants.flat(embedded(text))
