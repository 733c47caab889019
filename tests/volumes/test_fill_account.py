"""`manage.py fill_account`: plausible rows by the thousand, and all of them gone again."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.test import override_settings
from django.utils import timezone

from backups.models import Backup
from portal.adoption import adopt
from portal.clouds.api import Inventory
from portal.models import Account, Resource, ResourceWord
from tests.factories import AccountFactory, BackupFactory, TaskFactory
from tests.people import World
from volumes.filling import filled
from volumes.search import matching


def _fill(account: Account, *options: str) -> str:
    said = io.StringIO()
    call_command("fill_account", str(account.pk), *options, "--yes", stdout=said)
    return said.getvalue()


@pytest.fixture
def account(world: World) -> Account:
    _fill(world.account, "--volumes", "100", "--backups", "1,200")
    return world.account


def test_an_account_is_filled_with_what_pages_show(account: Account) -> None:
    volumes = filled(account)
    kinds = [volumes.filter(kind=kind).count() for kind in Resource.VOLUME_KINDS]
    assert kinds == [60, 20, 20]
    backups = Backup.objects.filter(resource__in=volumes)
    assert backups.count() == 1200
    assert set(backups.values_list("status", flat=True)) == {"ready", "failed", "missed"}
    assert set(backups.values_list("type", flat=True)) == {"M", "S", "D"}
    assert volumes.filter(last_backup_status="").count() == 4
    assert backups.filter(account=account, kind=F("resource__kind")).count() == 1200
    times = backups.order_by("created_at").values_list("created_at", flat=True)
    now = timezone.now()
    assert now - timedelta(days=430) < times[0] < now - timedelta(days=350)
    assert now - timedelta(hours=8) < times.reverse()[0] <= now
    ready = backups.filter(status="ready")
    assert not ready.exclude(completed_at=F("created_at"), error="").exists()
    assert not backups.exclude(status="ready").filter(error="").exists()


def test_what_is_filled_in_is_found_and_has_its_facts(account: Account) -> None:
    assert matching(account.resources.volumes(), "łukasz").exists()
    for row in filled(account).exclude(last_backup_status=""):
        latest = row.backups.order_by("-created_at", "-pk").first()
        assert latest is not None
        assert (row.last_backup_id, row.last_backup_status) == (latest.pk, latest.status)


def test_filling_again_adds_to_it(account: Account) -> None:
    _fill(account, "--volumes", "10", "--backups", "0")
    assert filled(account).count() == 110


def test_an_inventory_leaves_it_alone(account: Account) -> None:
    assert account.cloud_account is not None
    adopt(account.cloud_account, Inventory((), ()), set(), timezone.now())
    assert filled(account).count() == 100
    assert filled(account).filter(is_missing=False).exists()


def test_all_of_it_is_taken_away_and_nothing_else(account: Account, world: World) -> None:
    other = BackupFactory(resource=world.utility_server)
    row = filled(account)[0]
    TaskFactory(account=account, resource=row)
    BackupFactory(resource=row)
    _fill(account, "--remove")
    assert not filled(account).exists()
    assert list(Backup.objects.all()) == [other]
    assert not ResourceWord.objects.exists()
    assert account.resources.count() == 2


@override_settings(DEMO=False)
def test_it_is_refused_where_nobody_asked_for_it(world: World) -> None:
    with pytest.raises(CommandError, match="Say --yes"):
        call_command("fill_account", world.account.name)
    for given, said in (("Nobody's", "No account has"), ("Double", "Several accounts have")):
        AccountFactory(name="Double")
        AccountFactory(name="Double")
        with pytest.raises(CommandError, match=said):
            call_command("fill_account", given, "--yes")
    homeless = AccountFactory(cloud_account=None)
    with pytest.raises(CommandError, match="has no cloud account"):
        call_command("fill_account", homeless.name, "--yes")
