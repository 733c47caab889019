"""The tasks that a task has started, as its page lists them: 25 a page, narrowed by their state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from portal.access import Request
from portal.models import Task
from portal.paging import Order, page_of
from reporting import services
from reporting.standing import Standing, standings_of
from volumes.services import Tally

State = Task.State
OLDEST_FIRST = Order("created_at", is_descending=False)
_STATES: dict[str, tuple[str, ...]] = {
    "failed": (State.FAILED,),
    "waiting": (State.QUEUED,),
    "active": Task.STARTED,
    "done": (State.DONE,),
    "canceled": (State.CANCELED,),
}
_LABELS = {
    "": "All",
    "failed": "Failed",
    "waiting": "Waiting",
    "active": "In progress",
    "done": "Done",
    "canceled": "Canceled",
}


@dataclass(frozen=True)
class Facet:
    """One way to narrow the list, with how many it leaves."""

    show: str
    label: str
    number: int

    @property
    def count(self) -> str:
        return f"{self.number:,}"


def facets_of(tally: Tally) -> list[Facet]:
    """The ways to narrow the list."""
    numbers = {
        "": tally.waiting + tally.running + tally.ended,
        "failed": tally.failed,
        "waiting": tally.waiting,
        "active": tally.running,
        "done": tally.done,
        "canceled": tally.canceled,
    }
    return [Facet(show, _LABELS[show], number) for show, number in numbers.items()]


def children_context(request: Request, parent: Standing) -> dict[str, Any]:
    """Context of ``reporting/_task_children.html``; nothing for a task that starts no others."""
    if parent.tally is None:
        return {}
    facets = facets_of(parent.tally)
    wanted = request.GET.get("show", "")
    facet = next((each for each in facets if each.show == wanted), facets[0])
    # With the account, the index of lists gives them in order.
    rows = Task.objects.filter(account=request.account, parent=parent.task)
    if facet.show:
        rows = rows.filter(state__in=_STATES[facet.show])
    page = page_of(rows.select_related("resource"), OLDEST_FIRST, request.GET)
    may_start = services.permission_for(parent.task) in request.permissions
    return {
        "parent": parent.task,
        "facets": facets,
        "facet": facet,
        "page": page,
        "total": facet.count,
        "children": [
            (each, may_start and services.may_retry(each.task)) for each in standings_of(page.rows)
        ],
    }
