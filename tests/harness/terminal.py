"""A command with a terminal as its standard output, or as its standard error."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import unicodedata

ROWS = 50
SEQUENCE = re.compile(r"\x1b\[(\d*)([A-Za-z])")


def set_size(descriptor, columns, rows=ROWS):
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def open_terminal(columns, rows=ROWS):
    """(ours, theirs) of a new one."""
    ours, theirs = pty.openpty()
    set_size(theirs, columns, rows)
    return ours, theirs


def environment_with(more):
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    return {**kept, "TERM": "xterm", **more}


def on_terminal(command, columns=80, **environment):
    """Runs it to its end; returns what it wrote to the terminal, as lines."""
    ours, theirs = open_terminal(columns)
    settings = termios.tcgetattr(theirs)
    settings[1] &= ~termios.OPOST  # no CR LF
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    written = b""
    with subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=theirs,
                          stderr=subprocess.PIPE, env=environment_with(environment)) as process:
        os.close(theirs)
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # EIO: nobody has it open any more
                break
            if not piece:
                break
            written += piece
        process.communicate()
    os.close(ours)
    return written.decode("utf-8").splitlines()


def width(text):
    """Columns that it takes, by another table of Unicode's than the program's."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


class Watched:
    """A command whose standard error is a terminal that somebody watches; its standard output is a pipe.

    `written` is all that it wrote there so far, `shown()` what stands on the screen now.
    """

    def __init__(self, command, columns=80, rows=ROWS, **environment):
        self.columns = columns
        self.ours, theirs = open_terminal(columns, rows)
        self.written = ""
        self.out = None
        self.began = time.monotonic()
        self.first = None  # seconds until something was written
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=theirs, env=environment_with(environment), text=True)
        os.close(theirs)

    def resize(self, columns):
        self.columns = columns
        set_size(self.ours, columns)

    def read(self, seconds):
        """Takes what comes within so long; False where nothing will come any more."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.ours], [], [], left)[0]:
                return True
            try:
                piece = os.read(self.ours, 65536)
            except OSError:  # EIO: nobody has it open any more
                return False
            if self.first is None:
                self.first = time.monotonic() - self.began
            self.written += piece.decode("utf-8")
        return True

    def until(self, what, seconds=20):
        """Reads until what() is true; what may also be a text on the screen."""
        end = time.monotonic() + seconds
        while not (what() if callable(what) else what in "\n".join(self.shown())):
            assert self.read(0.02) and time.monotonic() < end, self.written

    def end(self, seconds=60):
        """Reads to the end of the command; its exit code."""
        while self.read(seconds):
            assert time.monotonic() - self.began < seconds, self.written
        self.out = self.process.communicate(timeout=seconds)[0]
        os.close(self.ours)
        return self.process.returncode

    def shown(self):
        return shown(self.written, self.columns)


def shown(written, columns):
    """The lines of a terminal that took written: text, CR, LF, and the few sequences that are expected of the
    program. Anything else fails, as does a line that is too wide and no message."""
    lines, row, column = [""], 0, 0
    at = 0
    while at < len(written):
        letter = written[at]
        sequence = SEQUENCE.match(written, at)
        at = sequence.end() if sequence else at + 1
        if sequence and sequence[2] == "K":
            lines[row] = lines[row][:column]
        elif sequence and sequence[2] == "J":
            lines[row:] = [lines[row][:column]]
        elif sequence and sequence[2] == "A":
            row -= int(sequence[1])
            assert row >= 0, "above the first line"
        elif sequence:
            assert sequence[2] == "m", f"an unexpected sequence: {sequence[0]!r}"
        elif letter == "\r":
            column = 0
        elif letter == "\n":
            row, lines = row + 1, lines + [""] * (row + 2 - len(lines))
        elif letter == "\x1b" and SEQUENCE.match(written[at - 1:] + "K"):
            break  # its rest is still to come
        else:
            assert letter.isprintable(), f"{letter!r} reached the terminal"
            lines[row] = lines[row].ljust(column)[:column] + letter + lines[row][column + 1:]
            column += 1
            # A message goes on in the next row of a terminal, which is the same line here: nothing goes up into it.
            assert width(lines[row][:column]) < columns or lines[row].startswith("harpsweep: "), f"too wide: {lines[row]!r}"
    return [line.rstrip() for line in lines]
