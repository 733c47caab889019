"""Tasks: one, many, and waiting for some (reference 8)."""

from __future__ import annotations

from portal.lab.clock import SECOND
from portal.lab.prism import wire
from portal.lab.prism.cluster import V1, V2, PrismCluster
from portal.lab.prism.wire import Json
from portal.lab.routing import Answer, NotReady, Refusal, Request

DEFAULT_COUNT = 1000


@V2("GET", "/tasks/{uuid}")
def task_detail(cluster: PrismCluster, request: Request) -> Answer:
    found = cluster.tasks.get(request["uuid"])
    if found is None or found.is_hidden:
        raise Refusal(f"Task with uuid {request['uuid']} does not exist", 404)
    return Answer(wire.task(cluster, found))


@V2("POST", "/tasks/list")
def task_list(cluster: PrismCluster, request: Request) -> Answer:
    """Oldest first, and ``count`` keeps the oldest (8)."""
    body = request.object
    shows_ended = body.get("include_completed", False)
    listed = cluster.tasks.values() if shows_ended else cluster.active_tasks()
    kinds = set(body.get("operation_type_list") or [])
    wanted = {entry.get("entity_id") for entry in body.get("entity_list") or []}
    found = [
        task
        for task in listed
        if not task.is_hidden
        and (not kinds or task.operation in kinds)
        and (not wanted or any(uuid in wanted for _, uuid in task.entities))
    ]
    found.sort(key=lambda task: task.number)
    count = wire.count_of(body, "count", DEFAULT_COUNT)
    return wire.listing([wire.task(cluster, task) for task in found[:count]], request)


@V2("POST", "/tasks/poll")
def task_poll(cluster: PrismCluster, request: Request) -> Answer:
    """Answer as soon as one of the tasks has ended, at the latest after the interval.

    Uuids the cluster does not know are left out (8: what real clusters do is unknown).
    """
    body = request.object
    uuids = body.get("completed_tasks") or []
    if not isinstance(uuids, list):
        raise Refusal("completed_tasks must be a list", 400)
    known = [cluster.tasks[uuid] for uuid in uuids if uuid in cluster.tasks]
    ended = [wire.task(cluster, task) for task in known if not task.is_active]
    until = request.at + wire.count_of(body, "timeout_interval", 0) * SECOND
    if not ended and cluster.now < until:
        raise NotReady
    return Answer({"completed_tasks_info": ended, "timed_out": not ended})


@V1("GET", "/progress_monitors")
def progress_monitors(cluster: PrismCluster, request: Request) -> Answer:
    """What Prism's own pages poll: ``filterCriteria=uuid==…``, camelCase, lower-case states."""
    wanted = request.query.get("filterCriteria", "")
    uuid = wanted.removeprefix("uuid==") if wanted.startswith("uuid==") else None
    found = [task for task in cluster.tasks.values() if uuid is None or task.uuid == uuid]
    shown: list[Json] = [
        {
            "uuid": task.uuid,
            "operation": task.operation,
            "status": task.status.lower(),
            "percentageCompleted": wire.percent(task, cluster.now),
            "createTimeUsecs": task.created_at,
            "completeTimeUsecs": task.ended_at,
            "errorDetail": task.error or None,
            "entityId": [uuid for _, uuid in task.entities],
        }
        for task in found
    ]
    metadata = {"grandTotalEntities": len(shown), "totalEntities": len(shown), "count": len(shown)}
    return Answer({"metadata": metadata, "entities": shown})
