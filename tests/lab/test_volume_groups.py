"""Volume groups: create, clone, attach, detach, disks, delete."""

from __future__ import annotations

import pytest

from portal.lab.prism.model import VolumeGroup
from tests.lab.conftest import GIB, Client

GIVEN = "0b7c1f6d-1e5f-5c6a-9377-c54b0e9a862d"


@pytest.fixture
def group(lon: Client) -> VolumeGroup:
    return lon.cluster.add_volume_group("EP-someone", size_bytes=30 * GIB, content="profile")


def test_a_group_is_created_with_disks(lon: Client) -> None:
    disks = [{"create_config": {"size": GIB}}, {"create_spec": {"size_mb": 2048}}]
    task = lon.run("POST", "/volume_groups", {"name": "new", "disk_list": disks})
    (shown,) = lon.list("/volume_groups")
    assert shown["uuid"] == task["entity_list"][0]["entity_id"]
    assert [disk["vmdisk_size_bytes"] for disk in shown["disk_list"]] == [GIB, 2 * GIB]
    assert lon.ask("POST", "/volume_groups", {}).status_code == 400
    bad = {"name": "x", "disk_list": [{}]}
    assert lon.ask("POST", "/volume_groups", bad).status_code == 400


def test_sizes_can_be_left_out(lon: Client, group: VolumeGroup) -> None:
    shown = lon.get(f"/volume_groups/{group.uuid}", include_disk_size="false")
    assert "vmdisk_size_bytes" not in shown["disk_list"][0]


@pytest.mark.parametrize("returns_task", [True, False])
def test_a_change_answers_a_task_or_the_group(
    lon: Client, group: VolumeGroup, returns_task: bool
) -> None:
    lon.cluster.dialect.volume_group_put_returns_task = returns_task
    answer = lon.send("PUT", f"/volume_groups/{group.uuid}", {"description": "Ours."})
    assert ("task_uuid" in answer) == returns_task
    lon.lab.clock.advance(5)
    assert (group.name, group.description) == ("EP-someone", "Ours.")


def test_a_clone_holds_what_its_source_held(lon: Client, group: VolumeGroup) -> None:
    path = f"/volume_groups/{group.uuid}/clone"
    begun = lon.send("POST", path, {"name": "copy", "uuid": GIVEN})
    assert lon.ask("POST", path, {"name": "again", "uuid": GIVEN}).status_code == 422
    group.content = "changed since"
    lon.wait(begun["task_uuid"])
    made = lon.cluster.volume_groups[GIVEN]
    assert (made.name, made.content, made.size_bytes) == ("copy", "profile", 30 * GIB)
    assert made.disks[0].source == group.disks[0].uuid


def test_a_group_is_attached_to_one_machine_unless_shared(lon: Client, group: VolumeGroup) -> None:
    one, two = (lon.cluster.add_vm(name) for name in ("one", "two"))
    path = f"/volume_groups/{group.uuid}"
    lon.run("POST", f"{path}/attach", {"operation": "ATTACH", "vm_uuid": one.uuid})
    shown = lon.get(path)["attachment_list"]
    assert [each["vm_uuid"] for each in shown] == [one.uuid]
    assert lon.ask("POST", f"{path}/attach", {"vm_uuid": two.uuid}).status_code == 422
    assert lon.ask("POST", f"{path}/detach", {"vm_uuid": two.uuid}).status_code == 422
    assert lon.ask("DELETE", path).status_code == 422
    lon.run("PUT", path, {"is_shared": True})
    lon.run("POST", f"{path}/attach", {"vm_uuid": two.uuid})
    for vm in (one, two):
        lon.run("POST", f"{path}/detach", {"operation": "DETACH", "vm_uuid": vm.uuid})
    lon.run("DELETE", path)
    assert lon.ask("GET", path).status_code == 404
    assert lon.ask("DELETE", path).status_code == 404


def test_iscsi_clients_are_let_in_and_out(lon: Client, group: VolumeGroup) -> None:
    client = {"iscsi_client": {"client_address": "10.0.0.9"}}
    assert lon.send("POST", f"/volume_groups/{group.uuid}/open", client) == {"value": True}
    assert group.iscsi_clients == ["10.0.0.9"]
    lon.send("POST", f"/volume_groups/{group.uuid}/close", client)
    assert group.iscsi_clients == []
    assert lon.ask("POST", f"/volume_groups/{group.uuid}/open", {}).status_code == 400


def test_disks_of_a_group_come_grow_and_go(lon: Client, group: VolumeGroup) -> None:
    path = f"/volume_groups/{group.uuid}/disks"
    lon.run("POST", path, {"create_config": {"size": GIB}})
    lon.run("PUT", path, {"index": 1, "create_config": {"size": 2 * GIB}})
    assert [disk.size_bytes for disk in group.disks] == [30 * GIB, 2 * GIB]
    lon.run("DELETE", f"{path}/1")
    assert len(group.disks) == 1
    assert lon.ask("DELETE", f"{path}/1").status_code == 404
    assert lon.ask("DELETE", f"{path}/x").status_code == 400
