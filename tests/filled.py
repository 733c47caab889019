"""A world in which there is much of everything that a page lists."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from backups.models import Backup, Replica, note_latest
from disaster_recovery.models import Discrepancy
from portal.models import (
    AuditEntry,
    CloudAccount,
    DiscoveredServer,
    Notification,
    Resource,
    Role,
    Task,
    User,
)
from reporting.models import (
    AlertRule,
    DiskStatistic,
    ElasticitySample,
    Session,
    SessionReport,
    SessionStatistic,
    UsageStatistic,
    UserActivity,
)
from tests.factories import (
    AccountFactory,
    AuditEntryFactory,
    CloudAccountFactory,
    DiscoveredServerFactory,
    InvitationFactory,
    NotificationFactory,
    OrganizationFactory,
    ResourceFactory,
    RoleGrantFactory,
    TaskFactory,
    UserFactory,
)
from tests.people import World

BATCH = 500
STATES = (Task.State.DONE, Task.State.FAILED, Task.State.RUNNING, Task.State.DONE)
STATUSES = (Backup.Status.READY, Backup.Status.READY, Backup.Status.FAILED, Backup.Status.READY)


def fill(world: World, numbers: range) -> None:
    """Add one of everything for each number, which are in the names; several times if need be."""
    now = timezone.now()
    _tenancy(world, numbers)
    resources = _resources(world, numbers)
    tasks = _tasks(world, numbers)
    _backups(world, resources, tasks, numbers)
    _news(world, tasks, now, numbers)
    _sessions(world, now, numbers)
    _figures(world, now, numbers)


def forget(world: World) -> None:
    """Take all of it away again, and everybody; for who shares a database with others."""
    for model in (Replica, Backup, Notification, Task, Resource, User):
        model._default_manager.all().delete()
    for organization in world.customer.organizations.all():
        organization.accounts.all().delete()
    world.customer.organizations.all().delete()
    world.customer.cloud_accounts.all().delete()
    world.customer.delete()


def _tenancy(world: World, numbers: range) -> None:
    """Accounts and cloud accounts of the customer, people, machines nobody has."""
    customer, organization = world.customer, world.organization
    cloud_accounts = CloudAccountFactory.build_batch(len(numbers), customer=customer)
    CloudAccount.objects.bulk_create(cloud_accounts, BATCH)
    organizations = OrganizationFactory.build_batch(len(numbers), customer=customer)
    type(organization).objects.bulk_create(organizations, BATCH)
    accounts = [
        AccountFactory.build(organization=each, cloud_account=cloud_account)
        for each, cloud_account in zip(organizations, cloud_accounts, strict=True)
    ]
    type(world.account).objects.bulk_create(accounts, BATCH)
    machines = DiscoveredServerFactory.build_batch(len(numbers), cloud_account=world.cloud_account)
    DiscoveredServer.objects.bulk_create(machines, BATCH)
    people = UserFactory.build_batch(len(numbers))
    User.objects.bulk_create(people, BATCH)
    for person in people:
        RoleGrantFactory(user=person, role=Role.AUDITOR, account=world.account)
    InvitationFactory.create_batch(len(numbers), role=Role.AUDITOR, account=world.account)
    for number in numbers:
        AlertRule.objects.create(
            account=world.account, name=f"Rule {number}", recipients=["a@example.org"]
        )


def _resources(world: World, numbers: range) -> list[Resource]:
    """Servers and volumes, so many of each; the Sandbox comes first."""
    made = [
        ResourceFactory.build(
            account=world.account, cloud_account=world.cloud_account, kind=kind,
            name=f"{kind[:8]}-{number:05}",
            user_name="" if kind == Resource.Kind.UTILITY_SERVER else f"user-{number}@example.org",
        )
        for kind in (Resource.Kind.UTILITY_SERVER, *Resource.VOLUME_KINDS)
        for number in numbers
    ]  # fmt: skip
    Resource.objects.bulk_create(made, BATCH)
    return made


def _tasks(world: World, numbers: range) -> list[Task]:
    made = [
        TaskFactory.build(
            account=world.account, cloud_account=world.cloud_account, state=STATES[number % 4],
            error="The storage container is full." if number % 4 == 1 else "",
        )
        for number in numbers
    ]  # fmt: skip
    return Task.objects.bulk_create(made, BATCH)


def _backups(world: World, resources: list[Resource], tasks: list[Task], numbers: range) -> None:
    """So many of the Sandbox, one of everything else, each with a replica; some things astray."""
    of = [*[world.sandbox] * len(numbers), *resources]
    backups = [
        Backup(
            account=world.account, resource=resource, kind=resource.kind, name=f"Backup {number}",
            type=Backup.Type.MANUAL, status=STATUSES[number % 4], completed_at=timezone.now(),
            size_bytes=45 * 2**30, site=world.account.site, external_id=f"filled-{number}",
            task=tasks[number % len(tasks)],
            replication_status="done" if number % 4 != 2 else "",
        )
        for number, resource in enumerate(of, start=numbers.start * 5)
    ]  # fmt: skip
    Backup.objects.bulk_create(backups, BATCH)
    Replica.objects.bulk_create(
        [
            Replica(
                backup=backup, account=world.account, cloud_account=world.cloud_account,
                site="secondary", status=Replica.Status.DONE, completed_at=timezone.now(),
            )
            for backup in backups
            if backup.replication_status
        ],
        BATCH,
    )  # fmt: skip
    note_latest(world.account.resources.all())
    Discrepancy.objects.bulk_create(
        Discrepancy(
            account=world.account, cloud_account=world.cloud_account, kind="left_over",
            external_id=f"astray-{number}", name=f"Astray {number}",
        )
        for number in numbers
    )  # fmt: skip


def _news(world: World, tasks: list[Task], now: datetime, numbers: range) -> None:
    told = [
        NotificationFactory.build(
            account=world.account, level=Notification.Level.values[number % 3], task=task
        )
        for number, task in enumerate(tasks)
    ]
    Notification.objects.bulk_create(told, BATCH)
    entries = [
        AuditEntryFactory.build(
            account=world.account, organization=world.organization, customer=world.customer,
            at=now - timedelta(minutes=number),
        )
        for number in numbers
    ]  # fmt: skip
    AuditEntry.objects.bulk_create(entries, BATCH)


def _sessions(world: World, now: datetime, numbers: range) -> None:
    Session.objects.bulk_create(
        (
            Session(
                account=world.account, session_id=f"filled-{number}", user_name=f"user-{number}",
                state=Session.State.CLOSED, started_at=now - timedelta(hours=2, minutes=number),
                ended_at=now - timedelta(minutes=number), close_reason="logged_out",
            )
            for number in numbers
        ),
        BATCH,
    )  # fmt: skip


def _figures(world: World, now: datetime, numbers: range) -> None:
    """A row of each kind of figures for each of so many days, months or moments back."""
    midnight, account = now.replace(hour=0, minute=0, second=0, microsecond=0), world.account
    for number in numbers:
        start = midnight - timedelta(days=number + 1)
        span = {"account": account, "period_start": start, "period_end": start + timedelta(days=1)}
        ran = {"frequency": "day", "system": "pool", "instance_type": "AHV 2vCPU", "pool": "main"}
        SessionStatistic.objects.create(**span, **ran, session_count=7, total_seconds=9000)
        UsageStatistic.objects.create(**span, **ran, used_seconds=9000)
        DiskStatistic.objects.create(
            **span, frequency="day", volume_type="personal_drive", volume_count=3, gb_hours=720
        )
        UserActivity.objects.create(
            **span, user_name=f"user-{number}", first_seen_at=start, last_seen_at=start
        )
        SessionReport.objects.create(**span, month=f"{start:%Y-%m}", session_count=number)
        ElasticitySample.objects.create(
            account=account, at=now - timedelta(minutes=10 * number), pool="main", running=number
        )
