"""Locks hold what they should, are inherited, and say where they are (reference 7.7)."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.mgmt.compute import ComputeManagementClient

from portal.lab import Lab, LabServer
from portal.lab.azure.access import lock
from tests.lab.azure.conftest import AT_GROUP, AT_SUBSCRIPTION, COMPUTE, Client
from tests.lab.azure.schemas_check import Checker

DISK = f"{COMPUTE}/disks/drive"
VM = f"{COMPUTE}/virtualMachines/vm"
LOCKS = "providers/Microsoft.Authorization/locks"
TAGS = {"tags": {"kept": "yes"}}


def _snapshot() -> dict[str, Any]:
    creation = {"createOption": "Copy", "sourceResourceId": DISK}
    return {"location": "westeurope", "properties": {"creationData": creation}}


@pytest.fixture(autouse=True)
def _things(azure: Client) -> None:
    azure.cloud.add_disk("drive")
    azure.cloud.add_vm("vm")


@pytest.mark.parametrize("scope", [AT_SUBSCRIPTION, AT_GROUP, DISK])
def test_nothing_is_deleted_under_a_lock_wherever_it_lies(azure: Client, scope: str) -> None:
    azure.control("POST", "/locks", {"scope": scope, "level": "CanNotDelete"})
    assert azure.refused("DELETE", DISK) == (409, "ScopeLocked")
    assert f"locked: '{scope}'" in azure.why("DELETE", DISK)
    azure.run("PATCH", DISK, TAGS)
    azure.control("DELETE", f"/locks?scope={scope.upper()}")
    azure.run("DELETE", DISK)


@pytest.mark.parametrize("scope", [AT_SUBSCRIPTION, AT_GROUP, VM])
def test_a_read_only_vm_can_be_looked_at_and_nothing_else(azure: Client, scope: str) -> None:
    lock(azure.cloud, scope, "ReadOnly")
    azure.get(VM)
    assert azure.refused("PATCH", VM, TAGS) == (409, "ScopeLocked")
    for verb in ("start", "deallocate", "powerOff"):
        assert azure.refused("POST", f"{VM}/{verb}") == (409, "ScopeLocked")


def test_a_read_only_group_takes_no_snapshot_and_opens_no_disk(azure: Client) -> None:
    lock(azure.cloud, AT_GROUP, "ReadOnly")
    assert azure.refused("PUT", f"{COMPUTE}/snapshots/s", _snapshot()) == (409, "ScopeLocked")
    access = {"access": "Read", "durationInSeconds": 60}
    assert azure.refused("POST", f"{DISK}/beginGetAccess", access) == (409, "ScopeLocked")


def test_a_lock_on_one_disk_leaves_its_neighbours_alone(azure: Client) -> None:
    azure.cloud.add_disk("drive-2")
    lock(azure.cloud, DISK, "ReadOnly")
    azure.run("DELETE", f"{DISK}-2")
    azure.run("PUT", f"{COMPUTE}/snapshots/s", _snapshot())


def test_locks_are_listed_where_they_bear_on_something(azure: Client) -> None:
    lock(azure.cloud, AT_SUBSCRIPTION, "CanNotDelete", "everything")
    lock(azure.cloud, DISK, "ReadOnly", "this-one").notes = "asked for by the owner"
    lock(azure.cloud, VM, "CanNotDelete", "keep")

    def names(scope: str, **query: str) -> set[str]:
        return {each["name"] for each in azure.list(f"{scope}/{LOCKS}", **query)}

    assert names(AT_SUBSCRIPTION) == names(AT_GROUP) == {"everything", "this-one", "keep"}
    assert names(AT_GROUP, **{"$filter": "atScope()"}) == {"everything"}
    assert names(DISK) == {"everything", "this-one"}
    found = azure.get(f"{DISK}/{LOCKS}/this-one")
    assert found["id"] == f"{DISK}/{LOCKS}/this-one"
    assert found["properties"] == {"level": "ReadOnly", "notes": "asked for by the owner"}
    assert azure.refused("GET", f"{DISK}/{LOCKS}/keep") == (404, "LockNotFound")


def test_the_control_api_knows_two_levels(azure: Client) -> None:
    answer = azure.http.post(
        f"{azure.base}/.lab/locks", json={"scope": AT_GROUP, "level": "Shut"}, timeout=5
    )
    assert answer.status_code == 400
    assert azure.control("GET", "/locks") == []


def test_the_sdk_names_the_locked_scope(azure: Client, sdk: ComputeManagementClient) -> None:
    lock(azure.cloud, AT_GROUP)
    with pytest.raises(ResourceExistsError) as raised:  # sic: the class of every 409
        sdk.disks.begin_delete("rg-research-vdi", "drive")
    assert raised.value.error is not None
    assert raised.value.error.code == "ScopeLocked"
    assert AT_GROUP in str(raised.value.error.message)


def test_locks_roles_and_quotas_outlive_a_restart(
    tmp_path: Any, lab_directory: Any, check: Checker
) -> None:
    state = tmp_path / "state.sqlite3"
    lab = Lab.empty(state_file=state)
    with LabServer(lab, directory=lab_directory) as server:
        first = Client(server)
        with first.http:
            first.control("POST", "/locks", {"scope": AT_GROUP, "level": "ReadOnly"})
            forbidden = {"actions": ["Microsoft.Compute/disks/read"]}
            first.control("POST", "/role/forbid", forbidden)
            quota = {"location": "westeurope", "name": "cores", "limit": 4}
            first.control("POST", "/quotas", quota)
            size = {"size": "Standard_D2s_v5", "location": "westeurope", "zones": ["2"]}
            first.control("POST", "/sizes/restrict", size)
    before = lab.azure
    lab.close()
    again = Lab.empty(state_file=state)
    assert [vars(each) for each in again.azure.locks.values()] == [
        vars(each) for each in before.locks.values()
    ]
    assert again.azure.limits == before.limits
    assert [vars(each) for each in again.azure.access.assignments] == [
        vars(each) for each in before.access.assignments
    ]
    again.close()
