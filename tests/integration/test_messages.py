"""Every message of the program stands in tests/lint/messages.txt, where it is read before it is shipped."""

# pylint: disable=missing-function-docstring

import re
import subprocess
import sys

from harness.program import ROOT

LINT = ROOT / "tests" / "lint"


def listed():
    return (LINT / "messages.txt").read_text(encoding="utf-8").splitlines()


def test_no_message_changes_unread():
    told = subprocess.run([sys.executable, LINT / "messages.py"], capture_output=True, text=True, check=True)
    found = told.stdout.splitlines()
    assert len(found) > 250
    assert found == listed(), "read each as a tired administrator would, then: tests/lint/messages.py >tests/lint/messages.txt"


def test_messages_are_written_alike():
    for line in listed():
        _, kind, words = line.split(": ", 2)
        # Tables also hold what HaRP and Docker say.
        assert kind == "table" or not words.endswith("."), line
        if kind in ("error", "warning"):
            # A name or a number may come first; what is a word begins in lower case.
            first = re.match(r"[A-Z][a-z]+\b", words)
            assert not first or first[0] in ("Docker", "Nextcloud"), line
        assert "please try" not in words and "!" not in words and "  " not in words, line
