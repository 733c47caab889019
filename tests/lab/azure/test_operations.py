"""Long-running operations: headers, records, what repeats, conflicts and failures do."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.mgmt.compute import ComputeManagementClient

from portal.lab import Fault
from portal.lab.azure.model import GROUP
from tests.lab.azure.conftest import COMPUTE, Client

DISK = f"{COMPUTE}/disks/drive"
SNAPSHOT = f"{COMPUTE}/snapshots/one"
EMPTY = {
    "location": "westeurope",
    "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 4},
}


def _copy(source: str) -> dict[str, Any]:
    creation = {"createOption": "Copy", "sourceResourceId": source}
    properties = {"creationData": creation, "incremental": True}
    return {"location": "westeurope", "properties": properties}


def test_an_operation_can_be_followed_in_two_ways(azure: Client) -> None:
    started = azure.ask("PUT", DISK, EMPTY)
    assert started.status_code == 202
    status, monitor = started.headers["Azure-AsyncOperation"], started.headers["Location"]
    assert "/providers/Microsoft.Compute/locations/westeurope/DiskOperations/" in status
    assert monitor == f"{status}&monitor=true"
    assert started.headers["Retry-After"] == "1"
    assert azure.get(status)["status"] == "InProgress"
    waiting = azure.ask("GET", monitor)
    assert (waiting.status_code, waiting.content) == (202, b"")
    azure.lab.clock.advance(5)
    ended = azure.get(status)
    assert ended["status"] == "Succeeded"
    assert ended["startTime"] < ended["endTime"]
    assert ended["properties"]["output"] == azure.get(monitor) == azure.get(DISK)


def test_operations_of_machines_are_beside_those_of_disks(azure: Client) -> None:
    vm = azure.cloud.add_vm("vm")
    started = azure.ask("POST", f"{vm.id}/deallocate")
    assert (started.status_code, started.content) == (202, b"")
    assert started.headers["Content-Length"] == "0"
    assert "/operations/" in started.headers["Azure-AsyncOperation"]
    ended = azure.follow(started)
    assert "properties" not in ended
    after = azure.ask("GET", started.headers["Location"])
    assert (after.status_code, after.content) == (200, b"")


def test_the_first_answer_knows_little_and_the_resource_all(azure: Client) -> None:
    first = azure.ask("PUT", DISK, EMPTY).json()
    assert first["properties"]["provisioningState"] == "Updating"
    assert "tier" not in first["sku"]
    assert not {"uniqueId", "diskSizeGB", "timeCreated"} & set(first["properties"])
    azure.lab.clock.advance(5)
    found = azure.get(DISK)
    assert found["sku"] == {"name": "Premium_LRS", "tier": "Premium"}
    assert found["properties"]["diskSizeBytes"] == 4 * 2**30
    assert found["properties"]["provisioningState"] == "Succeeded"


def test_time_alone_moves_everything_looking_does_not(azure: Client) -> None:
    azure.lab.clock.scale = 0
    vm = azure.cloud.add_vm("vm", power="deallocated")
    started = azure.ask("POST", f"{vm.id}/start")
    for _ in range(20):
        assert azure.get(started.headers["Azure-AsyncOperation"])["status"] == "InProgress"
        assert azure.get(vm.id)["properties"]["provisioningState"] == "Updating"
    azure.lab.clock.advance(60)
    # Nobody has asked for the operation since.
    assert azure.get(vm.id)["properties"]["provisioningState"] == "Succeeded"
    assert vm.power == "running"


def test_addresses_may_be_long_and_alone(azure: Client) -> None:
    dialect = azure.cloud.dialect
    dialect.signed_urls = dialect.location_only = True
    azure.cloud.timing.retry_after = 0
    started = azure.ask("PUT", DISK, EMPTY)
    assert "Azure-AsyncOperation" not in started.headers
    assert "Retry-After" not in started.headers
    assert 4000 < len(started.headers["Location"]) < 5000
    azure.lab.clock.advance(5)
    assert azure.get(started.headers["Location"])["name"] == "drive"


def test_records_are_kept_for_a_while_only(azure: Client) -> None:
    started = azure.ask("PUT", DISK, EMPTY)
    azure.lab.clock.advance(6 * 3600 - 1)
    url = started.headers["Azure-AsyncOperation"]
    azure.sign_in()
    azure.get(url)
    azure.lab.clock.advance(60)
    for each in (url, started.headers["Location"]):
        assert azure.refused("GET", each) == (404, "NotFound")
    azure.get(DISK)


def test_a_record_may_be_missing_from_the_start(azure: Client) -> None:
    azure.lab.faults.add(Fault("operation_expired", method="PUT"))
    started = azure.ask("PUT", DISK, EMPTY)
    url = started.headers["Azure-AsyncOperation"]
    assert azure.refused("GET", url) == (404, "NotFound")
    azure.lab.clock.advance(5)
    assert azure.get(DISK)["properties"]["provisioningState"] == "Succeeded"
    url = azure.ask("PATCH", DISK, {"tags": {}}).headers["Azure-AsyncOperation"]
    azure.get(url)
    azure.control("DELETE", "/operations")
    assert azure.refused("GET", url) == (404, "NotFound")


def test_an_operation_that_fails_says_why_and_leaves_a_failed_resource(azure: Client) -> None:
    drive = azure.cloud.add_disk("source", content="bytes")
    azure.lab.faults.add(Fault("task_failed", method="PUT", detail="The storage is full"))
    started = azure.ask("PUT", SNAPSHOT, _copy(drive.id))
    ended = azure.follow(started)
    assert ended["status"] == "Failed"
    error = {"code": "InternalExecutionError", "message": "The storage is full"}
    assert ended["error"] == error
    assert azure.ask("GET", started.headers["Location"]).json()["error"] == error
    assert azure.get(SNAPSHOT)["properties"]["provisioningState"] == "Failed"
    disk = _copy(SNAPSHOT)
    del disk["properties"]["incremental"]
    assert azure.refused("PUT", DISK, disk) == (409, "OperationNotAllowed")


def test_what_failed_can_be_made_again_or_deleted(azure: Client) -> None:
    drive = azure.cloud.add_disk("source", content="bytes")
    azure.lab.faults.add(Fault("task_failed", method="PUT", count=2))
    for _ in range(2):
        assert azure.follow(azure.ask("PUT", SNAPSHOT, _copy(drive.id)))["status"] == "Failed"
    azure.run("PUT", SNAPSHOT, _copy(drive.id))
    assert azure.cloud.snapshots[SNAPSHOT.lower()].content == "bytes"
    azure.lab.faults.add(Fault("task_failed", method="PUT"))
    assert azure.follow(azure.ask("PUT", DISK, EMPTY))["status"] == "Failed"
    azure.run("DELETE", DISK)
    assert azure.refused("GET", DISK) == (404, "ResourceNotFound")


def test_a_change_that_fails_leaves_all_as_it_was(azure: Client) -> None:
    drive = azure.cloud.add_disk("drive", size_gb=4, content="bytes")
    azure.lab.faults.add(Fault("task_failed", method="PATCH"))
    started = azure.ask("PATCH", DISK, {"tags": {"a": "b"}, "properties": {"diskSizeGB": 8}})
    assert azure.follow(started)["status"] == "Failed"
    assert azure.get(DISK)["properties"]["provisioningState"] == "Succeeded"
    assert (drive.size_gb, drive.tags, drive.content) == (4, {}, "bytes")


def test_the_same_call_again_is_the_same_operation(azure: Client) -> None:
    azure.lab.clock.scale = 0
    started = [azure.ask("PUT", DISK, EMPTY) for _ in range(2)]
    assert [each.status_code for each in started] == [202, 202]
    urls = {each.headers["Azure-AsyncOperation"] for each in started}
    assert len(urls) == 1
    azure.lab.clock.advance(5)
    before = azure.get(DISK)["properties"]["uniqueId"]
    azure.run("PUT", DISK, EMPTY)
    assert azure.get(DISK)["properties"]["uniqueId"] == before
    deleted = [azure.ask("DELETE", DISK) for _ in range(2)]
    assert len({each.headers["Azure-AsyncOperation"] for each in deleted}) == 1
    azure.lab.clock.advance(5)
    assert azure.ask("DELETE", DISK).status_code == 204


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_one_operation_at_a_time_works_on_a_thing(azure: Client, method: str) -> None:
    azure.lab.clock.scale = 0
    azure.cloud.add_disk("drive", size_gb=4)
    azure.ask("PATCH", DISK, {"tags": {"a": "b"}})
    body = {"PUT": EMPTY, "PATCH": {"tags": {"a": "c"}}, "DELETE": None}[method]
    assert azure.refused(method, DISK, body) == (409, "AnotherOperationInProgress")


def test_the_sdk_repeats_a_call_whose_answer_is_lost(
    azure: Client, sdk: ComputeManagementClient
) -> None:
    azure.lab.faults.add(Fault("drop_after", method="PUT"))
    azure.lab.clock.scale = 50
    disk: Any = EMPTY
    made = sdk.disks.begin_create_or_update(GROUP, "drive", disk, retry_total=2).result(30)
    assert made.properties is not None
    assert made.properties.provisioning_state == "Succeeded"
    assert [call.method for call in azure.lab.calls].count("PUT") == 2
    assert len(azure.cloud.disks) == 1


def test_the_sdk_takes_an_operation_up_again_by_its_token(
    azure: Client, sdk: ComputeManagementClient
) -> None:
    disk: Any = EMPTY
    token = sdk.disks.begin_create_or_update(GROUP, "drive", disk).continuation_token()
    azure.lab.clock.advance(5)
    nothing: Any = {}
    poller = sdk.disks.begin_create_or_update(GROUP, "drive", nothing, continuation_token=token)
    assert poller.result(10).name == "drive"
    assert [call.method for call in azure.lab.calls].count("PUT") == 1


def test_the_sdk_raises_what_the_operation_failed_of(
    azure: Client, sdk: ComputeManagementClient
) -> None:
    azure.lab.clock.scale = 50
    azure.lab.faults.add(Fault("task_failed", method="PUT", detail="The storage is full"))
    disk: Any = EMPTY
    with pytest.raises(HttpResponseError) as raised:
        sdk.disks.begin_create_or_update(GROUP, "drive", disk).result(30)
    assert raised.value.status_code == 200
    assert raised.value.error is not None
    assert raised.value.error.message == "The storage is full"


def test_the_sdk_deletes_what_is_not_there(sdk: ComputeManagementClient) -> None:
    sdk.disks.begin_delete(GROUP, "nothing").result(10)
    sdk.snapshots.begin_delete(GROUP, "nothing").result(10)


def test_the_sdk_raises_on_a_conflict(azure: Client, sdk: ComputeManagementClient) -> None:
    azure.lab.clock.scale = 0
    azure.cloud.add_disk("drive")
    azure.ask("PATCH", DISK, {"tags": {}})
    with pytest.raises(ResourceExistsError):
        sdk.disks.begin_delete(GROUP, "drive", polling=False)
