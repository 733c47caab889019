"""The Volumes page's two tabs against the Django admin's changelist of the same rows.

Whole answers, through every middleware, of one signed-in person: the first page and one in the
middle, of a thousand rows and of a million. Both show fifty rows and the same columns; the
admin's has the filters ours has. The two take turns, so that both meet the same machine.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db import connection
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Concat
from django.test import Client, override_settings
from django.urls import include, path

from backups.models import Backup, note_latest
from portal.bulk import as_text, insert_from, uuid_from
from portal.engine import clock
from portal.models import (
    Account,
    CloudAccount,
    Customer,
    Organization,
    Resource,
    Role,
    RoleGrant,
    User,
)
from portal.paging import Order, cursor_of
from tests.bench.figure import Figure

FEW, MANY = 1_000, 1_000_000
ROWS = 50
TURNS = {FEW: 21, MANY: 7}
# performance.md
OF_ADMIN, OF_ADMIN_AT_A_MILLION, DEEP, LARGE = 0.5, 0.1, 1.3, 1.3

site = admin.AdminSite(name="bench")


class VolumeChangelist(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = (
        "name", "user_name", "kind", "size_bytes", "attached_to", "last_backup_status",
        "last_backup_at",
    )  # fmt: skip
    list_filter = ("kind", "last_backup_status")
    search_fields = ("name", "user_name", "external_id")
    ordering = ("sort_name",)
    list_per_page = ROWS


class BackupChangelist(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "resource", "user", "created_at", "type", "size_bytes", "status")
    list_filter = ("kind", "type", "status")
    list_select_related = ("resource",)
    search_fields = ("resource__name", "resource__user_name")
    ordering = ("-created_at",)
    list_per_page = ROWS

    def user(self, backup: Backup) -> str:
        return backup.resource.user_name


site.register(Resource, VolumeChangelist)
site.register(Backup, BackupChangelist)
urlpatterns = [path("bench/", site.urls), path("", include("portal.urls"))]


@dataclass(frozen=True)
class Tab:
    """A tab of the page and the changelist of its rows."""

    name: str
    ours: str
    theirs: str
    rows: QuerySet[Any]
    order: Order


def measure(rounds: int) -> Iterator[Figure]:
    account, person = _account()
    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"]):
        client = Client()
        client.force_login(person)
        first: dict[str, list[float]] = {}
        for count in (FEW, MANY):
            _fill(account, count)
            for tab in _tabs(account):
                yield from _figures(client, tab, count, first, rounds)
    _forget(account)


def _figures(
    client: Client, tab: Tab, count: int, first: dict[str, list[float]], rounds: int
) -> Iterator[Figure]:
    """``first`` keeps the first pages' times by tab, for the table with more rows."""
    name = f"{tab.name}, {count:,} rows"
    target = OF_ADMIN if count == FEW else OF_ADMIN_AT_A_MILLION
    middle = tab.rows.order_by(*_ordering(tab.order))[count // 2]
    deep = f"{tab.ours}?after={cursor_of(tab.order, middle)}"
    page = count // 2 // ROWS + 1
    made = [_in_turn(client, count, tab.ours, tab.theirs) for _ in range(rounds)]
    ours, theirs = ([each[number] for each in made] for number in range(2))
    yield Figure(f"{name}: first page ÷ admin", _ratios(ours, theirs), target)
    made = [_in_turn(client, count, deep, f"{tab.theirs}?p={page}") for _ in range(rounds)]
    ours_deep, theirs_deep = ([each[number] for each in made] for number in range(2))
    yield Figure(f"{name}: deep page ÷ admin", _ratios(ours_deep, theirs_deep), target)
    yield Figure(f"{name}: deep page ÷ first", _ratios(ours_deep, ours), DEEP)
    yield Figure(f"{name}: first page, ms", tuple(1000 * each for each in ours))
    if tab.name in first:
        name = f"{name}: first page ÷ of 1,000"
        yield Figure(name, _ratios(ours, first[tab.name]), LARGE)
    first[tab.name] = ours


def _ratios(ones: list[float], others: list[float]) -> tuple[float, ...]:
    return tuple(one / other for one, other in zip(ones, others, strict=True))


def _ordering(order: Order) -> tuple[str, str]:
    sign = "-" if order.is_descending else ""
    return f"{sign}{order.field}", f"{sign}pk"


def _in_turn(client: Client, count: int, *addresses: str) -> tuple[float, ...]:
    """Return the median seconds of each page, asked for in turn after one for warming up."""
    times: list[list[float]] = [[] for _ in addresses]
    for turn in range(TURNS[count] + 1):
        for taken, address in zip(times, addresses, strict=True):
            started_at = time.perf_counter()
            answer = client.get(address)
            seconds = time.perf_counter() - started_at
            assert answer.status_code == 200, (address, answer.status_code)
            if turn:
                taken.append(seconds)
    return tuple(statistics.median(taken) for taken in times)


def _tabs(account: Account) -> tuple[Tab, Tab]:
    base = f"/accounts/{account.pk}/volumes/"
    volumes, backups = account.resources.volumes(), Backup.objects.filter(account=account)
    return (
        Tab("volumes", base, "/bench/portal/resource/", volumes, Order("sort_name", False)),
        Tab("backups", f"{base}backups/", "/bench/backups/backup/", backups.listed(),
            Order("created_at", True)),
    )  # fmt: skip


# Rows


def _account() -> tuple[Account, User]:
    customer = Customer.objects.create(name="Bench")
    organization = Organization.objects.create(customer=customer, name="Bench")
    cloud_account = CloudAccount.objects.create(
        customer=customer, name="lab", kind="ahv", endpoint="https://127.0.0.1:1", secrets={}
    )
    account = Account.objects.create(
        organization=organization, name="Bench", cloud_account=cloud_account
    )
    person = User.objects.create_superuser("bench@standby.example", "no password of anybody")
    RoleGrant.objects.create(user=person, role=Role.CUSTOMER_ADMINISTRATOR, customer=customer)
    return account, person


def _fill(account: Account, count: int) -> None:
    """Double the rows until there are so many; each volume has one backup."""
    kinds = (*(Resource.Kind.PERSISTENT_DESKTOP,) * 3, *Resource.VOLUME_KINDS[1:])
    if not account.resources.exists():
        Resource.objects.bulk_create(
            Resource(
                account=account, cloud_account=account.cloud_account, kind=kinds[number % 5],
                external_id=f"bench-{number}", name=f"vol-{number:04}",
                user_name=f"user-{number}@bench.example", size_bytes=40 * 2**30 + number,
            )
            for number in range(FEW)
        )  # fmt: skip
    have = account.resources.count()
    while have < count:
        mark = Value(f"-{have}")
        rows = account.resources.order_by("pk")[: count - have].values("pk")
        insert_from(Resource, account.resources.filter(pk__in=rows), _copy(mark))
        have = account.resources.count()
    _back_up(account)
    _tidy()


def _copy(mark: Value) -> dict[str, Any]:
    kept = ("account", "cloud_account", "kind", "size_bytes")
    return {
        "id": uuid_from(as_text("pk"), mark),
        **{name: F(name) for name in kept},
        **{name: Concat(name, mark) for name in ("external_id", "name", "user_name")},
    }


def _back_up(account: Account) -> None:
    """Give each volume that has none a backup; one in ten failed."""
    now, day = clock.now(), timedelta(days=1)
    bare = account.resources.filter(backups=None)
    for turn, kind in enumerate(Resource.VOLUME_KINDS):
        for part in range(4):
            rows = bare.filter(kind=kind, size_bytes__gte=0).order_by("pk")
            share = rows[: rows.count() // (4 - part)].values("pk")
            at = now - day * (4 * turn + part)
            insert_from(Backup, account.resources.filter(pk__in=share), _backup(at, part))
    note_latest(account.resources.filter(last_backup_id=None))


def _backup(at: datetime, part: int) -> dict[str, Any]:
    return {
        "id": uuid_from(as_text("pk"), Value("backup")),
        "resource": F("pk"),
        "account": F("account"),
        "kind": F("kind"),
        "name": "Scheduled",
        "type": Backup.Type.SCHEDULED,
        "status": Backup.Status.READY if part else Backup.Status.FAILED,
        "created_at": at,
        "size_bytes": F("size_bytes"),
    }


def _tidy() -> None:
    """What the database does by itself after a while."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def _forget(account: Account) -> None:
    """Leave the database as it was found, but for its size."""
    with connection.cursor() as cursor:
        for model in (Backup, Resource):
            table = connection.ops.quote_name(model._meta.db_table)
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608  # our own table
    User.objects.filter(email="bench@standby.example").delete()
    customer, cloud_account = account.organization.customer, account.cloud_account
    account.delete()
    if cloud_account:
        cloud_account.delete()
    customer.organizations.all().delete()
    customer.delete()
