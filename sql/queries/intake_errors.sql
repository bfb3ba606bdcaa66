-- What went wrong in the triggers on Nextcloud's tables, the last first.
-- Parameters: none.
-- Result: source text, code text, message text, subject text, times bigint, last_at text (UTC), ago text.
select e.source, e.code, e.message, e.subject, e.times,
       to_char(e.last_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as last_at,
       harpsweep.readable_span(extract(epoch from now() - e.last_at)::float8) || ' ago' as ago
  from harpsweep.intake_error e
 order by e.last_at desc, e.id desc
 limit 10
