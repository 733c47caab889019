"""Test Connection: whether two clusters are Remote Sites of each other, and usable (R122, R123).

Prism has no such call (reference 7): what each cluster says of the other is looked at, and the
ports between them are knocked at. Nothing is changed at either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import ClassVar

from django.db import transaction

from disaster_recovery.configuration import secondary_choices
from disaster_recovery.models import ReadinessCheck
from disaster_recovery.readiness import Finding, Port, of_links
from disaster_recovery.sight import SIGHT, facts_of
from portal import engine
from portal.audit import Actor, record
from portal.engine import clock
from portal.engine.workflow import Learned, Step, Workflow, nothing
from portal.models import Account, CloudAccount, Infrastructure, Task
from portal.refusals import Refused

KIND = "test_remote_sites"
FAILED = ReadinessCheck.State.FAILED


@transaction.atomic
def test_connection(actor: Actor, account: Account, secondary: CloudAccount | None) -> Task:
    """Start testing the Remote Sites of both clusters. Raises Refused.

    ``secondary`` may be chosen before it is saved; without one, that of the account.
    """
    account = Account.objects.select_for_update().get(pk=account.pk)
    secondary = secondary or account.dr_cloud_account
    if account.infrastructure != Infrastructure.AHV:
        raise Refused("Only AHV clusters have Remote Sites.")
    if account.cloud_account is None:
        raise Refused("This account has no cloud account yet.")
    if secondary is None:
        raise Refused("Choose a backup cloud account first.")
    if actor.user and not secondary_choices(actor.user, account).filter(pk=secondary.pk).exists():
        raise Refused("Choose a cloud account of the list.")
    if Task.objects.active().filter(account=account, kind=KIND).exists():
        raise Refused("Test Connection is running already.")
    task = engine.start(
        KIND,
        title="Test Connection of Remote Sites",
        subject=account.name,
        account=account,
        cloud_account=account.cloud_account,
        other_cloud_account=secondary,
        requested_by=actor.user,
        args={"site": "", "primary_site": account.site},
    )
    record(
        actor, "recovery.test", account, result="requested", cloud_account=secondary.name,
        task=str(task.pk),
    )  # fmt: skip
    return task


def _judge(task: Task, learned: Learned) -> Learned:
    primary, secondary = (facts_of(task.memory[site]) for site in ("primary", "secondary"))
    ports = [Port(**port) for port in task.memory.get("ports", [])]
    found = of_links(primary, secondary, ports)
    _renew(task, found)
    return {"found": [asdict(each) for each in found]}


def _renew(task: Task, found: Sequence[Finding]) -> None:
    """What the checks say of the same sites is not left older than this."""
    on = Account.objects.filter(dr_enabled=True, dr_cloud_account=task.other_cloud_account)
    same = on.filter(tasks=task)
    for each in found:
        ReadinessCheck.objects.filter(account__in=same, key=each.key).update(
            title=each.title, state=each.state, measured=each.measured, advice=each.advice,
            checked_at=clock.now(),
        )  # fmt: skip


@engine.register
class CheckRemoteSites(Workflow):
    """It is done when it has an answer, whatever that is; a person is waiting."""

    kind = KIND
    steps: ClassVar[tuple[Step, ...]] = (
        *SIGHT,
        Step("judge", "Judge both Remote Sites", nothing, save=_judge, is_local=True),
    )
    deadline = timedelta(minutes=3)

    def retry(self, task: Task, actor: Actor) -> Task | None:
        if task.account is None:
            return None
        return test_connection(actor, task.account, task.other_cloud_account)


@dataclass(frozen=True)
class Result:
    """The latest Test Connection of an account that has ended; each direction has a line."""

    task: Task
    lines: tuple[Finding, ...]

    @property
    def has_passed(self) -> bool:
        return bool(self.lines) and all(line.state != FAILED for line in self.lines)

    @property
    def word(self) -> str:
        return "passed" if self.has_passed else "failed"

    @property
    def to(self) -> str:
        return str(self.task.other_cloud_account)


def latest_result(account: Account) -> Result | None:
    """Pass or fail with time and detail (R122); None before the first."""
    ended = Task.objects.filter(
        account=account, kind=KIND, state__in=(Task.State.DONE, Task.State.FAILED)
    )
    task = ended.select_related("other_cloud_account").order_by("-ended_at", "-created_at").first()
    if task is None:
        return None
    return Result(task, tuple(Finding(**each) for each in task.memory.get("found", [])))
