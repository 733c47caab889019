"""The calls on protection domains, one method each (reference 6).

They answer at once and work goes on in the background: what was asked for is found again by
looking. Look at pending schedules *before* snapshots: in the other order one that fires
between the two looks leaves no trace, and is ordered twice.

No list of the whole cluster is asked for per backup: a domain's own calls do, however many
there are. Who holds what is read seldom, for what is in no domain of ours yet.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from portal.clouds.ahv import domain_wire, wire
from portal.clouds.ahv.cluster import submitted
from portal.clouds.ahv.domain_wire import Domain, DrSnapshot, Pending, Replication
from portal.clouds.ahv.http import PrismSession
from portal.clouds.api import CloudRefused, Operation, SignInRefused

ROOT = "/protection_domains"
# How old the list of all domains may be when it is asked who holds a thing.
HOLDERS_SECONDS = 300.0


class Domains:
    """The protection domains of one cluster, as typed calls. Shared by threads."""

    def __init__(
        self, http: PrismSession, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._http = http
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._holders: tuple[float, Mapping[str, str]] | None = None

    # Looking

    def find(self, name: str) -> Domain | None:
        """GET a domain; None is sure: whatever is answered for an unknown one, the list decides."""
        try:
            return domain_wire.domain(wire.obj(self._http.get(_path(name)).body))
        except SignInRefused:
            raise
        except CloudRefused:
            listed = wire.entities(self._http.get(ROOT, names=name).body)
            found = (domain_wire.domain(item) for item in listed)
            return next((each for each in found if each.name == name), None)

    def holder(self, uuid: str) -> Domain | None:
        """Return the domain that holds this thing, as far as a list of a while ago tells."""
        with self._lock:
            now = self._monotonic()
            if self._holders is None or now - self._holders[0] > HOLDERS_SECONDS:
                listed = wire.entities(self._http.get(ROOT).body)
                domains = (domain_wire.domain(item) for item in listed)
                held = {member.uuid: each.name for each in domains for member in each.members}
                self._holders = (now, held)
            name = self._holders[1].get(uuid)
        found = self.find(name) if name else None
        return found if found is not None and found.holds(uuid) else None

    def all(self) -> list[Domain]:
        """GET every domain of the cluster."""
        return [domain_wire.domain(item) for item in wire.entities(self._http.get(ROOT).body)]

    def look(self, name: str) -> tuple[list[Pending], list[DrSnapshot]] | None:
        """Return what a domain is about to take, then what it has taken; None without one."""
        try:
            waiting = domain_wire.pending(self._http.get(_path(name, "oob_schedules")).body)
            return waiting, self._snapshots(name)
        except SignInRefused:
            raise
        except CloudRefused:
            if self.find(name) is None:
                return None
            raise

    def snapshots(self, name: str) -> list[DrSnapshot]:
        """GET the snapshots of a domain; none without a domain."""
        try:
            return self._snapshots(name)
        except SignInRefused:
            raise
        except CloudRefused:
            if self.find(name) is None:
                return []
            raise

    def _snapshots(self, name: str) -> list[DrSnapshot]:
        body = self._http.get(_path(name, "dr_snapshots"), full_details="true").body
        return [domain_wire.snapshot(item, name) for item in wire.entities(body)]

    def newest(self, count: int) -> list[DrSnapshot]:
        """GET the newest snapshots of all domains, at most so many."""
        body = self._http.get(f"{ROOT}/dr_snapshots", count=str(count)).body
        return [domain_wire.snapshot(item) for item in wire.entities(body)]

    def replications(self, name: str = "") -> list[Replication]:
        """GET what is on its way from this cluster, of one domain or of all."""
        path = _path(name, "replications") if name else f"{ROOT}/replications"
        listed = wire.entities(self._http.get(path).body)
        return [domain_wire.replication(each, name) for each in listed if each.get("sender", True)]

    def waiting(self, name: str) -> list[Replication]:
        """GET pending_replications of a domain: a bare array."""
        body = self._http.get(_path(name, "pending_replications")).body
        listed = map(wire.obj, body if isinstance(body, list) else [])
        return [domain_wire.replication(each, name) for each in listed]

    def is_restoring(self, name: str) -> bool:
        """GET pending_actions: whether a VM of this domain is being put back (6.7, mark S)."""
        try:
            body = self._http.get(_path(name, "pending_actions")).body
        except SignInRefused:
            raise
        except CloudRefused:
            return False
        entries = body if isinstance(body, list) else []
        return any(entry.get("pending_vms_restore") for entry in map(wire.obj, entries))

    # Changing

    def create(self, name: str, annotations: Sequence[str]) -> None:
        """POST a domain; the key of its name is ``value``."""
        self._http.post(ROOT, {"value": name, "annotations": list(annotations)})

    def delete(self, name: str) -> None:
        """DELETE a domain, which must be empty: with outstanding work it only is marked."""
        self._http.delete(_path(name))

    def protect_vm(self, name: str, uuid: str) -> None:
        """POST protect_vms; without a consistency group named, the VM has one of its own."""
        self._http.post(_path(name, "protect_vms"), {"uuids": [uuid]})

    def protect_group(self, name: str, uuid: str) -> None:
        """POST add_entities of version 1, the only way (5.1, mark C)."""
        body = _entities(name, uuid) | {
            "vmAddRemoveType": "LISTED_VMS",
            "appConsistentSnapshots": False,
            "protectRelatedEntities": False,
        }
        self._http.post_v1(_path(name, "add_entities"), body)

    def release_group(self, name: str, uuid: str) -> None:
        """POST remove_entities of version 1 (5.1, mark I)."""
        body = _entities(name, uuid) | {"vmAddRemoveType": "LISTED_VMS"}
        self._http.post_v1(_path(name, "remove_entities"), body)

    def abort(self, name: str, replication: str) -> None:
        """DELETE a running replication (6.1, mark S)."""
        self._http.delete(_path(name, "replications", replication))

    def take(self, name: str, retention: int, sites: Sequence[str] = ()) -> str:
        """POST a one-off schedule that fires at once; return its id.

        What it takes is sent to the remote ``sites``. Without a start: the cluster's clock is
        not ours (10.10). With a retention, in seconds: what none means is unknown (13.7).
        """
        body = {
            "snapshot_retention_time_secs": retention,
            "remote_site_names": list(sites),
            "app_consistent": False,
        }
        answer = self._http.post(_path(name, "oob_schedules"), body)
        return wire.text(wire.obj(answer.body), "schedule_id")

    def cancel(self, name: str, schedule: str) -> None:
        """DELETE a one-off schedule."""
        self._http.delete(_path(name, "oob_schedules", schedule))

    def drop(self, name: str, snapshot: str) -> None:
        """DELETE a snapshot."""
        self._http.delete(_path(name, "dr_snapshots", snapshot))

    def restore(self, name: str, body: Mapping[str, Any]) -> Operation:
        """POST restore_entities, which answers a task or ``{"value": true}`` (6.7)."""
        answer = self._http.post(_path(name, "restore_entities"), body)
        return submitted(answer, "Restoring from the snapshot")


def _path(name: str, *more: str) -> str:
    return "/".join([ROOT, *(quote(part, safe="") for part in (name, *more))])


def _entities(name: str, uuid: str) -> dict[str, Any]:
    return {"protectionDomainName": name, "vmIds": [], "volumeGroupUuids": [uuid]}
