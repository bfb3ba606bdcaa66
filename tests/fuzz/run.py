"""Runs the fuzz targets of build/fuzz, two at a time, and adds up what they did.

usage: run.py [--smoke | --runs N] [--seed N] [--jobs N] [TARGET...]

A target begins with its corpus in the repository and with what earlier runs found, which they keep
in build/fuzz/corpus. A target that crashes stops there; its input stays in build/fuzz/crashes. The
last line is `fuzz: N executions, N crashes`; exit 1 where there are any.
"""
import argparse
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
SOURCES = TOP / "tests" / "fuzz"
BUILD = TOP / "build" / "fuzz"

# Longest input; more only makes each execution slower.
MAX_LENGTH = {"answer": 1024, "cli": 256, "conf": 1024, "http": 1024, "imageref": 600, "row": 1024}
SMOKE_RUNS = 20000
SMOKE_SECONDS = 8
# They begin first.
SLOWEST = ["http", "row", "conf"]
# What some need besides. http keeps handles from one execution to the next, and looks for leaks itself. Of row's
# many edges libFuzzer's weights take a fifth of the time.
OWN_OPTIONS = {"http": ["-detect_leaks=0"], "row": ["-entropic=0"]}


class Target:
    def __init__(self, name, options):
        self.name = name
        self.log = BUILD / f"{name}.log"
        self.began = time.monotonic()
        self.stream = open(self.log, "wb")
        self.process = subprocess.Popen(
            self.command(options), stdout=self.stream, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env=dict(os.environ, ASAN_OPTIONS="quarantine_size_mb=8:malloc_context_size=4",
                     UBSAN_OPTIONS="print_stacktrace=1"))

    def command(self, options):
        found = BUILD / "corpus" / self.name
        if options.smoke:
            found = BUILD / "smoke" / self.name
            shutil.rmtree(found, ignore_errors=True)
            runs = [f"-runs={SMOKE_RUNS}", f"-max_total_time={SMOKE_SECONDS}"]
        else:
            runs = [f"-runs={options.runs}"]
        crashes = BUILD / "crashes"
        for folder in (found, crashes):
            folder.mkdir(parents=True, exist_ok=True)
        return [str(BUILD / f"fuzz_{self.name}"), *runs, *OWN_OPTIONS.get(self.name, []), f"-seed={options.seed}",
                "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1",
                f"-max_len={MAX_LENGTH.get(self.name, 1024)}",
                f"-dict={SOURCES / self.name}.dict", f"-artifact_prefix={crashes}/{self.name}-",
                str(found), str(SOURCES / "corpus" / self.name)]

    def report(self):
        """Prints the line of a target that has ended; returns its executions and crashes."""
        self.stream.close()
        seconds = time.monotonic() - self.began
        text = self.log.read_text(errors="replace")
        # The sum stands there even after a crash, if not after every kind of one.
        counts = re.findall(r"stat::number_of_executed_units: *(\d+)", text) or re.findall(r"^#(\d+)\s", text, re.M)
        executions = int(counts[-1]) if counts else 0
        edges = re.findall(r" cov: (\d+) ", text)
        crashes = 0 if self.process.returncode == 0 else 1
        print(f"{self.name:<10} {executions:>10} executions {executions / max(seconds, 0.001):>9.0f}/s"
              f" {edges[-1] if edges else 0:>6} edges {crashes} crashes", flush=True)
        if crashes:
            print("".join(f"    {line}\n" for line in text.splitlines()[-60:]), end="")
            print(f"    again: {BUILD / ('fuzz_' + self.name)} FILE, as above", flush=True)
        return executions, crashes


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1][len("usage: "):])
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--runs", type=int, default=10000000)
    parser.add_argument("--seed", type=int, default=random.randrange(1, 2**31))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("targets", nargs="*")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the targets end with it
    waiting = options.targets or sorted(path.stem[len("fuzz_"):] for path in SOURCES.glob("fuzz_*.c"))
    waiting.sort(key=lambda name: (SLOWEST + [name]).index(name))
    running, executions, crashes = [], 0, 0
    print(f"seed {options.seed}", flush=True)
    try:
        while waiting or running:
            while waiting and len(running) < options.jobs:
                running.append(Target(waiting.pop(0), options))
            for target in [target for target in running if target.process.poll() is not None]:
                running.remove(target)
                done, broken = target.report()
                executions += done
                crashes += broken
            time.sleep(0.05)
    finally:
        for target in running:
            target.process.terminate()
    print(f"fuzz: {executions} executions, {crashes} crashes")
    return 1 if crashes or executions == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
