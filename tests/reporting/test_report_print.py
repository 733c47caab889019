"""The report to print: all in one file, every text escaped, and the audit says who has it."""

from __future__ import annotations

import re

from django.test import Client
from django.utils import timezone

from portal.models import Account, AuditEntry
from reporting.models import UserActivity
from tests.people import World
from tests.reporting.history import fill
from tests.reporting.pages import count_queries, url


def test_a_report_stands_alone_and_is_written_down(
    world: World, elsewhere: World, reader: Client, outsider: Client
) -> None:
    now = timezone.now()
    fill(world.account, now, days=40)
    Account.objects.filter(pk=world.account.pk).update(name="<b>Radiology</b>")
    UserActivity.objects.update(last_name="<script>alert(1)</script>")
    answer = reader.get(url("report_print", world.account))
    text = answer.content.decode()
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="bradiologyb_session')
    for part in (
        "&lt;b&gt;Radiology&lt;/b&gt;", "Meridian organization", "Europe/London", f"{now:%B %Y}",
        "Peak concurrency", "Disk Usage", "Users longest in session", "user-3@meridian.example",
    ):  # fmt: skip
        assert part in text
    assert "<script" not in text
    # Nothing is fetched: neither style nor picture nor font.
    assert not re.search(r"(src|href)=|url\((?!#p-)|@import", text)
    entry = AuditEntry.objects.get(action="report.export")
    assert entry.detail["type"] == "session_reports"
    assert outsider.get(url("report_print", world.account)).status_code == 404


def test_an_account_without_sessions_has_a_report_too(world: World, reader: Client) -> None:
    text = reader.get(url("report_print", world.account)).content.decode()
    assert "No month of this range has been counted." in text
    assert text.count("No figures in this range.") == 4


def test_more_months_need_no_more_queries(world: World, reader: Client) -> None:
    address = f"{url('report_print', world.account)}?since=2020-01-01"
    few = count_queries(reader, address)
    fill(world.account, timezone.now(), days=100)
    assert count_queries(reader, address) == few
