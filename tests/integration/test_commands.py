"""The commands as people run them: bin/harpsweep against a real database and a small far side."""

# pylint: disable=missing-function-docstring,redefined-outer-name

import json
import os
import re
import subprocess

import pytest

from harness.program import PROGRAM, Program
from harness.rows import ID, SCHEMA_VERSION, claim, finish, job, one, schedule, set_schema_version

DAEMON = "harp"


def without_daemon(folder, conninfo):
    """bin/harpsweep where the far side does not matter."""
    return Program(folder, conninfo, "http://127.0.0.1:9")


# ------------------------------------------------------------------ usage


@pytest.mark.parametrize("arguments", [["--help"], ["help"], ["help", "run"], ["list", "--help"], ["help", "settings"]])
def test_help_needs_no_settings(arguments):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) > 3
    assert done.stderr == ""
    assert all(len(line) <= 120 for line in done.stdout.splitlines())


def test_version_names_commit_schema_and_libraries():
    done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    same = subprocess.run([PROGRAM, "version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(
        rf"harpsweep \d+\.\d+\.\d+ \(commit (unknown|[0-9a-f]{{12}}(-modified)?), schema version {SCHEMA_VERSION}\)\n"
        r"libpq \d+\.\d+, libcurl \d+\.\d+\.\d+\S*, jansson \d+\.\S+, inih \S+\n",
        done.stdout,
    )
    assert same.stdout == done.stdout


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "no command is given"),
        (["sweep"], "there is no command 'sweep'"),
        (["run", "--nonsense"], "there is no option --nonsense"),
        (["list", "--limit", "x"], "option --limit needs a whole number from 1 to 1000000, not 'x'"),
        (["show"], "command show needs numbers of jobs or --app"),
    ],
)
def test_usage_errors_name_the_thing_and_give_a_hint(arguments, words):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert done.stdout == ""
    assert done.stderr.startswith(f"harpsweep: error: {words}\n")


def test_missing_settings_exit_78(tmp_path):
    done = subprocess.run([PROGRAM, "list", "-c", tmp_path / "none"], capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert str(tmp_path / "none") in done.stderr


def test_no_database_exit_69(program, tmp_path):
    program.sections["database"]["conninfo"] = f"host={tmp_path} dbname=x"
    for command in (["list"], ["show", 1], ["status"], ["keep", 1], ["--json", "list"]):
        done = program(*command, code=69)
        assert done.out == ""
        assert "no connection" in done.err


def test_no_schema_exit_78(empty_database, tmp_path):
    program = without_daemon(tmp_path, empty_database.conninfo)
    done = program("list", code=78)
    assert "install.sql" in done.err


def test_newer_schema_exit_78(program, connection):
    set_schema_version(connection, 99)
    done = program("status", code=78)
    assert f"version 99, this program needs version {SCHEMA_VERSION}" in done.err


def test_full_disk_is_an_error(program, connection):
    schedule(connection)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [PROGRAM, "-c", program.settings, "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 70
    assert "could not be written" in done.stderr


# ------------------------------------------------------------------ list and show


def test_list_without_jobs(program):
    assert program("list").out == "no jobs\n"
    assert program("--json", "list").json == []


def test_list_newest_first(program, connection):
    first = schedule(connection, DAEMON, "one", "one:1", choice="now")
    second = schedule(connection, DAEMON, "two", "two:1", grace_hours=5)
    third = schedule(connection, "other", "two", "three:1")
    finish(connection, first, "removed", bytes_freed=1500000000)
    lines = program("list").out.splitlines()
    assert lines[0].split() == "ID STATE APP DAEMON IMAGE WHEN FREED WHY".split()
    assert [line.split()[0] for line in lines[1:]] == [str(third), str(second), str(first)]
    assert "at the next run" in lines[1]
    assert "due in 5 h" in lines[2]
    assert "1.5 GB" in lines[3] and " ago" in lines[3]

    def listed(*more):
        return [row["id"] for row in program("--json", "list", *more).json]

    assert listed() == [third, second, first]
    assert listed("--limit", 2) == [third, second]
    assert listed("--state", "open") == [third, second]
    assert listed("--state", "final") == [first]
    assert listed("--state", "removed") == [first]
    assert listed("--app", "two") == [third, second]
    assert listed("--app", "two", "--daemon", DAEMON) == [second]
    assert listed("--app", "nobody") == []


def test_json_has_exact_values(program, connection):
    number = schedule(connection, DAEMON, "app", "app:1", choice="now", image_id=ID, event="update")
    claim(connection, number)
    finish(connection, number, "removed", bytes_freed=2**53 + 1, http_status=200, duration_ms=12)
    row = program("--json", "show", number).json[0]
    assert row["bytes_freed"] == 2**53 + 1
    assert row["image_id"] == ID and row["event"] == "update" and row["choice"] == "now"
    assert row["next_at"] is None and row["grace_hours"] is None and row["last_error"] is None
    assert row["attempts"] == 1 and row["http_status"] == 200 and row["duration_ms"] == 12
    assert row["finished_at"].endswith("Z") and "T" in row["finished_at"]
    columns = [c.name for c in connection.execute("select * from harpsweep.job").description]
    assert set(row) == set(columns) - {"claim_token", "due_at", "outcome"} | {"events"}


def test_new_job_is_at_minus_infinity(program, connection):
    number = schedule(connection, DAEMON)
    assert program("--json", "show", number).json[0]["next_at"] == "-infinity"
    assert "the next run gives it a grace of 24 hours" in program("show", number).out


def test_control_characters_never_reach_the_terminal(program, connection):
    number = schedule(connection, DAEMON, choice="now")
    claim(connection, number)
    evil = "\x1b[2Jbad\u202e\x9b\nline"
    finish(connection, number, "failed", last_error=evil)
    for command in (["list"], ["show", number], ["status"]):
        text = program(*command, code=1 if command == ["status"] else 0).out
        assert "\x1b" not in text and "\u202e" not in text and "\x9b" not in text
        assert "\\x1b[2Jbad" in text
    raw = program("--json", "show", number).out
    assert "\x1b" not in raw and "\u202e" not in raw
    assert json.loads(raw)[0]["last_error"] == evil


def test_show_tells_what_happens_next(program, connection):
    waiting = schedule(connection, DAEMON, "a", "a:1", grace_hours=30)
    stranger = schedule(connection, "stranger", "a", "a:1", choice="now")
    claimed = schedule(connection, DAEMON, "b", "b:1", choice="now")
    claim(connection, claimed)
    failed = schedule(connection, DAEMON, "c", "c:1", choice="now")
    claim(connection, failed)
    finish(connection, failed, "failed", last_error="Docker said no", failures=20)
    text = program("show", waiting).out
    assert "nothing before " in text and "in 1d 6h" in text
    assert "neither the settings nor Nextcloud know daemon stranger" in program("show", stranger).out
    assert "the run h:1 works on it" in program("show", claimed).out
    text = program("show", failed).out
    assert "Docker said no" in text and f"'harpsweep retry {failed}'" in text
    program.sections["cleanup"]["enabled"] = "no"
    assert "cleanup is disabled" in program("show", waiting).out


def test_show_of_an_unknown_job(program, connection):
    number = schedule(connection, DAEMON)
    done = program("--json", "show", 999, number, code=1)
    assert "there is no job 999" in done.err
    assert [row["id"] for row in json.loads(done.out)] == [number]


# ------------------------------------------------------------------ schedule


def test_schedule(program, connection):
    number = program("--json", "schedule", "--daemon", DAEMON, "--app", "a", "a:1").json["id"]
    row = job(connection, number)
    assert (row["state"], row["event"], row["choice"], row["grace_hours"]) == ("new", "manual", "grace", None)
    number = program("--json", 
        "schedule", "--daemon", DAEMON, "--app", "b", "--grace-hours", 0, "--event", "update", "--image-id", ID, "b:1"
    ).json["id"]
    row = job(connection, number)
    assert (row["state"], row["event"], row["grace_hours"], row["image_id"]) == ("pending", "update", 0, ID)
    assert "the next run deletes the image" in program(
        "schedule", "--daemon", DAEMON, "--app", "c", "--now", "c:1"
    ).out
    assert "is kept" in program("schedule", "--daemon", DAEMON, "--app", "c", "--keep", "c:2").out
    assert one(connection, "select count(*) from harpsweep.job where state = 'kept'") == 2


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--daemon", DAEMON, "--app", "a", "Not/A Ref"], "is not an image reference"),
        (["--daemon", DAEMON, "--app", "a", "a:1\n"], "is not an image reference"),
        (["--daemon", "nobody", "--app", "a", "a:1"], "know a daemon 'nobody'"),
        (["--daemon", DAEMON, "--app", "x" * 65, "a:1"], "--app needs an id of 1 to 64 characters"),
    ],
)
def test_schedule_refuses(program, connection, arguments, words):
    done = program("schedule", *arguments, code=64)
    assert words in done.err
    assert one(connection, "select count(*) from harpsweep.job") == 0


# ------------------------------------------------------------------ now, keep, cancel, retry


def test_now_keep_cancel_retry_by_number(program, connection):
    first, second, third = (schedule(connection, DAEMON, "a", f"a:{n}", grace_hours=9) for n in range(3))
    assert f"job {first} is now pending: the next run deletes the image" in program("now", first).out
    assert job(connection, first)["choice"] == "now"
    assert f"job {second} is now kept: nothing: the image stays" in program("keep", second).out
    assert program("--json", "cancel", third, "--reason", "wrong app").json == [
        {"id": third, "changed": True, "state": "cancelled", "end_wanted": None}
    ]
    assert job(connection, third)["hold_reason"] == "wrong app"
    assert f"job {third} is now pending" in program("retry", third).out
    assert "is already kept" in program("keep", second).out
    done = program("cancel", second, code=1)
    assert "stays kept" in done.out and done.err == ""


def test_unknown_number_does_not_stop_the_others(program, connection):
    number = schedule(connection, DAEMON)
    done = program("keep", 999, number, code=1)
    assert "there is no job 999" in done.err
    assert job(connection, number)["state"] == "kept"


def test_job_that_a_run_works_on(program, connection):
    number = schedule(connection, DAEMON, choice="now")
    claim(connection, number)
    text = program("keep", number).out
    assert "it becomes kept when this attempt ends" in text
    assert (job(connection, number)["state"], job(connection, number)["end_wanted"]) == ("claimed", "kept")


def test_by_app(program, connection):
    numbers = [schedule(connection, DAEMON, "a", f"a:{n}") for n in range(3)]
    other = schedule(connection, DAEMON, "b", "b:1")
    assert [row["id"] for row in program("--json", "keep", "--app", "a").json] == numbers
    assert job(connection, other)["state"] == "new"
    done = program("keep", "--app", "a", code=1)
    assert "app a has no job" in done.err
    assert program("--json", "cancel", "--app", "nobody", code=1).json == []


def test_app_on_several_daemons_must_be_told_apart(program, connection):
    here, there = schedule(connection, "d1", "a", "a:1"), schedule(connection, "d2", "a", "a:1")
    done = program("now", "--app", "a", code=64)
    assert "app a has such jobs on several daemons: d1, d2" in done.err and "--daemon" in done.err
    assert job(connection, here)["choice"] == job(connection, there)["choice"] == "grace"
    program("now", "--app", "a", "--daemon", "d2")
    assert [job(connection, n)["choice"] for n in (here, there)] == ["grace", "now"]


def test_retry_by_app_takes_the_last_that_failed(program, connection):
    def ended(state):
        number = schedule(connection, DAEMON, "a", "a:1", choice="now")
        claim(connection, number)
        finish(connection, number, state)
        return number

    old, new = ended("failed"), ended("failed")
    assert [row["id"] for row in program("--json", "retry", "--app", "a").json] == [new]
    assert job(connection, old)["state"] == "failed"
    done = program("retry", old, code=1)  # its image has an open job
    assert f"job {old} stays failed" in done.out


# ------------------------------------------------------------------ status


def test_status_of_nothing(program):
    text = program("status").out
    assert "all is well" in text and "none did work so far" in text
    told = program("--json", "status").json
    assert told["attention"] is False and told["last_run"] is None and told["daemons"] == []


def add_run(connection):
    connection.execute(
        """insert into harpsweep.run (token, host, pid, version, started_at, exit_code, claimed, removed, untagged,
               absent, in_use, held, retried, failed, given_back, late, bytes_freed)
           values (gen_random_uuid(), 'web1', 77, '0.1.0', now(), 0, 3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 5000000)"""
    )


def test_status_of_a_busy_day(program, connection):
    add_run(connection)
    done = schedule(connection, DAEMON, "a", "a:1", choice="now")
    claim(connection, done)
    finish(connection, done, "removed", bytes_freed=5000000)
    schedule(connection, DAEMON, "b", "b:1", choice="now")
    held = schedule(connection, DAEMON, "c", "c:1", grace_hours=3)
    connection.execute("update harpsweep.job set hold_reason = 'the app is there again' where id = %s", (held,))
    text = program("status", TZ="UTC").out
    assert "on web1: 3 jobs, 2 removed, up to 5.0 MB freed, exit 0 (all went well)" in text
    assert re.search(r"^last run      \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, \d+ s ago on web1", text, re.M)
    assert re.search(r"^due           1 jobs, the oldest for \d+s; the next one in (3h|2h 59m)$", text, re.M)
    assert "open          0 new, 2 pending, 0 claimed" in text
    assert "last 24 h     1 removed; up to 5.0 MB freed" in text
    assert "waiting       1 because: the app is there again" in text
    told = program("--json", "status").json
    assert told["last_run"]["host"] == "web1" and told["last_run"]["bytes_freed"] == 5000000
    assert told["due"] == 1 and told["attention"] is False
    assert 3 * 3600 - 60 < told["next_due_s"] <= 3 * 3600
    assert told["finished"] == [
        {"state": "removed", "jobs_24h": 1, "jobs_7d": 1, "bytes_24h": 5000000, "bytes_7d": 5000000}
    ]
    assert told["daemons"][0]["daemon"] == DAEMON and told["daemons"][0]["open"] == 2


def test_status_wants_attention_for_failed_jobs(program, connection):
    number = schedule(connection, DAEMON, choice="now")
    claim(connection, number)
    finish(connection, number, "failed", last_error="Docker said no")
    text = program("status", code=1).out
    assert "somebody has to look" in text and "1 failed jobs need a person" in text and "Docker said no" in text
    assert program("--json", "status", code=1).json["failed_jobs"][0]["id"] == number


def test_status_wants_attention_for_stopped_daemons(program, connection):
    schedule(connection, DAEMON)
    connection.execute(
        """insert into harpsweep.daemon (daemon, stopped_since, stop, reason, hint)
           values (%s, now(), 'unauthorized', 'HaRP refused the key', 'compare the keys')""",
        (DAEMON,),
    )
    text = program("status", code=1).out
    assert "runs leave it alone" not in text and "HaRP refused the key" in text and f"daemon {DAEMON} does not work since " in text and "what to do: compare the keys" in text
    assert "1 daemon(s) stopped" in text


def test_status_of_a_daemon_that_is_left_alone(program, connection):
    schedule(connection, DAEMON)
    connection.execute(
        """insert into harpsweep.daemon (daemon, stopped_since, stop, reason, hint, paused_until)
           values (%s, now(), 'unauthorized', 'HaRP refused the key', 'compare the keys', now() + interval '9 min')""",
        (DAEMON,),
    )
    text = program("status", code=1).out
    assert f"; 'harpsweep run --daemon {DAEMON}' tries at once" in text


def test_status_wants_attention_for_late_jobs(program, connection):
    number = schedule(connection, DAEMON)
    connection.execute(
        "update harpsweep.job set state = 'pending', next_at = now() - interval '2 h', "
        "not_before = now() - interval '3 h' where id = %s",
        (number,),
    )
    assert "does cron run harpsweep?" in program("status", code=1).out
    program.sections["cleanup"]["enabled"] = "no"
    assert "cleanup is disabled" in program("status").out


def test_status_wants_attention_for_unknown_daemons(program, connection):
    schedule(connection, "stranger", choice="now")
    assert "due jobs of daemon stranger, which neither the settings nor Nextcloud know" in program("status", code=1).out
    assert program("--json", "status", code=1).json["unknown_daemons"] == [{"daemon": "stranger", "due": 1}]


# ------------------------------------------------------------------ check


def test_check_is_content(program, harp):
    text = program("check").out
    assert "error" not in text and "warning" not in text
    for words in (
        "PostgreSQL ",
        "it can be written to",
        f"schema harpsweep has version {SCHEMA_VERSION}",
        "all privileges",
        "its clock and this host's agree",
        "HaRP 0.4.4 answers at " + harp.url,
        "it accepts the key",
        "Docker answers behind docker-engine-port 24000",
        "can be read by its owner only",
    ):
        assert words in text, words
    assert [(entry["kind"], entry["engine_port"]) for entry in harp.log()] == [("info", None), ("ping", "24000")]
    told = program("--json", "check").json
    assert told["ok"] is True and told["exit_code"] == 0
    assert {finding["level"] for finding in told["checks"]} == {"ok"}


def test_check_never_shows_the_key(program, harp):
    done = program("check", "-vv")
    assert harp.key not in done.out + done.err
    assert "[cleanup] grace_hours = 24" in done.out
    assert f"[daemon:{DAEMON}] url = {harp.url}" in done.out


def test_check_warns_of_settings(program):
    program.sections["cleanup"] |= {"verify": "no", "enabled": "no"}
    text = program("check").out
    assert text.count("warning  settings: ") == 2


def test_check_stops_after_a_wrong_key(program, harp):
    program.write_key("another-key")
    text = program("check", code=1).out
    assert f"error    daemon {DAEMON}: " in text and "another-key" not in text
    assert [entry["kind"] for entry in harp.log()] == ["info"]


def test_check_of_a_daemon_without_docker(program, harp):
    harp.fault(kind="ping", status=503, body="<html>No server is available</html>", times=9)
    text = program("check", code=1).out
    assert "HaRP 0.4.4 answers" in text
    assert "no Docker Engine answers behind docker-engine-port 24000" in text


def test_check_of_a_daemon_that_is_too_old(program, harp):
    harp.set(info_version=0.3)
    assert f"error    daemon {DAEMON}: " in program("check", code=1).out
    assert [entry["kind"] for entry in harp.log()] == ["info"]


def test_check_of_a_daemon_that_is_down(program):
    program.sections["daemon:harp"]["url"] = "http://127.0.0.1:9"
    text = program("check", code=1).out
    assert f"error    daemon {DAEMON}: http://127.0.0.1:9: " in text
    assert program("--json", "check", code=1).json["checks"][-1]["level"] == "error"


def test_check_without_database(program, tmp_path):
    program.sections["database"]["conninfo"] = f"host={tmp_path} dbname=x"
    text = program("check", code=69).out
    assert "error    database: " in text
    assert "Docker answers" in text


def test_check_without_schema(empty_database, tmp_path, harp):
    program = without_daemon(tmp_path, empty_database.conninfo)
    text = program("check", code=78).out
    assert "has no schema harpsweep" in text and "install.sql" in text


def test_check_of_settings_that_are_wrong(program):
    program.sections["database"]["nonsense"] = 1
    told = program("--json", "check", code=78).json
    assert told["exit_code"] == 78 and told["checks"][0]["level"] == "error"


@pytest.fixture
def plain_user(cluster, database):
    """A role without any privilege, and its conninfo for the test's database."""
    name = "plain_" + database.name
    cluster.execute(f'create role "{name}" login', database.name)
    yield name, cluster.conninfo(database.name, name)
    cluster.execute(f'drop owned by "{name}"; drop role "{name}"', database.name)


def test_check_of_a_user_without_privileges(plain_user, tmp_path, harp):
    name, conninfo = plain_user
    program = Program(tmp_path, conninfo, harp.url)
    text = program("check", code=78).out
    assert f"user {name} may not use the schema harpsweep" in text
    assert f'grant harpsweep_worker to "{name}";' in text


def test_check_of_a_worker(plain_user, connection, tmp_path, harp):
    name, conninfo = plain_user
    connection.execute(f'grant harpsweep_worker to "{name}"')
    program = Program(tmp_path, conninfo, harp.url)
    assert "has all privileges" in program("check").out
    schedule(connection, DAEMON, choice="now")
    program("list")
    program("show", 1)
    program("status")
    program("keep", 1)
    program("schedule", "--daemon", DAEMON, "--app", "z", "z:1")


def test_check_names_each_missing_privilege_and_its_grant(plain_user, connection, tmp_path, harp):
    name, conninfo = plain_user
    connection.execute(f'grant harpsweep_reader to "{name}"')
    program = Program(tmp_path, conninfo, harp.url)
    text = program("check", code=78).out
    assert "runs lack the privilege update on table harpsweep.job" in text
    assert "the other commands lack the privilege execute on function harpsweep.retry" in text
    remedies = [f["hint"] for f in program("--json", "check", code=78).json["checks"] if f["hint"] and f["hint"].endswith(";")]
    assert len(remedies) > 5
    for remedy in remedies:
        connection.execute(remedy)
    assert "has all privileges" in program("check").out


def test_reader_may_look(plain_user, connection, tmp_path):
    name, conninfo = plain_user
    connection.execute(f'grant harpsweep_reader to "{name}"')
    number = schedule(connection, DAEMON)
    program = without_daemon(tmp_path, conninfo)
    program("list")
    program("show", number)
    program("status")
    done = program("keep", number, code=78)
    assert "harpsweep_worker" in done.err
