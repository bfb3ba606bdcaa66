"""The text format of Prometheus, read strictly: what its specification allows and nothing else.

https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4). What promtool adds to it is asked of
promtool itself where there is one.
"""

import re
import shutil
import subprocess

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r"[a-zA-Z_][a-zA-Z0-9_]*"
VALUE = r'"((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL}={VALUE},?)*)\}})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|[+-]Inf)")
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}


def unescape(text):
    return re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), text)


def parse(text):
    """{name: {frozenset of (label, value): number}}; an AssertionError where it is not the format."""
    assert text.endswith("\n") and "\r" not in text
    families, helped, typed, current = {}, set(), set(), None
    for line in text[:-1].split("\n"):
        comment = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.+)", line)
        if comment:
            kind, name, words = comment.groups()
            seen = helped if kind == "HELP" else typed
            assert name not in seen, f"{kind} of {name} twice"
            seen.add(name)
            if kind == "HELP":
                assert not re.search(r"\\(?![\\n])", words)
                assert name not in families, f"{name} in two places"
            else:
                assert words in TYPES and name not in families
            current = name
            families.setdefault(name, {}) if kind == "TYPE" else None
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, line
        name, labels, value = sample[1], sample[2] or "", sample[4]
        assert name == current and name in typed and name in helped, f"{name} outside of its family"
        pairs = [(label, unescape(text)) for label, text in re.findall(rf"({LABEL})={VALUE}", labels)]
        assert len({label for label, _ in pairs}) == len(pairs), f"a label twice: {line}"
        assert frozenset(pairs) not in families[name], f"the same sample twice: {line}"
        families[name][frozenset(pairs)] = float(value)
    return families


def promtool(*arguments, text=None):
    """What promtool says against it, where there is one; "" otherwise."""
    path = shutil.which("promtool")
    if path is None:
        return ""
    done = subprocess.run([path, *map(str, arguments)], input=text, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
