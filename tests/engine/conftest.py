"""Workflows made for the tests of the engine alone: their steps touch no cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar

import pytest

from portal import engine
from portal.engine.runner import Runner
from portal.engine.workflow import Job, Later, Step, Workflow, registry
from portal.models import Task
from tests.clock import JumpClock


@dataclass
class Script:
    """What the steps of the trial workflow do, call by call; a missing entry succeeds.

    An answer that can be called is, in the thread of the call.
    """

    answers: dict[str, list[object]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    on_done: Callable[[Task], object] = lambda task: None

    def play(self, name: str) -> Callable[[Job], dict[str, object]]:
        def reach(job: Job) -> dict[str, object]:
            self.calls.append(name)
            waiting = self.answers.get(name, [])
            answer = waiting.pop(0) if waiting else {f"{name}_ran": True}
            answer = answer() if callable(answer) else answer
            if isinstance(answer, Exception):
                raise answer
            assert isinstance(answer, dict)
            return answer

        return reach


@pytest.fixture
def script() -> Iterator[Script]:
    """Register a workflow of two steps and one clean-up step, played from a script."""
    played = Script()

    class Trial(Workflow):
        kind = "trial"
        steps: ClassVar = (
            Step("first", "First", played.play("first")),
            Step("second", "Second", played.play("second"), timeout_seconds=600),
        )
        cleanup: ClassVar = (Step("tidy", "Tidy up", played.play("tidy")),)
        deadline = timedelta(hours=1)

        def done(self, task: Task) -> None:
            played.ended.append("done")
            played.on_done(task)

        def failed(self, task: Task) -> None:
            played.ended.append(task.state)

    registry.register(Trial)
    yield played
    del registry.workflows["trial"]


@pytest.fixture
def clock() -> JumpClock:
    return JumpClock()


@pytest.fixture
def trial(db: None, script: Script) -> Task:
    return engine.start("trial", title="A trial")


@pytest.fixture
def run(clock: JumpClock) -> Callable[[Task], Task]:
    """Drive a task until nothing is due."""

    def drive(task: Task) -> Task:
        Runner(clock=clock, threads=4).run(seconds=10 * 86400)
        task.refresh_from_db()
        return task

    return drive


__all__ = ["Later", "Script"]
