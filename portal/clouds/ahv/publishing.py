"""Publishing: a working clone of a server, sysprep in it, a copy of it, and away with it.

The clone is a VM ``standby-clone-<token>``; its mark says what it is, so that the copy made
of it is checked and marked for itself.
"""

from __future__ import annotations

from dataclasses import replace

from portal.clouds.ahv import copies
from portal.clouds.ahv.agent import GuestAgents
from portal.clouds.ahv.cluster import Cluster, busy_with
from portal.clouds.ahv.copies import Made
from portal.clouds.ahv.operations import GUEST_OFF, SYSPREP
from portal.clouds.api import (
    Clone,
    CloudRefused,
    Copy,
    Mark,
    Operation,
    PowerState,
    SignInRefused,
)


def ensure_clone(cluster: Cluster, server_id: str, token: str, mark: Mark) -> Operation | Clone:
    """Clone the VM, as for a copy."""
    made = copies.ensure(cluster, server_id, Made.clone(token), replace(mark, type="clone"))
    return made if isinstance(made, Operation) else Clone(made.uuid, made.name)


def ensure_clone_copy(cluster: Cluster, clone_id: str, token: str, mark: Mark) -> Operation | Copy:
    """Clone the clone."""
    made = copies.ensure(cluster, clone_id, Made.copy(token), mark)
    return made if isinstance(made, Operation) else made.to_copy()


def ensure_generalized(
    cluster: Cluster, agents: GuestAgents, clone_id: str, token: str
) -> Operation | None:
    """Start the clone, have sysprep run, and see it go off."""
    tasks = cluster.running_tasks()
    clone = cluster.vm(clone_id)
    if not clone.name.startswith(Made.clone("").name):
        raise CloudRefused(f"{clone.name} is no working clone, so sysprep does not run in it.")
    if busy := busy_with(tasks, clone_id):
        return busy
    run = agents.look(clone_id, token)
    if run is None:
        if clone.power != PowerState.ON:
            return _start(cluster, clone_id)
        run = agents.begin(clone_id, token)
    if run is None:
        return Operation(f"{SYSPREP}{clone_id}:", "Waiting for the guest agent of the clone")
    if run.state == "failed":
        raise CloudRefused(
            f"Sysprep failed in the clone: {run.detail or 'it gave no reason.'}",
            advice="Mend this in the Sandbox, then publish again.",
        )
    if run.is_running:
        return Operation(f"{SYSPREP}{clone_id}:{token}", "Sysprep runs in the clone")
    if clone.power == PowerState.OFF:
        return None
    return Operation(f"{GUEST_OFF}{clone_id}", "Waiting for the clone to shut down")


def _start(cluster: Cluster, clone_id: str) -> Operation | None:
    try:
        return cluster.set_power(clone_id, "ON", "Starting the clone")
    except SignInRefused:
        raise
    except CloudRefused:
        # Another look tells: a request thought lost may have started it meanwhile.
        if cluster.vm(clone_id).power == PowerState.ON:
            return Operation(f"{SYSPREP}{clone_id}:", "Starting the clone")
        raise


def ensure_no_clone(cluster: Cluster, token: str) -> Operation | None:
    """Delete it, running or not."""
    return copies.ensure_none(cluster, Made.clone(token))
