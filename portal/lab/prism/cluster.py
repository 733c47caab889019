"""One Prism Element cluster: what it holds, and how its tasks run. Knows no HTTP.

What a task does is an `Action`, found by name, so that tasks outlive a restart of the lab.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from portal.lab.clock import SECOND
from portal.lab.guests import Guests
from portal.lab.prism.model import (
    GIB,
    Container,
    Counters,
    Dialect,
    Disk,
    Event,
    Host,
    Identity,
    Network,
    Nic,
    ProtectionDomain,
    RemoteSite,
    Task,
    Timing,
    Vm,
    VmSnapshot,
    VolumeGroup,
    new_uuid,
)
from portal.lab.routing import Refusal, Routes

if TYPE_CHECKING:
    from portal.lab.agenda import Due
    from portal.lab.lab import Lab

MAX_EVENTS = 1000


class PrismCluster:
    """The state of a cluster. Tests and the seed may change it directly."""

    # What the state file keeps: collections by attribute, and single things.
    HELD: ClassVar[dict[str, type]] = {
        "containers": Container,
        "hosts": Host,
        "networks": Network,
        "vms": Vm,
        "snapshots": VmSnapshot,
        "volume_groups": VolumeGroup,
        "protection_domains": ProtectionDomain,
        "remote_sites": RemoteSite,
        "tasks": Task,
        "events": Event,
    }
    SINGLE: ClassVar[dict[str, type]] = {
        "identity": Identity,
        "counters": Counters,
        "timing": Timing,
        "dialect": Dialect,
        "guests": Guests,
    }

    def __init__(self, name: str, lab: Lab) -> None:
        self.name = name
        self.lab = lab
        self.identity = Identity()
        self.counters = Counters()
        self.timing = Timing()
        self.dialect = Dialect()
        self.guests = Guests()
        self.containers: dict[str, Container] = {}
        self.hosts: dict[str, Host] = {}
        self.networks: dict[str, Network] = {}
        self.vms: dict[str, Vm] = {}
        self.snapshots: dict[str, VmSnapshot] = {}
        self.volume_groups: dict[str, VolumeGroup] = {}
        self.protection_domains: dict[str, ProtectionDomain] = {}
        self.remote_sites: dict[str, RemoteSite] = {}
        self.tasks: dict[str, Task] = {}
        self.events: dict[str, Event] = {}
        # Set while a call is handled whose task the lab was told to let fail.
        self.doom = ""
        # Told of the fault operation_expired too; tasks have their record all the same.
        self.forgets = False
        self._active: dict[str, Task] = {}
        # Which domain each thing was last put into, and the snapshots of all domains by time,
        # so that one among ten thousand is found without looking at all. They are hints:
        # whoever reads them looks whether it is still so (`domains.holder`, `retention.newest`).
        self.put_into: dict[str, str] = {}
        self.timeline: list[tuple[int, str, str]] = []

    # What tests and the seed add

    def add_vm(
        self, name: str, *, power: str = "on", size_bytes: int = 40 * GIB,
        content: str | None = None, vcpus: int = 2, cores: int = 1, memory_mb: int = 4096,
        description: str | None = None, container: str | None = None,
        disks: Sequence[tuple[int, str]] | None = None,
        guest_shutdown_seconds: float | None = 20, uuid: str | None = None,
    ) -> Vm:  # fmt: skip
        """Make a VM with a NIC. ``disks`` are (size, content), else there is one disk."""
        home = self.container(container).uuid
        given = disks or [(size_bytes, content or f"{name}@initial")]
        vm = Vm(
            uuid or new_uuid(), name, power, vcpus, cores, memory_mb, description=description,
            guest_shutdown_seconds=guest_shutdown_seconds,
            disks=[
                Disk(new_uuid(), "scsi", number, size, text, home)
                for number, (size, text) in enumerate(given)
            ],
        )  # fmt: skip
        vm.cdroms.append(Disk(new_uuid(), "ide", 0, 0, "", ""))
        if self.networks:
            vm.nics.append(Nic(new_uuid(), self.new_mac(), next(iter(self.networks))))
        self.vms[vm.uuid] = vm
        self.place(vm)
        return vm

    def add_volume_group(
        self, name: str, *, size_bytes: int = 10 * GIB, content: str | None = None,
        description: str | None = None, container: str | None = None,
        disks: Sequence[tuple[int, str]] | None = None, attached_to: str | None = None,
        uuid: str | None = None,
    ) -> VolumeGroup:  # fmt: skip
        """Make a volume group. ``disks`` are (size, content), else there is one disk."""
        home = self.container(container).uuid
        given = disks or [(size_bytes, content or f"{name}@initial")]
        group = VolumeGroup(
            uuid or new_uuid(), name, description, modified_at=self.now,
            disks=[
                Disk(new_uuid(), "vg", number, size, text, home)
                for number, (size, text) in enumerate(given)
            ],
        )  # fmt: skip
        if attached_to:
            group.vms[attached_to] = 0
        self.volume_groups[group.uuid] = group
        return group

    # Looking

    @property
    def now(self) -> int:
        """The instant that is being lived through, in microseconds."""
        return self.lab.instant

    def container(self, name_or_uuid: str | None) -> Container:
        """Return a container by uuid or by name; None means the first one."""
        if name_or_uuid is None:
            return next(iter(self.containers.values()))
        for container in self.containers.values():
            if name_or_uuid in (container.uuid, container.name):
                return container
        raise Refusal(f"Storage container {name_or_uuid} does not exist", 404)

    def vm(self, uuid: str) -> Vm:
        """Return a VM; `Refusal` 404 when it is not there."""
        if uuid not in self.vms:
            raise Refusal(f"VM with uuid {uuid} does not exist", 404)
        return self.vms[uuid]

    def group(self, uuid: str) -> VolumeGroup:
        """Return a volume group; `Refusal` 404 when it is not there."""
        if uuid not in self.volume_groups:
            raise Refusal(f"Volume group with uuid {uuid} does not exist", 404)
        return self.volume_groups[uuid]

    def find_disk(self, uuid: str) -> Disk:
        """Return a disk of a VM, a volume group or a VM snapshot, to be cloned."""
        holders: Iterable[Vm | VolumeGroup] = [
            *self.vms.values(),
            *self.volume_groups.values(),
            *(snapshot.vm for snapshot in self.snapshots.values()),
        ]
        for holder in holders:
            for disk in holder.disks:
                if disk.uuid == uuid:
                    return disk
        raise Refusal(f"vmdisk {uuid} does not exist", 404)

    def new_mac(self) -> str:
        """Return a MAC address nothing else here has."""
        self.counters.mac += 1
        number = self.counters.mac
        return f"50:6b:8d:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"

    def place(self, vm: Vm) -> None:
        """Put a running VM on a host; a VM that is off is on none."""
        hosts = list(self.hosts)
        running = vm.power_state == "on" and hosts
        vm.host_uuid = hosts[int(vm.uuid[:4], 16) % len(hosts)] if running else None

    def tell(self, message: str, context: Sequence[str], domain: str = "") -> None:
        """Write an event."""
        self.counters.event += 1
        event = Event(str(self.counters.event), message, list(context), self.now, domain)
        self.events[event.id] = event
        if len(self.events) > MAX_EVENTS:
            del self.events[next(iter(self.events))]

    # Tasks

    def submit(
        self, operation: str, entities: Sequence[tuple[str, str]], seconds: float,
        params: dict[str, Any], *, is_hidden: bool = False,
    ) -> Task:  # fmt: skip
        """Queue a task on these (type, uuid); the first of its locks that is busy holds it up.

        Raises `Refusal` for what cannot be done, where that can be seen at once.
        """
        self.counters.task += 1
        task = Task(
            new_uuid(), self.counters.task, operation, operation, params, list(entities),
            [uuid for _, uuid in entities], seconds, self.now, doom=self.doom,
            is_hidden=is_hidden,
        )  # fmt: skip
        if self.dialect.refuses_at_once and not task.doom and not self.is_busy(task.locks):
            ACTIONS[operation].check(self, task)
        self.tasks[task.uuid] = self._active[task.uuid] = task
        self._start_waiting()
        return task

    def active_tasks(self) -> list[Task]:
        """Return the tasks that have not ended, oldest first."""
        return [task for uuid, task in self._active.items() if uuid in self.tasks]

    def is_busy(self, uuids: Iterable[str]) -> bool:
        """Whether a task works on, or waits for, one of these things."""
        wanted = set(uuids)
        return any(not wanted.isdisjoint(task.locks) for task in self.active_tasks())

    def _start_waiting(self) -> None:
        """Start each task that has to wait for no older one."""
        taken: set[str] = set()
        for task in self.active_tasks():
            if task.status == "Queued" and taken.isdisjoint(task.locks):
                self._start(task)
            taken.update(task.locks)

    def _start(self, task: Task) -> None:
        task.status, task.started_at = "Running", self.now
        action = ACTIONS[task.action]
        if not task.doom:
            try:
                action.check(self, task)
                action.begin(self, task)
            except Refusal as refusal:
                task.doom, task.seconds = str(refusal), 0
        task.due_at = self.now + int(task.seconds * SECOND)
        self.lab.agenda.add(task.due_at, self.name, "task", task.uuid)

    def end_task(self, uuid: str) -> None:
        """Finish a task that is due, start what waited for it."""
        task = self.tasks.get(uuid)
        if task is None or task.status != "Running" or (task.due_at or 0) > self.now:
            return
        try:
            if task.doom:
                raise Refusal(task.doom)
            ACTIONS[task.action].finish(self, task)
            task.status = "Succeeded"
        except Refusal as refusal:
            task.status, task.error = "Failed", str(refusal)
        task.ended_at = self.now
        self._active.pop(uuid, None)
        self._plan_purge(task)
        self._start_waiting()

    def _plan_purge(self, task: Task) -> None:
        at = (task.ended_at or self.now) + int(self.timing.task_kept_seconds * SECOND)
        self.lab.agenda.add(max(at, self.now), self.name, "purge", task.uuid)

    def purge_task(self, uuid: str) -> None:
        """Forget a task that ended long ago."""
        task = self.tasks.get(uuid)
        if task and task.ended_at is not None:
            del self.tasks[uuid]

    def come_due(self, due: Due) -> None:
        """Live through one entry of the agenda."""
        DUE[due.kind](self, due.key)

    def link_changed(self) -> None:
        """Let replications stop, or go on, after a link was cut or mended."""
        for notice in LINK_CHANGED:
            notice(self)

    def resume(self) -> None:
        """Put everything that is under way on the agenda, after the state was loaded."""
        for task in self.tasks.values():
            if task.is_active:
                self._active[task.uuid] = task
            if task.due_at is not None and task.status == "Running":
                self.lab.agenda.add(task.due_at, self.name, "task", task.uuid)
            elif task.ended_at is not None:
                self._plan_purge(task)
        for vm in self.vms.values():
            if vm.guest_off_at is not None:
                self.lab.agenda.add(vm.guest_off_at, self.name, "guest", vm.uuid)
        for resume in RESUME:
            resume(self)


Step = Callable[[PrismCluster, Task], None]


def _nothing(cluster: PrismCluster, task: Task) -> None:
    """A step of an action that has nothing to do there."""


@dataclass(frozen=True)
class Action:
    """What a task does: ``check`` may refuse, ``begin`` notes how things are, ``finish`` acts."""

    finish: Step
    check: Step = _nothing
    begin: Step = _nothing


ACTIONS: dict[str, Action] = {}
DUE: dict[str, Callable[[PrismCluster, str], None]] = {
    "task": PrismCluster.end_task,
    "purge": PrismCluster.purge_task,
}
RESUME: list[Callable[[PrismCluster], None]] = []
LINK_CHANGED: list[Callable[[PrismCluster], None]] = []

# The routes of each version of the API, filled by the modules beside this one.
V2: Routes[PrismCluster] = Routes()
V1: Routes[PrismCluster] = Routes()
V3: Routes[PrismCluster] = Routes()
AGENT: Routes[PrismCluster] = Routes()
