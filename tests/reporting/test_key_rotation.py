"""Keys are rotated without a gap: every secret at rest, and what SECRET_KEY has signed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection, models, transaction
from django.test import Client, override_settings
from django.urls import reverse
from django_q.models import OrmQ
from django_q.signing import BadSignature, SignedPackage

from portal.engine.wake import wake_worker
from portal.models import CloudAccount, User
from portal.secret_field import SecretField
from reporting.models import AlertRule, ApiKey
from tests.people import World

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def secrets(world: World) -> None:
    """One of each kind of row that keeps a secret."""
    ApiKey.objects.create(
        name="Signing", role=ApiKey.ROLES[0][0], manner=ApiKey.Manner.SIGNED,
        account=world.account, secret={"secret": "signs requests"},
    )  # fmt: skip
    AlertRule.objects.create(
        account=world.account, name="Hook", channel=AlertRule.Channel.WEBHOOK,
        url="https://hooks.example.org/x", secret={"secret": "signs messages"},
        portal_url="https://standby.example.org",
    )  # fmt: skip


def _fields() -> Iterator[tuple[type[models.Model], str]]:
    for model in apps.get_models():
        for field in model._meta.fields:
            if isinstance(field, SecretField):
                yield model, field.name


def _at_rest() -> dict[str, str]:
    """Every secret of every table as it is stored."""
    found: dict[str, str] = {}
    with connection.cursor() as cursor:
        for model, name in _fields():
            # Names of our own tables.
            cursor.execute(f"SELECT id, {name} FROM {model._meta.db_table}")  # noqa: S608
            rows = {f"{model.__name__} {pk}": token for pk, token in cursor.fetchall()}
            assert rows, f"no row of {model.__name__} to try it with"
            found |= rows
    return found


def _opened_by(key: str) -> int:
    """How many secrets a key alone can open, of all."""
    opened = 0
    for token in _at_rest().values():
        with suppress(InvalidToken):
            Fernet(key).decrypt(token.encode())
            opened += 1
    return opened


@pytest.mark.django_db
def test_every_secret_is_written_anew_and_the_old_key_can_go(secrets: None) -> None:
    old, new = settings.SECRETS_KEYS[0], Fernet.generate_key().decode()
    before = _at_rest()
    with override_settings(SECRETS_KEYS=[new, old]):
        call_command("rotate_keys", stdout=StringIO())
        # Again, as after one that was cut off.
        call_command("rotate_keys", stdout=StringIO())
    after = _at_rest()
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
    assert (_opened_by(new), _opened_by(old)) == (len(after), 0)
    with override_settings(SECRETS_KEYS=[new]):
        assert ApiKey.objects.get().secret == {"secret": "signs requests"}
        assert AlertRule.objects.get().secret == {"secret": "signs messages"}
        assert CloudAccount.objects.get().secrets["user"] == "admin"
    with override_settings(SECRETS_KEYS=[old]), pytest.raises(ImproperlyConfigured):
        ApiKey.objects.get()


@pytest.mark.django_db(transaction=True)
def test_a_rotation_that_was_killed_has_changed_nothing(
    secrets: None, process_environment: dict[str, str], started: list[subprocess.Popen[bytes]]
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("on SQLite it holds all tables or none: there is no middle")
    old, new = settings.SECRETS_KEYS[0], Fernet.generate_key().decode()
    environment = process_environment | {"SECRETS_KEYS": f"{new},{old}"}
    command = [sys.executable, "manage.py", "rotate_keys"]
    with transaction.atomic():
        # Others are rotated by the time it waits for this one.
        AlertRule.objects.select_for_update().get()
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        started.append(process)
        _await_waiting()
        process.kill()
        process.wait(timeout=30)
    assert (_opened_by(old), _opened_by(new)) == (len(_at_rest()), 0)
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert (_opened_by(old), _opened_by(new)) == (0, len(_at_rest()))


def _await_waiting() -> None:
    """Until another process waits for a row."""
    for _ in range(3000):
        with connection.cursor() as cursor:
            # Within a transaction it is looked at once.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*), pg_sleep(0.01) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
    raise AssertionError("it never waited")


@pytest.mark.django_db
def test_who_is_signed_in_stays_so_while_the_former_key_is_a_fallback(account_admin: User) -> None:
    client = Client()
    client.force_login(account_admin, "allauth.account.auth_backends.AuthenticationBackend")
    page, former = reverse("portal:home"), settings.SECRET_KEY
    sign_in = "/sign-in/login/"
    with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[former]):
        assert sign_in not in client.get(page, follow=True).request["PATH_INFO"]
    # The session was written with the new key meanwhile: the former may go.
    with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[]):
        assert sign_in not in client.get(page, follow=True).request["PATH_INFO"]
    with override_settings(SECRET_KEY="a third", SECRET_KEY_FALLBACKS=[]):
        assert client.get(page, follow=True).request["PATH_INFO"] == sign_in


@pytest.mark.django_db
def test_a_wake_signed_with_another_key_is_not_believed() -> None:
    """The queue reads no fallback: it is dropped, and the minute's tick finds the work."""
    wake_worker()
    payload = OrmQ.objects.get().payload
    assert SignedPackage.loads(payload)["func"] == "portal.engine.wake.run"
    # The signature is its end; that of another key is another.
    with pytest.raises(BadSignature):
        SignedPackage.loads(f"{payload.rpartition(':')[0]}:{'A' * 43}")
