"""How a run deals with its daemons; what each of their answers means is in test_fault_harp.py and test_fault_link.py.

The stand-in's log judges: what was sent, when, and how much of it at once.
"""

from harness.rows import job, one
from harness.rows import schedule as schedule_row
from harness.standin import Standin


def schedule(connection, image="app:1", daemon="harp", **named):
    return schedule_row(connection, daemon=daemon, image=image, choice="now", **named)


def states(connection):
    return dict(connection.execute("select state::text, count(*) from harpsweep.job group by 1").fetchall())


class TestPace:
    def test_first_info_then_one_job_alone_then_several(self, program, harp, connection):
        program.sections["run"]["max_parallel_per_daemon"] = 3
        harp.set(delay_ms=30)
        for number in range(12):
            harp.add_image(f"app:{number}")
            schedule(connection, image=f"app:{number}")
        program("run")
        log = harp.log()
        assert [entry["kind"] for entry in log[:3]] == ["info", "inspect", "remove"]
        assert log[1]["ref"] == log[2]["ref"]
        for entry in log[3:]:
            assert entry["begin"] >= log[2]["end"]
        assert max(entry["active"] for entry in log[:3]) == 1
        assert max(entry["active"] for entry in log[3:]) == 3
        assert states(connection) == {"removed": 12}

    def test_connections_are_kept(self, program, harp, connection):
        for number in range(20):
            schedule(connection, image=f"app:{number}")
        program("run")
        assert len({entry["port"] for entry in harp.log()}) <= 4

    def test_the_total_bounds_all_daemons(self, program, harp, connection):
        program.sections["run"].update({"max_parallel": 4, "max_parallel_per_daemon": 4})
        harp.set(delay_ms=20)
        for number in range(4):
            program.sections[f"daemon:d{number}"] = {"url": harp.url}
            for image in range(6):
                schedule(connection, image=f"app:{number}.{image}", daemon=f"d{number}")
        program("run")
        assert max(entry["active"] for entry in harp.log() if entry["kind"] != "info") == 4
        assert states(connection) == {"absent": 24}

    def test_daemons_that_hang_take_no_place_and_hold_up_no_result(self, program, harp, connection):
        program.sections["run"].update({"max_parallel": 2, "max_parallel_per_daemon": 2})
        program.sections["harp"]["timeout"] = "5s"
        schedule(connection, daemon="harp")
        with Standin() as mute:
            mute.fault(kind="info", fault="silent", times=2)
            for number in range(2):
                program.sections[f"daemon:d{number}"] = {"url": mute.url}
                schedule(connection, image=f"app:{number}", daemon=f"d{number}")
            assert program("run", code=1).err.count("stop=silent") == 2
        assert states(connection) == {"absent": 1, "pending": 2}
        # A result waits for others a quarter of a second, but not where nothing else is under way.
        assert one(connection, "select extract(epoch from finished_at - claimed_at) from harpsweep.job where state = 'absent'") < 0.25

    def test_info_is_asked_without_the_engines_port(self, program, harp, connection):
        schedule(connection)
        program("run")
        log = harp.log()
        assert [entry["engine_port"] for entry in log] == [None, "24000"]
        assert all(entry["key_right"] for entry in log)


class TestStops:
    def test_a_wrong_key_is_sent_once_and_then_not_for_a_while(self, program, harp, connection):
        harp.set(key="another")
        for number in range(5):
            schedule(connection, image=f"app:{number}")
        program("run", code=1)
        assert [entry["kind"] for entry in harp.log()] == ["info"]
        for _ in range(3):  # cron goes on, and sends no more strikes
            run = program("run")
            assert run.err == ""
        assert len(harp.log()) == 1
        harp.set(key=harp.key)
        program("run", "--daemon", "harp")  # a person mended the key and says so
        assert states(connection) == {"absent": 5}
        assert one(connection, "select stop, paused_until from harpsweep.daemon") == (None, None)

    def test_a_daemon_that_is_down_costs_nothing(self, program, harp, connection):
        number = schedule(connection)
        harp.refuse()
        for _ in range(5):
            program("run", code=1)
        row = job(connection, number)
        assert (row["state"], row["failures"], row["lost_claims"]) == ("pending", 0, 0)
        assert "no connection" in row["hold_reason"]
        since = one(connection, "select stopped_since from harpsweep.daemon")
        harp.refuse(False)
        program("run")
        assert job(connection, number)["state"] == "absent"
        assert since is not None and one(connection, "select stopped_since from harpsweep.daemon") is None


class TestRetries:
    def test_a_failure_of_one_job_backs_off_and_ends_as_failed(self, program, harp, connection):
        program.sections["cleanup"].update({"max_failures": 2, "verify": "no"})
        bad = schedule(connection, image="bad:1")
        good = schedule(connection)
        harp.fault(kind="remove", ref="bad:1", status=503, body="Error removing image 'bad:1' via Docker Engine: Status 500")
        program("run")
        row = job(connection, bad)
        assert (row["state"], row["failures"], row["http_status"]) == ("pending", 1, 503)
        assert "Docker status 500" in row["last_error"]
        wait = one(connection, "select extract(epoch from next_at - now()) from harpsweep.job where id = %s", bad)
        assert 29 < wait <= 90
        assert job(connection, good)["state"] == "absent"
        connection.execute("update harpsweep.job set next_at = now() where id = %s", [bad])
        program("run", code=1)
        assert job(connection, bad)["state"] == "failed"
        program("retry", bad)
        harp.clear_faults()
        program("run")
        assert job(connection, bad)["state"] == "absent"

    def test_a_reused_connection_that_died_is_tried_once_more(self, program, harp, connection):
        schedule(connection)
        harp.add_image("app:1")
        harp.fault(kind="inspect", fault="close", times=1)
        program("run")
        assert states(connection) == {"removed": 1}
        assert [entry["kind"] for entry in harp.log()] == ["info", "inspect", "inspect", "remove"]


class TestSecrets:
    def test_a_key_goes_to_its_own_daemon_only(self, program, harp, connection, tmp_path):
        with Standin(key="key-two") as second:
            program.sections["daemon:second"] = {
                "url": second.url, "shared_key_file": program.write_key("key-two", tmp_path / "second.key")}
            schedule(connection)
            schedule(connection, daemon="second")
            program("run")
            assert all(entry["key_right"] for entry in harp.log() + second.log())
        assert states(connection) == {"absent": 2}

    def test_proxies_of_the_environment_are_not_used(self, program, harp, connection):
        schedule(connection)
        proxy = "http://127.0.0.1:9"
        program("run", http_proxy=proxy, HTTP_PROXY=proxy, https_proxy=proxy, ALL_PROXY=proxy, all_proxy=proxy)
        assert states(connection) == {"absent": 1}
        assert harp.log()

    def test_the_key_is_in_no_output_and_not_in_the_database(self, program, harp, connection):
        schedule(connection)
        harp.fault(kind="inspect", status=500, body="you sent harp-shared-key: test-shared-key", content_type="text/plain")
        run = program("run", "-vv", code=None)
        rows = connection.execute("select j::text, d::text, r::text from harpsweep.job j, harpsweep.daemon d, harpsweep.run r")
        assert "test-shared-key" not in run.out + run.err + str(rows.fetchall())
