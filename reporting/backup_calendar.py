"""The overview's calendar: how backups of each kind went on each of the last thirty days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from disaster_recovery.days import Day, days_by_kind
from disaster_recovery.sites import Kept
from disaster_recovery.standing import Glance, KindStanding
from portal.models import Account, Resource


@dataclass(frozen=True)
class Cell:
    """One day of one kind: ``state`` is ok, some, all, run or none; ``url`` where some failed."""

    day: Day
    state: str
    words: str
    url: str = ""

    @property
    def failed(self) -> int:
        return _failed(self.day)


@dataclass(frozen=True)
class Row:
    """``size_bytes`` of the kind's good backups is None as long as they are not counted."""

    kind: KindStanding
    cells: Sequence[Cell]
    size_bytes: int | None


@dataclass(frozen=True)
class Calendar:
    """``days`` heads the columns, today last."""

    days: Sequence[Day]
    rows: Sequence[Row]


def calendar_of(
    account: Account, glance: Glance, kept: Mapping[str, Kept] | None
) -> Calendar | None:
    """Rows of the kinds that the account has; none before its first backup."""
    found = days_by_kind(account)
    kinds = [kind for kind in glance.kinds if kind.count or kind.kind in found]
    if not found:
        return None
    days = next(iter(found.values()))
    empty = [Day(day.date) for day in days]
    rows = [
        Row(kind, _cells(account, kind, found.get(kind.kind, empty)), _size(kept, kind.kind))
        for kind in kinds
    ]
    return Calendar(days, rows)


def _size(kept: Mapping[str, Kept] | None, kind: str) -> int | None:
    return None if kept is None else kept.get(kind, Kept()).backup_bytes


def _cells(account: Account, kind: KindStanding, days: Sequence[Day]) -> list[Cell]:
    url = _failures(account, kind.kind)
    return [_cell(day, url) for day in days]


def _failed(day: Day) -> int:
    return day.not_made + day.missed


def _cell(day: Day, url: str) -> Cell:
    failed = _failed(day)
    if failed:
        state = "some" if day.made or day.running else "all"
        return Cell(day, state, f"{failed:,} of {day.due:,} failed", url)
    if day.running:
        return Cell(day, "run", f"{day.running:,} running")
    if day.made:
        return Cell(day, "ok", "All succeeded")
    return Cell(day, "none", "None due")


def _failures(account: Account, kind: str) -> str:
    """Where failed backups of a kind are listed."""
    query: Mapping[str, str] = {"show": "failed", "kind": kind}
    match kind:
        case Resource.Kind.SANDBOX:
            return reverse("backups:sandbox_detail", args=[account.pk])
        case Resource.Kind.UTILITY_SERVER:
            return reverse("backups:utility_server_list", args=[account.pk])
        case _:
            page = reverse("volumes:volume_backup_list", args=[account.pk])
            return f"{page}?{urlencode(query)}"
