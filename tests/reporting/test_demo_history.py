"""The demo's history: counted as everything is, made once, dropped where it would be purged."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from portal.models import Account, AuditEntry, Notification, Task, User
from reporting import demo_history
from reporting.figures.counting import Look, count_days, count_month
from reporting.figures.counting_task import count_due, plan_of
from reporting.models import (
    Counted,
    DataType,
    DiskSample,
    DiskStatistic,
    ElasticitySample,
    Session,
    SessionEvent,
    SessionReport,
    SessionStatistic,
    UsageStatistic,
    UserActivity,
)
from reporting.records.periods import cutoff_of
from tests.reporting.demo_scene import demo_accounts
from tests.reporting.naive_figures import kept
from tests.reporting.pages import SignIn, text_of, url

pytestmark = pytest.mark.usefixtures("periods")
MONTHS = 3
TABLES = (
    Session, SessionEvent, SessionStatistic, UsageStatistic, UserActivity, SessionReport,
    DiskSample, DiskStatistic, ElasticitySample, AuditEntry, Task, Notification, Counted,
)  # fmt: skip


def counts() -> list[int]:
    return [model._default_manager.count() for model in TABLES]


@pytest.fixture
def accounts() -> list[Account]:
    accounts = demo_accounts()
    said: list[str] = []
    demo_history.load(said.append, MONTHS)
    assert len(said) == len(accounts)
    return accounts


def test_every_type_has_rows_and_loading_again_adds_none(accounts: list[Account]) -> None:
    before = counts()
    assert all(before)
    said: list[str] = []
    demo_history.load(said.append, MONTHS)
    assert (counts(), said) == (before, [])
    for account in accounts:
        months = SessionReport.objects.filter(account=account).order_by("period_start")
        # On the first days of a month there is no session of it yet, or no day of one counted.
        assert len(months) in ({MONTHS, MONTHS + 1} if timezone.now().day < 4 else {MONTHS + 1})
        assert min(each.session_count for each in months) > 0 or timezone.now().day < 4


def test_sessions_are_there_as_far_back_as_they_would_be(accounts: list[Account]) -> None:
    now = timezone.now()
    trail = cutoff_of(now - timedelta(minutes=5), DataType.SESSION_TRAIL)
    logs = cutoff_of(now - timedelta(minutes=5), DataType.SESSION_LOGS)
    assert not Session.objects.filter(ended_at__lt=trail).exists()
    assert not SessionEvent.objects.filter(session__ended_at__lt=logs).exists()
    assert not Session.objects.live().exists()
    assert not Session.objects.filter(ended_at__lt=F("started_at")).exists()
    young = Session.objects.filter(ended_at__gte=logs)
    assert young.filter(events__type="closed", events__occurred_at=F("ended_at")).count() >= (
        young.filter(ended_at__gte=now - timedelta(days=27)).count()
    )


def test_what_was_counted_is_what_counting_gives(accounts: list[Account]) -> None:
    for account in accounts:
        before, now = kept(account), timezone.now()
        last = now.astimezone(account.zone).date().replace(day=1) - timedelta(days=1)
        look = Look(account, account.zone, now)
        count_days(look, last.replace(day=1), last)
        count_month(look, last.replace(day=1))
        assert kept(account) == before
        assert not plan_of(Counted.objects.get(account=account), now).days
    count_due()
    assert not Task.objects.active().exists()


def test_samples_agree_with_sessions(accounts: list[Account]) -> None:
    since = timezone.now() - timedelta(days=5)
    pools = ElasticitySample.objects.exclude(max_servers=None).filter(at__gte=since)
    assert pools.count() > 1000
    for sample in pools.order_by("at")[::97]:
        live = Session.objects.filter(
            account=sample.account_id, pool=sample.pool, started_at__lte=sample.at,
            ended_at__gt=sample.at,
        )  # fmt: skip
        assert sample.in_session + sample.waiting_users == live.count()
        assert sample.available == sample.running - sample.in_session
        assert sample.running + sample.starting + sample.stopped == sample.max_servers


def test_volumes_have_grown_and_nothing_is_due(accounts: list[Account]) -> None:
    for account in accounts:
        months = DiskStatistic.objects.filter(account=account, frequency="month")
        sizes = [each.size_bytes for each in months.filter(
            volume_type="personal_drive").order_by("period_start")]  # fmt: skip
        assert sizes == sorted(sizes)
        assert sizes[0] < sizes[-1]
    # The widget and the bell show what is new, not what is history.
    assert not Task.objects.in_widget().exists()


@pytest.mark.parametrize("name", ["overview", "task_list", "audit_list", "notification_list"])
def test_pages_show_the_history(accounts: list[Account], sign_in: SignIn, name: str) -> None:
    person = User.objects.get(grants__account=accounts[0])
    client = sign_in(person)
    text_of(client, url(name, accounts[0]))
    failed = Task.objects.filter(account=accounts[0], kind="publish_sandbox").first()
    assert failed
    assert "Publish Sandbox" in text_of(client, url("task_detail", accounts[0], failed.pk))
