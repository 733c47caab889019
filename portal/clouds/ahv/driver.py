"""Nutanix AHV, by way of one Prism Element and its REST API v2.0."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from portal.clouds.ahv import backups, copies, publishing, restore, volumes, wire
from portal.clouds.ahv.agent import GuestAgents
from portal.clouds.ahv.arrivals import Arrivals
from portal.clouds.ahv.backups import Order, Thing
from portal.clouds.ahv.cluster import Cluster, busy_with
from portal.clouds.ahv.copies import Made
from portal.clouds.ahv.departures import Departures
from portal.clouds.ahv.desktops import Desktops
from portal.clouds.ahv.domains import Domains
from portal.clouds.ahv.http import PrismSession
from portal.clouds.ahv.links import site_facts
from portal.clouds.ahv.marked import Catalogue
from portal.clouds.ahv.operations import GUEST_OFF, Operations
from portal.clouds.ahv.transfers import Receiving, Sending
from portal.clouds.api import (
    Clone,
    CloudRefused,
    Connection,
    Copy,
    Identity,
    Inventory,
    Mark,
    Marked,
    Operation,
    PowerState,
    Progress,
    Sent,
    Server,
    SignInRefused,
    SiteFacts,
    Target,
    Volume,
)

# The last generation of AOS this driver was made for: v2.0 is legacy, v4 succeeds it.
NEWEST_AOS = 6


class AhvCloud:
    """`Cloud` for one AHV cluster.

    Secrets: ``user`` and ``password`` of a Cluster Admin; ``agent_endpoint`` and ``agent_token``
    of a guest agent gateway, where there is one.
    """

    def __init__(
        self, connection: Connection, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._http = PrismSession(connection, monotonic=monotonic)
        self._cluster = Cluster(self._http)
        self._agents = GuestAgents(connection)
        self._domains = Domains(self._http, monotonic=monotonic)
        arrivals = Arrivals(self._cluster, self._domains, monotonic=monotonic)
        departures = Departures(self._cluster, self._domains, monotonic=monotonic)
        self._operations = Operations(self._cluster, self._agents, arrivals, departures)
        self._sending = Sending(self._cluster, self._domains, departures)
        self._receiving = Receiving(self._cluster, self._domains, arrivals)
        self._volumes = volumes.Volumes(self._cluster, self._domains)
        self._desktops = Desktops(self._cluster, self._domains)
        self._catalogue = Catalogue(self._cluster, self._domains)

    def identify(self) -> Identity:
        """GET /cluster. Tries the password even if it was refused a moment ago."""
        self._http.forget_refusal()
        answer = self._cluster.describe()
        cluster = wire.obj(answer.body)
        _check_kind(answer.headers.get("X-Ntnx-Env", ""), cluster)
        version = wire.text(cluster, "version")
        return Identity(
            id=wire.text(cluster, "uuid"),
            name=wire.text(cluster, "name"),
            version=version,
            warnings=(*_warnings(cluster, version), *self._agents.warnings()),
        )

    def inventory(self) -> Inventory:
        servers = [vm.to_server() for vm in self._cluster.vms() if not vm.is_ours]
        groups = tuple(volumes.listed(self._cluster.groups()))
        return Inventory(tuple(servers), groups, self._cluster.storage())

    def server(self, server_id: str) -> Server:
        return self._cluster.vm(server_id).to_server()

    def progress(self, operations: Sequence[str]) -> Mapping[str, Progress]:
        return self._operations.progress(operations)

    def ensure_shut_down(self, server_id: str) -> Operation | None:
        """ACPI_SHUTDOWN. Its task ends when the signal is delivered (reference 3.4), so the
        operation watches the power state; asked again meanwhile, it signals again."""
        tasks = self._cluster.running_tasks()
        if self._cluster.vm(server_id).power == PowerState.OFF:
            return None
        if busy := busy_with(tasks, server_id):
            return busy
        if self._turn(server_id, PowerState.OFF, "ACPI_SHUTDOWN", "") is None:
            return None
        return Operation(f"{GUEST_OFF}{server_id}", "Waiting for the guest to shut down")

    def ensure_off(self, server_id: str) -> Operation | None:
        return self._ensure_power(server_id, PowerState.OFF, "OFF", "Powering off")

    def ensure_on(self, server_id: str) -> Operation | None:
        return self._ensure_power(server_id, PowerState.ON, "ON", "Powering on")

    def _ensure_power(
        self, server_id: str, goal: PowerState, transition: str, message: str
    ) -> Operation | None:
        tasks = self._cluster.running_tasks()
        power = self._cluster.vm(server_id).power
        if busy := busy_with(tasks, server_id):
            return busy
        return None if power == goal else self._turn(server_id, goal, transition, message)

    def _turn(
        self, server_id: str, goal: PowerState, transition: str, message: str
    ) -> Operation | None:
        """Change the power. None: it was refused because it changed by itself meanwhile."""
        try:
            return self._cluster.set_power(server_id, transition, message)
        except SignInRefused:
            raise
        except CloudRefused:
            if self._cluster.vm(server_id).power == goal:
                return None
            raise

    def ensure_copy(self, server_id: str, token: str, mark: Mark) -> Operation | Copy:
        """Clone the VM. The clone is a whole VM with NICs of its own, and is never started."""
        made = copies.ensure(self._cluster, server_id, Made.copy(token), mark)
        return made if isinstance(made, Operation) else made.to_copy()

    def find_copy(self, copy_id: str) -> Copy:
        return self._cluster.vm(copy_id).to_copy()

    def ensure_no_copy(self, token: str, copy_id: str = "") -> Operation | None:
        return copies.ensure_none(self._cluster, Made.copy(token), copy_id)

    def ensure_clone(self, server_id: str, token: str, mark: Mark) -> Operation | Clone:
        return publishing.ensure_clone(self._cluster, server_id, token, mark)

    def ensure_generalized(self, clone_id: str, token: str) -> Operation | None:
        return publishing.ensure_generalized(self._cluster, self._agents, clone_id, token)

    def ensure_clone_copy(self, clone_id: str, token: str, mark: Mark) -> Operation | Copy:
        return publishing.ensure_clone_copy(self._cluster, clone_id, token, mark)

    def ensure_no_clone(self, token: str) -> Operation | None:
        return publishing.ensure_no_clone(self._cluster, token)

    def ensure_undo(self, server_id: str, token: str, mark: Mark) -> Operation | None:
        return restore.ensure_undo(self._cluster, server_id, token, mark)

    def ensure_restored(self, server_id: str, copy_id: str, token: str) -> Operation | None:
        return restore.ensure_restored(self._cluster, server_id, copy_id, token)

    def ensure_undone(self, server_id: str, token: str) -> Operation | None:
        return restore.ensure_undone(self._cluster, server_id, token)

    def ensure_no_undo(self, token: str) -> Operation | None:
        return restore.ensure_no_undo(self._cluster, token)

    def volume(self, volume_id: str) -> Volume:
        return self._volumes.volume(volume_id)

    def ensure_detached(self, volume_id: str) -> Operation | None:
        return self._volumes.ensure_detached(volume_id)

    def ensure_volume_copy(
        self, volume_id: str, token: str, mark: Mark, to: Target | None = None
    ) -> Operation | Copy:
        """A snapshot of the protection domain that the volume group is alone in."""
        return self._ensure_snapshot(Thing(volume_id, is_group=True), token, mark, to)

    def ensure_desktop_copy(
        self, server_id: str, token: str, mark: Mark, to: Target | None = None
    ) -> Operation | Copy:
        """A snapshot of the protection domain that the VM is alone in."""
        return self._ensure_snapshot(Thing(server_id, is_group=False), token, mark, to)

    def _ensure_snapshot(
        self, thing: Thing, token: str, mark: Mark, to: Target | None
    ) -> Operation | Copy:
        order = Order.copy(token, mark, to.link if to else "")
        made = backups.ensure(self._cluster, self._domains, thing, order, mark)
        return made if isinstance(made, Operation) else backups.copy_of(made)

    def find_volume_copy(self, copy_id: str) -> Copy:
        return backups.copy_of(backups.find(self._domains, copy_id))

    def ensure_no_volume_copy(self, token: str, mark: Mark, copy_id: str = "") -> Operation | None:
        return backups.ensure_none(self._domains, Order.copy(token, mark), copy_id)

    def ensure_volume_copy_not_sending(
        self, token: str, mark: Mark, to: Target
    ) -> Operation | Sequence[str]:
        return self._sending.ensure_order_not_sending(Order.copy(token, mark, to.link))

    def ensure_volume_undo(self, volume_id: str, token: str, mark: Mark) -> Operation | None:
        return self._volumes.ensure_undo(volume_id, token)

    def ensure_volume_restored(
        self, volume_id: str, copy_id: str, token: str, mark: Mark
    ) -> Operation | Volume:
        return self._volumes.ensure_restored(volume_id, copy_id, token, mark)

    def ensure_volume_undone(self, volume_id: str, token: str, mark: Mark) -> Operation | None:
        return self._volumes.ensure_undone(volume_id, token, mark)

    def ensure_no_volume_undo(self, volume_id: str, token: str, mark: Mark) -> Operation | None:
        return self._volumes.ensure_no_undo(volume_id, token, mark)

    def ensure_desktop_undo(self, server_id: str, token: str, mark: Mark) -> Operation | None:
        return self._desktops.ensure_undo(server_id, token, mark)

    def ensure_desktop_restored(
        self, server_id: str, copy_id: str, token: str, mark: Mark
    ) -> Operation | None:
        return self._desktops.ensure_restored(server_id, copy_id, token, mark)

    def ensure_desktop_undone(self, server_id: str, token: str, mark: Mark) -> Operation | None:
        return self._desktops.ensure_undone(server_id, token, mark)

    def ensure_no_desktop_undo(self, server_id: str, token: str, mark: Mark) -> Operation | None:
        return self._desktops.ensure_no_undo(token, mark)

    def ensure_sent(self, copy_id: str, token: str, mark: Mark, to: Target) -> Operation | Sent:
        """By a snapshot that is replicated to the Remote Site ``to.link``."""
        return self._sending.ensure_sent(copy_id, token, mark, to)

    def ensure_received(self, sent_id: str, token: str, mark: Mark) -> Operation | Copy:
        return self._receiving.ensure_received(sent_id, token, mark)

    def find_received(self, copy_id: str) -> Copy:
        return self._receiving.find_received(copy_id)

    def ensure_sending_tidied(self, token: str, mark: Mark) -> Operation | None:
        return self._sending.ensure_tidied(token)

    def ensure_not_sending(self, copy_id: str, token: str, to: Target) -> Operation | str:
        return self._sending.ensure_not_sending(copy_id, token, to)

    def ensure_not_sent(self, copy_id: str, token: str, mark: Mark) -> Operation | None:
        return self._sending.ensure_not_sent(copy_id, token)

    def ensure_not_received(
        self, token: str, mark: Mark, copy_id: str = "", sent_id: str = ""
    ) -> Operation | None:
        return self._receiving.ensure_not_received(token, mark, copy_id, sent_id)

    def marked(self, site: str = "") -> Sequence[Marked]:
        """One cluster is one site, so ``site`` says nothing."""
        return self._catalogue.marked()

    def ensure_removed(self, thing: Marked) -> Operation | None:
        return self._catalogue.ensure_removed(thing)

    def ensure_unprotected(self, resources: Sequence[str]) -> Operation | None:
        return self._catalogue.ensure_unprotected(resources)

    def site_facts(self, site: str = "") -> SiteFacts:
        """One cluster is one site, so ``site`` says nothing."""
        return site_facts(self._cluster, self.identify())

    def close(self) -> None:
        self._http.close()
        self._agents.close()


def _check_kind(environment: str, cluster: Mapping[str, object]) -> None:
    """Refuse what is no AHV cluster; a cluster that does not name its hypervisors passes."""
    if environment.upper() == "PC":
        raise CloudRefused(
            "This is Prism Central, which manages clusters; Standby needs one cluster.",
            advice="Give the address of the cluster itself (Prism Element).",
        )
    hypervisors = cluster.get("hypervisor_types")
    if isinstance(hypervisors, list) and hypervisors and "kKvm" not in hypervisors:
        raise CloudRefused(f"This cluster runs {', '.join(map(str, hypervisors))}, not AHV.")
    if not wire.text(cluster, "uuid"):
        raise CloudRefused("What answers is not a Prism Element cluster: it names no uuid.")


def _warnings(cluster: Mapping[str, object], version: str) -> list[str]:
    warnings = []
    if cluster.get("is_upgrade_in_progress"):
        warnings.append("An upgrade is in progress: expect interruptions until it has ended.")
    major = version.partition(".")[0]
    if major.isdigit() and int(major) > NEWEST_AOS:
        warnings.append(f"AOS {version} is newer than what was tested; API v2 is legacy there.")
    return warnings
