-- Records results of claimed jobs. A result counts only while its claim does: token and attempt must
-- both be the row's. Whoever comes late changes nothing and is told so.
--
-- $1 uuid[] tokens of claims
-- Of each result (an array that ends before the others: null from there on):
-- $2 int[] which of the tokens is its claim's, from 1        $3 bigint[] id         $4 int[] attempt
-- $5 text[] what came of it (null: done): wait, hold, retry, fail, release
-- $6 job_state[] state of a done one      $7 int[] HTTP status (null: none)   $8 bigint[] bytes freed
-- $9 text[] reason                       $10 bigint[] duration in milliseconds
-- $11 int[] least delay of a retry, or the delay of a hold (null: in_use_recheck_hours), in seconds
-- For all of them: $12 int in_use_recheck_hours  $13 int in_use_max_rechecks  $14 int max_failures
--
-- Result: place (in the arrays, from 1; the rows are in that order), number (id), outcome (recorded; already:
-- this very result stands there, its acknowledgement was lost; late: the row is somebody else's now), state,
-- beside text (an app whose deploy began on the same engine while the image was being deleted).
--
-- A result is not listed where all went as usual: recorded, with the final state that was sent, and no deploy
-- beside it. So nearly none is. The first row (place 0, outcome sum) says how many results were recorded,
-- listed or not: nobody has to take silence for success.
-- A deploy that runs beside a delete began after the last look at Nextcloud's tables. Asked where a result says that
-- an image is gone, and then for the jobs of all results: only those of a deleted one are looked for in the answer.
with beside as materialized (
    select b.id, b.appid from harpsweep.deploys_beside($3::bigint[]) b
),
-- Nothing is left to keep, whatever was asked for meanwhile; and nearly all results are of this kind, so these come
-- straight from the arrays: as rows of a list that is read again, each would cost a tenth of all that a job costs.
-- Everything but the result comes from the row itself as it is when it is changed. The rows are found by
-- their primary key, whatever the statistics say. Whether the claim is still this one stands in a case,
-- because the planner would else expect one row to pass, and look for its result in the whole list: once
-- per row.
gone as (
    update harpsweep.job j
       set state = ($6::harpsweep.job_state[])[r.place],
           next_at = null,
           lost_claims = 0,
           end_wanted = null,
           -- A server that took over may be a little behind, and what was done was done when it was due.
           finished_at = greatest(now(), j.not_before),
           http_status = ($7::int[])[r.place],
           bytes_freed = ($8::bigint[])[r.place],
           duration_ms = ($10::bigint[])[r.place],
           last_error = null,
           hold_reason = case when r.beside is null then ($9::text[])[r.place]
                              else concat_ws('; ', nullif(($9::text[])[r.place], ''),
                                             format('a deploy of app %s began on this engine while the image was '
                                                    'being deleted: if it failed, deploy it again', r.beside)) end
      from (select n.place, ($3::bigint[])[n.place] as id,
                   -- Not joined: the planner would expect a deploy beside each of them, and there is nearly none.
                   case when exists (select from beside) and ($6::harpsweep.job_state[])[n.place] <> 'absent'
                        then (select b.appid from beside b where b.id = ($3::bigint[])[n.place] limit 1) end as beside
              from generate_series(1, cardinality($3::bigint[])) as n(place)
             where ($6::harpsweep.job_state[])[n.place] in ('removed', 'untagged', 'absent')) r
     where j.id = r.id
       and j.id = any ($3::bigint[])
       and case when j.state = 'claimed' and j.claim_token = ($1::uuid[])[($2::int[])[r.place]]
                     and j.attempts = ($4::int[])[r.place]
                then true else false end
    returning r.place, j.id, j.state, r.beside
),
counted as materialized (
    select count(*) as gone, count(*) filter (where g.beside is null) as usual from gone g
),
-- All that was sent, for the others, and for whoever has to be told: not even made where as many rows became final
-- as there are results.
result as materialized (
    select r.id, coalesce(r.final in ('removed', 'untagged', 'absent'), false) as gone,
           ($1::uuid[])[r.claim] as token, r.attempt, coalesce(r.action, 'done') as action, r.final,
           r.http_status, r.bytes, r.reason, r.duration_ms, coalesce(r.min_delay, 0) as min_delay, r.place
      from unnest($2::int[], $3::bigint[], $4::int[], $5::text[], $6::harpsweep.job_state[], $7::int[], $8::bigint[],
                  $9::text[], $10::bigint[], $11::int[]) with ordinality
           as r(claim, id, attempt, action, final, http_status, bytes, reason, duration_ms, min_delay,
                place)
),
other as (
    update harpsweep.job j
       set (state, next_at, failures, rechecks, lost_claims, end_wanted, finished_at, http_status,
            bytes_freed, duration_ms, last_error, hold_reason) = (
           select n.state,
                  case when n.state = 'pending' then greatest(j.not_before, now() + case r.action
                      when 'retry' then greatest(
                          r.min_delay * interval '1 second',
                          least(interval '6 hours', interval '60 seconds' * 2 ^ least(j.failures, 20))
                              * (0.5 + random()))
                      when 'release' then interval '0'
                      else case when r.action = 'hold' and r.min_delay > 0
                                then r.min_delay * interval '1 second'
                                else $12::int * interval '1 hour' end end) end,
                  least(j.failures::bigint + (r.action in ('retry', 'fail'))::int, 2147483647),
                  least(j.rechecks::bigint + (r.action = 'wait')::int, 2147483647),
                  0,
                  null::harpsweep.job_state,
                  case when n.state <> 'pending' then now() end,
                  r.http_status,
                  r.bytes,
                  r.duration_ms,
                  case when r.action in ('retry', 'fail') then r.reason
                       when r.action = 'done' then null
                       else j.last_error end,
                  case when n.state in ('kept', 'cancelled') then j.hold_reason
                       when r.action in ('retry', 'fail') then null
                       else r.reason end
             from (select case when j.end_wanted is not null then j.end_wanted
                               when r.action = 'done' then r.final
                               when r.action = 'fail' then 'failed'
                               when r.action = 'retry' and j.failures >= $14::int - 1 then 'failed'
                               when r.action = 'wait' and j.rechecks >= $13::int - 1 then 'in_use'
                               else 'pending' end::harpsweep.job_state as state) n)
      from result r
     where (select c.gone from counted c) < cardinality($3::bigint[])
       and not r.gone
       and j.id = r.id
       and j.id = any (array(select s.id from result s where not s.gone))
       and case when j.state = 'claimed' and j.claim_token = r.token and j.attempts = r.attempt
                then true else false end
    returning r.place, j.id, j.state, null::text as beside
),
recorded as (
    select place, id, state, beside from gone union all select place, id, state, beside from other
)
select 0 as place,
       (select c.gone from counted c) + (select count(*) from other) as number,
       'sum' as outcome,
       null::text as state,
       null::text as beside
union all
select r.place,
       r.id,
       -- A claim that was taken away may stand here beside the same run's next one.
       case when d.place = r.place then 'recorded'
            when j.claim_token = r.token and j.attempts = r.attempt and j.state <> 'claimed'
                then 'already'
            else 'late' end,
       coalesce(d.state, j.state)::text,
       d.beside
  from result r
       left join recorded d on d.id = r.id
       -- for share: the row as it is by now. The statement may have waited for whoever changed it, and that
       -- may be this very result, sent before a connection broke: to its own eyes the claim still stands.
       left join lateral (
           select o.claim_token, o.attempts, o.state
             from harpsweep.job o
            where o.id = r.id
              and d.id is null
            limit 1
              for share) j on true
 where (select c.usual from counted c) < cardinality($3::bigint[])
   and (d.place = r.place and d.state = r.final and d.beside is null) is not true
 order by place
