"""Random interleavings of AppAPI's stories with runs in between; the invariants are judged by what the engine still
has when AppAPI needs it, and by what is left at the end. A failure prints its seed:

    HARPSWEEP_SEED=… HARPSWEEP_ROUNDS=1 pytest tests/integration/test_nextcloud_random.py

HARPSWEEP_ROUNDS=1000 looks longer, another seed elsewhere.
"""

import os
import random

import psycopg
import pytest

from conftest import fresh_database
from harness.nextcloud import Nextcloud
from harness.program import Program
from harness.story import DAEMON, Story

ROUNDS = int(os.environ.get("HARPSWEEP_ROUNDS", "12"))
SEED = int(os.environ.get("HARPSWEEP_SEED", "1"))
STEPS = 45
APPS = ("talk", "vision", "llm")
REFS = ("reg.example/one:1", "reg.example/one:2", "reg.example/two:latest", "reg.example/three:latest")
DAEMONS = (DAEMON, "harp_gpu")  # two names of one engine


class World:
    """Apps as AppAPI and the engine have them, one step at a time."""

    def __init__(self, story, program, rng):
        self.story, self.program, self.rng = story, program, rng
        self.under_way = {}  # appid: generator of what is left of its story
        self.installed = {}  # appid: image of its container
        self.kept = set()  # images that somebody asked to keep
        self.steps = []

    def say(self, *words):
        self.steps.append(" ".join(map(str, words)))

    def image_of(self, ref):
        return next((image for image, names in self.story.harp.images().items() if ref in names), None)

    # Stories, step by step; each yield is a moment in which a run may happen.

    def deploy(self, appid, ref, fresh):
        """From the pull to a container that starts; False where it failed."""
        nextcloud, story = self.story.nextcloud, self.story
        nextcloud.deploy_progress(appid, 0)
        yield
        image = story.harp.add_image(ref) if fresh else story.pull(ref)
        nextcloud.deploy_progress(appid, 94)
        yield
        if self.rng.random() < 0.15:
            nextcloud.set_status(appid, error="pull failed")
            return False
        nextcloud.deploy_progress(appid, 95)
        story.remove_container(appid)
        yield
        # Nothing may have taken the image away: this is when an app would go down.
        assert image in story.harp.images(), f"{ref} was deleted between its pull and its container"
        if self.rng.random() < 0.15:
            nextcloud.set_status(appid, error="create failed")
            return False
        story.harp.add_container(ref, "nc_app_" + appid)
        runs_from = self.image_of(ref)  # another app's pull may have moved the name, now or later
        nextcloud.deploy_progress(appid, 96)
        yield
        self.installed[appid] = runs_from
        for percent in (97, 99, 100):
            nextcloud.deploy_progress(appid, percent)
        yield
        return True

    def install(self, appid):
        ref, fresh = self.rng.choice(REFS), self.rng.random() < 0.3
        self.say("install", appid, ref, "a new image" if fresh else "")
        self.story.nextcloud.insert_app(appid, self.rng.choice(DAEMONS))
        yield
        if not (yield from self.deploy(appid, ref, fresh)):
            yield from self.uninstall(appid)

    def update(self, appid):
        ref, fresh = self.rng.choice(REFS), self.rng.random() < 0.5
        self.say("update", appid, ref, "a new image" if fresh else "")
        self.story.nextcloud.begin_update(appid, str(self.rng.randrange(10**6)))
        yield
        yield from self.deploy(appid, ref, fresh)

    def uninstall(self, appid):
        self.say("uninstall", appid)
        self.story.nextcloud.disable_app(appid)
        yield
        self.story.remove_container(appid)
        yield
        self.story.nextcloud.delete_app(appid)
        self.installed.pop(appid, None)

    def is_registered(self, appid):
        return self.story.nextcloud.one("select count(*) from {ex_apps} where appid = %s", appid) == 1

    def begin(self, appid):
        if not self.is_registered(appid):
            return self.install(appid)
        return self.rng.choice((self.update, self.uninstall))(appid)

    def step(self, appid):
        story = self.under_way.get(appid) or self.begin(appid)
        self.under_way[appid] = story
        try:
            next(story)
        except StopIteration:
            del self.under_way[appid]

    # harpsweep's side.

    def run(self):
        self.say("run")
        before = set(self.story.harp.images())
        done = self.program("run", code=None)
        assert done.code in (0, 1), done
        gone = before - set(self.story.harp.images())
        assert not gone & self.kept, "a kept image was deleted"
        assert not gone & set(self.installed.values()), "an image that a registered app was last seen with was deleted"

    def keep(self, appid):
        # One that is in the middle of a story may make a job for the same image later, and that is another choice.
        if appid in self.under_way or self.is_registered(appid):
            return
        jobs = [job for job in self.story.jobs() if job["appid"] == appid and job["next_at"] is not None]
        self.say("keep", appid)
        for daemon in DAEMONS:
            self.story.connection.execute("select harpsweep.keep(%s, %s)", [daemon, appid])
        for job in jobs:
            others = [other for other in self.story.jobs() if other["next_at"] is not None
                      and (other["image_id"] == job["image_id"] or other["image_ref"] == job["image_ref"])]
            if job["image_id"] and not others:
                self.kept.add(job["image_id"])

    def anything(self):
        dice = self.rng.random()
        if dice < 0.62:
            self.step(self.rng.choice(APPS))
        elif dice < 0.85:
            self.run()
        elif dice < 0.95:
            hours = self.rng.choice((1, 12, 25, 60))
            self.say("age", hours)
            self.story.age(hours)
        elif dice < 0.98:
            appid = self.rng.choice(APPS)
            self.say("now", appid)
            self.program("now", "--app", appid, "--daemon", self.rng.choice(DAEMONS), code=None)
        else:
            self.keep(self.rng.choice(APPS))
        # A kept image that an app took up again is that app's from here on.
        self.kept -= set(self.installed.values())

    def finish(self):
        """All stories end, all graces too: what no app uses and nobody kept is gone, or is accounted for."""
        for appid in list(self.under_way):
            while appid in self.under_way:
                self.step(appid)
        for _ in range(4):
            self.run()
            self.story.age(60)
        self.run()
        open_jobs = [job for job in self.story.jobs() if job["next_at"] is not None]
        accounted = {job["image_id"] for job in open_jobs} | self.kept | set(self.installed.values())
        accounted |= {job["image_id"] for job in self.story.jobs() if job["state"] == "kept"}
        # Of an app whose deploy failed before anybody looked: its next deploy, or its end, makes the job.
        accounted |= {row[0] for row in self.story.connection.execute(
            "select e.image_id from harpsweep.exapp_image e join oc_ex_apps a on a.appid = e.appid"
            " where e.superseded_at is null")}
        seen = {row[0] for row in self.story.connection.execute(
            "select image_id from harpsweep.exapp_image where image_id is not null")}
        lost = (set(self.story.harp.images()) & seen) - accounted
        assert not lost, f"nobody will ever delete {lost}"
        for job in open_jobs:
            assert job["hold_reason"], job
        assert not self.story.intake_errors()


@pytest.fixture(scope="module")
def world_database(cluster, worker):  # pylint: disable=unused-argument
    for database in fresh_database(cluster):
        with psycopg.connect(database.conninfo, autocommit=True) as connection:
            Nextcloud(connection).create_tables()
        cluster.psql(database.name, "-v", "ON_ERROR_STOP=1", "-v", "nextcloud=on", "-f", "sql/install.sql")
        yield database


@pytest.mark.parametrize("number", range(ROUNDS))
def test_random_stories(number, world_database, harp, tmp_path, cluster, worker):
    seed = SEED + number
    connection = world_database.connect()
    connection.execute("truncate oc_ex_apps, oc_ex_apps_daemons, harpsweep.job, harpsweep.exapp_image,"
                       " harpsweep.intake_error, harpsweep.daemon restart identity")
    story = Story(connection, harp)
    for name in DAEMONS:
        story.daemon(name)
    world = World(story, Program(tmp_path, cluster.conninfo(world_database.name, user=worker)), random.Random(seed))
    try:
        for _ in range(STEPS):
            world.anything()
        world.finish()
    except BaseException:
        print(f"HARPSWEEP_SEED={seed} HARPSWEEP_ROUNDS=1")
        print("\n".join(world.steps))
        for row in story.jobs():
            print({name: row[name] for name in ("id", "daemon", "appid", "image_ref", "image_id", "event", "state",
                                                "hold_reason", "last_error", "bytes_freed")})
        raise
