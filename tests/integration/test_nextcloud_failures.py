"""Whatever is wrong with harpsweep, AppAPI's statements work as ever, and soon: the triggers never raise, never
wait for long, and say what went wrong where they can."""

# pylint: disable=missing-function-docstring

import time

import psycopg
import pytest
from conftest import fresh_database
from harness.cluster import Cluster
from harness.nextcloud import Nextcloud
from harness.rows import in_thread, one, schedule, wait_until_blocked
from harness.recorder import Recorder, tell
from harness.watch import DAEMON, deploy_and_observe, failures, image, jobs, observe, redeploy, rows

APPS, GONE, MOVED, REMOVED = ("oc_ex_apps update", "oc_ex_apps delete", "oc_ex_apps_daemons update",
                              "oc_ex_apps_daemons delete")
SEEN = "observed"
ALL = {APPS, GONE, MOVED, REMOVED}
RAISE = """create function public.fail() returns trigger language plpgsql as $$ begin {} end $$;
           create trigger fail before insert or update on harpsweep.job for each row execute function public.fail();"""
# What is done to harpsweep, the SQLSTATE that it leads to, and the triggers that note it.
DAMAGES = {
    "job renamed": ("alter table harpsweep.job rename to away", "42P01", {SEEN, APPS, GONE, MOVED, REMOVED}),
    "job dropped": ("drop table harpsweep.job cascade", "42P01", {SEEN, APPS, GONE, MOVED, REMOVED}),
    "exapp_image renamed": ("alter table harpsweep.exapp_image rename to away", None, {APPS, GONE}),
    "exapp_image dropped": ("drop table harpsweep.exapp_image cascade", None, {APPS, GONE}),
    "nextcloud dropped": ("drop table harpsweep.nextcloud", "42P01", {SEEN, APPS, GONE}),
    "intake_error renamed": ("alter table harpsweep.intake_error rename to away", None, None),
    "intake_error and job dropped": ("drop table harpsweep.intake_error, harpsweep.job cascade", None, None),
    "note_intake_error dropped": ("alter table harpsweep.job rename to away; "
                                  "drop function harpsweep.note_intake_error", None, set()),
    "exapp_gone dropped": ("drop function harpsweep.exapp_gone", "42883", {GONE}),
    "note_job dropped": ("drop function harpsweep.note_job", "42883", {SEEN, GONE}),
    "freeze_endpoint dropped": ("drop function harpsweep.freeze_endpoint", "42883", {MOVED, REMOVED}),
    "nextcloud_daemons dropped": ("drop function harpsweep.nextcloud_daemons", "42883", {SEEN, APPS, GONE}),
    "schema renamed": ("alter schema harpsweep rename to away", None, None),
    "job revoked": ("revoke all on harpsweep.job from nextcloud", "42501", {SEEN, APPS, GONE, MOVED, REMOVED}),
    "exapp_image revoked": ("revoke all on harpsweep.exapp_image from nextcloud", "42501", {SEEN, APPS, GONE}),
    "intake_error revoked": ("revoke all on harpsweep.intake_error, harpsweep.job from nextcloud", None, set()),
    "everything revoked": ("revoke all on all tables in schema harpsweep from nextcloud;"
                           "revoke all on all functions in schema harpsweep from nextcloud", None, set()),
    "schema revoked": ("revoke all on schema harpsweep from nextcloud", None, set()),
    "a constraint": ("alter table harpsweep.job add constraint never check (false) not valid", "23514", {SEEN, APPS, GONE}),
    "row security": ("alter table harpsweep.job enable row level security, force row level security", "42501", {SEEN, APPS, GONE}),
    "no more numbers": ("alter table harpsweep.job alter id restart with 9223372036854775807;"
                        "select nextval('harpsweep.job_id_seq')",
                        "2200H", {SEEN, APPS, GONE}),
    "division": (RAISE.format("perform 1 / 0; return new;"), "22012", {SEEN, APPS, GONE}),
    "assertion": (RAISE.format("assert false; return new;"), "P0004", {APPS, GONE}),
    "cancelled": (RAISE.format("raise sqlstate '57014';"), "57014", {APPS, GONE}),
    "out of memory": (RAISE.format("raise sqlstate '53200';"), "53200", {APPS, GONE}),
    "recursion": (RAISE.format("insert into harpsweep.job (daemon, appid, image_ref) values ('d', 'a', new.id); return new;"),
                  "54001", {SEEN, APPS, GONE}),
}


@pytest.fixture(scope="module")
def own_template(cluster, nextcloud_template, watched_template):  # pylint: disable=unused-argument
    """Name of a database in which Nextcloud's own user, no superuser, owns harpsweep; to copy."""
    cluster.create_database("own_template", template=nextcloud_template, owner="nextcloud")
    cluster.install("own_template", "nextcloud", nextcloud="on")
    yield "own_template"
    cluster.drop_database("own_template")


@pytest.fixture
def own_database(cluster, own_template):
    yield from fresh_database(cluster, own_template, owner="nextcloud")


@pytest.fixture(scope="module")
def own_shared(cluster, own_template):
    """One such database, for tests that undo what they do."""
    yield from fresh_database(cluster, own_template, owner="nextcloud")


@pytest.fixture
def shop(own_database):
    """A superuser's connection, and Nextcloud with an app that was seen."""
    connection = own_database.connect()
    nextcloud = Nextcloud(own_database.connect("nextcloud"))
    nextcloud.add_daemon()
    deploy_and_observe(nextcloud, connection, "app")
    return connection, nextcloud


@pytest.fixture(scope="module")
def plain(cluster, nextcloud_template):
    """The answers of a database in which there is no harpsweep."""
    for database in fresh_database(cluster, nextcloud_template, owner="nextcloud"):
        return tell(Recorder(database.connect("nextcloud")))


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage(own_shared, plain, damage):
    """AppAPI's answers are those of a database without harpsweep, and the failures are noted. All of it is undone
    at the end, for a database of its own takes three times as long as the test."""
    ddl, code, sources = DAMAGES[damage]
    connection = own_shared.connect()

    def look(*seen):
        connection.execute("set local session authorization default")
        try:
            with connection.transaction():
                observe(connection, *seen)
        except psycopg.Error:
            pass
        connection.execute("set local session authorization nextcloud")

    with connection.transaction(force_rollback=True):
        for table in ("ex_apps", "ex_apps_daemons", "ex_deploy_options"):
            connection.execute(f"alter sequence oc_{table}_id_seq restart")
        connection.execute(ddl)
        connection.execute("set local session authorization nextcloud")
        assert tell(Recorder(connection), look) == plain
        if sources is not None:
            connection.execute("set local session authorization default")
            noted = failures(connection)
            assert {source for source, *_ in noted} == sources
            assert code is None or {code} == {code for _, code, *_ in noted}


def test_what_cannot_be_noted_is_in_the_server_s_log(cluster, shop):
    connection, nextcloud = shop
    connection.execute("drop table harpsweep.job, harpsweep.intake_error cascade")
    assert nextcloud.delete_app("app") == 1
    assert ('LOG:  harpsweep: oc_ex_apps delete of app: relation "harpsweep.job" does not exist (SQLSTATE 42P01); and it '
            'could not be noted: relation "harpsweep.intake_error" does not exist (SQLSTATE 42P01)'
            ) in cluster.log().split(f"@{connection.info.dbname} ", 1)[1]


def test_the_same_error_is_counted(shop):
    connection, nextcloud = shop
    for number in range(3):
        deploy_and_observe(nextcloud, connection, f"app{number}", f"r/app{number}:1", image(number))
    connection.execute("alter table harpsweep.job rename to away")
    for number in range(3):
        nextcloud.delete_app(f"app{number}")
    assert rows(connection, "select source, code, message, subject, times, first_at < last_at from harpsweep.intake_error") == [
        (GONE, "42P01", 'relation "harpsweep.job" does not exist', "app2", 3, True)]
    assert "harpsweep.note_job" in one(connection, "select context from harpsweep.intake_error")
    connection.execute("alter table harpsweep.away rename to job; drop function harpsweep.note_job")
    nextcloud.delete_app("app")
    assert [(source, code, times) for source, code, _, times in failures(connection)] == [
        (GONE, "42P01", 3), (GONE, "42883", 1)]


def test_what_a_trigger_missed_is_made_up_for(shop):
    """No row is lost: the app is gone, its image is remembered, and the next run makes the job."""
    connection, nextcloud = shop
    connection.execute("alter table harpsweep.job rename to away")
    nextcloud.delete_app("app")
    connection.execute("alter table harpsweep.away rename to job")
    assert jobs(connection, "id") == []
    assert one(connection, "select harpsweep.reconcile()") == 1
    assert jobs(connection, "appid", "image_id", "event", "state::text", "host") == [
        ("app", image(1), "uninstall", "new", "127.0.0.1:8780")]


CHANGES = [  # of Nextcloud's own tables, and the triggers that note it
    ("alter table oc_ex_apps drop column status", {APPS, GONE}),
    ("alter table oc_ex_apps rename column status to state", {APPS, GONE}),
    ("alter table oc_ex_apps alter column status type text using 'no JSON'", {APPS, GONE}),
    ("alter table oc_ex_apps alter column status type bigint using 5", {APPS, GONE}),
    ("alter table oc_ex_apps alter column status type jsonb", {APPS, GONE}),
    ("alter table oc_ex_apps drop column appid", {GONE}),
    ("alter table oc_ex_apps rename column appid to app_id", {GONE}),
    ("alter table oc_ex_apps drop column created_time", {GONE}),
    ("alter table oc_ex_apps rename column daemon_config_name to daemon", {GONE}),
    ("alter table oc_ex_apps rename column version to release", set()),
    ("alter table oc_ex_apps add column status2 json", set()),
    ("alter table oc_ex_apps_daemons drop column deploy_config", {GONE, MOVED, REMOVED}),
    ("alter table oc_ex_apps_daemons rename column host to address", {GONE, MOVED, REMOVED}),
    ("alter table oc_ex_apps_daemons rename column name to label", {GONE, MOVED, REMOVED}),
    ("alter table oc_ex_apps_daemons rename to oc_daemons", {GONE}),
]


@pytest.mark.parametrize("ddl,sources", CHANGES, ids=[ddl.removeprefix("alter table oc_") for ddl, _ in CHANGES])
@pytest.mark.parametrize("plans", ["no plans", "old plans"])
def test_nextcloud_changed_its_tables(own_shared, ddl, sources, plans):
    """Also in a session whose plans are older than the change. A plan is bound to the types that it was made for."""
    session = own_shared.connect("nextcloud")
    nextcloud = Nextcloud(session)
    if plans == "old plans":
        with session.transaction(force_rollback=True):
            tell(Recorder(session))
    with session.transaction(force_rollback=True):
        nextcloud.add_daemon()
        nextcloud.insert_app("app")
        session.execute(ddl)
        daemons = "oc_daemons" if ddl.endswith("to oc_daemons") else "oc_ex_apps_daemons"
        for statement in ("update oc_ex_apps set enabled = 1", "update oc_ex_apps set port = 7",
                          f"update {daemons} set display_name = 'x'", f"update {daemons} set protocol = 'https'",
                          "delete from oc_ex_apps", f"delete from {daemons}"):
            assert session.execute(statement).rowcount == 1
        assert {source for source, *_ in failures(session)} == sources


LOCKS = [  # what somebody has locked, and whether the failure can be noted nevertheless
    ("lock table harpsweep.job in access exclusive mode", True),
    ("lock table harpsweep.exapp_image in access exclusive mode", True),
    ("lock table harpsweep.nextcloud in access exclusive mode", True),
    ("lock table harpsweep.job, harpsweep.intake_error in access exclusive mode", False),
    ("select from harpsweep.exapp_image for update", True),
    ("lock table oc_ex_apps_daemons in access exclusive mode", True),
]


@pytest.mark.parametrize("lock,noted", LOCKS, ids=[lock for lock, _ in LOCKS])
def test_locked(own_database, shop, lock, noted):
    """By a DBA, a dump, a run that hangs: AppAPI waits a fifth of a second, and so does the note."""
    connection, nextcloud = shop
    other = own_database.connect(autocommit=False)
    other.execute(lock)
    nextcloud.disable_app("app")  # plans what it needs
    started = time.monotonic()
    assert nextcloud.run("delete from {ex_apps} where appid = 'app'") == 1
    assert time.monotonic() - started < 1
    other.rollback()
    assert failures(connection) == ([(GONE, "55P03", "app", 1)] if noted else [])
    assert jobs(connection, "id") == []
    assert one(connection, "select harpsweep.reconcile()") == 1


def test_locked_end_of_a_deploy(own_database, shop):
    connection, nextcloud = shop
    other = own_database.connect(autocommit=False)
    other.execute("select from harpsweep.exapp_image for update")
    redeploy(nextcloud, "app")
    other.rollback()
    assert failures(connection) == [(APPS, "55P03", "app", 1)]
    assert observe(connection, "app", "r/new:1", image(2))[0] == "update"


def test_locked_job_of_a_daemon(own_database, shop):
    connection, nextcloud = shop
    nextcloud.delete_app("app")
    free, of_another = (schedule(connection, daemon, "free", "r/free:1", grace_hours=24) for daemon in (DAEMON, "another"))
    other = own_database.connect(autocommit=False)
    other.execute("select from harpsweep.job where appid = 'app' for update")
    nextcloud.move_daemon(DAEMON, "new")
    started = time.monotonic()
    nextcloud.delete_daemon(DAEMON)
    assert time.monotonic() - started < 1
    other.rollback()
    assert rows(connection, "select id, host is null, next_at <= now() from harpsweep.job where appid = 'free' order by id") == [
        (free, False, True), (of_another, True, False)]
    assert failures(connection) == [("freeze_endpoint", "55P03", DAEMON, 2)]


def test_the_same_error_at_the_same_time(own_database, shop):
    """Somebody's transaction has just noted it, and does not end: nobody waits for that."""
    connection, nextcloud = shop
    deploy_and_observe(nextcloud, connection, "other", "other/app:1", image(2))
    connection.execute("alter table harpsweep.job rename to away")
    first = own_database.connect("nextcloud", autocommit=False)
    first.execute("delete from oc_ex_apps where appid = 'other'")
    started = time.monotonic()
    assert nextcloud.delete_app("app") == 1
    assert time.monotonic() - started < 1
    first.commit()
    assert failures(connection) == [(GONE, "42P01", "other", 1)]


def test_snapshot_too_old_to_write(own_database, shop):
    """In a transaction of a stricter isolation what somebody changed meanwhile cannot be changed."""
    connection, nextcloud = shop
    strict = own_database.connect("nextcloud")
    strict.execute("set default_transaction_isolation = 'repeatable read'")
    with strict.transaction():
        strict.execute("select from oc_ex_apps")
        connection.execute("update harpsweep.exapp_image set seen_at = now()")
        assert Nextcloud(strict).delete_app("app") == 1
    assert nextcloud.one("select count(*) from {ex_apps}") == 0
    assert failures(connection) == [(GONE, "40001", "app", 1)]


@pytest.fixture
def patient(own_database, shop):
    """The triggers wait for a lock as long as they like, and somebody has it: `release()` gives it back."""
    connection, nextcloud = shop
    connection.execute("alter function harpsweep.on_exapp() set lock_timeout = '30s'")
    other = own_database.connect(autocommit=False)
    other.execute("lock table harpsweep.job in access exclusive mode")
    return connection, nextcloud, other


def test_statement_timeout(patient):
    """It ends what the trigger does, and not AppAPI's statement."""
    connection, nextcloud, other = patient
    nextcloud.connection.execute("set statement_timeout = '400ms'")
    assert nextcloud.delete_app("app") == 1
    other.rollback()
    assert nextcloud.one("select count(*) from {ex_apps}") == 0
    assert rows(connection, "select source, code, message from harpsweep.intake_error") == [
        (GONE, "57014", "canceling statement due to statement timeout")]


def test_cancelled(patient):
    connection, nextcloud, other = patient
    thread, result = in_thread(lambda: nextcloud.delete_app("app"))
    wait_until_blocked(connection, nextcloud.connection)
    connection.execute("select pg_cancel_backend(%s)", (nextcloud.connection.info.backend_pid,))
    thread.join()
    other.rollback()
    assert result == [1]
    assert rows(connection, "select source, code, message from harpsweep.intake_error") == [
        (GONE, "57014", "canceling statement due to user request")]


def test_cancelled_twice(patient):
    """Once in the trigger, and again while that is noted."""
    connection, nextcloud, other = patient
    other.execute("lock table harpsweep.intake_error in access exclusive mode")
    thread, result = in_thread(lambda: nextcloud.delete_app("app"))
    for table in ("job", "intake_error"):
        limit = time.monotonic() + 10
        while not one(connection, "select exists (select from pg_locks where pid = %s and not granted and relation ="
                                  " %s::regclass)", nextcloud.connection.info.backend_pid, f"harpsweep.{table}"):
            assert time.monotonic() < limit, f"it never waited for {table}"
            time.sleep(0.01)
        connection.execute("select pg_cancel_backend(%s)", (nextcloud.connection.info.backend_pid,))
    thread.join()
    other.rollback()
    assert result == [1]
    assert nextcloud.one("select count(*) from {ex_apps}") == 0
    assert failures(connection) == []


# Since release 16 PostgreSQL passes on what the system calls a file that may not grow: an error of its own.
FULL = (psycopg.errors.DiskFull, psycopg.errors.InternalError_)


def fill(connection, size, count):
    """Inserts final jobs of so many bytes, so many at a time, until the disk is full."""
    while True:
        try:
            connection.execute(
                "insert into harpsweep.job (daemon, appid, image_ref, state, next_at, finished_at, hold_reason)"
                " select 'd', 'a', 'i', 'cancelled', null, now(), repeat('x', %s) from generate_series(1, %s)",
                (size, count))
        except FULL:
            return


def test_a_full_disk():
    """Or a quota: the table of jobs cannot grow by one page, and what is smaller has room for the note."""
    # Not a whole number of pages: a write that ends half way is what PostgreSQL calls a full disk.
    with Cluster({"autovacuum": "off"}, file_limit=17 * 1024 * 1024 + 4096) as cluster:
        cluster.execute("create role nextcloud login")
        cluster.create_database("full", owner="nextcloud")
        cluster.execute("grant create on schema public to nextcloud", "full")
        with psycopg.connect(cluster.conninfo("full"), autocommit=True) as connection, \
                psycopg.connect(cluster.conninfo("full", "nextcloud"), autocommit=True) as session:
            nextcloud = Nextcloud(session).create_tables()
            cluster.install("full", nextcloud="on")
            nextcloud.add_daemon()
            for number in (1, 2):
                deploy_and_observe(nextcloud, connection, f"app{number}", f"r/app{number}:1", image(number))
            # Four of the large rows fill a page; the last ones are smaller than a job.
            for size, count in ((1850, 500), (1850, 1), (1, 1)):
                fill(connection, size, count)
            with pytest.raises(FULL, match='could not extend file "base/') as full:
                schedule(connection)

            assert [nextcloud.delete_app(f"app{number}") for number in (1, 2)] == [1, 1]
            nextcloud.move_daemon(DAEMON, "new")
            assert nextcloud.one("select count(*) from {ex_apps}") == 0
            assert failures(connection) == [(GONE, full.value.sqlstate, "app2", 2)]
            # When there is room again, the next run makes the jobs.
            connection.execute("delete from harpsweep.job")
            connection.execute("vacuum harpsweep.job")
            assert one(connection, "select harpsweep.reconcile()") == 2
            assert jobs(connection, "appid", "image_id", "host") == [
                (f"app{number}", image(number), "127.0.0.1:8780") for number in (1, 2)]
