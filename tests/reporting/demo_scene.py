"""The demo's two accounts with machines and volumes, made without a lab."""

from __future__ import annotations

from django.utils import timezone

from portal.models import Account, Infrastructure, Resource, Role
from tests.factories import (
    AccountFactory,
    CloudAccountFactory,
    ResourceFactory,
    RoleGrantFactory,
)

GIB = 2**30
Kind = Resource.Kind


def demo_accounts() -> list[Account]:
    """Radiology PACS and Research VDI, each with somebody who administers it."""
    radiology = AccountFactory(name="Radiology PACS", time_zone="Europe/London")
    organization = radiology.organization
    azure = CloudAccountFactory(customer=organization.customer, kind=Infrastructure.AZURE)
    research = AccountFactory(
        name="Research VDI", time_zone="Europe/Berlin", organization=organization,
        infrastructure=Infrastructure.AZURE, cloud_account=azure,
    )  # fmt: skip
    users = {radiology: ("sofia.lindqvist", "kwame.osei"), research: ("ines.moreau",)}
    for account in (radiology, research):
        ResourceFactory(account=account, kind=Kind.SANDBOX, name=f"{account} sandbox")
        for number in range(3):
            ResourceFactory(account=account, name=f"util-{number}")
        for user in users[account]:
            for kind in Resource.VOLUME_KINDS:
                ResourceFactory(
                    account=account, kind=kind, name=f"{kind[:2]}-{user}", size_bytes=60 * GIB,
                    user_name=f"{user}@meridian.example", seen_at=timezone.now(),
                )  # fmt: skip
        RoleGrantFactory(account=account, role=Role.ACCOUNT_ADMINISTRATOR)
    return [radiology, research]
