"""Test Connection on the Disaster recovery tab: each direction, with time and detail (R122)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from disaster_recovery.models import ReadinessCheck
from portal.lab import Lab, LabServer
from portal.models import (
    AuditEntry,
    CloudAccount,
    Customer,
    Infrastructure,
    Role,
    RoleGrant,
    Task,
    User,
)
from tests.recovery_scene import (
    PRIMARY_CLUSTER,
    SECONDARY_CLUSTER,
    SERVER,
    RecoveryScene,
    build_recovery,
)

pytestmark = pytest.mark.django_db
KIND = "test_remote_sites"


@pytest.fixture
def scene(lab: Lab, lab_server: LabServer) -> RecoveryScene:
    return build_recovery(lab_server, lab, kind=Infrastructure.AHV, what=SERVER, is_on=False)


@pytest.fixture
def person(scene: RecoveryScene, sign_in: Callable[[User], Client]) -> Client:
    user = User.objects.create_user("ada@example.test", "a-long-enough-password")
    customer = scene.account.organization.customer
    RoleGrant.objects.create(user=user, role=Role.CUSTOMER_ADMINISTRATOR, customer=customer)
    return sign_in(user)


def _url(scene: RecoveryScene, name: str) -> str:
    return reverse(f"disaster_recovery:{name}", args=[scene.account.pk])


def _test(scene: RecoveryScene, person: Client, **given: str) -> str:
    """Press the button, let the task run, and read the tab."""
    person.post(_url(scene, "recovery_test"), given)
    task = Task.objects.active().get(kind=KIND)
    task = scene.drive(scene.scene.allow_time(task))
    assert task.state == Task.State.DONE, task.error
    return person.get(_url(scene, "recovery_settings")).text


def _second() -> str:
    return str(CloudAccount.objects.get(name=SECONDARY_CLUSTER).pk)


def test_a_choice_is_tested_before_it_is_saved(scene: RecoveryScene, person: Client) -> None:
    tab = person.get(_url(scene, "recovery_settings")).text
    assert ">Test Connection</button>" in tab
    text = _test(scene, person, cloud_account=_second())
    assert "Test Connection passed" in text
    assert f"Passed: Remote Site on {PRIMARY_CLUSTER} for {SECONDARY_CLUSTER}" in text
    assert f"Passed: Remote Site on {SECONDARY_CLUSTER} for {PRIMARY_CLUSTER}" in text
    assert "is established, 12 ms away" in text
    assert (scene.account.dr_enabled, ReadinessCheck.objects.count()) == (False, 0)
    entry = AuditEntry.objects.get(action="recovery.test")
    assert entry.result == "requested"


def test_one_direction_that_is_missing_fails_and_is_named(
    scene: RecoveryScene, person: Client, lab: Lab
) -> None:
    removed = lab.clusters[SECONDARY_CLUSTER].remote_sites.pop(PRIMARY_CLUSTER)
    try:
        text = _test(scene, person, cloud_account=_second())
    finally:
        lab.clusters[SECONDARY_CLUSTER].remote_sites[PRIMARY_CLUSTER] = removed
    assert "Test Connection failed" in text
    assert f"Failed: Remote Site on {SECONDARY_CLUSTER} for {PRIMARY_CLUSTER}" in text
    assert f"{SECONDARY_CLUSTER} has no Remote Site with an address of {PRIMARY_CLUSTER}" in text


def test_a_cut_link_turns_the_checks_of_the_same_sites_red_at_once(
    scene: RecoveryScene, person: Client, lab: Lab
) -> None:
    scene.enable()
    assert ReadinessCheck.objects.get(key="remote_site").state == "passed"
    lab.link(PRIMARY_CLUSTER, SECONDARY_CLUSTER, is_up=False)
    try:
        assert "Test Connection failed" in _test(scene, person)
    finally:
        lab.link(PRIMARY_CLUSTER, SECONDARY_CLUSTER, is_up=True)
    assert ReadinessCheck.objects.get(key="remote_site").state == "failed"
    scene.scene.clock.advance(60)
    assert "Test Connection passed" in _test(scene, person)
    assert ReadinessCheck.objects.get(key="remote_site").state == "passed"


def test_it_runs_once_at_a_time_and_only_with_what_may_be_chosen(
    scene: RecoveryScene, person: Client
) -> None:
    url = _url(scene, "recovery_test")
    assert "Choose a backup cloud account first." in person.post(url, follow=True).text
    foreign = CloudAccount.objects.get(pk=_second())
    foreign.pk, foreign.customer = None, Customer.objects.create(name="Elsewhere")
    foreign.name = "foreign"
    foreign.save(force_insert=True)
    for forged in (str(foreign.pk), "x", str(scene.account.cloud_account_id)):
        text = person.post(url, {"cloud_account": forged}, follow=True).text
        assert "Choose a cloud account of the list." in text
    assert not Task.objects.filter(kind=KIND).exists()
    person.post(url, {"cloud_account": _second()})
    text = person.post(url, {"cloud_account": _second()}, follow=True).text
    assert "Test Connection is running" in text
    assert Task.objects.filter(kind=KIND).count() == 1


def test_regions_of_azure_have_no_remote_sites(
    lab: Lab, lab_server: LabServer, sign_in: Callable[[User], Client]
) -> None:
    scene = build_recovery(lab_server, lab, kind=Infrastructure.AZURE, what=SERVER, is_on=False)
    user = User.objects.create_user("ada@example.test", "a-long-enough-password")
    customer = scene.account.organization.customer
    RoleGrant.objects.create(user=user, role=Role.CUSTOMER_ADMINISTRATOR, customer=customer)
    person = sign_in(user)
    assert ">Test Connection<" not in person.get(_url(scene, "recovery_settings")).text
    text = person.post(_url(scene, "recovery_test"), follow=True).text
    assert "Only AHV clusters have Remote Sites." in text
