-- Makes a job, or merges with the open one for the same image. For the command schedule.
-- $1 text daemon  $2 text appid  $3 text image_ref  $4 text event  $5 text choice
-- $6 int grace in hours (null: as the settings say)  $7 text image_id (null: not known)
-- Result: id bigint of the job.
select harpsweep.schedule($1::text, $2::text, $3::text, $4::text, $5::text, $6::int, $7::text) as id
