"""What the database may answer, at each step of a run, and what the run makes of it: every class of SQLSTATE, and every
way in which there is no connection."""

# pylint: disable=missing-function-docstring

import contextlib
import re
import socket
import time

import pytest
from harness.matrix import SOURCES
from harness.raw import Responder
from harness.rows import one, schedule, wait_for

LOST = ("08000", "08003", "08006", "25006", "57P01", "57P02", "57P03", "57P05")  # another connection is tried
AGAIN = ("40001", "40P01", "55P03", "57014")  # the same once more
USAGE = ("22023",)  # exit code 64
SCHEMA = ("3F000", "42P01", "42703", "42704", "42883", "42501")  # exit code 78
OTHER = ("22003", "22P02", "23514", "53100", "53200", "53300", "53400", "54000", "58030", "XX000", "XX001")
KEPT = ("0A000", "26000", "42P05")  # about a statement that the server keeps: once more, without that
EVERY = [(state, kind) for kind, states in (("lost", LOST), ("again", AGAIN), ("schema", SCHEMA), ("other", OTHER), ("kept", KEPT))
         for state in states]
SOME = [(state, kind) for state, kind in EVERY if state in ("25006", "40P01", "42501", "53100")]  # one of each class
REFUSED = [(state, kind) for state, kind in SOME if kind in ("schema", "other")]
CODES = {"lost": 69, "again": 69, "schema": 78, "other": 69, "kept": 69}

# Where it fails: the table, when, and what tells a row of that step.
STEPS = {
    "claim": ("job", "update", "new.state = 'claimed'"),
    "record": ("job", "update", "old.state = 'claimed'"),
    "first image": ("job", "update", "old.state = 'claimed' and new.image_ref = 'app:0'"),
    "daemon": ("daemon", "insert", "true"),
    "end": ("run", "insert", "true"),
}


@pytest.fixture
def fail(scene):
    """fail(step, SQLSTATE, times): that step of later runs ends with that error, so often; tells how often it has."""
    connection, made = scene.connection, []

    def prepare(step, state, times=1_000_000):
        table, event, condition = STEPS[step]
        made.append(table)
        connection.execute(f"""
            create sequence public.failures;
            create function public.fail() returns trigger language plpgsql security definer as $$ begin
                if nextval('public.failures') <= {times} then  -- a sequence counts what is rolled back, too
                    raise exception 'told to fail' using errcode = '{state}';
                end if;
                return new;
            end $$;
            create trigger fail before {event} on harpsweep.{table} for each row
                when ({condition}) execute function public.fail()""")
        return lambda: one(connection, "select case when is_called then last_value else 0 end from public.failures")

    yield prepare
    for table in made:
        connection.execute(f"drop trigger fail on harpsweep.{table}; drop function public.fail(); drop sequence public.failures")


def every(selected):
    return pytest.mark.parametrize("state,kind", selected, ids=[f"{kind} {state}" for state, kind in selected])


def states(scene):
    return dict(scene.connection.execute("select state::text, count(*) from harpsweep.job group by 1").fetchall())


def limit(scene):
    """A run that can't get on ends after a second."""
    scene.program.sections["harp"]["timeout"] = "5s"
    scene.program.sections["run"].update(soft_limit="1s", hard_limit="6s", lease="35s")


ALL_ASKED = {"info": 1, "inspect": 4, "remove": 4}


class TestClaim:
    """Nothing is asked of anybody for a claim that was not acknowledged."""

    @every(EVERY)
    def test_once(self, scene, fail, state, kind):
        failed = fail("claim", state, 1)
        again = kind in ("lost", "again", "kept")
        run = scene.program("run", code=0 if again else CODES[kind])
        assert failed() >= 1
        assert f"told to fail (SQLSTATE {state})" in run.err
        assert ("trying again" in run.err, "error: " in run.err) == (again, not again)
        assert states(scene) == ({"removed": 5} if again else {"pending": 5})
        assert scene.asked() == (ALL_ASKED if again else {})
        assert one(scene.connection, "select sum(failures + lost_claims) from harpsweep.job") == 0

    @every([*SOME, ("26000", "kept")])
    def test_always(self, scene, fail, state, kind):
        limit(scene)
        failed = fail("claim", state)
        run = scene.program("run", code=75 if kind in ("lost", "again") else CODES[kind])
        assert 0 < failed() <= 10  # it does not hammer at the server
        assert f"SQLSTATE {state}" in run.err
        assert states(scene) == {"pending": 5}
        assert (scene.asked(), scene.asked(scene.other)) == ({}, {})
        assert one(scene.connection, "select sum(attempts) from harpsweep.job") == 0


class TestRecord:
    """What was done is written down if that is possible at all, and nothing is asked a second time for it."""

    @every(EVERY)
    def test_once(self, scene, fail, state, kind):
        del kind
        failed = fail("record", state, 1)
        scene.program("run")
        assert failed() > 1
        assert states(scene) == {"removed": 5}
        assert scene.asked() == ALL_ASKED
        scene.expect_other()

    @every(REFUSED)
    def test_always_for_one_row(self, scene, fail, state, kind):
        """The others' results are not lost with it; its own is told, and comes back when its lease ends."""
        del kind
        fail("first image", state)
        run = scene.program("run", code=69)
        assert re.findall(r"not recorded: job=(\d+) ", run.err) == [str(scene.row("app:0").id)]
        assert states(scene) == {"removed": 4, "claimed": 1}
        assert scene.asked() == ALL_ASKED
        assert scene.row("app:0").wait_s > 0

    @every(REFUSED)
    def test_always(self, scene, fail, state, kind):
        """A server that is lost for good is in test_run_database.py."""
        del kind
        fail("record", state)
        run = scene.program("run", code=69)
        assert sorted(re.findall(r"not recorded: job=(\d+) ", run.err)) == sorted(
            str(number) for (number,) in scene.connection.execute("select id from harpsweep.job where attempts = 1"))
        assert set(states(scene)) <= {"claimed", "pending"}
        asked = scene.asked()
        assert asked["remove"] == len({entry["ref"] for entry in scene.harp.log("remove")}) <= 4
        # The leases end; the next run finds what is gone and does the rest.
        scene.connection.execute("drop trigger fail on harpsweep.job;"
                                 "create trigger fail before update on harpsweep.job for each row when (false)"
                                 " execute function public.fail();"
                                 "update harpsweep.job set next_at = not_before where state = 'claimed'")
        scene.program("run")
        assert set(states(scene)) <= {"absent", "removed"}
        assert scene.asked()["remove"] == 4


class TestTheRest:
    """What a run learned beside its results is worth less than they."""

    @every(REFUSED)
    def test_daemon(self, scene, fail, state, kind):
        """Even where a stop can't be noted, every job that was asked for is recorded; and the run does not try for ever."""
        scene.harp.fault(kind="inspect", ref="app:3", status=401, body="401 Unauthorized", content_type="text/plain")
        failed = fail("daemon", state)
        run = scene.program("run", code=CODES[kind])
        assert f"SQLSTATE {state}" in run.err
        assert "not recorded" not in run.err
        assert 0 < failed() <= 3
        removals = len(scene.harp.log("remove") + scene.other.log("remove"))
        assert states(scene) == {"removed": removals, "pending": 5 - removals}

    @every(SOME)
    def test_end(self, scene, fail, state, kind):
        failed = fail("end", state)
        run = scene.program("run")
        # What is refused may be the removal of old rows: once more without it.
        assert failed() == {"again": 5, "lost": 1}.get(kind, 2)
        assert f"warning: the run leaves no row: database: told to fail (SQLSTATE {state})" in run.err
        assert states(scene) == {"removed": 5}
        assert scene.asked() == ALL_ASKED


    def test_end_in_the_way_of_another_run(self, scene, fail):
        failed = fail("end", "40001", times=4)
        run = scene.program("run")
        assert failed() == 5 and "leaves no row" not in run.err
        assert one(scene.connection, "select removed from harpsweep.run") == 5


@pytest.mark.parametrize("state", LOST)
def test_lost_before_anything_was_learned(program, connection, harp, state):
    """Nothing was claimed yet: the run ends at once, and cron's next one tries again."""
    harp.add_image("app:1")
    schedule(connection, "harp", image="app:1", choice="now")
    connection.execute(f"""
        create or replace function harpsweep.schema_version() returns int language plpgsql stable as
        $$ begin raise exception 'told to fail' using errcode = '{state}'; end $$""")
    began = time.monotonic()
    run = program("run", code=69)
    assert "told to fail" in run.err and "trying again" not in run.err
    assert time.monotonic() - began < 5
    assert harp.log() == [] and one(connection, "select attempts from harpsweep.job") == 0


def test_every_class_of_the_program_s_is_here():
    text = (SOURCES / "sqlstate.c").read_text(encoding="utf-8")
    kinds = {"ERR_DB_LOST": LOST, "ERR_DB_AGAIN": AGAIN, "ERR_SCHEMA": SCHEMA, "ERR_USAGE": USAGE}
    found = re.findall(r'\{"(\w+)", (ERR_\w+)\}', text)
    assert len(found) >= 13
    for prefix, kind in found:
        assert any(state.startswith(prefix) for state in kinds[kind]), prefix


# The same by what happens to a server, not by a word of its own.


@contextlib.contextmanager
def of_role(connection, setting):
    """A setting of the run's user, for a while."""
    connection.execute(f"alter role cron_user set {setting}")
    try:
        yield
    finally:
        connection.execute(f"alter role cron_user reset {setting.partition(' ')[0]}")


def waiting(connection):
    return one(connection, "select count(*) from pg_stat_activity where usename = 'cron_user' and wait_event_type = 'Lock'")


def expect_all_removed(scene, run, state, again=0):
    """The run met that error, and in the end nothing is missing and nothing was asked for twice; but for inspects that had
    become old while the database was waited for, so many at the most."""
    _, err = run.communicate(timeout=30)
    assert (run.returncode, f"SQLSTATE {state}" in err) == (0, True), err
    assert states(scene) == {"removed": 5}
    asked = scene.asked()
    assert 0 <= asked.pop("inspect") - ALL_ASKED["inspect"] <= again
    assert asked == {kind: times for kind, times in ALL_ASKED.items() if kind != "inspect"}


@pytest.mark.parametrize("setting,state", [("statement_timeout = '100ms'", "57014"), ("lock_timeout = '100ms'", "55P03")])
def test_somebody_holds_the_row_of_a_result(scene, scene_database, setting, state):
    scene.harp.fault(kind="remove", ref="app:0", delay=1, effect=True)  # the lock must be there before the answer
    holder = scene_database[0].connect(autocommit=False)
    with of_role(scene.connection, setting):
        run = scene.program.start("run")
        wait_for(lambda: scene.harp.log("remove"))
        holder.execute("select from harpsweep.job where image_ref = 'app:0' for update")
        wait_for(lambda: waiting(scene.connection))
        time.sleep(0.15)
        holder.rollback()
        expect_all_removed(scene, run, state)
    holder.close()


def test_somebody_holds_the_row_of_a_result_for_long(scene, scene_database):
    """The run's session gives up the lock, and is the only one: what waits on in the server would be there for good."""
    scene.harp.fault(kind="remove", ref="app:0", delay=1, effect=True)
    with contextlib.closing(scene_database[0].connect(autocommit=False)) as holder:
        run = scene.program.start("run")
        wait_for(lambda: scene.harp.log("remove"))
        holder.execute("select from harpsweep.job where image_ref = 'app:0' for update")
        wait_for(lambda: waiting(scene.connection))
        wait_for(lambda: not waiting(scene.connection), seconds=25)
        wait_for(lambda: waiting(scene.connection))
        assert one(scene.connection, "select count(*) from pg_stat_activity where application_name = 'harpsweep'") == 1
        holder.rollback()
        expect_all_removed(scene, run, "55P03", again=3)


def test_the_other_results_do_not_wait_for_a_row_that_somebody_holds(scene, scene_database):
    for number in range(5):
        scene.harp.fault(kind="remove", ref=f"app:{number}", delay=1, effect=True)
    with contextlib.closing(scene_database[0].connect(autocommit=False)) as holder, \
            of_role(scene.connection, "lock_timeout = '300ms'"):
        run = scene.program.start("run")
        wait_for(lambda: len(scene.harp.log("remove")) == 4)
        holder.execute("select from harpsweep.job where image_ref = 'app:1' for update")
        wait_for(lambda: states(scene) == {"removed": 4, "claimed": 1})
        assert run.poll() is None
        holder.rollback()
        expect_all_removed(scene, run, "55P03")


def test_a_deadlock(scene, scene_database):
    """Somebody holds the second of three rows, and wants one that the run has locked before it waits for his."""
    later = ("app:1", "app:2", "app:3")
    for reference in later:
        scene.harp.fault(kind="remove", ref=reference, delay=1, effect=True)
    # The run's session looks for a deadlock once, so long after it began to wait: by then there has to be one.
    with contextlib.closing(scene_database[0].connect(autocommit=False)) as holder, \
            of_role(scene.connection, "deadlock_timeout = '3s'"):
        holder.execute("set deadlock_timeout = '1min'")
        holder.commit()
        run = scene.program.start("run")
        wait_for(lambda: len(scene.harp.log("remove")) == 4)
        holder.execute("select from harpsweep.job where image_ref = 'app:2' for update")
        wait_for(lambda: waiting(scene.connection))
        free = {row[0] for row in scene.connection.execute(
            "select image_ref::text from harpsweep.job for update skip locked")}
        wanted = set(later) - {"app:2"} - free
        assert wanted
        holder.execute("select from harpsweep.job where image_ref = %s for update", [wanted.pop()])
        holder.rollback()
        expect_all_removed(scene, run, "40P01")


# Ways in which there is no connection: what is done to the server, what the settings say, the exit code, words.
WAYS = [
    ("nobody listens", "", "host=127.0.0.1 port=9", 69, "Connection refused"),
    ("no socket", "", "host=/nonexistent", 69, "No such file or directory"),
    ("no such host", "", "host=" + "x" * 64, 69, "could not translate host name"),
    ("no such database", "", "dbname=nowhere", 78, 'database "nowhere" does not exist'),
    ("no such user", "", "user=nobody_there", 78, 'role "nobody_there" does not exist'),
    ("wrong password", "", "host=127.0.0.1 password=a-wrong-one", 78, "authentication failed"),
    ("no password", "", "host=127.0.0.1 passfile=/dev/null", 78, "no password supplied"),
    ("no TLS there", "", "host=127.0.0.1 sslmode=require", 78, "server does not support SSL"),
    ("a parameter that is none", "", "sslmode=maybe", 78, "invalid sslmode value"),
    ("no such port", "", "host=127.0.0.1 port=99999", 78, "invalid port number"),
    ("may not log in", "nologin", "", 78, "is not permitted to log in"),
    ("too many", "connection limit 0", "", 69, "too many connections for role"),
    ("a standby", "", "target_session_attrs=standby", 69, "server is not in hot standby mode"),
]


@pytest.mark.parametrize("change,conninfo,code,words", [row[1:] for row in WAYS], ids=[row[0] for row in WAYS])
def test_no_connection(scene, change, conninfo, code, words):
    scene.program.sections["database"]["conninfo"] += " " + conninfo
    if change:
        scene.connection.execute(f"alter role cron_user {change}")
    try:
        run = scene.program("run", code=code)
        assert scene.program("list", code=code).err == run.err
    finally:
        scene.connection.execute("alter role cron_user login connection limit -1")
    assert words in run.err
    assert "hint: compare [database] conninfo" in run.err
    assert run.out == "" and "a-wrong-one" not in run.err
    assert states(scene) == {"pending": 5}
    assert (scene.asked(), scene.asked(scene.other)) == ({}, {})


def test_no_privilege_to_connect(scene):
    database = one(scene.connection, "select current_database()")
    scene.connection.execute(f"revoke connect on database {database} from public")
    try:
        assert "permission denied for database" in scene.program("run", code=78).err
    finally:
        scene.connection.execute(f"grant connect on database {database} to public")


def test_something_else_listens(scene):
    with Responder(b"HTTP/1.1 400 Bad Request\r\n\r\n\x1b[2J") as port:
        scene.program.sections["database"]["conninfo"] += f" host=127.0.0.1 port={port} sslmode=disable"
        run = scene.program("run", code=69)
    assert "error: database: no connection: " in run.err and "\x1b" not in run.err


def test_a_server_that_says_nothing(scene):
    """libpq's shortest limit is two seconds."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        scene.program.sections["database"]["conninfo"] += f" host=127.0.0.1 port={mute.getsockname()[1]} connect_timeout=2"
        began = time.monotonic()
        run = scene.program("run", code=69)
    assert "timeout expired" in run.err
    assert time.monotonic() - began < 5
