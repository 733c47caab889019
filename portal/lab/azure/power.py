"""Power of VMs, and generalizing them (reference 7.5, 7.6)."""

from __future__ import annotations

from portal.lab.azure import operations, skus
from portal.lab.azure.cloud import STEPS, UNDO, AzureCloud, resource_id
from portal.lab.azure.model import Operation
from portal.lab.azure.refusals import ArmRefusal
from portal.lab.azure.routes import compute
from portal.lab.routing import Answer, Request

_VM = "virtualMachines/{name}"
_DOWN = ("stopped", "deallocated")


@compute("POST", f"{_VM}/start", "virtualMachines/start/action")
def vm_start(cloud: AzureCloud, request: Request) -> Answer:
    vm = cloud.vm(_id(request))
    if vm.is_generalized:
        raise _not_allowed(f"VM '{vm.name}' is generalized and cannot be started.")
    seconds = cloud.timing.start_seconds if vm.power in _DOWN else 0
    return _turn(cloud, request, seconds, "starting", "running")


@compute("POST", f"{_VM}/powerOff", "virtualMachines/powerOff/action")
def vm_power_off(cloud: AzureCloud, request: Request) -> Answer:
    """Stops the guest, and keeps (and bills) its place."""
    vm = cloud.vm(_id(request))
    if vm.power == "deallocated":
        raise _not_allowed(f"VM '{vm.name}' is deallocated.")
    guest = 0 if request.flag("skipShutdown") else vm.shutdown_seconds
    return _turn(cloud, request, guest + cloud.timing.power_off_seconds, "stopping", "stopped")


@compute("POST", f"{_VM}/deallocate", "virtualMachines/deallocate/action")
def vm_deallocate(cloud: AzureCloud, request: Request) -> Answer:
    """Shuts the guest down, then frees its place."""
    vm = cloud.vm(_id(request))
    guest = 0 if vm.power in _DOWN else vm.shutdown_seconds
    seconds = 0 if vm.power == "deallocated" else guest + cloud.timing.power_off_seconds
    return _turn(cloud, request, seconds, "deallocating", "deallocated")


@compute("POST", f"{_VM}/restart", "virtualMachines/restart/action")
def vm_restart(cloud: AzureCloud, request: Request) -> Answer:
    if cloud.vm(_id(request)).power != "running":
        raise _not_allowed("A VM that is not running cannot be restarted.")
    return _turn(cloud, request, cloud.timing.start_seconds, "starting", "running")


def _turn(cloud: AzureCloud, request: Request, seconds: float, meanwhile: str, then: str) -> Answer:
    vm = cloud.vm(_id(request))
    operation = cloud.begin(
        "power", "POST", vm, seconds, "operations", before=vm.power, then=then
    )  # fmt: skip
    if vm.power != then:
        vm.power = meanwhile
    if vm.power != "running":  # what ran in the guest ends
        vm.sysprep_at = 0
    return operations.accepted(cloud, operation, request)


def _finish(cloud: AzureCloud, operation: Operation) -> None:
    vm = cloud.vm(operation.target)
    if operation.params["before"] in _DOWN and operation.params["then"] == "running":
        skus.require_capacity(cloud, vm)
    vm.power = operation.params["then"]
    if vm.power == "running":
        vm.on_since = cloud.now


def _undo(cloud: AzureCloud, operation: Operation) -> None:
    vm = cloud.vms.get(operation.target.lower())
    if vm is not None:
        vm.power = operation.params["before"]


@compute("POST", f"{_VM}/generalize", "virtualMachines/generalize/action")
def vm_generalize(cloud: AzureCloud, request: Request) -> Answer:
    """No way back: a generalized VM never starts again. Not a long-running operation."""
    vm = cloud.vm(_id(request))
    cloud.require_idle(vm.id)
    if vm.power not in _DOWN:
        raise _not_allowed(f"VM '{vm.name}' must be stopped before it is generalized.")
    vm.is_generalized = True
    return Answer(None, 200)


def _not_allowed(message: str) -> ArmRefusal:
    return ArmRefusal(409, "OperationNotAllowed", message)


def _id(request: Request) -> str:
    return resource_id(
        request["group"], "virtualMachines", request["name"], request["subscription"]
    )


STEPS["power"] = _finish
UNDO["power"] = _undo
