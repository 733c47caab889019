"""What people did in the demo's history: the audit trail, ended tasks, notifications."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from django.db.models import Q

from portal.audit import names_of
from portal.engine.workflow import registry
from portal.models import (
    Account,
    AuditEntry,
    Dismissal,
    Notification,
    Resource,
    RoleGrant,
    Task,
    User,
)
from reporting.demo_history.people import presence
from reporting.demo_history.work import at_local
from reporting.figures.periods import DAY
from reporting.records.periods import months_before

ROWS_AT_ONCE = 500
# What is younger is made by the demo's own tasks.
YOUNG = timedelta(days=2)
MONTHS_OF_TASKS, MONTHS_OF_NOTIFICATIONS = 12, 3
# What has been seen and put away.
SEEN = timedelta(days=6)
LEVEL, KIND = Notification.Level, Notification.Kind
# Action, how often on a working day, and whether it is about a machine.
DEEDS = (
    ("user.signed_in", 3.0, False),
    ("user.signed_out", 1.5, False),
    ("backup.create", 0.6, True),
    ("backup.delete", 0.2, True),
    ("backup.pin", 0.08, True),
    ("backup.restore", 0.05, True),
    ("backup_policy.edit", 0.06, True),
    ("sandbox.publish", 0.15, True),
    ("task.acknowledge", 0.5, False),
    ("account.edit", 0.02, False),
    ("recovery.check", 0.04, False),
)
NAMES = ("Before update", "Known good", "Before driver update", "Before move", "Month's end")
TROUBLES = (
    (LEVEL.WARNING, KIND.SESSION, "Capacity of the pool is used up", "Users waited for a machine."),
    (
        LEVEL.WARNING,
        KIND.REPLICATION,
        "Replication is behind",
        "The newest replica is older than the target RPO.",
    ),
    (LEVEL.INFO, KIND.BACKUP, "Published", "New sessions start from the new image."),
    (LEVEL.ERROR, KIND.BACKUP, "Backup failed", "The cluster was busy; the next one went well."),
    (
        LEVEL.INFO,
        KIND.RECOVERY,
        "Disaster recovery checks passed",
        "Nothing has changed at both sites.",
    ),
)


@dataclass(frozen=True)
class Stage:
    """An account, the people who act in it, and its machines."""

    account: Account
    people: list[User]
    machines: list[Resource]


def load(account: Account, now: datetime, months: int) -> None:
    """All of it up to two days ago, so that the clock does what is due as ever."""
    organization = account.organization
    scope = Q(account=account) | Q(organization=organization) | Q(customer=organization.customer)
    granted = RoleGrant.objects.filter(scope).values("user")
    people = User.objects.filter(pk__in=granted).order_by("email")
    machines = account.resources.exclude(kind__in=Resource.VOLUME_KINDS).order_by("name")
    stage = Stage(account, list(people), list(machines.select_related("account")))
    until = now - YOUNG
    deeds = list(_deeds(stage, months_before(now, months), until))
    AuditEntry.objects.bulk_create(deeds, batch_size=ROWS_AT_ONCE)
    tasks = list(_tasks(stage, months_before(now, MONTHS_OF_TASKS), until))
    Task.objects.bulk_create(tasks, batch_size=ROWS_AT_ONCE)
    _notify(stage, months_before(now, MONTHS_OF_NOTIFICATIONS), until, now)


def _days(stage: Stage, since: datetime, until: datetime, of: str) -> Iterator[tuple[date, Random]]:
    """Days, each with dice of its own."""
    day, last = (at.astimezone(stage.account.zone).date() for at in (since, until))
    while day < last:
        yield day, Random(f"{stage.account.name} {of} {day}")  # noqa: S311  # a play
        day += DAY


def _times(rng: Random, often: float) -> int:
    """How often something happens that happens so often on average."""
    return int(often) + (rng.random() < often % 1)


def _deeds(stage: Stage, since: datetime, until: datetime) -> Iterator[AuditEntry]:
    for day, rng in _days(stage, since, until, "deeds"):
        for action, often, is_of_machine in DEEDS:
            for _ in range(_times(rng, often * presence(day))):
                at = at_local(day, rng.uniform(7.5, 18), stage.account)
                person = rng.choice(stage.people)
                machine = rng.choice(stage.machines) if is_of_machine else None
                yield _entry(stage, at, person, action, machine, rng)


def _entry(
    stage: Stage, at: datetime, person: User, action: str, machine: Resource | None, rng: Random
) -> AuditEntry:
    account = stage.account
    target = machine or (person if action.startswith("user.") else account)
    is_asked = action.partition(".")[0] in ("backup", "sandbox", "recovery")
    return AuditEntry(
        at=at,
        actor=person,
        actor_label=str(person),
        **names_of(person),
        action=action,
        target_type=str(target._meta.model_name),
        target_id=str(target.pk),
        target_label=str(target),
        result=AuditEntry.Result.REQUESTED if is_asked else AuditEntry.Result.DONE,
        customer=account.organization.customer,
        organization=account.organization,
        account=account,
        source=f"203.0.113.{rng.randrange(1, 255)}",
        detail={"name": rng.choice(NAMES)} if action == "backup.create" else {},
    )


def _tasks(stage: Stage, since: datetime, until: datetime) -> Iterator[Task]:
    """A scheduled backup each night; now and then one by hand, a publish, one that failed."""
    for day, rng in _days(stage, since, until, "tasks"):
        for number, machine in enumerate(stage.machines):
            hour = 22 if machine.kind == Resource.Kind.SANDBOX else 2
            if number < 2:
                at = at_local(day, hour, stage.account)
                yield _task(stage, "create_backup", machine, at, None, rng)
            elif rng.random() < 0.1 * presence(day):
                at = at_local(day, rng.uniform(8, 18), stage.account)
                yield _task(stage, "create_backup", machine, at, rng.choice(stage.people), rng)
            if machine.kind == Resource.Kind.SANDBOX and rng.random() < 0.15 * presence(day):
                at = at_local(day, rng.uniform(8, 18), stage.account)
                yield _task(stage, "publish_sandbox", machine, at, rng.choice(stage.people), rng)


def _task(
    stage: Stage, kind: str, machine: Resource, at: datetime, person: User | None, rng: Random
) -> Task:
    is_publish = kind == "publish_sandbox"
    has_failed = is_publish and rng.random() < 0.08
    steps = list(_steps(kind, at, rng, has_failed=has_failed))
    title = "Publish Sandbox" if is_publish else f"Backup {machine.get_kind_display()}"
    task = Task(
        id=UUID(int=rng.getrandbits(128), version=4),
        kind=kind,
        title=title,
        subject=rng.choice(NAMES) if person else f"Scheduled {at:%Y-%m-%d}",
        account=stage.account,
        cloud_account=stage.account.cloud_account,
        resource=machine,
        origin=Task.Origin.PERSON if person else Task.Origin.SCHEDULE,
        requested_by=person,
        args={"may_power_off": True},
        state=Task.State.FAILED if has_failed else Task.State.DONE,
        percent=60 if has_failed else 100,
        steps=steps,
        created_at=at,
        next_wake_at=at,
        started_at=at,
        ended_at=datetime.fromisoformat(steps[-1]["ended_at"]),
        deadline_at=at + timedelta(hours=12),
    )
    task.acknowledged_at = task.ended_at
    if has_failed:
        task.error = f"{steps[-1]['label']}: the cluster did not answer in time."
        task.error_detail = "The operation was given up after 600 s."
        task.advice = "Look at the cluster, then retry."
    return task


def _steps(kind: str, at: datetime, rng: Random, *, has_failed: bool) -> Iterator[dict[str, Any]]:
    """Records as the engine leaves them; one that failed is the third, and the last."""
    for number, step in enumerate(registry.workflows[kind].steps):
        end = at + timedelta(seconds=rng.randrange(2, 90))
        is_last = has_failed and number == 2
        yield {
            "name": step.name,
            "label": step.label,
            "state": "failed" if is_last else "done",
            "started_at": at.isoformat(),
            "ended_at": end.isoformat(),
        }
        if is_last:
            return
        at = end


def _notify(stage: Stage, since: datetime, until: datetime, now: datetime) -> None:
    rows = []
    for day, rng in _days(stage, since, until, "notifications"):
        if rng.random() < 0.3:
            level, kind, title, body = rng.choice(TROUBLES)
            at = at_local(day, rng.uniform(6, 20), stage.account)
            rows.append(
                Notification(
                    account=stage.account,
                    level=level,
                    kind=kind,
                    title=title,
                    body=body,
                    created_at=at,
                )
            )
    Notification.objects.bulk_create(rows)
    seen = [each for each in rows if each.created_at < now - SEEN]
    Dismissal.objects.bulk_create(
        [
            Dismissal(
                notification=each, user=person, created_at=each.created_at + timedelta(hours=2)
            )
            for each in seen
            for person in stage.people
        ],
        batch_size=ROWS_AT_ONCE,
    )
