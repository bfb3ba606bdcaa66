"""What goes over the wire between a client and the stand-in for HaRP: requests in, answers out."""

import asyncio
import email.utils
import json
import re
import socket
import struct

BASE = "/exapps/app_api"
TEXT = "text/plain; charset=utf-8"
JSON = "application/json; charset=utf-8"
BODY_MAX = 1024 * 1024

REASONS = {
    200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Time-out", 413: "Request Entity Too Large", 429: "Too Many Requests",
    500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
}
TITLES = {**REASONS, 504: "Gateway Time-out"}  # in HAProxy's own pages


class Gone(Exception):
    """The connection ends here, whatever was to come."""


class Answer:
    """One answer; haproxy: of HAProxy itself, which writes fewer headers than the agent."""

    def __init__(self, status, body="", content_type=TEXT, haproxy=False, headers=()):
        self.status, self.body, self.content_type = status, body, content_type
        self.haproxy, self.headers = haproxy, list(headers)

    def encode(self, request=None):
        """The bytes of it; what was asked decides on version, connection and body."""
        body = self.body if isinstance(self.body, bytes) else self.body.encode()
        version = request.version if request else "HTTP/1.1"
        lines = [f"{version} {self.status} {REASONS.get(self.status, 'Other')}"]
        if self.haproxy:
            lines += [f"content-length: {len(body)}"]
            lines += ["cache-control: no-cache"] if self.content_type == "text/html" else []
            lines += [f"content-type: {self.content_type}"]
        else:
            lines += [f"content-type: {self.content_type}"] if self.content_type else []
            lines += [f"content-length: {len(body)}", f"date: {email.utils.formatdate(usegmt=True)}",
                      "server: Python/3.11 aiohttp/3.8.4"]
        lines += self.headers
        if request and request.closing and request.version != "HTTP/1.0":
            lines += ["connection: close"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if request and request.method == "HEAD" else body)


def as_json(value):
    return Answer(200, json.dumps(value), JSON)


def html(status, words, headers=()):
    """A page of HAProxy's own."""
    page = f"<html><body><h1>{status} {TITLES[status]}</h1>\n{words}\n</body></html>\n"
    return Answer(status, page, "text/html", haproxy=True, headers=headers)


def haproxy_text(status, text):
    return Answer(status, text, "text/plain", haproxy=True)


class Request:
    KINDS = (
        ("remove", re.compile(BASE + r"/docker/exapp/image_remove")),
        ("exists", re.compile(BASE + r"/docker/exapp/exists")),
        ("inspect", re.compile(BASE + r"(?:/v[\d.]+)?/images/(.*)/json")),
        ("container", re.compile(BASE + r"(?:/v[\d.]+)?/containers/(.*)/json")),
        ("info", re.compile(BASE + "/info")),
        ("heartbeat", re.compile(BASE + "/heartbeat")),
        ("ping", re.compile(BASE + "/_ping")),
    )

    def __init__(self, line, headers, body, peer):
        self.method, self.path, self.version = line.split(" ", 2)
        self.headers, self.body = headers, body
        self.address, self.port = peer[:2]
        self.kind, self.ref = "other", None
        self.effect = None  # what became of the image: deleted, untagged
        for kind, pattern in self.KINDS:
            match = pattern.fullmatch(self.path.partition("?")[0])
            if match:
                self.kind = kind
                self.ref = match.group(1) if match.groups() else None
        if self.kind == "remove":
            try:
                self.ref = json.loads(body).get("image_ref")
            except (ValueError, AttributeError, RecursionError):
                pass

    @property
    def closing(self):
        return self.version == "HTTP/1.0" or self.headers.get("connection", "").lower() == "close"

    @property
    def text(self):
        """The body as text; LookupError or UnicodeDecodeError where it is none."""
        match = re.search(r"charset=([^;\s]+)", self.headers.get("content-type", ""))
        return self.body.decode(match.group(1) if match else "utf-8")


def parse_headers(lines):
    """By name in lower case. Of a key sent twice the last counts, of anything else the first."""
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        name = name.lower()
        if name == "harp-shared-key" or name and name not in headers:
            headers[name] = value.strip(" \t")
    return headers


async def read_chunks(reader):
    body = b""
    while size := int((await reader.readline()).partition(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


async def read_request(reader, writer, idle, is_first):
    """The next request; None where the client is done. idle: seconds until HAProxy stops waiting."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), idle)
    except asyncio.IncompleteReadError:
        return None
    except asyncio.TimeoutError:
        if is_first:
            await send(writer, html(408, "Your browser didn't send a complete request in time.",
                                    ["connection: close"]).encode())
        return None
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = parse_headers(lines)
    if headers.get("expect", "").lower() == "100-continue":
        await send(writer, b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await read_chunks(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(line, headers, body, writer.get_extra_info("peername"))


async def send(writer, data):
    writer.write(data)
    await writer.drain()


def reset(writer):
    """Ends a connection with RST instead of FIN."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
