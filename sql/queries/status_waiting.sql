-- Why open jobs wait, other than for their grace: the most frequent reasons.
-- Parameters: none.
-- Result: reason text, jobs bigint.
select coalesce(j.hold_reason, j.last_error) as reason, count(*) as jobs
  from harpsweep.jobs j
 where j.finished_at is null
   and coalesce(j.hold_reason, j.last_error) is not null
 group by 1
 order by 2 desc, 1
 limit 20
