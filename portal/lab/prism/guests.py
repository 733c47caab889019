"""The guest agent gateway: what a deployment puts beside a cluster to reach into its guests.

Prism has no call for that (README of the product, "Publishing"). The gateway shares the
cluster's port; its token is ``lab-agent-token``.
"""

from __future__ import annotations

from portal.lab.clock import SECOND
from portal.lab.guests import GENERALIZED
from portal.lab.prism.cluster import AGENT, DUE, PrismCluster
from portal.lab.prism.model import Sysprep, Vm
from portal.lab.prism.power import turn
from portal.lab.routing import Answer, Refusal, Request

TOKEN = "lab-agent-token"  # noqa: S105  # of the lab, in its README
_PATH = "/vms/{uuid}/generalize/{token}"


@AGENT("PUT", _PATH)
def generalize(cluster: PrismCluster, request: Request) -> Answer:
    """Begin once for each token, however often it is asked for."""
    vm, token = _vm(cluster, request), request["token"]
    if vm.sysprep is None or vm.sysprep.token != token:
        is_up = vm.power_state == "on" and cluster.now >= vm.agent_up_at
        if not is_up or cluster.guests.agent == "never":
            raise Refusal(f"The agent in {vm.name} does not answer", 409)
        vm.sysprep = _begun(cluster, vm, token)
    return Answer(_shown(vm.sysprep), 202)


@AGENT("GET", _PATH)
def generalize_show(cluster: PrismCluster, request: Request) -> Answer:
    vm = _vm(cluster, request)
    if vm.sysprep is None or vm.sysprep.token != request["token"]:
        raise Refusal("Nothing was asked for by this token", 404)
    return Answer(_shown(vm.sysprep))


def _vm(cluster: PrismCluster, request: Request) -> Vm:
    vm = cluster.vms.get(request["uuid"])
    if vm is None:
        raise Refusal("There is no agent by this id", 404)
    return vm


def _shown(sysprep: Sysprep) -> dict[str, str]:
    return {"state": sysprep.state, "detail": sysprep.detail}


def _begun(cluster: PrismCluster, vm: Vm, token: str) -> Sysprep:
    if cluster.guests.sysprep == "fails":
        return Sysprep(token, "failed", cluster.guests.detail)
    if cluster.guests.sysprep == "hangs":
        return Sysprep(token, "running")
    ends_at = cluster.now + int(cluster.timing.sysprep_seconds * SECOND)
    cluster.lab.agenda.add(ends_at, cluster.name, "sysprep", vm.uuid)
    return Sysprep(token, "running", ends_at=ends_at)


def _end(cluster: PrismCluster, uuid: str) -> None:
    """Shut down; unless the power went before, which a run does not survive."""
    vm = cluster.vms.get(uuid)
    if vm is None or vm.sysprep is None or vm.sysprep.state != "running":
        return
    if vm.sysprep.ends_at is None or vm.sysprep.ends_at > cluster.now:
        return
    vm.sysprep.state = "done"
    vm.disks[0].content += GENERALIZED
    turn(cluster, vm, "off")


DUE["sysprep"] = _end
