-- Records results of claimed jobs. A result counts only while its claim does: token and attempt must
-- both be the row's. Whoever comes late changes nothing and is told so.
--
-- $1 uuid token of the run
-- $2 bigint[] ids         $3 int[] attempts     $4 text[] done, wait, hold, retry, fail, release
-- $5 text[] final state of a done one           $6 int[] HTTP status (null: none)
-- $7 bigint[] bytes freed $8 text[] reasons     $9 bigint[] duration in milliseconds
-- $10 int[] least delay of a retry, or the delay of a hold (0: in_use_recheck_hours), in seconds
-- $11 int in_use_recheck_hours  $12 int in_use_max_rechecks  $13 int max_failures
--
-- Result, in the order of the arrays: id, outcome (recorded; already: this very result stands there, its acknowledgement was
-- lost; late: the row is somebody else's now), state, beside text (an app whose deploy began on the same engine
-- while the image was being deleted).
with result as materialized (
    select r.id, r.attempt, r.action, r.final, r.http_status, r.bytes, r.reason, r.duration_ms,
           r.min_delay, r.place
      from unnest($2::bigint[], $3::int[], $4::text[], $5::text[], $6::int[], $7::bigint[],
                  $8::text[], $9::bigint[], $10::int[]) with ordinality
           as r(id, attempt, action, final, http_status, bytes, reason, duration_ms, min_delay,
                place)
),
-- A deploy that runs beside a delete began after the last look at Nextcloud's tables.
beside as materialized (
    select b.id, b.appid
      from harpsweep.deploys_beside(
               array(select r.id from result r where r.final in ('removed', 'untagged'))) b
),
-- The lateral sub-selects take one row each by its primary key, in the order of ids; a plain join is
-- a plan for the few claimed rows that old statistics promise, which reads the whole table.
target as materialized (
    select r.id, r.action, r.http_status, r.bytes, r.duration_ms, r.min_delay, b.appid as beside,
           case when b.appid is null then r.reason
                else concat_ws('; ', nullif(r.reason, ''),
                               format('a deploy of app %s began on this engine while the image was being '
                                      'deleted: if it failed, deploy it again', b.appid)) end as reason,
           case when r.action = 'done' then r.final::harpsweep.job_state
                when j.end_wanted is not null then j.end_wanted
                when r.action = 'fail' then 'failed'
                when r.action = 'retry' and j.failures + 1 >= $13::int then 'failed'
                when r.action = 'wait' and j.rechecks + 1 >= $12::int then 'in_use'
                else 'pending' end::harpsweep.job_state as state
      from (select s.id, s.attempt, s.action, s.final, s.http_status, s.bytes, s.reason,
                   s.duration_ms, s.min_delay
              from result s order by s.id) r
           cross join lateral (
               select o.end_wanted, o.failures, o.rechecks
                 from harpsweep.job o
                where o.id = r.id
                  and o.state = 'claimed'
                  and o.claim_token = $1::uuid
                  and o.attempts = r.attempt
                  for update) j
           left join beside b on b.id = r.id
),
recorded as (
    update harpsweep.job j
       set state = t.state,
           next_at = case when t.state = 'pending' then greatest(j.not_before, now() + case t.action
               when 'retry' then greatest(
                   t.min_delay * interval '1 second',
                   least(interval '6 hours', interval '60 seconds' * 2 ^ least(j.failures, 20))
                       * (0.5 + random()))
               when 'release' then interval '0'
               else case when t.action = 'hold' and t.min_delay > 0
                         then t.min_delay * interval '1 second'
                         else $11::int * interval '1 hour' end end) end,
           failures = j.failures + (t.action in ('retry', 'fail'))::int,
           rechecks = j.rechecks + (t.action = 'wait')::int,
           lost_claims = 0,
           end_wanted = null,
           finished_at = case when t.state <> 'pending' then now() end,
           http_status = t.http_status,
           bytes_freed = t.bytes,
           duration_ms = t.duration_ms,
           last_error = case when t.action in ('retry', 'fail') then t.reason
                             when t.action = 'done' then null
                             else j.last_error end,
           hold_reason = case when t.state in ('kept', 'cancelled') then j.hold_reason
                              when t.action in ('retry', 'fail') then null
                              else t.reason end
      from target t
     where j.id = t.id
       and j.id = any ($2::bigint[])
    returning j.id, j.state, t.beside
)
select r.id,
       case when d.id is not null then 'recorded'
            when j.claim_token = $1::uuid and j.attempts = r.attempt and j.state <> 'claimed'
                then 'already'
            else 'late' end as outcome,
       coalesce(d.state, j.state)::text as state,
       d.beside
  from result r
       left join recorded d on d.id = r.id
       left join lateral (
           select o.claim_token, o.attempts, o.state
             from harpsweep.job o
            where o.id = r.id
              and d.id is null
            limit 1) j on true
 order by r.place
