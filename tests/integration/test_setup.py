"""setup: from Nextcloud's config.php to an installed schema and a settings file that check is content with."""

# pylint: disable=missing-function-docstring,redefined-outer-name

import os
import pty
import re
import stat
import subprocess

import psycopg
import pytest

from harness.nextcloud import Nextcloud
from harness.program import PROGRAM

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

    def __call__(self, *more, code=0):
        done = subprocess.run(list(map(str, self.words(*more))), capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL)
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


@pytest.mark.parametrize("answer", ["y", "n"])
def test_at_a_terminal(setup, answer):
    words = [PROGRAM, "-c", setup.settings, "setup", "--user", setup.role, "--admin",
             setup.cluster.conninfo(setup.database.name)]
    ours, theirs = pty.openpty()
    with subprocess.Popen(list(map(str, words)), stdin=theirs, stdout=theirs, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        os.write(ours, f"{setup.folder}\n{setup.key}\n{answer}\n".encode())
        said = b""
        while True:
            try:
                said += os.read(ours, 65536)
            except OSError:
                break
        assert process.wait(60) == 0, process.stderr.read()
        process.stderr.read()
    os.close(ours)
    text = said.decode()
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
