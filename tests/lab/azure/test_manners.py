"""What every call has in common: casing, pages, headers, throttling, nonsense, faults."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError
from azure.mgmt.compute import ComputeManagementClient

from portal.lab import Fault
from portal.lab.azure.model import GROUP
from tests.lab.azure.conftest import AT_SUBSCRIPTION, COMPUTE, Client

DISKS = f"{AT_SUBSCRIPTION}/providers/Microsoft.Compute/disks"
DISK = f"{COMPUTE}/disks/drive"
EMPTY = {
    "location": "westeurope",
    "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 4},
}


# Paths


def test_casing_does_not_count_and_names_keep_the_one_they_were_given(azure: Client) -> None:
    path = DISK.replace("drive", "Drive").replace("rg-", "RG-")
    azure.run("PUT", path, EMPTY)
    shown = azure.get(DISK.lower())
    assert azure.get(DISK.upper().replace("HTTPS", "https")) == shown
    assert (shown["name"], shown["id"]) == ("Drive", path)
    azure.run("PATCH", DISK, {"tags": {"a": "b"}})
    assert [each["id"] for each in azure.list(DISKS.lower())] == [path]


def test_parts_of_a_path_that_differ_in_casing_alone_are_kept_apart(azure: Client) -> None:
    azure.cloud.add_disk("filler", group="Same")
    path = COMPUTE.replace(GROUP, "Same") + "/disks/same"
    azure.run("PUT", path, EMPTY)
    assert azure.get(path)["id"] == path


def test_groups_of_machines_may_be_in_capitals(azure: Client) -> None:
    vm = azure.cloud.add_vm("vm")
    azure.cloud.dialect.upper_groups = True
    shown = azure.get(vm.id)["id"]
    assert GROUP.upper() in shown
    assert azure.get(shown)["name"] == "vm"


@pytest.mark.parametrize(
    ("method", "path", "refusal"),
    [
        ("GET", f"{COMPUTE}/disks/nothing", (404, "ResourceNotFound")),
        ("GET", f"{COMPUTE}/toasters", (404, "InvalidResourceType")),
        ("POST", DISKS, (405, "MethodNotAllowed")),
        ("GET", COMPUTE.replace(GROUP, "none") + "/disks", (404, "ResourceGroupNotFound")),
    ],
)
def test_what_is_not_there_is_said(
    azure: Client, method: str, path: str, refusal: tuple[int, str]
) -> None:
    assert azure.refused(method, path) == refusal


def test_the_front_door_says_that_it_was_the_one(azure: Client) -> None:
    answer = azure.ask("GET", f"{COMPUTE}/disks/nothing")
    assert answer.headers["x-ms-failure-cause"] == "gateway"


# Pages


def test_lists_come_in_pages(azure: Client, sdk: ComputeManagementClient) -> None:
    names = [azure.cloud.add_disk(f"drive-{number}").name for number in range(5)]
    azure.cloud.dialect.page_size = 2
    first = azure.get(DISKS)
    assert len(first["value"]) == 2
    assert first["nextLink"].startswith(f"{azure.base}/subscriptions/")
    assert "api-version=2026-03-02" in first["nextLink"]
    assert [each["name"] for each in azure.list(DISKS)] == names
    assert [each.name for each in sdk.disks.list()] == names
    assert "nextLink" not in azure.get(f"{COMPUTE}/snapshots")


def test_pages_keep_what_was_asked_for(azure: Client) -> None:
    for number in range(3):
        azure.cloud.add_vm(f"vm-{number}")
    azure.cloud.dialect.page_size = 1
    found = azure.list(f"{COMPUTE}/virtualMachines", **{"$expand": "instanceView"})
    assert ["instanceView" in each["properties"] for each in found] == [True] * 3


@pytest.mark.parametrize("token", ["x", "-1", "1.5"])
def test_a_skip_token_of_nobodys_is_refused(azure: Client, token: str) -> None:
    assert azure.refused("GET", DISKS, **{"$skiptoken": token}) == (400, "InvalidSkipToken")


def test_a_dollar_may_be_written_in_either_way(azure: Client) -> None:
    vm = azure.cloud.add_vm("vm")
    for dollar in ("$", "%24"):
        url = f"{azure.base}{vm.id}?api-version=2026-04-01&{dollar}expand=instanceView"
        assert "instanceView" in azure.get(url)["properties"]


# Headers and throttling


def test_every_answer_has_its_number(azure: Client) -> None:
    answers = [azure.ask("GET", path) for path in (DISKS, DISKS, f"{COMPUTE}/disks/nothing")]
    assert len({answer.headers["x-ms-request-id"] for answer in answers}) == 3
    for answer in answers:
        assert answer.headers["x-ms-correlation-request-id"]
        assert answer.headers["x-ms-routing-request-id"].startswith("WESTEUROPE:")


@pytest.mark.parametrize("wanted", [True, False])
def test_the_number_of_the_client_comes_back_if_it_asks(azure: Client, wanted: bool) -> None:
    headers = {"x-ms-client-request-id": "mine"}
    if wanted:
        headers["x-ms-return-client-request-id"] = "true"
    url = f"{azure.base}{DISKS}?api-version=2026-03-02"
    answer = azure.http.get(url, headers=headers, timeout=5)
    assert answer.headers.get("x-ms-client-request-id") == ("mine" if wanted else None)


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "policy"),
    [
        ("GET", DISKS, None, "reads", "LowCostGet3Min;14999,Microsoft.Compute/LowCostGet30Min"),
        ("PUT", DISK, EMPTY, "writes", "CreateUpdateDisks3Min;999"),
        ("DELETE", DISK, None, "deletes", "DeleteDisks3Min;999"),
        ("GET", f"{COMPUTE}/virtualMachines/vm", None, "reads", "GetVM3Min;35"),
    ],
)
def test_headers_say_how_many_calls_are_left(
    azure: Client, method: str, path: str, body: Any, kind: str, policy: str
) -> None:
    azure.lab.clock.scale = 0
    azure.cloud.add_vm("vm")
    answer = azure.ask(method, path, body)
    size = {"reads": "249", "writes": "199", "deletes": "199"}[kind]
    assert answer.headers[f"x-ms-ratelimit-remaining-subscription-{kind}"] == size
    of_provider = answer.headers["x-ms-ratelimit-remaining-resource"]
    assert f"Microsoft.Compute/{policy}" in of_provider


def test_calls_beyond_the_limit_are_refused_until_some_come_back(azure: Client) -> None:
    azure.lab.clock.scale = 0
    azure.cloud.dialect.is_throttled = True
    for _ in range(250):
        azure.get(AT_SUBSCRIPTION)
    answer = azure.ask("GET", AT_SUBSCRIPTION)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "TooManyRequests")
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["x-ms-ratelimit-remaining-subscription-reads"] == "0"
    # Writes have calls of their own.
    azure.ask("PUT", DISK, EMPTY).raise_for_status()
    azure.lab.clock.advance(1)
    azure.get(AT_SUBSCRIPTION)


def test_one_machine_takes_so_many_calls(azure: Client, sdk: ComputeManagementClient) -> None:
    azure.lab.clock.scale = 0
    azure.cloud.dialect.is_throttled = True
    vm, other = azure.cloud.add_vm("vm"), azure.cloud.add_vm("other")
    for _ in range(36):
        azure.get(vm.id)
    with pytest.raises(HttpResponseError) as raised:
        sdk.virtual_machines.get(GROUP, "vm")
    assert raised.value.status_code == 429
    wait = int(azure.ask("GET", vm.id).headers["Retry-After"])
    azure.get(other.id)
    azure.lab.clock.advance(wait)
    sdk.virtual_machines.get(GROUP, "vm")


def test_without_the_switch_nobody_is_refused(azure: Client) -> None:
    azure.lab.clock.scale = 0
    vm = azure.cloud.add_vm("vm")
    left = [azure.ask("GET", vm.id).headers["x-ms-ratelimit-remaining-resource"] for _ in range(40)]
    assert "GetVM3Min;0," in left[-1]


# Nonsense


@pytest.mark.parametrize("raw", ["{", "nothing", "[1]", '"text"', "\xff"])
def test_a_body_that_is_no_object_is_refused(azure: Client, raw: str) -> None:
    url = f"{azure.base}{DISK}?api-version=2026-03-02"
    answer = azure.http.put(url, data=raw.encode("latin-1"), timeout=5)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")


@pytest.mark.parametrize(
    "properties",
    [
        [],
        {"hardwareProfile": "big"},
        {"storageProfile": [1]},
        {"storageProfile": {"osDisk": "new"}},
        {"storageProfile": {"osDisk": {"managedDisk": "new", "createOption": "FromImage"}}},
        {"storageProfile": {"dataDisks": {"lun": 0}}},
        {"storageProfile": {"dataDisks": ["new"]}},
    ],
)
def test_a_change_of_a_machine_must_make_sense(azure: Client, properties: Any) -> None:
    vm = azure.cloud.add_vm("vm")
    wrong = azure.refused("PATCH", vm.id, {"properties": properties})
    assert wrong == (400, "InvalidParameter")


# Faults


def test_the_log_has_each_call(azure: Client) -> None:
    azure.lab.calls.clear()
    azure.ask("PUT", DISK, EMPTY)
    (call,) = azure.lab.calls
    assert (call.cluster, call.method, call.path) == ("azure", "PUT", DISK)
    assert (call.status, call.body) == (202, EMPTY)


@pytest.mark.parametrize(
    ("status", "code"), [(429, "TooManyRequests"), (500, "InternalServerError")]
)
def test_a_status_of_choice_has_an_error_body(azure: Client, status: int, code: str) -> None:
    azure.lab.faults.add(Fault("status", status=status, retry_after=3, path="/disks/"))
    answer = azure.ask("PUT", DISK, EMPTY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["Retry-After"] == "3"
    assert azure.cloud.disks == {}


def test_an_error_may_have_no_body_at_all(azure: Client, sdk: ComputeManagementClient) -> None:
    azure.lab.faults.add(Fault("status", status=403, body="", path="/disks", cluster="azure"))
    with pytest.raises(HttpResponseError) as raised:
        list(sdk.disks.list())
    assert (raised.value.status_code, raised.value.error) == (403, None)


def test_an_error_may_be_a_page_of_html(azure: Client, sdk: ComputeManagementClient) -> None:
    azure.lab.faults.add(Fault("html", path="/disks"))
    with pytest.raises(HttpResponseError) as raised:
        list(sdk.disks.list())
    assert (raised.value.status_code, raised.value.error) == (502, None)


@pytest.mark.parametrize(("kind", "acts"), [("drop_before", False), ("drop_after", True)])
def test_a_connection_may_break(azure: Client, kind: str, acts: bool) -> None:
    azure.lab.faults.add(Fault(kind, method="PUT"))
    with pytest.raises(requests.ConnectionError):
        azure.ask("PUT", DISK, EMPTY)
    assert bool(azure.cloud.disks) is acts


def test_an_answer_may_be_late(azure: Client) -> None:
    azure.lab.faults.add(Fault("slow", delay=0.3))
    before = time.monotonic()
    azure.get(DISKS)
    assert time.monotonic() - before >= 0.3


def test_a_fault_of_azure_spares_the_clusters(azure: Client) -> None:
    azure.lab.faults.add(Fault("status", cluster="ahv-lon-01"))
    azure.get(DISKS)
