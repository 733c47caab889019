"""Taking records along as a file: what is in it, what it is called, and the note in the audit.

A file that breaks off is told from one that is whole by the transfer: it goes out in chunks, and
only the last one says that it is the last (RFC 9112, 7.1). Browsers and curl report a download
that lacks it as failed.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db.models import Q
from django.utils.text import slugify

from portal.audit import Actor, record
from portal.models import Account
from portal.paging import capped_count
from portal.refusals import Refused
from reporting.availability import frequency_of
from reporting.models import DataAvailability
from reporting.records import DATA_SETS, DataSet, Span, csv_of, rows_of
from reporting.records.datasets import Rows

# Each keeps a thread of the web process busy; pages need the others.
AT_ONCE = 2
_places = threading.BoundedSemaphore(AT_ONCE)
BUSY = "Other downloads are being written. Try again in a minute."


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for. ``filter`` says in words for the audit what ``narrowed`` narrows.

    ``first`` and ``last`` name the days in the file's name; ``span`` is None where ``narrowed``
    has them. ``among`` are the rows to look at, where it is not all of the account.
    """

    data_set: DataSet
    first: date | None = None
    last: date | None = None
    span: Span | None = None
    frequency: str = ""
    narrowed: Q | None = None
    among: Rows | None = None
    filter: Mapping[str, Any] = field(default_factory=dict)


class Stream:
    """The pieces of a file, and a place among the few that are written at once.

    The place is free again when the file is closed, or forgotten by everybody.
    """

    def __init__(self, pieces: Generator[bytes, None, None]) -> None:
        if not _places.acquire(blocking=False):
            raise Refused(BUSY)
        self._pieces = pieces
        self._leave = weakref.finalize(self, _places.release)

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        """End the query, if it runs."""
        self._pieces.close()
        self._leave()


def rows_wanted(account: Account, wanted: Wanted, now: datetime) -> Rows:
    """The rows that are in the file, in its order."""
    availability = DataAvailability.objects.get(pk=wanted.data_set.type)
    return rows_of(
        wanted.data_set,
        account,
        availability,
        wanted.span,
        now,
        frequency=frequency_of(wanted.data_set, wanted.frequency),
        narrowed=wanted.narrowed,
        among=wanted.among,
    )


def export(actor: Actor, account: Account, wanted: Wanted, now: datetime) -> Stream:
    """Write down who takes what, and return the file. Raises Refused when too many are written."""
    rows = rows_wanted(account, wanted, now)
    stream = Stream(csv_of(wanted.data_set, rows))
    note(actor, account, wanted, rows=capped_count(rows))
    return stream


def note(actor: Actor, account: Account, wanted: Wanted, **more: Any) -> None:
    """Say in the audit trail what was exported."""
    days = [f"{day}" if day else "" for day in (wanted.first, wanted.last)]
    record(
        actor,
        "report.export",
        account,
        label=wanted.data_set.type.label,
        type=wanted.data_set.type.value,
        range=" to ".join(days) if any(days) else "all that is available",
        frequency=frequency_of(wanted.data_set, wanted.frequency),
        filter=dict(wanted.filter),
        **more,
    )


def file_name(account: Account, wanted: Wanted, today: date, ending: str) -> str:
    """``radiology-pacs_audit-trail_2025-09-01_2025-11-20.csv``: letters every system takes."""
    slug = slugify(account.name)[:60] or str(account.pk)
    kind = wanted.data_set.type.value.replace("_", "-")
    first = f"{wanted.first}" if wanted.first else "begin"
    return f"{slug}_{kind}_{first}_{wanted.last or today}.{ending}"


def data_set_of(name: str) -> DataSet | None:
    """The data set that may be taken along as CSV by this name."""
    found = DataAvailability.objects.filter(pk=name, has_csv=True).first()
    return DATA_SETS.get(found.data_type) if found else None  # type: ignore[call-overload]
