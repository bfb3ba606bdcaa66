"""A real Docker Engine of our own: private folders, private socket, no network, settings of nobody else.

Needs root and Debian's docker.io. Images come from small tar archives or from a registry on 127.0.0.1
(registry.py), containers are created and never started.
"""

import atexit
import http.client
import io
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
import urllib.parse

START_LIMIT_S = 60
STOP_LIMIT_S = 20


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
        self.folder = self.process = self.socket = self.dockerd = None
        # Not the folder's name: containerd takes no "_" at the end of one, nor beside another sign.
        self.namespace = "harpsweep-" + secrets.token_hex(8)

    def start(self):
        self.dockerd = find_dockerd()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="harpsweep-docker-"))
        atexit.register(self.stop)
        self.socket = str(self.folder / "docker.sock")
        self._write_settings()
        self.resume()
        return self

    def _write_settings(self):
        """In place of the machine's /etc/docker/daemon.json."""
        told = subprocess.run([self.dockerd, "--version"], capture_output=True, text=True, check=True).stdout
        version = re.search(r"version (\d+)", told)
        settings = {}
        if version and int(version.group(1)) < 25:  # these make a key, in /etc/docker if not told where
            settings["deprecated-key-path"] = str(self.folder / "key.json")
        (self.folder / "daemon.json").write_text(json.dumps(settings), encoding="utf-8")

    def resume(self):
        """Starts dockerd, at first or after halt(), on the same images."""
        command = [
            self.dockerd, "--config-file", self.folder / "daemon.json",
            "--data-root", self.folder / "data", "--exec-root", self.folder / "exec", "--pidfile", self.folder / "pid",
            "--host", f"unix://{self.socket}", "--storage-driver=vfs",
            # The machine's network stays as it is; so does a containerd that runs already, and is then used.
            "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false",
            "--containerd-namespace", self.namespace, "--containerd-plugins-namespace", self.namespace + "-plugins",
        ]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env={"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}, start_new_session=True)
        limit = time.monotonic() + START_LIMIT_S
        while self.process.poll() is None and time.monotonic() < limit:
            try:
                if self.ask("GET", "/_ping")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        words = (self.folder / "log").read_text(errors="replace")[-2000:]
        self.stop()
        raise EngineError(f"dockerd did not start:\n{words}")

    def halt(self, number=signal.SIGTERM):
        """Ends dockerd; its images stay. Its containerd, a child in a session of its own, goes with it."""
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_LIMIT_S)
        self.process = None
        # After a kill: another process may have its containerd's number by the next start.
        (self.folder / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)

    def stop(self):
        """Ends it, and leaves nothing of it."""
        atexit.unregister(self.stop)
        self.halt()
        if self.folder is None:
            return
        for point in self.mounts():
            subprocess.run(["umount", point], check=False)
        if self.mounts():
            raise EngineError(f"still mounted, so left as it is: {self.mounts()}")
        subprocess.run(["rm", "-rf", "--one-file-system", self.folder], check=True)
        self.folder = None

    def mounts(self):
        """What is mounted in its folder, innermost first."""
        lines = pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
        return [point for point in (line.split()[1] for line in reversed(lines)) if point.startswith(f"{self.folder}/")]

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

    def pull(self, repository, tag_or_digest):
        """From a registry; returns the image's ID."""
        query = urllib.parse.urlencode({"fromImage": repository, "tag": tag_or_digest})
        told = self._do("POST", f"/images/create?{query}").decode()
        if '"error"' in told:
            raise EngineError(told)
        return self.image_id(repository + ("@" if ":" in tag_or_digest else ":") + tag_or_digest)

    def tag(self, image, name):
        repository, _, tag = name.rpartition(":")
        query = urllib.parse.urlencode({"repo": repository, "tag": tag})
        self._do("POST", f"/images/{urllib.parse.quote(image, safe='')}/tag?{query}")

    def inspect(self, reference):
        """What Docker tells of an image, or None where there is no such image."""
        status, data = self.ask("GET", f"/images/{urllib.parse.quote(reference, safe='')}/json")
        return json.loads(data) if status == 200 else None

    def image_id(self, reference):
        """Its ID, or None where there is no such image."""
        image = self.inspect(reference)
        return image and image["Id"]

    def images(self):
        """{ID: [names]} of all images, as of `docker images --all`."""
        told = json.loads(self._do("GET", "/images/json?all=1"))
        return {image["Id"]: sorted(set(image["RepoTags"] or []) - {"<none>:<none>"}) for image in told}

    def drop_image(self, reference):
        self._do("DELETE", f"/images/{urllib.parse.quote(reference, safe='')}?force=1")

    def create_container(self, image, name):
        body = json.dumps({"Image": image, "Cmd": ["/payload"]})
        self._do("POST", f"/containers/create?name={name}", body)

    def commit(self, container, name):
        """An image from a container, the child of the container's; returns its ID."""
        repository, _, tag = name.rpartition(":")
        query = urllib.parse.urlencode({"container": container, "repo": repository, "tag": tag})
        self._do("POST", f"/commit?{query}")
        return self.image_id(name)

    def containers(self):
        """Names of all containers."""
        return [container["Names"][0][1:] for container in json.loads(self._do("GET", "/containers/json?all=1"))]

    def remove_container(self, name):
        self._do("DELETE", f"/containers/{name}?force=1")
