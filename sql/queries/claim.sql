-- Finds daemons with due work, fixes the grace of new rows, and claims due jobs: one statement, one
-- scan of one index, so that a run with nothing to do reads one page and writes nothing.
--
-- $1 text[] daemons to claim from        $2 int[] how many jobs for each
-- $3 int how many further daemons may be found (0: look for none); each of them gives one job
-- $4 text[] daemons that the settings know  $5 text[] daemons that this run has met already
-- $6 text only this app (null: all)      $7 bool cleanup is enabled (else only choice now)
-- $8 int grace in hours for rows that name none
-- $9 uuid token of the run               $10 text host:pid of the run
-- $11 bigint lease in milliseconds       $12 int max_failures
-- $13 int schema version that this statement was written for: with any other it does nothing
-- $14 bool take daemons although they are paused
--
-- Result, one row per kind:
--   job      a claimed job; with another state than claimed it ended instead (see next_state)
--   planned  daemon, number: new rows of that daemon that got their grace
--   met      daemon: found with due work, and asked
--   unknown  daemon: has due work, but the settings do not know it
--   paused   daemon: has due work, but is left alone for now
with recursive
-- The first open row of each daemon: a loose index scan of job_due. The seed's filter is constant,
-- so without $3 nothing is read.
head(daemon, next_at) as (
    (select j.daemon, j.next_at
       from harpsweep.job j
      where j.next_at is not null
        and $3::int > 0
        and (select harpsweep.schema_version()) = $13::int
      order by j.daemon, j.next_at, j.id
      limit 1)
    union all
    select n.daemon, n.next_at
      from head h
           cross join lateral (
               select j.daemon, j.next_at
                 from harpsweep.job j
                where j.next_at is not null and j.daemon > h.daemon
                order by j.daemon, j.next_at, j.id
                limit 1) n
),
found as materialized (
    select h.daemon,
           h.next_at,
           case when h.daemon <> all ($4::text[]) then 'unknown'
                when not $14::bool and exists (
                         select from harpsweep.daemon d
                          where d.daemon = h.daemon and d.paused_until > now()) then 'paused'
                else 'met' end as kind
      from head h
     where h.next_at <= now()
       and h.daemon <> all ($5::text[])
),
met as materialized (
    select f.daemon from found f where f.kind = 'met' order by f.next_at, f.daemon limit $3::int
),
ask as materialized (
    select a.daemon, a.slots
      from unnest($1::text[], $2::int[]) as a(daemon, slots)
     where (select harpsweep.schema_version()) = $13::int
    union all
    select m.daemon, 1 from met m
),
-- skip locked: what another run, or a person's transaction, holds is theirs. The materialized lists
-- bound what is taken; a plain `id in (select … limit n)` may run the sub-select again per row.
fresh as materialized (
    -- not_before is set already where a job with a longer grace was merged into this one.
    select n.id, n.grace,
           greatest(n.orphaned_at + n.grace * interval '1 hour', n.not_before) as due
      from ask a
           cross join lateral (
               select o.id, o.orphaned_at, o.not_before,
                      case o.choice when 'now' then 0
                                    else coalesce(o.grace_hours, $8::int) end as grace
                 from harpsweep.job o
                where o.daemon = a.daemon
                  and o.next_at = '-infinity'
                  and o.state = 'new'
                  and ($7::bool or o.choice <> 'grace')
                  and ($6::text is null or o.appid = $6::text)
                order by o.id
                limit 1000
                  for update skip locked) n
),
-- `= any (array(…))` beside the join: the planner cannot know how short the list is, and would else
-- read the whole table to join it.
planned as (
    update harpsweep.job j
       set state = (case j.choice when 'keep' then 'kept' else 'pending' end)::harpsweep.job_state,
           grace_hours = n.grace,
           not_before = n.due,
           next_at = case j.choice when 'keep' then null else n.due end,
           finished_at = case j.choice when 'keep' then now() end,
           hold_reason = case j.choice when 'keep' then 'asked to keep the image' else j.hold_reason end
      from fresh n
     where j.id = n.id
       and j.id = any (array(select i.id from fresh i))
    returning j.daemon
),
picked as materialized (
    select p.id, p.due, p.next_state
      from ask a
           cross join lateral (
               select j.id, j.next_at as due,
                      case when j.end_wanted is not null then j.end_wanted
                           when j.state = 'claimed' and j.lost_claims + 1 >= $12::int
                               then 'failed'::harpsweep.job_state
                           else 'claimed'::harpsweep.job_state end as next_state
                 from harpsweep.job j
                where j.daemon = a.daemon
                  and j.next_at > '-infinity'
                  and j.next_at <= now()
                  and j.not_before <= now()
                  and j.state in ('pending', 'claimed')
                  and ($7::bool or j.choice = 'now')
                  and ($6::text is null or j.appid = $6::text)
                order by j.next_at, j.id
                limit a.slots
                  for update skip locked) p
),
claimed as (
    update harpsweep.job j
       set state = p.next_state,
           next_at = case p.next_state
                         when 'claimed' then now() + $11::bigint * interval '1 millisecond' end,
           attempts = j.attempts + (p.next_state = 'claimed')::int,
           lost_claims = j.lost_claims + (j.state = 'claimed' and j.end_wanted is null)::int,
           claim_token = case p.next_state when 'claimed' then $9::uuid else j.claim_token end,
           claimed_by = case p.next_state when 'claimed' then $10::text else j.claimed_by end,
           claimed_at = case p.next_state when 'claimed' then now() else j.claimed_at end,
           end_wanted = null,
           finished_at = case when p.next_state <> 'claimed' then now() end,
           last_error = case p.next_state
                            when 'failed' then format('claimed %s times in a row without a result: '
                                                      'the runs died', j.lost_claims + 1)
                            else j.last_error end
      from picked p
     where j.id = p.id
       and j.id = any (array(select i.id from picked i))
    returning j.id, j.daemon, j.appid, j.image_ref, j.image_id, j.choice, j.orphaned_at,
              j.attempts, j.state, p.due
)
select 'job' as kind, c.daemon, c.id as number, c.attempts, c.state::text, c.appid, c.image_ref,
       c.image_id, c.choice, (extract(epoch from c.orphaned_at) * 1000)::bigint as orphaned_at_ms,
       c.due
  from claimed c
union all
select 'planned', p.daemon, count(*), null, null, null, null, null, null, null, null
  from planned p group by p.daemon
union all
select 'met', m.daemon, null, null, null, null, null, null, null, null, null from met m
union all
select f.kind, f.daemon, null, null, null, null, null, null, null, null, null
  from found f where f.kind <> 'met'
 order by due, number
