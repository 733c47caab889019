"""The course of one task: which event moves it where. No database, no threads, no cloud.

``Course`` changes the attributes of a Task it was given; the runner writes them.
Read `STATES` in README.md first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from portal.clouds.api import (
    CloudBusy,
    CloudError,
    CloudUnreachable,
    NotFound,
    Operation,
    Progress,
    SignInRefused,
)
from portal.engine.workflow import Again, Job, Later, Learned, Step, Workflow
from portal.models import Task

State = Task.State
BACKOFF_CAP_SECONDS = 60
CLEANUP_BACKOFF_CAP_SECONDS = 300
# A step under which this many workers died is not tried for ever.
MAX_CRASHES = 5


@dataclass(frozen=True)
class Reached:
    """The step's goal is reached; ``learned`` joins the memory."""

    learned: Learned


class OperationFailed(CloudError):
    """A long-running job at the cloud ended badly; ``str()`` is the cloud's own words."""


Event = Reached | Operation | Progress | Later | Exception


def backoff(attempts: int, cap: float) -> float:
    """Seconds to wait after so many failed attempts: 1, 2, 4 … cap."""
    return float(min(2 ** min(attempts - 1, 16), cap))


class Course:
    """Moves one task along its workflow."""

    def __init__(self, task: Task, workflow: Workflow, now: datetime, poll_seconds: float) -> None:
        self.task = task
        self.workflow = workflow
        self.now = now
        self.poll_seconds = poll_seconds

    # What stands

    @property
    def phase(self) -> tuple[Step, ...]:
        """The steps of the phase it is in: towards the goal, or cleaning up."""
        is_forward = self.task.state in {State.QUEUED, State.RUNNING}
        return self.workflow.steps if is_forward else self.workflow.cleanup

    @property
    def step(self) -> Step:
        return self.workflow.find(self.task.step)

    @property
    def is_cleaning(self) -> bool:
        return self.task.state in {State.FAILING, State.CANCELING}

    def job(self, cloud: Any) -> Job:
        """What the step may know."""
        task = self.task
        begun = frozenset(record["name"] for record in task.steps if record["state"] != "skipped")
        return Job(task.token, task.args, task.memory, cloud, begun)

    def is_plain(self, event: Event) -> bool:
        """Whether the event touches nothing but the task's own row."""
        if isinstance(event, (Operation, Progress, Later)):
            return not self._out_of_time()
        if not isinstance(event, Reached) or self.step.save:
            return False
        memory = {**self.task.memory, **event.learned}
        ahead = self.phase[self.phase.index(self.step) + 1 :]
        return any(step.when(self.task.args, memory) for step in ahead)

    @property
    def begins_plainly(self) -> bool:
        """Whether all there is to do is to begin its first step."""
        task = self.task
        is_fresh = task.state == State.RUNNING and not task.step and not task.steps
        is_hindered = task.cancel_requested_at or self.now >= task.deadline_at or task.crashes
        if not is_fresh or is_hindered:
            return False
        return any(step.when(task.args, task.memory) for step in self.workflow.steps)

    # Beginning

    def resume(self) -> None:
        """After a claim: begin; notice a cancel, a passed deadline, a step that kills workers."""
        task = self.task
        if task.step and not self.workflow.has(task.step):
            self._step_is_gone()
            return
        may_cancel = self.workflow.may_cancel(task)
        if task.state == State.RUNNING and task.cancel_requested_at and may_cancel:
            self._close_step("canceled")
            self._enter_cleanup(State.CANCELING)
        elif task.state == State.RUNNING and self.now >= task.deadline_at:
            self._fail(self._too_late())
        elif task.state == State.RUNNING and task.crashes >= MAX_CRASHES:
            self._fail(CloudError(f"The worker died {task.crashes} times at this step."))
        elif not task.step:
            self._begin_next(0)

    def _too_late(self) -> CloudError:
        """The deadline alone tells nobody what to do: say what held the step up."""
        said = f"It was not finished by its deadline, {self.task.deadline_at:%d %b %Y, %H:%M} UTC."
        record = self.task.steps[-1] if self.task.step else {}
        reason, advice = record.get("trouble", ("", ""))
        return CloudError(f"{said} {reason}".strip(), advice=advice)

    def _step_is_gone(self) -> None:
        """A release dropped the step this task stands in: clean up, from the start of it."""
        gone = self.task.step
        self._close_step("failed", "This release no longer has the step.")
        self.task.step = ""
        if self.is_cleaning:
            self._begin_next(0)
        else:
            self._fail(CloudError(f"This release no longer has the step “{gone}”."))

    # Events

    def apply(self, event: Event) -> None:
        """Move the task by one event."""
        match event:
            case Reached():
                self._reached(event.learned)
            case Operation():
                self._wait_for(event)
            case Progress(state=Progress.RUNNING):
                self._still_running(event)
            case Progress(state=Progress.FAILED):
                self._operation_failed(event)
            case Progress():
                self.task.operation = ""
                self._note(percent=100)
            case Later():
                self._later(event.seconds, str(event))
            case _:
                self._error(event)

    def _reached(self, learned: Learned) -> None:
        task, step = self.task, self.step
        if step.save:
            saved = step.save(task, learned)
            if isinstance(saved, Again):
                self._again(saved)
                return
            learned = saved or {}
        task.memory = {**task.memory, **learned}
        self._close_step("done")
        self._begin_next(self.phase.index(step) + 1)

    def _again(self, again: Again) -> None:
        task = self.task
        task.memory = {**task.memory, **again.learned}
        task.attempts = task.crashes = 0
        self._note(percent=again.percent)
        self._later(again.seconds, again.message)

    def _wait_for(self, operation: Operation) -> None:
        self.task.operation = operation.id
        self.task.attempts = self.task.crashes = 0
        record = self.task.steps[-1]
        record["operation"] = operation.id
        record.pop("trouble", None)
        self.task.message = operation.message or self.step.label
        self._sleep(self._next_poll())

    def _still_running(self, progress: Progress) -> None:
        if progress.percent is not None:
            self._note(percent=progress.percent)
        self._sleep(self._next_poll())

    def _operation_failed(self, progress: Progress) -> None:
        """Let the step look again: what it wanted may be there, or may be had at a second try."""
        task = self.task
        task.operation = ""
        record = task.steps[-1]
        record["failures"] = record.get("failures", 0) + 1
        keeps_trying = self.is_cleaning or self.step.is_committed
        if record["failures"] >= self.workflow.tries and not keeps_trying:
            self._fail(OperationFailed(progress.detail or "The cloud gave no reason."))
        else:
            task.attempts += 1
            self._later(backoff(task.attempts, self._cap()), progress.detail)

    def _later(self, seconds: float, message: str) -> None:
        if message:
            self.task.message = message
        self._sleep(self.now + timedelta(seconds=seconds))

    def _error(self, error: Exception) -> None:
        task = self.task
        task.attempts += 1
        wait = backoff(task.attempts, self._cap())
        if isinstance(error, CloudBusy | CloudUnreachable):
            wait = max(wait, getattr(error, "retry_after", None) or 0)
        elif self.is_cleaning or self.step.is_committed:
            pass  # what is left behind costs money: keep trying until the deadline
        elif isinstance(error, CloudError) or task.attempts >= self.workflow.tries:
            self._fail(error)
            return
        task.steps[-1]["trouble"] = (str(error), getattr(error, "advice", ""))
        again = self.now + timedelta(seconds=wait)
        self._later(wait, f"{error} Next try at {again:%H:%M:%S} UTC.")

    # Moving on

    def _begin_next(self, index: int) -> None:
        """Begin the first step from ``index`` on that is needed; end the phase when none is."""
        task = self.task
        for step in self.phase[index:]:
            if step.when(task.args, task.memory):
                task.step = step.name
                task.step_started_at = self.now
                task.operation = ""
                task.attempts = task.crashes = 0
                task.message = step.label
                task.next_wake_at = self.now
                task.steps = [*task.steps, self._record(step, "running")]
                self._note()
                return
            task.steps = [*task.steps, self._record(step, "skipped")]
        self._end_phase()

    def _record(self, step: Step, state: str) -> dict[str, Any]:
        record: dict[str, Any] = {"name": step.name, "label": step.label, "state": state}
        if state == "running":
            record["started_at"] = self.now.isoformat()
        if self.is_cleaning:
            record["cleanup"] = True
        return record

    def _close_step(self, state: str, detail: str = "") -> None:
        if not self.task.step:
            return
        record = self.task.steps[-1]
        record["state"] = state
        record["ended_at"] = self.now.isoformat()
        if detail:
            record["detail"] = detail
        self.task.operation = ""

    def _end_phase(self) -> None:
        task = self.task
        ends = {
            State.RUNNING: State.DONE,
            State.FAILING: State.FAILED,
            State.CANCELING: State.CANCELED,
        }
        task.state = ends[State(task.state)]
        task.step, task.operation = "", ""
        task.ended_at = self.now
        if task.state == State.DONE:
            task.percent, task.message = 100, ""

    def _fail(self, error: Exception) -> None:
        task = self.task
        label = task.message
        if task.step:
            label = self.step.label
        self._close_step("failed", str(error))
        is_bug = not isinstance(error, CloudError)
        task.error = f"{label}: {error}" if not is_bug else f"{label}: an internal error occurred."
        task.error_detail = str(error) if not is_bug else f"{type(error).__name__}: {error}"
        task.advice = getattr(error, "advice", "") or _advice(error)
        self._enter_cleanup(State.FAILING)

    def _enter_cleanup(self, state: Task.State) -> None:
        task = self.task
        task.state = state
        task.deadline_at = self.now + self.workflow.cleanup_deadline
        task.operation, task.step = "", ""
        task.attempts = task.crashes = 0
        self._begin_next(0)

    # Time

    def _cap(self) -> float:
        return CLEANUP_BACKOFF_CAP_SECONDS if self.is_cleaning else BACKOFF_CAP_SECONDS

    def _next_poll(self) -> datetime:
        """The next tick of a grid all waiting tasks share, so that they are polled together."""
        grid = self.poll_seconds
        return datetime.fromtimestamp(
            (math.floor(self.now.timestamp() / grid) + 1) * grid, tz=self.now.tzinfo
        )

    def _step_deadline(self) -> datetime:
        """When the step's time is up, never later than the task's own deadline."""
        task, seconds = self.task, self.step.timeout_seconds
        own = None
        if seconds is not None and task.step_started_at:
            own = task.step_started_at + timedelta(seconds=seconds)
        return min(own, task.deadline_at) if own else task.deadline_at

    def _out_of_time(self) -> bool:
        return self.now >= self._step_deadline()

    def _sleep(self, until: datetime) -> None:
        """Wait, unless the step's time is up: then go on without it, or fail."""
        if not self._out_of_time():
            self.task.next_wake_at = min(until, self._step_deadline())
            return
        step, task = self.step, self.task
        if step.may_time_out or self.is_cleaning:
            task.memory = {**task.memory, f"{step.name}_timed_out": True}
            self._close_step("timed out", task.message)
            self._begin_next(self.phase.index(step) + 1)
            return
        seconds = (self.now - (task.step_started_at or self.now)).total_seconds()
        self._fail(CloudError(f"It took longer than {seconds / 60:.0f} minutes. {task.message}"))

    def _note(self, percent: int = 0) -> None:
        """Set the task's percent from the steps done and the present one's own percent."""
        if self.is_cleaning:
            return
        total = sum(step.weight for step in self.workflow.steps)
        ended = {r["name"] for r in self.task.steps if r["state"] not in {"running"}}
        done = sum(step.weight for step in self.workflow.steps if step.name in ended)
        here = self.step.weight * percent / 100 if self.task.step else 0
        self.task.percent = max(self.task.percent, min(99, int(100 * (done + here) / total)))


def _advice(error: Exception) -> str:
    match error:
        case SignInRefused():
            return "Check the user and password of the cloud account, then use Test Connection."
        case NotFound():
            return "It is no longer at the cloud. Synchronise the inventory and look again."
        case OperationFailed() | CloudError():
            return "Mend what the cloud names, then retry."
        case _:
            return "Retry; if it happens again, open a support case with the task's id."
