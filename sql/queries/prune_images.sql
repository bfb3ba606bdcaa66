-- Removes one small piece of old observations, as prune.sql does with jobs. What an app runs stays, and so
-- do the images before it that keep_previous may have to name.
-- $1 int history_days  $2 int most rows  $3 int keep_previous
-- Result: id of each row removed.
with old as materialized (
    select i.id
      from harpsweep.exapp_image i
     where i.superseded_at < now() - $1::int * interval '1 day'
       and i.superseded_at is not null
       and (select count(*)
              from harpsweep.exapp_image n
             where n.appid = i.appid
               and n.superseded_at is not null
               and n.superseded_at > i.superseded_at) >= $3::int
     order by i.appid, i.superseded_at
     limit $2::int
)
delete from harpsweep.exapp_image i
 where i.id = any (array(select o.id from old o))
returning i.id
