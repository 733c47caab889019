"""Secrets at rest: unreadable in the database, in dumps and in reprs; lost keys are told."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from django.conf import LazySettings
from django.core import serializers
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from portal.models import Account, CloudAccount
from tests.people import World


def _stored(cloud_account: CloudAccount) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secrets FROM portal_cloudaccount")
        return str(cursor.fetchone()[0])


def test_a_secret_is_stored_encrypted_and_read_back(world: World) -> None:
    world.cloud_account.secrets = {"user": "admin", "password": "very secret"}
    world.cloud_account.save()
    assert "very secret" not in _stored(world.cloud_account)
    world.cloud_account.refresh_from_db()
    assert world.cloud_account.secrets["password"] == "very secret"


def test_a_secret_shows_neither_in_a_repr_nor_in_a_dump(world: World) -> None:
    world.cloud_account.secrets = {"password": "very secret"}
    world.cloud_account.save()
    world.cloud_account.refresh_from_db()
    shown = repr(world.cloud_account.secrets) + repr(world.cloud_account.connection())
    dumped = serializers.serialize("json", [world.cloud_account])
    assert "very secret" not in shown + dumped


def test_a_secret_whose_key_is_lost_is_never_given_out(
    world: World, settings: LazySettings
) -> None:
    settings.SECRETS_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(ImproperlyConfigured, match="SECRETS_KEYS"):
        world.cloud_account.refresh_from_db()


def test_an_account_without_a_cloud_account_is_read_with_a_join(world: World) -> None:
    Account.objects.filter(pk=world.account.pk).update(cloud_account=None)
    account = Account.objects.select_related("cloud_account").get(pk=world.account.pk)
    assert account.cloud_account is None
