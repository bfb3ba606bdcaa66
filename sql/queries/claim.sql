-- Fixes the grace of new rows and claims due jobs, of daemons that are known to have some: one
-- statement, so that a run needs one round trip for both.
--
-- $1 text[] daemons to claim from        $2 int[] how many jobs for each
-- $3 text only this app (null: all)      $4 bool cleanup is enabled (else only choice now)
-- $5 int grace in hours for rows that name none
-- $6 uuid token of the run               $7 text host:pid of the run
-- $8 bigint lease in milliseconds        $9 int max_failures
-- $10 int schema version that this statement was written for: with any other it does nothing
-- $11 int keep_previous                  $12 bool protect_unpullable
-- $13 bool the name is deleted, whichever image it leads to (verify = no)
--
-- Result, one row per kind:
--   job      a claimed job; with another state than claimed it ended instead. hold: why it must not go on,
--            delay_s: look again after so many seconds (null: in_use_recheck_hours)
--   planned  daemon, number: new rows of that daemon that got their grace
with ask as materialized (
    select a.daemon, a.slots
      from unnest($1::text[], $2::int[]) as a(daemon, slots)
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
                  and o.next_at = '-infinity'
                  and o.state = 'new'
                  and ($4::bool or o.choice <> 'grace')
                  and ($3::text is null or o.appid = $3::text)
                order by o.id
                limit 1000
                  for update skip locked) n
),
-- The lists hold numbers only, and everything else comes from the row itself: an update that joined
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
    select p.id
      from ask a
           cross join lateral (
               select j.id
                 from harpsweep.job j
                where j.daemon = a.daemon
                  and j.next_at > '-infinity'
                  and j.next_at <= now()
                  and j.not_before <= now()
                  and j.state in ('pending', 'claimed')
                  and ($4::bool or j.choice = 'now')
                  and ($3::text is null or j.appid = $3::text)
                order by j.next_at, j.id
                limit a.slots
                  for update skip locked) p
),
claimed as (
    update harpsweep.job j
       set (state, next_at, attempts, lost_claims, claim_token, claimed_by, claimed_at, end_wanted,
            finished_at, last_error) = (
           select n.state,
                  case n.state
                      when 'claimed' then now() + $8::bigint * interval '1 millisecond' end,
                  j.attempts + (n.state = 'claimed')::int,
                  j.lost_claims + (j.state = 'claimed' and j.end_wanted is null)::int,
                  case n.state when 'claimed' then $6::uuid else j.claim_token end,
                  case n.state when 'claimed' then $7::text else j.claimed_by end,
                  case n.state when 'claimed' then now() else j.claimed_at end,
                  null::harpsweep.job_state,
                  case when n.state <> 'claimed' then now() end,
                  case n.state when 'failed' then format('claimed %s times in a row without a result: '
                                                         'the runs died', j.lost_claims + 1)
                               else j.last_error end
             from (select case when j.end_wanted is not null then j.end_wanted
                               when j.state = 'claimed' and j.lost_claims + 1 >= $9::int
                                   then 'failed'::harpsweep.job_state
                               else 'claimed'::harpsweep.job_state end as state) n)
     where j.id = any (array(select p.id from picked p))
    returning j.id, j.daemon, j.appid, j.image_ref, j.image_id, j.choice, j.orphaned_at,
              j.attempts, j.state, j.not_before, j.protocol, j.host, j.docker_socket_port
)
select 'job' as kind, c.daemon, c.id as number, c.attempts, c.state::text, c.appid, c.image_ref,
       c.image_id, c.choice, (extract(epoch from c.orphaned_at) * 1000)::bigint as orphaned_at_ms,
       c.protocol, c.host, c.docker_socket_port, h.reason as hold, h.delay_s, c.not_before
  from claimed c
       left join harpsweep.held(array(select f.id from claimed f where f.state = 'claimed'), '{}',
                                $11::int, $12::bool, $13::bool) h on h.id = c.id
union all
select 'planned', p.daemon, count(*), null, null, null, null, null, null, null, null, null, null, null, null, null
  from planned p group by p.daemon
 order by not_before, number
