"""What must hold after a run in which one call failed."""

import collections
import json
import re

from torture.stage import KEY

OK, ATTENTION, USAGE, UNAVAILABLE, INTERNAL, CONFIG = 0, 1, 64, 69, 70, 78
FINAL_BY_DELETE = ("removed", "untagged", "absent")

# Exit codes besides that of an undisturbed run, by the class of what failed. The settings and the key that
# cannot be read are wrong settings; a database that refuses is not available.
CODES = {
    "alloc": {INTERNAL},
    "library": {ATTENTION, UNAVAILABLE, INTERNAL},
    "libpq": {UNAVAILABLE, INTERNAL},
    "curl": {ATTENTION, INTERNAL},
    "io": {INTERNAL, CONFIG, UNAVAILABLE},
}
SANITIZER = re.compile(r"(ERROR: \w+Sanitizer|runtime error:).*")
LOST = "; trying again run="
ERROR = re.compile(r"^harpsweep: (\w+: )?error: ", re.MULTILINE)  # with the instance, where there are more


def removals(log):
    """How often a delete was asked for, by reference."""
    return collections.Counter(entry["ref"] for entry in log if entry["kind"] == "remove")


def deleted(log):
    """References whose delete Docker has done, whoever heard of it."""
    return {entry["ref"] for entry in log if entry["kind"] == "remove" and entry["status"] == 200
            and '"deleted": true' in (entry["answer"] or "")}


def same_words(text, clean):
    """Output without what is another one each time: numbers, sizes and times; and columns."""
    text = re.sub(r"\d+(\.\d+)? ?((k|M|G)?B|ms|s|min|m|h|d)?\b", "N", re.sub(r" +", " ", clean(text)))
    return re.sub(r"N( N)+", "N", text)


class Reference:
    """An undisturbed run of a scenario: what the others are held against."""

    def __init__(self, stage, done, state, log):
        self.code = done.code
        self.out, self.err = same_words(done.out, stage.clean), same_words(done.err, stage.clean)
        self.state = state
        self.jobs = jobs_by_name(state)
        self.removals = removals(log)


def jobs_by_name(state):
    """Without their numbers, which may differ where a run makes jobs."""
    return {(job["daemon"], job["appid"], job["image_ref"], job["event"]):
            {column: value for column, value in state.words(job).items() if column != "id"} for job in state.jobs()}


class Judge:
    """Collects what is wrong with one run."""

    def __init__(self, scenario, reference, stage, what, failed, done):
        self.scenario, self.reference, self.stage = scenario, reference, stage
        self.what = what  # the class
        self.function = failed[1] if failed else None  # the one that failed; None: it was not reached
        self.done = done
        self.problems = []

    def expect(self, holds, words):
        if not holds:
            self.problems.append(words)
        return holds

    # The process.

    def judge_end(self):
        done = self.done
        sanitizer = SANITIZER.search(done.err)
        if not self.expect(done.code is not None, "it stood still"):
            return
        self.expect(sanitizer is None, sanitizer and sanitizer.group(0))
        if not self.expect(done.code >= 0 and done.code != 99, f"it crashed: {done.code}"):
            return
        allowed = {self.reference.code} | (CODES[self.what] if self.function else set())
        if self.function and self.what == "alloc":
            allowed = {INTERNAL}
            self.expect("out of memory" in done.err, "out of memory, and nobody says so")
        elif self.function == "write-stdout":
            allowed = {INTERNAL}
        elif self.scenario.name == "adopt" and self.function in ("fopen", "fgets"):
            allowed = {USAGE}  # it was the caller who named that file
        self.expect(done.code in allowed, f"exit {done.code}")
        said = ERROR.search(done.err) or self.scenario.name == "check" and re.search("^error ", done.out, re.MULTILINE)
        if done.code not in (OK, ATTENTION) and self.function != "write-stderr":
            self.expect(said, f"exit {done.code} without an error message")
        self.expect(KEY not in done.out + done.err, "the key is in the output")
        if self.what == "library":  # libpq does not tell of all answers that it had no memory for
            self.expect("no answer within" not in done.err, "it waited for an answer that had come")

    # The rows.

    def judge_state(self, before, after, log):
        """Right after it: nothing lost, nothing untrue, nothing too early, nothing twice."""
        self.expect(KEY not in after.raw[0], "the key is in the database")
        self.expect(before.nextcloud() == after.nextcloud(), "Nextcloud's own tables were written to")
        if self.scenario.kind == "read":
            self.expect(before.is_same(after), "it changed something")
            self._judge_output()
        elif self.scenario.kind == "write":
            self._judge_made(before, after)
        else:
            self._judge_jobs(before, after, log)
            self._judge_claim_of_success(before, after)
            self._judge_run_row(before, after)

    def _judge_output(self):
        """Where it says that all went as usual, it must have said the usual."""
        if self.done.code == self.reference.code and same_words(self.done.err, self.stage.clean) == self.reference.err:
            self.expect(self._is_told(same_words(self.done.out, self.stage.clean)), "the usual exit code, another output")

    def _is_told(self, out):
        """Daemons that could not be asked may be told of in other words."""
        if self.what in ("curl", "library", "io") and self.scenario.name in ("plan", "check"):
            return out == self.reference.out or self.done.code == ATTENTION
        return out == self.reference.out

    def _judge_made(self, before, after):
        made = jobs_by_name(after)
        for name, job in made.items():
            self.expect(name in self.reference.jobs and job == self.reference.jobs[name], f"another job than wanted: {job}")
        if self.done.code == OK:
            self.expect(made == self.reference.jobs, "exit 0, and not all jobs are there")
        self.expect(len(after.jobs()) == len(made), "a job twice")
        self.expect(before.images == after.images, "the engine was changed")

    def _judge_jobs(self, before, after, log):
        old = {job["id"]: job for job in before.jobs()}
        new = {job["id"]: job for job in after.jobs()}
        names = {name for names in after.images.values() for name in names}
        if self.what in ("curl", "io"):  # the database is well, and memory too
            for job in new.values():
                self.expect(job["state"] != "claimed" or job == old.get(job["id"]), f"{job['image_ref']} is left claimed")
        for number, job in old.items():
            if number not in new:
                self.expect(self._is_pruned(job), f"job {number} ({job['image_ref']}) is lost")
            elif job["next_at"] is None:
                self.expect(job == new[number], f"job {number} was final, and changed")
        for number, job in new.items():
            if job["state"] in FINAL_BY_DELETE and (number not in old or old[number]["state"] != job["state"]):
                gone = job["image_ref"] not in names
                by_id = job["image_id"] is not None and job["image_id"] not in after.images
                self.expect(gone or by_id, f"{job['image_ref']} is {job['state']}, and still there")
        for ref, count in removals(log).items():
            self.expect(ref in self.reference.removals, f"a delete of {ref}, which nobody wanted")
            self.expect(count == 1, f"{count} deletes of {ref} in one run")

    def _is_pruned(self, job):
        return job["next_at"] is None and not any(job["id"] == other["id"] for other in self.reference.state.jobs())

    def _judge_claim_of_success(self, before, after):
        """Exit 0 and 1: all that was due was done, or waits for a reason that stands in its row."""
        if self.done.code not in (OK, ATTENTION):
            return
        stopped = {row["daemon"] for row in after.tables["harpsweep.daemon"] if row["stop"]}
        usually = {row["daemon"] for row in self.reference.state.tables["harpsweep.daemon"] if row["stop"]}
        started = {job["id"]: job for job in before.jobs()}
        for job in after.jobs():
            same = self.stage_words(job, after) == self.stage_words(started.get(job["id"], {}), before)
            waits = job["state"] in ("pending", "claimed") and after.is_past(job["next_at"])
            undone = job["state"] in ("new", "claimed") or waits
            if job["state"] == "claimed" and LOST in self.done.err:
                # Whether the claim was made is not known to the run: its lease ends, and it was told.
                continue
            if undone and job["daemon"] not in stopped:
                self.expect(False, f"exit {self.done.code}, and {job['image_ref']} is {job['state']}"
                                   f"{', untouched' if same else ''}")
        if self.done.code == OK:
            self.expect(not stopped - usually, "exit 0, and a daemon was stopped")
            self.expect(self.reference.code == OK, "exit 0, where somebody has to look")

    @staticmethod
    def stage_words(job, state):
        return state.words(job) if job else {}

    def _judge_run_row(self, before, after):
        """What the run left about itself is true. It may end otherwise after its last words only where memory ran out
        or its output was refused."""
        old = {run["token"] for run in before.tables["harpsweep.run"]}
        codes = {self.done.code}
        if self.scenario.name == "fleet":
            codes.add(self.reference.code)  # one instance may do what the other could not
        for run in after.tables["harpsweep.run"]:
            if run["token"] not in old and not (self.what == "alloc" or self.function == "write-stdout"):
                self.expect(run["exit_code"] in codes,
                            f"the run's row says exit {run['exit_code']}, it ended with {self.done.code}")

    # And afterwards.

    def judge_healed(self, first, first_log, done, state, log):
        """After one more run, undisturbed: everything is as if nothing had happened."""
        self.expect(done.code == self.reference.code, f"the next run ends with {done.code}: {done.err.strip()}")
        self.expect(state.images == self.reference.state.images, "afterwards other images are there than usual")
        jobs = jobs_by_name(state)
        after_first = jobs_by_name(first)
        done_before = deleted(first_log)
        for name in {**self.reference.jobs, **jobs}:
            self._judge_healed_job(name, jobs.get(name), self.reference.jobs.get(name),
                                   after_first.get(name), done_before)
        self.expect(len(state.jobs()) == len(jobs), "afterwards a job is there twice")
        now, usually = learned(state), learned(self.reference.state)
        self.expect(now == usually, f"afterwards known of daemons and apps: {now} instead of {usually}")
        self._judge_deletes(first, first_log, log)

    def _judge_healed_job(self, name, job, usual, first, done_before):
        if not self.expect(job and usual, f"afterwards {name} is {'there' if job else 'missing'}"):
            return
        if job["state"] == "absent" and usual["state"] in ("removed", "untagged") and (
                first["next_at"] is not None or self.scenario.name == "fleet"):
            # Its image went in the first run, which could not say so; or by one instance, and the other found it gone.
            self.expect({job["image_ref"], job["image_id"]} & done_before,
                        f"afterwards {job['image_ref']} is absent, and nobody had deleted it")
            return
        for column in ("state", "choice", "grace_hours", "hold_reason", "image_id", "bytes_freed"):
            self.expect(job[column] == usual[column],
                        f"afterwards {job['image_ref']}'s {column} is {job[column]} instead of {usual[column]}")
        if usual["last_error"] is not None:
            self.expect(job["last_error"] == usual["last_error"], f"afterwards {job['image_ref']}: {job['last_error']}")

    def _judge_deletes(self, first, first_log, log):
        """A second delete only of what the first run could not record."""
        was = {job["image_ref"]: job for job in first.jobs()}
        was.update({job["image_id"]: job for job in first.jobs() if job["image_id"]})
        once = removals(first_log)
        for ref, count in removals(log).items():
            self.expect(count == 1, f"{count} deletes of {ref} in the next run")
            if once[ref]:
                self.expect(was[ref]["next_at"] is not None, f"a second delete of {ref}, which was final")


def learned(state):
    """What runs learned: which daemons are stopped and why, and which image each app has and had. (Of a daemon that
    is well, only a run that asks it leaves a word.)"""
    stopped = {row["daemon"]: row["stop"] for row in state.tables["harpsweep.daemon"] if row["stop"]}
    apps = sorted((row["appid"], row["image_ref"], row["image_id"], row["superseded_by"] or "")
                  for row in state.tables["harpsweep.exapp_image"])
    return stopped, apps
