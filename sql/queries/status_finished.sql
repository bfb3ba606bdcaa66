-- Jobs that became final in the last 24 hours and 7 days, failed ones left out: they have their own query.
-- Parameters: none. Reads the index job_prunable, so its cost follows a week's work and not the history.
-- Result: state, jobs_24h, jobs_7d, bytes_24h, bytes_7d.
select j.state::text,
       count(*) filter (where j.finished_at > now() - interval '24 hours') as jobs_24h,
       count(*) as jobs_7d,
       coalesce(sum(j.bytes_freed) filter (where j.finished_at > now() - interval '24 hours'), 0)::bigint as bytes_24h,
       coalesce(sum(j.bytes_freed), 0)::bigint as bytes_7d
  from harpsweep.jobs j
 where j.finished_at > now() - interval '7 days'
   and j.outcome <> 'failed'
 group by j.state
 order by j.state
