"""Taking data along: the filter on screen is that of the file, and the audit says who did."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from portal.audit import SYSTEM, record
from portal.models import Account, AuditEntry, User
from reporting import exports
from reporting.models import DataType
from reporting.records import DATA_SETS
from tests.factories import AuditEntryFactory
from tests.people import World
from tests.reporting.history import fill
from tests.reporting.pages import SignIn, url

LONDON = ZoneInfo("Europe/London")
WITH_COLUMNS = sorted(name for name, each in DATA_SETS.items() if each.columns)
WITHOUT = sorted(set(DATA_SETS) - set(WITH_COLUMNS))


def _file(client: Client, account: Account, name: str, query: str = "") -> list[dict[str, str]]:
    answer = client.get(f"{url('report_export', account, name)}?{query}")
    assert answer.status_code == 200, answer.status_code
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    text = answer.getvalue().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("name", WITH_COLUMNS)
def test_each_ticked_type_can_be_taken_along(name: str, world: World, reader: Client) -> None:
    fill(world.account, timezone.now(), days=3)
    AuditEntryFactory(account=world.account)
    rows = _file(reader, world.account, name)
    assert rows
    assert list(rows[0]) == [column.name for column in DATA_SETS[DataType(name)].columns]
    entry = AuditEntry.objects.get(action="report.export")
    assert entry.detail["type"] == name
    assert entry.actor_label == "Ana Torres"
    assert entry.target_label == DataType(name).label


@pytest.mark.parametrize("name", [*WITHOUT, "nonsense"])
def test_nothing_else_can(name: str, world: World, reader: Client) -> None:
    assert reader.get(url("report_export", world.account, name)).status_code == 404


def test_the_file_is_named_for_account_type_and_range(world: World, reader: Client) -> None:
    world.account.name = 'Radiology "PACS"\r\nEMEA/ü'
    world.account.save()
    address = url("report_export", world.account, "usage")
    answer = reader.get(f"{address}?since=2025-09-01&until=2025-11-20")
    assert answer["Content-Disposition"] == (
        'attachment; filename="radiology-pacs-emeau_usage_2025-09-01_2025-11-20.csv"'
    )
    Account.objects.update(name="مكتب")
    answer = reader.get(f"{address}?since=2025-09-01&until=2025-11-20")
    assert f'filename="{world.account.pk}_usage_2025' in answer["Content-Disposition"]


def test_the_audit_file_has_what_the_page_shows(
    world: World, elsewhere: World, reader: Client, org_admin: User
) -> None:
    def entry(name: str, action: str, at: datetime, **more: object) -> None:
        AuditEntryFactory(account=world.account, actor_label=name, action=action, at=at, **more)

    midnight = datetime.now(LONDON).replace(hour=0, minute=0, second=0, microsecond=0)
    day = midnight.date()
    entry("Ada", "backup.create", midnight - timedelta(seconds=1), actor=org_admin)
    entry("Bob", "account.edit", midnight)
    entry("Cyd", "cloud_account.edit", midnight - timedelta(days=4), target_label="target-c")
    AuditEntryFactory(account=elsewhere.account, actor_label="Theirs")
    for query in (
        "", "group=backup", f"person={org_admin.pk}", "q=bob", "q=target-c", f"since={day}",
        f"until={day - timedelta(days=1)}", f"since={day - timedelta(days=1)}&group=account",
    ):  # fmt: skip
        page = reader.get(f"{url('audit_list', world.account)}?{query}")
        shown = {each.actor_label for each in page.context["page"].rows}
        rows = _file(reader, world.account, "audit_trail", query)
        # That it was taken along is in the file too.
        assert {row["actor"] for row in rows if row["action"] != "report.export"} == shown
        AuditEntry.objects.filter(action="report.export").delete()
        assert f'/audit_trail/csv/?{query.replace("&", "&amp;")}"' in page.content.decode()


def test_the_audit_file_of_what_is_above_is_for_administrators(
    world: World, sign_in: SignIn, org_admin: User, reader: Client
) -> None:
    record(SYSTEM, "organization.create", world.organization, label="Of the organization")
    record(SYSTEM, "account.edit", world.account, label="Of the account")
    (row,) = _file(sign_in(org_admin), world.account, "audit_trail", "scope=above")
    assert row["entity_name"] == "Of the organization"
    assert row["organization"] == "Meridian organization"
    assert row["account"] == ""
    seen = {
        row["entity_name"] for row in _file(reader, world.account, "audit_trail", "scope=above")
    }
    assert "Of the organization" not in seen


def test_too_old_entries_are_neither_on_the_page_nor_in_the_file(
    world: World, reader: Client
) -> None:
    AuditEntryFactory(account=world.account, at=timezone.now() - timedelta(days=800))
    assert reader.get(url("audit_list", world.account)).context["page"].rows == []
    names = [row["action"] for row in _file(reader, world.account, "audit_trail")]
    assert names == ["report.export"]


def test_figures_are_narrowed_like_their_chart(world: World, reader: Client) -> None:
    fill(world.account, timezone.now(), days=40)
    rows = _file(reader, world.account, "sessions", "frequency=day&system=pool&pool=Office")
    assert len(rows) == 40
    assert {row["system"] for row in rows} == {"pool"}
    rows = _file(reader, world.account, "disk_usage", "frequency=month&volume_type=personal_drive")
    assert {row["volume_type"] for row in rows} == {"personal_drive"}
    assert {row["frequency"] for row in rows} == {"month"}
    detail = AuditEntry.objects.latest("pk").detail
    assert detail["filter"] == {"frequency": "month", "volume_type": "personal_drive"}


def test_only_so_many_files_are_written_at_once(world: World, reader: Client) -> None:
    AuditEntryFactory(account=world.account)
    address = url("report_export", world.account, "audit_trail")
    held = [reader.get(address) for _ in range(exports.AT_ONCE)]
    refused = reader.get(address)
    assert refused.status_code == 503
    assert refused["Retry-After"] == "60"
    assert exports.BUSY in refused.content.decode()
    for each in held:
        assert each.getvalue()
    assert _file(reader, world.account, "audit_trail")
