-- The first question of a run: what hello.sql asks, and whether there is anything to do at all. Most runs end
-- with its answer, in a session that begins with it: there each name that it mentions has to be looked up, and
-- find.sql alone takes three times as long. So it only asks whether an alarm rings, and leaves the rest to find.sql and
-- news.sql.
-- Parameters: none.
-- Result: as hello.sql, and news bool.
select harpsweep.schema_version() as schema_version,
       extract(epoch from clock_timestamp())::numeric as clock_s,
       pg_backend_pid() as backend,
       (select coalesce(bool_or(a.rings_at <= now()), true) from harpsweep.alarm a) as alarm,
       exists (select from harpsweep.changed_apps()) as news
