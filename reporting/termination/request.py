"""What staff do: terminate an account, and try again what could not be finished."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from backups.models import Backup, BackupPolicy, Replica, VolumePolicy
from disaster_recovery.disabling import disable
from portal import engine
from portal.audit import Actor, record
from portal.engine import clock
from portal.models import Account, Task
from portal.refusals import Refused
from reporting.models import ApiKey
from reporting.termination.deleting import backups_left, replicas_left

KIND = "terminate_account"


@dataclass(frozen=True)
class Holding:
    """What an account has: machines and volumes here, and what was made of them at the clouds."""

    resources: int
    backups: int
    replicas: int
    active_tasks: int


def holding_of(account: Account) -> Holding:
    """Count it, for the page on which somebody decides."""
    return Holding(
        account.resources.count(),
        backups_left(account).count(),
        replicas_left(account).count(),
        Task.objects.active().filter(account=account).exclude(kind=KIND).count(),
    )


def latest_attempt(account: Account) -> Task | None:
    """The last task that terminates it, if it was asked for."""
    return Task.objects.filter(account=account, kind=KIND).order_by("-created_at").first()


@transaction.atomic
def terminate(actor: Actor, account: Account, *, with_objects: bool) -> Task:
    """Start terminating an account; with ``with_objects``, also what it has at the clouds.

    Schedules, disaster recovery and API keys end at once, and tasks under way are cancelled.
    Raises Refused while that is under way, and when it is done.
    """
    account = Account.objects.select_for_update().get(pk=account.pk)
    if account.terminated_at:
        raise Refused(f"{account} is terminated.")
    if Task.objects.active().filter(account=account, kind=KIND).exists():
        raise Refused(f"{account} is being terminated already.")
    now = clock.now()
    if account.terminating_at is None:
        Account.objects.filter(pk=account.pk).update(terminating_at=now)
        account.terminating_at = now
    if account.dr_enabled:
        disable(actor, account, delete_replicas=False)
    _stop_schedules(account)
    ApiKey.objects.filter(account=account, revoked_at=None).update(revoked_at=now)
    engine.stop_all(Task.objects.active().filter(account=account), now)
    task = engine.start(
        KIND,
        title="Terminate account",
        subject=account.name,
        account=account,
        requested_by=actor.user,
        args={"with_objects": with_objects},
    )
    record(
        actor, "account.terminate", account, result="requested", task=str(task.pk),
        at_the_clouds="deleted" if with_objects else "kept",
        backups=Backup.objects.filter(account=account).ready().count(),
        replicas=Replica.objects.filter(account=account).not_removed().count(),
    )  # fmt: skip
    return task


def _stop_schedules(account: Account) -> None:
    never = {"is_scheduled": False, "next_run_at": None}
    BackupPolicy.objects.filter(resource__account=account).update(**never)
    VolumePolicy.objects.filter(account=account).update(**never)
