"""Sessions counted into figures: the same however reports come, whatever is counted when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest
from django.test.utils import CaptureQueriesContext
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.engine import clock
from portal.engine.runner import Runner
from portal.models import Account, Notification, Task
from reporting import sessions
from reporting.figures.counting_task import KIND, count_due
from reporting.models import (
    Counted,
    Session,
    SessionReport,
    SessionStatistic,
    UsageStatistic,
    UserActivity,
)
from tests.clock import JumpClock
from tests.factories import AccountFactory, ResourceFactory
from tests.reporting.naive_figures import expected, kept

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# Days on which something is odd: clocks changed by an hour or half of one, at night or midnight.
ODD_DAYS = (
    ("Europe/London", "2026-03-29"),
    ("Europe/London", "2025-10-26"),
    ("America/Havana", "2025-11-02"),
    ("America/Santiago", "2025-09-07"),
    ("Australia/Lord_Howe", "2025-10-05"),
    ("Asia/Kolkata", "2025-12-01"),
)
ids = count()


class SetClock(JumpClock):
    """Stands at a moment of the test's own."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self.time = at


@pytest.fixture
def account() -> Account:
    return AccountFactory(time_zone="Europe/London")


def run_due(at: SetClock) -> None:
    """What a worker does once a minute, until nothing is left to do."""
    with clock.using(at):
        count_due()
    Runner(clock=at, threads=1).run(seconds=3600)
    assert not Task.objects.active().exists()


def tell(account: Account, at: SetClock, session: str, type_: str, when: datetime,
         **facts: object) -> None:  # fmt: skip
    reason = "inactivity" if type_ == "closed" else ""
    user = str(facts.pop("user", "ann"))
    event = sessions.Event(
        f"e-{next(ids)}", account.pk, session, type_, when, user, reason, facts
    )
    with clock.using(at):
        (outcome,) = sessions.take_in({account.pk: account}, [event])
    assert outcome.status == "accepted", outcome.problem


_SESSIONS = st.lists(
    st.tuples(
        st.integers(-3000, 3000),  # minutes from the odd midnight to its start
        st.one_of(st.none(), st.integers(0, 3000)),  # its length in minutes, if it ends
        st.sampled_from(["ann", "bob", "eve"]),
        st.sampled_from(["", "Office"]),
        st.sampled_from([None, 12.5]),
        st.booleans(),  # on a machine of the account's
        st.booleans(),  # disconnected before it began, as a clock that is wrong says
    ),
    max_size=6,
)


@given(odd=st.sampled_from(ODD_DAYS), given=_SESSIONS, data=st.data())
@settings(max_examples=8, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
def test_figures_are_those_worked_out_one_by_one(
    odd: tuple[str, str], given: list[tuple[int, int | None, str, str, float | None, bool, bool]],
    data: st.DataObject,
) -> None:  # fmt: skip
    Session.objects.all().delete()
    Counted.objects.all().delete()
    account = AccountFactory(time_zone=odd[0])
    machine = ResourceFactory(account=account, name="desk")
    midnight = datetime.fromisoformat(odd[1]).replace(tzinfo=account.zone).astimezone(UTC)
    at = SetClock(midnight + 3000 * MINUTE)
    reports: list[Callable[[], None]] = []
    for number, (start, length, user, pool, far, has_machine, is_odd) in enumerate(given):
        facts = {"pool": pool, "distance_km": far, "user": user, "session": f"s-{number}"}
        facts["machine_name"] = machine.name if has_machine else ""
        times = {"started": start} | ({"disconnected": start - 400} if is_odd else {})
        if length is not None:
            times["closed"] = min(start + length, 3000)
        for type_, minutes in times.items():
            when = midnight + minutes * MINUTE

            def report(type_: str = type_, when: datetime = when, facts: dict = facts) -> None:  # type: ignore[type-arg]
                tell(account, at, type_=type_, when=when, **facts)  # type: ignore[arg-type]

            reports.append(report)
    for report in data.draw(st.permutations(reports)):
        report()
        if data.draw(st.integers(0, 3)) == 0:
            at.advance(HOUR.total_seconds())
            run_due(at)
    at.advance(HOUR.total_seconds())
    run_due(at)
    assert kept(account) == expected(account, at.now())
