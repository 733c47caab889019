"""Protection domains: members, one-off snapshots, replication, restores, removal."""

from __future__ import annotations

from typing import Any

import pytest

from portal.lab import Fault
from portal.lab.prism.model import Vm
from tests.lab.conftest import DUB, GIB, LON, V1, Client


@pytest.fixture
def vm(lon: Client) -> Vm:
    """A protected machine of 10 GiB in domain pd."""
    vm = lon.cluster.add_vm("pacs", size_bytes=10 * GIB, content="monday")
    lon.send("POST", "/protection_domains", {"value": "pd"})
    lon.send("POST", "/protection_domains/pd/protect_vms", {"uuids": [vm.uuid]})
    return vm


def begin(client: Client, *sites: str, domain: str = "pd", **fields: Any) -> str:
    """Ask for a snapshot; return the id of its schedule."""
    body = {"snapshot_retention_time_secs": 86400, "remote_site_names": list(sites), **fields}
    return str(client.send("POST", f"/protection_domains/{domain}/oob_schedules", body)
               ["schedule_id"])  # fmt: skip


def snapshots(client: Client, domain: str = "pd") -> list[Any]:
    return client.list(f"/protection_domains/{domain}/dr_snapshots", full_details="true")


def take(client: Client, *sites: str, domain: str = "pd") -> str:
    """Take a snapshot; return its id."""
    schedule = begin(client, *sites, domain=domain)
    client.lab.clock.advance(6)
    found = client.list(f"/protection_domains/{domain}/dr_snapshots", oob_schedule_ids=schedule)
    assert len(found) == 1
    return str(found[0]["snapshot_id"])


def replications(client: Client) -> list[Any]:
    return client.list("/protection_domains/pd/replications/")


# Members


def test_a_new_domain_is_active_and_empty(lon: Client) -> None:
    answer = lon.ask("POST", "/protection_domains", {"value": "pd", "annotations": ["ours"]})
    assert answer.status_code == 201
    domain = lon.get("/protection_domains/pd")
    assert (domain["active"], domain["vms"], domain["annotations"]) == (True, [], ["ours"])
    assert [each["name"] for each in lon.list("/protection_domains", names="pd")] == ["pd"]
    assert lon.ask("POST", "/protection_domains", {"value": "pd"}).status_code == 422
    assert lon.ask("POST", "/protection_domains", {"name": "other"}).status_code == 400


def test_a_machine_is_in_one_domain_at_most(lon: Client, vm: Vm) -> None:
    lon.send("POST", "/protection_domains", {"value": "other"})
    refused = lon.ask("POST", "/protection_domains/other/protect_vms", {"names": ["pacs"]})
    assert refused.status_code == 422
    assert "pd" in refused.json()["message"]
    assert lon.list("/protection_domains/unprotected_vms") == []
    again = {"uuids": [vm.uuid, "gone"], "ignore_dup_or_missing_vms": True}
    lon.send("POST", "/protection_domains/pd/protect_vms", again)
    assert len(lon.get("/protection_domains/pd")["vms"]) == 1


def test_unprotect_takes_a_bare_array_and_leaves_the_snapshots(lon: Client, vm: Vm) -> None:
    take(lon)
    assert lon.ask("POST", "/protection_domains/pd/unprotect_vms", {"x": 1}).status_code == 400
    lon.send("POST", "/protection_domains/pd/unprotect_vms", ["pacs"])
    assert lon.get("/protection_domains/pd")["vms"] == []
    assert [each["vm_name"] for each in lon.list("/protection_domains/unprotected_vms")] == ["pacs"]
    assert len(snapshots(lon)) == 1


def test_volume_groups_are_protected_by_v1_only(lon: Client, vm: Vm) -> None:
    group = lon.cluster.add_volume_group("EP-someone", content="profile")
    body = {"protectionDomainName": "pd", "volumeGroupUuids": [group.uuid]}
    lon.send("POST", "/protection_domains/pd/add_entities", body, base=V1)
    shown = lon.get("/protection_domains/pd")["volume_groups"]
    assert [each["volume_group_uuid"] for each in shown] == [group.uuid]
    lon.send("POST", "/protection_domains/pd/remove_entities", body, base=V1)
    assert lon.get("/protection_domains/pd")["volume_groups"] == []
    lon.cluster.dialect.supports_volume_group_protection = False
    answer = lon.ask("POST", "/protection_domains/pd/add_entities", body, base=V1)
    assert answer.status_code == 404


def test_volume_groups_of_a_machine_can_come_along(lon: Client, vm: Vm) -> None:
    group = lon.cluster.add_volume_group("data", attached_to=vm.uuid)
    lon.send("POST", "/protection_domains/pd/unprotect_vms", [vm.uuid])
    body = {"vmIds": [vm.uuid], "protectRelatedEntities": True}
    lon.send("POST", "/protection_domains/pd/add_entities", body, base=V1)
    shown = lon.get("/protection_domains/pd")["volume_groups"]
    assert [each["volume_group_uuid"] for each in shown] == [group.uuid]


# Snapshots


def test_a_snapshot_is_scheduled_then_available(lon: Client, vm: Vm) -> None:
    schedule = begin(lon)
    (taken,) = snapshots(lon)
    assert taken["state"] == "SCHEDULED"
    lon.lab.clock.advance(5)
    (taken,) = snapshots(lon)
    assert taken["state"] == "AVAILABLE"
    assert taken["oob_schedule_ids"] == [int(schedule)]
    assert taken["snapshot_id"].isdecimal()
    kept = taken["snapshot_expiry_time_usecs"] - taken["snapshot_create_time_usecs"]
    assert kept == 86400 * 1_000_000
    assert [each["vm_id"] for each in taken["vms"]] == [vm.uuid]
    (event,) = lon.list("/events/", count=20)
    assert event["context_values"][1] == taken["snapshot_id"]


def test_a_snapshot_waits_for_its_start(lon: Client, vm: Vm) -> None:
    later = lon.lab.clock.now_usecs() + 60_000_000
    schedule = begin(lon, schedule_start_time_usecs=later)
    for path in ("/protection_domains/pd/oob_schedules/", "/protection_domains/oob_schedules"):
        assert list(lon.get(path)[0]["schedule_map"]) == [schedule]
    lon.lab.clock.advance(50)
    assert snapshots(lon) == []
    lon.lab.clock.advance(20)
    assert len(snapshots(lon)) == 1
    assert lon.get("/protection_domains/oob_schedules")[0]["schedule_map"] == {}


def test_snapshots_are_newest_first_and_count_zero(lon: Client, vm: Vm) -> None:
    first, second = take(lon), take(lon)
    answer = lon.get("/protection_domains/pd/dr_snapshots")
    assert [each["snapshot_id"] for each in answer["entities"]] == [second, first]
    assert answer["metadata"]["total_entities"] == 0


def test_a_machine_that_is_gone_is_missing_in_the_snapshot(lon: Client, vm: Vm) -> None:
    other = lon.cluster.add_vm("gone")
    lon.send("POST", "/protection_domains/pd/protect_vms", {"uuids": [other.uuid]})
    lon.control("DELETE", f"/vms/{other.uuid}")
    take(lon)
    (taken,) = snapshots(lon)
    assert [each["entity_name"] for each in taken["missing_entities"]] == ["gone"]


def test_a_snapshot_expires_and_is_collected(lon: Client, vm: Vm) -> None:
    begin(lon, snapshot_retention_time_secs=60)
    lon.lab.clock.advance(61)
    assert [each["state"] for each in snapshots(lon)] == ["EXPIRED"]
    lon.lab.clock.advance(700)
    assert snapshots(lon) == []


def test_retain_moves_the_expiry(lon: Client, vm: Vm) -> None:
    begin(lon, snapshot_retention_time_secs=60)
    lon.lab.clock.advance(10)
    (taken,) = snapshots(lon)
    path = f"/protection_domains/pd/dr_snapshots/{taken['snapshot_id']}/retain"
    lon.send("POST", path, {"value": 3600 * 1_000_000})
    lon.lab.clock.advance(3000)
    assert [each["state"] for each in snapshots(lon)] == ["AVAILABLE"]


def test_a_recurring_schedule_keeps_so_many(lon: Client, vm: Vm) -> None:
    policy = {"local_max_snapshots": 2}
    body = {"type": "HOURLY", "every_nth": 1, "retention_policy": policy}
    made = lon.send("POST", "/protection_domains/pd/schedules", body)
    lon.lab.clock.advance(5 * 3600)
    assert len(snapshots(lon)) == 2
    lon.send("DELETE", f"/protection_domains/pd/schedules/{made['id']}")
    assert lon.get("/protection_domains/pd/schedules") == []
    lon.lab.clock.advance(5 * 3600)
    assert len(snapshots(lon)) == 2


# Replication


def test_a_replication_progresses_and_lands(lon: Client, dub: Client, vm: Vm) -> None:
    source = take(lon, DUB)
    vm.disks[0].content = "tuesday"
    (row,) = replications(lon)
    assert 0 < row["completed_percentage"] < 100
    assert (row["sender"], row["snapshot_id"]) == (True, source)
    (received,) = dub.list("/protection_domains/replications")
    assert (received["sender"], received["remote_site_name"]) == (False, LON)
    (link,) = lon.get("/protection_domains/pd")["replication_links"]
    assert link["current_replicating_snapshot_total_bytes"] == 10 * GIB
    assert dub.ask("GET", "/protection_domains/pd").status_code == 404
    lon.lab.clock.advance(10)
    assert replications(lon) == []
    (copy,) = snapshots(dub)
    assert copy["snapshot_id"] == f"{LON}:{source}"
    assert dub.get("/protection_domains/pd")["active"] is False
    event = lon.list("/events/")[0]
    assert event["context_values"][1:] == [DUB, source]
    (link,) = lon.get("/protection_domains/pd")["replication_links"]
    assert link["last_successful_replication_snapshot_id"] == source
    assert [each["snapshot_id"] for each in lon.list("/remote_sites/dr_snapshots")] == [
        f"{LON}:{source}"
    ]


def test_later_replications_are_incremental_and_wait_their_turn(
    lon: Client, dub: Client, vm: Vm
) -> None:
    take(lon, DUB)
    second = take(lon, DUB)
    lon.lab.clock.advance(0)
    pending = lon.get("/protection_domains/pd/pending_replications/")
    assert [each["snapshot_id"] for each in pending] in ([], [second])
    lon.lab.clock.advance(11)
    assert len(snapshots(dub)) == 2


def test_a_cut_link_stops_a_replication_and_mending_it_goes_on(
    lon: Client, dub: Client, vm: Vm
) -> None:
    take(lon, DUB)
    lon.control("POST", "/link", {"site": DUB, "up": False})
    done = replications(lon)[0]["completed_bytes"]
    assert lon.get(f"/remote_sites/{DUB}")["status"] == "UNREACHABLE"
    lon.lab.clock.advance(3600)
    assert replications(lon)[0]["completed_bytes"] == done
    begin(lon, DUB)
    lon.lab.clock.advance(10)
    lon.control("POST", "/link", {"site": DUB, "up": True})
    lon.lab.clock.advance(60)
    assert len(snapshots(dub)) == 2


def test_a_replication_can_be_paused_and_aborted(lon: Client, dub: Client, vm: Vm) -> None:
    source = take(lon, DUB)
    path = f"/protection_domains/pd/replications/{replications(lon)[0]['id']}"
    lon.send("PUT", path, {"value": "pause"})
    lon.lab.clock.advance(3600)
    assert replications(lon)[0]["paused"] is True
    held = lon.ask("DELETE", f"/protection_domains/pd/dr_snapshots/{source}")
    assert held.status_code == 422
    lon.send("DELETE", path)
    assert replications(lon)[0]["aborted"] is True
    lon.lab.clock.advance(60)
    assert replications(lon) == []
    assert lon.get("/protection_domains/pd/replications/")["entities"] == []
    assert dub.ask("GET", "/protection_domains/pd").status_code == 404


def test_an_injected_abort_breaks_off_halfway(lon: Client, dub: Client, vm: Vm) -> None:
    lon.control("POST", "/faults", {"kind": "replication_aborted"})
    take(lon, DUB)
    lon.lab.clock.advance(6)
    (row,) = replications(lon)
    assert (row["aborted"], row["completed_percentage"]) == (True, 50)
    assert "aborted" in lon.list("/protection_domains/pd/events")[0]["message"]
    take(lon, DUB)
    lon.lab.clock.advance(20)
    assert len(snapshots(dub)) == 1


def test_an_unreachable_remote_is_tried_again(lon: Client, dub: Client, vm: Vm) -> None:
    lon.lab.faults.add(Fault("remote_unreachable"))
    assert lon.get(f"/remote_sites/{DUB}")["status"] == "UNREACHABLE"
    take(lon, DUB)
    lon.lab.clock.advance(30)
    assert len(lon.get("/protection_domains/pd/pending_replications")) == 1
    assert lon.get(f"/remote_sites/{DUB}")["status"] == "RELATIONSHIP_ESTABLISHED"
    lon.lab.clock.advance(60)
    assert len(snapshots(dub)) == 1


def test_a_container_that_is_not_mapped_keeps_it_pending(lon: Client, dub: Client, vm: Vm) -> None:
    site = lon.get(f"/remote_sites/{DUB}")
    lon.send("PUT", "/remote_sites", site | {"vstore_name_map": {}})
    take(lon, DUB)
    lon.lab.clock.advance(600)
    assert len(lon.get(f"/remote_sites/{DUB}/pending_replications/")) == 1
    lon.send("PUT", "/remote_sites", site)
    lon.lab.clock.advance(60)
    assert len(snapshots(dub)) == 1


def test_a_copy_outlives_its_source(lon: Client, dub: Client, vm: Vm) -> None:
    source = take(lon, DUB)
    lon.lab.clock.advance(20)
    lon.send("DELETE", f"/protection_domains/pd/dr_snapshots/{source}")
    assert snapshots(lon) == []
    (copy,) = snapshots(dub)
    dub.send("DELETE", f"/protection_domains/pd/dr_snapshots/{copy['snapshot_id']}")
    assert snapshots(dub) == []


# Restores


@pytest.mark.parametrize("returns_task", [True, False])
def test_a_copy_is_restored_on_the_cluster_that_holds_it(
    lon: Client, dub: Client, vm: Vm, returns_task: bool
) -> None:
    dub.cluster.dialect.restore_returns_task = returns_task
    source = take(lon, DUB)
    vm.disks[0].content = "tuesday"
    lon.lab.clock.advance(20)
    body = {"snapshot_id": f"{LON}:{source}", "vm_names": ["pacs"], "vm_name_prefix": "replica-"}
    answer = dub.send("POST", "/protection_domains/pd/restore_entities", body)
    pending = dub.get("/protection_domains/pd/pending_actions")
    assert [each["name"] for each in pending[0]["pending_vms_restore"]] == ["pacs"]
    dub.lab.clock.advance(10)
    (restored,) = dub.list("/vms", include_vm_disk_config="true")
    assert restored["name"] == "replica-pacs"
    assert restored["uuid"] != vm.uuid
    home = restored["vm_disk_info"][-1]["storage_container_uuid"]
    assert home in dub.cluster.containers
    assert dub.cluster.vms[restored["uuid"]].disks[0].content == "monday"
    if returns_task:
        task = dub.get(f"/tasks/{answer['task_uuid']}")
        assert task["entity_list"][0]["entity_id"] == restored["uuid"]
    else:
        assert answer == {"value": True}
        assert dub.send("POST", "/tasks/list", {"include_completed": True})["entities"] == []


def test_a_restore_in_place_keeps_the_identity(lon: Client, vm: Vm) -> None:
    source = take(lon)
    vm.disks[0].content = "tuesday"
    body = {"snapshot_id": source, "vm_uuids": [vm.uuid], "replace": True}
    lon.run("POST", "/protection_domains/pd/restore_entities", body)
    assert list(lon.cluster.vms) == [vm.uuid]
    assert lon.cluster.vms[vm.uuid].disks[0].content == "monday"


def test_a_volume_group_is_restored_beside_or_in_place(lon: Client, vm: Vm) -> None:
    group = lon.cluster.add_volume_group("EP-x", content="old", attached_to=vm.uuid)
    body = {"volumeGroupUuids": [group.uuid]}
    lon.send("POST", "/protection_domains/pd/add_entities", body, base=V1)
    source = take(lon)
    group.content = "new"
    wanted = {"snapshot_id": source, "volume_group_uuids": [group.uuid]}
    path = "/protection_domains/pd/restore_entities"
    lon.run("POST", path, {**wanted, "vg_name_prefix": "restored-"})
    (made,) = [each for each in lon.cluster.volume_groups.values() if each is not group]
    assert (made.name, made.content, made.vms) == ("restored-EP-x", "old", {})
    assert lon.ask("POST", path, {**wanted, "replace": True}).status_code == 422
    group.vms.clear()
    lon.run("POST", path, {**wanted, "replace": True})
    assert lon.cluster.volume_groups[group.uuid].content == "old"


def test_a_restore_must_say_what(lon: Client, vm: Vm) -> None:
    source, path = take(lon), "/protection_domains/pd/restore_entities"
    assert lon.ask("POST", path, {"snapshot_id": source}).status_code == 400
    assert lon.ask("POST", path, {"vm_names": ["pacs"]}).status_code == 400
    unknown = {"snapshot_id": source, "vm_names": ["nobody"]}
    assert lon.ask("POST", path, unknown).status_code == 422
    gone = {"snapshot_id": "1", "vm_names": ["pacs"]}
    assert lon.ask("POST", path, gone).status_code == 404


def test_rollback_puts_all_members_back(lon: Client, vm: Vm) -> None:
    source = take(lon)
    vm.disks[0].content = "tuesday"
    lon.send("POST", "/protection_domains/pd/rollback", {"value": source})
    lon.lab.clock.advance(10)
    assert lon.cluster.vms[vm.uuid].disks[0].content == "monday"


# Whole domains


def test_a_domain_fails_over_by_activate(lon: Client, dub: Client, vm: Vm) -> None:
    take(lon, DUB)
    lon.lab.clock.advance(20)
    dub.send("POST", "/protection_domains/pd/activate")
    dub.lab.clock.advance(10)
    assert dub.get("/protection_domains/pd")["active"] is True
    assert [each["name"] for each in dub.list("/vms")] == ["pacs"]
    lon.send("POST", "/protection_domains/pd/deactivate")
    assert lon.list("/vms") == []


def test_a_domain_migrates(lon: Client, dub: Client, vm: Vm) -> None:
    answer = lon.send("POST", "/protection_domains/pd/migrate", {"value": DUB})
    assert answer["metadata"]["count"] == 0
    lon.lab.clock.advance(60)
    assert lon.list("/vms") == []
    assert lon.get("/protection_domains/pd")["active"] is False
    (moved,) = dub.cluster.vms.values()
    assert (moved.name, moved.disks[0].content) == ("pacs", "monday")
    assert dub.get("/protection_domains/pd")["active"] is True


def test_a_domain_is_removed_when_nothing_of_it_is_left(lon: Client, vm: Vm) -> None:
    source = take(lon)
    lon.send("DELETE", "/protection_domains/pd")
    lon.lab.clock.advance(60)
    assert lon.get("/protection_domains/pd")["marked_for_removal"] is True
    assert lon.ask("POST", "/protection_domains", {"value": "pd"}).status_code == 422
    lon.send("DELETE", f"/protection_domains/pd/dr_snapshots/{source}")
    assert lon.get("/protection_domains/pd")["marked_for_removal"] is True
    lon.lab.clock.advance(5)
    assert lon.ask("GET", "/protection_domains/pd").status_code == 404
    assert vm.uuid in lon.cluster.vms


def test_a_remote_site_is_made_changed_and_deleted(lon: Client) -> None:
    site = lon.get(f"/remote_sites/{DUB}")
    assert site["status"] == "RELATIONSHIP_ESTABLISHED"
    assert site["vstore_name_map"] == {
        "SelfServiceContainer": "SelfServiceContainer",
        "default-container-77107": "storage-container-112133",
    }
    lon.send("DELETE", f"/remote_sites/{DUB}")
    assert lon.list("/remote_sites") == []
    far = {"name": "far", "remote_ip_ports": {"192.0.2.1": 2020}}
    assert lon.ask("POST", "/remote_sites", far).status_code == 422
    lon.send("POST", "/remote_sites", site)
    assert [each["name"] for each in lon.list("/remote_sites")] == [DUB]


# Many


def test_the_newest_snapshots_of_all_domains_come_first(lon: Client, vm: Vm) -> None:
    other = lon.cluster.add_vm("ris")
    lon.send("POST", "/protection_domains", {"value": "other"})
    lon.send("POST", "/protection_domains/other/protect_vms", {"uuids": [other.uuid]})
    taken = [take(lon, domain=domain) for domain in ("pd", "other", "pd", "other")]

    def listed(**query: Any) -> list[str]:
        found = lon.list("/protection_domains/dr_snapshots", **query)
        return [str(each["snapshot_id"]) for each in found]

    assert listed() == taken[::-1]
    assert listed(count=2) == taken[:1:-1]
    lon.send("DELETE", f"/protection_domains/other/dr_snapshots/{taken[3]}")
    assert listed(count=2) == [taken[2], taken[1]]
    lon.cluster.resume()
    assert listed(count=2) == [taken[2], taken[1]]


def test_a_lab_started_again_knows_who_is_protected(lon: Client, vm: Vm) -> None:
    lon.cluster.put_into.clear()
    lon.cluster.resume()
    lon.send("POST", "/protection_domains", {"value": "other"})
    answer = lon.ask("POST", "/protection_domains/other/protect_vms", {"uuids": [vm.uuid]})
    assert answer.status_code == 422
    assert lon.list("/protection_domains/unprotected_vms") == []


def test_a_domain_shows_its_members_by_their_new_names(lon: Client, vm: Vm) -> None:
    lon.run("PUT", f"/vms/{vm.uuid}", {"name": "pacs-2"})
    assert [each["vm_name"] for each in lon.get("/protection_domains/pd")["vms"]] == ["pacs-2"]
