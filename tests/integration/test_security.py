"""What an attacker who holds one part may reach: a role of the database, a schema of his own in it, a daemon, a row, an
account on the host. The privileges on Nextcloud's tables are in test_nextcloud_privileges.py."""

# pylint: disable=missing-function-docstring

import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import time

import pytest
from harness.program import PROGRAM, ROOT
from harness.rows import one, schedule
from harness.trace import schema_of

KEY = "a-shared-key-0123456789"
PASSWORD = "a-password-of-the-database"

# All that the three roles may do, and nobody else: relation, function or type -> role -> privileges.
WRITER, WORKER, READER = "harpsweep_writer", "harpsweep_worker", "harpsweep_reader"
CALLS = ("cancel", "cancel_daemon", "flush_daemon", "keep", "keep_job", "make_due", "retry", "schedule")
ASKS = ("changed_apps", "deploys_beside", "endpoint_of", "held", "news", "nextcloud_settings", "nextcloud_state", "observed",
        "reconcile")
VIEWS = ("daemon_health", "daily", "job_event", "jobs")
WRITTEN = ("attempts", "bytes_freed", "claim_token", "claimed_at", "claimed_by", "docker_socket_port", "duration_ms", "end_wanted",
           "failures", "finished_at", "grace_hours", "hold_reason", "host", "http_status", "last_error", "lost_claims", "next_at",
           "not_before", "protocol", "rechecks", "state")
MAY = {("schema", "harpsweep", role, "USAGE") for role in (WRITER, WORKER, READER)} | {
    ("function", name, role, "EXECUTE") for role in (WRITER, WORKER, READER) for name in ("schema_version", "readable_size", "readable_span")} | {
    ("function", name, role, "EXECUTE") for role in (WRITER, WORKER) for name in CALLS} | {
    ("function", name, WORKER, "EXECUTE") for name in ASKS} | {
    ("relation", name, role, "SELECT") for role in (WORKER, READER) for name in (
        *VIEWS, "alarm", "daemon", "exapp_image", "intake_error", "migration", "nextcloud", "run")} | {
    ("relation", "job", WORKER, "SELECT")} | {
    ("relation", name, WORKER, "DELETE") for name in ("alarm", "daemon", "exapp_image", "intake_error", "job", "run")} | {
    ("relation", name, WORKER, "INSERT") for name in ("alarm", "daemon", "run")} | {
    ("relation", "daemon", WORKER, "UPDATE")} | {
    ("column", f"job.{name}", WORKER, "UPDATE") for name in WRITTEN}


def test_who_may_do_what(watched):
    """Every grant on every object of the schema, but those of its owner."""
    found = watched.execute(
        """select kind, name, coalesce(grantee::regrole::text, 'public'), privilege_type from (
               select 'schema' as kind, nspname::text as name, coalesce(nspacl, acldefault('n', nspowner)) as acl, nspowner as owner
                 from pg_namespace where nspname = 'harpsweep'
               union all select 'relation', relname, coalesce(relacl, acldefault(
                          case relkind when 'S' then 's' else 'r' end::"char", relowner)), relowner
                 from pg_class where relnamespace = 'harpsweep'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S', 'f')
               union all select 'column', relname || '.' || attname, attacl, relowner
                 from pg_attribute join pg_class on pg_class.oid = attrelid
                where relnamespace = 'harpsweep'::regnamespace and attnum > 0 and attacl is not null
               union all select 'function', proname, coalesce(proacl, acldefault('f', proowner)), proowner
                 from pg_proc where pronamespace = 'harpsweep'::regnamespace
               union all select 'type', typname, coalesce(typacl, acldefault('T', typowner)), typowner
                 from pg_type where typnamespace = 'harpsweep'::regnamespace and typtype in ('e', 'd')
           ) as object cross join aclexplode(acl) where grantee <> owner""").fetchall()
    assert set(found) == MAY
    assert one(watched, "select count(*) from pg_default_acl") == 0


def test_no_role_has_more_than_its_grants(watched):
    """Nor is one a member of another, or of anything else; nor does one own anything."""
    for role in (WRITER, WORKER, READER):
        assert one(watched, "select rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls"
                            " from pg_roles where rolname = %s", role) is False
        assert one(watched, "select count(*) from pg_auth_members where member = %s::regrole", role) == 0
        assert one(watched, "select count(*) from pg_shdepend where refobjid = %s::regrole and deptype = 'o'", role) == 0


# Functions and operators of the attacker's own in the place of the catalog's, which note who runs them.
NOTE = "insert into trap.seen values (current_user, '{0}')"
FUNCTIONS = [("now", "", "timestamptz", "pg_catalog.now()"), ("clock_timestamp", "", "timestamptz", "pg_catalog.clock_timestamp()"),
             ("length", "text", "int", "pg_catalog.length($1)"), ("lower", "text", "text", "pg_catalog.lower($1)"),
             ("left", "text, int", "text", "pg_catalog.left($1, $2)"), ("btrim", "text", "text", "pg_catalog.btrim($1)"),
             ("regexp_replace", "text, text, text, text", "text", "pg_catalog.regexp_replace($1, $2, $3, $4)"),
             ("quote_literal", "text", "text", "pg_catalog.quote_literal($1)"),
             ("array_length", "anyarray, int", "int", "pg_catalog.array_length($1, $2)")]
OPERATORS = [("=", "text"), ("<>", "text"), ("~", "text"), ("=", "bigint"), ("<", "int"),
             (">", "int"), ("<=", "timestamptz"), (">=", "timestamptz")]


@pytest.fixture
def attacker(database, connection):
    """A session of somebody who may call the functions, has a schema of his own, and has it searched first."""
    connection.execute("create role attacker login; grant harpsweep_writer, harpsweep_worker to attacker;"
                       "create schema trap authorization attacker; create table trap.seen (who text, what text);"
                       "grant insert on trap.seen to public; grant usage on schema trap to public")
    connection.execute(f"grant temporary, create on database {database.name} to attacker")
    session = database.connect("attacker")
    for name, arguments, result, value in FUNCTIONS:
        session.execute(f"create function trap.{name}({arguments}) returns {result} language plpgsql as"
                        f" $f$ begin {NOTE.format(name)}; return {value}; end $f$")
    for number, (operator, kind) in enumerate(OPERATORS):
        session.execute(f"create function trap.operator_{number}({kind}, {kind}) returns boolean language plpgsql as"
                        f" $f$ begin {NOTE.format(operator)}; return $1 operator(pg_catalog.{operator}) $2; end $f$;"
                        f"create operator trap.{operator} (leftarg = {kind}, rightarg = {kind}, function = trap.operator_{number})")
    for table in ("job", "daemon", "run", "migration", "pg_class", "pg_roles"):
        session.execute(f"create temp table {table} (id bigint, daemon text, appid text, state text)")
    session.execute("set search_path = trap, pg_temp, pg_catalog")
    yield session
    session.close()
    connection.execute("drop owned by attacker cascade; drop role attacker")


def test_functions_run_nothing_of_their_caller_s(attacker, connection):
    """What they do for their owner, they do with the catalog's functions, operators and tables."""
    connection.execute("create function trap.careless() returns boolean language plpgsql security definer as"
                       " $$ begin return lower('A') = 'a'::text; end $$; grant execute on function trap.careless() to attacker")
    attacker.execute("select trap.careless()")
    assert {"lower", "="} <= {what for (what,) in connection.execute("select what from trap.seen where who = 'postgres'")}
    connection.execute("truncate trap.seen")

    schedule(attacker, image="app:1", choice="now", grace_hours=5)
    number = schedule(attacker, image="app:1", grace_hours=7)
    kept = schedule(attacker, "d", "b", "app:2")
    for call in (f"make_due({number})", f"cancel({number}, 'r')", f"retry({number})", f"keep_job({kept})", "keep('d', 'app')",
                 "flush_daemon('d')", "cancel_daemon('d', 'r')", "schedule('d', 'c', 'c:1', 'update', 'keep')", "news()",
                 "changed_apps()", "nextcloud_settings()", "nextcloud_state()", "reconcile()", "endpoint_of('d')",
                 f"held('{{{number}}}', null, 2, true, true)", f"deploys_beside('{{{number}}}')"):
        attacker.execute(f"select * from harpsweep.{call}")
    assert one(connection, "select count(*) from harpsweep.job") >= 3
    assert connection.execute("select distinct who, what from trap.seen where who <> 'attacker'").fetchall() == []
    assert one(connection, "select count(*) from pg_class where relname = 'job' and relnamespace = 'harpsweep'::regnamespace") == 1


def test_no_argument_is_run(database, connection):
    writer = database.connect(WRITER)
    for text in ("'; drop table harpsweep.job; --", "$$; drop table harpsweep.job; $$", "%s%n%I", "\\'; drop", "{1,2}", "$1"):
        number = schedule(writer, text, text, text, choice="now")
        assert connection.execute("select daemon::text, appid::text, image_ref::text from harpsweep.job where id = %s",
                                  [number]).fetchone() == (text, text, text)
        writer.execute("select harpsweep.cancel(%s, %s), harpsweep.keep(%s, %s)", [number, text, text, text])
        assert one(connection, "select hold_reason from harpsweep.job where id = %s", number) == text


# Secrets


@pytest.fixture
def guarded(scene, scene_database, cluster):
    """The scene, with a password for the database and a key of which the test knows where it is."""
    scene.connection.execute(f"alter role cron_user password '{PASSWORD}'")
    scene.program.sections["database"]["conninfo"] = cluster.tcp_conninfo(
        scene_database[0].name, user="cron_user", password=PASSWORD)
    scene.program.write_key(KEY)
    for harp in (scene.harp, scene.other):
        harp.set(key=KEY)
    yield scene
    scene.connection.execute("alter role cron_user password null")
    for harp in (scene.harp, scene.other):
        harp.set(key="test-shared-key")


TEXT, HTML, DATA = "text/plain; charset=utf-8", "text/html", "application/json; charset=utf-8"
ECHOES = [
    ("info", 200, DATA, f'{{"version": "0.4.4-{KEY}", "docker": true}}'),
    ("info", 200, DATA, f'{{"version": "{KEY}", "docker": true}}'),
    ("info", 502, HTML, f"<h1>{KEY}</h1>"),
    ("inspect", 404, "application/json", f'{{"message": "no such image: {KEY}"}}'),
    ("inspect", 500, "application/json", f'{{"message": "{KEY}"}}'),
    ("remove", 400, TEXT, f"Payload validation error: {KEY}"),
    ("remove", 503, TEXT, f"Error removing image '{KEY}' via Docker Engine: Status 400"),
    ("remove", 503, TEXT, f"Error removing image '{KEY}' via Docker Engine: Status 500"),
    ("remove", 504, TEXT, f"Timeout communicating with Docker Engine for image {KEY}"),
    ("remove", 401, TEXT, f"401 Unauthorized: {KEY}"),
    ("remove", 200, DATA, f'{{"deleted": false, "reason": "{KEY}"}}'),
]


TOLD = 24  # so many of these are the program's; what a row holds is what was written


def all_outputs(scene):
    """What the program tells whoever asks it, after a run, and all that is in the database then."""
    told = []
    numbers = [str(number) for (number,) in scene.connection.execute("select id from harpsweep.job")]
    for command in (["-vv", "run"], ["list"], ["show", *numbers], ["plan"], ["status"], ["check", "-v"],
                    ["--json", "list"], ["--json", "show", *numbers], ["--json", "plan"], ["--json", "status"],
                    ["--json", "check"], ["list", "--state", "nonsense"]):
        done = scene.program(*command, code=None)
        assert done.code in (0, 1, 64), done
        told += [done.out, done.err]
        if command[0] == "--json":
            json.loads(done.out)
    for table in ("jobs", "daemon_health", "run", "daemon", "job", "daily"):
        told.append(str(scene.connection.execute(f"select * from harpsweep.{table}").fetchall()))
    return told


@pytest.mark.parametrize("kind,status,content_type,body", ECHOES, ids=[f"{row[0]} {row[1]} {n}" for n, row in enumerate(ECHOES)])
def test_what_is_echoed_is_not_told(guarded, kind, status, content_type, body):
    """A server, or a proxy's page, that shows the request's headers brings the key into no log and no row."""
    guarded.harp.fault(kind=kind, status=status, content_type=content_type, body=body)
    told = "\n".join(all_outputs(guarded))
    assert "app:0" in told and "daemon=harp" in told
    assert guarded.harp.log()[0]["key_right"]
    assert KEY not in told and PASSWORD not in told


@pytest.mark.parametrize("conninfo", ["host=127.0.0.1 port=9 password={}", "postgresql://u:{}@127.0.0.1:9/x", "password={} x",
                                      "postgresql://u:{}@127.0.0.1:x/x", "host=127.0.0.1 port=9 sslpassword={}"])
def test_a_password_is_in_no_message(program, conninfo):
    program.sections["database"]["conninfo"] = conninfo.format(PASSWORD)
    for command in (["run", "-vv"], ["check", "-v"], ["--json", "check"], ["status"]):
        done = program(*command, code=None)
        assert done.code in (1, 69, 78)
        assert PASSWORD not in done.out + done.err


@pytest.fixture
def hanging(guarded):
    """A run that holds the key and a connection, and waits for an answer."""
    guarded.harp.fault(kind="remove", fault="silent")

    def limits():
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    with subprocess.Popen([PROGRAM, "-c", guarded.program.settings, "run"], cwd=guarded.program.folder, preexec_fn=limits,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 10
        while not guarded.harp.log("remove"):
            assert time.monotonic() < end
            time.sleep(0.01)
        yield process
        process.kill()


def test_ps_shows_no_secret(hanging):
    folder = pathlib.Path(f"/proc/{hanging.pid}")
    seen = folder.joinpath("cmdline").read_text() + folder.joinpath("environ").read_text()
    assert "harpsweep.ini" in seen
    assert KEY not in seen and PASSWORD not in seen


def test_a_crash_leaves_no_core(hanging, tmp_path):
    """Compared with another program under the same limits, on systems where that leaves one at all."""
    def crash(process):
        process.send_signal(signal.SIGSEGV)
        status = os.waitpid(process.pid, 0)[1]
        process.returncode = -os.WTERMSIG(status)
        assert os.WTERMSIG(status) == signal.SIGSEGV
        return os.WCOREDUMP(status)

    assert not crash(hanging)
    assert not list(hanging_folder(hanging).glob("core*"))
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))) as other:
        time.sleep(0.1)
        if not crash(other):
            pytest.skip("nothing leaves a core here")


def hanging_folder(process):
    return pathlib.Path(process.args[2]).parent


# Files on the host


@pytest.mark.parametrize("mode,password,code", [
    (0o600, True, 0), (0o640, True, 0), (0o644, True, 78), (0o604, True, 78), (0o641, True, 78), (0o644, False, 0),
    (0o646, False, 78), (0o602, False, 78), (0o642, True, 78)])
def test_modes_of_the_settings(guarded, cluster, scene_database, mode, password, code):
    """Who may read them has the password in them; who may change them may send the key anywhere."""
    if not password:
        guarded.program.sections["database"]["conninfo"] = cluster.conninfo(scene_database[0].name, user="cron_user")
    guarded.program.settings.chmod(mode)
    run = guarded.program("run", code=code)
    assert ("anybody can" in run.err, "chmod" in run.err) == (code != 0, code != 0)
    assert PASSWORD not in run.err
    assert bool(guarded.asked()) == (code == 0)


@pytest.mark.parametrize("mode,code", [(0o600, 0), (0o400, 0), (0o640, 78), (0o604, 78), (0o620, 78), (0o602, 78), (0o601, 78)])
def test_modes_of_a_key(guarded, mode, code):
    guarded.program.key_file.chmod(mode)
    run = guarded.program("run", code=code)
    assert KEY not in run.err
    assert bool(guarded.asked()) == (code == 0)


# What strangers write


HOSTILE = [
    "\u202egnp.exe", "\u2066x\u2069", "<script>alert(1)</script>", "</script><!--", "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd", "a\"} 1 harpsweep_up 0", '{"a": "b"}', "\\u001b[2J", "%n%s%08x", "$(reboot)`reboot`",
    "'; drop table harpsweep.job; --", "\ufeff\u200bx", "e\u0301" * 200, "\U0001f433" * 512, "x" * 512,
]
DANGEROUS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufff9-\ufffb]")


def harmless(told):
    for text in told:
        found = DANGEROUS.search(text)
        assert not found, ascii(text[max(0, found.start() - 60):found.end() + 20])


def test_names_that_play_with_what_shows_them(scene):
    """Of daemons, apps and images, and in what went wrong: on a terminal, in a log and in JSON."""
    for number, text in enumerate(HOSTILE):
        schedule(scene.connection, daemon="harp", appid=text[:64], image=text, choice="now")
        schedule(scene.connection, daemon=text[:64], appid=f"a{number}", image=f"b:{number}", choice="now")
    wild = "\x1b]0;owned\x07\x1b[31m\r\u009b2J" + "".join(HOSTILE)
    scene.connection.execute("update harpsweep.job set last_error = %s, hold_reason = %s, host = %s, claimed_by = %s",
                             [wild[:3000]] * 4)
    scene.connection.execute("insert into harpsweep.daemon (daemon, harp_version, stop, stopped_since, reason, hint)"
                             " values ('harp', %s, 'down', now(), %s, %s)", [wild, wild, wild])
    harmless(all_outputs(scene)[:TOLD])
    assert {entry["kind"] for entry in scene.harp.log()} <= {"info", "inspect", "remove", "ping"}
    assert {entry["ref"] for entry in scene.harp.log()} <= {None, "", "app:0", "app:1", "app:2", "app:3"}
    shown = {row["image_ref"] for row in scene.program("--json", "list", "--limit", 500).json}
    assert set(HOSTILE) <= shown
    assert "<script>" in scene.program("list", "--limit", 500).out


WILD = "\x1b]0;owned\x07\x1b[2J\u202e\u009b31m" + "".join(HOSTILE)
WILD_JSON = json.dumps({"version": WILD, "docker": True, "message": WILD, "Id": WILD, "deleted": False, "reason": WILD})


@pytest.mark.parametrize("kind", ["info", "inspect", "remove"])
@pytest.mark.parametrize("status,content_type,body", [(200, DATA, WILD_JSON), (404, DATA, WILD_JSON), (503, TEXT, WILD)])
def test_answers_that_play_with_what_shows_them(scene, kind, status, content_type, body):
    scene.harp.fault(kind=kind, status=status, body=body, content_type=content_type + "\x9b31m", headers=["server: \x1b[31m"])
    told = all_outputs(scene)
    harmless(told[:TOLD])
    assert "daemon=harp" in "".join(told) and "owned" not in "".join(told)


def test_a_row_says_nothing_of_its_own(database, connection, cluster):
    """What a dump of the schema holds is data: no function, trigger or default was made of a name."""
    before = schema_of(cluster, database.name, "--schema=harpsweep", "--schema-only")
    for text in HOSTILE:
        schedule(connection, text[:64], text[:64], text)
    assert schema_of(cluster, database.name, "--schema=harpsweep", "--schema-only") == before


# What is installed


def readelf(option):
    return subprocess.run(["readelf", "-W", option, PROGRAM], capture_output=True, text=True, check=True).stdout


def test_the_program_is_hardened():
    """Position independent, its tables read only after the start, no stack that runs, stack and buffers checked."""
    if "libasan" in readelf("-d") or "__gcov_init" in readelf("-s"):
        pytest.skip("this one is built to be looked into: with sanitizers, or to count what tests reach")
    assert re.search(r"Type:\s+DYN \(Position-Independent Executable file\)", readelf("-h"))
    dynamic, segments, symbols = readelf("-d"), readelf("-l"), readelf("--dyn-syms")
    assert re.search(r"FLAGS\S*\s.*(BIND_NOW|NOW)", dynamic)
    assert "TEXTREL" not in dynamic and "RPATH" not in dynamic and "RUNPATH" not in dynamic
    assert "GNU_RELRO" in segments
    assert re.search(r"GNU_STACK\s+\S+\s+\S+\s+\S+\s+\S+\s+\S+\s+RW\s", segments)
    assert not re.search(r"LOAD\s+.*\sRWE\s", segments)
    assert "__stack_chk_fail" in symbols
    assert {"__snprintf_chk", "__vsnprintf_chk", "__fprintf_chk"} <= set(re.findall(r"__\w+_chk\b", symbols))
    assert not re.search(r"\s(strcpy|strcat|sprintf|gets|system|popen|mktemp|tmpnam)(@|\s)", symbols)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={folder}", "PREFIX=/usr"], check=True, capture_output=True)
    return folder


def test_install(installed):
    files = {str(path.relative_to(installed)): path for path in installed.rglob("*") if path.is_file()}
    assert {"usr/bin/harpsweep", "usr/lib/systemd/system/harpsweep.service", "usr/lib/systemd/system/harpsweep.timer",
            "usr/share/harpsweep/harpsweep.cron", "usr/share/harpsweep/harpsweep.ini", "usr/share/harpsweep/sql/install.sql"} <= set(files)
    assert all(name.startswith("usr/") for name in files)
    for name, path in files.items():
        assert path.stat().st_mode & 0o7022 == 0, name  # nobody else writes it, and it gives nobody a right
        assert b"/usr/local" not in path.read_bytes() or "/doc/" in name, name
    assert "ExecStart=/usr/bin/harpsweep run" in files["usr/lib/systemd/system/harpsweep.service"].read_text()


def test_the_unit_is_confined(installed):
    """0 is least exposed, 10 most; below 2 says systemd "OK" with a smile."""
    units = installed / "usr/lib/systemd/system"
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager",
                           units / "harpsweep.service"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Overall exposure level" in done.stdout, done
    (installed / "usr/bin/harpsweep").chmod(0o755)
    text = (units / "harpsweep.service").read_text().replace("/usr/bin/harpsweep", str(installed / "usr/bin/harpsweep"))
    checked = installed / "check" / "harpsweep.service"
    checked.parent.mkdir()
    checked.write_text(text)
    shutil.copy(units / "harpsweep.timer", checked.parent)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", checked, checked.parent / "harpsweep.timer"],
                          capture_output=True, text=True, check=False)
    assert "harpsweep" not in done.stderr, done.stderr


def test_operators_of_the_database_s_owner_run_for_nobody_else(database, connection, program, harp):
    """He may put them into public; what superusers read, and runs do, takes the catalog's."""
    connection.execute("create table public.caught (who text)")
    connection.execute("grant insert on public.caught to public")
    for number, (sign, left, right) in enumerate([("<", "double precision", "numeric"), ("*", "bigint", "interval"),
                                                  ("/", "double precision", "integer"), ("<=", "timestamptz", "timestamptz")]):
        connection.execute(f"""
            create function public.trap_{number}(a {left}, b {right}) returns boolean language plpgsql as
            $$ begin insert into public.caught values (current_user); return true; end $$;
            create operator public.{sign} (leftarg = {left}, rightarg = {right}, function = public.trap_{number})""")
    connection.execute(f"alter database {database.name} set search_path = public, pg_catalog")
    with database.connect() as reader:
        reader.execute("set search_path = default")
        reader.execute('select harpsweep.schedule(\'harp\', \'app\', \'app:1\', choice => \'now\')')
    harp.add_image("app:1")
    program("run")
    program("status", code=None)
    program("list")
    with database.connect() as reader:
        reader.execute("set search_path = \"$user\", public")
        reader.execute("select due, freed from harpsweep.jobs").fetchall()
        reader.execute("select * from harpsweep.daemon_health").fetchall()
    assert one(connection, "select count(*) from public.caught") == 0
