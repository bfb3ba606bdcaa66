#!/usr/bin/python3
"""What harpsweep's trigger costs AppAPI: microseconds per statement, with the trigger and without it in turn.

The statement is the one that AppAPI sends for every percent of a pull: an UPDATE of the app's status, in a
transaction of its own. On a temporary cluster with fsync, but with synchronous_commit off in the session: the
wait for the disk is hundreds of times as long, differs from one statement to the next, and is the same with and
without a trigger. Figures are medians over the statements of a round, and over the rounds; the machine's noise is
shown as the least and the most of a round.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

import psycopg

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from harness.cluster import Cluster  # noqa: E402
from harness.nextcloud import Nextcloud  # noqa: E402

UPDATE = "update oc_ex_apps set status = %s where appid = %s"
DELETE = "delete from oc_ex_apps where appid = %s"
GOAL_US = 50


def connect(cluster):
    connection = psycopg.connect(cluster.conninfo("nextcloud", "nextcloud"), autocommit=True)
    connection.execute("set synchronous_commit = off")
    return connection


def switch(connection, enabled):
    connection.execute(f"alter table oc_ex_apps {'enable' if enabled else 'disable'} trigger harpsweep")


def timed(call):
    """Microseconds."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1e6


def pull(connection, statements):
    """The median of that many updates, after some that fill the caches."""
    def update(number):
        status = {"deploy": number % 94, "init": 0, "action": "deploy", "type": "install", "error": "",
                  "deploy_start_time": 1700000000}
        connection.execute(UPDATE, (json.dumps(status), "app"), prepare=True)

    for number in range(100):
        update(number)
    return statistics.median(timed(lambda n=number: update(n)) for number in range(statements))


def first_update(cluster):
    """In a session that has just begun, where the server knows nothing of the trigger's function yet."""
    with connect(cluster) as connection:
        connection.execute("select status from oc_ex_apps where appid = 'app'")
        return timed(lambda: connection.execute(UPDATE, ('{"deploy": 5}', "app")))


def removal(connection, nextcloud, number):
    """Of an app, which makes a row of harpsweep's."""
    appid = f"gone{number}"
    nextcloud.insert_app(appid)
    return timed(lambda: connection.execute(DELETE, (appid,), prepare=True))


def compare(name, measure, owner, rounds):
    """Rounds with and without the trigger, the order changing; prints a line and returns the difference."""
    figures = {True: [], False: []}
    for number in range(rounds):
        for enabled in (True, False) if number % 2 == 0 else (False, True):
            switch(owner, enabled)
            figures[enabled].append(measure())
    switch(owner, True)
    difference = statistics.median(a - b for a, b in zip(figures[True], figures[False]))

    def cell(values):
        return f"{statistics.median(values):7.1f} ({min(values):.1f} to {max(values):.1f})"

    print(f"{name:34} {cell(figures[True]):>26} {cell(figures[False]):>26} {difference:+9.1f}", flush=True)
    return difference


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--statements", type=int, default=2000, help="updates per round")
    options = parser.parse_args()
    with Cluster(fsync=True) as cluster:
        cluster.execute("create role nextcloud login")
        cluster.create_database("nextcloud", owner="nextcloud")
        cluster.execute("grant create on schema public to nextcloud", "nextcloud")
        with connect(cluster) as connection, connect(cluster) as owner:
            nextcloud = Nextcloud(owner).create_tables()
            cluster.install("nextcloud", nextcloud="on")
            nextcloud.add_daemon()
            nextcloud.insert_app("app")
            print(f"PostgreSQL {connection.info.server_version // 10000}, fsync on, synchronous_commit off; microseconds"
                  f" per statement, median (least to most) of {options.rounds} rounds")
            print(f"{'':34} {'with the trigger':>26} {'without it':>26} {'cost':>9}")
            cost = compare(f"status, {options.statements} updates a round", lambda: pull(connection, options.statements),
                           owner, options.rounds)
            compare("status, first of a session", lambda: statistics.median(first_update(cluster) for _ in range(9)),
                    owner, options.rounds)
            numbers = iter(range(10 ** 9))
            compare("app removed", lambda: statistics.median(removal(connection, nextcloud, next(numbers))
                                                             for _ in range(50)), owner, options.rounds)
    print(f"goal for an update: under {GOAL_US} us; {'reached' if cost < GOAL_US else 'missed'}")
    return 0 if cost < GOAL_US else 1


if __name__ == "__main__":
    sys.exit(main())
