"""What a phase leaves behind for the judge: one folder of JSON lines.

    requests.DAEMON.jsonl   what the stand-in of that daemon was asked, in its own words
    images.json             the images that are left, by daemon
    audit.jsonl             chaos.audit of the surviving timeline
    lost.jsonl              the rows of it that failovers lost, each with the number of its failover
    jobs.jsonl, runs.jsonl  harpsweep.job and harpsweep.run at the end
    starts.jsonl            which run of the program had which address, process ID, clock; how it ended
    deeds.jsonl             what people asked for through the SQL functions, and what they were told
    events.jsonl            restarts, failovers, clock steps, faults
    plan.json               the numbers and the seed

Times are seconds since 1970 of the host's clock; next_at, not_before and now_db are the database's own.
"""

import json
import pathlib
import threading

import psycopg

# now_db: what the database's now() was for the change; at, commit: the host's. A step between change and commit would tear
# them apart, so a commit that seems to be elsewhere is taken for the change itself.
AUDIT = """
select json_build_array(seq, now_db, changed - shift,
                        changed - shift + case when done - changed between 0 and 5 then done - changed else 0 end,
                        app, id, image_ref, old_state, state, old_next_at, next_at, not_before, old_token, token,
                        claimed_by, old_attempts, attempts, old_failures, failures, end_wanted, finished_at, note)
from (select a.seq, extract(epoch from a.began)::float8 as now_db, extract(epoch from a.at)::float8 as changed, a.shift,
             extract(epoch from pg_xact_commit_timestamp(a.xid::xid))::float8 as done,
             a.app, a.id, a.image_ref, a.old_state, a.state,
             case when isfinite(a.old_next_at) then extract(epoch from a.old_next_at)::float8 end as old_next_at,
             case when isfinite(a.next_at) then extract(epoch from a.next_at)::float8 end as next_at,
             extract(epoch from a.not_before)::float8 as not_before, a.old_token, a.token, a.claimed_by, a.old_attempts,
             a.attempts, a.old_failures, a.failures, a.end_wanted, extract(epoch from a.finished_at)::float8 as finished_at,
             a.note
      from chaos.audit a where a.seq > %s order by a.seq) as a"""
JOBS = """
select json_build_object('id', j.id, 'daemon', j.daemon, 'ref', j.image_ref, 'state', j.state, 'attempts', j.attempts,
                         'failures', j.failures, 'choice', j.choice, 'why', coalesce(j.last_error, j.hold_reason))
from harpsweep.job j order by j.id"""
RUNS = "select row_to_json(r) from harpsweep.run r order by r.id"


class Journal:
    """Writes lines from many threads; `with Journal(folder) as journal: journal.note("deeds", …)`."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.iterdir():
            old.unlink()
        self._files = {}
        self._lock = threading.Lock()

    def note(self, kind, **entry):
        line = json.dumps(entry) + "\n"
        with self._lock:
            if kind not in self._files:
                self._files[kind] = (self.folder / f"{kind}.jsonl").open("w", encoding="utf-8")
            self._files[kind].write(line)

    def write(self, name, value):
        (self.folder / name).write_text(json.dumps(value), encoding="utf-8")

    def close(self):
        for file in self._files.values():
            file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def audit_rows(connection, since=0):
    with connection.cursor(name="audit") as cursor:
        cursor.itersize = 10000
        for (row,) in cursor.execute(AUDIT, [since]):
            yield row


def lost_rows(old, new, since):
    """Rows that the old primary had and the new one has not."""
    survived = {(row[0], row[1]) for row in audit_rows(new, since)}
    return [row for row in audit_rows(old, since) if (row[0], row[1]) not in survived]


def dump(connection, journal):
    """The tables at the end. connection: in a transaction."""
    with (journal.folder / "audit.jsonl").open("w", encoding="utf-8") as file:
        for row in audit_rows(connection):
            file.write(json.dumps(row) + "\n")
    for name, sql in (("jobs", JOBS), ("runs", RUNS)):
        with (journal.folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for (row,) in connection.execute(sql):
                file.write(json.dumps(row) + "\n")


def connect(conninfo, **more):
    return psycopg.connect(conninfo, application_name="chaos", **more)


def lines(path):
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class Recording:
    """All of a folder in memory."""

    def __init__(self, folder=None):
        self.plan, self.images, self.requests = {}, {}, {}
        self.audit, self.lost, self.jobs, self.runs, self.starts, self.deeds, self.events = [], [], [], [], [], [], []
        if folder is not None:
            self._read(pathlib.Path(folder))

    def _read(self, folder):
        self.plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        self.images = json.loads((folder / "images.json").read_text(encoding="utf-8"))
        for name in ("audit", "lost", "jobs", "runs", "starts", "deeds", "events"):
            setattr(self, name, lines(folder / f"{name}.jsonl"))
        for path in folder.glob("requests.*.jsonl"):
            self.requests[path.name.split(".")[1]] = lines(path)
