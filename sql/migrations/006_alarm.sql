-- Migration 6: when a run has to look at harpsweep.job at all. Nearly every run finds nothing to do, and in a session that
-- has just begun it is dear to be told so by that table: for one question all of its indexes and constraints are read
-- from the catalogs, and where many jobs were done lately or are due later, their index entries too. This table has no
-- index and nearly always one row.

create table harpsweep.alarm (
    rings_at timestamptz not null
);
-- It has no key, and "for all tables" is how many publications are made: a run could delete nothing of it else.
alter table harpsweep.alarm replica identity full;
comment on table harpsweep.alarm is
    'When a run has to look at harpsweep.job: as soon as one of these times has come, or where there is none. Whatever makes a job due earlier adds one, in its own transaction (triggers, see history.sql). A run that leaves nothing due replaces those that it sees by one: when the next open job is due, an hour later at most. May be emptied at any time: the next run looks.';
comment on column harpsweep.alarm.rings_at is 'The time.';
