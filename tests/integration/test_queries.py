"""Every embedded query is prepared on a real server, and the plans that a run's cost rests on are asserted.

The plans are looked at in three databases: one with a long history and nothing open, one
with a long history and a long queue, and a young one, which is small enough for a planner to be
tempted. None may read the table from end to end.
"""

import json
import re
import uuid

import pytest

from harness.queries import QUERIES, execute, literal, recorded, results, text_of
from harness.rows import SCHEMA_VERSION, claim, expire, in_thread, job, one, schedule, wait_until_blocked

HISTORY = 50_000
QUEUE = 20_000
YOUNG = 8_000
TOKEN = str(uuid.UUID(int=7))

# What a run has the server keep: it may be planned without its values.
KEPT = ("claim", "confirm", "record")


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


@pytest.fixture(params=["history", "queue", "young"])
def filled(request, connection):
    """A database of each kind, with the statistics that autovacuum would have left."""
    connection.execute(
        """insert into harpsweep.job (daemon, appid, image_ref, state, orphaned_at, grace_hours, not_before, next_at,
                                      finished_at, bytes_freed)
           select 'd' || i %% 3, 'app', 'old/app:' || i, 'removed', now() - interval '9 days', 24,
                  now() - interval '8 days', null, now() - interval '7 days' + i * interval '1 second', 5
             from generate_series(1, %s) i""",
        [0 if request.param == "young" else HISTORY],
    )
    if request.param != "history":
        connection.execute(
            """insert into harpsweep.job (daemon, appid, image_ref, state, orphaned_at, grace_hours, not_before, next_at)
               select 'd' || i %% 3, 'app', 'due/app:' || i, 'pending', now() - interval '2 days', 24,
                      now() - interval '1 day', now() - interval '1 day' + i * interval '1 second'
                 from generate_series(1, %s) i""",
            [QUEUE if request.param == "queue" else YOUNG],
        )
    connection.execute("vacuum (analyze) harpsweep.job")
    return connection


def explain(connection, name, *arguments):
    """The nodes of the plan that a run gets, with what they touched; everything is undone."""
    nodes = explained(connection, "force_custom_plan", name, *arguments)
    if name in KEPT:
        # Without the arrays it expects few rows, and must all the same not look for each of many in a list.
        generic = explained(connection, "force_generic_plan", name, *arguments)
        # The first one left versions of rows behind. And from PostgreSQL 17 on, a list of which the values are known is
        # looked up leaf by leaf: then half a page for each row will do.
        rows = sum(node["Actual Rows"] * node["Actual Loops"] for node in job_scans(generic))
        assert touched(generic) <= max(1.1 * touched(nodes) + 8, rows / 2)
        assert passed_on(generic) <= 1.2 * passed_on(nodes) + 10
    return nodes


def passed_on(nodes):
    return sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Join Filter", 0))
               * node["Actual Loops"] for node in nodes)


def explained(connection, mode, name, *arguments):
    with connection.transaction(force_rollback=True):
        connection.execute(f"set local plan_cache_mode = {mode}")
        connection.execute(f"prepare {name}_q as {text_of(name)}")
        values = f" ({', '.join(map(literal, arguments))})" if arguments else ""
        row = connection.execute(f"explain (analyze, buffers, format json) execute {name}_q{values}").fetchone()
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
        assert node["Node Type"] == "Tid Scan" or node.get("Index Name") in indexes, node


def touched(nodes):
    return sum(node["Shared Hit Blocks"] + node["Shared Read Blocks"] for node in job_scans(nodes))


def test_daemons_are_found_in_one_index(filled):
    nodes = explain(filled, "find")
    assert_by_index(nodes, "job_due")
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in job_scans(nodes)) <= 4
    assert touched(nodes) <= 4 * 4  # a descent for each of three daemons, and one that finds no more


def test_finding_looks_at_one_row_of_each_daemon(filled):
    """Also where the time of all of them is to come: it steps over none of them."""
    filled.execute("update harpsweep.job set next_at = now() + interval '1 day' where state = 'pending'")
    filled.execute("vacuum (analyze) harpsweep.job")
    nodes = job_scans(explain(filled, "find"))
    assert sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in nodes) <= 4


def test_with_nothing_open_a_run_touches_two_pages_whatever_the_history(filled):
    filled.execute("delete from harpsweep.job where finished_at is null")
    filled.execute("vacuum (analyze) harpsweep.job")
    for name in ("find", "alarm"):
        assert touched(explain(filled, name)) <= 2


def test_a_run_first_looks_at_the_alarm_and_at_no_job(filled):
    nodes = explain(filled, "hello")
    assert job_scans(nodes) == []
    [scan] = [node for node in nodes if node.get("Relation Name") == "alarm"]
    assert scan["Shared Hit Blocks"] + scan["Shared Read Blocks"] <= 1


def test_the_alarm_is_set_after_one_row_of_each_daemon(filled):
    filled.execute("update harpsweep.job set next_at = now() + interval '1 day' where state = 'pending'")
    filled.execute("vacuum (analyze) harpsweep.job")
    nodes = explain(filled, "alarm")
    assert_by_index(nodes, "job_due")
    assert touched(nodes) <= 4 * 4


def test_what_was_done_is_not_stepped_over_for_ever(filled):
    """A vacuum takes the entries of few results out of the index as well, where many finished jobs are beside them."""
    filled.execute("delete from harpsweep.job where finished_at is null")
    filled.execute("vacuum harpsweep.job")
    filled.execute(
        """insert into harpsweep.job (daemon, appid, image_ref, state, orphaned_at, grace_hours, not_before, next_at)
           select 'fresh', 'app', 'fresh/app:' || i, 'pending', now() - interval '2 days', 24,
                  now() - interval '1 day', now() - interval '1 day'
             from generate_series(1, 200) i""")
    filled.execute("update harpsweep.job set state = 'removed', next_at = null, finished_at = now() where finished_at is null")
    filled.execute("vacuum harpsweep.job")
    assert touched(explain(filled, "find")) <= 2
    options = dict(option.split("=") for option in one(filled, "select reloptions from pg_class where oid = 'harpsweep.job'::regclass"))
    assert float(options["autovacuum_vacuum_scale_factor"]) <= 0.002


def test_the_alarm_without_statistics(filled):
    """The planner then promises that the table's first page holds an open row; all it has are finished."""
    filled.execute("delete from harpsweep.job where finished_at is null")
    filled.execute("delete from pg_statistic where starelid = 'harpsweep.job'::regclass")
    assert_by_index(explain(filled, "alarm"), "job_due")


def test_a_claim_touches_what_it_takes(filled):
    nodes = explain(filled, "claim", ["d0", "d1"], [50, 50], None, True, 24, TOKEN, "host:1", 120_000, 20, SCHEMA_VERSION, 0, True, False,
                    [None, None], [None, None])
    # job_pkey: that of rows whose grace is fixed; those that were picked are updated where they are.
    assert_by_index(nodes, "job_due", "job_pkey")
    assert [node["Actual Rows"] for node in nodes if node["Node Type"] == "Tid Scan"] in ([100, 0], [0, 0])
    assert all(node["Actual Rows"] == 0 for node in job_scans(nodes) if node.get("Index Name") == "job_pkey")
    for node in job_scans(nodes):
        if node.get("Index Name") == "job_due":
            assert node["Actual Rows"] + node.get("Rows Removed by Filter", 0) <= 50


def test_a_claim_looks_at_nothing_that_is_not_due(filled):
    filled.execute("update harpsweep.job set next_at = now() + interval '1 day' where state = 'pending'")
    filled.execute("vacuum (analyze) harpsweep.job")
    nodes = explain(filled, "claim", ["d0", "d1"], [50, 50], None, True, 24, TOKEN, "host:1", 120_000, 20, SCHEMA_VERSION, 0, True, False,
                    [None, None], [None, None])
    due = [node for node in job_scans(nodes) if node.get("Index Name") == "job_due"]
    assert due and all(node["Actual Rows"] + node.get("Rows Removed by Filter", 0) == 0 for node in due)


def test_a_claim_looks_once_at_each_row_that_it_takes(filled):
    """With due rows of which the statistics know nothing: they came after the last vacuum."""
    filled.execute(
        """insert into harpsweep.job (daemon, appid, image_ref, state, orphaned_at, grace_hours, not_before, next_at)
           select 'fresh', 'app', 'fresh/app:' || i, 'pending', now() - interval '2 days', 24,
                  now() - interval '1 day', now() - interval '1 day'
             from generate_series(1, 300) i""")
    nodes = explain(filled, "claim", ["fresh"], [256], None, True, 24, TOKEN, "host:1", 120_000, 20, SCHEMA_VERSION, 0, True, False,
                    [None], [None])
    assert_by_index(nodes, "job_due", "job_pkey")
    assert all(node["Actual Rows"] * node["Actual Loops"] <= 256 for node in job_scans(nodes))


def test_a_claim_goes_on_behind_the_one_before(filled):
    """Also where an old snapshot keeps what that one left behind, and where a thousand are due at the same moment."""
    filled.execute(
        """insert into harpsweep.job (daemon, appid, image_ref, state, orphaned_at, grace_hours, not_before, next_at)
           select 'fresh', 'app', 'fresh/app:' || i, 'pending', now() - interval '2 days', 24,
                  now() - interval '1 day', now() - interval '1 day'
             from generate_series(1, 1000) i""")

    def claim(after_us, after_id, what=execute):
        return what(filled, "claim", ["fresh"], [100], None, True, 24, TOKEN, "host:1", 120_000, 20, SCHEMA_VERSION, 0, True,
                    False, [after_us], [after_id])

    seen = []
    after = (None, None)
    for _ in range(10):
        *jobs, upto = claim(*after)
        assert {row[0] for row in jobs} == {"job"} and upto[:2] == ("upto", "fresh") and upto[2] == jobs[-1][2]
        seen += [row[2] for row in jobs]
        after = (upto[-1], upto[2])
        filled.execute("update harpsweep.job set state = 'removed', next_at = null, finished_at = now() where state = 'claimed'"
                       " and daemon = 'fresh'")
    assert len(set(seen)) == len(seen) == 1000 and seen == sorted(seen)
    assert claim(*after) == []
    due = [node for node in job_scans(claim(*after, explain)) if node.get("Index Name") == "job_due"]
    assert any("ROW(" in node["Index Cond"] for node in due) and touched(due) <= 8


def test_a_record_goes_by_the_primary_key(filled):
    """With claimed rows of which the statistics know nothing, as in a run."""
    claimed = [row[0] for row in filled.execute(
        "update harpsweep.job set state = 'claimed', attempts = 1, claim_token = %s, claimed_at = now(),"
        "       next_at = now() + interval '2 min'"
        " where id in (select id from harpsweep.job where state = 'pending' order by next_at limit 256) returning id",
        [TOKEN])]
    ids = claimed or [1]
    count = len(ids)
    nodes = explain(
        filled, "record", *results([TOKEN] * count, ids, [1] * count, ["done"] * count, ["removed"] * count, [200] * count,
                                   [5] * count, [None] * count, [3] * count, [None] * count, 24, 7, 20),
    )
    assert_by_index(nodes, "job_pkey")
    assert all(node["Actual Rows"] * node["Actual Loops"] <= count for node in job_scans(nodes))
    # What was recorded is not looked at once more.
    assert [node["Actual Loops"] for node in nodes if node["Node Type"] == "LockRows"] == [count - len(claimed)]


def test_a_confirmation_goes_by_the_primary_key(filled):
    assert_by_index(explain(filled, "confirm", [TOKEN] * 3, [1, 2, 3], [1, 1, 1], [None, None, None], 0, True, False), "job_pkey")


def test_counting_what_is_due_looks_at_no_more_than_is(filled):
    """Most of what is open has its time still to come."""
    filled.execute("update harpsweep.job set next_at = now() + interval '1 day' where state = 'pending' and id % 10 > 0")
    filled.execute("vacuum (analyze) harpsweep.job")
    nodes = explain(filled, "count_due", ["d0", "d1"], None, True, 24, 100_000)
    assert all(node["Node Type"] != "Seq Scan" for node in job_scans(nodes))
    due = one(filled, "select count(*) from harpsweep.job where next_at <= now() and daemon in ('d0', 'd1')")
    assert abs(sum(node["Actual Rows"] * node["Actual Loops"] for node in job_scans(nodes)) - due) <= 1  # a mean, rounded
    assert sum(row[1] for row in execute(filled, "count_due", ["d0", "d1"], None, True, 24, 100_000)) == due
    nodes = explain(filled, "count_due", ["d0"], None, True, 24, 5)
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in job_scans(nodes)) <= 5


@pytest.mark.parametrize("filled", ["history"], indirect=True)
@pytest.mark.parametrize("query,arguments", [("peek", (None, None, True, 24, 50)), ("plan", (None, None, 24, 0, 50, 0, True, False))])
def test_what_waits_is_found_without_the_history(filled, query, arguments):
    schedule(filled, choice="now")
    nodes = job_scans(explain(filled, query, *arguments))
    assert nodes and sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in nodes) <= 2


class TestCountDue:
    """The number is that of the jobs that claims would take."""

    @staticmethod
    def count(connection, app=None, enabled=True, most=100):
        return dict(execute(connection, "count_due", ["d", "e"], app, enabled, 24, most))

    def test_each_daemon_by_itself(self, connection):
        for number in range(3):
            schedule(connection, image=f"app:{number}", choice="now")
        schedule(connection, daemon="f", choice="now")
        assert self.count(connection) == {"d": 3, "e": 0}
        assert self.count(connection, most=2) == {"d": 2, "e": 0}

    def test_what_is_not_due(self, connection):
        schedule(connection)
        schedule(connection, image="app:2", grace_hours=0)
        pending = schedule(connection, image="app:3", choice="now")
        assert self.count(connection) == {"d": 2, "e": 0}
        connection.execute("update harpsweep.job set state = 'pending', grace_hours = 0, not_before = now() - interval '1 h',"
                           "       next_at = now() + interval '1 h' where id = %s", (pending,))
        assert self.count(connection) == {"d": 1, "e": 0}
        connection.execute("update harpsweep.job set next_at = not_before where id = %s", (pending,))
        assert self.count(connection) == {"d": 2, "e": 0}

    def test_what_a_run_has_claimed(self, connection):
        number = schedule(connection, choice="now")
        claim(connection, number)
        assert self.count(connection) == {"d": 0, "e": 0}
        expire(connection, number)
        assert self.count(connection) == {"d": 1, "e": 0}
        connection.execute("update harpsweep.job set end_wanted = 'kept'")
        assert self.count(connection) == {"d": 0, "e": 0}

    def test_what_is_asked_for(self, connection):
        schedule(connection, choice="now")
        schedule(connection, image="app:2", grace_hours=0)
        schedule(connection, appid="kept", image="app:3", choice="keep")
        schedule(connection, appid="other", image="app:4", choice="now")
        assert self.count(connection) == {"d": 3, "e": 0}
        assert self.count(connection, app="other") == {"d": 1, "e": 0}
        assert self.count(connection, enabled=False) == {"d": 2, "e": 0}


@pytest.mark.parametrize("query", ["report_days", "report_apps", "report_daemons"])
def test_a_report_reads_the_days_that_it_is_about(filled, query):
    """A tenth of the history, as here, is a tenth of its rows; failed jobs have an index of their own."""
    if query == "report_daemons":  # daemon_health counts open ones
        filled.execute("delete from harpsweep.job where finished_at is null")
        filled.execute("vacuum (analyze) harpsweep.job")
    since = one(filled, "select extract(epoch from now() - interval '7 days' + interval '45000 s')::bigint")
    nodes = explain(filled, query, *{"report_days": [[since, since + 86400]], "report_apps": [since, 50],
                                     "report_daemons": [since]}[query])
    assert not [node for node in job_scans(nodes) if node["Node Type"] == "Seq Scan" and node["Actual Rows"] > 0]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in job_scans(nodes)) <= HISTORY // 10 + 60


class TestClaim:
    """What a claim takes, and what it leaves to others."""

    @pytest.fixture
    def rows(self, connection):
        """A job that is due and one whose grace is not fixed yet."""
        due = schedule(connection, image="app:1")
        connection.execute(
            "update harpsweep.job set state = 'pending', grace_hours = 0, not_before = now() - interval '1 h',"
            "       next_at = now() - interval '1 h'")
        return due, schedule(connection, image="app:2")

    @staticmethod
    def claim(connection, daemon="d", app=None, enabled=True, version=SCHEMA_VERSION, slots=9):
        """(kind, daemon, number) of what came of it."""
        rows = execute(connection, "claim", [daemon], [slots], app, enabled, 24, TOKEN, "host:1", 120_000, 20, version, 0, True,
                       False, [None], [None])
        return [row[:3] for row in rows if row[0] != "upto"]

    @staticmethod
    def states(connection):
        return [row[0] for row in connection.execute("select state from harpsweep.job order by id")]

    def test_of_the_schema_that_it_was_written_for(self, connection, rows):
        assert self.claim(connection) == [("job", "d", rows[0]), ("planned", "d", 1)]

    @pytest.mark.parametrize("version", [SCHEMA_VERSION - 1, SCHEMA_VERSION + 1])
    def test_of_another_schema_takes_nothing(self, connection, rows, version):
        """It was installed between the run's first look and its claim."""
        assert self.claim(connection, version=version) == []
        assert self.states(connection) == ["pending", "new"]

    def test_of_another_daemon_takes_nothing(self, connection, rows):
        assert self.claim(connection, daemon="e") == []
        assert self.states(connection) == ["pending", "new"]

    def test_of_another_app_takes_nothing(self, connection, rows):
        assert self.claim(connection, app="other") == []
        assert self.states(connection) == ["pending", "new"]

    def test_of_this_app(self, connection, rows):
        assert self.claim(connection, app="app") == [("job", "d", rows[0]), ("planned", "d", 1)]

    def test_while_cleanup_is_disabled_takes_nothing(self, connection, rows):
        assert self.claim(connection, enabled=False) == []
        assert self.states(connection) == ["pending", "new"]

    def test_while_cleanup_is_disabled_takes_what_a_person_asked_for(self, connection, rows):
        connection.execute("update harpsweep.job set choice = 'now'")
        assert self.claim(connection, enabled=False) == [("job", "d", rows[0]), ("planned", "d", 1)]

    @pytest.mark.parametrize("held", [0, 1])
    def test_passes_by_what_somebody_holds(self, database, connection, rows, held):
        """It neither waits nor takes it afterwards on what it knew before."""
        with database.connect(autocommit=False) as other:
            other.execute("select 1 from harpsweep.job where id = %s for update", [rows[held]])
            connection.execute("set lock_timeout = '2s'")
            assert self.claim(connection) == [("planned", "d", 1) if held == 0 else ("job", "d", rows[0])]

    def test_at_the_very_moment(self, connection, rows):
        """A job that is due by the transaction's own clock is due."""
        with connection.transaction():
            connection.execute("update harpsweep.job set not_before = now(), next_at = now() where id = %s", [rows[0]])
            assert ("job", "d", rows[0]) in self.claim(connection)

    @pytest.mark.parametrize("lost,kind", [(18, "job"), (19, "ended")])
    def test_of_one_whose_runs_died(self, connection, rows, lost, kind):
        """The twentieth claim in a row without a result is the last."""
        connection.execute(
            "update harpsweep.job set state = 'claimed', claim_token = gen_random_uuid(), claimed_at = now(), lost_claims = %s"
            " where id = %s", [lost, rows[0]])
        assert (kind, "d", rows[0]) in self.claim(connection)
        row = job(connection, rows[0])
        assert row["lost_claims"] == lost + 1
        assert row["last_error"] == (None if kind == "job" else
                                     "claimed 20 times in a row without a result: the runs died")

    def test_of_one_that_was_to_be_kept_when_its_run_died(self, connection, rows):
        """That it ends is no failure, and the error that it had is still the last one."""
        connection.execute(
            "update harpsweep.job set state = 'claimed', claim_token = gen_random_uuid(), claimed_at = now(), lost_claims = 3,"
            "       end_wanted = 'kept', last_error = 'HTTP 500' where id = %s", [rows[0]])
        assert ("ended", "d", rows[0]) in self.claim(connection)
        row = job(connection, rows[0])
        assert (row["state"], row["lost_claims"], row["last_error"]) == ("kept", 3, "HTTP 500")

    def test_of_one_that_was_given_back(self, connection, rows):
        """Claims that were lost before do not end a job that no run holds."""
        connection.execute("update harpsweep.job set lost_claims = 19 where id = %s", [rows[0]])
        assert ("job", "d", rows[0]) in self.claim(connection)
        assert job(connection, rows[0])["lost_claims"] == 19


class TestRecord:
    """Whose result counts, and what it wins against."""

    OTHER = str(uuid.UUID(int=8))

    @pytest.fixture
    def claimed(self, connection):
        number = schedule(connection, choice="now")
        assert [row[:3] for row in self.claim(connection)] == [("job", "d", number)]
        return number

    @staticmethod
    def claim(connection, token=TOKEN):
        def found():
            rows = execute(connection, "claim", ["d"], [9], None, True, 24, token, "host:1", 120_000, 20, SCHEMA_VERSION, 0,
                           True, False, [None], [None])
            return [row for row in rows if row[0] in ("job", "ended")]

        return found() or found()  # what was planned in the first is due for the second

    @staticmethod
    def record(connection, number, action, final=None, token=TOKEN, attempt=1):
        return recorded(connection, [token], [number], [attempt], [action], [final], [200], [5], [None], [3], [0],
                       24, 7, 20)

    def test_of_the_claim_that_holds(self, connection, claimed):
        assert self.record(connection, claimed, "done", "removed") == [(claimed, "recorded", "removed", None)]
        assert self.record(connection, claimed, "done", "removed") == [(claimed, "already", "removed", None)]

    def test_of_another_claim_with_the_same_attempt(self, connection, claimed):
        """A failover lost the first claim, and with it the number of its attempt: also the same run's next claim
        has a token of its own."""
        connection.execute("update harpsweep.job set claim_token = %s", (self.OTHER,))
        assert self.record(connection, claimed, "done", "removed") == [(claimed, "late", "claimed", None)]
        assert execute(connection, "confirm", [TOKEN], [claimed], [1], [None], 0, True, False)[0][1] is False
        assert execute(connection, "confirm", [self.OTHER], [claimed], [1], [None], 0, True, False)[0][1] is True

    def test_of_an_attempt_that_is_over(self, connection, claimed):
        self.record(connection, claimed, "release")
        self.claim(connection)
        assert self.record(connection, claimed, "done", "removed") == [(claimed, "late", "claimed", None)]
        assert self.record(connection, claimed, "done", "removed", attempt=2) == [(claimed, "recorded", "removed", None)]

    def test_of_a_claim_that_ended_by_itself(self, connection, claimed):
        """Its run was taken for dead, and the wish to keep the image was granted: what it has to tell is news."""
        assert one(connection, "select harpsweep.keep('d', 'app')") == 0
        connection.execute("update harpsweep.job set next_at = not_before")
        assert [row[:1] + row[2:5] for row in self.claim(connection, self.OTHER)] == [("ended", claimed, None, "kept")]
        assert self.record(connection, claimed, "done", "removed") == [(claimed, "late", "kept", None)]

    @pytest.mark.parametrize("final,state", [("removed", "removed"), ("untagged", "untagged"), ("absent", "absent"),
                                             ("unsupported", "kept")])
    def test_that_is_done_wins_against_keep_where_nothing_is_left_to_keep(self, connection, claimed, final, state):
        assert one(connection, "select harpsweep.keep('d', 'app')") == 0
        assert self.record(connection, claimed, "done", final) == [(claimed, "recorded", state, None)]
        row = job(connection, claimed)
        assert (row["state"], row["end_wanted"]) == (state, None)
        assert (row["hold_reason"] is not None) == (state == "kept")

    @pytest.mark.parametrize("action", ["wait", "hold", "retry", "fail", "release"])
    def test_of_every_other_kind_grants_keep(self, connection, claimed, action):
        assert one(connection, "select harpsweep.keep('d', 'app')") == 0
        assert self.record(connection, claimed, action) == [(claimed, "recorded", "kept", None)]

    def test_of_several_at_once(self, connection, claimed):
        other = schedule(connection, image="app:2", choice="now")
        self.claim(connection, self.OTHER)
        found = recorded(connection, [TOKEN, self.OTHER, TOKEN], [claimed, other, 0], [1, 1, 1],
                        ["done", "retry", "done"], ["absent", None, "removed"], [404, 500, 200], [0, None, 7],
                        [None, "HTTP 500", None], [3, 4, 5], [0, 0, 0], 24, 7, 20)
        assert found == [(claimed, "recorded", "absent", None), (other, "recorded", "pending", None),
                         (0, "late", None, None)]
        assert (job(connection, other)["last_error"], job(connection, other)["failures"]) == ("HTTP 500", 1)


class TestConfirm:
    """Which claims still stand right before the delete."""

    @pytest.fixture
    def claimed(self, connection):
        """Two jobs of one claim."""
        numbers = [schedule(connection, image=f"app:{n}", choice="now") for n in (1, 2)]
        TestRecord.claim(connection)
        return numbers

    @staticmethod
    def stands(connection, numbers, token=TOKEN, attempt=1):
        count = len(numbers)
        return [row[:2] for row in execute(connection, "confirm", [token] * count, numbers, [attempt] * count, [None] * count,
                                           0, True, False)]

    def test_of_claims_that_stand(self, connection, claimed):
        assert self.stands(connection, claimed) == [(claimed[0], True), (claimed[1], True)]
        assert self.stands(connection, claimed[1:]) == [(claimed[1], True)]

    def test_in_the_order_of_the_question(self, connection, claimed):
        assert self.stands(connection, claimed[::-1]) == [(claimed[1], True), (claimed[0], True)]

    def test_of_another_token(self, connection, claimed):
        assert self.stands(connection, claimed[:1], token=TestRecord.OTHER) == [(claimed[0], False)]

    def test_of_another_attempt(self, connection, claimed):
        assert self.stands(connection, claimed[:1], attempt=2) == [(claimed[0], False)]

    def test_of_one_that_was_given_back(self, connection, claimed):
        """Token and attempt stay in the row, for whoever asks what became of it; nobody works on it."""
        TestRecord.record(connection, claimed[0], "release")
        assert self.stands(connection, claimed) == [(claimed[0], False), (claimed[1], True)]

    def test_of_one_that_is_to_be_kept(self, connection, claimed):
        assert one(connection, "select harpsweep.cancel(%s, 'no')", claimed[0]) is False
        assert self.stands(connection, claimed) == [(claimed[0], False), (claimed[1], True)]

    def test_of_one_that_is_not_there(self, connection, claimed):
        assert self.stands(connection, [0, claimed[0]]) == [(0, False), (claimed[0], True)]


class TestRecordMeetsAChange:
    """The row is changed by a transaction that commits while the record waits for it: what counts is the row as
    it is then, not as it was when the statement began."""

    GONE = ("done", "removed")
    OTHER_KINDS = [("retry", None), ("done", "unsupported")]
    KINDS = [GONE] + OTHER_KINDS

    @pytest.fixture
    def claimed(self, connection):
        number = schedule(connection, choice="now")
        TestRecord.claim(connection)
        return number

    @pytest.fixture
    def meet(self, database, connection, claimed):
        """record() beside a change; returns what it tells."""
        changing = database.connect(autocommit=False)
        recording = database.connect()

        def go(change, kind):
            change(changing)
            thread, result = in_thread(lambda: TestRecord.record(recording, claimed, *kind))
            wait_until_blocked(connection, recording)
            changing.commit()
            thread.join()
            return result[0]

        return go

    @staticmethod
    def keep(connection):
        assert one(connection, "select harpsweep.keep('d', 'app')") == 0

    @pytest.mark.parametrize("kind,state", [(GONE, "removed")] + [(kind, "kept") for kind in OTHER_KINDS])
    def test_keep(self, connection, claimed, meet, kind, state):
        assert meet(self.keep, kind) == [(claimed, "recorded", state, None)]
        row = job(connection, claimed)
        assert (row["state"], row["end_wanted"], row["next_at"]) == (state, None, None)
        assert (row["hold_reason"] == "asked to keep the image") == (state == "kept")

    def late(self, connection, claimed, meet, change, kind):
        """The change stands, to the last column, and the run is told of it."""
        changed = {}

        def change_and_look(changing):
            change(changing)
            changed.update(job(changing, claimed))

        assert meet(change_and_look, kind) == [(claimed, "late", changed["state"], None)]
        assert job(connection, claimed) == changed

    @pytest.mark.parametrize("kind", KINDS)
    def test_another_claim_with_the_same_attempt(self, connection, claimed, meet, kind):
        self.late(connection, claimed, meet,
                  lambda c: c.execute("update harpsweep.job set claim_token = %s", (TestRecord.OTHER,)), kind)

    @pytest.mark.parametrize("kind", KINDS)
    def test_another_attempt_with_the_same_token(self, connection, claimed, meet, kind):
        self.late(connection, claimed, meet, lambda c: c.execute("update harpsweep.job set attempts = 2"), kind)

    @pytest.mark.parametrize("kind", KINDS)
    def test_an_event_that_takes_its_place(self, connection, claimed, meet, kind):
        self.late(connection, claimed, meet, schedule, kind)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_claim_that_ends_it(self, connection, claimed, meet, kind):
        self.keep(connection)
        connection.execute("update harpsweep.job set next_at = not_before")
        self.late(connection, claimed, meet, lambda c: TestRecord.claim(c, TestRecord.OTHER), kind)

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_same_result(self, connection, claimed, meet, kind):
        """The connection broke, the result is sent again, and what was sent first is still being carried out."""
        first = []
        outcome = meet(lambda c: first.extend(TestRecord.record(c, claimed, *kind)), kind)
        assert first[0][1] == "recorded"
        assert outcome == [(claimed, "already", first[0][2], None)]
        assert job(connection, claimed)["failures"] == (kind[0] == "retry")

    def test_each_row_gets_its_own_result(self, database, connection, claimed):
        """One of three rows is looked at again: beside it still stands what was its own."""
        images = {claimed: "app:1"} | {schedule(connection, image=f"app:{n}", choice="now"): f"app:{n}" for n in (2, 3)}
        TestRecord.claim(connection)
        numbers = list(images)
        for contended in numbers:
            connection.execute("update harpsweep.job set state = 'claimed', finished_at = null, bytes_freed = null, "
                               "next_at = now() + interval '1 min', attempts = 1")
            changing, recording = database.connect(autocommit=False), database.connect()
            changing.execute("update harpsweep.job set end_wanted = 'kept' where id = %s", (contended,))
            thread, result = in_thread(lambda c=recording: recorded(
                c, [TOKEN] * 3, numbers, [1] * 3, ["done"] * 3, ["removed", "absent", "untagged"], [200] * 3,
                numbers, [None] * 3, [3] * 3, [0] * 3, 24, 7, 20))
            wait_until_blocked(connection, recording)
            changing.commit()
            thread.join()
            assert result[0] == [(number, "recorded", state, None)
                                 for number, state in zip(numbers, ("removed", "absent", "untagged"))]
            assert connection.execute("select id, state::text, bytes_freed from harpsweep.job order by id").fetchall() == [
                (number, state, number) for number, state in zip(numbers, ("removed", "absent", "untagged"))]


class TestConfirmMeetsAChange:
    """confirm waits for nobody: it tells what is committed, and every change that is committed by then."""

    CHANGES = [
        "select harpsweep.keep('d', 'app')",
        "select harpsweep.schedule('d', 'app', 'app:1')",
        f"update harpsweep.job set claim_token = '{TestRecord.OTHER}'",
        "update harpsweep.job set attempts = attempts + 1",
        "update harpsweep.job set state = 'pending'",
    ]

    @pytest.mark.parametrize("change", CHANGES)
    def test_it_stands_until_the_commit(self, database, connection, change):
        number = schedule(connection, choice="now")
        TestRecord.claim(connection)
        connection.execute("set lock_timeout = '5 s'")
        changing = database.connect(autocommit=False)
        ask = lambda: execute(connection, "confirm", [TOKEN], [number], [1], [None], 0, True, False)  # noqa: E731
        changing.execute(change)
        assert ask() == [(number, True, None, None)]
        changing.commit()
        assert ask()[0][:2] == (number, False)


def test_pruning_goes_by_age(filled):
    assert_by_index(explain(filled, "prune", 3, 1000), "job_prunable", "job_pkey")
