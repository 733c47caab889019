"""Snapshots, and their copies in the other region."""

from __future__ import annotations

from typing import Any

import pytest
from azure.mgmt.compute import ComputeManagementClient

from portal.lab.azure.model import GROUP, Disk
from tests.lab.azure.conftest import COMPUTE, Client


def _path(name: str) -> str:
    return f"{COMPUTE}/snapshots/{name}"


def _of(source: str, option: str = "Copy", region: str = "westeurope", **more: Any) -> Any:
    creation = {"createOption": option, "sourceResourceId": source}
    properties = {"creationData": creation, "incremental": True, **more}
    return {"location": region, "properties": properties}


def _far(source: str, **more: Any) -> Any:
    return _of(_path(source), "CopyStart", "northeurope", **more)


def _taken(azure: Client, disk: Disk, *names: str) -> None:
    for name in names:
        azure.run("PUT", _path(name), _of(disk.id))


def _percent(azure: Client, name: str) -> float:
    return float(azure.get(_path(name))["properties"]["completionPercent"])


@pytest.fixture
def drive(azure: Client) -> Disk:
    return azure.cloud.add_disk("drive", size_gb=100, content="then")


def test_a_snapshot_holds_what_the_disk_held_when_it_was_asked_for(
    azure: Client, drive: Disk
) -> None:
    started = azure.ask("PUT", _path("one"), _of(drive.id))
    drive.content = "later"
    azure.follow(started)
    assert azure.cloud.snapshot(_path("one")).content == "then"
    found = azure.get(_path("one"))
    assert found["sku"] == {"name": "Standard_LRS", "tier": "Standard"}
    assert found["properties"]["diskSizeGB"] == 100
    assert found["properties"]["creationData"]["sourceUniqueId"] == drive.unique_id
    # Real ones of such disks say nothing either.
    assert "completionPercent" not in found["properties"]


def test_increments_of_a_disk_are_a_family(azure: Client, drive: Disk) -> None:
    _taken(azure, drive, "one", "two")
    _taken(azure, azure.cloud.add_disk("other"), "three")
    one, two, three = (
        azure.get(_path(name))["properties"]["incrementalSnapshotFamilyId"]
        for name in ("one", "two", "three")
    )
    assert one == two != three


def test_not_too_many_increments_at_once(azure: Client, drive: Disk) -> None:
    azure.lab.clock.scale = 0
    for number in range(7):
        azure.ask("PUT", _path(f"s{number}"), _of(drive.id)).raise_for_status()
    assert azure.refused("PUT", _path("more"), _of(drive.id)) == (409, "OperationNotAllowed")
    azure.ask("PUT", _path("full"), _of(drive.id, incremental=False)).raise_for_status()
    azure.lab.clock.advance(301)
    azure.ask("PUT", _path("more"), _of(drive.id)).raise_for_status()


def test_a_snapshot_that_is_open_can_not_be_deleted(azure: Client, drive: Disk) -> None:
    _taken(azure, drive, "one")
    open_it = {"access": "Read", "durationInSeconds": 60}
    azure.run("POST", f"{_path('one')}/beginGetAccess", open_it)
    assert azure.refused("DELETE", _path("one")) == (409, "OperationNotAllowed")


def test_a_copy_is_begun_in_seconds_and_done_much_later(azure: Client, drive: Disk) -> None:
    azure.lab.clock.scale = 0
    _taken(azure, drive, "one")
    started = azure.ask("PUT", _path("far"), _far("one"))
    azure.lab.clock.advance(4)
    ended = azure.get(started.headers["Azure-AsyncOperation"])
    assert ended["status"] == "Succeeded"
    assert "completionPercent" not in ended["properties"]["output"]["properties"]
    assert azure.get(_path("far"))["properties"]["provisioningState"] == "Succeeded"
    assert _percent(azure, "far") == 0
    azure.lab.clock.advance(25)
    assert _percent(azure, "far") == 25
    assert azure.cloud.snapshot(_path("far")).content == ""
    azure.lab.clock.advance(1000)
    assert _percent(azure, "far") == 100
    assert azure.cloud.snapshot(_path("far")).content == "then"
    near, far = (azure.get(_path(name))["properties"] for name in ("one", "far"))
    assert near["incrementalSnapshotFamilyId"] != far["incrementalSnapshotFamilyId"]
    assert far["creationData"]["sourceUniqueId"] == near["uniqueId"]


def test_later_copies_send_what_has_changed(azure: Client, drive: Disk) -> None:
    azure.lab.clock.scale = 0
    _taken(azure, drive, "one", "two")
    azure.run("PUT", _path("far1"), _far("one"))
    azure.lab.clock.advance(200)
    azure.run("PUT", _path("far2"), _far("two"))
    azure.lab.clock.advance(10)
    assert _percent(azure, "far2") == 100
    families = {
        azure.get(_path(name))["properties"]["incrementalSnapshotFamilyId"]
        for name in ("far1", "far2")
    }
    assert len(families) == 1


def test_a_copy_is_made_of_a_complete_increment_only(azure: Client, drive: Disk) -> None:
    azure.run("PUT", _path("full"), _of(drive.id, incremental=False))
    _taken(azure, drive, "one")
    refused = azure.refused("PUT", _path("far"), _far("full"))
    assert refused == (400, "InvalidParameter")
    assert azure.refused("PUT", _path("far"), _far("one", incremental=False))[0] == 400
    of_disk = _of(drive.id, "CopyStart", "northeurope")
    assert "Entity not of expected type" in azure.why("PUT", _path("far"), of_disk)
    near = _of(_path("one"), "Copy", "northeurope")
    assert azure.refused("PUT", _path("far"), near) == (400, "InvalidParameter")
    azure.run("PUT", _path("far"), _far("one"))
    back = _of(_path("far"), "CopyStart")
    assert azure.refused("PUT", _path("back"), back) == (409, "OperationNotAllowed")


def test_one_copy_at_a_time_of_a_disk_and_in_order(azure: Client, drive: Disk) -> None:
    azure.lab.clock.scale = 0
    _taken(azure, drive, "one", "two")
    other = azure.cloud.add_disk("other", size_gb=100)
    _taken(azure, other, "three")
    azure.run("PUT", _path("far2"), _far("two"))
    assert azure.refused("PUT", _path("far1"), _far("one")) == (409, "OperationNotAllowed")
    assert "Another snapshot of the same disk" in azure.why("PUT", _path("far1"), _far("one"))
    azure.run("PUT", _path("far3"), _far("three"))
    azure.lab.clock.advance(200)
    assert "in the order" in azure.why("PUT", _path("far1"), _far("one"))


def test_nothing_is_made_of_a_copy_before_its_last_byte(azure: Client, drive: Disk) -> None:
    azure.lab.clock.scale = 0
    _taken(azure, drive, "one")
    azure.run("PUT", _path("far"), _far("one"))
    body = _of(_path("far"), region="northeurope")
    del body["properties"]["incremental"]
    wanted = f"{COMPUTE}/disks/new"
    assert azure.refused("PUT", wanted, body) == (409, "OperationNotAllowed")
    open_it = {"access": "Read", "durationInSeconds": 60}
    opened = azure.refused("POST", f"{_path('far')}/beginGetAccess", open_it)
    assert opened == (409, "OperationNotAllowed")
    azure.run("PATCH", _path("far"), {"tags": {"a": "b"}})
    azure.lab.clock.advance(200)
    azure.run("PUT", wanted, body)
    assert azure.cloud.disk(wanted).content == "then"


def test_a_copy_whose_source_goes_says_so_and_stands_still(azure: Client, drive: Disk) -> None:
    azure.lab.clock.scale = 0
    _taken(azure, drive, "one")
    azure.run("PUT", _path("far"), _far("one"))
    azure.lab.clock.advance(30)
    before = _percent(azure, "far")
    azure.run("DELETE", _path("one"))
    azure.lab.clock.advance(500)
    found = azure.get(_path("far"))["properties"]
    assert before < found["completionPercent"] < 60
    assert found["copyCompletionError"]["errorCode"] == "CopySourceNotFound"
    azure.run("DELETE", _path("far"))


def test_a_copy_stands_still_while_the_regions_are_cut_apart(azure: Client, drive: Disk) -> None:
    azure.lab.clock.scale = 0
    _taken(azure, drive, "one")
    azure.run("PUT", _path("far"), _far("one"))
    azure.lab.clock.advance(20)
    before = _percent(azure, "far")
    azure.control("POST", "/link", {"up": False})
    azure.lab.clock.advance(3000)
    # Nobody looks before it is mended: the time of the cut does not count.
    azure.control("POST", "/link", {"up": True})
    assert _percent(azure, "far") == before
    azure.lab.clock.advance(10)
    assert _percent(azure, "far") == before + 10


def test_a_snapshot_changes_its_tags_and_not_its_source(azure: Client, drive: Disk) -> None:
    _taken(azure, drive, "one")
    azure.run("PATCH", _path("one"), {"tags": {"a": "b"}})
    azure.run("PUT", _path("one"), _of(drive.id) | {"tags": {"c": "d"}})
    assert azure.get(_path("one"))["tags"] == {"c": "d"}
    other = azure.cloud.add_disk("other")
    changed = azure.refused("PUT", _path("one"), _of(other.id))
    assert changed == (400, "PropertyChangeNotAllowed")


def test_the_sdk_watches_a_copy(azure: Client, sdk: ComputeManagementClient, drive: Disk) -> None:
    azure.lab.clock.scale = 50
    near: Any = _of(drive.id)
    sdk.snapshots.begin_create_or_update(GROUP, "one", near).result(30)
    far: Any = _far("one")
    made = sdk.snapshots.begin_create_or_update(GROUP, "far", far).result(30)
    assert made.properties is not None
    assert made.properties.completion_percent is not None
    assert made.properties.completion_percent < 100
    azure.lab.clock.advance(200)
    found = sdk.snapshots.get(GROUP, "far").properties
    assert found is not None
    assert found.completion_percent == 100
