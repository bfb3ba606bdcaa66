#!/usr/bin/python3
"""Draws what `make bench` and `make simulate` measured: build/bench/{throughput,history,lag}.svg, and the same as .png.

Titles say what is found, from the figures themselves. Colours are those of Okabe and Ito, told apart by everybody, and each
line has its name beside it.
"""

import json
import pathlib
import subprocess
import sys

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build" / "bench"
FIGURES = BUILD / "figures.json"
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#777777"
SIZE = (900, 560)
COMMON = """
set encoding utf8
set border 3 lc rgb "#444444"
set tics nomirror out scale 0.6 textcolor rgb "#222222"
set grid ytics lc rgb "#cccccc" lw 1 dt 1
unset key
set style line 1 lc rgb "{BLUE}"   lw 2.5 pt 7 ps 0.8
set style line 2 lc rgb "{ORANGE}" lw 2.5 pt 5 ps 0.8
set style line 3 lc rgb "{GREEN}"  lw 2.5 pt 9 ps 0.9
set style line 4 lc rgb "{PURPLE}" lw 2.5 pt 13 ps 0.9
set style line 9 lc rgb "{GREY}"   lw 1.5 dt 3
""".format(**globals())


def block(name, rows):
    return f"${name} << END\n" + "".join(" ".join(map(str, row)) + "\n" for row in rows) + "END\n"


def label(text, x, y, color, place="left offset 1,0"):
    return f'set label "{text}" at {x},{y} {place} tc rgb "{color}"\n'


def heading(text):
    """Of the whole picture, from its left edge."""
    return f'set tmargin 5\nset label "{text}" at screen 0.02,0.95 left\n'


def throughput(figures):
    """jobs/s over slots."""
    rows = [row for row in figures["slots"] if row[0] <= 64]
    last = rows[-1]
    ideal = last[0] / 0.05
    title = (f"{last[0]} slots: {last[1]:,.0f} deletes/s recorded, {last[1] / last[2]:.1f} times what curl alone sends;\\n"
             f"where each answer takes 50 ms, {last[3] / ideal * 100:.0f} % of the ideal")
    names = (("harpsweep, 0 ms", 1, BLUE), ("curl --parallel, 0 ms", 2, ORANGE), ("harpsweep, 50 ms", 3, BLUE),
             ("curl --parallel, 50 ms", 4, ORANGE))
    text = block("slots", rows) + heading(title)
    text += f"set logscale x 2\nset logscale y 10\nset xrange [0.95:68]\nset yrange [10:{10 ** len(str(int(max(last[1:]))))}]\n"
    text += 'set xtics ("1" 1, "2" 2, "4" 4, "8" 8, "16" 16, "32" 32, "64" 64)\nset rmargin 24\n'
    text += "set ytics (" + ", ".join(f'"{10 ** power:,}" {10 ** power}' for power in range(1, 7)) + ")\n"
    text += 'set xlabel "slots: requests at once"\nset ylabel "deletes per second (logarithmic)"\n'
    # Lines that end close together have their names one above the other.
    gap, places = 1.6, {}
    for name, column, color in sorted(names, key=lambda line: last[line[1]]):
        y = max([last[column]] + [other * gap for other in places.values()][-1:])
        places[name] = y
        text += label(name, 64, y, color)
    text += label("50 ms, ideal: slots / 50 ms", 5, 5 / 0.05, GREY, "right offset -2,0.6")
    return text + ("plot x / 0.05 with lines ls 9, $slots using 1:2 with linespoints ls 1, $slots using 1:3 with linespoints ls 2,"
                   " $slots using 1:4 with linespoints ls 1 dt 2, $slots using 1:5 with linespoints ls 2 dt 2\n")


def rows_name(count):
    for unit, letter in ((1_000_000, "M"), (1000, "k")):
        if count >= unit:
            return f"{count // unit}{letter}"
    return str(count)


def history(figures):
    """What a job and an idle run cost over the number of finished rows."""
    rows = figures["history"]
    if len(rows[0]) < 6:
        raise KeyError("history")
    first, last = rows[0], rows[-1]
    title = (f"With {last[0]:,} finished rows a job costs {last[1] / first[1]:.2f} times the pages and {last[2] / first[2]:.2f} times"
             f" the WAL\\nthat it costs with none; an idle run takes {last[4] / last[5]:.1f} times as long as libpq alone,"
             f" with none {first[4] / first[5]:.1f} times")
    text = block("history", [(number, rows_name(row[0]), *row[1:]) for number, row in enumerate(rows)])
    text += f'set multiplot layout 1,3 title "{title}" offset 0,-0.5 margins 0.09,0.97,0.14,0.78 spacing 0.09\n'
    text += f'set xrange [-0.4:{len(rows) - 0.6}]\nset xlabel "finished rows in the table"\n'
    for column, name, digits, other in ((3, "pages touched per job", 1, None), (4, "bytes of WAL per job", 0, None),
                                        (6, "milliseconds of an idle run", 1, 7)):
        values = [row[column - 2] for row in rows] + ([row[other - 2] for row in rows] if other else [])
        text += f'set yrange [0:{max(values) * 1.25}]\nset title "{name}"\nunset label\nset format y "%\'.0f"\n'
        for number, row in enumerate(rows):
            text += label(f"{row[column - 2]:,.{digits}f}", number, row[column - 2], BLUE, "center offset 0,0.9")
        if other:
            text += 'set label "harpsweep" at graph 0.06,0.14 left tc rgb "{}"\n'.format(BLUE)
            text += 'set label "libpq alone (connects)" at graph 0.06,0.07 left tc rgb "{}"\n'.format(ORANGE)
        text += f"plot $history using 1:{column}:xtic(2) with linespoints ls 1"
        text += f", $history using 1:{other} with linespoints ls 2\n" if other else "\n"
    return text + "unset multiplot\n"


def span(seconds):
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def lag(rows):
    """From due to deleted, as shares of the images. Of each number of instances, the fewest cron hosts that are about as
    good in a wave as any."""
    def late(row):
        return row["lags"][int(len(row["lags"]) * 0.99) - 1]

    chosen, text = [], ""
    for number, count in enumerate(sorted({row["instances"] for row in rows})):
        waves = [row for row in rows if row["instances"] == count and row["wave"]]
        enough = 1.25 * min(map(late, waves))
        best = min((row for row in waves if late(row) <= enough), key=lambda row: row["cron_hosts"])
        calm = next(row for row in rows if not row["wave"] and all(row[key] == best[key] for key in (
            "instances", "cron_hosts", "starter", "max_instances", "each_walks_all", "pooled")))
        hosts = f"{count:,} instances, {best['cron_hosts']} cron host{'s' if best['cron_hosts'] > 1 else ''}"
        hosts += " + PgBouncer" if best["pooled"] else ""
        chosen += [(calm, f"{hosts}, quiet", number, 2), (best, f"{hosts}, wave", number, 1)]
    worst = max(rows, key=late)
    shown = [row for row, *_ in chosen]
    if all(worst is not row for row in shown):
        chosen.append((worst, f"{worst['instances']:,}, 1 cron host, {worst['starter']}, {worst['max_instances']} at once, wave", 3, 1))
    most = max(late(row) for row in shown)
    title = (f"99 of 100 images are gone within {span(most)} of being due, with 10 instances as with {rows[-1]['instances']:,},\\n"
             "where enough cron hosts take part (make simulate)")
    colors = (GREEN, ORANGE, BLUE, PURPLE)
    for number, (row, *_) in enumerate(chosen):
        steps = len(row["lags"])
        text += block(f"line{number}", [(max(value, 1), (step + 1) / steps * 100) for step, value in enumerate(row["lags"])
                                        if value == value])
    text += heading(title) + 'set logscale x 10\nset xrange [0.4:*]\nset yrange [0:100]\n'
    text += 'set xtics ("1 s" 1, "3 s" 3, "10 s" 10, "30 s" 30, "1 min" 60, "2 min" 120, "5 min" 300, "10 min" 600, "30 min" 1800)\n'
    text += 'set xlabel "from due to deleted (logarithmic)"\nset ylabel "% of the images"\nset key left top reverse Left samplen 2\n'
    plots = [f'$line{number} using 1:2 with lines lc rgb "{colors[color]}" lw {2.5 if dash == 1 else 1.8} dt {dash} title "{name}"'
             for number, (_, name, color, dash) in enumerate(chosen)]
    return text + "plot " + ", ".join(plots) + "\n"


def draw(name, text):
    for kind, terminal in (("svg", "svg noenhanced font 'sans,14' background rgb 'white'"),
                           ("png", "pngcairo noenhanced font 'sans,11' background rgb 'white'")):
        script = f"set terminal {terminal} size {SIZE[0]},{SIZE[1]}\nset output '{BUILD / name}.{kind}'\n{COMMON}{text}"
        done = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, check=False)
        if done.returncode != 0 or done.stderr.strip():
            raise SystemExit(f"gnuplot, {name}: {done.stderr}")
    print(f"  {BUILD / name}.svg")


def main():
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    lags = BUILD / "lag.json"
    if lags.exists():
        figures["lag"] = json.loads(lags.read_text(encoding="utf-8"))
    drawn = 0
    for name, call, source, command in (("throughput", throughput, "slots", "make bench BENCH_ARGS=slots"),
                                        ("history", history, "history", "make bench BENCH_ARGS=history"),
                                        ("lag", lambda all_: lag(all_["lag"]), "lag", "make simulate")):
        try:
            draw(name, call(figures)) if figures.get(source) else None  # pylint: disable=expression-not-assigned
        except FileNotFoundError:
            raise SystemExit("gnuplot is missing; hint: apt-get install gnuplot-nox") from None
        if figures.get(source):
            drawn += 1
        else:
            print(f"  no {name}.svg: {command} measures what it shows")
    return 0 if drawn else 1


if __name__ == "__main__":
    sys.exit(main())
