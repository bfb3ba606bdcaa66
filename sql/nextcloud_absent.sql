-- Part of install.sql, where Nextcloud's tables are not watched: the functions that the program and
-- the other functions ask about Nextcloud, and that know nothing. They are of a kind that the planner
-- puts into the statement that calls them, where they cost nothing.

create or replace function harpsweep.endpoint_of(daemon text)
returns table (protocol text, host text, docker_socket_port int)
language sql stable
as $$ select null::text, null::text, null::int where false $$;

create or replace function harpsweep.news()
returns table (
    kind text, name text, detail text, daemon text, protocol text, host text, docker_socket_port int,
    paused boolean, stop text)
language sql stable
as $$
    select null::text, null::text, null::text, null::text, null::text, null::text, null::int, null::boolean,
           null::text
    where false
$$;

create or replace function harpsweep.changed_apps()
returns table (kind text, appid text, fingerprint text, daemon text)
language sql stable
as $$ select null::text, null::text, null::text, null::text where false $$;

create or replace function harpsweep.held(
    ids bigint[], images text[], keep_previous int, protect boolean, by_name boolean)
returns table (id bigint, reason text, delay_s int)
language sql stable
as $$ select null::bigint, null::text, null::int where false $$;

create or replace function harpsweep.deploys_beside(ids bigint[])
returns table (id bigint, appid text)
language sql stable
as $$ select null::bigint, null::text where false $$;

create or replace function harpsweep.observed(
    appids text[], daemons text[], fingerprints text[], refs text[], images text[], sizes bigint[],
    containers text[])
returns table (appid text, what text, job_id bigint)
language sql stable
as $$ select null::text, null::text, null::bigint where false $$;

create or replace function harpsweep.reconcile() returns int
language sql stable
as $$ select 0 $$;

create or replace function harpsweep.nextcloud_settings()
returns table (name text, value text, type int)
language sql stable
as $$ select null::text, null::text, null::int where false $$;

create or replace function harpsweep.nextcloud_state()
returns table (
    schema_name text, table_prefix text, notes_jobs boolean, triggers int, apps int, unseen int,
    appapi_cleans_up boolean)
language sql stable
as $$
    select null::text, null::text, null::boolean, null::int, null::int, null::int, null::boolean where false
$$;
