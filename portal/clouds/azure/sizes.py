"""How many vCPUs and how much memory a VM size has: Azure's list of SKUs, kept for hours."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from portal.clouds.api import SignInRefused
from portal.clouds.azure import wire
from portal.clouds.azure.session import AzureSession

# The list is several MB for a region and changes in weeks.
KEPT_SECONDS = 6 * 3600.0
log = logging.getLogger(__name__)
Table = dict[str, tuple[int, int]]


class Sizes:
    """(vCPUs, MB) by region and size."""

    def __init__(self, session: AzureSession, monotonic: Callable[[], float]) -> None:
        self._session = session
        self._now = monotonic
        self._lock = threading.Lock()
        self._tables: dict[str, tuple[float, Table]] = {}

    def of(self, location: str, size: str) -> tuple[int, int]:
        """Return vCPUs and memory in MB; zeros for a size the region's list does not have."""
        with self._lock:
            read_at, table = self._tables.get(location, (None, {}))
            if read_at is None or self._now() - read_at > KEPT_SECONDS:
                table = self._read(location)
                self._tables[location] = (self._now(), table)
        return table.get(size.lower(), (0, 0))

    def known(self, location: str, size: str) -> tuple[int, int]:
        """The same from what was read before; asks nothing."""
        return self._tables.get(location, (0.0, {}))[1].get(size.lower(), (0, 0))

    def offered(self, location: str) -> Table:
        """Return the sizes this subscription may use in a region, read anew (reference 7.9)."""
        return {
            str(sku.get("name", "")): _capability(sku)
            for sku in self._skus(location)
            if not _is_withheld(sku, location)
        }

    def _read(self, location: str) -> Table:
        """A role that may not read SKUs costs the sizes, not the inventory."""
        try:
            listed = self._skus(location)
        except SignInRefused as error:
            log.warning("sizes of %s could not be read: %s", location, error)
            return {}
        return {str(sku.get("name", "")).lower(): _capability(sku) for sku in listed}

    def _skus(self, location: str) -> list[wire.Json]:
        listed = self._session.call(
            lambda client: [
                item.as_dict()
                for item in client.resource_skus.list(filter=f"location eq '{location}'")
            ]
        )
        return [sku for sku in listed if str(sku.get("resourceType", "")).lower() == wire.VM]


def _is_withheld(sku: wire.Json, location: str) -> bool:
    """Whether the region is closed to the subscription for this size."""
    for each in sku.get("restrictions") or []:
        info = each.get("restrictionInfo") or {}
        places = [*(info.get("locations") or []), *(each.get("values") or [])]
        if str(each.get("type", "")).lower() == "location" and location.lower() in {
            str(place).lower() for place in places
        }:
            return True
    return False


def _capability(sku: wire.Json) -> tuple[int, int]:
    given = {each.get("name"): each.get("value") for each in sku.get("capabilities") or []}
    return int(given.get("vCPUs") or 0), int(float(given.get("MemoryGB") or 0) * 1024)
