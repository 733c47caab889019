"""The demo's second sites: instance types at the second cluster, and disaster recovery on."""

from __future__ import annotations

from disaster_recovery import configuration
from portal.audit import Actor
from portal.models import Account, CloudAccount, InstanceType, Resource

# Lab's name of the second cluster, and the second region.
SECOND_CLUSTER, SECOND_REGION = "ahv-dub-02", "northeurope"


def enable(actor: Actor, account: Account, *, is_azure: bool) -> bool:
    """Start configuring an account that was never configured; return whether it was begun."""
    account.refresh_from_db()
    if account.dr_cloud_account_id or account.cloud_account is None:
        return False
    secondary = account.cloud_account
    if not is_azure:
        customer = account.organization.customer
        secondary = CloudAccount.objects.get(customer=customer, name=SECOND_CLUSTER)
        _declare_types(account, secondary)
    configuration.enable(
        actor,
        account,
        cloud_account=secondary,
        site=SECOND_REGION if is_azure else "",
        target_rpo_hours=24,
        post_session_backup=True,
    )
    return True


def _declare_types(account: Account, secondary: CloudAccount) -> None:
    """What is in use at the first cluster, declared at both."""
    machines = Resource.objects.filter(account=account, vcpus__gt=0).order_by()
    for vcpus, memory_mb in machines.values_list("vcpus", "memory_mb").distinct():
        for cloud_account in filter(None, (account.cloud_account, secondary)):
            InstanceType.objects.get_or_create(
                cloud_account=cloud_account,
                name=f"AHV {vcpus} vCPU {memory_mb // 1024} GB",
                defaults={"vcpus": vcpus, "memory_mb": memory_mb},
            )
