"""How a task stands, in the words of every page that shows it: a row, the widget, the overview.

A task that starts others is one row: what it says is how they stand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from disaster_recovery.many import KIND as REPLICATE_MANY
from portal.models import Task
from portal.templatetags.ui import TASK_LOOK, UNKNOWN, Look, duration
from reporting.post_session import KIND as POST_SESSION
from reporting.words import SKIPPED
from volumes.services import KIND, Tally, skipped_of, tallies_of, time_left

State = Task.State
_ERROR_LENGTH = 120


def starts_others(task: Task) -> bool:
    """Whether the task starts a task for each of many."""
    return task.kind in {KIND, POST_SESSION, REPLICATE_MANY}


@dataclass(frozen=True)
class Standing:
    """A task, and how those that it started stand; without ``tally`` it is one of its own."""

    task: Task
    tally: Tally | None = None

    @property
    def percent(self) -> int:
        return self.tally.percent if self.tally else self.task.percent

    @property
    def look(self) -> Look:
        """Colour and shape: amber when a part of many has failed or was left out (R160)."""
        tally = self.tally
        if tally is None or self.task.state != State.DONE:
            return TASK_LOOK.get(self.task.state, UNKNOWN)
        if tally.failed and not tally.done:
            return TASK_LOOK[State.FAILED]
        if tally.failed or self.skipped:
            return Look("warn", "alert")
        return TASK_LOOK[State.DONE]

    @property
    def word(self) -> str:
        """The state, or what stands for it: ``7 of 12 done``, ``Done, 2 failed``."""
        tally = self.tally
        if tally and self.task.state == State.RUNNING:
            return f"{tally.done:,} of {tally.total:,} done"
        if tally and self.task.state == State.DONE and tally.failed:
            if tally.done:
                return f"Done, {tally.failed:,} failed"
            return f"All {tally.failed:,} failed" if tally.failed > 1 else "Failed"
        return self.task.get_state_display()

    @property
    def note(self) -> str:
        """What is worth a second line, or ""."""
        task = self.task
        if task.state == State.QUEUED:
            return ""
        said = [_cut(task.error)] if task.state == State.FAILED and task.error else []
        if self.tally:
            said += self._numbers(self.tally)
        elif task.is_active and task.message:
            said.append(task.message)
        return " · ".join(said)

    def _numbers(self, tally: Tally) -> Iterator[str]:
        is_said = self.task.state == State.RUNNING or tally.done in {0, tally.total}
        if not is_said:
            yield f"{tally.done:,} of {tally.total:,} done"
        if tally.failed and self.task.state != State.DONE:
            yield f"{tally.failed:,} failed"
        if tally.canceled:
            yield f"{tally.canceled:,} canceled"
        if self.waiting:
            yield f"{self.waiting:,} waiting"
        if self.skipped:
            yield f"{self.skipped:,} skipped"
        if self.left:
            yield f"about {self.left} left"

    @property
    def waiting(self) -> int:
        """How many have not begun, those among them that are still to be started."""
        tally = self.tally
        if tally is None or not self.task.is_active:
            return 0
        return max(0, tally.total - tally.ended - tally.running)

    @property
    def failed(self) -> int:
        return self.tally.failed if self.tally else 0

    @property
    def has_begun(self) -> bool:
        """Whether there is one to show of those it starts."""
        tally = self.tally
        return tally is not None and tally.waiting + tally.running + tally.ended > 0

    @property
    def left(self) -> str:
        """How long it should still take, or "" while that is not known."""
        if self.tally is None or self.task.state != State.RUNNING:
            return ""
        span = time_left(self.task, self.tally)
        return duration(span) if span else ""

    @property
    def skipped(self) -> int:
        """How many were left out."""
        return skipped_of(self.task) if self.tally else 0

    @property
    def reasons(self) -> list[str]:
        """Why some were left out, each with how many."""
        memory = self.task.memory
        return [f"{memory[name]:,} {why}" for name, why in SKIPPED.items() if memory.get(name)]


def _cut(text: str) -> str:
    return text if len(text) <= _ERROR_LENGTH else f"{text[: _ERROR_LENGTH - 1]}…"


def standings_of(tasks: Sequence[Task]) -> list[Standing]:
    """How these stand; those that start others cost one query, however many they are."""
    tallies = tallies_of([task for task in tasks if starts_others(task)])
    return [Standing(task, tallies.get(task.pk)) for task in tasks]


def standing_of(task: Task) -> Standing:
    """How one task stands."""
    return standings_of([task])[0]
