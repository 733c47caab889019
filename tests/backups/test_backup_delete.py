"""The Delete dialog: what goes, where, and when it is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from backups.models import Backup
from portal.models import Account, AuditEntry, Infrastructure, Resource, Task, User
from tests.backups.pages import HTMX, failed_backup, running_backup
from tests.factories import BackupFactory
from tests.people import World

SignIn = Callable[[User], Client]


def url(backup: Backup) -> str:
    return reverse("backups:backup_delete", args=[backup.resource.account_id, backup.pk])


@pytest.fixture
def admin(account_admin: User, sign_in: SignIn) -> Client:
    return sign_in(account_admin)


@pytest.fixture
def backup(world: World) -> Backup:
    made: Backup = BackupFactory(resource=world.sandbox, name="Before codecs")
    return made


def deletions() -> list[Task]:
    return list(Task.objects.filter(kind="delete_backup"))


def test_the_dialog_lists_what_goes_and_deletes_nothing(
    backup: Backup, world: World, admin: Client
) -> None:
    text = admin.get(url(backup), headers=HTMX).content.decode()
    assert backup.task
    for part in ("Delete “Before codecs”?", f"the VM standby-{backup.task.token}", "45.0 GB"):
        assert part in text
    assert f"on {world.account.site}" in text
    assert "On Nutanix AHV" in text
    assert not deletions()
    backup.refresh_from_db()
    assert backup.status == Backup.Status.READY


def test_the_list_differs_on_azure(backup: Backup, admin: Client) -> None:
    Account.objects.update(infrastructure=Infrastructure.AZURE)
    text = admin.get(url(backup), headers=HTMX).content.decode()
    assert "Incremental snapshot of the OS disk" in text
    assert "the VM standby" not in text


def test_of_a_failed_backup_only_the_entry_is_promised_to_go(world: World, admin: Client) -> None:
    text = admin.get(url(failed_backup(world.sandbox))).content.decode()
    assert "nothing of it is known to be at the cloud" in text


def test_delete_starts_one_task(backup: Backup, admin: Client) -> None:
    response = admin.post(url(backup), headers=HTMX)
    assert response["HX-Redirect"]
    (task,) = deletions()
    assert task.args["copy"] == backup.external_id
    assert not task.is_maintenance
    backup.refresh_from_db()
    assert backup.status == Backup.Status.DELETING
    assert AuditEntry.objects.get().action == "backup.delete"


def test_the_row_shows_the_deletion_under_way(backup: Backup, world: World, admin: Client) -> None:
    text = admin.post(url(backup), follow=True).content.decode()
    assert "Deletion of “Before codecs” requested." in text
    assert "every 2s" in text
    assert "Maintenance mode" not in text


def test_sending_twice_starts_one_task(backup: Backup, admin: Client) -> None:
    for status in (302, 422):
        response = admin.post(url(backup))
        assert response.status_code == status
    assert "cannot be deleted: it is deleting." in response.content.decode()
    assert len(deletions()) == 1


@pytest.mark.parametrize("status", ["creating", "deleting", "deleted", "canceled"])
def test_a_stale_page_is_told_what_became_of_it(backup: Backup, admin: Client, status: str) -> None:
    Backup.objects.update(status=status)
    for response in (admin.get(url(backup)), admin.post(url(backup))):
        assert "“Before codecs” cannot be deleted: it is" in response.content.decode()
    assert response.status_code == 422
    assert not deletions()


def test_a_busy_server_is_refused_with_its_task(
    backup: Backup, world: World, admin: Client
) -> None:
    busy = running_backup(world.sandbox)
    response = admin.post(url(backup), headers=HTMX)
    assert response.status_code == 422
    assert f"/tasks/{busy.task_id}/" in response.content.decode()
    assert not deletions()


def test_a_backup_of_a_missing_machine_can_go(backup: Backup, admin: Client) -> None:
    Resource.objects.update(is_missing=True)
    admin.post(url(backup))
    assert len(deletions()) == 1


def test_a_backup_of_another_account_is_404(world: World, elsewhere: World, admin: Client) -> None:
    foreign = BackupFactory(resource=elsewhere.sandbox)
    forged = reverse("backups:backup_delete", args=[world.account.pk, foreign.pk])
    assert admin.get(forged).status_code == 404
    assert admin.post(forged).status_code == 404
    assert not deletions()


@pytest.mark.parametrize(("person", "status"), [("support", 403), ("auditor", 403),
                                                ("stranger", 404), ("neighbour", 404)])  # fmt: skip
def test_others_are_refused(
    backup: Backup, person: str, status: int, request: pytest.FixtureRequest, sign_in: SignIn
) -> None:
    client = sign_in(request.getfixturevalue(person))
    assert client.get(url(backup)).status_code == status
    assert client.post(url(backup)).status_code == status
    assert not deletions()


def test_other_methods_are_405(backup: Backup, admin: Client) -> None:
    for method in ("put", "patch", "delete"):
        assert getattr(admin, method)(url(backup)).status_code == 405
