"""sql/intake_appapi_jobs.sql, the trigger on Nextcloud's background jobs: installed and taken back. What is made of
AppAPI's jobs is in test_nextcloud_draft.py."""

# pylint: disable=missing-function-docstring

import shutil

import pytest
from conftest import fresh_database
from harness.cluster import REPOSITORY
from harness.nextcloud import Nextcloud
from harness.trace import schema_of, trace, triggers
from harness.watch import rows

INTAKE = "sql/intake_appapi_jobs.sql"
WATCHED = [("oc_ex_apps", "harpsweep"), ("oc_ex_apps_daemons", "harpsweep")]
JOBS = ("oc_jobs", "harpsweep")


@pytest.fixture(scope="module")
def beside_template(cluster, watched_template):
    cluster.create_database("beside_template", template=watched_template, owner="nextcloud")
    cluster.run_file("beside_template", INTAKE)
    return "beside_template"


@pytest.fixture
def beside_database(cluster, beside_template):
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
