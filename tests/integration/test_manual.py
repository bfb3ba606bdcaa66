"""The manual pages name all there is, and nothing that is not: beside the program's help and an installed schema."""

import re
import subprocess

import pytest

from harness.program import PROGRAM, ROOT

PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "etc" / "man").iterdir())}
COMMANDS_PAGE, SETTINGS_PAGE, SCHEMA_PAGE = PAGES["harpsweep.1"], PAGES["harpsweep.ini.5"], PAGES["harpsweep.7"]
OF_EVERY_PRINTING_COMMAND = {("format", "FORMAT"), ("json", "")}


def plain(source):
    """mdoc as its words: macros and their quotes left out, one space between words."""
    words = re.sub(r"^\.[A-Z][a-z]\b", " ", source, flags=re.M)
    words = re.sub(r"\b(Ar|Cm|Dq|Fl|Ic|Li|No|Ns|Op|Pa|Pq|Sq|Va|Xr)\b", " ", words)
    return " ".join(words.replace("\\&", "").split())


def parts(source, macro):
    """Title and text of each `.Sh` or `.Ss`."""
    texts = re.split(rf"^\.{macro} (.*)\n", source, flags=re.M)[1:]
    return {title.replace("\\&", ""): text for title, text in zip(texts[::2], texts[1::2])}


def items(source):
    """Head and text of each `.It`."""
    texts = re.split(r"^\.It (.*)\n", source, flags=re.M)[1:]
    return {head: plain(text) for head, text in zip(texts[::2], texts[1::2])}


def options_of(source):
    """("name", "ARGUMENT") of each option that has an entry."""
    found = [re.search(r"Fl -([a-z-]+)(?: Ar ([A-Z]+))?", head) for head in items(source)]
    return {(match[1], match[2] or "") for match in found if match}


def help_of(*words):
    return subprocess.run([PROGRAM, "help", *words], capture_output=True, text=True, check=True).stdout


def helped_options(text):
    return {(name, argument) for name, argument in re.findall(r"^  (?:-\w,|   ) --([a-z-]+)(?: ([A-Z]+))? ", text, re.M)}


def helped_commands():
    listed = re.search(r"^Commands:\n(.*?)\n\n", help_of(), re.M | re.S)[1]
    return [line.split()[0] for line in listed.splitlines()]


COMMANDS = {title.split()[0]: (title, text)
            for title, text in parts(parts(COMMANDS_PAGE, "Sh")["COMMANDS"], "Ss").items()}
GLOBAL = options_of(parts(COMMANDS_PAGE, "Sh")["OPTIONS OF ALL COMMANDS"])


def test_the_commands_are_those_of_the_help():
    assert sorted(COMMANDS) == sorted(helped_commands())
    assert len(COMMANDS) > 10


def test_the_options_of_all_commands():
    assert GLOBAL == helped_options(help_of())
    assert len(GLOBAL) > 3


@pytest.mark.parametrize("command", helped_commands())
def test_the_options_of_a_command(command):
    text = help_of(command)
    options = helped_options(text) - GLOBAL
    assert options - OF_EVERY_PRINTING_COMMAND == options_of(COMMANDS[command][1])
    assert (options & OF_EVERY_PRINTING_COMMAND) in (OF_EVERY_PRINTING_COMMAND, set())


@pytest.mark.parametrize("command", [name for name in helped_commands() if name != "help"])  # "help help" is "help"
def test_the_arguments_of_a_command(command):
    usage = re.match(r"Usage: harpsweep (.*) \[OPTIONS\]\n", help_of(command))[1]
    title = re.sub(r"Fl -", "--", COMMANDS[command][0])
    title = " ".join(re.sub(r"\b(Ar|Cm|Fl)\b", " ", title).replace(" ...", "...").split())
    assert title == usage


def test_letters_and_arguments_stand_with_their_options():
    """-c PATH and --config PATH are one entry."""
    lettered = dict(re.findall(r"^  -(\w), --([a-z-]+)", "\n".join(help_of(*words) for words in ([], ["run"])), re.M))
    documented = dict(re.findall(r"^\.It Fl (\w)(?: Ar \w+)? , Fl -([a-z-]+)", COMMANDS_PAGE, re.M))
    assert documented == lettered


@pytest.mark.parametrize("option, command", [("state", "list"), ("sort", "list"), ("event", "schedule")])
def test_words_that_an_option_takes(option, command):
    """Every word that the program takes, found by trying all words of the page, and every one that its help names."""
    words = {word for head, text in items(COMMANDS[command][1]).items() if f"-{option} " in head
             for word in re.findall(r"\w+", text)}
    candidates = words | set(re.findall(r"\w+", help_of(command)))

    def taken(word):
        done = subprocess.run([PROGRAM, command, f"--{option}", word, "--limit=0", "--grace-hours=x"],
                              capture_output=True, text=True, check=False)
        return "does not know" not in done.stderr

    accepted = {word for word in candidates if taken(word)}
    assert len(accepted) >= 4
    assert accepted <= words


def test_exit_codes():
    header = (ROOT / "src" / "err.h").read_text(encoding="utf-8")
    codes = set(re.findall(r"^    EXIT_CODE_\w+ = (\d+),", header, re.M))
    assert set(items(parts(COMMANDS_PAGE, "Sh")["EXIT STATUS"])) == codes
    assert set(re.findall(r"\b(\d+) ", re.search(r"^Exit codes: (.*)", help_of(), re.M | re.S)[1])) == codes


def test_environment_and_default_path():
    read = {name for path in (ROOT / "src").glob("*.c")
            for name in re.findall(r'getenv\("(\w+)"\)', path.read_text(encoding="utf-8"))}
    named = set(re.findall(r"^\.It Ev (\w+)$", COMMANDS_PAGE, re.M))
    assert named == read
    assert "/etc/harpsweep/harpsweep.ini" in help_of()
    assert ".It Pa /etc/harpsweep/harpsweep.ini\n" in COMMANDS_PAGE


# ------------------------------------------------------------------ settings


def helped_settings():
    """(section, name, type, allowed, default) of each option."""
    section = None
    for line in help_of("settings").splitlines():
        if line.startswith("["):
            section = line
        match = re.match(r"(\w+) = (.*?) *   \((.*)\)$", line)
        if match:
            kind, _, allowed = match[3].replace("pattern, repeatable", "pattern").partition(", ")
            yield section, match[1], kind, allowed, match[2]


SETTINGS = list(helped_settings())


def documented_settings():
    for title, text in parts(SETTINGS_PAGE, "Sh").items():
        if title.startswith("SECTION "):
            for head, words in items(text).items():
                match = re.fullmatch(r"Ic (\w+) No = Ar (\w+)", head)
                assert match, head
                yield title.removeprefix("SECTION "), match[1], match[2], words


def test_the_settings_are_those_of_the_table_in_its_order():
    assert [entry[:2] for entry in documented_settings()] == [entry[:2] for entry in SETTINGS]
    assert len(SETTINGS) > 25


@pytest.mark.parametrize("section, name, kind, allowed, default", SETTINGS)
def test_type_range_and_default_of_a_setting(section, name, kind, allowed, default):
    [(documented, words)] = [entry[2:] for entry in documented_settings() if entry[:2] == (section, name)]
    assert documented == kind.split()[-1]
    if kind != "boolean":
        assert allowed in words
    assert re.findall(r"Default: (\S+) \.$", words) == ([default] if default else [])


def test_the_example_of_the_settings_is_a_whole_file(program):
    [example] = re.findall(r"^\.Bd -literal\n(.*?)^\.Ed", SETTINGS_PAGE, re.M | re.S)
    path = program.folder / "example.ini"
    text = example.replace("/etc/harpsweep/harp.key", str(program.key_file))
    assert text != example
    path.write_text(re.sub(r"conninfo = .*", f"conninfo = {program.sections['database']['conninfo']}", text),
                    encoding="utf-8")
    with program.start_with(path, "list") as process:
        assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0


# ------------------------------------------------------------------ table, views, functions


def column_names(source):
    heads = re.findall(r"^\.It Va (.*)$", source, re.M)
    return sorted(name for head in heads for name in head.split(" , "))


def columns_of(connection, relation):
    rows = connection.execute("select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 "
                              "and not attisdropped", (relation,))
    return sorted(name for name, in rows)


@pytest.mark.parametrize("view", ["jobs", "job_event", "daemon_health", "daily"])
def test_the_columns_of_a_view(rows_only, view):
    text = parts(SCHEMA_PAGE, "Sh")[f"THE VIEW harpsweep.{view}"]
    assert column_names(text) == columns_of(rows_only, f"harpsweep.{view}")


def test_every_view_has_a_section(rows_only):
    views = {f"THE VIEW {name}" for name, in rows_only.execute(
        "select oid::regclass::text from pg_class where relnamespace = 'harpsweep'::regnamespace and relkind = 'v'")}
    assert {title for title in parts(SCHEMA_PAGE, "Sh") if title.startswith("THE VIEW")} == views


def test_the_tables(rows_only):
    tables = {f"Li {name}" for name, in rows_only.execute(
        "select oid::regclass::text from pg_class where relnamespace = 'harpsweep'::regnamespace and relkind = 'r'")}
    assert set(items(parts(SCHEMA_PAGE, "Sh")["TABLES"])) == tables


def test_the_roles(rows_only):
    roles = {f"Li {name}" for name, in rows_only.execute(
        "select rolname from pg_roles where rolname like 'harpsweep\\_%'")}
    assert set(items(parts(SCHEMA_PAGE, "Sh")["ROLES"])) == roles


def test_the_states(rows_only):
    states = [name for name, in rows_only.execute("select unnest(enum_range(null::harpsweep.job_state))::text")]
    assert re.findall(r"^\.It Cm (\w+)$", parts(SCHEMA_PAGE, "Sh")["STATES"], re.M) == states


def test_the_functions_that_others_may_call(rows_only):
    """Name, and name and type of each argument, of all that the writer may execute; that is what the grants open."""
    functions = {name: arguments.split(", ") if arguments else [] for name, arguments in rows_only.execute(
        "select oid::regproc::text, pg_get_function_arguments(oid) from pg_proc "
        "where pronamespace = 'harpsweep'::regnamespace and has_function_privilege('harpsweep_writer', oid, 'execute')")}
    documented = {}
    for head in items(parts(SCHEMA_PAGE, "Sh")["FUNCTIONS"]):
        name, *arguments = re.findall(r'"[^"]+"|\S+', head.removeprefix("Fn "))
        documented[name] = [argument.strip('"') for argument in arguments]
    assert documented == {name: [argument.split(" DEFAULT ")[0] for argument in arguments]
                          for name, arguments in functions.items()}


def test_the_defaults_of_schedule(rows_only):
    arguments = rows_only.execute("select pg_get_function_arguments('harpsweep.schedule'::regproc)").fetchone()[0]
    defaults = [default.split("::")[0].lower() for default in re.findall(r"DEFAULT (.*?)(?:, |$)", arguments)]
    entry = next(text for head, text in items(SCHEMA_PAGE).items() if head.startswith("Fn harpsweep.schedule "))
    assert "The last four have defaults: " + " , ".join(defaults) + " ." in entry


def test_the_words_of_schedule(rows_only):
    """The constraints of the table say which events and choices there are."""
    entry = next(text for head, text in items(SCHEMA_PAGE).items() if head.startswith("Fn harpsweep.schedule "))
    for column, least in (("event", 4), ("choice", 3)):
        definition = rows_only.execute("select pg_get_constraintdef(oid) from pg_constraint where conname = %s",
                                       (f"job_{column}_is_known",)).fetchone()[0]
        words = re.findall(r"'(\w+)'", definition)
        assert len(words) >= least
        assert set(words) <= set(re.findall(r"\w+", entry))


def test_the_examples_in_sql_work(rows_only):
    examples = re.findall(r"^\.Bd -literal -offset indent\n(.*?)^\.Ed", parts(SCHEMA_PAGE, "Sh")["EXAMPLES"], re.M | re.S)
    assert len(examples) == 3
    for example in examples:
        assert rows_only.execute(example).description


def test_pages_of_ours_that_are_referred_to_exist():
    for name, text in PAGES.items():
        for page, section in re.findall(r"^\.Xr (harpsweep\S*) (\d)", text, re.M):
            assert f"{page}.{section}" in PAGES, name


def test_files_that_are_named_are_installed_from_here():
    for text in PAGES.values():
        for path in re.findall(r"/usr/local/share/harpsweep/(\S+)", text):
            assert (ROOT / path).is_file() or (ROOT / "etc" / path).is_file(), path
