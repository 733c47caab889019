"""Readiness: each prerequisite of disaster recovery, judged from what both sites show.

Pure: what the sites are like and what the account has goes in, findings come out. Nothing
here asks a cloud or the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from disaster_recovery.models import ReadinessCheck
from portal.clouds.api import Link, Quota, SiteFacts

State = ReadinessCheck.State
# Between the clusters' controller machines (R116).
PORTS = (2009, 2020)
CAPABILITY = "disaster_recovery"
USABLE = "established"
# R127.
WARN_AT = 0.8
NAMES = 3
# As long as `ReadinessCheck.title` may be.
TITLE = 100


@dataclass(frozen=True)
class Finding:
    """One check: what was measured, and how to mend it. ``rows`` are a small table's lines."""

    key: str
    title: str
    state: str
    measured: str
    advice: str = ""
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Machine:
    """Machines of one size that the account protects."""

    type: str
    vcpus: int
    memory_mb: int
    names: tuple[str, ...] = ()

    @property
    def values(self) -> str:
        return f"{self.vcpus} vCPU · {self.memory_mb / 1024:g} GB"


@dataclass(frozen=True)
class Needs:
    """What an account brings along.

    ``containers`` maps each container that holds a protected resource to names of some.
    ``types`` are the instance types declared for the secondary cluster, by name.
    """

    is_vendor_hosted: bool
    machines: tuple[Machine, ...] = ()
    containers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    types: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    region: str = ""


@dataclass(frozen=True)
class Port:
    """Whether a port of the secondary answered the worker."""

    address: str
    number: int
    problem: str = ""


def link_to(facts: SiteFacts, other: SiteFacts) -> Link | None:
    """The one of a cluster's links that leads to the other cluster, told by its address."""
    return next((link for link in facts.links if set(link.addresses) & set(other.addresses)), None)


def _hosting(needs: Needs) -> Finding:
    if needs.is_vendor_hosted:
        return Finding(
            "hosting", "Bring your own infrastructure", State.FAILED,
            "This account runs on the vendor's infrastructure.",
            "Disaster recovery needs an account on infrastructure of your own.",
        )  # fmt: skip
    return Finding(
        "hosting", "Bring your own infrastructure", State.PASSED,
        "This account runs on infrastructure of your own.",
    )  # fmt: skip


def of_clusters(
    needs: Needs, primary: SiteFacts, secondary: SiteFacts, ports: Iterable[Port]
) -> list[Finding]:
    """Judge a pair of AHV clusters (R101 to R123)."""
    there, back = link_to(primary, secondary), link_to(secondary, primary)
    here, other = primary.identity.name, secondary.identity.name
    found = [
        _hosting(needs),
        _two_clusters(primary, secondary),
        _access("primary_access", here, primary),
        _access("secondary_access", other, secondary),
        *of_links(primary, secondary, ports),
        *_mapping(needs, secondary, there, here),
        *_mapping_back(needs, there, back, other),
        _types(needs),
    ]
    found += _bandwidths(there, back, here, other)
    return found


def of_links(primary: SiteFacts, secondary: SiteFacts, ports: Iterable[Port]) -> list[Finding]:
    """Judge how two clusters know each other: each direction, and the ports (R113 to R123)."""
    there, back = link_to(primary, secondary), link_to(secondary, primary)
    here, other = primary.identity.name, secondary.identity.name
    return [
        _remote_site("remote_site", here, other, there),
        _remote_site("return_site", other, here, back),
        *_ports(list(ports), there),
    ]


def _two_clusters(primary: SiteFacts, secondary: SiteFacts) -> Finding:
    title = "A second AHV cluster"
    if primary.identity.id == secondary.identity.id:
        return Finding(
            "second_cluster", title, State.FAILED,
            f"Both cloud accounts reach the same cluster, {primary.identity.name}.",
            "Choose a backup cloud account that reaches another cluster.",
        )  # fmt: skip
    measured = f"{primary.identity.name} replicates to {secondary.identity.name}."
    return Finding("second_cluster", title, State.PASSED, measured)


def _access(key: str, name: str, facts: SiteFacts) -> Finding:
    title = f"Prism Element rights on {name}"
    if facts.is_read_only:
        return Finding(
            key, title, State.FAILED, "Signed in; the user may look, and change nothing.",
            f"Give the cloud account's user the role Cluster Admin in Prism Element of {name}.",
        )  # fmt: skip
    warnings = " ".join(facts.identity.warnings)
    measured = f"Signed in as somebody who may change protection domains. {warnings}".strip()
    return Finding(key, title, State.WARNING if warnings else State.PASSED, measured)


def _remote_site(key: str, name: str, other: str, link: Link | None) -> Finding:
    title = f"Remote Site on {name} for {other}"
    if link is None:
        return Finding(
            key, title, State.FAILED, f"{name} has no Remote Site with an address of {other}.",
            f"Add {other} as a Remote Site in Prism Element of {name}: see the steps beside.",
        )  # fmt: skip
    if CAPABILITY not in {each.lower() for each in link.capabilities}:
        has = ", ".join(link.capabilities) or "none"
        return Finding(
            key, title, State.FAILED, f"Remote Site {link.name} has the capabilities {has}.",
            f"Set Capabilities of {link.name} to Disaster Recovery in Prism Element of {name}.",
        )  # fmt: skip
    if link.status != USABLE:
        word = link.status.replace("_", " ") or "unknown"
        return Finding(
            key, title, State.FAILED, f"Remote Site {link.name} is {word}.",
            "Check the network between the clusters, the Cluster Virtual IP it names, and that "
            "each cluster has the other as Remote Site.",
        )  # fmt: skip
    latency = f", {link.latency_seconds * 1000:.0f} ms away" if link.latency_seconds else ""
    addresses = ", ".join(link.addresses)
    measured = f"Remote Site {link.name} at {addresses} is established{latency}."
    return Finding(key, title, State.PASSED, measured)


def _ports(ports: list[Port], link: Link | None) -> Iterator[Finding]:
    """Clusters talk to each other, not to us: a link that is established is proof enough."""
    if link is None or not ports:
        return
    numbers = " and ".join(f"tcp/{number}" for number in PORTS)
    title = f"Ports {numbers}"
    closed = [port for port in ports if port.problem]
    if not closed:
        measured = f"{numbers} of {ports[0].address} answer."
        yield Finding("ports", title, State.PASSED, measured)
        return
    said = "; ".join(f"tcp/{port.number} of {port.address}: {port.problem}" for port in closed)
    if link.status == USABLE:
        yield Finding(
            "ports", title, State.WARNING,
            f"From here: {said}. The clusters reach each other nevertheless.",
            "Nothing has to be done while the Remote Sites are established.",
        )  # fmt: skip
        return
    yield Finding(
        "ports", title, State.FAILED, f"{said}.",
        f"Open {', '.join(f'tcp/{port.number}' for port in closed)} between the controller "
        "machines of both clusters.",
    )  # fmt: skip


def _mapping(needs: Needs, secondary: SiteFacts, link: Link | None, name: str) -> Iterator[Finding]:
    """Each container that holds something protected leads somewhere (R118 to R121)."""
    if link is None:
        return
    title = "Storage containers mapped"
    rows = tuple((ours, theirs) for ours, theirs in sorted(link.containers.items()))
    unmapped = {c: names for c, names in needs.containers.items() if c not in link.containers}
    lost = {
        theirs for ours, theirs in link.containers.items()
        if ours in needs.containers and theirs not in secondary.containers
    }  # fmt: skip
    if unmapped:
        said = "; ".join(f"{c} holds {_some(names)}" for c, names in sorted(unmapped.items()))
        yield Finding(
            "containers", title, State.FAILED, f"Not mapped: {said}.",
            f"Map {', '.join(sorted(unmapped))} under vStore mappings of Remote Site {link.name} "
            f"in Prism Element of {name}.", rows,
        )  # fmt: skip
    elif lost:
        yield Finding(
            "containers", title, State.FAILED,
            f"Mapped to what is not there: {', '.join(sorted(lost))}.",
            f"Correct the vStore mappings of Remote Site {link.name}.", rows,
        )  # fmt: skip
    else:
        count = len(needs.containers)
        measured = f"{count} container{'s' if count != 1 else ''} with protected resources, all "
        yield Finding("containers", title, State.PASSED, f"{measured}mapped.", rows=rows)


def _mapping_back(
    needs: Needs, there: Link | None, back: Link | None, name: str
) -> Iterator[Finding]:
    """What was replicated must find its way home, or a replica cannot be restored."""
    if there is None or back is None:
        return
    wanted = {theirs for ours, theirs in there.containers.items() if ours in needs.containers}
    unmapped = sorted(wanted - set(back.containers))
    title = "Storage containers mapped on the way back"
    if unmapped:
        yield Finding(
            "containers_back", title, State.FAILED, f"Not mapped: {', '.join(unmapped)}.",
            f"Map them under vStore mappings of Remote Site {back.name} in Prism Element of "
            f"{name}: restores from replicas travel this way.",
        )  # fmt: skip
    else:
        rows = tuple((ours, theirs) for ours, theirs in sorted(back.containers.items()))
        measured = "Every container that receives replicas leads back."
        yield Finding("containers_back", title, State.PASSED, measured, rows=rows)


def _types(needs: Needs) -> Finding:
    """Equal vCPU and RAM must exist on the second cluster (R106)."""
    values = set(needs.types.values())
    rows = []
    for machine in needs.machines:
        wanted = (machine.vcpus, machine.memory_mb)
        if wanted not in values:
            theirs = needs.types.get(machine.type)
            rows.append((machine.type, machine.values, _values(theirs)))
    title = "Instance types on the second cluster"
    if rows:
        return Finding(
            "instance_types", title, State.FAILED,
            f"{len(rows)} in use {'has' if len(rows) == 1 else 'have'} no equal there: "
            f"{_some([row[0] for row in rows])}.",
            "Add instance types with equal vCPU and RAM to the backup cloud account.",
            tuple(rows),
        )  # fmt: skip
    count = len(needs.machines)
    measured = f"{count} in use, each with an equal on the second cluster."
    return Finding("instance_types", title, State.PASSED, measured)


def _values(type_: tuple[int, int] | None) -> str:
    return f"{type_[0]} vCPU · {type_[1] / 1024:g} GB" if type_ else "Missing"


def _bandwidths(there: Link | None, back: Link | None, here: str, other: str) -> Iterator[Finding]:
    """Replication goes by the one throttle, a return by the other (R117)."""
    if there:
        yield _bandwidth("bandwidth", there, f"from {here} to {other}")
    if back:
        yield _bandwidth("bandwidth_back", back, f"from {other} to {here}")


def _bandwidth(key: str, link: Link, way: str) -> Finding:
    throttle = f"Bandwidth Throttling: {link.throttle}." if link.throttle else "Not throttled."
    compression = "on" if link.is_compressed else "off"
    return Finding(
        key, f"Bandwidth Throttling and Compression {way}"[:TITLE], State.PASSED,
        f"{throttle} Compression on the wire is {compression}.",
    )  # fmt: skip


def of_regions(needs: Needs, primary: SiteFacts, secondary: SiteFacts) -> list[Finding]:
    """Judge a pair of regions of one Azure subscription (R101 to R109, R127)."""
    return [
        _hosting(needs),
        _region(needs, primary, secondary),
        _rights(primary, secondary),
        _sizes(needs, secondary),
        *_quotas(needs, secondary),
    ]


def _region(needs: Needs, primary: SiteFacts, secondary: SiteFacts) -> Finding:
    title = "Another region of the same subscription"
    region = needs.region.lower()
    if secondary.regions and region not in {each.lower() for each in secondary.regions}:
        return Finding(
            "region", title, State.FAILED, f"{needs.region} is not open to the subscription.",
            "Choose a backup data center of the list.",
        )  # fmt: skip
    measured = f"{primary.identity.name} reaches {needs.region}."
    return Finding("region", title, State.PASSED, measured)


def _rights(*sites: SiteFacts) -> Finding:
    """Red what replication and restore cannot do without; amber what other work needs (R108)."""
    title = "Rights of the application"
    lacking = list(dict.fromkeys(right for facts in sites for right in facts.lacking))
    if lacking:
        scope = next(facts.lacking_at for facts in sites if facts.lacking)
        return Finding(
            "rights", title, State.FAILED,
            f"Replication and restore need what the role lacks: {', '.join(lacking)}.",
            f"Add {'it' if len(lacking) == 1 else 'them'} to the role on {scope}.",
        )  # fmt: skip
    if warnings := sites[0].identity.warnings:
        return Finding("rights", title, State.WARNING, " ".join(warnings))
    measured = "The role allows all that replication and restore need."
    return Finding("rights", title, State.PASSED, measured)


def _sizes(needs: Needs, secondary: SiteFacts) -> Finding:
    offered = {name.lower(): values for name, values in secondary.sizes.items()}
    rows = tuple(
        (machine.type, machine.values, f"Not offered in {needs.region}")
        for machine in needs.machines
        if machine.type.lower() not in offered
    )
    title = "VM sizes offered in both regions"
    if rows:
        return Finding(
            "vm_sizes", title, State.FAILED,
            f"Not offered in {needs.region}: {_some([row[0] for row in rows])}.",
            "Choose another region, ask Microsoft for the size there, or change the machines.",
            rows,
        )  # fmt: skip
    measured = f"{len(needs.machines)} in use, all offered in {needs.region}."
    return Finding("vm_sizes", title, State.PASSED, measured)


def _quotas(needs: Needs, secondary: SiteFacts) -> Iterator[Finding]:
    rows = tuple(
        (quota.name, f"{quota.used:,}", f"{quota.limit:,}", f"{_share(quota):.0%}")
        for quota in secondary.quotas
    )
    tight = [quota for quota in secondary.quotas if _share(quota) >= WARN_AT]
    title = f"Quotas in {needs.region}"
    if tight:
        said = ", ".join(f"{quota.name} {quota.used:,} of {quota.limit:,}" for quota in tight)
        yield Finding(
            "quotas", title, State.WARNING, f"At 80 % or more: {said}.",
            "Ask Microsoft for more before a disaster needs it.", rows,
        )  # fmt: skip
    elif rows:
        yield Finding("quotas", title, State.PASSED, "All below 80 %.", rows=rows)


def _share(quota: Quota) -> float:
    return quota.used / quota.limit if quota.limit else 1.0


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(list(names)[:NAMES])
    more = len(names) - NAMES
    return f"{shown} and {more} more" if more > 0 else shown
