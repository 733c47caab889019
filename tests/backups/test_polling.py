"""Many tasks that wait at one cloud account ask about their operations together."""

from __future__ import annotations

from pathlib import Path

import pytest

from portal.engine.runner import Runner
from portal.lab import Lab, LabServer
from portal.models import CloudAccount, Resource, Task
from tests.scene import CLUSTER, GIB, Scene, build

SERVERS = 12


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path


def _more_servers(scene: Scene) -> list[Scene]:
    """The scene's server, and others of the same account."""
    scenes = [scene]
    first = scene.resource
    for number in range(SERVERS - 1):
        vm = scene.lab.clusters[CLUSTER].add_vm(f"more-{number}", size_bytes=45 * GIB)
        resource = Resource.objects.create(
            account=first.account,
            cloud_account=first.cloud_account,
            kind=Resource.Kind.UTILITY_SERVER,
            external_id=vm.uuid,
            name=vm.name,
            power_state="on",
            size_bytes=45 * GIB,
        )
        scenes.append(Scene(scene.site, scene.lab, resource, True, scene.clock))
    return scenes


def test_waiting_tasks_are_polled_together(db: None, directory: Path) -> None:
    lab = Lab.empty()
    with LabServer(lab, directory=directory) as server:
        scenes = _more_servers(build(server, lab))
        CloudAccount.objects.update(max_tasks=SERVERS)
        for scene in scenes:
            scene.backup()
        Runner(clock=scenes[0].clock, threads=4).run(seconds=86400)
        polls = sum(call.path.endswith("/tasks/poll") for call in lab.calls)
    assert set(Task.objects.values_list("state", flat=True)) == {Task.State.DONE}
    clone_seconds = 60  # each waits for some ten operations of a few seconds, polled every two
    assert polls <= clone_seconds, f"{polls} polls for {SERVERS} tasks"
