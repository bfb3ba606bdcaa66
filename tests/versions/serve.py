"""In a tree: a PostgreSQL cluster on 127.0.0.1 until standard input ends; prints how to reach it, as JSON."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness.cluster import Cluster  # noqa: E402  pylint: disable=wrong-import-position

with Cluster() as cluster:
    print(json.dumps({"port": cluster.port, "password": cluster.password, "version": cluster.version}), flush=True)
    sys.stdin.read()
