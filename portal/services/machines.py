"""Machines seen at a cloud, assigned to an account as its Sandbox or a Utility Server."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction
from django.utils import timezone

from portal.audit import Actor, record
from portal.models import Account, DiscoveredServer, Resource, Task
from portal.platform_line import said_in
from portal.refusals import Refused
from portal.services import refusing_duplicates
from portal.words import note_words

SERVER_KINDS = (Resource.Kind.SANDBOX, Resource.Kind.UTILITY_SERVER)
_before_removal: list[Callable[[Resource], None]] = []


def before_removal(check: Callable[[Resource], None]) -> Callable[[Resource], None]:
    """Register what an app above has to say before a machine is let go. Use as a decorator.

    It raises Refused to keep the machine assigned, or removes what hangs on it.
    """
    _before_removal.append(check)
    return check


@transaction.atomic
def assign_machine(
    actor: Actor, account: Account, *, server: DiscoveredServer, kind: str
) -> Resource:
    """Assign a discovered machine. Refuses a second Sandbox (R005), or one already assigned."""
    if kind not in SERVER_KINDS:
        raise ValueError(f"no machine becomes a {kind}")
    if server.cloud_account_id != account.cloud_account_id:
        raise Refused("This machine is not at the account's cloud account.", field="server")
    if server.site and server.site != account.site:
        raise Refused(
            f"{server} is in {server.site}, the account's machines are in {account.site}.",
            field="server",
        )
    if said := said_in(server.description):
        label = Resource.Kind(said.kind).label
        raise Refused(f"{server} is a {label}: it is on the Volumes page.", field="server")
    sandboxes = account.resources.filter(kind=Resource.Kind.SANDBOX)
    if kind == Resource.Kind.SANDBOX and sandboxes.exists():
        raise Refused("This account already has a Sandbox.", field="kind")
    resource = Resource(
        account=account,
        cloud_account_id=server.cloud_account_id,
        kind=kind,
        external_id=server.external_id,
        name=server.name,
        power_state=server.power_state,
        power_changed_at=timezone.now(),
        vcpus=server.vcpus,
        memory_mb=server.memory_mb,
        size_bytes=server.size_bytes,
        vm_size=server.vm_size,
        seen_at=timezone.now(),
    )
    with refusing_duplicates(
        f"{server} has been assigned meanwhile, or the account has a Sandbox.", field="server"
    ):
        resource.save(force_insert=True)
    note_words([resource.pk])
    record(actor, "machine.assign", resource, kind=kind, external_id=server.external_id)
    return resource


@transaction.atomic
def remove_machine(actor: Actor, resource: Resource) -> None:
    """End an assignment; nothing at the cloud is touched. Refused while it is busy or backed up."""
    # The lock keeps a task from starting on it between the look and the end.
    resource = Resource.objects.select_for_update().get(pk=resource.pk)
    if busy := Task.objects.active().filter(resource=resource).first():
        raise Refused(f"{resource} is busy: “{busy}” is under way. Try again when it has ended.")
    for check in _before_removal:
        check(resource)
    record(actor, "machine.remove", resource, kind=resource.kind, external_id=resource.external_id)
    # Its tasks stay on the Tasks page; their titles name it.
    Task.objects.filter(resource=resource).update(resource=None)
    resource.delete()
