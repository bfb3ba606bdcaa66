"""A private PostgreSQL cluster in a temporary folder, for tests and benchmarks.

Standard library only. It listens on a Unix socket in a folder of mode 0700 (no password) and on a
free port of 127.0.0.1 (a random password, so that nobody else on the machine gets in). No system
service is touched, and only processes that it started itself are ever signalled.

    with Cluster() as cluster:
        cluster.create_database("test")
        cluster.install("test")
        subprocess.run(["psql", cluster.conninfo("test"), "-c", "select * from harpsweep.jobs"])
"""

import ctypes
import glob
import os
import pwd
import re
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SUPERUSER = "postgres"
START_LIMIT_S = 60
STOP_LIMIT_S = 60
STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
PR_SET_PDEATHSIG = 1


class ClusterError(Exception):
    """What went wrong, with the server's or the tool's own words."""


def find_bindir():
    """The folder of initdb and postgres: $PG_BINDIR, the newest in Debian's layout, or PATH's."""
    candidates = [os.environ["PG_BINDIR"]] if os.environ.get("PG_BINDIR") else []
    candidates += sorted(
        glob.glob("/usr/lib/postgresql/*/bin"),
        key=lambda path: int(re.sub(r"\D", "", path.split("/")[4]) or 0),
        reverse=True,
    )
    try:
        told = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True)
        candidates.append(told.stdout.strip())
    except (OSError, subprocess.CalledProcessError):
        pass
    for path in candidates:
        if all(os.access(os.path.join(path, tool), os.X_OK) for tool in ("initdb", "postgres")):
            return path
    raise ClusterError(
        "no PostgreSQL server found (initdb, postgres); hint: apt-get install postgresql, "
        "or set PG_BINDIR to the folder of its programs"
    )


def find_psql(bindir):
    """The client that people run; the server's own where PATH has none."""
    psql = shutil.which("psql") or os.path.join(bindir, "psql")
    if not os.access(psql, os.X_OK):
        raise ClusterError("no psql found; hint: apt-get install postgresql-client")
    return psql


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _server_account():
    """PostgreSQL refuses to run as root: (uid, gid) to run it as then, else None."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
        except KeyError:
            continue
    raise ClusterError("running as root, and there is neither a user postgres nor nobody to run as")


def quote(value):
    """A value of a conninfo string."""
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


class Cluster:
    """One cluster; started by start() or `with`, gone without a trace after stop()."""

    def __init__(self, settings=None, fsync=False, directory=None, file_limit=None, environment=None):
        """settings: postgresql.conf by name, over the defaults below. fsync: needed only by tests
        that pull the machine's plug; `immediate` stops lose nothing without it. directory: where
        to make the temporary folder (short: a socket's path has room for 107 bytes). file_limit:
        no file of the server's grows beyond so many bytes, as with a quota; its log's segments
        have 16 MB. environment: more variables for the server, such as another clock's."""
        self.bindir = find_bindir()
        self.psql_path = find_psql(self.bindir)
        self.version = self._ask_version()
        self.port = None
        self.password = secrets.token_hex(16)
        self.base = None
        self.process = None
        self._file_limit = file_limit
        self.environment = environment or {}
        self._account = _server_account()
        self._parent = directory or ("/tmp" if os.path.isdir("/tmp") else None)
        self.settings = {
            "listen_addresses": "127.0.0.1",
            "max_connections": "100",
            "shared_buffers": "32MB",
            "fsync": "on" if fsync else "off",
            "full_page_writes": "on" if fsync else "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "lc_messages": "C",
            "logging_collector": "off",
            "log_line_prefix": "%m [%p] %u@%d ",
        }
        self.settings.update(settings or {})

    # ------------------------------------------------------------------ life

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Makes the cluster at the first call, starts it at each; returns itself."""
        if self.process is not None:
            return self
        try:
            if self.base is None:
                self._make()
            for _ in range(5):
                # The port is kept over restarts; only a first start may look for another one.
                self.port = self.port or free_port()
                if self._launch():
                    return self
                self.port = None
            raise ClusterError("no free port for PostgreSQL:\n" + self.log()[-2000:])
        except BaseException:
            self.stop("immediate")
            raise

    def halt(self, mode="fast"):
        """Stops the server and keeps the data: smart, fast, immediate (as if it had crashed)."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(STOP_SIGNALS[mode])
            try:
                self.process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait()
        self.process = None

    def restart(self, mode="fast"):
        """Same port, same data."""
        self.halt(mode)
        return self.start()

    def stop(self, mode="immediate"):
        """Stops the server and removes everything."""
        self.halt(mode)
        if self.base is not None:
            shutil.rmtree(self.base, ignore_errors=True)
            self.base = None
            self.port = None

    # ------------------------------------------------------------------ use

    def conninfo(self, database="postgres", user=SUPERUSER, **more):
        """Over the Unix socket, where every user is trusted."""
        return self._conninfo(host=self.base, dbname=database, user=user, **more)

    def tcp_conninfo(self, database="postgres", user=SUPERUSER, password=None, **more):
        """Over TCP; the password is the superuser's unless given."""
        return self._conninfo(
            host="127.0.0.1", dbname=database, user=user, password=password or self.password, **more
        )

    def psql(self, database, *arguments, user=SUPERUSER, check=True):
        """Runs psql without the caller's psqlrc; returns the CompletedProcess (text)."""
        done = subprocess.run(
            [self.psql_path, "-X", "-d", self.conninfo(database, user), *arguments],
            capture_output=True,
            text=True,
            env=self._environment(),
            check=False,
        )
        if check and done.returncode != 0:
            raise ClusterError(f"psql {' '.join(arguments)}: exit {done.returncode}\n{done.stderr}")
        return done

    def execute(self, sql, database="postgres", user=SUPERUSER):
        """One statement, or several in one transaction; returns unaligned rows as text."""
        done = self.psql(database, "-qAt", "-v", "ON_ERROR_STOP=1", "-c", sql, user=user)
        return done.stdout.rstrip("\n")

    def create_database(self, name, template=None, owner=None):
        """Returns its conninfo."""
        self.execute(
            f'create database "{name}"'
            + (f' template "{template}"' if template else "")
            + (f' owner "{owner}"' if owner else "")
        )
        return self.conninfo(name)

    def drop_database(self, name):
        """Also while somebody is connected."""
        self.execute(f'drop database if exists "{name}" with (force)')

    def run_file(self, database, path, user=SUPERUSER, check=True, **variables):
        """Runs a file of the repository, or another one, the way the README tells people to; with variables
        of psql."""
        given = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
        return self.psql(
            database,
            "-v",
            "ON_ERROR_STOP=1",
            *given,
            "-f",
            os.path.join(REPOSITORY, path),
            user=user,
            check=check,
        )

    def install(self, database, user=SUPERUSER, check=True, **variables):
        return self.run_file(database, "sql/install.sql", user=user, check=check, **variables)

    def uninstall(self, database, user=SUPERUSER, check=True):
        return self.run_file(database, "sql/uninstall.sql", user=user, check=check)

    def log(self):
        """What the server wrote so far."""
        try:
            with open(os.path.join(self.base, "log"), encoding="utf-8", errors="replace") as file:
                return file.read()
        except (OSError, TypeError):
            return ""

    # ------------------------------------------------------------------ parts

    def _conninfo(self, **parts):
        parts = {**parts, "port": self.port}
        return " ".join(f"{key}={quote(value)}" for key, value in parts.items())

    @staticmethod
    def _environment():
        """Without the caller's PG… variables, which would lead elsewhere."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        return {**kept, "LC_ALL": "C.UTF-8"}

    def _ask_version(self):
        told = subprocess.run(
            [os.path.join(self.bindir, "postgres"), "--version"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        return int(re.search(r"(\d+)", told.split(")")[1]).group(1))

    def _become_server(self):
        """In the child: gives up root, and dies with us should we be killed."""
        if self._file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self._file_limit, self._file_limit))
        if self._account is not None:
            uid, gid = self._account
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        os.setpgid(0, 0)  # a Ctrl-C in the terminal is ours to handle, not the server's
        try:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
        except (OSError, AttributeError):
            pass

    def _make_folder(self):
        self.base = tempfile.mkdtemp(prefix="hs-pg-", dir=self._parent)
        if self._account is not None:
            os.chown(self.base, *self._account)

    def _run_tool(self, tool, *arguments):
        """One of PostgreSQL's programs that work on the data, as whom the server runs."""
        done = subprocess.run(
            [os.path.join(self.bindir, tool), *arguments],
            capture_output=True,
            text=True,
            cwd="/",
            env=self._environment(),
            preexec_fn=self._become_server,
            check=False,
        )
        if done.returncode != 0:
            raise ClusterError(f"{tool}: exit {done.returncode}\n{done.stdout}{done.stderr}")

    def _make(self):
        self._make_folder()
        secret = os.path.join(self.base, "password")
        with open(secret, "w", encoding="ascii") as file:
            file.write(self.password + "\n")
        if self._account is not None:
            os.chown(secret, *self._account)
        try:
            self._run_tool(
                "initdb",
                f"--pgdata={self.base}/data",
                f"--username={SUPERUSER}",
                f"--pwfile={secret}",
                "--auth-local=trust",
                "--auth-host=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            )
        finally:
            os.unlink(secret)

    def _launch(self):
        """True when it answers; False when the port was taken meanwhile."""
        pid_file = os.path.join(self.base, "data", "postmaster.pid")
        arguments = [os.path.join(self.bindir, "postgres"), "-D", f"{self.base}/data"]
        settings = {
            **self.settings,
            "port": self.port,
            "unix_socket_directories": self.base,
        }
        for name, value in settings.items():
            arguments += ["-c", f"{name}={value}"]
        said_before = len(self.log())
        with open(os.path.join(self.base, "log"), "ab") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**self._environment(), **self.environment},
                preexec_fn=self._become_server,
            )
        limit = time.monotonic() + START_LIMIT_S
        while time.monotonic() < limit:
            if self.process.poll() is not None:
                self.process = None
                said = self.log()[said_before:]
                if "could not bind" in said or "Address already in use" in said:
                    return False
                raise ClusterError("PostgreSQL did not start:\n" + said[-2000:])
            if self._is_ready(pid_file):
                return True
            time.sleep(0.02)
        raise ClusterError(f"PostgreSQL is not ready after {START_LIMIT_S} s:\n" + self.log()[-2000:])

    def _is_ready(self, pid_file):
        """As pg_ctl finds out: the file's eighth line. Its first must be our child's number, as
        the file of a server that was stopped the hard way stays behind."""
        try:
            with open(pid_file, encoding="ascii", errors="replace") as file:
                lines = file.read().split("\n")
        except OSError:
            return False
        return (
            len(lines) > 7 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"
        )
