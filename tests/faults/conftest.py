"""The test's database behind a relay; the accounts that look at pages while it fails."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests.faults.relay import Relay, relay_to

ONLY_POSTGRES = "a relay to a PostgreSQL with a Unix socket is what cuts connections"


@pytest.fixture
def relay(transactional_db: None) -> Iterator[Relay]:
    """The test's own connections go through it, once it has been asked for."""
    settings = connection.settings_dict
    upstream = str(settings["OPTIONS"].get("host", ""))
    if connection.vendor != "postgresql" or not upstream.startswith("/"):
        pytest.skip(ONLY_POSTGRES)
    # A Unix socket's path may be 107 bytes long; pytest's folders can be longer.
    with (
        tempfile.TemporaryDirectory(prefix="standby-relay-") as folder,
        relay_to(Path(upstream), Path(folder)) as relay,
    ):
        connection.close()
        settings["HOST"] = folder
        yield relay
        connection.close()
        settings["HOST"] = ""
