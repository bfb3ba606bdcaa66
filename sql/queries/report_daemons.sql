-- How each daemon is, and what was reclaimed on it. For the command report.
-- $1 bigint since when, in seconds since 1970
-- Result: daemon, health, open, due, failed, removed, bytes_freed bigint, answered_at text (UTC), harp_version, stop,
-- stopped_since text (UTC), reason, hint, paused_until text (UTC).
with ended as (
    select j.daemon,
           count(*) filter (where j.state = 'removed') as removed,
           coalesce(sum(j.bytes_freed), 0)::bigint as bytes_freed
      from harpsweep.jobs j
     where j.finished_at >= to_timestamp($1::bigint)
       and j.outcome <> 'failed'
     group by j.daemon
)
select coalesce(h.daemon, e.daemon) as daemon, coalesce(h.health, 'not seen lately') as health,
       coalesce(h.open, 0) as open, coalesce(h.due, 0) as due, coalesce(h.failed, 0) as failed,
       coalesce(e.removed, 0) as removed, coalesce(e.bytes_freed, 0) as bytes_freed,
       to_char(h.answered_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as answered_at,
       h.harp_version, h.stop,
       to_char(h.stopped_since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as stopped_since,
       h.reason, h.hint,
       to_char(h.paused_until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as paused_until
  from harpsweep.daemon_health h
       full join ended e on e.daemon = h.daemon
 order by 1
