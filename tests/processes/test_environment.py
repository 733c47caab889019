"""What every other test takes for granted about the environment it runs in."""

from __future__ import annotations

import os
import socket

import pytest
from django.conf import settings
from django.db import connection
from pytest_socket import SocketConnectBlockedError


@pytest.mark.django_db
def test_the_database_is_the_one_this_run_is_for() -> None:
    wanted = os.environ.get("TEST_DATABASE_URL", "sqlite").partition(":")[0]
    assert connection.vendor == {"postgres": "postgresql"}.get(wanted, wanted)


@pytest.mark.django_db
def test_worker_processes_could_share_the_database() -> None:
    assert "memory" not in str(connection.settings_dict["NAME"])


def test_nothing_is_written_into_the_working_copy() -> None:
    assert not settings.DATA_DIR.is_relative_to(settings.BASE_DIR)


def test_only_loopback_can_be_reached() -> None:
    # pytest-socket warns before it raises, and a warning is an error here.
    with pytest.raises((SocketConnectBlockedError, UserWarning), match=r"192\.0\.2\.1"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
