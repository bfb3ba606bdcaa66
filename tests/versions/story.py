"""In a tree: its psql and its harpsweep with the server of another tree, whose address is read from standard input.

Each psql that the tree has installs, upgrades and uninstalls the schema; then the program sweeps, over TCP as the user
of a cron job, a stand-in's images.
"""

import glob
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness.program import ROOT, Program  # noqa: E402  pylint: disable=wrong-import-position
from harness.standin import Standin  # noqa: E402  pylint: disable=wrong-import-position

TRACE = """select 'schema ' || nspname from pg_namespace where nspname !~ '^pg_(toast|temp)'
           union all select 'role ' || rolname from pg_roles
           union all select 'relation ' || oid::regclass from pg_class where relnamespace <> 'pg_toast'::regnamespace
           union all select 'function ' || oid::regprocedure from pg_proc
           order by 1"""


class Server:
    """psql to the other tree's server."""

    def __init__(self, told, psql="psql"):
        self.told, self.psql = told, psql

    def conninfo(self, database, user="postgres", password=None):
        return (f"host=127.0.0.1 port={self.told['port']} dbname={database} user={user}"
                f" password={password or self.told['password']}")

    def run(self, database, *arguments):
        done = subprocess.run([self.psql, "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo(database), *arguments],
                              capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr.strip()}"
        return done.stdout.strip()

    def execute(self, sql, database="story"):
        return self.run(database, "-c", sql)

    def file(self, path, *variables):
        return self.run("story", *variables, "-f", path)


def install_and_uninstall(server):
    """As the README tells; and no trace is left."""
    before = server.execute(TRACE)
    server.file("sql/install.sql")
    installed = server.execute(TRACE)
    server.file("sql/install.sql")
    assert server.execute(TRACE) == installed, "a second install.sql changed something"
    assert server.execute("select count(*) from harpsweep.jobs") == "0"
    server.file("sql/uninstall.sql")
    assert server.execute(TRACE) == before, "uninstall.sql left something behind"


def sweep(server):
    """A removed image, one that is gone, one in use and one that waits; and what the commands for people say."""
    server.file("sql/install.sql")
    server.execute("create role cron_user login password 'cron' in role harpsweep_worker")
    try:
        with tempfile.TemporaryDirectory() as folder, Standin() as harp:
            program = Program(folder, server.conninfo("story", "cron_user", "cron"), harp.url)
            assert not [line for line in program("check").out.splitlines() if line.startswith("error")]
            harp.add_image("one:1", size=12_345)
            harp.add_image("used:1")
            harp.add_container("used:1")
            harp.add_image("later:1")
            for image in ("one:1", "gone:1", "used:1"):
                program("schedule", "--daemon", "harp", "--app", "x", "--now", image)
            server.execute("select harpsweep.schedule('harp', 'x', 'later:1')")
            program("run")
            told = server.execute("select string_agg(image_ref || ' ' || state::text || ' ' || coalesce(bytes_freed, 0)::text,"
                                  " ', ' order by id) from harpsweep.job")
            assert told == "one:1 removed 12345, gone:1 absent 0, used:1 pending 0, later:1 pending 0", told
            assert harp.image_list() == ["later:1", "used:1"], harp.image_list()
            states = [row["state"] for row in program("--json", "list").json]
            assert sorted(states) == ["absent", "pending", "pending", "removed"], states
            program("plan")
            program("status")
            program("cancel", "--app", "x")
            assert server.execute("select count(*) from harpsweep.job where state = 'cancelled'") == "2"
    finally:
        server.execute("drop role cron_user")
        server.file("sql/uninstall.sql")


def main():
    told = json.load(sys.stdin)
    clients = sorted(glob.glob("/usr/lib/postgresql/*/bin/psql"))
    checks = [(f"install.sql with {client}", install_and_uninstall, Server(told, client)) for client in clients]
    checks.append(("sweep", sweep, Server(told)))
    passed = 0
    Server(told).execute("create database story", "postgres")
    try:
        for name, check, server in checks:
            try:
                check(server)
                passed += 1
            except Exception as error:  # pylint: disable=broad-exception-caught
                print(f"FAILED {name}: {type(error).__name__}: {error}", flush=True)
    finally:
        Server(told).execute("drop database story with (force)", "postgres")
    print(f"story: {passed} passed, {len(checks) - passed} failed")


if __name__ == "__main__":
    os.umask(0o077)
    main()
