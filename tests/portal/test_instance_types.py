"""Instance types of a cluster: declared and removed by those who manage its cloud account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from backups.models import Replica
from portal.audit import SYSTEM
from portal.models import AuditEntry, CloudAccount, InstanceType, User
from portal.refusals import Refused
from portal.services.removal import delete_cloud_account
from tests.factories import BackupFactory, CloudAccountFactory, TaskFactory
from tests.people import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def person(customer_admin: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(customer_admin)


def _url(cloud_account: CloudAccount, name: str, **more: Any) -> str:
    return reverse(f"portal:{name}", kwargs={"cloud_account": cloud_account.pk, **more})


def test_a_size_is_declared_shown_and_removed(world: World, person: Client) -> None:
    create = _url(world.cloud_account, "instance_type_create")
    person.post(create, {"name": "AHV 4vCPU", "vcpus": "4", "memory_gb": "16"})
    made = InstanceType.objects.get()
    assert (made.vcpus, made.memory_mb) == (4, 16384)
    page = person.get(_url(world.cloud_account, "cloud_account_detail")).text
    assert "AHV 4vCPU" in page
    assert "16 GB" in page
    remove = _url(world.cloud_account, "instance_type_remove", instance_type=made.pk)
    assert "Remove AHV 4vCPU?" in person.get(remove).text
    person.post(remove)
    assert not InstanceType.objects.exists()
    actions = AuditEntry.objects.values_list("action", flat=True)
    assert {"cloud_account.add_instance_type", "cloud_account.remove_instance_type"} <= set(actions)


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", "AHV 4vCPU"), ("vcpus", "0"), ("vcpus", "x"), ("memory_gb", "-1")],
)
def test_what_makes_no_size_is_refused_beside_its_field(
    world: World, person: Client, field: str, value: str
) -> None:
    InstanceType.objects.create(
        cloud_account=world.cloud_account, name="AHV 4vCPU", vcpus=4, memory_mb=1024
    )
    given = {"name": "Another", "vcpus": "2", "memory_gb": "8"} | {field: value}
    answer = person.post(_url(world.cloud_account, "instance_type_create"), given)
    assert answer.status_code == 422
    assert InstanceType.objects.count() == 1


def test_azure_has_sizes_of_its_own(world: World, person: Client) -> None:
    azure = CloudAccountFactory(customer=world.customer, kind="azure", name="azure")
    assert person.get(_url(azure, "instance_type_create")).status_code == 404
    assert "Instance types" not in person.get(_url(azure, "cloud_account_detail")).text


def test_a_secondary_is_not_deleted_while_it_is_one_or_records_name_it(world: World) -> None:
    second = CloudAccountFactory(customer=world.customer, name="second")
    world.account.dr_enabled, world.account.dr_cloud_account = True, second
    world.account.save()
    with pytest.raises(Refused, match="keeps replicas at it"):
        delete_cloud_account(SYSTEM, second)
    world.account.dr_enabled, world.account.dr_cloud_account = False, None
    world.account.save()
    backup = BackupFactory(resource=world.sandbox)
    replica = Replica.objects.create(
        backup=backup, account=world.account, cloud_account=second, site="second",
        task=TaskFactory(account=world.account),
    )  # fmt: skip
    with pytest.raises(Refused, match="records name it"):
        delete_cloud_account(SYSTEM, second)
    replica.delete()
    TaskFactory(account=world.account, other_cloud_account=second, state="done")
    delete_cloud_account(SYSTEM, second)
    assert not CloudAccount.objects.filter(name="second").exists()
