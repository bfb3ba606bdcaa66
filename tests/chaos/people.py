"""People: apps that are uninstalled, and minds that change."""

import collections
import threading
import time

import psycopg

# What is asked for, and how often. graced: its grace ends during the test; hour: it does not, unless somebody says now.
CHOICES = {"now": 52, "settings": 22, "zero": 10, "graced": 9, "hour": 4, "keep": 3}
ASK = "select harpsweep.schedule(%s, {app}, r, 'uninstall', {choice}, {hours}) from unnest(%s::text[], %s::text[]) as u(r, a)"
ASKS = {
    "now": ASK.format(app="u.a", choice="'now'", hours="null"),
    "settings": ASK.format(app="u.a", choice="'grace'", hours="null"),
    "zero": ASK.format(app="u.a", choice="'grace'", hours="0"),
    "hour": ASK.format(app="u.a", choice="'grace'", hours="1"),
    "keep": ASK.format(app="u.a", choice="'keep'", hours="null"),
    # The event was an hour ago, less what is left of the grace.
    "graced": "select harpsweep.note_job(%s, u.a, u.r, null, 'uninstall', 'grace', 1,"
              " now() - interval '1 h' + %s * interval '1 s', null, null, null)"
              " from unnest(%s::text[], %s::text[]) as u(r, a)",
}


class Known:
    """The newest jobs, for minds that change."""

    def __init__(self):
        self._jobs = collections.deque(maxlen=600)
        self._lock = threading.Lock()

    def add(self, jobs):
        with self._lock:
            self._jobs.extend(jobs)

    def pick(self, dice):
        with self._lock:
            return self._jobs[int(dice.random() ** 0.5 * len(self._jobs))] if self._jobs else None


def deed(scene, session, do, sql, values, **about):
    """One call in one transaction, written down with what came of it; returns its rows, None where it is not known or
    refused."""
    begin = time.time()
    outcome, rows = "committed", None
    try:
        rows = session.run(sql, values)
    except psycopg.OperationalError as error:
        refusals = (psycopg.errors.QueryCanceled, psycopg.errors.DeadlockDetected)
        outcome = "refused" if isinstance(error, refusals) else "unknown"
    scene.journal.note("deeds", do=do, begin=begin, end=time.time(), outcome=outcome,
                       result=[row[0] for row in rows] if rows is not None else None, **about)
    return rows


def names(first, count):
    return ([f"registry.example.com/exapp{number % 89}:{number}" for number in range(first, first + count)],
            [f"app{number // 3}" for number in range(first, first + count)])


def lost_arrivals(scene, session):
    """Rows that a failover took are reported once more."""
    while scene.lost_refs:
        ref = scene.lost_refs.pop()
        number = int(ref.rpartition(":")[2])
        harp = scene.harp_of[ref]
        _schedule(scene, session, "now", harp, 0, [ref], [f"app{number // 3}"])


def _schedule(scene, session, choice, harp, grace, refs, apps):
    """Until it is known to have happened, as Nextcloud's people would; a second time merges. Returns its rows."""
    values = (harp.name, grace, refs, apps) if choice == "graced" else (harp.name, refs, apps)
    rows = None
    while rows is None:
        rows = deed(scene, session, "schedule", ASKS[choice], values, daemon=harp.name, choice=choice, refs=refs)
    return rows


def arrivals(scene, name, known):
    """Apps are uninstalled, some at a time, evenly over the storm."""
    dice = scene.plan.dice(name)
    session = scene.session("people-arrivals")
    made = 0
    while made < scene.plan.jobs:
        count = min(scene.plan.jobs - made, dice.choice([3, 30, 60, 90, 150]))
        choice = dice.choices(list(CHOICES), list(CHOICES.values()))[0]
        if choice in ("keep", "hour"):  # people do that one by one
            count = min(count, 12)
        harp = dice.choice(scene.harps)
        rest = dice.uniform(0.05, 0.6)
        scene.wait_until((made / scene.plan.jobs - 0.1) * scene.plan.seconds)  # a tenth of them at once
        refs, apps = names(made, count)
        made += count
        harp.tell("engine", port=24000, call="add_images", names=refs, size=1000 + made)
        if dice.random() < 0.1:  # somebody still runs this one, until the storm is over
            harp.add_container(refs[0], f"nc_app_used{made}")
            scene.containers.append((harp, f"nc_app_used{made}"))
        # Some graces end in the middle of the storm, some right away; all before its end.
        grace = max(1.0, min(scene.seconds_left() - 2, rest * scene.plan.seconds))
        scene.harp_of.update(dict.fromkeys(refs, harp))
        rows = _schedule(scene, session, choice, harp, grace, refs, apps)
        known.add((row[0], ref, harp.name, app) for row, ref, app in zip(rows, refs, apps))
        lost_arrivals(scene, session)


def one_change(scene, session, dice, job):
    number, ref, daemon, app = job
    what = dice.choices(["keep", "keep_job", "cancel", "now", "retry", "merge_later", "merge_hour", "merge_now", "merge_zero"],
                        [6, 12, 20, 12, 22, 9, 5, 8, 6])[0]
    grace = dice.uniform(1, 20)
    asks = {
        "keep": ("select harpsweep.keep(%s, %s)", [daemon, app]),
        "keep_job": ("select harpsweep.keep_job(%s)", [number]),
        "cancel": ("select harpsweep.cancel(%s, 'changed my mind')", [number]),
        "now": ("select harpsweep.make_due(%s)", [number]),
        "retry": ("select harpsweep.retry(%s)", [number]),
        "merge_later": (ASKS["graced"], [daemon, grace, [ref], [app]]),
        "merge_hour": (ASKS["hour"], [daemon, [ref], [app]]),
        "merge_now": (ASKS["now"], [daemon, [ref], [app]]),
        "merge_zero": (ASKS["zero"], [daemon, [ref], [app]]),
    }
    sql, values = asks[what]
    try:
        deed(scene, session, what, sql, values, job=number, ref=ref, daemon=daemon)
    except psycopg.errors.NoDataFound:  # "there is no job": a failover lost it
        scene.journal.note("deeds", do=what, begin=time.time(), end=time.time(), outcome="refused", result=None, job=number,
                           ref=ref, daemon=daemon)


def minds(scene, name, known):
    """Somebody keeps, cancels, hurries, repeats."""
    dice = scene.plan.dice(name)
    session = scene.session("people-minds")
    while scene.storm.is_set():
        time.sleep(dice.uniform(0, 0.12))
        job = known.pick(dice)
        if job is not None:
            one_change(scene, session, dice, job)


def all_due(scene):
    """At the end: graces that would take an hour more."""
    session = scene.session("people-end")
    lost_arrivals(scene, session)
    rows = session.run("select j.id from harpsweep.job j where j.next_at is not null and j.not_before > now()"
                       " and j.state = 'pending'")
    for (number,) in rows:
        deed(scene, session, "now", "select harpsweep.make_due(%s)", [number], job=number)


