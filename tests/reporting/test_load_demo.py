"""The demo is loaded by really running tasks, and only once."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from backups.models import Backup, VolumePolicy
from portal.lab import Lab as LabState
from portal.lab import LabServer
from portal.models import Account, AuditEntry, CloudAccount, Resource, Task, User
from reporting import demo

GIB = 2**30


@pytest.fixture
def demo_lab(lab: LabState, lab_server: LabServer) -> demo.Lab:
    """A lab with the demo's machines, whose guests go off at once."""
    for name in ("research-vdi-sandbox", "util-matlab-01", "util-license-02"):
        lab.azure.add_vm(name, size_gb=1, shutdown_seconds=1)
    for name in ("radiology-pacs-sandbox", "util-dicom-01", "util-license-01", "util-files-01"):
        lab.clusters["ahv-lon-01"].add_vm(
            name, power="on", size_bytes=GIB, content=name, guest_shutdown_seconds=1
        )
    _add_volumes(lab)
    return demo.Lab(dict(lab_server.urls), lab_server.ca_path)


def _add_volumes(lab: LabState) -> None:
    cluster, of = lab.clusters["ahv-lon-01"], " user=somebody@meridian.example"
    cluster.add_vm("pd-0388", size_bytes=GIB, description=f"frame: kind=persistent-desktop{of}")
    cluster.add_vm("pd-0446", size_bytes=GIB, description="frame: kind=persistent-desktop")
    for name, kind in (("EP-s.lindqvist", "enterprise-profile"), ("PDR-a.nwosu", "personal-drive")):
        cluster.add_volume_group(name, size_bytes=GIB, description=f"frame: kind={kind}{of}")
    user = {"frame-user": "somebody@meridian.example"}
    lab.azure.add_vm("pd-1102", size_gb=1, tags={"frame-kind": "persistent-desktop"} | user)
    lab.azure.add_disk("EP-i.moreau", size_gb=1, tags={"frame-kind": "enterprise-profile"} | user)


@pytest.mark.usefixtures("db")
@override_settings(ENGINE_POLL_SECONDS=0.05)
def test_the_demo_is_made_by_tasks_and_loading_it_again_changes_nothing(
    demo_lab: demo.Lab,
) -> None:
    said: list[str] = []
    demo.load(demo_lab, said.append)
    account = Account.objects.get(name="Radiology PACS")
    assert account.cloud_account is not None
    assert account.cloud_account.health == CloudAccount.Health.REACHABLE
    assert account.resources.filter(kind=Resource.Kind.SANDBOX).count() == 1
    assert account.resources.filter(kind=Resource.Kind.UTILITY_SERVER).count() == 3
    volumes = account.resources.volumes().values_list("name", "last_backup_status")
    assert dict(volumes) == {"EP-s.lindqvist": "ready", "PDR-a.nwosu": "", "pd-0388": "ready"}
    assert VolumePolicy.objects.filter(account=account, is_scheduled=True).count() == 3
    research = Account.objects.get(name="Research VDI")
    assert research.resources.exclude(kind__in=Resource.VOLUME_KINDS).count() == 3
    volumes = research.resources.volumes().values_list("name", "last_backup_status")
    assert dict(volumes) == {"EP-i.moreau": "ready", "pd-1102": "ready"}
    assert {server.site for server in research.cloud_account.servers.all()} == {research.site}  # type: ignore[union-attr]
    servers = Backup.objects.exclude(kind__in=Resource.VOLUME_KINDS)
    crash_consistent = servers.filter(is_crash_consistent=True)
    assert [backup.name for backup in crash_consistent] == ["While it computed"]
    assert set(Backup.objects.values_list("status", flat=True)) == {Backup.Status.READY}
    assert set(Task.objects.values_list("state", flat=True)) == {Task.State.DONE}
    for backup in Backup.objects.select_related("task__requested_by", "resource__account"):
        assert backup.task
        assert backup.task.requested_by
        assert backup.resource.account in Account.objects.visible_to(backup.task.requested_by)
    person = User.objects.get(email="org-admin@meridian.example")
    assert person.check_password(demo.PASSWORD)

    before = [Task.objects.count(), User.objects.count(), AuditEntry.objects.count()]
    demo.load(demo_lab, said.append)
    assert [Task.objects.count(), User.objects.count(), AuditEntry.objects.count()] == before


@override_settings(DEMO=False)
def test_it_is_refused_where_the_demo_was_not_asked_for() -> None:
    with pytest.raises(CommandError, match="STANDBY_DEMO"):
        call_command("load_demo")
