-- Which server this is, and whether the schema can be used at all. Works without the schema.
-- Parameters: none.
-- Result: version text, version_num int, address text, database text, username text, read_only bool,
-- clock_ms bigint, schema_exists bool, schema_usable bool, schema_ours bool (it has schema_version()
-- and it may be called), may_be_worker bool (member of harpsweep_worker).
select current_setting('server_version') as version,
       current_setting('server_version_num')::int as version_num,
       coalesce(host(inet_server_addr()) || ' port ' || inet_server_port()::text, 'a local socket') as address,
       current_database()::text as database,
       current_user::text as username,
       pg_is_in_recovery() or current_setting('transaction_read_only')::bool as read_only,
       (extract(epoch from clock_timestamp()) * 1000)::bigint as clock_ms,
       n.oid is not null as schema_exists,
       coalesce(has_schema_privilege(n.oid, 'usage'), false) as schema_usable,
       exists (select from pg_catalog.pg_proc p
                where p.pronamespace = n.oid
                  and p.proname = 'schema_version'
                  and has_function_privilege(p.oid, 'execute')) as schema_ours,
       coalesce((select pg_has_role(r.oid, 'member')
                   from pg_catalog.pg_roles r where r.rolname = 'harpsweep_worker'), false) as may_be_worker
  from (values (1)) as one (one)
       left join pg_catalog.pg_namespace n on n.nspname = 'harpsweep'
