"""A command with a terminal as its standard output."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import unicodedata


def on_terminal(command, columns=80, **environment):
    """Runs it to its end; returns what it wrote to the terminal, as lines."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    settings = termios.tcgetattr(theirs)
    settings[1] &= ~termios.OPOST  # no CR LF
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    written = b""
    with subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=theirs,
                          stderr=subprocess.PIPE, env={**kept, "TERM": "xterm", **environment}) as process:
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
