"""Replication: a copy of each backup at the secondary site.

One of a resource travels at a time, in order of creation: Azure refuses anything else, and a
cluster sends the snapshots of a protection domain one after the other anyway. A link that is
down is waited for; the deadline is days away.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from backups import after_session, retention
from backups.master_images import KIND as MASTER_IMAGE
from backups.models import Backup, Replica, note_replication
from backups.publish import JOINED, PLAIN
from backups.replicas import REMOVE_REPLICAS, mark_of
from disaster_recovery import services
from portal import engine
from portal.clouds.api import Copy, NeverArrived, NotFound, Operation, Sent, Target
from portal.engine import clock
from portal.engine.workflow import Again, Job, Learned, Step, Workflow, nothing
from portal.models import Task
from portal.notify import Kind, Level, tell

if TYPE_CHECKING:
    from portal.audit import Actor

TURN_SECONDS = 15


def _await_turn(task: Task, learned: Learned) -> Learned | Again:
    """Let the replications of earlier backups of the same resource go first."""
    replica = Replica.objects.select_related("backup").get(task=task)
    before = Replica.objects.filter(
        backup__resource=task.resource_id,
        status=Replica.Status.IN_PROGRESS,
        created_at__lt=replica.created_at,
    ).count()
    if before:
        message = f"Waits for {before} earlier backup{'s' if before > 1 else ''}"
        return Again({}, TURN_SECONDS, message=message)
    Replica.objects.filter(pk=replica.pk).update(started_at=clock.now())
    return {}


def _target(job: Job) -> Target:
    to = job.args["to"]
    return Target(site=to["site"], link=to["link"], anew=job.args["is_again"])


def _send(job: Job) -> Operation | Learned:
    target = _target(job)
    if _is_lost(job.args, job.memory):
        target = replace(target, anew=True)
    try:
        answer = job.cloud.ensure_sent(job.args["copy"], job.token, mark_of(job), target)
    except NotFound as error:
        raise NotFound(
            "The backup is no longer at the primary site, so it cannot be replicated.",
            advice="Create a new backup; delete this one from the list.",
        ) from error
    if isinstance(answer, Sent):
        return {"sent": answer.id, "bytes": answer.size_bytes, "is_tidy": answer.is_tidy}
    return answer


def _receive(job: Job) -> Operation | Learned:
    try:
        answer = job.cloud.ensure_received(job.memory["sent"], job.token, mark_of(job))
    except NeverArrived:
        if _is_lost(job.args, job.memory):
            raise
        return {"lost": job.memory["sent"]}
    return {"replica": answer.id} if isinstance(answer, Copy) else answer


def _is_lost(args: Learned, memory: Learned) -> bool:
    """A cluster may show one that broke off as sent, once a later one has gone."""
    return "lost" in memory


def _check(job: Job) -> Learned:
    """Good is what was found complete at the secondary site itself."""
    return {"size": job.cloud.find_received(job.memory["replica"]).size_bytes}


def _save_done(task: Task, learned: Learned) -> Learned:
    """Write that the replica can be restored from; what follows only tidies."""
    replica = Replica.objects.select_related("backup").get(task=task)
    Replica.objects.filter(pk=replica.pk).update(
        status=Replica.Status.DONE,
        external_id=task.memory["replica"],
        sent_id=task.memory["sent"],
        sent_bytes=task.memory["bytes"] or learned["size"],
        completed_at=clock.now(),
    )
    note_replication(replica.backup, Replica.Status.DONE)
    return learned


def _is_untidy(args: Learned, memory: Learned) -> bool:
    return not memory.get("is_tidy")


def _tidy(job: Job) -> Operation | None:
    return job.cloud.ensure_sending_tidied(job.token, mark_of(job))


def _stop_sending(job: Job) -> Operation | Learned:
    """First, and what has left is remembered: after the clean-up here nothing would tell."""
    if "send" not in job.begun:
        return {}
    sent = job.cloud.ensure_not_sending(job.args["copy"], job.token, _target(job))
    if isinstance(sent, Operation):
        return sent
    return {"sent": job.memory.get("sent") or sent}


def _take_back_received(job: Job) -> Operation | None:
    if "send" not in job.begun:
        return None
    return job.cloud.ensure_not_received(
        job.token, mark_of(job), job.memory.get("replica", ""), job.memory.get("sent", "")
    )


def _take_back_sent(job: Job) -> Operation | None:
    if "send" not in job.begun:
        return None
    return job.cloud.ensure_not_sent(job.args["copy"], job.token, mark_of(job))


def _may_arrive_late(args: Learned, memory: Learned) -> bool:
    """What waited for its turn or the link could leave until what it was sent by was removed."""
    return bool(memory.get("sent")) and not memory.get("replica")


@engine.register
class ReplicateBackup(Workflow):
    """Send it, receive it, check it there; then remove the replica it replaces."""

    kind = services.KIND
    steps: ClassVar[tuple[Step, ...]] = (
        Step("turn", "Wait for its turn", nothing, save=_await_turn, is_local=True),
        Step("send", "Send the backup to the secondary site", _send, weight=12),
        Step("receive", "Receive it there", _receive, weight=2, is_elsewhere=True),
        Step("send_anew", "Send it anew", _send, when=_is_lost, weight=12),
        Step("receive_anew", "Receive it there", _receive, when=_is_lost, is_elsewhere=True),
        Step("check", "Check the replica", _check, save=_save_done, is_elsewhere=True),
        REMOVE_REPLICAS,
        Step(
            "tidy",
            "Remove what was needed to send it",
            _tidy,
            when=_is_untidy,
            is_committed=True,
        ),
    )
    cleanup: ClassVar[tuple[Step, ...]] = (
        Step("stop_sending", "Stop sending", _stop_sending),
        Step(
            "take_back_received",
            "Remove the incomplete replica",
            _take_back_received,
            is_elsewhere=True,
        ),
        Step("take_back_sent", "Remove what was made to send it", _take_back_sent),
        Step(
            "take_back_late",
            "Remove what has arrived meanwhile",
            _take_back_received,
            when=_may_arrive_late,
            is_elsewhere=True,
        ),
    )
    # An outage of the link may last; nobody has to press anything when it is over.
    deadline = timedelta(days=3)

    def may_cancel(self, task: Task) -> bool:
        return super().may_cancel(task) and "size" not in task.memory

    def done(self, task: Task) -> None:
        if task.origin == Task.Origin.PERSON and task.account:
            title = f"Backup of {task.resource} replicated"
            tell(task.account, Level.INFO, title, task.subject, kind=Kind.REPLICATION, task=task)

    def failed(self, task: Task) -> None:
        replica = Replica.objects.select_related("backup").get(task=task)
        if replica.status == Replica.Status.DONE:
            # It is complete; something it replaced is left over. The error says what.
            self._tell(task, f"After the replication of {task.resource} something is left")
            return
        # Once sent by its own backup it may still arrive: the id is kept for the deletion.
        Replica.objects.filter(pk=replica.pk).update(
            status=Replica.Status.FAILED,
            sent_id=task.memory.get("sent", ""),
            completed_at=clock.now(),
            error=task.error or "It was cancelled.",
        )
        note_replication(replica.backup, Replica.Status.FAILED)
        if task.state == Task.State.FAILED:
            self._tell(task, f"Replication of {task.resource} failed")

    @staticmethod
    def _tell(task: Task, title: str) -> None:
        if task.account is None:
            raise ValueError(f"task {task.pk} of a backup has no account")
        body = f"“{task.subject}”: {task.error} {task.advice}"
        tell(task.account, Level.ERROR, title, body, kind=Kind.REPLICATION, task=task)

    def retry(self, task: Task, actor: Actor) -> Task | None:
        backup = Backup.objects.select_related("resource", "account").get(pk=task.args["backup"])
        return services.replicate_backup(actor, backup).task


_MAKING = ("create_backup", "create_volume_backup", after_session.KIND, MASTER_IMAGE, PLAIN, JOINED)
for _kind in _MAKING:
    engine.after(_kind, services.replicate_after)
engine.after(services.KIND, retention.trim_after_replication)
