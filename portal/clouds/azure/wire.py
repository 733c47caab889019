"""What Azure's answers say, in our words. Ids in lower case: answers differ in their casing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from azure.mgmt.compute import ComputeManagementClient

from portal.clouds.api import CloudRefused, Copy, Disk, Mark, PowerState, Server, Volume

GIB = 2**30
VM, DISK, SNAPSHOT = "virtualmachines", "disks", "snapshots"
OUR_TAG, TOKEN_TAG, UNDO_TAG = "standby", "standby-token", "standby-undo"
# Of a working clone: its token, the server it was made of, how far sysprep is.
CLONE_TAG, SOURCE_TAG, SYSPREP_TAG = "standby-clone", "standby-source", "standby-sysprep"
OUR_VERSION = "v1"
OUR_PREFIX = "standby-"
MARKED = ("account", "resource", "backup", "task", "type")
# Of what a copy is: type, group and name; a tag has no room for the whole id.
OF_TAG = f"{OUR_PREFIX}of"
OUR_TAGS = {
    OUR_TAG, TOKEN_TAG, UNDO_TAG, CLONE_TAG, SOURCE_TAG, SYSPREP_TAG, OF_TAG,
    *(f"{OUR_PREFIX}{part}" for part in MARKED),
}  # fmt: skip
# The desktop platform's tags: what a machine or a disk is, and whose.
KIND_TAG, USER_TAG, ACCOUNT_TAG = "frame-kind", "frame-user", "frame-account"
Json = Mapping[str, Any]

_OFF = frozenset({"deallocated", "stopped", "starting"})
_ON = frozenset({"running", "stopping", "deallocating"})


# Ids


def group_and_name(id_: str) -> tuple[str, str]:
    """Return resource group and name out of an id."""
    parts = id_.split("/")
    return parts[4], parts[-1]


def kind_of(id_: str) -> str:
    """Return the type of the resource: ``virtualmachines``, ``disks`` or ``snapshots``."""
    return id_.lower().split("/")[7]


def id_of(item: Json) -> str:
    return str(item["id"]).lower()


def sibling(id_: str, kind: str, name: str) -> str:
    """Return the id of a resource in the same group."""
    parts = id_.lower().split("/")
    return "/".join([*parts[:7], kind, name.lower()])


# Reading


def read(client: ComputeManagementClient, id_: str) -> Json:
    """GET a machine (with its power), a disk or a snapshot."""
    group, name = group_and_name(id_)
    kind = kind_of(id_)
    if kind == VM:
        return client.virtual_machines.get(group, name, expand="instanceView").as_dict()
    if kind == DISK:
        return client.disks.get(group, name).as_dict()
    return client.snapshots.get(group, name).as_dict()


def list_all(client: ComputeManagementClient, kind: str) -> list[Json]:
    """GET every machine, disk or snapshot of the subscription."""
    listing: Iterable[Any]
    if kind == VM:
        listing = client.virtual_machines.list_all()
    elif kind == DISK:
        listing = client.disks.list()
    else:
        listing = client.snapshots.list()
    return [item.as_dict() for item in listing]


def properties(item: Json) -> Json:
    found: Json = item.get("properties") or {}
    return found


def tags(item: Json) -> dict[str, str]:
    return dict(item.get("tags") or {})


def provisioning(item: Json) -> str:
    return str(properties(item).get("provisioningState") or "Succeeded")


def is_settled(item: Json) -> bool:
    """Whether no operation is under way on it."""
    return provisioning(item).lower() in {"succeeded", "failed", "canceled"}


def raw_power(vm: Json) -> str:
    """Return Azure's word for the power state: ``running``, ``deallocated``, or ""."""
    view = properties(vm).get("instanceView") or {}
    for status in view.get("statuses") or []:
        kind, _, value = str(status.get("code", "")).partition("/")
        if kind.lower() == "powerstate":
            return value.lower()
    return ""


def is_generalized(vm: Json) -> bool:
    """Whether Azure calls it generalized; such a machine never starts again."""
    view = properties(vm).get("instanceView") or {}
    codes = (str(status.get("code", "")).lower() for status in view.get("statuses") or [])
    return "osstate/generalized" in codes


def is_agent_ready(vm: Json) -> bool:
    """Whether the guest has booted and its agent answers."""
    agent = (properties(vm).get("instanceView") or {}).get("vmAgent") or {}
    codes = (str(status.get("code", "")).lower() for status in agent.get("statuses") or [])
    return "provisioningstate/succeeded" in codes


def card_id(vm: Json) -> str:
    """Return the id of its primary network card, "" for a machine without any."""
    cards = (properties(vm).get("networkProfile") or {}).get("networkInterfaces") or []
    primary = [each for each in cards if properties(each).get("primary")]
    return str((primary or cards or [{}])[0].get("id") or "").lower()


def subnet_id(card: Json) -> str:
    """Return the id of the subnet of a card's primary address, out of the card's properties."""
    addresses = [properties(each) for each in card.get("ipConfigurations") or []]
    primary = [each for each in addresses if each.get("primary")]
    return str(((primary or addresses or [{}])[0].get("subnet") or {}).get("id") or "")


def power(vm: Json) -> PowerState:
    """A machine between two states counts as what it leaves."""
    found = raw_power(vm)
    if found in _OFF:
        return PowerState.OFF
    return PowerState.ON if found in _ON else PowerState.UNKNOWN


def os_disk(vm: Json) -> Json:
    found: Json = (properties(vm).get("storageProfile") or {}).get("osDisk") or {}
    return found


def os_disk_id(vm: Json) -> str:
    return str((os_disk(vm).get("managedDisk") or {}).get("id") or "").lower()


def size_bytes(disk: Json) -> int:
    """Bytes exactly where they are given; else the size it was ordered with."""
    found = properties(disk)
    return int(found.get("diskSizeBytes") or int(found.get("diskSizeGB") or 0) * GIB)


def percent(snapshot: Json) -> float:
    """How much of a copy from another region is there; all of it where nothing is said."""
    found = properties(snapshot).get("completionPercent")
    return 100.0 if found is None else float(found)


def copy_error(snapshot: Json) -> str:
    """Why a copy from another region broke off, or ""."""
    found = properties(snapshot).get("copyCompletionError") or {}
    return str(found.get("errorMessage") or found.get("errorCode") or "")


def managed_by(disk: Json) -> str:
    return str(disk.get("managedBy") or "").lower()


def holders(disk: Json) -> tuple[str, ...]:
    """Return the ids of all machines that a disk is attached to; a shared one may have several."""
    found = [disk.get("managedBy"), *(disk.get("managedByExtended") or [])]
    return tuple(dict.fromkeys(str(each).lower() for each in found if each))


def is_os_disk(disk: Json) -> bool:
    return bool(properties(disk).get("osType"))


# Our words


def description(item: Json) -> str:
    """The platform's tags as the one line that says what it is, and whose."""
    given = tags(item)
    if KIND_TAG not in given:
        return ""
    said = {"user": given.get(USER_TAG), "account": given.get(ACCOUNT_TAG)}
    more = "".join(f" {key}={value}" for key, value in said.items() if value)
    return f"frame: kind={given[KIND_TAG]}{more}"


def server(vm: Json, disk: Json | None, size: tuple[int, int] = (0, 0)) -> Server:
    """A machine; its size is that of its OS disk, the one disk that is backed up (R005, R006)."""
    disks = () if disk is None else (Disk(id_of(disk), "os", size_bytes(disk)),)
    return Server(
        id=id_of(vm),
        name=str(vm["name"]),
        power=power(vm),
        vcpus=size[0],
        memory_mb=size[1],
        size_bytes=sum(each.size_bytes for each in disks),
        description=description(vm),
        disks=disks,
        site=str(vm.get("location") or ""),
        vm_size=vm_size(vm),
    )


def vm_size(vm: Json) -> str:
    return str((properties(vm).get("hardwareProfile") or {}).get("vmSize") or "")


def volume(disk: Json) -> Volume:
    return Volume(
        id=id_of(disk),
        name=str(disk["name"]),
        size_bytes=size_bytes(disk),
        description=description(disk),
        attached_to=holders(disk),
        site=str(disk.get("location") or ""),
    )


def copy(snapshot: Json) -> Copy:
    return Copy(id_of(snapshot), str(snapshot["name"]), size_bytes(snapshot))


def is_ours(item: Json) -> bool:
    return tags(item).get(OUR_TAG) == OUR_VERSION


def mark_tags(mark: Mark, token: str) -> dict[str, str]:
    """Our mark as tags: strays are found by them, a lost catalogue is rebuilt."""
    return {
        OUR_TAG: OUR_VERSION,
        TOKEN_TAG: token,
        **{f"{OUR_PREFIX}{part}": getattr(mark, part) for part in MARKED},
        **_of(mark.source),
    }


def _of(source: str) -> dict[str, str]:
    if not source:
        return {}
    group, name = group_and_name(source)
    return {OF_TAG: f"{kind_of(source)}/{group}/{name}".lower()}


def read_mark(item: Json) -> Mark:
    """Read our tags back; what is not told is ""."""
    given = tags(item)
    told = {part: given.get(f"{OUR_PREFIX}{part}", "") for part in MARKED}
    kind, _, place = given.get(OF_TAG, "").partition("/")
    source = ""
    if place:
        group, _, name = place.partition("/")
        parts = id_of(item).split("/")
        source = "/".join([*parts[:4], group, *parts[5:7], kind, name])
    return Mark(**told, source=source)


def without_ours(given: Mapping[str, str]) -> dict[str, str]:
    """The customer's tags alone."""
    return {key: value for key, value in given.items() if key.lower() not in OUR_TAGS}


# Working clones


def clone_name(token: str) -> str:
    return f"{OUR_PREFIX}clone-{token}"


def clone_tags(mark: Mark, token: str, server_id: str) -> dict[str, str]:
    """Our mark without the token of a copy; a tag has no room for the whole id of a server."""
    marked = {key: value for key, value in mark_tags(mark, token).items() if key != TOKEN_TAG}
    return marked | {CLONE_TAG: token, SOURCE_TAG: "/".join(group_and_name(server_id))}


def is_clone(item: Json, token: str) -> bool:
    return is_ours(item) and tags(item).get(CLONE_TAG) == token


def require_clone(item: Json, token: str) -> None:
    """Refuse what has the name of a clone and is none of ours."""
    if not is_clone(item, token):
        raise CloudRefused(f"The name {item['name']} is taken by something of another.")


def source_of(clone: Json) -> str:
    """Return the id of the server that a clone was made of."""
    group, _, name = tags(clone).get(SOURCE_TAG, "").partition("/")
    parts = id_of(clone).split("/")
    return "/".join([*parts[:4], group.lower(), *parts[5:7], VM, name.lower()])
