"""HTTP byte by byte, for tests of what a server says: nothing is retried, followed, decoded or hidden."""

import json
import socket
import threading

BASE = "/exapps/app_api"
NOTHING = "no byte of an answer"
KEY = "test-shared-key"
PORT = ("docker-engine-port", "24000")


class Reply:
    """status, headers (names in lower case), body; `end`: how the connection stood afterwards."""

    def __init__(self, head, body):
        line, *lines = head.decode("latin-1").split("\r\n")
        self.version, status, self.reason = line.split(" ", 2)
        self.status = int(status)
        self.headers = {name.lower(): value.strip() for name, _, value in (item.partition(":") for item in lines)}
        self.body = body.decode("utf-8")

    @property
    def short(self):
        """What the tables of tests hold."""
        return self.status, self.headers.get("content-type"), self.body

    @property
    def is_haproxys(self):
        """Rather than the agent's, which always says when and what it is."""
        return "date" not in self.headers and "server" not in self.headers


class Connection:
    """A connection to 127.0.0.1; address: where from (all of 127.0.0.0/8 is this machine)."""

    def __init__(self, port, address="127.0.0.1", timeout=5):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout, source_address=(address, 0))
        self.stream = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def read(self, method="GET"):
        """One answer. EOFError: it ended without a byte; ConnectionResetError, TimeoutError: as they say."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.stream.readline()
            if not line:
                raise EOFError(NOTHING if head == b"" else "half a head")
            head += line
        reply = Reply(head[:-4], b"")
        if reply.status == 100 or method == "HEAD":
            return reply
        length = int(reply.headers["content-length"])
        body = self.stream.read(length)
        if len(body) < length:
            raise EOFError("half a body")
        return Reply(head[:-4], body)

    def is_closed(self, seconds=0.5):
        """Whether the other side has ended it within that time."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def ask(self, method, path, headers=(), body=None, key=KEY, version="HTTP/1.1"):
        self.send(encode(method, path, headers, body, key, version))
        return self.read(method)


class Responder:
    """`with Responder(data) as port:` says the same to everybody, whatever is asked, and hangs up."""

    def __init__(self, data):
        self.data = data
        self.server = socket.create_server(("127.0.0.1", 0))

    def _serve(self):
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            with peer:
                peer.recv(65536)
                peer.sendall(self.data)

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self.server.getsockname()[1]

    def __exit__(self, *_):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()


def encode(method, path, headers=(), body=None, key=KEY, version="HTTP/1.1"):
    """A request; headers: pairs, in order, sent as they are. key None: without one."""
    lines = [f"{method} {path} {version}", "Host: harp"]
    lines += [f"harp-shared-key: {key}"] if key is not None else []
    lines += [f"{name}: {value}" for name, value in headers]
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    if body is not None:
        lines += ["" if any(name.lower() == "content-type" for name, _ in headers) else "Content-Type: application/json",
                  f"Content-Length: {len(body)}"]
    return "\r\n".join(filter(None, lines)).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def ask(port, method, path, headers=(), body=None, key=KEY, version="HTTP/1.1", address="127.0.0.1", timeout=5):
    """One request over a connection of its own."""
    with Connection(port, address, timeout) as connection:
        return connection.ask(method, path, headers, body, key, version)


def remove(port, reference):
    """HaRP's answer to image_remove: (status, body)."""
    reply = ask(port, "POST", BASE + "/docker/exapp/image_remove", [PORT], {"image_ref": reference})
    return reply.status, reply.body
