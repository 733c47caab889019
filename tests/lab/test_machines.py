"""Virtual machines: list, create, change, power, disks, clones, snapshots, delete."""

from __future__ import annotations

from typing import Any

import pytest

from portal.lab.prism.model import Vm
from tests.lab.conftest import GIB, Client

WITH_DISKS = {"include_vm_disk_config": "true"}
GIVEN = "0b7c1f6d-1e5f-5c6a-9377-c54b0e9a862d"


@pytest.fixture
def vm(lon: Client) -> Vm:
    """A machine with two disks that is off."""
    return lon.cluster.add_vm(
        "pacs", power="off", disks=[(10 * GIB, "system"), (20 * GIB, "data")], description="Ours."
    )


def power(client: Client, vm: Vm, transition: str) -> Any:
    path = f"/vms/{vm.uuid}/set_power_state"
    return client.send("POST", path, {"transition": transition})


def clone(client: Client, vm: Vm, **spec: Any) -> Any:
    return client.send("POST", f"/vms/{vm.uuid}/clone", {"spec_list": [{"name": "copy", **spec}]})


def contents(client: Client, uuid: str) -> list[str]:
    return [disk.content for disk in client.cluster.vms[uuid].disks]


def place(index: int, **more: Any) -> dict[str, Any]:
    return {"disk_address": {"device_bus": "SCSI", "device_index": index, **more}}


# Looking


def test_disks_and_nics_are_shown_only_when_asked_for(lon: Client, vm: Vm) -> None:
    shown = lon.get(f"/vms/{vm.uuid}")
    assert "vm_disk_info" not in shown
    assert "vm_nics" not in shown
    assert (shown["power_state"], shown["host_uuid"]) == ("off", None)
    flags = {"include_vm_disk_config": "True", "include_vm_nic_config": "1"}
    shown = lon.get(f"/vms/{vm.uuid}", **flags)
    cdrom, *disks = shown["vm_disk_info"]
    assert (cdrom["is_cdrom"], cdrom["is_empty"]) == (True, True)
    assert [disk["size"] for disk in disks] == [10 * GIB, 20 * GIB]
    assert disks[1]["disk_address"]["disk_label"] == "scsi.1"
    assert shown["vm_nics"][0]["network_name"] == "vlan-110"


def test_an_attached_volume_group_is_an_entry_without_a_disk(lon: Client, vm: Vm) -> None:
    group = lon.cluster.add_volume_group("data", attached_to=vm.uuid)
    entry = lon.get(f"/vms/{vm.uuid}", **WITH_DISKS)["vm_disk_info"][-1]
    assert entry["disk_address"]["volume_group_uuid"] == group.uuid
    assert "size" not in entry


def test_lists_are_filtered_sorted_and_paged(lon: Client) -> None:
    for name in ("b", "a", "c", "a"):
        lon.cluster.add_vm(name)
    assert len(lon.list("/vms/", filter="vm_name==a")) == 2
    assert len(lon.list("/vms", filter="vm_name==a,vm_name==c")) == 3
    assert lon.list("/vms", filter="vm_name==a;power_state==off") == []
    ordered = {"sort_attribute": "name", "sort_order": "DESCENDING"}
    answer = lon.get("/vms", offset=1, length=2147483647, **ordered)
    assert [each["name"] for each in answer["entities"]] == ["b", "a", "a"]
    assert answer["metadata"]["total_entities"] == 4
    assert answer["metadata"]["start_index"] == 2
    assert lon.ask("GET", "/vms", filter="nonsense").status_code == 400


def test_an_unknown_machine_is_404_in_every_call(lon: Client) -> None:
    for method, path, body in (
        ("GET", "/vms/none", None),
        ("PUT", "/vms/none", {"name": "x"}),
        ("DELETE", "/vms/none", None),
        ("POST", "/vms/none/clone", {"spec_list": [{"name": "x"}]}),
        ("POST", "/vms/none/set_power_state", {"transition": "ON"}),
        ("POST", "/vms/none/disks/attach", {"vm_disks": [{}]}),
        ("POST", "/snapshots", {"snapshot_specs": [{"vm_uuid": "none"}]}),
    ):
        assert lon.ask(method, path, body).status_code == 404, path


# Create, change, delete


def test_a_machine_is_created_by_a_task(lon: Client) -> None:
    network = next(iter(lon.cluster.networks))
    body = {
        "name": "new", "num_vcpus": 2, "memory_mb": 2048, "sockets": 1, "uuid": GIVEN,
        "vm_disks": [{"is_cdrom": True}, {"vm_disk_create": {"size": GIB}}],
        "vm_nics": [{"network_uuid": network}],
    }  # fmt: skip
    task = lon.run("POST", "/vms", body)
    assert task["entity_list"][0]["entity_id"] == GIVEN
    shown = lon.get(f"/vms/{GIVEN}", **WITH_DISKS)
    assert (shown["power_state"], shown["num_vcpus"]) == ("off", 2)
    assert [disk["is_cdrom"] for disk in shown["vm_disk_info"]] == [True, False]
    assert lon.ask("POST", "/vms", body).status_code == 422
    assert lon.ask("POST", "/vms", {"name": "new"}).status_code == 400


def test_put_leaves_what_is_not_named(lon: Client, vm: Vm) -> None:
    lon.run("PUT", f"/vms/{vm.uuid}", {"description": "Theirs.", "name": None})
    assert (vm.name, vm.description, vm.vcpus) == ("pacs", "Theirs.", 2)


def test_less_memory_needs_the_power_off(lon: Client, vm: Vm) -> None:
    vm.power_state = "on"
    assert lon.ask("PUT", f"/vms/{vm.uuid}", {"memory_mb": 1024}).status_code == 422
    lon.run("PUT", f"/vms/{vm.uuid}", {"memory_mb": 8192})
    assert vm.memory_mb == 8192


def test_a_stale_timestamp_is_refused(lon: Client, vm: Vm) -> None:
    stale = {"description": "x", "vm_logical_timestamp": 7}
    assert lon.ask("PUT", f"/vms/{vm.uuid}", stale).status_code == 422
    lon.run("PUT", f"/vms/{vm.uuid}", stale | {"vm_logical_timestamp": vm.logical_timestamp})


def test_delete_forces_the_power_off(lon: Client, vm: Vm) -> None:
    vm.power_state = "on"
    group = lon.cluster.add_volume_group("data", attached_to=vm.uuid)
    lon.run("DELETE", f"/vms/{vm.uuid}", delete_snapshots="False")
    assert lon.list("/vms") == []
    assert group.vms == {}


# Power


def test_a_guest_goes_off_in_its_own_time(lon: Client, vm: Vm) -> None:
    vm.power_state, vm.guest_shutdown_seconds = "on", 30
    begun = power(lon, vm, "acpi_shutdown")["task_uuid"]
    assert lon.get(f"/tasks/{begun}")["progress_status"] == "Succeeded"
    lon.lab.clock.advance(20)
    power(lon, vm, "ACPI_SHUTDOWN")
    assert lon.get(f"/vms/{vm.uuid}")["power_state"] == "on"
    lon.lab.clock.advance(11)
    assert vm.power_state == "off"


def test_a_guest_may_never_go_off(lon: Client, vm: Vm) -> None:
    vm.power_state = "on"
    lon.control("POST", f"/vms/{vm.uuid}/guest", {"shutdown_seconds": None})
    power(lon, vm, "ACPI_SHUTDOWN")
    lon.lab.clock.advance(86400)
    assert vm.power_state == "on"
    lon.wait(power(lon, vm, "OFF")["task_uuid"])
    assert vm.power_state == "off"


def test_power_that_comes_back_is_not_taken_by_an_old_shutdown(lon: Client, vm: Vm) -> None:
    vm.power_state = "on"
    power(lon, vm, "ACPI_SHUTDOWN")
    lon.wait(power(lon, vm, "OFF")["task_uuid"])
    lon.wait(power(lon, vm, "ON")["task_uuid"])
    lon.lab.clock.advance(60)
    assert vm.power_state == "on"
    assert vm.host_uuid in lon.cluster.hosts


@pytest.mark.parametrize("refuses_at_once", [True, False])
def test_an_illegal_transition_fails(lon: Client, vm: Vm, refuses_at_once: bool) -> None:
    lon.cluster.dialect.refuses_at_once = refuses_at_once
    answer = lon.ask("POST", f"/vms/{vm.uuid}/set_power_state", {"transition": "OFF"})
    if refuses_at_once:
        assert answer.status_code == 422
        return
    task = lon.wait(answer.json()["task_uuid"])
    assert task["progress_status"] == "Failed"
    assert "InvalidVmState" in task["meta_response"]["error_detail"]


def test_operations_on_one_machine_queue(lon: Client, vm: Vm) -> None:
    first = power(lon, vm, "ON")["task_uuid"]
    second = power(lon, vm, "OFF")["task_uuid"]
    other = lon.cluster.add_vm("other", power="off")
    third = power(lon, other, "ON")["task_uuid"]
    states = [lon.get(f"/tasks/{uuid}")["progress_status"] for uuid in (first, second, third)]
    assert states == ["Running", "Queued", "Running"]
    assert lon.wait(second)["progress_status"] == "Succeeded"
    assert vm.power_state == "off"


# Disks


def test_a_detached_disk_is_gone_and_a_clone_takes_its_place(lon: Client, vm: Vm) -> None:
    other = lon.cluster.add_vm("other", content="restored")
    lon.run("POST", f"/vms/{vm.uuid}/disks/detach", {"vm_disks": [place(1)]})
    source = other.disks[0].uuid
    spec = place(1) | {"vm_disk_clone": {"disk_address": {"vmdisk_uuid": source}}}
    lon.run("POST", f"/vms/{vm.uuid}/disks/attach", {"vm_disks": [spec]})
    assert contents(lon, vm.uuid) == ["system", "restored"]
    disk = lon.get(f"/vms/{vm.uuid}", **WITH_DISKS)["vm_disk_info"][2]
    assert disk["source_disk_address"]["vmdisk_uuid"] == source
    assert disk["disk_address"]["vmdisk_uuid"] != source


def test_disks_can_be_created_grown_and_named_by_path(lon: Client, vm: Vm) -> None:
    lon.run(
        "POST", f"/vms/{vm.uuid}/disks/attach",
        {"vm_disks": [{"vm_disk_create": {"size": GIB}}]},
    )  # fmt: skip
    assert [disk.address for disk in vm.disks] == ["scsi.0", "scsi.1", "scsi.2"]
    grown = place(2) | {"vm_disk_create": {"size": 2 * GIB}}
    lon.run("PUT", f"/vms/{vm.uuid}/disks/update", {"vm_disks": [grown]})
    assert vm.disks[2].size_bytes == 2 * GIB
    path = f"/SelfServiceContainer/.acropolis/vmdisk/{vm.disks[0].uuid}"
    spec = {"vm_disk_clone": {"disk_address": {"ndfs_filepath": path}}}
    lon.run("POST", f"/vms/{vm.uuid}/disks/attach", {"vm_disks": [spec]})
    assert contents(lon, vm.uuid)[3] == "system"


@pytest.mark.parametrize("refuses_at_once", [True, False])
def test_disk_changes_that_make_no_sense_fail(lon: Client, vm: Vm, refuses_at_once: bool) -> None:
    lon.cluster.dialect.refuses_at_once = refuses_at_once
    source = {"disk_address": {"vmdisk_uuid": vm.disks[0].uuid}}
    before = contents(lon, vm.uuid)

    def fails(action: str, spec: dict[str, Any]) -> None:
        answer = lon.ask("POST", f"/vms/{vm.uuid}/disks/{action}", {"vm_disks": [spec]})
        if answer.status_code == 201:
            assert not refuses_at_once
            assert lon.wait(answer.json()["task_uuid"])["progress_status"] == "Failed"
        else:
            assert answer.status_code in {400, 404, 422}
        assert contents(lon, vm.uuid) == before

    fails("attach", place(0) | {"vm_disk_clone": source})
    fails("attach", place(5) | {"vm_disk_clone": {"disk_address": {"vmdisk_uuid": "gone"}}})
    fails("attach", place(5))
    fails("detach", place(7))
    fails("detach", place(0, vmdisk_uuid=vm.disks[1].uuid))
    vm.power_state = "on"
    fails("detach", place(0))
    fails("attach", place(5) | {"vm_disk_clone": source})


# Clones


def test_a_clone_holds_what_its_source_held(lon: Client, vm: Vm) -> None:
    begun = clone(lon, vm, uuid=GIVEN)
    running = lon.send("POST", "/tasks/list", {"include_completed": False})["entities"]
    assert GIVEN in [entity["entity_id"] for entity in running[0]["entity_list"]]
    assert lon.ask("GET", f"/vms/{GIVEN}").status_code == 404
    vm.disks[0].content = "changed since"
    lon.wait(begun["task_uuid"])
    made = lon.cluster.vms[GIVEN]
    assert contents(lon, GIVEN) == ["system", "data"]
    assert [(disk.address, disk.size_bytes) for disk in made.disks] == [
        (disk.address, disk.size_bytes) for disk in vm.disks
    ]
    assert [disk.source for disk in made.disks] == [disk.uuid for disk in vm.disks]
    assert not {disk.uuid for disk in made.disks} & {disk.uuid for disk in vm.disks}
    assert (made.power_state, made.description) == ("off", "Ours.")
    assert made.nics[0].mac != vm.nics[0].mac


def test_a_uuid_is_given_once(lon: Client, vm: Vm) -> None:
    clone(lon, vm, uuid=GIVEN)
    path, body = f"/vms/{vm.uuid}/clone", {"spec_list": [{"name": "again", "uuid": GIVEN}]}
    assert lon.ask("POST", path, body).status_code == 422
    lon.lab.clock.advance(10)
    assert lon.ask("POST", path, body).status_code == 422
    assert len(lon.cluster.vms) == 2


def test_a_cluster_may_give_clones_uuids_of_its_own(lon: Client, vm: Vm) -> None:
    lon.cluster.dialect.honours_clone_uuid = False
    begun = clone(lon, vm, uuid=GIVEN)["task_uuid"]
    task = lon.get(f"/tasks/{begun}")
    assert [each["entity_id"] for each in task["entity_list"]] == [vm.uuid]
    (made, source) = lon.wait(begun)["entity_list"]
    assert source["entity_id"] == vm.uuid
    assert made["entity_id"] != GIVEN
    assert lon.get(f"/vms/{made['entity_id']}")["name"] == "copy"


def test_a_clone_of_nothing_and_a_clone_without_a_name_are_refused(lon: Client, vm: Vm) -> None:
    assert lon.ask("POST", f"/vms/{vm.uuid}/clone", {"spec_list": [{}]}).status_code == 400
    assert lon.ask("POST", f"/vms/{vm.uuid}/clone", {}).status_code == 400
    assert lon.ask("POST", f"/vms/{vm.uuid}/clone", [1]).status_code == 400


def test_a_clone_queued_behind_a_delete_fails(lon: Client, vm: Vm) -> None:
    lon.send("DELETE", f"/vms/{vm.uuid}")
    task = lon.wait(clone(lon, vm)["task_uuid"])
    assert task["progress_status"] == "Failed"
    assert lon.list("/vms") == []


# VM snapshots


def test_a_snapshot_restores_in_place_and_leaves_the_power_off(lon: Client, vm: Vm) -> None:
    vm.power_state = "on"
    spec = {"vm_uuid": vm.uuid, "snapshot_name": "before"}
    task = lon.run("POST", "/snapshots", {"snapshot_specs": [spec]})
    (taken,) = lon.list("/snapshots", vm_uuid=vm.uuid)
    assert taken["uuid"] == task["entity_list"][0]["entity_id"]
    assert taken["snapshot_name"] == "before"
    vm.disks[0].content = "changed"
    lon.run("POST", f"/vms/{vm.uuid}/restore", {"snapshot_uuid": taken["uuid"]})
    assert contents(lon, vm.uuid) == ["system", "data"]
    assert vm.power_state == "off"


def test_a_snapshot_is_cloned_when_its_machine_is_gone(lon: Client, vm: Vm) -> None:
    lon.run("POST", "/snapshots", {"snapshot_specs": [{"vm_uuid": vm.uuid}]})
    lon.run("DELETE", f"/vms/{vm.uuid}")
    (taken,) = lon.list("/snapshots")
    lon.run("POST", f"/snapshots/{taken['uuid']}/clone", {"spec_list": [{"name": "back"}]})
    (back,) = lon.cluster.vms
    assert contents(lon, back) == ["system", "data"]
    lon.run("DELETE", f"/snapshots/{taken['uuid']}")
    assert lon.ask("GET", f"/snapshots/{taken['uuid']}").status_code == 404
    assert lon.ask("DELETE", f"/snapshots/{taken['uuid']}").status_code == 404


def test_snapshots_go_with_their_machine_if_asked(lon: Client, vm: Vm) -> None:
    lon.run("POST", "/snapshots", {"snapshot_specs": [{"vm_uuid": vm.uuid}]})
    lon.run("DELETE", f"/vms/{vm.uuid}", delete_snapshots="true")
    assert lon.list("/snapshots") == []


# NICs


def test_nics_come_and_go(lon: Client, vm: Vm) -> None:
    network = list(lon.cluster.networks)[1]
    lon.run("POST", f"/vms/{vm.uuid}/nics", {"spec_list": [{"network_uuid": network}]})
    macs = [each["mac_address"] for each in lon.list(f"/vms/{vm.uuid}/nics")]
    assert len(set(macs)) == 2
    lon.run("DELETE", f"/vms/{vm.uuid}/nics/{macs[0]}")
    assert [card.mac for card in vm.nics] == macs[1:]
