"""Disks that a restore makes: size, tags, place; and what it does to a machine that is stopped."""

from __future__ import annotations

import pytest

from portal.clouds.api import Cloud, CloudBusy, CloudRefused, PowerState
from portal.clouds.azure.driver import AzureCloud
from portal.lab.azure.model import Disk
from tests.contract.azure_site import AzureSite
from tests.contract.carrying import MARK, carry


def _disk(site: AzureSite, server: str) -> Disk:
    return site.cloud.disks[site.cloud.vms[server].os_disk.disk_id.lower()]


def _backed(site: AzureSite, azure: AzureCloud) -> tuple[str, str]:
    server = site.add_server(["system"])
    copy = carry(site, azure, lambda cloud: cloud.ensure_copy(server, "copy", MARK))
    return server, copy.id


def _restore(site: AzureSite, cloud: Cloud, server: str, copy: str) -> None:
    carry(site, cloud, lambda cloud: cloud.ensure_undo(server, "undo", MARK))
    carry(site, cloud, lambda cloud: cloud.ensure_restored(server, copy, "undo"))


def test_a_copy_carries_our_mark(azure: AzureCloud, site: AzureSite) -> None:
    _, copy = _backed(site, azure)
    assert site.cloud.snapshots[copy].tags == {
        "standby": "v1", "standby-token": "copy", "standby-account": "account-1",
        "standby-resource": "resource-1", "standby-backup": "backup-1",
        "standby-task": "task-1", "standby-type": "M",
    }  # fmt: skip


def test_the_new_disk_is_like_the_old_one(azure: AzureCloud, site: AzureSite) -> None:
    server, copy = _backed(site, azure)
    old = _disk(site, server)
    old.sku, old.zones = "StandardSSD_LRS", ["2"]
    old.tags = {"owner": "pathology", "standby-owner": "theirs"}
    site.cloud.vms[server].zones = ["2"]
    _restore(site, azure, server, copy)
    new = _disk(site, server)
    assert new.name == "standby-os-undo"
    assert (new.sku, new.zones, new.size_gb) == (old.sku, old.zones, old.size_gb)
    assert new.tags == {"owner": "pathology", "standby-owner": "theirs"}
    carry(site, azure, lambda cloud: cloud.ensure_no_undo("undo"))
    assert _disk(site, server).tags == new.tags


def test_a_disk_that_was_enlarged_stays_as_large(azure: AzureCloud, site: AzureSite) -> None:
    server, copy = _backed(site, azure)
    _disk(site, server).size_gb = 80
    _restore(site, azure, server, copy)
    assert _disk(site, server).size_gb == 80
    assert site.contents(server) == ["system"]


def test_a_disk_too_small_for_the_backup_is_refused(azure: AzureCloud, site: AzureSite) -> None:
    server, copy = _backed(site, azure)
    _disk(site, server).size_gb = 32
    with pytest.raises(CloudRefused, match="40 GiB") as caught:
        _restore(site, azure, server, copy)
    assert "Enlarge the disk" in caught.value.advice


def test_a_machine_that_is_stopped_counts_as_off_and_is_freed_for_a_restore(
    azure: AzureCloud, site: AzureSite
) -> None:
    server, copy = _backed(site, azure)
    site.cloud.vms[server].power = "stopped"
    assert azure.server(server).power == PowerState.OFF
    assert azure.ensure_off(server) is None
    _restore(site, azure, server, copy)
    assert site.cloud.vms[server].power == "deallocated"


def test_an_old_disk_is_kept_while_nothing_holds_the_new_one(
    azure: AzureCloud, site: AzureSite
) -> None:
    server, copy = _backed(site, azure)
    _restore(site, azure, server, copy)
    _disk(site, server).managed_by = ""
    with pytest.raises(CloudRefused, match="is kept") as caught:
        carry(site, azure, lambda cloud: cloud.ensure_no_undo("undo"))
    assert caught.value.advice
    assert len(site.cloud.disks) == 2


def test_a_name_that_another_has_taken_is_left_alone(azure: AzureCloud, site: AzureSite) -> None:
    server, copy = _backed(site, azure)
    site.cloud.snapshots[copy].tags.clear()
    with pytest.raises(CloudRefused, match="taken"):
        azure.ensure_copy(server, "copy", MARK)
    with pytest.raises(CloudRefused, match="not made by"):
        azure.ensure_no_copy("copy", copy)


def test_a_copy_that_somebody_is_just_changing_is_waited_for(
    azure: AzureCloud, site: AzureSite
) -> None:
    _, copy = _backed(site, azure)
    site.cloud.snapshots[copy].provisioning = "Updating"
    with pytest.raises(CloudBusy):
        azure.find_copy(copy)
    site.cloud.snapshots[copy].provisioning = "Failed"
    with pytest.raises(CloudRefused):
        azure.find_copy(copy)
