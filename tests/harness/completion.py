"""What bash, zsh and fish offer behind a line that is typed, each asked itself."""

import os
import pathlib
import pty
import re
import shlex
import subprocess
import time

from harness.program import PROGRAM, ROOT

FOLDER = ROOT / "etc" / "completion"
ENVIRONMENT = {**os.environ, "PATH": f"{pathlib.Path(PROGRAM).resolve().parent}:{os.environ['PATH']}", "TERM": "dumb"}

# Readline calls what `complete` bound to the name; what that answers also goes to a file. The
# line itself is never entered.
BASH = r"""
PS1= PS2=
source {file}
function=$(complete -p harpsweep | sed 's/.* -F \([^ ]*\) .*/\1/')
told() {{ $function "$@"; printf '%s\n' "${{COMPREPLY[@]}}" >{answer}.new; mv {answer}.new {answer}; }}
complete -F told harpsweep
echo ready
"""

# A shell in a terminal of its own, in which each match is told instead of shown; the line ends with a tab.
ZSH_INSIDE = r"""
unsetopt rcs zle_bracketed_paste
PROMPT= RPROMPT=
fpath=({folder} $fpath)
autoload -Uz compinit && compinit -u -D
bindkey '^I' complete-word
zstyle ':completion:*' verbose yes
compadd() {{
    [[ ${{@[1,(i)(-|--)]}} == *-(O|A|D)\ * ]] && {{ builtin compadd "$@"; return }}
    local -a hits
    builtin compadd -A hits "$@"
    local hit
    for hit in $hits; do print -r -- "match<$hit>"; done
    builtin compadd "$@"
}}
# zsh forgets it after each completion.
told() {{ print; print 'end<>'; comppostfuncs=(told) }}
comppostfuncs=(told)
print 'ready<>'
"""
ZSH = r"""
zmodload zsh/zpty
zpty inside env TERM=dumb zsh -f -i
zpty -w inside "source {inside}"
while zpty -r inside got; do [[ $got == *ready\<\>* && $got != *print* ]] && break; done
for line in {lines}; do
    zpty -w -n inside $'\x15'$line$'\t'
    while zpty -r inside got; do
        print -r -- $got
        [[ $got == *end\<\>* ]] && break
    done
done
"""


def run(arguments, **more):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60, env=ENVIRONMENT,
                          stdin=subprocess.DEVNULL, **more)
    assert done.stderr == "", done.stderr
    return done.stdout


def bash(lines, folder):
    """In a terminal, for readline is what cuts a line into words."""
    inside, answer = folder / "inside.bash", folder / "answer"
    inside.write_text(BASH.format(file=shlex.quote(str(FOLDER / "harpsweep.bash")), answer=shlex.quote(str(answer))),
                      encoding="utf-8")
    matches = []
    terminal, other = pty.openpty()
    with subprocess.Popen(["bash", "--noprofile", "--rcfile", str(inside), "-i"], stdin=other, stdout=other, stderr=other,
                          env=ENVIRONMENT, cwd=folder, start_new_session=True) as shell:
        os.close(other)
        try:
            said = b""
            while b"ready" not in said:
                said += os.read(terminal, 4096)
            for line in lines:
                answer.unlink(missing_ok=True)
                os.write(terminal, b"\x15" + line.encode() + b"\t")
                deadline = time.monotonic() + 60
                while not answer.exists():
                    assert time.monotonic() < deadline, f"bash did not ask the completion for {line!r}"
                    time.sleep(0.005)
                matches.append({match for match in answer.read_text(encoding="utf-8").splitlines() if match})
        finally:
            shell.kill()
            os.close(terminal)
    return matches


def zsh(lines, folder):
    inside = folder / "inside.zsh"
    inside.write_text(ZSH_INSIDE.format(folder=shlex.quote(str(FOLDER))), encoding="utf-8")
    output = run(["zsh", "-f", "-c", ZSH.format(inside=inside, lines=" ".join(map(shlex.quote, lines)))], cwd=folder)
    answers = output.split("end<>")[:-1]
    return [{part.split(">", 1)[0] for part in answer.split("match<")[1:]} for answer in answers]


def fish(lines, folder):
    asked = "; ".join(f"complete -C {shlex.quote(line)}; echo end" for line in lines)
    (folder / "home").mkdir(exist_ok=True)
    output = run(["env", f"HOME={folder / 'home'}", "fish", "--no-config", "-c",
                  f"source {shlex.quote(str(FOLDER / 'harpsweep.fish'))}; {asked}"])
    return [{match.split("\t")[0] for match in answer.splitlines()} for answer in re.split(r"^end\n", output, flags=re.M)[:-1]]
