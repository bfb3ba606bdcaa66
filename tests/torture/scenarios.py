"""What is tortured: commands, and the rows, images and apps that are there when they begin."""

from harness.rows import finish, schedule

DAEMON, DOWN = "harp_docker", "down"


class Scenario:
    """name; arguments of the command; kind: "run" (works on jobs), "read" (changes nothing) or "write" (makes
    jobs); whether Nextcloud's tables are watched; prepare(stage)."""

    def __init__(self, name, kind, arguments, prepare, nextcloud=False):
        self.name, self.kind, self.arguments, self.prepare, self.nextcloud = name, kind, arguments, prepare, nextcloud


def run_well(stage, code):
    done = stage.run(["run"])
    assert done.code == code, (done.code, done.out, done.err)


def two_daemons(stage):
    """In the settings: one that answers, one that does not."""
    stage.program.sections[f"daemon:{DAEMON}"] = {"url": stage.harp.url}
    stage.program.sections[f"daemon:{DOWN}"] = {"url": f"http://{stage.down}"}


def all_kinds(stage):
    """Due jobs of all kinds: removed, untagged, absent, in_use, by its ID because its tag moved on, held, failing in
    Docker, failing by its name, left by a run that died, of a daemon that is down; and what must not be touched."""
    connection, harp = stage.connection, stage.harp

    def due(image, daemon=DAEMON, **named):
        number = schedule(connection, daemon, image.partition(":")[0], image, choice="now", **named)
        connection.execute(
            "update harpsweep.job set state = 'pending', grace_hours = 0, orphaned_at = now() - interval '25 hours',"
            " not_before = now() - interval '25 hours', next_at = now() - interval '1 hour' where id = %s", [number])
        return number

    harp.add_image("removed:1", size=12_345)
    due("removed:1")
    harp.add_image("untagged:1", "untagged:2")
    due("untagged:1")
    due("absent:1")
    harp.add_image("used:1")
    harp.add_container("used:1", "somebody")
    due("used:1")
    old = harp.add_image("moved:1", size=777)
    harp.add_image("moved:1")
    due("moved:1", image_id=old)
    harp.add_image("byhand:1", digests=[])
    connection.execute("update harpsweep.job set choice = 'grace' where id = %s", [due("byhand:1")])
    harp.add_image("failing:1")
    due("failing:1")
    stage.add_fault(kind="remove", ref="failing:1", status=503,
                    body="Error removing image 'failing:1' via Docker Engine: Status 500")
    due("Badname:1")
    harp.add_image("left:1", size=55)
    connection.execute("update harpsweep.job set state = 'claimed', attempts = 1, claim_token = gen_random_uuid(),"
                       " claimed_by = 'gone:1', claimed_at = now() - interval '2 hours' where id = %s", [due("left:1")])
    due("beyond:1", daemon=DOWN)

    # Not now, or never again.
    harp.add_image("later:1")
    schedule(connection, DAEMON, "later", "later:1", choice="grace", grace_hours=24)
    connection.execute("update harpsweep.job set state = 'pending', not_before = now() + interval '24 hours',"
                       " next_at = now() + interval '24 hours' where appid = 'later'")
    harp.add_image("new:1")
    schedule(connection, DAEMON, "new", "new:1")
    harp.add_image("kept:1")
    schedule(connection, DAEMON, "kept", "kept:1", choice="keep")
    harp.add_image("cancelled:1")
    finish(connection, schedule(connection, DAEMON, "cancelled", "cancelled:1"), "cancelled")
    number = schedule(connection, DAEMON, "old", "old:1")
    finish(connection, number, "absent")
    connection.execute("update harpsweep.job set finished_at = now() - interval '200 days',"
                       " orphaned_at = now() - interval '201 days' where id = %s", [number])


def settings_know_daemons(stage):
    two_daemons(stage)
    all_kinds(stage)


def nextcloud_knows_daemons(stage):
    """The same jobs, and apps: one that was updated, one that was uninstalled, one that was removed while its trigger
    slept, one whose image somebody wants deleted, and one that nobody has looked at yet."""
    story, connection = stage.story, stage.connection
    stage.program.sections["cleanup"]["follow_nextcloud"] = "yes"
    story.daemon(DAEMON)
    story.daemon(DOWN, host=stage.down)
    story.nextcloud.set_config("image_cleanup_enabled", "1", 32)
    story.nextcloud.set_config("image_cleanup_grace_period_hours", "24", 8)
    for app in ("talk", "mail", "tables", "deck"):
        story.install(app, f"apps/{app}:1")
    run_well(stage, code=0)
    story.update("talk", "apps/talk:2")
    run_well(stage, code=0)
    story.uninstall("mail")
    story.age(25)
    connection.execute("alter table oc_ex_apps disable trigger harpsweep")
    story.uninstall("tables")
    connection.execute("alter table oc_ex_apps enable trigger harpsweep")
    story.install("notes", "apps/notes:1")
    all_kinds(stage)
    schedule(connection, DAEMON, "deck", "apps/deck:1", choice="now")
    stage.harp.clear_log()


def folder_of_settings(stage):
    """Two files; a run finds nothing to do with the second, because their database is the same."""
    authorities = stage.folder / "authorities.pem"
    authorities.touch()
    stage.program.sections[f"daemon:{DAEMON}"] = {"url": stage.harp.url, "ca_file": authorities}
    for image in ("removed:1", "absent:1"):
        schedule(stage.connection, DAEMON, "app", image, choice="now")
    stage.harp.add_image("removed:1", size=12_345)
    stage.settings = stage.folder / "instances"
    stage.settings.mkdir()
    for name in ("one.ini", "two.ini"):
        path = stage.settings / name
        path.touch(mode=0o600)
        path.write_bytes(stage.program.settings.read_bytes())


def one_request_each(stage):
    """A quiet run of few jobs, without a look before the delete, that nobody has to know of."""
    stage.program.sections[f"daemon:{DAEMON}"] = {"url": stage.harp.url}
    stage.program.sections["cleanup"]["verify"] = "no"
    stage.harp.add_image("removed:1", size=12_345)
    for image in ("removed:1", "absent:1"):
        schedule(stage.connection, DAEMON, "app", image, choice="now")


def nothing_due(stage):
    two_daemons(stage)
    schedule(stage.connection, DAEMON, "later", "later:1", choice="grace", grace_hours=24)
    stage.connection.execute("update harpsweep.job set state = 'pending', not_before = now() + interval '24 hours',"
                             " next_at = now() + interval '24 hours'")


def after_a_run(stage):
    settings_know_daemons(stage)
    run_well(stage, code=1)
    # Else the next try would be due while the status is being asked for.
    stage.connection.execute("update harpsweep.job set next_at = now() + interval '2 days' where failures = 1 and state = 'pending'")
    stage.harp.clear_log()


def some_images(stage):
    stage.program.sections[f"daemon:{DAEMON}"] = {"url": stage.harp.url}
    stage.harp.add_image("apps/old:1")
    stage.harp.add_image("apps/older:1")
    (stage.folder / "refs").write_text("# what is left\napps/old:1\n\napps/older:1\napps/never:1\n", encoding="ascii")


def all_scenarios():
    return [
        Scenario("run", "run", ["run", "--json"], settings_know_daemons),
        Scenario("nextcloud", "run", ["run", "-v"], nextcloud_knows_daemons, nextcloud=True),
        Scenario("quiet", "run", ["run"], one_request_each),
        Scenario("idle", "run", ["run"], nothing_due),
        Scenario("fleet", "run", ["run", "--max-instances", "1"], folder_of_settings),
        Scenario("status", "read", ["status", "--json"], after_a_run),
        Scenario("check", "read", ["check"], nextcloud_knows_daemons, nextcloud=True),
        Scenario("plan", "read", ["plan"], settings_know_daemons),
        Scenario("schedule", "write", ["schedule", "--daemon", DAEMON, "--app", "app", "apps/old:1"], some_images),
        Scenario("adopt", "write", ["adopt", "--daemon", DAEMON, "--file", "refs"], some_images),
    ]
