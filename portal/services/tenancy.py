"""Organizations and accounts: made, and their general settings changed."""

from __future__ import annotations

from django.db import transaction

from portal.adoption import forget_unused
from portal.audit import Actor, record
from portal.clouds.kinds import KINDS
from portal.models import Account, CloudAccount, Customer, Infrastructure, Organization, Resource
from portal.refusals import Refused
from portal.services import refusing_duplicates

_ACCOUNT_EXISTS = "This organization already has an account of that name."


@transaction.atomic
def create_organization(actor: Actor, customer: Customer, *, name: str) -> Organization:
    """Make an organization of this customer. Refuses a name the customer already uses."""
    organization = Organization(customer=customer, name=name)
    with refusing_duplicates("This customer already has an organization of that name."):
        organization.save(force_insert=True)
    record(actor, "organization.create", organization)
    return organization


@transaction.atomic
def create_account(
    actor: Actor,
    organization: Organization,
    *,
    name: str,
    time_zone: str,
    infrastructure: str = Infrastructure.AHV,
    is_domain_joined: bool = False,
    cloud_account: CloudAccount | None = None,
    site: str = "",
) -> Account:
    """Make an account. Refuses a name in use, or a cloud account of another branch (R111)."""
    account = Account(
        organization=organization,
        name=name,
        time_zone=time_zone,
        infrastructure=infrastructure,
        is_domain_joined=is_domain_joined,
    )
    _place(account, cloud_account, site)
    with refusing_duplicates(_ACCOUNT_EXISTS):
        account.save(force_insert=True)
    record(actor, "account.create", account, time_zone=time_zone, site=account.site)
    return account


@transaction.atomic
def edit_account(
    actor: Actor, account: Account, *, name: str, time_zone: str, is_domain_joined: bool
) -> Account:
    """Change what an Account Administrator may change."""
    wanted = {"name": name, "time_zone": time_zone, "is_domain_joined": is_domain_joined}
    changed = {key: value for key, value in wanted.items() if getattr(account, key) != value}
    if not changed:
        return account
    before = {key: getattr(account, key) for key in changed}
    with refusing_duplicates(_ACCOUNT_EXISTS):
        Account.objects.filter(pk=account.pk).update(**changed)
    for key, value in changed.items():
        setattr(account, key, value)
    record(actor, "account.edit", account, before=before, after=changed)
    return account


@transaction.atomic
def place_account(
    actor: Actor, account: Account, *, cloud_account: CloudAccount | None, site: str
) -> Account:
    """Say where the account's machines live. Refused while machines are assigned to it."""
    account = Account.objects.select_for_update().get(pk=account.pk)
    before = {"cloud_account": _name(account.cloud_account), "site": account.site}
    if account.cloud_account != cloud_account:
        _require_empty(account, "this cloud account", field="cloud_account")
    _place(account, cloud_account, site)
    is_moved = cloud_account and KINDS[cloud_account.kind].has_regions
    if is_moved and account.site != before["site"]:
        _require_empty(account, before["site"], field="site")
    after = {"cloud_account": _name(cloud_account), "site": account.site}
    if before != after:
        account.save(update_fields=["cloud_account", "site"])
        record(actor, "account.place", account, before=before, after=after)
    return account


def _require_empty(account: Account, where: str, *, field: str) -> None:
    """Refuse to move an account with machines; volumes follow it, unless they were backed up."""
    forget_unused(account)
    if not account.resources.exists():
        return
    if account.resources.filter(kind__in=Resource.VOLUME_KINDS).exists():
        at = "at" if field == "cloud_account" else "in"
        raise Refused(
            f"Volumes of the account {at} {where} have backups or tasks; it stays with them.",
            field=field,
        )
    of = "of" if field == "cloud_account" else "in"
    raise Refused(
        f"Machines {of} {where} are assigned to the account. Remove them first.", field=field
    )


def _place(account: Account, cloud_account: CloudAccount | None, site: str) -> None:
    """Set the cloud account and the site; the site is the cloud account's name if not given."""
    if cloud_account:
        usable = CloudAccount.objects.usable_by(account.organization)
        if not usable.filter(pk=cloud_account.pk, kind=account.infrastructure).exists():
            raise Refused(
                "Choose a cloud account this organization can use.", field="cloud_account"
            )
    if cloud_account and KINDS[cloud_account.kind].has_regions:
        site = _checked_region(cloud_account, site)
    account.cloud_account = cloud_account
    account.site = site or _name(cloud_account)


def _checked_region(cloud_account: CloudAccount, site: str) -> str:
    """A region as the cloud writes it; one in which the inventory has found machines."""
    region = site.replace(" ", "").lower()
    if not region:
        raise Refused("Name the region of the account's machines.", field="site")
    seen = set(cloud_account.servers.values_list("site", flat=True))
    if seen and region not in seen:
        known = ", ".join(sorted(seen))
        raise Refused(
            f"{cloud_account} has no machine in {region}; it has some in {known}.", field="site"
        )
    return region


def _name(cloud_account: CloudAccount | None) -> str:
    return cloud_account.name if cloud_account else ""
