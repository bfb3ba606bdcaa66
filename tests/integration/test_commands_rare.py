"""What the commands say where something is out of the ordinary: no privilege, no library, a daemon that is down, more
rows than are shown, a terminal."""

# pylint: disable=missing-function-docstring

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import time

import pytest

from harness.program import PROGRAM
from harness.rows import ID, claim, expire, finish, job, schedule
from harness.standin import Standin

DAEMON = "harp"


def run_with_input(program, text, *arguments):
    return subprocess.run([PROGRAM, "-c", program.settings, *arguments], input=text, capture_output=True, text=True,
                          check=False)


# ------------------------------------------------------------------ without what they need


@pytest.fixture
def only_version(program, cluster, database):
    """`program` as a user that may ask for the schema's version, and nothing else."""
    name = "version_" + database.name
    cluster.execute(f'create role "{name}" login; grant usage on schema harpsweep to "{name}";'
                    f' grant execute on function harpsweep.schema_version() to "{name}"', database.name)
    program.sections["database"]["conninfo"] = cluster.conninfo(database.name, name)
    yield program
    cluster.execute(f'drop owned by "{name}"; drop role "{name}"', database.name)


@pytest.mark.parametrize("command", [
    ["list"], ["show", 1], ["plan"], ["run", "--dry-run"], ["run"], ["observe"], ["status"], ["now", 1],
    ["keep", "--app", "a"], ["schedule", "--daemon", DAEMON, "--app", "a", "a:1"]], ids=lambda words: " ".join(map(str, words)))
def test_without_privileges(only_version, harp, command):
    harp.add_image("a:1")
    done = only_version(*command, code=78)
    assert done.out == "" and "permission denied" in done.err and "hint: grant harpsweep_worker" in done.err


def test_adopt_without_privileges(only_version, harp):
    harp.add_image("a:1")
    done = only_version("adopt", "--daemon", DAEMON, "a:1", code=78)
    assert "permission denied" in done.err and harp.image_list() == ["a:1"]


@pytest.mark.parametrize("command", [["plan"], ["observe"], ["run", "--dry-run"], ["run"],
                                     ["adopt", "--daemon", DAEMON, "a:1"]], ids=lambda words: " ".join(words))
def test_without_a_database(program, tmp_path, command):
    program.sections["database"]["conninfo"] = f"host={tmp_path} dbname=x"
    done = program(*command, code=69)
    assert done.out == "" and "no connection" in done.err


@pytest.fixture(params=["cut", "another"])
def no_libcurl(request, tmp_path):
    """A folder whose libcurl is none, as a variable of the environment: cut off, or another library of that name."""
    folder = tmp_path / "lib"
    folder.mkdir()
    if request.param == "cut":
        (folder / "libcurl.so.4").write_bytes(b"\x7fELF")
    else:
        with open("/proc/self/maps", encoding="ascii") as maps:
            libc = next(line.split()[-1] for line in maps if "/libc.so" in line or "/libc-" in line)
        (folder / "libcurl.so.4").symlink_to(libc)
    return {"LD_LIBRARY_PATH": str(folder)}


def test_a_tls_library_that_nobody_uses_is_not_prepared(program):
    """GnuTLS, where libpq brings it: it would tell of itself, as it does in psql."""
    assert program("--version", GNUTLS_DEBUG_LEVEL="9").err == ""


def test_without_libcurl(program, connection, harp, no_libcurl):
    """Nothing is claimed for good, and what needs no libcurl works."""
    number = schedule(connection, DAEMON, image="a:1", choice="now")
    for command in (["run"], ["plan"], ["adopt", "--daemon", DAEMON, "a:1"]):
        done = program(*command, code=70, **no_libcurl)
        assert "libcurl can't be loaded: " in done.err and "hint: apt-get install libcurl4" in done.err
    assert "error    daemons: libcurl can't be loaded: " in program("check", code=70, **no_libcurl).out
    assert "a:1" in program("list", **no_libcurl).out
    assert program("--version", **no_libcurl).out.startswith("harpsweep ")
    row = job(connection, number)
    assert row["state"] != "failed" and row["failures"] == 0 and not harp.log()
    program("run", "--daemon", DAEMON)


# ------------------------------------------------------------------ nothing, and too much


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
def test_a_key_of_somebody_else(program):
    os.chown(program.key_file, 12_345, -1)
    assert "belongs to somebody else (user ID 12345)" in program("list", code=78).err


def test_nothing_is_due(program):
    assert program("run", "-v").out == "nothing is due\n"
    assert program("run", "--dry-run").out == "nothing is due\n"


def test_more_than_are_listed(program, connection):
    for number in range(3):
        schedule(connection, DAEMON, image=f"a:{number}")
    assert "there may be more: --limit 4 shows so many" in program("list", "-v", "--limit", 2).err


def test_more_than_a_plan_holds(program, connection, harp):
    connection.execute("select harpsweep.schedule(%s, 'a', 'a:' || n, choice => 'now') from generate_series(1, 1001) as n",
                       (DAEMON,))
    harp.set(delay_ms=0)
    program.sections["run"]["max_parallel_per_daemon"] = 8
    text = program("plan").out
    assert "there are more than these 1000\n" in text


# ------------------------------------------------------------------ show


def test_show_tells_what_was_freed(program, connection):
    number = schedule(connection, DAEMON, choice="now")
    claim(connection, number)
    finish(connection, number, "removed", bytes_freed=1_500_000)
    assert "up to 1.5 MB (1500000 bytes)" in program("show", number).out


def test_show_tells_what_a_job_waits_for(program, connection):
    number = schedule(connection, DAEMON, image="a:1", choice="now")

    def told():
        return program("show", number).out

    program("run", "--max-jobs", 0, "--app", "nobody")
    assert "the next run deletes the image" in told()
    program.sections["cleanup"]["keep"] = "a:*"
    assert "the setting keep = a:* holds it" in told()
    del program.sections["cleanup"]["keep"]
    connection.execute("insert into harpsweep.daemon (daemon, stopped_since, stop, reason, paused_until)"
                       " values (%s, now(), 'unauthorized', 'a wrong key', now() + interval '9 min')", (DAEMON,))
    assert f"runs leave daemon {DAEMON} alone until " in told() and ": a wrong key" in told()
    connection.execute("update harpsweep.daemon set paused_until = null")
    assert f", once daemon {DAEMON} works again: a wrong key" in told()
    connection.execute("delete from harpsweep.daemon")
    claim(connection, number)
    expire(connection, number)
    assert "the run h:1 died with it; the next run takes it up again" in told()


def test_moments_that_no_clock_shows(program, connection):
    """A DBA may pause a daemon for ever and a day: that moment is shown as it is."""
    number = schedule(connection, DAEMON, image="a:1", choice="now")
    connection.execute("insert into harpsweep.daemon (daemon, stopped_since, stop, reason, paused_until)"
                       " values (%s, '2026-03-01 12:00Z', 'down', 'gone', '12000-01-01 00:00Z')", (DAEMON,))
    assert f"runs leave daemon {DAEMON} alone until 12000-01-01T00:00:00Z" in program("show", number).out
    text = program("status", code=1, TZ="UTC").out
    assert "does not work since 2026-03-01 12:00:00 UTC: gone" in text
    assert "runs leave it alone until 12000-01-01T00:00:00Z; " in text


@pytest.mark.parametrize("code, words", [
    (1, "something needed attention"), (69, "it lost the database"),
    (75, "a limit or a signal ended it, work was left"), (78, "settings, schema or privileges were wrong"), (70, "it failed")])
def test_status_tells_how_the_last_run_ended(program, connection, harp, code, words):
    harp.add_image("a:1")
    schedule(connection, DAEMON, image="a:1", choice="now")
    program("run")
    assert "exit 0 (all went well)" in program("status").out
    connection.execute("update harpsweep.run set exit_code = %s", (code,))
    assert f"exit {code} ({words})" in program("status", code=None).out


def test_show_of_an_app_whose_image_may_not_be_seen(program, connection):
    number = schedule(connection, DAEMON, "app", "a:1")
    assert f"job {number} is" in program("show", "--app", "app").out
    connection.execute("revoke select on harpsweep.exapp_image from harpsweep_worker")
    assert "permission denied for table exapp_image" in program("show", "--app", "app", code=78).err
    assert f"job {number} is" in program("show", number).out


def test_show_of_a_job_that_is_to_be_kept(program, connection):
    number = schedule(connection, DAEMON)
    connection.execute("update harpsweep.job set choice = 'keep' where id = %s", (number,))
    assert "the next run records it as kept; the image stays" in program("show", number).out


def test_show_of_jobs_that_nothing_moves(program, connection):
    number = schedule(connection, DAEMON, image="a:1")
    connection.execute("update harpsweep.job set state = 'pending', not_before = now(), next_at = 'infinity' where id = %s",
                       (number,))
    assert f"nothing until somebody changes it: 'harpsweep now {number}'" in program("show", number).out


def test_a_job_that_is_worked_on_is_now_already(program, connection):
    number = schedule(connection, DAEMON, choice="now")
    claim(connection, number)
    assert f"job {number} is already claimed" in program("now", number).out


# ------------------------------------------------------------------ plan


@pytest.fixture
def planned(program, connection, harp):
    """A job that is due, for an image that is there; returns its line of the plan."""
    harp.add_image("a:1", size=5_000)
    number = schedule(connection, DAEMON, image="a:1", choice="now")

    def line(code=0):
        return next(row for row in program("--json", "plan", code=code).json if row["id"] == number)

    line.number = number
    return line


def test_plan_of_a_daemon_that_is_down(planned, harp):
    harp.refuse()
    row = planned(code=1)
    assert row["outcome"] == "unknown" and row["bytes"] is None and "no connection to HaRP" in row["reason"]


@pytest.mark.parametrize("fault, words", [({"status": 500, "body": "{}"}, "500"), ({"status": 401}, "key")])
def test_plan_of_what_docker_does_not_tell(planned, harp, fault, words):
    harp.fault(kind="inspect", times=9, **fault)
    row = planned(code=1)
    assert row["outcome"] == "unknown" and words in row["reason"]


def test_plan_asks_no_more_at_once_than_it_may(program, connection, harp):
    program.sections["run"]["max_parallel"] = "1"
    for number in range(6):
        harp.add_image(f"a:{number}")
        schedule(connection, DAEMON, f"app{number}", image=f"a:{number}", choice="now")
    assert [row["outcome"] for row in program("--json", "plan").json] == ["delete"] * 6
    assert [entry["kind"] for entry in harp.log()] == ["info"] + ["inspect"] * 6


def test_plan_tries_a_wrong_key_once(program, connection, harp):
    harp.fault(kind="info", times=9, status=401)
    for number in range(3):
        schedule(connection, DAEMON, f"app{number}", image=f"a:{number}", choice="now")
    assert [row["outcome"] for row in program("--json", "plan", code=1).json] == ["unknown"] * 3
    assert [entry["kind"] for entry in harp.log()] == ["info"]


def test_plan_asks_each_daemon_for_its_own(program, connection, harp):
    with Standin() as other:
        program.sections["daemon:other"] = {"url": other.url}
        for daemon, standin, image in ((DAEMON, harp, "a:1"), ("other", other, "b:1")):
            standin.add_image(image)
            schedule(connection, daemon, image=image, choice="now")
        assert [row["outcome"] for row in program("--json", "plan").json] == ["delete"] * 2
        assert [[entry["kind"] for entry in standin.log()] for standin in (harp, other)] == [["info", "inspect"]] * 2


@pytest.mark.parametrize("command, kind", [("plan", "inspect"), ("check", "ping")])
def test_what_is_interrupted_says_so(program, planned, harp, command, kind):
    assert planned.number > 0
    harp.fault(kind=kind, delay=30, times=99)
    for number in range(20):  # more than check asks at once
        program.sections[f"daemon:d{number}"] = {"url": harp.url}
    process = program.start(command)
    try:
        limit = time.monotonic() + 20
        while not harp.log(kind):
            assert time.monotonic() < limit
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode not in (0, -signal.SIGTERM) , (out, err)
    assert out.count("not asked to the end: interrupted") == (21 if command == "check" else 1), out


def test_plan_of_what_is_no_reference(program, connection):
    schedule(connection, DAEMON, image="UPPER CASE", choice="now")
    row = program("--json", "plan", code=1).json[0]
    assert (row["outcome"], row["reason"]) == ("unknown", "not a reference that Docker accepts")


def test_plan_of_a_stranger(program, connection):
    schedule(connection, "stranger", image="a:1", choice="now")
    row = program("--json", "plan", code=1).json[0]
    assert (row["outcome"], row["reason"]) == ("unknown", "neither the settings nor Nextcloud know its daemon")


def test_plan_of_a_tag_that_moved_on(program, connection, harp):
    old = harp.add_image("a:1", size=5_000)
    harp.add_image("a:1", size=6_000)
    schedule(connection, DAEMON, image="a:1", image_id=old, choice="now")
    schedule(connection, DAEMON, "other", image="a:2", image_id=ID, choice="now")
    rows = program("--json", "plan").json
    assert [(row["outcome"], row["bytes"]) for row in rows] == [("delete", 5_000), ("absent", None)]


def test_plan_of_what_the_settings_keep(program, planned):
    program.sections["cleanup"]["keep"] = "a:*"
    assert (planned()["outcome"], planned()["reason"]) == ("held", "the image matches keep = a:* of the settings")


def test_plan_while_cleanup_is_disabled(program, connection, harp):
    program.sections["cleanup"]["enabled"] = "no"
    harp.add_image("a:1", "a:2")
    schedule(connection, DAEMON, image="a:1", grace_hours=0)
    row = program("--json", "plan").json[0]
    assert (row["outcome"], row["reason"]) == ("waits", "cleanup is disabled")


def test_plan_of_what_a_run_works_on(planned, connection):
    claim(connection, planned.number)
    assert (planned()["outcome"], planned()["reason"]) == ("delete", "a run works on it right now")


# ------------------------------------------------------------------ adopt


@pytest.mark.parametrize("text, words", [(None, "No such file or directory"), ("x" * 2000 + "\n", ":1: a line of more than 1022 characters"),
                                         ("a:1\n" * 100_001, "more than 100000 references at once")],
                         ids=["none", "long", "many"])
def test_adopt_of_files_that_are_not_taken(program, tmp_path, connection, text, words):
    path = tmp_path / "images"
    if text is not None:
        path.write_text(text)
    done = program("adopt", "--daemon", DAEMON, "--file", path, code=64)
    assert words in done.err
    assert connection.execute("select count(*) from harpsweep.job").fetchone() == (0,)


def test_adopt_of_more_than_is_taken(program, harp):
    assert "more than 100000 references at once" in program("adopt", "--daemon", DAEMON, *["a:1"] * 100_001, code=64).err
    assert not harp.log()


@pytest.mark.parametrize("fault, words", [({"status": 500, "body": "{}"}, "500"), ({"status": 401}, "key")])
def test_adopt_of_what_docker_does_not_tell(program, connection, harp, fault, words):
    """No answer: neither that it is there nor that it is not."""
    harp.add_image("a:1")
    harp.fault(kind="inspect", times=9, **fault)
    row, = program("--json", "adopt", "--daemon", DAEMON, "a:1", code=1).json
    assert (row["exists"], row["job"]) == (False, None) and words in row["reason"]
    assert connection.execute("select count(*) from harpsweep.job").fetchone() == (0,)


def test_adopt_of_a_folder(program, tmp_path):
    assert "Is a directory" in program("adopt", "--daemon", DAEMON, "--file", tmp_path, code=64).err


def test_adopt_from_standard_input(program, connection, harp):
    image = harp.add_image("a:1")
    done = run_with_input(program, f"# of docker images\n{image}\n", "adopt", "--daemon", DAEMON, "--file", "-")
    assert done.returncode == 0, done
    assert connection.execute("select image_ref, event::text from harpsweep.job").fetchall() == [(image, "adopted")]


# ------------------------------------------------------------------ a terminal


def test_tables_fit_the_terminal(program, connection):
    """The widest column is cut, and only there."""
    number = schedule(connection, DAEMON, image="a:1")
    connection.execute("update harpsweep.job set hold_reason = %s where id = %s", ("because " * 30, number))
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 110, 0, 0))
    subprocess.run([PROGRAM, "-c", program.settings, "list"], stdout=terminal, stdin=subprocess.DEVNULL, check=True,
                   env={**os.environ, "NO_COLOR": "1"})
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(main, 4096):
            shown += chunk
    except OSError:  # the other side is closed
        pass
    os.close(main)
    title, row = shown.decode().splitlines()
    assert len(row) == 110 and row.endswith("...") and title.split()[-1] == "WHY"
    assert max(map(len, program("list").out.splitlines())) > 200


class TestWhatIsToldOfRunsToCome:
    def test_a_plan_without_verifying(self, program, harp, connection):
        """What rests on Docker's inspect holds nothing where a run does not ask for it."""
        program.sections["cleanup"]["verify"] = "no"
        harp.add_image("app:1", digests=[])
        number = schedule(connection, daemon=DAEMON, image="app:1", choice="grace", grace_hours=0)
        [row] = program("plan", "--json").json
        assert (row["outcome"], row["reason"]) == ("delete", None) and row["bytes"] > 0
        program("run")
        assert job(connection, number)["state"] == "removed"

    @pytest.mark.parametrize("command", [("plan",), ("run", "--dry-run")], ids=["plan", "dry run"])
    def test_a_daemon_that_nobody_knows(self, program, command):
        done = program(*command, "--daemon", "typo", code=64)
        assert "know a daemon 'typo'" in done.err and done.out == ""
        program(*command, "--daemon", DAEMON)

    def test_a_dry_run_of_many(self, program, connection):
        connection.execute("""insert into harpsweep.job (daemon, appid, image_ref, event, choice)
                              select 'harp', 'app', 'app:' || i, 'manual', 'now' from generate_series(1, 1001) i""")
        done = program("run", "--dry-run")
        assert len(done.out.splitlines()) >= 1000 and "these are the first 1000; there may be more" in done.err


class TestADaemonThatWasStopped:
    def stop(self, program, harp, connection):
        number = schedule(connection, daemon=DAEMON, image="app:1", choice="now")
        harp.refuse()
        program("run", code=1)
        harp.refuse(False)
        return number

    def test_without_work_it_needs_nobody(self, program, harp, connection):
        """No run would go there and find out that it is well again: the alarm would never end."""
        number = self.stop(program, harp, connection)
        assert "daemon harp does not work since" in program("status", code=1).out
        program("cancel", number)
        assert "does not work" not in program("status").out
        assert program("status", "--format=nagios").out.startswith("HARPSWEEP OK")
        [before] = connection.execute("select stop from harpsweep.daemon").fetchone()
        assert before == "down"
        schedule(connection, daemon=DAEMON, image="app:2", choice="grace")
        done = program("status", "--json", code=1).json
        assert (done["daemons_stopped"], done["daemons"][0]["health"]) == (1, "stopped")
        assert done["daemons"][0]["overdue_s"] in range(60) and done["daemons"][0]["overdue"].endswith(" s")

    def test_one_that_is_gone_and_has_jobs(self, program, harp, connection):
        self.stop(program, harp, connection)
        program.sections["daemon:other"] = program.sections.pop("daemon:harp")
        assert program("status", "--json", code=1).json["daemons_stopped"] == 1
