"""What a person reads when Azure will not: what it was, and one sentence on what to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from portal.lab import Fault, Lab, LabServer
from portal.lab.azure import AzureCloud
from portal.lab.azure.access import forbid, lock
from portal.lab.azure.limits import set_quota
from portal.lab.azure.model import GROUP, SUBSCRIPTION
from portal.models import Infrastructure, Task
from tests.scene import Scene, build

pytestmark = pytest.mark.django_db
AT_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
SNAPSHOT_WRITE = "Microsoft.Compute/snapshots/write"
DISK_ACCESS = "Microsoft.Compute/disks/beginGetAccess/action"


@pytest.fixture
def scene(lab: Lab, lab_server: LabServer) -> Scene:
    return build(lab_server, lab, kind=Infrastructure.AZURE)


def _wrong_secret(azure: AzureCloud) -> None:
    azure.access.secret = "another"


def _expired_secret(azure: AzureCloud) -> None:
    azure.access.is_secret_expired = True


def _no_snapshots(azure: AzureCloud) -> None:
    forbid(azure, SNAPSHOT_WRITE)


def _no_reading_of_disks(azure: AzureCloud) -> None:
    forbid(azure, DISK_ACCESS)


def _quota(azure: AzureCloud) -> None:
    set_quota(azure, "westeurope", "StandardSnapshotCount", 0)


def _locked(azure: AzureCloud) -> None:
    lock(azure, AT_GROUP, "ReadOnly")


def _unregistered(azure: AzureCloud) -> None:
    azure.limits.unregistered.append("Microsoft.Compute")


# What is wrong, words of what is said, the whole of what is advised.
TROUBLES: list[tuple[Callable[[AzureCloud], None], str, str]] = [
    (
        _wrong_secret,
        "AADSTS7000215: Invalid client secret provided.",
        "Enter the secret's value again, not its id; then test the connection.",
    ),
    (
        _expired_secret,
        "are expired.",
        "The client secret has expired: make a new one at Azure and enter it here.",
    ),
    (
        _no_snapshots,
        f"Azure does not allow {SNAPSHOT_WRITE} on standby-",
        f"Add the action {SNAPSHOT_WRITE} to the application's role on the resource group {GROUP}.",
    ),
    (
        _no_reading_of_disks,
        f"Azure does not allow {DISK_ACCESS} on ",
        f"Add the action {DISK_ACCESS} to the application's role on the resource group {GROUP}.",
    ),
    (
        _quota,
        "exceeding approved StandardSnapshotCount quota",
        "Ask Azure for more StandardSnapshotCount than 0 in westeurope, or delete what is not "
        "needed there.",
    ),
    (
        _locked,
        f"are locked: '{AT_GROUP}'",
        f"Remove the lock on the resource group {GROUP} at Azure, then try again.",
    ),
    (
        _unregistered,
        "not registered",
        "Register the provider Microsoft.Compute on the subscription, then try again.",
    ),
]


@pytest.mark.parametrize(
    ("trouble", "said", "advice"), TROUBLES, ids=[each[0].__name__[1:] for each in TROUBLES]
)
def test_a_task_that_azure_refuses_says_what_to_do(
    scene: Scene, trouble: Callable[[AzureCloud], None], said: str, advice: str
) -> None:
    backup = scene.backup()
    trouble(scene.lab.azure)
    task = scene.drive(backup.task)
    assert task.state == Task.State.FAILED
    assert said in task.error
    assert task.advice == advice


def _hurried(scene: Scene, task: Task | None) -> Task:
    """Drive a task that nothing will help, with little time."""
    assert task
    Task.objects.filter(pk=task.pk).update(deadline_at=scene.clock.now() + timedelta(minutes=20))
    return scene.drive(task)


def test_a_deletion_that_a_lock_forbids_says_so_at_its_end(scene: Scene) -> None:
    backup = scene.have_backup()
    lock(scene.lab.azure, AT_GROUP)
    task = _hurried(scene, scene.delete(backup))
    assert task.state == Task.State.FAILED
    assert f"are locked: '{AT_GROUP}'" in task.error
    assert task.advice == f"Remove the lock on the resource group {GROUP} at Azure, then try again."
    scene.assert_in_order("original")


def test_a_subscription_that_stays_throttled_is_waited_for_and_named(scene: Scene) -> None:
    backup = scene.backup()
    throttled = Fault(
        "status", path="virtualMachines", status=429, retry_after=300, count=100,
        body={"error": {"code": "TooManyRequests", "message": "Number of reads exceeded."}},
    )  # fmt: skip
    scene.lab.faults.add(throttled)
    task = _hurried(scene, backup.task)
    # As often as it was told to, and no more.
    assert 4 <= 100 - throttled.count <= 6
    assert "Number of reads exceeded." in task.error
    assert "limits the calls of the subscription" in task.advice


def test_a_throttled_call_is_made_again_when_azure_says(scene: Scene) -> None:
    backup = scene.backup()
    scene.lab.faults.add(Fault("status", status=429, retry_after=240, path="virtualMachines"))
    before = scene.clock.now()
    assert scene.drive(backup.task).state == Task.State.DONE
    assert scene.clock.now() - before >= timedelta(seconds=240)
