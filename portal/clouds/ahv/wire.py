"""The shapes of Prism Element's JSON, read tolerantly, and no further than this package.

Tolerance only where the reference asks for it (1.3, 1.4): unset scalars are null or
absent, enumerations come in any case, ``total_entities`` may be 0 with entities present.
A body of another shape altogether is no answer of Prism Element: `CloudUnreachable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from portal.clouds.api import (
    CloudUnreachable,
    Copy,
    Disk,
    PowerState,
    Progress,
    Server,
)

# Everything we make is called so, and its description begins so (`Mark.text`).
PREFIX = "standby-"
MARKED = "standby:v1"
# What is restored beside, under a name that begins so until it has its own.
NEW = f"{PREFIX}new-"

# A state in between is the one it leaves; paused and suspended are neither on nor off.
_POWER = {
    "on": PowerState.ON,
    "shutting_down": PowerState.ON,
    "powering_off": PowerState.ON,
    "pausing": PowerState.ON,
    "suspending": PowerState.ON,
    "resetting": PowerState.ON,
    "migrating": PowerState.ON,
    "off": PowerState.OFF,
    "powering_on": PowerState.OFF,
}


@dataclass(frozen=True)
class VmDisk:
    """A disk with contents of a VM: no CD-ROM, no volume group. ``source`` is the vmdisk it is a
    clone of, "" when the cluster does not say."""

    uuid: str
    bus: str
    index: int
    size_bytes: int
    container: str
    source: str

    @property
    def address(self) -> str:
        """Return the place on the bus: ``scsi.0``."""
        return f"{self.bus}.{self.index}"

    def to_api(self) -> Disk:
        return Disk(self.uuid, self.address, self.size_bytes, self.source)


@dataclass(frozen=True)
class Vm:
    """A virtual machine as ``GET /vms`` shows it with its disks."""

    uuid: str
    name: str
    description: str
    power: PowerState
    vcpus: int
    memory_mb: int
    disks: tuple[VmDisk, ...]

    @property
    def size_bytes(self) -> int:
        return sum(disk.size_bytes for disk in self.disks)

    @property
    def is_ours(self) -> bool:
        """Whether we made it. A clone not marked yet is told by the uuid we gave it."""
        if not self.name.startswith(PREFIX):
            return False
        if self.name.startswith(NEW):
            return True
        return self.description.startswith(MARKED) or is_given_uuid(self.uuid)

    def to_server(self) -> Server:
        return Server(
            id=self.uuid,
            name=self.name,
            power=self.power,
            vcpus=self.vcpus,
            memory_mb=self.memory_mb,
            size_bytes=self.size_bytes,
            description=self.description,
            disks=tuple(disk.to_api() for disk in self.disks),
        )

    def to_copy(self) -> Copy:
        return Copy(self.uuid, self.name, self.size_bytes)


@dataclass(frozen=True)
class Task:
    """A task of the cluster, and the ids of what it works on."""

    uuid: str
    operation: str
    entities: frozenset[str]
    progress: Progress


def is_given_uuid(text: str) -> bool:
    """Whether this is a uuid of our making (version 5); the cluster's own are random."""
    try:
        return UUID(text).version == 5
    except ValueError:
        return False


def obj(body: Any) -> Mapping[str, Any]:
    """Return a JSON object, or say that this is not Prism Element."""
    if isinstance(body, dict):
        return body
    raise CloudUnreachable("What answers is not Prism Element: no JSON object.")


def entities(body: Any) -> list[Mapping[str, Any]]:
    """Return the entities of a list envelope; its counts are not to be trusted."""
    listed = obj(body).get("entities")
    if not isinstance(listed, list):
        raise CloudUnreachable("What answers is not Prism Element: no list of entities.")
    return [obj(item) for item in listed]


def text(item: Mapping[str, Any], key: str) -> str:
    """Return a string; null and absent are ""."""
    value = item.get(key)
    return str(value) if value is not None else ""


def number(item: Mapping[str, Any], key: str) -> int:
    """Return an int; null, absent and unreadable are 0."""
    value = item.get(key)
    try:
        return int(value) if value is not None else 0
    except (TypeError, ValueError):
        return 0


def items(item: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    """Return a list of objects; null and absent are empty."""
    return [obj(entry) for entry in item.get(key) or ()]


def power(item: Mapping[str, Any]) -> PowerState:
    """Return ``power_state``, which comes in any case."""
    return _POWER.get(text(item, "power_state").lower(), PowerState.UNKNOWN)


def vm(item: Mapping[str, Any]) -> Vm:
    """Read a VM; its disks only if they were asked for (``include_vm_disk_config``)."""
    cores = number(item, "num_cores_per_vcpu") or 1
    disks = [vm_disk(entry) for entry in items(item, "vm_disk_info") if _holds_data(entry)]
    return Vm(
        uuid=text(item, "uuid"),
        name=text(item, "name"),
        description=text(item, "description"),
        power=power(item),
        vcpus=number(item, "num_vcpus") * cores,
        memory_mb=number(item, "memory_mb"),
        disks=tuple(sorted(disks, key=lambda disk: (disk.bus, disk.index))),
    )


def _holds_data(item: Mapping[str, Any]) -> bool:
    """Whether this is a disk of the VM's own: no CD-ROM, no attached volume group."""
    address = obj(item.get("disk_address") or {})
    return not (
        item.get("is_cdrom") or item.get("is_empty") or text(address, "volume_group_uuid")
    ) and bool(text(address, "vmdisk_uuid"))


def vm_disk(item: Mapping[str, Any]) -> VmDisk:
    """Read one of ``vm_disk_info``."""
    address = obj(item.get("disk_address") or {})
    source = obj(item.get("source_disk_address") or {})
    return VmDisk(
        uuid=text(address, "vmdisk_uuid"),
        bus=text(address, "device_bus").lower(),
        index=number(address, "device_index"),
        size_bytes=number(item, "size"),
        container=text(item, "storage_container_uuid"),
        source=text(source, "vmdisk_uuid"),
    )


def task(item: Mapping[str, Any]) -> Task:
    """Read a task. ``progress_status`` comes in any case; what is not an end is running."""
    named = (text(entity, "entity_id") for entity in items(item, "entity_list"))
    return Task(
        uuid=text(item, "uuid"),
        operation=text(item, "operation_type"),
        entities=frozenset(entity for entity in named if entity),
        progress=_progress(item),
    )


def _progress(item: Mapping[str, Any]) -> Progress:
    status = text(item, "progress_status").lower()
    if status == "succeeded":
        return Progress(Progress.DONE, 100)
    if status in {"failed", "aborted"}:
        reason = text(obj(item.get("meta_response") or {}), "error_detail")
        return Progress(
            Progress.FAILED, detail=reason or text(item, "message") or f"The task {status}."
        )
    percent = number(item, "percentage_complete") if item.get("percentage_complete") else None
    return Progress(Progress.RUNNING, percent)
