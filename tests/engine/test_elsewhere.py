"""Steps that run at a task's other cloud account: its driver, its polls, its health."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar

import pytest

from portal import engine
from portal.engine.runner import Runner
from portal.engine.workflow import Job, Learned, Step, Workflow, registry
from portal.lab import Fault, Lab, LabServer
from portal.models import CloudAccount, Task
from tests.scene import Scene, build

pytestmark = pytest.mark.django_db
OTHER = "ahv-dub-02"


def _name_here(job: Job) -> Learned:
    return {"here": job.cloud.identify().name}


def _name_there(job: Job) -> Learned:
    return {"there": job.cloud.identify().name}


def _no_cloud(job: Job) -> Learned:
    return {"local": job.cloud is None}


@pytest.fixture
def both() -> Iterator[None]:
    class Both(Workflow):
        kind = "both"
        steps: ClassVar = (
            Step("local", "Neither", _no_cloud, is_local=True),
            Step("there", "There", _name_there, is_elsewhere=True),
            Step("here", "Here", _name_here),
        )
        deadline = timedelta(minutes=5)

    registry.register(Both)
    yield
    del registry.workflows["both"]


def second_cluster(scene: Scene, server: LabServer) -> CloudAccount:
    """The lab's other cluster as a cloud account of the same customer."""
    first = scene.resource.cloud_account
    return CloudAccount.objects.create(
        customer=first.customer, name=OTHER, kind=first.kind, endpoint=server.urls[OTHER],
        secrets=first.secrets, ca_pem=first.ca_pem,
    )  # fmt: skip


def _start(scene: Scene, other: CloudAccount) -> Task:
    task = engine.start(
        "both", title="Both", cloud_account=scene.resource.cloud_account, other_cloud_account=other
    )
    return scene.allow_time(task)


def test_each_step_asks_the_cloud_account_it_names(
    both: None, lab: Lab, lab_server: LabServer
) -> None:
    scene = build(lab_server, lab)
    task = scene.drive(_start(scene, second_cluster(scene, lab_server)))
    assert task.state == Task.State.DONE, task.error
    names = (task.memory["here"], task.memory["there"], task.memory["local"])
    assert names == (scene.resource.cloud_account.name, OTHER, True)


def test_trouble_there_is_not_said_of_here(both: None, lab: Lab, lab_server: LabServer) -> None:
    scene = build(lab_server, lab)
    other = second_cluster(scene, lab_server)
    lab.faults.add(Fault("drop_before", cluster=OTHER, count=1000))
    _start(scene, other)
    Runner(clock=scene.clock, threads=2).run(seconds=60)
    Health = CloudAccount.Health
    other.refresh_from_db()
    here = CloudAccount.objects.get(pk=scene.resource.cloud_account_id)
    assert (other.health, here.health) == (Health.UNREACHABLE, Health.UNKNOWN)
