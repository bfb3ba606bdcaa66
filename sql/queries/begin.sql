-- The first question of a run: what hello.sql asks, and whether there is anything to do at all. Most runs end
-- with its answer, in a session that begins with it: there each name that it mentions has to be looked up, and
-- find.sql alone takes twice as long. So it only asks whether any job is open, due or not, and leaves the rest to
-- find.sql and news.sql.
-- Parameters: none.
-- Result: as hello.sql, and open bool (true, or null: no job is open), news bool.
select harpsweep.schema_version() as schema_version,
       extract(epoch from clock_timestamp()) as clock_s,
       pg_backend_pid() as backend,
       -- Ordered, which exists() is not: without statistics the planner would else read the whole table.
       (select true from harpsweep.job j where j.due_at is not null order by j.daemon limit 1) as open,
       exists (select from harpsweep.changed_apps()) as news
