"""Rows with good defaults, for tests of pages and services."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from backups.models import Backup, note_latest
from portal.clouds.api import PowerState
from portal.models import (
    Account,
    AuditEntry,
    CloudAccount,
    Customer,
    DiscoveredServer,
    Infrastructure,
    Invitation,
    Notification,
    Organization,
    Resource,
    Role,
    RoleGrant,
    Task,
    User,
)

GIB = 2**30


class CustomerFactory(DjangoModelFactory):
    class Meta:
        model = Customer

    name = factory.Sequence(lambda n: f"Customer {n}")


class OrganizationFactory(DjangoModelFactory):
    class Meta:
        model = Organization

    customer = factory.SubFactory(CustomerFactory)
    name = factory.Sequence(lambda n: f"Organization {n}")


class UserFactory(DjangoModelFactory):
    """Without a password: sign in with `Client.force_login`."""

    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"person-{n}@example.org")
    full_name = factory.Sequence(lambda n: f"Person {n}")
    password = "!"  # what Django stores for nobody can sign in with it


class CloudAccountFactory(DjangoModelFactory):
    """Registered on its customer; give ``organization`` to register it there."""

    class Meta:
        model = CloudAccount

    customer = factory.SubFactory(CustomerFactory)
    name = factory.Sequence(lambda n: f"ahv-{n:02}")
    kind = Infrastructure.AHV
    endpoint = "https://127.0.0.1:9440"
    secrets = factory.LazyFunction(lambda: {"user": "admin", "password": "cluster-password"})
    health = CloudAccount.Health.REACHABLE
    last_answer_at = factory.LazyFunction(timezone.now)
    synced_at = factory.LazyFunction(timezone.now)


class AccountFactory(DjangoModelFactory):
    """An AHV account on a cloud account of its customer."""

    class Meta:
        model = Account

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence(lambda n: f"Account {n}")
    time_zone = "Europe/London"
    infrastructure = Infrastructure.AHV
    cloud_account = factory.SubFactory(
        CloudAccountFactory, customer=factory.SelfAttribute("..organization.customer")
    )
    site = factory.LazyAttribute(lambda o: o.cloud_account.name if o.cloud_account else "")


class RoleGrantFactory(DjangoModelFactory):
    """Give one of ``customer``, ``organization`` and ``account``."""

    class Meta:
        model = RoleGrant

    user = factory.SubFactory(UserFactory)
    role = Role.AUDITOR


class InvitationFactory(DjangoModelFactory):
    """Give one of ``customer``, ``organization`` and ``account``."""

    class Meta:
        model = Invitation

    role = Role.AUDITOR
    email = factory.Sequence(lambda n: f"invited-{n}@example.org")
    token_hash = factory.Sequence(lambda n: f"{n:064x}")
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=7))


class DiscoveredServerFactory(DjangoModelFactory):
    """A machine at a cloud account that is assigned to nobody."""

    class Meta:
        model = DiscoveredServer

    cloud_account = factory.SubFactory(CloudAccountFactory)
    external_id = factory.Sequence(lambda n: f"vm-{n:08x}")
    name = factory.Sequence(lambda n: f"srv-{n:02}")
    power_state = PowerState.ON
    vcpus = 4
    memory_mb = 16384
    size_bytes = 45 * GIB


class ResourceFactory(DjangoModelFactory):
    """A running Utility Server; ``kind=Resource.Kind.SANDBOX`` for the Sandbox."""

    class Meta:
        model = Resource

    account = factory.SubFactory(AccountFactory)
    cloud_account = factory.SelfAttribute("account.cloud_account")
    kind = Resource.Kind.UTILITY_SERVER
    external_id = factory.Sequence(lambda n: f"resource-{n:08x}")
    name = factory.Sequence(lambda n: f"util-{n:02}")
    power_state = PowerState.ON
    power_changed_at = factory.LazyFunction(timezone.now)
    vcpus = 4
    memory_mb = 16384
    size_bytes = 45 * GIB
    seen_at = factory.LazyFunction(timezone.now)


class TaskFactory(DjangoModelFactory):
    """A task that has ended well. Others: ``state="running"``, ``state="failed"``."""

    class Meta:
        model = Task

    kind = "create_backup"
    title = "Backup Sandbox"
    subject = factory.Sequence(lambda n: f"Backup {n}")
    account = factory.SubFactory(AccountFactory)
    cloud_account = factory.SelfAttribute("account.cloud_account")
    state = Task.State.DONE
    percent = factory.LazyAttribute(lambda o: 100 if o.state == Task.State.DONE else 0)
    started_at = factory.LazyAttribute(lambda o: None if o.state == Task.State.QUEUED else _now())
    ended_at = factory.LazyAttribute(lambda o: None if o.state in Task.ACTIVE else _now())
    deadline_at = factory.LazyFunction(lambda: _now() + timedelta(hours=12))


class BackupFactory(DjangoModelFactory):
    """A complete manual backup and the task that made it."""

    class Meta:
        model = Backup

    resource = factory.SubFactory(ResourceFactory)
    account = factory.SelfAttribute("resource.account")
    kind = factory.SelfAttribute("resource.kind")
    name = factory.Sequence(lambda n: f"Before update {n}")
    type = Backup.Type.MANUAL
    status = Backup.Status.READY
    completed_at = factory.LazyFunction(timezone.now)
    size_bytes = 45 * GIB
    site = factory.LazyAttribute(lambda o: o.resource.account.site)
    external_id = factory.Sequence(lambda n: f"copy-{n:08x}")
    task = factory.SubFactory(
        TaskFactory,
        account=factory.SelfAttribute("..resource.account"),
        resource=factory.SelfAttribute("..resource"),
        subject=factory.SelfAttribute("..name"),
    )

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Backup:
        made: Backup = super()._create(model_class, *args, **kwargs)
        # Lists read the facts of the latest backup from the resource.
        note_latest(Resource.objects.filter(pk=made.resource_id))
        return made


class NotificationFactory(DjangoModelFactory):
    class Meta:
        model = Notification

    account = factory.SubFactory(AccountFactory)
    level = Notification.Level.INFO
    title = factory.Sequence(lambda n: f"Notification {n}")


class AuditEntryFactory(DjangoModelFactory):
    class Meta:
        model = AuditEntry

    account = factory.SubFactory(AccountFactory)
    organization = factory.SelfAttribute("account.organization")
    customer = factory.SelfAttribute("organization.customer")
    actor_label = "Hana Kovář"
    action = "backup.create"
    target_label = factory.Sequence(lambda n: f"Target {n}")


def _now() -> datetime:
    return timezone.now()
