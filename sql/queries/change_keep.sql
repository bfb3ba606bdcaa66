-- Keeps the image of an open job. For the command keep.
-- $1 bigint id of the job
-- Result: changed bool; false also where it changes only when a running attempt ends.
select harpsweep.keep_job($1::bigint) as changed
