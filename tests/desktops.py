"""An account with many desktops at a cluster of the lab, made without an inventory."""

from __future__ import annotations

from collections.abc import Mapping

from portal.models import Account, CloudAccount, Customer, Organization, Resource


def account_with_desktops(endpoint: str, ca_pem: str, machines: Mapping[str, str]) -> Account:
    """``machines`` are UUIDs by name. All of them may be backed up at once."""
    customer = Customer.objects.create(name="Many desktops")
    organization = Organization.objects.create(customer=customer, name="Many desktops")
    cloud_account = CloudAccount.objects.create(
        customer=customer, name="lab", kind="ahv", endpoint=endpoint,
        secrets={"user": "admin", "password": "lab-password"}, ca_pem=ca_pem,
        max_tasks=len(machines),
    )  # fmt: skip
    account = Account.objects.create(
        organization=organization, name="Many desktops", cloud_account=cloud_account
    )
    Resource.objects.bulk_create(
        Resource(
            account=account, cloud_account=cloud_account, kind=Resource.Kind.PERSISTENT_DESKTOP,
            external_id=uuid, name=name, user_name=f"user-of-{name}", size_bytes=40 * 2**30,
        )
        for name, uuid in machines.items()
    )  # fmt: skip
    return account
