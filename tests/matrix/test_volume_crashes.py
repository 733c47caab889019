"""The same for desktops and profiles: a worker killed before and after every call to the cloud.

See `tests.matrix.test_crashes`. The everyday run takes a part; STANDBY_MATRIX=all takes all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest

from backups.models import Backup
from portal.lab import Fault, Lab, LabServer
from portal.models import Infrastructure, Task
from tests.lab.azure.schemas_check import checked
from tests.lab_fixtures import empty_lab
from tests.matrix.strides import strides
from tests.matrix.test_crashes import MANY, Host, directory, host  # noqa: F401  # fixtures
from tests.volume_scene import DESKTOP, PROFILE, VolumeScene, build_volume

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

STRIDES = strides(ahv=11, azure=19)
Check = Callable[[], None]


def _prepare_backup(scene: VolumeScene) -> Check:
    backup = scene.backup()

    def check() -> None:
        backup.refresh_from_db()
        assert backup.status == Backup.Status.READY, backup.error
        assert scene.site.contents(backup.external_id) == ["original"]
        scene.assert_in_order("original")

    return check


def _prepare_restore(scene: VolumeScene) -> Check:
    backup = scene.have_backup()
    scene.write("changed")
    task = scene.restore(backup)

    def check() -> None:
        task.refresh_from_db()
        assert task.state == Task.State.DONE, task.error
        scene.assert_in_order("original")

    return check


def _prepare_delete(scene: VolumeScene) -> Check:
    backup = scene.have_backup()
    scene.delete(backup)

    def check() -> None:
        backup.refresh_from_db()
        assert backup.status == Backup.Status.DELETED
        scene.assert_in_order("original")

    return check


WORKFLOWS = {"backup": _prepare_backup, "restore": _prepare_restore, "delete": _prepare_delete}
PLACES: list[tuple[str, str]] = list(
    product([Infrastructure.AHV, Infrastructure.AZURE], [DESKTOP, PROFILE])
)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("workflow", WORKFLOWS)
@pytest.mark.parametrize(("kind", "volume"), PLACES)
def test_a_killed_worker_loses_and_doubles_nothing_of_a_volume(
    kind: str,
    volume: str,
    workflow: str,
    when: str,
    host: Host,  # noqa: F811
    directory: Path,  # noqa: F811
    record_property: Callable[[str, object], None],
) -> None:
    lab = Lab.empty()
    with LabServer(lab, directory=directory) as server, checked(lab):
        cases = sum(1 for _ in _kill(kind, volume, workflow, when, host, lab, server))
    record_property(
        "matrix", f"{kind}: {workflow} of a {volume}, worker killed {when} a call: {cases} cases"
    )


def _kill(
    kind: str,
    volume: str,
    workflow: str,
    when: str,
    host: Host,  # noqa: F811
    lab: Lab,
    server: LabServer,
) -> Iterator[int]:
    stride = STRIDES[kind]
    # Not the same calls of each workflow.
    first = (list(WORKFLOWS).index(workflow) + PLACES.index((kind, volume))) % stride
    for number in range(first, MANY, stride):
        empty_lab(lab)
        scene = build_volume(server, lab, kind=kind, volume=volume)
        check = WORKFLOWS[workflow](scene)
        lab.faults.add(
            Fault("call", path=r"^(?!.*\.lab)", after=number, callback=host.kill, when=when)
        )
        was_killed = os.WIFSIGNALED(host.work(server))
        lab.faults.clear()
        if was_killed:
            assert host.work(server) == 0
        check()
        if not was_killed:
            return
        yield number
    raise AssertionError("the workflow never ran out of calls")
