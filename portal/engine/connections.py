"""One driver per cloud account and runner, kept alive; and what its answers say of its health."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from portal.clouds import connect
from portal.clouds.api import (
    Cloud,
    CloudBusy,
    CloudError,
    CloudUnreachable,
    Connection,
    SignInRefused,
)
from portal.clouds.guard import WrongPlace
from portal.endpoints import objection_to
from portal.engine.clock import Clock
from portal.engine.course import Event
from portal.engine.workflow import registry
from portal.models import CloudAccount, Task

Health = CloudAccount.Health
# An account that keeps answering has that written down no more often than this.
ANSWER_SECONDS = 60


def place_of(task: Task) -> UUID | None:
    """The cloud account at which the task's present step runs, if any."""
    workflow = registry.workflows[task.kind]
    step = workflow.find(task.step) if workflow.has(task.step) else None
    if step is not None and step.is_local:
        return None
    is_elsewhere = step is not None and step.is_elsewhere
    return task.other_cloud_account_id if is_elsewhere else task.cloud_account_id


class Connections:
    """Drivers by cloud account. Used by the runner's own thread; the drivers by all."""

    def __init__(self, clock: Clock) -> None:
        self._seconds = lambda: clock.now().timestamp()
        self._accounts: dict[UUID, CloudAccount] = {}
        self._clouds: dict[UUID, tuple[Connection, Cloud]] = {}
        self._noted: dict[UUID, Event] = {}

    def refresh(self, tasks: Iterable[Task], now: datetime) -> None:
        """Read the cloud accounts of these tasks anew; credentials may have changed."""
        wanted = {
            pk
            for task in tasks
            for pk in (task.cloud_account_id, task.other_cloud_account_id)
            if pk
        }
        for account in CloudAccount.objects.filter(pk__in=wanted):
            self._accounts[account.pk] = account
            # A name may stand for another machine than when it was saved.
            connection = replace(account.connection(), objection=objection_to)
            held = self._clouds.get(account.pk)
            if held is None or held[0] != connection:
                # A replaced driver is left to the calls still in flight on it.
                self._clouds[account.pk] = (connection, connect(connection, self._seconds))

    def cloud(self, task: Task) -> Cloud:
        """Return the driver of the task's step; a task without a cloud account must not use it."""
        place = place_of(task)
        if place is None:
            return cast(Cloud, None)
        return self._clouds[place][1]

    def note(self, task: Task, event: Event, now: datetime) -> None:
        """Remember what an answer says of the cloud account, until `write_health`."""
        if place := place_of(task):
            self._noted[place] = event

    def write_health(self, now: datetime) -> None:
        """Write what changed: reachable or not, and until when it asked to be left alone."""
        for pk, event in self._noted.items():
            account = self._accounts[pk]
            if isinstance(event, CloudBusy) and event.retry_after:
                until = now + timedelta(seconds=event.retry_after)
                CloudAccount.objects.filter(pk=pk).update(busy_until=until)
            health, detail = _health(event)
            is_stale = (
                account.last_answer_at is None
                or (now - account.last_answer_at).total_seconds() > ANSWER_SECONDS
            )
            if health != account.health:
                account.health, account.health_changed_at = health, now
            elif detail == account.health_detail and (not is_stale or health != Health.REACHABLE):
                continue
            account.health_detail = detail
            if health == Health.REACHABLE:
                account.last_answer_at = now
            account.save(
                update_fields=["health", "health_detail", "health_changed_at", "last_answer_at"]
            )
        self._noted = {}

    def close(self) -> None:
        """Close every driver's connections."""
        for _, cloud in self._clouds.values():
            cloud.close()
        self._clouds.clear()


def _health(event: Event) -> tuple[CloudAccount.Health, str]:
    if isinstance(event, CloudUnreachable | WrongPlace):
        return Health.UNREACHABLE, str(event)
    if isinstance(event, SignInRefused):
        return Health.REFUSED, str(event)
    if isinstance(event, CloudError):
        return Health.REACHABLE, ""
    return Health.REACHABLE, ""
