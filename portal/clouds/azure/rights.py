"""What the application's role allows, held against what backups need (reference 7.11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from portal.clouds.api import SignInRefused
from portal.clouds.azure.session import AzureSession

COMPUTE = "Microsoft.Compute"
REQUIRED = (
    *(
        f"{COMPUTE}/{action}"
        for action in (
            "virtualMachines/read",
            "disks/read",
            "snapshots/read",
            "locations/diskOperations/read",
            "locations/operations/read",
            "snapshots/write",
            "snapshots/delete",
            "disks/beginGetAccess/action",
            "snapshots/beginGetAccess/action",
            "disks/write",
            "disks/delete",
            "virtualMachines/write",
            "virtualMachines/deallocate/action",
            "virtualMachines/start/action",
        )
    ),
    # Azure asks for it with every change of a machine.
    "Microsoft.Network/networkInterfaces/join/action",
)
# Without these, something is not shown or not foreseen; nothing fails.
USEFUL = (f"{COMPUTE}/skus/read", f"{COMPUTE}/locations/usages/read")
# Without these a clone has no machine to run sysprep in; all else works.
PUBLISHING = (
    *(
        f"{COMPUTE}/virtualMachines/{action}"
        for action in ("delete", "runCommand/action", "generalize/action")
    ),
    "Microsoft.Network/networkInterfaces/read",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
    "Microsoft.Network/networkSecurityGroups/join/action",
)
PERMISSIONS_VERSION = "2022-04-01"
GROUPS_VERSION = "2021-04-01"


@dataclass(frozen=True)
class Lacking:
    """What a role lacks, and on which scope."""

    scope: str
    required: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def missing(session: AzureSession) -> Lacking:
    """Compare on the subscription; where that is not enough, on each group the role shows."""
    scope = f"/subscriptions/{session.subscription}"
    try:
        found = _lacking(session, scope)
    except SignInRefused as error:
        return Lacking(scope, warnings=(f"The role's actions could not be read: {error}",))
    if not found.required:
        return found
    try:
        groups = session.get(f"{scope}/resourcegroups", GROUPS_VERSION).get("value") or []
    except SignInRefused:
        return found
    below = [_lacking(session, str(group["id"])) for group in groups]
    return max(below, key=lambda each: len(each.required), default=found)


def _lacking(session: AzureSession, scope: str) -> Lacking:
    path = f"{scope}/providers/Microsoft.Authorization/permissions"
    given = session.get(path, PERMISSIONS_VERSION).get("value") or []
    warnings = [f"The role lacks {action}." for action in _absent(USEFUL, given)]
    if lacking := _absent(PUBLISHING, given):
        warnings.append(f"Publishing a domain-joined Sandbox needs {', '.join(lacking)}.")
    return Lacking(scope, tuple(_absent(REQUIRED, given)), tuple(warnings))


def _absent(wanted: Iterable[str], permissions: Sequence[Mapping[str, Any]]) -> list[str]:
    return [action for action in wanted if not any(_allows(each, action) for each in permissions)]


def _allows(permission: Mapping[str, Any], action: str) -> bool:
    """Actions may hold wildcards; what ``notActions`` names is taken out again."""
    return _names(permission.get("actions"), action) and not _names(
        permission.get("notActions"), action
    )


def _names(patterns: Sequence[str] | None, action: str) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns or ())
