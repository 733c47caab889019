"""Clones of ours among other people's machines, and servers whose disks changed since."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from portal.clouds.ahv.driver import AhvCloud
from portal.clouds.api import Cloud, CloudRefused, Connection, Copy, Mark, Operation
from portal.lab import Lab, LabServer
from tests.contract.carrying import carry, wait
from tests.contract.sites import CLUSTER, GIB, PrismSite

MARK = Mark("account-1", "resource-1", "backup-1", "tok", "M")


@pytest.fixture
def site(lab: Lab, lab_server: LabServer) -> Iterator[PrismSite]:
    yield PrismSite(lab, lab_server, iter(range(1, 99)))
    lab.clusters[CLUSTER].dialect.honours_clone_uuid = True


@pytest.fixture
def cloud(site: PrismSite) -> Iterator[AhvCloud]:
    cloud = AhvCloud(site.connection)
    yield cloud
    cloud.close()


def vms(site: PrismSite) -> dict[str, Any]:
    return site.lab.clusters[CLUSTER].vms


def add_vm(site: PrismSite, name: str, **fields: Any) -> str:
    vm = site.lab.clusters[CLUSTER].add_vm(name, power="off", size_bytes=GIB, content="x", **fields)
    return str(vm.uuid)


def copy(site: PrismSite, cloud: Cloud, server: str) -> Copy:
    return carry(site, cloud, lambda cloud: cloud.ensure_copy(server, "tok", MARK))


def restore(site: PrismSite, cloud: Cloud, server: str, made: Copy) -> None:
    carry(site, cloud, lambda cloud: cloud.ensure_undo(server, "tok", MARK))
    carry(site, cloud, lambda cloud: cloud.ensure_restored(server, made.id, "tok"))


def test_a_copy_is_marked_above_the_text_it_inherits(site: PrismSite, cloud: AhvCloud) -> None:
    server = add_vm(site, "server", description="Runs the wards.\nAsk Sofia.")
    made = copy(site, cloud, server)
    assert vms(site)[made.id].description == f"{MARK.text()}\nRuns the wards.\nAsk Sofia."
    assert vms(site)[server].description == "Runs the wards.\nAsk Sofia."


def test_a_copy_of_a_server_that_was_a_copy_has_its_own_mark(
    site: PrismSite, cloud: AhvCloud
) -> None:
    older = Mark("account-0", "resource-0", "backup-0", "older", "P").text()
    server = add_vm(site, "restored by hand", description=f"{older}\nRuns the wards.")
    made = copy(site, cloud, server)
    assert vms(site)[made.id].description == f"{MARK.text()}\nRuns the wards."
    assert [found.id for found in cloud.inventory().servers] == [server]


def test_a_copy_renamed_by_hand_is_still_ours(site: PrismSite, cloud: AhvCloud) -> None:
    server = add_vm(site, "server")
    made = copy(site, cloud, server)
    vms(site)[made.id].name = "keep this"
    assert copy(site, cloud, server).id == made.id
    carry(site, cloud, lambda cloud: cloud.ensure_no_copy("tok"))
    assert set(vms(site)) == {server}


def test_somebody_elses_clone_of_the_same_name_is_left_alone(
    site: PrismSite, cloud: AhvCloud
) -> None:
    server = add_vm(site, "server")
    made = copy(site, cloud, server)
    theirs = add_vm(site, "standby-tok")
    assert copy(site, cloud, server).id == made.id
    carry(site, cloud, lambda cloud: cloud.ensure_no_copy("tok", made.id))
    assert set(vms(site)) == {server, theirs}


def test_a_copy_doubled_by_a_late_request_is_one_again(site: PrismSite, cloud: AhvCloud) -> None:
    site.lab.clusters[CLUSTER].dialect.honours_clone_uuid = False
    server = add_vm(site, "server")
    made = copy(site, cloud, server)
    add_vm(site, "standby-tok")
    assert copy(site, cloud, server).id == made.id
    assert set(vms(site)) == {server, made.id}


def test_a_copy_that_is_not_whole_is_refused(site: PrismSite, cloud: AhvCloud) -> None:
    server = site.add_server(["one", "two"])
    begun = cloud.ensure_copy(server, "tok", MARK)
    assert isinstance(begun, Operation)
    wait(site, cloud, begun)
    made = next(vm for uuid, vm in vms(site).items() if uuid != server)
    made.disks.pop()
    with pytest.raises(CloudRefused, match="not complete"):
        cloud.ensure_copy(server, "tok", MARK)


def test_a_restore_takes_away_a_disk_added_since_and_its_undo_brings_it_back(
    site: PrismSite, cloud: AhvCloud
) -> None:
    server = site.add_server(["one"])
    made = copy(site, cloud, server)
    larger = site.add_server(["new one", "added"])
    vms(site)[server].disks = vms(site).pop(larger).disks
    restore(site, cloud, server, made)
    assert site.contents(server) == ["one"]
    carry(site, cloud, lambda cloud: cloud.ensure_undone(server, "tok"))
    assert site.contents(server) == ["new one", "added"]


def test_a_restore_brings_back_a_disk_removed_since_and_its_undo_takes_it_away(
    site: PrismSite, cloud: AhvCloud
) -> None:
    server = site.add_server(["one", "two"])
    made = copy(site, cloud, server)
    vms(site)[server].disks.pop()
    site.write(server, ["new one"])
    restore(site, cloud, server, made)
    assert site.contents(server) == ["one", "two"]
    assert cloud.ensure_undo(server, "tok", MARK) is None
    carry(site, cloud, lambda cloud: cloud.ensure_undone(server, "tok"))
    assert site.contents(server) == ["new one"]


def test_a_disk_changed_after_it_was_set_aside_is_not_replaced(
    site: PrismSite, cloud: AhvCloud
) -> None:
    server = site.add_server(["one"])
    made = copy(site, cloud, server)
    carry(site, cloud, lambda cloud: cloud.ensure_undo(server, "tok", MARK))
    vms(site)[server].disks[0].size_bytes *= 2
    with pytest.raises(CloudRefused, match="changed"):
        cloud.ensure_restored(server, made.id, "tok")
    assert site.contents(server) == ["one"]


def test_a_session_the_cluster_forgot_is_renewed(site: PrismSite, cloud: AhvCloud) -> None:
    cloud.identify()
    site.advance(3600)
    assert cloud.inventory().servers == ()


def test_the_driver_satisfies_the_protocol(site: PrismSite) -> None:
    connection: Connection = site.connection
    cloud: Cloud = AhvCloud(connection)
    cloud.close()
