"""Mutants of C.

By rule, in every function:
- the condition of an `if` and of `? :` becomes true, and false;
- the condition of a loop becomes false;
- an operand of && becomes true, one of || becomes false: it is dropped;
- a comparison that is all that is returned or assigned becomes true, and false.

The condition is evaluated all the same, for what it does: a guard that is gone is one whose answer nobody heeds.
All mutants are built into one program; $HARPSWEEP_MUTANT is the number of the one that is on, see mutant.h."""

import mutants
import tokens

ASSIGNMENTS = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="}
EDGES = ASSIGNMENTS | {",", ";", "?", ":", "return", "(", "[", "{", ")", "]", "}"}
COMPARISONS = {"==", "!=", "<", "<=", ">", ">=", "!"}
TRUE, FALSE = "1", "0"


class File:
    """One source and its sites."""

    def __init__(self, path, text):
        self.path, self.text = path, text
        self.tokens = tokens.scan(text, tokens.C)
        self.found = []

    def mutants(self):
        for index, token in enumerate(self.tokens):
            scope = self._function(index)
            if scope is None or self._is_constant(index):
                continue
            if token.text in ("if", "while"):
                self._add(scope, index + 2, self.tokens[index + 1].mate, (FALSE, TRUE) if token.text == "if" else (FALSE,))
            elif token.text == "for":
                first = self._next(index + 2, {";"})
                self._add(scope, first + 1, self._next(first + 1, {";"}), (FALSE,))
            elif token.text == "?":
                self._add(scope, self._edge(index, -1, EDGES) + 1, index, (FALSE, TRUE))
            elif token.text in ("&&", "||"):
                stops = EDGES | ({"&&", "||"} if token.text == "&&" else {"||"})
                new = TRUE if token.text == "&&" else FALSE
                self._add(scope, self._edge(index, -1, stops) + 1, index, (new,))
                self._add(scope, index + 1, self._edge(index, 1, stops), (new,))
            elif token.text in ASSIGNMENTS | {"return"}:
                end = self._edge(index, 1, EDGES - {"?"} | {"?"})
                if self.tokens[end].text in (";", ",", "}") and self._is_comparison(index + 1, end):
                    self._add(scope, index + 1, end, (FALSE, TRUE))
        return mutants.number(self.found)

    def _function(self, index):
        """Name of the function whose body this is in: it stands at the start of its line."""
        outer = None
        while index >= 0:
            outer, index = index, self.tokens[index].inside
        if self.tokens[outer].text != "{":
            return None
        for place in range(outer - 1, -1, -1):
            token = self.tokens[place]
            if token.inside != -1:
                continue
            if token.text in (";", "}", "="):
                return None
            if token.kind == "word" and self.text[: token.start].endswith("\n") and self.tokens[place + 1].text == "(":
                return token.text
        return None

    def _is_constant(self, index):
        """Inside of a static declaration."""
        while index >= 0:
            place, inside = index, self.tokens[index].inside
            while place - 1 > inside and not (
                self.tokens[place].inside == inside and self.tokens[place - 1].text in (";", "{", "}")
            ):
                place -= 1
            if self.tokens[place].text == "static" and self.tokens[index].inside >= 0:
                return True
            index = self.tokens[index].inside
        return False

    def _edge(self, index, step, stops):
        """The next token to one side that ends an expression; whole brackets are passed over."""
        place = index + step
        while True:
            token = self.tokens[place]
            bracket = token.mate is not None
            if bracket and (token.mate > place) == (step > 0):
                place = token.mate + step
                continue
            if bracket or token.text in stops:
                return place
            place += step

    def _next(self, index, texts):
        while self.tokens[index].text not in texts:
            index = self.tokens[index].mate + 1 if self.tokens[index].mate else index + 1
        return index

    def _is_comparison(self, first, end):
        """At its top level a comparison or a negation, and nothing that has mutants of its own."""
        level = [token.text for token in self.tokens[first:end] if token.inside == self.tokens[first - 1].inside]
        return bool(COMPARISONS.intersection(level)) and not {"&&", "||", "?"}.intersection(level)

    def _add(self, scope, first, end, news):
        if first == end:
            return
        start, stop = self.tokens[first].start, self.tokens[end - 1].end
        old = self.text[start:stop]
        if old in ("true", "false"):
            return
        for new in news:
            self.found.append(mutants.Mutant(self.path, scope, tokens.line_of(self.text, start), start, stop, old,
                                             {TRUE: "true", FALSE: "false"}[new], "c"))


def instrument(text, sites):
    """The source with all its mutants in it, switched by number."""
    by_place = {}
    for mutant in sites:
        by_place.setdefault((mutant.start, mutant.end), {})[mutant.new] = mutant.number
    inserts = []
    for (start, end), numbers in by_place.items():
        opener = f"mutant({numbers.get('true', 0)}, {numbers.get('false', 0)}, !!("
        # At one place the closing ones come first, the inner before the outer; of two that open the outer is first.
        inserts.append((start, 1, -end, opener))
        inserts.append((end, 0, -start, "))"))
    for place, _, _, extra in sorted(inserts, reverse=True):
        text = text[:place] + extra + text[place:]
    return text
