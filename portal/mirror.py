"""The machines of a cloud account in our tables, as its inventory has them.

Ten thousand are read at once and compared here; only what differs is written.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from portal.bulk import among, update_each
from portal.clouds.api import Inventory, Server
from portal.models import CloudAccount, DiscoveredServer, Resource
from portal.words import note_words

COLUMNS = (
    "name", "power_state", "vcpus", "memory_mb", "size_bytes", "description", "site", "vm_size",
)  # fmt: skip
# What a machine that a person has assigned takes over.
REFRESHED = ("name", "power_state", "vcpus", "memory_mb", "size_bytes", "vm_size")
SERVER_KINDS = (Resource.Kind.SANDBOX, Resource.Kind.UTILITY_SERVER)
ROWS_AT_ONCE = 500


def mirror_servers(cloud_account: CloudAccount, inventory: Inventory, now: datetime) -> None:
    """Make the table of discovered servers equal to what the cloud has."""
    known = {
        row[1]: row for row in cloud_account.servers.values_list("pk", "external_id", *COLUMNS)
    }
    found = {server.id: server for server in inventory.servers}
    changed = [
        DiscoveredServer(
            cloud_account=cloud_account, external_id=server.id, seen_at=now, **_columns(server)
        )
        for server in found.values()
        if server.id not in known or known[server.id][2:] != tuple(_columns(server).values())
    ]
    DiscoveredServer.objects.bulk_create(
        changed,
        update_conflicts=True,
        unique_fields=["cloud_account", "external_id"],
        update_fields=[*COLUMNS, "seen_at"],
        batch_size=ROWS_AT_ONCE,
    )
    vanished = [row[0] for row in known.values() if row[1] not in found]
    for start in range(0, len(vanished), ROWS_AT_ONCE):
        rows = DiscoveredServer.objects.filter(pk__in=vanished[start : start + ROWS_AT_ONCE])
        rows.delete()


def _columns(server: Server) -> dict[str, Any]:
    """A server as its row has it, by column."""
    return {
        "name": server.name[:255],
        "power_state": server.power.value,
        "vcpus": server.vcpus,
        "memory_mb": server.memory_mb,
        "size_bytes": server.size_bytes,
        "description": server.description,
        "site": server.site[:100],
        "vm_size": server.vm_size[:100],
    }


def refresh_machines(
    cloud_account: CloudAccount, inventory: Inventory, busy: Collection[UUID], now: datetime
) -> None:
    """Bring assigned machines up to date, but not those a task is writing about."""
    found = {server.id: server for server in inventory.servers}
    machines = Resource.objects.filter(cloud_account=cloud_account, kind__in=SERVER_KINDS)
    changes, seen = {}, []
    for pk, external_id, is_missing, *present in machines.values_list(
        "pk", "external_id", "is_missing", *REFRESHED
    ):
        if pk in busy:
            continue
        server = found.get(external_id)
        values: dict[str, Any] = {}
        if is_missing != (server is None):
            values["is_missing"] = server is None
        if server is not None:
            seen.append(pk)
            columns = _columns(server)
            before = dict(zip(REFRESHED, present, strict=True))
            values |= {key: columns[key] for key in REFRESHED if columns[key] != before[key]}
        if "power_state" in values:
            values["power_changed_at"] = now
        if values:
            changes[pk] = values
    update_each(Resource, changes)
    note_words(pk for pk, values in changes.items() if "name" in values)
    # Their pages say when they were last seen.
    Resource.objects.filter(pk__in=among(seen)).update(seen_at=now)
