"""An account's two sites: what it keeps at each, whether each answers, and how full each is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import timedelta

from django.db.models import Count, F, Q, QuerySet, Sum

from backups.models import Backup, Replica
from disaster_recovery.models import KeptBackups, ReadinessCheck
from portal.access import Permission
from portal.clouds.api import Storage
from portal.engine import clock
from portal.engine.ticks import every_minute
from portal.models import Account, CloudAccount
from portal.templatetags.ui import UNKNOWN, Look

# A site that is fuller has no room for what comes next: told in amber, and with a word.
TIGHT_PERCENT = 80
# More backups than these are counted by a worker: a page should not wait for it.
COUNTED_NOW = 2_000
COUNTED_EVERY, ACCOUNTS_AT_ONCE = timedelta(minutes=10), 50
_HEALTH = {
    CloudAccount.Health.REACHABLE: Look("ok", "okcircle"),
    CloudAccount.Health.UNREACHABLE: Look("bad", "xcircle"),
    CloudAccount.Health.REFUSED: Look("bad", "xcircle"),
}


@dataclass(frozen=True)
class Kept:
    """Good backups, and those of them with a replica. Bytes are full sizes.

    What copies share at a site is not told by it: they take that much at most.
    """

    backups: int = 0
    backup_bytes: int = 0
    replicas: int = 0
    replica_bytes: int = 0


@dataclass(frozen=True)
class Site:
    """One of the two. ``storage`` is None where it is not told, or not for this person.

    ``count`` and ``size_bytes`` of what is kept there are None as long as they are not counted.
    """

    name: str
    cloud_account: CloudAccount | None
    count: int | None
    size_bytes: int | None
    storage: Storage | None

    @property
    def look(self) -> Look:
        if self.cloud_account is None:
            return UNKNOWN
        return _HEALTH.get(CloudAccount.Health(self.cloud_account.health), UNKNOWN)

    @property
    def word(self) -> str:
        return self.cloud_account.get_health_display() if self.cloud_account else "None yet"

    @property
    def percent(self) -> int:
        """How full it is; never all of it while a byte is free."""
        if self.storage is None:
            return 0
        used, capacity = self.storage.used_bytes, self.storage.capacity_bytes
        return 100 if used >= capacity else min(99, round(100 * used / capacity))

    @property
    def is_tight(self) -> bool:
        return self.storage is not None and self.percent >= TIGHT_PERCENT


@dataclass(frozen=True)
class Sites:
    """Both; ``secondary`` is None as long as the account has none."""

    kinds: Mapping[str, Kept] | None
    primary: Site
    secondary: Site | None
    # Storage containers of the primary that lead to the secondary (AHV).
    containers: int = 0
    # Bandwidth throttling and compression of each way, as the latest checks found them (R117).
    links: Sequence[ReadinessCheck] = ()

    @property
    def all(self) -> Sequence[Site]:
        return [each for each in (self.primary, self.secondary) if each]


def sites_of(
    account: Account,
    rights: frozenset[Permission],
    checks: Iterable[ReadinessCheck] = (),
) -> Sites:
    """By four queries. How full a site is belongs to those who may see cloud accounts (R112)."""
    kinds = kept_by_kind(account)
    backups, backup_bytes = _sum(kinds, "backups"), _sum(kinds, "backup_bytes")
    replicas, replica_bytes = _sum(kinds, "replicas"), _sum(kinds, "replica_bytes")
    ids = {account.cloud_account_id, account.dr_cloud_account_id} - {None}
    known = CloudAccount.objects.in_bulk(ids)
    may_see = Permission.VIEW_CLOUD_ACCOUNTS in rights
    first = known.get(account.cloud_account_id) if account.cloud_account_id else None
    primary = Site(account.site, first, backups, backup_bytes, _storage(first, may_see))
    secondary = None
    if account.dr_cloud_account_id and (account.dr_enabled or replicas):
        second = known[account.dr_cloud_account_id]
        secondary = Site(
            account.dr_site, second, replicas, replica_bytes, _storage(second, may_see)
        )
    found = {check.key: check for check in checks}
    mapped = found.get("containers")
    ways = [found[key] for key in ("bandwidth", "bandwidth_back") if key in found]
    return Sites(
        kinds,
        primary,
        secondary,
        containers=len(mapped.rows) if mapped else 0,
        links=ways if may_see else (),
    )


def _sum(kinds: Mapping[str, Kept] | None, name: str) -> int | None:
    return None if kinds is None else sum(getattr(kept, name) for kept in kinds.values())


def _storage(found: CloudAccount | None, may_see: bool) -> Storage | None:
    used = found.storage_used_bytes if found else None
    capacity = found.storage_capacity_bytes if found else None
    if not may_see or used is None or not capacity:
        return None
    return Storage(used, capacity)


def kept_by_kind(account: Account, *, most: int = COUNTED_NOW) -> dict[str, Kept] | None:
    """Counted now, by two queries, or as the workers counted it where they are ``most`` and more.

    None where they are that many and no worker has counted them yet.
    """
    good = Backup.objects.filter(account=account, status=Backup.Status.READY)
    if good.order_by()[: most + 1].count() <= most:
        return _count(account)
    row = KeptBackups.objects.filter(account=account).first()
    return {kind: Kept(*numbers) for kind, numbers in row.kinds.items()} if row else None


def _count(account: Account) -> dict[str, Kept]:
    with_replica = Q(replication_status=Replica.Status.DONE)
    rows = Backup.objects.filter(account=account, status=Backup.Status.READY).order_by()
    counted = rows.values("kind").annotate(
        n=Count("pk"),
        size=Sum("size_bytes"),
        n_replicated=Count("pk", filter=with_replica),
        size_replicated=Sum("size_bytes", filter=with_replica),
    )
    return {
        str(row["kind"]): Kept(
            row["n"], row["size"] or 0, row["n_replicated"], row["size_replicated"] or 0
        )
        for row in counted
    }


def _oldest_first(old: Q) -> QuerySet[Account]:
    return (
        Account.objects.living().filter(old).order_by(F("kept__counted_at").asc(nulls_first=True))
    )


@every_minute
def count_kept() -> None:
    """Count what accounts keep whose count is old; a third of a million takes a second."""
    now = clock.now()
    old = Q(kept=None) | Q(kept__counted_at__lt=now - COUNTED_EVERY)
    for account in _oldest_first(old)[:ACCOUNTS_AT_ONCE]:
        kinds = {kind: list(astuple(kept)) for kind, kept in _count(account).items()}
        counted = {"kinds": kinds, "counted_at": now}
        KeptBackups.objects.update_or_create(account=account, defaults=counted)
