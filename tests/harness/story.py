"""Whole stories: what AppAPI writes and what it does to the engine, in its order, with harpsweep beside it."""

import time

from harness.nextcloud import Nextcloud

DAEMON = "harp_docker"


class Story:
    """Nextcloud's tables, an engine behind the stand-in, and harpsweep's rows."""

    def __init__(self, connection, harp, port=24000):
        self.connection = connection
        self.harp = harp
        self.port = port
        self.nextcloud = Nextcloud(connection)
        self.started = int(time.time()) - 600  # deploys begin one second after the other, not long ago

    def daemon(self, name=DAEMON, **more):
        host = self.harp.url.partition("://")[2]
        return self.nextcloud.add_daemon(name, host=more.pop("host", host), **{"port": str(self.port), **more})

    def tick(self):
        self.started += 1
        return self.started

    # What AppAPI does.

    def pull(self, ref, **image):
        """Docker's pull: the image is there afterwards, and has the name."""
        if ref not in {name for names in self.harp.images(self.port).values() for name in names}:
            return self.harp.add_image(ref, port=self.port, **image)
        return self.image_of(ref)

    def image_of(self, ref):
        return next(image for image, names in self.harp.images(self.port).items() if ref in names)

    def recreate(self, appid, ref):
        self.remove_container(appid)
        self.harp.add_container(ref, "nc_app_" + appid, port=self.port)

    def remove_container(self, appid):
        try:
            self.harp.drop_container("nc_app_" + appid, port=self.port)
        except RuntimeError:
            pass

    def begin_install(self, appid, daemon=DAEMON, version="1.0.0"):
        self.nextcloud.insert_app(appid, daemon, version, self.tick())
        self.nextcloud.begin_deploy(appid, when=self.tick())

    def install(self, appid, ref, daemon=DAEMON, version="1.0.0"):
        self.begin_install(appid, daemon, version)
        image = self.pull(ref)
        self.recreate(appid, ref)
        self.nextcloud.end_deploy(appid)
        self.nextcloud.finish_init(appid)
        return image

    def update(self, appid, ref, version="2.0.0", new_image=False):
        """new_image: the same reference leads to another image by now."""
        self.nextcloud.begin_update(appid, version)
        self.nextcloud.begin_deploy(appid, when=self.tick())
        image = self.harp.add_image(ref, port=self.port) if new_image else self.pull(ref)
        self.recreate(appid, ref)
        self.nextcloud.end_deploy(appid)
        self.nextcloud.finish_init(appid)
        return image

    def uninstall(self, appid, container=True):
        """container: whether its removal works (with --force the row goes anyway)."""
        self.nextcloud.disable_app(appid)
        if container:
            self.remove_container(appid)
        self.nextcloud.delete_app(appid)

    # harpsweep's side.

    def age(self, hours, *jobs):
        """Moves jobs (all) into the past."""
        self.connection.execute(
            """update harpsweep.job
                  set orphaned_at = orphaned_at - %(h)s * interval '1 hour',
                      not_before = not_before - %(h)s * interval '1 hour',
                      next_at = case when next_at > '-infinity' then next_at - %(h)s * interval '1 hour' else next_at end
                where next_at is not null and (%(ids)s::bigint[] is null or id = any (%(ids)s))""",
            {"h": hours, "ids": list(jobs) or None})

    def jobs(self):
        """All jobs, as dictionaries, oldest first."""
        cursor = self.connection.execute("select * from harpsweep.job order by id")
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor.fetchall()]

    def job(self, **wanted):
        """The only job with these values."""
        found = [job for job in self.jobs() if all(job[name] == value for name, value in wanted.items())]
        assert len(found) == 1, (wanted, self.jobs())
        return found[0]

    def removed(self):
        """References, or IDs, for which a delete was asked, in order."""
        return [entry["ref"] for entry in self.harp.log("remove")]

    def intake_errors(self):
        return self.connection.execute("select source, code, message from harpsweep.intake_error order by id").fetchall()
