#!/usr/bin/python3
"""Every message of the program, as the sources have it: tests/lint/messages.py >tests/lint/messages.txt

One line each, sorted by file and text: the file, the kind (error, hint, warning, …) and the words with their formats.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Function, kind, and which of its arguments holds the words.
CALLS = {
    "err_set": [("error", 2)],
    "err_hint": [("hint", 1)],
    "log_error": [("error", 0)],
    "log_warning": [("warning", 0)],
    "check_error": [("hint", 3), ("error", 4)],
    "check_warning": [("hint", 2), ("warning", 3)],
    "verdict_make_stop": [("hint", 1), ("error", 2)],
    "phpconf_refuse": [("error", 1)],
    "cli_too_little": [("missing", 1)],
}
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|/\*.*?\*/|\'(?:\\.|[^\\\'])+\'', re.S)
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')


def arguments(text, start):
    """The texts of a call's arguments; start is behind its opening bracket."""
    depth, at, found, quoted = 0, start, [""], False
    while depth >= 0:
        letter = text[at]
        if quoted:
            if letter == "\\":
                found[-1] += text[at:at + 2]
                at += 2
                continue
            quoted = letter != '"'
        elif letter == '"':
            quoted = True
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        if letter == "," and depth == 0 and not quoted:
            found.append("")
        elif depth >= 0:
            found[-1] += letter
        at += 1
    return found


def words(argument):
    """The texts in an argument: several where it is a choice between them. Named numbers' formats stay names."""
    texts = [""]
    for piece in re.split(r"([?:])(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", re.sub(r"PRI(\w+)", r'"{\1}"', argument)):
        joined = "".join(LITERAL.findall(piece))
        if piece in "?:":
            texts.append("")
        else:
            texts[-1] += joined
    return [text for text in texts if re.search("[a-z]{3}", text)]


def messages():
    found = set()
    for path in sorted((ROOT / "src").glob("*.c")):
        # Without comments and characters: what is in quotes then is a text.
        text = TOKEN.sub(lambda token: token[0] if token[0][0] == '"' else "0", path.read_text(encoding="utf-8"))
        for call in re.finditer(r"\b(" + "|".join(CALLS) + r")\(", text):
            given = arguments(text, call.end())
            for kind, index in CALLS[call[1]]:
                if index < len(given):
                    found |= {f"{path.name}: {kind}: {said}" for said in words(given[index])}
        for table in re.finditer(r"^static const struct \w+ \w+\[[^\]]*\] = \{\n(.*?)^\};", text, re.M | re.S):
            if path.name.startswith(("verdict", "cmd_job", "cmd_status")):
                for said in LITERAL.findall(re.sub(r'"\s*\n\s*"', "", table[1])):
                    if " " in said.strip():
                        found.add(f"{path.name}: table: {said}")
    return sorted(found)


if __name__ == "__main__":
    sys.stdout.write("\n".join(messages()) + "\n")
