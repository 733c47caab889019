"""Virtual machines: look, make, change, swap disks, delete (reference 2.1, 7.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from portal.lab.azure import bodies, cards, limits, operations, skus, wire
from portal.lab.azure.access import require_vm_links
from portal.lab.azure.cloud import STEPS, UNDO, AzureCloud, resource_id
from portal.lab.azure.model import Attachment, Disk, Operation, Vm
from portal.lab.azure.refusals import ArmRefusal, invalid
from portal.lab.azure.routes import SUBSCRIPTION_PATH, arm, compute
from portal.lab.routing import Answer, Request

_PATH = f"{SUBSCRIPTION_PATH}/providers/Microsoft.Compute/virtualMachines"
_VM = "virtualMachines/{name}"
# The first update of a VM takes effect when its operation ends; others of its kind wait.
_COLLECTION = "operations"
# Of a new one, kept and shown as they were given.
KEPT = ("licenseType", "securityProfile")


@arm("GET", _PATH, "Microsoft.Compute/virtualMachines/read")
def vm_list(cloud: AzureCloud, request: Request) -> Answer:
    """``statusOnly`` gives the power of each, and leaves its storage out."""
    return _list(cloud, request, list(cloud.vms.values()))


@compute("GET", "virtualMachines", "virtualMachines/read")
def vm_list_group(cloud: AzureCloud, request: Request) -> Answer:
    return _list(cloud, request, list(bodies.in_group(cloud.vms.values(), request)))


def _list(cloud: AzureCloud, request: Request, found: list[Vm]) -> Answer:
    if request.flag("statusOnly"):
        return wire.page(cloud, request, (wire.vm_status(cloud, each) for each in found))
    with_view = _wants_view(request)
    return wire.page(cloud, request, (wire.vm(cloud, each, with_view=with_view) for each in found))


def _wants_view(request: Request) -> bool:
    return request.query.get("$expand", "").lower() == "instanceview"


@compute("GET", _VM, "virtualMachines/read")
def vm_show(cloud: AzureCloud, request: Request) -> Answer:
    found = cloud.vm(_id(request))
    return Answer(wire.vm(cloud, found, with_view=_wants_view(request)))


@compute("GET", f"{_VM}/instanceView", "virtualMachines/instanceView/read")
def vm_instance_view(cloud: AzureCloud, request: Request) -> Answer:
    return Answer(wire.instance_view(cloud, cloud.vm(_id(request))))


@compute("PUT", _VM, "virtualMachines/write")
def vm_put(cloud: AzureCloud, request: Request) -> Answer:
    """Make a VM around an existing OS disk, or replace what a VM is told to be."""
    if again := operations.replayed(cloud, request, _id(request)):
        return again
    present = cloud.vms.get(_id(request).lower())
    if present is not None:
        return _update(cloud, request, present)
    vm = Vm(_id(request), request["name"], **bodies.tracked(cloud, request))
    properties = bodies.properties(request)
    vm.size = str(bodies.part(properties, "hardwareProfile").get("vmSize") or vm.size)
    skus.require_size(cloud, vm)
    limits.require_cores(cloud, vm)
    subnet, group = cards.read(cloud, vm, bodies.part(properties, "networkProfile"))
    given = bodies.part(properties, "storageProfile", "osDisk")
    if given.get("createOption") != "Attach":
        raise invalid("The lab makes VMs from an attached OS disk only.", "osDisk.createOption")
    disk = _wanted_disk(cloud, given)
    require_vm_links(cloud, vm, [disk.id])
    _require_usable(cloud, vm, disk)
    vm.other = {key: properties[key] for key in KEPT if key in properties}
    vm.os_disk = Attachment(disk.name, disk.id, "Attach")
    disk.managed_by, vm.power = vm.id, "starting"
    cloud.vms[vm.id.lower()] = vm
    cards.hold(cloud, vm, subnet, group)
    seconds = cloud.timing.start_seconds
    operation = cloud.begin(
        "vm_put", "PUT", vm, seconds, _COLLECTION, said=operations.said(request)
    )  # fmt: skip
    return operations.accepted(cloud, operation, request, wire.vm(cloud, vm), 201)


def _finish_put(cloud: AzureCloud, operation: Operation) -> None:
    vm = cloud.vm(operation.target)
    skus.require_capacity(cloud, vm)
    vm.power, vm.on_since = "running", cloud.now


def _forget_put(cloud: AzureCloud, operation: Operation) -> None:
    """A VM that could not be made stays, as a failed one that holds its disk."""
    if (vm := cloud.vms.get(operation.target.lower())) is not None:
        vm.power = "deallocated"


@compute("PATCH", _VM, "virtualMachines/write")
def vm_patch(cloud: AzureCloud, request: Request) -> Answer:
    return _update(cloud, request, cloud.vm(_id(request)))


def _update(cloud: AzureCloud, request: Request, vm: Vm) -> Answer:
    """Tags, size, OS disk, data disks: what is named changes; checked at once, done later."""
    cloud.require_idle(vm.id)
    properties = bodies.properties(request)
    params: dict[str, Any] = {"said": operations.said(request)}
    if "tags" in request.object:
        params["tags"] = bodies.tags(request)
    if size := bodies.part(properties, "hardwareProfile").get("vmSize"):
        params["size"] = _checked_size(cloud, vm, str(size))
    storage = bodies.part(properties, "storageProfile")
    if given := bodies.part(storage, "osDisk"):
        swap = _checked_swap(cloud, vm, given)
        params |= {"os_disk": swap} if swap else {}
    if "dataDisks" in storage:
        params["data_disks"] = _checked_data(cloud, vm, bodies.items(storage, "dataDisks"))
    require_vm_links(cloud, vm, _disks_of(params))
    seconds = cloud.timing.update_seconds
    operation = cloud.begin("vm_update", "PATCH", vm, seconds, _COLLECTION, **params)
    return operations.accepted(cloud, operation, request, wire.vm(cloud, vm), 200)


def _checked_size(cloud: AzureCloud, vm: Vm, size: str) -> str:
    if size != vm.size:
        resized = replace(vm, size=size)
        skus.require_size(cloud, resized)
        limits.require_cores(cloud, resized, before=vm.size)
    return size


def _disks_of(params: dict[str, Any]) -> list[str]:
    """The disks that a change names."""
    named = [params["os_disk"]] if "os_disk" in params else []
    return named + [each["disk"] for each in params.get("data_disks", [])]


def _checked_swap(cloud: AzureCloud, vm: Vm, given: dict[str, Any]) -> str:
    """Return the id of the OS disk to put in; empty when it is the present one."""
    wanted = str(bodies.part(given, "managedDisk").get("id") or vm.os_disk.disk_id)
    if given.get("createOption", vm.os_disk.create_option) != vm.os_disk.create_option:
        raise _property("osDisk.createOption")
    if wanted.lower() == vm.os_disk.disk_id.lower():
        return ""
    disk = cloud.disk(wanted)
    if given.get("name") != disk.name:
        raise _property("osDisk.name")
    if vm.power != "deallocated":
        raise ArmRefusal(
            409, "OperationNotAllowed",
            f"The OS disk of VM '{vm.name}' can be changed only while it is deallocated.",
        )  # fmt: skip
    _require_usable(cloud, vm, disk)
    present = cloud.disk(vm.os_disk.disk_id)
    for name, one, other in (
        ("size", disk.size_gb, present.size_gb),
        ("OS type", disk.os_type, present.os_type),
        ("Hyper-V generation", disk.generation, present.generation),
    ):
        if one != other:
            raise invalid(
                f"Disk '{disk.name}' has another {name} ({one}) than the present one ({other}).",
                "osDisk.managedDisk.id",
            )
    return disk.id


def _require_usable(cloud: AzureCloud, vm: Vm, disk: Disk) -> None:
    if disk.location != vm.location:
        raise invalid(f"Disk '{disk.name}' is in {disk.location}, the VM in {vm.location}.")
    if disk.zones != vm.zones:
        raise invalid(f"Disk '{disk.name}' is in another zone than VM '{vm.name}'.")
    if disk.managed_by and disk.managed_by.lower() != vm.id.lower():
        raise ArmRefusal(
            409, "AttachDiskWhileBeingDetached", f"Disk '{disk.name}' is attached to another VM."
        )
    if disk.has_access or disk.provisioning != "Succeeded":
        raise ArmRefusal(409, "OperationNotAllowed", f"Disk '{disk.name}' is in use.")


def _checked_data(cloud: AzureCloud, vm: Vm, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A PATCH replaces the whole list."""
    wanted: list[dict[str, Any]] = []
    for each in given:
        if each.get("toBeDetached"):
            continue
        disk = _wanted_disk(cloud, each)
        _require_usable(cloud, vm, disk)
        if not isinstance(each.get("lun"), int) or each["lun"] in {it["lun"] for it in wanted}:
            raise invalid("A data disk needs a lun of its own.", "dataDisks.lun")
        wanted.append({"disk": disk.id, "lun": each["lun"]})
    return wanted


def _wanted_disk(cloud: AzureCloud, given: dict[str, Any]) -> Disk:
    return cloud.disk(str(bodies.part(given, "managedDisk").get("id") or ""))


def _finish_update(cloud: AzureCloud, operation: Operation) -> None:
    vm, params = cloud.vm(operation.target), operation.params
    vm.tags, vm.size = params.get("tags", vm.tags), params.get("size", vm.size)
    if wanted := params.get("os_disk"):
        disk = cloud.disk(wanted)
        cloud.disk(vm.os_disk.disk_id).managed_by = ""
        vm.os_disk.disk_id, vm.os_disk.name, disk.managed_by = disk.id, disk.name, vm.id
    if "data_disks" in params:
        _set_data(cloud, vm, params["data_disks"])
    if operation.method == "POST":
        params["output"] = wire.vm(cloud, vm)["properties"]["storageProfile"]


def _set_data(cloud: AzureCloud, vm: Vm, wanted: list[dict[str, Any]]) -> None:
    for each in vm.data_disks:
        if (gone := cloud.disks.get(each.disk_id.lower())) is not None:
            gone.managed_by = ""
    vm.data_disks = []
    for item in wanted:
        disk = cloud.disk(item["disk"])
        disk.managed_by = vm.id
        vm.data_disks.append(Attachment(disk.name, disk.id, "Attach", item["lun"]))


@compute("POST", f"{_VM}/attachDetachDataDisks", "virtualMachines/write")
def vm_attach_detach(cloud: AzureCloud, request: Request) -> Answer:
    vm = cloud.vm(_id(request))
    body = request.object
    cloud.require_idle(vm.id)
    dropped = {str(e.get("diskId")).lower() for e in bodies.items(body, "dataDisksToDetach")}
    kept = [each for each in vm.data_disks if each.disk_id.lower() not in dropped]
    wanted: list[dict[str, Any]] = [{"disk": e.disk_id, "lun": e.lun} for e in kept]
    for each in bodies.items(body, "dataDisksToAttach"):
        disk = cloud.disk(str(each.get("diskId")))
        _require_usable(cloud, vm, disk)
        taken = {item["lun"] for item in wanted}
        lun = each.get("lun", next(lun for lun in range(64) if lun not in taken))
        if not isinstance(lun, int) or lun in taken:
            raise invalid(f"The lun {lun} is in use, or is no number.", "dataDisks.lun")
        wanted.append({"disk": disk.id, "lun": lun})
    require_vm_links(cloud, vm, [item["disk"] for item in wanted])
    seconds = cloud.timing.update_seconds
    operation = cloud.begin("vm_update", "POST", vm, seconds, _COLLECTION, data_disks=wanted)
    return operations.accepted(cloud, operation, request)


@compute("DELETE", _VM, "virtualMachines/delete")
def vm_delete(cloud: AzureCloud, request: Request) -> Answer:
    vm = cloud.vms.get(_id(request).lower())
    if vm is None:
        return Answer(None, 204)
    if again := operations.replayed(cloud, request, vm.id):
        return again
    seconds = cloud.timing.delete_seconds
    operation = cloud.begin(
        "vm_delete", "DELETE", vm, seconds, _COLLECTION, said=operations.said(request)
    )
    return operations.accepted(cloud, operation, request)


def _finish_delete(cloud: AzureCloud, operation: Operation) -> None:
    """Disks and card stay, unless they were given otherwise."""
    vm = cloud.vms.pop(cloud.vm(operation.target).id.lower())
    cards.release(cloud, vm)
    for each in vm.attachments:
        if (disk := cloud.disks.get(each.disk_id.lower())) is not None:
            disk.managed_by = ""
            if each.delete_option == "Delete":
                del cloud.disks[disk.id.lower()]


def _property(target: str) -> ArmRefusal:
    return ArmRefusal(
        409, "PropertyChangeNotAllowed", f"Changing property '{target}' is not allowed.",
        target=target,
    )  # fmt: skip


def _id(request: Request) -> str:
    return resource_id(
        request["group"], "virtualMachines", request["name"], request["subscription"]
    )


STEPS |= {"vm_put": _finish_put, "vm_update": _finish_update, "vm_delete": _finish_delete}
UNDO["vm_put"] = _forget_put
