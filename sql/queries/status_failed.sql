-- The failed jobs that ended last, and how many there are. Failed jobs are never pruned.
-- Parameters: none.
-- Result: id, appid, daemon, image_ref, ended text, reason text, all_failed bigint.
select j.id, j.appid, j.daemon, j.image_ref, j.ended, j.reason, count(*) over () as all_failed
  from harpsweep.jobs j
 where j.state = 'failed'
 order by j.finished_at desc, j.id desc
 limit 10
