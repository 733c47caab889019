"""The control API, and what outlives a restart of the lab."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from portal.lab import Lab, LabServer
from portal.lab.azure.control import CONTROL
from portal.lab.azure.routes import ARM, TOKENS
from tests.lab.azure.conftest import COMPUTE, Client

ROOT = Path(__file__).parents[3]
README = ROOT / "portal/lab/README.md"
SCOPES: dict[str, tuple[str, ...]] = {
    "S": ("/subscriptions/{subscription}",),
    "G": ("/subscriptions/{subscription}/resourcegroups/{group}",),
    "C": ("/subscriptions/{subscription}/resourcegroups/{group}/providers/microsoft.compute",),
}
KINDS = ("virtualMachines", "disks", "snapshots")
SCOPES["{resource}"] = tuple(f"{SCOPES['C'][0]}/{kind.lower()}/{{name}}" for kind in KINDS)
SCOPES["{S,G}"] = SCOPES["S"] + SCOPES["G"]
SCOPES["{S,G,resource}"] = SCOPES["{S,G}"] + SCOPES["{resource}"]


# The control API


def _control(azure: Client, method: str, path: str, body: Any = None) -> int:
    answer = azure.http.request(method, f"{azure.base}/.lab{path}", json=body, timeout=5)
    return answer.status_code


def test_machines_and_disks_come_at_once(azure: Client) -> None:
    made = azure.control("POST", "/vms", {"name": "vm", "size_gb": 32, "power": "deallocated"})
    assert azure.get(made["id"])["name"] == "vm"
    drive = {"name": "drive", "location": "northeurope", "tags": {"frame-kind": "personal-drive"}}
    azure.control("POST", "/disks", drive)
    azure.control("POST", "/disks", {"name": "data", "attached_to": made["id"]})
    shown = azure.control("GET", "/")
    assert [vm["power"] for vm in shown["vms"]] == ["deallocated"]
    assert {disk["name"]: disk["state"] for disk in shown["disks"]} == {
        "vm_OsDisk": "Reserved", "drive": "Unattached", "data": "Reserved",
    }  # fmt: skip
    assert len(azure.control("GET", "/vms/VM")["disks"]) == 2


def test_content_is_read_and_written(azure: Client) -> None:
    azure.cloud.add_vm("vm", content="then")
    drive = azure.cloud.add_disk("drive", content="bytes")
    assert azure.control("GET", "/vms/vm/content") == {"content": "then"}
    azure.control("POST", "/vms/vm/content", {"content": "now"})
    assert azure.control("GET", "/disks/vm_OsDisk/content") == {"content": "now"}
    azure.control("POST", "/disks/drive/content", {"content": ""})
    assert drive.content == ""


def test_things_of_one_name_are_told_apart_by_their_group(azure: Client) -> None:
    azure.cloud.add_disk("drive", content="here")
    azure.cloud.add_disk("drive", content="there", group="rg-other")
    found = azure.control("GET", "/disks/drive/content?group=RG-other")
    assert found == {"content": "there"}


def test_things_go_behind_everybodys_back(azure: Client) -> None:
    vm = azure.cloud.add_vm("vm")
    azure.control("DELETE", "/vms/vm")
    assert azure.refused("GET", vm.id) == (404, "ResourceNotFound")
    assert azure.get(vm.os_disk.disk_id)["properties"]["diskState"] == "Unattached"
    azure.control("DELETE", "/disks/vm_OsDisk")
    assert azure.cloud.disks == {}


def test_a_guest_is_as_slow_as_it_is_told(azure: Client) -> None:
    vm = azure.cloud.add_vm("vm")
    azure.control("POST", "/vms/vm/guest", {"shutdown_seconds": 3})
    assert vm.shutdown_seconds == 3


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/vms", {"name": "vm"}, 409),
        ("POST", "/vms", {}, 400),
        ("POST", "/vms", {"name": "new", "colour": "red"}, 400),
        ("POST", "/vms", {"name": "new", "location": "atlantis"}, 400),
        ("POST", "/disks", {"name": "new", "attached_to": "nobody"}, 404),
        ("GET", "/vms/nobody", None, 404),
        ("GET", "/vms/vm?group=rg-other", None, 404),
        ("POST", "/vms/vm/content", {}, 400),
        ("POST", "/vms/vm/guest", {"shutdown_seconds": None}, 400),
        ("POST", "/link", {}, 400),
        ("POST", "/dialect", {"page_size": "two"}, 400),
        ("POST", "/timing", {"patience": 2}, 400),
        ("PUT", "/vms", {}, 405),
        ("GET", "/toasters", None, 404),
    ],
)
def test_control_refuses_what_makes_no_sense(
    azure: Client, method: str, path: str, body: Any, status: int
) -> None:
    azure.cloud.add_vm("vm")
    assert _control(azure, method, path, body) == status


def test_manners_and_times_can_be_set(azure: Client) -> None:
    shown = azure.control("POST", "/dialect", {"page_size": 2, "signed_urls": True})
    assert (shown["page_size"], shown["signed_urls"], shown["upper_groups"]) == (2, True, False)
    assert azure.control("POST", "/timing", {"start_seconds": 1.5})["start_seconds"] == 1.5


# The README


def _written(section: str, marker: str) -> set[tuple[str, str]]:
    """The calls of a section's table; a call may name several methods."""
    text = README.read_text().partition(f"{section}\n")[2].partition("\n##")[0]
    found = set()
    for line in text.splitlines():
        if line.startswith(f"| `{marker}"):
            for call in line.split("|")[1].split("`")[1::2]:
                methods, _, path = call.rpartition(" ")
                found |= {(method.strip(), path) for method in methods.split(",")}
    return found


def test_every_call_of_the_readme_exists() -> None:
    written = set()
    for method, path in _written("### Azure", ""):
        scope, _, rest = path.partition("/")
        for base in SCOPES.get(scope, ("",)):
            full = f"{base}/{rest}" if rest else base
            parts = full.split("/")
            folded = (part if part.startswith("{") else part.lower() for part in parts)
            written.add((method, "/".join(folded)))
    assert written == {*ARM.listed, *TOKENS.listed}


def test_every_control_of_the_readme_exists() -> None:
    common = ("/clock", "/faults", "/calls")
    listed = {(method, path) for method, path in CONTROL.listed if path not in common}
    written = {
        (method, path.removeprefix("/.lab"))
        for method, path in _written("### Control of Azure", "")
    }
    assert written == listed


# Restarts


@contextmanager
def _run(directory: Path, state: Path) -> Iterator[Client]:
    lab = Lab.empty(state_file=state)
    # A restart counts what has passed meanwhile as lab time; nothing else does here.
    lab.clock.scale = 0
    with LabServer(lab, directory=directory) as server:
        client = Client(server)
        client.sign_in()
        with client.http:
            yield client
    lab.close()


def test_a_lab_goes_on_where_it_was(lab_directory: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite3"
    far = {"createOption": "CopyStart", "sourceResourceId": f"{COMPUTE}/snapshots/one"}
    with _run(lab_directory, state) as azure:
        vm = azure.cloud.add_vm("vm", content="then", size_gb=1000, data=[(4, "data")])
        creation = {"createOption": "Copy", "sourceResourceId": vm.os_disk.disk_id}
        body: Any = {"location": "westeurope", "properties": {"creationData": creation}}
        body["properties"]["incremental"] = True
        azure.run("PUT", f"{COMPUTE}/snapshots/one", body)
        body = {"location": "northeurope", "properties": {"creationData": far}}
        body["properties"]["incremental"] = True
        azure.run("PUT", f"{COMPUTE}/snapshots/far", body)
        azure.control("POST", "/dialect", {"page_size": 1})
        azure.control("POST", "/link", {"up": False})
        started = azure.ask("POST", f"{vm.id}/deallocate")
        url = started.headers["Azure-AsyncOperation"].removeprefix(azure.base)
        shown = azure.control("GET", "/")
    with _run(lab_directory, state) as azure:
        again = azure.control("GET", "/")
        for key in ("vms", "disks", "cut_links", "dialect", "active_operations"):
            assert again[key] == shown[key]
        assert azure.get(f"{azure.base}{url}")["status"] == "InProgress"
        azure.lab.clock.advance(60)
        assert azure.get(f"{azure.base}{url}")["status"] == "Succeeded"
        assert azure.get(f"{vm.id}/instanceView")["statuses"][-1]["code"].endswith("deallocated")
        before = azure.get(f"{COMPUTE}/snapshots/far")["properties"]["completionPercent"]
        assert before < 5
        azure.control("POST", "/link", {"up": True})
        azure.lab.clock.advance(1000)
        assert azure.cloud.snapshot(f"{COMPUTE}/snapshots/far").content == "then"


def test_the_demo_has_a_subscription(lab_directory: Path) -> None:
    lab = Lab.demo()
    lab.azure.dialect.page_size = 3
    with LabServer(lab, directory=lab_directory) as server:
        client = Client(server)
        client.sign_in()
        with client.http:
            vms = client.list(f"{COMPUTE}/virtualMachines", **{"$expand": "instanceView"})
            disks = client.list(f"{COMPUTE}/disks")
            snapshots = client.list(f"{COMPUTE}/snapshots")
    power = {
        vm["name"]: vm["properties"]["instanceView"]["statuses"][-1]["displayStatus"] for vm in vms
    }
    assert power["research-vdi-sandbox"] == power["util-matlab-01"] == "VM running"
    assert power["util-license-02"] == "VM deallocated"
    sizes = {vm["name"]: vm["properties"]["hardwareProfile"]["vmSize"] for vm in vms}
    assert sizes["research-vdi-sandbox"] == "Standard_D4s_v5"
    kinds = [each.get("tags", {}).get("frame-kind", "") for each in [*vms, *disks]]
    for kind, number in (
        ("production", 2), ("persistent-desktop", 3), ("enterprise-profile", 4),
        ("personal-drive", 3),
    ):  # fmt: skip
        assert kinds.count(kind) == number
    assert {each["location"] for each in [*vms, *disks]} == {"westeurope"}
    assert snapshots == []


def test_the_help_speaks_of_azure() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "portal.lab", "--help"], cwd=ROOT, capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip
    assert "Azure" in said
    assert "19443" in said
