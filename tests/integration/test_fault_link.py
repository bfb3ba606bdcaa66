"""What may go wrong below an answer: connections, names, certificates, silence, and bytes that are no answer."""

# pylint: disable=missing-function-docstring

import pathlib
import re
import socket
import subprocess
import time

import pytest
from harness.matrix import constants, words_of_rows
from harness.raw import Responder, ask
from harness.rows import one, schedule
from harness.standin import Standin
from test_fault_harp import ANYWHERE, CONTAINER_STOPS, GUARDS, INFOS, INSPECTS, REMOVALS, VERSIONS

CLOSED = "HaRP closed the connection without a word: "
LARGE = "the answer is larger than any of HaRP's"
CUT = "the answer broke off: "
NOT_HTTP = "the answer is not HTTP: "
OK = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
DELETED = '{"deleted": true, "bytes_freed": 5}'
GZIP = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"  # and then nothing that could be unpacked


def raw(text):
    return {"fault": "raw", "body": text}


# Name, how the transfer ends (http.h), what the stand-in does, the stop, words, how often it is asked for a job until
# then. A connection that was used before may have been closed by HAProxy meanwhile: it is tried once more.
BROKEN = [
    ("closed", "CLOSED", {"fault": "close"}, "silent", CLOSED, 2),
    ("reset", "CLOSED", {"fault": "reset"}, "silent", CLOSED, 2),
    ("no end", "TOO_LARGE", {"fault": "large"}, "not_harp", LARGE, 1),
    ("1xx without end", "TOO_LARGE", {"fault": "flood"}, "not_harp", LARGE, 1),
    ("headers without end", "TOO_LARGE", raw(OK + "x: y\r\n" * 20_000), "not_harp", LARGE, 1),
    ("a header without end", "TOO_LARGE", raw(OK + "x: " + "y" * 400_000), "not_harp", LARGE, 1),
    ("HTTP/0.9", "NOT_HTTP", {"fault": "http09"}, "not_harp", NOT_HTTP, 1),
    ("a banner", "NOT_HTTP", raw("SSH-2.0-OpenSSH_9.2\r\n"), "not_harp", NOT_HTTP, 1),
    ("HTTP/2", "NOT_HTTP", raw("\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x80\0\4\0\1\0\0\0\5\0\xff\xff\xff"), "not_harp", NOT_HTTP, 1),
    ("a TLS alert", "NOT_HTTP", raw("\x15\3\1\0\2\2\x46"), "not_harp", NOT_HTTP, 1),
    ("gzip", "ANSWERED", raw(OK + f"content-encoding: gzip\r\ncontent-length: {len(GZIP)}\r\n\r\n{GZIP}"), "not_harp",
     "the answer is not one that HaRP gives", 1),
    ("half a head", "ANSWERED", raw("HTTP/1.1 200 OK\r\ncontent-ty"), "not_harp", "the answer is not one that HaRP gives", 1),
    ("an empty HTTP/1.0", "ANSWERED", raw("HTTP/1.0 200 OK\r\n\r\n"), "not_harp", "the answer is not one that HaRP gives", 1),
]
# The same for what counts as a failure of its job, and stops the daemon when it comes twice in a row.
CUTS = [
    ("cut", "CUT", {"fault": "cut"}, CUT),
    ("not a chunk", "CUT", {"fault": "garbage"}, CUT),
    ("a chunk that is too short", "CUT", raw(OK + "transfer-encoding: chunked\r\n\r\n23\r\n" + DELETED[:9]), CUT),
    ("a chunk larger than all", "CUT", raw(OK + "transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n" + DELETED), CUT),
    ("a length that is too long", "CUT", raw(OK + "content-length: 99\r\n\r\n" + DELETED), CUT),
]


def rows(table):
    return pytest.mark.parametrize("fault,stop,words,times", [row[2:] for row in table], ids=[row[0] for row in table])


@rows(BROKEN)
class TestBroken:
    def test_info(self, scene, fault, stop, words, times):
        scene.harp.fault(kind="info", **fault)
        scene.program("run", code=1)
        scene.expect_stop(stop, words, {"info": 1}, ...)

    def test_inspect(self, scene, fault, stop, words, times):
        """What Docker tells about one image may be too large; that says nothing of the daemon."""
        if words == LARGE and fault.get("fault") != "flood":
            scene.harp.fault(kind="inspect", ref="app:0", **fault)
            scene.program("run")
            scene.expect_result("retry", "what Docker tells about this image is larger than the 64 KiB that are read")
            return
        scene.harp.fault(kind="inspect", **fault)
        scene.program("run", code=1)
        scene.expect_stop(stop, words, {"info": 1, "inspect": times}, ...)

    def test_removal(self, scene, fault, stop, words, times):
        scene.harp.fault(kind="remove", **fault)
        scene.program("run", code=1)
        scene.expect_stop(stop, words, {"info": 1, "inspect": 1, "remove": times}, ...)


@pytest.mark.parametrize("fault,words", [row[2:] for row in CUTS], ids=[row[0] for row in CUTS])
class TestCut:
    def test_info(self, scene, fault, words):
        scene.harp.fault(kind="info", **fault)
        scene.program("run", code=1)
        scene.expect_stop("down", words, {"info": 1}, ...)

    def test_inspect(self, scene, fault, words):
        scene.harp.fault(kind="inspect", **fault)
        scene.program("run", code=1)
        scene.expect_stop("down", words, {"info": 1, "inspect": 2}, ..., failures=1)

    def test_removal(self, scene, fault, words):
        scene.harp.fault(kind="remove", **fault)
        scene.program("run", code=1)
        scene.expect_stop("down", words, {"info": 1, "inspect": 2, "remove": 2}, ..., failures=1)

    def test_once(self, scene, fault, words):
        scene.harp.fault(kind="remove", times=1, **fault)
        scene.program("run")
        scene.expect_result("retry", words, status=...)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with an issuer (ca.pem) and certificates of its making: one that is right, one for another name, one
    that expires as it is made; and one of another issuer. {name: (certificate, key)}"""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    for issuer in ("ca", "stranger"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={issuer}", "-keyout",
                f"{issuer}.key", "-out", f"{issuer}.pem")
    for name, host, days, issuer in (("right", "localhost", 2, "ca"), ("other name", "elsewhere.example", 2, "ca"),
                                     ("expired", "localhost", 0, "ca"), ("other issuer", "localhost", 2, "stranger")):
        (folder / "ext").write_text(f"subjectAltName=DNS:{host}")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={host}", "-keyout", f"{name}.key", "-out", "csr")
        openssl("x509", "-req", "-in", "csr", "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial", "-days",
                str(days), "-extfile", "ext", "-out", f"{name}.pem")
    return folder


# Which certificate the far side has, the URL, the stop (None: it is well) and words.
TLS = [
    ("right", "https://localhost:{port}", None, ""),
    ("right", "https://127.0.0.1:{port}", "tls", "no trusted TLS connection: "),
    ("right", "http://127.0.0.1:{port}", "silent", CLOSED),
    ("other name", "https://localhost:{port}", "tls", "no trusted TLS connection: "),
    ("expired", "https://localhost:{port}", "tls", "no trusted TLS connection: "),
    ("other issuer", "https://localhost:{port}", "tls", "no trusted TLS connection: "),
]


@pytest.mark.parametrize("certificate,url,stop,words", TLS, ids=[f"{row[0]} {row[1][:9]}" for row in TLS])
def test_tls(scene, certificates, certificate, url, stop, words):
    """The key goes to nobody who has not proved who it is."""
    with Standin(tls_cert=certificates / f"{certificate}.pem", tls_key=certificates / f"{certificate}.key") as harp:
        scene.program.sections["daemon:harp"].update(url=url.format(port=harp.port), ca_file=certificates / "ca.pem")
        scene.program("run", code=0 if stop is None else 1)
        if stop is None:
            assert scene.asked(harp) == {"info": 1, "inspect": 4}
            scene.expect_other()
        else:
            scene.expect_stop(stop, words, {}, ...)
            assert harp.log() == []


def test_without_ca_file_the_system_s_issuers_count(scene, certificates):
    with Standin(tls_cert=certificates / "right.pem", tls_key=certificates / "right.key") as harp:
        scene.program.sections["daemon:harp"]["url"] = harp.url
        scene.program("run", code=1)
        scene.expect_stop("tls", "no trusted TLS connection: ", {}, ...)
        assert harp.log() == []


def test_no_tls_at_the_other_end(scene):
    with Responder(b"HTTP/1.0 400 Bad request\r\n\r\n") as port:
        scene.program.sections["daemon:harp"]["url"] = f"https://127.0.0.1:{port}"
        scene.program("run", code=1)
        scene.expect_stop("tls", "no trusted TLS connection: ", {}, ...)


NOWHERE = [
    ("refused", "NOT_CONNECTED", "http://127.0.0.1:9", "down", "no connection to HaRP: "),
    ("no such host", "NOT_RESOLVED", f"http://{'x' * 64}:8780", "down", "HaRP's host has no address: "),
    ("no such port", "FAILED", "http://127.0.0.1:99999", "down", "the request failed: "),
]


@pytest.mark.parametrize("url,stop,words", [row[2:] for row in NOWHERE], ids=[row[0] for row in NOWHERE])
def test_nobody_there(scene, url, stop, words):
    scene.program.sections["daemon:harp"]["url"] = url
    scene.program("run", code=1)
    scene.expect_stop(stop, words, {}, ...)


def strike(harp):
    """Ten wrong keys: HaRP bans this address, as the first of these shows that it had not before."""
    assert [ask(harp.port, "GET", "/exapps/app_api/info", key="wrong").status for _ in range(10)] == [401] * 10
    harp.clear_log()


def test_a_ban_that_resets(scene):
    with Standin(ban="reset") as harp:
        strike(harp)
        scene.program.sections["daemon:harp"]["url"] = harp.url
        scene.program("run", code=1)
        scene.expect_stop("silent", CLOSED, {}, ...)
        assert [(entry["fault"], entry["key_right"]) for entry in harp.log()] == [("banned", True)]
        assert [scene.program("run").err for _ in range(3)] == [""] * 3  # cron's next runs leave it alone
        assert len(harp.log()) == 1


# What takes until the limit: daemon, how the transfer ends, fault, state and failures of its job, the stop, words.
SLOW = [
    ("mute", "SILENT", None, 0, "silent", "connected, and then HaRP said nothing for 5."),
    ("mute-tls", "NOT_CONNECTED", None, 0, "down", "no connection to HaRP: "),
    ("banned", "SILENT", None, 0, "silent", "connected, and then HaRP said nothing for 5."),
    ("full", "NOT_CONNECTED", None, 0, "down", "no connection to HaRP: "),
    ("silent-inspect", "SILENT", {"kind": "inspect", "fault": "silent"}, 0, "silent", "connected, and then HaRP said nothing"),
    ("silent-removal", "SILENT", {"kind": "remove", "fault": "silent"}, 0, "silent", "connected, and then HaRP said nothing"),
    ("hanging", "CUT", {"kind": "remove", "fault": "hang"}, 1, None, CUT),
    ("trickling", "CUT", {"kind": "remove", "fault": "slow", "step": 0.1, "effect": True}, 1, None, CUT),
]


def test_slow(scene):
    """All at once, and none holds another up: the whole run takes as long as one of them."""
    program, connection, harp = scene.program, scene.connection, scene.harp
    program.sections["harp"].update(timeout="5s", connect_timeout="1s")
    with Standin(ban="silent") as banned, socket.create_server(("127.0.0.1", 0)) as mute, \
            socket.create_server(("127.0.0.1", 0), backlog=0) as full, \
            socket.create_connection(full.getsockname()):  # one waits for accept(), there is no room for more
        strike(banned)
        urls = {"mute": f"http://127.0.0.1:{mute.getsockname()[1]}", "mute-tls": f"https://127.0.0.1:{mute.getsockname()[1]}",
                "banned": banned.url, "full": f"http://127.0.0.1:{full.getsockname()[1]}"}
        for name, _, fault, *_ in SLOW:
            program.sections[f"daemon:{name}"] = {"url": urls.get(name, harp.url)}
            schedule(connection, daemon=name, image=f"{name}:1", choice="now")
            harp.add_image(f"{name}:1")
            if fault:
                harp.fault(ref=f"{name}:1", **fault)
        began = time.monotonic()
        program("run", code=1)
        assert 5 <= time.monotonic() - began < 10
        assert scene.asked(banned) == {"info": 1}
    for name, _, _, failures, stop, words in SLOW:
        row = scene.row(f"{name}:1")
        assert (row.state, row.attempts, row.failures, row.wait_s <= 0) == ("pending", 1, failures, failures == 0), name
        assert (row.last_error if failures else row.hold_reason).startswith(words), name
        told, paused = one(connection, "select stop, paused_until is not null from harpsweep.daemon where daemon = %s", name)
        assert (told, paused) == (stop, stop == "silent"), name
    assert {scene.row(f"app:{number}").state for number in range(4)} == {"removed"}
    scene.expect_other()


FAT = [{"fault": "large"}, {"fault": "flood"}, raw(OK + "x: " + "y" * 4_000_000),
       raw(OK + "content-length: 4000000\r\n\r\n" + " " * 4_000_000),
       raw(OK + f"content-encoding: gzip\r\ncontent-length: {len(GZIP)}\r\n\r\n{GZIP}")]


def test_what_is_too_large_is_not_read(scene):
    """Nothing of the far side's makes the program large: its peak is that of a run with honest answers."""
    def peak():
        process = scene.program.start("run")
        most = 0
        while process.poll() is None:
            found = re.search(r"VmHWM:\s*(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())
            most = int(found.group(1)) if found else most
            time.sleep(0.001)
        process.communicate()
        return most

    usual = peak()
    for fault in FAT:
        scene.harp.clear_faults()
        scene.harp.fault(**fault)
        schedule(scene.connection, daemon="harp", image="fat:1", choice="now")
        assert 0 < peak() < usual + 4_000
        assert scene.row("fat:1").state == "pending"


# What has a test of its own instead of a row.
ELSEWHERE = {"aborted": "test_run_races.py, a second signal ends requests", "tls_failed": "test_tls",
             "late": "test_http.c, a_request_is_not_sent_after_its_time"}
ACTIONS = {"go_on": "0.4.4", "done": "removed", "wait": "wait", "hold": "hold", "retry": "retry", "fail": "fail",
           "stop": "down"}


def test_the_tables_are_complete():
    """Each way in which a transfer ends, each verdict and each row of the program's own table stands in one of these."""
    answers = [*REMOVALS, *INSPECTS, *INFOS, *CONTAINER_STOPS, *ANYWHERE]
    assert {row[1].lower() for row in BROKEN + CUTS + NOWHERE + SLOW} | set(ELSEWHERE) == constants("http.h", "http_transport")
    verdicts = {row[2] for row in (*answers, *TLS, *GUARDS)} | {row[3] for row in BROKEN + NOWHERE} | {
        row[4] for row in SLOW} | {row[0] for row in VERSIONS}
    assert constants("verdict.h", "verdict_stop") - {"none"} <= verdicts
    assert constants("verdict.h", "verdict_state") - {"none", "unsupported"} <= verdicts
    assert set(ACTIONS) == constants("verdict.h", "verdict_action") and set(ACTIONS.values()) <= verdicts
    words = {row[3] for row in answers}
    assert [reason for reason in words_of_rows() if reason not in words] == []
