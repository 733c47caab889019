"""CSV: the same bytes on both databases, nothing a spreadsheet would run, ended with its reader."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import Q
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase

from portal.models import Account, AuditEntry
from reporting.models import DataAvailability, DataType, Session, SessionStatistic, UserActivity
from reporting.records import DATA_SETS, csv_of, rows_of
from tests.factories import AccountFactory, AuditEntryFactory, OrganizationFactory

NOW = datetime(2025, 11, 20, 12, tzinfo=UTC)
ON_POSTGRESQL = "postgresql" in settings.DATABASES["default"]["ENGINE"]


@pytest.fixture
def account(db: None) -> Account:
    organization = OrganizationFactory(name="EMEA, Clinical")
    return AccountFactory(name='=Radiology "PACS"', organization=organization)


def file_of(name: DataType, account: Account, **more: Any) -> bytes:
    availability = DataAvailability.objects.get(pk=name)
    data_set = DATA_SETS[name]
    return b"".join(csv_of(data_set, rows_of(data_set, account, availability, None, NOW, **more)))


def cells_of(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode(), newline="")))


def test_a_file_is_the_same_to_the_byte_on_either_database(account: Account) -> None:
    plain = {"account": account, "actor_label": "Hana", "action": "backup.create"}
    AuditEntryFactory(
        **plain, at=NOW - timedelta(days=1, microseconds=-5), target_label="Sandbox", detail={}
    )
    AuditEntryFactory(
        **plain | {"actor_label": '=cmd|"/c calc"!A1', "action": "account.edit"},
        at=NOW - timedelta(hours=1), target_label="two\nlines, Kovář", source="+1",
        email="@ann", first_name="", result="failed", api_client="key", request_id="-2-3",
        detail={"task": "ü", "after": {"zone": "UTC"}, "name": 'q"\\', "n": [1, True, None]},
    )  # fmt: skip
    named = '"EMEA, Clinical","\'=Radiology ""PACS"""'
    assert file_of(DataType.AUDIT_TRAIL, account).decode() == (
        "date_time,first_name,last_name,email,actor,action,result,entity_type,entity_name,"
        "entity_id,organization,account,details,ip_address,api_client,request_id\r\n"
        "2025-11-19T12:00:00.000005Z,,,,Hana,backup.create,done,,Sandbox,,"
        f"{named},{{}},,,\r\n"
        '2025-11-20T11:00:00.000000Z,,,\'@ann,"\'=cmd|""/c calc""!A1",account.edit,failed,,'
        f'"two\nlines, Kovář",,{named},'
        '"{""n"": [1, true, null], ""name"": ""q\\""\\\\"", ""task"": ""ü"", '
        '""after"": {""zone"": ""UTC""}}"'
        ",'+1,key,'-2-3\r\n"
    )


def test_numbers_and_durations_are_the_same_on_either_database(account: Account) -> None:
    start = NOW - timedelta(days=2)
    ends = (
        timedelta(seconds=1, microseconds=999_600),
        timedelta(hours=1, microseconds=-1),
        timedelta(days=1),
    )
    for number, (end, distance) in enumerate(zip(ends, (1.005, 12.345, None), strict=True)):
        Session.objects.create(
            account=account, session_id=f"s{number}", user_name="ann", state="closed",
            started_at=start + timedelta(minutes=number), distance_km=distance,
            ended_at=start + timedelta(minutes=number) + end,
        )  # fmt: skip
    rows = cells_of(file_of(DataType.SESSION_TRAIL, account))
    assert [row["duration_seconds"] for row in rows] == ["1", "3599", "86400"]
    assert [row["distance_km"] for row in rows] == ["1.01", "12.35", ""]
    assert {row["account"] for row in rows} == {'\'=Radiology "PACS"'}


def test_text_stands_in_the_order_of_its_bytes(account: Account) -> None:
    for name in ("b", "a", "B", "_", "é"):
        UserActivity.objects.create(
            account=account, user_name=name, period_start=NOW - timedelta(days=2),
            period_end=NOW - timedelta(days=1), first_seen_at=NOW, last_seen_at=NOW,
        )  # fmt: skip
        SessionStatistic.objects.create(
            account=account, frequency="day", period_start=NOW - timedelta(days=2),
            period_end=NOW, system="pool", pool=name,
        )  # fmt: skip
    people = cells_of(file_of(DataType.USER_ACTIVITY, account))
    assert [row["user"] for row in people] == ["B", "_", "a", "b", "é"]
    figures = cells_of(file_of(DataType.SESSIONS, account))
    assert [row["pool"] for row in figures] == ["B", "_", "a", "b", "é"]


def test_a_file_without_rows_has_its_header(account: Account) -> None:
    for name, data_set in DATA_SETS.items():
        if data_set.columns:
            header = ",".join(column.name for column in data_set.columns)
            assert file_of(name, account).decode() == header + "\r\n"


def test_what_narrows_the_rows_is_never_part_of_the_statement(account: Account) -> None:
    AuditEntryFactory(account=account, at=NOW, target_label="100% 'quoted'; DROP TABLE x; --%s")
    narrowed = Q(target_label__icontains="100% 'quoted'; DROP TABLE x; --%s")
    (row,) = cells_of(file_of(DataType.AUDIT_TRAIL, account, narrowed=narrowed))
    assert row["entity_name"] == "100% 'quoted'; DROP TABLE x; --%s"


class AnyText(HypothesisTestCase):
    """Whatever stands in a cell, a reader gets it back, with an apostrophe if it was a formula."""

    texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9)

    @hypothesis_settings(max_examples=60, deadline=None)
    @given(st.lists(texts, min_size=1, max_size=4))
    def test_every_text_comes_back(self, labels: list[str]) -> None:
        account = AccountFactory()
        for number, label in enumerate(labels):
            AuditEntryFactory(
                account=account, at=NOW - timedelta(minutes=9 - number), target_label=label
            )
        rows = cells_of(file_of(DataType.AUDIT_TRAIL, account))
        got = [row["entity_name"] for row in rows]
        assert [each.removeprefix("'") for each in got] == [e.removeprefix("'") for e in labels]
        assert not any(each[:1] in tuple("=+-@\t\r\n＝＋－＠") for each in got if each)  # noqa: RUF001


def _many(account: Account, count: int = 20_000) -> None:
    AuditEntry.objects.bulk_create(
        AuditEntry(
            account=account, at=NOW - timedelta(seconds=number), actor_label="Hana",
            action="backup.create", target_label="x" * 200,
        )
        for number in range(count)
    )  # fmt: skip


def _pieces(account: Account) -> Iterator[bytes]:
    availability = DataAvailability.objects.get(pk=DataType.AUDIT_TRAIL)
    data_set = DATA_SETS[DataType.AUDIT_TRAIL]
    return csv_of(data_set, rows_of(data_set, account, availability, None, NOW))


def test_pieces_are_small_at_first_and_never_large(account: Account) -> None:
    _many(account, 3_000)
    sizes = [len(piece) for piece in _pieces(account)]
    assert sizes[0] < 20_000
    assert max(sizes) < 250_000
    assert len(sizes) > 5


@pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite has no server that could go on")
@pytest.mark.django_db(transaction=True)
def test_a_reader_who_goes_away_ends_the_query_at_the_server() -> None:
    account = AccountFactory()
    _many(account)
    pieces = _pieces(account)
    next(pieces)
    ours = connection.connection.info.backend_pid
    other = connection.copy()
    assert _doing(other, ours) == "active COPY"
    pieces.close()  # type: ignore[attr-defined]  # a generator
    assert _doing(other, ours).partition(" ")[0] == "idle"
    other.close()
    # And the connection is as good as before.
    assert AuditEntry.objects.count() == 20_000


def _doing(other: Any, pid: int) -> str:
    """The state of a server process, and the first word of what it runs or ran last."""
    with other.cursor() as cursor:
        cursor.execute("SELECT state, query FROM pg_stat_activity WHERE pid = %s", [pid])
        state, query = cursor.fetchone()
    return f"{state} {query.partition(' ')[0]}"


@pytest.mark.skipif(ON_POSTGRESQL, reason="PostgreSQL has no lock that keeps writers out")
@pytest.mark.django_db(transaction=True)
def test_a_slow_reader_keeps_no_writer_out() -> None:
    account = AccountFactory()
    _many(account)
    pieces = _pieces(account)
    next(pieces)
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("UPDATE portal_auditentry SET source = '10.0.0.1'")
    other.close()
    rest = b"".join(pieces)
    # What was written meanwhile is not in the file, nor is a part of it.
    assert b"10.0.0.1" not in rest
    assert rest.endswith(b"\r\n")
