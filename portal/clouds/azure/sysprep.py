"""Generalizing a clone: a machine around its disk, sysprep in its guest, and off for good.

How far it is stands in the machine's tag ``standby-sysprep``: ``begun`` before the guest is told,
``ended`` once it has been seen to have shut itself down. A machine that is off without it was
switched off by somebody, and its disk is not taken for a generalized one.
"""

from __future__ import annotations

from typing import Any

from portal.clouds.api import CloudBusy, CloudRefused, NotFound, Operation
from portal.clouds.azure import guest, wire
from portal.clouds.azure.disks import Disks, is_made
from portal.clouds.azure.operations import RUN_COMMAND, Operations
from portal.clouds.azure.servers import Servers
from portal.clouds.azure.session import AzureSession

NETWORK_VERSION = "2022-11-01"
BEGUN, ENDED = "begun", "ended"
# What a disk of its kind needs to start at all, and what it is billed as.
_TAKEN_OVER = ("licenseType", "securityProfile")


class Sysprep:
    """Runs sysprep in clones."""

    def __init__(
        self, session: AzureSession, operations: Operations, servers: Servers, disks: Disks
    ) -> None:
        self._session = session
        self._operations = operations
        self._servers = servers
        self._disks = disks

    def ensure_generalized(self, clone_id: str, token: str) -> Operation | None:
        """One step nearer, whatever state the clone is in."""
        machine = wire.sibling(clone_id, wire.VM, wire.clone_name(token))
        try:
            vm = self._servers.read(machine)
        except NotFound:
            return self._make_machine(machine, self._disks.read(clone_id), token)
        wire.require_clone(vm, token)
        if busy := self._servers.under_way(vm):
            return busy
        power, phase = wire.raw_power(vm), wire.tags(vm).get(wire.SYSPREP_TAG, "")
        if power == "running":
            return self._run(vm, phase)
        if not phase and not is_made(vm):
            # Azure keeps what it could not make; it is made anew.
            return self._operations.begin("virtual_machines.begin_delete", machine)
        if power not in {"stopped", "deallocated"}:
            raise CloudBusy(f"{vm['name']} is {power or 'in no known state'}.")
        return self._settle(vm, power, phase)

    def _run(self, vm: wire.Json, phase: str) -> Operation:
        """It is on: have its guest run sysprep, which may be told twice."""
        if not wire.is_agent_ready(vm):
            return self._operations.watch_agent(wire.id_of(vm))
        if not phase:
            return self._note(vm, BEGUN)
        if phase == ENDED:
            raise _disturbed(f"Somebody started {vm['name']} after sysprep had ended.")
        return self._operations.begin(
            RUN_COMMAND, wire.id_of(vm), guest.command(), "Sysprep is running"
        )

    def _settle(self, vm: wire.Json, power: str, phase: str) -> Operation | None:
        """It is off. Free its place and have Azure call it generalized, if sysprep did it."""
        if not phase:
            return self._operations.begin("virtual_machines.begin_start", wire.id_of(vm))
        if phase == BEGUN and power == "stopped":
            return self._note(vm, ENDED)
        if phase == BEGUN:
            raise _disturbed(f"Somebody deallocated {vm['name']} before sysprep had ended.")
        if power == "stopped":
            return self._servers.deallocate(vm)
        if not wire.is_generalized(vm):
            group, name = wire.group_and_name(wire.id_of(vm))
            self._session.call(lambda client: client.virtual_machines.generalize(group, name))
        return None

    def _note(self, vm: wire.Json, phase: str) -> Operation:
        body = {"tags": wire.tags(vm) | {wire.SYSPREP_TAG: phase}}
        return self._operations.begin("virtual_machines.begin_update", wire.id_of(vm), body)

    # The machine

    def _make_machine(self, machine: str, disk: wire.Json, token: str) -> Operation:
        """As the server is, as far as its guest can tell; with a card that goes with it."""
        wire.require_clone(disk, token)
        if waiting := self._disks.settled(disk):
            return waiting
        if str(wire.properties(disk).get("osType")).lower() != "windows":
            raise CloudRefused("Only Windows can be generalized by sysprep.")
        source = self._servers.read(wire.source_of(disk))
        given = wire.properties(source)
        os_disk = {
            "createOption": "Attach",
            "osType": "Windows",
            "managedDisk": {"id": wire.id_of(disk)},
            "deleteOption": "Detach",
        }
        body: dict[str, Any] = {
            "location": disk["location"],
            "tags": wire.tags(disk),
            "properties": {
                "hardwareProfile": {"vmSize": wire.vm_size(source)},
                "storageProfile": {"osDisk": os_disk},
                "networkProfile": self._network(source, wire.clone_name(token)),
                **{name: given[name] for name in _TAKEN_OVER if given.get(name)},
            },
        }
        body |= {name: source[name] for name in ("zones", "plan") if source.get(name)}
        return self._operations.begin(
            "virtual_machines.begin_create_or_update", machine, body, "Starting the clone"
        )

    def _network(self, source: wire.Json, name: str) -> dict[str, Any]:
        """A card in the subnet of the server's, and behind the same rules."""
        card_id = wire.card_id(source)
        if not card_id:
            raise CloudRefused(f"{source['name']} has no network card to take the subnet from.")
        card = wire.properties(self._session.get(card_id, NETWORK_VERSION))
        address = {"primary": True, "subnet": {"id": wire.subnet_id(card)}}
        properties: dict[str, Any] = {
            "primary": True,
            "deleteOption": "Delete",
            "ipConfigurations": [{"name": "primary", "properties": address}],
        }
        if group := (card.get("networkSecurityGroup") or {}).get("id"):
            properties["networkSecurityGroup"] = {"id": group}
        return {
            "networkApiVersion": NETWORK_VERSION,
            "networkInterfaceConfigurations": [{"name": name, "properties": properties}],
        }


def _disturbed(said: str) -> CloudRefused:
    advice = "Leave machines whose names begin with standby- alone, then publish again."
    return CloudRefused(said, advice=advice)
