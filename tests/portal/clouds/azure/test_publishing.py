"""Working clones on Azure: what they are made like, whose they are, and sysprep in their guests."""

from __future__ import annotations

from typing import Any

import pytest

from portal.clouds.api import CloudBusy, CloudRefused, Operation, Progress, SignInRefused
from portal.clouds.azure import guest
from portal.clouds.azure.driver import AzureCloud
from portal.clouds.azure.rights import PUBLISHING
from portal.lab import Fault
from portal.lab.azure.access import forbid
from portal.lab.azure.cloud import network_id, resource_id
from portal.lab.azure.model import GROUP, Vm
from tests.contract.azure_site import AzureSite
from tests.contract.carrying import MARK, OperationFailed, carry, connected

TOKEN = "tok"
NAME = "standby-clone-tok"
MACHINE = resource_id(GROUP, "virtualMachines", NAME)


def _clone(azure: AzureCloud, site: AzureSite) -> str:
    server = site.add_server(["system"])
    return _clone_of(azure, site, server)


def _clone_of(azure: AzureCloud, site: AzureSite, server: str) -> str:
    made = carry(site, azure, lambda cloud: cloud.ensure_clone(server, TOKEN, MARK))
    assert made.name == NAME
    return made.id


def _generalize(azure: AzureCloud, site: AzureSite, clone: str) -> None:
    carry(site, azure, lambda cloud: cloud.ensure_generalized(clone, TOKEN))


def _machine(site: AzureSite) -> Vm:
    return site.cloud.vm(MACHINE)


def _begin(azure: AzureCloud, clone: str) -> Operation:
    begun = azure.ensure_generalized(clone, TOKEN)
    assert begun
    return begun


def _until(azure: AzureCloud, site: AzureSite, clone: str, verb: str) -> Operation:
    """Go on until an operation of this name has begun; return it."""
    for _ in range(20):
        begun = _begin(azure, clone)
        if begun.id.startswith(f"{verb}:"):
            return begun
        while azure.progress([begun.id])[begun.id].state == Progress.RUNNING:
            site.advance(5)
    raise AssertionError(f"no {verb}")


def test_a_clone_is_like_its_disk_and_no_copy(azure: AzureCloud, site: AzureSite) -> None:
    server = site.add_server(["system"])
    source = site.cloud.disks[site.cloud.vms[server].os_disk.disk_id.lower()]
    source.zones, source.sku = ["2"], "StandardSSD_LRS"
    disk = site.cloud.disks[_clone_of(azure, site, server)]
    assert (disk.sku, disk.zones, disk.size_gb) == (source.sku, ["2"], 40)
    assert disk.tags == {
        "standby": "v1", "standby-clone": TOKEN, "standby-account": "account-1",
        "standby-resource": "resource-1", "standby-backup": "backup-1",
        "standby-task": "task-1", "standby-type": "M",
        "standby-source": f"{GROUP}/{server.rpartition('/')[2]}",
    }  # fmt: skip
    assert not site.cloud.snapshots


def test_the_machine_is_like_the_server_and_has_a_card_of_its_own(
    azure: AzureCloud, site: AzureSite
) -> None:
    server = site.add_server(["system"])
    source = site.cloud.vms[server]
    source.size, source.zones = "Standard_E4s_v5", ["1"]
    site.cloud.disk(source.os_disk.disk_id).zones = ["1"]
    source.other = {
        "licenseType": "Windows_Client",
        "securityProfile": {"securityType": "TrustedLaunch", "encryptionAtHost": True},
    }
    card = site.cloud.nics[source.nic.lower()]
    card.security_group = network_id(GROUP, "networkSecurityGroups/desktops")
    _generalize(azure, site, _clone_of(azure, site, server))
    made = _machine(site)
    assert (made.size, made.zones, made.other) == (source.size, ["1"], source.other)
    assert (made.power, made.is_generalized) == ("deallocated", True)
    new = site.cloud.nics[made.nic.lower()]
    assert (new.subnet, new.security_group) == (card.subnet, card.security_group)
    assert made.nic_delete_option == "Delete"


def test_a_working_clone_is_in_no_inventory(azure: AzureCloud, site: AzureSite) -> None:
    clone = _clone(azure, site)
    _until(azure, site, clone, "run_command")
    found = azure.inventory()
    assert [each.name for each in found.servers] == ["server-1"]
    assert not found.volumes


def test_the_guest_is_told_once_and_any_process_goes_on(azure: AzureCloud, site: AzureSite) -> None:
    clone = _clone(azure, site)
    begun = _until(azure, site, clone, "run_command")
    with connected(site.connection) as other:
        while other.progress([begun.id])[begun.id].state == Progress.RUNNING:
            site.advance(5)
        carry(site, other, lambda cloud: cloud.ensure_generalized(clone, TOKEN))
    assert site.contents(clone) == ["system+generalized"]
    assert len([call for call in site.calls() if call.endswith("/runCommand")]) == 1
    assert azure.ensure_generalized(clone, TOKEN) is None


def test_a_command_whose_record_is_lost_is_given_again(azure: AzureCloud, site: AzureSite) -> None:
    site.strike(Fault("operation_expired", method="POST", path="/runCommand"))
    clone = _clone(azure, site)
    _generalize(azure, site, clone)
    assert site.contents(clone) == ["system+generalized"]


def test_sysprep_that_fails_says_why(azure: AzureCloud, site: AzureSite) -> None:
    site.cloud.guests.sysprep = "fails"
    site.cloud.guests.detail = "The package Contoso.Notes is in the way."
    clone = _clone(azure, site)
    with pytest.raises(OperationFailed, match="Sysprep failed: The package Contoso"):
        _generalize(azure, site, clone)
    carry(site, azure, lambda cloud: cloud.ensure_no_clone(TOKEN))
    assert site.everything() == {*site.cloud.vms}


@pytest.mark.parametrize(("agent", "sysprep"), [("never", "ends"), ("ready", "hangs")])
def test_a_guest_that_hangs_is_waited_for_and_can_be_removed(
    azure: AzureCloud, site: AzureSite, agent: str, sysprep: str
) -> None:
    site.cloud.guests.agent, site.cloud.guests.sysprep = agent, sysprep
    clone = _clone(azure, site)
    last = _until(azure, site, clone, "agent" if agent == "never" else "run_command")
    site.advance(3600)
    assert azure.progress([last.id])[last.id].state == Progress.RUNNING
    carry(site, azure, lambda cloud: cloud.ensure_no_clone(TOKEN))
    assert [vm.name for vm in site.cloud.vms.values()] == ["server-1"]
    assert len(site.cloud.disks) == len(site.cloud.nics) == 1
    assert azure.progress([last.id])[last.id].state == Progress.DONE


def test_many_guests_are_followed_by_few_calls(azure: AzureCloud, site: AzureSite) -> None:
    clone = _clone(azure, site)
    waits = _until(azure, site, clone, "agent")
    others = [azure.ensure_on(site.add_server(["system"])) for _ in range(4)]
    found = azure.progress([waits.id, *(each.id for each in others if each)])
    assert {each.state for each in found.values()} == {Progress.RUNNING}
    begun = _until(azure, site, clone, "run_command")
    site.advance(30)
    ids = [begun.id, *(each.id for each in others if each)]
    assert azure.progress(ids)[begun.id].state == Progress.RUNNING
    site.advance(90)
    assert azure.progress(ids)[begun.id].state == Progress.DONE


def test_a_machine_that_was_stopped_before_sysprep_is_no_generalized_one(
    azure: AzureCloud, site: AzureSite
) -> None:
    clone = _clone(azure, site)
    _until(azure, site, clone, "agent")
    _machine(site).power = "stopped"
    _generalize(azure, site, clone)
    assert site.contents(clone) == ["system+generalized"]


def test_a_machine_that_was_deallocated_during_sysprep_is_refused(
    azure: AzureCloud, site: AzureSite
) -> None:
    clone = _clone(azure, site)
    _until(azure, site, clone, "run_command")
    site.advance(15)
    with connected(site.connection) as other:
        carry(site, other, lambda cloud: cloud.ensure_off(MACHINE.lower()))
    with pytest.raises(CloudRefused, match="before sysprep had ended") as caught:
        azure.ensure_generalized(clone, TOKEN)
    assert "publish again" in caught.value.advice
    assert site.contents(clone) == ["system"]


def test_a_machine_that_was_started_after_sysprep_is_refused(
    azure: AzureCloud, site: AzureSite
) -> None:
    clone = _clone(azure, site)
    _until(azure, site, clone, "deallocate")
    site.advance(60)
    azure.progress([])
    with connected(site.connection) as other:
        carry(site, other, lambda cloud: cloud.ensure_on(MACHINE.lower()))
    site.advance(60)
    with pytest.raises(CloudRefused, match="after sysprep had ended"):
        carry(site, azure, lambda cloud: cloud.ensure_generalized(clone, TOKEN))


def test_a_machine_that_finds_no_room_is_made_anew(azure: AzureCloud, site: AzureSite) -> None:
    clone = _clone(azure, site)
    site.cloud.limits.exhausted["westeurope"] = ["Standard_D2s_v5"]
    with pytest.raises(OperationFailed, match="sufficient capacity"):
        _generalize(azure, site, clone)
    site.cloud.limits.exhausted.clear()
    _generalize(azure, site, clone)
    assert site.contents(clone) == ["system+generalized"]


def test_a_guest_that_is_no_windows_is_refused(azure: AzureCloud, site: AzureSite) -> None:
    server = site.add_server(["system"])
    site.cloud.disk(site.cloud.vms[server].os_disk.disk_id).os_type = "Linux"
    clone = _clone_of(azure, site, server)
    with pytest.raises(CloudRefused, match="Only Windows"):
        azure.ensure_generalized(clone, TOKEN)


def test_names_of_others_are_left_alone(azure: AzureCloud, site: AzureSite) -> None:
    server = site.add_server(["system"])
    theirs = site.cloud.add_disk(NAME)
    with pytest.raises(CloudRefused, match="is taken"):
        azure.ensure_clone(server, TOKEN, MARK)
    assert azure.ensure_no_clone(TOKEN) is None
    del site.cloud.disks[theirs.id.lower()]
    clone = _clone_of(azure, site, server)
    site.cloud.add_vm(NAME)
    with pytest.raises(CloudRefused, match="is taken"):
        azure.ensure_generalized(clone, TOKEN)


def test_a_clone_is_never_taken_for_a_copy_nor_a_copy_for_a_clone(
    azure: AzureCloud, site: AzureSite
) -> None:
    server = site.add_server(["system"])
    copy = carry(site, azure, lambda cloud: cloud.ensure_copy(server, TOKEN, MARK))
    azure.ensure_clone(server, TOKEN, MARK)  # its snapshot is there now
    carry(site, azure, lambda cloud: cloud.ensure_no_copy(TOKEN))
    assert copy.id not in site.cloud.snapshots
    clone = _clone_of(azure, site, server)
    copy = carry(site, azure, lambda cloud: cloud.ensure_clone_copy(clone, TOKEN, MARK))
    carry(site, azure, lambda cloud: cloud.ensure_no_clone(TOKEN))
    assert site.everything() == {server, copy.id}


def test_a_clone_that_somebody_attached_elsewhere_is_kept(
    azure: AzureCloud, site: AzureSite
) -> None:
    clone = _clone(azure, site)
    site.attach_volume(clone, site.add_server(["system"]))
    with pytest.raises(CloudRefused, match="is attached to server-2"):
        azure.ensure_no_clone(TOKEN)


def test_a_disk_that_still_hydrates_keeps_its_snapshot(azure: AzureCloud, site: AzureSite) -> None:
    server = site.add_server(["system"])
    begun = azure.ensure_clone(server, TOKEN, MARK)
    assert isinstance(begun, Operation)
    (snapshot,) = site.cloud.snapshots.values()
    site.advance(60)
    snapshot.create_option, snapshot.copied = "CopyStart", 50.0
    snapshot.copy_error = "CopySourceNotFound"
    with pytest.raises(CloudBusy, match="not complete"):
        azure.ensure_clone(server, TOKEN, MARK)


# Rights


@pytest.mark.parametrize("action", PUBLISHING)
def test_what_publishing_needs_is_a_warning(
    azure: AzureCloud, site: AzureSite, action: str
) -> None:
    forbid(site.cloud, action)
    said = f"Publishing a domain-joined Sandbox needs {action}."
    assert azure.identify().warnings == (said,)


NEEDED = [each for each in PUBLISHING if "SecurityGroups" not in each]


@pytest.mark.parametrize("action", NEEDED)
def test_what_is_missing_while_publishing_is_named(
    azure: AzureCloud, site: AzureSite, action: str
) -> None:
    forbid(site.cloud, action)
    clone = _clone(azure, site)
    with pytest.raises(SignInRefused, match=action) as caught:
        _generalize_and_remove(azure, site, clone)
    assert f"Add the action {action} to the application's role" in caught.value.advice


def _generalize_and_remove(azure: AzureCloud, site: AzureSite, clone: str) -> None:
    _generalize(azure, site, clone)
    carry(site, azure, lambda cloud: cloud.ensure_no_clone(TOKEN))


# What guests answer


SILENT = "The guest does not say whether sysprep runs."


def _printed(text: Any, error: str = "") -> dict[str, Any]:
    return {"value": [{"code": "a", "message": text}, {"code": "b", "message": error}]}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (_printed("sysprep: started\r\n"), ""),
        (_printed("Loading…\nsysprep: running"), ""),
        ({"properties": {"output": _printed("sysprep: started")}}, ""),
        (_printed("sysprep: failed It is in the way."), "Sysprep failed: It is in the way."),
        (_printed("sysprep: failed"), "Sysprep failed: it gave no reason."),
        (_printed("", "Access denied"), f"{SILENT} Access denied"),
        (_printed(None), SILENT),
        (None, SILENT),
        ({"value": "started"}, SILENT),
        ([], SILENT),
    ],
)  # fmt: skip
def test_an_answer_of_a_guest_is_not_trusted_blindly(answer: Any, why: str) -> None:
    assert guest.failure(answer) == why


def test_the_script_goes_line_by_line() -> None:
    body = guest.command()
    assert body["commandId"] == "RunPowerShellScript"
    assert any("sysprep.exe" in line and "/generalize" in line for line in body["script"])
    assert not any("\n" in line for line in body["script"])
