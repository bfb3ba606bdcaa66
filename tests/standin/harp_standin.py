#!/usr/bin/python3
"""A stand-in for HaRP 0.4.4: HAProxy's and the agent's answers word for word, the ban for wrong keys, faults
on demand, and a log of every request that tests judge by.

Behind it stand Docker Engines (engines.py), one per docker-engine-port. A control socket takes one JSON object
a line, {"do": NAME, …}, and answers each with one; tests/harness/standin.py speaks it.

Left out, because no client of these tests gets there: headers of more than 8 KB.
"""

import argparse
import asyncio
import collections
import json
import re
import socket
import ssl
import sys
import time
import urllib.parse

import engines
from wire import BASE, BODY_MAX, TEXT, Answer, Gone, as_json, haproxy_text, html, read_request, reset, send

STRIKES = 10
FAULTS = ("answer", "silent", "close", "reset", "cut", "hang", "slow", "garbage", "http09", "flood", "large", "raw")
FAULT_KEYS = {"kind", "ref", "times", "delay", "effect", "fault", "step", "status", "body", "content_type", "haproxy",
              "headers"}

# What a release has: "version" in /info (None: no such route), /heartbeat, image_remove (and image_ref in exists).
Era = collections.namedtuple("Era", "info heartbeat remove")
ERAS = {
    "0.4.4": Era("0.4.4", True, True),
    "0.4.2": Era(0.4, False, True),
    "0.4.0": Era(0.3, False, False),
    "0.2": Era(None, False, False),
    "0.1": Era(None, False, False),  # and HAProxy refuses all of /docker/
}

FORBIDDEN = html(403, "Request forbidden by administrative rules.")
NO_SERVER = html(503, "No server is available to handle this request.")
BROKEN_SERVER = html(502, "The server returned an invalid or incomplete response.")
SLOW_SERVER = html(504, "The server didn't respond in time.")
NO_AGENT = haproxy_text(503, "503 Service Unavailable (HaRP)")
TROUBLE = Answer(500, "500 Internal Server Error\n\nServer got itself in trouble")


class Lag:
    """How long a request may have waited before this busy process saw it, for whoever judges times to the millisecond."""

    TICK_S = 0.01
    KEPT_S = 1

    def __init__(self):
        self.due = time.monotonic()
        self.lags = collections.deque()  # (when, how long)

    def now(self):
        overdue = time.monotonic() - self.due  # where the tick itself waits, as everything else does
        return max([0.0, overdue] + [lag for _, lag in self.lags])

    async def measure(self):
        while True:
            self.due = time.monotonic() + self.TICK_S
            await asyncio.sleep(self.TICK_S)
            now = time.monotonic()
            self.lags.append((now, now - self.due))
            while self.lags[0][0] < now - self.KEPT_S:
                self.lags.popleft()


class Harp:
    def __init__(self, options, ports):
        self.options = options
        self.options_at_start = dict(vars(options))
        self.engines = ports
        self.faults = []
        self.log = []
        self.begin_anew()
        self.active = 0
        self.lag = Lag()
        self.connections = set()
        self.log_file = open(options.log, "a", encoding="utf-8") if options.log else None  # noqa: SIM115

    def begin_anew(self):
        """As it was at its start, but for its connections and its file."""
        vars(self.options).update(self.options_at_start)
        self.key = self.options.key
        self.info_version = self.options.info_version
        self.docker = True
        self.strikes = collections.defaultdict(collections.deque)
        self.faults.clear()
        self.log.clear()
        for engine in self.engines.values():
            engine.forget()

    # The ban: ten strikes of an address within 300 s, strike by strike.

    def is_banned(self, address):
        strikes = self.strikes[address]
        while strikes and time.monotonic() - strikes[0] > self.options.strike_window:
            strikes.popleft()
        return len(strikes) >= STRIKES

    async def drop(self, reader, writer, is_kept):
        """What HAProxy does with a request that it does not want: RST, or silence where it may do that."""
        if self.options.ban == "reset":
            reset(writer)
        elif not is_kept and await reader.read(1):  # its side of the connection is gone, as the next byte shows
            reset(writer)
        raise Gone

    # Routes.

    async def answer(self, request):
        if not all(value.isascii() for value in request.headers.values()):  # HAProxy's filter fails on these
            await asyncio.sleep(self.options.agent_timeout)
            return NO_AGENT
        if not self.has_right_key(request):
            self.strikes[request.address].append(time.monotonic())
            return haproxy_text(401, "401 Unauthorized")
        path = request.path.partition("?")[0]
        if not path.startswith(BASE + "/"):
            return haproxy_text(404, "404 Not Found")
        path = path.removeprefix(BASE)
        if "docker-engine-port" in request.headers and not path.startswith("/docker/"):
            return await self.raw_docker(request, path)
        return await self.agent(request, path)

    def has_right_key(self, request):
        return request.headers.get("harp-shared-key", "") == self.key

    async def raw_docker(self, request, path):
        """HAProxy passes a few requests on to Docker itself, and refuses all others."""
        port = request.headers["docker-engine-port"]
        if not port.isdigit():
            return NO_AGENT
        plain = re.sub(r"^/v[\d.]+", "", path)
        image = re.fullmatch(r"/images/(.*)/json", plain)
        container = re.fullmatch(r"/containers/(nc_app_[a-zA-Z0-9_.-]+)/json", plain)
        if request.method != "GET" or not (plain == "/_ping" or image or container):
            return FORBIDDEN
        try:
            engine = self.engine(int(port))
            if image:
                question = engine.inspect_image(urllib.parse.unquote(image.group(1)))
            elif container:
                question = engine.inspect_container(container.group(1))
            else:
                question = engine.ping()
            status, value = await asyncio.wait_for(question, self.options.engine_timeout)
        except engines.EngineDown:
            await asyncio.sleep(self.options.connect_delay)
            return NO_SERVER
        except engines.EngineBroken:
            return BROKEN_SERVER
        except asyncio.TimeoutError:
            return SLOW_SERVER
        if isinstance(value, str):
            return Answer(status, value)
        return Answer(status, json.dumps(value, separators=(",", ":")) + "\n", "application/json")

    async def agent(self, request, path):
        era = ERAS[self.options.era]
        getters = {"/info": self.info, "/heartbeat": self.heartbeat}
        posters = {"/docker/exapp/exists": self.exists, "/docker/exapp/image_remove": self.image_remove}
        if self.options.era == "0.1" and path.startswith("/docker/"):
            return FORBIDDEN
        if era.info is None:
            getters, posters = {}, {}
        if not era.heartbeat:
            getters.pop("/heartbeat", None)
        if not era.remove:
            posters.pop("/docker/exapp/image_remove", None)
        if len(request.body) >= BODY_MAX:
            return Answer(413, f"Maximum request body size {BODY_MAX} exceeded, actual body size {len(request.body)}")
        if path in getters and request.method in ("GET", "HEAD"):
            return getters[path]()
        if path in posters and request.method == "POST":
            return await posters[path](request)
        if path in getters or path in posters:
            allowed = "POST" if path in posters else "GET,HEAD"
            return Answer(405, "405: Method Not Allowed", headers=[f"allow: {allowed}"])
        return Answer(404, "404: Not Found")

    def info(self):
        version = ERAS[self.options.era].info if self.info_version is None else self.info_version
        return as_json({"version": version, "docker": self.docker, "kubernetes": {"enabled": False}})

    @staticmethod
    def heartbeat():
        return as_json({"status": "ok"})

    @staticmethod
    def engine_port(request):
        text = request.headers.get("docker-engine-port", "")
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
            value = json.loads(request.text)
        except (UnicodeDecodeError, LookupError, RecursionError):
            return None, TROUBLE
        except ValueError:
            return None, Answer(400, "Invalid JSON body")

        def complain(where, words, error, what):
            return None, Answer(400, f"Payload validation error: 1 validation error for {model}\n{where}  {words} "
                                     f"[type={error}, input_value={what!r}, input_type={type(what).__name__}]\n"
                                     f"    For further information visit https://errors.pydantic.dev/2.13/v/{error}")

        if not isinstance(value, dict):
            return complain("", f"Input should be a valid dictionary or instance of {model}", "model_type", value)
        if field not in value:
            return complain(f"{field}\n", "Field required", "missing", value)
        text = value[field]
        if not isinstance(text, str):
            return complain(f"{field}\n", "Input should be a valid string", "string_type", text)
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            return complain(f"{field}\n", "Input should be a valid string, unable to parse raw data as a unicode string",
                            "string_unicode", text)
        if field == "image_ref" and text == "":
            return complain(f"{field}\n", "String should have at least 1 character", "string_too_short", text)
        return text, None

    def engine(self, port):
        if port not in self.engines:
            raise engines.EngineDown
        return self.engines[port]

    async def exists(self, request):
        port, complaint = self.engine_port(request)
        if complaint is None:
            name, complaint = self.payload(request, "ExAppName", "name")
        if complaint is not None:
            return complaint
        name = name.partition("?")[0]  # the agent puts it into a URL as it is
        try:
            question = self.engine(port).inspect_container("nc_app_" + name)
            status, value = await asyncio.wait_for(question, self.options.engine_timeout / 2)
        except engines.EngineDown:
            return Answer(503, f"Could not connect to Docker Engine on port {port}")
        except asyncio.TimeoutError:
            return Answer(504, f"Timeout communicating with Docker Engine on port {port}")
        except engines.EngineBroken:
            status = 500
        if status == 404:
            return as_json({"exists": False})
        if status != 200:
            return Answer(500, "An unexpected error occurred while checking container status.")
        image = {"image_ref": value["Config"]["Image"]} if ERAS[self.options.era].remove else {}
        return as_json({"exists": True, **image})

    async def image_remove(self, request):
        port, complaint = self.engine_port(request)
        if complaint is None:
            reference, complaint = self.payload(request, "RemoveImagePayload", "image_ref")
        if complaint is not None:
            return complaint
        request.ref = reference
        try:
            return await self.remove_from(self.engine(port), request)
        except engines.EngineDown:
            return Answer(503, f"Could not connect to Docker Engine on port {port}")
        except engines.EngineBroken:
            return Answer(500, "An unexpected error occurred during image removal.")

    async def remove_from(self, engine, request):
        reference = request.ref
        step = "inspect"
        try:
            status, value = await asyncio.wait_for(engine.inspect_image(reference), self.options.engine_timeout)
            size = value.get("Size", 0) if isinstance(value, dict) else 0
            if status == 200:
                step = "removal"
                status, value = await asyncio.wait_for(engine.delete_image(reference), self.options.engine_timeout)
        except asyncio.TimeoutError:
            return Answer(504, f"Timeout communicating with Docker Engine for image {step}")
        if status == 200:
            deleted = isinstance(value, list) and any("Deleted" in item for item in value)
            request.effect = "deleted" if deleted else "untagged"
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

    async def play_fault(self, fault, reader, writer, answer):
        """Does what the fault says with an answer; the answer to send, or Gone."""
        name = fault.get("fault", "answer")
        if name == "answer":
            return answer
        if name == "reset":
            reset(writer)
        elif name in ("cut", "hang"):  # not all of an answer, then the end or nothing
            await send(writer, answer.encode()[:-5])
        elif name == "slow":
            for byte in answer.encode():
                await send(writer, bytes([byte]))
                await asyncio.sleep(fault.get("step", 0.05))
        elif name == "garbage":
            await send(writer, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nnot a chunk")
        elif name == "raw":
            await send(writer, fault["body"].encode("latin-1"))
        elif name == "http09":
            await send(writer, b'{"deleted": true, "bytes_freed": 5}')
        elif name == "flood":
            while True:
                await send(writer, b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        elif name == "large":
            await send(writer, b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
            while True:
                await send(writer, b" " * 65536)
        if name in ("silent", "hang"):  # until the client has had enough
            while await reader.read(65536):
                pass
        raise Gone

    async def respond(self, request, reader, writer, is_kept):
        """One request from its arrival to its answer, logged with both times."""
        entry = {"seq": len(self.log), "begin": time.time(), "lag": self.lag.now(), "boot": time.clock_gettime(time.CLOCK_BOOTTIME),
                 "address": request.address, "port": request.port, "host": request.headers.get("host"),
                 "method": request.method, "path": request.path,
                 "kind": request.kind, "ref": request.ref, "engine_port": request.headers.get("docker-engine-port"),
                 "key_right": self.has_right_key(request), "status": None, "fault": None, "effect": None, "end": None}
        self.log.append(entry)
        self.active += 1
        entry["active"] = self.active
        try:
            if self.is_banned(request.address):
                entry["fault"] = "banned"
                await self.drop(reader, writer, is_kept)
            if ".." in request.path.partition("?")[0].split("/"):
                entry["fault"] = "dropped"
                await self.drop(reader, writer, is_kept)
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
                answer = await self.play_fault(fault, reader, writer, answer or as_json({"deleted": True, "bytes_freed": 5}))
            await asyncio.sleep(self.options.delay_ms / 1000 if request.kind in ("inspect", "remove") else 0)
            entry["status"] = answer.status
            entry["ref"] = request.ref
            entry["answer"] = answer.body if isinstance(answer.body, str) and len(answer.body) < 500 else None
        finally:
            self.active -= 1
            entry["effect"] = request.effect  # whatever was answered, and whether it was
            entry["end"] = time.time()  # before the client can know, so that what it asks next begins later
            if self.log_file:
                self.log_file.write(json.dumps(entry) + "\n")
                self.log_file.flush()
        await send(writer, answer.encode(request))

    async def serve(self, reader, writer):
        task = asyncio.current_task()
        self.connections.add(task)
        is_kept = False
        try:
            if self.options.host == "0.0.0.0" and not writer.get_extra_info("peername")[0].startswith("127."):
                raise Gone  # all of 127.0.0.0/8 was meant
            while (request := await read_request(reader, writer, self.options.idle_timeout, not is_kept)) is not None:
                await self.respond(request, reader, writer, is_kept)
                if request.closing:
                    break
                is_kept = True
        except (Gone, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError):
            pass
        finally:
            self.connections.discard(task)
            writer.close()


class Control:
    """What tests say to the stand-in."""

    def __init__(self, harp, listen):
        self.harp = harp
        self.listen = listen
        self.server = None
        self.place = None  # keeps the port while it refuses

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
            # The port stays taken: another stand-in that got it would answer in the place of this one.
            self.place = socket.socket()
            self.place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.place.bind((self.harp.options.host, self.listen))
            for task in list(self.harp.connections):
                task.cancel()
        elif not refuse and self.server is None:
            self.place.close()
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
            if call.get("fault", "answer") not in FAULTS or not FAULT_KEYS.issuperset(call):
                raise ValueError(f"unknown fault: {call}")
            harp.faults.append(call)
        elif do == "clear_faults":
            harp.faults.clear()
        elif do == "clear_log":
            harp.log.clear()
        elif do == "begin_anew":
            await self.refuse(False)
            harp.begin_anew()
        elif do == "reset_strikes":
            harp.strikes.clear()
        elif do == "set":
            for name, value in call.items():
                if name in ("key", "info_version", "docker"):
                    setattr(harp, name, value)
                elif hasattr(harp.options, name):
                    setattr(harp.options, name, value)
                else:
                    raise ValueError(f"no such setting: {name}")
        elif do == "get":
            return getattr(harp.options, call["name"])
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
    parser.add_argument("--era", choices=ERAS, default="0.4.4", help="the release whose routes and /info it has")
    parser.add_argument("--info-version", type=lambda text: text if text.count(".") > 1 else float(text),
                        help="another version than the era's")
    parser.add_argument("--ban", choices=("silent", "reset"), default="silent")
    parser.add_argument("--strike-window", type=float, default=300)
    parser.add_argument("--connect-delay", type=float, default=3, help="seconds until HAProxy gives an engine up")
    parser.add_argument("--engine-timeout", type=float, default=30, help="seconds that an engine may take")
    parser.add_argument("--agent-timeout", type=float, default=30, help="seconds that HAProxy gives the agent")
    parser.add_argument("--idle-timeout", type=float, default=30, help="seconds that a connection may say nothing")
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
    ticking = asyncio.create_task(harp.lag.measure())
    # Whoever started it holds the other end of standard input: when that ends, so does this.
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.read)
    ticking.cancel()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
