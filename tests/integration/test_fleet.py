"""A folder of settings files: many instances in one process, and what happens to one never touches another."""

import itertools
import json
import os
import time

import pytest

from conftest import fresh_database
from harness.program import Done, Program
from harness.rows import job, schedule, wait_for


class Fleet:
    """A folder with an instance for each database that a test asks for."""

    def __init__(self, folder, cluster, template, worker, url):
        self.folder = folder / "instances"
        self.folder.mkdir()
        self.cluster, self.template, self.worker, self.url = cluster, template, worker, url
        self.databases = []
        self.numbers = itertools.count(1)

    def add(self, **sections):
        """Returns a connection to the new instance's database."""
        name = f"i{next(self.numbers):03}"
        own = self.folder.parent / name
        own.mkdir()
        made = fresh_database(self.cluster, self.template)
        database = next(made)
        self.databases.append(made)
        program = Program(own, self.cluster.conninfo(database.name, user=self.worker), self.url)
        for section, options in sections.items():
            program.sections[section].update(options)
        program.settings.rename(self.folder / f"{name}.ini")
        return database.connect()

    def close(self):
        for made in self.databases:
            with pytest.raises(StopIteration):
                next(made)

    def __call__(self, *arguments, code=0):
        with Program.start_with(self.folder, *arguments) as process:
            out, err = process.communicate(timeout=120)
        done = Done(process.returncode, out, err)
        assert done.code == code, done
        return done


@pytest.fixture
def fleet(tmp_path, cluster, template, worker, harp):
    made = Fleet(tmp_path, cluster, template, worker, harp.url)
    yield made
    made.close()


def due(connection, image, **named):
    return schedule(connection, daemon="harp", image=image, choice="now", **named)


def test_each_gets_its_work_done_and_one_summary_tells(fleet, harp):
    connections = [fleet.add() for _ in range(5)]
    numbers = {}
    for index in (0, 2, 4):
        harp.add_image(f"app:{index}")
        numbers[index] = due(connections[index], f"app:{index}")
    done = fleet("run", "-v")
    assert "5 instances, 3 had work; 3 jobs: 3 removed" in done.out
    assert "harpsweep: i001: job 1 removed: " in done.err
    assert all(job(connections[index], number)["state"] == "removed" for index, number in numbers.items())
    shown = fleet("run", "--json").json
    assert (shown["instances"], shown["worked"], shown["runs_failed"], shown["exit_code"]) == (5, 0, 0, 0)


def test_nothing_to_do_is_nothing_said(fleet):
    for _ in range(3):
        fleet.add()
    done = fleet("run")
    assert (done.out, done.err) == ("", "")


def test_trouble_of_one_is_its_own(fleet, harp):
    fleet.add(database={"conninfo": "host=127.0.0.1 port=1 dbname=x connect_timeout=1"})
    second = fleet.add()
    (fleet.folder / "broken.ini").write_text("[nonsense]\nx = 1\n")
    fourth = fleet.add(**{"daemon:harp": {"url": "http://127.0.0.1:9"}})
    harp.add_image("app:1")
    number = due(second, "app:1")
    down = due(fourth, "app:2")
    done = fleet("run", code=78)
    assert "i001: error: database: no connection" in done.err
    assert "broken: error: " in done.err and "unknown section [nonsense]" in done.err
    assert "i003: warning: daemon stopped" in done.err
    assert job(second, number)["state"] == "removed"
    assert (job(fourth, down)["state"], job(fourth, down)["failures"]) == ("pending", 0)
    assert "could not be worked on" in done.out


def test_the_gravest_exit_code_is_the_fleets(fleet, harp):
    fleet.add()
    fleet("run", code=0)
    fourth = fleet.add(**{"daemon:harp": {"url": "http://127.0.0.1:9"}})
    due(fourth, "app:2")
    fleet("run", code=1)
    fleet.add(database={"conninfo": "host=127.0.0.1 port=1 dbname=x connect_timeout=1"})
    fleet("run", code=69)


def test_as_many_at_once_as_asked_for(fleet):
    """Each thread has one connection at most."""
    for _ in range(12):
        fleet.add()
    process = Program.start_with(fleet.folder, "run", "--max-instances", 3)
    most = 0
    while process.poll() is None:
        try:
            most = max(most, len(os.listdir(f"/proc/{process.pid}/task")))
        except OSError:
            break
    process.communicate()
    assert process.returncode == 0 and most == 3


def test_a_signal_leaves_the_rest_for_the_next_run(fleet, harp):
    connections = [fleet.add() for _ in range(6)]
    harp.fault(kind="inspect", delay=1)
    for number, connection in enumerate(connections):
        due(connection, f"app:{number}")
    process = Program.start_with(fleet.folder, "run", "--max-instances", 1, "--json")
    while not harp.log("inspect"):
        time.sleep(0.01)
    process.terminate()
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 75, out
    states = [job(connection, 1)["state"] for connection in connections]
    assert states[0] == "absent" and set(states[1:]) == {"pending"}


@pytest.mark.parametrize("command", ["status", "check", "plan"])
def test_other_commands_tell_of_each(fleet, command):
    fleet.add()
    fleet.add(database={"conninfo": "host=127.0.0.1 port=1 dbname=x connect_timeout=1"})
    done = fleet(command, code=69)
    assert "== i001\n" in done.out and "== i002\n" in done.out
    shown = fleet(command, "--json", code=69).json
    assert [(one["instance"], one["exit_code"]) for one in shown] == [("i001", 0), ("i002", 69)]
    assert shown[0]["result"] is not None


def test_other_commands_want_one_file(fleet):
    fleet.add()
    assert "is a folder" in fleet("list", code=78).err


@pytest.mark.parametrize("form", ["nagios", "prometheus"])
def test_formats_for_one_file(fleet, form):
    """A plugin has one line, and a file of metrics each name once."""
    fleet.add()
    done = fleet("status", f"--format={form}", code=64)
    assert f"{fleet.folder} is a folder: this format takes one settings file" in done.err
    assert "hint: -c FILE for each of them" in done.err and done.out == ""


def test_an_empty_folder_is_an_error(fleet):
    assert "holds no settings file (*.ini)" in fleet("run", code=78).err


class TestTheWhole:
    def test_a_daemon_that_nobody_knows(self, fleet):
        fleet.add()
        fleet.add()
        assert "nosuch" in fleet("run", "--daemon", "nosuch", code=64).err

    def test_what_was_never_begun_is_work_left(self, fleet, harp):
        connections = [fleet.add() for _ in range(3)]
        harp.fault(kind="inspect", delay=1)
        for number, connection in enumerate(connections):
            due(connection, f"app:{number}")
        with Program.start_with(fleet.folder, "run", "--max-instances", 1, "--json") as run:
            wait_for(lambda: harp.log("inspect"))
            time.sleep(0.2)
            run.terminate()
            out, _ = run.communicate(timeout=30)
        assert run.returncode == 75 and json.loads(out)["left_work"] is True
