"""One-off snapshots of protection domains: backups of desktops and volume groups.

Each desktop and each volume group sits in a lasting domain of its own, called after the
resource; deleting backups never deletes it (R083). The order of a snapshot names it nowhere,
answers no snapshot, and is obeyed again when it is repeated (6.4). So the retention tells
ours apart: some decades, plus a number made from the token. While the order is pending it
shows the retention, and expiry minus creation of the snapshot gives it back to the second.

The numbers are spread over 2**30 seconds: that a new backup has the number of one of 100 kept
of the same resource happens once in ten million backups. It would be taken for that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from portal.clouds.ahv.arrivals import SNAPSHOT
from portal.clouds.ahv.cluster import Cluster
from portal.clouds.ahv.domain_wire import COMPLETE, SCHEDULED, Domain, DrSnapshot
from portal.clouds.ahv.domains import Domains
from portal.clouds.ahv.wire import PREFIX
from portal.clouds.api import (
    CloudBusy,
    CloudRefused,
    Copy,
    Mark,
    NotFound,
    Operation,
    SignInRefused,
)

DOMAIN_PREFIX = f"{PREFIX}pd-"
# Thirty years of 365 days; with the whole spread it still is an int32, as the call wants it.
KEPT_SECONDS = 946_080_000
SPREAD = 2**30
EXPIRED = "EXPIRED"
LEAVING_SECONDS = 10.0


def domain_name(mark: Mark) -> str:
    """Return the name of the domain of this resource, whatever the task."""
    return f"{DOMAIN_PREFIX}{mark.resource.replace('-', '')}"


def own_domain(uuid: str) -> str:
    """Return the name of the domain a copy has to itself, to be sent in (R059)."""
    return f"{DOMAIN_PREFIX}{uuid.replace('-', '')}"


@dataclass(frozen=True)
class Thing:
    """A VM or a volume group."""

    uuid: str
    is_group: bool


@dataclass(frozen=True)
class Order:
    """A snapshot of ours, whether or not it exists. ``retention`` is in seconds."""

    domain: str
    retention: int
    # The remote site it is to be sent to, or "".
    link: str = ""

    @classmethod
    def copy(cls, token: str, mark: Mark, link: str = "") -> Order:
        return cls(domain_name(mark), _retention(token), link)

    @classmethod
    def sending(cls, uuid: str, token: str, link: str) -> Order:
        """The snapshot by which a thing in a domain of its own travels."""
        return cls(own_domain(uuid), _retention(token), link)

    @classmethod
    def undo(cls, token: str, mark: Mark) -> Order:
        return cls(domain_name(mark), _retention(f"{token}:undo"))

    @property
    def sites(self) -> list[str]:
        return [self.link] if self.link else []

    def waiting(self, schedule: str) -> Operation:
        return Operation(
            f"{SNAPSHOT}{self.domain}:{self.retention}:{schedule}", "Taking the snapshot"
        )

    def among(self, snapshots: Sequence[DrSnapshot]) -> list[DrSnapshot]:
        """Return those that are this one, the oldest first; more only where it was doubled."""
        ours = [
            each for each in snapshots if each.retention == self.retention and each.state != EXPIRED
        ]
        return sorted(ours, key=lambda each: (each.created_at, each.id))


def _retention(text: str) -> int:
    number = int.from_bytes(sha256(text.encode()).digest()[:8])
    return KEPT_SECONDS + number % SPREAD


def copy_of(snapshot: DrSnapshot) -> Copy:
    """Return a snapshot as a copy. Its id holds the domain and the snapshot's id, both whole."""
    name = f"Snapshot {snapshot.id} of {snapshot.domain}"
    return Copy(f"{snapshot.domain}/{snapshot.id}", name, snapshot.size_bytes)


def split(copy_id: str) -> tuple[str, str]:
    """Return domain and snapshot id of a copy."""
    domain, _, number = copy_id.partition("/")
    if not domain.startswith(DOMAIN_PREFIX) or not number:
        raise CloudRefused(f"{copy_id!r} is no snapshot made by Standby.")
    return domain, number


def ensure(
    cluster: Cluster, domains: Domains, thing: Thing, order: Order, mark: Mark
) -> Operation | DrSnapshot:
    """Have the snapshot taken once; answer it when it is complete.

    Whether the thing is still in the domain is told by the newest snapshot, without a call.
    Where that deceives, this snapshot lacks it and is refused; the next looks.
    """
    pending, snapshots = domains.look(order.domain) or ([], [])
    for each in pending:
        if each.retention == order.retention:
            return order.waiting(each.id)
    if made := order.among(snapshots):
        return _settled(cluster, domains, thing, order, made)
    newest = max(snapshots, key=lambda each: each.created_at, default=None)
    if newest is not None and newest.holds(thing.uuid) and not newest.missing:
        try:
            return order.waiting(domains.take(order.domain, order.retention, order.sites))
        except SignInRefused:
            raise
        except CloudRefused:
            pass  # it may be because it is not protected any more
    protect(cluster, domains, thing, order.domain, mark)
    return order.waiting(domains.take(order.domain, order.retention, order.sites))


def _settled(
    cluster: Cluster, domains: Domains, thing: Thing, order: Order, made: list[DrSnapshot]
) -> Operation | DrSnapshot:
    kept, *doubled = made
    if any(each.state == SCHEDULED for each in made):
        return order.waiting("")
    for each in doubled:
        # An order thought lost was obeyed late.
        drop(domains, each)
    if kept.state not in COMPLETE:
        raise CloudRefused(f"Snapshot {kept.id} of {kept.domain} is {kept.state}.")
    if not is_whole(kept, thing.uuid):
        if thing.is_group:
            cluster.group(thing.uuid)  # NotFound says it better
        else:
            cluster.vm(thing.uuid)
        raise _not_whole(kept)
    return kept


def is_whole(snapshot: DrSnapshot, uuid: str) -> bool:
    """Whether this thing is in it, and all else. Former generations of a group do not count:
    a cluster may list one that a restore has replaced."""
    lacking = [name for name in snapshot.missing if not name.startswith(PREFIX)]
    return snapshot.holds(uuid) and not lacking


def _not_whole(snapshot: DrSnapshot) -> CloudRefused:
    names = ", ".join(name or "a member" for name in snapshot.missing) or "what is protected"
    return CloudRefused(
        f"Snapshot {snapshot.id} of protection domain {snapshot.domain} lacks {names}.",
        advice=f"Look at the entities of {snapshot.domain} in Prism: it must hold nothing that "
        "does not exist. Then try again.",
    )


def find(domains: Domains, copy_id: str) -> DrSnapshot:
    """Return a complete snapshot; `NotFound` when it is gone, has expired, or lacks something."""
    domain, number = split(copy_id)
    found = next((each for each in domains.snapshots(domain) if each.id == number), None)
    if found is None or found.state == EXPIRED:
        raise NotFound(f"Snapshot {number} of protection domain {domain} is not at the cluster.")
    if found.state == SCHEDULED:
        raise CloudBusy(f"Snapshot {number} of protection domain {domain} is being taken.")
    if not any(is_whole(found, thing.uuid) for thing in found.things):
        refused = _not_whole(found)
        raise NotFound(str(refused), advice=refused.advice)
    return found


def ensure_none(domains: Domains, order: Order, copy_id: str = "") -> Operation | None:
    """Delete the snapshot of this order, pending, half-made or complete, and the one named."""
    if copy_id:
        domain, number = split(copy_id)
        snapshots = domains.snapshots(domain)
        if any(each.id == number for each in snapshots):
            return _drop_all(domains, order, snapshots, number)
    taken = ensure_not_ordered(domains, order)
    if isinstance(taken, Operation):
        return taken
    for each in taken:
        drop(domains, each)
    return None


def ensure_not_ordered(domains: Domains, order: Order) -> Operation | list[DrSnapshot]:
    """Take the order back while it is pending; answer what was taken by it, when it is taken."""
    pending, snapshots = domains.look(order.domain) or ([], [])
    for each in pending:
        if each.retention == order.retention and not _cancel(domains, order, each.id):
            return order.waiting(each.id)
    taken = order.among(snapshots)
    if any(each.state == SCHEDULED for each in taken):
        return order.waiting("")
    return taken


def _cancel(domains: Domains, order: Order, schedule: str) -> bool:
    """Take an order back. False: it fired meanwhile."""
    try:
        domains.cancel(order.domain, schedule)
    except SignInRefused:
        raise
    except CloudRefused:
        return False
    return True


def _drop_all(
    domains: Domains, order: Order, snapshots: Sequence[DrSnapshot], number: str
) -> Operation | None:
    named = [each for each in snapshots if each.id == number and each.state != EXPIRED]
    ours = [each for each in order.among(snapshots) if each not in named]
    if any(each.state == SCHEDULED for each in [*named, *ours]):
        return order.waiting("")
    for each in [*named, *ours]:
        drop(domains, each)
    return None


def drop(domains: Domains, snapshot: DrSnapshot) -> None:
    """Delete a snapshot, unless it is gone meanwhile."""
    try:
        domains.drop(snapshot.domain, snapshot.id)
    except SignInRefused:
        raise
    except CloudRefused:
        if any(each.id == snapshot.id for each in domains.snapshots(snapshot.domain)):
            raise


# Protecting


def protect(cluster: Cluster, domains: Domains, thing: Thing, name: str, mark: Mark) -> None:
    """Put a thing into the domain of its own, made if need be."""
    domain = domains.find(name)
    if domain is None or not domain.holds(thing.uuid):
        if thing.is_group:
            cluster.group(thing.uuid)
        else:
            cluster.vm(thing.uuid)
        _refuse_foreign(domains, thing, name)
    if domain is None:
        domain = _create(domains, name, mark)
    _require_usable(domain)
    if not domain.holds(thing.uuid):
        _add(domains, thing, name)


def _refuse_foreign(domains: Domains, thing: Thing, name: str) -> None:
    """A thing is in one domain at most (6.3); whose it is, is not ours to change."""
    holder = domains.holder(thing.uuid)
    if holder is not None and holder.name != name:
        kind = "metro or synchronous protection domain" if holder.is_synchronous else None
        raise CloudRefused(
            f"It is already protected by the {kind or 'protection domain'} {holder.name}.",
            advice=f"Take it out of {holder.name} in Prism, then try again: Standby protects it "
            "in a protection domain of its own.",
        )


def _create(domains: Domains, name: str, mark: Mark) -> Domain:
    line = f"standby:v1 account={mark.account} resource={mark.resource}"
    try:
        domains.create(name, [line])
    except SignInRefused:
        raise
    except CloudRefused:
        # Refused because an earlier request of ours got there meanwhile?
        if domains.find(name) is None:
            raise
    made = domains.find(name)
    if made is None:
        raise CloudBusy(f"The protection domain {name} does not show yet.")
    return made


def _require_usable(domain: Domain) -> None:
    if domain.is_leaving:
        raise CloudBusy(
            f"The protection domain {domain.name} is being removed.", retry_after=LEAVING_SECONDS
        )
    if not domain.is_active:
        raise CloudRefused(
            f"The protection domain {domain.name} is not active on this cluster.",
            advice="It was moved to another cluster: back up there, or move it back in Prism.",
        )
    if domain.is_synchronous:
        raise CloudRefused(
            f"The protection domain {domain.name} is metro or synchronous.",
            advice="Standby takes its snapshots from asynchronous protection domains only.",
        )


def _add(domains: Domains, thing: Thing, name: str) -> None:
    """Where the call is refused, a person can do the same in Prism, and backups go on."""
    try:
        if thing.is_group:
            domains.protect_group(name, thing.uuid)
        else:
            domains.protect_vm(name, thing.uuid)
    except SignInRefused:
        raise
    except CloudRefused as refused:
        domain = domains.find(name)
        if domain is not None and domain.holds(thing.uuid):
            return
        kind = "volume group" if thing.is_group else "virtual machine"
        raise CloudRefused(
            f"The cluster does not let this {kind} be added to a protection domain: {refused}",
            advice=f"Add the {kind} to the protection domain {name} in Prism, then try again. "
            "If it is in another protection domain, take it out there first.",
        ) from refused
