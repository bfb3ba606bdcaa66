"""Trees of the repository to work in: one with all mutants of C built in, and one for each worker."""

import hashlib
import json
import re
import shutil
import subprocess

import c_mutants

PARTS = ("Makefile", "README.md", "LICENSE", "bin", "etc", "sql", "src", "tests")
VARIANTS = ("release", "san")


def copy(root, tree):
    """A fresh copy of what a build and the tests need."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for part in PARTS:
        if (root / part).is_dir():
            shutil.copytree(root / part, tree / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "harpsweep"))
        else:
            shutil.copy2(root / part, tree / part)


def digest(paths):
    """Of the contents of files."""
    seen = hashlib.sha256()
    for path in sorted(paths):
        seen.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return seen.hexdigest()


def program(root, work, sites, say):
    """Builds program and unit tests with the mutants in them; returns the tree."""
    tree = work / "program"
    tools = [root / "tests" / "mutation" / name for name in ("mutant.c", "mutant.h")]
    sources = [path for folder in ("src", "tests/unit", "sql/queries") for path in (root / folder).iterdir()]
    state = digest([*sources, root / "Makefile", *tools])
    state += hashlib.sha256(json.dumps([(m.key, m.number) for m in sites]).encode()).hexdigest()
    built = tree / "built"
    if built.exists() and built.read_text() == state:
        return tree
    copy(root, tree)
    for path in sorted({mutant.path for mutant in sites}):
        text = (root / path).read_text()
        changed = c_mutants.instrument(text, [mutant for mutant in sites if mutant.path == path])
        (tree / path).write_text(changed)
    database = tree / "src" / "db.c"
    text, count = re.subn(r"(PQsendQueryParams\([^,]+, )([^,]+)", r"\1mutant_query(\2)", database.read_text())
    assert count == 1, "src/db.c sends its queries in another way than expected"
    database.write_text(text)
    for tool in tools:
        shutil.copy2(tool, tree / "src")
    makefile = tree / "Makefile"
    makefile.write_text(makefile.read_text().replace("SOURCES := \\\n", "SOURCES := \\\n\tsrc/mutant.c \\\n", 1))
    tests = [path.stem for path in sorted((tree / "tests" / "unit").glob("test_*.c"))]
    for variant in VARIANTS:
        say(f"building the mutants: {variant}")
        targets = [f"build/{variant}/{test}" for test in tests]
        subprocess.run(["make", "-s", "--no-print-directory", "-j2", f"VARIANT={variant}",
                        "CPPFLAGS=-include src/mutant.h -w", *targets, *(["bin/harpsweep"] if variant == "release" else [])],
                       cwd=tree, check=True, stdout=subprocess.DEVNULL)
    built.write_text(state)
    return tree


def worker(root, work, number, built):
    """A tree for one worker, whose SQL files it may change."""
    tree = work / f"worker-{number}"
    copy(root, tree)
    shutil.copy2(built / "bin" / "harpsweep", tree / "bin" / "harpsweep")
    return tree
