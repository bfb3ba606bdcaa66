"""What harpsweep makes of Nextcloud's tables, in short words for tests. `connection` is a superuser's,
`nextcloud` AppAPI's (harness.nextcloud)."""

# pylint: disable=missing-function-docstring

import time

from harness.rows import schedule

DAEMON = "harp_docker"
REF = "ghcr.io/nextcloud/talk_bot:latest"
FIRST_DEPLOY = 1_700_000_000
NEXT_DEPLOY = FIRST_DEPLOY + 1000
MINE = "sha256:" + "99" * 32


def image(number):
    """The ID of an image."""
    return f"sha256:{number:064x}"


def rows(connection, sql, *values):
    return connection.execute(sql, values).fetchall()


def jobs(connection, *columns):
    """Those columns of all jobs, in the order in which they were made."""
    return rows(connection, f"select {', '.join(columns)} from harpsweep.job order by id")


def failures(connection):
    """What went wrong inside triggers: source, SQLSTATE, app or daemon, how often."""
    return rows(connection, "select source, code, subject, times from harpsweep.intake_error order by id")


def deploy(nextcloud, appid, daemon=DAEMON, when=FIRST_DEPLOY, version="1.0.0"):
    """An app is installed, from the first row to enabled."""
    nextcloud.insert_app(appid, daemon, version, when=when - 5)
    nextcloud.begin_deploy(appid, pull=(94,), when=when)
    nextcloud.end_deploy(appid)
    nextcloud.finish_init(appid)


def redeploy(nextcloud, appid, when=NEXT_DEPLOY, version="2.0.0"):
    """An app is updated."""
    nextcloud.begin_update(appid, version)
    nextcloud.begin_deploy(appid, pull=(94,), when=when)
    nextcloud.end_deploy(appid)
    nextcloud.finish_init(appid)


def observe(connection, appid, ref=REF, image_id=image(1), container="running"):
    """A run looked at the app's container; returns what it made of it and the number of a job."""
    return connection.execute(
        "select o.what, o.job_id from harpsweep.nextcloud_apps() as a,"
        " harpsweep.observed(array[a.appid], array[a.daemon], array[a.fingerprint], array[%s], array[%s],"
        " array[1000], array[%s]) as o where a.appid = %s", (ref, image_id, container, appid)).fetchone()


def deploy_and_observe(nextcloud, connection, appid, ref=REF, image_id=image(1), **how):
    deploy(nextcloud, appid, **how)
    assert observe(connection, appid, ref, image_id) == ("new", None)


def make_job(connection, appid="gone", daemon=DAEMON, ref="r/mine:1", image_id=MINE, **how):
    """A job that is due."""
    return schedule(connection, daemon, appid, ref, **{"grace_hours": 0, "image_id": image_id, **how})


def held(connection, number, told=None, keep_previous=0, protect=True, by_name=False):
    """Why the job is held and for how long, or None; told: the image's ID as Docker says."""
    return connection.execute("select reason, delay_s from harpsweep.held(array[%s::bigint], array[%s], %s, %s, %s)",
                              (number, told, keep_previous, protect, by_name)).fetchone()


def beside(connection, number):
    return rows(connection, "select id, appid from harpsweep.deploys_beside(array[%s::bigint])", number)


def utc(seconds):
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
