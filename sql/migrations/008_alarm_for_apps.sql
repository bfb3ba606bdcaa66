-- Migration 8: an alarm also says when a run has to look at Nextcloud's apps. Every run compared them with what was seen
-- of them: in a session that has just begun three tables, their indexes and a plan, a quarter of all that a run with
-- nothing to do took. Now the triggers on Nextcloud's tables set the alarm where something has to be compared (see
-- nextcloud.sql; for new rows too), and the comparison is still made within an hour without them.

comment on table harpsweep.alarm is
    'When a run has to look at harpsweep.job and at Nextcloud''s apps: as soon as one of these times has come, or where there is none. Whatever makes a job due earlier adds one, in its own transaction (triggers, see history.sql), and so does a change of an app or a daemon that a run has to look into (triggers, see nextcloud.sql). A run that leaves nothing to do replaces those that it sees by one: when the next open job is due, an hour later at most. May be emptied at any time: the next run looks.';

-- For what changed before there were such triggers. Where there is no alarm, the next run looks anyway.
insert into harpsweep.alarm (rings_at) select now() where exists (select from harpsweep.alarm);
