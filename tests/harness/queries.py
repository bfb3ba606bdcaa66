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
