"""What the database is told for each connection of ours (PostgreSQL)."""

from __future__ import annotations

import pytest
from django.db import connection


@pytest.mark.django_db
def test_a_client_that_is_silent_in_a_transaction_is_let_go() -> None:
    """Its row locks would keep every other worker waiting. Over TCP: see `make rehearse`."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no clients")
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("5min",)
    assert "tcp_keepalives_idle=10" in connection.settings_dict["OPTIONS"]["options"]
