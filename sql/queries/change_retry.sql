-- Opens a final job again. For the command retry.
-- $1 bigint id of the job
-- Result: changed bool.
select harpsweep.retry($1::bigint) as changed
