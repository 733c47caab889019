"""Backup, restore and delete of a volume of each kind, on both clouds, against the lab."""

from __future__ import annotations

from itertools import product

import pytest

from backups import policies, services
from backups.models import Backup, VolumePolicy
from backups.policies import Wanted
from portal import engine
from portal.audit import SYSTEM
from portal.lab import Fault, Lab, LabServer
from portal.models import Infrastructure, Notification, Task
from portal.refusals import Refused
from tests.scene import CLUSTER
from tests.volume_scene import DESKTOP, DRIVE, PROFILE, USER, VolumeScene, build_volume

pytestmark = pytest.mark.django_db
AHV, AZURE = Infrastructure.AHV, Infrastructure.AZURE


@pytest.fixture(params=list(product([AHV, AZURE], [DESKTOP, PROFILE, DRIVE])))
def scene(request: pytest.FixtureRequest, lab: Lab, lab_server: LabServer) -> VolumeScene:
    kind, volume = request.param
    return build_volume(lab_server, lab, kind=kind, volume=volume)


def test_a_backup_holds_what_there_was_and_takes_nothing_from_the_user(scene: VolumeScene) -> None:
    backup = scene.have_backup()
    assert scene.site.contents(backup.external_id) == ["original"]
    assert backup.size_bytes
    # Nothing is detached or powered off for it: a running desktop is as after a power cut.
    assert backup.is_crash_consistent == scene.resource.is_desktop
    assert backup.task
    assert not backup.task.is_maintenance
    scene.assert_in_order("original")
    scene.resource.refresh_from_db()
    assert scene.resource.last_good_id == scene.resource.last_backup_id == backup.pk


def test_a_restore_brings_back_what_the_backup_holds(scene: VolumeScene) -> None:
    backup = scene.have_backup()
    scene.write("changed")
    former = scene.resource.external_id
    task = scene.drive(scene.restore(backup))
    assert task.state == Task.State.DONE, task.error
    scene.assert_in_order("original")
    # A profile or drive is a new volume at its cloud, a desktop the same machine.
    assert (scene.resource.external_id == former) == scene.resource.is_desktop
    assert scene.site.contents(backup.external_id) == ["original"]


def test_it_is_backed_up_and_restored_again_after_a_restore(scene: VolumeScene) -> None:
    first = scene.have_backup()
    scene.write("changed")
    scene.drive(scene.restore(first))
    scene.write("later")
    second = scene.have_backup()
    assert scene.site.contents(second.external_id) == ["later"]
    scene.write("lost")
    assert scene.drive(scene.restore(first)).state == Task.State.DONE
    assert scene.drive(scene.restore(second)).state == Task.State.DONE
    scene.assert_in_order("later")


def test_a_deletion_removes_this_backup_and_no_other(scene: VolumeScene) -> None:
    kept = scene.have_backup()
    gone = scene.have_backup()
    assert scene.drive(scene.delete(gone)).state == Task.State.DONE
    scene.assert_in_order("original")
    assert _facts(scene) == (kept.pk, "ready")
    assert scene.drive(scene.delete(kept)).state == Task.State.DONE
    scene.assert_in_order("original")
    assert _facts(scene) == (None, "")


def _facts(scene: VolumeScene) -> tuple[object, str]:
    scene.resource.refresh_from_db()
    return scene.resource.last_good_id, scene.resource.last_backup_status


def test_the_protection_domain_stays_when_the_last_backup_goes(
    lab: Lab, lab_server: LabServer
) -> None:
    scene = build_volume(lab_server, lab, kind=AHV, volume=DESKTOP)
    scene.drive(scene.delete(scene.have_backup()))
    (domain,) = lab.clusters[CLUSTER].protection_domains.values()
    assert domain.name == f"standby-pd-{scene.resource.pk.hex}"
    assert [member.uuid for member in domain.members] == [scene.resource.external_id]


@pytest.mark.parametrize("kind", [AHV, AZURE])
def test_a_volume_in_use_is_backed_up_but_not_restored(
    kind: str, lab: Lab, lab_server: LabServer
) -> None:
    scene = build_volume(lab_server, lab, kind=kind, volume=PROFILE)
    holder = scene.site.attach_volume(scene.resource.external_id, scene.server)
    backup = scene.have_backup()
    assert backup.is_crash_consistent
    # The mirror does not know yet: the workflow looks for itself.
    task = scene.drive(scene.restore(backup))
    assert task.state == Task.State.FAILED
    assert USER in task.error
    scene.resource.attached_to = holder
    scene.resource.save()
    with pytest.raises(Refused, match=USER) as refused:
        services.restore_backup(SYSTEM, Backup.objects.get(pk=backup.pk))
    assert holder in str(refused.value)
    assert scene.content == "original"


@pytest.mark.parametrize("number", range(8))
def test_a_volume_group_that_is_denied_once_is_not_taken_for_gone(
    number: int, lab: Lab, lab_server: LabServer
) -> None:
    scene = build_volume(lab_server, lab, kind=AHV, volume=PROFILE)
    backup = scene.have_backup()
    scene.write("changed")
    task = scene.restore(backup)
    path = rf"volume_groups/{scene.resource.external_id}"
    denied = Fault("status", method="GET", path=path, after=number, status=404, count=1)
    scene.site.strike(denied)
    assert scene.drive(task).state == Task.State.DONE
    assert denied.count == 0
    scene.assert_in_order("original")


def test_a_restore_that_fails_half_way_puts_back_what_was_there(scene: VolumeScene) -> None:
    backup = scene.have_backup()
    scene.write("changed")
    task = scene.restore(backup)
    path = (
        "restore_entities"
        if scene.resource.account.infrastructure == AHV
        else r"disks/standby|virtualMachines/[^/]+$"
    )
    methods = "POST" if scene.resource.account.infrastructure == AHV else "PUT"
    scene.site.strike(Fault("status", method=methods, path=path, status=400, count=1))
    task = scene.drive(task)
    assert task.state == Task.State.FAILED
    scene.assert_in_order("changed")
    told = Notification.objects.get(level=Notification.Level.ERROR)
    assert "former content" in told.body


def test_a_cancelled_backup_leaves_nothing(scene: VolumeScene) -> None:
    backup = scene.backup()
    assert backup.task
    engine.cancel(backup.task)
    assert scene.drive(backup.task).state == Task.State.CANCELED
    scene.assert_in_order("original")
    scene.resource.refresh_from_db()
    assert scene.resource.last_backup_status == ""


def test_retention_rolls_by_the_settings_of_the_kind(scene: VolumeScene) -> None:
    wanted = Wanted(False, policies.present(_policy(scene)).backup_time, "UTC", 2, 10, 1)
    policies.save_volume_policy(SYSTEM, scene.resource.account, scene.resource.kind, wanted)
    made = []
    for number in range(3):
        backup = scene.backup(f"Night {number}", type_="S")
        scene.drive(backup.task)
        made.append(backup)
    assert [Backup.objects.get(pk=each.pk).status for each in made] == ["deleted", "ready", "ready"]
    after = [scene.backup(f"Session {number}", type_="D") for number in range(1)]
    scene.drive(after[0].task)
    again = scene.backup("Session 2", type_="D")
    scene.drive(again.task)
    assert Backup.objects.get(pk=after[0].pk).status == "deleted"
    assert Backup.objects.filter(status="ready").count() == 3
    scene.assert_in_order("original")


def _policy(scene: VolumeScene) -> VolumePolicy:
    return VolumePolicy.of(scene.resource.account, scene.resource.kind)


def test_the_manual_number_is_a_cap(scene: VolumeScene) -> None:
    wanted = Wanted(False, policies.present(_policy(scene)).backup_time, "UTC", 2, 1, 1)
    policies.save_volume_policy(SYSTEM, scene.resource.account, scene.resource.kind, wanted)
    scene.have_backup()
    with pytest.raises(services.LimitReached):
        scene.backup()
