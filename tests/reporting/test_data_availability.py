"""How long records are available: the source's table, and staff who change a period."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from portal.models import AuditEntry, User
from reporting.models import DataAvailability, DataType, UsageStatistic
from tests.factories import AccountFactory

SignIn = Callable[[User], Client]
filling = import_module("reporting.migrations.0002_data_availability")
# R144 to R154: availability, CSV/Report, Admin API.
TABLE = (
    ("Session Reports", "No Limit *", True, True),
    ("Audit Trail", "24 Months", True, True),
    ("Sessions", "12 Months *", True, True),
    ("Tasks", "12 Months", False, False),
    ("Usage", "12 Months *", True, True),
    ("User Activity", "12 Months", True, True),
    ("Disk Usage", "6 Months *", True, True),
    ("Elasticity", "3 Months", True, True),
    ("Notifications", "3 Months", False, False),
    ("Session Trail", "2 Months", True, True),
    ("Session Logs", "1 Month", False, False),
)


@pytest.fixture(autouse=True)
def _rows(db: None) -> None:
    """Tests that use real processes empty all tables, and leave them so."""
    filling.fill(apps, None)


def test_the_rows_are_those_of_the_table_in_its_order() -> None:
    rows = DataAvailability.objects.all()
    assert tuple((str(row), row.period, row.has_csv, row.has_api) for row in rows) == TABLE
    assert [row.data_type for row in rows] == DataType.values
    assert [str(row) for row in rows if row.has_report] == ["Session Reports"]


def test_the_rows_can_be_taken_back_and_made_again_without_undoing_a_change() -> None:
    DataAvailability.objects.filter(data_type=DataType.TASKS).update(months=18)
    filling.fill(apps, None)
    assert DataAvailability.objects.get(data_type=DataType.TASKS).months == 18
    filling.empty(apps, None)
    assert not DataAvailability.objects.exists()
    filling.fill(apps, None)
    assert DataAvailability.objects.count() == 11


@pytest.mark.parametrize("months", [1, 36, 120])
def test_staff_change_a_period_and_the_trail_says_from_what_to_what(
    staff: User, sign_in: SignIn, months: int
) -> None:
    client = sign_in(staff)
    assert "24 Months" in client.get("/admin/reporting/dataavailability/").text
    url = "/admin/reporting/dataavailability/audit_trail/change/"
    client.post(url, {"months": months, "has_api": "", "data_type": "tasks"})
    row = DataAvailability.objects.get(data_type=DataType.AUDIT_TRAIL)
    assert (row.months, row.has_csv, row.has_api, row.is_starred) == (months, True, True, False)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.actor_label, entry.target_label) == (
        "data_availability.edit", staff, "Sam Staff", "Audit Trail",
    )  # fmt: skip
    assert (entry.detail["before"], entry.detail["after"]) == ({"months": 24}, {"months": months})


def test_a_change_that_removes_more_says_how_much_and_asks_first(
    staff: User, sign_in: SignIn
) -> None:
    then = timezone.now() - timedelta(days=400)
    AuditEntry.objects.bulk_create(AuditEntry(at=then, action="x") for _ in range(1234))
    AuditEntry.objects.create(at=then - timedelta(days=1000), action="x")
    client, url = sign_in(staff), "/admin/reporting/dataavailability/audit_trail/change/"
    answer = client.post(url, {"months": 6})
    told = "remove 1,235 rows of Audit Trail, 1,234 of them only because of this change"
    assert told in answer.text
    assert f"{then - timedelta(days=1000):%d %b %Y}" in answer.text
    row = DataAvailability.objects.get(data_type=DataType.AUDIT_TRAIL)
    assert row.months == 24
    assert client.post(url, {"months": 6, "is_accepted": "on"}).status_code == 302
    row.refresh_from_db()
    assert row.months == 6
    entry = AuditEntry.objects.get(action="data_availability.edit")
    assert entry.detail["changed"] == ["Period in months"]


def test_a_longer_period_is_saved_without_asking(staff: User, sign_in: SignIn) -> None:
    AuditEntry.objects.create(at=timezone.now() - timedelta(days=1000), action="x")
    url = "/admin/reporting/dataavailability/audit_trail/change/"
    assert sign_in(staff).post(url, {"months": 36}).status_code == 302
    assert DataAvailability.objects.get(data_type=DataType.AUDIT_TRAIL).months == 36


def test_staff_take_a_star_away_knowing_what_goes(staff: User, sign_in: SignIn) -> None:
    end = timezone.now() - timedelta(days=400)
    UsageStatistic.objects.create(
        account=AccountFactory(), frequency="day", period_start=end - timedelta(days=1),
        period_end=end, system="pool",
    )  # fmt: skip
    client, url = sign_in(staff), "/admin/reporting/dataavailability/usage/change/"
    assert "nothing goes while its account lives" in client.get(url).text
    assert "remove 1 row of Usage" in client.post(url, {"months": 12}).text
    assert client.post(url, {"months": 12, "is_accepted": "on"}).status_code == 302
    assert not DataAvailability.objects.get(data_type=DataType.USAGE).is_starred
    entry = AuditEntry.objects.get(action="data_availability.edit")
    assert (entry.detail["before"], entry.detail["after"]) == (
        {"is_starred": True}, {"is_starred": False},
    )  # fmt: skip


@pytest.mark.parametrize("months", ["0", "121", "-1", "1.5", "many"])
def test_a_period_is_1_to_120_months(staff: User, sign_in: SignIn, months: str) -> None:
    url = "/admin/reporting/dataavailability/audit_trail/change/"
    answer = sign_in(staff).post(url, {"months": months})
    assert "errorlist" in answer.text
    assert DataAvailability.objects.get(data_type=DataType.AUDIT_TRAIL).months == 24
    assert not AuditEntry.objects.exists()


def test_sessions_are_kept_until_their_month_is_counted(staff: User, sign_in: SignIn) -> None:
    url = "/admin/reporting/dataavailability/session_trail/change/"
    answer = sign_in(staff).post(url, {"months": 1})
    assert "Session Trail needs at least 2 months: the figures of a month" in answer.text
    assert DataAvailability.objects.get(data_type=DataType.SESSION_TRAIL).months == 2
    for months in ("2", "3", ""):
        assert sign_in(staff).post(url, {"months": months}).status_code == 302


@pytest.mark.parametrize("months", [0, 121])
def test_the_database_takes_no_other_period(months: int) -> None:
    with pytest.raises(IntegrityError):
        DataAvailability.objects.filter(data_type=DataType.TASKS).update(months=months)


def test_nobody_adds_or_removes_a_type(staff: User, sign_in: SignIn) -> None:
    client = sign_in(staff)
    assert client.post("/admin/reporting/dataavailability/add/", {"months": 3}).status_code == 403
    url = "/admin/reporting/dataavailability/tasks/delete/"
    assert client.post(url, {"post": "yes"}).status_code == 403
    form = {"action": "delete_selected", "_selected_action": "tasks", "post": "yes"}
    client.post("/admin/reporting/dataavailability/", form)
    assert DataAvailability.objects.count() == 11


@pytest.mark.parametrize("who", ["customer_admin", "account_admin", "auditor"])
def test_people_of_customers_change_no_period(
    who: str, sign_in: SignIn, request: pytest.FixtureRequest
) -> None:
    client = sign_in(request.getfixturevalue(who))
    url = "/admin/reporting/dataavailability/tasks/change/"
    assert client.post(url, {"months": 99}).status_code in {302, 403}
    assert DataAvailability.objects.get(data_type=DataType.TASKS).months == 12
