"""Restore of a volume: what is lost, what happens, and when it is refused (R077, R078, R080)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backups.models import Backup
from portal.models import AuditEntry, Resource, Task, User
from tests.factories import BackupFactory
from tests.people import World
from tests.volumes.backup_pages import (
    DESKTOP,
    DRIVE,
    HTMX,
    KINDS,
    PROFILE,
    a_volume,
    failed,
    missed,
    under_way,
)

SignIn = Callable[[User], Client]


def url(backup: Backup) -> str:
    return reverse("volumes:volume_backup_restore", args=[backup.account_id, backup.pk])


@pytest.fixture
def admin(account_admin: User, sign_in: SignIn) -> Client:
    return sign_in(account_admin)


def _backup(world: World, kind: str = PROFILE, **facts: object) -> Backup:
    taken = timezone.now() - timedelta(hours=3, minutes=12, seconds=5)
    volume = a_volume(world.account, kind, **facts)
    made: Backup = BackupFactory(resource=volume, name="Before codecs", created_at=taken)
    return made


def restores() -> list[Task]:
    return list(Task.objects.filter(kind="restore_volume_backup"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_dialog_tells_what_is_lost_with_the_age_and_starts_nothing(
    world: World, admin: Client, kind: str
) -> None:
    backup = _backup(world, kind)
    text = admin.get(url(backup), headers=HTMX).text
    for part in (
        "Restore EP-sofia?", "Before codecs", "Manual · 45.0 GB", "of sofia.lindqvist",
        "Changes of the last 3 h 12 min will be lost", "is overwritten with the backup",
        "This cannot be undone", "maintenance mode",
    ):  # fmt: skip
        assert part in text
    assert Resource.Kind(kind).label in text
    assert "<html" not in text
    assert "<html" in admin.get(url(backup)).text
    assert not restores()


@pytest.mark.parametrize(("power", "said"), [("on", "is running"), ("", "may be running")])
def test_of_a_desktop_the_power_off_is_said_and_agreed_to(
    world: World, admin: Client, power: str, said: str
) -> None:
    backup = _backup(world, DESKTOP, power_state=power)
    text = admin.get(url(backup), headers=HTMX).text
    assert f"EP-sofia {said} and will be powered off" in text
    assert 'name="may_power_off" value="yes"' in text
    refused = admin.post(url(backup), headers=HTMX)  # sent by who has not read it
    assert refused.status_code == 422
    assert "Accept that it is powered off meanwhile." in refused.text
    assert 'data-kind="danger"' in refused.text, "it can be made good there"
    assert not restores()
    admin.post(url(backup), {"may_power_off": "yes"}, headers=HTMX)
    (task,) = restores()
    assert task.args["may_power_off"] is True


def test_a_stopped_desktop_is_said_to_stay_so(world: World, admin: Client) -> None:
    backup = _backup(world, DESKTOP, power_state="off")
    text = admin.get(url(backup), headers=HTMX).text
    assert "is powered off, and stays so" in text
    assert "may_power_off" not in text
    assert admin.post(url(backup), headers=HTMX)["HX-Redirect"]
    (task,) = restores()
    assert task.args["may_power_off"] is False


@pytest.mark.parametrize("kind", [PROFILE, DRIVE])
def test_a_profile_or_drive_asks_for_no_power_off(world: World, admin: Client, kind: str) -> None:
    backup = _backup(world, kind)
    text = admin.get(url(backup), headers=HTMX).text
    assert "sofia.lindqvist cannot use it meanwhile" in text
    assert "powered off" not in text
    assert admin.post(url(backup), headers=HTMX)["HX-Redirect"]
    assert restores()


def test_restore_starts_one_task_and_says_where_it_is(world: World, admin: Client) -> None:
    backup = _backup(world)
    page = admin.post(url(backup), follow=True).text
    (task,) = restores()
    assert (task.resource, task.subject) == (backup.resource, "Before codecs")
    assert task.args["copy"] == backup.external_id
    assert task.is_maintenance
    assert "Restore of “Before codecs” requested." in page
    assert reverse("reporting:task_detail", args=[world.account.pk, task.pk]) in page
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.result) == ("backup.restore", "requested")


def test_sending_twice_starts_one_task(world: World, admin: Client) -> None:
    backup = _backup(world)
    for status in (302, 422):
        response = admin.post(url(backup))
        assert response.status_code == status
    assert "is busy" in response.text
    assert len(restores()) == 1


def test_a_volume_in_a_session_is_refused_with_its_user_and_machine(
    world: World, admin: Client
) -> None:
    backup = _backup(world, attached_to="frame-worker-17")
    told = admin.get(url(backup), headers=HTMX).text
    refused = admin.post(url(backup), {"may_power_off": "yes"}, headers=HTMX)
    assert refused.status_code == 422
    for text in (told, refused.text):
        assert "EP-sofia is attached to frame-worker-17: sofia.lindqvist is in a session." in text
        assert "Restore it when the session has ended." in text
        assert 'data-kind="danger"' not in text
    assert not restores()
    assert not Task.objects.active().exists()


def test_attached_between_the_dialog_and_confirm_is_refused(world: World, admin: Client) -> None:
    backup = _backup(world)
    assert 'data-kind="danger"' in admin.get(url(backup), headers=HTMX).text
    Resource.objects.filter(pk=backup.resource_id).update(attached_to="frame-worker-17")
    refused = admin.post(url(backup), headers=HTMX)
    assert refused.status_code == 422
    assert "sofia.lindqvist is in a session" in refused.text
    assert not restores()


def test_a_busy_volume_is_refused_with_its_task(world: World, admin: Client) -> None:
    backup = _backup(world)
    task = under_way(backup.resource)
    told = admin.get(url(backup), headers=HTMX).text
    assert str(task) in told
    assert "Try again when it has ended." in told
    assert 'data-kind="danger"' not in told
    assert admin.post(url(backup), headers=HTMX).status_code == 422
    assert not restores()


def test_a_volume_that_is_gone_at_the_cloud_is_refused(world: World, admin: Client) -> None:
    backup = _backup(world, is_missing=True)
    assert "is no longer at" in admin.get(url(backup), headers=HTMX).text
    assert admin.post(url(backup)).status_code == 422
    assert not restores()


@pytest.mark.parametrize(
    ("status", "word"),
    [("creating", "in progress"), ("failed", "failed"), ("missed", "missed"),
     ("deleting", "deleting"), ("deleted", "deleted"), ("canceled", "canceled")],
)  # fmt: skip
def test_only_a_complete_backup_is_restored(
    world: World, admin: Client, status: str, word: str
) -> None:
    backup = _backup(world)
    Backup.objects.update(status=status)
    for response in (admin.get(url(backup)), admin.post(url(backup))):
        assert f"“Before codecs” cannot be restored: it is {word}." in response.text
        assert 'data-kind="danger"' not in response.text
    assert response.status_code == 422
    assert not restores()


def test_what_holds_nothing_is_refused(world: World, admin: Client) -> None:
    volume = a_volume(world.account)
    for backup in (failed(volume), missed(volume)):
        assert admin.post(url(backup)).status_code == 422
    assert not restores()


def test_one_made_in_use_says_so(world: World, admin: Client) -> None:
    backup = _backup(world)
    assert "Consistency" not in admin.get(url(backup), headers=HTMX).text
    Backup.objects.update(is_crash_consistent=True)
    assert "Crash-consistent: made while it was in use" in admin.get(url(backup)).text


def test_of_servers_and_of_other_accounts_it_is_404(
    world: World, elsewhere: World, admin: Client
) -> None:
    foreign = _backup(elsewhere)
    for backup in (foreign, BackupFactory(resource=world.sandbox)):
        forged = reverse("volumes:volume_backup_restore", args=[world.account.pk, backup.pk])
        assert admin.get(forged).status_code == 404
        assert admin.post(forged, {"may_power_off": "yes"}).status_code == 404
    assert admin.get(url(foreign)).status_code == 404
    assert not restores()


def test_customer_support_restores_volumes(world: World, support: User, sign_in: SignIn) -> None:
    backup = _backup(world)
    client = sign_in(support)
    assert client.get(url(backup)).status_code == 200
    assert client.post(url(backup)).status_code == 302
    assert restores()


@pytest.mark.parametrize(("person", "status"), [("auditor", 403), ("stranger", 404),
                                                ("neighbour", 404)])  # fmt: skip
def test_others_are_refused(
    world: World, person: str, status: int, request: pytest.FixtureRequest, sign_in: SignIn
) -> None:
    backup = _backup(world)
    client = sign_in(request.getfixturevalue(person))
    assert client.get(url(backup)).status_code == status
    assert client.post(url(backup)).status_code == status
    assert not restores()


def test_other_methods_are_405(world: World, admin: Client) -> None:
    address = url(_backup(world))
    for method in ("put", "patch", "delete"):
        assert getattr(admin, method)(address).status_code == 405
