"""The Reports page: what there is, from when on, and the buttons exactly where the table ticks."""

from __future__ import annotations

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from portal.models import AuditEntry
from reporting.models import DataAvailability, DataType
from tests.factories import AuditEntryFactory, NotificationFactory, TaskFactory
from tests.people import World
from tests.reporting.history import fill
from tests.reporting.pages import HTMX, count_queries, text_of, url

TICKED = {
    "Audit Trail", "Sessions", "Usage", "User Activity", "Disk Usage", "Elasticity",
    "Session Trail",
}  # fmt: skip


def _rows(text: str) -> dict[str, str]:
    """Each row of the table as text, by its first cell."""
    body = text.partition("<tbody")[2].partition("</tbody>")[0]
    rows = {}
    for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL):
        words = " ".join(re.sub(r"<[^>]+>", " ", row).split())
        rows[next(each.label for each in DataType if words.startswith(each.label + " "))] = words
    return rows


def test_the_table_is_that_of_the_documentation(world: World, reader: Client) -> None:
    text = text_of(reader, url("report_list", world.account))
    rows = _rows(text)
    assert list(rows) == [str(each) for each in DataAvailability.objects.all()]
    assert {name for name, row in rows.items() if "Download CSV" in row} == TICKED
    assert {name for name, row in rows.items() if "Download Report" in row} == {"Session Reports"}
    assert "12 Months *" in rows["Sessions"]
    assert "No Limit *" in rows["Session Reports"]
    for name, words in (
        ("Tasks", "View tasks"),
        ("Notifications", "View notifications"),
        ("Session Logs", "View sessions"),
    ):
        assert words in rows[name]
        assert rows[name].count(" No ") == 2
    assert "* Data will remain available until Frame Account is terminated." in text
    assert "Periods are subject to change" in text
    assert "/api/v1" in text


def test_a_period_that_staff_change_is_shown_at_once(world: World, reader: Client) -> None:
    DataAvailability.objects.filter(pk="tasks").update(months=1)
    assert "1 Month " in _rows(text_of(reader, url("report_list", world.account)))["Tasks"]


def test_what_of_the_range_is_gone_is_said_in_words(world: World, reader: Client) -> None:
    now = timezone.now().astimezone(ZoneInfo("Europe/London"))
    since, until = now.date() - timedelta(days=300), now.date() - timedelta(days=290)
    rows = _rows(
        text_of(reader, f"{url('report_list', world.account)}?since={since}&until={until}")
    )
    gone = {name for name, row in rows.items() if "is no longer available" in row}
    assert gone == {"Elasticity", "Notifications", "Session Trail", "Session Logs"}
    assert "Older data is kept too *" in rows["Disk Usage"]
    assert f"{until.day} {until:%b}" in rows["Elasticity"]


def test_rows_in_range_are_counted(world: World, reader: Client) -> None:
    now = timezone.now()
    fill(world.account, now, days=3)
    AuditEntryFactory.create_batch(4, account=world.account, at=now - timedelta(days=1))
    AuditEntryFactory(account=world.account, at=now - timedelta(days=100))
    NotificationFactory.create_batch(2, account=world.account)
    TaskFactory(account=world.account)
    rows = _rows(text_of(reader, url("report_list", world.account)))
    for name, count in (
        ("Audit Trail", 4), ("Notifications", 2), ("Tasks", 1), ("Sessions", 6), ("Usage", 6),
        ("Disk Usage", 6), ("Session Trail", 60), ("User Activity", 7), ("Elasticity", 480),
    ):  # fmt: skip
        assert re.search(rf"\d{{4}} {count} ", rows[name]), rows[name]
    hours = _rows(text_of(reader, f"{url('report_list', world.account)}?frequency=hour"))
    assert re.search(r"\d{4} 0 ", hours["Sessions"])
    assert re.search(r"\d{4} 6 ", hours["Disk Usage"])


def test_more_data_needs_no_more_queries(world: World, reader: Client) -> None:
    address = url("report_list", world.account)
    reader.get(address)
    few = count_queries(reader, address)
    fill(world.account, timezone.now(), days=3)
    AuditEntryFactory.create_batch(20, account=world.account)
    assert count_queries(reader, address) == few


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("since=2025-07-15&until=2025-07-14", "This day is before the first one."),
        ("since=nonsense", "Write the day as 2025-11-20."),
    ],
)
def test_days_that_make_no_sense_are_said_and_give_no_file(
    query: str, said: str, world: World, reader: Client
) -> None:
    address = f"{url('report_list', world.account)}?{query}"
    assert said in text_of(reader, address)
    assert "<html" not in text_of(reader, address, **HTMX)
    for name, keys in (("report_export", ["sessions"]), ("report_print", [])):
        answer = reader.get(f"{url(name, world.account, *keys)}?{query}")
        assert answer.status_code == 302
        assert answer["Location"] == address
    assert not AuditEntry.objects.filter(action="report.export").exists()
