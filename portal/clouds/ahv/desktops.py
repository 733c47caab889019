"""Desktops put back in place from a snapshot of their protection domain, and that undone.

`restore_entities` with ``replace`` names nothing that tells afterwards that it has happened,
and a worker may die right after asking. What tells is the disks: a VM put back has vmdisks
of new uuids. Which it had before is kept in a notebook at the cloud, an empty protection
domain ``standby-undo-<token>`` whose annotations list them; a second one,
``standby-undone-<token>``, lists those that have to go again, once an undoing has begun.
It has happened when the VM is there and has none of the disks in the notebook.

The VM comes back as it was when the snapshot was taken; its present name and description,
which say whose it is, are in the notebook too and are given back to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from portal.clouds.ahv import backups
from portal.clouds.ahv.arrivals import REPLACED
from portal.clouds.ahv.backups import Order, Thing
from portal.clouds.ahv.cluster import AGAIN, Cluster, busy_with
from portal.clouds.ahv.domain_wire import DrSnapshot
from portal.clouds.ahv.domains import Domains
from portal.clouds.ahv.wire import PREFIX, Vm
from portal.clouds.api import CloudBusy, CloudRefused, Mark, Operation, PowerState, SignInRefused

UNDO, UNDONE = "undo", "undone"
DISK, NAME, DESCRIPTION = "standby:disk ", "standby:name ", "standby:description "
# How many disks are listed: of a list cut short, the rest would pass for replaced.
COUNT = "standby:disks "


@dataclass(frozen=True)
class Notebook:
    """What a VM was before it was put back."""

    disks: frozenset[str]
    name: str = ""
    description: str = ""

    def lines(self, mark: Mark) -> list[str]:
        return [
            mark.text(),
            f"{COUNT}{len(self.disks)}",
            *(f"{DISK}{disk}" for disk in sorted(self.disks)),
            f"{NAME}{json.dumps(self.name)}",
            f"{DESCRIPTION}{json.dumps(self.description)}",
        ]

    @classmethod
    def read(cls, lines: Iterable[str]) -> Notebook:
        """Read it back; refused when the cluster did not keep all of it."""
        every = list(lines)
        told = {
            head: json.loads(line.removeprefix(head))
            for head in (NAME, DESCRIPTION)
            for line in every
            if line.startswith(head)
        }
        disks = frozenset(line.removeprefix(DISK) for line in every if line.startswith(DISK))
        if f"{COUNT}{len(disks)}" not in every:
            raise CloudRefused(
                "The cluster did not keep the note of the disks, so nothing is replaced."
            )
        return cls(disks, told.get(NAME, ""), told.get(DESCRIPTION, ""))


def _called(which: str, token: str) -> str:
    return f"{PREFIX}{which}-{token}"


@dataclass(frozen=True)
class Desktops:
    """The verbs of desktops at one cluster."""

    cluster: Cluster
    domains: Domains

    def ensure_undo(self, server_id: str, token: str, mark: Mark) -> Operation | None:
        """Take a snapshot of it as it is, then note its disks: before the first of them goes."""
        if self._notebook(UNDO, token) is not None:
            return None
        order, thing = Order.undo(token, mark), Thing(server_id, is_group=False)
        made = backups.ensure(self.cluster, self.domains, thing, order, mark)
        if isinstance(made, Operation):
            return made
        vm = self.cluster.vm(server_id)
        if not vm.disks:
            raise CloudRefused(f"{vm.name} has no disks, so there is nothing to restore.")
        self._write(UNDO, token, mark, vm)
        return None

    def ensure_restored(
        self, server_id: str, copy_id: str, token: str, mark: Mark
    ) -> Operation | None:
        """Put the VM of the snapshot in place; then it is off, whatever it was."""
        before = self._notebook(UNDO, token)
        if before is None:
            raise CloudRefused("What it holds now was not set aside, so nothing was replaced.")
        copy = backups.split(copy_id)
        vm, busy = self._now(server_id, copy[0], before)
        if busy:
            return busy
        if vm is None or _holds(vm, before):
            _require_off(vm)
            return self._put(server_id, lambda: backups.find(self.domains, copy_id), before)
        if vm.power != PowerState.OFF:
            return self._switch_off(vm)
        if (vm.name, vm.description) != (before.name, before.description):
            return self.cluster.rename_vm(vm.uuid, before.name, before.description)
        return None

    def ensure_undone(self, server_id: str, token: str, mark: Mark) -> Operation | None:
        """Put the VM of the undo snapshot in place, if another came in since."""
        before = self._notebook(UNDO, token)
        if before is None:
            return None
        order = Order.undo(token, mark)
        vm, busy = self._now(server_id, order.domain, before)
        if busy:
            return busy
        replaced = self._notebook(UNDONE, token)
        if vm is not None and replaced is None and _holds(vm, before):
            return None
        if vm is not None and vm.power != PowerState.OFF:
            return self._switch_off(vm)
        if replaced is None:
            replaced = self._write(UNDONE, token, mark, vm)
        if vm is None or _holds(vm, replaced):
            return self._put(server_id, lambda: self._undo(order), replaced)
        return None

    def ensure_no_undo(self, token: str, mark: Mark) -> Operation | None:
        """Delete the undo snapshot, then the notebooks: without one, nothing is put back."""
        if waiting := backups.ensure_none(self.domains, Order.undo(token, mark)):
            return waiting
        for which in (UNDONE, UNDO):
            found = self.domains.find(_called(which, token))
            if found is not None and not found.is_leaving:
                self.domains.delete(found.name)
        return None

    def _now(
        self, server_id: str, domain: str, before: Notebook
    ) -> tuple[Vm | None, Operation | None]:
        """Return the VM as it is, or what to wait for while it is being put back."""
        tasks = self.cluster.running_tasks()
        is_restoring = self.domains.is_restoring(domain)
        vm = self.cluster.find_vm(server_id)
        if busy := busy_with(tasks, server_id):
            return vm, busy
        return vm, _awaited(server_id, before) if is_restoring else None

    def _put(self, server_id: str, source: Callable[[], DrSnapshot], before: Notebook) -> Operation:
        snapshot = source()
        body = {
            "snapshot_id": snapshot.id,
            "vm_uuids": [server_id],
            "vm_names": [],
            "volume_group_uuids": [],
            "replace": True,
        }
        if not any(vm.uuid == server_id for vm in snapshot.vms):
            raise CloudRefused(f"Snapshot {snapshot.id} of {snapshot.domain} does not hold it.")
        begun = self.domains.restore(snapshot.domain, body)
        return _awaited(server_id, before) if begun.id == AGAIN else begun

    def _undo(self, order: Order) -> DrSnapshot:
        made = order.among(self.domains.snapshots(order.domain))
        if not made:
            raise CloudRefused(
                "What the desktop held before is no longer at the cluster; it keeps what came "
                "from the backup."
            )
        return made[0]

    def _switch_off(self, vm: Vm) -> Operation:
        """It comes back in the power state it had when the snapshot was taken (6.7)."""
        try:
            return self.cluster.set_power(vm.uuid, "OFF", "Powering off")
        except SignInRefused:
            raise
        except CloudRefused:
            if self.cluster.vm(vm.uuid).power == PowerState.OFF:
                return Operation(AGAIN, "Powering off")
            raise

    def _notebook(self, which: str, token: str) -> Notebook | None:
        found = self.domains.find(_called(which, token))
        if found is None or found.is_leaving:
            return None
        return Notebook.read(found.annotations)

    def _write(self, which: str, token: str, mark: Mark, vm: Vm | None) -> Notebook:
        disks = frozenset(disk.uuid for disk in vm.disks) if vm else frozenset()
        note = Notebook(disks, vm.name if vm else "", vm.description if vm else "")
        try:
            self.domains.create(_called(which, token), note.lines(mark))
        except SignInRefused:
            raise
        except CloudRefused:
            # Refused because an earlier request of ours got there meanwhile?
            if self._notebook(which, token) is None:
                raise
        kept = self._notebook(which, token)
        if kept is None:
            raise CloudBusy(f"The protection domain {_called(which, token)} does not show yet.")
        return kept


def _holds(vm: Vm, notebook: Notebook) -> bool:
    return any(disk.uuid in notebook.disks for disk in vm.disks)


def _awaited(server_id: str, before: Notebook) -> Operation:
    message = "Restoring from the snapshot"
    if not before.disks:
        return Operation(AGAIN, message)
    return Operation(f"{REPLACED}{server_id}:{min(before.disks)}", message)


def _require_off(vm: Vm | None) -> None:
    if vm is not None and vm.power != PowerState.OFF:
        raise CloudRefused(f"{vm.name} must be off while its content is replaced.")
