#!/usr/bin/python3
"""What bin/demo shows: rows become deleted images. Every command is printed as it is run."""

import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from harness.cluster import Cluster  # noqa: E402  pylint: disable=wrong-import-position
from harness.nextcloud import Nextcloud  # noqa: E402  pylint: disable=wrong-import-position
from harness.standin import Standin  # noqa: E402  pylint: disable=wrong-import-position

KEY = "demo-shared-key"
DAEMON = "harp_docker"
MB = 1024 * 1024
TABLE = "select id, state, appid, image_ref, due, freed, reason from harpsweep.jobs order by id"


def say(text):
    print("\n" + textwrap.fill(" ".join(text.split()), 100), flush=True)


class Shell:
    """Runs commands the way they are printed; psql and harpsweep find their way by environment."""

    def __init__(self, environment):
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PG")},
            **environment,
        }

    def run(self, *command, fine=(0,)):
        print("\n$ " + " ".join(shlex.quote(word) if " " not in word else f'"{word}"' for word in command), flush=True)
        done = subprocess.run(command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, check=False)
        if done.returncode not in fine:
            raise SystemExit(f"bin/demo: that ended with {done.returncode}, which should not happen")

    def sql(self, statement):
        self.run("psql", "-c", statement)

    def table(self):
        self.sql(TABLE)


class Psql:
    """As much of a database connection as Nextcloud's statements need, without a library for it."""

    rowcount = None

    def __init__(self, cluster, database):
        self.cluster, self.database = cluster, database
        self.answer = ""

    def execute(self, sql, values=()):
        literals = [str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'" for value in values or ()]
        self.answer = self.cluster.execute(sql % tuple(literals) if literals else sql, self.database)
        return self

    def fetchone(self):
        return (self.answer,)


def write_settings(folder, conninfo):
    key = folder / "harp.key"
    key.touch(mode=0o600)
    key.write_text(KEY + "\n", encoding="ascii")
    settings = folder / "harpsweep.ini"
    settings.write_text(
        textwrap.dedent(
            f"""\
            [database]
            conninfo = {conninfo}

            [harp]
            shared_key_file = {key}
            """
        ),
        encoding="utf-8",
    )
    return settings


def fill_engine(standin):
    """The images of the story; returns what the story needs to know of them."""
    standin.add_image("talk_bot:3.1", "talk_bot:stable", size=230 * MB)
    standin.add_image("ocr:2.4", size=890 * MB)
    standin.add_container("ocr:2.4")
    standin.add_image("whiteboard:1.2", size=75 * MB)
    standin.add_image("translate:5.0", size=1700 * MB)
    old = standin.add_image("context_chat:latest", size=3100 * MB)
    new = standin.add_image("context_chat:latest", size=3200 * MB)
    return old, new


def schedule(shell, appid, image, more=""):
    shell.run("psql", "-qAtc", f"select harpsweep.schedule('{DAEMON}', '{appid}', '{image}'{more})")


def tell(shell, standin, settings, nextcloud):
    say("1. harpsweep's schema goes into Nextcloud's database. Here that is a private one in a temporary folder.")
    shell.run("psql", "-q", "-v", "nextcloud=on", "-f", "sql/install.sql")
    say(f"The settings, {settings}: the deploy daemon and its address come from Nextcloud's table.")
    print(textwrap.indent(settings.read_text(encoding="utf-8"), "    "), end="")

    say(
        """2. AppAPI has installed an app: a row of its own, a container in a Docker Engine behind HaRP (a
        stand-in that answers as HaRP 0.4.4 does). A run looks which image that is:"""
    )
    standin.add_image("notes:1.0", size=412 * MB)
    standin.add_container("notes:1.0", "nc_app_notes")
    nextcloud.insert_app("notes")
    nextcloud.begin_deploy("notes")
    nextcloud.end_deploy("notes")
    shell.run("bin/harpsweep", "observe")
    say("Somebody uninstalls it in the web page. AppAPI removes the container, and then its row:")
    standin.drop_container("nc_app_notes")
    shell.sql("delete from oc_ex_apps where appid = 'notes'")
    shell.table()

    say("3. Anything else that knows of an orphaned image may say so, too, with a grace of its own or none:")
    old, new = fill_engine(standin)
    schedule(shell, "flow", "flow:0.9", ", choice => 'now'")
    schedule(shell, "ocr", "ocr:2.4", ", choice => 'now'")
    schedule(shell, "talk_bot", "talk_bot:3.1", ", choice => 'now'")
    schedule(
        shell,
        "context_chat",
        "context_chat:latest",
        f", event => 'update', choice => 'now', image_id => '{old}'",
    )
    schedule(shell, "translate", "translate:5.0", ", choice => 'keep'")
    schedule(shell, "whiteboard", "whiteboard:1.2", ", grace_hours => 24")
    say("What will become of all that?")
    shell.run("bin/harpsweep", "plan")

    say("4. What cron does every minute. For notes, nobody wants to wait a day here:")
    shell.run("bin/harpsweep", "now", "--app", "notes")
    shell.run("bin/harpsweep", "run", "-v")
    shell.table()
    say(
        f"""notes is gone, and its size is known. flow had been deleted by somebody else. A container
        still uses ocr: harpsweep looks again tomorrow. talk_bot had a second tag, so nothing was freed.
        context_chat:latest means another image by now: the recorded one ({old[:19]}…) was deleted, the
        new one ({new[:19]}…) was not touched. translate is kept, whiteboard waits for its grace to end.
        Left in the engine:"""
    )
    for line in standin.image_list():
        print("    " + line)

    say("5. The next run finds nothing to do, and says nothing without -v:")
    shell.run("bin/harpsweep", "run", "-v")
    shell.run("bin/harpsweep", "status", fine=(0, 1))


def main():
    # SystemExit unwinds the `with` blocks below, which remove everything.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    with (
        tempfile.TemporaryDirectory(prefix="harpsweep-demo-") as folder,
        Cluster() as cluster,
        Standin(key=KEY) as standin,
    ):
        cluster.create_database("nextcloud")
        settings = write_settings(pathlib.Path(folder), cluster.conninfo("nextcloud"))
        nextcloud = Nextcloud(Psql(cluster, "nextcloud")).create_tables()
        nextcloud.add_daemon(DAEMON, host=standin.url.partition("://")[2])
        shell = Shell(
            {
                "PGHOST": cluster.base,
                "PGPORT": str(cluster.port),
                "PGUSER": "postgres",
                "PGDATABASE": "nextcloud",
                "PAGER": "cat",
                "HARPSWEEP_CONFIG": str(settings),
            }
        )
        tell(shell, standin, settings, nextcloud)
    say("Everything of this is gone again: the database, the stand-in, the folder.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
