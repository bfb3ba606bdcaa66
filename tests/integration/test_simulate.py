"""The simulation behind the README's scaling table, tried against what queueing theory knows, and the plots."""

import json
import math
import pathlib
import random
import re
import shutil
import subprocess
import sys

import pytest

from harness.program import ROOT

sys.path.insert(0, str(ROOT / "tests" / "simulate"))

import observe  # noqa: E402  pylint: disable=wrong-import-position
import world  # noqa: E402  pylint: disable=wrong-import-position
from events import Events, Servers  # noqa: E402  pylint: disable=wrong-import-position

COSTS = world.Costs(0.004, 0.005, 0.002, 0.004, 0.0001, 0.0002, 2, 4, 0.01)


def waits(servers, rate, service, customers=150_000):
    """Mean seconds in the queue of customers that come at random."""
    events, station, drawn = Events(), Servers(servers), random.Random(7)
    waited = []

    def come(_):
        seconds = service(drawn)
        waited.append(station.serve(events.now, seconds) - seconds - events.now)
        if len(waited) < customers:
            events.at(events.now + drawn.expovariate(rate), come)

    events.at(0.0, come)
    events.run(math.inf)
    assert len(waited) == customers
    return sum(waited) / customers


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_one_server_with_equal_work_is_pollaczek_and_khinchins(load):
    """M/D/1: load / (2 (1 - load)) times the work."""
    assert waits(1, load, lambda _: 1.0) == pytest.approx(load / (2 * (1 - load)), rel=0.05)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_one_server_with_random_work_waits_twice_as_long(load):
    """M/M/1."""
    assert waits(1, load, lambda drawn: drawn.expovariate(1)) == pytest.approx(load / (1 - load), rel=0.07)


@pytest.mark.parametrize(("servers", "load"), [(2, 0.7), (4, 0.8)])
def test_several_servers_are_erlangs(servers, load):
    """M/M/c: Erlang's C."""
    offered = servers * load
    last = offered ** servers / math.factorial(servers) / (1 - load)
    queued = last / (sum(offered ** k / math.factorial(k) for k in range(servers)) + last)
    wanted = queued / (servers - offered)
    assert waits(servers, offered, lambda drawn: drawn.expovariate(1)) == pytest.approx(wanted, rel=0.07)


def test_what_a_server_has_worked_is_what_it_was_asked_for_until_now():
    station = Servers(2)
    for seconds in (10, 4, 6):
        station.serve(0.0, seconds)
    assert [station.worked(now) for now in (1, 4, 9, 10, 99)] == [2, 8, 18, 20, 20]


def play(layout=world.Layout(60), minutes=120, wave=False, seed=3, **around):
    surroundings = world.Surroundings(**{"events_per_day": 20, **around})
    return observe.play(layout, COSTS, surroundings, seed, wave=wave, minutes=minutes)


def test_the_same_seed_plays_the_same():
    assert play(seed=5) == play(seed=5)
    assert play(seed=5).lags != play(seed=6).lags


def test_due_at_any_moment_waits_half_a_minute_for_the_next_run():
    """Deletes that take no time: the lag is even between 0 and 60 s, and a run's own milliseconds."""
    report = play(minutes=600, delete_median=0.001)
    assert len(report.lags) > 300 and report.late_end == 0
    assert sum(report.lags) / len(report.lags) == pytest.approx(30, abs=3)
    assert 55 < report.lags[-1] < 63
    assert report.bottleneck == "none; waits for the next run"
    assert report.parts[0] == pytest.approx(30, abs=3) and max(report.parts[1:]) < 1


def test_two_hosts_halve_no_work_but_take_the_other_s_place():
    both = play(world.Layout(60, 2, each_walks_all=True), minutes=600)
    alone = play(minutes=600)
    assert both.lag(0.5) < alone.lag(0.5)
    assert len(both.lags) == pytest.approx(len(alone.lags), rel=0.2)


def test_every_part_of_a_lag_is_accounted_for():
    it = world.World(world.Layout(60), COSTS, world.Surroundings(events_per_day=20), 4)
    it.quiet(36_000)
    it.events.run(40_000)
    assert len(it.deletes) > 300
    for job in it.deletes:
        assert job.lag == pytest.approx(sum(job.steps), abs=1e-6) and len(job.steps) == len(observe.STEPS)
        assert job.lag > 0
    assert it.jobs == {} and all(cluster.open == 0 for cluster in it.clusters)


@pytest.mark.parametrize(("changes", "layout", "named"), [
    ({"delete_median": 300}, world.Layout(60, starter="cron"), "one Docker Engine"),
    ({"database_cores": 1, "databases_per_cluster": 20_000, "events_per_day": 0.3, "wave_share": 0.01}, world.Layout(15_000), "CPU of the database"),
    ({"cron_cores": 1, "database_cores": 64}, world.Layout(20_000, starter="cron"), "CPU of the cron host"),
    ({"round_trip": 0.05, "events_per_day": 0.3}, world.Layout(3_000), "--max-instances 8"),
    ({"connections": 2}, world.Layout(60, 2, max_instances=32, each_walks_all=True), "connections of the database"),
])
def test_what_is_scarce_is_named(changes, layout, named):
    assert play(layout, minutes=15, wave=True, **changes).bottleneck == named


def test_a_timer_waits_for_the_slowest_visit_where_cron_does_not():
    """A HaRP that says nothing holds its run for 15 s of each ten minutes, and a long delete for longer."""
    slow = {"events_per_day": 60, "delete_median": 40, "delete_spread": 0.1, "instances_per_docker_host": 1}
    timer = play(world.Layout(300, max_instances=64), **slow)
    cron = play(world.Layout(300, starter="cron", max_instances=64), **slow)
    assert timer.skipped > 0.2 and timer.runs == 1
    assert cron.skipped == 0 and cron.runs > 1
    assert cron.lag(0.5) < timer.lag(0.5)


def test_a_docker_host_that_is_silent_holds_up_only_its_own():
    it = world.World(world.Layout(60), COSTS, world.Surroundings(events_per_day=20, silent=0.5), 3)
    assert set(it.is_silent) == {True, False}
    it.quiet(7200)
    it.events.run(9000)
    assert all(job.lag is not None for job in it.deletes)
    left = {instance for instance in it.jobs if any(not job.look for job in it.jobs[instance])}
    assert left and all(it.is_silent[instance // 20] for instance in left)


def test_a_delete_longer_than_the_time_limit_is_asked_for_again_and_found_gone():
    report = play(world.Layout(4), minutes=1200, delete_median=200, delete_spread=0.01)
    assert report.late_end == 0 and min(report.lags) > 200


def test_what_is_not_done_at_the_end_counts_with_how_long_it_has_waited():
    report = play(world.Layout(60), wave=True, minutes=15, delete_median=3000, delete_spread=0.01)
    assert report.late_end > 20
    assert sum(lag >= observe.SETTLE for lag in report.lags) >= report.late_end


def simulate(*arguments):
    return subprocess.run([sys.executable, ROOT / "tests" / "simulate" / "simulate.py", *arguments], capture_output=True, text=True,
                          check=False)


def test_the_command_prints_its_seed_its_costs_and_a_row_for_quiet_and_wave():
    done = simulate("--instances", "50", "--seed", "9", "--set", "delete_median=2", "--workers", "1")
    assert done.returncode == 0, done
    assert done.stdout.startswith("seed 9; costs of ") and "delete_median = 2.0" in done.stdout
    assert [line.split()[5] for line in done.stdout.splitlines() if line.lstrip().startswith("50 ")] == ["quiet", "wave"]


@pytest.mark.parametrize(("setting", "said"), [("speed=1", "no such assumption: speed; there are "),
                                               ("delete_median=much", "delete_median is a number, not 'much'")])
def test_what_is_assumed_by_mistake_is_named(setting, said):
    done = simulate("--set", setting)
    assert done.returncode == 1 and said in done.stderr, done


def test_the_committed_costs_say_how_they_were_measured():
    costs = json.loads((ROOT / "tests" / "simulate" / "costs.json").read_text(encoding="utf-8"))
    assert costs["measured by"] == "make bench BENCH_ARGS=costs"
    assert [len(row) for row in costs["costs"] + costs["costs_pooled"]] == [6, 6, 6, 4, 4, 4]
    assert all(value >= 0 for row in costs["costs"] + costs["costs_pooled"] for value in row[1:])


def test_the_plots_are_drawn_from_figures(tmp_path):
    """With the program's own places in a folder of its own: each is there, says what it shows, and names what is missing."""
    bench = tmp_path / "tests" / "bench"
    bench.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "bench" / "plots.py", bench)
    build = tmp_path / "build" / "bench"
    build.mkdir(parents=True)

    def plots():
        return subprocess.run([sys.executable, bench / "plots.py"], capture_output=True, text=True, check=False)

    done = plots()
    assert done.returncode == 1 and "make bench BENCH_ARGS=history" in done.stdout, done
    (build / "figures.json").write_text(json.dumps({
        "slots": [[slots, 800 * slots, 600 * slots, 19 * slots, 18 * slots] for slots in (1, 2, 4, 8, 16, 32, 64, 128)],
        "history": [[0, 28, 1400, 0.01, 9, 7], [10_000, 29, 1410, 0.01, 9, 7], [1_000_000, 31, 1390, 0.01, 9.5, 7]]}))
    done = plots()
    assert done.returncode == 0 and "no lag.svg: make simulate" in done.stdout, done
    titles = [re.sub(r"<[^>]*>|\s+", " ", (build / f"{name}.svg").read_text(encoding="utf-8")) for name in ("throughput", "history")]
    assert "51,200 deletes/s" in titles[0] and "harpsweep, 50 ms" in titles[0]
    assert "1,000,000 finished rows" in titles[1]
    row = {"instances": 10, "cron_hosts": 1, "starter": "timer", "max_instances": 8, "each_walks_all": False, "pooled": False,
           "bottleneck": "none", "lags": [step * 0.1 for step in range(1, 501)]}
    many = {**row, "instances": 5000, "cron_hosts": 2, "pooled": True}
    late = {**row, "instances": 5000, "lags": [step * 2.0 for step in range(1, 501)]}
    (build / "lag.json").write_text(json.dumps([{**each, "wave": wave} for each in (row, late, many) for wave in (False, True)]))
    done = plots()
    assert done.returncode == 0 and str(build / "lag.svg") in done.stdout, done
    shown = (build / "lag.svg").read_text(encoding="utf-8")
    assert "99 of 100 images are gone within 50 s" in shown
    assert "5,000 instances, 2 cron hosts + PgBouncer, wave" in shown and "5,000, 1 cron host, timer, 8 at once, wave" in shown
    assert pathlib.Path(build / "history.png").read_bytes().startswith(b"\x89PNG")
