"""What is in a database, as text to compare, and what the schema promises of its objects, as queries."""

import os
import re
import subprocess


def triggers(connection):
    """Table and name of each trigger on tables that are not ours."""
    return connection.execute(
        "select tgrelid::regclass::text, tgname from pg_trigger where not tgisinternal"
        " and tgrelid not in (select oid from pg_class where relnamespace = to_regnamespace('harpsweep')) order by 1").fetchall()


def trace(cluster, database):
    """Everything that an installation could leave behind, as text."""
    return cluster.execute(
        """select 'schema ' || nspname from pg_namespace where nspname !~ '^pg_(toast|temp)'
           union all select 'role ' || rolname from pg_roles
           union all select 'relation ' || oid::regclass || coalesce(relacl::text, '')
               from pg_class where relnamespace <> 'pg_toast'::regnamespace
           union all select 'function ' || oid::regprocedure || coalesce(proacl::text, '') from pg_proc
           union all select 'trigger ' || tgrelid::regclass || tgname from pg_trigger
           union all select 'type ' || oid::regtype from pg_type
               where typnamespace <> 'pg_toast'::regnamespace
           union all select 'comment ' || description from pg_description
           union all select 'shared comment ' || description from pg_shdescription
           union all select 'depends ' || refobjid from pg_shdepend
           union all select 'default acl ' || defaclacl::text from pg_default_acl
           union all select 'setting ' || setconfig::text from pg_db_role_setting
           order by 1""",
        database,
    )


def schema_of(cluster, database, *options):
    """The schema with owners, privileges and comments, as pg_dump tells it."""
    dumped = subprocess.run(
        [
            os.path.join(cluster.bindir, "pg_dump"),
            *(options or ["--schema=harpsweep"]),
            "-d",
            cluster.conninfo(database),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return re.sub(r"^\\(un)?restrict .*$", "", dumped, flags=re.M)


def without_comment(connection):
    """Objects of the schema that nobody has described."""
    return connection.execute(
        """with s as (select 'harpsweep'::regnamespace as oid)
           select 'schema' from s where obj_description(s.oid, 'pg_namespace') is null
           union all
           select c.relkind::text || ' ' || c.relname from pg_class as c, s
            where c.relnamespace = s.oid and c.relkind <> 'c'
              and coalesce(obj_description(c.oid, 'pg_class'), '') = ''
           union all
           select 'column ' || c.relname || '.' || a.attname
             from pg_class as c join pg_attribute as a on a.attrelid = c.oid, s
            where c.relnamespace = s.oid and c.relkind in ('r', 'p', 'v', 'm')
              and a.attnum > 0 and not a.attisdropped
              and coalesce(col_description(c.oid, a.attnum), '') = ''
           union all
           select 'function ' || p.oid::regprocedure from pg_proc as p, s
            where p.pronamespace = s.oid and coalesce(obj_description(p.oid, 'pg_proc'), '') = ''
           union all
           select 'type ' || t.typname from pg_type as t, s
            where t.typnamespace = s.oid and t.typtype in ('e', 'd')
              and coalesce(obj_description(t.oid, 'pg_type'), '') = ''
           union all
           select 'trigger ' || t.tgname || ' on ' || t.tgrelid::regclass from pg_trigger as t join pg_proc as p on p.oid = t.tgfoid, s
            where p.pronamespace = s.oid and not t.tgisinternal and coalesce(obj_description(t.oid, 'pg_trigger'), '') = ''
           union all
           select 'role ' || rolname from pg_roles
            where rolname like 'harpsweep%' and shobj_description(oid, 'pg_authid') is null"""
    ).fetchall()


def unsafe_functions(connection):
    """Functions that act for their owner and do not fix search_path: they would run what their caller put in
    the way. Those of triggers on Nextcloud's tables bound their waiting for locks as well."""
    return connection.execute(
        """select oid::regprocedure::text, proconfig from pg_proc
            where pronamespace = 'harpsweep'::regnamespace and prosecdef
              and not coalesce(proconfig @> case
                  when prorettype = 'trigger'::regtype and proname not like 'job\\_%'
                      then '{"search_path=pg_catalog, pg_temp",lock_timeout=200ms}'::text[]
                  else '{"search_path=pg_catalog, pg_temp"}' end, false)"""
    ).fetchall()
