"""The overview: the answer first, then what needs a hand and where it is mended."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from backups.models import Backup
from portal.models import CloudAccount, Resource, User
from reporting.volume_protection import VolumeCounts, volume_counts_of
from tests.backups.pages import failed_backup, running_backup
from tests.factories import BackupFactory, NotificationFactory, ResourceFactory
from tests.people import World
from tests.reporting.many import volume
from tests.reporting.pages import (
    HTMX,
    SignIn,
    count_queries,
    failed_task,
    plan_of,
    text_of,
    url,
)


def test_all_is_well_is_said_when_it_is(world: World, reader: Client) -> None:
    for server in (world.sandbox, world.utility_server):
        BackupFactory(resource=server, completed_at=timezone.now() - timedelta(hours=3))
    text = text_of(reader, url("overview", world.account))
    assert "All 2 resources are within the 24-hour RPO" in text
    assert "Nothing needs attention" in text
    assert "3 h ago" in text


def test_what_is_older_than_the_target_comes_first_and_is_led_to(
    world: World, reader: Client
) -> None:
    BackupFactory(resource=world.sandbox)
    drive = volume(world.account, kind=Resource.Kind.PERSONAL_DRIVE)
    for resource, hours in ((world.utility_server, 30), (drive, 50)):
        at = timezone.now() - timedelta(hours=hours)
        BackupFactory(resource=resource, created_at=at, completed_at=at)
    text = text_of(reader, url("overview", world.account))
    assert "2 of 3 resources are outside the 24-hour RPO" in text
    assert "The other 1 has a good backup of the last 24 h. 2 things need attention" in text
    assert "Personal Drive: 1 of 1 has no good backup of the last 24 h" in text
    assert "The oldest is of 2 d 2 h ago." in text
    assert reverse("backups:utility_server_list", args=[world.account.pk]) in text
    assert reverse("volumes:volume_list", args=[world.account.pk]) + "?sort=last_backup_at" in text


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


def test_volumes_are_counted_by_their_latest_backup(world: World, reader: Client) -> None:
    statuses = ["ready", "ready", "failed", "missed", "creating"]
    for status in statuses:
        BackupFactory(resource=volume(world.account), status=status)
    volume(world.account)
    volume(world.account, user_name="")  # nobody's, so nothing to protect
    counts = reader.get(url("overview", world.account)).context["volumes"]
    assert counts == VolumeCounts(ready="2", failed="1", missed="1", creating="1", none="1")


def test_volumes_that_failed_or_have_no_backup_need_a_hand(
    world: World, reader: Client, support: User, sign_in: SignIn
) -> None:
    for _ in range(2):
        BackupFactory(resource=volume(world.account), status="failed")
    volume(world.account)
    listed = reverse("volumes:volume_list", args=[world.account.pk])
    dialog = reverse("volumes:volume_backup_create", args=[world.account.pk])
    mine = text_of(sign_in(support), url("overview", world.account))
    theirs = text_of(reader, url("overview", world.account))
    for text in (mine, theirs):
        assert "The last backup of 2 volumes failed" in text
        assert "1 volume is not backed up" in text
        assert "What it holds cannot be brought back" in text
        assert f'href="{listed}?status=failed"' in text
        assert f'href="{listed}?status=none"' in text
    assert f'href="{dialog}?all=1&amp;status=failed"' in mine
    assert f'href="{dialog}?all=1&amp;status=none"' in mine
    assert dialog not in theirs
    answer = sign_in(support).get(f"{dialog}?all=1&status=failed", headers=HTMX)
    assert "2 volumes" in answer.text


def test_volumes_that_are_all_backed_up_need_nothing(world: World, reader: Client) -> None:
    for server in (world.sandbox, world.utility_server, volume(world.account)):
        BackupFactory(resource=server)
    text = text_of(reader, url("overview", world.account))
    assert "Nothing needs attention" in text
    assert "Backed up" in text


def test_an_account_without_volumes_shows_no_counts(world: World, reader: Client) -> None:
    assert 'id="overview-volumes"' not in text_of(reader, url("overview", world.account))


def test_more_volumes_need_no_more_queries(world: World, reader: Client) -> None:
    address = url("overview", world.account)
    few = count_queries(reader, address)
    for status in ("ready", "failed", "missed", "creating") * 5:
        BackupFactory(resource=volume(world.account), status=status)
    assert count_queries(reader, address) == few


@pytest.mark.skipif(connection.vendor != "sqlite", reason="others plan by how many rows there are")
def test_volumes_are_counted_by_an_index(world: World) -> None:
    with CaptureQueriesContext(connection) as asked:
        volume_counts_of(world.account)
    [query] = asked.captured_queries
    lines = [line for line in plan_of(query["sql"]) if "portal_resource" in line]
    assert len(lines) == 5
    whole = "account_id=? AND is_listed=? AND kind=? AND last_backup_status=?"
    assert all(f"INDEX resource_by_status ({whole})" in line for line in lines)


def test_more_servers_need_no_more_queries(world: World, reader: Client) -> None:
    address = url("overview", world.account)
    failed_task(world.sandbox)
    few = count_queries(reader, address)
    for _ in range(10):
        BackupFactory(resource=ResourceFactory(account=world.account))
    assert count_queries(reader, address) == few
