-- Which of these claims still stand, and whether anything speaks against their delete by now: asked right
-- before it, so that a job that was kept, cancelled or scheduled anew meanwhile, or beside which a deploy
-- began, is not deleted on old knowledge.
-- $1 uuid[] tokens of the claims  $2 bigint[] ids  $3 int[] attempts
-- $4 text[] IDs of the images that Docker told (null: it was not asked)
-- $5 int keep_previous      $6 bool protect_unpullable  $7 bool the name is deleted, whichever image it leads to
-- Result, in the order of the arrays: id, stands (bool), hold text (why it must not go on), delay_s int (look
-- again after so many seconds, null: in_use_recheck_hours).
select c.id,
       j.id is not null as stands,
       h.reason as hold,
       h.delay_s
  from unnest($1::uuid[], $2::bigint[], $3::int[]) with ordinality as c(token, id, attempt, place)
       left join harpsweep.job j on j.id = c.id
                                and j.state = 'claimed'
                                and j.claim_token = c.token
                                and j.attempts = c.attempt
                                and j.end_wanted is null
       left join harpsweep.held($2::bigint[], $4::text[], $5::int, $6::bool, $7::bool) h on h.id = c.id
 order by c.place
