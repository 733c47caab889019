"""Replicate, Restore and Delete as a person meets them where there are replicas, or could be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backups.models import Backup, Replica, note_replication
from portal.models import Account, AuditEntry, Infrastructure, Resource, Task, User
from tests.factories import BackupFactory, CloudAccountFactory, ResourceFactory, TaskFactory
from tests.people import World

pytestmark = pytest.mark.django_db
AHV, AZURE = Infrastructure.AHV, Infrastructure.AZURE
Kind, Status = Resource.Kind, Replica.Status
SignIn = Callable[[User], Client]


@dataclass
class Place:
    """A backup of one kind on one infrastructure, and where its pages are."""

    backup: Backup

    @property
    def is_volume(self) -> bool:
        return self.backup.resource.is_volume

    def address(self, verb: str) -> str:
        app = "volumes:volume_backup" if self.is_volume else "backups:backup"
        if verb == "replicate":
            name = "volume_backup_replicate" if self.is_volume else "backup_replicate"
            app = f"disaster_recovery:{name}"
            return reverse(app, args=[self.backup.account_id, self.backup.pk])
        return reverse(f"{app}_{verb}", args=[self.backup.account_id, self.backup.pk])

    @property
    def menu(self) -> str:
        """The page that has the backup's menu."""
        if self.is_volume:
            return self.address("menu")
        return reverse("backups:sandbox_detail", args=[self.backup.account_id])

    def have_replica(self, status: str = Status.DONE) -> Replica:
        account = self.backup.account
        assert account.dr_cloud_account
        now = timezone.now()
        replica = Replica.objects.create(
            backup=self.backup, account=account, cloud_account=account.dr_cloud_account,
            site=account.dr_site, status=status, sent_bytes=45 * 2**30,
            task=TaskFactory(
                account=account, resource=self.backup.resource, kind="replicate_backup",
                state="running" if status == Status.IN_PROGRESS else "done",
            ),
            started_at=now - timedelta(hours=1),
            completed_at=None if status == Status.IN_PROGRESS else now,
        )  # fmt: skip
        note_replication(self.backup, status)
        self.backup.refresh_from_db()
        return replica


@pytest.fixture(params=[(AHV, Kind.SANDBOX), (AHV, Kind.ENTERPRISE_PROFILE),
                        (AZURE, Kind.SANDBOX), (AZURE, Kind.ENTERPRISE_PROFILE)],
                ids="-".join)  # fmt: skip
def place(request: pytest.FixtureRequest, world: World) -> Place:
    infrastructure, kind = request.param
    account = world.account
    account.infrastructure, account.site = infrastructure, "first-site"
    account.dr_enabled, account.dr_site = True, "second-site"
    account.dr_cloud_account = (
        CloudAccountFactory(customer=world.customer)
        if infrastructure == AHV
        else world.cloud_account
    )
    account.save()
    resource = world.sandbox
    if kind != Kind.SANDBOX:
        resource = ResourceFactory(account=account, kind=kind, name="EP-ada", user_name="ada")
    resource.account = account
    backup = BackupFactory(
        resource=resource, name="Before", size_bytes=45 * 2**30, site="first-site"
    )
    return Place(backup)


@pytest.fixture
def admin(place: Place, account_admin: User, sign_in: SignIn) -> Client:
    return sign_in(account_admin)


def _tasks(kind: str) -> int:
    return Task.objects.filter(kind=kind, state="queued").count()


def test_replicate_is_there_only_with_disaster_recovery_on(place: Place, admin: Client) -> None:
    address = place.address("replicate")
    assert address in admin.get(place.menu).text
    Account.objects.update(dr_enabled=False)
    text = admin.get(place.menu).text
    assert address not in text
    assert "Replicate" not in text
    for answer in (admin.get(address), admin.post(address)):
        assert answer.status_code == 404
    assert not _tasks("replicate_backup")


def test_the_confirmation_names_backup_and_both_places_and_starts_nothing(
    place: Place, admin: Client
) -> None:
    text = admin.get(place.address("replicate")).text
    for part in (
        "Replicate “Before”?", "Copy the primary backup to the secondary location?",
        "first-site", "second-site",
    ):  # fmt: skip
        assert part in text
    assert not _tasks("replicate_backup")
    assert admin.post(place.address("replicate")).status_code == 302
    assert _tasks("replicate_backup") == 1
    assert AuditEntry.objects.filter(action="backup.replicate").count() == 1


@pytest.mark.parametrize("status", [Status.FAILED, Status.DONE])
def test_it_works_from_failed_and_from_done(place: Place, admin: Client, status: str) -> None:
    former = place.have_replica(status)
    keeps = "The replica that is there stays until the new one is complete"
    assert (keeps in admin.get(place.address("replicate")).text) == (status == Status.DONE)
    assert admin.post(place.address("replicate")).status_code == 302
    place.backup.refresh_from_db()
    assert place.backup.replication_status == Status.IN_PROGRESS
    former.refresh_from_db()
    assert (former.status, former.removed_at) == (status, None)


def test_it_is_refused_while_it_is_in_progress(place: Place, admin: Client) -> None:
    place.have_replica(Status.IN_PROGRESS)
    address = place.address("replicate")
    menu = admin.get(place.menu).text
    assert "It is being replicated" in menu
    assert address not in menu
    answer = admin.post(address)
    assert answer.status_code == 422
    assert "is being replicated already" in answer.text
    assert not _tasks("replicate_backup")


def test_a_restore_offers_the_replica_unticked_with_both_estimates(
    place: Place, admin: Client
) -> None:
    place.have_replica()
    text = admin.get(place.address("restore")).text
    (box,) = [line for line in text.splitlines() if 'name="from_replica"' in line]
    assert "checked" not in box
    assert "disabled" not in box
    assert "The copy at second-site is used; local copies are not read." in text
    assert "minutes from the local copy" in text
    # An hour was measured for as much as this.
    assert "minutes from the replica" in text
    assert "the rate was not measured yet" not in text
    admin.post(place.address("restore"), {"may_power_off": "yes"})
    task = Task.objects.get(kind__in=["restore_backup", "restore_volume_backup"])
    assert "replica" not in task.args


def test_forced_the_replica_is_what_the_task_names(place: Place, admin: Client) -> None:
    replica = place.have_replica()
    Replica.objects.filter(pk=replica.pk).update(external_id="the-copy-over-there")
    given = {"may_power_off": "yes", "from_replica": "yes"}
    assert admin.post(place.address("restore"), given).status_code == 302
    task = Task.objects.get(kind__in=["restore_backup", "restore_volume_backup"])
    page = admin.get(reverse("reporting:task_detail", args=[task.account_id, task.pk])).text
    assert "The replica at second-site" in page
    assert "the-copy-over-there" in page
    entry = AuditEntry.objects.get(action="backup.restore")
    assert "second-site" in str(entry.detail)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (None, "This backup has no replica."),
        (Status.IN_PROGRESS, "The replica is not complete yet."),
        (Status.FAILED, "The replication failed: there is no complete replica."),
    ],
)
def test_without_a_complete_replica_the_choice_is_disabled_with_the_reason(
    place: Place, admin: Client, status: str | None, reason: str
) -> None:
    if status:
        place.have_replica(status)
    text = admin.get(place.address("restore")).text
    (box,) = [line for line in text.splitlines() if 'name="from_replica"' in line]
    assert "disabled" in box
    assert reason in text
    forged = {"may_power_off": "yes", "from_replica": "yes"}
    answer = admin.post(place.address("restore"), forged)
    assert answer.status_code == 422
    assert "has no complete replica" in answer.text


def test_with_disaster_recovery_off_and_no_replica_there_is_no_such_choice(
    place: Place, admin: Client
) -> None:
    Account.objects.update(dr_enabled=False)
    assert "from_replica" not in admin.get(place.address("restore")).text
    # Replicas of before were kept: they can be used.
    place.have_replica()
    assert "Force restore from replica" in admin.get(place.address("restore")).text


def test_a_local_copy_that_is_gone_is_said_and_never_replaced_silently(
    place: Place, admin: Client
) -> None:
    place.have_replica()
    Backup.objects.filter(pk=place.backup.pk).update(missing_since=timezone.now())
    text = admin.get(place.address("restore")).text
    assert "The local copy is no longer at first-site" in text
    assert "can be used instead, if you choose it" in text
    answer = admin.post(place.address("restore"), {"may_power_off": "yes"})
    assert answer.status_code == 422
    assert "Tick “Force restore from replica”" in answer.text
    given = {"may_power_off": "yes", "from_replica": "yes"}
    assert admin.post(place.address("restore"), given).status_code == 302


def test_a_deletion_lists_what_goes_at_both_sites(place: Place, admin: Client) -> None:
    Backup.objects.filter(pk=place.backup.pk).update(
        external_id="standby-pd-1/1" if place.is_volume else "a-machine"
    )
    place.have_replica()
    text = admin.get(place.address("delete")).text
    assert "first-site" in text
    assert "second-site" in text
    is_ahv = place.backup.account.infrastructure == AHV
    # R059 and R083: the domain goes with a server's backup, and stays with a volume's.
    assert ("The whole protection domain of this backup" in text) == (
        is_ahv and not place.is_volume
    )
    assert ("stays, also when this is its last backup" in text) == (is_ahv and place.is_volume)
    assert not Task.objects.filter(kind__startswith="delete").exists()


def test_no_other_status_can_be_stored(place: Place) -> None:
    replica = place.have_replica()
    for rows, column in (
        (Replica.objects.filter(pk=replica.pk), "status"),
        (Backup.objects.filter(pk=place.backup.pk), "replication_status"),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**{column: "paused"})
