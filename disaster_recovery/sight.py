"""Looking at both sites: what is kept of them, and the ports between two clusters."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from backups import throttle
from disaster_recovery.readiness import NAMES, PORTS, link_to
from portal.clouds.api import Identity, Link, Quota, SiteFacts
from portal.endpoints import objection_to
from portal.engine.workflow import Job, Learned, Step
from portal.models import Resource, Task

PORT_SECONDS = 3.0


def _look_at_primary(job: Job) -> Learned:
    return {"primary": asdict(job.cloud.site_facts(job.args["primary_site"]))}


def _keep_containers(task: Task, learned: Learned) -> Learned:
    """Of all that is at the cluster, keep where what the account protects lives."""
    primary = dict(learned["primary"])
    placed: Mapping[str, Any] = primary.pop("placed")
    used: dict[str, list[str]] = defaultdict(list)
    resources = Resource.objects.filter(account=task.account_id, is_missing=False)
    for external_id, name in resources.values_list("external_id", "name").iterator():
        for container in placed.get(external_id, ()):
            if len(used[container]) <= NAMES:
                used[container].append(name)
    return {"primary": primary, "containers": dict(used)}


def _look_at_secondary(job: Job) -> Learned:
    facts = asdict(job.cloud.site_facts(job.args["site"]))
    del facts["placed"]
    return {"secondary": facts}


def facts_of(kept: Mapping[str, Any]) -> SiteFacts:
    """Read facts back that a task has kept."""
    return SiteFacts(
        identity=Identity(**{**kept["identity"], "warnings": tuple(kept["identity"]["warnings"])}),
        addresses=tuple(kept["addresses"]),
        links=tuple(_link_of(link) for link in kept["links"]),
        containers=tuple(kept["containers"]),
        regions=tuple(kept["regions"]),
        sizes={name: (values[0], values[1]) for name, values in kept["sizes"].items()},
        quotas=tuple(Quota(**quota) for quota in kept["quotas"]),
        # Tasks from before a release that asks for this have none.
        is_read_only=kept.get("is_read_only", False),
        lacking=tuple(kept.get("lacking", ())),
        lacking_at=kept.get("lacking_at", ""),
    )


def _link_of(kept: Mapping[str, Any]) -> Link:
    # Tasks from before a release that reads limits have none.
    bandwidth = throttle.read(kept.get("bandwidth") or {})
    given = {**kept, "capabilities": tuple(kept["capabilities"]), "bandwidth": bandwidth}
    return Link(**given)


def _try_ports(job: Job) -> Learned:
    """Knock at the ports replication needs, where the primary's link says the secondary is."""
    link = link_to(facts_of(job.memory["primary"]), facts_of(job.memory["secondary"]))
    tried = []
    for address in link.addresses if link else ():
        tried += [{"address": address, "number": n, "problem": _knock(address, n)} for n in PORTS]
    return {"ports": tried}


def _knock(address: str, port: int) -> str:
    if objection := objection_to(address):
        return objection
    try:
        with socket.create_connection((address, port), timeout=PORT_SECONDS):
            return ""
    except TimeoutError:
        return "no answer"
    except OSError as error:
        return (error.strerror or str(error)).lower()


def _is_ahv(args: Learned, memory: Learned) -> bool:
    return bool(memory["primary"]["links"] or memory["secondary"]["links"])


SIGHT = (
    Step("primary", "Look at the primary site", _look_at_primary, save=_keep_containers, weight=3),
    Step(
        "secondary", "Look at the secondary site", _look_at_secondary, weight=3, is_elsewhere=True
    ),
    Step("ports", "Try the replication ports", _try_ports, when=_is_ahv, is_local=True),
)
