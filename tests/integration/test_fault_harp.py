"""Every answer of the protocol's tables, from HaRP, from Docker or from something in between, and what a run makes of it:
the job's row, the daemon's row, the exit code, and how much was asked."""

# pylint: disable=missing-function-docstring,unused-argument

import time

import pytest
from harness.matrix import SIZE
from harness.program import Program
from harness.rows import ID, one, schedule
from harness.watch import deploy, rows as query

JSON = "application/json; charset=utf-8"  # the agent's
DOCKER = "application/json"
TEXT = "text/plain; charset=utf-8"
HAPROXY = "text/plain"
HTML = "text/html"
STRANGER = "the answer is not one that HaRP gives"
PLACE = "something else answers in HaRP's place"
REFUSED = "a proxy in front of HaRP does not let the request through"
TROUBLE = "HaRP or the proxy in front has trouble"


def removed(fields):
    return 200, JSON, "{" + fields + "}"


# Answers that mean the same whatever was asked: name, (status, content type, body), verdict, words. "twice": it counts
# as a failure of its job, and a second one in a row stops the daemon.
ANYWHERE = [
    ("301", (301, HTML, ""), "configuration", "a redirect, which is not followed"),
    ("302", (302, HTML, ""), "not_harp", "a redirect: something else answers in HaRP's place"),
    ("303", (303, HTML, ""), "configuration", "a redirect, which is not followed"),
    ("307", (307, HTML, ""), "configuration", "a redirect, which is not followed"),
    ("308", (308, HTML, ""), "configuration", "a redirect, which is not followed"),
    ("400 html", (400, HTML, "<h1>400 Bad request</h1>"), "configuration", "the request was refused on its way"),
    ("400 port missing", (400, TEXT, "Missing 'docker-engine-port' header."), "configuration",
     "HaRP was not told the engine's port"),
    ("400 port invalid", (400, TEXT, "Invalid 'docker-engine-port' header value: x"), "configuration",
     "HaRP does not take the engine's port"),
    ("401", (401, HAPROXY, "401 Unauthorized"), "unauthorized", "HaRP refuses the shared key"),
    ("401 of a proxy", (401, HTML, "<h1>Authorization Required</h1>"), "unauthorized",
     "something in front of HaRP wants a login, or the shared key is wrong"),
    ("403", (403, HTML, "<h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n"), "too_old",
     "refused by a proxy's rules: HaRP before 0.2, or a firewall"),
    ("403 of a firewall", (403, HTML, "<h1>Access denied</h1>"), "configuration",
     "something in front of HaRP forbids the request"),
    ("404 with the colon", (404, TEXT, "404: Not Found"), "too_old",
     "this HaRP does not know the request: it is older than 0.4.1"),
    ("404 without the colon", (404, HAPROXY, "404 Not Found"), "configuration",
     "HaRP knows no such route: a proxy in front seems to strip /exapps/"),
    ("404 html", (404, HTML, "<title>Not found</title>"), "not_harp", PLACE),
    ("405", (405, TEXT, "405: Method Not Allowed"), "configuration", REFUSED),
    ("408", (408, HTML, "Your browser didn't send a complete request in time."), "configuration", REFUSED),
    ("413", (413, TEXT, "Maximum request body size 1048576 exceeded"), "configuration", REFUSED),
    ("429", (429, DOCKER, "{}"), "configuration", REFUSED),
    ("500 of the agent", (500, TEXT, "500 Internal Server Error\n\nServer got itself in trouble"), "twice", TROUBLE),
    ("502 html", (502, HTML, "<h1>502 Bad Gateway</h1>"), "twice", TROUBLE),
    ("503 engine gone", (503, TEXT, "Could not connect to Docker Engine on port 24000"), "down",
     "HaRP can't reach the Docker Engine"),
    ("503 agent stalled", (503, HAPROXY, "503 Service Unavailable (HaRP)"), "down", "HaRP's agent does not answer HAProxy"),
    ("503 of a proxy", (503, HTML, "<h1>Maintenance</h1>"), "twice", TROUBLE),
    ("504 html", (504, HTML, "<h1>504 Gateway Time-out</h1>"), "twice", TROUBLE),
    ("520 html", (520, HTML, "<title>520: unknown error</title>"), "twice", TROUBLE),
    ("524 html", (524, HTML, "<title>524: a timeout occurred</title>"), "twice", TROUBLE),
    ("201", (201, JSON, '{"deleted": true, "bytes_freed": 5000}'), "not_harp", PLACE),
    ("204", (204, "", ""), "not_harp", PLACE),
    ("600", (600, JSON, '{"deleted": true, "bytes_freed": 5000}'), "not_harp", PLACE),
    ("200 html", (200, HTML, "<!DOCTYPE html>\n<html>Log in"), "not_harp", STRANGER),
    ("200 text", (200, TEXT, "OK"), "not_harp", STRANGER),
    ("200 without a type", (200, "", '{"deleted": true, "bytes_freed": 5000}'), "not_harp", STRANGER),
    ("200 not json", (200, JSON, "deleted"), "not_harp", STRANGER),
    ("200 half json", (200, JSON, '{"deleted": true, "bytes_fr'), "not_harp", STRANGER),
    ("200 empty", (200, JSON, ""), "not_harp", STRANGER),
    ("200 other json", (200, JSON, '{"ocs": {"meta": {"status": "ok"}}}'), "not_harp", STRANGER),
    ("200 deep json", (200, JSON, "[" * 50_000), "not_harp", STRANGER),
]

REMOVALS = [
    ("deleted", removed('"deleted": true, "bytes_freed": 5000'), "removed", ""),
    ("only untagged", removed('"deleted": true, "bytes_freed": 0'), "untagged",
     "only its name was removed: another name or image still needs what is behind it, or it had no size"),
    ("not found", removed('"deleted": true, "bytes_freed": 0, "reason": "not_found"'), "absent", "the image was gone already"),
    ("in use", removed('"deleted": false, "reason": "in_use"'), "wait", "in use: a container"),
    ("deleted for another reason", removed('"deleted": true, "bytes_freed": 0, "reason": "gone"'), "not_harp", STRANGER),
    ("not deleted for another reason", removed('"deleted": false, "reason": "busy"'), "not_harp", STRANGER),
    ("no word of deleted", removed('"bytes_freed": 5000'), "not_harp", STRANGER),
    ("wrong types", removed('"deleted": "true", "bytes_freed": "5000"'), "not_harp", STRANGER),
    ("a negative size", removed('"deleted": true, "bytes_freed": -1'), "not_harp", STRANGER),
    ("a size beyond all", removed('"deleted": true, "bytes_freed": 99999999999999999999'), "not_harp", STRANGER),
    ("a size that is real", removed('"deleted": true, "bytes_freed": 1e300'), "not_harp", STRANGER),
    ("a size that is none", removed('"deleted": true, "bytes_freed": NaN'), "not_harp", STRANGER),
    ("no size", removed('"deleted": true'), "not_harp", STRANGER),
    ("deleted is 1", removed('"deleted": 1, "bytes_freed": 5'), "not_harp", STRANGER),
    ("a text", (200, JSON, '"deleted"'), "not_harp", STRANGER),
    ("null", (200, JSON, "null"), "not_harp", STRANGER),
    ("deleted twice over", removed('"deleted": false, "reason": "in_use", "deleted": true'), "not_harp", STRANGER),
    ("something behind", (200, JSON, '{"deleted": true, "bytes_freed": 5} x'), "not_harp", STRANGER),
    ("400 not json", (400, TEXT, "Invalid JSON body"), "fail", "HaRP can't read the request for this image"),
    ("400 validation", (400, TEXT, "Payload validation error: 1 validation error for RemoveImagePayload\nimage_ref\n  String"),
     "fail", "HaRP refuses the image reference"),
    ("403 json", (403, DOCKER, '{"message": "no"}'), "configuration", "something in front of HaRP forbids the request"),
    ("404 json", (404, DOCKER, '{"message": "page not found"}'), "not_harp", PLACE),
    ("500 docker closed", (500, TEXT, "An unexpected error occurred during image removal."), "twice",
     "Docker closed the connection to HaRP"),
    ("503 docker 400", (503, TEXT, "Error removing image 'app:0' via Docker Engine: Status 400"), "fail",
     "Docker refuses the image reference (Docker status 400)"),
    ("503 docker 401", (503, TEXT, "Error removing image 'app:0' via Docker Engine: Status 401"), "forbidden",
     "Docker forbids removing images (Docker status 401)"),
    ("503 docker 403", (503, TEXT, "Error removing image 'app:0' via Docker Engine: Status 403"), "forbidden",
     "Docker forbids removing images (Docker status 403)"),
    ("503 docker 500", (503, TEXT, "Error removing image 'app:0' via Docker Engine: Status 500"), "retry",
     "Docker could not remove the image (Docker status 500)"),
    ("503 docker 301", (503, TEXT, "Error removing image 'app:0' via Docker Engine: Status 301"), "retry",
     "Docker could not remove the image (Docker status 301)"),
    ("503 no server", (503, HTML, "No server is available to handle this request."), "down", "HaRP's agent is down"),
    ("504 inspect", (504, TEXT, "Timeout communicating with Docker Engine for image inspect"), "retry300",
     "Docker did not answer HaRP in time"),
    ("504 removal", (504, TEXT, "Timeout communicating with Docker Engine for image removal"), "retry300",
     "Docker did not answer HaRP in time"),
]

INSPECTS = [
    ("no such image", (404, DOCKER, '{"message": "no such image: app:0: No such image: app:0"}'), "absent",
     "the image was gone already"),
    ("another 404 of docker", (404, DOCKER, '{"message": "page not found"}'), "not_harp", PLACE),
    ("400 reference", (400, DOCKER, '{"message": "invalid reference format"}'), "fail",
     "Docker refuses the image reference (HTTP 400)"),
    ("400 version", (400, DOCKER, '{"message": "client version 1.44 is too new. Maximum supported API version is 1.41"}'),
     "configuration", "the request was refused on its way"),
    ("403 plugin", (403, DOCKER, '{"message": "authorization denied by plugin"}'), "forbidden",
     "Docker forbids looking at images"),
    ("500 docker", (500, DOCKER, '{"message": "layer does not exist"}'), "retry", "Docker has trouble with this image"),
    ("503 no server", (503, HTML, "No server is available to handle this request."), "down",
     "HaRP can't reach the Docker Engine"),
    ("504 timeout", (504, TEXT, "Timeout communicating with Docker Engine for image inspect"), "retry300",
     "Docker did not answer HaRP in time"),
    ("no ID", (200, DOCKER, '{"RepoTags": [], "RepoDigests": [], "Size": 5}'), "not_harp", STRANGER),
    ("an ID that is none", (200, DOCKER, '{"Id": "sha256:12", "RepoTags": [], "RepoDigests": [], "Size": 5}'), "not_harp", STRANGER),
    ("too large", (200, DOCKER, '{"Id": "' + "x" * 70_000 + '"}'), "retry",
     "what Docker tells about this image is larger than the 64 KiB that are read"),
    ("too large and html", (200, HTML, "x" * 70_000), "not_harp", "the answer is larger than any of HaRP's"),
]


def info(version):
    return 200, JSON, '{"version": ' + version + ', "docker": true, "kubernetes": {"enabled": false}}'


VERSIONS = [("0.4.4", info('"0.4.4"')), ("0.4.1", info('"0.4.1"')), ("1.0.0", info('"1.0.0"')), ("0.4", info("0.4"))]

INFOS = [
    ("0.4.0", info('"0.4.0"'), "too_old", "HaRP 0.4.0 can't remove images"),
    ("0.3.2", info('"0.3.2"'), "too_old", "HaRP 0.3.2 can't remove images"),
    ("0.3 as a number", info("0.3"), "too_old", "HaRP 0.3 can't remove images"),
    ("no version", (200, JSON, '{"docker": true}'), "not_harp", STRANGER),
    ("a version that is none", info('"latest"'), "not_harp", STRANGER),
    ("no docker", (200, JSON, '{"version": "0.4.4", "docker": false}'), "configuration",
     "HaRP 0.4.4 says that it has no Docker Engine"),
    ("503 no server", (503, HTML, "No server is available to handle this request."), "down", "HaRP's agent is down"),
]

# What /containers/… may say of an app that was deployed: which image and state are remembered, and whether the jobs go
# on: an app whose image is not known holds them.
CONTAINERS = [
    ("running", (200, DOCKER, '{"Image": "' + ID + '", "Config": {"Image": "r/app:1"}, "State": {"Status": "running"}}'),
     ("r/app:1", ID, "running"), True),
    ("stopped", (200, DOCKER, '{"Image": "' + ID + '", "Config": {"Image": "r/app:1"}, "State": {"Status": "exited"}}'),
     ("r/app:1", ID, "exited"), True),
    ("none", (404, DOCKER, '{"message": "No such container: nc_app_unseen"}'), (None, None, None), True),
    ("too large", (200, DOCKER, '{"Image": "' + "x" * 70_000 + '"}'), None, False),
    ("500 docker", (500, DOCKER, '{"message": "no"}'), None, False),
    ("502 html", (502, HTML, "<h1>502 Bad Gateway</h1>"), None, False),
]
CONTAINER_STOPS = [
    ("another 404 of docker", (404, DOCKER, '{"message": "page not found"}'), "not_harp", PLACE),
    ("403 plugin", (403, DOCKER, '{"message": "authorization denied by plugin"}'), "forbidden",
     "Docker forbids looking at images"),
    ("503 no server", (503, HTML, "No server is available to handle this request."), "down",
     "HaRP can't reach the Docker Engine"),
    ("no image", (200, DOCKER, '{"State": {"Status": "running"}}'), "not_harp", STRANGER),
    ("an image that is none", (200, DOCKER, '{"Image": "r/app:1", "Config": {"Image": "r/app:1"}}'), "not_harp", STRANGER),
]

# What /_ping may say, which only "check" asks: the exit code, and what it tells.
PINGS = [
    ("ok", (200, TEXT, "OK"), 0, "Docker answers behind docker-engine-port 24000"),
    ("401", (401, HAPROXY, "401 Unauthorized"), 1, "HaRP refused the shared key (401)"),
    ("502", (502, HTML, "<h1>"), 1, "no Docker Engine answers behind docker-engine-port 24000 (HTTP 502)"),
    ("503", (503, HTML, "<h1>"), 1, "no Docker Engine answers behind docker-engine-port 24000 (HTTP 503)"),
    ("504", (504, HTML, "<h1>"), 1, "no Docker Engine answers behind docker-engine-port 24000 (HTTP 504)"),
    ("403", (403, HTML, "<h1>"), 1, "Docker's ping was answered by something else (HTTP 403)"),
    ("html", (200, HTML, "<h1>Log in"), 1, "Docker's ping was answered by something else (HTTP 200)"),
]

RESULTS = ("removed", "untagged", "absent", "wait", "hold", "retry", "retry300", "fail")


def rows(table, *verdicts):
    """The rows whose verdict is one of these, or that are anything else without any."""
    chosen = [row for row in table if row[2] in verdicts] if verdicts else [
        row for row in table if row[2] not in (*RESULTS, "twice")]
    return pytest.mark.parametrize("answer,verdict,words", [row[1:] for row in chosen], ids=[row[0] for row in chosen])


def answer_with(scene, answer, **where):
    status, content_type, body = answer
    headers = [f"location: http://127.0.0.1:{scene.trap}/exapps/app_api/info"] if 300 <= status < 400 else []
    scene.harp.fault(status=status, content_type=content_type, body=body, headers=headers, **where)


class TestRemoval:
    @rows(REMOVALS, *RESULTS)
    def test_ends_one_job(self, scene, answer, verdict, words):
        answer_with(scene, answer, kind="remove", ref="app:0")
        run = scene.program("run", code=int(verdict == "fail"))
        scene.expect_result(verdict, words, status=answer[0])
        assert scene.asked() == {"info": 1, "inspect": 4, "remove": 4}
        assert (run.err == "") == (verdict != "fail")

    @rows(REMOVALS + ANYWHERE)
    def test_stops_the_daemon(self, scene, answer, verdict, words):
        answer_with(scene, answer, kind="remove")
        run = scene.program("run", code=1)
        scene.expect_stop(verdict, words, {"info": 1, "inspect": 1, "remove": 1}, answer[0])
        assert f"daemon stopped for this run: daemon=harp stop={verdict} " in run.err and "hint: " in run.err

    @rows(REMOVALS + ANYWHERE, "twice")
    def test_two_in_a_row_stop_the_daemon(self, scene, answer, verdict, words):
        answer_with(scene, answer, kind="remove")
        scene.program("run", code=1)
        scene.expect_stop("down", words, {"info": 1, "inspect": 2, "remove": 2}, answer[0], failures=1)

    @rows([row for row in REMOVALS + ANYWHERE if row[0] in ("500 docker closed", "502 html")], "twice")
    def test_once_it_is_the_job_s(self, scene, answer, verdict, words):
        answer_with(scene, answer, kind="remove", times=1)
        scene.program("run")
        scene.expect_result("retry", words, status=answer[0])

    def test_one_more_ends_no_outage(self, scene):
        """A run with one due job cannot have two in a row: what stopped the daemon still stands, and nobody is told anew."""
        answer_with(scene, (502, HTML, "<h1>502 Bad Gateway</h1>"), kind="remove")
        assert "daemon stopped" in scene.program("run", code=1).err
        for due, code in ((1, 0), (4, 1)):
            scene.connection.execute("update harpsweep.job set next_at = case when id in (select id from harpsweep.job where"
                                     " state = 'pending' order by id limit %s) then not_before else now() + interval '1 h' end"
                                     " where state = 'pending'", [due])
            assert scene.program("run", code=code).err == ""
            assert scene.daemon.stop == "down"
        scene.harp.clear_faults()
        scene.connection.execute("update harpsweep.job set next_at = not_before where state = 'pending'")
        scene.program("run")
        assert (scene.daemon.stop, scene.daemon.stopped_since) == (None, None)


class TestInspect:
    @rows(INSPECTS, *RESULTS)
    def test_ends_one_job(self, scene, answer, verdict, words):
        answer_with(scene, answer, kind="inspect", ref="app:0")
        scene.program("run", code=int(verdict == "fail"))
        scene.expect_result(verdict, words, status=answer[0])
        assert scene.asked() == {"info": 1, "inspect": 4, "remove": 3}

    @rows(INSPECTS + ANYWHERE)
    def test_stops_the_daemon(self, scene, answer, verdict, words):
        answer_with(scene, answer, kind="inspect")
        scene.program("run", code=1)
        scene.expect_stop(verdict, words, {"info": 1, "inspect": 1}, answer[0])

    @rows(INSPECTS + ANYWHERE, "twice")
    def test_two_in_a_row_stop_the_daemon(self, scene, answer, verdict, words):
        answer_with(scene, answer, kind="inspect")
        scene.program("run", code=1)
        scene.expect_stop("down", words, {"info": 1, "inspect": 2}, answer[0], failures=1)


# What is done before a run whose answers are all honest; verdict, words, requests.
GUARDS = [
    ("tag set again", lambda scene: scene.harp.tag("app:0", "app:0", when=time.time() + 5), "wait",
     "the tag was set again at ", {"info": 1, "inspect": 4, "remove": 3}),
    ("another name", lambda scene: scene.move("app:0", "backup:1"), "wait", "the recorded image is still named backup:1",
     {"info": 1, "inspect": 5, "remove": 3}),
    ("loaded by hand", lambda scene: scene.load_by_hand("app:0"), "hold", "image has no registry digest",
     {"info": 1, "inspect": 4, "remove": 3}),
    ("keep", lambda scene: scene.program.sections["cleanup"].update(keep="*:0"), "hold",
     "the image matches keep = *:0 of the settings", {"info": 1, "inspect": 3, "remove": 3}),
    ("moved on", lambda scene: scene.move("app:0"), "removed", "deleted by its ID", {"info": 1, "inspect": 5, "remove": 4}),
    ("untagged", lambda scene: scene.harp.tag("app:0", "backup:1", when=1), "untagged", "only its name was removed",
     {"info": 1, "inspect": 4, "remove": 4}),
    ("in use", lambda scene: scene.harp.add_container("app:0"), "wait", "in use: a container",
     {"info": 1, "inspect": 4, "remove": 4}),
    ("gone", lambda scene: scene.harp.drop_image("app:0"), "absent", "the image was gone already",
     {"info": 1, "inspect": 4, "remove": 3}),
]


@pytest.mark.parametrize("prepare,verdict,words,asked", [row[1:] for row in GUARDS], ids=[row[0] for row in GUARDS])
def test_guards(scene, prepare, verdict, words, asked):
    prepare(scene)
    scene.program("run")
    scene.expect_result(verdict, words, status=None if words.startswith("the image matches") else
                        404 if verdict == "absent" else 200)
    assert scene.asked() == asked


class TestInfo:
    @pytest.mark.parametrize("version,answer", VERSIONS, ids=[row[0] for row in VERSIONS])
    def test_lets_the_jobs_through(self, scene, version, answer):
        answer_with(scene, answer, kind="info")
        scene.program("run")
        scene.expect_result("removed", "")
        assert (scene.daemon.harp_version, scene.daemon.answered_at is None) == (version, False)

    @rows(INFOS + ANYWHERE)
    def test_stops_the_daemon(self, scene, answer, verdict, words):
        answer_with(scene, answer, kind="info")
        scene.program("run", code=1)
        scene.expect_stop(verdict, words, {"info": 1})

    @rows(ANYWHERE, "twice")
    def test_a_failure_is_the_daemon_s(self, scene, answer, verdict, words):
        """No job was asked about yet."""
        answer_with(scene, answer, kind="info")
        scene.program("run", code=1)
        scene.expect_stop("down", words, {"info": 1})


@pytest.fixture
def watched_scene(tmp_path, cluster, watched_rows, watched, nextcloud, worker, scene_harps):
    """Daemon "harp_docker" of Nextcloud's with an app that no run has seen, and a due job: program, stand-in."""
    harp = scene_harps[0]
    harp.begin_anew()
    nextcloud.add_daemon(host=harp.url.partition("//")[2])
    deploy(nextcloud, "unseen")
    harp.add_image("app:0", size=SIZE)
    schedule(watched, "harp_docker", "gone", "app:0", choice="now")
    return Program(tmp_path, cluster.conninfo(watched_rows.name, user=worker)), harp


class TestContainer:
    @pytest.mark.parametrize("answer,seen,goes_on", [row[1:] for row in CONTAINERS], ids=[row[0] for row in CONTAINERS])
    def test_is_remembered_or_holds_the_jobs(self, watched_scene, watched, answer, seen, goes_on):
        program, harp = watched_scene
        status, content_type, body = answer
        harp.fault(kind="container", status=status, content_type=content_type, body=body)
        program("run")
        assert query(watched, "select image_ref, image_id, container from harpsweep.exapp_image") == ([seen] if seen else [])
        state, reason, wait = one(watched, "select state::text, hold_reason, extract(epoch from next_at - now())::int"
                                           " from harpsweep.job")
        if goes_on:
            assert (state, wait) == ("removed", None)
        else:
            assert (state, reason) == (
                "pending", "app unseen was deployed on this engine, and which image it uses is not known yet")
            assert 100 < wait <= 120
        assert one(watched, "select stop from harpsweep.daemon") is None
        assert one(watched, "select sum(failures) from harpsweep.job") == 0

    @rows(CONTAINER_STOPS + ANYWHERE)
    def test_stops_the_daemon(self, watched_scene, watched, answer, verdict, words):
        program, harp = watched_scene
        status, content_type, body = answer
        harp.fault(kind="container", status=status, content_type=content_type, body=body)
        program("run", code=1)
        assert [entry["kind"] for entry in harp.log()] == ["info", "container"]
        stop, reason = one(watched, "select stop, reason from harpsweep.daemon")
        assert (stop, reason.startswith(words)) == (verdict, True)
        assert one(watched, "select state::text, attempts, failures from harpsweep.job") == ("pending", 0, 0)

    def test_a_daemon_without_harp_is_asked_nothing(self, watched_scene, watched, nextcloud):
        program, harp = watched_scene
        nextcloud.add_daemon("plain", host="/var/run/docker.sock", harp=False)
        number = schedule(watched, "plain", "a", "app:9", choice="now")
        assert program("run", "--json").json["given_back"] == 0
        assert one(watched, "select state::text, hold_reason, failures from harpsweep.job where id = %s", number) == (
            "unsupported", "daemon plain uses Docker without HaRP", 0)
        assert "app:9" not in [entry["ref"] for entry in harp.log()]


@pytest.mark.parametrize("answer,code,words", [row[1:] for row in PINGS], ids=[row[0] for row in PINGS])
def test_ping(scene, answer, code, words):
    answer_with(scene, answer, kind="ping")
    assert words in scene.program("check", code=code).out
    assert scene.asked() == {"info": 1, "ping": 1}
    assert scene.asked(scene.other) == {"info": 1, "ping": 1}


@pytest.mark.parametrize("slow", ["harp", "other"])
def test_ping_of_one_that_takes_its_time(scene, slow):
    """The first and the last in the settings: the others' answers do not end the asking."""
    getattr(scene, slow).fault(kind="ping", delay=0.5)
    assert scene.program("check").out.count(": Docker answers") == 2
    assert scene.asked() == scene.asked(scene.other) == {"info": 1, "ping": 1}
