-- Which of these claims still stand: asked right before a delete whose claim is not fresh, so that
-- a job that was kept, cancelled or scheduled anew meanwhile is not deleted on old knowledge.
-- $1 uuid token of the run  $2 bigint[] ids  $3 int[] attempts
-- Result, in the order of the arrays: id, stands (bool).
select c.id,
       j.id is not null as stands
  from unnest($2::bigint[], $3::int[]) with ordinality as c(id, attempt, place)
       left join harpsweep.job j on j.id = c.id
                                and j.state = 'claimed'
                                and j.claim_token = $1::uuid
                                and j.attempts = c.attempt
                                and j.end_wanted is null
 order by c.place
