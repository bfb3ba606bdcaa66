"""Tokens of SQL (with PL/pgSQL and psql's commands) and of C, and which brackets belong together.

A function's body between $$ and $$ is read like the text around it, and so are CASE and its END: both are
brackets here."""

import re

SQL = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/|\#variable_conflict[^\n]*)
      | (?P<string>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')
      | (?P<dollar>\$(?:[A-Za-z_]\w*)?\$)
      | (?P<parameter>\$\d+)
      | (?P<meta>\\[^\n]*)
      | (?P<word>[A-Za-z_]\w*|"(?:[^"]|"")*"|@\w+@)
      | (?P<number>\d+(?:\.\d+)?)
      | (?P<operator>::|:=|=>|<=|>=|<>|!=|\|\||->>|->|\#>>|!~|[-+*/<>=~%^:.,;(){}\[\]?|&!])""",
    re.VERBOSE | re.DOTALL,
)

C = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/|^[ \t]*\#(?:\\\n|[^\n])*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<word>[A-Za-z_]\w*)
      | (?P<number>[0-9](?:[\w.]|[eEpP][-+])*)
      | (?P<operator>\.\.\.|<<=|>>=|->|\+\+|--|&&|\|\||<<|>>|[-+*/%&|^=!<>]=|[-+*/%&|^=!<>~?:.,;(){}\[\]])""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)

PAIRS = {"(": ")", "[": "]", "{": "}", "case": "end"}


class Token:
    """A piece of text; `inside` is the index of the bracket around it (-1: none), `mate` that of its other bracket."""

    __slots__ = ("kind", "text", "start", "end", "inside", "mate")

    def __init__(self, kind, text, start, inside):
        self.kind, self.text, self.start, self.end = kind, text, start, start + len(text)
        self.inside, self.mate = inside, None

    def __repr__(self):
        return self.text


def scan(text, language):
    """All tokens but white space and comments; words of SQL in lower case."""
    tokens, stack, place = [], [], 0
    while place < len(text):
        found = language.match(text, place)
        if found is None:
            raise ValueError(f"no token at {text[place:place + 40]!r}")
        place = found.end()
        if found.lastgroup == "space":
            continue
        word = found.group()
        if language is SQL and found.lastgroup == "word" and word[0] not in '"@':
            word = word.lower()
        index = len(tokens)
        token = Token(found.lastgroup, word, found.start(), stack[-1] if stack else -1)
        tokens.append(token)
        if stack and word == closing(tokens, stack[-1], language):
            token.mate = stack.pop()
            token.inside = tokens[token.mate].inside
            tokens[token.mate].mate = index
        elif opens(tokens, index, language):
            stack.append(index)
    if stack:
        raise ValueError(f"{tokens[stack[-1]]} is not closed")
    return tokens


def closing(tokens, index, language):
    opener = tokens[index]
    return opener.text if language is SQL and opener.kind == "dollar" else PAIRS[opener.text]


def opens(tokens, index, language):
    token = tokens[index]
    if token.text == "case":
        return language is SQL and (index == 0 or tokens[index - 1].text != "end")
    return token.kind == "dollar" or (token.kind == "operator" and token.text in PAIRS)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1
