"""Microsoft Azure, by way of Resource Manager and its Python SDK."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from portal.clouds.api import (
    Clone,
    CloudRefused,
    Connection,
    Copy,
    Identity,
    Inventory,
    Mark,
    Marked,
    NotFound,
    Operation,
    Progress,
    Sent,
    Server,
    SignInRefused,
    SiteFacts,
    Target,
    Volume,
)
from portal.clouds.azure import rights, wire
from portal.clouds.azure.copies import Copies
from portal.clouds.azure.disks import Disks
from portal.clouds.azure.facts import site_facts
from portal.clouds.azure.marked import Catalogue
from portal.clouds.azure.operations import Operations
from portal.clouds.azure.publishing import Publishing
from portal.clouds.azure.restore import Restore
from portal.clouds.azure.servers import Servers
from portal.clouds.azure.session import AzureSession
from portal.clouds.azure.sizes import Sizes
from portal.clouds.azure.sysprep import Sysprep
from portal.clouds.azure.transfers import Transfers
from portal.clouds.azure.volumes import Volumes, listed

SUBSCRIPTIONS_VERSION = "2022-12-01"
Size = tuple[int, int]


class AzureCloud:
    """`Cloud` for one Azure subscription.

    Secrets: ``tenant``, ``client_id``, ``client_secret``, ``subscription``, ``authority``.
    """

    def __init__(
        self, connection: Connection, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._session = AzureSession(connection)
        self._operations = Operations(self._session)
        self._servers = Servers(self._session, self._operations)
        self._copies = Copies(self._session, self._operations)
        disks = Disks(self._session, self._operations)
        self._restore = Restore(self._operations, self._servers, disks)
        self._volumes = Volumes(disks, self._copies, self._servers)
        self._publishing = Publishing(
            self._session, self._operations, self._servers, self._copies, disks
        )
        self._sysprep = Sysprep(self._session, self._operations, self._servers, disks)
        self._sizes = Sizes(self._session, monotonic)
        self._transfers = Transfers(self._operations, self._copies, disks)
        self._catalogue = Catalogue(self._copies, disks)

    def identify(self) -> Identity:
        """GET the subscription, then compare what the role allows with what backups need."""
        identity, lacking = self._identified()
        if lacking.required:
            raise SignInRefused(
                f"The application's role lacks {_listed(lacking.required)}.",
                advice=f"Add this to the role it has on {lacking.scope}.",
            )
        return identity

    def _identified(self) -> tuple[Identity, rights.Lacking]:
        self._session.forget_refusal()
        path = f"/subscriptions/{self._session.subscription}"
        try:
            found = self._session.get(path, SUBSCRIPTIONS_VERSION)
        except NotFound as error:
            raise CloudRefused(
                str(error), advice="Check the subscription id of the cloud account."
            ) from error
        lacking = rights.missing(self._session)
        identity = Identity(
            id=str(found.get("subscriptionId") or self._session.subscription),
            name=str(found.get("displayName") or "Azure subscription"),
            version="Azure Resource Manager",
            warnings=tuple(lacking.warnings),
        )
        return identity, lacking

    def inventory(self) -> Inventory:
        """Machines and disks by three lists, however many there are."""
        vms = self._session.call(lambda client: wire.list_all(client, wire.VM))
        views = self._session.call(
            lambda client: [
                item.as_dict() for item in client.virtual_machines.list_all(status_only="true")
            ]
        )
        disks = self._session.call(lambda client: wire.list_all(client, wire.DISK))
        by_id = {wire.id_of(disk): disk for disk in disks}
        by_view = {wire.id_of(view): view for view in views}
        theirs = [vm for vm in vms if not wire.is_ours(vm)]
        return Inventory(
            tuple(self._server(_with_view(vm, by_view), by_id, self._sizes.of) for vm in theirs),
            tuple(wire.volume(disk) for disk in listed(disks)),
        )

    def _server(
        self, vm: wire.Json, disks: Mapping[str, wire.Json], sizes: Callable[[str, str], Size]
    ) -> Server:
        size = sizes(str(vm.get("location") or ""), wire.vm_size(vm))
        return wire.server(vm, disks.get(wire.os_disk_id(vm)), size)

    def server(self, server_id: str) -> Server:
        vm = self._servers.read(server_id)
        disk = self._session.call(lambda client: wire.read(client, wire.os_disk_id(vm)))
        return self._server(vm, {wire.id_of(disk): disk}, self._sizes.known)

    def progress(self, operations: Sequence[str]) -> Mapping[str, Progress]:
        return self._operations.progress(operations)

    def ensure_shut_down(self, server_id: str) -> Operation | None:
        """Deallocating asks the guest first: there is no other way to ask it alone."""
        return self._servers.ensure_off(server_id)

    def ensure_off(self, server_id: str) -> Operation | None:
        return self._servers.ensure_off(server_id)

    def ensure_on(self, server_id: str) -> Operation | None:
        return self._servers.ensure_on(server_id)

    def ensure_copy(self, server_id: str, token: str, mark: Mark) -> Operation | Copy:
        """Snapshot the OS disk, running or not; of a running one it is crash-consistent."""
        vm = self._servers.read(server_id)
        location = str(vm.get("location") or "")
        return self._copies.ensure(wire.os_disk_id(vm), location, token, mark)

    def find_copy(self, copy_id: str) -> Copy:
        return self._copies.find(copy_id)

    def ensure_no_copy(self, token: str, copy_id: str = "") -> Operation | None:
        return self._copies.ensure_none(token, copy_id)

    def ensure_clone(self, server_id: str, token: str, mark: Mark) -> Operation | Clone:
        """The clone is a disk: a machine starts when it is made, and only sysprep needs one."""
        return self._publishing.ensure_clone(server_id, token, mark)

    def ensure_generalized(self, clone_id: str, token: str) -> Operation | None:
        return self._sysprep.ensure_generalized(clone_id, token)

    def ensure_clone_copy(self, clone_id: str, token: str, mark: Mark) -> Operation | Copy:
        return self._publishing.ensure_copy(clone_id, token, mark)

    def ensure_no_clone(self, token: str) -> Operation | None:
        return self._publishing.ensure_none(token)

    def ensure_undo(self, server_id: str, token: str, mark: Mark) -> Operation | None:
        return self._restore.ensure_undo(server_id, token)

    def ensure_restored(self, server_id: str, copy_id: str, token: str) -> Operation | None:
        return self._restore.ensure_restored(server_id, copy_id, token)

    def ensure_undone(self, server_id: str, token: str) -> Operation | None:
        return self._restore.ensure_undone(server_id, token)

    def ensure_no_undo(self, token: str) -> Operation | None:
        return self._restore.ensure_no_undo(token)

    def volume(self, volume_id: str) -> Volume:
        return self._volumes.volume(volume_id)

    def ensure_detached(self, volume_id: str) -> Operation | None:
        return self._volumes.ensure_detached(volume_id)

    def ensure_volume_copy(
        self, volume_id: str, token: str, mark: Mark, to: Target | None = None
    ) -> Operation | Copy:
        """``to`` is not needed: a snapshot is sent when it is complete, by `ensure_sent`."""
        return self._volumes.ensure_copy(volume_id, token, mark)

    def ensure_desktop_copy(
        self, server_id: str, token: str, mark: Mark, to: Target | None = None
    ) -> Operation | Copy:
        """A desktop is a machine like others; `ensure_copy` leaves its power alone."""
        return self.ensure_copy(server_id, token, mark)

    def find_volume_copy(self, copy_id: str) -> Copy:
        return self._copies.find(copy_id)

    def ensure_no_volume_copy(self, token: str, mark: Mark, copy_id: str = "") -> Operation | None:
        return self._copies.ensure_none(token, copy_id)

    def ensure_volume_copy_not_sending(
        self, token: str, mark: Mark, to: Target
    ) -> Operation | Sequence[str]:
        """Nothing is sent before it is complete: see `ensure_volume_copy`."""
        return ()

    def ensure_volume_undo(self, volume_id: str, token: str, mark: Mark) -> Operation | None:
        return self._volumes.ensure_undo(volume_id, token)

    def ensure_volume_restored(
        self, volume_id: str, copy_id: str, token: str, mark: Mark
    ) -> Operation | Volume:
        return self._volumes.ensure_restored(volume_id, copy_id, token)

    def ensure_volume_undone(self, volume_id: str, token: str, mark: Mark) -> Operation | None:
        return self._volumes.ensure_undone(volume_id, token)

    def ensure_no_volume_undo(self, volume_id: str, token: str, mark: Mark) -> Operation | None:
        return self._volumes.ensure_no_undo(token)

    def ensure_desktop_undo(self, server_id: str, token: str, mark: Mark) -> Operation | None:
        return self._restore.ensure_undo(server_id, token)

    def ensure_desktop_restored(
        self, server_id: str, copy_id: str, token: str, mark: Mark
    ) -> Operation | None:
        return self._restore.ensure_restored(server_id, copy_id, token)

    def ensure_desktop_undone(self, server_id: str, token: str, mark: Mark) -> Operation | None:
        return self._restore.ensure_undone(server_id, token)

    def ensure_no_desktop_undo(self, server_id: str, token: str, mark: Mark) -> Operation | None:
        return self._restore.ensure_no_undo(token)

    def ensure_sent(self, copy_id: str, token: str, mark: Mark, to: Target) -> Operation | Sent:
        return self._transfers.ensure_sent(copy_id, token, mark, to)

    def ensure_received(self, sent_id: str, token: str, mark: Mark) -> Operation | Copy:
        """Nothing is left to do: what was sent is a snapshot of the region it was sent to."""
        return self._transfers.ensure_received(sent_id)

    def find_received(self, copy_id: str) -> Copy:
        return self._copies.find(copy_id)

    def ensure_sending_tidied(self, token: str, mark: Mark) -> Operation | None:
        return self._transfers.ensure_tidied(token)

    def ensure_not_sending(self, copy_id: str, token: str, to: Target) -> str:
        """Both regions are seen from here: `ensure_not_sent` removes what is on its way."""
        return ""

    def ensure_not_sent(self, copy_id: str, token: str, mark: Mark) -> Operation | None:
        return self._transfers.ensure_not_sent(token)

    def ensure_not_received(
        self, token: str, mark: Mark, copy_id: str = "", sent_id: str = ""
    ) -> Operation | None:
        return self._transfers.ensure_not_received(token, copy_id or sent_id)

    def marked(self, site: str = "") -> Sequence[Marked]:
        return self._catalogue.marked(site)

    def ensure_removed(self, thing: Marked) -> Operation | None:
        return self._catalogue.ensure_removed(thing)

    def ensure_unprotected(self, resources: Sequence[str]) -> Operation | None:
        """Nothing does: a snapshot stands for itself."""
        return None

    def site_facts(self, site: str = "") -> SiteFacts:
        """What the role lacks is a fact here: it does not keep the others from being seen."""
        identity, lacking = self._identified()
        facts = site_facts(self._session, self._sizes, identity, site)
        return replace(facts, lacking=lacking.required, lacking_at=lacking.scope)

    def close(self) -> None:
        self._session.close()


def _with_view(vm: wire.Json, views: Mapping[str, wire.Json]) -> wire.Json:
    """The list of machines has no power state, the one that has it has no disks."""
    view = wire.properties(views.get(wire.id_of(vm), {})).get("instanceView")
    return {**vm, "properties": {**wire.properties(vm), "instanceView": view}}


def _listed(actions: Sequence[str]) -> str:
    return ", ".join(actions[:3]) + (f" and {len(actions) - 3} more" if len(actions) > 3 else "")
