"""Short ways to write and read rows of harpsweep.job in tests."""

# pylint: disable=missing-function-docstring

import pathlib
import threading
import time

MIGRATIONS = pathlib.Path(__file__).resolve().parents[2] / "sql" / "migrations"
SCHEMA_VERSION = max(int(path.name.split("_")[0]) for path in MIGRATIONS.glob("*.sql"))
ID = "sha256:" + "0123456789abcdef" * 4
ROLES = ("harpsweep_writer", "harpsweep_worker", "harpsweep_reader")
FINAL = "removed untagged absent in_use kept cancelled failed unsupported no_ref".split()


# Open jobs of which no alarm tells: there must be none, whatever was done.
UNHEARD = """select j.id, j.state::text, j.next_at::text from harpsweep.job j
              where j.next_at is not null
                and exists (select from harpsweep.alarm)
                and not exists (select from harpsweep.alarm a where a.rings_at <= greatest(j.next_at, now()))"""

# And apps that are not as they were seen, of which none tells: only where the triggers were passed by.
UNHEARD_APPS = """select c.kind, c.appid from harpsweep.changed_apps() c
                   where exists (select from harpsweep.alarm)
                     and not exists (select from harpsweep.alarm a where a.rings_at <= now())"""


# As if nothing will ever be due: from now on runs look at what an alarm tells of, and at nothing else.
NEVER_RINGING = "delete from harpsweep.alarm; insert into harpsweep.alarm values ('infinity')"


def never_ringing(connection):
    connection.execute(NEVER_RINGING)


ALARMS = ("select case when rings_at = '-infinity' then 'new' when rings_at = 'infinity' then 'never'"
          " when rings_at <= now() then 'now' else round(extract(epoch from rings_at - now()) / 60)::text end"
          " from harpsweep.alarm order by rings_at")


def alarms(connection):
    """Minutes until each rings; new: a job without a grace; never: what never_ringing() left."""
    return [text for (text,) in connection.execute(ALARMS).fetchall()]


def an_hour_later(connection):
    """By then a run looks without being told to."""
    connection.execute("update harpsweep.alarm set rings_at = rings_at - interval '1 hour'")


def one(connection, sql, *values):
    row = connection.execute(sql, values).fetchone()
    return row[0] if row and len(row) == 1 else row


def job(connection, number):
    cursor = connection.execute("select * from harpsweep.job where id = %s", (number,))
    row = cursor.fetchone()
    return dict(zip((column.name for column in cursor.description), row))


def schedule(connection, daemon="d", appid="app", image="app:1", **named):
    given = "".join(f", {name} => %({name})s" for name in named)
    return connection.execute(
        f"select harpsweep.schedule(%(d)s, %(a)s, %(i)s{given})",
        {"d": daemon, "a": appid, "i": image, **named},
    ).fetchone()[0]


def claim(connection, number, lease="2 min"):
    """As a run does it, as far as the functions are concerned; the job must be due."""
    connection.execute(
        """update harpsweep.job
              set state = 'claimed', next_at = now() + %s::interval, attempts = attempts + 1,
                  claim_token = gen_random_uuid(), claimed_at = now(), claimed_by = 'h:1'
            where id = %s""",
        (lease, number),
    )


def expire(connection, number):
    connection.execute(
        "update harpsweep.job set not_before = now() - interval '1 h', "
        "next_at = now() - interval '1 s' where id = %s",
        (number,),
    )


def finish(connection, number, state, **more):
    sets = "".join(f", {name} = %({name})s" for name in more)
    connection.execute(
        f"update harpsweep.job set state = %(state)s, next_at = null, finished_at = now(){sets} "
        "where id = %(id)s",
        {"state": state, "id": number, **more},
    )


def set_schema_version(connection, version):
    """As if another release of harpsweep had installed the schema."""
    connection.execute(
        "create or replace function harpsweep.schema_version() returns int language sql immutable "
        f"parallel safe as 'select {int(version)}'"
    )


def hours_ahead(connection, moment):
    return one(connection, "select extract(epoch from %s::timestamptz - now()) / 3600", moment)


def in_thread(call):
    """Starts call(); returns (thread, list that gets its result or its error)."""
    result = []

    def body():
        try:
            result.append(call())
        except Exception as error:  # pylint: disable=broad-except
            result.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    return thread, result


def wait_for(condition, what="it", seconds=20):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"{what} never came"
        time.sleep(0.005)


def wait_until_blocked(connection, blocked):
    """Until the other connection waits for a lock: the interleaving is forced, not hoped for."""
    limit = time.monotonic() + 10
    while not one(connection, "select cardinality(pg_blocking_pids(%s)) > 0", blocked.info.backend_pid):
        assert time.monotonic() < limit, "it never waited"
        time.sleep(0.01)


def back_to(connection, version):
    """The schema as it was at that version, as far as the migrations behind it could not be applied to it otherwise."""
    connection.execute("drop trigger job_changed on harpsweep.job")  # install.sql makes it again
    if version < 9:
        connection.execute("drop view harpsweep.job_event; alter table harpsweep.job_log rename to job_event;"
                           " alter index harpsweep.job_log_pkey rename to job_event_pkey;"
                           " alter sequence harpsweep.job_log_id_seq rename to job_event_id_seq")
    connection.execute("delete from harpsweep.migration where version > %s", (version,))


def replace_catalog(connection, ddl):
    """Puts something in the place of PostgreSQL's own, in this database. No search_path leads harpsweep elsewhere."""
    connection.execute("set allow_system_table_mods = on")
    connection.execute(ddl)
    connection.execute("reset allow_system_table_mods")
