"""What a wake does in a worker: a turn of the runner, with the drivers of the process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import ClassVar

import pytest
from django_q.models import OrmQ, Schedule

from portal import engine
from portal.clouds.api import Cloud
from portal.engine import wake
from portal.engine.workflow import Job, Later, Learned, Step, Workflow, registry
from portal.lab import Lab, LabServer
from portal.models import Task
from tests.engine.conftest import Script
from tests.scene import build

pytestmark = pytest.mark.django_db
State = Task.State


@pytest.fixture(autouse=True)
def _own_connections() -> Iterator[None]:
    """The process is that of many tests: none may find another's drivers."""
    wake.kept_connections.cache_clear()
    yield
    wake.kept_connections(os.getpid()).close()
    wake.kept_connections.cache_clear()


@pytest.fixture
def met() -> Iterator[list[Cloud]]:
    """The drivers that the steps of tasks called ``meet`` were given."""
    clouds: list[Cloud] = []

    def meet(job: Job) -> Learned:
        clouds.append(job.cloud)
        return {"name": job.cloud.identify().name}

    class Meet(Workflow):
        kind = "meet"
        steps: ClassVar = (Step("meet", "Meet", meet),)

    registry.register(Meet)
    yield clouds
    del registry.workflows["meet"]


def test_a_wake_runs_what_is_due_and_asks_for_no_other_when_nothing_is_left(
    trial: Task, script: Script
) -> None:
    OrmQ.objects.all().delete()
    wake.run()
    trial.refresh_from_db()
    assert (trial.state, script.ended) == (State.DONE, ["done"])
    assert not OrmQ.objects.exists()


def test_a_wake_asks_for_another_when_work_is_left(trial: Task, script: Script) -> None:
    OrmQ.objects.all().delete()
    script.answers["first"] = [Later(10 * wake.RUN_SECONDS)]
    wake.run()
    trial.refresh_from_db()
    assert (trial.state, trial.lease_owner) == (State.RUNNING, "")
    assert [each.func() for each in OrmQ.objects.all()] == [wake.WAKE]


def test_the_drivers_outlive_a_turn_and_are_of_one_process(
    met: list[Cloud], lab: Lab, lab_server: LabServer
) -> None:
    cloud_account = build(lab_server, lab).resource.cloud_account
    for _ in range(2):
        task = engine.start("meet", title="Meet", cloud_account=cloud_account)
        wake.run()
        task.refresh_from_db()
        assert task.memory == {"name": cloud_account.name}, task.error
    first, second = met
    assert first is second
    here, elsewhere = wake.kept_connections(os.getpid()), wake.kept_connections(-1)
    assert here is wake.kept_connections(os.getpid())
    assert here is not elsewhere


def test_the_tick_is_there_once_also_after_two_workers_made_it_at_once() -> None:
    first = wake.ensure_tick()
    Schedule.objects.create(name=first.name, func=wake.TICK, schedule_type=Schedule.MINUTES)
    assert wake.ensure_tick() == first
    assert wake.ensure_tick() == first
    assert Schedule.objects.get().minutes == 1
