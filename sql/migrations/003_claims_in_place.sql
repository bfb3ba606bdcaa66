-- Migration 3: a claim changes no indexed column, so that PostgreSQL can keep the new version of a row on the
-- row's own page and add no index entry for it (a heap-only tuple, HOT). A claim and its lost ones were
-- three index entries each before, more than half of what a job cost the database. It takes two things: no
-- index that names state or next_at, also not in its predicate, and room on the page.
--
-- What the indexes name instead is computed from those two, so that no statement has to keep it right.

alter table harpsweep.job
    add column due_at timestamptz
        generated always as (case when state = 'claimed' then not_before else next_at end) stored,
    add column outcome harpsweep.job_state
        generated always as (case when state not in ('new', 'pending', 'claimed') then state end) stored;
comment on column harpsweep.job.due_at is
    'Place in the index job_due: next_at, but while a run works on it not_before, which that claim left alone. Computed.';
comment on column harpsweep.job.outcome is 'The state of a final job, null for an open one. Computed; what the indexes of final jobs name.';

-- A run claims neighbours by the hundred, in one statement: the larger half of a page holds their new versions.
alter table harpsweep.job set (fillfactor = 45);

drop index harpsweep.job_due;
create index job_due on harpsweep.job (daemon, due_at, id) where due_at is not null;
comment on index harpsweep.job_due is
    'Open jobs per daemon in the order of their due time: the only index that finding and claiming read.';
comment on index harpsweep.job_one_open_per_image is
    'At most one open job per daemon and image; and the open jobs for whatever else asks for them (finished_at is null).';
drop index harpsweep.job_prunable;
create index job_prunable on harpsweep.job (finished_at) where outcome <> 'failed';
comment on index harpsweep.job_prunable is 'Final jobs by age: history_days and the view daily. Failed jobs are never pruned.';
drop index harpsweep.job_failed;
create index job_failed on harpsweep.job (daemon, finished_at) where outcome = 'failed';
comment on index harpsweep.job_failed is 'Failed jobs: few, never pruned, and looked for by every status.';
