-- Part of install.sql: everything that would make an installation fail half way is said here, in
-- words, before anything is changed. Expects the setting harpsweep.latest.

do $$
declare
    latest   int := current_setting('harpsweep.latest')::int;
    version  int;
    owner    oid := (select nspowner from pg_namespace where nspname = 'harpsweep');
    missing  text[];
begin
    if current_setting('server_version_num')::int < 130000 then
        raise exception 'harpsweep needs PostgreSQL 13 or later; this is %', current_setting('server_version');
    end if;
    if pg_is_in_recovery() then
        raise exception 'this server is a standby; nothing can be installed on it'
            using hint = 'Connect to the primary, for example with target_session_attrs=read-write.';
    end if;
    if pg_encoding_to_char((select encoding from pg_database where datname = current_database())) <> 'UTF8' then
        raise exception 'database % is not encoded in UTF8, as Nextcloud''s are', quote_ident(current_database())
            using hint = 'Is it the right database?';
    end if;

    if owner is null and not has_database_privilege(current_database(), 'create') then
        raise exception 'role % may not create a schema in database %', current_user, quote_ident(current_database())
            using errcode = 'insufficient_privilege',
                  hint = 'Install as the owner of the database or as a superuser.';
    end if;
    if owner is not null and not pg_has_role(owner, 'member') then
        raise exception 'schema harpsweep belongs to role %, and % is not a member of it', owner::regrole, current_user
            using errcode = 'insufficient_privilege',
                  hint = 'Install as that role or as a superuser.';
    end if;

    if owner is not null and to_regclass('harpsweep.migration') is null
       and exists (select from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
                   where n.nspname = 'harpsweep') then
        raise exception 'there is a schema harpsweep already, and it is not the one of this program'
            using hint = 'Rename it: alter schema harpsweep rename to something_else';
    end if;
    if to_regclass('harpsweep.migration') is not null then
        execute 'select coalesce(max(version), 0) from harpsweep.migration' into version;
        if version > latest then
            raise exception 'the schema in database % has version %, newer than these files, which know versions up to %',
                    quote_ident(current_database()), version, latest
                using errcode = 'object_not_in_prerequisite_state',
                      hint = 'Nothing was changed. Use the SQL files of the harpsweep release that is installed.';
        end if;
    end if;

    select array_agg(name order by name) into missing
    from unnest('{harpsweep_reader,harpsweep_worker,harpsweep_writer}'::text[]) as name
    where to_regrole(name) is null;
    if missing is not null
       and not (select rolsuper or rolcreaterole from pg_roles where rolname = current_user) then
        raise exception 'role % may not create roles, and these are missing: %', current_user,
                array_to_string(missing, ', ')
            using errcode = 'insufficient_privilege',
                  hint = 'A superuser can create them once: create role '
                         || array_to_string(missing, '; create role ') || '; then install again.';
    end if;
end
$$;
