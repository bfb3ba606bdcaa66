"""Runs of bin/harpsweep, each with a settings file and an address of its own, so that whoever logs the address or the
application name knows which run it was."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from harness.program import PROGRAM

TIMEOUT_S = 5  # the smallest that the settings allow, and so is the lease
LEASE_S = 35
STUCK_S = 120  # a run that takes longer hangs: its hard limit and the database's are far below that
NETS = 10  # 127.10.0.0 and up

SETTINGS = """[database]
conninfo = {conninfo}
[cleanup]
verify = {verify}
grace_hours = 0
max_failures = 1000
in_use_recheck_hours = 1
in_use_max_rechecks = 1000
history_days = 1
[run]
lease = {lease}s
soft_limit = {soft}s
hard_limit = {hard}s
max_parallel = {parallel}
max_parallel_per_daemon = {parallel}
[harp]
shared_key_file = {key_file}
timeout = {timeout}s
connect_timeout = {connect}s
"""
DAEMON = "[daemon:{name}]\nurl = http://{address}:{port}\n"


def address_of(number):
    return f"127.{NETS + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def number_of(host):
    """The run to which a Host header belongs; None for others."""
    parts = (host or "").partition(":")[0].split(".")
    if len(parts) != 4 or parts[0] != "127" or int(parts[1]) < NETS:
        return None
    return (int(parts[1]) - NETS) << 16 | int(parts[2]) << 8 | int(parts[3])


def find_faketime():
    for folder in ("/usr/lib", "/usr/lib64", "/usr/local/lib"):
        for path in sorted(pathlib.Path(folder).glob("**/libfaketimeMT.so.1")):
            return str(path)
    raise RuntimeError("libfaketime is missing: apt-get install faketime")


def faketime(**more):
    """The environment of a program with another clock. Durations stay true: that is a clock of its own."""
    return {"LD_PRELOAD": find_faketime(), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DISABLE_SHM": "1",
            "ASAN_OPTIONS": "verify_asan_link_order=0", **more}


class Run:
    """One run under way."""

    def __init__(self, number, process, begin, what):
        self.number, self.process, self.begin, self.what = number, process, begin, what
        self.stops = []  # pairs of times between which it was stopped
        self.signals = []
        self.is_stuck = False

    def is_alive(self):
        return self.process.poll() is None

    def signal(self, number):
        """True where it was alive to get it."""
        alive = self.is_alive()
        if alive:
            self.process.send_signal(number)
            self.signals.append([signal.Signals(number).name, time.time()])
        return alive

    def freeze(self):
        if self.signal(signal.SIGSTOP):
            self.stops.append([time.time(), None])
            return True
        return False

    def thaw(self):
        self.stops[-1][1] = time.time()
        self.process.send_signal(signal.SIGCONT)


class Runs:
    """Starts runs and remembers them."""

    def __init__(self, scene):
        self.scene = scene
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="harpsweep-chaos-"))
        self.key_file = self.folder / "key"
        self.key_file.touch(mode=0o600)
        self.key_file.write_text(scene.key + "\n", encoding="ascii")
        self._lock = threading.Lock()
        self._numbers = 0
        self.alive = {}
        self.peak = 0
        self.killed = 0  # by SIGKILL, while it was alive

    def _settings(self, number, dice, bouncer, verify, limits):
        conninfo = self.scene.bouncer_conninfo() if bouncer else self.scene.pair.conninfo(self.scene.database, self.scene.worker)
        soft, hard = limits
        text = SETTINGS.format(
            conninfo=f"{conninfo} application_name=run-{number}", verify=verify, lease=LEASE_S, timeout=TIMEOUT_S,
            soft=soft, hard=hard, parallel=dice.choice([1, 4, 4, 16]), connect=dice.choice([1, 5]), key_file=self.key_file)
        for harp in self.scene.harps:
            text += DAEMON.format(name=harp.name, address=address_of(number), port=harp.port)
        path = self.folder / f"run-{number}.ini"
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, dice, style, bouncer=False, clock=0, limits=(20, 30)):
        """clock: seconds by which its clock is wrong. All dice are thrown before anything happens."""
        verify = "yes" if dice.random() < 0.15 else "no"
        arguments = ["--max-jobs", str(dice.choice([1, 5, 20, 100, 500]))]
        if style in ("whole", "settle") and (style == "settle" or dice.random() < 0.3):
            arguments = []  # as cron starts it: everything that is due
        if dice.random() < 0.3:
            arguments += ["--daemon", dice.choice(self.scene.harps).name]
        environment = dict(os.environ)
        if clock:
            environment.update(faketime(FAKETIME=f"{clock:+d}s"))
        with self._lock:
            self._numbers += 1
            number = self._numbers
        settings = self._settings(number, dice, bouncer, verify, limits)
        listens = style != "kill"
        begin = time.time()
        process = subprocess.Popen([PROGRAM, "-c", settings, "run", *arguments], stdin=subprocess.DEVNULL, env=environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE if listens else subprocess.DEVNULL)
        run = Run(number, process, begin, {"style": style, "bouncer": bouncer, "clock": clock, "verify": verify,
                                           "arguments": arguments})
        with self._lock:
            self.alive[number] = run
            self.peak = max(self.peak, len(self.alive))
        return run

    def kill(self, run):
        """True where that is what ended it."""
        run.signal(signal.SIGKILL)
        return self.finish(run) == -signal.SIGKILL

    def finish(self, run):
        """Waits for its end and writes it down; returns how it ended."""
        said = b""
        try:
            _, said = run.process.communicate(timeout=STUCK_S)
        except subprocess.TimeoutExpired:
            run.is_stuck = True
            run.process.kill()
            _, said = run.process.communicate()
        code = run.process.returncode
        with self._lock:
            del self.alive[run.number]
            self.killed += code == -signal.SIGKILL and not run.is_stuck
        said = (said or b"").decode("utf-8", "replace")
        self.scene.journal.note(
            "starts", run=run.number, pid=run.process.pid, begin=run.begin, end=time.time(), exit=code, stops=run.stops,
            signals=run.signals, stuck=run.is_stuck, late=said.count("came too late"), timeout=TIMEOUT_S, lease=LEASE_S,
            said=said[-400:] if code not in (0, 1, 75) else "", **run.what)
        with contextlib.suppress(OSError):
            os.unlink(self.folder / f"run-{run.number}.ini")
        return code

    def close(self):
        for run in list(self.alive.values()):
            run.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


# The actors: each is a thread's body.


class Tickets:
    """Kills still to be made, spread evenly over the storm."""

    def __init__(self, runs, count, seconds):
        self.runs, self.count, self.seconds = runs, count, seconds
        self.begin = time.monotonic()

    def wait(self):
        """For the moment of the next kill; False where all were made."""
        due = self.begin + self.runs.killed / max(1, self.count) * self.seconds
        time.sleep(max(0, min(due - time.monotonic(), 5)))
        return self.runs.killed < self.count


def killer(scene, name, tickets):
    """Starts runs and kills them within 200 ms."""
    dice = scene.plan.dice(name)
    limit = tickets.begin + 1.3 * tickets.seconds + 5
    while tickets.wait() and time.monotonic() < limit:
        delay = dice.uniform(0, 0.2)
        run = scene.runs.start(dice, "kill")
        time.sleep(delay)
        scene.runs.kill(run)


def steady(scene, name):
    """Runs that end by themselves, are told to end, or have a wrong clock."""
    dice = scene.plan.dice(name)
    while scene.storm.is_set():
        style = dice.choices(["whole", "term", "term2", "clock", "wrong clock"], [55, 15, 12, 12, 6])[0]
        clock = dice.choice([-30, 30]) if style == "clock" else dice.choice([-300, 300]) if style == "wrong clock" else 0
        limits = (soft := dice.choice([1, 3, 10]), soft + dice.choice([5, 10]))
        delays = dice.uniform(0, 0.6), dice.uniform(0, 0.3), dice.uniform(0, 0.2)
        run = scene.runs.start(dice, style, clock=clock, limits=limits)
        if style in ("term", "term2"):
            time.sleep(delays[0])
            run.signal(signal.SIGTERM)
        if style == "term2":
            time.sleep(delays[1])
            run.signal(signal.SIGTERM)
        scene.runs.finish(run)
        time.sleep(delays[2])


def freezer(scene, name):
    """Stops runs for longer than their leases; several at a time, so that it costs no time."""
    dice = scene.plan.dice(name)
    frozen = []  # (when to let it go on, run)
    thawed = []
    while scene.storm.is_set() or frozen or thawed:
        now = time.monotonic()
        for item in [item for item in frozen if item[0] <= now]:
            frozen.remove(item)
            item[1].thaw()
            thawed.append(item[1])
        for run in [run for run in thawed if not run.is_alive() or not scene.storm.is_set() and not frozen]:
            thawed.remove(run)
            scene.runs.finish(run)
        is_time = scene.storm.is_set() and time.monotonic() < scene.began + scene.plan.frozen_within_s
        if is_time and len(frozen) < scene.plan.frozen:
            delay, length = dice.uniform(0.005, 0.3), dice.uniform(*scene.plan.frozen_s)
            run = scene.runs.start(dice, "freeze", limits=(90, 100))
            time.sleep(delay)
            if run.freeze():
                frozen.append((time.monotonic() + length, run))
            else:
                scene.runs.finish(run)
        time.sleep(0.05)


def crowds(scene, name):
    """Many runs at once through PgBouncer with one server connection, which is restarted meanwhile."""
    dice = scene.plan.dice(name)
    for moment in scene.plan.moments(name, scene.plan.crowds):
        scene.wait_until(moment)
        styles = [dice.choices(["whole", "kill", "term"], [6, 3, 2])[0] for _ in range(scene.plan.crowd)]
        delays = [dice.uniform(0, 0.8) for _ in styles]
        restarts = [dice.uniform(0.05, 1.0) for _ in range(dice.choice([0, 1, 1, 2]))]
        group = [scene.runs.start(dice, style, bouncer=True, limits=(3, 8)) for style in styles]
        deeds = [(delay, run) for delay, run in zip(delays, group) if run.what["style"] != "whole"]
        deeds += [(delay, None) for delay in restarts]
        begin = time.monotonic()
        for delay, run in sorted(deeds, key=lambda deed: deed[0]):
            time.sleep(max(0, begin + delay - time.monotonic()))
            if run is None:
                scene.restart_bouncer()
            else:
                run.signal(signal.SIGKILL if run.what["style"] == "kill" else signal.SIGTERM)
        for run in group:
            scene.runs.finish(run)
        scene.journal.note("events", at=time.time(), what="crowd", runs=len(group), restarts=len(restarts))
