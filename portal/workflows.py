"""Workflows about cloud accounts: Test Connection, and keeping the inventory's mirror fresh."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from portal import engine
from portal.adoption import adopt, busy_since
from portal.clouds.api import Inventory
from portal.engine.ticks import every_minute
from portal.engine.workflow import Job, Learned, Step, Workflow
from portal.mirror import mirror_servers, refresh_machines
from portal.models import CloudAccount, Task

# Ended synchronisations nobody asked for are kept to this number per cloud account.
KEPT_SYNCHRONISATIONS = 20


def _cloud_account(task: Task) -> UUID:
    """The cloud account's key; these tasks always have one."""
    if task.cloud_account_id is None:
        raise ValueError(f"task {task.pk} has no cloud account")
    return task.cloud_account_id


def _identify(job: Job) -> Learned:
    identity = job.cloud.identify()
    return {
        "identity": f"{identity.name} ({identity.id})",
        "version": identity.version,
        "warnings": list(identity.warnings),
    }


def _save_identity(task: Task, learned: Learned) -> Learned:
    now = timezone.now()
    CloudAccount.objects.filter(pk=_cloud_account(task)).update(
        identity=learned["identity"][:200],
        version=learned["version"][:100],
        health=CloudAccount.Health.REACHABLE,
        health_detail="",
        last_answer_at=now,
    )
    return learned


IDENTIFY = Step("identify", "Sign in and identify", _identify, save=_save_identity)


@engine.register
class ConnectionTest(Workflow):
    """Test Connection: sign in once and say what answers. Gives up soon; a person is waiting."""

    kind = "test_cloud_account"
    steps: ClassVar = (IDENTIFY,)
    deadline = timedelta(seconds=60)


def _list_inventory(job: Job) -> Learned:
    return {"inventory": job.cloud.inventory()}


def _save_inventory(task: Task, learned: Learned) -> Learned:
    inventory: Inventory = learned["inventory"]
    now = timezone.now()
    cloud_account = CloudAccount.objects.get(pk=_cloud_account(task))
    # The cloud was asked after the step began.
    busy = busy_since(cloud_account.pk, task.step_started_at or task.created_at)
    mirror_servers(cloud_account, inventory, now)
    refresh_machines(cloud_account, inventory, busy, now)
    outcome = adopt(cloud_account, inventory, busy, now)
    storage = inventory.storage
    CloudAccount.objects.filter(pk=cloud_account.pk).update(
        synced_at=now,
        storage_used_bytes=storage.used_bytes if storage else None,
        storage_capacity_bytes=storage.capacity_bytes if storage else None,
    )
    return {
        "servers": len(inventory.servers),
        "volumes": len(inventory.volumes),
        "adopted": outcome.adopted,
        "changed": outcome.changed,
        "missing": outcome.gone,
        "warnings": outcome.warnings,
    }


@engine.register
class InventorySync(Workflow):
    """Mirror machines and volumes of a cloud account into our tables; pages read those."""

    kind = "sync_inventory"
    steps: ClassVar = (
        Step("list", "List machines and volumes", _list_inventory, save=_save_inventory),
    )
    deadline = timedelta(minutes=10)

    def done(self, task: Task) -> None:
        """Forget old synchronisations nobody asked for; they say nothing a page shows."""
        old = Task.objects.filter(
            kind=self.kind, cloud_account=task.cloud_account_id, origin=Task.Origin.SYSTEM
        ).exclude(state__in=Task.ACTIVE)
        kept = list(
            old.order_by("-created_at").values_list("pk", flat=True)[:KEPT_SYNCHRONISATIONS]
        )
        old.exclude(pk__in=kept).delete()


@every_minute
def sync_due_inventories() -> None:
    """Synchronise each cloud account whose mirror is older than INVENTORY_MINUTES."""
    old = timezone.now() - timedelta(minutes=settings.INVENTORY_MINUTES)
    syncing = Task.objects.active().filter(kind=InventorySync.kind, cloud_account=OuterRef("pk"))
    due = CloudAccount.objects.filter(Q(synced_at=None) | Q(synced_at__lt=old), ~Exists(syncing))
    for cloud_account in due:
        engine.start(
            InventorySync.kind,
            title="Synchronise inventory",
            subject=cloud_account.name,
            cloud_account=cloud_account,
            origin=Task.Origin.SYSTEM,
        )
