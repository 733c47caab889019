"""What a Prism Element cluster holds, as plain data. Times are microseconds of lab time.

Everything here can be written as JSON and read back (`portal.lab.store`), so a lab
that is started again goes on where it was.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, ClassVar

GIB = 2**30


def new_uuid() -> str:
    """Return a random uuid."""
    return str(uuid.uuid4())


@dataclass(eq=False)
class Disk:
    """A vmdisk. ``content`` stands for its bytes; ``source`` is the vmdisk it was cloned from."""

    uuid: str
    bus: str
    index: int
    size_bytes: int
    content: str
    container: str
    source: str = ""

    @property
    def address(self) -> str:
        """The place on the bus: ``scsi.0``."""
        return f"{self.bus}.{self.index}"

    def clone(self) -> Disk:
        """Return a new disk with the same content at the same address."""
        return Disk(
            new_uuid(), self.bus, self.index, self.size_bytes, self.content, self.container,
            self.uuid,
        )  # fmt: skip


@dataclass(eq=False)
class Nic:
    """A network card. Networks are told by name across clusters."""

    uuid: str
    mac: str
    network_uuid: str
    ip: str | None = None
    is_connected: bool = True
    model: str = "virtio"


@dataclass
class Sysprep:
    """A run of sysprep as the gateway tells of it. ``ends_at`` None: it never does."""

    token: str
    state: str
    detail: str = ""
    ends_at: int | None = None


@dataclass(eq=False)
class Vm:
    """A virtual machine. ``guest_shutdown_seconds`` None: the guest ignores ACPI_SHUTDOWN."""

    uuid: str
    name: str
    power_state: str = "off"
    vcpus: int = 1
    cores: int = 1
    memory_mb: int = 1024
    disks: list[Disk] = field(default_factory=list)
    cdroms: list[Disk] = field(default_factory=list)
    nics: list[Nic] = field(default_factory=list)
    description: str | None = None
    guest_shutdown_seconds: float | None = 20
    guest_off_at: int | None = None
    # When the guest agent answers after a start; the last sysprep it was told to run.
    agent_up_at: int = 0
    sysprep: Sysprep | None = None
    host_uuid: str | None = None
    timezone: str = "UTC"
    logical_timestamp: int = 1
    # Fields of the API that nothing here depends on: kept as they were sent.
    other: dict[str, Any] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Sum of its disks; CD-ROMs count nothing."""
        return sum(disk.size_bytes for disk in self.disks)


@dataclass(eq=False)
class Task:
    """A task: what the API shows of it, and what it will do (``action``, ``params``).

    ``locks`` are the things it works on: tasks on one thing run one after another.
    ``doom`` is the reason it will fail with, if the lab was told so.
    """

    uuid: str
    number: int
    operation: str
    action: str
    params: dict[str, Any]
    entities: list[tuple[str, str]]
    locks: list[str]
    seconds: float
    created_at: int
    status: str = "Queued"
    started_at: int | None = None
    due_at: int | None = None
    ended_at: int | None = None
    error: str = ""
    doom: str = ""
    is_hidden: bool = False

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.status in ("Queued", "Running")

    @property
    def is_final(self) -> bool:
        """Whether it changes no more."""
        return self.ended_at is not None


@dataclass(eq=False)
class VmSnapshot:
    """A local snapshot of one VM. Those of one request share ``group_uuid``."""

    uuid: str
    name: str
    vm: Vm
    group_uuid: str
    created_at: int
    logical_timestamp: int = 1


@dataclass(eq=False)
class VolumeGroup:
    """A volume group. ``vms`` are the VMs it is attached to, with its index on their bus."""

    uuid: str
    name: str
    description: str | None = None
    disks: list[Disk] = field(default_factory=list)
    vms: dict[str, int] = field(default_factory=dict)
    iscsi_clients: list[str] = field(default_factory=list)
    is_shared: bool = False
    is_flash: bool = False
    is_balanced: bool = False
    iscsi_target: str = ""
    logical_timestamp: int = 1
    modified_at: int = 0

    @property
    def size_bytes(self) -> int:
        """Sum of its disks."""
        return sum(disk.size_bytes for disk in self.disks)

    @property
    def content(self) -> str:
        """What its first disk holds."""
        return self.disks[0].content if self.disks else ""

    @content.setter
    def content(self, content: str) -> None:
        self.disks[0].content = content


@dataclass(eq=False)
class Member:
    """A VM or a volume group in a protection domain. ``kind`` is "vm" or "volume_group"."""

    kind: str
    uuid: str
    name: str
    consistency_group: str
    is_app_consistent: bool = False
    power_on_recovery: str = "Power state at time of snapshot"


@dataclass(eq=False)
class Schedule:
    """One-off (``is_oob``) or recurring; ``spec`` is what was sent."""

    id: str
    is_oob: bool
    due_at: int
    remote_sites: list[str] = field(default_factory=list)
    retention_seconds: int | None = None
    keep_local: int | None = None
    every_nth: int = 1
    keep_remote: dict[str, int] = field(default_factory=dict)
    is_app_consistent: bool = False
    spec: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class DrSnapshot:
    """A snapshot of a protection domain, or a copy received from another cluster.

    ``id`` is a number as text where it was taken, ``cluster:number`` where received.
    """

    id: str
    uuid: str
    created_at: int
    available_at: int
    expires_at: int | None
    schedule_id: str
    vms: list[Vm] = field(default_factory=list)
    groups: list[VolumeGroup] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    missing: list[Member] = field(default_factory=list)
    remote_sites: list[str] = field(default_factory=list)
    state: str = "SCHEDULED"
    is_received: bool = False
    moves_domain: bool = False

    @property
    def things(self) -> list[Vm | VolumeGroup]:
        """Everything in it."""
        return [*self.vms, *self.groups]

    @property
    def size_bytes(self) -> int:
        """Sum of everything in it."""
        return sum(thing.size_bytes for thing in self.things)


@dataclass(eq=False)
class Replication:
    """A snapshot on its way to a remote site; ``done_bytes`` had arrived at ``since``.

    Since then it goes on at ``bytes_per_second``.

    ``started_at`` is None while it is pending, ``due_at`` what it waits for.
    """

    id: str
    site: str
    snapshot_id: str
    total_bytes: int
    started_at: int | None = None
    since: int = 0
    done_bytes: int = 0
    bytes_per_second: float = 0.0
    due_at: int | None = None
    is_paused: bool = False
    is_aborted: bool = False
    fails_at: int | None = None
    moves_domain: bool = False
    retry_at: int = 0


@dataclass(eq=False)
class Link:
    """What a protection domain knows of its replication to one site."""

    started_at: int | None = None
    ended_at: int | None = None
    last_snapshot_id: str | None = None
    sent: list[str] = field(default_factory=list)


@dataclass(eq=False)
class ProtectionDomain:
    """A protection domain: active where its members live, inactive where copies arrive."""

    name: str
    is_active: bool = True
    annotations: list[str] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    schedules: dict[str, Schedule] = field(default_factory=dict)
    snapshots: dict[str, DrSnapshot] = field(default_factory=dict)
    replications: dict[str, Replication] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    is_marked_for_removal: bool = False
    removed_at: int | None = None


@dataclass(eq=False)
class RemoteSite:
    """A remote site: how one cluster knows another. ``spec`` is what was sent besides.

    ``shared_until`` is when its bandwidth policy next lets another rate through.
    """

    name: str
    uuid: str
    addresses: dict[str, int]
    containers: dict[str, str]
    capabilities: list[str] = field(default_factory=lambda: ["DISASTER_RECOVERY"])
    networks: dict[str, str] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    shared_until: int = 0


@dataclass(eq=False)
class Container:
    """A storage container, and the vstore of the same name."""

    uuid: str
    name: str
    capacity_bytes: int = 20 * 2**40
    other: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Host:
    """A node of the cluster."""

    uuid: str
    name: str
    address: str


@dataclass(eq=False)
class Network:
    """A virtual network."""

    uuid: str
    name: str
    vlan: int


@dataclass(eq=False)
class Event:
    """Something that happened, as ``GET /events`` tells it."""

    id: str
    message: str
    context: list[str]
    at: int
    domain: str = ""
    is_final: ClassVar = True


@dataclass
class Timing:
    """How long things take, in seconds of lab time."""

    create_seconds: float = 3
    clone_seconds: float = 4
    update_seconds: float = 2
    delete_seconds: float = 2
    power_seconds: float = 2
    agent_seconds: float = 25
    sysprep_seconds: float = 60
    disk_seconds: float = 3
    nic_seconds: float = 2
    snapshot_seconds: float = 3
    restore_seconds: float = 4
    volume_group_seconds: float = 2
    domain_snapshot_seconds: float = 5
    domain_removal_seconds: float = 3
    restore_entities_seconds: float = 5
    replication_bytes_per_second: float = GIB
    replication_retry_seconds: float = 60
    # How long a replication that broke off is listed as aborted.
    aborted_shown_seconds: float = 30
    task_kept_seconds: float = 3600


@dataclass
class Dialect:
    """Where the reference leaves open what a real cluster does (its section 13)."""

    # "500": every refusal and every unknown thing is a 500 (old AOS). "4xx": 404, 422.
    errors: str = "4xx"
    # DELETE of a thing without a task: "200" with {"value": true}, "204" with nothing.
    boolean_delete: str = "204"
    restore_returns_task: bool = True
    honours_clone_uuid: bool = True
    volume_group_put_returns_task: bool = True
    # Whether what a task cannot do is refused at once where that can be seen; else it fails.
    refuses_at_once: bool = True
    # Whether clones say which vmdisk they were made from.
    shows_source_disk: bool = True
    supports_volume_group_protection: bool = True


@dataclass
class Counters:
    """Numbers the cluster gives out."""

    task: int = 0
    snapshot: int = 0
    schedule: int = 0
    replication: int = 0
    event: int = 0
    mac: int = 0


@dataclass
class Identity:
    """Who the cluster is. ``address`` is what remote sites know it by."""

    uuid: str = field(default_factory=new_uuid)
    version: str = "6.5.5"
    timezone: str = "UTC"
    address: str = "10.0.0.1"
    is_upgrading: bool = False
    hypervisor: str = "kKvm"
    environment: str = "PE"
    # Whether its one user may only look (1.2): every change is refused with 403 (I).
    is_viewer: bool = False
