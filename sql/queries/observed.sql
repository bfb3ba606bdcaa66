-- Records which image each of these apps was seen with, and what follows from it.
-- $1 text[] appids      $2 text[] daemons       $3 text[] fingerprints, as news.sql told them
-- $4 text[] references  $5 text[] image IDs (null: there is no container)
-- $6 bigint[] sizes (null: not known)           $7 text[] states of the containers (null: there is none)
-- Result: appid text, what text (new, same, update, no container, changed meanwhile, refused), job_id bigint (of the
-- image before, where there is one now).
select o.appid, o.what, o.job_id
  from harpsweep.observed($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[]) o
