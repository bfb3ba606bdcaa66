"""Progress of `harpsweep run`: on a terminal, of a run that takes its time, and nowhere else."""

# pylint: disable=missing-function-docstring,redefined-outer-name

import os
import re
import signal
import subprocess
import time

import pytest

from harness.program import PROGRAM
from harness.rows import one, replace_catalog
from harness.standin import Standin
from harness.terminal import Watched, shown, width
from test_fleet import Fleet, due

WHOLE = re.compile(r"\r\d+ (?:of \d+ )?jobs?\b")


def jobs(connection, count, daemon="harp"):
    connection.execute("select harpsweep.schedule(%s, 'app', 'app:' || i, choice => 'now') from generate_series(1, %s) i",
                       (daemon, count))


@pytest.fixture
def slow(program, harp, connection):
    """Forty jobs, four at once, of which each takes a fifth of a second: two seconds of work."""
    for number in range(1, 41):
        harp.add_image(f"app:{number}", size=1_000_000)
    harp.fault(kind="remove", delay=0.2)
    jobs(connection, 40)
    return program


@pytest.fixture
def counting(connection, worker):
    """Calls of count(*) in the query that counts what is due, as rows of spy.asked, made by an aggregate in the place of
    PostgreSQL's own; where spy.refuse has a row, it fails."""
    connection.execute(f"""
        create schema spy;
        create table spy.asked (query text);
        create table spy.refuse (yes bool);
        create function spy.step(n bigint) returns bigint language plpgsql as $$
        begin
            if current_query() like '%%limit $5::int) due) as jobs%%' then
                insert into spy.asked values (current_query());
                if exists (select from spy.refuse) then
                    raise 'not today';
                end if;
            end if;
            return n + 1;
        end $$;
        grant usage on schema spy to {worker};
        grant select, insert on all tables in schema spy to {worker}""".replace("%%", "%"))
    replace_catalog(connection, "create or replace aggregate pg_catalog.count(*) (sfunc = spy.step, stype = bigint, initcond = 0)")
    return connection


def watch(program, *arguments, **more):
    return Watched([PROGRAM, "-c", program.settings, "run", *arguments], **more)


def frames(run):
    """The beginning of each first line that was shown."""
    return WHOLE.findall(run.written)


def test_it_is_shown_after_a_second_and_wiped_at_the_end(slow):
    run = watch(slow)
    run.until(" of 40 jobs")
    lines = run.shown()
    assert re.fullmatch(r"\d+ of 40 jobs, \d+/(s|min)(, up to \d+\.0 MB freed)?, for 1s", lines[0])
    assert re.fullmatch(r"  harp  well, [1-4] under way, \d+ of 40 jobs", lines[1])
    assert run.end() == 0 and run.first >= 1
    assert run.shown() == [""] and run.out == ""
    # Five times in a second at most.
    assert len(frames(run)) <= 5 * (time.monotonic() - run.began)
    assert "\x1b[32mwell\x1b[0m" in run.written and "\x1b[?25l" not in run.written


def test_the_numbers_go_up_to_all_that_was_due(slow):
    run = watch(slow, "-v")
    assert run.end() == 0
    seen = [int(number) for number in re.findall(r"(\d+) of 40 jobs, ", run.written)]
    assert seen == sorted(seen) and 0 < seen[-1] <= 40 and len(set(seen)) > 2
    assert "40 jobs: 40 removed" in run.out


def test_messages_stay_whole(slow, connection):
    run = watch(slow, "-v")
    assert run.end() == 0
    lines = run.shown()
    told = [re.fullmatch(r"harpsweep: job (\d+) removed: daemon=harp app=app image=app:\d+", line) for line in lines[:-1]]
    assert all(told) and lines[-1] == ""
    assert {int(line[1]) for line in told} == {row[0] for row in connection.execute("select id from harpsweep.job")}
    assert frames(run)


def test_with_everything_told_nothing_is_shown_beside(slow):
    run = watch(slow, "-vv")
    assert run.end() == 0
    assert not frames(run) and "\x1b" not in run.written and "debug: " in run.written


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_without_a_trace(slow, harp, stop):
    harp.clear_faults()
    harp.fault(kind="remove", delay=1)
    run = watch(slow)
    run.until(" of 40 jobs")
    run.process.send_signal(stop)
    run.until(", ending")
    assert run.end() == 75
    assert run.shown() == [""]


def test_its_time_ends_it_without_a_trace(slow, harp):
    slow.sections["run"]["soft_limit"] = "1s"
    harp.clear_faults()
    harp.fault(kind="remove", delay=1)
    run = watch(slow)
    run.until("ending")
    assert run.end() == 75
    assert run.shown() == [""]


def test_a_short_run_is_silent(program, harp, connection):
    harp.add_image("app:1")
    jobs(connection, 1)
    run = watch(program)
    assert run.end() == 0
    assert (run.written, run.out) == ("", "")


def test_what_is_no_terminal_gets_nothing_and_the_database_no_question(slow, counting, tmp_path):
    """As under cron: into a pipe; and into a file."""
    done = slow("run", TERM="xterm")
    assert (done.out, done.err) == ("", "")
    assert one(counting, "select count(*) from harpsweep.job where state = 'removed'") == 40
    jobs(counting, 40)
    path = tmp_path / "err"
    with path.open("w", encoding="utf-8") as file:
        subprocess.run([PROGRAM, "-c", str(slow.settings), "run"], stderr=file, stdout=subprocess.DEVNULL, check=True)
    assert path.read_text(encoding="utf-8") == ""
    assert one(counting, "select count(*) from harpsweep.job where state in ('removed', 'absent')") == 80
    assert one(counting, "select count(*) from spy.asked") == 0


def test_what_is_due_is_counted_once(slow, counting):
    run = watch(slow)
    assert run.end() == 0
    assert " of 40 jobs" in run.written and 0 < one(counting, "select count(*) from spy.asked") < 40


def test_a_database_that_refuses_to_count(slow, harp, counting):
    """Nothing but the number is missing, until all that is due is claimed and the number is known without."""
    counting.execute("insert into spy.refuse values (true)")
    for number in range(41, 101):
        harp.add_image(f"app:{number}")
    jobs(counting, 100)
    run = watch(slow)
    assert run.end() == 0
    assert sum(" of " not in frame for frame in frames(run)) >= 3
    assert " of 100 jobs" in run.written and run.shown() == [""]
    assert one(counting, "select count(*) from harpsweep.job where state = 'removed'") == 100


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_of_lines_gets_nothing(slow, term):
    run = watch(slow, TERM=term)
    assert run.end() == 0
    assert run.written == ""


def test_without_colours(slow):
    run = watch(slow, NO_COLOR="1")
    assert run.end() == 0
    assert frames(run) and "well" in run.written and not re.search(r"\x1b\[\d*m", run.written)


@pytest.mark.parametrize("columns", [20, 8])
def test_a_narrow_terminal_never_wraps(slow, columns):
    run = watch(slow, columns=columns)
    assert run.end() == 0
    assert max(width(line) for line in re.findall(r"\r([^\r\n\x1b]+)", run.written)) < columns
    assert run.shown() == [""]


@pytest.mark.parametrize("columns,rows", [(7, 50), (0, 0)])
def test_a_terminal_that_is_too_small_or_tells_no_size_gets_nothing(slow, columns, rows):
    run = watch(slow, columns=columns, rows=rows)
    assert run.end() == 0
    assert run.written == ""


def test_another_width_while_it_runs(slow):
    run = watch(slow, columns=100)
    run.until(" of 40 jobs")
    run.resize(20)
    before = len(run.written)
    assert run.end() == 0
    after = run.written[before:].split("\r", 2)[2]  # behind what was on its way
    assert shown(after, 20)[-1] == ""


def test_few_rows(slow):
    run = watch(slow, rows=2)
    run.until(" of 40 jobs")
    assert len(run.shown()) == 1
    assert run.end() == 0 and "\n" not in run.written


def test_names_and_reasons_of_strangers(slow, connection):
    """What marks the direction of writing, in the name of a daemon that is known from its job only, is told as text;
    so is an answer that stands in a reason."""
    name = "\u202eevil 日本"
    connection.execute("select harpsweep.schedule(%s, 'app', 'evil:1', choice => 'now')", (name,))
    with Standin() as evil:
        connection.execute("update harpsweep.job set protocol = 'http', host = %s, docker_socket_port = 24000"
                           " where daemon = %s", (evil.url.removeprefix("http://"), name))
        evil.fault(kind="info", status=401, body="\x1b[2J\x1b]0;title\x07\u202e\n\r")
        run = watch(slow, columns=120)
        run.until("\\u{202e}evil 日本  stopped, 1 job done: something in front of HaRP")
        assert run.end() == 1  # shown() refuses what is not text
    assert "\u202e" not in run.written


def test_a_daemon_that_was_stopped(slow, connection):
    slow.sections["daemon:down"] = {"url": "http://127.0.0.1:9"}
    jobs(connection, 3, "down")
    run = watch(slow, columns=150)
    run.until("  down  stopped: no connection to HaRP")
    run.until(" of 40 jobs, ")  # what a stopped daemon will not do is not due in this run
    assert run.end() == 1
    lines = run.shown()
    assert [line for line in lines if not line.startswith("harpsweep: ")] == [""]
    assert any("warning: daemon stopped" in line for line in lines)


def test_a_limit_of_jobs_is_what_is_due(slow):
    run = watch(slow, "--max-jobs", 22)
    run.until(" of 22 jobs, ")
    assert run.end() == 75


def test_a_stopped_terminal_holds_nobody_up(slow, connection):
    run = watch(slow)
    run.until(" of 40 jobs")
    os.write(run.ours, b"\x13")  # ^S
    until = time.monotonic() + 20
    while one(connection, "select count(*) from harpsweep.job where state = 'removed'") < 40:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert run.end() == 0


def test_a_job_in_the_background_leaves_the_terminal_alone(slow):
    """A shell's other job has it: writing would stop the run where the terminal is set so."""
    script = ('import os, pty, signal, subprocess, sys, termios; os.setsid();'
              'import fcntl; fcntl.ioctl(2, termios.TIOCSCTTY, 0);'
              'settings = termios.tcgetattr(2); settings[3] |= termios.TOSTOP; termios.tcsetattr(2, termios.TCSANOW, settings);'
              'sys.exit(subprocess.run(sys.argv[1:], process_group=0).returncode)')
    run = Watched(["/usr/bin/python3", "-c", script, PROGRAM, "-c", slow.settings, "run"])
    assert run.end() == 0
    assert run.written == ""


@pytest.fixture
def fleet(tmp_path, cluster, template, worker, harp):
    made = Fleet(tmp_path, cluster, template, worker, harp.url)
    yield made
    made.close()


def test_many_instances_as_one_sum(fleet, harp):
    connections = [fleet.add() for _ in range(3)]
    (fleet.folder / "broken.ini").write_text("[nonsense]\nx = 1\n")
    harp.fault(kind="remove", delay=0.5)
    for instance, connection in enumerate(connections):
        for number in range(12):
            harp.add_image(f"app{instance}:{number}")
            due(connection, f"app{instance}:{number}")
    run = Watched([PROGRAM, "-c", fleet.folder, "run", "--max-instances", 2], columns=120)
    run.until("1 of 4 instances, ")
    run.until("3 of 4 instances, ")
    assert run.end() == 78
    lines = run.shown()
    assert [line for line in lines if not line.startswith("harpsweep: ")] == [""]
    assert re.search(r"of 4 instances, \d+ jobs? done, ", run.written) and " of 36" not in run.written
