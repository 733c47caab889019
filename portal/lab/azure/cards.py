"""Network cards that are made with a machine, and go with it (reference 2.1, 7.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portal.lab.azure import bodies
from portal.lab.azure.access import require_linked
from portal.lab.azure.cloud import network_id
from portal.lab.azure.model import Vm, new_id
from portal.lab.azure.refusals import invalid

if TYPE_CHECKING:
    from portal.lab.azure.cloud import AzureCloud

NETWORK_VERSIONS = ("2020-11-01", "2022-11-01")
_JOIN_SUBNET = "Microsoft.Network/virtualNetworks/subnets/join/action"
_JOIN_GROUP = "Microsoft.Network/networkSecurityGroups/join/action"


def read(cloud: AzureCloud, vm: Vm, profile: dict[str, Any]) -> tuple[str, str]:
    """Set the card of a new machine, which may have to be made.

    Returns subnet and security group of one that is to be made, "" for one that is there.
    """
    present = bodies.items(profile, "networkInterfaces")[:1]
    wanted = bodies.items(profile, "networkInterfaceConfigurations")[:1]
    if present and wanted:
        raise invalid("Cards are referred to or described, not both.", "networkProfile")
    for card in present:
        vm.nic, vm.nic_delete_option = str(card.get("id") or ""), _delete_option(card)
    if not wanted:
        return "", ""
    if profile.get("networkApiVersion") not in NETWORK_VERSIONS:
        raise invalid("Required parameter 'networkApiVersion' is missing.", "networkApiVersion")
    name = wanted[0].get("name")
    addresses = bodies.items(bodies.part(wanted[0], "properties"), "ipConfigurations")
    subnet = str(bodies.part(addresses[0] if addresses else {}, "properties", "subnet").get("id"))
    if not isinstance(name, str) or "/subnets/" not in subnet:
        raise invalid("A card needs a name and a subnet.", "networkInterfaceConfigurations")
    group = str(bodies.part(wanted[0], "properties", "networkSecurityGroup").get("id") or "")
    require_linked(cloud, _JOIN_SUBNET, vm.id, subnet)
    if group:
        require_linked(cloud, _JOIN_GROUP, vm.id, group)
    # Its name is not the one it was given: who wants the card reads it off the machine.
    vm.nic = network_id(vm.id.split("/")[4], f"networkInterfaces/{name}-{new_id()[:8]}")
    vm.nic_delete_option = _delete_option(wanted[0])
    return subnet, group


def _delete_option(card: dict[str, Any]) -> str:
    return str(bodies.part(card, "properties").get("deleteOption") or "Detach")


def hold(cloud: AzureCloud, vm: Vm, subnet: str, security_group: str) -> None:
    """Give the machine its card."""
    if (present := cloud.nics.get(vm.nic.lower())) is not None:
        present.vm = vm.id
    elif vm.nic:
        cloud.add_nic(vm, subnet, security_group)


def release(cloud: AzureCloud, vm: Vm) -> None:
    """The machine is gone: its card goes too, if that was said when it was given."""
    nic = cloud.nics.get(vm.nic.lower())
    if nic is None:
        return
    nic.vm = ""
    if vm.nic_delete_option == "Delete":
        del cloud.nics[nic.id.lower()]
