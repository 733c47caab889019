"""Whatever starts a backup, a replication follows it (R098): here the clock and a publish.

By hand: `tests.disaster_recovery.test_replication`; after a session:
`tests.reporting.test_post_session`.
"""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest

from backups import scheduler
from backups.models import Backup, BackupPolicy, Replica, VolumePolicy
from portal.lab import Lab, LabServer
from portal.models import Infrastructure, Task
from tests.recovery_scene import SERVER, RecoveryScene, build_recovery
from tests.volume_scene import PROFILE
from volumes import scheduler as volume_scheduler

pytestmark = pytest.mark.django_db
CLOUDS = [Infrastructure.AHV, Infrastructure.AZURE]


def _replicated(scene: RecoveryScene, type_: str) -> None:
    """The one backup that there is has a good replica, and no person asked for either."""
    for task in Task.objects.active():
        scene.drive(scene.scene.allow_time(task))
    backup = Backup.objects.get()
    assert (backup.type, backup.status) == (type_, "ready"), backup.error
    replica = Replica.objects.get(backup=backup)
    assert replica.status == backup.replication_status == "done"
    assert replica.task is not None
    assert replica.task.requested_by is None


@pytest.mark.parametrize("kind", CLOUDS)
def test_a_scheduled_run_of_a_server_is_replicated(
    kind: str, lab: Lab, lab_server: LabServer
) -> None:
    scene = build_recovery(lab_server, lab, kind=kind, what=SERVER)
    now = scene.scene.clock.now()
    BackupPolicy.objects.create(
        resource=scene.resource, is_scheduled=True, backup_time=time(2), time_zone="UTC",
        starts_on=date(2020, 1, 1), next_run_at=now - timedelta(minutes=1),
    )  # fmt: skip
    scheduler.start_due(now)
    _replicated(scene, Backup.Type.SCHEDULED)
    assert scene.replica_content(Replica.objects.get()) == "original"


@pytest.mark.parametrize("kind", CLOUDS)
def test_a_scheduled_run_of_volumes_is_replicated(
    kind: str, lab: Lab, lab_server: LabServer
) -> None:
    scene = build_recovery(lab_server, lab, kind=kind, what=PROFILE)
    now = scene.scene.clock.now()
    VolumePolicy.objects.create(
        account=scene.account, kind=PROFILE, is_scheduled=True, backup_time=time(2),
        time_zone="UTC", starts_on=date(2020, 1, 1), next_run_at=now - timedelta(minutes=1),
    )  # fmt: skip
    volume_scheduler.start_due(now)
    _replicated(scene, Backup.Type.SCHEDULED)
    assert scene.replica_content(Replica.objects.get()) == "original"


@pytest.mark.parametrize("kind", CLOUDS)
def test_a_published_sandbox_is_replicated(kind: str, lab: Lab, lab_server: LabServer) -> None:
    scene = build_recovery(lab_server, lab, kind=kind, what=SERVER)
    scene.scene.publish()
    _replicated(scene, Backup.Type.PUBLISH)
    assert scene.replica_content(Replica.objects.get()) == "original+generalized"
