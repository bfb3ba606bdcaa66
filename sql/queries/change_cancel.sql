-- Cancels an open job. For the command cancel.
-- $1 bigint id of the job  $2 text reason
-- Result: changed bool; false also where it changes only when a running attempt ends.
select harpsweep.cancel($1::bigint, $2::text) as changed
