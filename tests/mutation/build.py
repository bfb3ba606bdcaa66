"""Trees of the repository to work in: one with all mutants of C built in, and one for each worker."""

import hashlib
import json
import re
import shutil
import subprocess

import c_mutants

PARTS = ("Makefile", "README.md", "LICENSE", "bin", "etc", "sql", "src", "tests")
VARIANTS = ("release", "san")
BUILT = ("build", "bin", "built")


def copy(root, tree, changed=None):
    """What a build and the tests need. changed: {path: text in place of the file's}. Files that are as they should be
    are left alone, so that make builds only what others need."""
    wanted = {}
    for part in PARTS:
        for path in [root / part] if (root / part).is_file() else sorted((root / part).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path != root / "bin" / "harpsweep":
                wanted[path.relative_to(root)] = path
    for path in sorted(tree.rglob("*")):
        name = path.relative_to(tree)
        if path.is_file() and name not in wanted and name.parts[0] not in BUILT and name.as_posix() not in (changed or {}):
            path.unlink()
    for name, source in wanted.items():
        text = (changed or {}).get(name.as_posix())
        put(tree / name, source.read_bytes() if text is None else text.encode(), source)
    for name in set(changed or {}) - {name.as_posix() for name in wanted}:
        put(tree / name, changed[name].encode(), None)


def put(path, content, source):
    """Writes a file unless it is there."""
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if source is not None:
        path.chmod(source.stat().st_mode)


def digest(paths):
    """Of the contents of files."""
    seen = hashlib.sha256()
    for path in sorted(paths):
        seen.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return seen.hexdigest()


def program(root, work, sites, units, say):
    """Builds the program, and the unit tests if wanted, with the mutants in them; returns the tree."""
    tree = work / "program"
    tools = [root / "tests" / "mutation" / name for name in ("mutant.c", "mutant.h")]
    sources = [path for folder in ("src", "tests/unit", "sql/queries") for path in (root / folder).iterdir()]
    state = digest([*sources, root / "Makefile", *tools])
    state += hashlib.sha256(json.dumps([(m.key, m.number) for m in sites]).encode()).hexdigest()
    built = tree / "built"
    if built.exists() and built.read_text() in (state, *([] if units else [f"{state} without unit tests"])):
        return tree
    built.unlink(missing_ok=True)
    changed = {}
    for path in sorted({mutant.path for mutant in sites}):
        text = (root / path).read_text()
        changed[path] = c_mutants.instrument(text, [mutant for mutant in sites if mutant.path == path])
    for sends in (r"(PQsendQueryParams\([^,]+, )(step->[^,]+)", r"(PQsendPrepare\([^,]+, [^,]+, )([^,]+)"):
        changed["src/db.c"], count = re.subn(sends, r"\1mutant_query(\2)", changed["src/db.c"])
        assert count == 1, "src/db.c sends its queries in another way than expected"
    for tool in tools:
        changed[f"src/{tool.name}"] = tool.read_text()
    makefile = (root / "Makefile").read_text()
    changed["Makefile"] = makefile.replace("SOURCES := \\\n", "SOURCES := \\\n\tsrc/mutant.c \\\n", 1)
    copy(root, tree, changed)
    tests = [path.stem for path in sorted((tree / "tests" / "unit").glob("test_*.c"))]
    for variant in VARIANTS if units else VARIANTS[:1]:
        say(f"building the mutants: {variant}")
        targets = [f"build/{variant}/{test}" for test in tests]
        subprocess.run(["make", "-s", "--no-print-directory", "-j2", f"VARIANT={variant}",
                        "CPPFLAGS=-include src/mutant.h -w", *(targets if units else []), *(["bin/harpsweep"] if variant == "release" else [])],
                       cwd=tree, check=True, stdout=subprocess.DEVNULL)
    built.write_text(state if units else f"{state} without unit tests")
    return tree


def worker(root, work, number, built):
    """A tree for one worker, whose SQL files it may change."""
    tree = work / f"worker-{number}"
    copy(root, tree)
    shutil.copy2(built / "bin" / "harpsweep", tree / "bin" / "harpsweep")
    return tree
