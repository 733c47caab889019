"""What every cloud can do for us: the Cloud protocol, its value types, its errors.

This package is the only code that speaks to a cloud. It knows no model and no
request. No vendor JSON and no vendor exception leaves a driver.

Verbs that change something are named ``ensure_…`` and converge: each looks at
the cloud, and either answers an `Operation` that is moving it towards the goal
(wait for it, then ask again), or, with the goal reached, what was found there.
That makes every verb safe to repeat after a crash at any instruction: what an
earlier run has begun is found by the token (made from our task's id), never
begun twice.

The tree of errors says whether asking again can help::

    CloudError
    ├── CloudBusy          again, later (``retry_after`` in seconds, if told)
    │   └── Withheld       not sent: another worker may have taken over (`portal.clouds.fence`)
    ├── CloudUnreachable   again, and the cloud account shows it
    └── CloudRefused       never
        ├── NotFound       the thing is not there
        ├── NeverArrived   what was sent has not come
        └── SignInRefused  the credentials are wrong or lack a right
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol


class CloudError(Exception):
    """Anything that went wrong at a cloud; ``str()`` is the cloud's own words.

    ``advice`` is one sentence that tells a person what to do next, or "".
    """

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice


class CloudBusy(CloudError):
    """The cloud asks for patience: 429, 502, 503, 504, or work in progress on the same thing."""

    def __init__(self, message: str, *, retry_after: float | None = None, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.retry_after = retry_after


class CloudUnreachable(CloudError):
    """No answer: name, route, TLS, time-out, or a connection that broke."""


class CloudRefused(CloudError):
    """The cloud said no, and would say it again."""


class NotFound(CloudRefused):
    """The thing asked for is not at the cloud."""


class NeverArrived(CloudRefused):
    """What was sent is not at the receiver, and was waited for long enough."""


class SignInRefused(CloudRefused):
    """The cloud does not accept the credentials, or they lack the right."""


class PowerState(enum.StrEnum):
    """Power of a server; anything in between is reported as the state it leaves."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


def _none(address: str) -> str:
    return ""


@dataclass(frozen=True)
class Connection:
    """How to reach and sign in to one cloud account. Never logged: repr hides the secrets.

    ``ca_pem`` is the PEM text of the CA to trust; empty means the system's own.
    ``connect_timeout`` and ``read_timeout`` are seconds, and so is ``unacknowledged_timeout``: for
    how long the network may try to deliver what was sent (0: as long as it likes). ``objection``
    says what is wrong with the number of a machine that was reached, or ""
    (see `portal.clouds.guard`).
    """

    kind: str
    endpoint: str
    secrets: Mapping[str, str] = field(repr=False)
    ca_pem: str = field(default="", repr=False)
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    unacknowledged_timeout: float = 0.0
    objection: Callable[[str], str] = field(default=_none, repr=False, compare=False)


@dataclass(frozen=True)
class Operation:
    """A long-running job at the cloud. ``id`` is opaque text, good in any process.

    What stands before its first space names it to people; the rest is not for them.
    """

    id: str
    message: str = ""


@dataclass(frozen=True)
class Progress:
    """How an operation stands. ``percent`` is 0 to 100, None when the cloud does not say.

    ``detail`` is the cloud's own words, above all when it failed.
    """

    state: str  # "running" | "done" | "failed"
    percent: int | None = None
    detail: str = ""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Identity:
    """What answered at the endpoint: the cluster or subscription, and where it can put things."""

    id: str
    name: str
    version: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Disk:
    """One disk of a server or a copy: id, place on the bus, size, what it was cloned from."""

    id: str
    address: str
    size_bytes: int
    source_id: str = ""


@dataclass(frozen=True)
class Server:
    """A virtual machine as the cloud has it now."""

    id: str
    name: str
    power: PowerState
    vcpus: int
    memory_mb: int
    size_bytes: int
    description: str = ""
    disks: tuple[Disk, ...] = ()
    # Where it is, and the name of its size; "" where the cloud has one place and no names.
    site: str = ""
    vm_size: str = ""


@dataclass(frozen=True)
class Volume:
    """A disk that lives apart from a server (an AHV volume group, an Azure data disk)."""

    id: str
    name: str
    size_bytes: int
    description: str = ""
    attached_to: tuple[str, ...] = ()
    site: str = ""


@dataclass(frozen=True)
class Storage:
    """How full a site is, whoever filled it."""

    used_bytes: int
    capacity_bytes: int


@dataclass(frozen=True)
class Inventory:
    """Everything of one site that could be protected. Copies made by us are left out.

    ``storage`` is None where the cloud tells none: a cluster that has just started, or a public
    cloud, which has quotas and no end.
    """

    servers: tuple[Server, ...]
    volumes: tuple[Volume, ...]
    storage: Storage | None = None


@dataclass(frozen=True)
class Copy:
    """A backup of a server or a volume at the cloud. ``id`` is what later verbs want."""

    id: str
    name: str
    size_bytes: int


@dataclass(frozen=True)
class Clone:
    """A working clone of a server: it lives as long as the task that made it."""

    id: str
    name: str


@dataclass(frozen=True)
class Mark:
    """Our mark on everything we make: strays are found by it, a lost catalogue is rebuilt.

    ``text()`` is one machine-readable line; values must hold no spaces. ``source`` is the id
    of the machine or volume itself: by it a rebuilt catalogue finds whose a copy is.
    """

    account: str
    resource: str
    backup: str
    task: str
    type: str = ""
    source: str = ""

    def text(self) -> str:
        """Return ``standby:v1 account=… resource=… backup=… task=… type=… source=…``."""
        return (
            f"standby:v1 account={self.account} resource={self.resource} "
            f"backup={self.backup} task={self.task} type={self.type} source={self.source}"
        )

    @classmethod
    def read(cls, line: str) -> Mark:
        """Read such a line; what it lacks is ""."""
        said = dict(part.partition("=")[::2] for part in line.split()[1:])
        names = ("account", "resource", "backup", "task", "type", "source")
        return cls(**{name: said.get(name, "") for name in names})


@dataclass(frozen=True)
class Marked:
    """One thing at a site that we made, as it is found there. ``role`` is one of the four.

    ``id`` is what the verbs of its role take. ``other_ids`` name it too, in records of ours.
    ``created_at`` is seconds since 1970, 0 where the cloud does not say.
    """

    id: str
    name: str
    role: str
    mark: Mark
    size_bytes: int = 0
    created_at: float = 0
    other_ids: tuple[str, ...] = ()

    # A backup or a replica, by the site it is at; what a restore set aside; what is to be gone
    # when its task has ended; what stays, empty, for as long as its resource does.
    COPY: ClassVar[str] = "copy"
    UNDO: ClassVar[str] = "undo"
    PASSING: ClassVar[str] = "passing"
    LASTING: ClassVar[str] = "lasting"


@dataclass(frozen=True)
class Target:
    """The other site, as the sending one knows it.

    ``site`` is a region; ``link`` is the name by which a cluster knows the other (AHV: its
    Remote Site). Each cloud reads the one it needs. ``anew``: send it again, whatever was
    sent on the way before.
    """

    site: str = ""
    link: str = ""
    anew: bool = False


@dataclass(frozen=True)
class Sent:
    """A copy that has left for the other site whole. ``id`` is what the receiving driver wants.

    ``size_bytes`` is what travelled, 0 where the cloud does not say. ``is_tidy``: there is
    nothing for `ensure_sending_tidied` to remove.
    """

    id: str
    size_bytes: int = 0
    is_tidy: bool = False


@dataclass(frozen=True)
class Window:
    """A part of some weekdays in which another limit holds; ``days``: 0 is Monday.

    ``begins`` and ``ends`` are seconds of the day. One that does not end later than it begins
    lasts until then of the next day. ``limit`` is bytes a second, 0 for none.
    """

    begins: int
    ends: int
    days: tuple[int, ...]
    limit: int


@dataclass(frozen=True)
class Bandwidth:
    """How fast a site may send: ``limit`` bytes a second, 0 for no limit, outside of windows.

    ``zone`` is that of the sender's clock, an IANA name.
    """

    name: str
    limit: int = 0
    zone: str = "UTC"
    windows: tuple[Window, ...] = ()


@dataclass(frozen=True)
class Link:
    """The other cluster, as this one is set up to replicate to it (AHV: a Remote Site).

    ``addresses`` maps address to port; ``containers`` maps ours to theirs. ``status`` is the
    cloud's own word in lower case without its prefix: ``established`` alone is usable.
    ``throttle`` is what limits the bandwidth in words, or ""; ``bandwidth`` is it in numbers.
    """

    name: str
    addresses: Mapping[str, int]
    status: str
    capabilities: tuple[str, ...]
    containers: Mapping[str, str]
    throttle: str = ""
    is_compressed: bool = False
    latency_seconds: float | None = None
    bandwidth: Bandwidth | None = None


@dataclass(frozen=True)
class Quota:
    """How much of a limit of the cloud's is used."""

    name: str
    used: int
    limit: int


@dataclass(frozen=True)
class SiteFacts:
    """What a site is like, as far as disaster recovery depends on it.

    ``addresses`` are those under which other clusters know this one. ``placed`` says in which
    containers the disks of each server and volume are, by its id. ``sizes`` are the VM sizes
    offered here, with vCPUs and megabytes of memory; empty where a cloud has no such list.
    """

    identity: Identity
    addresses: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    containers: tuple[str, ...] = ()
    placed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    regions: tuple[str, ...] = ()
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    quotas: tuple[Quota, ...] = ()
    # Whether the credentials may look and change nothing.
    is_read_only: bool = False
    # Where rights are finer: those without which nothing can be replicated or restored, and
    # where they have to be given. `Identity` warns of those that other work alone needs.
    lacking: tuple[str, ...] = ()
    lacking_at: str = ""


class TransferCloud(Protocol):
    """What a cloud does to bring copies to another site, and back.

    Both directions use the same verbs: one site sends, the other receives. Replication sends
    from the primary; a restore from the replica sends from the secondary. ``token`` is of the
    task that transfers, at both sides. Copies are those of servers, desktops and volumes
    alike, by the ids that the verbs which made or received them answered.
    """

    def ensure_sent(self, copy_id: str, token: str, mark: Mark, to: Target) -> Operation | Sent:
        """Send a copy to the other site; answer when all of it has left.

        The operation tells percent and bytes. One that stands still because the link is down
        is running; one that broke off is begun again. `NotFound` when the copy is gone.
        """

    def ensure_received(self, sent_id: str, token: str, mark: Mark) -> Operation | Copy:
        """Make what has arrived a lasting copy of this site's own, marked; here, not there.

        It can be sent back, and restored like any copy made here: with the verbs of servers
        where a server or desktop was copied, else with those of volumes. A machine among it is
        off. Refused when nothing arrives in ten minutes.
        """

    def find_received(self, copy_id: str) -> Copy:
        """Return a complete copy that was received; `NotFound` when it is gone."""

    def ensure_sending_tidied(self, token: str, mark: Mark) -> Operation | None:
        """Remove what was needed to send and is needed no more. After it was received."""

    def ensure_not_sending(self, copy_id: str, token: str, to: Target) -> Operation | str:
        """Break off what is on its way by this token; answer by what id the receiver may know it.

        "" where nothing has left, or the receiver finds it by the token. Some of it may have
        arrived: `ensure_not_received` takes the id. Nothing here is removed but orders. What
        waits for its turn or the link cannot be broken off: it may leave, and arrive, until
        `ensure_not_sent` has answered None.
        """

    def ensure_not_sent(self, copy_id: str, token: str, mark: Mark) -> Operation | None:
        """Stop sending and remove everything made here to send this copy; the copy stays.

        None: nothing of it is left. Also when the copy itself is gone.
        """

    def ensure_not_received(
        self, token: str, mark: Mark, copy_id: str = "", sent_id: str = ""
    ) -> Operation | None:
        """Remove what was received by this token, whole or half, or known by its ids.

        What protects a resource for good stays (R083).
        """

    def site_facts(self, site: str = "") -> SiteFacts:
        """Say what this cluster, or this region, is like. Many calls; not for every day's work."""


class CatalogueCloud(Protocol):
    """What a cloud does to compare our records with what there is."""

    def marked(self, site: str = "") -> Sequence[Marked]:
        """List everything of ours at this cluster, or in this region; of whatever account."""

    def ensure_removed(self, thing: Marked) -> Operation | None:
        """Remove one of these, whatever it is; only what carries our mark. None: it is gone."""

    def ensure_unprotected(self, resources: Sequence[str]) -> Operation | None:
        """Remove what protects these for good, with all it holds, by `Mark.resource`. None: gone.

        For the end of an account: it outlives the last copy of a resource otherwise (R083).
        """


class VolumeCloud(Protocol):
    """What a cloud does for volumes, and for desktops: servers that are copied as they run.

    ``mark.resource`` is the same for every task of one resource: a cloud may keep one
    thing per resource that outlives its copies, called after it (AHV: a protection
    domain). A restored volume is a new one with an id of its own; the old one is kept,
    out of sight, until `ensure_no_volume_undo`.
    """

    def volume(self, volume_id: str) -> Volume:
        """Return one volume; `NotFound` when it is gone."""

    def ensure_detached(self, volume_id: str) -> Operation | None:
        """Take a volume off whatever machine holds it. None: nothing does.

        Refused where a guest has connected to it by itself (AHV: by iSCSI).
        """

    def ensure_volume_copy(
        self, volume_id: str, token: str, mark: Mark, to: Target | None = None
    ) -> Operation | Copy:
        """Make a lasting copy of a volume, marked; of one in use it is crash-consistent.

        It is not detached by this. With ``to``, a cloud that can sends it there as soon as it
        is taken, only what has changed; `ensure_sent` waits for that, or sends it itself.
        """

    def ensure_desktop_copy(
        self, server_id: str, token: str, mark: Mark, to: Target | None = None
    ) -> Operation | Copy:
        """Make a lasting copy of a desktop, marked; of a running one it is crash-consistent.

        Its power is not touched. ``to`` as above.
        """

    def find_volume_copy(self, copy_id: str) -> Copy:
        """Return a complete copy of a volume or a desktop.

        `NotFound` when it is gone, has expired, or is complete no more.
        """

    def ensure_no_volume_copy(self, token: str, mark: Mark, copy_id: str = "") -> Operation | None:
        """Remove the copy of a volume or a desktop made with this token, or known by id.

        A half-made one too, and one that is only ordered. None: it is not there.
        """

    def ensure_volume_copy_not_sending(
        self, token: str, mark: Mark, to: Target
    ) -> Operation | Sequence[str]:
        """Let nothing leave any more of what `ensure_volume_copy`, or that of desktops, sends.

        Answers by what ids the receiver may know what has left: `ensure_not_received` takes
        them. Nothing here is removed. Busy while what waits for its link cannot be broken off.
        """

    def ensure_volume_undo(self, volume_id: str, token: str, mark: Mark) -> Operation | None:
        """Make sure that a restore of the volume can be undone. None: it can."""

    def ensure_volume_restored(
        self, volume_id: str, copy_id: str, token: str, mark: Mark
    ) -> Operation | Volume:
        """Make a volume of the copy that takes this one's place; answer the one in place.

        Only after `ensure_volume_undo`. Refused, naming the server, while one holds it.
        The new one has a new id, the old one's description, and its name where volumes can
        be renamed. ``volume_id`` is the old one's, on every repeat.
        """

    def ensure_volume_undone(self, volume_id: str, token: str, mark: Mark) -> Operation | None:
        """Put the old volume in its place again and remove what took it. None: done."""

    def ensure_no_volume_undo(self, volume_id: str, token: str, mark: Mark) -> Operation | None:
        """Drop the old volume if a new one took its place; else there is nothing to drop."""

    def ensure_desktop_undo(self, server_id: str, token: str, mark: Mark) -> Operation | None:
        """Keep what the desktop holds now, so that a restore can be undone. None: it is."""

    def ensure_desktop_restored(
        self, server_id: str, copy_id: str, token: str, mark: Mark
    ) -> Operation | None:
        """Put what the copy holds in place. None: it is, and the desktop is off.

        Only after `ensure_desktop_undo`; it must be off. Identity and addresses stay.
        """

    def ensure_desktop_undone(self, server_id: str, token: str, mark: Mark) -> Operation | None:
        """Put what `ensure_desktop_undo` kept back, if it was replaced. None: done, it is off."""

    def ensure_no_desktop_undo(self, server_id: str, token: str, mark: Mark) -> Operation | None:
        """Drop what `ensure_desktop_undo` kept. None: it is gone."""


class Cloud(VolumeCloud, TransferCloud, CatalogueCloud, Protocol):
    """One connected cloud account. Instances are shared by the threads of a runner.

    Every method may raise `CloudBusy`, `CloudUnreachable` or `CloudRefused`.
    ``token`` is text unique to the task that asks, and the same on every repeat.
    """

    def identify(self) -> Identity:
        """Sign in and say what answers. Refuses endpoints that are not what the kind says."""

    def inventory(self) -> Inventory:
        """List servers and volumes of this site, without what we made ourselves."""

    def server(self, server_id: str) -> Server:
        """Return one server with its disks; `NotFound` when it is gone."""

    def progress(self, operations: Sequence[str]) -> Mapping[str, Progress]:
        """Say how these operations stand, by a number of calls that does not grow with theirs.

        Every id asked for is in the answer. An operation whose record the cloud has
        already dropped counts as done: the verb asked next finds out what became of it.
        """

    def ensure_shut_down(self, server_id: str) -> Operation | None:
        """Ask the guest to shut down. None: it is off. The operation ends when the guest is off."""

    def ensure_off(self, server_id: str) -> Operation | None:
        """Cut the power. None: it is off."""

    def ensure_on(self, server_id: str) -> Operation | None:
        """Switch it on. None: it is on."""

    def ensure_copy(self, server_id: str, token: str, mark: Mark) -> Operation | Copy:
        """Make a lasting copy of the server's disks, marked. The server should be off."""

    def find_copy(self, copy_id: str) -> Copy:
        """Return a copy by id; `NotFound` when it is gone."""

    def ensure_no_copy(self, token: str, copy_id: str = "") -> Operation | None:
        """Remove the copy made with this token (or known by id). None: it is not there."""

    def ensure_clone(self, server_id: str, token: str, mark: Mark) -> Operation | Clone:
        """Make a working clone of the server, marked, powered off. The server should be off."""

    def ensure_generalized(self, clone_id: str, token: str) -> Operation | None:
        """Start the clone, let its guest agent run sysprep and shut it down.

        None: it is generalized, and off.
        """

    def ensure_clone_copy(self, clone_id: str, token: str, mark: Mark) -> Operation | Copy:
        """Make a lasting copy of a working clone: the one `ensure_no_copy` removes."""

    def ensure_no_clone(self, token: str) -> Operation | None:
        """Remove the working clone, whatever state it is in. None: it is not there."""

    def ensure_undo(self, server_id: str, token: str, mark: Mark) -> Operation | None:
        """Set the server's present disks aside so that a restore can be undone. None: they are."""

    def ensure_restored(self, server_id: str, copy_id: str, token: str) -> Operation | None:
        """Put clones of the copy's disks in place of the server's. None: they are in place.

        Only after `ensure_undo`; the server must be off. Identity and addresses stay.
        """

    def ensure_undone(self, server_id: str, token: str) -> Operation | None:
        """Put the disks set aside by `ensure_undo` back, if they were replaced. None: done."""

    def ensure_no_undo(self, token: str) -> Operation | None:
        """Drop what `ensure_undo` set aside. None: it is gone."""

    def close(self) -> None:
        """Let go of kept-alive connections."""
