"""Nextcloud's side of the database: its tables, with the types that Doctrine gives them on PostgreSQL, and
the statements that AppAPI sends, each in a transaction of its own and in AppAPI's order.

Read from AppAPI's sources (stable32 to stable34): ExAppService, DaemonConfigService, Register, Update and
Unregister commands. Times that AppAPI takes from PHP's clock are the test's own here.
"""

import json
import time

TABLES = """
create table {ex_apps} (
    id bigserial primary key,
    appid varchar(32) not null unique,
    version varchar(32) not null,
    name varchar(64) not null,
    daemon_config_name varchar(64) default '0' not null,
    port smallint not null,
    secret varchar(256) not null,
    status json not null,
    enabled smallint default 0 not null,
    created_time bigint not null,
    unique (daemon_config_name, port));
create table {ex_apps_daemons} (
    id bigserial primary key,
    name varchar(64) default '' not null unique,
    display_name varchar(255) not null,
    accepts_deploy_id varchar(64) not null,
    protocol varchar(32) not null,
    host varchar(255) not null,
    deploy_config json not null);
create table {ex_deploy_options} (
    id bigserial primary key,
    appid varchar(32) not null,
    type varchar(32) not null,
    value json not null,
    unique (appid, type));
create table {appconfig} (
    appid varchar(32) default '' not null,
    configkey varchar(64) default '' not null,
    configvalue text,
    type integer default 2 not null,
    lazy smallint default 0 not null,
    primary key (appid, configkey));
create table {jobs} (
    id bigserial primary key,
    class varchar(255) default '' not null,
    argument varchar(4000) default '' not null,
    last_run integer default 0,
    last_checked integer default 0,
    reserved_at integer default 0,
    execution_duration integer default 0,
    argument_hash varchar(32),
    time_sensitive smallint default 1 not null);
"""

NAMES = ("ex_apps", "ex_apps_daemons", "ex_deploy_options", "appconfig", "jobs")


class Nextcloud:
    """Nextcloud's tables in a database, and AppAPI's ways with them."""

    def __init__(self, connection, prefix="oc_", schema="public"):
        self.connection = connection
        self.schema = schema
        self.tables = {name: f'"{schema}"."{prefix}{name}"' for name in NAMES}
        self.ports = 23000

    def create_tables(self):
        self.connection.execute(f'create schema if not exists "{self.schema}"')
        self.connection.execute(TABLES.format(**self.tables))
        return self

    def run(self, sql, *values):
        """One statement, one transaction, as AppAPI does it; returns the number of rows."""
        return self.connection.execute(sql.format(**self.tables), values).rowcount

    def one(self, sql, *values):
        row = self.connection.execute(sql.format(**self.tables), values).fetchone()
        return row[0] if row and len(row) == 1 else row

    # Daemons.

    def add_daemon(self, name="harp_docker", host="127.0.0.1:8780", protocol="http", port="24000",
                   deploy_id="docker-install", harp=True, **config):
        deploy_config = {"net": "host", "nextcloud_url": "https://cloud.example", "haproxy_password": "encrypted",
                         "computeDevice": {"id": "cpu", "label": "CPU"},
                         "harp": {"frp_address": "h:8782", "docker_socket_port": port, "exapp_direct": False} if harp else [],
                         **config}
        self.run("insert into {ex_apps_daemons} (name, display_name, accepts_deploy_id, protocol, host, deploy_config)"
                 " values (%s, %s, %s, %s, %s, %s)", name, name, deploy_id, protocol, host, json.dumps(deploy_config))
        return name

    def move_daemon(self, name, host):
        self.run("update {ex_apps_daemons} set host = %s where name = %s", host, name)

    def delete_daemon(self, name):
        self.run("delete from {ex_apps_daemons} where name = %s", name)

    # Apps: what AppAPI writes, statement by statement.

    def insert_app(self, appid, daemon="harp_docker", version="1.0.0", when=None):
        self.ports += 1
        status = {"deploy": 0, "init": 0, "action": "", "type": "install", "error": ""}
        self.run("insert into {ex_apps} (appid, version, name, daemon_config_name, port, secret, status, enabled,"
                 " created_time) values (%s, %s, %s, %s, %s, %s, %s, 0, %s)", appid, version, appid, daemon,
                 self.ports, "a-secret-of-nextcloud", json.dumps(status), int(when or time.time()))

    def status(self, appid):
        value = self.one("select status from {ex_apps} where appid = %s", appid)
        return json.loads(value) if isinstance(value, str) else value

    def set_status(self, appid, **fields):
        status = {**self.status(appid), **fields}
        self.run("update {ex_apps} set status = %s where appid = %s", json.dumps(status), appid)

    def deploy_progress(self, appid, percent, when=None):
        """ExAppService::setAppDeployProgress()."""
        if percent == 0:
            self.set_status(appid, action="deploy", deploy_start_time=int(when or time.time()), error="", deploy=0)
        elif percent == 100:
            self.set_status(appid, deploy=100, action="healthcheck")
        else:
            self.set_status(appid, deploy=percent)

    def begin_deploy(self, appid, pull=(10, 50, 94), when=None):
        self.deploy_progress(appid, 0, when)
        for percent in pull:
            self.deploy_progress(appid, percent)

    def end_deploy(self, appid):
        """After the pull: the old container goes, the new one comes, and starts."""
        for percent in (95, 96, 97, 98):
            self.deploy_progress(appid, percent)
        self.run("delete from {ex_deploy_options} where appid = %s", appid)
        self.run("insert into {ex_deploy_options} (appid, type, value) values (%s, 'environment_variables', '[]')", appid)
        self.deploy_progress(appid, 99)
        self.deploy_progress(appid, 100)

    def finish_init(self, appid):
        for percent in (0, 100):
            self.set_status(appid, init=percent, action="init")
        self.set_status(appid, action="", type="")
        self.run("update {ex_apps} set enabled = 1 where appid = %s", appid)

    def begin_update(self, appid, version):
        """Up to the moment before the pull."""
        self.set_status(appid, type="update", error="")
        self.run("update {ex_apps} set enabled = 0 where appid = %s", appid)
        self.run("update {ex_apps} set version = %s, name = %s where appid = %s", version, appid, appid)

    def delete_app(self, appid):
        """ExAppService::unregisterExApp(), the part that is in these tables."""
        self.run("delete from {ex_deploy_options} where appid = %s", appid)
        return self.run("delete from {ex_apps} where appid = %s", appid)

    def disable_app(self, appid):
        self.run("update {ex_apps} set enabled = 0 where appid = %s", appid)

    # Settings and jobs.

    def set_config(self, key, value, kind):
        self.run("insert into {appconfig} (appid, configkey, configvalue, type, lazy) values ('app_api', %s, %s, %s, 1)"
                 " on conflict (appid, configkey) do update set configvalue = excluded.configvalue,"
                 " type = excluded.type", key, value, kind)

    # AppAPI's own cleanup, where it has one: JobList's statements for its jobs.

    CLEANUP = "OCA\\AppAPI\\BackgroundJob\\OrphanedImageCleanupJob"

    @staticmethod
    def argument(daemon, ref, appid):
        return json.dumps({"daemon_id": daemon, "image_ref": ref, "appid": appid}, separators=(",", ":"))

    def queue_cleanup(self, appid, ref, daemon="harp_docker", hours=24, now=None):
        """JobList::scheduleAfter(): a new row, or another due time for the row that is there."""
        due = int(now or time.time()) + hours * 3600
        argument = self.argument(daemon, ref, appid)
        changed = self.run("update {jobs} set reserved_at = 0, last_checked = %s where class = %s and argument = %s",
                           due, self.CLEANUP, argument)
        if changed == 0:
            self.run("insert into {jobs} (class, argument, last_run, last_checked, reserved_at, execution_duration)"
                     " values (%s, %s, 0, %s, 0, 0)", self.CLEANUP, argument, due)

    def cancel_cleanup(self, appid):
        """cancelPendingForApp(): removed by id."""
        self.run("delete from {jobs} where class = %s and argument like %s", self.CLEANUP, f'%"appid":"{appid}"%')

    def run_cleanup(self, appid):
        """Cron: the row is reserved, then deleted, then the job runs."""
        now = int(time.time())
        self.run("update {jobs} set reserved_at = %s, last_checked = %s where class = %s and argument like %s",
                 now, now, self.CLEANUP, f'%"appid":"{appid}"%')
        return self.cancel_cleanup(appid)
