-- Jobs with all that is known of them. For the commands list and show.
-- $1 text only this state; open and final stand for several (null: all)
-- $2 text only this daemon (null: all)  $3 text only this app (null: all)
-- $4 bigint[] only these jobs (null: all)  $5 int most rows
-- $6 bigint only those that came or ended so many seconds ago or later (null: all)
-- $7 text order: oldest, due, ended, size, state, app, daemon; anything else and null: newest first
-- Result: one row per job, as ledger_job_at() reads them. Times are UTC in ISO 8601; waits_s is
-- the number of seconds until next_at.
select j.id, j.state::text, j.daemon, j.appid, j.image_ref, j.image_id, j.event, j.choice,
       j.grace_hours,
       to_char(j.orphaned_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as orphaned_at,
       to_char(j.not_before at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as not_before,
       case when isfinite(j.next_at)
            then to_char(j.next_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
            else j.next_at::text end as next_at,
       to_char(j.claimed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as claimed_at,
       to_char(j.finished_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as finished_at,
       j.attempts, j.failures, j.rechecks, j.lost_claims, j.claimed_by, j.end_wanted::text,
       j.hold_reason, j.last_error, j.http_status, j.bytes_freed, j.duration_ms,
       j.protocol, j.host, j.docker_socket_port,
       case when j.next_at is null then j.ended
            when j.due like 'in %' or j.due like 'since %' then 'due ' || j.due
            else j.due end as due,
       j.reason,
       case when isfinite(j.next_at)
            then ceil(extract(epoch from j.next_at) - extract(epoch from now()))::bigint end as waits_s,
       d.stop, d.reason as stop_reason, d.hint as stop_hint,
       case when d.paused_until > now()
            then to_char(d.paused_until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') end as paused_until,
       j.oc_job_id, j.scheduled_by
  from harpsweep.jobs j
       left join harpsweep.daemon d on d.daemon = j.daemon
 where ($1::text is null
        or j.state::text = $1::text
        or ($1::text = 'open' and j.finished_at is null)
        or ($1::text = 'final' and j.finished_at is not null))
   and ($2::text is null or j.daemon = $2::text)
   and ($3::text is null or j.appid = $3::text)
   and ($4::bigint[] is null or j.id = any ($4::bigint[]))
   and ($6::bigint is null
        or greatest(j.orphaned_at, j.finished_at) >= now() - make_interval(secs => $6::bigint))
 -- Each line but the one that was asked for is a constant, and costs nothing.
 order by case when $7::text = 'oldest' then j.id end,
          case when $7::text = 'due' then j.next_at end,
          case when $7::text = 'ended' then j.finished_at end desc nulls last,
          case when $7::text = 'size' then j.bytes_freed end desc nulls last,
          case when $7::text = 'state' then j.state end,
          case when $7::text = 'app' then j.appid end,
          case when $7::text = 'daemon' then j.daemon end,
          j.id desc
 limit $5::int
