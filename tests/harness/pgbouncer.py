"""PgBouncer in transaction mode in front of a test cluster."""

import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import time

from harness.cluster import free_port


class PgBouncer:
    """`with PgBouncer(cluster) as bouncer:`; bouncer.conninfo(database, user) leads through it."""

    def __init__(self, cluster, pool_size=1):
        self.cluster = cluster
        self.pool_size = pool_size
        self.folder = self.process = None
        self.port = free_port()
        self.program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if self.program is None:
            raise RuntimeError("pgbouncer is missing: apt-get install pgbouncer")

    def start(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="harpsweep-bouncer-"))
        settings = self.folder / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = host={self.cluster.base} port={self.cluster.port}\n\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\nauth_type = any\n"
            f"auth_file =\npool_mode = transaction\ndefault_pool_size = {self.pool_size}\nmax_client_conn = 200\n"
            f"ignore_startup_parameters = extra_float_digits\nlogfile = {self.folder}/log\n")
        self._launch()
        return self

    def _launch(self):
        command = [self.program, "-q", str(self.folder / "pgbouncer.ini")]
        account = {}
        if os.geteuid() == 0:  # it refuses root
            owner = pwd.getpwuid(os.stat(self.cluster.base).st_uid)
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, owner.pw_uid, owner.pw_gid)
            account = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, **account)
        limit = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.05)

    def _end(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        """Clients lose their connections, as with a restarted service."""
        self._end()
        self._launch()

    def lead_to(self, cluster):
        """To another server from now on, as after a failover; clients lose their connections."""
        settings = self.folder / "pgbouncer.ini"
        place = "* = host={0.base} port={0.port}"
        settings.write_text(settings.read_text().replace(place.format(self.cluster), place.format(cluster)))
        self.cluster = cluster
        self.restart()

    def stop(self):
        if self.process is not None:
            self._end()
            self.process = None
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def conninfo(self, database, user):
        # With auth_type any, PgBouncer uses the user of its [databases] line: give it ours.
        settings = self.folder / "pgbouncer.ini"
        text = settings.read_text()
        line = f"* = host={self.cluster.base} port={self.cluster.port}"
        if f"{line}\n" in text:
            settings.write_text(text.replace(line, f"{line} user={user}"))
            self.restart()
        return f"host=127.0.0.1 port={self.port} dbname={database} user={user}"
