-- Open jobs by daemon and state. Parameters: none.
-- Result: daemon, state, jobs bigint, due bigint (of them, now), now_jobs bigint (due ones with choice
-- now), nowhere bigint (due ones of which it was not noted where their daemon is), oldest_due_s bigint (how long the oldest of the due ones has been due; null where none is),
-- next_s bigint (when the first of the others is due; null where none is or nobody knows).
select j.daemon, j.state::text, count(*) as jobs,
       count(*) filter (where j.next_at <= now()) as due,
       count(*) filter (where j.next_at <= now() and j.choice = 'now') as now_jobs,
       count(*) filter (where j.next_at <= now() and j.host is null) as nowhere,
       floor(extract(epoch from now() - min(case when j.state = 'new' then j.orphaned_at else j.next_at end)
             filter (where j.next_at <= now())))::bigint as oldest_due_s,
       ceil(extract(epoch from min(j.next_at) filter (where j.next_at > now() and isfinite(j.next_at)) - now()))::bigint
           as next_s
  from harpsweep.jobs j
 where j.finished_at is null
 group by j.daemon, j.state
 order by j.daemon, j.state
