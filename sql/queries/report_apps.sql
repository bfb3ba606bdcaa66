-- What came of jobs per app, failed ones left out. For the command report.
-- $1 bigint since when, in seconds since 1970  $2 bigint most rows
-- Result: all_apps bigint (how many there are), removed bigint, other bigint (jobs that became final in another
-- way), bytes_freed bigint, appid, last_at text (UTC, when the last of them did). The largest sum first.
select count(*) over () as all_apps, a.removed, a.other, a.bytes_freed, a.appid,
       to_char(a.last_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as last_at
  from (select j.appid,
               count(*) filter (where j.state = 'removed') as removed,
               count(*) filter (where j.state <> 'removed') as other,
               coalesce(sum(j.bytes_freed), 0)::bigint as bytes_freed,
               max(j.finished_at) as last_at
          from harpsweep.jobs j
         where j.finished_at >= to_timestamp($1::bigint)
           and j.outcome <> 'failed'
         group by j.appid) a
 order by a.bytes_freed desc, a.removed desc, a.appid
 limit $2::bigint
