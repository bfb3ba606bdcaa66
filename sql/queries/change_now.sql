-- Makes an open job due at once. For the command now.
-- $1 bigint id of the job
-- Result: changed bool.
select harpsweep.make_due($1::bigint) as changed
