-- How Nextcloud's tables are watched.
-- $1 text schema and $2 text prefix of the settings
-- Result: one row: tables_there bool (where the settings say), watched bool, schema_name text, table_prefix text,
-- notes_jobs bool, triggers int (of two), apps int, unseen int, appapi_cleans_up bool.
select to_regclass(format('%I.%I', $1::text, $2::text || 'ex_apps')) is not null as tables_there,
       s.schema_name is not null as watched, s.schema_name, s.table_prefix, s.notes_jobs, s.triggers, s.apps,
       s.unseen, s.appapi_cleans_up
  from (values (1)) as one (one)
       left join harpsweep.nextcloud_state() s on true
