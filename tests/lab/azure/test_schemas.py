"""The check of the lab's answers can fail, and says where."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from portal.lab import Fault
from portal.lab.routing import Answer, Request
from tests.lab.azure.conftest import COMPUTE, Client
from tests.lab.azure.schemas_check import Checker, checked

Break = Callable[[dict[str, Any]], object]


def judged(
    path: str, body: Any, status: int = 200, method: str = "GET", sent: Any = None, **headers: str
) -> list[str]:
    """What a fresh check says of an answer."""
    check = Checker()
    raw = json.dumps(sent).encode() if sent is not None else b""
    check("azure", Request(method, path, {}, raw), Answer(body, status, headers))
    return check.complaints


@pytest.mark.parametrize(
    ("break_it", "where", "why"),
    [
        pytest.param(
            lambda disk: disk.pop("location"), "$", "'location' is a required", id="missing key"
        ),
        pytest.param(
            lambda disk: disk["properties"].update(diskSizeGB="thirty"),
            "$.properties.diskSizeGB", "not of type 'integer'", id="wrong type",
        ),
        pytest.param(
            lambda disk: disk["properties"].update(diskSizeGb=30),
            "$.properties", "'diskSizeGb' was unexpected", id="unknown key",
        ),
        pytest.param(
            lambda disk: disk["properties"].update(diskState="Loose"),
            "$.properties.diskState", "'Loose' is not one of", id="unknown value of an enum",
        ),
        pytest.param(
            lambda disk: disk["properties"].update(timeCreated="yesterday"),
            "$.properties.timeCreated", "does not match", id="unreadable time",
        ),
        pytest.param(
            lambda disk: disk.update(tags={"standby": 1}),
            "$.tags.standby", "not of type 'string'", id="tag that is no text",
        ),
        pytest.param(
            lambda disk: disk.update(type="microsoft.compute/disk"),
            "$.type", "was expected", id="wrong type of resource",
        ),
        pytest.param(
            lambda disk: disk["properties"].pop("provisioningState"),
            "$.properties", "'provisioningState' is a required", id="no provisioning state",
        ),
    ],
)  # fmt: skip
def test_a_broken_disk_is_told_apart_from_a_good_one(
    azure: Client, break_it: Break, where: str, why: str
) -> None:
    azure.cloud.add_disk("drive", size_gb=8)
    path = f"{COMPUTE}/disks/drive"
    good = azure.get(path)
    assert judged(path, good) == []
    broken = copy.deepcopy(good)
    break_it(broken)
    (said,) = judged(path, broken)
    assert said.startswith(f"GET {path} 200: {where}: ")
    assert why in said


def test_a_lab_that_answers_nonsense_fails_the_check(azure: Client, check: Checker) -> None:
    disk = azure.cloud.add_disk("drive")
    disk.sku = "Marble_LRS"
    azure.get(f"{COMPUTE}/disks")
    (said,) = check.complaints
    assert "$.value[0].sku.name: 'Marble_LRS' is not one of" in said
    check.complaints.clear()


def test_a_checked_stretch_ends_in_a_failure_after_a_broken_answer(
    azure: Client, check: Checker
) -> None:
    azure.cloud.add_disk("drive").sku = "Marble_LRS"
    with pytest.raises(AssertionError, match="'Marble_LRS' is not one of"):
        _list_while_checked(azure)
    check.complaints.clear()


def _list_while_checked(azure: Client) -> None:
    with checked(azure.lab):
        azure.get(f"{COMPUTE}/disks")


@pytest.mark.parametrize(
    "read_only",
    [
        {"managedBy": "/subscriptions/x"},
        {"properties": {"diskState": "Attached", "creationData": {"createOption": "Empty"}}},
        {"properties": {"uniqueId": "1", "creationData": {"createOption": "Empty"}}},
        {"id": "/subscriptions/x"},
    ],
)
def test_what_only_the_cloud_sets_has_no_place_in_a_request(read_only: dict[str, Any]) -> None:
    path = f"{COMPUTE}/disks/drive"
    good = {"location": "westeurope", "properties": {"creationData": {"createOption": "Empty"}}}
    answer = {"Location": "https://lab/operation"}
    first = {
        "id": path, "name": "drive", "type": "Microsoft.Compute/disks", "location": "westeurope",
        "properties": {"creationData": {"createOption": "Empty"}, "provisioningState": "Updating"},
    }  # fmt: skip
    assert judged(path, first, 202, "PUT", good, **answer) == []
    (said,) = judged(path, first, 202, "PUT", good | read_only, **answer)
    assert "only the cloud sets this" in said


@pytest.mark.parametrize(
    ("status", "body", "headers", "why"),
    [
        (201, {}, {}, "a status that the SDK does not take here"),
        (202, None, {}, "no header says where to follow"),
        (202, None, {"Location": "/relative"}, "Location is no absolute URL"),
        (202, {"done": True}, {"Location": "https://lab/x"}, "a body, where there is none"),
        (409, {"error": {"code": "Conflict"}}, {}, "'message' is a required"),
        (409, {"code": "Conflict", "message": "no"}, {}, "'code', 'message' were unexpected"),
        (401, {"error": {"code": "A", "message": "b"}}, {}, "no WWW-Authenticate"),
        (429, {"error": {"code": "A", "message": "b"}}, {}, "no Retry-After"),
    ],
)
def test_statuses_headers_and_errors_are_checked_too(
    status: int, body: Any, headers: dict[str, str], why: str
) -> None:
    said = judged(f"{COMPUTE}/disks/drive", body, status, "DELETE", **headers)
    assert any(why in each for each in said), said


def test_an_answer_to_a_call_that_has_no_rule_is_a_complaint() -> None:
    assert judged("/subscriptions/s/somethingElse", {"value": []})


@pytest.mark.parametrize("status", [429, 503])
def test_faults_speak_the_language_of_the_part_they_strike(azure: Client, status: int) -> None:
    azure.lab.faults.add(Fault("status", status=status, count=2))
    token = azure.token()
    assert token.json()["error_description"].startswith("AADSTS900")
    assert token.status_code == status
    assert isinstance(azure.ask("GET", f"{COMPUTE}/disks").json()["error"], dict)
