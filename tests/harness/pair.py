"""A primary and a streaming standby, and the failover that loses the newest commits.

Replication is asynchronous, as it is in most places: a primary that dies takes with it what its standby had not
got. fail_over() makes that certain instead of likely, by ending the replication a moment before.

    with Pair() as pair:
        pair.primary.create_database("x")
        pair.fail_over(0.5)          # everything committed in that half second is lost
        with pair.old_alone() as old:
            ...                      # what the old primary knew, for a judge
        pair.rebuild()               # the old primary follows the new one

Call it from one thread that lives as long as the pair: a server dies with the thread that started it.
"""

import contextlib
import os
import shutil
import time

from harness.cluster import SUPERUSER, Cluster, ClusterError, free_port, quote

PROMOTION_LIMIT_S = 30
FOLLOW_LIMIT_S = 60


class Node(Cluster):
    """A cluster that can become another's standby, and a primary again."""

    def follow(self, primary):
        """Starts anew with a base backup of primary, as its standby; address and port stay."""
        self.halt("immediate")
        if self.base is None:
            self._make_folder()
        self.port = self.port or free_port()
        shutil.rmtree(f"{self.base}/data", ignore_errors=True)
        self._run_tool("pg_basebackup", "--pgdata", f"{self.base}/data", "--wal-method=stream", "--checkpoint=fast",
                       "--no-sync", "--no-manifest", "--write-recovery-conf", "--dbname",
                       primary.conninfo(application_name="standby"))
        self.start()
        self._wait(FOLLOW_LIMIT_S, "select status = 'streaming' from pg_stat_wal_receiver", "does not stream")

    def detach(self):
        """Ends the replication: nothing that is committed from here on arrives."""
        self.execute("alter system set primary_conninfo = ''")
        self.execute("select pg_reload_conf()")
        self._wait(PROMOTION_LIMIT_S, "select count(*) = 0 from pg_stat_wal_receiver", "still streams")

    def promote(self):
        if self.execute(f"select pg_promote(true, {PROMOTION_LIMIT_S})") != "t":
            raise ClusterError("the standby was not promoted:\n" + self.log()[-2000:])

    def _wait(self, seconds, question, words):
        limit = time.monotonic() + seconds
        while self.execute(question) != "t":
            if time.monotonic() > limit:
                raise ClusterError(f"the standby {words} after {seconds} s:\n" + self.log()[-2000:])
            time.sleep(0.02)


class Pair:
    """Two nodes that take turns as the primary; `primary` and `standby` say whose turn it is."""

    def __init__(self, settings=None, environment=None):
        settings = {"wal_keep_size": "512MB", "max_wal_size": "2GB", **(settings or {})}
        self.nodes = tuple(Node(settings, environment=environment) for _ in range(2))
        self.primary, self.standby = self.nodes
        self._addresses = []  # which stay, also while one of them is started elsewhere

    def start(self):
        try:
            self.primary.start()
            self.standby.follow(self.primary)
            self._addresses = [(node.base, node.port) for node in self.nodes]
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        for node in self.nodes:
            node.stop("immediate")

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def conninfo(self, database="postgres", user=SUPERUSER, **more):
        """Of whichever takes writes: both are named, and the client finds out."""
        hosts, ports = zip(*self._addresses)
        parts = {"host": ",".join(hosts), "port": ",".join(map(str, ports)), "dbname": database, "user": user, "target_session_attrs": "read-write", **more}
        return " ".join(f"{key}={quote(value)}" for key, value in parts.items())

    def fail_over(self, lost_s):
        """The primary dies, the standby takes its place without the last lost_s seconds. Returns the time.time() at
        which the replication had ended, the primary was dead, and the standby took writes."""
        self.standby.detach()
        detached = time.time()
        time.sleep(lost_s)
        self.primary.halt("immediate")
        dead = time.time()
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary
        return detached, dead, time.time()

    @contextlib.contextmanager
    def old_alone(self):
        """The primary that died, started once more where no client looks for it."""
        old = self.standby
        port, old.port = old.port, free_port()
        try:
            yield old.start()
        finally:
            old.halt("immediate")
            old.port = port

    def rebuild(self):
        """The one that died becomes the standby of the other."""
        self.standby.follow(self.primary)
