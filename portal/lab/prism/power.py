"""Power of VMs (reference 3.4). ACPI_* succeed when the guest has the signal."""

from __future__ import annotations

from portal.lab.clock import SECOND
from portal.lab.prism import wire
from portal.lab.prism.cluster import ACTIONS, DUE, V2, Action, PrismCluster
from portal.lab.prism.model import Task, Vm
from portal.lab.routing import Answer, Refusal, Request

OPERATION = "VmChangePowerState"
# From which states a transition may start, and where it ends; None: where it was.
TRANSITIONS: dict[str, tuple[set[str], str | None]] = {
    "ON": ({"off"}, "on"),
    "OFF": ({"on", "paused", "suspended"}, "off"),
    "POWERCYCLE": ({"on", "paused"}, "on"),
    "RESET": ({"on"}, None),
    "PAUSE": ({"on"}, "paused"),
    "SUSPEND": ({"on"}, "suspended"),
    "RESUME": ({"paused", "suspended"}, "on"),
    "ACPI_SHUTDOWN": ({"on"}, None),
    "ACPI_REBOOT": ({"on"}, None),
}


@V2("POST", "/vms/{uuid}/set_power_state")
def set_power_state(cluster: PrismCluster, request: Request) -> Answer:
    vm = cluster.vm(request["uuid"])
    transition = request.text("transition").upper()
    if transition not in TRANSITIONS:
        raise Refusal(f"Unknown power transition {transition}", 400)
    seconds = 0 if transition.startswith("ACPI_") else cluster.timing.power_seconds
    params = {"vm": vm.uuid, "transition": transition}
    return wire.submitted(cluster.submit(OPERATION, [("VM", vm.uuid)], seconds, params))


def _check(cluster: PrismCluster, task: Task) -> None:
    vm, transition = cluster.vm(task.params["vm"]), task.params["transition"]
    if vm.power_state not in TRANSITIONS[transition][0]:
        raise Refusal(
            f"InvalidVmState: Cannot complete request in state {vm.power_state}: {transition}"
        )


def _finish(cluster: PrismCluster, task: Task) -> None:
    _check(cluster, task)
    vm, transition = cluster.vm(task.params["vm"]), task.params["transition"]
    state = TRANSITIONS[transition][1]
    if state:
        turn(cluster, vm, state)
    elif transition == "ACPI_SHUTDOWN":
        _shut_down(cluster, vm)


def _shut_down(cluster: PrismCluster, vm: Vm) -> None:
    """Have the guest go off in its time; one that is shutting down does not begin again."""
    if vm.guest_shutdown_seconds is not None and vm.guest_off_at is None:
        vm.guest_off_at = cluster.now + int(vm.guest_shutdown_seconds * SECOND)
        cluster.lab.agenda.add(vm.guest_off_at, cluster.name, "guest", vm.uuid)


def turn(cluster: PrismCluster, vm: Vm, state: str) -> None:
    """Set the power state, with what goes with it."""
    vm.power_state, vm.guest_off_at = state, None
    vm.agent_up_at = cluster.now + int(cluster.timing.agent_seconds * SECOND)
    if vm.sysprep and vm.sysprep.state == "running":
        vm.sysprep.state, vm.sysprep.detail = "failed", "The machine was switched off."
    vm.logical_timestamp += 1
    cluster.place(vm)


def _guest_is_down(cluster: PrismCluster, uuid: str) -> None:
    vm = cluster.vms.get(uuid)
    if vm and vm.guest_off_at is not None and vm.guest_off_at <= cluster.now:
        turn(cluster, vm, "off")


ACTIONS[OPERATION] = Action(_finish, check=_check)
DUE["guest"] = _guest_is_down
