-- Which of these claims still stand: asked right before a delete whose claim is not fresh, so that
-- a job that was kept, cancelled or scheduled anew meanwhile is not deleted on old knowledge.
-- $1 uuid token of the run  $2 bigint[] ids  $3 int[] attempts
-- Result: id of each that stands.
select j.id
  from unnest($2::bigint[], $3::int[]) as c(id, attempt)
       join harpsweep.job j on j.id = c.id
 where j.state = 'claimed'
   and j.claim_token = $1::uuid
   and j.attempts = c.attempt
   and j.end_wanted is null
