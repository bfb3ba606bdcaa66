-- Removes old rows of runs, as prune.sql does with jobs. Without locking them first: that would need
-- the privilege to change them, and nobody ever changes one.
-- $1 int history_days  $2 int most rows
-- Result: id of each row removed.
with old as materialized (
    select r.id
      from harpsweep.run r
     where r.finished_at < now() - $1::int * interval '1 day'
     order by r.finished_at
     limit $2::int
)
delete from harpsweep.run r
 where r.id = any (array(select o.id from old o))
returning r.id
