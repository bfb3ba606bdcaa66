-- How each daemon is. Parameters: none.
-- Result: daemon, health, open, due, failed, removed_24h, bytes_freed_24h, overdue_s bigint (null: nothing is due),
-- overdue text, answered_at text (UTC), harp_version, stop, stopped_since text (UTC), reason, hint,
-- paused_until text (UTC).
select h.daemon, h.health, h.open, h.due, h.failed, h.removed_24h, h.bytes_freed_24h,
       (extract(epoch from now()) - extract(epoch from h.oldest_due))::bigint as overdue_s, h.overdue,
       to_char(h.answered_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as answered_at,
       h.harp_version, h.stop,
       to_char(h.stopped_since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as stopped_since,
       h.reason, h.hint,
       to_char(h.paused_until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as paused_until
  from harpsweep.daemon_health h
 order by h.daemon
