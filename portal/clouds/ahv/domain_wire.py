"""The shapes of protection domains, their snapshots and volume groups (reference 5, 6.2 to 6.5).

Read as tolerantly as the rest (`portal.clouds.ahv.wire`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from portal.clouds.ahv.wire import items, number, obj, text
from portal.clouds.api import Volume

SCHEDULED = "SCHEDULED"
COMPLETE = frozenset({"AVAILABLE", "RETAIN_FOREVER"})
# Lines of ours in a text of the customer's; `plain` is that text without them.
OUR_LINE = "standby:"


@dataclass(frozen=True)
class Held:
    """A VM or a volume group, as a domain or a snapshot lists it."""

    uuid: str
    name: str
    files: int = 0


@dataclass(frozen=True)
class Domain:
    """A protection domain. ``is_synchronous``: metro, NearSync and the like (gotcha 10.13)."""

    name: str
    is_active: bool
    is_leaving: bool
    is_synchronous: bool
    annotations: tuple[str, ...]
    members: tuple[Held, ...]
    # The last snapshot that went to each remote site; absent where nothing is told.
    sent: Mapping[str, str] = field(default_factory=dict)

    def holds(self, uuid: str) -> bool:
        return any(member.uuid == uuid for member in self.members)


@dataclass(frozen=True)
class Pending:
    """A one-off schedule that has not fired. ``retention`` is in seconds."""

    id: str
    retention: int


@dataclass(frozen=True)
class Replication:
    """A snapshot on its way to a remote site (6.6). ``percent`` is 0 to 100."""

    id: str
    domain: str
    site: str
    snapshot: str
    percent: float = 0.0
    done_bytes: int = 0
    is_aborted: bool = False


@dataclass(frozen=True)
class DrSnapshot:
    """A snapshot of a domain. ``retention`` is in seconds, 0 when it is kept for ever."""

    id: str
    domain: str
    created_at: int
    retention: int
    state: str
    schedules: tuple[str, ...]
    size_bytes: int
    vms: tuple[Held, ...]
    groups: tuple[Held, ...]
    missing: tuple[str, ...]
    # Where it was to be sent; whether it went is not said by this (6.5).
    remote_sites: tuple[str, ...] = ()

    @property
    def things(self) -> tuple[Held, ...]:
        return (*self.vms, *self.groups)

    def holds(self, uuid: str) -> bool:
        return any(thing.uuid == uuid for thing in self.things)


@dataclass(frozen=True)
class Group:
    """A volume group. ``clients`` are iSCSI initiators it is attached to."""

    uuid: str
    name: str
    description: str
    size_bytes: int
    disks: int
    attached_to: tuple[str, ...]
    clients: tuple[str, ...]
    containers: tuple[str, ...] = ()

    def to_volume(self, name: str = "") -> Volume:
        return Volume(
            id=self.uuid,
            name=name or self.name,
            size_bytes=self.size_bytes,
            description=plain(self.description),
            attached_to=self.attached_to,
        )


def plain(description: str) -> str:
    """Return a description without lines of ours."""
    lines = description.split("\n")
    return "\n".join(line for line in lines if not line.startswith(OUR_LINE))


def _groups(item: Mapping[str, Any]) -> tuple[Held, ...]:
    return tuple(
        Held(
            text(entry, "volume_group_uuid"),
            text(entry, "name"),
            len(entry.get("nfs_file_paths") or ()),
        )
        for entry in items(item, "volume_groups")
    )


def _vms(item: Mapping[str, Any]) -> tuple[Held, ...]:
    return tuple(
        Held(text(entry, "vm_id"), text(entry, "vm_name"), len(entry.get("vm_files") or ()))
        for entry in items(item, "vms")
    )


def domain(item: Mapping[str, Any]) -> Domain:
    """Read a protection domain."""
    return Domain(
        name=text(item, "name"),
        is_active=item.get("active") is not False,
        is_leaving=bool(item.get("marked_for_removal")),
        is_synchronous=bool(item.get("metro_avail") or item.get("sync_replications")),
        annotations=tuple(str(line) for line in item.get("annotations") or ()),
        members=(*_vms(item), *_groups(item)),
        sent={
            text(link, "remote_site_name"): text(link, "last_successful_replication_snapshot_id")
            for link in items(item, "replication_links")
        },
    )


def pending(body: Any) -> list[Pending]:
    """Read ``oob_schedules``: a bare array of ``{pd_name, schedule_map: {id: schedule}}``."""
    found = []
    for entry in map(obj, body if isinstance(body, list) else []):
        for key, schedule in obj(entry.get("schedule_map") or {}).items():
            spec = obj(schedule)
            found.append(Pending(str(key), number(spec, "snapshot_retention_time_secs")))
    return found


def replication(item: Mapping[str, Any], domain_name: str = "") -> Replication:
    """Read a running or a pending replication; a pending one has no id and no progress."""
    return Replication(
        id=text(item, "id"),
        domain=text(item, "protection_domain_name") or domain_name,
        site=text(item, "remote_site_name"),
        snapshot=text(item, "snapshot_id"),
        percent=float(item.get("completed_percentage") or 0.0),
        done_bytes=number(item, "completed_bytes"),
        is_aborted=bool(item.get("aborted")),
    )


def snapshot(item: Mapping[str, Any], domain_name: str = "") -> DrSnapshot:
    """Read a snapshot; an entity of one domain's own list may not name the domain (6.5)."""
    created = number(item, "snapshot_create_time_usecs")
    expires = number(item, "snapshot_expiry_time_usecs")
    return DrSnapshot(
        id=text(item, "snapshot_id"),
        domain=text(item, "protection_domain_name") or domain_name,
        created_at=created,
        retention=round((expires - created) / 1_000_000) if expires else 0,
        state=text(item, "state").upper(),
        schedules=tuple(str(each) for each in item.get("oob_schedule_ids") or ()),
        size_bytes=number(item, "size_in_bytes"),
        vms=_vms(item),
        groups=_groups(item),
        missing=tuple(_missing(entry) for entry in item.get("missing_entities") or ()),
        remote_sites=tuple(str(each) for each in item.get("remote_site_names") or ()),
    )


def _missing(entry: Any) -> str:
    """The shape of these is unverified (6.5)."""
    return text(entry, "entity_name") if isinstance(entry, dict) else str(entry)


def group(item: Mapping[str, Any]) -> Group:
    """Read a volume group."""
    disks = items(item, "disk_list")
    attachments = items(item, "attachment_list")
    vms = [text(entry, "vm_uuid") for entry in attachments]
    clients = [
        text(entry, "iscsi_initiator_name") or text(entry, "initiator_ip_address")
        for entry in attachments
        if not text(entry, "vm_uuid")
    ]
    return Group(
        uuid=text(item, "uuid"),
        name=text(item, "name"),
        description=text(item, "description"),
        size_bytes=sum(
            number(disk, "vmdisk_size_bytes") or number(disk, "vmdisk_size_mb") << 20
            for disk in disks
        ),
        disks=len(disks),
        attached_to=tuple(uuid for uuid in vms if uuid),
        clients=tuple(client for client in clients if client),
        containers=tuple({text(disk, "storage_container_uuid") for disk in disks}),
    )
