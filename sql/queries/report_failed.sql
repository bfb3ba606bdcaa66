-- The failed jobs, of any age, the last first. For the command report.
-- $1 bigint most rows
-- Result: all_failed bigint (how many there are), id bigint, attempts bigint, appid, daemon, image_ref,
-- failed_at text (UTC), reason text.
select count(*) over () as all_failed, j.id, j.attempts::bigint as attempts, j.appid, j.daemon, j.image_ref,
       to_char(j.finished_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as failed_at, j.reason
  from harpsweep.jobs j
 where j.outcome = 'failed'
 order by j.finished_at desc, j.id desc
 limit $1::bigint
