-- The daemons that have due work: what a run looks at first, and all that a run with nothing to do
-- ever asks. A loose scan of the index job_due, one step for each daemon with open jobs; it reads
-- nothing else of the table, whatever its history.
-- Parameters: none.
-- Result: daemon text; paused bool (it is to be left alone for now), stop text (what stopped it last);
-- protocol text, host text, docker_socket_port int (where it was when its next job came, null where that is
-- not known). The longest waiting first.
with recursive head(daemon, due_at, protocol, host, docker_socket_port) as (
    (select j.daemon, j.due_at, j.protocol, j.host, j.docker_socket_port
       from harpsweep.job j
      where j.due_at is not null
        -- What another run has claimed stays at its place until that run has recorded it.
        and (j.next_at <= now() or j.due_at > now())
      order by j.daemon, j.due_at, j.id
      limit 1)
    union all
    select n.daemon, n.due_at, n.protocol, n.host, n.docker_socket_port
      from head h
           cross join lateral (
               select j.daemon, j.due_at, j.protocol, j.host, j.docker_socket_port
                 from harpsweep.job j
                where j.due_at is not null and j.daemon > h.daemon
                  and (j.next_at <= now() or j.due_at > now())
                order by j.daemon, j.due_at, j.id
                limit 1) n
)
select h.daemon, coalesce(d.paused_until > now(), false) as paused, d.stop,
       h.protocol, h.host, h.docker_socket_port
  from head h
       left join lateral (
           select k.paused_until, k.stop
             from harpsweep.daemon k
            where k.daemon = h.daemon
            limit 1) d on true
 where h.due_at <= now()
 order by h.due_at, h.daemon
