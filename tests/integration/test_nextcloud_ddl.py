"""What others may do with Nextcloud's tables and with the database after harpsweep watches them."""

# pylint: disable=missing-function-docstring

import pytest
from harness.nextcloud import Nextcloud
from harness.trace import schema_of, triggers
from harness.watch import DAEMON, REF, deploy_and_observe, image, jobs, rows

WATCHED = [("oc_ex_apps", "harpsweep"), ("oc_ex_apps_daemons", "harpsweep")]
CHANGES = [
    "alter table oc_ex_apps drop column status",
    "alter table oc_ex_apps drop column appid",
    "alter table oc_ex_apps drop column daemon_config_name, drop column created_time, drop column version",
    "alter table oc_ex_apps alter column status type jsonb",
    "alter table oc_ex_apps alter column status type text",
    "alter table oc_ex_apps alter column daemon_config_name type text, alter column appid type varchar(64)",
    "alter table oc_ex_apps alter column id type integer, alter column created_time type integer",
    "alter table oc_ex_apps rename column status to state",
    "alter table oc_ex_apps add column argument text default ''",
    "alter table oc_ex_apps rename to oc_external_apps",
    "alter table oc_ex_apps drop constraint oc_ex_apps_appid_key",
    "alter table oc_ex_apps_daemons drop column deploy_config, drop column host, drop column name",
    "alter table oc_ex_apps_daemons alter column deploy_config type jsonb",
    "alter table oc_ex_apps_daemons rename column protocol to scheme",
    "alter table oc_appconfig drop column type, alter column configvalue type varchar(4000)",
    "alter table oc_jobs alter column argument type text",
    "alter table oc_jobs drop column argument",
    "truncate oc_ex_apps, oc_ex_apps_daemons",
    "drop table oc_ex_apps",
    "drop table oc_ex_apps_daemons",
    "drop table oc_appconfig",
    "drop table oc_jobs",
]


@pytest.mark.parametrize("ddl", CHANGES)
def test_nextcloud_s_owner_changes_tables_as_they_like(watched_rows, nextcloud, ddl):
    """Without "cascade": nothing of harpsweep's depends on a table, and no column has a dependent."""
    nextcloud.add_daemon()
    nextcloud.insert_app("app")
    owner = watched_rows.connect("nextcloud")
    with owner.transaction(force_rollback=True):
        owner.execute(ddl)


def test_columns_may_go_in_any_order(watched, watched_rows):
    """Every column of Nextcloud's tables, one by one."""
    owner = watched_rows.connect("nextcloud")
    columns = rows(watched, "select attrelid::regclass::text, attname from pg_attribute"
                            " where attrelid = any ('{oc_ex_apps, oc_ex_apps_daemons, oc_appconfig, oc_jobs,"
                            " oc_ex_deploy_options}'::regclass[]) and attnum > 0")
    assert len(columns) > 30
    for table, column in columns:
        with owner.transaction(force_rollback=True):
            owner.execute(f"alter table {table} drop column {column}")


def test_uninstall_leaves_no_trigger(cluster, watched_database):
    connection = watched_database.connect()
    nextcloud = Nextcloud(watched_database.connect("nextcloud"))
    nextcloud.add_daemon()
    deploy_and_observe(nextcloud, connection, "app")
    assert triggers(connection) == WATCHED
    before = rows(connection, "select * from oc_ex_apps")
    assert cluster.uninstall(watched_database.name).stdout == f"harpsweep: removed from database {watched_database.name}\n"
    assert triggers(connection) == []
    assert rows(connection, "select nspname from pg_namespace where nspname = 'harpsweep'") == []
    assert rows(connection, "select * from oc_ex_apps") == before
    assert nextcloud.delete_app("app") == 1
    # As if it had never been there.
    assert "harpsweep" not in schema_of(cluster, watched_database.name, "--schema-only")


def test_a_dump_restores_into_a_new_database(cluster, watched_database, empty_database, tmp_path):
    """Nextcloud's backups are dumps: what comes back goes on where it was."""
    connection = watched_database.connect()
    nextcloud = Nextcloud(watched_database.connect("nextcloud"))
    nextcloud.add_daemon()
    deploy_and_observe(nextcloud, connection, "here")
    deploy_and_observe(nextcloud, connection, "gone", "gone/app:1", image(2))
    nextcloud.delete_app("gone")

    dump = tmp_path / "dump.sql"
    dump.write_text(schema_of(cluster, watched_database.name, "--create", "--clean").replace(
        watched_database.name, empty_database.name), encoding="utf-8")
    assert cluster.psql("postgres", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(dump)).stderr == ""

    restored = empty_database.connect()
    assert triggers(restored) == WATCHED
    for table in ("job", "exapp_image", "nextcloud", "intake_error"):
        assert rows(restored, f"select * from harpsweep.{table}") == rows(connection, f"select * from harpsweep.{table}")
    there = Nextcloud(empty_database.connect("nextcloud"))
    assert there.delete_app("here") == 1
    there.delete_daemon(DAEMON)
    assert jobs(restored, "appid", "image_ref", "image_id", "state::text", "host") == [
        ("gone", "gone/app:1", image(2), "pending", "127.0.0.1:8780"),
        ("here", REF, image(1), "pending", "127.0.0.1:8780")]
    assert rows(restored, "select * from harpsweep.intake_error") == []
    # And the next upgrade knows what it has there.
    before = schema_of(cluster, empty_database.name)
    done = cluster.install(empty_database.name)
    assert (done.returncode, done.stderr) == (0, "") and "public.oc_ex_apps is watched" in done.stdout
    assert schema_of(cluster, empty_database.name) == before
