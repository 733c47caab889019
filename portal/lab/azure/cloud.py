"""The emulated Azure Resource Manager: what it holds, and how its operations run. Knows no HTTP.

What an operation does is a step found by name, so that operations outlive a restart.
Ids are told apart in lower case, as Azure does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from portal.lab.azure.model import (
    GROUP,
    LEAST_PRIVILEGE,
    REGIONS,
    SUBSCRIPTION,
    Access,
    Assignment,
    Attachment,
    Bucket,
    Dialect,
    Disk,
    Limits,
    Lock,
    Nic,
    Operation,
    Resource,
    Snapshot,
    Timing,
    Vm,
    new_id,
)
from portal.lab.azure.refusals import ArmRefusal, not_found
from portal.lab.clock import SECOND
from portal.lab.guests import Guests

if TYPE_CHECKING:
    from portal.lab.agenda import Due
    from portal.lab.lab import Lab

R = TypeVar("R", bound=Resource)
COMPUTE = "Microsoft.Compute"


def resource_id(group: str, kind: str, name: str, subscription: str = SUBSCRIPTION) -> str:
    """Return the id of a compute resource."""
    base = f"/subscriptions/{subscription}/resourceGroups/{group}"
    return f"{base}/providers/{COMPUTE}/{kind}/{name}"


def network_id(group: str, path: str) -> str:
    """Return the id of a card, or of a part of a network."""
    base = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}"
    return f"{base}/providers/Microsoft.Network/{path}"


class AzureCloud:
    """The state of the emulated Azure. Tests and the seed may change it directly."""

    # What the state file keeps: collections by attribute, and single things.
    HELD: ClassVar[dict[str, type]] = {
        "vms": Vm,
        "disks": Disk,
        "snapshots": Snapshot,
        "operations": Operation,
        "locks": Lock,
        "nics": Nic,
    }
    SINGLE: ClassVar[dict[str, type]] = {
        "access": Access,
        "limits": Limits,
        "timing": Timing,
        "dialect": Dialect,
        "guests": Guests,
    }

    def __init__(self, name: str, lab: Lab) -> None:
        self.name = name
        self.lab = lab
        self.vms: dict[str, Vm] = {}
        self.disks: dict[str, Disk] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.operations: dict[str, Operation] = {}
        self.locks: dict[str, Lock] = {}
        self.nics: dict[str, Nic] = {}
        self.access = Access()
        self.access.assignments.append(
            Assignment(f"/subscriptions/{SUBSCRIPTION}", list(LEAST_PRIVILEGE))
        )
        self.limits = Limits()
        self.timing = Timing()
        self.dialect = Dialect()
        self.guests = Guests()
        # Set while a call is handled whose operation the lab was told to let fail, or to forget.
        self.doom = ""
        self.forgets = False
        # Target in lower case -> the latest operation on it.
        self._latest: dict[str, str] = {}
        self.buckets: dict[str, Bucket] = {}
        # Where clients reach it; the server says, once it has a port.
        self.base = ""

    @property
    def now(self) -> int:
        """The instant that is being lived through, in microseconds."""
        return self.lab.instant

    # What tests and the seed add

    def add_vm(
        self, name: str, *, power: str = "running", size: str = "Standard_D2s_v5",
        size_gb: int = 64, content: str | None = None, location: str = REGIONS[0],
        tags: dict[str, str] | None = None, shutdown_seconds: float = 20,
        group: str = GROUP, os_type: str = "Windows", zones: Sequence[str] = (),
        data: Sequence[tuple[int, str]] = (),
    ) -> Vm:  # fmt: skip
        """Make a VM with an OS disk. ``data`` are (size in GB, content) of its data disks."""
        vm = Vm(
            resource_id(group, "virtualMachines", name), name, location, dict(tags or {}),
            list(zones), self.now, size=size, power=power, shutdown_seconds=shutdown_seconds,
            nic=network_id(group, f"networkInterfaces/{name}-nic"),
        )  # fmt: skip
        self.add_nic(vm)
        os_disk = self.add_disk(
            f"{name}_OsDisk", size_gb=size_gb, content=content or f"{name}@initial",
            location=location, group=group, os_type=os_type, zones=zones,
        )  # fmt: skip
        os_disk.create_option, os_disk.managed_by = "FromImage", vm.id
        vm.os_disk = Attachment(os_disk.name, os_disk.id, "FromImage")
        for lun, (size_of, text) in enumerate(data):
            made = self.add_disk(
                f"{name}_data_{lun}", size_gb=size_of, content=text, location=location, group=group
            )
            made.managed_by = vm.id
            vm.data_disks.append(Attachment(made.name, made.id, "Attach", lun))
        self.vms[vm.id.lower()] = vm
        return vm

    def add_nic(self, vm: Vm, subnet: str = "", security_group: str = "") -> Nic:
        """Make the card that a VM refers to."""
        usual = network_id(vm.id.split("/")[4], "virtualNetworks/vdi/subnets/desktops")
        nic = Nic(
            vm.nic, vm.nic.rpartition("/")[2], vm.location, created_at=self.now,
            subnet=subnet or usual, security_group=security_group, vm=vm.id,
        )  # fmt: skip
        self.nics[nic.id.lower()] = nic
        return nic

    def add_disk(
        self, name: str, *, size_gb: int = 10, content: str | None = None,
        location: str = REGIONS[0], tags: dict[str, str] | None = None, group: str = GROUP,
        os_type: str = "", zones: Sequence[str] = (), attached_to: str = "",
    ) -> Disk:  # fmt: skip
        """Make a disk; one with an ``os_type`` can start a machine."""
        disk = Disk(
            resource_id(group, "disks", name), name, location, dict(tags or {}), list(zones),
            self.now, size_gb=size_gb, os_type=os_type, generation="V2" if os_type else "",
            content=f"{name}@initial" if content is None else content,
        )  # fmt: skip
        self.disks[disk.id.lower()] = disk
        if attached_to:
            vm = self.vms[attached_to.lower()]
            disk.managed_by = vm.id
            vm.data_disks.append(Attachment(name, disk.id, "Attach", len(vm.data_disks)))
        return disk

    # Looking

    def vm(self, id_: str) -> Vm:
        """Return a VM; 404 when it is not there."""
        return _get(self.vms, id_)

    def disk(self, id_: str) -> Disk:
        """Return a disk; 404 when it is not there."""
        return _get(self.disks, id_)

    def snapshot(self, id_: str) -> Snapshot:
        """Return a snapshot, its copy's progress brought up to date; 404 when it is not there."""
        found = _get(self.snapshots, id_)
        self.advance_copy(found)
        return found

    def find(self, id_: str) -> Resource:
        """Return a VM, a disk or a snapshot by its id."""
        for held in (self.vms, self.disks, self.snapshots):
            if id_.lower() in held:
                found: Resource = held[id_.lower()]
                return found
        raise not_found(id_)

    # Copies between regions

    def advance_copy(self, snapshot: Snapshot) -> None:
        """Let the bytes arrive that had the time to."""
        if not snapshot.is_copying or snapshot.provisioning != "Succeeded":
            return
        source = self.snapshots.get(snapshot.source_id.lower())
        if source is None:
            snapshot.copy_error = "CopySourceNotFound"
            return
        if self.lab.is_linked(source.location, snapshot.location):
            seconds = snapshot.size_gb * self.timing.copy_seconds_per_gib
            seconds = max(seconds * (self.timing.delta if snapshot.is_delta else 1), 0.001)
            passed = (self.now - snapshot.copied_at) / SECOND
            snapshot.copied = min(100.0, snapshot.copied + 100 * passed / seconds)
        snapshot.copied_at = self.now
        if snapshot.copied >= 100:
            snapshot.content = snapshot.coming

    def advance_copies(self) -> None:
        """Bring every copy up to date, before something changes what they depend on."""
        for snapshot in self.snapshots.values():
            self.advance_copy(snapshot)

    # Operations

    def begin(
        self, action: str, method: str, target: Resource, seconds: float,
        collection: str = "DiskOperations", **params: Any,
    ) -> Operation:  # fmt: skip
        """Start an operation on a resource; another under way on it is a conflict."""
        self.require_idle(target.id)
        operation = Operation(
            new_id(), action, method, target.id, target.id.split("/")[2], target.location,
            collection, params, self.now, self.now + int(seconds * SECOND), doom=self.doom,
            was=target.provisioning, is_forgotten=self.forgets,
        )  # fmt: skip
        target.provisioning = "Updating"
        self.operations[operation.id] = operation
        self._latest[target.id.lower()] = operation.id
        self.lab.agenda.add(operation.due_at, self.name, "operation", operation.id)
        return operation

    def active_on(self, id_: str) -> Operation | None:
        """The operation under way on a resource, if there is one."""
        operation = self.operations.get(self._latest.get(id_.lower(), ""))
        return operation if operation and operation.ended_at is None else None

    def require_idle(self, id_: str) -> None:
        """Refuse while an operation works on this resource."""
        if self.active_on(id_):
            name = id_.rpartition("/")[2]
            raise ArmRefusal(
                409, "AnotherOperationInProgress",
                f"Another operation on resource '{name}' is in progress.", target=name,
            )  # fmt: skip

    def come_due(self, due: Due) -> None:
        """Live through one entry of the agenda."""
        if due.kind in EVENTS:
            EVENTS[due.kind](self, due.key)
            return
        operation = self.operations.get(due.key)
        if operation is None:
            return
        if due.kind == "purge":
            del self.operations[operation.id]
            if self._latest.get(operation.target.lower()) == operation.id:
                del self._latest[operation.target.lower()]
        elif operation.ended_at is None:
            self._end(operation)

    def _end(self, operation: Operation) -> None:
        try:
            if operation.doom:
                raise ArmRefusal(500, "InternalExecutionError", operation.doom)
            STEPS[operation.action](self, operation)
            operation.status = "Succeeded"
        except ArmRefusal as refusal:
            operation.status = "Failed"
            operation.error_code, operation.error = refusal.error_code, str(refusal)
            UNDO.get(operation.action, _nothing)(self, operation)
        operation.ended_at = self.now
        for held in (self.vms, self.disks, self.snapshots):
            resource = held.get(operation.target.lower())
            if isinstance(resource, Resource):
                resource.provisioning = operation.was
                if operation.action in CREATIONS:
                    resource.provisioning = operation.status
        self._plan_purge(operation)

    def _plan_purge(self, operation: Operation) -> None:
        at = self.now + int(self.timing.operation_kept_seconds * SECOND)
        self.lab.agenda.add(at, self.name, "purge", operation.id)

    def resume(self) -> None:
        """Put everything that is under way on the agenda, after the state was loaded."""
        for operation in self.operations.values():
            if operation.ended_at is None:
                self._latest[operation.target.lower()] = operation.id
                self.lab.agenda.add(operation.due_at, self.name, "operation", operation.id)
            else:
                self._plan_purge(operation)
        for vm in self.vms.values():
            if vm.sysprep_at:
                self.lab.agenda.add(vm.sysprep_at, self.name, "sysprep", vm.id)
            if vm.nic and vm.nic.lower() not in self.nics:  # a state file of an earlier release
                self.add_nic(vm)


Step = Callable[[AzureCloud, Operation], None]
# What an operation does at its end, and what it takes back when it fails.
STEPS: dict[str, Step] = {}
# Those that make their target: one that fails leaves it behind as a failed one.
CREATIONS = frozenset({"disk_put", "snapshot_put", "vm_put"})
UNDO: dict[str, Step] = {}
# What happens in guests, by the kind of its entry in the agenda; told the id of the machine.
EVENTS: dict[str, Callable[[AzureCloud, str], None]] = {}


def _nothing(cloud: AzureCloud, operation: Operation) -> None:
    """Most operations change nothing before their end."""


def _get(held: dict[str, R], id_: str) -> R:
    if id_.lower() not in held:
        raise not_found(id_)
    return held[id_.lower()]
