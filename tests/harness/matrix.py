"""A table of faults: what the far side does, what a run must make of it, and how both are compared.

Every row is played in the same scene: daemon "harp" with four due jobs whose images are there, and daemon
"other" with one, which must be done whatever happens to the first.
"""

import os
import pathlib
import re
import types

from harness.rows import one, schedule

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "src"
IMAGES = ("app:0", "app:1", "app:2", "app:3")
SIZE = 5000
HOUR = 3600
PAUSED = ("unauthorized", "silent")  # a wrong key, or what may be a ban: later runs leave the daemon alone


class Scene:
    """The program, its database and two stand-ins, for one row. trap: a port that nobody is to connect to."""

    def __init__(self, program, connection, harp, other, trap):
        self.program, self.connection, self.harp, self.other, self.trap = program, connection, harp, other, trap
        for reference in IMAGES:
            harp.add_image(reference, size=SIZE)
            schedule(connection, daemon="harp", image=reference, choice="now")
        other.add_image("other:1")
        schedule(connection, daemon="other", image="other:1", choice="now")
        program.sections["daemon:other"] = {"url": other.url}

    def move(self, reference, *names):
        """The job knows the image that it is about; its name leads to another one by now, and it has these."""
        image = next(found for found, known in self.harp.images().items() if reference in known)
        self.connection.execute("update harpsweep.job set image_id = %s where image_ref = %s", [image, reference])
        for name in names:
            self.harp.tag(image, name)
        self.harp.add_image(reference, size=1)

    def load_by_hand(self, reference):
        """The image has no registry, and nobody has said "now"."""
        self.harp.drop_image(reference)
        self.harp.add_image(reference, digests=[])
        self.connection.execute("update harpsweep.job set choice = 'grace', grace_hours = 0 where image_ref = %s", [reference])

    def row(self, image):
        cursor = self.connection.execute(
            "select *, extract(epoch from next_at - now())::float8 as wait_s from harpsweep.job where image_ref = %s",
            [image])
        values = cursor.fetchone()
        return types.SimpleNamespace(**dict(zip((column.name for column in cursor.description), values)))

    @property
    def daemon(self):
        """What is known of daemon "harp"; pause_s: for how long later runs leave it alone, None where they don't."""
        cursor = self.connection.execute(
            "select stop, reason, hint, harp_version, answered_at, stopped_since,"
            " extract(epoch from paused_until - now())::float8 as pause_s from harpsweep.daemon where daemon = 'harp'")
        return types.SimpleNamespace(**dict(zip((column.name for column in cursor.description), cursor.fetchone())))

    def asked(self, harp=None):
        """How many requests of each kind arrived: {"info": 1, …}"""
        kinds = [entry["kind"] for entry in (harp or self.harp).log()]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}

    def totals(self, *columns):
        """Of the last run."""
        return one(self.connection, f"select {', '.join(columns)} from harpsweep.run order by id desc limit 1")

    # What must follow, by the verdict's name.

    def expect_result(self, verdict, words, status=200, image="app:0", done=SIZE):
        """One job had that end, its daemon and the others' jobs are well. status ...: any."""
        row = self.row(image)
        least, most = {"wait": (24 * HOUR - 60, 24 * HOUR), "hold": (24 * HOUR - 60, 24 * HOUR), "retry": (20, 90),
                       "retry300": (290, 300)}.get(verdict, (None, None))
        state = {"wait": "pending", "hold": "pending", "retry": "pending", "retry300": "pending",
                 "fail": "failed"}.get(verdict, verdict)
        counted = verdict in ("retry", "retry300", "fail")
        assert (row.state, row.attempts, row.failures, row.rechecks, row.lost_claims) == (
            state, 1, int(counted), int(verdict == "wait"), 0)
        assert status is ... or row.http_status == status
        assert row.bytes_freed == {"removed": done, "untagged": 0, "absent": 0}.get(verdict)
        assert (row.finished_at is None) == (row.next_at is not None) == (state == "pending")
        assert row.wait_s is None if least is None else least < row.wait_s <= most
        told, silent = (row.last_error, row.hold_reason) if counted else (row.hold_reason, row.last_error)
        assert (told or "").startswith(words) if words else told is None
        assert silent is None
        assert (self.daemon.stop, self.daemon.reason, self.daemon.hint, self.daemon.pause_s) == (None,) * 4
        for reference in set(IMAGES) - {image}:
            assert self.row(reference).state == "removed"
        assert self.totals("exit_code") == int(verdict == "fail")
        self.expect_other()

    def expect_stop(self, stop, words, asked, status=None, failures=0):
        """The daemon was stopped: nothing more was sent, and no job pays for it."""
        daemon = self.daemon
        assert (daemon.stop, daemon.stopped_since is not None) == (stop, True)
        assert daemon.reason.startswith(words), daemon.reason
        assert daemon.hint
        assert (590 < daemon.pause_s <= 600) if stop in PAUSED else daemon.pause_s is None
        assert self.asked() == asked
        rows = [self.row(reference) for reference in IMAGES]
        assert {row.state for row in rows} == {"pending"}
        assert sum(row.failures for row in rows) == failures
        assert [(row.rechecks, row.lost_claims, row.finished_at) for row in rows] == [(0, 0, None)] * 4
        assert [row.attempts for row in rows][failures] == 1  # the job whose answer it was
        assert sum(row.wait_s <= 0 for row in rows) == 4 - failures  # due at once, for the next run
        assert rows[failures].hold_reason.startswith(words)
        assert status is ... or rows[failures].http_status == status
        assert self.totals("exit_code", "removed", "failed", "retried") == (1, 1, 0, failures)
        self.expect_other()

    def expect_other(self):
        assert self.row("other:1").state == "removed"
        assert self.asked(self.other) == {"info": 1, "inspect": 1, "remove": 1}
        assert one(self.connection, "select stop from harpsweep.daemon where daemon = 'other'") is None


def words_of_rows():
    """The reasons of all rows of the program's table of answers."""
    text = (SOURCES / "verdict_rows.c").read_text(encoding="utf-8")
    table = text[text.index("verdict_rows[] = {"):text.index("/* clang-format on */")]
    table = re.sub(r"/\*.*?\*/", "", table, flags=re.S)
    rows = re.findall(r"\{\d+, \d+,.*?\}", table, flags=re.S)
    return [re.findall(r'"((?:[^"\\]|\\.)*)"', row)[1] for row in rows]


def constants(header, enum):
    """The names of an enum's constants, without what all begin with and in lower case."""
    text = re.sub(r"/\*.*?\*/", "", (SOURCES / header).read_text(encoding="utf-8"), flags=re.S)
    names = re.search(rf"enum {enum} \{{(.*?)\}}", text, flags=re.S).group(1).replace(",", " ").split()
    prefix = os.path.commonprefix(names).rpartition("_")[0]
    return {name[len(prefix) + 1:].lower() for name in names}
