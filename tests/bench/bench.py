#!/usr/bin/python3
"""Measures harpsweep on a temporary PostgreSQL cluster (fsync on) and a fast HaRP stand-in.

Every figure stands beside one of something else that was run in the same turn: `curl --parallel` sending the
same requests without a database, a bare libpq program that connects and selects, other queues. Medians of
--runs, ratios within a turn. A run counts only if the stand-in saw exactly the requests that it should have
seen and the table holds exactly the results.
"""

import argparse
import os
import subprocess
import sys
import tempfile

from measuring import FIGURES, Bench

from harness.cluster import Cluster

import costs
import database
import drain
import idle
import scale
import size

PARTS = {
    "throughput": drain.throughput, "watched": drain.watched, "slots": drain.slots, "events": drain.events, "peers": drain.peers,
    "idle": idle.idle, "memory": database.memory, "history": database.history, "backlog": database.backlog,
    "snapshot": database.snapshot, "bouncer": database.bouncer, "trigger": database.trigger, "daemons": scale.daemons,
    "outage": scale.outage, "together": scale.together, "costs": costs.costs, "size": size.size,
    "fleet": scale.fleet,  # the last: autovacuum would be long in coming round through its databases
}


def speak_tls(cluster):
    """With a certificate of its own that belongs to the server's account."""
    owner = os.stat(cluster.base)
    paths = {name: os.path.join(cluster.base, "server." + name) for name in ("crt", "key")}
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-out", paths["crt"], "-keyout", paths["key"]], check=True, capture_output=True)
    for path in paths.values():
        os.chown(path, owner.st_uid, owner.st_gid)
        os.chmod(path, 0o600)
    for name, value in (("ssl_cert_file", paths["crt"]), ("ssl_key_file", paths["key"]), ("ssl", "on")):
        cluster.execute(f"alter system set {name} = '{value}'")
    cluster.execute("select pg_reload_conf()")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--history", type=int, default=10_000_000, help="finished rows in the table (default: %(default)s)")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"no such part: {unknown[0]}; there are {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory(prefix="harpsweep-bench-") as folder, \
            Cluster(fsync=True, settings={"max_wal_size": "4GB", "shared_buffers": "1GB"}) as cluster:
        speak_tls(cluster)
        bench = Bench(cluster, folder, arguments.runs, arguments.history)
        for name, part in PARTS.items():
            if name in (arguments.parts or PARTS):
                part(bench)
    print(f"\nfigures for the plots: {FIGURES}")


if __name__ == "__main__":
    sys.exit(main())
