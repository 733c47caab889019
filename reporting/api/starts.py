"""What the API starts: a backup, and publishing, by the services the pages use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Field, Router
from ninja.errors import HttpError
from ninja.params.functions import Header
from ninja.responses import Status
from pydantic import StrictBool

from backups import publish, services
from backups.models import Backup
from portal.access import Permission
from portal.models import Resource, Task
from portal.refusals import Refused
from reporting import api_requests
from reporting.api.keys import account_of, actor_of, key_of, require
from reporting.api.problems import STARTING
from reporting.api.resources import TaskOut
from reporting.api.values import Strict, Text, Title

router = Router(tags=["starting"])
STARTED = {202: TaskOut, **STARTING}

REQUEST_NAME: Any = Header(
    "",
    alias="Idempotency-Key",
    max_length=100,
    pattern=r"^[!-~]*$",
    description="A name for this request, of your making: repeated under it within a day, the "
    "request starts nothing again and answers the same task.",
)


class BackupIn(Strict):
    """``keep_running`` and ``may_power_off`` are about servers; a volume always stays in use."""

    name: Title
    description: Text = ""
    keep_running: StrictBool = Field(
        False, description="Leave the server on; the backup is crash-consistent then."
    )
    may_power_off: StrictBool = Field(
        False, description="A server that runs may be powered off while its disk is copied."
    )


class PublishIn(Strict):
    may_power_off: StrictBool = Field(
        False, description="A Sandbox that runs may be powered off while it is cloned."
    )


@router.post(
    "/accounts/{account}/resources/{resource}/backups", response=STARTED, summary="Start a backup"
)
def start_backup(
    request: HttpRequest,
    response: HttpResponse,
    account: UUID,
    resource: UUID,
    body: BackupIn,
    idempotency_key: str = REQUEST_NAME,
) -> Status[Task]:
    """Back up a server or volume. 202: it has been requested, and the task says how it goes.

    409 says why it cannot be: another task is under way on the resource, it holds as many manual
    backups as may be kept, or it runs and neither choice was made.
    """
    reached = account_of(request, account)
    found = reached.resources.select_related("cloud_account").filter(pk=resource).first()
    if found is None:
        raise HttpError(404, "The account has no such resource.")
    is_volume = found.is_volume
    require(request, Permission.PROTECT_VOLUMES if is_volume else Permission.BACK_UP_SERVERS)
    found.account = reached
    return _start(request, response, idempotency_key, lambda: _back_up(request, found, body))


def _back_up(request: HttpRequest, resource: Resource, body: BackupIn) -> Backup:
    actor, origin = actor_of(request), Task.Origin.API
    if resource.is_volume:
        return services.create_volume_backup(
            actor, resource, name=body.name, description=body.description, origin=origin
        )
    return services.create_backup(
        actor,
        resource,
        name=body.name,
        description=body.description,
        may_power_off=body.may_power_off,
        keep_running=body.keep_running,
        origin=origin,
    )


@router.post("/accounts/{account}/publish", response=STARTED, summary="Publish the Sandbox")
def start_publish(
    request: HttpRequest,
    response: HttpResponse,
    account: UUID,
    body: PublishIn,
    idempotency_key: str = REQUEST_NAME,
) -> Status[Task]:
    """Clone the Sandbox and back the clone up. 202: requested, and the task says how it goes."""
    reached = account_of(request, account)
    require(request, Permission.BACK_UP_SERVERS)
    machines = reached.resources.select_related("cloud_account")
    sandbox = machines.filter(kind=Resource.Kind.SANDBOX).first()
    if sandbox is None:
        raise Refused("The account has no Sandbox.")
    sandbox.account = reached
    return _start(
        request,
        response,
        idempotency_key,
        lambda: publish.publish_sandbox(
            actor_of(request), sandbox, may_power_off=body.may_power_off, origin=Task.Origin.API
        ),
    )


def _start(
    request: HttpRequest, response: HttpResponse, name: str, begin: Callable[[], Backup]
) -> Status[Task]:
    """Begin it once; answer its task as it stands, with its address."""
    asked = request.path.encode() + b"\n" + request.body
    pk, is_new = api_requests.start_once(key_of(request), name, asked, lambda: _task_of(begin()))
    if not is_new:
        response["Idempotency-Replayed"] = "true"
    task = Task.objects.get(pk=pk)
    response["Location"] = reverse("reporting:api:get_task", args=[task.account_id, task.pk])
    return Status(202, task)


def _task_of(backup: Backup) -> Task:
    if backup.task is None:
        raise ValueError(f"backup {backup.pk} was started without a task")
    return backup.task
