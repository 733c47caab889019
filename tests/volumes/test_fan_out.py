"""Many backups at once: one parent, one task for each, who is left out, and what is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from backups import services as backups
from backups.models import Backup, VolumePolicy, note_latest
from portal import engine
from portal.audit import SYSTEM
from portal.engine import clock
from portal.engine.runner import Runner
from portal.lab import Fault, Lab, LabServer
from portal.models import Infrastructure, Notification, Resource, Task
from portal.refusals import Refused
from tests.factories import BackupFactory, CloudAccountFactory, ResourceFactory, TaskFactory
from tests.people import World
from tests.reporting.many import backup_of_many
from tests.volume_scene import DESKTOP, build_volume
from volumes import fan_out, services
from volumes.selection import Selection

pytestmark = pytest.mark.django_db
State = Task.State


def _volumes(world: World, count: int, kind: str = DESKTOP) -> list[Resource]:
    return [
        ResourceFactory.create(
            account=world.account, kind=kind, name=f"pd-{number}", user_name=f"user-{number}"
        )
        for number in range(count)
    ]


def _start(parent: Task) -> fan_out.Begun:
    ids = list(
        Selection.from_json(parent.args["selection"])
        .rows(parent.account)  # type: ignore[arg-type]
        .values_list("pk", flat=True)
    )
    return fan_out.start_backups(parent, ids, clock.now())


def _all(world: World, **more: Any) -> Task:
    return services.backup_selection(SYSTEM, world.account, Selection(**more), name="Before")


@pytest.mark.parametrize("is_replicated", [False, True])
def test_a_child_is_what_a_backup_of_one_would_be(world: World, is_replicated: bool) -> None:
    if is_replicated:
        secondary = CloudAccountFactory.create(customer=world.account.organization.customer)
        world.account.dr_cloud_account, world.account.dr_enabled = secondary, True
        world.account.dr_site, world.account.dr_link = "dub-02", "to-dub"
        world.account.save()
    one, other = _volumes(world, 2)
    single = backups.create_volume_backup(SYSTEM, one, name="Before")
    parent = _all(world, ids=(other.pk,))
    _start(parent)
    made = Backup.objects.get(resource=other)
    own = {"id", "resource", "created_at", "status_changed_at", "task"}
    for field in Backup._meta.concrete_fields:
        if field.name not in own:
            assert getattr(made, field.attname) == getattr(single, field.attname), field.name
    assert made.task
    assert single.task
    own = {
        "id", "resource", "title", "args", "parent", "created_at", "next_wake_at", "deadline_at",
        "acknowledged_at",
    }  # fmt: skip
    for field in Task._meta.concrete_fields:
        if field.name not in own:
            assert getattr(made.task, field.attname) == getattr(single.task, field.attname)
    assert bool(made.task.other_cloud_account_id and made.task.args["to"]) == is_replicated
    mine = {"server": other.external_id, "resource": str(other.pk), "backup": str(made.pk)}
    assert made.task.args == single.task.args | mine
    assert (made.task.parent, made.task.title) == (parent, "Backup pd-1")
    assert made.task.deadline_at - made.task.created_at == timedelta(hours=12)
    other.refresh_from_db()
    assert (other.last_backup_id, other.last_backup_status) == (made.pk, "creating")


def test_twenty_chosen_are_twenty_tasks_under_one(world: World) -> None:
    chosen = _volumes(world, 25)[:20]
    parent = _all(world, ids=tuple(each.pk for each in chosen))
    assert _start(parent) == fan_out.Begun(started=20, missing=0, full=0, busy=0)
    assert parent.children.count() == Backup.objects.count() == 20
    # Not two of each, however often it is begun.
    assert _start(parent).started == 20
    assert parent.children.count() == Backup.objects.count() == 20


def test_what_cannot_be_backed_up_is_left_out_and_counted(world: World) -> None:
    fine, busy, gone, full = _volumes(world, 4)
    TaskFactory(resource=busy, account=world.account, is_exclusive=True, state=State.RUNNING)
    Resource.objects.filter(pk=gone.pk).update(is_missing=True)
    VolumePolicy.objects.create(account=world.account, kind=DESKTOP, keep_manual=1)
    BackupFactory(resource=full)
    selection = Selection()
    outlook = fan_out.outlook(selection.rows(world.account))
    assert outlook == fan_out.Outlook(total=4, missing=1, full=1, busy=1)
    parent = _all(world)
    assert _start(parent) == fan_out.Begun(started=1, missing=1, full=1, busy=1)
    assert parent.children.get().resource == fine


def test_volumes_of_others_and_desktops_without_a_user_are_never_meant(
    world: World, elsewhere: World
) -> None:
    (mine,) = _volumes(world, 1)
    theirs = _volumes(elsewhere, 1)[0]
    unassigned = ResourceFactory(account=world.account, kind=DESKTOP, user_name="", name="pd-x")
    server = world.utility_server
    ids = (mine.pk, theirs.pk, unassigned.pk, server.pk)
    assert list(Selection(ids).rows(world.account)) == [mine]
    assert list(Selection().rows(world.account)) == [mine]
    with pytest.raises(Refused, match="No volume"):
        _all(world, ids=(theirs.pk,))
    assert not Task.objects.exists()


def test_one_bad_volume_stops_no_other_and_is_retried_alone(
    lab: Lab, lab_server: LabServer
) -> None:
    scene = build_volume(lab_server, lab, kind=Infrastructure.AHV, volume=DESKTOP)
    account, good = scene.resource.account, scene.resource
    bad = Resource.objects.create(
        account=account, cloud_account=good.cloud_account, kind=DESKTOP, external_id="nowhere",
        name="pd-bad", user_name="nobody",
    )  # fmt: skip
    parent = services.backup_selection(SYSTEM, account, Selection(), name="Before")
    Runner(clock=scene.clock, threads=4).run(seconds=86400)
    parent.refresh_from_db()
    assert parent.state == State.DONE
    assert (parent.memory["done"], parent.memory["failed"]) == (1, 1)
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.last_backup_status, bad.last_backup_status) == ("ready", "failed")
    told = Notification.objects.get()
    assert told.level == Notification.Level.WARNING
    assert "1 done, 1 failed" in told.title
    assert "pd-bad" in told.body
    again = services.retry_failed(SYSTEM, parent)
    assert [each.pk for each in Selection.from_json(again.args["selection"]).rows(account)] == [
        bad.pk
    ]


def test_what_has_had_a_good_backup_since_is_not_retried(world: World) -> None:
    parent = backup_of_many(world.account, "failed failed", state="done")
    mended, still_bad = (
        Resource.objects.get(tasks=each) for each in parent.children.order_by("title")
    )
    BackupFactory(resource=mended, created_at=clock.now() + timedelta(seconds=1))
    note_latest(Resource.objects.all())
    again = services.retry_failed(SYSTEM, parent)
    assert Selection.from_json(again.args["selection"]).ids == (still_bad.pk,)
    BackupFactory(resource=still_bad, created_at=clock.now() + timedelta(seconds=1))
    note_latest(Resource.objects.all())
    with pytest.raises(Refused, match="had a good backup since"):
        services.retry_failed(SYSTEM, parent)


def test_cancelling_stops_what_is_under_way_and_keeps_what_is_done(
    lab: Lab, lab_server: LabServer
) -> None:
    scene = build_volume(lab_server, lab, kind=Infrastructure.AHV, volume=DESKTOP)
    account = scene.resource.account
    lab.faults.add(Fault("status", path="protection_domains", status=503, count=10**6))
    parent = services.backup_selection(SYSTEM, account, Selection(), name="Before")
    Runner(clock=scene.clock, threads=4).run(seconds=30)
    engine.cancel(Task.objects.get(pk=parent.pk))
    lab.faults.clear()
    Runner(clock=scene.clock, threads=4).run(seconds=86400)
    parent.refresh_from_db()
    assert parent.state == State.CANCELED
    assert set(parent.children.values_list("state", flat=True)) == {State.CANCELED}
    assert not Task.objects.active().exists()
    scene.assert_in_order("original")


def test_nobody_is_told_of_each_that_went_well(lab: Lab, lab_server: LabServer) -> None:
    scene = build_volume(lab_server, lab, kind=Infrastructure.AHV, volume=DESKTOP)
    services.backup_selection(SYSTEM, scene.resource.account, Selection(), name="Before")
    Runner(clock=scene.clock, threads=4).run(seconds=86400)
    told = Notification.objects.get()
    assert (told.level, told.title) == (
        Notification.Level.INFO, "Backup 1 volume Before: 1 done",
    )  # fmt: skip
