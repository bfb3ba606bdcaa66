"""Every embedded query is prepared on a real server, and the plans that a run's cost rests on are asserted.

The plans are looked at in two databases: one with a long history and nothing open, and
one with a long history and a long queue. None may read the table from end to end.
"""

import json
import pathlib
import re
import uuid

import pytest

QUERIES = sorted((pathlib.Path(__file__).parents[2] / "sql" / "queries").glob("*.sql"))
HISTORY = 50_000
QUEUE = 20_000
TOKEN = str(uuid.UUID(int=7))


def text_of(name):
    return (QUERIES[0].parent / f"{name}.sql").read_text()


def statement(name):
    """The query without its comments."""
    return re.sub(r"--[^\n]*", "", text_of(name))


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_it_prepares(connection, path):
    connection.execute(f"prepare q as {path.read_text()}")


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_its_header_tells_parameters_and_result(path):
    text = path.read_text()
    header = text[: re.search(r"^[^-\n]", text, re.M).start()]
    assert "Result" in header
    body = text[len(header):]
    used = {int(number) for number in re.findall(r"\$(\d+)", re.sub(r"--[^\n]*", "", body))}
    told = {int(number) for number in re.findall(r"\$(\d+)", header)}
    assert used == told


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_every_parameter_has_a_cast_and_every_table_a_schema(path):
    body = statement(path.stem)
    assert not re.search(r"\$\d+(?!::|\d)", body)
    assert not re.search(r"select\s+\*", body, re.I)
    for table in re.findall(r"\b(?:from|join|into|update)\s+(job|run|daemon|migration)\b", body):
        raise AssertionError(f"{table} without its schema")


@pytest.fixture(params=["history", "queue"])
def filled(request, connection):
    """A database of each kind, with the statistics that autovacuum would have left."""
    connection.execute(
        """insert into harpsweep.job (daemon, appid, image_ref, state, orphaned_at, grace_hours, not_before, next_at,
                                      finished_at, bytes_freed)
           select 'd' || i %% 3, 'app', 'old/app:' || i, 'removed', now() - interval '9 days', 24,
                  now() - interval '8 days', null, now() - interval '7 days' + i * interval '1 second', 5
             from generate_series(1, %s) i""",
        [HISTORY],
    )
    if request.param == "queue":
        connection.execute(
            """insert into harpsweep.job (daemon, appid, image_ref, state, orphaned_at, grace_hours, not_before, next_at)
               select 'd' || i %% 3, 'app', 'due/app:' || i, 'pending', now() - interval '2 days', 24,
                      now() - interval '1 day', now() - interval '1 day' + i * interval '1 second'
                 from generate_series(1, %s) i""",
            [QUEUE],
        )
    connection.execute("vacuum (analyze) harpsweep.job")
    return connection


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


def explain(connection, name, *arguments):
    """The nodes of the plan that a run gets, with what they touched; everything is undone."""
    with connection.transaction(force_rollback=True):
        connection.execute("set local plan_cache_mode = force_custom_plan")
        connection.execute(f"prepare {name}_q as {text_of(name)}")
        row = connection.execute(
            f"explain (analyze, buffers, format json) execute {name}_q ({', '.join(map(literal, arguments))})"
        ).fetchone()
        connection.execute(f"deallocate {name}_q")
    plan = row[0] if isinstance(row[0], list) else json.loads(row[0])

    def walk(node):
        yield node
        for child in node.get("Plans", []):
            yield from walk(child)

    return list(walk(plan[0]["Plan"]))


def job_scans(nodes):
    return [node for node in nodes if node.get("Relation Name") == "job" and "Scan" in node["Node Type"]]


def assert_by_index(nodes, *indexes):
    for node in job_scans(nodes):
        assert node["Node Type"] != "Seq Scan", node
        assert node.get("Index Name") in indexes, node


CLAIM = ([], [], 64, ["d0", "d1", "d2"], [], None, True, 24, TOKEN, "host:1", 120_000, 20, 1, False)


def test_a_claim_finds_its_daemons_in_one_index(filled):
    nodes = explain(filled, "claim", *CLAIM)
    # job_pkey: the rows that were picked are updated by their id.
    assert_by_index(nodes, "job_due", "job_pkey")


def test_a_claim_from_known_daemons_touches_what_it_takes(filled):
    claim = list(CLAIM)
    claim[0:3] = [["d0", "d1"], [50, 50], 0]
    nodes = explain(filled, "claim", *claim)
    assert_by_index(nodes, "job_due", "job_pkey")
    for node in job_scans(nodes):
        if node.get("Index Name") == "job_due":
            assert node["Actual Rows"] <= 50


def test_a_claim_with_nothing_due_reads_a_page(connection):
    connection.execute("vacuum (analyze) harpsweep.job")
    nodes = explain(connection, "claim", *CLAIM)
    touched = sum(node["Shared Hit Blocks"] + node["Shared Read Blocks"] for node in job_scans(nodes))
    assert touched <= 2


def test_a_record_goes_by_the_primary_key(filled):
    ids = [row[0] for row in filled.execute("select id from harpsweep.job order by id desc limit 256")] or [1]
    count = len(ids)
    nodes = explain(
        filled, "record", TOKEN, ids, [1] * count, ["done"] * count, ["removed"] * count, [200] * count, [5] * count,
        [None] * count, [3] * count, [0] * count, 24, 7, 20,
    )
    assert_by_index(nodes, "job_pkey")


def test_a_confirmation_goes_by_the_primary_key(filled):
    assert_by_index(explain(filled, "confirm", TOKEN, [1, 2, 3], [1, 1, 1]), "job_pkey")


def test_pruning_goes_by_age(filled):
    assert_by_index(explain(filled, "prune", 3, 1000), "job_prunable", "job_pkey")
