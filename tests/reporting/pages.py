"""What the tests of these pages share: addresses, and tasks as the engine would leave them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portal.models import Account, Resource, Task, User
from tests.factories import TaskFactory

HTMX = {"HX-Request": "true"}
SignIn = Callable[[User], Client]


def url(name: str, account: Account, *keys: object) -> str:
    return reverse(f"reporting:{name}", args=[account.pk, *keys])


def text_of(client: Client, address: str, **headers: str) -> str:
    """The page, which must be there."""
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200, (address, answer.status_code)
    return answer.content.decode()


def count_queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        text_of(client, address)
    return len(queries)


def plan_of(sql: str) -> list[str]:
    """How SQLite answers a query, a line for each table."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return [str(row[-1]) for row in cursor.fetchall()]


def record(name: str, label: str, state: str, **more: Any) -> dict[str, Any]:
    """A step's record: begun two minutes ago, and over after one, unless it runs."""
    begin = timezone.now() - timedelta(minutes=2)
    times = {"started_at": begin.isoformat()}
    if state != "running":
        times["ended_at"] = (begin + timedelta(minutes=1)).isoformat()
    return {"name": name, "label": label, "state": state, **times, **more}


def running_task(resource: Resource, **facts: Any) -> Task:
    """A task under way on a resource."""
    defaults = {
        "state": Task.State.RUNNING,
        "percent": 42,
        "message": "Copy the disk",
        "step": "copy",
        "is_exclusive": True,
    }
    task: Task = TaskFactory(account=resource.account, resource=resource, **(defaults | facts))
    return task


def failed_task(resource: Resource, **facts: Any) -> Task:
    """A task that failed in the cloud's words."""
    defaults = {
        "state": Task.State.FAILED,
        "error": "Copy the disk: the container is full",
        "error_detail": "kNoSpace in default-container-12",
        "advice": "Make room in the container.",
    }
    task: Task = TaskFactory(account=resource.account, resource=resource, **(defaults | facts))
    return task
