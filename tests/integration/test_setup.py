"""setup: from Nextcloud's config.php to an installed schema and a settings file that check is content with."""

# pylint: disable=missing-function-docstring,redefined-outer-name

import os
import pty
import pwd
import re
import resource
import shutil
import signal
import stat
import subprocess

import psycopg
import pytest

from harness.nextcloud import Nextcloud
from harness.program import PROGRAM, ROOT

CONFIG = """<?php
$CONFIG = array (
  'instanceid' => 'oc8c0fd71e03',
  'trusted_domains' => array (0 => 'cloud.example'),
  'dbtype' => 'pgsql',
  'dbname' => '{dbname}',
  'dbhost' => '{dbhost}',
  'dbuser' => '{dbuser}',
  'dbpassword' => '{dbpassword}',
  'dbtableprefix' => '{prefix}',
);
"""


class Setup:
    """Nextcloud's folder, a database with its tables, and the command."""

    def __init__(self, folder, cluster, database):
        self.folder, self.cluster, self.database = folder, cluster, database
        self.settings = folder / "etc" / "harpsweep.ini"
        self.role = f"runs_{database.name}"
        self.key = folder / "harp.key"
        self.key.touch(mode=0o600)
        self.key.write_text("test-shared-key\n", encoding="ascii")
        self.write()

    def write(self, **more):
        given = {"dbname": self.database.name, "dbhost": f"{self.cluster.base}:{self.cluster.port}", "dbuser": "nextcloud",
                 "dbpassword": "secret-of-nextcloud", "prefix": "oc_", **more}
        (self.folder / "config").mkdir(exist_ok=True)
        (self.folder / "config" / "config.php").write_text(CONFIG.format(**given), encoding="utf-8")

    def words(self, *more):
        return [PROGRAM, "-c", self.settings, "setup", "--nextcloud", self.folder, "--key-file", self.key, "--user",
                self.role, "--admin", self.cluster.conninfo(self.database.name), *more]

    def __call__(self, *more, code=0, settings=None, before=None, **environment):
        """settings: another file; before: what is done in the process first."""
        words = [settings if settings and word == self.settings else word for word in self.words(*more)]
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                              env={**os.environ, **environment}, preexec_fn=before)
        assert done.returncode == code, done
        assert "secret-of-nextcloud" not in done.stdout + done.stderr
        return done

    def installed(self):
        with psycopg.connect(self.database.conninfo, autocommit=True) as connection:
            return connection.execute("select to_regclass('harpsweep.job') is not null").fetchone()[0]

    def check(self, code=0):
        done = subprocess.run([PROGRAM, "-c", self.settings, "check"], capture_output=True, text=True, check=False)
        assert done.returncode == code, done
        return done.stdout


@pytest.fixture
def setup(tmp_path, cluster, nextcloud_database):
    made = Setup(tmp_path, cluster, nextcloud_database)
    yield made
    cluster.execute(f'drop database "{nextcloud_database.name}" with (force)')
    cluster.execute(f'drop role if exists "{made.role}"')


def daemon(setup, **named):
    with psycopg.connect(setup.cluster.conninfo(setup.database.name, "nextcloud"), autocommit=True) as connection:
        Nextcloud(connection).add_daemon(**named)


def test_it_tells_and_changes_nothing(setup):
    daemon(setup)
    daemon(setup, name="manual", deploy_id="manual-install", harp=False)
    text = setup().stdout
    assert re.search(r"^harp_docker +docker-install +http://127.0.0.1:8780 +its images will be cleaned up$", text, re.M)
    assert re.search(r"^manual +manual-install .* is left alone$", text, re.M)
    assert "-v nextcloud=on -v prefix=oc_ -v nextcloud_schema=public -f " in text and "sql/install.sql -f -" in text
    assert f'grant harpsweep_worker to "{setup.role}";' in text
    assert f"shared_key_file = {setup.key}" in text
    assert text.endswith("Nothing was changed; --yes does all of it.\n")
    assert not setup.installed() and not setup.settings.parent.exists()


def test_it_does_all_of_it(setup, harp):
    daemon(setup, host=harp.url.partition("://")[2])
    text = setup("--yes").stdout
    assert "schema version" in text and f"Written: {setup.settings}" in text
    assert setup.installed()
    assert stat.S_IMODE(setup.settings.stat().st_mode) in (0o600, 0o640)
    assert os.listdir(setup.settings.parent) == ["harpsweep.ini"]
    checked = setup.check()
    assert "warning" not in checked and "oc_ex_apps is watched" in checked and "HaRP 0.4.4 answers" in checked
    command = re.search(r"^    (.*harpsweep -c .* check --fix-hints)$", text, re.M)[1]
    assert str(setup.settings) in command


def test_it_never_replaces_settings_by_itself(setup):
    setup.settings.parent.mkdir()
    setup.settings.write_text("mine\n", encoding="ascii")
    done = setup("--yes", code=78)
    assert f"{setup.settings} is there already" in done.stderr and "--force" in done.stderr
    assert setup.settings.read_text(encoding="ascii") == "mine\n" and not setup.installed()
    setup("--yes", "--force")
    assert "conninfo = " in setup.settings.read_text(encoding="ascii")
    assert os.listdir(setup.settings.parent) == ["harpsweep.ini"]


def test_over_tcp_the_role_gets_a_password(setup):
    setup.write(dbhost=f"127.0.0.1:{setup.cluster.port}")
    text = setup("--yes").stdout
    password = re.search(r"password='([0-9a-f]{48})'", setup.settings.read_text(encoding="ascii"))[1]
    assert password not in text and "password '***'" in text
    conninfo = setup.cluster.tcp_conninfo(setup.database.name, setup.role, password)
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("select pg_has_role('harpsweep_worker', 'member')").fetchone() == (True,)
    # The role is there now: a second host must be told its password, and nobody's is changed.
    other = setup.settings.with_name("other.ini")
    words = setup.words("--yes")
    words[words.index(setup.settings)] = other
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == 78 and "already exists" in done.stderr and "--conninfo" in done.stderr
    assert not other.exists()
    with psycopg.connect(conninfo):
        pass


def test_another_prefix_and_schema(tmp_path, cluster, empty_database):
    setup = Setup(tmp_path, cluster, empty_database)
    with empty_database.connect() as connection:
        connection.execute('create schema "Cloud"')
        connection.execute(f"alter database {empty_database.name} set search_path = \"Cloud\"")
        Nextcloud(connection, prefix="nc1_", schema="Cloud").create_tables().add_daemon()
    setup.write(prefix="nc1_", dbuser="postgres")
    text = setup("--yes").stdout
    assert "harp_docker" in text
    settings = setup.settings.read_text(encoding="ascii")
    assert "table_prefix = nc1_\n" in settings and "nextcloud_schema = Cloud\n" in settings
    cluster.execute(f'drop owned by "{setup.role}"', empty_database.name)
    empty_database.close()
    cluster.execute(f'drop database {empty_database.name} with (force)')
    cluster.execute(f'drop role "{setup.role}"')


def test_without_appapi(tmp_path, cluster, empty_database):
    setup = Setup(tmp_path, cluster, empty_database)
    setup.write(dbuser="postgres")
    text = setup().stdout
    assert "There is no table oc_ex_apps_daemons" in text and "nextcloud=on" not in text


def test_a_config_that_is_computed(setup):
    path = setup.folder / "config" / "config.php"
    path.write_text(path.read_text(encoding="utf-8").replace("'secret-of-nextcloud'", "getenv('DB_PASSWORD')"), encoding="utf-8")
    done = setup("--yes", code=78)
    assert f"{path}:9: " in done.stderr and "'getenv'" in done.stderr and "--conninfo" in done.stderr
    setup.write(dbname="x', 'dbtype' => 'mysql")
    assert "dbtype is 'mysql'" in setup("--yes", code=78).stderr
    assert not setup.installed() and not setup.settings.parent.exists()


def test_other_files_of_the_configuration(setup):
    folder = setup.folder / "config"
    (folder / "redis.config.php").write_text("<?php $CONFIG = array('redis' => getenv('x'));", encoding="ascii")
    assert setup().stderr == ""
    (folder / "own.config.php").write_text("<?php\n$CONFIG = array('dbhost' => getenv('x'));", encoding="ascii")
    assert f"Nextcloud also reads {folder}/own.config.php" in setup().stderr


def test_nobody_to_ask(tmp_path):
    done = subprocess.run([PROGRAM, "-c", tmp_path / "x.ini", "setup"], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 64 and "harpsweep setup --nextcloud /var/www/nextcloud" in done.stderr


def test_psql_that_may_not(setup):
    words = setup.words("--yes")
    words[words.index("--admin") + 1] = setup.cluster.conninfo(setup.database.name, "nobody_at_all")
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == 78 and "no settings were written" in done.stderr
    assert not setup.settings.exists()


def psql_that(folder, does):
    """$PATH with such a psql in place of PostgreSQL's."""
    path = folder / "bin" / "psql"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{does}\n", encoding="ascii")
    path.chmod(0o755)
    return str(path.parent)


@pytest.mark.parametrize("does", [None, "exit 127"], ids=["none", "none behind sudo"])
def test_without_psql(setup, does):
    folder = setup.folder / "bin" if does is None else psql_that(setup.folder, does)
    done = setup("--yes", code=78, PATH=str(folder))
    assert "psql could not be started: No such file or directory" in done.stderr
    assert "hint: apt-get install postgresql-client" in done.stderr
    assert not setup.installed() and not setup.settings.exists()


def test_psql_that_a_signal_ends(setup):
    done = setup("--yes", code=78, PATH=psql_that(setup.folder, "kill -9 $$"))
    assert "psql could not do all of it" in done.stderr and not setup.settings.exists()


def test_no_descriptors_are_left(setup):
    done = setup("--yes", code=70, before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4)))
    assert "no pipe to psql: Too many open files" in done.stderr
    assert not setup.installed() and not setup.settings.exists()


def test_whoever_starts_it_ignores_the_ends_of_children(setup):
    """As some supervisors do; the exit code of psql is told even so."""
    setup("--yes", before=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert setup.installed() and setup.settings.exists()


def test_settings_that_cannot_be_written(setup):
    deep = setup.folder / "a" / "b" / "harpsweep.ini"
    done = setup("--yes", code=78, settings=deep)
    assert f"the folder {deep.parent} could not be made: No such file or directory" in done.stderr
    assert "hint: run setup as root, or name another file with -c FILE" in done.stderr
    assert not setup.installed()  # nor is there a role, whose password nobody would know
    folder = setup.folder / "folder.ini"
    folder.mkdir()
    done = setup("--yes", "--force", code=78, settings=folder)
    assert f"{folder} could not be written: Is a directory" in done.stderr
    assert not list(setup.folder.glob("folder.ini.*")) and os.listdir(folder) == []


def plan(folder, *words, code=0):
    """What setup would do, in that folder, without AppAPI's tables to look at."""
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, cwd=folder)
    assert done.returncode == code, done
    return done


def test_a_database_that_is_told(tmp_path):
    """On another host, where nobody is postgres by being root; with a password that is not shown."""
    conninfo = "host=127.0.0.2 port=1 dbname=cloud user=sweeper password=sesame connect_timeout=1"
    done = plan(tmp_path, "-c", "harpsweep.ini", "setup", "--conninfo", conninfo)
    assert "warning: AppAPI's tables could not be looked at: " in done.stderr and "sesame" not in done.stdout + done.stderr
    assert "\n    psql -h 127.0.0.2 -U postgres -p 1 -d cloud -X " in done.stdout
    assert 'grant harpsweep_worker to "sweeper";' in done.stdout
    assert "    conninfo = (as given, with its password)\n" in done.stdout
    assert f"    shared_key_file = {tmp_path}/harp.key\n" in done.stdout  # beside the settings, wherever a run starts
    other = plan(tmp_path, "-c", tmp_path / "x.ini", "setup", "--user", "other", "--conninfo", conninfo).stdout
    assert 'grant harpsweep_worker to "other";' in other and f"shared_key_file = {tmp_path}/harp.key\n" in other


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "/nowhere"])
def test_a_database_on_this_host(tmp_path, host):
    text = plan(tmp_path, "setup", "-c", "x.ini", "--conninfo", f"host={host} port=5432 dbname=cloud connect_timeout=1").stdout
    root = os.geteuid() == 0
    assert ("runuser -u postgres -- psql" if root else "sudo -u postgres psql") + (
        " -h /nowhere -d cloud" if host == "/nowhere" else " -d cloud") in text


def test_a_key_that_is_not_there_yet(setup):
    setup.key.unlink()
    text = setup("--yes").stdout
    owner = "-o harpsweep -g harpsweep " if os.geteuid() == 0 else ""
    assert f"    install -m 600 {owner}/dev/null {setup.key}\n" in text
    assert "sed -n s/^HP_SHARED_KEY=//p | " in text and f"tee {setup.key} >/dev/null\n" in text


def at_terminal(setup, typed, code=0):
    """What setup says to somebody who types that."""
    words = [PROGRAM, "-c", setup.settings, "setup", "--user", setup.role, "--admin",
             setup.cluster.conninfo(setup.database.name)]
    ours, theirs = pty.openpty()
    with subprocess.Popen(list(map(str, words)), stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        said = b""
        while True:
            try:
                said += os.read(ours, 65536)
            except OSError:
                break
        errors = process.stderr.read()
        assert process.wait(60) == code, errors
    os.close(ours)
    return said.decode(), errors


def test_somebody_leaves(setup):
    """Ctrl-D: end of file, where a folder is asked for."""
    said, errors = at_terminal(setup, "\x04", code=64)
    assert said.endswith("[/var/www/nextcloud]: \r\n")
    assert "setup was ended: no answer to 'Nextcloud's folder, or its config.php'" in errors
    assert not setup.installed()


@pytest.mark.parametrize("answer", ["y", "n"])
def test_at_a_terminal(setup, answer):
    text, _ = at_terminal(setup, f"{setup.folder}\n{setup.key}\n{answer}\n")
    assert "Nextcloud's folder, or its config.php [/var/www/nextcloud]: " in text and "Do all of that now? [y/N]: " in text
    assert setup.installed() == setup.settings.exists() == (answer == "y")
    if answer == "n":
        assert "Nothing was changed." in text


def test_the_sql_is_whole(cluster, empty_database, tmp_path):
    done = subprocess.run([PROGRAM, "setup", "--print-sql"], capture_output=True, text=True, check=True)
    assert "\\ir " not in done.stdout and "create table harpsweep.run" in done.stdout
    path = tmp_path / "all.sql"
    path.write_text(done.stdout, encoding="utf-8")
    path.chmod(0o644)
    cluster.psql(empty_database.name, "-v", "ON_ERROR_STOP=1", "-f", str(path))


@pytest.fixture
def moved(tmp_path):
    """The program somewhere else, as bin/ and share/ of a prefix."""
    made = tmp_path / "prefix" / "bin" / "harpsweep"
    made.parent.mkdir(parents=True)
    shutil.copy2(PROGRAM, made)
    return made


def test_an_installation_that_was_moved(moved, tmp_path):
    (moved.parent.parent / "share").mkdir()
    shutil.copytree(ROOT / "sql", moved.parent.parent / "share" / "harpsweep" / "sql")
    done = subprocess.run([moved, "setup", "--print-sql"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == subprocess.run([PROGRAM, "setup", "--print-sql"], capture_output=True, text=True, check=True,
                                         cwd=ROOT).stdout


def test_a_program_without_its_files(moved, tmp_path):
    done = subprocess.run([moved, "setup", "--print-sql"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (78, "")
    assert "sql/install.sql: No such file or directory" in done.stderr
    assert "hint: 'make install' puts it beside the program" in done.stderr
    (moved.parent.parent / "sql").mkdir()
    shutil.copy(ROOT / "sql" / "install.sql", moved.parent.parent / "sql")  # and none of those that it includes
    done = subprocess.run([moved, "setup", "--print-sql"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 78 and f"{moved.parent.parent}/sql/preflight.sql: No such file or directory" in done.stderr


def test_a_package_s_sample_that_nobody_changed_is_replaced(setup):
    """It is there before anybody could have been asked."""
    sample = (ROOT / "etc" / "harpsweep.ini").read_text(encoding="utf-8")
    setup.settings.parent.mkdir()
    setup.settings.write_text("; Settings of harpsweep. Fill in conninfo and the key file.\n" + sample.partition("\n")[2], encoding="utf-8")
    setup("--yes")
    assert setup.settings.read_text(encoding="utf-8").startswith("; Written by 'harpsweep setup'")
    setup.settings.write_text(sample.replace("user=harpsweep", "user=mine"), encoding="utf-8")
    assert "is there already" in setup("--yes", code=78).stderr


class TestConninfo:
    def words(self, setup, conninfo, *more):
        return subprocess.run([PROGRAM, "-c", setup.settings, "setup", "--conninfo", conninfo, "--key-file", setup.key, *more],
                              capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    def test_one_that_is_none(self, setup):
        done = self.words(setup, "bogus", "--yes")
        assert done.returncode == 64 and "option --conninfo is not a PostgreSQL connection string" in done.stderr
        assert not setup.settings.exists() and not setup.installed()

    @pytest.mark.parametrize("given, written", [
        ("host=/nowhere dbname=cloud", "host=/nowhere dbname=cloud user='harpsweep'"),
        ("host=/nowhere dbname=cloud user=sweeper", "host=/nowhere dbname=cloud user=sweeper"),
        ("postgresql://db.example/cloud", "postgresql://db.example/cloud?user=harpsweep"),
        ("postgres://db.example/cloud?connect_timeout=1", "postgres://db.example/cloud?connect_timeout=1&user=harpsweep"),
        ("postgresql://sweeper@db.example/cloud", "postgresql://sweeper@db.example/cloud"),
    ])
    def test_whose_it_is(self, setup, given, written):
        """Not of whoever calls setup: runs connect as the role that was made for them."""
        text = self.words(setup, given).stdout
        role = "sweeper" if "sweeper" in given else "harpsweep"
        assert f"    conninfo = {written}\n" in text and f'grant harpsweep_worker to "{role}"' in text


def test_what_is_next(setup, harp):
    daemon(setup, host=harp.url.partition("://")[2])
    text = setup("--yes").stdout.partition("\nNext:\n")[2]
    for path in re.findall(r"install -m 644 (\S+) ", text):
        assert os.path.isfile(path)
    try:
        pwd.getpwnam("harpsweep")
        assert "useradd" not in text
    except KeyError:
        assert "useradd --system" in text and f"chgrp harpsweep {setup.settings}" in text
