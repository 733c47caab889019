"""Backups in the Django admin are there to be read."""

from __future__ import annotations

from collections.abc import Callable

from django.test import Client
from django.urls import reverse

from backups.models import Backup
from portal.models import User
from tests.factories import BackupFactory

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
