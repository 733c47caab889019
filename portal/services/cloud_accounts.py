"""Cloud accounts: registered, changed, tested and synchronised (R110 to R112).

Nothing here calls a cloud. Testing and synchronising start tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from portal import engine
from portal.audit import Actor, record
from portal.clouds.kinds import KINDS, Kind
from portal.models import CloudAccount, Customer, Infrastructure, Organization, Task
from portal.refusals import Refused
from portal.services import refusing_duplicates

_NAME_IN_USE = "This customer already has a cloud account of that name."


@transaction.atomic
def create_cloud_account(
    actor: Actor,
    *,
    customer: Customer,
    organization: Organization | None = None,
    name: str,
    endpoint: str,
    secrets: Mapping[str, str],
    ca_pem: str = "",
    kind: str = Infrastructure.AHV,
) -> CloudAccount:
    """Register a cloud account on a customer, or on one organization. Nothing is tried yet.

    ``secrets`` are the facts and the secret of its kind (`portal.clouds.kinds`).
    """
    if organization and organization.customer_id != customer.pk:
        raise ValueError("the organization belongs to another customer")
    _require_agent_token(KINDS[kind], secrets, {})
    cloud_account = CloudAccount(
        customer=customer,
        organization=organization,
        name=name,
        kind=kind,
        endpoint=endpoint,
        secrets=dict(secrets),
        ca_pem=ca_pem,
    )
    with refusing_duplicates(_NAME_IN_USE):
        cloud_account.save(force_insert=True)
    facts: dict[str, Any] = {"endpoint": endpoint, **_facts(cloud_account)}
    record(actor, "cloud_account.create", cloud_account, **facts)
    return cloud_account


@transaction.atomic
def edit_cloud_account(
    actor: Actor,
    cloud_account: CloudAccount,
    *,
    name: str,
    endpoint: str,
    secrets: Mapping[str, str],
    ca_pem: str = "",
) -> CloudAccount:
    """Change a cloud account; an empty secret keeps the one there is.

    What was known of its health goes when it is reached or signed in to otherwise.
    The secret never enters the audit trail, only that it was changed. A new address, or
    another fact it was given for, needs it again: whoever may change the one need not
    know the other.
    """
    cloud_account = CloudAccount.objects.select_for_update().get(pk=cloud_account.pk)
    kind, present = KINDS[cloud_account.kind], cloud_account.secrets
    is_elsewhere = endpoint != cloud_account.endpoint or any(
        secrets[fact] != present.get(fact) for fact in kind.bound
    )
    if is_elsewhere and not secrets[kind.secret]:
        label = kind.secret.replace("_", " ")
        raise Refused(
            f"Enter the {label} again: it was given for another {kind.place}.", field=kind.secret
        )
    kept = {**secrets, kind.secret: secrets[kind.secret] or present[kind.secret]}
    kept |= _require_agent_token(kind, secrets, present)
    wanted = {"name": name, "endpoint": endpoint, "secrets": kept, "ca_pem": ca_pem}
    changed = [key for key, value in wanted.items() if getattr(cloud_account, key) != value]
    if not changed:
        return cloud_account
    before = {
        "name": cloud_account.name, "endpoint": cloud_account.endpoint, **_facts(cloud_account)
    }  # fmt: skip
    for key, value in wanted.items():
        setattr(cloud_account, key, value)
    if set(changed) - {"name"}:
        cloud_account.health = CloudAccount.Health.UNKNOWN
        cloud_account.health_detail = ""
    with refusing_duplicates(_NAME_IN_USE):
        cloud_account.save(update_fields=[*wanted, "health", "health_detail"])
    record(
        actor, "cloud_account.edit", cloud_account, changed=changed, before=before,
        after={"name": name, "endpoint": endpoint, **_facts(cloud_account)},
    )  # fmt: skip
    return cloud_account


def _require_agent_token(
    kind: Kind, secrets: Mapping[str, str], present: Mapping[str, str]
) -> dict[str, str]:
    """Return the gateway's token, the present one if none is given for the same address."""
    for address, token in [kind.agent] if kind.agent else []:
        if not secrets.get(address):
            return {}
        is_elsewhere = secrets[address] != present.get(address)
        given = secrets.get(token) or ("" if is_elsewhere else present.get(token, ""))
        if not given:
            raise Refused("Enter the token of the guest agent gateway.", field=token)
        return {token: given}
    return {}


def _facts(cloud_account: CloudAccount) -> dict[str, Any]:
    """What of the sign-in may be shown."""
    kind, secrets = KINDS[cloud_account.kind], cloud_account.secrets
    shown = {fact: secrets[fact] for fact in kind.facts}
    return shown | {fact: secrets[fact] for fact in kind.agent[:1] if fact in secrets}


def check_connection(actor: Actor, cloud_account: CloudAccount) -> Task:
    """Start Test Connection. Refused while one is under way."""
    return _start(actor, cloud_account, "test_cloud_account", "Test connection", "test")


def synchronise(actor: Actor, cloud_account: CloudAccount) -> Task:
    """Start mirroring the inventory. Refused while that is under way."""
    return _start(actor, cloud_account, "sync_inventory", "Synchronise inventory", "synchronise")


@transaction.atomic
def _start(actor: Actor, cloud_account: CloudAccount, kind: str, title: str, verb: str) -> Task:
    # The row lock lets of two clicks at once only one start a task.
    CloudAccount.objects.select_for_update().get(pk=cloud_account.pk)
    if Task.objects.active().filter(kind=kind, cloud_account=cloud_account).exists():
        raise Refused(f"“{title}” is already under way for {cloud_account}.")
    task = engine.start(
        kind,
        title=title,
        subject=cloud_account.name,
        cloud_account=cloud_account,
        requested_by=actor.user,
    )
    record(
        actor, f"cloud_account.{verb}", cloud_account, result="requested", task=str(task.pk)
    )  # fmt: skip
    return task
