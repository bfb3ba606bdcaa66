-- Part of install.sql with -v nextcloud=off: harpsweep no longer watches Nextcloud's tables. Jobs and
-- observations stay.

set local lock_timeout = '10s';
do $$
declare
    old record;
begin
    -- As whoever runs this: only the owner of a table, or of the function, may take a trigger away.
    for old in
        select p.oid::regprocedure as function
        from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
        where n.nspname = 'harpsweep'
          and p.proname in ('on_exapp', 'on_daemon', 'on_appapi_job', 'news', 'held', 'deploys_beside', 'observed',
                            'reconcile', 'endpoint_of', 'engine_apps', 'freeze_endpoint', 'exapp_gone',
                            'exapp_redeployed', 'note_unseen',
                            'note_intake_error', 'nextcloud_apps', 'nextcloud_daemons', 'note_appapi_job',
                            'appapi_job_gone', 'nextcloud_settings', 'nextcloud_state', 'appapi_cleans_up',
                            'readable', 'looked_into', 'fingerprint', 'deploy_percent', 'endpoint_told', 'host_told',
                            'endpoint_from', 'local_registries', 'daemon_problem', 'read_daemons', 'awaits_look',
                            'changed_apps')
    loop
        execute format('drop function %s cascade', old.function);
    end loop;
exception when lock_not_available then
    raise exception 'a table of Nextcloud''s is locked by somebody; nothing was changed'
        using hint = 'Try again when the long transaction or the backup is over.';
end
$$;
delete from harpsweep.nextcloud;
