"""Guests: an agent that needs time after the start, run commands, and sysprep (reference 7.6).

The guest of the lab knows one script: one that starts ``sysprep.exe /generalize``. It prints
``sysprep: started``, ``sysprep: running`` or ``sysprep: failed`` with the reason; started
sysprep ends after a while by shutting the guest down, and its disk then holds what it held
with ``+generalized`` behind it. Any other script prints nothing.
"""

from __future__ import annotations

from typing import Any

from portal.lab.azure import operations
from portal.lab.azure.cloud import EVENTS, STEPS, AzureCloud, resource_id
from portal.lab.azure.model import Operation, Vm
from portal.lab.azure.refusals import ArmRefusal, invalid
from portal.lab.azure.routes import compute
from portal.lab.azure.wire import is_agent_ready
from portal.lab.clock import SECOND
from portal.lab.guests import GENERALIZED
from portal.lab.routing import Answer, Request


@compute("POST", "virtualMachines/{name}/runCommand", "virtualMachines/runCommand/action")
def vm_run_command(cloud: AzureCloud, request: Request) -> Answer:
    """``RunPowerShellScript`` and its lines."""
    vm = cloud.vm(_id(request))
    script = request.object.get("script")
    if request.object.get("commandId") != "RunPowerShellScript":
        raise invalid("The entity was not found: the lab runs PowerShell only.", "commandId")
    if not isinstance(script, list) or not all(isinstance(line, str) for line in script):
        raise invalid("The script is a list of lines.", "script")
    if vm.power != "running":
        raise ArmRefusal(
            409, "OperationNotAllowed",
            "Cannot modify extensions in the VM when the VM is not running.",
        )  # fmt: skip
    seconds = cloud.timing.command_seconds
    text = "\n".join(script)
    operation = cloud.begin("run_command", "POST", vm, seconds, "operations", script=text)
    return operations.accepted(cloud, operation, request)


def _finish_command(cloud: AzureCloud, operation: Operation) -> None:
    vm = cloud.vm(operation.target)
    if not is_agent_ready(cloud, vm):
        raise ArmRefusal(
            409, "VMAgentStatusCommunicationError",
            f"VM '{vm.name}' has not reported status for VM agent or extensions.",
        )  # fmt: skip
    said = _printed(cloud, vm, operation.params["script"].lower())
    outputs = (("StdOut", said), ("StdErr", ""))
    operation.params["output"] = {"value": [_status(name, text) for name, text in outputs]}


def _status(name: str, text: str) -> dict[str, Any]:
    return {
        "code": f"ComponentStatus/{name}/succeeded",
        "level": "Info",
        "displayStatus": "Provisioning succeeded",
        "message": text,
    }


def _printed(cloud: AzureCloud, vm: Vm, script: str) -> str:
    if "sysprep.exe" not in script or "/generalize" not in script:
        return ""
    if cloud.guests.sysprep == "fails":
        return f"sysprep: failed {cloud.guests.detail}\n"
    if vm.sysprep_at:
        return "sysprep: running\n"
    if cloud.guests.sysprep == "ends":
        vm.sysprep_at = cloud.now + int(cloud.timing.sysprep_seconds * SECOND)
        cloud.lab.agenda.add(vm.sysprep_at, cloud.name, "sysprep", vm.id)
    return "sysprep: started\n"


def _end_sysprep(cloud: AzureCloud, id_: str) -> None:
    """Shut down, still allocated; unless the power went before."""
    vm = cloud.vms.get(id_.lower())
    if vm is None or not vm.sysprep_at or vm.sysprep_at > cloud.now:
        return
    vm.sysprep_at = 0
    if vm.power == "running":
        cloud.disk(vm.os_disk.disk_id).content += GENERALIZED
        vm.power = "stopped"


def _id(request: Request) -> str:
    return resource_id(
        request["group"], "virtualMachines", request["name"], request["subscription"]
    )


STEPS["run_command"] = _finish_command
EVENTS["sysprep"] = _end_sysprep
