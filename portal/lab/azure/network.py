"""The little of Network that clients read: the cards of VMs. No addresses are public."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from portal.lab.azure import wire
from portal.lab.azure.refusals import not_found
from portal.lab.azure.routes import GROUP_PATH, SUBSCRIPTION_PATH, arm, scope_of
from portal.lab.routing import Answer, Request

if TYPE_CHECKING:
    from portal.lab.azure.cloud import AzureCloud
    from portal.lab.azure.model import Nic

_NICS = "providers/Microsoft.Network/networkInterfaces"
_ADDRESSES = "providers/Microsoft.Network/publicIPAddresses"
_READ = "Microsoft.Network/networkInterfaces/read"


def _cards(cloud: AzureCloud, scope: str) -> Iterator[dict[str, Any]]:
    """The cards at a scope: those of VMs, and those that VMs have left behind."""
    for place, nic in enumerate(cloud.nics.values()):
        if f"{nic.id}/".lower().startswith(f"{scope}/".lower()):
            properties: dict[str, Any] = {
                "provisioningState": "Succeeded",
                "ipConfigurations": [_address(nic, place)],
                "primary": True,
            }
            if nic.vm:
                properties["virtualMachine"] = {"id": nic.vm}
            if nic.security_group:
                properties["networkSecurityGroup"] = {"id": nic.security_group}
            yield {
                "id": nic.id,
                "name": nic.name,
                "type": "Microsoft.Network/networkInterfaces",
                "location": nic.location,
                "properties": properties,
            }


def _address(nic: Nic, place: int) -> dict[str, Any]:
    address = f"10.30.{place // 250}.{place % 250 + 4}"
    properties = {
        "provisioningState": "Succeeded", "privateIPAddress": address,
        "privateIPAllocationMethod": "Dynamic", "primary": True, "subnet": {"id": nic.subnet},
    }  # fmt: skip
    name = "ipconfig1"
    return {"id": f"{nic.id}/ipConfigurations/{name}", "name": name, "properties": properties}


@arm("GET", f"{GROUP_PATH}/{_NICS}/{{name}}", _READ)
def nic_show(cloud: AzureCloud, request: Request) -> Answer:
    scope = scope_of(request)
    for shown in _cards(cloud, scope):
        return Answer(shown)
    raise not_found(scope)


def nic_list(cloud: AzureCloud, request: Request) -> Answer:
    return wire.page(cloud, request, _cards(cloud, scope_of(request)))


def address_list(cloud: AzureCloud, request: Request) -> Answer:
    return Answer({"value": []})


for _base in (SUBSCRIPTION_PATH, GROUP_PATH):
    arm("GET", f"{_base}/{_NICS}", _READ)(nic_list)
    arm("GET", f"{_base}/{_ADDRESSES}", "Microsoft.Network/publicIPAddresses/read")(address_list)
