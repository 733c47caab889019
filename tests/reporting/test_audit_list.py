"""The audit trail: who did what, when, from where; narrowed, paged, and readable."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from portal.audit import SYSTEM, Actor, record
from portal.models import AuditEntry, User
from reporting.words import ACTION_GROUPS, ACTIONS, action_label
from tests.addresses import APPS
from tests.factories import AuditEntryFactory, TaskFactory
from tests.people import World
from tests.reporting.pages import HTMX, SignIn, count_queries, text_of, url

ROOT = Path(__file__).resolve().parents[2]


def test_an_entry_says_who_what_target_result_and_from_where(
    world: World, reader: Client, org_admin: User
) -> None:
    task = TaskFactory(account=world.account)
    actor = Actor(org_admin, str(org_admin), "10.20.4.17", "request-1")
    record(
        actor, "backup.create", world.sandbox, result="requested", name="Before 12.4",
        task=str(task.pk),
    )  # fmt: skip
    text = text_of(reader, url("audit_list", world.account))
    for part in ("Hana Oliveira", "Create backup", "meridian-sandbox, “Before 12.4”", "Requested"):
        assert part in text
    assert "10.20.4.17" in text
    assert "request-1" in text
    assert url("task_detail", world.account, task.pk) in text


def test_a_changed_setting_is_shown_before_and_after(world: World, reader: Client) -> None:
    before, after = (
        {"time_zone": "UTC", "name": "Same"},
        {"time_zone": "Asia/Tokyo", "name": "Same"},
    )
    record(SYSTEM, "account.edit", world.account, before=before, after=after)
    text = text_of(reader, url("audit_list", world.account), **HTMX)
    assert "Time zone" in text
    assert "<td>UTC</td>" in text
    assert "<ins>Asia/Tokyo</ins>" in text
    assert "Same" not in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"Ada", "Bob", "Cyd"}),
        ("group=backup", {"Ada"}),
        ("group=account", {"Bob"}),
        ("group=nonsense", {"Ada", "Bob", "Cyd"}),
        ("person=system", {"Bob", "Cyd"}),
        ("person=nonsense", {"Ada", "Bob", "Cyd"}),
        ("q=bob", {"Bob"}),
        ("q=target-c", {"Cyd"}),
        ("q=10.0.0.1", {"Ada"}),
        ("q=10.0.0", set()),
        ("since=2025-07-15", {"Bob", "Cyd"}),
        ("until=2025-07-14", {"Ada"}),
        ("since=2025-07-15&until=2025-07-15", {"Bob"}),
        ("sort=at", {"Ada", "Bob", "Cyd"}),
    ],
)
def test_the_trail_is_narrowed_by_action_person_day_and_text(
    query: str, found: set[str], world: World, reader: Client, org_admin: User
) -> None:
    def entry(name: str, action: str, at: datetime, **more: object) -> None:
        AuditEntryFactory(account=world.account, actor_label=name, action=action, at=at, **more)

    # Days begin in London, an hour before they do in UTC.
    entry("Ada", "backup.create", datetime(2025, 7, 14, 22, 59, tzinfo=UTC), actor=org_admin,
          source="10.0.0.1")  # fmt: skip
    entry("Bob", "account.edit", datetime(2025, 7, 14, 23, 0, tzinfo=UTC))
    entry("Cyd", "cloud_account.edit", datetime(2025, 7, 16, 12, 0, tzinfo=UTC),
          target_label="target-c")  # fmt: skip
    text = text_of(reader, f"{url('audit_list', world.account)}?{query}", **HTMX)
    assert {name for name in ("Ada", "Bob", "Cyd") if name in text} == found


def test_one_persons_entries_are_found(world: World, reader: Client, org_admin: User) -> None:
    AuditEntryFactory(account=world.account, actor=org_admin, actor_label="Hana O.")
    AuditEntryFactory(account=world.account, actor_label="Nobody else")
    text = text_of(reader, f"{url('audit_list', world.account)}?person={org_admin.pk}", **HTMX)
    assert "Hana O." in text
    assert "Nobody else" not in text


@pytest.mark.parametrize("query", ["q=oliv", "q=hana", "q=HANA.OLIVEIRA@", "q=Hana+Oliveira"])
def test_people_are_found_by_first_name_last_name_and_address(
    query: str, world: World, reader: Client, org_admin: User
) -> None:
    record(Actor(org_admin, "H. O.", "10.0.0.1"), "account.edit", world.account, label="By her")
    record(SYSTEM, "account.edit", world.account, label="By the clock")
    # As she was called then: the entry keeps it.
    User.objects.filter(pk=org_admin.pk).update(full_name="Ha Ol", email="other@example.org")
    AuditEntry.objects.filter(target_label="By her").update(actor_label="Hana Oliveira")
    text = text_of(reader, f"{url('audit_list', world.account)}?{query}", **HTMX)
    assert "By her" in text
    assert "hana.oliveira@example.org" in text
    assert "By the clock" not in text


def test_a_key_that_acts_is_found_by_its_id(world: World, reader: Client) -> None:
    key = Actor(None, "Broker", "10.0.0.1", api_client="key-17")
    record(key, "account.edit", world.account, label="By a program")
    text = text_of(reader, f"{url('audit_list', world.account)}?q=key-17", **HTMX)
    assert "By a program" in text
    assert "API key" in text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("since=yesterday", "Write the day as 2025-11-20."),
        ("since=0001-01-01", "From: "),
        ("until=9999-12-31", "To: "),
        ("since=2025-07-15&until=2025-07-14", "This day is before the first one."),
    ],
)
def test_days_that_make_no_sense_are_said_and_narrow_nothing(
    query: str, said: str, world: World, reader: Client
) -> None:
    AuditEntryFactory(account=world.account, target_label="Still here", at=timezone.now())
    text = text_of(reader, f"{url('audit_list', world.account)}?{query}")
    assert said in text
    assert "The list is not narrowed by it." in text


def test_other_accounts_entries_are_not_shown(
    world: World, elsewhere: World, reader: Client
) -> None:
    AuditEntryFactory(account=elsewhere.account, target_label="Theirs")
    assert "Theirs" not in text_of(reader, url("audit_list", world.account))


def test_what_people_typed_is_shown_and_never_run(world: World, reader: Client) -> None:
    record(SYSTEM, "backup.create", world.sandbox, name="<script>alert(1)</script>")
    assert "<script>alert" not in text_of(reader, url("audit_list", world.account))


def test_the_trail_is_paged_and_counted(world: World, reader: Client) -> None:
    now = timezone.now()
    for number in range(30):
        AuditEntryFactory(account=world.account, at=now - timedelta(minutes=number))
    address = url("audit_list", world.account)
    answer = reader.get(address)
    assert "30 entries" in answer.content.decode()
    rest = reader.get(f"{address}?after={answer.context['page'].next}").context["page"].rows
    assert [entry.pk for entry in rest] == list(
        AuditEntry.objects.order_by("-at").values_list("pk", flat=True)[25:]
    )


def test_more_entries_need_no_more_queries(world: World, reader: Client) -> None:
    address = url("audit_list", world.account)
    AuditEntryFactory.create_batch(2, account=world.account)
    few = count_queries(reader, address)
    AuditEntryFactory.create_batch(20, account=world.account)
    assert count_queries(reader, address) == few


def test_every_action_has_words_and_stands_in_a_group() -> None:
    assert {action.partition(".")[0] for action in ACTIONS} <= set(ACTION_GROUPS)
    assert action_label("backup.create") == "Create backup"
    assert action_label("volume.detach_user") == "Detach user volume"


def test_every_action_that_is_recorded_has_words() -> None:
    recorded = {
        action
        for app in APPS
        for file in (ROOT / app).rglob("*.py")
        for action in re.findall(r'\brecord\(\s*\w+,\s*"([a-z_.]+)"', file.read_text())
    }
    assert {"volumes.backup", "volume_policy.edit"} <= recorded
    assert recorded <= set(ACTIONS)


def test_administrators_also_see_what_belongs_to_no_account(
    world: World, elsewhere: World, sign_in: SignIn, customer_admin: User, org_admin: User
) -> None:
    record(SYSTEM, "cloud_account.edit", world.cloud_account, label="Of the customer")
    record(SYSTEM, "organization.create", world.organization, label="Of the organization")
    record(SYSTEM, "cloud_account.edit", elsewhere.cloud_account, label="Of strangers")
    record(SYSTEM, "account.edit", world.account, label="Of the account")
    address = f"{url('audit_list', world.account)}?scope=above"
    for person, seen in (
        (customer_admin, {"Of the customer", "Of the organization"}),
        (org_admin, {"Of the organization"}),
    ):
        rows = sign_in(person).get(address).context["page"].rows
        assert {entry.target_label for entry in rows} == seen


def test_others_see_their_account_whatever_they_ask_for(world: World, reader: Client) -> None:
    record(SYSTEM, "cloud_account.edit", world.cloud_account, label="Of the customer")
    record(SYSTEM, "account.edit", world.account, label="Of the account")
    text = text_of(reader, f"{url('audit_list', world.account)}?scope=above")
    assert "Of the account" in text
    assert "Of the customer" not in text
    assert "Organization and customer" not in text
