"""Delete of a volume's backup: exactly what goes, what stays, and when it is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from backups.models import Backup
from portal.models import Account, AuditEntry, Infrastructure, Resource, Task, User
from tests.factories import BackupFactory
from tests.people import World
from tests.volumes.backup_pages import (
    DESKTOP,
    HTMX,
    KINDS,
    PROFILE,
    a_volume,
    failed,
    missed,
    under_way,
)

SignIn = Callable[[User], Client]
DOMAIN = "standby-3f2a"


def url(backup: Backup) -> str:
    return reverse("volumes:volume_backup_delete", args=[backup.account_id, backup.pk])


@pytest.fixture
def admin(account_admin: User, sign_in: SignIn) -> Client:
    return sign_in(account_admin)


def _backup(world: World, kind: str = PROFILE) -> Backup:
    made: Backup = BackupFactory(
        resource=a_volume(world.account, kind), name="Before codecs", external_id=f"{DOMAIN}/7041"
    )
    return made


def deletions() -> list[Task]:
    return list(Task.objects.filter(kind="delete_volume_backup"))


@pytest.mark.parametrize("kind", KINDS)
def test_on_ahv_the_snapshot_goes_and_the_protection_domain_stays(
    world: World, admin: Client, kind: str
) -> None:
    backup = _backup(world, kind)
    text = admin.get(url(backup), headers=HTMX).text
    for part in (
        "Delete Before codecs?", f"{Resource.Kind(kind).label} of sofia.lindqvist",
        f"Snapshot 7041 of the protection domain {DOMAIN} · {backup.site}",
        "The protection domain of EP-sofia stays, also when this is its last backup.",
        "The volume itself and its other backups are not affected.", "Manual 1 of 10",
    ):  # fmt: skip
        assert part in text
    assert "Incremental" not in text
    assert not deletions()
    backup.refresh_from_db()
    assert backup.is_ready


@pytest.mark.parametrize(("kind", "disk"), [(PROFILE, "disk"), (DESKTOP, "OS disk")])
def test_on_azure_the_incremental_snapshot_goes(
    world: World, admin: Client, kind: str, disk: str
) -> None:
    Account.objects.update(infrastructure=Infrastructure.AZURE)
    backup = _backup(world, kind)
    assert backup.task
    text = admin.get(url(backup), headers=HTMX).text
    assert f"Incremental snapshot of the {disk}, standby-{backup.task.token}" in text
    assert "protection domain" not in text
    assert "The volume itself and its other backups are not affected." in text


def test_delete_starts_one_task_and_the_row_shows_it(world: World, admin: Client) -> None:
    backup = _backup(world)
    page = admin.post(url(backup), follow=True).text
    (task,) = deletions()
    assert (task.args["copy"], task.args["kind"]) == (backup.external_id, PROFILE)
    assert not task.is_maintenance
    backup.refresh_from_db()
    assert backup.status == Backup.Status.DELETING
    assert "Deletion of “Before codecs” requested." in page
    assert f'data-live="volume_backup:{backup.pk}"' in page
    assert page.count("every 2s") == 1
    assert AuditEntry.objects.get().action == "backup.delete"


def test_sending_twice_starts_one_task(world: World, admin: Client) -> None:
    backup = _backup(world)
    for status in (302, 422):
        response = admin.post(url(backup))
        assert response.status_code == status
    assert "cannot be deleted: it is deleting." in response.text
    assert len(deletions()) == 1


def test_of_a_failed_one_the_entry_goes_by_a_task_that_looks(world: World, admin: Client) -> None:
    backup = failed(a_volume(world.account))
    assert "nothing was kept at the cloud" in admin.get(url(backup), headers=HTMX).text
    admin.post(url(backup))
    (task,) = deletions()
    assert task.args["status_before"] == "failed"


def test_what_was_missed_is_off_the_list_at_once(world: World, admin: Client) -> None:
    backup = missed(a_volume(world.account), name="Night")
    page = admin.post(url(backup), follow=True).text
    backup.refresh_from_db()
    assert backup.status == Backup.Status.DELETED
    assert "“Night” is off the list." in page
    assert not Task.objects.exists()
    assert AuditEntry.objects.get().action == "backup.delete"


@pytest.mark.parametrize("status", ["creating", "deleting", "deleted", "canceled"])
def test_a_stale_page_is_told_what_became_of_it(world: World, admin: Client, status: str) -> None:
    backup = _backup(world)
    Backup.objects.update(status=status)
    for response in (admin.get(url(backup)), admin.post(url(backup))):
        assert "“Before codecs” cannot be deleted: it is" in response.text
        assert 'data-kind="danger"' not in response.text
    assert response.status_code == 422
    assert not deletions()


def test_of_a_busy_volume_it_is_refused_with_the_task(world: World, admin: Client) -> None:
    backup = _backup(world)
    task = under_way(backup.resource)
    assert str(task) in admin.get(url(backup), headers=HTMX).text
    assert admin.post(url(backup), headers=HTMX).status_code == 422
    assert not deletions()


def test_a_session_or_a_missing_volume_is_no_hindrance(world: World, admin: Client) -> None:
    backup = _backup(world)
    Resource.objects.filter(pk=backup.resource_id).update(attached_to="w-17", is_missing=True)
    assert admin.post(url(backup)).status_code == 302
    assert deletions()


def test_of_servers_and_of_other_accounts_it_is_404(
    world: World, elsewhere: World, admin: Client
) -> None:
    foreign = _backup(elsewhere)
    for backup in (foreign, BackupFactory(resource=world.sandbox)):
        forged = reverse("volumes:volume_backup_delete", args=[world.account.pk, backup.pk])
        assert admin.get(forged).status_code == 404
        assert admin.post(forged).status_code == 404
    assert not deletions()


def test_customer_support_deletes_backups_of_volumes(
    world: World, support: User, sign_in: SignIn
) -> None:
    assert sign_in(support).post(url(_backup(world))).status_code == 302
    assert deletions()


@pytest.mark.parametrize(("person", "status"), [("auditor", 403), ("stranger", 404),
                                                ("neighbour", 404)])  # fmt: skip
def test_others_are_refused(
    world: World, person: str, status: int, request: pytest.FixtureRequest, sign_in: SignIn
) -> None:
    backup = _backup(world)
    client = sign_in(request.getfixturevalue(person))
    assert client.get(url(backup)).status_code == status
    assert client.post(url(backup)).status_code == status
    assert not deletions()


def test_other_methods_are_405(world: World, admin: Client) -> None:
    address = url(_backup(world))
    for method in ("put", "patch", "delete"):
        assert getattr(admin, method)(address).status_code == 405
