-- What came of jobs per day. For the command report.
-- $1 bigint[] when the days begin, in seconds since 1970, in order; the last one has not ended
-- Result: day int (1 is the first of $1), removed, untagged, absent, in_use, kept, cancelled, other, failed,
-- bytes_freed bigint; days in which no job became final are left out.
-- Two parts, as failed jobs have an index of their own: the cost follows the days that are asked for.
with ended as (
    select j.finished_at, j.state, j.bytes_freed
      from harpsweep.jobs j
     where j.finished_at >= to_timestamp(($1::bigint[])[1])
       and j.outcome <> 'failed'
    union all
    select j.finished_at, j.state, null
      from harpsweep.jobs j
     where j.outcome = 'failed'
       and j.finished_at >= to_timestamp(($1::bigint[])[1])
)
select width_bucket(floor(extract(epoch from e.finished_at))::bigint, $1::bigint[]) as day,
       count(*) filter (where e.state = 'removed') as removed,
       count(*) filter (where e.state = 'untagged') as untagged,
       count(*) filter (where e.state = 'absent') as absent,
       count(*) filter (where e.state = 'in_use') as in_use,
       count(*) filter (where e.state = 'kept') as kept,
       count(*) filter (where e.state = 'cancelled') as cancelled,
       count(*) filter (where e.state in ('unsupported', 'no_ref')) as other,
       count(*) filter (where e.state = 'failed') as failed,
       coalesce(sum(e.bytes_freed), 0)::bigint as bytes_freed
  from ended e
 group by 1
 order by 1
