-- Which image each app runs, as it was seen last. For the command observe.
-- Parameters: none.
-- Result: appid, daemon, version, container, image_ref, image_id, bytes bigint, seen_at text (UTC), ago text.
select i.appid, i.daemon, i.version, i.container, i.image_ref, i.image_id, i.bytes,
       to_char(i.seen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as seen_at,
       harpsweep.readable_span(extract(epoch from now() - i.seen_at)::float8) || ' ago' as ago
  from harpsweep.exapp_image i
 where i.superseded_at is null
 order by i.daemon, i.appid
