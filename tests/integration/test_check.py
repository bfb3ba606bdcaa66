"""`harpsweep check` where something is wrong with the database, with how Nextcloud's tables are watched, or behind a
daemon; what it says of everything that is right is in test_commands.py."""

# pylint: disable=missing-function-docstring

import re

import pytest

from harness.program import Program
from harness.rows import replace_catalog
from harness.story import DAEMON, Story

HERE = "harp"  # the daemon of `program`


def shift_clock(connection, seconds):
    """The server's clock is ahead: of this database alone."""
    replace_catalog(connection, "create or replace function pg_catalog.clock_timestamp() returns timestamptz language sql"
                                f" volatile as $$select timeofday()::timestamptz + interval '{seconds} s'$$")


@pytest.mark.parametrize("seconds, code, words", [
    (20, 0, "warning  database: its clock is {} s ahead of this host's"),
    (-20, 0, "warning  database: its clock is {} s behind this host's"),
    (90, 78, "error    database: its clock is {} s ahead of this host's: runs refuse to delete"),
])
def test_clocks_that_differ(program, connection, seconds, code, words):
    shift_clock(connection, seconds)
    text = program("check", code=code).out
    assert any(words.format(abs(seconds) + more) in text for more in (-1, 0, 1)), text


def test_a_server_that_can_only_be_read(program):
    program.sections["database"]["conninfo"] += " target_session_attrs=any options='-c default_transaction_read_only=on'"
    text = program("check", code=69).out
    assert "error    database: the server can only be read: it is a standby, or set so" in text
    assert "has all privileges" in text


def test_a_schema_of_somebody_else(program, empty_database, cluster, worker):
    empty_database.connect().execute(f"create schema harpsweep authorization {worker}")
    program.sections["database"]["conninfo"] = cluster.conninfo(empty_database.name, user=worker)
    text = program("check", code=78).out
    assert f"error    database: user {worker} cannot ask schema harpsweep for its version" in text


def test_a_version_that_cannot_be_told(program, connection):
    connection.execute("create or replace function harpsweep.schema_version() returns int language plpgsql as"
                       " $$begin raise exception 'no version today'; end$$")
    assert "error    database: no version today" in program("check", code=69).out


def test_a_schema_that_lacks_something(program, connection):
    connection.execute("drop function harpsweep.retry(bigint)")
    text = program("check", code=78).out
    assert "error    database: the schema is damaged: nothing is there to grant execute on function harpsweep.retry" in text


# ------------------------------------------------------------------ Nextcloud's tables


@pytest.fixture
def watched_program(tmp_path, cluster, watched_database, worker):
    """Settings that name no daemon, in a database whose Nextcloud tables are watched."""
    return Program(tmp_path, cluster.conninfo(watched_database.name, user=worker))


@pytest.fixture
def story(watched_database, harp):
    made = Story(watched_database.connect(), harp)
    made.daemon()
    return made


def test_settings_for_other_tables_than_those_that_are_watched(watched_program, story):
    assert story.connection
    watched_program.sections["database"]["table_prefix"] = "nc_"
    assert "warning  nextcloud: the settings say public.nc_ex_apps" in watched_program("check").out


def test_a_trigger_that_is_off(watched_program, story):
    story.connection.execute("alter table oc_ex_apps disable trigger harpsweep")
    assert "warning  nextcloud: only 1 of 2 triggers are active" in watched_program("check").out


def test_failures_of_triggers(watched_program, story):
    story.connection.execute("insert into harpsweep.intake_error (source, code, message, subject, times)"
                             " values ('oc_ex_apps', '22P02', 'a number was none', 'talk', 3)")
    assert re.search(r"warning  nextcloud: a trigger failed 3 times, last \d+ s ago: oc_ex_apps of talk: a number was none"
                     r" \(SQLSTATE 22P02\)", watched_program("check").out)
    text = watched_program("status", code=None).out
    assert re.search(r"3 times, last \d+ s ago, in the trigger on oc_ex_apps: a number was none", text), text


def test_failures_of_triggers_that_cannot_be_read(watched_program, story):
    story.connection.execute("revoke select on harpsweep.intake_error from harpsweep_reader, harpsweep_worker")
    assert "error    nextcloud: database: permission denied for table intake_error" in watched_program("check", code=78).out


def test_tables_that_nobody_watches(program, nextcloud_database, cluster, worker):
    cluster.install(nextcloud_database.name)
    program.sections["database"]["conninfo"] = cluster.conninfo(nextcloud_database.name, user=worker)
    assert "warning  nextcloud: its tables are here, and nobody watches them" in program("check").out
    program.sections["cleanup"]["follow_nextcloud"] = "yes"
    text = program("check", code=78).out
    assert "error    nextcloud: follow_nextcloud = yes, but Nextcloud's tables are not watched" in text
    done = program("run", code=78)
    assert "[cleanup] follow_nextcloud = yes, but Nextcloud's tables are not watched" in done.err


def test_tables_that_an_upgrade_changed(watched_program, story):
    story.connection.execute("alter table oc_ex_apps rename column status to state")
    text = watched_program("check", code=None).out
    assert "error    nextcloud: " in text and "did an upgrade change Nextcloud's tables?" in text


def test_an_address_in_nextcloud_that_commands_speak_of(watched_program, story):
    """A job waits for it; plan and show tell why."""
    story.nextcloud.move_daemon(DAEMON, "not a host")
    number = story.connection.execute("select harpsweep.schedule(%s, 'talk', 'a:1', choice => 'now')",
                                      (DAEMON,)).fetchone()[0]
    assert "it waits: its address in Nextcloud: " in watched_program("show", number).out
    row, = watched_program("--json", "plan", code=1).json
    assert row["outcome"] == "unknown" and "its address in Nextcloud: " in row["reason"]


def test_a_setting_of_nextcloud_that_is_none(watched_program, story, harp):
    harp.add_image("a:1")
    watched_program.sections["cleanup"]["follow_nextcloud"] = "yes"
    story.nextcloud.set_config("image_cleanup_enabled", "perhaps", 2)
    story.connection.execute("select harpsweep.schedule(%s, 'talk', 'a:1', grace_hours => 0)", (DAEMON,))
    done = watched_program("--json", "plan")
    assert 'image_cleanup_enabled = "perhaps" is neither yes nor no' in done.err
    assert [row["reason"] for row in done.json] == ["cleanup is disabled"]


def test_daemons_that_cannot_be_read(watched_program, story):
    story.connection.execute("alter table oc_ex_apps_daemons rename column host to hosts")
    assert "error    nextcloud: " in watched_program("check", code=None).out


# ------------------------------------------------------------------ daemons


def test_an_address_in_nextcloud_that_is_none(watched_program, story):
    story.nextcloud.move_daemon(DAEMON, "not a host")
    text = watched_program("check", code=78).out
    assert f"error    daemon {DAEMON}: its address in Nextcloud: " in text


def test_nothing_is_sent_without_a_key(watched_program, story, harp):
    """Another daemon has one of its own; that is not for this one."""
    assert story.harp is harp
    watched_program.sections["daemon:other"] = {"url": "http://127.0.0.1:9", **watched_program.sections.pop("harp")}
    text = watched_program("check", code=78).out
    assert f"error    daemon {DAEMON}: the settings have no shared key for it" in text
    assert harp.log() == []


@pytest.mark.parametrize("fault, words", [
    ({"status": 401, "body": "Unauthorized"}, "HaRP refused the shared key (401)"),
    ({"status": 418, "body": "OK"}, "Docker's ping was answered by something else (HTTP 418)"),
    ({"status": 200, "body": "welcome"}, "Docker's ping was answered by something else (HTTP 200)"),
    ({"fault": "reset"}, "HaRP closed the connection without a word"),
])
def test_docker_behind_harp(program, harp, fault, words):
    harp.fault(kind="ping", times=9, **fault)
    text = program("check", code=1).out
    assert f"error    daemon {HERE}: {harp.url}: {words}" in text
    assert f"ok       daemon {HERE}: Docker answers" not in text


def test_more_daemons_than_are_asked_at_once(program, harp):
    for number in range(20):
        program.sections[f"daemon:d{number}"] = {"url": harp.url}
    text = program("check").out
    assert all(f"ok       daemon d{number}: Docker answers" in text for number in range(20)), text


def test_settings_that_are_a_list(program):
    program.sections["cleanup"]["keep"] = "one:*\nkeep = two:*"
    assert "[cleanup] keep = one:*, two:*" in program("check", "-v").out
