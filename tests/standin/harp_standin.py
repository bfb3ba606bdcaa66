#!/usr/bin/python3
"""A stand-in for HaRP 0.4.4: HAProxy's and the agent's answers word for word, the ban for wrong keys, faults
on demand, and a log of every request that tests judge by.

Behind it stand Docker Engines (engines.py), one per docker-engine-port. A control socket takes one JSON object
a line, {"do": NAME, …}, and answers each with one; tests/harness/standin.py speaks it.
"""

import argparse
import asyncio
import collections
import email.utils
import json
import re
import socket
import ssl
import struct
import sys
import time

import engines

BASE = "/exapps/app_api"
TEXT = "text/plain; charset=utf-8"
JSON = "application/json; charset=utf-8"
BODY_MAX = 1024 * 1024
STRIKES = 10


class Gone(Exception):
    """The connection ends here, whatever was to come."""


class Answer:
    """One answer; haproxy: of HAProxy itself, which writes fewer headers than the agent."""

    def __init__(self, status, body="", content_type=TEXT, haproxy=False, headers=()):
        self.status, self.body, self.content_type = status, body, content_type
        self.haproxy, self.headers = haproxy, list(headers)

    REASONS = {
        200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
        405: "Method Not Allowed", 408: "Request Time-out", 413: "Request Entity Too Large", 429: "Too Many Requests",
        500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
    }

    def encode(self, head=False):
        body = self.body if isinstance(self.body, bytes) else self.body.encode()
        lines = [f"HTTP/1.1 {self.status} {self.REASONS.get(self.status, 'Other')}"]
        if self.haproxy:
            lines += [f"content-length: {len(body)}"]
            lines += ["cache-control: no-cache"] if self.content_type == "text/html" else []
            lines += [f"content-type: {self.content_type}"]
        else:
            lines += [f"content-type: {self.content_type}"] if self.content_type else []
            lines += [f"content-length: {len(body)}", f"date: {email.utils.formatdate(usegmt=True)}",
                      "server: Python/3.11 aiohttp/3.8.4"]
        lines += self.headers
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if head else body)


def as_json(value):
    return Answer(200, json.dumps(value), JSON)


def html(status, words):
    title = {403: "403 Forbidden", 503: "503 Service Unavailable"}[status]
    return Answer(status, f"<html><body><h1>{title}</h1>\n{words}\n</body></html>\n", "text/html", haproxy=True)


def haproxy_text(status, text):
    return Answer(status, text, "text/plain", haproxy=True)


FORBIDDEN = ("Request forbidden by administrative rules.",)
NO_SERVER = ("No server is available to handle this request.",)


class Harp:
    def __init__(self, options, ports):
        self.options = options
        self.key = options.key
        self.info_version = options.info_version
        self.docker = True
        self.engines = ports
        self.strikes = collections.defaultdict(collections.deque)
        self.faults = []
        self.log = []
        self.active = 0
        self.connections = set()
        self.log_file = open(options.log, "a", encoding="utf-8") if options.log else None  # noqa: SIM115

    # The ban: ten strikes of an address within 300 s, strike by strike.

    def is_banned(self, address):
        strikes = self.strikes[address]
        while strikes and time.monotonic() - strikes[0] > self.options.strike_window:
            strikes.popleft()
        return len(strikes) >= STRIKES

    # Routes.

    async def answer(self, request):
        if request.headers.get("harp-shared-key", "").strip() != self.key:
            self.strikes[request.address].append(time.monotonic())
            return haproxy_text(401, "401 Unauthorized")
        path = request.path.partition("?")[0]
        if not path.startswith(BASE + "/"):
            return haproxy_text(404, "404 Not Found")
        path = path.removeprefix(BASE)
        if "docker-engine-port" in request.headers and not path.startswith("/docker/"):
            return await self.raw_docker(request, path)
        return await self.agent(request, path)

    async def raw_docker(self, request, path):
        """HAProxy passes a few requests on to Docker itself, and refuses all others."""
        port = request.headers["docker-engine-port"].strip()
        if not port.isdigit():
            return haproxy_text(503, "503 Service Unavailable (HaRP)")
        plain = re.sub(r"^/v[\d.]+", "", path)
        image = re.fullmatch(r"/images/(.*)/json", plain)
        container = re.fullmatch(r"/containers/(nc_app_[a-zA-Z0-9_.-]+)/json", plain)
        if request.method != "GET" or not (plain == "/_ping" or image or container):
            return html(403, *FORBIDDEN)
        engine = self.engines.get(int(port))
        try:
            if engine is None:
                raise engines.EngineDown
            if image:
                status, value = await engine.inspect_image(image.group(1))
            elif container:
                status, value = await engine.inspect_container(container.group(1))
            else:
                status, value = await engine.ping()
        except engines.EngineDown:
            await asyncio.sleep(self.options.connect_delay)
            return html(503, *NO_SERVER)
        if isinstance(value, str):
            return Answer(status, value)
        return Answer(status, json.dumps(value, separators=(",", ":")) + "\n", "application/json")

    async def agent(self, request, path):
        getters = {"/info": self.info, "/heartbeat": self.heartbeat}
        posters = {"/docker/exapp/exists": self.exists, "/docker/exapp/image_remove": self.image_remove}
        if self.options.era == "0.2":  # no /info yet
            getters, posters = {}, {}
        elif self.options.era == "0.4.0":
            posters.pop("/docker/exapp/image_remove")
            getters.pop("/heartbeat")
        if len(request.body) >= BODY_MAX:
            return Answer(413, f"Maximum request body size {BODY_MAX} exceeded, actual body size {len(request.body)}")
        if path in getters and request.method in ("GET", "HEAD"):
            return getters[path]()
        if path in posters and request.method == "POST":
            return await posters[path](request)
        if path in posters:
            return Answer(405, "405: Method Not Allowed", headers=["allow: POST"])
        return Answer(404, "404: Not Found")

    def info(self):
        return as_json({"version": self.info_version, "docker": self.docker, "kubernetes": {"enabled": False}})

    @staticmethod
    def heartbeat():
        return as_json({"status": "ok"})

    @staticmethod
    def engine_port(request):
        text = request.headers.get("docker-engine-port", "").strip()
        if not text:
            return None, Answer(400, "Missing 'docker-engine-port' header.")
        try:
            port = int(text)
        except ValueError:
            port = 0
        if not 1 <= port <= 65535:
            return None, Answer(400, f"Invalid 'docker-engine-port' header value: {text}")
        return port, None

    @staticmethod
    def payload(request, model, field):
        """The text in `field` of a JSON body, or HaRP's complaint about it."""
        try:
            value = json.loads(request.body.decode())
        except UnicodeDecodeError:
            return None, Answer(500, "500 Internal Server Error\n\nServer got itself in trouble")
        except ValueError:
            return None, Answer(400, "Invalid JSON body")
        kind = type(value).__name__.replace("NoneType", "NoneType")
        more = "https://errors.pydantic.dev/2.13/v/"

        def complain(lines):
            return None, Answer(400, f"Payload validation error: 1 validation error for {model}\n{lines}")

        if not isinstance(value, dict):
            return complain(f"  Input should be a valid dictionary or instance of {model} [type=model_type, input_value="
                            f"{value!r}, input_type={kind}]\n    For further information visit {more}model_type")
        if field not in value:
            return complain(f"{field}\n  Field required [type=missing, input_value={value!r}, input_type=dict]\n"
                            f"    For further information visit {more}missing")
        text = value[field]
        if not isinstance(text, str):
            return complain(f"{field}\n  Input should be a valid string [type=string_type, input_value={text!r}, input_type="
                            f"{type(text).__name__}]\n    For further information visit {more}string_type")
        if field == "image_ref" and text == "":
            return complain(f"{field}\n  String should have at least 1 character [type=string_too_short, input_value='', "
                            f"input_type=str]\n    For further information visit {more}string_too_short")
        return text, None

    async def exists(self, request):
        port, complaint = self.engine_port(request)
        if complaint is None:
            name, complaint = self.payload(request, "ExAppName", "name")
        if complaint is not None:
            return complaint
        try:
            if port not in self.engines:
                raise engines.EngineDown
            status, value = await self.engines[port].inspect_container("nc_app_" + name)
        except engines.EngineDown:
            return Answer(503, f"Could not connect to Docker Engine on port {port}")
        if status == 200:
            return as_json({"exists": True, "image_ref": value["Config"]["Image"]})
        return as_json({"exists": False})

    async def image_remove(self, request):
        port, complaint = self.engine_port(request)
        if complaint is None:
            reference, complaint = self.payload(request, "RemoveImagePayload", "image_ref")
        if complaint is not None:
            return complaint
        request.ref = reference
        try:
            if port not in self.engines:
                raise engines.EngineDown
            return await self.remove_from(self.engines[port], reference)
        except engines.EngineDown:
            return Answer(503, f"Could not connect to Docker Engine on port {port}")

    @staticmethod
    async def remove_from(engine, reference):
        status, value = await engine.inspect_image(reference)
        if status == 404:
            return as_json({"deleted": True, "bytes_freed": 0, "reason": "not_found"})
        size = value.get("Size", 0) if status == 200 else 0
        status, value = await engine.delete_image(reference)
        if status == 200:
            deleted = isinstance(value, list) and any("Deleted" in item for item in value)
            return as_json({"deleted": True, "bytes_freed": size if deleted else 0})
        if status == 404:
            return as_json({"deleted": True, "bytes_freed": 0, "reason": "not_found"})
        if status == 409:
            return as_json({"deleted": False, "reason": "in_use"})
        return Answer(503, f"Error removing image '{reference}' via Docker Engine: Status {status}")

    # Faults: {"kind": …, "ref": …, "times": n, "delay": s, "effect": bool, "fault": name, …}, the first that fits.

    def take_fault(self, request):
        for fault in self.faults:
            if fault.get("kind") in (None, request.kind) and fault.get("ref") in (None, request.ref):
                if fault.get("times") is not None:
                    fault["times"] -= 1
                    if fault["times"] == 0:
                        self.faults.remove(fault)
                return fault
        return None

    async def play_fault(self, fault, request, writer, answer):
        """Does what the fault says with an answer; the answer to send, or Gone."""
        name = fault.get("fault", "answer")
        if name == "answer":
            return answer
        if name == "silent":
            await self.hang()
        elif name == "close":
            raise Gone
        elif name == "reset":
            reset(writer)
            raise Gone
        elif name == "cut":  # half an answer, then the end
            data = answer.encode()
            await send(writer, data[: len(data) - 5])
            raise Gone
        elif name == "hang":  # half an answer, then nothing
            data = answer.encode()
            await send(writer, data[: len(data) - 5])
            await self.hang()
        elif name == "slow":
            for byte in answer.encode():
                await send(writer, bytes([byte]))
                await asyncio.sleep(fault.get("step", 0.05))
            raise Gone
        elif name == "garbage":
            await send(writer, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nnot a chunk")
            raise Gone
        elif name == "http09":
            await send(writer, b'{"deleted": true, "bytes_freed": 5}')
            raise Gone
        elif name == "flood":
            while True:
                await send(writer, b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        elif name == "large":
            await send(writer, b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
            while True:
                await send(writer, b" " * 65536)
        raise ValueError(f"unknown fault {name}")

    @staticmethod
    async def hang():
        await asyncio.sleep(3600)
        raise Gone

    async def respond(self, request, writer):
        """One request from its arrival to its answer, logged with both times."""
        entry = {"seq": len(self.log), "begin": time.time(), "boot": time.clock_gettime(time.CLOCK_BOOTTIME),
                 "address": request.address, "port": request.port, "method": request.method, "path": request.path,
                 "kind": request.kind, "ref": request.ref, "engine_port": request.headers.get("docker-engine-port"),
                 "key_right": request.headers.get("harp-shared-key", "").strip() == self.key,
                 "status": None, "fault": None, "end": None}
        self.log.append(entry)
        self.active += 1
        entry["active"] = self.active
        try:
            if self.is_banned(request.address):
                entry["fault"] = "banned"
                if self.options.ban == "reset":
                    reset(writer)
                    raise Gone
                await self.hang()
            fault = self.take_fault(request)
            if fault is not None:
                entry["fault"] = fault.get("fault", "answer")
                await asyncio.sleep(fault.get("delay", 0))
            if fault is None or fault.get("effect") or "status" not in fault and fault.get("fault") is None:
                answer = await self.answer(request)
            else:
                answer = None
            if fault is not None and "status" in fault:
                answer = Answer(fault["status"], fault.get("body", ""), fault.get("content_type", TEXT),
                                fault.get("haproxy", False), fault.get("headers", ()))
            if fault is not None:
                answer = await self.play_fault(fault, request, writer, answer or as_json({"deleted": True, "bytes_freed": 5}))
            await asyncio.sleep(self.options.delay_ms / 1000 if request.kind in ("inspect", "remove") else 0)
            entry["status"] = answer.status
            entry["ref"] = request.ref
            entry["answer"] = answer.body if isinstance(answer.body, str) and len(answer.body) < 500 else None
            await send(writer, answer.encode(head=request.method == "HEAD"))
        finally:
            self.active -= 1
            entry["end"] = time.time()
            if self.log_file:
                self.log_file.write(json.dumps(entry) + "\n")
                self.log_file.flush()

    async def serve(self, reader, writer):
        task = asyncio.current_task()
        self.connections.add(task)
        peer = writer.get_extra_info("peername")
        try:
            while (request := await read_request(reader, peer)) is not None:
                await self.respond(request, writer)
        except (Gone, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError):
            pass
        finally:
            self.connections.discard(task)
            writer.close()


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

    def __init__(self, method, path, headers, body, peer):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.address, self.port = peer[:2]
        self.kind, self.ref = "other", None
        for kind, pattern in self.KINDS:
            match = pattern.fullmatch(path.partition("?")[0])
            if match:
                self.kind = kind
                self.ref = match.group(1) if match.groups() else None
        if self.kind == "remove":
            try:
                self.ref = json.loads(body).get("image_ref")
            except (ValueError, AttributeError):
                pass


async def read_request(reader, peer):
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    line, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = line.split(" ", 2)
    headers = {}
    for item in lines:
        name, _, value = item.partition(":")
        if name:
            headers.setdefault(name.lower(), value.strip())
    if headers.get("expect"):
        raise Gone  # no client of these tests should ask
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body, peer)


async def send(writer, data):
    writer.write(data)
    await writer.drain()


def reset(writer):
    """Ends a connection with RST instead of FIN."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Control:
    """What tests say to the stand-in."""

    def __init__(self, harp, listen):
        self.harp = harp
        self.listen = listen
        self.server = None

    async def open(self, port):
        host = self.harp.options.host
        context = None
        if self.harp.options.tls_cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.harp.options.tls_cert, self.harp.options.tls_key)
        self.server = await asyncio.start_server(self.harp.serve, host, port, ssl=context, backlog=512, limit=2 * BODY_MAX)
        return self.server.sockets[0].getsockname()[1]

    async def refuse(self, refuse):
        """Stops listening and drops all connections, or comes back on the same port."""
        if refuse and self.server is not None:
            self.server.close()
            self.server = None
            for task in list(self.harp.connections):
                task.cancel()
        elif not refuse and self.server is None:
            await self.open(self.listen)

    async def act(self, call):
        harp = self.harp
        do = call.pop("do")
        if do == "engine":  # a call of the memory engine
            engine = harp.engines[call.pop("port")]
            return getattr(engine, call.pop("call"))(**call)
        if do == "log":
            return harp.log[call.get("since", 0):]
        if do == "fault":
            harp.faults.append(call)
        elif do == "clear_faults":
            harp.faults.clear()
        elif do == "clear_log":
            harp.log.clear()
        elif do == "reset_strikes":
            harp.strikes.clear()
        elif do == "set":
            for name, value in call.items():
                if name in ("key", "info_version", "docker"):
                    setattr(harp, name, value)
                else:
                    setattr(harp.options, name, value)
        elif do == "refuse":
            await self.refuse(call["refuse"])
        else:
            raise ValueError(f"unknown: {do}")
        return None

    async def serve(self, reader, writer):
        while line := await reader.readline():
            try:
                reply = {"value": await self.act(json.loads(line))}
            except Exception as error:  # pylint: disable=broad-except
                reply = {"error": f"{type(error).__name__}: {error}"}
            await send(writer, json.dumps(reply).encode() + b"\n")
        writer.close()


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT; port 0 picks one")
    parser.add_argument("--key", default="test-shared-key")
    parser.add_argument("--engine", action="append", default=[], help="PORT=memory or PORT=docker:SOCKET")
    parser.add_argument("--log", help="file for the log, one JSON object a line")
    parser.add_argument("--tls-cert")
    parser.add_argument("--tls-key")
    parser.add_argument("--info-version", default="0.4.4", type=lambda text: text if text.count(".") > 1 else float(text))
    parser.add_argument("--era", choices=("0.4.4", "0.4.0", "0.2"), default="0.4.4", help="which routes exist")
    parser.add_argument("--ban", choices=("silent", "reset"), default="silent")
    parser.add_argument("--strike-window", type=float, default=300)
    parser.add_argument("--connect-delay", type=float, default=3, help="seconds until HAProxy gives an engine up")
    parser.add_argument("--delay-ms", type=float, default=0, help="before each answer that concerns an image")
    options = parser.parse_args(arguments)
    options.host, _, port = options.listen.rpartition(":")
    options.port = int(port)
    return options


async def main():
    options = parse(sys.argv[1:])
    ports = {}
    for item in options.engine or ["24000=memory"]:
        port, _, word = item.partition("=")
        ports[int(port)] = engines.make(word)
    harp = Harp(options, ports)
    control = Control(harp, options.port)
    control.listen = await control.open(options.port)
    server = await asyncio.start_server(control.serve, "127.0.0.1", 0, limit=64 * BODY_MAX)
    print(json.dumps({"port": control.listen, "control": server.sockets[0].getsockname()[1]}), flush=True)
    # Whoever started it holds the other end of standard input: when that ends, so does this.
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
