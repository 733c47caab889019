"""Pin and unpin: what a person wants kept, retention leaves alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from backups.models import Backup
from portal.models import AuditEntry, Task, User
from tests.factories import BackupFactory
from tests.people import World
from tests.volumes.backup_pages import HTMX, a_volume, under_way

SignIn = Callable[[User], Client]


def url(backup: Backup) -> str:
    return reverse("volumes:volume_backup_pin", args=[backup.account_id, backup.pk])


@pytest.fixture
def admin(account_admin: User, sign_in: SignIn) -> Client:
    return sign_in(account_admin)


@pytest.fixture
def backup(world: World) -> Backup:
    made: Backup = BackupFactory(resource=a_volume(world.account), name="Golden", type="S")
    return made


def test_it_is_pinned_and_unpinned_and_both_are_said(backup: Backup, admin: Client) -> None:
    pinned = admin.post(url(backup), follow=True).text
    assert Backup.objects.get().is_pinned
    assert "“Golden” of EP-sofia is kept until it is unpinned." in pinned
    assert '<span class="sub">Pinned</span>' in pinned
    unpinned = admin.post(url(backup), follow=True).text
    assert not Backup.objects.get().is_pinned
    assert "counts as any other again" in unpinned
    assert '<span class="sub">Pinned</span>' not in unpinned
    actions = AuditEntry.objects.order_by("at").values_list("action", flat=True)
    assert list(actions) == ["backup.pin", "backup.unpin"]
    assert not Task.objects.active().exists()


def test_a_pinned_one_is_not_counted_against_its_number(
    world: World, backup: Backup, admin: Client
) -> None:
    dialog = reverse("volumes:volume_policy_edit", args=[world.account.pk, "enterprise_profile"])
    fields = {"is_scheduled": "on", "backup_time": "22:00", "time_zone": "Europe/London",
              "keep_scheduled": "1", "keep_manual": "4", "keep_after_session": "3"}  # fmt: skip
    preview = {**HTMX, "HX-Target": "policy-preview"}
    assert "1 backup, the oldest" in admin.get(dialog, fields, headers=preview).text
    admin.post(url(backup))
    assert "Deleted by the next" not in admin.get(dialog, fields, headers=preview).text


def test_a_busy_volume_is_no_hindrance(backup: Backup, admin: Client) -> None:
    under_way(backup.resource)
    admin.post(url(backup))
    backup.refresh_from_db()
    assert backup.is_pinned


@pytest.mark.parametrize("status", ["creating", "failed", "missed", "deleting", "deleted"])
def test_only_what_can_be_restored_is_pinned(backup: Backup, admin: Client, status: str) -> None:
    Backup.objects.update(status=status)
    assert "“Golden” cannot be pinned: it is" in admin.post(url(backup), follow=True).text
    backup.refresh_from_db()
    assert not backup.is_pinned
    assert not AuditEntry.objects.exists()


def test_of_servers_and_of_other_accounts_it_is_404(
    world: World, elsewhere: World, admin: Client
) -> None:
    for resource in (a_volume(elsewhere.account), world.sandbox):
        other = BackupFactory(resource=resource)
        forged = reverse("volumes:volume_backup_pin", args=[world.account.pk, other.pk])
        assert admin.post(forged).status_code == 404
    assert not Backup.objects.filter(is_pinned=True).exists()


@pytest.mark.parametrize(("person", "status"), [("support", 302), ("auditor", 403),
                                                ("stranger", 404), ("neighbour", 404)])  # fmt: skip
def test_who_may_pin(
    backup: Backup, person: str, status: int, request: pytest.FixtureRequest, sign_in: SignIn
) -> None:
    assert sign_in(request.getfixturevalue(person)).post(url(backup)).status_code == status
    backup.refresh_from_db()
    assert backup.is_pinned == (status == 302)


def test_other_methods_are_405(backup: Backup, admin: Client) -> None:
    for method in ("get", "put", "patch", "delete"):
        assert getattr(admin, method)(url(backup)).status_code == 405
