"""Backup, restore and delete of a server, against the lab."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from backups import services
from backups.models import Backup
from portal import engine
from portal.audit import SYSTEM
from portal.lab import Fault
from portal.models import Notification, Task
from tests.scene import CLUSTER, Scene

Status = Backup.Status


@pytest.mark.parametrize("power", ["on", "off"])
def test_a_backup_copies_the_disk_and_puts_the_power_back(
    scene_of: Callable[[str], Scene], power: str
) -> None:
    scene = scene_of(power)
    backup = scene.backup("Before the upgrade")
    task = scene.drive(backup.task)
    backup.refresh_from_db()
    assert (task.state, backup.status) == (Task.State.DONE, Status.READY)
    assert scene.content_of(backup) == "original"
    assert backup.size_bytes == scene.resource.size_bytes
    scene.assert_in_order("original")
    scene.resource.refresh_from_db()
    assert scene.resource.power_state == power
    assert Notification.objects.get().level == Notification.Level.INFO


def test_the_copy_carries_our_mark(scene: Scene) -> None:
    backup = scene.backup()
    scene.drive(backup.task)
    backup.refresh_from_db()
    copy = scene.lab.clusters[CLUSTER].vms[backup.external_id]
    for part in (f"backup={backup.pk}", f"account={scene.resource.account_id}", "type=M"):
        assert part in (copy.description or "")


def test_a_server_is_off_while_it_is_copied(scene: Scene) -> None:
    backup = scene.backup()
    scene.drive(backup.task)
    calls = [(call.method, call.path) for call in scene.lab.calls]
    clone = next(i for i, (_, path) in enumerate(calls) if path.endswith("/clone"))
    power = [i for i, (_, path) in enumerate(calls) if path.endswith("/set_power_state")]
    assert power[0] < clone < power[-1]


def test_a_guest_that_never_shuts_down_is_switched_off(scene: Scene) -> None:
    scene.vm.guest_shutdown_seconds = None
    backup = scene.backup()
    before = scene.clock.now()
    task = scene.drive(backup.task)
    assert task.state == Task.State.DONE
    assert scene.clock.now() - before > timedelta(minutes=5)
    states = {record["name"]: record["state"] for record in task.steps}
    assert (states["shut_down"], states["power_off"]) == ("timed out", "done")
    scene.assert_in_order("original")


@pytest.mark.parametrize("power", ["on", "off"])
def test_a_restore_brings_the_content_back_and_keeps_the_machine(
    scene_of: Callable[[str], Scene], power: str
) -> None:
    scene = scene_of(power)
    backup = scene.backup()
    scene.drive(backup.task)
    scene.write("changed")
    identity = (scene.vm.uuid, scene.vm.name, str(scene.vm.disks[0].address))
    task = scene.drive(scene.restore(backup))
    assert task.state == Task.State.DONE
    assert (scene.vm.uuid, scene.vm.name, str(scene.vm.disks[0].address)) == identity
    scene.assert_in_order("original")


def test_a_backup_can_be_restored_twice(scene: Scene) -> None:
    backup = scene.backup()
    scene.drive(backup.task)
    for content in ("first change", "second change"):
        scene.write(content)
        scene.drive(scene.restore(backup))
        scene.assert_in_order("original")


def test_two_backups_keep_two_points_in_time(scene: Scene) -> None:
    first = scene.backup("First")
    scene.drive(first.task)
    scene.write("second content")
    second = scene.backup("Second")
    scene.drive(second.task)
    scene.drive(scene.restore(first))
    scene.assert_in_order("original")
    scene.drive(scene.restore(second))
    scene.assert_in_order("second content")


def test_a_delete_removes_the_copy_and_nothing_else(scene: Scene) -> None:
    first = scene.backup("First")
    scene.drive(first.task)
    second = scene.backup("Second")
    scene.drive(second.task)
    scene.drive(scene.delete(first))
    first.refresh_from_db()
    assert first.status == Status.DELETED
    scene.assert_in_order("original")
    second.refresh_from_db()
    assert scene.content_of(second) == "original"


def test_a_restore_from_a_backup_that_vanished_changes_nothing(scene: Scene) -> None:
    backup = scene.backup()
    scene.drive(backup.task)
    backup.refresh_from_db()
    scene.write("changed")
    del scene.lab.clusters[CLUSTER].vms[backup.external_id]
    task = scene.drive(scene.restore(backup))
    assert task.state == Task.State.FAILED
    assert "no longer at the cloud" in task.error
    assert scene.content == "changed"
    assert scene.vm.power_state == "on"


def test_a_deleted_machine_fails_the_backup_plainly(scene: Scene) -> None:
    backup = scene.backup()
    del scene.lab.clusters[CLUSTER].vms[scene.resource.external_id]
    task = scene.drive(backup.task)
    backup.refresh_from_db()
    assert (task.state, backup.status) == (Task.State.FAILED, Status.FAILED)
    assert Notification.objects.get().level == Notification.Level.ERROR


def test_a_server_started_meanwhile_is_not_switched_off_unasked(
    scene_of: Callable[[str], Scene],
) -> None:
    scene = scene_of("off")
    backup = services.create_backup(SYSTEM, scene.resource, name="Quiet", may_power_off=False)
    scene.vm.power_state = "on"
    task = scene.drive(backup.task)
    assert task.state == Task.State.FAILED
    assert "is running" in task.error
    assert scene.vm.power_state == "on"


def test_a_cancelled_backup_leaves_nothing_and_the_server_running(scene: Scene) -> None:
    backup = scene.backup()
    scene.drive_until(lambda: any(c.path.endswith("/set_power_state") for c in scene.lab.calls))
    assert backup.task
    engine.cancel(backup.task)
    task = scene.drive(backup.task)
    backup.refresh_from_db()
    assert (task.state, backup.status) == (Task.State.CANCELED, Status.CANCELED)
    scene.assert_in_order("original")


def test_a_second_task_on_a_busy_server_is_refused(scene: Scene) -> None:
    backup = scene.backup()
    with pytest.raises(engine.Busy) as caught:
        scene.backup("Another")
    assert caught.value.task == backup.task
    assert Backup.objects.count() == 1


def test_a_failed_backup_can_be_retried(scene: Scene) -> None:
    backup = scene.backup("Named")
    vm = scene.lab.clusters[CLUSTER].vms.pop(scene.resource.external_id)
    task = scene.drive(backup.task)
    scene.lab.clusters[CLUSTER].vms[vm.uuid] = vm
    again = engine.registry.workflows[task.kind].retry(task, SYSTEM)
    task = scene.drive(again)
    assert task.state == Task.State.DONE
    assert Backup.objects.get(status=Status.READY).name == "Named"


def test_an_unreachable_cluster_is_waited_for(scene: Scene) -> None:
    backup = scene.backup()
    scene.lab.faults.add(Fault("drop_before", path=r"^(?!.*\.lab)", count=8))
    task = scene.drive(backup.task)
    assert task.state == Task.State.DONE
    scene.assert_in_order("original")


def test_an_undo_that_cannot_finish_keeps_the_old_disk(scene: Scene) -> None:
    backup = scene.have_backup()
    scene.write("changed")
    task = scene.restore(backup)
    scene.drive_until(lambda: any("/disks/detach" in call.path for call in scene.lab.calls))
    engine.cancel(task)
    forbidden = Fault("status", path="/disks/attach", count=100_000, status=422)
    scene.lab.faults.add(forbidden)
    scene.drive(task)
    kept = [vm for vm in scene.lab.clusters[CLUSTER].vms.values() if "undo" in vm.name]
    assert [str(vm.disks[0].content) for vm in kept] == ["changed"]
    assert kept[0].name in Notification.objects.get().body
