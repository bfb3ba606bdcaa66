-- The open jobs that are due by a moment, and what holds them; changes nothing. For the command plan.
-- $1 text only this daemon (null: all)  $2 text only this app (null: all)
-- $3 int grace in hours for rows that name none
-- $4 int days from now                  $5 int most rows
-- $6 int keep_previous  $7 bool protect_unpullable  $8 bool the name is deleted, whichever image it leads to
-- Result: id, daemon, appid, image_ref, image_id, choice, state, event, due text (UTC), waits_s bigint (until
-- then; 0 where it is due), orphaned_at_ms bigint, hold text, claimed bool (a run works on it), protocol text,
-- host text, docker_socket_port int (of the daemon when the job came; null: not known). The first due first.
with chosen as materialized (
    select j.id, j.daemon, j.appid, j.image_ref, j.image_id, j.choice, j.state, j.event, j.orphaned_at,
           j.next_at, j.protocol, j.host, j.docker_socket_port,
           case when j.state = 'new' then greatest(
                    j.not_before,
                    j.orphaned_at + case j.choice when 'now' then 0 else coalesce(j.grace_hours, $3::int) end
                                    * interval '1 hour')
                when j.state = 'claimed' then j.not_before
                else j.next_at end as due
      from harpsweep.job j
     where j.finished_at is null
       and j.choice <> 'keep'
       and j.end_wanted is null
       and ($1::text is null or j.daemon = $1::text)
       and ($2::text is null or j.appid = $2::text)
),
planned as materialized (
    select c.id, c.daemon, c.appid, c.image_ref, c.image_id, c.choice, c.state, c.event, c.orphaned_at, c.due,
           c.next_at, c.protocol, c.host, c.docker_socket_port
      from chosen c
     where c.due <= now() + $4::int * interval '1 day'
     order by c.due, c.id
     limit $5::int
)
select p.id, p.daemon, p.appid, p.image_ref, p.image_id, p.choice, p.state::text, p.event,
       to_char(p.due at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as due,
       greatest(ceil(extract(epoch from p.due) - extract(epoch from now())), 0)::bigint as waits_s,
       (extract(epoch from p.orphaned_at) * 1000)::bigint as orphaned_at_ms,
       h.reason as hold,
       p.state = 'claimed' and p.next_at > now() as claimed,
       p.protocol, p.host, p.docker_socket_port
  from planned p
       left join harpsweep.held(array(select i.id from planned i), '{}', $6::int, $7::bool, $8::bool) h
         on h.id = p.id
 order by p.due, p.id
