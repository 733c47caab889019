"""Which cluster is behind a remote site, and whether the two can talk (reference 7)."""

from __future__ import annotations

from portal.lab.prism.cluster import PrismCluster
from portal.lab.prism.model import RemoteSite


def remote_of(cluster: PrismCluster, site: RemoteSite) -> PrismCluster | None:
    """Return the cluster behind a remote site, by its address."""
    for other in cluster.lab.clusters.values():
        if other is not cluster and other.identity.address in site.addresses:
            return other
    return None


def is_established(cluster: PrismCluster, site: RemoteSite) -> bool:
    """Whether the site is reached, and knows this cluster in turn."""
    return status_of(cluster, site) == "RELATIONSHIP_ESTABLISHED"


def status_of(cluster: PrismCluster, site: RemoteSite) -> str:
    """The status of a remote site (7); that pairing needs both sides is mark I."""
    other = remote_of(cluster, site)
    if other is None or not cluster.lab.is_linked(cluster.name, other.name):
        return "UNREACHABLE"
    if cluster.lab.faults.hides_remotes(cluster.name):
        return "UNREACHABLE"
    knows_us = any(
        cluster.identity.address in back.addresses for back in other.remote_sites.values()
    )
    return "RELATIONSHIP_ESTABLISHED" if knows_us else "RELATIONSHIP_NOT_ESTABLISHED"
