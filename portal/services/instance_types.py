"""Sizes of machine that administrators declare for a cluster, which has no list of them (R106)."""

from __future__ import annotations

from django.db import transaction

from portal.audit import Actor, record
from portal.models import CloudAccount, Infrastructure, InstanceType
from portal.refusals import Refused
from portal.services import refusing_duplicates

MB_IN_GB = 1024


@transaction.atomic
def add_instance_type(
    actor: Actor, cloud_account: CloudAccount, *, name: str, vcpus: int, memory_gb: int
) -> InstanceType:
    """Declare a size. Raises Refused."""
    if cloud_account.kind != Infrastructure.AHV:
        raise Refused("Azure has VM sizes of its own.")
    made = InstanceType(
        cloud_account=cloud_account, name=name, vcpus=vcpus, memory_mb=memory_gb * MB_IN_GB
    )
    with refusing_duplicates("This cloud account already has an instance type so named."):
        made.save()
    record(actor, "cloud_account.add_instance_type", cloud_account, instance_type=str(made))
    return made


@transaction.atomic
def remove_instance_type(actor: Actor, instance_type: InstanceType) -> None:
    """Take a size off the list; machines of that size are not touched."""
    cloud_account, name = instance_type.cloud_account, str(instance_type)
    instance_type.delete()
    record(actor, "cloud_account.remove_instance_type", cloud_account, instance_type=name)
