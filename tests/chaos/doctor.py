"""Shows that the judge judges: a small recording in which all is well, and for each way to break an invariant the same
recording with that one thing changed, which the judge must notice."""

import copy
import json

from chaos.judge import Judge
from chaos.recording import Recording
from chaos.runs import LEASE_S, TIMEOUT_S, address_of
from chaos.timeline import FIELDS

T0 = 1_000_000.0
DAEMON = "harp-1"
NOT_FOUND = json.dumps({"deleted": True, "bytes_freed": 0, "reason": "not_found"})
DELETED = json.dumps({"deleted": True, "bytes_freed": 5})


def token_of(run, claim):
    return f"{run:08x}-0000-4000-8000-0000{claim:08x}"


class Forge:
    """Writes a recording as a phase would leave it; times are seconds after T0."""

    def __init__(self):
        self.recording = Recording()
        self.recording.plan = {"host_began": T0}
        self.recording.requests = {DAEMON: []}
        self.recording.images = {DAEMON: {}}
        self.rows = {}  # job: its newest row
        self.claims = 0

    def run(self, number, exit_code=0, clock=0, signals=(), begin=0.0, end=500.0):
        self.recording.starts.append({
            "run": number, "pid": 1000 + number, "begin": T0 + begin, "end": T0 + end, "exit": exit_code, "stops": [],
            "signals": [[name, T0 + end] for name in signals], "stuck": False, "late": 0, "timeout": TIMEOUT_S,
            "lease": LEASE_S, "said": "", "style": "whole", "bouncer": False, "clock": clock, "verify": "no"})

    def change(self, app, job, when, lost=None, **new):
        """A row of the audit; what new leaves out stays as it was."""
        old = self.rows.get(job)
        row = dict.fromkeys(FIELDS)
        if old is not None:
            row.update({key: old[key] for key in ("ref", "state", "next", "not_before", "token", "claimed_by", "attempts",
                                                  "failures")})
            row.update(old_state=old["state"], old_next=old["next"], old_token=old["token"], old_attempts=old["attempts"],
                       old_failures=old["failures"])
        row.update(new, seq=len(self.recording.audit) + len(self.recording.lost) + 1, now_db=T0 + when, at=T0 + when,
                   commit=T0 + when + 0.001, app=app, id=job)
        if lost is None:
            self.recording.audit.append([row[field] for field in FIELDS])
            self.rows[job] = row
        else:
            self.recording.lost.append({"failover": lost, "row": [row[field] for field in FIELDS]})
        return row

    def schedule(self, job, when, not_before=None):
        ref = f"app:{job}"
        due = T0 + (when if not_before is None else not_before)
        self.change("people-arrivals", job, when, ref=ref, state="pending", next=due, not_before=due, attempts=0, failures=0)
        self.recording.deeds.append({"do": "schedule", "begin": T0 + when - 0.01, "end": T0 + when + 0.01, "job": None,
                                     "outcome": "committed", "result": [job], "refs": [ref]})

    def claim(self, job, run, when, lost=None):
        attempts = self.rows[job]["attempts"] + 1
        self.claims += 1
        return self.change(f"run-{run}", job, when, lost, state="claimed", next=T0 + when + LEASE_S, token=token_of(run, self.claims),
                           attempts=attempts, claimed_by=f"host:{1000 + run}")

    def end(self, job, run, when, state, **more):
        final = state != "pending"
        return self.change(f"run-{run}", job, when, state=state, next=None if final else T0 + when,
                           finished=T0 + when if final else None, **more)

    def ask(self, job, run, begin, end=None, status=200, answer=DELETED, effect="deleted", fault=None, kind="remove"):
        self.recording.requests[DAEMON].append({
            "host": f"{address_of(run)}:80", "kind": kind, "ref": f"app:{job}" if job else None, "begin": T0 + begin,
            "lag": 0, "end": T0 + (begin + 0.1 if end is None else end), "status": status, "fault": fault, "effect": effect,
            "answer": answer})

    def whole(self, job, run, when):
        """A job from its claim to its image's end."""
        self.claim(job, run, when)
        self.ask(job, run, when + 0.1)
        self.end(job, run, when + 0.3, "removed")


def all_is_well():
    forge = Forge()
    for number in (1, 2, 3, 4):
        forge.run(number)
    forge.run(5, exit_code=-9, signals=["SIGKILL"], end=51)
    forge.run(6, exit_code=78, clock=300)
    forge.run(7)
    # 1: as it should be. 2: kept while it waits. 3: its run dies in the delete, the next one finds the image gone.
    forge.schedule(1, 1)
    forge.whole(1, 1, 10)
    forge.schedule(2, 1, not_before=100)
    forge.change("people-minds", 2, 20, state="kept", next=None, finished=T0 + 20)
    forge.recording.deeds.append({"do": "keep_job", "begin": T0 + 19.99, "end": T0 + 20.01, "job": 2, "outcome": "committed",
                                  "result": [True]})
    forge.schedule(3, 1)
    forge.claim(3, 5, 50)
    forge.ask(3, 5, 50.5, end=52)
    forge.claim(3, 2, 90)
    forge.ask(3, 2, 90.1, answer=NOT_FOUND, effect=None)
    forge.end(3, 2, 90.3, "absent")
    # 4: Docker has trouble, which counts. 5: the daemon is down, which does not. Then both go.
    forge.schedule(4, 1)
    forge.claim(4, 1, 30)
    forge.ask(4, 1, 30.1, status=500, answer="An unexpected error occurred during image removal.", effect=None)
    forge.end(4, 1, 30.3, "pending", failures=1)
    forge.whole(4, 2, 120)
    forge.schedule(5, 1)
    forge.claim(5, 1, 31)
    forge.ask(5, 1, 31.1, status=503, answer="Could not connect to Docker Engine on port 24000", effect=None)
    forge.end(5, 1, 31.3, "pending")
    forge.whole(5, 3, 121)
    # 6: its grace ends at 60. 7: old, and pruned. 8: its claim goes with a failover, and it is done once more.
    forge.schedule(6, 1, not_before=60)
    forge.whole(6, 4, 61)
    forge.schedule(7, 1)
    forge.whole(7, 1, 13)
    forge.change("chaos", 7, 14, finished=T0 - 200_000)
    forge.change("run-1", 7, 15, state=None, next=None, token=None, attempts=None, failures=None, claimed_by=None,
                 finished=T0 - 200_000)
    forge.schedule(8, 1)
    forge.claim(8, 3, 200, lost=1)
    forge.ask(8, 3, 200.5)
    forge.recording.events.append({"what": "failover", "number": 1, "at": T0 + 199.9, "dead": T0 + 201, "back": T0 + 202})
    forge.claim(8, 4, 203)
    forge.ask(8, 4, 203.1, answer=NOT_FOUND, effect=None)
    forge.end(8, 4, 203.2, "absent")
    # 9: scheduled anew while a run works on it, which learns of it too late. 10: the key is wrong.
    forge.schedule(9, 1)
    forge.claim(9, 1, 70)
    forge.change("people-minds", 9, 70.2, state="pending", token=None, claimed_by=None, next=T0 + 80, not_before=T0 + 80)
    forge.ask(9, 1, 70.4)
    forge.claim(9, 2, 81)
    forge.ask(9, 2, 81.1, answer=NOT_FOUND, effect=None)
    forge.end(9, 2, 81.3, "absent")
    forge.schedule(10, 1)
    forge.claim(10, 7, 300)
    forge.ask(10, 7, 300.1, status=401, answer="401 Unauthorized", effect=None)
    forge.end(10, 7, 300.3, "pending")
    forge.whole(10, 1, 310)
    # 11: its run dies, somebody keeps it meanwhile, and whoever claims next ends it.
    forge.schedule(11, 1)
    forge.claim(11, 5, 50)
    forge.change("people-minds", 11, 60, end_wanted="kept")
    forge.end(11, 2, 90, "kept", token=None)
    for number, row in forge.rows.items():
        if row["state"] is not None:
            forge.recording.jobs.append({"id": number, "daemon": DAEMON, "ref": row["ref"], "state": row["state"],
                                         "attempts": row["attempts"], "failures": row["failures"], "why": None})
    forge.recording.runs.append({"token": token_of(2, 0), "removed": 1, "untagged": 0, "absent": 2, "late": 0})
    # The row of job 7 was pruned before run 1, who removed it and 1 and 10, could ask again whether that was recorded.
    forge.recording.runs.append({"token": token_of(1, 0), "removed": 2, "untagged": 0, "absent": 0, "late": 1})
    return forge


def _rows(forge, job, state):
    """Rows of the audit by which a job came into a state, to be changed."""
    at = {name: index for index, name in enumerate(FIELDS)}
    return [_Row(row, at) for row in forge.recording.audit if row[at["id"]] == job and row[at["state"]] == state]


class _Row:
    def __init__(self, row, at):
        self._row, self._at = row, at

    def set(self, **new):
        for name, value in new.items():
            self._row[self._at[name]] = value


def _asked(forge, job, run=None):
    return [entry for entry in forge.recording.requests[DAEMON]
            if entry["ref"] == f"app:{job}" and run in (None, int(entry["host"].split(".")[3].split(":")[0]))]


def _start(forge, run):
    return next(start for start in forge.recording.starts if start["run"] == run)


def _stays_open(forge):
    forge.schedule(20, 1)
    forge.recording.jobs.append({"id": 20, "daemon": DAEMON, "ref": "app:20", "state": "pending", "attempts": 0, "why": None})


def _claims_while_it_is_held(forge):
    forge.schedule(20, 1)
    forge.claim(20, 1, 40)
    forge.claim(20, 2, 41)
    forge.ask(20, 1, 41, end=43)
    forge.ask(20, 2, 42, end=43, answer=NOT_FOUND, effect=None)
    forge.end(20, 2, 44, "absent")
    forge.recording.jobs.append({"id": 20, "daemon": DAEMON, "ref": "app:20", "state": "absent", "attempts": 2, "why": None})
    forge.recording.runs.clear()


def _cancels_while_it_is_held(forge):
    forge.schedule(20, 1)
    forge.claim(20, 1, 40)
    forge.change("people-minds", 20, 41, state="cancelled", next=None, token=None, finished=T0 + 41)
    forge.recording.jobs.append({"id": 20, "daemon": DAEMON, "ref": "app:20", "state": "cancelled", "attempts": 1, "why": None})


def _keeps_and_deletes(forge):
    _cancels_while_it_is_held(forge)
    forge.ask(20, 1, 41.5)


def _records_what_it_does_not_hold(forge):
    """Run 1 was too slow: its job is run 2's."""
    forge.schedule(20, 1)
    forge.claim(20, 1, 40)
    forge.claim(20, 2, 80)
    forge.ask(20, 1, 40.1)
    forge.end(20, 1, 81, "removed")
    forge.recording.jobs.append({"id": 20, "daemon": DAEMON, "ref": "app:20", "state": "removed", "attempts": 2, "why": None})
    forge.recording.runs.clear()


def _ends_for_another(forge, when, state="kept"):
    """As a claim does it with a job whose lease is over and which people asked to keep, or not quite so."""
    forge.schedule(20, 1)
    forge.claim(20, 1, 40)
    forge.end(20, 2, when, state, token=None)
    if state == "pending":
        forge.change("people-end", 20, when + 1, state="kept", next=None, finished=T0 + when + 1)
    forge.recording.jobs.append({"id": 20, "daemon": DAEMON, "ref": "app:20", "state": "kept", "attempts": 1, "why": None})


def _token_of_claim(forge, job):
    return next(row[FIELDS.index("token")] for row in forge.recording.audit
                if row[FIELDS.index("id")] == job and row[FIELDS.index("state")] == "claimed")


def _removes_by_an_earlier_claim(forge):
    """The second claim's result is what the first one was told, which it had given up."""
    forge.schedule(20, 1)
    forge.claim(20, 1, 40)
    forge.ask(20, 1, 40.1)
    forge.end(20, 1, 41, "pending")
    forge.claim(20, 1, 42)
    forge.end(20, 1, 43, "removed")
    forge.recording.jobs.append({"id": 20, "daemon": DAEMON, "ref": "app:20", "state": "removed", "attempts": 2, "why": None})


# What is broken, and what the judge must call it.
DOCTORS = [
    ("a row stays open", "lost", _stays_open),
    ("a row is gone from the table", "lost", lambda forge: forge.recording.jobs.pop(0)),
    ("a pruned row had ended yesterday only", "lost", lambda forge: _rows(forge, 7, None)[0].set(finished=T0)),
    ("a row changes and no change leads there", "lost", lambda forge: _rows(forge, 1, "claimed")[0].set(old_state="new")),
    ("a scheduled job is nowhere", "told and lost", lambda forge: forge.recording.deeds[0].update(result=[99])),
    ("a kept job was never kept", "told and lost", lambda forge: next(
        deed for deed in forge.recording.deeds if deed["do"] == "keep_job").update(job=1)),
    ("a delete before the grace ends", "early", lambda forge: (
        _rows(forge, 6, "claimed")[0].set(not_before=T0 + 62, now_db=T0 + 61))),
    ("a claim before the row is due", "early", lambda forge: _rows(forge, 6, "claimed")[0].set(old_next=T0 + 61.5)),
    ("a delete that may outlast its lease", "late start", lambda forge: _asked(forge, 3, 5)[0].update(
        begin=T0 + 50 + LEASE_S - TIMEOUT_S + 0.1)),
    ("an inspect that may outlast its lease", "late start", lambda forge: _asked(forge, 3, 5)[0].update(
        begin=T0 + 50 + LEASE_S - TIMEOUT_S + 0.1, kind="inspect")),
    ("a delete after a cancel", "after keep or cancel", _keeps_and_deletes),
    ("a delete of a run that claimed nothing", "without a claim", lambda forge: forge.ask(2, 3, 25)),
    ("a delete long after the job was scheduled anew", "without a claim", lambda forge: _asked(forge, 9, 1)[0].update(
        begin=T0 + 73)),
    ("a delete after its own result", "without a claim", lambda forge: forge.ask(1, 1, 11)),
    ("a delete long after its claim was lost", "without a claim", lambda forge: _asked(forge, 8, 3)[0].update(
        begin=T0 + 204, end=T0 + 204.1)),
    ("a request of nobody", "without a claim", lambda forge: forge.ask(None, 99, 20, kind="info")),
    ("removed, and nothing was deleted", "without its effect", lambda forge: _asked(forge, 1)[0].update(effect=None)),
    ("removed, and the answer was an error", "without its effect", lambda forge: _asked(forge, 1)[0].update(status=500)),
    ("absent, and nobody said so", "without its effect", lambda forge: _asked(forge, 3, 2)[0].update(answer=DELETED)),
    ("removed, and the image is there", "without its effect", lambda forge: forge.recording.images[DAEMON].update(
        {"sha256:1": ["app:1"]})),
    ("a result by a run whose claim is over", "overwritten", _records_what_it_does_not_hold),
    ("a result with another token", "overwritten", lambda forge: _rows(forge, 1, "removed")[0].set(token=token_of(9, 1))),
    ("a result with the token of another claim of its run", "overwritten", lambda forge: _rows(forge, 1, "removed")[0].set(
        token=token_of(1, 99))),
    ("a claim ended by another while its lease holds", "overwritten", lambda forge: _ends_for_another(forge, 50)),
    ("a claim ended by another although nobody asked for it", "overwritten", lambda forge: _ends_for_another(
        forge, 90, "pending")),
    ("a token twice for one job, though a failover lost one", "own words", lambda forge: forge.recording.lost[0]["row"]
     .__setitem__(FIELDS.index("token"), _token_of_claim(forge, 8))),
    ("removed by what an earlier claim of the run was told", "without its effect", _removes_by_an_earlier_claim),
    ("a result of an older attempt", "overwritten", lambda forge: _rows(forge, 4, "removed")[0].set(attempts=1)),
    ("a result for a job that waits", "overwritten", lambda forge: _rows(forge, 1, "removed")[0].set(old_state="pending")),
    ("a claim while a lease holds", "overwritten", _claims_while_it_is_held),
    ("a cancel while a lease holds", "ended under a claim", _cancels_while_it_is_held),
    ("two deletes at once", "two at once", _claims_while_it_is_held),
    ("a failure counts, and nobody was asked", "used up by a dead daemon", lambda forge: _asked(forge, 4, 1)[0].update(
        kind="info", ref=None)),
    ("a failure counts, and the daemon was down", "used up by a dead daemon",
     lambda forge: _rows(forge, 5, "pending")[1].set(failures=1)),
    ("a job fails", "failed", lambda forge: _rows(forge, 3, "absent")[0].set(state="failed")),
    ("a run with a wrong clock asks", "wrong clock", lambda forge: forge.ask(None, 6, 20, kind="info")),
    ("a run with a wrong clock is content", "wrong clock", lambda forge: _start(forge, 6).update(exit=0)),
    ("a request after a 401", "after a 401", lambda forge: forge.ask(None, 7, 303, kind="info")),
    ("a crash", "endings", lambda forge: _start(forge, 1).update(exit=-11)),
    ("a run that hangs", "endings", lambda forge: _start(forge, 1).update(stuck=True)),
    ("an internal error", "endings", lambda forge: _start(forge, 1).update(exit=70)),
    ("a claim in another's name", "own words", lambda forge: _rows(forge, 1, "claimed")[0].set(claimed_by="host:1002")),
    ("a run does not count what it did", "own words", lambda forge: forge.recording.runs[1].update(late=0)),
    ("a job without an alarm", "unheard", lambda forge: forge.recording.events.append(
        {"what": "unheard", "at": T0 + 5, "job": 1, "state": "pending", "next_at": "2026-01-01"})),
    ("a run counts what it did not do", "own words", lambda forge: forge.recording.runs[0].update(removed=2)),
]


def self_test():
    """Returns the number of doctored recordings that went unnoticed; names them."""
    missed = 0
    well = all_is_well()
    for name, evidence in Judge(well.recording).verdict().items():
        for text in evidence:
            print(f"self-test: all is well, and the judge says {name}: {text}")
            missed += 1
    for what, invariant, doctor in DOCTORS:
        forge = copy.deepcopy(well)
        doctor(forge)
        if not Judge(forge.recording).verdict()[invariant]:
            print(f"self-test: the judge does not notice: {what} ({invariant})")
            missed += 1
    unbroken = set(Judge.INVARIANTS) - {invariant for _, invariant, _ in DOCTORS}
    if unbroken:
        print(f"self-test: nothing breaks {', '.join(sorted(unbroken))}")
        missed += 1
    print(f"self-test of the judge: {len(DOCTORS)} doctored recordings, {missed} unnoticed")
    return missed
