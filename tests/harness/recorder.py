"""A year with AppAPI in a minute: each of its statements at least once, and what the server answered."""

# pylint: disable=missing-function-docstring

from harness.nextcloud import NAMES, Nextcloud
from harness.watch import DAEMON, FIRST_DEPLOY, NEXT_DEPLOY, deploy, image, redeploy


class Recorder(Nextcloud):
    """Nextcloud that remembers the answer to each of its statements."""

    def __init__(self, connection):
        super().__init__(connection)
        self.answers = []

    def run(self, sql, *values):
        cursor = self.connection.execute(sql.format(**self.tables), values)
        self.answers.append((sql, values, cursor.statusmessage, cursor.rowcount))
        return cursor.rowcount

    def one(self, sql, *values):
        row = super().one(sql, *values)
        self.answers.append((sql, values, row))
        return row

    def contents(self):
        return {name: self.connection.execute(f"select * from {self.tables[name]} order by 1").fetchall() for name in NAMES}


def tell(nextcloud, look=lambda *_: None):
    """The story; look(appid, reference, ID) is called where a run would see the app's container. Returns the
    answers and what is in the tables before the end."""
    nextcloud.add_daemon()
    nextcloud.add_daemon("manual", deploy_id="manual-install", host="127.0.0.1", harp=False)
    nextcloud.add_daemon("dsp", host="/var/run/docker.sock", harp=False)
    nextcloud.set_config("image_cleanup_enabled", "0", 8)
    nextcloud.set_config("image_cleanup_enabled", "1", 8)

    # Installed, seen, updated, seen, updated and not seen, removed.
    deploy(nextcloud, "updated")
    look("updated", "r/updated:1", image(1))
    redeploy(nextcloud, "updated")
    look("updated", "r/updated:2", image(2))
    redeploy(nextcloud, "updated", when=NEXT_DEPLOY + 9, version="3.0.0")
    nextcloud.disable_app("updated")
    nextcloud.delete_app("updated")
    nextcloud.delete_app("updated")

    # A deploy that failed, tried again by --test-deploy-mode: the row is deleted and made anew at once.
    nextcloud.insert_app("failed", when=FIRST_DEPLOY)
    nextcloud.begin_deploy("failed", when=FIRST_DEPLOY)
    nextcloud.set_status("failed", error="Could not pull the image")
    nextcloud.delete_app("failed")
    deploy(nextcloud, "failed")
    look("failed", "r/failed:1", image(3))
    nextcloud.set_status("failed", heartbeat_count=3)

    deploy(nextcloud, "by_hand", "manual")
    deploy(nextcloud, "without_harp", "dsp")
    nextcloud.run("update {ex_apps} set enabled = 0")
    nextcloud.delete_app("by_hand")
    nextcloud.delete_app("without_harp")

    nextcloud.run("update {ex_apps_daemons} set deploy_config = %s where name = %s",
                  '{"harp": {"docker_socket_port": 24001}, "registries": [{"from": "r", "to": "local"}]}', DAEMON)
    nextcloud.move_daemon(DAEMON, "elsewhere:8780")
    before = nextcloud.contents()
    nextcloud.delete_app("failed")
    for name in (DAEMON, "manual", "dsp", "manual"):
        nextcloud.delete_daemon(name)
    return nextcloud.answers, before, nextcloud.contents()
