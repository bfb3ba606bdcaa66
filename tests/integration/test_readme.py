"""What the README tells people to paste works as it stands."""

import os
import pathlib
import re
import subprocess

import psycopg
import pytest

from conftest import fresh_database
from harness.nextcloud import Nextcloud
from harness.program import PROGRAM, ROOT, Program
from test_engine import dockerd, engine, harp, registry  # noqa: F401  pylint: disable=unused-import

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


@pytest.mark.docker
def test_the_story(cluster, worker, tmp_path, engine, harp, registry):  # noqa: F811  pylint: disable=redefined-outer-name
    """Pasted into psql, with a real Docker Engine: ends with the image deleted and the row readable."""
    [story] = [block for block in blocks("sql") if "sweep_test" in block]
    registry.publish("library/hello-world", "latest", 4_000)
    story = story.replace("hello-world:latest", f"{registry.host}/library/hello-world:latest")
    for database in fresh_database(cluster):
        with psycopg.connect(database.conninfo, autocommit=True) as connection:
            nextcloud = Nextcloud(connection).create_tables()
            nextcloud.add_daemon("harp_docker", host=harp.url.partition("://")[2])
        cluster.psql(database.name, "-v", "ON_ERROR_STOP=1", "-v", "nextcloud=on", "-f", "sql/install.sql")
        settings = Program(tmp_path, cluster.conninfo(database.name, user=worker)).settings
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "harpsweep").symlink_to(pathlib.Path(PROGRAM).resolve())
        (tmp_path / "story.sql").write_text(story, encoding="utf-8")
        done = subprocess.run(
            [cluster.psql_path, "-X", "-v", "ON_ERROR_STOP=1", "-d", database.conninfo, "-f", tmp_path / "story.sql"],
            capture_output=True, text=True, check=False,
            env={**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HARPSWEEP_CONFIG": str(settings),
                 "DOCKER_HOST": f"unix://{engine.socket}", "DOCKER_API_VERSION": "1.41"})
        told = f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, told
        assert re.search(r"new +\| .*hello-world:latest \| at the next run", done.stdout), told
        assert re.search(r"removed \| .*hello-world:latest \| \d+\.\d kB +\| \d+ s ago", done.stdout), told
        assert engine.images() == {} and engine.containers() == []


@pytest.mark.docker
def test_the_settings(tmp_path, cluster, template, worker, harp):  # noqa: F811  pylint: disable=redefined-outer-name,unused-argument
    """The few lines of the installation are a whole settings file."""
    [settings] = blocks("ini")
    program = Program(tmp_path, "dbname=x")
    text = settings.replace("/etc/harpsweep/harp.key", str(program.key_file))
    for database in fresh_database(cluster, template):
        text = text.replace("host=/run/postgresql dbname=nextcloud user=harpsweep", cluster.conninfo(database.name, user=worker))
        path = tmp_path / "readme.ini"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        done = subprocess.run([PROGRAM, "-c", path, "check"], capture_output=True, text=True, check=False)
        assert "readme.ini is right" in done.stdout, done


def test_every_command_and_exit_code_is_told():
    told = subprocess.run([PROGRAM, "help"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^  (\w+) +\w", told, re.M)
    assert len(commands) > 10
    for command in commands:
        if command not in ("help", "version"):
            assert re.search(rf"harpsweep [a-z|]*\b{command}\b", README), command
    for code in re.findall(r"\b(\d+) [a-z]", told.split("Exit codes:")[1]):
        assert f"\n| {code} | " in README, code


def test_no_link_leads_nowhere():
    for target in re.findall(r"\]\((?!https://)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).strip().replace(" ", "-")
               for title in re.findall(r"^#+ (.+)$", README, re.M)}
    for anchor in re.findall(r"\]\(#([^)]+)\)", README):
        assert anchor in anchors, anchor
