"""Completion in bash, zsh and fish, each asked itself, beside the program's help and what the program takes."""

import re
import subprocess

import pytest

from harness import completion
from harness.program import PROGRAM
from test_manual import help_of, helped_commands, helped_options

SHELLS = [completion.bash, completion.zsh, completion.fish]
each_shell = pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell.__name__)


def without_option(matches):
    """fish offers "--state=new" where the other two offer "new"."""
    return {re.sub(r"^--\w+=", "", match) for match in matches}


@each_shell
def test_commands(shell, tmp_path):
    assert shell(["harpsweep ", "harpsweep -v s", "harpsweep help s", "harpsweep list s"], tmp_path) == [
        set(helped_commands()), {"schedule", "setup", "show", "status"},
        {"schedule", "setup", "show", "status", "settings"}, set()]


@each_shell
def test_options(shell, tmp_path):
    commands = [name for name in helped_commands() if name != "help"]
    texts = [help_of(), *map(help_of, commands)]
    lines = ["harpsweep --", *(f"harpsweep {command} --" for command in commands)]
    options = [{f"--{name}" for name, _ in helped_options(text)} for text in texts]
    assert dict(zip(lines, shell(lines, tmp_path))) == dict(zip(lines, options))
    assert shell(["harpsweep -v run --json --max-j"], tmp_path) == [{"--max-jobs"}]


@each_shell
@pytest.mark.parametrize("command, option, least", [
    ("list", "format", {"text", "json"}),
    ("list", "state", set(re.findall(r"[a-z_]+", re.search(r"States: ((.|\n)*?)\.\n", help_of("list"))[1]))
     - {"together"}),
    ("schedule", "event", {"uninstall", "update", "manual", "adopted"}),
])
def test_words_of_an_option(shell, command, option, least, tmp_path):
    """All that its help names, and none that the program does not take."""
    letter = sorted(least)[0][0]
    line = f"harpsweep {command} --{option}"
    offered, behind_equals, some = shell([f"{line} ", f"{line}=", f"{line} {letter}"], tmp_path)
    assert offered >= least
    assert without_option(behind_equals) == offered
    assert some == {word for word in offered if word[0] == letter}
    for word in offered:
        done = subprocess.run([PROGRAM, command, f"--{option}={word}", "--limit=0"], capture_output=True, text=True,
                              check=False)
        assert "option --limit needs" in done.stderr, word


@each_shell
def test_files(shell, tmp_path):
    for name in ("named.ini", "named.txt", "other"):
        (tmp_path / name).touch()
    lines = [f"harpsweep {words} {tmp_path}/na" for words in ("-c", "check --config", "adopt --file", "report --output")]
    assert [{match.rsplit("/", 1)[-1] for match in matches} for matches in shell(lines, tmp_path)] == [
        {"named.ini", "named.txt"}] * 4


@each_shell
def test_nothing_is_offered_where_nothing_is_known(shell, tmp_path):
    (tmp_path / "a-file").touch()
    lines = ["harpsweep list --app ", "harpsweep cancel --reason ", "harpsweep show ", "harpsweep run --max-jobs "]
    assert shell(lines, tmp_path) == [set()] * len(lines)
