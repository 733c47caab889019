"""Copies to another cluster and back, by way of protection domains (reference 6).

A copy that is a VM travels in a protection domain it has to itself, which stays as long as
the copy does (R059). A snapshot travels as it was taken when its order named the Remote Site.
Any other snapshot, and one that is sent anew, is first restored beside, under a name that
begins with ``standby-new-way-``, and travels as a thing of its own.

At the receiver a snapshot stands in an inactive domain of the same name. A machine is restored
out of it, switched off and called ``standby-<token>``; a volume group stays where it is, and
its copy id is the received snapshot's. A machine may come up as it was for the moment until it
is switched off (6.7): its network is what the receiver maps for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from portal.clouds.ahv import backups
from portal.clouds.ahv.arrivals import APPEARED, MACHINE, Arrivals, arrival_id
from portal.clouds.ahv.backups import EXPIRED, Order, Thing, own_domain
from portal.clouds.ahv.cluster import AGAIN, Cluster, busy_with
from portal.clouds.ahv.departures import (
    BROKEN,
    SENT,
    UNDER_WAY,
    UNTOLD,
    Departures,
    abort,
    sending,
)
from portal.clouds.ahv.domain_wire import OUR_LINE, SCHEDULED, DrSnapshot, Held, plain
from portal.clouds.ahv.domains import Domains
from portal.clouds.ahv.removal import remove_domain
from portal.clouds.ahv.wire import MARKED, NEW, PREFIX, Vm
from portal.clouds.api import (
    CloudBusy,
    CloudRefused,
    Copy,
    Mark,
    NeverArrived,
    Operation,
    PowerState,
    Sent,
    Target,
)

# Below the mark of a received machine: the snapshot it was made of.
SENT_LINE = f"{OUR_LINE}sent "


def _hash(token: str) -> str:
    """Names have a limit that is unknown (10): of a token of any length, 12 characters."""
    return sha256(token.encode()).hexdigest()[:12]


def way_prefix(token: str) -> str:
    return f"{NEW}way-{_hash(token)}-"


def received_prefix(token: str) -> str:
    return f"{NEW}rcv-{_hash(token)}-"


def received_name(token: str) -> str:
    return f"{PREFIX}{token}"


def is_snapshot(copy_id: str) -> bool:
    """Whether a copy is a snapshot of a domain; else it is a VM."""
    return "/" in copy_id


@dataclass(frozen=True)
class Sending:
    """What a cluster does to send a copy."""

    cluster: Cluster
    domains: Domains
    departures: Departures

    def ensure_sent(self, copy_id: str, token: str, mark: Mark, to: Target) -> Operation | Sent:
        if not is_snapshot(copy_id):
            self.cluster.vm(copy_id)
            sent = self._ensure_thing_sent(Thing(copy_id, is_group=False), token, mark, to.link)
            return sent if isinstance(sent, Operation) else Sent(*sent, is_tidy=True)
        snapshot = backups.find(self.domains, copy_id)
        if to.link in snapshot.remote_sites and not to.anew and not self._beside(token):
            departed = self._departed(snapshot, to.link)
            if isinstance(departed, Operation):
                return departed
            if departed:
                return Sent(_sent_id(snapshot), snapshot.size_bytes, is_tidy=True)
        thing = self._ensure_beside(snapshot, token)
        if isinstance(thing, Operation):
            return thing
        sent = self._ensure_thing_sent(thing, token, mark, to.link)
        return sent if isinstance(sent, Operation) else Sent(*sent)

    def _departed(self, snapshot: DrSnapshot, link: str) -> Operation | bool:
        """Whether a snapshot has gone there; False when it broke off."""
        operation = sending(snapshot.domain, snapshot.id, link)
        verdict = self.departures.take_verdict(operation)
        state = self.departures.stands(snapshot.domain, snapshot.id, link)
        if state in (SENT, BROKEN):
            return state == SENT
        if state == UNDER_WAY or not verdict:
            return operation
        return verdict == UNTOLD or state == UNTOLD

    def _ensure_thing_sent(
        self, thing: Thing, token: str, mark: Mark, link: str
    ) -> Operation | tuple[str, int]:
        """Have it snapshot in its own domain for the other cluster; answer what went there."""
        order = Order.sending(thing.uuid, token, link)
        made = backups.ensure(self.cluster, self.domains, thing, order, mark)
        if isinstance(made, Operation):
            return made
        departed = self._departed(made, link)
        if isinstance(departed, Operation):
            return departed
        if not departed:
            # It broke off: the same order again takes another.
            backups.drop(self.domains, made)
            return Operation(AGAIN, "Sending it once more")
        return _sent_id(made), made.size_bytes

    # Beside

    def _beside(self, token: str) -> list[Thing]:
        """What was restored to be sent: more than one only where a request was acted on twice."""
        prefix = way_prefix(token)
        vms = [vm for vm in self.cluster.vms(with_disks=False) if vm.name.startswith(prefix)]
        groups = [each for each in self.cluster.groups() if each.name.startswith(prefix)]
        return [
            *(Thing(vm.uuid, is_group=False) for vm in vms),
            *(Thing(group.uuid, is_group=True) for group in groups),
        ]

    def _ensure_beside(self, snapshot: DrSnapshot, token: str) -> Operation | Thing:
        tasks = self.cluster.running_tasks()
        made = self._beside(token)
        if not made:
            busy = self.cluster.is_restoring()
            return busy or _restore(self.domains, snapshot, way_prefix(token))
        thing, *doubled = made
        if busy := busy_with(tasks, *(each.uuid for each in made)):
            return busy
        for each in doubled:
            return self._delete(each)
        if not thing.is_group:
            vm = self.cluster.vm(thing.uuid)
            if vm.power != PowerState.OFF:
                return self.cluster.set_power(vm.uuid, "OFF", "Powering off what is sent")
        return thing

    def ensure_tidied(self, token: str) -> Operation | None:
        """Remove what was restored beside, with the domain it had to itself."""
        tasks = self.cluster.running_tasks()
        for thing in self._beside(token):
            busy = busy_with(tasks, thing.uuid)
            busy = busy or remove_domain(self.domains, own_domain(thing.uuid))
            return busy or self._delete(thing)
        return None

    def _delete(self, thing: Thing) -> Operation:
        if thing.is_group:
            return self.cluster.delete_group(thing.uuid)
        return self.cluster.delete_vm(thing.uuid)

    def ensure_not_sending(self, copy_id: str, token: str, to: Target) -> Operation | str:
        """What was sent earlier by the copy's own backup is not this token's, if sent anew."""
        things = self._beside(token)
        if not is_snapshot(copy_id):
            things = [Thing(copy_id, is_group=False)]
        for thing in things:
            order = Order.sending(thing.uuid, token, to.link)
            taken = backups.ensure_not_ordered(self.domains, order)
            if isinstance(taken, Operation):
                return taken
            if taken:
                abort(self.domains, order.domain, {each.id for each in taken})
                return _sent_id(taken[0])
        if things or to.anew or not is_snapshot(copy_id):
            return ""
        domain, number = backups.split(copy_id)
        for snapshot in self.domains.snapshots(domain):
            if snapshot.id == number and to.link in snapshot.remote_sites:
                abort(self.domains, domain, {number})
                return _sent_id(snapshot)
        return ""

    def ensure_order_not_sending(self, order: Order) -> Operation | tuple[str, ...]:
        """Of what is sent as soon as it is taken: until none of it can leave any more."""
        taken = backups.ensure_not_ordered(self.domains, order)
        if isinstance(taken, Operation):
            return taken
        if not taken:
            return ()  # and no domain, perhaps
        abort(self.domains, order.domain, {each.id for each in taken})
        for each in taken:
            if self.departures.stands(order.domain, each.id, order.link) == UNDER_WAY:
                raise CloudBusy(
                    f"Snapshot {each.id} of {order.domain} waits to be sent to {order.link}, and "
                    "cannot be taken back before."
                )
        return tuple(map(_sent_id, taken))

    def ensure_not_sent(self, copy_id: str, token: str) -> Operation | None:
        """Take the copy's own domain away, and what was restored beside.

        Of a resource's lasting domain nothing is removed but what is on its way.
        """
        if not copy_id:
            return self.ensure_tidied(token)
        if not is_snapshot(copy_id):
            waiting = remove_domain(self.domains, own_domain(copy_id))
            return waiting or self.ensure_tidied(token)
        domain, number = backups.split(copy_id)
        if self.domains.find(domain) is not None:
            abort(self.domains, domain, {number})
        return self.ensure_tidied(token)


def _sent_id(snapshot: DrSnapshot) -> str:
    return f"{snapshot.domain}/{snapshot.id.rpartition(':')[2]}"


def _restore(domains: Domains, snapshot: DrSnapshot, prefix: str) -> Operation:
    """POST restore_entities for a copy of the one thing in a snapshot."""
    held = _only(snapshot)
    is_vm = bool(snapshot.vms)
    body = {
        "snapshot_id": snapshot.id,
        "replace": False,
        "vm_uuids": [held.uuid] if is_vm else [],
        "vm_names": [],
        "volume_group_uuids": [] if is_vm else [held.uuid],
        "vm_name_prefix": prefix,
        "vg_name_prefix": prefix,
    }
    begun = domains.restore(snapshot.domain, body)
    if begun.id != AGAIN:
        return begun
    return Operation(f"{MACHINE if is_vm else APPEARED}{prefix}", begun.message)


def _only(snapshot: DrSnapshot) -> Held:
    """The one thing in a snapshot; former generations of a group do not count."""
    things = list(snapshot.vms) or [
        each for each in snapshot.groups if not each.name.startswith(f"{PREFIX}undo-")
    ]
    if len(things) != 1:
        raise CloudRefused(
            f"Snapshot {snapshot.id} of {snapshot.domain} holds {len(things)} things, so which "
            "of them to send is not known."
        )
    return things[0]


@dataclass(frozen=True)
class Receiving:
    """What a cluster does with what another has sent."""

    cluster: Cluster
    domains: Domains
    arrivals: Arrivals

    def ensure_received(self, sent_id: str, token: str, mark: Mark) -> Operation | Copy:
        tasks = self.cluster.running_tasks()
        made = self._machines(token)
        if made:
            machine, *doubled = made
            if busy := busy_with(tasks, *(vm.uuid for vm in made)):
                return busy
            for each in doubled:
                return self.cluster.delete_vm(each.uuid)
            return self._settle(machine, sent_id, token, mark)
        snapshot = self._arrived(sent_id)
        if isinstance(snapshot, Operation):
            return snapshot
        if not backups.is_whole(snapshot, _only(snapshot).uuid):
            raise CloudRefused(f"Snapshot {snapshot.id} of {snapshot.domain} is not complete.")
        if not snapshot.vms:
            return backups.copy_of(snapshot)
        busy = self.cluster.is_restoring()
        return busy or _restore(self.domains, snapshot, received_prefix(token))

    def _machines(self, token: str) -> list[Vm]:
        """The machine made of it, by its last name or its first."""
        name, prefix = received_name(token), received_prefix(token)
        found = [
            vm
            for vm in self.cluster.vms()
            if (vm.name == name and vm.description.startswith(MARKED)) or vm.name.startswith(prefix)
        ]
        return sorted(found, key=lambda vm: (vm.name != name, vm.uuid))

    def _arrived(self, sent_id: str) -> Operation | DrSnapshot:
        found = self._snapshots(sent_id)
        ready = [each for each in found if each.state not in (SCHEDULED, EXPIRED)]
        if ready:
            return ready[0]
        domain, number = backups.split(sent_id)
        waiting = Operation(arrival_id(domain, number), "Waiting for its arrival")
        if self.arrivals.take_lost(waiting.id):
            raise NeverArrived(
                f"Snapshot {number} of {domain} was sent, but has not arrived.",
                advice="Look at the Remote Sites and at the events of both clusters in Prism, "
                "then replicate again.",
            )
        return waiting

    def _snapshots(self, sent_id: str) -> list[DrSnapshot]:
        """Those of the standby domain with this number, whichever cluster is named before it."""
        domain, number = backups.split(sent_id)
        return [each for each in self.domains.snapshots(domain) if _number(each) == number]

    def _settle(self, vm: Vm, sent_id: str, token: str, mark: Mark) -> Operation | Copy:
        """Off, whole, named and marked."""
        if vm.power != PowerState.OFF:
            return self.cluster.set_power(vm.uuid, "OFF", "Powering off what was received")
        if vm.name == received_name(token):
            return vm.to_copy()
        for snapshot in self._snapshots(sent_id):
            files = max((held.files for held in snapshot.vms), default=0)
            if files and len(vm.disks) != files:
                raise CloudRefused(
                    f"What was made of snapshot {snapshot.id} of {snapshot.domain} has "
                    f"{len(vm.disks)} disks of {files}.",
                    advice="Look at the storage of the cluster, then try again.",
                )
        theirs = plain(vm.description)
        text = "\n".join([mark.text(), f"{SENT_LINE}{sent_id}", theirs]).strip()
        return self.cluster.rename_vm(vm.uuid, received_name(token), text)

    def find_received(self, copy_id: str) -> Copy:
        if is_snapshot(copy_id):
            return backups.copy_of(backups.find(self.domains, copy_id))
        return self.cluster.vm(copy_id).to_copy()

    def ensure_not_received(
        self, token: str, mark: Mark, copy_id: str, sent_id: str
    ) -> Operation | None:
        tasks = self.cluster.running_tasks()
        for vm in self._to_remove(token, copy_id):
            return busy_with(tasks, vm.uuid) or self.cluster.delete_vm(vm.uuid)
        ids = {each for each in (copy_id, sent_id) if is_snapshot(each)}
        return self._remove_arrived(ids, mark)

    def _to_remove(self, token: str, copy_id: str) -> Sequence[Vm]:
        found = self._machines(token)
        if copy_id and not is_snapshot(copy_id) and copy_id not in {vm.uuid for vm in found}:
            given = self.cluster.find_vm(copy_id)
            if given is not None and not given.name.startswith(PREFIX):
                raise CloudRefused(
                    f"{given.name} was not made by Standby, so it is not deleted.",
                    advice="Delete this virtual machine in Prism if it is a replica.",
                )
            found += [given] if given else []
        return found

    def _remove_arrived(self, ids: set[str], mark: Mark) -> Operation | None:
        lasting = backups.domain_name(mark)
        for domain, number in map(backups.split, sorted(ids)):
            wanted = number.rpartition(":")[2]
            for each in self.domains.snapshots(domain):
                if _number(each) == wanted and each.state != EXPIRED:
                    backups.drop(self.domains, each)
            standby = self.domains.find(domain)
            if standby is None or standby.is_active or domain == lasting:
                continue
            if standby.is_leaving or not self._is_empty(domain):
                continue
            self.domains.delete(domain)
        return None

    def _is_empty(self, domain: str) -> bool:
        return all(each.state == EXPIRED for each in self.domains.snapshots(domain))


def _number(snapshot: DrSnapshot) -> str:
    return snapshot.id.rpartition(":")[2]
