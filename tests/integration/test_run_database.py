"""What a run does when the database is not as it should be, goes away, or comes back as another server."""

import re
import socket
import time

import psycopg
import pytest

from harness.cluster import Cluster
from harness.pgbouncer import PgBouncer
from harness.program import Program
from harness.rows import SCHEMA_VERSION, job, one, replace_catalog, set_schema_version, wait_for
from harness.rows import schedule as schedule_row


def schedule(connection, image="app:1", **named):
    return schedule_row(connection, daemon="harp", image=image, choice="now", **named)


def backends(connection):
    return connection.execute("select pid from pg_stat_activity where application_name = 'harpsweep'").fetchall()


def wait_until_claimed(harp, connection, count):
    """A claim whose acknowledgement is lost stays until its lease ends; these tests are about results."""
    wait_for(lambda: harp.log("remove") and one(
        connection, "select count(*) from harpsweep.job where attempts > 0") == count)
    time.sleep(0.1)


def cluster_connection(cluster):
    return psycopg.connect(cluster.conninfo("x"), autocommit=True)


class TestRefusals:
    def test_nobody_listens(self, program, harp):
        program.sections["database"]["conninfo"] = "host=127.0.0.1 port=9 dbname=x user=x"
        run = program("run", code=69)
        assert "error: database: no connection: " in run.err
        assert "hint: " in run.err
        assert harp.log() == []

    def test_no_such_database(self, program, cluster):
        program.sections["database"]["conninfo"] = cluster.conninfo("nowhere")
        assert 'database "nowhere" does not exist' in program("run", code=78).err

    def test_a_wrong_password(self, program, cluster, database, worker):
        program.sections["database"]["conninfo"] = cluster.tcp_conninfo(database.name, user=worker, password="wrong")
        run = program("run", code=78)
        assert "authentication failed" in run.err
        assert "wrong" not in run.err.replace("wrong key", "")

    def test_conninfo_that_is_none(self, program):
        program.sections["database"]["conninfo"] = "secretword"
        run = program("run", code=78)
        assert "conninfo is not a PostgreSQL connection string" in run.err
        assert "secretword" not in run.err

    def test_no_schema(self, program, cluster, empty_database):
        program.sections["database"]["conninfo"] = cluster.conninfo(empty_database.name)
        run = program("run", code=78)
        assert "hint: install or upgrade the schema: psql -f sql/install.sql" in run.err

    def test_no_privilege(self, program, cluster, database, template):
        cluster.execute("create role nobody_at_all login")
        try:
            program.sections["database"]["conninfo"] = cluster.conninfo(database.name, user="nobody_at_all")
            run = program("run", code=78)
            assert "permission denied" in run.err
            assert "hint: grant harpsweep_worker" in run.err
        finally:
            cluster.execute("drop role nobody_at_all")

    @pytest.mark.parametrize("version", [SCHEMA_VERSION - 1, SCHEMA_VERSION + 1])
    def test_another_schema_version(self, program, harp, connection, version):
        number = schedule(connection)
        set_schema_version(connection, version)
        run = program("run", code=78)
        assert f"schema harpsweep has version {version}, this program needs version {SCHEMA_VERSION}" in run.err
        assert job(connection, number)["attempts"] == 0
        assert harp.log() == []

    def test_clocks_that_differ(self, program, harp, connection):
        """The server's clock is ahead: of this database alone."""
        number = schedule(connection)
        replace_catalog(connection, "create or replace function pg_catalog.now() returns timestamptz language sql stable"
                                    " as $$select transaction_timestamp() + interval '90 s'$$")
        run = program("run", code=78)
        assert "the clocks of this host and of the database differ by " in run.err
        row = job(connection, number)
        assert (row["state"], row["failures"]) == ("pending", 0)
        assert harp.log() == []


class TestOutages:
    def test_a_terminated_backend_loses_no_result(self, program, harp, connection):
        for number in range(6):
            harp.add_image(f"app:{number}")
            schedule(connection, image=f"app:{number}")
        harp.fault(kind="remove", delay=0.5, effect=True)
        run = program.start("run", "--json")
        wait_until_claimed(harp, connection, 4)
        for (pid,) in backends(connection):
            connection.execute("select pg_terminate_backend(%s)", [pid])
        out, err = run.communicate(timeout=30)
        assert run.returncode == 0, err
        assert '"removed": 6' in out
        assert "trying again" in err
        assert one(connection, "select count(*) from harpsweep.job where state = 'removed' and attempts = 1") == 6

    @pytest.mark.parametrize("mode", ["fast", "immediate"])
    def test_a_restart_loses_no_result(self, tmp_path, harp, mode):
        with Cluster() as cluster:
            cluster.create_database("x")
            cluster.install("x")
            program = Program(tmp_path, cluster.conninfo("x"), harp.url)
            for number in range(4):
                harp.add_image(f"app:{number}")
                cluster.execute(f"select harpsweep.schedule('harp', 'app', 'app:{number}', choice => 'now')", "x")
            harp.fault(kind="remove", delay=1, effect=True)
            run = program.start("run", "--json")
            wait_until_claimed(harp, cluster_connection(cluster), 4)
            cluster.restart(mode)
            out, err = run.communicate(timeout=60)
            assert run.returncode == 0, err
            assert '"removed": 4' in out
            assert len(harp.log("remove")) == 4

    def test_a_database_that_stays_away_loses_only_the_record(self, tmp_path, harp):
        """The delete is done, the result can't be written: it is told, and the next run finds the image gone."""
        with Cluster() as cluster:
            cluster.create_database("x")
            cluster.install("x")
            program = Program(tmp_path, cluster.conninfo("x"), harp.url)
            program.sections["harp"].update({"timeout": "5s"})
            program.sections["run"].update({"soft_limit": "1s", "hard_limit": "6s", "lease": "35s"})
            harp.add_image("app:1")
            cluster.execute("select harpsweep.schedule('harp', 'app', 'app:1', choice => 'now')", "x")
            harp.fault(kind="remove", delay=1, effect=True)
            run = program.start("run")
            wait_for(lambda: harp.log("remove"))
            cluster.halt("immediate")
            _, err = run.communicate(timeout=60)
            assert run.returncode == 69, err
            assert "not recorded: job=1 image=app:1 result=removed" in err
            cluster.start()
            harp.clear_faults()
            cluster.execute("update harpsweep.job set next_at = not_before where state = 'claimed'", "x")
            program("run")
            assert "absent" in cluster.psql("x", "-c", "select state from harpsweep.job").stdout

    def test_a_row_that_somebody_holds_locked_is_left_to_them(self, program, harp, connection, database):
        harp.add_image("app:1")
        number = schedule(connection)
        other = schedule(connection, image="app:2")
        holder = database.connect(autocommit=False)
        holder.execute("select 1 from harpsweep.job where id = %s for update", [number])
        program("run")
        assert (job(connection, number)["attempts"], job(connection, other)["state"]) == (0, "absent")
        holder.rollback()
        program("run")
        assert job(connection, number)["state"] == "removed"


class TestSeveralHosts:
    def test_a_host_that_is_dead_is_passed_over(self, program, cluster, harp, connection, database):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        program.sections["database"]["conninfo"] = (
            f"host=127.0.0.1,{cluster.base} port={port},{cluster.port} dbname={database.name} user=cron_user"
            " target_session_attrs=read-write")
        number = schedule(connection)
        program("run")
        assert job(connection, number)["state"] == "absent"

    def test_a_standby_is_passed_over(self, program, cluster, harp, connection, database):
        """A server that takes no writes, named first."""
        connection.execute(f'alter database "{database.name}" set default_transaction_read_only = on')
        run = program("run", code=69)
        assert "read-only" in run.err
        assert harp.log() == []

    def test_a_server_that_turns_read_only_is_left(self, program, harp, connection):
        """SQLSTATE 25006 in the middle of a run means: look for the primary again."""
        for number in range(3):
            harp.add_image(f"app:{number}")
            schedule(connection, image=f"app:{number}")
        harp.fault(kind="remove", delay=0.7, effect=True)
        run = program.start("run", "--json")
        wait_until_claimed(harp, connection, 3)
        connection.execute("alter role cron_user set default_transaction_read_only = on")
        for (pid,) in backends(connection):
            connection.execute("select pg_terminate_backend(%s)", [pid])
        time.sleep(1)
        connection.execute("alter role cron_user reset default_transaction_read_only")
        out, err = run.communicate(timeout=30)
        assert run.returncode == 0, err
        assert '"removed": 3' in out


class TestPgBouncer:
    def test_transaction_mode_with_one_server_connection(self, program, cluster, harp, connection, database):
        connection.execute("select harpsweep.schedule('harp', 'app', 'app:' || i, choice => 'now')"
                           " from generate_series(1, 200) i")
        with PgBouncer(cluster, pool_size=1) as bouncer:
            program.sections["database"]["conninfo"] = bouncer.conninfo(database.name, "cron_user")
            runs = [program.start("run") for _ in range(5)]
            for run in runs:
                out, err = run.communicate(timeout=60)
                assert (run.returncode, err) == (0, ""), out
        assert one(connection, "select count(*) from harpsweep.job where state = 'absent' and attempts = 1") == 200
        assert len(harp.log("inspect")) == 200

    def test_a_bouncer_that_restarts(self, program, cluster, harp, connection, database):
        for number in range(4):
            harp.add_image(f"app:{number}")
            schedule(connection, image=f"app:{number}")
        harp.fault(kind="remove", delay=1, effect=True)
        with PgBouncer(cluster, pool_size=1) as bouncer:
            program.sections["database"]["conninfo"] = bouncer.conninfo(database.name, "cron_user")
            run = program.start("run", "--json")
            wait_until_claimed(harp, connection, 4)
            bouncer.restart()
            out, err = run.communicate(timeout=60)
            assert run.returncode == 0, err
        assert '"removed": 4' in out


class TestKeptStatements:
    """What is sent again and again is parsed once, where the session is the connection's own."""

    @staticmethod
    def executed(cluster, connection, database, what):
        """The names of the statements that ran, by the server's log; "" for one without a name."""
        text = cluster.log()
        return re.findall(rf"@{re.escape(database.name)} LOG:  execute (?:<unnamed>|(\S+)): {what}", text)

    @pytest.fixture
    def logged(self, connection, database):
        connection.execute(f"alter database {database.name} set log_statement = 'all'")

    def test_a_session_of_our_own(self, program, cluster, harp, connection, database, logged):
        schedule(connection)
        assert program("run").code == 0
        names = self.executed(cluster, connection, database, "with ask as materialized")
        token = one(connection, "select token from harpsweep.run")
        assert len(names) > 1 and set(names) == {f"{token}_1"}  # the first says how they are planned

    @staticmethod
    def modes(program, connection):
        """How the statements of a run were planned: those that are repeated change jobs, the last one adds the run."""
        connection.execute("""
            create table public.modes (of text, mode text, jit text);
            create function public.note() returns trigger language plpgsql security definer as $$ begin
                insert into public.modes values (tg_table_name, current_setting('plan_cache_mode'), current_setting('jit'));
                return null;
            end $$;
            create trigger note after insert on harpsweep.run for each statement execute function public.note()""")
        schedule(connection)
        connection.execute("create trigger note after update on harpsweep.job for each statement execute function public.note()")
        assert program("run").code == 0
        return set(connection.execute("select * from public.modes").fetchall())

    def test_one_plan_serves_all(self, program, connection):
        """By itself the server makes one plan for each of the first five. What is not repeated is planned as ever."""
        assert self.modes(program, connection) == {("job", "force_generic_plan", "off"), ("run", "auto", "off")}

    def test_nothing_is_compiled_behind_a_pooler_either(self, program, cluster, connection, database):
        """Where a million jobs are due, PostgreSQL expects each claim to be worth it: it took ten times as long."""
        with PgBouncer(cluster, pool_size=1) as bouncer:
            program.sections["database"]["conninfo"] = bouncer.conninfo(database.name, "cron_user")
            assert self.modes(program, connection) == {("job", "auto", "off"), ("run", "auto", "off")}

    @pytest.mark.parametrize("command", ["status", "list", "plan", "report --output=/dev/null"])
    def test_nor_is_what_people_ask(self, program, cluster, connection, database, logged, command):
        program(*command.split(), code=None)
        assert self.executed(cluster, connection, database, r"select pg_catalog.set_config\('jit', 'off', true\)")

    def test_a_run_that_finds_nothing_says_nothing_of_it(self, program, cluster, connection, logged):
        for _ in range(2):  # the second one has an alarm to go by
            before = len(cluster.log())
            assert program("run").code == 0
        said = cluster.log()[before:]
        assert "harpsweep.schema_version()" in said and "set_config" not in said

    def test_a_pooler_between(self, program, cluster, harp, connection, database, logged):
        schedule(connection)
        with PgBouncer(cluster, pool_size=1) as bouncer:
            program.sections["database"]["conninfo"] = bouncer.conninfo(database.name, "cron_user")
            assert program("run").code == 0
        names = self.executed(cluster, connection, database, "with ask as materialized")
        assert len(names) > 1 and set(names) == {""}

    def test_a_pooler_that_nobody_notices(self, program, harp, connection):
        """The statements are gone with the session: each is sent as a whole from then on, once it was missed."""
        for number in range(6):
            harp.add_image(f"app:{number}")
            schedule(connection, image=f"app:{number}")
        connection.execute(
            """create function public.forget() returns trigger language plpgsql as
               $$ begin execute 'deallocate all'; return null; end $$;
               create trigger forget after update on harpsweep.job for each row when (new.state = 'removed')
               execute function public.forget()""")
        harp.fault(kind="remove", delay=0.3, effect=True, times=6)
        program.sections["run"]["max_parallel_per_daemon"] = 2
        done = program("run", "--json")
        assert done.code == 0 and '"removed": 6' in done.out
        assert done.err.count("does not exist (SQLSTATE 26000); trying again") == 1
        assert one(connection, "select count(*) from harpsweep.job where state = 'removed' and attempts = 1") == 6
