"""The embedded queries, asked on a connection of a test's."""

# pylint: disable=missing-function-docstring

import pathlib

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "sql" / "queries"
QUERIES = sorted(FOLDER.glob("*.sql"))


def text_of(name):
    return (FOLDER / f"{name}.sql").read_text()


def literal(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, list):
        return "'{" + ",".join("null" if item is None else str(item) for item in value) + "}'"
    return "'" + value + "'"


def execute(connection, name, *arguments):
    """What a run gets, as rows; [] of a query that has no result."""
    connection.execute(f"prepare {name}_q as {text_of(name)}")
    try:
        given = f" ({', '.join(map(literal, arguments))})" if arguments else ""
        done = connection.execute(f"execute {name}_q{given}")
        return done.fetchall() if done.description else []
    finally:
        connection.execute(f"deallocate {name}_q")


def told_of(connection, *arguments):
    """What a run is told of results, of which each is given with its claim's token."""
    return execute(connection, "record", *results(*arguments))


def without_nulls_at_the_end(array):
    while array and array[-1] is None:
        array = array[:-1]
    return array


def results(tokens, ids, attempts, actions, *more):
    """Parameters of record.sql, as a run makes them: a token comes once, and what is done needs no word for it."""
    distinct = list(dict.fromkeys(tokens))
    claims = [distinct.index(token) + 1 for token in tokens]
    actions = [None if action == "done" else action for action in actions]
    return [without_nulls_at_the_end(given) if isinstance(given, list) else given
            for given in (distinct, claims, ids, attempts, actions, *more)]


def recorded(connection, *arguments):
    """What became of each result: (id, outcome, state, beside). What the answer leaves out was recorded as it was sent,
    and its sum says how many were."""
    (place, total, outcome, *rest), *rows = told_of(connection, *arguments)
    assert (place, outcome, rest) == (0, "sum", [None, None])
    told = {row[0]: row[1:] for row in rows}
    assert list(told) == sorted(told) and len(told) == len(rows)
    found = [told.pop(number, (job, "recorded", final, None))
             for number, (job, final) in enumerate(zip(arguments[1], arguments[4]), 1)]
    assert not told and all(row[0] == job for row, job in zip(found, arguments[1]))
    assert [row[1] for row in found].count("recorded") == total
    return found
