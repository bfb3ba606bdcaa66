-- For a Nextcloud whose AppAPI cleans up images by itself (Nextcloud 35 and later may): harpsweep becomes its
-- safety net. What AppAPI queues in oc_jobs is noted as a job here too; one that AppAPI cancels is
-- cancelled here, and one that it ran is looked after and, where the image is still there, repeated. What an
-- app's end or update would have made of its own is left to AppAPI, which alone knows what was chosen.
-- oc_jobs itself is never written.
--
--     psql -v ON_ERROR_STOP=1 -d nextcloud -f sql/intake_appapi_jobs.sql
--
-- After intake_appapi.sql. "-v appapi_jobs=off" takes it back. May be run again at any time.

\set ON_ERROR_STOP on
\set ON_ERROR_ROLLBACK off
\set AUTOCOMMIT on
\set QUIET on
\set SHOW_CONTEXT never
\timing off
\encoding UTF8
\if :{?appapi_jobs}
\else
\set appapi_jobs on
\endif
begin;
set local client_min_messages = warning;
set local search_path = pg_catalog, pg_temp;
set local harpsweep.appapi_jobs = :'appapi_jobs';
do $$ begin perform pg_advisory_xact_lock(hashtext('harpsweep.install')); end $$;

set local lock_timeout = '10s';
do $$
declare
    schema_name  text;
    table_prefix text;
    wanted       text := current_setting('harpsweep.appapi_jobs');
    owner        oid := (select nspowner from pg_namespace where nspname = 'harpsweep');
    missing      text[];
begin
    if wanted not in ('on', 'off') then
        raise exception 'appapi_jobs is neither on nor off';
    end if;
    -- Before the schema is looked into, which only its owner and the three roles may.
    if owner is not null and not pg_has_role(owner, 'member') then
        raise exception 'schema harpsweep belongs to role %, and % is not a member of it', owner::regrole, current_user
            using errcode = 'insufficient_privilege', hint = 'Run this as that role or as a superuser.';
    end if;
    if to_regclass('harpsweep.nextcloud') is not null then
        select n.schema_name, n.table_prefix into schema_name, table_prefix from harpsweep.nextcloud as n;
    end if;
    if schema_name is null then
        raise exception 'Nextcloud''s tables are not watched in database %', quote_ident(current_database())
            using hint = 'First: psql -v nextcloud=on -f sql/install.sql';
    end if;
    select array_agg(format('%I.%I.%I', schema_name, table_prefix || 'jobs', w.field) order by w.field)
    into missing
    from unnest('{id,class,argument,last_checked,reserved_at}'::text[]) as w (field)
    where not exists (
        select from pg_attribute as a
        where a.attrelid = to_regclass(format('%I.%I', schema_name, table_prefix || 'jobs'))
          and a.attname = w.field and a.attnum > 0 and not a.attisdropped);
    if missing is not null then
        raise exception 'these columns of Nextcloud''s are not in database %: %', quote_ident(current_database()),
                array_to_string(missing, ', ');
    end if;
    update harpsweep.nextcloud set notes_jobs = wanted = 'on';
    if wanted = 'off' and exists (select from pg_trigger where tgfoid = to_regproc('harpsweep.on_appapi_job')) then
        execute format('drop trigger harpsweep on %I.%I', schema_name, table_prefix || 'jobs');
    end if;
exception when lock_not_available then
    raise exception 'a table of Nextcloud''s is locked by somebody; nothing was changed'
        using hint = 'Try again when the long transaction or the backup is over.';
end
$$;
\ir nextcloud_triggers.sql
select case :'appapi_jobs' when 'on' then 'stands behind AppAPI''s own cleanup'
                           else 'does not look at AppAPI''s own cleanup' end as done \gset
commit;
\echo harpsweep: :done
