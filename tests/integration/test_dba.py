"""What a DBA does beside harpsweep, with the tables of the schema or the settings of the server: nothing of it loses a job,
and nothing of harpsweep's stands in its way. Dumps are in test_dba_dump.py."""

# pylint: disable=missing-function-docstring

import contextlib
import re
import threading
import time

import psycopg
import pytest
from conftest import Database
from harness.cluster import Cluster
from harness.nextcloud import Nextcloud
from harness.program import Program
from harness.rows import job, one, schedule, wait_for
from harness.trace import triggers
from harness.watch import deploy_and_observe, image, jobs, rows

TABLES = "select relname::text from pg_class where relnamespace = 'harpsweep'::regnamespace and relkind = 'r'"
COUNTS = "select count(*), count(*) filter (where state = 'removed' and attempts = 1) from harpsweep.job"


def fill(harp, connection, count, first=0):
    for number in range(first, first + count):
        harp.add_image(f"app:{number}")
        schedule_repeated(connection, f"app:{number}")


def schedule_repeated(connection, reference):
    """Who asks for serializable has to repeat what conflicts; for all others the first time is the last."""
    for _ in range(20):
        with contextlib.suppress(psycopg.errors.SerializationFailure):
            return schedule(connection, "harp", image=reference, choice="now")
    raise AssertionError(f"{reference}: 20 times in conflict")


def end(run):
    """What a run said; it had nothing to complain of."""
    out, err = run.communicate(timeout=120)
    assert (run.returncode, err) == (0, ""), (out, err)
    return out


@contextlib.contextmanager
def setting(connection, role, assignment):
    connection.execute(f"alter role {role} set {assignment}")
    try:
        yield
    finally:
        connection.execute(f"alter role {role} reset all")


class Beside(threading.Thread):
    """Repeats statements on a connection of its own until the block ends, and at least `least` times."""

    def __init__(self, conninfo, *statements, least=3):
        super().__init__()
        self.statements, self.least = statements, least
        self.connection = psycopg.connect(conninfo, autocommit=True)
        self.times, self.error, self.over = 0, None, threading.Event()

    def run(self):
        try:
            while not self.over.is_set() or self.times < self.least:
                for statement in self.statements:
                    self.connection.execute(statement)
                self.times += 1
        except psycopg.Error as error:
            self.error = error
        self.connection.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()
        assert self.error is None, self.error
        assert self.times >= self.least


class TestMaintenance:
    """While two runs at a time work jobs off and Nextcloud's side makes new ones."""

    @pytest.mark.parametrize("statements", [
        ["reindex table concurrently harpsweep.job"],
        ["reindex schema concurrently harpsweep"],
        ["vacuum (full, analyze) harpsweep.job"],
        ["cluster harpsweep.job using job_pkey", "vacuum full harpsweep.run, harpsweep.daemon"],
        ["vacuum (freeze, analyze, index_cleanup on) harpsweep.job"],
        ["analyze harpsweep.job", "create index concurrently extra on harpsweep.job (appid)", "drop index concurrently harpsweep.extra"],
    ], ids=lambda statements: statements[0].replace("harpsweep.", ""))
    def test_while_runs_work(self, program, harp, connection, database, statements):
        count = 60
        fill(harp, connection, count)
        harp.fault(kind="remove", delay=0.1, effect=True)
        client = database.connect("harpsweep_writer")
        with Beside(database.conninfo, *statements):
            runs = [program.start("run") for _ in range(2)]
            for number in range(count, 2 * count):
                fill(harp, client, 1, first=number)
            for run in runs:
                end(run)
        program("run")
        assert one(connection, COUNTS) == (2 * count, 2 * count)
        assert len(harp.log("remove")) == 2 * count
        assert rows(connection, "select indexrelid::regclass::text from pg_index as i join pg_class as c on c.oid = i.indexrelid"
                                " where c.relnamespace = 'harpsweep'::regnamespace and not i.indisvalid") == []

    def test_a_locked_table_makes_runs_wait(self, program, harp, connection, database):
        """As VACUUM FULL of a large table does, for longer than a run waits for anything else."""
        fill(harp, connection, 3)
        holder = database.connect(autocommit=False)
        holder.execute("lock table harpsweep.job in access exclusive mode")
        run = program.start("run")
        wait_for(lambda: one(connection, "select count(*) from pg_stat_activity where application_name = 'harpsweep'"
                                         " and wait_event_type = 'Lock'") == 1, "a run that waits")
        holder.rollback()
        end(run)
        assert one(connection, COUNTS) == (3, 3)

    def test_nextcloud_does_not_wait_for_maintenance(self, watched, nextcloud, watched_rows):
        """A table that is locked: the app goes in less than a second, and its job is made later."""
        nextcloud.add_daemon()
        deploy_and_observe(nextcloud, watched, "app")
        holder = watched_rows.connect(autocommit=False)
        holder.execute("lock table harpsweep.job in access exclusive mode")
        began = time.monotonic()
        assert nextcloud.delete_app("app") == 1
        assert time.monotonic() - began < 1
        holder.rollback()
        assert jobs(watched, "appid") == []
        assert one(watched, "select harpsweep.reconcile()") == 1
        assert jobs(watched, "appid", "image_id") == [("app", image(1))]


class TestATableBesides:
    def test_that_refers_to_old_jobs(self, program, harp, connection):
        """It keeps them, which is the DBA's to decide; a run goes on without, leaves its row, and says so."""
        fill(harp, connection, 1)
        program("run")
        connection.execute("update harpsweep.job set finished_at = now() - interval '10 years', not_before = now() - interval '11 years',"
                           " orphaned_at = now() - interval '12 years'")
        connection.execute("create table bill (job bigint references harpsweep.job); insert into bill select id from harpsweep.job")
        fill(harp, connection, 1, first=1)
        done = program("run")
        assert "warning: no old rows are removed: database: " in done.err and '"bill"' in done.err
        assert rows(connection, "select removed from harpsweep.run order by id") == [(1,), (1,)]
        assert rows(connection, "select count(*) from harpsweep.job where state = 'removed'") == [(2,)]
        connection.execute("drop table bill")
        fill(harp, connection, 1, first=2)
        assert "no old rows" not in program("run").err
        assert rows(connection, COUNTS) == [(2, 2)]


class TestVacuum:
    def test_no_table_is_kept_from_autovacuum(self, watched):
        """Nor looked after later than the server's settings say; what of it is set is set to make it come earlier."""
        for name, options in rows(watched, "select relname, reloptions from pg_class where relkind in ('r', 't')"
                                           " and relnamespace = 'harpsweep'::regnamespace and reloptions is not null"):
            for option, value in (text.split("=") for text in options):
                if option == "fillfactor":
                    assert 40 <= int(value) <= 100, name
                elif option in ("autovacuum_enabled", "vacuum_index_cleanup"):
                    assert value in ("true", "on"), name
                else:
                    default = one(watched, "select setting::float8 from pg_settings where name = %s", option.replace("toast.", ""))
                    assert float(value) <= default, (name, option)

    def test_a_run_holds_no_snapshot_while_it_waits(self, program, harp, connection, database):
        """Sampled over a slow run, and what died meanwhile can be taken away at once."""
        fill(harp, connection, 12)
        harp.fault(kind="remove", delay=0.4, effect=True)
        connection.execute("alter table harpsweep.daemon set (autovacuum_enabled = off)")
        connection.execute("insert into harpsweep.daemon (daemon) select 'd' || i from generate_series(1, 100) i")
        watcher = database.connect()
        heard = []
        watcher.add_notice_handler(lambda diagnostic: heard.append(diagnostic.message_detail or diagnostic.message_primary))
        run = program.start("run")
        wait_for(lambda: harp.log("remove"), "the first request")
        samples, left = [], []
        while run.poll() is None:
            samples += rows(watcher, "select state, backend_xmin is not null, backend_xid is not null, xact_start is not null"
                                     " from pg_stat_activity where application_name = 'harpsweep'")
            watcher.execute("update harpsweep.daemon set harp_version = 'x' where daemon like 'd%'")
            heard.clear()
            watcher.execute("vacuum (verbose) harpsweep.daemon")
            remain = re.findall(r"(\d+) (?:are dead but not yet removable|dead row versions cannot be removed yet)", "\n".join(heard))
            left.append(sum(map(int, remain)) if remain else None)
            time.sleep(0.01)
        end(run)
        assert len(left) > 10 and left.count(0) > 0.8 * len(left), left
        idle = [sample for sample in samples if sample[0] == "idle"]
        assert len(idle) > 20 and set(idle) == {("idle", False, False, False)}
        # Between two statements there is never a transaction, and they take a small part of the time.
        assert not [sample for sample in samples if sample[0].startswith("idle in transaction")]
        assert len(idle) > 0.8 * len(samples)
        assert one(connection, COUNTS) == (12, 12)


class TestSettings:
    """Which a DBA gives a role or a database, and of which harpsweep knows nothing."""

    @pytest.mark.parametrize("level", ["repeatable read", "serializable"])
    def test_isolation(self, program, harp, connection, database, worker, level):
        """Several runs and a client at once: what conflicts is tried again, and a claim is one run's."""
        count = 120
        fill(harp, connection, count)
        connection.execute(f"alter database {database.name} set default_transaction_isolation = '{level}'")
        client = psycopg.connect(database.conninfo, autocommit=True)
        assert one(client, "show transaction_isolation") == level
        with setting(connection, worker, f"default_transaction_isolation = '{level}'"):
            runs = [program.start("run") for _ in range(4)]
            fill(harp, client, count, first=count)
            for run in runs:
                out, err = run.communicate(timeout=120)
                assert run.returncode == 0, (out, err)
                assert all("trying again" in line for line in err.splitlines()), err
            program("run", code=None)
            for command in ("status", "list", "check", "plan"):
                program(command, code=None)
        client.close()
        assert one(connection, COUNTS) == (2 * count, 2 * count)
        assert len(harp.log("remove")) == 2 * count

    @pytest.mark.parametrize("name,since", [("idle_in_transaction_session_timeout", 13), ("idle_session_timeout", 14),
                                            ("transaction_timeout", 17)])
    def test_idle_sessions_may_be_ended(self, program, harp, connection, worker, name, since):
        """A run that waits for Docker has no transaction; where its session is ended for being idle, it takes another one."""
        fill(harp, connection, 6)
        harp.fault(kind="remove", delay=0.8, effect=True)
        known = connection.info.server_version >= 10_000 * since
        with setting(connection, worker, f"{name} = '300ms'") if known else contextlib.nullcontext():
            run = program("run")
        assert ("trying again" in run.err) == (known and name == "idle_session_timeout")
        assert one(connection, COUNTS) == (6, 6)
        assert len(harp.log("remove")) == 6

    @pytest.mark.parametrize("assignment", [
        "row_security = off", "search_path = nowhere", "synchronous_commit = off", "standard_conforming_strings = off",
        "DateStyle = 'German, DMY'", "IntervalStyle = 'sql_standard'", "timezone = 'Asia/Kolkata'", "bytea_output = 'escape'",
        "extra_float_digits = -15", "xmlbinary = 'hex'", "default_transaction_deferrable = on", "jit_above_cost = 0",
        "plan_cache_mode = 'force_generic_plan'", "enable_indexscan = off", "work_mem = '64kB'", "quote_all_identifiers = on",
        "lc_messages = 'de_DE.UTF-8'", "transform_null_equals = on", "client_min_messages = 'debug1'",
    ])
    def test_what_changes_how_values_are_written_or_planned(self, program, harp, connection, worker, assignment):
        if assignment.startswith("lc_messages") and not one(
                connection, "select count(*) from pg_collation where collname ~* '^de_DE.utf'"):
            assignment = "lc_messages = 'C.UTF-8'"
        fill(harp, connection, 3)
        late = schedule(connection, "harp", image="late:1", grace_hours=1)
        with setting(connection, worker, assignment):
            run = program("run")
            assert not [line for line in run.err.splitlines() if "error" in line], run
            assert program("show", str(late), "--json").json[0]["grace_hours"] == 1
            assert program("status", "--json").json["finished"]
        assert one(connection, COUNTS) == (4, 3)
        assert job(connection, late)["state"] == "pending"

    def test_a_server_that_reads_no_null_in_arrays(self, program, harp, connection, worker):
        """For programs from before PostgreSQL 8.2: nothing is claimed, let alone deleted."""
        fill(harp, connection, 1)
        with setting(connection, worker, "array_nulls = off"):
            assert "SQLSTATE 22P02" in program("run", code=69).err
        assert harp.log() == []
        program("run")
        assert one(connection, COUNTS) == (1, 1)

    def test_row_security_without_a_policy_is_told(self, program, harp, connection, worker):
        """With row_security = off, as pg_dump has it, rows that are hidden are an error and not no rows."""
        fill(harp, connection, 1)
        connection.execute("alter table harpsweep.job enable row level security")
        with setting(connection, worker, "row_security = off"):
            run = program("run", code=78)
        assert 'query would be affected by row-level security policy for table "job"' in run.err
        assert harp.log() == []

    def test_sessions_say_whose_they_are(self, program, harp, connection):
        """In pg_stat_activity, and in the log by %a; conninfo may say another name."""
        fill(harp, connection, 2)
        harp.fault(kind="remove", delay=1, effect=True)
        for more, name in (("", "harpsweep"), (" application_name=night-shift", "night-shift")):
            program.sections["database"]["conninfo"] += more
            fill(harp, connection, 1, first=10)
            run = program.start("run")
            wait_for(lambda name=name: one(connection, "select count(*) from pg_stat_activity where application_name = %s"
                                                       " and usename = 'cron_user'", name) == 1, name)
            end(run)


class TestRenamed:
    @pytest.fixture
    def own(self, tmp_path, harp):
        """A cluster whose roles are the test's; bin/harpsweep as a login role of harpsweep_worker."""
        with Cluster() as cluster:
            cluster.create_database("x")
            cluster.install("x")
            cluster.execute("create role cron_user login in role harpsweep_worker")
            database = Database(cluster, "x")
            yield cluster, database.connect(), Program(tmp_path, cluster.conninfo("x", user="cron_user"), harp.url)
            database.close()

    def test_roles(self, own, harp):
        """Privileges follow a role; an upgrade makes the one that it knows anew and takes nothing away."""
        cluster, connection, program = own
        fill(harp, connection, 1)
        connection.execute("alter role harpsweep_worker rename to site_worker")
        connection.execute("alter role harpsweep_reader rename to site_reader")
        connection.execute("alter role cron_user rename to site_cron")
        program.sections["database"]["conninfo"] = cluster.conninfo("x", user="site_cron")
        program("run")
        assert one(connection, COUNTS) == (1, 1)
        done = cluster.install("x")
        assert (done.returncode, done.stderr) == (0, "")
        fill(harp, connection, 1, first=1)
        program("run")
        assert one(connection, COUNTS) == (2, 2)
        assert one(connection, "select count(*) from pg_roles where rolname in ('harpsweep_worker', 'harpsweep_reader')") == 2

    def test_a_role_that_may_no_more(self, own, harp):
        cluster, connection, program = own
        fill(harp, connection, 1)
        connection.execute("revoke harpsweep_worker from cron_user")
        run = program("run", code=78)
        assert "permission denied for schema harpsweep" in run.err and "hint: grant harpsweep_worker" in run.err
        connection.execute("grant harpsweep_worker to cron_user")
        program("run")
        assert one(connection, COUNTS) == (1, 1)
        assert cluster.execute("select rolname from pg_roles where rolname = 'cron_user'") == "cron_user"


class TestReplication:
    """Logical, of the whole database, to another cluster in which the same schema is installed."""

    @pytest.fixture(scope="class")
    def two(self):
        with Cluster({"wal_level": "logical", "max_wal_senders": "4"}) as first, Cluster({"wal_level": "logical"}) as second:
            for cluster in (first, second):
                cluster.execute("create role nextcloud login")
                cluster.create_database("nc", owner="nextcloud")
                cluster.execute("grant create on schema public to nextcloud", "nc")
                with psycopg.connect(cluster.conninfo("nc", "nextcloud"), autocommit=True) as made:
                    Nextcloud(made).create_tables()
                cluster.install("nc", nextcloud="on")
                cluster.execute("create role cron_user login in role harpsweep_worker")
            # What the installation itself wrote would be in the way of the same rows.
            second.execute("truncate harpsweep.migration, harpsweep.nextcloud", "nc")
            yield first, second

    @pytest.fixture
    def ends(self, two):
        databases = [Database(cluster, "nc") for cluster in two]
        yield [database.connect() for database in databases]
        for database in databases:
            database.close()

    def test_every_table_can_be_published(self, watched):
        """Where one without a replica identity is published, its updates and deletes fail at the publisher."""
        tables = {name for (name,) in rows(watched, TABLES)}
        keyed = {name for (name,) in rows(
            watched, TABLES + " and (relreplident = 'f' or relreplident = 'd'"
            " and exists (select from pg_index where indrelid = pg_class.oid and indisprimary))")}
        assert keyed == tables >= {"alarm", "job", "run", "daemon", "exapp_image", "intake_error", "migration", "nextcloud"}

    def test_jobs_arrive_as_they_are(self, two, ends, tmp_path, harp):
        """New ones, what runs make of them, what is pruned, and what the triggers on Nextcloud's tables note: once."""
        publisher, subscriber = ends
        nextcloud = Nextcloud(psycopg.connect(two[0].conninfo("nc", "nextcloud"), autocommit=True))
        program = Program(tmp_path, two[0].conninfo("nc", user="cron_user"), harp.url)
        nextcloud.add_daemon()
        fill(harp, publisher, 5)
        publisher.execute("create publication everything for all tables")
        subscriber.execute(f"create subscription everything connection $${two[0].conninfo('nc')}$$ publication everything")

        def same():
            return all(
                len({repr(rows(side, f"select * from harpsweep.{table} as t order by t::text")) for side in ends}) == 1
                for (table,) in rows(publisher, TABLES))

        wait_for(same, "the first copy")
        program("run")
        fill(harp, publisher, 5, first=5)
        assert schedule(publisher, "harp", image="kept:1", choice="keep") and one(
            publisher, "select count(*) from harpsweep.job where state = 'kept'") == 6
        fill(harp, publisher, 2, first=10)
        deploy_and_observe(nextcloud, publisher, "watched")
        wait_for(same, "an app")
        assert nextcloud.delete_app("watched") == 1
        wait_for(same, "what the trigger noted")
        assert rows(subscriber, "select image_id from harpsweep.job where appid = 'watched'") == [(image(1),)]
        run = program("run", code=None)
        assert "error: " not in run.err, run
        publisher.execute("update harpsweep.job set finished_at = finished_at - interval '100 days',"
                          " not_before = not_before - interval '100 days' where id between 3 and 5")
        fill(harp, publisher, 1, first=12)
        program("run", code=None)
        wait_for(same, "the runs")
        assert one(publisher, "select count(*) from harpsweep.job where id between 3 and 5") == 0
        assert one(subscriber, "select count(*) from harpsweep.job where state = 'removed'") == 5
        assert rows(subscriber, "select * from harpsweep.intake_error") == []
        assert "ERROR" not in two[1].log()

        # The subscriber takes over: numbers are no part of what is replicated.
        subscriber.execute("drop subscription everything")
        with pytest.raises(psycopg.errors.UniqueViolation):
            schedule(subscriber, "harp", image="next:1")
        for table, column in rows(subscriber, "select 'harpsweep.' || table_name, column_name from"
                                              " information_schema.columns where table_schema = 'harpsweep' and is_identity = 'YES'"):
            subscriber.execute(f"select setval(pg_get_serial_sequence('{table}', '{column}'),"
                               f" (select coalesce(max({column}), 0) + 1 from {table}), false)")
        harp.add_image("next:1")
        number = schedule(subscriber, "harp", image="next:1", choice="now")
        assert number == one(publisher, "select max(id) + 1 from harpsweep.job")
        program.sections["database"]["conninfo"] = two[1].conninfo("nc", user="cron_user")
        program("run", code=None)
        assert job(subscriber, number)["state"] == "removed"
        assert triggers(subscriber) == triggers(publisher)
