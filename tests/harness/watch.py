"""What harpsweep makes of Nextcloud's tables, in short words for tests. `connection` is a superuser's,
`nextcloud` AppAPI's (harness.nextcloud)."""

# pylint: disable=missing-function-docstring

DAEMON = "harp_docker"
REF = "ghcr.io/nextcloud/talk_bot:latest"
FIRST_DEPLOY = 1_700_000_000
NEXT_DEPLOY = FIRST_DEPLOY + 1000


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
