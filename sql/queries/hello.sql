-- What the program has to know before it acts on what the other statements said.
-- Parameters: none.
-- Result: schema_version int, clock_ms bigint (the database's clock, milliseconds since 1970).
select harpsweep.schema_version() as schema_version,
       (extract(epoch from clock_timestamp()) * 1000)::bigint as clock_ms
