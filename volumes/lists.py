"""What the Volumes tab shows: the volumes that match, how many there are of each sort."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from uuid import UUID

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.safestring import SafeString

from backups.models import Backup
from portal.models import Account, Resource, Task
from portal.paging import (
    Order,
    Page,
    PreparedCounts,
    as_count,
    capped_counts,
    page_of,
)
from portal.uuids import as_uuid
from volumes.cells import (
    TOLD,
    is_replicating,
    last_backup,
    last_word,
    replicated,
    state_of,
    volume_row,
)
from volumes.selection import STATUSES, Selection

# What a row shows of a volume, and its cells ask; and what the list may be ordered by.
_SHOWN = (
    "account", "kind", "name", "user_name", "sort_name", "size_bytes", "power_state", "is_missing",
    "attached_to", "last_backup_id", "last_backup_status", "last_backup_at",
)  # fmt: skip
# With disaster recovery.
_REPLICATED = ("last_replication_status", "last_replica_at")
# What a row says of the task on its volume. The rest may be long, and is JSON in part.
_OF_TASK = ("resource", "kind", "state", "percent", "is_maintenance")
SORTS = ("sort_name", "user_name", "size_bytes", "last_backup_at")
PAGE_LENGTH = 50
KINDS = tuple(Resource.Kind(kind) for kind in Resource.VOLUME_KINDS)
# The word for what is counted, by facet; "" is all.
FACETS = {"": "All", "failed": "Failed", "none": "Not backed up", "running": "In progress"}


@dataclass(frozen=True)
class Row:
    """One volume with what its line shows; the cells are markup made once, here or by a poll."""

    volume: Resource
    task: Task | None
    # Why the latest backup failed or was missed.
    error: str

    @property
    def last(self) -> SafeString:
        return last_backup(self.volume, self.task, self.error)

    @property
    def last_word(self) -> SafeString:
        """The same in a word and its time, for choosing among volumes."""
        return last_word(self.volume, self.task)

    @property
    def state(self) -> SafeString:
        return state_of(self.volume, self.task)

    @property
    def replicated(self) -> SafeString:
        return replicated(self.volume)

    @property
    def is_moving(self) -> bool:
        """Whether there will be something else to show soon."""
        return self.task is not None or is_replicating(self.volume)


def rows_of(volumes: Iterable[Resource], *, is_busy: bool = True) -> list[Row]:
    """Volumes with the tasks on them and their errors, in two queries whatever their number.

    ``is_busy`` is false where nothing is known to be under way in their account: then it is one.
    """
    found = list(volumes)
    tasks, errors = _tasks_on(found) if is_busy else {}, _errors_of(found)
    return [Row(each, tasks.get(each.pk), errors.get(each.last_backup_id, "")) for each in found]


def _tasks_on(volumes: Iterable[Resource]) -> dict[UUID | None, Task]:
    """The task under way on each that has one."""
    active = Task.objects.active().filter(
        resource__in=[each.pk for each in volumes], is_exclusive=True
    )
    return {task.resource_id: task for task in active.only(*_OF_TASK)}


def _errors_of(volumes: Iterable[Resource]) -> dict[UUID | None, str]:
    """Why the latest backup of each went wrong, by its id."""
    failed = [
        each.last_backup_id
        for each in volumes
        if each.last_backup_id and each.last_backup_status in TOLD
    ]
    told = Backup.objects.filter(pk__in=failed).values_list("pk", "error")
    return dict(told) if failed else {}


class VolumeList:
    """The tab of one account, as a query narrows, orders and pages it."""

    def __init__(self, account: Account, query: QueryDict) -> None:
        self.account = account
        self.query = query
        kind = query.get("kind", "")
        status = query.get("status", "")
        self.selection = Selection(
            q=query.get("q", "").replace("\x00", "").strip()[:200],
            status=status if status in STATUSES else "",
            kinds=(kind,) if kind in KINDS else (),
        )
        self.order = Order.parse(query.get("sort", ""), SORTS, "sort_name")

    @property
    def kind(self) -> str:
        return next(iter(self.selection.kinds), "")

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """What the filter by type offers."""
        return [(kind.value, str(kind.label)) for kind in KINDS]

    @property
    def is_narrowed(self) -> bool:
        return bool(self.selection.q or self.selection.status or self.selection.kinds)

    @cached_property
    def page(self) -> Page[Resource]:
        # Without a join, which would keep SQLite from reading the index in its order.
        shown = (*_SHOWN, *_REPLICATED) if self.account.dr_enabled else _SHOWN
        rows = self.selection.rows(self.account).only(*shown)
        return page_of(rows, self.order, self.query, PAGE_LENGTH)

    @cached_property
    def rows(self) -> Sequence[Row]:
        return rows_of(self.page.rows, is_busy=bool(self._numbers[_BUSY]))

    def lines(self, base: str, *, may: bool) -> SafeString:
        """The page's rows as markup."""
        rows = (
            volume_row(row.volume, base, row.state, row.last, row.replicated, may=may)
            for row in self.rows
        )
        return SafeString("".join(rows))

    @cached_property
    def counts(self) -> dict[str, str]:
        """How many each facet has, within the search and the type chosen; by one query."""
        chosen = self.selection
        if chosen.q:
            return capped_counts({name: _facet(name, chosen, self.account) for name in FACETS})
        # All are those of each kind, which the page's head counts anyway.
        total = sum(self._numbers[kind] for kind in chosen.kinds or Resource.VOLUME_KINDS)
        return {"": as_count(total)} | {name: as_count(self._numbers[name]) for name in STATUSES}

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """What is counted of the account, and, without a search, of the facets."""
        chosen = self.selection
        counts = _BESIDE if chosen.q else _counts_of(chosen.kinds)
        return counts.numbers(self.account.pk)

    @property
    def heads(self) -> list[tuple[str, str]]:
        """As `heads_of`, in the same query as the count of all."""
        return heads_in(self._numbers)

    @property
    def facets(self) -> list[tuple[str, str, str]]:
        """Name, word and number of each."""
        return [(name, word, self.counts[name]) for name, word in FACETS.items()]

    @property
    def total(self) -> str:
        """How many match."""
        return self.counts[self.selection.status]


def _facet(name: str, chosen: Selection, account: Account) -> QuerySet[Resource]:
    """The volumes of a facet, within the search and the types chosen."""
    # All kinds by name: then the index that counts begins with what is the same.
    kinds = chosen.kinds or Resource.VOLUME_KINDS
    return replace(chosen, kinds=kinds, status=name).rows(account)


@cache
def _counts_of(kinds: tuple[str, ...]) -> PreparedCounts:
    """With the facets but All, without a search; ``kinds`` is one, or empty for all."""
    chosen, names = Selection(kinds=kinds), tuple(STATUSES)
    return _BESIDE | PreparedCounts(
        names, lambda pk: [_facet(name, chosen, Account(pk=pk)) for name in names]
    )


OF_EACH_KIND = PreparedCounts(
    tuple(kind.value for kind in KINDS),
    lambda pk: [Account(pk=pk).resources.volumes().filter(kind=kind) for kind in KINDS],
)


# Whether anything is under way: fifty ids take longer to put together than all the rest of a look.
_BUSY = "busy"
_BESIDE = OF_EACH_KIND | PreparedCounts(
    (_BUSY,), lambda pk: [Task.objects.filter(account=pk).active()], cap=0
)


def heads_of(account: Account) -> list[tuple[str, str]]:
    """How many volumes of each kind there are, and the plural of its name; by one query."""
    return heads_in(OF_EACH_KIND.numbers(account.pk))


def heads_in(numbers: Mapping[str, int]) -> list[tuple[str, str]]:
    """The same of what `OF_EACH_KIND` has counted."""
    return [
        (as_count(numbers[kind.value]), f"{kind.label}{'' if numbers[kind.value] == 1 else 's'}")
        for kind in KINDS
    ]


def volumes_named(account: Account, keys: Iterable[str]) -> list[Resource]:
    """Volumes of the account by what a browser sent as their ids; others are left out."""
    wanted = [pk for pk in map(as_uuid, keys) if pk]
    volumes = account.resources.volumes().filter(pk__in=wanted)
    return list(volumes.select_related("account"))
