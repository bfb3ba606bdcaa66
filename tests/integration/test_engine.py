"""End to end: bin/harpsweep, a real PostgreSQL, and a real Docker Engine behind the stand-in for HaRP.

Needs root and docker.io. One private dockerd for all of it; every test leaves it empty.
"""

import contextlib
import pathlib
import signal
import subprocess
import time

import pytest

from harness import engine as engine_module
from harness.engine import DockerEngine, EngineError
from harness.program import PROGRAM, ROOT
from harness.raw import remove
from harness.registry import Registry
from harness.rows import job, one, wait_for
from harness.rows import schedule as schedule_row
from harness.standin import Standin
from test_standin import FREED_0, REFERENCES, SCENARIOS, freed, play

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def dockerd():
    """Fails, and says what to install, where there is no Docker: nothing is skipped in silence."""
    with DockerEngine() as made:
        yield made


@pytest.fixture
def engine(dockerd):
    """The engine, empty before and after."""
    assert (dockerd.images(), dockerd.containers()) == ({}, [])
    yield dockerd
    if dockerd.process is None:
        dockerd.resume()
    for name in dockerd.containers():
        dockerd.remove_container(name)
    while images := dockerd.images():
        for image in images:
            with contextlib.suppress(EngineError):  # a parent goes after its child
                dockerd.drop_image(image)


@pytest.fixture
def harp(engine):
    """A stand-in for HaRP with the real engine on port 24000; in place of the one with an engine in memory."""
    with Standin(engines={24000: f"docker:{engine.socket}"}, connect_delay=0.1) as made:
        yield made


@pytest.fixture(scope="module")
def registry():
    with Registry() as made:
        yield made


def schedule(connection, image="app:1", choice="now", **named):
    return schedule_row(connection, daemon="harp", image=image, choice=choice, **named)


def result(connection, number):
    row = job(connection, number)
    return row["state"], row["bytes_freed"]


def make_due(connection, number):
    connection.execute("update harpsweep.job set next_at = now() where id = %s", [number])


class TestOutcomes:
    def test_removed(self, program, harp, engine, connection):
        image = engine.import_image("app:1", 12_345)
        other = engine.import_image("other:1", 10)
        size = engine.inspect("app:1")["Size"]
        number = schedule(connection)
        program("run")
        assert size == 12_345
        row = job(connection, number)
        assert (row["state"], row["bytes_freed"], row["http_status"], row["failures"]) == ("removed", size, 200, 0)
        assert image not in engine.images()
        assert engine.images() == {other: ["other:1"]}
        assert [entry["kind"] for entry in harp.log()] == ["info", "inspect", "remove"]

    def test_already_gone(self, program, harp, engine, connection):
        engine.import_image("app:1")
        number = schedule(connection)
        gone = schedule(connection, image="app:2", image_id="sha256:" + "a1" * 32)
        engine.drop_image("app:1")
        program("run")
        assert result(connection, number) == result(connection, gone) == ("absent", 0)
        assert harp.log("remove") == []

    def test_gone_between_look_and_delete(self, program, harp, engine, connection):
        engine.import_image("app:1")
        harp.fault(kind="remove", delay=1, effect=True)
        number = schedule(connection)
        run = program.start("run")
        wait_for(lambda: harp.log("remove"))
        engine.drop_image("app:1")
        run.communicate(timeout=30)
        assert run.returncode == 0
        assert result(connection, number) == ("absent", 0)

    def test_in_use_by_a_container_that_never_started(self, program, engine, connection):
        image = engine.import_image("app:1", 500)
        engine.create_container("app:1", "nc_app_app")
        number = schedule(connection)
        program("run")
        row = job(connection, number)
        assert (row["state"], row["rechecks"], row["failures"], row["bytes_freed"]) == ("pending", 1, 0, None)
        assert row["hold_reason"].startswith("in use")
        assert engine.images() == {image: ["app:1"]}
        engine.remove_container("nc_app_app")
        program("run")  # not before its time
        assert engine.images() == {image: ["app:1"]}
        make_due(connection, number)
        program("run")
        assert result(connection, number) == ("removed", 500)
        assert engine.images() == {}

    def test_two_tags(self, program, engine, connection):
        image = engine.import_image("app:1", 700)
        engine.tag("app:1", "mirror/app:1")
        first = schedule(connection)
        program("run")
        assert result(connection, first) == ("untagged", 0)
        assert engine.images() == {image: ["mirror/app:1"]}
        last = schedule(connection, image="mirror/app:1")
        program("run")
        assert result(connection, last) == ("removed", 700)
        assert engine.images() == {}

    def test_a_parent_goes_with_its_child(self, program, engine, connection):
        parent = engine.import_image("parent:1", 400)
        engine.create_container("parent:1", "builder")
        child = engine.commit("builder", "child:1")
        engine.remove_container("builder")
        number = schedule(connection, image="parent:1")
        program("run")
        assert result(connection, number) == ("untagged", 0)
        assert engine.images() == {parent: [], child: ["child:1"]}
        number = schedule(connection, image="child:1")
        program("run")
        assert result(connection, number) == ("removed", 400)
        assert engine.images() == {}

    def test_by_id(self, program, engine, connection):
        image = engine.import_image("app:1", 800)
        number = schedule(connection, image=image)
        program("run")
        assert result(connection, number) == ("removed", 800)
        assert engine.images() == {}

    def test_by_id_with_two_names(self, program, engine, connection):
        image = engine.import_image("app:1", 800)
        engine.tag(image, "mirror/app:1")
        number = schedule(connection, image=image)
        program("run")
        assert job(connection, number)["rechecks"] == 1  # Docker: must be forced
        assert engine.images() == {image: ["app:1", "mirror/app:1"]}

    def test_without_a_look_first(self, program, harp, engine, connection):
        program.sections["cleanup"]["verify"] = "no"
        engine.import_image("app:1", 900)
        number = schedule(connection)
        program("run")
        assert result(connection, number) == ("removed", 900)
        assert engine.images() == {}
        assert [entry["kind"] for entry in harp.log()] == ["info", "remove"]


class TestFromARegistry:
    def test_by_digest(self, program, engine, registry, connection):
        digest = registry.publish("team/app", "1", 3000)
        reference = f"{registry.host}/team/app@{digest}"
        image = engine.pull(f"{registry.host}/team/app", digest)
        assert engine.inspect(image)["RepoDigests"] == [reference]
        number = schedule(connection, image=reference, choice="grace", grace_hours=0)
        program("run")
        assert result(connection, number) == ("removed", 3000)
        assert engine.images() == {}

    def test_by_digest_with_the_recorded_id(self, program, engine, registry, connection):
        digest = registry.publish("team/app", "1", 3000)
        image = engine.pull(f"{registry.host}/team/app", digest)
        number = schedule(connection, image=f"{registry.host}/team/app@{digest}", image_id=image)
        program("run")
        assert result(connection, number) == ("removed", 3000)
        assert engine.images() == {}

    def test_by_digest_while_a_tag_holds_it(self, program, engine, registry, connection):
        digest = registry.publish("team/app", "1", 3000)
        image = engine.pull(f"{registry.host}/team/app", "1")
        number = schedule(connection, image=f"{registry.host}/team/app@{digest}")
        program("run")
        assert result(connection, number) == ("untagged", 0)
        assert engine.images() == {image: [f"{registry.host}/team/app:1"]}

    def test_by_tag_its_digest_goes_too(self, program, engine, registry, connection):
        digest = registry.publish("team/app", "1", 3000)
        engine.pull(f"{registry.host}/team/app", "1")
        number = schedule(connection, image=f"{registry.host}/team/app:1", choice="grace", grace_hours=0)
        program("run")
        assert result(connection, number) == ("removed", 3000)
        assert engine.inspect(f"{registry.host}/team/app@{digest}") is None
        assert engine.images() == {}

    def test_latest_was_pulled_again(self, program, engine, registry, connection):
        name = f"{registry.host}/team/app"
        registry.publish("team/app", "latest", 3000)
        old = engine.pull(name, "latest")
        registry.publish("team/app", "latest", 4000)
        new = engine.pull(name, "latest")
        assert old != new
        number = schedule(connection, image=f"{name}:latest", image_id=old, event="update", choice="grace", grace_hours=0)
        program("run")
        assert result(connection, number) == ("removed", 3000)
        assert engine.images() == {new: [f"{name}:latest"]}


class TestGuards:
    def test_latest_moved_to_a_new_image(self, program, harp, engine, connection):
        old = engine.import_image("app:latest", 500)
        new = engine.import_image("app:latest", 600)
        number = schedule(connection, image="app:latest", image_id=old, event="update")
        program("run")
        assert result(connection, number) == ("removed", 500)
        assert "by its ID" in job(connection, number)["hold_reason"]
        assert engine.images() == {new: ["app:latest"]}
        assert [entry["ref"] for entry in harp.log("remove")] == [old]

    def test_latest_moved_and_the_old_one_is_still_used(self, program, engine, connection):
        old = engine.import_image("app:latest", 500)
        engine.create_container("app:latest", "nc_app_app")
        new = engine.import_image("app:latest", 600)
        number = schedule(connection, image="app:latest", image_id=old, event="update")
        program("run")
        assert job(connection, number)["rechecks"] == 1
        assert engine.images() == {old: [], new: ["app:latest"]}
        engine.remove_container("nc_app_app")
        make_due(connection, number)
        program("run")
        assert result(connection, number) == ("removed", 500)
        assert engine.images() == {new: ["app:latest"]}

    def test_a_tag_set_after_the_event(self, program, harp, engine, connection):
        image = engine.import_image("app:1")
        number = schedule(connection, image_id=image)
        engine.tag(image, "app:1")
        program("run")
        assert job(connection, number)["hold_reason"].startswith("the tag was set again at ")
        assert engine.images() == {image: ["app:1"]}
        assert harp.log("remove") == []

    def test_an_image_loaded_by_hand(self, program, harp, engine, connection):
        held = engine.import_image("app:1", 100)
        engine.import_image("app:2", 200)
        assert engine.inspect("app:1")["RepoDigests"] == []
        grace = schedule(connection, choice="grace", grace_hours=0)
        now = schedule(connection, image="app:2")
        program("run")
        row = job(connection, grace)
        assert (row["state"], row["failures"], row["rechecks"]) == ("pending", 0, 0)
        assert "loaded by hand" in row["hold_reason"]
        assert result(connection, now) == ("removed", 200)
        assert engine.images() == {held: ["app:1"]}
        assert [entry["ref"] for entry in harp.log("remove")] == ["app:2"]
        program.sections["cleanup"]["protect_unpullable"] = "no"
        make_due(connection, grace)
        program("run")
        assert result(connection, grace) == ("removed", 100)
        assert engine.images() == {}


class TestMany:
    def test_twenty_at_four_at_a_time(self, program, harp, engine, connection):
        program.sections["run"]["max_parallel_per_daemon"] = 4
        sizes = {}
        for number in range(20):
            engine.import_image(f"app:{number}", 1000 + number)
            sizes[schedule(connection, image=f"app:{number}")] = 1000 + number
        kept = engine.import_image("kept:1")
        run = program("run", "--json").json
        assert {number: result(connection, number) for number in sizes} == {
            number: ("removed", size) for number, size in sizes.items()}
        assert (run["claimed"], run["removed"], run["bytes_freed"]) == (20, 20, sum(sizes.values()))
        assert engine.images() == {kept: ["kept:1"]}
        assert 2 <= max(entry["active"] for entry in harp.log()) <= 4

    def test_one_image_by_two_references(self, program, engine, connection):
        image = engine.import_image("app:1", 300)
        numbers = [schedule(connection, image=reference) for reference in ("app:1", image)]
        program("run")
        # The first goes alone, and takes the image with it.
        assert sorted(result(connection, number) for number in numbers) == [("absent", 0), ("removed", 300)]
        assert engine.images() == {}

    def test_one_image_by_four_references_at_once(self, program, harp, engine, connection):
        engine.import_image("first:1", 10)
        image = engine.import_image("app:1", 300)
        schedule(connection, image="first:1")
        numbers = [schedule(connection, image=reference)
                   for reference in ("app:1", "docker.io/library/app:1", "library/app:1", image)]
        harp.fault(kind="inspect", delay=0.2)  # so that all of them have seen it when the first deletes it
        for _ in range(5):
            program("run", code=None)
            rows = [job(connection, number) for number in numbers]
            if all(row["finished_at"] for row in rows):
                break
            for number in numbers:  # Docker may have been busy with it for another one
                connection.execute("update harpsweep.job set next_at = now() where id = %s and next_at is not null", [number])
        assert max(entry["active"] for entry in harp.log("remove")) > 1
        assert sorted(result(connection, number) for number in numbers) == [("absent", 0)] * 3 + [("removed", 300)]
        assert engine.images() == {}


class TestAnEngineThatGoesAway:
    def test_stopped_while_a_job_runs(self, program, harp, engine, connection):
        image = engine.import_image("app:1", 300)
        harp.fault(kind="remove", delay=3, effect=True, times=1)
        number = schedule(connection)
        run = program.start("run")
        wait_for(lambda: harp.log("remove"))
        engine.halt()
        run.communicate(timeout=30)
        assert run.returncode == 1
        assert harp.log("remove")[0]["status"] == 503
        for _ in range(2):  # and it stays so while the engine is away
            row = job(connection, number)
            assert (row["state"], row["failures"], row["lost_claims"], row["rechecks"]) == ("pending", 0, 0, 0)
            assert "can't reach the Docker Engine" in row["hold_reason"]
            assert one(connection, "select stop from harpsweep.daemon") == "down"
            program("run", code=1)
        engine.resume()
        assert engine.images() == {image: ["app:1"]}
        program("run")
        assert result(connection, number) == ("removed", 300)
        assert engine.images() == {}
        assert one(connection, "select stop from harpsweep.daemon") is None

    @pytest.mark.parametrize("verify", ["yes", "no"])
    def test_killed_in_mid_answer(self, program, harp, engine, connection, verify):
        """502 or 500, which could be the image's fault the first time: it counts once, and the image is there."""
        program.sections["cleanup"]["verify"] = verify
        image = engine.import_image("app:1", 300)
        numbers = [schedule(connection, image=reference) for reference in ("app:1", "app:2", "app:3")]
        engine.process.send_signal(signal.SIGSTOP)
        run = program.start("run")
        kind = "inspect" if verify == "yes" else "remove"
        wait_for(lambda: harp.log(kind))
        engine.halt(signal.SIGKILL)
        run.communicate(timeout=30)
        assert run.returncode == 1
        assert harp.log(kind)[0]["status"] == (502 if verify == "yes" else 500)
        rows = [job(connection, number) for number in numbers]
        assert [row["state"] for row in rows] == ["pending"] * 3
        assert sum(row["failures"] for row in rows) <= 1
        engine.resume()
        assert engine.images() == {image: ["app:1"]}
        for number in numbers:
            make_due(connection, number)
        program("run")
        assert [result(connection, number) for number in numbers] == [("removed", 300), ("absent", 0), ("absent", 0)]

    def test_too_slow_and_then_done(self, program, harp, engine, connection):
        program.sections["cleanup"]["verify"] = "no"
        harp.set(engine_timeout=0.4)
        engine.import_image("app:1", 300)
        number = schedule(connection)
        engine.process.send_signal(signal.SIGSTOP)
        program("run")
        engine.process.send_signal(signal.SIGCONT)
        row = job(connection, number)
        assert (row["state"], row["failures"], row["http_status"]) == ("pending", 1, 504)
        assert one(connection, "select extract(epoch from next_at - now()) from harpsweep.job") > 290
        harp.set(engine_timeout=30)
        make_due(connection, number)
        program("run")
        assert result(connection, number) == ("removed", 300)


def test_the_story_of_the_readme(tmp_path, empty_database, harp, engine):
    """Install the SQL, write harpsweep.ini, schedule, run, read harpsweep.jobs; the image is gone."""

    def psql(*arguments):
        done = subprocess.run(["psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", empty_database.conninfo, *arguments], cwd=ROOT,
                              check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    engine.import_image("someapp:1.0", 4321)
    engine.import_image("neighbour:1.0", 10)
    psql("-f", "sql/install.sql")
    psql("-c", "create role harpsweep login in role harpsweep_worker")
    try:
        key = tmp_path / "harp.key"
        key.touch(mode=0o600)
        key.write_text("test-shared-key\n", encoding="ascii")
        settings = tmp_path / "harpsweep.ini"
        settings.write_text(f"""\
[database]
conninfo = {empty_database.cluster.conninfo(empty_database.name, user="harpsweep")}

[harp]
shared_key_file = {key}

[daemon:harp_docker]
url = {harp.url}
docker_engine_port = 24000
""", encoding="utf-8")
        number = psql("-qAtc", "select harpsweep.schedule('harp_docker', 'someapp', 'someapp:1.0', choice => 'now')")
        run = subprocess.run([PROGRAM, "-c", settings, "run"], capture_output=True, text=True, check=False)
        assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
        rows = psql("-qAtc", "select id, state, daemon, appid, image_ref, bytes_freed, freed, attempts from harpsweep.jobs")
        assert rows == f"{number}|removed|harp_docker|someapp|someapp:1.0|4321|4.3 kB|1"
        assert sorted(engine.images().values()) == [["neighbour:1.0"]]
    finally:
        empty_database.connect().execute("drop role harpsweep")


class TestTheStandinAgainstTheEngine:
    """What the engine in memory must say too (test_standin.py)."""

    def test_odd_references(self, harp, engine):
        engine.import_image("low/app:1", 1000)
        for reference, expected in REFERENCES.items():
            assert remove(harp.port, reference) == expected, reference
        assert engine.images() == {}
        engine.import_image("low/app:1", 1000)
        assert remove(harp.port, "a/../low/app:1") == (200, freed(1000))

    @pytest.mark.parametrize("name", SCENARIOS)
    def test_deletes(self, harp, engine, name):
        def add(names, size):
            image = engine.import_image(names[0], size)
            for another in names[1:]:
                engine.tag(image, another)
            return image

        play(harp.port, SCENARIOS[name], add, lambda image: engine.create_container(image, "nc_app_c"),
             lambda: engine.remove_container("nc_app_c"))

    def test_digests(self, harp, engine, registry):
        name = f"{registry.host}/app"
        digest = registry.publish("app", "1", 50)
        engine.pull(name, digest)
        assert remove(harp.port, f"{name}@{digest}") == (200, freed(50))
        engine.pull(name, "1")
        assert remove(harp.port, f"{name}@{digest}") == (200, FREED_0)
        assert sum(engine.images().values(), []) == [f"{name}:1"]
        engine.drop_image(f"{name}:1")
        engine.pull(name, "1")
        assert remove(harp.port, f"{name}:2@{digest}") == (200, FREED_0)
        engine.drop_image(f"{name}:1")
        engine.pull(name, "1")
        assert remove(harp.port, f"{name}:1") == (200, freed(50))


class TestTheHarness:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
    def test_nothing_of_it_is_left(self, number):
        made = DockerEngine().start()
        process, folder = made.process, made.folder
        settings = pathlib.Path("/etc/docker").stat() if pathlib.Path("/etc/docker").exists() else None
        try:
            made.import_image("app:1")
            assert made.mounts() and str(folder) in made.mounts()[0]
            made.halt(number)
            assert process.returncode is not None
        finally:
            made.stop()
        assert not folder.exists()
        assert str(folder) not in pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8")
        assert all(str(folder).encode() not in words for words in command_lines())
        assert settings is None or pathlib.Path("/etc/docker").stat().st_mtime == settings.st_mtime

    def test_without_docker(self, monkeypatch):
        monkeypatch.setattr(engine_module.shutil, "which", lambda *_, **__: None)
        with pytest.raises(EngineError, match="dockerd is missing: apt-get install docker.io"):
            DockerEngine().start()

    def test_without_root(self, monkeypatch):
        monkeypatch.setattr(engine_module.os, "geteuid", lambda: 1000)
        with pytest.raises(EngineError, match="needs root"):
            DockerEngine().start()


def command_lines():
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it may have ended
                yield (entry / "cmdline").read_bytes()
