#!/usr/bin/python3
"""Judges what a phase of the chaos test left behind: tests/chaos/judge.py FOLDER, or --self-test.

It reads what the stand-ins logged and what the tables hold, believes no run, and prints one line for each invariant: how
often it was broken, and for each time the job, the run and the times.
"""

import collections
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from chaos.recording import Recording  # noqa: E402
from chaos.runs import LEASE_S  # noqa: E402
from chaos.timeline import FINAL, Timeline, is_claim, number_of_app, run_of_token, sent  # noqa: E402

DAY_S = 86400
# A run asks the database again before a delete when its last word is older than a second (SWEEP_CONFIRMED_MS). So for a
# second after a claim was taken from it, a delete may start; the rest is for a machine that is busy.
WORD_S = 2.0
# A run may have sent requests before it learned of a 401.
LEARNS_S = 1.0
CLOCK_MAX_S = 60
EVIDENCE_MAX = 5
GONE = ("removed", "untagged", "absent")


class Judge:
    """Each check yields its evidence, one text for each violation."""

    def __init__(self, recording):
        self.recording = recording
        self.line = Timeline(recording)
        self.runs = {start["run"]: start for start in recording.starts}
        self.origin = recording.plan.get("host_began", 0)
        self.allowed = collections.Counter()  # what looks like a violation and is none, by reason

    # Words.

    def at(self, moment):
        return "never" if moment in (None, float("inf")) else f"{moment - self.origin:.3f}"

    def say_request(self, request):
        return (f"{request.kind} of {request.ref} by run {request.run} from {self.at(request.begin)} to {self.at(request.end)},"
                f" status {request.status}, fault {request.fault}, effect {request.effect}")

    def say_claim(self, claim):
        if claim is None:
            return "no claim"
        change = claim.change
        return (f"claim of job {change.id} by run {claim.run}, attempt {change.attempts}, from {self.at(claim.begin)} to"
                f" {self.at(claim.end)}" + (f", lost by failover {claim.lost}" if claim.lost else "")
                + (f", ended by {claim.ended_by.app} as {claim.ended_by.state}" if claim.ended_by else ""))

    def say_change(self, change):
        return (f"job {change.id} ({change.ref}) by {change.app} at {self.at(change.at)}: {change.old_state} -> {change.state},"
                f" attempts {change.old_attempts} -> {change.attempts}")

    # The invariants.

    def lost_rows(self):
        """every row is final, and none vanished but pruned ones"""
        table = {job["id"]: job for job in self.recording.jobs}
        for job in self.recording.jobs:
            if job["state"] not in FINAL:
                yield f"job {job['id']} ({job['ref']}) is still {job['state']}: {job['why']}"
            if job["id"] not in self.line.changes:
                yield f"job {job['id']} ({job['ref']}) is in the table, and nobody put it there"
        for number, changes in self.line.changes.items():
            last = changes[-1]
            if last.state is None:
                if last.old_state not in FINAL or last.old_state == "failed" or number_of_app(last.app) is None \
                        or last.finished is None or last.finished > last.now_db - DAY_S:
                    yield f"vanished, and not by pruning: {self.say_change(last)}"
            elif number not in table:
                yield f"vanished without a trace: {self.say_change(last)}"
            elif table[number]["state"] != last.state or table[number]["attempts"] != last.attempts:
                yield f"the table says {table[number]}, the audit {self.say_change(last)}"
        for failover, _, before, changes in self.line.chains():
            state = before[-1].state if before else None
            for change in changes:
                if change.old_state != state:
                    yield f"it was {state}: {self.say_change(change)}" + (f", lost by failover {failover}" if failover else "")
                state = change.state

    def lost_words(self):
        """what people were told is so, or went with a failover"""
        known = collections.defaultdict(list)
        for _, number, _, changes in self.line.chains():
            known[number] += changes
        for deed in self.recording.deeds:
            if deed["outcome"] != "committed":
                continue
            if deed["do"] == "schedule":
                for number, ref in zip(deed["result"], deed["refs"]):
                    if not any(change.ref == ref and change.app.startswith("people") for change in known.get(number, ())):
                        yield f"job {number} ({ref}) was scheduled at {self.at(deed['end'])} and is nowhere"
            elif deed["result"] and deed["result"][0] is True:
                window = deed["begin"] - 0.001, deed["end"] + 0.001
                if not any(change.app.startswith("people") and (self.line.clock or window[0] <= change.at <= window[1])
                           for change in known.get(deed["job"], ())):
                    yield f"{deed['do']} of job {deed['job']} was answered with true at {self.at(deed['end'])} and is nowhere"

    def early(self):
        """no delete starts before not_before, no claim is made before the row is due"""
        for claim, requests in self.line.by_claim.items():
            for request in requests:
                if claim is None or request.kind != "remove":
                    continue
                change = claim.change
                if change.not_before > max(change.now_db, self.line.db_time(request.begin)):
                    yield f"not before {self.at(change.not_before)}: {self.say_request(request)}; {self.say_claim(claim)}"
        for _, _, _, changes in self.line.chains():
            for change in changes:
                if is_claim(change) and (change.old_next is None or max(change.old_next, change.not_before) > change.now_db):
                    yield (f"due {self.at(change.old_next)}, not before {self.at(change.not_before)}:"
                           f" {self.say_change(change)}")

    def late(self):
        """no request starts that could outlast its lease"""
        for claim, requests in self.line.by_claim.items():
            for request in requests:
                if claim is None:
                    continue
                timeout = self.runs[request.run]["timeout"]
                if self.line.db_time(sent(request)) + timeout > claim.change.next:
                    yield f"lease until {self.at(claim.change.next)}: {self.say_request(request)}; {self.say_claim(claim)}"

    def after_keep(self):
        """no delete starts after its job was kept or cancelled"""
        for claim, requests in self.line.by_claim.items():
            if claim is None or claim.ended_by is None or claim.ended_by.state not in ("kept", "cancelled"):
                continue
            for request in requests:
                if request.kind == "remove" and sent(request) > claim.end:
                    yield f"{self.say_request(request)}; {self.say_claim(claim)}"

    def without_claim(self):
        """no request without a claim that stands, but where its run cannot know: a second for a delete"""
        for claim, requests in self.line.by_claim.items():
            for request in requests:
                if claim is None or sent(request) > claim.end + self._grace_of(claim, request):
                    if claim is None or claim.ended_by is None or claim.ended_by.state not in ("kept", "cancelled"):
                        yield f"{self.say_request(request)}; {self.say_claim(claim)}"
                elif sent(request) > claim.end:
                    self.allowed[f"{request.kind}s by runs that could not know yet that schedule() or a failover had"
                                 " taken their claim"] += 1
        for request in self.line.requests:
            if request.run not in self.runs:
                yield f"by nobody that was started: {self.say_request(request)}"

    @staticmethod
    def _grace_of(claim, request):
        """How long its run may take it for its own. By somebody else's doing it ends unnoticed, until the run asks
        before a delete; it does not ask before it looks at an image, which harms nothing."""
        if claim.lost is None and (claim.ended_by is None or number_of_app(claim.ended_by.app) is not None):
            return 0
        return WORD_S if request.kind == "remove" else LEASE_S

    def no_effect(self):
        """no result without its effect"""
        answers = {"removed": self._removed, "untagged": self._untagged, "absent": self._absent}
        for _, _, _, changes in self.line.chains():
            for change in changes:
                if change.state in GONE and change.old_state not in GONE:
                    mine = self._told(change)
                    if not any(answers[change.state](request) for request in mine):
                        yield f"{self.say_change(change)}; it was told: " + ("; ".join(map(self.say_request, mine)) or "nothing")
        left = {daemon: {name for names in images.values() for name in names} for daemon, images in self.recording.images.items()}
        for job in self.recording.jobs:
            if job["state"] in GONE and job["ref"] in left.get(job["daemon"], ()):
                yield f"job {job['id']} is {job['state']}, and {job['ref']} is still there"

    def _told(self, change):
        """The requests of the claim under which a result was written, and of no other claim of that run."""
        return [request for claim in self.line.claims.get((number_of_app(change.app), change.ref), ())
                if claim.change.id == change.id and claim.change.token == change.token
                for request in self.line.requests_within(claim, change.at)]

    @staticmethod
    def _removed(request):
        return request.kind == "remove" and request.effect == "deleted" and request.status == 200

    @staticmethod
    def _untagged(request):
        return request.kind == "remove" and request.effect == "untagged" and request.status == 200

    @staticmethod
    def _absent(request):
        if request.kind == "inspect":
            return request.status == 404
        return request.kind == "remove" and request.status == 200 and "not_found" in (request.answer or "")

    def overwritten(self):
        """no newer state is overwritten: a result is written by whoever holds the claim, with its token and attempt"""
        for _, _, before, changes in self.line.chains():
            claims = [change for change in before if is_claim(change)]
            holder = claims[-1] if claims and before[-1].state == "claimed" else None
            for change in changes:
                trouble = self._trouble_of(change, holder)
                if trouble:
                    yield f"{trouble}: {self.say_change(change)}"
                if is_claim(change):
                    holder = change
                elif change.state != "claimed":
                    holder = None

    @staticmethod
    def _trouble_of(change, holder):  # pylint: disable=too-many-return-statements
        writer = number_of_app(change.app)
        if change.attempts is not None and change.old_attempts is not None and change.attempts < change.old_attempts:
            return "attempts went back"
        if writer is None or change.state is None:
            return None  # people may change what is not claimed, and what is claimed by schedule(); see below
        if is_claim(change):
            if change.attempts != change.old_attempts + 1:
                return "not one attempt more"
            return "the lease held" if change.old_next > change.now_db else None
        if change.old_state != "claimed":
            return None if change.old_state == "new" and change.state in ("pending", "kept") else "not claimed"
        if change.token is None:
            # Whoever claims may end it, where the lease is over and somebody wished so, or its runs died too often.
            is_end = change.state in ("kept", "cancelled", "failed") and change.old_next <= change.now_db
            return None if is_end else "ended without a result"
        if holder is not None and change.app != holder.app:
            return f"the claim was {holder.app}'s"
        same = change.old_token == change.token and change.attempts == change.old_attempts
        if holder is not None:  # a claim from before a failover has its token and attempt in old_token, old_attempts
            same = same and change.token == holder.token and change.attempts == holder.attempts
        return None if same else "token or attempt is not the claim's"

    def people_overwrote(self):
        """nobody keeps or cancels a job while a claim on it lives"""
        for _, _, _, changes in self.line.chains():
            for change in changes:
                if number_of_app(change.app) is None and change.old_state == "claimed" and change.state in FINAL \
                        and change.old_next > change.now_db:
                    yield self.say_change(change)

    def twice(self):
        """no two deletes of one image at once while the first one's claim stands"""
        deletes = collections.defaultdict(list)
        for claim, requests in self.line.by_claim.items():
            for request in requests:
                if request.kind == "remove" and claim is not None:
                    deletes[request.ref].append((request, claim))
        for pairs in deletes.values():
            pairs.sort(key=lambda pair: pair[0].begin)
            for index, (first, claim) in enumerate(pairs):
                over = min(first.end or float("inf"), first.begin + self.runs[first.run]["timeout"])
                for second, other in pairs[index + 1:]:
                    if second.begin >= over:
                        break
                    if claim.lost or other.lost:
                        self.allowed["deletes at once after a failover that lost a claim"] += 1
                    elif other.end < sent(second) <= other.end + self._grace_of(other, second):
                        self.allowed["deletes at once by a run that could not know yet that schedule() had taken its claim"] += 1
                    elif claim is not other and claim.end <= second.begin and not self._is_stolen(claim):
                        self.allowed["deletes at once after the first one's claim had been given up or taken away"] += 1
                    else:
                        yield f"{self.say_request(first)} and {self.say_request(second)}; {self.say_claim(claim)}"

    @staticmethod
    def _is_stolen(claim):
        """Whether another run took it while its lease held."""
        return claim.ended_by is not None and is_claim(claim.ended_by) and claim.ended_by.now_db < claim.change.next

    def down(self):
        """no attempt is used up by a daemon that is down"""
        for _, _, _, changes in self.line.chains():
            for change in changes:
                if change.old_state != "claimed" or change.old_failures is None or change.failures is None \
                        or change.failures <= change.old_failures:
                    continue
                mine = self._told(change)
                if not any(map(self._counts, mine)):
                    yield f"{self.say_change(change)}; it was told: " + ("; ".join(map(self.say_request, mine)) or "nothing")

    @staticmethod
    def _counts(request):
        """Whether the answer is trouble with this job: an error of Docker's, of a proxy, or an answer that broke off."""
        if request.fault in ("cut", "hang", "slow", "garbage"):
            return True
        words = request.answer or ""
        is_down = "Could not connect" in words or "(HaRP)" in words or "No server is available" in words
        return request.status is not None and request.status >= 500 and not is_down

    def failed(self):
        """no job fails: all troubles were of the kind that pass"""
        for _, _, _, changes in self.line.chains():
            for change in changes:
                if change.state == "failed" and change.old_state != "failed":
                    yield f"{self.say_change(change)}: {change.note}"

    def wrong_clock(self):
        """a run whose clock is 300 s off asks nothing and exits with 78"""
        wrong = {number for number, start in self.runs.items() if abs(start["clock"]) > CLOCK_MAX_S}
        for request in self.line.requests:
            if request.run in wrong:
                yield f"clock {self.runs[request.run]['clock']:+d} s: {self.say_request(request)}"
        for number in sorted(wrong):
            if self.runs[number]["exit"] not in (78, 69):  # 69: the database was away
                yield f"run {number}, clock {self.runs[number]['clock']:+d} s, exit {self.runs[number]['exit']}"

    def after_401(self):
        """nothing is sent to a daemon that refused the key, in that run"""
        refused = {}
        for request in self.line.requests:
            key = request.run, request.daemon
            if key in refused and sent(request) > refused[key] + LEARNS_S:
                yield f"401 at {self.at(refused[key])}: {self.say_request(request)}"
            if request.status == 401 and request.end is not None:
                refused[key] = min(request.end, refused.get(key, request.end))

    def endings(self):
        """no run hangs, crashes or ends with a code that nobody gave it a reason for"""
        for number, start in self.runs.items():
            fine = {0, 1, 69, 75} | ({78} if abs(start["clock"]) > CLOCK_MAX_S else set())
            sent = {name for name, _ in start["signals"]}
            if start["stuck"]:
                yield f"run {number} ({start['style']}) hung"
            elif start["exit"] not in fine and not (start["exit"] == -9 and "SIGKILL" in sent) \
                    and not (start["exit"] == -15 and "SIGTERM" in sent):
                yield f"run {number} ({start['style']}): exit {start['exit']}, {start['said']!r}"

    def own_words(self):
        """what runs wrote of themselves agrees with what the audit saw; no token is a job's twice, not even of lost claims"""
        tokens = collections.Counter((claim.change.id, claim.change.token)
                                     for claims in self.line.claims.values() for claim in claims)
        for (job, token), count in tokens.items():
            if count > 1:
                yield f"token {token} was given to {count} claims of job {job}"
        for claim in (claim for claims in self.line.claims.values() for claim in claims):
            if claim.run not in self.runs or not claim.change.claimed_by.endswith(f":{self.runs[claim.run]['pid']}"):
                yield f"claimed by {claim.change.claimed_by}: {self.say_claim(claim)}"
        undone = {run_of_token(change.token) for changes in self.line.lost.values() for change in changes}
        seen, pruned = collections.Counter(), collections.Counter()
        for changes in self.line.changes.values():
            for change in changes:
                if change.state in GONE and change.old_state == "claimed":
                    mine = run_of_token(change.token), change.state
                    seen[mine] += 1
                    pruned[mine] += changes[-1].state is None and changes[-1].at < self.runs[number_of_app(change.app)]["end"]
        for run in self.recording.runs:
            token = run_of_token(run["token"])
            late = run["late"]
            for state in GONE:
                more = seen[token, state] - run[state]
                # The answer to its result was lost, and when it asked again, the row was pruned: it was told "late".
                if 0 < more <= min(late, pruned[token, state]):
                    late -= more
                    self.allowed["results whose rows were pruned before their run could ask once more"] += more
                elif token not in undone and more != 0:
                    yield f"run {run['token']} says {run[state]} {state}, the audit {seen[token, state]}"

    def unheard(self):
        """every open job has an alarm that rings by the time at which it may be claimed"""
        for event in self.recording.events:
            if event["what"] == "unheard":
                yield f"job {event['job']}, {event['state']} until {event['next_at']}, at {self.at(event['at'])}"

    INVARIANTS = {
        "lost": lost_rows, "told and lost": lost_words, "early": early, "late start": late, "after keep or cancel": after_keep,
        "without a claim": without_claim, "without its effect": no_effect, "overwritten": overwritten,
        "ended under a claim": people_overwrote, "two at once": twice, "used up by a dead daemon": down, "failed": failed,
        "wrong clock": wrong_clock, "after a 401": after_401, "endings": endings, "own words": own_words, "unheard": unheard,
    }

    def verdict(self):
        """{invariant: [evidence]}"""
        return {name: list(check(self)) for name, check in self.INVARIANTS.items()}


def report(recording, out=sys.stdout):
    """Prints one line for each invariant, and evidence; returns the number of violations."""
    judge = Judge(recording)
    verdict = judge.verdict()
    for name, evidence in verdict.items():
        meaning = Judge.INVARIANTS[name].__doc__
        print(f"{'ok' if not evidence else 'BROKEN':6} {len(evidence):5}  {name}: {meaning}", file=out)
        for text in evidence[:EVIDENCE_MAX]:
            print(f"              {text}", file=out)
        if len(evidence) > EVIDENCE_MAX:
            print(f"              and {len(evidence) - EVIDENCE_MAX} more", file=out)
    for reason, count in sorted(judge.allowed.items()):
        print(f"       {count:5}  allowed: {reason}", file=out)
    return sum(map(len, verdict.values()))


def main():
    if sys.argv[1:] == ["--self-test"]:
        from chaos import doctor  # pylint: disable=import-outside-toplevel
        sys.exit(doctor.self_test())
    if len(sys.argv) != 2:
        sys.exit("usage: judge.py FOLDER | --self-test")
    sys.exit(1 if report(Recording(sys.argv[1])) else 0)


if __name__ == "__main__":
    main()
