-- What the program has to know before it acts on what the other statements said.
-- Parameters: none.
-- Result: schema_version int, clock_s numeric (the database's clock, seconds since 1970, with a fraction),
-- backend int (the process that answers), alarm bool (the jobs have to be looked at).
select harpsweep.schema_version() as schema_version,
       extract(epoch from clock_timestamp())::numeric as clock_s, -- of PostgreSQL 13 it is a float8, as extra_float_digits has it
       pg_backend_pid() as backend,
       (select coalesce(bool_or(a.rings_at <= now()), true) from harpsweep.alarm a) as alarm
