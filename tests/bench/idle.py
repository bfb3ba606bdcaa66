"""What a run costs that finds nothing to do, beside a program that connects, selects and exits."""

import statistics
import time

from measuring import BUILD, ROOT, Harp, Wrong, measure, median, ratios


def buffers(bench):
    """Pages of harpsweep's tables and their indexes touched so far; backends report when they exit."""
    time.sleep(0.05)
    return bench.ask("select sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0))::bigint"
                     " from pg_statio_all_tables where schemaname = 'harpsweep'")[0]


def scanned(bench, query="hello"):
    """Pages of tables and indexes that a statement touches when it is executed: that of an idle run."""
    text = (ROOT / "sql" / "queries" / f"{query}.sql").read_text()
    plan = bench.ask("explain (analyze, buffers, format json) " + text)[0][0]["Plan"]

    def scans(node):
        return (node["Shared Hit Blocks"] + node["Shared Read Blocks"] if "Relation Name" in node else 0) + sum(
            scans(child) for child in node.get("Plans", []))

    return scans(plan)


def traces(bench, path):
    """What an idle run leaves in the database: pages touched, WAL bytes, transaction IDs."""
    def now():
        return (buffers(bench), bench.ask("select pg_current_wal_insert_lsn() - '0/0'")[0],
                bench.ask("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")[0])

    seen = []
    for _ in range(bench.runs):
        before = now()
        bench.run(path)
        seen.append([second - first for first, second in zip(before, now())])
    return [statistics.median(column) for column in zip(*seen)]


def idle(bench):
    bench.title("idle run, beside connecting, select 1, exiting", "ms", "bare libpq", "ratio", "buffers", "with planner",
                "WAL bytes", "xids")
    for history in (0, bench.history):
        bench.empty()
        bench.done(history)
        with Harp(0) as harp:
            for name, conninfo in (("socket", bench.conninfo),
                                   ("TCP, scram", bench.cluster.tcp_conninfo("bench") + " sslmode=disable"),
                                   ("TCP, scram, TLS", bench.cluster.tcp_conninfo("bench") + " sslmode=require")):
                path = bench.settings({"bench": harp.url}, conninfo=conninfo)
                mine, other = bench.turns(lambda: bench.run(path), lambda: measure([BUILD / "bare", conninfo]),
                                          runs=bench.runs * 6)
                bench.say(f"{history} finished rows, {name}", f"{median(mine, 'wall') * 1000:.1f}",
                          f"{median(other, 'wall') * 1000:.1f}", f"{statistics.median(ratios(mine, other)):.2f}",
                          scanned(bench), *(f"{figure:.0f}" for figure in traces(bench, path)))
            if harp.count() != 0:
                raise Wrong("an idle run sent a request")
    with Harp(0) as harp:
        conninfo = bench.watched("watched")
        path = bench.settings({"bench": harp.url}, conninfo=conninfo)
        bench.run(path)  # looks at all, once
        mine, other = bench.turns(lambda: bench.run(path), lambda: measure([BUILD / "bare", conninfo]), runs=bench.runs * 6)
        bench.say("Nextcloud's tables watched, socket", f"{median(mine, 'wall') * 1000:.1f}", f"{median(other, 'wall') * 1000:.1f}",
                  f"{statistics.median(ratios(mine, other)):.2f}", "", "", "", "")
