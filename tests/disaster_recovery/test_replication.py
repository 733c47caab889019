"""Replication, restores from the replica and deletions, on both clouds, against the lab."""

from __future__ import annotations

import pytest

from backups.models import Backup, Replica
from disaster_recovery import disabling
from portal.audit import SYSTEM
from portal.lab import Fault, Lab, LabServer
from portal.models import Infrastructure, Notification, Task
from portal.refusals import Refused
from tests.recovery_scene import PRIMARY_CLUSTER, SERVER, RecoveryScene, build_recovery
from tests.volume_scene import DESKTOP, PROFILE

pytestmark = pytest.mark.django_db
AHV, AZURE = Infrastructure.AHV, Infrastructure.AZURE
DONE = Task.State.DONE


@pytest.fixture(
    params=[(cloud, what) for cloud in (AHV, AZURE) for what in (SERVER, DESKTOP, PROFILE)],
    ids=lambda each: "-".join(each),
)
def scene(request: pytest.FixtureRequest, lab: Lab, lab_server: LabServer) -> RecoveryScene:
    kind, what = request.param
    return build_recovery(lab_server, lab, kind=kind, what=what)


def _replicated(scene: RecoveryScene, name: str = "A backup") -> Backup:
    backup = scene.backup(name)
    assert backup.is_ready, backup.error
    replica = Replica.objects.get(backup=backup)
    assert replica.status == Replica.Status.DONE, replica.task and replica.task.error
    return backup


def test_every_backup_is_replicated(scene: RecoveryScene) -> None:
    backup = _replicated(scene)
    replica = scene.replica_of(backup)
    assert backup.replication_status == "done"
    assert scene.replica_content(replica) == "original"
    assert replica.sent_bytes
    assert replica.took
    resource = scene.resource
    assert resource.last_replication_status == "done"
    assert resource.last_replica_at == backup.created_at
    assert scene.content == "original"


def test_a_restore_from_the_replica_reads_no_local_copy(scene: RecoveryScene) -> None:
    before = scene.everything()
    backup = _replicated(scene)
    scene.write("changed")
    after_backup = scene.everything()
    scene.lab.calls.clear()
    task = scene.restore(backup, from_replica=True)
    assert task.state == DONE, task.error
    assert scene.content == "original"
    local = backup.external_id.lower()
    assert not [call for call in scene.lab.calls if call.path.lower().endswith(local)]
    site = scene.replica_of(backup).site
    assert Notification.objects.filter(task=task, body__contains=site).exists()
    # Whatever was brought back is gone again; a profile is a new disk.
    if scene.resource.kind != PROFILE:
        assert scene.everything() == after_backup
    scene.delete(backup)
    if scene.resource.kind != PROFILE:
        assert len(scene.everything()) == len(before)


def test_a_deletion_removes_the_replica_too(scene: RecoveryScene) -> None:
    before = scene.everything()
    kept, gone = _replicated(scene, "kept"), _replicated(scene, "gone")
    task = scene.delete(gone)
    assert task.state == DONE, task.error
    assert Replica.objects.get(backup=gone).removed_at
    assert scene.replica_content(scene.replica_of(kept)) == "original"
    assert scene.delete(kept).state == DONE
    assert scene.everything() == before
    resource = scene.resource
    assert resource.last_replica_at.year == 1970


def test_replicating_again_keeps_the_old_until_the_new_is_there(scene: RecoveryScene) -> None:
    first, later = _replicated(scene), _replicated(scene, "later")
    old = scene.replica_of(first)
    new = scene.replicate(first)
    assert new.status == Replica.Status.DONE, new.task and new.task.error
    assert scene.replica_of(first).pk == new.pk
    old.refresh_from_db()
    assert old.removed_at
    assert scene.replica_content(new) == "original"
    assert scene.replica_content(scene.replica_of(later)) == "original"
    for backup in (first, later):
        assert scene.delete(backup).state == DONE


def test_what_was_removed_is_replicated_again(scene: RecoveryScene) -> None:
    """A cluster remembers what it has sent, and does not learn that it was removed since."""
    backup = _replicated(scene)
    task = disabling.disable(SYSTEM, scene.account, delete_replicas=True)
    for each in Task.objects.active():
        scene.scene.allow_time(each)
    assert scene.drive(task).state == DONE
    assert scene.enable().state == DONE
    replica = scene.replicate(backup)
    assert replica.status == Replica.Status.DONE, replica.task and replica.task.error
    assert scene.replica_content(replica) == "original"
    later = _replicated(scene, "later")
    for made in (backup, later):
        assert scene.delete(made).state == DONE


def test_while_it_runs_it_is_in_progress_and_neither_started_nor_deleted_twice(
    scene: RecoveryScene,
) -> None:
    backup = scene.begin_backup()
    scene.scene.drive_until(lambda: Replica.objects.filter(backup=backup).exists())
    backup.refresh_from_db()
    assert backup.replication_status == "in_progress"
    with pytest.raises(Refused, match="replicated already"):
        scene.replicate(backup)
    with pytest.raises(Refused, match="being replicated"):
        scene.delete(backup)
    scene.drive(backup.task)
    backup.refresh_from_db()
    assert backup.replication_status == "done"


def test_a_backup_that_is_gone_fails_its_replication_and_says_so(scene: RecoveryScene) -> None:
    backup = _replicated(scene)
    Backup.objects.filter(pk=backup.pk).update(
        external_id=_gone(scene, backup), replication_status=""
    )
    replica = scene.replicate(backup)
    assert replica.status == Replica.Status.FAILED
    assert "no longer at the primary site" in replica.error
    backup.refresh_from_db()
    assert backup.replication_status == "failed"
    # The one from before can still be restored from.
    assert scene.replica_of(backup).pk != replica.pk


def _gone(scene: RecoveryScene, backup: Backup) -> str:
    if scene.is_ahv and "/" in backup.external_id:
        return f"{backup.external_id}9"
    return scene.scene.site.gone_copy


def test_what_broke_off_is_sent_again_also_when_a_later_one_has_gone(
    lab: Lab, lab_server: LabServer
) -> None:
    scene = build_recovery(lab_server, lab, kind=AHV, what=PROFILE)
    lab.faults.add(Fault("replication_aborted"))
    first = scene.begin_backup("Breaks off")
    domains = lab.clusters[PRIMARY_CLUSTER].protection_domains
    scene.scene.drive_until(
        lambda: any(
            each.is_aborted for domain in domains.values() for each in domain.replications.values()
        )
    )
    second = scene.backup("Goes through")
    for backup in (first, second):
        replica = Replica.objects.get(backup=backup)
        assert replica.status == Replica.Status.DONE, replica.error
        assert scene.replica_content(replica) == "original"
