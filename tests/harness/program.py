"""bin/harpsweep with a settings file of the test's own."""

import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("HARPSWEEP_PROGRAM", str(ROOT / "bin" / "harpsweep"))


class Done:
    """How a run of the program ended."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code}\n{self.out}\n{self.err}"


class Program:
    """Settings in `folder`, changed by what a test sets in `sections`, and calls of the program with them."""

    def __init__(self, folder, conninfo, url=None, key="test-shared-key"):
        self.folder = pathlib.Path(folder)
        self.key_file = self.folder / "harp.key"
        self.write_key(key)
        self.sections = {"database": {"conninfo": conninfo}, "harp": {"shared_key_file": self.key_file}, "cleanup": {},
                         "run": {}}
        if url is not None:
            self.sections["daemon:harp"] = {"url": url}

    def write_key(self, key, path=None):
        path = path or self.key_file
        path.touch(mode=0o600)
        path.write_text(key + "\n", encoding="ascii")
        return path

    @property
    def settings(self):
        """The settings file as it is now."""
        path = self.folder / "harpsweep.ini"
        lines = []
        for section, options in self.sections.items():
            lines.append(f"[{section}]")
            lines += [f"{name} = {value}" for name, value in options.items()]
        text = "\n".join(lines) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:  # a run may be reading it
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")
        return path

    def start(self, *arguments, **environment):
        return self.start_with(self.settings, *arguments, **environment)

    @staticmethod
    def start_with(settings, *arguments, **environment):
        return subprocess.Popen([PROGRAM, "-c", str(settings), *map(str, arguments)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                                env={**os.environ, **environment})

    def __call__(self, *arguments, code=0, **environment):
        """Runs it to the end; code: the exit code that must follow, None for any."""
        with self.start(*arguments, **environment) as process:
            out, err = process.communicate(timeout=120)
        done = Done(process.returncode, out, err)
        assert code is None or done.code == code, done
        return done
