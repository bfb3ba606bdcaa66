-- Leaves the row of a run that did work.
-- $1 uuid token  $2 text host  $3 int pid  $4 text version  $5 bigint duration so far in milliseconds
-- $6 int exit code  $7 int claimed  $8 int removed  $9 int untagged  $10 int absent  $11 int in use
-- $12 int held  $13 int retried  $14 int failed  $15 int given back  $16 int late
-- $17 bigint bytes freed  $18 text note (null: none)
-- Result: none.
insert into harpsweep.run
       (token, host, pid, version, started_at, exit_code, claimed, removed, untagged, absent, in_use,
        held, retried, failed, given_back, late, bytes_freed, note)
values ($1::uuid, $2::text, $3::int, $4::text, now() - $5::bigint * interval '1 millisecond',
        $6::int, $7::int, $8::int, $9::int, $10::int, $11::int, $12::int, $13::int, $14::int,
        $15::int, $16::int, $17::bigint, $18::text)
    on conflict (token) do nothing
