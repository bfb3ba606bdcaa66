"""sql/intake_appapi_jobs.sql, the trigger on Nextcloud's background jobs: installed and taken back, and Nextcloud,
whose every job passes it, does not notice. What is made of AppAPI's jobs is in test_nextcloud_draft.py."""

# pylint: disable=missing-function-docstring

import shutil
import time

import pytest
from conftest import fresh_database
from harness.cluster import REPOSITORY
from harness.nextcloud import Nextcloud
from harness.recorder import Recorder
from harness.trace import schema_of, trace, triggers
from harness.watch import DAEMON, REF, deploy_and_observe, failures, jobs, rows

INTAKE = "sql/intake_appapi_jobs.sql"
WATCHED = [("oc_ex_apps", "harpsweep"), ("oc_ex_apps_daemons", "harpsweep")]
JOBS = ("oc_jobs", "harpsweep")
SECRET = '{"password":"of-another-job"}'


@pytest.fixture(scope="module")
def beside_template(cluster, watched_template):
    cluster.create_database("beside_template", template=watched_template, owner="nextcloud")
    cluster.run_file("beside_template", INTAKE)
    yield "beside_template"
    cluster.drop_database("beside_template")


@pytest.fixture
def beside_database(cluster, beside_template):
    yield from fresh_database(cluster, beside_template, owner="nextcloud")


@pytest.fixture(scope="module")
def beside_shared(cluster, beside_template):
    """One such database, for tests that undo what they do."""
    yield from fresh_database(cluster, beside_template, owner="nextcloud")


class TestInstall:
    def test_on_and_off(self, cluster, watched_database):
        before = trace(cluster, watched_database.name)
        connection = watched_database.connect()
        for _ in range(2):
            done = cluster.run_file(watched_database.name, INTAKE)
            assert (done.stdout, done.stderr) == ("harpsweep: stands behind AppAPI's own cleanup\n", "")
            assert triggers(connection) == [*WATCHED, JOBS]
            assert rows(connection, "select notes_jobs from harpsweep.nextcloud") == [(True,)]
        for _ in range(2):
            done = cluster.run_file(watched_database.name, INTAKE, appapi_jobs="off")
            assert (done.stdout, done.stderr) == ("harpsweep: does not look at AppAPI's own cleanup\n", "")
            assert triggers(connection) == WATCHED
            assert rows(connection, "select notes_jobs from harpsweep.nextcloud") == [(False,)]
        assert trace(cluster, watched_database.name) == before

    def test_columns_of_another_table_are_not_its_own(self, cluster, watched_database):
        connection = watched_database.connect()
        connection.execute("alter table oc_jobs rename to not_oc_jobs")
        done = cluster.run_file(watched_database.name, INTAKE, check=False)
        assert "these columns of Nextcloud's are not in database" in done.stderr and "public.oc_jobs.argument" in done.stderr

    def test_upgrades_leave_it_on_without_a_lock(self, cluster, beside_database):
        before = schema_of(cluster, beside_database.name, "--schema-only")
        other = beside_database.connect(autocommit=False)
        other.execute("lock table oc_jobs, oc_ex_apps in exclusive mode")
        assert cluster.install(beside_database.name).stderr == ""
        assert cluster.run_file(beside_database.name, INTAKE).stderr == ""
        other.rollback()
        assert schema_of(cluster, beside_database.name, "--schema-only") == before

    def test_no_more_watched(self, cluster, beside_database):
        cluster.install(beside_database.name, nextcloud="off")
        assert triggers(beside_database.connect()) == []

    def test_uninstalled(self, cluster, beside_database):
        cluster.uninstall(beside_database.name)
        assert triggers(beside_database.connect()) == []

    def test_another_prefix_moves_it(self, cluster, beside_database):
        connection = beside_database.connect()
        Nextcloud(connection, "N1_").create_tables()
        cluster.install(beside_database.name, prefix="N1_")
        assert [table for table, _ in triggers(connection)] == ['"N1_ex_apps"', '"N1_ex_apps_daemons"', '"N1_jobs"']

    @pytest.mark.parametrize("prepare,variables,user,words", [
        ("", {"appapi_jobs": "yes"}, "postgres", "appapi_jobs is neither on nor off"),
        ("delete from harpsweep.nextcloud", {}, "postgres", "Nextcloud's tables are not watched in database "),
        ("drop schema harpsweep cascade", {}, "postgres", "Nextcloud's tables are not watched in database "),
        ("alter table oc_jobs drop argument, drop reserved_at", {}, "postgres",
         ": public.oc_jobs.argument, public.oc_jobs.reserved_at\n"),
        ("drop table oc_jobs", {}, "postgres", ": public.oc_jobs.argument, public.oc_jobs.class, "),
        ("", {}, "nextcloud", "schema harpsweep belongs to role postgres, and nextcloud is not a member of it"),
    ], ids=["value", "not watched", "not installed", "columns", "table", "stranger"])
    def test_refused(self, cluster, watched_database, prepare, variables, user, words):
        if prepare:
            watched_database.connect().execute(prepare)
        before = trace(cluster, watched_database.name)
        done = cluster.run_file(watched_database.name, INTAKE, user, check=False, **variables)
        assert done.returncode != 0 and words in done.stderr
        assert trace(cluster, watched_database.name) == before

    def test_locked(self, cluster, watched_database, beside_database, tmp_path):
        folder = shutil.copytree(f"{REPOSITORY}/sql", tmp_path / "sql")
        for path in folder.glob("*.sql"):
            path.write_text(path.read_text(encoding="utf-8").replace("lock_timeout = '10s'", "lock_timeout = '300ms'"),
                            encoding="utf-8")
        for database, variables in ((watched_database, {}), (beside_database, {"appapi_jobs": "off"})):
            database.connect().execute(f'alter database "{database.name}" set lock_timeout = \'3s\'')
            before = trace(cluster, database.name)
            other = database.connect(autocommit=False)
            other.execute("lock table oc_jobs in row exclusive mode")
            done = cluster.run_file(database.name, str(folder / "intake_appapi_jobs.sql"), check=False, **variables)
            assert "a table of Nextcloud's is locked by somebody; nothing was changed\n" in done.stderr
            other.rollback()
            assert trace(cluster, database.name) == before


def life_of_jobs(nextcloud):
    """Nextcloud's own jobs and AppAPI's, queued, put off, run, cancelled; the answers and the rows at the end."""
    nextcloud.run("insert into {jobs} (class, argument) values ('OC\\Job', %s)", SECRET)
    nextcloud.queue_cleanup("one", REF, now=1700000000)
    nextcloud.queue_cleanup("one", REF, now=1700001000)
    nextcloud.queue_cleanup("two", "r/two:1", now=1700000000)
    nextcloud.run("insert into {jobs} (class, argument, last_checked) values (%s, 'no JSON', 5)", nextcloud.CLEANUP)
    nextcloud.run("update {jobs} set last_run = 7, reserved_at = 0, execution_duration = 1")
    nextcloud.cancel_cleanup("two")
    nextcloud.run("update {jobs} set reserved_at = 8, last_checked = 8")
    nextcloud.cancel_cleanup("one")
    before = nextcloud.contents()["jobs"]
    nextcloud.run("delete from {jobs}")
    return [(sql, status) for sql, _, status, _ in nextcloud.answers], before


DAMAGES = {
    "none": "select 1",
    "job renamed": "alter table harpsweep.job rename to away",
    "job dropped, and what notes it": "drop table harpsweep.job, harpsweep.intake_error cascade",
    "functions dropped": "drop function harpsweep.note_appapi_job, harpsweep.appapi_job_gone",
    "note dropped": "alter table harpsweep.job rename to away; drop function harpsweep.note_intake_error",
    "schema renamed": "alter schema harpsweep rename to away",
    "a constraint": "alter table harpsweep.job add constraint never check (false) not valid",
}


@pytest.fixture(scope="module")
def plain(cluster, nextcloud_template):
    for database in fresh_database(cluster, nextcloud_template, owner="nextcloud"):
        return life_of_jobs(Recorder(database.connect("nextcloud")))


@pytest.mark.parametrize("damage", DAMAGES)
def test_nextcloud_gets_the_same_answers(beside_shared, plain, damage):
    connection = beside_shared.connect()
    with connection.transaction(force_rollback=True):
        connection.execute("alter sequence oc_jobs_id_seq restart")
        connection.execute(DAMAGES[damage])
        connection.execute("set local session authorization nextcloud")
        assert life_of_jobs(Recorder(connection)) == plain
        connection.execute("set local session authorization default")
        if damage == "none":
            assert jobs(connection, "appid", "state::text") == [("one", "pending"), ("two", "cancelled")]
            assert {(source, code) for source, code, *_ in failures(connection)} == {
                ("oc_jobs insert", "22P02"), ("oc_jobs update", "22P02"), ("oc_jobs delete", "22P02")}


CHANGES = ["alter table oc_jobs drop column class", "alter table oc_jobs rename column class to kind",
           "alter table oc_jobs rename column argument to arguments", "alter table oc_jobs drop column reserved_at",
           "alter table oc_jobs alter column argument type text", "alter table oc_jobs alter column id type integer",
           "alter table oc_jobs alter column last_checked type bigint", "alter table oc_jobs rename to oc_background_jobs",
           "alter table oc_jobs alter column argument drop default, alter column argument type json using '{}',"
           " alter column argument set default '{}'"]


@pytest.mark.parametrize("ddl", CHANGES)
def test_nextcloud_changed_its_table(beside_shared, ddl):
    """Its statements work, and no argument of another job of Nextcloud's is noted."""
    session = beside_shared.connect()
    with session.transaction(force_rollback=True):
        session.execute("set local session authorization nextcloud")
        nextcloud = Nextcloud(session)
        nextcloud.queue_cleanup("app", REF)
        nextcloud.run("insert into {jobs} (class, argument) values ('OC\\Job', %s)", SECRET)  # the last that fails
        session.execute(ddl)
        table = "oc_background_jobs" if "background" in ddl else "oc_jobs"
        assert session.execute(f"update {table} set last_run = 5").rowcount == 2
        assert session.execute(f"delete from {table}").rowcount == 2
        assert session.execute(f"insert into {table} (last_checked) values (5)").rowcount == 1
        session.execute("set local session authorization default")
        assert "of-another-job" not in str(rows(session, "select * from harpsweep.intake_error"))


def test_a_locked_job_holds_nobody_up(beside_database):
    connection = beside_database.connect()
    nextcloud = Nextcloud(beside_database.connect("nextcloud"))
    nextcloud.add_daemon()
    deploy_and_observe(nextcloud, connection, "app")
    nextcloud.queue_cleanup("app", REF)
    other = beside_database.connect(autocommit=False)
    other.execute("select from harpsweep.job for update")
    started = time.monotonic()
    nextcloud.cancel_cleanup("app")
    assert time.monotonic() - started < 1
    other.rollback()
    assert nextcloud.one("select count(*) from {jobs}") == 0
    assert [failure[:2] for failure in failures(connection)] == [("oc_jobs delete", "55P03")]
    assert jobs(connection, "daemon", "state::text") == [(DAEMON, "pending")]
