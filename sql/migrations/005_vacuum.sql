-- Migration 5: dead rows are taken away when they are a five-hundredth of the table. By default a fifth of it has to be
-- dead first, which at a million finished jobs is a hundred thousand results, and every run that looks for due work
-- steps over their entries in job_due. And a vacuum leaves index entries where they are when they are few beside the
-- table: these are few, and all at the place where every run looks.
alter table harpsweep.job set (autovacuum_vacuum_scale_factor = 0.002, vacuum_index_cleanup = on);
