#!/usr/bin/python3
"""harpsweep with other releases than this machine's: `make check-versions`.

For each tree of TREES, a small Debian system in build/versions/ (see trees.py): builds with its gcc and its clang,
warnings as errors, each with the unit tests; the integration tests with its PostgreSQL, psql, libpq, libcurl and
Python, but those that need a Docker Engine; and its program and psql with the server of every other tree. One line
for each; a tree that can't be made here, and a PostgreSQL that no tree has, is told and counts as nothing.
"""

import argparse
import os
import re
import subprocess
import sys
import time

from trees import FOLDER, ROOT, NotHad, Tree, die_with_parent, run

TREES = (
    Tree("bookworm-pg13", "bookworm", also=("bullseye",), server="postgresql-13"),
    Tree("bookworm-pg14", "bookworm", npm="14.23.0-beta.17"),
    Tree("bookworm", "bookworm"),
    Tree("bookworm-i386", "bookworm", arch="i386"),
    Tree("trixie", "trixie"),
    Tree("trixie-pg16", "trixie", npm="16.14.0-beta.17"),
    Tree("forky", "forky"),
)
MAJORS = range(13, 19)  # of PostgreSQL
BUILD_LIMIT_S = 900
INTEGRATION_LIMIT_S = 2400
STORY_LIMIT_S = 180
START_LIMIT_S = 90

# In a tree the sources are no clone, and no archive either.
NEEDS_GIT = ("tests/integration/test_release.py::test_the_commit_of_an_archive_is_filled_in_by_git",)

# A newer pg_dump writes what an older server doesn't read back, and npm's servers come without their own, and without
# the extensions that PostgreSQL comes with.
NEEDS_PG_DUMP = ("tests/integration/test_nextcloud_ddl.py::test_a_dump_restores_into_a_new_database",
                 "tests/integration/test_dba_dump.py")

JOBS = f"-j{os.cpu_count() or 2}"


class Sums:
    """What passed and what failed, and the line for each."""

    def __init__(self):
        self.passed = self.failed = 0

    def add(self, tree, what, passed, failed, began, note=""):
        self.passed += passed
        self.failed += failed
        print(f"{tree:14} {what:44} {passed:5} passed, {failed} failed {time.monotonic() - began:6.0f} s"
              + (f"  {note}" if note else ""), flush=True)


def log_of(tree, step):
    return FOLDER / "log" / f"{tree.name}-{step}.log"


def count(text, pattern):
    found = re.findall(pattern, text, re.M)
    return sum(map(int, found[-1:]))


def execute(tree, step, command, limit_s, stdin=subprocess.DEVNULL):
    """Exit code, and what was said."""
    log = log_of(tree, step)
    with open(log, "w", encoding="utf-8") as file:
        status = run(tree.command(*command), limit_s, stdin=stdin, stdout=file, stderr=subprocess.STDOUT)
    return status, log.read_text(encoding="utf-8", errors="replace")


def judge(sums, tree, step, what, began, status, said, passed, failed):
    """A step that fails without a failed test, or in which none was run, is a failure as well."""
    if failed == 0 and (status != 0 or passed == 0):
        failed = 1
    note = ""
    if failed:
        note = f"see {log_of(tree, step).relative_to(ROOT)}" + (" (too slow)" if status == 124 else "")
    sums.add(tree.name, what, passed, failed, began, note)
    for line in said.splitlines() if failed else ():
        if re.match(r"FAILED |ERROR |.*: (fatal )?error: ", line):
            print(f"{'':14}     {line[:180]}", flush=True)


def unit_tests(sums, tree, compiler, variant, versions):
    began = time.monotonic()
    status, said = execute(tree, f"unit-{compiler}", ("make", JOBS, f"VARIANT={variant}", f"CC={compiler}", "WERROR=-Werror",
                                                      f"build/{variant}/harpsweep", "unit"), BUILD_LIMIT_S)
    judge(sums, tree, f"unit-{compiler}", f"unit: {compiler} {versions[compiler]}, libpq {versions['libpq']},"
          f" libcurl {versions['libcurl']}", began, status, said,
          count(said, r"^unit: (\d+) passed, \d+ failed$"), count(said, r"^unit: \d+ passed, (\d+) failed$"))


def integration_tests(sums, tree, versions, arguments):
    began = time.monotonic()
    arguments += "".join(f" --deselect {test}" for test in (*NEEDS_GIT, *(NEEDS_PG_DUMP if tree.npm else ())))
    status, said = execute(tree, "integration", ("make", "WERROR=-Werror", "integration",
                                                 f"PYTEST_ARGS=-q -m 'not docker and not browser' {arguments}"), INTEGRATION_LIMIT_S)
    last = (re.findall(r"^.* in \d[\d.:]*s.*$", said, re.M) or [""])[-1]
    failed = sum(count(last, rf"(\d+) {word}") for word in ("failed", "error", "skipped"))
    judge(sums, tree, "integration", f"integration: PostgreSQL {versions['server']}", began, status, said,
          count(last, r"(\d+) passed"), failed)


def versions_of(tree):
    """Of what matters in the tree."""
    told = tree.tell("sh", "-c", """
        for compiler in gcc clang; do echo "$compiler=$($compiler -dumpfullversion 2>/dev/null || $compiler -dumpversion)"; done
        for library in libpq libcurl jansson inih; do echo "$library=$(pkg-config --modversion $library)"; done
        echo "server=$(/usr/lib/postgresql/*/bin/postgres --version | sed 's/[^)]*) \\([^ ]*\\).*/\\1/')" """)
    return dict(line.split("=", 1) for line in told.splitlines())


def try_tree(sums, tree, arguments):
    """Builds and tests; returns whether there is a program for the stories."""
    tree.put_sources()
    missing = tree.tell("sh", "-c", "DEPS=no bin/deps tests || :")
    if missing:
        raise NotHad(f"bin/deps misses something in the tree: {missing}")
    versions = versions_of(tree)
    if not arguments.no_units:
        unit_tests(sums, tree, "gcc", "release", versions)
        unit_tests(sums, tree, "clang", "clang", versions)
    execute(tree, "build", ("make", JOBS, "WERROR=-Werror", "all"), BUILD_LIMIT_S)
    if not arguments.no_integration:
        integration_tests(sums, tree, versions, arguments.pytest)
    return versions


def stories(sums, had):
    """Every tree's program and psql with every tree's server."""
    for server, versions in had.items():
        with subprocess.Popen(server.command("/usr/bin/python3", "tests/versions/serve.py"), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, preexec_fn=die_with_parent) as process:
            told = process.stdout.readline()
            for client in had if told else ():
                began = time.monotonic()
                step = f"story-{server.name}"
                with subprocess.Popen(["printf", "%s", told.decode()], stdout=subprocess.PIPE) as address:
                    status, said = execute(client, step, ("/usr/bin/python3", "tests/versions/story.py"), STORY_LIMIT_S,
                                           address.stdout)
                judge(sums, client, step, f"program and psql with PostgreSQL {versions['server']} of {server.name}", began,
                      status, said, count(said, r"^story: (\d+) passed"), count(said, r"^story: \d+ passed, (\d+) failed$"))
            if not told:
                sums.add(server.name, "a server for the other trees", 0, 1, time.monotonic())
            process.stdin.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--only", metavar="TREES", help="some of: " + ", ".join(tree.name for tree in TREES))
    parser.add_argument("--renew", action="store_true", help="make the trees anew, with what the mirror has today")
    parser.add_argument("--no-units", action="store_true", help="no builds with both compilers, and no unit tests")
    parser.add_argument("--no-integration", action="store_true", help="no integration tests")
    parser.add_argument("--pytest", default="", metavar="ARGUMENTS", help="more arguments for the integration tests")
    arguments = parser.parse_args()
    (FOLDER / "log").mkdir(parents=True, exist_ok=True)

    sums, had, began = Sums(), {}, time.monotonic()
    for tree in TREES:
        if arguments.only and tree.name not in arguments.only.split(","):
            continue
        try:
            tree.make(log_of(tree, "make"), arguments.renew)
            had[tree] = try_tree(sums, tree, arguments)
        except NotHad as reason:
            print(f"{tree.name:14} NOT HAD: {reason}", flush=True)
    stories(sums, had)
    majors = {int(re.match(r"\d+", versions["server"]).group()) for versions in had.values()}
    for major in MAJORS:
        if major not in majors and not arguments.only:
            print(f"{'':14} NOT HAD: PostgreSQL {major}: in no tree", flush=True)
    print(f"took {time.monotonic() - began:.0f} s")
    print(f"{sums.passed} passed, {sums.failed} failed")
    return 0 if sums.passed and not sums.failed else 1


if __name__ == "__main__":
    sys.exit(main())
