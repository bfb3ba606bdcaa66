-- What the connection's user lacks of that which runs and commands need.
-- Parameters: none. Reads catalogs only, so it works whatever is missing.
-- Result: one row per missing privilege: object_exists bool, needed_for text (run or commands),
-- missing text (in words), remedy text (the statement that gives it).
with wanted (kind, name, privilege, columns, needed_for) as (values
    ('table', 'job', 'select', null::text[], 'run'),
    ('table', 'job', 'update', array[
        'state', 'grace_hours', 'not_before', 'next_at', 'attempts', 'failures', 'rechecks', 'lost_claims',
        'claim_token', 'claimed_by', 'claimed_at', 'end_wanted', 'hold_reason', 'http_status',
        'bytes_freed', 'last_error', 'duration_ms', 'finished_at'], 'run'),
    ('table', 'job', 'delete', null, 'run'),
    ('table', 'run', 'insert', null, 'run'),
    ('table', 'run', 'select', null, 'run'),
    ('table', 'run', 'delete', null, 'run'),
    ('table', 'alarm', 'select', null, 'run'),
    ('table', 'alarm', 'insert', null, 'run'),
    ('table', 'alarm', 'delete', null, 'run'),
    ('table', 'daemon', 'select', null, 'run'),
    ('table', 'daemon', 'insert', null, 'run'),
    ('table', 'daemon', 'update', null, 'run'),
    ('table', 'exapp_image', 'select', null, 'run'),
    ('table', 'exapp_image', 'delete', null, 'run'),
    ('table', 'intake_error', 'select', null, 'run'),
    ('table', 'intake_error', 'delete', null, 'run'),
    ('function', 'schema_version', 'execute', null, 'run'),
    ('function', 'news', 'execute', null, 'run'),
    ('function', 'changed_apps', 'execute', null, 'run'),
    ('function', 'held', 'execute', null, 'run'),
    ('function', 'deploys_beside', 'execute', null, 'run'),
    ('function', 'observed', 'execute', null, 'run'),
    ('function', 'reconcile', 'execute', null, 'run'),
    ('function', 'nextcloud_settings', 'execute', null, 'run'),
    ('function', 'nextcloud_state', 'execute', null, 'commands'),
    ('view', 'job_event', 'select', null, 'commands'),
    ('view', 'jobs', 'select', null, 'commands'),
    ('view', 'daemon_health', 'select', null, 'commands'),
    ('function', 'readable_span', 'execute', null, 'commands'),
    ('function', 'schedule', 'execute', null, 'commands'),
    ('function', 'make_due', 'execute', null, 'commands'),
    ('function', 'keep_job', 'execute', null, 'commands'),
    ('function', 'cancel', 'execute', null, 'commands'),
    ('function', 'retry', 'execute', null, 'commands')),
judged as (
    select w.kind, w.name, w.privilege, w.columns, w.needed_for, c.oid is not null as object_exists,
           case when w.columns is null then has_table_privilege(c.oid, w.privilege)
                else (select coalesce(bool_and(has_column_privilege(c.oid, a.attnum, w.privilege)), false)
                        from pg_catalog.pg_attribute a
                       where a.attrelid = c.oid and a.attname = any (w.columns)) end as granted,
           null::text as signature
      from wanted w
           left join pg_catalog.pg_namespace n on n.nspname = 'harpsweep'
           left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name
     where w.kind <> 'function'
    union all
    select w.kind, w.name, w.privilege, w.columns, w.needed_for, p.oid is not null,
           has_function_privilege(p.oid, w.privilege),
           pg_catalog.pg_get_function_identity_arguments(p.oid)
      from wanted w
           left join pg_catalog.pg_namespace n on n.nspname = 'harpsweep'
           left join pg_catalog.pg_proc p on p.pronamespace = n.oid and p.proname = w.name
     where w.kind = 'function')
select j.object_exists, j.needed_for,
       j.privilege || ' on ' || j.kind || ' harpsweep.' || j.name as missing,
       format('grant %s%s on %s harpsweep.%I%s to %I;', j.privilege,
              ' (' || array_to_string(j.columns, ', ') || ')',
              case j.kind when 'function' then 'function' else 'table' end, j.name,
              '(' || j.signature || ')', current_user) as remedy
  from judged j
 where not coalesce(j.granted, false)
 order by j.needed_for desc, j.kind, j.name, j.privilege
