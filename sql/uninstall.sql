-- Removes harpsweep from a database, with all its jobs and their history:
--
--     psql -v ON_ERROR_STOP=1 -d nextcloud -f sql/uninstall.sql
--
-- The three roles go too, unless something else in the cluster still needs them (harpsweep in
-- another database, a privilege given by hand); it is said then. May be run again.

\set ON_ERROR_STOP on
\set ON_ERROR_ROLLBACK off
\set AUTOCOMMIT on
\set QUIET on
\set SHOW_CONTEXT never
\timing off
\encoding UTF8

begin;
set local search_path = pg_catalog, pg_temp;
do $$ begin perform pg_advisory_xact_lock(hashtext('harpsweep.install')); end $$;

do $$
declare
    owner oid := (select nspowner from pg_namespace where nspname = 'harpsweep');
begin
    if owner is not null and not pg_has_role(owner, 'member') then
        raise exception 'schema harpsweep belongs to role %, and % is not a member of it', owner::regrole, current_user
            using errcode = 'insufficient_privilege',
                  hint = 'Uninstall as that role or as a superuser.';
    end if;
    if owner is not null and to_regclass('harpsweep.migration') is null then
        raise exception 'schema harpsweep is not the one of this program; it was left alone';
    end if;
end
$$;

-- Without the notice that lists what "cascade" takes along. Objects of others that were built on
-- this schema, such as a view of a DBA, go with it: they could not work without it. So do the triggers
-- on Nextcloud's tables, and AppAPI queues behind whoever waits for those.
set local client_min_messages = warning;
set local lock_timeout = '10s';
do $$
begin
    drop schema if exists harpsweep cascade;
exception when lock_not_available then
    raise exception 'a table of harpsweep''s or of Nextcloud''s is locked by somebody; nothing was changed'
        using hint = 'Try again when the long transaction or the backup is over.';
end
$$;
set local client_min_messages = notice;

do $$
declare
    role_name text;
    uses      text;
begin
    foreach role_name in array '{harpsweep_writer,harpsweep_worker,harpsweep_reader}'::text[] loop
        continue when to_regrole(role_name) is null;
        begin
            execute format('drop role %I', role_name);
        exception
            when dependent_objects_still_exist then
                get stacked diagnostics uses = pg_exception_detail;
                raise notice 'role % was left: something else needs it', role_name using detail = uses;
            when insufficient_privilege then
                raise notice 'role % was left: % may not drop it', role_name, current_user
                    using hint = 'A superuser can: drop role ' || role_name || ';';
            when undefined_object then
                null; -- another uninstallation was faster
        end;
    end loop;
end
$$;
commit;
select current_database() as database \gset
\echo harpsweep: removed from database :database
