-- Part of install.sql: the three roles. They belong to the whole cluster, and another database's
-- installation may create them at this very moment: the lock of install.sql does not reach there.

do $$
declare
    wanted record;
begin
    for wanted in
        select * from (values
            ('harpsweep_writer', 'Reports orphaned images: may call harpsweep.schedule() and its companions. For Nextcloud.'),
            ('harpsweep_worker', 'Works them off: what "harpsweep run" and the other commands need.'),
            ('harpsweep_reader', 'Looks: harpsweep.jobs, daemon_health, daily, run and daemon. For people and monitoring.')
        ) as role (name, purpose)
    loop
        if to_regrole(wanted.name) is null then
            begin
                execute format('create role %I nologin', wanted.name);
                execute format('comment on role %I is %L', wanted.name, wanted.purpose);
            exception when duplicate_object or unique_violation then
                null; -- the other installation was faster
            end;
        end if;
    end loop;
end
$$;
