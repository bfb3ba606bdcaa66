"""What a mutant is, and the list of those that are known to change nothing."""

import dataclasses
import difflib
import re

NOTHING = "(nothing)"


@dataclasses.dataclass
class Mutant:
    """One small change of one file. scope: the function, query or constraint that it is in."""

    path: str
    scope: str
    line: int
    start: int
    end: int
    old: str
    new: str
    kind: str  # c, query, object (a function or view), check (a constraint), install
    text: str = ""  # what is written in place of `old`; `new` is what it means
    nth: int = 1  # of those with the same scope, old and new
    number: int = 0  # of C's

    @property
    def name(self):
        return f"{self.path}:{self.line}:{self.nth} {self.scope}: {flat(self.old)} -> {self.new}"

    @property
    def key(self):
        """Stays the same where lines move."""
        return f"{self.path} {self.scope}: {flat(self.old)} -> {self.new}" + (f" #{self.nth}" if self.nth > 1 else "")

    def apply(self, source):
        assert source[self.start : self.end] == self.old, self.name
        return source[: self.start] + self.text + source[self.end :]

    def diff(self, source):
        changed = source[: self.start] + ("" if self.new == NOTHING else self.new) + source[self.end :]
        lines = difflib.unified_diff(source.splitlines(), changed.splitlines(), self.path, self.path, lineterm="", n=1)
        return "\n".join(list(lines)[2:])


def flat(text):
    """On one line, without comments."""
    return " ".join(re.sub(r"--[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL).split())


def number(mutants):
    """Sorts them, leaves out doubles and tells those apart that look the same."""
    unique = {(m.start, -m.end, m.new): m for m in mutants}
    counts = {}
    result = [unique[place] for place in sorted(unique)]
    for mutant in result:
        same = (mutant.scope, flat(mutant.old), mutant.new)
        counts[same] = mutant.nth = counts.get(same, 0) + 1
    return result


def read_equivalent(path, mutants):
    """{key: reason} of a file of paragraphs: the keys of mutants, one a line, then the reason, indented. Returns
    it with the complaints about keys that no mutant has."""
    reasons, keys, complaints = {}, [], []
    known = {mutant.key for mutant in mutants}
    reason = ""
    for line in path.read_text(encoding="utf-8").splitlines() + [""]:
        if line.startswith("#"):
            continue
        if line.startswith((" ", "\t")):
            reason = f"{reason} {line.strip()}".strip()
            continue
        if reason or not line:
            if keys and not reason:
                complaints.append(f"no reason for: {keys[0]}")
            reasons.update({key: reason for key in keys})
            keys, reason = [], ""
        if line:
            keys.append(line.strip())
    complaints += [f"no such mutant: {key}" for key in reasons if key not in known]
    return reasons, complaints
