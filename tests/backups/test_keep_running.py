"""Backups of servers that go on running: where the cloud can, and marked for what they are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from backups import services
from backups.models import Backup
from portal.audit import SYSTEM
from portal.lab import Lab, LabServer
from portal.models import Infrastructure, Role, RoleGrant, Task, User
from tests.scene import Scene, build

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture
def azure(lab: Lab, lab_server: LabServer) -> Scene:
    return build(lab_server, lab, kind=Infrastructure.AZURE)


@pytest.fixture(params=[Infrastructure.AHV, Infrastructure.AZURE])
def scene(request: pytest.FixtureRequest, lab: Lab, lab_server: LabServer) -> Scene:
    return build(lab_server, lab, kind=Infrastructure(request.param))


@pytest.fixture
def client(sign_in: SignIn) -> Callable[[Scene], Client]:
    def signed_in(scene: Scene) -> Client:
        user = User.objects.create_user("ada@example.test", "a-long-enough-password")
        account = scene.resource.account
        RoleGrant.objects.create(user=user, role=Role.ACCOUNT_ADMINISTRATOR, account=account)
        return sign_in(user)

    return signed_in


def _url(scene: Scene) -> str:
    resource = scene.resource
    return reverse("backups:backup_create", args=[resource.account_id, resource.pk])


def test_a_server_is_kept_running_and_the_backup_says_so(
    scene: Scene, client: Callable[[Scene], Client]
) -> None:
    person = client(scene)
    prompt = person.post(_url(scene), {"name": "While it works"})
    assert "Keep running (crash-consistent)" in prompt.text
    assert not Task.objects.exists()
    person.post(_url(scene), {"name": "While it works", "power": "keep"})
    backup = Backup.objects.get()
    assert backup.task is not None
    assert not backup.task.is_maintenance
    scene.drive(backup.task)
    backup.refresh_from_db()
    assert (backup.status, backup.is_crash_consistent) == (Backup.Status.READY, True)
    power = ("/deallocate", "/start", "/set_power_state")
    stopped = [call for call in scene.lab.calls if call.path.endswith(power)]
    assert stopped == []
    scene.assert_in_order("original")
    page = person.get(reverse("backups:sandbox_detail", args=[scene.resource.account_id]))
    assert "Crash-consistent" in page.text


def test_a_server_found_off_makes_a_backup_that_is_whole(azure: Scene) -> None:
    vm = azure.lab.azure.vms[azure.resource.external_id]
    vm.power, azure.was_on = "deallocated", False
    backup = services.create_backup(
        SYSTEM, azure.resource, name="Quiet", may_power_off=False, keep_running=True
    )
    azure.allow_time(backup.task)
    azure.drive(backup.task)
    backup.refresh_from_db()
    assert (backup.status, backup.is_crash_consistent) == (Backup.Status.READY, False)
    azure.assert_in_order("original")


def test_a_deletion_dialog_names_what_goes_on_azure(
    azure: Scene, client: Callable[[Scene], Client]
) -> None:
    backup = azure.have_backup()
    Backup.objects.update(site="westeurope")
    url = reverse("backups:backup_delete", args=[azure.resource.account_id, backup.pk])
    page = client(azure).get(url).text
    assert "Incremental snapshot of the OS disk" in page
    assert "westeurope" in page
