-- The failed jobs that ended last, and how many there are. Failed jobs are never pruned.
-- Parameters: none.
-- Result: all_failed bigint (how many there are), id, appid, daemon, image_ref, ended text, reason text.
select count(*) over () as all_failed, j.id, j.appid, j.daemon, j.image_ref, j.ended, j.reason
  from harpsweep.jobs j
 where j.outcome = 'failed'
 order by j.finished_at desc, j.id desc
 limit 10
