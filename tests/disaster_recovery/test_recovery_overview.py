"""The Disaster recovery page: one word first, why, and what mends it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from backups.models import Backup, Replica, note_replication
from disaster_recovery.days import days_by_kind, days_of
from disaster_recovery.models import ReadinessCheck, RecoverySettings
from disaster_recovery.standing import fingerprint
from portal.models import Account, Resource, User
from tests.factories import BackupFactory, CloudAccountFactory, ResourceFactory, TaskFactory
from tests.people import World
from tests.reporting.pages import HTMX, plan_of

SignIn = Callable[[User], Client]
Status = Replica.Status


def _address(account: Account) -> str:
    return reverse("disaster_recovery:recovery_overview", args=[account.pk])


def _replicated(
    resource: Resource, *, ago: timedelta = timedelta(hours=1), **facts: Any
) -> Replica:
    """A backup of then, with a replica."""
    at = timezone.now() - ago
    backup = BackupFactory(resource=resource, created_at=at, completed_at=at)
    return _replica(backup, **facts)


def _replica(backup: Backup, status: str = Status.DONE, **facts: Any) -> Replica:
    account = backup.account
    where = account.dr_cloud_account or account.cloud_account
    assert where
    is_over = status != Status.IN_PROGRESS
    started = backup.completed_at or timezone.now()
    defaults = {
        "sent_bytes": 6000 * 2**20,
        "started_at": started,
        "completed_at": started + timedelta(minutes=10) if is_over else None,
    }
    replica = Replica.objects.create(
        backup=backup,
        account=account,
        cloud_account=where,
        site="second-site",
        task=TaskFactory(account=account, resource=backup.resource, kind="replicate_backup"),
        status=status,
        **defaults | facts,
    )
    note_replication(backup, status)
    return replica


@pytest.fixture
def account(world: World) -> Account:
    """Its disaster recovery is on."""
    account = world.account
    account.dr_enabled, account.dr_site = True, "second-site"
    account.dr_cloud_account = CloudAccountFactory(customer=world.customer, name="hidden-account")
    account.save()
    return account


@pytest.fixture
def admin(org_admin: User, sign_in: SignIn) -> Client:
    return sign_in(org_admin)


@pytest.fixture
def reader(auditor: User, sign_in: SignIn) -> Client:
    return sign_in(auditor)


def _text(client: Client, account: Account, **headers: str) -> str:
    answer = client.get(_address(account), headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def _word(client: Client, account: Account) -> str:
    word: str = client.get(_address(account)).context["standing"].word
    return word


def test_everything_with_a_new_replica_is_ready(
    world: World, account: Account, reader: Client
) -> None:
    for resource in (world.sandbox, world.utility_server):
        _replicated(resource)
    text = _text(reader, account)
    assert '<h2 id="recovery-word">Ready</h2>' in text
    assert "2 of 2 resources have a replica" in text
    # 6000 MB in ten minutes.
    assert "10.0 MB/s" in text
    assert "Egress 11.7 GB in the last 30 days" in text


def test_an_account_with_recovery_off_is_not_ready_and_says_who_can_mend_it(
    world: World, admin: Client, reader: Client
) -> None:
    settings = reverse("disaster_recovery:recovery_settings", args=[world.account.pk])
    mine, theirs = _text(admin, world.account), _text(reader, world.account)
    for text in (mine, theirs):
        assert '<h2 id="recovery-word">Not ready</h2>' in text
        assert "Disaster recovery is off" in text
    assert f'id="mend-1-1" href="{settings}"' in mine
    assert settings not in theirs
    assert "Organization Administrator can enable it" in theirs


def test_nothing_replicated_is_not_ready(account: Account, reader: Client) -> None:
    assert "No resource has a replica yet" in _text(reader, account)
    assert _word(reader, account) == "Not ready"


def test_a_failed_check_is_not_ready_and_can_be_run_again(
    world: World, account: Account, admin: Client, reader: Client
) -> None:
    for resource in (world.sandbox, world.utility_server):
        _replicated(resource)
    ReadinessCheck.objects.create(
        account=account, key="ports", position=1, title="Ports", state="failed",
        measured="tcp/2009 of hidden-account is closed.",
    )  # fmt: skip
    again = reverse("disaster_recovery:recovery_check", args=[account.pk])
    mine, theirs = _text(admin, account), _text(reader, account)
    assert _word(reader, account) == "Not ready"
    assert "Check failed: Ports" in mine
    assert "tcp/2009" in mine
    assert f'action="{again}"' in mine
    assert "Check failed: Ports" in theirs
    assert "tcp/2009" not in theirs
    assert again not in theirs


def test_a_resource_without_replica_is_a_risk_and_can_be_replicated(
    world: World, account: Account, admin: Client, reader: Client
) -> None:
    _replicated(world.sandbox)
    backup = BackupFactory(resource=world.utility_server)
    replicate = reverse("disaster_recovery:backup_replicate", args=[account.pk, backup.pk])
    text = _text(admin, account)
    assert _word(admin, account) == "At risk"
    assert "1 resource has no replica" in text
    assert text.count(f'data-hx-get="{replicate}"') == 2  # beside the reason, and in the list
    assert replicate not in _text(reader, account)


def test_a_replica_older_than_the_target_is_a_risk(
    world: World, account: Account, reader: Client
) -> None:
    _replicated(world.sandbox)
    _replicated(world.utility_server, ago=timedelta(hours=30))
    assert "1 resource has no replica of the last 24 h" in _text(reader, account)
    assert _word(reader, account) == "At risk"
    RecoverySettings.objects.create(account=account, target_rpo_hours=48)
    assert _word(reader, account) == "Ready"


def test_a_failed_latest_replication_is_a_risk(
    world: World, account: Account, admin: Client, reader: Client
) -> None:
    _replicated(world.utility_server)
    _replicated(world.sandbox, ago=timedelta(hours=2))
    failed = BackupFactory(resource=world.sandbox)
    _replica(failed, Status.FAILED, error="The container is full.")
    text = _text(reader, account)
    assert "The latest replication of 1 resource failed" in text
    assert "meridian-sandbox: The container is full." in text
    replicate = reverse("disaster_recovery:backup_replicate", args=[account.pk, failed.pk])
    assert f'data-hx-get="{replicate}"' in _text(admin, account)
    assert replicate not in text
    assert _word(reader, account) == "At risk"


def test_volumes_without_replica_are_replicated_at_once(
    world: World, account: Account, admin: Client, reader: Client
) -> None:
    _replicated(world.sandbox)
    _replicated(world.utility_server)
    drives = [
        ResourceFactory(account=account, kind="personal_drive", user_name=name, name=f"PD-{name}")
        for name in ("a", "b", "c")
    ]
    for drive in drives[:2]:
        BackupFactory(resource=drive)
    dialog = reverse("disaster_recovery:volumes_replicate", args=[account.pk])
    query = f"volume={drives[0].pk}&volume={drives[1].pk}"
    text = _text(admin, account)
    assert f'href="{dialog}?{query.replace("&", "&amp;")}"' in text
    assert "Replicate 2 volumes" in text
    assert "Replicate 2 backups?" in admin.get(f"{dialog}?{query}", headers=HTMX).text
    assert dialog not in _text(reader, account)


def test_a_lost_primary_site_says_what_can_be_restored(
    world: World, account: Account, reader: Client
) -> None:
    for resource in (world.sandbox, world.utility_server):
        _replicated(resource)
    Resource.objects.update(is_missing=True)
    text = _text(reader, account)
    assert "2 of 2 can be restored from a replica" in text
    assert _word(reader, account) == "At risk"


def test_each_kind_has_its_own_numbers(world: World, account: Account, reader: Client) -> None:
    _replicated(world.sandbox)
    for name in ("a", "b", "c"):
        drive = ResourceFactory(
            account=account, kind=Resource.Kind.PERSONAL_DRIVE, user_name=name, name=f"PD-{name}"
        )
        _replicated(drive, ago=timedelta(hours=3))
    BackupFactory(resource=drive)
    nobodys = ResourceFactory(account=account, kind=Resource.Kind.PERSISTENT_DESKTOP, user_name="")
    _replicated(nobodys)
    standing = reader.get(_address(account)).context["standing"]
    kinds = {kind.kind: kind for kind in standing.kinds}
    assert list(kinds) == list(Resource.Kind.values)
    drives = kinds["personal_drive"]
    assert (drives.count, drives.replicated, drives.behind) == (3, 3, 1)
    assert drives.longest_lag.total_seconds() == pytest.approx(3 * 3600, abs=60)
    assert kinds["utility_server"].without == 1
    # Nobody's desktop is not protected (R007).
    assert kinds["persistent_desktop"].count == 0
    assert (standing.replicated, standing.count) == (4, 5)
    assert (standing.figures.with_replica, standing.figures.resources) == (4, 5)


def test_replications_under_way_are_counted(world: World, account: Account, reader: Client) -> None:
    _replicated(world.sandbox)
    for resource, started in ((world.sandbox, timezone.now()), (world.utility_server, None)):
        _replica(BackupFactory(resource=resource), Status.IN_PROGRESS, started_at=started)
    assert "1 on their way, 1 waiting: 90.0 GB" in _text(reader, account)


def test_days_are_those_of_the_account_and_a_table_has_each(
    world: World, account: Account, reader: Client
) -> None:
    account.time_zone = "Pacific/Auckland"
    account.save()
    midnight = timezone.now().astimezone(account.zone).replace(hour=0, minute=0, second=1)
    for at in (midnight, midnight - timedelta(seconds=2)):
        backup = BackupFactory(resource=world.sandbox, created_at=at, completed_at=at)
    _replica(backup)
    BackupFactory(
        resource=world.utility_server, created_at=midnight, completed_at=None, status="failed"
    )
    *_, yesterday, today = days_of(account)
    assert (today.date, today.made, today.replicated, today.failed) == (midnight.date(), 1, 0, 1)
    assert (yesterday.made, yesterday.replicated, yesterday.failed) == (1, 1, 0)
    assert len(days_by_kind(account)["sandbox"]) == 30
    text = _text(reader, account)
    assert f"{midnight:%b}: 1 made, 0 replicated, 1 failed</title>" in text
    assert text.count('<th scope="row">') >= 30


def test_deleted_backups_were_made_nevertheless(world: World, account: Account) -> None:
    backup = BackupFactory(resource=world.sandbox)
    Backup.objects.filter(pk=backup.pk).update(status="deleted")
    assert sum(day.made for day in days_of(account)) == 1


def test_the_oldest_replicas_come_first(world: World, account: Account, reader: Client) -> None:
    _replicated(world.sandbox, ago=timedelta(hours=9))
    for hours in range(12):
        _replicated(ResourceFactory(account=account), ago=timedelta(hours=hours))
    rows = [row for row, _, _ in reader.get(_address(account)).context["oldest"]]
    assert rows[0] == world.utility_server  # it has none
    assert len(rows) == 10
    assert [row.last_replica_at for row in rows] == sorted(row.last_replica_at for row in rows)


def test_more_resources_need_no_more_queries(
    world: World, account: Account, reader: Client
) -> None:
    _replicated(world.sandbox)
    _replica(BackupFactory(resource=world.sandbox), Status.FAILED)

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            _text(reader, account)
        return len(asked)

    few = queries()
    for n in range(15):
        resource = ResourceFactory(account=account)
        _replicated(resource, ago=timedelta(days=n))
        _replica(BackupFactory(resource=resource), Status.FAILED)
    assert queries() == few


def test_no_cloud_account_is_named(
    world: World, account: Account, account_admin: User, sign_in: SignIn
) -> None:
    for resource in (world.sandbox, world.utility_server):
        _replicated(resource)
    text = _text(sign_in(account_admin), account)
    assert "second-site" in text
    assert "hidden-account" not in text


def test_an_account_on_the_vendors_infrastructure_is_told(world: World, reader: Client) -> None:
    Account.objects.filter(pk=world.account.pk).update(is_vendor_hosted=True)
    assert "Not available for this account" in _text(reader, world.account)


def test_the_navigation_leads_to_the_page(world: World, reader: Client) -> None:
    text = _text(reader, world.account)
    assert f'href="{_address(world.account)}" aria-current="page"' in text


def test_a_part_is_answered_alone(account: Account, reader: Client) -> None:
    text = _text(reader, account, **HTMX)
    assert "<!DOCTYPE" not in text
    assert 'id="recovery-standing"' in text


def test_the_page_is_read_anew_when_a_replication_has_moved(
    world: World, account: Account, reader: Client
) -> None:
    live = reverse("portal:account_live", args=[account.pk])
    mark = reader.get(_address(account)).context["mark"]
    seen = mark.partition(".")[0]
    assert "HX-Trigger" not in reader.get(live, {"part": f"recovery_standing:{mark}"}, headers=HTMX)
    replica = _replica(BackupFactory(resource=world.sandbox), Status.IN_PROGRESS)
    # Not for each of ten thousand: what is new is left alone for some seconds.
    answer = reader.get(live, {"part": f"recovery_standing:{mark}"}, headers=HTMX)
    assert "HX-Trigger" not in answer
    assert "every 2s" in answer.text
    answer = reader.get(live, {"part": f"recovery_standing:{seen}.1"}, headers=HTMX)
    assert answer["HX-Trigger"] == "settled-standing"
    Replica.objects.filter(pk=replica.pk).update(status=Status.DONE, completed_at=timezone.now())
    mark = reader.get(_address(account)).context["mark"]
    assert (
        "every 2s" not in reader.get(live, {"part": f"recovery_standing:{mark}"}, headers=HTMX).text
    )


@pytest.mark.skipif(connection.vendor != "sqlite", reason="others plan by how many rows there are")
def test_polling_reads_an_index_alone(account: Account) -> None:
    with CaptureQueriesContext(connection) as asked:
        fingerprint(account)
    plans = [line for query in asked.captured_queries for line in plan_of(query["sql"])]
    assert len(plans) == 3
    assert all("COVERING INDEX replica_of_account (account_id=? AND status=?)" in p for p in plans)
