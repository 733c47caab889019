"""The overview: the answer first, then what needs a hand and where it is mended."""

from __future__ import annotations

from datetime import timedelta

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backups.models import Backup
from portal.models import CloudAccount, Resource
from tests.backups.pages import failed_backup, running_backup
from tests.factories import BackupFactory, NotificationFactory, ResourceFactory
from tests.people import World
from tests.reporting.pages import count_queries, failed_task, text_of, url


def test_all_is_well_is_said_when_it_is(world: World, reader: Client) -> None:
    for server in (world.sandbox, world.utility_server):
        BackupFactory(resource=server, completed_at=timezone.now() - timedelta(hours=3))
    text = text_of(reader, url("overview", world.account))
    assert "2 of 2 servers have a good backup and no failure since" in text
    assert "Nothing needs attention" in text
    assert "3 h ago" in text


def test_a_server_without_backup_is_not_backed_up_and_can_be(
    world: World, admin: Client, reader: Client
) -> None:
    create = reverse("backups:backup_create", args=[world.account.pk, world.sandbox.pk])
    text = text_of(admin, url("overview", world.account))
    assert "Not backed up" in text
    assert create in text
    assert create not in text_of(reader, url("overview", world.account))


def test_a_failed_last_backup_leads_to_its_task(world: World, reader: Client) -> None:
    BackupFactory(resource=world.sandbox)
    failed = failed_backup(world.sandbox)
    text = text_of(reader, url("overview", world.account))
    assert "The last backup of meridian-sandbox failed" in text
    assert "Its earlier backups are not affected." in text
    assert url("task_detail", world.account, failed.task_id) in text


def test_a_failure_before_a_good_backup_is_forgotten(world: World, reader: Client) -> None:
    failed = failed_backup(world.sandbox)
    Backup.objects.filter(pk=failed.pk).update(created_at=timezone.now() - timedelta(days=1))
    BackupFactory(resource=world.sandbox)
    assert "The last backup of" not in text_of(reader, url("overview", world.account))


def test_a_missing_machine_needs_a_hand(world: World, reader: Client) -> None:
    Resource.objects.filter(pk=world.sandbox.pk).update(is_missing=True)
    text = text_of(reader, url("overview", world.account))
    assert "meridian-sandbox is missing at the cloud" in text


def test_an_unreachable_cloud_account_is_mended_by_those_who_may_see_it(
    world: World, reader: Client, sign_in: object, org_admin: object
) -> None:
    cloud = world.cloud_account
    CloudAccount.objects.filter(pk=cloud.pk).update(health=CloudAccount.Health.UNREACHABLE)
    address = reverse("portal:cloud_account_detail", args=[cloud.pk])
    text = text_of(sign_in(org_admin), url("overview", world.account))  # type: ignore[operator]
    assert "does not answer" in text
    assert address in text
    text = text_of(reader, url("overview", world.account))
    assert "does not answer" in text
    assert address not in text


def test_an_account_without_servers_says_what_comes_first(world: World, reader: Client) -> None:
    Resource.objects.all().delete()
    text = text_of(reader, url("overview", world.account))
    assert "No servers yet" in text
    assert "Organization Administrator assigns" in text


def test_sandbox_and_utility_servers_are_two_clicks_away(world: World, reader: Client) -> None:
    text = text_of(reader, url("overview", world.account))
    assert reverse("backups:sandbox_detail", args=[world.account.pk]) in text
    assert reverse("backups:utility_server_list", args=[world.account.pk]) in text


def test_unread_notifications_are_shown(world: World, reader: Client) -> None:
    NotificationFactory(account=world.account, title="Look here")
    assert "Look here" in text_of(reader, url("overview", world.account))


def test_a_server_in_maintenance_says_so_and_its_task_is_polled(
    world: World, reader: Client
) -> None:
    backup = running_backup(world.sandbox)
    text = text_of(reader, url("overview", world.account))
    assert "Maintenance mode" in text
    assert "The first one is under way." in text
    assert text.count('data-hx-trigger="every 2s"') == 1
    assert f'data-live="overview:{backup.task_id}"' in text


def test_more_servers_need_no_more_queries(world: World, reader: Client) -> None:
    address = url("overview", world.account)
    failed_task(world.sandbox)
    few = count_queries(reader, address)
    for _ in range(10):
        BackupFactory(resource=ResourceFactory(account=world.account))
    assert count_queries(reader, address) == few
