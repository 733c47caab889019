"""What the emulated Azure holds, as plain data. Times are microseconds of lab time.

Everything here can be written as JSON and read back (`portal.lab.store`).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

GIB = 2**30
TENANT = "11111111-1111-4111-8111-111111111111"
CLIENT = "22222222-2222-4222-8222-222222222222"
SECRET = "lab-secret"  # noqa: S105 - the lab's published value, worth nothing elsewhere
SUBSCRIPTION = "33333333-3333-4333-8333-333333333333"
# Somebody else's: it exists, and our client has no role there.
OTHER_SUBSCRIPTION = "44444444-4444-4444-8444-444444444444"
GROUP = "rg-research-vdi"
REGIONS = ("westeurope", "northeurope")

# The least a role must allow for discovery, backup, replication, restore and publishing
# (reference 7.11).
LEAST_PRIVILEGE = (
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    "Microsoft.Compute/virtualMachines/read",
    "Microsoft.Compute/virtualMachines/instanceView/read",
    "Microsoft.Compute/disks/read",
    "Microsoft.Compute/snapshots/read",
    "Microsoft.Compute/skus/read",
    "Microsoft.Compute/locations/usages/read",
    "Microsoft.Compute/locations/diskOperations/read",
    "Microsoft.Compute/locations/operations/read",
    "Microsoft.Compute/snapshots/write",
    "Microsoft.Compute/snapshots/delete",
    "Microsoft.Compute/disks/beginGetAccess/action",
    "Microsoft.Compute/snapshots/beginGetAccess/action",
    "Microsoft.Compute/disks/write",
    "Microsoft.Compute/disks/delete",
    "Microsoft.Compute/virtualMachines/write",
    "Microsoft.Compute/virtualMachines/deallocate/action",
    "Microsoft.Compute/virtualMachines/start/action",
    "Microsoft.Compute/virtualMachines/powerOff/action",
    "Microsoft.Network/networkInterfaces/join/action",
    "Microsoft.Compute/virtualMachines/delete",
    "Microsoft.Compute/virtualMachines/runCommand/action",
    "Microsoft.Compute/virtualMachines/generalize/action",
    "Microsoft.Network/networkInterfaces/read",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
    "Microsoft.Network/networkSecurityGroups/join/action",
    "Microsoft.Authorization/locks/read",
    "Microsoft.Authorization/permissions/read",
)


def new_id() -> str:
    """Return a random uuid."""
    return str(uuid.uuid4())


@dataclass(eq=False)
class Resource:
    """What VMs, disks and snapshots have in common. ``id`` keeps the casing it was made with."""

    id: str
    name: str
    location: str
    tags: dict[str, str] = field(default_factory=dict)
    zones: list[str] = field(default_factory=list)
    created_at: int = 0
    provisioning: str = "Succeeded"
    # Fields of the API that nothing here depends on: kept as they were sent.
    other: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Disk(Resource):
    """A managed disk. ``content`` stands for its bytes; ``managed_by`` is the id of its VM.

    ``is_awaiting``: made to be uploaded to, and nothing has been uploaded yet.
    """

    sku: str = "Premium_LRS"
    size_gb: int = 0
    content: str = ""
    create_option: str = "Empty"
    source_id: str = ""
    source_unique_id: str = ""
    unique_id: str = field(default_factory=new_id)
    os_type: str = ""
    generation: str = ""
    managed_by: str = ""
    has_access: bool = False
    is_awaiting: bool = False


@dataclass(eq=False)
class Snapshot(Disk):
    """A snapshot. A ``CopyStart`` from another region has its bytes when ``copied`` is 100."""

    is_incremental: bool = True
    family: str = field(default_factory=new_id)
    # Of the disk at the root of its lineage; copies are in order of ``point_at``.
    root_unique_id: str = ""
    point_at: int = 0
    copied: float = 100.0
    copied_at: int = 0
    copy_error: str = ""
    # What arrives with the last byte of a copy.
    coming: str = ""
    # The region had an earlier copy of the same disk: only the changes are sent.
    is_delta: bool = False

    @property
    def is_copying(self) -> bool:
        """Whether bytes are still on their way."""
        return self.create_option == "CopyStart" and self.copied < 100 and not self.copy_error


@dataclass(eq=False)
class Attachment:
    """A disk as a VM refers to it; ``lun`` -1 is the OS disk."""

    name: str
    disk_id: str
    create_option: str = "Attach"
    lun: int = -1
    delete_option: str = "Detach"
    caching: str = "ReadWrite"


@dataclass(eq=False)
class Vm(Resource):
    """A virtual machine. ``shutdown_seconds`` is what its guest takes to go down.

    Its guest has run since ``on_since``; sysprep in it ends at ``sysprep_at``, 0 when none runs.
    """

    size: str = "Standard_D2s_v5"
    power: str = "running"
    vm_id: str = field(default_factory=new_id)
    os_disk: Attachment = field(default_factory=lambda: Attachment("", ""))
    data_disks: list[Attachment] = field(default_factory=list)
    is_generalized: bool = False
    shutdown_seconds: float = 20
    nic: str = ""
    nic_delete_option: str = "Detach"
    on_since: int = 0
    sysprep_at: int = 0

    @property
    def attachments(self) -> list[Attachment]:
        """OS disk first."""
        return [self.os_disk, *self.data_disks]


@dataclass(eq=False)
class Nic(Resource):
    """A network card; ``vm`` is the id of the machine that holds it."""

    subnet: str = ""
    security_group: str = ""
    vm: str = ""


@dataclass(eq=False)
class Operation:
    """A long-running operation; ``doom`` is the reason it will fail with, if the lab was told."""

    id: str
    action: str
    method: str
    target: str
    subscription: str
    location: str
    collection: str
    params: dict[str, Any]
    started_at: int
    due_at: int
    status: str = "InProgress"
    ended_at: int | None = None
    error_code: str = ""
    error: str = ""
    doom: str = ""
    # The state of the target before.
    was: str = "Succeeded"
    # Clients find no record of it, as after it has expired.
    is_forgotten: bool = False

    @property
    def is_final(self) -> bool:
        """Whether it changes no more."""
        return self.ended_at is not None


@dataclass(eq=False)
class Lock:
    """A management lock: ``CanNotDelete`` or ``ReadOnly`` on a scope and all below it."""

    name: str
    scope: str
    level: str = "CanNotDelete"
    notes: str = ""


@dataclass(eq=False)
class Assignment:
    """What a client may do on a scope and below. ``*`` in an action stands for anything."""

    scope: str
    actions: list[str]
    not_actions: list[str] = field(default_factory=list)


@dataclass
class Access:
    """The tenant's one application: its secret, and what it may do. ``key`` signs tokens."""

    secret: str = SECRET
    is_secret_expired: bool = False
    token_seconds: int = 3600
    # Tokens of an earlier generation are no longer taken.
    generation: int = 1
    key: str = field(default_factory=new_id)
    assignments: list[Assignment] = field(default_factory=list)


@dataclass
class Restriction:
    """A size that the subscription may not use in a region, or in these zones of it."""

    size: str
    location: str
    zones: list[str] = field(default_factory=list)
    reason: str = "NotAvailableForSubscription"


@dataclass
class Limits:
    """Quotas by region and counter, sizes that are withheld, and what there is no room for.

    ``exhausted`` are sizes by region: such a VM does not start. ``unregistered`` are providers.
    """

    quotas: dict[str, dict[str, int]] = field(default_factory=dict)
    restrictions: list[Restriction] = field(default_factory=list)
    exhausted: dict[str, list[str]] = field(default_factory=dict)
    unregistered: list[str] = field(default_factory=list)


@dataclass
class Timing:
    """How long things take, in seconds of lab time."""

    disk_seconds: float = 2
    snapshot_seconds: float = 4
    delete_seconds: float = 2
    start_seconds: float = 20
    power_off_seconds: float = 5
    update_seconds: float = 4
    # From power to an agent that is ready; a run command; sysprep until it shuts the guest down.
    agent_seconds: float = 25
    command_seconds: float = 10
    sysprep_seconds: float = 60
    copy_seconds_per_gib: float = 1
    # What a copy sends, as a part of the whole, when the region has an earlier one of the disk.
    delta: float = 0.1
    operation_kept_seconds: float = 6 * 3600
    # Sent as Retry-After with operations; 0: not sent.
    retry_after: int = 1


@dataclass
class Dialect:
    """Habits in which real answers differ.

    ``page_size`` 0 is one page; ``upper_groups`` writes the group of a VM's id in capitals;
    ``signed_urls`` makes operation URLs 4 KB long; ``location_only`` leaves the header
    Azure-AsyncOperation out; ``is_throttled`` answers 429 when the calls that are left, which
    are always counted, come to an end.
    """

    page_size: int = 0
    upper_groups: bool = False
    signed_urls: bool = False
    location_only: bool = False
    is_throttled: bool = False


@dataclass
class Bucket:
    """Calls left, of one kind: so many when ``at`` was."""

    left: float
    at: int = 0
