-- Part of intake_appapi.sql and intake_appapi_jobs.sql: the triggers. As whoever runs this, because the owner
-- of schema harpsweep needs no right on Nextcloud's tables but to read them. Those that are there stay, so
-- that an upgrade takes no lock on a table of Nextcloud's, but for those of before version 8, which did not fire for
-- new rows.
reset role;
set local lock_timeout = '10s';
do $$
declare
    wanted record;
    old    record;
begin
    for wanted in
        select to_regclass(format('%I.%I', n.schema_name, n.table_prefix || w.relation)) as relation,
               w.function_name
        from harpsweep.nextcloud as n
             cross join (values ('ex_apps', 'on_exapp'), ('ex_apps_daemons', 'on_daemon'), ('jobs', 'on_appapi_job'))
                        as w (relation, function_name)
        where w.relation <> 'jobs' or n.notes_jobs
    loop
        for old in -- on tables of another prefix, or not for new rows
            select t.tgname, t.tgrelid from pg_trigger as t
            where t.tgfoid = to_regproc('harpsweep.' || wanted.function_name)
              and (t.tgrelid <> wanted.relation or t.tgtype & 4 = 0)
        loop
            execute format('drop trigger %I on %s', old.tgname, old.tgrelid::regclass);
        end loop;
        continue when exists (select from pg_trigger as t
                              where t.tgrelid = wanted.relation
                                and t.tgfoid = to_regproc('harpsweep.' || wanted.function_name));
        execute format('create trigger harpsweep after insert or update or delete on %s for each row'
                       ' execute function harpsweep.%I()', wanted.relation, wanted.function_name);
        execute format('comment on trigger harpsweep on %s is %L', wanted.relation,
                       'Tells harpsweep, which deletes images that no app needs any more, what changes here. It fails'
                       ' no statement: what goes wrong in it stands in harpsweep.intake_error.');
    end loop;
exception when lock_not_available then
    raise exception 'a table of Nextcloud''s is locked by somebody; nothing was changed'
        using hint = 'Try again when the long transaction or the backup is over.';
end
$$;
