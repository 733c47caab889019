"""What the control API can do to the emulated Azure: machines, disks, content, links, manners.

Things are named; ``?group=`` tells those of one name in several groups apart.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from portal.lab.azure.model import (
    GROUP,
    REGIONS,
    SUBSCRIPTION,
    Attachment,
    Disk,
    Resource,
    Vm,
)
from portal.lab.azure.wire import disk_state
from portal.lab.control import DONE, change, common_routes
from portal.lab.routing import Answer, Refusal, Request, Routes

if TYPE_CHECKING:
    from portal.lab.azure.cloud import AzureCloud

CONTROL: Routes[AzureCloud] = common_routes()
R = TypeVar("R", bound=Resource)


@CONTROL("GET", "/")
def state_show(cloud: AzureCloud, request: Request) -> Answer:
    """What there is, by name and id."""
    cloud.advance_copies()
    active = [each for each in cloud.operations.values() if each.ended_at is None]
    return Answer({
        "subscription": SUBSCRIPTION,
        "now": cloud.lab.clock.now().isoformat(),
        "scale": cloud.lab.clock.scale,
        "vms": [_show_vm(vm) for vm in cloud.vms.values()],
        "disks": [_show_disk(cloud, disk) for disk in cloud.disks.values()],
        "snapshots": [_show_disk(cloud, each) for each in cloud.snapshots.values()],
        "active_operations": [f"{each.action} {each.target}" for each in active],
        "cut_links": sorted(sorted(pair) for pair in cloud.lab.cut_links),
        "dialect": asdict(cloud.dialect),
        "timing": asdict(cloud.timing),
        "guests": asdict(cloud.guests),
    })  # fmt: skip


# Machines and disks


def _show_vm(vm: Vm) -> dict[str, Any]:
    return {
        "id": vm.id,
        "name": vm.name,
        "location": vm.location,
        "size": vm.size,
        "power": vm.power,
        "tags": vm.tags,
        "shutdown_seconds": vm.shutdown_seconds,
        "disks": [each.disk_id for each in vm.attachments],
    }


def _show_disk(cloud: AzureCloud, disk: Disk) -> dict[str, Any]:
    return asdict(disk) | {"state": disk_state(cloud, disk)}


@CONTROL("POST", "/vms")
def vm_create(cloud: AzureCloud, request: Request) -> Answer:
    """The arguments of ``AzureCloud.add_vm``; it is there at once."""
    _require_new(cloud.vms, request)
    try:
        return Answer(_show_vm(cloud.add_vm(**request.object)), 201)
    except TypeError as error:
        raise Refusal(str(error), 400) from None


@CONTROL("POST", "/disks")
def disk_create(cloud: AzureCloud, request: Request) -> Answer:
    """The arguments of ``AzureCloud.add_disk``; it is there at once."""
    _require_new(cloud.disks, request)
    holder = request.object.get("attached_to")
    if holder and str(holder).lower() not in cloud.vms:
        raise Refusal(f"There is no VM {holder}", 404)
    try:
        return Answer(_show_disk(cloud, cloud.add_disk(**request.object)), 201)
    except TypeError as error:
        raise Refusal(str(error), 400) from None


def _require_new(held: dict[str, R], request: Request) -> None:
    name, location = request.text("name"), request.object.get("location", REGIONS[0])
    group = str(request.object.get("group", GROUP)).lower()
    if location not in REGIONS:
        raise Refusal(f"There is no region {location}", 400)
    for each in held.values():
        if each.name.lower() == name.lower() and each.id.split("/")[4].lower() == group:
            raise Refusal(f"There is a {name} already", 409)


@CONTROL("GET", "/vms/{name}")
def vm_show(cloud: AzureCloud, request: Request) -> Answer:
    return Answer(_show_vm(_named(cloud.vms, request)))


@CONTROL("DELETE", "/vms/{name}")
def vm_delete(cloud: AzureCloud, request: Request) -> Answer:
    """Gone at once, without an operation; its disks stay, its card does not."""
    vm = cloud.vms.pop(_named(cloud.vms, request).id.lower())
    cloud.nics.pop(vm.nic.lower(), None)
    for each in vm.attachments:
        if (disk := cloud.disks.get(each.disk_id.lower())) is not None:
            disk.managed_by = ""
    return DONE


@CONTROL("POST", "/vms/{name}/guest")
def guest_set(cloud: AzureCloud, request: Request) -> Answer:
    """``{"shutdown_seconds": 20}``."""
    given = request.object.get("shutdown_seconds")
    if isinstance(given, bool) or not isinstance(given, int | float) or given < 0:
        raise Refusal("shutdown_seconds is a number, 0 or more", 400)
    _named(cloud.vms, request).shutdown_seconds = given
    return DONE


@CONTROL("POST", "/guests")
def guests_set(cloud: AzureCloud, request: Request) -> Answer:
    """The fields of ``Guests``: what all guests do from now on."""
    return change(cloud.guests, request)


@CONTROL("GET", "/vms/{name}/content")
def vm_read(cloud: AzureCloud, request: Request) -> Answer:
    """What its OS disk holds."""
    return _content(_os_disk(cloud, request))


@CONTROL("POST", "/vms/{name}/content")
def vm_write(cloud: AzureCloud, request: Request) -> Answer:
    """``{"content": text}``, to its OS disk."""
    return _write(_os_disk(cloud, request), request)


def _os_disk(cloud: AzureCloud, request: Request) -> Disk:
    return cloud.disk(_named(cloud.vms, request).os_disk.disk_id)


@CONTROL("GET", "/disks/{name}")
def disk_show(cloud: AzureCloud, request: Request) -> Answer:
    return Answer(_show_disk(cloud, _named(cloud.disks, request)))


@CONTROL("GET", "/disks/{name}/content")
def disk_read(cloud: AzureCloud, request: Request) -> Answer:
    return _content(_named(cloud.disks, request))


@CONTROL("POST", "/disks/{name}/content")
def disk_write(cloud: AzureCloud, request: Request) -> Answer:
    """``{"content": text}``."""
    return _write(_named(cloud.disks, request), request)


@CONTROL("POST", "/disks/{name}/attach")
def disk_attach(cloud: AzureCloud, request: Request) -> Answer:
    """``{"vm": id}``; null detaches. At once, without an operation."""
    disk, wanted = _named(cloud.disks, request), request.object.get("vm")
    for vm in cloud.vms.values():
        vm.data_disks = [e for e in vm.data_disks if e.disk_id.lower() != disk.id.lower()]
    disk.managed_by = ""
    if wanted:
        vm = cloud.vm(str(wanted))
        taken = {each.lun for each in vm.data_disks}
        lun = next(number for number in range(64) if number not in taken)
        vm.data_disks.append(Attachment(disk.name, disk.id, "Attach", lun))
        disk.managed_by = vm.id
    return Answer(_show_disk(cloud, disk))


@CONTROL("DELETE", "/disks/{name}")
def disk_delete(cloud: AzureCloud, request: Request) -> Answer:
    """Gone at once, attached or not."""
    del cloud.disks[_named(cloud.disks, request).id.lower()]
    return DONE


@CONTROL("GET", "/snapshots/{name}")
def snapshot_show(cloud: AzureCloud, request: Request) -> Answer:
    cloud.advance_copies()
    return Answer(_show_disk(cloud, _named(cloud.snapshots, request)))


@CONTROL("DELETE", "/snapshots/{name}")
def snapshot_delete(cloud: AzureCloud, request: Request) -> Answer:
    """Gone at once; copies of it that are under way break off."""
    cloud.advance_copies()
    del cloud.snapshots[_named(cloud.snapshots, request).id.lower()]
    cloud.advance_copies()
    return DONE


def _named(held: dict[str, R], request: Request) -> R:
    name, group = request["name"].lower(), request.query.get("group", "").lower()
    for each in held.values():
        if each.name.lower() == name and group in ("", each.id.split("/")[4].lower()):
            return each
    raise Refusal(f"There is no {request['name']}", 404)


def _content(disk: Disk) -> Answer:
    return Answer({"content": disk.content})


def _write(disk: Disk, request: Request) -> Answer:
    content = request.object.get("content")
    if not isinstance(content, str):
        raise Refusal("content is a text", 400)
    disk.content = content
    return _content(disk)


# Operations, links, dialect and timing


@CONTROL("DELETE", "/operations")
def operation_forget(cloud: AzureCloud, request: Request) -> Answer:
    """No client finds a record of an operation begun until now; they go on nevertheless."""
    for each in cloud.operations.values():
        each.is_forgotten = True
    return DONE


@CONTROL("POST", "/link")
def link_set(cloud: AzureCloud, request: Request) -> Answer:
    """``{"up": false}`` cuts the two regions apart; copies between them stand still."""
    is_up = request.object.get("up")
    if not isinstance(is_up, bool):
        raise Refusal("up is true or false", 400)
    cloud.lab.link(*REGIONS, is_up=is_up)
    return DONE


@CONTROL("POST", "/dialect")
def dialect_set(cloud: AzureCloud, request: Request) -> Answer:
    return change(cloud.dialect, request)


@CONTROL("POST", "/timing")
def timing_set(cloud: AzureCloud, request: Request) -> Answer:
    return change(cloud.timing, request)
