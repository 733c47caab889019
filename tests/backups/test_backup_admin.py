"""Backups in the Django admin are there to be read; of settings, two numbers can be changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time

import pytest
from django.test import Client
from django.urls import reverse

from backups.models import Backup, BackupPolicy, VolumePolicy
from portal.models import AuditEntry, User
from tests.factories import BackupFactory
from tests.people import World

SignIn = Callable[[User], Client]


def test_staff_find_and_read_backups(staff: User, sign_in: SignIn) -> None:
    backup = BackupFactory(name="Before codecs")
    client = sign_in(staff)
    changelist = reverse("admin:backups_backup_changelist")
    assert b"Before codecs" in client.get(changelist, {"q": "codecs"}).content
    change = reverse("admin:backups_backup_change", args=[backup.pk])
    assert b"Before codecs" in client.get(change).content


def test_staff_change_nothing(staff: User, sign_in: SignIn) -> None:
    backup = BackupFactory(name="Before codecs")
    client = sign_in(staff)
    assert client.get(reverse("admin:backups_backup_add")).status_code == 403
    for name in ("change", "delete"):
        address = reverse(f"admin:backups_backup_{name}", args=[backup.pk])
        assert client.post(address, {"post": "yes", "name": "Changed"}).status_code == 403
    assert Backup.objects.get().name == "Before codecs"


@pytest.fixture
def policy(world: World) -> BackupPolicy:
    """A server's settings, with a schedule."""
    return BackupPolicy.objects.create(
        resource=world.utility_server,
        is_scheduled=True,
        backup_time=time(2, 30),
        time_zone="Europe/London",
        starts_on=date(2026, 11, 1),
        next_run_at=datetime(2026, 11, 24, 2, 30, tzinfo=UTC),
    )


def test_an_account_shows_its_systems_with_their_schedules_and_numbers(
    world: World, policy: BackupPolicy, staff: User, sign_in: SignIn
) -> None:
    page = sign_in(staff).get(f"/admin/portal/account/{world.account.pk}/change/").text
    url = reverse("admin:backups_backuppolicy_change", args=[policy.pk])
    assert f'<a href="{url}">meridian-util-01</a>: schedule daily at 02:30 Europe/London' in page
    assert "7 scheduled and 10 manual backups retained" in page
    assert "meridian-sandbox: settings as they were set up" in page
    assert "style=" not in page


def test_staff_change_how_many_are_kept_and_nothing_else(
    world: World, policy: BackupPolicy, staff: User, sign_in: SignIn
) -> None:
    client = sign_in(staff)
    assert "meridian-util-01" in client.get("/admin/backups/backuppolicy/", {"q": "util"}).text
    url = reverse("admin:backups_backuppolicy_change", args=[policy.pk])
    assert client.get(url).status_code == 200
    forged = {"is_scheduled": "", "backup_time": "11:00", "time_zone": "UTC", "next_run_at": ""}
    numbers = {"keep_scheduled": "3", "keep_manual": "10", "keep_after_session": "3"}
    client.post(url, forged | numbers)
    before = BackupPolicy.objects.filter(pk=policy.pk).values().get()
    policy.refresh_from_db()
    assert (policy.keep_scheduled, policy.keep_manual) == (3, 10)
    assert (policy.backup_time, policy.time_zone) == (time(2, 30), "Europe/London")
    assert before["next_run_at"] == datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.account) == (
        "backup_policy.edit", staff, world.account,
    )  # fmt: skip
    assert entry.detail["before"]["keep_scheduled"] == 7
    assert entry.detail["after"]["keep_scheduled"] == 3


@pytest.mark.parametrize("number", ["0", "101", "", "-1"])
def test_staff_keep_within_1_to_100(
    policy: BackupPolicy, staff: User, sign_in: SignIn, number: str
) -> None:
    url = reverse("admin:backups_backuppolicy_change", args=[policy.pk])
    numbers = {"keep_scheduled": number, "keep_manual": "10", "keep_after_session": "3"}
    answer = sign_in(staff).post(url, numbers)
    assert "errorlist" in answer.text
    policy.refresh_from_db()
    assert policy.keep_scheduled == 7
    assert not AuditEntry.objects.exists()


def test_staff_neither_add_nor_remove_settings(
    policy: BackupPolicy, staff: User, sign_in: SignIn
) -> None:
    client = sign_in(staff)
    assert client.get(reverse("admin:backups_backuppolicy_add")).status_code == 403
    url = reverse("admin:backups_backuppolicy_delete", args=[policy.pk])
    assert client.post(url, {"post": "yes"}).status_code == 403
    assert BackupPolicy.objects.filter(pk=policy.pk).exists()


def test_staff_change_the_numbers_of_a_kind_of_volumes(
    world: World, staff: User, sign_in: SignIn
) -> None:
    policy = VolumePolicy.objects.create(
        account=world.account, kind="personal_drive", time_zone="UTC"
    )
    client = sign_in(staff)
    page = client.get(f"/admin/portal/account/{world.account.pk}/change/").text
    address = reverse("admin:backups_volumepolicy_change", args=[policy.pk])
    assert f'<a href="{address}">Personal Drives</a>: schedule off' in page
    numbers = {"keep_scheduled": 5, "keep_manual": 101, "keep_after_session": 2}
    assert "less than or equal to 100" in client.post(address, numbers).text
    assert client.post(address, numbers | {"keep_manual": 12}).status_code == 302
    policy.refresh_from_db()
    assert (policy.keep_scheduled, policy.keep_manual, policy.keep_after_session) == (5, 12, 2)
    assert AuditEntry.objects.filter(action="volume_policy.edit", actor=staff).exists()
