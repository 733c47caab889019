"""The Restore dialog: what is lost, what happens, and when it is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backups.models import Backup
from portal.models import AuditEntry, Resource, Task, User
from tests.backups.pages import HTMX, failed_backup, running_backup
from tests.factories import BackupFactory
from tests.people import World

SignIn = Callable[[User], Client]


def url(backup: Backup) -> str:
    account = backup.resource.account_id
    return reverse("backups:backup_restore", args=[account, backup.pk])


@pytest.fixture
def admin(account_admin: User, sign_in: SignIn) -> Client:
    return sign_in(account_admin)


@pytest.fixture
def backup(world: World) -> Backup:
    taken = timezone.now() - timedelta(hours=3, minutes=12, seconds=5)
    made: Backup = BackupFactory(resource=world.sandbox, name="Before codecs", created_at=taken)
    return made


def restores() -> list[Task]:
    return list(Task.objects.filter(kind="restore_backup"))


def test_the_dialog_says_what_is_lost_and_starts_nothing(backup: Backup, admin: Client) -> None:
    response = admin.get(url(backup), headers=HTMX)
    text = response.content.decode()
    for part in ("Before codecs", "Manual · 45.0 GB", "Changes of the last 3 h 12 min"):
        assert part in text
    assert "replaces the current image" in text
    assert "will be powered off" in text
    assert "then powered on again" in text
    assert "<html" not in text
    assert not restores()
    assert "<html" in admin.get(url(backup)).content.decode()


def test_a_stopped_server_is_said_to_stay_so(backup: Backup, admin: Client) -> None:
    Resource.objects.update(power_state="off")
    text = admin.get(url(backup), headers=HTMX).content.decode()
    assert "is powered off, and stays so" in text
    assert "may_power_off" not in text


def test_restore_starts_one_task(backup: Backup, world: World, admin: Client) -> None:
    response = admin.post(url(backup), {"may_power_off": "yes"}, headers=HTMX)
    assert response["HX-Redirect"] == reverse("backups:sandbox_detail", args=[world.account.pk])
    (task,) = restores()
    assert task.args["copy"] == backup.external_id
    assert task.resource == world.sandbox
    assert task.is_maintenance
    assert AuditEntry.objects.get().action == "backup.restore"


def test_sending_twice_starts_one_task(backup: Backup, admin: Client) -> None:
    for status in (302, 422):
        response = admin.post(url(backup), {"may_power_off": "yes"})
        assert response.status_code == status
    assert "is busy" in response.content.decode()
    assert len(restores()) == 1


def test_a_server_started_after_the_dialog_was_read_is_not_switched_off(
    backup: Backup, admin: Client
) -> None:
    response = admin.post(url(backup), headers=HTMX)  # sent as read while it was off
    text = response.content.decode()
    assert response.status_code == 422
    assert "is running. Accept that it is powered off meanwhile." in text
    assert 'name="may_power_off" value="yes"' in text
    assert not restores()


@pytest.mark.parametrize(
    ("status", "word"),
    [("creating", "in progress"), ("failed", "failed"), ("deleting", "deleting"),
     ("deleted", "deleted"), ("canceled", "canceled")],
)  # fmt: skip
def test_only_a_complete_backup_is_restored(
    backup: Backup, admin: Client, status: str, word: str
) -> None:
    Backup.objects.update(status=status)
    for response in (admin.get(url(backup)), admin.post(url(backup), {"may_power_off": "yes"})):
        assert f"“Before codecs” cannot be restored: it is {word}." in response.content.decode()
        assert 'data-kind="danger"' not in response.content.decode()
    assert response.status_code == 422
    assert not restores()


def test_a_busy_server_is_refused_with_its_task(
    backup: Backup, world: World, admin: Client
) -> None:
    busy = running_backup(world.sandbox)
    response = admin.post(url(backup), {"may_power_off": "yes"}, headers=HTMX)
    assert response.status_code == 422
    assert "Under way” is under way" in response.content.decode()
    assert f"/tasks/{busy.task_id}/" in response.content.decode()
    assert not restores()


def test_a_missing_machine_is_refused(backup: Backup, admin: Client) -> None:
    Resource.objects.update(is_missing=True)
    assert admin.post(url(backup), {"may_power_off": "yes"}).status_code == 422
    assert not restores()


def test_a_failed_backup_is_refused(world: World, admin: Client) -> None:
    assert admin.post(url(failed_backup(world.sandbox))).status_code == 422
    assert not restores()


def test_a_backup_of_another_account_is_404(world: World, elsewhere: World, admin: Client) -> None:
    foreign = BackupFactory(resource=elsewhere.sandbox)
    forged = reverse("backups:backup_restore", args=[world.account.pk, foreign.pk])
    assert admin.get(forged).status_code == 404
    assert admin.post(forged, {"may_power_off": "yes"}).status_code == 404
    assert not restores()


@pytest.mark.parametrize(("person", "status"), [("support", 403), ("auditor", 403),
                                                ("stranger", 404), ("neighbour", 404)])  # fmt: skip
def test_others_are_refused(
    backup: Backup, person: str, status: int, request: pytest.FixtureRequest, sign_in: SignIn
) -> None:
    client = sign_in(request.getfixturevalue(person))
    assert client.get(url(backup)).status_code == status
    assert client.post(url(backup), {"may_power_off": "yes"}).status_code == status
    assert not restores()


def test_other_methods_are_405(backup: Backup, admin: Client) -> None:
    for method in ("put", "patch", "delete"):
        assert getattr(admin, method)(url(backup)).status_code == 405
