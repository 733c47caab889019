"""Cloud accounts and organizations taken off the portal, once nothing uses them.

Nothing at a cloud is touched. The audit trail stays.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import ProtectedError, Q

from portal.audit import Actor, record
from portal.models import Account, CloudAccount, Organization, Task
from portal.refusals import Refused

NAMES = 3


def uses_of_cloud_account(cloud_account: CloudAccount) -> str:
    """Why it cannot be deleted, as a sentence; empty when nothing uses it."""
    used_by = Account.objects.filter(cloud_account=cloud_account)
    used_by |= Account.objects.filter(resources__cloud_account=cloud_account)
    secondary = Account.objects.filter(dr_cloud_account=cloud_account).order_by("name")
    if names := list(secondary.values_list("name", flat=True)):
        return (
            f"{_listed(names)} keep{'s' if len(names) == 1 else ''} replicas at it, or did. Choose "
            "another backup cloud account first."
        )
    if names := list(used_by.order_by("name").values_list("name", flat=True).distinct()):
        return f"Used by {_listed(names)}. Give {_them(names)} another cloud account first."
    at_it = Q(cloud_account=cloud_account) | Q(other_cloud_account=cloud_account)
    if busy := Task.objects.active().filter(at_it).first():
        return f"“{busy}” is under way. Cancel it, or wait until it has ended."
    return ""


def uses_of_organization(organization: Organization) -> str:
    """Why it cannot be deleted, as a sentence; empty when it holds nothing."""
    accounts = organization.accounts.order_by("name")
    if names := list(accounts.filter(terminated_at=None).values_list("name", flat=True)):
        return f"It has the account{'s' if len(names) > 1 else ''} {_listed(names)}."
    if names := list(accounts.values_list("name", flat=True)):
        return f"Records of {_listed(names)}, terminated, are kept until their periods end."
    clouds = organization.cloud_accounts.order_by("name").values_list("name", flat=True)
    if names := list(clouds):
        return f"It has the cloud account{'s' if len(names) > 1 else ''} {_listed(names)}."
    return ""


@transaction.atomic
def delete_cloud_account(actor: Actor, cloud_account: CloudAccount) -> None:
    """Delete a cloud account with its credentials and inventory. Refused while it is used."""
    # The lock keeps accounts and tasks from coming to it between the look and the end.
    row = CloudAccount.objects.select_for_update().get(pk=cloud_account.pk)
    if use := uses_of_cloud_account(row):
        raise Refused(use)
    record(actor, "cloud_account.delete", row, endpoint=row.endpoint)
    tasks = Task.objects.filter(cloud_account=row)
    tasks.filter(account=None).delete()
    # Tasks of accounts that once lived there stay on their Tasks pages.
    tasks.update(cloud_account=None)
    Task.objects.filter(other_cloud_account=row).update(other_cloud_account=None)
    try:
        row.delete()
    except ProtectedError as error:
        raise Refused("Replicas are or were kept at it, and their records name it.") from error


@transaction.atomic
def delete_organization(actor: Actor, organization: Organization) -> None:
    """Delete an organization, and with it the roles on it. Refused while it holds anything."""
    row = Organization.objects.select_for_update().get(pk=organization.pk)
    if use := uses_of_organization(row):
        raise Refused(use)
    roles = row.rolegrants.count()
    record(actor, "organization.delete", row.customer, label=row.name, roles=roles)
    row.delete()


def _listed(names: list[str]) -> str:
    shown = [f"“{name}”" for name in names[:NAMES]]
    if more := len(names) - len(shown):
        shown.append(f"{more} more")
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def _them(names: list[str]) -> str:
    return "it" if len(names) == 1 else "them"
