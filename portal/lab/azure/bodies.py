"""What the requests for disks, snapshots and VMs have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from portal.lab.azure.cloud import AzureCloud
from portal.lab.azure.model import REGIONS, Disk, Resource
from portal.lab.azure.refusals import ArmRefusal, invalid
from portal.lab.routing import Request

R = TypeVar("R", bound=Resource)
_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$")


def part(given: Any, *names: str) -> dict[str, Any]:
    """Return the object at the end of these names, an empty one if it is not there; else 400."""
    for name in names:
        given = given.get(name)
        if given is None:
            return {}
        if not isinstance(given, dict):
            raise invalid(f"The property '{name}' is not an object.", name)
    return dict(given)


def properties(request: Request) -> dict[str, Any]:
    """Return what a resource is told to be."""
    return part(request.object, "properties")


def items(given: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a list of objects, an empty one if it is not there."""
    found = given.get(name) or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise invalid(f"The property '{name}' is not a list of objects.", name)
    return found


def region(given: Any) -> str:
    """Return a region's name, which may have been given as it is displayed."""
    if not isinstance(given, str) or not given:
        raise invalid("The location property is required.", "location", "LocationRequired")
    return given.replace(" ", "").lower()


def check_name(name: str) -> None:
    """Refuse what is no name for a disk or a snapshot."""
    if not _NAME.match(name):
        raise invalid(f"The resource name '{name}' is not valid.", "name")


def tracked(cloud: AzureCloud, request: Request) -> dict[str, Any]:
    """Return region, tags, zones and time for a new resource."""
    location = region(request.object.get("location"))
    if location not in REGIONS:
        raise invalid(
            f"The provided location '{location}' is not available.", "location",
            "LocationNotAvailableForResourceType",
        )  # fmt: skip
    zones = request.object.get("zones") or []
    if not isinstance(zones, list):
        raise invalid("The property 'zones' is not a list.", "zones")
    return {
        "location": location,
        "tags": tags(request),
        "zones": [str(zone) for zone in zones],
        "created_at": cloud.now,
    }


def tags(request: Request) -> dict[str, str]:
    """Return the tags of a request; values are text."""
    given = part(request.object, "tags")
    if not all(isinstance(value, str) for value in given.values()):
        raise invalid("Tags must be a map of strings.", "tags")
    return given


def sku(request: Request, default: str) -> str:
    """Return the name of the SKU that is asked for."""
    return str(part(request.object, "sku").get("name", default))


def size_gb(properties: dict[str, Any], *, required: bool) -> int:
    """Return diskSizeGB, 0 when it is not there and need not be."""
    size = properties.get("diskSizeGB")
    if size is None and not required:
        return 0
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise invalid("diskSizeGB must be a positive number.", "diskSizeGB")
    return size


def read_creation(thing: Disk, properties: dict[str, Any]) -> None:
    """Take over how a disk or a snapshot is made, and from what."""
    creation = part(properties, "creationData")
    if not isinstance(creation.get("createOption"), str):
        raise invalid("Required parameter 'creationData' is missing (null).", "creationData")
    thing.create_option = creation["createOption"]
    thing.source_id = str(creation.get("sourceResourceId") or "")
    if thing.create_option in ("Copy", "CopyStart") and not thing.source_id:
        raise invalid("Required parameter 'sourceResourceId' is missing (null).",
                      "creationData.sourceResourceId")  # fmt: skip


def source_of(cloud: AzureCloud, thing: Disk) -> Disk:
    """Return the disk or the snapshot that something is made from; refuse any other thing."""
    cloud.advance_copies()
    key = thing.source_id.lower()
    source = cloud.snapshots.get(key) or cloud.disks.get(key)
    if source is None:
        name = thing.source_id.rpartition("/")[2]
        raise ArmRefusal(404, "NotFound", f"Resource {name} is not found.")
    if source.provisioning == "Failed":
        raise ArmRefusal(409, "OperationNotAllowed", f"{source.name} is in a failed state.")
    return source


def require_same_source(thing: Disk, request: Request) -> None:
    """Refuse to make another thing of what is there already."""
    creation = part(request.object, "properties", "creationData")
    wanted = str(creation.get("sourceResourceId") or thing.source_id)
    option = creation.get("createOption", thing.create_option)
    if wanted.lower() != thing.source_id.lower() or option != thing.create_option:
        raise invalid(
            "Changing property 'creationData.sourceResourceId' is not allowed for existing "
            f"resource {thing.name}.",
            "creationData",
            "PropertyChangeNotAllowed",
        )
    if "location" in request.object and region(request.object["location"]) != thing.location:
        raise ArmRefusal(
            409, "InvalidResourceLocation",
            f"The resource '{thing.name}' already exists in location '{thing.location}'.",
        )  # fmt: skip


def in_group(things: Iterable[R], request: Request) -> Iterator[R]:
    """Those of the group of a request."""
    prefix = f"/subscriptions/{request['subscription']}/resourcegroups/{request['group']}/"
    return (each for each in things if each.id.lower().startswith(prefix.lower()))
