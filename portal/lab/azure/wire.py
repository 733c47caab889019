"""How VMs, disks and snapshots look on the wire, and lists in pages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from portal.lab.azure.model import GIB, Attachment, Disk, Resource, Snapshot, Vm
from portal.lab.azure.refusals import invalid
from portal.lab.clock import SECOND, from_usecs
from portal.lab.routing import Answer, Request

if TYPE_CHECKING:
    from portal.lab.azure.cloud import AzureCloud

DISPLAY = {
    "running": "VM running",
    "starting": "VM starting",
    "stopping": "VM stopping",
    "stopped": "VM stopped",
    "deallocating": "VM deallocating",
    "deallocated": "VM deallocated",
}


def _head(resource: Resource, kind: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": resource.id,
        "name": resource.name,
        "type": f"Microsoft.Compute/{kind}",
        "location": resource.location,
    }
    if resource.tags:
        shown["tags"] = dict(resource.tags)
    if resource.zones:
        shown["zones"] = list(resource.zones)
    return shown


def vm(cloud: AzureCloud, found: Vm, *, with_view: bool = False) -> dict[str, Any]:
    """A VM; its power state is in the instance view alone."""
    shown = _head(found, "virtualMachines")
    if cloud.dialect.upper_groups:
        parts = found.id.split("/")
        parts[4] = parts[4].upper()
        shown["id"] = "/".join(parts)
    properties: dict[str, Any] = {
        "vmId": found.vm_id,
        "provisioningState": found.provisioning,
        "hardwareProfile": {"vmSize": found.size},
        "storageProfile": {
            "osDisk": _os_disk(cloud, found),
            "dataDisks": [_attachment(cloud, each) for each in found.data_disks],
        },
        "networkProfile": {"networkInterfaces": [_card(found)] if found.nic else []},
        "timeCreated": from_usecs(found.created_at).isoformat(),
        **found.other,
    }
    if with_view:
        properties["instanceView"] = instance_view(cloud, found)
    return shown | {"properties": properties}


def _card(found: Vm) -> dict[str, Any]:
    said = {"primary": True, "deleteOption": found.nic_delete_option}
    return {"id": found.nic, "properties": said}


def vm_status(cloud: AzureCloud, found: Vm) -> dict[str, Any]:
    """A VM in a list with ``statusOnly``: what it runs as, and nothing of its storage."""
    properties = {"vmId": found.vm_id, "provisioningState": found.provisioning}
    view = {"instanceView": instance_view(cloud, found)}
    return _head(found, "virtualMachines") | {"properties": properties | view}


def is_agent_ready(cloud: AzureCloud, found: Vm) -> bool:
    """Whether the guest has booted and its agent answers."""
    ready_at = found.on_since + int(cloud.timing.agent_seconds * SECOND)
    # One that was never started here has run for ever.
    has_booted = not found.on_since or cloud.now >= ready_at
    return cloud.guests.agent == "ready" and found.power == "running" and has_booted


def _agent(cloud: AzureCloud, found: Vm) -> dict[str, Any]:
    is_ready = is_agent_ready(cloud, found)
    status = {
        "code": f"ProvisioningState/{'succeeded' if is_ready else 'Unavailable'}",
        "level": "Info" if is_ready else "Warning",
        "displayStatus": "Ready" if is_ready else "Not Ready",
        "time": from_usecs(cloud.now).isoformat(),
    }
    return {"vmAgentVersion": "2.7.41491.1172" if is_ready else "Unknown", "statuses": [status]}


def instance_view(cloud: AzureCloud, found: Vm) -> dict[str, Any]:
    """Provisioning and power, as statuses; of a running one also its guest's agent."""
    provisioning = {
        "code": f"ProvisioningState/{found.provisioning.lower()}",
        "level": "Info",
        "displayStatus": f"Provisioning {found.provisioning.lower()}",
    }
    statuses = [provisioning]
    if found.is_generalized:
        generalized = {"code": "OSState/generalized", "level": "Info"}
        statuses.append(generalized | {"displayStatus": "VM generalized"})
    power = {"code": f"PowerState/{found.power}", "level": "Info"}
    statuses.append(power | {"displayStatus": DISPLAY[found.power]})
    agent = {"vmAgent": _agent(cloud, found)} if found.power == "running" else {}
    return {"statuses": statuses} | agent


def _attachment(cloud: AzureCloud, each: Attachment) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": each.name,
        "createOption": each.create_option,
        "caching": each.caching,
        "managedDisk": {"id": each.disk_id},
        "deleteOption": each.delete_option,
    }
    disk = cloud.disks.get(each.disk_id.lower())
    if disk:
        shown["diskSizeGB"] = disk.size_gb
        shown["managedDisk"]["storageAccountType"] = disk.sku
    return shown | ({"lun": each.lun, "toBeDetached": False} if each.lun >= 0 else {})


def _os_disk(cloud: AzureCloud, found: Vm) -> dict[str, Any]:
    disk = cloud.disks.get(found.os_disk.disk_id.lower())
    kind = {"osType": disk.os_type} if disk and disk.os_type else {}
    return kind | _attachment(cloud, found.os_disk)


def _disk_properties(found: Disk, *, is_first: bool) -> dict[str, Any]:
    creation: dict[str, Any] = {"createOption": found.create_option}
    if found.source_id:
        creation["sourceResourceId"] = found.source_id
    properties: dict[str, Any] = {
        "creationData": creation,
        "provisioningState": found.provisioning,
    }
    if found.os_type:
        properties["osType"] = found.os_type
    if found.generation:
        properties["hyperVGeneration"] = found.generation
    if is_first:  # what is not known yet when the operation has just been taken on
        return properties
    if found.source_unique_id:
        creation["sourceUniqueId"] = found.source_unique_id
    return properties | {
        "diskSizeGB": found.size_gb,
        "diskSizeBytes": found.size_gb * GIB,
        "uniqueId": found.unique_id,
        "timeCreated": from_usecs(found.created_at).isoformat(),
        "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
        "networkAccessPolicy": "AllowAll",
    }


def _tier(sku: str) -> str:
    """StandardSSD is of the tier Standard, PremiumV2 of Premium, UltraSSD of Ultra."""
    return re.sub("(SSD|V2)?_.*$", "", sku)


def disk(cloud: AzureCloud, found: Disk, *, is_first: bool = False) -> dict[str, Any]:
    """A managed disk; its state follows the power of the VM it is attached to."""
    shown = _head(found, "disks")
    shown["sku"] = {"name": found.sku} | ({} if is_first else {"tier": _tier(found.sku)})
    shown["properties"] = _disk_properties(found, is_first=is_first)
    if not is_first:
        shown["properties"]["diskState"] = disk_state(cloud, found)
    if found.managed_by:
        shown["managedBy"] = found.managed_by
    return shown


def disk_state(cloud: AzureCloud, found: Disk) -> str:
    """Unattached, Attached (running VM), Reserved (deallocated VM), ActiveSAS; or for uploads."""
    if found.is_awaiting:
        return "ActiveUpload" if found.has_access else "ReadyToUpload"
    if found.has_access:
        return "ActiveSAS"
    holder = cloud.vms.get(found.managed_by.lower())
    if holder is None:
        return "Unattached"
    return "Reserved" if holder.power == "deallocated" else "Attached"


def snapshot(cloud: AzureCloud, found: Snapshot, *, is_first: bool = False) -> dict[str, Any]:
    """A snapshot; only a copy from another region says how much of it is there."""
    cloud.advance_copy(found)
    shown = _head(found, "snapshots")
    shown["sku"] = {"name": found.sku} | ({} if is_first else {"tier": _tier(found.sku)})
    properties = _disk_properties(found, is_first=is_first) | {"incremental": found.is_incremental}
    if not is_first:
        properties["diskState"] = "ActiveSAS" if found.has_access else "Unattached"
        if found.is_incremental:
            properties["incrementalSnapshotFamilyId"] = found.family
        if found.create_option == "CopyStart":
            properties["completionPercent"] = round(found.copied, 1)
        if found.copy_error:
            said = "The source of the copy was deleted while it was being copied."
            properties["copyCompletionError"] = {
                "errorCode": found.copy_error, "errorMessage": said,
            }  # fmt: skip
    return shown | {"properties": properties}


def any_resource(cloud: AzureCloud, id_: str) -> dict[str, Any] | None:
    """Whatever has this id, None when it is gone."""
    key = id_.lower()
    if key in cloud.snapshots:
        return snapshot(cloud, cloud.snapshots[key])
    if key in cloud.disks:
        return disk(cloud, cloud.disks[key])
    return vm(cloud, cloud.vms[key]) if key in cloud.vms else None


def page(cloud: AzureCloud, request: Request, items: Iterable[dict[str, Any]]) -> Answer:
    """A list, in pages of the dialect's size; ``nextLink`` is absolute."""
    every = list(items)
    size = cloud.dialect.page_size or len(every)
    token = request.query.get("$skiptoken") or "0"
    if not token.isdecimal():
        raise invalid(f"The skip token '{token}' is not valid.", "$skiptoken", "InvalidSkipToken")
    start = int(token)
    body: dict[str, Any] = {"value": every[start : start + size]}
    if start + size < len(every):
        query = {**request.query, "$skiptoken": str(start + size)}
        body["nextLink"] = f"{cloud.base}{quote(request.path)}?{urlencode(query)}"
    return Answer(body)
