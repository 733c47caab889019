"""How fast a cluster sends to a remote site: its bandwidth policy by the cluster's own clock.

Inference (reference 7, 13.5): limits are bytes a second, shared by all that travels to the site;
windows are microseconds of the day, and the lowest bit of ``days_selected`` is Sunday.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from portal.lab.clock import SECOND, from_usecs

if TYPE_CHECKING:
    from portal.lab.prism.cluster import PrismCluster
    from portal.lab.prism.model import RemoteSite

MINUTE = 60 * SECOND
MINUTES_A_DAY = 1440


def limit_of(cluster: PrismCluster, site: RemoteSite, at: int) -> int:
    """Bytes a second that may leave for a site at this moment; 0 for as many as can."""
    policy = site.spec.get("bandwidth_policy")
    if not site.spec.get("bandwidth_policy_enabled") or not policy:
        return int(site.spec.get("max_bps") or 0)
    local = from_usecs(at).astimezone(ZoneInfo(cluster.identity.timezone))
    today = (local.hour * 3600 + local.minute * 60 + local.second) * SECOND
    sunday_first = local.isoweekday() % 7
    limits = [
        int(each.get("bandwidth_limit") or 0)
        for each in policy.get("bandwidth_configurations") or ()
        if _is_open(each, today, sunday_first)
    ]
    if not limits:
        return int(policy.get("default_bandwidth_limit") or 0)
    return min((each for each in limits if each), default=0)


def _is_open(window: dict[str, Any], today: int, day: int) -> bool:
    begin, end, mask = window["start_time"], window["end_time"], window.get("days_selected", 127)
    is_chosen, was_chosen = bool(mask >> day & 1), bool(mask >> (day - 1) % 7 & 1)
    if begin < end:
        return is_chosen and bool(begin <= today < end)
    return (is_chosen and bool(today >= begin)) or (was_chosen and bool(today < end))


def next_change(cluster: PrismCluster, site: RemoteSite) -> int:
    """The minute of the coming day in which the limit is another one, or the end of that day."""
    now = cluster.now
    minute, limit = now - now % MINUTE, limit_of(cluster, site, now)
    for _ in range(MINUTES_A_DAY):
        minute += MINUTE
        if limit_of(cluster, site, minute) != limit:
            break
    return minute
