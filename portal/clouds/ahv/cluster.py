"""The calls of Prism Element that the driver is made of, one method each.

Every change is asynchronous at the cluster and answers an `Operation`. Look at the
running tasks *before* looking at what they make: in the other order a task that ends
between the two looks leaves no trace, and its work would be begun twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from portal.clouds.ahv import domain_wire, wire
from portal.clouds.ahv.domain_wire import Group
from portal.clouds.ahv.http import Answer, PrismSession
from portal.clouds.ahv.wire import Task, Vm, VmDisk
from portal.clouds.api import (
    CloudRefused,
    CloudUnreachable,
    NotFound,
    Operation,
    SignInRefused,
    Storage,
)

# int32: clients ask for everything with it, and `tasks/list` keeps the oldest of fewer (8).
ALL = 2147483647
TASK = "task:"
# Somebody's task, maybe ours of a lost run: only its end matters, the verb looks again.
ENDED = "ended:"
# Nothing to ask about: done at once, the verb looks again.
AGAIN = "again:"
# The name of no protection domain: ours end with the id of something.
NO_DOMAIN = "standby-pd-none"
STORAGE = ("usage", "capacity")
UNDER_WAY = frozenset({"running", "queued"})


class Cluster:
    """One Prism Element, as typed calls."""

    def __init__(self, http: PrismSession) -> None:
        self.http = http
        # Whether it was seen to give a clone the uuid we chose (3.3, mark S).
        self.honours_uuids = False

    # Looking

    def describe(self) -> Answer:
        """GET /cluster, which has no envelope."""
        return self.http.get("/cluster")

    def storage(self) -> Storage | None:
        """``usage_stats`` of GET /cluster: text, and "-1" for what is not known (1.5)."""
        told = wire.obj(self.describe().body).get("usage_stats") or {}
        used, capacity = (wire.number(told, f"storage.{name}_bytes") for name in STORAGE)
        return Storage(used, capacity) if used >= 0 and capacity > 0 else None

    def is_read_only(self) -> bool:
        """Whether the user is a viewer, to whom every change is refused with 403 (1.2).

        Nothing tells a user's role: so what cannot be there is deleted, and nothing happens.
        """
        try:
            self.http.delete(f"/protection_domains/{NO_DOMAIN}")
        except SignInRefused:
            return True
        except CloudRefused:
            return False
        return False

    def vms(self, *, name: str = "", with_disks: bool = True) -> list[Vm]:
        """GET /vms, all of them or those of this name. Names are not unique."""
        params = {"offset": "0", "length": str(ALL)}
        if with_disks:
            params |= {"include_vm_disk_config": "true", "include_vm_nic_config": "true"}
        if name:
            params["filter"] = f"vm_name=={name}"
        found = [wire.vm(item) for item in wire.entities(self.http.get("/vms", **params).body)]
        self._learn(vm.uuid for vm in found if vm.is_ours)
        return [vm for vm in found if not name or vm.name == name]

    def vm(self, uuid: str) -> Vm:
        """GET /vms/{uuid}; `NotFound` is sure.

        Some clusters answer 500 for an unknown VM (1.5): the list decides.
        """
        if not uuid:
            raise NotFound("No server is named.")
        try:
            found = wire.vm(wire.obj(self._get_vm(uuid)))
        except (NotFound, SignInRefused):
            raise
        except CloudRefused as refused:
            if any(vm.uuid == uuid for vm in self.vms(with_disks=False)):
                raise
            raise NotFound(str(refused)) from refused
        if found.uuid != uuid:
            raise CloudUnreachable(f"Asked for server {uuid}, the cluster answered another.")
        return found

    def _get_vm(self, uuid: str) -> Any:
        return self.http.get(
            f"/vms/{quote(uuid, safe='')}",
            include_vm_disk_config="true",
            include_vm_nic_config="true",
        ).body

    def find_vm(self, uuid: str) -> Vm | None:
        """Return the VM, None when it is not there."""
        try:
            return self.vm(uuid)
        except NotFound:
            return None

    def groups(self) -> list[Group]:
        """GET /volume_groups, all of them, without those awaiting collection."""
        listed = wire.entities(self.http.get("/volume_groups", include_disk_size="true").body)
        return [domain_wire.group(item) for item in listed if not item.get("is_deleted")]

    def group(self, uuid: str) -> Group:
        """GET /volume_groups/{uuid}; `NotFound` is sure: the list is asked too.

        What is taken for gone is not removed any more, and would be left at the cluster.
        """
        path = f"/volume_groups/{quote(uuid, safe='')}"
        try:
            item = wire.obj(self.http.get(path, include_disk_size="true").body)
        except SignInRefused:
            raise
        except CloudRefused as refused:
            if not any(group.uuid == uuid for group in self.groups()):
                raise NotFound(str(refused)) from refused
            if isinstance(refused, NotFound):
                raise CloudUnreachable(f"It denies volume group {uuid}, yet lists it.") from refused
            raise
        found = domain_wire.group(item)
        if found.uuid != uuid:
            raise CloudUnreachable(f"Asked for volume group {uuid}, the cluster answered another.")
        if item.get("is_deleted"):
            raise NotFound(f"The volume group {found.name} is deleted.")
        return found

    def find_group(self, uuid: str) -> Group | None:
        """Return the volume group, None when it is not there."""
        try:
            return self.group(uuid)
        except NotFound:
            return None

    def running_tasks(self) -> list[Task]:
        """POST /tasks/list. Its own filter by entity is unreliable (8), so all are read."""
        body = {"include_completed": False, "count": ALL}
        listed = wire.entities(self.http.post("/tasks/list", body).body)
        tasks = [wire.task(item) for item in listed]
        running = [task for task in tasks if task.progress.state == task.progress.RUNNING]
        self._learn(uuid for task in running for uuid in task.entities)
        return running

    def _learn(self, uuids: Iterable[str]) -> None:
        if not self.honours_uuids:
            self.honours_uuids = any(map(wire.is_given_uuid, uuids))

    def ended_tasks(self, uuids: Sequence[str]) -> list[Task]:
        """POST /tasks/poll without waiting: those of these that have ended."""
        body = {"completed_tasks": list(uuids), "timeout_interval": 0}
        answer = wire.obj(self.http.post("/tasks/poll", body).body)
        return [wire.task(item) for item in wire.items(answer, "completed_tasks_info")]

    def task(self, uuid: str) -> Task | None:
        """GET /tasks/{uuid}; None when the cluster does not know it, by 404 or by 500 (1.5)."""
        try:
            return wire.task(wire.obj(self.http.get(f"/tasks/{quote(uuid, safe='')}").body))
        except SignInRefused:
            raise
        except CloudRefused:
            return None

    # Changing

    def set_power(self, uuid: str, transition: str, message: str) -> Operation:
        """POST /vms/{uuid}/set_power_state: ON, OFF or ACPI_SHUTDOWN."""
        answer = self.http.post(f"/vms/{uuid}/set_power_state", {"transition": transition})
        return _submitted(answer, message)

    def clone(self, source: str, name: str, uuid: str) -> Operation:
        """POST /vms/{uuid}/clone with a uuid of ours for the new VM, which is off."""
        spec = {"name": name, "uuid": uuid, "override_network_config": False}
        answer = self.http.post(f"/vms/{source}/clone", {"spec_list": [spec]})
        return _submitted(answer, "Copying the disks")

    def describe_vm(self, uuid: str, description: str) -> Operation:
        """PUT /vms/{uuid}: what is not named stays as it is."""
        answer = self.http.put(f"/vms/{uuid}", {"description": description})
        return _submitted(answer, "Marking the copy")

    def rename_vm(self, uuid: str, name: str, description: str) -> Operation:
        """PUT /vms/{uuid}."""
        body = {"name": name, "description": description}
        return _submitted(self.http.put(f"/vms/{uuid}", body), "Naming the server")

    def change_group(self, uuid: str, name: str, description: str, message: str) -> Operation:
        """PUT /volume_groups/{uuid}, which answers a task or the group (5)."""
        body = {"name": name, "description": description}
        return submitted(self.http.put(f"/volume_groups/{uuid}", body), message)

    def delete_group(self, uuid: str) -> Operation:
        """DELETE /volume_groups/{uuid}. What it does to an attached one is not documented (5.1)."""
        return submitted(self.http.delete(f"/volume_groups/{uuid}"), "Removing the volume group")

    def detach_group(self, uuid: str, vm: str) -> Operation:
        """POST /volume_groups/{uuid}/detach."""
        body = {"operation": "DETACH", "vm_uuid": vm}
        answer = self.http.post(f"/volume_groups/{uuid}/detach", body)
        return submitted(answer, "Detaching the volume group")

    def is_restoring(self) -> Operation | None:
        """Return a running restore of whatever it be, to be waited for.

        Tasks and, where a restore starts none (6.7), v1 ``progress_monitors``. What a restore
        makes is not known before it ends, and operation names are free text.
        """
        for task in self.running_tasks():
            if "restore" in task.operation.lower():
                return wait_for(task)
        try:
            monitors = wire.entities(self.http.get_v1("/progress_monitors").body)
        except SignInRefused:
            raise
        except CloudRefused:
            return None
        running = [each for each in monitors if wire.text(each, "status").lower() in UNDER_WAY]
        if any("restore" in wire.text(each, "operation").lower() for each in running):
            return Operation(AGAIN, "Waiting for a restore at the cluster")
        return None

    def delete_vm(self, uuid: str) -> Operation:
        """DELETE /vms/{uuid}, with its snapshots: as orphans they would keep their space."""
        answer = self.http.delete(f"/vms/{uuid}", delete_snapshots="true")
        return _submitted(answer, "Removing the copy")

    def detach(self, uuid: str, disks: Iterable[VmDisk]) -> Operation:
        """POST /vms/{uuid}/disks/detach, which destroys the disks."""
        gone = [{"disk_address": _place(disk) | {"vmdisk_uuid": disk.uuid}} for disk in disks]
        answer = self.http.post(f"/vms/{uuid}/disks/detach", {"vm_disks": gone})
        return _submitted(answer, "Taking the disks out")

    def attach_clones(self, uuid: str, disks: Iterable[VmDisk]) -> Operation:
        """POST /vms/{uuid}/disks/attach: clones of these disks at the same addresses."""
        new = [{"disk_address": _place(disk), "vm_disk_clone": _origin(disk)} for disk in disks]
        answer = self.http.post(f"/vms/{uuid}/disks/attach", {"vm_disks": new})
        return _submitted(answer, "Putting the disks in")


def busy_with(tasks: Iterable[Task], *uuids: str) -> Operation | None:
    """Return the first running task on any of these things, to be waited for."""
    for task in tasks:
        if task.entities.intersection(uuids):
            return wait_for(task)
    return None


def wait_for(task: Task) -> Operation:
    """Return an operation that is done when this task has ended, well or not."""
    return Operation(f"{ENDED}{task.uuid}", "Waiting for the cluster to finish what it has begun")


def submitted(answer: Answer, message: str) -> Operation:
    """Return what to wait for; without a task, another look tells."""
    body = answer.body if isinstance(answer.body, dict) else {}
    uuid = wire.text(body, "task_uuid")
    return Operation(f"{TASK}{uuid}" if uuid else AGAIN, message)


def _submitted(answer: Answer, message: str) -> Operation:
    uuid = wire.text(wire.obj(answer.body), "task_uuid")
    if not uuid:
        raise CloudUnreachable("The cluster took the request but named no task.")
    return Operation(f"{TASK}{uuid}", message)


def _place(disk: VmDisk) -> dict[str, str | int]:
    return {"device_bus": disk.bus, "device_index": disk.index}


def _origin(disk: VmDisk) -> dict[str, Any]:
    origin: dict[str, Any] = {"disk_address": {"vmdisk_uuid": disk.uuid}}
    if disk.container:
        origin["storage_container_uuid"] = disk.container
    return origin
