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
    """Let the cloud's time pass until the operation has ended."""
    for _ in range(looks):
        site.advance(5)
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


def let_pass(site: Site, cloud: Cloud, seconds: float) -> None:
    """Let time pass, and the cloud notice: a lab brings its state up to date when it is called."""
    site.advance(seconds)
    cloud.identify()
