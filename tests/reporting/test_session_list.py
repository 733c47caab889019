"""The Session Trail and Session Logs: who, when, on what; narrowed, paged, gone in time."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from portal.models import Account
from reporting.models import Session, SessionEvent
from tests.people import World
from tests.reporting.pages import count_queries, text_of, url


def _session(account: Account, user: str, **facts: object) -> Session:
    start = timezone.now() - timedelta(days=1)
    defaults: dict[str, object] = {"session_id": f"id-of-{user}", "started_at": start}
    return Session.objects.create(account=account, user_name=user, **{**defaults, **facts})


def _ended(days: int) -> dict[str, object]:
    at = timezone.now() - timedelta(days=days)
    return {"state": "closed", "started_at": at, "ended_at": at, "close_reason": "vm_lost"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"ann", "bob", "cyd"}),
        ("q=ANN", {"ann"}),
        ("q=air-07", {"bob"}),
        ("q=id-of-cyd", {"cyd"}),
        ("q=id-of", set()),
        ("q=example.org", {"cyd"}),
        ("state=closed", {"cyd"}),
        ("state=nonsense", {"ann", "bob", "cyd"}),
        ("since={two}", {"ann", "bob"}),
        ("until={two}", {"cyd"}),
    ],
)
def test_the_trail_and_its_file_are_narrowed_alike(
    query: str, found: set[str], world: World, reader: Client
) -> None:
    _session(world.account, "ann")
    _session(world.account, "bob", machine_name="air-07")
    _session(world.account, "cyd", email="cyd@example.org", **_ended(9))
    query = query.format(two=(timezone.now() - timedelta(days=2)).date())
    page = reader.get(f"{url('session_list', world.account)}?{query}").context["page"]
    assert {session.user_name for session in page.rows} == found
    answer = reader.get(f"{url('report_export', world.account, 'session_trail')}?{query}")
    rows = csv.DictReader(io.StringIO(answer.getvalue().decode(), newline=""))
    assert {row["user"] for row in rows} == found


def test_sessions_go_from_each_page_when_their_time_is_over(world: World, reader: Client) -> None:
    for user, days in (("new", 5), ("month", 35), ("quarter", 95)):
        _session(world.account, user, **_ended(days))
    # It is old so long after its end, and has none.
    started_at = timezone.now() - timedelta(days=100)
    _session(world.account, "live", started_at=started_at)
    seen = {
        name: {each.user_name for each in reader.get(url(name, world.account)).context["page"].rows}
        for name in ("session_list", "session_log_list")
    }
    assert seen == {"session_list": {"new", "month", "live"}, "session_log_list": {"new", "live"}}
    gone = Session.objects.get(user_name="month")
    assert reader.get(url("session_log_detail", world.account, gone.pk)).status_code == 404


def test_a_log_has_the_events_in_order(world: World, elsewhere: World, reader: Client) -> None:
    session = _session(world.account, "ann", **_ended(2))
    for number, kind in enumerate(("closed", "started")):
        SessionEvent.objects.create(
            account=world.account, session=session, event_id=f"<e{number}>", type=kind,
            occurred_at=session.started_at + timedelta(minutes=9 - number),
            close_reason="vm_lost" if kind == "closed" else "",
        )  # fmt: skip
    text = text_of(reader, url("session_log_detail", world.account, session.pk))
    assert text.index(" started event=&lt;e1&gt;") < text.index(" closed reason=vm_lost")
    assert "VM lost" in text
    (log,) = reader.get(url("session_log_list", world.account)).context["logs"]
    assert log.size_bytes == len(log.text) > 150
    theirs = _session(elsewhere.account, "theirs")
    assert reader.get(url("session_log_detail", world.account, theirs.pk)).status_code == 404


@pytest.mark.parametrize("name", ["session_list", "session_log_list"])
def test_more_sessions_need_no_more_queries(name: str, world: World, reader: Client) -> None:
    address = url(name, world.account)
    for number in range(2):
        _session(world.account, f"ann-{number}")
    few = count_queries(reader, address)
    for number in range(20):
        _session(world.account, f"bob-{number}")
    assert count_queries(reader, address) == few
