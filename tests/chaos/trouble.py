"""What goes wrong around the runs: HaRP and its engine, the database, its clock. And a nurse, without whom a daemon that
was silent once would be left alone for ten minutes."""

import contextlib
import time

import psycopg

from chaos import recording
from chaos.timeline import change_of
from harness.rows import UNHEARD

TEXT_503 = "Error removing image '{ref}' via Docker Engine: Status 500"
HTML = "text/html"

# Each with its weight. "effect": Docker does it all the same. What a fault costs a run is at most its 5 s.
FAULTS = [
    (8, {"fault": "reset"}), (8, {"fault": "close"}), (3, {"fault": "silent"}), (6, {"fault": "cut", "kind": "remove"}),
    (4, {"fault": "cut", "kind": "remove", "effect": True}), (2, {"fault": "hang", "kind": "remove", "effect": True}),
    (2, {"fault": "garbage"}), (1, {"fault": "http09"}), (2, {"fault": "close", "kind": "remove", "effect": True}),
    (3, {"fault": "reset", "kind": "remove", "effect": True}),
    (8, {"kind": "remove", "status": 500, "body": "An unexpected error occurred during image removal."}),
    (4, {"kind": "remove", "status": 500, "body": "An unexpected error occurred during image removal.", "effect": True}),
    (8, {"kind": "remove", "status": 503, "body": TEXT_503}),
    (6, {"status": 503, "body": "503 Service Unavailable (HaRP)", "content_type": "text/plain"}),
    (6, {"kind": "remove", "status": 503, "body": "Could not connect to Docker Engine on port 24000"}),
    (4, {"kind": "inspect", "status": 503, "body": "<html>No server is available</html>", "content_type": HTML}),
    (4, {"kind": "info", "status": 503, "body": "503 Service Unavailable (HaRP)", "content_type": "text/plain"}),
    (3, {"kind": "remove", "status": 504, "body": "Timeout communicating with Docker Engine for image removal"}),
    (4, {"kind": "remove", "status": 504, "body": "Timeout communicating with Docker Engine for image removal",
         "effect": True}),
    (4, {"status": 502, "body": "<html>502 Bad Gateway</html>", "content_type": HTML}),
    (3, {"status": 504, "body": "<html>504 Gateway Time-out</html>", "content_type": HTML}),
]
DELAYS = [  # seconds from, to; with effect; the limit is 5 s
    (8, (0.2, 2.0), True), (3, (5.2, 8.0), True), (2, (5.2, 8.0), False), (3, (4.0, 4.9), True),
]


def _weighted(dice, items):
    return dice.choices(items, [item[0] for item in items])[0]


def _one_fault(scene, dice, harp):
    if dice.random() < 0.25:
        _, span, effect = _weighted(dice, DELAYS)
        harp.fault(kind="remove", delay=dice.uniform(*span), effect=effect, times=dice.randint(1, 4),
                   **({} if effect else {"fault": "close"}))
        return
    _, fault = _weighted(dice, FAULTS)
    harp.fault(times=dice.randint(1, 6), **fault)


def _dies(scene, dice, harp):
    away = dice.uniform(0.05, 1.5)
    harp.refuse()
    scene.journal.note("events", at=time.time(), what="harp dies", daemon=harp.name, away=away)
    time.sleep(away)
    harp.refuse(False)


def _wrong_key(scene, dice, harp):
    length = dice.uniform(0.05, 0.4)
    harp.set(key="another-key")
    time.sleep(length)
    harp.set(key=scene.key)
    harp.tell("reset_strikes")  # the ban would last five minutes
    scene.journal.note("events", at=time.time(), what="wrong key", daemon=harp.name, length=length)


def gateway(scene, name, harp):
    """One daemon's troubles."""
    dice = scene.plan.dice(name)
    while scene.storm.is_set():
        time.sleep(dice.uniform(0.02, 0.4))
        what = dice.random()
        if what < 0.06:
            _dies(scene, dice, harp)
        elif what < 0.10:
            _wrong_key(scene, dice, harp)
        elif what < 0.18:
            harp.set(delay_ms=dice.choice([0, 2, 10, 10, 40, 120]))
        elif what < 0.30:
            harp.clear_faults()
        else:
            _one_fault(scene, dice, harp)
        if what > 0.95:
            harp.clear_log()  # the file has it all


def heal(scene):
    for harp, container in scene.containers:
        harp.drop_container(container)
    for harp in scene.harps:
        harp.refuse(False)
        harp.clear_faults()
        harp.clear_log()
        harp.set(key=scene.key, delay_ms=0)
        harp.tell("reset_strikes")


def nurse(scene, name):
    """Ends the pauses that follow a wrong key or silence, and now and then the waits after a failure: else the storm
    would be over before they are. Also makes some final rows old enough to be pruned."""
    dice = scene.plan.dice(name)
    session = scene.session("chaos")
    while scene.storm.is_set():
        time.sleep(dice.uniform(0.2, 0.8))
        with contextlib.suppress(psycopg.OperationalError):
            session.run("update harpsweep.daemon set paused_until = null where paused_until is not null")
            if dice.random() < 0.05:
                hurry(session)
            if dice.random() < 0.05:
                session.run("update harpsweep.job set finished_at = now() - interval '2 days',"
                            " not_before = not_before - interval '3 days' where id in (select id from harpsweep.job"
                            " where finished_at > now() - interval '1 day' and state <> 'failed' limit 20)"
                            " and finished_at is not null")


def hurry(session):
    """What waits for another try is due."""
    session.run("update harpsweep.job set next_at = greatest(not_before, now())"
                " where state = 'pending' and next_at > greatest(not_before, now())")


def watch(scene, _):
    """Notes jobs of which no alarm tells."""
    session = scene.session("chaos")
    while scene.storm.is_set():
        time.sleep(0.3)
        with contextlib.suppress(psycopg.OperationalError):
            for job, state, next_at in session.run(UNHEARD):
                scene.journal.note("events", at=time.time(), what="unheard", job=job, state=state, next_at=next_at)


# The database: these run on the thread that started it.


def _terminate(scene, dice):
    with contextlib.suppress(psycopg.OperationalError), recording.connect(scene.pair.conninfo(scene.database),
                                                                           autocommit=True) as connection:
        pids = [row[0] for row in connection.execute("select pid from pg_stat_activity where application_name like 'run-%'")]
        chosen = dice.sample(sorted(pids), min(len(pids), dice.randint(1, 6)))
        connection.execute("select pg_terminate_backend(p) from unnest(%s::int[]) p", [chosen])
        scene.journal.note("events", at=time.time(), what="terminate", backends=len(chosen))


def _restart(scene, dice):
    mode, away = dice.choice(["immediate", "immediate", "immediate", "fast"]), dice.uniform(0, 0.7)
    begin = time.time()
    scene.pair.primary.halt(mode)
    time.sleep(away)
    scene.pair.primary.start()
    scene.journal.note("events", at=begin, end=time.time(), what="restart", mode=mode)


def _fail_over(scene, dice, number):
    lost_s = dice.choice([0, 0.1, 0.3, 1.0, 2.0])
    pair = scene.pair
    with recording.connect(pair.conninfo(scene.database)) as connection:
        since = connection.execute("select coalesce(max(seq), 0) - 20000 from chaos.audit").fetchone()[0]
    detached, dead, back = pair.fail_over(lost_s)
    scene.restart_bouncer(pair.primary)
    with pair.old_alone() as old, recording.connect(old.conninfo(scene.database)) as old_connection, \
            recording.connect(pair.primary.conninfo(scene.database)) as connection:
        rows = recording.lost_rows(old_connection, connection, since)
    for row in rows:
        scene.journal.note("lost", failover=number, row=row)
    inserted = {change.ref for change in map(change_of, rows) if change.old_state is None}
    scene.lost_refs += sorted(inserted & scene.harp_of.keys())
    pair.rebuild()
    scene.journal.note("events", at=detached, dead=dead, back=back, end=time.time(), what="failover", number=number,
                       lost=len(rows))


def database(scene):
    """Restarts, failovers, ended backends, a clock that is stepped: at moments that the dice chose before."""
    plan = scene.plan
    deeds = [(moment, what) for what, count in
             (("restart", plan.restarts), ("failover", plan.failovers), ("terminate", plan.terminations),
              ("clock", plan.clock_steps)) for moment in plan.moments(what, count)]
    dice = {what: plan.dice(what) for what in ("restart", "failover", "terminate", "clock")}
    failovers = 0
    for moment, what in sorted(deeds):
        scene.wait_until(moment)
        if not scene.storm.is_set():
            return
        if what == "restart":
            _restart(scene, dice[what])
        elif what == "terminate":
            _terminate(scene, dice[what])
        elif what == "clock":
            scene.set_clock(dice[what].randint(-15, 15))
        else:
            failovers += 1
            _fail_over(scene, dice[what], failovers)
    scene.wait_until(plan.seconds)
