"""The throttle of the Remote Sites: read, shown, and what estimates go by (R117)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse

from backups.models import Replica
from backups.rates import measured_rate, pace_back, pace_there, return_time
from backups.throttle import read
from disaster_recovery import configuration
from disaster_recovery.models import ReadinessCheck
from portal.audit import SYSTEM
from portal.clouds.api import Bandwidth, Window
from portal.engine import clock
from portal.lab import Lab, LabServer
from portal.models import Infrastructure, Role, RoleGrant, Task, User
from tests.recovery_scene import (
    PRIMARY_CLUSTER,
    SECONDARY_CLUSTER,
    RecoveryScene,
    build_recovery,
)
from tests.volume_scene import PROFILE

pytestmark = pytest.mark.django_db
MB, SECOND = 2**20, 10**6
WINDOW = {
    "start_time": 8 * 3600 * SECOND, "end_time": 18 * 3600 * SECOND,
    "days_selected": 0b0111110, "bandwidth_limit": 2 * MB,
}  # fmt: skip


@pytest.fixture
def scene(lab: Lab, lab_server: LabServer) -> RecoveryScene:
    return build_recovery(lab_server, lab, kind=Infrastructure.AHV, what=PROFILE)


@pytest.fixture
def reader(scene: RecoveryScene, sign_in: Callable[[User], Client]) -> Client:
    user = User.objects.create_user("ada@example.test", "a-long-enough-password")
    customer = scene.account.organization.customer
    RoleGrant.objects.create(user=user, role=Role.CUSTOMER_ADMINISTRATOR, customer=customer)
    return sign_in(user)


def _throttle(lab: Lab, name: str, *windows: dict[str, int], **spec: Any) -> None:
    """Give the cluster's Remote Site a policy, as an administrator does in Prism."""
    cluster = lab.clusters[name]
    (site,) = cluster.remote_sites.values()
    policy = {
        "policy_name": "office hours", "default_bandwidth_limit": spec.pop("default", 0),
        "bandwidth_configurations": list(windows),
    }  # fmt: skip
    site.spec |= {"bandwidth_policy_enabled": True, "bandwidth_policy": policy} | spec
    cluster.link_changed()


def _check(scene: RecoveryScene) -> None:
    with clock.using(scene.scene.clock):
        task = configuration.check_again(SYSTEM, scene.account)
    task = scene.drive(scene.scene.allow_time(task))
    assert task.state == Task.State.DONE, task.error


def test_the_policy_of_each_way_is_kept_by_the_checks(scene: RecoveryScene, lab: Lab) -> None:
    assert scene.account.dr_throttles == {}
    lab.clusters[SECONDARY_CLUSTER].identity.timezone = "Europe/Dublin"
    _throttle(lab, SECONDARY_CLUSTER, WINDOW, default=8 * MB)
    _throttle(lab, PRIMARY_CLUSTER, bandwidth_policy_enabled=False, max_bps=4 * MB)
    _check(scene)
    kept = scene.account.dr_throttles
    assert read(kept["there"]) == Bandwidth("max_bps", 4 * MB)
    window = Window(8 * 3600, 18 * 3600, (0, 1, 2, 3, 4), 2 * MB)
    assert read(kept["back"]) == Bandwidth("office hours", 8 * MB, "Europe/Dublin", (window,))
    said = ReadinessCheck.objects.get(key="bandwidth_back").measured
    assert "2,097,152 bytes/s (2.0 MB/s) 08:00 to 18:00 on Mon, Tue, Wed, Thu, Fri" in said
    assert "8,388,608 bytes/s (8.0 MB/s) otherwise (Europe/Dublin)" in said
    _throttle(lab, SECONDARY_CLUSTER, bandwidth_policy_enabled=False)
    _check(scene)
    assert "back" not in scene.account.dr_throttles


def test_a_replication_takes_as_long_as_was_estimated(scene: RecoveryScene, lab: Lab) -> None:
    """The lab obeys the policy by code of its own; a window opens while it travels."""
    cluster = lab.clusters[PRIMARY_CLUSTER]
    backup = scene.backup()
    local = scene.scene.clock.time.astimezone(ZoneInfo(cluster.identity.timezone))
    opens = (local.hour * 3600 + local.minute * 60) // 60 * 60 + 180
    window = {
        "start_time": opens % 86400 * SECOND, "end_time": (opens + 600) % 86400 * SECOND,
        "days_selected": 127, "bandwidth_limit": 1 * MB,
    }  # fmt: skip
    _throttle(lab, PRIMARY_CLUSTER, window, default=40 * MB)
    _check(scene)
    size = backup.size_bytes or 0
    task = scene.begin_to_replicate(backup)
    with clock.using(scene.scene.clock):
        expected = pace_there(scene.account, float(2**30)).travel(size)
    scene.drive(task)
    replica = Replica.objects.get(task=task)
    assert replica.status == Replica.Status.DONE, replica.error
    assert replica.took
    assert replica.took.total_seconds() == pytest.approx(expected.seconds, rel=0.15, abs=60)


def test_dialog_and_page_name_the_limit_that_holds(
    scene: RecoveryScene, lab: Lab, reader: Client
) -> None:
    backup = scene.backup()
    account = scene.account
    with clock.using(scene.scene.clock):
        before = return_time(account, 2**40)
    assert "By the measured rate" in before.reason
    _throttle(lab, SECONDARY_CLUSTER, default=1 * MB)
    _check(scene)
    account.refresh_from_db()
    rate = measured_rate(account)
    assert rate
    assert rate > MB
    after = return_time(account, 2**40)
    assert after.reason == "By Bandwidth Throttling, 1.0 MB/s now"
    assert after.replica[0] >= 2**40 / MB / 60 > before.replica[0]
    assert pace_there(account, rate).throttle is None
    assert pace_back(account, rate).throttle
    address = reverse("volumes:volume_backup_restore", args=[account.pk, backup.pk])
    assert "By Bandwidth Throttling, 1.0 MB/s now" in reader.get(address).content.decode()
    page = reader.get(reverse("disaster_recovery:recovery_overview", args=[account.pk]))
    assert "By Bandwidth Throttling, 1.0 MB/s now; one after another" in page.content.decode()
