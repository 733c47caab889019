"""Clones of VMs (reference 3.3): new disks with the same content, size and address.

A clone holds what its source held when the task started. It is off, has new MAC
addresses, and inherits the description. It is in ``GET /vms`` when the task has succeeded.
"""

from __future__ import annotations

import copy
from typing import Any

from portal.lab.prism import wire
from portal.lab.prism.cluster import ACTIONS, V2, Action, PrismCluster
from portal.lab.prism.disks import make_nics
from portal.lab.prism.model import Disk, Nic, Task, Vm, new_uuid
from portal.lab.prism.vms import check_new
from portal.lab.routing import Answer, Refusal, Request

CLONE = "VmClone"


@V2("POST", "/vms/{uuid}/clone")
def vm_clone(cluster: PrismCluster, request: Request) -> Answer:
    source = cluster.vm(request["uuid"])
    return submit_clone(cluster, request, ("VM", source.uuid))


def submit_clone(cluster: PrismCluster, request: Request, source: tuple[str, str]) -> Answer:
    """Start the task that clones a VM or a VM snapshot into each of ``spec_list``."""
    specs = [dict(spec) for spec in request.items("spec_list")]
    is_given = cluster.dialect.honours_clone_uuid
    for spec in specs:
        if not spec.get("name"):
            raise Refusal("Each spec of a clone needs a name", 400)
        spec["is_given"] = bool(is_given and spec.get("uuid"))
        if not spec["is_given"]:
            spec["uuid"] = new_uuid()
    for spec in specs:
        if spec["is_given"] and cluster.is_busy([spec["uuid"]]):
            raise Refusal(f"An entity with uuid {spec['uuid']} is being created")
    # The uuid of a clone is known from the start only if the client chose it.
    named = [("VM", spec["uuid"]) for spec in specs if spec["is_given"]]
    params: dict[str, Any] = {"source": list(source), "specs": specs}
    seconds = cluster.timing.clone_seconds
    return wire.submitted(cluster.submit(CLONE, [*named, source], seconds, params))


def _source(cluster: PrismCluster, task: Task) -> Vm:
    kind, uuid = task.params["source"]
    if kind == "VM":
        return cluster.vm(uuid)
    if uuid not in cluster.snapshots:
        raise Refusal(f"Snapshot with uuid {uuid} does not exist", 404)
    return cluster.snapshots[uuid].vm


def _check(cluster: PrismCluster, task: Task) -> None:
    _source(cluster, task)
    for spec in task.params["specs"]:
        check_new(cluster, spec["uuid"])


def _begin(cluster: PrismCluster, task: Task) -> None:
    source = _source(cluster, task)
    task.params["made"] = [
        [dict(vars(disk.clone())) for disk in source.disks] for _ in task.params["specs"]
    ]
    task.params["like"] = {
        "vcpus": source.vcpus,
        "cores": source.cores,
        "memory_mb": source.memory_mb,
        "description": source.description,
        "timezone": source.timezone,
        "guest_shutdown_seconds": source.guest_shutdown_seconds,
        "other": copy.deepcopy(source.other),
    }
    task.params["nics"] = [dict(vars(card)) for card in source.nics]
    task.params["cdroms"] = len(source.cdroms)


def _finish(cluster: PrismCluster, task: Task) -> None:
    for spec in task.params["specs"]:
        check_new(cluster, spec["uuid"])
    for spec, disks in zip(task.params["specs"], task.params["made"], strict=True):
        vm = Vm(spec["uuid"], spec["name"], "off", **task.params["like"])
        vm.other = copy.deepcopy(vm.other)
        vm.vcpus = spec.get("num_vcpus") or vm.vcpus
        vm.cores = spec.get("num_cores_per_vcpu") or vm.cores
        vm.memory_mb = spec.get("memory_mb") or vm.memory_mb
        vm.disks = [Disk(**disk) for disk in disks]
        vm.cdroms = [
            Disk(new_uuid(), "ide", number, 0, "", "") for number in range(task.params["cdroms"])
        ]
        vm.nics = _nics(cluster, spec, [Nic(**card) for card in task.params["nics"]])
        cluster.vms[vm.uuid] = vm
    made = [("VM", spec["uuid"]) for spec in task.params["specs"]]
    task.entities = [*made, *(entity for entity in task.entities if entity not in made)]


def _nics(cluster: PrismCluster, spec: dict[str, Any], like: list[Nic]) -> list[Nic]:
    if spec.get("override_network_config") and spec.get("vm_nics") is not None:
        return make_nics(cluster, spec["vm_nics"])
    return [
        Nic(new_uuid(), cluster.new_mac(), card.network_uuid, None, card.is_connected, card.model)
        for card in like
    ]


ACTIONS[CLONE] = Action(_finish, check=_check, begin=_begin)
