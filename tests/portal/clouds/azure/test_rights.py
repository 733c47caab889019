"""Test Connection at Azure: whose subscription it is, and what the application's role lacks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portal.clouds.api import CloudRefused, SignInRefused
from portal.clouds.azure.driver import AzureCloud
from portal.clouds.azure.rights import PUBLISHING, REQUIRED
from portal.lab.azure.access import assign, forbid
from portal.lab.azure.model import GROUP, LEAST_PRIVILEGE, OTHER_SUBSCRIPTION, SUBSCRIPTION
from tests.contract.azure_site import AzureSite
from tests.contract.carrying import connected

AT_SUBSCRIPTION = f"/subscriptions/{SUBSCRIPTION}"
AT_GROUP = f"{AT_SUBSCRIPTION}/resourceGroups/{GROUP}"


def test_the_least_role_is_enough(azure: AzureCloud) -> None:
    identity = azure.identify()
    assert identity.id == SUBSCRIPTION
    assert identity.warnings == ()


@pytest.mark.parametrize("action", REQUIRED)
def test_a_missing_action_is_named(azure: AzureCloud, site: AzureSite, action: str) -> None:
    forbid(site.cloud, action)
    with pytest.raises(SignInRefused, match=action) as caught:
        azure.identify()
    assert SUBSCRIPTION in caught.value.advice or GROUP in caught.value.advice


@pytest.mark.parametrize("action", REQUIRED)
def test_a_region_is_seen_whatever_its_role_lacks(
    azure: AzureCloud, site: AzureSite, action: str
) -> None:
    forbid(site.cloud, action)
    facts = azure.site_facts("northeurope")
    assert facts.lacking == (action,)
    assert facts.lacking_at
    assert facts.regions


def test_what_publishing_alone_needs_is_not_lacking_for_replication(
    azure: AzureCloud, site: AzureSite
) -> None:
    for action in PUBLISHING:
        forbid(site.cloud, action)
    facts = azure.site_facts("northeurope")
    assert facts.lacking == ()
    assert all(action in facts.identity.warnings[0] for action in PUBLISHING)


def test_what_is_merely_useful_is_a_warning(azure: AzureCloud, site: AzureSite) -> None:
    forbid(site.cloud, "Microsoft.Compute/skus/read")
    assert azure.identify().warnings == ("The role lacks Microsoft.Compute/skus/read.",)


def test_without_sizes_the_inventory_is_shown_nevertheless(
    azure: AzureCloud, site: AzureSite
) -> None:
    forbid(site.cloud, "Microsoft.Compute/skus/read")
    site.add_server(["system"])
    found = azure.inventory().servers[0]
    assert (found.vcpus, found.memory_mb, found.vm_size) == (0, 0, "Standard_D2s_v5")


def test_wildcards_count_and_what_they_leave_out_does_not(
    azure: AzureCloud, site: AzureSite
) -> None:
    site.cloud.access.assignments.clear()
    assign(site.cloud, AT_SUBSCRIPTION, ["*"])
    assert azure.identify().warnings == ()
    site.cloud.access.assignments[0].not_actions.append("Microsoft.Compute/snapshots/*")
    with pytest.raises(SignInRefused, match=r"Microsoft\.Compute/snapshots/write"):
        azure.identify()


def test_a_role_on_the_resource_group_is_enough(azure: AzureCloud, site: AzureSite) -> None:
    site.cloud.access.assignments.clear()
    assign(site.cloud, AT_GROUP, LEAST_PRIVILEGE)
    assert azure.identify().id == SUBSCRIPTION


@pytest.mark.parametrize("subscription", [OTHER_SUBSCRIPTION, f"{SUBSCRIPTION[:-1]}0"])
def test_a_subscription_that_cannot_be_seen_is_refused(site: AzureSite, subscription: str) -> None:
    secrets = {**site.connection.secrets, "subscription": subscription}
    with (
        connected(replace(site.connection, secrets=secrets)) as cloud,
        pytest.raises(CloudRefused) as caught,
    ):
        cloud.identify()
    assert caught.value.advice


UNKNOWN = "99999999-9999-4999-8999-999999999999"


@pytest.mark.parametrize(
    ("field", "value", "advice"),
    [
        ("tenant", UNKNOWN, "tenant id"),
        ("tenant", "no/tenant", "tenant"),
        ("client_id", UNKNOWN, "client id"),
    ],
)
def test_an_unknown_tenant_or_application_is_named(
    site: AzureSite, field: str, value: str, advice: str
) -> None:
    secrets = {**site.connection.secrets, field: value}
    with (
        connected(replace(site.connection, secrets=secrets)) as cloud,
        pytest.raises(SignInRefused) as caught,
    ):
        cloud.identify()
    assert advice in caught.value.advice


def test_a_provider_is_never_registered(azure: AzureCloud, site: AzureSite) -> None:
    site.cloud.access.assignments.clear()
    assign(site.cloud, AT_SUBSCRIPTION, ["*"])
    site.cloud.limits.unregistered.append("Microsoft.Compute")
    with pytest.raises(CloudRefused, match="not registered") as caught:
        azure.inventory()
    assert "Register the provider" in caught.value.advice
    assert not [call for call in site.calls() if call.endswith("/register")]


def test_sizes_are_read_once(azure: AzureCloud, site: AzureSite) -> None:
    site.add_server(["system"])
    for _ in range(2):
        found = azure.inventory().servers[0]
        assert (found.vcpus, found.memory_mb) == (2, 8192)
    assert len([call for call in site.calls() if call.endswith("/skus")]) == 1
