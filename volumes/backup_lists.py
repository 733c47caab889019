"""What the Backups tab shows: backups of volumes, newest first, a million of them or more."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from functools import cache, cached_property
from uuid import UUID

from django.db.models import QuerySet, prefetch_related_objects
from django.http import QueryDict
from django.utils.safestring import SafeString

from backups.models import Backup, VolumePolicy
from backups.replica_cells import attempts_of, replication_cell
from portal.models import Account, Resource, Task
from portal.paging import Order, Page, PreparedCounts, as_count, capped_counts, page_of
from portal.uuids import as_uuid
from volumes.cells import backup_row
from volumes.lists import KINDS, OF_EACH_KIND
from volumes.search import matching

# What a row shows of a backup, and its cells ask.
_SHOWN = (
    "account", "resource", "kind", "name", "description", "type", "status", "created_at",
    "size_bytes", "is_crash_consistent", "is_pinned", "task", "error", "replication_status",
)  # fmt: skip
SORTS = ("created_at",)
PAGE_LENGTH = 50
TYPES = (Backup.Type.MANUAL, Backup.Type.SCHEDULED, Backup.Type.AFTER_SESSION)
# The word for what is counted, by facet; "" is all.
FACETS = {
    "": ("All", ""),
    "running": ("In progress", Backup.Status.CREATING),
    "failed": ("Failed", Backup.Status.FAILED),
}
# Only with disaster recovery: "Failed" alone is the backup's.
UNREPLICATED = "unreplicated"


def _one_of(known: Container[str], wanted: str) -> str:
    """What was asked for, if there is such a thing."""
    return wanted if wanted in known else ""


class VolumeBackupList:
    """The tab of one account, as a query narrows, orders and pages it."""

    def __init__(self, account: Account, query: QueryDict) -> None:
        self.account = account
        self.query = query
        self.q = query.get("q", "").replace("\x00", "").strip()[:200]
        self.words = {name: word for name, (word, _) in FACETS.items()}
        if account.dr_enabled:
            self.words[UNREPLICATED] = "Replication failed"
        self.show = _one_of(self.words, query.get("show", ""))
        self.kind = _one_of(KINDS, query.get("kind", ""))
        self.type = _one_of(TYPES, query.get("type", ""))
        self.order = Order.parse(query.get("sort", ""), SORTS, "-created_at")

    @cached_property
    def volume(self) -> Resource | None:
        """The one volume whose backups are asked for, if any."""
        pk = as_uuid(self.query.get("volume", ""))
        return self.account.resources.filter(pk=pk).first() if pk else None

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """What the filter by type of volume offers."""
        return [(kind.value, str(kind.label)) for kind in KINDS]

    @property
    def types(self) -> list[tuple[str, str]]:
        """What the filter by type of backup offers."""
        return [(each.value, f"{each.value} · {each.label}") for each in TYPES]

    @property
    def is_narrowed(self) -> bool:
        return bool(self.q or self.show or self.kind or self.type or self.volume)

    def narrowed(self, show: str) -> QuerySet[Backup]:
        """The backups that match, of one facet."""
        rows = _sorted_out(self.account, show, self.kind, self.type)
        if self.volume:
            rows = rows.filter(resource=self.volume)
        if self.q:
            volumes = self.account.resources.filter(kind__in=Resource.VOLUME_KINDS)
            rows = rows.filter(resource__in=matching(volumes, self.q).values("pk"))
        return rows

    @cached_property
    def page(self) -> Page[Backup]:
        # Without a join, which would keep SQLite from reading the index in its order.
        rows = self.narrowed(self.show).only(*_SHOWN)
        page = page_of(rows, self.order, self.query, PAGE_LENGTH)
        prefetch_related_objects([each for each in page.rows if each.is_moving], "task")
        return page

    def lines(self, base: str, volumes: str, *, may: bool) -> SafeString:
        """The page's rows as markup."""
        zone = self.account.zone
        replications, names = self._replications(), self._names()
        rows = (
            backup_row(
                each, names[each.resource_id], base, volumes, zone,
                replications.get(each.pk, ""), may=may,
            )
            for each in self.page.rows
        )  # fmt: skip
        return SafeString("".join(rows))

    def _names(self) -> dict[UUID, tuple[str, str]]:
        """Name and user of the volumes of the page's backups."""
        volumes = Resource.objects.filter(pk__in={each.resource_id for each in self.page.rows})
        return {
            pk: (name, user) for pk, name, user in volumes.values_list("pk", "name", "user_name")
        }

    def _replications(self) -> dict[UUID, str]:
        """The cell of each, where the column is shown (R089)."""
        if not self.account.dr_enabled:
            return {}
        attempts = attempts_of(self.page.rows)
        return {
            each.pk: f'<td role="cell" data-label="Replication Status">'
            f"{replication_cell(each, attempts.get(each.pk))}</td>"
            for each in self.page.rows
        }

    @cached_property
    def counts(self) -> dict[str, str]:
        """How many each facet has."""
        if self._is_searched:
            return capped_counts({name: self.narrowed(name) for name in self.words})
        return {name: as_count(self.numbers[name]) for name in self.words}

    @cached_property
    def numbers(self) -> dict[str, int]:
        """What else the page counts; without a search the facets too, by the same query."""
        counts = _BESIDE
        if not self._is_searched:
            counts = _counts_of(tuple(self.words), self.kind, self.type)
        return counts.numbers(self.account.pk)

    @property
    def _is_searched(self) -> bool:
        return bool(self.volume or self.q)

    @property
    def facets(self) -> list[tuple[str, str, str]]:
        """Name, word and number of each."""
        return [(name, word, self.counts[name]) for name, word in self.words.items()]

    @property
    def total(self) -> str:
        """How many match."""
        return self.counts[self.show]


def _sorted_out(account: Account, show: str, kind: str, type_: str) -> QuerySet[Backup]:
    """The account's backups of volumes, of one facet, narrowed by what the filters offer."""
    rows = Backup.objects.filter(account=account).listed()
    rows = rows.filter(kind=kind) if kind else rows.of_volumes()
    if type_:
        rows = rows.filter(type=type_)
    if show == UNREPLICATED:
        return rows.filter(replication_status="failed")
    status = FACETS[show][1]
    return rows.filter(status=status) if status else rows


def policies_of(account: Account) -> list[VolumePolicy]:
    """The settings of each kind, in the kinds' order; defaults where none were saved."""
    saved = {policy.kind: policy for policy in account.volume_policies.all()}
    return [
        saved.get(kind.value)
        or VolumePolicy(account=account, kind=kind.value, time_zone=account.time_zone)
        for kind in KINDS
    ]


def running_of(
    account: Account, counted: Mapping[str, int] | None = None
) -> tuple[list[Task], int]:
    """Bulk backups under way, and how many single ones of volumes there are beside them.

    ``counted`` are the numbers of a `VolumeBackupList`, where it has asked already.
    """
    running = counted or _RUNNING.numbers(account.pk)
    parents = _running(account.pk, _MANY).order_by("created_at")
    return list(parents[:5]) if running[_MANY] else [], running[_ONE]


def _running(account: UUID, kind: str) -> QuerySet[Task]:
    return Task.objects.on_top().active().filter(account=account, kind=kind)


_MANY, _ONE = "backup_volumes", "create_volume_backup"
# A hundred stands for any more.
_RUNNING = PreparedCounts(
    (_MANY, _ONE), lambda account: [_running(account, _MANY), _running(account, _ONE)], 99
)


_BESIDE = OF_EACH_KIND | _RUNNING


@cache
def _counts_of(names: tuple[str, ...], kind: str, type_: str) -> PreparedCounts:
    """With the facets without a search, for each choice of the filters."""
    return _BESIDE | PreparedCounts(
        names, lambda pk: [_sorted_out(Account(pk=pk), name, kind, type_) for name in names]
    )


def backups_named(account: Account, keys: Iterable[str]) -> list[Backup]:
    """Backups of the account by what a browser sent as their ids; others are left out."""
    wanted = [pk for pk in map(as_uuid, keys) if pk]
    backups = Backup.objects.filter(account=account, pk__in=wanted).of_volumes()
    return list(backups.select_related("resource", "task"))
