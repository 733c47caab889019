"""Which volumes somebody means: these, or all that match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from portal.bulk import among
from portal.models import Account, Resource
from volumes.search import matching

# What the page's facets and its filter may ask for; "none" is Not backed up.
STATUSES = {"failed": "failed", "none": "", "running": "creating"}


@dataclass(frozen=True)
class Selection:
    """Volumes by id, or, with ``ids`` None, all that match a search and filters."""

    ids: tuple[UUID, ...] | None = None
    q: str = ""
    status: str = ""
    kinds: tuple[str, ...] = ()

    def rows(self, account: Account) -> QuerySet[Resource]:
        """The volumes of the account that are meant; those of others never are."""
        rows = account.resources.volumes()
        if self.ids is not None:
            return rows.filter(pk__in=among(self.ids))
        if self.kinds:
            rows = rows.filter(kind__in=self.kinds)
        if self.status in STATUSES:
            rows = rows.filter(last_backup_status=STATUSES[self.status])
        return matching(rows, self.q) if self.q else rows

    def as_json(self) -> dict[str, Any]:
        """As a task's arguments keep it."""
        ids = None if self.ids is None else [str(pk) for pk in self.ids]
        return {"ids": ids, "q": self.q, "status": self.status, "kinds": list(self.kinds)}

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Selection:
        """The selection that was kept."""
        ids = kept["ids"]
        return cls(
            None if ids is None else tuple(map(UUID, ids)),
            kept["q"],
            kept["status"],
            tuple(kept["kinds"]),
        )
