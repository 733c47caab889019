"""What retention takes, and what it leaves, here and at the cloud."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from backups import policies, retention, services
from backups.models import Backup, BackupPolicy
from backups.policies import Wanted
from portal.audit import SYSTEM
from portal.lab import Fault
from portal.models import AuditEntry, Notification, Resource, Task
from portal.refusals import Refused
from tests.factories import BackupFactory, ResourceFactory
from tests.scene import Scene

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
NOW = timezone.now()
SCHEDULED = Backup.Type.SCHEDULED


def keep(resource: Resource, scheduled: int, manual: int = 10) -> None:
    at = BackupPolicy().backup_time
    policies.save_policy(SYSTEM, resource, Wanted(False, at, "UTC", scheduled, manual))


def have(scene: Scene, count: int, type_: str = "S") -> list[Backup]:
    """Complete backups at the lab and here, the oldest first, a day apart."""
    made = [scene.have_backup(f"{type_} {n}") for n in range(count)]
    for n, backup in enumerate(made):
        at = NOW - (count - n) * DAY
        Backup.objects.filter(pk=backup.pk).update(type=type_, created_at=at, due_at=None)
        backup.refresh_from_db()
    return made


def make(scene: Scene, type_: str = "S") -> Backup:
    """A backup of this type made now, with everything that follows it."""
    backup = services.create_backup(
        SYSTEM, scene.resource, name="The newest", may_power_off=True, type_=type_
    )
    scene.drive(scene.allow_time(backup.task))
    while task := Task.objects.active().first():
        scene.drive(scene.allow_time(task))
    backup.refresh_from_db()
    return backup


def statuses(backups: list[Backup]) -> list[str]:
    for backup in backups:
        backup.refresh_from_db()
    return [backup.status for backup in backups]


def test_the_fourth_scheduled_backup_removes_the_oldest_of_three(scene: Scene) -> None:
    keep(scene.resource, 3)
    old, manual = have(scene, 3), have(scene, 3, "M")
    assert make(scene).is_ready
    assert statuses(old) == ["deleted", "ready", "ready"]
    assert statuses(manual) == ["ready"] * 3
    scene.assert_in_order("original")
    deletion = Task.objects.get(kind="delete_backup")
    assert (deletion.origin, deletion.requested_by) == (Task.Origin.SCHEDULE, None)
    entry = AuditEntry.objects.get(action="backup.delete")
    assert (entry.actor_label, entry.detail["made_room_for"]) == ("Standby", "The newest")


def test_a_lowered_number_removes_all_that_is_over_the_oldest_first(scene: Scene) -> None:
    keep(scene.resource, 2)
    old = have(scene, 5)
    make(scene)
    assert statuses(old) == ["deleted"] * 4 + ["ready"]
    removed = Task.objects.filter(kind="delete_backup").order_by("created_at")
    assert [task.subject for task in removed] == ["S 0", "S 1", "S 2", "S 3"]
    scene.assert_in_order("original")


def test_a_backup_that_failed_removes_nothing(scene: Scene) -> None:
    keep(scene.resource, 1)
    old = have(scene, 2)
    scene.lab.faults.add(Fault("status", "POST", "/clone$", status=422, count=9))
    assert make(scene).status == Backup.Status.FAILED
    assert statuses(old) == ["ready", "ready"]
    assert not Task.objects.filter(kind="delete_backup").exists()


def test_a_manual_backup_removes_nothing(scene: Scene) -> None:
    keep(scene.resource, 1)
    old = have(scene, 2) + have(scene, 2, "M")
    make(scene, "M")
    assert statuses(old) == ["ready"] * 4


def test_a_pinned_backup_stays_and_does_not_count(scene: Scene) -> None:
    keep(scene.resource, 2)
    old = have(scene, 3)
    services.pin_backup(SYSTEM, old[0])
    make(scene)
    assert statuses(old) == ["ready", "deleted", "ready"]
    services.unpin_backup(SYSTEM, old[0])
    make(scene)
    assert statuses(old) == ["deleted", "deleted", "deleted"]


def test_one_that_cannot_be_deleted_does_not_stop_the_others(scene: Scene) -> None:
    keep(scene.resource, 1)
    old = have(scene, 3)
    stuck = old[0].external_id
    scene.lab.faults.add(Fault("status", "DELETE", f"/vms/{stuck}", status=422, count=100_000))
    make(scene)
    assert statuses(old) == ["ready", "deleted", "deleted"]
    assert Notification.objects.filter(title__contains="was not deleted").count() == 1
    tried = Task.objects.filter(kind="delete_backup", subject="S 0")
    assert tried.count() == 1


def test_failures_and_misses_leave_the_list_with_what_was_kept_beside_them(scene: Scene) -> None:
    keep(scene.resource, 2)
    old = have(scene, 2)
    failed, missed = (
        BackupFactory.create(
            resource=scene.resource, type="S", status=status, created_at=NOW - n * DAY,
            external_id="", task=scene.have_backup().task,
        )
        for status, n in (("failed", 8), ("missed", 9))
    )  # fmt: skip
    recent = BackupFactory.create(
        resource=scene.resource, type="S", status="failed", created_at=NOW - DAY / 2,
        external_id="", task=scene.have_backup().task,
    )  # fmt: skip
    make(scene)
    assert statuses([failed, missed, recent]) == ["deleted", "deleted", "failed"]
    assert statuses(old) == ["deleted", "ready"]


def test_the_only_one_that_can_be_restored_is_never_over(db: None) -> None:
    resource = ResourceFactory.create()
    only = BackupFactory.create(resource=resource, type="S")
    assert retention.surplus(resource, SCHEDULED, 1) == []
    assert retention.surplus(resource, SCHEDULED, 0) == []
    assert retention.surplus(resource, SCHEDULED, 1, coming=1) == [only]


def test_publish_backups_are_kept_by_account_and_apart(db: None) -> None:
    resource = ResourceFactory.create()
    made = [
        BackupFactory.create(resource=resource, type="P", created_at=NOW - n * DAY)
        for n in range(3)
    ]
    assert retention.kept_number(resource, "P") == 2
    assert retention.surplus(resource, "P", 2) == [made[2]]
    assert retention.kept_number(resource, "M") is None


def test_each_complete_backup_says_why_it_is_there(db: None) -> None:
    resource = ResourceFactory.create()
    policy = BackupPolicy(resource=resource, keep_scheduled=2, keep_manual=4)
    one = BackupFactory.create(resource=resource, type="S", created_at=NOW)
    assert retention.kept_because(resource, policy) == {one.pk: "Scheduled 1 of 2 · only good copy"}
    wanted = {one.pk: "Scheduled 1 of 2"}
    for n, (type_, more, said) in enumerate(
        [
            ("S", {"is_pinned": True}, "Pinned"),
            ("S", {}, "Scheduled 2 of 2"),
            ("S", {}, "Leaves after the next scheduled backup"),
            ("M", {"is_pinned": True}, "Pinned"),
            ("M", {}, "Manual 2 of 4"),
            ("P", {}, "Publish 1 of 2"),
            ("M", {"original": one}, "BYO Master Image"),
            ("D", {}, "After session 1 of 3"),
        ]
    ):
        at = NOW - (n + 1) * DAY
        backup = BackupFactory.create(resource=resource, type=type_, created_at=at, **more)
        wanted[backup.pk] = said
    BackupFactory.create(resource=resource, type="S", status="failed")
    assert retention.kept_because(resource, policy) == wanted


def test_why_backups_are_kept_takes_one_query(db: None, django_assert_num_queries: Any) -> None:
    resource = Resource.objects.select_related("account").get(pk=ResourceFactory.create().pk)
    policy = BackupPolicy.of(resource)
    BackupFactory.create_batch(20, resource=resource)
    with django_assert_num_queries(1):
        retention.kept_because(resource, policy)


@pytest.mark.parametrize("status", ["creating", "failed", "missed", "deleting", "deleted"])
def test_only_a_complete_backup_can_be_pinned(db: None, status: str) -> None:
    backup = BackupFactory.create(status=status)
    with pytest.raises(Refused):
        services.pin_backup(SYSTEM, backup)
    backup.refresh_from_db()
    assert not backup.is_pinned


def test_pinning_is_audited_and_a_stale_page_is_told(db: None) -> None:
    backup = BackupFactory.create()
    services.pin_backup(SYSTEM, backup)
    with pytest.raises(Refused, match="changed meanwhile"):
        services.pin_backup(SYSTEM, backup)
    services.unpin_backup(SYSTEM, backup)
    actions = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["backup.pin", "backup.unpin"]


def test_a_pin_that_came_after_retention_looked_holds(db: None) -> None:
    resource = ResourceFactory.create()
    looked_at, cause = BackupFactory.create_batch(2, resource=resource, type="S")
    services.pin_backup(SYSTEM, Backup.objects.get(pk=looked_at.pk))
    with pytest.raises(Refused, match="pinned meanwhile"):
        services.retire_backup(looked_at, cause)
    assert statuses([looked_at]) == ["ready"]
    assert not Task.objects.filter(kind="delete_backup").exists()


def test_the_entry_of_a_missed_run_is_taken_off_at_once(db: None) -> None:
    missed = BackupFactory.create(status="missed", external_id="", task=None)
    assert services.delete_backup(SYSTEM, missed) is None
    missed.refresh_from_db()
    assert missed.status == Backup.Status.DELETED
    assert not Task.objects.exists()
