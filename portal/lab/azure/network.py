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

_NICS = "providers/Microsoft.Network/networkInterfaces"
_ADDRESSES = "providers/Microsoft.Network/publicIPAddresses"
_READ = "Microsoft.Network/networkInterfaces/read"


def _cards(cloud: AzureCloud, scope: str) -> Iterator[dict[str, Any]]:
    """The cards at a scope: there is one for each VM that says so."""
    for place, vm in enumerate(cloud.vms.values()):
        if vm.nic and f"{vm.nic}/".lower().startswith(f"{scope}/".lower()):
            yield {
                "id": vm.nic,
                "name": vm.nic.rpartition("/")[2],
                "type": "Microsoft.Network/networkInterfaces",
                "location": vm.location,
                "properties": {
                    "provisioningState": "Succeeded",
                    "ipConfigurations": [_address(vm.nic, place)],
                    "virtualMachine": {"id": vm.id},
                    "primary": True,
                },
            }


def _address(nic: str, place: int) -> dict[str, Any]:
    address = f"10.30.{place // 250}.{place % 250 + 4}"
    properties = {
        "provisioningState": "Succeeded", "privateIPAddress": address,
        "privateIPAllocationMethod": "Dynamic", "primary": True,
    }  # fmt: skip
    name = "ipconfig1"
    return {"id": f"{nic}/ipConfigurations/{name}", "name": name, "properties": properties}


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
