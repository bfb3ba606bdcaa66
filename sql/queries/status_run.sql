-- The run that ended last. Parameters: none.
-- Result: at most one row: finished_at (text, UTC), ago text, host, version, pid, exit_code, claimed,
-- removed, untagged, absent, in_use, held, retried, failed, given_back, late, bytes_freed, note.
select to_char(r.finished_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as finished_at,
       harpsweep.readable_span(extract(epoch from now() - r.finished_at)::float8) || ' ago' as ago,
       r.host, r.version, r.pid, r.exit_code, r.claimed, r.removed, r.untagged, r.absent, r.in_use,
       r.held, r.retried, r.failed, r.given_back, r.late, r.bytes_freed, r.note
  from harpsweep.run r
 order by r.finished_at desc
 limit 1
