"""What the schema promises of itself: comments, privileges, constraints."""

# pylint: disable=missing-function-docstring,too-many-public-methods

import pytest
from harness.rows import ID, claim, finish, job, one, schedule
from harness.trace import unsafe_functions, without_comment
from psycopg import errors


@pytest.fixture(params=["plain", "watched"])
def any_schema(request):
    """A connection to a database where Nextcloud's tables are not watched, and to one where they are."""
    return request.getfixturevalue({"plain": "rows_only", "watched": "watched"}[request.param])


def test_every_object_has_a_comment(any_schema):
    assert without_comment(any_schema) == []


def test_functions_that_act_for_their_owner_are_safe(any_schema):
    assert unsafe_functions(any_schema) == []


class TestPrivileges:
    FUNCTIONS = (
        "schedule('d', 'a', 'i')",
        "keep('d', 'a')",
        "keep_job(1)",
        "make_due(1)",
        "cancel(1, 'r')",
        "retry(1)",
        "flush_daemon('d')",
        "cancel_daemon('d', 'r')",
    )
    INTERNAL = (
        "require_text('a', 'b', 1)",
        "require_word('a', 'b', '{b}')",
        "shown('a')",
        "lock_job(1)",
        "end_jobs('{1}', 'kept', 'r')",
    )
    RELATIONS = ("job", "run", "daemon", "migration", "jobs", "daemon_health", "daily")

    @staticmethod
    def refused(connection, sql):
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(sql)

    def test_public_has_nothing(self, any_schema):
        given = any_schema.execute(
            """select what, acl.privilege_type from (
                   select 'schema' as what, coalesce(nspacl, acldefault('n', nspowner)) as acl
                     from pg_namespace where nspname = 'harpsweep'
                   union all
                   select oid::regclass::text,
                          coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner))
                     from pg_class where relnamespace = 'harpsweep'::regnamespace and relkind in ('r', 'v', 'S')
                   union all
                   select oid::regprocedure::text, coalesce(proacl, acldefault('f', proowner))
                     from pg_proc where pronamespace = 'harpsweep'::regnamespace
                   union all
                   select oid::regtype::text, coalesce(typacl, acldefault('T', typowner))
                     from pg_type where typnamespace = 'harpsweep'::regnamespace and typtype = 'e'
               ) as object cross join aclexplode(object.acl) as acl
               where acl.grantee = 0"""
        ).fetchall()
        assert given == []

    def test_roles_cannot_log_in(self, connection):
        assert connection.execute(
            "select rolname from pg_roles where rolname like 'harpsweep%' and (rolcanlogin or rolsuper "
            "or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication)"
        ).fetchall() == []

    def test_stranger_may_nothing(self, database, connection):
        connection.execute("create role stranger")
        stranger = database.connect("stranger")
        for function in (*self.FUNCTIONS, *self.INTERNAL, "schema_version()"):
            self.refused(stranger, f"select harpsweep.{function}")
        for relation in self.RELATIONS:
            self.refused(stranger, f"select from harpsweep.{relation}")
        connection.execute("drop role stranger")

    def test_writer(self, database, connection):
        writer = database.connect("harpsweep_writer")
        for function in (*self.FUNCTIONS, "schema_version()"):
            writer.execute(f"select harpsweep.{function}")
        for function in self.INTERNAL:
            self.refused(writer, f"select harpsweep.{function}")
        for relation in self.RELATIONS:
            self.refused(writer, f"select from harpsweep.{relation}")
        for sql in (
            "insert into harpsweep.job (daemon, appid, image_ref) values ('d', 'a', 'i')",
            "update harpsweep.job set choice = 'now'",
            "delete from harpsweep.job",
            "truncate harpsweep.job",
            "create table harpsweep.t (x int)",
        ):
            self.refused(writer, sql)
        assert one(connection, "select count(*) from harpsweep.job") == 1

    def test_worker(self, database, connection):
        number = schedule(connection, choice="now")
        worker = database.connect("harpsweep_worker")
        for relation in self.RELATIONS:
            worker.execute(f"select * from harpsweep.{relation}")
        worker.execute("select id from harpsweep.job where next_at <= now() for update skip locked")
        claim(worker, number)
        finish(worker, number, "removed", bytes_freed=1, http_status=200, duration_ms=3)
        worker.execute(
            "insert into harpsweep.run (token, host, pid, version, started_at, exit_code, claimed, removed, "
            "untagged, absent, in_use, held, retried, failed, given_back, late, bytes_freed) "
            "values (gen_random_uuid(), 'h', 1, '0', now(), 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1)"
        )
        worker.execute("delete from harpsweep.run")
        worker.execute("insert into harpsweep.daemon (daemon) values ('d')")
        worker.execute("update harpsweep.daemon set harp_version = '1'")
        worker.execute("delete from harpsweep.daemon")
        worker.execute("delete from harpsweep.job where id = %s", (number,))
        for function in (*self.FUNCTIONS[:1], *self.FUNCTIONS[6:]):
            worker.execute(f"select harpsweep.{function}")
        for column in ("id", "daemon", "appid", "image_ref", "image_id", "event", "choice", "orphaned_at"):
            self.refused(worker, f"update harpsweep.job set {column} = default")
        for sql in (
            "insert into harpsweep.job (daemon, appid, image_ref) values ('d', 'a', 'i')",
            "truncate harpsweep.job",
            "update harpsweep.run set pid = 1",
            "insert into harpsweep.migration values (9, 'x')",
            "delete from harpsweep.migration",
            "create table harpsweep.t (x int)",
            "alter table harpsweep.job add column x int",
        ):
            self.refused(worker, sql)
        for function in self.INTERNAL:
            self.refused(worker, f"select harpsweep.{function}")

    def test_reader(self, database, connection):
        schedule(connection)
        reader = database.connect("harpsweep_reader")
        for relation in self.RELATIONS[1:]:
            reader.execute(f"select * from harpsweep.{relation}")
        reader.execute("select harpsweep.schema_version()")
        self.refused(reader, "select from harpsweep.job")
        for function in (*self.FUNCTIONS, *self.INTERNAL):
            self.refused(reader, f"select harpsweep.{function}")
        for relation in self.RELATIONS:
            assert not one(
                connection,
                "select has_table_privilege('harpsweep_reader', %s, 'insert, update, delete, truncate')",
                f"harpsweep.{relation}",
            )
        self.refused(reader, "update harpsweep.daemon set paused_until = null")

    def test_claim_tokens_are_not_shown(self, connection):
        columns = one(
            connection,
            "select array_agg(attname::text) from pg_attribute where attrelid = 'harpsweep.jobs'::regclass "
            "and attnum > 0",
        )
        assert "claim_token" not in columns


JOB = {"daemon": "d", "appid": "a", "image_ref": "i:1"}
PENDING = {"state": "pending", "not_before": "now()", "next_at": "now()"}
CLAIMED = {**PENDING, "state": "claimed", "claim_token": "gen_random_uuid()", "claimed_at": "now()"}
DONE = {"state": "removed", "not_before": "now()", "next_at": "null", "finished_at": "now()"}
CONTROL = "E'a\\nb'"
VIOLATIONS = [
    ("name_is_printable", {"daemon": "''"}),
    ("name_is_printable", {"daemon": "repeat('x', 65)"}),
    ("name_is_printable", {"daemon": CONTROL}),
    ("name_is_printable", {"appid": "''"}),
    ("name_is_printable", {"appid": CONTROL}),
    ("name_is_printable", {"appid": "repeat('x', 65)"}),
    ("job_without_image_ref_is_final", {"image_ref": "''"}),
    ("image_ref_is_printable", {"image_ref": "repeat('x', 513)"}),
    ("image_ref_is_printable", {"image_ref": CONTROL}),
    ("job_without_image_ref_is_final", {**DONE, "state": "no_ref"}),
    ("image_id_is_a_sha256", {"image_id": "'sha256:12'"}),
    ("image_id_is_a_sha256", {"image_id": f"'{ID.upper()}'"}),
    ("job_event_is_known", {"event": "'other'"}),
    ("job_choice_is_known", {"choice": "'other'"}),
    ("job_grace_is_0_to_720_hours", {"grace_hours": "-1"}),
    ("job_grace_is_0_to_720_hours", {"grace_hours": "721"}),
    ("job_counts_are_not_negative", {"attempts": "-1"}),
    ("job_counts_are_not_negative", {"failures": "-1"}),
    ("job_counts_are_not_negative", {"rechecks": "-1"}),
    ("job_counts_are_not_negative", {"lost_claims": "-1"}),
    ("job_port_is_a_port", {"docker_socket_port": "0"}),
    ("job_port_is_a_port", {"docker_socket_port": "65536"}),
    ("job_bytes_are_not_negative", {"bytes_freed": "-1"}),
    ("job_open_exactly_with_next_at", {**PENDING, "next_at": "null"}),
    ("job_open_exactly_with_next_at", {**DONE, "next_at": "now()"}),
    ("job_new_exactly_at_minus_infinity", {"next_at": "now()"}),
    ("job_new_exactly_at_minus_infinity", {"next_at": "null"}),
    ("job_new_exactly_at_minus_infinity", {**PENDING, "next_at": "'-infinity'", "not_before": "'-infinity'"}),
    ("job_finished_exactly_when_final", {**PENDING, "finished_at": "now()"}),
    ("job_finished_exactly_when_final", {**DONE, "state": "failed", "finished_at": "null"}),
    ("job_planned_before_claimed", {**PENDING, "not_before": "null"}),
    ("job_planned_before_claimed", {**CLAIMED, "not_before": "null"}),
    ("job_nothing_before_its_grace_ends", {**PENDING, "not_before": "now() + interval '1 s'"}),
    ("job_nothing_before_its_grace_ends", {**CLAIMED, "not_before": "now() + interval '1 s'"}),
    ("job_nothing_deleted_before_its_grace_ended", {**DONE, "not_before": "now() + interval '1 s'"}),
    ("job_nothing_deleted_before_its_grace_ended", {**DONE, "not_before": "null"}),
    ("job_nothing_deleted_before_its_grace_ended",
     {**DONE, "state": "untagged", "not_before": "now() + interval '1 s'"}),
    ("job_claimed_with_a_token", {**CLAIMED, "claim_token": "null"}),
    ("job_claimed_with_a_token", {**CLAIMED, "claimed_at": "null"}),
    ("job_end_wanted_is_kept_or_cancelled", {**PENDING, "end_wanted": "'kept'"}),
    ("job_end_wanted_is_kept_or_cancelled", {**CLAIMED, "end_wanted": "'removed'"}),
    ("job_kept_images_are_never_due", {**PENDING, "choice": "'keep'"}),
    ("job_kept_images_are_never_due", {**CLAIMED, "choice": "'keep'"}),
    ("job_kept_images_are_never_due", {**DONE, "choice": "'keep'"}),
    ("job_orphaned_at_is_a_date", {"orphaned_at": "'-infinity'"}),
    ("job_orphaned_at_is_a_date", {"orphaned_at": "'infinity'"}),
    ("job_orphaned_at_is_a_date", {"orphaned_at": "'1969-12-31 23:59:59+00'"}),
    ("job_orphaned_at_is_a_date", {"orphaned_at": "'10000-01-01 00:00+00'"}),
    ("job_not_before_is_since_1970", {**PENDING, "not_before": "'-infinity'"}),
    ("job_not_before_is_since_1970", {**PENDING, "not_before": "'1969-12-31 23:59:59+00'"}),
]


def insert_job(connection, values):
    quoted = {**{k: f"'{v}'" for k, v in JOB.items()}, **values}
    if "state" in quoted:
        quoted["state"] = f"'{quoted['state']}'"
    connection.execute(
        f"insert into harpsweep.job ({', '.join(quoted)}) values ({', '.join(quoted.values())})"
    )


class TestConstraints:
    @pytest.mark.parametrize("values", [{}, PENDING, CLAIMED, DONE, {**CLAIMED, "end_wanted": "'kept'"},
                                        {"not_before": "now()"}, {**DONE, "state": "failed", "not_before": "null"},
                                        {**DONE, "state": "failed", "not_before": "now() + interval '1 s'"},
                                        {**DONE, "state": "no_ref", "image_ref": "''"},
                                        {**DONE, "state": "kept", "choice": "'keep'"},
                                        {"orphaned_at": "'1970-01-01 00:00+00'", "not_before": "'1970-01-01 00:00+00'"},
                                        {"orphaned_at": "'9999-12-31 23:59:59+00'", "not_before": "'infinity'"}])
    def test_good_rows(self, rows_only, values):
        insert_job(rows_only, values)

    @pytest.mark.parametrize("name,values", VIOLATIONS,
                             ids=[f"{n}-{i}" for i, (n, _) in enumerate(VIOLATIONS)])
    def test_bad_rows(self, rows_only, name, values):
        with pytest.raises(errors.CheckViolation):
            insert_job(rows_only, values)
        # Where a row breaks several rules, PostgreSQL names the first by name; what matters is
        # that this one holds as well.
        with rows_only.transaction(force_rollback=True):
            for other in rows_only.execute(
                "select conname from pg_constraint where conrelid = 'harpsweep.job'::regclass "
                "and contype = 'c' and conname <> %s",
                (name,),
            ).fetchall():
                rows_only.execute(f"alter table harpsweep.job drop constraint {other[0]}")
            with pytest.raises(errors.CheckViolation) as caught, rows_only.transaction():
                insert_job(rows_only, values)
            assert caught.value.diag.constraint_name == name

    def test_every_constraint_is_tried(self, rows_only):
        names = {
            row[0]
            for row in rows_only.execute(
                "select conname from pg_constraint where contype = 'c' and (conrelid = 'harpsweep.job'::regclass"
                " or contypid in ('harpsweep.name'::regtype, 'harpsweep.image_ref'::regtype,"
                " 'harpsweep.image_id'::regtype))"
            )
        }
        assert names == {name for name, _ in VIOLATIONS}

    def test_one_open_job_per_image(self, rows_only):
        insert_job(rows_only, {})
        with pytest.raises(errors.UniqueViolation):
            insert_job(rows_only, PENDING)
        insert_job(rows_only, {"image_id": f"'{ID}'"})
        with pytest.raises(errors.UniqueViolation):
            insert_job(rows_only, {"image_id": f"'{ID}'"})
        insert_job(rows_only, DONE)
        insert_job(rows_only, DONE)

    def test_daemon_constraints(self, rows_only):
        with pytest.raises(errors.CheckViolation, match="daemon_stop_is_known"):
            rows_only.execute("insert into harpsweep.daemon (daemon, stop, stopped_since) values ('d', 'x', now())")
        with pytest.raises(errors.CheckViolation, match="daemon_stopped_with_a_reason"):
            rows_only.execute("insert into harpsweep.daemon (daemon, stop) values ('d', 'down')")

    @pytest.mark.parametrize("stop,since,good", [
        ("null", "null", True), ("'down'", "now()", True), ("null", "now()", False), ("'down'", "null", False)])
    def test_daemon_is_stopped_since(self, rows_only, stop, since, good):
        insert = f"insert into harpsweep.daemon (daemon, stop, stopped_since) values ('d', {stop}, {since})"
        if good:
            rows_only.execute(insert)
            return
        with pytest.raises(errors.CheckViolation, match="daemon_stopped_with_a_reason"):
            rows_only.execute(insert)

    @pytest.mark.parametrize("values,broken", [
        ("0, null, null", None), ("null, now(), 'update'", None), ("null, now(), 'uninstall'", None),
        ("-1, null, null", "exapp_image_bytes_are_not_negative"),
        ("0, now(), null", "exapp_image_superseded_by_something"), ("0, null, 'update'", "exapp_image_superseded_by_something"),
        ("0, now(), 'other'", "exapp_image_superseded_by_something")])
    def test_observations(self, rows_only, values, broken):
        insert = ("insert into harpsweep.exapp_image (appid, daemon, fingerprint, bytes, superseded_at, superseded_by)"
                  f" values ('a', 'd', 'f', {values})")
        with rows_only.transaction(force_rollback=True):
            if broken is None:
                rows_only.execute(insert)
                return
            with pytest.raises(errors.CheckViolation, match=broken), rows_only.transaction():
                rows_only.execute(insert)

    def test_one_nextcloud(self, rows_only):
        with rows_only.transaction(force_rollback=True), pytest.raises(errors.CheckViolation, match="nextcloud_is_one_row"):
            rows_only.execute("insert into harpsweep.nextcloud (one, schema_name, table_prefix) values (false, 's', 'p')")

    def test_longest_key_fits_the_index(self, rows_only):
        schedule(rows_only, daemon="\U0001f433" * 64, image="\U0001f433" * 512, image_id=ID)
