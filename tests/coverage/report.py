#!/usr/bin/python3
"""What the tests reach of src/: report.py OBJECTS SOURCE…, after they ran with the cover variant.

gcov's counts of lines and branches, as a table. Fails below the figures that are promised, and where a line that no
test reaches is not in unreached.txt, which gives a reason for each.
"""

import argparse
import itertools
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
REASONS = pathlib.Path(__file__).with_name("unreached.txt")
LINES_MIN, BRANCHES_MIN = 95.0, 85.0


class Entry:
    """A line of unreached.txt: `FILE FUNCTION` for all of a function, `FILE FUNCTION: TEXT` for what begins there
    with a line of that text."""

    def __init__(self, line, number):
        place, _, self.text = line.partition(": ")
        self.file, _, self.function = place.partition(" ")
        self.number = number
        self.used = False

    def covers(self, file, function, text):
        return self.file == file and self.function == function and text.startswith(self.text)


def read_entries():
    entries, reason = [], None
    for number, line in enumerate(REASONS.read_text(encoding="utf-8").splitlines(), 1):
        line = line.strip()
        if line.startswith("["):
            reason = line
        elif line and not line.startswith("#"):
            if reason is None:
                raise SystemExit(f"{REASONS.name}:{number}: no [reason] above it")
            entries.append(Entry(line, number))
    return entries


def measure(objects, source):
    """gcov's lines of one source file."""
    told = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", "-o", objects, source],
                          capture_output=True, text=True, check=True, cwd=ROOT).stdout
    for document in map(json.loads, filter(None, told.splitlines())):
        for file in document["files"]:
            if file["file"] == source:
                return file["lines"]
    raise SystemExit(f"{source}: gcov knows nothing of it; was the cover variant built, and did tests run?")


def unreached(source, lines):
    """(number, function, text) of each group of such lines that follow each other."""
    text = (ROOT / source).read_text(encoding="utf-8").splitlines()
    groups = itertools.groupby(lines, lambda line: (line["count"] == 0, line.get("function_name", "")))
    return [(first["line_number"], function, text[first["line_number"] - 1].strip())
            for (missed, function), group in groups if missed for first in [next(group)]]


def percent(part, whole):
    return 100.0 * part / whole if whole else 100.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("objects", help="the folder with the objects of the sources")
    parser.add_argument("sources", nargs="+")
    arguments = parser.parse_args()
    entries, problems = read_entries(), []
    sums = [0, 0, 0, 0]
    print(f"{'':28} {'lines':>14} {'branches':>16}")
    for source in sorted(arguments.sources):
        lines = measure(arguments.objects, source)
        branches = [branch for line in lines for branch in line["branches"]]
        counted = [sum(line["count"] > 0 for line in lines), len(lines),
                   sum(branch["count"] > 0 for branch in branches), len(branches)]
        sums = [a + b for a, b in zip(sums, counted)]
        print(f"{source:28} {percent(*counted[:2]):6.1f} % of {counted[1]:4} {percent(*counted[2:]):6.1f} % of {counted[3]:4}")
        for number, function, text in unreached(source, lines):
            found = [entry for entry in entries if entry.covers(source, function, text)]
            for entry in found:
                entry.used = True
            if not found:
                problems.append(f"{source}:{number}: no test reaches it, and no reason is given:\n"
                                f"    {source} {function}: {text}")
    reached = percent(*sums[:2]), percent(*sums[2:])
    print(f"{'src/':28} {reached[0]:6.1f} % of {sums[1]:4} {reached[1]:6.1f} % of {sums[3]:4}")
    for entry in entries:
        if not entry.used:  # no failure: some of it depends on what happens to come first
            print(f"note: {REASONS.name}:{entry.number}: reached this time: {entry.file} {entry.function}"
                  + (f": {entry.text}" if entry.text else ""))
    if reached[0] < LINES_MIN:
        problems.append(f"lines: {reached[0]:.1f} % is less than {LINES_MIN} %")
    if reached[1] < BRANCHES_MIN:
        problems.append(f"branches: {reached[1]:.1f} % is less than {BRANCHES_MIN} %")
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
