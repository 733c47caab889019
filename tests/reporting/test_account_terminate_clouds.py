"""What a terminated account has at the clouds: kept, or deleted where that was chosen."""

from __future__ import annotations

import pytest

from backups.models import Backup, Replica
from portal.audit import SYSTEM
from portal.lab import Fault, Lab, LabServer
from portal.models import Account, AuditEntry, Infrastructure, Resource, Task
from reporting.termination.request import KIND, terminate
from tests.recovery_scene import SERVER, build_recovery
from tests.volume_scene import DESKTOP, DRIVE, PROFILE, VolumeScene, build_volume

pytestmark = pytest.mark.django_db
CLOUDS = (Infrastructure.AHV, Infrastructure.AZURE)


@pytest.fixture(params=CLOUDS)
def scene(request: pytest.FixtureRequest, lab: Lab, lab_server: LabServer) -> VolumeScene:
    """A server and a drive, each with two backups."""
    scene = build_volume(lab_server, lab, kind=request.param, volume=DRIVE)
    for _ in range(2):
        scene.scene.have_backup()
        scene.have_backup()
    return scene


def _terminate(scene: VolumeScene, *, with_objects: bool) -> tuple[Task, Account]:
    account = Account.objects.get(pk=scene.resource.account_id)
    task = terminate(SYSTEM, account, with_objects=with_objects)
    scene.scene.allow_time(task)
    task = scene.drive(task)
    account.refresh_from_db()
    return task, account


def _is_only_machines_left(scene: VolumeScene) -> bool:
    # A domain that was removed lingers a little, marked.
    scene.site.advance(60)
    return scene.site.everything() == {scene.server, scene.resource.external_id}


def test_chosen_all_of_its_backups_are_deleted(scene: VolumeScene) -> None:
    assert not _is_only_machines_left(scene)
    image = Backup.objects.filter(resource__kind=Resource.Kind.SANDBOX).order_by("pk")
    first, second = image
    Backup.objects.filter(pk=second.pk).update(original=first, is_pinned=True)
    task, account = _terminate(scene, with_objects=True)
    assert task.state == Task.State.DONE, task.error
    assert _is_only_machines_left(scene)
    assert account.terminated_at
    assert not Backup.objects.exists()
    assert not Resource.objects.exists()
    deletions = Task.objects.filter(parent=task, state=Task.State.DONE)
    assert deletions.exclude(kind="remove_protection").count() == 4


def test_otherwise_they_are_kept(scene: VolumeScene) -> None:
    before = scene.site.everything()
    calls = len(scene.scene.lab.calls)
    task, account = _terminate(scene, with_objects=False)
    assert task.state == Task.State.DONE, task.error
    assert account.terminated_at
    assert scene.site.everything() == before
    assert len(scene.scene.lab.calls) == calls
    assert not Backup.objects.exists()


def test_what_cannot_be_deleted_is_named_and_tried_again(scene: VolumeScene) -> None:
    fault = Fault("status", method="DELETE", status=403, count=10**6)
    scene.scene.lab.faults.add(fault)
    task, account = _terminate(scene, with_objects=True)
    assert task.state == Task.State.FAILED
    assert "4 backups could not be deleted" in task.error
    assert "“A backup” of" in task.error
    assert (account.terminated_at, bool(account.terminating_at)) == (None, True)
    assert Backup.objects.ready().count() == 4
    assert AuditEntry.objects.filter(action="account.terminated", result="failed").exists()
    fault.count = 0
    task, account = _terminate(scene, with_objects=True)
    assert task.state == Task.State.DONE, task.error
    assert account.terminated_at
    assert _is_only_machines_left(scene)
    assert Task.objects.filter(kind=KIND).count() == 2


@pytest.mark.parametrize("cloud", CLOUDS)
def test_replicas_at_the_secondary_site_go_too(cloud: str, lab: Lab, lab_server: LabServer) -> None:
    scene = build_recovery(lab_server, lab, kind=cloud, what=SERVER)
    before = scene.everything()
    backup = scene.backup()
    assert Replica.objects.get(backup=backup).is_there
    assert scene.everything() != before
    task = terminate(SYSTEM, scene.account, with_objects=True)
    scene.scene.allow_time(task)
    task = scene.drive(task)
    assert task.state == Task.State.DONE, task.error
    assert scene.everything() == before
    account = Account.objects.get(pk=backup.account_id)
    assert (account.dr_enabled, account.dr_cloud_account) == (False, None)


@pytest.mark.parametrize("what", [DESKTOP, PROFILE])
def test_what_protects_volumes_for_good_goes_at_both_clusters(
    what: str, lab: Lab, lab_server: LabServer
) -> None:
    scene = build_recovery(lab_server, lab, kind=Infrastructure.AHV, what=what)
    backup = scene.backup()
    domains = [cluster.protection_domains for cluster in lab.clusters.values()]
    scene.delete(backup)
    name = f"standby-pd-{scene.resource.pk.hex}"
    # R083: the last backup has gone, and it stays.
    assert all(name in each for each in domains)
    task = terminate(SYSTEM, scene.account, with_objects=True)
    scene.scene.allow_time(task)
    task = scene.drive(task)
    assert task.state == Task.State.DONE, task.error
    lab.clock.advance(60)
    assert not any(name in each for each in domains)
    # What was protected is the account's, and stays.
    cluster = lab.clusters["ahv-lon-01"]
    assert cluster.vms or cluster.volume_groups
