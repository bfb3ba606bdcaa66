"""Mutants of SQL and PL/pgSQL.

By rule, in queries, functions, views, constraints and the checks of the installation:
- an operand of AND becomes true, one of OR becomes false: it is dropped;
- a condition that is no AND (of WHERE, ON, HAVING, FILTER) becomes true;
- the condition of IF, ELSIF, WHEN, WHILE and CONTINUE WHEN becomes true, and false;
- EXISTS, with the NOT before it, becomes true, and where it stands alone also false;
- a comparison that is no condition (a column of the result, a number made of it) becomes true, and false;
- where moments are compared, < and <=, > and >= change places;
- FOR UPDATE goes, and SKIP LOCKED alone;
- of the conditions that an exception handler names each one goes.

What becomes true is written as `(true or (…))`: the server removes it, but knows the types of the parameters in it."""

import collections
import re

import mutants
import tokens

CLAUSES = {"where", "group", "order", "limit", "union", "returning", "for", "window", "having", "offset", "except",
           "intersect", "loop", "into", "from", "on", "join", "left", "right", "inner", "cross", "full", "do", "set",
           "select", "values", "then", "when", "else", "if", "elsif", "while", "return", "as", "by", "end", "exit",
           "continue", ",", ";", ":=", "=>", "using", "begin", "perform", "exists", "distinct", "check", "default",
           "loop", "filter", "over", "conflict"}
COMPARISONS = {"=", "<>", "<", "<=", ">", ">=", "~", "!~", "is", "in", "like", "between"}
SWAPS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
MOMENT = re.compile(r"now\(\)|clock_timestamp\(\)|_at\b|\bnot_before\b|\bdue\b|\boldest_due\b|\bpaused_until\b|\bstopped_since\b")
OBJECT = re.compile(r"create (?:or replace )?(?:function|view) (?:harpsweep\.)?(\w+)")
CONSTRAINT = re.compile(r"constraint (\w+) check$")
Unit = collections.namedtuple("Unit", "first last kind scope")


class File:
    """One SQL file and its sites."""

    def __init__(self, path, text):
        self.path, self.text = path, text
        self.tokens = tokens.scan(text, tokens.SQL)
        self.units = [None] * len(self.tokens)
        self._find_units()
        self.found = []

    # ------------------------------------------------------------------ what is where

    def _find_units(self):
        """Every statement, and in a DO block those that it holds between $ddl$, are units of their own."""
        first = 0
        for index, token in enumerate(self.tokens):
            if token.inside == -1 and (token.text == ";" or token.kind == "meta"):
                self._unit(first, index)
                first = index + 1
        self._unit(first, len(self.tokens))
        for index, token in enumerate(self.tokens):
            if token.text == "$ddl$" and token.mate > index:
                self._unit(index + 1, token.mate)

    def _unit(self, first, last):
        if last > first:
            self.units[first:last] = [Unit(first, last, *self._kind(first, last))] * (last - first)

    def _kind(self, first, last):
        if self.path.startswith("sql/queries/"):
            return "query", self.path.rsplit("/", 1)[1][:-4]
        head = self._texts(first, min(8, last - first)).replace(" . ", ".")
        made = OBJECT.match(head)
        if made:
            return "object", made[1]
        words = head.split()
        if words[0] == "do":
            return "install", "do"
        if words[:2] in (["create", "table"], ["create", "domain"]):
            return "check", words[2]
        return "other", words[0]

    # ------------------------------------------------------------------ expressions

    def _edge(self, index, step, stops):
        """The next token to one side that is no part of the expression; whole brackets are passed over."""
        place = index + step
        while 0 <= place < len(self.tokens):
            token = self.tokens[place]
            bracket = token.mate is not None
            if bracket and (token.mate > place) == (step > 0):
                place = token.mate + step
                continue
            if bracket or token.kind == "meta" or token.text in stops and not self._is_inner(place):
                return place
            place += step
        return place

    def _is_inner(self, place):
        """A word that ends no expression here: FROM and DISTINCT of "is distinct from", AND of "between"."""
        text, before = self.tokens[place].text, self.tokens[place - 1].text
        if text == "from":
            return before == "distinct"
        if text == "distinct":
            return before in ("is", "not")
        if text == "and":
            return self._between(place)
        return False

    def _between(self, place):
        at = self._edge(place, -1, CLAUSES | {"between", "or"} | {"and"}) if self.tokens[place].text == "and" else -1
        return at >= 0 and self.tokens[at].text == "between"

    # ------------------------------------------------------------------ mutants

    def mutants(self):
        for index, token in enumerate(self.tokens):
            unit = self.units[index]
            if unit is None or unit.kind == "other" or token.kind not in ("word", "operator"):
                continue
            if token.text in ("where", "on", "having"):
                self._clause(index)
            elif token.text in ("if", "elsif", "while", "when"):
                self._branch(index)
            elif token.text in ("and", "or"):
                self._operands(index)
            elif token.text == "exists" and self.tokens[index + 1].text == "(":
                self._exists(index)
            elif token.text == "check" and unit.kind == "check" and self.tokens[index + 1].text == "(":
                self._add(index + 2, self.tokens[index + 1].mate, "true")
            elif token.text == "for" and self._texts(index, 2) == "for update":
                skips = self._texts(index + 2, 2) == "skip locked"
                self._add(index, index + (4 if skips else 2), "")
                if skips:
                    self._add(index + 2, index + 4, "")
            if token.text in SWAPS:
                self._swap(index)
            if token.text in COMPARISONS:
                self._comparison(index)
        return self._numbered()

    def _texts(self, index, count):
        return " ".join(token.text for token in self.tokens[index : index + count])

    def _clause(self, index):
        before = self.tokens[index - 1].text
        if self.tokens[index].text == "on" and not self._joins(index):
            return
        if self.tokens[index].text == "where" and self._is_index_predicate(index):
            return
        stops = CLAUSES - {"exists", "distinct"}
        end = self._edge(index, 1, stops)
        if before == "(" and self.tokens[index].text == "where":  # filter (where …)
            end = self.tokens[self.tokens[index].inside].mate
        if not self._has(index + 1, end, "and"):
            self._add(index + 1, end, "true")

    def _joins(self, index):
        """Whether this ON is that of a join."""
        place = self._edge(index, -1, {"join", "on", "where", ";", "select", "comment", "trigger", "grant", "insert"})
        return place >= 0 and self.tokens[place].text == "join"

    def _is_index_predicate(self, index):
        """That of "on conflict (…) where": it names an index."""
        return self.tokens[index - 1].text == ")" and self.tokens[self.tokens[index - 1].mate - 1].text == "conflict"

    def _branch(self, index):
        token = self.tokens[index]
        if token.text == "when":
            opener = self.tokens[token.inside] if token.inside >= 0 else None
            if opener is not None and opener.text == "case":
                if self.tokens[token.inside + 1].text != "when":
                    return  # case VALUE when VALUE
            elif self._handles(index):
                self._handlers(index)
                return
            elif self.tokens[index - 1].text not in ("continue", "exit"):
                return
        if token.text == "if" and (self.tokens[index - 1].text == "end" or not self._inside_body(index)):
            return
        end = self._edge(index, 1, {"then", "loop", ";"})
        self._add(index + 1, end, "false")
        self._add(index + 1, end, "true")

    def _inside_body(self, index):
        inside = self.tokens[index].inside
        while inside >= 0:
            if self.tokens[inside].kind == "dollar" and self.tokens[inside].text != "$ddl$":
                return True
            inside = self.tokens[inside].inside
        return False

    def _handles(self, index):
        """Whether this is between WHEN and THEN of an exception handler."""
        place = index if self.tokens[index].text == "when" else self._edge(index, -1, {"when", "then", ";"})
        if self.tokens[place].text != "when":
            return False
        before = place - 1
        if self.tokens[before].text == ";":  # of the handler's later conditions: behind the statements of the one before
            before = self._edge(before, -1, {"exception", "begin"})
            while self.tokens[before].text == "exception" and self.tokens[before - 1].text == "raise":
                before = self._edge(before, -1, {"exception", "begin"})
        return self.tokens[before].text == "exception"

    def _handlers(self, index):
        end = self._edge(index, 1, {"then"})
        names = [place for place in range(index + 1, end) if self.tokens[place].text != "or"]
        for count, place in enumerate(names):
            if len(names) > 1:
                first, last = (place, place + 2) if count == 0 else (place - 1, place + 1)
                self._add(first, last, "")

    def _operands(self, index):
        token = self.tokens[index]
        if token.text == "or" and self.tokens[index - 1].text == "create":
            return
        if self._between(index) or self._handles(index):
            return
        first = self._edge(index, -1, CLAUSES - {"exists", "distinct"} | ({"and", "or"} if token.text == "and" else {"or"}))
        last = self._edge(index, 1, CLAUSES - {"exists", "distinct"} | ({"and", "or"} if token.text == "and" else {"or"}))
        new = "true" if token.text == "and" else "false"
        self._add(first + 1, index, new)
        self._add(index + 1, last, new)

    def _exists(self, index):
        first = index - 1 if self.tokens[index - 1].text == "not" else index
        if self.tokens[first - 1].text in ("table", "schema", "if", "index", "type", "view", "function") and (
                not self._inside_body(index) or self.tokens[first - 1].text != "if"):
            return  # if not exists
        end = self.tokens[index + 1].mate + 1
        self._add(first, end, "true")
        if self.tokens[first - 1].text in ("return", "select", ",", ":="):
            self._add(first, end, "false")

    def _swap(self, index):
        first = self._edge(index, -1, CLAUSES | {"and", "or", "not"})
        last = self._edge(index, 1, CLAUSES | {"and", "or"})
        start, sign, stop = self.tokens[first + 1].start, self.tokens[index], self.tokens[last - 1].end
        old = self.text[start:stop]
        if MOMENT.search(old):
            new = self.text[start : sign.start] + SWAPS[sign.text] + self.text[sign.end : stop]
            self.found.append((index, start, stop, new, new))

    def _comparison(self, index):
        """One that is a value: a column of a result, or cast to a number."""
        stops = CLAUSES - {"exists", "distinct"} | {"and", "or"}
        first, last = self._edge(index, -1, stops), self._edge(index, 1, stops)
        before = self.tokens[first].text
        after = self.tokens[last].text if last < len(self.tokens) else ";"
        if before in ("and", "or") or after in ("and", "or"):
            return
        if before == "(" and after == ")":
            wanted = self._texts(last + 1, 2) == ":: int" or self.tokens[last + 1].text in ("=", "is", "<>")
        else:
            wanted = before in ("select", ",", "then", "else", "return", ":=", "distinct") or (
                before == "(" and after == ",")
        if before == ";" or self._is_setting(index):
            return
        if self.tokens[index].text == "=" and (before in (",", "set") and self._sets(first) or before == "set"):
            return
        if wanted and last - first > 2:
            self._add(first + 1, last, "true")
            self._add(first + 1, last, "false")

    def _is_setting(self, index):
        """Of RAISE … USING and of GET DIAGNOSTICS."""
        place = self._edge(index, -1, {"raise", "get", ";", "begin", "then", "select", "where"})
        return place >= 0 and self.tokens[place].text in ("raise", "get")

    def _sets(self, index):
        """Whether a comma is one of the list of SET."""
        place = self._edge(index + 1, -1, {"set", "select", "from", "where", "values", "returning", ";"})
        return place >= 0 and self.tokens[place].text == "set"

    def _has(self, first, end, word):
        place = first
        while place < end:
            token = self.tokens[place]
            if token.text == word and not self._is_inner(place):
                return word != "and" or not self._has(first, end, "or")
            place = token.mate + 1 if token.mate is not None and token.mate > place else place + 1
        return False

    def _add(self, first, end, new):
        start, stop = self.tokens[first].start, self.tokens[end - 1].end
        old = self.text[start:stop]
        if old not in ("true", "false"):
            text = {"true": f"(true or ({old}))", "false": f"(false and ({old}))"}.get(new, new)
            self.found.append((first, start, stop, new or mutants.NOTHING, text))

    def _numbered(self):
        made = []
        for index, start, stop, new, text in self.found:
            unit = self.units[index]
            scope = self._constraint(index) if unit.kind == "check" else unit.scope
            made.append(mutants.Mutant(self.path, scope, tokens.line_of(self.text, start), start, stop, self.text[start:stop],
                                       mutants.flat(new), unit.kind, text))
        return mutants.number(made)

    def _constraint(self, index):
        while index >= 0:
            named = CONSTRAINT.search(self._texts(max(0, index - 3), min(3, index)))
            if named:
                return named[1]
            index = self.tokens[index].inside
        return "check"
