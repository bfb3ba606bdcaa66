-- Installs harpsweep's schema into Nextcloud's database, or brings it up to date:
--
--     psql -v ON_ERROR_STOP=1 -d nextcloud -f sql/install.sql
--
-- With -v nextcloud=on it also watches Nextcloud's tables, see intake_appapi.sql; with
-- -v nextcloud=off it stops; without either it leaves that as it is.
--
-- May be run again at any time. As a superuser, or as a role that may create schemas in the
-- database and (the first time in a cluster) roles. PostgreSQL 13 or later. Everything happens in
-- one transaction: it is installed completely or not at all.

\set ON_ERROR_STOP on
\set ON_ERROR_ROLLBACK off
\set AUTOCOMMIT on
\set QUIET on
\set SHOW_CONTEXT never
\timing off
\encoding UTF8

-- The newest migration that these files know. A new one: its file, its block below, this number.
\set latest 10

begin;
set local client_min_messages = warning;
set local search_path = pg_catalog, pg_temp;
set local harpsweep.latest = :'latest';

-- One installation at a time in this database; a second one waits and then finds nothing to do.
do $$ begin perform pg_advisory_xact_lock(hashtext('harpsweep.install')); end $$;
-- Whoever reads the tables for long, as a dump does, is not waited for without end: behind a lock that is waited for,
-- Nextcloud's own events wait as well. Nothing is changed then; try again later.
set local lock_timeout = '10s';

\ir preflight.sql
\ir roles.sql

-- From here on as the schema's owner, so that an upgrade by a superuser leaves one owner.
do $$
declare
    owner text := (select nspowner::regrole::text from pg_namespace where nspname = 'harpsweep');
begin
    if owner is not null then
        execute format('set local role %s', owner);
    else
        create schema harpsweep;
    end if;
end
$$;
comment on schema harpsweep is
    'Deletes the Docker images that uninstalled and updated ExApps leave behind. Start with the views jobs, daemon_health and daily.';

create table if not exists harpsweep.migration (
    version    int primary key,
    name       text not null,
    applied_at timestamptz not null default now()
);
comment on table harpsweep.migration is
    'The steps by which this schema was built, one row each. The program refuses to work with a version that it does not know.';
comment on column harpsweep.migration.version is 'Number of the step; the highest is the schema''s version.';
comment on column harpsweep.migration.name is 'Its file in sql/migrations/.';
comment on column harpsweep.migration.applied_at is 'When it was applied to this database.';
comment on index harpsweep.migration_pkey is 'Each step once.';

select coalesce(max(version), 0) as installed from harpsweep.migration \gset

select :installed < 1 as missing \gset
\if :missing
\ir migrations/001_job.sql
insert into harpsweep.migration (version, name) values (1, '001_job');
\endif
select :installed < 2 as missing \gset
\if :missing
\ir migrations/002_nextcloud.sql
insert into harpsweep.migration (version, name) values (2, '002_nextcloud');
\endif
select :installed < 3 as missing \gset
\if :missing
\ir migrations/003_claims_in_place.sql
insert into harpsweep.migration (version, name) values (3, '003_claims_in_place');
\endif
select :installed < 4 as missing \gset
\if :missing
\ir migrations/004_job_event.sql
insert into harpsweep.migration (version, name) values (4, '004_job_event');
\endif
select :installed < 5 as missing \gset
\if :missing
\ir migrations/005_vacuum.sql
insert into harpsweep.migration (version, name) values (5, '005_vacuum');
\endif
select :installed < 6 as missing \gset
\if :missing
\ir migrations/006_alarm.sql
insert into harpsweep.migration (version, name) values (6, '006_alarm');
\endif
select :installed < 7 as missing \gset
\if :missing
\ir migrations/007_dates.sql
insert into harpsweep.migration (version, name) values (7, '007_dates');
\endif
select :installed < 8 as missing \gset
\if :missing
\ir migrations/008_alarm_for_apps.sql
insert into harpsweep.migration (version, name) values (8, '008_alarm_for_apps');
\endif
select :installed < 9 as missing \gset
\if :missing
\ir migrations/009_job_log.sql
insert into harpsweep.migration (version, name) values (9, '009_job_log');
\endif
select :installed < 10 as missing \gset
\if :missing
\ir migrations/010_checks.sql
insert into harpsweep.migration (version, name) values (10, '010_checks');
\endif

-- Whether Nextcloud's tables are watched: as asked for now, else as before.
\set installing on
\if :{?nextcloud}
select :'nextcloud' in ('on', 'off') as valid, :'nextcloud' = 'on' as watched, :'nextcloud' = 'off' as unwatched \gset
\if :valid
\else
do $$ begin raise exception 'nextcloud is neither on nor off'; end $$;
\endif
\else
select exists (select from harpsweep.nextcloud) as watched, false as unwatched \gset
\endif
\if :unwatched
\ir intake_remove.sql
\endif
\if :watched
\ir intake_appapi.sql
\else
\ir nextcloud_absent.sql
\endif

\ir functions.sql
\ir history.sql
\ir views.sql
\ir grants.sql

select max(version) as installed, current_database() as database from harpsweep.migration \gset
select coalesce((select format(', and Nextcloud''s %s.%sex_apps is watched', n.schema_name, n.table_prefix)
                 from harpsweep.nextcloud as n), '') as intake \gset
commit;
\echo harpsweep: schema version :installed is installed in database :database:intake
