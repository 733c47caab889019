"""Machines: looking, and power. A machine is off for us when Azure has freed its place."""

from __future__ import annotations

from portal.clouds.api import CloudRefused, Operation
from portal.clouds.azure import wire
from portal.clouds.azure.operations import Operations
from portal.clouds.azure.session import AzureSession


class Servers:
    """The machines of one subscription."""

    def __init__(self, session: AzureSession, operations: Operations) -> None:
        self._session = session
        self._operations = operations

    def read(self, server_id: str) -> wire.Json:
        """GET the machine with its instance view."""
        return self._session.call(lambda client: wire.read(client, server_id))

    def under_way(self, vm: wire.Json) -> Operation | None:
        """Somebody's operation on this machine: it has to end before another begins."""
        if wire.is_settled(vm):
            return None
        return self._operations.watch(wire.id_of(vm), "Waiting for another operation")

    def ensure_off(self, server_id: str) -> Operation | None:
        """Deallocate, which shuts the guest down first. None: it is off, stopped or deallocated."""
        vm = self.read(server_id)
        if wire.raw_power(vm) in {"stopped", "deallocated"}:
            return self.under_way(vm)
        return self.under_way(vm) or self.deallocate(vm)

    def deallocate(self, vm: wire.Json) -> Operation:
        verb = "virtual_machines.begin_deallocate"
        return self._operations.begin(verb, wire.id_of(vm), message="Shutting the guest down")

    def ensure_on(self, server_id: str) -> Operation | None:
        vm = self.read(server_id)
        if busy := self.under_way(vm):
            return busy
        if wire.raw_power(vm) == "running":
            return None
        return self._operations.begin("virtual_machines.begin_start", server_id)

    def detach(self, vm: wire.Json, disk_id: str) -> Operation:
        """POST attachDetachDataDisks: a PATCH would replace the machine's whole list (7.4)."""
        if busy := self.under_way(vm):
            return busy
        verb = "virtual_machines.begin_attach_detach_data_disks"
        body = {"dataDisksToDetach": [{"diskId": disk_id}]}
        return self._operations.begin(verb, wire.id_of(vm), body, "Detaching the disk")

    def ensure_deallocated(self, vm: wire.Json) -> Operation | None:
        """For a change of its OS disk. Refused while it runs: who swaps disks says so first."""
        if busy := self.under_way(vm):
            return busy
        state = wire.raw_power(vm)
        if state == "deallocated":
            return None
        if state != "stopped":
            raise CloudRefused(f"{vm['name']} is not powered off.")
        return self.deallocate(vm)
