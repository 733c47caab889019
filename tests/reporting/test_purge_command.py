"""manage.py purge: a table of what would go, and the same taken away."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from portal.models import Account, AuditEntry, Notification
from tests.factories import AccountFactory, AuditEntryFactory, NotificationFactory, TaskFactory


def _run(*arguments: str) -> dict[str, list[str]]:
    out = StringIO()
    call_command("purge", *arguments, stdout=out)
    lines = out.getvalue().splitlines()[1:]
    return {line[:18].strip(): line[18:].split() for line in lines}


@pytest.fixture
def accounts(db: None) -> list[Account]:
    """Two, each with three notifications and two entries that are too old."""
    accounts: list[Account] = [AccountFactory(), AccountFactory()]
    then = timezone.now() - timedelta(days=900)
    for account in accounts:
        for _ in range(3):
            NotificationFactory(account=account, created_at=then)
        for _ in range(2):
            AuditEntryFactory(account=account, at=then)
        NotificationFactory(account=account)
    return accounts


def test_a_dry_run_shows_and_removes_nothing(accounts: list[Account]) -> None:
    told = _run("--dry-run")
    assert len(told) == 12
    assert told["Notifications"][:2] == ["3", "Months"]
    assert told["Notifications"][-1] == "6"
    assert told["Audit Trail"][-1] == "4"
    assert told["Usage"] == ["12", "Months", "*", "-", "0"]
    assert told["In all"] == ["10"]
    assert (Notification.objects.count(), AuditEntry.objects.count()) == (8, 4)


def test_without_it_all_of_that_goes(accounts: list[Account]) -> None:
    told = _run()
    assert told["In all"] == ["10"]
    assert Notification.objects.count() == 2
    left = AuditEntry.objects.all()
    assert {each.action for each in left} == {"records.purge"}
    assert {each.actor_label for each in left} == {"Command line"}
    assert _run()["In all"] == ["0"]


def test_one_type_of_one_account(accounts: list[Account]) -> None:
    told = _run("--type", "notifications", "--account", str(accounts[0].pk))
    assert told.keys() == {"Notifications", "In all"}
    assert told["In all"] == ["3"]
    assert Notification.objects.filter(account=accounts[0]).count() == 1
    assert Notification.objects.filter(account=accounts[1]).count() == 4
    assert AuditEntry.objects.get(action="records.purge").detail["removed"] == 3


def test_a_parent_is_shown_with_its_children(db: None) -> None:
    then = timezone.now() - timedelta(days=900)
    parent = TaskFactory(ended_at=then)
    TaskFactory(ended_at=then, parent=parent, account=parent.account)
    assert _run("--dry-run", "--type", "tasks")["Tasks"][-1] == "2"
    assert _run("--type", "tasks")["Tasks"][-1] == "2"


@pytest.mark.parametrize("account", ["x", "0b6f6d0e-4b52-4a9e-9a65-3f0a7f3f4c11"])
def test_an_account_that_is_not_there_is_refused(account: str, db: None) -> None:
    with pytest.raises(CommandError, match="There is no account"):
        _run("--account", account)
