"""Snapshots on their way to another cluster, as the sender sees them (reference 6.6).

Id: ``sending:<domain>:<snapshot>:<remote site>``. A replication shows while it runs or waits,
and vanishes when it has ended, well or not; what tells is the last one that succeeded, where
that is shown. One list of all that runs is asked for, however many wait; of what is not in it,
a few domains are looked at per call. Waiting for a link that is down is running too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from portal.clouds.ahv.cluster import Cluster
from portal.clouds.ahv.domain_wire import Replication
from portal.clouds.ahv.domains import Domains
from portal.clouds.api import CloudRefused, Operation, Progress, SignInRefused

SENDING = "sending:"
FEW = 3
# How long a replication may show nowhere after its snapshot was taken, before it has broken off.
PATIENCE = 120.0
GIB = 2**30
# Waiting or running; listed as broken off, for a while; gone after it ran; or nothing is told, and
# the other side knows.
UNDER_WAY, SENT, BROKEN, GONE, UNTOLD = "under way", "sent", "broken", "gone", "untold"

RUNNING = Progress(Progress.RUNNING)
DONE = Progress(Progress.DONE, 100)
LOST = Progress(Progress.FAILED, detail="The replication broke off on its way.")


def sending(domain: str, snapshot: str, link: str) -> Operation:
    return Operation(f"{SENDING}{domain}:{snapshot}:{link}", "Sending to the other cluster")


def abort(domains: Domains, name: str, snapshots: set[str]) -> None:
    """Break off what is under way of these snapshots. One that waits has no id to do it by."""
    for each in domains.replications(name):
        if each.snapshot in snapshots and not each.is_aborted:
            try:
                domains.abort(name, each.id)
            except SignInRefused:
                raise
            except CloudRefused:
                continue  # it has ended meanwhile


class Departures:
    """Says of many at once how they stand."""

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
        # What was waited for in vain: it broke off, or nothing is told of it.
        self._verdicts: dict[str, str] = {}

    def progress(self, ids: Iterable[str]) -> dict[str, Progress]:
        """Say how each stands; ids of other kinds are left out."""
        wanted = [id_ for id_ in set(ids) if id_.startswith(SENDING)]
        if not wanted:
            return {}
        running = {_id(each): each for each in self._domains.replications()}
        answers: dict[str, Progress] = {}
        for id_ in wanted:
            found = running.get(id_)
            if found is not None and not found.is_aborted:
                answers[id_] = _on_its_way(found)
                self._unseen.pop(id_, None)
            else:
                answers[id_] = RUNNING
        absent = [id_ for id_ in wanted if answers[id_] is RUNNING]
        return answers | {id_: self._look(id_) for id_ in self._next(absent)}

    def _next(self, ids: list[str]) -> list[str]:
        """Whose turn it is to be looked at."""
        with self._lock:
            turn = sorted(ids, key=lambda id_: (self._looked.get(id_, float("-inf")), id_))[:FEW]
            self._looked |= dict.fromkeys(turn, self._monotonic())
        return turn

    def _look(self, id_: str) -> Progress:
        domain, snapshot, link = id_.removeprefix(SENDING).split(":", 2)
        state = self.stands(domain, snapshot, link)
        if state not in (GONE, UNTOLD):
            with self._lock:
                self._unseen.pop(id_, None)
            return {SENT: DONE, BROKEN: LOST}.get(state, RUNNING)
        with self._lock:
            now = self._monotonic()
            since, looked = self._unseen.get(id_, (now, now))
            if now - looked > PATIENCE:
                since = now  # that was another wait, which others have ended
            self._unseen[id_] = (since, now)
            if now - since < PATIENCE:
                return RUNNING
            self._verdicts[id_] = state
            self._unseen.pop(id_, None)
        return LOST if state == GONE else DONE

    def stands(self, domain: str, snapshot: str, link: str) -> str:
        """Look at one, in the order of the states it goes through."""
        if any(_is(each, snapshot, link) for each in self._waiting(domain)):
            return UNDER_WAY
        running = [e for e in self._domains.replications(domain) if _is(e, snapshot, link)]
        if running:
            # Said while it is to be seen: once a later one has gone, that would be taken for it.
            return BROKEN if all(each.is_aborted for each in running) else UNDER_WAY
        found = self._domains.find(domain)
        if found is None:
            return GONE
        if not found.sent:
            return UNTOLD
        return SENT if _is_at_least(found.sent.get(link, ""), snapshot) else GONE

    def _waiting(self, domain: str) -> list[Replication]:
        """Not every cluster has the call (6.1, mark S); it has the other two."""
        try:
            return self._domains.waiting(domain)
        except SignInRefused:
            raise
        except CloudRefused:
            return []

    def take_verdict(self, operation: Operation) -> str:
        """What long waiting has shown of it in this process, or ""; said once."""
        with self._lock:
            return self._verdicts.pop(operation.id, "")


def _id(each: Replication) -> str:
    return f"{SENDING}{each.domain}:{each.snapshot}:{each.site}"


def _is(each: Replication, snapshot: str, link: str) -> bool:
    return each.snapshot == snapshot and each.site == link


def _is_at_least(last: str, snapshot: str) -> bool:
    """Snapshots of a domain go one after the other, and their numbers rise."""
    if last.isdigit() and snapshot.isdigit():
        return int(last) >= int(snapshot)
    return last == snapshot


def _on_its_way(found: Replication) -> Progress:
    percent = int(found.percent)
    total = found.done_bytes * 100 / found.percent if found.percent else 0
    said = f"{found.done_bytes / GIB:.1f} of {total / GIB:.1f} GiB sent" if total else ""
    return Progress(Progress.RUNNING, percent, said)
