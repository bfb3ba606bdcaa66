-- Notes what a run learned about its daemons.
-- $1 text[] names    $2 text[] HaRP's versions (null: unknown)  $3 text[] kinds of stop (null: well)
-- $4 text[] reasons  $5 text[] hints  $6 int[] seconds during which later runs leave it alone
-- Result: none.
insert into harpsweep.daemon as d
       (daemon, harp_version, answered_at, stopped_since, stop, reason, hint, paused_until)
select s.daemon, s.version, case when s.stop is null then now() end,
       case when s.stop is not null then now() end, s.stop, s.reason, s.hint,
       case when s.pause > 0 then now() + s.pause * interval '1 second' end
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[])
       as s(daemon, version, stop, reason, hint, pause)
 order by s.daemon
    on conflict (daemon) do update
   set harp_version = coalesce(excluded.harp_version, d.harp_version),
       answered_at = coalesce(excluded.answered_at, d.answered_at),
       stopped_since = case when excluded.stop is not null
                            then coalesce(d.stopped_since, excluded.stopped_since) end,
       stop = excluded.stop,
       reason = excluded.reason,
       hint = excluded.hint,
       paused_until = excluded.paused_until
