-- What a run would claim now; changes nothing. For `run --dry-run`.
-- $1 text only this daemon (null: all)  $2 text only this app (null: all)
-- $3 bool cleanup is enabled            $4 int grace in hours for rows that name none
-- $5 int most rows
-- Result: id, daemon, appid, image_ref, image_id, choice, state, due (text, UTC).
select j.id, j.daemon, j.appid, j.image_ref, j.image_id, j.choice, j.state::text,
       to_char(d.due at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as due
  from harpsweep.job j
       cross join lateral (
           select case when j.state = 'new' then greatest(
                           j.not_before,
                           j.orphaned_at + case j.choice when 'now' then 0
                                                else coalesce(j.grace_hours, $4::int) end
                                           * interval '1 hour')
                       else j.next_at end as due) d
 where j.finished_at is null
   and j.next_at <= now()
   and d.due <= now()
   and j.choice <> 'keep'
   and j.end_wanted is null
   and ($1::text is null or j.daemon = $1::text)
   and ($2::text is null or j.appid = $2::text)
   and ($3::bool or j.choice = 'now')
 order by d.due, j.id
 limit $5::int
