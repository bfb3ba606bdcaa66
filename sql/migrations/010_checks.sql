-- Migration 10: the checks of a job's life say the same by its outcome. PostgreSQL checks all of them at every change of a
-- row, two of which make up the life of a job; "is not null" costs a tenth of a look into a list of states. And it reads them
-- anew for each statement, so that a short one is a better one.

alter table harpsweep.job
    drop constraint job_open_exactly_with_next_at,
    drop constraint job_new_exactly_at_minus_infinity,
    drop constraint job_finished_exactly_when_final,
    drop constraint job_planned_before_claimed,
    drop constraint job_nothing_before_its_grace_ends,
    drop constraint job_nothing_deleted_before_its_grace_ended,
    drop constraint job_counts_are_not_negative,
    add constraint job_open_exactly_with_next_at check ((outcome is null) = (next_at is not null)),
    add constraint job_new_exactly_at_minus_infinity check (
        case when next_at = '-infinity' then state = 'new' else state <> 'new' end),
    add constraint job_finished_exactly_when_final check ((outcome is null) = (finished_at is null)),
    add constraint job_planned_before_claimed check (
        not_before is not null or outcome is not null or state = 'new'),
    add constraint job_nothing_before_its_grace_ends check (
        next_at >= not_before or outcome is not null or state = 'new'),
    add constraint job_nothing_deleted_before_its_grace_ended check (
        outcome is null
        or (not_before is not null and finished_at >= not_before)
        or outcome not in ('removed', 'untagged')),
    add constraint job_counts_are_not_negative check (least(attempts, failures, rechecks, lost_claims) >= 0);
