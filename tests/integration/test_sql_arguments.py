"""What the functions refuse, and in which words."""

# pylint: disable=missing-function-docstring,too-many-public-methods

import re

import psycopg
import pytest
from harness.rows import ID, job, one, schedule
from psycopg import errors


@pytest.fixture
def connection(rows_only):
    return rows_only


LONG_REF = "r" * 513
BAD_TEXTS = {
    "null": None,
    "empty": "",
    "blank": "   ",
    "newline": "a\nb",
    "escape": "a\x1b[31mb",
    "delete": "a\x7fb",
    "c1": "a\x9bb",
    "long": "x" * 5000,
}
GOOD = {"daemon": "d", "appid": "a", "image_ref": "i:1"}


def schedule_named(connection, **arguments):
    named = ", ".join(f"{name} => %({name})s" for name in arguments)
    return connection.execute(f"select harpsweep.schedule({named})", arguments).fetchone()[0]


def complaint(call):
    with pytest.raises(errors.InvalidParameterValue) as caught:
        call()
    message = caught.value.diag.message_primary
    assert len(message) < 300
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", message)
    return message


class TestArguments:
    @pytest.mark.parametrize("argument", ["daemon", "appid", "image_ref"])
    @pytest.mark.parametrize("bad", BAD_TEXTS)
    def test_schedule_texts(self, connection, argument, bad):
        message = complaint(
            lambda: schedule_named(connection, **{**GOOD, argument: BAD_TEXTS[bad]})
        )
        longest = 512 if argument == "image_ref" else 64
        assert message.startswith(f"{argument} must be a text of 1 to {longest} characters")
        assert "given: " in message
        assert one(connection, "select count(*) from harpsweep.job") == 0

    @pytest.mark.parametrize("argument,longest", [("daemon", 64), ("appid", 64), ("image_ref", 512)])
    def test_schedule_longest_texts(self, connection, argument, longest):
        assert schedule_named(connection, **{**GOOD, argument: "ä" * longest}) == 1
        complaint(lambda: schedule_named(connection, **{**GOOD, argument: "ä" * (longest + 1)}))

    @pytest.mark.parametrize("choice", ["grace", "now", "keep"])
    @pytest.mark.parametrize("bad", [-1, 721, 2147483647, -2147483648])
    def test_grace_hours(self, connection, choice, bad):
        message = complaint(
            lambda: schedule_named(connection, **GOOD, choice=choice, grace_hours=bad)
        )
        assert message == f"grace_hours must be 0 to 720, or null for the settings' value; given: {bad}"

    @pytest.mark.parametrize("bad", ["delete", "NOW", "", None, "now ", "grace;drop"])
    def test_choice(self, connection, bad):
        message = complaint(lambda: schedule_named(connection, **GOOD, choice=bad))
        assert message.startswith("choice must be one of grace, now, keep; given: ")

    @pytest.mark.parametrize("bad", ["removed", "Uninstall", "", None])
    def test_event(self, connection, bad):
        message = complaint(lambda: schedule_named(connection, **GOOD, event=bad))
        assert message.startswith("event must be one of uninstall, update, manual, adopted; given: ")

    @pytest.mark.parametrize(
        "bad",
        ["", "sha256:", ID[:-1], ID + "0", ID.upper(), "SHA256:" + ID[7:], ID[:7] + ID[7:].upper(),
         "sha512:" + ID[7:], ID[7:], ID + "\n", " " + ID, ID[:-1] + "g"],
    )
    def test_image_id(self, connection, bad):
        message = complaint(lambda: schedule_named(connection, **GOOD, image_id=bad))
        assert message.startswith('image_id must be "sha256:" and 64 lower-case hex digits')

    @pytest.mark.parametrize("bad", BAD_TEXTS)
    def test_the_others(self, connection, bad):
        number = schedule(connection)
        value = BAD_TEXTS[bad]
        for call, argument, values in (
            ("keep(%s, 'a')", "daemon", (value,)),
            ("keep('d', %s)", "appid", (value,)),
            ("cancel(%s, %s)", "reason", (number, value)),
            ("flush_daemon(%s)", "daemon", (value,)),
            ("cancel_daemon(%s, 'r')", "daemon", (value,)),
            ("cancel_daemon('d', %s)", "reason", (value,)),
        ):
            message = complaint(lambda: one(connection, f"select harpsweep.{call}", *values))
            assert message.startswith(f"{argument} must be a text")
        assert job(connection, number)["state"] == "new"

    @pytest.mark.parametrize("call", ["keep_job(%s)", "make_due(%s)", "cancel(%s, 'r')", "retry(%s)"])
    def test_job_id(self, connection, call):
        message = complaint(lambda: one(connection, f"select harpsweep.{call}", None))
        assert message.startswith("job_id must be the number of a job")
        with pytest.raises(psycopg.Error) as caught:
            one(connection, f"select harpsweep.{call}", 4711)
        assert caught.value.sqlstate == "P0002"
        assert caught.value.diag.message_primary == "there is no job 4711"

    def test_given_text_is_shortened_and_harmless(self, connection):
        message = complaint(lambda: schedule(connection, image="\x1b]0;x\x07\u202eevil'" + "y" * 600))
        assert "'?]0;x??evil''yyy" in message and "(612 characters)" in message

    def test_names_of_the_parameters(self, connection):
        for call in (
            "keep(daemon => 'd', appid => 'a')",
            "flush_daemon(daemon => 'd')",
            "cancel_daemon(daemon => 'd', reason => 'r')",
            "schedule(daemon => 'd', appid => 'a', image_ref => 'i', event => 'update', "
            "choice => 'grace', grace_hours => 5, image_id => null)",
            "cancel(job_id => 1, reason => 'r')",
            "retry(job_id => 1)",
            "make_due(job_id => 1)",
            "keep_job(job_id => 1)",
        ):
            connection.execute(f"select harpsweep.{call}")
