"""The report: one page that loads nothing and runs nothing, for eyes and for screen readers, and the same for programs."""

# pylint: disable=missing-function-docstring,redefined-outer-name

import datetime
import os
import pathlib
import re
import resource
import signal
import stat
import subprocess
import zoneinfo

import pytest

from conftest import fresh_database
from harness.browser import Browser, NoBrowser, find
from harness.page import Page, contrast, palettes
from harness.program import PROGRAM, ROOT, Program
from harness.rows import ID, claim, one, schedule

DAEMON = "harp"
BAD = {
    "script": "<script>console.error('ran')</script>",
    "style": "</style></table></main><b>bold",
    "quotes": "\" onmouseover=\"console.error('ran')\" '",
    "reference": "&amp;&lt;b&gt;",
    "comment": "--><!--",
    "image": "<img src=x onerror=console.error(1)>",
    "sql": "'; drop table harpsweep.job; --",
    "right": "שלום",
    "long": "w" * 64,
    "percent": "%s%n{{7*7}}${7*7}",
}
WORSE = "\x1b[2J\x1b]0;title\x07\u202eevil\u2066\r\n\t\x00".replace("\x00", "")


def ended(connection, days_ago, state="removed", *, daemon=DAEMON, app="app", size=10**9, image=None, **more):
    """A job that became final so long ago, at noon of UTC."""
    return one(connection, """
        insert into harpsweep.job (daemon, appid, image_ref, state, choice, orphaned_at, grace_hours, not_before, next_at,
                                   finished_at, bytes_freed, hold_reason, last_error, attempts)
        select %s, %s, %s, %s::harpsweep.job_state, 'grace', at - interval '25 h', 24, at - interval '1 h', null, at, %s, %s, %s, 1
          from (select least(date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' + interval '12 h', now())
                       - %s * interval '1 day' as at) as t
        returning id""", daemon, app, image or f"{app}:{days_ago}", state, size if state == "removed" else None,
        more.get("hold_reason"), more.get("last_error"), days_ago)


def waits(connection, span, *, daemon=DAEMON, app="app", image=None, reason=None, image_id=None):
    """An open job that is due in so long; None: never, by itself."""
    return one(connection, """
        insert into harpsweep.job (daemon, appid, image_ref, image_id, state, orphaned_at, grace_hours, not_before, next_at,
                                   hold_reason)
        values (%s, %s, %s, %s, 'pending', now() - interval '99 days', 1, now() - interval '98 days', coalesce(now() + %s::interval, 'infinity'), %s)
        returning id""", daemon, app, image or f"{app}:next-{span}", image_id, span, reason)


def seen(connection, app, size, image_id=ID, daemon=DAEMON):
    connection.execute(
        "insert into harpsweep.exapp_image (appid, daemon, image_ref, image_id, bytes, fingerprint) values (%s, %s, 'x:1', %s, %s, 'f')",
        (app, daemon, image_id, size))


def stop(connection, daemon=DAEMON, reason="HaRP refused the key", hint="compare the keys"):
    connection.execute(
        """insert into harpsweep.daemon (daemon, stopped_since, stop, reason, hint, answered_at, harp_version, paused_until)
           values (%s, now() - interval '2 h', 'unauthorized', %s, %s, now() - interval '1 day', '0.4.4', now() + interval '1 h')""",
        (daemon, reason, hint))


def busy(connection):
    """A month of an instance with much to tell."""
    for days_ago in range(0, 30, 2):
        for number, app in enumerate(("context_chat_backend", "llm2", "talk_bot", "stt_whisper2")):
            ended(connection, days_ago, app=app, size=(number + 1) * 10**9 * (1 + days_ago % 7), image=f"{app}:{days_ago}",
                  daemon=("harp", "gpu-host")[number % 2])
        ended(connection, days_ago, "kept", app="translate2", image=f"k:{days_ago}", hold_reason="kept by hand")
    for number in range(3):
        ended(connection, 2 + number, "failed", app="llm2", image=f"ghcr.io/nextcloud/llm2:{number}.4.1-cuda",
              last_error="Docker answered 500 to the delete: layer is locked by another operation, and will be for a while")
    seen(connection, "llm2", 12 * 10**9)
    for number, span in enumerate(("-3 hours", "2 hours", "1 day", "2 days", "5 days", "20 days", None)):
        waits(connection, span, app="llm2" if number % 2 else "talk_bot", image=f"ghcr.io/nextcloud/image:{number}",
              daemon="gpu-host" if span is None else DAEMON,
              image_id=ID if number % 2 else None,
              reason="deploy of app talk_bot running on this engine since 2 min" if number == 2 else None)
    stop(connection, "gpu-host")
    connection.execute("insert into harpsweep.daemon (daemon, answered_at, harp_version) values ('harp', now(), '0.4.4')")
    connection.execute(
        """insert into harpsweep.run (token, host, pid, version, started_at, exit_code, claimed, removed, untagged, absent, in_use, held,
                                      retried, failed, given_back, late, bytes_freed, note)
           values (gen_random_uuid(), 'docker-1', 7, '0.1.0', now(), 1, 12, 9, 0, 0, 1, 1, 0, 1, 0, 0, 123, 'daemon gpu-host stopped')""")


def hostile(connection):
    """The same of names that want to be something else, in every place of the page."""
    for number, text in enumerate(BAD.values()):
        name = text[:64]
        ended(connection, number, app=name, daemon=name, image=f"{text}:{number}")
        ended(connection, number, "failed", app=name, daemon=name, image=f"{text}:f{number}", last_error=text + WORSE)
        waits(connection, f"{number} days", app=name, daemon=name, image=f"{text}:w{number}", reason=text + WORSE)
        stop(connection, name, text + WORSE, WORSE + text)
        connection.execute("insert into harpsweep.intake_error (source, code, message) values (%s, 'XX000', %s)",
                           (text, f"{number}{text}{WORSE}"))
    connection.execute(
        """insert into harpsweep.run (token, host, pid, version, started_at, exit_code, claimed, removed, untagged, absent, in_use, held,
                                      retried, failed, given_back, late, bytes_freed, note)
           values (gen_random_uuid(), %s, 7, %s, now(), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, %s)""", (BAD["script"], WORSE, BAD["image"] + WORSE))


FILL = {"busy": busy, "hostile": hostile, "empty": lambda connection: None}


def filled(kind, cluster, template, worker, folder):
    """A program whose database holds one of these; for tests that only read."""
    for database in fresh_database(cluster, template):
        FILL[kind](database.connect())
        program = Program(folder, cluster.conninfo(database.name, user=worker), "http://127.0.0.1:9")
        program.sections["daemon:gpu-host"] = {"url": "http://127.0.0.1:9"}
        yield program


@pytest.fixture(scope="module")
def busy_one(cluster, template, worker, tmp_path_factory):
    yield from filled("busy", cluster, template, worker, tmp_path_factory.mktemp("busy"))


@pytest.fixture(scope="module")
def hostile_one(cluster, template, worker, tmp_path_factory):
    yield from filled("hostile", cluster, template, worker, tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def empty_one(cluster, template, worker, tmp_path_factory):
    yield from filled("empty", cluster, template, worker, tmp_path_factory.mktemp("empty"))


@pytest.fixture
def idle(tmp_path):
    """The program where no database is asked."""
    return Program(tmp_path, f"host={tmp_path} dbname=x")


def page_of(done):
    page = Page(done.out)
    assert page.doctype == "DOCTYPE html" and page.one("html").attributes["lang"] == "en"
    return page


def rows_of(page, caption):
    """Texts of the cells of the table with that caption."""
    [table] = [element.within("table") for element in page.all("caption") if element.text.strip() == caption]
    rows = {}
    for element in page.elements:
        if element.name in ("td", "th") and element.within("tbody") and element.within("table") is table:
            rows.setdefault(element.parent, []).append(element.text.strip())
    return list(rows.values())


def strip(text):
    return re.sub(r"\s+", " ", text).strip()


# ------------------------------------------------------------------ what it says


def test_of_nothing_it_says_so(empty_one):
    page = page_of(empty_one("report"))
    assert strip(page.one("section", id="answer").text).startswith("In short All is well. Nothing has happened yet.")
    assert "harpsweep check" in page.one("main").text and not page.all("table") and not page.all("svg")
    document = empty_one("report", "--json").json
    assert document["attention"] is False and document["removed"] == document["bytes_freed"] == document["waiting_jobs"] == 0
    assert len(document["per_day"]) == 30 and {day["bytes_freed"] for day in document["per_day"]} == {0}
    assert document["last_run"] is None and document["apps"] == document["failed_jobs"] == document["daemons"] == []


def test_of_a_good_month(program, connection):
    ended(connection, 1, app="one", size=3_210_000_000)
    ended(connection, 1, app="two", size=790_000_000)
    ended(connection, 29, app="two", size=5_000_000)
    ended(connection, 30, app="old", size=7)  # a day too old
    ended(connection, 2, "kept", app="three")
    waits(connection, "90 minutes 50 seconds")
    page = page_of(program("report"))
    assert ("All is well. In the last 30 days 3 images were deleted and up to 4.0 GB reclaimed. 1 job waits; the next one is "
            "due in 1h 30m. Nothing needs you.") in strip(page.one("section", id="answer").text)
    assert "old" not in page.one("section", id="apps").text
    assert [row[:4] for row in rows_of(page, "Apps whose jobs ended on these days, the largest first")] == [
        ["one", "3.2 GB", "1", "0"], ["two", "795.0 MB", "2", "0"], ["three", "0 B", "0", "1"]]
    days = rows_of(page, "Days on which something ended, the last first")
    assert [row[1:] for row in days] == [["4.0 GB", "2", "0", "0"], ["0 B", "0", "1", "0"], ["5.0 MB", "1", "0", "0"]]
    assert strip(page.one("section", id="failed").text) == "Failed jobsNone."


def test_of_a_bad_one_it_says_what_to_do(busy_one):
    done = busy_one("report")
    answer = strip(page_of(done).one("section", id="answer").text)
    assert answer.startswith("In short Somebody has to look. In the last 30 days 60 images were deleted")
    assert "1 daemon does not work: harpsweep check --fix-hints" in answer
    assert "3 jobs failed: harpsweep show ID, then harpsweep retry ID or cancel ID" in answer
    assert "1 job is overdue for more than an hour; does cron run harpsweep?" in answer
    page = page_of(done)
    assert [row[:4] for row in rows_of(page, "Failed jobs of any age, the last first")][0][1:] == [
        "llm2", DAEMON, "ghcr.io/nextcloud/llm2:0.4.1-cuda"]
    assert "Daemon gpu-host does not work since " in page.one("section", id="daemons").text
    assert "What to do: compare the keys." in page.one("section", id="daemons").text
    assert [row[:2] for row in rows_of(page, "How each daemon is")] == [["gpu-host", "paused"], ["harp", "late"]]


def test_attention_is_what_status_says(busy_one, empty_one):
    """And the exit code of a report is that it was written, whatever it says."""
    for scene, attention in ((empty_one, False), (busy_one, True)):
        assert scene("report", "--json").json["attention"] is attention
        assert scene("status", "--json", code=1 if attention else 0).json["attention"] is attention


def test_what_waits_is_told_by_day(busy_one):
    now = datetime.datetime.now(datetime.timezone.utc)
    document = busy_one("report", "--json", TZ="UTC").json
    pending = document["pending"]
    by_day = {slot["day"] or slot["when"]: slot for slot in pending}
    assert [slot["when"] for slot in pending][-2:] == ["later", "never"]
    assert by_day["now"]["jobs"] == by_day["later"]["jobs"] == by_day["never"]["jobs"] == 1
    for days in (2, 5):
        assert by_day[f"{now + datetime.timedelta(days=days):%Y-%m-%d}"]["jobs"] == 1
    assert sum(slot["jobs"] for slot in pending) == document["waiting_jobs"] == 7
    assert sum(slot["held"] for slot in pending) == 1
    # Of three jobs the image was seen once, with its size.
    assert sum(slot["bytes"] for slot in pending) == document["waiting_bytes"] == 3 * 12 * 10**9
    assert sum(slot["unsized"] for slot in pending) == document["waiting_unsized"] == 4
    page = page_of(busy_one("report", TZ="UTC"))
    assert [row[0] for row in rows_of(page, "How many jobs are due when")] == [
        {"now": "now", "later": "later", "never": "not by itself"}.get(slot["when"]) or
        ("later today" if slot["day"] == f"{now:%Y-%m-%d}" else slot["day"]) for slot in pending]
    assert [row[4] for row in rows_of(page, "Jobs that are due first")][-1] == "not by itself"


def test_new_jobs_are_due_when_their_grace_will_have_ended(program, connection):
    program.sections["cleanup"]["grace_hours"] = 100
    schedule(connection, DAEMON, "a", "a:1")
    schedule(connection, DAEMON, "b", "b:1", grace_hours=2)
    schedule(connection, DAEMON, "c", "c:1", choice="now")
    schedule(connection, DAEMON, "d", "d:1", choice="keep")
    document = program("report", "--json").json
    jobs = {job["appid"]: job for job in document["next"]}
    assert document["due"] == 1
    assert re.search(r"3 jobs wait, 1 of them due now; the next one is due in (1h 59m|2h)\.",
                     strip(page_of(program("report")).one("main").text))
    assert sorted(jobs) == ["a", "b", "c"]
    assert [round(jobs[app]["waits_s"] / 3600) for app in "abc"] == [100, 2, 0]


def test_a_job_that_a_run_works_on(program, connection):
    number = schedule(connection, DAEMON, "a", "a:1", choice="now")
    claim(connection, number)
    assert [row[4] for row in rows_of(page_of(program("report")), "Jobs that are due first")] == ["being worked on"]


def test_large_numbers_can_be_read(program, connection):
    connection.execute(
        """insert into harpsweep.job (daemon, appid, image_ref, state, orphaned_at, grace_hours, not_before, next_at, finished_at,
                                      bytes_freed)
           select 'd', 'app', 'old/app:' || i, 'removed', now() - interval '3 days', 24, now() - interval '2 days', null, now(), 5
             from generate_series(1, 1234) i""")
    page = page_of(program("report"))
    assert "1,234 images were deleted and up to 6.2 kB reclaimed" in page.one("section", id="answer").text
    assert rows_of(page, "Apps whose jobs ended on these days, the largest first")[0][2] == "1,234"


def test_runs_without_daemons(program, connection):
    """As after somebody emptied the tables."""
    connection.execute(
        """insert into harpsweep.run (token, host, pid, version, started_at, exit_code, claimed, removed, untagged, absent, in_use, held,
                                      retried, failed, given_back, late, bytes_freed)
           values (gen_random_uuid(), 'h', 7, 'v', now(), 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)""")
    text = page_of(program("report")).one("main").text
    assert "No daemon was asked for anything so far." in text and "No job ended on these days." in text and "No job waits." in text
    assert re.search("on h: 1 job; exit code 0: all went well.", text)


def test_a_list_that_is_cut_says_so(program, connection):
    for number in range(60):
        ended(connection, 1, app=f"app{number:02}", size=10**9 + 60 - number)
        ended(connection, 1, "failed", app=f"app{number:02}", image=f"f:{number}")
        waits(connection, f"{number + 1} hours", image=f"w:{number}")
    page = page_of(program("report"))
    apps = rows_of(page, "Apps whose jobs ended on these days, the largest first")
    assert len(apps) == 51 and apps[-1][:3] == ["10 other apps", "10.0 GB", "10"]
    assert len(rows_of(page, "Failed jobs of any age, the last first")) == len(rows_of(page, "Jobs that are due first")) == 50
    assert "10 more: harpsweep list --state failed" in strip(page.one("section", id="failed").text)
    assert "10 more: harpsweep list --state open --sort due" in strip(page.one("section", id="pending").text)
    document = program("report", "--json").json
    assert len(document["apps"]) == len(document["failed_jobs"]) == len(document["next"]) == 60
    assert document["apps"][0]["all_apps"] == 60 and document["failed_jobs"][0]["all_failed"] == 60


def test_cleanup_that_is_disabled(program, connection):
    waits(connection, "-3 hours")
    program.sections["cleanup"]["enabled"] = "no"
    assert "Cleanup is disabled in the settings (enabled = no)" in page_of(program("report")).one("section", id="answer").text
    assert program("report", "--json").json["enabled"] is False


def test_a_window_beyond_the_history_says_that(program, connection):
    ended(connection, 1)
    assert "history_days" not in program("report", "--days=90").out
    assert "more than 90 days ago are no longer in the table (history_days" in page_of(program("report", "--days", 91)).one("main").text


# ------------------------------------------------------------------ days and zones


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/St_Johns", "UTC"])
def test_days_are_those_of_the_reader(program, connection, zone):
    """A job that ended a second before midnight, and one at midnight, by the clock on the wall."""
    there = zoneinfo.ZoneInfo(zone)
    midnight = datetime.datetime.now(there).replace(hour=0, minute=0, second=0, microsecond=0)
    for number, moment in enumerate((midnight, midnight - datetime.timedelta(seconds=1))):
        number = ended(connection, 0, app=f"a{number}", size=10 + number)
        connection.execute("update harpsweep.job set finished_at = %s, not_before = %s where id = %s",
                           (moment, moment - datetime.timedelta(hours=1), number))
    document = program("report", "--days=2", "--json", TZ=zone).json
    assert document["zone"] == f"{midnight:%Z}"
    yesterday, today = document["per_day"]
    assert (today["day"], today["bytes_freed"], yesterday["bytes_freed"]) == (f"{midnight:%Y-%m-%d}", 10, 11)
    assert today["from"] == yesterday["to"] == f"{midnight.astimezone(datetime.timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    out = program("report", "--days=2", TZ=zone).out
    shown = page_of(program("report", "--days=2", TZ=zone)).one("header").text
    assert f"{midnight:%Y-%m-%d}, as of" in shown and f"{midnight:%Z}" in shown
    for exact, local in re.findall(r'<time datetime="([^"]+)">([^<]+)</time>', out):
        moment = datetime.datetime.strptime(exact, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
        assert f"{moment.astimezone(there):%Y-%m-%d %H:%M:%S %Z}" == local


# ------------------------------------------------------------------ strangers


def test_names_are_text_and_nothing_else(hostile_one, empty_one):
    done = hostile_one("report")
    page, plain = page_of(done), page_of(empty_one("report"))
    allowed = {"html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "h1", "h2", "h3", "p", "ul",
               "li", "a", "code", "strong", "dl", "div", "dt", "dd", "span", "svg", "line", "rect", "table", "caption", "thead",
               "tbody", "tr", "th", "td", "time", "bdi", "nav"}
    assert {element.name for element in page.elements} <= allowed
    assert len(page.all("style")) == 1 and page.one("style").text == plain.one("style").text
    assert not [name for element in page.elements for name in element.attributes if name.startswith("on")]
    assert {element.attributes["href"] for element in page.all("a")} <= {f"#{name}" for name in page.ids}
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]", done.out)
    text = page.one("main").text
    for bad in BAD.values():
        assert bad in text
    assert r"\x1b[2J\x1b]0;title\x07\u{202e}evil\u{2066}\r\n\t" in text
    document = hostile_one("report", "--json").json
    assert {job["appid"] for job in document["failed_jobs"]} == {bad[:64] for bad in BAD.values()}
    assert document["failed_jobs"][0]["reason"].endswith(WORSE)
    assert document["removed"] == document["failed"] == document["waiting_jobs"] == len(BAD)  # the table is there


def test_what_the_page_may_do_is_nothing(busy_one):
    done = busy_one("report")
    [policy] = page_of(done).all("meta", http_equiv="Content-Security-Policy")
    assert policy.attributes["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert not re.search(r"url\(|@import|https?:|src=|<script|<link", done.out)


# ------------------------------------------------------------------ for everybody's eyes and ears

TEXTS = ("text", "quiet", "link", "good", "bad")


def test_contrast_of_the_colours(empty_one):
    css = page_of(empty_one("report")).one("style").text
    for colours in palettes(css).values():
        assert set(colours) == {*TEXTS, "page", "card", "line", "bar", "code"}
        pairs = {(text, ground): contrast(colours[text], colours[ground]) for text in TEXTS for ground in ("page", "card", "code")}
        assert {pair for pair, value in pairs.items() if value < 4.5} == set()
        assert contrast(colours["bar"], colours["card"]) >= 3
    assert set(re.findall(r"[ ;{]color: ([^;}]+)", css)) <= {f"var(--{name})" for name in TEXTS}
    assert contrast("#000000", "#fff") == pytest.approx(21) and contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_structure(busy_one):
    page = page_of(busy_one("report"))
    assert [len(page.all(name)) for name in ("header", "nav", "main", "footer", "h1")] == [1] * 5
    assert len([title for title in page.all("title") if title.parent.name == "head"]) == 1
    levels = [int(element.name[1]) for element in page.elements if re.fullmatch(r"h\d", element.name)]
    assert levels[0] == 1 and all(after - before <= 1 for before, after in zip(levels, levels[1:]))
    for section in page.all("section"):
        heading = page.one("h2", id=section.attributes["aria-labelledby"])
        assert heading.parent is section and heading.text.strip()
    assert len({element.text for element in page.all("caption")}) == len(page.all("table")) == 7
    for table in page.all("table"):
        assert table.within("div").attributes["aria-label"] and table.within("div").attributes["tabindex"] == "0"
    assert {element.attributes["scope"] for element in page.all("th")} == {"col", "row"}
    for drawing in page.all("svg"):
        assert (drawing.attributes.get("role") == "img" and "the table has the values" in drawing.attributes["aria-label"]) or (
            drawing.attributes["aria-hidden"] == "true" and re.search(r"\d", drawing.within("td").text))


# ------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    try:
        find()
    except NoBrowser as missing:
        pytest.fail(str(missing))
    with Browser(tmp_path_factory.mktemp("chromium")) as made:
        yield made


def saved(program):
    path = program.folder / "report.html"
    assert program("report", "--output", path).out == ""
    return path


def keep(browser, name):
    """For a person to look at: HARPSWEEP_PICTURES names a folder."""
    if os.environ.get("HARPSWEEP_PICTURES"):
        browser.picture(pathlib.Path(os.environ["HARPSWEEP_PICTURES"]) / f"{name}.png")


# Each colour of a text, with the colour that is behind it, as the browser made them of the style sheet.
COLOURS = """(() => {
    const hex = text => '#' + text.match(/\\d+/g).slice(0, 3).map(n => (+n).toString(16).padStart(2, '0')).join('');
    const found = {};
    for (const e of document.querySelectorAll('body *')) {
        if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || e.closest('svg')) continue;
        let behind = e;
        while (/, 0\\)$/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
        found[hex(getComputedStyle(e).color) + ' ' + hex(getComputedStyle(behind).backgroundColor)] = e.outerHTML.slice(0, 90);
    }
    return found; })()"""
STICKING_OUT = """[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll > table > thead, svg') &&
                   e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 200))"""


@pytest.mark.browser
@pytest.mark.parametrize("kind", FILL)
def test_in_a_browser(request, browser, kind):
    """At the width of a phone and of a desk, in both schemes: no complaint, no request, nothing that sticks out, and every
    text is to be read."""
    path = saved(request.getfixturevalue(f"{kind}_one"))
    grounds = set()
    for width in (390, 1280):
        for scheme in ("light", "dark"):
            browser.show(path, width, scheme)
            assert browser.tell("innerWidth") == width
            assert browser.complaints == [] and browser.requests == [f"file://{path}"]
            assert browser.tell("document.scrollingElement.scrollWidth") <= width
            assert browser.tell(STICKING_OUT) == []
            pairs = browser.tell(COLOURS)
            assert len(pairs) >= 3
            assert {pair: where for pair, where in pairs.items() if contrast(*pair.split()) < 4.5} == {}
            grounds.add(browser.tell("getComputedStyle(document.documentElement).backgroundColor"))
            keep(browser, f"{kind}-{width}-{scheme}")
    assert len(grounds) == 2
    assert browser.tell("document.title").startswith("harpsweep: ")


@pytest.mark.browser
def test_what_a_screen_reader_is_told(busy_one, browser):
    """The same at both widths, although a narrow screen has no columns."""
    path = saved(busy_one)
    for width in (390, 1280):
        browser.show(path, width)
        told = browser.spoken()
        roles = [role for role, _ in told]
        assert {"banner", "navigation", "main", "contentinfo"} <= set(roles)
        assert ("heading", "Reclaimed per day") in told and ("region", "What waits") in told
        assert roles.count("table") == 7 and ("columnheader", "Why") in told
        assert ("rowheader", "context_chat_backend") in told or ("rowheader", "App context_chat_backend") in told
        [drawing] = [name for role, name in told if role == "image"]
        assert drawing.startswith("A bar for each day from ") and "the largest up to 70.0 GB" in drawing


@pytest.mark.browser
def test_on_paper(busy_one, browser):
    path = saved(busy_one)
    browser.show(path, 1280, "dark", media="print")
    assert browser.tell("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert browser.tell("[...document.querySelectorAll('.scroll')].every(e => e.scrollHeight <= e.clientHeight)")
    keep(browser, "busy-print")
    browser.show(path, 700, media="print")  # A4 between its margins
    assert browser.tell("document.scrollingElement.scrollWidth") <= 700
    assert browser.tell("getComputedStyle(document.querySelector('tbody tr')).display") == "table-row"
    browser.show(path)
    assert browser.paper().startswith(b"%PDF-") and browser.complaints == []


@pytest.mark.browser
def test_the_browser_would_notice(busy_one, browser):
    """What the tests above rest on: a page that loads, complains and sticks out is caught; its script is refused."""
    path = saved(busy_one)
    text = path.read_text(encoding="utf-8")
    evil = "<script>console.error('ran')</script><img src='http://192.0.2.1/x.png'><p style='width:2000px'>x</p></main>"
    path.write_text(text.replace("</main>", evil), encoding="utf-8")
    browser.show(path, 390)
    assert "ran" not in browser.complaints and len(browser.complaints) >= 2
    assert all("Content Security Policy" in complaint for complaint in browser.complaints)
    assert browser.tell("document.scrollingElement.scrollWidth") > 390
    path.write_text(re.sub('<meta http-equiv[^>]*>', '', text).replace("</main>", evil), encoding="utf-8")
    browser.show(path, 390)
    assert "ran" in browser.complaints and "http://192.0.2.1/x.png" in browser.requests


# ------------------------------------------------------------------ for programs

MEMBERS = {
    "made_at", "zone", "days", "from", "attention", "enabled", "removed", "bytes_freed", "ended_otherwise", "failed_in_days", "failed",
    "waiting_jobs", "waiting_bytes", "waiting_unsized", "due", "late", "daemons_stopped", "per_day", "apps", "pending", "next",
    "waiting", "failed_jobs", "daemons", "unknown_daemons", "intake_errors", "last_run"}


def test_members_are_those_of_the_readme(busy_one):
    document = busy_one("report", "--json").json
    assert set(document) == MEMBERS
    words = re.search(r"`report` prints(.*?)\.\n", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)[1]
    assert set(re.findall(r"`(\w+)`", words)) == MEMBERS
    assert busy_one("report", "--format=json").json.keys() == document.keys()


def test_the_sums_are_exact(program, connection):
    ended(connection, 1, size=2**60 + 1)
    ended(connection, 3, size=2**60 + 2, app="other")
    ended(connection, 3, "failed")
    ended(connection, 40, "failed", image="older:1")
    document = program("report", "--json").json
    assert document["bytes_freed"] == 2**61 + 3 == sum(day["bytes_freed"] for day in document["per_day"])
    assert [app["bytes_freed"] for app in document["apps"]] == [2**60 + 2, 2**60 + 1]
    assert (document["failed_in_days"], document["failed"]) == (1, 2)
    assert document["daemons"][0]["bytes_freed"] == 2**61 + 3
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document[name]) for name in ("made_at", "from"))
    page_of(program("report"))


def test_it_needs_no_more_than_the_role_of_readers(tmp_path, cluster, database, connection):
    busy(connection)
    if not one(connection, "select count(*) from pg_roles where rolname = 'report_user'"):
        connection.execute("create role report_user login in role harpsweep_reader")
    program = Program(tmp_path, cluster.conninfo(database.name, user="report_user"), "http://127.0.0.1:9")
    done = program("report", "--json")
    assert done.json["removed"] == 60 and "Nextcloud's tables could not be read" in done.err


# ------------------------------------------------------------------ files and mistakes


def test_a_file_is_written_whole_or_not_at_all(empty_one, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("before", encoding="utf-8")
    before = os.umask(0o027)
    try:
        assert empty_one("report", "--output", path).out == ""
    finally:
        os.umask(before)
    Page(path.read_text(encoding="utf-8"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == [path.name]
    assert empty_one("report", "--output", "-").out.startswith("<!DOCTYPE html>")


def test_a_file_that_can_not_be_written(empty_one, tmp_path):
    path = tmp_path / "missing" / "report.html"
    assert (f"{path} could not be written: no file can be made beside it: No such file or directory"
            in empty_one("report", "--output", path, code=70).err)


@pytest.mark.parametrize("where", ["", "/dev/null", "/dev/stdout"])
def test_what_is_no_file_is_not_replaced(empty_one, tmp_path, where):
    path = where or tmp_path
    kind = stat.S_IFMT(os.stat(path).st_mode)
    done = empty_one("report", "--output", path, code=64)
    assert f"option --output does not take '{path}': it is there and no file" in done.err
    assert stat.S_IFMT(os.stat(path).st_mode) == kind


def test_a_full_disk_leaves_the_old_report(busy_one, tmp_path):
    """The output of a process that may write no more than a few bytes."""
    path = tmp_path / "report.html"
    path.write_text("before", encoding="utf-8")

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run([PROGRAM, "-c", busy_one.settings, "report", "--output", path], capture_output=True, text=True,
                          preexec_fn=limit, check=False)
    assert done.returncode == 70 and f"{path} could not be written: File too large" in done.stderr
    assert path.read_text(encoding="utf-8") == "before" and os.listdir(tmp_path) == ["report.html"]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_answer_that_can_not_be_true_is_no_report(program, connection, tmp_path, options):
    """The row would be a bar to the left of nothing, and take from the sums."""
    path = tmp_path / "report"
    connection.execute("alter table harpsweep.job drop constraint job_bytes_are_not_negative")
    ended(connection, 0, size=10**9)
    ended(connection, 1, size=-5)
    done = program("report", *options, "--output", path, code=69)
    assert ("database: report_days, row 1: bytes_freed is '-5', not a whole number from 0 to 9223372036854775807"
            in done.err)
    assert done.out == "" and not path.exists()


@pytest.mark.parametrize("arguments, said", [
    (["--days=0"], "option --days of the command report needs a whole number from 1 to 365, not '0'"),
    (["--days=366"], "option --days needs a whole number from 0 to 365, not '366'"),
    (["--format=text"], "command report has no --format=text"),
    (["--format=csv"], "command report has no --format=csv"),
    (["more"], "command report takes no argument 'more'"),
])
def test_mistakes(idle, arguments, said):
    assert said in idle("report", *arguments, code=64).err


def test_html_is_of_the_report_only(idle):
    assert "command status has no --format=html" in idle("status", "--format=html", code=64).err


def test_a_folder_of_settings_is_too_many(idle):
    with idle.start_with(idle.settings.parent, "report") as process:
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 78 and "is a folder" in err and "the other commands one file" in err


def test_without_the_database(idle, tmp_path):
    path = tmp_path / "report.html"
    assert idle("report", "--output", path, code=69).out == ""
    assert not path.exists()
