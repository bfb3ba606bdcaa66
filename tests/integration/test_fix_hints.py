"""check --fix-hints: for each problem the next command, ready to be typed."""

# pylint: disable=missing-function-docstring,redefined-outer-name

import os
import re
import shlex
import subprocess

import pytest

from harness.nextcloud import Nextcloud
from harness.program import PROGRAM, ROOT, Program
from harness.rows import set_schema_version

DAEMON = "harp"


def fixes(program, code):
    """{what is said: command} of the block behind the findings; each command is one for a shell."""
    text = program("check", "--fix-hints", code=code).out
    findings, _, block = text.partition("\nThe next command for each, the first one first:\n\n")
    assert block, findings
    found = dict(re.findall(r"^# (.+)\n    (.+)$", block, re.M))
    assert len(found) * 2 == len(block.splitlines())
    for command in found.values():
        assert subprocess.run(["sh", "-n", "-c", command], check=False).returncode == 0, command
    told = {row["fix"] for row in program("--json", "check", code=code).json["checks"] if row["level"] != "ok"}
    assert set(found.values()) == told
    return found


def only(found, words):
    [command] = [command for said, command in found.items() if words in said]
    return command


def statement(command):
    words = shlex.split(command)
    return words[words.index("-c") + 1]


def test_nothing_is_wrong(program):
    assert "next command" not in program("check", "--fix-hints").out
    assert all(row["fix"] is None for row in program("--json", "check").json["checks"])


def test_no_schema(empty_database, tmp_path, harp):
    program = Program(tmp_path, empty_database.conninfo, harp.url)
    words = shlex.split(only(fixes(program, 78), "has no schema harpsweep"))
    path = words[words.index("-f") + 1]
    assert os.path.samefile(path, ROOT / "sql" / "install.sql")
    assert words[words.index("-d") + 1] == empty_database.name
    assert words[words.index("-h") + 1] == empty_database.cluster.base


def test_privileges(cluster, database, connection, tmp_path, harp):
    name = "fix_" + database.name
    connection.execute(f'create role "{name}" login')
    program = Program(tmp_path, cluster.conninfo(database.name, name), harp.url)
    connection.execute(statement(only(fixes(program, 78), "may not use the schema")))
    assert "next command" not in program("check", "--fix-hints").out
    connection.execute(f'drop owned by "{name}"; drop role "{name}"')


def test_each_missing_privilege(program, connection):
    connection.execute("revoke delete on harpsweep.run from harpsweep_worker; revoke insert on harpsweep.run from harpsweep_worker")
    found = fixes(program, 78)
    assert len(found) == 2
    for command in found.values():
        connection.execute(statement(command))
    assert "all privileges" in program("check").out


@pytest.mark.parametrize("version, words", [(0, "sql/install.sql"), (99, "harpsweep --version")])
def test_another_version(program, connection, version, words):
    set_schema_version(connection, version)
    assert words in only(fixes(program, 78), "version")


def test_no_database(program, tmp_path):
    program.sections["database"]["conninfo"] = f"host={tmp_path} port=7777 dbname='a b' password=secret"
    command = only(fixes(program, 69), "no connection")
    assert command == f"pg_isready -h {tmp_path} -p 7777 -d 'a b'"


def test_settings(program, tmp_path):
    program.sections["cleanup"]["enabled"] = "no"
    editor = "editor" if os.geteuid() == 0 else "sudoedit"
    assert only(fixes(program, 0), "cleanup is disabled") == f"{editor} {program.settings}"
    program.sections["cleanup"]["nonsense"] = "1"
    assert only(fixes(program, 78), "nonsense") == f"{editor} {program.settings}"
    del program.sections["cleanup"]["nonsense"]
    program.key_file.chmod(0o644)
    assert only(fixes(program, 78), "others can read").endswith(f"chmod 600 {program.key_file}")
    done = subprocess.run([PROGRAM, "-c", tmp_path / "no ne", "check", "--fix-hints"], capture_output=True, text=True, check=False)
    assert f"harpsweep setup -c '{tmp_path}/no ne'" in done.stdout


def test_daemons(program, harp):
    harp.fault(kind="ping", status=503, body="<html>No server is available</html>", times=99)
    assert "docker exec" in only(fixes(program, 1), "no Docker Engine answers")
    program.write_key("another-key")
    assert str(program.key_file) in only(fixes(program, 1), "the shared key")
    program.sections["daemon:harp"]["url"] = "http://127.0.0.1:9"
    command = only(fixes(program, 1), "127.0.0.1:9")
    assert subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False).stdout == "000\n"


def test_nextcloud(program, connection):
    Nextcloud(connection).create_tables()
    command = only(fixes(program, 0), "nobody watches them")
    assert "nextcloud=on" in command and "prefix=oc_" in command


@pytest.mark.parametrize("text, words", [
    ("", "tee "), ("one\ntwo\n", "edit"), ("k\x01y\n", "edit"), ("k" * 5000, "edit"), (None, "install -m 600 -o harpsweep"),
], ids=["empty", "two lines", "no text", "long", "missing"])
def test_a_key_that_is_none(program, text, words):
    """The command is about the key file, not about the settings that name it."""
    if text is None:
        program.key_file.unlink()
    else:
        program.key_file.write_text(text)
    command = only(fixes(program, 78), str(program.key_file))
    assert words in command and str(program.key_file) in command and str(program.settings) not in command


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives files away")
def test_a_key_of_somebody_elses(program):
    """Whose key it is runs harpsweep: root, who only looks, must not take it away."""
    os.chown(program.key_file, 65534, 65534)
    command = only(fixes(program, 78), "belongs to somebody else")
    assert command == "sudo -u '#65534' harpsweep check --fix-hints"
    assert "chown" not in program("check", "--fix-hints", code=78).out


def test_a_role_that_is_not_there(cluster, database, connection, tmp_path, harp):
    name = "gone_" + database.name
    program = Program(tmp_path, cluster.conninfo(database.name, name), harp.url)
    for words in ("does not exist", "not permitted to log in"):
        found = fixes(program, 78)
        assert len(found) == 1  # nothing about daemons that nobody could ask for
        [(said, command)] = found.items()
        assert said.startswith("database: no connection: ") and words in said
        assert "fix-hints" not in program("check", "--fix-hints", code=78).out
        connection.execute(statement(command))
        connection.execute(f'alter role "{name}" nologin' if words == "does not exist" else "")
    assert "all privileges" in program("check").out
    connection.execute(f'drop owned by "{name}"; drop role "{name}"')


def test_a_database_that_is_not_there(cluster, tmp_path, harp):
    program = Program(tmp_path, cluster.conninfo("nowhere"), harp.url)
    assert str(program.settings) in only(fixes(program, 78), '"nowhere" does not exist')


def test_no_daemon(program):
    del program.sections["daemon:harp"]
    assert "nextcloud=on" in only(fixes(program, 0), "no daemon is known")
