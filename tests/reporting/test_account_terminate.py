"""Staff terminate an account: the page, who may, and what is left (R155, Q1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backups.models import Backup, BackupPolicy, Replica, VolumePolicy
from disaster_recovery.models import RecoverySettings
from portal.audit import SYSTEM
from portal.engine.runner import Runner
from portal.engine.ticks import run_ticks
from portal.models import (
    Account,
    AuditEntry,
    Notification,
    Resource,
    RoleGrant,
    Task,
    User,
)
from portal.refusals import Refused
from portal.services.removal import delete_cloud_account, uses_of_organization
from reporting.models import ApiKey, Counted, DataType, Session
from reporting.termination.request import KIND, terminate
from tests.clock import JumpClock
from tests.factories import (
    AccountFactory,
    AuditEntryFactory,
    BackupFactory,
    NotificationFactory,
    TaskFactory,
)
from tests.people import World
from tests.reporting.aged import MAKE, disk_sample, is_there, purge

SignIn = Callable[[User], Client]
STARRED = (DataType.SESSION_REPORTS, DataType.SESSIONS, DataType.USAGE, DataType.DISK_USAGE)
OUTLIVING = sorted(set(DataType) - set(STARRED))


def _drive() -> None:
    Runner(clock=JumpClock(), threads=2).run(seconds=86_400)


def _fill(account: Account) -> dict[str, Any]:
    """A row of each type, a minute old."""
    at = timezone.now() - timedelta(minutes=1)
    return {each: MAKE[each](account, at - n * timedelta(seconds=1))
            for n, each in enumerate(DataType)}  # fmt: skip


def _url(account: Account) -> str:
    return reverse("admin:portal_account_terminate", args=[account.pk])


def test_staff_see_what_there_is_and_must_type_the_name(
    world: World, staff: User, sign_in: SignIn
) -> None:
    BackupFactory(resource=world.sandbox)
    client, account = sign_in(staff), world.account
    change = reverse("admin:portal_account_change", args=[account.pk])
    assert _url(account) in client.get(change).text
    page = client.get(_url(account)).text
    assert "2 machines and volumes, 1 backup and 0 replicas" in page
    assert "style=" not in page
    answer = client.post(_url(account), {"name": account.name.lower(), "objects": "keep"})
    assert answer.status_code == 422
    assert "This is not the name of the account." in answer.text
    assert not Task.objects.filter(kind=KIND).exists()
    assert client.post(_url(account), {"name": account.name, "objects": "keep"}).status_code == 302
    task = Task.objects.get(kind=KIND)
    assert (task.requested_by, task.args) == (staff, {"with_objects": False})
    assert "Queued" in client.get(_url(account)).text
    entry = AuditEntry.objects.get(action="account.terminate")
    assert (entry.actor, entry.result, entry.detail["backups"]) == (staff, "requested", 1)


@pytest.mark.parametrize("who", ["customer_admin", "account_admin", "plain_staff"])
def test_nobody_else_may(
    who: str, world: World, staff: User, sign_in: SignIn, request: pytest.FixtureRequest
) -> None:
    if who == "plain_staff":
        User.objects.filter(pk=staff.pk).update(is_superuser=False)
        staff.refresh_from_db()
    client = sign_in(staff if who == "plain_staff" else request.getfixturevalue(who))
    form = {"name": world.account.name, "objects": "keep"}
    for answer in (client.get(_url(world.account)), client.post(_url(world.account), form)):
        assert answer.status_code in {302, 403}
    assert Account.objects.get(pk=world.account.pk).terminating_at is None


def test_starred_data_goes_and_the_rest_outlives_it(world: World) -> None:
    account = world.account
    rows, other = _fill(account), _fill(AccountFactory())
    sample = disk_sample(account, timezone.now())
    terminate(SYSTEM, account, with_objects=False)
    _drive()
    account.refresh_from_db()
    assert account.terminated_at
    assert [each for each, row in rows.items() if is_there(row)] == [
        each for each in DataType if each in OUTLIVING
    ]
    assert not is_there(sample)
    assert all(map(is_there, other.values()))
    assert not Counted.objects.filter(account=account).exists()
    entry = AuditEntry.objects.get(action="account.terminated")
    assert entry.detail["at_the_clouds"] == "kept"


def test_records_roles_keys_and_settings_go_and_what_is_at_the_cloud_stays(world: World) -> None:
    account, sandbox = world.account, world.sandbox
    backup = BackupFactory(resource=sandbox)
    Replica.objects.create(
        backup=backup, account=account, cloud_account=world.cloud_account, site="there",
        status=Replica.Status.DONE, task=TaskFactory(account=account),
    )  # fmt: skip
    now = timezone.now()
    BackupPolicy.objects.create(
        resource=sandbox, is_scheduled=True, next_run_at=now, starts_on=now.date(),
        backup_time="02:00", time_zone="UTC",
    )  # fmt: skip
    VolumePolicy.objects.create(account=account, kind=Resource.Kind.PERSONAL_DRIVE)
    RecoverySettings.objects.create(account=account)
    key = ApiKey.objects.create(name="k", role="auditor", manner="bearer", account=account)
    busy = TaskFactory(account=account, resource=world.utility_server, state="queued")
    terminate(SYSTEM, account, with_objects=False)
    assert not BackupPolicy.objects.filter(is_scheduled=True).exists()
    busy.refresh_from_db()
    assert busy.cancel_requested_at
    Task.objects.filter(pk=busy.pk).update(state="canceled", ended_at=now)
    _drive()
    for model in (Backup, Replica, Resource, VolumePolicy, RecoverySettings, RoleGrant):
        assert not model._default_manager.filter(account=account).exists(), model
    key.refresh_from_db()
    assert key.revoked_at
    assert backup.task
    backup.task.refresh_from_db()
    assert backup.task.resource is None
    assert not Task.objects.filter(kind="delete_backup").exists()


def test_nobody_reaches_it_from_the_request_on(
    world: World, customer_admin: User, sign_in: SignIn
) -> None:
    AccountFactory(organization=world.organization, cloud_account=world.cloud_account)
    key = ApiKey(customer=world.customer)
    client, account = sign_in(customer_admin), world.account
    page = reverse("reporting:overview", args=[account.pk])
    assert client.get(page).status_code == 200
    terminate(SYSTEM, account, with_objects=False)
    assert client.get(page).status_code == 404
    assert account.name not in client.get(reverse("portal:account_list")).text
    assert account.name not in client.get(reverse("portal:organization_list")).text
    assert account not in key.accounts()
    assert account not in Account.objects.visible_to(customer_admin)


def test_administrators_above_still_read_its_trail(
    world: World, customer_admin: User, org_admin: User, neighbour: User,
    account_admin: User, sign_in: SignIn,
) -> None:  # fmt: skip
    AuditEntryFactory(account=world.account, target_label="old-sandbox")
    terminate(SYSTEM, world.account, with_objects=False)
    _drive()
    other = AccountFactory(organization=world.organization)
    page = reverse("reporting:audit_list", args=[other.pk])
    for person in (customer_admin, org_admin):
        assert "old-sandbox" in sign_in(person).get(page, {"scope": "above"}).text
        assert "old-sandbox" not in sign_in(person).get(page).text
    RoleGrant.objects.create(user=account_admin, role="account_administrator", account=other)
    assert "old-sandbox" not in sign_in(account_admin).get(page, {"scope": "above"}).text
    theirs = AccountFactory(organization=neighbour.grants.get().organization)
    page = reverse("reporting:audit_list", args=[theirs.pk])
    assert "old-sandbox" not in sign_in(neighbour).get(page, {"scope": "above"}).text


def test_its_name_and_cloud_account_are_free_again(world: World) -> None:
    account = world.account
    terminate(SYSTEM, account, with_objects=False)
    _drive()
    AccountFactory(organization=world.organization, name=account.name, cloud_account=None)
    delete_cloud_account(SYSTEM, world.cloud_account)
    Account.objects.filter(terminated_at=None).delete()
    assert "are kept until their periods end" in uses_of_organization(world.organization)


def test_it_is_asked_for_once(world: World) -> None:
    terminate(SYSTEM, world.account, with_objects=False)
    with pytest.raises(Refused, match="being terminated already"):
        terminate(SYSTEM, world.account, with_objects=True)
    _drive()
    with pytest.raises(Refused, match="is terminated"):
        terminate(SYSTEM, world.account, with_objects=True)


def test_what_is_left_of_it_goes_with_its_last_record(world: World) -> None:
    account = world.account
    _fill(account)
    ApiKey.objects.create(name="k", role="auditor", manner="bearer", account=account)
    terminate(SYSTEM, account, with_objects=False)
    _drive()
    now = timezone.now()
    purge(now + timedelta(days=400))
    assert is_there(account)
    assert AuditEntry.objects.filter(account=account).exists()
    assert not Notification.objects.filter(account=account).exists()
    assert not Session.objects.filter(account=account).exists()
    purge(now + timedelta(days=740))
    assert not is_there(account)
    assert not ApiKey.objects.exists()
    assert is_there(world.organization)


def test_a_living_account_without_records_stays(world: World) -> None:
    NotificationFactory()
    purge(timezone.now())
    assert is_there(world.account)


def test_its_sessions_are_counted_no_more(world: World) -> None:
    MAKE[DataType.SESSION_TRAIL](world.account, timezone.now() - timedelta(hours=2))
    terminate(SYSTEM, world.account, with_objects=False)
    _drive()
    assert Session.objects.filter(account=world.account).exists()
    run_ticks()
    _drive()
    assert not Counted.objects.filter(account=world.account).exists()
