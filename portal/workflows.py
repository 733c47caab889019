"""Workflows about cloud accounts: Test Connection, and keeping the inventory's mirror fresh."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from portal import engine
from portal.clouds.api import Inventory
from portal.engine.ticks import every_minute
from portal.engine.workflow import Job, Learned, Step, Workflow
from portal.models import CloudAccount, DiscoveredServer, Resource, Task

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
    cloud_account = _cloud_account(task)
    _mirror_servers(cloud_account, inventory)
    _refresh_resources(cloud_account, inventory)
    CloudAccount.objects.filter(pk=cloud_account).update(synced_at=now)
    return {"servers": len(inventory.servers), "volumes": len(inventory.volumes)}


def _mirror_servers(cloud_account: UUID, inventory: Inventory) -> None:
    """Make the table of discovered servers equal to what the cloud has."""
    now = timezone.now()
    rows = [
        DiscoveredServer(
            cloud_account_id=cloud_account,
            external_id=server.id,
            name=server.name[:255],
            power_state=server.power,
            vcpus=server.vcpus,
            memory_mb=server.memory_mb,
            size_bytes=server.size_bytes,
            description=server.description,
            site=server.site,
            vm_size=server.vm_size,
            seen_at=now,
        )
        for server in inventory.servers
    ]
    DiscoveredServer.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["cloud_account", "external_id"],
        update_fields=[
            "name", "power_state", "vcpus", "memory_mb", "size_bytes", "description", "site",
            "vm_size", "seen_at",
        ],
        batch_size=500,
    )  # fmt: skip
    DiscoveredServer.objects.filter(cloud_account=cloud_account, seen_at__lt=now).delete()


def _refresh_resources(cloud_account: UUID, inventory: Inventory) -> None:
    """Bring assigned resources up to date, but not those a task is writing about."""
    now = timezone.now()
    found = {server.id: server for server in inventory.servers}
    busy = Task.objects.active().filter(resource=OuterRef("pk"), is_exclusive=True)
    kinds = (Resource.Kind.SANDBOX, Resource.Kind.UTILITY_SERVER)
    resources = Resource.objects.filter(cloud_account=cloud_account, kind__in=kinds)
    changed = []
    for resource in resources.filter(~Exists(busy)):
        server = found.get(resource.external_id)
        resource.is_missing = server is None
        if server is not None:
            if resource.power_state != server.power:
                resource.power_state, resource.power_changed_at = server.power, now
            resource.name, resource.vcpus = server.name[:255], server.vcpus
            resource.memory_mb, resource.size_bytes = server.memory_mb, server.size_bytes
            resource.vm_size, resource.seen_at = server.vm_size, now
        changed.append(resource)
    Resource.objects.bulk_update(
        changed,
        [
            "is_missing", "power_state", "power_changed_at", "name", "vcpus", "memory_mb",
            "size_bytes", "vm_size", "seen_at",
        ],
        batch_size=200,
    )  # fmt: skip


@engine.register
class InventorySync(Workflow):
    """Mirror the machines of a cloud account into our tables; pages read those."""

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
