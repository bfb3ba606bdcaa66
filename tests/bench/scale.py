"""Many daemons, several runs at once, and many instances."""

import contextlib
import statistics
import subprocess
import time

from measuring import BUILD, PROGRAM, Harp, Wrong, measure, median, mute, ratios


def daemons(bench):
    count, jobs = 1000, 20
    bench.title(f"{count} daemons of {jobs} jobs of 50 ms each", "seconds", "5 % hang", "ratio", "apart from")
    urls = None

    def run(hanging):
        bench.empty()
        bench.due(count * jobs, daemon=f"'d' || lpad((i % {count})::text, 4, '0')")
        names = [f"d{number:04}" for number in range(count)]
        path = bench.settings({name: urls[1] if hanging and number % 20 == 0 else urls[0] for number, name in enumerate(names)},
                              256, name="daemons", more="timeout = 10s\n")
        figures = bench.run(path, codes=(0, 1))
        ended = bench.ask("select count(*), extract(epoch from max(finished_at) - min(claimed_at))::float8"
                          " from harpsweep.job where state = 'removed'")
        if ended[0] != count * jobs * (19 if hanging else 20) // 20:
            raise Wrong(f"{ended[0]} jobs were done")
        figures["others"] = ended[1]
        return figures

    with Harp(50) as harp, mute() as silent:
        urls = (harp.url, silent)
        without, with_some = bench.turns(lambda: run(False), lambda: run(True), runs=3)
    bench.say("until the last result of the others", f"{median(without, 'others'):.2f}", f"{median(with_some, 'others'):.2f}",
              f"{statistics.median(ratios(with_some, without, 'others')):.2f}")
    bench.say("the whole run", f"{median(without, 'wall'):.2f}", f"{median(with_some, 'wall'):.2f}",
              f"{statistics.median(ratios(with_some, without)):.2f}", "10 s limit")


def outage(bench):
    """One daemon of five is down: the others must not wait for it."""
    jobs = 300
    bench.title("one daemon of five is down", "seconds", "without it", "ratio", "least", "most")

    def run(urls):
        bench.empty()
        bench.due(jobs * len(urls), daemon=f"'d' || i % {len(urls)}")
        path = bench.settings({f"d{number}": url for number, url in enumerate(urls)}, 32, name="outage", more="timeout = 5s\n")
        bench.run(path, codes=(0, 1))
        others = bench.ask("select count(*), extract(epoch from max(finished_at) - min(claimed_at))::float8,"
                           " (select count(*) from harpsweep.job where daemon = 'd4' and state = 'pending' and failures = 0)"
                           " from harpsweep.job where state = 'removed' and daemon < 'd4'")
        if (others[0], others[2]) != (4 * jobs, jobs * (len(urls) - 4)):
            raise Wrong(f"the four daemons that are well finished {others[0]} jobs, the fifth kept {others[2]}")
        return {"wall": others[1]}

    with contextlib.ExitStack() as stack:
        well = [stack.enter_context(Harp(50)).url for _ in range(4)]
        for name, url in (("says nothing", stack.enter_context(mute())), ("refuses", "http://127.0.0.1:9")):
            five, four = bench.turns(lambda u=url: run([*well, u]), lambda: run(well))
            each = ratios(five, four)
            bench.say(f"it {name}: the others' {4 * jobs} jobs of 50 ms", f"{median(five, 'wall'):.2f}",
                      f"{median(four, 'wall'):.2f}", f"{statistics.median(each):.3f}", f"{min(each):.3f}", f"{max(each):.3f}")


def together(bench):
    bench.title("two runs at once on one table", "one run", "two runs", "times")
    for delay, jobs, slots in ((50, 1280, 16), (0, 20000, 64)):
        with Harp(delay) as harp:
            path = bench.settings({"bench": harp.url}, slots)

            def runs(number):
                bench.empty()
                bench.due(jobs)
                before = harp.count()
                began = time.monotonic()
                started = [subprocess.Popen([PROGRAM, "-c", path, "run"]) for _ in range(number)]
                if any(run.wait() != 0 for run in started):
                    raise Wrong("a run failed")
                wall = time.monotonic() - began
                if harp.count() - before > jobs + number:
                    raise Wrong("an image was deleted twice")
                bench.check(jobs)
                return {"wall": wall}

            one, two = bench.turns(lambda: runs(1), lambda: runs(2))
        bench.say(f"{jobs} jobs of {delay} ms, {slots} slots each, jobs/s", f"{jobs / median(one, 'wall'):.0f}",
                  f"{jobs / median(two, 'wall'):.0f}", f"{statistics.median(ratios(one, two)):.2f}")


def fleet(bench):
    count = 1000
    bench.title(f"-c DIR: {count} instances, {count} databases of one cluster", "seconds", "ms each", "beside", "MB", "CPU ms", "server ms")
    folder = bench.folder / "fleet"
    folder.mkdir()
    bench.watched("cloud")  # one without what the other parts left behind
    names = [f"cloud{number:04}" for number in range(count)]
    for name in names:
        bench.cluster.create_database(name, template="cloud")
    with Harp(0) as harp:
        for name in names:
            path = bench.settings({"bench": harp.url}, conninfo=bench.conninfo.replace("'bench'", f"'{name}'"), name="one")
            path.rename(folder / f"{name}.ini")

        def visit(command):
            before = bench.server_cpu()
            figures = measure(command)
            time.sleep(0.5)  # for the last sessions to end
            return {**figures, "server": bench.server_cpu() - before}

        mine, bare, loop = bench.turns(lambda: visit([PROGRAM, "-c", folder, "run"]),
                                       lambda: visit(["sh", "-c", f'for name in {" ".join(names)}; do "{BUILD}/bare" "'
                                                      + bench.conninfo.replace("'bench'", "'$name'") + '"; done']),
                                       lambda: visit(["sh", "-c", f'for file in "{folder}"/*.ini; do "{PROGRAM}" -c "$file" run;'
                                                      " done"]), runs=3)
        if harp.count() != 0:
            raise Wrong("an idle instance sent a request")
    for name, figures in (("one process, all idle", mine), ("a process for each", loop), ("bare libpq for each", bare)):
        bench.say(name, f"{median(figures, 'wall'):.2f}", f"{median(figures, 'wall') / count * 1000:.2f}",
                  f"{statistics.median(ratios(figures, mine)):.1f}", f"{median(figures, 'rss') / 1024:.1f}",
                  *(f"{median(figures, key) / count * 1000:.2f}" for key in ("cpu", "server")))
