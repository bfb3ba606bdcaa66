"""What list and show look like: to a person on a terminal, and to another program."""

# pylint: disable=missing-function-docstring,redefined-outer-name

import csv
import io
import re

import pytest

from harness.program import PROGRAM, ROOT
from harness.rows import ID, claim, finish, one, schedule
from harness.terminal import on_terminal, width

DAEMON = "harp"
LONG = "registry.example.com/some/long/path/of/an/image/context_chat_backend:4.4.1"
COLORS = re.compile(r"\x1b\[\d+m")


@pytest.fixture
def rows(connection):
    """One job of each kind that a table shows; by name."""
    made = {}
    made["removed"] = schedule(connection, DAEMON, "one", LONG, choice="now", image_id=ID)
    claim(connection, made["removed"])
    finish(connection, made["removed"], "removed", bytes_freed=5_400_000_000, http_status=200, duration_ms=2900)
    made["failed"] = schedule(connection, DAEMON, "two", "two:1", choice="now", event="update")
    claim(connection, made["failed"])
    finish(connection, made["failed"], "failed", last_error="Docker said no", failures=20, http_status=500)
    made["held"] = schedule(connection, DAEMON, "три", "日本語:1", grace_hours=3)
    connection.execute("update harpsweep.job set hold_reason = %s where id = %s",
                       ("deploy of app x running on this engine since 2 min " * 3, made["held"]))
    made["new"] = schedule(connection, DAEMON, "four", "four:1")
    return made


def terminal(program, *arguments, **more):
    return on_terminal([PROGRAM, "-c", program.settings, *arguments], **more)


# ------------------------------------------------------------------ the table


@pytest.mark.parametrize("columns", [200, 120, 80, 60, 40])
@pytest.mark.usefixtures("rows")
def test_no_line_is_wider_than_the_terminal(program, columns):
    lines = [COLORS.sub("", line) for line in terminal(program, "list", columns=columns)]
    assert len(lines) == 5
    assert max(width(line) for line in lines) <= columns
    if columns == 80:
        assert "...:4.4.1" in lines[4]  # the tag stays
        assert "  at the next run  " in lines[1] and "  due in 3 h  " in lines[2]


@pytest.mark.usefixtures("rows")
def test_what_is_no_terminal_gets_everything(program):
    text = program("list").out
    assert LONG in text and "..." not in text and "\x1b" not in text


@pytest.mark.usefixtures("rows")
def test_colors(program):
    lines = terminal(program, "list")
    assert any("\x1b[31mfailed\x1b[0m" in line for line in lines)
    assert any("\x1b[32mremoved\x1b[0m" in line for line in lines)
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}):
        assert "\x1b" not in "".join(terminal(program, "list", **environment))
    assert "\x1b[31m" in "".join(terminal(program, "list", NO_COLOR=""))  # set, but empty, means nothing


def test_a_part_is_not_taken_for_the_whole(program, connection):
    for number in range(51):
        schedule(connection, DAEMON, "a", f"a:{number}")
    done = program("list")
    assert len(done.out.splitlines()) == 51 and "these are the first 50" in done.err
    assert program("list", "--limit", 51).err == ""


# ------------------------------------------------------------------ which, and in which order


def ids(program, *arguments):
    return [row["id"] for row in program("--json", "list", *arguments).json]


def test_since(program, connection, rows):
    connection.execute("update harpsweep.job set orphaned_at = now() - interval '9 days'")
    connection.execute("update harpsweep.job set finished_at = now() - interval '8 days' where id = %s", (rows["failed"],))
    assert ids(program, "--since", "1d") == [rows["removed"]]  # came long ago, ended today
    assert ids(program, "--since", "204h") == [rows["failed"], rows["removed"]]
    assert len(ids(program, "--since", "10d")) == 4
    eight = one(connection, "select to_char(now() - interval '204 h', 'YYYY-MM-DD HH24:MI')")
    assert [row["id"] for row in program("--json", "list", "--since", eight, TZ="UTC").json] == [
        rows["failed"], rows["removed"]]
    done = program("list", "--since", "yesterday", code=64)
    assert "option --since does not take 'yesterday'" in done.err and "2026-03-01" in done.err


def test_sort(program, connection, rows):
    removed, failed, held, new = (rows[name] for name in ("removed", "failed", "held", "new"))
    small = schedule(connection, "a-daemon", "a-app", "small:1", choice="now")
    claim(connection, small)
    finish(connection, small, "removed", bytes_freed=7)
    connection.execute("update harpsweep.job set finished_at = now() + interval '1 s' where id = %s", (failed,))
    assert ids(program) == ids(program, "--sort", "newest") == [small, new, held, failed, removed]
    assert ids(program, "--sort", "oldest") == [removed, failed, held, new, small]
    assert ids(program, "--sort", "size")[:2] == [removed, small]
    assert ids(program, "--sort", "due")[:2] == [new, held]
    assert ids(program, "--sort", "ended")[:3] == [failed, small, removed]
    assert ids(program, "--sort", "daemon")[0] == ids(program, "--sort", "app")[0] == small
    assert ids(program, "--sort", "state") == [new, held, small, removed, failed]
    assert "newest, oldest, due" in program("list", "--sort", "best", code=64).err


# ------------------------------------------------------------------ CSV


def test_csv(program, connection, rows):
    hostile = ['=HYPERLINK("http://x","y")', "+1", "-1", "@SUM(A1)", 'a "quoted", one', " spaced ", "two\nlines", "tab\t"]
    for number, text in enumerate(hostile):
        made = schedule(connection, DAEMON, f"h{number}", f"h:{number}", choice="now")
        claim(connection, made)
        finish(connection, made, "failed", last_error=text)
    raw = program("list", "--format=csv", "--sort", "oldest").out
    assert raw.endswith("\n") and "\x1b" not in raw
    read = list(csv.DictReader(io.StringIO(raw, newline=""), strict=True))
    told = program("--json", "list", "--sort", "oldest").json
    assert list(read[0]) == list(told[0]) and len(read) == len(told) == 4 + len(hostile)
    for line, row in zip(read[:4], told):
        assert line == {name: "" if value is None else str(value) for name, value in row.items()}
    assert [line["last_error"] for line in read[4:]] == [
        "'=HYPERLINK(\"http://x\",\"y\")", "'+1", "'-1", "'@SUM(A1)", 'a "quoted", one', " spaced ", "two\\nlines", "tab\\t"]
    assert read[0]["bytes_freed"] == "5400000000" and read[0]["id"] == str(rows["removed"])


def test_csv_lines_end_as_the_rfc_says(program, connection):
    schedule(connection, DAEMON)
    [lines] = [terminal(program, "list", "--format=csv")]
    assert len(lines) == 2
    raw = on_terminal(["sh", "-c", '"$0" -c "$1" list --format=csv | od -An -c', PROGRAM, program.settings])
    assert "".join(raw).count(r"\r  \n") == 2


def test_csv_of_nothing_has_its_names(program):
    assert program("list", "--format=csv", "--app", "nobody").out.startswith("id,state,daemon,appid,image_ref,")
    assert "has no --format=csv" in program("status", "--format=csv", code=64).err


# ------------------------------------------------------------------ the story of a job


def story(text):
    """[(moment, words)] of what show printed."""
    return re.findall(r"^  (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+)  (.*)$", text, re.M)


def test_story_of_a_removed_image(program, connection):
    number = schedule(connection, DAEMON, "app", "app:1", grace_hours=24)
    connection.execute(
        """update harpsweep.job set orphaned_at = '2026-02-28T14:05:09Z', not_before = '2026-03-01T14:05:09Z',
               state = 'removed', next_at = null, attempts = 1, claimed_by = 'web1:42', claimed_at = '2026-03-01T14:06:01Z',
               finished_at = '2026-03-01T14:06:04Z', bytes_freed = 5400000000, http_status = 200, duration_ms = 2900
           where id = %s""",
        (number,),
    )
    text = program("show", number, TZ="CET-1").out
    assert f"job {number} is removed, " in text and "nothing: the image is deleted" in text
    assert "up to 5.4 GB (5400000000 bytes)" in text
    assert story(text) == [
        ("2026-02-28 15:05:09 CET", "app app was uninstalled, which left its image behind (noted by postgres)"),
        ("2026-03-01 15:05:09 CET", "its grace of 24 hours ended"),
        ("2026-03-01 15:06:01 CET", "the run web1:42 took it up, the first one"),
        ("2026-03-01 15:06:04 CET", "it ended as removed; up to 5.4 GB freed; HTTP status 200 after 2.9 s"),
    ]
    assert story(program("show", number, TZ="UTC").out)[0][0] == "2026-02-28 14:05:09 UTC"


def test_story_of_a_job_that_waits(program, connection):
    number = schedule(connection, DAEMON, "app", "app:1", event="update", grace_hours=24)
    words = [words for _, words in story(program("show", number).out)]
    assert words == ["app app was updated, which left its old image behind (noted by postgres)", "its grace of 24 hours ends"]
    connection.execute(
        """update harpsweep.job set state = 'pending', orphaned_at = now() - interval '26 h', not_before = now() - interval '2 h', next_at = now() + interval '1 h',
               attempts = 3, failures = 2, rechecks = 1, lost_claims = 0, claimed_by = 'web1:42', claimed_at = now() - interval '1 m',
               last_error = 'Docker is busy', http_status = 500 where id = %s""",
        (number,),
    )
    connection.execute("delete from harpsweep.job_log")  # of what was done by hand just now
    text = program("show", number).out
    assert "attempts     3, 2 failed (of at most 20), 1 found it in use (of at most 7)" in text
    assert "last error   Docker is busy" in text and "HTTP status 500" in text
    assert [words for _, words in story(text)][1:] == [
        "its grace of 24 hours ended", "the run web1:42 took it up", "it is tried again"]


def test_story_tells_who_decided(program, connection):
    for at, (more, words) in enumerate((
        ({"event": "manual", "choice": "now"}, "somebody made this job, to be deleted at once"),
        ({"event": "adopted"}, "somebody had the image adopted ('harpsweep adopt')"),
        ({"choice": "keep"}, "app app was uninstalled, which left its image behind, to be kept"),
    )):
        number = schedule(connection, DAEMON, "app", f"app:{at}", **more)
        assert story(program("show", number).out)[0][1] == words + " (noted by postgres)"


def test_story_tells_of_appapis_own_job(program, connection):
    number = schedule(connection, DAEMON, "app", "app:1", event="uninstall")
    assert "AppAPI queued" not in program("show", number).out
    connection.execute("update harpsweep.job set oc_job_id = 4711 where id = %s", (number,))
    assert story(program("show", number).out)[1][1] == "AppAPI queued its own clean-up for it, as its job 4711"


def test_story_of_an_event_of_a_later_schema(program, connection):
    number = schedule(connection, DAEMON, "app", "app:1", choice="now")
    connection.execute(
        "insert into harpsweep.job_log (job_id, what, from_state, to_state, attempt, who, detail)"
        " values (%s, 'frozen', 'pending', 'pending', 0, 'dba', 'until spring')", (number,))
    assert "dba changed it: until spring" in [words for _, words in story(program("show", number).out)]


def test_show_by_app(program, connection, rows):
    connection.execute(
        """insert into harpsweep.exapp_image (appid, daemon, fingerprint, version, container, image_ref, image_id, bytes, seen_at,
               protocol, host, docker_socket_port)
           values ('two', %s, 'f', '1.2', 'nc_app_two', 'two:2', %s, 5, now() - interval '2 h', 'http', 'h', 24000)""",
        (DAEMON, ID),
    )
    again = schedule(connection, "other", "two", "two:0")
    text = program("show", "--app", "two").out
    assert f"app two 1.2 runs on daemon {DAEMON} with image two:2, seen 2 h ago" in text
    assert re.findall(r"^job (\d+) is", text, re.M) == [str(again), str(rows["failed"])]
    assert re.findall(r"^job (\d+) is", program("show", "--app", "two", "--limit", 1).out, re.M) == [str(again)]
    assert "app two 1.2 runs on" in program("show", "--app", "two", "--daemon", DAEMON).out
    assert "app two 1.2 runs on" not in program("show", "--app", "two", "--daemon", "other").out
    assert [row["id"] for row in program("--json", "show", "--app", "two", "--daemon", DAEMON).json] == [rows["failed"]]
    done = program("show", "--app", "nobody", "--daemon", "x", code=1)
    assert "app nobody has no job on daemon x" in done.err and done.out == ""


def test_the_readme_tells_every_member_of_json(program, connection):
    """What other programs may rely on."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("### Commands")[2].partition("### Monitoring")[0]
    schedule(connection, DAEMON)
    for name in set(program("--json", "status").json) | set(program("--json", "check").json):
        assert f"`{name}`" in section, name
    for name in program("--json", "check").json["checks"][0]:
        assert f"`{name}`" in section, name
    columns = {column.name for column in connection.execute("select * from harpsweep.job").description}
    assert set(program("--json", "list").json[0]) == columns - {"claim_token", "due_at", "outcome"}
