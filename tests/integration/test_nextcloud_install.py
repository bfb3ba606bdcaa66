"""Nextcloud's tables are watched, no more watched, and watched under other names: sql/install.sql with -v
nextcloud=…, and sql/intake_appapi.sql alone."""

# pylint: disable=missing-function-docstring

import re
import shutil
import time

import pytest
from harness.cluster import REPOSITORY
from harness.nextcloud import Nextcloud
from harness.rows import SCHEMA_VERSION, alarms, job, never_ringing, one, schedule
from harness.trace import schema_of, trace, triggers
from harness.watch import REF, deploy, deploy_and_observe, jobs, rows

INTAKE = "sql/intake_appapi.sql"
WATCHED = [("oc_ex_apps", "harpsweep"), ("oc_ex_apps_daemons", "harpsweep")]
LOCKED = " Nextcloud's is locked by somebody; nothing was changed\n"


def said(done):
    return done.returncode, done.stdout, done.stderr


def watched_tables(connection):
    return rows(connection, "select schema_name, table_prefix, notes_jobs from harpsweep.nextcloud")


class TestOn:
    def test_with_install(self, cluster, nextcloud_database):
        done = cluster.install(nextcloud_database.name, nextcloud="on")
        assert said(done) == (
            0, f"harpsweep: schema version {SCHEMA_VERSION} is installed in database {nextcloud_database.name}, "
               "and Nextcloud's public.oc_ex_apps is watched\n", "")
        connection = nextcloud_database.connect()
        assert triggers(connection) == WATCHED
        assert watched_tables(connection) == [("public", "oc_", False)]

    def test_alone_is_the_same(self, cluster, nextcloud_database, watched_database):
        assert cluster.install(nextcloud_database.name).stdout.endswith(f"{nextcloud_database.name}\n")
        assert triggers(nextcloud_database.connect()) == []
        done = cluster.run_file(nextcloud_database.name, INTAKE)
        assert said(done) == (0, "harpsweep: watches public.oc_ex_apps and public.oc_ex_apps_daemons\n", "")
        assert triggers(nextcloud_database.connect()) == WATCHED
        assert (schema_of(cluster, nextcloud_database.name, "--schema-only")
                == schema_of(cluster, watched_database.name, "--schema-only"))

    def test_again_takes_no_lock(self, cluster, watched_database):
        """An upgrade waits for no transaction of Nextcloud's, and none for it: it reads. Whoever may go on
        beside an exclusive lock does beside every weaker one."""
        before = trace(cluster, watched_database.name)
        other = watched_database.connect(autocommit=False)
        other.execute("lock table oc_ex_apps, oc_ex_apps_daemons, oc_appconfig in exclusive mode")
        started = time.monotonic()
        assert said(cluster.run_file(watched_database.name, INTAKE))[::2] == (0, "")
        for variables in ({}, {"nextcloud": "on"}):
            done = cluster.install(watched_database.name, **variables)
            assert said(done)[::2] == (0, "") and "public.oc_ex_apps is watched" in done.stdout
        assert time.monotonic() - started < 9  # less than the lock_timeout
        other.rollback()
        assert trace(cluster, watched_database.name) == before

    def test_a_trigger_of_before_version_8_is_made_anew(self, cluster, watched_database):
        """They did not fire for new rows."""
        connection, before = watched_database.connect(), trace(cluster, watched_database.name)
        for table, function in (("oc_ex_apps", "on_exapp"), ("oc_ex_apps_daemons", "on_daemon")):
            connection.execute(f"drop trigger harpsweep on {table}")
            connection.execute(f"create trigger harpsweep after update or delete on {table} for each row"
                               f" execute function harpsweep.{function}()")
        cluster.install(watched_database.name)
        assert trace(cluster, watched_database.name) == before
        assert one(connection, "select count(*) from pg_trigger where tgname = 'harpsweep'"
                               " and pg_get_triggerdef(oid) ~ ' AFTER INSERT OR DELETE OR UPDATE ON '") == 2

    def test_the_next_run_looks_at_all_apps(self, cluster, nextcloud_database):
        cluster.install(nextcloud_database.name)
        connection = nextcloud_database.connect()
        for wanted in (["now", "never"], ["never"]):
            never_ringing(connection)
            cluster.install(nextcloud_database.name, nextcloud="on")
            assert alarms(connection) == wanted
        cluster.run_file(nextcloud_database.name, "sql/uninstall.sql")
        cluster.install(nextcloud_database.name, nextcloud="on")
        assert alarms(connection) == []  # it looks as well

    def test_again_keeps_what_was_seen(self, cluster, watched_database):
        connection, nextcloud = watched_database.connect(), Nextcloud(watched_database.connect("nextcloud"))
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, connection, "app")
        before = rows(connection, "select * from harpsweep.exapp_image")
        assert said(cluster.run_file(watched_database.name, INTAKE))[::2] == (0, "")
        assert rows(connection, "select * from harpsweep.exapp_image") == before and len(before) == 1

    def test_neither_on_nor_off(self, cluster, nextcloud_database):
        before = trace(cluster, nextcloud_database.name)
        done = cluster.install(nextcloud_database.name, check=False, nextcloud="yes")
        assert done.returncode != 0 and "nextcloud is neither on nor off" in done.stderr
        assert trace(cluster, nextcloud_database.name) == before


class TestOff:
    def test_leaves_functions_of_others(self, cluster, watched_database):
        """And those of its own that are for more than Nextcloud's tables, with what a DBA granted."""
        connection = watched_database.connect()
        connection.execute("grant execute on function harpsweep.keep(text, text) to nextcloud")
        connection.execute("create function public.held() returns int language sql as 'select 1'")
        assert said(cluster.install(watched_database.name, nextcloud="off"))[0] == 0
        assert one(connection, "select public.held()") == 1
        assert one(connection, "select has_function_privilege('nextcloud', 'harpsweep.keep(text, text)', 'execute')")

    def test_leaves_jobs_and_observations(self, cluster, watched_database, nextcloud_database):
        connection = watched_database.connect()
        nextcloud = Nextcloud(watched_database.connect("nextcloud"))
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, connection, "stays")
        deploy_and_observe(nextcloud, connection, "goes", "other/app:1")
        nextcloud.delete_app("goes")
        kept = [rows(connection, f"select * from harpsweep.{table} order by id") for table in ("job", "exapp_image")]
        assert [len(table) for table in kept] == [1, 2]

        for _ in range(2):
            done = cluster.install(watched_database.name, nextcloud="off")
            assert said(done) == (
                0, f"harpsweep: schema version {SCHEMA_VERSION} is installed in database {watched_database.name}\n", "")
        assert triggers(connection) == []
        assert watched_tables(connection) == []
        nextcloud.delete_app("stays")
        assert one(connection, "select count(*) from harpsweep.news()") == 0
        assert one(connection, "select harpsweep.reconcile()") == 0
        assert kept == [rows(connection, f"select * from harpsweep.{t} order by id") for t in ("job", "exapp_image")]

        # What is left is what was never watched.
        cluster.install(nextcloud_database.name)
        assert (schema_of(cluster, watched_database.name, "--schema-only")
                == schema_of(cluster, nextcloud_database.name, "--schema-only"))

    def test_and_on_again(self, cluster, watched_database):
        connection = watched_database.connect()
        nextcloud = Nextcloud(watched_database.connect("nextcloud"))
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, connection, "app")
        before = trace(cluster, watched_database.name)
        cluster.install(watched_database.name, nextcloud="off")
        nextcloud.delete_app("app")
        cluster.install(watched_database.name, nextcloud="on")
        assert trace(cluster, watched_database.name) == before
        assert rows(connection, "select kind, name from harpsweep.news() where kind = 'gone'") == [("gone", "app")]
        assert one(connection, "select harpsweep.reconcile()") == 1
        assert jobs(connection, "appid", "image_ref", "event", "state::text") == [("app", REF, "uninstall", "new")]


NAMES = [("N1_", "next cloud", False), ("o'c\"_", "public", True), ("a.b\\c_", "nc$$", True)]


class TestNames:
    @pytest.mark.parametrize("prefix,schema,alone", NAMES, ids=["space", "quotes", "signs"])
    def test_other_names(self, cluster, empty_database, prefix, schema, alone):
        connection = empty_database.connect()
        nextcloud = Nextcloud(connection, prefix.replace('"', '""'), schema).create_tables()
        if alone:
            cluster.install(empty_database.name)
            done = cluster.run_file(empty_database.name, INTAKE, prefix=prefix, nextcloud_schema=schema)
            assert done.stdout == f"harpsweep: watches {schema}.{prefix}ex_apps and {schema}.{prefix}ex_apps_daemons\n"
        else:
            done = cluster.install(empty_database.name, nextcloud="on", prefix=prefix, nextcloud_schema=schema)
            assert f", and Nextcloud's {schema}.{prefix}ex_apps is watched\n" in done.stdout
        assert done.stderr == ""
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, connection, "app")
        nextcloud.delete_app("app")
        assert jobs(connection, "appid", "image_ref") == [("app", REF)]

        before = trace(cluster, empty_database.name)
        for again in (cluster.install(empty_database.name), cluster.install(empty_database.name, nextcloud="on"),
                      cluster.run_file(empty_database.name, INTAKE)):
            assert (again.returncode, again.stderr) == (0, "")
        assert watched_tables(connection) == [(schema, prefix, False)]
        assert trace(cluster, empty_database.name) == before

    def test_no_prefix(self, cluster, empty_database):
        """Which is not the same as none given."""
        connection = empty_database.connect()
        Nextcloud(connection, "").create_tables()
        for given in ({"prefix": ""}, {}):
            cluster.install(empty_database.name, nextcloud="on", **given)
            assert watched_tables(connection) == [("public", "", False)]

    def test_another_prefix_moves_the_triggers(self, cluster, watched_database):
        connection = watched_database.connect()
        before = Nextcloud(watched_database.connect("nextcloud"))
        before.add_daemon()
        deploy_and_observe(before, connection, "app")
        deploy_and_observe(before, connection, "gone", "gone/app:1")
        before.delete_app("gone")
        moved = Nextcloud(connection, "N1_").create_tables()
        done = cluster.install(watched_database.name, prefix="N1_")
        assert (done.returncode, done.stderr) == (0, "")
        assert triggers(connection) == [('"N1_ex_apps"', "harpsweep"), ('"N1_ex_apps_daemons"', "harpsweep")]
        assert watched_tables(connection) == [("public", "N1_", False)]
        moved.add_daemon("new")
        assert rows(connection, "select name from harpsweep.news() where kind = 'daemon'") == [("new",)]

        # An app that is in other tables than those that are watched now is not removed: no job for its image.
        assert one(connection, "select harpsweep.reconcile()") == 0
        assert jobs(connection, "appid") == [("gone",)]
        assert rows(connection, "select appid from harpsweep.exapp_image") == [("gone",)]


class TestRefusals:
    """With a message that names what is missing, and nothing changed."""

    @staticmethod
    def refused(cluster, database, *words, user="postgres", **variables):
        before = trace(cluster, database.name)
        if "nextcloud" in variables:
            done = cluster.install(database.name, user, check=False, **variables)
        else:
            done = cluster.run_file(database.name, INTAKE, user, check=False, **variables)
        assert done.returncode != 0 and done.stdout == ""
        for word in words:
            assert word in done.stderr
        assert trace(cluster, database.name) == before
        return done.stderr

    def test_alone_without_the_schema(self, cluster, nextcloud_database):
        self.refused(cluster, nextcloud_database,
                     f"there is no schema harpsweep in database {nextcloud_database.name}, or it is too old",
                     "HINT:  Run sql/install.sql -v nextcloud=on: it installs both.")

    def test_not_nextcloud_s_database(self, cluster, empty_database):
        text = self.refused(cluster, empty_database, f"these columns of Nextcloud's are not in database {empty_database.name}: ",
                            "HINT:  Is this Nextcloud's database, with AppAPI installed?", nextcloud="on")
        assert len(re.findall(r"public\.oc_\w+\.\w+", text)) == 15

    def test_wrong_names(self, cluster, nextcloud_database):
        self.refused(cluster, nextcloud_database, ': public."N1_appconfig".appid, ', nextcloud="on", prefix="N1_")
        self.refused(cluster, nextcloud_database, ': "no such".oc_appconfig.appid, ', nextcloud="on",
                     nextcloud_schema="no such")

    @pytest.mark.parametrize("ddl,missing", [
        ("drop table oc_appconfig", "public.oc_appconfig.appid, public.oc_appconfig.configkey, "
                                    "public.oc_appconfig.configvalue, public.oc_appconfig.type"),
        ("alter table oc_ex_apps drop column status", "public.oc_ex_apps.status"),
        ("alter table oc_ex_apps rename created_time to made; alter table oc_ex_apps_daemons drop host",
         "public.oc_ex_apps.created_time, public.oc_ex_apps_daemons.host"),
    ])
    def test_missing_columns(self, cluster, nextcloud_database, ddl, missing):
        nextcloud_database.connect("nextcloud").execute(ddl)
        self.refused(cluster, nextcloud_database,
                     f"these columns of Nextcloud's are not in database {nextcloud_database.name}: {missing}\n",
                     nextcloud="on")

    @pytest.fixture
    def poor_owner(self, cluster, nextcloud_database):
        cluster.execute("create role poor_owner login")
        yield
        nextcloud_database.connect().execute("drop schema if exists harpsweep cascade; drop owned by poor_owner")
        cluster.execute("drop role poor_owner")

    def test_owner_who_may_not_read(self, cluster, nextcloud_database, poor_owner):  # pylint: disable=unused-argument
        """The hint is what helps, and read is all that the owner of the schema needs."""
        connection = nextcloud_database.connect()
        connection.execute(f'grant create on database "{nextcloud_database.name}" to poor_owner')
        cluster.install(nextcloud_database.name, "poor_owner")
        connection.execute("grant select on oc_ex_apps to poor_owner")
        text = self.refused(
            cluster, nextcloud_database,
            "role poor_owner, which owns schema harpsweep, may not read public.oc_appconfig, public.oc_ex_apps_daemons\n",
            nextcloud="on")
        connection.execute(re.search(r"HINT:  (grant .*;)", text).group(1))
        assert cluster.install(nextcloud_database.name, nextcloud="on").stderr == ""

        nextcloud = Nextcloud(nextcloud_database.connect("nextcloud"))
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, connection, "app")
        assert nextcloud.delete_app("app") == 1
        assert jobs(connection, "appid", "state::text") == [("app", "new")]

    def test_stranger(self, cluster, watched_database):
        self.refused(cluster, watched_database,
                     "schema harpsweep belongs to role postgres, and nextcloud is not a member of it", user="nextcloud")

    def test_locked(self, cluster, nextcloud_database, watched_database, tmp_path):
        """Whatever of it somebody has locked, an installation gives up, for AppAPI queues behind it."""
        folder = shutil.copytree(f"{REPOSITORY}/sql", tmp_path / "sql")
        for path in folder.glob("*.sql"):
            path.write_text(path.read_text(encoding="utf-8").replace("lock_timeout = '10s'", "lock_timeout = '300ms'"),
                            encoding="utf-8")
        install, intake, uninstall = (str(folder / f"{name}.sql") for name in ("install", "intake_appapi", "uninstall"))
        Nextcloud(watched_database.connect("nextcloud"), "new_").create_tables()
        for database in (nextcloud_database, watched_database):  # whatever waits elsewhere ends, but in other words
            database.connect().execute(f'alter database "{database.name}" set lock_timeout = \'3s\'')
        cases = [(nextcloud_database, install, {"nextcloud": "on"}, "ex_apps", "share update exclusive"),
                 (nextcloud_database, install, {"nextcloud": "on"}, "ex_apps_daemons", "access exclusive"),
                 (watched_database, install, {}, "appconfig", "access exclusive"),
                 (watched_database, intake, {}, "ex_apps", "access exclusive"),
                 (watched_database, install, {"prefix": "new_"}, "ex_apps", "row share"),
                 (watched_database, install, {"nextcloud": "off"}, "ex_apps_daemons", "access share"),
                 (watched_database, uninstall, {}, "ex_apps", "access share")]
        for database, path, variables, table, mode in cases:
            other = database.connect(autocommit=False)
            other.execute(f"lock table oc_{table} in {mode} mode")
            before = trace(cluster, database.name)
            started = time.monotonic()
            done = cluster.run_file(database.name, path, check=False, **variables)
            assert time.monotonic() - started < 9
            assert done.returncode != 0 and LOCKED in done.stderr, (path, variables, mode, table)
            assert "HINT:  Try again when the long transaction or the backup is over." in done.stderr
            assert done.stdout == ""
            other.rollback()
            assert trace(cluster, database.name) == before


class TestOwners:
    def test_installed_by_nextcloud_s_own_user(self, cluster, nextcloud_database):
        """Who owns the database and Nextcloud's tables, and is no superuser, needs nobody's help."""
        cluster.execute("alter role nextcloud createrole")
        try:
            for variables in ({"nextcloud": "on"}, {}, {"nextcloud": "off"}, {"nextcloud": "on"}):
                done = cluster.install(nextcloud_database.name, "nextcloud", **variables)
                assert (done.returncode, done.stderr) == (0, "")
        finally:
            cluster.execute("alter role nextcloud nocreaterole")
        own = nextcloud_database.connect("nextcloud")
        assert one(own, "select count(*) from pg_class where relnamespace = 'harpsweep'::regnamespace"
                        " and relowner <> 'nextcloud'::regrole") == 0
        nextcloud = Nextcloud(own)
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, own, "app")
        nextcloud.delete_app("app")
        assert jobs(own, "appid", "image_ref", "state::text") == [("app", REF, "new")]
        # A superuser's upgrade leaves it theirs, and so does another of their own.
        for user in ("postgres", "nextcloud"):
            assert cluster.install(nextcloud_database.name, user, nextcloud="on").stderr == ""
        deploy(nextcloud, "app")
        assert nextcloud.delete_app("app") == 1
        assert len(jobs(own, "id")) == 2

    def test_schedule_remembers_where_the_daemon_is(self, watched, nextcloud):
        nextcloud.add_daemon("known")
        nextcloud.add_daemon("other", harp=False)
        assert [(row["protocol"], row["host"], row["docker_socket_port"]) for row in (
            job(watched, schedule(watched, daemon)) for daemon in ("known", "other", "unknown"))] == [
                ("http", "127.0.0.1:8780", 24000), (None, None, None), (None, None, None)]
