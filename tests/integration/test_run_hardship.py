"""Runs that are held up, cut short, or start without what a process usually has."""

# pylint: disable=missing-function-docstring,redefined-outer-name

import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness.program import PROGRAM
from harness.rows import job, one, schedule, wait_for


def due(connection, image="app:1", daemon="harp", **named):
    return schedule(connection, daemon=daemon, image=image, choice="now", **named)


class Door:
    """In front of a server: while it is shut, nothing is passed on."""

    def __init__(self, port):
        self.behind, self.open = port, threading.Event()
        self.open.set()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.server.accept()
            server = socket.create_connection(("127.0.0.1", self.behind))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source, target):
        try:
            while data := source.recv(65536):
                self.open.wait()
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def test_a_name_that_moves_on_while_the_word_is_waited_for(program, harp, connection, cluster, database):
    """What Docker told before that holds no longer: the new image stays, and the recorded one goes."""
    door = Door(cluster.port)
    program.sections["database"]["conninfo"] = re.sub(
        r"port='?\d+'?", f"port={door.port}", cluster.tcp_conninfo(database.name, user="postgres"))
    old = harp.add_image("app:1")
    number = due(connection, image_id=old)
    harp.fault(kind="inspect", delay=1.5, effect=True)  # so the word of the claim is too old
    with program.start("run") as run:
        wait_for(lambda: harp.log("inspect"))
        time.sleep(0.5)
        door.open.clear()
        time.sleep(2)
        new = harp.add_image("app:1")
        time.sleep(1)
        door.open.set()
        run.communicate(timeout=60)
    assert run.returncode == 0
    assert new in harp.images() and old not in harp.images()
    assert job(connection, number)["state"] == "removed"


class Gate:
    """In front of HaRP: one request a connection, and once an inspect was answered nobody can connect for a while."""

    def __init__(self, port, seconds):
        self.behind, self.seconds, self.shut = port, seconds, threading.Event()
        self.server = socket.socket()
        self.server.bind(("127.0.0.1", 0))
        self.server.listen(0)
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.server.accept()
            asked = client.recv(65536)
            if asked:
                with socket.create_connection(("127.0.0.1", self.behind)) as server:
                    server.sendall(asked)
                    if b"POST" in asked and b"image_ref" not in asked:
                        server.sendall(client.recv(65536))
                    answer = server.recv(65536).replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1)
                if b"/images/" in asked and not self.shut.is_set():
                    self.shut_out(client, answer)
                else:
                    client.sendall(answer)
            client.close()

    def shut_out(self, client, answer):
        crowd = [socket.socket() for _ in range(4)]
        for other in crowd:
            other.setblocking(False)
            other.connect_ex(("127.0.0.1", self.port))
        time.sleep(0.1)
        client.sendall(answer)
        client.close()
        self.shut.set()
        time.sleep(self.seconds)
        for other in crowd:
            other.close()


def test_somebody_changes_his_mind_while_harp_lets_nobody_in(program, harp, connection):
    """A delete that could not be sent while its word was good is not sent before the database was asked again."""
    gate = Gate(harp.port, 2.5)
    program.sections["daemon:harp"]["url"] = f"http://127.0.0.1:{gate.port}"
    image = harp.add_image("app:1")
    number = due(connection)
    with program.start("run") as run:
        assert gate.shut.wait(10)
        time.sleep(0.7)
        connection.execute("select harpsweep.keep('harp', 'app')")
        run.communicate(timeout=60)
    assert harp.log("remove") == [] and image in harp.images()
    assert job(connection, number)["state"] == "kept"


def test_harp_that_lets_nobody_in_for_a_while(program, harp, connection):
    """The same, and nobody changes his mind: it is deleted all the same."""
    gate = Gate(harp.port, 2.5)
    program.sections["daemon:harp"]["url"] = f"http://127.0.0.1:{gate.port}"
    harp.add_image("app:1")
    number = due(connection)
    program("run")
    assert job(connection, number)["state"] == "removed"


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-", "<&- 2>&-"])
def test_descriptors_that_are_closed(program, harp, connection, closed):
    """No connection takes their place: what is said to a person would be sent to PostgreSQL, or to HaRP."""
    for number in range(40):
        if number % 2:
            harp.add_image(f"app:{number}")
        due(connection, image=f"app:{number}" if number else "App:Bad")
    subprocess.run(["sh", "-c", f"'{PROGRAM}' -c '{program.settings}' run -v {closed}"], check=False)
    assert one(connection, "select count(*) from harpsweep.job where next_at is not null") == 0
    assert {entry["kind"] for entry in harp.log()} == {"info", "inspect", "remove"}


def test_a_table_into_nowhere(program, connection):
    due(connection)
    done = subprocess.run(["sh", "-c", f"'{PROGRAM}' -c '{program.settings}' list >&-"], capture_output=True, text=True, check=False)
    assert done.returncode == 70 and "standard output" in done.stderr


def test_the_last_job_is_cut_short(program, harp, connection):
    """No more of them is due, but one was given back: there is work left."""
    harp.add_image("app:1")
    number = due(connection)
    harp.fault(kind="remove", delay=20, effect=False)
    with program.start("run", "--json") as run:
        wait_for(lambda: harp.log("remove"))
        time.sleep(1.5)  # the database was asked for more, and has none
        run.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        run.send_signal(signal.SIGTERM)
        out, _ = run.communicate(timeout=30)
    assert run.returncode == 75 and '"left_work": true' in out
    assert one(connection, "select exit_code from harpsweep.run") == 75
    assert job(connection, number)["state"] == "pending"


def test_a_claim_that_failed_says_nothing_of_daemons(program, harp, connection):
    """Those that the next one does not reach have their jobs still."""
    del program.sections["daemon:harp"]
    program.sections["run"]["max_parallel"] = 2
    for number in range(7):
        program.sections[f"daemon:d{number}"] = {"url": harp.url}
        due(connection, daemon=f"d{number}", image=f"app{number}:1")
    connection.execute("""
        create sequence public.once;
        grant usage on sequence public.once to public;
        create function public.once() returns trigger language plpgsql as $$ begin
            if nextval('public.once') = 1 then raise exception 'deadlock detected' using errcode = '40P01'; end if;
            return new;
        end $$;
        create trigger once before update on harpsweep.job for each row when (new.state = 'claimed') execute function public.once()""")
    program("run")
    assert one(connection, "select count(*) from harpsweep.job where state = 'absent'") == 7


def test_a_connection_that_ends_while_nothing_is_asked(program, harp, connection):
    """It costs nothing until there is a result."""
    harp.add_image("app:1")
    number = due(connection)
    harp.fault(kind="remove", delay=4, effect=True)
    with program.start("run") as run:
        def ticks():
            return sum(map(int, pathlib.Path(f"/proc/{run.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[11:13]))

        wait_for(lambda: harp.log("remove"))
        time.sleep(1)
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'harpsweep'")
        before = ticks()
        time.sleep(2)
        assert ticks() - before < 30  # hundredths of a second, of 200
        run.communicate(timeout=30)
    assert run.returncode == 0 and job(connection, number)["state"] == "removed"


@pytest.mark.parametrize("kind, asked", [("info", {"info": 2, "inspect": 1, "remove": 1}), ("inspect", {"info": 1, "inspect": 2, "remove": 1}),
                                         ("remove", {"info": 1, "inspect": 2, "remove": 1})])
def test_a_process_that_was_stopped_blames_nobody(program, harp, connection, kind, asked):
    """HaRP answered in time, and nobody looked: that is no silence, which would pause the daemon for ten minutes."""
    program.sections["harp"]["timeout"] = "5s"
    harp.add_image("app:1")
    number = due(connection)
    harp.fault(kind=kind, delay=0.5, effect=True)
    with program.start("run", "-v") as run:
        wait_for(lambda: harp.log(kind))
        run.send_signal(signal.SIGSTOP)
        time.sleep(6.5)
        run.send_signal(signal.SIGCONT)
        _, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    kinds = [entry["kind"] for entry in harp.log()]
    assert {name: kinds.count(name) for name in asked} == asked
    assert job(connection, number)["state"] == ("absent" if kind == "remove" else "removed")
    assert one(connection, "select count(*) from harpsweep.daemon where stop is not null") == 0
