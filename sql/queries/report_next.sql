-- The open jobs that are due first. For the command report. As in plan, jobs that are to be kept are left out.
-- $1 int grace in hours for rows that name none  $2 bigint most rows
-- Result: id bigint, waits_s bigint (until it is due, 0 where it is; null: not by itself), bytes bigint (of the
-- image, null where it was not seen), due text (UTC; null: not by itself), appid, daemon, image_ref, state, reason text
-- (what was in the way).
with open as (
    select j.id, j.appid, j.daemon, j.image_ref, j.image_id, j.state, nullif(j.reason, '') as reason,
           case when j.state = 'new' then greatest(
                    j.not_before,
                    j.orphaned_at + case j.choice when 'now' then 0 else coalesce(j.grace_hours, $1::int) end
                                    * interval '1 hour')
                when j.state = 'claimed' then j.not_before
                else j.next_at end as due
      from harpsweep.jobs j
     where j.finished_at is null
       and j.choice <> 'keep'
),
first as materialized (
    select o.id, o.appid, o.daemon, o.image_ref, o.image_id, o.state, o.reason, o.due
      from open o
     order by o.due, o.id
     limit $2::bigint
)
select f.id,
       case when isfinite(f.due)
            then greatest(ceil(extract(epoch from f.due) - extract(epoch from now())), 0)::bigint end as waits_s,
       (select max(i.bytes) from harpsweep.exapp_image i
         where i.appid = f.appid and i.daemon = f.daemon and i.image_id = f.image_id) as bytes,
       case when isfinite(f.due) then to_char(f.due at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') end as due,
       f.appid, f.daemon, f.image_ref, f.state::text, f.reason
  from first f
 order by f.due, f.id
