"""Every fault the lab can inject, at every call the workflows make.

Whatever happens, the task ends, and the cloud holds what the records say: a backup
that is shown as good is good, one that failed has left nothing behind, and the
server is as it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from backups.models import Backup
from portal import engine
from portal.lab import Fault, Lab, LabServer
from portal.models import Task
from portal.refusals import Refused
from tests.lab.azure.schemas_check import checked
from tests.lab_fixtures import CLOUD_CALL, empty_lab
from tests.matrix.strides import RUNNING, of_each_kind, stride_of, strides
from tests.scene import Scene, build

pytestmark = pytest.mark.django_db

MANY = 1000
# Every how many calls a fault strikes, in the everyday run: each fault begins at another call.
STRIDES = strides(ahv=5, azure=19)

# name -> the fault's settings; each strikes one call.
FAULTS: dict[str, dict[str, Any]] = {
    "503 with Retry-After": {"kind": "status", "status": 503, "retry_after": 7},
    "429": {"kind": "status", "status": 429},
    "500 with an error body": {"kind": "status", "status": 500},
    "422": {"kind": "status", "status": 422},
    "403": {"kind": "status", "status": 403},
    "401": {"kind": "status", "status": 401},
    "404": {"kind": "status", "status": 404},
    "502 in HTML": {"kind": "html"},
    "hang": {"kind": "hang"},
    "dropped before acting": {"kind": "drop_before"},
    "dropped after acting": {"kind": "drop_after"},
    "failed task": {"kind": "task_failed", "detail": "Storage container is full"},
    "expired cookie": {"kind": "expired_session"},
}
# Passing faults: with these the task must reach its goal nevertheless.
PASSING = {
    "503 with Retry-After", "429", "502 in HTML", "hang", "dropped before acting",
    "dropped after acting", "failed task", "expired cookie",
}  # fmt: skip


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(autouse=True)
def _impatient(settings: LazySettings) -> None:
    settings.CLOUD_READ_TIMEOUT_SECONDS = 0.3


def _backup(scene: Scene, *, keep_running: bool = False) -> tuple[Task, Backup]:
    backup = scene.backup(keep_running=keep_running)
    assert backup.task
    return backup.task, backup


def _running_backup(scene: Scene) -> tuple[Task, Backup]:
    return _backup(scene, keep_running=True)


def _publish(scene: Scene) -> tuple[Task, Backup]:
    backup = scene.publish()
    assert backup.task
    return backup.task, backup


def _restore(scene: Scene) -> tuple[Task, Backup]:
    backup = scene.have_backup()
    scene.write("changed")
    return scene.restore(backup), backup


def _delete(scene: Scene) -> tuple[Task, Backup]:
    backup = scene.have_backup()
    return scene.delete(backup), backup


STARTS = {
    "backup": _backup,
    "restore": _restore,
    "delete": _delete,
    RUNNING: _running_backup,
    "publish": _publish,
}


def _check(workflow: str, scene: Scene, task: Task, backup: Backup, fault: str) -> None:
    """What must hold after the end, whichever way it went."""
    backup.refresh_from_db()
    is_done = task.state == Task.State.DONE
    assert is_done or task.state == Task.State.FAILED
    assert is_done or fault not in PASSING, f"{task.error} {task.error_detail}"
    assert is_done or (task.error and task.advice)
    content = "original"
    if workflow == "publish" or workflow.startswith("backup"):
        assert backup.status == (Backup.Status.READY if is_done else Backup.Status.FAILED)
    elif workflow == "restore":
        is_restored = any(record["name"] == "drop" for record in task.steps)
        content = "original" if is_restored else "changed"
    else:
        assert backup.status == (Backup.Status.DELETED if is_done else Backup.Status.READY)
    if backup.status == Backup.Status.READY:
        kept = "original+generalized" if workflow == "publish" else "original"
        assert scene.content_of(backup) == kept
    scene.assert_in_order(content)


def _strike_at_every_call(
    kind: str, workflow: str, fault: str, server: LabServer, lab: Lab, power: str
) -> Iterator[int]:
    stride = stride_of(STRIDES[kind], workflow)
    for number in range(list(FAULTS).index(fault) % stride, MANY, stride):
        empty_lab(lab)
        scene = build(server, lab, power=power, kind=kind)
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


# A server that is off makes fewer of the same calls: three faults stand for the rest.
WITH_POWER = [
    *((fault, "on") for fault in FAULTS),
    *((fault, "off") for fault in ("422", "dropped after acting", "failed task")),
]


@pytest.mark.parametrize(("fault", "power"), WITH_POWER)
@pytest.mark.parametrize(("kind", "workflow"), of_each_kind(STARTS))
def test_a_fault_at_any_call_ends_right(
    kind: str,
    workflow: str,
    fault: str,
    power: str,
    directory: Path,
    record_property: Callable[[str, object], None],
) -> None:
    lab = Lab.empty()
    with LabServer(lab, directory=directory) as server, checked(lab):
        cases = sum(1 for _ in _strike_at_every_call(kind, workflow, fault, server, lab, power))
    record_property(
        "matrix", f"{kind}: {workflow} of a server that is {power}, {fault}: {cases} cases"
    )


@pytest.mark.parametrize(("kind", "workflow"), of_each_kind(STARTS))
def test_a_cancel_before_any_call_ends_right(
    kind: str, workflow: str, directory: Path, record_property: Callable[[str, object], None]
) -> None:
    """A person cancels while the worker is about to make call number n, for every n."""
    lab = Lab.empty()
    with LabServer(lab, directory=directory) as server, checked(lab):
        stride = stride_of(STRIDES[kind], workflow)
        for number in range(0, MANY, stride):
            empty_lab(lab)
            scene = build(server, lab, kind=kind)
            task, backup = STARTS[workflow](scene)
            # The first cancel that is possible after `number` calls: the task is held up there.
            busy = lab.faults.add(
                Fault("status", path=CLOUD_CALL, after=number, count=1, status=503, retry_after=60)
            )
            scene.drive_until(_has_struck(busy))
            if busy.count:
                break
            with contextlib.suppress(Refused):  # it may be past the point of no return
                engine.cancel(task)
            scene.drive(task)
            assert task.state in {Task.State.CANCELED, Task.State.DONE}
            _check_cancel(workflow, scene, task, backup)
        else:
            raise AssertionError("the workflow never ran out of calls")
    assert number >= 2
    cases = number // stride
    record_property("matrix", f"{kind}: {workflow}, cancelled before a call: {cases} cases")


def _has_struck(fault: Fault) -> Callable[[], bool]:
    return lambda: fault.count == 0


def _check_cancel(workflow: str, scene: Scene, task: Task, backup: Backup) -> None:
    backup.refresh_from_db()
    is_done = task.state == Task.State.DONE
    if workflow == "publish" or workflow.startswith("backup"):
        assert backup.status == (Backup.Status.READY if is_done else Backup.Status.CANCELED)
    is_changed = workflow == "restore" and not is_done
    scene.assert_in_order("changed" if is_changed else "original")
