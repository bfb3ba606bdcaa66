"""The files that name a version name the same one."""

import re
import subprocess

from harness.program import PROGRAM, ROOT


def text_of(*path):
    return ROOT.joinpath(*path).read_text(encoding="utf-8")


def test_the_version_is_the_same_everywhere():
    version = re.search(r"^VERSION := (\d+\.\d+\.\d+)$", text_of("Makefile"), re.M)[1]
    said = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.split()[:2] == ["harpsweep", version]
    assert re.match(r"harpsweep \((\S+)\)", text_of("etc", "debian", "changelog"))[1] == version
    assert re.findall(r"^## (?!\[Unreleased\])\[?(\d+\.\d+\.\d+)", text_of("CHANGELOG.md"), re.M)[0] == version
    assert f"build/deb/harpsweep_{version}_*.deb" in text_of("README.md")


def test_the_commit_of_an_archive_is_filled_in_by_git():
    """In a clone there is the place for it; in an archive, what was filled in."""
    assert re.fullmatch(r"\$Format:%H\$\n" if (ROOT / ".git").exists() else r"[0-9a-f]{12,40}(-modified)?\n", text_of(".commit"))
    assert "/.commit export-subst\n" in text_of(".gitattributes")


def test_the_sample_files_name_the_paths_that_an_installation_replaces():
    """Makefile and package change /usr/local and /etc/harpsweep, and no other path."""
    names = ("harpsweep.cron", "harpsweep.ini", "harpsweep.service", "man/harpsweep.1", "man/harpsweep.ini.5", "man/harpsweep.7")
    for name in names:
        paths = set(re.findall(r"(?<![\w.:])/(?:usr|etc|opt)/[\w./-]+", text_of("etc", name)))
        assert paths
        assert all(path.startswith(("/usr/local/", "/etc/harpsweep", "/etc/cron.d", "/etc/logrotate.d")) for path in paths), name
