"""The two sites: what is kept at each, how full they are, and who is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backups.models import Backup, Replica
from disaster_recovery.models import KeptBackups, ReadinessCheck
from disaster_recovery.sites import Kept, count_kept, kept_by_kind
from portal.models import Account, CloudAccount, Infrastructure, User
from tests.factories import BackupFactory, CloudAccountFactory
from tests.people import World

SignIn = Callable[[User], Client]
TB = 2**40


@pytest.fixture
def account(world: World) -> Account:
    """It replicates; the Sandbox has a replica of one of its two backups."""
    account = world.account
    account.site, account.dr_enabled, account.dr_site = "first-site", True, "second-site"
    account.dr_cloud_account = CloudAccountFactory(
        customer=world.customer, storage_used_bytes=17 * TB, storage_capacity_bytes=20 * TB,
        health=CloudAccount.Health.UNREACHABLE,
    )  # fmt: skip
    account.save()
    CloudAccount.objects.filter(pk=world.cloud_account.pk).update(
        storage_used_bytes=5 * TB,
        storage_capacity_bytes=20 * TB,
        health=CloudAccount.Health.REACHABLE,
    )
    for status in (Replica.Status.DONE, ""):
        BackupFactory(resource=world.sandbox, size_bytes=40 * 2**30, replication_status=status)
    BackupFactory(resource=world.utility_server, size_bytes=10 * 2**30)
    BackupFactory(resource=world.utility_server, status=Backup.Status.DELETED, size_bytes=TB)
    return account


def _pages(client: Client, account: Account) -> list[str]:
    names = ("disaster_recovery:recovery_overview", "reporting:overview")
    return [client.get(reverse(name, args=[account.pk])).text for name in names]


def test_both_sites_say_what_they_keep_and_how_full_they_are(
    world: World, account: Account, org_admin: User, sign_in: SignIn
) -> None:
    page, overview = _pages(sign_in(org_admin), account)
    assert "Primary · first-site" in page
    assert "Secondary · second-site" in page
    assert "3 · 90.0 GB" in page
    assert "1 · 40.0 GB" in page
    assert "Unreachable" in page
    for text in (page, overview):
        assert "5.0 TB of 20.0 TB" in text
        assert "17.0 TB of 20.0 TB · 85 % full" in text
    assert "90.0 GB" in overview
    assert "replicas 40.0 GB" in overview


def test_how_full_a_site_is_belongs_to_those_who_may_see_cloud_accounts(
    account: Account, account_admin: User, sign_in: SignIn
) -> None:
    for text in _pages(sign_in(account_admin), account):
        assert "90.0 GB" in text
        assert "of 20.0 TB" not in text


def test_azure_tells_no_capacity_and_egress_at_most(
    account: Account, org_admin: User, sign_in: SignIn
) -> None:
    Account.objects.filter(pk=account.pk).update(infrastructure=Infrastructure.AZURE)
    CloudAccount.objects.update(storage_used_bytes=None, storage_capacity_bytes=None)
    page, overview = _pages(sign_in(org_admin), account)
    assert "Not told by Azure" in page
    assert "Egress at most 0 B" in page
    assert "Azure tells no capacity of a region" in overview


def test_the_link_is_described_to_those_who_manage_it(
    account: Account, org_admin: User, account_admin: User, sign_in: SignIn
) -> None:
    for key, rows in (("bandwidth", []), ("containers", [["a", "b"], ["c", "b"]])):
        ReadinessCheck.objects.create(
            account=account, key=key, position=1, title=key, state="passed",
            measured="Bandwidth throttling: office hours.", rows=rows,
        )  # fmt: skip
    page, _ = _pages(sign_in(org_admin), account)
    assert "Bandwidth throttling: office hours." in page
    assert "2 mapped" in page
    page, _ = _pages(sign_in(account_admin), account)
    assert "Bandwidth throttling" not in page


def test_without_a_secondary_none_is_shown(world: World, auditor: User, sign_in: SignIn) -> None:
    page, overview = _pages(sign_in(auditor), world.account)
    assert "Nothing is replicated" in page
    assert "None yet." in page
    assert "At most, by full sizes of backups<" in overview


def test_many_are_counted_by_a_worker_and_not_by_the_page(world: World, account: Account) -> None:
    few = kept_by_kind(account)
    assert few == {
        "sandbox": Kept(2, 80 * 2**30, 1, 40 * 2**30),
        "utility_server": Kept(1, 10 * 2**30, 0, 0),
    }
    assert kept_by_kind(account, most=2) is None
    count_kept()
    assert kept_by_kind(account, most=2) == few
    BackupFactory(resource=world.sandbox, size_bytes=1)
    count_kept()
    assert kept_by_kind(account, most=2) == few
    KeptBackups.objects.update(counted_at=timezone.now() - timedelta(minutes=11))
    count_kept()
    counted = kept_by_kind(account, most=2)
    assert counted
    assert counted["sandbox"].backups == 3
