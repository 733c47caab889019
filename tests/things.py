"""What the arguments of addresses stand for, so that every address can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from django.urls import reverse
from django.utils import timezone

from disaster_recovery.models import Discrepancy
from portal.audit import SYSTEM
from portal.models import ExternalIdentity, GroupMapping, InstanceType, Role, UserSession
from reporting import api_keys
from reporting.models import AlertRule, Session
from tests.addresses import Address
from tests.factories import (
    BackupFactory,
    InvitationFactory,
    NotificationFactory,
    ResourceFactory,
    RoleGrantFactory,
    TaskFactory,
    UserFactory,
)
from tests.people import World


@dataclass(frozen=True)
class Things:
    """What the arguments of addresses stand for, all in one world."""

    world: World
    of_name: dict[str, Any]

    def path(self, address: Address) -> str:
        """The address with its arguments filled in; some mean another thing by view or by app."""
        app = address.name.partition(":")[0]
        values = {
            name: self.of_name.get(f"{address.name}:{name}")
            or self.of_name.get(f"{app}:{name}")
            or self.of_name[name]
            for name in address.arguments
        }
        return reverse(address.name, kwargs=values)


def _key(scope: api_keys.Scope) -> UUID:
    key, _ = api_keys.create(SYSTEM, scope, name="A key", role=Role.AUDITOR)
    return key.pk


def make_things(world: World) -> Things:
    """Make one of everything in this world, with disaster recovery on."""
    # Without disaster recovery, its addresses of backups are not there (R043).
    world.account.dr_enabled, world.account.dr_cloud_account = True, world.cloud_account
    world.account.save()
    backup = BackupFactory(resource=world.sandbox)
    volume = ResourceFactory(
        account=world.account, kind="persistent_desktop", user_name="somebody", name="pd-1"
    )
    of_volume = BackupFactory(resource=volume)
    task = backup.task
    of_cloud = TaskFactory(
        account=None, cloud_account=world.cloud_account, kind="test_cloud_account"
    )
    return Things(
        world,
        {
            "account": world.account.pk,
            "organization": world.organization.pk,
            "customer": world.customer.pk,
            "cloud_account": world.cloud_account.pk,
            "resource": world.sandbox.pk,
            "backups:utility_server_detail:resource": world.utility_server.pk,
            "backup": backup.pk,
            "volumes:resource": of_volume.resource_id,
            "volumes:backup": of_volume.pk,
            "disaster_recovery:volume_backup_replicate:backup": of_volume.pk,
            "kind": "persistent_desktop",
            "task": task.pk,
            "reporting:cloud_account_task:task": of_cloud.pk,
            "reporting:cloud_account_task_cancel:task": of_cloud.pk,
            "notification": NotificationFactory(account=world.account).pk,
            "discrepancy": Discrepancy.objects.create(
                account=world.account,
                cloud_account=world.cloud_account,
                kind="copy",
                external_id="stray",
                name="A stray",
            ).pk,
            "verb": "ignore",
            "rule": AlertRule.objects.create(
                account=world.account, name="Walked", recipients=["a@example.org"]
            ).pk,
            "data_type": "sessions",
            "session": UserSession.objects.create(user=UserFactory(), session_key="walked").pk,
            "reporting:session_log_detail:session": Session.objects.create(
                account=world.account, session_id="s1", user_name="ann", started_at=timezone.now()
            ).pk,
            "identity": ExternalIdentity.objects.create(
                user=UserFactory(), issuer="https://sign-in.example", subject="walked"
            ).pk,
            "mapping": GroupMapping.objects.create(
                group="Walked", role=Role.AUDITOR, customer=world.customer
            ).pk,
            "instance_type": InstanceType.objects.create(
                cloud_account=world.cloud_account, name="AHV", vcpus=2, memory_mb=8192
            ).pk,
            "grant": RoleGrantFactory(role=Role.AUDITOR, account=world.account).pk,
            "invitation": InvitationFactory(role=Role.AUDITOR, account=world.account).pk,
            "token": "made-up",
            "api_key": _key(world.account),
            "reporting:organization_api_key_revoke:api_key": _key(world.organization),
            "reporting:customer_api_key_revoke:api_key": _key(world.customer),
        },
    )


@pytest.fixture
def things(world: World) -> Things:
    return make_things(world)
