-- What happened to jobs after they were made. For the command show.
-- $1 bigint[] the jobs  $2 int most events of each, the last ones
-- Result, by job and in order: job_id, at text (UTC, ISO 8601), what, from_state, to_state, attempt int, who,
-- http_status int, detail.
select e.job_id, to_char(e.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, e.what,
       e.from_state::text, e.to_state::text, e.attempt, e.who, e.http_status, e.detail
  from unnest($1::bigint[]) as a(id)
       cross join lateral (
           select l.job_id, l.id, l.at, l.what, l.from_state, l.to_state, l.attempt, l.who, l.http_status, l.detail
             from harpsweep.job_event l
            where l.job_id = a.id
            order by l.id desc
            limit $2::int) e
 order by e.job_id, e.id
