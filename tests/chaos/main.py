#!/usr/bin/python3
"""The chaos test: `make chaos`, or with other numbers, tests/chaos/main.py --jobs 2000 --kills 200 --minutes 2.

Runs of bin/harpsweep are killed, stopped and told to end by the thousand while their database restarts, fails over and
loses commits, while HaRP refuses, hangs and lies about itself, clocks are wrong and people change their minds. Then a
judge reads the logs of the stand-ins and the tables. What was played stays in build/chaos/.
"""

import argparse
import collections
import pathlib
import secrets
import signal
import sys
import time

RESCUE_MINUTES = 6  # in less than that, hardly any of the leases of two minutes ends
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from chaos import doctor, judge, plan, rescue  # noqa: E402
from chaos.play import play  # noqa: E402
from chaos.recording import Recording  # noqa: E402
from chaos.timeline import Timeline, is_claim  # noqa: E402


def figures(recording, counted):
    """(name, number) of what happened."""
    line = Timeline(recording)
    starts = recording.starts
    changes = [change for _, _, _, chain in line.chains() for change in chain]
    claims = [claim for claims in line.claims.values() for claim in claims]
    dead = {start["run"]: start["end"] for start in starts if start["exit"] == -9}
    events = collections.Counter(event["what"] for event in recording.events)
    asked = collections.Counter(request.kind for request in line.requests)
    states = collections.Counter(job["state"] for job in recording.jobs)
    failovers = [event for event in recording.events if event["what"] == "failover"]
    yield "storm, then settling (s)", f"{counted['storm_s']:.0f}, {counted['settle_s']:.0f}"
    yield "jobs", f"{len(line.changes)} ({', '.join(f'{count} {state}' for state, count in states.most_common())})"
    yield "changes in the audit", len(changes)
    yield "claims", len(claims)
    yield "runs", len(starts)
    yield "most runs at once", counted["peak"]
    yield "kill -9 of a living run", sum(start["exit"] == -9 for start in starts)
    yield "  of those, with claims at that time", len({claim.run for claim in claims
                                                       if claim.run in dead and claim.begin < dead[claim.run] <= claim.end})
    yield "  of those, in a request", len({request.run for request in line.requests if request.run in dead
                                           and request.begin < dead[request.run] < (request.end or 0)})
    yield "runs told to end once, twice", (f"{sum(start['style'] == 'term' for start in starts)},"
                                           f" {sum(start['style'] == 'term2' for start in starts)}")
    yield "runs stopped", sum(bool(start["stops"]) for start in starts)
    yield "  of those, for longer than the lease", sum(
        any(end - begin > start["lease"] for begin, end in start["stops"] if end) for start in starts)
    yield "runs with a clock 30 s, 300 s off", (f"{sum(abs(start['clock']) == 30 for start in starts)},"
                                                f" {sum(abs(start['clock']) == 300 for start in starts)}")
    yield "runs through PgBouncer", sum(start["bouncer"] for start in starts)
    yield "results that came too late", sum(start["late"] for start in starts)
    yield "restarts of PostgreSQL", events["restart"]
    yield "failovers", len(failovers)
    yield "  changes lost with them", sum(event["lost"] for event in failovers)
    yield "  claims lost with them", sum(is_claim(change) for chain in line.lost.values() for change in chain)
    yield "ended backends", sum(event.get("backends", 0) for event in recording.events)
    yield "steps of the database's clock", events["clock"]
    yield "HaRP died, changed its key", f"{events['harp dies']}, {events['wrong key']}"
    yield "what people asked for", len(recording.deeds)
    yield "rows pruned", sum(change.state is None for change in changes)
    yield "requests", f"{len(line.requests)} ({', '.join(f'{count} {kind}' for kind, count in asked.most_common())})"
    yield "  with a fault", sum(request.fault is not None for request in line.requests)
    yield "  deletes that took effect", sum(request.effect is not None for request in line.requests)


def judge_phase(folder, counted):
    recording = Recording(folder)
    for name, number in figures(recording, counted):
        print(f"    {name:38} {number}")
    return judge.report(recording)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="of everybody's dice; a new one unless given")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=28, help="for all of it, about")
    parser.add_argument("--short", action="store_true", help="what bin/check does, in less than a minute")
    parser.add_argument("--only", help="one phase: storm or clock")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build" / "chaos")
    return parser.parse_args()


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers and folders are not left behind
    seed = options.seed if options.seed is not None else secrets.randbelow(1_000_000)
    print(f"seed {seed}", flush=True)
    begin = time.monotonic()
    plans = plan.short(seed) if options.short else plan.full(seed, options.jobs, options.kills, options.minutes)
    broken = short_of = 0
    with rescue.measuring(not options.short and options.minutes >= RESCUE_MINUTES, seed) as measured:
        for phase in plans:
            if options.only in (None, phase.name):
                print(f"{phase.name}: {phase.jobs} jobs, {phase.kills} kills, a storm of {phase.seconds:.0f} s", flush=True)
                counted = play(phase, options.folder / phase.name)
                short_of += max(0, phase.kills - counted["killed"])
                broken += judge_phase(options.folder / phase.name, counted)
    for line in measured.lines:
        print(line)
    broken += measured.broken + doctor.self_test()
    print(f"took {time.monotonic() - begin:.0f} s; seed {seed}; {broken} violations")
    if short_of:
        print(f"The machine was too busy: {short_of} of the kills were not made.")
    # In the short one that says nothing about the program; the long one promises so many.
    return 1 if broken or (short_of and not options.short) else 0


if __name__ == "__main__":
    sys.exit(main())
