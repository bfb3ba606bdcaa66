"""What the integration tests share: a temporary PostgreSQL cluster and a fresh database each."""

import itertools
import os
import sys

import psycopg
import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.cluster import Cluster  # noqa: E402  pylint: disable=wrong-import-position

TEMPLATE = "harpsweep_template"
_numbers = itertools.count(1)


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
        self._connections.append(connection)
        if role is not None:
            connection.execute(f'set session authorization "{role}"')
        return connection

    def close(self):
        for connection in self._connections:
            connection.close()


def fresh_database(cluster, template=None):
    """Generator: a database for one test."""
    database = Database(cluster, f"test_{next(_numbers)}")
    cluster.create_database(database.name, template=template)
    try:
        yield database
    finally:
        database.close()
        cluster.drop_database(database.name)


@pytest.fixture(scope="session")
def cluster():
    """The cluster of this test session."""
    with Cluster() as made:
        yield made


@pytest.fixture(scope="session")
def template(cluster):  # pylint: disable=redefined-outer-name
    """Name of a database with the schema installed, to copy."""
    cluster.create_database(TEMPLATE)
    cluster.install(TEMPLATE)
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
    return database.connect()
