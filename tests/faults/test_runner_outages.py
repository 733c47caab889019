"""A runner whose connection is cut at a round trip: the task ends once, as if nothing had been.

Cut before a trip, its statement was never made; cut after, it was, a commit included, and
nobody was told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from portal import engine
from portal.engine.runner import Runner
from portal.engine.workflow import Job, Step, Workflow, registry
from portal.models import Notification, Task
from tests.clock import JumpClock
from tests.faults.relay import Relay, When
from tests.matrix.strides import is_whole
from tests.people import World

MANY = 1000
STRIDE = 1 if is_whole() else 6


def note(task: Task, word: str) -> None:
    assert task.account
    Notification.objects.create(account=task.account, title=word)


@pytest.fixture
def diary() -> Iterator[None]:
    """A workflow whose hooks write rows: what is done twice is there twice."""

    def write(word: str) -> Callable[[Task, Any], None]:
        def save(task: Task, _: Any) -> None:
            note(task, word)

        return save

    def reach(job: Job) -> dict[str, object]:
        return {"reached": True}

    class Diary(Workflow):
        kind = "diary"
        steps: ClassVar = (
            Step("first", "First", reach, save=write("first saved")),
            Step("second", "Second", reach),
            Step("third", "Third", reach, save=write("third saved")),
        )
        deadline = timedelta(hours=1)

        def done(self, task: Task) -> None:
            note(task, "done")
            engine.start("epilogue", title="Follows", account=task.account)

    class Epilogue(Workflow):
        kind = "epilogue"
        steps: ClassVar = (Step("only", "Only", reach),)
        deadline = timedelta(hours=1)

    for workflow in (Diary, Epilogue):
        registry.register(workflow)
    yield
    for kind in ("diary", "epilogue"):
        del registry.workflows[kind]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cut_connection_loses_and_doubles_nothing(
    when: When,
    relay: Relay,
    world: World,
    diary: None,
    record_property: Callable[[str, object], None],
) -> None:
    cases = 0
    for trip in range(0, MANY, STRIDE):
        Task.objects.all().delete()
        Notification.objects.all().delete()
        engine.start("diary", title="A diary", account=world.account)
        cuts = relay.cuts
        relay.cut_at(trip, when)
        Runner(clock=JumpClock(), threads=2).run(seconds=86400)
        relay.cut_at(MANY, when)
        ended = list(Task.objects.order_by("kind").values_list("kind", "state", "crashes"))
        assert ended == [("diary", "done", 0), ("epilogue", "done", 0)], trip
        told = sorted(Notification.objects.values_list("title", flat=True))
        assert told == ["done", "first saved", "third saved"], trip
        if relay.cuts == cuts:
            break
        cases += 1
    assert cases > 5
    record_property("matrix", f"engine: connection cut {when} a round trip: {cases} cases")


def test_a_runner_gives_up_when_the_database_stays_away_and_the_next_one_goes_on(
    relay: Relay, world: World, diary: None, caplog: pytest.LogCaptureFixture
) -> None:
    from portal.engine import wake

    task = engine.start("diary", title="A diary", account=world.account)
    relay.go_down()
    clock = JumpClock()
    began = clock.now()
    with pytest.raises(Exception, match="connection") as raised:
        Runner(clock=clock, threads=2).run(seconds=86400)
    assert timedelta(seconds=50) < clock.now() - began < timedelta(seconds=90)
    said = [record for record in caplog.records if "cannot be reached" in record.getMessage()]
    # Pauses grow: a minute of outage is some lines and no load.
    assert 5 < len(said) < 25
    assert raised.type.__name__ == "OperationalError"
    relay.come_back()
    wake.run()
    task.refresh_from_db()
    assert (task.state, task.crashes) == (Task.State.DONE, 0)
