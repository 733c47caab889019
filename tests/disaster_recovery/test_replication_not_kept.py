"""Sending that was cancelled on AHV: nothing arrives after its clean-up has looked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backups.models import Replica
from backups.replicas import TIDY_SECONDS
from portal import engine
from portal.engine.runner import Runner
from portal.lab import Fault, Lab, LabServer
from portal.models import Infrastructure, Task
from tests.recovery_scene import (
    PRIMARY_CLUSTER,
    SECONDARY_CLUSTER,
    SERVER,
    RecoveryScene,
    build_recovery,
)
from tests.volume_scene import DESKTOP, PROFILE

pytestmark = pytest.mark.django_db
MANY = 10**6
HOUR = 3600


@pytest.fixture(params=[SERVER, DESKTOP, PROFILE])
def scene(request: pytest.FixtureRequest, lab: Lab, lab_server: LabServer) -> RecoveryScene:
    return build_recovery(lab_server, lab, kind=Infrastructure.AHV, what=request.param)


@pytest.fixture
def link(lab: Lab) -> Iterator[None]:
    yield
    lab.link(PRIMARY_CLUSTER, SECONDARY_CLUSTER, is_up=True)


def _go_on(scene: RecoveryScene, seconds: float) -> None:
    Runner(clock=scene.scene.clock, threads=4).run(seconds=seconds)


def _assert_nothing_is_left(scene: RecoveryScene, task: Task, initial: set[str]) -> None:
    assert scene.drive(task).state == Task.State.CANCELED
    # The domain of a server's copy may go, once it is not needed to send.
    assert not scene.everything() - initial
    # The replica it was to replace is there still, and good.
    replica = Replica.objects.not_removed().get(status=Replica.Status.DONE)
    assert scene.replica_content(replica) == "original"


def test_what_is_ordered_but_not_taken_is_taken_back(scene: RecoveryScene) -> None:
    backup = scene.backup()
    initial = scene.everything()
    faults = scene.lab.faults
    ordered: list[str] = []
    # Cancelled as soon as the snapshot is ordered; the secondary cannot be asked for an hour.
    faults.add(Fault("call", "POST", "oob_schedules", when="after", count=1,
                     callback=lambda: ordered.append("so")))  # fmt: skip
    task = scene.begin_to_replicate(backup)
    scene.scene.drive_until(lambda: bool(ordered))
    engine.cancel(task)
    faults.add(Fault("status", cluster=SECONDARY_CLUSTER, status=503, count=MANY))
    _go_on(scene, HOUR)
    faults.clear()
    _assert_nothing_is_left(scene, task, initial)


@pytest.mark.usefixtures("link")
def test_what_waits_for_a_link_does_not_arrive_when_it_is_back(scene: RecoveryScene) -> None:
    backup = scene.backup()
    initial = scene.everything()
    scene.lab.link(PRIMARY_CLUSTER, SECONDARY_CLUSTER, is_up=False)
    task = scene.begin_to_replicate(backup)
    domains = scene.lab.clusters[PRIMARY_CLUSTER].protection_domains.values()
    scene.scene.drive_until(lambda: any(each.replications for each in domains))
    assert any(each.replications for each in domains)
    engine.cancel(task)
    _go_on(scene, HOUR)
    scene.lab.link(PRIMARY_CLUSTER, SECONDARY_CLUSTER, is_up=True)
    _assert_nothing_is_left(scene, task, initial)


@pytest.mark.usefixtures("link")
def test_what_waits_on_its_way_back_does_not_arrive_when_the_link_is_back(
    scene: RecoveryScene,
) -> None:
    backup = scene.backup()
    initial = scene.everything()
    scene.lab.link(PRIMARY_CLUSTER, SECONDARY_CLUSTER, is_up=False)
    task = scene.begin_to_restore(backup, from_replica=True)
    domains = scene.lab.clusters[SECONDARY_CLUSTER].protection_domains.values()
    scene.scene.drive_until(lambda: any(each.replications for each in domains))
    assert any(each.replications for each in domains)
    engine.cancel(Task.objects.get(pk=task.pk))
    # Longer than TIDY_SECONDS would leave it to the reconciliation: the server is waited for.
    _go_on(scene, TIDY_SECONDS / 3)
    scene.lab.link(PRIMARY_CLUSTER, SECONDARY_CLUSTER, is_up=True)
    _assert_nothing_is_left(scene, task, initial)
    assert scene.content == "original"
