-- Removes failures of the triggers that have not come again for long.
-- $1 int history_days
-- Result: id of each row removed.
delete from harpsweep.intake_error e
 where e.last_at < now() - $1::int * interval '1 day'
returning e.id
