"""Ways to carry a verb to its goal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from portal.clouds import connect
from portal.clouds.api import (
    Cloud,
    CloudBusy,
    CloudUnreachable,
    Connection,
    Mark,
    Operation,
    Progress,
)
from tests.contract.sites import Site
from tests.matrix.strides import is_whole

# Of five seconds each.
LONGEST_LOOK = 12
FAULTS = ("drop_before", "drop_after", "expired_session", "task_failed")
# Far above what any verb needs.
MANY = 200
MARK = Mark("account-1", "resource-1", "backup-1", "task-1", "M")
T = TypeVar("T")


class OperationFailed(Exception):
    """The operation of a verb failed at the cloud."""


@contextmanager
def connected(connection: Connection) -> Iterator[Cloud]:
    """A driver of its own, as another process would have it."""
    cloud = connect(connection)
    try:
        yield cloud
    finally:
        cloud.close()


def carry(site: Site, cloud: Cloud, verb: Callable[[Cloud], Operation | T], turns: int = 40) -> T:
    """Ask, wait for the operation, ask again, until the goal is reached."""
    for _ in range(turns):
        answer = verb(cloud)
        if not isinstance(answer, Operation):
            return answer
        wait(site, cloud, answer)
    raise AssertionError(f"not reached after {turns} operations")


def wait(site: Site, cloud: Cloud, operation: Operation, looks: int = 60) -> None:
    """Let the cloud's time pass until the operation has ended; look ever less often."""
    for look in range(looks):
        site.advance(5 * min(1 + look, LONGEST_LOOK))
        progress = cloud.progress([operation.id])[operation.id]
        if progress.state == Progress.FAILED:
            raise OperationFailed(progress.detail)
        if progress.state == Progress.DONE:
            return
    raise AssertionError(f"{operation} did not end")


def insist(site: Site, verb: Callable[[Cloud], Operation | T]) -> T:
    """Carry it like a worker that is restarted after each trouble: with a new driver each time."""
    for _ in range(10):
        with connected(site.connection) as cloud:
            try:
                return carry(site, cloud, verb)
            except (CloudBusy, CloudUnreachable, OperationFailed):
                site.advance(1)
    raise AssertionError("ten troubles, though only one was made")


def calls_struck(*counts: int, every: int = 3) -> range:
    """Which calls a trouble strikes in turn: every third, or with STANDBY_MATRIX=all each.

    ``counts`` tell the cases of a test apart, so that together they strike every call.
    """
    return range(MANY) if is_whole() else range(sum(counts) % every, MANY, every)


def let_pass(site: Site, cloud: Cloud, seconds: float) -> None:
    """Let time pass, and the cloud notice: a lab brings its state up to date when it is called."""
    site.advance(seconds)
    cloud.identify()
