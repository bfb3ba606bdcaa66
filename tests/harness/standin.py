"""The stand-in for HaRP as a process of its own, and what tests say to it."""

import json
import pathlib
import socket
import subprocess

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "standin" / "harp_standin.py"
KEY = "test-shared-key"


class Standin:
    """`with Standin() as harp:` serves at harp.url until the block ends.

    engines: {docker-engine-port: "memory" or "docker:SOCKET"}; more options as of the script, `delay_ms=50`.
    """

    def __init__(self, key=KEY, engines=None, **options):
        self.key = key
        command = ["/usr/bin/python3", str(SCRIPT), "--key", key]
        for port, engine in (engines or {24000: "memory"}).items():
            command += ["--engine", f"{port}={engine}"]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        self.command = command
        self.secure = "tls_cert" in options
        self.process = self.port = self._control = None

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the stand-in for HaRP did not start")
        ports = json.loads(line)
        self.port = ports["port"]
        self._control = socket.create_connection(("127.0.0.1", ports["control"])).makefile("rw", encoding="utf-8")
        return self

    def stop(self):
        if self._control is not None:
            self._control.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        return f"{'https' if self.secure else 'http'}://{'localhost' if self.secure else '127.0.0.1'}:{self.port}"

    def tell(self, do, **call):
        self._control.write(json.dumps({"do": do, **call}) + "\n")
        self._control.flush()
        reply = json.loads(self._control.readline())
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply["value"]

    # The memory engine.

    def _engine(self, call, port=24000, **more):
        return self.tell("engine", port=port, call=call, **more)

    def add_image(self, *names, size=1_000_000, digests=None, last_tag=None, port=24000):
        """An image with these names; returns its ID. digests=[]: as if loaded by hand."""
        return self._engine("add_image", port, names=list(names), size=size, digests=digests, last_tag=last_tag)

    def tag(self, image, name, when=None, port=24000):
        self._engine("tag", port, image=image, name=name, when=when)

    def untag(self, name, port=24000):
        self._engine("untag", port, name=name)

    def drop_image(self, image, port=24000):
        self._engine("drop_image", port, image=image)

    def add_container(self, image, name="nc_app_x", port=24000):
        self._engine("add_container", port, image=image, name=name)

    def drop_container(self, name="nc_app_x", port=24000):
        self._engine("drop_container", port, name=name)

    def images(self, port=24000):
        """{ID: [names]}"""
        return self._engine("image_list", port)

    def image_list(self, port=24000):
        """Names, or the ID of an image without one; sorted."""
        return sorted(", ".join(names) or image for image, names in self.images(port).items())

    def remember(self, port=24000):
        """What is in the engine now, for recall()."""
        self._engine("remember", port)

    def recall(self, port=24000):
        self._engine("recall", port)

    # Faults and the log.

    def fault(self, **fault):
        """kind, ref (both may be left out), times, delay (s), effect, fault (a name) or status, body, content_type,
        headers; fault="raw" sends body as it is."""
        self.tell("fault", **fault)

    def clear_faults(self):
        self.tell("clear_faults")

    def set(self, **settings):
        self.tell("set", **settings)

    def refuse(self, refuse=True):
        """Stop listening, or listen again."""
        self.tell("refuse", refuse=refuse)

    def log(self, kind=None):
        """What was asked, in order; of one kind only, or all."""
        return [entry for entry in self.tell("log") if kind in (None, entry["kind"])]

    def clear_log(self):
        self.tell("clear_log")

    def begin_anew(self):
        """As just started: no image, no fault, no strike, nothing logged, and it listens."""
        self.tell("begin_anew")
