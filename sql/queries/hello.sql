-- The first question of a run, and of whoever was connected anew: what has to be known before anything that other
-- statements said is acted on, and whether there is anything to do at all. Most runs end with its answer, in a session
-- that begins with it: there each name that it mentions has to be looked up, and find.sql alone takes three times as
-- long. So it only asks whether an alarm rings, and leaves the rest to find.sql and news.sql.
--
-- date_part(), for its arguments have exactly its types; extract() would have all functions of that name tried. Its float8
-- has as many digits as extra_float_digits says, a numeric has all.
--
-- It is asked before search_path is set, and the owner of the database may set that for all: so all names are whole.
-- Parameters: none.
-- Result: schema_version int, clock_s numeric (the database's clock, seconds since 1970, with a fraction),
-- backend int (the process that answers), alarm bool (the jobs and Nextcloud's apps have to be looked at).
select harpsweep.schema_version() as schema_version,
       pg_catalog.date_part('epoch'::pg_catalog.text, pg_catalog.now())::pg_catalog.numeric as clock_s,
       pg_catalog.pg_backend_pid() as backend,
       pg_catalog.bool_or(a.rings_at operator(pg_catalog.<=) pg_catalog.now()) is not false as alarm -- null: there is none
  from harpsweep.alarm a
