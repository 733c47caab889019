"""Removing a protection domain with all it holds (reference 6.8)."""

from __future__ import annotations

from portal.clouds.ahv import backups
from portal.clouds.ahv.backups import EXPIRED
from portal.clouds.ahv.cluster import AGAIN
from portal.clouds.ahv.departures import abort
from portal.clouds.ahv.domain_wire import SCHEDULED
from portal.clouds.ahv.domains import Domains
from portal.clouds.api import CloudRefused, Operation, SignInRefused


def remove_domain(domains: Domains, name: str) -> Operation | None:
    """Delete a domain with all of its snapshots, in the order of 6.8. None: it is gone."""
    domain = domains.find(name)
    if domain is None:
        return None
    gone = Operation(AGAIN, "Removing the protection domain")
    if domain.is_leaving:
        return gone
    pending, snapshots = domains.look(name) or ([], [])
    for order in pending:
        try:
            domains.cancel(name, order.id)
        except SignInRefused:
            raise
        except CloudRefused:
            return gone  # it fired meanwhile: look again
    if domain.is_active:
        abort(domains, name, {each.id for each in snapshots})
    if any(each.state == SCHEDULED for each in snapshots):
        return gone
    for each in snapshots:
        if each.state != EXPIRED:
            backups.drop(domains, each)
    domains.delete(name)
    return gone
