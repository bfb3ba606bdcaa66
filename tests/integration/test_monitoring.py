"""What monitoring gets: metrics, a plugin's line, rules and a dashboard over the views."""

# pylint: disable=missing-function-docstring,redefined-outer-name

import json
import os
import re
import stat
import time

import pytest

from harness.exposition import parse, promtool
from harness.program import ROOT
from harness.rows import claim, finish, schedule

DAEMON = "harp"
HOSTILE = 'a"b\\c\nd|e\x1b[2J\u202e'


def stop(connection, daemon=DAEMON, since="2 h", stop_kind="unauthorized", has_work=False):
    if not has_work:
        schedule(connection, daemon, image="waits:1", choice="grace")  # without work nobody has to know
    connection.execute(
        """insert into harpsweep.daemon (daemon, stopped_since, stop, reason, hint, answered_at, harp_version)
           values (%s, now() - %s::interval, %s, 'HaRP refused the key', 'compare the keys', now(), '0.4.4')""",
        (daemon, since, stop_kind),
    )


def fail(connection, **more):
    number = schedule(connection, DAEMON, choice="now", **more)
    claim(connection, number)
    finish(connection, number, "failed", last_error="Docker said no | never")
    return number


def overdue(connection, span):
    number = schedule(connection, DAEMON, "late", "late:1")
    connection.execute(
        "update harpsweep.job set state = 'pending', next_at = now() - %s::interval, "
        "not_before = now() - interval '90 h' where id = %s", (span, number))
    return number


def sample(families, name, **labels):
    """Of the only settings file there is."""
    return families[name][frozenset({"settings": "harpsweep", **labels}.items())]


# ------------------------------------------------------------------ metrics of status


def metrics(text):
    assert promtool("check", "metrics", text=text) == ""
    return parse(text)


def test_metrics_of_nothing(program):
    families = metrics(program("status", "--format=prometheus").out)
    assert sample(families, "harpsweep_database_up") == 1
    assert sample(families, "harpsweep_due_jobs") == sample(families, "harpsweep_lag_seconds") == 0
    assert families["harpsweep_daemon_stopped"] == {} and "harpsweep_run_exit_code" not in families
    assert "harpsweep_work_timestamp_seconds" not in families


def test_metrics_of_a_bad_day(program, connection):
    fail(connection)
    overdue(connection, "3 h")
    stop(connection, has_work=True)
    done = schedule(connection, "other", "x", "x:1", choice="now")
    claim(connection, done)
    finish(connection, done, "removed", bytes_freed=2**40 + 1)
    program.sections["cleanup"]["enabled"] = "yes"
    families = metrics(program("status", "--format=prometheus").out)
    assert sample(families, "harpsweep_failed_jobs") == 1
    assert sample(families, "harpsweep_open_jobs", state="pending") == 1
    assert 3 * 3600 <= sample(families, "harpsweep_lag_seconds") < 3 * 3600 + 60
    assert sample(families, "harpsweep_freed_bytes", window="24h") == 2**40 + 1
    assert sample(families, "harpsweep_finished_jobs", state="removed", window="7d") == 1
    assert sample(families, "harpsweep_daemon_stopped", daemon=DAEMON) == 1
    since = sample(families, "harpsweep_daemon_stopped_since_timestamp_seconds", daemon=DAEMON)
    assert abs(time.time() - 7200 - since) < 60
    program.sections["cleanup"]["enabled"] = "no"
    families = metrics(program("status", "--format=prometheus").out)
    assert sample(families, "harpsweep_cleanup_enabled") == 0
    assert sample(families, "harpsweep_lag_seconds") == 0 and sample(families, "harpsweep_due_jobs") == 1


def test_labels_of_strangers(program, connection):
    connection.execute("insert into harpsweep.daemon (daemon, answered_at) values (%s, now())", (HOSTILE,))
    text = program("status", "--format=prometheus").out
    assert "\x1b" not in text and "\u202e" not in text
    [labels] = metrics(text)["harpsweep_daemon_stopped"]
    assert dict(labels)["daemon"] == 'a"b\\c\\nd|e\\x1b[2J\\u{202e}'


# ------------------------------------------------------------------ metrics_file


@pytest.fixture
def metrics_file(program, tmp_path):
    (tmp_path / "collector").mkdir()
    path = tmp_path / "collector" / "harpsweep.prom"
    program.sections["run"]["metrics_file"] = path
    return path


def read(path):
    return metrics(path.read_text(encoding="utf-8"))


def test_each_run_writes_it_anew(program, connection, harp, metrics_file):
    program("run")
    families = read(metrics_file)
    assert sample(families, "harpsweep_run_exit_code") == 0 and sample(families, "harpsweep_run_jobs", result="removed") == 0
    assert abs(sample(families, "harpsweep_run_timestamp_seconds") - time.time()) < 60
    harp.add_image("app:1", size=700)
    schedule(connection, DAEMON, "app", "app:1", choice="now")
    program("run")
    families = read(metrics_file)
    assert sample(families, "harpsweep_run_jobs", result="removed") == 1
    assert sample(families, "harpsweep_run_freed_bytes") == sample(families, "harpsweep_freed_bytes", window="24h") > 0
    assert sample(families, "harpsweep_daemon_stopped", daemon=DAEMON) == 0
    assert os.listdir(metrics_file.parent) == [metrics_file.name]
    assert stat.S_IMODE(metrics_file.stat().st_mode) == 0o644


def test_without_the_database_it_tells_that(program, tmp_path, metrics_file):
    program.sections["database"]["conninfo"] = f"host={tmp_path} dbname=x"
    program("run", code=69)
    families = read(metrics_file)
    assert sample(families, "harpsweep_database_up") == 0 and sample(families, "harpsweep_run_exit_code") == 69
    assert "harpsweep_due_jobs" not in families


def test_a_dry_run_and_other_commands_leave_it_alone(program, metrics_file):
    program("run", "--dry-run")
    program("status")
    program("observe")
    assert not metrics_file.exists()


def test_no_run_fails_because_of_it(program, connection, harp, tmp_path):
    harp.add_image("app:1")
    schedule(connection, DAEMON, "app", "app:1", choice="now")
    program.sections["run"]["metrics_file"] = tmp_path / "nowhere" / "x.prom"
    done = program("run")
    assert f"warning: metrics_file {tmp_path}/nowhere/x.prom could not be written" in done.err
    assert connection.execute("select state from harpsweep.job").fetchone() == ("removed",)
    (tmp_path / "folder.prom").mkdir()
    program.sections["run"]["metrics_file"] = tmp_path / "folder.prom"
    assert "Is a directory" in program("run").err
    assert not list(tmp_path.glob("folder.prom.*"))


def test_a_database_that_does_not_tell_all(program, connection, harp, metrics_file):
    """What the run itself knows is written even so, and the run did its work."""
    harp.add_image("app:1")
    schedule(connection, DAEMON, "app", "app:1", choice="now")
    connection.execute("revoke select on harpsweep.daemon_health from harpsweep_worker")
    done = program("run")
    assert f"warning: metrics_file {metrics_file} lacks what the database knows: " in done.err
    assert "permission denied for view daemon_health" in done.err
    families = read(metrics_file)
    assert sample(families, "harpsweep_run_exit_code") == 0 and "harpsweep_due_jobs" not in families
    assert connection.execute("select state from harpsweep.job").fetchone() == ("removed",)


def test_nobody_reads_a_half(program, metrics_file):
    program("run")
    with program.start("run") as running:
        while running.poll() is None:
            read(metrics_file)
    assert running.returncode == 0


# ------------------------------------------------------------------ nagios

PERFDATA = re.compile(r"(?:'[^'=]+'|[^\s'=]+)=-?\d+(?:s|B)?(?:;\d*){0,4}")


def plugin(program, *arguments, code):
    done = program("status", "--format=nagios", *arguments, code=code)
    assert done.err == ""
    first, *more = done.out.splitlines()
    told, bar, perfdata = first.partition(" | ")
    assert re.fullmatch(r"HARPSWEEP (OK|WARNING|CRITICAL|UNKNOWN) - .+", told)
    assert told.split()[1] == ["OK", "WARNING", "CRITICAL", "UNKNOWN"][code]
    values = {}
    for word in perfdata.split() if bar else []:
        assert PERFDATA.fullmatch(word), word
        values[word.split("=")[0]] = word.split("=")[1]
    assert all("|" not in line for line in more)
    return told, values, "\n".join(more)


def test_plugin_of_nothing(program):
    told, values, more = plugin(program, code=0)
    assert told == "HARPSWEEP OK - no work so far" and more == ""
    assert values == {"due": "0;;;0", "lag": "0s;3600;21600;0", "failed": "0;0;10;0", "stopped": "0s;600;21600;0",
                      "freed_24h": "0B;;;0"}


def test_plugin_after_work(program, connection, harp):
    harp.add_image("app:1")
    schedule(connection, DAEMON, "app", "app:1", choice="now")
    program("run")
    connection.execute("update harpsweep.run set started_at = started_at - interval '2 h', finished_at = finished_at - interval '2 h'")
    told, values, more = plugin(program, code=0)
    assert told == "HARPSWEEP OK - last work 2 h ago" and more == ""
    assert values["due"] == "0;;;0"


def test_plugin_of_failed_jobs(program, connection):
    number = fail(connection)
    told, values, more = plugin(program, code=1)
    assert told == "HARPSWEEP WARNING - 1 failed job(s)" and values["failed"] == "1;0;10;0"
    assert more == f"job {number} of app app failed: Docker said no / never"
    plugin(program, "--warning-failed", 1, code=0)
    told, values, _ = plugin(program, "--warning-failed", 0, "--critical-failed", 0, code=2)
    assert values["failed"] == "1;0;0;0"


def test_plugin_of_lag(program, connection):
    overdue(connection, "2 h")
    assert plugin(program, code=1)[0] == "HARPSWEEP WARNING - work is due for 2h"
    plugin(program, "--warning-lag", "3h", code=0)
    plugin(program, "--critical-lag", "90m", code=2)
    program.sections["cleanup"]["enabled"] = "no"
    plugin(program, code=0)


def test_plugin_of_a_stopped_daemon(program, connection):
    stop(connection)
    told, values, more = plugin(program, code=1)
    assert "1 daemon(s) stopped, for 2h" in told and values["stopped"].startswith("72")
    assert more == f"daemon {DAEMON}: HaRP refused the key; do: compare the keys"
    plugin(program, "--warning-stopped", "1d", "--critical-stopped", "2d", code=0)
    plugin(program, "--critical-stopped", "1h", code=2)


def test_plugin_of_unknown_daemons(program, connection):
    schedule(connection, "stranger", choice="now")
    assert "1 due job(s) of unknown daemons" in plugin(program, code=1)[0]


def test_plugin_that_cannot_tell(program, tmp_path):
    program.sections["database"]["conninfo"] = f"host={tmp_path} dbname=x"
    assert "no connection" in plugin(program, code=3)[0]
    program.sections["database"]["nonsense"] = "1"
    assert "nonsense" in plugin(program, code=3)[0]


def test_thresholds_that_make_no_sense(program):
    done = program("status", "--format=nagios", "--warning-lag", "2h", "--critical-lag", "1h", code=64)
    assert "--critical-lag is less than --warning-lag" in done.err
    assert "option --warning-lag does not take '5'" in program("status", "--warning-lag", "5", code=64).err


# ------------------------------------------------------------------ files in etc/


def test_rules_know_the_metrics(program, connection):
    rules = ROOT / "etc" / "harpsweep.rules.yml"
    stop(connection)
    fail(connection)
    program.sections["run"]["metrics_file"] = program.folder / "x.prom"
    program("run", code=None)
    known = set(read(program.folder / "x.prom"))
    used = set(re.findall(r"harpsweep_\w+", "".join(re.findall(r"expr: (.*)", rules.read_text(encoding="utf-8")))))
    assert len(used) > 6 and used <= known
    assert promtool("check", "rules", rules) == ""


def test_dashboard_asks_what_a_reader_may(connection):
    dashboard = json.loads((ROOT / "etc" / "harpsweep-dashboard.json").read_text(encoding="utf-8"))
    fail(connection)
    connection.execute("set role harpsweep_reader")
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 5
    for panel in panels:
        [target] = panel["targets"]
        sql = re.sub(r"\$__timeFilter\(([^()]+)\)", r"\1 between now() - interval '30 days' and now()", target["rawSql"])
        assert "$" not in sql
        cursor = connection.execute(sql)
        names = [column.name for column in cursor.description]
        assert (names[0] == "time") == (target["format"] == "time_series"), panel["title"]
        cursor.fetchall()
