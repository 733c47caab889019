"""The clouds: `connect` gives the driver for a connection. See `api` for what a driver can do."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module

from portal.clouds.api import Cloud, Connection
from portal.clouds.kinds import KINDS


def connect(connection: Connection, monotonic: Callable[[], float] = time.monotonic) -> Cloud:
    """Return the driver for ``connection.kind``. Opens no socket yet.

    ``monotonic`` gives seconds; a driver that holds back for a while counts by it.
    """
    module, _, name = KINDS[connection.kind].driver.partition(":")
    driver: Callable[..., Cloud] = getattr(import_module(module), name)
    return driver(connection, monotonic=monotonic)
