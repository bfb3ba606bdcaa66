-- Migration 4: the history of each job. A job's row tells how it stands; this tells how it came to that. The
-- triggers that write it are in history.sql.

-- The default comes by itself: nobody knows who made the jobs that are there already.
alter table harpsweep.job add column scheduled_by text;
alter table harpsweep.job alter column scheduled_by set default session_user;
comment on column harpsweep.job.scheduled_by is
    'Database role that was connected when the job was made, or scheduled again last. Null: made before it was noted.';

create table harpsweep.job_event (
    job_id      bigint not null,
    id          bigint generated always as identity,
    at          timestamptz not null default now(),
    what        text not null,
    from_state  harpsweep.job_state not null,
    to_state    harpsweep.job_state not null,
    attempt     int not null,
    who         text not null,
    http_status int,
    detail      text,
    primary key (job_id, id)
);
comment on table harpsweep.job_event is
    'What happened to each job after it was made, one row for each change of its state, choice or due time: written by the statement that makes the change, gone with the job. A claim and its result are one row; one that says the same as the one before (held or given back again) makes none.';
comment on column harpsweep.job_event.job_id is 'The job.';
comment on column harpsweep.job_event.id is 'Order of the events.';
comment on column harpsweep.job_event.at is 'When it happened.';
comment on column harpsweep.job_event.what is
    'In a word. By runs: planned (its grace was fixed), result (an attempt ended it), retry (an attempt failed and will be repeated), in use (a container holds the image), held (a guard spoke against it), given back (untouched), lost (a claim of which no result came). By others: scheduled again, made due, to be ended (while a run worked on it), ended, reopened, moved (its due time was changed by hand).';
comment on column harpsweep.job_event.from_state is 'State before.';
comment on column harpsweep.job_event.to_state is 'State after.';
comment on column harpsweep.job_event.attempt is 'Which attempt, or how many there had been.';
comment on column harpsweep.job_event.who is 'host:pid of the run whose attempt it was, else the database role that was connected.';
comment on column harpsweep.job_event.http_status is 'HTTP status of the attempt''s last answer, null where there was none.';
comment on column harpsweep.job_event.detail is 'Why, or with what result, in words.';
comment on index harpsweep.job_event_pkey is 'The events of a job, in their order.';
comment on sequence harpsweep.job_event_id_seq is 'Numbers of the events.';
