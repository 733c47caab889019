"""One Prism Element cluster: its machines, its tasks, its rules. Knows no HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from portal.lab.clock import Clock

GIB = 2**30


class Refusal(Exception):
    """The cluster says no: status in the 4xx dialect, message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Disk:
    uuid: str
    bus: str
    index: int
    size_bytes: int
    content: str
    container: str
    source: str = ""

    @property
    def address(self) -> str:
        return f"{self.bus}.{self.index}"


@dataclass
class Vm:
    uuid: str
    name: str
    power_state: str
    vcpus: int
    cores: int
    memory_mb: int
    disks: list[Disk]
    description: str | None = None
    guest_shutdown_seconds: float | None = 20
    off_at: int | None = None
    timestamp: int = 1


@dataclass
class LabTask:
    uuid: str
    operation: str
    entities: list[tuple[str, str]]
    created: int
    seconds: float
    work: Callable[[], None]
    start: int | None = None
    end: int | None = None
    status: str = "Queued"
    detail: str = ""
    fails: str = ""


@dataclass
class Timing:
    clone_seconds: float = 4
    power_seconds: float = 2
    delete_seconds: float = 2
    disk_seconds: float = 2
    update_seconds: float = 1
    task_kept_seconds: float = 3600


@dataclass
class Dialect:
    errors: str = "4xx"
    boolean_delete: str = "204"
    restore_returns_task: bool = True
    honours_clone_uuid: bool = True
    volume_group_put_returns_task: bool = True


@dataclass
class PrismCluster:
    name: str
    clock: Clock
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    vms: dict[str, Vm] = field(default_factory=dict)
    volume_groups: dict[str, Any] = field(default_factory=dict)
    protection_domains: dict[str, Any] = field(default_factory=dict)
    tasks: dict[str, LabTask] = field(default_factory=dict)
    timing: Timing = field(default_factory=Timing)
    dialect: Dialect = field(default_factory=Dialect)
    containers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.containers = self.containers or {
            str(uuid.uuid4()): "SelfServiceContainer",
            str(uuid.uuid4()): "default-container-77107",
        }

    def add_vm(
        self, name: str, *, power: str = "on", size_bytes: int = 45 * GIB,
        content: str | None = None, vcpus: int = 2, cores: int = 1, memory_mb: int = 4096,
        description: str | None = None, container: str | None = None,
        disks: list[tuple[int, str]] | None = None, guest_shutdown_seconds: float | None = 20,
    ) -> Vm:  # fmt: skip
        home = container or next(iter(self.containers))
        given = disks or [(size_bytes, content or f"{name}@initial")]
        made = [
            Disk(str(uuid.uuid4()), "scsi", number, size, text, home)
            for number, (size, text) in enumerate(given)
        ]
        vm = Vm(
            str(uuid.uuid4()), name, power, vcpus, cores, memory_mb, made, description,
            guest_shutdown_seconds,
        )  # fmt: skip
        self.vms[vm.uuid] = vm
        return vm

    # Time

    def settle(self) -> None:
        """Bring the state up to the clock, in the order in which things were due."""
        now = self.clock.now_usecs()
        while True:
            due = [
                (task.end, 1, task)
                for task in self.tasks.values()
                if task.status == "Running" and task.end is not None and task.end <= now
            ]
            offs = [
                (vm.off_at, 0, vm)
                for vm in self.vms.values()
                if vm.off_at is not None and vm.off_at <= now
            ]
            if not due and not offs:
                break
            at, _, thing = min([*due, *offs], key=lambda item: (item[0], item[1]))
            if isinstance(thing, Vm):
                thing.power_state, thing.off_at = "off", None
            else:
                self._finish(thing, at)
        keep = now - int(self.timing.task_kept_seconds * 1e6)
        for key in [
            k
            for k, t in self.tasks.items()
            if t.end and t.status in ("Succeeded", "Failed") and t.end < keep
        ]:
            del self.tasks[key]

    def _finish(self, task: LabTask, at: int) -> None:
        try:
            if task.fails:
                raise Refusal(500, task.fails)
            task.work()
            task.status = "Succeeded"
        except Refusal as refusal:
            task.status, task.detail = "Failed", str(refusal)
        for other in self.tasks.values():
            if other.status == "Queued" and not self._is_blocked(other):
                self._begin(other, at)

    def _is_blocked(self, task: LabTask) -> bool:
        ids = {entity for _, entity in task.entities}
        return any(
            other is not task
            and other.status == "Running"
            and ids & {entity for _, entity in other.entities}
            for other in self.tasks.values()
        )

    def _begin(self, task: LabTask, at: int) -> None:
        task.status, task.start = "Running", at
        task.end = at + int(task.seconds * 1e6)

    def submit(
        self, operation: str, entities: list[tuple[str, str]], seconds: float,
        work: Callable[[], None], fails: str,
    ) -> dict[str, str]:  # fmt: skip
        now = self.clock.now_usecs()
        task = LabTask(str(uuid.uuid4()), operation, entities, now, seconds, work, fails=fails)
        self.tasks[task.uuid] = task
        if not self._is_blocked(task):
            self._begin(task, now)
        return {"task_uuid": task.uuid}

    # Machines

    def vm(self, key: str) -> Vm:
        if key not in self.vms:
            raise Refusal(404, f"VM with uuid {key} not found")
        return self.vms[key]

    def set_power(self, key: str, transition: str, fails: str) -> dict[str, str]:
        vm = self.vm(key)
        change = transition.upper()

        def work() -> None:
            vm = self.vm(key)
            if change == "ACPI_SHUTDOWN":
                if vm.power_state != "on":
                    raise Refusal(422, f"VM {vm.name} is not powered on")
                if vm.guest_shutdown_seconds is not None:
                    vm.off_at = self.clock.now_usecs() + int(vm.guest_shutdown_seconds * 1e6)
            elif change == "OFF":
                if vm.power_state != "on":
                    raise Refusal(422, f"InvalidVmState: VM {vm.name} is already off")
                vm.power_state, vm.off_at = "off", None
            elif change == "ON":
                if vm.power_state == "on":
                    raise Refusal(422, f"InvalidVmState: VM {vm.name} is already on")
                vm.power_state = "on"
            else:
                raise Refusal(422, f"unknown transition {transition}")

        seconds = 0 if change == "ACPI_SHUTDOWN" else self.timing.power_seconds
        return self.submit("VmChangePowerState", [("VM", vm.uuid)], seconds, work, fails)

    def clone(self, key: str, body: dict[str, Any], fails: str) -> dict[str, str]:
        source = self.vm(key)
        spec = body["spec_list"][0]
        wanted = spec.get("uuid") if self.dialect.honours_clone_uuid else None
        if wanted and (
            wanted in self.vms
            or any(
                wanted in {e for _, e in t.entities}
                for t in self.tasks.values()
                if t.status in ("Queued", "Running")
            )
        ):
            raise Refusal(422, f"A VM with uuid {wanted} already exists")
        new = wanted or str(uuid.uuid4())

        def work() -> None:
            vm = self.vm(key)
            disks = [
                Disk(
                    str(uuid.uuid4()), d.bus, d.index, d.size_bytes, d.content, d.container, d.uuid
                )
                for d in vm.disks
            ]
            self.vms[new] = Vm(
                new, spec["name"], "off", vm.vcpus, vm.cores, vm.memory_mb, disks,
                vm.description, vm.guest_shutdown_seconds,
            )  # fmt: skip
            if not wanted:
                task_entities.append(("VM", new))

        task_entities = [("VM", source.uuid)] + ([("VM", new)] if wanted else [])
        return self.submit("VmClone", task_entities, self.timing.clone_seconds, work, fails)

    def delete(self, key: str, fails: str) -> dict[str, str]:
        self.vm(key)

        def work() -> None:
            self.vm(key)
            del self.vms[key]

        return self.submit("VmDelete", [("VM", key)], self.timing.delete_seconds, work, fails)

    def update(self, key: str, body: dict[str, Any], fails: str) -> dict[str, str]:
        self.vm(key)

        def work() -> None:
            vm = self.vm(key)
            for name in ("name", "description"):
                if body.get(name) is not None:
                    setattr(vm, name, body[name])

        return self.submit("VmUpdate", [("VM", key)], self.timing.update_seconds, work, fails)

    def detach(self, key: str, body: dict[str, Any], fails: str) -> dict[str, str]:
        vm = self.vm(key)
        places = [_place(item["disk_address"]) for item in body["vm_disks"]]
        taken = {(disk.bus, disk.index) for disk in vm.disks}
        if not set(places) <= taken:
            raise Refusal(422, "There is no disk at that address")

        def work() -> None:
            vm = self._off(key)
            vm.disks = [disk for disk in vm.disks if (disk.bus, disk.index) not in places]

        return self.submit("VmDiskDelete", [("VM", key)], self.timing.disk_seconds, work, fails)

    def attach(self, key: str, body: dict[str, Any], fails: str) -> dict[str, str]:
        self.vm(key)

        def work() -> None:
            vm = self._off(key)
            for item in body["vm_disks"]:
                bus, index = _place(item["disk_address"])
                if any((disk.bus, disk.index) == (bus, index) for disk in vm.disks):
                    raise Refusal(422, f"The address {bus}.{index} is occupied")
                source = self.disk(item["vm_disk_clone"]["disk_address"]["vmdisk_uuid"])
                vm.disks.append(Disk(
                    str(uuid.uuid4()), bus, index, source.size_bytes, source.content,
                    source.container, source.uuid,
                ))  # fmt: skip
            vm.disks.sort(key=lambda disk: (disk.bus, disk.index))

        return self.submit("VmDiskCreate", [("VM", key)], self.timing.disk_seconds, work, fails)

    def _off(self, key: str) -> Vm:
        vm = self.vm(key)
        if vm.power_state != "off":
            raise Refusal(422, f"VM {vm.name} must be powered off")
        return vm

    def disk(self, key: str) -> Disk:
        for vm in self.vms.values():
            for disk in vm.disks:
                if disk.uuid == key:
                    return disk
        raise Refusal(404, f"vmdisk {key} not found")


def _place(address: dict[str, Any]) -> tuple[str, int]:
    return str(address["device_bus"]).lower(), int(address["device_index"])
