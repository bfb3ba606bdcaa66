-- Removes one small piece of old history. Open and failed rows are never in reach of it.
-- $1 int history_days  $2 int most rows
-- Result: id of each row removed.
with old as materialized (
    select j.id
      from harpsweep.job j
     where j.finished_at < now() - $1::int * interval '1 day'
       and j.outcome <> 'failed'
       and j.next_at is null
     order by j.finished_at
     limit $2::int
       for update skip locked
)
delete from harpsweep.job j
 where j.id = any (array(select o.id from old o))
returning j.id
