-- How many open jobs are due when. For the command report. As in plan, jobs that are to be kept are left out: the
-- next run ends them.
-- $1 bigint[] when tomorrow and the days after it begin, in seconds since 1970, in order
-- $2 int grace in hours for rows that name none
-- Result: slot int (-1: due now; 0: later today; 1: from the first of $1 on; …; null: not by itself), jobs bigint,
-- held bigint (of them, those that something was in the way of), bytes bigint (as far as the size of the image was
-- seen), unsized bigint (jobs of whose image it was not).
with sizes as materialized (
    select i.daemon, i.image_id, max(i.bytes) as bytes
      from harpsweep.exapp_image i
     where i.image_id is not null
     group by i.daemon, i.image_id
),
open as (
    select j.daemon, j.image_id, nullif(j.reason, '') as reason,
           case when j.state = 'new' then greatest(
                    j.not_before,
                    j.orphaned_at + case j.choice when 'now' then 0 else coalesce(j.grace_hours, $2::int) end
                                    * interval '1 hour')
                when j.state = 'claimed' then j.not_before
                else j.next_at end as due
      from harpsweep.jobs j
     where j.finished_at is null
       and j.choice <> 'keep'
)
select case when not isfinite(o.due) then null
            when o.due <= now() then -1
            else width_bucket(floor(extract(epoch from o.due))::bigint, $1::bigint[]) end as slot,
       count(*) as jobs,
       count(o.reason) as held,
       coalesce(sum(s.bytes), 0)::bigint as bytes,
       count(*) filter (where s.bytes is null) as unsized
  from open o
       left join sizes s on s.daemon = o.daemon and s.image_id = o.image_id
 group by 1
 order by 1 nulls last
