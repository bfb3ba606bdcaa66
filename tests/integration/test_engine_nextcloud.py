"""Whole stories against a real Docker Engine: apps are installed, updated and uninstalled as AppAPI does it, with
images from a registry and containers that were really created, and harpsweep cleans up behind them."""

import psycopg
import pytest

from conftest import fresh_database
from harness.nextcloud import Nextcloud
from harness.program import Program
from harness.story import Story
from test_engine import dockerd, engine, harp, registry  # noqa: F401  pylint: disable=unused-import

pytestmark = pytest.mark.docker


class EngineStory(Story):
    """As Story, with the engine's own words for what AppAPI has done through HaRP."""

    def __init__(self, connection, harp, engine, registry):  # noqa: F811  pylint: disable=redefined-outer-name
        super().__init__(connection, harp)
        self.engine, self.registry = engine, registry

    def publish(self, name, tag, size=20_000):
        self.registry.publish(name, tag, size)
        return f"{self.registry.host}/{name}:{tag}"

    def pull(self, ref, **image):
        return self.engine.pull(*ref.rsplit(":", 1))

    def recreate(self, appid, ref):
        self.remove_container(appid)
        self.engine.create_container(ref, "nc_app_" + appid)

    def remove_container(self, appid):
        if "nc_app_" + appid in self.engine.containers():
            self.engine.remove_container("nc_app_" + appid)

    def update(self, appid, ref, version="2.0.0", new_image=False):
        self.nextcloud.begin_update(appid, version)
        self.nextcloud.begin_deploy(appid, when=self.tick())
        image = self.pull(ref)
        self.recreate(appid, ref)
        self.nextcloud.end_deploy(appid)
        self.nextcloud.finish_init(appid)
        return image


@pytest.fixture(scope="module")
def watched(cluster, worker):  # pylint: disable=unused-argument
    """Name of a database with Nextcloud's tables, watched."""
    name = "nextcloud_engine"
    cluster.create_database(name)
    with psycopg.connect(cluster.conninfo(name), autocommit=True) as connection:
        Nextcloud(connection).create_tables()
    cluster.psql(name, "-v", "ON_ERROR_STOP=1", "-v", "nextcloud=on", "-f", "sql/install.sql")
    yield name
    cluster.drop_database(name)


@pytest.fixture
def database(cluster, watched):  # pylint: disable=redefined-outer-name
    yield from fresh_database(cluster, watched)


@pytest.fixture
def story(connection, harp, engine, registry):  # noqa: F811  pylint: disable=redefined-outer-name
    made = EngineStory(connection, harp, engine, registry)
    made.daemon()
    return made


@pytest.fixture
def program(tmp_path, cluster, database, worker):  # pylint: disable=redefined-outer-name
    return Program(tmp_path, cluster.conninfo(database.name, user=worker))


def a_day_later(program, story):  # pylint: disable=redefined-outer-name
    program("run")
    story.age(25)
    program("run")


def test_from_installation_to_the_last_byte(program, story, engine):  # noqa: F811  pylint: disable=redefined-outer-name
    """Install, update to another version, update of the same tag, uninstall: each image goes a day after it became
    an orphan, and not one that is used."""
    first = story.install("talk", story.publish("apps/talk", "1.0"))
    program("run")
    shown = program("observe", "--json").json["apps"][0]
    assert (shown["image_id"], shown["container"]) == (first, "created") and shown["bytes"] > 0

    second = story.update("talk", story.publish("apps/talk", "latest"))
    a_day_later(program, story)
    assert set(engine.images()) == {second}
    row = story.job()
    assert (row["state"], row["event"], row["image_id"]) == ("removed", "update", first) and row["bytes_freed"] > 0

    third = story.update("talk", story.publish("apps/talk", "latest"), version="3.0.0")
    assert third != second
    a_day_later(program, story)
    assert set(engine.images()) == {third}
    assert [entry["ref"] for entry in story.harp.log("remove")][-1] == second

    story.uninstall("talk")
    a_day_later(program, story)
    assert engine.images() == {}
    assert [row["state"] for row in story.jobs()] == ["removed"] * 3


def test_a_container_left_behind_keeps_its_image(program, story, engine):  # noqa: F811  pylint: disable=redefined-outer-name
    image = story.install("talk", story.publish("apps/talk", "1.0"))
    program("run")
    story.uninstall("talk", container=False)
    a_day_later(program, story)
    assert story.job()["rechecks"] == 1 and set(engine.images()) == {image}
    story.remove_container("talk")
    a_day_later(program, story)
    assert story.job()["state"] == "removed" and engine.images() == {}


def test_two_apps_of_one_image(program, story, engine):  # noqa: F811  pylint: disable=redefined-outer-name
    ref = story.publish("apps/shared", "1.0")
    image = story.install("talk", ref)
    story.install("vision", ref)
    program("run")
    story.uninstall("talk")
    a_day_later(program, story)
    assert story.job()["hold_reason"] == "app vision uses this image" and set(engine.images()) == {image}
    story.uninstall("vision")
    a_day_later(program, story)
    assert story.job()["state"] == "removed" and engine.images() == {}


def test_plan_and_adopt_know_the_sizes(program, story, engine):  # noqa: F811  pylint: disable=redefined-outer-name
    ref = story.publish("apps/old", "1.0", 50_000)
    image = story.pull(ref)
    size = engine.inspect(ref)["Size"]
    adopted = program("adopt", "--daemon", "harp_docker", "--json", ref, "nothing:1").json
    assert [(row["exists"], row["bytes"], row["image_id"]) for row in adopted] == [(True, size, image), (False, None, None)]
    assert [(row["outcome"], row["bytes"]) for row in program("plan", "--json").json] == [("delete", size)]
    a_day_later(program, story)
    assert engine.images() == {}


def test_loaded_by_hand_stays(program, story, engine, connection):  # noqa: F811  pylint: disable=redefined-outer-name
    image = engine.import_image("local/talk:1")
    story.nextcloud.insert_app("talk", when=story.tick())
    story.nextcloud.begin_deploy("talk", when=story.tick())
    engine.create_container("local/talk:1", "nc_app_talk")
    story.nextcloud.end_deploy("talk")
    program("run")
    story.uninstall("talk")
    program("run")
    # The grace ends, but the event stays where it is: Docker knows when the image got its name.
    connection.execute("update harpsweep.job set not_before = now(), next_at = now()")
    program("run")
    assert "could not be pulled again" in story.job()["hold_reason"] and set(engine.images()) == {image}
    program("now", story.job()["id"])
    program("run")
    assert story.job()["state"] == "removed" and engine.images() == {}
