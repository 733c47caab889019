"""Removing what protects desktops and volumes for good at the clouds (AHV: protection domains).

It stays when their backups are deleted (R083), and has no use once the account is gone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.db.models import Q

from backups.models import Replica
from portal import engine
from portal.clouds.api import CloudRefused, Operation
from portal.engine.workflow import Again, Job, Learned, Step, Workflow
from portal.models import Account, CloudAccount, Resource, Task
from reporting.termination.deleting import LOOK_SECONDS, account_of

KIND = "remove_protection"
PORTION = 200


def _remove(job: Job) -> Operation | None:
    return job.cloud.ensure_unprotected(job.args["resources"])


@engine.register
class RemoveProtection(Workflow):
    """Of some resources, at one cloud account."""

    kind = KIND
    steps: ClassVar[tuple[Step, ...]] = (
        Step("remove", "Remove protection domains", _remove, is_committed=True),
    )
    deadline = timedelta(minutes=30)


def unprotect(task: Task, learned: Learned) -> Learned | Again:
    """Start the removals at every site of the account, then wait for them."""
    account = account_of(task)
    begun = task.children.filter(kind=KIND)
    if not task.memory.get("is_unprotecting"):
        for cloud_account in _sites(account):
            _begin(task, account, cloud_account)
        return Again({"is_unprotecting": True})
    if begun.filter(state__in=Task.ACTIVE).exists():
        return Again({}, LOOK_SECONDS, message="Protection domains are being removed")
    failed = begun.filter(state__in=(Task.State.FAILED, Task.State.CANCELED))
    return {"protected": [f"{each.cloud_account}: {each.error}" for each in failed]}


def _sites(account: Account) -> list[CloudAccount]:
    """Cloud accounts at which something of it may be protected."""
    first = Resource.objects.filter(account=account).values("cloud_account")
    second = Replica.objects.filter(account=account).values("cloud_account")
    there = Q(pk__in=first) | Q(pk__in=second) | Q(pk=account.dr_cloud_account_id)
    return list(CloudAccount.objects.filter(there).order_by("pk"))


def _begin(task: Task, account: Account, cloud_account: CloudAccount) -> None:
    # Servers are copied as they are.
    kinds = Resource.VOLUME_KINDS
    rows = Resource.objects.filter(account=account, kind__in=kinds).order_by("pk")
    keys = [str(pk) for pk in rows.values_list("pk", flat=True)]
    for at in range(0, len(keys), PORTION):
        engine.start(
            KIND,
            title="Remove protection domains",
            subject=account.name,
            account=account,
            cloud_account=cloud_account,
            parent=task,
            origin=Task.Origin.SYSTEM,
            args={"resources": keys[at : at + PORTION]},
        )


def require_unprotected(job: Job) -> Learned:
    """The account stays as long as something of it does."""
    if left := job.memory.get("protected"):
        raise CloudRefused(
            f"Protection domains could not be removed. {' '.join(left)}",
            advice="Mend what is named, then terminate the account again: it goes on from there.",
        )
    return {}
