"""Everything of ours at a cluster: machines and groups by their names, snapshots by domains.

A snapshot says of what it is, by the domain's name and by what it holds; of which backup it
does not (`portal.clouds.ahv.backups`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from portal.clouds.ahv import backups
from portal.clouds.ahv.backups import DOMAIN_PREFIX, EXPIRED, domain_name, own_domain
from portal.clouds.ahv.cluster import Cluster, busy_with
from portal.clouds.ahv.domain_wire import SCHEDULED, DrSnapshot, Group
from portal.clouds.ahv.domains import Domains
from portal.clouds.ahv.removal import remove_domain
from portal.clouds.ahv.transfers import SENT_LINE
from portal.clouds.ahv.wire import MARKED, NEW, PREFIX, Vm
from portal.clouds.api import CloudRefused, Mark, Marked, Operation

# All there are; how many a cluster lists at once is not known.
ALL = 100_000
MICROSECONDS = 1_000_000
UNDO = f"{PREFIX}undo-"
DOMAIN = "domain:"
NOTHING = Mark("", "", "", "")


@dataclass(frozen=True)
class Catalogue:
    """Looks at one cluster."""

    cluster: Cluster
    domains: Domains

    def marked(self) -> list[Marked]:
        machines = [vm for vm in self.cluster.vms() if vm.is_ours]
        groups = [_group(each) for each in self.cluster.groups() if each.name.startswith(PREFIX)]
        taken = [each for each in self.domains.newest(ALL) if _is_ours(each)]
        held = {own_domain(vm.uuid) for vm in machines}
        # Those by which a copy travels belong to the copy, where it is.
        told = [_snapshot(each) for each in taken if each.domain not in held]
        return [*map(_machine, machines), *groups, *told, *self._stuck(taken)]

    def _stuck(self, taken: list[DrSnapshot]) -> Iterator[Marked]:
        """Domains of ours that protect nothing and hold nothing.

        At a secondary that is how a volume's stands without a replica: it goes with the volume's.
        """
        used = {each.domain for each in taken}
        for each in self.domains.all():
            if each.name.startswith(DOMAIN_PREFIX) and not each.members and each.name not in used:
                name = f"Protection domain {each.name}"
                mark = replace(NOTHING, resource=_uuid(each.name.removeprefix(DOMAIN_PREFIX)))
                yield Marked(f"{DOMAIN}{each.name}", name, Marked.LASTING, mark)

    def ensure_unprotected(self, resources: Sequence[str]) -> Operation | None:
        """At the receiver a domain of the same name stands by, inactive: it is treated alike."""
        names = {domain_name(Mark("", each, "", "")) for each in resources}
        waiting = None
        for domain in self.domains.all():
            if domain.name in names:
                waiting = remove_domain(self.domains, domain.name) or waiting
        return waiting

    def ensure_removed(self, thing: Marked) -> Operation | None:
        if thing.id.startswith(DOMAIN):
            return remove_domain(self.domains, thing.id.removeprefix(DOMAIN))
        if "/" in thing.id:
            domain, number = backups.split(thing.id)
            for each in self.domains.snapshots(domain):
                if each.id == number and each.state != EXPIRED:
                    backups.drop(self.domains, each)
            return None
        tasks = self.cluster.running_tasks()
        if busy := busy_with(tasks, thing.id):
            return busy
        if vm := self.cluster.find_vm(thing.id):
            _require_ours(vm)
            return self.cluster.delete_vm(vm.uuid)
        if group := self.cluster.find_group(thing.id):
            _require_ours(group)
            if group.attached_to:
                raise CloudRefused(
                    f"{group.name} is attached to a machine, so it is not deleted.",
                    advice="Detach it in Prism, then try again.",
                )
            return self.cluster.delete_group(group.uuid)
        return None


def _is_ours(snapshot: DrSnapshot) -> bool:
    is_taken = snapshot.state not in (SCHEDULED, EXPIRED)
    return snapshot.domain.startswith(DOMAIN_PREFIX) and is_taken


def _require_ours(thing: Vm | Group) -> None:
    if not thing.name.startswith(PREFIX):
        raise CloudRefused(f"{thing.name} was not made by Standby, so it is not deleted.")


def _machine(vm: Vm) -> Marked:
    first, *others = vm.description.split("\n")
    mark = Mark.read(first) if first.startswith(MARKED) else NOTHING
    sent = tuple(each.removeprefix(SENT_LINE) for each in others if each.startswith(SENT_LINE))
    return Marked(vm.uuid, vm.name, _role(vm.name), mark, vm.size_bytes, other_ids=sent)


def _group(group: Group) -> Marked:
    role = Marked.UNDO if group.name.startswith(UNDO) else Marked.PASSING
    return Marked(group.uuid, group.name, role, NOTHING, group.size_bytes)


def _role(name: str) -> str:
    if name.startswith(UNDO):
        return Marked.UNDO
    if name.startswith((NEW, f"{PREFIX}clone-")):
        return Marked.PASSING
    return Marked.COPY


def _snapshot(snapshot: DrSnapshot) -> Marked:
    """A backup, or what has come of one; what a copy was sent by is to be gone with it."""
    sender, _, number = snapshot.id.rpartition(":")
    things = [each for each in snapshot.things if not each.name.startswith(PREFIX)]
    name = things[0].name if things else snapshot.domain
    # What came of a machine is kept as a machine made of it.
    is_copy = bool(things) and not (sender and snapshot.vms)
    resource = _uuid(snapshot.domain.removeprefix(DOMAIN_PREFIX)) if things else ""
    return Marked(
        f"{snapshot.domain}/{snapshot.id}",
        f"Snapshot {number} of {name}",
        Marked.COPY if is_copy else Marked.PASSING,
        Mark("", resource, "", "", source=things[0].uuid if things else ""),
        snapshot.size_bytes,
        snapshot.created_at / MICROSECONDS,
        (f"{snapshot.domain}/{number}",),
    )


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""
