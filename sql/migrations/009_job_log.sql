-- Migration 9: the result with which nearly every job ends, that its image is gone, is not written twice. The job's row
-- says all of it; as an event beside it, it was a sixth of what a job costs the database, and a seventh of its room.
-- What was harpsweep.job_event is harpsweep.job_log, for what the row does not tell; harpsweep.job_event is a view
-- now (views.sql) that tells both. Results that are in the table already stay there, and go with their jobs.

-- Before the other table, for whoever changes jobs takes them in this order; and at once as the next migration needs it.
lock table harpsweep.job in access exclusive mode;

alter table harpsweep.job_event rename to job_log;
alter index harpsweep.job_event_pkey rename to job_log_pkey;
alter sequence harpsweep.job_event_id_seq rename to job_log_id_seq;
comment on table harpsweep.job_log is
    'Events of jobs that the row of the job does not tell, or no longer: written by the statement that makes the change (triggers, see history.sql), gone with the job. To be read through the view harpsweep.job_event, which has the others too.';
comment on index harpsweep.job_log_pkey is 'The events of a job, in their order.';
