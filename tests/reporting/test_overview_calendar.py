"""Protection at a glance on the overview: the target, the replicas, thirty days by kind."""

from __future__ import annotations

from datetime import timedelta

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backups.models import Backup
from portal.models import Account, Resource
from reporting.backup_calendar import Calendar
from tests.factories import BackupFactory
from tests.people import World
from tests.reporting.many import volume
from tests.reporting.pages import count_queries, text_of, url


def _calendar(reader: Client, account: Account) -> Calendar:
    calendar: Calendar = reader.get(url("overview", account)).context["calendar"]
    return calendar


def _states(reader: Client, world: World, kind: str) -> list[str]:
    [row] = [row for row in _calendar(reader, world.account).rows if row.kind.kind == kind]
    return [cell.state for cell in row.cells]


def test_a_day_is_as_good_as_its_backups(world: World, reader: Client) -> None:
    now = timezone.now()

    def backup(days: int, status: str) -> None:
        at = now - timedelta(days=days)
        done = at if status == "ready" else None
        BackupFactory(
            resource=world.utility_server, status=status, created_at=at, completed_at=done
        )

    for days, status in ((3, "ready"), (2, "ready"), (2, "failed"), (1, "missed"), (0, "creating")):
        backup(days, status)
    states = _states(reader, world, "utility_server")
    assert len(states) == 30
    assert states[-5:] == ["none", "ok", "some", "all", "run"]
    assert set(_states(reader, world, "sandbox")) == {"none"}
    text = text_of(reader, url("overview", world.account))
    failed = reverse("backups:utility_server_list", args=[world.account.pk])
    assert f'<a href="{failed}" data-s="some" aria-label="1 of 2 failed, ' in text
    assert ">1 of 1 failed" not in text  # the words are the label, the number stands in the cell


def test_failed_backups_of_volumes_are_listed_by_their_kind(world: World, reader: Client) -> None:
    BackupFactory(resource=volume(world.account), status="failed", completed_at=None)
    text = text_of(reader, url("overview", world.account))
    page = reverse("volumes:volume_backup_list", args=[world.account.pk])
    kind = Backup.objects.get().kind
    assert f'href="{page}?show=failed&amp;kind={kind}"' in text


def test_the_target_is_met_by_good_backups_of_that_age(world: World, reader: Client) -> None:
    BackupFactory(resource=world.sandbox)
    BackupFactory(resource=world.utility_server, created_at=timezone.now() - timedelta(hours=30))
    glance = reader.get(url("overview", world.account)).context["glance"]
    assert (glance.backed_up_in_time, glance.count) == (1, 2)
    assert "Have a good backup of the last 24 h" in text_of(reader, url("overview", world.account))


def test_recovery_that_could_fail_needs_attention_where_it_is_on(
    world: World, reader: Client
) -> None:
    page = reverse("disaster_recovery:recovery_overview", args=[world.account.pk])
    said = "Disaster recovery: Not ready"
    text = text_of(reader, url("overview", world.account))
    assert said not in text
    assert "Frame DR is off" in text
    world.account.dr_enabled, world.account.dr_cloud_account = True, world.cloud_account
    world.account.save()
    text = text_of(reader, url("overview", world.account))
    assert said in text
    assert "0 of 2 resources have a replica." in text
    assert f'data-size="sm" href="{page}"' in text


def test_an_account_without_backups_has_no_calendar(world: World, reader: Client) -> None:
    assert _calendar(reader, world.account) is None
    Resource.objects.all().delete()
    assert 'class="metrics"' not in text_of(reader, url("overview", world.account))


def test_more_backups_need_no_more_queries(world: World, reader: Client) -> None:
    BackupFactory(resource=world.sandbox)
    address = url("overview", world.account)
    few = count_queries(reader, address)
    for days in range(40):
        at = timezone.now() - timedelta(days=days)
        BackupFactory(resource=world.utility_server, created_at=at)
    assert count_queries(reader, address) == few
