"""Publishing the Sandbox: the order of its steps, what its backup holds, what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from backups import publish, services
from backups.models import Backup, BackupPolicy
from portal import engine
from portal.audit import SYSTEM
from portal.lab import Fault, Lab, LabServer
from portal.models import AuditEntry, Infrastructure, Notification, Resource, Task
from portal.refusals import Refused
from reporting.course import lines_of
from tests.factories import ResourceFactory
from tests.lab.azure.schemas_check import checked
from tests.scene import Scene, build

pytestmark = pytest.mark.django_db

SceneOf = Callable[..., Scene]


@pytest.fixture(params=[Infrastructure.AHV, Infrastructure.AZURE])
def scene_of(db: None, lab_directory: Path, request: pytest.FixtureRequest) -> Iterator[SceneOf]:
    """Build a running Sandbox in an account that is domain-joined or not."""
    lab = Lab.empty()
    with LabServer(lab, directory=lab_directory) as server, checked(lab):

        def build_one(*, joined: bool, power: str = "on") -> Scene:
            scene = build(server, lab, kind=request.param, power=power)
            account = scene.resource.account
            account.is_domain_joined = joined
            account.save()
            return scene

        yield build_one


def publish_once(scene: Scene) -> Backup:
    scene.resource.refresh_from_db()
    backup = publish.publish_sandbox(SYSTEM, scene.resource, may_power_off=True)
    scene.drive(scene.allow_time(backup.task))
    while task := Task.objects.active().first():
        scene.drive(scene.allow_time(task))
    backup.refresh_from_db()
    return backup


def steps_of(backup: Backup) -> list[str]:
    assert backup.task
    return [line.label for line in lines_of(backup.task)]


@pytest.mark.parametrize("power", ["on", "off"])
def test_a_joined_sandbox_is_cloned_generalized_and_backed_up_in_this_order(
    scene_of: SceneOf, power: str
) -> None:
    scene = scene_of(joined=True, power=power)
    backup = publish_once(scene)
    assert backup.task
    assert backup.task.state == Task.State.DONE, backup.task.error
    assert (backup.status, backup.type) == ("ready", "P")
    assert backup.is_generalized
    labels = steps_of(backup)
    order = ["Clone the Sandbox", "Generalize the clone (sysprep)", "Back up the clone"]
    assert [label for label in labels if label in order] == order
    records = {record["label"]: record for record in backup.task.steps}
    times = [datetime.fromisoformat(records[label]["started_at"]) for label in order]
    assert times == sorted(times)
    assert scene.content_of(backup) == "original+generalized"
    scene.assert_in_order("original")


def test_one_that_is_not_joined_has_no_sysprep_and_is_backed_up_as_it_is(
    scene_of: SceneOf,
) -> None:
    scene = scene_of(joined=False)
    backup = publish_once(scene)
    assert backup.is_ready
    assert not backup.is_generalized
    assert not any("sysprep" in label or "eneral" in label for label in steps_of(backup))
    assert scene.content_of(backup) == "original"
    scene.assert_in_order("original")


def test_two_publish_backups_are_kept_and_the_oldest_goes(scene_of: SceneOf) -> None:
    scene = scene_of(joined=False)
    made = [publish_once(scene) for _ in range(3)]
    statuses = [Backup.objects.get(pk=backup.pk).status for backup in made]
    assert statuses == ["deleted", "ready", "ready"]
    scene.assert_in_order("original")


def test_another_number_holds_from_the_next_publish_on(scene_of: SceneOf) -> None:
    scene = scene_of(joined=False)
    made = [publish_once(scene) for _ in range(2)]
    account = scene.resource.account
    account.publish_retention = 1
    account.save()
    assert Backup.objects.ready().count() == 2
    scene.resource = Resource.objects.get(pk=scene.resource.pk)
    made.append(publish_once(scene))
    assert [Backup.objects.get(pk=backup.pk).status for backup in made] == [
        "deleted", "deleted", "ready",
    ]  # fmt: skip


def test_sysprep_that_fails_leaves_nothing_but_the_reason(scene_of: SceneOf) -> None:
    scene = scene_of(joined=True)
    scene.site.guests_fail("SYSPRP Package NcsiUwpApp was installed for a user")  # type: ignore[attr-defined]
    backup = publish_once(scene)
    assert backup.status == Backup.Status.FAILED
    assert "NcsiUwpApp" in backup.error
    assert Notification.objects.filter(level=Notification.Level.ERROR).count() == 1
    scene.assert_in_order("original")


def test_cancelling_puts_everything_back(scene_of: SceneOf) -> None:
    scene = scene_of(joined=True)
    backup = publish.publish_sandbox(SYSTEM, scene.resource, may_power_off=True)
    task = scene.allow_time(backup.task)
    scene.drive_until(lambda: Task.objects.get(pk=task.pk).step == "generalize")
    task.refresh_from_db()
    assert task.step == "generalize"
    engine.cancel(task)
    scene.drive(task)
    backup.refresh_from_db()
    assert backup.status == Backup.Status.CANCELED
    scene.assert_in_order("original")


def test_a_publish_backup_can_be_restored(scene_of: SceneOf) -> None:
    scene = scene_of(joined=False)
    backup = publish_once(scene)
    scene.write("changed")
    assert scene.drive(scene.restore(backup)).state == Task.State.DONE
    scene.assert_in_order("original")


def test_a_retry_publishes_again(scene_of: SceneOf) -> None:
    scene = scene_of(joined=False)
    backup = publish.publish_sandbox(SYSTEM, scene.resource, may_power_off=True)
    scene.lab.faults.add(Fault("status", "POST", "clone$", status=422, count=9))
    scene.lab.faults.add(Fault("status", "PUT", "snapshots", status=400, count=9))
    task = scene.drive(scene.allow_time(backup.task))
    assert task.state == Task.State.FAILED
    scene.lab.faults.clear()
    again = engine.registry.workflows[task.kind].retry(task, SYSTEM)
    assert scene.drive(scene.allow_time(again)).state == Task.State.DONE
    assert Backup.objects.ready().get().type == "P"


# What is refused, without a cloud


@pytest.fixture
def sandbox(db: None) -> Resource:
    sandbox: Resource = ResourceFactory.create(kind=Resource.Kind.SANDBOX)
    return sandbox


def test_a_full_manual_limit_does_not_stop_it(sandbox: Resource) -> None:
    BackupPolicy.objects.create(resource=sandbox, keep_manual=1)
    held = services.create_backup(SYSTEM, sandbox, name="By hand", may_power_off=True)
    Task.objects.update(state=Task.State.DONE)
    held.move_to(Backup.Status.READY)
    assert publish.publish_sandbox(SYSTEM, sandbox, may_power_off=True).type == "P"
    assert AuditEntry.objects.filter(action="sandbox.publish").count() == 1


def test_it_needs_the_power_off_to_be_accepted(sandbox: Resource) -> None:
    Resource.objects.update(power_state="on")
    sandbox.refresh_from_db()
    with pytest.raises(services.PowerOffNotAccepted):
        publish.publish_sandbox(SYSTEM, sandbox, may_power_off=False)
    assert not Task.objects.exists()


def test_a_busy_sandbox_is_not_published(sandbox: Resource) -> None:
    publish.publish_sandbox(SYSTEM, sandbox, may_power_off=True)
    with pytest.raises(engine.Busy):
        publish.publish_sandbox(SYSTEM, sandbox, may_power_off=True)
    assert Backup.objects.count() == 1


def test_only_a_sandbox_is_published(db: None) -> None:
    server = ResourceFactory.create(kind=Resource.Kind.UTILITY_SERVER)
    with pytest.raises(Refused, match="Only a Sandbox"):
        publish.publish_sandbox(SYSTEM, server, may_power_off=True)


def test_a_joined_account_without_a_way_to_its_guests_is_told_beforehand(
    sandbox: Resource,
) -> None:
    sandbox.account.is_domain_joined = True
    with pytest.raises(Refused, match="guest agent gateway"):
        publish.publish_sandbox(SYSTEM, sandbox, may_power_off=True)
    assert not Backup.objects.exists()
