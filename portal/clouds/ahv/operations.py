"""How operations stand: many ids, a constant number of calls.

Ids: ``task:<uuid>`` a task of ours, which may fail; ``ended:<uuid>`` a task found
running, done whichever way it ends; ``guest-off:<vm uuid>`` done when the VM is off;
``sysprep:<vm uuid>:<token>`` done when the gateway says so, whichever way it ended;
``again:`` done at once; what comes without a task is told by `Arrivals`.
One `tasks/poll` tells what has ended, one `tasks/list` how far the rest is. What is in
neither is asked for by itself, a few at a time; the others are said to be running until
the next look. A task nobody knows counts as done, but only when it was unknown twice:
a cluster may not know a task yet that it has just issued (reference 8).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from portal.clouds.ahv.agent import GuestAgents
from portal.clouds.ahv.arrivals import Arrivals
from portal.clouds.ahv.cluster import AGAIN, ENDED, TASK, Cluster
from portal.clouds.ahv.departures import Departures
from portal.clouds.api import (
    CloudBusy,
    CloudError,
    CloudRefused,
    PowerState,
    Progress,
    SignInRefused,
)

GUEST_OFF = "guest-off:"
SYSPREP = "sysprep:"
# Single looks per call; beyond, a list is cheaper (VMs) or the next call has its turn (tasks).
FEW = 3


class Operations:
    """Answers `Cloud.progress` for one cluster."""

    def __init__(
        self, cluster: Cluster, agents: GuestAgents, arrivals: Arrivals, departures: Departures
    ) -> None:
        self._cluster = cluster
        self._arrivals = arrivals
        self._departures = departures
        self._agents = agents
        self._lock = threading.Lock()
        self._unknown: set[str] = set()

    def progress(self, ids: Sequence[str]) -> Mapping[str, Progress]:
        """Say how each of ``ids`` stands. An id that is none of ours has failed.

        A refusal to say is no verdict on what was asked about: it is raised as `CloudBusy`.
        """
        try:
            tasks = self._tasks({_rest(id_) for id_ in ids if id_.startswith((TASK, ENDED))})
            guests = self._guests({_rest(id_) for id_ in ids if id_.startswith(GUEST_OFF)})
            arrivals = self._arrivals.progress(ids) | self._departures.progress(ids)
        except SignInRefused:
            raise
        except CloudRefused as refused:
            raise CloudBusy(str(refused), advice=refused.advice) from refused
        answers = {id_: _answer(id_, tasks, guests) for id_ in ids if not id_.startswith(SYSPREP)}
        sysprep = {id_: self._sysprep(id_) for id_ in ids if id_.startswith(SYSPREP)}
        return answers | sysprep | arrivals

    def _sysprep(self, id_: str) -> Progress:
        """One call each: an account publishes one Sandbox, and seldom. Trouble is no verdict."""
        uuid, _, token = _rest(id_).partition(":")
        try:
            run = self._agents.look(uuid, token) if token else None
        except CloudError:
            return Progress(Progress.RUNNING)
        if run is not None and run.is_running:
            return Progress(Progress.RUNNING)
        return Progress(Progress.DONE, 100)

    def _tasks(self, uuids: set[str]) -> dict[str, Progress]:
        if not uuids:
            return {}
        known = {task.uuid: task.progress for task in self._cluster.ended_tasks(sorted(uuids))}
        if uuids - known.keys():
            for task in self._cluster.running_tasks():
                known.setdefault(task.uuid, task.progress)
        missing = sorted(uuids - known.keys())
        for uuid in missing[:FEW]:
            known[uuid] = self._single(uuid)
        for uuid in missing[FEW:]:
            known[uuid] = Progress(Progress.RUNNING)
        return {uuid: known[uuid] for uuid in uuids}

    def _single(self, uuid: str) -> Progress:
        task = self._cluster.task(uuid)
        with self._lock:
            if task is not None:
                self._unknown.discard(uuid)
                return task.progress
            if uuid in self._unknown:
                self._unknown.discard(uuid)
                return Progress(Progress.DONE, 100)
            self._unknown.add(uuid)
            return Progress(Progress.RUNNING)

    def _guests(self, uuids: set[str]) -> dict[str, Progress]:
        """A guest whose VM is gone is done: the verb asked next finds that out."""
        if len(uuids) <= FEW:
            found = [self._cluster.find_vm(uuid) for uuid in sorted(uuids)]
        else:
            found = list(self._cluster.vms(with_disks=False))
        on = {vm.uuid for vm in found if vm is not None and vm.power != PowerState.OFF}
        return {
            uuid: Progress(Progress.RUNNING) if uuid in on else Progress(Progress.DONE, 100)
            for uuid in uuids
        }


def _rest(id_: str) -> str:
    return id_.partition(":")[2]


def _answer(id_: str, tasks: Mapping[str, Progress], guests: Mapping[str, Progress]) -> Progress:
    rest = _rest(id_)
    if id_.startswith(TASK):
        return tasks[rest]
    if id_.startswith(ENDED):
        has_ended = tasks[rest].state != Progress.RUNNING
        return Progress(Progress.DONE, 100) if has_ended else tasks[rest]
    if id_.startswith(GUEST_OFF):
        return guests[rest]
    if id_.startswith(AGAIN):
        return Progress(Progress.DONE, 100)
    return Progress(Progress.FAILED, detail=f"{id_!r} is not an operation of this cluster.")
