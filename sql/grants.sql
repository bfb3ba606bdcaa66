-- Part of install.sql, repeated at every installation: who may do what. Starts from nothing for
-- PUBLIC and for the three roles, so that a privilege that an older version gave does not stay.
-- Privileges given to other roles by hand are left alone.

revoke all on schema harpsweep from public, harpsweep_writer, harpsweep_worker, harpsweep_reader;
revoke all on all tables in schema harpsweep
    from public, harpsweep_writer, harpsweep_worker, harpsweep_reader;
revoke all on all sequences in schema harpsweep
    from public, harpsweep_writer, harpsweep_worker, harpsweep_reader;
revoke all on all functions in schema harpsweep
    from public, harpsweep_writer, harpsweep_worker, harpsweep_reader;
revoke all on type harpsweep.job_state, harpsweep.name, harpsweep.image_ref, harpsweep.image_id from public;

grant usage on schema harpsweep to harpsweep_writer, harpsweep_worker, harpsweep_reader;
grant execute on function harpsweep.schema_version()
    to harpsweep_writer, harpsweep_worker, harpsweep_reader;
-- A view checks its functions against the one who reads it.
grant execute on function harpsweep.readable_span(double precision), harpsweep.readable_size(bigint)
    to harpsweep_writer, harpsweep_worker, harpsweep_reader;

-- Writer: the functions, and no table.
grant execute on function
    harpsweep.schedule(text, text, text, text, text, int, text),
    harpsweep.keep(text, text),
    harpsweep.keep_job(bigint),
    harpsweep.make_due(bigint),
    harpsweep.cancel(bigint, text),
    harpsweep.retry(bigint),
    harpsweep.flush_daemon(text),
    harpsweep.cancel_daemon(text, text)
to harpsweep_writer, harpsweep_worker;

-- Worker: may write what a run finds out, but neither which image a job is about nor what was
-- decided about it; new jobs come through the functions only.
grant select, delete on harpsweep.job to harpsweep_worker;
grant update (
    state, grace_hours, not_before, next_at, attempts, failures, rechecks, lost_claims,
    claim_token, claimed_by, claimed_at, end_wanted, hold_reason,
    protocol, host, docker_socket_port,
    http_status, bytes_freed, last_error, duration_ms, finished_at
) on harpsweep.job to harpsweep_worker;
grant select, insert, delete on harpsweep.run, harpsweep.alarm to harpsweep_worker;
grant select, insert, update, delete on harpsweep.daemon to harpsweep_worker;
grant select on harpsweep.migration, harpsweep.nextcloud, harpsweep.exapp_image to harpsweep_worker;
grant select, delete on harpsweep.intake_error to harpsweep_worker;
grant delete on harpsweep.exapp_image to harpsweep_worker;
-- What Nextcloud's tables say, without its secrets, and what is made of it.
grant execute on function
    harpsweep.news(),
    harpsweep.changed_apps(),
    harpsweep.nextcloud_settings(),
    harpsweep.nextcloud_state(),
    harpsweep.held(bigint[], text[], int, boolean, boolean),
    harpsweep.deploys_beside(bigint[]),
    harpsweep.observed(text[], text[], text[], text[], text[], bigint[], text[]),
    harpsweep.reconcile(),
    harpsweep.endpoint_of(text)
to harpsweep_worker;
grant select on harpsweep.jobs, harpsweep.job_event, harpsweep.daemon_health, harpsweep.daily to harpsweep_worker;

-- Reader: the table itself stays closed, for the tokens of running claims are not for everybody.
grant select on harpsweep.jobs, harpsweep.job_event, harpsweep.daemon_health, harpsweep.daily,
    harpsweep.run, harpsweep.alarm, harpsweep.daemon, harpsweep.migration, harpsweep.nextcloud,
    harpsweep.exapp_image, harpsweep.intake_error to harpsweep_reader;
