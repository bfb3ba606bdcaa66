"""When a run has to look at Nextcloud's apps: what its triggers see of them sets an alarm, as what becomes due does, and
what they did not see is looked for within an hour."""

# pylint: disable=missing-function-docstring

import pytest
from harness.queries import execute
from harness.rows import alarms, never_ringing, one
from harness.watch import NEXT_DEPLOY, deploy_and_observe, observe, redeploy, rows


@pytest.fixture
def seen(watched, nextcloud):
    """An app as it was seen last, and alarms that never ring."""
    nextcloud.add_daemon()
    deploy_and_observe(nextcloud, watched, "app")
    never_ringing(watched)
    return watched


def test_the_end_of_a_deploy(seen, nextcloud):
    nextcloud.begin_update("app", "2.0.0")
    nextcloud.begin_deploy("app", when=NEXT_DEPLOY)
    nextcloud.set_status("app", deploy=99)
    assert alarms(seen) == ["never"]
    nextcloud.end_deploy("app")
    assert alarms(seen) == ["now", "never"]
    never_ringing(seen)
    nextcloud.finish_init("app")
    nextcloud.set_status("app", heartbeat_count=4)
    nextcloud.disable_app("app")
    assert alarms(seen) == ["never"]
    observe(seen, "app")


def test_of_a_deploy_that_was_not_seen_to_begin(seen, nextcloud):
    nextcloud.set_status("app", deploy_start_time=NEXT_DEPLOY)
    assert alarms(seen) == ["now", "never"]


def test_a_new_app(seen, nextcloud):
    nextcloud.insert_app("other")
    assert alarms(seen) == ["never"]
    nextcloud.begin_deploy("other")
    nextcloud.end_deploy("other")
    assert alarms(seen) == ["now", "never"]


def test_a_new_app_whose_deploy_has_ended(seen, nextcloud):
    """As from another Nextcloud's table."""
    nextcloud.run("insert into {ex_apps} (appid, version, name, daemon_config_name, port, secret, status, created_time)"
                  " select 'other', version, name, daemon_config_name, 1, secret, status, created_time from {ex_apps}")
    assert alarms(seen) == ["now", "never"]


def test_a_new_app_that_cannot_be_read(seen, nextcloud):
    nextcloud.run("insert into {ex_apps} (appid, version, name, port, secret, status, created_time)"
                  " values ('other', '1', 'Other', 1, 's', %s, 0)", '{"deploy": 100, "error": "\\u0000"}')
    assert alarms(seen) == ["now", "never"]
    assert rows(seen, "select source, subject from harpsweep.intake_error") == [("oc_ex_apps insert", "other")]


def test_a_new_daemon(seen, nextcloud):
    """Its apps may have come before it."""
    nextcloud.add_daemon("other")
    assert alarms(seen) == ["now", "never"]


@pytest.mark.parametrize("change", ["host = 'elsewhere'", "deploy_config = '[]'", "accepts_deploy_id = 'manual-install'"])
def test_a_daemon_that_changes(seen, nextcloud, change):
    nextcloud.run("update {ex_apps_daemons} set " + change)
    assert alarms(seen) == ["now", "never"]


def test_an_app_that_was_removed(seen, nextcloud):
    """By its job, which is new."""
    nextcloud.delete_app("app")
    assert alarms(seen) == ["new", "never"]


def test_what_a_trigger_failed_to_do(seen, nextcloud):
    with seen.transaction(force_rollback=True):
        seen.execute("alter table oc_ex_apps rename daemon_config_name to x; delete from oc_ex_apps")
        assert alarms(seen) == ["now", "never"]
        assert one(seen, "select count(*) from harpsweep.job") == 0


def test_what_nobody_told(seen, nextcloud):
    """A run sees it all the same, an hour later; and then it rings until it is done."""
    seen.execute("set session_replication_role = replica")
    seen.execute("delete from oc_ex_apps")
    seen.execute("reset session_replication_role")
    assert alarms(seen) == ["never"]
    seen.execute("insert into harpsweep.alarm values (now())")
    execute(seen, "alarm")
    assert alarms(seen) == ["now", "never"]
    assert one(seen, "select harpsweep.reconcile()") == 1
    seen.execute("update harpsweep.job set state = 'removed', next_at = null, not_before = now() - interval '1 d', grace_hours = 0, finished_at = now()")
    execute(seen, "alarm")
    assert alarms(seen) == ["60"]


def test_it_is_set_only_when_all_were_looked_at(seen, nextcloud):
    redeploy(nextcloud, "app")
    execute(seen, "alarm")
    assert alarms(seen) == ["now", "never"]
    observe(seen, "app")
    execute(seen, "alarm")
    assert alarms(seen) == ["60"]


def test_a_change_that_is_not_seen_yet_keeps_its_alarm(seen, nextcloud):
    with nextcloud.connection.transaction():
        redeploy(nextcloud, "app")
        execute(seen, "alarm")
        assert alarms(seen) == ["60"]
    assert alarms(seen) == ["now", "60"]
