"""BYO Master Image: the additional backup outlives the one it was made of (R054 to R056)."""

from __future__ import annotations

from datetime import time

import pytest

from backups import master_images, policies, retention, services
from backups.models import Backup
from backups.policies import Wanted
from portal import engine
from portal.audit import SYSTEM
from portal.lab import Fault
from portal.models import AuditEntry, Infrastructure, Task
from portal.refusals import Refused
from tests.factories import BackupFactory, ResourceFactory
from tests.scene import CLUSTER, Scene

pytestmark = pytest.mark.django_db


def mark(scene: Scene, backup: Backup) -> Backup:
    image = master_images.mark_master_image(SYSTEM, backup)
    scene.drive(scene.allow_time(image.task))
    image.refresh_from_db()
    return image


def test_marking_makes_a_second_linked_backup_and_leaves_the_server_alone(scene: Scene) -> None:
    backup = scene.have_backup("Before codecs")
    scene.write("changed")
    image = mark(scene, backup)
    assert (image.status, image.original, image.type) == ("ready", backup, backup.type)
    assert image.created_at == backup.created_at  # the same point in time
    assert scene.content_of(image) == "original"
    assert scene.vm.power_state == "on"
    vm = scene.lab.clusters[CLUSTER].vms[image.external_id]
    assert vm.name == image.machine_name
    assert f"backup={image.pk}" in (vm.description or "")
    scene.assert_in_order("changed")
    assert AuditEntry.objects.filter(action="backup.mark_master_image").count() == 1


def test_it_stays_when_the_original_is_deleted_by_hand(scene: Scene) -> None:
    backup = scene.have_backup()
    image = mark(scene, backup)
    scene.drive(scene.delete(backup))
    image.refresh_from_db()
    assert image.is_ready
    assert scene.content_of(image) == "original"
    scene.assert_in_order("original")


def test_it_stays_when_the_original_is_deleted_by_retention(scene: Scene) -> None:
    policies.save_policy(SYSTEM, scene.resource, Wanted(False, time(2), "UTC", 1, 10))
    backup = scene.have_backup()
    Backup.objects.filter(pk=backup.pk).update(type="S")
    backup.refresh_from_db()
    image = mark(scene, backup)
    newest = services.create_backup(
        SYSTEM, scene.resource, name="Newest", may_power_off=True, type_="S"
    )
    scene.drive(scene.allow_time(newest.task))
    while task := Task.objects.active().first():
        scene.drive(scene.allow_time(task))
    for each in (backup, image):
        each.refresh_from_db()
    assert (backup.status, image.status) == ("deleted", "ready")
    scene.assert_in_order("original")


def test_it_can_be_restored(scene: Scene) -> None:
    image = mark(scene, scene.have_backup())
    scene.write("changed")
    assert scene.drive(scene.restore(image)).state == Task.State.DONE
    scene.assert_in_order("original")


def test_one_that_fails_leaves_nothing(scene: Scene) -> None:
    backup = scene.have_backup()
    scene.lab.faults.add(Fault("status", "POST", "/clone$", status=422, count=9))
    image = mark(scene, backup)
    assert image.status == Backup.Status.FAILED
    scene.lab.faults.clear()
    assert image.task
    task = engine.registry.workflows["protect_master_image"].retry(image.task, SYSTEM)
    assert scene.drive(scene.allow_time(task)).state == Task.State.DONE
    assert Backup.objects.ready().filter(original=backup).count() == 1


@pytest.fixture
def ready(db: None) -> Backup:
    backup: Backup = BackupFactory.create()
    return backup


def image_of(backup: Backup) -> Backup:
    image: Backup = BackupFactory.create(resource=backup.resource, original=backup, type="M")
    return image


def test_it_counts_towards_no_number(ready: Backup) -> None:
    image_of(ready)
    assert list(Backup.objects.held_manually()) == [ready]
    assert list(Backup.objects.counted("M")) == [ready]


def test_it_is_not_deleted_before_it_is_unmarked(ready: Backup) -> None:
    image = image_of(ready)
    with pytest.raises(Refused):
        services.delete_backup(SYSTEM, image)
    master_images.unmark_master_image(SYSTEM, image)
    image.refresh_from_db()
    assert (image.original, image.is_pinned) == (None, True)
    assert services.delete_backup(SYSTEM, image)


def test_one_backup_has_one_master_image(ready: Backup) -> None:
    image_of(ready)
    with pytest.raises(Refused, match="already has"):
        master_images.mark_master_image(SYSTEM, ready)


def test_an_ordinary_backup_is_not_unmarked(ready: Backup) -> None:
    with pytest.raises(Refused):
        master_images.unmark_master_image(SYSTEM, ready)


@pytest.mark.parametrize("status", ["creating", "failed", "missed", "deleting"])
def test_only_a_complete_backup_serves(ready: Backup, status: str) -> None:
    Backup.objects.update(status=status)
    ready.refresh_from_db()
    with pytest.raises(Refused, match="cannot serve"):
        master_images.mark_master_image(SYSTEM, ready)


def test_on_azure_no_second_backup_is_made(ready: Backup) -> None:
    account = ready.resource.account
    account.infrastructure = Infrastructure.AZURE
    account.save()
    with pytest.raises(Refused, match="On Azure"):
        master_images.mark_master_image(SYSTEM, ready)
    assert Backup.objects.count() == 1
    assert not Task.objects.filter(kind="protect_master_image").exists()


def test_marking_waits_its_turn_on_a_busy_system(ready: Backup) -> None:
    services.create_backup(SYSTEM, ready.resource, name="Under way", may_power_off=True)
    with pytest.raises(engine.Busy):
        master_images.mark_master_image(SYSTEM, ready)


def test_retention_of_another_system_is_not_touched(db: None) -> None:
    one, other = ResourceFactory.create(), ResourceFactory.create()
    BackupFactory.create_batch(3, resource=other, type="S")
    assert retention.surplus(one, "S", 1) == []
