"""Virtual machines: list, show, create, change, delete (reference 3.1 to 3.3)."""

from __future__ import annotations

from typing import Any

from portal.lab.prism import wire
from portal.lab.prism.cluster import ACTIONS, V2, Action, PrismCluster
from portal.lab.prism.disks import make_disks, make_nics
from portal.lab.prism.domains import renamed
from portal.lab.prism.model import Disk, Task, Vm, new_uuid
from portal.lab.routing import Answer, Refusal, Request

CREATE, UPDATE, DELETE = "VmCreate", "VmUpdate", "VmDelete"
SIZES = {"num_vcpus": "vcpus", "num_cores_per_vcpu": "cores", "memory_mb": "memory_mb"}
TEXTS = ("name", "description", "timezone")
KEPT = (
    "boot", "vm_features", "ha_priority", "machine_type", "affinity", "memory_reservation_mb",
    "vcpu_reservation_hz",
)  # fmt: skip


@V2("GET", "/vms")
def vm_list(cluster: PrismCluster, request: Request) -> Answer:
    groups = wire.attached_groups(cluster)
    shown = [wire.vm(cluster, vm, request, groups) for vm in _filtered(cluster, request)]
    shown = wire.sort(shown, request.query.get("sort_attribute"), request.query.get("sort_order"))
    return wire.page(shown, request)


def _filtered(cluster: PrismCluster, request: Request) -> list[Vm]:
    """``filter``: ``field==value`` joined by ``;`` (and) and ``,`` (or) (1.4)."""
    vms = list(cluster.vms.values())
    given = request.query.get("filter")
    if not given:
        return vms
    return [
        vm
        for vm in vms
        if any(
            all(_holds(cluster, vm, term) for term in terms.split(";"))
            for terms in given.split(",")
        )
    ]


def _holds(cluster: PrismCluster, vm: Vm, term: str) -> bool:
    name, is_equal, value = term.partition("==")
    if not is_equal:
        raise Refusal(f"Invalid filter criteria: {term}", 400)
    if name == "vm_name":
        return vm.name == value
    return str(wire.vm(cluster, vm, Request("GET", "")).get(name)) == value


@V2("GET", "/vms/{uuid}")
def vm_detail(cluster: PrismCluster, request: Request) -> Answer:
    return Answer(wire.vm(cluster, cluster.vm(request["uuid"]), request))


@V2("POST", "/vms")
def vm_create(cluster: PrismCluster, request: Request) -> Answer:
    request.text("name")
    body = request.object
    if not wire.count_of(body, "memory_mb", 0) or not wire.count_of(body, "num_vcpus", 0):
        raise Refusal("The fields memory_mb and num_vcpus are required", 400)
    uuid = body.get("uuid") or new_uuid()
    task = cluster.submit(
        CREATE, [("VM", uuid)], cluster.timing.create_seconds, {"vm": uuid, "spec": body}
    )
    return wire.submitted(task)


def _check_create(cluster: PrismCluster, task: Task) -> None:
    check_new(cluster, task.params["vm"])
    make_disks(cluster, [], task.params["spec"].get("vm_disks") or [])
    make_nics(cluster, task.params["spec"].get("vm_nics") or [])


def check_new(cluster: PrismCluster, uuid: str) -> None:
    """Refuse a uuid that a VM or volume group has."""
    if uuid in cluster.vms or uuid in cluster.volume_groups:
        raise Refusal(f"An entity with uuid {uuid} already exists")


def _finish_create(cluster: PrismCluster, task: Task) -> None:
    _check_create(cluster, task)
    spec = task.params["spec"]
    vm = Vm(
        task.params["vm"], spec["name"], "off", wire.count_of(spec, "num_vcpus", 1),
        wire.count_of(spec, "num_cores_per_vcpu", 0) or 1, wire.count_of(spec, "memory_mb", 1),
        description=spec.get("description"),
        disks=make_disks(cluster, [], spec.get("vm_disks") or []),
        nics=make_nics(cluster, spec.get("vm_nics") or []),
        timezone=spec.get("timezone") or "UTC",
        other={name: spec[name] for name in KEPT if spec.get(name) is not None},
    )  # fmt: skip
    cdroms = [item for item in spec.get("vm_disks") or [] if item.get("is_cdrom")]
    vm.cdroms = [Disk(new_uuid(), "ide", number, 0, "", "") for number, _ in enumerate(cdroms)]
    cluster.vms[vm.uuid] = vm


@V2("PUT", "/vms/{uuid}")
def vm_update(cluster: PrismCluster, request: Request) -> Answer:
    """Fields that are absent or null stay as they are."""
    vm = cluster.vm(request["uuid"])
    params = {"vm": vm.uuid, "spec": request.object}
    task = cluster.submit(UPDATE, [("VM", vm.uuid)], cluster.timing.update_seconds, params)
    return wire.submitted(task, 200)


def _sizes(spec: dict[str, Any]) -> dict[str, int]:
    return {ours: wire.count_of(spec, name, 0) for name, ours in SIZES.items() if spec.get(name)}


def _check_update(cluster: PrismCluster, task: Task) -> None:
    vm, spec = cluster.vm(task.params["vm"]), task.params["spec"]
    check_timestamp(vm, spec.get("vm_logical_timestamp"))
    if vm.power_state != "off" and any(
        size < getattr(vm, name) for name, size in _sizes(spec).items()
    ):
        raise Refusal(f"VM {vm.name} must be powered off to get less CPU or memory")


def check_timestamp(vm: Vm, given: Any) -> None:
    """Refuse a stale logical timestamp (3.3, mark S); none at all is always good."""
    if given not in (None, "") and str(given) != str(vm.logical_timestamp):
        raise Refusal(f"Logical timestamp mismatch: {given}, but {vm.logical_timestamp}")


def _finish_update(cluster: PrismCluster, task: Task) -> None:
    _check_update(cluster, task)
    vm, spec = cluster.vm(task.params["vm"]), task.params["spec"]
    for name in TEXTS:
        if spec.get(name) is not None:
            setattr(vm, name, str(spec[name]))
    renamed(cluster, vm.uuid, vm.name)
    for name, size in _sizes(spec).items():
        setattr(vm, name, size)
    vm.other |= {name: spec[name] for name in KEPT if spec.get(name) is not None}
    vm.logical_timestamp += 1


@V2("DELETE", "/vms/{uuid}")
def vm_delete(cluster: PrismCluster, request: Request) -> Answer:
    """Forces the power off. Without ``delete_snapshots=true`` its VM snapshots stay."""
    vm = cluster.vm(request["uuid"])
    params = {
        "vm": vm.uuid,
        "delete_snapshots": request.flag("delete_snapshots"),
        "timestamp": request.query.get("logical_timestamp"),
    }
    task = cluster.submit(DELETE, [("VM", vm.uuid)], cluster.timing.delete_seconds, params)
    return wire.submitted(task)


def _check_delete(cluster: PrismCluster, task: Task) -> None:
    check_timestamp(cluster.vm(task.params["vm"]), task.params["timestamp"])


def _finish_delete(cluster: PrismCluster, task: Task) -> None:
    uuid = cluster.vm(task.params["vm"]).uuid
    if task.params["delete_snapshots"]:
        for snapshot in list(cluster.snapshots.values()):
            if snapshot.vm.uuid == uuid:
                del cluster.snapshots[snapshot.uuid]
    remove_vm(cluster, uuid)


def remove_vm(cluster: PrismCluster, uuid: str) -> None:
    """Remove a VM with its disks; volume groups attached to it come free."""
    del cluster.vms[uuid]
    for group in cluster.volume_groups.values():
        group.vms.pop(uuid, None)


ACTIONS[CREATE] = Action(_finish_create, check=_check_create)
ACTIONS[UPDATE] = Action(_finish_update, check=_check_update)
ACTIONS[DELETE] = Action(_finish_delete, check=_check_delete)
