-- The deploy daemons that AppAPI's own table tells of, for the command setup, before anything of harpsweep's is
-- installed: as the user that Nextcloud itself connects as, whose search path leads to its tables.
-- $1 text Nextcloud's dbtableprefix
-- Result: schema_name text (where the table is), name, accepts_deploy_id, protocol, host, docker_socket_port text;
-- one row with nulls behind schema_name where the table is empty, none where there is no such table.
with place (schema_name, table_name) as (
    select n.nspname::text, c.relname::text
      from pg_catalog.pg_class c
           join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.oid = to_regclass(quote_ident($1::text || 'ex_apps_daemons')))
select p.schema_name, d.name, d.accepts_deploy_id, d.protocol, d.host, d.docker_socket_port
  from place p
       -- The only way to a table whose name is a parameter without a statement that is put together here.
       left join lateral xmltable('/table/row' passing query_to_xml(
           format('select d.name, d.accepts_deploy_id, d.protocol, d.host, '
                  'd.deploy_config::jsonb -> ''harp'' ->> ''docker_socket_port'' as docker_socket_port '
                  'from %I.%I d order by d.name', p.schema_name, p.table_name), true, false, '')
           columns name text, accepts_deploy_id text, protocol text, host text, docker_socket_port text) d on true
