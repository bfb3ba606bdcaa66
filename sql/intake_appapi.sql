-- Has harpsweep watch the tables of Nextcloud's AppAPI, so that the images of apps that are uninstalled
-- or updated become jobs. Adds triggers to two of Nextcloud's tables and changes nothing else of them;
-- "psql -v nextcloud=off -f sql/install.sql" removes them again. Run it as install.sql asks for with
-- "-v nextcloud=on", or alone:
--
--     psql -v ON_ERROR_STOP=1 -d nextcloud -f sql/intake_appapi.sql
--
-- Variables, for a Nextcloud whose config.php names others: -v prefix=oc_ -v nextcloud_schema=public.
-- May be run again at any time. Needs the right to create triggers on those tables: Nextcloud's own
-- database user has it, and every superuser.

\if :{?installing}
\else
\set ON_ERROR_STOP on
\set ON_ERROR_ROLLBACK off
\set AUTOCOMMIT on
\set QUIET on
\set SHOW_CONTEXT never
\timing off
\encoding UTF8
begin;
set local client_min_messages = warning;
set local search_path = pg_catalog, pg_temp;
do $$ begin perform pg_advisory_xact_lock(hashtext('harpsweep.install')); end $$;
\endif
\if :{?nextcloud_schema}
set local harpsweep.nextcloud_schema = :'nextcloud_schema';
\else
set local harpsweep.nextcloud_schema = '';
\endif
\if :{?prefix}
set local harpsweep.prefix = :'prefix'; -- which may be empty
\else
set local harpsweep.prefix = E'\001';
\endif

-- Where Nextcloud's tables are: as told now, else as told before, else as Nextcloud does it. All that
-- could fail half way is said here, in words.
do $$
declare
    schema_name  text := current_setting('harpsweep.nextcloud_schema');
    table_prefix text := current_setting('harpsweep.prefix');
    owner        oid := (select nspowner from pg_namespace where nspname = 'harpsweep');
    given        record;
    missing      text[];
begin
    -- Before the schema is looked into, which only its owner and the three roles may.
    if owner is not null and not pg_has_role(owner, 'member') then
        raise exception 'schema harpsweep belongs to role %, and % is not a member of it', owner::regrole, current_user
            using errcode = 'insufficient_privilege', hint = 'Run this as that role or as a superuser.';
    end if;
    if to_regclass('harpsweep.nextcloud') is null then
        raise exception 'there is no schema harpsweep in database %, or it is too old',
                quote_ident(current_database())
            using hint = 'Run sql/install.sql -v nextcloud=on: it installs both.';
    end if;
    select n.schema_name, n.table_prefix into given from harpsweep.nextcloud as n;
    schema_name := coalesce(nullif(schema_name, ''), given.schema_name, 'public');
    table_prefix := coalesce(nullif(table_prefix, E'\001'), given.table_prefix, 'oc_');
    perform set_config('harpsweep.nextcloud_schema', schema_name, true),
            set_config('harpsweep.prefix', table_prefix, true);

    select array_agg(format('%I.%I.%I', schema_name, table_prefix || w.relation, w.field) order by w.relation, w.field)
    into missing
    from (values ('ex_apps', 'id'), ('ex_apps', 'appid'), ('ex_apps', 'version'), ('ex_apps', 'daemon_config_name'),
                 ('ex_apps', 'status'), ('ex_apps', 'created_time'),
                 ('ex_apps_daemons', 'name'), ('ex_apps_daemons', 'accepts_deploy_id'),
                 ('ex_apps_daemons', 'protocol'), ('ex_apps_daemons', 'host'), ('ex_apps_daemons', 'deploy_config'),
                 ('appconfig', 'appid'), ('appconfig', 'configkey'), ('appconfig', 'configvalue'),
                 ('appconfig', 'type')) as w (relation, field)
    where not exists (
        select from pg_attribute as a
        where a.attrelid = to_regclass(format('%I.%I', schema_name, table_prefix || w.relation))
          and a.attname = w.field and a.attnum > 0 and not a.attisdropped);
    if missing is not null then
        raise exception 'these columns of Nextcloud''s are not in database %: %', quote_ident(current_database()),
                array_to_string(missing, ', ')
            using hint = 'Is this Nextcloud''s database, with AppAPI installed? -v prefix=… is its dbtableprefix, '
                         '-v nextcloud_schema=… the schema of its tables.';
    end if;
    select array_agg(format('%I.%I', schema_name, table_prefix || w.relation) order by w.relation) into missing
    from unnest('{ex_apps,ex_apps_daemons,appconfig}'::text[]) as w (relation)
    where not has_table_privilege(owner, format('%I.%I', schema_name, table_prefix || w.relation), 'select');
    if missing is not null then
        raise exception 'role %, which owns schema harpsweep, may not read %', owner::regrole,
                array_to_string(missing, ', ')
            using errcode = 'insufficient_privilege',
                  hint = format('grant select on %s to %s;', array_to_string(missing, ', '), owner::regrole);
    end if;
end
$$;

-- What Nextcloud's tables say. As the owner of schema harpsweep; no name of Nextcloud's is anywhere else.
-- PostgreSQL opens the tables to check a function that reads them, so it may have to wait for a lock here.
set local lock_timeout = '10s';
do $$
declare
    -- A deploy_config is whatever PHP wrote: an empty list where an object was meant, a number as a
    -- string. Nothing of it may raise, for the triggers read it as well.
    --
    -- A run asks for changed_apps() first, in a backend of its own that has planned nothing before: each function
    -- with a plan of its own, each subquery and each operator costs it more than all the rows. So the small
    -- functions here have no search_path of their own, which lets the planner write them into the statement that
    -- calls them; that one is always a function that has one.
    ddl text[] := array[
$ddl$
create or replace function harpsweep.looked_into(given json) returns json
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $body$
begin
    perform given ->> ''; -- looks at all of it
    return given;
exception when others then
    return null;
end
$body$
$ddl$,
$ddl$
comment on function harpsweep.looked_into(json) is
    'A JSON value, or null where every look into it fails. Used by readable().'
$ddl$,
-- Which can only be for an escape \u, or for a depth that the stack has no room for. So what has neither needs
-- no look, and mostly PL/pgSQL needs not be loaded.
$ddl$
create or replace function harpsweep.readable(given json) returns json
language sql stable
as $body$
    select case when octet_length(given::text) <= 2000 and strpos(given::text, E'\\u') = 0 then given
                else harpsweep.looked_into(given) end
$body$
$ddl$,
$ddl$
comment on function harpsweep.readable(json) is
    'A JSON value, or null where every look into it would fail: the type stores escapes that no text can hold, such as that of NUL. Used by the other functions.'
$ddl$,
$ddl$
create or replace function harpsweep.fingerprint(id bigint, created_time bigint, status json) returns text
language sql stable
as $body$ select concat_ws(' ', id, coalesce(status ->> 'deploy_start_time', created_time::text)) $body$
$ddl$,
$ddl$
comment on function harpsweep.fingerprint(bigint, bigint, json) is
    'Tells one deploy of an app from the next: AppAPI notes in the status when a deploy begins, and a new row is a new app.'
$ddl$,
$ddl$
create or replace function harpsweep.deploy_percent(status json) returns int
language sql stable
as $body$ select case when status ->> 'deploy' ~ '^[0-9]{1,3}$' then (status ->> 'deploy')::int else 0 end $body$
$ddl$,
$ddl$
comment on function harpsweep.deploy_percent(json) is
    'How far the deploy of an app is; 100 is its end.'
$ddl$,
$ddl$
create or replace function harpsweep.host_told(given text) returns text
language sql immutable
as $body$
    select lower(split_part(rtrim($1, '/'), '/', 1)) || substr(rtrim($1, '/'), 1 + length(split_part(rtrim($1, '/'), '/', 1)))
$body$
$ddl$,
$ddl$
comment on function harpsweep.host_told(text) is
    'The host of a daemon, spelt in one way: small letters, but for a path behind it, and no / at its end.'
$ddl$,
$ddl$
create or replace function harpsweep.endpoint_told(given_protocol text, given_host text, deploy_config json)
returns table (protocol text, host text, port text)
language sql stable
as $body$ select lower($1), harpsweep.host_told($2), $3 #>> '{harp,docker_socket_port}' $body$
$ddl$,
$ddl$
comment on function harpsweep.endpoint_told(text, text, json) is
    'Where a daemon is, as its row says; the port may be no port.'
$ddl$,
$ddl$
create or replace function harpsweep.endpoint_from(given_protocol text, given_host text, deploy_config json)
returns table (protocol text, host text, docker_socket_port int)
language sql stable
as $body$
    select e.protocol, e.host,
           case when json_typeof($3 -> 'harp') = 'object' and e.port ~ '^[1-9][0-9]{0,4}$' and e.port::int <= 65535
                then e.port::int end
    from harpsweep.endpoint_told($1, $2, $3) as e
$body$
$ddl$,
$ddl$
comment on function harpsweep.endpoint_from(text, text, json) is
    'Where a daemon is, out of a row of AppAPI''s: docker_socket_port may be a number or a string there.'
$ddl$,
$ddl$
create or replace function harpsweep.daemon_problem(
    name text, deploys_by text, host text, deploy_config json, docker_socket_port int) returns text
language sql stable
as $body$
    select case when $2 <> 'docker-install'
                    then format('daemon %s deploys by %s, not with Docker', $1, $2)
                when $4 is null
                    then format('the deploy_config of daemon %s cannot be read', $1)
                when json_typeof($4 -> 'harp') is distinct from 'object' or ($4 ->> 'harp') ~ E'^\\s*\\{\\s*\\}\\s*$'
                    then format('daemon %s uses Docker without HaRP', $1)
                when starts_with($3, '/')
                    then format('daemon %s is a Unix socket, %s: HaRP has an address', $1, $3)
                when $5 is null
                    then format('daemon %s has no valid docker_socket_port', $1)
           end
$body$
$ddl$,
$ddl$
comment on function harpsweep.daemon_problem(text, text, text, json, int) is
    'Why images on a daemon cannot be deleted; null where they can.'
$ddl$,
$ddl$
create or replace function harpsweep.local_registries(deploy_config json) returns text[]
language sql immutable set search_path = pg_catalog, pg_temp
as $body$
    select array_agg(rtrim(r.value ->> 'from', '/') order by r.value ->> 'from')
    from (select value from json_array_elements(
              case json_typeof($1 -> 'registries') when 'array' then $1 -> 'registries' else '[]' end)
          union all
          select value from json_each(
              case json_typeof($1 -> 'registries') when 'object' then $1 -> 'registries' else '{}' end)) as r
    where json_typeof(r.value) = 'object' and r.value ->> 'to' = 'local' and r.value ->> 'from' <> ''
$body$
$ddl$,
$ddl$
comment on function harpsweep.local_registries(json) is
    'The registries whose images AppAPI does not pull, because a daemon maps them to "local".'
$ddl$,
$ddl$
create or replace function harpsweep.nextcloud_apps()
returns table (appid text, daemon text, version text, fingerprint text, deploy int, error text, began_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $body$
    select a.appid::text, a.daemon_config_name::text, a.version::text,
           harpsweep.fingerprint(a.id, a.created_time, s.status),
           harpsweep.deploy_percent(s.status),
           case when s.status is null then 'its status cannot be read' else coalesce(s.status ->> 'error', '') end,
           to_timestamp(case when s.status ->> 'deploy_start_time' ~ '^[0-9]{1,11}$'
                             then (s.status ->> 'deploy_start_time')::float8
                             -- within what a timestamp can hold
                             else least(greatest(a.created_time, 0), 99999999999)::float8 end)
    from @ex_apps@ as a
         cross join lateral (select harpsweep.readable(a.status) as status offset 0) as s
$body$
$ddl$,
$ddl$
comment on function harpsweep.nextcloud_apps() is
    'AppAPI''s table of apps, without its secrets: how far the deploy is (percent), what went wrong with it, and when it began.'
$ddl$,
$ddl$
create or replace function harpsweep.read_daemons()
returns table (
    daemon text, protocol text, host text, docker_socket_port int, deploy_config json, problem text)
language sql stable
as $body$
    select d.name::text, e.protocol, e.host, e.docker_socket_port, c.deploy_config,
           harpsweep.daemon_problem(d.name, d.accepts_deploy_id, d.host, c.deploy_config, e.docker_socket_port)
    from @ex_apps_daemons@ as d
         cross join lateral (select harpsweep.readable(d.deploy_config) as deploy_config offset 0) as c
         cross join lateral harpsweep.endpoint_from(d.protocol, d.host, c.deploy_config) as e
$body$
$ddl$,
$ddl$
comment on function harpsweep.read_daemons() is
    'AppAPI''s table of daemons, with its passwords. problem: why images there cannot be deleted; null where they can. Used by the other functions.'
$ddl$,
$ddl$
create or replace function harpsweep.nextcloud_daemons()
returns table (daemon text, protocol text, host text, docker_socket_port int, local_registries text[], problem text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $body$
    select d.daemon, d.protocol, d.host, d.docker_socket_port, harpsweep.local_registries(d.deploy_config), d.problem
    from harpsweep.read_daemons() as d
$body$
$ddl$,
$ddl$
comment on function harpsweep.nextcloud_daemons() is
    'AppAPI''s table of daemons, without its passwords. problem: why images there cannot be deleted; null where they can.'
$ddl$,
$ddl$
create or replace function harpsweep.awaits_look(
    status json, daemon text, deploys_by text, host text, deploy_config json) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $body$
    select harpsweep.deploy_percent(r.status) >= 100
           and harpsweep.daemon_problem($2, $3, $4, r.deploy_config, e.docker_socket_port) is null
    from (select harpsweep.readable($1) as status, harpsweep.readable($5) as deploy_config offset 0) as r
         cross join lateral harpsweep.endpoint_from(null, null, r.deploy_config) as e
$body$
$ddl$,
$ddl$
comment on function harpsweep.awaits_look(json, text, text, text, json) is
    'Whether an app that is not as it was seen last can be looked at: its deploy ended, and its daemon has HaRP. Used by changed_apps().'
$ddl$,
-- Whether an app is as it was seen last is asked first, for mostly it is, and awaits_look() is not planned then.
-- The port is compared as its row has it: the one that was seen was valid, and a valid one is written in one way.
-- The casts spare a new session the list of all operators named =, which it reads where none has exactly the two types.
$ddl$
create or replace function harpsweep.changed_apps()
returns table (kind text, appid text, fingerprint text, daemon text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $body$
    select case when a.id is null then 'gone' else 'look' end, coalesce(a.appid, i.appid), a.fingerprint,
           coalesce(a.daemon, i.daemon)
    from (select x.id, x.appid::text, x.daemon_config_name::text as daemon, x.status,
                 harpsweep.fingerprint(x.id, x.created_time, harpsweep.readable(x.status)) as fingerprint
          from @ex_apps@ as x) as a
         full join (select x.appid::text, x.daemon::text, x.fingerprint, x.protocol, x.host,
                           x.docker_socket_port::text as port
                    from harpsweep.exapp_image as x
                    where x.superseded_at is null) as i on i.appid = a.appid
         left join (select x.name::text, x.accepts_deploy_id, x.host as given_host, x.deploy_config, e.*
                    from @ex_apps_daemons@ as x
                         cross join lateral harpsweep.endpoint_told(
                             x.protocol, x.host, harpsweep.readable(x.deploy_config)) as e) as d on d.name = a.daemon
    where case when a.id is null then true -- removed, and its trigger did not tell
               when (i.fingerprint, i.protocol, i.host, i.port)
                    is distinct from (a.fingerprint, d.protocol, d.host, d.port)
                   then harpsweep.awaits_look(a.status, d.name, d.accepts_deploy_id, d.given_host, d.deploy_config)
          end
$body$
$ddl$,
$ddl$
create or replace function harpsweep.appapi_cleans_up() returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $body$
begin
    return exists (select from @appconfig@ as c
                   where c.appid = 'app_api' and c.configkey like E'image\\_cleanup\\_%')
        or exists (select from @jobs@ as j
                   where j.class = E'OCA\\AppAPI\\BackgroundJob\\OrphanedImageCleanupJob');
exception when others then
    return false; -- this is only ever a hint
end
$body$
$ddl$,
$ddl$
comment on function harpsweep.appapi_cleans_up() is
    'Whether AppAPI shows signs of cleaning up images by itself.'
$ddl$,
$ddl$
create or replace function harpsweep.nextcloud_settings()
returns table (name text, value text, type int)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $body$
    select c.configkey::text, c.configvalue, c.type::int
    from @appconfig@ as c
    where c.appid = 'app_api' and c.configkey in ('image_cleanup_enabled', 'image_cleanup_grace_hours')
$body$
$ddl$];
    statement text;
    relation  text;
begin
    execute format('set local role %s', (select nspowner::regrole from pg_namespace where nspname = 'harpsweep'));
    begin
        execute (select format('lock table %s in access share mode', string_agg(
                            format('%I.%I', current_setting('harpsweep.nextcloud_schema'),
                                   current_setting('harpsweep.prefix') || w.relation), ', '))
                 from unnest('{ex_apps,ex_apps_daemons,appconfig}'::text[]) as w (relation));
    exception when lock_not_available then
        raise exception 'a table of Nextcloud''s is locked by somebody; nothing was changed'
            using hint = 'Try again when the long transaction or the backup is over.';
    end;
    foreach statement in array ddl loop
        foreach relation in array '{ex_apps,ex_apps_daemons,appconfig,jobs}'::text[] loop
            statement := replace(statement, '@' || relation || '@',
                                 format('%I.%I', current_setting('harpsweep.nextcloud_schema'),
                                        current_setting('harpsweep.prefix') || relation));
        end loop;
        execute statement;
    end loop;
    -- Other tables have other apps: that those of before are not in them does not mean that they are gone.
    delete from harpsweep.exapp_image as i
    using harpsweep.nextcloud as n
    where i.superseded_at is null
      and (n.schema_name, n.table_prefix)
          <> (current_setting('harpsweep.nextcloud_schema'), current_setting('harpsweep.prefix'));
    insert into harpsweep.alarm (rings_at)
    select now()
    where exists (select from harpsweep.alarm)
      and not exists (
        select from harpsweep.nextcloud as n
        where (n.schema_name, n.table_prefix)
              = (current_setting('harpsweep.nextcloud_schema'), current_setting('harpsweep.prefix')));
    insert into harpsweep.nextcloud (schema_name, table_prefix)
    values (current_setting('harpsweep.nextcloud_schema'), current_setting('harpsweep.prefix'))
    on conflict (one) do update set schema_name = excluded.schema_name, table_prefix = excluded.table_prefix;
end
$$;
\ir nextcloud.sql

\ir nextcloud_triggers.sql
do $$
begin
    execute format('set local role %s', (select nspowner::regrole from pg_namespace where nspname = 'harpsweep'));
end
$$;

\if :{?installing}
\else
\ir grants.sql
select current_setting('harpsweep.nextcloud_schema') as schema, current_setting('harpsweep.prefix') as prefix \gset
commit;
\echo harpsweep: watches :schema.:prefix''ex_apps and :schema.:prefix''ex_apps_daemons
\endif
