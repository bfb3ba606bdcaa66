-- Migration 7: when a job's event was, and when its grace ended, are dates. One row that said "-infinity" there, or a
-- year that a grace of 720 hours leads out of, made every claim fail: a run computes with both, of all rows at once.

-- To the nearest date, which says the same to whoever compares: long ago, or in no lifetime.
update harpsweep.job
   set orphaned_at = least(greatest(orphaned_at, '1970-01-01 00:00+00'), '9999-12-31 00:00+00'),
       not_before = case when not_before < '1970-01-01 00:00+00' then '1970-01-01 00:00+00' else not_before end,
       next_at = case when state in ('pending', 'claimed') then greatest(next_at, '1970-01-01 00:00+00')
                      else next_at end,
       finished_at = case when finished_at < '1970-01-01 00:00+00' then '1970-01-01 00:00+00' else finished_at end
 where orphaned_at < '1970-01-01 00:00+00'
    or orphaned_at >= '10000-01-01 00:00+00'
    or not_before < '1970-01-01 00:00+00';

alter table harpsweep.job
    add constraint job_orphaned_at_is_a_date check (
        orphaned_at >= '1970-01-01 00:00+00' and orphaned_at < '10000-01-01 00:00+00'),
    -- "infinity" is one to compare with: never.
    add constraint job_not_before_is_since_1970 check (not_before >= '1970-01-01 00:00+00');
