"""/healthz, /readyz, doctor and rotate_keys."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.models import OrmQ

from portal.engine.wake import wake_worker
from portal.health import check_queue
from portal.models import CloudAccount, Heartbeat, Task
from tests.factories import TaskFactory
from tests.people import World

pytestmark = pytest.mark.usefixtures("db")


def _beat(seconds_ago: float = 1) -> None:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    Heartbeat.objects.update_or_create(host="worker-1", defaults={"at": at})


def _wake(seconds_ago: float) -> None:
    """A wake that has waited so long; with a negative number, as the broker marks one taken."""
    lock = timezone.now() - timedelta(seconds=seconds_ago)
    OrmQ.objects.create(key="standby", payload="", lock=lock)


def _doctor() -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("doctor", stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_healthz_asks_nothing(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert Client().get("/healthz").json() == {"status": "ok"}
    assert Client().post("/healthz").status_code == 405


def test_ready_while_a_worker_looks_for_work() -> None:
    _beat()
    _wake(2)
    answer = Client().get("/readyz")
    assert answer.status_code == 200
    assert set(answer.json()["checks"].values()) == {"ok"}
    assert "no-store" in answer["Cache-Control"]


def test_not_ready_without_a_worker() -> None:
    assert "No worker has ever run" in Client().get("/readyz").json()["checks"]["worker"]
    _beat(seconds_ago=120)
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert "manage.py worker" in answer.json()["checks"]["worker"]


def test_not_ready_while_nobody_takes_the_wakes_whatever_else_lives() -> None:
    _beat()
    _wake(seconds_ago=300)
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert "oldest wake has waited 5 minutes" in answer.json()["checks"]["queue"]
    assert "The queue does not move" in _doctor()[1]
    held = settings.Q_CLUSTER["retry"]
    _wake(seconds_ago=200 - held)  # taken, and not heard of since
    assert Client().get("/readyz").status_code == 503
    _wake(seconds_ago=30 - held)  # a runner is at work; wakes may wait behind it
    assert Client().get("/readyz").json()["checks"]["queue"] == "ok"


def test_a_wake_as_the_broker_queues_it_counts_from_then() -> None:
    _beat()
    wake_worker()
    assert check_queue(timezone.now()).is_ok
    assert not check_queue(timezone.now() + timedelta(seconds=200)).is_ok
    assert ORM(list_key="standby").dequeue()
    assert check_queue(timezone.now() + timedelta(seconds=100)).is_ok


def test_not_ready_while_a_due_task_lies_unclaimed(world: World) -> None:
    _beat()
    task = TaskFactory(account=world.account, state=Task.State.RUNNING)
    old = timezone.now() - timedelta(minutes=5)
    Task.objects.update(next_wake_at=old)
    assert "1 tasks" in Client().get("/readyz").json()["checks"]["tasks"]
    Task.objects.filter(pk=task.pk).update(lease_until=timezone.now() + timedelta(seconds=30))
    assert Client().get("/readyz").status_code == 200


def test_not_ready_with_migrations_missing() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'reporting' OR app = 'backups'")
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert "manage.py migrate" in answer.json()["checks"]["migrations"]
    assert "worker" not in answer.json()["checks"]


def test_not_ready_before_the_static_files_are_collected(tmp_path: Path) -> None:
    backend = "whitenoise.storage.CompressedManifestStaticFilesStorage"
    storages = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}
    with override_settings(STORAGES=storages, STATIC_ROOT=tmp_path):
        answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert "manage.py collectstatic" in answer.json()["checks"]["static"]


def test_readyz_names_no_customer(world: World) -> None:
    CloudAccount.objects.update(health=CloudAccount.Health.UNREACHABLE)
    assert world.customer.name not in Client().get("/readyz").text


def test_doctor_finds_nothing_wrong_with_a_sound_deployment(world: World) -> None:
    _beat()
    code, said = _doctor()
    assert (code, "Nothing is wrong." in said) == (0, True), said


def test_doctor_says_in_plain_words_what_is_wrong(world: World) -> None:
    CloudAccount.objects.update(
        health=CloudAccount.Health.UNREACHABLE, health_detail="No answer on port 9440."
    )
    with override_settings(ALLOWED_HOSTS=["*"], DEBUG=True):
        code, said = _doctor()
    assert code == 1
    for part in ("No answer on port 9440.", "DEBUG is on", "ALLOWED_HOSTS", "manage.py worker"):
        assert part in said


@override_settings(
    IS_PRODUCTION=True,
    CSRF_TRUSTED_ORIGINS=["http://standby.example"],
    EMAIL_BACKEND="django.core.mail.backends.console.EmailBackend",
)
def test_doctor_finds_settings_that_make_a_deployment_mute_or_unsafe() -> None:
    _, said = _doctor()
    assert "must be https" in said
    assert "invitations reach nobody" in said


def test_keys_are_rotated_and_a_lost_key_is_noticed(world: World) -> None:
    old, new = settings.SECRETS_KEYS[0], Fernet.generate_key().decode()
    with override_settings(SECRETS_KEYS=[new]):
        assert "cannot be read" in _doctor()[1]
        with pytest.raises(CommandError, match="Nothing has been changed"):
            call_command("rotate_keys")
    with override_settings(SECRETS_KEYS=[new, old]):
        call_command("rotate_keys", stdout=StringIO())
    with override_settings(SECRETS_KEYS=[new]):
        assert CloudAccount.objects.get(pk=world.cloud_account.pk).secrets["user"] == "admin"
