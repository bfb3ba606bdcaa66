-- Part of install.sql, repeated at every installation: views for people and for monitoring.
-- "create or replace" keeps what a DBA granted or built on them; it can add columns at the end only,
-- so a migration drops a view whose columns change otherwise.

create or replace view harpsweep.jobs as
select j.id,
       j.state,
       j.daemon,
       j.appid,
       j.image_ref,
       case
           when j.state = 'new' then 'at the next run'
           when j.state = 'claimed' and j.next_at > now() then 'being worked on'
           when j.next_at = 'infinity' then 'never'
           when j.next_at <= now() then
               'since ' || harpsweep.readable_span(
                   extract(epoch from now())::float8 - extract(epoch from j.next_at)::float8)
           when j.next_at is not null then
               'in ' || harpsweep.readable_span(
                   extract(epoch from j.next_at)::float8 - extract(epoch from now())::float8)
       end as due,
       harpsweep.readable_span(
           extract(epoch from now())::float8 - extract(epoch from j.orphaned_at)::float8) as age,
       harpsweep.readable_span(
           extract(epoch from now())::float8 - extract(epoch from j.finished_at)::float8) || ' ago' as ended,
       harpsweep.readable_size(j.bytes_freed) as freed,
       case when j.next_at is null then coalesce(j.hold_reason, j.last_error)
            else concat_ws('; ', j.end_wanted::text || ' when this attempt ends', j.hold_reason, j.last_error)
       end as reason,
       j.event,
       j.choice,
       j.grace_hours,
       j.orphaned_at,
       j.not_before,
       j.next_at,
       j.finished_at,
       j.image_id,
       j.attempts,
       j.failures,
       j.rechecks,
       j.lost_claims,
       j.claimed_by,
       j.claimed_at,
       j.end_wanted,
       j.hold_reason,
       j.last_error,
       j.http_status,
       j.bytes_freed,
       j.duration_ms,
       j.protocol,
       j.host,
       j.docker_socket_port,
       j.oc_job_id,
       j.outcome,
       j.scheduled_by
from harpsweep.job as j
order by j.id desc;

comment on view harpsweep.jobs is
    'Every job, newest first, with times that can be read. Open ones: where finished_at is null.';

create or replace view harpsweep.job_event as
select l.job_id, l.id, l.at, l.what, l.from_state, l.to_state, l.attempt, l.who, l.http_status, l.detail
from harpsweep.job_log as l
union all
-- What the row tells, see tells_its_result(), which this does not call: who may read a view would have to be allowed to.
-- Until it is changed: the trigger writes it to job_log then.
select j.id, null, j.finished_at, 'result', 'claimed', j.state, j.attempts, j.claimed_by, j.http_status, j.hold_reason
from harpsweep.job as j
where j.outcome in ('removed', 'untagged', 'absent') and j.claim_token is not null and j.claimed_by is not null
  and j.state is distinct from (
      select l.to_state from harpsweep.job_log as l where l.job_id = j.id order by l.id desc limit 1);

comment on view harpsweep.job_event is
    'What happened to each job after it was made, one row for each change of its state, choice or due time: told by the statement that makes the change, gone with the job. A claim and its result are one row; one that says the same as the one before (held or given back again) makes none.';

-- Columns that are a table's own keep its words: nobody maintains the same sentence twice.
do $$
declare
    same record;
begin
    for same in
        select v.view, a.attname, col_description(b.attrelid, b.attnum) as words
        from (values ('harpsweep.jobs'::regclass, 'harpsweep.job'::regclass),
                     ('harpsweep.job_event', 'harpsweep.job_log')) as v(view, base)
             join pg_attribute as a on a.attrelid = v.view and a.attnum > 0
             join pg_attribute as b on b.attrelid = v.base and b.attname = a.attname
    loop
        execute format('comment on column %s.%I is %L', same.view, same.attname, same.words);
    end loop;
end
$$;
comment on column harpsweep.job_event.id is
    'Order of the events. Null for the last one of a job whose image is gone: it is told by the row of the job.';
comment on column harpsweep.jobs.due is
    'When somebody may act on it: "in 3 h", "since 2 min", "at the next run" (which fixes its grace), "being worked on", "never" (held by hand); empty for a final job.';
comment on column harpsweep.jobs.age is 'How long ago the image became an orphan.';
comment on column harpsweep.jobs.ended is 'How long ago the job became final.';
comment on column harpsweep.jobs.freed is
    'Size of the deleted image: an upper bound where layers are shared.';
comment on column harpsweep.jobs.reason is
    'Why an open job waits or what went wrong with it last, or why a final one is final.';

create or replace view harpsweep.daemon_health as
with open_jobs as (
    select j.daemon,
           count(*) as open,
           count(*) filter (where j.next_at <= now()) as due,
           min(case when j.state = 'new' then j.orphaned_at else j.next_at end)
               filter (where j.next_at <= now()) as oldest_due
    from harpsweep.job as j
    where j.finished_at is null
    group by j.daemon
), failed_jobs as (
    select j.daemon, count(*) as failed,
           count(*) filter (where j.finished_at > now() - interval '24 hours') as failed_24h
    from harpsweep.job as j
    where j.outcome = 'failed'
    group by j.daemon
), finished_jobs as (
    select j.daemon,
           count(*) filter (where j.state = 'removed') as removed_24h,
           coalesce(sum(j.bytes_freed) filter (where j.state = 'removed'), 0) as bytes_freed_24h
    from harpsweep.job as j
    where j.outcome <> 'failed'
      and j.finished_at > now() - interval '24 hours'
    group by j.daemon
), daemons as (
    select o.daemon from open_jobs as o
    union select f.daemon from failed_jobs as f
    union select f.daemon from finished_jobs as f
    union select d.daemon from harpsweep.daemon as d
)
select n.daemon,
       case
           when d.paused_until > now() then 'paused'
           when t.stop is not null then 'stopped'
           when o.oldest_due < now() - interval '15 minutes' then 'late'
           when x.failed > 0 then 'failed jobs'
           when d.answered_at is null then 'not seen yet'
           else 'ok'
       end as health,
       coalesce(o.open, 0) as open,
       coalesce(o.due, 0) as due,
       o.oldest_due,
       harpsweep.readable_span(
           extract(epoch from now())::float8 - extract(epoch from o.oldest_due)::float8) as overdue,
       coalesce(x.failed, 0) as failed,
       coalesce(f.removed_24h, 0) as removed_24h,
       coalesce(x.failed_24h, 0) as failed_24h,
       coalesce(f.bytes_freed_24h, 0)::bigint as bytes_freed_24h,
       d.answered_at,
       d.harp_version,
       t.stop,
       t.stopped_since,
       t.reason,
       t.hint,
       d.paused_until
from daemons as n
     left join open_jobs as o on o.daemon = n.daemon
     left join failed_jobs as x on x.daemon = n.daemon
     left join finished_jobs as f on f.daemon = n.daemon
     left join harpsweep.daemon as d on d.daemon = n.daemon
     -- Without work no run goes there: that a trouble has ended would never be known.
     left join harpsweep.daemon as t on t.daemon = n.daemon and o.open > 0
order by n.daemon;

comment on view harpsweep.daemon_health is
    'One row per daemon that has open or failed jobs, finished one in the last 24 hours, or was met by a run: is it well, is work waiting?';
comment on column harpsweep.daemon_health.daemon is 'Name of the daemon.';
comment on column harpsweep.daemon_health.health is
    'In a word, the worst that applies: paused (runs leave it alone until paused_until), stopped (it has work, and the last run that tried could not go on), late (work is due for more than 15 minutes: does cron run it, is cleanup enabled?), failed jobs (they need a person), not seen yet, ok.';
comment on column harpsweep.daemon_health.open is 'Jobs that are not final.';
comment on column harpsweep.daemon_health.due is 'Open jobs that somebody may act on now; new ones count.';
comment on column harpsweep.daemon_health.oldest_due is 'Since when the oldest of those is due.';
comment on column harpsweep.daemon_health.overdue is 'How long that is: "3 h".';
comment on column harpsweep.daemon_health.failed is
    'Failed jobs of any age: look at their reason, then harpsweep.retry().';
comment on column harpsweep.daemon_health.removed_24h is 'Images deleted in the last 24 hours.';
comment on column harpsweep.daemon_health.failed_24h is 'Jobs that failed in the last 24 hours.';
comment on column harpsweep.daemon_health.bytes_freed_24h is
    'Sum of the sizes of the images deleted in the last 24 hours: an upper bound.';
comment on column harpsweep.daemon_health.answered_at is 'When it last answered as HaRP does.';
comment on column harpsweep.daemon_health.harp_version is 'HaRP''s version as it told it.';
comment on column harpsweep.daemon_health.stop is
    'Kind of the trouble in one word, while it has open jobs; what it was before stands in harpsweep.daemon.';
comment on column harpsweep.daemon_health.stopped_since is 'Since when runs stop at it.';
comment on column harpsweep.daemon_health.reason is 'The trouble in words.';
comment on column harpsweep.daemon_health.hint is 'What to do about it.';
comment on column harpsweep.daemon_health.paused_until is 'Until when runs leave it alone.';

create or replace view harpsweep.daily as
select (j.finished_at at time zone 'UTC')::date as day,
       count(*) filter (where j.state = 'removed') as removed,
       count(*) filter (where j.state = 'untagged') as untagged,
       count(*) filter (where j.state = 'absent') as absent,
       count(*) filter (where j.state = 'in_use') as in_use,
       count(*) filter (where j.state = 'failed') as failed,
       count(*) filter (where j.state = 'kept') as kept,
       count(*) filter (where j.state = 'cancelled') as cancelled,
       count(*) filter (where j.state in ('unsupported', 'no_ref')) as other,
       coalesce(sum(j.bytes_freed) filter (where j.state = 'removed'), 0)::bigint as bytes_freed
from harpsweep.job as j
where j.finished_at is not null
group by 1
order by 1 desc;

comment on view harpsweep.daily is
    'Jobs that became final per day (UTC), newest day first, as far back as the history is kept.';
comment on column harpsweep.daily.day is 'The day, in UTC.';
comment on column harpsweep.daily.removed is 'Images deleted.';
comment on column harpsweep.daily.untagged is 'Names removed of images that other names hold.';
comment on column harpsweep.daily.absent is 'Images that were gone already.';
comment on column harpsweep.daily.in_use is 'Images that were still in use at the last look.';
comment on column harpsweep.daily.failed is 'Jobs that failed and need a person.';
comment on column harpsweep.daily.kept is 'Images kept on request.';
comment on column harpsweep.daily.cancelled is 'Jobs cancelled.';
comment on column harpsweep.daily.other is
    'Jobs that could not be worked on: a daemon without HaRP, or an image that was never seen.';
comment on column harpsweep.daily.bytes_freed is
    'Sum of the sizes of the deleted images: an upper bound where layers are shared.';
