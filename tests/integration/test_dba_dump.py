"""A DBA's backups, whole and in parts, restored elsewhere: what comes back is what was there, and harpsweep goes on with it.
And what pg_stat_statements makes of it. (Nextcloud's side of a restore is in test_nextcloud_ddl.py, too.)"""

# pylint: disable=missing-function-docstring

import os
import re
import subprocess

import psycopg
import pytest
from conftest import Database
from harness.cluster import Cluster
from harness.nextcloud import Nextcloud
from harness.program import Program
from harness.rows import ROLES, UNHEARD, claim, finish, job, one, schedule
from harness.trace import schema_of, triggers
from harness.watch import deploy_and_observe, image, rows

TABLES = "select relname::text from pg_class where relnamespace = 'harpsweep'::regnamespace and relkind = 'r' order by 1"
COUNTS = "select count(*), count(*) filter (where state = 'removed') from harpsweep.job"


def tool(cluster, name, database, *arguments, user="postgres", check=True):
    """One of the server's clients on a database."""
    done = subprocess.run([os.path.join(cluster.bindir, name), "-d", cluster.conninfo(database, user), *map(str, arguments)],
                          capture_output=True, text=True, check=False)
    assert not check or (done.returncode, done.stderr) == (0, ""), done
    return done


def contents(connection):
    """Every row of every table, and where the identities stand. Of alarms, whether one rings, and when others will: rows
    that come in behind triggers set them again."""
    assert rows(connection, UNHEARD) == []
    tables = {table: rows(connection, f"select * from harpsweep.{table} as t order by t::text") for (table,) in rows(connection, TABLES)}
    tables["alarm"] = rows(connection, "select distinct case when rings_at > now() then rings_at end from harpsweep.alarm order by 1")
    sequences = rows(connection, "select sequencename::text, last_value from pg_sequences where schemaname = 'harpsweep' order by 1")
    return tables, sequences


@pytest.fixture
def source(watched_database):
    """A watched Nextcloud with an app and jobs in every kind of state; one is claimed by a run that will not come back."""
    connection = watched_database.connect()
    nextcloud = Nextcloud(watched_database.connect("nextcloud"))
    nextcloud.add_daemon()
    deploy_and_observe(nextcloud, connection, "here")
    deploy_and_observe(nextcloud, connection, "gone", "gone/app:1", image(2))
    nextcloud.delete_app("gone")
    schedule(connection, "harp", image="new:1")
    schedule(connection, "harp", image="due:1", choice="now")
    claimed = schedule(connection, "harp", image="claimed:1", choice="now")
    claim(connection, claimed, lease="0.1 s")
    finish(connection, schedule(connection, "harp", image="done:1", choice="now"), "removed", bytes_freed=7)
    finish(connection, schedule(connection, "harp", image="failed:1", choice="now"), "failed", last_error="it'd \\ not ü\n")
    schedule(connection, "harp", appid="kept", image="kept:1", choice="keep")
    watched_database.connection = connection
    return watched_database


@pytest.fixture
def elsewhere():
    """Another cluster, to which nothing of the first belongs but a database; roles are the test's."""
    with Cluster() as cluster:
        cluster.create_database("x")
        database = Database(cluster, "x")
        yield database
        database.close()


def goes_on(database, program_folder, harp):
    """A run works off what came back as due, and a new job gets the next number."""
    connection = database.connect()
    before = one(connection, "select max(id) from harpsweep.job")
    for name in ("due:1", "claimed:1"):
        harp.add_image(name)
    program = Program(program_folder, database.cluster.conninfo(database.name, user="cron_user"), harp.url)
    program("run", "--daemon", "harp")
    states = dict(rows(connection, "select image_ref, state::text from harpsweep.job"))
    assert (states["due:1"], states["claimed:1"], states["new:1"], states["gone/app:1"]) == ("removed", "removed", "pending", "new")
    assert len(harp.log("remove")) == 2
    assert schedule(connection, "harp", image="next:1") == before + 1
    assert rows(connection, "select * from harpsweep.intake_error") == []


class TestRestore:
    @pytest.mark.parametrize("form", ["plain", "custom", "directory"])
    def test_into_another_cluster(self, cluster, source, elsewhere, tmp_path, harp, form):
        for role in (*ROLES, "nextcloud"):
            elsewhere.cluster.execute(f"create role {role}")
        jobs = ["-j", 2] if form == "directory" else []
        tool(cluster, "pg_dump", source.name, f"--format={form}", *jobs, "-f", tmp_path / "dump")
        if form == "plain":
            assert elsewhere.cluster.psql("x", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(tmp_path / "dump")).stderr == ""
        else:
            tool(elsewhere.cluster, "pg_restore", "x", "--exit-on-error", "-j", 2, tmp_path / "dump")
        restored = elsewhere.connect()
        assert contents(restored) == contents(source.connection)
        assert schema_of(elsewhere.cluster, "x") == schema_of(cluster, source.name)
        assert triggers(restored) == triggers(source.connection) != []
        elsewhere.cluster.execute("create role cron_user login in role harpsweep_worker")
        goes_on(elsewhere, tmp_path, harp)

    def test_schema_and_data_by_themselves(self, cluster, source, empty_database, worker, tmp_path, harp):
        """The triggers on Nextcloud's tables are there when its rows come in, and make nothing of them."""
        assert worker == "cron_user"
        for part in ("schema", "data"):
            tool(cluster, "pg_dump", source.name, f"--{part}-only", "-f", tmp_path / part)
            assert cluster.psql(empty_database.name, "-q", "-v", "ON_ERROR_STOP=1", "-f", str(tmp_path / part)).stderr == ""
        restored = empty_database.connect()
        assert contents(restored) == contents(source.connection)
        assert rows(restored, "select appid from oc_ex_apps") == [("here",)]
        goes_on(empty_database, tmp_path, harp)

    def test_data_into_a_new_installation(self, cluster, source, empty_database, worker, tmp_path, harp):
        """The rows of harpsweep's tables alone, into the schema that install.sql makes; what it wrote itself makes room."""
        assert worker == "cron_user"
        tool(cluster, "pg_dump", source.name, "--data-only", "--schema=harpsweep", "-f", tmp_path / "data")
        cluster.install(empty_database.name)
        restored = empty_database.connect()
        restored.execute("truncate harpsweep.migration, harpsweep.nextcloud")
        assert cluster.psql(empty_database.name, "-q", "-v", "ON_ERROR_STOP=1", "-f", str(tmp_path / "data")).stderr == ""
        assert contents(restored) == contents(source.connection)
        restored.execute("truncate harpsweep.nextcloud")  # there are no tables of Nextcloud's here
        goes_on(empty_database, tmp_path, harp)

    def test_without_owners_and_privileges(self, cluster, source, empty_database, worker, tmp_path, harp):
        """install.sql gives them again."""
        assert worker == "cron_user"
        tool(cluster, "pg_dump", source.name, "--no-owner", "--no-privileges", "-f", tmp_path / "dump")
        assert cluster.psql(empty_database.name, "-q", "-v", "ON_ERROR_STOP=1", "-f", str(tmp_path / "dump")).stderr == ""
        program = Program(tmp_path, cluster.conninfo(empty_database.name, user=worker), harp.url)
        assert "permission denied for schema harpsweep" in program("run", code=78).err
        assert cluster.install(empty_database.name).stderr == ""
        assert schema_of(cluster, empty_database.name) == schema_of(cluster, source.name)
        goes_on(empty_database, tmp_path, harp)

    def test_into_a_cluster_without_the_roles(self, cluster, source, elsewhere, tmp_path, harp):
        """Each grant says which role is missing, and the rest comes; install.sql makes the roles and gives the grants."""
        tool(cluster, "pg_dump", source.name, "-f", tmp_path / "dump")
        said = elsewhere.cluster.psql("x", "-q", "-f", str(tmp_path / "dump"), check=False).stderr
        for role in (*ROLES, "nextcloud"):
            assert f'role "{role}" does not exist' in said
        assert all('" does not exist' in line for line in said.splitlines() if "ERROR" in line)
        assert contents(elsewhere.connect()) == contents(source.connection)
        assert elsewhere.cluster.install("x").stderr == ""
        elsewhere.cluster.execute("create role cron_user login in role harpsweep_worker")
        goes_on(elsewhere, tmp_path, harp)

    def test_while_a_run_works(self, program, cluster, harp, connection, database, empty_database, tmp_path):
        """Neither waits for the other; what the dump holds is one moment, and claims in it come back."""
        for number in range(40):
            harp.add_image(f"app:{number}")
            schedule(connection, "harp", image=f"app:{number}", choice="now")
        harp.fault(kind="remove", delay=0.1, effect=True)
        run = program.start("run")
        while one(connection, COUNTS)[1] < 5:
            assert run.poll() is None
        tool(cluster, "pg_dump", database.name, "-f", tmp_path / "dump")
        assert run.wait(timeout=60) == 0, run.communicate()
        run.communicate()
        assert one(connection, COUNTS) == (40, 40)
        cluster.psql(empty_database.name, "-q", "-v", "ON_ERROR_STOP=1", "-f", str(tmp_path / "dump"))
        restored = empty_database.connect()
        assert one(restored, COUNTS)[0] == 40 > one(restored, COUNTS)[1]
        restored.execute("update harpsweep.job set next_at = not_before where state = 'claimed'")  # the lease ends
        program.sections["database"]["conninfo"] = cluster.conninfo(empty_database.name, user="cron_user")
        program("run")
        assert rows(restored, "select distinct state::text from harpsweep.job where attempts > 0 order by 1") == [("absent",), ("removed",)]
        assert len(rows(restored, "select from harpsweep.job where finished_at is null")) == 0


class TestWhoMayDump:
    @pytest.mark.parametrize("role,words", [
        ("harpsweep_writer", "permission denied for table"),
        ("harpsweep_reader", "permission denied for table job"),
        ("harpsweep_worker", "permission denied for table job_log"),
    ])
    def test_harpsweep_s_roles_may_not(self, cluster, source, role, words):
        """An incomplete dump is none: it ends with an error that names what is missing."""
        cluster.execute(f"create role backup login in role {role}")
        try:
            done = tool(cluster, "pg_dump", source.name, "--schema=harpsweep", user="backup", check=False)
        finally:
            cluster.execute("drop role backup")
        assert done.returncode == 1 and re.search(words, done.stderr), done.stderr

    def test_a_role_that_reads_all_data_may(self, cluster, source, empty_database, tmp_path):
        """As backups are made since PostgreSQL 14."""
        if source.connection.info.server_version < 140000:
            granted = "grant usage on schema harpsweep to backup; grant select on all tables in schema harpsweep to backup;" \
                      " grant select on all sequences in schema harpsweep to backup"
        else:
            granted = "grant pg_read_all_data to backup"
        cluster.execute("create role backup login")
        cluster.execute(granted, source.name)
        try:
            tool(cluster, "pg_dump", source.name, "--schema=harpsweep", "--no-privileges", "-f", tmp_path / "dump", user="backup")
        finally:
            cluster.execute("drop owned by backup; drop role backup", source.name)
        assert cluster.psql(empty_database.name, "-q", "-v", "ON_ERROR_STOP=1", "-f", str(tmp_path / "dump")).stderr == ""
        assert contents(empty_database.connect()) == contents(source.connection)


def test_pg_stat_statements_has_a_few_lines_of_it(tmp_path, harp):
    """A fixed set of statements, however many jobs there are; no name of an image, and no comment's text in place of one."""
    with Cluster({"shared_preload_libraries": "pg_stat_statements"}) as cluster:
        cluster.create_database("x")
        cluster.install("x")
        cluster.execute("create role cron_user login in role harpsweep_worker; create extension pg_stat_statements", "x")
        program = Program(tmp_path, cluster.conninfo("x", user="cron_user"), harp.url)
        with psycopg.connect(cluster.conninfo("x"), autocommit=True) as connection:
            found = []
            for count in (20, 200):
                connection.execute("select pg_stat_statements_reset()")
                for number in range(count):
                    harp.add_image(f"secret-name:{number}")
                    schedule(connection, "harp", image=f"secret-name:{number}", choice="now")
                program("run")
                found.append({query for (query,) in rows(
                    connection, "select query from pg_stat_statements where userid = 'cron_user'::regrole")})
            assert one(connection, COUNTS) == (220, 220)
            assert job(connection, 1)["state"] == "removed"
    assert 3 <= len(found[0]) <= 15 and len(found[1] - found[0]) <= 2
    assert not [query for query in found[0] | found[1] if "secret-name" in query]
