-- Fixes the grace of new rows and claims due jobs, of daemons that are known to have some: one
-- statement, so that a run needs one round trip for both.
--
-- $1 text[] daemons to claim from        $2 int[] how many jobs for each
-- $3 text only this app (null: all)      $4 bool cleanup is enabled (else only choice now)
-- $5 int grace in hours for rows that name none
-- $6 uuid token of this claim            $7 text host:pid of the run
-- $8 bigint lease in milliseconds        $9 int max_failures
-- $10 int schema version that this statement was written for: with any other it does nothing
-- $11 int keep_previous                  $12 bool protect_unpullable
-- $13 bool the name is deleted, whichever image it leads to (verify = no)
-- $14 bigint[] for each daemon, due_at (microseconds since 1970) of the last job that this run claimed
-- from it, and $15 bigint[] its number (null: none yet). Only what comes behind it is looked at: else,
-- while an old snapshot is held elsewhere, each claim would step over all that the run has done before.
--
-- Result, in no order, for all jobs of a claim are begun at nearly the same time; one row per kind:
--   job      a claimed job. hold: why it must not go on, delay_s: look again after so many seconds
--            (null: in_use_recheck_hours)
--   ended    a job that was due and became final instead, with its state
--   planned  daemon, number: new rows of that daemon that got their grace
--   upto     daemon, number, due_at_us: the last of its jobs that were due, for $14 and $15; attempts: how many
--            were picked, where that is fewer than asked for there are no more
with ask as materialized (
    select a.daemon, a.slots,
           coalesce('epoch'::timestamptz + a.after_us * interval '1 microsecond', '-infinity') as after_at,
           coalesce(a.after_id, 9223372036854775807) as after_id
      from unnest($1::text[], $2::int[], $14::bigint[], $15::bigint[]) as a(daemon, slots, after_us, after_id)
     where (select harpsweep.schema_version()) = $10::int
),
-- skip locked: what another run, or a person's transaction, holds is theirs. The materialized lists
-- bound what is taken; a plain `id in (select … limit n)` may run the sub-select again per row.
fresh as materialized (
    select n.id
      from ask a
           cross join lateral (
               select o.id
                 from harpsweep.job o
                where o.daemon = a.daemon
                  and o.due_at = '-infinity'
                  and o.state = 'new'
                  and ($4::bool or o.choice <> 'grace')
                  and ($3::text is null or o.appid = $3::text)
                order by o.id
                limit 1000
                  for update skip locked) n
),
-- The lists hold numbers or places only, and everything else comes from the row itself: an update that joined
-- them would be planned for as many rows as the statistics promise, and read the whole table for many,
-- or the whole list once per row for few.
planned as (
    update harpsweep.job j
       set (state, grace_hours, not_before, next_at, finished_at, hold_reason) = (
           -- not_before is set already where a job with a longer grace was merged into this one.
           select case j.choice when 'keep' then 'kept' else 'pending' end::harpsweep.job_state,
                  g.grace, d.due,
                  case j.choice when 'keep' then null else d.due end,
                  case j.choice when 'keep' then now() end,
                  case j.choice when 'keep' then 'asked to keep the image' else j.hold_reason end
             from (select case j.choice when 'now' then 0
                                        else coalesce(j.grace_hours, $5::int) end as grace) g
                  cross join lateral (
                      select greatest(j.orphaned_at + g.grace * interval '1 hour',
                                      j.not_before) as due) d)
     where j.id = any (array(select f.id from fresh f))
    returning j.daemon
),
picked as materialized (
    -- place: where the row's version is, which stays there while it is locked, so that no index has to be gone
    -- down a second time. Of a row that somebody changed since this statement began, it can't see the version
    -- that it locked: the next run takes it.
    -- ends: it is not tried once more. keep() or cancel() was told "maybe too late" and no result came,
    -- or the runs that tried it die.
    -- One row for each daemon, and not for each job: such a list would be read once more for each question below.
    select a.daemon, p.tried, p.ended, p.number, p.last_at, p.last_id
      from ask a
           cross join lateral (
               select array_agg(n.place) filter (where not n.ends) as tried,
                      array_agg(n.place) filter (where n.ends) as ended,
                      count(*)::int as number,
                      -- They come in order.
                      (array_agg(n.due_at))[count(*)] as last_at,
                      (array_agg(n.id))[count(*)] as last_id
                 from (select j.ctid as place, j.id, j.due_at,
                              j.end_wanted is not null
                              or (j.state = 'claimed' and j.lost_claims >= $9::int - 1) as ends
                         from harpsweep.job j
                        where j.daemon = a.daemon
                          and (j.due_at, j.id) > (a.after_at, a.after_id)
                          and j.due_at <= now()
                          and j.next_at <= now()
                          and j.not_before <= now()
                          and j.state in ('pending', 'claimed')
                          and ($4::bool or j.choice = 'now')
                          and ($3::text is null or j.appid = $3::text)
                        order by j.due_at, j.id
                        limit a.slots
                          for update skip locked) n) p
     where p.number > 0
),
-- Nothing here is a column that an index names: see the migration 3. A count that somebody set to the last number that
-- there is stays there: it must not fail the claim, which is all jobs'.
claimed as (
    update harpsweep.job j
       set state = 'claimed',
           next_at = now() + $8::bigint * interval '1 millisecond',
           attempts = least(j.attempts::bigint + 1, 2147483647),
           lost_claims = j.lost_claims + (j.state = 'claimed')::int,
           claim_token = $6::uuid,
           claimed_by = $7::text,
           claimed_at = now()
     where j.ctid = any (array(select unnest(p.tried) from picked p))
    returning j.id, j.daemon, j.appid, j.image_ref, j.image_id, j.choice, j.orphaned_at,
              j.attempts, j.not_before, j.protocol, j.host, j.docker_socket_port
),
-- Without a token: a result that comes after all is told that it is too late.
ended as (
    update harpsweep.job j
       set state = coalesce(j.end_wanted, 'failed'),
           next_at = null,
           lost_claims = least(j.lost_claims::bigint + (j.end_wanted is null)::int, 2147483647),
           claim_token = null,
           end_wanted = null,
           finished_at = now(),
           last_error = case when j.end_wanted is null
                             then format('claimed %s times in a row without a result: the runs died',
                                         j.lost_claims::bigint + 1)
                             else j.last_error end
     where j.ctid = any (array(select unnest(p.ended) from picked p))
    returning j.id, j.daemon, j.state
)
select 'job' as kind, c.daemon, c.id as number, c.attempts, null as state, c.appid, c.image_ref,
       c.image_id, c.choice,
       -- extract() would be a numeric, which takes ten times as long for each job.
       (date_part('epoch', c.orphaned_at) * 1000)::bigint as orphaned_at_ms,
       c.protocol, c.host, c.docker_socket_port, h.reason as hold, h.delay_s,
       null::bigint as due_at_us
  from claimed c
       -- As a column, the list lets the planner put the function into this statement where Nextcloud is not watched.
       left join (select s.id, s.reason, s.delay_s
                    from (select array_agg(f.id) as ids from claimed f) a
                         cross join lateral harpsweep.held(a.ids, '{}', $11::int, $12::bool, $13::bool) s) h
              on h.id = c.id
union all
select 'ended', e.daemon, e.id, null, e.state::text, null, null, null, null, null, null, null, null, null,
       null, null
  from ended e
union all
select 'planned', p.daemon, count(*), null, null, null, null, null, null, null, null, null, null, null,
       null, null
  from planned p group by p.daemon
union all
select 'upto', p.daemon, p.last_id, p.number, null, null, null, null, null, null, null, null, null, null, null,
       (extract(epoch from p.last_at) * 1000000)::bigint
  from picked p
