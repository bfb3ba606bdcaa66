"""A phase from its beginning to its recording."""

import contextlib
import time

import psycopg

from chaos import people, recording, runs, trouble
from chaos.scene import Scene

SETTLERS = 3  # runs at once at the end


def play(plan, folder):
    """Returns what the harness itself counted."""
    with Scene(plan, folder) as scene:
        begin = time.time()
        storm(scene)
        stormed = time.time()
        settle(scene)
        scene.journal.write("images.json", {harp.name: harp.images() for harp in scene.harps})
        with recording.connect(scene.pair.conninfo(scene.database)) as connection:
            recording.dump(connection, scene.journal)
        return {"peak": scene.runs.peak, "killed": scene.runs.killed, "storm_s": stormed - begin,
                "settle_s": time.time() - stormed}


def storm(scene):
    plan = scene.plan
    known = people.Known()
    scene.begin()
    tickets = runs.Tickets(scene.runs, plan.kills, plan.seconds)
    for number in range(plan.killers):
        scene.start(runs.killer, f"killer {number}", tickets)
    for number in range(plan.steady):
        scene.start(runs.steady, f"steady {number}")
    for harp in scene.harps:
        scene.start(trouble.gateway, f"gateway {harp.name}", harp)
    scene.start(runs.freezer, "freezer")
    scene.start(runs.crowds, "crowds")
    scene.start(people.arrivals, "arrivals", known)
    scene.start(people.minds, "minds", known)
    scene.start(trouble.nurse, "nurse")
    scene.start(trouble.watch, "watch")
    trouble.database(scene)
    scene.end()


def settle(scene):
    """No more trouble: the runs that are left to do the rest must get everything to its end."""
    plan = scene.plan
    dice = plan.dice("settle")
    trouble.heal(scene)
    if plan.clock_steps:
        scene.set_clock(0)
    people.all_due(scene)
    session = scene.session("chaos")
    limit = time.monotonic() + plan.settle_s
    while time.monotonic() < limit:
        with contextlib.suppress(psycopg.OperationalError):
            session.run("update harpsweep.daemon set paused_until = null where paused_until is not null")
            trouble.hurry(session)
            if not plan.waits_for_leases:  # nobody holds a claim any more
                session.run("update harpsweep.job set next_at = greatest(not_before, now())"
                            " where state = 'claimed' and next_at > greatest(not_before, now())")
        group = [scene.runs.start(dice, "settle") for _ in range(SETTLERS)]
        for run in group:
            scene.runs.finish(run)
        if session.run("select count(*) from harpsweep.job where next_at is not null")[0][0] == 0:
            return
        time.sleep(0.2)
    print("The machine was too busy, or something is lost: time was up before every job had come to its end.")
