-- The daemons that have due work: what a run looks at first, and all that a run with nothing to do
-- ever asks. A loose scan of the index job_due, one step for each daemon with open jobs; it reads
-- nothing else of the table, whatever its history.
-- Parameters: none.
-- Result: daemon text, paused bool (it is to be left alone for now), the longest waiting first.
with recursive head(daemon, next_at) as (
    (select j.daemon, j.next_at
       from harpsweep.job j
      where j.next_at is not null
      order by j.daemon, j.next_at, j.id
      limit 1)
    union all
    select n.daemon, n.next_at
      from head h
           cross join lateral (
               select j.daemon, j.next_at
                 from harpsweep.job j
                where j.next_at is not null and j.daemon > h.daemon
                order by j.daemon, j.next_at, j.id
                limit 1) n
)
select h.daemon,
       exists (select from harpsweep.daemon d
                where d.daemon = h.daemon and d.paused_until > now()) as paused
  from head h
 where h.next_at <= now()
 order by h.next_at, h.daemon
