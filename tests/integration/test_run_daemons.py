"""What a run does when HaRP, or something in HaRP's place, does not answer as it should.

The stand-in's log judges: what was sent, when, and how much of it at once.
"""

import socket
import subprocess
import time

import pytest

from harness.program import Program
from harness.rows import job, one
from harness.rows import schedule as schedule_row
from harness.standin import Standin


def schedule(connection, image="app:1", daemon="harp", **named):
    return schedule_row(connection, daemon=daemon, image=image, choice="now", **named)


def states(connection):
    return dict(connection.execute("select state::text, count(*) from harpsweep.job group by 1").fetchall())


class TestPace:
    def test_first_info_then_one_job_alone_then_several(self, program, harp, connection):
        program.sections["run"]["max_parallel_per_daemon"] = 3
        harp.set(delay_ms=30)
        for number in range(12):
            harp.add_image(f"app:{number}")
            schedule(connection, image=f"app:{number}")
        program("run")
        log = harp.log()
        assert [entry["kind"] for entry in log[:3]] == ["info", "inspect", "remove"]
        assert log[1]["ref"] == log[2]["ref"]
        for entry in log[3:]:
            assert entry["begin"] >= log[2]["end"]
        assert max(entry["active"] for entry in log[:3]) == 1
        assert max(entry["active"] for entry in log[3:]) == 3
        assert states(connection) == {"removed": 12}

    def test_connections_are_kept(self, program, harp, connection):
        for number in range(20):
            schedule(connection, image=f"app:{number}")
        program("run")
        assert len({entry["port"] for entry in harp.log()}) <= 4

    def test_the_total_bounds_all_daemons(self, program, harp, connection):
        program.sections["run"].update({"max_parallel": 4, "max_parallel_per_daemon": 4})
        harp.set(delay_ms=20)
        for number in range(4):
            program.sections[f"daemon:d{number}"] = {"url": harp.url}
            for image in range(6):
                schedule(connection, image=f"app:{number}.{image}", daemon=f"d{number}")
        program("run")
        assert max(entry["active"] for entry in harp.log()) == 4
        assert states(connection) == {"absent": 24}

    def test_info_is_asked_without_the_engines_port(self, program, harp, connection):
        schedule(connection)
        program("run")
        log = harp.log()
        assert [entry["engine_port"] for entry in log] == [None, "24000"]
        assert all(entry["key_right"] for entry in log)


# What a first image_remove may be answered, and what must follow: action, part of last_error or hold_reason, exit code.
STOPS = [
    ("not json", {"status": 200, "body": "hello", "content_type": "application/json"}, "not_harp"),
    ("another reason", {"status": 200, "body": '{"deleted": false, "reason": "why"}', "content_type": "application/json"},
     "not_harp"),
    ("html", {"status": 200, "body": "<html>login</html>", "content_type": "text/html"}, "not_harp"),
    ("port missing", {"status": 400, "body": "Missing 'docker-engine-port' header."}, "configuration"),
    ("port invalid", {"status": 400, "body": "Invalid 'docker-engine-port' header value: x"}, "configuration"),
    ("400 html", {"status": 400, "body": "<html>", "content_type": "text/html"}, "configuration"),
    ("401", {"status": 401, "body": "401 Unauthorized", "content_type": "text/plain"}, "unauthorized"),
    ("403", {"status": 403, "body": "Request forbidden by administrative rules.", "content_type": "text/html"}, "too_old"),
    ("404 agent", {"status": 404, "body": "404: Not Found"}, "too_old"),
    ("404 haproxy", {"status": 404, "body": "404 Not Found", "content_type": "text/plain"}, "configuration"),
    ("404 html", {"status": 404, "body": "<html>", "content_type": "text/html"}, "not_harp"),
    ("302", {"status": 302, "body": "", "content_type": "text/html", "headers": ["location: http://127.0.0.1:1/"]}, "not_harp"),
    ("429", {"status": 429, "body": "slow down"}, "configuration"),
    ("engine gone", {"status": 503, "body": "Could not connect to Docker Engine on port 24000"}, "down"),
    ("engine 403", {"status": 503, "body": "Error removing image 'app:0' via Docker Engine: Status 403"}, "forbidden"),
    ("agent gone", {"status": 503, "body": "503 Service Unavailable (HaRP)", "content_type": "text/plain"}, "down"),
    ("backend gone", {"status": 503, "body": "No server is available to handle this request.", "content_type": "text/html"},
     "down"),
    ("closed", {"fault": "close"}, "silent"),
    ("reset", {"fault": "reset"}, "silent"),
    ("large", {"fault": "large"}, "not_harp"),
    ("flood", {"fault": "flood"}, "not_harp"),
    ("http09", {"fault": "http09"}, "not_harp"),
]


class TestStops:
    @pytest.mark.parametrize("fault,stop", [row[1:] for row in STOPS], ids=[row[0] for row in STOPS])
    def test_the_daemon_is_left_alone_and_no_job_pays(self, program, harp, connection, fault, stop):
        program.sections["cleanup"]["verify"] = "no"
        for number in range(5):
            schedule(connection, image=f"app:{number}")
        harp.fault(kind="remove", **fault)
        run = program("run", code=1)
        # A close on a connection that was used before may be tried once more: HAProxy closes idle ones.
        assert len(harp.log("remove")) <= (2 if stop == "silent" else 1)
        assert states(connection) == {"pending": 5}
        assert one(connection, "select sum(failures), count(*) filter (where next_at <= now()) from harpsweep.job") == (0, 5)
        assert one(connection, "select stop from harpsweep.daemon") == stop
        assert f"daemon stopped for this run: daemon=harp stop={stop}" in run.err

    def test_a_wrong_key_is_sent_once_and_then_not_for_a_while(self, program, harp, connection):
        harp.set(key="another")
        for number in range(5):
            schedule(connection, image=f"app:{number}")
        program("run", code=1)
        assert [entry["kind"] for entry in harp.log()] == ["info"]
        for _ in range(3):  # cron goes on, and sends no more strikes
            run = program("run")
            assert run.err == ""
        assert len(harp.log()) == 1
        harp.set(key=harp.key)
        program("run", "--daemon", "harp")  # a person mended the key and says so
        assert states(connection) == {"absent": 5}
        assert one(connection, "select stop, paused_until from harpsweep.daemon") == (None, None)

    def test_a_daemon_that_is_down_costs_nothing(self, program, harp, connection):
        number = schedule(connection)
        harp.refuse()
        for _ in range(5):
            program("run", code=1)
        row = job(connection, number)
        assert (row["state"], row["failures"], row["lost_claims"]) == ("pending", 0, 0)
        assert "no connection" in row["hold_reason"]
        since = one(connection, "select stopped_since from harpsweep.daemon")
        harp.refuse(False)
        program("run")
        assert job(connection, number)["state"] == "absent"
        assert since is not None and one(connection, "select stopped_since from harpsweep.daemon") is None

    def test_one_daemon_down_does_not_stop_another(self, program, harp, connection):
        program.sections["daemon:dead"] = {"url": "http://127.0.0.1:9"}
        dead = schedule(connection, daemon="dead")
        alive = schedule(connection)
        program("run", code=1)
        assert (job(connection, dead)["state"], job(connection, alive)["state"]) == ("pending", "absent")

    @pytest.mark.parametrize("version,stop", [(0.3, "too_old"), ("0.4.0", "too_old"), (0.4, None), ("0.4.1", None)])
    def test_versions(self, program, harp, connection, version, stop):
        harp.set(info_version=version)
        schedule(connection)
        program("run", code=1 if stop else 0)
        assert one(connection, "select stop from harpsweep.daemon") == stop
        assert len(harp.log()) == (1 if stop else 2)

    def test_silence_is_a_stop_within_the_limit(self, program, harp, connection):
        program.sections["harp"]["timeout"] = "5s"
        program.sections["cleanup"]["verify"] = "no"
        schedule(connection)
        harp.fault(kind="remove", fault="silent")
        begin = time.monotonic()
        program("run", code=1)
        assert 4 < time.monotonic() - begin < 9
        assert one(connection, "select stop from harpsweep.daemon") == "silent"
        assert states(connection) == {"pending": 1}


class TestRetries:
    def test_a_failure_of_one_job_backs_off_and_ends_as_failed(self, program, harp, connection):
        program.sections["cleanup"].update({"max_failures": 2, "verify": "no"})
        bad = schedule(connection, image="bad:1")
        good = schedule(connection)
        harp.fault(kind="remove", ref="bad:1", status=503, body="Error removing image 'bad:1' via Docker Engine: Status 500")
        program("run")
        row = job(connection, bad)
        assert (row["state"], row["failures"], row["http_status"]) == ("pending", 1, 503)
        assert "Docker status 500" in row["last_error"]
        wait = one(connection, "select extract(epoch from next_at - now()) from harpsweep.job where id = %s", bad)
        assert 29 < wait <= 90
        assert job(connection, good)["state"] == "absent"
        connection.execute("update harpsweep.job set next_at = now() where id = %s", [bad])
        program("run", code=1)
        assert job(connection, bad)["state"] == "failed"
        program("retry", bad)
        harp.clear_faults()
        program("run")
        assert job(connection, bad)["state"] == "absent"

    def test_a_timeout_of_dockers_waits_five_minutes(self, program, harp, connection):
        program.sections["cleanup"]["verify"] = "no"
        number = schedule(connection)
        harp.fault(kind="remove", times=1, status=504, body="Timeout communicating with Docker Engine for image removal")
        program("run")
        assert job(connection, number)["failures"] == 1
        assert one(connection, "select extract(epoch from next_at - now()) from harpsweep.job") > 299

    def test_an_invalid_reference_fails_at_once(self, program, harp, connection):
        program.sections["cleanup"]["verify"] = "no"
        number = schedule(connection)
        harp.fault(kind="remove", status=503, body="Error removing image 'app:1' via Docker Engine: Status 400")
        program("run", code=1)
        assert job(connection, number)["state"] == "failed"

    @pytest.mark.parametrize("fault", [
        {"status": 500, "body": "An unexpected error occurred during image removal."},
        {"status": 502, "body": "<html>bad gateway</html>", "content_type": "text/html"},
        {"fault": "cut"},
        {"fault": "garbage"},
    ])
    def test_two_in_a_row_stop_the_daemon(self, program, harp, connection, fault):
        program.sections["cleanup"]["verify"] = "no"
        for number in range(5):
            schedule(connection, image=f"app:{number}")
        harp.fault(kind="remove", **fault)
        program("run", code=1)
        assert len(harp.log("remove")) == 2
        assert one(connection, "select sum(failures) from harpsweep.job") == 1
        assert one(connection, "select stop from harpsweep.daemon") == "down"

    def test_a_reused_connection_that_died_is_tried_once_more(self, program, harp, connection):
        schedule(connection)
        harp.add_image("app:1")
        harp.fault(kind="inspect", fault="close", times=1)
        program("run")
        assert states(connection) == {"removed": 1}
        assert [entry["kind"] for entry in harp.log()] == ["info", "inspect", "inspect", "remove"]


class TestSecrets:
    def test_a_key_goes_to_its_own_daemon_only(self, program, harp, connection, tmp_path):
        with Standin(key="key-two") as second:
            program.sections["daemon:second"] = {
                "url": second.url, "shared_key_file": program.write_key("key-two", tmp_path / "second.key")}
            schedule(connection)
            schedule(connection, daemon="second")
            program("run")
            assert all(entry["key_right"] for entry in harp.log() + second.log())
        assert states(connection) == {"absent": 2}

    def test_a_redirect_is_not_followed(self, program, harp, connection):
        with socket.create_server(("127.0.0.1", 0)) as trap:
            trap.settimeout(0.5)
            port = trap.getsockname()[1]
            harp.fault(status=302, body="", headers=[f"location: http://127.0.0.1:{port}/"])
            schedule(connection)
            program("run", code=1)
            with pytest.raises(TimeoutError):
                trap.accept()

    def test_proxies_of_the_environment_are_not_used(self, program, harp, connection):
        schedule(connection)
        proxy = "http://127.0.0.1:9"
        program("run", http_proxy=proxy, HTTP_PROXY=proxy, https_proxy=proxy, ALL_PROXY=proxy, all_proxy=proxy)
        assert states(connection) == {"absent": 1}
        assert harp.log()

    def test_the_key_is_in_no_output_and_not_in_the_database(self, program, harp, connection):
        schedule(connection)
        harp.fault(kind="inspect", status=500, body="you sent harp-shared-key: test-shared-key", content_type="text/plain")
        run = program("run", "-vv", code=None)
        rows = connection.execute("select j::text, d::text, r::text from harpsweep.job j, harpsweep.daemon d, harpsweep.run r")
        assert "test-shared-key" not in run.out + run.err + str(rows.fetchall())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost that no authority of the system signed."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True)
    return folder


class TestTls:
    @pytest.mark.parametrize("trusted,host,works", [(True, "localhost", True), (False, "localhost", False),
                                                    (True, "127.0.0.1", False)])
    def test_certificates_are_verified(self, tmp_path, cluster, database, worker, certificate, trusted, host, works):
        connection = database.connect()
        with Standin(tls_cert=certificate / "cert.pem", tls_key=certificate / "key.pem") as harp:
            program = Program(tmp_path, cluster.conninfo(database.name, user=worker), f"https://{host}:{harp.port}")
            if trusted:
                program.sections["harp"]["ca_file"] = certificate / "cert.pem"
            schedule(connection)
            program("run", code=0 if works else 1)
            assert states(connection) == ({"absent": 1} if works else {"pending": 1})
            if not works:
                assert one(connection, "select stop from harpsweep.daemon") == "tls"
                assert harp.log() == []  # the key was not sent

    def test_plain_http_to_a_tls_port(self, tmp_path, cluster, database, worker, certificate):
        connection = database.connect()
        with Standin(tls_cert=certificate / "cert.pem", tls_key=certificate / "key.pem") as harp:
            program = Program(tmp_path, cluster.conninfo(database.name, user=worker), f"http://127.0.0.1:{harp.port}")
            schedule(connection)
            program("run", code=1)
            assert states(connection) == {"pending": 1}
            assert harp.log() == []


def test_hard_jsons_are_never_a_success(program, harp, connection):
    program.sections["cleanup"]["verify"] = "no"
    bodies = [
        '{"deleted": true, "bytes_freed": -1}', '{"deleted": true, "bytes_freed": 1e300}', '{"deleted": true, "bytes_freed": NaN}',
        '{"deleted": true, "bytes_freed": 99999999999999999999}', '{"deleted": 1, "bytes_freed": 5}', '{"deleted": true}',
        '{"deleted": true, "bytes_freed": 5, "deleted": true}', '{"deleted": true, "bytes_freed": 5} x', "[" * 50000,
        '{"deleted": true, "bytes_freed": "5"}', "null", '"deleted"', "",
    ]
    for number, body in enumerate(bodies):
        image = f"app:{number}"
        schedule(connection, image=image)
        harp.clear_faults()
        harp.fault(kind="remove", ref=image, status=200, body=body, content_type="application/json")
        program("run", "--app", "app", code=1)
        assert states(connection) == {"pending": 1}, body
        connection.execute("truncate harpsweep.job")
