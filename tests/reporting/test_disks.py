"""Disk usage: looked at once a day of the account's zone, added up by day and month."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.engine import clock
from portal.models import Account, CloudAccount, Resource
from reporting.figures.disks import sample_day, sample_disks
from reporting.models import DiskSample, DiskStatistic
from tests.clock import JumpClock
from tests.factories import AccountFactory, CloudAccountFactory, ResourceFactory

pytestmark = pytest.mark.django_db
GB = 2**30
PROFILE, DRIVE = Resource.Kind.ENTERPRISE_PROFILE, Resource.Kind.PERSONAL_DRIVE


@pytest.fixture
def account() -> Account:
    account: Account = AccountFactory(time_zone="Europe/London")
    for number, (kind, size) in enumerate([(PROFILE, 30), (PROFILE, 10), (DRIVE, 50)]):
        ResourceFactory(account=account, kind=kind, user_name=f"u-{number}", size_bytes=size * GB)
    ResourceFactory(account=account, kind=DRIVE, user_name="gone", is_missing=True)
    ResourceFactory(account=account)
    return account


def look(moment: str, *, synced: str | None = None) -> None:
    """A minute's tick; the inventory was read a moment ago, or then."""
    at = JumpClock()
    at.time = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    read = datetime.fromisoformat(synced).replace(tzinfo=UTC) if synced else at.time
    CloudAccount.objects.update(synced_at=read)
    with clock.using(at):
        sample_disks()


def rows(account: Account, frequency: str) -> list[tuple[object, ...]]:
    found = DiskStatistic.objects.filter(account=account, frequency=frequency)
    return [
        (f"{day.period_start:%m-%d %H}", day.volume_type[:3], day.volume_count,
         day.size_bytes // GB, round(day.gb_hours, 3))
        for day in found.order_by("period_start", "-volume_type")
    ]  # fmt: skip


def test_each_volume_is_looked_at_once_a_day(account: Account) -> None:
    look("2026-03-28T08:00")
    look("2026-03-28T08:01")
    assert DiskSample.objects.count() == 3
    assert rows(account, "day") == [
        ("03-28 00", "per", 1, 50, 1200),
        ("03-28 00", "ent", 2, 40, 960),
    ]
    sample = DiskSample.objects.get(volume_type=DRIVE)
    assert (sample.day, sample.user_name, sample.size_bytes) == (date(2026, 3, 28), "u-2", 50 * GB)


def test_a_day_has_the_hours_it_has(account: Account) -> None:
    """Clocks go forward on 29 March: midnight is at 23:00 UTC from then on."""
    look("2026-03-29T00:00")
    look("2026-03-29T22:59")
    look("2026-03-29T23:00")
    days = [row for row in rows(account, "day") if row[1] == "per"]
    assert days == [("03-29 00", "per", 1, 50, 23 * 50), ("03-29 23", "per", 1, 50, 24 * 50)]
    months = [row for row in rows(account, "month") if row[1] == "per"]
    assert months == [("03-01 00", "per", 1, 50, 47 * 50)]


def test_a_month_adds_up_days_and_has_the_size_of_the_last_look(account: Account) -> None:
    look("2026-02-27T08:00")
    # Nothing ran on the 28th; nothing is made up for it.
    Resource.objects.filter(kind=DRIVE).delete()
    Resource.objects.filter(user_name="u-0").update(size_bytes=35 * GB)
    look("2026-02-26T08:00")
    look("2026-03-01T00:00")
    assert [row[0] for row in rows(account, "day")] == [
        "02-26 00", "02-27 00", "02-27 00", "03-01 00",
    ]  # fmt: skip
    Resource.objects.filter(user_name="u-0").update(size_bytes=36 * GB)
    look("2026-03-02T08:00")
    assert rows(account, "month") == [
        ("02-01 00", "per", 1, 50, 24 * 50),
        ("02-01 00", "ent", 2, 40, 24 * (40 + 45)),
        ("03-01 00", "ent", 2, 46, 24 * (45 + 46)),
    ]


def test_a_kind_that_is_gone_takes_nothing_at_the_last_look(account: Account) -> None:
    look("2026-02-26T08:00")
    Resource.objects.filter(kind=DRIVE).delete()
    look("2026-02-27T08:00")
    assert rows(account, "month")[0] == ("02-01 00", "per", 0, 0, 24 * 50)


def test_an_inventory_of_another_day_says_nothing_of_this(account: Account) -> None:
    look("2026-03-02T08:00", synced="2026-03-01T23:59")
    assert not DiskSample.objects.exists()
    look("2026-03-02T09:00", synced="2026-03-02T00:00")
    assert DiskSample.objects.count() == 3


def test_each_account_has_its_own_midnight(account: Account) -> None:
    far = AccountFactory(time_zone="Pacific/Auckland", cloud_account=CloudAccountFactory())
    ResourceFactory(account=far, kind=DRIVE, user_name="u")
    look("2026-03-02T12:00")
    look("2026-03-02T23:00")
    days = DiskSample.objects.filter(account=far).order_by("day").values_list("day", flat=True)
    assert list(days) == [date(2026, 3, 3)]
    assert DiskSample.objects.filter(account=account).count() == 3


def test_ten_thousand_volumes_take_one_statement(account: Account) -> None:
    CloudAccount.objects.update(synced_at=datetime(2026, 3, 2, 5, tzinfo=UTC))
    Resource.objects.bulk_create(
        Resource(
            account=account, cloud_account=account.cloud_account, kind=DRIVE, name=f"d-{n}",
            external_id=f"d-{n}", user_name=f"d-{n}", size_bytes=GB,
        )
        for n in range(10_000)
    )  # fmt: skip
    with CaptureQueriesContext(connection) as queries:
        assert sample_day(account, date(2026, 3, 2)) == 10_003
    assert len([q for q in queries if "disksample" in q["sql"] and "INSERT" in q["sql"]]) == 1
    assert len(queries) <= 14
    with CaptureQueriesContext(connection) as queries:
        assert sample_day(account, date(2026, 3, 2)) == 0
