"""The stand-in for HaRP says what HaRP says, word for word; every other test rests on that.

The texts are those of HaRP 0.4.4 behind HAProxy with Docker Engine 20.10, as it was observed. test_engine.py plays
REFERENCES and SCENARIOS with a real engine, which keeps the one in memory honest.
"""

import json
import os
import socket
import threading
import time

import pytest

from harness.raw import BASE, NOTHING, PORT, Connection, ask, encode, remove
from harness.standin import Standin

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"  # the agent's
PLAIN = "text/plain"  # HAProxy's

NOT_FOUND = '{"deleted": true, "bytes_freed": 0, "reason": "not_found"}'
IN_USE = '{"deleted": false, "reason": "in_use"}'
FREED_0 = '{"deleted": true, "bytes_freed": 0}'
FORBIDDEN = (403, "text/html",
             "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>\n")
NO_SERVER = (503, "text/html", "<html><body><h1>503 Service Unavailable</h1>\n"
             "No server is available to handle this request.\n</body></html>\n")
UNAUTHORIZED = (401, PLAIN, "401 Unauthorized")
NO_ROUTE = (404, PLAIN, "404 Not Found")
NO_ENDPOINT = (404, TEXT, "404: Not Found")
NO_AGENT = (503, PLAIN, "503 Service Unavailable (HaRP)")
TROUBLE = (500, TEXT, "500 Internal Server Error\n\nServer got itself in trouble")
INFO = (200, JSON, '{"version": "0.4.4", "docker": true, "kubernetes": {"enabled": false}}')

REMOVE = BASE + "/docker/exapp/image_remove"
EXISTS = BASE + "/docker/exapp/exists"


def freed(size):
    return f'{{"deleted": true, "bytes_freed": {size}}}'


def engine_says(reference, status=400):
    return 503, f"Error removing image '{reference}' via Docker Engine: Status {status}"


@pytest.fixture(scope="module")
def shared():
    """One stand-in for all tests that leave nothing in it, with one image and two containers."""
    with Standin() as made:
        made.add_image("used/app:1")
        by_id = made.add_image("byid/app:1")
        made.add_container("used/app:1", "nc_app_skeleton")
        made.add_container(by_id, "nc_app_byid")
        made.by_id = by_id
        yield made


# method, path, headers besides the key, body; status, type, body
ROUTES = {
    "info": ("GET", "/info", [], None, INFO),
    "heartbeat": ("GET", "/heartbeat", [], None, (200, JSON, '{"status": "ok"}')),
    "info with a port": ("GET", "/info", [PORT], None, FORBIDDEN),
    "heartbeat with a port": ("GET", "/heartbeat", [PORT], None, FORBIDDEN),
    "ping": ("GET", "/_ping", [PORT], None, (200, TEXT, "OK")),
    "ping of an engine that is not there": ("GET", "/_ping", [("docker-engine-port", "24001")], None, NO_SERVER),
    "inspect without that image": ("GET", "/images/x/json", [PORT], None, (
        404, "application/json", '{"message":"no such image: x: No such image: x:latest"}\n')),
    "inspect with a version": ("GET", "/v1.41/images/x/json", [PORT], None, (
        404, "application/json", '{"message":"no such image: x: No such image: x:latest"}\n')),
    "delete of Docker's own": ("DELETE", "/images/x", [PORT], None, FORBIDDEN),
    "delete of Docker's own with a version": ("DELETE", "/v1.41/images/x", [PORT], None, FORBIDDEN),
    "list of images": ("GET", "/images/json", [PORT], None, FORBIDDEN),
    "disk usage": ("GET", "/system/df", [PORT], None, FORBIDDEN),
    "container that is not there": ("GET", "/containers/nc_app_none/json", [PORT], None, (
        404, "application/json", '{"message":"No such container: nc_app_none"}\n')),
    "container of another": ("GET", "/containers/other/json", [PORT], None, FORBIDDEN),
    "port that is none, outside /docker/": ("GET", "/_ping", [("docker-engine-port", "abc")], None, NO_AGENT),
    "GET on image_remove": ("GET", "/docker/exapp/image_remove", [PORT], None, (405, TEXT, "405: Method Not Allowed")),
    "GET on exists": ("GET", "/docker/exapp/exists", [PORT], None, (405, TEXT, "405: Method Not Allowed")),
    "POST on info": ("POST", "/info", [], b"", (405, TEXT, "405: Method Not Allowed")),
    "unknown route": ("POST", "/docker/exapp/nothing", [PORT], {}, NO_ENDPOINT),
    "trailing slash": ("POST", "/docker/exapp/image_remove/", [PORT], {"image_ref": "x/none:1"}, NO_ENDPOINT),
    "query string": ("POST", "/docker/exapp/image_remove?force=1", [PORT], {"image_ref": "x/none:1"}, (200, JSON, NOT_FOUND)),
    "doubled slash": ("POST", "//docker/exapp/image_remove", [PORT], {"image_ref": "x/none:1"}, FORBIDDEN),
    "percent-encoded path": ("POST", "/%64ocker/exapp/image_remove", [PORT], {"image_ref": "x/none:1"}, FORBIDDEN),
}

# Whole paths.
ELSEWHERE = {
    "/exapps/APP_API/info": NO_ROUTE,
    "/exapps/other/": NO_ROUTE,
    "/": NO_ROUTE,
    "/index.php/apps/app_api/info": NO_ROUTE,
}


class TestRoutes:
    @pytest.mark.parametrize("name", ROUTES)
    def test_answers(self, shared, name):
        shared.set(connect_delay=0.05)
        method, path, headers, body, expected = ROUTES[name]
        reply = ask(shared.port, method, BASE + path, headers, body)
        assert reply.short == expected
        assert reply.is_haproxys == (expected in (FORBIDDEN, NO_SERVER, NO_AGENT))
        if reply.status == 405:
            assert reply.headers["allow"] == ("GET,HEAD" if path == "/info" else "POST")

    @pytest.mark.parametrize("path", ELSEWHERE)
    def test_paths_that_are_not_haproxys(self, shared, path):
        reply = ask(shared.port, "GET", path)
        assert reply.short == ELSEWHERE[path]
        assert reply.is_haproxys

    def test_head(self, shared):
        reply = ask(shared.port, "HEAD", BASE + "/info")
        assert (reply.status, reply.headers["content-length"]) == (200, "70")

    @pytest.mark.parametrize("ban,error", [("reset", ConnectionResetError), ("silent", TimeoutError)])
    def test_a_path_that_climbs_is_dropped(self, ban, error):
        with Standin(ban=ban) as harp, pytest.raises(error):
            ask(harp.port, "GET", BASE + "/../x", timeout=0.3)

    def test_haproxy_waits_for_an_engine_that_is_not_there(self):
        with Standin() as harp:
            began = time.monotonic()
            ask(harp.port, "GET", BASE + "/_ping", [("docker-engine-port", "1")])
            assert 2.9 < time.monotonic() - began < 4

    def test_inspect(self, harp):
        image = harp.add_image("docker.io/library/a:1", "b/c:2", size=77, last_tag=1700000000.25)
        for reference in ("a:1", "b%2Fc:2", "b/c:2", image, image[7:], image[7:19]):
            reply = ask(harp.port, "GET", f"{BASE}/images/{reference}/json", [PORT])
            told = json.loads(reply.body)
            assert (reply.status, told["Id"], told["Size"], told["RepoTags"]) == (200, image, 77, ["a:1", "b/c:2"])
            assert told["RepoDigests"] == [f"a@sha256:{image[7:][::-1]}"]
            assert told["Metadata"]["LastTagTime"] == "2023-11-14T22:13:20.250000000Z"

    def test_inspect_of_an_app(self, shared):
        told = json.loads(ask(shared.port, "GET", BASE + "/containers/nc_app_byid/json", [PORT]).body)
        assert told == {"Image": shared.by_id, "Config": {"Image": shared.by_id}, "State": {"Status": "running"}}


# era: /info, heartbeat, image_remove, exists
ERAS = {
    "0.4.4": ((200, '"0.4.4"'), 200, (200, JSON, NOT_FOUND), '{"exists": true, "image_ref": "app:1"}'),
    "0.4.2": ((200, "0.4"), 404, (200, JSON, NOT_FOUND), '{"exists": true, "image_ref": "app:1"}'),
    "0.4.0": ((200, "0.3"), 404, NO_ENDPOINT, '{"exists": true}'),
    "0.2": ((404, None), 404, NO_ENDPOINT, "404: Not Found"),
    "0.1": ((404, None), 404, FORBIDDEN, FORBIDDEN[2]),
}


class TestEras:
    @pytest.mark.parametrize("era", ERAS)
    def test_what_a_release_has(self, era):
        (status, version), heartbeat, removal, exists = ERAS[era]
        with Standin(era=era) as harp:
            harp.add_image("app:1")
            harp.add_container("app:1", "nc_app_x")
            info = ask(harp.port, "GET", BASE + "/info")
            if version is None:
                assert info.short == NO_ENDPOINT
            else:
                assert info.short == (status, JSON,
                                      f'{{"version": {version}, "docker": true, "kubernetes": {{"enabled": false}}}}')
            assert ask(harp.port, "GET", BASE + "/heartbeat").status == heartbeat
            assert ask(harp.port, "POST", REMOVE, [PORT], {"image_ref": "x/none:1"}).short == removal
            assert ask(harp.port, "POST", EXISTS, [PORT], {"name": "x"}).body == exists
            image = ask(harp.port, "GET", BASE + "/images/app:1/json", [PORT])
            assert image.status == 200  # of any release

    @pytest.mark.parametrize("version,told", [("0.4.10", '"0.4.10"'), ("0.4", "0.4"), ("0.3", "0.3")])
    def test_another_version(self, version, told):
        with Standin(info_version=version) as harp:
            assert ask(harp.port, "GET", BASE + "/info").body.startswith(f'{{"version": {told}, ')

    def test_without_docker(self, harp):
        harp.set(docker=False)
        assert '"docker": false' in ask(harp.port, "GET", BASE + "/info").body


# headers with keys; whether they are taken
KEYS = {
    "right": ([("harp-shared-key", "test-shared-key")], True),
    "wrong": ([("harp-shared-key", "wrong")], False),
    "none": ([], False),
    "empty": ([("harp-shared-key", "")], False),
    "another case": ([("harp-shared-key", "Test-Shared-Key")], False),
    "white space around it": ([("harp-shared-key", "  test-shared-key\t ")], True),
    "name in another case": ([("HARP-Shared-Key", "test-shared-key")], True),
    "wrong, then right": ([("harp-shared-key", "wrong"), ("harp-shared-key", "test-shared-key")], True),
    "right, then wrong": ([("harp-shared-key", "test-shared-key"), ("harp-shared-key", "wrong")], False),
    "part of it": ([("harp-shared-key", "test-shared-ke")], False),
}


class TestKeys:
    @pytest.mark.parametrize("name", KEYS)
    def test_what_is_taken(self, shared, name):
        headers, is_right = KEYS[name]
        address = f"127.0.1.{list(KEYS).index(name) + 1}"
        reply = ask(shared.port, "POST", REMOVE, [*headers, PORT], {"image_ref": "x/none:1"}, key=None, address=address)
        assert reply.short == ((200, JSON, NOT_FOUND) if is_right else UNAUTHORIZED)
        assert reply.is_haproxys != is_right
        entry = shared.log()[-1]
        assert (entry["key_right"], entry["address"]) == (is_right, address)

    @pytest.mark.parametrize("path", ["/info", "/nothing", "/docker/exapp/image_remove", "/images/x/json"])
    def test_a_wrong_key_comes_before_any_route(self, shared, path):
        assert ask(shared.port, "GET", BASE + path, key="wrong", address="127.0.2.1").short == UNAUTHORIZED
        assert ask(shared.port, "GET", "/", key="wrong", address="127.0.2.1").short == UNAUTHORIZED


def payload_error(where, words, error, value, kind, model="RemoveImagePayload"):
    return 400, TEXT, (f"Payload validation error: 1 validation error for {model}\n{where}  {words} [type={error}, "
                       f"input_value={value}, input_type={kind}]\n"
                       f"    For further information visit https://errors.pydantic.dev/2.13/v/{error}")


def not_a_model(value, kind):
    return payload_error("", "Input should be a valid dictionary or instance of RemoveImagePayload", "model_type", value, kind)


def not_a_string(value, kind):
    return payload_error("image_ref\n", "Input should be a valid string", "string_type", value, kind)


INVALID_JSON = (400, TEXT, "Invalid JSON body")
REMOVED_NOTHING = (200, JSON, NOT_FOUND)

# The length that was observed stands with the long ones, so that no typing error of ours hides.
BODIES = {
    "empty": (b"", INVALID_JSON, 17),
    "not JSON": (b"hello", INVALID_JSON, 17),
    "cut": (b'{"image_ref":', INVALID_JSON, 17),
    "trailing comma": (b'{"image_ref":"x",}', INVALID_JSON, 17),
    "single quotes": (b"{'image_ref':'x'}", INVALID_JSON, 17),
    "BOM": (b'\xef\xbb\xbf{"image_ref":"x/none:1"}', INVALID_JSON, 17),
    "control character": (b'{"image_ref":"x\x01y"}', INVALID_JSON, 17),
    "something after it": (b'{"image_ref":"x/none:1"} x', INVALID_JSON, 17),
    "empty object": (b"{}", payload_error("image_ref\n", "Field required", "missing", "{}", "dict"), 219),
    "misspelt": (b'{"imageRef":"x/y:1"}',
                 payload_error("image_ref\n", "Field required", "missing", "{'imageRef': 'x/y:1'}", "dict"), 238),
    "null": (b"null", not_a_model("None", "NoneType"), 275),
    "array": (b"[]", not_a_model("[]", "list"), 269),
    "string": (b'"x"', not_a_model("'x'", "str"), 269),
    "number": (b"5", not_a_model("5", "int"), 267),
    "true": (b"true", not_a_model("True", "bool"), 271),
    "reference null": (b'{"image_ref":null}', not_a_string("None", "NoneType"), 249),
    "reference number": (b'{"image_ref":5}', not_a_string("5", "int"), 241),
    "reference array": (b'{"image_ref":["x"]}', not_a_string("['x']", "list"), 246),
    "reference object": (b'{"image_ref":{"a":1}}', not_a_string("{'a': 1}", "dict"), 249),
    "reference true": (b'{"image_ref":true}', not_a_string("True", "bool"), 245),
    "reference empty": (b'{"image_ref":""}', payload_error(
        "image_ref\n", "String should have at least 1 character", "string_too_short", "''", "str"), 261),
    "lone surrogate": (b'{"image_ref":"low\\ud800app"}', payload_error(
        "image_ref\n", "Input should be a valid string, unable to parse raw data as a unicode string", "string_unicode",
        "'low\\ud800app'", "str"), 306),
    "more keys": (b'{"image_ref":"x/none:1","force":true}', REMOVED_NOTHING, 58),
    "key twice": (b'{"image_ref":5,"image_ref":"x/none:1"}', REMOVED_NOTHING, 58),
    "NaN": (b'{"image_ref":"x/none:1","n":NaN}', REMOVED_NOTHING, 58),
    "white space": (b'  {"image_ref":"x/none:1"}\n\n', REMOVED_NOTHING, 58),
    "not UTF-8": (b'{"image_ref":"\xff\xfe"}', TROUBLE, 55),
    "UTF-16": ('\ufeff{"image_ref":"x/none:1"}'.encode("utf-16-le"), TROUBLE, 55),
    "nested": (b"[" * 100_000, TROUBLE, 55),
    "1 MiB": (b'{"image_ref":"' + b"a" * (1024 * 1024 - 16) + b'"}',
              (413, TEXT, "Maximum request body size 1048576 exceeded, actual body size 1048576"), 68),
    "1 MiB and a byte": (b'{"image_ref":"' + b"a" * (1024 * 1024 - 15) + b'"}',
                         (413, TEXT, "Maximum request body size 1048576 exceeded, actual body size 1048577"), 68),
}

PORTS = {
    None: (400, TEXT, "Missing 'docker-engine-port' header."),
    "": (400, TEXT, "Missing 'docker-engine-port' header."),
    **{text: (400, TEXT, f"Invalid 'docker-engine-port' header value: {text}")
       for text in ("abc", "0", "-1", "65536", "70000", "1e3", "0x10", "24000.0", "2 4000")},
    **dict.fromkeys(("+24000", "024000", "24_000", " 24000 "), REMOVED_NOTHING),
    **{text: (503, TEXT, f"Could not connect to Docker Engine on port {text}") for text in ("1", "24001")},
}


class TestRequests:
    @pytest.mark.parametrize("name", BODIES)
    def test_bodies(self, shared, name):
        body, expected, length = BODIES[name]
        reply = ask(shared.port, "POST", REMOVE, [PORT], body)
        assert reply.short == expected
        assert int(reply.headers["content-length"]) == length

    def test_a_body_just_under_the_limit(self, shared):
        reference = "a" * 1048500
        assert remove(shared.port, reference) == engine_says(reference)

    @pytest.mark.parametrize("text", PORTS)
    def test_ports(self, shared, text):
        headers = [] if text is None else [("docker-engine-port", text)]
        assert ask(shared.port, "POST", REMOVE, headers, {"image_ref": "x/none:1"}).short == PORTS[text]

    def test_of_two_ports_the_first_counts(self, shared):
        bad, body = ("docker-engine-port", "abc"), {"image_ref": "x/none:1"}
        assert ask(shared.port, "POST", REMOVE, [bad, PORT], body).short == PORTS["abc"]
        assert ask(shared.port, "POST", REMOVE, [PORT, bad], body).short == REMOVED_NOTHING

    @pytest.mark.parametrize("kind,status,part", [
        ("text/plain", 200, "not_found"), ("application/json; charset=iso-8859-1", 503, "image 'café/x:1' via"),
        ("application/json; charset=nonsense", 500, "trouble")])
    def test_content_types(self, shared, kind, status, part):
        body = '{"image_ref":"café/x:1"}'.encode("latin-1") if "8859" in kind else b'{"image_ref":"x/none:1"}'
        reply = ask(shared.port, "POST", REMOVE, [PORT, ("Content-Type", kind)], body)
        assert reply.status == status
        assert part in reply.body

    def test_a_header_that_is_not_ascii(self):
        with Standin(agent_timeout=0.3) as harp:
            began = time.monotonic()
            assert ask(harp.port, "GET", BASE + "/info", [("x", "\xe9")]).short == NO_AGENT
            assert time.monotonic() - began > 0.29
            assert ask(harp.port, "GET", BASE + "/info").short == INFO

    def test_exists(self, shared):
        def exists(body, headers=(PORT,)):
            return ask(shared.port, "POST", EXISTS, headers, body).short

        there = (200, JSON, '{"exists": true, "image_ref": "used/app:1"}')
        absent = (200, JSON, '{"exists": false}')
        assert exists({"name": "skeleton"}) == there
        assert exists({"name": "skeleton", "instance_id": ""}) == there
        assert exists({"name": "skeleton?x"}) == there
        assert exists({"name": "byid"}) == (200, JSON, f'{{"exists": true, "image_ref": "{shared.by_id}"}}')
        for name in ("none", "Skeleton", "", "skele ton", "a/b"):
            assert exists({"name": name}) == absent
        assert exists({"name": 5}) == payload_error("name\n", "Input should be a valid string", "string_type", "5", "int",
                                                    "ExAppName")
        assert exists({"name": "skeleton"}, ()) == PORTS[None]
        assert exists({"name": "skeleton"}, [("docker-engine-port", "24001")]) == PORTS["24001"]


# reference: status, body; low/app:1 of 1000 bytes is there, until it is asked for with a slash before it.
REFERENCES = {
    "Foo/Bar:1": engine_says("Foo/Bar:1"),
    "ghcr.io/NextCloud/demo:1": engine_says("ghcr.io/NextCloud/demo:1"),
    "low/app:ABC": (200, NOT_FOUND),
    "GHCR.io/nextcloud/demo:1": (200, NOT_FOUND),
    "low/app :1": engine_says("low/app :1"),
    " low/app:1": engine_says(" low/app:1"),
    "low/app:1 ": engine_says("low/app:1 "),
    "low/app:1\n": (200, NOT_FOUND),
    "café/app:1": engine_says("café/app:1"),
    "low/app\0:1": engine_says("low/app\0:1"),
    "low%2Fapp:1": engine_says("low%2Fapp:1"),
    "low%zz": engine_says("low%zz"),
    "low+app:1": engine_says("low+app:1"),
    "low/app:1?force=1": engine_says("low/app:1?force=1"),
    "low/app:1#x": engine_says("low/app:1#x"),
    "low\\app:1": engine_says("low\\app:1"),
    'low"app': engine_says('low"app'),
    "low/app:": engine_says("low/app:"),
    ":": engine_says(":"),
    "/": engine_says("/"),
    "/low/app:1": (200, freed(1000)),
    "low/app/": (200, NOT_FOUND),
    ".": engine_says("."),
    "..": (200, NOT_FOUND),
    "a/../low/app:1": (200, NOT_FOUND),
    "json": (200, NOT_FOUND),
    "get": (200, NOT_FOUND),
    "https://ghcr.io/nextcloud/demo:1": engine_says("https://ghcr.io/nextcloud/demo:1"),
    "low/app:" + "t" * 128: (200, NOT_FOUND),
    "low/app:" + "t" * 129: engine_says("low/app:" + "t" * 129),
    "l/" + "a" * 253 + ":1": engine_says("l/" + "a" * 253 + ":1"),
    "a" * 5000: engine_says("a" * 5000),
    "a" * 64: (200, NOT_FOUND),
    "sha256:" + "0" * 64: (200, NOT_FOUND),
    "sha256:abc": (200, NOT_FOUND),
    "0123456789ab": (200, NOT_FOUND),
    "ghcr.io/nextcloud/demo@sha256:" + "0" * 64: (200, NOT_FOUND),
    "ghcr.io/nextcloud/demo:1@sha256:" + "0" * 64: (200, NOT_FOUND),
    "ghcr.io/nextcloud/demo@sha256:abc": engine_says("ghcr.io/nextcloud/demo@sha256:abc"),
    "ghcr.io/nextcloud/demo@sha999:" + "0" * 64: engine_says("ghcr.io/nextcloud/demo@sha999:" + "0" * 64),
}

# Steps: ("add", names, size) · ("use", name of image or "ID") · ("free",) · (reference, answer). In a reference stands
# ID for the last image's ID, HEX for its digits, SHORT for twelve of them.
SCENARIOS = {
    "deleted, then not found": [("add", ["c/app:1"], 5000), ("c/app:1", freed(5000)), ("c/app:1", NOT_FOUND)],
    "in use": [("add", ["c/app:1"], 100), ("use", "c/app:1"), ("c/app:1", IN_USE), ("free",), ("c/app:1", freed(100))],
    "without size": [("add", ["c/app:1"], 0), ("c/app:1", FREED_0), ("c/app:1", NOT_FOUND)],
    "three names": [("add", ["c/a:1", "c/b:1", "c/a:2"], 7000), ("c/a:1", FREED_0), ("c/a:1", NOT_FOUND),
                    ("c/b:1", FREED_0), ("c/a:2", freed(7000))],
    "no tag": [("add", ["c/app:latest"], 100), ("c/app", freed(100))],
    "default host": [("add", ["app:1"], 100), ("docker.io/library/app:1", freed(100))],
    "three names, in use": [("add", ["c/a:1", "c/b:1", "d/a:1"], 2000), ("use", "c/a:1"), ("c/b:1", FREED_0),
                            ("c/a:1", FREED_0), ("d/a:1", IN_USE), ("free",), ("d/a:1", freed(2000))],
    "by ID": [("add", ["c/app:1"], 2100), ("ID", freed(2100)), ("ID", NOT_FOUND)],
    "by digits": [("add", ["c/app:1"], 2100), ("HEX", freed(2100))],
    "by short ID": [("add", ["c/app:1"], 2100), ("SHORT", freed(2100))],
    "by ID, two names of one repository": [("add", ["c/app:1", "c/app:2"], 100), ("ID", IN_USE), ("c/app:1", FREED_0),
                                           ("ID", freed(100))],
    "by ID, two repositories": [("add", ["c/app:1", "d/app:1"], 100), ("ID", IN_USE)],
    "by ID, in use": [("add", ["c/app:1"], 100), ("use", "ID"), ("ID", IN_USE), ("free",), ("ID", freed(100))],
}


def play(port, steps, add, use, free):
    """A scenario with whatever engine add, use and free belong to."""
    image = ""
    for step in steps:
        if step[0] == "add":
            image = add(step[1], step[2])
        elif step[0] == "use":
            use(image if step[1] == "ID" else step[1])
        elif step[0] == "free":
            free()
        else:
            reference = {"ID": image, "HEX": image[7:], "SHORT": image[7:19]}.get(step[0], step[0])
            assert remove(port, reference) == (200, step[1]), step


class TestTheEngineInMemory:
    def test_odd_references(self, harp):
        harp.add_image("low/app:1", size=1000)
        for reference, expected in REFERENCES.items():
            assert remove(harp.port, reference) == expected, reference
        assert harp.images() == {}

    def test_a_path_that_climbs_to_another_image(self, harp):
        harp.add_image("low/app:1", size=1000)
        assert remove(harp.port, "a/../low/app:1") == (200, freed(1000))

    @pytest.mark.parametrize("name", SCENARIOS)
    def test_deletes(self, harp, name):
        play(harp.port, SCENARIOS[name], lambda names, size: harp.add_image(*names, size=size, digests=[]),
             lambda image: harp.add_container(image, "nc_app_c"), lambda: harp.drop_container("nc_app_c"))

    def test_digests(self, harp):
        digest = "reg.example/app@sha256:" + "5" * 64
        harp.add_image(size=50, digests=[digest])  # as pulled by digest
        assert remove(harp.port, digest) == (200, freed(50))
        harp.add_image("reg.example/app:1", size=50, digests=[digest])
        assert remove(harp.port, digest) == (200, FREED_0)
        assert harp.image_list() == ["reg.example/app:1"]
        harp.drop_image("reg.example/app:1")
        harp.add_image("reg.example/app:1", size=50, digests=[digest])
        assert remove(harp.port, "reg.example/app:2@sha256:" + "5" * 64) == (200, FREED_0)  # the digest counts
        harp.drop_image("reg.example/app:1")
        harp.add_image("reg.example/app:1", size=50, digests=[digest])
        assert remove(harp.port, "reg.example/app:1") == (200, freed(50))  # the last tag takes its digest along

    def test_a_name_moves(self, harp):
        old, new = harp.add_image("app:1"), harp.add_image("app:1")
        assert harp.images() == {old: [], new: ["app:1"]}
        harp.tag(old, "app:1", when=5)
        assert harp.images() == {old: ["app:1"], new: []}
        harp.untag("app:1")
        assert harp.images() == {old: [], new: []}


class ScriptedEngine:
    """In Docker's place on a unix socket: does what a test says with what it is asked, by method.

    bytes: says that; "close", "reset": ends the connection, without a word; None: says nothing.
    """

    def __init__(self, path):
        self.path = str(path)
        self.script = {}
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        self.server.listen()
        self.kept = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            what = self.script.get("all", "close")
            if what != "reset":  # closing with something unread resets
                data = b""
                while b"\r\n\r\n" not in data:
                    data += client.recv(4096)
                what = self.script.get(data.split()[0].decode(), what)
            if isinstance(what, bytes):
                client.sendall(what)
            if what is None:
                self.kept.append(client)
            else:
                client.close()

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for client in self.kept:
            client.close()


def docker_answer(status, body=b"", words="x"):
    return (f"HTTP/1.0 {status} {words}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


INSPECTED = docker_answer(200, b'{"Id":"sha256:00","Size":1234}')
BROKEN = (500, TEXT, "An unexpected error occurred during image removal.")
BROKEN_EXISTS = (500, TEXT, "An unexpected error occurred while checking container status.")
BAD_GATEWAY = (502, "text/html", "<html><body><h1>502 Bad Gateway</h1>\n"
               "The server returned an invalid or incomplete response.\n</body></html>\n")


def refused(status):
    return 503, TEXT, f"Error removing image 'x/none:1' via Docker Engine: Status {status}"


# what the engine does; image_remove, exists, inspect (None: not looked at)
TROUBLES = {
    "closes": ({"all": "close"}, BROKEN, BROKEN_EXISTS, BAD_GATEWAY),
    "resets": ({"all": "reset"}, BROKEN, BROKEN_EXISTS, BAD_GATEWAY),
    "cuts its answer": ({"all": INSPECTED[:-5]}, BROKEN, BROKEN_EXISTS, BAD_GATEWAY),
    "is not HTTP": ({"all": b"SSH-2.0-x\r\n"}, BROKEN, BROKEN_EXISTS, BAD_GATEWAY),
    "500": ({"all": docker_answer(500)}, refused(500), BROKEN_EXISTS, (500, TEXT, "")),
    "403": ({"all": docker_answer(403)}, refused(403), None, (403, TEXT, "")),
    "301": ({"all": docker_answer(301)}, refused(301), None, None),
    "500 for the delete": ({"GET": INSPECTED, "DELETE": docker_answer(500)}, refused(500), None, None),
    "204 for the delete": ({"GET": INSPECTED, "DELETE": docker_answer(204)}, refused(204), None, None),
    "gone in between": ({"GET": INSPECTED, "DELETE": docker_answer(404, b'{"message":"x"}')}, (200, JSON, NOT_FOUND), None, None),
    "conflict": ({"GET": INSPECTED, "DELETE": docker_answer(409, b'{"message":"x"}')}, (200, JSON, IN_USE), None, None),
    "deleted": ({"GET": INSPECTED, "DELETE": docker_answer(200, b'[{"Deleted":"sha256:00"}]')},
                (200, JSON, '{"deleted": true, "bytes_freed": 1234}'), None, None),
    "untagged": ({"GET": INSPECTED, "DELETE": docker_answer(200, b'[{"Untagged":"x/none:1"}]')}, (200, JSON, FREED_0), None, None),
    "not JSON": ({"GET": INSPECTED, "DELETE": docker_answer(200, b"hello")}, (200, JSON, FREED_0), None, None),
    "silent": ({"all": None}, (504, TEXT, "Timeout communicating with Docker Engine for image inspect"),
               (504, TEXT, "Timeout communicating with Docker Engine on port 24000"),
               (504, "text/html", "<html><body><h1>504 Gateway Time-out</h1>\n"
                "The server didn't respond in time.\n</body></html>\n")),
    "silent for the delete": ({"GET": INSPECTED, "DELETE": None},
                              (504, TEXT, "Timeout communicating with Docker Engine for image removal"), None, None),
}


@pytest.fixture(scope="module")
def scripted(tmp_path_factory):
    """(engine, stand-in in front of it)"""
    engine = ScriptedEngine(tmp_path_factory.mktemp("engine") / "docker.sock")
    with Standin(engines={24000: f"docker:{engine.path}"}, engine_timeout=0.3, connect_delay=0.1) as harp:
        yield engine, harp
    engine.close()


class TestAnEngineInTrouble:
    @pytest.mark.parametrize("name", TROUBLES)
    def test_what_harp_says(self, scripted, name):
        engine, harp = scripted
        engine.script, removed, exists, inspected = TROUBLES[name]
        assert ask(harp.port, "POST", REMOVE, [PORT], {"image_ref": "x/none:1"}).short == removed
        if exists is not None:
            assert ask(harp.port, "POST", EXISTS, [PORT], {"name": "x"}).short == exists
        if inspected is not None:
            assert ask(harp.port, "GET", BASE + "/images/x/json", [PORT]).short == inspected

    def test_a_socket_that_is_not_there(self, tmp_path):
        with Standin(engines={24000: f"docker:{tmp_path}/none"}, connect_delay=0.1) as harp:
            reply = ask(harp.port, "POST", REMOVE, [PORT], {"image_ref": "x/none:1"})
            assert reply.short == (503, TEXT, "Could not connect to Docker Engine on port 24000")
            assert ask(harp.port, "GET", BASE + "/_ping", [PORT]).short == NO_SERVER

    def test_the_time_that_harp_gives(self):
        with Standin() as harp, Standin(engine_timeout=5) as other:
            assert (harp.tell("get", name="engine_timeout"), harp.tell("get", name="agent_timeout"),
                    harp.tell("get", name="idle_timeout"), harp.tell("get", name="strike_window"),
                    harp.tell("get", name="connect_delay")) == (30, 30, 30, 300, 3)
            assert other.tell("get", name="engine_timeout") == 5


def strike(harp, address, times):
    for _ in range(times):
        assert ask(harp.port, "GET", BASE + "/info", key="wrong", address=address).short == UNAUTHORIZED


def is_served(harp, address, **more):
    """With the right key."""
    try:
        return ask(harp.port, "GET", BASE + "/info", address=address, timeout=0.25, **more).short == INFO
    except (ConnectionResetError, TimeoutError):
        return False


class TestTheBan:
    def test_ten_strikes(self, harp):
        strike(harp, "127.0.0.2", 9)
        assert is_served(harp, "127.0.0.2")
        strike(harp, "127.0.0.2", 1)
        assert not is_served(harp, "127.0.0.2")
        assert not is_served(harp, "127.0.0.2", headers=[("X-Forwarded-For", "10.0.0.1")])
        assert is_served(harp, "127.0.0.3")
        log = harp.log()
        assert [entry["status"] for entry in log] == [401] * 9 + [200, 401, None, None, 200]
        assert [entry["fault"] for entry in log[-3:]] == ["banned", "banned", None]
        harp.tell("reset_strikes")
        assert is_served(harp, "127.0.0.2")

    def test_other_errors_and_other_addresses_are_no_strikes(self, harp):
        for number in range(20):
            strike(harp, f"127.0.3.{number + 1}", 1)
            assert ask(harp.port, "GET", BASE + "/nothing", address="127.0.3.1").short == NO_ENDPOINT
        assert is_served(harp, "127.0.3.1")

    def test_silence(self, harp):
        strike(harp, "127.0.0.2", 10)
        with Connection(harp.port, "127.0.0.2", timeout=0.4) as connection:
            with pytest.raises(TimeoutError):
                connection.ask("GET", BASE + "/info")
            connection.send(b"x")  # there is nothing on the other side
            time.sleep(0.1)
            with pytest.raises(ConnectionResetError):
                connection.socket.recv(1)

    def test_reset(self):
        with Standin(ban="reset") as harp:
            strike(harp, "127.0.0.2", 10)
            for key in ("wrong", "test-shared-key"):
                with pytest.raises(ConnectionResetError):
                    ask(harp.port, "GET", BASE + "/info", key=key, address="127.0.0.2")

    @pytest.mark.parametrize("ban,error", [("silent", EOFError), ("reset", ConnectionResetError)])
    def test_a_connection_that_was_kept_ends(self, ban, error):
        with Standin(ban=ban) as harp, Connection(harp.port, "127.0.0.2") as kept, Connection(harp.port) as other:
            assert kept.ask("GET", BASE + "/info").short == INFO
            assert other.ask("GET", BASE + "/info").short == INFO
            strike(harp, "127.0.0.2", 10)
            with pytest.raises(error) as told:
                kept.ask("GET", BASE + "/info")
            assert error is not EOFError or str(told.value) == NOTHING
            assert other.ask("GET", BASE + "/info").short == INFO

    def test_strikes_on_a_kept_connection(self):
        with Standin(ban="reset") as harp, Connection(harp.port, "127.0.0.2") as kept:
            for _ in range(10):
                assert kept.ask("GET", BASE + "/info", key="wrong").short == UNAUTHORIZED
            with pytest.raises(ConnectionResetError):
                kept.ask("GET", BASE + "/info", key="wrong")

    def test_strikes_age_out_one_by_one(self):
        with Standin(ban="reset", strike_window=1.5) as harp:
            began = time.monotonic()
            strike(harp, "127.0.0.2", 5)
            time.sleep(max(0, began + 0.7 - time.monotonic()))
            strike(harp, "127.0.0.2", 5)
            assert not is_served(harp, "127.0.0.2")
            while not is_served(harp, "127.0.0.2"):  # which adds none
                assert time.monotonic() - began < 3
                time.sleep(0.02)
            assert 1.45 < time.monotonic() - began < 2.1  # the last five still count
            strike(harp, "127.0.0.2", 5)
            assert not is_served(harp, "127.0.0.2")

    def test_a_wrong_key_while_banned_is_no_strike(self):
        with Standin(ban="reset", strike_window=0.8) as harp:
            strike(harp, "127.0.0.2", 10)
            for _ in range(20):
                with pytest.raises(ConnectionResetError):
                    ask(harp.port, "GET", BASE + "/info", key="wrong", address="127.0.0.2")
            time.sleep(0.85)
            assert is_served(harp, "127.0.0.2")

    def test_another_key(self, harp):
        harp.set(key="changed")
        assert ask(harp.port, "GET", BASE + "/info").short == UNAUTHORIZED
        assert ask(harp.port, "GET", BASE + "/info", key="changed").short == INFO


class TestConnections:
    def test_kept_and_pipelined(self, shared):
        with Connection(shared.port) as connection:
            connection.send(encode("GET", BASE + "/heartbeat") * 3)
            assert [connection.read().body for _ in range(3)] == ['{"status": "ok"}'] * 3
            assert not connection.is_closed(0.2)
        assert len({entry["port"] for entry in shared.log()[-3:]}) == 1

    def test_close(self, shared):
        with Connection(shared.port) as connection:
            assert connection.ask("GET", BASE + "/heartbeat", [("Connection", "close")]).headers["connection"] == "close"
            assert connection.is_closed()

    def test_http_1_0(self, shared):
        with Connection(shared.port) as connection:
            reply = connection.ask("GET", BASE + "/heartbeat", version="HTTP/1.0")
            assert (reply.version, reply.status) == ("HTTP/1.0", 200)
            assert connection.is_closed()

    def test_chunks(self, shared):
        with Connection(shared.port) as connection:
            connection.send(encode("POST", REMOVE, [PORT, ("Transfer-Encoding", "chunked")]))
            connection.send(b'a\r\n{"image_re\r\n9\r\nf":"x:1"}\r\n0\r\n\r\n')
            assert connection.read().short == REMOVED_NOTHING
            assert connection.ask("GET", BASE + "/info").short == INFO

    def test_expect(self, shared):
        with Connection(shared.port) as connection:
            request = encode("POST", REMOVE, [PORT, ("Expect", "100-continue")], {"image_ref": "x:1"})
            head, _, body = request.partition(b"\r\n\r\n")
            connection.send(head + b"\r\n\r\n")
            assert connection.read().status == 100
            connection.send(body)
            assert connection.read().short == REMOVED_NOTHING

    def test_a_body_that_never_completes(self, shared):
        with Connection(shared.port, timeout=0.3) as connection:
            connection.send(encode("POST", REMOVE, [PORT, ("Content-Length", "100")])[:-2] + b"\r\nnot a hundred")
            with pytest.raises(TimeoutError):
                connection.read()

    def test_a_client_that_says_nothing(self):
        late = (408, "text/html", "<html><body><h1>408 Request Time-out</h1>\n"
                "Your browser didn't send a complete request in time.\n</body></html>\n")
        with Standin(idle_timeout=0.4) as harp:
            with Connection(harp.port) as connection:
                reply = connection.read()
                assert (reply.short, reply.headers["connection"]) == (late, "close")
                assert connection.is_closed()
            with Connection(harp.port) as connection:
                connection.send(b"GET /")
                assert connection.read().short == late
            with Connection(harp.port) as connection:
                assert connection.ask("GET", BASE + "/info").short == INFO
                assert not connection.is_closed(0.2)
                assert connection.is_closed(0.6)
                with pytest.raises(EOFError, match=NOTHING):
                    connection.read()

    def test_refuse(self, harp):
        with Connection(harp.port) as connection:
            assert connection.ask("GET", BASE + "/info").short == INFO
            harp.refuse()
            assert connection.is_closed()
            with pytest.raises(ConnectionRefusedError):
                ask(harp.port, "GET", BASE + "/info")
            harp.refuse(False)
            assert ask(harp.port, "GET", BASE + "/info").short == INFO

    def test_it_ends_with_whoever_started_it(self):
        harp = Standin().start()
        harp.process.stdin.close()
        assert harp.process.wait(5) == 0
        harp.stop()


def read_all(connection):
    """(bytes until the end, how it ended)"""
    data = b""
    try:
        while len(data) < 1_000_000:
            piece = connection.socket.recv(65536)
            if not piece:
                return data, "closed"
            data += piece
    except TimeoutError:
        return data, "silent"
    except ConnectionResetError:
        return data, "reset"
    return data, "endless"


ANSWERED = b'{"deleted": true, "bytes_freed": 5}'
# what arrives: how it begins, how it ends (None: whatever), how the connection ends
FAULTS = {
    "silent": (b"", b"", "silent"),
    "close": (b"", b"", "closed"),
    "reset": (b"", b"", "reset"),
    "cut": (b"HTTP/1.1 200 OK\r\n", ANSWERED[:-5], "closed"),
    "hang": (b"HTTP/1.1 200 OK\r\n", ANSWERED[:-5], "silent"),
    "slow": (b"HTTP/1.1 200 OK\r\n", ANSWERED, "closed"),
    "garbage": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", b"not a chunk", "closed"),
    "http09": (ANSWERED, ANSWERED, "closed"),
    "flood": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", None, "endless"),
    "large": (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n   ", None, "endless"),
}


class TestFaults:
    @pytest.mark.parametrize("name", FAULTS)
    def test_kinds(self, harp, name):
        harp.add_image("app:1", size=5)
        harp.fault(kind="remove", fault=name, step=0.001)
        began, ended, end = FAULTS[name]
        with Connection(harp.port, timeout=0.4) as connection:
            connection.send(encode("POST", REMOVE, [PORT], {"image_ref": "app:1"}))
            data, how = read_all(connection)
        assert how == end
        assert data.startswith(began)
        assert ended is None or data.endswith(ended)
        assert harp.image_list() == ["app:1"]  # without an effect
        assert harp.log()[-1]["fault"] == name
        assert ask(harp.port, "GET", BASE + "/info").short == INFO

    def test_a_status_of_ones_own(self, harp):
        harp.fault(kind="remove", status=504, body="Timeout communicating with Docker Engine for image removal")
        harp.add_image("app:1", size=5)
        reply = ask(harp.port, "POST", REMOVE, [PORT], {"image_ref": "app:1"})
        assert reply.short == (504, TEXT, "Timeout communicating with Docker Engine for image removal")
        assert harp.image_list() == ["app:1"]
        harp.clear_faults()
        harp.fault(kind="remove", effect=True, status=302, haproxy=True, content_type="text/html", headers=["location: /x"])
        reply = ask(harp.port, "POST", REMOVE, [PORT], {"image_ref": "app:1"})
        assert (reply.short, reply.headers["location"], reply.is_haproxys) == ((302, "text/html", ""), "/x", True)
        assert harp.images() == {}

    def test_an_effect_without_its_answer(self, harp):
        harp.add_image("app:1", size=5)
        harp.fault(kind="remove", fault="close", effect=True)
        with pytest.raises(EOFError):
            remove(harp.port, "app:1")
        assert harp.images() == {}

    def test_which_request_and_how_often(self, harp):
        harp.fault(kind="remove", ref="a:1", times=2, status=500, body="x")
        assert remove(harp.port, "b:1") == (200, NOT_FOUND)
        assert ask(harp.port, "GET", BASE + "/images/a:1/json", [PORT]).status == 404
        assert [remove(harp.port, "a:1")[0] for _ in range(3)] == [500, 500, 200]
        harp.fault(status=500)
        assert ask(harp.port, "GET", BASE + "/info").status == 500
        harp.clear_faults()
        assert ask(harp.port, "GET", BASE + "/info").short == INFO

    def test_the_first_that_fits(self, harp):
        harp.fault(kind="info", times=1, status=418)
        harp.fault(status=503)
        assert [ask(harp.port, "GET", BASE + "/info").status for _ in range(2)] == [418, 503]

    def test_delay(self, harp):
        harp.fault(kind="remove", delay=0.3, effect=True)
        began = time.monotonic()
        assert remove(harp.port, "a:1") == (200, NOT_FOUND)
        assert 0.3 <= time.monotonic() - began < 1
        harp.clear_faults()
        harp.set(delay_ms=200)
        began = time.monotonic()
        remove(harp.port, "a:1")
        assert 0.2 <= time.monotonic() - began < 0.9

    def test_what_does_not_exist_is_told(self, harp):
        for wrong in ({"fault": "nonsense"}, {"knd": "remove"}):
            with pytest.raises(RuntimeError, match="unknown fault"):
                harp.fault(**wrong)
        with pytest.raises(RuntimeError, match="no such setting"):
            harp.set(delayms=5)
        with pytest.raises(RuntimeError, match="unknown"):
            harp.tell("nothing")

    def test_a_client_that_left_counts_no_more(self, harp):
        harp.fault(kind="remove", fault="silent", times=1)
        with pytest.raises(TimeoutError):
            ask(harp.port, "POST", REMOVE, [PORT], {"image_ref": "a:1"}, timeout=0.2)
        limit = time.monotonic() + 5
        while harp.log()[0]["end"] is None:
            assert time.monotonic() < limit
        ask(harp.port, "GET", BASE + "/info")
        assert harp.log()[-1]["active"] == 1


class TestTheLog:
    def test_each_request_with_its_times(self, harp):
        begin = time.time()
        harp.add_image("app:1", size=9)
        ask(harp.port, "GET", BASE + "/info")
        ask(harp.port, "GET", BASE + "/images/app:1/json", [PORT])
        harp.set(delay_ms=100)
        remove(harp.port, "app:1")
        harp.set(delay_ms=0)
        ask(harp.port, "POST", EXISTS, [PORT], {"name": "x"}, key="wrong")
        end = time.time()
        log = harp.log()
        seen = [(entry["seq"], entry["kind"], entry["ref"], entry["engine_port"], entry["key_right"], entry["status"])
                for entry in log]
        assert seen == [(0, "info", None, None, True, 200), (1, "inspect", "app:1", "24000", True, 200),
                        (2, "remove", "app:1", "24000", True, 200), (3, "exists", None, "24000", False, 401)]
        times = [moment for entry in log for moment in (entry["begin"], entry["end"])]
        assert [begin, *times, end] == sorted([begin, *times, end])
        assert log[2]["end"] - log[2]["begin"] >= 0.1
        assert log[2]["answer"] == freed(9)
        boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        assert boot - 5 < log[0]["boot"] <= log[3]["boot"] <= boot
        assert harp.log("remove") == [log[2]]
        harp.clear_log()
        assert harp.log() == []

    def test_how_many_at_once(self, harp):
        harp.set(delay_ms=300)
        with Connection(harp.port) as one, Connection(harp.port) as two:
            for connection in (one, two):
                connection.send(encode("POST", REMOVE, [PORT], {"image_ref": "app:1"}))
            for connection in (one, two):
                assert connection.read().short == REMOVED_NOTHING
        assert [entry["active"] for entry in harp.log()] == [1, 2]

    def test_in_a_file(self, tmp_path):
        with Standin(log=tmp_path / "log") as harp:
            remove(harp.port, "app:1")
            remove(harp.port, "app:2")
            told = harp.log()
        lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == told

    def test_a_client_that_lets_go_is_logged(self, harp):
        harp.fault(kind="info", fault="reset")
        with pytest.raises(ConnectionResetError):
            ask(harp.port, "GET", BASE + "/info")
        assert [(entry["fault"], entry["status"]) for entry in harp.log()] == [("reset", None)]


def test_several_engines(tmp_path):
    with Standin(engines={24000: "memory", 24001: "memory"}) as harp:
        harp.add_image("app:1", size=5, port=24001)
        assert remove(harp.port, "app:1") == (200, NOT_FOUND)
        other = ("docker-engine-port", "24001")
        assert ask(harp.port, "POST", REMOVE, [other], {"image_ref": "app:1"}).body == freed(5)
    assert os.listdir(tmp_path) == []
