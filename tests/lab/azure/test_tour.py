"""Every call that the emulated Azure serves, each held to its schema."""

from __future__ import annotations

import re
from typing import Any

import pytest

from portal.lab.azure.model import CLIENT, GROUP, SECRET, TENANT
from portal.lab.azure.routes import ARM, TOKENS
from portal.lab.routing import Request
from tests.lab.azure.conftest import AT_GROUP, AT_SUBSCRIPTION, COMPUTE, Client
from tests.lab.azure.schemas_check import RULES, Checker, place_of

LOCATION = "westeurope"
OPEN = {"access": "Read", "durationInSeconds": 60}


@pytest.mark.parametrize(("method", "path"), sorted({*ARM.listed, *TOKENS.listed}))
def test_each_call_that_is_served_has_a_rule(method: str, path: str) -> None:
    filled = re.sub(r"\{\w+\}", "x", path)
    assert place_of(Request(method, filled)) is not None


def _copy(source: str, option: str = "Copy", location: str = LOCATION, **more: Any) -> Any:
    creation = {"createOption": option, "sourceResourceId": source}
    return {"location": location, "properties": {"creationData": creation, **more}}


def _sign_in(azure: Client) -> None:
    azure.http.get(f"{azure.base}/{TENANT}/v2.0/.well-known/openid-configuration", timeout=5)
    assert azure.token(SECRET, CLIENT).ok
    for path in ("/tenants", "/subscriptions", AT_SUBSCRIPTION, f"{AT_SUBSCRIPTION}/locations"):
        azure.get(path)


def _make_and_change_disks(azure: Client) -> str:
    """Return the id of the snapshot that is left."""
    empty = {"location": LOCATION, "properties": {"creationData": {"createOption": "Empty"}}}
    empty["properties"]["diskSizeGB"] = 4  # type: ignore[index]
    disk = f"{COMPUTE}/disks/drive"
    azure.run("PUT", disk, empty)
    azure.run("PATCH", disk, {"tags": {"standby": "v1"}})
    azure.run("POST", f"{disk}/beginGetAccess", OPEN)
    azure.run("POST", f"{disk}/endGetAccess")
    snapshot = f"{COMPUTE}/snapshots/one"
    started = azure.ask("PUT", snapshot, _copy(disk, incremental=True))
    assert azure.ask("GET", started.headers["Location"]).status_code == 202
    azure.follow(started)
    assert azure.ask("GET", started.headers["Location"]).status_code == 200
    azure.run("PATCH", snapshot, {"tags": {"standby": "v1"}})
    azure.run("POST", f"{snapshot}/beginGetAccess", OPEN)
    azure.run("POST", f"{snapshot}/endGetAccess")
    far = _copy(snapshot, "CopyStart", "northeurope", incremental=True)
    azure.run("PUT", f"{COMPUTE}/snapshots/far", far)
    azure.run("DELETE", disk)
    for path in (f"{AT_SUBSCRIPTION}/providers/Microsoft.Compute", COMPUTE):
        azure.list(f"{path}/disks")
        assert len(azure.list(f"{path}/snapshots")) == 2
    azure.run("DELETE", f"{COMPUTE}/snapshots/far")
    return snapshot


def _use_machines(azure: Client, snapshot: str) -> None:
    vm = azure.cloud.add_vm("vm", data=[(4, "data")]).id
    data = azure.cloud.add_disk("data").id
    azure.get(vm)
    azure.get(vm, **{"$expand": "instanceView"})
    azure.get(f"{vm}/instanceView")
    for verb in ("restart", "powerOff", "start", "deallocate"):
        azure.run("POST", f"{vm}/{verb}")
    azure.run("PATCH", vm, {"tags": {"standby": "v1"}})
    azure.run("POST", f"{vm}/attachDetachDataDisks", {"dataDisksToAttach": [{"diskId": data}]})
    azure.ask("POST", f"{vm}/generalize").raise_for_status()
    for path in (f"{AT_SUBSCRIPTION}/providers/Microsoft.Compute", COMPUTE):
        azure.list(f"{path}/virtualMachines", statusOnly="true")
        azure.list(f"{path}/virtualMachines")
    azure.run("DELETE", vm)
    disk = f"{COMPUTE}/disks/restored"
    azure.run("PUT", disk, _copy(snapshot, osType="Linux"))
    made = {
        "location": LOCATION,
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "storageProfile": {"osDisk": {"createOption": "Attach", "managedDisk": {"id": disk}}},
        },
    }
    azure.run("PUT", f"{COMPUTE}/virtualMachines/new", made)
    azure.lab.clock.advance(60)
    command = {"commandId": "RunPowerShellScript", "script": ["Get-Date"]}
    azure.run("POST", f"{COMPUTE}/virtualMachines/new/runCommand", command)
    azure.get(disk)
    azure.get(snapshot)


def _look_around(azure: Client) -> None:
    vm = azure.cloud.add_vm("other")
    for scope in (AT_SUBSCRIPTION, AT_GROUP, vm.id):
        azure.get(f"{scope}/providers/Microsoft.Authorization/permissions")
        azure.control("POST", "/locks", {"scope": scope, "name": "keep"})
        azure.get(f"{scope}/providers/Microsoft.Authorization/locks")
        azure.get(f"{scope}/providers/Microsoft.Authorization/locks/keep")
    for scope in (AT_SUBSCRIPTION, AT_GROUP):
        azure.get(f"{scope}/resources")
        azure.get(f"{scope}/providers/Microsoft.Network/networkInterfaces")
        azure.get(f"{scope}/providers/Microsoft.Network/publicIPAddresses")
    azure.get(vm.nic)
    for name in ("Compute", "Network", "Storage"):
        azure.get(f"{AT_SUBSCRIPTION}/providers/Microsoft.{name}")
    azure.get(f"{AT_SUBSCRIPTION}/resourceGroups")
    assert azure.get(AT_GROUP)["name"] == GROUP
    compute = f"{AT_SUBSCRIPTION}/providers/Microsoft.Compute"
    azure.get(f"{compute}/skus")
    azure.get(f"{compute}/locations/{LOCATION}/usages")
    azure.ask("POST", f"{compute}/register").raise_for_status()


@pytest.mark.parametrize("page_size", [0, 1])
def test_a_tour_of_all_calls_finds_every_answer_as_it_should_be(
    azure: Client, check: Checker, page_size: int
) -> None:
    azure.control("POST", "/role", {"actions": ["*"]})
    azure.cloud.dialect.page_size = page_size
    _sign_in(azure)
    _use_machines(azure, _make_and_change_disks(azure))
    _look_around(azure)
    assert {(rule.method, rule.path) for rule in RULES} == check.rules
