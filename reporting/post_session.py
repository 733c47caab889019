"""Backups after sessions: what a user had open is backed up when the session is closed (R131).

One task for each session that was closed starts a backup of each of its resources, and waits
for those that are busy. A disconnect is no end: the user may come back.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from django.db import transaction

from backups import after_session
from disaster_recovery.models import RecoverySettings
from portal import engine
from portal.engine import clock
from portal.engine.workflow import Again, Learned, Step, Workflow, nothing
from portal.models import Account, Resource, Task, User
from portal.notify import Kind, Level, tell
from portal.refusals import Refused
from reporting import waits
from reporting.models import Session
from volumes.services import tally_of

if TYPE_CHECKING:
    from portal.audit import Actor

KIND = "post_session_backup"
BUSY_SECONDS, LOOK_SECONDS = 15, 15
# What is busy for longer is told, and left out.
BUSY_AT_MOST = timedelta(hours=1)
VOLUMES = (Resource.Kind.ENTERPRISE_PROFILE, Resource.Kind.PERSONAL_DRIVE)


def begin(session: Session) -> Task | None:
    """Start the backups that the account wants after this session, in the caller's transaction.

    None: it wants none, or nothing of the session's lasts.
    """
    account = session.account
    settings = RecoverySettings.of(account)
    if not account.dr_enabled or not settings.post_session_backup:
        return None
    resources = _resources_of(session)
    if not resources:
        return None
    if session.close_reason == Session.CloseReason.VM_LOST:
        names = ", ".join(str(each) for each in resources)
        title = f"No backup after a session of {session.user_name}"
        body = f"Its machine was lost, so {names} was left as it is. Look at it at the cloud."
        tell(account, Level.WARNING, title, body, kind=Kind.SESSION)
        return None
    return _start(
        account,
        {
            "session": str(session.pk),
            "user": session.user_name,
            "stops_server": settings.stops_server,
            "resources": [str(each.pk) for each in resources],
        },
    )


def _start(account: Account, args: dict[str, Any], by: User | None = None) -> Task:
    """Each begins at once where nothing hinders: who comes back now must find it busy (R166)."""
    task = engine.start(
        KIND,
        title="Backup after session",
        subject=args["user"],
        account=account,
        requested_by=by,
        args=args | {"count": len(args["resources"])},
    )
    _start_each(task)
    return task


def _resources_of(session: Session) -> list[Resource]:
    """The persistent server it ran on, and the profile and drive of its user."""
    found = [session.resource] if session.resource else []
    names = {session.user_name, session.email} - {""}
    volumes = Resource.objects.filter(
        account=session.account_id, kind__in=VOLUMES, user_name__in=names, is_missing=False
    )
    return [*found, *volumes.order_by("name")]


def _start_each(task: Task) -> tuple[list[str], dict[str, int], list[str]]:
    """Start what has not begun; answer what is busy, how many were left out and why."""
    begun = {str(pk) for pk in task.children.values_list("resource", flat=True)}
    waiting, left_out, reasons = [], {"in_use": 0, "missing": 0}, []
    wanted = [UUID(each) for each in task.args["resources"] if each not in begun]
    for resource in Resource.objects.filter(pk__in=wanted).select_related("account"):
        if _is_in_use_again(task, resource):
            left_out["in_use"] += 1
            continue
        try:
            with transaction.atomic():
                after_session.back_up(
                    resource,
                    user=task.args["user"],
                    stops_server=_may_stop(task, resource),
                    parent=task,
                )
        except engine.Busy:
            waiting.append(str(resource))
        except Refused as refusal:
            left_out["missing"] += 1
            reasons.append(str(refusal))
    return waiting, left_out, reasons


def _is_in_use_again(task: Task, resource: Resource) -> bool:
    """A volume is never taken from under its user."""
    if resource.kind not in VOLUMES:
        return False
    live = Session.objects.live().filter(account=task.account_id)
    return live.filter(user_name=task.args["user"]).exists()


def _may_stop(task: Task, resource: Resource) -> bool:
    """Whether the server is stopped first, as the account wants: not under another session."""
    others = Session.objects.live().filter(resource=resource)
    return bool(task.args["stops_server"]) and not others.exists()


def _begin(task: Task, learned: Learned) -> Learned | Again:
    waiting, left_out, reasons = _start_each(task)
    known = {**left_out, "reasons": reasons, "busy": len(waiting)}
    if not waiting or clock.now() >= task.created_at + BUSY_AT_MOST:
        return known
    return Again(known, BUSY_SECONDS, message=f"Waits for {', '.join(waiting)}, which is busy")


def _await(task: Task, learned: Learned) -> Learned | Again:
    tally = tally_of(task)
    if tally.waiting or tally.running:
        message = f"{tally.ended} of {tally.total} ended"
        return Again({}, LOOK_SECONDS, percent=tally.percent, message=message)
    return {"done": tally.done, "failed": tally.failed, "canceled": tally.canceled}


def _stop_each(task: Task, learned: Learned) -> Learned | Again:
    engine.stop_all(task.children.all(), clock.now())
    if task.children.filter(state__in=Task.ACTIVE).exists():
        return Again({}, LOOK_SECONDS, message="Waiting for the backups to clean up")
    return {}


def _account(task: Task) -> Account:
    if task.account is None:
        raise ValueError(f"task {task.pk} after a session has no account")
    return task.account


@engine.register
class PostSessionBackup(Workflow):
    """Start each backup as soon as its resource is free; say what came of them."""

    kind = KIND
    steps: ClassVar[tuple[Step, ...]] = (
        Step("begin", "Start the backups", nothing, save=_begin, is_local=True),
        Step("await", "Wait for the backups", nothing, save=_await, weight=9, is_local=True),
    )
    cleanup: ClassVar[tuple[Step, ...]] = (
        Step("stop", "Stop the backups under way", nothing, save=_stop_each, is_local=True),
    )
    deadline = timedelta(days=1)

    def done(self, task: Task) -> None:
        """Good ones are seen in the lists; what did not go well is told."""
        failed = task.children.filter(state=Task.State.FAILED)
        said = [f"{each.title}: {each.error}" for each in failed]
        said += task.memory["reasons"]
        if busy := task.memory["busy"]:
            said.append(f"{busy} skipped: busy with another task for an hour.")
        if said:
            title = f"Backup after a session of {task.subject} is not complete"
            body = " ".join(said)
            tell(_account(task), Level.ERROR, title, body, kind=Kind.SESSION, task=task)

    def failed(self, task: Task) -> None:
        if task.state == Task.State.FAILED:
            title = f"Backup after a session of {task.subject} failed"
            body = f"{task.error} {task.advice}"
            tell(_account(task), Level.ERROR, title, body, kind=Kind.SESSION, task=task)

    def retry(self, task: Task, actor: Actor) -> Task | None:
        """Back up again what failed; a volume that is in use again is left out."""
        failed = task.children.filter(state=Task.State.FAILED).values_list("resource", flat=True)
        args = {key: task.args[key] for key in ("session", "user", "stops_server")}
        return _start(_account(task), args | {"resources": [str(pk) for pk in failed]}, actor.user)


for _kind in ("create_backup", after_session.KIND, "create_volume_backup"):
    engine.after(_kind, waits.end_after, however=True)
