"""What happened to each job, as the audit tells it: changes, claims, and which claim a request belongs to."""

import bisect
import collections
import math
import sys

from chaos.runs import number_of

FIELDS = ("seq now_db at commit app id ref old_state state old_next next not_before old_token token claimed_by old_attempts"
          " attempts old_failures failures end_wanted finished note").split()
FINAL = frozenset("removed untagged absent in_use kept cancelled failed unsupported no_ref".split())

Change = collections.namedtuple("Change", FIELDS)
Request = collections.namedtuple("Request", "run daemon kind ref begin lag end status fault effect answer")


def sent(request):
    """When it was sent at the earliest: the stand-in may have been too busy to see it at once."""
    return request.begin - request.lag


def number_of_app(app):
    """The run behind an application name; None for people and for the test itself."""
    return int(app[4:]) if app.startswith("run-") else None


def run_of_token(token):
    """What the tokens of a run's claims have in common: the last eight digits count its claims."""
    return token and token[:-8]


def change_of(row):
    return Change(*(sys.intern(value) if isinstance(value, str) else value for value in row))


class Claim:
    """A run's hold on a job. end: when it was over (infinity: never); lost: the failover that undid it."""

    __slots__ = ("run", "change", "lost", "end", "ended_by")

    def __init__(self, change, lost):
        self.run = number_of_app(change.app)
        self.change, self.lost = change, lost
        self.end, self.ended_by = math.inf, None

    @property
    def begin(self):
        return self.change.commit


def is_claim(change):
    return change.state == "claimed" and change.attempts != change.old_attempts


class Timeline:
    def __init__(self, recording):
        self.clock = sorted((event["at"], event["shift"]) for event in recording.events if event["what"] == "clock")
        self.failovers = {event["number"]: event for event in recording.events if event["what"] == "failover"}
        self.changes = collections.defaultdict(list)  # job: changes that survived
        self.lost = collections.defaultdict(list)  # (failover, job): changes that did not
        for row in recording.audit:
            change = self._read(row)
            self.changes[change.id].append(change)
        for line in recording.lost:
            change = self._read(line["row"])
            self.lost[line["failover"], change.id].append(change)
        self.claims = collections.defaultdict(list)  # (run, image): claims in order
        for changes in self.changes.values():
            self._add_claims(changes, None)
        for (failover, _), changes in self.lost.items():
            self._add_claims(changes, failover)
        for claims in self.claims.values():
            claims.sort(key=lambda claim: claim.begin)
        self.requests = sorted((request for daemon, entries in recording.requests.items()
                                for request in self._requests_of(daemon, entries)), key=lambda request: request.begin)
        self.by_claim = collections.defaultdict(list)
        for request in self.requests:
            if request.ref is not None:
                self.by_claim[self.claim_of(request)].append(request)

    def _read(self, row):
        change = change_of(row)
        # A step of the clock between change and commit would look like a long transaction.
        return change._replace(commit=change.at) if self.clock else change

    @staticmethod
    def _requests_of(daemon, entries):
        for entry in entries:
            yield Request(number_of(entry["host"]), daemon, entry["kind"], entry["ref"] and sys.intern(entry["ref"]),
                          entry["begin"], entry["lag"], entry["end"], entry["status"], entry["fault"], entry["effect"],
                          entry.get("answer"))

    def _add_claims(self, changes, failover):
        open_claim = None
        for change in changes:
            ends = change.state != "claimed" or is_claim(change)
            if open_claim is not None and ends:
                open_claim.end, open_claim.ended_by = change.commit, change
                open_claim = None
            if is_claim(change):
                open_claim = Claim(change, failover)
                self.claims[open_claim.run, change.ref].append(open_claim)
        if failover is not None and open_claim is not None:
            open_claim.end = self.failovers[failover]["dead"]  # nobody knows of it from there on

    def db_time(self, moment):
        """The database's clock at a moment of the host's."""
        index = bisect.bisect_right(self.clock, (moment, math.inf))
        return moment + (self.clock[index - 1][1] if index else 0)

    def claim_of(self, request):
        """The newest claim of its run on its image; None where there is none."""
        found = None
        for claim in self.claims.get((request.run, request.ref), ()):
            if claim.begin <= request.begin:
                found = claim
        return found

    def requests_within(self, claim, until):
        """Its requests that began until then."""
        return [request for request in self.by_claim.get(claim, ()) if request.begin <= until]

    def chains(self):
        """(failover or None, job, changes before these, changes)"""
        for job, changes in self.changes.items():
            yield None, job, [], changes
        for (failover, job), changes in self.lost.items():
            # By time: the numbers of the two timelines overlap.
            yield failover, job, [change for change in self.changes.get(job, ()) if change.commit < changes[0].commit], changes
