-- Sets the alarm for the next run that has to look at the jobs and at Nextcloud's apps, in place of the alarms that are
-- set. Does nothing where a job is due already, or an app has to be looked at: those ring then.
--
-- The jobs, the apps and the alarms are seen in one snapshot, so none is forgotten: whoever makes a job due earlier, or
-- changes an app, and is not seen here has set an alarm that is not seen, and not removed, here either.
-- Parameters: none.
-- Result: none.
with recursive head(daemon, due_at) as (
    -- As in find.sql: one step for each daemon with open jobs.
    (select j.daemon, j.due_at
       from harpsweep.job j
      where j.due_at is not null
      order by j.daemon, j.due_at
      limit 1)
    union all
    select n.daemon, n.due_at
      from head h
           cross join lateral (
               select j.daemon, j.due_at
                 from harpsweep.job j
                where j.due_at is not null and j.daemon > h.daemon
                order by j.daemon, j.due_at
                limit 1) n
),
-- An hour at most: should anything ever change a job or an app without its triggers, it is late by no more than that.
next as materialized (
    select least(min(h.due_at), now() + interval '1 hour') as rings_at
      from head h
    having not exists (select from harpsweep.changed_apps())
),
old as (
    delete from harpsweep.alarm where (select n.rings_at from next n) > now()
)
insert into harpsweep.alarm (rings_at)
select n.rings_at from next n where n.rings_at > now()
