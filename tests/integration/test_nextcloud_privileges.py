"""Who may see and do what where Nextcloud's tables are watched: a run's role reads neither them nor a secret."""

# pylint: disable=missing-function-docstring

import pytest
from harness.watch import DAEMON, deploy, deploy_and_observe, image, make_job, redeploy, rows
from psycopg import errors

NEXTCLOUD_TABLES = ("oc_ex_apps", "oc_ex_apps_daemons", "oc_ex_deploy_options", "oc_appconfig", "oc_jobs")
SECRETS = ("a-secret-of-nextcloud", "the-haproxy-password", "the-other-setting")
# All functions that a role may call and that say something, with arguments.
ALL, SOME = "array(select id from harpsweep.job)", "(select min(id) from harpsweep.job)"
WORKER = {
    "cancel": f"{SOME}, 'r'", "cancel_daemon": "'d', 'r'", "changed_apps": "", "deploys_beside": ALL,
    "endpoint_of": "'harp_docker'",
    "flush_daemon": "'d'", "held": f"{ALL}, null, 2, true, true", "keep": "'d', 'a'", "keep_job": SOME, "make_due": SOME,
    "news": "", "nextcloud_settings": "", "nextcloud_state": "", "readable_size": "1", "readable_span": "1", "reconcile": "", "retry": SOME,
    "observed": "'{app}', '{harp_docker}', '{x}', '{r}', '{null}', '{1}', '{running}'",
    "schedule": "'harp_docker', 'a', 'i'", "schema_version": ""}
OWN = ("changed_apps", "deploys_beside", "endpoint_of", "held", "news", "nextcloud_settings", "nextcloud_state", "observed",
       "reconcile")


@pytest.fixture
def worker(watched_rows, watched, nextcloud):
    """The worker role's connection to a database with secrets in every corner."""
    nextcloud.add_daemon(haproxy_password="the-haproxy-password", registries=[{"from": "r", "to": "local"}])
    nextcloud.add_daemon("broken", haproxy_password="the-haproxy-password", port="x", harp=True)
    nextcloud.set_config("image_cleanup_enabled", "true", 32)
    nextcloud.set_config("image_cleanup_grace_hours", "24", 8)
    nextcloud.set_config("haproxy_key", "the-other-setting", 4)
    nextcloud.run("insert into {appconfig} (appid, configkey, configvalue)"
                  " values ('other', 'image_cleanup_enabled', 'the-other-setting')")
    deploy_and_observe(nextcloud, watched, "app")
    redeploy(nextcloud, "app")
    deploy(nextcloud, "unseen")
    deploy_and_observe(nextcloud, watched, "gone", "gone/app:1", image(2))
    nextcloud.delete_app("gone")
    make_job(watched, "app")
    watched.execute("alter table harpsweep.job rename to away")
    nextcloud.move_daemon(DAEMON, "new")
    nextcloud.run("update {ex_apps_daemons} set deploy_config = %s where name = 'broken'",
                  '{"haproxy_password": "the-haproxy-password", "x": "\\u0000"}')
    nextcloud.move_daemon("broken", "new")
    watched.execute("alter table harpsweep.away rename to job")
    assert rows(watched, "select count(*) from harpsweep.intake_error") == [(2,)]
    return watched_rows.connect("harpsweep_worker")


def callable_by(connection, role):
    return {name for (name,) in rows(
        connection, "select proname::text from pg_proc where pronamespace = 'harpsweep'::regnamespace"
                    " and has_function_privilege(%s, oid, 'execute')", role)}


def test_the_worker_calls_these_and_no_others(watched, worker):
    assert callable_by(watched, "harpsweep_worker") == set(WORKER)
    for name, arguments in WORKER.items():
        worker.execute(f"select * from harpsweep.{name}({arguments})")


def test_the_others_ask_nothing_about_nextcloud(watched):
    for role in ("harpsweep_writer", "harpsweep_reader"):
        assert callable_by(watched, role).isdisjoint(OWN)
    assert callable_by(watched, "nextcloud") == set()


def test_nothing_that_a_role_reaches_tells_a_secret(watched, worker, watched_rows):
    """Functions and tables of all three roles, all rows and columns."""
    told = []
    for name, arguments in WORKER.items():
        told.append(str(rows(worker, f"select t::text from harpsweep.{name}({arguments}) as t")))
    for role in ("harpsweep_worker", "harpsweep_reader", "harpsweep_writer"):
        session = watched_rows.connect(role)
        for (table,) in rows(watched, "select oid::regclass::text from pg_class where relnamespace = 'harpsweep'::regnamespace"
                                      " and relkind in ('r', 'v') and has_table_privilege(%s, oid, 'select')", role):
            told.append(str(rows(session, f"select t::text from {table} as t")))
    told = "".join(told)
    assert "image_cleanup_grace_hours,24,8" in told and "oc_ex_apps_daemons update" in told  # it did look
    for secret in SECRETS:
        assert secret in str([rows(watched, f"select t::text from {table} as t") for table in NEXTCLOUD_TABLES])
        assert secret not in told


@pytest.mark.parametrize("role", ["harpsweep_worker", "harpsweep_reader", "harpsweep_writer"])
def test_no_role_touches_nextcloud_s_tables(watched_rows, watched, role):
    session = watched_rows.connect(role)
    for table in NEXTCLOUD_TABLES:
        for statement in (f"select from {table}", f"select count(*) from {table}", f"delete from {table}",
                          f"truncate {table}"):
            with pytest.raises(errors.InsufficientPrivilege):
                session.execute(statement)
        assert rows(watched, "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and"
                             " has_column_privilege(%s, attrelid, attnum, 'select, insert, update, references')",
                    table, role) == []


def test_the_worker_writes_no_observation(worker):
    for statement in ("insert into harpsweep.exapp_image (appid, daemon, fingerprint) values ('a', 'd', 'f')",
                      "update harpsweep.exapp_image set image_ref = 'r/other:1'", "truncate harpsweep.exapp_image",
                      "update harpsweep.exapp_image set superseded_at = null",
                      "insert into harpsweep.intake_error (source, code, message) values ('s', 'c', 'm')",
                      "update harpsweep.intake_error set times = 1",
                      "insert into harpsweep.nextcloud (schema_name, table_prefix) values ('s', 'p')",
                      "update harpsweep.nextcloud set notes_jobs = true", "delete from harpsweep.nextcloud"):
        with pytest.raises(errors.InsufficientPrivilege):
            worker.execute(statement)
    # What it has to tidy up.
    assert worker.execute("delete from harpsweep.exapp_image where superseded_at is not null").rowcount == 1
    assert worker.execute("delete from harpsweep.intake_error").rowcount == 2


@pytest.mark.parametrize("function", ["on_exapp", "on_daemon"])
def test_nobody_makes_events_with_a_table_of_his_own(watched_rows, function):
    """A trigger function acts for the schema's owner; who may not call it may not hang it on a table either."""
    session = watched_rows.connect("harpsweep_worker")
    session.execute("create temp table forged (id bigint, appid text, daemon_config_name text, status json,"
                    " created_time bigint)")
    with pytest.raises(errors.InsufficientPrivilege):
        session.execute("create trigger forged after delete on forged for each row"
                        f" execute function harpsweep.{function}()")


def test_nextcloud_s_own_user_reads_nothing_of_harpsweep_s(watched_rows):
    session = watched_rows.connect("nextcloud")
    for statement in ("select from harpsweep.job", "select from harpsweep.exapp_image", "select harpsweep.news()"):
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute(statement)
