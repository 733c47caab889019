"""The Notification Center: by day in the account's zone, narrowed, and dismissed by each alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from portal.models import Dismissal, Notification, User
from reporting import services
from tests.factories import NotificationFactory
from tests.people import World
from tests.reporting.pages import HTMX, count_queries, failed_task, text_of, url


def test_nothing_new_says_what_would_be_here(world: World, reader: Client) -> None:
    assert "Nothing new" in text_of(reader, url("notification_list", world.account))


def test_notifications_stand_under_the_day_of_the_accounts_zone(
    world: World, reader: Client
) -> None:
    # 23:30 in UTC is half past midnight of the next day in London's summer.
    late = datetime(2025, 7, 14, 23, 30, tzinfo=UTC)
    NotificationFactory(account=world.account, created_at=late)
    NotificationFactory(account=world.account)
    text = text_of(reader, url("notification_list", world.account))
    assert "Tuesday 15 July 2025" in text
    assert ">00:30<" in text
    assert "Today" in text


def test_a_notification_tells_its_level_and_leads_to_its_task(world: World, reader: Client) -> None:
    task = failed_task(world.sandbox)
    NotificationFactory(account=world.account, level="error", title="It failed", task=task)
    text = text_of(reader, url("notification_list", world.account))
    assert '<span class="vh">Error: </span>' in text
    assert url("task_detail", world.account, task.pk) in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"One", "Two", "Three"}),
        ("level=error", {"Two"}),
        ("level=nonsense", {"One", "Two", "Three"}),
        ("q=thr", {"Three"}),
        ("q=nothing+like+it", set()),
    ],
)
def test_the_list_is_narrowed_by_level_and_text(
    query: str, found: set[str], world: World, reader: Client
) -> None:
    for title, level in (("One", "info"), ("Two", "error"), ("Three", "warning")):
        NotificationFactory(account=world.account, title=f"{title}!", level=level)
    text = text_of(reader, f"{url('notification_list', world.account)}?{query}", **HTMX)
    assert {title for title in ("One", "Two", "Three") if f"{title}!" in text} == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kind=restore", {"Two"}),
        ("kind=nonsense", {"One", "Two"}),
        ("since=2025-07-15", {"Two"}),
        ("until=2025-07-14", {"One"}),
        ("since=2025-07-14&until=2025-07-15", {"One", "Two"}),
        ("since=2025-07-15&until=2025-07-14", {"Two"}),  # the second is said to make no sense
    ],
)
def test_the_list_is_narrowed_by_what_it_is_about_and_by_days_of_the_accounts_zone(
    query: str, found: set[str], world: World, reader: Client
) -> None:
    # Days begin in London, an hour before they do in UTC.
    for title, kind, minute in (("One", "backup", 59), ("Two", "restore", 60)):
        at = datetime(2025, 7, 14, 22, 0, tzinfo=UTC) + timedelta(minutes=minute)
        NotificationFactory(account=world.account, title=f"{title}!", kind=kind, created_at=at)
    text = text_of(reader, f"{url('notification_list', world.account)}?{query}", **HTMX)
    assert {title for title in ("One", "Two") if f"{title}!" in text} == found


def test_a_notification_leads_to_what_it_happened_to(world: World, reader: Client) -> None:
    from django.urls import reverse

    task = failed_task(world.utility_server)
    NotificationFactory(account=world.account, task=task)
    page = reverse(
        "backups:utility_server_detail", args=[world.account.pk, world.utility_server.pk]
    )
    text = text_of(reader, url("notification_list", world.account))
    assert f'<a href="{page}">{world.utility_server.name}</a>' in text


def test_alert_settings_are_offered_to_those_who_may_change_them(
    world: World, admin: Client, reader: Client
) -> None:
    address = url("notification_list", world.account)
    assert "Alert settings" in text_of(admin, address)
    assert "Alert settings" not in text_of(reader, address)
    assert "Kept for 3 months" in text_of(reader, address)


def test_dismissing_hides_it_only_for_oneself(
    world: World, admin: Client, reader: Client, account_admin: User
) -> None:
    told = NotificationFactory(account=world.account, title="Told to all")
    back = f"{url('notification_list', world.account)}?level=info"
    answer = admin.post(url("notification_dismiss", world.account, told.pk), {"back": back})
    assert answer.headers["Location"] == back
    assert "Told to all" not in text_of(admin, url("notification_list", world.account))
    assert "Told to all" in text_of(reader, url("notification_list", world.account))
    everything = text_of(admin, f"{url('notification_list', world.account)}?show=all")
    assert "Told to all" in everything
    assert "Dismissed" in everything


def test_dismissing_twice_is_dismissing_once(world: World, admin: Client) -> None:
    told = NotificationFactory(account=world.account)
    for _ in range(2):
        assert admin.post(url("notification_dismiss", world.account, told.pk)).status_code == 302
    assert Dismissal.objects.count() == 1


@pytest.mark.parametrize("back", ["https://example.org/", "//example.org", "/admin/", ""])
def test_the_way_back_leads_nowhere_else(back: str, world: World, admin: Client) -> None:
    told = NotificationFactory(account=world.account)
    answer = admin.post(url("notification_dismiss", world.account, told.pk), {"back": back})
    assert answer.headers["Location"] == url("notification_list", world.account)


def test_dismissing_all_spares_what_arrived_after_the_page_was_drawn(
    world: World, admin: Client, account_admin: User
) -> None:
    drawn = timezone.now()
    NotificationFactory.create_batch(3, account=world.account, created_at=drawn)
    later = NotificationFactory(account=world.account, created_at=drawn + timedelta(seconds=1))
    admin.post(url("notification_dismiss_all", world.account), {"until": drawn.isoformat()})
    left = Notification.objects.unread_by(account_admin, world.account)
    assert list(left) == [later]


@pytest.mark.parametrize("until", ["", "nonsense", "2025-02-31T10:00:00Z", "2025-01-01T10:00:00"])
def test_dismissing_all_without_a_time_dismisses_up_to_now(
    until: str, world: World, admin: Client, account_admin: User
) -> None:
    NotificationFactory(account=world.account)
    admin.post(url("notification_dismiss_all", world.account), {"until": until})
    assert not Notification.objects.unread_by(account_admin, world.account).exists()


def test_dismissing_all_is_of_one_account(
    world: World, elsewhere: World, account_admin: User
) -> None:
    theirs = NotificationFactory(account=elsewhere.account)
    NotificationFactory.create_batch(2, account=world.account)
    assert services.dismiss_all(account_admin, world.account) == 2
    assert not theirs.dismissals.exists()


def test_older_ones_are_a_page_away(world: World, reader: Client) -> None:
    now = timezone.now()
    for number in range(30):
        at = now - timedelta(hours=number)
        NotificationFactory(account=world.account, title=f"No {number}.", created_at=at)
    address = url("notification_list", world.account)
    page = reader.get(address).context["page"]
    assert len(page.rows) == 25
    text = text_of(reader, f"{address}?after={page.next}", **HTMX)
    assert "No 29." in text
    assert "No 24." not in text
    assert "Show newer" in text


def test_more_notifications_need_no_more_queries(world: World, reader: Client) -> None:
    address = url("notification_list", world.account)
    NotificationFactory.create_batch(2, account=world.account, task=None)
    few = count_queries(reader, address)
    for _ in range(10):
        NotificationFactory(account=world.account, task=failed_task(world.sandbox))
    assert count_queries(reader, address) == few
