"""What the integration tests share: a temporary PostgreSQL cluster and a fresh database each."""

import contextlib
import datetime
import itertools
import os
import socket
import sys

import psycopg
import pytest
from psycopg.types.datetime import TimestamptzLoader

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.cluster import Cluster  # noqa: E402  pylint: disable=wrong-import-position
from harness.matrix import Scene  # noqa: E402  pylint: disable=wrong-import-position
from harness.nextcloud import NAMES as NEXTCLOUD_TABLES, Nextcloud  # noqa: E402  pylint: disable=wrong-import-position
from harness.program import Program  # noqa: E402  pylint: disable=wrong-import-position
from harness.rows import NEVER_RINGING, UNHEARD, UNHEARD_APPS, never_ringing  # noqa: E402  pylint: disable=wrong-import-position
from harness.standin import Standin  # noqa: E402  pylint: disable=wrong-import-position

TEMPLATE = "harpsweep_template"
NEXTCLOUD_TEMPLATE = "nextcloud_template"
WATCHED_TEMPLATE = "watched_template"
_numbers = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "docker: needs root and a Docker Engine (docker.io)")
    config.addinivalue_line("markers", "browser: needs Chromium (chromium)")


class EndlessLoader(TimestamptzLoader):
    """PostgreSQL's infinities, which a datetime cannot hold, as the first and the last datetime."""

    def load(self, data):
        if bytes(data) == b"-infinity":
            return datetime.datetime.min.replace(tzinfo=datetime.timezone.utc)
        if bytes(data) == b"infinity":
            return datetime.datetime.max.replace(tzinfo=datetime.timezone.utc)
        return super().load(data)


class Database:
    """A database of the test cluster; `conninfo` for programs, connect() for tests."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name
        self.conninfo = cluster.conninfo(name)
        self._connections = []

    def connect(self, role=None, autocommit=True):
        """A connection, closed with the test; as a role that can do what `role` may."""
        connection = psycopg.connect(self.conninfo, autocommit=autocommit)
        connection.adapters.register_loader("timestamptz", EndlessLoader)
        self._connections.append(connection)
        if role is not None:
            connection.execute(f'set session authorization "{role}"')
        return connection

    def close(self):
        for connection in self._connections:
            connection.close()
        self._connections.clear()


def fresh_database(cluster, template=None, owner=None):
    """Generator: a database for one test. Not by psql, which takes as long as the copy does."""
    database = Database(cluster, f"test_{next(_numbers)}")
    with psycopg.connect(cluster.conninfo(), autocommit=True) as connection:
        connection.execute(f"create database {database.name} template {template or 'template1'}"
                           f" owner {owner or 'postgres'}")
    try:
        yield database
    finally:
        database.close()
        with psycopg.connect(cluster.conninfo(), autocommit=True) as connection:
            connection.execute(f"drop database if exists {database.name} with (force)")


@pytest.fixture(scope="session")
def cluster():
    """The cluster of this test session."""
    with Cluster() as made:
        yield made


@contextlib.contextmanager
def nothing_is_forgotten(connection):
    """After a test: every open job that is left has an alarm, and every app that changed. Not where the test broke
    connection or schema. Said after what is done with it, so that it is not said of the next test too."""
    unheard = []
    if not connection.closed and connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
        with contextlib.suppress(psycopg.Error):
            unheard += connection.execute(UNHEARD).fetchall()
            unheard += connection.execute(UNHEARD_APPS).fetchall()
    yield
    assert unheard == []


@pytest.fixture(scope="session")
def template(cluster):  # pylint: disable=redefined-outer-name
    """Name of a database with the schema installed, to copy."""
    cluster.create_database(TEMPLATE)
    cluster.install(TEMPLATE)
    cluster.execute(NEVER_RINGING, TEMPLATE)
    return TEMPLATE


@pytest.fixture
def database(cluster, template):  # pylint: disable=redefined-outer-name
    """A fresh database with the schema installed."""
    yield from fresh_database(cluster, template)


@pytest.fixture
def empty_database(cluster):  # pylint: disable=redefined-outer-name
    """A fresh database without the schema."""
    yield from fresh_database(cluster)


@pytest.fixture
def connection(database):  # pylint: disable=redefined-outer-name
    """A superuser's connection to `database`, in autocommit mode."""
    made = database.connect()
    yield made
    with nothing_is_forgotten(made):
        pass


@pytest.fixture(scope="session")
def shared_database(cluster, template):  # pylint: disable=redefined-outer-name
    """One database with the schema, for rows_only."""
    yield from fresh_database(cluster, template)


@pytest.fixture
def rows_only(shared_database):  # pylint: disable=redefined-outer-name
    """As `connection`, but to a database that is emptied after the test and not made anew: ten
    times as fast, for tests that change nothing but rows."""
    made = shared_database.connect()
    yield made
    with nothing_is_forgotten(made):
        made.execute("truncate harpsweep.job, harpsweep.run, harpsweep.daemon restart identity")
        never_ringing(made)
    made.close()


@pytest.fixture
def notices(connection):  # pylint: disable=redefined-outer-name
    """Texts of the notices that `connection` received."""
    heard = []
    connection.add_notice_handler(lambda diagnostic: heard.append(diagnostic.message_primary))
    return heard


@pytest.fixture
def harp():
    """A stand-in for HaRP with an empty engine in memory on port 24000."""
    with Standin() as made:
        yield made


@pytest.fixture(scope="session")
def worker(cluster, template):  # pylint: disable=redefined-outer-name,unused-argument
    """A database user that may do what a run needs, and nothing else."""
    cluster.execute("create role cron_user login in role harpsweep_worker")
    return "cron_user"


@pytest.fixture
def program(tmp_path, cluster, database, harp, worker):  # pylint: disable=redefined-outer-name
    """bin/harpsweep for `database` and `harp`, whose daemon is called "harp"; as the worker role."""
    return Program(tmp_path, cluster.conninfo(database.name, user=worker), harp.url)


# Tables of faults: one scene for each row, of parts that are made once.


@pytest.fixture(scope="session")
def scene_harps():
    """Two stand-ins for HaRP, to be begun anew."""
    with Standin() as first, Standin() as second:
        yield first, second


@pytest.fixture(scope="session")
def trap():
    """A port of this machine's to which nobody connects: whoever does would have brought the key."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(0)
        yield made


@pytest.fixture(scope="session")
def scene_database(cluster, template):  # pylint: disable=redefined-outer-name
    """A database with the schema, and a superuser's connection to it."""
    for database in fresh_database(cluster, template):  # pylint: disable=redefined-outer-name
        yield database, database.connect()


@pytest.fixture
def scene(tmp_path, cluster, scene_database, worker, scene_harps, trap):  # pylint: disable=redefined-outer-name
    """What a fault is put into: see harness.matrix."""
    database, connection = scene_database  # pylint: disable=redefined-outer-name
    for harp in scene_harps:  # pylint: disable=redefined-outer-name
        harp.begin_anew()
    program = Program(tmp_path, cluster.conninfo(database.name, user=worker),  # pylint: disable=redefined-outer-name
                      scene_harps[0].url)
    yield Scene(program, connection, *scene_harps, trap.getsockname()[1])
    with nothing_is_forgotten(connection):
        for table in ("job", "run", "daemon"):
            connection.execute(f"delete from harpsweep.{table}")
        never_ringing(connection)
    with pytest.raises(BlockingIOError):
        trap.accept()


# Nextcloud's tables in the database, watched or not. AppAPI is a user of its own there, who owns Nextcloud's
# tables and has no right to anything of harpsweep's, which a superuser installed.


@pytest.fixture(scope="session")
def nextcloud_template(cluster):  # pylint: disable=redefined-outer-name
    """Name of a database with Nextcloud's tables and no harpsweep, to copy."""
    cluster.execute("create role nextcloud login")
    cluster.create_database(NEXTCLOUD_TEMPLATE, owner="nextcloud")
    cluster.execute("grant create on schema public to nextcloud", NEXTCLOUD_TEMPLATE)
    with psycopg.connect(cluster.conninfo(NEXTCLOUD_TEMPLATE, "nextcloud"), autocommit=True) as made:
        Nextcloud(made).create_tables()
    return NEXTCLOUD_TEMPLATE


@pytest.fixture(scope="session")
def watched_template(cluster, nextcloud_template):  # pylint: disable=redefined-outer-name
    """Name of a database with Nextcloud's tables, which harpsweep watches, to copy."""
    cluster.create_database(WATCHED_TEMPLATE, template=nextcloud_template, owner="nextcloud")
    cluster.install(WATCHED_TEMPLATE, nextcloud="on")
    cluster.execute(NEVER_RINGING, WATCHED_TEMPLATE)
    return WATCHED_TEMPLATE


@pytest.fixture
def nextcloud_database(cluster, nextcloud_template):  # pylint: disable=redefined-outer-name
    """A fresh database with Nextcloud's tables and no harpsweep."""
    yield from fresh_database(cluster, nextcloud_template, owner="nextcloud")


@pytest.fixture
def watched_database(cluster, watched_template):  # pylint: disable=redefined-outer-name
    """A fresh database with Nextcloud's tables, which harpsweep watches."""
    yield from fresh_database(cluster, watched_template, owner="nextcloud")


@pytest.fixture(scope="session")
def watched_shared(cluster, watched_template):  # pylint: disable=redefined-outer-name
    """One database for watched_rows."""
    yield from fresh_database(cluster, watched_template, owner="nextcloud")


@pytest.fixture(scope="session")
def watched_sessions(cluster, watched_shared):  # pylint: disable=redefined-outer-name
    """A superuser's connection to it and AppAPI's. A new session takes as long as many a test."""
    kept = Database(cluster, watched_shared.name)
    sessions = kept.connect(), kept.connect("nextcloud")
    for session in sessions:
        session.prepare_threshold = None  # for "discard all"
    yield sessions
    kept.close()


@pytest.fixture
def watched_rows(watched_shared, watched_sessions):  # pylint: disable=redefined-outer-name
    """That database, emptied after the test and not made anew: for tests that change nothing but rows."""
    yield watched_shared
    watched_shared.close()
    for session in watched_sessions:
        session.execute("discard all")
    superuser, appapi = watched_sessions
    with nothing_is_forgotten(superuser):
        appapi.execute("set session authorization nextcloud")
        # Without the triggers, and by delete: for few rows it is many times as fast as truncate.
        superuser.execute("set session_replication_role = replica")
        for table in ("job", "run", "daemon", "exapp_image", "intake_error"):
            superuser.execute(f"delete from harpsweep.{table}")
        for table in NEXTCLOUD_TABLES:
            superuser.execute(f"delete from oc_{table}")
        superuser.execute("reset session_replication_role")
        never_ringing(superuser)


@pytest.fixture
def watched(watched_rows, watched_sessions):  # pylint: disable=redefined-outer-name,unused-argument
    """A superuser's connection to watched_rows, in autocommit mode."""
    return watched_sessions[0]


@pytest.fixture
def nextcloud(watched_rows, watched_sessions):  # pylint: disable=redefined-outer-name,unused-argument
    """Nextcloud in watched_rows, on AppAPI's own connection."""
    return Nextcloud(watched_sessions[1])
