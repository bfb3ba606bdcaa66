#!/usr/bin/python3
"""Simulates 10, 1,000 and 100,000 instances: what is busy, and how long after it is due an image is gone.

A discrete-event simulation of cron hosts, databases and Docker hosts, fed with what `make bench BENCH_ARGS=costs`
measured: build/bench/figures.json where that is there, else tests/simulate/costs.json. All else is assumed, and said first;
--set NAME=VALUE assumes something else.
"""

import argparse
import dataclasses
import json
import multiprocessing
import pathlib
import sys
import time

import observe
from world import Costs, Layout, Surroundings

ROOT = pathlib.Path(__file__).resolve().parents[2]
MEASURED = ROOT / "build" / "bench" / "figures.json"
COMMITTED = ROOT / "tests" / "simulate" / "costs.json"
LAGS = ROOT / "build" / "bench" / "lag.json"
VISITS = 1_000_000  # simulated for a row in quiet
DEFAULT = [
    Layout(10), Layout(10, 2, each_walks_all=True),
    Layout(1000), Layout(1000, 2, each_walks_all=True),
    Layout(100_000, 1, "timer", 64), Layout(100_000, 1, "cron", 64, pooled=True), Layout(100_000, 2, "cron", 64, pooled=True),
    Layout(100_000, 5, "timer", 32), Layout(100_000, 5, "cron", 32),
]
HEADER = ("instances", "cron hosts", "by", "pooler", "at once", "", "cron CPU", "threads", "db CPU", "db conns", "Docker", "run s",
          "runs", "median s", "99 % s", "worst s", "open", "bottleneck")
WIDTHS = (9, 11, 5, 6, 7, 5, 8, 7, 6, 8, 6, 6, 4, 8, 7, 7, 5, 0)


def read_costs():
    """Where the measured costs are from; those without and with a pooler."""
    for path in (MEASURED, COMMITTED):
        figures = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if "costs" in figures and "costs_pooled" in figures:
            commits = [row[4] for row in figures["costs"]]
            return path, *(costs_of(figures[series], commits) for series in ("costs", "costs_pooled"))
    raise SystemExit(f"{COMMITTED} holds no costs; hint: make bench BENCH_ARGS=costs")


def costs_of(series, commits):
    return Costs(*(seconds for row in series for seconds in row[1:3]), *commits)


def minutes_of(layout, wave, around):
    """As many as cost about the same time; of a wave, its first 20 where there are very many instances."""
    share = layout.instances if layout.each_walks_all else layout.instances / layout.cron_hosts
    most = around.wave_hours * 60 if wave else 60 * 24 * 60
    return min(most, max(20 if wave else 15, VISITS / share))


def play(row):
    """A wave over few instances is played several times, and shows the round that went worst, with the lags of all."""
    layout, costs, around, seed, wave = row
    rounds = max(1, 200 // layout.instances) if wave else 1
    # Where each cron host has its share of the instances, shares touch each other nowhere: one is simulated.
    reports = [observe.play(layout, costs, around, seed + number, wave=wave, minutes=minutes_of(layout, wave, around),
                            hosts_simulated=1) for number in range(rounds)]
    worst = max(reports, key=lambda report: report.lags[-1:])
    return dataclasses.replace(worst, lags=sorted(lag for report in reports for lag in report.lags),
                               late_end=sum(report.late_end for report in reports))


def percent(share):
    return f"{share * 100:.0f} %" if share >= 0.095 else f"{share * 100:.1f} %"


def seconds(value):
    return "-" if value != value else f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def say(cells):
    print("  ".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS)).rstrip(), flush=True)


def describe(layout, wave, report):
    hosts = f"{layout.cron_hosts}" if layout.cron_hosts == 1 else \
        f"{layout.cron_hosts}, {'each all' if layout.each_walks_all else 'shared'}"
    return (f"{layout.instances:,}", hosts, layout.starter, "yes" if layout.pooled else "no", layout.max_instances, "wave" if wave else "quiet",
            percent(report.cron_cpu), percent(report.threads), percent(report.database_cpu),
            f"{report.connections}" + ("!" if report.refused else ""), percent(report.docker), seconds(report.walk), report.runs,
            *(seconds(report.lag(share)) for share in (0.5, 0.99, 1)), report.late_end, report.bottleneck)


def changed(around, settings):
    names = {field.name: field.type for field in dataclasses.fields(around)}
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in names:
            raise SystemExit(f"no such assumption: {name}; there are {', '.join(names)}")
        try:
            setattr(around, name, names[name](value))
        except ValueError:
            raise SystemExit(f"{name} is a number, not {value!r}") from None
    return around


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--instances", type=int, help="only so many, laid out by the options below")
    parser.add_argument("--cron-hosts", type=int, default=1)
    parser.add_argument("--each-walks-all", action="store_true", help="every cron host has all settings, not a share of them")
    parser.add_argument("--pooled", action="store_true", help="through a PgBouncer on each cron host")
    parser.add_argument("--starter", choices=("timer", "cron"), default="timer")
    parser.add_argument("--max-instances", type=int, default=8)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--workers", type=int, default=min(2, multiprocessing.cpu_count()))
    options = parser.parse_args()
    around = changed(Surroundings(), options.set)
    source, direct, pooled = read_costs()
    layouts = DEFAULT if options.instances is None else [
        Layout(options.instances, options.cron_hosts, options.starter, options.max_instances, options.each_walks_all,
               options.pooled)]
    print(f"seed {options.seed}; costs of {source.relative_to(ROOT)}")
    for name, costs in (("measured", direct), ("with a pooler", pooled)):
        print(f"{name}: " + ", ".join(f"{cost} {value * 1000:.2f} ms" for cost, value in dataclasses.asdict(costs).items()
                                      if "commits" not in cost))
    print("assumed: " + ", ".join(f"{name} = {value}" for name, value in dataclasses.asdict(around).items()))
    print("busy: of the busiest host or cluster. shared: of the cron hosts, each with its share, one was simulated. open: not\n"
          f"done {observe.SETTLE / 60:.0f} minutes after it was due, counted with how long it waited. wave: as much of its\n"
          f"{around.wave_hours:g} h as {VISITS:,} visits take, and 20 minutes at least\n")
    say(HEADER)
    rows = [(layout, pooled if layout.pooled else direct, around, options.seed, wave) for layout in layouts for wave in (False, True)]
    began = time.monotonic()
    kept = []
    with multiprocessing.Pool(options.workers) as pool:
        for (layout, _, _, _, wave), report in zip(rows, pool.imap(play, rows)):
            say(describe(layout, wave, report))
            kept.append({**dataclasses.asdict(layout), "wave": wave, "bottleneck": report.bottleneck,
                         "lags": [report.lag(step / 500) for step in range(1, 501)]})
    if options.instances is None:
        LAGS.parent.mkdir(parents=True, exist_ok=True)
        LAGS.write_text(json.dumps(kept) + "\n", encoding="utf-8")
    print(f"\n{time.monotonic() - began:.0f} s" + (f"; make plots draws {LAGS.relative_to(ROOT)}" if options.instances is None else ""))


if __name__ == "__main__":
    sys.exit(main())
