"""What comes without a task: snapshots, and what a restore makes where it starts none (6.7).

Ids: ``snapshot:<domain>:<retention>:<schedule>``, ``appeared:<prefix>`` a volume group whose
name begins so, ``machine:<prefix>`` a VM of such a name, ``replaced:<vm uuid>:<vmdisk uuid>``
done when that disk is not in the VM, ``arrived:<domain>:<number>`` a snapshot from another
cluster.

However many wait for snapshots, one list of the newest of the cluster is asked for. What is
not in it is looked at by its domain, a few at a time, the one looked at longest ago first.
A schedule vanishes when it fires (6.4), maybe before its snapshot shows: what is neither
pending nor taken is only given up when it has been so for a while. The verb asked next
finds out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from portal.clouds.ahv.cluster import Cluster
from portal.clouds.ahv.domain_wire import SCHEDULED, DrSnapshot
from portal.clouds.ahv.domains import Domains
from portal.clouds.api import Progress

SNAPSHOT = "snapshot:"
APPEARED = "appeared:"
REPLACED = "replaced:"
MACHINE = "machine:"
ARRIVED = "arrived:"
# Domains and VMs looked at by themselves, per call.
FEW = 3
# Snapshots asked for by each that is waited for, those of others among the newest, and the most
# that are asked for.
EACH = 4
MARGIN = 100
MOST = 2000
# How fast it is forgotten, by the poll, how many were waited for.
FADING = 0.8
SNAPSHOT_PATIENCE = 120.0
RESTORE_PATIENCE = 600.0
ARRIVAL_PATIENCE = 600.0

RUNNING = Progress(Progress.RUNNING)
DONE = Progress(Progress.DONE, 100)


class Arrivals:
    """Says of many at once whether they have come."""

    def __init__(
        self, cluster: Cluster, domains: Domains, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._cluster = cluster
        self._domains = domains
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._looked: dict[str, float] = {}
        # Since when it shows nowhere, and when that was seen last.
        self._unseen: dict[str, tuple[float, float]] = {}
        self._lost: set[str] = set()
        self._many = 0.0

    def progress(self, ids: Iterable[str]) -> dict[str, Progress]:
        """Say how each stands; ids of other kinds are left out."""
        every = set(ids)
        answers = {
            **self._snapshots([id_ for id_ in every if id_.startswith(SNAPSHOT)]),
            **self._appeared([id_ for id_ in every if id_.startswith(APPEARED)]),
            **self._replaced([id_ for id_ in every if id_.startswith(REPLACED)]),
            **self._machines([id_ for id_ in every if id_.startswith(MACHINE)]),
            **self._arrived([id_ for id_ in every if id_.startswith(ARRIVED)]),
        }
        with self._lock:
            for id_, progress in answers.items():
                if progress.state != Progress.RUNNING:
                    self._looked.pop(id_, None)
                    self._unseen.pop(id_, None)
        return answers

    def _snapshots(self, ids: list[str]) -> dict[str, Progress]:
        if not ids:
            return {}
        newest = self._newest(len(ids))
        listed: dict[str, list[DrSnapshot]] = {}
        for snapshot in newest:
            listed.setdefault(snapshot.domain, []).append(snapshot)
        found = {id_: _stands(id_, listed.get(id_.split(":")[1], ())) for id_ in ids}
        missing = [id_ for id_, progress in found.items() if progress is None]
        turns = {id_: self._look(id_) for id_ in self._next(missing)}
        return {id_: progress or turns.get(id_, RUNNING) for id_, progress in found.items()}

    def _newest(self, waiting: int) -> list[DrSnapshot]:
        """The newest of the cluster, as far down as what is waited for may be.

        The last few of a thousand were not taken last: hundreds of the others came after them.
        """
        with self._lock:
            self._many = max(waiting, self._many * FADING)
            count = min(round(EACH * self._many) + MARGIN, MOST)
        return self._domains.newest(count)

    def _next(self, ids: list[str]) -> list[str]:
        """Whose turn it is to be looked at."""
        with self._lock:
            turn = sorted(ids, key=lambda id_: (self._looked.get(id_, float("-inf")), id_))[:FEW]
            self._looked |= dict.fromkeys(turn, self._monotonic())
        return turn

    def _look(self, id_: str) -> Progress:
        _, domain, retention, _ = id_.split(":", 3)
        pending, snapshots = self._domains.look(domain) or ([], [])
        if any(str(each.retention) == retention for each in pending):
            with self._lock:
                self._unseen.pop(id_, None)
            return RUNNING
        return _stands(id_, snapshots) or self._given_up(id_, SNAPSHOT_PATIENCE)

    def _given_up(self, id_: str, patience: float) -> Progress:
        with self._lock:
            now = self._monotonic()
            since, looked = self._unseen.get(id_, (now, now))
            if now - looked > patience:
                since = now  # that was another wait, which others have ended
            self._unseen[id_] = (since, now)
            if now - since < patience:
                return RUNNING
            self._lost.add(id_)
            return DONE

    def take_lost(self, id_: str) -> bool:
        """Whether this was waited for in vain, in this process; said once."""
        with self._lock:
            is_lost = id_ in self._lost
            self._lost.discard(id_)
            return is_lost

    def _appeared(self, ids: list[str]) -> dict[str, Progress]:
        if not ids:
            return {}
        names = [group.name for group in self._cluster.groups()]
        return {
            id_: DONE
            if any(name.startswith(id_.removeprefix(APPEARED)) for name in names)
            else self._given_up(id_, RESTORE_PATIENCE)
            for id_ in ids
        }

    def _machines(self, ids: list[str]) -> dict[str, Progress]:
        if not ids:
            return {}
        names = [vm.name for vm in self._cluster.vms(with_disks=False)]
        return {
            id_: DONE
            if any(name.startswith(id_.removeprefix(MACHINE)) for name in names)
            else self._given_up(id_, RESTORE_PATIENCE)
            for id_ in ids
        }

    def _arrived(self, ids: list[str]) -> dict[str, Progress]:
        """One list of the newest for all; what is not in it is looked at, a few at a time."""
        if not ids:
            return {}
        newest = self._newest(len(ids))
        there = {arrival_id(each.domain, each.id) for each in newest if each.state != SCHEDULED}
        answers = {id_: DONE if id_ in there else RUNNING for id_ in ids}
        for id_ in self._next([id_ for id_ in ids if id_ not in there]):
            _, domain, _ = id_.split(":", 2)
            listed = self._domains.snapshots(domain)
            if any(arrival_id(domain, each.id) == id_ for each in listed):
                answers[id_] = DONE
            else:
                answers[id_] = self._given_up(id_, ARRIVAL_PATIENCE)
        return answers

    def _replaced(self, ids: list[str]) -> dict[str, Progress]:
        if not ids:
            return {}
        if len(ids) <= FEW:
            found = [self._cluster.find_vm(id_.split(":")[1]) for id_ in ids]
        else:
            found = list(self._cluster.vms())
        disks: Mapping[str, set[str]] = {
            vm.uuid: {disk.uuid for disk in vm.disks} for vm in found if vm is not None
        }
        answers = {}
        for id_ in ids:
            _, server, disk = id_.split(":", 2)
            is_done = server in disks and disk not in disks[server]
            answers[id_] = DONE if is_done else self._given_up(id_, RESTORE_PATIENCE)
        return answers


def arrival_id(domain: str, snapshot: str) -> str:
    """Return the operation for a snapshot by the sender's or the receiver's id of it.

    The receiver puts the sender's name before the number; the number is the same (6.5).
    """
    return f"{ARRIVED}{domain}:{snapshot.rpartition(':')[2]}"


def _stands(id_: str, snapshots: Iterable[DrSnapshot]) -> Progress | None:
    """How the snapshot stands by those of its domain; None when it is not among them.

    Our snapshots are known again by their retention: a cluster that changes it would have
    us order one after the other.
    """
    _, _, retention, schedule = id_.split(":", 3)
    ours = [each for each in snapshots if str(each.retention) == retention]
    if ours:
        return RUNNING if any(each.state == SCHEDULED for each in ours) else DONE
    other = next((each for each in snapshots if schedule and schedule in each.schedules), None)
    if other is None or other.state == SCHEDULED:
        return None
    detail = (
        f"The cluster keeps snapshot {other.id} of {other.domain} for {other.retention} s, "
        f"not for the {retention} s asked for; Standby does not know it again."
    )
    return Progress(Progress.FAILED, detail=detail)
