-- Which jobs of an app a command is about: the open ones, or those that ended without success.
-- $1 text appid  $2 text only this daemon (null: all)  $3 bool final ones (for retry) instead of open ones
-- Result: id bigint, daemon text; oldest first. Of final jobs only the last one per image.
select t.id, t.daemon
  from (select distinct on (j.daemon, j.image_ref, j.image_id) j.id, j.daemon, j.state::text, j.next_at
          from harpsweep.jobs j
         where j.appid = $1::text
           and ($2::text is null or j.daemon = $2::text)
           and (j.next_at is null) = $3::bool
         order by j.daemon, j.image_ref, j.image_id, j.id desc) t
 where t.next_at is not null
    or t.state in ('failed', 'in_use', 'unsupported')
 order by t.id
