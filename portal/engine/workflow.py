"""What a workflow is made of: `Step`, `Job`, `Workflow`, and their registry.

A workflow is a kind of Task: steps towards the goal, steps that clean up after a
failure or a cancel, and what to write down when it has ended. Steps know no
model; the hooks that write run in the runner's own thread, in the transaction
that also writes the task's new state, so that both happen or neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from portal.clouds.api import Cloud, Operation

if TYPE_CHECKING:
    from portal.audit import Actor
    from portal.models import Task

Learned = Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """What a step may know. Everything in ``args`` and ``memory`` is plain JSON."""

    token: str
    args: Learned
    memory: Learned
    cloud: Cloud
    begun: frozenset[str]


class Later(Exception):
    """Raised by a step that must look again in ``seconds``, with no operation to wait for."""

    def __init__(self, seconds: float, message: str = "") -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True)
class Again:
    """What `Step.save` answers to keep its learning and have the step run again in ``seconds``.

    For work in portions, and for waiting on rows of our own. ``percent`` is of the step.
    """

    learned: Learned
    seconds: float = 0
    percent: int = 0
    message: str = ""


Reach = Callable[[Job], Operation | Learned | None]
Save = Callable[["Task", Learned], Learned | Again | None]


def always(job_args: Learned, memory: Learned) -> bool:
    """The default of `Step.when`: the step is always needed."""
    return True


def nothing(job: Job) -> Learned:
    """The `Step.reach` of a step whose work is on rows of our own: threads do not touch those.

    What it does is in ``save``.
    """
    return {}


@dataclass(frozen=True)
class Step:
    """One line of the task's page.

    ``reach`` runs in a thread and may be called any number of times: it looks at
    the cloud, moves it towards the goal and answers an Operation to wait for, or,
    with the goal reached, what was learned. ``save`` then runs in the runner's
    thread inside the transaction that records the step; what it returns is
    remembered instead, or `Again` keeps the task in the step. ``timeout_seconds`` counts
    from the step's first run; with ``may_time_out`` the task goes on to the next step,
    else it fails.
    ``is_elsewhere`` steps run at the task's other cloud account, the secondary;
    ``is_local`` ones at none. Of ``is_all_saved`` ones all the work is in ``save``: the portions of
    such a step follow one another without a turn of the runner between them.
    ``is_committed`` steps stand past the point of no return: the task can no longer
    be cancelled, and a refusal is tried again until the deadline.
    """

    name: str
    label: str
    reach: Reach
    save: Save | None = None
    when: Callable[[Learned, Learned], bool] = always
    weight: int = 1
    timeout_seconds: float | None = None
    may_time_out: bool = False
    is_committed: bool = False
    is_elsewhere: bool = False
    is_local: bool = False
    is_all_saved: bool = False


@dataclass
class Workflow:
    """Base of all kinds of Task. Subclasses set the class attributes and override the hooks."""

    kind: ClassVar[str]
    steps: ClassVar[tuple[Step, ...]]
    cleanup: ClassVar[tuple[Step, ...]] = ()
    deadline: ClassVar[timedelta] = timedelta(hours=12)
    cleanup_deadline: ClassVar[timedelta] = timedelta(hours=24)
    # An operation that failed, or a step that broke, is tried once more before the task fails.
    tries: ClassVar[int] = 2

    def done(self, task: Task) -> None:
        """Write down success. Same transaction as the task's end."""

    def failed(self, task: Task) -> None:
        """Write down failure or cancel (``task.state`` says which), after the clean-up."""

    def may_cancel(self, task: Task) -> bool:
        """Whether stopping it now can still leave things as they were."""
        return not (task.step and self.find(task.step).is_committed)

    def retry(self, task: Task, actor: Actor) -> Task | None:
        """Start the same thing again; None where that cannot help."""
        return None

    def has(self, name: str) -> bool:
        """Whether a step of that name exists; a release may have dropped it."""
        return any(step.name == name for step in (*self.steps, *self.cleanup))

    def find(self, name: str) -> Step:
        """Return the step of that name, of either phase; KeyError when there is none."""
        for step in (*self.steps, *self.cleanup):
            if step.name == name:
                return step
        raise KeyError(f"workflow {self.kind} has no step {name}")


@dataclass(frozen=True)
class Follower:
    """What follows a kind of task; ``however`` it ends, or only when it is done."""

    follow: Callable[[Task], None]
    however: bool


@dataclass
class Registry:
    """Workflows by kind, and what other apps want to follow them with."""

    workflows: dict[str, Workflow] = field(default_factory=dict)
    followers: dict[str, list[Follower]] = field(default_factory=dict)

    def register(self, workflow: type[Workflow]) -> type[Workflow]:
        """Make a kind of Task known. Use as a class decorator."""
        self.workflows[workflow.kind] = workflow()
        return workflow

    def after(self, kind: str, follow: Callable[[Task], None], *, however: bool = False) -> None:
        """Call ``follow(task)`` in the transaction in which a task of this kind is done.

        With ``however``, also when it failed or was cancelled. The task has ended by then:
        what it kept busy is free for another.
        """
        self.followers.setdefault(kind, []).append(Follower(follow, however))

    def following(self, kind: str, *, is_done: bool) -> Iterator[Callable[[Task], None]]:
        """Who follows a task of this kind after such an end, in order of registration."""
        for follower in self.followers.get(kind, ()):
            if is_done or follower.however:
                yield follower.follow


registry = Registry()
