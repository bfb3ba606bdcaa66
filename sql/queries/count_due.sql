-- How much is due now, for whoever watches a run: what a claim would still take, new rows included whose grace
-- has ended already. Looks at no more rows than are due.
-- $1 text[] daemons                      $2 text only this app (null: all)
-- $3 bool cleanup is enabled             $4 int grace in hours for rows that name none
-- $5 int most to count for each daemon
-- Result: daemon text, jobs bigint.
select a.daemon,
       (select count(*)
          from (select 1
                  from harpsweep.job j
                 where j.daemon = a.daemon
                   and j.due_at <= now()
                   and j.next_at <= now()
                   and (j.state <> 'new'
                        or greatest(j.not_before,
                                    j.orphaned_at + case j.choice when 'now' then 0
                                                         else coalesce(j.grace_hours, $4::int) end
                                                    * interval '1 hour') <= now())
                   and j.choice <> 'keep'
                   and j.end_wanted is null
                   and ($2::text is null or j.appid = $2::text)
                   and ($3::bool or j.choice = 'now')
                 limit $5::int) due) as jobs
  from unnest($1::text[]) as a(daemon)
