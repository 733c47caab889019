"""The same for desktops, profiles and drives: a fault and a cancel at every call to the cloud.

See `tests.matrix.test_faults`. The everyday run takes a part; STANDBY_MATRIX=all takes all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest

from backups.models import Backup
from portal import engine
from portal.lab import Fault, Lab, LabServer
from portal.models import Infrastructure, Task
from portal.refusals import Refused
from tests.lab.azure.schemas_check import checked
from tests.lab_fixtures import CLOUD_CALL, empty_lab
from tests.matrix.strides import portion, strides
from tests.matrix.test_faults import (  # noqa: F401  # fixtures
    FAULTS,
    MANY,
    PASSING,
    _impatient,
    directory,
)
from tests.volume_scene import DESKTOP, DRIVE, PROFILE, VolumeScene, build_volume

pytestmark = pytest.mark.django_db

STRIDES = strides(ahv=41, azure=53)
Started = tuple[Task, Backup]
RecordProperty = Callable[[str, object], None]


def _backup(scene: VolumeScene) -> Started:
    backup = scene.backup()
    assert backup.task
    return backup.task, backup


def _restore(scene: VolumeScene) -> Started:
    backup = scene.have_backup()
    scene.write("changed")
    return scene.restore(backup), backup


def _delete(scene: VolumeScene) -> Started:
    backup = scene.have_backup()
    return scene.delete(backup), backup


STARTS = {"backup": _backup, "restore": _restore, "delete": _delete}
PLACES: list[tuple[str, str]] = list(
    product([Infrastructure.AHV, Infrastructure.AZURE], [DESKTOP, PROFILE, DRIVE])
)
CASES = [(*place, workflow) for place, workflow in product(PLACES, STARTS)]
# Of 13 faults every fifth: each is met, and each workflow at each place.
STRUCK = portion([(*case, fault) for case, fault in product(CASES, FAULTS)], every=5)


def _first(case: tuple[str, str, str], fault: str, stride: int) -> int:
    """Not the same calls with each fault of each workflow."""
    return (CASES.index(case) * 5 + list(FAULTS).index(fault) * 3) % stride


def _check(workflow: str, scene: VolumeScene, task: Task, backup: Backup, fault: str) -> None:
    """What must hold after the end, whichever way it went."""
    backup.refresh_from_db()
    is_done = task.state == Task.State.DONE
    assert is_done or task.state == Task.State.FAILED
    assert is_done or fault not in PASSING, f"{task.error} {task.error_detail}"
    assert is_done or (task.error and task.advice)
    content, status = "original", Backup.Status.READY
    if workflow == "backup" and not is_done:
        status = Backup.Status.FAILED
    elif workflow == "delete" and is_done:
        status = Backup.Status.DELETED
    elif workflow == "restore" and not any(record["name"] == "drop" for record in task.steps):
        content = "changed"
    assert backup.status == status
    if backup.is_ready:
        assert scene.site.contents(backup.external_id) == ["original"]
    scene.assert_in_order(content)


def _strike(case: tuple[str, str, str], fault: str, lab: Lab, server: LabServer) -> Iterator[int]:
    kind, volume, workflow = case
    stride = STRIDES[kind]
    for number in range(_first(case, fault, stride), MANY, stride):
        empty_lab(lab)
        scene = build_volume(server, lab, kind=kind, volume=volume)
        task, backup = STARTS[workflow](scene)
        injected = lab.faults.add(Fault(path=CLOUD_CALL, after=number, count=1, **FAULTS[fault]))
        scene.drive(task)
        has_struck = injected.count == 0
        lab.faults.clear()
        _check(workflow, scene, task, backup, fault)
        if not has_struck:
            return
        yield number
    raise AssertionError("the workflow never ran out of calls")


@pytest.mark.parametrize(("kind", "volume", "workflow", "fault"), STRUCK)
def test_a_fault_at_any_call_ends_right_for_a_volume(
    kind: str,
    volume: str,
    workflow: str,
    fault: str,
    directory: Path,  # noqa: F811
    record_property: RecordProperty,
) -> None:
    lab = Lab.empty()
    with LabServer(lab, directory=directory) as server, checked(lab):
        cases = sum(1 for _ in _strike((kind, volume, workflow), fault, lab, server))
    record_property("matrix", f"{kind}: {workflow} of a {volume}, {fault}: {cases} cases")


@pytest.mark.parametrize(("kind", "volume", "workflow"), CASES)
def test_a_cancel_before_any_call_ends_right_for_a_volume(
    kind: str,
    volume: str,
    workflow: str,
    directory: Path,  # noqa: F811
    record_property: RecordProperty,
) -> None:
    """A person cancels while the worker is about to make call number n, for every n."""
    lab = Lab.empty()
    with LabServer(lab, directory=directory) as server, checked(lab):
        cases = sum(1 for _ in _cancel((kind, volume, workflow), lab, server))
    record_property("matrix", f"{kind}: {workflow} of a {volume}, cancelled: {cases} cases")


def _cancel(case: tuple[str, str, str], lab: Lab, server: LabServer) -> Iterator[int]:
    kind, volume, workflow = case
    stride = STRIDES[kind]
    for number in range(CASES.index(case) * 5 % stride, MANY, stride):
        empty_lab(lab)
        scene = build_volume(server, lab, kind=kind, volume=volume)
        task, backup = STARTS[workflow](scene)
        # The first cancel that is possible after `number` calls: the task is held up there.
        busy = lab.faults.add(
            Fault("status", path=CLOUD_CALL, after=number, count=1, status=503, retry_after=60)
        )
        scene.scene.drive_until(_has_struck(busy))
        if busy.count:
            return
        with contextlib.suppress(Refused):  # it may be past the point of no return
            engine.cancel(task)
        scene.drive(task)
        _check_cancel(workflow, scene, task, backup)
        yield number
    raise AssertionError("the workflow never ran out of calls")


def _has_struck(fault: Fault) -> Callable[[], bool]:
    return lambda: fault.count == 0


def _check_cancel(workflow: str, scene: VolumeScene, task: Task, backup: Backup) -> None:
    backup.refresh_from_db()
    is_done = task.state == Task.State.DONE
    assert is_done or task.state == Task.State.CANCELED
    status = Backup.Status.READY
    if workflow == "backup" and not is_done:
        status = Backup.Status.CANCELED
    elif workflow == "delete":
        assert is_done, "it cannot be cancelled once it has begun"
        status = Backup.Status.DELETED
    assert backup.status == status
    is_changed = workflow == "restore" and not is_done
    scene.assert_in_order("changed" if is_changed else "original")
