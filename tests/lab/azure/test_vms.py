"""Machines: power, the swap of OS disks, data disks, and how they are listed."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.mgmt.compute import ComputeManagementClient

from portal.lab.azure import access
from portal.lab.azure.model import GROUP, Vm
from tests.lab.azure.conftest import AT_SUBSCRIPTION, COMPUTE, Client

VMS = f"{AT_SUBSCRIPTION}/providers/Microsoft.Compute/virtualMachines"


def _power(azure: Client, vm: Vm) -> str:
    statuses = azure.get(f"{vm.id}/instanceView")["statuses"]
    (code,) = (each["code"] for each in statuses if each["code"].startswith("PowerState/"))
    return str(code).removeprefix("PowerState/")


def _swap(name: str, id_: str, option: str = "FromImage") -> dict[str, Any]:
    os_disk = {"createOption": option, "name": name, "managedDisk": {"id": id_}}
    return {"properties": {"storageProfile": {"osDisk": os_disk}}}


@pytest.mark.parametrize(
    ("verb", "before", "meanwhile", "after"),
    [
        ("start", "deallocated", "starting", "running"),
        ("start", "stopped", "starting", "running"),
        ("powerOff", "running", "stopping", "stopped"),
        ("deallocate", "running", "deallocating", "deallocated"),
        ("deallocate", "stopped", "deallocating", "deallocated"),
        ("deallocate", "deallocated", "deallocated", "deallocated"),
    ],
)
def test_power_goes_through_its_states(
    azure: Client, verb: str, before: str, meanwhile: str, after: str
) -> None:
    azure.lab.clock.scale = 0
    vm = azure.cloud.add_vm("vm", power=before)
    started = azure.ask("POST", f"{vm.id}/{verb}")
    assert _power(azure, vm) == meanwhile
    azure.follow(started)
    assert _power(azure, vm) == after


def test_a_guest_takes_its_time_unless_it_is_skipped(azure: Client) -> None:
    azure.lab.clock.scale = 0
    vm = azure.cloud.add_vm("vm", shutdown_seconds=100)
    azure.ask("POST", f"{vm.id}/powerOff")
    azure.lab.clock.advance(100)
    assert vm.power == "stopping"
    azure.lab.clock.advance(5)
    assert vm.power == "stopped"
    azure.run("POST", f"{vm.id}/start")
    azure.ask("POST", f"{vm.id}/powerOff", skipShutdown="true")
    azure.lab.clock.advance(5)
    assert vm.power == "stopped"


def test_disks_show_what_their_machine_does(azure: Client) -> None:
    vm = azure.cloud.add_vm("vm", data=[(4, "data")])
    paths = [each.disk_id for each in vm.attachments]
    assert {azure.get(path)["properties"]["diskState"] for path in paths} == {"Attached"}
    assert {azure.get(path)["managedBy"] for path in paths} == {vm.id}
    azure.run("POST", f"{vm.id}/deallocate")
    assert {azure.get(path)["properties"]["diskState"] for path in paths} == {"Reserved"}


def test_a_list_has_power_only_when_it_is_asked_for(azure: Client) -> None:
    azure.cloud.add_vm("vm", power="deallocated")
    (plain,) = azure.list(VMS)
    assert "instanceView" not in plain["properties"]
    assert plain["properties"]["storageProfile"]["osDisk"]["diskSizeGB"] == 64
    for query in ({"statusOnly": "true"}, {"$expand": "instanceView"}):
        (shown,) = azure.list(VMS, **query)
        codes = [each["code"] for each in shown["properties"]["instanceView"]["statuses"]]
        assert codes == ["ProvisioningState/succeeded", "PowerState/deallocated"]


def test_a_generalized_machine_never_starts_again(azure: Client) -> None:
    access.assign(azure.cloud, AT_SUBSCRIPTION, ["*"])
    vm = azure.cloud.add_vm("vm")
    assert azure.refused("POST", f"{vm.id}/generalize") == (409, "OperationNotAllowed")
    azure.run("POST", f"{vm.id}/deallocate")
    done = azure.ask("POST", f"{vm.id}/generalize")
    assert (done.status_code, done.content) == (200, b"")
    assert "Location" not in done.headers
    assert azure.refused("POST", f"{vm.id}/start") == (409, "OperationNotAllowed")
    codes = [each["code"] for each in azure.get(f"{vm.id}/instanceView")["statuses"]]
    assert "OSState/generalized" in codes


def test_a_swap_puts_the_new_disk_in_and_keeps_the_old_one(azure: Client) -> None:
    vm = azure.cloud.add_vm("vm", power="deallocated", content="old")
    old = vm.os_disk.disk_id
    new = azure.cloud.add_disk("new", size_gb=64, os_type="Windows", content="new")
    answer = azure.ask("PATCH", vm.id, _swap("new", new.id))
    assert answer.status_code == 200
    assert answer.json()["properties"]["provisioningState"] == "Updating"
    azure.follow(answer)
    shown = azure.get(vm.id)["properties"]["storageProfile"]["osDisk"]
    assert (shown["name"], shown["managedDisk"]["id"]) == ("new", new.id)
    assert (shown["createOption"], shown["osType"]) == ("FromImage", "Windows")
    assert azure.get(new.id)["managedBy"] == vm.id
    left = azure.get(old)
    assert left["properties"]["diskState"] == "Unattached"
    assert "managedBy" not in left
    assert azure.cloud.disks[old.lower()].content == "old"


def _not_deallocated(azure: Client, vm: Vm) -> None:
    vm.power = "running"


def _attached_elsewhere(azure: Client, vm: Vm) -> None:
    azure.cloud.disk(f"{COMPUTE}/disks/new").managed_by = azure.cloud.add_vm("other").id


def _open(azure: Client, vm: Vm) -> None:
    azure.cloud.disk(f"{COMPUTE}/disks/new").has_access = True


def _bigger(azure: Client, vm: Vm) -> None:
    azure.cloud.disk(f"{COMPUTE}/disks/new").size_gb = 128


def _other_generation(azure: Client, vm: Vm) -> None:
    azure.cloud.disk(f"{COMPUTE}/disks/new").generation = "V1"


def _other_system(azure: Client, vm: Vm) -> None:
    azure.cloud.disk(f"{COMPUTE}/disks/new").os_type = "Linux"


def _other_zone(azure: Client, vm: Vm) -> None:
    azure.cloud.disk(f"{COMPUTE}/disks/new").zones = ["2"]


def _other_region(azure: Client, vm: Vm) -> None:
    azure.cloud.disk(f"{COMPUTE}/disks/new").location = "northeurope"


@pytest.mark.parametrize(
    ("spoil", "status", "code"),
    [
        (_not_deallocated, 409, "OperationNotAllowed"),
        (_attached_elsewhere, 409, "AttachDiskWhileBeingDetached"),
        (_open, 409, "OperationNotAllowed"),
        (_bigger, 400, "InvalidParameter"),
        (_other_generation, 400, "InvalidParameter"),
        (_other_system, 400, "InvalidParameter"),
        (_other_zone, 400, "InvalidParameter"),
        (_other_region, 400, "InvalidParameter"),
    ],
)
def test_a_disk_that_does_not_fit_is_not_swapped_in(
    azure: Client, spoil: Any, status: int, code: str
) -> None:
    vm = azure.cloud.add_vm("vm", power="deallocated")
    new = azure.cloud.add_disk("new", size_gb=64, os_type="Windows")
    spoil(azure, vm)
    assert azure.refused("PATCH", vm.id, _swap("new", new.id)) == (status, code)
    assert vm.os_disk.name == "vm_OsDisk"


@pytest.mark.parametrize(
    ("name", "option", "target"),
    [("vm_OsDisk", "FromImage", "osDisk.name"), ("new", "Attach", "osDisk.createOption")],
)
def test_a_swap_names_the_disk_and_keeps_the_option(
    azure: Client, name: str, option: str, target: str
) -> None:
    vm = azure.cloud.add_vm("vm", power="deallocated")
    new = azure.cloud.add_disk("new", size_gb=64, os_type="Windows")
    answer = azure.ask("PATCH", vm.id, _swap(name, new.id, option))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (409, "PropertyChangeNotAllowed")
    assert error["target"] == target


def test_a_swap_by_a_whole_put_is_good_too(azure: Client) -> None:
    vm = azure.cloud.add_vm("vm", power="deallocated", tags={"a": "b"})
    new = azure.cloud.add_disk("new", size_gb=64, os_type="Windows")
    shown = azure.get(vm.id)
    storage = shown["properties"]["storageProfile"]
    storage["osDisk"] |= {"name": "new", "managedDisk": {"id": new.id}}
    body = {key: shown[key] for key in ("location", "tags")}
    kept = ("hardwareProfile", "storageProfile", "networkProfile")
    body["properties"] = {key: shown["properties"][key] for key in kept}
    answer = azure.ask("PUT", vm.id, body)
    assert answer.status_code == 200
    azure.follow(answer)
    assert (vm.os_disk.name, vm.tags) == ("new", {"a": "b"})


def test_data_disks_are_attached_and_detached(azure: Client) -> None:
    vm = azure.cloud.add_vm("vm", data=[(4, "first")])
    second = azure.cloud.add_disk("second", content="second")
    path = f"{vm.id}/attachDetachDataDisks"
    started = azure.ask("POST", path, {"dataDisksToAttach": [{"diskId": second.id}]})
    azure.follow(started)
    profile = azure.get(started.headers["Location"])
    assert [(each["name"], each["lun"]) for each in profile["dataDisks"]] == [
        ("vm_data_0", 0), ("second", 1),
    ]  # fmt: skip
    assert azure.get(second.id)["managedBy"] == vm.id
    azure.run("POST", path, {"dataDisksToDetach": [{"diskId": second.id}]})
    assert "managedBy" not in azure.get(second.id)
    taken = {"dataDisksToAttach": [{"diskId": second.id, "lun": 0}]}
    assert azure.refused("POST", path, taken) == (400, "InvalidParameter")


def test_a_patch_replaces_the_whole_list_of_data_disks(azure: Client) -> None:
    vm = azure.cloud.add_vm("vm", data=[(4, "first")])
    first, second = vm.data_disks[0].disk_id, azure.cloud.add_disk("second").id
    wanted = [{"lun": 3, "createOption": "Attach", "managedDisk": {"id": second}}]
    azure.run("PATCH", vm.id, {"properties": {"storageProfile": {"dataDisks": wanted}}})
    assert [(each.name, each.lun) for each in vm.data_disks] == [("second", 3)]
    assert azure.get(first)["properties"]["diskState"] == "Unattached"


def test_a_deleted_machine_leaves_its_disks_unless_told_otherwise(azure: Client) -> None:
    access.assign(azure.cloud, AT_SUBSCRIPTION, ["*"])
    vm = azure.cloud.add_vm("vm", data=[(4, "data")])
    os_disk, (data,) = vm.os_disk.disk_id, [each.disk_id for each in vm.data_disks]
    vm.data_disks[0].delete_option = "Delete"
    azure.run("DELETE", vm.id)
    assert azure.ask("DELETE", vm.id).status_code == 204
    assert azure.get(os_disk)["properties"]["diskState"] == "Unattached"
    assert azure.refused("GET", data) == (404, "ResourceNotFound")


def test_the_sdk_turns_power_and_reads_it_in_one_call(
    azure: Client, sdk: ComputeManagementClient
) -> None:
    azure.lab.clock.scale = 50
    azure.cloud.add_vm("one")
    azure.cloud.add_vm("two", power="deallocated")
    sdk.virtual_machines.begin_deallocate(GROUP, "one").result(30)
    sdk.virtual_machines.begin_start(GROUP, "two").result(30)
    found = {}
    for vm in sdk.virtual_machines.list_all(status_only="true"):
        view = vm["properties"]["instanceView"]
        found[vm.name] = view["statuses"][-1]["code"]
    assert found == {"one": "PowerState/deallocated", "two": "PowerState/running"}


def test_the_sdk_restores_by_a_swap(azure: Client, sdk: ComputeManagementClient) -> None:
    """Snapshot, change, disk from the snapshot, swap: the content of then is back."""
    azure.lab.clock.scale = 50
    vm = azure.cloud.add_vm("vm", content="then")
    drive = azure.cloud.disk(vm.os_disk.disk_id)
    sdk.virtual_machines.begin_deallocate(GROUP, "vm").result(30)
    creation = {"createOption": "Copy", "sourceResourceId": drive.id}
    body: Any = {
        "location": "westeurope",
        "properties": {"creationData": creation, "incremental": True},
    }
    snapshot = sdk.snapshots.begin_create_or_update(GROUP, "one", body).result(30)
    drive.content = "changed"
    creation = {"createOption": "Copy", "sourceResourceId": str(snapshot.id)}
    body = {"location": "westeurope", "properties": {"creationData": creation}}
    new = sdk.disks.begin_create_or_update(GROUP, "new", body).result(30)
    patch: Any = _swap("new", str(new.id))
    sdk.virtual_machines.begin_update(GROUP, "vm", patch).result(30)
    sdk.virtual_machines.begin_start(GROUP, "vm").result(30)
    assert azure.cloud.disk(vm.os_disk.disk_id).content == "then"
    assert drive.content == "changed"
    with pytest.raises(ResourceExistsError):
        sdk.disks.begin_delete(GROUP, "new", polling=False)
    sdk.disks.begin_delete(GROUP, drive.name).result(30)
