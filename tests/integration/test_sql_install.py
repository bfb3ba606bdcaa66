"""sql/install.sql and sql/uninstall.sql."""

# pylint: disable=missing-function-docstring,too-many-public-methods

import os
import re
import shutil
import threading

import pytest
from harness.cluster import REPOSITORY, Cluster
from harness.rows import ROLES, SCHEMA_VERSION, alarms, back_to, claim, finish, job, never_ringing, one, schedule
from harness.trace import schema_of, trace

LATEST = SCHEMA_VERSION


@pytest.fixture(scope="module")
def bare_cluster():
    """A cluster in which nothing was ever installed, for what is cluster-wide."""
    with Cluster() as made:
        yield made


class TestInstall:
    def test_says_one_line(self, cluster, empty_database):
        done = cluster.install(empty_database.name)
        assert done.stdout == (
            f"harpsweep: schema version {LATEST} is installed in database {empty_database.name}\n"
        )
        assert done.stderr == ""
        assert one(empty_database.connect(), "select harpsweep.schema_version()") == LATEST

    def test_again_changes_nothing(self, cluster, database, connection):
        schedule(connection)
        before = schema_of(cluster, database.name)
        done = cluster.install(database.name)
        assert done.stderr == ""
        assert schema_of(cluster, database.name) == before
        assert one(connection, "select count(*) from harpsweep.migration") == LATEST

    @pytest.mark.parametrize("trigger", ["job_changed", "job_deleted", "job_truncated"])
    def test_again_brings_back_a_trigger(self, cluster, database, connection, trigger):
        """That the others are there, or one of that name on a table of somebody else's, does not stand in for it."""
        before = schema_of(cluster, database.name)
        connection.execute(f"drop trigger {trigger} on harpsweep.job")
        connection.execute("create table public.theirs (x int)")
        connection.execute(f"create trigger {trigger} before update on public.theirs for each row"
                           " execute function suppress_redundant_updates_trigger()")
        assert schema_of(cluster, database.name) != before
        cluster.install(database.name)
        connection.execute("drop table public.theirs")
        assert schema_of(cluster, database.name) == before

    def test_again_keeps_what_a_dba_added(self, cluster, database, connection):
        connection.execute("create role dba_test")
        connection.execute("grant select on harpsweep.jobs to dba_test")
        connection.execute("create view public.mine as select id from harpsweep.jobs")
        try:
            cluster.install(database.name)
            assert one(
                connection, "select has_table_privilege('dba_test', 'harpsweep.jobs', 'select')"
            )
            connection.execute("select * from public.mine")
        finally:
            connection.execute("drop owned by dba_test")
            connection.execute("drop role dba_test")

    def test_again_while_in_use(self, cluster, database, connection):
        """Neither waits for, nor blocks for long, a client that has a job row locked."""
        number = schedule(connection)
        other = database.connect(autocommit=False)
        other.execute("select from harpsweep.job where id = %s for update", (number,))
        assert cluster.install(database.name, check=False).returncode == 0
        other.rollback()

    def test_newer_schema_is_refused(self, cluster, database, connection):
        connection.execute("insert into harpsweep.migration values (99, '099_future')")
        connection.execute("drop view harpsweep.daily")
        before = schema_of(cluster, database.name)
        done = cluster.install(database.name, check=False)
        assert done.returncode != 0
        assert "has version 99, newer than these files" in done.stderr
        assert "Nothing was changed" in done.stderr
        assert done.stdout == ""
        assert schema_of(cluster, database.name) == before

    def test_failure_half_way_leaves_nothing(self, bare_cluster, tmp_path):
        shutil.copytree(os.path.join(REPOSITORY, "sql"), tmp_path / "sql")
        with open(tmp_path / "sql" / "grants.sql", "a", encoding="utf-8") as file:
            file.write("select 1 / 0;\n")
        bare_cluster.create_database("half")
        before = trace(bare_cluster, "half")
        done = bare_cluster.psql("half", "-f", str(tmp_path / "sql" / "install.sql"), check=False)
        assert done.returncode != 0
        assert trace(bare_cluster, "half") == before
        bare_cluster.drop_database("half")

    def test_missing_migration_is_applied_in_order(self, cluster, database, connection, tmp_path):
        schedule(connection)
        shutil.copytree(os.path.join(REPOSITORY, "sql"), tmp_path / "sql")
        install = tmp_path / "sql" / "install.sql"
        text = install.read_text(encoding="utf-8")
        text = text.replace(f"\\set latest {LATEST}", f"\\set latest {LATEST + 1}")
        text = text.replace(
            "\\ir functions.sql",
            f"select :installed < {LATEST + 1} as missing \\gset\n\\if :missing\n"
            "\\ir migrations/next.sql\n"
            f"insert into harpsweep.migration (version, name) values ({LATEST + 1}, 'next');\n"
            "\\endif\n\\ir functions.sql",
        )
        install.write_text(text, encoding="utf-8")
        (tmp_path / "sql" / "migrations" / "next.sql").write_text(
            "create table harpsweep.next_thing (x int);\n", encoding="utf-8"
        )
        for _ in range(2):
            done = cluster.psql(database.name, "-f", str(install))
            assert done.stderr == ""
            assert f"schema version {LATEST + 1} is" in done.stdout
        assert one(connection, "select count(*) from harpsweep.job") == 1
        refused = cluster.install(database.name, check=False)
        assert refused.returncode != 0 and "newer than these files" in refused.stderr

    def test_the_run_after_an_upgrade_to_version_8_looks_at_all_apps(self, cluster, database, connection):
        """Before it no trigger told of them."""
        never_ringing(connection)
        back_to(connection, 7)
        cluster.install(database.name)
        assert alarms(connection) == ["now", "never"]

    def test_migration_9_keeps_the_events_that_are_there(self, cluster, database, connection):
        number = schedule(connection, choice="now")
        back_to(connection, 8)
        claim(connection, number)
        finish(connection, number, "removed")
        connection.execute(
            "insert into harpsweep.job_event (job_id, what, from_state, to_state, attempt, who)"
            " values (%(id)s, 'made due', 'pending', 'pending', 0, 'x'), (%(id)s, 'result', 'claimed', 'removed', 1, 'h:1')",
            {"id": number})
        cluster.install(database.name)
        assert connection.execute("select what, who from harpsweep.job_event order by id").fetchall() == [
            ("made due", "x"), ("result", "h:1")]
        claim(connection, schedule(connection, image="app:2", choice="now"))
        finish(connection, number + 1, "removed")
        assert connection.execute("select job_id, id, what from harpsweep.job_event order by job_id, id").fetchall() == [
            (number, 1, "made due"), (number, 2, "result"), (number + 1, None, "result")]

    def test_every_migration_file_is_in_the_script(self):
        folder = os.path.join(REPOSITORY, "sql")
        with open(os.path.join(folder, "install.sql"), encoding="utf-8") as file:
            text = file.read()
        files = sorted(os.listdir(os.path.join(folder, "migrations")))
        assert files == [name.split("/")[1] for name in re.findall(r"\\ir (migrations/\S+)", text)]
        assert [int(name.split("_")[0]) for name in files] == list(range(1, LATEST + 1))
        assert f"\\set latest {LATEST}\n" in text
        for number, name in enumerate(files, 1):
            assert f"values ({number}, '{name[:-4]}')" in text
            assert f":installed < {number} as missing" in text

    def test_migration_7_mends_what_is_no_date(self, cluster, database, connection):
        """Such rows were there: they keep their meaning, and the rest is none of its business."""
        constraints = "select count(*) from pg_constraint where conrelid = 'harpsweep.job'::regclass and convalidated"
        before = one(connection, constraints)
        back_to(connection, 6)
        connection.execute(
            "alter table harpsweep.job drop constraint job_orphaned_at_is_a_date,"
            " drop constraint job_not_before_is_since_1970;"
            " insert into harpsweep.job (daemon, appid, image_ref, state, orphaned_at, not_before, next_at, finished_at)"
            " values ('d', 'a', 'long:ago', 'new', '-infinity', null, '-infinity', null),"
            " ('d', 'a', 'never:due', 'new', 'infinity', null, '-infinity', null),"
            " ('d', 'a', 'was:due', 'pending', '2000-01-01', '-infinity', '1960-01-01', null),"
            " ('d', 'a', 'is:gone', 'removed', '-infinity', '-infinity', null, '-infinity'),"
            " ('d', 'a', 'good:one', 'pending', '2000-01-01', '2000-01-02', '2000-01-03', null)")
        good = one(connection, "select j.*::text from harpsweep.job j where image_ref = 'good:one'")
        cluster.install(database.name)
        assert one(connection, constraints) == before
        assert one(connection, "select j.*::text from harpsweep.job j where image_ref = 'good:one'") == good
        connection.execute("set timezone = 'UTC'")
        rows = connection.execute("select image_ref, orphaned_at::date::text, not_before::date::text, next_at::text,"
                                  " finished_at::date::text from harpsweep.job order by id").fetchall()
        assert rows[:4] == [("long:ago", "1970-01-01", None, "-infinity", None),
                            ("never:due", "9999-12-31", None, "-infinity", None),
                            ("was:due", "2000-01-01", "1970-01-01", "1970-01-01 00:00:00+00", None),
                            ("is:gone", "1970-01-01", "1970-01-01", None, "1970-01-01")]

    def test_several_at_once(self, cluster, empty_database):
        results = []
        threads = [
            threading.Thread(
                target=lambda: results.append(cluster.install(empty_database.name, check=False))
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [(done.returncode, done.stderr) for done in results] == [(0, "")] * 4

    def test_in_two_databases_at_once(self, bare_cluster):
        names = ["two_a", "two_b"]
        for name in names:
            bare_cluster.create_database(name)
        results = []
        threads = [
            threading.Thread(
                target=lambda name=name: results.append(bare_cluster.install(name, check=False))
            )
            for name in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [(done.returncode, done.stderr) for done in results] == [(0, "")] * 2
        for name in names:
            bare_cluster.uninstall(name)
            bare_cluster.drop_database(name)

    def test_foreign_schema_of_that_name(self, cluster, empty_database):
        empty_database.connect().execute("create schema harpsweep create table t (x int)")
        for act in (cluster.install, cluster.uninstall):
            done = act(empty_database.name, check=False)
            assert done.returncode != 0
            assert "not the one of this program" in done.stderr
        assert one(empty_database.connect(), "select count(*) from harpsweep.t") == 0

    def test_database_that_is_not_utf8(self, cluster):
        cluster.execute(
            "create database latin encoding 'LATIN1' template template0 lc_collate 'C' lc_ctype 'C'"
        )
        done = cluster.install("latin", check=False)
        cluster.drop_database("latin")
        assert done.returncode != 0 and "not encoded in UTF8" in done.stderr

    def test_as_the_database_s_owner(self, bare_cluster):
        bare_cluster.execute("create role owner_ok login createrole")
        bare_cluster.create_database("owned", owner="owner_ok")
        before = trace(bare_cluster, "owned")
        for user in ("owner_ok", "owner_ok", "postgres", "owner_ok"):
            done = bare_cluster.install("owned", user=user, check=False)
            assert (done.returncode, done.stderr) == (0, "")
        owners = bare_cluster.execute(
            "select distinct relowner::regrole from pg_class where relnamespace = 'harpsweep'::regnamespace "
            "union select proowner::regrole from pg_proc where pronamespace = 'harpsweep'::regnamespace "
            "union select nspowner::regrole from pg_namespace where nspname = 'harpsweep'",
            "owned",
        )
        assert owners == "owner_ok"
        assert bare_cluster.execute(
            "select harpsweep.schedule('d', 'a', 'i')", "owned", user="owner_ok"
        ) == "1"
        done = bare_cluster.uninstall("owned", user="owner_ok", check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert trace(bare_cluster, "owned") == before
        bare_cluster.drop_database("owned")
        bare_cluster.execute("drop role owner_ok")

    def test_roles_that_cannot_be_created(self, bare_cluster):
        bare_cluster.execute("create role owner_poor login")
        bare_cluster.create_database("poor", owner="owner_poor")
        before = trace(bare_cluster, "poor")
        done = bare_cluster.install("poor", user="owner_poor", check=False)
        assert done.returncode != 0
        assert "may not create roles, and these are missing: " + ", ".join(sorted(ROLES)) in done.stderr
        assert trace(bare_cluster, "poor") == before
        hint = re.search(r"once: (.*;) then install again", done.stderr).group(1)
        bare_cluster.execute(hint)
        assert bare_cluster.install("poor", user="owner_poor").stderr == ""
        left = bare_cluster.uninstall("poor", user="owner_poor")
        assert left.stderr.count("may not drop it") == 3
        bare_cluster.drop_database("poor")
        bare_cluster.execute("; ".join(f"drop role {role}" for role in (*ROLES, "owner_poor")))

    def test_without_create_on_the_database(self, cluster, empty_database):
        cluster.execute("create role nobody_special login")
        done = cluster.install(empty_database.name, user="nobody_special", check=False)
        assert done.returncode != 0
        assert "may not create a schema in database" in done.stderr
        cluster.install(empty_database.name)
        for act in (cluster.install, cluster.uninstall):
            done = act(empty_database.name, user="nobody_special", check=False)
            assert done.returncode != 0
            assert "schema harpsweep belongs to role postgres" in done.stderr
        cluster.execute("drop role nobody_special")


class TestUninstall:
    def test_leaves_no_trace(self, bare_cluster):
        bare_cluster.create_database("trace")
        before = trace(bare_cluster, "trace")
        bare_cluster.install("trace")
        schedule_sql = "select harpsweep.schedule('d', 'a', 'i:1')"
        bare_cluster.execute(schedule_sql, "trace")
        # Login roles that were made members do not hold the roles back.
        bare_cluster.execute("create role member in role harpsweep_worker")
        done = bare_cluster.uninstall("trace")
        bare_cluster.execute("drop role member")
        assert done.stdout == "harpsweep: removed from database trace\n"
        assert done.stderr == ""
        assert trace(bare_cluster, "trace") == before
        assert bare_cluster.uninstall("trace").stderr == ""
        bare_cluster.drop_database("trace")

    def test_leaves_roles_that_another_database_needs(self, bare_cluster):
        for name in ("first", "second"):
            bare_cluster.create_database(name)
            bare_cluster.install(name)
        done = bare_cluster.uninstall("first")
        assert done.returncode == 0
        assert done.stderr.count("was left: something else needs it") == 3
        assert bare_cluster.execute("set role harpsweep_reader; select count(*) from harpsweep.jobs",
                                    "second") == "0"
        assert bare_cluster.uninstall("second").stderr == ""
        for name in ("first", "second"):
            bare_cluster.drop_database(name)
