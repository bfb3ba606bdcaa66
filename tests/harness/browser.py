"""Chromium without a screen, spoken to in the DevTools protocol through two pipes: what a page looks like, what it
complains about, and what it asks the network for."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL = "apt-get install --no-install-recommends chromium"
LIMIT_S = 60


class NoBrowser(Exception):
    """There is none, and how to get one."""


def find():
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    raise NoBrowser(f"none of {', '.join(NAMES)} is there; hint: {INSTALL}")


class Browser:
    """One for many pages; show() opens the next one."""

    def __init__(self, folder):
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()
        # Above 10, so that neither is in the other's way when it becomes 3 and 4.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_read, to_write)]
        program = [find(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
                   "--hide-scrollbars", "--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{ends[0]} 4>&{ends[1]}', "bash", *program], pass_fds=ends,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in (to_read, to_write, *ends):
            os.close(end)
        self._buffer, self._number, self._session = b"", 0, None
        self.complaints, self.requests = [], []
        target = next(entry for entry in self._call("Target.getTargets")["targetInfos"] if entry["type"] == "page")
        self._session = self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self._call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def _receive(self, limit):
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], max(0, limit - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            got = os.read(self._in, 1 << 20)
            if not got:
                raise EOFError(f"the browser ended: {self._process.wait(timeout=10)}")
            self._buffer += got
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def _note(self, message):
        """What happens beside the answers."""
        method, about = message.get("method"), message.get("params", {})
        if method == "Runtime.consoleAPICalled":
            self.complaints.append(" ".join(str(part.get("value", part)) for part in about["args"]))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(about["exceptionDetails"]["text"])
        elif method == "Log.entryAdded":
            self.complaints.append(about["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])

    def _call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        limit = time.monotonic() + LIMIT_S
        while True:
            answer = self._receive(limit)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def show(self, path, width=1280, scheme="light", media="screen", height=900):
        """Loads a file; complaints and requests are those of this page from then on."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self._call("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.complaints, self.requests = [], []
        self._call("Page.navigate", url=f"file://{path}")
        limit = time.monotonic() + LIMIT_S
        while self.tell("document.readyState + location.href") != f"completefile://{path}":
            assert time.monotonic() < limit, "the page does not become complete"
            time.sleep(0.02)
        self.tell("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def tell(self, expression):
        """The value of an expression in the page."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, path):
        """The whole page as a PNG."""
        shot = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def paper(self):
        """It printed, as a PDF."""
        return base64.b64decode(self._call("Page.printToPDF", printBackground=False)["data"])

    def spoken(self):
        """(role, name) of all that a screen reader is told."""
        nodes = self._call("Accessibility.getFullAXTree")["nodes"]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")]
