"""The lab: its clouds, one clock for all of them, faults, and the log of calls."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portal.lab import seed as seeds
from portal.lab.agenda import Agenda
from portal.lab.azure import AzureCloud
from portal.lab.clock import Clock, from_usecs
from portal.lab.faults import Faults
from portal.lab.prism import PrismCluster
from portal.lab.routing import Answer, Request
from portal.lab.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CALLS = 100_000
CLUSTERS = ("ahv-lon-01", "ahv-dub-02")
AZURE = "azure"


@dataclass(frozen=True)
class Call:
    """One call: ``path`` follows the API's base; ``status`` 0 means that no answer went out."""

    cluster: str
    method: str
    path: str
    status: int
    at: datetime
    body: Any


class Lab:
    """Two clusters that know each other, and Azure. Everything in it is guarded by ``lock``.

    State moves with the clock: whatever is due is lived through, in order of time, before
    a call is handled and after each jump of the clock.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        state_file: Path | None = None,
        seed: Callable[[Lab], None] = seeds.fill_empty,
    ) -> None:
        self.lock = threading.RLock()
        self._is_changed = False
        self.store = Store(state_file) if state_file else None
        self.clock = clock or Clock(start=self.store.resumed_at() if self.store else None)
        self.instant = self.clock.now_usecs()
        self.agenda = Agenda()
        self.faults = Faults()
        self.calls: list[Call] = []
        # Told of each answer that no fault made: cloud, request as it came, answer.
        self.observers: list[Callable[[str, Request, Answer], None]] = []
        self.cut_links: set[frozenset[str]] = set()
        self.clusters = {name: PrismCluster(name, self) for name in CLUSTERS}
        self.azure = AzureCloud(AZURE, self)
        self.sites: dict[str, PrismCluster | AzureCloud] = {**self.clusters, AZURE: self.azure}
        if not (self.store and self.store.load(self)):
            seed(self)
        self.save()
        self.clock.on_advance(self.settle)

    @classmethod
    def empty(cls, clock: Clock | None = None, state_file: Path | None = None) -> Lab:
        """Two clusters with hosts, containers and each other's remote site; no machines."""
        return cls(clock, state_file, seeds.fill_empty)

    @classmethod
    def demo(cls, clock: Clock | None = None, state_file: Path | None = None) -> Lab:
        """The clouds of the demo, with machines and volumes on ahv-lon-01 and in westeurope."""
        return cls(clock, state_file, seeds.fill_demo)

    def settle(self) -> None:
        """Live through everything that is due."""
        with self.lock:
            now = self.clock.now_usecs()
            while due := self.agenda.pop(now):
                self._is_changed = True
                self.instant = max(self.instant, due.at)
                self.sites[due.site].come_due(due)
            self.instant = now

    def save(self) -> None:
        """Write what has changed to the state file, if there is one."""
        if self.store:
            with self.lock:
                self.store.save(self)
        self._is_changed = False

    def save_after(self, method: str) -> None:
        """Save, unless the call was one that changes nothing and nothing fell due."""
        if self._is_changed or method != "GET":
            self.save()

    def log(self, cluster: str, request: Request, status: int) -> None:
        """Write a call to the log; its body as it was sent, JSON or not."""
        raw = request.body
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw.decode(errors="replace")
        at = from_usecs(request.at)
        self.calls.append(Call(cluster, request.method, request.path, status, at, body))
        if len(self.calls) > MAX_CALLS:
            del self.calls[: MAX_CALLS // 10]

    def close(self) -> None:
        """Write the state and let go of its file."""
        self.save()
        if self.store:
            self.store.close()

    def is_linked(self, one: str, other: str) -> bool:
        """Whether two clusters, or two regions, reach each other."""
        return frozenset((one, other)) not in self.cut_links

    def link(self, one: str, other: str, *, is_up: bool) -> None:
        """Cut or mend the network between two clusters, or two regions; copies stop and go on."""
        with self.lock:
            self.settle()
            self.azure.advance_copies()
            pair = frozenset((one, other))
            (self.cut_links.discard if is_up else self.cut_links.add)(pair)
            self.azure.advance_copies()
            for name in pair & self.clusters.keys():
                self.clusters[name].link_changed()
