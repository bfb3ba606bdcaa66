-- Part of install.sql, repeated at every installation: the triggers that write harpsweep.job_log, remove the
-- events of a job that is deleted, and set harpsweep.alarm. Triggers, because then no statement can forget it, a DBA's
-- by hand included. One call for each statement: a run records its results by the hundred.

-- An insert makes no event: the row itself says when it came and why. So a restore makes none either.
create or replace function harpsweep.job_added() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    insert into harpsweep.alarm (rings_at)
    select min(n.due_at) from added as n having min(n.due_at) is not null;
    return null;
end
$$;
comment on function harpsweep.job_added() is 'Trigger: sets the alarm for new jobs.';

create or replace function harpsweep.tells_its_result(state harpsweep.job_state, claim_token uuid, claimed_by text)
returns boolean
language sql immutable parallel safe
as $$ select state in ('removed', 'untagged', 'absent') and claim_token is not null and claimed_by is not null $$;
comment on function harpsweep.tells_its_result(harpsweep.job_state, uuid, text) is
    'Whether the row of a job tells how it ended: a run found or made its image gone. Then the view job_event has it from there, and job_log does not. Used by a trigger.';

create or replace function harpsweep.job_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
-- The planner expects few rows after the conditions, and would look for each in the whole other list, or else sort both.
set enable_nestloop = off
set enable_mergejoin = off
as $$
begin
    -- Nearly all changes are of two kinds that nothing is written for: a claim is told with its result, and a result that
    -- the image is gone by the job's row. Neither needs a join, and a run not the time that it takes to plan one.
    if not exists (select from changed as n
                   where n.state <> 'claimed' or n.lost_claims > 0 or n.end_wanted is not null)
       and not exists (select from before as o where o.state not in ('new', 'pending', 'claimed')) then
        return null;
    end if;
    if not exists (select from changed as n
                   where not harpsweep.tells_its_result(n.state, n.claim_token, n.claimed_by))
       and not exists (select from before as o where o.state <> 'claimed') then
        return null;
    end if;
    -- What a row told until now and may tell no longer.
    insert into harpsweep.job_log (job_id, at, what, from_state, to_state, attempt, who, http_status, detail)
    select o.id, o.finished_at, 'result', 'claimed', o.state, o.attempts, o.claimed_by, o.http_status, o.hold_reason
    from before as o
    where harpsweep.tells_its_result(o.state, o.claim_token, o.claimed_by)
      and o.state is distinct from (
          select l.to_state from harpsweep.job_log as l where l.job_id = o.id order by l.id desc limit 1);
    -- Only for what became due earlier: where it is later, a run looks too early and sets the alarm for it. A claim,
    -- above, takes what is due, and leaves the alarm ringing that said so.
    if exists (select from changed as n where n.next_at is not null) then
        insert into harpsweep.alarm (rings_at)
        select min(n.due_at)
        from changed as n
             left join before as o on o.id = n.id
        where n.due_at < o.due_at or o.due_at is null
        having min(n.due_at) is not null;
    end if;
    insert into harpsweep.job_log (job_id, what, from_state, to_state, attempt, who, http_status, detail)
    select n.id,
           case
               when x.by_run and n.outcome is not null then 'result'
               when x.by_run and n.failures > o.failures then 'retry'
               when x.by_run and n.rechecks > o.rechecks then 'in use'
               when x.by_run and n.next_at > now() then 'held'
               when x.by_run then 'given back'
               when n.lost_claims > o.lost_claims then 'lost'
               when n.end_wanted is distinct from o.end_wanted and n.state = 'claimed' then 'to be ended'
               when x.again then 'scheduled again'
               when o.outcome is not null then 'reopened'
               when n.outcome is not null then 'ended'
               when o.state = 'new' and n.choice = o.choice then 'planned'
               when n.choice = 'now' and (o.choice <> 'now' or n.next_at <= now()) then 'made due'
               else 'moved'
           end,
           o.state, n.state,
           case when n.state = 'claimed' then o.attempts else n.attempts end,
           case when x.by_run or n.lost_claims > o.lost_claims then coalesce(o.claimed_by, session_user::text)
                else session_user::text end,  -- else it would be a name, which ends after 63 bytes
           case when x.by_run then n.http_status end,
           case
               when n.state = 'claimed' and n.lost_claims > o.lost_claims then
                   'taken up at ' || to_char(o.claimed_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
               when n.end_wanted is not null then n.end_wanted::text || ': ' || n.hold_reason
               when n.failures > o.failures or n.lost_claims > o.lost_claims then n.last_error
               -- The row tells of the last one who asked.
               when x.again and not x.by_run and n.state <> 'claimed' and n.outcome is null then
                   format('before: %s of app %s, choice %s, by %s', o.event, o.appid, o.choice, o.scheduled_by)
               else n.hold_reason
           end
    from changed as n
         join before as o on o.id = n.id
         cross join lateral (
             -- Whoever takes the row from a run takes its token away: never null, else nothing would be told.
             select o.state = 'claimed' and n.state <> 'claimed'
                    and n.claim_token is not distinct from o.claim_token and n.attempts = o.attempts as by_run,
                    (n.orphaned_at, n.appid, n.event, n.scheduled_by)
                    is distinct from (o.orphaned_at, o.appid, o.event, o.scheduled_by) as again) as x
    where (n.state <> 'claimed' or n.lost_claims > o.lost_claims or n.end_wanted is distinct from o.end_wanted)
      and (n.state <> o.state or n.choice <> o.choice or x.again
           or n.lost_claims > o.lost_claims or n.end_wanted is distinct from o.end_wanted
           or n.next_at is distinct from o.next_at)
      and not (x.by_run and harpsweep.tells_its_result(n.state, n.claim_token, n.claimed_by))
      -- While a daemon is down or a deploy goes on, each run would say the same again.
      and not (x.by_run and n.outcome is null and n.failures = o.failures and n.rechecks = o.rechecks
               and n.hold_reason is not distinct from o.hold_reason);
    return null;
end
$$;
comment on function harpsweep.job_changed() is 'Trigger: writes the changes of a statement to job_log, and sets the alarm where a job became due earlier.';

create or replace function harpsweep.job_deleted() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'TRUNCATE' then
        truncate harpsweep.job_log;
    else
        delete from harpsweep.job_log as e
        where e.job_id = any (array(select g.id from gone as g));
    end if;
    return null;
end
$$;
comment on function harpsweep.job_deleted() is 'Trigger: an event goes with its job.';

do $$
declare
    wanted record;
begin
    for wanted in
        select w.name, w.words, w.ddl
        from (values
            ('job_added', 'Sets the alarm.',
             'after insert on harpsweep.job referencing new table as added'
             ' for each statement execute function harpsweep.job_added()'),
            ('job_changed', 'Writes job_log, sets the alarm.',
             'after update on harpsweep.job referencing old table as before new table as changed'
             ' for each statement execute function harpsweep.job_changed()'),
            ('job_deleted', 'Removes the events of deleted jobs.',
             'after delete on harpsweep.job referencing old table as gone'
             ' for each statement execute function harpsweep.job_deleted()'),
            ('job_truncated', 'Removes the events of all jobs.',
             'after truncate on harpsweep.job for each statement execute function harpsweep.job_deleted()')
        ) as w(name, words, ddl)
        where not exists (
            select from pg_trigger as t
            where t.tgrelid = 'harpsweep.job'::regclass and t.tgname = w.name)
    loop
        execute format('create trigger %I %s', wanted.name, wanted.ddl);
        execute format('comment on trigger %I on harpsweep.job is %L', wanted.name, wanted.words);
    end loop;
end
$$;
