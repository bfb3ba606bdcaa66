-- Part of intake_appapi.sql: what harpsweep makes of Nextcloud's tables. Everything here reads them
-- through the functions nextcloud_apps(), changed_apps(), nextcloud_daemons(), read_daemons() and
-- nextcloud_settings(), which intake_appapi.sql writes for their schema and prefix; nothing here writes
-- them.
--
-- None of it is bound to a column of Nextcloud's: no view, no trigger with a condition or a list of
-- columns. So Nextcloud may change its tables as it likes, and what no longer fits is an error of
-- harpsweep's, never one of Nextcloud's.

-- ------------------------------------------------------------------------------ the triggers

create or replace function harpsweep.note_intake_error(
    source text, subject text, code text, message text, context text)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    -- The context of an error about a value quotes what is around it: of JSON, AppAPI's passwords.
    insert into harpsweep.intake_error as e (source, code, message, context, subject)
    values (note_intake_error.source, note_intake_error.code, left(note_intake_error.message, 2000),
            case when note_intake_error.code !~ '^22' then left(note_intake_error.context, 2000) end,
            left(note_intake_error.subject, 200))
    on conflict (source, code, left(message, 200)) do update set
        times = e.times + 1, last_at = clock_timestamp(), context = excluded.context, subject = excluded.subject;
    insert into harpsweep.alarm (rings_at) values (now()); -- what the trigger missed, the next run sees by comparing
exception when query_canceled or assert_failure or others then
    -- Nothing is left to write to but the server's log.
    raise log 'harpsweep: % of %: % (SQLSTATE %); and it could not be noted: % (SQLSTATE %)',
        note_intake_error.source, note_intake_error.subject, note_intake_error.message, note_intake_error.code,
        sqlerrm, sqlstate;
end
$$;
comment on function harpsweep.note_intake_error(text, text, text, text, text) is
    'Counts a failure of a trigger in harpsweep.intake_error and sets the alarm, or, where that fails too, tells the server''s log. Never raises. Used by the triggers.';

create or replace function harpsweep.note_unseen(
    daemon text, appid text, event text, at timestamptz, protocol text, host text, docker_socket_port int, reason text)
returns void
language sql set search_path = pg_catalog, pg_temp
as $$
    insert into harpsweep.job (daemon, appid, image_ref, event, state, orphaned_at, next_at, finished_at, protocol, host,
                               docker_socket_port, hold_reason)
    values ($1, $2, '', $3, 'no_ref', $4, null, now(), $5, $6, $7,
            $8 || '; where one was left: harpsweep adopt --daemon ' || $1 || ' REFERENCE')
$$;
comment on function harpsweep.note_unseen(text, text, text, timestamptz, text, text, int, text) is
    'Makes the final job that says that an image may have been left which nobody saw. Used by the other functions.';

create or replace function harpsweep.exapp_gone(appid text, daemon text, fingerprint text, at timestamptz)
returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    seen harpsweep.exapp_image;
    d    record;
begin
    update harpsweep.exapp_image as i
    set superseded_at = exapp_gone.at, superseded_by = 'uninstall'
    where i.appid = exapp_gone.appid and i.superseded_at is null
    returning i.* into seen;

    if (select n.notes_jobs from harpsweep.nextcloud as n) then
        return; -- AppAPI says itself what is to be deleted
    end if;
    select * into d from harpsweep.nextcloud_daemons() as n
    where n.daemon = coalesce(seen.daemon, exapp_gone.daemon);

    if d.problem is not null and seen.image_ref is null then
        insert into harpsweep.job (daemon, appid, image_ref, event, state, orphaned_at, next_at, finished_at,
                                   hold_reason)
        values (exapp_gone.daemon, exapp_gone.appid, '', 'uninstall', 'unsupported', exapp_gone.at, null, now(),
                d.problem);
        return;
    end if;
    if seen.image_ref is not null then
        perform harpsweep.note_job(seen.daemon, seen.appid, seen.image_ref, seen.image_id, 'uninstall', 'grace',
                                   null, exapp_gone.at, seen.protocol, seen.host, seen.docker_socket_port);
    end if;
    if seen.image_ref is null or seen.fingerprint <> exapp_gone.fingerprint then
        perform harpsweep.note_unseen(
            exapp_gone.daemon, exapp_gone.appid, 'uninstall', exapp_gone.at, d.protocol, d.host, d.docker_socket_port,
            case when seen.image_ref is null
                 then 'the app was removed before its image was ever seen'
                 else 'the app was removed before the image of its last deploy was seen' end);
    end if;
end
$$;
comment on function harpsweep.exapp_gone(text, text, text, timestamptz) is
    'An app was removed: makes the job for the image that it was last seen with. Used by the trigger and by reconcile().';

create or replace function harpsweep.exapp_redeployed(appid text, daemon text, fingerprint text)
returns void
language sql set search_path = pg_catalog, pg_temp
as $$
    select harpsweep.note_unseen(d.daemon, $1, 'update', clock_timestamp(), d.protocol, d.host, d.docker_socket_port,
                                 'the app was deployed anew before the image of its deploy before was seen')
    from harpsweep.nextcloud_daemons() as d
    where d.daemon = $2
      and d.problem is null
      and not exists (select from harpsweep.exapp_image as i
                      where i.appid = $1 and i.superseded_at is null and i.fingerprint = $3)
      and not (select n.notes_jobs from harpsweep.nextcloud as n) -- else AppAPI says itself what is to be deleted
$$;
comment on function harpsweep.exapp_redeployed(text, text, text) is
    'Another deploy of an app begins: where nobody saw which image the one before left (its fingerprint is the third argument), a job says so. Used by the trigger.';

create or replace function harpsweep.on_exapp() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '200ms'
as $$
declare
    code    text;
    message text;
    context text;
    subject text;
begin
    if tg_op = 'DELETE' then
        perform harpsweep.exapp_gone(
            old.appid, old.daemon_config_name,
            harpsweep.fingerprint(old.id, old.created_time, harpsweep.readable(old.status)), clock_timestamp());
    -- By far the most frequent: AppAPI counts the percents of a pull. Only the end of a deploy matters, or that of
    -- another one that was not seen to begin. Of a new row all that is old is null.
    elsif (new.status ->> 'deploy') = '100'
          and (old.status ->> 'deploy', old.status ->> 'deploy_start_time')
              is distinct from ('100', new.status ->> 'deploy_start_time') then
        if tg_op = 'UPDATE' then -- a new row is a restored one, and so is what was seen of it
            update harpsweep.exapp_image as i
            set deployed_at = clock_timestamp()
            where i.appid = new.appid and i.superseded_at is null;
        end if;
        insert into harpsweep.alarm (rings_at) values (now());
    -- Once for each deploy. From 95 on AppAPI replaces the container; before that there was none of that deploy. Of a new
    -- row the old one is null.
    elsif (old.status ->> 'deploy_start_time') <> (new.status ->> 'deploy_start_time')
          and harpsweep.deploy_percent(harpsweep.readable(old.status)) >= 95 then
        perform harpsweep.exapp_redeployed(
            old.appid, old.daemon_config_name,
            harpsweep.fingerprint(old.id, old.created_time, harpsweep.readable(old.status)));
    end if;
    return null;
exception when query_canceled or assert_failure or others then
    get stacked diagnostics code = returned_sqlstate, message = message_text, context = pg_exception_context;
    begin
        begin
            subject := coalesce(old.appid, new.appid);
        exception when query_canceled or assert_failure or others then
            null; -- the column has another name now
        end;
        perform harpsweep.note_intake_error(tg_table_name || ' ' || lower(tg_op), subject, code, message, context);
    exception when query_canceled or assert_failure or others then
        null; -- the schema is damaged; Nextcloud is not to suffer from it
    end;
    return null;
end
$$;
comment on function harpsweep.on_exapp() is
    'Trigger on AppAPI''s table of apps: a deploy that ended is noted and sets the alarm, an app that was removed makes a job. Never raises, and waits for no lock longer than 200 ms; what fails is in harpsweep.intake_error.';

create or replace function harpsweep.freeze_endpoint(
    daemon text, protocol text, host text, docker_socket_port int, flush boolean)
returns int
language plpgsql set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    flushed int;
    free    bigint[];
begin
    begin
        -- Locked in one order everywhere, so that two callers never wait for each other.
        select array_agg(j.id) into free
        from (select j.id from harpsweep.job as j
              where j.daemon = freeze_endpoint.daemon and j.finished_at is null
              order by j.id for update) as j;
    exception when lock_not_available then
        -- Whoever holds one must not keep the others from being told.
        select array_agg(j.id) into free
        from (select j.id from harpsweep.job as j
              where j.daemon = freeze_endpoint.daemon and j.finished_at is null
              order by j.id for update skip locked) as j;
        perform harpsweep.note_intake_error(
            'freeze_endpoint', freeze_endpoint.daemon, '55P03',
            'somebody holds rows of jobs of this daemon: they were not told that it moved or went away', null);
    end;
    update harpsweep.job as j
    set protocol = freeze_endpoint.protocol, host = freeze_endpoint.host,
        docker_socket_port = freeze_endpoint.docker_socket_port
    where j.id = any (free) and j.host is null;
    if not freeze_endpoint.flush then
        return 0;
    end if;
    -- Their choice stays what it is: nobody asked for these images to go, and what protects them and
    -- whether cleanup is enabled holds as before.
    update harpsweep.job as j
    set state = 'pending', not_before = least(coalesce(j.not_before, now()), now()), next_at = now(),
        grace_hours = coalesce(j.grace_hours, 0),
        hold_reason = format('daemon %s was unregistered: due at once', freeze_endpoint.daemon)
    where j.id = any (free)
      and j.state in ('new', 'pending') and j.choice <> 'keep';
    get diagnostics flushed = row_count;
    return flushed;
end
$$;
comment on function harpsweep.freeze_endpoint(text, text, text, int, boolean) is
    'Notes in the open jobs of a daemon where it was, and makes them due at once where it goes away. Used by the trigger.';

create or replace function harpsweep.on_daemon() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '200ms'
as $$
declare
    code    text;
    message text;
    context text;
    subject text;
    before  record;
    after   record;
begin
    select * into before from harpsweep.endpoint_from(old.protocol, old.host, old.deploy_config);
    if tg_op = 'DELETE' then
        perform harpsweep.freeze_endpoint(old.name, before.protocol, before.host, before.docker_socket_port, true);
        return null;
    end if;
    if tg_op = 'UPDATE' then
        select * into after from harpsweep.endpoint_from(new.protocol, new.host, new.deploy_config);
        if (before.protocol, before.host, before.docker_socket_port)
           is distinct from (after.protocol, after.host, after.docker_socket_port) then
            perform harpsweep.freeze_endpoint(old.name, before.protocol, before.host, before.docker_socket_port, false);
        end if;
    end if;
    -- Its apps may be somewhere else now, or only now where they can be looked at.
    insert into harpsweep.alarm (rings_at) values (now());
    return null;
exception when query_canceled or assert_failure or others then
    get stacked diagnostics code = returned_sqlstate, message = message_text, context = pg_exception_context;
    begin
        begin
            subject := old.name;
        exception when query_canceled or assert_failure or others then
            null; -- the column has another name now
        end;
        perform harpsweep.note_intake_error(tg_table_name || ' ' || lower(tg_op), subject, code, message, context);
    exception when query_canceled or assert_failure or others then
        null; -- the schema is damaged; Nextcloud is not to suffer from it
    end;
    return null;
end
$$;
comment on function harpsweep.on_daemon() is
    'Trigger on AppAPI''s table of daemons: the open jobs of one that changes or goes away remember where it was, and those of one that goes away are due at once. Sets the alarm for what changes. Never raises, and waits for no lock longer than 200 ms; what fails is in harpsweep.intake_error.';

-- AppAPI's own cleanup, where it has one: a job of class OrphanedImageCleanupJob is due at last_checked. It
-- is deleted before it runs and never tried again; one that is deleted without having been reserved was
-- cancelled. Ours waits an hour longer, for Nextcloud's cron to come by, and then sees to it.
create or replace function harpsweep.note_appapi_job(oc_job_id bigint, argument json, due timestamptz) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    job_daemon text := note_appapi_job.argument ->> 'daemon_id';
    job_ref    text := note_appapi_job.argument ->> 'image_ref';
    job_app    text := note_appapi_job.argument ->> 'appid';
    grace_end  timestamptz := note_appapi_job.due + interval '1 hour';
    seen       harpsweep.exapp_image;
    endpoint   record;
    found_id   bigint;
begin
    perform harpsweep.require_text('daemon_id', job_daemon, 64);
    perform harpsweep.require_text('image_ref', job_ref, 512);
    perform harpsweep.require_text('appid', job_app, 64);
    -- An image by that name that has a job already, whichever of the two knew of it first.
    update harpsweep.job as j
    set oc_job_id = note_appapi_job.oc_job_id, choice = 'grace', state = 'pending', claim_token = null,
        not_before = greatest(j.not_before, grace_end), next_at = greatest(j.not_before, grace_end),
        grace_hours = coalesce(j.grace_hours, 0), end_wanted = null,
        hold_reason = 'AppAPI deletes the image itself; this job looks afterwards whether it did'
    where j.id = (select o.id from harpsweep.job as o
                  where o.daemon = job_daemon and o.finished_at is null and o.image_ref = job_ref
                  order by o.id desc limit 1 for update)
    returning j.id into found_id;
    if found_id is not null then
        return;
    end if;
    select i.* into seen from harpsweep.exapp_image as i
    where i.appid = job_app and i.daemon = job_daemon and i.image_ref = job_ref
    order by i.superseded_at nulls first limit 1;
    select e.* into endpoint from harpsweep.endpoint_of(job_daemon) as e;
    insert into harpsweep.job (daemon, appid, image_ref, image_id, event, state, orphaned_at, grace_hours,
                               not_before, next_at, protocol, host, docker_socket_port, oc_job_id, hold_reason)
    values (job_daemon, job_app, job_ref, seen.image_id,
            case when exists (select from harpsweep.engine_apps() as a where a.appid = job_app and a.complete)
                 then 'update' else 'uninstall' end,
            'pending', now(),
            least(greatest(ceil(extract(epoch from note_appapi_job.due - now()) / 3600), 0), 720)::int,
            grace_end, grace_end, endpoint.protocol, endpoint.host, endpoint.docker_socket_port,
            note_appapi_job.oc_job_id,
            'AppAPI deletes the image itself; this job looks afterwards whether it did');
end
$$;
comment on function harpsweep.note_appapi_job(bigint, json, timestamptz) is
    'AppAPI queued a job of its own cleanup: notes one that looks afterwards. Used by the trigger.';

create or replace function harpsweep.appapi_job_gone(oc_job_id bigint, argument json, has_run boolean) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    ids bigint[];
begin
    select array_agg(j.id) into ids
    from (select j.id from harpsweep.job as j
          where j.daemon = appapi_job_gone.argument ->> 'daemon_id' and j.finished_at is null
            and j.oc_job_id = appapi_job_gone.oc_job_id
          order by j.id for update) as j;
    if not appapi_job_gone.has_run then
        perform harpsweep.end_jobs(ids, 'cancelled', 'AppAPI cancelled its own job for the image');
        return;
    end if;
    -- It runs right now, and gives HaRP 90 s.
    update harpsweep.job as j
    set not_before = least(j.not_before, now() + interval '5 minutes'), next_at = now() + interval '5 minutes',
        hold_reason = 'AppAPI ran its own job for the image; this one looks whether that worked'
    where j.id = any (ids) and j.state = 'pending';
end
$$;
comment on function harpsweep.appapi_job_gone(bigint, json, boolean) is
    'A job of AppAPI''s own cleanup went: it ran, and ours looks soon, or it was cancelled, and so is ours. Used by the trigger.';

create or replace function harpsweep.on_appapi_job() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '200ms'
as $$
declare
    code    text;
    message text;
    context text;
    subject text;
    ours    constant text := E'OCA\\AppAPI\\BackgroundJob\\OrphanedImageCleanupJob';
begin
    if tg_op = 'DELETE' then
        if old.class = ours then
            perform harpsweep.appapi_job_gone(old.id, old.argument::json, old.reserved_at > 0);
        end if;
    elsif new.class = ours and new.reserved_at = 0 then
        -- Queued, or queued again with another due time: AppAPI updates the row that it finds.
        perform harpsweep.note_appapi_job(new.id, new.argument::json, to_timestamp(new.last_checked));
    end if;
    return null;
exception when query_canceled or assert_failure or others then
    get stacked diagnostics code = returned_sqlstate, message = message_text, context = pg_exception_context;
    begin
        begin
            -- What Nextcloud passes to its other jobs is nobody's business here.
            if tg_op = 'DELETE' then
                subject := case when old.class = ours then old.argument::text end;
            else
                subject := case when new.class = ours then new.argument::text end;
            end if;
        exception when query_canceled or assert_failure or others then
            null; -- the columns have other names now
        end;
        perform harpsweep.note_intake_error(tg_table_name || ' ' || lower(tg_op), subject, code, message, context);
    exception when query_canceled or assert_failure or others then
        null; -- the schema is damaged; Nextcloud is not to suffer from it
    end;
    return null;
end
$$;
comment on function harpsweep.on_appapi_job() is
    'Trigger on Nextcloud''s table of background jobs, where AppAPI cleans up by itself: its jobs for images are noted. Never raises, and waits for no lock longer than 200 ms; what fails is in harpsweep.intake_error.';

-- ------------------------------------------------------------------- what the program asks

create or replace function harpsweep.endpoint_of(daemon text)
returns table (protocol text, host text, docker_socket_port int)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select d.protocol, d.host, d.docker_socket_port
    from harpsweep.nextcloud_daemons() as d
    where d.daemon = endpoint_of.daemon and d.problem is null
$$;
-- What an app is to a delete: its engine, whether it is being deployed, and what it was seen with.
create or replace function harpsweep.engine_apps()
returns table (
    appid text, daemon text, protocol text, host text, docker_socket_port int, deploying boolean,
    began_at timestamptz, failed text, complete boolean, seen boolean, image_ref text, image_id text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select a.appid, a.daemon, d.protocol, d.host, d.docker_socket_port,
           -- PHP that was killed leaves an unfinished deploy for ever.
           a.error = '' and a.deploy < 100 and a.began_at > now() - interval '2 hours',
           a.began_at,
           -- Also at 100: AppAPI looks after the container's health, and waits for its heartbeat, only then.
           case when a.error <> '' then a.error end,
           a.deploy >= 100,
           i.fingerprint is not distinct from a.fingerprint
               and (i.protocol, i.host, i.docker_socket_port)
                   is not distinct from (d.protocol, d.host, d.docker_socket_port),
           i.image_ref, i.image_id
    from harpsweep.nextcloud_apps() as a
         left join harpsweep.nextcloud_daemons() as d on d.daemon = a.daemon
         left join harpsweep.exapp_image as i on i.appid = a.appid and i.superseded_at is null
    where d.problem is null
$$;
comment on function harpsweep.engine_apps() is
    'Nextcloud''s apps on daemons with HaRP, with what a delete on their engine has to know of them. Used by the other functions.';

create or replace function harpsweep.news()
returns table (
    kind text, name text, detail text, daemon text, protocol text, host text, docker_socket_port int,
    paused boolean, stop text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select 'nextcloud', n.table_prefix, n.schema_name, null, null, null, null, null, null
    from harpsweep.nextcloud as n
    union all
    select 'daemon', d.daemon, d.problem, d.daemon, d.protocol, d.host, d.docker_socket_port,
           coalesce(k.paused_until > now(), false), k.stop
    from harpsweep.read_daemons() as d
         left join harpsweep.daemon as k on k.daemon::text = d.daemon -- see changed_apps()
    union all
    select a.kind, a.appid, a.fingerprint, a.daemon, null, null, null, null, null
    from harpsweep.changed_apps() as a
$$;
create or replace function harpsweep.nextcloud_state()
returns table (
    schema_name text, table_prefix text, notes_jobs boolean, triggers int, apps int, unseen int,
    appapi_cleans_up boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select n.schema_name, n.table_prefix, n.notes_jobs,
           (select count(*) from pg_trigger as t
            where t.tgfoid in (to_regproc('harpsweep.on_exapp'), to_regproc('harpsweep.on_daemon'))
              and t.tgenabled in ('O', 'A'))::int,
           (select count(*) from harpsweep.engine_apps())::int,
           (select count(*) from harpsweep.engine_apps() as a where a.complete and not a.seen)::int,
           harpsweep.appapi_cleans_up()
    from harpsweep.nextcloud as n
$$;

create or replace function harpsweep.reconcile() returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s'
as $$
declare
    i       harpsweep.exapp_image;
    n       int := 0;
    context text;
begin
    for i in
        select e.* from harpsweep.exapp_image as e
        where e.superseded_at is null
          and not exists (select from harpsweep.nextcloud_apps() as a where a.appid = e.appid)
        order by e.appid for update skip locked
    loop
        begin -- one that fails must not keep the others, nor each run, waiting
            perform harpsweep.exapp_gone(i.appid, i.daemon, null, now());
            n := n + 1;
        exception
            when lock_not_available then
                null; -- somebody is at its job: the next run
            when transaction_rollback or invalid_transaction_state or insufficient_resources or operator_intervention
                or system_error or internal_error then
                raise; -- the server's or the transaction's trouble, and not this app's
            when others then
                get stacked diagnostics context = pg_exception_context;
                perform harpsweep.note_intake_error('reconcile', i.appid, sqlstate, sqlerrm, context);
        end;
    end loop;
    return n;
end
$$;
create or replace function harpsweep.observed(
    appids text[], daemons text[], fingerprints text[], refs text[], images text[], sizes bigint[],
    containers text[])
returns table (appid text, what text, job_id bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s'
as $$
#variable_conflict use_column
declare
    o       record;
    app     record;
    old     harpsweep.exapp_image;
    known   boolean;
    again   bigint[];
    context text;
begin
    for o in
        select u.* from unnest(appids, daemons, fingerprints, refs, images, sizes, containers)
                        as u (appid, daemon, fingerprint, image_ref, image_id, bytes, container)
        order by u.appid
    loop
        appid := o.appid;
        job_id := null;
        -- One that can't be noted, or that somebody holds, must not take the others with it.
        begin
            -- The row first: whoever removes the app meanwhile is waited for, and seen by what follows.
            select i.* into old from harpsweep.exapp_image as i
            where i.appid = o.appid and i.superseded_at is null
            for update;
            known := found;
            select a.version, d.protocol, d.host, d.docker_socket_port into app
            from harpsweep.nextcloud_apps() as a
                 join harpsweep.nextcloud_daemons() as d on d.daemon = a.daemon
            where a.appid = o.appid and a.daemon = o.daemon and a.fingerprint = o.fingerprint and a.deploy >= 100;
            if not found then
                what := 'changed meanwhile'; -- what was seen may be what was there before
                return next;
                continue;
            end if;

            what := case when not known then 'new'
                         when o.image_ref is null then 'no container'
                         when old.image_ref is null then 'new'
                         -- An ID that was not known before is no other image.
                         when (old.image_ref, coalesce(old.image_id, o.image_id))
                              is distinct from (o.image_ref, o.image_id) then 'update'
                         else 'same' end;

            if what = 'update' then
                update harpsweep.exapp_image as i
                set superseded_at = coalesce(i.deployed_at, now()), superseded_by = 'update'
                where i.id = old.id;
                if not (select n.notes_jobs from harpsweep.nextcloud as n) then
                    job_id := harpsweep.note_job(
                        old.daemon, old.appid, old.image_ref, old.image_id, 'update', 'grace', null,
                        coalesce(old.deployed_at, now()), old.protocol, old.host, old.docker_socket_port);
                end if;
            end if;
            if what in ('new', 'update') and (old.id is null or what = 'update') then
                insert into harpsweep.exapp_image (appid, daemon, protocol, host, docker_socket_port, version, image_ref,
                                                   image_id, bytes, container, fingerprint)
                values (o.appid, o.daemon, app.protocol, app.host, app.docker_socket_port, app.version, o.image_ref,
                        o.image_id, o.bytes, o.container, o.fingerprint)
                on conflict (appid) where superseded_at is null do nothing; -- another run was faster
            else
                update harpsweep.exapp_image as i
                set daemon = o.daemon, protocol = app.protocol, host = app.host,
                    docker_socket_port = app.docker_socket_port, version = app.version,
                    image_ref = coalesce(o.image_ref, i.image_ref), image_id = coalesce(o.image_id, i.image_id),
                    bytes = coalesce(o.bytes, i.bytes), container = o.container, fingerprint = o.fingerprint,
                    deployed_at = null, seen_at = now()
                where i.id = old.id;
            end if;

            -- A job about the image that the app runs now has lost its reason. One about the same image
            -- under another name has not: held() holds it until the app has moved on.
            select array_agg(j.id) into again
            from (select j.id from harpsweep.job as j
                  where j.appid = o.appid and j.daemon = o.daemon and j.finished_at is null
                    and j.image_ref = o.image_ref and coalesce(j.image_id, o.image_id) = o.image_id
                    and j.event <> 'manual'
                  order by j.id for update) as j;
            perform harpsweep.end_jobs(again, 'cancelled', format('app %s uses this image again', o.appid));
        exception
            when lock_not_available then
                what := 'changed meanwhile'; -- somebody is at it: the next run looks again
                job_id := null;
            when transaction_rollback or invalid_transaction_state or insufficient_resources or operator_intervention
                or system_error or internal_error then
                raise; -- as above
            when others then
                get stacked diagnostics context = pg_exception_context;
                perform harpsweep.note_intake_error('observed', o.appid, sqlstate, sqlerrm, context);
                what := 'refused';
                job_id := null;
        end;
        return next;
    end loop;
end
$$;
create or replace function harpsweep.held(
    ids bigint[], images text[], keep_previous int, protect boolean, by_name boolean)
returns table (id bigint, reason text, delay_s int)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    with apps as materialized (select * from harpsweep.engine_apps()),
         daemons as materialized (select * from harpsweep.nextcloud_daemons()),
         asked as materialized (
             select j.id, j.daemon, j.appid, j.image_ref, coalesce(q.image_id, j.image_id) as image_id, j.event,
                    j.choice, j.host is not null as has_snapshot, d.daemon is not null as is_known, d.local_registries,
                    coalesce(j.protocol, d.protocol) as protocol, coalesce(j.host, d.host) as host,
                    coalesce(j.docker_socket_port, d.docker_socket_port) as docker_socket_port,
                    d.protocol as protocol_now, d.host as host_now, d.docker_socket_port as port_now,
                    dense_rank() over (order by j.daemon, coalesce(j.protocol, d.protocol), coalesce(j.host, d.host),
                                                coalesce(j.docker_socket_port, d.docker_socket_port)) as place
             from unnest(ids, images) as q (id, image_id)
                  join harpsweep.job as j on j.id = q.id
                  left join daemons as d on d.daemon = j.daemon),
         -- One engine has several names: a daemon for CPUs and one for GPUs often share it. For each place and not for each
         -- job: jobs come by the hundred, and each looks through all of this.
         neighbour as materialized (
             select p.place, a.appid, a.deploying, a.began_at, a.failed, a.complete, a.seen, a.image_ref, a.image_id
             from (select distinct q.place, q.daemon, q.protocol, q.host, q.docker_socket_port from asked as q) as p
                  join apps as a on a.daemon = p.daemon
                      or (a.protocol, a.host, a.docker_socket_port) = (p.protocol, p.host, p.docker_socket_port)),
         -- Nearly none, and so nearly nothing that each job looks through. Two lists that are looked up in, because the
         -- planner would else compare each of the jobs asked for with each open one.
         waiting as materialized (
             select o.id, o.daemon, o.image_ref, o.image_id, o.not_before, coalesce(o.protocol, e.protocol) as protocol,
                    coalesce(o.host, e.host) as host, coalesce(o.docker_socket_port, e.docker_socket_port) as docker_socket_port
             from harpsweep.job as o
                  left join daemons as e on e.daemon = o.daemon
             where o.finished_at is null and o.choice = 'grace' and coalesce(o.not_before, 'infinity') > now()
               and (o.image_ref in (select q.image_ref from asked as q)
                    or o.image_id in (select q.image_id from asked as q)))
    select q.id, h.reason, h.delay_s
    from asked as q
         cross join lateral (
             select 1 as rank,
                    format('daemon %s is at %s://%s, port %s, now; the image is at %s://%s, port %s (where that is '
                           'the same engine, harpsweep adopt takes it up)', q.daemon,
                           q.protocol_now, q.host_now, coalesce(q.port_now::text, 'none'), q.protocol, q.host,
                           coalesce(q.docker_socket_port::text, 'none')) as reason,
                    3600 as delay_s
             where q.is_known and q.has_snapshot
               and (q.protocol, q.host, q.docker_socket_port)
                   is distinct from (q.protocol_now, q.host_now, q.port_now)
             union all
             select 2, format('deploy of app %s running on this engine since %s', n.appid,
                              to_char(n.began_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')), 300
             from neighbour as n where n.place = q.place and n.deploying
             union all
             select 3, format('the last deploy of app %s failed (%s): its old images are the way back', n.appid,
                              left(n.failed, 100)), 3600
             from neighbour as n where n.place = q.place and n.appid = q.appid and n.failed is not null
             union all
             select 4, format('app %s was deployed on this engine, and which image it uses is not known yet', n.appid), 120
             from neighbour as n where n.place = q.place and n.complete and not n.seen
             union all
             select 5, format('app %s uses this image', n.appid), 3600
             from neighbour as n
             where n.place = q.place
               and (n.image_id = q.image_id
                    or (n.image_ref = q.image_ref and (by_name or n.image_id is null or q.image_id is null)))
             union all
             select 6, format('job %s for the same image waits until %s', o.id,
                              coalesce(to_char(o.not_before at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'),
                                       'its grace ends')), 3600
             from waiting as o
             where q.choice <> 'now' and o.id <> q.id
               and (o.image_id = q.image_id
                    or (o.image_ref = q.image_ref and (by_name or o.image_id is null or q.image_id is null)))
               and (o.daemon = q.daemon
                    or (o.protocol, o.host, o.docker_socket_port) = (q.protocol, q.host, q.docker_socket_port))
             union all
             select 7, format('one of the %s images of app %s before its own that keep_previous keeps', keep_previous,
                              q.appid), null
             where q.choice <> 'now' and q.event = 'update' and keep_previous > 0
               and exists (select from neighbour as n where n.place = q.place and n.appid = q.appid)
               and q.image_id in (
                   select b.image_id
                   from harpsweep.exapp_image as b
                   where b.appid = q.appid and b.superseded_at is not null and b.image_id is not null
                     and not exists (select from neighbour as n
                                     where n.appid = q.appid and n.image_id = b.image_id)
                   group by b.image_id
                   order by max(b.superseded_at) desc
                   limit keep_previous)
             union all
             select 8, format('registry %s of daemon %s is "local" in Nextcloud: the image was loaded by hand', r.name,
                              q.daemon), null
             from unnest(q.local_registries) as r (name)
             where protect and q.choice <> 'now' and starts_with(q.image_ref, r.name || '/')
             order by rank, reason
             limit 1) as h
$$;
create or replace function harpsweep.deploys_beside(ids bigint[])
returns table (id bigint, appid text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select j.id, min(a.appid)
    from harpsweep.job as j
         left join harpsweep.nextcloud_daemons() as d on d.daemon = j.daemon
         join harpsweep.engine_apps() as a
           on a.deploying
          and (a.daemon = j.daemon
               or (a.protocol, a.host, a.docker_socket_port)
                  = (coalesce(j.protocol, d.protocol), coalesce(j.host, d.host),
                     coalesce(j.docker_socket_port, d.docker_socket_port)))
    where j.id = any (ids)
    group by j.id
$$;

-- What was noted while hosts were spelt as they came.
update harpsweep.job as j set host = harpsweep.host_told(j.host)
where j.finished_at is null and j.host <> harpsweep.host_told(j.host);
update harpsweep.exapp_image as i set host = harpsweep.host_told(i.host)
where i.superseded_at is null and i.host <> harpsweep.host_told(i.host);
