"""A real Docker Engine of our own: private folders, private socket, no network, no registry.

Needs root and Debian's docker.io. Images come from small tar archives, containers are created and never started.
"""

import atexit
import http.client
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
import urllib.parse


class EngineError(Exception):
    """The engine could not be started, or refused what it was told."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("docker", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def find_dockerd():
    found = shutil.which("dockerd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise EngineError("dockerd is missing: apt-get install docker.io")
    if os.geteuid() != 0:
        raise EngineError("a Docker Engine needs root: run this as root, or leave it out with --no-docker")
    return found


class DockerEngine:
    """`with DockerEngine() as engine:` until the block ends; engine.socket is where it listens."""

    def __init__(self):
        self.folder = self.process = self.socket = None

    def start(self):
        dockerd = find_dockerd()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="harpsweep-docker-"))
        atexit.register(self.stop)
        self.socket = str(self.folder / "docker.sock")
        with (self.folder / "log").open("w") as log:
            # Its containerd is a child of it in the same process group, which is how both are ended.
            self.process = subprocess.Popen(
                [dockerd, "--data-root", self.folder / "data", "--exec-root", self.folder / "exec",
                 "--pidfile", self.folder / "pid", "--host", f"unix://{self.socket}", "--storage-driver=vfs",
                 "--iptables=false", "--ip6tables=false", "--bridge=none"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                if self.ask("GET", "/_ping")[0] == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.1)
        words = (self.folder / "log").read_text()[-2000:]
        self.stop()
        raise EngineError(f"dockerd did not start:\n{words}")

    def stop(self):
        if self.process is not None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(self.process.pid, number)
                    self.process.wait(20)
                    break
                except ProcessLookupError:
                    break
                except subprocess.TimeoutExpired:
                    pass
            self.process = None
        if self.folder is not None:
            with open("/proc/self/mounts", encoding="utf-8") as mounts:
                for line in reversed(mounts.readlines()):
                    point = line.split()[1]
                    if point.startswith(str(self.folder)):
                        subprocess.run(["umount", point], check=False)
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None
        atexit.unregister(self.stop)

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def ask(self, method, path, body=None, content_type="application/json"):
        connection = _UnixConnection(self.socket)
        try:
            connection.request(method, path, body, {"Content-Type": content_type} if body is not None else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _do(self, method, path, body=None, content_type="application/json"):
        status, data = self.ask(method, path, body, content_type)
        if status >= 300:
            raise EngineError(f"{method} {path}: {status} {data.decode('utf-8', 'replace')}")
        return data

    def import_image(self, name, size=1000):
        """An image of one file of `size` bytes; returns its ID."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            info = tarfile.TarInfo("payload")
            info.size = size
            tar.addfile(info, io.BytesIO(os.urandom(size)))
        repository, _, tag = name.rpartition(":")
        query = urllib.parse.urlencode({"fromSrc": "-", "repo": repository, "tag": tag})
        self._do("POST", f"/images/create?{query}", archive.getvalue(), "application/x-tar")
        return self.image_id(name)

    def tag(self, image, name):
        repository, _, tag = name.rpartition(":")
        query = urllib.parse.urlencode({"repo": repository, "tag": tag})
        self._do("POST", f"/images/{urllib.parse.quote(image, safe='')}/tag?{query}")

    def image_id(self, reference):
        """Its ID, or None where there is no such image."""
        status, data = self.ask("GET", f"/images/{urllib.parse.quote(reference, safe='')}/json")
        return json.loads(data)["Id"] if status == 200 else None

    def create_container(self, image, name):
        body = json.dumps({"Image": image, "Cmd": ["/payload"]})
        self._do("POST", f"/containers/create?name={name}", body)

    def remove_container(self, name):
        self._do("DELETE", f"/containers/{name}?force=1")
