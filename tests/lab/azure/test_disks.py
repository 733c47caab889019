"""Managed disks: how they are made, changed, opened and deleted."""

from __future__ import annotations

from typing import Any

import pytest

from portal.lab.azure import access
from portal.lab.azure.model import GIB
from tests.lab.azure.conftest import AT_SUBSCRIPTION, COMPUTE, Client

DISK = f"{COMPUTE}/disks/drive"
OPEN = {"access": "Read", "durationInSeconds": 60}


def _body(option: str = "Empty", size: int | None = None, **creation: Any) -> dict[str, Any]:
    properties: dict[str, Any] = {"creationData": {"createOption": option, **creation}}
    if size is not None:
        properties["diskSizeGB"] = size
    return {"location": "westeurope", "properties": properties}


def _snapshot(azure: Client, content: str = "bytes", size: int = 8) -> str:
    source = azure.cloud.add_disk("source", size_gb=size, content=content, os_type="Linux")
    body = _body("Copy", sourceResourceId=source.id)
    body["properties"]["incremental"] = True
    azure.run("PUT", f"{COMPUTE}/snapshots/one", body)
    return f"{COMPUTE}/snapshots/one"


def test_a_disk_takes_after_its_snapshot(azure: Client) -> None:
    snapshot = _snapshot(azure)
    azure.run("PUT", DISK, _body("Copy", sourceResourceId=snapshot) | {"tags": {"a": "b"}})
    found = azure.get(DISK)
    properties = found["properties"]
    assert properties["diskSizeGB"] == 8
    assert (properties["osType"], properties["hyperVGeneration"]) == ("Linux", "V2")
    source = azure.get(snapshot)["properties"]["uniqueId"]
    assert properties["creationData"]["sourceUniqueId"] == source
    assert found["tags"] == {"a": "b"}
    assert azure.cloud.disk(DISK).content == "bytes"


def test_a_disk_may_be_bigger_than_its_snapshot_and_not_smaller(azure: Client) -> None:
    snapshot = _snapshot(azure)
    bigger = _body("Copy", 16, sourceResourceId=snapshot)
    azure.run("PUT", DISK, bigger)
    assert azure.get(DISK)["properties"]["diskSizeGB"] == 16
    smaller = _body("Copy", 4, sourceResourceId=snapshot)
    assert azure.refused("PUT", f"{COMPUTE}/disks/small", smaller) == (400, "InvalidParameter")


def test_a_snapshot_makes_no_disk_in_another_region(azure: Client) -> None:
    body = _body("Copy", sourceResourceId=_snapshot(azure)) | {"location": "northeurope"}
    assert azure.refused("PUT", DISK, body) == (400, "InvalidParameter")


def test_the_source_of_a_disk_is_for_ever(azure: Client) -> None:
    azure.run("PUT", DISK, _body("Copy", sourceResourceId=_snapshot(azure)))
    other = azure.cloud.add_disk("other")
    changed = _body("Copy", sourceResourceId=other.id)
    assert azure.refused("PUT", DISK, changed) == (400, "PropertyChangeNotAllowed")
    moved = _body("Copy", sourceResourceId=f"{COMPUTE}/snapshots/one")
    moved["location"] = "North Europe"
    assert azure.refused("PUT", DISK, moved) == (409, "InvalidResourceLocation")
    moved["location"] = "West Europe"
    azure.run("PUT", DISK, moved)


def test_tags_and_size_change_by_put_and_by_patch(azure: Client) -> None:
    drive = azure.cloud.add_disk("drive", size_gb=4, tags={"a": "b"}, content="bytes")
    azure.run("PATCH", DISK, {"properties": {"diskSizeGB": 8}})
    assert (drive.size_gb, drive.tags) == (8, {"a": "b"})
    azure.run("PUT", DISK, _body(size=16) | {"tags": {"c": "d"}})
    assert (drive.size_gb, drive.tags, drive.content) == (16, {"c": "d"}, "bytes")
    smaller = {"properties": {"diskSizeGB": 4}}
    assert azure.refused("PATCH", DISK, smaller) == (400, "InvalidParameter")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "LocationRequired"),
        ({"location": "atlantis"}, "LocationNotAvailableForResourceType"),
        ({"location": "westeurope"}, "InvalidParameter"),
        ({"location": "westeurope", "properties": "none"}, "InvalidParameter"),
        ({"location": "westeurope", "zones": "1"}, "InvalidParameter"),
        ({"location": "westeurope", "tags": {"a": 1}}, "InvalidParameter"),
        (_body(), "InvalidParameter"),
        (_body(size=0), "InvalidParameter"),
        (_body() | {"properties": {"creationData": "Empty"}}, "InvalidParameter"),
        (_body("Copy"), "InvalidParameter"),
        (_body("Upload"), "InvalidParameter"),
        (_body("Melt", 4), "InvalidParameter"),
        (_body(size=4) | {"sku": "Premium_LRS"}, "InvalidParameter"),
        ([], "InvalidRequestContent"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(azure: Client, body: Any, code: str) -> None:
    assert azure.refused("PUT", DISK, body) == (400, code)
    assert azure.cloud.disks == {}


@pytest.mark.parametrize("name", ["with%20space", "a" * 81, "umlaut-%C3%A4"])
def test_a_name_that_is_none_is_refused(azure: Client, name: str) -> None:
    wrong = azure.refused("PUT", f"{COMPUTE}/disks/{name}", _body(size=4))
    assert wrong == (400, "InvalidParameter")


def test_a_source_must_be_there(azure: Client) -> None:
    body = _body("Copy", sourceResourceId=f"{COMPUTE}/snapshots/nothing")
    assert azure.refused("PUT", DISK, body) == (404, "NotFound")


def test_an_attached_disk_is_not_deleted(azure: Client) -> None:
    vm = azure.cloud.add_vm("vm", power="deallocated")
    assert azure.refused("DELETE", vm.os_disk.disk_id) == (409, "OperationNotAllowed")
    assert "attached to VM" in azure.why("DELETE", vm.os_disk.disk_id)


def test_a_disk_that_is_open_can_not_be_deleted(azure: Client) -> None:
    access.assign(azure.cloud, AT_SUBSCRIPTION, ["*"])
    azure.cloud.add_disk("drive")
    started = azure.ask("POST", f"{DISK}/beginGetAccess", OPEN)
    azure.follow(started)
    assert azure.get(started.headers["Location"])["accessSAS"].startswith("https://")
    assert azure.get(DISK)["properties"]["diskState"] == "ActiveSAS"
    assert azure.refused("DELETE", DISK) == (409, "OperationNotAllowed")
    azure.run("POST", f"{DISK}/endGetAccess")
    azure.run("DELETE", DISK)


def test_a_disk_in_use_is_not_opened(azure: Client) -> None:
    vm = azure.cloud.add_vm("vm")
    path = f"{vm.os_disk.disk_id}/beginGetAccess"
    assert azure.refused("POST", path, OPEN) == (409, "OperationNotAllowed")
    vm.power = "deallocated"
    azure.run("POST", path, OPEN)


def test_a_disk_for_an_upload_waits_for_it(azure: Client) -> None:
    access.assign(azure.cloud, AT_SUBSCRIPTION, ["*"])
    azure.run("PUT", DISK, _body("Upload", uploadSizeBytes=2 * GIB + 512))
    assert azure.get(DISK)["properties"]["diskSizeGB"] == 2
    assert azure.get(DISK)["properties"]["diskState"] == "ReadyToUpload"
    azure.run("POST", f"{DISK}/beginGetAccess", OPEN | {"access": "Write"})
    assert azure.get(DISK)["properties"]["diskState"] == "ActiveUpload"
    azure.run("POST", f"{DISK}/endGetAccess")
    assert azure.get(DISK)["properties"]["diskState"] == "Unattached"


def test_disks_are_listed_by_group_and_all_together(azure: Client) -> None:
    azure.cloud.add_disk("drive")
    azure.cloud.add_disk("other", group="rg-other")
    assert [each["name"] for each in azure.list(f"{COMPUTE}/disks")] == ["drive"]
    whole = f"{AT_SUBSCRIPTION}/providers/Microsoft.Compute/disks"
    assert [each["name"] for each in azure.list(whole)] == ["drive", "other"]
