"""Guests: agents that need their time, run commands, sysprep, and cards that come and go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from portal.lab import Lab, LabServer
from portal.lab.azure.access import forbid
from portal.lab.azure.cloud import network_id, resource_id
from portal.lab.azure.model import GROUP, Vm
from tests.lab.azure.conftest import COMPUTE, Client

SYSPREP = {"commandId": "RunPowerShellScript", "script": ["sysprep.exe /generalize /shutdown"]}
SUBNET = network_id(GROUP, "virtualNetworks/vdi/subnets/desktops")
SUBNET_JOIN = "Microsoft.Network/virtualNetworks/subnets/join/action"


def _machine(azure: Client) -> Vm:
    azure.lab.clock.scale = 0
    vm = azure.cloud.add_vm("vm", power="deallocated", content="system")
    azure.run("POST", f"{vm.id}/start")
    return vm


def _agent(azure: Client, vm: Vm) -> str:
    view = azure.get(f"{vm.id}/instanceView")
    return str(view["vmAgent"]["statuses"][0]["displayStatus"]) if "vmAgent" in view else ""


def _printed(azure: Client, vm: Vm) -> str:
    started = azure.ask("POST", f"{vm.id}/runCommand", SYSPREP)
    assert azure.follow(started)["status"] == "Succeeded"
    return str(azure.get(started.headers["Location"])["value"][0]["message"])


def _boot(azure: Client, vm: Vm) -> None:
    azure.lab.clock.advance(30)
    assert _agent(azure, vm) == "Ready"


def _content(azure: Client, vm: Vm) -> str:
    return azure.cloud.disk(vm.os_disk.disk_id).content


def test_an_agent_is_ready_some_time_after_the_start(azure: Client) -> None:
    vm = _machine(azure)
    assert _agent(azure, vm) == "Not Ready"
    _boot(azure, vm)
    azure.run("POST", f"{vm.id}/deallocate")
    assert _agent(azure, vm) == ""


def test_a_command_before_the_agent_is_ready_fails(azure: Client) -> None:
    vm = _machine(azure)
    azure.control("POST", "/guests", {"agent": "never"})
    ended = azure.follow(azure.ask("POST", f"{vm.id}/runCommand", SYSPREP))
    assert ended["error"]["code"] == "VMAgentStatusCommunicationError"
    azure.run("POST", f"{vm.id}/deallocate")
    refusal = azure.refused("POST", f"{vm.id}/runCommand", SYSPREP)
    assert refusal == (409, "OperationNotAllowed")


@pytest.mark.parametrize(
    "body", [{}, {"commandId": "RunShellScript", "script": []}, SYSPREP | {"script": "ls"}]
)
def test_only_powershell_is_run(azure: Client, body: Any) -> None:
    vm = _machine(azure)
    assert azure.refused("POST", f"{vm.id}/runCommand", body) == (400, "InvalidParameter")


def test_sysprep_shuts_the_guest_down_and_changes_what_its_disk_holds(azure: Client) -> None:
    vm = _machine(azure)
    _boot(azure, vm)
    assert _printed(azure, vm) == "sysprep: started\n"
    assert _printed(azure, vm) == "sysprep: running\n"
    azure.lab.clock.advance(60)
    assert (vm.power, _content(azure, vm)) == ("stopped", "system+generalized")
    azure.lab.clock.advance(600)
    assert _content(azure, vm) == "system+generalized"


def test_a_cut_of_power_ends_sysprep_halfway(azure: Client) -> None:
    vm = _machine(azure)
    _boot(azure, vm)
    _printed(azure, vm)
    azure.run("POST", f"{vm.id}/deallocate")
    azure.run("POST", f"{vm.id}/start")
    azure.lab.clock.advance(600)
    assert (vm.power, _content(azure, vm)) == ("running", "system")


def test_sysprep_fails_and_hangs_when_told_to(azure: Client) -> None:
    vm = _machine(azure)
    _boot(azure, vm)
    azure.control("POST", "/guests", {"sysprep": "fails", "detail": "Store app in the way"})
    assert _printed(azure, vm) == "sysprep: failed Store app in the way\n"
    azure.control("POST", "/guests", {"sysprep": "hangs"})
    assert _printed(azure, vm) == "sysprep: started\n"
    azure.lab.clock.advance(3600)
    assert (vm.power, _content(azure, vm)) == ("running", "system")


def test_another_script_prints_nothing(azure: Client) -> None:
    vm = _machine(azure)
    _boot(azure, vm)
    body = SYSPREP | {"script": ["Get-Date"]}
    started = azure.ask("POST", f"{vm.id}/runCommand", body)
    azure.follow(started)
    found = azure.get(started.headers["Location"])["value"]
    assert [each["message"] for each in found] == ["", ""]


def test_sysprep_outlives_a_restart_of_the_lab(lab_directory: Path, tmp_path: Path) -> None:
    state = tmp_path / "lab.sqlite3"
    for is_again in (False, True):
        lab = Lab.empty(state_file=state)
        lab.clock.scale = 0
        with LabServer(lab, directory=lab_directory) as server:
            client = Client(server)
            client.sign_in()
            if not is_again:
                _boot(client, vm := _machine(client))
                _printed(client, vm)
            else:
                lab.clock.advance(60)
                found = lab.azure.vm(resource_id(GROUP, "virtualMachines", "vm"))
                assert _content(client, found) == "system+generalized"
            client.http.close()
        lab.close()


# Cards


def _new(azure: Client, **network: Any) -> dict[str, Any]:
    disk = azure.cloud.add_disk("new_OsDisk", size_gb=64, os_type="Windows")
    card = {
        "name": "new-card",
        "properties": {
            "deleteOption": "Delete",
            "ipConfigurations": [{"name": "one", "properties": {"subnet": {"id": SUBNET}}}],
        },
    }
    profile = {"networkApiVersion": "2022-11-01", "networkInterfaceConfigurations": [card]}
    os_disk = {"createOption": "Attach", "managedDisk": {"id": disk.id}}
    return {
        "location": "westeurope",
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "licenseType": "Windows_Client",
            "securityProfile": {"securityType": "TrustedLaunch"},
            "storageProfile": {"osDisk": os_disk},
            "networkProfile": profile | network,
        },
    }


def test_a_card_is_made_with_a_machine_and_goes_with_it(azure: Client) -> None:
    path = f"{COMPUTE}/virtualMachines/new"
    azure.run("PUT", path, _new(azure))
    shown = azure.get(path)["properties"]
    (card,) = shown["networkProfile"]["networkInterfaces"]
    assert card["properties"] == {"primary": True, "deleteOption": "Delete"}
    assert shown["licenseType"] == "Windows_Client"
    assert shown["securityProfile"] == {"securityType": "TrustedLaunch"}
    (address,) = azure.get(card["id"])["properties"]["ipConfigurations"]
    assert address["properties"]["subnet"] == {"id": SUBNET}
    azure.run("DELETE", path)
    assert azure.refused("GET", card["id"]) == (404, "ResourceNotFound")


def test_a_card_stays_behind_unless_told_otherwise(azure: Client) -> None:
    vm = azure.cloud.add_vm("vm")
    azure.run("DELETE", vm.id)
    assert "virtualMachine" not in azure.get(vm.nic)["properties"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"networkApiVersion": "2019-01-01"},
        {"networkInterfaceConfigurations": [{"name": "card"}]},
        {"networkInterfaces": [{"id": network_id(GROUP, "networkInterfaces/x")}]},
    ],
)
def test_a_card_that_is_not_described_well_is_refused(azure: Client, wrong: Any) -> None:
    body = _new(azure, **wrong)
    refusal = azure.refused("PUT", f"{COMPUTE}/virtualMachines/new", body)
    assert refusal == (400, "InvalidParameter")
    assert not azure.cloud.vms


def test_a_card_in_a_subnet_needs_the_right_to_join_it(azure: Client) -> None:
    body = _new(azure)
    forbid(azure.cloud, SUBNET_JOIN)
    path = f"{COMPUTE}/virtualMachines/new"
    assert azure.refused("PUT", path, body) == (403, "LinkedAuthorizationFailed")
    assert SUBNET_JOIN in azure.why("PUT", path, body)
