"""What services refuse, and that a refusal changes nothing."""

from __future__ import annotations

import pytest

from backups import services
from backups.models import Backup
from portal.audit import SYSTEM
from portal.engine import Busy
from portal.models import AuditEntry, Resource, Task
from portal.refusals import Refused
from tests.backups.pages import running_backup
from tests.factories import BackupFactory, ResourceFactory
from tests.people import World


@pytest.fixture
def backup(world: World) -> Backup:
    made: Backup = BackupFactory(resource=world.sandbox)
    return made


@pytest.mark.parametrize("power", ["on", "unknown", ""])
def test_without_consent_only_a_server_known_to_be_off_is_touched(
    backup: Backup, power: str
) -> None:
    backup.resource.power_state = power
    tasks = Task.objects.count()
    with pytest.raises(services.PowerOffNotAccepted):
        services.create_backup(SYSTEM, backup.resource, name="Quiet", may_power_off=False)
    with pytest.raises(services.PowerOffNotAccepted):
        services.restore_backup(SYSTEM, backup, may_power_off=False)
    assert Task.objects.count() == tasks
    assert not AuditEntry.objects.exists()
    backup.resource.power_state = "off"
    services.restore_backup(SYSTEM, backup, may_power_off=False)
    assert Task.objects.count() == tasks + 1


def test_a_busy_server_names_its_task(backup: Backup, world: World) -> None:
    running = running_backup(world.sandbox)
    for start in (
        lambda: services.create_backup(SYSTEM, world.sandbox, name="No", may_power_off=True),
        lambda: services.restore_backup(SYSTEM, backup),
        lambda: services.delete_backup(SYSTEM, backup),
    ):
        with pytest.raises(Busy) as caught:
            start()
        assert caught.value.task == running.task
    backup.refresh_from_db()
    assert backup.status == Backup.Status.READY
    assert not AuditEntry.objects.exists()


def test_a_deletion_that_somebody_else_began_is_not_begun_again(backup: Backup) -> None:
    stale = Backup.objects.get(pk=backup.pk)
    Backup.objects.update(status=Backup.Status.DELETED)
    with pytest.raises(Refused, match="changed meanwhile"):
        services.delete_backup(SYSTEM, stale)
    assert not Task.objects.filter(kind="delete_backup").exists()


def test_a_volume_is_no_server(world: World) -> None:
    volume = ResourceFactory(
        account=world.account, kind=Resource.Kind.PERSONAL_DRIVE, user_name="ann"
    )
    with pytest.raises(Refused, match="not a server"):
        services.create_backup(SYSTEM, volume, name="No", may_power_off=True)
