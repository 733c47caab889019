"""The Disaster recovery tab: who may, what is offered, what a forged request gets, what is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse

from backups.models import Replica
from disaster_recovery.models import ReadinessCheck, RecoverySettings
from portal.clouds.azure.rights import PUBLISHING
from portal.lab import Lab, LabServer
from portal.lab.azure.access import assign_default, forbid
from portal.models import (
    Account,
    AuditEntry,
    CloudAccount,
    Infrastructure,
    Notification,
    Role,
    RoleGrant,
    Task,
    User,
)
from tests.factories import CloudAccountFactory, OrganizationFactory
from tests.people import World
from tests.recovery_scene import SERVER, RecoveryScene, build_recovery

pytestmark = pytest.mark.django_db
AHV, AZURE = Infrastructure.AHV, Infrastructure.AZURE
SignIn = Callable[[User], Client]


def _url(account: Account, name: str = "recovery_settings") -> str:
    return reverse(f"disaster_recovery:{name}", args=[account.pk])


@pytest.fixture(params=[AHV, AZURE])
def scene(request: pytest.FixtureRequest, lab: Lab, lab_server: LabServer) -> RecoveryScene:
    return build_recovery(lab_server, lab, kind=request.param, what=SERVER, is_on=False)


@pytest.fixture
def person(scene: RecoveryScene, sign_in: SignIn) -> Client:
    user = User.objects.create_user("ada@example.test", "a-long-enough-password")
    customer = scene.account.organization.customer
    RoleGrant.objects.create(user=user, role=Role.CUSTOMER_ADMINISTRATOR, customer=customer)
    return sign_in(user)


def _is_on(scene: RecoveryScene) -> bool:
    return scene.account.dr_enabled


def _others(scene: RecoveryScene) -> QuerySet[CloudAccount]:
    """Cloud accounts that the account does not live at."""
    return CloudAccount.objects.exclude(name=scene.resource.cloud_account.name)


def _choice(scene: RecoveryScene) -> dict[str, Any]:
    account = scene.account
    second = _others(scene).first()
    chosen = second if scene.is_ahv else account.cloud_account
    assert chosen is not None
    given = {"enable": "on", "cloud_account": str(chosen.pk), "target_rpo_hours": "12"}
    return given | ({} if scene.is_ahv else {"site": "northeurope"})


def test_the_tab_has_the_labels_and_hides_what_is_not_for_it(
    scene: RecoveryScene, person: Client
) -> None:
    text = person.get(_url(scene.account)).text
    for label in (
        "Enable Frame DR", "Backup cloud account", "Enable post-session backup",
        "Stop server before post-session backup", "Save", "Template images are not backed up",
    ):  # fmt: skip
        assert label in text
    # R125, R130: no region on AHV, no steps for clusters on Azure.
    assert ("Backup data center" in text) == (not scene.is_ahv)
    assert ("Remote Site Name" in text) == scene.is_ahv


def test_saving_checks_both_sites_and_switches_it_on(scene: RecoveryScene, person: Client) -> None:
    answer = person.post(_url(scene.account), _choice(scene) | {"post_session_backup": "on"})
    assert answer.status_code == 302
    task = Task.objects.get(kind="configure_recovery")
    assert not _is_on(scene)
    assert "Disaster recovery is being configured" in person.get(_url(scene.account)).text
    assert scene.drive(scene.scene.allow_time(task)).state == Task.State.DONE
    assert _is_on(scene)
    chosen = RecoverySettings.of(scene.account)
    assert (chosen.target_rpo_hours, chosen.post_session_backup) == (12, True)
    assert Notification.objects.get(task=task).title == "Disaster recovery is configured"
    assert AuditEntry.objects.filter(action="recovery.enable").exists()
    page = person.get(_url(scene.account)).text
    # R121, R127: mapped containers, or quotas, are a table with named columns.
    heads = ("Source vStore", "Destination vStore") if scene.is_ahv else ("Used", "Limit")
    assert all(f'<th scope="col">{head}</th>' in page for head in heads)
    assert "Check again" in page
    assert "Every backup is replicated to" in page


def test_a_red_check_blocks_and_nothing_of_what_was_chosen_is_kept(
    scene: RecoveryScene, person: Client
) -> None:
    if scene.is_ahv:
        sites = scene.lab.clusters["ahv-dub-02"].remote_sites
        kept = dict(sites)
        sites.clear()
    else:
        scene.account.resources.update(vm_size="Standard_D4s_v99")
    person.post(_url(scene.account), _choice(scene))
    task = Task.objects.get(kind="configure_recovery")
    assert scene.drive(scene.scene.allow_time(task)).state == Task.State.FAILED
    assert not _is_on(scene)
    assert not RecoverySettings.objects.exists()
    (red,) = ReadinessCheck.objects.filter(account=scene.account, state="failed")[:1]
    told = Notification.objects.get(task=task)
    assert red.title in told.body
    assert red.title in person.get(_url(scene.account)).text
    if scene.is_ahv:
        sites |= kept


@pytest.mark.parametrize("name", ["ahv-lon-01", "ahv-dub-02"])
def test_who_may_only_look_at_a_cluster_blocks_and_is_named(
    lab: Lab, lab_server: LabServer, name: str
) -> None:
    scene = build_recovery(lab_server, lab, kind=AHV, what=SERVER, is_on=False)
    lab.clusters[name].identity.is_viewer = True
    try:
        task = scene.enable()
    finally:
        lab.clusters[name].identity.is_viewer = False
    assert task.state == Task.State.FAILED
    assert f"Prism Element rights on {name}" in task.error
    assert scene.enable().state == Task.State.DONE
    # Asking leaves nothing behind.
    assert not lab.clusters[name].protection_domains


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cloud_account": ""}, "Choose a backup cloud account."),
        ({"cloud_account": "primary"}, "Choose a cloud account of the list."),
        ({"cloud_account": "stranger"}, "Choose a cloud account of the list."),
        ({"cloud_account": "nonsense"}, "Choose a cloud account of the list."),
        ({"site": "westeurope"}, "Choose a region of the list."),
        ({"site": "atlantis"}, "Choose a region of the list."),
        ({"site": ""}, "Choose a backup data center."),
        ({"target_rpo_hours": "0"}, "from 1 to 720"),
        ({"target_rpo_hours": "a day"}, "from 1 to 720"),
        ({"stops_server": "on"}, "Enable post-session backup first"),
    ],
)
def test_what_the_form_would_not_offer_is_refused_beside_its_field(
    scene: RecoveryScene, person: Client, change: dict[str, str], said: str
) -> None:
    of_regions, of_clusters = "site" in change, change.get("cloud_account") == "primary"
    if (of_regions and scene.is_ahv) or (of_clusters and not scene.is_ahv):
        pytest.skip("of the other infrastructure")
    chosen = dict(change)
    if chosen.get("cloud_account") == "primary":
        chosen["cloud_account"] = str(scene.account.cloud_account_id)
    if chosen.get("cloud_account") == "stranger":
        foreign = CloudAccountFactory(kind=scene.account.infrastructure)
        chosen["cloud_account"] = str(foreign.pk)
    answer = person.post(_url(scene.account), _choice(scene) | chosen)
    assert answer.status_code == 422
    assert said in answer.text
    assert not Task.objects.filter(kind="configure_recovery").exists()


def test_an_administrator_of_another_organization_cannot_pick_its_cloud_account(
    lab: Lab, lab_server: LabServer, sign_in: SignIn
) -> None:
    scene = build_recovery(lab_server, lab, kind=AHV, what=SERVER, is_on=False)
    account = scene.account
    other = OrganizationFactory(customer=account.organization.customer)
    second = _others(scene).get()
    second.organization = other
    second.save()
    user = User.objects.create_user("ada@example.test", "a-long-enough-password")
    RoleGrant.objects.create(
        user=user, role=Role.ORGANIZATION_ADMINISTRATOR, organization=account.organization
    )
    client = sign_in(user)
    assert second.name not in client.get(_url(account)).text
    assert client.post(_url(account), _choice(scene)).status_code == 422


def test_account_administrators_get_403_and_no_name(
    world: World, account_admin: User, sign_in: SignIn
) -> None:
    answer = sign_in(account_admin).get(_url(world.account))
    assert answer.status_code == 403
    assert world.cloud_account.name not in answer.text


def test_a_second_tab_does_not_overwrite_what_the_first_has_saved(
    scene: RecoveryScene, person: Client
) -> None:
    scene.enable()
    address = _url(scene.account)
    seen = person.get(address).context["form"].present
    for each in (_choice(scene) | {"seen": seen}, _choice(scene) | {"seen": seen}):
        answer = person.post(address, each)
        for task in Task.objects.active():
            scene.drive(scene.scene.allow_time(task))
    assert answer.status_code == 422
    assert "Somebody has changed these settings since this page was opened" in answer.text
    assert "RPO 12 h" in answer.text
    assert Task.objects.filter(kind="configure_recovery").count() == 2
    # The answer is of now: saved again, it is taken.
    again = _choice(scene) | {"seen": answer.context["form"].present, "target_rpo_hours": "48"}
    assert person.post(address, again).status_code == 302


@pytest.mark.parametrize("kind", [Infrastructure.AWS, Infrastructure.GCP])
def test_without_a_driver_the_tab_explains_and_has_no_switch(
    world: World, org_admin: User, sign_in: SignIn, kind: str
) -> None:
    Account.objects.filter(pk=world.account.pk).update(infrastructure=kind, cloud_account=None)
    client = sign_in(org_admin)
    for address in (_url(world.account), _url(world.account, "recovery_overview")):
        text = client.get(address).text
        assert "Amazon Web Services and Google Cloud are not supported yet" in text
        assert "Enable Frame DR" not in text
    assert client.post(_url(world.account), {"enable": "on"}).status_code == 422
    assert not Task.objects.exists()


def test_on_the_vendors_infrastructure_the_switch_is_disabled_with_the_reason(
    scene: RecoveryScene, person: Client
) -> None:
    Account.objects.filter(pk=scene.account.pk).update(is_vendor_hosted=True)
    text = person.get(_url(scene.account)).text
    assert "needs infrastructure of your own" in text
    person.post(_url(scene.account), _choice(scene))
    assert not Task.objects.filter(kind="configure_recovery").exists()


def test_switching_it_off_asks_what_becomes_of_replicas_and_keeps_by_default(
    scene: RecoveryScene, person: Client
) -> None:
    scene.enable()
    backup = scene.backup()
    answer = person.post(_url(scene.account), {"target_rpo_hours": "24"})
    assert answer.headers["Location"] == _url(scene.account, "recovery_disable")
    assert _is_on(scene)
    page = person.get(_url(scene.account, "recovery_disable")).text
    assert "1 replica" in page
    person.post(_url(scene.account, "recovery_disable"))
    assert not _is_on(scene)
    assert scene.replica_of(backup).is_there


def test_replicas_are_deleted_by_explicit_choice(scene: RecoveryScene, person: Client) -> None:
    before = scene.everything()
    scene.enable()
    backup = scene.backup()
    person.post(_url(scene.account, "recovery_disable"), {"replicas": "delete"})
    task = Task.objects.get(kind="remove_replicas")
    for each in Task.objects.active():
        scene.scene.allow_time(each)
    assert scene.drive(task).state == Task.State.DONE
    assert not Replica.objects.there().exists()
    backup.refresh_from_db()
    assert (backup.is_ready, backup.replication_status) == (True, "")
    scene.delete(backup)
    assert scene.everything() == before


def test_missing_rights_block_and_are_named(lab: Lab, lab_server: LabServer) -> None:
    scene = build_recovery(lab_server, lab, kind=AZURE, what=SERVER, is_on=False)
    forbid(lab.azure, "Microsoft.Compute/snapshots/write")
    task = scene.enable()
    assert task.state == Task.State.FAILED
    assert "Microsoft.Compute/snapshots/write" in task.error
    check = ReadinessCheck.objects.get(key="rights")
    assert (check.state, _is_on(scene)) == ("failed", False)
    assign_default(lab.azure)
    for action in PUBLISHING:
        forbid(lab.azure, action)
    assert scene.enable().state == Task.State.DONE
    assert ReadinessCheck.objects.get(key="rights").state == "warning"


def test_check_again_runs_the_checks(scene: RecoveryScene, person: Client) -> None:
    scene.enable()
    ReadinessCheck.objects.all().delete()
    person.post(_url(scene.account, "recovery_check"))
    task = Task.objects.get(kind="check_recovery")
    assert "already" in person.post(_url(scene.account, "recovery_check"), follow=True).text
    assert scene.drive(scene.scene.allow_time(task)).state == Task.State.DONE
    assert ReadinessCheck.objects.filter(account=scene.account).count() > 3
