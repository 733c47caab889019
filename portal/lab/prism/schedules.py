"""One-off and recurring snapshots on the wire (reference 6.4, 6.8)."""

from __future__ import annotations

from portal.lab.prism import wire
from portal.lab.prism.cluster import V2, PrismCluster
from portal.lab.prism.domains import find, find_active
from portal.lab.prism.model import ProtectionDomain, Schedule
from portal.lab.prism.taking import PERIODS, add_schedule, new_schedule_id
from portal.lab.prism.wire import Json
from portal.lab.routing import Answer, Refusal, Request


def _show_oob(schedule: Schedule) -> Json:
    return {
        "schedule_id": int(schedule.id),
        "schedule_start_time_usecs": schedule.due_at,
        "snapshot_retention_time_secs": schedule.retention_seconds,
        "remote_site_names": schedule.remote_sites,
        "app_consistent": schedule.is_app_consistent,
    }


@V2("POST", "/protection_domains/{name}/oob_schedules")
def oob_create(cluster: PrismCluster, request: Request) -> Answer:
    """A start that is null, absent or past means now; no retention means for ever (mark I)."""
    domain, body = find_active(cluster, request["name"]), request.object
    if not domain.members:
        raise Refusal(f"Protection domain {domain.name} protects nothing")
    retention = wire.count_of(body, "snapshot_retention_time_secs", 0) or None
    schedule = Schedule(
        new_schedule_id(cluster), True,
        max(cluster.now, wire.count_of(body, "schedule_start_time_usecs", 0)),
        _sites(cluster, body.get("remote_site_names") or []), retention,
        is_app_consistent=bool(body.get("app_consistent")),
    )  # fmt: skip
    add_schedule(cluster, domain, schedule)
    return Answer(_show_oob(schedule), 201)


def _sites(cluster: PrismCluster, names: list[str]) -> list[str]:
    for name in names:
        if name not in cluster.remote_sites:
            raise Refusal(f"Remote site {name} does not exist")
    return [str(name) for name in names]


def _oob_map(domain: ProtectionDomain) -> Json:
    waiting = {each.id: _show_oob(each) for each in domain.schedules.values() if each.is_oob}
    return {"pd_name": domain.name, "schedule_map": waiting}


@V2("GET", "/protection_domains/oob_schedules")
def oob_list(cluster: PrismCluster, request: Request) -> Answer:
    names = request.names("protection_domain_names")
    domains = cluster.protection_domains.values()
    return Answer([_oob_map(each) for each in domains if not names or each.name in names])


@V2("GET", "/protection_domains/{name}/oob_schedules")
def domain_oob_list(cluster: PrismCluster, request: Request) -> Answer:
    return Answer([_oob_map(find(cluster, request["name"]))])


@V2("DELETE", "/protection_domains/{name}/oob_schedules/{id}")
def oob_delete(cluster: PrismCluster, request: Request) -> Answer:
    domain = find(cluster, request["name"])
    _find(domain, request["id"], is_oob=True)
    del domain.schedules[request["id"]]
    return wire.done(cluster, is_delete=True)


def _find(domain: ProtectionDomain, number: str, *, is_oob: bool) -> Schedule:
    found = domain.schedules.get(number)
    if found is None or found.is_oob != is_oob:
        raise Refusal(f"Schedule {number} does not exist", 404)
    return found


# Recurring


def _show(domain: ProtectionDomain, schedule: Schedule) -> Json:
    return {**schedule.spec, "id": schedule.id, "pd_name": domain.name}


@V2("GET", "/protection_domains/{name}/schedules")
def schedule_list(cluster: PrismCluster, request: Request) -> Answer:
    domain = find(cluster, request["name"])
    return Answer([_show(domain, each) for each in domain.schedules.values() if not each.is_oob])


def _recurring(cluster: PrismCluster, number: str, body: Json) -> Schedule:
    kind = str(body.get("type") or "").upper()
    if kind not in PERIODS:
        raise Refusal(f"Unknown type of schedule: {kind}", 400)
    policy = body.get("retention_policy") or {}
    keep_remote = {
        str(site): wire.count_of({"keep": keep}, "keep", 1)
        for site, keep in (policy.get("remote_max_snapshots") or {}).items()
    }
    start = wire.count_of(body, "user_start_time_in_usecs", 0)
    return Schedule(
        number, False, max(cluster.now, start), _sites(cluster, list(keep_remote)),
        keep_local=wire.count_of(policy, "local_max_snapshots", 0) or None,
        keep_remote=keep_remote, is_app_consistent=bool(body.get("app_consistent")),
        every_nth=wire.count_of(body, "every_nth", 1), spec={**body, "type": kind},
    )  # fmt: skip


@V2("POST", "/protection_domains/{name}/schedules")
def schedule_create(cluster: PrismCluster, request: Request) -> Answer:
    domain = find_active(cluster, request["name"])
    schedule = _recurring(cluster, new_schedule_id(cluster), request.object)
    add_schedule(cluster, domain, schedule)
    return Answer(_show(domain, schedule), 201)


@V2("PUT", "/protection_domains/{name}/schedules/{id}")
def schedule_update(cluster: PrismCluster, request: Request) -> Answer:
    domain = find_active(cluster, request["name"])
    _find(domain, request["id"], is_oob=False)
    schedule = _recurring(cluster, request["id"], request.object)
    add_schedule(cluster, domain, schedule)
    return Answer(_show(domain, schedule))


@V2("DELETE", "/protection_domains/{name}/schedules/{id}")
def schedule_delete(cluster: PrismCluster, request: Request) -> Answer:
    domain = find(cluster, request["name"])
    _find(domain, request["id"], is_oob=False)
    del domain.schedules[request["id"]]
    return wire.done(cluster, is_delete=True)


@V2("DELETE", "/protection_domains/{name}/schedules")
def schedules_delete(cluster: PrismCluster, request: Request) -> Answer:
    domain = find(cluster, request["name"])
    domain.schedules = {each.id: each for each in domain.schedules.values() if each.is_oob}
    return wire.done(cluster, is_delete=True)
