"""Daemons that are down for a day, and what the others have of it."""

# pylint: disable=missing-function-docstring

import contextlib
import time

import pytest
from harness.rows import one, schedule
from harness.standin import Standin

RUNS = 288  # a day of one every five minutes
TROUBLE = {
    "refused": None,
    "agent": {"kind": "info", "status": 503, "body": "503 Service Unavailable (HaRP)", "content_type": "text/plain"},
    "engine": {"kind": "inspect", "status": 503, "body": "No server is available to handle this request.",
               "content_type": "text/html"},
    "hanging up": {"kind": "inspect", "status": 502, "body": "<h1>502 Bad Gateway</h1>", "content_type": "text/html"},
    "wrong key": None,
}
JOBS = 3


def let_pass(connection, minutes):
    """Moves all that happened into the past, and all that is due nearer."""
    connection.execute(
        """update harpsweep.job
              set orphaned_at = orphaned_at - %(m)s * interval '1 min', not_before = not_before - %(m)s * interval '1 min',
                  next_at = next_at - %(m)s * interval '1 min', claimed_at = claimed_at - %(m)s * interval '1 min'""",
        {"m": minutes})
    connection.execute(
        """update harpsweep.daemon
              set paused_until = paused_until - %(m)s * interval '1 min', stopped_since = stopped_since - %(m)s * interval '1 min',
                  answered_at = answered_at - %(m)s * interval '1 min'""",
        {"m": minutes})


def asked_of(harps):
    """Requests since the last time, by daemon."""
    counts = {name: len(harp.log()) for name, harp in harps.items()}
    for harp in harps.values():
        harp.clear_log()
    return counts


def test_a_day(scene):
    """Each in another way: no job fails, and no run asks much."""
    program, connection = scene.program, scene.connection
    with contextlib.ExitStack() as stack:
        harps = {name: stack.enter_context(Standin(key="another", strike_window=0) if name == "wrong key" else Standin())
                 for name in TROUBLE}
        for name, harp in harps.items():
            program.sections[f"daemon:{name}"] = {"url": harp.url}
            for number in range(JOBS):
                harp.add_image(f"{name.replace(' ', '-')}:{number}")
                schedule(connection, daemon=name, image=f"{name.replace(' ', '-')}:{number}", choice="now")
            if TROUBLE[name]:
                harp.fault(**TROUBLE[name])
        harps["refused"].refuse()
        strikes, most, told = [], {}, 0
        for number in range(RUNS):
            told += program("run", code=1).err != ""
            counts = asked_of(harps)
            most = {name: max(count, most.get(name, 0)) for name, count in counts.items()}
            strikes += [5 * number] * counts["wrong key"]
            let_pass(connection, 5)
        assert most == {"refused": 0, "agent": 1, "engine": 2, "hanging up": 3, "wrong key": 1}
        assert all(later - earlier >= 10 for earlier, later in zip(strikes, strikes[1:])) and len(strikes) >= RUNS // 3
        assert told == 1  # cron mails what is new, and not the same thing for a day
        states = dict(connection.execute("select state::text, count(*) from harpsweep.job group by 1").fetchall())
        assert states == {"pending": JOBS * len(TROUBLE), "removed": 5}
        failures = dict(connection.execute("select daemon::text, sum(failures)::int from harpsweep.job group by 1").fetchall())
        assert 0 < failures.pop("hanging up") < 20 * JOBS  # an answer that may be the image's counts, and backs off
        assert set(failures.values()) == {0}
        since = "select min(extract(epoch from now() - stopped_since) / 3600) from harpsweep.daemon where stop is not null"
        assert 23 < one(connection, since) < 25

        # All is well again.
        harps["refused"].refuse(False)
        harps["wrong key"].set(key=harps["refused"].key)
        for harp in harps.values():
            harp.clear_faults()
        let_pass(connection, 9 * 60)  # more than any backoff
        program("run")
        assert connection.execute("select state::text, count(*) from harpsweep.job group by 1").fetchall() == [("removed", 20)]
        assert one(connection, "select count(stop) + count(paused_until) + count(stopped_since) from harpsweep.daemon") == 0


@pytest.mark.parametrize("fault", [{"kind": "info", "fault": "silent"}, {"kind": "inspect", "fault": "silent"}])
def test_one_of_five(scene, fault):
    """The others' requests do not wait for the one that says nothing: all of theirs are over before it is given up."""
    program, connection = scene.program, scene.connection
    program.sections["harp"]["timeout"] = "5s"
    with contextlib.ExitStack() as stack:
        harps = {f"d{number}": stack.enter_context(Standin(delay_ms=20)) for number in range(5)}
        for name, harp in harps.items():
            program.sections[f"daemon:{name}"] = {"url": harp.url}
        connection.execute("select harpsweep.schedule('d' || d, 'app', 'app:' || i, choice => 'now')"
                           " from generate_series(0, 4) d, generate_series(1, 40) i")
        dead = harps.pop("d2")
        dead.fault(**fault)
        program("run", code=1)
        began = min(entry["begin"] for harp in harps.values() for entry in harp.log())
        silent = dead.log()[-1]
        assert silent["end"] - silent["begin"] > 4.9
        for harp in harps.values():
            log = harp.log()
            assert [entry["kind"] for entry in log] == ["info"] + ["inspect"] * 40
            assert log[0]["begin"] - began < 1
            assert log[-1]["end"] < silent["end"] - 1
            assert max(entry["active"] for entry in log) == 4
    assert dict(connection.execute("select daemon::text || ' ' || state::text, count(*) from harpsweep.job"
                                   " where daemon like 'd%' group by 1").fetchall()) == {
        "d0 absent": 40, "d1 absent": 40, "d2 pending": 40, "d3 absent": 40, "d4 absent": 40}
    assert one(connection, "select sum(failures) from harpsweep.job") == 0
