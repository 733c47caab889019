"""A file over real HTTP, from gunicorn: broken off it does not look whole, and leaves nothing."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from portal.models import AuditEntry, Role
from tests.factories import AccountFactory, RoleGrantFactory, UserFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "postgresql" not in settings.DATABASES["default"]["ENGINE"],
        reason="SQLite has no server that could go on, or away",
    ),
]
Download = tuple[http.client.HTTPConnection, http.client.HTTPResponse]
_RUNNING = "state = 'active' AND query LIKE 'COPY (%%'"


@pytest.fixture
def port(
    process_environment: dict[str, str], started: list[subprocess.Popen[bytes]]
) -> Iterator[int]:
    """Where the product is served by gunicorn, as in production."""
    command = [sys.executable, "-m", "gunicorn", "portal.wsgi", "--bind", "127.0.0.1:0",
               "--worker-class", "gthread", "--threads", "4", "--no-control-socket"]  # fmt: skip
    server = subprocess.Popen(command, env=process_environment, stderr=subprocess.PIPE)
    started.append(server)
    assert server.stderr
    for line in server.stderr:
        if found := re.search(rb"Listening at: http://127\.0\.0\.1:(\d+)", line):
            yield int(found[1])
            break
    else:
        raise AssertionError("gunicorn did not start")
    # Killed, it would leave its workers, and they their connections, for a second or so.
    server.send_signal(signal.SIGQUIT)
    server.wait(timeout=30)


@pytest.fixture
def download(port: int) -> Iterator[Download]:
    """A download of some fifty megabytes, just begun."""
    account, user = AccountFactory(), UserFactory()
    RoleGrantFactory(user=user, role=Role.AUDITOR, account=account)
    AuditEntry.objects.bulk_create(
        AuditEntry(
            account=account, at=timezone.now() - timedelta(seconds=number), actor_label="Hana",
            action="backup.create", target_label="x" * 255, request_id="y" * 64,
            detail={"text": "z" * 2_000},
        )
        for number in range(20_000)
    )  # fmt: skip
    client = Client()
    client.force_login(user)
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    home = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    home.request(
        "GET", f"/accounts/{account.pk}/reports/audit_trail/csv/", headers={"Cookie": cookie}
    )
    answer = home.getresponse()
    assert answer.status == 200
    assert answer.read(5_000).startswith(b"date_time,")
    yield home, answer
    home.close()


def _running() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {_RUNNING}")  # noqa: S608
        return int(cursor.fetchone()[0])


def test_a_file_that_breaks_off_does_not_look_whole(download: Download) -> None:
    _home, answer = download
    assert _running() == 1
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {_RUNNING}"  # noqa: S608
        )
    with pytest.raises(http.client.IncompleteRead):
        answer.read()


def test_a_browser_that_goes_away_ends_the_query(download: Download) -> None:
    home, _answer = download
    assert _running() == 1
    home.close()
    for _ in range(200):
        if not _running():
            break
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.1)")
    assert _running() == 0
