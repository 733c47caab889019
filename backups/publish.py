"""Publishing the Sandbox: clone, generalize where Windows needs it, back the clone up (R012-R016).

The backup holds the clone, so what is kept is the image as it was published. The order is
clone, sysprep, backup; an account that is not domain-joined has no step for sysprep (R014).
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.db import transaction

from backups import retention, services
from backups.models import Backup
from backups.replicas import mark_of
from backups.workflows import (
    AWAIT_GUEST,
    CHECK,
    LOOK,
    POWER_BACK,
    POWER_OFF,
    POWER_ON,
    REMOVE_COPY,
    SHUT_DOWN,
    CreateBackup,
)
from portal import engine
from portal.audit import Actor, record
from portal.clouds.api import Clone, Copy, Operation
from portal.clouds.kinds import can_generalize
from portal.engine import clock
from portal.engine.workflow import Job, Learned, Step
from portal.models import Resource, Task
from portal.refusals import Refused

# Sysprep of a large image takes minutes; one that takes longer than this hangs.
SYSPREP_SECONDS = 3600
PLAIN, JOINED = "publish_sandbox", "publish_joined_sandbox"


def publish_hindrance(sandbox: Resource) -> str:
    """Why the account's Sandbox cannot be published as things are set up, or ""."""
    if sandbox.kind != Resource.Kind.SANDBOX:
        return "Only a Sandbox can be published."
    cloud = sandbox.cloud_account
    if sandbox.account.is_domain_joined and not can_generalize(cloud.kind, cloud.secrets or {}):
        return (
            "This account is domain-joined, so publishing runs sysprep: "
            "its cloud account needs a guest agent gateway."
        )
    return ""


@transaction.atomic
def publish_sandbox(
    actor: Actor, sandbox: Resource, *, may_power_off: bool, origin: str | None = None
) -> Backup:
    """Start publishing. Raises Refused, Busy and PowerOffNotAccepted among them.

    The backup counts towards neither the manual nor the scheduled number (R018).
    """
    if hindrance := publish_hindrance(sandbox):
        raise Refused(hindrance)
    services.require_reachable(sandbox)
    services.require_consent(sandbox, may_power_off=may_power_off)
    account = sandbox.account
    local = clock.now().astimezone(account.zone)
    day = f"{local.day} {local:%b %Y, %H:%M}"
    backup = Backup.of(
        sandbox,
        name=f"Publish {day}",
        type=Backup.Type.PUBLISH,
        site=account.site,
        is_generalized=account.is_domain_joined,
    )
    task = engine.start(
        JOINED if account.is_domain_joined else PLAIN,
        title="Publish Sandbox",
        subject=day,
        account=account,
        cloud_account=sandbox.cloud_account,
        resource=sandbox,
        exclusive=True,
        maintenance=True,
        origin=origin,
        requested_by=actor.user,
        args=services.args_of(sandbox, backup, may_power_off=may_power_off),
    )
    backup.task = task
    backup.created_at = task.created_at
    backup.insert()
    record(
        actor, "sandbox.publish", sandbox, result="requested", backup=str(backup.pk),
        name=backup.name, task=str(task.pk),
    )  # fmt: skip
    return backup


def _clone(job: Job) -> Operation | Learned:
    answer = job.cloud.ensure_clone(job.args["server"], job.token, mark_of(job))
    return {"clone": answer.id} if isinstance(answer, Clone) else answer


def _generalize(job: Job) -> Operation | None:
    return job.cloud.ensure_generalized(job.memory["clone"], job.token)


def _copy_clone(job: Job) -> Operation | Learned:
    answer = job.cloud.ensure_clone_copy(job.memory["clone"], job.token, mark_of(job))
    return {"copy": answer.id} if isinstance(answer, Copy) else answer


def _drop_clone(job: Job) -> Operation | None:
    return job.cloud.ensure_no_clone(job.token)


def _remove_clone(job: Job) -> Operation | None:
    return job.cloud.ensure_no_clone(job.token) if "clone" in job.begun else None


CLONE = Step("clone", "Clone the Sandbox", _clone, weight=4)
GENERALIZE = Step(
    "generalize",
    "Generalize the clone (sysprep)",
    _generalize,
    weight=6,
    timeout_seconds=SYSPREP_SECONDS,
)
BACK_UP = Step("copy", "Back up the clone", _copy_clone, weight=4)
DROP_CLONE = Step("drop_clone", "Remove the working clone", _drop_clone, is_committed=True)


@engine.register
class PublishSandbox(CreateBackup):
    """Off, clone, on again, back the clone up, drop it."""

    kind = PLAIN
    steps: ClassVar[tuple[Step, ...]] = (
        LOOK,
        SHUT_DOWN,
        POWER_OFF,
        CLONE,
        POWER_ON,
        BACK_UP,
        CHECK,
        DROP_CLONE,
    )
    cleanup: ClassVar[tuple[Step, ...]] = (
        AWAIT_GUEST,
        POWER_BACK,
        REMOVE_COPY,
        Step("remove_clone", "Remove the working clone", _remove_clone),
    )
    deadline = timedelta(hours=12)

    def retry(self, task: Task, actor: Actor) -> Task | None:
        if task.resource is None:
            return None
        return publish_sandbox(actor, task.resource, may_power_off=task.args["may_power_off"]).task


@engine.register
class PublishJoinedSandbox(PublishSandbox):
    """The same with sysprep between clone and backup (R013)."""

    kind = JOINED
    steps: ClassVar[tuple[Step, ...]] = (
        LOOK, SHUT_DOWN, POWER_OFF, CLONE, POWER_ON, GENERALIZE, BACK_UP, CHECK, DROP_CLONE,
    )  # fmt: skip


for _kind in (PLAIN, JOINED):
    engine.after(_kind, retention.trim_after)
